//! What a low-latency process asks of its host, and what the host answers.
//!
//! Every request is best effort: the core is correct without it, only slower, so nothing here fails a start. The answer is an
//! [`Outcome`] that the caller prints once: what was refused, why, and what to do about it. `colo doctor` shows the same without
//! starting anything.
//!
//! | call | gives | wants |
//! |---|---|---|
//! | [`lock_memory`] | no page of ours is ever fetched again | `CAP_IPC_LOCK` or unlimited memlock |
//! | [`prefault_stack`], [`prefault_heap`], [`prefault`] | the first touch of a page is not on the hot path | |
//! | [`advise_huge_pages`] | fewer TLB misses on large tables | THP `madvise` or `always` |
//! | [`pin_to`], [`allow_cores`] | a thread stays where its caches are | the core in our cpuset |
//! | [`use_fifo`] | no ordinary thread preempts | `CAP_SYS_NICE` or rtprio |
//! | [`hold_cpu_latency`] | cores do not enter deep idle states | write to `/dev/cpu_dma_latency` |
//! | [`set_timer_slack`] | short sleeps end when asked | |
//! | [`forbid_new_privileges`] | nothing we might execute gains any | |
//! | [`allow_only`] | a thread makes the system calls it should, and no other | a kernel with seccomp filters |
//!
//! All of it happens at start-up, before the hot path. This module is the one place of the crate that may hold `unsafe`.

#![allow(unsafe_code, reason = "the one module of this crate that calls the kernel directly")]

mod syscalls;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;

pub use syscalls::{CALLS_MAX, Violation, allow_only};

/// Bytes from one touch of memory to the next; the smallest page of the processors we run on.
const PAGE: usize = 4096;
/// Stack that [`prefault_stack`] touches at most: a quarter of what Rust gives a spawned thread (2 MiB).
pub const STACK_PREFAULT_MAX: usize = 512 * 1024;
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

/// Whether this process has the capability of this number in its effective set (`capabilities(7)`); false where it cannot be read.
fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|set| set >> number & 1 == 1)
}

/// `CAP_IPC_LOCK` of `capabilities(7)`.
const CAP_IPC_LOCK: u32 = 14;

/// Locks all memory, present and future, into RAM.
///
/// Refused up front where the lock limit would apply: with `MCL_FUTURE` in force under a limit, the allocation that
/// first exceeds it fails, in the middle of the day.
pub fn lock_memory() -> Outcome {
    let (what, fix) = ("lock memory", "ulimit -l unlimited (LimitMEMLOCK=infinity), or grant CAP_IPC_LOCK");
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live and writable for one `rlimit`.
    let limited = checked(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) });
    let result = limited.and_then(|()| {
        if limit.rlim_cur != libc::RLIM_INFINITY && !has_capability(CAP_IPC_LOCK) {
            let why = format!("the limit is {} bytes; later allocations would fail", limit.rlim_cur);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        // SAFETY: takes no pointers and changes no mapping's contents.
        checked(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) })
    });
    Outcome::of(result, what, fix)
}

/// Touches every page of `memory`, leaving its contents as they are.
pub fn prefault(memory: &mut [u8]) {
    for page in memory.chunks_mut(PAGE) {
        // The write must happen although it changes nothing: reading alone would map the shared zero page.
        page[0] = black_box(page[0]);
    }
    black_box(memory);
}

/// Touches the next `bytes` of the calling thread's stack, at most [`STACK_PREFAULT_MAX`].
pub fn prefault_stack(bytes: usize) {
    #[inline(never)]
    fn touch(pages_left: usize) {
        let mut frame = [0u8; PAGE];
        prefault(&mut frame);
        if pages_left > 1 {
            touch(pages_left - 1);
        }
        // After the call, so that it is not a tail call and the frames lie below one another.
        black_box(&frame);
    }
    touch(bytes.min(STACK_PREFAULT_MAX).div_ceil(PAGE).max(1));
}

