//! Two venues, one core: the same orders said in ITCH 5.0 over MoldUDP64 and in Cboe PITCH over lossy lines come out of the feed agents as the same events.
//!
//! Both encoders are of this file and share nothing with the decoders.

mod feed_bench;

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use colo::agent::Agent;
use colo::agents::FeedItem;
use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{Plan, start};
use colo::replay::{Journal, replay};
use colo::source::Source;
use colo::telemetry::region_path;
use engine::book::{BookCapacity, Books, FlatBooks};
use engine::strategy::{Observer, Params, Strategy};
use engine::{Engine, Outbox, Soundness};
use feeds::itch50;
use model::{FeedId, FeedStatus, Input, InstrumentId, MarketBody, MarketEvent, Nanos};

const POLLS_MAX: u32 = 20_000_000;
const TICKERS: [&[u8; 8]; 3] = [b"AAPL    ", b"MSFT    ", b"ZVZZT   "];
const SECOND: u64 = 1_000_000_000;

/// A core with one feed of this protocol and two instruments.
fn config(test: &str, protocol: &str) -> Config {
    let file = Path::new("core.toml");
    let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
    written.name = format!("venue-{test}-{protocol}-{}", std::process::id());
    written.feeds[0].protocol = protocol.into();
    written.feeds[0].unit = (protocol == "cboe_pitch").then_some(7);
    written.feeds[0].silence_ms = 60_000;
    let mut second = written.instruments[0].clone();
    second.symbol = "MSFT".into();
    written.instruments.push(second);
    (written.capacity.live_orders, written.capacity.levels, written.capacity.direct_refs) =
        (4_000, 1_000, 1_000);
    Config::resolve(written, file, Secrets::Skip).unwrap()
}

/// What happens to an order; `at` is ns since midnight.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Add { ticker: usize, side: u8, qty: u32, px: u32 },
    Execute { qty: u32 },
    ExecuteAt { qty: u32, left: u32, px: u32 },
    Reduce { qty: u32 },
    Modify { qty: u32, px: u32 },
    Delete,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    at: u64,
    id: u64,
    /// Whose order it is.
    ticker: usize,
    deed: Deed,
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// A flow of orders that a venue could have: nothing happens to an order that does not rest. Prices now and then have four decimals, or are beyond a
/// short price; so are quantities.
fn flow(dice: &mut Dice, steps: usize) -> Vec<Step> {
    let mut live: Vec<(u64, usize, u32)> = Vec::new();
    let (mut at, mut next, mut out) = (34_200 * SECOND, 1u64, Vec::new());
    while out.len() < steps {
        at += dice.below(SECOND / 20);
        let px = match dice.below(8) {
            0 => 1_000_000 + dice.below(500) as u32,
            1 => 70_000_000 + 100 * dice.below(50) as u32,
            _ => 1_000_000 + 100 * dice.below(80) as u32,
        };
        let qty = if dice.below(10) == 0 { 70_000 } else { 100 } + dice.below(100) as u32;
        if live.is_empty() || dice.below(5) < 2 {
            let (ticker, side) = (dice.below(3) as usize, [b'B', b'S'][dice.below(2) as usize]);
            out.push(Step { at, id: next, ticker, deed: Deed::Add { ticker, side, qty, px } });
            live.push((next, ticker, qty));
            next += 1 + dice.below(3);
            continue;
        }
        let k = dice.below(live.len() as u64) as usize;
        let (id, ticker, rests) = live[k];
        let part = 1 + dice.below(u64::from(rests)) as u32;
        let (deed, left) = match dice.below(5) {
            0 => (Deed::Execute { qty: part }, rests - part),
            1 => (Deed::ExecuteAt { qty: part, left: rests - part, px }, rests - part),
            2 if part < rests => (Deed::Reduce { qty: part }, rests - part),
            3 => (Deed::Modify { qty, px }, qty),
            _ => (Deed::Delete, 0),
        };
        out.push(Step { at, id, ticker, deed });
        match left {
            0 => drop(live.swap_remove(k)),
            left => live[k].2 = left,
        }
    }
    out
}

