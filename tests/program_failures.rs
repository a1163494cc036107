//! Starts that cannot be, and a disk that fills up: a sentence and an exit code, and nothing left behind that anybody has to clear away.

mod program;

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use colo::journal::Record;
use model::{CommandKind, Control, HaltReason};
use program::desk::{Desk, open_orders};
use program::{COLO, Ended, Program, colo, skipped, until};
use ringbuf::log;

/// The runs in the journal folder of a desk.
fn runs(desk: &Desk) -> usize {
    let Ok(entries) = std::fs::read_dir(desk.journals()) else { return 0 };
    entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("run-")).count()
}

/// Checks that a run that never was has left no journal, no region and no socket. The lock of the name stays: removing it would be a race.
#[track_caller]
fn left_nothing(desk: &Desk) {
    assert_eq!(runs(desk), 0, "a run's folder is left");
    let left: Vec<_> = desk.in_shared_memory().into_iter().filter(|f| !f.ends_with(".lock")).collect();
    assert_eq!(left, [""; 0], "something is left in shared memory");
}

#[test]
fn production_is_a_gate() {
    let desk = Desk::new();
    let production = desk.core().replace("\"test\"", "\"production\"");
    let cases: [(&str, &[&str], &[&str]); 4] = [
        (&production, &["--mode", "test"], &["gateways[0].environment", "production", "test"]),
        (&production, &[], &["gateways[0].environment", "production"]),
        (&production, &["--mode", "live"], &["--mode live", "approval"]),
        (&desk.core(), &["--mode", "live"], &["--mode live", "approval"]),
    ];
    for (config, more, words) in cases {
        desk.run_core(config, more).exits(4).says(words);
        assert!(!desk.file("journal").exists() && desk.in_shared_memory().is_empty(), "something was made");
    }
    desk.run_core(&desk.core(), &["--mode", "wild"]).exits(2);
}

#[test]
fn a_venue_that_is_down_is_said_in_a_sentence() {
    let desk = Desk::new();
    let ended = desk.run_core(&desk.core(), &["--seconds", "3"]).exits(1);
    assert!(ended.stderr.contains("trying again"), "the person is told while it waits: {ended:#?}");
    ended.says(&["g1", &desk.ouch.to_string(), "refused"]);
    let report = desk.report();
    report.is("/reconciled", false).is("/orders_sent", 0).is("/open_orders", 0);
}

#[test]
fn a_login_that_is_refused_is_said_in_a_sentence() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue().replace("password_file = \"pw\"", "password = \"other\""));
    let ended = desk.run_core(&desk.core(), &["--seconds", "3"]).exits(1);
    assert!(ended.stderr.contains("refuses the login"), "{ended:#?}");
    assert!(!ended.stderr.contains("secret77"), "{ended:#?}");
    ended.says(&["g1", "refused the login", "(A)"]);
    desk.end_venue(venue).is("/accounts/0/accepted", 0);
}

#[test]
fn a_port_in_use_is_said_in_a_sentence() {
    let desk = Desk::new();
    let _taken = UdpSocket::bind(desk.lines[1]).expect("the port of line B");
    desk.run_core(&desk.core(), &["--seconds", "1"]).exits(1).says(&[
        "feed f1",
        &desk.lines[1].to_string(),
        "in use",
    ]);
    left_nothing(&desk);

    let desk = Desk::new();
    let _taken = TcpListener::bind(desk.ouch).expect("the port of order entry");
    let config = desk.write("exchange.toml", desk.venue());
    let venue = colo(["exchange".as_ref(), "--config".as_ref(), config.as_os_str()]);
    venue.exits(1).says(&["order entry", &desk.ouch.to_string(), "in use"]);
}

#[test]
fn a_feed_without_its_interface_is_said_in_a_sentence() {
    let desk = Desk::new();
    let elsewhere = desk.core().replace(&desk.lines[0].to_string(), "192.0.2.1:26001");
    desk.run_core(&elsewhere, &["--seconds", "1"]).exits(1).says(&["feed f1", "192.0.2.1:26001"]);
    left_nothing(&desk);
}

#[test]
fn a_journal_folder_that_cannot_be_is_said_in_a_sentence() {
    let desk = Desk::new();
    // Under a file there are no folders.
    let config = desk.core().replace("journal_dir = \"journal\"", "journal_dir = \"pw/journal\"");
    desk.run_core(&config, &["--seconds", "1"]).exits(1).says(&["pw/journal"]);
    left_nothing(&desk);
}

