//! A strategy on a stage: one instrument, whose market a test plays by hand.
//!
//! Engine and risk gate are those that trade, and the venue is the one of a backtest ([`crate::venue`]) without any distance: what the strategy asks for is answered before the
//! call returns. A test of a strategy's own says what the market does and looks at what came of it:
//!
//! ```
//! use backtest::rehearsal::{INSTRUMENT, Rehearsal};
//! use engine::strategy::Quoter;
//! use model::{Px, Qty, Side};
//!
//! let mut stage = Rehearsal::<Quoter>::new(&[("quantity", 100)]).expect("its parameters");
//! stage.quote((Px(99_9900), Qty(500)), (Px(100_0100), Qty(500)));
//! let bid = stage.orders().find(|o| o.side == Side::Buy).expect("a bid");
//! assert_eq!((bid.px, bid.open), (Px(99_9900), Qty(100)));
//! // Somebody sells through the bid.
//! stage.trade(Px(99_9800), Qty(40));
//! assert_eq!(stage.position(), 40);
//! assert_eq!(stage.engine().positions().of(INSTRUMENT).shares, 40);
//! ```
//!
//! Time goes on by 10 ms with each thing that the market does, and by [`Rehearsal::wait`].

use engine::book::BookCapacity;
use engine::strategy::{ParamError, ParamValue, Params, Strategy, try_out};
use engine::{BookSanity, Breakers, Engine, EngineConfig, Order, Outbox, Refusal, RiskLimits, Scopes};
use model::{
    Control, FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos,
    OrderCommand, ParamName, Px, Qty, SessionEvent, Setting, Side, Symbol, Token, TradingState, Usd,
    VenueRef,
};

use crate::venue::{Impact, Rules, Said, Venue};

/// The one instrument on the stage.
pub const INSTRUMENT: InstrumentId = InstrumentId(0);

const FEED: FeedId = FeedId(0);
/// A day in November 2023, at half past nine.
const MIDNIGHT: Nanos = Nanos(1_700_006_400_000_000_000);
const OPENS: Nanos = Nanos::from_millis(34_200_000);
/// What each thing that the market does takes.
const STEP: Nanos = Nanos::from_millis(10);
/// How often a feed that has nothing to say says so.
const HEARTBEAT: Nanos = Nanos::from_millis(1_000);
/// Inputs that one thing of the market's may cause: a strategy that answers its own answers for longer never comes to rest.
const REST_AFTER: usize = 10_000;

/// See the module.
pub struct Rehearsal<S> {
    engine: Engine<S>,
    venue: Venue,
    out: Outbox,
    said: Said,
    /// Since midnight.
    now: Nanos,
    /// The others' orders that [`Rehearsal::quote`] has placed.
    quotes: Option<[(VenueRef, Px); 2]>,
    next_ref: u64,
    next_match: u64,
    commands: Vec<OrderCommand>,
    refusals: Vec<Refusal>,
}

/// Limits that stand in few tests' way.
#[must_use]
pub fn wide_limits() -> RiskLimits {
    RiskLimits {
        max_order_quantity: Qty(100_000),
        max_order_notional: Usd(100_000_000 * 10_000),
        max_position: 1_000_000,
        max_open_orders: 100,
        max_messages_per_second: 1_000,
        price_collar_bps: 1_000,
        max_daily_loss: Usd(1_000_000 * 10_000),
        duplicate_window: Nanos::ZERO,
        ..RiskLimits::default()
    }
}

/// The parameters of a test: numbers by name.
fn params_of(params: &[(&str, i64)]) -> Params {
    Params::new(params.iter().map(|(name, v)| ((*name).to_owned(), ParamValue::Int(*v))).collect())
}

impl<S: Strategy> Rehearsal<S> {
    /// The strategy with these parameters, before an empty market that trades; limits are [`wide_limits`].
    ///
    /// # Errors
    /// A parameter that the strategy refuses or does not know.
    pub fn new(params: &[(&str, i64)]) -> Result<Rehearsal<S>, ParamError> {
        Rehearsal::within(wide_limits(), params)
    }

