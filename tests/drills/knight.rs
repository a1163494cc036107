//! T8. Knight Capital, 1 August 2012: one of eight servers ran a program that nobody had meant to run, a flag had come to mean something else, 212 parent orders were worked by child
//! orders without end because their fills were not counted, and no position limit stood before the market.
//!
//! * A fleet of which one server is not as approved: that one does not log in, whatever is other about it.
//! * A strategy that counts no fills and heeds no refusal: at no record of its journal is the worst case above the limit, and each control that is there for it trips.
//!
//! `COLO_T8_ROUNDS=50` is how many servers of the fleet are started, `COLO_T8_RAMPAGES=5` how often a strategy rampages.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use colo::journal::Record;
use engine::Alarm;
use model::BreakerCause;

use crate::ledger::{self, Sum};
use crate::program::desk::Desk;
use crate::program::json::Report;
use crate::program::{COLO, Program, colo, until};
use crate::{number, reckless, settled, start};

const POSITION: i64 = 1_500;
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "AMZN"];
/// Children that it takes to come to the limit in every instrument, at least.
const CHILDREN: u64 = 3 * 290;
/// Refusals after which a limit has shown that it holds.
const REFUSALS: u64 = 2_000;

fn venue(desk: &Desk) -> String {
    let symbols = format!("symbols = {SYMBOLS:?}");
    let venue = desk.venue().replace("symbols = [\"AAPL\"]", &symbols);
    format!("control = \"venue.sock\"\n{venue}")
}

fn config(desk: &Desk, params: &str, risk: &str) -> String {
    let more: String = SYMBOLS[1..]
        .iter()
        .map(|s| format!("[[instruments]]\nsymbol = \"{s}\"\nfeed = \"f1\"\ngateway = \"g1\"\n\n"))
        .collect();
    let config = desk.core().replace("[strategy]", &format!("{more}[strategy]"));
    let config = config.replace(
        "name = \"quoter\"\nparams = { quantity = 100 }",
        &format!("name = \"reckless\"\nparams = {{ {params} }}"),
    );
    let config = config.replace("max_position = 5000", &format!("max_position = {POSITION}"));
    format!("{config}{risk}")
}

/// A strategy that stops for nothing, until `is_seen` in the core's status, with so many children at `least`; what its journal adds up to, and the journal.
fn rampage(
    params: &str,
    risk: &str,
    least: u64,
    is_seen: impl Fn(&Report) -> bool,
) -> (Sum, Vec<Record>, Report) {
    let desk = Desk::new();
    let exchange = desk.start_venue(&venue(&desk));
    let mut core = start(&desk, reckless(), &config(&desk, params, risk));
    desk.until_status("the control that stops it", &mut core, is_seen);
    // What stopped it holds: the market goes on, and nothing more comes of what is stopped.
    core.signal("TERM");
    let ended = core.end();
    let records = ledger::records(&ledger::last_run(&desk));
    let sum = ledger::add_up(&records);
    let truth = desk.end_venue(exchange);
    for (k, symbol) in (0..).zip(SYMBOLS) {
        let worst = sum.worst.get(&k).copied().unwrap_or(0);
        assert!(worst <= POSITION, "exposure {worst} of {symbol} above the limit of {POSITION}");
        let at_venue = truth.0.pointer(&format!("/accounts/0/positions/{symbol}")).and_then(|p| p.as_i64());
        let held = sum.held.get(&k).copied().unwrap_or(0);
        assert_eq!(at_venue.unwrap_or(0), held, "{symbol}: the journal and the venue");
    }
    ended.exits(130);
    let report = desk.report();
    report.is("/reconciled", true).is("/open_orders", 0);
    assert!(sum.orders >= least, "only {} children: nothing was at stake", sum.orders);
    (sum, records, report)
}

fn refused(s: &Report) -> u64 {
    s.count("/engine/refusals")
}

#[test]
fn knight_exposure_is_never_above_the_limit() {
    // By then nine hundred have had room.
    let is_seen = |s: &Report| refused(s) > REFUSALS && s.count("/engine/new_orders") >= CHILDREN;
    let (mut children, mut refusals, mut worst, mut busiest) = (0, 0, 0, 0);
    let rampages = number("COLO_T8_RAMPAGES", 1);
    for _ in 0..rampages {
        let (sum, _, report) = rampage("parents = 212, quantity = 5", "", CHILDREN, is_seen);
        children += sum.orders;
        refusals += report.count("/refused_by_risk");
        worst = sum.worst.values().copied().fold(worst, i64::max);
        busiest = sum.busiest.max(busiest);
    }
    println!(
        "\nT8 rampages={rampages} parents=212 children={children} refused={refusals} worst_exposure={worst} limit={POSITION} orders_in_a_second={busiest}"
    );
    assert!(busiest <= 500, "{busiest} orders in a second, and 500 are the limit");
}

#[test]
fn knight_repeated_executions_trip() {
    let risk = "max_repeats = 5\nrepeat_window_ms = 60000\n";
    // So many refusals with no order between two looks.
    let last = Cell::new((u64::MAX, 0));
    let is_seen = |s: &Report| {
        let (orders, refusals) = (s.count("/engine/new_orders"), refused(s));
        let (before, at) = last.get();
        if orders != before {
            last.set((orders, refusals));
        }
        orders > 0 && orders == before && refusals > at + REFUSALS
    };
    let (sum, records, _) = rampage("parents = 212, quantity = 50", risk, 15, is_seen);
    let disabled =
        |r: &&Record| matches!(r, Record::Alarm(Alarm::Disabled { cause: BreakerCause::Repeated, .. }));
    let tripped = records.iter().filter(disabled).count();
    assert_eq!(tripped, SYMBOLS.len(), "each instrument is disabled once");
    let last = records.iter().rposition(|r| matches!(r, Record::Alarm(Alarm::Disabled { .. })));
    let after = records[last.expect("an alarm")..].iter();
    assert_eq!(after.filter(|r| is_new(r)).count(), 0, "orders after all were disabled");
    println!("\nT8 repeats: {} children before all {tripped} instruments were disabled", sum.orders);
}

