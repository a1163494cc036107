//! The whole region read at once. The core may be writing meanwhile: each cell is consistent in itself, counters are each right, and two of them may be
//! a moment apart. What cannot be read consistently is left out, never shown as zero.
//!
//! Shared memory is hostile until proven otherwise: a shape beyond what a core can have, or one that does not add up to the region's own size, is refused
//! before anything is read by it, so that the memory and time of a reading are bounded whatever the words say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::{OrderState, Position, Reason};
use model::{BreakerCause, BreakerLevel, HaltReason, Nanos, Px, Symbol, Usd, Validity};
use ringbuf::cell::CellReader;
use ringbuf::counters::CounterReader;
use ringbuf::region::{Region, RegionError};
use serde::Serialize;

use super::counters::{self, Entry};
use super::layout::{self, LINES_MAX, Layout, Shape, Span};
use super::stages::Percentiles;
use crate::core::Stage;
use crate::watchdog::Beat;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no region of that name: the core is not running here and was not since the last boot.
    #[error("no core named {name:?} on this host ({path} does not exist)")]
    Absent {
        /// The name asked for.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The region cannot be read.
    #[error("{path}: {source}")]
    Region {
        /// Which.
        path: PathBuf,
        /// Why.
        source: RegionError,
    },
    /// The numbers in the region's head are no core's, or do not add up to the region's size.
    #[error("{path}: the shape in its head is not that of a region of this size")]
    Shape {
        /// Which.
        path: PathBuf,
    },
}

/// Rounds of [`ringbuf::cell::ATTEMPTS`] that a cell is asked for. Between two the thread gives its core up, for on a busy host the writer may have been
/// preempted in the middle of a store and wait for just that.
const ROUNDS: usize = 256;

/// One agent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// [`counters::agent`].
    #[serde(flatten)]
    pub counters: BTreeMap<&'static str, u64>,
}

/// One feed.
#[derive(Clone, Debug, Serialize)]
pub struct Feed {
    /// Its id.
    pub id: String,
    /// [`counters::feed`].
    #[serde(flatten)]
    pub counters: BTreeMap<&'static str, u64>,
    /// [`counters::ring`] of its ring to the strategy.
    pub ring: BTreeMap<&'static str, u64>,
    /// [`counters::line`] of each of its lines, in the configuration's order.
    pub lines: Vec<BTreeMap<&'static str, u64>>,
}

/// Where a gateway's throttle stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throttle {
    /// Requests that wait for room.
    pub waiting: u64,
    /// When a new order has room, ns since the Unix epoch; in the past where it has, `u64::MAX` for never.
    pub room_at_ns: u64,
    /// Until then new orders stay back, for the venue has refused one for its rate; in the past where they do not.
    pub back_off_until_ns: u64,
}

/// One gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its throttle, where it has one.
    pub throttle: Option<Throttle>,
    /// [`counters::ring`] of its reports' ring.
    pub report_ring: BTreeMap<&'static str, u64>,
    /// [`counters::ring`] of its orders' ring.
    pub order_ring: BTreeMap<&'static str, u64>,
    /// [`counters::gateway`].
    #[serde(flatten)]
    pub counters: BTreeMap<&'static str, u64>,
}

/// One instrument.
#[derive(Clone, Debug, Serialize)]
pub struct Instrument {
    /// Its ticker.
    pub symbol: String,
    /// `recovering`, `valid`, `stale`, `halted` or `closed`.
    pub validity: &'static str,
    /// Why, in a word of [`Reason::word`]; of a valid one, what is over.
    pub reason: &'static str,
    /// When one of the two last changed, ns since the Unix epoch; 0 for never.
    pub since_ns: u64,
    /// `unknown`, `trading`, `halted`, `paused` or `quotation_only`.
    pub trading: &'static str,
    /// Best bid, USD; 0 where there is none.
    pub bid: f64,
    /// Shares there.
    pub bid_qty: u64,
    /// Best offer, USD; 0 where there is none.
    pub ask: f64,
    /// Shares there.
    pub ask_qty: u64,
    /// Last trade, USD.
    pub last: f64,
    /// Shares held.
    pub position: i64,
    /// Cash flow, USD.
    pub cash: f64,
    /// The price it is valued at, USD.
    pub mark: f64,
    /// Fills.
    pub fills: u64,
    /// Shares bought.
    pub bought: u64,
    /// Shares sold.
    pub sold: u64,
    /// Shares held as the day began.
    pub opening: i64,
    /// Realised by average cost, USD.
    pub realised: f64,
    /// Realised by first in, first out, USD.
    pub realised_fifo: f64,
    /// Not realised, by average cost at the mark, USD.
    pub unrealised: f64,
    /// Fees paid less rebates received, USD.
    pub fees: f64,
    /// Profit and loss after fees, USD.
    pub pnl: f64,
}

