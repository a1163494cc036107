//! Bytes to messages, with bounded memory.
//!
//! A message is what stands between `8=` and the end that its BodyLength says, with a CheckSum that is right there. Anything else is **garbled** and skipped, as
//! the specification wants it: not answered, not counted, so that the sender's next message shows a gap and the garbled one is asked for again. Where the
//! checksum is not at the end that BodyLength says, everything up to that end is lost, and the search for a message goes on behind it.

use core::ops::Range;

use super::compose::checksum;
use super::tags::{self, SOH};
use super::value;

/// One field of a message: where its value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its tag. Negative where that was written: no valid tag, but a message that can be answered.
    pub tag: i32,
    start: u32,
    end: u32,
}

/// A message, as a view of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

/// What the framer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A whole message with the right length and sum, at these bytes.
    Message(Range<usize>),
    /// Bytes that are no message; they are skipped.
    Garbled,
}

/// Digits that a BodyLength may have.
const LENGTH_DIGITS: usize = 6;
/// The longest BeginString.
const BEGIN_MAX: usize = 16;
/// `10=ddd|`
const TRAILER: usize = 7;
/// How every message begins.
const START: &[u8] = b"8=FIX";

/// The receive buffer. Allocates once.
#[derive(Debug)]
pub struct Framer {
    buf: Box<[u8]>,
    head: usize,
    tail: usize,
}

impl Framer {
    /// A buffer of `capacity` bytes, which is also the longest message.
    #[must_use]
    pub fn new(capacity: usize) -> Framer {
        Framer { buf: vec![0; capacity].into_boxed_slice(), head: 0, tail: 0 }
    }

    /// Where the socket reads to. Empty only while whole messages wait.
    pub fn space(&mut self) -> &mut [u8] {
        if self.head > 0 {
            self.buf.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        &mut self.buf[self.tail..]
    }

    /// `n` bytes were read into the space.
    ///
    /// # Panics
    /// If `n` exceeds the space: a bug of the caller.
    pub fn commit(&mut self, n: usize) {
        assert!(n <= self.buf.len() - self.tail, "more bytes committed than there was space");
        self.tail += n;
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        (self.head, self.tail) = (0, 0);
    }

    /// Bytes that wait.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.tail - self.head
    }

    /// The bytes of a message that [`Framer::next_frame`] found; they stand until [`Framer::space`] is called.
    #[must_use]
    pub fn bytes(&self, at: Range<usize>) -> &[u8] {
        &self.buf[at]
    }

    /// The next message; `None` while there is no whole one.
    pub fn next_frame(&mut self) -> Option<Framed> {
        let waiting = &self.buf[self.head..self.tail];
        match frame(waiting, self.buf.len()) {
            Frame::Partial => None,
            Frame::Whole(length) => {
                let at = self.head..self.head + length;
                self.head = at.end;
                Some(Framed::Message(at))
            }
            Frame::Skip(garbage) => {
                self.head += garbage;
                self.resync();
                Some(Framed::Garbled)
            }
        }
    }

    /// Goes on at what may begin a message.
    fn resync(&mut self) {
        let waiting = &self.buf[self.head..self.tail];
        let may_begin = |at: &usize| {
            let rest = &waiting[*at..];
            rest.starts_with(START) || START.starts_with(rest)
        };
        self.head += (0..waiting.len()).find(may_begin).unwrap_or(waiting.len());
    }
}

enum Frame {
    Partial,
    Whole(usize),
    Skip(usize),
}

/// A field's value from `at` on, of at most `max` bytes, behind `prefix`; and where the next field begins.
fn early<'a>(bytes: &'a [u8], at: usize, prefix: &[u8], max: usize) -> Result<(&'a [u8], usize), Frame> {
    let rest = &bytes[at..];
    if !rest.starts_with(prefix) {
        return Err(if prefix.starts_with(rest) { Frame::Partial } else { Frame::Skip(1) });
    }
    let value = &rest[prefix.len()..];
    match value.iter().take(max + 1).position(|b| *b == SOH) {
        Some(end) => Ok((&value[..end], at + prefix.len() + end + 1)),
        None if value.len() > max => Err(Frame::Skip(1)),
        None => Err(Frame::Partial),
    }
}

fn frame(bytes: &[u8], longest: usize) -> Frame {
    match extent(bytes, longest) {
        Ok(frame) | Err(frame) => frame,
    }
}

fn extent(bytes: &[u8], longest: usize) -> Result<Frame, Frame> {
    // What a search for a beginning looks for, or where one is found would depend on how the stream was cut.
    if !bytes.starts_with(START) {
        return Err(if START.starts_with(bytes) { Frame::Partial } else { Frame::Skip(1) });
    }
    let (_, at) = early(bytes, 0, b"8=", BEGIN_MAX)?;
    let (length, body) = early(bytes, at, b"9=", LENGTH_DIGITS)?;
    let length =
        value::uint(length).filter(|n| *n as usize + body + TRAILER <= longest).ok_or(Frame::Skip(1))?;
    let end = body + length as usize;
    let Some(trailer) = bytes.get(end..end + TRAILER) else { return Err(Frame::Partial) };
    if bytes[end - 1] != SOH || !trailer.starts_with(b"10=") || trailer[6] != SOH {
        return Err(Frame::Skip(end));
    }
    let right = value::uint(&trailer[3..6]) == Some(checksum(&bytes[..end]).into());
    Ok(if right { Frame::Whole(end + TRAILER) } else { Frame::Skip(end + TRAILER) })
}

