//! The kill switch and the watchdog under fire: the real core against the real venue, two processes, killed again and again while it trades.
//!
//! | story | what stops the core | who has to notice |
//! |---|---|---|
//! | busy | `ctl kill` at any moment | the core itself |
//! | restart | the process ends with the latch set | the next process |
//! | stopped | SIGSTOP | the watchdog |
//! | hung, dead | one thread of it is held for good: the strategy's, the cold one (`ptrace`) | the watchdog |
//! | killed | `kill -9` | the watchdog |
//!
//! The judge is the venue's own ledger, asked over its own socket: orders that live, and orders and replaces that have come. After a kill none may live and none may come,
//! while the market goes on. That the judge can see a core that does not heed the latch is proved by one whose latch was taken away.
//!
//! `COLO_KILL_ROUNDS=100` is how many kills of a busy core; a tenth of that of each other kind. `scripts/drill-kill-switch` runs it.

#[path = "../program/mod.rs"]
mod program;
mod protocols;
#[path = "../kill_session/tracer.rs"]
#[allow(dead_code, reason = "only to hold a thread")]
mod tracer;

use std::fs;
use std::io::ErrorKind;

use program::desk::Desk;
use program::json::Report;
use program::ledger::{CONTROL, Ledger};
use program::{Program, skipped, until};
use serde_json::Value;
use tracer::Tracer;

/// Kills of a test that has no time for more.
const ROUNDS: usize = 3;
/// Market events that a killed core hears before it is believed.
const HEARD: u64 = 400;

