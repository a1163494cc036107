//! Order entry of the simulated exchange, in virtual time: OUCH 5.0 rules, the ledger, the session. After every step the tape is decoded
//! and its books compared with the venue's.

mod exchange_support;

use exchange_support::client::{cancel, enter, login, mass_cancel, modify, order, packet, replace, switch};
use exchange_support::{Bench, FIRM, MS, SECOND, config, itch, symbol};
use model::Side;

const L: u16 = b'L' as u16;
const U: u16 = b'U' as u16;

fn briefs(reports: &[exchange_support::client::Report]) -> Vec<(char, u32, u32, u64, u16)> {
    reports.iter().map(exchange_support::client::Report::brief).collect()
}

#[test]
fn an_order_rests_and_is_canceled() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    let got = b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    assert_eq!(briefs(&got), [('A', 1, 100, 1_000_000, L)]);
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 100, true)]);
    let view = b.venue.account("user01").unwrap();
    assert_eq!((view.live_orders.len(), view.live_orders[0].number, view.counts.accepted), (1, 1, 1));
    assert_eq!(got[0].raw[36..44], view.live_orders[0].order_ref.to_be_bytes());

    assert_eq!(briefs(&b.ask(&mut c, &cancel(1, 0))), [('C', 1, 100, 0, U)]);
    assert_eq!(b.queue(Side::Buy), []);
    assert_eq!(b.ask(&mut c, &cancel(1, 0)), [], "a superfluous cancel is ignored");
    assert_eq!(b.ask(&mut c, &cancel(99, 0)), []);
}

#[test]
fn two_accounts_trade_and_the_ledger_balances() {
    let mut b = Bench::new(config());
    let (mut one, mut two) = (b.client(0), b.client(1));
    b.ask(&mut one, &enter(1, b'S', 100, 1_000_000));
    b.ask(&mut one, &enter(2, b'S', 100, 1_000_100));
    let got = b.ask(&mut two, &enter(1, b'B', 150, 1_000_100));
    let r = u16::from(b'R');
    assert_eq!(
        briefs(&got),
        [('A', 1, 150, 1_000_100, L), ('E', 1, 100, 1_000_000, r), ('E', 1, 50, 1_000_100, r)]
    );
    let a = u16::from(b'A');
    assert_eq!(briefs(&b.wait(&mut one, 0)), [('E', 1, 100, 1_000_000, a), ('E', 2, 50, 1_000_100, a)]);
    let (one, two) = (b.venue.account("user01").unwrap(), b.venue.account("user02").unwrap());
    assert_eq!((one.positions[&symbol("AAPL")], two.positions[&symbol("AAPL")]), (-150, 150));
    assert_eq!(one.cash_e4, 100 * 1_000_000 + 50 * 1_000_100);
    assert_eq!(one.cash_e4 + two.cash_e4, 0);
    assert_eq!((one.counts.fills, one.counts.shares, one.live_orders[0].open.0), (2, 150, 50));
    assert_eq!(b.tape.trades, [('E', 100, 1_000_000), ('E', 50, 1_000_100)]);
}

#[test]
fn an_ioc_takes_what_is_there_and_never_rests() {
    let mut b = Bench::new(config());
    let (mut one, mut two) = (b.client(0), b.client(1));
    b.ask(&mut one, &enter(1, b'S', 30, 1_000_000));
    let mut ioc = order(1, b'B', 100, 1_000_000);
    ioc.tif = b'3';
    let got = b.ask(&mut two, &ioc.bytes());
    assert_eq!(
        briefs(&got)[1..],
        [('E', 1, 30, 1_000_000, u16::from(b'R')), ('C', 1, 70, 0, u16::from(b'I'))]
    );
    assert_eq!((b.queue(Side::Buy), b.queue(Side::Sell)), (vec![], vec![]));
}

