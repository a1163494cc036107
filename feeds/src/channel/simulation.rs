//! Whole streams through a bad network in virtual time, seeded. `SEED=n` runs one seed.
//!
//! ```text
//! published --> line A: own packets, loss, bursts, copies, delay --+
//!          \--> line B: the same, otherwise -----------------------+--> arbiter --> Checker
//!           \-> servers: one datagram an answer, or silence <------+
//! ```
//!
//! [`Checker`] refuses whatever is not the published stream in order with each missing range told lost once. That it can
//! refuse is proved by arbiters that are wrong on purpose.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::{FeedStatus, Nanos};

mod snapshots;

use super::{Channel, ChannelConfig, REREQUEST, Sink, Taken, Transmit};
use crate::moldudp64::testing::{SESSION, end_of_session, heartbeat, packet};
use crate::moldudp64::{Packet, Request};

const MS: u64 = 1_000_000;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What is put under test: the channel, or something that is wrong on purpose.
trait Arbiter {
    fn on_datagram(&mut self, now: Nanos, line: u8, bytes: &[u8], sink: &mut Checker);
    fn on_timeout(&mut self, now: Nanos, sink: &mut Checker);
    fn next_timeout(&self) -> Option<Nanos>;
    fn poll_transmit(&mut self, now: Nanos) -> Option<Transmit>;
}

impl Arbiter for Channel {
    fn on_datagram(&mut self, now: Nanos, line: u8, bytes: &[u8], sink: &mut Checker) {
        Channel::on_datagram(self, now, line, bytes, sink);
    }
    fn on_timeout(&mut self, now: Nanos, sink: &mut Checker) {
        Channel::on_timeout(self, now, sink);
    }
    fn next_timeout(&self) -> Option<Nanos> {
        Channel::next_timeout(self)
    }
    fn poll_transmit(&mut self, now: Nanos) -> Option<Transmit> {
        Channel::poll_transmit(self, now)
    }
}

/// Compares what is delivered with what was published.
struct Checker {
    published: Vec<Vec<u8>>,
    next: u64,
    lost: u64,
    /// End of what was told to be missing.
    told: u64,
    statuses: u64,
    over: bool,
    fault: Option<String>,
}

impl Checker {
    fn refuse(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }
}

impl Sink for Checker {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        if seq != self.next {
            self.refuse(format!("message {seq} where {} was due", self.next));
            return Taken::Whole;
        }
        if self.over {
            self.refuse(format!("message {seq} after the end"));
        }
        if self.published.get(seq as usize - 1).map(Vec::as_slice) != Some(msg) {
            self.refuse(format!("message {seq} is not what was published"));
        }
        self.next += 1;
        Taken::Whole
    }

    fn status(&mut self, status: FeedStatus) {
        self.statuses += 1;
        match status {
            FeedStatus::Synced { next } if next == self.next && self.lost == 0 => {}
            FeedStatus::Recovering { from, to } if from == self.next && to > from => {
                self.told = self.told.max(to);
            }
            FeedStatus::Lost { from, to } if from == self.next && from < to && to <= self.told => {
                self.lost += to - from;
                self.next = to;
            }
            FeedStatus::EndOfSession if !self.over => self.over = true,
            FeedStatus::Heartbeat if !self.over => {}
            wrong => self.refuse(format!("{wrong:?} at {}", self.next)),
        }
    }
}

/// What the network does, percent of packets.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u64,
    /// Chance that a loss takes the next packets of the line too.
    burst: u64,
    copies: u64,
    /// Largest delay of a line's packet.
    delay_ns: u64,
    /// Requests that a server answers; 0 is a dead server.
    answered: u64,
}

/// What came of a run.
#[derive(Debug)]
struct Outcome {
    lost: u64,
    requests: u64,
    statuses: u64,
    strays: u64,
}

/// A datagram on its way: when, in which order, on which line.
type Flight = Reverse<(u64, u64, u8, Vec<u8>)>;

struct Network {
    flights: BinaryHeap<Flight>,
    sent: u64,
    strays: u64,
}

impl Network {
    fn send(&mut self, at: u64, line: u8, bytes: Vec<u8>) {
        self.sent += 1;
        self.flights.push(Reverse((at, self.sent, line, bytes)));
    }

