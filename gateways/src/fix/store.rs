//! What a session must not forget: the next sequence number in both directions, and what it may have to send again.
//!
//! A message is stored **before** its bytes go to the socket, and one received is counted **after** it was acted upon. So whatever moment the process dies at, a
//! number that the counterparty may have seen is never used for another message, and a message that was not acted upon is asked for again.
//!
//! Beside that it keeps when the numbers last began at 1 with the counterparty's consent, for sessions that begin anew at a time of day; how many reports came under the
//! present numbers, so that a replay with fewer is found out; and what a process that has nothing replayed would have to know ([`Past`]).

use model::Nanos;
use thiserror::Error;

/// The store cannot be written or read: the session must end, since it could use a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session's store failed")]
pub struct StoreError;

/// What became of orders before the present moment, as far as a process must know that starts and is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// From when on nothing that was said under the present numbers matters any more, for all of it ended in order. `None`: an order or a report is among
    /// them, and no such end.
    pub settled: Option<Nanos>,
    /// Numbers under which something was said that did matter were thrown away, and nobody has settled that.
    pub forgotten: bool,
}

impl Past {
    /// Of a session in which nothing was said.
    pub const NONE: Past = Past { settled: Some(Nanos::ZERO), forgotten: false };

    /// The numbers begin anew at `now`.
    #[must_use]
    pub fn after_reset(self, now: Nanos) -> Past {
        let matters = self.settled.is_none_or(|from| now < from);
        Past { forgotten: self.forgotten || matters, ..Past::NONE }
    }
}

/// What is kept beside messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The number of the next message sent, from 1.
    pub next_out: u64,
    /// The number of the next message expected, from 1.
    pub next_in: u64,
    /// How many of the messages acted upon were reports, since the numbers began.
    pub reports: u64,
    /// When the counterparty last agreed that the numbers begin at 1; zero where it never did. A reset leaves it.
    pub began: Nanos,
    /// What is known of what was.
    pub past: Past,
}

impl Numbers {
    /// Of a session in which nothing was said.
    pub const FIRST: Numbers =
        Numbers { next_out: 1, next_in: 1, reports: 0, began: Nanos::ZERO, past: Past::NONE };

    /// They begin anew at `now`.
    #[must_use]
    pub fn after_reset(self, now: Nanos) -> Numbers {
        Numbers { began: self.began, past: self.past.after_reset(now), ..Numbers::FIRST }
    }
}

/// Durable state of one session.
pub trait Store {
    /// The numbers, as they are now.
    fn numbers(&self) -> &Numbers;

    /// The next message sent has this number at least.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be sent any more.
    fn sent(&mut self, seq: u64, again: Option<&[u8]>) -> Result<(), StoreError>;

    /// The messages before `next` were acted upon; `report`: the last of them told of an order.
    ///
    /// # Errors
    /// [`StoreError`]: the session must end.
    fn received(&mut self, next: u64, report: bool) -> Result<(), StoreError>;

    /// It is another now.
    ///
    /// # Errors
    /// [`StoreError`]: the session must end.
    fn note(&mut self, past: Past) -> Result<(), StoreError>;

    /// Both directions begin at 1 again and nothing is kept but what [`Past::after_reset`] leaves.
    ///
    /// # Errors
    /// [`StoreError`]: the session must end.
    fn reset(&mut self, now: Nanos) -> Result<(), StoreError>;

    /// It agreed at `at`.
    ///
    /// # Errors
    /// [`StoreError`]: the session must end.
    fn begin(&mut self, at: Nanos) -> Result<(), StoreError>;

    /// A moment in which nothing is said: what can wait for one is done.
    ///
    /// # Errors
    /// [`StoreError`]: the session must end.
    fn rest(&mut self) -> Result<(), StoreError>;

    /// Copies message `seq` into `room` and returns its length; `None` where it is not kept, being none that is sent again.
    ///
    /// # Errors
    /// [`StoreError`]: it was kept and cannot be read, or is longer than `room`.
    fn load(&mut self, seq: u64, room: &mut [u8]) -> Result<Option<usize>, StoreError>;
}

/// A store that ends with the process: for a venue that is simulated, and for tests.
#[derive(Debug)]
pub struct MemoryStore {
    numbers: Numbers,
    /// Number, and the message.
    kept: std::collections::VecDeque<(u64, Box<[u8]>)>,
    bytes: usize,
    capacity: usize,
}

impl MemoryStore {
    /// Keeps at most `capacity` bytes of messages; the oldest are forgotten first and then gap-filled.
    #[must_use]
    pub fn new(capacity: usize) -> MemoryStore {
        let kept = std::collections::VecDeque::new();
        MemoryStore { numbers: Numbers::FIRST, kept, bytes: 0, capacity }
    }
}

impl Store for MemoryStore {
    fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn sent(&mut self, seq: u64, again: Option<&[u8]>) -> Result<(), StoreError> {
        self.numbers.next_out = seq.checked_add(1).ok_or(StoreError)?;
        if let Some(message) = again.filter(|message| message.len() <= self.capacity) {
            self.bytes += message.len();
            self.kept.push_back((seq, message.into()));
            while self.bytes > self.capacity {
                let Some((_, oldest)) = self.kept.pop_front() else { break };
                self.bytes -= oldest.len();
            }
        }
        Ok(())
    }

    fn received(&mut self, next: u64, report: bool) -> Result<(), StoreError> {
        self.numbers.next_in = next;
        self.numbers.reports += u64::from(report);
        Ok(())
    }

    fn note(&mut self, past: Past) -> Result<(), StoreError> {
        self.numbers.past = past;
        Ok(())
    }

    fn reset(&mut self, now: Nanos) -> Result<(), StoreError> {
        let numbers = self.numbers.after_reset(now);
        *self = MemoryStore { numbers, ..MemoryStore::new(self.capacity) };
        Ok(())
    }

    fn begin(&mut self, at: Nanos) -> Result<(), StoreError> {
        self.numbers.began = at;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn load(&mut self, seq: u64, room: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let Ok(at) = self.kept.binary_search_by_key(&seq, |(seq, _)| *seq) else { return Ok(None) };
        let message = &self.kept[at].1;
        room.get_mut(..message.len()).ok_or(StoreError)?.copy_from_slice(message);
        Ok(Some(message.len()))
    }
}
