//! What becomes of a fill after it was reported: corrected trades, and reports that come more than once.

use engine::RiskLimits;
use model::{HaltReason, Px, Qty, ReportKind, SessionEvent, Usd};

use crate::kit::*;

fn corrected(match_number: u64, qty: u32, at: i64) -> ReportKind {
    ReportKind::Corrected { match_number, qty: Qty(qty), px: Px(at), liquidity: b'A', reason: b'E' }
}

fn broken(match_number: u64) -> ReportKind {
    ReportKind::Broken { match_number, reason: b'E' }
}

fn account(kit: &Kit<Hand>) -> (i64, i64, u64, u64) {
    let p = kit.engine.positions().of(A);
    (p.shares, p.cash.0, p.bought, p.fills)
}

#[test]
fn a_corrected_trade_is_as_if_it_had_been_reported_so() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(60, MID, 41));
    kit.told();
    kit.report(t, corrected(41, 50, MID - 100));
    assert_eq!(account(&kit), (50, -50 * (MID - 100), 50, 1));
    assert_eq!(kit.order(t).open, Qty(40), "the order stays as it is");
    let told = kit.told();
    let [Told::Corrected { was, is }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((was.qty, was.px, is.qty, is.px), (Qty(60), Px(MID), Qty(50), Px(MID - 100)));
    assert_eq!((was.match_number, is.match_number), (41, 41));

    kit.report(t, corrected(41, 60, MID));
    assert_eq!(account(&kit), (60, -60 * MID, 60, 1), "a correction of the correction");
    kit.report(t, broken(41));
    assert_eq!(account(&kit), (0, 0, 0, 0));
    assert_eq!((kit.engine.halted(), kit.engine.stats().corrected), (None, 2));
}

#[test]
fn a_correction_of_a_trade_that_is_not_known_halts() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(60, MID, 41));
    kit.report(t, corrected(42, 50, MID));
    assert_eq!((kit.engine.halted(), kit.shares(A)), (Some(HaltReason::Reconciliation), 60));
}

#[test]
fn a_correction_to_no_shares_voids_the_trade() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(60, MID, 41));
    kit.report(t, corrected(41, 0, MID));
    assert_eq!((kit.shares(A), kit.engine.halted()), (0, None));
    kit.report(t, broken(41));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "there is nothing left to break");
}

#[test]
fn a_correction_can_bring_the_loss() {
    let mut kit = Kit::ready(RiskLimits { max_daily_loss: Usd(100 * 100), ..wide() });
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(100, MID, 41));
    kit.report(t, corrected(41, 100, MID + 99));
    assert_eq!(kit.engine.halted(), None);
    kit.report(t, corrected(41, 100, MID + 100));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
}

/// A trade is booked once for a token, whatever number the message has that says it. One that comes again under a new one says that the venue's stream is not to be
/// counted on.
#[test]
fn a_trade_that_is_said_again_is_booked_once_and_halts() {
    for new_session in [false, true] {
        let mut kit = Kit::ready(wide());
        let t = kit.live(buy(A, 100, MID));
        kit.report(t, executed(60, MID, 41));
        let after = account(&kit);
        if new_session {
            kit.session(0, SessionEvent::NewSession);
            kit.seq.insert(0, 0);
        }
        kit.report(t, executed(60, MID, 41));
        assert_eq!((account(&kit), kit.engine.stats().duplicate_reports), (after, 1));
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
        // Another trade, or the other side of one with ourselves, is one.
        kit.report(t, executed(10, MID, 42));
        assert_eq!(kit.shares(A), 70);
    }
}

/// A new session counts from 1 again, and may use a trade's number again for another order's trade.
#[test]
fn a_fill_applies_once_whatever_is_replayed() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(60, MID, 41));
    kit.report(t, corrected(41, 50, MID));
    let after = account(&kit);
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.seq.insert(0, 0); // the venue repeats its stream from the first message
    kit.report(t, accepted(A, model::Side::Buy, 100, MID));
    kit.report(t, executed(60, MID, 41));
    kit.report(t, corrected(41, 50, MID));
    assert_eq!((account(&kit), kit.engine.stats().duplicate_reports), (after, 3));
    kit.report(t, executed(10, MID, 42));
    assert_eq!((kit.shares(A), kit.engine.halted()), (60, None));
}
