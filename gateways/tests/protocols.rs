//! The rules that every order entry protocol over SoupBinTCP keeps: one suite, one line each protocol (at the end).

mod support;

use gateways::codec::{DecodeError, SoupProtocol};
use gateways::gateway::{Notice, OrderGateway, ProtocolError, SoupGateway};
use gateways::order::{ClOrdId, EncodeError};
use model::{CommandKind, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Tif, Token};
use support::spoken::{Asked, Spoken, Venue};
use support::venue::login_accepted;
use support::{GATEWAY, MS, Sink, buy, cancel, command, config, flush, instruments, packet, receive};

const START: Nanos = Nanos(5_000 * MS);

fn at(ms: u64) -> Nanos {
    START.after(Nanos::from_millis(ms))
}

fn replace(old: u32, token: u32) -> OrderCommand {
    let (old, token, qty, px) = (Token(old), Token(token), Qty(100), Px(1_400_000));
    command(CommandKind::Replace { old, token, qty, px, tif: Tif::Day })
}

/// A gateway and a venue with a wire between them, in virtual time.
struct Pair<P> {
    g: SoupGateway<P>,
    venue: Venue<P>,
    sink: Sink,
    now: Nanos,
}

fn gateway<P: SoupProtocol>() -> SoupGateway<P> {
    let mut c = config();
    c.receive_capacity = 4096;
    c.transmit_capacity = 4096;
    SoupGateway::new(c, &instruments()).unwrap()
}

impl<P: Spoken> Pair<P> {
    fn new() -> Pair<P> {
        Pair { g: gateway(), venue: Venue::new(), sink: Sink::default(), now: START }
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
    fn ready() -> Pair<P> {
        let mut p = Pair::new();
        p.connect();
        p.pass(100);
        assert!(p.g.is_ready());
        p
    }

    fn send(&mut self, c: &OrderCommand) {
        self.g.encode(self.now, c).unwrap();
    }

    /// A message of the venue that is in no log.
    fn hear(&mut self, message: &[u8]) {
        receive(&mut self.g, self.now, &packet(b'S', message), 99, &mut self.sink).unwrap();
    }

    /// What was reported, but for stamps and numbers.
    fn kinds(&self) -> Vec<(u32, ReportKind)> {
        self.sink.reports().iter().map(|r| (r.token.0, r.kind)).collect()
    }
}

fn the_login_goes_out_at_once_and_nothing_before_it<P: Spoken>() {
    let mut g = gateway::<P>();
    assert!(g.transmit().is_empty() && g.next_timeout().is_none());
    assert_eq!(g.encode(START, &buy(1)), Err(EncodeError::NotReady));
    g.on_connected(START);
    assert_eq!(g.transmit(), b"\0\x2fLuser01secret                                 1");
    for c in [buy(1), cancel(1)] {
        assert_eq!(g.encode(START, &c), Err(EncodeError::NotReady));
    }
    assert_eq!(g.cancel_all(START, Token(1)), Err(EncodeError::NotReady));
}

fn orders_wait_for_the_replays_end_and_cancels_for_the_login<P: Spoken>() {
    let mut p = Pair::<P>::new();
    p.venue.generate(P::accepted(3, 100));
    p.connect();
    assert!(p.g.is_logged_in() && !p.g.is_ready());
    for c in [buy(4), replace(3, 4)] {
        assert_eq!(p.g.encode(p.now, &c), Err(EncodeError::NotReady));
    }
    p.send(&cancel(3));
    p.exchange();
    p.pass(99);
    assert!(!p.g.is_ready());
    p.pass(1);
    assert!(matches!(p.sink.events()[..], [SessionEvent::LoggedIn, SessionEvent::Ready { .. }]));
    let used = EncodeError::TokenUsed { token: Token(3), last: Token(3) };
    assert_eq!(p.g.encode(p.now, &buy(3)), Err(used), "the replay told which tokens are used");
    p.send(&buy(4));
    p.send(&replace(4, 5));
    p.exchange();
    assert_eq!(
        p.venue.asked,
        [
            Asked::Cancel { token: 3 },
            Asked::Enter { token: 4, qty: 100 },
            Asked::Replace { old: 4, token: 5, qty: 100 },
        ]
    );
    assert!(matches!(
        p.kinds()[..],
        [
            (3, ReportKind::Accepted { qty: Qty(100), side: Side::Buy, short: false, dead: false, .. }),
            (4, ReportKind::Accepted { px: Px(1_500_000), instrument: Some(_), .. }),
            (5, ReportKind::Replaced { old: Token(4), qty: Qty(100), dead: false, .. }),
        ]
    ));
    assert_eq!(p.g.highest_token_seen(), Token(5));
}

fn a_heartbeat_follows_a_second_without_sending_and_silence_is_the_end<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    assert_eq!(p.g.next_timeout(), Some(at(1_000)));
    p.pass(900);
    assert_eq!(flush(&mut p.g), b"\0\x01R");
    p.pass(500);
    p.send(&buy(1));
    flush(&mut p.g);
    p.pass(500);
    assert!(p.g.transmit().is_empty(), "the order was a sign of life");
    let heard = p.now;
    receive(&mut p.g, p.now, &packet(b'H', b""), 1, &mut p.sink).unwrap();
    p.pass(14_999);
    p.now = heard.after(Nanos::from_millis(15_000));
    assert_eq!(p.g.on_timeout(p.now, &mut p.sink), Err(ProtocolError::Silent));
    assert_eq!(p.g.encode(p.now, &cancel(1)), Err(EncodeError::NotReady));
}

