//! The strategies that come with the engine, over the same inputs as any other.

use std::collections::BTreeMap;

use engine::OrderState;
use engine::strategy::{Imbalance, Observer, ParamValue, Params, Quoter, Strategy};
use model::{
    CommandKind, Control, FeedStatus, HaltReason, Input, Nanos, OrderCommand, Px, Qty, ReportKind,
    SessionEvent, Side, Tif, Token, TradingState, VenueRef,
};

use crate::kit::*;

fn params(values: &[(&str, i64)]) -> Params {
    Params::new(
        values.iter().map(|(k, v)| ((*k).to_string(), ParamValue::Int(*v))).collect::<BTreeMap<_, _>>(),
    )
}

/// A kit whose engine is not yet told anything, and a strategy's parameters. Only instrument A has a book.
fn kit<S: Strategy>(values: &[(&str, i64)]) -> Kit<S> {
    let mut params = params(values);
    let mut kit = Kit::over(wide(), S::new(&mut params).expect("in range"));
    params.finish().expect("known");
    kit.tokens(1, 10_000);
    kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
    kit.trading(A, TradingState::Trading);
    kit
}

/// (side, shares, price against 100.00 in ticks) of new orders; of replaces and cancels the token in place of the side.
#[derive(Debug, PartialEq)]
enum Did {
    New(Side, u32, i64),
    Ioc(Side, u32, i64),
    Move(u32, u32, i64),
    Cancel(u32),
}

fn did(commands: &[OrderCommand]) -> Vec<Did> {
    let ticks = |px: Px| {
        assert_eq!((px.0 - MID) % 100, 0, "{px} is no whole tick");
        (px.0 - MID) / 100
    };
    let of = |c: &OrderCommand| match c.kind {
        CommandKind::New { side, qty, px, tif: Tif::Day, .. } => Did::New(side, qty.0, ticks(px)),
        CommandKind::New { side, qty, px, tif: Tif::Ioc, .. } => Did::Ioc(side, qty.0, ticks(px)),
        CommandKind::Replace { old, qty, px, .. } => Did::Move(old.0, qty.0, ticks(px)),
        CommandKind::Cancel { token, .. } => Did::Cancel(token.0),
        CommandKind::Port { .. } => unreachable!("no strategy can"),
    };
    commands.iter().map(of).collect()
}

impl<S: Strategy> Kit<S> {
    /// The venue accepts an order, and its feed shows it.
    fn accept_and_show(&mut self, token: u32) -> Vec<OrderCommand> {
        let o = *self.order(token);
        let order = VenueRef(10_000 + u64::from(token));
        let kind = ReportKind::Accepted {
            order,
            px: o.px,
            qty: o.open,
            side: o.side,
            short: o.short,
            instrument: Some(o.instrument),
            dead: false,
        };
        let mut caused = self.report(token, kind);
        self.rest(o.instrument, order, o.side, o.open.0, o.px.0);
        caused.extend(self.commands());
        caused
    }

    /// A quote of another's; what it caused.
    fn other(&mut self, side: Side, qty: u32, ticks: i64) -> (VenueRef, Vec<Did>) {
        let r = self.quote(A, side, qty, MID + ticks * 100);
        (r, did(&self.commands()))
    }

    fn gone(&mut self, order: VenueRef) -> Vec<Did> {
        let c = self.unquote(A, order);
        did(&c)
    }
}

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

/// A quoter with both its quotes accepted and shown: 100 at -5 (token 1) and +5 (token 2), where others stand too.
fn quoting(values: &[(&str, i64)]) -> (Kit<Quoter>, VenueRef, VenueRef) {
    let mut k = kit::<Quoter>(values);
    let (bid, first) = k.other(BUY, 300, -5);
    assert_eq!(first, [], "one side is no market");
    let (ask, both) = k.other(SELL, 300, 5);
    assert_eq!(both, [Did::New(BUY, 100, -5), Did::New(SELL, 100, 5)]);
    assert_eq!(did(&k.accept_and_show(1)), []);
    assert_eq!(did(&k.accept_and_show(2)), []);
    (k, bid, ask)
}

