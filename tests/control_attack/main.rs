//! The control socket under attack, while the real core trades at the real venue: clients that are slow, silent, cut off or endless, other users of the host, and text that
//! is meant to forge a log. Nothing may change that nobody allowed did, and whoever is allowed must still be heard.
//!
//! `COLO_ATTACKS=10` is how many rounds of each; `COLO_SEED=n` begins the random lines elsewhere. `scripts/drill-control` runs it. That the attacks would work where they are allowed is tried as well.
//!
//! The hot threads serve no client, and are seen to: what their own work on an order takes under the floods against what it takes without, medians of the same process in turns. Preemption, which a
//! busy host is full of, is in few of them; so a median that grows by half ([`HARM`]) is work or cache lines that an attacker took. It is judged from [`JUDGED`] orders on; the time from tick to
//! order is printed for a person.

#[path = "../program/mod.rs"]
mod program;

use colo::telemetry::snapshot::Viewer;
use colo::telemetry::stages::Percentiles;
use ringbuf::histogram::Snapshot as Counts;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use program::desk::Desk;
use program::json::Report;
use program::{COLO, Ended, Program, colo, skipped, until};
use serde_json::Value;

/// Rounds of a test that has no time for more.
const ATTACKS: usize = 2;
/// Orders of a turn, under attack or not.
const TURN: u64 = 40;
/// Orders of each kind of turn that a median is judged by.
const JUDGED: u64 = 1_000;
/// What the median of the work may be under attack, percent of what it is without.
const HARM: u64 = 150;
/// Stages in which a hot thread works and waits for nobody, and the whole of it.
const WORK: [&str; 4] = ["decode", "book", "strategy_risk", "encode"];
const WHOLE: &str = "tick_to_order";
/// A user of every host, and one of none.
const NOBODY: u32 = 65_534;
const STRANGER: u32 = 65_533;

fn attacks() -> usize {
    std::env::var("COLO_ATTACKS").map_or(ATTACKS, |n| n.parse().expect("COLO_ATTACKS: a number"))
}

/// xorshift64*: a seed that is shown makes the same lines again.
struct Random(u64);

