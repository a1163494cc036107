//! A bounded ring from one thread to one other, over `rtrb`.
//!
//! ```text
//!   Producer --push--> | slot | slot | slot | slot | --pop/drain--> Consumer
//!                        ^ read index    ^ write index   (each on its own cache line)
//! ```
//!
//! # A full ring
//!
//! A push into a full ring is **refused**: the value comes back in [`Full`], the refusal is counted
//! ([`Producer::full_count`]), nothing is overwritten and nobody waits. What a refusal means (latch, conflate, shed)
//! is the caller's to decide, because it depends on what was lost.
//!
//! # Costs
//!
//! No allocation, lock or syscall after [`channel`]. A batch ([`Producer::push_all`], [`Consumer::drain`])
//! publishes its index once, so that the other side's cache line is touched once for the whole batch.
//!
//! # Why `rtrb`
//!
//! Measured beside the alternatives it has the shortest round trip of the published rings and the best
//! batches; what is added here is the rounding, the count of refusals and the house's words.

/// The ring was full; gives the value back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ring is full")]
pub struct Full<T>(pub T);

/// The sending end. Owned by one thread.
#[derive(Debug)]
pub struct Producer<T> {
    ring: rtrb::Producer<T>,
    full: u64,
}

/// The receiving end. Owned by one thread.
#[derive(Debug)]
pub struct Consumer<T> {
    ring: rtrb::Consumer<T>,
}

/// A ring of at least `capacity` slots (rounded up to a power of two, at least 1). Allocates, once.
///
/// # Panics
///
/// When the slots do not fit the address space.
#[must_use]
pub fn channel<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let slots = capacity.checked_next_power_of_two().expect("ring capacity overflows");
    let (producer, consumer) = rtrb::RingBuffer::new(slots);
    (Producer { ring: producer, full: 0 }, Consumer { ring: consumer })
}

