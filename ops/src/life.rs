//! Whether what a region holds is of a core that lives.
//!
//! A region outlives its core on purpose, so that the last values can be looked at; values alone therefore prove nothing. A core is alive when its
//! process is there **and** each of its agents has a fresh heartbeat:
//!
//! ```text
//!   open ── Absent / Unreadable / OtherLayout
//!     └─ process gone ── Ended
//!          └─ a heartbeat further than HEARTBEAT_AGE_MAX from this host's time ── look again after RECHECK
//!               └─ still the same count of cycles ── Silent          (moved: only the clocks differ; alive)
//! ```
//!
//! The second look is there because a core's clock runs free of the wall clock: stepping the host's time must not make a trading core look dead, and a
//! heartbeat from the future must not make a hung one look alive.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use colo::telemetry::snapshot::{Agent, Snapshot, SnapshotError, Viewer};
use model::Nanos;
use ringbuf::region::RegionError;

/// A heartbeat older than this is looked at twice. The cold agent waits for the disk; the others beat many thousand times in this time.
pub const HEARTBEAT_AGE_MAX: Nanos = Nanos::from_millis(5_000);
/// The pause before the second look: many cycles of any agent that runs at all.
pub const RECHECK: Duration = Duration::from_millis(300);

/// Why there is no living core to show.
#[derive(Debug)]
pub enum Down {
    /// No region of that name.
    Absent,
    /// A region of a build with another layout.
    OtherLayout {
        /// Version found.
        found: u32,
        /// Version that this build reads.
        expected: u32,
    },
    /// A file that is no sound region, or one that may not be read.
    Unreadable(SnapshotError),
    /// Its process is gone.
    Ended {
        /// The process that wrote it.
        pid: u64,
        /// ns since its last heartbeat.
        age: Nanos,
    },
    /// Its process is there, and agents in it have stopped.
    Silent {
        /// Which, with ns since their last heartbeat.
        agents: Vec<(String, Nanos)>,
    },
}

impl Down {
    /// One word for a script; stable.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Down::Absent => "absent",
            Down::OtherLayout { .. } => "other_layout",
            Down::Unreadable(_) => "unreadable",
            Down::Ended { .. } => "ended",
            Down::Silent { .. } => "silent",
        }
    }

    /// One sentence for a person.
    #[must_use]
    pub fn sentence(&self, name: &str) -> String {
        match self {
            Down::Absent => {
                format!("core {name:?} is not running: it has no shared memory on this host")
            }
            Down::OtherLayout { found, expected } => format!(
                "core {name:?} was built with layout {found} of shared memory and this monitor reads layout {expected}: use the \
                 monitor of its build"
            ),
            Down::Unreadable(e) => format!("core {name:?} cannot be shown: {e}"),
            Down::Ended { pid, age } => format!(
                "core {name:?} has ended: its process {pid} is gone, its last heartbeat was {} ago",
                crate::view::span(*age)
            ),
            Down::Silent { agents } => {
                let each: Vec<_> =
                    agents.iter().map(|(n, age)| format!("{n} for {}", crate::view::span(*age))).collect();
                format!("core {name:?} does not answer: no heartbeat of {}", each.join(", "))
            }
        }
    }
}

/// Now by this host's clock, since the Unix epoch.
#[must_use]
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// ns since an agent's last heartbeat; one that has not beaten yet is as old as its core. 0 for one from the future.
#[must_use]
pub fn age(now: Nanos, snapshot: &Snapshot, agent: &Agent) -> Nanos {
    let beat = Nanos(agent.counters["heartbeat_ns"].max(snapshot.started_ns));
    now.since(beat)
}

/// Agents whose heartbeat is too far from `now`, either way.
fn suspects(now: Nanos, s: &Snapshot) -> Vec<usize> {
    let far = |a: &Agent| a.counters["heartbeat_ns"].max(s.started_ns).abs_diff(now.0) > HEARTBEAT_AGE_MAX.0;
    s.agents.iter().enumerate().filter(|(_, a)| far(a)).map(|(k, _)| k).collect()
}

/// Opens a core's region anew, for a restart makes a new one, and reads it if the core lives.
///
/// # Errors
/// [`Down`]: there is nothing that may be shown as live.
pub fn look(name: &str) -> Result<Snapshot, Down> {
    open(name).map(|(snapshot, _)| snapshot)
}

/// The same, with the region it was read from, to read more of.
///
/// # Errors
/// [`Down`].
pub fn open(name: &str) -> Result<(Snapshot, Viewer), Down> {
    let viewer = Viewer::open(name).map_err(|e| match e {
        SnapshotError::Absent { .. } => Down::Absent,
        SnapshotError::Region { source: RegionError::WrongLayout { found, expected }, .. } => {
            Down::OtherLayout { found, expected }
        }
        e @ (SnapshotError::Region { .. } | SnapshotError::Shape { .. }) => Down::Unreadable(e),
    })?;
    let again = || {
        std::thread::sleep(RECHECK);
        viewer.read()
    };
    Ok((judge(viewer.read(), now(), again)?, viewer))
}