/// One open order.
#[derive(Clone, Debug, Serialize)]
pub struct OpenOrder {
    /// Its token now.
    pub token: u32,
    /// Its first token.
    pub id: u32,
    /// Its instrument.
    pub symbol: String,
    /// `B` or `S`.
    pub side: char,
    /// Where it stands.
    pub state: String,
    /// Limit, USD.
    pub px: f64,
    /// Shares open.
    pub open: u32,
    /// Shares traded.
    pub executed: u32,
}

/// The risk snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Risk {
    /// The engine's time, ns since the Unix epoch.
    pub now_ns: u64,
    /// Why trading is halted.
    pub halted: Option<&'static str>,
    /// Orders open.
    pub open_orders: u64,
    /// The limit on them.
    pub max_open_orders: u64,
    /// Profit and loss, USD.
    pub pnl: f64,
    /// The loss that halts, USD.
    pub max_daily_loss: f64,
    /// The position limit, shares.
    pub max_position: i64,
    /// Tokens left.
    pub tokens_left: u64,
    /// Instruments that can be traded now.
    pub tradable: u64,
    /// What shares cost beyond the middle of the book that their order was asked for at, USD: positive is bad.
    pub slippage: f64,
    /// Money of the fills that this is of, USD.
    pub slippage_of: f64,
    /// How far trading is restrained: `normal`, `reduce_only`, `cancel_only` or `halted`.
    pub level: &'static str,
    /// By what, where it is restrained and not halted.
    pub restrained_by: Option<&'static str>,
    /// `out` when a person has taken the strategy off trading.
    pub clutch: &'static str,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The core's name.
    pub name: String,
    /// Its process.
    pub pid: u64,
    /// What its orders reach: `test`, `paper` or `live`.
    pub mode: &'static str,
    /// Whether that process runs: it is there, is no zombie, and is the one that began then.
    pub alive: bool,
    /// When it started, ns since the Unix epoch.
    pub started_ns: u64,
    /// The folder that its run is kept in, where that is known.
    pub run: Option<PathBuf>,
    /// Agents.
    pub agents: Vec<Agent>,
    /// Feeds.
    pub feeds: Vec<Feed>,
    /// Gateways.
    pub gateways: Vec<Port>,
    /// [`counters::control`].
    pub control: BTreeMap<&'static str, u64>,
    /// [`counters::cold`].
    pub cold: BTreeMap<&'static str, u64>,
    /// [`counters::engine`].
    pub engine: BTreeMap<&'static str, u64>,
    /// Changes of validity: by what it became, then by the reason; those that never came are left out.
    pub transitions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Risk; absent while the writer is in the middle of it for too long.
    pub risk: Option<Risk>,
    /// Instruments, without those that the writer was in the middle of for too long.
    pub instruments: Vec<Instrument>,
    /// Open orders: as many as have a slot, and as could be read consistently. [`Risk::open_orders`] says how many there are.
    pub orders: Vec<OpenOrder>,
    /// Latencies by stage.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
}

/// Where the kill switch stands.
#[derive(Clone, Copy, Debug)]
pub struct KillView {
    /// As [`counters::engine::kill`].
    pub state: u64,
    /// When all within it was flat; 0 while it is not.
    pub flat_ns: u64,
    /// When the last new order or replace left, by any gateway.
    pub last_order_ns: u64,
}

