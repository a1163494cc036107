//! What a low-latency process asks of its host, and what the host answers.
//!
//! Every request is best effort: the core is correct without it, only slower, so nothing here fails a start. The answer is an
//! [`Outcome`] that the caller prints once: what was refused, why, and what to do about it. `colo doctor` shows the same without
//! starting anything.
//!
//! | call | gives | wants |
//! |---|---|---|
//! | [`back_memory`] | books and rings lie in huge pages, and their first touch is not on the hot path | THP `madvise` or `always` |
//! | [`prefault_stack`] | nor is that of a stack | |
//! | [`lock_memory`] | no page of ours is ever fetched again | `CAP_IPC_LOCK` or unlimited memlock |
//! | [`pin_to`] | a thread stays where its caches are | the core in our cpuset |
//! | [`use_fifo`] | no ordinary thread preempts | `CAP_SYS_NICE` or rtprio |
//! | [`hold_cpu_latency`] | cores do not enter deep idle states | write to `/dev/cpu_dma_latency` |
//! | [`set_timer_slack`] | short sleeps end when asked | |
//! | [`yield_to_all`] | a thread that nobody waits for is in nobody's way | |
//! | [`hide_memory`] | secrets are in no core dump, and no other process of the user reads them | |
//! | [`drop_capabilities`], [`refuse_foreign_calls`] | a core that runs can do nothing to its host | |
//! | [`Counted`] | each thread's allocations are counted | |
//! | [`allow_only`] | in tests: a thread makes the system calls it should, and no other | a kernel with seccomp filters |
//!
//! All but the last two happens at start-up, before the hot path. This module and its children are the one place of the crate that may hold `unsafe`.

#![allow(unsafe_code, reason = "the one module of this crate that calls the kernel directly")]

mod allocations;
mod confine;
mod disk;
mod memory;
mod peer;
mod process;
mod syscalls;
mod wall;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

pub use allocations::{Counted, allocations};
pub use confine::{DAC_OVERRIDE, IPC_LOCK, Kept, drop_capabilities, hide_memory, refuse_foreign_calls};
pub use disk::free_bytes;
pub use memory::{Backed, STACK_PREFAULT_MAX, back_memory, lock_memory, prefault_stack};
pub use peer::{Peer, own_uid, peer_of};
pub use process::{Process, started_ticks};
pub use syscalls::{CALLS_MAX, Violation, allow_only};
pub use wall::wall_error;

/// Cores that a `cpu_set_t` can name.
const CORES_MAX: usize = libc::CPU_SETSIZE as usize;

/// What became of a request to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a refusal should be printed once"]
pub enum Outcome {
    /// It is in force.
    Done,
    /// The host said no; the core goes on without.
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The kernel's answer.
        why: String,
        /// What would help.
        fix: &'static str,
    },
}

impl Outcome {
    fn of(result: io::Result<()>, what: &'static str, fix: &'static str) -> Outcome {
        match result {
            Ok(()) => Outcome::Done,
            Err(e) => Outcome::Refused { what, why: e.to_string(), fix },
        }
    }

    /// Whether it is in force.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self == Outcome::Done
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done => write!(f, "done"),
            Outcome::Refused { what, why, fix } => write!(f, "{what}: {why} (fix: {fix})"),
        }
    }
}

/// The kernel's "0 is success" as a result.
fn checked(rc: i32) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Pins the calling thread to one core. Cores outside the thread's present mask are allowed: a process that was started
/// on the housekeeping cores moves its hot threads to the isolated ones this way.
pub fn pin_to(core: usize) -> Outcome {
    let fix = "name an online core of this process's cpuset under [cores]";
    let pinned = core < CORES_MAX && core_affinity::set_for_current(core_affinity::CoreId { id: core });
    let result = if pinned { Ok(()) } else { Err(io::Error::other(format!("core {core} is not to be had"))) };
    Outcome::of(result, "pin the thread", fix)
}

/// The cores that the calling thread may run on now, ascending; empty where the host does not say.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// How many threads can run at once here, by affinity and cgroup quota; at least 1.
#[must_use]
pub fn available_core_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Schedules the calling thread `SCHED_FIFO` at `priority` (1 to 99).
///
/// A thread that never sleeps then owns its core; see the doctor's row `sched_rt_runtime_us` for how the kernel may still stop it.
pub fn use_fifo(priority: u8) -> Outcome {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: `parameters` is live and readable for one `sched_param`; 0 is the calling thread.
    let rc = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    let fix = "a priority from 1 to 99, and CAP_SYS_NICE or ulimit -r 99 (LimitRTPRIO=99)";
    Outcome::of(checked(rc), "real-time scheduling", fix)
}

