//! What a book may not show while its instrument trades: locked or crossed for long, a jump; and the ends of the price range.

use engine::{Reason, RiskReject, Soundness};
use model::{Nanos, Side, TradingState, Validity, VenueRef};

use crate::kit::*;
use crate::scene::{Scene, Silent};

#[test]
fn a_book_crossed_for_long_is_stale_until_it_is_not_crossed() {
    let mut s = Scene::new(); // crossed 100 ms, locked 1 s
    let crossing = s.kit.quote(A, Side::Buy, 10, MID + 200);
    assert_eq!(s.kit.engine.next_timer(), Some(Nanos::ZERO), "the strategy's own");
    s.wait(99);
    assert_eq!(s.kit.refused(buy(A, 100, MID)), RiskReject::NoReference, "not for long yet");
    s.wait(1);
    assert_eq!(s.kit.out.transitions().len(), 1, "found by the next input, whatever it is");
    s.shut(Validity::Stale, Reason::Crossed, RiskReject::BookSanity);
    assert_eq!(s.kit.engine.instruments().of(A).soundness, Soundness::Sound);
    s.wait(10_000);
    s.shut(Validity::Stale, Reason::Crossed, RiskReject::BookSanity);
    s.kit.unquote(A, crossing);
    s.open(Reason::Crossed);
}

#[test]
fn a_book_locked_for_long_is_stale() {
    let mut s = Scene::new();
    let locking = s.kit.quote(A, Side::Buy, 10, MID + 100);
    s.wait(999);
    assert_eq!(s.state().0, Validity::Valid);
    s.wait(1);
    s.shut(Validity::Stale, Reason::Locked, RiskReject::BookSanity);
    s.kit.unquote(A, locking);
    s.open(Reason::Locked);
}

#[test]
fn a_feed_that_says_nothing_does_not_hide_a_crossed_book() {
    let mut kit = Kit::over(wide(), Silent);
    kit.start();
    assert_eq!(kit.engine.next_timer(), None);
    kit.quote(A, Side::Buy, 10, MID + 200);
    let at = kit.now.after(Nanos::from_millis(100));
    assert_eq!((kit.engine.next_timer(), kit.engine.has_backlog()), (Some(at), false));
    kit.now = at;
    kit.timer();
    assert_eq!(kit.engine.instruments().of(A).reason, Reason::Crossed);
    // It is locked as well, and that time is not over.
    assert_eq!(kit.engine.next_timer(), Some(at.after(Nanos::from_millis(900))));
    kit.now = at.after(Nanos::from_millis(900));
    kit.timer();
    assert_eq!(kit.engine.next_timer(), None);
    assert_eq!(kit.engine.instruments().of(A).reason, Reason::Crossed, "the graver one");
}

#[test]
fn a_crossed_book_is_normal_before_the_open_and_in_a_halt() {
    let mut s = Scene::new();
    s.action(TradingState::Halted, b"T1  ");
    let crossing = s.kit.quote(A, Side::Buy, 10, MID + 200);
    s.wait(5_000);
    s.shut(Validity::Halted, Reason::Halted, RiskReject::NotTrading);
    s.system(b'S');
    s.wait(5_000);
    s.shut(Validity::Closed, Reason::BeforeOpen, RiskReject::MarketClosed);
    s.action(TradingState::Trading, b"    ");
    s.wait(5_000);
    s.shut(Validity::Closed, Reason::BeforeOpen, RiskReject::MarketClosed);
    // From here on it counts.
    s.system(b'Q');
    assert_eq!(s.state().0, Validity::Valid);
    s.wait(99);
    assert_eq!(s.state().0, Validity::Valid);
    s.wait(1);
    s.shut(Validity::Stale, Reason::Crossed, RiskReject::BookSanity);
    s.action(TradingState::Paused, b"LUDP");
    s.shut(Validity::Halted, Reason::Paused, RiskReject::NotTrading);
    s.kit.unquote(A, crossing);
    s.action(TradingState::Trading, b"    ");
    s.open(Reason::Paused);
}

#[test]
fn a_jump_shuts_until_the_book_stands_still() {
    let mut s = Scene::new(); // 5 percent, 1 s
    s.kit.quote(A, Side::Buy, 10, MID + 119_900);
    s.kit.unquote(A, VenueRef(2));
    let offer = s.kit.quote(A, Side::Sell, 10, MID + 120_100); // from 100.00 to 112.00
    s.shut(Validity::Stale, Reason::PriceBand, RiskReject::BookSanity);
    s.wait(999);
    s.shut(Validity::Stale, Reason::PriceBand, RiskReject::BookSanity);
    s.wait(1);
    assert_eq!(s.state(), (Validity::Valid, Reason::PriceBand));
    s.kit.passes(buy(A, 100, MID + 120_000)); // the reference has followed
    // What a halt moved is no jump.
    s.action(TradingState::Paused, b"LUDP");
    s.kit.quote(A, Side::Buy, 10, MID + 239_900);
    s.kit.unquote(A, offer);
    s.kit.quote(A, Side::Sell, 10, MID + 240_100);
    s.action(TradingState::Trading, b"LUDP");
    assert_eq!(s.state(), (Validity::Valid, Reason::Paused));
}

#[test]
fn the_ends_of_the_price_range_are_no_market() {
    const MAX: i64 = 2_000_000_000; // 200,000.0000
    let mut s = Scene::new();
    s.kit.unquote(A, VenueRef(1));
    s.kit.unquote(A, VenueRef(2));
    s.kit.quote(A, Side::Buy, 10, 0);
    s.kit.quote(A, Side::Sell, 10, MAX);
    for (at, why) in [
        (0, RiskReject::Price),
        (MID, RiskReject::NoReference),
        (MAX, RiskReject::Price),
        (MAX + 1, RiskReject::Price),
    ] {
        assert_eq!(s.kit.refused(buy(A, 100, at)), why, "{at}");
    }
    // A book whose both sides are the highest price is crossed, one of price 0 locked: neither panics, neither is valid for long.
    let high = s.kit.quote(A, Side::Buy, 10, MAX);
    s.wait(1_000);
    s.shut(Validity::Stale, Reason::Locked, RiskReject::BookSanity);
    s.kit.unquote(A, high);
    s.kit.quote(A, Side::Sell, 10, 0);
    assert_eq!(s.state().0, Validity::Valid, "looked at anew");
    s.wait(1_000);
    assert_eq!(s.state(), (Validity::Stale, Reason::Locked));
}
