//! T19. What a market does beside trading: halts, auctions, market-wide breakers, price bands, books that cannot be, short sale restrictions, the close. The strategy sends whatever
//! happens; into an instrument that does not trade nothing may come to the venue, what rests there can be canceled, and when it trades again orders come again.
//!
//! * `market_by_hand`: the story writes the feed itself, so each scenario is one that a venue could be made to say. Orders go to the real venue, whose ledger is the judge.
//! * `market_of_a_venue`: a day of the real venue: opening cross, halts and their crosses, bands, the closing cross, and what is not flat then.

use colo::exchange::itch::{self, Imbalance};
use colo::journal::Record;
use colo::journal::standing::Standing;
use engine::{Alarm, Refusal, RiskReject};
use model::{Px, Side, Validity};

use crate::ledger;
use crate::program::desk::Desk;
use crate::program::until;
use crate::scene::{AAPL, BID, CENT, Scene, action, add, breach, ipo, stamp};
use crate::{number, reckless, settled, start};

/// What was not flat after the close, shares and orders.
fn not_flat(records: &[Record]) -> Vec<(i64, u32)> {
    let said = |r: &Record| match r {
        Record::Alarm(Alarm::NotFlat { shares, orders, .. }) => Some((*shares, *orders)),
        _ => None,
    };
    records.iter().filter_map(said).collect()
}

/// A scenario: how it begins, by which word the core knows it, how it ends.
type Told = (&'static str, Vec<Vec<u8>>, &'static str, Vec<Vec<u8>>);

fn scenarios(s: &mut Scene) -> Vec<Told> {
    let trading = || action(b'T', b"    ");
    let cross = |shares, kind| itch::cross_trade(stamp(), AAPL, shares, Px(BID), 77, kind);
    let imbalance = Imbalance {
        paired: 100,
        left: 50,
        direction: b'B',
        far: Px(BID),
        near: Px(BID),
        reference: Px(BID),
        cross_type: b'H',
    };
    let collar = itch::auction_collar(stamp(), AAPL, Px(BID), Px(BID + 5_000), Px(BID - 5_000), 0);
    let mut all: Vec<Told> = vec![
        ("a halt", vec![action(b'H', b"T1  ")], "halted", vec![trading()]),
        (
            "a pause at the bands",
            vec![action(b'P', b"LUDP"), collar],
            "paused",
            vec![action(b'Q', b"    "), cross(1_000, b'H'), trading()],
        ),
        (
            "quotation only",
            vec![action(b'Q', b"T3  "), itch::imbalance(stamp(), AAPL, &imbalance)],
            "quotation_only",
            vec![cross(0, b'H'), trading()],
        ),
        (
            "an IPO",
            vec![action(b'H', b"IPO1"), ipo(), action(b'Q', b"IPOQ")],
            "quotation_only",
            vec![cross(50_000, b'O'), trading()],
        ),
    ];
    for level in [b'1', b'2', b'3'] {
        let ends = vec![action(b'H', b"MWC1"), action(b'Q', b"MWCQ"), trading()];
        all.push(("a market-wide breach", vec![breach(level)], "circuit_breaker", ends));
    }
    for market in [b'Q', b'B', b'X'] {
        let of = |action| vec![itch::operational_halt(stamp(), AAPL, market, action)];
        all.push(("an operational halt", of(b'H'), "operational_halt", of(b'T')));
    }
    for (what, px, reason) in
        [("a locked book", BID + 10 * CENT, "locked"), ("a crossed book", BID + 20 * CENT, "crossed")]
    {
        let id = s.take_id();
        all.push((what, vec![add(id, Side::Buy, px)], reason, vec![itch::deleted(stamp(), id)]));
    }
    all
}

#[test]
fn market_by_hand() {
    let rounds = number("COLO_T19_ROUNDS", 1);
    let scenarios: usize = (0..rounds).map(|_| by_hand()).sum();
    println!(
        "\nT19 rounds={rounds} scenarios={scenarios} orders_while_not_trading=0 cancels_passed=all not_flat_said=yes"
    );
}

/// Every scenario once; how many.
fn by_hand() -> usize {
    // It rests at the bid, and cancels what is more than three.
    let mut s = Scene::new("takes = false, sells = 0, stands = 3", "");
    let all = scenarios(&mut s);
    for (what, begins, reason, ends) in &all {
        s.scenario(what, begins, reason, ends);
    }
    let (none, most) = (0, i64::from(u32::MAX));
    // Prices of nothing and of all that the field holds, where they are far from the market: nobody has to stop for them ...
    for (side, px) in [(Side::Buy, none), (Side::Sell, most), (Side::Sell, 1_999_999_900)] {
        let id = s.take_id();
        s.say(&[add(id, side, px)]);
        s.trades();
    }
    // ... and where they are the best: nobody believes the book.
    for (side, px) in [(Side::Sell, none), (Side::Buy, most)] {
        let id = s.take_id();
        s.scenario(
            "a best price that is none",
            &[add(id, side, px)],
            "crossed",
            &[itch::deleted(stamp(), id)],
        );
    }
    // A message that fits no order makes a book that nobody believes before the venue begins anew.
    s.scenario_until_next_session(
        "an order that nobody added",
        &[itch::deleted(stamp(), 1 << 40)],
        "unknown_order",
    );
    // The close, with orders open.
    s.holds_by_system_event(b'M', "after_close");
    s.status("the alarm", |s| s.count("/engine/alarms") > 0);
    let open = ledger::ask(&s.desk).live;
    s.system(b'E');
    s.system(b'C');
    s.feed.end();
    s.status("the end of the session", |s| s.at("/instruments/0/reason") == "end_of_session");
    let records = s.end();
    let said = not_flat(&records);
    assert_eq!(said.len(), 1, "what is not flat is said once: {said:?}");
    // As the journal has it where it was said: cancels were under way, and the venue was asked later.
    let at = records.iter().position(|r| matches!(r, Record::Alarm(Alarm::NotFlat { .. })));
    let mut standing = Standing::default();
    records[..at.expect("it was said")].iter().for_each(|r| standing.on_record(r));
    assert_eq!((said[0].0, said[0].1 as usize), (0, standing.orders.len()), "shares and orders");
    assert!(u64::from(said[0].1) >= open.max(1), "behind the close orders only go: {open} live");
    all.len() + 8
}

