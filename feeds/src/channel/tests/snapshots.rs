//! When a snapshot is taken, what it brings back and what it never may.

use model::FeedStatus::{SnapshotBegin, SnapshotEnd};

use super::super::SnapshotLimits;
use super::*;

const LIMITS: SnapshotLimits = SnapshotLimits {
    after_messages: 100,
    after: Nanos::from_millis(500),
    timeout: Nanos::from_millis(2_000),
    spacing: Nanos::from_millis(100),
    spacing_max: Nanos::from_millis(800),
    attempts_max: u32::MAX,
};

fn bench(servers: usize, window: usize) -> Bench {
    Bench::new(ChannelConfig {
        servers,
        request_retries: 0,
        reorder_window: window,
        snapshots: Some(LIMITS),
        silence: Nanos::from_millis(60_000),
        ..ChannelConfig::default()
    })
}

impl Bench {
    fn asks(&mut self) -> bool {
        let asks = self.channel.poll_snapshot(self.now);
        assert!(!asks || (self.channel.is_snapshot_open() && !self.channel.poll_snapshot(self.now)));
        asks
    }

    fn state(&mut self, msg: &[u8]) -> Vec<Said> {
        self.channel.on_snapshot_message(self.now, msg, &mut self.log);
        std::mem::take(&mut self.log.0)
    }

    fn end(&mut self, next: u64) -> Vec<Said> {
        self.channel.on_snapshot_end(self.now, next, &mut self.log);
        std::mem::take(&mut self.log.0)
    }
}

/// The end of a snapshot, then messages `[next, to)`, then these statuses.
fn ended(next: u64, to: u64, statuses: &[FeedStatus]) -> Vec<Said> {
    [said(0, 0, &[SnapshotEnd { next }]), said(next, to, statuses)].concat()
}

fn state(msg: &[u8]) -> Vec<Said> {
    vec![Said::State(msg.to_vec())]
}

#[test]
fn what_no_server_brings_a_snapshot_does() {
    for servers in [0, 1] {
        let mut b = bench(servers, 64);
        b.data(A, 1, 3);
        assert_eq!(b.data(A, 5, 7), said(0, 0, &[Recovering { from: 3, to: 5 }]));
        assert_eq!(b.pass(1), []);
        if servers == 1 {
            assert_eq!(b.request(), Some((0, 3, 2)));
            assert!(!b.asks(), "the server first");
            assert_eq!(b.pass(20), [], "not lost");
        }
        assert!(b.asks());
        assert_eq!((b.request(), b.channel.is_synced()), (None, false));
        assert_eq!(b.data(B, 7, 9), [], "the stream is held");
        assert_eq!(b.state(b"s1"), [said(0, 0, &[SnapshotBegin]), state(b"s1")].concat());
        assert_eq!(b.data(B, 9, 10), []);
        assert_eq!(b.state(b"s2"), state(b"s2"));
        assert_eq!(b.end(7), ended(7, 10, &[Synced { next: 10 }]), "from the snapshot's sequence on");
        assert_eq!(b.data(A, 3, 7), [], "what it stands for is old");
        assert_eq!(b.data(A, 10, 12), said(10, 12, &[]));
        let s = b.channel.stats();
        assert_eq!((s.gaps_opened, s.gaps_bridged, s.gaps_open(), s.messages_lost), (1, 1, 0, 0));
        assert_eq!((s.snapshots_asked, s.snapshots_taken, s.snapshots_failed), (1, 1, 0));
        assert_eq!((s.messages_bridged, s.snapshot_messages), (4, 2));
    }
}

#[test]
fn a_gap_that_is_too_large_is_not_asked_for() {
    let mut b = bench(1, 64);
    assert_eq!(b.data(A, 101, 103), said(0, 0, &[Recovering { from: 1, to: 101 }]));
    b.pass(1);
    assert_eq!(b.request(), Some((0, 1, 100)), "100 are not more than 100");
    let mut b = bench(1, 64);
    b.data(A, 102, 103);
    assert!(!b.asks(), "the other line may bring it");
    b.pass(1);
    assert!(b.asks(), "who joins in mid-day takes one at once");
    assert_eq!(b.request(), None);
    assert_eq!(b.end(103), [said(0, 0, &[SnapshotBegin]), ended(103, 103, &[Synced { next: 103 }])].concat());
    // A heartbeat tells as much as a message.
    let mut b = bench(1, 64);
    b.feed(A, &heartbeat(SESSION, 1_000));
    b.pass(1);
    assert!(b.asks());
    // What the other line brings in time is no reason for one.
    let mut b = bench(1, 256);
    b.data(A, 1, 2);
    b.data(A, 202, 203);
    b.data(B, 2, 202);
    b.pass(1);
    assert!(b.channel.is_synced() && !b.asks());
}

