//! MoldUDP64 1.00: the packets that carry a sequenced stream of messages over UDP.
//!
//! ```text
//!  0            10            18        20
//!  +------------+-------------+---------+--------+---------+--------+--- ..
//!  | session    | sequence    | count   | length | message | length | ..
//!  | 10 x ASCII | u64         | u16     | u16    | bytes   | u16    |
//!  +------------+-------------+---------+--------+---------+--------+--- ..
//! ```
//!
//! All integers are big-endian; a block's length does not count itself and may be 0. The sequence is that of the first message,
//! the first of a session has 1. Count 0 is a heartbeat and 0xFFFF the end of the session: neither
//! carries blocks, and the sequence of both is the next one the venue will use, so that either reveals a lost tail.
//!
//! A [`Request`] to a re-request server has the same twenty bytes. The answer is one ordinary packet, so at most a datagram's worth of what
//! was asked for; a server that has nothing to say says nothing.

use crate::framing::{self, NoPacket};
pub use crate::framing::{PacketKind, Session};

/// Bytes before the first block.
pub const HEADER: usize = 20;

/// The count that means the end of the session.
pub const END_OF_SESSION: u16 = 0xFFFF;

/// Why bytes are not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoldError {
    /// Fewer bytes than a header has.
    #[error("MoldUDP64 packet of {len} bytes: its header alone has 20")]
    Short {
        /// Bytes there are.
        len: usize,
    },
    /// A sequence that no stream reaches: its end is beyond 2^64 - 1.
    #[error("MoldUDP64 sequence {sequence} and count {count} run past 2^64 - 1")]
    Overflow {
        /// The packet's sequence.
        sequence: u64,
        /// Its count.
        count: u16,
    },
}

/// A packet: its header, and its blocks not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The session's name.
    pub session: Session,
    /// Sequence of the first message; of the next one in a heartbeat and at the end of the session.
    pub sequence: u64,
    /// The count as it is on the wire.
    pub count: u16,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a header. Blocks are checked while they are walked. Sequence 0 and a session of NULs, which no venue
    /// sends, are let through here: captures with a wiped header exist.
    ///
    /// # Errors
    /// [`MoldError`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, MoldError> {
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(MoldError::Short { len: bytes.len() });
        };
        let (session, sequence, count) = split_header(header);
        let packet = Packet { session, sequence, count, payload };
        if sequence.checked_add(u64::from(packet.messages())).is_none() {
            return Err(MoldError::Overflow { sequence, count });
        }
        Ok(packet)
    }

    /// What the packet is, by its count.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> PacketKind {
        match self.count {
            0 => PacketKind::Heartbeat,
            END_OF_SESSION => PacketKind::EndOfSession,
            _ => PacketKind::Data,
        }
    }

    /// How many messages it says it carries: 0 for a heartbeat and for the end of the session.
    #[inline]
    #[must_use]
    pub const fn messages(&self) -> u16 {
        match self.count {
            END_OF_SESSION => 0,
            count => count,
        }
    }

    /// The sequence after the last message that it says it carries.
    #[inline]
    #[must_use]
    pub const fn end(&self) -> u64 {
        // `parse` refused what overflows.
        self.sequence.saturating_add(self.messages() as u64)
    }

    /// Its messages, in sequence from [`Packet::sequence`]. Ends early when the packet is truncated: the cut block and all after it
    /// are missing, as if lost. Bytes beyond the last block are ignored.
    #[inline]
    #[must_use]
    pub const fn blocks(&self) -> Blocks<'a> {
        Blocks { rest: self.payload, left: self.messages() }
    }
}

impl<'a> framing::Packet<'a> for Packet<'a> {
    type Blocks = Blocks<'a>;

    #[inline]
    fn parse(bytes: &'a [u8]) -> Result<Self, NoPacket> {
        Packet::parse(bytes).map_err(|e| match e {
            MoldError::Short { .. } => NoPacket::Short,
            MoldError::Overflow { .. } => NoPacket::Overflow,
        })
    }

    #[inline]
    fn session(&self) -> Session {
        self.session
    }

    #[inline]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    #[inline]
    fn kind(&self) -> PacketKind {
        Packet::kind(self)
    }

    #[inline]
    fn messages(&self) -> u16 {
        Packet::messages(self)
    }

    #[inline]
    fn blocks(&self) -> Blocks<'a> {
        Packet::blocks(self)
    }
}

#[inline]
fn split_header(header: &[u8; HEADER]) -> (Session, u64, u16) {
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, q0, q1, q2, q3, q4, q5, q6, q7, c0, c1] = *header;
    (
        [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9],
        u64::from_be_bytes([q0, q1, q2, q3, q4, q5, q6, q7]),
        u16::from_be_bytes([c0, c1]),
    )
}

fn join_header(session: Session, sequence: u64, count: u16) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..10].copy_from_slice(&session);
    out[10..18].copy_from_slice(&sequence.to_be_bytes());
    out[18..].copy_from_slice(&count.to_be_bytes());
    out
}

/// The messages of a packet. Borrows the packet's bytes.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let (len, rest) = self.rest.split_first_chunk::<2>()?;
        let (block, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        self.rest = rest;
        self.left -= 1;
        Some(block)
    }
}

/// A request for messages that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session's name.
    pub session: Session,
    /// The first message wanted.
    pub sequence: u64,
    /// How many are wanted; 1 to 65,534.
    pub count: u16,
}