/// What a kill took, from the command's arrival on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KillFigures {
    /// `off`, `canceling` or `flat`.
    pub state: &'static str,
    /// When the command came, ns since the Unix epoch.
    pub at_ns: u64,
    /// Until the venue had confirmed that nothing lives; none while it has not.
    pub flat_after_ns: Option<u64>,
    /// Until the last new order or replace left; 0 where none left after it. None where one instrument is killed and others trade on.
    pub last_order_after_ns: Option<u64>,
}

impl KillView {
    /// As a kill that came `at` sees it, of everything (`all`) or of some instruments.
    #[must_use]
    pub fn figures(&self, at: Nanos, all: bool) -> KillFigures {
        let flat = (self.flat_ns >= at.0).then(|| self.flat_ns - at.0);
        KillFigures {
            state: match (self.state, flat) {
                (2, Some(_)) => "flat",
                _ => "canceling",
            },
            at_ns: at.0,
            flat_after_ns: flat.filter(|_| self.state == 2),
            last_order_after_ns: all.then(|| self.last_order_ns.saturating_sub(at.0)),
        }
    }
}

/// A region open for reading again and again.
pub struct Viewer {
    pub(super) region: Region,
    pub(super) layout: Layout,
}

impl Viewer {
    /// Opens the region of a core. It stays that of one run: after a restart of the core, open again.
    ///
    /// # Errors
    /// [`SnapshotError`] with the reason in words.
    pub fn open(name: &str) -> Result<Viewer, SnapshotError> {
        let path = super::region_path(name);
        if !path.exists() {
            return Err(SnapshotError::Absent { name: name.into(), path });
        }
        let at = |source| SnapshotError::Region { path: path.clone(), source };
        let region = Region::open(&path, layout::VERSION).map_err(at)?;
        let head = CounterReader::over(region.words(0, Layout::SHAPE.len).map_err(at)?);
        let n = |k: usize| head.get(k).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let shape = Shape { agents: n(0), feeds: n(1), gateways: n(2), instruments: n(3), orders: n(4) };
        if !shape.fits() {
            return Err(SnapshotError::Shape { path });
        }
        let layout = Layout::new(shape);
        if region.len_words() != layout.words {
            return Err(SnapshotError::Shape { path });
        }
        Ok(Viewer { region, layout })
    }