/// The field that says how long the data field after it is, and that.
const fn data_after(tag: i32) -> Option<i32> {
    Some(match tag {
        95 => 96,
        90 => 91,
        93 => 89,
        212 => 213,
        348 => 349,
        350 => 351,
        354 => 355,
        362 => 363,
        364 => 365,
        618 => 619,
        621 => 622,
        _ => return None,
    })
}

/// Splits a framed message into `fields`, which never grows beyond its capacity. `None` for what is garbled: no `tag=value`, or not 8, 9, 35 first.
#[must_use]
pub fn split(bytes: &[u8], fields: &mut Vec<Field>) -> Option<()> {
    fields.clear();
    let mut at = 0;
    let mut data: Option<(i32, usize)> = None;
    while at < bytes.len() {
        let equals = at + bytes[at..].iter().take(12).position(|b| *b == b'=')?;
        let tag = tag_of(&bytes[at..equals])?;
        let start = equals + 1;
        let end = match data.take() {
            Some((of, length)) if of == tag => start.checked_add(length)?,
            _ => start + bytes[start..].iter().position(|b| *b == SOH)?,
        };
        if *bytes.get(end)? != SOH || fields.len() == fields.capacity() {
            return None;
        }
        fields.push(Field { tag, start: start as u32, end: end as u32 });
        if let Some(of) = data_after(tag) {
            data = value::uint(&bytes[start..end]).map(|length| (of, length as usize));
        }
        at = end + 1;
    }
    let begins = fields.get(..3)?.iter().map(|f| f.tag).eq([8, 9, tags::MSG_TYPE]);
    begins.then_some(())
}

fn tag_of(text: &[u8]) -> Option<i32> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let tag = i32::try_from(value::uint(digits)?).ok()?;
    Some(if digits.len() < text.len() { -tag } else { tag })
}

impl<'a> Message<'a> {
    /// A view of `bytes`, whose fields [`split`] has found.
    #[must_use]
    pub fn new(bytes: &'a [u8], fields: &'a [Field]) -> Message<'a> {
        Message { bytes, fields }
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fields in their order, begin string and checksum included.
    pub fn fields(&self) -> FieldValues<'a> {
        FieldValues { bytes: self.bytes, fields: self.fields.iter() }
    }

    /// The first value of `tag`.
    #[must_use]
    pub fn get(&self, tag: i32) -> Option<&'a [u8]> {
        self.fields().find_map(|(t, value)| (t == tag).then_some(value))
    }

    /// A whole number; `None` where it is absent or none.
    #[must_use]
    pub fn uint(&self, tag: i32) -> Option<u64> {
        self.get(tag).and_then(value::uint)
    }

    /// Whether the flag `tag` says yes.
    #[must_use]
    pub fn flag(&self, tag: i32) -> bool {
        self.get(tag) == Some(b"Y")
    }

    /// BeginString.
    #[must_use]
    pub fn begin(&self) -> &'a [u8] {
        self.get(8).unwrap_or_default()
    }

    /// MsgType.
    #[must_use]
    pub fn kind(&self) -> &'a [u8] {
        self.get(tags::MSG_TYPE).unwrap_or_default()
    }
}

/// The fields of a message: tag and value.
#[derive(Clone, Debug)]
pub struct FieldValues<'a> {
    bytes: &'a [u8],
    fields: core::slice::Iter<'a, Field>,
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = (i32, &'a [u8]);

    fn next(&mut self) -> Option<(i32, &'a [u8])> {
        let field = self.fields.next()?;
        Some((field.tag, &self.bytes[field.start as usize..field.end as usize]))
    }
}

/// Who speaks first on a connection, so that a port with several sessions can tell whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Not enough bytes yet.
    Unknown,
    /// The first message is no Logon.
    Stranger,
    /// A Logon.
    Logon {
        /// Its SenderCompID.
        sender: &'a [u8],
        /// Its TargetCompID.
        target: &'a [u8],
    },
}

impl<'a> Caller<'a> {
    /// Looks at the first bytes of a connection, which are then still to be given to the session. Allocates.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Caller<'a> {
        const LONGEST: usize = 4096;
        let length = match frame(bytes, LONGEST) {
            Frame::Partial => return Caller::Unknown,
            Frame::Skip(_) => return Caller::Stranger,
            Frame::Whole(length) => length,
        };
        let mut fields = Vec::with_capacity(LONGEST / 4);
        if split(&bytes[..length], &mut fields).is_none() {
            return Caller::Stranger;
        }
        let (mut sender, mut target, mut logon) = (&b""[..], &b""[..], false);
        for field in fields {
            let text = &bytes[field.start as usize..field.end as usize];
            match field.tag {
                tags::MSG_TYPE => logon = text == tags::admin::LOGON,
                tags::SENDER_COMP_ID => sender = text,
                tags::TARGET_COMP_ID => target = text,
                _ => {}
            }
        }
        if logon { Caller::Logon { sender, target } } else { Caller::Stranger }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compose::{Fields, finish};
    use super::*;