fn is_new(r: &Record) -> bool {
    matches!(r, Record::Command(c) if matches!(c.kind, model::CommandKind::New { .. }))
}

#[test]
fn knight_messages_without_fills_trip() {
    let risk = "[[risk.breakers]]\ntrigger = \"messages_per_fill\"\nlimit = 20\nwindow_ms = 60000\nlevel = \"cancel_only\"\n";
    let is_seen = |s: &Report| s.at("/risk/level") == "cancel_only" && refused(s) > REFUSALS;
    let (sum, records, _) =
        rampage("parents = 212, takes = false, stands = 2, sells = 0, quantity = 7", risk, 10, is_seen);
    let cause = BreakerCause::MessagesPerFill;
    let trip = records
        .iter()
        .position(|r| matches!(r, Record::Alarm(Alarm::Breaker { cause: c, .. }) if *c == cause));
    let after = records[trip.expect("an alarm")..].iter().filter(|r| is_new(r)).count();
    assert_eq!(after, 0, "orders after the breaker");
    println!("\nT8 messages per fill: {} children, none after the breaker", sum.orders);
}

/// A server of the fleet, and whether it is as approved.
struct Server<'a> {
    what: &'a str,
    binary: &'a Path,
    config: String,
    /// With which exit code it is refused, and naming what.
    refused: Option<(i32, &'static str)>,
}

#[test]
fn knight_a_mixed_fleet_never_logs_in() {
    let desk = Desk::new();
    let exchange = desk.start_venue(&venue(&desk));
    let good = format!("{}\n[host]\napproved = \"approved.toml\"\n", desk.core());
    let file = desk.write("colo.toml", &good);
    let manifest = colo(["config".as_ref(), "manifest".as_ref(), file.as_os_str()]).exits(0).stdout;
    desk.write("approved.toml", &manifest);

    // As approved: it logs in, trades, and leaves the manifest that it ran under.
    let mut core = start(&desk, Path::new(COLO), &good);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    let left = fs::read_to_string(ledger::last_run(&desk).join("manifest.toml")).expect("a manifest");
    // The run says its parameters beside.
    assert!(left.starts_with(&manifest), "{left}");

    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let old = reckless();
    let this = Path::new(COLO);
    let fleet = [
        Server {
            what: "stale program",
            binary: old,
            config: good.clone(),
            refused: Some((4, "binary_sha256")),
        },
        Server {
            what: "a limit ten times as high",
            binary: this,
            config: changed("max_position = 5000", "max_position = 50000"),
            refused: Some((4, "config_sha256")),
        },
        Server {
            what: "another quantity",
            binary: this,
            config: changed("{ quantity = 100 }", "{ quantity = 1000 }"),
            refused: Some((4, "config_sha256")),
        },
        Server {
            what: "a flag that has come to mean something else",
            binary: this,
            config: changed("{ quantity = 100 }", "{ quantity = 100, power_peg = true }"),
            refused: Some((3, "power_peg")),
        },
        Server {
            what: "a key that nobody knows",
            binary: this,
            config: changed("[risk]", "[risk]\nsmars = true"),
            refused: Some((3, "smars")),
        },
        Server {
            what: "stale program, changed configuration",
            binary: old,
            config: changed("price_collar_bps = 500", "price_collar_bps = 5000"),
            refused: Some((4, "binary_sha256")),
        },
        Server {
            what: "a list of what is approved that is not there",
            binary: this,
            config: changed("approved.toml", "absent.toml"),
            refused: Some((4, "absent.toml")),
        },
        Server {
            what: "as approved, but for a comment",
            binary: this,
            config: format!("# deployed this morning\n{good}"),
            refused: None,
        },
    ];
    let rounds = number("COLO_T8_ROUNDS", fleet.len() as u64);
    let (mut refused, mut let_in) = (0, 0);
    let quiet = settled("the venue", || ledger::ask(&desk));
    for server in fleet.iter().cycle().take(rounds as usize) {
        let before = settled("the venue", || ledger::ask(&desk));
        let mut core: Program = start(&desk, server.binary, &server.config);
        match server.refused {
            Some((code, names)) => {
                until(server.what, || {
                    let logins = ledger::ask(&desk).logins;
                    assert_eq!(logins, before.logins, "{}: it has logged in", server.what);
                    (!core.runs()).then_some(())
                });
                let ended = core.end();
                let found = (ended.code, ended.stderr.contains(names));
                assert_eq!(found, (Some(code), true), "{}: {ended:#?}", server.what);
                assert_eq!(ledger::ask(&desk), before, "{}: the venue has heard of it", server.what);
                refused += 1;
            }
            None => {
                desk.until_trading(&mut core);
                core.signal("TERM");
                core.end().exits(130);
                let_in += 1;
            }
        }
    }
    // A list that was damaged approves of nothing.
    desk.write("approved.toml", &manifest[..manifest.len() / 2]);
    start(&desk, this, &good).end().exits(4).says(&["approved.toml"]);
    assert!(ledger::ask(&desk).logins >= quiet.logins + let_in);
    println!(
        "\nT8 fleet: {} servers not as approved, {refused} refused before they logged in; {let_in} as approved let in",
        refused + 1
    );
    desk.end_venue(exchange);
}
