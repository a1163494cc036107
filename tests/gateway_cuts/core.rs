//! The core's side: the engine, and what the strategy's agent does between it and the gateway's: an item at a time, so that commands and reports can wait in the
//! rings for as long as the test likes. The count of disconnects that an approved order carries is kept here. So are the ways in which a core could be wrong
//! about a cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use colo::agents::{GatewayItem, OrderItem, SWEEP_TOKENS};
use engine::book::BookCapacity;
use engine::strategy::{Intent, Intents, ParamError, Params, Strategy, View};
use engine::{
    Approved, BookSanity, Breakers, Engine, EngineConfig, InstrumentChange, OrderState, Outbox, QueueLimit,
    RiskLimits, RiskReject, Scopes, Throttle, WindowLimit,
};
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId,
    MarketBody, MarketEvent, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Token,
    TradingState, Usd, VenueRef,
};

use crate::agent::{GatewayThread, Hands, Wire};
use crate::exchange_support::symbol;
use crate::line::Spoken;

pub const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
const FEED: FeedId = FeedId(0);
pub const GATEWAY: GatewayId = GatewayId(0);
/// The middle of the books.
pub const MID: i64 = 1_000_000;
/// Tokens that each run of the core has for itself.
pub const TOKENS: u32 = 1_000;

/// A core that is wrong in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// What was not answered before a cut is sent again after it.
    ResendsUnanswered,
    /// What was not answered before a cut is taken for never processed.
    UnansweredIsDead,
    /// Orders are taken to end with their connection.
    OrdersDieWithTheLine,
    /// The first fill of a replay is not applied.
    SkipsReplayedFill,
    /// Orders are settled at the login, not when the replay has ended.
    IgnoresBarrier,
    /// A restart begins with the tokens that the run before it began with.
    ReusesTokens,
    /// An order that was approved before a cut is sent on the next connection.
    IgnoresEpoch,
}

/// The strategy: leaves at each timer what the test has put here.
#[derive(Clone, Default)]
pub struct Hand(Arc<Mutex<(Vec<Intent>, Vec<RiskReject>)>>);

impl Strategy for Hand {
    const NAME: &'static str = "hand";

    fn new(_: &mut Params) -> Result<Hand, ParamError> {
        Ok(Hand::default())
    }

    fn on_timer(&mut self, _: &View<'_>, out: &mut Intents) {
        self.0.lock().expect("one thread").0.drain(..).for_each(|i| out.push(i));
        out.wake_at(Nanos::ZERO);
    }

    fn on_instrument(&mut self, _: &View<'_>, _: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        out.wake_at(Nanos::ZERO);
    }

    fn on_refused(&mut self, _: &View<'_>, _: &Intent, why: RiskReject) {
        self.0.lock().expect("one thread").1.push(why);
    }
}

/// An order as it lives, for comparison with the venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Living {
    pub token: u32,
    pub symbol: Symbol,
    pub buys: bool,
    pub px: i64,
    pub open: u32,
    pub spent: u32,
}

/// Four new orders and replaces in any 50 ms; eight more may wait, 200 ms each.
fn slow_venue() -> Throttle {
    Throttle {
        windows: vec![WindowLimit { limit: 8, span: Nanos::from_millis(50) }],
        cancel_reserve: 4,
        queue: Some(QueueLimit { slots: 8, patience: Nanos::from_millis(200) }),
        ..Throttle::default()
    }
}

fn is_a_cut(item: &GatewayItem) -> bool {
    matches!(item, GatewayItem::Session { event: SessionEvent::Disconnected, .. })
}

