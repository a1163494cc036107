//! Midnight UTC at a whole venue: what lives over it, what trades on either side of it, and a process that begins after it or runs over it.

use colo::exchange::rest::RestConfig;
use gateways::apikey::Stage;
use model::{CommandKind, Px, Qty, SessionEvent, Side, Tif, Token};

use crate::world::{Heard, START_MS, Told, World, calm};

const DAY_MS: u64 = 86_400_000;

/// A world whose session is ready a minute before midnight.
fn evening(change: impl FnOnce(&mut RestConfig)) -> World {
    let mut w = calm(change);
    w.ms = DAY_MS - START_MS % DAY_MS - 60_000;
    w.until_ready();
    w
}

fn order(w: &mut World, side: Side, qty: u32, px: i64) -> Token {
    let token = Token(w.next_token);
    w.next_token += 1;
    w.heard.orders.insert(token, Told { side: side.sign(), ..Told::default() });
    let (qty, px, tif) = (Qty(qty), Px(px), Tif::Day);
    assert!(w.submit(CommandKind::New { token, side, short: false, qty, px, tif }));
    token
}

fn fills(w: &World) -> u64 {
    w.venue.account("user01").unwrap().counts.fills
}

fn until_told(w: &mut World, fills: u64) {
    w.until("fills", 5_000, |w| {
        w.heard.fills == fills && w.session.stage() == Stage::Ready && w.lanes.iter().all(Option::is_none)
    });
}

#[test]
fn a_process_that_begins_after_midnight_accounts_for_the_day_and_for_no_other() {
    let mut w = evening(|_| {});
    // Before midnight: one is filled in part, one rests, one is the best and will be filled tomorrow.
    let part = order(&mut w, Side::Buy, 100, 900_000);
    let sold = order(&mut w, Side::Sell, 30, 890_000);
    until_told(&mut w, 2);
    let rests = order(&mut w, Side::Buy, 50, 800_000);
    let best = order(&mut w, Side::Buy, 10, 950_000);
    w.until("both", 5_000, |w| [rests, best].iter().all(|t| w.heard.orders[t].open > 0));
    w.ms += 120_000;
    // After it the best is filled, and another part of the first.
    let today = order(&mut w, Side::Sell, 30, 880_000);
    until_told(&mut w, 6);
    assert_eq!((w.heard.orders[&part].open, w.heard.orders[&sold].over), (50, true));

    // The program is gone; another one begins. What it is not told of it does not expect.
    w.session = calm(|_| {}).session;
    w.stream = None;
    w.heard = Heard { fills: 2, ..Heard::default() };
    for (token, side) in [(part, Side::Buy), (rests, Side::Buy), (best, Side::Buy), (today, Side::Sell)] {
        w.heard.orders.insert(token, Told { side: side.sign(), ..Told::default() });
    }
    w.until_ready();
    w.tick();
    let open = |w: &World, token: Token| (w.heard.orders[&token].open, w.heard.orders[&token].over);
    assert_eq!(
        [part, rests, best, today].map(|t| open(&w, t)),
        [(50, false), (50, false), (0, true), (0, true)]
    );
    assert_eq!(w.heard.fills, 6, "two are of yesterday, and counted by it");
    let ready = SessionEvent::Ready { next_token: Token(today.0 + 1), proven: true };
    assert_eq!(w.heard.events, [SessionEvent::LoggedIn, ready]);
    // What lives trades on, and each fill is told once.
    order(&mut w, Side::Sell, 50, 890_000);
    until_told(&mut w, 8);
    assert_eq!(open(&w, part), (0, true));
    let w = w.end();
    assert!(!w.heard.events.contains(&SessionEvent::Doubt));
}

#[test]
fn a_process_that_runs_over_midnight_is_told_what_traded_before_it() {
    // Within a day of its beginning, and later than the venue's lists reach at once.
    for away_ms in [120_000, 30 * 3_600_000] {
        let mut w = evening(|rest| rest.listen_key_life_ms = 1_000 * DAY_MS);
        let bought = order(&mut w, Side::Buy, 10, 900_000);
        w.until("a resting order", 5_000, |w| w.heard.orders[&bought].open > 0);
        // The first trade of the symbol, and nobody hears of it.
        order(&mut w, Side::Sell, 10, 900_000);
        w.until("the trade", 5_000, |w| fills(w) == 2);
        w.outage(3_000);
        assert_eq!(w.heard.fills, 0);
        w.ms += away_ms;
        until_told_late(&mut w, 2);
        let asked = w.desk.counts().requests;
        (0..60_000).for_each(|_| w.tick());
        assert!(w.desk.counts().requests - asked <= 5, "nothing is missing, and much is asked");
        w.end();
    }
}

/// As [`until_told`], with a session to come back before.
fn until_told_late(w: &mut World, fills: u64) {
    w.until_ready();
    until_told(w, fills);
}
