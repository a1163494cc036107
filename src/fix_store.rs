//! The durable state of a FIX session: one file, appended to, read whole at the start.
//!
//! ```text
//!   "COLOFIX1"   then records:   length u32   crc u32   kind u8   number u64   message
//!                                |            |         |<-------- length ---------->|
//!                                |            +-- CRC-32C over these
//!   kind 1: message `number` was given out; its bytes where it is sent again when asked for
//!   kind 2: messages below `number` were acted upon
//!   kind 4: they were, and the last of them is a report
//!   kind 5: `number` reports were among them before
//!   kind 6: what is known of the past: forgotten (bit 0), settled from (ns, above it; all ones: not settled)
//!   kind 3: the venue agreed at `number` (ns of the Unix epoch) that both sequences begin at 1
//! ```
//!
//! A record is written, in one call, before what it is about can be seen by anybody: `kill -9` loses nothing. With [`Sync::Each`] it is on the disk by then
//! too; with [`Sync::Off`] a power failure may lose the last ones, and then the venue refuses the next logon (its numbers are ahead of ours), which a
//! person has to settle with it.
//!
//! **Damage.** A tail that is torn, as a power failure leaves it, is cut off at the start: there is no whole record behind the first that is not. Where there is one, what is
//! between was damaged otherwise, and with it perhaps a number that was used. Then the file is left as it is, and a person has to look.
//!
//! **Size.** What is needed of the file is some numbers, and the messages that are sent again: of the orders of a session none. So it is written anew, with nothing
//! else, when it has grown: beyond 1 MiB (`AT_REST`) at the start, before a logon, and with a heartbeat of ours, which is to say that we had nothing to send; beyond
//! 64 MiB (`IN_ANY_CASE`) at once, at the price of two calls of `fsync`. Of what is sent again the newest 16 MiB (`AGAIN_MAX`) are kept, and the rest is gap-filled. A new file
//! is on the disk before it takes the name of the old one, so there is always a whole one under it. A reset does the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gateways::fix::store::{Numbers, Past, Store, StoreError};
use model::Nanos;

const MAGIC: &[u8; 8] = b"COLOFIX1";
/// Length and checksum.
const HEAD: usize = 8;
/// Kind and number.
const FIXED: usize = 9;
/// The longest record: far above any message.
const RECORD_MAX: usize = 1 << 20;
const SENT: u8 = 1;
const RECEIVED: u8 = 2;
const BEGAN: u8 = 3;
const REPORT: u8 = 4;
const REPORTS: u8 = 5;
const PAST: u8 = 6;
/// A file that is longer than this, and more than twice what is needed of it, is written anew when nothing else is to be done.
const AT_REST: u64 = 1 << 20;
/// One that is longer than this, whatever is to be done.
const IN_ANY_CASE: u64 = 64 << 20;
/// Of the messages that are sent again so many bytes are kept in a new file.
const AGAIN_MAX: usize = 16 << 20;
const _: () = assert!(2 * AGAIN_MAX as u64 + AT_REST < IN_ANY_CASE && RECORD_MAX < AGAIN_MAX);
/// Bytes of which checksums are tried in search of a whole record behind a damaged one; what takes more is none of our tails.
const SEARCH_MAX: usize = 256 << 20;

/// When a record is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the kernel writes it back.
    Off,
    /// Before the message leaves, or the one received counts.
    Each,
}

/// A message that is kept: its number, and its place and length in the file.
#[derive(Clone, Copy, Debug)]
struct Kept {
    seq: u64,
    place: u64,
    length: usize,
}

/// See the module.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    sync: Sync,
    numbers: Numbers,
    /// In ascending order.
    kept: Vec<Kept>,
    /// Bytes that `kept` takes as records.
    kept_bytes: usize,
    record: Vec<u8>,
    failed: bool,
}