/// One run of the process.
pub struct Core {
    pub engine: Engine<Hand>,
    pub gateway: GatewayThread,
    hand: Hand,
    /// Disconnects that the engine has heard of.
    pub epoch: u32,
    outbox: Outbox,
    now: Nanos,
    lie: Option<Lie>,
    /// What was decided and not yet looked at by the test.
    pub decided: Vec<OrderCommand>,
    /// Orders and replaces that no report has named.
    unanswered: Vec<Approved>,
    /// This run has seen a replay to its end: it knows what there is to know.
    pub knows: bool,
    replaying: bool,
    skipped: bool,
    last_seq: u64,
    /// What has come up and was not heard, of a core that looks into the ring ahead of its time; and the disconnects that it saw there.
    peeked: VecDeque<GatewayItem>,
    foreseen: u32,
    /// Of the same: what waits to be given to the gateway with a count that it has not earned.
    kept: Vec<Approved>,
    /// Prints what it hears and decides: of one session that is run alone.
    talks: bool,
}

/// What a core is started with.
#[derive(Clone)]
pub struct Start {
    pub spoken: Spoken,
    pub lie: Option<Lie>,
    /// What it sends waits for room in a venue's rate.
    pub slow: bool,
    pub hands: Hands,
    pub wire: Arc<Mutex<Wire>>,
}

