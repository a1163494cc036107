//! `bomb`: rests orders far from the market and, when the venue has taken them, panics.
use colo::prelude::*;

struct Bomb;

impl Strategy for Bomb {
    const NAME: &'static str = "bomb";

    fn new(_: &mut Params) -> Result<Self, ParamError> {
        Ok(Bomb)
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let id = change.instrument;
        let open = view.orders(id).count() as i64;
        assert!(view.orders(id).filter(|o| o.is_quiet()).count() < 3, "the bomb went off");
        if view.can_trade(id) && open < 3 && view.top(id).bid_qty > 0 {
            let px = view.top(id).bid_px.0 * (98 - open) / 100;
            out.buy(id, Qty(100), Px(px - px % 100));
        }
    }
}

fn main() -> std::process::ExitCode {
    colo::cli::main(&[colo::cli::strategy::<Bomb>()])
}