#[test]
fn what_is_broken_is_refused_by_code() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    let good = || order(0, b'B', 100, 1_000_000);
    let cases: Vec<(u16, exchange_support::client::Enter)> = vec![
        (0x13, exchange_support::client::Enter { quantity: 0, ..good() }),
        (0x13, exchange_support::client::Enter { quantity: 1_000_000, ..good() }),
        (0x1D, exchange_support::client::Enter { px: 0, ..good() }),
        (0x1D, exchange_support::client::Enter { px: 1_000_050, ..good() }),
        (0x1D, exchange_support::client::Enter { px: 1_999_999_950, ..good() }),
        (0x1D, exchange_support::client::Enter { px: 0x8000_0000, ..good() }),
        (0x1D, exchange_support::client::Enter { px: u64::MAX, ..good() }),
        (0x17, exchange_support::client::Enter { symbol: "NONE", ..good() }),
        (0x17, exchange_support::client::Enter { symbol: "aapl", ..good() }),
        (0x09, exchange_support::client::Enter { side: b'X', ..good() }),
        (0x14, exchange_support::client::Enter { cross: b'O', ..good() }),
        (0x03, exchange_support::client::Enter { display: b'Q', ..good() }),
        (0x0F, exchange_support::client::Enter { tif: b'6', ..good() }),
        (0x0C, exchange_support::client::Enter { tags: b"\x05\x02LIME", ..good() }),
        (0x0D, exchange_support::client::Enter { tags: b"\x05\x03\0\0\0\x64", ..good() }),
        (0x11, exchange_support::client::Enter { tags: b"\x02\x06P", ..good() }),
        (0x0F, exchange_support::client::Enter { tags: b"\x09\x02AB", ..good() }),
    ];
    for ((code, mut case), number) in cases.into_iter().zip(1..) {
        case.number = number;
        assert_eq!(briefs(&b.ask(&mut c, &case.bytes())), [('J', number, 0, 0, code)], "{number}");
    }
    assert!(b.venue.set_trading_state(b.now, symbol("AAPL"), b'H'));
    assert_eq!(briefs(&b.ask(&mut c, &enter(50, b'B', 1, 1_000_000))), [('J', 50, 0, 0, 0x07)]);
    assert!(b.venue.set_trading_state(b.now, symbol("AAPL"), b'T'));
    // Below a dollar the grain is the wire's own; the account's firm may be said; attributed orders carry it.
    assert_eq!(briefs(&b.ask(&mut c, &enter(51, b'B', 1, 9_999))), [('A', 51, 1, 9_999, L)]);
    let mut own = order(52, b'B', 999_999, 1_999_999_900);
    own.tags = b"\x05\x02ABCD";
    own.display = b'A';
    let got = b.ask(&mut c, &own.bytes());
    assert_eq!(briefs(&got), [('A', 52, 999_999, 1_999_999_900, L)]);
    assert_eq!(got[0].raw[62..], *b"\0\x06\x05\x02ABCD");
    assert_eq!(b.tape.mpids, [FIRM]);
    assert_eq!(b.venue.account("user01").unwrap().counts.rejected, 18);
}

#[test]
fn numbers_only_grow() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    assert_eq!(b.ask(&mut c, &enter(0, b'B', 1, 1_000_000)), []);
    assert_eq!(b.ask(&mut c, &enter(7_682_701, b'B', 1, 1_000_000)).len(), 1, "gaps are fine");
    for number in [7_682_701, 7_682_700, 1] {
        assert_eq!(b.ask(&mut c, &enter(number, b'B', 1, 1_000_000)), [], "{number} was passed");
    }
    // A refused order has used its number, and so has a replace.
    assert_eq!(b.ask(&mut c, &enter(7_682_702, b'B', 0, 1_000_000))[0].kind, 'J');
    assert_eq!(b.ask(&mut c, &enter(7_682_702, b'B', 1, 1_000_000)), []);
    assert_eq!(b.ask(&mut c, &replace(7_682_701, 7_682_710, 2, 1_000_000))[0].kind, 'U');
    assert_eq!(b.ask(&mut c, &enter(7_682_710, b'B', 1, 1_000_000)), []);
    assert_eq!(b.ask(&mut c, b"Q")[0].number, 7_682_711);
    // Another UserRefIdx is another sequence, and comes back.
    let mut other = order(1, b'B', 1, 1_000_000);
    other.tags = b"\x02\x1C\x05";
    let got = b.ask(&mut c, &other.bytes());
    assert_eq!((got[0].kind, &got[0].raw[62..]), ('A', &b"\0\x03\x02\x1C\x05"[..]));
    assert_eq!(b.ask(&mut c, &other.bytes()), []);
    assert_eq!(b.ask(&mut c, &cancel(1, 0)), [], "number 1 of channel 0 is not that of channel 5");
    let got = b.ask(&mut c, &[&cancel(1, 0)[..], b"\0\x03\x02\x1C\x05"].concat());
    assert_eq!((got[0].kind, &got[0].raw[18..]), ('C', &b"\0\x03\x02\x1C\x05"[..]));
}

