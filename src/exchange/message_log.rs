//! Every message of a stream in the order it was made: what a re-request (MoldUDP64) or a login from an earlier sequence (SoupBinTCP)
//! reads again. Sequence numbers count from 1 and a stream forgets nothing, so memory grows with the day: about 40 bytes a message.

/// An append-only list of messages, numbered from 1.
#[derive(Debug, Default)]
pub struct MessageLog {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl MessageLog {
    /// Appends a message and returns its sequence number.
    ///
    /// # Panics
    /// If the message is longer than a 16-bit length can say less its type byte: the venue makes none over 100 bytes.
    pub fn push(&mut self, message: &[u8]) -> u64 {
        assert!(message.len() < usize::from(u16::MAX), "a message of {} bytes", message.len());
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
        self.ends.len() as u64
    }

    /// Forgets what follows the first `messages`.
    pub fn truncate(&mut self, messages: u64) {
        self.ends.truncate(usize::try_from(messages).unwrap_or(usize::MAX));
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// The sequence number that the next message will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.ends.len() as u64 + 1
    }

    /// Message number `sequence`.
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&[u8]> {
        let i = usize::try_from(sequence.checked_sub(1)?).ok()?;
        let end = *self.ends.get(i)?;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        Some(&self.bytes[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one() {
        let mut log = MessageLog::default();
        assert_eq!((log.next(), log.get(0), log.get(1)), (1, None, None));
        assert_eq!(log.push(b"one"), 1);
        assert_eq!(log.push(b""), 2);
        assert_eq!(log.push(b"three"), 3);
        assert_eq!(
            (log.get(1), log.get(2), log.get(3)),
            (Some(&b"one"[..]), Some(&b""[..]), Some(&b"three"[..]))
        );
        assert_eq!((log.get(0), log.get(4), log.get(u64::MAX), log.next()), (None, None, None, 4));
        log.truncate(9);
        assert_eq!(log.next(), 4);
        log.truncate(1);
        assert_eq!((log.get(1), log.get(2)), (Some(&b"one"[..]), None));
        assert_eq!(log.push(b"new"), 2);
        assert_eq!(log.get(2), Some(&b"new"[..]));
    }
}