/// Has the calling thread run, and use the disk, where nobody else wants to: nice 19, and the idle class of I/O (`ioprio_set(2)`).
pub fn yield_to_all() -> Outcome {
    const PROCESS: libc::c_int = 1;
    const IDLE: libc::c_int = 3 << 13;
    // SAFETY: takes integers and no pointer; 0 is the calling thread.
    let rc = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    // SAFETY: takes integers and no pointer; 0 is the calling thread.
    let io = unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, 0, IDLE) };
    Outcome::of(checked(rc | io as libc::c_int), "run behind all others", "none: this host refuses it")
}

/// Keeps the cores out of idle states that take longer to leave than it was asked for, for as long as it lives.
#[derive(Debug)]
pub struct CpuLatencyHold {
    /// The kernel drops the request when the descriptor is closed.
    _device: File,
}

/// Asks that no core take longer than `exit_us` microseconds to wake (0: cores poll when idle).
pub fn hold_cpu_latency(exit_us: i32) -> (Option<CpuLatencyHold>, Outcome) {
    hold_cpu_latency_by(Path::new("/dev/cpu_dma_latency"), exit_us)
}

fn hold_cpu_latency_by(device: &Path, exit_us: i32) -> (Option<CpuLatencyHold>, Outcome) {
    let opened = OpenOptions::new().write(true).open(device);
    let asked = opened.and_then(|mut device| device.write_all(&exit_us.to_ne_bytes()).map(|()| device));
    let fix =
        "give this user write access to /dev/cpu_dma_latency (udev rule), or boot with a limit on C-states";
    match asked {
        Ok(device) => (Some(CpuLatencyHold { _device: device }), Outcome::Done),
        Err(e) => (None, Outcome::of(Err(e), "hold the CPU wake-up latency", fix)),
    }
}

/// Sets how late the kernel may end the calling thread's sleeps to join them with others (default 50 us); threads
/// spawned later inherit it. Not for `SCHED_FIFO` threads, which have none.
pub fn set_timer_slack(ns: u32) -> Outcome {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and no pointer.
    let rc = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, libc::c_ulong::from(ns.max(1))) };
    Outcome::of(checked(rc), "timer slack", "none: this kernel does not know it")
}

/// Gives up, for good, that anything this process might execute gains privileges (set-uid, file capabilities).
fn forbid_new_privileges() -> Outcome {
    let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers and no pointer; the unused ones must be 0.
    let rc = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, unused, unused, unused) };
    Outcome::of(checked(rc), "no new privileges", "none: this kernel does not know it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// On a thread of its own, for what it changes should not outlive the test.
    fn apart<T: Send>(body: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(body).join().unwrap())
    }

    #[test]
    fn a_thread_is_pinned_where_it_was_told() {
        let allowed = allowed_cores();
        assert!(!allowed.is_empty() && available_core_count() >= 1);
        for core in allowed {
            let now = apart(|| {
                assert_eq!(pin_to(core), Outcome::Done);
                allowed_cores()
            });
            assert_eq!(now, [core]);
        }
    }

    #[test]
    fn a_pinned_thread_can_be_pinned_elsewhere() {
        let (all, last) = (allowed_cores(), *allowed_cores().last().unwrap());
        let now = apart(|| {
            assert_eq!(pin_to(all[0]), Outcome::Done);
            assert_eq!(pin_to(last), Outcome::Done, "out of the mask it was started with");
            allowed_cores()
        });
        assert_eq!(now, [last]);
    }

    #[test]
    fn what_no_host_grants_is_refused_in_words() {
        for outcome in [pin_to(1 << 20), apart(|| use_fifo(200))] {
            let Outcome::Refused { what, why, fix } = &outcome else { panic!("granted") };
            assert!(!why.is_empty() && !fix.is_empty());
            assert!(outcome.to_string().starts_with(what), "{outcome}");
        }
    }

    #[test]
    fn what_needs_privilege_is_granted_or_refused_and_never_a_panic() {
        // mlockall is left out: it would outlive the test and hold all of this process.
        for outcome in [apart(|| use_fifo(1)), apart(|| set_timer_slack(1)), hold_cpu_latency(1_000_000).1] {
            assert!(outcome.is_done() || outcome.to_string().contains("fix:"), "{outcome}");
        }
    }

    #[test]
    fn the_latency_request_is_four_bytes_of_the_machine() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (hold, outcome) = hold_cpu_latency_by(file.path(), 3);
        assert!(hold.is_some() && outcome.is_done());
        assert_eq!(std::fs::read(file.path()).unwrap(), 3i32.to_ne_bytes());
        let (hold, outcome) = hold_cpu_latency_by(&file.path().join("not-there"), 3);
        assert!(hold.is_none() && !outcome.is_done());
    }
}
