//! The packets: a Sequenced Unit Header, and messages that begin with their own length.
//!
//! ```text
//!  0            2       3      4             8
//!  +------------+-------+------+-------------+--------+------+------ ..
//!  | length u16 | count | unit | sequence u32| length | type |
//!  +------------+-------+------+-------------+--------+------+------ ..
//! ```
//!
//! All little-endian. The header's length counts the header too, a message's length itself. Count 0 is a heartbeat, whose sequence is that of the next message;
//! sequence 0 means that nothing is numbered, as in heartbeats outside of trading hours. Units number their messages independently, so a unit is a
//! [`Session`]: `PITCH U007`.

use crate::framing::{self, NoPacket, PacketKind, Session};

/// Bytes before the first message.
pub const HEADER: usize = 8;

/// A packet: its header, and its messages not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The unit.
    pub unit: u8,
    /// Sequence of the first message; of the next one in a heartbeat; 0 where nothing is numbered.
    pub sequence: u32,
    /// Messages that it says it carries.
    pub count: u8,
    payload: &'a [u8],
}

impl<'a> framing::Packet<'a> for Packet<'a> {
    type Blocks = Blocks<'a>;

    /// Bytes beyond the header's length are ignored; where there are fewer, the messages that are cut are missing.
    #[inline]
    fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, NoPacket> {
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(NoPacket::Short);
        };
        let [l0, l1, count, unit, s0, s1, s2, s3] = *header;
        let Some(length) = usize::from(u16::from_le_bytes([l0, l1])).checked_sub(HEADER) else {
            return Err(NoPacket::Short);
        };
        let payload = payload.get(..length).unwrap_or(payload);
        Ok(Packet { unit, sequence: u32::from_le_bytes([s0, s1, s2, s3]), count, payload })
    }

    #[inline]
    fn session(&self) -> Session {
        session(self.unit)
    }

    #[inline]
    fn sequence(&self) -> u64 {
        self.sequence.into()
    }

    #[inline]
    fn kind(&self) -> PacketKind {
        match (self.sequence, self.count) {
            (0, _) => PacketKind::Unsequenced,
            (_, 0) => PacketKind::Heartbeat,
            _ => PacketKind::Data,
        }
    }

    #[inline]
    fn messages(&self) -> u16 {
        self.count.into()
    }

    #[inline]
    fn blocks(&self) -> Blocks<'a> {
        Blocks { rest: self.payload, left: self.count }
    }
}

/// A unit's stream.
#[inline]
pub(super) fn session(unit: u8) -> Session {
    let digit = |n: u8| b'0' + n % 10;
    [b'P', b'I', b'T', b'C', b'H', b' ', b'U', digit(unit / 100), digit(unit / 10), digit(unit)]
}

/// The messages of a packet, each with its length in front. Borrows the packet's bytes.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let len = match (self.left, self.rest.first()) {
            // A length counts itself: with 0 there is no telling where the next message begins.
            (0, _) | (_, None | Some(0)) => return None,
            (_, Some(len)) => usize::from(*len),
        };
        let (block, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.left -= 1;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use framing::Packet as _;

    use super::*;

    /// Length 17, two messages, unit 3, sequence 0x01020304.
    const TWO: &[u8] = b"\x11\x00\x02\x03\x04\x03\x02\x01\x06\x97\x01\x00\x00\x00\x03\x99\x07";

    fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
        Packet::parse(bytes).map(|p| p.blocks().collect()).unwrap_or_default()
    }

    #[test]
    fn header_and_messages_are_read() {
        let p = Packet::parse(TWO).unwrap();
        assert_eq!((p.unit, p.sequence, p.count), (3, 0x0102_0304, 2));
        assert_eq!((p.session(), p.kind(), p.end()), (*b"PITCH U003", PacketKind::Data, 0x0102_0306));
        assert_eq!(blocks(TWO), [&TWO[8..14], &TWO[14..]]);
        assert_eq!(Packet::parse(b"\x08\x00\x00\xFF\x01\x00\x00\x00").unwrap().session(), *b"PITCH U255");
    }

    #[test]
    fn what_is_behind_the_length_is_ignored_and_what_is_cut_is_missing() {
        let padded = [TWO, &[6, 0x97, 0, 0, 0, 0]].concat();
        assert_eq!(blocks(&padded), blocks(TWO));
        for len in 0..TWO.len() {
            let whole = usize::from(len >= 14);
            assert_eq!(blocks(&TWO[..len]).len(), whole, "{len}");
            assert_eq!(Packet::parse(&TWO[..len]).is_err(), len < HEADER, "{len}");
        }
        // The same, cut by the header's own length.
        for len in 0..TWO.len() as u8 {
            let shorter = [&[len][..], &TWO[1..]].concat();
            assert_eq!(blocks(&shorter).len(), usize::from(len >= 14), "{len}");
            assert_eq!(Packet::parse(&shorter).is_err(), len < 8, "{len}");
        }
    }

    #[test]
    fn a_message_of_no_length_is_the_end() {
        assert_eq!(blocks(b"\x0B\x00\xFF\x01\x01\x00\x00\x00\x01\x00\x01"), [b"\x01"]);
    }

    #[test]
    fn heartbeats_are_numbered_within_trading_hours_only() {
        let kind = |sequence, count| {
            let bytes = [8, 0, count, 1, sequence, 0, 0, 0];
            let p = Packet::parse(&bytes).unwrap();
            (p.kind(), p.end())
        };
        assert_eq!(kind(9, 0), (PacketKind::Heartbeat, 9));
        assert_eq!(kind(0, 0).0, PacketKind::Unsequenced);
        assert_eq!(kind(0, 1).0, PacketKind::Unsequenced);
        assert_eq!(kind(1, 1), (PacketKind::Data, 2));
    }
}
