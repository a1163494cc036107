//! The writer of the message stream: BinaryFILE ([`feeds::binaryfile`]) and the index beside it ([`super::index`]).
//!
//! A rotated file has no zero length at its end, only the last file of a session has: `cat day.*.itch` is the whole session.

use std::path::{Path, PathBuf};

use super::index::{EVERY, MAGIC, Mark};
use super::ring::{Entry, Files, Kind, Taker};
use super::series::{Series, beside};
use super::snapshots::SnapshotFiles;
use super::{INDEX, RecordError, Written};

/// Bytes written at a time, where there are so many.
const BLOCK: usize = 256 * 1024;

/// The stream's files.
pub(super) struct MessageFiles {
    stream: Series,
    index: Series,
    snapshots: SnapshotFiles,
    block: Vec<u8>,
    marks: Vec<u8>,
    /// Messages since the last mark.
    unmarked: u32,
    /// The sequence that would follow.
    next: Option<u64>,
    held: u64,
    written: Written,
}

impl MessageFiles {
    pub(super) fn create(name: &Path, rotate: Option<u64>, overwrite: bool) -> Result<Self, RecordError> {
        let snapshots = SnapshotFiles::create(name, overwrite)?;
        let stream = Series::create(name, rotate, overwrite)?;
        let index = index_of(&stream)?;
        let written = Written { files: vec![stream.path().to_path_buf()], ..Written::default() };
        let (block, marks) = (Vec::with_capacity(BLOCK + (1 << 16)), Vec::new());
        Ok(MessageFiles { stream, index, snapshots, block, marks, unmarked: 0, next: None, held: 0, written })
    }

    /// Writes what comes until nothing can come any more, or writing fails; an entry without bytes is the end of the session.
    pub(super) fn run(mut self, mut taker: Taker) -> (Written, Vec<PathBuf>, Option<RecordError>) {
        let done = taker.empty_into(&mut self);
        (self.written, self.snapshots.into_whole(), done.err())
    }
}

impl Files for MessageFiles {
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), RecordError> {
        let Entry { kind, number: sequence, received, bytes } = entry;
        match kind {
            Kind::Record => {}
            Kind::SnapshotBegin => return self.snapshots.begin(),
            Kind::Snapshot => return self.snapshots.message(bytes),
            Kind::SnapshotEnd => return self.snapshots.end(sequence),
        }
        if self.stream.is_full(self.block.len(), 2 + bytes.len()) && !bytes.is_empty() {
            self.flush()?;
            self.index.finish()?;
            self.stream.rotate()?;
            self.index = index_of(&self.stream)?;
            self.written.files.push(self.stream.path().to_path_buf());
            self.next = None;
        }
        self.block.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        self.block.extend_from_slice(bytes);
        if !bytes.is_empty() {
            if self.next != Some(sequence) || self.unmarked == EVERY {
                let offset = self.stream.len() + (self.block.len() - 2 - bytes.len()) as u64;
                self.marks.extend(Mark::of(sequence, received, bytes, offset).encode());
                self.unmarked = 0;
            }
            self.unmarked += 1;
            self.held += 1;
            self.next = Some(sequence + 1);
        }
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.stream.write(&self.block)?;
        self.written.records += self.held;
        self.written.bytes += self.block.len() as u64;
        self.held = 0;
        self.block.clear();
        self.index.write(&self.marks)?;
        self.marks.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        self.index.finish()?;
        self.stream.finish()
    }
}

/// The index of the file that is written now. One that lies there already is of a file that is no more.
fn index_of(stream: &Series) -> Result<Series, RecordError> {
    let mut index = Series::create(&beside(stream.path(), INDEX), None, true)?;
    index.write(MAGIC)?;
    Ok(index)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use feeds::binaryfile::Messages;
    use model::Nanos;

    use super::super::index::{Index, Seek};
    use super::super::ring::ring;
    use super::*;

    fn message(sequence: u64) -> Vec<u8> {
        let mut m = vec![b'A'; 11 + (sequence % 30) as usize];
        m[5..11].copy_from_slice(&(sequence * 10).to_be_bytes()[2..]);
        m
    }

    /// Records these sequences, and their end.
    fn record(name: &Path, rotate: Option<u64>, sequences: impl Iterator<Item = u64>) -> Written {
        let files = MessageFiles::create(name, rotate, false).expect("files");
        let (mut giver, taker) = ring(1 << 20);
        for s in sequences {
            giver.put(Entry {
                kind: Kind::Record,
                number: s,
                received: Nanos(1_000 + s),
                bytes: &message(s),
            });
        }
        giver.put(Entry { kind: Kind::Record, number: 0, received: Nanos(0), bytes: &[] });
        assert!(giver.push(), "room for all");
        drop(giver);
        let (written, _, failed) = files.run(taker);
        assert!(failed.is_none(), "{failed:?}");
        written
    }

    #[test]
    fn files_join_to_the_stream_and_each_index_finds_its_messages() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("day.itch");
        // A stretch was lost.
        let sequences = || (1..5_000).filter(|s| !(3_000..3_010).contains(s));
        let written = record(&name, Some(50_000), sequences());
        assert_eq!(written.records, 4_989);
        assert!(written.files.len() > 2, "{written:?}");
        let mut expected = Vec::new();
        for s in sequences() {
            expected.extend((message(s).len() as u16).to_be_bytes());
            expected.extend(message(s));
        }
        expected.extend([0, 0]);
        let files: Vec<_> = written.files.iter().map(|f| fs::read(f).expect("a file")).collect();
        assert_eq!(files.concat(), expected);
        assert_eq!(written.bytes, expected.len() as u64);

        let mut left = sequences().peekable();
        for (path, bytes) in written.files.iter().zip(&files) {
            assert!(bytes.len() <= 50_002, "the end may lie behind the mark of the size");
            let index = Index::of(path).expect("an index");
            let first = *left.peek().expect("a message in each file");
            assert_eq!(index.find(Seek::Sequence(first)).map(|m| m.offset), Some(0));
            assert_eq!(index.find(Seek::Sequence(first - 1)), None, "it is in the file before");
            for found in Messages::new(bytes) {
                let (found, s) = (found.expect("whole"), left.next().expect("as many as were written"));
                assert_eq!(found, message(s));
                let mark = index.find(Seek::Sequence(s)).expect("a mark");
                assert!(s - mark.sequence < u64::from(EVERY));
                let from = Messages::new(&bytes[mark.offset as usize..]).nth((s - mark.sequence) as usize);
                assert_eq!(from.expect("whole").expect("whole"), message(s), "{s} from {mark:?}");
                let by_time = index.find(Seek::Stamp(Nanos(s * 10 + 1))).expect("a mark");
                assert!(by_time.sequence <= s, "{by_time:?}");
            }
        }
        assert_eq!(left.next(), None);
    }

    #[test]
    fn a_full_disk_stops_with_a_sentence_and_counts_what_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("day.itch");
        std::os::unix::fs::symlink("/dev/full", &name).expect("a link");
        let files = MessageFiles::create(&name, None, false).expect("files");
        let (mut giver, taker) = ring(1 << 20);
        giver.put(Entry { kind: Kind::Record, number: 1, received: Nanos(1), bytes: &message(1) });
        assert!(giver.push());
        let (written, _, failed) = files.run(taker);
        let failed = failed.expect("no room").to_string();
        assert!(failed.contains("day.itch: cannot be written: No space left"), "{failed}");
        assert_eq!((written.records, written.bytes), (0, 0));
        assert!(giver.is_abandoned(), "the sockets' thread sees it");
    }
}