impl Random {
    #[allow(clippy::print_stdout, reason = "a seed is shown where its test's output goes")]
    fn new() -> Random {
        let seed = std::env::var("COLO_SEED").map_or(20_261_123, |n| n.parse().expect("COLO_SEED: a number"));
        println!("COLO_SEED={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

struct Bench {
    desk: Desk,
    venue: Program,
    core: Program,
}

/// What the stages of some turns took.
#[derive(Default)]
struct Turns([Vec<Counts>; 5]);

impl Turns {
    /// What the next [`TURN`] orders take.
    fn take(&mut self, core: &mut Program, viewer: &Viewer) {
        let of = |stage: &str| -> Vec<Counts> {
            let stages = viewer.stages();
            stages.into_iter().find(|(name, _)| *name == stage).expect("a stage").1
        };
        let stages = || WORK.into_iter().chain([WHOLE]).map(of).collect::<Vec<_>>();
        let count = |orders: &[Counts]| orders.iter().map(Counts::count).sum::<u64>();
        let before = stages();
        let from = count(&before[4]);
        until("orders", || {
            assert!(core.runs(), "the core ended: {}", core.stderr());
            (count(&of(WHOLE)) >= from + TURN).then_some(())
        });
        for ((all, after), before) in self.0.iter_mut().zip(stages()).zip(before) {
            all.extend(after.iter().zip(&before).map(|(a, b)| a.since(b)));
        }
    }

    fn orders(&self) -> u64 {
        Percentiles::of(&self.0[4]).n
    }

    /// The medians of the work together, ns.
    fn work(&self) -> u64 {
        self.0[..4].iter().map(|stage| Percentiles::of(stage).p50).sum()
    }

    fn whole(&self) -> String {
        let p = Percentiles::of(&self.0[4]);
        format!("p50 {} us, p99 {} us", p.p50 / 1_000, p.p99 / 1_000)
    }
}

impl Bench {
    fn new(more: &str) -> Bench {
        let desk = Desk::new();
        let venue = desk.start_venue(&desk.venue());
        let mut core = desk.start_core(&format!("{}\n{more}", desk.core()), &[]);
        desk.until_trading(&mut core);
        Bench { desk, venue, core }
    }

    fn socket(&self) -> String {
        format!("/dev/shm/colo-{}.sock", self.desk.name)
    }

    fn status(&mut self) -> Report {
        self.desk.until_status("an answer", &mut self.core, |_| true)
    }

    /// Nothing was changed: it trades on, and lost nothing of the market or of its journal.
    fn is_unharmed(&mut self) {
        let before = self.status();
        let after = self.desk.until_status("trading", &mut self.core, |s| {
            s.count("/engine/new_orders") + s.count("/engine/replaces")
                > before.count("/engine/new_orders") + before.count("/engine/replaces")
                && s.count("/engine/market_events") > before.count("/engine/market_events") + 100
        });
        after.is("/risk/halted", ()).is("/engine/journal_refused", 0).is("/engine/order_ring_full", 0);
        after.is("/feeds/0/messages_lost", 0).is("/feeds/0/capture_refused", 0);
        assert!(after.0.get("kill").is_none(), "{after:?}");
        assert!(!self.desk.journals().join("killed").exists());
    }

    fn end(self) -> Vec<Value> {
        self.desk.ctl("shutdown").exits(0);
        self.core.end().exits(0);
        self.desk.end_venue(self.venue).is("/accounts/0/live_orders", 0);
        let log = fs::read_to_string(self.desk.journals().join("run-000001/log.jsonl")).expect("a log");
        assert!(log.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "printable ASCII alone");
        log.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }
}

fn connect(socket: &str) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("the owner may connect");
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    stream
}

#[test]
fn clients_that_mean_no_good_disturb_nobody() {
    let mut bench = Bench::new("");
    let viewer = Viewer::open(&bench.desk.name).expect("shared memory");
    let (mut quiet, mut fire) = (Turns::default(), Turns::default());
    let socket = bench.socket();
    let mut random = Random::new();
    let mut sent = 0;
    for round in 0..attacks() {
        quiet.take(&mut bench.core, &viewer);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // A flood of questions whose answers nobody reads, and of connections that say nothing, for as long as the rest lasts.
            for kind in 0..3 {
                let (socket, stop) = (&socket, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let mut client = connect(socket);
                        match kind {
                            0 => drop(client.write_all("{\"command\":\"status\"}\n".repeat(180).as_bytes())),
                            1 => drop(client.write_all(&[b'x'; 9_000])),
                            _ => drop(client.write_all(b"{\"command\":\"shutdown\"")),
                        }
                    }
                });
            }
            // Slow ones, a byte at a time, each of its line but the last byte.
            let line = br#"{"command":"halt"}"#;
            let mut slow: Vec<_> = (0..8).map(|_| connect(&socket)).collect();
            for byte in line {
                slow.iter_mut().for_each(|c| drop(c.write_all(&[*byte])));
            }
            // Lines that are almost one.
            for _ in 0..200 {
                let mut text = br#"{"command":"kill","reason":"x","operator":"y"}"#.to_vec();
                for _ in 0..1 + random.below(4) {
                    let at = random.below(text.len());
                    match random.below(3) {
                        0 => text[at] ^= 1 << random.below(8),
                        1 => drop(text.remove(at)),
                        _ => text.insert(at, random.next() as u8),
                    }
                }
                // One that is still a command would be carried out, as it should.
                let parsed: Result<Value, _> = serde_json::from_slice(&text);
                if parsed.is_ok_and(|v| v["command"].is_string()) {
                    continue;
                }
                text.push(b'\n');
                let _ = connect(&socket).write_all(&text);
                sent += 1;
            }
            fire.take(&mut bench.core, &viewer);
            drop(slow);
            stop.store(true, Ordering::Relaxed);
        });
        bench.is_unharmed();
        println!("round {round}: unharmed");
    }
    assert!(
        quiet.orders() < JUDGED || fire.work() * 100 <= quiet.work() * HARM,
        "the hot threads' work on an order: {} ns under attack, {} ns without",
        fire.work(),
        quiet.work()
    );
    // Whoever is allowed is heard.
    bench.desk.ctl("halt").exits(0);
    bench.desk.until_status("the halt", &mut bench.core, |s| {
        s.0.pointer("/risk/halted").is_some_and(|h| h == "operator")
    });
    let log = bench.end();
    let commands = log.iter().filter(|l| l["message"] == "control command").count();
    assert_eq!(commands, 2, "the halt and the shutdown, and nothing else");
    println!(
        "hostile clients: {} rounds, {sent} lines that are no request, 3 floods, 0 changes; the hot threads' work on an order x {:.2} under attack ({} of {} ns, {} orders), tick to order {} against {}",
        attacks(),
        fire.work() as f64 / quiet.work().max(1) as f64,
        fire.work(),
        quiet.work(),
        fire.orders(),
        fire.whole(),
        quiet.whole()
    );
}

/// As another user of the host. `None` where this is not root.
fn as_user(uid: u32, arguments: &[&str]) -> Option<Ended> {
    let id = Command::new("id").arg("-u").output().expect("id");
    if id.stdout.trim_ascii() != b"0" {
        skipped("not root: nobody else can be played");
        return None;
    }
    let uid = uid.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", COLO]).args(arguments);
    Some(Program::start(&mut command).end())
}

/// Every command that changes something.
const CHANGES: &[&[&str]] = &[
    &["halt"],
    &["cancel-all"],
    &["kill", "--reason", "x", "--wait-s", "0"],
    &["unkill", "--reason", "x", "--operator", "y"],
    &["resume", "--reason", "x"],
    &["mass-cancel", "--gateway", "g1"],
    &["entry-off", "--gateway", "g1"],
    &["write-off", "--token", "1", "--reason", "x"],
    &["feed", "resync"],
    &["shutdown"],
];

