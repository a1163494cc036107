//! Each pitfall of MoldUDP64 reception, one test.

use model::FeedStatus::{self, EndOfSession, Heartbeat, Lost, NewSession, Recovering, Silent, Synced};
use model::Nanos;

mod disputes;
mod only;
mod resync;
mod snapshots;

use super::{Channel, ChannelConfig, REREQUEST, Sink, Taken, Transmit};
use crate::moldudp64::testing::{SESSION, end_of_session, heartbeat, packet};
use crate::moldudp64::{Request, Session};

const A: u8 = 0;
const B: u8 = 1;
const NEXT: Session = *b"000010059C";
const MS: u64 = 1_000_000;
/// A message that the sink cannot decode.
const UNDECODABLE: &[u8] = b"?";

/// What was said, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Message(u64, Vec<u8>),
    /// A message of a snapshot.
    State(Vec<u8>),
    Status(FeedStatus),
}

#[derive(Default)]
struct Log(Vec<Said>);

impl Sink for Log {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        self.0.push(Said::Message(seq, msg.to_vec()));
        if msg == UNDECODABLE { Taken::Undecodable } else { Taken::Whole }
    }
    fn snapshot(&mut self, msg: &[u8]) -> Taken {
        self.0.push(Said::State(msg.to_vec()));
        if msg == UNDECODABLE { Taken::Undecodable } else { Taken::Whole }
    }
    fn status(&mut self, status: FeedStatus) {
        self.0.push(Said::Status(status));
    }
}

/// A channel with its log and its clock.
struct Bench {
    channel: Channel,
    log: Log,
    now: Nanos,
}

impl Bench {
    fn new(config: ChannelConfig) -> Bench {
        Bench { channel: Channel::new(config), log: Log::default(), now: Nanos(MS) }
    }

    fn with_servers(servers: usize) -> Bench {
        Bench::new(ChannelConfig { servers, request_retries: 1, ..ChannelConfig::default() })
    }

    fn feed(&mut self, line: u8, bytes: &[u8]) -> Vec<Said> {
        self.channel.on_datagram(self.now, line, bytes, &mut self.log);
        std::mem::take(&mut self.log.0)
    }

    /// A data packet of messages whose bytes tell their sequence.
    fn data(&mut self, line: u8, from: u64, to: u64) -> Vec<Said> {
        self.feed(line, &data(SESSION, from, to))
    }

    fn pass(&mut self, ms: u64) -> Vec<Said> {
        self.now = Nanos(self.now.0 + ms * MS);
        self.channel.on_timeout(self.now, &mut self.log);
        std::mem::take(&mut self.log.0)
    }

    fn request(&mut self) -> Option<(usize, u64, u16)> {
        self.channel.poll_transmit(self.now).map(|Transmit { server, bytes }| {
            let r = Request::parse(&bytes).unwrap();
            assert_eq!(Some(r.session), self.channel.session());
            (server, r.sequence, r.count)
        })
    }
}

fn body(seq: u64) -> Vec<u8> {
    format!("m{seq}").into_bytes()
}

fn data(session: Session, from: u64, to: u64) -> Vec<u8> {
    packet(session, from, &(from..to).map(body).collect::<Vec<_>>())
}

/// Messages `[from, to)` delivered, then these statuses.
fn said(from: u64, to: u64, statuses: &[FeedStatus]) -> Vec<Said> {
    let messages = (from..to).map(|seq| Said::Message(seq, body(seq)));
    messages.chain(statuses.iter().copied().map(Said::Status)).collect()
}

#[test]
fn in_order_messages_go_through_once_whatever_line_is_first() {
    let mut b = Bench::with_servers(0);
    assert_eq!(b.data(A, 1, 4), said(1, 4, &[Synced { next: 4 }]));
    assert_eq!(b.data(B, 1, 4), said(0, 0, &[]));
    assert_eq!(b.data(B, 4, 6), said(4, 6, &[]));
    assert_eq!(b.data(A, 4, 6), said(0, 0, &[]));
    let stats = b.channel.stats();
    assert_eq!((stats.lines[0].won, stats.lines[0].duplicates), (3, 2));
    assert_eq!((stats.lines[1].won, stats.lines[1].duplicates), (2, 3));
    assert_eq!((stats.lines[0].packets, stats.lines[1].last_heard), (2, Nanos(MS)));
    assert_eq!((stats.delivered, stats.gaps_opened), (5, 0));
}