impl FileStore {
    /// Opens the store at `path`, or begins one. Reads the file whole.
    ///
    /// # Errors
    /// The file's; `InvalidData` where it is no store, or is damaged in its middle. Then it is left as it is.
    pub fn open(path: &Path, sync: Sync) -> io::Result<FileStore> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut store = FileStore {
            path: path.to_owned(),
            file,
            end: MAGIC.len() as u64,
            sync,
            // As long as the file does not say it.
            numbers: Numbers { past: Past { settled: None, forgotten: false }, ..Numbers::FIRST },
            kept: Vec::new(),
            kept_bytes: 0,
            record: Vec::with_capacity(4096),
            failed: false,
        };
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            // New, or torn in its first bytes.
            store.numbers.past = Past::NONE;
            store.write_anew()?;
            return Ok(store);
        }
        if !bytes.starts_with(MAGIC) {
            let why = format!("{} is no store of a FIX session", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let end = store.replay(&bytes);
        if let Some(next) = next_record(&bytes, end + 1) {
            let why = format!(
                "the store of a FIX session is damaged at byte {end}, and goes on at byte {next}: numbers may be missing that were used. Nothing was changed. Agree with \
                 the venue on both sequence numbers and on what is open, move the file away, and start again"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        store.end = end as u64;
        if end < bytes.len() {
            store.file.set_len(store.end)?;
        }
        store.tidy()?;
        Ok(store)
    }

    /// Takes in the records of a file, up to the first that is not whole; where that begins.
    fn replay(&mut self, bytes: &[u8]) -> usize {
        let mut at = MAGIC.len();
        while let Some((length, record)) = whole_record(&bytes[at..]) {
            let number = u64::from_le_bytes(*record[1..].first_chunk().expect("a record has a number"));
            let n = &mut self.numbers;
            match record[0] {
                SENT => {
                    n.next_out = number.saturating_add(1);
                    if record.len() > FIXED {
                        self.keep(number, (at + HEAD + FIXED) as u64, record.len() - FIXED);
                    }
                }
                BEGAN => n.began = Nanos(number),
                REPORTS => n.reports = number,
                PAST => n.past = past_of(number),
                kind => {
                    n.next_in = number;
                    n.reports += u64::from(kind == REPORT);
                }
            }
            at += length;
        }
        at
    }

    fn keep(&mut self, seq: u64, place: u64, length: usize) {
        self.kept_bytes += HEAD + FIXED + length;
        self.kept.push(Kept { seq, place, length });
    }

    /// Writes a file that has grown anew.
    fn tidy(&mut self) -> io::Result<()> {
        let is_long = self.end > AT_REST && self.end > 2 * self.kept_bytes as u64;
        if is_long { self.write_anew() } else { Ok(()) }
    }

    /// Puts a file that holds the numbers and what is sent again, and nothing else, in the place of the old one.
    fn write_anew(&mut self) -> io::Result<()> {
        let n = self.numbers;
        let mut bytes = MAGIC.to_vec();
        put_record(&mut bytes, PAST, number_of(n.past), &[]);
        if n.began > Nanos::ZERO {
            put_record(&mut bytes, BEGAN, n.began.0, &[]);
        }
        if n.reports > 0 {
            put_record(&mut bytes, REPORTS, n.reports, &[]);
        }
        let (old, old_bytes) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.kept_bytes));
        let mut spare = old_bytes.saturating_sub(AGAIN_MAX);
        let mut message = Vec::new();
        for k in old {
            let size = HEAD + FIXED + k.length;
            if spare > 0 {
                spare = spare.saturating_sub(size);
                continue;
            }
            message.resize(k.length, 0);
            self.file.read_exact_at(&mut message, k.place)?;
            put_record(&mut bytes, SENT, k.seq, &message);
            self.keep(k.seq, (bytes.len() - k.length) as u64, k.length);
        }
        if n.next_out > 1 && self.kept.last().is_none_or(|k| k.seq + 1 < n.next_out) {
            put_record(&mut bytes, SENT, n.next_out - 1, &[]);
        }
        if n.next_in > 1 {
            put_record(&mut bytes, RECEIVED, n.next_in, &[]);
        }
        let new = self.path.with_extension("new");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        (self.file, self.end) = (file, bytes.len() as u64);
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Writes one record; where its message stands.
    fn append(&mut self, kind: u8, number: u64, message: &[u8]) -> io::Result<u64> {
        if FIXED + message.len() > RECORD_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.record.clear();
        put_record(&mut self.record, kind, number, message);
        self.file.write_all_at(&self.record, self.end)?;
        if self.sync == Sync::Each {
            self.file.sync_data()?;
        }
        let place = self.end + (HEAD + FIXED) as u64;
        self.end += self.record.len() as u64;
        Ok(place)
    }

    /// What failed leaves nothing known of the file.
    fn attempt<T>(&mut self, action: impl FnOnce(&mut FileStore) -> io::Result<T>) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError);
        }
        action(self).map_err(|_| {
            self.failed = true;
            StoreError
        })
    }

    fn put(&mut self, kind: u8, number: u64, message: &[u8]) -> Result<u64, StoreError> {
        self.attempt(|s| s.append(kind, number, message))
    }

    /// Follows what was put, once the numbers are what it says.
    fn bound(&mut self) -> Result<(), StoreError> {
        if self.end > IN_ANY_CASE { self.attempt(FileStore::write_anew) } else { Ok(()) }
    }
}