    /// As [`Rehearsal::new`], within other limits.
    ///
    /// # Errors
    /// As there.
    pub fn within(limits: RiskLimits, params: &[(&str, i64)]) -> Result<Rehearsal<S>, ParamError> {
        let mut given = params_of(params);
        let strategy = S::new(&mut given)?;
        given.finish()?;
        let instrument =
            Instrument { id: INSTRUMENT, symbol: Symbol(*b"STAGE   "), feed: FEED, gateway: GatewayId(0) };
        let config = EngineConfig {
            instruments: vec![instrument],
            feeds: 1,
            gateways: 1,
            limits,
            drop_copies: Vec::new(),
            throttles: Vec::new(),
            fees: Vec::new(),
            openings: Vec::new(),
            sanity: BookSanity::default(),
            scopes: Scopes::default(),
            breakers: Breakers::default(),
            book: BookCapacity { instruments: 1, live_orders: 4_096, levels: 1_024, direct_refs: 1 << 16 },
        };
        let mut stage = Rehearsal {
            engine: Engine::new(&config, strategy).with_params(given.read_by::<S>()?),
            venue: Venue::new(Rules { impact: Impact::Displayed, ..Rules::default() }, &config.book, 1),
            out: Outbox::default(),
            said: Said::default(),
            now: OPENS,
            quotes: None,
            next_ref: 1,
            next_match: 1,
            commands: Vec::new(),
            refusals: Vec::new(),
        };
        stage.input(&Input::Control(Control::Tokens { first: Token(1), end: Token(u32::MAX) }));
        let event = SessionEvent::Ready { next_token: Token(0), proven: true };
        stage.input(&Input::Session(GatewayId(0), event));
        stage.input(&Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
        stage.say(MarketBody::TradingAction {
            symbol: Symbol::BLANK,
            state: TradingState::Trading,
            reason: *b"    ",
        });
        Ok(stage)
    }

    /// The others' best bid and offer: one order each, which take the places of those of the last call. The side that the market moves away from moves first, and the strategy is told of it in between;
    /// an order of ours that still stands across the other side trades with it.
    ///
    /// # Panics
    /// Where the bid is not below the offer.
    pub fn quote(&mut self, bid: (Px, Qty), ask: (Px, Qty)) {
        assert!(bid.0 < ask.0, "others quote a bid of {} below an offer of {}", bid.0, ask.0);
        let was = self.quotes.take();
        // A market that rises moves its offer first: in between it is never crossed. What was there leaves behind what comes, so that no side is ever empty.
        let rises = was.is_some_and(|was| bid.0 >= was[1].1);
        let mut now = was.unwrap_or_default();
        for k in if rises { [1, 0] } else { [0, 1] } {
            let (side, (px, qty)) = [(Side::Buy, bid), (Side::Sell, ask)][k];
            now[k] = (self.join(side, px, qty), px);
            if let Some(was) = was {
                self.leave(was[k].0);
            }
        }
        self.quotes = Some(now);
    }

    /// An order of somebody else joins the book, behind what stands at its price; the name is for [`Rehearsal::leave`].
    pub fn join(&mut self, side: Side, px: Px, qty: Qty) -> VenueRef {
        let order = self.reference();
        self.say(MarketBody::Add { order, px, qty, side, mpid: *b"    " });
        order
    }

    /// Somebody takes an order off the book that [`Rehearsal::join`] has placed.
    pub fn leave(&mut self, order: VenueRef) {
        self.say(MarketBody::Delete { order });
    }

    /// Somebody trades with what the book does not show. Whatever of ours rests at a better price than this has traded before it.
    pub fn trade(&mut self, px: Px, qty: Qty) {
        let match_number = self.next_match;
        self.next_match += 1;
        self.say(MarketBody::Trade { px, qty, match_number, side: Side::Buy });
    }

    /// The venue stops trading in the instrument, or goes on.
    pub fn halt(&mut self, halted: bool) {
        let state = if halted { TradingState::Halted } else { TradingState::Trading };
        self.say(MarketBody::TradingAction { symbol: Symbol::BLANK, state, reason: *b"    " });
    }

    /// Time passes and the market does nothing; timers that come due are told in their turn.
    pub fn wait(&mut self, span: Nanos) {
        let until = self.now.after(span);
        while self.now < until {
            let next = until.min(self.now.after(HEARTBEAT));
            while let Some(due) = self.due().filter(|due| *due <= next) {
                self.now = self.now.max(due);
                self.input(&Input::Timer);
            }
            self.now = next;
            self.input(&Input::Feed(FEED, FeedStatus::Heartbeat));
        }
    }

    /// Other parameters for the strategy as it runs, as `colo ctl params` gives them to it.
    ///
    /// # Errors
    /// What the strategy refuses; nothing has changed then.
    ///
    /// # Panics
    /// Where a name has more than 32 letters, or where the strategy refuses as it stands what it takes when it has just started.
    pub fn reconfigure(&mut self, params: &[(&str, i64)]) -> Result<(), ParamError> {
        let from = self.engine.params().cloned().unwrap_or_default();
        let mut to = from.clone();
        for (name, value) in params {
            let value = ParamValue::Int(*value);
            let unknown = |_| ParamError {
                name: (*name).to_owned(),
                found: value.to_string(),
                allowed: "the parameters of the strategy".into(),
            };
            to.change(name, Some(value.clone())).map_err(unknown)?;
        }
        try_out::<S>(&from, &to)?;
        for (name, value) in params {
            let name = ParamName::new(name).expect("a name of 32 letters at most");
            self.input(&Input::Control(Control::Stage(Setting::Number(name, *value))));
        }
        let change = self.engine.last_change() + 1;
        self.input(&Input::Control(Control::Enact { change, count: params.len() as u8 }));
        assert_eq!(self.engine.last_change(), change, "the strategy refuses what it has just taken");
        Ok(())
    }

    /// Our open orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &Order> + '_ {
        self.engine.orders().of(INSTRUMENT)
    }

