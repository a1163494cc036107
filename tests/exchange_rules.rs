//! The rules of order entry beyond the life of a plain order: kinds of orders, self-match prevention, the limits of an account. In virtual
//! time; after every step the tape is decoded and its books compared with the venue's.

mod exchange_support;

use colo::exchange::VenueConfig;
use colo::exchange::accounts::{AccountRules, SelfMatch};
use colo::exchange::admission::Limits;
use colo::exchange::market::{MarketRules, PostOnly};
use exchange_support::client::{
    Client, Enter, Report, cancel, enter, mass_cancel, modify, order, packet, replace,
};
use exchange_support::{Bench, FIRM, MS, SECOND, config, symbol};
use model::Side;

const DOLLARS_100: u64 = 1_000_000;

type Brief = (char, u32, u32, u64, u16);

fn briefs(reports: &[Report]) -> Vec<Brief> {
    reports.iter().map(Report::brief).collect()
}

fn code(letter: char) -> u16 {
    letter as u16
}

fn bench(rules: AccountRules) -> (Bench, Client, Client) {
    let mut settings = config();
    settings.accounts[0].rules = rules;
    let mut b = Bench::new(settings);
    let (one, two) = (b.client(0), b.client(1));
    (b, one, two)
}

fn market(rules: MarketRules) -> (Bench, Client, Client) {
    let mut b = Bench::new(VenueConfig { market: rules, ..config() });
    let (one, two) = (b.client(0), b.client(1));
    (b, one, two)
}

fn with(number: u32, side: u8, quantity: u32, tags: &'static [u8]) -> Vec<u8> {
    Enter { tags, ..order(number, side, quantity, DOLLARS_100) }.bytes()
}

fn ioc(number: u32, side: u8, quantity: u32, tags: &'static [u8]) -> Vec<u8> {
    Enter { tif: b'3', tags, ..order(number, side, quantity, DOLLARS_100) }.bytes()
}

#[test]
fn a_market_order_takes_all_prices_and_never_rests() {
    let (mut b, mut one, mut two) = bench(AccountRules::default());
    b.ask(&mut one, &enter(1, b'S', 30, 1_000_000));
    b.ask(&mut one, &enter(2, b'S', 30, 1_500_000));
    let got = b.ask(&mut two, &Enter { px: 2_000_000_000, ..order(1, b'B', 100, 0) }.bytes());
    let r = code('R');
    assert_eq!(
        briefs(&got),
        [
            ('A', 1, 100, 2_000_000_000, code('L')),
            ('E', 1, 30, 1_000_000, r),
            ('E', 1, 30, 1_500_000, r),
            ('C', 1, 40, 0, code('I'))
        ]
    );
    assert_eq!(b.queue(Side::Buy), []);
    let got = b.ask(&mut two, &Enter { px: 0x7FFF_FFFF, tif: b'3', ..order(2, b'S', 5, 0) }.bytes());
    assert_eq!(briefs(&got)[1..], [('C', 2, 5, 0, code('I'))], "nobody buys");
}

