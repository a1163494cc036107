//! Fields to bytes.
//!
//! ```text
//!   8=FIX.4.4|9=LEN|35=TYPE|34=..|49=..|52=..|56=..|  body  |10=SUM|
//!             |     |<----------- LEN bytes ---------->|
//!   |<---------------- SUM over these ---------------->|
//! ```

use model::{Nanos, Px};

use super::tags::SOH;
use super::value;

/// Fields one after the other, in a buffer that never grows. What does not fit is remembered, and the message is then not sent.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Fields {
    /// Room for `capacity` bytes. The one allocation.
    #[must_use]
    pub fn new(capacity: usize) -> Fields {
        Fields { bytes: Vec::with_capacity(capacity), overflow: false }
    }

    /// Nothing in it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.overflow = false;
    }

    /// The fields; `None` if one did not fit.
    #[must_use]
    pub fn finished(&self) -> Option<&[u8]> {
        (!self.overflow).then_some(&self.bytes)
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Fields {
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.overflow = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        self
    }

    /// A field. `text` holds no SOH unless the field is data whose length is given before.
    pub fn text(&mut self, tag: i32, text: &[u8]) -> &mut Fields {
        let mut digits = [0; 20];
        self.raw(decimal(tag.unsigned_abs().into(), &mut digits)).raw(b"=").raw(text).raw(&[SOH])
    }

    /// A whole number.
    pub fn uint(&mut self, tag: i32, n: u64) -> &mut Fields {
        let mut digits = [0; 20];
        let text = decimal(n, &mut digits);
        self.text(tag, text)
    }

    /// A price with as many decimals as it needs, two at least.
    pub fn px(&mut self, tag: i32, px: Px) -> &mut Fields {
        let (whole, fraction) = (px.0.unsigned_abs() / 10_000, px.0.unsigned_abs() % 10_000);
        let mut text = [0; 32];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            text[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if px.0 < 0 {
            put(b"-");
        }
        let mut digits = [0; 20];
        put(decimal(whole, &mut digits));
        put(b".");
        let fraction = decimal(10_000 + fraction, &mut digits);
        let needed = fraction.iter().rposition(|b| *b != b'0').unwrap_or(0).max(2);
        put(&fraction[1..=needed]);
        self.text(tag, &text[..at])
    }

    /// A UTC timestamp to the millisecond.
    pub fn utc(&mut self, tag: i32, at: Nanos) -> &mut Fields {
        self.text(tag, &value::utc_text(at))
    }
}

/// `n` in decimal, at the end of `room`.
pub fn decimal(mut n: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &room[at..];
        }
    }
}

/// The sum of `bytes`, modulo 256.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b))
}

/// Appends a whole message to `out`, which must have room: begin string, length, `body` from field 35 on, checksum. Returns whether it fitted.
#[must_use]
pub fn finish(out: &mut Fields, begin: &[u8], body: &[u8]) -> bool {
    let start = out.bytes.len();
    out.text(8, begin).uint(9, body.len() as u64).raw(body);
    let sum = checksum(&out.bytes[start..]);
    out.text(10, &[b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10]);
    if out.overflow {
        out.bytes.truncate(start);
        out.overflow = false;
        return false;
    }
    true
}

/// Bytes to be sent, whole messages in, any number of bytes out.
#[derive(Debug)]
pub(super) struct Outbox {
    fields: Fields,
    head: usize,
}

impl Outbox {
    pub(super) fn new(capacity: usize) -> Outbox {
        Outbox { fields: Fields::new(capacity), head: 0 }
    }

    pub(super) fn pending(&self) -> &[u8] {
        &self.fields.bytes[self.head..]
    }

    /// # Panics
    /// If `n` exceeds what is pending: a bug of the caller.
    pub(super) fn sent(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "more bytes sent than were pending");
        self.head += n;
        if self.pending().is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.head = 0;
    }

    /// Bytes that a message may still take.
    pub(super) fn room(&self) -> usize {
        self.fields.bytes.capacity() - self.pending().len()
    }

    /// Appends a message; `None`, and nothing changed, where it does not fit. Returns it.
    pub(super) fn push(&mut self, begin: &[u8], body: &[u8]) -> Option<&[u8]> {
        if self.fields.bytes.capacity() - self.fields.bytes.len() < body.len() + 64 {
            self.fields.bytes.drain(..self.head);
            self.head = 0;
        }
        let start = self.fields.bytes.len();
        finish(&mut self.fields, begin, body).then(|| &self.fields.bytes[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_length_and_sum() {
        let mut out = Fields::new(128);
        assert!(finish(&mut out, b"FIX.4.2", b"35=0\x0134=2\x01"));
        let text = String::from_utf8(out.finished().unwrap().to_vec()).unwrap().replace('\x01', "|");
        assert_eq!(text, "8=FIX.4.2|9=10|35=0|34=2|10=164|");
    }

    #[test]
    fn prices_have_two_to_four_decimals() {
        for (px, text) in [
            (1_234_500, "44=123.45|"),
            (10_000, "44=1.00|"),
            (1, "44=0.0001|"),
            (-15_000, "44=-1.50|"),
            (12_340, "44=1.234|"),
        ] {
            let mut f = Fields::new(64);
            f.px(44, Px(px));
            assert_eq!(String::from_utf8_lossy(f.finished().unwrap()).replace('\x01', "|"), text);
        }
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut out = Outbox::new(64);
        assert!(out.push(b"FIX.4.4", b"35=0\x01").is_some());
        let before = out.pending().to_vec();
        assert!(out.push(b"FIX.4.4", &[b'x'; 60]).is_none());
        assert_eq!(out.pending(), before);
        out.sent(before.len());
        assert!(out.push(b"FIX.4.4", b"35=0\x01").is_some(), "room is won back");
    }
}
