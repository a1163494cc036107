//! A day's journal, written by the journal's own writer: orders of which it is known what became, market data by reference, what restrains and is resumed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use colo::core::config_hash;
use colo::journal::standing::Keeping;
use colo::journal::{Receipt, Record, RunDir, record};
use engine::Alarm;
use model::{
    BreakerCause, BreakerLevel, CommandKind, Control, ExecutionReport, FeedId, GatewayId, InstrumentId,
    Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Tif, Token, Usd, VenueRef,
};
use ringbuf::log::{self, Keeper, LogConfig, Place, Reader, SyncPolicy, Writer};

/// An order, as it is meant.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub shares: u32,
    instrument: u16,
    is_sell: bool,
    px: i64,
}

/// What the records mean, kept apart from what is tested.
#[derive(Default)]
pub struct Oracle {
    pub seq: u64,
    pub open: BTreeMap<u32, Order>,
    pub held: BTreeMap<u16, (i64, i64)>,
    pub restraint: Restrained,
    pub best: Option<i64>,
    token: u32,
    trade: u64,
    trades: Vec<(u32, u64, u16, i64, i64)>,
}

/// What restrains, in the words that are to be said of it.
#[derive(Default)]
pub struct Restrained {
    halted: Option<&'static str>,
    reduced: bool,
    declutched: bool,
}

impl Restrained {
    pub fn words(&self) -> Vec<String> {
        let halted = self.halted.map(|why| format!("halted ({why})"));
        let reduced = self.reduced.then(|| "reduce_only (fills)".to_owned());
        let clutch = self.declutched.then(|| "clutch out".to_owned());
        [halted, reduced, clutch].into_iter().flatten().collect()
    }
}

pub struct Day {
    pub run: PathBuf,
    writer: Writer,
    keeper: Keeper,
    reader: Reader,
    keeping: Keeping,
    oracle: Oracle,
    now: u64,
    /// From one input to the next on average, ns.
    pace: u64,
    state: u64,
}

/// How a day is written.
pub struct Shape {
    /// Bytes of a segment.
    pub segment_bytes: usize,
    /// When it begins, ns since the Unix epoch.
    pub now: u64,
    /// From one input to the next on average, ns.
    pub pace: u64,
}

/// A day that is over.
pub struct Written {
    pub run: PathBuf,
    pub oracle: Oracle,
}

impl Day {
    /// With segments small enough that a short day has several.
    pub fn begin(folder: &Path, number: u32, seed: u64) -> Day {
        let shape = Shape { segment_bytes: 16 * 1024, now: 1_700_000_000_000_000_000, pace: 3_000 };
        Day::with(folder, number, seed, "name = \"day\"\n", &shape)
    }

    /// The run of a core whose configuration is `toml`.
    pub fn with(folder: &Path, number: u32, seed: u64, toml: &str, shape: &Shape) -> Day {
        let Shape { segment_bytes, now, pace } = *shape;
        let run = folder.join(format!("run-{number:06}"));
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("config.toml"), toml).unwrap();
        let dir = RunDir::core(&run);
        let cfg = LogConfig { dir: dir.clone(), segment_bytes, reserve_bytes: 0, sync: SyncPolicy::Off };
        let (writer, keeper) = log::create(cfg).unwrap();
        let reader = Reader::open(&dir).unwrap();
        let keeping = Keeping::new(&run, number, config_hash(toml), false);
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut day =
            Day { run, writer, keeper, reader, keeping, oracle: Oracle::default(), now, pace, state };
        let start = Record::Start {
            format: record::FORMAT,
            run: number,
            config_hash: config_hash(toml),
            now: Nanos(now),
        };
        day.put(&start);
        day
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn put(&mut self, record: &Record) {
        if record.append(&mut self.writer).is_err() {
            self.keeper.tend().unwrap();
            record.append(&mut self.writer).unwrap();
        }
    }

    fn now(&mut self) -> Nanos {
        self.now += self.pace / 2 + self.state % self.pace;
        Nanos(self.now)
    }

    /// So many steps, each a record or some.
    pub fn go_on(&mut self, steps: u64) {
        for step in 0..steps {
            self.step();
            if step % 16 == 0 {
                self.keeper.tend().unwrap();
            }
            if step % 4_096 == 0 {
                self.follow(false);
            }
        }
        self.keeper.tend().unwrap();
        self.follow(false);
    }

    /// What the cold thread does: follows, and writes down what stands.
    pub fn stand(&mut self) {
        self.follow(true);
    }

