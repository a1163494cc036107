//! `scripts/launch` with a real core before a real venue: it starts, watches, starts again where it may, and stops in order.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::desk::Desk;
use program::{COLO, Ended, Program, until};

/// The launcher at a desk.
struct Launcher<'a> {
    desk: &'a Desk,
}

impl Launcher<'_> {
    /// Where it keeps its pid files.
    fn run_dir(&self) -> PathBuf {
        self.desk.file("run")
    }

    fn start(&self, arguments: &[&str]) -> Program {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/launch");
        let mut command = Command::new(script);
        command.args(arguments).env("COLO_BIN", COLO).env("COLO_RUN_DIR", self.run_dir());
        Program::start(&mut command)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// The running core's process, as the pid file has it.
    fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.run_dir().join(format!("{}.pid", self.desk.name))).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    }

    /// Starts a core from the desk's configuration and waits until it is ready.
    fn launch(&self, more: &[&str]) -> Program {
        let config = self.desk.write("colo.toml", self.desk.core());
        let mut arguments = vec![config.to_str().expect("a path"), "--mode", "test"];
        arguments.extend(more);
        let mut launch = self.start(&arguments);
        until("a core that is ready", || {
            assert!(launch.runs(), "the launcher ended: {}", launch.stderr());
            launch.stderr().contains("is ready").then_some(())
        });
        launch
    }
}

/// What a core that was stopped in order leaves.
#[track_caller]
fn stopped_in_order(desk: &Desk, launch: Program, venue: Program) {
    let ended = launch.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stderr.contains("has ended with status 130"), "{ended:#?}");
    assert_eq!(Launcher { desk }.pid(), None, "a pid file is left");
    desk.end_venue(venue).some("/accounts/0/accepted").is("/accounts/0/live_orders", 0);
}

#[test]
fn a_core_is_started_watched_and_stopped() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let launcher = Launcher { desk: &desk };
    let mut launch = launcher.launch(&[]);
    desk.until_trading(&mut launch);

    let pid = launcher.pid().expect("a pid file");
    let status = launcher.run(&["--status", &desk.name]).exits(0);
    assert!(status.stderr.contains(&format!("runs as process {pid}")), "{status:#?}");
    assert!(status.stdout.contains("AAPL"), "{status:#?}");
    let config = desk.file("colo.toml");
    let second = launcher.run(&[config.to_str().expect("a path")]).exits(1);
    assert!(second.stderr.contains("runs already"), "{second:#?}");

    let stop = launcher.run(&["--stop", &desk.name]).exits(0);
    assert!(stop.stderr.contains("has stopped"), "{stop:#?}");
    stopped_in_order(&desk, launch, venue);
    let status = launcher.run(&["--status", &desk.name]).exits(1);
    assert!(status.stderr.contains("not running"), "{status:#?}");
}

#[test]
fn a_signal_to_the_launcher_stops_the_core_in_order() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut launch = Launcher { desk: &desk }.launch(&[]);
    desk.until_trading(&mut launch);
    launch.signal("TERM");
    stopped_in_order(&desk, launch, venue);
}

#[test]
fn a_core_that_dies_is_started_again_as_often_as_was_said() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let launcher = Launcher { desk: &desk };
    let mut launch = launcher.launch(&["--restart", "1", "--no-watchdog"]);
    desk.until_trading(&mut launch);
    let first = launcher.pid().expect("a pid file");
    assert!(Command::new("kill").args(["-KILL", &first]).status().is_ok_and(|s| s.success()));
    let second = until("another core", || launcher.pid().filter(|pid| *pid != first));
    desk.until_trading(&mut launch);
    assert!(launch.stderr().contains("0 restarts left"), "{}", launch.stderr());
    assert!(Command::new("kill").args(["-KILL", &second]).status().is_ok_and(|s| s.success()));
    let ended = launch.end();
    assert_eq!(ended.code, Some(137), "no third one, and its end is told: {ended:#?}");
    drop(venue);
}

#[test]
fn a_core_that_dies_is_cleaned_up_after_and_starts_killed() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let launcher = Launcher { desk: &desk };
    let mut launch = launcher.launch(&["--restart", "1"]);
    desk.until_trading(&mut launch);
    until("the watchdog", || launch.stderr().contains("watching process").then_some(()));
    let first = launcher.pid().expect("a pid file");
    assert!(Command::new("kill").args(["-KILL", &first]).status().is_ok_and(|s| s.success()));
    until("another core", || launcher.pid().filter(|pid| *pid != first));
    assert!(launch.stdout().contains("flat after"), "the watchdog went first: {}", launch.stdout());
    let killed = |s: &program::json::Report| s.0.pointer("/kill/state").is_some_and(|state| state == "flat");
    desk.until_status("a killed core", &mut launch, killed).is("/engine/new_orders", 0);
    launch.signal("TERM");
    stopped_in_order(&desk, launch, venue);
}

#[test]
fn what_cannot_be_started_is_refused_and_nothing_is_left() {
    let desk = Desk::new();
    let launcher = Launcher { desk: &desk };
    let good = desk.core();
    let offline = format!("{good}\n[cores]\nstrategy = 100000\n");
    for (config, code, word) in [
        (good.replace("firm = \"ABCD\"", "firm = \"\""), 3, "gateways[0].firm"),
        (good.replacen("name = ", "nam = ", 1), 3, "no `name`"),
        (offline, 3, "core 100000"),
        (good.replace("\"test\"", "\"production\""), 4, "production"),
    ] {
        let file = desk.write("bad.toml", config);
        let ended = launcher.run(&[file.to_str().expect("a path")]);
        assert_eq!(ended.code, Some(code), "{word}: {ended:#?}");
        assert!(ended.stderr.contains(word), "{word}: {ended:#?}");
    }
    launcher.run(&[]).exits(2);
    launcher.run(&["--mode"]).exits(2);
    assert_eq!(launcher.pid(), None);
    assert!(desk.in_shared_memory().iter().all(|f| f.ends_with(".lock")));
}
