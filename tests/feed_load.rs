//! Twice the recorded peak over real sockets, sustained and in bursts, into a whole core: nothing is missing, the kernel drops nothing, the capture has every
//! message, and at the end the books are the venue's.
//!
//! The recorded peak is 89 messages in a millisecond (one stock at the open; `colo feed stat` over the recorded days), so 178,000 a second are sent on both lines;
//! once in 100 ms ten milliseconds of them leave at once. A machine that does other things as well stops the core for longer than a socket's buffer lasts: the sender
//! waits then, with at most [`IN_FLIGHT`] messages that the core has not confirmed. How long that was in all is printed. There is no maximum duration.
//!
//! `COLO_T14_MESSAGES=110000000` is ten minutes; `scripts/drill-load` runs it optimised.

mod exchange_support;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{Plan, start};
use colo::exchange::flow::Flow;
use colo::exchange::flow::generated::{GeneratedFlow, Recipe};
use colo::exchange::{Venue, VenueConfig};
use colo::journal::{CaptureReader, RunDir};
use colo::telemetry::region_path;
use colo::telemetry::snapshot::{Feed, Viewer};
use engine::InstrumentChange;
use engine::book::Books;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use exchange_support::{MORNING, MS, symbol};
use model::{FeedId, InstrumentId, Nanos, Px, Qty, Side, Validity};
use ringbuf::log;

/// Messages a millisecond: twice the recorded peak.
const PEAK: u64 = 178;
/// Messages without `COLO_T14_MESSAGES`.
const MESSAGES: u64 = 400_000;
/// Messages sent that the core has not confirmed, at most: what a socket buffer of the kernel's default size holds.
const IN_FLIGHT: u64 = 2_500;
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "AMZN"];
/// How often the books are looked at.
const LOOK: Nanos = Nanos::from_millis(20);

type Orders = Vec<(u64, Px, Qty)>;
/// Whether all are valid, and each symbol's bids and offers.
type Seen = (bool, Vec<[Orders; 2]>);

/// A strategy that trades nothing and writes down all books now and then.
#[derive(Clone, Default)]
struct Looker(Arc<Mutex<Seen>>);

impl Strategy for Looker {
    const NAME: &'static str = "looker";

    fn new(_: &mut Params) -> Result<Looker, ParamError> {
        Ok(Looker::default())
    }

    fn on_instrument(&mut self, view: &View<'_>, _: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        out.wake_at(view.now().after(LOOK));
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        let book = |id: InstrumentId| {
            [Side::Buy, Side::Sell].map(|side| {
                let mut all = Orders::new();
                view.book(id).for_each_order(id, side, |r, px, qty| all.push((r.0, px, qty)));
                all
            })
        };
        let is_valid = view.instruments().iter().all(|i| i.validity == Validity::Valid);
        let books = view.instruments().iter().map(|i| book(i.instrument.id)).collect();
        *self.0.lock().unwrap() = (is_valid, books);
        out.wake_at(view.now().after(LOOK));
    }
}

fn config(folder: &Path, lines: Vec<SocketAddr>) -> Config {
    let file = Path::new("core.toml");
    let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
    written.name = format!("load-{}", std::process::id());
    written.journal_dir = folder.join("journal").display().to_string();
    written.idle = "yield".into();
    written.strategy.name = Looker::NAME.into();
    let first = written.instruments.remove(0);
    for name in SYMBOLS {
        let mut instrument = first.clone();
        instrument.symbol = name.into();
        written.instruments.push(instrument);
    }
    let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
    config.feeds[0].lines = lines;
    config
}

fn feed(viewer: &Viewer) -> Feed {
    viewer.read().feeds.remove(0)
}

/// What the kernel says it dropped of what went to these addresses; `None` where it knows none of them.
fn dropped_by_kernel(lines: &[SocketAddr]) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    // Of proc(5): the local port in hexadecimal digits in the second column, the drops in the last.
    let dropped = |line: &str| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let port = u16::from_str_radix(columns.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        lines.iter().any(|l| l.port() == port).then(|| columns.last()?.parse().ok())?
    };
    let all: Vec<u64> = table.lines().filter_map(dropped).collect();
    (all.len() >= lines.len()).then(|| all.iter().sum())
}

