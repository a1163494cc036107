//! The same bad network with a snapshot server behind it that refuses, breaks off and lags.
//!
//! A snapshot of the state after message `n` is a few parts that all say `n`. [`Mirror`] is what the books would be: whole, or worth nothing.
//! It refuses a `Synced` while they are not whole.

use super::super::SnapshotLimits;
use super::*;

/// Parts of a snapshot.
const PARTS: u64 = 5;
/// Where flights of the snapshot session land.
const SNAPSHOT: u8 = 200;
const SPACING: u64 = 3 * MS;

/// What the books are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Books {
    /// What the venue's were after message `next - 1`.
    Whole { next: u64 },
    /// Made of so many parts of the snapshot after which `next` follows.
    Building { next: u64, parts: u64 },
}

struct Mirror {
    published: Vec<Vec<u8>>,
    books: Books,
    synced: u64,
    valid: bool,
    over: bool,
    fault: Option<String>,
}

impl Mirror {
    fn refuse(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }
}

impl Sink for Mirror {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        if self.published.get(seq as usize - 1).map(Vec::as_slice) != Some(msg) {
            self.refuse(format!("message {seq} is not what was published"));
        }
        match self.books {
            Books::Whole { next } if next == seq => self.books = Books::Whole { next: seq + 1 },
            books => self.refuse(format!("message {seq} for {books:?}")),
        }
        Taken::Whole
    }

    fn snapshot(&mut self, msg: &[u8]) -> Taken {
        let of = u64::from_be_bytes(msg.try_into().unwrap());
        match self.books {
            Books::Building { parts: 0, .. } => self.books = Books::Building { next: of, parts: 1 },
            Books::Building { next, parts } if next == of => {
                self.books = Books::Building { next, parts: parts + 1 }
            }
            books => self.refuse(format!("a part of {of} for {books:?}")),
        }
        Taken::Whole
    }

    fn status(&mut self, status: FeedStatus) {
        match (status, self.books) {
            (FeedStatus::SnapshotBegin, _) => {
                (self.books, self.valid) = (Books::Building { next: 0, parts: 0 }, false);
            }
            (FeedStatus::SnapshotEnd { next }, Books::Building { next: of, parts: PARTS }) if next == of => {
                self.books = Books::Whole { next };
            }
            (FeedStatus::Synced { next }, Books::Whole { next: own }) if next == own => {
                (self.valid, self.synced) = (true, self.synced + 1);
            }
            (FeedStatus::Recovering { .. }, _) => self.valid = false,
            (FeedStatus::Heartbeat, _) => {}
            (FeedStatus::EndOfSession, Books::Whole { .. }) if !self.over => self.over = true,
            (wrong, books) => self.refuse(format!("{wrong:?} with {books:?}")),
        }
    }
}

/// What the snapshot server does, percent of sessions.
#[derive(Clone, Copy, Debug)]
struct Server {
    refused: u64,
    cut: u64,
    hangs: u64,
    /// How many messages it is behind the lines at most.
    lag: u64,
    takes_ns: u64,
}

fn limits() -> SnapshotLimits {
    SnapshotLimits {
        after_messages: 400,
        after: Nanos::from_millis(20),
        timeout: Nanos::from_millis(40),
        spacing: Nanos(SPACING),
        spacing_max: Nanos(8 * SPACING),
        attempts_max: u32::MAX,
    }
}

#[derive(Debug, Default)]
struct Ran {
    asked: u64,
    taken: u64,
    failed: u64,
    requests: u64,
}