fn itch(step: &Step) -> Vec<u8> {
    let id = step.id.to_be_bytes();
    let (kind, body) = match step.deed {
        Deed::Add { ticker, side, qty, px } => {
            (b'A', [&id[..], &[side], &qty.to_be_bytes(), TICKERS[ticker], &px.to_be_bytes()].concat())
        }
        Deed::Execute { qty } => (b'E', [&id[..], &qty.to_be_bytes(), &id].concat()),
        Deed::ExecuteAt { qty, px, .. } => {
            (b'C', [&id[..], &qty.to_be_bytes(), &id, b"Y", &px.to_be_bytes()].concat())
        }
        Deed::Reduce { qty } => (b'X', [&id[..], &qty.to_be_bytes()].concat()),
        Deed::Modify { qty, px } => (b'U', [&id[..], &id, &qty.to_be_bytes(), &px.to_be_bytes()].concat()),
        Deed::Delete => (b'D', id.to_vec()),
    };
    [&[kind, 0, step.ticker as u8 + 1, 0, 0][..], &step.at.to_be_bytes()[2..], &body].concat()
}

fn pitch_message(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[body.len() as u8 + 2, kind][..], &body].concat()
}

/// In the shortest form; the expanded one for every fourth order.
fn pitch(step: &Step) -> Vec<u8> {
    let (offset, id) = (((step.at % SECOND) as u32).to_le_bytes(), step.id.to_le_bytes());
    let short = |qty: u32, px: u32| {
        let cents = u16::try_from(px / 100).ok().filter(|_| px.is_multiple_of(100))?;
        Some((u16::try_from(qty).ok()?.to_le_bytes(), cents.to_le_bytes()))
    };
    let long = |px: u32| u64::from(px).to_le_bytes();
    let six = |ticker: usize| &TICKERS[ticker][..6];
    match step.deed {
        Deed::Add { ticker, side, qty, px } => match short(qty, px) {
            _ if step.id.is_multiple_of(4) => {
                let (qty, px) = (qty.to_le_bytes(), long(px));
                pitch_message(0x2F, &[&offset, &id, &[side], &qty, TICKERS[ticker], &px, &[1], b"    ", b" "])
            }
            Some((qty, px)) => pitch_message(0x22, &[&offset, &id, &[side], &qty, six(ticker), &px, &[1]]),
            None => {
                let (qty, px) = (qty.to_le_bytes(), long(px));
                pitch_message(0x21, &[&offset, &id, &[side], &qty, six(ticker), &px, &[1]])
            }
        },
        Deed::Execute { qty } => pitch_message(0x23, &[&offset, &id, &qty.to_le_bytes(), &id]),
        Deed::ExecuteAt { qty, left, px } => {
            let (qty, left) = (qty.to_le_bytes(), left.to_le_bytes());
            pitch_message(0x24, &[&offset, &id, &qty, &left, &id, &long(px)])
        }
        Deed::Reduce { qty } => match u16::try_from(qty) {
            Ok(qty) => pitch_message(0x26, &[&offset, &id, &qty.to_le_bytes()]),
            Err(_) => pitch_message(0x25, &[&offset, &id, &qty.to_le_bytes()]),
        },
        Deed::Modify { qty, px } => match short(qty, px) {
            Some((qty, px)) => pitch_message(0x28, &[&offset, &id, &qty, &px, &[1]]),
            None => pitch_message(0x27, &[&offset, &id, &qty.to_le_bytes(), &long(px), &[1]]),
        },
        Deed::Delete => pitch_message(0x29, &[&offset, &id]),
    }
}

/// The flow as PITCH: with a Time message at each new second.
fn pitch_messages(flow: &[Step]) -> Vec<Vec<u8>> {
    let (mut second, mut out) = (0, Vec::new());
    for step in flow {
        if step.at / SECOND != second {
            second = step.at / SECOND;
            out.push(pitch_message(0x20, &[&(second as u32).to_le_bytes()]));
        }
        out.push(pitch(step));
    }
    out
}

fn unit_clear() -> Vec<u8> {
    pitch_message(0x97, &[&[0; 4]])
}

fn itch_packet(sequence: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let count = (messages.len() as u16).to_be_bytes();
    let framed = messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat());
    [&b"000010059B"[..], &sequence.to_be_bytes(), &count].concat().into_iter().chain(framed).collect()
}