#[test]
fn a_stream_goes_on_without_what_no_snapshot_brings_where_that_is_wanted() {
    let limits = SnapshotLimits { attempts_max: 3, ..LIMITS };
    let mut b = Bench::new(ChannelConfig {
        snapshots: Some(limits),
        silence: Nanos::from_millis(60_000),
        ..ChannelConfig::default()
    });
    b.data(A, 1, 3);
    b.data(A, 5, 7);
    b.data(A, 8, 9);
    b.pass(1);
    assert!(b.asks());
    b.channel.on_snapshot_failed(b.now);
    b.pass(100);
    assert!(b.asks());
    assert_eq!(b.state(b"s1"), [said(0, 0, &[SnapshotBegin]), state(b"s1")].concat());
    b.channel.on_snapshot_failed(b.now);
    assert_eq!(b.pass(200), []);
    assert!(b.asks());
    b.channel.on_snapshot_failed(b.now);
    assert!(b.channel.next_timeout().is_some_and(|at| at <= b.now), "the third is the last");
    let lost =
        [said(0, 0, &[Lost { from: 3, to: 5 }]), said(5, 7, &[Recovering { from: 7, to: 8 }])].concat();
    assert_eq!(b.pass(0), lost);
    assert!(!b.asks() && !b.channel.is_synced());
    // Another gap gets one more, and the stream is held for it.
    b.pass(1);
    b.pass(800);
    assert!(b.asks());
    assert_eq!(b.data(B, 9, 11), []);
    b.channel.on_snapshot_failed(b.now);
    assert_eq!(b.pass(0), [said(0, 0, &[Lost { from: 7, to: 8 }]), said(8, 11, &[])].concat());
    assert_eq!(b.data(B, 11, 12), said(11, 12, &[]));
    let s = b.channel.stats();
    assert_eq!((s.gaps_lost, s.gaps_open(), s.messages_lost, s.snapshots_failed), (2, 0, 3, 4));
    assert!(!b.channel.is_synced(), "not before a snapshot is whole");
}

#[test]
fn books_that_a_snapshot_began_to_make_are_not_whole_because_the_stream_is() {
    for begins in [false, true] {
        let limits = SnapshotLimits { attempts_max: 1, ..LIMITS };
        let mut b = Bench::new(ChannelConfig { snapshots: Some(limits), ..ChannelConfig::default() });
        b.data(A, 1, 3);
        b.data(A, 5, 7);
        b.pass(1);
        assert!(b.asks());
        if begins {
            b.state(b"s1");
        }
        assert_eq!(b.data(B, 3, 5), [], "late, and held");
        b.channel.on_snapshot_failed(b.now);
        let synced: &[FeedStatus] = if begins { &[] } else { &[Synced { next: 7 }] };
        assert_eq!(b.pass(0), said(3, 7, synced));
        assert_eq!((b.channel.is_synced(), b.channel.stats().messages_lost), (!begins, 0));
    }
}

#[test]
fn books_of_a_moment_that_never_came_are_not_whole_either() {
    let limits = SnapshotLimits { attempts_max: 1, ..LIMITS };
    let mut b = Bench::new(ChannelConfig {
        snapshots: Some(limits),
        silence: Nanos::from_millis(60_000),
        ..ChannelConfig::default()
    });
    b.data(A, 1, 3);
    b.data(A, 5, 7);
    b.pass(1);
    assert!(b.asks());
    assert_eq!(b.end(9_000), [said(0, 0, &[SnapshotBegin]), ended(9_000, 9_000, &[])].concat());
    b.pass(2_000);
    assert!(b.asks(), "nobody else knows of 9,000 messages");
    b.channel.on_snapshot_failed(b.now);
    assert_eq!((b.pass(0), b.channel.is_synced()), (vec![], false));
    assert_eq!(b.data(A, 7, 8), said(7, 8, &[]), "the stream goes on, and the books are no one's");
}

#[test]
fn behind_a_small_window_all_that_is_missing_counts() {
    let mut b = bench(1, 16);
    b.data(A, 1, 2);
    b.data(A, 3, 19);
    b.data(A, 19, 119);
    b.pass(1);
    assert_eq!((b.request(), b.asks()), (None, true), "one, and 102 behind it that there was no room for");
}