#[test]
fn twice_the_recorded_peak_is_taken_whole() {
    let messages = std::env::var("COLO_T14_MESSAGES").map_or(MESSAGES, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    // Both ports are picked at once, so that they differ, and were free a moment ago.
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let lines: Vec<_> = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    drop(ports);
    let config = config(folder.path(), lines.clone());
    let looker = Looker::default();
    let core = start(&config, &Plan::new(&config, 2), looker.clone()).unwrap();
    let viewer = Viewer::open(&config.name).unwrap();

    let mut venue = Venue::new(
        VenueConfig {
            symbols: SYMBOLS.iter().map(|s| symbol(s)).collect(),
            flow: Flow::Generated(Box::new(GeneratedFlow::new(Recipe {
                seed: 1,
                messages_per_second: PEAK * 1_000,
                messages: Some(messages),
            }))),
            ..exchange_support::config()
        },
        MORNING,
    );
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let (mut now, mut waited, mut most, mut confirmed) = (MORNING, Duration::ZERO, 0, 1);
    let mut slots = 0u32;
    while venue.counts().flow.played < messages {
        // Nine tenths of the time a millisecond at a time, then ten of them at once.
        let span = if slots % 91 == 90 { 10 } else { 1 };
        slots += 1;
        now += span * MS;
        let from = venue.counts().messages;
        let mut datagrams = Vec::new();
        while venue.next_due() <= now {
            venue.step(now);
            datagrams.extend(std::iter::from_fn(|| venue.poll_datagram()));
        }
        most = most.max((venue.counts().messages - from) / span);
        let due = Duration::from_nanos(now - MORNING) + waited;
        while began.elapsed() < due {
            std::thread::yield_now();
        }
        for (line, bytes) in datagrams {
            let end = u64::from_be_bytes(bytes[10..18].try_into().unwrap())
                + u64::from(u16::from_be_bytes([bytes[18], bytes[19]]));
            if end > confirmed + IN_FLIGHT {
                let waits = Instant::now();
                while end > confirmed + IN_FLIGHT {
                    std::thread::yield_now();
                    confirmed = feed(&viewer).counters["expected"];
                }
                waited += waits.elapsed();
            }
            sender.send_to(&bytes, lines[line]).unwrap();
        }
    }
    let rate = venue.counts().messages as f64 / began.elapsed().as_secs_f64();
    let published = venue.counts().messages;
    println!(
        "{published} messages, {rate:.0}/s over {:?} of which {waited:?} waiting for the core, {most} in the worst millisecond",
        began.elapsed()
    );

    // The books are the venue's, once the core has all.
    let own: Vec<[Orders; 2]> = SYMBOLS
        .iter()
        .map(|name| {
            let book = venue.book_snapshot(symbol(name)).unwrap();
            [book.bids, book.asks].map(|all| all.iter().map(|o| (o.order_ref, o.px, o.shares)).collect())
        })
        .collect();
    let mut looks = 0;
    while *looker.0.lock().unwrap() != (true, own.clone()) {
        looks += 1;
        assert!(looks < 12_000, "waited in vain for the venue's books: {:?}", feed(&viewer).counters);
        std::thread::sleep(Duration::from_millis(10));
    }
    let c = feed(&viewer).counters;
    for name in ["gaps", "messages_lost", "kernel_drops", "malformed", "undecodable", "rejected_datagrams"] {
        assert_eq!(c[name], 0, "{name}: {c:?}");
    }
    assert_eq!((c["messages"], c["expected"]), (published, published + 1));
    assert_eq!(dropped_by_kernel(&lines), Some(0), "datagrams that the kernel dropped, by /proc/net/udp");

    let report = core.end();
    let _ = std::fs::remove_file(region_path(&config.name));
    let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", config.name));
    let run = report.journal;
    log::verify(RunDir::core(&run)).unwrap();
    let mut capture = CaptureReader::open(&RunDir::capture(&run, "f1"), FeedId(0)).unwrap();
    let mut next = 1;
    while let Some(batch) = capture.next_batch().unwrap() {
        assert_eq!(batch.first, next, "the capture is whole");
        let framed = feeds::binaryfile::Messages::new(batch.framed);
        for message in framed {
            assert_eq!(Some(message.unwrap()), venue.published(next));
            next += 1;
        }
    }
    assert_eq!(next, published + 1);
    println!(
        "T14 messages={published} rate_per_s={rate:.0} wanted_per_s={} gaps=0 dropped_by_kernel=0 books=equal captured={}",
        PEAK * 1_000,
        next - 1
    );
}
