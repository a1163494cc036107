//! A bad disk under the real core, beside the real venue: full, failing, standing still.
//!
//! | kind | what the disk does | made by |
//! |---|---|---|
//! | full | a tmpfs of a few MiB has no room for the next segment | `mount`, by root |
//! | room | no segment can be reserved (`ENOSPC`) from the n-th on | `strace`, which answers the call in the kernel's place |
//! | error | the n-th sync of written data fails (`EIO`), and all that would follow | `strace` |
//! | stall | a sync takes 5 s | `strace` |
//!
//! The judges are the venue's ledger, asked over its own socket, and the system calls that `strace` wrote down; neither is the core's word. At every moment the journal holds each order that
//! the venue has heard of. A sync that failed is not tried again. The thread that trades makes no call to a file. After a halt nothing but cancels leave, nothing lives at the venue when the
//! core is gone, and the next core has the venue's positions.
//!
//! `COLO_DISK_CASES=200` is how many disks go bad; `SEED=n` is the one that failed. Cores that are wrong on purpose (features `canary-disk-*`) show that it can fail: `scripts/drill-disk`.

#[path = "../program/mod.rs"]
mod program;
mod trace;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use colo::journal::{Record, RunDir};
use model::{CommandKind, Control, HaltReason};
use program::desk::Desk;
use program::json::Report;
use program::ledger::{CONTROL, Ledger};
use program::{COLO, Program, skipped, until};
use ringbuf::log::Reader;
use serde_json::Value;
use trace::Trace;

/// Bad disks of a test that has no time for more: one of each kind.
const CASES: u64 = 4;
/// How long a disk stands still, microseconds.
const STALL_US: u64 = 5_000_000;
/// Logs of the core: its journal and one capture.
const LOGS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    Room,
    Error,
    Stall,
}

/// A small disk, for as long as it lives.
struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf, kib: u64) -> Option<Mount> {
        fs::create_dir_all(&at).expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "colo-drill"]).arg(&at);
        command.status().is_ok_and(|s| s.success()).then_some(Mount(at))
    }

    /// Somebody has made room.
    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=512m"]).arg(&self.0).status();
        assert!(grown.is_ok_and(|s| s.success()), "remount");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What `strace` runs goes on without it: where a test fails, it is ended first.
struct Traced(u32);

impl Drop for Traced {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        for pid in children.split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
    }
}

/// The journal of a run, followed from outside.
struct Follow {
    reader: Reader,
    /// New orders and replaces.
    sent: u64,
    /// Where the core was halted for its journal.
    latched: Option<u64>,
    /// What came behind that and should not have.
    behind: Vec<String>,
    /// By the time at which they left: what it took from packet to wire, ns.
    orders: Vec<(u64, u64)>,
}

impl Follow {
    fn new(desk: &Desk, run: u32) -> Follow {
        let core = RunDir::core(&desk.journals().join(format!("run-{run:06}")));
        let reader = until("a journal", || Reader::open(&core).ok());
        Follow { reader, sent: 0, latched: None, behind: Vec::new(), orders: Vec::new() }
    }

    fn go_on(&mut self) {
        while let Some(r) = self.reader.next().unwrap_or_else(|e| panic!("the journal: {e}")) {
            let index = r.index;
            let record = Record::decode(r.kind, r.payload).expect("a record");
            match record {
                Record::Command(c) => {
                    if matches!(c.kind, CommandKind::New { .. } | CommandKind::Replace { .. }) {
                        self.sent += 1;
                        self.behind.extend(self.latched.map(|_| format!("{c:?}")));
                    }
                }
                Record::Control { control: Control::Halt(HaltReason::Journal), .. } => {
                    self.latched.get_or_insert(index);
                }
                Record::Market { .. } => {
                    self.behind.extend(self.latched.map(|_| "market data".to_owned()));
                }
                Record::Receipt(r) => self.orders.push((r.sent.0, r.sent.0.saturating_sub(r.received.0))),
                _ => {}
            }
        }
    }
}

struct Bench {
    desk: Desk,
    venue: Program,
    config: String,
    seed: u64,
    kind: Kind,
}

impl Bench {
    fn new(seed: u64, kind: Kind) -> Bench {
        let desk = Desk::new();
        let rate = "messages_per_second = 8000";
        let venue = desk.venue().replace("messages_per_second = 2000", rate);
        let venue = desk.start_venue(&format!("{CONTROL}{venue}"));
        // A segment is full within seconds. One of a disk that stands still has to take all that comes meanwhile; and a sync that failed halts at once, not for want of room.
        let mib = if matches!(kind, Kind::Stall | Kind::Error) { 16 } else { 1 };
        let config = format!(
            "{}\n[journal]\nsegment_mib = {mib}\nsync = \"interval\"\nsync_interval_ms = 200\n",
            desk.core()
        );
        Bench { desk, venue, config, seed, kind }
    }