#[test]
fn lines_may_cut_the_stream_differently() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 4);
    assert_eq!(b.data(B, 2, 6), said(4, 6, &[]), "the new half of a packet that is partly old");
    assert_eq!(b.data(A, 4, 9), said(6, 9, &[]));
    assert_eq!(b.channel.stats().lines[0].duplicates, 2);
}

#[test]
fn one_packet_may_be_old_missing_held_and_new() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 5);
    b.data(A, 7, 9);
    b.data(A, 11, 12);
    // 3 and 4 are old, 5 and 6 were missing, 7 and 8 are held, 9 is new, 10 still misses and 11 is held.
    assert_eq!(b.data(B, 3, 10), said(5, 10, &[Recovering { from: 10, to: 11 }]));
    b.pass(1);
    assert_eq!(b.request(), Some((0, 10, 1)));
    // The answer brings more than was asked for, old and held again.
    assert_eq!(b.data(REREQUEST, 8, 13), said(10, 13, &[Synced { next: 13 }]));
    let stats = b.channel.stats();
    assert_eq!((stats.lines[1].won, stats.lines[1].duplicates), (3, 4));
    assert_eq!((stats.answers.won, stats.answers.duplicates), (2, 3));
    assert_eq!((stats.delivered, stats.gaps_opened, stats.gaps_filled), (12, 2, 2));
}

#[test]
fn the_other_line_fills_a_gap_without_a_request() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    assert_eq!(b.data(A, 5, 7), said(0, 0, &[Recovering { from: 3, to: 5 }]));
    assert_eq!(b.channel.stats().buffered, 2);
    assert_eq!(b.request(), None, "the other line has its chance first");
    assert_eq!(b.data(B, 1, 6), said(3, 7, &[Synced { next: 7 }]));
    assert_eq!(b.pass(100), []);
    assert_eq!(b.request(), None);
    let stats = b.channel.stats();
    assert_eq!((stats.gaps_opened, stats.gaps_filled, stats.gaps_lost, stats.buffered), (1, 1, 0, 0));
}

#[test]
fn reordering_within_a_line_is_put_right() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 2);
    b.data(A, 6, 7);
    assert_eq!(b.data(A, 4, 5), [], "inside what is reported missing already");
    assert_eq!(b.data(A, 2, 3), said(2, 3, &[]));
    assert_eq!(b.data(A, 3, 4), said(3, 5, &[]));
    assert_eq!(b.data(A, 5, 6), said(5, 7, &[Synced { next: 7 }]));
    assert_eq!(b.channel.stats().gaps_filled, 1);
}

#[test]
fn a_heartbeat_reveals_a_lost_tail() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    assert_eq!(b.feed(A, &heartbeat(SESSION, 5)), said(0, 0, &[Recovering { from: 3, to: 5 }, Heartbeat]));
    assert_eq!(b.pass(1), []);
    assert_eq!(b.request(), Some((0, 3, 2)));
    assert_eq!(b.data(REREQUEST, 3, 5), said(3, 5, &[Synced { next: 5 }]));
    assert_eq!(b.channel.stats().answers.won, 2);
}

#[test]
fn heartbeats_are_told_once_a_second() {
    let mut b = Bench::with_servers(0);
    assert_eq!(b.feed(A, &heartbeat(SESSION, 1)), said(0, 0, &[Synced { next: 1 }, Heartbeat]));
    assert_eq!(b.feed(B, &heartbeat(SESSION, 1)), []);
    b.pass(999);
    assert_eq!(b.feed(A, &heartbeat(SESSION, 1)), []);
    b.pass(1);
    assert_eq!(b.feed(A, &heartbeat(SESSION, 1)), said(0, 0, &[Heartbeat]));
}

