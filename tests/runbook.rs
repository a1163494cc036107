//! A day by `docs/runbook.md`, before a real venue: start of day, halt and resume, kill and release, the venue down, a crash, the close. Each command is typed as the page has it, with this desk's
//! name and files in place of those that the page shows; one that is not on the page is none that a trader would type, and ends the test. (Disks that are full or slow: `tests/disk`. The
//! watchdog: `tests/kill_switch`. A release: `tests/promote`.)

mod program;

use std::path::Path;
use std::process::Command;

use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{Ended, Program, until};

/// Somebody at a desk, with the page beside the keyboard.
struct Trader {
    desk: Desk,
    page: String,
}

impl Trader {
    /// Types a command of the page; what the page leaves open is filled in.
    #[track_caller]
    fn types(&self, command: &str) -> Ended {
        assert!(self.page.contains(&format!("`{command}`")), "{command:?} is not on the page");
        self.bash(command).end()
    }

    fn bash(&self, command: &str) -> Program {
        let name = &self.desk.name;
        let typed = [
            ("DIR", format!("journal/{name}")),
            ("desk1", name.clone()),
            ("TEXT", "'as the runbook has it'".into()),
            ("YOU", "anna".into()),
        ];
        let typed = typed.iter().fold(command.to_owned(), |c, (shown, here)| c.replace(shown, here));
        let folder = Path::new(program::COLO).parent().expect("the folder of the program");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &format!("exec {typed}")]).current_dir(self.desk.folder.path());
        Program::start(bash.env("PATH", format!("{}:{path}", folder.display())))
    }

    /// `status` until it reads so.
    #[track_caller]
    fn reads(&self, core: &mut Program, what: &str, is: impl Fn(&str) -> bool) -> String {
        until(what, || {
            assert!(core.runs(), "{what}: the core ended: {}", core.stderr());
            let said = self.types("colo ctl --name desk1 status");
            (said.code == Some(0) && is(&said.stdout)).then_some(said.stdout)
        })
    }

    /// A core, started as the page has it.
    fn starts(&self) -> Program {
        self.page.find("`colo run --config colo.toml --mode test`").expect("how to start is on the page");
        self.bash("colo run --config colo.toml --mode test --json run.json")
    }

    /// Until orders come and trade.
    fn trades(&self, core: &mut Program) -> Report {
        let before = self.desk.until_status("a status", core, |_| true).count("/engine/new_orders");
        self.desk.until_status("more orders", core, |s| {
            s.count("/engine/new_orders") > before + 3 && open_orders(s) > 0
        })
    }

    /// Nothing new leaves while the market goes on.
    fn sends_nothing(&self, core: &mut Program) {
        let then = self.desk.until_status("a status", core, |_| true);
        let heard = then.count("/engine/market_events");
        let later =
            self.desk.until_status("the market", core, |s| s.count("/engine/market_events") > heard + 500);
        assert_eq!(later.count("/engine/new_orders"), then.count("/engine/new_orders"), "{later:?}");
    }
}

/// The line of a status that begins with `word`.
#[track_caller]
fn line<'a>(status: &'a str, word: &str) -> &'a str {
    status.lines().find(|l| l.starts_with(word)).unwrap_or_else(|| panic!("no {word} in {status}"))
}

#[test]
fn a_day_by_the_runbook() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let trader = Trader { desk: Desk::new(), page };
    let desk = &trader.desk;
    desk.write("colo.toml", desk.core());
    let venue = desk.start_venue(&desk.venue());

    start_of_day(&trader);
    let mut core = trader.starts();
    let status = trader.reads(&mut core, "a core that is ready", |s| {
        line(s, "gateway g1").contains("ready") && line(s, "AAPL").contains("valid")
    });
    assert!(line(&status, "feed ").contains("synced"), "{status}");
    trader.trades(&mut core);

    halt_and_resume(&trader, &mut core);
    kill_and_release(&trader, &mut core);
    venue_down(&trader, &mut core, &venue);
    let mut core = crash(&trader, core);
    trader.trades(&mut core);
    end_of_day(&trader, core);
    desk.end_venue(venue);
}

fn start_of_day(trader: &Trader) {
    // 0, or 1 where this host fails a row, which it says how to mend.
    let doctor = trader.types("colo doctor");
    assert!(matches!(doctor.code, Some(0 | 1)) && !doctor.stdout.is_empty(), "{doctor:#?}");
    trader.types("colo config check colo.toml").exits(0);
    let shown = trader.types("colo config show colo.toml").exits(0).shows(&["[risk]", "max_daily_loss_usd"]);
    assert!(!shown.stdout.contains("secret77"), "secrets are not in it");
    trader.types("colo config manifest colo.toml").exits(0);
    trader.types("colo demo --seconds 10").exits(0).shows(&["reconciliation  ok"]);
}