    /// Publishes the whole stream on a line: its own packets, its own losses.
    fn publish(&mut self, rng: &mut Rng, weather: Weather, line: u8, stream: &[Vec<u8>], joined: u64) {
        let end = stream.len() as u64 + 1;
        let (mut seq, mut losing) = (1, false);
        while seq < end {
            let count = (1 + rng.below(12)).min(end - seq);
            let bytes = packet(SESSION, seq, &stream[seq as usize - 1..(seq + count) as usize - 1]);
            // Message n is published at n * 10 us; a packet leaves with its last one.
            let leaves = (seq + count) * 10_000;
            losing = if losing { rng.chance(weather.burst) } else { rng.chance(weather.loss) };
            // Once the stream is heard, packets of another session stray here: whatever they claim, it goes on as it was.
            if seq > joined + 400 && rng.chance(2) {
                let stray = match rng.below(3) {
                    0 => heartbeat(*b"STRAY     ", seq),
                    1 => end_of_session(*b"STRAY     ", seq),
                    _ => packet(*b"STRAY     ", 1 + rng.below(2 * end), &[b"stray"]),
                };
                self.strays += 1;
                self.send(leaves, line, stray);
            }
            let copies = 1 + u64::from(rng.chance(weather.copies));
            for _ in 0..copies {
                let delay = rng.below(weather.delay_ns + 1);
                if !losing && seq >= joined {
                    self.send(leaves + delay, line, bytes.clone());
                }
            }
            seq += count;
        }
        let over = end * 10_000 + weather.delay_ns;
        for i in 1..=5 {
            self.send(over + i * MS, line, heartbeat(SESSION, end));
            self.send(over + (10 + i) * MS, line, end_of_session(SESSION, end));
        }
    }
}

/// A server's answer: as much as fits one small datagram.
fn answer(stream: &[Vec<u8>], request: Request) -> Option<Vec<u8>> {
    let from = usize::try_from(request.sequence.checked_sub(1)?).ok()?;
    let wanted = stream.get(from..)?.iter().take(usize::from(request.count));
    let mut room = 400usize;
    let fits: Vec<_> = wanted
        .take_while(|m| {
            let had = room;
            room = had.saturating_sub(m.len() + 2);
            had > m.len() + 2
        })
        .collect();
    (!fits.is_empty()).then(|| packet(request.session, request.sequence, &fits))
}

const TIMEOUT: u64 = 2 * MS;

fn config(servers: usize) -> ChannelConfig {
    ChannelConfig {
        reorder_window: 256,
        message_bytes: 48,
        gap_wait: Nanos(300_000),
        request_timeout: Nanos(TIMEOUT),
        request_retries: 12,
        request_max_messages: 100,
        servers,
        silence: Nanos(u64::MAX),
        ..ChannelConfig::default()
    }
}

/// One stream from the first packet to the end of the session. `joined` is the first message that the lines bring.
fn run(
    seed: u64,
    weather: Weather,
    messages: u64,
    joined: u64,
    arbiter: &mut impl Arbiter,
) -> Result<Outcome, String> {
    let mut rng = Rng(seed);
    let published: Vec<Vec<u8>> = (0..messages)
        .map(|_| {
            let len = if rng.chance(2) { 60 } else { rng.below(48) };
            (0..len).map(|_| rng.next() as u8).collect()
        })
        .collect();
    let mut network = Network { flights: BinaryHeap::new(), sent: 0, strays: 0 };
    for line in 0..2 {
        network.publish(&mut rng, weather, line, &published, joined);
    }
    let mut checker = Checker { published, next: 1, lost: 0, told: 0, statuses: 0, over: false, fault: None };
    let (mut now, mut requests, mut steps) = (0, 0, 0u64);
    // A request is due to an answer, a newly told gap or a timeout: anything else would be a storm.
    let (mut reason, mut asked_at) = (true, 0);
    loop {
        steps += 1;
        if steps > 200 * messages + 10_000 {
            return Err(format!("no end after {steps} steps, {} delivered", checker.next - 1));
        }
        let flight = network.flights.peek().map(|Reverse((at, ..))| *at);
        let timeout = arbiter.next_timeout().map(|t| t.0).filter(|t| *t < u64::MAX);
        let Some(at) = [flight, timeout].into_iter().flatten().min() else { break };
        now = at.max(now);
        let statuses = checker.statuses;
        if flight == Some(at) {
            let Some(Reverse((_, _, line, bytes))) = network.flights.pop() else { break };
            arbiter.on_datagram(Nanos(now), line, &bytes, &mut checker);
            reason |= line == REREQUEST;
        }
        if arbiter.next_timeout().is_some_and(|t| t.0 <= now) {
            arbiter.on_timeout(Nanos(now), &mut checker);
        }
        reason |= checker.statuses != statuses;
        while let Some(Transmit { server: _, bytes }) = arbiter.poll_transmit(Nanos(now)) {
            requests += 1;
            if !reason && now - asked_at < TIMEOUT {
                return Err(format!("request {requests} at {now} ns for no reason"));
            }
            (reason, asked_at) = (false, now);
            let request = Request::parse(&bytes).map_err(|e| e.to_string())?;
            if !(1..=100).contains(&request.count) || request.sequence != checker.next {
                return Err(format!("{request:?} at {}", checker.next));
            }
            if let Some(bytes) = answer(&checker.published, request).filter(|_| rng.chance(weather.answered))
            {
                network.send(now + 20_000 + rng.below(TIMEOUT), REREQUEST, bytes);
            }
        }
        if let Some(fault) = checker.fault {
            return Err(fault);
        }
    }
    if checker.next != messages + 1 || !checker.over {
        return Err(format!("ended at {} of {}, over: {}", checker.next, messages + 1, checker.over));
    }
    Ok(Outcome { lost: checker.lost, requests, statuses: checker.statuses, strays: network.strays })
}