#[test]
fn a_replace_has_four_ends() {
    let mut b = Bench::new(config());
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.ask(&mut c, &enter(10, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(1, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(2, b'S', 40, 1_000_000));
    b.wait(&mut c, 0);

    // Silence: unknown order, used number. The number of the first is not used up.
    assert_eq!(b.ask(&mut c, &replace(9, 11, 100, 1_000_000)), []);
    assert_eq!(b.ask(&mut c, &replace(10, 10, 100, 1_000_000)), []);
    // U: the total counts the 40 that traded; the place in the queue is lost.
    assert_eq!(briefs(&b.ask(&mut c, &replace(10, 11, 100, 1_000_000))), [('U', 11, 60, 1_000_000, L)]);
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 100, true), (1_000_000, 60, true)]);
    assert_eq!(b.ask(&mut c, &cancel(10, 0)), [], "the old name is gone");
    // J: it cannot be touched now; the number is used up.
    assert!(b.venue.set_late_cross(b.now, symbol("AAPL"), true));
    assert_eq!(briefs(&b.ask(&mut c, &replace(11, 12, 90, 1_000_000))), [('J', 12, 0, 0, 0x15)]);
    assert!(b.venue.set_late_cross(b.now, symbol("AAPL"), false));
    assert_eq!(b.ask(&mut c, b"Q")[0].number, 13);
    // C: an invalid replace cancels the order, and its number stays free.
    assert_eq!(briefs(&b.ask(&mut c, &replace(11, 13, 1_000_000, 1_000_000))), [('C', 11, 60, 0, U)]);
    assert_eq!(b.ask(&mut c, b"Q")[0].number, 13);
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 100, true)]);
    // So does one whose total was executed already.
    b.ask(&mut other, &enter(3, b'S', 100, 1_000_000));
    b.ask(&mut c, &enter(13, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(4, b'S', 70, 1_000_000));
    b.wait(&mut c, 0);
    assert_eq!(briefs(&b.ask(&mut c, &replace(13, 14, 70, 1_000_000))), [('C', 13, 30, 0, U)]);
}

#[test]
fn a_replace_may_trade_and_fills_before_it_carry_the_old_number() {
    let mut b = Bench::new(config());
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(1, b'S', 10, 1_000_000));
    b.ask(&mut other, &enter(2, b'S', 50, 1_000_200));
    let got = b.ask(&mut c, &replace(1, 2, 100, 1_000_200));
    assert_eq!(
        briefs(&got),
        [
            ('E', 1, 10, 1_000_000, u16::from(b'A')),
            ('U', 2, 90, 1_000_200, L),
            ('E', 2, 50, 1_000_200, u16::from(b'R'))
        ]
    );
    assert_eq!((b.queue(Side::Buy), b.queue(Side::Sell)), (vec![(1_000_200, 40, true)], vec![]));
    assert_eq!(b.position("user01"), 60);
    let view = b.venue.account("user01").unwrap();
    assert_eq!((view.live_orders[0].open.0, view.live_orders[0].spent.0), (40, 60));
}