fn a_stream_cut_at_every_byte_is_received_exactly_once<P: Spoken>() {
    let mut tried = 0;
    for cut in 0.. {
        let mut p = Pair::<P>::ready();
        let before = p.sink.reports().len();
        for t in 1..=3 {
            p.send(&buy(2 * t));
            p.send(&replace(2 * t, 2 * t + 1));
            p.send(&cancel(2 * t + 1));
        }
        let from_venue = p.venue.on_bytes(&flush(&mut p.g));
        if cut > from_venue.len() {
            break;
        }
        tried += 1;
        receive(&mut p.g, p.now, &from_venue[..cut], 64, &mut p.sink).unwrap();
        p.disconnect();
        p.connect();
        p.pass(100);
        let seqs: Vec<u64> = p.sink.reports()[before..].iter().map(|r| r.seq).collect();
        assert_eq!(seqs.len(), 9, "cut at {cut}");
        assert!(seqs.windows(2).all(|w| w[0] + 1 == w[1]), "cut at {cut}: {seqs:?}");
        assert!(p.g.is_ready(), "cut at {cut}");
    }
    assert!(tried > 400, "{tried}");
}

fn what_did_not_leave_is_told_and_never_resent<P: Spoken>() {
    let total = {
        let mut p = Pair::<P>::ready();
        (1..=3).for_each(|t| p.send(&buy(t)));
        p.g.transmit().len()
    };
    for left in 0..=total {
        let mut p = Pair::<P>::ready();
        (1..=3).for_each(|t| p.send(&buy(t)));
        let bytes = p.g.transmit()[..left].to_vec();
        p.g.transmitted(left);
        p.venue.on_bytes(&bytes);
        p.disconnect();
        let arrived = p.venue.asked.len();
        let unsent: Vec<_> = p.g.unsent().map(|u| (u.letter, u.token.0)).collect();
        let want: Vec<_> = (arrived as u32 + 1..=3).map(|t| (b'O', t)).collect();
        assert_eq!((unsent.len(), unsent), (p.g.unsent_len(), want), "{left} bytes left");
        p.connect();
        p.pass(100);
        assert_eq!(p.venue.asked.len(), arrived, "nothing was sent again");
        for t in arrived as u32 + 1..=3 {
            p.send(&buy(t));
        }
        p.exchange();
        assert_eq!((p.venue.asked.len(), p.g.highest_token_seen()), (3, Token(3)));
    }
}