/// [`Past::settled`] in a record where it is `None`.
const UNSETTLED: u64 = u64::MAX >> 1;

fn number_of(past: Past) -> u64 {
    let settled = past.settled.map_or(UNSETTLED, |from| from.0.min(UNSETTLED - 1));
    settled << 1 | u64::from(past.forgotten)
}

fn past_of(number: u64) -> Past {
    let settled = Some(Nanos(number >> 1)).filter(|from| from.0 != UNSETTLED);
    Past { settled, forgotten: number & 1 == 1 }
}

fn put_record(out: &mut Vec<u8>, kind: u8, number: u64, message: &[u8]) {
    let at = out.len();
    out.extend_from_slice(&((FIXED + message.len()) as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(message);
    let sum = crc32c::crc32c(&out[at + HEAD..]);
    out[at + 4..at + HEAD].copy_from_slice(&sum.to_le_bytes());
}

/// What the record at the front of `bytes` covers by its checksum, and that sum; `None` where there can be none.
fn record_at(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let record = bytes.get(HEAD..HEAD + length.min(RECORD_MAX + 1))?;
    let may_be = (FIXED..=RECORD_MAX).contains(&length) && (SENT..=PAST).contains(&record[0]);
    may_be.then_some((record, sum))
}

/// The record at the front of `bytes`: its length in the file, and what its checksum covers.
fn whole_record(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (record, sum) = record_at(bytes)?;
    (crc32c::crc32c(record) == sum).then_some((HEAD + record.len(), record))
}

/// Where the first whole record begins at `from` or behind it. A file that is made to be searched for long has one where the search ends.
fn next_record(bytes: &[u8], from: usize) -> Option<usize> {
    let mut left = SEARCH_MAX;
    (from..bytes.len()).find(|at| {
        let Some((record, sum)) = record_at(&bytes[*at..]) else { return false };
        if record.len() > left {
            return true;
        }
        left -= record.len();
        crc32c::crc32c(record) == sum
    })
}

impl Store for FileStore {
    fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn sent(&mut self, seq: u64, again: Option<&[u8]>) -> Result<(), StoreError> {
        let message = again.unwrap_or_default();
        let place = self.put(SENT, seq, message)?;
        self.numbers.next_out = seq.checked_add(1).ok_or(StoreError)?;
        if !message.is_empty() {
            self.keep(seq, place, message.len());
        }
        self.bound()
    }

    fn received(&mut self, next: u64, report: bool) -> Result<(), StoreError> {
        self.put(if report { REPORT } else { RECEIVED }, next, &[])?;
        self.numbers.next_in = next;
        self.numbers.reports += u64::from(report);
        self.bound()
    }

    fn note(&mut self, past: Past) -> Result<(), StoreError> {
        self.put(PAST, number_of(past), &[])?;
        self.numbers.past = past;
        self.bound()
    }

    fn reset(&mut self, now: Nanos) -> Result<(), StoreError> {
        self.numbers = self.numbers.after_reset(now);
        self.kept.clear();
        self.kept_bytes = 0;
        self.attempt(FileStore::write_anew)
    }

    fn begin(&mut self, at: Nanos) -> Result<(), StoreError> {
        self.put(BEGAN, at.0, &[])?;
        self.numbers.began = at;
        self.bound()
    }

    fn rest(&mut self) -> Result<(), StoreError> {
        self.attempt(FileStore::tidy)
    }

    fn load(&mut self, seq: u64, room: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let Ok(at) = self.kept.binary_search_by_key(&seq, |k| k.seq) else { return Ok(None) };
        let Kept { place, length, .. } = self.kept[at];
        let room = room.get_mut(..length).ok_or(StoreError)?;
        self.file.read_exact_at(room, place).map_err(|_| StoreError)?;
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &Path) -> FileStore {
        let mut s = FileStore::open(path, Sync::Off).unwrap();
        s.sent(1, None).unwrap();
        s.received(2, false).unwrap();
        s.sent(2, Some(b"two")).unwrap();
        s.sent(3, None).unwrap();
        s.received(7, false).unwrap();
        s.sent(4, Some(b"four")).unwrap();
        s
    }

    fn message(s: &mut FileStore, seq: u64) -> Option<Vec<u8>> {
        let mut room = vec![0; RECORD_MAX];
        s.load(seq, &mut room).unwrap().map(|n| room[..n].to_vec())
    }

    #[test]
    fn what_was_stored_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        for sync in [Sync::Off, Sync::Each] {
            let mut s = FileStore::open(&path, sync).unwrap();
            assert_eq!((s.numbers.next_out, s.numbers.next_in), (5, 7));
            let kept = [1, 2, 3, 4, 5].map(|seq| message(&mut s, seq));
            assert_eq!(kept, [None, Some(b"two".to_vec()), None, Some(b"four".to_vec()), None]);
            s.received(7, false).unwrap();
        }
        let mut s = FileStore::open(&path, Sync::Each).unwrap();
        assert_eq!((s.numbers.began, s.numbers.reports, s.numbers.past), (Nanos::ZERO, 0, Past::NONE));
        s.received(8, true).unwrap();
        s.received(9, true).unwrap();
        s.note(Past { settled: None, forgotten: false }).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Each).unwrap();
        assert_eq!((s.numbers.reports, s.numbers.past), (2, Past { settled: None, forgotten: false }));
        s.reset(Nanos(1)).unwrap();
        s.sent(1, Some(b"one")).unwrap();
        s.begin(Nanos(77)).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!(
            (s.numbers.next_out, s.numbers.next_in, message(&mut s, 1)),
            (2, 1, Some(b"one".to_vec()))
        );
        assert_eq!(s.numbers.began, Nanos(77));
        assert_eq!((s.numbers.reports, s.numbers.past), (0, Past { forgotten: true, ..Past::NONE }));
        // A reset that the venue has not agreed to is none yet.
        s.reset(Nanos(1)).unwrap();
        s.sent(1, None).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!((s.numbers.next_out, s.numbers.began), (2, Nanos(77)));
        s.sent(2, Some(b"one")).unwrap();
        assert!(s.load(2, &mut [0; 2]).is_err(), "no room for it");
    }

    #[test]
    fn what_is_known_of_the_past_reads_as_it_was_written() {
        let settled = [None, Some(Nanos::ZERO), Some(Nanos(1_800_000_000_000_000_000))];
        for past in
            settled.into_iter().flat_map(|settled| [true, false].map(|forgotten| Past { settled, forgotten }))
        {
            assert_eq!(past_of(number_of(past)), past);
        }
    }

    #[test]
    fn a_tail_torn_anywhere_is_cut_off_and_the_rest_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        let whole = std::fs::read(&path).unwrap();
        let mut before = (0, 0);
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut s = FileStore::open(&path, Sync::Off).unwrap();
            let now = (s.numbers.next_out, s.numbers.next_in);
            assert!(now.0 >= before.0 && now.1 >= before.1, "{length}: {now:?} after {before:?}");
            before = now;
            // It goes on from there.
            s.sent(now.0, Some(b"next")).unwrap();
            drop(s);
            let mut s = FileStore::open(&path, Sync::Off).unwrap();
            assert_eq!(
                (s.numbers.next_out, message(&mut s, now.0)),
                (now.0 + 1, Some(b"next".to_vec())),
                "{length}"
            );
        }
        assert_eq!(before, (5, 7));
    }

    /// Where each record of a file begins.
    fn records(bytes: &[u8]) -> Vec<usize> {
        let mut all = vec![MAGIC.len()];
        while let Some((length, _)) = whole_record(&bytes[all[all.len() - 1]..]) {
            all.push(all[all.len() - 1] + length);
        }
        assert_eq!(all.pop(), Some(bytes.len()));
        all
    }

    #[test]
    fn a_record_that_was_altered_is_an_error_and_changes_nothing_but_for_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        let whole = std::fs::read(&path).unwrap();
        let records = records(&whole);
        let last = *records.last().unwrap();
        for at in MAGIC.len()..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 0x40;
            std::fs::write(&path, &altered).unwrap();
            let opened = FileStore::open(&path, Sync::Off);
            if at < last {
                let (error, begin) = (opened.unwrap_err(), records.iter().rfind(|r| **r <= at).unwrap());
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}");
                assert!(error.to_string().contains(&format!("at byte {begin},")), "byte {at}: {error}");
                assert_eq!(std::fs::read(&path).unwrap(), altered, "byte {at}");
            } else {
                let s = opened.unwrap();
                assert_eq!((s.numbers.next_out, s.numbers.next_in, s.end), (4, 7, last as u64), "byte {at}");
            }
        }
        for other in [&b"something else"[..], b"COLO?"] {
            std::fs::write(&path, other).unwrap();
            let error = FileStore::open(&path, Sync::Off).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(std::fs::read(&path).unwrap(), other);
        }
    }

    #[test]
    fn what_a_power_failure_leaves_behind_the_last_record_is_cut_off_and_a_search_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        let whole = std::fs::read(&path).unwrap();
        for tail in [vec![0; 10_000], vec![0xff; 10_000], b"8=FIX.4.4".repeat(1_000)] {
            std::fs::write(&path, [&whole[..], &tail].concat()).unwrap();
            let s = FileStore::open(&path, Sync::Off).unwrap();
            assert_eq!((s.numbers.next_out, s.numbers.next_in, s.end), (5, 7, whole.len() as u64));
            drop(s);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        // At every fourth byte a record of a megabyte may begin, and none does.
        let made = [&whole[..], &[1, 0, 15, 0].repeat(2 << 20)].concat();
        std::fs::write(&path, &made).unwrap();
        assert_eq!(FileStore::open(&path, Sync::Off).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_that_has_grown_is_written_anew_at_rest_and_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        // What a process that was killed in the middle of it has left.
        std::fs::write(path.with_extension("new"), "torn").unwrap();
        for open in [false, true] {
            let mut s = FileStore::open(&path, Sync::Off).unwrap();
            let first = s.numbers.next_out;
            for seq in first..first + 50_000 {
                s.sent(seq, (seq % 10_000 == 0).then_some(b"again")).unwrap();
                s.received(seq + 1, seq % 100 == 0).unwrap();
            }
            s.note(Past { settled: Some(Nanos(3)), forgotten: true }).unwrap();
            s.begin(Nanos(7)).unwrap();
            let numbers = s.numbers;
            assert!(std::fs::metadata(&path).unwrap().len() > AT_REST);
            if open {
                drop(s);
                s = FileStore::open(&path, Sync::Off).unwrap();
            } else {
                s.rest().unwrap();
            }
            assert!(std::fs::metadata(&path).unwrap().len() < 1_000);
            // It goes on from there, in the file that has the name.
            s.rest().unwrap();
            s.sent(numbers.next_out, Some(b"next")).unwrap();
            for reopened in [false, true] {
                if reopened {
                    drop(s);
                    s = FileStore::open(&path, Sync::Off).unwrap();
                }
                assert_eq!(s.numbers, Numbers { next_out: numbers.next_out + 1, ..numbers });
                let kept = [10_000, 10_001, 50_000, numbers.next_out].map(|seq| message(&mut s, seq));
                let text = |t: &str| Some(t.as_bytes().to_vec());
                assert_eq!(kept, [text("again"), None, text("again"), text("next")]);
            }
        }
    }

    #[test]
    fn a_file_has_a_bound_whatever_is_said_and_the_newest_messages_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        let long = |seq: u64| vec![seq as u8; 1_000_000];
        for seq in 1..=100 {
            s.sent(seq, Some(&long(seq))).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() <= IN_ANY_CASE, "{seq}");
        }
        for reopened in [false, true] {
            if reopened {
                drop(s);
                s = FileStore::open(&path, Sync::Off).unwrap();
            }
            assert_eq!((s.numbers.next_out, message(&mut s, 1)), (101, None));
            for seq in 85..=100 {
                assert_eq!(message(&mut s, seq), Some(long(seq)), "{seq}");
            }
        }
    }

    #[test]
    fn a_store_that_cannot_be_written_says_so_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        let mut s = filled(&path);
        s.file = File::open(&path).unwrap();
        assert_eq!((s.sent(5, None), s.received(8, false)), (Err(StoreError), Err(StoreError)));
        assert_eq!((s.numbers.next_out, s.numbers.next_in), (5, 7));
    }
}
