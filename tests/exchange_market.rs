//! Hours, auctions, halts, price bands, trades that are undone: in virtual time, over order entry's bytes and the tape.

mod exchange_support;

use colo::exchange::VenueConfig;
use colo::exchange::market::{Bands, BeyondBands, HaltedOrders, Hours, MarketRules};
use exchange_support::client::{Client, Enter, Report, cancel, enter, order, replace};
use exchange_support::tape::Said;
use exchange_support::{Bench, MS, config, symbol};
use model::Side;

type Brief = (char, u32, u32, u64, u16);

fn briefs(reports: &[Report]) -> Vec<Brief> {
    reports.iter().map(Report::brief).collect()
}

fn code(letter: char) -> u16 {
    letter as u16
}

fn market(market: MarketRules) -> (Bench, Client, Client) {
    let mut b = Bench::new(VenueConfig { market, ..config() });
    let (one, two) = (b.client(0), b.client(1));
    (b, one, two)
}

fn hours() -> MarketRules {
    let hours = Hours { open_ns: 1_000 * MS, close_ns: Some(5_000 * MS), late_ns: 100 * MS };
    MarketRules { hours: Some(hours), imbalance_every_ns: 500 * MS, ..MarketRules::default() }
}

fn for_cross(number: u32, side: u8, quantity: u32, px: u64, cross: u8) -> Vec<u8> {
    Enter { cross, ..order(number, side, quantity, px) }.bytes()
}

const MARKET: u64 = 0x7FFF_FFFF;

#[test]
fn the_day_opens_and_closes_with_a_cross() {
    let (mut b, mut one, mut two) = market(hours());
    assert_eq!(b.tape.events, "OS", "no market hours yet");
    assert_eq!(briefs(&b.ask(&mut one, &enter(1, b'B', 10, 1_000_000))), [('J', 1, 0, 0, 0x02)]);
    let got = b.ask(&mut one, &for_cross(2, b'B', 300, 1_000_000, b'O'));
    assert_eq!((got[0].kind, got[0].raw[46]), ('A', b'O'));
    b.ask(&mut one, &for_cross(3, b'B', 100, MARKET, b'O'));
    b.ask(&mut two, &for_cross(1, b'S', 350, 990_000, b'O'));
    assert_eq!((b.queue(Side::Buy), b.queue(Side::Sell)), (vec![], vec![]), "no book has them");

    b.run(500);
    let said = *b.tape.imbalances.iter().rfind(|i| i.paired > 0).expect("an imbalance is said");
    let want =
        Said { paired: 350, left: 50, direction: 'B', far: 990_000, near: 990_000, reference: 0, cross: 'O' };
    assert_eq!(said, want);
    b.run(500);
    assert_eq!(b.tape.events, "OSQ");
    assert_eq!(b.tape.crosses[0], ('O', 350, 990_000));
    let o = code('O');
    assert_eq!(
        briefs(&b.wait(&mut one, 0)),
        [('E', 3, 100, 990_000, o), ('E', 2, 250, 990_000, o), ('C', 2, 50, 0, code('E'))],
        "the one without a limit first; what is left is canceled"
    );
    assert_eq!(briefs(&b.wait(&mut two, 0)), [('E', 1, 350, 990_000, o)]);
    assert_eq!((b.position("user01"), b.position("user02")), (350, -350));

    // In market hours, the book trades, and the opening cross is over.
    assert_eq!(briefs(&b.ask(&mut one, &for_cross(4, b'B', 1, MARKET, b'O'))), [('J', 4, 0, 0, 0x14)]);
    b.ask(&mut one, &enter(5, b'B', 100, 980_000));
    b.ask(&mut one, &for_cross(6, b'B', 50, MARKET, b'C'));
    b.ask(&mut two, &for_cross(2, b'S', 120, 970_000, b'C'));
    // The closing cross takes the book's orders with it.
    b.run(4_000);
    assert_eq!(b.tape.events, "OSQMEC");
    let aapl = b.tape.crosses.iter().rfind(|c| c.1 > 0).unwrap();
    assert_eq!((aapl.0, aapl.1), ('C', 120));
    let fills: u32 = b.wait(&mut one, 0).iter().filter(|r| r.kind == 'E').map(|r| r.quantity).sum();
    assert_eq!((fills, b.position("user01"), b.position("user02")), (120, 470, -470));
    let printable: Vec<_> = b.tape.trades.iter().filter(|t| t.0 == 'C').collect();
    assert_eq!(printable.len(), 1, "the order at rest, as an execution at a price");
    assert!(b.venue.is_closed());
}