fn rounds() -> usize {
    std::env::var("COLO_KILL_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("COLO_KILL_ROUNDS: a number"))
}

/// Rounds of a story that takes seconds each.
fn few() -> usize {
    rounds().div_ceil(10)
}

/// A venue, and cores that trade there one after the other.
struct Bench {
    desk: Desk,
    venue: Program,
    config: String,
}

impl Bench {
    fn new() -> Bench {
        let desk = Desk::new();
        let (core, venue) = (desk.core(), desk.venue());
        Bench::over(desk, core, &venue)
    }

    fn over(desk: Desk, core: String, venue: &str) -> Bench {
        // A connection that ends leaves its orders: whoever is to be rid of them has to cancel them.
        let venue = desk.start_venue(&format!("{CONTROL}cancel_on_disconnect = false\n{venue}"));
        let config = format!(
            "{core}\n[watchdog]\nlate_ms = 300\ncut_off_ms = 1500\ncold_cut_off_ms = 1500\ngrace_ms = 300\n"
        );
        Bench { desk, venue, config }
    }

    /// Quotes that stand away from the market: they are moved with it, and still there when the core that made them has stopped.
    fn far_from_the_market(mut self) -> Bench {
        self.config = self.config.replace("{ quantity = 100 }", "{ quantity = 100, edge_ticks = 40 }");
        self
    }

    /// As many orders as have come when no more do: what a core that is gone has said may still be on its way.
    fn settled(&self) -> u64 {
        let mut last = self.desk.ledger().came;
        until("the last of its orders", || {
            let came = self.desk.ledger().came;
            (std::mem::replace(&mut last, came) == came).then_some(came)
        })
    }

    fn start(&self) -> Program {
        self.desk.start_core(&self.config, &[])
    }

    /// A core that trades, with the kill of before released.
    fn trading(&self, core: &mut Program) {
        if self.is_latched() {
            self.desk.until_status("an answer", core, |_| true);
            self.desk.ctl("unkill").exits(0);
            self.desk.until_status("a session", core, |s| s.count("/gateways/0/state") == 3);
            // The one protocol that switches it off.
            if self.config.contains("\"ouch50\"") {
                self.desk.ctl_with("entry-on", &["--gateway", "g1"]).exits(0);
            }
            self.desk.until_status("the halt", core, |s| {
                s.0.pointer("/risk/halted").is_some_and(|h| h == "operator")
            });
            self.desk.ctl("resume").exits(0);
        }
        let before = self.desk.ledger().came;
        self.desk.until_status("trading", core, |s| s.count("/engine/new_orders") > 0);
        until("orders at the venue", || {
            let ledger = self.desk.ledger();
            (ledger.came > before + 2 && ledger.live > 0).then_some(())
        });
    }

    fn is_latched(&self) -> bool {
        fs::metadata(self.desk.journals().join("killed")).is_ok()
    }

    /// Whether a core has sent nothing new since the ledger was so, and sends nothing while it hears the market; what it did otherwise.
    fn keeps_quiet(&self, core: &mut Program, before: Ledger) -> Result<(), String> {
        let heard = |s: &Report| s.count("/engine/market_events");
        // A session that stands, so that it could.
        let first = self.desk.until_status("a session", core, |s| {
            s.count("/gateways/0/state") == 3 && s.count("/feeds/0/synced") == 1
        });
        let from = heard(&first);
        self.desk.until_status("the market", core, |s| heard(s) > from + HEARD);
        let after = self.desk.ledger();
        match (after.live, after.came - before.came) {
            (0, 0) => Ok(()),
            (live, came) => Err(format!("{came} orders came after the kill, {live} live")),
        }
    }

    fn end(self) {
        self.desk.end_venue(self.venue).is("/accounts/0/live_orders", 0);
    }
}

/// The middle one and the largest.
fn spread(mut of: Vec<u64>) -> String {
    of.sort_unstable();
    format!("p50 {} max {}", of[of.len() / 2], of[of.len() - 1])
}

#[test]
fn a_busy_core_is_killed_and_nothing_comes_after_it() {
    let mut bench = Bench::new();
    let mut core = bench.start();
    let (mut last_us, mut flat_us) = (Vec::new(), Vec::new());
    let mut restarts = 0;
    for round in 0..rounds() {
        bench.trading(&mut core);
        let answer = Report::of(&bench.desk.ctl_with("kill", &["--json"]).exits(0));
        // The command has returned: from here on nothing may come.
        let at_once = bench.desk.ledger();
        assert_eq!(at_once.live, 0, "round {round}: alive though confirmed flat: {answer:?}");
        bench.keeps_quiet(&mut core, at_once).unwrap_or_else(|what| panic!("round {round}: {what}"));
        assert_eq!(bench.desk.ledger(), at_once, "round {round}");
        last_us.push(answer.count("/kill/last_order_after_ns") / 1_000);
        flat_us.push(answer.count("/kill/flat_after_ns") / 1_000);
        if round % 5 == 1 {
            restarts += 1;
            match round % 2 {
                0 => core.signal("TERM"),
                _ => core.signal("KILL"),
            }
            core.end();
            assert!(bench.is_latched(), "round {round}");
            // Every other one is a single thread.
            let (from, to) =
                if restarts % 2 == 1 { ("pipelined", "inline") } else { ("inline", "pipelined") };
            bench.config = bench.config.replace(&format!("\"{from}\""), &format!("\"{to}\""));
            core = bench.start();
            bench
                .keeps_quiet(&mut core, at_once)
                .unwrap_or_else(|what| panic!("round {round}, restarted: {what}"));
        }
    }
    core.signal("TERM");
    core.end();
    println!(
        "busy: {} kills, {restarts} restarts with the latch, 0 orders after a kill; last order after the kill us: {}; flat us: {}",
        rounds(),
        spread(last_us),
        spread(flat_us)
    );
    bench.end();
}

#[test]
fn the_judge_sees_a_core_that_does_not_heed_the_latch() {
    let bench = Bench::new();
    let mut core = bench.start();
    bench.trading(&mut core);
    bench.desk.ctl("kill").exits(0);
    core.kill();
    // As a core would start that ignores it. The venue has switched entry off, so its orders are refused there; they have come all the same.
    fs::remove_file(bench.desk.journals().join("killed")).expect("a latch");
    let before = bench.desk.ledger();
    let mut core = bench.start();
    let verdict = bench.keeps_quiet(&mut core, before);
    core.kill();
    println!("canary: caught: {}", verdict.expect_err("a core that heeds no latch was not seen"));
    bench.end();
}

/// Figures of a watchdog, and what it has to leave.
#[track_caller]
fn judged(bench: &Bench, watchdog: Program, came: u64) -> Value {
    let ended = watchdog.end();
    let figures = Report::of(&ended);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let ledger = bench.desk.ledger();
    assert_eq!(ledger.live, 0, "{ended:#?}");
    assert_eq!(ledger.came, came, "the rescue sends nothing new: {ended:#?}");
    assert!(bench.is_latched(), "{ended:#?}");
    figures.0
}

fn watchdog(bench: &Bench) -> Program {
    let config = bench.desk.file("colo.toml");
    let mut program =
        Program::colo(["watchdog".as_ref(), "--config".as_ref(), config.as_os_str(), "--json".as_ref()]);
    until("the watchdog", || {
        assert!(program.runs(), "{}", program.stderr());
        program.stderr().contains("watching process").then_some(())
    });
    program
}

/// Rounds of a core that stops, each noticed by a watchdog, each followed by a core that starts killed.
fn stops(what: &str, mut stop: impl FnMut(&mut Program) -> bool) -> String {
    let bench = Bench::new().far_from_the_market();
    let mut all = Vec::new();
    let mut canceled = 0;
    for round in 0..few() {
        let mut core = bench.start();
        bench.trading(&mut core);
        let dog = watchdog(&bench);
        if !stop(&mut core) {
            skipped("this host lets nobody hold a thread (ptrace)");
            return String::new();
        }
        // It has stopped: what it had said by then is all that comes.
        let figures = judged(&bench, dog, bench.settled());
        canceled += figures["canceled"].as_u64().unwrap_or(0);
        all.push(figures);
        core.end();
        let before = bench.desk.ledger();
        let mut core = bench.start();
        bench
            .keeps_quiet(&mut core, before)
            .unwrap_or_else(|what| panic!("round {round}, restarted: {what}"));
        core.signal("TERM");
        core.end();
    }
    bench.end();
    let answered = all.iter().filter(|f| f["answered"] == true).count();
    assert!(canceled > 0 || answered > 0, "nothing was at stake");
    let of = |key: &str| spread(all.iter().map(|f| f[key].as_u64().unwrap_or(u64::MAX)).collect());
    format!(
        "{what}: {} rounds; noticed ms: {}; cut off ms: {}; flat ms: {}; {answered} took the kill themselves, {canceled} orders found alive and canceled, 0 left",
        few(),
        of("noticed_after_ms"),
        of("cut_off_after_ms"),
        of("flat_after_ms")
    )
}

#[test]
fn a_stopped_core_is_cut_off() {
    let said = stops("stopped", |core| {
        core.signal("STOP");
        true
    });
    println!("{said}");
}

#[test]
fn a_core_that_was_killed_is_cleaned_up_after() {
    let said = stops("killed", |core| {
        core.signal("KILL");
        true
    });
    println!("{said}");
}

/// Holds a thread for good, as if it hung in the kernel; ends when the process is killed.
fn hold(core: &Program, name: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", core.pid())).expect("threads");
    let thread = tasks.flatten().find_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        (comm.trim() == name).then(|| task.file_name().to_str()?.parse().ok())?
    });
    match Tracer::seize(thread.expect("the thread to hold")) {
        Ok(tracer) => {
            tracer.bury();
            true
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => false,
        Err(e) => panic!("{name}: {e}"),
    }
}

#[test]
fn a_core_whose_strategy_hangs_is_cut_off() {
    println!("{}", stops("hung strategy", |core| hold(core, "strategy")));
}

#[test]
fn a_core_whose_cold_thread_is_dead_is_cut_off() {
    println!("{}", stops("dead cold thread", |core| hold(core, "cold")));
}

#[test]
fn a_core_that_ends_in_order_is_let_go() {
    let bench = Bench::new();
    let mut core = bench.start();
    bench.trading(&mut core);
    let dog = watchdog(&bench);
    core.signal("TERM");
    core.end().exits(130);
    let ended = dog.end().exits(0);
    assert!(ended.stderr.contains("has ended in order"), "{ended:#?}");
    assert!(!bench.is_latched());
    bench.end();
}
