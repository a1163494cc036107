//! The transmit buffer: whole packets in, any number of bytes out.
//!
//! ```text
//!   0         packet    head                 tail        capacity
//!   |   sent   |  sent   |  pending()         |  claim()   |
//!   |          |<- a packet half sent ->|     |            |
//! ```
//!
//! Invariants: `packet <= head <= tail <= capacity`; a packet starts at `packet`, and packets follow one another up to `tail`. So at any time
//! it is known which packets have not left whole, and a packet that has not left whole was not processed by anyone.

/// A bounded buffer of packets to be sent. Allocates once, in [`Transmit::new`].
#[derive(Debug)]
pub struct Transmit {
    buf: Box<[u8]>,
    packet: usize,
    head: usize,
    tail: usize,
}

impl Transmit {
    /// A buffer of `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Transmit {
        Transmit { buf: vec![0; capacity].into_boxed_slice(), packet: 0, head: 0, tail: 0 }
    }

    /// Bytes of the buffer.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// What is to be sent.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.buf[self.head..self.tail]
    }

    /// Room for a packet of at most `N` bytes, leaving `keep` bytes to those more urgent; `None` where there is not as much. The packet is
    /// in once [`Transmit::commit`] says how long it became.
    #[inline]
    pub fn claim<const N: usize>(&mut self, keep: usize) -> Option<&mut [u8; N]> {
        if self.buf.len() - self.tail < N + keep {
            self.make_room(N + keep)?;
        }
        self.buf[self.tail..].first_chunk_mut()
    }

    #[cold]
    fn make_room(&mut self, need: usize) -> Option<()> {
        self.buf.copy_within(self.packet..self.tail, 0);
        self.head -= self.packet;
        self.tail -= self.packet;
        self.packet = 0;
        (self.buf.len() - self.tail >= need).then_some(())
    }

    /// The packet written to the last claim has `len` bytes, its length field included.
    #[inline]
    pub fn commit(&mut self, len: usize) {
        debug_assert!(len <= self.buf.len() - self.tail);
        self.tail += len;
    }

    /// Appends a whole packet; false, and nothing changed, where it does not fit.
    #[inline]
    #[must_use]
    pub fn push<const N: usize>(&mut self, packet: &[u8; N], keep: usize) -> bool {
        match self.claim::<N>(keep) {
            Some(room) => {
                *room = *packet;
                self.tail += N;
                true
            }
            None => false,
        }
    }

    /// The first `n` pending bytes were handed to the network.
    ///
    /// # Panics
    /// If `n` exceeds what is pending: a bug of the caller.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        assert!(n <= self.tail - self.head, "more bytes sent than were pending");
        self.head += n;
        if self.head == self.tail {
            (self.packet, self.head, self.tail) = (0, 0, 0);
            return;
        }
        while let Some(end) = self.end_of(self.packet)
            && end <= self.head
        {
            self.packet = end;
        }
    }

    /// Where the packet at `at` ends; `None` at the tail.
    fn end_of(&self, at: usize) -> Option<usize> {
        let length = self.buf[at..self.tail].first_chunk::<2>()?;
        Some(at + 2 + usize::from(u16::from_be_bytes(*length)))
    }

    /// The packets that have not left whole, oldest first; of the first some bytes may have.
    #[must_use]
    pub fn unsent(&self) -> UnsentPackets<'_> {
        UnsentPackets(&self.buf[self.packet..self.tail])
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        (self.packet, self.head, self.tail) = (0, 0, 0);
    }
}

/// Iterator over packets that have not left whole: everything after the length field.
#[derive(Clone, Debug)]
pub struct UnsentPackets<'a>(&'a [u8]);

impl<'a> Iterator for UnsentPackets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (packet, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsent(t: &Transmit) -> Vec<&[u8]> {
        t.unsent().collect()
    }

    #[test]
    fn a_packet_counts_as_unsent_until_its_last_byte_left() {
        for sent in 0..=9 {
            let mut t = Transmit::new(64);
            for p in [b"\0\x01R", b"\0\x01O", b"\0\x01R"] {
                assert!(t.push(p, 0));
            }
            t.sent(sent);
            assert_eq!(t.pending().len(), 9 - sent);
            assert_eq!(unsent(&t), [&b"R"[..], b"O", b"R"][sent / 3..], "{sent} bytes sent");
        }
    }

    #[test]
    fn a_packet_that_does_not_fit_changes_nothing() {
        let mut t = Transmit::new(7);
        assert!(t.push(b"\0\x01R", 0));
        assert!(!t.push(b"\0\x01O", 2), "2 bytes are kept for others");
        assert!(t.push(b"\0\x01O", 1));
        assert!(!t.push(b"\0\x01R", 0));
        assert_eq!(t.pending(), b"\0\x01R\0\x01O");
    }

    #[test]
    fn room_is_won_back_from_what_left_whole() {
        let mut t = Transmit::new(8);
        assert!(t.push(b"\0\x01R", 0) && t.push(b"\0\x01O", 0));
        t.sent(4);
        assert!(t.push(b"\0\x01R", 0), "3 bytes of the first packet are free");
        assert_eq!(t.pending(), b"\x01O\0\x01R");
        assert_eq!(unsent(&t), [b"O", b"R"]);
        t.sent(5);
        assert!(unsent(&t).is_empty() && t.pending().is_empty());
        assert!(t.push(b"\0\x06Uabcde", 0));
    }
}