/// Whether `first` is of a core that lives at `now`; `again` takes the second look where one is needed.
///
/// # Errors
/// [`Down::Ended`], [`Down::Silent`].
pub fn judge(first: Snapshot, now: Nanos, again: impl FnOnce() -> Snapshot) -> Result<Snapshot, Down> {
    let ended = |s: &Snapshot| {
        let youngest = s.agents.iter().map(|a| age(now, s, a)).min();
        Down::Ended { pid: s.pid, age: youngest.unwrap_or_else(|| now.since(Nanos(s.started_ns))) }
    };
    if !first.alive {
        return Err(ended(&first));
    }
    let suspects = suspects(now, &first);
    if suspects.is_empty() {
        return Ok(first);
    }
    let second = again();
    if !second.alive {
        return Err(ended(&second));
    }
    let stood = |k: &usize| first.agents[*k].counters["cycles"] == second.agents[*k].counters["cycles"];
    let silent: Vec<_> = suspects.into_iter().filter(stood).collect();
    if silent.is_empty() {
        return Ok(second);
    }
    let with_age = |k: usize| (second.agents[k].name.clone(), age(now, &second, &second.agents[k]));
    Err(Down::Silent { agents: silent.into_iter().map(with_age).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const NOW: Nanos = Nanos(1_000_000_000_000);
    const OLD: u64 = NOW.0 - HEARTBEAT_AGE_MAX.0 - 1;

    /// A core with agents of these (heartbeat, cycles).
    fn core(alive: bool, beats: &[(u64, u64)]) -> Snapshot {
        let agent = |(k, (beat, cycles)): (usize, &(u64, u64))| Agent {
            name: format!("a{k}"),
            counters: BTreeMap::from([("heartbeat_ns", *beat), ("cycles", *cycles)]),
        };
        Snapshot {
            name: "t".into(),
            pid: 9,
            mode: "test",
            alive,
            started_ns: 5,
            run: None,
            agents: beats.iter().enumerate().map(agent).collect(),
            feeds: Vec::new(),
            gateways: Vec::new(),
            control: BTreeMap::new(),
            cold: BTreeMap::new(),
            engine: BTreeMap::new(),
            transitions: BTreeMap::new(),
            risk: None,
            instruments: Vec::new(),
            orders: Vec::new(),
            latency_ns: BTreeMap::new(),
        }
    }

    #[test]
    fn fresh_heartbeats_need_one_look() {
        let judged = judge(core(true, &[(NOW.0, 1), (NOW.0 - 1_000, 1)]), NOW, || panic!("no second look"));
        assert!(judged.is_ok());
    }

    #[test]
    fn a_process_that_is_gone_is_not_live_however_fresh_its_heartbeat() {
        let down = judge(core(false, &[(OLD, 1), (NOW.0 - 3, 1)]), NOW, || panic!("no second look"));
        assert!(matches!(down, Err(Down::Ended { pid: 9, age: Nanos(3) })), "{down:?}");
    }

    #[test]
    fn an_agent_that_stands_still_is_named() {
        let core = || core(true, &[(NOW.0, 1), (OLD, 7), (0, 0)]);
        let Err(Down::Silent { agents }) = judge(core(), NOW, core) else { panic!("live") };
        let names: Vec<_> = agents.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["a1", "a2"], "the stopped one and the one that never began");
        assert_eq!(agents[1].1, NOW.since(Nanos(5)), "as old as its core");
    }

    #[test]
    fn a_clock_that_was_stepped_makes_no_core_dead() {
        for beat in [OLD, NOW.0 + 2 * HEARTBEAT_AGE_MAX.0] {
            let judged = judge(core(true, &[(beat, 7)]), NOW, || core(true, &[(beat + 9, 8)]));
            assert_eq!(judged.expect("it moves").agents[0].counters["cycles"], 8, "the newer reading");
        }
    }

    #[test]
    fn a_heartbeat_from_the_future_makes_no_hung_core_alive() {
        let hung = || core(true, &[(u64::MAX, 7)]);
        assert!(matches!(judge(hung(), NOW, hung), Err(Down::Silent { .. })));
    }

    #[test]
    fn a_core_that_ends_between_the_looks_has_ended() {
        let down = judge(core(true, &[(OLD, 7)]), NOW, || core(false, &[(OLD, 7)]));
        assert!(matches!(down, Err(Down::Ended { .. })));
    }
}
