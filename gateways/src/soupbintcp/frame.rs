//! The receive buffer and the packets in it.
//!
//! TCP splits and joins packets anywhere, so bytes are read straight into one preallocated buffer and packets are borrowed from it:
//!
//! ```text
//!   0           head               tail            capacity
//!   |  consumed  |  packets, maybe  |  space()       |
//!   |            |  a partial one   |                |
//! ```
//!
//! Invariant: `head <= tail <= capacity`. A partial packet is moved to the front only when the space behind it runs short, and then it is
//! shorter than one packet, so the copy is bounded. Nothing is allocated after construction.

use thiserror::Error;

/// Why a byte stream is not a sequence of SoupBinTCP packets. The stream cannot be trusted after either: drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A length of 0: a packet has at least its type.
    #[error("SoupBinTCP packet of length 0")]
    Empty,
    /// A packet that cannot fit in the receive buffer.
    #[error("SoupBinTCP packet of {packet} bytes, the receive buffer has {capacity}")]
    TooLong {
        /// Bytes of the packet, its length field included.
        packet: usize,
        /// Bytes of the buffer.
        capacity: usize,
    },
}

/// A packet, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its type byte, whatever it is.
    pub kind: u8,
    /// What follows the type.
    pub payload: &'a [u8],
}

/// Splits a byte stream into packets inside one preallocated buffer.
#[derive(Debug)]
pub struct Deframer {
    buf: Box<[u8]>,
    head: usize,
    tail: usize,
}

impl Deframer {
    /// A buffer of `capacity` bytes. A packet needs 2 + its length, so 65,537 take any.
    ///
    /// Allocates once, here.
    #[must_use]
    pub fn new(capacity: usize) -> Deframer {
        Deframer { buf: vec![0; capacity].into_boxed_slice(), head: 0, tail: 0 }
    }

    /// Bytes of the buffer.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// Bytes received and not yet consumed.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.tail - self.head
    }

    /// Where the next bytes of the stream belong. Empty only while the buffer is full of packets that were not consumed: do not read from
    /// the socket then, since a read into nothing looks like the end of the stream.
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.head == self.tail {
            self.head = 0;
            self.tail = 0;
        } else if self.head > 0 && self.buf.len() - self.tail < self.buf.len() / 2 {
            self.buf.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        &mut self.buf[self.tail..]
    }

    /// `n` bytes were written to the front of [`Deframer::space`].
    ///
    /// # Panics
    /// If `n` exceeds the space: a bug of the caller, never of the peer.
    #[inline]
    pub fn commit(&mut self, n: usize) {
        assert!(n <= self.buf.len() - self.tail, "more bytes committed than there was space for");
        self.tail += n;
    }

    /// Forgets everything: a new connection starts a new stream.
    pub fn clear(&mut self) {
        self.head = 0;
        self.tail = 0;
    }

    /// Length in the buffer of the packet at the front, if it is complete.
    #[inline]
    fn front(&self) -> Result<Option<usize>, FrameError> {
        let Some(length) = self.buf[self.head..self.tail].first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        let packet = 2 + length;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if packet > self.buf.len() {
            return Err(FrameError::TooLong { packet, capacity: self.buf.len() });
        }
        Ok((packet <= self.buffered()).then_some(packet))
    }

    /// Whether [`Deframer::next_packet`] has something to say.
    #[must_use]
    pub fn has_packet(&self) -> bool {
        !matches!(self.front(), Ok(None))
    }

    /// Consumes the next complete packet; `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError`], and the same again on every later call.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, FrameError> {
        let Some(len) = self.front()? else { return Ok(None) };
        let packet = &self.buf[self.head..self.head + len];
        self.head += len;
        Ok(Some(Packet { kind: packet[2], payload: &packet[3..] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(d: &mut Deframer, bytes: &[u8]) {
        d.space()[..bytes.len()].copy_from_slice(bytes);
        d.commit(bytes.len());
    }

    fn drain(d: &mut Deframer) -> Vec<(u8, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some(p) = d.next_packet().unwrap() {
            out.push((p.kind, p.payload.to_vec()));
        }
        out
    }

    const STREAM: &[u8] = b"\0\x01H\0\x04Sabc\0\x06+debug\0\x01Z";

    fn expected() -> Vec<(u8, Vec<u8>)> {
        vec![(b'H', vec![]), (b'S', b"abc".to_vec()), (b'+', b"debug".to_vec()), (b'Z', vec![])]
    }

    #[test]
    fn packets_survive_a_split_at_every_pair_of_bytes() {
        for i in 0..=STREAM.len() {
            for j in i..=STREAM.len() {
                let mut d = Deframer::new(16);
                let mut out = Vec::new();
                for part in [&STREAM[..i], &STREAM[i..j], &STREAM[j..]] {
                    for chunk in part.chunks(8) {
                        feed(&mut d, chunk);
                        out.extend(drain(&mut d));
                    }
                }
                assert_eq!(out, expected(), "split at {i} and {j}");
                assert_eq!(d.buffered(), 0);
            }
        }
    }

    #[test]
    fn one_byte_at_a_time_through_a_buffer_of_one_packet() {
        let mut d = Deframer::new(8);
        let mut out = Vec::new();
        for _ in 0..100 {
            for b in STREAM {
                feed(&mut d, core::slice::from_ref(b));
                out.extend(drain(&mut d));
            }
        }
        assert_eq!(out.len(), 400);
        assert_eq!(out[396..], expected());
    }

    #[test]
    fn a_length_of_zero_is_refused_and_stays_refused() {
        let mut d = Deframer::new(64);
        feed(&mut d, b"\0\x01H\0\0");
        assert_eq!(d.next_packet().unwrap().unwrap().kind, b'H');
        assert_eq!(d.next_packet(), Err(FrameError::Empty));
        assert!(d.has_packet());
        assert_eq!(d.next_packet(), Err(FrameError::Empty));
        d.clear();
        assert_eq!(d.next_packet(), Ok(None));
    }

    #[test]
    fn a_packet_longer_than_the_buffer_is_refused_at_its_length() {
        let mut d = Deframer::new(10);
        feed(&mut d, b"\0\x08S");
        assert_eq!(d.next_packet(), Ok(None), "10 bytes in all do fit");
        d.clear();
        feed(&mut d, b"\0\x09");
        assert_eq!(d.next_packet(), Err(FrameError::TooLong { packet: 11, capacity: 10 }));
    }

    #[test]
    fn the_longest_packet_passes() {
        let mut d = Deframer::new(65_537);
        let mut bytes = vec![7u8; 65_537];
        bytes[..3].copy_from_slice(b"\xFF\xFFS");
        feed(&mut d, &bytes);
        assert_eq!(d.next_packet().unwrap().unwrap().payload.len(), 65_534);
        assert_eq!(d.next_packet(), Ok(None));
    }

    #[test]
    fn space_is_empty_only_when_full_of_packets() {
        let mut d = Deframer::new(6);
        feed(&mut d, b"\0\x01H\0\x01H");
        assert!(d.space().is_empty());
        d.next_packet().unwrap();
        assert_eq!(d.space().len(), 3);
    }
}