    /// How many of each there are.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.layout.shape
    }

    /// How far trading is restrained, halts included; `None` while it is being written.
    #[must_use]
    pub fn level(&self) -> Option<BreakerLevel> {
        let restraint = self.cell::<{ layout::RISK }>(self.layout.risk())?[layout::RISK - 1];
        Some(*BreakerLevel::ALL.get(usize::from(restraint.to_le_bytes()[0])).unwrap_or(&BreakerLevel::Halted))
    }

    /// Reads everything. Allocates (a few MiB for the largest shape) and may give its core up while the writer is busy: not for a hot thread.
    #[must_use]
    pub fn read(&self) -> Snapshot {
        let l = self.layout;
        let pid = self.region.writer_pid();
        let symbols: Vec<String> = (0..l.shape.instruments)
            .map(|k| Symbol(self.word(l.symbol(k).at).to_le_bytes()).to_string())
            .collect();
        Snapshot {
            name: self.name(6),
            pid,
            mode: self.mode(),
            alive: self.is_alive(),
            started_ns: self.region.started_ns(),
            run: self.run(),
            agents: (0..l.shape.agents)
                .map(|k| Agent {
                    name: self.name(l.agent_name(k).at),
                    counters: self.table(l.agent(k), &counters::agent::TABLE),
                })
                .collect(),
            feeds: (0..l.shape.feeds).map(|k| self.feed(k)).collect(),
            gateways: (0..l.shape.gateways)
                .map(|k| Port {
                    id: self.name(l.gateway_name(k).at),
                    throttle: self.throttle(k),
                    report_ring: self.table(l.gateway_ring(k, 0), &counters::ring::TABLE),
                    order_ring: self.table(l.gateway_ring(k, 1), &counters::ring::TABLE),
                    counters: self.table(l.gateway(k), &counters::gateway::TABLE),
                })
                .collect(),
            control: self.table(l.control(), &counters::control::TABLE),
            cold: self.table(l.cold(), &counters::cold::TABLE),
            engine: self.table(l.engine(), &counters::engine::TABLE),
            transitions: self.transitions(),
            risk: self.risk(),
            instruments: symbols.iter().enumerate().filter_map(|(k, s)| self.instrument(k, s)).collect(),
            orders: (0..l.shape.orders).filter_map(|k| self.order(k, &symbols)).collect(),
            latency_ns: self.latencies(),
        }
    }

    /// What the core's orders reach: `test`, `paper` or `live`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        let code = self.word(self.layout.control().at + counters::control::mode);
        usize::try_from(code).ok().and_then(|code| Stage::WORDS.get(code).copied()).unwrap_or("unknown")
    }

    /// Whether the process that wrote it still runs. One that has ended and was not asked for by its parent (a zombie) still has its place in `/proc`, and another may have
    /// been given its number: neither is it.
    fn is_alive(&self) -> bool {
        let (pid, started) = self.process();
        // 0: the host did not say when it was started.
        pid > 0 && crate::host::started_ticks(pid).is_some_and(|ticks| started == 0 || ticks == started)
    }

    /// Tokens left to the engine, for the cold thread that grants them.
    #[must_use]
    pub fn tokens_left(&self) -> Option<u64> {
        self.risk().map(|r| r.tokens_left)
    }

    /// The process that writes it: its id, and when it was started in clock ticks since the host was.
    #[must_use]
    pub fn process(&self) -> (u32, u64) {
        (u32::try_from(self.region.writer_pid()).unwrap_or(0), self.word(10))
    }

    /// Whether each agent beats.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        let of = |k: usize| {
            let at = self.layout.agent(k).at;
            Beat {
                name: self.name(self.layout.agent_name(k).at),
                cycles: self.word(at + counters::agent::cycles),
                phase: self.word(at + counters::agent::phase),
            }
        };
        (0..self.layout.shape.agents).map(of).collect()
    }

    /// Where the kill switch stands. Reads some words.
    #[must_use]
    pub fn kill(&self) -> KillView {
        let engine = self.layout.engine().at;
        let last = |k: usize| self.word(self.layout.gateway(k).at + counters::gateway::last_order_ns);
        KillView {
            state: self.word(engine + counters::engine::kill),
            flat_ns: self.word(engine + counters::engine::kill_flat_ns),
            last_order_ns: (0..self.layout.shape.gateways).map(last).max().unwrap_or(0),
        }
    }

    fn word(&self, at: usize) -> u64 {
        CounterReader::over(self.region.words(at, 1).expect("checked when opened")).get(0).unwrap_or(0)
    }

    fn name(&self, at: usize) -> String {
        let bytes: Vec<u8> = (0..layout::NAME).flat_map(|k| self.word(at + k).to_le_bytes()).collect();
        let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
        // A name is ASCII by configuration; anything else could be a terminal's escape or a character that only looks like another.
        text.iter().map(|b| if b.is_ascii_graphic() { *b as char } else { '?' }).collect()
    }

    /// The folder that the run is kept in; none where it was not told, or is no absolute path of printable characters.
    #[must_use]
    pub fn run(&self) -> Option<PathBuf> {
        let s = Layout::PATH;
        let bytes: Vec<u8> = (0..s.len).flat_map(|k| self.word(s.at + k).to_le_bytes()).collect();
        let text = std::str::from_utf8(bytes.split(|b| *b == 0).next()?).ok()?;
        (text.starts_with('/') && !text.chars().any(char::is_control)).then(|| PathBuf::from(text))
    }

    fn table(&self, s: Span, table: &'static [Entry]) -> BTreeMap<&'static str, u64> {
        let c = CounterReader::over(self.region.words(s.at, s.len).expect("checked when opened"));
        table.iter().enumerate().map(|(k, e)| (e.name, c.get(k).unwrap_or(0))).collect()
    }

    fn cell<const N: usize>(&self, s: Span) -> Option<[u64; N]> {
        let words = self.region.words(s.at, s.len).ok()?;
        let cell = CellReader::<N>::over(words).ok()?;
        for _ in 0..ROUNDS {
            if let Some(value) = cell.load() {
                return Some(value);
            }
            std::thread::yield_now();
        }
        None
    }

    fn transitions(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let s = self.layout.transitions();
        let c = CounterReader::over(self.region.words(s.at, s.len).expect("checked when opened"));
        let of = |to: Validity| {
            let count = |why: Reason| c.get(to as usize * Reason::COUNT + why as usize).unwrap_or(0);
            let counts = Reason::ALL.map(|why| (why.word(), count(why)));
            (validity_word(to), counts.into_iter().filter(|(_, n)| *n != 0).collect::<BTreeMap<_, _>>())
        };
        Validity::ALL.map(of).into_iter().filter(|(_, counts)| !counts.is_empty()).collect()
    }

    fn risk(&self) -> Option<Risk> {
        let [now_ns, halted, open, pnl, tokens, loss, position, tradable, slippage2, slippage_of, restraint] =
            self.cell::<{ layout::RISK }>(self.layout.risk())?;
        Some(Risk {
            now_ns,
            halted: halt_name(halted),
            open_orders: open,
            max_open_orders: self.word(5),
            pnl: usd(pnl),
            max_daily_loss: usd(loss),
            max_position: position.cast_signed(),
            tokens_left: tokens,
            tradable,
            slippage: usd(slippage2) / 2.0,
            slippage_of: usd(slippage_of),
            level: level_name(restraint),
            restrained_by: cause_name(restraint),
            clutch: if restraint.to_le_bytes()[2] == 0 { "in" } else { "out" },
        })
    }

    fn throttle(&self, k: usize) -> Option<Throttle> {
        let [is_there, waiting, room_at_ns, back_off_until_ns] =
            self.cell::<{ layout::THROTTLE }>(self.layout.throttle(k))?;
        (is_there != 0).then_some(Throttle { waiting, room_at_ns, back_off_until_ns })
    }

    fn feed(&self, k: usize) -> Feed {
        let l = self.layout;
        let table = self.table(l.feed(k), &counters::feed::TABLE);
        let lines = table["line_count"].min(LINES_MAX as u64) as usize;
        Feed {
            id: self.name(l.feed_name(k).at),
            counters: table,
            ring: self.table(l.feed_ring(k), &counters::ring::TABLE),
            lines: (0..lines).map(|n| self.table(l.feed_line(k, n), &counters::line::TABLE)).collect(),
        }
    }

    fn instrument(&self, k: usize, symbol: &str) -> Option<Instrument> {
        let [state, bid, bid_qty, ask, ask_qty, last, since_ns] =
            self.cell::<{ layout::MARKET }>(self.layout.market(k))?;
        let [shares, cash, mark, fills, bought, sold, opening, opening_cost, cost, fifo_cost, fees] =
            self.cell::<{ layout::POSITION }>(self.layout.position(k))?;
        let money = |raw: u64| Usd(raw.cast_signed());
        let account = Position {
            shares: shares.cast_signed(),
            cash: money(cash),
            bought,
            sold,
            fills,
            mark: Px(mark.cast_signed()),
            opening_shares: opening.cast_signed(),
            opening_cost: money(opening_cost),
            cost: money(cost),
            fifo_cost: money(fifo_cost),
            fees: fees.cast_signed(),
        };
        let dollars = |u: Usd| u.0 as f64 / 10_000.0;
        let paid = account.fees as f64 / 1_000_000.0;
        Some(Instrument {
            symbol: symbol.into(),
            validity: Validity::ALL.get(state as usize & 0xff).map_or("?", |v| validity_word(*v)),
            reason: Reason::ALL.get((state >> 24) as usize & 0xff).map_or("?", |r| r.word()),
            since_ns,
            trading: ["unknown", "trading", "halted", "paused", "quotation_only"]
                .get((state >> 8) as usize & 0xff)
                .copied()
                .unwrap_or("?"),
            bid: usd(bid),
            bid_qty,
            ask: usd(ask),
            ask_qty,
            last: usd(last),
            position: shares.cast_signed(),
            cash: usd(cash),
            mark: usd(mark),
            fills,
            bought,
            sold,
            opening: account.opening_shares,
            realised: dollars(account.realised()),
            realised_fifo: dollars(account.realised_fifo()),
            unrealised: dollars(account.unrealised()),
            fees: paid,
            pnl: account.pnl().map_or(f64::NAN, dollars) - paid,
        })
    }

    fn order(&self, k: usize, symbols: &[String]) -> Option<OpenOrder> {
        let [tokens, what, px, qty, _, _] = self.cell::<{ layout::ORDER }>(self.layout.order(k))?;
        let state = state_name(what as u8)?;
        Some(OpenOrder {
            token: tokens as u32,
            id: (tokens >> 32) as u32,
            symbol: symbols.get((what >> 16) as usize & 0xffff).cloned().unwrap_or_default(),
            side: if (what >> 8) & 1 == 0 { 'B' } else { 'S' },
            state: state.into(),
            px: usd(px),
            open: qty as u32,
            executed: (qty >> 32) as u32,
        })
    }
}

