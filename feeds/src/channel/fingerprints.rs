//! What was delivered last, a fingerprint of each message, so that a line which brings other bytes under the same number is noticed.
//!
//! ```text
//!   slot = sequence mod size:   | low half of the sequence | fingerprint |
//! ```
//!
//! Lines carry the same stream, so the second copy of a message says nothing new, unless it differs: a line that is bound to another channel, a
//! venue that published two things under one number, a network device that rewrote a payload and its checksum. Which copy is right cannot be told.
//!
//! A copy that comes later than so many messages is not compared. Two different messages pass as one with a probability of 2^-32, unless somebody
//! chose them so: this is for faults, not for an attacker, who would send the first copy.

use model::{FeedStatus, Nanos};

use super::{Channel, Sink};
use crate::framing::Packet;

/// A message's number and what it looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    sequence: u32,
    fingerprint: u32,
}

/// No message has a fingerprint of 0, see [`fingerprint`].
const NOTHING: Print = Print { sequence: 0, fingerprint: 0 };

/// See the module.
#[derive(Debug)]
pub(super) struct Fingerprints(Box<[Print]>);

impl Fingerprints {
    /// Of the last `messages`, rounded up to a power of two.
    pub(super) fn new(messages: usize) -> Fingerprints {
        Fingerprints(vec![NOTHING; messages.max(1).next_power_of_two()].into())
    }

    fn slot(&self, sequence: u64) -> usize {
        sequence as usize & (self.0.len() - 1)
    }

    /// Message `sequence` was delivered.
    #[inline]
    pub(super) fn remember(&mut self, sequence: u64, msg: &[u8]) {
        let slot = self.slot(sequence);
        self.0[slot] = Print { sequence: sequence as u32, fingerprint: fingerprint(msg) };
    }

    /// Whether a message is another one than was delivered under its number; not where that is too long ago.
    #[inline]
    pub(super) fn differs(&self, sequence: u64, msg: &[u8]) -> bool {
        let print = self.0[self.slot(sequence)];
        print != NOTHING && print.sequence == sequence as u32 && print.fingerprint != fingerprint(msg)
    }

    /// Numbers begin anew.
    pub(super) fn forget(&mut self) {
        self.0.fill(NOTHING);
    }
}

/// Sixteen bytes at a time multiplied into 128 bits and folded. The last sixteen overlap those before them, so that no message of a feed leaves a
/// rest of odd length: they are two or three steps.
#[inline]
fn fingerprint(msg: &[u8]) -> u32 {
    let Some(last) = msg.last_chunk::<16>() else { return short(msg) };
    let mut h = msg.len() as u64;
    let (blocks, _) = msg.as_chunks::<16>();
    for block in blocks {
        h = fold(h, block);
    }
    ((fold(h, last) >> 32) as u32).max(1)
}

#[cold]
fn short(msg: &[u8]) -> u32 {
    let mut block = [0; 16];
    block[..msg.len()].copy_from_slice(msg);
    ((fold(msg.len() as u64, &block) >> 32) as u32).max(1)
}

#[inline]
fn fold(h: u64, block: &[u8; 16]) -> u64 {
    const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03];
    let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7] = *block;
    let a = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]) ^ ODD[0] ^ h;
    let b = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) ^ ODD[1];
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Channel {
    /// Compares the copies of an old packet with what was delivered.
    #[inline]
    pub(super) fn compare<'a, P: Packet<'a>, S: Sink>(&mut self, now: Nanos, packet: &P, sink: &mut S) {
        if self.prints.is_none() {
            return;
        }
        for (seq, msg) in (packet.sequence()..).zip(packet.blocks()) {
            self.compare_one(now, seq, msg, sink);
        }
    }

    #[inline]
    pub(super) fn compare_one<S: Sink>(&mut self, now: Nanos, seq: u64, msg: &[u8], sink: &mut S) {
        if self.prints.as_ref().is_some_and(|p| p.differs(seq, msg)) {
            self.stats.disputed += 1;
            self.dispute(now, seq, sink);
        }
    }

    /// Two copies of message `seq` differ.
    #[cold]
    pub(super) fn dispute<S: Sink>(&mut self, now: Nanos, seq: u64, sink: &mut S) {
        self.synced = false;
        if std::mem::replace(&mut self.intact, false) {
            sink.status(FeedStatus::Disputed { sequence: seq });
            self.resort_to_snapshot(now);
        }
    }

    /// Messages are numbered anew.
    pub(super) fn forget_prints(&mut self) {
        if let Some(prints) = &mut self.prints {
            prints.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_long_ago_or_of_another_session_is_not_compared() {
        let mut f = Fingerprints::new(3);
        for sequence in 1..=6u64 {
            f.remember(sequence, &sequence.to_be_bytes());
        }
        for sequence in 1..=9u64 {
            assert!(!f.differs(sequence, &sequence.to_be_bytes()));
            assert_eq!(f.differs(sequence, b"other"), (3..=6).contains(&sequence), "{sequence}");
        }
        f.forget();
        assert!((0..9).all(|sequence| !f.differs(sequence, b"other")));
    }

    proptest! {
        #[test]
        fn each_bit_and_the_length_count(msg in proptest::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let print = fingerprint(&msg);
            prop_assert_ne!(print, fingerprint(&[&msg[..], &[0]].concat()));
            if !msg.is_empty() {
                let mut other = msg.clone();
                other[at.index(msg.len())] ^= 1u8 << bit;
                prop_assert_ne!(print, fingerprint(&other));
            }
        }
    }
}