fn a_sink_without_room_stops_the_consumption_and_loses_nothing<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    let before = p.sink.reports().len();
    let stream: Vec<u8> = (1..=300).flat_map(|t| packet(b'S', &P::accepted(t, 100))).collect();
    let mut rest = &stream[..];
    let mut stalls = 0;
    p.sink.room = 3;
    while p.sink.reports().len() < before + 300 {
        let space = p.g.recv_space();
        let n = space.len().min(rest.len()).min(777);
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        if n > 0 {
            p.g.on_received(p.now, n, &mut p.sink).unwrap();
        } else {
            stalls += 1;
            p.pass(20_000);
            p.sink.room = 10;
            p.g.resume(p.now, &mut p.sink).unwrap();
        }
    }
    assert!(stalls > 10, "{stalls}");
    let tokens: Vec<u32> = p.sink.reports()[before..].iter().map(|r| r.token.0).collect();
    assert_eq!(tokens, (1..=300).collect::<Vec<_>>());
}

fn what_is_not_understood_is_told_and_what_is_not_ours_is_no_report<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    p.sink.all.clear();
    let first = p.g.position().1;
    p.hear(b"?unknown");
    p.hear(b"");
    p.hear(&P::accepted(9, 100)[..50]);
    p.hear(&P::foreign());
    p.hear(&P::accepted(1, 100));
    p.hear(&P::replaced(1, 1, 100));
    let notices = p.sink.notices();
    assert_eq!(notices[0], Notice::Undecodable { seq: first, error: DecodeError::UnknownType(b'?') });
    assert_eq!(notices[1], Notice::Undecodable { seq: first + 1, error: DecodeError::Empty });
    let short = |n: &Notice| {
        matches!(n, Notice::Undecodable { error: DecodeError::Short { kind: b'A', len: 50, .. }, .. })
    };
    assert!(short(&notices[2]), "{notices:?}");
    let replaced = Notice::Undecodable { seq: first + 5, error: DecodeError::Replaced };
    assert_eq!(notices[3..], [Notice::Foreign { seq: first + 3 }, replaced]);
    let reports = p.sink.reports();
    assert_eq!((reports.len(), reports[0].seq), (1, first + 4), "the count goes on");
    assert_eq!(p.g.highest_token_seen(), Token(1), "another's tokens are not ours");
    assert_eq!((p.g.counters().undecodable, p.g.counters().foreign), (4, 1));
}

fn every_letter_is_known_at_its_length_and_at_no_shorter_one<P: Spoken>() {
    let protocol = P::new(GATEWAY, *b"FIRM", config().orders, &instruments()).unwrap();
    for letter in 0..=u8::MAX {
        let mut m = vec![b'0'; 120];
        m[0] = letter;
        let longest = protocol.decode(1, &m);
        let known = !matches!(longest, Err(DecodeError::UnknownType(_)));
        assert_eq!(known, P::LETTERS.contains(&letter), "{}", letter as char);
        for len in 1..10 {
            let got = protocol.decode(1, &m[..len]);
            let refused = matches!(got, Err(DecodeError::Short { .. } | DecodeError::UnknownType(_)));
            assert!(refused, "{} of {len} bytes: {got:?}", letter as char);
        }
    }
}

fn what_a_venue_would_refuse_is_refused_without_a_trace<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    p.send(&buy(10));
    let new = |qty, px, token, short| {
        let (token, qty, px) = (Token(token), Qty(qty), Px(px));
        command(CommandKind::New { token, side: Side::Buy, short, qty, px, tif: Tif::Ioc })
    };
    let written = p.g.transmit().to_vec();
    let cases = [
        (new(0, 1, 11, false), EncodeError::BadQuantity(Qty(0))),
        (new(1_000_000, 1, 11, false), EncodeError::BadQuantity(Qty(1_000_000))),
        (new(1, 0, 11, false), EncodeError::BadPrice(Px(0))),
        (new(1, -1, 11, false), EncodeError::BadPrice(Px(-1))),
        (new(1, Px::MAX.0 + 1, 11, false), EncodeError::BadPrice(Px(Px::MAX.0 + 1))),
        (new(1, 0x7FFF_FFFF, 11, false), EncodeError::BadPrice(Px(0x7FFF_FFFF))),
        (new(1, i64::MAX, 11, false), EncodeError::BadPrice(Px(i64::MAX))),
        (new(1, 1, 0, false), EncodeError::BadToken(Token(0))),
        (new(1, 1, 10, false), EncodeError::TokenUsed { token: Token(10), last: Token(10) }),
        (new(1, 1, 11, true), EncodeError::ShortBuy),
        (replace(11, 11), EncodeError::BadToken(Token(11))),
        (replace(0, 11), EncodeError::BadToken(Token(0))),
        (cancel(0), EncodeError::BadToken(Token(0))),
    ];
    for (c, why) in cases {
        assert_eq!(p.g.encode(p.now, &c), Err(why), "{c:?}");
        assert_eq!(p.g.transmit(), written, "{c:?}");
    }
    p.send(&buy(11));
}

