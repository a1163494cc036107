//! GLIMPSE 5.0: a snapshot of all books, as the sequenced messages of one SoupBinTCP session.
//!
//! ```text
//!  S  R H Y .. per instrument  A/F per order   G
//!  |________ as ITCH 5.0 says them ________|   type(1) sequence(20): ASCII digits, padded with spaces
//! ```
//!
//! The session itself belongs to whoever has the socket; this takes what is in its sequenced packets, in their order. What comes before `G`
//! is handed out as it is; `G` says with which MoldUDP64 message the live stream goes on. A snapshot without `G` is none: what it brought
//! describes no moment that ever was, and what it made of the books must not be believed.
//!
//! Invariants: nothing is handed out after `G` or after a failure; [`Snapshot::next`] is known exactly when `G` was read.
//! No allocation.

use thiserror::Error;

/// Bytes of `G`.
const END: usize = 21;

/// Why a snapshot cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// A message without a type.
    #[error("an empty message")]
    Empty,
    /// `G` is not 21 bytes, or its sequence is not digits with spaces around them, or is 0 or beyond 64 bits.
    #[error("the end of the snapshot names no sequence")]
    End,
    /// A message that tells of an event, not of a state: executions and the like have no place in a snapshot.
    #[error("a message of type 0x{0:02x} in a snapshot")]
    Kind(u8),
    /// Something came after `G`.
    #[error("a message after the snapshot's end")]
    AfterEnd,
    /// The session ended, or broke, before `G`.
    #[error("the snapshot broke off after {messages} messages")]
    BrokenOff {
        /// How many came.
        messages: u64,
    },
}

/// What a message of the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Part of the state, in ITCH's layout.
    Message(&'a [u8]),
    /// The end: the live stream goes on with this MoldUDP64 sequence.
    End {
        /// It; at least 1.
        next: u64,
    },
}

/// One snapshot, as it comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    messages: u64,
    next: Option<u64>,
    failed: Option<SnapshotError>,
}

impl Snapshot {
    /// A snapshot of which nothing came yet.
    #[must_use]
    pub const fn new() -> Snapshot {
        Snapshot { messages: 0, next: None, failed: None }
    }

    /// Messages of state so far.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Where the live stream goes on, once the snapshot is whole.
    #[must_use]
    pub const fn next(&self) -> Option<u64> {
        match self.failed {
            None => self.next,
            Some(_) => None,
        }
    }

    /// One sequenced message of the session. A call a message; no allocation.
    ///
    /// # Errors
    /// [`SnapshotError`]: the snapshot is to be dropped, and says the same from now on.
    pub fn on_message<'a>(&mut self, message: &'a [u8]) -> Result<Part<'a>, SnapshotError> {
        self.failed.map_or(Ok(()), Err)?;
        self.take(message).inspect_err(|e| self.failed = Some(*e))
    }

    fn take<'a>(&mut self, message: &'a [u8]) -> Result<Part<'a>, SnapshotError> {
        let kind = *message.first().ok_or(SnapshotError::Empty)?;
        if self.next.is_some() {
            return Err(SnapshotError::AfterEnd);
        }
        match kind {
            b'G' => {
                let next = end_sequence(message).ok_or(SnapshotError::End)?;
                self.next = Some(next);
                Ok(Part::End { next })
            }
            // What changes or trades an order: the books that it belongs to are not those of this moment.
            b'E' | b'C' | b'X' | b'D' | b'U' | b'P' | b'Q' | b'B' => Err(SnapshotError::Kind(kind)),
            _ => {
                self.messages += 1;
                Ok(Part::Message(message))
            }
        }
    }

    /// The session is over, by its own word, by a closed socket or by an error. After `G` that is as it should be.
    ///
    /// # Errors
    /// [`SnapshotError`]: what came is no snapshot.
    pub fn on_end(&mut self) -> Result<u64, SnapshotError> {
        let broken_off = SnapshotError::BrokenOff { messages: self.messages };
        self.failed.map_or(Ok(()), Err)?;
        self.next.ok_or(broken_off).inspect_err(|e| self.failed = Some(*e))
    }
}

