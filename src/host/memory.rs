//! Memory that is there before it is wanted: in huge pages, touched, and kept.
//!
//! ```text
//!   agents are built: books, rings, buffers lie in large anonymous mappings, most of them never touched
//!        |
//!   back_memory   advise huge pages (MADV_HUGEPAGE), then fault all of them in for writing (MADV_POPULATE_WRITE)
//!        |
//!   lock_memory   mlockall: none of it is ever taken away, and what is mapped later is faulted in at once
//! ```
//!
//! In this order: a page that was faulted in small stays small until the kernel's own thread gets to it.

use std::fmt;
use std::hint::black_box;
use std::io;
use std::ops::Range;

use super::{Outcome, checked};

/// Bytes from one touch of memory to the next; the smallest page of the processors we run on.
const PAGE: usize = 4096;
/// Mappings from this size on are backed: smaller ones are buffers of libraries, and hold no huge page (2 MiB on the processors we run on).
const MAPPING_MIN: usize = 2 << 20;
/// Stack that [`prefault_stack`] touches at most: a quarter of what Rust gives a spawned thread (2 MiB).
pub const STACK_PREFAULT_MAX: usize = 512 * 1024;

/// What stands behind the large mappings of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backed {
    /// Bytes faulted in.
    pub bytes: usize,
    /// Bytes of this process that lie in huge pages.
    pub huge_bytes: usize,
}

impl fmt::Display for Backed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB pre-faulted, {} MiB in huge pages", self.bytes >> 20, self.huge_bytes >> 20)
    }
}

/// Faults in every large anonymous mapping of this process, in huge pages where the host has them.
///
/// For the time when everything hot is allocated and no hot thread runs. Refused where the host has no room for all of it, for then the kernel would
/// end this process or another, and where the kernel knows no such advice (populating: Linux 5.14); what was refused costs page faults on the hot path.
pub fn back_memory() -> (Backed, Vec<Outcome>) {
    let mut refused = Vec::new();
    let mappings =
        std::fs::read_to_string("/proc/self/maps").map(|maps| large_mappings(&maps)).unwrap_or_default();
    let bytes = mappings.iter().map(ExactSizeIterator::len).sum();
    let all = |advice| mappings.iter().map(|m| advise(m, advice)).fold(Ok(()), io::Result::and);
    let huge = all(libc::MADV_HUGEPAGE);
    let fix = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    note(&mut refused, Outcome::of(huge, "huge pages", fix));

    let populated = match kib("/proc/meminfo", "MemAvailable:") {
        Some(available) if bytes > available => {
            let why = format!(
                "books and rings take {} MiB, and {} MiB are available",
                bytes >> 20,
                available >> 20
            );
            Err(io::Error::new(io::ErrorKind::OutOfMemory, why))
        }
        _ => all(libc::MADV_POPULATE_WRITE),
    };
    let done = populated.is_ok();
    let fix = "lower [capacity] or give the host more memory; Linux 5.14 or later";
    note(&mut refused, Outcome::of(populated, "pre-fault memory", fix));
    let huge_bytes = kib("/proc/self/smaps_rollup", "AnonHugePages:").unwrap_or(0);
    (Backed { bytes: if done { bytes } else { 0 }, huge_bytes }, refused)
}

fn note(refused: &mut Vec<Outcome>, outcome: Outcome) {
    if !outcome.is_done() {
        refused.push(outcome);
    }
}

/// The number after `label` in a file of the kernel, given in kB there, in bytes.
fn kib(file: &str, label: &str) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().trim_end_matches("kB").trim_end().parse::<usize>().ok()?.checked_mul(1024)
}

/// The mappings of `/proc/self/maps` (`proc_pid_maps(5)`) that are private, writable, of no file, and large.
fn large_mappings(maps: &str) -> Vec<Range<usize>> {
    let mapping = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let private = fields.next()? == "rw-p";
        let path = fields.nth(3);
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let ours = private && matches!(path, None | Some("[heap]"));
        (ours && range.len() >= MAPPING_MIN).then_some(range)
    };
    maps.lines().filter_map(mapping).collect()
}

