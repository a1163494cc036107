//! `joiner`: joins the best bid with a lot, and the best offer with what it holds; one order at a time.
//!
//! The strategy is told what happens and leaves what it wants in `Intents`; the risk gate decides what becomes an order. It has no clock (`view.now()` is
//! the time), no I/O and no thread, so that a day gives the same orders in a test, in a backtest, in a replay and in front of a venue.

use std::process::ExitCode;

use colo::prelude::*;

/// Joins the best prices.
struct Joiner {
    lot: Qty,
}

impl Strategy for Joiner {
    const NAME: &'static str = "joiner";

    fn new(params: &mut Params) -> Result<Joiner, ParamError> {
        // Name, value where the configuration has none, and the least and the most that it may be.
        Ok(Joiner {
            lot: Qty(params.int("lot", 100, 1, 1_000)? as u32),
        })
    }

    /// Other parameters while it runs (`ctl params`): there is nothing else that it would have to keep.
    fn reconfigure(&mut self, params: &mut Params) -> Result<(), ParamError> {
        *self = Joiner::new(params)?;
        Ok(())
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let id = change.instrument;
        // Without our own order: otherwise it would follow itself.
        let top = view.top_of_others(id);
        if !view.can_trade(id) || top.bid_qty == 0 || top.ask_qty == 0 {
            return;
        }
        let held = view.position(id).shares;
        let (side, px) = if held > 0 {
            (Side::Sell, top.ask_px)
        } else {
            (Side::Buy, top.bid_px)
        };
        match view.orders(id).next() {
            None if side == Side::Sell => out.sell(id, Qty(held as u32), px),
            None => out.buy(id, self.lot, px),
            // Something about it is under way: its report comes first.
            Some(o) if !o.is_quiet() => {}
            Some(o) if o.side != side => out.cancel(o.id),
            Some(o) if o.px != px => out.replace(o.id, o.open, px),
            Some(_) => {}
        }
    }
}

fn main() -> ExitCode {
    colo::cli::main(&[colo::cli::strategy::<Joiner>()])
}

#[cfg(test)]
mod tests {
    use colo::rehearsal::Rehearsal;

    use super::*;

    fn cents(cents: i64) -> Px {
        Px(cents * 100)
    }

    /// 99.99 by 100.01, 300 shares on each side.
    fn stage(lot: i64) -> Rehearsal<Joiner> {
        let mut stage = Rehearsal::new(&[("lot", lot)]).expect("the parameters are right");
        stage.quote((cents(9_999), Qty(300)), (cents(10_001), Qty(300)));
        stage
    }

    /// Its one order.
    fn order(stage: &Rehearsal<Joiner>) -> (Side, Px, Qty) {
        let o = stage.orders().next().expect("an order");
        assert_eq!(stage.orders().count(), 1, "one order at a time");
        (o.side, o.px, o.open)
    }

    #[test]
    fn it_joins_the_bid_and_follows_it() {
        let mut stage = stage(100);
        assert_eq!(order(&stage), (Side::Buy, cents(9_999), Qty(100)));
        stage.quote((cents(10_000), Qty(300)), (cents(10_002), Qty(300)));
        assert_eq!(order(&stage), (Side::Buy, cents(10_000), Qty(100)));
    }

    #[test]
    fn what_it_bought_it_offers() {
        let mut stage = stage(100);
        // Somebody sells below our bid.
        stage.trade(cents(9_998), Qty(100));
        assert_eq!(stage.position(), 100);
        stage.quote((cents(9_998), Qty(300)), (cents(10_000), Qty(300)));
        assert_eq!(order(&stage), (Side::Sell, cents(10_000), Qty(100)));
        stage.trade(cents(10_001), Qty(100));
        assert_eq!(stage.position(), 0);
    }

    #[test]
    fn it_takes_another_lot_while_it_runs() {
        let mut stage = stage(100);
        stage
            .reconfigure(&[("lot", 50)])
            .expect("a lot that may be");
        assert_eq!(
            order(&stage),
            (Side::Buy, cents(9_999), Qty(100)),
            "what stands has the size that it had"
        );
        stage.trade(cents(9_998), Qty(100));
        stage.quote((cents(9_998), Qty(300)), (cents(10_000), Qty(300)));
        stage.trade(cents(10_001), Qty(100));
        stage.quote((cents(9_997), Qty(300)), (cents(9_999), Qty(300)));
        assert_eq!(
            (stage.position(), order(&stage)),
            (0, (Side::Buy, cents(9_997), Qty(50)))
        );
    }

    #[test]
    fn a_lot_has_its_bounds() {
        assert!(Rehearsal::<Joiner>::new(&[("lot", 0)]).is_err());
        assert!(
            Rehearsal::<Joiner>::new(&[("lots", 1)]).is_err(),
            "a parameter that it does not know"
        );
    }
}