    /// Shares held.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.engine.positions().of(INSTRUMENT).shares
    }

    /// What was sent, from the first on.
    #[must_use]
    pub fn commands(&self) -> &[OrderCommand] {
        &self.commands
    }

    /// What risk refused, from the first on.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The engine with all that it knows.
    #[must_use]
    pub fn engine(&self) -> &Engine<S> {
        &self.engine
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> &S {
        self.engine.strategy()
    }

    fn reference(&mut self) -> VenueRef {
        self.next_ref += 1;
        VenueRef(self.next_ref)
    }

    /// When the engine wants to be told the time, since midnight.
    fn due(&self) -> Option<Nanos> {
        self.engine.next_timer().map(|at| at.since(MIDNIGHT))
    }

    /// The market does something, and all that follows from it is done.
    fn say(&mut self, body: MarketBody) {
        self.now = self.now.after(STEP);
        let event = MarketEvent { ts_event: self.now, instrument: INSTRUMENT, body };
        if self.venue.on_market(&event, &mut self.said) {
            self.said.events.insert(0, event);
        }
        self.settle();
    }

    fn input(&mut self, input: &Input) {
        self.apply(input);
        self.settle();
    }

    fn apply(&mut self, input: &Input) {
        self.engine.apply(MIDNIGHT.after(self.now), input, &mut self.out);
        self.refusals.extend(self.out.refusals());
        for k in 0..self.out.commands().len() {
            let command = *self.out.commands()[k].command();
            self.commands.push(command);
            self.venue.on_command(self.now, &command, &mut self.said);
        }
        self.out.clear();
    }

    /// Carries between venue and engine until neither has anything to say.
    fn settle(&mut self) {
        for _ in 0..REST_AFTER {
            let input = if self.said.events.is_empty() {
                match self.said.reports.is_empty() {
                    false => Input::Report(self.said.reports.remove(0)),
                    true if self.due().is_some_and(|due| due <= self.now) => Input::Timer,
                    true => return,
                }
            } else {
                Input::Market(FEED, self.said.events.remove(0))
            };
            self.apply(&input);
        }
        panic!("a strategy that answers each answer never comes to rest");
    }
}

