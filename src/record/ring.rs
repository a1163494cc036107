//! Records of any length through a ring of bytes, from the thread that reads the sockets to one that writes a file.
//!
//! ```text
//!   [kind u8 | number u64 | received u64 | length u32 | bytes]   native, one behind another
//! ```
//!
//! The ring is a stream: a record may come out in pieces, and [`Taker`] keeps what is not whole yet. Both ends move bytes in batches.

use std::thread;

use model::Nanos;
use ringbuf::spsc::{self, Consumer, Producer};

use super::{IDLE, RecordError};

/// Bytes before a record's own.
const HEADER: usize = 21;
/// Bytes taken out at a time.
const BATCH: usize = 1 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A message of the stream, or a datagram.
    Record,
    /// A snapshot begins; one that had not ended is void.
    SnapshotBegin,
    /// A message of the snapshot.
    Snapshot,
    /// The snapshot is whole.
    SnapshotEnd,
}

impl Kind {
    fn from_byte(byte: u8) -> Kind {
        match byte {
            1 => Kind::SnapshotBegin,
            2 => Kind::Snapshot,
            3 => Kind::SnapshotEnd,
            _ => Kind::Record,
        }
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// What it is.
    pub kind: Kind,
    /// A message's sequence, a datagram's interface, or with which message the stream goes on behind a snapshot.
    pub number: u64,
    /// When it was received.
    pub received: Nanos,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Both ends of a ring of `capacity` bytes. Allocates them.
pub(super) fn ring(capacity: usize) -> (Giver, Taker) {
    let (producer, consumer) = spsc::channel(capacity);
    let giver = Giver { ring: producer, waiting: Vec::new(), pushed: 0 };
    (giver, Taker { ring: consumer, bytes: Vec::with_capacity(BATCH) })
}

/// The end that the sockets' thread has.
pub(super) struct Giver {
    ring: Producer<u8>,
    waiting: Vec<u8>,
    pushed: usize,
}

impl Giver {
    /// Has a record wait for [`Giver::push`].
    pub(super) fn put(&mut self, entry: Entry<'_>) {
        self.waiting.push(entry.kind as u8);
        self.waiting.extend_from_slice(&entry.number.to_ne_bytes());
        self.waiting.extend_from_slice(&entry.received.0.to_ne_bytes());
        self.waiting.extend_from_slice(&(entry.bytes.len() as u32).to_ne_bytes());
        self.waiting.extend_from_slice(entry.bytes);
    }

    /// Pushes what waits, as far as there is room; whether nothing waits any more.
    pub(super) fn push(&mut self) -> bool {
        let waiting = &self.waiting[self.pushed..];
        let n = waiting.len().min(self.ring.free());
        if n > 0 && self.ring.push_all(&waiting[..n]).is_ok() {
            self.pushed += n;
        }
        let is_empty = self.pushed == self.waiting.len();
        if is_empty {
            self.waiting.clear();
            self.pushed = 0;
        }
        is_empty
    }

    /// Pushes a record whole, or not at all where there is no room: then `false`.
    pub(super) fn offer(&mut self, entry: Entry<'_>) -> bool {
        self.put(entry);
        let fits = self.ring.push_all(&self.waiting).is_ok();
        self.waiting.clear();
        fits
    }

    /// Whether the other end is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// What [`Taker::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Bytes, not necessarily a whole record.
    Some,
    /// Nothing now.
    Nothing,
    /// Nothing, ever again.
    Over,
}

/// Where a writer's thread puts what comes.
pub(super) trait Files {
    /// Takes a record; it may stay in memory.
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), RecordError>;

    /// Writes what is in memory.
    fn flush(&mut self) -> Result<(), RecordError>;

    /// Nothing comes any more, and all is written.
    fn finish(&mut self) -> Result<(), RecordError>;
}

/// The end that a writer's thread has.
pub(super) struct Taker {
    ring: Consumer<u8>,
    bytes: Vec<u8>,
}

impl Taker {
    /// Gives the whole records of a batch to `write`, until it fails.
    ///
    /// # Errors
    /// What `write` gives.
    pub(super) fn take<E>(&mut self, mut write: impl FnMut(Entry<'_>) -> Result<(), E>) -> Result<Found, E> {
        // Asked before the ring is emptied: gone and then empty means that nothing will ever come.
        let gone = self.ring.is_abandoned();
        let bytes = &mut self.bytes;
        bytes.reserve(self.ring.len().min(BATCH));
        if self.ring.drain(BATCH, |byte| bytes.push(*byte)) == 0 {
            return Ok(if gone { Found::Over } else { Found::Nothing });
        }
        let mut from = 0;
        while let Some((entry, len)) = first(&bytes[from..]) {
            write(entry)?;
            from += len;
        }
        bytes.drain(..from);
        Ok(Found::Some)
    }

    /// Puts everything into `files`, and sleeps where nothing comes, until nothing can come any more or writing fails.
    ///
    /// # Errors
    /// What `files` gives.
    pub(super) fn empty_into(&mut self, files: &mut impl Files) -> Result<(), RecordError> {
        loop {
            match self.take(|entry| files.entry(entry))? {
                Found::Some => {}
                Found::Nothing => {
                    files.flush()?;
                    thread::sleep(IDLE);
                }
                Found::Over => {
                    files.flush()?;
                    return files.finish();
                }
            }
        }
    }
}

/// The record that bytes begin with, where it is whole, and its length.
fn first(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (kind, rest) = bytes.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (received, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let bytes = rest.get(..u32::from_ne_bytes(*len) as usize)?;
    let (number, received) = (u64::from_ne_bytes(*number), Nanos(u64::from_ne_bytes(*received)));
    Some((Entry { kind: Kind::from_byte(*kind), number, received, bytes }, HEADER + bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(taker: &mut Taker) -> (Vec<(u64, Vec<u8>)>, Found) {
        let mut all = Vec::new();
        let found = taker.take(|e| {
            all.push((e.number, e.bytes.to_vec()));
            Ok::<_, ()>(())
        });
        (all, found.expect("nothing fails"))
    }

    #[test]
    fn what_has_no_room_waits_and_comes_in_pieces_and_in_order() {
        let (mut giver, mut taker) = ring(64);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for k in 0..40u64 {
            let bytes = vec![k as u8; (k * 5 % 90) as usize];
            giver.put(Entry { kind: Kind::Record, number: k, received: Nanos(k), bytes: &bytes });
            sent.push((k, bytes));
            while !giver.push() {
                got.extend(taken(&mut taker).0);
            }
        }
        drop(giver);
        while let (more, Found::Some) = taken(&mut taker) {
            got.extend(more);
        }
        assert_eq!(got, sent);
        assert_eq!(taken(&mut taker), (Vec::new(), Found::Over));
    }

    #[test]
    fn a_kind_comes_out_as_it_went_in() {
        let (mut giver, mut taker) = ring(256);
        let kinds = [Kind::Record, Kind::SnapshotBegin, Kind::Snapshot, Kind::SnapshotEnd];
        kinds.iter().for_each(|&kind| giver.put(Entry { kind, number: 1, received: Nanos(2), bytes: &[3] }));
        assert!(giver.push());
        let mut out = Vec::new();
        let found = taker.take(|e| {
            out.push(e.kind);
            Ok::<_, ()>(())
        });
        assert_eq!((found, out.as_slice()), (Ok(Found::Some), &kinds[..]));
    }

    #[test]
    fn an_offer_is_whole_or_refused() {
        let (mut giver, mut taker) = ring(64);
        let entry = |number, bytes| Entry { kind: Kind::Record, number, received: Nanos(7), bytes };
        assert!(giver.offer(entry(1, &[1; 30])));
        assert!(!giver.offer(entry(2, &[2; 30])), "13 bytes are left");
        assert_eq!(taken(&mut taker), (vec![(1, vec![1; 30])], Found::Some));
        assert!(giver.offer(entry(3, &[3; 30])), "and nothing of the refused one is in the way");
        assert_eq!(taken(&mut taker), (vec![(3, vec![3; 30])], Found::Some));
        assert_eq!(taken(&mut taker).1, Found::Nothing);
        drop(taker);
        assert!(giver.is_abandoned());
    }
}