#[test]
fn an_order_until_a_time_lives_until_then() {
    let (mut b, mut c, _) = bench(AccountRules::default());
    let until = |number, tags| Enter { tif: b'6', tags, ..order(number, b'B', 10, DOLLARS_100) }.bytes();
    let reject = code('\x0F');
    assert_eq!(briefs(&b.ask(&mut c, &until(1, b""))), [('J', 1, 0, 0, reject)], "no time");
    let day = b"\x05\x0F\0\x01\x51\x80";
    assert_eq!(briefs(&b.ask(&mut c, &until(2, day))), [('J', 2, 0, 0, reject)], "86,400 s are too many");
    assert_eq!(briefs(&b.ask(&mut c, &with(3, b'B', 1, b"\x05\x0F\0\0\0\x01"))), [('J', 3, 0, 0, reject)]);
    let got = b.ask(&mut c, &until(4, b"\x05\x0F\0\0\0\x02"));
    assert_eq!(got[0].raw[62..], *b"\0\x06\x05\x0F\0\0\0\x02", "and it is said back");
    assert_eq!(
        b.venue.next_due().min(b.now + 2 * SECOND),
        b.venue.next_due(),
        "the venue knows when it is due"
    );
    assert_eq!(b.wait(&mut c, 1_999), []);
    assert_eq!(briefs(&b.wait(&mut c, 1)), [('C', 4, 10, 0, code('T'))]);
    assert_eq!(b.queue(Side::Buy), []);
    // A replace without a time is a day order; the old time is no longer its.
    b.ask(&mut c, &until(5, b"\x05\x0F\0\0\0\x01"));
    assert_eq!(b.ask(&mut c, &replace(5, 6, 10, DOLLARS_100))[0].kind, 'U');
    assert_eq!(b.wait(&mut c, 3_000), []);
    // One that names the time in force and no time keeps the old one, which goes on running.
    b.ask(&mut c, &until(7, b"\x05\x0F\0\0\0\x02"));
    assert_eq!(b.wait(&mut c, 1_500), []);
    let mut keeps = replace(7, 8, 10, DOLLARS_100);
    keeps[21] = b'6';
    let got = b.ask(&mut c, &keeps);
    assert_eq!((got[0].kind, got[0].raw.ends_with(b"\x05\x0F\0\0\0\x02")), ('U', true));
    assert_eq!(b.wait(&mut c, 499), []);
    assert_eq!(briefs(&b.wait(&mut c, 1)), [('C', 8, 10, 0, code('T'))]);
}

#[test]
fn post_only_orders_never_take() {
    const POST: &[u8] = b"\x02\x0CP";
    for (rule, want) in [
        (PostOnly::Cancel, vec![('A', 1, 50, DOLLARS_100, code('L')), ('C', 1, 50, 0, code('F'))]),
        (PostOnly::Dead, vec![('A', 1, 50, DOLLARS_100, code('D'))]),
        (PostOnly::Slide, vec![('A', 1, 50, 999_800, code('L'))]),
    ] {
        let (mut b, mut one, mut two) = market(MarketRules { post_only: rule, ..MarketRules::default() });
        b.ask(&mut one, &enter(1, b'S', 30, 999_900));
        assert_eq!(briefs(&b.ask(&mut two, &with(1, b'B', 50, POST))), want, "{rule:?}");
        let rests = matches!(rule, PostOnly::Slide);
        assert_eq!(b.queue(Side::Buy).len(), usize::from(rests));
        assert_eq!((b.queue(Side::Sell).len(), b.tape.trades.len()), (1, 0));
        assert_eq!(b.ask(&mut two, &cancel(1, 0)).len(), usize::from(rests), "a dead order is not told of");
        // A replace is post-only as its order was.
        b.ask(&mut two, &Enter { px: 990_000, tags: POST, ..order(2, b'B', 50, 0) }.bytes());
        let got = briefs(&b.ask(&mut two, &replace(2, 3, 50, 1_000_000)));
        let (first, rest) = got.split_first().unwrap();
        assert_eq!((first.0, first.1, first.4 == code('D')), ('U', 3, rule == PostOnly::Dead));
        assert_eq!(rest.len(), usize::from(rule == PostOnly::Cancel));
        assert_eq!(b.tape.trades.len(), 0);
    }
    let (mut b, _, mut two) = bench(AccountRules::default());
    assert_eq!(b.ask(&mut two, &with(1, b'B', 50, POST))[0].kind, 'A', "nobody is in its way");
    assert_eq!(briefs(&b.ask(&mut two, &ioc(2, b'B', 50, POST))), [('J', 2, 0, 0, 0x0F)]);
    assert_eq!(briefs(&b.ask(&mut two, &with(3, b'B', 50, b"\x02\x0C?"))), [('J', 3, 0, 0, 0x0F)]);
}

#[test]
fn a_least_size_is_all_or_nothing() {
    const FIFTY: &[u8] = b"\x05\x03\0\0\0\x32";
    let (mut b, mut one, mut two) = bench(AccountRules::default());
    b.ask(&mut one, &enter(1, b'S', 49, DOLLARS_100));
    let got = b.ask(&mut two, &ioc(1, b'B', 100, FIFTY));
    assert_eq!(briefs(&got)[1..], [('C', 1, 100, 0, code('I'))]);
    b.ask(&mut one, &enter(2, b'S', 1, DOLLARS_100));
    assert_eq!(b.ask(&mut two, &ioc(2, b'B', 100, FIFTY)).len(), 4, "A, two fills, what is left");
    for (number, message) in [(3, with(3, b'B', 100, FIFTY)), (4, ioc(4, b'B', 49, FIFTY))] {
        assert_eq!(briefs(&b.ask(&mut two, &message)), [('J', number, 0, 0, 0x0D)]);
    }
}

