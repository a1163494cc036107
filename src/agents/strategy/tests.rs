//! A gateway that stands still, and ends that are asked for in its shadow.

use model::{Control, HaltReason, Nanos};

use super::*;
use crate::agents::rig::{EACH, Rig};
use crate::journal::Record;

/// The records of the journal so far.
fn journal(rig: &Rig) -> Vec<Record> {
    let mut reader = ringbuf::log::Reader::open(rig.folder.path().join("core")).unwrap();
    let mut all = Vec::new();
    while let Some(r) = reader.next().unwrap() {
        all.push(Record::decode(r.kind, r.payload).unwrap());
    }
    all
}

fn halted(rig: &Rig) -> Option<HaltReason> {
    rig.agent.engine().halted()
}

/// One whose gateway has taken nothing for so long that no market data is taken any more.
fn stalled(test: &str, each: u64) -> Rig {
    let mut rig = Rig::new(test, 1_024);
    rig.changes(200 / each, each);
    rig.settle();
    assert!(rig.orders.len() > 1_024 - PACKET_NEEDS, "{} orders wait", rig.orders.len());
    assert!(rig.agent.engine().stats().market_events < 200, "market data waits");
    rig
}

#[test]
fn control_is_taken_where_market_data_has_to_wait() {
    let mut rig = stalled("halt", 1);
    rig.control.push(Control::Halt(HaltReason::Operator).into()).unwrap();
    rig.step();
    assert_eq!(halted(&rig), Some(HaltReason::Operator));
    let sent = rig.orders.len();
    rig.control.push(Control::Halt(HaltReason::Loss).into()).unwrap();
    rig.settle();
    assert_eq!(halted(&rig), Some(HaltReason::Loss));
    assert!(rig.orders.len() > sent, "and its cancels go out, as far as there is room");
    let control = journal(&rig).into_iter().filter(|r| matches!(r, Record::Control { .. })).count();
    assert_eq!(control, 3, "each is in the journal, the tokens' too");
}

#[test]
fn a_ring_that_is_full_to_the_last_holds_and_drains() {
    let mut rig = stalled("full", 1);
    // Cancels for all, until not even a control input has room.
    for _ in 0..8 {
        let _ = rig.control.push(Control::CancelAll.into());
    }
    rig.settle();
    assert!(rig.orders.len() <= 1_024 && rig.orders.len() > 1_024 - INPUT_NEEDS, "{}", rig.orders.len());
    // The gateway comes back, and everything with it.
    for _ in 0..100 {
        while rig.orders.pop().is_some() {}
        rig.settle();
    }
    assert!(rig.agent.engine().stats().market_events >= 200);
}

#[test]
fn an_end_has_its_time_though_nothing_can_be_taken() {
    // One packet that fills the ring and stays open: the journal names it as a whole, so not even control may come between.
    let mut rig = stalled("open", 100);
    assert!(rig.agent.open_packet().is_some());
    rig.ending.ask();
    rig.settle();
    assert!(!rig.agent.is_done() && halted(&rig).is_none());
    assert_eq!(rig.ending.farewell(), Farewell::Stay);
    rig.now = rig.now.after(SHUTDOWN);
    rig.step();
    assert!(rig.agent.is_done());
    assert_eq!(rig.ending.farewell(), Farewell::Sweep, "the gateways cancel what the engine could not");
    rig.agent.on_close();
    let ends = |r: &Record| matches!(r, Record::Hash { .. } | Record::End { .. });
    assert!(!journal(&rig).iter().any(ends), "half a packet has no state that a replay could compare");
}

#[test]
fn what_has_waited_counts_against_the_rate_when_it_is_taken() {
    let mut rig = Rig::paced("behind", 1_024, EACH as i64);
    rig.open_market();
    rig.settle();
    assert_eq!(rig.orders.len(), EACH, "of the second that it opened in");
    // Each of these has a second of its own, and they are taken in the last.
    for _ in 0..10 {
        rig.now = rig.now.after(Nanos::from_millis(1_000));
        rig.changes(1, 1);
    }
    rig.settle();
    assert_eq!(rig.orders.len(), 2 * EACH, "the venue counts when they arrive");
    let timers = journal(&rig).into_iter().filter(|r| matches!(r, Record::Timer { .. })).count();
    assert_eq!(timers, 1, "in front of the first alone: then the engine has the time");
}

#[test]
fn what_a_session_has_waited_with_is_told_the_time_as_well() {
    let mut rig = Rig::new("session", 1_024);
    rig.settle();
    let received = rig.now;
    rig.now = rig.now.after(Nanos::from_millis(1_000));
    rig.reports.push(GatewayItem::Session { received, event: SessionEvent::Disconnected }).unwrap();
    rig.step();
    let at = rig.now;
    let told = |r: &Record| matches!(r, Record::Timer { now } if *now == at);
    let heard = |r: &Record| matches!(r, Record::Session { event: SessionEvent::Disconnected, .. });
    let all = journal(&rig);
    assert!(all.iter().position(told).expect("a timer") < all.iter().position(heard).expect("the session"));
}

#[test]
fn an_end_needs_no_ring() {
    let mut rig = Rig::new("flat", 1_024);
    rig.step();
    rig.ending.ask();
    rig.settle();
    // The orders of the last change are open, and their cancels on their way.
    assert_eq!(halted(&rig), Some(HaltReason::Shutdown));
    assert_eq!(rig.orders.len(), 2 * EACH);
    rig.now = rig.now.after(SHUTDOWN);
    rig.step();
    assert_eq!(rig.ending.farewell(), Farewell::Sweep, "the venue confirmed nothing");
    rig.agent.on_close();
    let shutdown = |r: &&Record| matches!(r, Record::Control { control: Control::Shutdown, .. });
    assert_eq!(journal(&rig).iter().filter(shutdown).count(), 1);
    assert!(matches!(journal(&rig).last(), Some(Record::End { .. })));
}

#[test]
fn a_hole_in_what_the_venue_said_halts_and_is_in_the_journal() {
    let mut rig = Rig::new("hole", 1_024);
    rig.settle();
    assert!(halted(&rig).is_none() && rig.agent.engine().orders().open() > 0);
    rig.reports.push(GatewayItem::Doubt { received: rig.now }).unwrap();
    rig.settle();
    assert_eq!(halted(&rig), Some(HaltReason::Reconciliation));
    let doubt = |r: &&Record| matches!(r, Record::Session { event: SessionEvent::Doubt, .. });
    assert_eq!(journal(&rig).iter().filter(doubt).count(), 1);
}

#[test]
fn one_that_is_flat_lets_its_gateways_log_out() {
    let mut rig = Rig::quiet("idle", 1_024);
    rig.settle();
    assert!(rig.agent.on_stop(rig.now), "another agent panicked: this one ends in order");
    rig.settle();
    assert!(rig.agent.is_done());
    assert_eq!(rig.ending.farewell(), Farewell::LogOut);
}

#[test]
fn a_gateway_that_is_gone_keeps_nothing_from_the_others() {
    let mut rig = stalled("gone", 1);
    let (_, orders) = ringbuf::spsc::channel(1);
    drop(std::mem::replace(&mut rig.orders, orders));
    rig.settle();
    assert!(rig.agent.engine().stats().market_events >= 200);
    rig.control.push(Control::Shutdown.into()).unwrap();
    rig.settle();
    assert_eq!(halted(&rig), Some(HaltReason::Shutdown));
    assert_eq!(rig.now.since(Nanos(1_000_000_000)).0 / 1_000_000_000, 0, "at once");
}