/// Touches `bytes` of heap and has the allocator keep them, so that later allocations of the main arena fault no pages.
///
/// Call on the main thread before others are spawned: the C library gives later threads arenas of their own. Refused where its
/// allocator takes no settings (not glibc).
pub fn prefault_heap(bytes: usize) -> Outcome {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallopt` takes no pointers; these settings are valid at any time and only change where memory comes from and
        // when it goes back: never by mmap, never trimmed.
        let taken = unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0) == 1 && libc::mallopt(libc::M_TRIM_THRESHOLD, -1) == 1
        };
        let mut memory = Vec::<u8>::new();
        let result = match (taken, memory.try_reserve_exact(bytes)) {
            (false, _) => Err(io::Error::other("mallopt refused")),
            (true, Err(e)) => Err(io::Error::new(io::ErrorKind::OutOfMemory, e)),
            (true, Ok(())) => {
                memory.resize(bytes, 0);
                prefault(&mut memory);
                Ok(())
            }
        };
        Outcome::of(result, "pre-fault the heap", "give the host more memory or reserve less")
    }
    #[cfg(not(target_env = "gnu"))]
    {
        let _ = bytes;
        let why = "the allocator takes no settings".to_owned();
        Outcome::Refused { what: "pre-fault the heap", why, fix: "build for a gnu target" }
    }
}

/// Asks for huge pages under `memory` (`MADV_HUGEPAGE`): only whole pages inside it, so a short slice is no request at all.
pub fn advise_huge_pages(memory: &mut [u8]) -> Outcome {
    let start = memory.as_mut_ptr();
    let skipped = start.align_offset(PAGE);
    let length = memory.len().saturating_sub(skipped) / PAGE * PAGE;
    if length == 0 {
        return Outcome::Done;
    }
    // SAFETY: the range lies inside `memory`, which is exclusively borrowed; this advice changes how the pages are backed and not
    // what they hold.
    let rc = unsafe { libc::madvise(start.add(skipped).cast(), length, libc::MADV_HUGEPAGE) };
    let fix = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    Outcome::of(checked(rc), "huge pages", fix)
}

/// Pins the calling thread to one core. Cores outside the thread's present mask are allowed: a process that was started
/// on the housekeeping cores moves its hot threads to the isolated ones this way.
pub fn pin_to(core: usize) -> Outcome {
    let fix = "name an online core of this process's cpuset under [cores]";
    let pinned = core < CORES_MAX && core_affinity::set_for_current(core_affinity::CoreId { id: core });
    let result = if pinned { Ok(()) } else { Err(io::Error::other(format!("core {core} is not to be had"))) };
    Outcome::of(result, "pin the thread", fix)
}

/// Allows the calling thread, and those it spawns later, these cores only.
pub fn allow_cores(cores: &[usize]) -> Outcome {
    // SAFETY: `cpu_set_t` is a C array of integers, for which all-zero is the valid, empty set.
    let mut set = unsafe { std::mem::zeroed::<libc::cpu_set_t>() };
    for &core in cores.iter().filter(|&&core| core < CORES_MAX) {
        // SAFETY: `core` is less than CPU_SETSIZE, so its bit lies inside `set`.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: `set` is live and its size is given; 0 is the calling thread.
    let rc = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    Outcome::of(checked(rc), "allow cores", "name at least one online core of this process's cpuset")
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
pub fn forbid_new_privileges() -> Outcome {
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
    fn a_narrow_mask_can_be_widened_again() {
        let all = allowed_cores();
        let (narrow, wide) = apart(|| {
            assert_eq!(allow_cores(&all[..1]), Outcome::Done);
            let narrow = allowed_cores();
            assert_eq!(pin_to(*all.last().unwrap()), Outcome::Done, "out of the housekeeping mask");
            assert_eq!(allow_cores(&all), Outcome::Done);
            (narrow, allowed_cores())
        });
        assert_eq!((narrow, wide), (all[..1].to_vec(), all));
    }

    #[test]
    fn what_no_host_grants_is_refused_in_words() {
        for outcome in [pin_to(1 << 20), apart(|| allow_cores(&[])), apart(|| use_fifo(200))] {
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
    fn pre_faulting_changes_no_byte() {
        let mut memory: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let before = memory.clone();
        prefault(&mut memory);
        // Granted, or refused by a kernel without transparent huge pages: the bytes stay either way.
        let _ = advise_huge_pages(&mut memory);
        assert_eq!(memory, before);
        prefault(&mut []);
        assert!(advise_huge_pages(&mut []).is_done());
        apart(|| {
            prefault_stack(0);
            prefault_stack(usize::MAX);
        });
    }

    #[test]
    fn pre_faulted_pages_are_resident() {
        let faults = || {
            // SAFETY: `rusage` is a C struct of integers, for which all-zero is valid, and `getrusage` fills it.
            unsafe {
                let mut usage = std::mem::zeroed::<libc::rusage>();
                assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
                usage.ru_minflt
            }
        };
        const PAGES: usize = 64;
        let (first, second) = apart(|| {
            let start = faults();
            prefault_stack(PAGES * PAGE);
            let touched = faults();
            prefault_stack(PAGES * PAGE);
            (touched - start, faults() - touched)
        });
        assert!(first > 0, "a fresh stack has pages to fault");
        assert!(second < first, "{second} faults the second time, {first} the first");
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
