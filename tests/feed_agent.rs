//! A feed agent on real sockets: what comes on its lines, in the order in which the strategy gets it, and what it tells of its lines.

mod feed_bench;

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use colo::agent::Agent;
use colo::agents::FeedItem;
use colo::config::{Config, Secrets, Way, Written, parse_toml};
use colo::core::{Plan, start};
use colo::journal::{Record, RunDir};
use colo::logs::{LogWriter, Names};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use colo::telemetry::snapshot::Feed;
use engine::strategy::{Quoter, Strategy};
use feed_bench::Bench;
use model::{FeedStatus, MarketBody, Nanos, Qty};
use net::pcap::write;
use net::udp::Stamps;
use ringbuf::log::Reader;

const POLLS_MAX: u32 = 2_000_000;

const SESSION: &[u8; 10] = b"000010059B";
const NEXT: &[u8; 10] = b"000010059C";
const HEARTBEAT: u16 = 0;
const END: u16 = u16::MAX;

fn config(name: &str) -> Config {
    let file = Path::new("feed.toml");
    let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
    written.name = name.into();
    written.feeds[0].silence_ms = 60_000;
    written.strategy.name = Quoter::NAME.into();
    written.strategy.params.insert("quantity".into(), 100.into());
    written.risk.max_open_orders = Some(3);
    written.risk.max_position = Some(5_000);
    written.risk.max_daily_loss_usd = Some(700);
    written.capacity.live_orders = 1_000;
    written.capacity.levels = 100;
    written.capacity.direct_refs = 1_000;
    Config::resolve(written, file, Secrets::Skip).unwrap()
}

fn header(session: &[u8; 10], sequence: u64, count: u16) -> Vec<u8> {
    [&session[..], &sequence.to_be_bytes(), &count.to_be_bytes()].concat()
}

fn packet(session: &[u8; 10], sequence: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header(session, sequence, messages.len() as u16);
    bytes.extend(framed(messages));
    bytes
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
}

/// A message of AAPL's locate with these fields at their offsets.
fn message(kind: u8, len: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut m = vec![0; len];
    m[0] = kind;
    m[2] = 7;
    for (at, bytes) in fields {
        m[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    m
}

fn directory() -> Vec<u8> {
    message(b'R', 39, &[(11, b"AAPL    ")])
}

fn add(order: u64, shares: u32) -> Vec<u8> {
    let (order, shares, px) = (order.to_be_bytes(), shares.to_be_bytes(), 1_000_000u32.to_be_bytes());
    message(b'A', 36, &[(11, &order), (19, b"B"), (20, &shares), (24, b"AAPL    "), (32, &px)])
}

fn delete(order: u64) -> Vec<u8> {
    message(b'D', 19, &[(11, &order.to_be_bytes())])
}

impl Bench {
    fn new(name: &str, change: impl FnOnce(&mut Config)) -> Bench {
        let mut config = config(&format!("feed-{name}-{}", std::process::id()));
        change(&mut config);
        Bench::open(config)
    }

    /// A duty cycle at `now`; what it counted.
    fn cycle(&mut self, now: Nanos) -> Feed {
        self.agent.do_work(now);
        self.feed()
    }

    /// Sends a datagram to a line and has the agent take it; what it said, without times.
    fn give(&mut self, line: usize, bytes: &[u8]) -> Vec<String> {
        self.send(line, bytes);
        self.hear()
    }

    /// Has the agent take all that was sent; what it said, without times.
    fn hear(&mut self) -> Vec<String> {
        // Time goes as the agent's own clock has it: it stamps what it receives by that, and publishes its counters by what it is given.
        let taken = (0..POLLS_MAX).any(|_| {
            self.agent.do_work(self.clock.now());
            self.feed().counters["datagrams"] == self.sent
        });
        assert!(taken, "the datagram came");
        let mut said = Vec::new();
        while let Some(item) = self.items.pop() {
            said.push(match item {
                FeedItem::Packet { first, count, events, .. } => format!("{first}+{count}: {events}"),
                FeedItem::Event(e) => match e.body {
                    MarketBody::Add { order, .. } => format!("add {}", order.0),
                    MarketBody::Delete { order } => format!("delete {}", order.0),
                    MarketBody::ExecuteAt { qty: Qty(n), printable, .. } => {
                        format!("execute {n} {printable}")
                    }
                    _ => "other".into(),
                },
                FeedItem::Status { status, .. } => format!("{status:?}"),
                FeedItem::CaptureLow { .. } => "capture low".into(),
            });
        }
        said
    }

    fn count(&self, counter: &str) -> u64 {
        self.feed().counters[counter]
    }
}

#[test]
fn a_book_message_that_cannot_be_decoded_is_a_loss_until_the_next_session() {
    let mut b = Bench::new("loss", |_| {});
    let said = b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100), add(2, 100)]));
    assert_eq!(said, ["1+3: 3", "other", "add 1", "add 2", "Synced { next: 4 }"]);
    let cut = delete(1)[..18].to_vec();
    let said = b.give(0, &packet(SESSION, 4, &[add(3, 100), cut.clone(), delete(2)]));
    assert_eq!(said, ["4+2: 1", "add 3", "Lost { from: 5, to: 6 }", "6+1: 1", "delete 2"]);
    assert_eq!(b.count("synced"), 0);
    // More of them say nothing new; heartbeats and the other line do not heal it.
    assert_eq!(b.give(0, &packet(SESSION, 7, &[cut, delete(3)])), ["7+2: 1", "delete 3"]);
    assert_eq!(b.give(1, &header(SESSION, 9, HEARTBEAT)), ["Heartbeat"]);
    assert_eq!((b.count("malformed"), b.count("undecodable"), b.count("synced")), (2, 2, 0));
    // The next session is whole again.
    assert_eq!(b.give(1, &header(SESSION, 9, END)), ["EndOfSession"]);
    let said = b.give(0, &packet(NEXT, 1, &[directory()]));
    assert_eq!(said, ["NewSession", "1+1: 1", "other", "Synced { next: 2 }"]);
    assert_eq!(b.count("synced"), 1);
}