#[test]
fn another_user_changes_nothing() {
    let (mut refused, mut rounds) = (0, 0);
    for _ in 0..attacks() {
        rounds += 1;
        // Unless told otherwise the socket is its owner's.
        let mut bench = Bench::new("");
        let name = bench.desk.name.clone();
        let ask = |uid: u32, verb: &[&str]| as_user(uid, &[&["ctl", "--name", &name], verb].concat());
        let mode = fs::metadata(bench.socket()).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for file in bench.desk.in_shared_memory() {
            let mode = fs::metadata(format!("/dev/shm/{file}")).expect("a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file} is for its owner only");
        }
        for verb in CHANGES.iter().copied().chain([&["status"][..]]) {
            let Some(ended) = ask(NOBODY, verb) else { return };
            assert_eq!(ended.code, Some(1), "{ended:#?}");
            assert!(ended.stderr.contains("denied"), "{ended:#?}");
            refused += 1;
        }
        bench.is_unharmed();
        bench.end();

        // A viewer looks, and a stranger is not heard.
        let mut bench = Bench::new(&format!("[control]\nviewers = [{NOBODY}]\n"));
        let name = bench.desk.name.clone();
        let ask = |uid: u32, verb: &[&str]| {
            as_user(uid, &[&["ctl", "--name", &name], verb].concat()).expect("asked before")
        };
        ask(NOBODY, &["status"]).exits(0).shows(&["trading"]);
        for verb in CHANGES {
            ask(NOBODY, verb).exits(1).says(&["user 65534 may not"]);
            assert_eq!(ask(STRANGER, verb).code, Some(1));
            refused += 2;
        }
        bench.is_unharmed();
        let log = bench.end();
        let lines = |message: &str| log.iter().filter(|l| l["message"] == message).count();
        assert_eq!(lines("control command"), 1, "the owner's shutdown alone");
        assert!(lines("control command refused") > 0);
    }
    // The same attack by a user who is allowed it: it would have worked.
    let mut bench = Bench::new(&format!("[control]\noperators = [{NOBODY}]\n"));
    let name = bench.desk.name.clone();
    as_user(NOBODY, &["ctl", "--name", &name, "halt"]).expect("asked before").exits(0);
    bench.desk.until_status("the halt", &mut bench.core, |s| {
        s.0.pointer("/risk/halted").is_some_and(|h| h == "operator")
    });
    let log = bench.end();
    let by = log.iter().find(|l| l["message"] == "control command").expect("a command");
    assert_eq!((by["uid"].as_u64(), by["command"].as_str()), (Some(NOBODY.into()), Some("halt")));
    println!(
        "other users: {rounds} rounds, {refused} attempts refused, 0 changes; canary: an operator's attempt works"
    );
}

#[test]
fn text_that_is_meant_to_forge_a_log_stays_in_its_line() {
    let forged = "x\n{\"@timestamp\":\"2026\",\"message\":\"run ended\",\"colo.state_hash\":\"forged\"}\r\u{1b}[2J\u{85}\u{2028}\u{202e}";
    let bench = Bench::new("");
    for verb in ["halt", "resume", "cancel-all"] {
        bench.desk.ctl_with(verb, &[]).exits(0);
        colo(["ctl", "--name", &bench.desk.name, verb, "--reason", forged, "--operator", "anna"]).exits(0);
        // A name is a name.
        let named = colo(["ctl", "--name", &bench.desk.name, verb, "--reason", "r", "--operator", forged]);
        named.exits(1).says(&["`operator`"]);
    }
    // What no command line says, as a client of the socket does: answered in one line, which quotes nothing raw.
    let mut client = connect(&bench.socket());
    client.write_all(format!("{{\"command\":\"{}\"}}\n", "\u{1b}[2J\\nx").as_bytes()).expect("a line");
    client.shutdown(std::net::Shutdown::Write).expect("a socket");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer.lines().count(), 1, "{answer:?}");
    colo(["ctl", "--name", &bench.desk.name, "kill", "--reason", forged, "--operator", "anna"]).exits(0);
    let status = bench.desk.ctl("status").exits(0).stdout;
    assert!(status.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{status:?}");
    let run = bench.desk.journals().join("run-000001");
    until("the commands in the journal", || {
        let dump = colo([
            "journal".as_ref(),
            "dump".as_ref(),
            run.as_os_str(),
            "--kind".as_ref(),
            "operator".as_ref(),
        ]);
        let dump = dump.exits(0).stdout;
        let lines: Vec<_> = dump.lines().filter(|l| l.contains("operator ")).collect();
        let whole = lines.iter().all(|l| l.contains("command=") && l.contains("uid="));
        assert!(whole && dump.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{dump}");
        (lines.len() == 7).then_some(())
    });
    let latch = fs::read_to_string(bench.desk.journals().join("killed")).expect("a latch");
    assert_eq!(latch.lines().count(), 2, "{latch}");
    let log = bench.end();
    let count = |message: &str| log.iter().filter(|l| l["message"] == message).count();
    assert_eq!((count("control command"), count("run ended")), (8, 1));
    println!("log injection: 7 commands with forged text, {} lines, 0 forged", log.len());
}