#[test]
fn gap_after_gap_is_left_to_a_snapshot_too() {
    let mut b = bench(1, 16);
    b.data(A, 1, 2);
    b.data(A, 3, 19);
    let mut next = 2;
    for round in 0..49 {
        // The server brings each gap in time, and the line is further by then than there was room for.
        b.data(A, next + 17, next + 51);
        b.pass(10);
        assert!(!b.asks(), "round {round}");
        assert_eq!(b.request().map(|(_, from, _)| from), Some(next));
        b.data(REREQUEST, next, next + 50);
        next += 50;
        b.data(A, next + 1, next + 17);
    }
    assert!(b.channel.stats().gaps_filled >= 48 && !b.channel.is_synced());
    b.pass(10);
    assert_eq!((b.asks(), b.request()), (true, None), "500 ms without being whole");
}

#[test]
fn a_gap_that_is_too_old_is_left_to_a_snapshot() {
    let mut b = Bench::new(ChannelConfig {
        servers: 1,
        request_retries: 60,
        snapshots: Some(LIMITS),
        silence: Nanos::from_millis(60_000),
        ..ChannelConfig::default()
    });
    b.data(A, 1, 2);
    b.data(A, 90, 91);
    let mut seq = 2;
    for _ in 0..499 {
        b.pass(1);
        if let Some((_, from, _)) = b.request() {
            assert_eq!(from, seq);
        }
        assert!(!b.asks());
    }
    b.data(REREQUEST, seq, seq + 1);
    seq += 1;
    assert_eq!((b.channel.expected(), b.asks()), (seq, false));
    assert!(b.channel.next_timeout() <= Some(Nanos(MS + 500 * MS)));
    b.pass(1);
    assert!(b.asks(), "however much the server is still about to bring");
}

#[test]
fn the_newest_messages_are_held_and_a_hole_behind_the_snapshot_is_never_passed() {
    let mut b = bench(0, 4);
    b.data(A, 1, 3);
    b.data(A, 5, 7);
    b.pass(1);
    assert!(b.asks());
    b.data(A, 7, 17);
    assert_eq!(b.channel.stats().buffered, 4, "13 to 16");
    b.state(b"s");
    let hole = Recovering { from: 10, to: 13 };
    assert_eq!(b.end(10), ended(10, 10, &[hole]));
    assert_eq!(b.data(B, 11, 12), [], "no message beyond the hole");
    b.pass(1);
    // Nobody is asked: the next snapshot, though not at once.
    assert!(!b.asks());
    assert_eq!(b.data(B, 10, 11), [], "held for the snapshot");
    b.pass(99);
    assert!(b.asks());
    b.state(b"t");
    assert_eq!(b.end(14), ended(14, 17, &[Synced { next: 17 }]));
    // With a server the hole is asked for.
    let mut b = bench(1, 4);
    b.data(A, 201, 203);
    b.pass(1);
    assert!(b.asks());
    b.data(A, 203, 220);
    b.state(b"s");
    b.end(214);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 214, 2)));
    assert_eq!(b.data(REREQUEST, 214, 216), said(214, 220, &[Synced { next: 220 }]));
}

#[test]
fn a_snapshot_that_breaks_off_begins_anew_with_growing_patience() {
    let mut b = bench(0, 64);
    b.data(A, 1, 3);
    b.data(A, 5, 7);
    b.pass(1);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let mut wait = 0;
        while !b.asks() {
            assert_eq!(b.pass(1), []);
            wait += 1;
        }
        waits.push(wait);
        assert_eq!(b.state(b"s"), [said(0, 0, &[SnapshotBegin]), state(b"s")].concat());
        b.channel.on_snapshot_failed(b.now);
        assert_eq!((b.state(b"late"), b.end(9)), (vec![], vec![]), "nothing of a session that is over");
    }
    assert_eq!(waits, [0, 100, 200, 400, 800, 800]);
    assert_eq!(b.channel.stats().snapshots_failed, 6);
    assert!(!b.channel.is_synced());
    // After the longest wait without one it begins again.
    b.pass(800);
    assert!(b.asks());
    b.end(7);
    assert!(b.channel.is_synced());
    b.pass(800);
    b.data(A, 9, 10);
    b.pass(1);
    assert!(b.asks(), "a new gap, much later, at once");
    b.end(10);
    b.data(A, 12, 13);
    b.pass(1);
    assert!(!b.asks(), "and one soon after waits");
    b.pass(98);
    assert!(!b.asks());
    b.pass(1);
    assert!(b.asks());
}