impl Core {
    /// The `run`th process, from 0, logged in nowhere, with tokens of its own and a market that stands still.
    pub fn start(run: u32, now: u64, start: &Start) -> Core {
        let instruments: Vec<Instrument> = (0..)
            .zip(SYMBOLS)
            .map(|(k, name)| Instrument {
                id: InstrumentId(k),
                symbol: symbol(name),
                feed: FEED,
                gateway: GATEWAY,
            })
            .collect();
        let config = EngineConfig {
            feeds: 1,
            gateways: 1,
            limits: RiskLimits {
                max_order_quantity: Qty(100_000),
                max_order_notional: Usd(i64::MAX),
                max_position: 1_000_000,
                max_open_orders: 32,
                max_messages_per_second: 1_000,
                price_collar_bps: 1_000,
                max_daily_loss: Usd(i64::MAX),
                duplicate_window: Nanos::ZERO,
                max_market_age: Nanos(u64::MAX),
            },
            scopes: Scopes::default(),
            breakers: Breakers::default(),
            drop_copies: Vec::new(),
            throttles: if start.slow { vec![slow_venue()] } else { Vec::new() },
            fees: Vec::new(),
            openings: Vec::new(),
            sanity: BookSanity::default(),
            book: BookCapacity {
                instruments: instruments.len(),
                live_orders: 16,
                levels: 16,
                direct_refs: 16,
            },
            instruments: instruments.clone(),
        };
        let hand = Hand::default();
        let mut core = Core {
            engine: Engine::new(&config, hand.clone()),
            gateway: GatewayThread::new(start.spoken, &instruments, &start.hands, &start.wire),
            hand,
            epoch: 0,
            outbox: Outbox::default(),
            now: Nanos(now),
            lie: start.lie,
            decided: Vec::new(),
            unanswered: Vec::new(),
            knows: false,
            replaying: false,
            skipped: false,
            last_seq: 0,
            peeked: VecDeque::new(),
            foreseen: 0,
            kept: Vec::new(),
            talks: std::env::var_os("SEED").is_some(),
        };
        let block = if start.lie == Some(Lie::ReusesTokens) { 0 } else { run };
        core.control(Control::Tokens {
            first: Token(block * TOKENS + 1),
            // The last ones are the sweep's.
            end: Token((block + 1) * TOKENS - SWEEP_TOKENS),
        });
        core.apply(&Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
        for id in (0..SYMBOLS.len() as u16).map(InstrumentId) {
            let market = |body| Input::Market(FEED, MarketEvent { ts_event: Nanos(1), instrument: id, body });
            let state = TradingState::Trading;
            core.apply(&market(MarketBody::TradingAction { symbol: Symbol::BLANK, state, reason: *b"    " }));
            for (side, off) in [(Side::Buy, -100), (Side::Sell, 100)] {
                let order = VenueRef(1 + u64::from(id.0) * 2 + u64::from(off > 0));
                let (px, qty, mpid) = (Px(MID + off), Qty(1), *b"    ");
                core.apply(&market(MarketBody::Add { order, px, qty, side, mpid }));
            }
        }
        core
    }

    /// An input to the engine, and what it decides to the gateway's ring: what the strategy's agent does.
    fn apply(&mut self, input: &Input) {
        self.engine.apply(self.now, input, &mut self.outbox);
        for k in 0..self.outbox.commands().len() {
            let approved = self.outbox.commands()[k];
            self.decided.push(*approved.command());
            if self.talks {
                eprintln!("{} decides {:?}", self.now.0, approved.command());
            }
            if !matches!(approved.command().kind, CommandKind::Cancel { .. }) {
                self.unanswered.push(approved);
            }
            if self.lie == Some(Lie::IgnoresEpoch) {
                self.kept.push(approved);
            } else {
                self.push(approved, self.epoch);
            }
        }
        self.outbox.clear();
    }

    fn push(&mut self, approved: Approved, epoch: u32) {
        let item = OrderItem { approved, epoch, received: self.now, decoded_ns: 0, decided_ns: 0 };
        self.gateway.orders.push(item).expect("room for what was decided");
    }

    fn next_item(&mut self) -> Option<GatewayItem> {
        self.peeked.pop_front().or_else(|| self.gateway.items.pop())
    }

    /// A cycle of the gateway's thread; how many bytes left, and came.
    pub fn cycle(&mut self, leave: usize, back: usize) -> (usize, usize) {
        if self.lie == Some(Lie::IgnoresEpoch) {
            let epoch = self.foreseen;
            std::mem::take(&mut self.kept).into_iter().for_each(|a| self.push(a, epoch));
        }
        let moved = self.gateway.cycle(self.now.0, leave, back);
        if self.lie == Some(Lie::IgnoresEpoch) {
            while let Some(item) = self.gateway.items.pop() {
                self.foreseen += u32::from(is_a_cut(&item));
                self.peeked.push_back(item);
            }
        }
        moved
    }

    /// Shares that may still trade, by instrument: buys and sells. Not those of orders that were never sent, but wait for room in the venue's rate.
    pub fn reserved(&self) -> Vec<(u64, u64)> {
        let mut all = vec![(0, 0); SYMBOLS.len()];
        for order in self.engine.orders().iter().filter(|o| o.state() != OrderState::Waiting) {
            let (buys, sells) = &mut all[order.instrument.index()];
            *(if order.side == Side::Buy { buys } else { sells }) += u64::from(order.reserved().0);
        }
        all
    }

    /// Moves one input up; whether there was one. It fails where a cut releases what was reserved.
    pub fn hear(&mut self) -> Result<bool, String> {
        let Some(item) = self.next_item() else {
            let backlog = self.engine.has_backlog();
            if backlog {
                self.apply(&Input::Timer);
            }
            return Ok(backlog);
        };
        let cut = is_a_cut(&item).then(|| self.reserved());
        if self.talks {
            match &item {
                GatewayItem::Report { report, .. } => eprintln!("{} hears {report:?}", self.now.0),
                GatewayItem::Session { event, .. } => eprintln!("{} hears {event:?}", self.now.0),
                GatewayItem::Doubt { .. } => eprintln!("{} doubts", self.now.0),
                GatewayItem::Sent(_) => {}
                GatewayItem::NeverSent { token, .. } => eprintln!("{} was held back: {token:?}", self.now.0),
            }
        }
        match item {
            GatewayItem::Report { report, .. } => self.hear_report(report),
            GatewayItem::Session { event, .. } => self.hear_of_session(event),
            GatewayItem::Doubt { .. } => self.apply(&Input::Session(GATEWAY, SessionEvent::Doubt)),
            GatewayItem::Sent(_) => {}
            // Nobody kills here.
            GatewayItem::NeverSent { token, .. } => unreachable!("{token:?} was held back"),
        }
        match cut {
            Some(before) if before != self.reserved() => {
                let after = self.reserved();
                Err(format!("a cut has released what was reserved: {before:?}, now {after:?}"))
            }
            _ => Ok(true),
        }
    }

    fn hear_report(&mut self, report: ExecutionReport) {
        let is_fill = matches!(report.kind, ReportKind::Executed { .. });
        if self.lie == Some(Lie::SkipsReplayedFill) && self.replaying && is_fill && !self.skipped {
            self.skipped = true;
            return;
        }
        self.last_seq = report.seq;
        self.unanswered.retain(|a| a.command().token() != report.token);
        self.apply(&Input::Report(report));
    }

    fn hear_of_session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Disconnected => {
                self.epoch += 1;
                self.replaying = true;
                self.lie_of_a_cut();
            }
            SessionEvent::Ready { .. } => (self.knows, self.replaying) = (true, false),
            _ => {}
        }
        self.apply(&Input::Session(GATEWAY, event));
        let said = (self.lie, event);
        if let (Some(Lie::ResendsUnanswered), SessionEvent::Ready { .. }) = said {
            let again = std::mem::take(&mut self.unanswered);
            again.into_iter().for_each(|a| self.push(a, self.epoch));
        }
        if said == (Some(Lie::IgnoresBarrier), SessionEvent::LoggedIn) && self.epoch > 0 {
            let ready = SessionEvent::Ready { next_token: Token(0), proven: true };
            self.apply(&Input::Session(GATEWAY, ready));
        }
    }

    fn lie_of_a_cut(&mut self) {
        match self.lie {
            // At the end of a day, what was never accepted never will be.
            Some(Lie::UnansweredIsDead) => self.apply(&Input::Session(GATEWAY, SessionEvent::EndOfSession)),
            Some(Lie::OrdersDieWithTheLine) => {
                let live: Vec<_> = self.engine.orders().iter().map(|o| (o.token, o.open)).collect();
                for ((token, qty), seq) in live.into_iter().zip(self.last_seq + 1..) {
                    let kind = ReportKind::Canceled { qty, reason: b'Z' };
                    let report = ExecutionReport { ts_event: Nanos(1), seq, token, gateway: GATEWAY, kind };
                    self.apply(&Input::Report(report));
                }
            }
            _ => {}
        }
    }

    /// Has the strategy want this.
    pub fn intend(&mut self, intents: &[Intent]) {
        self.hand.0.lock().expect("one thread").0.extend_from_slice(intents);
        self.apply(&Input::Timer);
    }

    pub fn control(&mut self, control: Control) {
        self.apply(&Input::Control(control));
    }

    /// What risk has refused since the last look.
    pub fn refused(&mut self) -> Vec<RiskReject> {
        std::mem::take(&mut self.hand.0.lock().expect("one thread").1)
    }

    /// Time has passed for the engine.
    pub fn pass(&mut self, now: u64) {
        self.now = Nanos(now);
        if self.engine.next_timer().is_some_and(|at| at <= self.now) {
            self.apply(&Input::Timer);
        }
    }

    pub fn is_ready(&self) -> bool {
        self.peeked.is_empty() && self.gateway.items.is_empty() && self.engine.is_ready(GATEWAY)
    }

    /// Open orders that are not simply live.
    pub fn unclear(&self) -> Vec<(Token, OrderState)> {
        let orders = self.engine.orders().iter();
        orders.map(|o| (o.token, o.state())).filter(|(_, s)| *s != OrderState::Live).collect()
    }

    pub fn living(&self) -> Vec<Living> {
        let mut all: Vec<Living> = self
            .engine
            .orders()
            .iter()
            .map(|o| Living {
                token: o.token.0,
                symbol: symbol(SYMBOLS[o.instrument.index()]),
                buys: o.side == Side::Buy,
                px: o.px.0,
                open: o.open.0,
                spent: o.executed.0 + o.prevented.0,
            })
            .collect();
        all.sort_unstable();
        all
    }
}