#[test]
fn end_of_session_is_told_once_and_only_after_its_tail() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    let mut end = end_of_session(SESSION, 5);
    end.extend_from_slice(&[0; 512]); // 0xFFFF is not a count of blocks
    assert_eq!(b.feed(A, &end), said(0, 0, &[Recovering { from: 3, to: 5 }]));
    b.pass(1);
    assert_eq!(b.request(), Some((0, 3, 2)), "re-requests still work");
    assert_eq!(b.data(REREQUEST, 3, 5), said(3, 5, &[Synced { next: 5 }, EndOfSession]));
    assert!(b.channel.is_over());
    assert_eq!(b.feed(B, &end), []);
    assert_eq!(b.data(B, 4, 5), []);
    assert_eq!(b.data(B, 5, 6), [], "nothing follows the end");
    assert_eq!(b.channel.stats().rejected.after_end, 1);
    assert_eq!(b.pass(60_000), [], "a session that is over is not silent");
    assert_eq!(b.channel.next_timeout(), None);
}

#[test]
fn an_end_that_cannot_be_reached_is_reached_by_losing_the_tail() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 3);
    b.feed(A, &end_of_session(SESSION, 5));
    assert_eq!(b.pass(1), said(0, 0, &[Lost { from: 3, to: 5 }, EndOfSession]));
}

#[test]
fn a_late_joiner_asks_for_everything_before() {
    let mut b = Bench::new(ChannelConfig {
        servers: 1,
        request_max_messages: 10,
        reorder_window: 4,
        ..Default::default()
    });
    assert_eq!(b.data(A, 101, 103), said(0, 0, &[Recovering { from: 1, to: 101 }]));
    b.pass(1);
    // What does not fit the window is dropped while it waits, and asked for when its turn comes.
    assert_eq!(b.data(A, 103, 120), []);
    assert_eq!(b.channel.stats().not_held, 15);
    let mut seq = 1;
    let mut asked = Vec::new();
    let mut last = Vec::new();
    while let Some((0, from, count)) = b.request() {
        assert_eq!(from, seq);
        asked.push(count);
        let answered = u64::from(count).min(7); // as much as fits one datagram
        last = b.data(REREQUEST, from, from + answered);
        seq = b.channel.expected();
        if b.channel.next_timeout().is_some_and(|t| t <= b.now) {
            b.pass(0);
        }
        if !b.channel.is_synced() {
            b.pass(1);
        }
    }
    assert_eq!(b.channel.expected(), 120);
    assert_eq!(last.last(), Some(&Said::Status(Synced { next: 120 })));
    assert!(asked.iter().all(|c| *c <= 10) && asked[0] == 10);
    assert_eq!(b.channel.stats().messages_lost, 0);
}

#[test]
fn a_late_join_without_a_server_loses_what_was_before() {
    let mut b = Bench::with_servers(0);
    b.data(A, 101, 103);
    assert_eq!(b.pass(1), [&said(0, 0, &[Lost { from: 1, to: 101 }])[..], &said(101, 103, &[])].concat());
    assert_eq!(b.data(A, 103, 104), said(103, 104, &[]));
    assert!(!b.channel.is_synced(), "a book without its start is never whole");
}

#[test]
fn servers_take_turns_and_then_the_gap_is_lost() {
    let mut b = Bench::with_servers(2);
    b.data(A, 1, 3);
    b.data(A, 5, 6);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 3, 2)));
    assert_eq!(b.request(), None);
    b.pass(19);
    assert_eq!(b.request(), None, "one request at a time");
    b.pass(1);
    assert_eq!(b.request(), Some((1, 3, 2)));
    assert_eq!(b.pass(39), []);
    assert_eq!(b.pass(1), [&said(0, 0, &[Lost { from: 3, to: 5 }])[..], &said(5, 6, &[])].concat());
    assert_eq!(b.data(REREQUEST, 3, 5), [], "what is lost stays lost");
    assert_eq!(b.data(A, 8, 9), said(0, 0, &[Recovering { from: 6, to: 8 }]));
    assert_eq!(b.data(B, 6, 8), said(6, 9, &[]), "no Synced in a session that lost a message");
    let stats = b.channel.stats();
    assert_eq!((stats.requests, stats.request_timeouts, stats.messages_lost), (2, 2, 2));
    assert_eq!((stats.gaps_opened, stats.gaps_filled, stats.gaps_lost), (2, 1, 1));
}

