//! What a running core has given up: capabilities, calls, dumps. It trades on, and it connects again.

mod program;

use std::fs;

use program::Program;
use program::desk::Desk;

/// A field of the status of each thread.
fn of_threads(core: &Program, field: &str) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{}/task", core.pid())).expect("threads");
    let of = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("status")).ok()?;
        let line = |field: &str| Some(text.lines().find_map(|l| l.strip_prefix(field))?.trim().to_owned());
        Some((line("Name:")?, line(field)?))
    };
    tasks.flatten().filter_map(of).collect()
}

#[test]
fn every_thread_is_confined_and_the_core_trades_and_connects_again() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    let threads = of_threads(&core, "Seccomp:");
    assert!(["cold", "control", "latch", "strategy"].iter().all(|n| threads.iter().any(|(t, _)| t == n)));
    for (field, wanted) in [
        ("Seccomp:", "2"),
        ("NoNewPrivs:", "1"),
        ("CapEff:", "0000000000000000"),
        ("CapPrm:", "0000000000000000"),
    ] {
        let wrong: Vec<_> = of_threads(&core, field).into_iter().filter(|(_, v)| v != wanted).collect();
        assert!(wrong.is_empty(), "{field} {wrong:?}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", core.pid())).expect("limits");
    let dumps = limits.lines().find(|l| l.starts_with("Max core file size")).expect("a limit");
    assert_eq!(dumps.split_whitespace().nth(4), Some("0"), "{dumps}");
    assert!(!core.stderr().contains("fix:"), "{}", core.stderr());

    // The venue goes and comes back.
    let connects = |s: &program::json::Report| s.count("/gateways/0/connects");
    let before = connects(&desk.until_status("a session", &mut core, |s| s.count("/gateways/0/state") == 3));
    venue.kill();
    desk.until_status("no session", &mut core, |s| s.count("/gateways/0/state") != 3);
    let venue = desk.start_venue(&desk.venue());
    desk.until_status("another session", &mut core, |s| {
        s.count("/gateways/0/state") == 3 && connects(s) > before
    });
    core.signal("TERM");
    core.end();
    drop(venue);
}

#[test]
fn it_can_be_left_off() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&format!("{}\n[host]\nsandbox = \"off\"\n", desk.core()), &[]);
    desk.until_trading(&mut core);
    assert!(of_threads(&core, "Seccomp:").iter().all(|(_, v)| v == "0"));
    core.signal("TERM");
    core.end().exits(130);
    desk.run_core(&format!("{}\n[host]\nsandbox = \"maybe\"\n", desk.core()), &[])
        .exits(3)
        .says(&["host.sandbox"]);
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}