fn usd(raw: u64) -> f64 {
    raw.cast_signed() as f64 / 10_000.0
}

fn state_name(code: u8) -> Option<&'static str> {
    use OrderState::*;
    let open = [PendingNew, Live, PendingReplace, PendingCancel, Unknown, Waiting];
    open.into_iter().find(|s| *s as u8 == code).map(order_state_word)
}

/// Where an order stands in one word.
#[must_use]
pub fn order_state_word(s: OrderState) -> &'static str {
    match s {
        OrderState::PendingNew => "pending_new",
        OrderState::Live => "live",
        OrderState::PendingReplace => "pending_replace",
        OrderState::PendingCancel => "pending_cancel",
        OrderState::Filled => "filled",
        OrderState::Canceled => "canceled",
        OrderState::Rejected => "rejected",
        OrderState::Unknown => "unknown",
        OrderState::Waiting => "waiting",
    }
}

/// A level that is not known counts as halted.
fn level_name(restraint: u64) -> &'static str {
    let code = usize::from(restraint.to_le_bytes()[0]);
    BreakerLevel::ALL.get(code).unwrap_or(&BreakerLevel::Halted).word()
}

/// `None` for 0: nothing restrains.
fn cause_name(restraint: u64) -> Option<&'static str> {
    let code = restraint.to_le_bytes()[1];
    let known = BreakerCause::ALL.into_iter().find(|c| *c as u8 == code);
    (code != 0).then(|| known.map_or("unknown", BreakerCause::word))
}