#[test]
fn only_an_answer_that_brings_something_revives_a_dead_server() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    b.data(A, 4, 5);
    for ms in [1, 20, 40] {
        b.pass(ms);
        b.request();
    }
    assert_eq!(b.channel.stats().messages_lost, 1);
    b.data(REREQUEST, 3, 4); // too late
    b.data(A, 6, 7);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 5, 1)));
    assert_eq!(b.pass(20)[..1], said(0, 0, &[Lost { from: 5, to: 6 }]), "one try");
    b.data(A, 9, 10);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 7, 2)));
    b.data(REREQUEST, 7, 8);
    assert_eq!(b.request(), Some((0, 8, 1)), "the rest is asked for at once");
    assert_eq!(b.pass(20), [], "all tries again");
    assert_eq!(b.request(), Some((0, 8, 1)));
}

#[test]
fn a_line_number_never_collides_with_the_servers() {
    let mut b = Bench::new(ChannelConfig { lines: 1_000, ..ChannelConfig::default() });
    assert_eq!(b.channel.stats().lines.len(), usize::from(REREQUEST));
    assert_eq!(b.data(REREQUEST, 1, 2), []);
    assert_eq!(b.data(REREQUEST - 1, 1, 2), said(1, 2, &[Synced { next: 2 }]));
}

#[test]
fn an_answer_may_overlap_what_came_live_meanwhile() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    b.data(A, 7, 9);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 3, 4)));
    assert_eq!(b.data(B, 3, 5), said(3, 5, &[]));
    assert_eq!(b.request(), None, "progress by a line is not a reason to ask again");
    assert_eq!(b.data(REREQUEST, 2, 12), said(5, 12, &[Synced { next: 12 }]));
    assert_eq!(b.data(A, 9, 12), []);
    assert_eq!(b.request(), None);
}

#[test]
fn a_full_window_that_no_server_can_help_is_given_up_at_once() {
    let mut b = Bench::new(ChannelConfig { reorder_window: 4, ..ChannelConfig::default() });
    b.data(A, 1, 3);
    b.data(A, 5, 9);
    assert_eq!(b.data(A, 9, 11), [&said(0, 0, &[Lost { from: 3, to: 5 }])[..], &said(5, 11, &[])].concat());
    // One packet that opens a gap and cannot be held itself.
    let far = packet(SESSION, 13, &[vec![b'x'; 65]]);
    let said_now = b.feed(A, &far);
    let want = [Said::Status(Recovering { from: 11, to: 14 }), Said::Status(Lost { from: 11, to: 13 })];
    assert_eq!(said_now[..2], want);
    assert_eq!(b.channel.expected(), 14);
    assert_eq!(b.channel.stats().buffered_max, 4);
}

#[test]
fn a_message_too_long_to_be_held_is_asked_for() {
    let mut b = Bench::with_servers(1);
    let long = vec![b'x'; 1_000];
    b.data(A, 1, 3);
    assert_eq!(b.feed(A, &packet(SESSION, 4, &[&long])), said(0, 0, &[Recovering { from: 3, to: 5 }]));
    b.pass(1);
    assert_eq!(b.request(), Some((0, 3, 2)));
    let got = b.feed(REREQUEST, &packet(SESSION, 3, &[body(3), long.clone()]));
    assert_eq!(got[1..], [Said::Message(4, long), Said::Status(Synced { next: 5 })]);
}

#[test]
fn a_truncated_packet_leaves_a_gap() {
    let mut b = Bench::with_servers(1);
    let bytes = data(SESSION, 1, 4);
    let cut = b.feed(A, &bytes[..bytes.len() - 1]);
    assert_eq!(cut, said(1, 3, &[Recovering { from: 3, to: 4 }]));
    assert_eq!(b.data(B, 3, 4), said(3, 4, &[Synced { next: 4 }]));
    let bytes = data(SESSION, 4, 6); // the same once everything is steady
    assert_eq!(b.feed(A, &bytes[..bytes.len() - 1]), said(4, 5, &[Recovering { from: 5, to: 6 }]));
    assert_eq!(b.channel.stats().truncated, 2);
}

