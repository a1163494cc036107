//! One record: how it is committed, and how bytes are judged to be one.
//!
//! ```text
//!   0          4          8          10         12          16
//!   +----------+----------+----------+----------+-----------+--------------------+---------+
//!   | len u32  | crc u32  | kind u16 | flags u16| index u32 | payload            | zeros   |
//!   |          |          |          |          | low half  | len - 16 bytes     | to 8    |
//!   +----------+----------+----------+----------+-----------+--------------------+---------+
//!   |<- the commit word ->|
//!
//!   crc = crc32c, continued from the segment's checksum, over
//!         index u64 | len u32 | kind u16 | flags u16 | payload and its zeros
//! ```
//!
//! # Commit
//!
//! | writer ([`publish`]) | scan ([`judge`], and `scan`) |
//! |---|---|
//! | payload and second word, relaxed | S1 copy the bytes, in any order |
//! | W  commit word, **release** | S2 `len` is 0: not committed |
//! | | S3 anything wrong: **acquire fence** (pairs with W), copy again, judge again |
//!
//! `len` counts the 16 header bytes, so that a committed record never has a commit word of zero, and one
//! 8-byte store commits it whole. A copy that saw W may hold older payload; the checksum notices, and the
//! second copy, after the fence, cannot.
//!
//! # Flags
//!
//! None for a record. [`PADDING`] closes a segment, [`END`] closes the log; both are bare headers that carry
//! the index the next record will have, and are not shown to readers as records.
use super::format::{RECORD_HEADER_BYTES, record_bytes};
use crate::sync::{AtomicU64, Ordering};

/// Flag of the record that closes a segment: go on in the next.
pub const PADDING: u16 = 1;
/// Flag of the record that closes the log: the writer finished.
pub const END: u16 = 2;

/// What the bytes at the place of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Nothing committed here.
    Uncommitted,
    /// The answer takes this many bytes.
    Short(usize),
    /// Something else than the record expected here.
    Bad(RecordFault),
    /// The record expected here.
    Good(Good),
}

/// The record expected, its checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Good {
    /// Its kind.
    pub kind: u16,
    /// 0, [`PADDING`] or [`END`].
    pub flags: u16,
    /// Length of its payload, which begins at byte 16.
    pub payload: usize,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A length that no record here can have.
    #[error("impossible length")]
    Length,
    /// Not the index expected, or unknown flags.
    #[error("not the header expected")]
    Header,
    /// The header of the record expected here, with a wrong checksum.
    #[error("wrong checksum")]
    Checksum,
}

/// Writes a record into `place`, which is exactly [`record_bytes`] of the payload, and commits it. No
/// allocation, no syscall.
#[inline(always)]
pub fn publish(place: &[AtomicU64], seed: u32, index: u64, kind: u16, flags: u16, payload: &[u8]) {
    let labels = u64::from(kind) | u64::from(flags) << 16;
    commit(place, index, labels, payload.len(), |head, body| {
        super::checksum::copy(seed, index, head, payload, body)
    });
}

/// As [`publish`], of a payload of `len` bytes in whole words, the last filled up with zeros.
#[inline(always)]
pub fn publish_words(place: &[AtomicU64], seed: u32, index: u64, kind: u16, payload: &[u64], len: usize) {
    commit(place, index, u64::from(kind), len, |head, body| {
        super::checksum::copy_words(seed, index, head, payload, body)
    });
}

/// As [`publish`], of a payload in parts that follow one another.
pub fn publish_parts(place: &[AtomicU64], seed: u32, index: u64, kind: u16, parts: &[&[u8]]) {
    let len = parts.iter().map(|part| part.len()).sum();
    commit(place, index, u64::from(kind), len, |head, body| {
        super::checksum::join(seed, index, head, parts, body)
    });
}

#[inline(always)]
fn commit(
    place: &[AtomicU64],
    index: u64,
    labels: u64,
    payload: usize,
    copy: impl FnOnce(u64, &[AtomicU64]) -> u32,
) {
    let [commit, meta, body @ ..] = place else { return };
    let len = (RECORD_HEADER_BYTES + payload) as u64;
    let crc = copy(len | labels << 32, body);
    meta.store(labels | index << 32, Ordering::Relaxed);
    // W: pairs with the acquire fence of S3.
    commit.store(len | u64::from(crc) << 32, Ordering::Release);
}