/// The sequence of a `G`. Digits on either side of the spaces: who writes the field left-justified and who right-justified both mean the same number.
fn end_sequence(message: &[u8]) -> Option<u64> {
    let field = message.get(1..).filter(|_| message.len() == END)?;
    let digits = field.trim_ascii();
    let is_padded = field.iter().all(|b| b.is_ascii_digit() || *b == b' ');
    if digits.is_empty() || !is_padded || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(field: &str) -> Vec<u8> {
        [b"G", field.as_bytes()].concat()
    }

    #[test]
    fn what_comes_before_the_end_is_handed_out() {
        let mut s = Snapshot::new();
        for m in [&b"S..........Q"[..], b"R", b"A", b"F", b"?"] {
            assert_eq!(s.on_message(m), Ok(Part::Message(m)));
        }
        assert_eq!((s.messages(), s.next()), (5, None));
        assert_eq!(s.on_message(&end("12345               ")), Ok(Part::End { next: 12_345 }));
        assert_eq!((s.messages(), s.next(), s.on_end()), (5, Some(12_345), Ok(12_345)));
    }

    #[test]
    fn an_end_is_20_digits_and_spaces() {
        let read = |m: &[u8]| match Snapshot::new().on_message(m) {
            Ok(Part::End { next }) => Some(next),
            _ => None,
        };
        for (field, next) in [
            ("1                   ", 1),
            ("                   1", 1),
            ("00000000000000000017", 17),
            ("18446744073709551615", u64::MAX),
            ("  99                ", 99),
        ] {
            assert_eq!(read(&end(field)), Some(next), "{field:?}");
        }
        for field in [
            "                    ",
            "0                   ",
            "18446744073709551616",
            "99999999999999999999",
            "1 2                 ",
            "-1                  ",
            "+1                  ",
            "0x10                ",
            "1\0                  ",
            "1\t                  ",
            "1                  ",
            "1                    ",
            "",
        ] {
            let mut s = Snapshot::new();
            assert_eq!(s.on_message(&end(field)), Err(SnapshotError::End), "{field:?}");
            assert_eq!(s.next(), None);
            assert_eq!(s.on_message(&end("1                   ")), Err(SnapshotError::End), "no second try");
        }
    }

    #[test]
    fn a_snapshot_that_breaks_off_is_none() {
        let mut s = Snapshot::new();
        assert_eq!(s.clone().on_end(), Err(SnapshotError::BrokenOff { messages: 0 }));
        s.on_message(b"A").unwrap();
        assert_eq!(s.on_end(), Err(SnapshotError::BrokenOff { messages: 1 }));
        assert_eq!(s.on_message(b"A"), Err(SnapshotError::BrokenOff { messages: 1 }));
    }

    #[test]
    fn what_is_no_state_fails_it() {
        for kind in *b"ECXDUPQB" {
            let mut s = Snapshot::new();
            assert_eq!(s.on_message(&[kind, 0]), Err(SnapshotError::Kind(kind)));
            assert_eq!(s.on_end(), Err(SnapshotError::Kind(kind)));
        }
        assert_eq!(Snapshot::new().on_message(b""), Err(SnapshotError::Empty));
        let mut s = Snapshot::new();
        s.on_message(&end("7                   ")).unwrap();
        assert_eq!(s.on_message(b"A"), Err(SnapshotError::AfterEnd));
        assert_eq!(s.next(), None, "a snapshot that went on cannot be believed");
    }

    proptest! {
        #[test]
        fn any_messages_in_any_order(messages in prop::collection::vec(message(), 0..40)) {
            let mut s = Snapshot::new();
            let (mut given, mut ended, mut failed) = (0, None, None);
            for m in &messages {
                match s.on_message(m) {
                    Ok(part) => {
                        prop_assert_eq!((failed, ended), (None, None), "nothing after the end or a failure");
                        match part {
                            Part::Message(out) => {
                                prop_assert_eq!(out, &m[..]);
                                given += 1;
                            }
                            Part::End { next } => ended = Some(next),
                        }
                    }
                    Err(e) => {
                        prop_assert_eq!(*failed.get_or_insert(e), e, "the first failure is the reason");
                    }
                }
                prop_assert_eq!(s.next(), ended.filter(|_| failed.is_none()));
                prop_assert_eq!(s.messages(), given);
            }
            let at_end = match (failed, ended) {
                (Some(e), _) => Err(e),
                (None, Some(next)) => Ok(next),
                (None, None) => Err(SnapshotError::BrokenOff { messages: given }),
            };
            prop_assert_eq!(s.on_end(), at_end);
        }

        #[test]
        fn every_sequence_is_read_in_either_padding(next in 1u64.., left in any::<bool>()) {
            let field = if left { format!("{next:<20}") } else { format!("{next:>20}") };
            let message = end(&field);
            prop_assert_eq!(Snapshot::new().on_message(&message), Ok(Part::End { next }));
        }
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => prop::sample::select(b"SRHYAFhN".to_vec()).prop_map(|k| vec![k; 12]),
            1 => prop::sample::select(b"ECXDUPQB".to_vec()).prop_map(|k| vec![k; 12]),
            1 => "[0-9 ]{19,21}".prop_map(|f| end(&f)),
            1 => (1u64..1_000_000).prop_map(|n| end(&format!("{n:<20}"))),
            1 => prop::collection::vec(any::<u8>(), 0..30),
        ]
    }
}