    pub fn place(&self) -> Place {
        self.reader.place().expect("a place in a segment")
    }

    fn follow(&mut self, write: bool) {
        self.keeping.tend(self.reader.place(), false).unwrap();
        while let Some(r) = self.reader.next().unwrap() {
            let record = Record::decode(r.kind, r.payload).unwrap();
            self.keeping.on(Some(&record));
        }
        self.keeping.tend(self.reader.place(), write).unwrap();
    }

    /// In order, or as a killed process leaves it.
    pub fn end(mut self, in_order: bool) -> Written {
        if in_order {
            self.put(&Record::End { hash: 1 });
            self.writer.finish();
            self.keeper.close().unwrap();
        }
        Written { run: self.run, oracle: self.oracle }
    }

    fn step(&mut self) {
        match self.random(100) {
            0..70 => {
                let (now, first) = (self.now(), self.state >> 20);
                self.put(&Record::Market { now, feed: FeedId(0), count: 1, first });
            }
            70..78 => self.send(),
            78..86 => self.fill(),
            86..90 => self.cancel(),
            90..92 => self.replace(),
            92..94 => self.break_one(),
            94 => self.hear_again(),
            95..97 => self.restrain(),
            97 => {
                let now = self.now();
                let first = Token(self.oracle.token + 1);
                let control = Control::Tokens { first, end: Token(first.0 + 1_000) };
                self.put(&Record::Control { now, control });
            }
            98 => {
                let now = self.now();
                let event = if self.state.is_multiple_of(2) {
                    SessionEvent::Disconnected
                } else {
                    SessionEvent::Ready { next_token: Token(1), proven: true }
                };
                self.put(&Record::Session { now, gateway: GatewayId(0), event });
            }
            _ => {
                let at = self.now();
                let (token, gateway) = (Token(self.oracle.token), GatewayId(0));
                let receipt = Receipt { token, gateway, received: at, decoded: at, decided: at, sent: at };
                self.put(&Record::Receipt(receipt));
            }
        }
    }

    fn report(&mut self, token: u32, kind: ReportKind) {
        let now = self.now();
        self.oracle.seq += 1;
        let (seq, token, gateway) = (self.oracle.seq, Token(token), GatewayId(0));
        self.put(&Record::Report {
            now,
            report: ExecutionReport { ts_event: now, seq, token, gateway, kind },
        });
    }

    fn command(&mut self, instrument: u16, kind: CommandKind) {
        let (gateway, instrument) = (GatewayId(0), InstrumentId(instrument));
        self.put(&Record::Command(OrderCommand { gateway, instrument, kind }));
    }

    /// A new order; one in eight is refused.
    fn send(&mut self) {
        if self.oracle.open.len() > 60 {
            return self.cancel();
        }
        self.oracle.token += 1;
        let token = self.oracle.token;
        let (instrument, is_sell) = (self.random(5) as u16, self.random(2) == 0);
        let (shares, px) = (1 + self.random(900) as u32, 10_000 + self.random(1_000_000) as i64);
        let side = if is_sell { Side::Sell } else { Side::Buy };
        let (qty, px_) = (Qty(shares), Px(px));
        let new = CommandKind::New { token: Token(token), side, short: false, qty, px: px_, tif: Tif::Day };
        self.command(instrument, new);
        if self.random(8) == 0 {
            return self.report(token, ReportKind::Rejected { reason: 7 });
        }
        let (order, instrument_) = (VenueRef(u64::from(token)), Some(InstrumentId(instrument)));
        let kind = ReportKind::Accepted {
            order,
            px: px_,
            qty,
            side,
            short: false,
            instrument: instrument_,
            dead: false,
        };
        self.report(token, kind);
        self.oracle.open.insert(token, Order { shares, instrument, is_sell, px });
    }

    fn some(&mut self) -> Option<(u32, Order)> {
        let k = self.random(self.oracle.open.len().max(1) as u64) as usize;
        self.oracle.open.iter().nth(k).map(|(t, o)| (*t, *o))
    }

    fn book(&mut self, id: u16, shares: i64, px: i64) {
        let held = self.oracle.held.entry(id).or_default();
        held.0 += shares;
        held.1 -= shares * px;
    }