#[test]
fn a_cancel_names_the_new_total() {
    let mut b = Bench::new(config());
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(1, b'B', 100, 1_000_000));
    b.ask(&mut other, &enter(2, b'S', 20, 1_000_000));
    b.wait(&mut c, 0);
    for total in [100, 101, u32::MAX] {
        assert_eq!(b.ask(&mut c, &cancel(1, total)), [], "{total} is no less");
    }
    assert_eq!(briefs(&b.ask(&mut c, &cancel(1, 90))), [('C', 1, 10, 0, U)]);
    assert_eq!(b.queue(Side::Buy)[0], (1_000_000, 70, true), "and the place is kept");
    assert_eq!(b.ask(&mut c, &cancel(1, 90)), []);
    assert_eq!(briefs(&b.ask(&mut c, &cancel(1, 15))), [('C', 1, 70, 0, U)], "20 traded already");
    assert_eq!(b.ask(&mut c, &cancel(1, 0)), []);
}

#[test]
fn modify_reduces_in_place_and_changes_only_the_kind_of_sale() {
    let mut b = Bench::new(config());
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.ask(&mut c, &enter(1, b'S', 100, 1_000_000));
    b.ask(&mut other, &enter(1, b'S', 100, 1_000_000));
    let t = u16::from(b'T');
    assert_eq!(briefs(&b.ask(&mut c, &modify(1, b'T', 60))), [('M', 1, 60, 0, t)]);
    assert_eq!(b.queue(Side::Sell)[0], (1_000_000, 60, true));
    for (side, quantity) in [(b'S', 50), (b'B', 50), (b'T', 60), (b'T', 500)] {
        assert_eq!(b.ask(&mut c, &modify(1, side, quantity)), [], "{} {quantity}", side as char);
    }
}

#[test]
fn mass_cancels_choose_and_entry_can_be_switched_off() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    for (number, group) in [(1, &b""[..]), (2, b"\x03\x18\0\x07"), (3, b"")] {
        let mut o = order(number, b'B', 10, 1_000_000);
        o.tags = group;
        o.symbol = if number == 3 { "MSFT" } else { "AAPL" };
        b.ask(&mut c, &o.bytes());
    }
    let kinds = |r: Vec<exchange_support::client::Report>| -> Vec<(char, u32)> {
        r.iter().map(|r| (r.kind, r.number)).collect()
    };
    let got = b.ask(&mut c, &mass_cancel(4, &FIRM, "AAPL", b"\x03\x18\0\0"));
    assert_eq!(kinds(got), [('X', 4), ('C', 1)], "group 0: those without one");
    assert_eq!(b.ask(&mut c, &mass_cancel(4, &FIRM, "", b"")), [], "the number is used");
    assert_eq!(kinds(b.ask(&mut c, &mass_cancel(5, b"LIME", "", b""))), [('J', 5)]);
    assert_eq!(kinds(b.ask(&mut c, &mass_cancel(6, &FIRM, "", b""))), [('X', 6), ('C', 2), ('C', 3)]);

    assert_eq!(kinds(b.ask(&mut c, &switch(false, 7, &FIRM))), [('G', 7)]);
    assert_eq!(briefs(&b.ask(&mut c, &enter(8, b'B', 1, 1_000_000))), [('J', 8, 0, 0, 0x0C)]);
    assert_eq!(kinds(b.ask(&mut c, &switch(true, 9, &FIRM))), [('K', 9)]);
    assert_eq!(kinds(b.ask(&mut c, &enter(10, b'B', 1, 1_000_000))), [('A', 10)]);
}

#[test]
fn the_late_period_holds_cancels_back_and_says_so_once() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    b.venue.set_late_cross(b.now, symbol("AAPL"), true);
    assert_eq!(b.ask(&mut c, &cancel(1, 50))[0].kind, 'I');
    assert_eq!(b.ask(&mut c, &cancel(1, 50)), []);
    assert_eq!(b.ask(&mut c, &cancel(1, 0))[0].kind, 'P');
    assert_eq!(b.ask(&mut c, &cancel(1, 0)), []);
    assert_eq!(b.queue(Side::Buy).len(), 1);
    b.venue.set_late_cross(b.now, symbol("AAPL"), false);
    assert_eq!(briefs(&b.wait(&mut c, 0)), [('C', 1, 100, 0, U)]);
}

