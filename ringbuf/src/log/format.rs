//! The header of a segment file: what it is, where it belongs, which record it begins with.
//!
//! ```text
//!   0        8           12          16       24        32             40    44         48           56       64
//!   +--------+-----------+-----------+--------+---------+--------------+-----+----------+------------+--------+--- - -
//!   | magic  | version   | header    | log id | segment | segment      | 0   | crc32c   | index of   | opened | records
//!   | u8[8]  | u32       | bytes u32 | u64    | u64     | bytes u64    | u32 | of 0..44 | first  u64 | u64    |
//!   +--------+-----------+-----------+--------+---------+--------------+-----+----------+------------+--------+--- - -
//!   |<--------------- the keeper, before the file has its name ----------------------->|<- the writer, ->|
//!                                                                                         on taking it over
//! ```
//!
//! * All integers little-endian. `opened` is 0 until the writer takes the segment over; then its low half is
//!   the crc32c of the first index, continued from the header's checksum, and its high half is [`OPENED`]. It
//!   is release-stored after the first index.
//! * The log id is one number for all segments of a log. With the segment number it goes into the header's
//!   checksum, which seeds the checksum of each record: a record moved to another place, segment or log is
//!   not accepted there.
use crate::sync::{AtomicU64, Ordering};

/// First eight bytes of a segment file.
pub const MAGIC: [u8; 8] = *b"RINGBLOG";
/// Version of header and records together.
pub const VERSION: u32 = 1;
/// Bytes before the first record.
pub const HEADER_BYTES: usize = 64;
/// Bytes before the payload of a record.
pub const RECORD_HEADER_BYTES: usize = 16;
/// A record, header included, takes at most this and at most an eighth of its segment.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Smallest segment, and the unit of segment sizes.
pub const SEGMENT_BYTES_MIN: usize = 4096;
/// Largest segment.
pub const SEGMENT_BYTES_MAX: usize = 1 << 30;
/// High half of the opened word ("OPEN").
pub const OPENED: u32 = u32::from_le_bytes(*b"OPEN");

const CRC_AT: usize = 44;
const FIRST_INDEX_WORD: usize = 6;
const OPENED_WORD: usize = 7;

/// Bytes that a record of `payload` bytes takes in a segment, padding included.
#[must_use]
pub const fn record_bytes(payload: usize) -> usize {
    RECORD_HEADER_BYTES + payload.next_multiple_of(8)
}

/// Most bytes that one record may take in a segment of `segment_bytes`.
#[must_use]
pub const fn record_bytes_max(segment_bytes: usize) -> usize {
    let eighth = segment_bytes / 8;
    if eighth < RECORD_BYTES_MAX { eighth } else { RECORD_BYTES_MAX }
}

/// What is wrong with a segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Shorter than a header.
    #[error("shorter than a header")]
    Short,
    /// No segment of a log.
    #[error("wrong magic")]
    Magic,
    /// A segment of another format version.
    #[error("another format version")]
    Version,
    /// Changed since it was written.
    #[error("wrong checksum")]
    Checksum,
    /// Right checksum, impossible size.
    #[error("impossible size")]
    Size,
    /// Named as another segment, or a segment of another log.
    #[error("belongs elsewhere")]
    Foreign,
    /// The index of its first record was changed, or does not follow the segment before.
    #[error("wrong first index")]
    FirstIndex,
}

/// The part of a header that the keeper writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// One number for all segments of a log.
    pub log_id: u64,
    /// Which segment of the log.
    pub segment: u32,
    /// Bytes of a full segment file, this header included.
    pub segment_bytes: usize,
}

impl Header {
    /// The bytes, with an unopened end.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[24..32].copy_from_slice(&u64::from(self.segment).to_le_bytes());
        bytes[32..40].copy_from_slice(&(self.segment_bytes as u64).to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header's checksum, which seeds those of its records.
    #[must_use]
    pub fn seed(&self) -> u32 {
        crc32c::crc32c(&self.encode()[..CRC_AT])
    }

    /// Reads a header and, when the segment is opened, the index of its first record.
    ///
    /// # Errors
    ///
    /// [`HeaderFault`]; of a segment that is being opened at this moment possibly
    /// [`HeaderFault::FirstIndex`], which a second look clears.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Option<u64>), HeaderFault> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderFault::Short)?;
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        if words[0] != MAGIC {
            return Err(HeaderFault::Magic);
        }
        if word(1) != u64::from(VERSION) | (HEADER_BYTES as u64) << 32 {
            return Err(HeaderFault::Version);
        }
        let seed = crc32c::crc32c(&bytes[..CRC_AT]);
        if (word(5) >> 32) as u32 != seed {
            return Err(HeaderFault::Checksum);
        }
        let segment = u32::try_from(word(3)).map_err(|_| HeaderFault::Size)?;
        let segment_bytes = usize::try_from(word(4)).map_err(|_| HeaderFault::Size)?;
        if !segment_bytes_valid(segment_bytes) {
            return Err(HeaderFault::Size);
        }
        let first_index = word(FIRST_INDEX_WORD);
        let first = match word(OPENED_WORD) {
            0 => None,
            opened if opened == opened_word(seed, first_index) => Some(first_index),
            _ => return Err(HeaderFault::FirstIndex),
        };
        Ok((Self { log_id: word(2), segment, segment_bytes }, first))
    }
}

/// Whether a segment may have this size: whole pages, within the bounds.
#[must_use]
pub fn segment_bytes_valid(bytes: usize) -> bool {
    (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(SEGMENT_BYTES_MIN)
}

/// Marks the segment `words` as opened with `first_index`: the writer's part of the header.
pub fn open_segment(words: &[AtomicU64], seed: u32, first_index: u64) {
    words[FIRST_INDEX_WORD].store(first_index, Ordering::Relaxed);
    // Release: pairs with the acquire fence of a scan before its second look at a header.
    words[OPENED_WORD].store(opened_word(seed, first_index), Ordering::Release);
}

fn opened_word(seed: u32, first_index: u64) -> u64 {
    u64::from(crc32c::crc32c_append(seed, &first_index.to_le_bytes())) | u64::from(OPENED) << 32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::words::Words;

    const HEADER: Header = Header { log_id: 77, segment: 3, segment_bytes: 8192 };

    #[test]
    fn a_header_is_read_back() {
        assert_eq!(Header::decode(&HEADER.encode()), Ok((HEADER, None)));
        assert_eq!(Header::decode(&HEADER.encode()[..63]), Err(HeaderFault::Short));
    }

    #[test]
    fn an_opened_header_tells_its_first_index() {
        let words = Words::zeroed(8);
        open_segment(&words, HEADER.seed(), 1000);
        let mut bytes = HEADER.encode();
        for at in [6, 7] {
            bytes[at * 8..][..8].copy_from_slice(&words[at].load(Ordering::Relaxed).to_le_bytes());
        }
        assert_eq!(Header::decode(&bytes), Ok((HEADER, Some(1000))));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn the_version_1_header_does_not_change() {
        let golden = [
            b"RINGBLOG".as_slice(),
            &[1, 0, 0, 0, 64, 0, 0, 0],
            &[77, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[0, 32, 0, 0, 0, 0, 0, 0],
            &[0; 4],
        ]
        .concat();
        assert_eq!(HEADER.encode()[..44], golden);
        assert_eq!(HEADER.encode()[44..48], crc32c::crc32c(&golden).to_le_bytes());
        assert_eq!(HEADER.encode()[48..], [0; 16]);
    }
}