#[test]
fn the_quoter_stands_on_both_sides_at_its_edge() {
    quoting(&[]);
    let mut k = kit::<Quoter>(&[("edge_ticks", 3), ("quantity", 7)]);
    k.other(BUY, 300, -5);
    assert_eq!(k.other(SELL, 300, 5).1, [Did::New(BUY, 7, -8), Did::New(SELL, 7, 8)]);
}

#[test]
fn the_quoter_never_crosses_and_keeps_whole_ticks() {
    let mut k = kit::<Quoter>(&[]);
    k.quote(A, BUY, 300, MID);
    k.quote(A, SELL, 300, MID + 100);
    assert_eq!(did(&k.commands()), [Did::New(BUY, 100, 0), Did::New(SELL, 100, 1)], "a spread of one tick");
    let mut k = kit::<Quoter>(&[]);
    k.quote(A, BUY, 300, MID + 33);
    k.quote(A, SELL, 300, MID + 366);
    assert_eq!(did(&k.commands()), [Did::New(BUY, 100, 0), Did::New(SELL, 100, 4)], "away from the market");
}

#[test]
fn the_quoter_follows_the_others_and_not_itself() {
    let (mut k, bid, _) = quoting(&[]);
    // The others' bid moves up: so does ours. While the move is in flight nothing more is asked.
    let (better, moved) = k.other(BUY, 50, -3);
    assert_eq!(moved, [Did::Move(1, 100, -3)]);
    assert_eq!(k.other(BUY, 50, -2).1, []);
    k.market(A, model::MarketBody::Delete { order: VenueRef(10_001) });
    let kind = ReportKind::Replaced {
        old: Token(1),
        order: VenueRef(10_003),
        px: Px(MID - 300),
        qty: Qty(100),
        dead: false,
    };
    let caused = k.report(3, kind);
    assert_eq!(did(&caused), [Did::Move(3, 100, -2)], "and then it catches up");
    let kind = ReportKind::Replaced {
        old: Token(3),
        order: VenueRef(10_004),
        px: Px(MID - 200),
        qty: Qty(100),
        dead: false,
    };
    k.report(4, kind);
    k.rest(A, VenueRef(10_004), BUY, 100, MID - 200);
    assert_eq!(did(&k.commands()), []);
    // The others go: our own bid, now the best, is no reason to stay.
    k.gone(better);
    assert_eq!(k.gone(VenueRef(better.0 + 1)), [Did::Move(4, 100, -5)]);
    assert_eq!(k.engine.top(A).bid_px, Px(MID - 200));
    // The venue reports the move before its feed shows it: the bid that the book still has is ours.
    assert_eq!(did(&k.report(5, replaced(4, 100, MID - 500))), []);
    assert_eq!(k.other(SELL, 10, 9).1, []);
    // Nobody else bids at all: there is no market to make.
    assert_eq!(k.gone(bid), [Did::Cancel(5), Did::Cancel(2)]);
}

#[test]
fn the_quoter_leans_against_what_it_holds_and_does_not_walk_away_with_its_own_quote() {
    let (mut k, ..) = quoting(&[("skew_ticks", 2)]);
    let (bid, offer) = (1, 2);
    // Sold 100: both quotes move up by two ticks; the offer's place is taken by a new one.
    let caused = k.report(offer, executed(100, MID + 500, 1));
    k.market(A, model::MarketBody::Delete { order: VenueRef(10_002) });
    assert_eq!(k.shares(A), -100);
    assert_eq!(did(&caused), [Did::Move(bid, 100, -3), Did::New(SELL, 100, 7)]);
    k.market(A, model::MarketBody::Delete { order: VenueRef(10_001) });
    let kind = ReportKind::Replaced {
        old: Token(1),
        order: VenueRef(10_009),
        px: Px(MID - 300),
        qty: Qty(100),
        dead: false,
    };
    k.report(3, kind);
    k.rest(A, VenueRef(10_009), BUY, 100, MID - 300);
    assert_eq!(did(&k.commands()), [], "our bid is the best; it leans from the others' and stays");
    k.other(BUY, 1, -9);
    assert_eq!(did(&k.commands()), []);
}