fn halt_and_resume(trader: &Trader, core: &mut Program) {
    trader.types("colo ctl --name desk1 halt").exits(0);
    trader.reads(core, "the halt", |s| s.contains("HALTED (operator)"));
    trader.sends_nothing(core);
    trader.types("colo ctl --name desk1 cancel-all").exits(0);
    trader.reads(core, "nothing open", |s| s.contains("open orders 0/"));
    let refused = trader.bash("colo ctl --name desk1 resume").end();
    assert!(refused.code != Some(0), "a resume wants a reason: {refused:#?}");
    trader.types("colo ctl --name desk1 resume --reason TEXT").exits(0);
    trader.reads(core, "the resume", |s| !s.contains("HALTED"));
    trader.trades(core);
}

fn kill_and_release(trader: &Trader, core: &mut Program) {
    trader.types("colo ctl --name desk1 kill --reason TEXT --operator YOU").exits(0);
    let status = trader.reads(core, "the kill", |s| s.contains("KILLED"));
    for word in ["by anna since", "as the runbook has it", "confirmed flat after", "open orders 0/"] {
        assert!(status.contains(word), "{word:?} is missing: {status}");
    }
    trader.sends_nothing(core);
    trader.types("colo ctl --name desk1 resume --reason TEXT").exits(1).says(&["unkill"]);
    trader.types("colo ctl --name desk1 unkill --reason TEXT --operator YOU").exits(0);
    trader.types("colo ctl --name desk1 entry-on --gateway g1 --reason TEXT").exits(0);
    trader.types("colo ctl --name desk1 resume --reason TEXT").exits(0);
    trader.trades(core);
}

/// The venue's host stands still: its market data and its session are gone. Then it is there again, and so are both.
fn venue_down(trader: &Trader, core: &mut Program, venue: &Program) {
    venue.signal("STOP");
    let status = trader.reads(core, "a book that is stale", |s| line(s, "AAPL").contains("stale (silence)"));
    assert!(status.contains("tradable instruments 0"), "{status}");
    trader.reads(core, "a session that is gone", |s| {
        ["disconnected", "connecting"].iter().any(|w| line(s, "gateway g1").contains(w))
    });
    venue.signal("CONT");
    trader.reads(core, "the session again", |s| line(s, "gateway g1").contains("ready"));
    trader.reads(core, "books again", |s| line(s, "AAPL").contains("valid"));
    trader.trades(core);
    // The two that the page has for books that are not believed, and for lines that stay silent.
    trader.types("colo ctl --name desk1 feed resync --feed f1").exits(0);
    trader.desk.until_status("books made anew", core, |s| {
        s.0.pointer("/transitions/recovering/operator").is_some_and(|n| n.as_u64() > Some(0))
    });
    trader.reads(core, "books again", |s| line(s, "AAPL").contains("valid"));
    trader.types("colo ctl --name desk1 feed reconnect").exits(0);
    trader.trades(core);
}

/// `kill -9`, a look at what it left, and the next start.
fn crash(trader: &Trader, core: Program) -> Program {
    let sent = trader.desk.next_token();
    core.kill();
    trader.types("colo journal verify DIR").exits(0).shows(&["the writer was killed"]);
    trader.types("colo journal standing DIR").exits(0).shows(&[
        "run 1 did not end in order",
        "restrained: nothing",
        "AAPL",
    ]);
    let mut core = trader.starts();
    trader.reads(&mut core, "the session", |s| line(s, "gateway g1").contains("ready"));
    assert!(trader.desk.next_token() > sent, "tokens go on");
    core
}

fn end_of_day(trader: &Trader, core: Program) {
    trader.types("colo ctl --name desk1 shutdown").exits(0);
    core.end().exits(0).shows(&["reconciliation  ok"]);
    trader.types("colo journal verify DIR").exits(0).shows(&["ends in order"]);
    trader.types("colo journal audit DIR > trail.csv").exits(0);
    assert!(std::fs::read_to_string(trader.desk.file("trail.csv")).expect("a trail").lines().count() > 10);
    trader.types("colo journal standing DIR").exits(0).shows(&["ended in order", "restrained: nothing"]);
    trader.types("colo replay --journal DIR").exits(0).shows(&["no difference"]);
}
