//! What is published is what is read: a region written through [`super::publish`], read through [`super::snapshot`], and scribbled over.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine::strategy::{Quoter, Strategy};
use engine::{Engine, Outbox, Throttle, WindowLimit};
use model::{
    Control, ExecutionReport, FeedId, FeedStatus, GatewayId, HaltReason, Input, InstrumentId, MarketBody,
    MarketEvent, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Token, TradingState, VenueRef,
};
use ringbuf::histogram::Histogram;
use ringbuf::region::RegionError;
use serde_json::Value;

use super::counters;
use super::publish::{CorePublisher, Publication};
use super::snapshot::{SnapshotError, Viewer};
use super::stages::Percentiles;
use crate::config::{Config, Secrets, Written, parse_toml};

/// A region of its own name, gone with its test.
struct Published {
    name: String,
    config: Config,
    publication: Publication,
}

impl Published {
    fn new(test: &str) -> Published {
        let name = format!("unit-{test}-{}", std::process::id());
        let file = Path::new("round_trip.toml");
        let mut written: Written = parse_toml(include_str!("../../tests/fixtures/core.toml"), file).unwrap();
        written.name.clone_from(&name);
        let mut msft = written.instruments[0].clone();
        msft.symbol = "MSFT".into();
        written.instruments.push(msft);
        written.strategy.name = Quoter::NAME.into();
        written.strategy.params.insert("quantity".into(), 100.into());
        written.risk.max_open_orders = Some(3);
        written.risk.max_position = Some(5_000);
        written.risk.max_daily_loss_usd = Some(700);
        written.capacity.live_orders = 1_000;
        written.capacity.levels = 100;
        written.capacity.direct_refs = 1_000;
        let config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let agents = ["gateway-g1", "strategy", "feed-f1", "cold"].map(String::from);
        let publication = Publication::create(&config, &agents, Nanos(77)).unwrap();
        Published { name, config, publication }
    }

    fn path(&self) -> PathBuf {
        super::region_path(&self.name)
    }

    fn view(&self) -> Viewer {
        Viewer::open(&self.name).unwrap()
    }