impl<T: Copy + Send> Producer<T> {
    /// Sends one value.
    ///
    /// # Errors
    ///
    /// [`Full`] with the value; counted.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), Full<T>> {
        match self.ring.push(value) {
            Ok(()) => Ok(()),
            Err(rtrb::PushError::Full(value)) => {
                self.full += 1;
                Err(Full(value))
            }
        }
    }

    /// Sends all of `values` in order with one publication, or none of them.
    ///
    /// # Errors
    ///
    /// [`Full`] when there are not slots for all; counted once.
    #[inline]
    pub fn push_all(&mut self, values: &[T]) -> Result<(), Full<()>> {
        match self.ring.push_entire_slice(values) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.full += 1;
                Err(Full(()))
            }
        }
    }

    /// Slots free at this moment. More may become free at once; fewer cannot.
    #[inline]
    #[must_use]
    pub fn free(&self) -> usize {
        self.ring.slots()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// How often a push was refused since the start.
    #[inline]
    #[must_use]
    pub fn full_count(&self) -> u64 {
        self.full
    }

    /// Whether the consumer is gone: what is pushed now is never read.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl<T: Copy + Send> Consumer<T> {
    /// Takes the oldest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.ring.pop().ok()
    }

    /// Shows up to `max` values to `f`, oldest first, then frees their slots with one publication. Returns how
    /// many. If `f` panics none of the batch is freed, and it will be shown again.
    #[inline]
    pub fn drain(&mut self, max: usize, mut f: impl FnMut(&T)) -> usize {
        self.drain_seeing(max, |value, _| f(value))
    }

    /// As [`Consumer::drain`], and shows with each value those of the batch that lie behind it in one piece: where the ring wraps, the sight ends.
    #[inline]
    pub fn drain_seeing(&mut self, max: usize, mut f: impl FnMut(&T, &[T])) -> usize {
        let count = self.ring.slots().min(max);
        if count == 0 {
            return 0;
        }
        let Ok(chunk) = self.ring.read_chunk(count) else { return 0 };
        let (first, second) = chunk.as_slices();
        for piece in [first, second] {
            let mut behind = piece;
            while let Some((value, rest)) = behind.split_first() {
                f(value, rest);
                behind = rest;
            }
        }
        chunk.commit_all();
        count
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// Values waiting at this moment. More may arrive at once; fewer cannot.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.slots()
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether the producer is gone. Read it *before* [`is_empty`](Self::is_empty): gone and then empty means
    /// that nothing will ever come.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_rounded_up() {
        for (asked, got) in [(0, 1), (1, 1), (3, 4), (4, 4), (1000, 1024)] {
            let (producer, consumer) = channel::<u8>(asked);
            assert_eq!((producer.capacity(), consumer.capacity()), (got, got), "asked {asked}");
        }
    }

    #[test]
    fn a_full_ring_refuses_gives_back_and_counts() {
        let (mut tx, mut rx) = channel(4);
        tx.push_all(&[1, 2, 3]).expect("room");
        assert_eq!(tx.free(), 1);
        assert_eq!(tx.push_all(&[4, 5]), Err(Full(())), "all or nothing");
        assert_eq!(rx.len(), 3);
        tx.push(4).expect("room for one");
        assert_eq!(tx.push(5), Err(Full(5)));
        assert_eq!(tx.full_count(), 2);
        assert_eq!(std::iter::from_fn(|| rx.pop()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(rx.is_empty());
    }

    #[test]
    fn what_is_drained_shows_what_lies_behind_it() {
        let (mut tx, mut rx) = channel(4);
        tx.push_all(&[1, 2, 3]).expect("room");
        assert_eq!(rx.drain(2, |_| {}), 2);
        tx.push_all(&[4, 5, 6]).expect("room");
        let mut seen = Vec::new();
        rx.drain_seeing(3, |value, behind| seen.push((*value, behind.to_vec())));
        // The third lies in the ring's last slot.
        assert_eq!(seen, [(3, vec![4]), (4, vec![]), (5, vec![])]);
        assert_eq!(rx.pop(), Some(6));
    }

    #[test]
    fn drain_stops_at_max_and_keeps_order_across_the_wrap() {
        let (mut tx, mut rx) = channel(8);
        let mut seen = Vec::new();
        for value in 0..100u32 {
            tx.push(value).expect("drained below");
            if value % 5 == 4 {
                assert_eq!(rx.drain(3, |v| seen.push(*v)), 3);
                assert_eq!(rx.drain(3, |v| seen.push(*v)), 2);
                assert_eq!(rx.drain(3, |v| seen.push(*v)), 0);
            }
        }
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn each_end_notices_that_the_other_is_gone() {
        let (mut tx, mut rx) = channel(2);
        tx.push(9).expect("room");
        assert!(!rx.is_abandoned());
        drop(tx);
        assert!(rx.is_abandoned() && !rx.is_empty());
        assert_eq!(rx.pop(), Some(9));
        let (tx, rx) = channel::<u8>(2);
        drop(rx);
        assert!(tx.is_abandoned());
    }

    #[test]
    fn two_threads_lose_and_reorder_nothing() {
        const COUNT: u64 = 200_000;
        let (mut tx, mut rx) = channel(64);
        let sender = std::thread::spawn(move || {
            let mut next = 0;
            while next < COUNT {
                let end = (next + next % 7 + 1).min(COUNT);
                let batch: Vec<u64> = (next..end).collect();
                while tx.push_all(&batch).is_err() {
                    std::thread::yield_now();
                }
                next = end;
            }
        });
        let mut expected = 0;
        loop {
            let gone = rx.is_abandoned();
            let count = rx.drain(16, |value| {
                assert_eq!(*value, expected);
                expected += 1;
            });
            if count == 0 {
                if gone {
                    break;
                }
                std::thread::yield_now();
            }
        }
        assert_eq!(expected, COUNT);
        sender.join().expect("sender");
    }
}