#[test]
fn every_way_of_being_undecodable_is_a_loss_and_nothing_else_is() {
    for (name, bad) in [
        ("no side", message(b'A', 36, &[(19, b"?"), (24, b"AAPL    ")])),
        ("short add of an unknown locate", vec![b'A', 0, 99, 0]),
        ("short replace", message(b'U', 34, &[])),
        ("short execution", message(b'E', 30, &[])),
        ("short execution with price", message(b'C', 35, &[])),
        ("short trading action", vec![b'H']),
    ] {
        let mut b = Bench::new("bad", |_| {});
        b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
        let said = b.give(0, &packet(SESSION, 3, std::slice::from_ref(&bad)));
        assert_eq!(said, ["Lost { from: 3, to: 4 }"], "{name}");
        assert_eq!((b.count("malformed"), b.count("undecodable")), (1, 1), "{name}");
    }
    let mut b = Bench::new("good", |_| {});
    b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
    let odd = message(b'C', 36, &[(18, b"\x01"), (19, &30u32.to_be_bytes()), (31, b"?")]);
    assert_eq!(b.give(0, &packet(SESSION, 3, &[odd])), ["3+1: 1", "execute 30 false"]);
    // Of another instrument, of a type that a newer feed has, empty, and of a type that no book hangs on.
    let other = vec![b'D', 0, 8];
    let newer = message(b'z', 50, &[]);
    let trade = message(b'P', 43, &[]);
    assert_eq!(b.give(0, &packet(SESSION, 4, &[other, newer, vec![], trade])), [""; 0]);
    let counts =
        ["odd_executions", "unknown_types", "malformed", "undecodable", "synced"].map(|c| b.count(c));
    assert_eq!(counts, [1, 2, 1, 0, 1]);
}

#[test]
fn a_recorded_line_is_heard_like_one_of_the_market() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("day.pcapng");
    let lines: [SocketAddr; 2] = [([239, 0, 0, 1], 26_001).into(), ([239, 0, 0, 2], 26_001).into()];
    let elsewhere = SocketAddr::from(([239, 0, 0, 1], 26_002));
    let record = |to, bytes: &[u8]| {
        let mut recorded = Vec::new();
        write::packet(&mut recorded, 0, 1, (elsewhere, to), bytes);
        recorded
    };
    let day = [
        record(lines[0], &packet(SESSION, 1, &[directory(), add(1, 100)])),
        record(lines[1], &packet(SESSION, 1, &[directory(), add(1, 100)])),
        record(elsewhere, &packet(SESSION, 3, &[add(7, 100)])),
        record(lines[1], &packet(SESSION, 3, &[delete(1)])),
    ];
    let mut head = Vec::new();
    write::section(&mut head, "test");
    write::interface(&mut head, "both lines");
    std::fs::write(&file, [head, day.concat()].concat()).unwrap();

    let mut b = Bench::new("capture", |c| {
        c.feeds[0].lines = lines.to_vec();
        c.feeds[0].ways = vec![Way::Capture(file.clone()); 2];
    });
    assert_eq!(b.lines, lines);
    b.sent = 3; // of the four; the stray is nobody's
    assert_eq!(b.hear(), ["1+2: 2", "other", "add 1", "Synced { next: 3 }", "3+1: 1", "delete 1"]);
    // It is still being written: half a packet is nothing yet, the other half is one.
    let more = record(lines[0], &packet(SESSION, 4, &[add(2, 100)]));
    let mut open = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    open.write_all(&more[..more.len() / 2]).unwrap();
    for _ in 0..100 {
        b.agent.do_work(b.clock.now());
    }
    assert!(b.items.pop().is_none());
    open.write_all(&more[more.len() / 2..]).unwrap();
    b.sent += 1;
    assert_eq!(b.hear(), ["4+1: 1", "add 2"]);
}