    /// Overwrites word `at` behind the region's header, as nobody of ours would.
    fn scribble(&self, at: usize, word: u64) {
        let file = std::fs::File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(&word.to_le_bytes(), (16 + at as u64) * 8).unwrap();
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

const AAPL: InstrumentId = InstrumentId(0);
const PENNY: i64 = 100;
const HUNDRED: i64 = 1_000_000;

/// A quoter at work in AAPL: 99.98 by 100.02 in the book, its two orders sent, the bid accepted and 40 shares of it traded.
fn quoting(config: &Config) -> Engine<Quoter> {
    let strategy = Quoter::new(&mut config.params.clone()).unwrap();
    let mut engine = Engine::new(&config.engine(), strategy);
    let mut out = Outbox::default();
    let mut bid = None;
    let mut give = |input: Input| {
        out.clear();
        engine.apply(Nanos(5_000_000_000), &input, &mut out);
        let buys = out.commands().iter().map(|a| *a.command()).filter(|c| format!("{c:?}").contains("Buy"));
        bid = bid.or(buys.map(|c| c.token()).next());
        bid
    };
    let market = |body| Input::Market(FeedId(0), MarketEvent { ts_event: Nanos(1), instrument: AAPL, body });
    let add = |order, side, px: i64| MarketBody::Add {
        order: VenueRef(order),
        px: Px(px),
        qty: Qty(300),
        side,
        mpid: *b"    ",
    };
    give(Input::Control(Control::Tokens { first: Token(1), end: Token(1_000) }));
    give(Input::Session(GatewayId(0), SessionEvent::Ready { next_token: Token(0), proven: true }));
    give(Input::Feed(FeedId(0), FeedStatus::Synced { next: 1 }));
    let state = TradingState::Trading;
    give(market(MarketBody::TradingAction { symbol: Symbol::BLANK, state, reason: *b"    " }));
    give(market(add(1, Side::Buy, HUNDRED - 2 * PENNY)));
    give(market(add(2, Side::Sell, HUNDRED + 2 * PENNY)));
    let token = give(market(MarketBody::Delete { order: VenueRef(99) })).expect("the quoter bids");
    let reports = [
        ReportKind::Accepted {
            order: VenueRef(500),
            px: Px(HUNDRED - 2 * PENNY),
            qty: Qty(100),
            side: Side::Buy,
            short: false,
            instrument: Some(AAPL),
            dead: false,
        },
        ReportKind::Executed { qty: Qty(40), px: Px(HUNDRED - 2 * PENNY), match_number: 9, liquidity: b'A' },
    ];
    for (seq, kind) in (1..).zip(reports) {
        let report = ExecutionReport { ts_event: Nanos(2), seq, token, gateway: GatewayId(0), kind };
        give(Input::Report(report));
    }
    engine
}

fn core(p: &mut Published) -> CorePublisher {
    p.publication.core().unwrap()
}

#[test]
fn a_throttle_is_read_where_there_is_one() {
    let mut p = Published::new("throttle");
    let viewer = p.view();
    let mut core = core(&mut p);
    p.config.gateways[0].throttle = Throttle::default();
    core.publish(&quoting(&p.config));
    assert!(viewer.read().gateways[0].throttle.is_none(), "it limits nothing");
    // The quoter's two orders use it up.
    let windows = vec![WindowLimit { limit: 2, span: Nanos(1_000_000_000) }];
    p.config.gateways[0].throttle = Throttle { windows, ..Throttle::default() };
    core.publish(&quoting(&p.config));
    let t = viewer.read().gateways[0].throttle.expect("a throttle");
    assert!(t.room_at_ns > 5_000_000_000 && t.room_at_ns <= 6_000_000_001, "{t:?}");
    assert_eq!((t.waiting, t.back_off_until_ns), (0, 0));
}

#[test]
fn the_runs_folder_the_rings_and_the_cold_threads_counts_are_read() {
    let mut p = Published::new("rings");
    let viewer = p.view();
    assert_eq!(viewer.run(), None, "not told yet");
    p.publication.kept_in(Path::new("/a/journal/run-000007")).unwrap();
    assert!(p.publication.kept_in(Path::new("/b")).is_err(), "it is told once");
    let mut core = core(&mut p);
    core.publish_rings([(1, 10), (2, 20), (3, 30)].into_iter());
    p.publication.cold().unwrap().set(counters::cold::unsynced_bytes, 5);
    let s = viewer.read();
    assert_eq!(s.run, Some(PathBuf::from("/a/journal/run-000007")));
    let of = |ring: &std::collections::BTreeMap<&str, u64>| (ring["fill"], ring["capacity"]);
    let g = &s.gateways[0];
    assert_eq!([of(&s.feeds[0].ring), of(&g.report_ring), of(&g.order_ring)], [(1, 10), (2, 20), (3, 30)]);
    assert_eq!(s.cold["unsynced_bytes"], 5);
    // A path is somebody's word: one that moves a cursor or begins nowhere is none.
    for hostile in [*b"/a\x1b[2Jxy", *b"relative", [0xff; 8], *b"/a\nb/c/d"] {
        p.scribble(super::layout::Layout::PATH.at, u64::from_le_bytes(hostile));
        assert_eq!(viewer.run(), None, "{hostile:?}");
    }
}

#[test]
fn a_path_that_is_too_long_is_told_not_at_all() {
    let mut p = Published::new("long");
    p.publication.kept_in(&PathBuf::from(format!("/{}", "x".repeat(255)))).unwrap();
    assert_eq!(p.view().run(), None);
}

#[test]
fn what_is_published_is_read() {
    let mut p = Published::new("read");
    let viewer = p.view();
    let engine = quoting(&p.config);
    let mut core = core(&mut p);
    core.counters.add(counters::engine::journal_refused, 2);
    core.book.record(100);
    core.publish(&engine);
    let mut feed = p.publication.feed(0).unwrap();
    feed.counters.set(counters::feed::capture_refused, 8);
    feed.counters.set(counters::feed::line_count, 2);
    feed.lines[1].set(counters::line::packets, 4);
    feed.lines[1].set(counters::line::silent, 1);
    feed.lines[2].set(counters::line::packets, 9);
    feed.decode.record(250);
    feed.wire.record(900);
    let mut gateway = p.publication.gateway(0).unwrap();
    gateway.counters.set(counters::gateway::state, 3);
    gateway.counters.set(counters::gateway::undecodable, 6);
    gateway.order_ring.record(1);
    gateway.encode.record(2);
    gateway.tick_to_order.record(3);
    for k in 0..4 {
        let mut agent = p.publication.agent(k).unwrap();
        agent.set(counters::agent::heartbeat_ns, 10 + k as u64);
    }

    let s = viewer.read();
    assert_eq!((s.name.as_str(), s.pid, s.alive), (p.name.as_str(), std::process::id().into(), true));
    assert_eq!(s.started_ns, 77);
    let agents: Vec<_> = s.agents.iter().map(|a| (a.name.as_str(), a.counters["heartbeat_ns"])).collect();
    assert_eq!(agents, [("gateway-g1", 10), ("strategy", 11), ("feed-f1", 12), ("cold", 13)]);
    assert_eq!((s.feeds[0].id.as_str(), s.feeds[0].counters["capture_refused"]), ("f1", 8));
    let lines: Vec<_> = s.feeds[0].lines.iter().map(|l| (l["packets"], l["silent"])).collect();
    assert_eq!(lines, [(0, 0), (4, 1)], "as many as the feed has");
    assert_eq!((s.gateways[0].id.as_str(), s.gateways[0].counters["state"]), ("g1", 3));
    assert_eq!(s.gateways[0].counters["undecodable"], 6, "the last of its table");
    let stats = engine.stats();
    assert_eq!((s.engine["inputs"], s.engine["new_orders"]), (stats.inputs, stats.new_orders));
    assert_eq!((s.engine["fills"], s.engine["shares"], s.engine["journal_refused"]), (1, 40, 2));
    assert_eq!(s.engine["unknown_refs"], 1, "the delete of an order that the book does not hold");

    let risk = s.risk.unwrap();
    assert_eq!((risk.now_ns, risk.halted, risk.open_orders), (5_000_000_000, None, 2));
    // A message that does not fit the book makes its instrument stale: it cannot be traded.
    assert_eq!((risk.max_open_orders, risk.max_position, risk.tradable), (3, 5_000, 0));
    // A bid two cents below the middle that it was decided at.
    assert_eq!((risk.slippage, risk.slippage_of), (-0.8, 3_999.2));
    assert_eq!((risk.max_daily_loss, risk.tokens_left), (700.0, u64::from(engine.tokens_left())));
    assert_eq!(risk.pnl, engine.pnl().0 as f64 / 10_000.0);
    let aapl = &s.instruments[0];
    assert_eq!((aapl.symbol.as_str(), aapl.validity, aapl.trading), ("AAPL", "stale", "trading"));
    assert_eq!((aapl.reason, aapl.since_ns), ("unknown_order", 5_000_000_000));
    let count = |to, why| s.transitions[to].get(why).copied();
    // Two instruments were synced; one was named, and is the one that went stale.
    assert_eq!((count("halted", "not_named"), count("valid", "not_named")), (Some(2), Some(1)));
    assert_eq!((count("stale", "unknown_order"), count("stale", "gap")), (Some(1), None));
    assert!(!s.transitions.contains_key("closed"), "what never came is left out");
    assert_eq!((aapl.bid, aapl.bid_qty, aapl.ask, aapl.ask_qty), (99.98, 300, 100.02, 300));
    assert_eq!((aapl.position, aapl.cash, aapl.fills, aapl.bought, aapl.sold), (40, -3999.2, 1, 40, 0));
    assert_eq!((aapl.realised, aapl.realised_fifo, aapl.fees, aapl.opening), (0.0, 0.0, 0.0, 0));
    assert_eq!((aapl.unrealised, aapl.pnl), (risk.pnl, risk.pnl), "all of it is in the shares held");
    assert_eq!((s.instruments[1].symbol.as_str(), s.instruments[1].position), ("MSFT", 0));
    // The quoter pulls what stands in a market that it cannot trust.
    let bid = s.orders.iter().find(|o| o.side == 'B').unwrap();
    assert_eq!((bid.symbol.as_str(), bid.state.as_str(), bid.px), ("AAPL", "pending_cancel", 99.98));
    assert_eq!((bid.open, bid.executed), (60, 40));
    assert_eq!(s.orders.len(), 2);
    let max = s.latency_ns.iter().map(|(k, p)| (*k, (p.max, p.n))).collect::<Vec<_>>();
    let expected = [
        ("book", (100, 1)),
        ("decode", (250, 1)),
        ("encode", (2, 1)),
        ("feed_ring", (0, 0)),
        ("order_ring", (1, 1)),
        ("strategy_risk", (0, 0)),
        ("tick_to_order", (3, 1)),
        ("wire", (900, 1)),
    ];
    assert_eq!(max, expected);
}

#[test]
fn an_order_that_ends_leaves_its_slot() {
    let mut p = Published::new("slots");
    let (engine, mut core) = (quoting(&p.config), core(&mut p));
    core.publish(&engine);
    assert_eq!(p.view().read().orders.len(), 2);
    let fresh = Engine::new(&p.config.engine(), Quoter::new(&mut p.config.params.clone()).unwrap());
    core.publish(&fresh);
    let s = p.view().read();
    assert_eq!((s.orders.len(), s.instruments[0].position), (0, 0));
}

#[test]
fn each_end_is_handed_out_once() {
    let mut p = Published::new("once");
    assert!(p.publication.core().is_ok() && p.publication.feed(0).is_ok() && p.publication.agent(0).is_ok());
    assert!(matches!(p.publication.core(), Err(RegionError::Taken { .. })));
    assert!(matches!(p.publication.feed(0), Err(RegionError::Taken { .. })));
    assert!(matches!(p.publication.agent(0), Err(RegionError::Taken { .. })));
    assert!(p.publication.gateway(0).is_ok());
    assert!(matches!(p.publication.gateway(0), Err(RegionError::Taken { .. })));
}

/// The keys of an object.
fn keys(v: &Value) -> String {
    v.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn json_field_names_are_stable() {
    let mut p = Published::new("json");
    let engine = quoting(&p.config);
    core(&mut p).publish(&engine);
    p.publication.feed(0).unwrap().counters.set(counters::feed::line_count, u64::MAX);
    let json = serde_json::to_value(p.view().read()).unwrap();
    assert_eq!(
        keys(&json),
        "agents alive cold control engine feeds gateways instruments latency_ns mode name orders pid risk run started_ns transitions"
    );
    assert_eq!(json["feeds"][0]["lines"].as_array().unwrap().len(), super::layout::LINES_MAX);
    assert_eq!(keys(&json["agents"][0]), "allocations core cycles heartbeat_ns name phase work");
    assert_eq!(
        keys(&json["feeds"][0]),
        "capture_refused datagrams disputed duplicates events expected gaps gaps_filled gaps_lost gaps_open id \
         kernel_drops line_count lines malformed messages messages_lost odd_executions oversize refused \
         rejected_datagrams rerequests resyncs ring ring_full snapshot_messages snapshot_refused snapshots snapshots_failed \
         synced undecodable unknown_types"
    );
    assert_eq!(
        keys(&json["feeds"][0]["lines"][0]),
        "duplicates kernel_drops last_heard_ns packets silent strays won"
    );
    assert_eq!(
        keys(&json["gateways"][0]),
        "connects disconnects entry_off given_up held_back id last_order_ns last_sequence login_rejects mass_canceled mass_cancels \
         order_ring protocol_errors receipts_lost report_ring reports ring_full sent spilled state throttle undecodable unsent"
    );
    assert_eq!(keys(&json["control"]), "clients commands killed_at_ns mode ring_full");
    assert_eq!(
        keys(&json["engine"]),
        "accepted adopted alarms anomalies broken_prints cancels change change_refused controls_refused corrected dropped duplicate_reports fills held inputs journal_records \
         journal_refused kill kill_flat_ns late_reports lots_merged market_events new_orders order_ring_full refusals rejected replaces reports \
         shares unknown_refs unsettled written_off"
    );
    assert_eq!(
        keys(&json["risk"]),
        "clutch halted level max_daily_loss max_open_orders max_position now_ns open_orders pnl restrained_by slippage slippage_of tokens_left tradable"
    );
    assert_eq!(
        keys(&json["instruments"][0]),
        "ask ask_qty bid bid_qty bought cash fees fills last mark opening pnl position realised realised_fifo reason \
         since_ns sold symbol trading unrealised validity"
    );
    assert_eq!(keys(&json["orders"][0]), "executed id open px side state symbol token");
    assert_eq!(
        keys(&json["latency_ns"]),
        "book decode encode feed_ring order_ring strategy_risk tick_to_order wire"
    );
    assert_eq!(keys(&json["latency_ns"]["book"]), "max n p50 p99 p999");
}

#[test]
fn a_halt_is_shown_with_its_reason_and_an_unknown_one_too() {
    let mut p = Published::new("halt");
    let (mut engine, mut core) = (quoting(&p.config), core(&mut p));
    let input = Input::Control(Control::Halt(HaltReason::Operator));
    engine.apply(Nanos(5_000_000_001), &input, &mut Outbox::default());
    core.publish(&engine);
    let viewer = p.view();
    assert_eq!(viewer.read().risk.unwrap().halted, Some("operator"));
    p.scribble(super::layout::Layout::new(viewer.shape()).risk().at + 2, 0xdead);
    assert_eq!(viewer.read().risk.unwrap().halted, Some("unknown"), "never as if it traded");
}

#[test]
fn a_cell_left_half_written_is_absent_and_not_zero() {
    let mut p = Published::new("torn");
    let engine = quoting(&p.config);
    core(&mut p).publish(&engine);
    let viewer = p.view();
    let layout = super::layout::Layout::new(viewer.shape());
    for at in [layout.risk().at, layout.position(0).at, layout.order(0).at] {
        p.scribble(at, 7);
    }
    let s = viewer.read();
    assert!(s.risk.is_none());
    assert_eq!(s.instruments.iter().map(|i| i.symbol.as_str()).collect::<Vec<_>>(), ["MSFT"]);
    assert_eq!(s.orders.len(), 1);
}

#[test]
fn a_shape_that_is_no_cores_is_refused() {
    let p = Published::new("shape");
    let viewer = p.view();
    let shape = viewer.shape();
    let numbers = [shape.agents, shape.feeds, shape.gateways, shape.instruments, shape.orders];
    for (at, was) in numbers.into_iter().enumerate() {
        for hostile in [was as u64 + 1, was as u64 - 1, 65_536, 1 << 32, u64::MAX / 8, u64::MAX] {
            p.scribble(at, hostile);
            assert!(matches!(Viewer::open(&p.name), Err(SnapshotError::Shape { .. })), "{at}: {hostile}");
        }
        p.scribble(at, was as u64);
        assert!(Viewer::open(&p.name).is_ok());
    }
}

#[test]
fn random_words_are_read_without_a_panic() {
    let p = Published::new("random");
    let viewer = p.view();
    let layout = super::layout::Layout::new(viewer.shape());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..4 {
        let mut bytes = Vec::with_capacity(layout.words * 8);
        for at in 6..layout.words {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(at as u64);
            // All ones, and random: overflow wants both.
            bytes.extend_from_slice(&if round == 0 { u64::MAX } else { seed }.to_le_bytes());
        }
        let file = std::fs::File::options().write(true).open(p.path()).unwrap();
        file.write_all_at(&bytes, (16 + 6) * 8).unwrap();
        let s = viewer.read();
        let text = serde_json::to_string(&s).unwrap();
        assert!(text.is_ascii(), "names and symbols come out printable: {text:?}");
        assert!(s.instruments.len() <= 2 && s.orders.len() <= 3);
    }
}

#[test]
fn a_name_that_is_not_there_says_so() {
    let error = Viewer::open("unit-absent").err().unwrap();
    assert!(matches!(&error, SnapshotError::Absent { name, .. } if name == "unit-absent"));
    assert!(error.to_string().contains("no core named \"unit-absent\""), "{error}");
}

fn recorded(values: impl IntoIterator<Item = u64>) -> ringbuf::histogram::Snapshot {
    let words = ringbuf::words::Words::zeroed(ringbuf::histogram::WORDS);
    let mut histogram = Histogram::over(words).unwrap();
    values.into_iter().for_each(|v| histogram.record(v));
    histogram.reader().snapshot()
}

#[test]
fn percentiles_are_of_all_threads_together() {
    assert_eq!(Percentiles::of(&[]), Percentiles::default());
    assert_eq!(Percentiles::of(&[recorded([])]), Percentiles::default());
    let one = Percentiles::of(&[recorded([700])]);
    assert_eq!(one, Percentiles { p50: 700, p99: 700, p999: 700, max: 700, n: 1 });

    // 1 to 10,000, dealt to two threads: within the histogram's 1.6 % and hdr's 0.1 % above the exact value, never below it.
    let p = Percentiles::of(&[recorded((1..=10_000).step_by(2)), recorded((2..=10_000).step_by(2))]);
    assert_eq!((p.n, p.max), (10_000, 10_000));
    for (found, exact) in [(p.p50, 5_000), (p.p99, 9_900), (p.p999, 9_990)] {
        assert!((exact..=exact + exact / 50).contains(&found), "{found} for {exact}");
    }
    // One thread alone must not hide another's tail.
    let p = Percentiles::of(&[recorded((0..990).map(|_| 10)), recorded((0..10).map(|_| 5_000_000))]);
    assert_eq!((p.p50, p.p99, p.max), (10, 10, 5_000_000));
    assert!((5_000_000..=5_000_000).contains(&p.p999), "{}", p.p999);
}

#[test]
fn percentiles_of_values_beyond_the_range_keep_the_largest() {
    let p = Percentiles::of(&[recorded([5, u64::MAX])]);
    assert_eq!((p.n, p.max), (2, u64::MAX));
    assert!(p.p50 <= p.p99 && p.p99 <= p.p999 && p.p999 <= p.max);
}