fn run(
    seed: u64,
    weather: Weather,
    server: Server,
    config: ChannelConfig,
    joined: u64,
    wrong: bool,
) -> Result<Ran, String> {
    const MESSAGES: u64 = 3_000;
    let mut rng = Rng(seed);
    let published: Vec<Vec<u8>> = (0..MESSAGES).map(|n| [&n.to_be_bytes()[..], &[7; 9]].concat()).collect();
    let mut network = Network { flights: BinaryHeap::new(), sent: 0, strays: 0 };
    for line in 0..2 {
        network.publish(&mut rng, weather, line, &published, joined);
    }
    let mut channel = Channel::new(config);
    let books = Books::Whole { next: 1 };
    let mut mirror = Mirror { published, books, synced: 0, valid: false, over: false, fault: None };
    let (mut now, mut steps, mut session, mut asked_at) = (0, 0u64, 0u64, None::<u64>);
    loop {
        steps += 1;
        if steps > 2_000_000 {
            return Err("no end".into());
        }
        let flight = network.flights.peek().map(|Reverse((at, ..))| *at);
        let timeout = channel.next_timeout().map(|t| t.0).filter(|t| *t < u64::MAX);
        let Some(at) = [flight, timeout].into_iter().flatten().min() else { break };
        now = at.max(now);
        if flight == Some(at) {
            let Some(Reverse((_, _, line, bytes))) = network.flights.pop() else { break };
            match line {
                SNAPSHOT => {
                    let (id, rest) = bytes.split_first_chunk::<8>().unwrap();
                    if u64::from_be_bytes(*id) == session && channel.is_snapshot_open() {
                        match rest {
                            [b'M', part @ ..] => channel.on_snapshot_message(Nanos(now), part, &mut mirror),
                            [b'G', next @ ..] => {
                                let next = u64::from_be_bytes(next.try_into().unwrap()) + u64::from(wrong);
                                channel.on_snapshot_end(Nanos(now), next, &mut mirror);
                            }
                            _ => channel.on_snapshot_failed(Nanos(now)),
                        }
                    }
                }
                line => channel.on_datagram(Nanos(now), line, &bytes, &mut mirror),
            }
        }
        if channel.next_timeout().is_some_and(|t| t.0 <= now) {
            channel.on_timeout(Nanos(now), &mut mirror);
        }
        while let Some(Transmit { bytes, .. }) = channel.poll_transmit(Nanos(now)) {
            let request = Request::parse(&bytes).map_err(|e| e.to_string())?;
            let bytes = answer(&mirror.published, request).filter(|_| rng.chance(weather.answered));
            if let Some(bytes) = bytes {
                network.send(now + 20_000 + rng.below(TIMEOUT), REREQUEST, bytes);
            }
        }
        if channel.poll_snapshot(Nanos(now)) {
            if asked_at.is_some_and(|at| now < at + SPACING) {
                return Err(format!("snapshots asked for at {asked_at:?} and {now} ns"));
            }
            asked_at = Some(now);
            session += 1;
            let mut send = |at: u64, kind: u8, n: &[u8]| {
                network.send(at, SNAPSHOT, [&session.to_be_bytes()[..], &[kind], n].concat());
            };
            let login = now + rng.below(MS);
            let (refused, hangs) = (rng.chance(server.refused), rng.chance(server.hangs));
            let cut = if rng.chance(server.cut) { rng.below(PARTS + 1) } else { PARTS + 1 };
            // Message n is published at n * 10 us.
            let next = (login / 10_000).saturating_sub(rng.below(server.lag + 1)).min(MESSAGES) + 1;
            let step = rng.below(server.takes_ns / PARTS) + 1;
            if refused {
                send(login, b'X', &[]);
            } else if !hangs {
                for part in 0..PARTS.min(cut) {
                    send(login + part * step, b'M', &next.to_be_bytes());
                }
                match cut > PARTS {
                    true => send(login + PARTS * step, b'G', &next.to_be_bytes()),
                    false => send(login + cut * step, b'X', &[]),
                }
            }
        }
        if let Some(fault) = mirror.fault {
            return Err(fault);
        }
        if mirror.valid != channel.is_synced() {
            return Err(format!("valid: {}, synced: {}", mirror.valid, channel.is_synced()));
        }
    }
    let s = channel.stats();
    if mirror.books != (Books::Whole { next: MESSAGES + 1 }) || !mirror.over || !mirror.valid {
        return Err(format!("ended with {:?}, over: {}, {s:?}", mirror.books, mirror.over));
    }
    if s.gaps_open() != 0
        || s.messages_lost != 0
        || s.snapshots_asked != s.snapshots_taken + s.snapshots_failed
    {
        return Err(format!("{s:?}"));
    }
    Ok(Ran {
        asked: s.snapshots_asked,
        taken: s.snapshots_taken,
        failed: s.snapshots_failed,
        requests: s.requests,
    })
}

fn with_snapshots(servers: usize, window: usize) -> ChannelConfig {
    ChannelConfig { request_retries: 2, reorder_window: window, snapshots: Some(limits()), ..config(servers) }
}

fn server(seed: u64) -> Server {
    let mut rng = Rng(seed ^ 0x611);
    Server {
        refused: rng.below(40),
        cut: rng.below(40),
        hangs: rng.below(15),
        lag: 0,
        takes_ns: 1_000 + rng.below(4 * MS),
    }
}

#[test]
fn with_a_dead_re_request_server_the_books_are_whole_at_the_end_and_never_valid_before() {
    let mut all = Ran::default();
    for seed in seeds() {
        for (servers, window, joined) in [(0, 256, 1), (1, 256, 1), (2, 1_024, 1_500), (0, 16, 1)] {
            let weather = Weather { answered: 0, ..weather(seed) };
            let ran = run(seed, weather, server(seed), with_snapshots(servers, window), joined, false)
                .unwrap_or_else(|fault| {
                    panic!("SEED={seed} {servers} {window} {weather:?} {:?}: {fault}", server(seed))
                });
            all = Ran {
                asked: all.asked + ran.asked,
                taken: all.taken + ran.taken,
                failed: all.failed + ran.failed,
                ..ran
            };
        }
    }
    assert!(all.taken > 0 && all.failed > 0, "the weather was too good to prove anything: {all:?}");
}

#[test]
fn with_servers_that_answer_and_snapshots_that_lag_all_comes_together() {
    let (mut taken, mut requests) = (0, 0);
    for seed in seeds() {
        let weather = Weather { answered: 90, ..weather(seed) };
        let server = Server { lag: 300, ..server(seed) };
        for joined in [1, 1_500] {
            let ran = run(seed, weather, server, with_snapshots(1, 1_024), joined, false)
                .unwrap_or_else(|fault| panic!("SEED={seed} {joined} {weather:?} {server:?}: {fault}"));
            assert!(joined == 1 || ran.taken > 0, "SEED={seed}: who joins late takes one");
            taken += ran.taken;
            requests += ran.requests;
        }
    }
    assert!(taken > 0 && requests > 0);
}

#[test]
fn the_mirror_catches_a_snapshot_that_says_another_sequence() {
    let weather = Weather { answered: 0, ..weather(1) };
    let server = Server { refused: 0, cut: 0, hangs: 0, ..server(1) };
    let fault = run(1, weather, server, with_snapshots(0, 256), 1_500, true).unwrap_err();
    assert!(fault.contains("SnapshotEnd"), "{fault}");
}