/// A few seeds, or the one that is asked for.
fn seeds() -> Vec<u64> {
    match std::env::var("SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=24).collect(),
    }
}

fn weather(seed: u64) -> Weather {
    let mut rng = Rng(seed ^ 0xC0_10);
    Weather {
        loss: rng.below(12),
        burst: rng.below(80),
        copies: rng.below(50),
        delay_ns: rng.below(2 * MS),
        answered: 100,
    }
}

/// What the counters must add up to once the stream has ended.
fn check_stats(channel: &Channel, outcome: &Outcome, messages: u64, seed: u64) {
    let s = channel.stats();
    assert_eq!(s.gaps_opened, s.gaps_filled + s.gaps_lost, "seed {seed}");
    assert_eq!(s.delivered + s.messages_lost, messages, "seed {seed}");
    assert_eq!((s.messages_lost, s.requests), (outcome.lost, outcome.requests), "seed {seed}");
    assert_eq!(
        (s.buffered, s.rejected.total(), s.truncated),
        (0, s.rejected.other_session, 0),
        "seed {seed}"
    );
    assert_eq!((s.rejected.other_session, s.new_sessions), (outcome.strays, 0), "seed {seed}");
    let won: u64 = s.lines.iter().map(|l| l.won).sum::<u64>() + s.answers.won;
    assert_eq!(won, s.delivered, "seed {seed}");
}

#[test]
fn with_servers_that_answer_everything_is_delivered() {
    let mut requests = 0;
    for seed in seeds() {
        for (answered, servers, joined) in [(100, 1, 1), (60, 2, 1), (80, 2, 1_500)] {
            // So many tries that a server which answers now and then is never taken for dead.
            let mut channel = Channel::new(ChannelConfig { request_retries: 60, ..config(servers) });
            let weather = Weather { answered, ..weather(seed) };
            let outcome = run(seed, weather, 3_000, joined, &mut channel)
                .unwrap_or_else(|fault| panic!("SEED={seed} {weather:?}: {fault}"));
            assert_eq!(outcome.lost, 0, "SEED={seed} {weather:?}");
            check_stats(&channel, &outcome, 3_000, seed);
            requests += outcome.requests;
        }
    }
    assert!(requests > 0, "the weather was too good to prove anything");
}

#[test]
fn without_an_answer_every_missing_range_is_lost_once() {
    let (mut lost, mut clean) = (0, 0);
    for seed in seeds() {
        for (servers, joined) in [(0, 1), (1, 1), (2, 1_500)] {
            let mut channel = Channel::new(config(servers));
            let weather = Weather { answered: 0, ..weather(seed) };
            let outcome = run(seed, weather, 3_000, joined, &mut channel)
                .unwrap_or_else(|fault| panic!("SEED={seed} {weather:?}: {fault}"));
            check_stats(&channel, &outcome, 3_000, seed);
            lost += outcome.lost;
            clean += u64::from(outcome.lost == 0);
        }
    }
    assert!(lost > 0 && clean < 72, "the weather was too good to prove anything");
}