/// Judges `bytes`, a copy of the segment from the place of record `index` on, of which at most `room` bytes
/// may belong to it. Never panics, whatever the bytes.
#[must_use]
pub fn judge(bytes: &[u8], room: usize, seed: u32, index: u64) -> Judged {
    let Some(header) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else {
        // A half-written commit word must not count as none: it is the copy that is short.
        return Judged::Short(RECORD_HEADER_BYTES);
    };
    let (words, _) = header.as_chunks::<8>();
    let (commit, meta) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
    if commit == 0 {
        return Judged::Uncommitted;
    }
    let len = commit as u32;
    let (kind, flags) = (meta as u16, (meta >> 16) as u16);
    let Some(payload) = (len as usize).checked_sub(RECORD_HEADER_BYTES) else {
        return Judged::Bad(RecordFault::Length);
    };
    if payload > room || record_bytes(payload) > room {
        return Judged::Bad(RecordFault::Length);
    }
    let known = match flags {
        0 => true,
        PADDING | END => payload == 0 && kind == 0,
        _ => false,
    };
    if !known || (meta >> 32) as u32 != index as u32 {
        return Judged::Bad(RecordFault::Header);
    }
    let Some(body) = bytes.get(RECORD_HEADER_BYTES..record_bytes(payload)) else {
        return Judged::Short(record_bytes(payload));
    };
    let mut prefix = [0; 16];
    prefix[..8].copy_from_slice(&index.to_le_bytes());
    prefix[8..12].copy_from_slice(&len.to_le_bytes());
    prefix[12..].copy_from_slice(&header[8..12]);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &prefix), body);
    if crc != (commit >> 32) as u32 && !cfg!(feature = "canary-unchecked") {
        return Judged::Bad(RecordFault::Checksum);
    }
    Judged::Good(Good { kind, flags, payload })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::words::Words;

    fn bytes_of(kind: u16, flags: u16, index: u64, payload: &[u8]) -> Vec<u8> {
        let words = Words::zeroed(record_bytes(payload.len()) / 8);
        publish(&words, 5, index, kind, flags, payload);
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    #[test]
    fn a_record_is_judged_good_in_its_place_only() {
        let bytes = bytes_of(9, 0, 1 << 40, b"hello");
        let good = Judged::Good(Good { kind: 9, flags: 0, payload: 5 });
        assert_eq!(judge(&bytes, 24, 5, 1 << 40), good);
        assert_eq!(judge(&bytes, 24, 6, 1 << 40), Judged::Bad(RecordFault::Checksum), "another segment");
        assert_eq!(judge(&bytes, 24, 5, 1), Judged::Bad(RecordFault::Header), "another index");
        assert_eq!(judge(&bytes, 24, 5, 0), Judged::Bad(RecordFault::Checksum), "same low half");
        assert_eq!(judge(&bytes, 23, 5, 1 << 40), Judged::Bad(RecordFault::Length), "no room");
        assert_eq!(judge(&bytes[..23], 24, 5, 1 << 40), Judged::Short(24));
        assert_eq!(judge(&bytes[..15], 24, 5, 1 << 40), Judged::Short(16));
        assert_eq!(judge(&[0; 16], 24, 5, 1 << 40), Judged::Uncommitted);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for payload in [&b""[..], b"1", b"12345678", b"123456789"] {
            let bytes = bytes_of(9, 0, 7, payload);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!matches!(judge(&flipped, 64, 5, 7), Judged::Good(_)), "bit {bit}");
            }
        }
    }

    #[test]
    fn padding_and_end_are_bare_headers() {
        assert!(matches!(judge(&bytes_of(0, PADDING, 7, b""), 16, 5, 7), Judged::Good(_)));
        assert!(matches!(judge(&bytes_of(0, END, 7, b""), 16, 5, 7), Judged::Good(_)));
        for bytes in [bytes_of(0, PADDING, 7, b"x"), bytes_of(1, END, 7, b""), bytes_of(0, 3, 7, b"")] {
            assert_eq!(judge(&bytes, 64, 5, 7), Judged::Bad(RecordFault::Header));
        }
    }

    #[test]
    fn the_version_1_record_does_not_change() {
        let bytes = bytes_of(0x0201, 0, 0x0000_0007_0000_0003, b"abc");
        assert_eq!(bytes[..4], [19, 0, 0, 0]);
        assert_eq!(bytes[8..], [1, 2, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 0]);
        let summed = [3, 0, 0, 0, 7, 0, 0, 0, 19, 0, 0, 0, 1, 2, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 0];
        assert_eq!(bytes[4..8], crc32c::crc32c_append(5, &summed).to_le_bytes());
    }
}