#[test]
fn an_account_trades_with_itself_unless_that_is_prevented() {
    for prevent in [false, true] {
        let mut b = Bench::new(colo::exchange::VenueConfig { self_match_prevention: prevent, ..config() });
        let (mut c, mut other) = (b.client(0), b.client(1));
        b.ask(&mut c, &enter(1, b'S', 100, 1_000_000));
        b.ask(&mut other, &enter(1, b'S', 100, 1_000_000));
        let got = b.ask(&mut c, &enter(2, b'B', 30, 1_000_000));
        if prevent {
            assert_eq!(
                briefs(&got)[1..],
                [('D', 1, 100, 1_000_000, u16::from(b'Q')), ('E', 2, 30, 1_000_000, u16::from(b'R'))]
            );
            assert_eq!((b.position("user01"), b.position("user02")), (30, -30));
        } else {
            let kinds: Vec<_> = got.iter().map(|r| (r.kind, r.number)).collect();
            assert_eq!(kinds, [('A', 2), ('E', 1), ('E', 2)]);
            assert_eq!(b.position("user01"), 0);
        }
    }
}

#[test]
fn orders_survive_a_disconnect_unless_configured() {
    for cancel in [false, true] {
        let mut b = Bench::new(colo::exchange::VenueConfig { cancel_on_disconnect: cancel, ..config() });
        let mut c = b.client(0);
        b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
        b.venue.disconnect(b.now, c.id);
        b.listen();
        assert_eq!(b.queue(Side::Buy).is_empty(), cancel);
        let c = b.login("user01", "pass", "", "3");
        let want = if cancel { vec![('C', 1, 100, 0, u16::from(b'Z'))] } else { vec![] };
        assert_eq!(briefs(&c.reports), want);
    }
}

#[test]
fn an_account_s_own_setting_comes_before_the_venue_s() {
    for of_venue in [false, true] {
        let mut settings = colo::exchange::VenueConfig { cancel_on_disconnect: of_venue, ..config() };
        settings.accounts[1].rules.cancel_on_disconnect = Some(!of_venue);
        let mut b = Bench::new(settings);
        let (mut one, mut two) = (b.client(0), b.client(1));
        b.ask(&mut one, &enter(1, b'B', 100, 1_000_000));
        b.ask(&mut two, &enter(1, b'B', 200, 1_000_000));
        b.venue.disconnect(b.now, one.id);
        b.venue.disconnect(b.now, two.id);
        b.listen();
        assert_eq!(b.queue(Side::Buy), [(1_000_000, if of_venue { 200 } else { 100 }, true)]);
    }
}

#[test]
fn the_stream_is_replayed_from_where_it_is_asked_for() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    for n in 1..=5 {
        b.ask(&mut c, &enter(n, b'B', n, 1_000_000));
    }
    assert_eq!(c.next, 7, "the system event, five orders");
    let mut seen = Vec::new();
    for (asked, first, count) in
        [("1", 1, 6), ("4", 4, 3), ("6", 6, 1), ("7", 7, 0), ("0", 7, 0), ("99", 7, 0)]
    {
        let c = b.login("USER01", "PASS", "session001", asked);
        assert_eq!((c.logged_in, c.session.as_str()), (true, "SESSION001"));
        assert_eq!((c.next - c.reports.len() as u64, c.reports.len()), (first, count), "{asked}");
        if asked == "1" {
            seen = c.reports;
        } else {
            assert_eq!(c.reports[..], seen[6 - count..], "the same bytes again");
        }
    }
    let mut two = b.client(1);
    assert_eq!(b.wait(&mut two, 0), [], "nobody sees another account's stream");
}

#[test]
fn logins_are_refused_by_code_and_close() {
    let mut b = Bench::new(config());
    for (user, password, session, sequence, code) in [
        ("nobody", "pass", "", "1", b'A'),
        ("user01", "wrong", "", "1", b'A'),
        ("user01", "", "", "1", b'A'),
        ("user01", "pass", "OTHER", "1", b'S'),
        ("user01", "pass", "", "-1", b'S'),
        ("user01", "pass", "", "99999999999999999999", b'S'),
    ] {
        let c = b.login(user, password, session, sequence);
        assert_eq!((c.logged_in, c.refused), (false, Some(code)), "{user} {password} {session}");
        assert!(b.venue.is_over(c.id));
    }
}