#[test]
fn good_weather_needs_no_request() {
    let weather = Weather { loss: 0, burst: 0, copies: 30, delay_ns: 100_000, answered: 100 };
    for seed in seeds() {
        // A message that is too long to be held would have to be asked for.
        let mut channel = Channel::new(ChannelConfig { message_bytes: 64, ..config(1) });
        let outcome = run(seed, weather, 1_000, 1, &mut channel).unwrap();
        assert_eq!((outcome.lost, outcome.requests), (0, 0), "SEED={seed}");
        assert!(outcome.statuses >= 2);
    }
}

/// Wrong on purpose: drops and delivers by packet instead of by message.
struct ByPacket(u64);

impl Arbiter for ByPacket {
    fn on_datagram(&mut self, _: Nanos, _: u8, bytes: &[u8], sink: &mut Checker) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        if packet.sequence >= self.0 {
            for (seq, msg) in (packet.sequence..).zip(packet.blocks()) {
                let _ = sink.message(seq, msg);
            }
            self.0 = packet.end();
        }
    }
    fn on_timeout(&mut self, _: Nanos, _: &mut Checker) {}
    fn next_timeout(&self) -> Option<Nanos> {
        None
    }
    fn poll_transmit(&mut self, _: Nanos) -> Option<Transmit> {
        None
    }
}

/// The channel with something in its way.
struct Broken {
    channel: Channel,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Says nothing of a gap that is lost: delivery just goes on behind it.
    SkipsGap,
    /// Heartbeats and the end of the session tell it nothing.
    DeafToHeartbeats,
    /// A message of a packet is overwritten on its way.
    GarblesBytes,
    /// Does not wait for an answer before it asks again.
    Storms,
}

struct Muffled<'a>(&'a mut Checker);

impl Sink for Muffled<'_> {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        self.0.message(seq, msg)
    }
    fn status(&mut self, status: FeedStatus) {
        if !matches!(status, FeedStatus::Lost { .. }) {
            self.0.status(status);
        }
    }
}

impl Arbiter for Broken {
    fn on_datagram(&mut self, now: Nanos, line: u8, bytes: &[u8], sink: &mut Checker) {
        let mut bytes = bytes.to_vec();
        match (self.how, Packet::parse(&bytes).map_or(0, |p| p.messages())) {
            (How::DeafToHeartbeats, 0) => {}
            (How::GarblesBytes, 9..) => {
                bytes.iter_mut().skip(22).for_each(|b| *b = 0);
                self.channel.on_datagram(now, line, &bytes, sink);
            }
            (How::SkipsGap, _) => self.channel.on_datagram(now, line, &bytes, &mut Muffled(sink)),
            _ => self.channel.on_datagram(now, line, &bytes, sink),
        }
    }
    fn on_timeout(&mut self, now: Nanos, sink: &mut Checker) {
        match self.how {
            How::SkipsGap => self.channel.on_timeout(now, &mut Muffled(sink)),
            _ => self.channel.on_timeout(now, sink),
        }
    }
    fn next_timeout(&self) -> Option<Nanos> {
        self.channel.next_timeout()
    }
    fn poll_transmit(&mut self, now: Nanos) -> Option<Transmit> {
        let due = self.channel.poll_transmit(now);
        if self.how == How::Storms && due.is_none() && self.channel.gap.is_some() {
            let request = Request::range(SESSION, self.channel.expected(), self.channel.expected() + 1);
            return Some(Transmit { server: 0, bytes: request.encode() });
        }
        due
    }
}

#[test]
fn the_harness_catches_arbiters_that_are_wrong() {
    let bad = Weather { loss: 10, burst: 50, copies: 20, delay_ns: MS, answered: 0 };
    for seed in 1..=3 {
        let fault = run(seed, bad, 1_000, 1, &mut ByPacket(1)).unwrap_err();
        assert!(fault.contains("was due"), "SEED={seed}: {fault}");
        for (how, servers, words) in [
            (How::SkipsGap, 0, "was due"),
            (How::DeafToHeartbeats, 0, "ended at"),
            (How::GarblesBytes, 0, "not what was published"),
            (How::Storms, 1, "for no reason"),
        ] {
            let mut broken = Broken { channel: Channel::new(config(servers)), how };
            let fault = run(seed, bad, 1_000, 1, &mut broken).unwrap_err();
            assert!(fault.contains(words), "SEED={seed} {how:?}: {fault}");
        }
    }
}