#[test]
fn late_before_a_cross_only_its_own_orders_are_held() {
    let (mut b, mut one, _) = market(hours());
    b.ask(&mut one, &for_cross(1, b'B', 100, 1_000_000, b'O'));
    b.run(899);
    b.ask(&mut one, &for_cross(2, b'B', 100, 1_000_000, b'O'));
    assert_eq!(b.ask(&mut one, &cancel(2, 0))[0].kind, 'C', "not late yet");
    b.run(1);
    assert_eq!(b.ask(&mut one, &cancel(1, 50))[0].kind, 'I');
    assert_eq!(b.ask(&mut one, &cancel(1, 0))[0].kind, 'P');
    assert_eq!(
        briefs(&b.ask(&mut one, &replace(1, 3, 10, 1_000_000))),
        [('J', 3, 0, 0, 0x0B)],
        "its cancel waits"
    );
    assert_eq!(briefs(&b.wait(&mut one, 100)), [('C', 1, 100, 0, code('E'))], "nothing to trade with");
    // Late before the close, an order of the book is as free as ever.
    b.ask(&mut one, &enter(4, b'B', 10, 1_000_000));
    b.ask(&mut one, &for_cross(5, b'B', 10, 1_000_000, b'C'));
    b.run(3_950);
    assert_eq!(b.ask(&mut one, &cancel(4, 0))[0].kind, 'C');
    assert_eq!(b.ask(&mut one, &cancel(5, 0))[0].kind, 'P');
}

#[test]
fn a_halt_holds_what_rests_collects_and_reopens_by_a_cross() {
    let (mut b, mut one, mut two) = market(MarketRules::default());
    b.ask(&mut one, &enter(1, b'B', 100, 1_000_000));
    assert!(b.venue.set_trading_state(b.now, symbol("AAPL"), b'H'));
    assert_eq!(b.queue(Side::Buy).len(), 1);
    assert_eq!(briefs(&b.ask(&mut two, &enter(1, b'S', 10, 1_000_000))), [('J', 1, 0, 0, 0x07)]);
    assert_eq!(b.ask(&mut two, &for_cross(2, b'S', 150, 990_000, b'H'))[0].kind, 'A');
    assert_eq!(b.ask(&mut two, &for_cross(3, b'S', 10, 990_000, b'H'))[0].kind, 'A');
    assert_eq!(b.ask(&mut two, &cancel(3, 0))[0].kind, 'C', "cancels pass in a halt");
    assert!(b.venue.set_trading_state(b.now, symbol("AAPL"), b'Q'));
    assert!(b.venue.set_trading_state(b.now, symbol("AAPL"), b'T'));
    b.listen();
    assert_eq!(b.tape.crosses, [('H', 100, 990_000)]);
    assert_eq!(briefs(&b.wait(&mut two, 0)), [('E', 2, 100, 990_000, code('H')), ('C', 2, 50, 0, code('E'))]);
    assert_eq!(briefs(&b.wait(&mut one, 0)), [('E', 1, 100, 990_000, code('H'))]);
    assert_eq!(b.tape.actions, b"TTHQT");
    assert_eq!(b.ask(&mut two, &enter(4, b'S', 10, 1_000_000))[0].kind, 'A');
}

#[test]
fn a_halt_may_cancel_what_rests() {
    let rules = MarketRules { halted: HaltedOrders::Cancel, ..MarketRules::default() };
    let (mut b, mut one, _) = market(rules);
    b.ask(&mut one, &enter(1, b'B', 100, 1_000_000));
    b.ask(&mut one, &Enter { symbol: "MSFT", ..order(2, b'B', 100, 1_000_000) }.bytes());
    b.venue.set_trading_state(b.now, symbol("AAPL"), b'H');
    assert_eq!(briefs(&b.wait(&mut one, 0)), [('C', 1, 100, 0, code('H'))]);
}

fn bands(beyond: BeyondBands) -> MarketRules {
    let bands = Bands { width_bp: 500, beyond, limit_state_ns: 1_000 * MS, pause_ns: 2_000 * MS };
    MarketRules { bands: Some(bands), imbalance_every_ns: 500 * MS, ..MarketRules::default() }
}

/// A trade at 100 dollars makes the bands 95 to 105.
fn traded(beyond: BeyondBands) -> (Bench, Client, Client) {
    let (mut b, mut one, mut two) = market(bands(beyond));
    b.ask(&mut one, &enter(1, b'B', 10, 1_000_000));
    b.ask(&mut two, &enter(1, b'S', 10, 1_000_000));
    b.wait(&mut one, 0);
    (b, one, two)
}

