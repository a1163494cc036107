//! Messages that came ahead of a gap, held by sequence in memory that is taken once.
//!
//! ```text
//! slot = sequence mod capacity          first                  end
//! +------+------+------+------+------+------+------+------+------+
//! |      |      |      |      |      |  m   |      |  m   |      |   held = 2
//! +------+------+------+------+------+------+------+------+------+
//! ```
//!
//! Invariants: what is held lies in `[first, end)`, `first` is held, and `end - first <= capacity`, so that no two sequences share a slot.

use model::Nanos;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Length of the message, `None` when the slot is free.
    len: Option<u16>,
    /// When it came.
    at: Nanos,
    /// Another copy of it said something else.
    is_disputed: bool,
}

/// What became of a message that was to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is held.
    New,
    /// It was held already.
    Duplicate,
    /// It was held already, and the copy that came first is another message.
    Disputed,
    /// It is too long, or too far from what is held.
    NoRoom,
}

#[derive(Debug)]
pub(super) struct Store {
    slots: Box<[Slot]>,
    bytes: Box<[u8]>,
    width: usize,
    first: u64,
    end: u64,
    held: usize,
}

impl Store {
    /// Room for `messages`, rounded up to a power of two, of up to `width` bytes.
    pub(super) fn new(messages: usize, width: usize) -> Store {
        let capacity = messages.max(1).next_power_of_two();
        let width = width.min(usize::from(u16::MAX));
        Store {
            slots: vec![Slot { len: None, at: Nanos::ZERO, is_disputed: false }; capacity].into(),
            bytes: vec![0; capacity * width].into(),
            width,
            first: 0,
            end: 0,
            held: 0,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The lowest sequence held, and when it came.
    pub(super) fn first(&self) -> Option<(u64, Nanos)> {
        (self.held != 0).then(|| (self.first, self.slots[self.slot(self.first)].at))
    }

    fn slot(&self, seq: u64) -> usize {
        (seq & (self.slots.len() as u64 - 1)) as usize
    }

    /// Holds a message; `seq` is below `u64::MAX`.
    pub(super) fn hold(&mut self, seq: u64, msg: &[u8], now: Nanos) -> Held {
        let (first, end) =
            if self.held == 0 { (seq, seq + 1) } else { (self.first.min(seq), self.end.max(seq + 1)) };
        if msg.len() > self.width || end - first > self.slots.len() as u64 {
            return Held::NoRoom;
        }
        let slot = self.slot(seq);
        if let Some(len) = self.slots[slot].len {
            let from = slot * self.width;
            let is_same = &self.bytes[from..from + usize::from(len)] == msg;
            self.slots[slot].is_disputed |= !is_same;
            return if is_same { Held::Duplicate } else { Held::Disputed };
        }
        self.slots[slot] = Slot { len: Some(msg.len() as u16), at: now, is_disputed: false };
        let from = slot * self.width;
        self.bytes[from..from + msg.len()].copy_from_slice(msg);
        (self.first, self.end) = (first, end);
        self.held += 1;
        Held::New
    }

    /// Forgets what is below `seq`. Walks over what it forgets, at most once over the store.
    pub(super) fn drop_below(&mut self, seq: u64) {
        while self.held != 0 && self.first < seq {
            self.take(self.first);
        }
    }

    /// Makes room for `seq` by forgetting what is too far below it.
    pub(super) fn make_room(&mut self, seq: u64) {
        self.drop_below((seq + 1).saturating_sub(self.slots.len() as u64));
    }

    /// Takes `seq` out when it is the lowest held; whether another copy of it said something else.
    pub(super) fn take(&mut self, seq: u64) -> Option<(&[u8], bool)> {
        if self.held == 0 || self.first != seq {
            return None;
        }
        let slot = self.slot(seq);
        let len = self.slots[slot].len.take()?;
        self.held -= 1;
        if self.held != 0 {
            self.first += 1;
            while self.slots[self.slot(self.first)].len.is_none() {
                self.first += 1;
            }
        }
        let from = slot * self.width;
        Some((&self.bytes[from..from + usize::from(len)], self.slots[slot].is_disputed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(1);

    #[test]
    fn holds_in_any_order_and_gives_in_order() {
        let mut s = Store::new(8, 4);
        for seq in [9u64, 7, 12] {
            assert_eq!(s.hold(seq, &seq.to_be_bytes()[4..], Nanos(seq)), Held::New);
            assert_eq!(s.hold(seq, &seq.to_be_bytes()[4..], NOW), Held::Duplicate);
        }
        assert_eq!(s.first(), Some((7, Nanos(7))));
        assert_eq!(s.take(9), None, "only the lowest is given");
        for seq in [7u64, 9, 12] {
            assert_eq!(s.first(), Some((seq, Nanos(seq))));
            assert_eq!(s.take(seq), Some((&seq.to_be_bytes()[4..], false)));
        }
        assert_eq!((s.held(), s.first(), s.take(13)), (0, None, None));
    }

    #[test]
    fn has_no_room_beyond_its_window_or_width() {
        let mut s = Store::new(5, 4); // 8 slots
        assert_eq!(s.hold(10, b"five!", NOW), Held::NoRoom);
        assert_eq!(s.hold(10, b"", NOW), Held::New);
        assert_eq!(s.hold(18, b"", NOW), Held::NoRoom);
        assert_eq!(s.hold(2, b"", NOW), Held::NoRoom);
        assert_eq!(s.hold(17, b"", NOW), Held::New);
        assert_eq!(s.hold(9, b"", NOW), Held::NoRoom);
        assert_eq!(s.take(10), Some((&b""[..], false)));
        assert_eq!(s.first(), Some((17, NOW)));
        assert_eq!(s.hold(24, b"", NOW), Held::New);
    }

    #[test]
    fn forgets_what_is_below() {
        let mut s = Store::new(4, 4);
        for seq in [10u64, 11, 13] {
            assert_eq!(s.hold(seq, b"", NOW), Held::New);
        }
        s.drop_below(10);
        assert_eq!(s.held(), 3);
        s.drop_below(12);
        assert_eq!((s.held(), s.first()), (1, Some((13, NOW))));
        s.make_room(16);
        assert_eq!((s.held(), s.hold(16, b"", NOW)), (1, Held::New));
        s.make_room(17);
        assert_eq!((s.first(), s.hold(17, b"", NOW)), (Some((16, NOW)), Held::New));
        s.make_room(1_000);
        assert_eq!((s.held(), s.hold(1_000, b"", NOW)), (0, Held::New));
        s.drop_below(u64::MAX);
        assert_eq!((s.held(), s.first()), (0, None));
    }

    #[test]
    fn works_at_the_last_sequence_there_is() {
        let mut s = Store::new(2, 1);
        assert_eq!(s.hold(u64::MAX - 1, b"x", NOW), Held::New);
        assert_eq!(s.hold(1, b"x", NOW), Held::NoRoom);
        assert_eq!(s.take(u64::MAX - 1), Some((&b"x"[..], false)));
    }
}
