//! Messages ahead of a gap, kept until it is filled. Bounded: what finds no room comes again with the resend.

use std::collections::VecDeque;

/// At most so many messages are kept, whatever their size.
const COUNT_MAX: usize = 4096;

/// In ascending order of their numbers.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Number and length; length 0 is a message that was acted upon when it came, and only has to be counted.
    entries: VecDeque<(u64, usize)>,
}

impl Held {
    pub(super) fn new(capacity: usize) -> Held {
        Held { bytes: Vec::with_capacity(capacity), entries: VecDeque::with_capacity(COUNT_MAX) }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Keeps a message, or with no bytes the fact that it came. One that is not above the last kept is dropped.
    pub(super) fn push(&mut self, seq: u64, message: &[u8]) {
        let fits =
            message.len() <= self.bytes.capacity() - self.bytes.len() && self.entries.len() < COUNT_MAX;
        if fits && self.entries.back().is_none_or(|(last, _)| *last < seq) {
            self.bytes.extend_from_slice(message);
            self.entries.push_back((seq, message.len()));
        }
    }

    /// Takes message `seq` into `room` if it is here, and forgets those before it. `Some(0)`: it only has to be counted.
    pub(super) fn take(&mut self, seq: u64, room: &mut [u8]) -> Option<usize> {
        while let Some((held, length)) = self.entries.front().copied() {
            if held > seq {
                return None;
            }
            self.entries.pop_front();
            room[..length].copy_from_slice(&self.bytes[..length]);
            self.bytes.drain(..length);
            if held == seq {
                return Some(length);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_by_number_and_what_does_not_fit_is_left() {
        let mut held = Held::new(8);
        let mut room = [0; 8];
        held.push(5, b"five");
        held.push(4, b"x");
        held.push(7, b"");
        held.push(8, b"eight");
        held.push(9, b"nine");
        assert_eq!(held.take(4, &mut room), None);
        assert_eq!(held.take(5, &mut room), Some(4));
        assert_eq!(&room[..4], b"five");
        assert_eq!(held.take(6, &mut room), None);
        assert_eq!(held.take(8, &mut room), None, "it did not fit, and 7 is forgotten on the way");
        assert_eq!(held.take(9, &mut room), Some(4));
    }
}
