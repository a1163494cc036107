//! The core's side: engine, gateway, and what stands between the two in the agents: two rings, the count of disconnects that an approved order carries, and what of
//! a login is said to the engine. Here, too, are the ways in which a core could be wrong about a cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use engine::book::BookCapacity;
use engine::strategy::{Intent, Intents, ParamError, Params, Strategy, View};
use engine::{
    Approved, BookSanity, Engine, EngineConfig, InstrumentChange, OrderState, Outbox, QueueLimit, RiskLimits,
    RiskReject, Throttle, WindowLimit,
};
use gateways::gateway::{GatewayConfig, Notice, OrderGateway as _, OuchGateway, ReportSink};
use gateways::soupbintcp::ClientConfig;
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId,
    MarketBody, MarketEvent, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Token,
    TradingState, Usd, VenueRef,
};

use crate::exchange_support::{FIRM, symbol};

pub const SYMBOLS: [&str; 2] = ["AAPL", "MSFT"];
const FEED: FeedId = FeedId(0);
const GATEWAY: GatewayId = GatewayId(0);
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

/// What goes up to the engine, in order.
#[derive(Default)]
struct Ears {
    items: VecDeque<Input>,
    ready: bool,
    lie: Option<Lie>,
    skipped: bool,
    replaying: bool,
    epoch: u32,
}

impl ReportSink for Ears {
    fn report(&mut self, report: ExecutionReport) {
        let is_fill = matches!(report.kind, ReportKind::Executed { .. });
        if self.lie == Some(Lie::SkipsReplayedFill) && self.replaying && is_fill && !self.skipped {
            self.skipped = true;
            return;
        }
        self.items.push_back(Input::Report(report));
    }

    fn session(&mut self, event: SessionEvent) {
        self.ready = matches!(event, SessionEvent::Ready { .. });
        if event == SessionEvent::Disconnected {
            self.epoch += 1;
            self.replaying = true;
        }
        self.replaying &= !self.ready;
        self.items.push_back(Input::Session(GATEWAY, event));
        if event == SessionEvent::LoggedIn && self.epoch > 0 && self.lie == Some(Lie::IgnoresBarrier) {
            let ready = SessionEvent::Ready { next_token: Token(0), proven: true };
            self.items.push_back(Input::Session(GATEWAY, ready));
        }
    }

    fn notice(&mut self, notice: Notice) {
        let mut say = |event| self.items.push_back(Input::Session(GATEWAY, event));
        match notice {
            Notice::Session { continued, asked, next, .. } => {
                if !continued {
                    say(SessionEvent::NewSession);
                }
                if next != asked {
                    say(SessionEvent::Doubt);
                }
            }
            Notice::Undecodable { .. } => say(SessionEvent::Doubt),
            _ => {}
        }
    }

