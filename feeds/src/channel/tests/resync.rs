//! Books that a person does not believe are made anew, and are not believed until then.

use model::FeedStatus::{Doubted, SnapshotEnd};

use super::super::SnapshotLimits;
use super::*;

impl Bench {
    fn resync(&mut self) -> Vec<Said> {
        let begun = self.channel.resync(self.now, &mut self.log);
        let said = std::mem::take(&mut self.log.0);
        assert_eq!(begun, !said.is_empty());
        said
    }
}

#[test]
fn with_a_snapshot_server_the_stream_is_held_for_a_snapshot() {
    let limits = SnapshotLimits { spacing: Nanos::from_millis(100), ..SnapshotLimits::default() };
    let mut b = Bench::new(ChannelConfig { servers: 1, snapshots: Some(limits), ..ChannelConfig::default() });
    assert!(b.channel.can_resync());
    b.data(A, 1, 5);
    assert!(b.channel.is_synced());
    assert_eq!(b.resync(), said(0, 0, &[Doubted]));
    assert!(!b.channel.is_synced());
    assert_eq!(b.resync(), [], "one is under way");
    assert!(b.channel.poll_snapshot(b.now));
    assert_eq!(b.data(A, 5, 7), [], "the stream is held");
    b.channel.on_snapshot_end(b.now, 6, &mut b.log);
    let after = b.log.0.split_off(1);
    assert_eq!(
        after,
        said(0, 0, &[SnapshotEnd { next: 6 }])
            .into_iter()
            .chain(said(6, 7, &[Synced { next: 7 }]))
            .collect::<Vec<_>>()
    );
    // Asked for again at once: not before the distance between two has passed.
    b.log.0.clear();
    b.resync();
    b.pass(50);
    assert!(!b.channel.poll_snapshot(b.now));
    b.pass(50);
    assert!(b.channel.poll_snapshot(b.now));
    // It fails, and a person says that the server is in order now.
    b.channel.on_snapshot_failed(b.now);
    assert!(!b.channel.poll_snapshot(b.now));
    b.channel.hurry_snapshot();
    assert!(b.channel.poll_snapshot(b.now));
}

#[test]
fn with_a_re_request_server_alone_the_session_comes_again_from_its_start() {
    for is_gap_open in [false, true] {
        let mut b = Bench::with_servers(1);
        b.data(A, 1, 5);
        if is_gap_open {
            b.data(A, 6, 7);
        }
        let end = if is_gap_open { 7 } else { 5 };
        assert_eq!(b.resync(), said(0, 0, &[Doubted, NewSession, Recovering { from: 1, to: end }]));
        assert_eq!(b.data(A, end, end + 2), [], "what the lines bring meanwhile waits");
        assert_eq!(b.pass(1), []);
        assert_eq!(b.request(), Some((0, 1, (end - 1) as u16)));
        assert_eq!(b.data(REREQUEST, 1, end), said(1, end + 2, &[Synced { next: end + 2 }]));
        let s = b.channel.stats();
        let opened = 1 + u64::from(is_gap_open);
        assert_eq!((s.gaps_opened, s.gaps_bridged, s.gaps_filled), (opened, opened - 1, 1));
    }
}

#[test]
fn a_loss_is_made_good_when_the_servers_are_back() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 2);
    b.data(A, 3, 4);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.extend(b.pass(1_000));
        b.request();
    }
    assert!(statuses.contains(&Said::Status(Lost { from: 2, to: 3 })), "{statuses:?}");
    b.resync();
    b.pass(1);
    assert_eq!(b.request(), Some((0, 1, 3)), "tries anew, from a server that was taken for dead");
    assert!(b.pass(1_000).iter().all(|s| *s != Said::Status(Lost { from: 1, to: 4 })), "with all its tries");
    b.request();
    b.data(B, 4, 5);
    assert_eq!(b.data(REREQUEST, 1, 4), said(1, 5, &[Synced { next: 5 }]));
}

#[test]
fn nothing_can_be_brought_without_a_server_and_nothing_is_voided_before_or_behind_a_session() {
    let mut b = Bench::with_servers(0);
    assert!(!b.channel.can_resync());
    b.data(A, 1, 5);
    assert_eq!(b.resync(), []);
    assert!(b.channel.is_synced());
    let mut b = Bench::with_servers(1);
    assert_eq!(b.resync(), []);
    b.data(A, 1, 5);
    b.feed(A, &end_of_session(SESSION, 5));
    assert!(b.channel.is_over());
    assert_eq!(b.resync(), []);
}