fn pitch_packet(unit: u8, sequence: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let body = messages.concat();
    let length = (body.len() as u16 + 8).to_le_bytes();
    [&length[..], &[messages.len() as u8, unit], &(sequence as u32).to_le_bytes(), &body].concat()
}

/// A feed agent, and what its events make of books and of an engine.
struct Bench {
    feed: feed_bench::Bench,
    events: Vec<MarketEvent>,
    statuses: Vec<FeedStatus>,
    books: FlatBooks,
    engine: Engine<Observer>,
    outbox: Outbox,
}

impl Bench {
    fn new(test: &str, protocol: &str) -> Bench {
        let config = config(test, protocol);
        let capacity =
            BookCapacity { instruments: 2, live_orders: 4_000, levels: 4_000, direct_refs: 1 << 16 };
        Bench {
            engine: Engine::new(&config.engine(), Observer::new(&mut Params::default()).unwrap()),
            feed: feed_bench::Bench::open(config),
            events: Vec::new(),
            statuses: Vec::new(),
            books: FlatBooks::new(&capacity),
            outbox: Outbox::default(),
        }
    }

    /// Sends a datagram to a line and has the agent take it.
    fn give(&mut self, line: usize, bytes: &[u8]) {
        self.feed.send(line, bytes);
        assert!((0..POLLS_MAX).any(|_| self.cycle() > 0), "the datagram came");
    }

    fn cycle(&mut self) -> usize {
        let now = self.feed.clock.now();
        let work = self.feed.agent.do_work(now);
        while let Some(item) = self.feed.items.pop() {
            let input = match item {
                FeedItem::Event(e) => {
                    self.books.apply(&e);
                    self.events.push(e);
                    Input::Market(FeedId(0), e)
                }
                FeedItem::Status { status, .. } => {
                    if status != FeedStatus::Heartbeat {
                        self.statuses.push(status);
                    }
                    Input::Feed(FeedId(0), status)
                }
                FeedItem::Packet { .. } | FeedItem::CaptureLow { .. } => continue,
            };
            self.engine.apply(now, &input, &mut self.outbox);
        }
        work
    }

    /// What is published now.
    fn count(&mut self, counter: &str) -> u64 {
        let later = self.feed.clock.now().after(Nanos(10_000_000));
        self.feed.agent.do_work(later);
        self.feed.feed().counters[counter]
    }

    fn soundness(&self) -> [Soundness; 2] {
        [0, 1].map(|k| self.engine.instruments().of(InstrumentId(k)).soundness)
    }
}

#[test]
fn the_same_orders_by_two_venues_are_the_same_events_and_books() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_122);
    let mut dice = Dice(seed);
    let flow = flow(&mut dice, 4_000);
    let (mut nasdaq, mut cboe) = (Bench::new("same", "itch50"), Bench::new("same", "cboe_pitch"));
    // A directory, so that deletes of the third ticker are known to be another's.
    let directory = |k: usize| {
        let mut m = vec![0; 39];
        (m[0], m[2]) = (b'R', k as u8 + 1);
        m[11..19].copy_from_slice(TICKERS[k]);
        m
    };
    nasdaq.give(0, &itch_packet(1, &[directory(0), directory(1), directory(2)]));
    nasdaq.events.clear();
    let (mut sequence, mut second) = ([4, 1], 0);
    for part in flow.chunks(20) {
        let messages: Vec<_> = part.iter().map(itch).collect();
        nasdaq.give(dice.below(2) as usize, &itch_packet(sequence[0], &messages));
        sequence[0] += messages.len() as u64;

        let mut messages = pitch_messages(part);
        if part[0].at / SECOND == second {
            // The second goes on.
            messages.remove(0);
        }
        second = part[part.len() - 1].at / SECOND;
        // The lines cut the stream differently, and each loses what the other has.
        let cut = dice.below(messages.len() as u64 + 1) as usize;
        let (front, back) = messages.split_at(cut);
        let [whole, front, back] = [
            pitch_packet(7, sequence[1], &messages),
            pitch_packet(7, sequence[1], front),
            pitch_packet(7, sequence[1] + cut as u64, back),
        ];
        match dice.below(4) {
            0 => cboe.give(0, &whole),
            1 => [back, front].iter().for_each(|p| cboe.give(1, p)),
            2 => {
                cboe.give(0, &front);
                cboe.give(1, &whole);
            }
            _ => {
                cboe.give(1, &back);
                cboe.give(0, &whole);
                cboe.give(1, &front);
            }
        }
        sequence[1] += messages.len() as u64;
        assert_eq!(cboe.events.len(), nasdaq.events.len(), "seed {seed}");
        for id in [0, 1].map(InstrumentId) {
            assert_eq!(cboe.books.hash(id), nasdaq.books.hash(id), "seed {seed}");
            assert_eq!(cboe.engine.top(id), nasdaq.engine.top(id), "seed {seed}");
        }
    }
    for (k, (c, n)) in cboe.events.iter().zip(&nasdaq.events).enumerate() {
        assert_eq!(c, n, "seed {seed}, event {k}");
    }
    assert!(cboe.events.len() > 2_000 && cboe.books.live_orders() > 50);
    assert_eq!(cboe.books.stats(), nasdaq.books.stats());
    assert_eq!((cboe.soundness(), nasdaq.soundness()), ([Soundness::Sound; 2], [Soundness::Sound; 2]));
}