#[test]
fn an_answer_that_is_cut_or_lies_reveals_nothing() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    let bytes = data(SESSION, 3, 9);
    assert_eq!(b.feed(REREQUEST, &bytes[..20]), [], "our own request sent back");
    assert_eq!(b.feed(REREQUEST, &heartbeat(SESSION, 900)), []);
    assert_eq!(b.feed(REREQUEST, &end_of_session(SESSION, 3)), []);
    assert_eq!(b.feed(REREQUEST, &data(NEXT, 1, 3)), [], "a server does not start a session");
    assert_eq!(b.channel.stats().rejected.answer, 3);
    assert_eq!(b.channel.stats().gaps_opened, 0);
    assert_eq!(Bench::with_servers(1).data(REREQUEST, 1, 3), [], "nor the first one");
}

#[test]
fn empty_blocks_are_messages() {
    let mut b = Bench::with_servers(0);
    let got = b.feed(A, &packet(SESSION, 1, &[&b""[..], b"x", b""]));
    assert_eq!(got[..3].iter().filter(|s| matches!(s, Said::Message(..))).count(), 3);
    b.feed(A, &packet(SESSION, 5, &[b""]));
    let got = b.feed(B, &packet(SESSION, 4, &[b""]));
    assert_eq!(got[..2], [Said::Message(4, vec![]), Said::Message(5, vec![])]);
}

#[test]
fn a_wiped_header_is_refused_and_counted() {
    let mut b = Bench::with_servers(0);
    assert_eq!(b.feed(A, &data([0; 10], 0, 3)), []);
    assert_eq!(b.feed(A, &data([0; 10], 1, 3)), []);
    assert_eq!(b.feed(A, &data(SESSION, 0, 3)), []);
    assert_eq!(b.channel.session(), None);
    b.data(A, 1, 3);
    assert_eq!(b.feed(A, &data([0; 10], 3, 4)), []);
    assert_eq!(b.feed(A, &data(SESSION, 0, 1)), []);
    assert_eq!(b.channel.stats().rejected.zeroed, 5);
    assert_eq!(b.channel.expected(), 3);
}

#[test]
fn rubbish_is_counted_by_reason() {
    let mut b = Bench::with_servers(0);
    b.feed(A, &[0; 19]);
    b.feed(REREQUEST, &[]);
    b.feed(2, &data(SESSION, 1, 2));
    b.feed(A, &packet(SESSION, u64::MAX, &[b"x"]));
    let r = b.channel.stats().rejected;
    assert_eq!((r.short, r.line, r.overflow, r.total()), (2, 1, 1, 4));
    assert_eq!(b.channel.session(), None);
}

#[test]
fn sequences_at_the_end_of_u64() {
    let max = u64::MAX;
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 2);
    assert_eq!(b.data(A, max - 2, max), said(0, 0, &[Recovering { from: 2, to: max - 2 }]));
    b.pass(1);
    assert_eq!(b.request(), Some((0, 2, 1_000)));
    b.pass(20);
    b.request();
    let lost = b.pass(40);
    assert_eq!(lost, [&said(0, 0, &[Lost { from: 2, to: max - 2 }])[..], &said(max - 2, max, &[])].concat());
    assert_eq!(b.channel.expected(), max);
    assert_eq!(b.feed(A, &heartbeat(SESSION, max)), said(0, 0, &[Heartbeat]));
    assert_eq!(b.feed(A, &end_of_session(SESSION, max)), said(0, 0, &[EndOfSession]));
}