    fn has_room(&self) -> bool {
        true
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

/// One run of the process.
pub struct Core {
    pub engine: Engine<Hand>,
    pub gateway: OuchGateway,
    hand: Hand,
    ears: Ears,
    /// To the gateway: what was approved, and the disconnects that the engine had heard of then.
    ring: VecDeque<(Approved, u32)>,
    epoch: u32,
    outbox: Outbox,
    now: Nanos,
    lie: Option<Lie>,
    /// What was decided and not yet looked at by the test.
    pub decided: Vec<OrderCommand>,
    /// Orders and replaces that went to the gateway and that no report has named.
    unanswered: Vec<OrderCommand>,
    /// This run has seen a replay to its end: it knows what there is to know.
    pub knows: bool,
}

impl Core {
    /// The `run`th process, from 0, logged in nowhere, with tokens of its own and a market that stands still. `slow`: what it sends waits for room in a venue's rate.
    pub fn start(run: u32, now: u64, lie: Option<Lie>, slow: bool) -> Core {
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
            drop_copies: Vec::new(),
            throttles: if slow { vec![slow_venue()] } else { Vec::new() },
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
        let login = ClientConfig::new("user01", "pass");
        let gateway = GatewayConfig {
            receive_capacity: 8_192,
            transmit_capacity: 8_192,
            ..GatewayConfig::new(GATEWAY, FIRM, login)
        };
        let mut core = Core {
            engine: Engine::new(&config, hand.clone()),
            gateway: OuchGateway::new(gateway, &instruments).expect("a gateway"),
            hand,
            ears: Ears { lie, ..Ears::default() },
            ring: VecDeque::new(),
            epoch: 0,
            outbox: Outbox::default(),
            now: Nanos(now),
            lie,
            decided: Vec::new(),
            unanswered: Vec::new(),
            knows: false,
        };
        let block = if lie == Some(Lie::ReusesTokens) { 0 } else { run };
        core.apply(&Input::Control(Control::Tokens {
            first: Token(block * TOKENS + 1),
            end: Token((block + 1) * TOKENS),
        }));
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

    fn apply(&mut self, input: &Input) {
        self.engine.apply(self.now, input, &mut self.outbox);
        for approved in self.outbox.commands() {
            self.decided.push(*approved.command());
            self.ring.push_back((*approved, self.epoch));
        }
        self.outbox.clear();
    }

    /// Whether the next input is that a connection is gone.
    pub fn is_about_to_hear_of_a_cut(&self) -> bool {
        matches!(self.ears.items.front(), Some(Input::Session(_, SessionEvent::Disconnected)))
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

    /// Moves one input up; whether there was one.
    pub fn hear(&mut self) -> bool {
        let Some(input) = self.ears.items.pop_front() else {
            let backlog = self.engine.has_backlog();
            if backlog {
                self.apply(&Input::Timer);
            }
            return backlog;
        };
        match input {
            Input::Session(_, SessionEvent::Disconnected) => {
                self.epoch += 1;
                self.lie_of_a_cut();
            }
            Input::Session(_, SessionEvent::Ready { .. }) => self.knows = true,
            Input::Report(r) => self.unanswered.retain(|c| c.token() != r.token),
            _ => {}
        }
        self.apply(&input);
        if self.lie == Some(Lie::ResendsUnanswered)
            && matches!(input, Input::Session(_, SessionEvent::Ready { .. }))
        {
            for command in std::mem::take(&mut self.unanswered) {
                let _ = self.gateway.encode(self.now, &command);
            }
        }
        true
    }

    fn lie_of_a_cut(&mut self) {
        match self.lie {
            // At the end of a day, what was never accepted never will be.
            Some(Lie::UnansweredIsDead) => self.apply(&Input::Session(GATEWAY, SessionEvent::EndOfSession)),
            Some(Lie::OrdersDieWithTheLine) => {
                let seq = self.gateway.position().1;
                let live: Vec<_> = self.engine.orders().iter().map(|o| (o.token, o.open)).collect();
                for ((token, qty), seq) in live.into_iter().zip(seq..) {
                    let kind = ReportKind::Canceled { qty, reason: b'Z' };
                    let report = ExecutionReport { ts_event: Nanos(1), seq, token, gateway: GATEWAY, kind };
                    self.apply(&Input::Report(report));
                }
            }
            _ => {}
        }
    }

    /// Moves one command down to the transmit buffer; whether there was one.
    ///
    /// # Errors
    /// The gateway cannot say it: the agent would drop the link.
    pub fn encode(&mut self) -> Result<bool, String> {
        let Some((approved, epoch)) = self.ring.pop_front() else { return Ok(false) };
        if epoch != self.ears.epoch && self.lie != Some(Lie::IgnoresEpoch) {
            return Ok(true);
        }
        let command = *approved.command();
        match self.gateway.encode(self.now, &command) {
            Ok(()) => {
                if !matches!(command.kind, CommandKind::Cancel { .. }) {
                    self.unanswered.push(command);
                }
                Ok(true)
            }
            Err(gateways::order::EncodeError::NotReady) => Ok(true),
            Err(why) => Err(format!("{command:?}: {why}")),
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

    pub fn pass(&mut self, now: u64) -> Result<(), String> {
        self.now = Nanos(now);
        if self.engine.next_timer().is_some_and(|at| at <= self.now) {
            self.apply(&Input::Timer);
        }
        self.gateway.on_timeout(self.now, &mut self.ears).map_err(|e| e.to_string())
    }

    pub fn connect(&mut self) {
        self.gateway.on_connected(self.now);
    }

    pub fn disconnect(&mut self) {
        self.gateway.on_disconnected(self.now, &mut self.ears);
    }

    /// Takes bytes from the venue.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let space = self.gateway.recv_space();
            let n = bytes.len().min(space.len());
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.gateway.on_received(self.now, n, &mut self.ears).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    pub fn is_ready(&self) -> bool {
        self.ears.items.is_empty() && self.gateway.is_ready() && self.engine.is_ready(GATEWAY)
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
