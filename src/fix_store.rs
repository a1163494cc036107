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
//! person has to settle with it. A tail that is torn, as a power failure leaves it, is cut off at the start. A reset puts a new file in the place of the old.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gateways::fix::store::{Past, Store, StoreError};
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
/// A file in which nothing is kept is written anew at the start when it is longer than this.
const COMPACT_ABOVE: u64 = 1 << 20;

/// When a record is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the kernel writes it back.
    Off,
    /// Before the message leaves, or the one received counts.
    Each,
}

/// See the module.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    sync: Sync,
    next_out: u64,
    next_in: u64,
    began: Nanos,
    reports: u64,
    past: Past,
    /// Number, place and length of what is kept, in ascending order.
    kept: Vec<(u64, u64, usize)>,
    record: Vec<u8>,
    failed: bool,
}

impl FileStore {
    /// Opens the store at `path`, or begins one. Reads the file whole.
    ///
    /// # Errors
    /// The file's; `InvalidData` where it is no store.
    pub fn open(path: &Path, sync: Sync) -> io::Result<FileStore> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut store = FileStore {
            path: path.to_owned(),
            file,
            end: MAGIC.len() as u64,
            sync,
            next_out: 1,
            next_in: 1,
            began: Nanos::ZERO,
            reports: 0,
            // As long as the file does not say it.
            past: Past { settled: None, forgotten: false },
            kept: Vec::new(),
            record: Vec::with_capacity(4096),
            failed: false,
        };
        if bytes.len() < MAGIC.len() {
            // New, or torn in its first bytes.
            store.past = Past::NONE;
            store.write_anew()?;
            return Ok(store);
        }
        if !bytes.starts_with(MAGIC) {
            let why = format!("{} is no store of a FIX session", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        store.replay(&bytes);
        store.file.set_len(store.end)?;
        if store.kept.is_empty() && store.end > COMPACT_ABOVE {
            store.write_anew()?;
        }
        Ok(store)
    }

    /// Takes in the records of a file, up to the first that is not whole.
    fn replay(&mut self, bytes: &[u8]) {
        let mut at = MAGIC.len();
        while let Some((length, record)) = whole_record(&bytes[at..]) {
            let number = u64::from_le_bytes(*record[1..].first_chunk().expect("a record has a number"));
            match record[0] {
                SENT => {
                    self.next_out = number.saturating_add(1);
                    if record.len() > FIXED {
                        let place = (at + HEAD + FIXED) as u64;
                        self.kept.push((number, place, record.len() - FIXED));
                    }
                }
                BEGAN => self.began = Nanos(number),
                REPORTS => self.reports = number,
                PAST => self.past = past_of(number),
                kind => {
                    self.next_in = number;
                    self.reports += u64::from(kind == REPORT);
                }
            }
            at += length;
        }
        self.end = at as u64;
    }

    /// Puts a file that holds the numbers and nothing else in the place of the old one.
    fn write_anew(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        self.file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new)?;
        self.file.write_all_at(MAGIC, 0)?;
        self.end = MAGIC.len() as u64;
        self.kept.clear();
        let (next_out, next_in) = (self.next_out, self.next_in);
        self.append(PAST, number_of(self.past), &[])?;
        if self.began > Nanos::ZERO {
            self.append(BEGAN, self.began.0, &[])?;
        }
        if self.reports > 0 {
            self.append(REPORTS, self.reports, &[])?;
        }
        if next_out > 1 {
            self.append(SENT, next_out - 1, &[])?;
        }
        if next_in > 1 {
            self.append(RECEIVED, next_in, &[])?;
        }
        self.file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Writes one record; where its message stands.
    fn append(&mut self, kind: u8, number: u64, message: &[u8]) -> io::Result<u64> {
        let length = FIXED + message.len();
        if length > RECORD_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&(length as u32).to_le_bytes());
        record.extend_from_slice(&[0; 4]);
        record.push(kind);
        record.extend_from_slice(&number.to_le_bytes());
        record.extend_from_slice(message);
        let sum = crc32c::crc32c(&record[HEAD..]);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(record, self.end)?;
        if self.sync == Sync::Each {
            self.file.sync_data()?;
        }
        let place = self.end + (HEAD + FIXED) as u64;
        self.end += record.len() as u64;
        Ok(place)
    }

