//! Reconnects, replays, lost bytes and full sinks against a scripted venue, in virtual time.

mod support;

use gateways::codec::DecodeError;
use gateways::gateway::{
    Barrier, Notice, OrderGateway, OuchGateway, ProtocolError, SINK_BURST, SessionMemory, Unsent,
};
use gateways::order::EncodeError;
use gateways::soupbintcp::SessionName;
use model::{Nanos, ReportKind, SessionEvent, Symbol, Token};
use support::venue::{Venue, accepted, canceled, next_token};
use support::{MS, Sink, buy, cancel, flush, gateway, packet, receive};

/// The line was quiet, and that was all.
const NOT_PROVEN: SessionEvent = SessionEvent::Ready { next_token: Token(0), proven: false };

/// A gateway and a venue with a wire between them, in virtual time.
struct Pair {
    g: OuchGateway,
    venue: Venue,
    sink: Sink,
    now: Nanos,
}

impl Pair {
    fn new() -> Pair {
        Pair { g: gateway(|_| {}), venue: Venue::new("S1"), sink: Sink::default(), now: Nanos(5_000 * MS) }
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Nanos::from_millis(ms));
        self.g.on_timeout(self.now, &mut self.sink).unwrap();
    }

    /// Carries bytes both ways until nothing moves.
    fn exchange(&mut self) {
        loop {
            let to_venue = flush(&mut self.g);
            let from_venue = self.venue.on_bytes(&to_venue);
            if to_venue.is_empty() && from_venue.is_empty() {
                return;
            }
            receive(&mut self.g, self.now, &from_venue, 1460, &mut self.sink).unwrap();
        }
    }

    fn connect(&mut self) {
        self.g.on_connected(self.now);
        self.exchange();
    }

    fn disconnect(&mut self) {
        self.venue.disconnect();
        self.g.on_disconnected(self.now, &mut self.sink);
    }

    /// Connected, and ready by the first login's quiet spell.
    fn ready() -> Pair {
        let mut p = Pair::new();
        p.connect();
        p.pass(100);
        assert!(p.g.is_ready());
        p
    }

    fn seqs(&self) -> Vec<u64> {
        self.sink.reports().iter().map(|r| r.seq).collect()
    }
}

#[test]
fn orders_flow_once_the_session_is_ready() {
    let mut p = Pair::new();
    p.connect();
    assert_eq!(p.sink.events(), [SessionEvent::LoggedIn]);
    assert_eq!(p.g.encode(p.now, &buy(1)), Err(EncodeError::NotReady));
    p.g.encode(p.now, &cancel(1)).expect("a cancel needs the login only");
    p.exchange();
    assert_eq!(p.g.next_timeout(), Some(p.now.after(Nanos::from_millis(100))));
    p.pass(100);
    assert_eq!(
        p.sink.events(),
        [SessionEvent::LoggedIn, SessionEvent::Ready { next_token: Token(1), proven: false }]
    );
    p.g.encode(p.now, &buy(2)).unwrap();
    p.exchange();
    let last = *p.sink.reports().last().unwrap();
    assert!(matches!(last.kind, ReportKind::Accepted { instrument: Some(i), .. } if i.0 == 0));
    assert_eq!((last.token, last.seq, last.gateway), (Token(2), 3, support::GATEWAY));
    assert_eq!(p.g.highest_token_seen(), Token(2));
    assert_eq!(p.g.counters().commands, 2);
}