    /// Starts the core on a disk that goes bad.
    fn start(&self) -> Program {
        let nth = 4 + self.seed % 16;
        let inject = match self.kind {
            Kind::Full => None,
            // Two segments of each log are made at the start, and the shared memory.
            Kind::Room => {
                Some(format!("fallocate:error=ENOSPC:when={}+", 2 * LOGS as u64 + 2 + self.seed % 3))
            }
            // Trading by then: at the first failed sync it is over.
            Kind::Error => Some(format!("msync:error=EIO:when={}+", 40 + nth)),
            Kind::Stall => Some(format!("msync:delay_enter={STALL_US}:when={}", 40 + nth)),
        };
        let (config, json) = (self.desk.write("colo.toml", &self.config), self.desk.file("run.json"));
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-ttt", "-e", &format!("trace={}", trace::CALLS), "-o"]);
        command.arg(self.desk.file("trace"));
        if let Some(inject) = inject {
            command.args(["-e", &format!("inject={inject}")]);
        }
        command.arg(COLO).args(["run", "--config"]).arg(config).arg("--json").arg(json);
        Program::start(&mut command)
    }

    /// The one thing that holds at any moment: an order is in the journal before it leaves.
    #[track_caller]
    fn holds(&self, journal: &mut Follow) {
        let Ledger { came, .. } = self.desk.ledger();
        journal.go_on();
        let (seed, kind, sent) = (self.seed, self.kind, journal.sent);
        assert!(
            came <= sent,
            "SEED={seed} {kind:?}: orders that the journal does not hold: the venue has heard {came}, it has {sent}"
        );
    }

    /// A sync that failed stays failed: each log may find out for itself, once.
    #[track_caller]
    fn is_not_retried(&self, trace: &Trace) {
        let (seed, kind, failed) = (self.seed, self.kind, trace.failed_syncs());
        assert!(
            failed.len() <= LOGS,
            "SEED={seed} {kind:?}: a failed sync was tried again: {} failed, of {LOGS} logs\n{}",
            failed.len(),
            failed.join("\n")
        );
    }

    fn threads(&self, status: &Report) -> Vec<(u32, String)> {
        let pid = status.count("/pid");
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
        let tid = |e: &fs::DirEntry| e.file_name().to_str().and_then(|t| t.parse().ok());
        let name = |e: &fs::DirEntry| fs::read_to_string(e.path().join("comm")).unwrap_or_default();
        tasks.filter_map(|e| Some((tid(&e)?, name(&e).trim().to_owned()))).collect()
    }