fn a_full_buffer_refuses_orders_first_and_cancels_last<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    let mut token = 0;
    let why = loop {
        token += 1;
        if let Err(why) = p.g.encode(p.now, &buy(token)) {
            break why;
        }
    };
    assert_eq!(why, EncodeError::Full);
    let mut cancels = 0;
    while p.g.encode(p.now, &cancel(1)).is_ok() {
        cancels += 1;
    }
    assert!(cancels >= 64, "{cancels}");
    p.g.logout(p.now);
    assert!(p.g.transmit().ends_with(b"\0\x01O"), "a logout still fits");
}

fn everything_is_canceled_and_that_is_said_once<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    p.send(&buy(1));
    p.send(&buy(2));
    p.send(&replace(2, 3));
    p.exchange();
    p.send(&buy(4));
    p.venue.fill(1);
    p.sink.all.clear();
    let canceled = |p: &Pair<P>| {
        let said = |n: &Notice| matches!(n, Notice::MassCanceled { token: Token(9), .. });
        p.sink.notices().iter().filter(|n| said(n)).count()
    };
    p.g.cancel_all(p.now, Token(9)).unwrap();
    assert_eq!(canceled(&p), 0);
    p.exchange();
    p.pass(1);
    assert_eq!((p.venue.live.len(), canceled(&p)), (0, 1), "{:?}", p.sink.all);
    // Where nothing is open, that is said as well.
    p.sink.all.clear();
    p.g.cancel_all(p.now, Token(9)).unwrap_or_else(|why| {
        assert!(matches!(why, EncodeError::TokenUsed { .. }), "{why}");
        p.g.cancel_all(p.now, Token(10)).unwrap();
    });
    p.exchange();
    p.pass(1);
    assert_eq!(p.sink.notices().len(), 1, "{:?}", p.sink.all);
}

/// More is open than the transmit buffer holds cancels, the connection is lost on the way, and a predecessor's order is learnt from the replay.
fn many_orders_are_canceled_over_a_lost_connection<P: Spoken>() {
    let mut p = Pair::<P>::new();
    p.venue.generate(P::accepted(1, 100));
    p.venue.live.insert(1, 100);
    p.connect();
    p.pass(100);
    for t in 2..=400 {
        p.send(&buy(t));
        p.exchange();
    }
    assert_eq!(p.venue.live.len(), 400);
    let mut token = 1_000;
    let _ = p.g.cancel_all(p.now, Token(token));
    let half = p.g.transmit().len() / 2;
    let bytes = p.g.transmit()[..half].to_vec();
    p.g.transmitted(half);
    p.venue.on_bytes(&bytes);
    p.disconnect();
    p.connect();
    p.pass(100);
    p.sink.all.clear();
    for _ in 0..100 {
        token += 1;
        let outcome = p.g.cancel_all(p.now, Token(token));
        p.exchange();
        match outcome {
            Ok(()) => break,
            Err(why) => assert_eq!(why, EncodeError::Full),
        }
    }
    p.pass(1);
    assert!(p.venue.live.is_empty(), "{} are left", p.venue.live.len());
    let said = p.sink.notices();
    assert!(matches!(said[..], [Notice::MassCanceled { token: t, .. }] if t == Token(token)), "{said:?}");
}

fn after_the_end_of_a_session_the_next_login_starts_a_new_one<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    p.hear(&P::accepted(1, 100));
    receive(&mut p.g, p.now, &packet(b'Z', b""), 1, &mut p.sink).unwrap();
    assert_eq!(p.sink.events().last(), Some(&SessionEvent::EndOfSession));
    assert!(p.g.is_over() && !p.g.is_ready() && !p.g.remembers_session());
    p.g.on_disconnected(p.now, &mut p.sink);
    p.g.on_connected(p.now);
    assert_eq!(&flush(&mut p.g)[19..], b"                             1", "blank, from its start");
    receive(&mut p.g, p.now, &login_accepted("S2", 1), 9, &mut p.sink).unwrap();
    assert_eq!(p.sink.notices().last(), Some(&Notice::Session { continued: false, asked: 1, next: 1 }));
    assert_eq!(p.g.highest_token_seen(), Token(0), "numbers of another session say nothing");
}