#[test]
fn a_restarted_process_is_not_ready_at_its_predecessors_answer() {
    let mut p = Pair::new();
    p.venue.generate(next_token(1));
    for t in 1..=3 {
        p.venue.generate(accepted(t));
    }
    p.venue.last_token = 3;
    p.g.on_connected(p.now);
    let replay = p.venue.on_bytes(&flush(&mut p.g));
    // The old answer comes, then the rest a little later.
    let cut = replay.len() - 3 * (accepted(1).len() + 3);
    receive(&mut p.g, p.now, &replay[..cut], 99, &mut p.sink).unwrap();
    p.pass(99);
    assert!(!p.g.is_ready());
    receive(&mut p.g, p.now, &replay[cut..cut + 1], 99, &mut p.sink).unwrap();
    p.pass(5_000);
    assert!(!p.g.is_ready(), "a part of a message waits: that is not quiet");
    receive(&mut p.g, p.now, &replay[cut + 1..], 99, &mut p.sink).unwrap();
    p.exchange();
    p.pass(100);
    assert_eq!(p.sink.ready(), Some(Token(4)));
    assert_eq!(p.seqs(), [2, 3, 4], "all before it was ready");
    let used = EncodeError::TokenUsed { token: Token(3), last: Token(3) };
    assert_eq!(p.g.encode(p.now, &buy(3)), Err(used), "the venue would ignore it silently");
    p.g.encode(p.now, &buy(4)).unwrap();
}

#[test]
fn a_reconnect_is_ready_as_soon_as_the_query_is_answered() {
    let mut p = Pair::ready();
    p.g.encode(p.now, &buy(1)).unwrap();
    p.exchange();
    p.disconnect();
    p.venue.generate(canceled(1));
    p.connect();
    assert_eq!(p.sink.ready(), Some(Token(2)), "without waiting for quiet");
    assert!(p.g.is_ready());
    assert_eq!(p.seqs(), [2, 3], "the cancel in between was repeated, nothing else");
    let order = p.sink.all.len();
    assert!(
        matches!(p.sink.all[order - 2], support::Seen::Report(r) if r.seq == 3),
        "ready comes behind the replay"
    );
}

#[test]
fn a_server_that_repeats_more_than_was_asked_proves_nothing_with_an_old_answer() {
    let mut p = Pair::ready();
    p.disconnect();
    p.g.on_connected(p.now);
    flush(&mut p.g);
    let mut stream = support::venue::login_accepted("S1", 1);
    stream.extend(packet(b'S', &next_token(1)));
    receive(&mut p.g, p.now, &stream, 99, &mut p.sink).unwrap();
    assert_eq!(flush(&mut p.g), b"\0\x02UQ");
    assert!(!p.g.is_ready(), "that answer was seen before");
    receive(&mut p.g, p.now, &packet(b'S', &accepted(1)), 99, &mut p.sink).unwrap();
    receive(&mut p.g, p.now, &packet(b'S', &next_token(2)), 99, &mut p.sink).unwrap();
    p.pass(100);
    assert_eq!(p.sink.ready(), Some(Token(2)));
}