#[test]
fn a_new_session_after_the_end_voids_the_old_one_whose_packets_are_dropped() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    b.data(A, 5, 6);
    b.feed(A, &end_of_session(SESSION, 6));
    let got = b.feed(A, &data(NEXT, 1, 3));
    let want = [
        said(0, 0, &[Lost { from: 3, to: 5 }]),
        said(5, 6, &[NewSession]),
        said(1, 3, &[Synced { next: 3 }]),
    ];
    assert_eq!(got, want.concat());
    assert_eq!(b.data(B, 6, 9), [], "the other line is behind");
    assert_eq!(b.feed(B, &end_of_session(SESSION, 6)), [], "and ends a session that nobody follows");
    assert_eq!(b.data(REREQUEST, 3, 5), []);
    assert_eq!((b.pass(100), b.request()), (vec![], None));
    let stats = b.channel.stats();
    assert_eq!((stats.rejected.old_session, stats.rejected.answer, stats.new_sessions), (2, 1, 1));
    assert_eq!((stats.gaps_opened, stats.gaps_lost, stats.messages_lost), (1, 1, 2));
    // When that one has ended too, the first is still the first one's late packets.
    b.feed(A, &end_of_session(NEXT, 3));
    assert_eq!(b.data(B, 1, 3), []);
    assert_eq!(b.channel.session(), Some(NEXT));
}

#[test]
fn a_venue_that_comes_back_under_another_name_is_followed_once_the_old_one_is_silent() {
    let mut b = Bench::with_servers(0);
    b.data(A, 1, 3);
    b.pass(4_999);
    assert_eq!(b.feed(A, &data(NEXT, 1, 3)), [], "the old one may go on");
    assert_eq!(
        b.pass(1),
        said(0, 0, &[Silent]),
        "a packet of another session is no sign of life of this one"
    );
    let got = b.feed(A, &data(NEXT, 1, 5));
    assert_eq!(got, [said(0, 0, &[NewSession]), said(1, 5, &[Synced { next: 5 }])].concat());
    assert_eq!(b.data(B, 3, 5), []);
    let rejected = b.channel.stats().rejected;
    assert_eq!((rejected.other_session, rejected.old_session), (1, 1));
}

#[test]
fn packets_of_another_session_do_not_disturb_one_that_is_heard() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    b.data(A, 5, 6);
    // Any number of them, on any line, of any kind, while a gap is open and while none is.
    for round in 0..2 {
        for line in [A, B] {
            assert_eq!(b.feed(line, &data(NEXT, 1, 9)), []);
            assert_eq!(b.feed(line, &data(NEXT, 9, 12)), []);
            assert_eq!(b.feed(line, &heartbeat(*b"STRAY     ", 1)), []);
            assert_eq!(b.feed(line, &end_of_session(NEXT, 12)), []);
        }
        match round {
            0 => assert_eq!(b.data(B, 3, 5), said(3, 6, &[Synced { next: 6 }])),
            _ => assert_eq!(b.data(B, 6, 7), said(6, 7, &[])),
        }
        b.pass(4_000);
    }
    let stats = b.channel.stats();
    assert_eq!((stats.rejected.other_session, stats.new_sessions, stats.messages_lost), (16, 0, 0));
    assert!(b.channel.is_synced());
}

#[test]
fn a_stray_session_does_not_shut_out_the_real_one_for_good() {
    let mut b = Bench::with_servers(0);
    b.feed(B, &heartbeat(*b"STRAY     ", 1));
    assert_eq!(b.data(A, 3, 4), [], "the first to be heard is followed");
    assert_eq!(b.pass(5_000), said(0, 0, &[Silent]));
    let got = b.data(A, 4, 5);
    assert_eq!(got, said(0, 0, &[NewSession, Recovering { from: 1, to: 4 }]));
    // And where a stray one came into a silence.
    b.pass(5_000);
    b.feed(B, &heartbeat(*b"STRAY     ", 1));
    assert_eq!(b.data(A, 5, 6), []);
    b.pass(5_000);
    assert_eq!(b.data(A, 6, 7)[0], Said::Status(NewSession));
    assert_eq!(b.channel.session(), Some(SESSION));
}