#[test]
fn what_neither_line_brought_is_lost_and_the_books_are_stale() {
    let mut b = Bench::new("lost", "cboe_pitch");
    let messages = pitch_messages(&flow(&mut Dice(1), 60));
    b.give(0, &pitch_packet(7, 1, &messages[..20]));
    assert_eq!(b.soundness(), [Soundness::Sound; 2]);
    let before = b.events.len();
    b.give(1, &pitch_packet(7, 31, &messages[30..40]));
    assert_eq!((b.soundness(), b.events.len()), ([Soundness::Recovering; 2], before));
    // Nobody is asked: after the wait for the other line it is lost.
    assert!((0..POLLS_MAX).any(|_| {
        b.cycle();
        b.statuses.len() >= 3
    }));
    let gap = [FeedStatus::Recovering { from: 21, to: 31 }, FeedStatus::Lost { from: 21, to: 31 }];
    assert_eq!(b.statuses, [&[FeedStatus::Synced { next: 21 }][..], &gap].concat());
    assert_eq!(b.soundness(), [Soundness::Stale; 2]);
    // A heartbeat shows a lost tail; neither it nor what follows makes the books whole.
    b.give(0, &pitch_packet(7, 41, &[]));
    b.give(0, &pitch_packet(7, 41, &messages[40..]));
    assert_eq!((b.soundness(), b.statuses.len()), ([Soundness::Stale; 2], 3));
    assert_eq!((b.count("gaps_lost"), b.count("messages_lost"), b.count("rerequests")), (1, 10, 0));
}

#[test]
fn a_line_may_carry_other_units_and_heartbeats_that_number_nothing() {
    let mut b = Bench::new("units", "cboe_pitch");
    let messages = pitch_messages(&flow(&mut Dice(2), 40));
    b.give(0, &pitch_packet(0, 0, &[]));
    // Not even where it is heard first.
    b.give(0, &pitch_packet(9, 1, &messages));
    assert_eq!(b.events, []);
    b.give(0, &pitch_packet(7, 1, &messages[..20]));
    let seen = b.events.len();
    b.give(0, &pitch_packet(8, 1, &messages));
    b.give(1, &pitch_packet(0, 0, &[]));
    b.give(1, &pitch_packet(7, 0, &[]));
    assert_eq!(b.events.len(), seen);
    b.give(1, &pitch_packet(7, 21, &messages[20..]));
    assert_eq!(
        (b.statuses.as_slice(), b.soundness()),
        (&[FeedStatus::Synced { next: 21 }][..], [Soundness::Sound; 2])
    );
    assert!(b.events.len() > seen);
    // The other units' packets; what numbers nothing is no packet that was refused.
    assert_eq!(
        (b.count("rejected_datagrams"), b.count("synced"), b.count("expected")),
        (2, 1, 1 + messages.len() as u64)
    );
}

