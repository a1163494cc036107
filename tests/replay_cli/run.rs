//! A run made without sockets: market data, reports and time drive an engine, and what the strategy thread would journal is journaled.

use std::path::{Path, PathBuf};

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::config_hash;
use colo::engine::book::BookChange;
use colo::engine::strategy::{Intents, ParamError, Params, Strategy, View};
use colo::engine::{Engine, Outbox};
use colo::feeds::itch50::Subscription;
use colo::journal::{Batch, Receipt, Record, RunDir, record};
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, InstrumentId, Nanos, Px,
    Qty, ReportKind, SessionEvent, Side, Token, VenueRef,
};
use ringbuf::log::{self, LogConfig, SyncPolicy};

/// Joins the best bid whenever the top changes; risk refuses some of it.
pub struct Eager {
    quantity: u32,
}

impl Strategy for Eager {
    const NAME: &'static str = "eager";

    fn new(params: &mut Params) -> Result<Eager, ParamError> {
        Ok(Eager { quantity: params.int("quantity", 10, 1, 1_000)? as u32 })
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let top = view.top(change.instrument);
        if change.top_changed && top.bid_qty > 0 && top.ask_qty > 0 {
            out.buy(change.instrument, Qty(self.quantity), top.bid_px);
        }
    }
}

const SECOND: u64 = 1_000_000_000;
pub const FEED: FeedId = FeedId(0);

/// What a run leaves behind, before it is written.
pub struct Run {
    pub toml: String,
    pub records: Vec<Record>,
    /// Received, first sequence, messages.
    pub batches: Vec<(Nanos, u64, Vec<Vec<u8>>)>,
}

/// The strategy thread's part, and the feed's.
pub struct Core {
    engine: Engine<Eager>,
    outbox: Outbox,
    subscription: Subscription,
    run: Run,
    now: Nanos,
    pub next: u64,
    reports: u64,
    unanswered: Vec<(Token, Px, Qty)>,
}

impl Core {
    pub fn start() -> Core {
        let mut written: Written =
            parse_toml(include_str!("../fixtures/core.toml"), Path::new("run.toml")).unwrap();
        written.name = "replayed".into();
        written.strategy.name = Eager::NAME.into();
        written.risk.max_order_quantity = Some(1_000);
        written.risk.max_order_notional_usd = Some(1_000_000);
        written.risk.max_position = Some(5_000);
        written.risk.max_open_orders = Some(20);
        written.risk.max_messages_per_second = Some(50);
        written.risk.price_collar_bps = Some(500);
        written.risk.max_daily_loss_usd = Some(100_000);
        written.capacity.live_orders = 10_000;
        written.capacity.levels = 10_000;
        written.capacity.direct_refs = 100_000;
        let config = Config::resolve(written, Path::new("run.toml"), Secrets::Skip).unwrap();
        let toml = config.to_toml();
        let strategy: Eager = colo::cli::make(&config).unwrap();
        let now = Nanos(1_700_000_000 * SECOND);
        let start = Record::Start { format: record::FORMAT, run: 1, config_hash: config_hash(&toml), now };
        let mut core = Core {
            engine: Engine::new(&config.engine(), strategy),
            outbox: Outbox::default(),
            subscription: Subscription::new(&config.instruments),
            run: Run { toml, records: vec![start], batches: Vec::new() },
            now,
            next: 1,
            reports: 0,
            unanswered: Vec::new(),
        };
        let gateway = GatewayId(0);
        let control = Control::Tokens { first: Token(1), end: Token(65_537) };
        core.input(Record::Control { now, control }, &Input::Control(control));
        for event in [SessionEvent::LoggedIn, SessionEvent::Ready { next_token: Token(1), proven: true }] {
            core.input(Record::Session { now, gateway, event }, &Input::Session(gateway, event));
        }
        core
    }

    fn input(&mut self, record: Record, input: &Input) {
        self.run.records.push(record);
        self.apply(input);
    }

    fn apply(&mut self, input: &Input) {
        self.engine.apply(self.now, input, &mut self.outbox);
        self.run.records.extend(self.outbox.alarms().iter().map(|a| Record::Alarm(*a)));
        self.run.records.extend(self.outbox.transitions().iter().map(|t| Record::Validity(*t)));
        for a in self.outbox.commands() {
            self.run.records.push(Record::Command(*a.command()));
            let (token, now) = (a.command().token(), self.now);
            let gateway = a.command().gateway;
            self.run.records.push(Record::Receipt(Receipt {
                token,
                gateway,
                received: now,
                decoded: now,
                decided: now,
                sent: now.after(Nanos(9)),
            }));
            if let CommandKind::New { qty, px, .. } = a.command().kind {
                self.unanswered.push((token, px, qty));
            }
        }
        self.run.records.extend(self.outbox.refusals().iter().map(|r| Record::Refusal(*r)));
        self.outbox.clear();
    }