#[test]
fn a_message_that_cannot_be_decoded_is_lost_where_it_stands() {
    let lost = |seq: u64| {
        let message = Said::Message(seq, UNDECODABLE.to_vec());
        vec![message, Said::Status(Lost { from: seq, to: seq + 1 })]
    };
    // In the packet that begins a session, in a later one, and behind a gap: Synced is never said again.
    let mut b = Bench::with_servers(1);
    let first = packet(SESSION, 1, &[body(1), UNDECODABLE.to_vec(), body(3)]);
    assert_eq!(b.feed(A, &first), [said(1, 2, &[]), lost(2), said(3, 4, &[])].concat());
    assert_eq!(b.data(B, 2, 6), said(4, 6, &[]));
    assert!(!b.channel.is_synced());

    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    assert!(b.channel.is_synced());
    let steady = packet(SESSION, 3, &[UNDECODABLE.to_vec(), body(4)]);
    assert_eq!(b.feed(A, &steady), [lost(3), said(4, 5, &[])].concat());
    assert!(!b.channel.is_synced());
    assert_eq!(b.data(A, 6, 7), said(0, 0, &[Recovering { from: 5, to: 6 }]));
    assert_eq!(b.data(B, 5, 6), said(5, 7, &[]), "the gap is filled, the loss is not");
    assert_eq!(b.pass(5_000), said(0, 0, &[Silent]));
    assert_eq!(b.feed(A, &heartbeat(SESSION, 7)), said(0, 0, &[Heartbeat]));
    // One that follows adds nothing to what is known, and is counted.
    assert_eq!(b.feed(A, &packet(SESSION, 7, &[UNDECODABLE])).len(), 1);
    let stats = b.channel.stats();
    assert_eq!((stats.undecodable, stats.messages_lost, stats.delivered), (2, 0, 7));
    assert_eq!((stats.gaps_opened, stats.gaps_filled, stats.gaps_lost), (1, 1, 0));

    let mut b = Bench::with_servers(1);
    b.data(A, 1, 3);
    b.feed(A, &packet(SESSION, 4, &[UNDECODABLE.to_vec(), body(5)]));
    assert_eq!(b.data(B, 3, 4), [said(3, 4, &[]), lost(4), said(5, 6, &[])].concat());
    b.feed(A, &end_of_session(SESSION, 6));
    let got = b.feed(A, &data(NEXT, 1, 2));
    assert_eq!(got, [said(0, 0, &[NewSession]), said(1, 2, &[Synced { next: 2 }])].concat());
}

#[test]
fn silence_is_told_once_and_ends_with_synced() {
    let mut b = Bench::with_servers(0);
    assert_eq!(b.channel.next_timeout(), Some(Nanos::ZERO), "the clock is not told yet");
    assert_eq!(b.pass(0), []);
    assert_eq!(b.channel.next_timeout(), Some(Nanos(b.now.0 + 5_000 * MS)));
    assert_eq!(b.pass(5_000), said(0, 0, &[Silent]));
    assert_eq!((b.pass(5_000), b.channel.next_timeout()), (vec![], None));
    assert_eq!(b.data(A, 1, 2), said(1, 2, &[Synced { next: 2 }]));
    b.pass(4_999);
    b.data(B, 1, 2); // the newest message is a sign of life the second time too
    assert_eq!(b.pass(4_999), []);
    assert_eq!(b.pass(1), said(0, 0, &[Silent]));
    assert!(!b.channel.is_synced());
    assert_eq!(b.feed(B, &heartbeat(SESSION, 2)), said(0, 0, &[Synced { next: 2 }, Heartbeat]));
    // A line that repeats what is long past, be it before or after the feed fell silent, does not say how things are.
    b.data(A, 2, 4);
    b.pass(3_000);
    b.data(B, 1, 2);
    assert_eq!(b.channel.heard(), Some(Nanos(b.now.0 - 3_000 * MS)));
    assert_eq!(b.pass(2_000), said(0, 0, &[Silent]));
    assert_eq!(b.data(B, 1, 2), []);
    assert!(!b.channel.is_synced());
    assert_eq!(b.data(B, 3, 4), said(0, 0, &[Synced { next: 4 }]));
}

#[test]
fn a_later_hole_waits_from_when_it_was_seen() {
    let mut b = Bench::with_servers(1);
    b.data(A, 1, 2);
    b.data(A, 3, 4);
    b.data(A, 5, 6);
    b.pass(1);
    assert_eq!(b.request(), Some((0, 2, 1)));
    assert_eq!(b.data(REREQUEST, 2, 3), said(2, 4, &[Recovering { from: 4, to: 5 }]));
    assert_eq!(b.channel.next_timeout(), Some(b.now), "it was seen long enough ago");
    b.pass(0);
    assert_eq!(b.request(), Some((0, 4, 1)));
}