    fn fill(&mut self) {
        let Some((token, o)) = self.some() else { return };
        let shares = 1 + self.random(o.shares.into()) as u32;
        self.oracle.trade += 1;
        let match_number = self.oracle.trade;
        let kind = ReportKind::Executed { qty: Qty(shares), px: Px(o.px), match_number, liquidity: b'A' };
        self.report(token, kind);
        let signed = if o.is_sell { -i64::from(shares) } else { i64::from(shares) };
        self.book(o.instrument, signed, o.px);
        self.oracle.trades.push((token, match_number, o.instrument, signed, o.px));
        match self.oracle.open.get_mut(&token) {
            Some(open) if open.shares > shares => open.shares -= shares,
            _ => drop(self.oracle.open.remove(&token)),
        }
    }

    fn cancel(&mut self) {
        let Some((token, o)) = self.some() else { return };
        self.command(o.instrument, CommandKind::Cancel { token: Token(token), qty: Qty(0) });
        self.report(token, ReportKind::Canceled { qty: Qty(o.shares), reason: b'U' });
        self.oracle.open.remove(&token);
    }

    fn replace(&mut self) {
        let Some((old, o)) = self.some() else { return };
        self.oracle.token += 1;
        let token = self.oracle.token;
        let (shares, px) = (1 + self.random(900) as u32, o.px + 100);
        let (qty, new_px) = (Qty(shares), Px(px));
        self.command(
            o.instrument,
            CommandKind::Replace { old: Token(old), token: Token(token), qty, px: new_px, tif: Tif::Day },
        );
        if self.random(4) == 0 {
            return self.report(token, ReportKind::Rejected { reason: 3 });
        }
        let order = VenueRef(u64::from(token));
        self.report(token, ReportKind::Replaced { old: Token(old), order, px: new_px, qty, dead: false });
        self.oracle.open.remove(&old);
        self.oracle.open.insert(token, Order { shares, px, ..o });
    }

    /// A trade is broken, or corrected to another price.
    fn break_one(&mut self) {
        if self.oracle.trades.is_empty() {
            return;
        }
        let at = self.random(self.oracle.trades.len() as u64) as usize;
        let (token, match_number, id, shares, px) = self.oracle.trades[at];
        self.book(id, -shares, px);
        if self.random(2) == 0 {
            self.report(token, ReportKind::Broken { match_number, reason: b'E' });
            self.oracle.trades.remove(at);
            return;
        }
        let (qty, new) = (Qty(shares.unsigned_abs() as u32), px + 300);
        let (liquidity, reason) = (b'A', b'E');
        self.report(token, ReportKind::Corrected { match_number, qty, px: Px(new), liquidity, reason });
        self.book(id, shares, new);
        self.oracle.trades[at].4 = new;
    }

    /// The venue says again what it said: nothing changes.
    fn hear_again(&mut self) {
        let Some(&(token, match_number, _, shares, px)) = self.oracle.trades.last() else { return };
        let now = self.now();
        let qty = Qty(shares.unsigned_abs() as u32);
        let kind = ReportKind::Executed { qty, px: Px(px), match_number, liquidity: b'A' };
        let seq = 1 + self.random(self.oracle.seq);
        let (token, gateway) = (Token(token), GatewayId(0));
        self.put(&Record::Report {
            now,
            report: ExecutionReport { ts_event: now, seq, token, gateway, kind },
        });
    }

    fn restrain(&mut self) {
        let now = self.now();
        let alarm = |level, cause| Record::Alarm(Alarm::Breaker { level, cause });
        match self.random(7) {
            0 => {
                self.put(&alarm(BreakerLevel::Halted, BreakerCause::Loss));
                self.oracle.restraint.halted = Some("loss");
            }
            1 => {
                self.put(&alarm(BreakerLevel::Halted, BreakerCause::Operator));
                self.oracle.restraint.halted.get_or_insert("operator");
            }
            2 => {
                self.put(&alarm(BreakerLevel::ReduceOnly, BreakerCause::Fills));
                self.oracle.restraint.reduced = true;
            }
            3 => {
                let engaged = self.oracle.restraint.declutched;
                self.put(&Record::Control { now, control: Control::Clutch { engaged } });
                self.oracle.restraint.declutched = !engaged;
            }
            4 => {
                let pnl = Usd(self.random(9_000_000) as i64);
                self.put(&Record::Alarm(Alarm::Best { pnl }));
                self.oracle.best = Some(pnl.0);
            }
            // What the next process does not have.
            5 => self.put(&alarm(BreakerLevel::Halted, BreakerCause::Journal)),
            _ => {
                self.put(&alarm(BreakerLevel::Normal, BreakerCause::Operator));
                let declutched = self.oracle.restraint.declutched;
                self.oracle.restraint = Restrained { declutched, ..Restrained::default() };
            }
        }
    }
}