#[test]
fn an_order_beyond_the_bands_is_refused_or_slid() {
    let (mut b, mut one, _) = traded(BeyondBands::Reject);
    assert_eq!(briefs(&b.ask(&mut one, &enter(2, b'B', 10, 1_050_100))), [('J', 2, 0, 0, 0x1D)]);
    assert_eq!(briefs(&b.ask(&mut one, &enter(3, b'S', 10, 949_900))), [('J', 3, 0, 0, 0x1D)]);
    assert_eq!(b.ask(&mut one, &enter(4, b'B', 10, 949_900))[0].kind, 'A', "away from the market is free");
    assert_eq!(b.ask(&mut one, &enter(5, b'B', 10, 1_050_000))[0].kind, 'A');
    let got = b.ask(&mut one, &replace(4, 6, 10, 1_060_000));
    assert_eq!(briefs(&got), [('C', 4, 10, 0, code('U'))], "a replace that may not be cancels");

    let (mut b, mut one, mut two) = traded(BeyondBands::Slide);
    let got = b.ask(&mut one, &enter(2, b'S', 10, 900_000));
    assert_eq!(briefs(&got), [('A', 2, 10, 950_000, code('L'))]);
    // One without a limit goes as far as the bands.
    b.ask(&mut one, &cancel(2, 0));
    b.ask(&mut one, &enter(3, b'S', 10, 1_050_000));
    b.ask(&mut one, &enter(4, b'S', 10, 1_060_000));
    let got = b.ask(&mut two, &enter(2, b'B', 50, MARKET));
    let tail = &briefs(&got)[1..];
    assert_eq!(tail, [('E', 2, 10, 1_050_000, code('R')), ('C', 2, 40, 0, code('K'))]);
}

#[test]
fn what_was_slid_follows_the_bands_with_a_priority_update() {
    let (mut b, mut one, mut two) = traded(BeyondBands::Slide);
    b.ask(&mut two, &enter(2, b'S', 5, 1_040_000));
    b.ask(&mut one, &enter(2, b'B', 10, 1_070_000));
    b.wait(&mut two, 0);
    let got = b.venue.account("user01").unwrap().live_orders;
    assert_eq!(
        (got[0].px.0, got[0].open.0),
        (1_070_000, 5),
        "its trade at 104 moved the bands to 98.80 and 109.20"
    );
    // The slide was told, and so was the move.
    let mut again = b.login("user01", "pass", "", "1");
    let told: Vec<_> = again.reports.drain(..).map(|r| (r.kind, r.number, r.px)).collect();
    assert_eq!(told[told.len() - 3..], [('A', 2, 1_050_000), ('E', 2, 1_040_000), ('T', 2, 1_070_000)]);
    assert_eq!(b.queue(Side::Buy), [(1_070_000, 5, true)]);
}

#[test]
fn a_limit_state_that_lasts_pauses_and_a_cross_reopens() {
    let (mut b, mut one, mut two) = traded(BeyondBands::Slide);
    b.ask(&mut one, &enter(2, b'B', 100, 1_060_000));
    b.run(500);
    b.ask(&mut one, &cancel(2, 0));
    b.run(1_000);
    assert_eq!(b.tape.actions, b"TT", "the limit state was over before");
    b.ask(&mut one, &enter(3, b'B', 100, 1_060_000));
    b.run(1_000);
    assert_eq!(b.tape.actions, b"TTP");
    assert_eq!(b.tape.types[&'J'], 1);
    assert_eq!(briefs(&b.ask(&mut two, &enter(2, b'S', 10, 1_000_000))), [('J', 2, 0, 0, 0x07)]);
    b.ask(&mut two, &for_cross(3, b'S', 60, 1_040_000, b'H'));
    b.run(2_000);
    assert_eq!(b.tape.actions, b"TTPT");
    assert!(b.tape.crosses.iter().any(|c| *c == ('H', 60, 1_040_000)), "{:?}", b.tape.crosses);
    assert_eq!(b.position("user02"), -70);
    assert!(b.tape.imbalances.iter().any(|i| (i.cross, i.paired) == ('H', 60)));
}

#[test]
fn a_broken_trade_is_undone_on_both_sides() {
    let mut settings = config();
    settings.script = vec![colo::exchange::script::Step {
        trigger: colo::exchange::script::Trigger::At(100 * MS),
        account: Some(0),
        symbol: None,
        action: colo::exchange::script::Action::Break,
    }];
    let mut b = Bench::new(settings);
    let (mut one, mut two) = (b.client(0), b.client(1));
    b.ask(&mut one, &enter(1, b'S', 100, 1_000_000));
    b.ask(&mut two, &enter(1, b'B', 40, 1_000_000));
    b.ask(&mut two, &enter(2, b'B', 20, 1_000_000));
    let fill = b.wait(&mut one, 0).pop().unwrap();
    let got = b.wait(&mut one, 100);
    assert_eq!(briefs(&got), [('B', 1, 0, 0, code('S'))]);
    assert_eq!(got[0].raw[13..21], fill.raw[26..34], "the match number of the last fill");
    assert_eq!(got[0].raw[22..36], *b"text          ");
    assert_eq!(briefs(&b.wait(&mut two, 0)), [('B', 2, 0, 0, code('S'))]);
    assert_eq!(b.tape.broken.len(), 1);
    let (one, two) = (b.venue.account("user01").unwrap(), b.venue.account("user02").unwrap());
    assert_eq!((b.position("user01"), b.position("user02")), (-40, 40));
    assert_eq!((one.cash_e4, two.cash_e4), (40_000_000, -40_000_000));
    assert_eq!((one.counts.broken, one.counts.fills, one.live_orders[0].open.0), (1, 2, 40));
}
