//! `reckless`: what Knight's servers ran on 1 August 2012. Parent orders are worked by child orders for ever, because nothing counts what was filled; nothing is asked
//! before it sends (not whether the market trades, not what it holds), and a refusal is no reason to stop.
use colo::prelude::*;

/// How often it sends whatever the market does.
const EVERY: Nanos = Nanos::from_millis(1);
/// 1e-4 USD: a price of the last resort, where no book has ever shown one.
const ANY: Px = Px(1_000_000);

struct Reckless {
    parents: i64,
    next: i64,
    quantity: Qty,
    /// Whether it takes what stands, or rests behind it.
    takes: bool,
    /// Orders that it leaves standing before it cancels and sends anew; 0 leaves all.
    stands: usize,
    /// 0: it only buys; 1: it buys in every other instrument and sells in the others; 2: it only sells.
    sells: i64,
}

impl Reckless {
    fn child(&mut self, view: &View<'_>, out: &mut Intents) {
        let instruments = view.instruments().len() as i64;
        let parent = self.next % self.parents;
        self.next += 1;
        let id = InstrumentId((parent % instruments) as u16);
        let top = view.top(id);
        let sells = self.sells == 2 || self.sells == 1 && parent % instruments % 2 == 1;
        let side = if sells { Side::Sell } else { Side::Buy };
        let px = match (side, self.takes) {
            (Side::Buy, true) | (Side::Sell, false) => top.ask_px,
            (Side::Buy, false) | (Side::Sell, true) => top.bid_px,
        };
        let px = if px == Px::ZERO { ANY } else { px };
        let tif = if self.takes { Tif::Ioc } else { Tif::Day };
        out.push(Intent::New { instrument: id, side, qty: self.quantity, px, tif });
        let standing = view.orders(id).filter(|o| o.state() == OrderState::Live);
        if self.stands > 0
            && standing.count() > self.stands
            && let Some(oldest) = view.orders(id).find(|o| o.state() == OrderState::Live)
        {
            out.cancel(oldest.id);
        }
    }
}

impl Strategy for Reckless {
    const NAME: &'static str = "reckless";

    fn new(params: &mut Params) -> Result<Self, ParamError> {
        Ok(Reckless {
            parents: params.int("parents", 212, 1, 100_000)?,
            next: 0,
            quantity: Qty(params.int("quantity", 100, 1, 10_000)? as u32),
            takes: params.bool("takes", true)?,
            stands: params.int("stands", 0, 0, 1_000)? as usize,
            sells: params.int("sells", 1, 0, 2)?,
        })
    }

    fn on_book(&mut self, view: &View<'_>, _: &BookChange, out: &mut Intents) {
        self.child(view, out);
        out.wake_at(view.now().after(EVERY));
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        self.child(view, out);
        out.wake_at(view.now().after(EVERY));
    }

    fn on_instrument(&mut self, view: &View<'_>, _: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        self.child(view, out);
        out.wake_at(view.now().after(EVERY));
    }
}

fn main() -> std::process::ExitCode {
    colo::cli::main(&[colo::cli::strategy::<Reckless>()])
}
