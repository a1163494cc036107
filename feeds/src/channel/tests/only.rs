//! A channel that is told which session it is of.

use super::*;

fn bench() -> Bench {
    Bench::new(ChannelConfig { only: Some(SESSION), ..ChannelConfig::default() })
}

#[test]
fn a_stray_session_that_is_heard_first_is_not_followed() {
    let mut b = bench();
    assert_eq!(b.feed(A, &data(NEXT, 1, 5)), []);
    assert_eq!((b.channel.session(), b.channel.stats().rejected.other_session), (None, 1));
    assert_eq!(b.data(B, 1, 3), said(1, 3, &[Synced { next: 3 }]));
    assert_eq!(b.channel.session(), Some(SESSION));
}

#[test]
fn no_other_session_is_followed_when_ours_is_silent_or_over() {
    let mut b = bench();
    assert_eq!(b.data(A, 1, 3), said(1, 3, &[Synced { next: 3 }]));
    assert_eq!(b.pass(5_000), said(0, 0, &[Silent]));
    assert_eq!(b.feed(A, &data(NEXT, 1, 9)), []);
    assert_eq!(b.feed(B, &heartbeat(NEXT, 9)), []);
    assert!(!b.channel.is_synced(), "another's packets are no sign of life");
    assert_eq!(b.data(A, 3, 5), said(3, 5, &[Synced { next: 5 }]));
    assert_eq!(b.feed(A, &end_of_session(SESSION, 5)), said(0, 0, &[EndOfSession]));
    assert_eq!(b.feed(A, &data(NEXT, 1, 9)), []);
    let stats = b.channel.stats();
    assert_eq!((stats.rejected.other_session, stats.new_sessions), (3, 0));
}