#[test]
fn a_datagram_of_another_session_does_not_disturb() {
    let mut b = Bench::new("stray", |_| {});
    b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
    assert_eq!(b.give(1, &packet(NEXT, 1, &[directory(), add(9, 100)])), [""; 0]);
    assert_eq!(b.give(0, &packet(SESSION, 3, &[delete(1)])), ["3+1: 1", "delete 1"]);
    assert_eq!((b.count("rejected_datagrams"), b.count("synced"), b.count("expected")), (1, 1, 4));
}

#[test]
fn a_line_that_is_silent_while_another_is_heard_is_shown_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.jsonl");
    let mut log = LogWriter::create(&file, dir.path(), Names::default()).unwrap();
    let mut b = Bench::new("silent", |c| c.feeds[0].silence = Nanos::from_millis(50));
    let mut watch = b.agent.watch().unwrap();
    let silent = |b: &Bench| b.feed().lines.iter().map(|l| l["silent"]).collect::<Vec<_>>();

    b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
    b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
    let lines = b.feed().lines;
    let of = |counter| [lines[0][counter], lines[1][counter]];
    assert_eq!((of("packets"), of("won"), of("duplicates")), ([2, 0], [2, 0], [2, 0]));
    assert!(of("last_heard_ns")[0] > 0 && of("last_heard_ns")[1] == 0);

    let alone = (0..POLLS_MAX).any(|_| {
        b.give(0, &header(SESSION, 3, HEARTBEAT));
        silent(&b) == [0, 1]
    });
    assert!(alone, "line A is heard, line B is not");
    watch.tend(Nanos(1_000_000_000), &mut log);
    watch.tend(Nanos(2_000_000_000), &mut log);
    let both = (0..POLLS_MAX).any(|_| {
        b.give(0, &header(SESSION, 3, HEARTBEAT));
        b.give(1, &header(SESSION, 3, HEARTBEAT));
        silent(&b) == [0, 0]
    });
    assert!(both, "line B is back");
    watch.tend(Nanos(3_000_000_000), &mut log);
    // Where nothing is heard at all the feed is silent, and the journal says so.
    let later = b.clock.now().after(Nanos(3_600_000_000_000));
    assert_eq!(b.cycle(later).lines.iter().map(|l| l["silent"]).sum::<u64>(), 2);
    watch.tend(Nanos(4_000_000_000), &mut log);

    drop(log);
    let text = std::fs::read_to_string(file).unwrap();
    let said: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let said: Vec<_> = said.iter().map(|v| (v["message"].as_str().unwrap(), v["line"].as_u64())).collect();
    assert_eq!(said, [("feed line silent", Some(1)), ("feed line heard again", Some(1))], "{text}");
    assert!(text.contains(&b.lines[1].to_string()) && text.contains("\"f1\""), "{text}");
}

#[test]
fn what_the_kernel_drops_is_shown_while_the_agent_runs() {
    let mut b = Bench::new("drops", |c| c.feeds[0].receive_buffer = 4096);
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogWriter::create(&dir.path().join("log"), dir.path(), Names::default()).unwrap();
    let mut watch = b.agent.watch().unwrap();
    for _ in 0..500 {
        b.send(1, &[0; 1000]);
    }
    let now = b.clock.now();
    watch.tend(now, &mut log);
    let mut feed = b.cycle(now);
    for turn in 1..=500 {
        feed = b.cycle(now.after(Nanos(turn * 10_000_000)));
    }
    let (received, dropped) = (feed.counters["datagrams"], feed.counters["kernel_drops"]);
    assert!(dropped > 0, "{feed:?}");
    assert_eq!(received + dropped, 500, "{feed:?}");
    assert_eq!((feed.lines[0]["kernel_drops"], feed.lines[1]["kernel_drops"]), (0, dropped));
}

