//! What is not flat after the close is said, once, when the venue has had time to say what it cancels.

use engine::{Alarm, Breakers, EngineConfig};
use model::{FeedStatus, Input, MarketBody, Nanos, Side};

use crate::kit::*;

const WITHIN: Nanos = Nanos(5 * SECOND);

fn kit(flat_after_close: Option<Nanos>) -> Kit<Hand> {
    let breakers = Breakers { flat_after_close, ..Breakers::default() };
    let mut kit = Kit::of(&EngineConfig { breakers, ..config(wide()) }, Hand::default());
    kit.start();
    kit
}

fn event(kit: &mut Kit<Hand>, code: u8) {
    kit.market(A, MarketBody::System { code });
}

/// Time passes; what is said then.
fn wait(kit: &mut Kit<Hand>, ns: u64) -> Vec<Alarm> {
    kit.now.0 += ns;
    kit.timer();
    kit.out.alarms().iter().filter(|a| matches!(a, Alarm::NotFlat { .. })).copied().collect()
}

#[test]
fn what_is_held_or_open_after_the_close_is_said_once() {
    let mut kit = kit(Some(WITHIN));
    let bought = kit.live(buy(A, 100, MID));
    kit.report(bought, executed(60, MID, 1));
    event(&mut kit, b'M');
    assert_eq!(wait(&mut kit, WITHIN.0 - 1), [], "the venue has time");
    let open = Alarm::NotFlat { instrument: A, shares: 60, orders: 1 };
    assert_eq!(wait(&mut kit, 1), [open]);
    for code in [b'E', b'C'] {
        event(&mut kit, code);
        assert_eq!(wait(&mut kit, 10 * WITHIN.0), [], "once");
    }
    // The next day is another.
    kit.give(Input::Feed(FEED, FeedStatus::NewSession));
    kit.give(Input::Feed(FEED, FeedStatus::EndOfSession));
    kit.report(bought, canceled(40));
    assert_eq!(wait(&mut kit, WITHIN.0), [Alarm::NotFlat { instrument: A, shares: 60, orders: 0 }]);
}

#[test]
fn what_is_flat_by_then_is_not_said() {
    let mut kit = kit(Some(WITHIN));
    let token = kit.live(sell(A, 100, MID));
    event(&mut kit, b'M');
    kit.report(token, canceled(100));
    assert_eq!(wait(&mut kit, WITHIN.0), []);
    assert_eq!(kit.engine.next_timer().filter(|at| *at > kit.now), None, "nothing is left to wait for");
}

#[test]
fn another_feed_s_close_is_its_own_and_nobody_asks_without_a_word_of_it() {
    let mut kit = kit(Some(WITHIN));
    kit.live(buy(C, 10, MID));
    event(&mut kit, b'M');
    assert_eq!(wait(&mut kit, WITHIN.0), [], "that of the second feed trades on");
    kit.market(C, MarketBody::System { code: b'M' });
    assert_eq!(wait(&mut kit, WITHIN.0), [Alarm::NotFlat { instrument: C, shares: 0, orders: 1 }]);
    let mut silent = self::kit(None);
    silent.live(buy(A, 10, MID));
    let _ = silent.quote(A, Side::Buy, 1, MID - 200);
    event(&mut silent, b'M');
    assert_eq!(wait(&mut silent, WITHIN.0), []);
}