#[test]
fn a_token_file_that_is_not_understood_stops_the_start() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.journals()).expect("a folder");
    std::fs::write(desk.journals().join("tokens"), "next = soon\n").expect("a token file");
    desk.run_core(&desk.core(), &["--seconds", "1"]).exits(1).says(&["tokens", "used twice"]);
    left_nothing(&desk);
    let kept = std::fs::read_to_string(desk.journals().join("tokens")).expect("the token file");
    assert_eq!(kept, "next = soon\n", "it is for a person to repair");
}

/// A small disk that exists in a mount namespace of its own, for as long as a process holds it.
struct SmallDisk {
    holder: Program,
    folder: PathBuf,
}

impl SmallDisk {
    /// A disk at `journal` in the desk's folder; none where this user may not mount.
    fn new(desk: &Desk, mib: u32) -> Option<SmallDisk> {
        let folder = desk.file("journal");
        std::fs::create_dir(&folder).expect("a folder");
        let script = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && touch \"$2/mounted\" && exec sleep 600";
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", script, "sh", &mib.to_string()]).arg(&folder);
        if Command::new("nsenter").arg("--version").output().is_err()
            || Command::new("unshare").arg("-V").output().is_err()
        {
            skipped("unshare and nsenter are not there");
            return None;
        }
        let mut disk = SmallDisk { holder: Program::start(&mut unshare), folder };
        let mounted = until("the mount", || match disk.path("mounted").exists() {
            true => Some(true),
            false => (!disk.holder.runs()).then_some(false),
        });
        if !mounted {
            skipped(&format!("this user may not mount: {}", disk.holder.stderr()));
            return None;
        }
        Some(disk)
    }

    /// A file on the disk, seen from outside of its namespace.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid()));
        root.join(self.folder.strip_prefix("/").expect("an absolute path")).join(name)
    }

    /// Starts a core that sees the disk.
    fn start_core(&self, desk: &Desk, config: &str) -> Program {
        let config = desk.write("colo.toml", config);
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &self.holder.pid().to_string(), "-m", COLO, "run", "--config"]).arg(config);
        nsenter.arg("--json").arg(desk.file("run.json"));
        Program::start(&mut nsenter)
    }
}

#[test]
fn a_disk_without_room_for_a_segment_is_said_in_a_sentence() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::new(&desk, 2) else { return };
    // Segments of 32 MiB where nothing else is asked for.
    disk.start_core(&desk, &desk.core()).end().exits(1).says(&["journal", "no space"]);
    let run = disk.path(&desk.name).join("run-000001");
    assert!(!run.exists(), "a run that never was has a folder");
    left_nothing(&desk);
}

#[test]
fn a_disk_that_fills_up_halts_before_anything_is_unrecorded() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::new(&desk, 6) else { return };
    let venue = desk.start_venue(&desk.venue().replace("= 2000", "= 10000"));
    let mut core = disk.start_core(&desk, &format!("{}\n[journal]\nsegment_mib = 1\n", desk.core()));
    desk.until_trading(&mut core);
    let halted = |s: &program::json::Report| s.0.pointer("/risk/halted").is_some_and(|h| h == "journal");
    desk.until_status("the halt, and no open orders", &mut core, |s| halted(s) && open_orders(s) == 0);
    // Nobody resumes from that.
    desk.ctl("resume").exits(0);
    let still = desk.until_status("the state after it", &mut core, |_| true);
    assert!(halted(&still), "{still:?}");
    desk.ctl("shutdown").exits(0);

    let ended: Ended = core.end().exits(1);
    assert!(ended.stdout.contains("no space for segment"), "{ended:#?}");
    let report = desk.report();
    report.is("/reconciled", true).is("/open_orders", 0).is("/halted", "journal").some("/fills");
    desk.end_venue(venue).is("/accounts/0/live_orders", 0).is("/accounts/0/rejected", 0);

    let run = disk.path(&desk.name).join("run-000001");
    nothing_new_after_the_halt(&run);
    // All that moved the engine is there: it decides the same again.
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
}

fn nothing_new_after_the_halt(run: &Path) {
    let mut reader = log::Reader::open(run.join("core")).expect("a core journal");
    let (mut halted, mut ended) = (false, false);
    while let Some(r) = reader.next().expect("a whole journal") {
        match Record::decode(r.kind, r.payload).expect("a record") {
            Record::Control { control: Control::Halt(HaltReason::Journal), .. } => halted = true,
            Record::Command(c) if halted => {
                assert!(matches!(c.kind, CommandKind::Cancel { .. }), "after the halt: {c:?}");
            }
            Record::End { .. } => ended = true,
            _ => {}
        }
    }
    assert!(halted && ended, "halted: {halted}, ended: {ended}");
}