    /// After a write that failed nothing is known of the file's end.
    fn put(&mut self, kind: u8, number: u64, message: &[u8]) -> Result<u64, StoreError> {
        if self.failed {
            return Err(StoreError);
        }
        self.append(kind, number, message).map_err(|_| {
            self.failed = true;
            StoreError
        })
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

/// The record at the front of `bytes`: its length in the file, and what its checksum covers.
fn whole_record(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let record = bytes.get(HEAD..HEAD + length.min(RECORD_MAX + 1))?;
    let sound = (FIXED..=RECORD_MAX).contains(&length)
        && (SENT..=PAST).contains(&record[0])
        && crc32c::crc32c(record) == sum;
    sound.then_some((HEAD + length, record))
}

impl Store for FileStore {
    fn next_out(&self) -> u64 {
        self.next_out
    }

    fn next_in(&self) -> u64 {
        self.next_in
    }

    fn sent(&mut self, seq: u64, again: Option<&[u8]>) -> Result<(), StoreError> {
        let message = again.unwrap_or_default();
        let place = self.put(SENT, seq, message)?;
        self.next_out = seq.checked_add(1).ok_or(StoreError)?;
        if !message.is_empty() {
            self.kept.push((seq, place, message.len()));
        }
        Ok(())
    }

    fn received(&mut self, next: u64, report: bool) -> Result<(), StoreError> {
        self.put(if report { REPORT } else { RECEIVED }, next, &[])?;
        self.next_in = next;
        self.reports += u64::from(report);
        Ok(())
    }

    fn reports(&self) -> u64 {
        self.reports
    }

    fn past(&self) -> Past {
        self.past
    }

    fn note(&mut self, past: Past) -> Result<(), StoreError> {
        self.put(PAST, number_of(past), &[])?;
        self.past = past;
        Ok(())
    }

    fn reset(&mut self, now: Nanos) -> Result<(), StoreError> {
        (self.next_out, self.next_in, self.reports) = (1, 1, 0);
        self.past = self.past.after_reset(now);
        self.write_anew().map_err(|_| {
            self.failed = true;
            StoreError
        })
    }

    fn began(&self) -> Nanos {
        self.began
    }

    fn begin(&mut self, at: Nanos) -> Result<(), StoreError> {
        self.put(BEGAN, at.0, &[])?;
        self.began = at;
        Ok(())
    }

    fn load(&mut self, seq: u64, room: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let Ok(at) = self.kept.binary_search_by_key(&seq, |(seq, ..)| *seq) else { return Ok(None) };
        let (_, place, length) = self.kept[at];
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
        let mut room = [0; 16];
        s.load(seq, &mut room).unwrap().map(|n| room[..n].to_vec())
    }

    #[test]
    fn what_was_stored_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        for sync in [Sync::Off, Sync::Each] {
            let mut s = FileStore::open(&path, sync).unwrap();
            assert_eq!((s.next_out(), s.next_in()), (5, 7));
            let kept = [1, 2, 3, 4, 5].map(|seq| message(&mut s, seq));
            assert_eq!(kept, [None, Some(b"two".to_vec()), None, Some(b"four".to_vec()), None]);
            s.received(7, false).unwrap();
        }
        let mut s = FileStore::open(&path, Sync::Each).unwrap();
        assert_eq!((s.began(), s.reports(), s.past()), (Nanos::ZERO, 0, Past::NONE));
        s.received(8, true).unwrap();
        s.received(9, true).unwrap();
        s.note(Past { settled: None, forgotten: false }).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Each).unwrap();
        assert_eq!((s.reports(), s.past()), (2, Past { settled: None, forgotten: false }));
        s.reset(Nanos(1)).unwrap();
        s.sent(1, Some(b"one")).unwrap();
        s.begin(Nanos(77)).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!((s.next_out(), s.next_in(), message(&mut s, 1)), (2, 1, Some(b"one".to_vec())));
        assert_eq!(s.began(), Nanos(77));
        assert_eq!((s.reports(), s.past()), (0, Past { forgotten: true, ..Past::NONE }));
        // A reset that the venue has not agreed to is none yet.
        s.reset(Nanos(1)).unwrap();
        s.sent(1, None).unwrap();
        drop(s);
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!((s.next_out(), s.began()), (2, Nanos(77)));
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
            let now = (s.next_out(), s.next_in());
            assert!(now.0 >= before.0 && now.1 >= before.1, "{length}: {now:?} after {before:?}");
            before = now;
            // It goes on from there.
            s.sent(now.0, Some(b"next")).unwrap();
            drop(s);
            let mut s = FileStore::open(&path, Sync::Off).unwrap();
            assert_eq!(
                (s.next_out(), message(&mut s, now.0)),
                (now.0 + 1, Some(b"next".to_vec())),
                "{length}"
            );
        }
        assert_eq!(before, (5, 7));
    }

    #[test]
    fn a_record_that_was_altered_ends_the_file_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        drop(filled(&path));
        let whole = std::fs::read(&path).unwrap();
        for at in MAGIC.len()..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 0x40;
            std::fs::write(&path, altered).unwrap();
            let s = FileStore::open(&path, Sync::Off).unwrap();
            assert!(s.next_out() < 5 && s.end <= at as u64, "byte {at}");
        }
        std::fs::write(&path, b"something else").unwrap();
        assert_eq!(FileStore::open(&path, Sync::Off).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_long_file_with_nothing_to_keep_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        let mut s = FileStore::open(&path, Sync::Off).unwrap();
        for seq in 1..50_000 {
            s.sent(seq, None).unwrap();
            s.received(seq + 1, false).unwrap();
        }
        drop(s);
        let s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!((s.next_out(), s.next_in()), (50_000, 50_000));
        assert!(std::fs::metadata(&path).unwrap().len() < 100);
        drop(s);
        let s = FileStore::open(&path, Sync::Off).unwrap();
        assert_eq!((s.next_out(), s.next_in()), (50_000, 50_000));
    }

    #[test]
    fn a_store_that_cannot_be_written_says_so_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.store");
        let mut s = filled(&path);
        s.file = File::open(&path).unwrap();
        assert_eq!((s.sent(5, None), s.received(8, false)), (Err(StoreError), Err(StoreError)));
        assert_eq!((s.next_out(), s.next_in()), (5, 7));
    }
}
