//! `colo-monitor` as a process, over regions that this test publishes: a core that lives, every way in which one does not, and files that are no
//! region at all.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::telemetry::counters;
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use ringbuf::counters::Counters;
use serde_json::Value;

const MONITOR: &str = env!("CARGO_BIN_EXE_colo-monitor");
const AGENTS: [&str; 4] = ["gateway-g1", "strategy", "feed-f1", "cold"];

/// A core's region, of a name of its own; gone with its test.
struct Core {
    name: String,
    publication: Publication,
    agents: Vec<Counters>,
}

impl Core {
    fn new(test: &str) -> Core {
        let name = format!("it-{test}-{}", std::process::id());
        let file = Path::new("monitor.toml");
        let mut written: Written = parse_toml(include_str!("../../tests/fixtures/core.toml"), file).unwrap();
        written.name.clone_from(&name);
        let config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let mut publication =
            Publication::create(&config, &AGENTS.map(String::from), ops::life::now()).unwrap();
        let agents = (0..AGENTS.len()).map(|k| publication.agent(k).unwrap()).collect();
        Core { name, publication, agents }
    }

    fn path(&self) -> PathBuf {
        region_path(&self.name)
    }

    /// Overwrites a word of the file.
    fn scribble(&self, word: u64, value: u64) {
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(&value.to_le_bytes(), word * 8).unwrap();
    }

    /// All agents beat until it is dropped, but for this many at the end.
    fn beating(&mut self, but: usize) -> Pulse {
        let mut agents = std::mem::take(&mut self.agents);
        agents.truncate(AGENTS.len() - but);
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let beat = move |agents: &mut [Counters]| {
            for a in agents {
                a.set(counters::agent::heartbeat_ns, ops::life::now().0);
                a.add(counters::agent::cycles, 1);
            }
        };
        beat(&mut agents);
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                beat(&mut agents);
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        });
        Pulse { stop, thread: Some(thread) }
    }

    fn monitor(&self, args: &[&str]) -> Output {
        monitor(&[&["--name", &self.name], args].concat())
    }

    /// The core is down: exit code, the word in the JSON and the sentence on both are as they should be, and no text is shown as if it lived.
    fn is_down(&self, reason: &str, says: &str) {
        let text = self.monitor(&["--once"]);
        assert_eq!(text.status.code(), Some(1), "{text:?}");
        assert_eq!(text.stdout, b"", "nothing is shown");
        let sentence = String::from_utf8(text.stderr).unwrap();
        assert!(sentence.contains(says) && sentence.lines().count() == 1, "{sentence}");
        let json = self.monitor(&["--once", "--json"]);
        assert_eq!(json.status.code(), Some(1));
        let down: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&down["name"], &down["alive"]), (&self.name.as_str().into(), &false.into()));
        assert_eq!(down["reason"], reason, "{down}");
        assert!(down["message"].as_str().unwrap().contains(says), "{down}");
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

struct Pulse {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn monitor(args: &[&str]) -> Output {
    Command::new(MONITOR).args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_living_core_is_one_json_object() {
    let mut core = Core::new("json");
    let mut gateway = core.publication.gateway(0).unwrap();
    gateway.counters.set(counters::gateway::state, 3);
    gateway.tick_to_order.record(1_234);
    let _beats = core.beating(0);
    let shown = core.monitor(&["--once", "--json"]);
    assert_eq!((shown.status.code(), shown.stderr.as_slice()), (Some(0), &b""[..]));
    assert_eq!(shown.stdout.iter().filter(|b| **b == b'\n').count(), 1, "one line");
    let snapshot: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&snapshot["name"], &snapshot["alive"]), (&core.name.as_str().into(), &true.into()));
    assert_eq!(snapshot["pid"], std::process::id());
    assert_eq!(snapshot["gateways"][0]["state"], 3);
    assert_eq!(snapshot["latency_ns"]["tick_to_order"]["max"], 1_234);
    assert_eq!(snapshot["agents"].as_array().unwrap().len(), AGENTS.len());
}

#[test]
fn a_living_core_is_text_that_fits_a_terminal() {
    let mut core = Core::new("text");
    let _beats = core.beating(0);
    let shown = core.monitor(&["--once"]);
    assert_eq!((shown.status.code(), shown.stderr.as_slice()), (Some(0), &b""[..]));
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.lines().count() < 24 && text.lines().all(|l| l.len() <= 80), "{text}");
    assert!(text.starts_with(&format!("colo {}", core.name)), "{text}");
    for part in ["strategy", "feed-f1", "tick_to_order", "AAPL", "f1 ", "g1 ", "disconnected", "ORDERS"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a pipe gets no escape");
}

