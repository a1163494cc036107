//! A long file streams through [`Source`] in memory that does not depend on its length: after it was opened nothing is allocated any more, and the process does not grow.
//! How fast it went is printed (`--nocapture`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use colo::source::Source;

/// Bytes streamed.
const LENGTH: u64 = 300 << 20;
/// How much the process may grow meanwhile.
const GROWTH_MAX: u64 = 8 << 20;

/// How much a short capture may take, whatever units it names.
const UNITS_BYTES_MAX: u64 = 64 << 20;

static TAKEN: AtomicU64 = AtomicU64::new(0);
/// Bytes that were asked for, whatever became of them.
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is passed on to `System` as it came, which keeps the contract; counting touches no memory that is asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The same stretch of messages over and over, as long as wanted: a file of this length that takes no disk.
struct Endless {
    stretch: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n =
            out.len().min(self.stretch.len() - self.at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        out[..n].copy_from_slice(&self.stretch[self.at..self.at + n]);
        self.at = (self.at + n) % self.stretch.len();
        self.left -= n as u64;
        Ok(n)
    }
}

/// Pages of the process that are in memory, as bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("a proc file system");
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of pages");
    pages * 4096
}

/// Adds, executions and deletes behind their lengths.
fn stretch() -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..10_000u64 {
        for (kind, len) in [(b'A', 36u16), (b'E', 31), (b'D', 19)] {
            out.extend_from_slice(&len.to_be_bytes());
            let mut m = vec![0; usize::from(len)];
            m[0] = kind;
            m[11..19].copy_from_slice(&n.to_be_bytes());
            if kind == b'A' {
                m[19] = b'B';
            }
            out.extend_from_slice(&m);
        }
    }
    out
}

#[expect(clippy::print_stdout, reason = "how fast it went")]
fn streamed(what: &str, input: impl Read + Send + 'static, length: u64, allocates: bool) {
    let mut source = Source::read(Path::new(what), input).unwrap();
    let (mut messages, mut bytes) = (0u64, 0u64);
    // The first megabytes settle what is allocated lazily.
    while bytes < 4 << 20 {
        bytes += source.next().unwrap().expect("more").len() as u64 + 2;
        messages += 1;
    }
    let (before, taken, began) = (resident(), TAKEN.load(Ordering::Relaxed), Instant::now());
    while let Some(m) = source.next().unwrap() {
        bytes += m.len() as u64 + 2;
        messages += 1;
    }
    let (elapsed, taken) = (began.elapsed(), TAKEN.load(Ordering::Relaxed) - taken);
    let growth = resident().saturating_sub(before);
    let rate = bytes as f64 / 1e6 / elapsed.as_secs_f64();
    println!(
        "{what}: {messages} messages, {rate:.0} MB/s, {taken} allocations, {growth} bytes more resident"
    );
    assert_eq!(bytes, length);
    assert!(growth < GROWTH_MAX, "{what}: {growth} bytes more after {bytes}");
    assert!(allocates || taken == 0, "{what}: {taken} allocations");
}

/// A capture of 256 units that say one thing each, behind a heartbeat: raw IP, little-endian.
fn many_units() -> Vec<u8> {
    let mut out = b"\xD4\xC3\xB2\xA1\x02\0\x04\0\0\0\0\0\0\0\0\0\xFF\xFF\0\0\x65\0\0\0".to_vec();
    for unit in 0..=255 {
        // A unit clear.
        for message in [&[][..], &[6, 0x97, 0, 0, 0, 0]] {
            let length = 8 + message.len() as u8;
            let pitch = [&[length, 0, u8::from(length > 8), unit, 1, 0, 0, 0], message].concat();
            let whole = (u32::from(length) + 28).to_le_bytes();
            let ip =
                [&b"\x45\0\0"[..], &[length + 28], b"\0\0\0\0\x40\x11\0\0\x7F\0\0\x01\xE0\0\0\x01"].concat();
            let udp = [0x75, 0x31, 0x75, 0x31, 0, length + 8, 0, 0];
            out.extend([&[0; 8], &whole[..], &whole, &ip, &udp, &pitch].concat());
        }
    }
    out
}

/// One test, because allocations are counted for the whole process.
#[test]
fn memory_does_not_follow_the_file() {
    let stretch = stretch();
    let whole = LENGTH / stretch.len() as u64 * stretch.len() as u64;
    let endless = |left| Endless { stretch: stretch.clone(), at: 0, left };
    streamed("BinaryFILE", endless(whole), whole, false);
    let part = whole / 10 / stretch.len() as u64 * stretch.len() as u64;
    let packed = zstd::encode_all(endless(part), 1).unwrap();
    streamed("zstd", io::Cursor::new(packed), part, false);

    let capture = many_units();
    let before = BYTES.load(Ordering::Relaxed);
    let mut source = Source::read(Path::new("units"), io::Cursor::new(capture)).unwrap();
    assert!(source.next().unwrap().is_none());
    let taken = BYTES.load(Ordering::Relaxed) - before;
    assert_eq!(source.remarks().len(), 1, "{:?}", source.remarks());
    assert!(taken < UNITS_BYTES_MAX, "a capture of 256 units takes {taken} bytes");
}