#[test]
fn the_quoter_pulls_the_side_that_would_add_at_its_most() {
    let (mut k, ..) = quoting(&[("max_inventory", 150), ("skew_ticks", 0)]);
    let caused = k.report(1, executed(100, MID - 500, 1));
    assert_eq!(did(&caused), [Did::New(BUY, 50, -5)], "no more than there is room for");
    k.market(A, model::MarketBody::Delete { order: VenueRef(10_001) });
    k.accept_and_show(3);
    let caused = k.report(3, executed(50, MID - 500, 2));
    assert_eq!(did(&caused), [], "none");
    assert_eq!(k.shares(A), 150);
    let caused = k.report(2, executed(100, MID + 500, 3));
    assert_eq!(did(&caused), [Did::New(BUY, 100, -5), Did::New(SELL, 100, 5)]);
}

#[test]
fn the_quoter_moves_only_when_it_is_off_by_enough() {
    let (mut k, ..) = quoting(&[("requote_ticks", 3)]);
    assert_eq!(k.other(BUY, 50, -3).1, []);
    assert_eq!(k.other(BUY, 50, -2).1, [Did::Move(1, 100, -2)]);
}

#[test]
fn the_quoter_leaves_when_there_is_no_ground_to_stand_on() {
    type Trouble = fn(&mut Kit<Quoter>) -> Vec<OrderCommand>;
    let troubles: [Trouble; 4] = [
        |k| k.give(Input::Feed(FEED, FeedStatus::Silent)),
        |k| k.trading(A, TradingState::Paused),
        |k| k.control(Control::Halt(HaltReason::Operator)),
        |k| k.market(A, model::MarketBody::Delete { order: VenueRef(99) }), // the book is not the venue's
    ];
    for trouble in troubles {
        let (mut k, ..) = quoting(&[]);
        let caused = trouble(&mut k);
        assert_eq!(did(&caused), [Did::Cancel(1), Did::Cancel(2)]);
        assert_eq!(k.other(BUY, 10, -4).1, []);
    }
}

#[test]
fn the_quoter_comes_back_after_a_halt_and_a_disconnect() {
    let (mut k, ..) = quoting(&[]);
    k.control(Control::Halt(HaltReason::Operator));
    k.report(1, canceled(100));
    k.report(2, canceled(100));
    let caused = k.control(Control::Resume);
    assert_eq!(did(&caused), [Did::New(BUY, 100, -5), Did::New(SELL, 100, 5)]);
    k.session(0, SessionEvent::Disconnected);
    assert_eq!(k.other(BUY, 10, -3).1, [], "what became of them is not known");
    let caused = k.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    // Neither was ever answered: they never came to be.
    assert_eq!(did(&caused), [Did::New(BUY, 100, -3), Did::New(SELL, 100, 5)]);
}

#[test]
fn the_quoter_keeps_one_quote_a_side() {
    let (mut k, ..) = quoting(&[]);
    let caused = k.report(900, accepted(A, BUY, 10, MID - 900)); // of an earlier run
    assert_eq!(did(&caused), [Did::Cancel(900)]);
    // Where it is the first, it is the quote.
    let mut k = kit::<Quoter>(&[]);
    k.quote(A, BUY, 300, MID - 500);
    k.trading(A, TradingState::Paused);
    k.quote(A, SELL, 300, MID + 500);
    k.session(0, SessionEvent::Disconnected);
    k.report(900, accepted(A, BUY, 10, MID - 900));
    k.trading(A, TradingState::Trading);
    let caused = k.session(0, SessionEvent::Ready { next_token: Token(901), proven: true });
    assert_eq!(did(&caused), [Did::Move(900, 10, -5), Did::New(SELL, 100, 5)]);
}

#[test]
fn the_quoter_rests_after_the_venue_refused() {
    let mut k = kit::<Quoter>(&[("reject_rest_ms", 50)]);
    k.other(BUY, 300, -5);
    k.other(SELL, 300, 5);
    assert_eq!(did(&k.accept_and_show(2)), []);
    assert_eq!(did(&k.report(1, rejected())), [], "not again at once");
    assert_eq!(k.other(BUY, 10, -3).1, [], "nor with the next tick");
    let at = k.now.after(Nanos::from_millis(50));
    assert_eq!(k.engine.next_timer(), Some(at));
    k.now = Nanos(at.0 - 1);
    assert_eq!(did(&k.timer()), []);
    k.now = at;
    assert_eq!(did(&k.timer()), [Did::New(BUY, 100, -3)]);
    assert_eq!(k.engine.next_timer(), None);
}