#[test]
fn a_reserve_order_shows_a_part_and_refreshes_behind_the_others() {
    const SHOWS_100: &[u8] = b"\x05\x05\0\0\0\x64";
    let (mut b, mut one, mut two) = bench(AccountRules::default());
    b.ask(&mut one, &with(1, b'S', 350, SHOWS_100));
    b.ask(&mut two, &enter(1, b'S', 50, DOLLARS_100));
    assert_eq!(b.queue(Side::Sell), [(1_000_000, 100, true), (1_000_000, 50, true)]);
    let first = b.venue.account("user01").unwrap().live_orders[0].order_ref;

    b.ask(&mut two, &enter(2, b'B', 120, DOLLARS_100));
    let a = code('A');
    assert_eq!(
        briefs(&b.wait(&mut one, 0)),
        [('E', 1, 100, DOLLARS_100, a), ('R', 1, 100, 0, code('R'))],
        "and 20 of the other"
    );
    assert_eq!(b.queue(Side::Sell), [(1_000_000, 30, true), (1_000_000, 100, true)]);
    let live = b.venue.account("user01").unwrap().live_orders[0];
    assert!(live.open.0 == 250 && live.order_ref != first);
    // One sweep goes through all of it, part after part.
    let got = b.ask(&mut two, &enter(3, b'B', 250, DOLLARS_100));
    assert_eq!(got.iter().filter(|r| r.kind == 'E').map(|r| r.quantity).sum::<u32>(), 280, "30 with itself");
    assert_eq!(b.queue(Side::Sell), [(1_000_000, 30, true)]);
    // A partial cancel takes what is not shown first.
    b.wait(&mut one, 0);
    b.ask(&mut one, &with(2, b'B', 500, b"\x05\x05\0\0\x01\x2C"));
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 300, true)], "30 of it traded, 170 are not shown");
    b.ask(&mut one, &cancel(2, 400));
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 300, true)]);
    b.ask(&mut one, &cancel(2, 300));
    assert_eq!(b.queue(Side::Buy), [(1_000_000, 270, true)]);
}