#[test]
fn market_short_sales_are_restricted() {
    let mut s = Scene::new("takes = true, sells = 2", "");
    for letter in [b'1', b'2'] {
        let begins = [itch::reg_sho(stamp(), AAPL, letter)];
        s.holds("a short sale restriction", &begins, |s| s.at("/instruments/0/validity") == "valid");
        s.say(&[itch::reg_sho(stamp(), AAPL, b'0')]);
        s.trades();
    }
    let records = s.end();
    let of = |r: &&Record| matches!(r, Record::Refusal(Refusal { why: RiskReject::ShortSale, .. }));
    println!("\nT19 short sales: {} refused while restricted", records.iter().filter(of).count());
}

/// The time by which the market has opened, and by which it closes, ms after the venue's start.
const OPEN_MS: u64 = 1_500;
const CLOSE_MS: u64 = 15_000;

#[test]
fn market_of_a_venue() {
    let desk = Desk::new();
    let market = format!(
        "[market]\nimbalance_ms = 200\nhours = {{ open_ms = {OPEN_MS}, close_ms = {CLOSE_MS}, late_ms = 200 }}\n\
         bands = {{ width_bp = 30, beyond = \"reject\", limit_state_ms = 100, pause_ms = 300 }}\n\n"
    );
    let venue = desk.venue().replace("[[accounts]]", &format!("{market}[[accounts]]"));
    let venue = format!("control = \"venue.sock\"\nend_of_session_ms = 2000\n{venue}");
    let exchange = desk.start_venue(&venue);
    let config = desk
        .core()
        .replace(
            "name = \"quoter\"\nparams = { quantity = 100 }",
            "name = \"reckless\"\nparams = { takes = true, sells = 0, quantity = 10 }",
        )
        .replace(
            "max_position = 5000",
            "max_position = 100000000\nflat_after_close_ms = 300\nduplicate_window_ms = 0",
        );
    let mut core = start(&desk, reckless(), &config);
    let status =
        |core: &mut crate::program::Program,
         what: &str,
         is: &dyn Fn(&crate::program::json::Report) -> bool| { desk.until_status(what, core, is) };
    status(&mut core, "before the open", &|s| s.count("/gateways/0/state") == 3);
    status(&mut core, "the open", &|s| s.at("/instruments/0/validity") == "valid");
    let mut halts = 0;
    for (verb, reason) in [("halt", "halted"), ("pause", "paused"), ("quote", "quotation_only")] {
        // A pause of the bands' own may stand just now, and the day may be over.
        status(&mut core, "trading", &|s| s.at("/instruments/0/validity") == "valid");
        desk.command_venue(&[verb, "AAPL"]);
        let seen = status(&mut core, verb, &|s| {
            s.at("/instruments/0/reason") == reason || s.at("/instruments/0/reason") == "halted"
        });
        let before = settled(verb, || ledger::ask(&desk).came);
        let from = seen.count("/engine/refusals");
        status(&mut core, "refusals", &|s| s.count("/engine/refusals") > from + 300);
        assert_eq!(ledger::ask(&desk).came, before, "{verb}: orders into an instrument that does not trade");
        desk.command_venue(&["resume", "AAPL"]);
        halts += 1;
    }
    let closed = status(&mut core, "the close", &|s| s.at("/instruments/0/validity") == "closed");
    let pauses = closed.0.pointer("/transitions/halted/paused").and_then(|n| n.as_u64()).unwrap_or(0);
    let at_close = settled("the last orders", || ledger::ask(&desk).came);
    let log = ledger::last_run(&desk).join("log.jsonl");
    until("the alarm", || {
        let text = std::fs::read_to_string(&log).expect("a log");
        text.contains("not flat after the close").then_some(())
    });
    assert_eq!(ledger::ask(&desk).came, at_close, "orders after the close");
    let position = closed.0.pointer("/instruments/0/position").and_then(|p| p.as_i64()).unwrap_or(0);
    core.signal("TERM");
    core.end();
    let records = ledger::records(&ledger::last_run(&desk));
    // Every order of the day was decided while its instrument was valid, and the journal says when that was.
    let mut valid = false;
    let mut orders = 0;
    for r in &records {
        match r {
            Record::Validity(t) => valid = t.to == Validity::Valid,
            Record::Command(c) if matches!(c.kind, model::CommandKind::New { .. }) => {
                orders += 1;
                assert!(valid, "{c:?} was decided while its instrument did not trade");
            }
            _ => {}
        }
    }
    let said = not_flat(&records);
    assert!(
        said.first().is_some_and(|(shares, _)| *shares == position && position != 0),
        "{said:?}, and {position} were held"
    );
    drop(exchange);
    println!(
        "\nT19 of a venue: {orders} orders, {halts} halts by its operator, {pauses} pauses at the bands, {position} shares held at the close and said"
    );
}