#[test]
fn the_quoter_takes_a_broken_trade_into_account() {
    let (mut k, ..) = quoting(&[("max_inventory", 100), ("skew_ticks", 0)]);
    assert_eq!(did(&k.report(1, executed(100, MID - 500, 1))), []);
    assert_eq!(
        did(&k.report(1, ReportKind::Broken { match_number: 1, reason: b'E' })),
        [Did::New(BUY, 100, -5)]
    );
}

/// 900 bid against 100 offered, from -1 to +1: heavy to buy at the default of 85 percent. Returns what the second quote caused.
fn heavy(k: &mut Kit<Imbalance>) -> (VenueRef, VenueRef, Vec<Did>) {
    let (b, _) = k.other(BUY, 900, -1);
    let (a, caused) = k.other(SELL, 100, 1);
    (b, a, caused)
}

#[test]
fn imbalance_takes_the_lighter_side() {
    let mut k = kit::<Imbalance>(&[]);
    assert_eq!(heavy(&mut k).2, [Did::Ioc(BUY, 100, 1)]);
    let mut k = kit::<Imbalance>(&[]);
    k.other(SELL, 850, 1);
    assert_eq!(k.other(BUY, 150, -1).1, [Did::Ioc(SELL, 100, -1)], "85 percent is enough");
    let mut k = kit::<Imbalance>(&[]);
    k.other(SELL, 849, 1);
    assert_eq!(k.other(BUY, 151, -1).1, []);
}

#[test]
fn imbalance_rests_after_each_order() {
    let mut k = kit::<Imbalance>(&[("cooldown_ms", 100)]);
    heavy(&mut k);
    assert_eq!(k.other(BUY, 50, -1).1, [], "one in flight");
    k.report(1, accepted(A, BUY, 100, MID + 100));
    k.report(1, canceled(100));
    k.now.0 += 99_999_999;
    assert_eq!(k.other(BUY, 50, -1).1, [], "resting");
    k.now.0 += 1;
    assert_eq!(k.other(BUY, 50, -1).1, [Did::Ioc(BUY, 100, 1)]);
}

#[test]
fn imbalance_takes_no_more_than_it_may_hold() {
    let mut k = kit::<Imbalance>(&[("max_inventory", 150), ("cooldown_ms", 0), ("hold_ms", 60_000)]);
    heavy(&mut k);
    k.report(1, accepted(A, BUY, 100, MID + 100));
    k.report(1, executed(100, MID + 100, 1));
    assert_eq!(k.other(BUY, 50, -1).1, [Did::Ioc(BUY, 50, 1)]);
    k.report(2, accepted(A, BUY, 50, MID + 100));
    k.report(2, executed(50, MID + 100, 2));
    assert_eq!(k.other(BUY, 50, -1).1, []);
    assert_eq!(k.shares(A), 150);
}

#[test]
fn imbalance_closes_what_it_held_long_enough() {
    let values = [("cooldown_ms", 300), ("hold_ms", 100), ("max_inventory", 250)];
    let mut k = kit::<Imbalance>(&values);
    let (bid, _, _) = heavy(&mut k);
    k.report(1, accepted(A, BUY, 100, MID + 100));
    k.report(1, executed(60, MID + 100, 1));
    k.now.0 += 10_000_000;
    k.report(1, executed(40, MID + 100, 2)); // grew: held since now
    let t0 = k.now;
    // Held for 100 ms, but resting for 290 ms yet: that is when to wake, or nothing would ever close it in a quiet market.
    k.now = t0.after(Nanos::from_millis(100));
    k.timer();
    assert_eq!(did(&k.commands()), []);
    let due = t0.after(Nanos::from_millis(290));
    assert_eq!(k.engine.next_timer(), Some(due));
    k.now = due;
    assert_eq!(did(&k.timer()), [Did::Ioc(SELL, 100, -1)]);
    // A part of it: the rest is tried again after the next rest, without a new hold.
    k.report(2, accepted(A, SELL, 100, MID - 100));
    k.report(2, executed(30, MID - 100, 3));
    k.report(2, canceled(70));
    let due = due.after(Nanos::from_millis(300));
    assert_eq!(k.engine.next_timer(), Some(due));
    k.gone(bid); // nothing to sell to
    k.now = due;
    assert_eq!(did(&k.timer()), []);
    assert_eq!(k.other(BUY, 900, -2).1, [Did::Ioc(SELL, 70, -2)], "when there is");
    k.report(3, accepted(A, SELL, 70, MID - 200));
    k.report(3, executed(70, MID - 200, 4));
    assert_eq!((k.shares(A), k.state(3)), (0, None));
    k.now = k.now.after(Nanos::from_millis(1_000));
    assert_eq!(did(&k.timer()), [Did::Ioc(BUY, 100, 1)], "and then it begins anew: the bid is heavy still");
}

