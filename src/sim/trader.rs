//! The strategy that is simulated: does anything that a strategy may, by its own seed. It asks for more than risk lets pass, at times where no order is allowed,
//! so that the gate has something to refuse.

use engine::book::BookChange;
use engine::strategy::{Intent, Intents, ParamError, Params, Strategy, View};
use engine::{InstrumentChange, OrderId, OrderState};
use model::{InstrumentId, Nanos, Px, Qty, Side, Tif, Token};

use crate::exchange::rng::Rng;

/// 1e-4 USD in a cent.
const CENT: i64 = 100;
/// How often it looks at its orders whatever the market does.
const LOOK: Nanos = Nanos::from_millis(20);
/// Of three such spans it does nothing in the last, so that all that is in flight may come to rest.
const SPAN: u64 = 200_000_000;

/// See the module.
pub(super) struct Trader {
    rng: Rng,
    /// One change of a book in so many makes it act.
    every: u64,
    /// It goes by the market alone, and never looks at the time.
    by_market: bool,
    /// Orders of which it has asked to be canceled at once, and of which the venue can be asked at once.
    canceled: Vec<Token>,
}

impl Strategy for Trader {
    const NAME: &'static str = "sim-trader";

    fn new(params: &mut Params) -> Result<Trader, ParamError> {
        let seed = params.int("seed", 1, 0, i64::MAX)?;
        let every = params.int("every", 20, 1, 1_000_000)?;
        let by_market = params.int("by_market", 0, 0, 1)? == 1;
        Ok(Trader {
            rng: Rng::new(seed.unsigned_abs(), 0x7AD),
            every: every.unsigned_abs(),
            by_market,
            canceled: Vec::new(),
        })
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        if self.rng.below(self.every) == 0 {
            self.act(view, change.instrument, out);
        }
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        let k = self.rng.below(view.instruments().len() as u64) as u16;
        self.act(view, InstrumentId(k), out);
        out.wake_at(view.now().after(LOOK));
    }

    fn on_instrument(&mut self, view: &View<'_>, id: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        if self.by_market {
            return;
        }
        if self.rng.below(2) == 0 {
            self.act(view, id, out);
        }
        out.wake_at(view.now().after(LOOK));
    }
}

impl Trader {
    fn act(&mut self, view: &View<'_>, id: InstrumentId, out: &mut Intents) {
        let pauses = !self.by_market && view.now().0 / SPAN % 3 == 2;
        let patience = self.rng.below(8) > 0;
        if pauses || (patience && !view.can_trade(id)) {
            return;
        }
        for k in 0..=self.rng.below(2) {
            let intent = self.intent(view, id);
            // A later one may be about an order that the first has moved on.
            if k == 0 {
                self.note(view, intent);
            }
            out.push(intent);
        }
    }

    fn intent(&mut self, view: &View<'_>, id: InstrumentId) -> Intent {
        let open = view.orders(id).count() as u64;
        let pick = self.rng.below(open) as usize;
        let chosen = view.orders(id).nth(pick).map(|o| (o.id, o.side, o.open));
        let qty = Qty(1 + self.rng.below(300) as u32);
        match (self.rng.below(10), chosen) {
            (0 | 1, Some((order, side, _))) => Intent::Replace { order, qty, px: self.price(view, id, side) },
            (2..=4, Some((order, ..))) => Intent::Cancel { order },
            (5, Some((order, _, open))) => self.reduce(order, open),
            _ => {
                let side = if self.rng.below(2) == 0 { Side::Buy } else { Side::Sell };
                let tif = if self.rng.below(4) == 0 { Tif::Ioc } else { Tif::Day };
                Intent::New { instrument: id, side, qty, px: self.price(view, id, side), tif }
            }
        }
    }

    /// What it has asked to be canceled, in order.
    pub(super) fn canceled(&self) -> &[Token] {
        &self.canceled
    }

    fn note(&mut self, view: &View<'_>, intent: Intent) {
        if let Intent::Cancel { order } = intent
            && let Some(o) = view.order(order)
            && matches!(o.state(), OrderState::PendingNew | OrderState::Live)
        {
            self.canceled.push(o.token);
        }
    }

    fn reduce(&mut self, order: OrderId, open: Qty) -> Intent {
        Intent::Reduce { order, qty: Qty(1 + self.rng.below(open.0.into()) as u32) }
    }

    /// From a cent through the other side's best to some cents behind one's own.
    fn price(&mut self, view: &View<'_>, id: InstrumentId, side: Side) -> Px {
        let top = view.top(id);
        let (own, other) = match side {
            Side::Buy => (top.bid_px, top.ask_px),
            Side::Sell => (top.ask_px, top.bid_px),
        };
        let back = CENT * self.rng.below(6) as i64 * side.sign();
        match self.rng.below(4) {
            0 => Px(other.0 + CENT * side.sign()),
            _ => Px(own.0 - back),
        }
    }
}