    fn message(body: &str) -> Vec<u8> {
        let mut out = Fields::new(4096);
        assert!(finish(&mut out, b"FIX.4.4", body.replace('|', "\x01").as_bytes()));
        out.finished().unwrap().to_vec()
    }

    fn all(framer: &mut Framer) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(framed) = framer.next_frame() {
            found.push(match framed {
                Framed::Garbled => "garbled".to_owned(),
                Framed::Message(at) => {
                    let bytes = framer.bytes(at).to_vec();
                    let mut fields = Vec::with_capacity(64);
                    match split(&bytes, &mut fields) {
                        Some(()) => {
                            String::from_utf8_lossy(Message::new(&bytes, &fields).kind()).into_owned()
                        }
                        None => "unsplit".to_owned(),
                    }
                }
            });
        }
        found
    }

    fn feed(framer: &mut Framer, bytes: &[u8]) {
        framer.space()[..bytes.len()].copy_from_slice(bytes);
        framer.commit(bytes.len());
    }

    #[test]
    fn messages_are_found_whatever_way_they_are_cut() {
        let stream =
            [message("35=0|34=2|"), message("35=D|34=3|95=5|96=a|10=|58=x|"), message("35=5|34=4|")].concat();
        for cut in 1..stream.len() {
            let mut framer = Framer::new(256);
            let mut found = Vec::new();
            for part in stream.chunks(cut) {
                feed(&mut framer, part);
                found.extend(all(&mut framer));
            }
            assert_eq!(found, ["0", "D", "5"], "cut {cut}");
        }
    }

    #[test]
    fn data_may_hold_what_ends_a_field() {
        let bytes = message("35=A|95=6|96=a|10=1|58=x|");
        let mut fields = Vec::with_capacity(16);
        split(&bytes, &mut fields).unwrap();
        let m = Message::new(&bytes, &fields);
        assert_eq!(
            (m.get(96), m.get(58), m.get(10).is_some()),
            (Some(&b"a\x0110=1"[..]), Some(&b"x"[..]), true)
        );
        for bad in ["35=A|95=7|96=a|10=1|", "35=A|95=999999999|96=a|", "35=A|95=18446744073709551615|96=a|"] {
            assert_eq!(split(&message(bad), &mut fields), None, "{bad}");
        }
    }

    #[test]
    fn garbage_is_skipped_and_what_follows_is_found() {
        let good = message("35=0|34=2|");
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 2;
        wrong_sum[at] = if wrong_sum[at] == b'0' { b'1' } else { b'0' };
        let replace =
            |from: &str, to: &str| String::from_utf8(good.clone()).unwrap().replace(from, to).into_bytes();
        for (what, garbage) in [
            ("sum", wrong_sum),
            ("too short", replace("9=10", "9=05")),
            ("a length beyond the buffer", replace("9=10", "9=999999")),
            ("no length", replace("9=10", "9=x")),
            ("a long length", replace("9=10", "9=0000010")),
            ("no begin", good[3..].to_vec()),
            ("noise", b"\x00\xff8=F8=FI\x01".to_vec()),
            ("half a beginning", b"\x018=".to_vec()),
        ] {
            let stream = [garbage, good.clone()].concat();
            let mut framer = Framer::new(512);
            feed(&mut framer, &stream);
            let found = all(&mut framer);
            let mut framer = Framer::new(512);
            let by_bytes: Vec<_> = stream
                .iter()
                .flat_map(|byte| {
                    feed(&mut framer, &[*byte]);
                    all(&mut framer)
                })
                .collect();
            assert_eq!(by_bytes.last(), found.last(), "{what}, byte by byte");
            assert_eq!(found.last().map(String::as_str), Some("0"), "{what}: {found:?}");
            assert!(
                found.len() > 1 && found[..found.len() - 1].iter().all(|f| f == "garbled"),
                "{what}: {found:?}"
            );
        }
    }

    #[test]
    fn a_message_that_does_not_begin_as_it_must_is_no_message() {
        let mut fields = Vec::with_capacity(16);
        for bad in ["34=3|35=0|", "35=0|garbled|", "35=0|4x9=TW|", "35=0|=TW|"] {
            assert_eq!(split(&message(bad), &mut fields), None, "{bad}");
        }
        let bytes = message("35=0|-1=HI|0=HI|");
        split(&bytes, &mut fields).unwrap();
        assert_eq!(Message::new(&bytes, &fields).fields().nth(3), Some((-1, &b"HI"[..])));
    }
}