#[cfg(test)]
mod tests {
    use engine::strategy::{Imbalance, Quoter};

    use super::*;

    fn px(cents: i64) -> Px {
        Px(cents * 100)
    }

    fn quoted(params: &[(&str, i64)]) -> Rehearsal<Quoter> {
        let mut stage = Rehearsal::<Quoter>::new(params).unwrap();
        stage.quote((px(9_999), Qty(300)), (px(10_001), Qty(300)));
        stage
    }

    fn stands<S: Strategy>(stage: &Rehearsal<S>) -> Vec<(Side, Px, u32)> {
        let mut all: Vec<_> = stage.orders().map(|o| (o.side, o.px, o.open.0)).collect();
        all.sort_by_key(|o| (o.0 as u8, o.1));
        all
    }

    #[test]
    fn what_the_market_does_moves_the_strategy() {
        let mut stage = quoted(&[("quantity", 100)]);
        assert_eq!(stands(&stage), [(Side::Buy, px(9_999), 100), (Side::Sell, px(10_001), 100)]);
        stage.quote((px(10_009), Qty(300)), (px(10_011), Qty(300)));
        assert_eq!(stands(&stage), [(Side::Buy, px(10_009), 100), (Side::Sell, px(10_011), 100)]);
        stage.trade(px(10_020), Qty(60));
        assert_eq!(stage.position(), -60);
        assert_eq!(stage.engine().stats().anomalies, 0);
        assert!(stage.commands().len() >= 4 && stage.refusals().is_empty());
        stage.halt(true);
        assert_eq!(stands(&stage), [], "nothing stands where the venue does not trade");
    }

    #[test]
    fn other_parameters_move_what_stands() {
        let mut stage = quoted(&[("quantity", 100)]);
        stage.reconfigure(&[("edge_ticks", 2), ("quantity", 50)]).unwrap();
        assert_eq!(stands(&stage), [(Side::Buy, px(9_997), 100), (Side::Sell, px(10_003), 100)]);
        assert!(stage.reconfigure(&[("edge_ticks", -1)]).is_err());
        assert!(stage.reconfigure(&[("edge", 1)]).is_err());
        assert_eq!(stage.engine().last_change(), 1);
    }

    #[test]
    fn others_stand_in_the_queue() {
        let mut stage = quoted(&[("quantity", 100)]);
        let behind = stage.join(Side::Buy, px(9_999), Qty(50));
        stage.trade(px(9_998), Qty(30));
        assert_eq!(stage.position(), 30, "who sold at 99.98 came past our bid");
        stage.leave(behind);
        assert_eq!(stage.engine().book_stats(FEED), engine::book::BookStats::default());
    }

    #[test]
    fn time_passes_and_limits_hold() {
        let params = [("quantity", 100), ("hold_ms", 500), ("cooldown_ms", 100)];
        let mut stage = Rehearsal::<Imbalance>::new(&params).unwrap();
        stage.quote((px(9_999), Qty(900)), (px(10_001), Qty(100)));
        assert_eq!(stage.position(), 100, "it took the offer");
        stage.quote((px(9_999), Qty(500)), (px(10_001), Qty(500)));
        stage.wait(Nanos::from_millis(5_000));
        assert_eq!(stage.position(), 0, "and closed it");
        let limits = RiskLimits { max_order_quantity: Qty(10), ..wide_limits() };
        let mut stage = Rehearsal::<Quoter>::within(limits, &[]).unwrap();
        stage.quote((px(9_999), Qty(300)), (px(10_001), Qty(300)));
        assert!(stage.orders().next().is_none() && !stage.refusals().is_empty());
        assert!(Rehearsal::<Quoter>::new(&[("unknown", 1)]).is_err());
    }
}