fn advise(mapping: &Range<usize>, advice: i32) -> io::Result<()> {
    // SAFETY: the range was a mapping of this process a moment ago. Both advices given here change how pages are backed and never what they hold, so
    // they are harmless to whatever may lie there now; of a range that is gone the kernel says so.
    let rc = unsafe { libc::madvise(mapping.start as *mut libc::c_void, mapping.len(), advice) };
    checked(rc)
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

/// Touches the next `bytes` of the calling thread's stack, at most [`STACK_PREFAULT_MAX`].
pub fn prefault_stack(bytes: usize) {
    #[inline(never)]
    fn touch(pages_left: usize) {
        // The write must happen: a page that was only read would be the shared zero page.
        let mut frame = [0u8; PAGE];
        black_box(&mut frame);
        if pages_left > 1 {
            touch(pages_left - 1);
        }
        // After the call, so that it is not a tail call and the frames lie below one another.
        black_box(&frame);
    }
    touch(bytes.min(STACK_PREFAULT_MAX).div_ceil(PAGE).max(1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Page faults of the calling thread that needed no disk.
    fn faults() -> i64 {
        // SAFETY: `rusage` is a C struct of integers, for which all-zero is valid, and `getrusage` fills it.
        unsafe {
            let mut usage = std::mem::zeroed::<libc::rusage>();
            assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
            usage.ru_minflt
        }
    }

    /// On a thread of its own, with a stack that no thread before it had: the C library gives used ones on.
    fn apart<T: Send>(body: impl FnOnce() -> T + Send) -> T {
        let fresh = thread::Builder::new().stack_size(24 << 20);
        thread::scope(|scope| fresh.spawn_scoped(scope, body).unwrap().join().unwrap())
    }

    #[test]
    fn a_backed_table_faults_no_page() {
        const PAGES: usize = 16 * 1024;
        let mut table = vec![0u8; PAGES * PAGE];
        let (backed, refused) = back_memory();
        if !refused.iter().all(|outcome| outcome.to_string().starts_with("huge pages")) {
            println!("this host backs no memory: {refused:?}");
            return;
        }
        assert!(backed.bytes >= table.len(), "{backed:?}");
        let before = faults();
        for page in table.chunks_mut(PAGE) {
            page[0] = black_box(1);
        }
        let faulted = faults() - before;
        assert!(faulted < 64, "{faulted} faults in {PAGES} pages");
        let thp = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
        println!("{backed:?}, {faulted} faults, transparent huge pages {}", thp.trim());
        if refused.is_empty() && !thp.contains("[never]") && !thp.is_empty() {
            assert!(backed.huge_bytes > 0, "advised, and none is huge");
        }
        assert!(table.iter().step_by(PAGE).all(|byte| *byte == 1));
    }

    #[test]
    fn only_large_private_memory_of_no_file_is_backed() {
        let maps = "\
            55d000000000-55d000400000 r-xp 00000000 fe:00 1234 /usr/bin/colo\n\
            55d000400000-55d000800000 rw-p 00000000 fe:00 1234 /usr/bin/colo\n\
            55d001000000-55d001400000 rw-p 00000000 00:00 0 [heap]\n\
            7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \n\
            7f0000200000-7f0000201000 rw-p 00000000 00:00 0 \n\
            7f0001000000-7f0002000000 ---p 00000000 00:00 0 \n\
            7f0002000000-7f0003000000 rw-s 00000000 00:19 77 /dev/shm/colo-x\n\
            7ffc00000000-7ffc01000000 rw-p 00000000 00:00 0 [stack]\n\
            nonsense\n7f0000000000-zz rw-p 0 0 0\n\n";
        assert_eq!(
            large_mappings(maps),
            [0x55d0_0100_0000..0x55d0_0140_0000, 0x7f00_0000_0000..0x7f00_0020_0000]
        );
    }

    #[test]
    fn a_touched_stack_is_resident() {
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
        apart(|| {
            prefault_stack(0);
            prefault_stack(usize::MAX);
        });
    }
}