#[test]
fn a_silent_client_is_dropped_and_a_newer_login_takes_over() {
    let mut b = Bench::new(config());
    let mut old = b.client(0);
    let mut new = b.client(0);
    assert!(b.venue.is_over(old.id) && !b.venue.is_over(new.id));
    assert_eq!(b.ask(&mut old, &enter(1, b'B', 1, 1_000_000)), [], "the old one is not heard any more");
    for _ in 0..14 {
        b.now += SECOND;
        b.run(0);
    }
    b.bytes(&mut new, &packet(b'R', b""));
    assert_eq!(new.heartbeats, 14);
    b.now += 15 * SECOND - 1;
    b.run(0);
    assert!(!b.venue.is_over(new.id));
    b.now += 1;
    b.run(0);
    assert!(b.venue.is_over(new.id));
    // One that never logs in is not waited for either.
    let id = b.venue.connect(b.now);
    b.now += 15 * SECOND;
    b.run(0);
    assert!(b.venue.is_over(id));
}

#[test]
fn a_logout_closes_at_once() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    b.bytes(&mut c, &[packet(b'O', b""), packet(b'U', &enter(1, b'B', 1, 1_000_000))].concat());
    assert!(b.venue.is_over(c.id));
    assert_eq!(b.queue(Side::Buy), []);
}

#[test]
fn bytes_may_be_split_anywhere() {
    let conversation = [
        login("user01", "pass", "", "1"),
        packet(b'U', &enter(1, b'B', 100, 1_000_000)),
        packet(b'R', b""),
        packet(b'U', &enter(2, b'S', 40, 1_000_000)),
        packet(b'U', &replace(1, 3, 90, 1_000_100)),
        packet(b'U', &cancel(3, 0)),
        packet(b'U', b"not a message"),
        packet(b'U', b""),
    ]
    .concat();
    let mut outputs = Vec::new();
    for size in [1, 2, 3, 7, 50, conversation.len()] {
        let mut b = Bench::new(config());
        let id = b.venue.connect(b.now);
        for chunk in conversation.chunks(size) {
            b.venue.on_client_bytes(b.now, id, chunk);
        }
        assert_eq!(b.venue.counts().malformed, 2);
        outputs.push(b.venue.output(id).to_vec());
    }
    assert!(outputs.iter().all(|o| *o == outputs[0]) && outputs[0].len() > 300);
}

#[test]
fn the_day_ends_for_everyone() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    b.ask(&mut c, &enter(1, b'B', 100, 1_000_000));
    b.venue.close(b.now);
    let got = b.wait(&mut c, 1);
    assert_eq!(briefs(&got), [('C', 1, 100, 0, u16::from(b'E')), ('S', 0, 0, 0, u16::from(b'E'))]);
    assert!(c.ended && b.venue.is_over(c.id));
    assert_eq!(b.tape.events, "OSQMEC");
    assert_eq!(b.login("user01", "pass", "", "1").refused, Some(b'S'));
    b.run(400);
    assert!(b.venue.is_finished());
}

#[test]
fn a_day_may_wait_for_its_first_login() {
    let flow = exchange_support::file_flow(&[(0, itch::add(1, b'B', 100, 1_000_000))]);
    let mut b = Bench::new(colo::exchange::VenueConfig { wait_for_login: true, flow, ..config() });
    b.run(5_000);
    assert_eq!(b.venue.counts().messages, 0);
    assert_eq!(b.venue.counts().datagrams, 10, "heartbeats on two lines");
    let c = b.login("user01", "pass", "", "1");
    assert_eq!(briefs(&c.reports), [('S', 0, 0, 0, u16::from(b'S'))]);
    b.run(1);
    assert_eq!(b.tape.events, "OSQ");
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 100, false)]);
    assert_eq!(b.now % MS, 0);
}