#[test]
fn imbalance_wakes_for_the_first_of_several_positions() {
    let mut k = kit::<Imbalance>(&[("hold_ms", 100), ("cooldown_ms", 0), ("max_inventory", 100)]);
    k.trading(B, TradingState::Trading);
    heavy(&mut k);
    k.report(1, accepted(A, BUY, 100, MID + 100));
    k.report(1, executed(100, MID + 100, 1));
    let due = k.now.after(Nanos::from_millis(100));
    k.now.0 += 50_000_000;
    k.quote(B, BUY, 900, MID - 100);
    k.quote(B, SELL, 100, MID + 100);
    k.report(2, accepted(B, BUY, 100, MID + 100));
    k.report(2, executed(100, MID + 100, 2));
    assert_eq!(k.shares(B), 100);
    assert_eq!(k.engine.next_timer(), Some(due), "A's, not B's");
    k.now = due;
    assert_eq!(did(&k.timer()), [Did::Ioc(SELL, 100, -1)]);
}

#[test]
fn imbalance_clears_an_earlier_runs_order_out_of_its_way() {
    let mut k = kit::<Imbalance>(&[]);
    k.report(900, accepted(A, SELL, 10, MID + 900));
    assert_eq!(heavy(&mut k).2, []);
    assert_eq!(k.state(900), Some(OrderState::PendingCancel));
    k.report(900, canceled(10));
    assert_eq!(k.other(BUY, 10, -1).1, [Did::Ioc(BUY, 100, 1)]);
}

#[test]
fn imbalance_takes_nothing_where_it_may_not() {
    type Trouble = fn(&mut Kit<Imbalance>);
    let troubles: [Trouble; 3] = [
        |k| drop(k.give(Input::Feed(FEED, FeedStatus::Silent))),
        |k| drop(k.trading(A, TradingState::Halted)),
        |k| drop(k.control(Control::Halt(HaltReason::Operator))),
    ];
    for trouble in troubles {
        let mut k = kit::<Imbalance>(&[]);
        trouble(&mut k);
        assert_eq!(heavy(&mut k).2, []);
        assert_eq!(k.engine.stats().refusals, 0, "it does not even ask");
    }
}

#[test]
fn the_observer_does_nothing() {
    let mut k = kit::<Observer>(&[]);
    k.other(BUY, 900, -1);
    k.other(SELL, 100, 1);
    k.market(A, model::MarketBody::Execute { order: VenueRef(1), qty: Qty(5), match_number: 1 });
    k.timer();
    let s = k.engine.stats();
    assert_eq!((s.new_orders, s.refusals, k.engine.next_timer()), (0, 0, None));
    assert!(s.market_events > 3);
}

#[test]
fn parameters_out_of_range_and_unknown_ones_are_refused() {
    let e = Quoter::new(&mut params(&[("quantity", 0)])).err().expect("refused");
    assert_eq!(e.name, "quantity");
    let e = Imbalance::new(&mut params(&[("threshold_pct", 100)])).err().expect("never true of both sides");
    assert_eq!(e.name, "threshold_pct");
    let mut p = params(&[("edge_tick", 1)]);
    Quoter::new(&mut p).expect("defaults");
    assert!(p.finish().unwrap_err().to_string().contains("edge_ticks"));
}