#[test]
fn a_unit_clear_empties_the_books() {
    let mut b = Bench::new("clear", "cboe_pitch");
    let mut messages = pitch_messages(&flow(&mut Dice(3), 200));
    let rest = messages.split_off(120);
    b.give(0, &pitch_packet(7, 1, &messages));
    assert!(b.books.live_orders() > 10);
    b.events.clear();
    b.give(1, &pitch_packet(7, 121, &[unit_clear()]));
    assert_eq!((b.books.live_orders(), b.events.len()), (0, 1));
    assert_eq!(b.events[0].body, MarketBody::Clear);
    assert_eq!([0, 1].map(|k| b.engine.top(InstrumentId(k))), [Default::default(); 2]);
    assert_eq!(b.soundness(), [Soundness::Sound; 2]);
    // What the venue says of orders that were cleared is of nobody now.
    b.give(0, &pitch_packet(7, 122, &rest));
    assert_eq!(b.books.stats().unknown_refs.total(), 0);
}

/// What is learned of messages that give no event (Time, other instruments' orders) is learned by the replay, too.
#[test]
fn a_day_replays_from_its_capture() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("replay", "cboe_pitch");
    config.journal_dir = dir.path().join("journal");
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let lines: Vec<_> = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    config.feeds[0].lines.clone_from(&lines);
    drop(ports);
    let strategy: Observer = colo::cli::make(&config).unwrap();
    let running = start(&config, &Plan::new(&config, 1), strategy).unwrap();
    let mut messages = pitch_messages(&flow(&mut Dice(4), 600));
    messages.insert(300, unit_clear());
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sequence = 1u64;
    for part in messages.chunks(3) {
        sender.send_to(&pitch_packet(7, sequence, part), lines[0]).unwrap();
        sequence += part.len() as u64;
    }
    let taken = (0..10_000).any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        running.viewer().read().feeds[0].counters["messages"] == sequence - 1
    });
    assert!(taken, "the packets came");
    let report = running.end();
    assert_eq!(report.failures, [""; 0]);
    let _ = std::fs::remove_file(region_path(&config.name));
    let replayed =
        replay::<Observer>(&Journal::open(&report.journal).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    assert!(replayed.ended && replayed.stats.market_events > 300, "{:?}", replayed.stats);
    assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));
}

/// Datagrams as a capture without link headers: pcap, little-endian, one a millisecond.
fn pcap(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"\xD4\xC3\xB2\xA1\x02\0\x04\0\0\0\0\0\0\0\0\0\xFF\xFF\0\0\x65\0\0\0".to_vec();
    for (k, datagram) in datagrams.iter().enumerate() {
        let udp = datagram.len() as u16 + 8;
        let (total, udp) = ((udp + 20).to_be_bytes(), udp.to_be_bytes());
        let length = (datagram.len() as u32 + 28).to_le_bytes();
        let time = [1_000u32.to_le_bytes(), (1_000 * k as u32).to_le_bytes()].concat();
        let ip = [b"\x45\0", &total[..], b"\0\0\0\0\x40\x11\0\0\x7F\0\0\x01\xE0\0\0\x01"].concat();
        let header = [b"\x75\x31\x75\x31", &udp[..], b"\0\0"].concat();
        out.extend([&time[..], &length, &length, &ip, &header, datagram].concat());
    }
    out
}