fn the_highest_token_stops_orders_instead_of_wrapping<P: Spoken>() {
    let mut p = Pair::<P>::ready();
    p.hear(&P::accepted(u32::MAX, 100));
    let refused = p.g.encode(p.now, &buy(5));
    assert!(matches!(refused, Err(EncodeError::TokenUsed { .. })), "{refused:?}");
}

fn texts_that_are_no_text_are_refused<P: Spoken>() {
    let mut c = config();
    c.orders.clordid = ClOrdId::Tagged([0; 4]);
    assert!(SoupGateway::<P>::new(c, &instruments()).is_err());
    let [a, mut b] = instruments();
    b.symbol = a.symbol;
    assert!(SoupGateway::<P>::new(config(), &[a, b]).is_err());
}

/// Whatever a venue says of whatever orders: no panic, no report that was not sent, buffers as they were.
fn any_reports_in_any_order<P: Spoken>() {
    let mut n = 1u32;
    let mut dice = |sides: u32| {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (n >> 8) % sides
    };
    for round in 0..200 {
        let mut p = Pair::<P>::ready();
        for _ in 0..100 {
            let (t, u) = (1 + dice(12), 1 + dice(12));
            match dice(9) {
                0 => p.hear(&P::accepted(t, dice(200))),
                1 => p.hear(&P::replaced(t, u, dice(200))),
                2 => p.hear(&P::canceled(t, dice(200))),
                3 => p.hear(&P::executed(t, dice(200))),
                4 => p.hear(&P::rejected(t)),
                5 => drop(p.g.encode(p.now, &buy(p.g.highest_token_seen().0 + 1 + dice(3)))),
                6 => drop(p.g.encode(p.now, &replace(t, p.g.highest_token_seen().0 + 1))),
                7 => drop(p.g.cancel_all(p.now, Token(p.g.highest_token_seen().0 + 1))),
                _ => {
                    let sent = p.g.transmit().len() / 2;
                    p.g.transmitted(sent);
                    p.g.on_disconnected(p.now, &mut p.sink);
                    p.g.on_connected(p.now);
                    let next = p.g.position().1;
                    let login = login_accepted("S1", next);
                    receive(&mut p.g, p.now, &login, 99, &mut p.sink).unwrap();
                }
            }
            assert!(p.g.transmit().len() <= 4096, "round {round}");
        }
    }
}

macro_rules! suite {
    ($($protocol:ident: $type:ty;)*) => { $(suite! { @tests $protocol $type;
        the_login_goes_out_at_once_and_nothing_before_it
        orders_wait_for_the_replays_end_and_cancels_for_the_login
        a_heartbeat_follows_a_second_without_sending_and_silence_is_the_end
        a_stream_cut_at_every_byte_is_received_exactly_once
        what_did_not_leave_is_told_and_never_resent
        a_sink_without_room_stops_the_consumption_and_loses_nothing
        what_is_not_understood_is_told_and_what_is_not_ours_is_no_report
        every_letter_is_known_at_its_length_and_at_no_shorter_one
        what_a_venue_would_refuse_is_refused_without_a_trace
        a_full_buffer_refuses_orders_first_and_cancels_last
        everything_is_canceled_and_that_is_said_once
        many_orders_are_canceled_over_a_lost_connection
        after_the_end_of_a_session_the_next_login_starts_a_new_one
        the_highest_token_stops_orders_instead_of_wrapping
        texts_that_are_no_text_are_refused
        any_reports_in_any_order
    })* };
    (@tests $protocol:ident $type:ty; $($rule:ident)*) => {
        mod $protocol {
            $(#[test]
            fn $rule() {
                super::$rule::<$type>();
            })*
        }
    };
}

suite! {
    ouch50: gateways::ouch50::Ouch50;
    ouch42: gateways::ouch42::Ouch42;
}
