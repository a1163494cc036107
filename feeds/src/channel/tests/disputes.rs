//! Lines that say different things under one number.

use model::FeedStatus::{Disputed, SnapshotBegin, SnapshotEnd};

use super::super::SnapshotLimits;
use super::*;

/// A packet of one message that is not what [`body`] says.
fn other(seq: u64) -> Vec<u8> {
    packet(SESSION, seq, &[b"another message of the same length or so".to_vec()])
}

#[test]
fn a_copy_that_differs_makes_the_books_doubtful_for_the_rest_of_the_session() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 4);
    assert_eq!(b.data(B, 1, 4), []);
    assert_eq!(b.feed(B, &other(3)), said(0, 0, &[Disputed { sequence: 3 }]));
    assert!(!b.channel.is_synced());
    assert_eq!(b.data(A, 4, 6), said(4, 6, &[]), "the stream goes on, and is not called whole");
    assert_eq!(b.feed(B, &other(5)), [], "said once");
    let s = b.channel.stats();
    assert_eq!((s.disputed, s.lines[1].duplicates, s.undecodable), (2, 5, 0));
    // The numbers of another session are others.
    b.feed(A, &end_of_session(SESSION, 6));
    assert_eq!(b.feed(A, &packet(NEXT, 1, &[body(9)]))[0], Said::Status(NewSession));
    assert_eq!(b.feed(B, &packet(NEXT, 1, &[body(9)])), []);
    assert_eq!(b.channel.stats().disputed, 2);
}

#[test]
fn in_a_packet_that_is_partly_new_the_old_part_is_compared() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 3);
    let overlap = packet(SESSION, 2, &[b"not the second".to_vec(), body(3)]);
    let heard = b.feed(B, &overlap);
    assert_eq!(heard, [said(0, 0, &[Disputed { sequence: 2 }]), said(3, 4, &[])].concat());
}

#[test]
fn copies_that_wait_behind_a_gap_are_compared_and_told_of_when_it_is_filled() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 2);
    b.data(A, 3, 5);
    assert_eq!(b.feed(B, &other(3)), []);
    assert_eq!(b.data(B, 4, 5), []);
    assert_eq!(b.data(B, 2, 3), [said(2, 4, &[Disputed { sequence: 3 }]), said(4, 5, &[])].concat());
    assert_eq!(b.channel.stats().disputed, 1);
}

#[test]
fn a_server_that_says_something_else_is_no_better_than_a_line() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    assert_eq!(b.feed(REREQUEST, &other(2)), said(0, 0, &[Disputed { sequence: 2 }]));
}

#[test]
fn a_snapshot_settles_a_dispute_that_it_stands_for() {
    let limits = Some(SnapshotLimits::default());
    let mut b = Bench::new(ChannelConfig { snapshots: limits, ..ChannelConfig::default() });
    b.data(A, 1, 4);
    assert_eq!(b.feed(B, &other(2)), said(0, 0, &[Disputed { sequence: 2 }]));
    assert!(b.channel.poll_snapshot(b.now));
    // While the stream is held: this one the snapshot will stand for, the other it will not.
    b.data(A, 4, 7);
    b.feed(B, &other(4));
    b.feed(B, &other(6));
    b.channel.on_snapshot_end(b.now, 5, &mut b.log);
    let heard = std::mem::take(&mut b.log.0);
    let statuses = [SnapshotBegin, SnapshotEnd { next: 5 }];
    assert_eq!(heard, [said(0, 0, &statuses), said(5, 7, &[Disputed { sequence: 6 }])].concat());
}

#[test]
fn nothing_is_compared_where_that_is_not_wanted() {
    let mut b = Bench::new(ChannelConfig { compared: 0, ..ChannelConfig::default() });
    b.data(A, 1, 4);
    assert_eq!(b.feed(B, &other(3)), []);
    assert!(b.channel.is_synced());
}
