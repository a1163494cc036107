//! The session of a venue with API keys against the simulated venue's own desk, in virtual time over a network that is late and loses: whatever happens, the
//! limits that the *venue* counts are not exceeded, no cancel starves, and in the end both sides say the same of every order.

#![allow(clippy::print_stdout, reason = "a storm says its seed and its figures")]

mod days;
mod world;

use gateways::apikey::{Credentials, Request, Stage};
use model::{CommandKind, Nanos, Px, Qty, SessionEvent, Side, Tif, Token};
use world::{Heard, Told, Weather, World, calm, client, key};

/// What another program at our address asks for.
fn hog() -> Request {
    let (target, body) = ("/api/v3/exchangeInfo".to_owned(), String::new());
    Request { id: 0, method: "GET", target, headers: Vec::new(), body, token: None }
}

/// Ten minutes in which far more is wanted than the venue lets pass.
fn storm(weather: Weather, credentials: Credentials, minutes: u64) {
    let seed = weather.seed;
    let lossy = weather.lost != [0, 0];
    println!("SEED={seed}");
    let mut w = World::new(weather, credentials, |rest, session| {
        // Kept alive too late: it is over every 100 s, and everything is read again.
        rest.listen_key_life_ms = 100_000;
        session.listen_keep = Nanos::from_millis(150_000);
    });
    w.until_ready();
    let mut resting: Vec<Token> = Vec::new();
    while w.ms < minutes * 60_000 {
        w.tick();
        // 40 orders a second are wanted; the venue lets 5 pass.
        if w.dice.below(25) == 0 {
            let side = if w.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
            let px = 1_000_000 + 100 * (w.dice.below(11) as i64 - 5);
            resting.extend(w.new_order(side, px));
        }
        if w.dice.below(100) == 0 && !resting.is_empty() {
            let k = w.dice.below(resting.len() as u64) as usize;
            let token = resting.swap_remove(k);
            w.cancel(token);
        }
        if w.dice.below(500) == 0 && !resting.is_empty() && w.session.stage() == Stage::Ready {
            let old = resting[w.dice.below(resting.len() as u64) as usize];
            let side = w.heard.orders[&old].side;
            if !w.heard.orders[&old].over && w.heard.orders[&old].cancel.is_none() {
                let token = Token(w.next_token);
                w.next_token += 1;
                w.heard.orders.insert(token, Told { side, ..Told::default() });
                let px = Px(1_000_000 + 100 * (w.dice.below(11) as i64 - 5));
                w.submit(CommandKind::Replace { old, token, qty: Qty(50), px, tif: Tif::Day });
                resting.push(token);
            }
        }
        resting.retain(|t| !w.heard.orders[t].over);
        if lossy && w.ms.is_multiple_of(170_000) {
            w.outage(3_000);
        }
    }
    let w = w.end();
    let counts = w.desk.counts();
    let [plain, lost] = w.heard.slowest_cancel_ms;
    println!(
        "seed {seed}: {} orders wanted, {} fills, {counts:?}, slowest cancel {plain} ms, {lost} ms where something was lost",
        w.heard.orders.len(),
        w.heard.fills
    );
    assert_eq!((counts.throttled, counts.banned), (0, 0), "the venue's own count");
    assert!(counts.most_weight <= 1_200 && counts.most_orders <= 50);
    assert!(counts.most_orders >= 45, "it was no storm: {counts:?}");
    assert!(w.heard.fills > 100, "{}", w.heard.fills);
    // On its own lane a cancel waits for those before it and for its order's answer: a few round trips. With losses, for an answer that is given up after
    // 5 s, perhaps the order's and then its own, and for the end of its window.
    let bound = if lossy { 20_000 } else { 2_000 };
    assert!(plain.max(lost) <= bound, "a cancel took {plain} or {lost} ms");
    let readies = w.heard.events.iter().filter(|e| matches!(e, SessionEvent::Ready { .. })).count();
    assert!(readies as u64 > minutes / 2, "the stream was lost again and again: {readies}");
}

#[test]
fn ten_minutes_of_storm_over_a_late_network() {
    storm(Weather { seed: 7, late_ms: 60, lost: [0, 0], skew_ms: 2_500 }, key(), 10);
}

#[test]
fn ten_minutes_of_storm_with_losses_outages_and_tokens_that_end() {
    storm(Weather { seed: 11, late_ms: 120, lost: [3, 5], skew_ms: -40_000 }, client(), 10);
}

#[test]
fn a_ban_is_borne_in_silence_and_then_the_cancels_go_first() {
    let mut w = calm(|rest| {
        rest.weight_per_minute = 400;
        rest.patience = 0;
    });
    w.until_ready();
    let token = w.new_order(Side::Buy, 900_000).unwrap();
    w.until("live", 1_000, |w| w.heard.orders[&token].open > 0);
    // Another program at our address takes what is left.
    let hog = hog();
    while w.visit(&hog).status == 200 {}
    let banned = w.desk.counts().banned;
    assert_eq!(banned, 1);
    let from = w.ms;
    w.cancel(token);
    w.until("canceled", 200_000, |w| w.heard.orders[&token].over);
    assert!(w.ms - from >= 60_000, "the ban lasts a minute");
    assert_eq!(w.desk.counts().banned, banned + 1, "one request learnt of it, and no other was made");
    w.end();
}

#[test]
fn what_others_use_of_the_same_address_is_heeded_before_the_venue_refuses() {
    let mut w = calm(|rest| rest.weight_per_minute = 400);
    w.until_ready();
    let hog = hog();
    // Down to what is kept for cancels.
    while w
        .visit(&hog)
        .headers
        .iter()
        .any(|(n, v)| *n == "X-MBX-USED-WEIGHT-1M" && v.parse::<u32>().unwrap() < 360)
    {}
    let token = w.new_order(Side::Buy, 900_000).unwrap();
    w.until("an answer", 1_000, |w| w.heard.orders[&token].open > 0);
    let late = w.new_order(Side::Buy, 900_000).unwrap();
    w.until("a refusal of our own", 5_000, |w| w.heard.orders[&late].over);
    let from = w.ms;
    w.cancel(token);
    w.until("canceled", 1_000, |w| w.heard.orders[&token].over);
    assert!(w.ms - from < 10, "there was room for it");
    assert_eq!(w.desk.counts().throttled, 0);
    w.end();
}

#[test]
fn a_second_run_reads_the_day_and_adopts_what_is_open() {
    let mut w = calm(|_| {});
    w.until_ready();
    let first = w.new_order(Side::Buy, 900_000).unwrap();
    let second = w.new_order(Side::Sell, 890_000).unwrap();
    w.until("both", 2_000, |w| {
        w.heard.fills == 2 && w.session.stage() == Stage::Ready && w.lanes.iter().all(Option::is_none)
    });
    let (position, fills) = (w.heard.position, w.heard.fills);
    // The program is gone; another one begins, and is told of both.
    w.session = calm(|_| {}).session;
    w.stream = None;
    w.heard = Heard::default();
    for (token, side) in [(first, Side::Buy), (second, Side::Sell)] {
        w.heard.orders.insert(token, Told { side: side.sign(), ..Told::default() });
    }
    w.until_ready();
    w.tick();
    assert_eq!((w.heard.position, w.heard.fills), (position, fills));
    assert!(matches!(
        w.heard.events.last(),
        Some(SessionEvent::Ready { next_token: Token(3), proven: true })
    ));
    w.end();
}