impl Request {
    /// For `[from, to)`, clamped to what one request can ask for: at least one message and at most 65,534.
    #[must_use]
    pub fn range(session: Session, from: u64, to: u64) -> Request {
        let count = to.saturating_sub(from).clamp(1, u64::from(END_OF_SESSION - 1));
        Request { session, sequence: from, count: count as u16 }
    }

    /// The request on the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        join_header(self.session, self.sequence, self.count)
    }

    /// Reads a request, as a server does; bytes beyond the twentieth are ignored. A count of 0 or 65,535 is not useful but is let through.
    ///
    /// # Errors
    /// [`MoldError::Short`].
    pub fn parse(bytes: &[u8]) -> Result<Request, MoldError> {
        let Some(header) = bytes.first_chunk() else { return Err(MoldError::Short { len: bytes.len() }) };
        let (session, sequence, count) = split_header(header);
        Ok(Request { session, sequence, count })
    }
}

/// Packets for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::{END_OF_SESSION, Session, join_header};

    pub(crate) const SESSION: Session = *b"000010059B";

    /// A packet of these messages.
    pub(crate) fn packet<M: AsRef<[u8]>>(session: Session, sequence: u64, messages: &[M]) -> Vec<u8> {
        let mut out = join_header(session, sequence, messages.len() as u16).to_vec();
        for msg in messages.iter().map(AsRef::as_ref) {
            out.extend_from_slice(&(msg.len() as u16).to_be_bytes());
            out.extend_from_slice(msg);
        }
        out
    }

    pub(crate) fn heartbeat(session: Session, next: u64) -> Vec<u8> {
        join_header(session, next, 0).to_vec()
    }

    pub(crate) fn end_of_session(session: Session, next: u64) -> Vec<u8> {
        join_header(session, next, END_OF_SESSION).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{SESSION, end_of_session, heartbeat, packet};
    use super::*;

    #[test]
    fn reads_what_was_written_empty_blocks_included() {
        let bytes = packet(SESSION, 41, &[&b"one"[..], b"", b"three"]);
        let p = Packet::parse(&bytes).unwrap();
        assert_eq!((p.session, p.sequence, p.count, p.end()), (SESSION, 41, 3, 44));
        assert_eq!(p.kind(), PacketKind::Data);
        assert_eq!(p.blocks().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn padding_beyond_the_last_block_is_ignored() {
        let mut bytes = packet(SESSION, 1, &[b"one"]);
        bytes.extend_from_slice(&[0; 21]);
        assert_eq!(Packet::parse(&bytes).unwrap().blocks().collect::<Vec<_>>(), [b"one"]);
    }

    #[test]
    fn a_cut_block_drops_the_tail_at_every_byte() {
        let bytes = packet(SESSION, 1, &[&b"one"[..], b"three"]);
        for len in 0..bytes.len() {
            match Packet::parse(&bytes[..len]) {
                Err(e) => assert_eq!((e, len < HEADER), (MoldError::Short { len }, true)),
                Ok(p) => {
                    assert_eq!(p.end(), 3, "the header still says what there was");
                    assert_eq!(p.blocks().count(), usize::from(len >= HEADER + 5));
                }
            }
        }
    }

    #[test]
    fn heartbeat_and_end_of_session_carry_no_blocks() {
        for (mut bytes, kind) in [
            (heartbeat(SESSION, 9), PacketKind::Heartbeat),
            (end_of_session(SESSION, 9), PacketKind::EndOfSession),
        ] {
            bytes.extend_from_slice(&[0; 4096]);
            let p = Packet::parse(&bytes).unwrap();
            assert_eq!((p.kind(), p.messages(), p.end()), (kind, 0, 9));
            assert_eq!(p.blocks().count(), 0, "0xFFFF is not 65,535 blocks");
        }
    }

    #[test]
    fn the_last_sequence_there_is() {
        let max = u64::MAX;
        assert_eq!(Packet::parse(&heartbeat(SESSION, max)).unwrap().end(), max);
        assert_eq!(Packet::parse(&end_of_session(SESSION, max)).unwrap().end(), max);
        assert_eq!(Packet::parse(&packet(SESSION, max - 1, &[b"x"])).unwrap().end(), max);
        let over = Packet::parse(&packet(SESSION, max, &[b"x"])).unwrap_err();
        assert_eq!(over, MoldError::Overflow { sequence: max, count: 1 });
    }

    #[test]
    fn requests_are_clamped_and_survive_the_wire() {
        for (from, to, count) in [
            (5, 8, 3),
            (5, 5, 1),
            (5, 4, 1),
            (1, 65_535, 65_534),
            (1, 65_536, 65_534),
            (0, u64::MAX, 65_534),
            (u64::MAX, u64::MAX, 1),
        ] {
            let r = Request::range(SESSION, from, to);
            assert_eq!((r.sequence, r.count), (from, count));
            assert_eq!(Request::parse(&r.encode()), Ok(r));
        }
        assert_eq!(Request::parse(&[0; 19]), Err(MoldError::Short { len: 19 }));
        assert_eq!(
            Request { session: SESSION, sequence: 0x0102, count: 3 }.encode(),
            *b"000010059B\0\0\0\0\0\0\x01\x02\0\x03"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_blocks_stay_inside(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(p) = Packet::parse(&bytes) {
                let walked: usize = p.blocks().map(|b| b.len() + 2).sum();
                prop_assert!(walked + HEADER <= bytes.len());
                prop_assert!(p.blocks().count() <= usize::from(p.messages()));
            }
        }
    }
}