#[test]
fn what_the_host_refuses_to_a_line_is_told() {
    // More than the kernel gives to anybody.
    let b = Bench::new("refused", |c| c.feeds[0].receive_buffer = 1 << 31);
    let warnings = b.agent.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, line) in warnings.iter().zip(&b.lines) {
        let place = format!("feed f1, line {line}: SO_RCVBUF: asked for 2147483648 bytes");
        assert!(warning.starts_with(&place), "{warning}");
    }
    let b = Bench::new("granted", |c| c.feeds[0].receive_buffer = 65_536);
    assert_eq!(b.agent.warnings(), [""; 0]);
}

#[test]
fn a_server_that_is_not_there_is_counted() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut b = Bench::new("nobody", |c| c.feeds[0].rerequest = vec![nobody]);
    b.give(0, &packet(SESSION, 5, &[add(1, 100)]));
    let mut now = b.clock.now();
    let counted = (0..POLLS_MAX).any(|_| {
        now = now.after(Nanos(10_000_000));
        b.cycle(now).counters["refused"] > 0
    });
    assert!(counted, "loopback says that nobody listens");
}

#[test]
fn what_a_line_brings_goes_on_before_any_line_is_asked_again_and_lines_take_turns() {
    let mut b = Bench::new("turns", |_| {});
    b.send(0, &packet(SESSION, 1, &[directory()]));
    b.send(0, &packet(SESSION, 2, &[add(1, 100)]));
    b.send(1, &packet(SESSION, 1, &[directory()]));
    b.send(1, &packet(SESSION, 2, &[add(1, 100)]));
    let now = b.clock.now();
    let first = |b: &mut Bench| -> u64 {
        b.agent.do_work(now);
        let said: Vec<_> = std::iter::from_fn(|| b.items.pop()).collect();
        let packets = said.iter().filter(|i| matches!(i, FeedItem::Packet { .. })).count();
        assert_eq!(packets, 1, "one packet that is new in a duty cycle: {said:?}");
        let Some(FeedItem::Packet { first, .. }) = said.first() else { panic!("{said:?}") };
        *first
    };
    assert_eq!((first(&mut b), first(&mut b)), (1, 2));
    b.cycle(now.after(Nanos::from_millis(10)));
    let won = b.feed().lines.iter().take(2).map(|l| l["won"]).collect::<Vec<_>>();
    assert_eq!(won, [1, 1], "the second was taken from the other line");
}

#[test]
fn only_what_says_where_the_session_is_shows_that_the_feed_lives() {
    let mut b = Bench::new("alive", |_| {});
    b.give(0, &packet(SESSION, 1, &[directory(), add(1, 100)]));
    let quiet = b.clock.now().after(Nanos::from_millis(260));
    while b.clock.now() < quiet {
        std::hint::spin_loop();
    }
    assert_eq!(b.give(1, &packet(b"000010059Z", 9, &[add(2, 100)])), [""; 0]);
    assert_eq!(b.give(1, &packet(SESSION, 1, &[directory()])), [""; 0], "long past");
    assert_eq!(b.give(1, b"rubbish"), [""; 0]);
    assert_eq!(b.give(1, &packet(SESSION, 2, &[add(1, 100)])), ["Heartbeat"]);
}

#[test]
fn servers_are_heard_while_a_gap_is_open_and_not_otherwise() {
    // A host that stands still for a tenth of a second makes a gap old, and it is given up: that is another story, and this one is told again.
    assert!((0..100).any(|_| a_server_is_asked_twice()));
}