/// `None` for 0: trading is not halted. A reason that is not known is a halt all the same.
fn halt_name(code: u64) -> Option<&'static str> {
    let known = [
        HaltReason::Operator,
        HaltReason::Shutdown,
        HaltReason::Journal,
        HaltReason::Loss,
        HaltReason::Reconciliation,
        HaltReason::Overflow,
        HaltReason::RejectRate,
        HaltReason::Drawdown,
        HaltReason::Breaker,
        HaltReason::Killed,
    ]
    .into_iter()
    .find(|r| *r as u64 == code);
    (code != 0).then(|| known.map_or("unknown", halt_word))
}

/// A validity in one word.
#[must_use]
pub fn validity_word(v: Validity) -> &'static str {
    match v {
        Validity::Recovering => "recovering",
        Validity::Valid => "valid",
        Validity::Stale => "stale",
        Validity::Halted => "halted",
        Validity::Closed => "closed",
    }
}

/// A halt reason in one word.
#[must_use]
pub fn halt_word(r: HaltReason) -> &'static str {
    match r {
        HaltReason::Operator => "operator",
        HaltReason::Shutdown => "shutdown",
        HaltReason::Journal => "journal",
        HaltReason::Loss => "loss",
        HaltReason::Reconciliation => "reconciliation",
        HaltReason::Overflow => "overflow",
        HaltReason::RejectRate => "reject_rate",
        HaltReason::Drawdown => "drawdown",
        HaltReason::Breaker => "breaker",
        HaltReason::Killed => "killed",
    }
}
