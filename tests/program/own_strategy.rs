//! `scalper`: buys a lot at the best bid, and sells what it holds at the best offer.
use colo::prelude::*;

struct Scalper {
    lot: Qty,
}

impl Strategy for Scalper {
    const NAME: &'static str = "scalper";

    fn new(params: &mut Params) -> Result<Self, ParamError> {
        Ok(Scalper { lot: Qty(params.int("lot", 100, 1, 1_000)? as u32) })
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let id = change.instrument;
        let top = view.top_of_others(id);
        if !view.can_trade(id) || top.bid_qty == 0 || top.ask_qty == 0 {
            return;
        }
        let held = view.position(id).shares;
        let (side, px) = if held > 0 { (Side::Sell, top.ask_px) } else { (Side::Buy, top.bid_px) };
        match view.orders(id).next() {
            None if side == Side::Sell => out.sell(id, Qty(held as u32), px),
            None => out.buy(id, self.lot, px),
            Some(o) if !o.is_quiet() => {}
            Some(o) if o.side != side => out.cancel(o.id),
            Some(o) if o.px != px => out.replace(o.id, o.open, px),
            Some(_) => {}
        }
    }
}

fn main() -> std::process::ExitCode {
    colo::cli::main(&[colo::cli::strategy::<Scalper>()])
}