/// Whether it came to that.
fn a_server_is_asked_twice() -> bool {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let mut b = Bench::new("servers", |c| c.feeds[0].rerequest = vec![address]);
    // What comes is stamped by the clock, so the agent's time must be the clock's: ahead of it, a gap would be old when it opens, and given up.
    let until = |b: &mut Bench, is: &dyn Fn(&Bench) -> bool| {
        (0..POLLS_MAX).any(|_| {
            let now = b.clock.now();
            b.agent.do_work(now);
            while b.items.pop().is_some() {}
            is(b)
        })
    };
    b.give(0, &packet(SESSION, 1, &[directory()]));
    b.give(0, &packet(SESSION, 3, &[add(2, 100)]));
    let given_up = |b: &Bench| b.count("gaps_lost") > 0;
    assert!(until(&mut b, &|b| b.count("rerequests") > 0));
    let (_, client) = server.recv_from(&mut [0; 64]).unwrap();
    server.send_to(&packet(SESSION, 2, &[add(1, 100)]), client).unwrap();
    assert!(until(&mut b, &|b| b.count("gaps_filled") == 1 || given_up(b)));
    if given_up(&b) {
        return false;
    }
    server.send_to(b"no packet", client).unwrap();
    // It is there when the send returns: on loopback that is delivery.
    for _ in 0..100 {
        until(&mut b, &|_| true);
    }
    assert_eq!(b.count("rejected_datagrams"), 0, "a socket that nobody expects anything of is not read");
    b.give(0, &packet(SESSION, 5, &[add(4, 100)]));
    assert!(until(&mut b, &|b| b.count("rejected_datagrams") == 1 || given_up(b)));
    !given_up(&b)
}

/// A core on free ports, its gateway to nobody. What it saw is replayed from its capture, and from a file of the session.
#[test]
fn a_loss_by_decoding_replays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("feed-replay-{}", std::process::id());
    let mut config = config(&name);
    config.journal_dir = dir.path().join("journal");
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let lines: Vec<_> = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    config.feeds[0].lines.clone_from(&lines);
    drop(ports);
    let strategy: Quoter = colo::cli::make(&config).unwrap();
    let running = start(&config, &Plan::new(&config, 1), strategy).unwrap();

    // A locate that only a message which cannot be decoded names is not learned, live or later.
    let other = |kind: u8, len: usize, fields: &[(usize, &[u8])]| {
        let mut m = message(kind, len, fields);
        m[2] = 9;
        m
    };
    let bad = other(b'A', 36, &[(19, b"?"), (24, b"AAPL    ")]);
    let messages = [
        // By so many good ones a file is known.
        [vec![directory()], (1..=8).map(|order| add(order, 100)).collect()].concat(),
        vec![bad, other(b'D', 19, &[(18, b"\x01")])],
        vec![add(11, 100), message(b'D', 18, &[]), delete(2), add(12, 400)],
    ];
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sequence = 1;
    for part in &messages {
        sender.send_to(&packet(SESSION, sequence, part), lines[0]).unwrap();
        sequence += part.len() as u64;
        let taken = (0..10_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            running.viewer().read().feeds[0].counters["messages"] == sequence - 1
        });
        assert!(taken, "the packet came");
    }
    let report = running.end();
    assert_eq!(report.failures, [""; 0]);
    let _ = std::fs::remove_file(region_path(&name));

    let mut statuses = Vec::new();
    let mut reader = Reader::open(RunDir::core(&report.journal)).unwrap();
    while let Some(r) = reader.next().unwrap() {
        if let Record::Feed { status, .. } = Record::decode(r.kind, r.payload).unwrap() {
            statuses.push(status);
        }
    }
    assert_eq!(statuses, [FeedStatus::Synced { next: 10 }, FeedStatus::Lost { from: 10, to: 11 }]);
    let file = dir.path().join("f1.itch");
    std::fs::write(&file, framed(&messages.concat())).unwrap();
    for data in [&[][..], &[file]] {
        let journal = Journal::open(&report.journal).unwrap().with_data(data).unwrap();
        let replayed = replay::<Quoter>(&journal).unwrap_or_else(|e| panic!("{e}"));
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));
        assert_eq!(replayed.stats.market_events, 12);
    }
}

#[test]
fn the_way_from_the_kernels_stamp_to_ours_is_measured_where_that_is_asked_for() {
    for (stamps, is_measured) in [(Stamps::Software, true), (Stamps::Off, false)] {
        let mut b = Bench::new(&format!("stamps-{is_measured}"), |c| c.feeds[0].stamps = stamps);
        b.give(0, &packet(SESSION, 1, &[directory()]));
        // The kernel begins to stamp some time after it was first asked to.
        let measured = (0..10_000).find_map(|_| {
            b.give(0, &header(SESSION, 2, HEARTBEAT));
            Some(b.viewer.latencies()["wire"]).filter(|wire| wire.n > 0 || !is_measured)
        });
        let wire = measured.expect("a stamp");
        assert_eq!((wire.n > 0, wire.max > 0), (is_measured, is_measured));
    }
}