    /// The core trades until its disk goes bad, and then as it has to.
    fn goes_bad(self, small: Option<Mount>) -> String {
        let (seed, kind) = (self.seed, self.kind);
        let mut core = self.start();
        let _traced = Traced(core.pid());
        let status = self.desk.until_trading(&mut core);
        let threads = self.threads(&status);
        // What the threads did before is their start.
        let trading = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
        let mut journal = Follow::new(&self.desk, 1);
        let trace = || Trace::read(&self.desk.file("trace"));
        let story = match kind {
            Kind::Stall => {
                let stalled = until("the stall to be over", || {
                    self.holds(&mut journal);
                    trace().stall()
                });
                // Some more behind it.
                let sent = journal.sent;
                until("orders after the stall", || {
                    self.holds(&mut journal);
                    (journal.sent > sent + 5).then_some(())
                });
                let now = self.desk.until_status("an answer", &mut core, |_| true);
                assert_eq!(halted(&now), None, "SEED={seed}: a slow disk halts nobody: {:#}", now.0);
                tail(&journal.orders, stalled, seed)
            }
            _ => {
                let shown = until("the halt", || {
                    self.holds(&mut journal);
                    self.is_not_retried(&trace());
                    if !core.runs() {
                        return Some(None);
                    }
                    self.desk.status().filter(|s| halted(s).as_deref() == Some("journal")).map(Some)
                });
                if let Some(status) = shown {
                    let shown = ["validity", "reason"].map(|key| {
                        let at = format!("/instruments/0/{key}");
                        status.0.pointer(&at).and_then(Value::as_str).unwrap_or("?").to_owned()
                    });
                    assert_eq!(shown, ["stale", "journal"], "SEED={seed} {kind:?}: {:#}", status.0);
                }
                self.holds(&mut journal);
                assert!(journal.latched.is_some(), "SEED={seed} {kind:?}: no halt is in the journal");
                format!("latched at record {} after {} orders", journal.latched.unwrap(), journal.sent)
            }
        };
        if core.runs() {
            // One that ends by itself meanwhile answers no more.
            let _ = self.desk.ctl("shutdown");
        }
        let ended = core.end();
        self.holds(&mut journal);
        assert_eq!(journal.behind, [""; 0], "SEED={seed} {kind:?}: behind the halt");
        let left = until("the venue to have heard all", || Some(self.desk.ledger()).filter(|l| l.live == 0));
        assert!(left.came <= journal.sent, "SEED={seed} {kind:?}: {left:?} {}", journal.sent);
        assert!(!ended.stderr.contains("panicked"), "SEED={seed} {kind:?}: {}", ended.stderr);

        let trace = trace();
        self.is_not_retried(&trace);
        let failed = trace.failed_syncs();
        assert_eq!(!failed.is_empty(), kind == Kind::Error, "SEED={seed}: {failed:?}");
        for (tid, name) in threads.iter().filter(|(_, name)| name == "strategy" || name.starts_with("feed")) {
            let calls = trace.file_calls_of(*tid, trading);
            assert_eq!(calls, [""; 0], "SEED={seed} {kind:?}: thread {name} waits for files");
        }
        assert!(threads.iter().any(|(_, name)| name == "strategy"), "{threads:?}");

        // Somebody has repaired it.
        if let Some(small) = &small {
            small.grow();
        }
        // With room for what the venue repeats at once: that is more than a segment made for this takes.
        let roomy = self.config.replace("segment_mib = 1\n", "segment_mib = 32\n");
        let mut next = self.desk.start_core(&roomy, &[]);
        let status = self.desk.until_status("the session", &mut next, |s| s.count("/gateways/0/state") == 3);
        assert_eq!(halted(&status), None, "SEED={seed} {kind:?}: a full journal ends with its process");
        next.signal("TERM");
        next.end();
        self.desk.report().is("/reconciled", true).is("/open_orders", 0);
        self.desk.end_venue(self.venue);
        story
    }
}

fn halted(status: &Report) -> Option<String> {
    status.0.pointer("/risk/halted").and_then(Value::as_str).map(Into::into)
}

/// From packet to wire while the disk stood still, against before.
fn tail(orders: &[(u64, u64)], (from, to): (u64, u64), seed: u64) -> String {
    let p99 = |orders: Vec<u64>| {
        let mut orders = orders;
        orders.sort_unstable();
        (orders.len(), orders.get(orders.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0))
    };
    let of = |is: &dyn Fn(u64) -> bool| {
        p99(orders.iter().filter(|(at, _)| is(*at)).map(|(_, took)| *took).collect())
    };
    let (before, before_p99) = of(&|at| at < from);
    let (during, during_p99) = of(&|at| (from..to).contains(&at));
    assert!(before > 0 && during > 0, "SEED={seed}: {before} orders before the stall, {during} in it");
    // One that waited for the disk took most of the stall.
    assert!(
        during_p99 < STALL_US * 1_000 / 10,
        "SEED={seed}: p99 of {during_p99} ns while the disk stood still"
    );
    format!(
        "packet to wire p99 {} us over {during} orders while the disk stood still, {} us over {before} before",
        during_p99 / 1_000,
        before_p99 / 1_000
    )
}

fn has(program: &str) -> bool {
    Command::new(program).arg("-V").output().is_ok_and(|o| o.status.success())
}

#[test]
#[allow(clippy::print_stdout)]
fn a_disk_goes_bad() {
    if !has("strace") {
        return skipped("strace is not there");
    }
    let cases = std::env::var("COLO_DISK_CASES").map_or(CASES, |n| n.parse().expect("a number"));
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..cases,
    };
    let mut counts = [0; 4];
    for seed in seeds {
        let kind = [Kind::Error, Kind::Room, Kind::Stall, Kind::Full][seed as usize % 4];
        let bench = Bench::new(seed, kind);
        let mut small = None;
        if kind == Kind::Full {
            // The segments of the start and up to three more.
            small = Mount::new(bench.desk.file("journal"), 4 * 1024 + 512 + seed / 4 % 4 * 1024);
            if small.is_none() {
                skipped("no small disk can be mounted here: it takes root");
                bench.desk.end_venue(bench.venue);
                continue;
            }
        }
        counts[kind as usize] += 1;
        println!("SEED={seed} {kind:?}: {}", bench.goes_bad(small));
    }
    let [full, room, error, stall] = counts;
    println!(
        "disk: {} went bad: {full} full, {room} without room, {error} failing, {stall} standing still",
        counts.iter().sum::<u64>()
    );
}