/// A capture of two lines that lost what the other has, heartbeats and a second unit between, reads as the ITCH 5.0 that says the same.
#[test]
fn a_capture_reads_as_the_same_orders_in_itch() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(6);
    let flow = flow(&mut dice, 2_000);
    let (mut datagrams, mut sequence) = (vec![pitch_packet(0, 0, &[])], 1);
    for (k, part) in pitch_messages(&flow).chunks(20).enumerate() {
        let packet = pitch_packet(7, sequence, part);
        // Twice, or once; now and then behind the one after it.
        datagrams.extend(std::iter::repeat_n(packet, 1 + k % 2));
        if k % 5 == 4 {
            let last = datagrams.len() - 1;
            datagrams.swap(last, last - 1);
        }
        sequence += part.len() as u64;
        if k == 3 {
            datagrams.push(pitch_packet(8, 1, &[unit_clear()]));
        }
    }
    datagrams.push(pitch_packet(7, sequence, &[]));
    let file = dir.path().join("cboe.pcap");
    std::fs::write(&file, pcap(&datagrams)).unwrap();

    let capacity = BookCapacity { instruments: 8, live_orders: 4_000, levels: 4_000, direct_refs: 1 << 16 };
    let (mut made, mut said) = (FlatBooks::new(&capacity), FlatBooks::new(&capacity));
    let mut tickers = Vec::new();
    let mut source = Source::open(&file).unwrap();
    while let Some(message) = source.next().unwrap() {
        let event = itch50::decode(message).unwrap();
        if let MarketBody::Directory { symbol, .. } = event.body {
            tickers.push((symbol.0, event.instrument));
        }
        made.apply(&event);
    }
    assert_eq!(source.remarks(), [""; 0]);
    assert_eq!(source.arbitration().unwrap().delivered, sequence - 1);
    for step in &flow {
        said.apply(&itch50::decode(&itch(step)).unwrap());
    }
    assert_eq!(tickers.len(), 3);
    for (ticker, id) in tickers {
        let k = TICKERS.iter().position(|t| **t == ticker).unwrap();
        assert_eq!(made.hash(id), said.hash(InstrumentId(k as u16 + 1)), "{k}");
    }
    assert_eq!((made.live_orders(), made.stats()), (said.live_orders(), said.stats()));
    assert!(made.live_orders() > 50);

    // One datagram less: what is missing is said.
    datagrams.remove(4);
    let file = dir.path().join("hole.pcap");
    std::fs::write(&file, pcap(&datagrams)).unwrap();
    let mut source = Source::open(&file).unwrap();
    while source.next().unwrap().is_some() {}
    let remarks = source.remarks();
    let is_said =
        remarks.iter().any(|r| r.ends_with(": 20 message(s) of the session are not in the capture"));
    assert!(is_said && remarks.len() == 1, "{remarks:?}");
}

/// What is read of these datagrams: how many orders rest, and what is remarked.
fn read(datagrams: &[Vec<u8>]) -> (usize, Vec<String>) {
    let mut source = Source::read(Path::new("cboe.pcap"), std::io::Cursor::new(pcap(datagrams))).unwrap();
    let capacity = BookCapacity { instruments: 256, live_orders: 4_000, levels: 4_000, direct_refs: 1 << 16 };
    let mut books = FlatBooks::new(&capacity);
    while let Some(message) = source.next().unwrap() {
        books.apply(&itch50::decode(message).unwrap());
    }
    (books.live_orders(), source.remarks())
}

#[test]
fn a_capture_has_as_many_orders_as_rest_and_as_many_units_as_a_venue() {
    let add = |id| {
        let deed = Deed::Add { ticker: 0, side: b'B', qty: 100, px: 1_000_000 };
        pitch(&Step { at: 34_200 * SECOND, id, ticker: 0, deed })
    };
    // Far more than there is room for at first.
    let adds: Vec<_> = (1..=3_000).map(add).collect();
    let datagrams: Vec<_> =
        adds.chunks(50).zip(0..).map(|(part, k)| pitch_packet(3, 1 + 50 * k, part)).collect();
    assert_eq!(read(&datagrams), (3_000, vec![]));

    // Each number that a unit may have says that it lives, and then something.
    let lives = (0..=255).map(|unit| pitch_packet(unit, 1, &[]));
    let says = (0..=255).map(|unit| pitch_packet(unit, 1, &[add(1 + u64::from(unit))]));
    let (live, remarks) = read(&lives.chain(says).collect::<Vec<_>>());
    let remark = "cboe.pcap: 192 packet(s) of more units than a venue has were left out";
    assert_eq!((live, remarks), (64, vec![remark.to_string()]));
}

#[test]
fn a_message_of_a_capture_that_cannot_be_decoded_is_told() {
    let short = pitch_message(0x22, &[&[0; 4]]);
    let (_, remarks) = read(&[pitch_packet(3, 1, &[unit_clear(), short])]);
    let remark = "cboe.pcap: 1 message(s) could not be decoded or kept: the books may be wrong";
    assert_eq!(remarks, [remark]);
}

#[test]
fn stamps_are_since_midnight() {
    let mut b = Bench::new("stamps", "cboe_pitch");
    let flow = flow(&mut Dice(5), 30);
    b.give(0, &pitch_packet(7, 1, &pitch_messages(&flow)));
    let wanted = flow.iter().filter(|s| s.ticker < 2).map(|s| Nanos(s.at));
    assert!(b.events.iter().map(|e| e.ts_event).eq(wanted));
}