#[test]
fn a_snapshot_that_does_not_end_is_given_up() {
    let mut b = bench(0, 64);
    b.data(A, 2, 3);
    b.pass(1);
    assert!(b.asks());
    b.state(b"s");
    b.pass(1_999);
    assert!(b.channel.is_snapshot_open());
    b.pass(1);
    assert!(!b.channel.is_snapshot_open());
    assert_eq!(b.end(3), []);
    b.pass(0);
    assert!(b.asks());
}

#[test]
fn an_end_ahead_of_the_lines_is_believed_when_they_are_there() {
    let mut b = bench(0, 64);
    b.data(A, 3, 5);
    b.pass(1);
    assert!(b.asks());
    b.state(b"s");
    assert_eq!(b.end(8), ended(8, 8, &[]), "not synced");
    assert_eq!(b.data(A, 5, 7), [], "old");
    assert_eq!(b.feed(B, &heartbeat(SESSION, 8)), said(0, 0, &[Synced { next: 8 }, Heartbeat]));
    assert_eq!(b.data(A, 7, 10), said(8, 10, &[]));

    let mut b = bench(0, 64);
    b.data(A, 3, 5);
    b.pass(1);
    assert!(b.asks());
    assert_eq!(b.end(u64::MAX)[2..], []);
    assert_eq!(b.data(A, 5, 9), []);
    b.pass(1_999);
    assert!(!b.channel.is_synced() && !b.asks());
    b.pass(1);
    assert!(b.asks(), "a sequence from nowhere is not waited for for ever");
    assert_eq!(b.data(A, 9, 11), []);
    assert_eq!(b.end(9), [said(0, 0, &[SnapshotBegin]), ended(9, 11, &[Synced { next: 11 }])].concat());
}

#[test]
fn a_snapshot_from_before_the_gap_leaves_a_hole() {
    let mut b = bench(1, 64);
    b.data(A, 1, 9);
    b.data(A, 200, 202);
    b.pass(1);
    assert!(b.asks());
    assert_eq!(b.end(5)[1..], ended(5, 5, &[Recovering { from: 5, to: 200 }]));
    assert!(!b.channel.is_synced());
}

#[test]
fn a_message_that_cannot_be_decoded_is_mended_by_a_snapshot() {
    let mut b = bench(1, 64);
    b.data(A, 1, 3);
    let packet = packet(SESSION, 3, &[body(3), UNDECODABLE.to_vec(), body(5)]);
    let got = b.feed(A, &packet);
    assert_eq!(got[got.len() - 2..][0], Said::Status(Lost { from: 4, to: 5 }));
    assert!(b.asks());
    assert_eq!(b.data(A, 6, 8), []);
    b.state(b"s");
    assert_eq!(b.end(7), ended(7, 8, &[Synced { next: 8 }]));
    // One in the snapshot itself lets that fail.
    let mut b = bench(0, 64);
    b.data(A, 2, 3);
    b.pass(1);
    assert!(b.asks());
    b.state(UNDECODABLE);
    assert!(!b.channel.is_snapshot_open());
    assert_eq!((b.end(3), b.channel.stats().snapshots_failed), (vec![], 1));
}

#[test]
fn a_new_session_ends_the_snapshot_of_the_old_one() {
    let mut b = bench(0, 64);
    b.data(A, 1, 3);
    b.data(A, 5, 7);
    b.pass(1);
    assert!(b.asks());
    b.state(b"s");
    b.feed(A, &end_of_session(SESSION, 7));
    assert!(!b.channel.is_over(), "its tail is not known");
    let got = b.feed(A, &data(NEXT, 1, 3));
    assert_eq!(
        got[got.len() - 4..],
        [&said(0, 0, &[NewSession])[..], &said(1, 3, &[Synced { next: 3 }])].concat()
    );
    assert!(!b.channel.is_snapshot_open());
    assert_eq!(b.end(7), [], "it is about a session that is over");
    assert_eq!(b.channel.expected(), 3);
    assert_eq!(b.channel.stats().gaps_open(), 0);
}

#[test]
fn the_end_of_a_session_is_said_behind_the_snapshot() {
    let mut b = bench(0, 64);
    b.data(A, 3, 5);
    b.pass(1);
    assert!(b.asks());
    assert_eq!(b.feed(A, &end_of_session(SESSION, 5)), []);
    let last = [Synced { next: 5 }, EndOfSession];
    assert_eq!(b.end(4), [said(0, 0, &[SnapshotBegin]), ended(4, 5, &last)].concat());
    assert!(b.channel.is_over());
}