#[test]
fn a_stream_cut_at_every_byte_is_received_exactly_once() {
    let mut tried = 0;
    for cut in 0.. {
        let mut p = Pair::ready();
        let mut from_venue = Vec::new();
        for t in 1..=4 {
            p.g.encode(p.now, &buy(t)).unwrap();
            p.g.encode(p.now, &cancel(t)).unwrap();
        }
        from_venue.extend(p.venue.on_bytes(&flush(&mut p.g)));
        if cut > from_venue.len() {
            break;
        }
        tried += 1;
        receive(&mut p.g, p.now, &from_venue[..cut], 64, &mut p.sink).unwrap();
        p.disconnect();
        p.connect();
        assert_eq!(p.seqs(), (2..=9).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(p.sink.ready(), Some(Token(5)), "cut at {cut}");
        assert_eq!(
            p.sink.events(),
            [
                SessionEvent::LoggedIn,
                SessionEvent::Ready { next_token: Token(1), proven: false },
                SessionEvent::Disconnected,
                SessionEvent::LoggedIn,
                SessionEvent::Ready { next_token: Token(5), proven: true },
            ]
        );
    }
    assert!(tried > 300);
}

#[test]
fn what_did_not_leave_is_told_and_never_resent() {
    let total = {
        let mut p = Pair::ready();
        (1..=4).for_each(|t| p.g.encode(p.now, &buy(t)).unwrap());
        p.g.transmit().len()
    };
    for left in 0..=total {
        let mut p = Pair::ready();
        (1..=4).for_each(|t| p.g.encode(p.now, &buy(t)).unwrap());
        let bytes = p.g.transmit()[..left].to_vec();
        p.g.transmitted(left);
        p.venue.on_bytes(&bytes);
        p.disconnect();
        assert!(p.g.transmit().is_empty());
        let unsent: Vec<Unsent> = p.g.unsent().collect();
        let arrived = p.venue.arrived.len() as u32;
        let want: Vec<Unsent> = (arrived + 1..=4).map(|t| Unsent { letter: b'O', token: Token(t) }).collect();
        assert_eq!(unsent, want, "{left} bytes left");
        p.connect();
        assert_eq!(p.venue.arrived.len() as u32, arrived, "nothing was sent again");
        assert_eq!(p.g.unsent().count(), 0);
        assert_eq!(p.sink.ready(), Some(Token(arrived + 1)));
        // Resending is the caller's to choose: the venue has not processed these, so they may go, with the same tokens.
        for t in arrived + 1..=4 {
            p.g.encode(p.now, &buy(t)).unwrap();
        }
        p.exchange();
        assert_eq!(p.venue.arrived, [1, 2, 3, 4]);
        assert_eq!(p.g.highest_token_seen(), Token(4));
    }
}

#[test]
fn a_venue_that_does_not_answer_queries_is_ready_after_patience_and_quiet() {
    let mut p = Pair::new();
    p.venue.answers_queries = false;
    p.connect();
    p.pass(1_999);
    assert!(!p.g.is_ready());
    p.pass(1);
    assert_eq!(p.sink.events().last(), Some(&NOT_PROVEN));
    p.g.encode(p.now, &buy(1)).unwrap();
}

#[test]
fn without_a_barrier_nothing_is_asked() {
    let mut p = Pair { g: gateway(|c| c.barrier = Barrier::None), ..Pair::new() };
    p.venue.generate(accepted(8));
    p.g.on_connected(p.now);
    let replay = p.venue.on_bytes(&flush(&mut p.g));
    receive(&mut p.g, p.now, &replay, 7, &mut p.sink).unwrap();
    assert!(p.g.transmit().is_empty());
    p.pass(100);
    assert_eq!(p.sink.events().last(), Some(&NOT_PROVEN));
    let used = EncodeError::TokenUsed { token: Token(8), last: Token(8) };
    assert_eq!(p.g.encode(p.now, &buy(8)), Err(used), "the replay told which tokens are used");
}

#[test]
fn a_sink_without_room_stops_the_consumption_and_loses_nothing() {
    let mut p = Pair { g: gateway(|c| c.receive_capacity = 4096), ..Pair::ready() };
    p.venue = Venue::new("S1");
    p.sink = Sink::default();
    p.connect();
    p.pass(100);
    let mut stream = Vec::new();
    for t in 1..=500 {
        stream.extend(packet(b'S', &accepted(t)));
    }
    p.sink.room = 3;
    let mut rest = &stream[..];
    let mut stalls = 0;
    loop {
        let space = p.g.recv_space();
        let n = space.len().min(rest.len()).min(777);
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        if n > 0 {
            p.g.on_received(p.now, n, &mut p.sink).unwrap();
        } else if p.sink.reports().len() == 500 {
            break;
        } else {
            stalls += 1;
            // A long stall of ours is not the server's silence; our own heartbeats go on.
            for _ in 0..20 {
                p.pass(1_000);
                assert_eq!(flush(&mut p.g), b"\0\x01R");
            }
            p.sink.room = 10;
            p.g.resume(p.now, &mut p.sink).unwrap();
            p.pass(0);
        }
    }
    assert!(stalls > 20, "{stalls}");
    assert_eq!(p.seqs(), (2..=501).collect::<Vec<_>>());
    p.sink.room = 1_000;
    let mut failed = false;
    for _ in 0..15 {
        p.now = p.now.after(Nanos::from_millis(1_000));
        failed = p.g.on_timeout(p.now, &mut p.sink) == Err(ProtocolError::Silent);
        flush(&mut p.g);
    }
    assert!(failed, "once caught up, silence counts again");
}

#[test]
fn packets_that_were_not_consumed_at_a_disconnect_come_again() {
    let mut p = Pair::ready();
    p.sink.room = SINK_BURST;
    for t in 1..=4 {
        p.g.encode(p.now, &buy(t)).unwrap();
    }
    let from_venue = p.venue.on_bytes(&flush(&mut p.g));
    receive(&mut p.g, p.now, &from_venue, 9999, &mut p.sink).unwrap();
    assert_eq!(p.seqs(), [2]);
    p.sink.room = 100;
    p.disconnect();
    p.connect();
    assert_eq!(p.seqs(), [2, 3, 4, 5]);
}

#[test]
fn ready_waits_for_room() {
    let mut p = Pair::new();
    p.connect();
    p.sink.room = SINK_BURST - 1;
    p.pass(200);
    assert!(!p.g.is_ready());
    p.sink.room = SINK_BURST;
    p.pass(0);
    assert!(p.g.is_ready());
}

#[test]
fn what_is_not_understood_is_told_counted_and_survived() {
    let mut p = Pair::ready();
    p.sink.all.clear();
    let mut foreign = accepted(9);
    foreign.truncate(62);
    foreign.extend(*b"\0\x03\x02\x1c\x05");
    let messages = [
        (b"?unknown".to_vec(), Notice::Undecodable { seq: 2, error: DecodeError::UnknownType(b'?') }),
        (Vec::new(), Notice::Undecodable { seq: 3, error: DecodeError::Empty }),
        (
            accepted(9)[..50].to_vec(),
            Notice::Undecodable { seq: 4, error: DecodeError::Short { kind: b'A', len: 50, least: 62 } },
        ),
        (foreign, Notice::Foreign { seq: 5 }),
    ];
    for (m, _) in &messages {
        receive(&mut p.g, p.now, &packet(b'S', m), 99, &mut p.sink).unwrap();
    }
    receive(&mut p.g, p.now, &packet(b'S', &accepted(1)), 99, &mut p.sink).unwrap();
    assert_eq!(p.sink.notices(), messages.map(|(_, n)| n));
    assert_eq!(p.seqs(), [6], "the count goes on, so that no reconnect loops on them");
    assert_eq!(p.g.highest_token_seen(), Token(1), "another channel's tokens are not ours");
    assert_eq!((p.g.counters().undecodable, p.g.counters().foreign), (3, 1));
}

#[test]
fn account_wide_requests_are_acknowledged_by_notices() {
    let mut p = Pair::ready();
    p.sink.all.clear();
    p.g.cancel_all(p.now, Token(5)).unwrap();
    p.g.switch_entry(p.now, Token(6), false).unwrap();
    p.g.switch_entry(p.now, Token(7), true).unwrap();
    assert_eq!(flush(&mut p.g).len(), 22 + 14 + 14);
    let stamped = |letter: u8, token: u32, rest: &[u8]| {
        let mut m = vec![letter, 0, 0, 0, 0, 0, 0, 0, 9];
        m.extend(token.to_be_bytes());
        m.extend(rest);
        packet(b'S', &m)
    };
    let mut stream = stamped(b'X', 5, b"FIRM        \0\0");
    stream.extend(stamped(b'G', 6, b"FIRM\0\0"));
    stream.extend(stamped(b'K', 7, b"FIRM\0\0"));
    receive(&mut p.g, p.now, &stream, 5, &mut p.sink).unwrap();
    let ts_event = Nanos(9);
    assert_eq!(
        p.sink.notices(),
        [
            Notice::MassCanceled { ts_event, token: Token(5), symbol: Symbol::BLANK },
            Notice::EntryDisabled { ts_event, token: Token(6) },
            Notice::EntryEnabled { ts_event, token: Token(7) },
        ]
    );
    assert_eq!(p.g.highest_token_seen(), Token(7));
}

#[test]
fn a_hostile_token_stops_orders_instead_of_wrapping() {
    for answer in [next_token(u32::MAX), accepted(u32::MAX)] {
        let mut p = Pair::ready();
        receive(&mut p.g, p.now, &packet(b'S', &answer), 99, &mut p.sink).unwrap();
        let refused = p.g.encode(p.now, &buy(5));
        assert!(matches!(refused, Err(EncodeError::TokenUsed { .. })), "{refused:?}");
    }
    let mut p = Pair::ready();
    receive(&mut p.g, p.now, &packet(b'S', &next_token(0)), 99, &mut p.sink).unwrap();
    p.g.encode(p.now, &buy(5)).unwrap();
}

/// A process before this one was in another session, by what it is told.
#[derive(Debug)]
struct Elsewhere(bool);

impl SessionMemory for Elsewhere {
    fn join(&mut self, now: Nanos, session: SessionName) -> bool {
        assert!(now.0 > 0 && !session.is_blank());
        self.0
    }
}

#[test]
fn what_an_earlier_process_heard_in_another_session_is_lost_to_this_one() {
    for elsewhere in [false, true] {
        let mut p = Pair::new();
        p.g = gateway(|_| {}).with_memory(Box::new(Elsewhere(elsewhere)));
        p.connect();
        let session = Notice::Session { continued: false, asked: 1, next: 1 };
        let lost = Notice::Lost { from: 0, to: 0 };
        let want = if elsewhere { vec![lost, session] } else { vec![session] };
        assert_eq!(p.sink.notices(), want);
        // What it heard itself to the end is not.
        p.disconnect();
        p.g.forget_session();
        p.venue = Venue::new("S2");
        p.sink.all.clear();
        p.connect();
        assert_eq!(p.sink.notices(), [session]);
    }
}

/// Some servers refuse a session by name for a moment, and then serve it to who does not name it, from its start: what was heard is not told twice.
#[test]
fn a_session_that_was_refused_and_is_served_after_all_goes_on() {
    let mut p = Pair::ready();
    for token in [1, 2] {
        p.g.encode(p.now, &buy(token)).unwrap();
    }
    p.exchange();
    p.disconnect();
    let before = p.seqs();
    assert_eq!(p.sink.reports().len(), 2);
    // Missed.
    p.venue.log.push(canceled(1));
    p.g.on_connected(p.now);
    flush(&mut p.g);
    receive(&mut p.g, p.now, &packet(b'J', b"S"), 9, &mut p.sink).unwrap();
    p.disconnect();
    p.g.forget_session();
    p.sink.all.clear();
    p.connect();
    let next = *before.last().unwrap() + 1;
    assert_eq!(p.sink.notices()[0], Notice::Session { continued: true, asked: 1, next: 1 });
    assert_eq!(p.seqs(), [next], "what was missed, and nothing twice");
    assert!(matches!(p.sink.reports()[0].kind, ReportKind::Canceled { .. }));
    assert_eq!(p.g.counters().repeated, next - 1);
    // Another session begins from its start.
    p.disconnect();
    p.g.forget_session();
    p.venue = Venue::new("S2");
    p.venue.log.push(accepted(1));
    p.sink.all.clear();
    p.connect();
    assert_eq!(p.sink.notices()[0], Notice::Session { continued: false, asked: 1, next: 1 });
    assert_eq!(p.seqs(), [1]);
}