#[test]
fn what_is_shown_of_a_reserve_order_is_in_round_lots_and_less_than_all() {
    let (mut b, mut c, _) = bench(AccountRules::default());
    let cases: [(&'static [u8], u8); 5] = [
        (b"\x05\x05\0\0\0\x63", b'Y'),
        (b"\x05\x05\0\0\x01\xF4", b'Y'),
        (b"\x05\x05\0\0\0\x64", b'N'),
        (b"\x05\x0D\0\0\0\x64", b'Y'),
        (b"\x05\x05\0\0\0\x64\x05\x0D\0\0\0\x64", b'Y'),
    ];
    for ((tags, display), number) in cases.into_iter().zip(1..) {
        let message = Enter { tags, display, ..order(number, b'B', 500, DOLLARS_100) }.bytes();
        assert_eq!(briefs(&b.ask(&mut c, &message)), [('J', number, 0, 0, 0x04)], "{number}");
    }
    // A spread of 100 about 200: each part is one of 100, 200, 300.
    let mut seen = std::collections::BTreeSet::new();
    for number in 10..60 {
        b.ask(&mut c, &with(number, b'B', 500, b"\x05\x05\0\0\0\xC8\x05\x0D\0\0\0\x64"));
        seen.insert(b.queue(Side::Buy)[0].1);
        b.ask(&mut c, &cancel(number, 0));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [100, 200, 300]);
}

#[test]
fn an_order_that_is_not_shown_trades_last_and_only_its_trades_are_seen() {
    let (mut b, mut one, mut two) = bench(AccountRules::default());
    b.ask(&mut one, &Enter { display: b'N', ..order(1, b'S', 100, DOLLARS_100) }.bytes());
    b.ask(&mut one, &enter(2, b'S', 100, DOLLARS_100));
    assert_eq!(b.queue(Side::Sell), [(1_000_000, 100, true)]);
    b.ask(&mut two, &enter(1, b'B', 150, DOLLARS_100));
    assert_eq!(
        briefs(&b.wait(&mut one, 0)).iter().map(|r| (r.1, r.2)).collect::<Vec<_>>(),
        [(2, 100), (1, 50)]
    );
    assert_eq!(b.tape.types[&'P'], 1);
    assert_eq!(briefs(&b.ask(&mut one, &modify(1, b'S', 80))), [('M', 1, 30, 0, code('S'))]);
    assert_eq!(briefs(&b.ask(&mut one, &replace(1, 3, 80, 1_010_000))), [('U', 3, 30, 1_010_000, code('L'))]);
    assert_eq!(b.queue(Side::Sell), [(1_010_000, 30, true)], "shown now");
    assert_eq!(b.ask(&mut one, &cancel(3, 0))[0].kind, 'C');
}

#[test]
fn self_match_prevention_has_four_strategies() {
    let d = |number, shares, strategy: char| {
        (number, shares, strategy as u8, if number == 1 { b'A' } else { b'R' })
    };
    for (strategy, prevented, left, other) in [
        (SelfMatch::Oldest, vec![d(1, 100, 'O')], (0, 0), 20),
        (SelfMatch::Newest, vec![d(2, 70, 'N')], (100, 0), 0),
        (SelfMatch::Both, vec![d(1, 100, 'B'), d(2, 70, 'B')], (0, 0), 0),
        (SelfMatch::Decrement, vec![d(1, 70, 'D'), d(2, 70, 'D')], (30, 0), 0),
    ] {
        let (mut b, mut one, mut two) =
            bench(AccountRules { self_match: Some(strategy), ..AccountRules::default() });
        b.ask(&mut one, &enter(1, b'S', 100, DOLLARS_100));
        b.ask(&mut two, &enter(1, b'S', 20, DOLLARS_100));
        let got = b.ask(&mut one, &ioc(2, b'B', 70, b""));
        let said: Vec<_> = got
            .iter()
            .filter(|r| r.kind == 'D')
            .map(|r| {
                assert_eq!(
                    (r.px, r.code, &r.raw[18..22]),
                    (DOLLARS_100, code('Q'), &70u32.to_be_bytes()[..])
                );
                (r.number, r.quantity, r.raw[31], r.raw[30])
            })
            .collect();
        assert_eq!(said, prevented, "{strategy:?}");
        let live = |number| {
            let view = b.venue.account("user01").unwrap();
            view.live_orders.iter().find(|o| o.number == number).map_or(0, |o| o.open.0)
        };
        assert_eq!((live(1), live(2)), left, "{strategy:?}");
        assert_eq!(b.position("user01"), other, "{strategy:?}: the other account's 20");
    }
}

#[test]
fn an_order_may_ask_for_its_own_prevention_and_groups_match_among_each_other() {
    let (mut b, mut one, _) =
        bench(AccountRules { self_match: Some(SelfMatch::Oldest), ..AccountRules::default() });
    b.ask(&mut one, &with(1, b'S', 100, b"\x03\x1EAA"));
    assert_eq!(b.ask(&mut one, &ioc(2, b'B', 10, b"\x03\x1EBB")).len(), 3, "another group: they trade");
    let got = b.ask(&mut one, &ioc(3, b'B', 10, b"\x03\x1EAA\x02\x1DN"));
    assert_eq!(briefs(&got)[1..], [('D', 3, 10, DOLLARS_100, code('Q'))], "the newest, as it says itself");
    assert_eq!(briefs(&b.ask(&mut one, &ioc(4, b'B', 10, b"\x02\x1D?"))), [('J', 4, 0, 0, 0x0F)]);
    b.ask(&mut one, &cancel(1, 0));
    // What prevention took counts in a replace's total, as what traded does.
    b.ask(&mut one, &with(5, b'S', 100, b"\x02\x1DD"));
    b.ask(&mut one, &with(6, b'B', 40, b"\x02\x1DD"));
    assert_eq!(briefs(&b.ask(&mut one, &replace(5, 7, 90, 1_000_000)))[0].2, 50);
}

#[test]
fn an_account_may_trade_for_several_firms_and_cancels_by_firm() {
    let (mut b, mut c, _) = bench(AccountRules { firms: vec![*b"LIME"], ..AccountRules::default() });
    b.ask(&mut c, &with(1, b'B', 10, b""));
    assert_eq!(b.ask(&mut c, &with(2, b'B', 10, b"\x05\x02LIME"))[0].kind, 'A');
    assert_eq!(briefs(&b.ask(&mut c, &with(3, b'B', 10, b"\x05\x02OTHR"))), [('J', 3, 0, 0, 0x0C)]);
    let got = b.ask(&mut c, &mass_cancel(4, b"LIME", "", b""));
    assert_eq!(briefs(&got).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [('X', 4), ('C', 2)]);
    let got = b.ask(&mut c, &mass_cancel(5, &FIRM, "", b"\x02\x1BS"));
    assert_eq!(got.len(), 1, "no sales");
    let got = b.ask(&mut c, &mass_cancel(6, &FIRM, "MSFT", b""));
    assert_eq!(got.len(), 1, "none of it");
    assert_eq!(b.ask(&mut c, &mass_cancel(7, &FIRM, "AAPL", b"\x02\x1BB")).len(), 2);
}

#[test]
fn each_limit_has_its_code() {
    let limits = |l: Limits| AccountRules { limits: l, ..AccountRules::default() };
    let none = Limits::default;
    let aapl = || vec![symbol("AAPL")];
    let good = || order(2, b'B', 100, DOLLARS_100);
    let short = |side| Enter { side, ..good() };
    let cases: Vec<(u16, Limits, Enter)> = vec![
        (0x31, Limits { max_quantity: Some(99), ..none() }, good()),
        (0x30, Limits { max_notional_e4: Some(99_999_999), ..none() }, good()),
        (0x20, Limits { max_exposure_e4: Some(109_999_999), ..none() }, good()),
        (0x25, Limits { max_day_shares: Some(109), ..none() }, good()),
        (0x26, Limits { fat_finger_percent: Some(10), ..none() }, Enter { px: 1_100_100, ..good() }),
        (0x28, Limits { symbol_rate: Some(1), ..none() }, good()),
        (0x22, Limits { restricted: aapl(), ..none() }, good()),
        (0x23, Limits { short_restricted: aapl(), ..none() }, short(b'T')),
        (0x2B, Limits { no_short: true, ..none() }, short(b'T')),
        (0x2F, Limits { no_short_exempt: true, ..none() }, short(b'E')),
        (0x27, Limits { locate_required: true, ..none() }, short(b'T')),
        (0x2C, Limits { no_market_orders: true, ..none() }, Enter { px: 2_000_000_000, ..good() }),
        (0x24, Limits { no_iso: true, ..none() }, Enter { iso: b'Y', ..good() }),
        (0x21, Limits { max_take_shares: Some(99), ..none() }, good()),
    ];
    for (code, limit, message) in cases {
        let (mut b, mut c, mut other) = bench(limits(limit.clone()));
        b.ask(&mut other, &enter(1, b'S', 1_000, 1_000_000));
        let first = Enter { side: b'S', px: 1_200_000, ..order(1, b'B', 10, 0) };
        let taken = b.ask(&mut c, &first.bytes())[0].kind;
        assert_eq!(taken, if code == 0x22 { 'J' } else { 'A' }, "{code:#x}");
        assert_eq!(briefs(&b.ask(&mut c, &message.bytes())), [('J', 2, 0, 0, code)], "{limit:?}");
        // Without the limit the same order is taken.
        let (mut b, mut c, mut other) = bench(limits(none()));
        b.ask(&mut other, &enter(1, b'S', 1_000, 1_000_000));
        assert_eq!(b.ask(&mut c, &message.bytes())[0].kind, 'A', "{code:#x}");
    }
}

#[test]
fn no_order_is_larger_than_the_market_takes() {
    let (mut b, mut c, _) = market(MarketRules {
        max_shares: Some(200),
        max_notional_e4: Some(100 * 1_000_000),
        ..MarketRules::default()
    });
    assert_eq!(briefs(&b.ask(&mut c, &enter(1, b'B', 201, 10_000))), [('J', 1, 0, 0, 0x1E)]);
    assert_eq!(briefs(&b.ask(&mut c, &enter(2, b'B', 101, 1_000_000))), [('J', 2, 0, 0, 0x1F)]);
    assert_eq!(b.ask(&mut c, &enter(3, b'B', 100, 1_000_000))[0].kind, 'A');
}

#[test]
fn limits_are_of_one_account_and_bind_replaces_too() {
    let rules = AccountRules {
        limits: Limits { max_quantity: Some(100), duplicate_rate: Some(2), ..Limits::default() },
        ..AccountRules::default()
    };
    let (mut b, mut c, mut other) = bench(rules);
    assert_eq!(b.ask(&mut other, &enter(1, b'B', 200, 900_000))[0].kind, 'A');
    b.ask(&mut c, &enter(1, b'B', 100, 900_000));
    assert_eq!(briefs(&b.ask(&mut c, &replace(1, 2, 101, 900_000))), [('C', 1, 100, 0, code('U'))]);
    // Three alike within a second are one too many, and a second later not.
    let kinds: Vec<_> = (3..6).map(|n| b.ask(&mut c, &enter(n, b'B', 7, 900_000))[0].code).collect();
    assert_eq!(kinds, [code('L'), code('L'), 0x2A]);
    b.run(1_000);
    assert_eq!(b.ask(&mut c, &enter(6, b'B', 7, 900_000))[0].kind, 'A');
    assert_eq!(b.ask(&mut c, &enter(7, b'B', 8, 900_000))[0].kind, 'A', "another size");
}

#[test]
fn a_locate_and_an_iso_that_are_wrong_have_their_codes() {
    let rules = AccountRules {
        limits: Limits { locate_required: true, ..Limits::default() },
        ..AccountRules::default()
    };
    let (mut b, mut c, _) = bench(rules);
    let located = Enter { side: b'T', tags: b"\x02\x19Y", ..order(1, b'B', 10, DOLLARS_100) };
    assert_eq!(b.ask(&mut c, &located.bytes())[0].kind, 'A');
    // It has to be said again with every replace.
    assert_eq!(b.ask(&mut c, &replace(1, 2, 10, 1_010_000))[0].kind, 'C');
    let iso = Enter { iso: b'?', ..order(3, b'B', 10, DOLLARS_100) };
    assert_eq!(briefs(&b.ask(&mut c, &iso.bytes())), [('J', 3, 0, 0, 0x08)]);
}

#[test]
fn a_port_over_its_rate_is_refused_or_cut_off() {
    use colo::exchange::latency::Excess;
    let rate = |excess| AccountRules { rate: Some((3, excess)), ..AccountRules::default() };
    let (mut b, mut c, _) = bench(rate(Excess::Reject));
    for n in 1..=3 {
        assert_eq!(b.ask(&mut c, &enter(n, b'B', 10, DOLLARS_100))[0].kind, 'A');
    }
    assert_eq!(briefs(&b.ask(&mut c, &enter(4, b'B', 10, DOLLARS_100))), [('J', 4, 0, 0, 0x29)]);
    let got = b.ask(&mut c, &replace(1, 5, 20, DOLLARS_100));
    assert_eq!(briefs(&got), [('J', 5, 0, 0, 0x29)], "the old order is as it was");
    assert_eq!(b.queue(Side::Buy).len(), 3);
    assert_eq!(b.ask(&mut c, &cancel(1, 0))[0].kind, 'C', "a cancel passes");
    assert_eq!(b.venue.counts().throttled, 3);
    b.now += SECOND - MS;
    assert_eq!(b.ask(&mut c, &enter(6, b'B', 10, DOLLARS_100))[0].kind, 'J', "the second is not over");
    b.now += MS;
    assert_eq!(b.ask(&mut c, &enter(7, b'B', 10, DOLLARS_100))[0].kind, 'A');

    let (mut b, mut c, mut other) = bench(rate(Excess::Disconnect));
    for n in 1..=4 {
        b.bytes(&mut c, &packet(b'U', &enter(n, b'B', 10, DOLLARS_100)));
    }
    assert!(b.venue.is_over(c.id) && !b.venue.is_over(other.id));
    assert_eq!(b.queue(Side::Buy).len(), 3);
    for n in 1..=9 {
        assert_eq!(b.ask(&mut other, &enter(n, b'B', 10, DOLLARS_100))[0].kind, 'A', "no limit is none");
    }
}