#[test]
fn without_once_it_goes_on_until_the_core_is_gone() {
    let mut core = Core::new("again");
    let beats = core.beating(0);
    let mut child = Command::new(MONITOR)
        .args(["--json", "--name", &core.name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("a line").unwrap()).unwrap();
    let cycles = |v: &Value| v["agents"][0]["cycles"].as_u64().unwrap();
    let (first, second) = (next(), next());
    assert!(cycles(&second) > cycles(&first), "each reading is a new one");
    std::fs::remove_file(core.path()).unwrap();
    let last = std::iter::repeat_with(&mut next).find(|v| v["alive"] == false).unwrap();
    assert_eq!(last["reason"], "absent");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(beats);
}

#[test]
fn a_core_that_never_was_is_absent() {
    let core = Core::new("absent");
    std::fs::remove_file(core.path()).unwrap();
    core.is_down("absent", "is not running");
}

#[test]
fn a_writer_that_is_gone_has_ended_with_a_fresh_heartbeat_too() {
    let mut core = Core::new("ended");
    let _beats = core.beating(0);
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    core.scribble(3, gone.id().into());
    core.is_down("ended", &format!("its process {} is gone", gone.id()));
}

#[test]
fn a_writer_that_nobody_has_asked_for_since_it_died_has_ended() {
    let mut core = Core::new("zombie");
    let _beats = core.beating(0);
    let mut writer = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    core.scribble(3, writer.id().into());
    // When it was started: word 10 behind the header of 16.
    core.scribble(26, colo::host::started_ticks(writer.id()).unwrap());
    assert_eq!(core.monitor(&["--once"]).status.code(), Some(0), "it lives");
    writer.kill().unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", writer.id())).unwrap();
    while !state().contains(") Z ") {
        std::thread::yield_now();
    }
    core.is_down("ended", &format!("its process {} is gone", writer.id()));
    writer.wait().unwrap();
}

#[test]
fn another_process_with_the_writers_number_is_not_the_core() {
    let mut core = Core::new("reused");
    let _beats = core.beating(0);
    let ticks = colo::host::started_ticks(std::process::id()).unwrap();
    core.scribble(26, ticks + 1);
    core.is_down("ended", &format!("its process {} is gone", std::process::id()));
}

#[test]
fn an_agent_without_heartbeats_is_named() {
    let mut core = Core::new("silent");
    let old = ops::life::now().0 - 60_000_000_000;
    core.agents[3].set(counters::agent::heartbeat_ns, old);
    // It began before that.
    core.scribble(4, old - 1);
    let _beats = core.beating(1);
    core.is_down("silent", "no heartbeat of cold for 1m0");
}

#[test]
fn another_layout_is_told_apart() {
    let core = Core::new("layout");
    core.scribble(1, 1 | 999 << 32);
    core.is_down("other_layout", "layout 999");
}

#[test]
fn what_is_no_region_is_refused_and_never_a_panic() {
    let core = Core::new("hostile");
    let whole = std::fs::read(core.path()).unwrap();
    let head = |at: usize, value: u64| {
        let mut bytes = whole.clone();
        bytes[at * 8..][..8].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let noise = |n: usize| {
        let next = |seed: &mut u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Some((*seed >> 56) as u8)
        };
        std::iter::successors(Some(n as u64), |s| Some(*s)).scan(7, |seed, _| next(seed)).take(n).collect()
    };
    let mut noisy_body = whole[..22 * 8].to_vec();
    noisy_body.extend::<Vec<u8>>(noise(whole.len() - 22 * 8));
    let files: [(&str, Vec<u8>); 12] = [
        ("empty", Vec::new()),
        ("short", whole[..100].to_vec()),
        ("cut", whole[..whole.len() - 8].to_vec()),
        ("noise", noise(100_000)),
        ("claims more", head(2, 1 << 40)),
        ("claims nearly everything", head(2, u64::MAX - 7)),
        ("claims less", head(2, 16 * 8)),
        ("not ready", head(15, 0)),
        ("agents", head(16, u64::MAX)),
        ("gateways", head(18, 1 << 20)),
        ("instruments", head(19, u64::MAX / 15)),
        ("one order more", head(20, u64::from_le_bytes(whole[160..168].try_into().unwrap()) + 1)),
    ];
    for (what, bytes) in files {
        std::fs::write(core.path(), bytes).unwrap();
        let shown = core.monitor(&["--once", "--json"]);
        let stderr = String::from_utf8_lossy(&shown.stderr);
        assert_eq!(shown.status.code(), Some(1), "{what}: {stderr}");
        assert!(stderr.contains("cannot be shown"), "{what}: {stderr}");
        let down: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(down["reason"], "unreadable", "{what}");
    }
    // A sound head over noise: heartbeats and pid are the only things that could make it live.
    std::fs::write(core.path(), noisy_body).unwrap();
    for args in [&["--once"][..], &["--once", "--json"]] {
        let shown = core.monitor(args);
        assert_eq!(shown.status.code(), Some(1), "{shown:?}");
        assert!(!String::from_utf8_lossy(&shown.stderr).contains("panicked"), "{shown:?}");
    }
}

#[test]
fn noise_in_a_living_region_is_shown_within_bounds() {
    let mut core = Core::new("noise");
    let size = std::fs::metadata(core.path()).unwrap().len() / 8;
    // From behind the agents' blocks on: 16 words of header, 16 of shape, 32 of path, 16 an agent.
    for word in 64 + 16 * AGENTS.len() as u64..size {
        core.scribble(word, word.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !1);
    }
    let _beats = core.beating(0);
    let shown = core.monitor(&["--once"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.is_ascii() && text.lines().count() < 24 && text.lines().all(|l| l.len() <= 80), "{text}");
}

#[test]
fn without_a_name_several_cores_are_listed() {
    let (mut one, mut other) = (Core::new("one"), Core::new("other"));
    let (_beats, _others) = (one.beating(0), other.beating(0));
    let shown = monitor(&["--once"]);
    assert_eq!(shown.status.code(), Some(2), "{shown:?}");
    let sentence = String::from_utf8(shown.stderr).unwrap();
    for core in [&one, &other] {
        assert!(sentence.contains(&format!("{} (running)", core.name)), "{sentence}");
    }
    assert_eq!(shown.stdout, b"");
}

#[test]
fn a_name_that_no_core_can_have_is_a_usage_error() {
    for hostile in ["../../etc/passwd", "", "a\u{1b}[2J"] {
        assert_eq!(monitor(&["--once", "--name", hostile]).status.code(), Some(2), "{hostile:?}");
    }
}

#[test]
fn help_has_an_example() {
    let help = monitor(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("Example:"));
}