    pub fn status(&mut self, status: FeedStatus) {
        if status == FeedStatus::NewSession {
            self.subscription.reset();
            self.next = 1;
        }
        if let FeedStatus::Lost { to, .. } = status {
            self.next = to;
        }
        self.input(Record::Feed { now: self.now, feed: FEED, status }, &Input::Feed(FEED, status));
    }

    /// A packet of the feed.
    pub fn packet(&mut self, messages: &[Vec<u8>]) {
        self.now = self.now.after(Nanos(1_000_000));
        let (now, first, count) = (self.now, self.next, messages.len() as u32);
        self.next += u64::from(count);
        self.run.batches.push((now, first, messages.to_vec()));
        let events: Vec<_> =
            messages.iter().filter_map(|m| self.subscription.event(m).ok().flatten()).collect();
        if events.is_empty() {
            return;
        }
        self.run.records.push(Record::Market { now, feed: FEED, count, first });
        events.iter().for_each(|e| self.apply(&Input::Market(FEED, *e)));
    }

    /// The venue answers what was sent, and time passes.
    pub fn answer(&mut self) {
        for (token, px, qty) in std::mem::take(&mut self.unanswered) {
            for kind in [
                ReportKind::Accepted {
                    order: VenueRef(u64::from(token.0)),
                    px,
                    qty,
                    side: Side::Buy,
                    short: false,
                    instrument: Some(InstrumentId(0)),
                    dead: false,
                },
                ReportKind::Executed { qty, px, match_number: u64::from(token.0), liquidity: b'A' },
            ] {
                self.reports += 1;
                let (now, gateway, seq) = (self.now, GatewayId(0), self.reports);
                let report = ExecutionReport { ts_event: Nanos(0), seq, token, gateway, kind };
                self.input(Record::Report { now, report }, &Input::Report(report));
            }
        }
        if self.engine.next_timer().is_some_and(|at| at <= self.now) {
            self.input(Record::Timer { now: self.now }, &Input::Timer);
        }
    }

    pub fn hash(&mut self) {
        let (inputs, hash) = (self.engine.stats().inputs, self.engine.state_hash());
        self.run.records.push(Record::Hash { inputs, hash });
    }

    pub fn end(mut self) -> Run {
        self.hash();
        let hash = self.engine.state_hash();
        self.run.records.push(Record::End { hash });
        self.run
    }
}

impl Run {
    /// Writes it as a core does; returns the run's folder.
    pub fn write(&self, journal_dir: &Path, capture: bool) -> PathBuf {
        let run = RunDir::create(journal_dir, &self.toml).unwrap().path;
        let open = |dir: PathBuf| {
            let (segment_bytes, reserve_bytes) = (1 << 16, 1 << 12);
            log::create(LogConfig { dir, segment_bytes, reserve_bytes, sync: SyncPolicy::Off }).unwrap()
        };
        let (mut writer, mut keeper) = open(RunDir::core(&run));
        for r in &self.records {
            r.append(&mut writer).unwrap();
            keeper.tend().unwrap();
        }
        writer.finish();
        keeper.close().unwrap();
        if capture {
            let (mut writer, mut keeper) = open(RunDir::capture(&run, "f1"));
            for (received, first, messages) in &self.batches {
                let framed = framed(messages);
                let (received, first, count) = (*received, *first, messages.len() as u32);
                Batch { received, is_snapshot: false, first, count, framed: &framed }
                    .append(&mut writer)
                    .unwrap();
                keeper.tend().unwrap();
            }
            writer.finish();
            keeper.close().unwrap();
        }
        run
    }

    /// Where the n-th record of a kind is.
    pub fn find(&self, nth: usize, is: impl Fn(&Record) -> bool) -> usize {
        let mut all = self.records.iter().enumerate().filter(|(_, r)| is(r));
        all.nth(nth).expect("the run has such a record").0
    }
}

pub fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
}

pub fn named(kind: u8, locate: u16, symbol: &[u8; 8]) -> Vec<u8> {
    let (len, at) = if kind == b'R' { (39, 11) } else { (25, 11) };
    let mut m = vec![0; len];
    m[0] = kind;
    m[1..3].copy_from_slice(&locate.to_be_bytes());
    m[at..at + 8].copy_from_slice(symbol);
    if kind == b'H' {
        m[19] = b'T';
    }
    m
}

pub fn add(locate: u16, symbol: &[u8; 8], key: u64, buy: bool, px: u32) -> Vec<u8> {
    let mut m = vec![0; 36];
    m[0] = b'A';
    m[1..3].copy_from_slice(&locate.to_be_bytes());
    m[11..19].copy_from_slice(&key.to_be_bytes());
    m[19] = if buy { b'B' } else { b'S' };
    m[20..24].copy_from_slice(&100u32.to_be_bytes());
    m[24..32].copy_from_slice(symbol);
    m[32..36].copy_from_slice(&px.to_be_bytes());
    m
}

pub fn delete(locate: u16, key: u64) -> Vec<u8> {
    let mut m = vec![0; 19];
    m[0] = b'D';
    m[1..3].copy_from_slice(&locate.to_be_bytes());
    m[11..19].copy_from_slice(&key.to_be_bytes());
    m
}
