//! BinaryFILE: a day of messages in a file, each behind its length.
//!
//! ```text
//! +--------+---------+--------+---------+-- .. --+--------+
//! | length | message | length | message |        | 0x0000 |
//! | u16 BE | bytes   | u16 BE | bytes   |        |        |
//! +--------+---------+--------+---------+-- .. --+--------+
//! ```
//!
//! A zero length ends the stream; files that just end after a message are as good. [`sniff`] tells what else a file may be by its
//! first bytes, so that a wrong one gives one clear sentence.

use core::fmt;
use std::io::{self, Write};

use crate::itch50::wire::{LENGTHS, length};

/// Why the messages end before the bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The file ends inside a message: it was cut, or is still being written.
    #[error("cut off at byte {offset}: the message that starts there is not complete")]
    Truncated {
        /// Where the incomplete message's length is, in bytes from the start.
        offset: usize,
    },
}

/// The messages of a file, in order. No allocation; after an error or the end it gives `None`.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    offset: usize,
    ended: bool,
}

impl<'a> Messages<'a> {
    /// Over a whole file's bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Messages<'a> {
        Messages { bytes, offset: 0, ended: false }
    }

    /// Where the next message's length is, in bytes from the start. At the end: where reading stopped.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<&'a [u8], FileError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let rest = &self.bytes[self.offset..];
        if let Some((len, rest)) = rest.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*len));
            if len != 0
                && let Some(msg) = rest.get(..len)
            {
                self.offset += 2 + len;
                return Some(Ok(msg));
            }
            self.ended = true;
            return (len != 0).then_some(Err(FileError::Truncated { offset: self.offset }));
        }
        self.ended = true;
        (!rest.is_empty()).then_some(Err(FileError::Truncated { offset: self.offset }))
    }
}

/// Writes one message behind its length.
///
/// # Errors
/// What `out` gives; `InvalidInput` for a message without bytes, which would end the stream, or of more than 65,535.
pub fn write(out: &mut impl Write, msg: &[u8]) -> io::Result<()> {
    match u16::try_from(msg.len()) {
        Ok(len) if len != 0 => {
            out.write_all(&len.to_be_bytes())?;
            out.write_all(msg)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "a message has 1 to 65,535 bytes")),
    }
}

/// Writes the zero length that ends a stream.
///
/// # Errors
/// What `out` gives.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0, 0])
}

/// What a file holds, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages of ITCH 5.0 in BinaryFILE framing.
    ItchBinaryFile,
    /// Compressed by gzip.
    Gzip,
    /// Compressed by zstd.
    Zstd,
    /// A packet capture (either byte order, micro- or nanoseconds).
    Pcap,
    /// A packet capture of the next generation.
    PcapNg,
    /// None of these.
    Unknown,
}

impl fmt::Display for Kind {
    /// One sentence for whoever gave the wrong file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::ItchBinaryFile => "an ITCH 5.0 BinaryFILE",
            Kind::Gzip => "a gzip file: decompress it first (gunzip)",
            Kind::Zstd => "a zstd file: decompress it first (unzstd)",
            Kind::Pcap => "a pcap capture, not an ITCH 5.0 BinaryFILE",
            Kind::PcapNg => "a pcapng capture, not an ITCH 5.0 BinaryFILE",
            Kind::Unknown => {
                "not an ITCH 5.0 BinaryFILE (a 16-bit big-endian length before each message), nor gzip, zstd, pcap or pcapng"
            }
        })
    }
}

/// How many messages [`sniff`] looks at.
const SNIFFED: usize = 8;

/// What a file holds, by its first bytes; 512 of them are enough. An empty file is [`Kind::Unknown`], one of a lone zero length an ITCH
/// BinaryFILE without messages.
#[must_use]
pub fn sniff(head: &[u8]) -> Kind {
    match head {
        [0x1F, 0x8B, ..] => Kind::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Kind::Zstd,
        [0xA1, 0xB2, 0xC3, 0xD4, ..]
        | [0xD4, 0xC3, 0xB2, 0xA1, ..]
        | [0xA1, 0xB2, 0x3C, 0x4D, ..]
        | [0x4D, 0x3C, 0xB2, 0xA1, ..] => Kind::Pcap,
        [0x0A, 0x0D, 0x0D, 0x0A, ..] => Kind::PcapNg,
        [0, 0] => Kind::ItchBinaryFile,
        _ if starts_with_itch(head) => Kind::ItchBinaryFile,
        _ => Kind::Unknown,
    }
}

/// Whether each of the first messages that are whole is as long as its type, and there is one. A type may be newer than
/// this code and a message longer, but neither may be the first.
fn starts_with_itch(head: &[u8]) -> bool {
    let mut messages = Messages::new(head).map_while(Result::ok).take(SNIFFED);
    let first = messages.next().is_some_and(|msg| length(msg[0]) == Some(msg.len()));
    first && messages.all(|msg| msg.len() >= usize::from(LENGTHS[usize::from(msg[0])]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(messages: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for msg in messages {
            write(&mut out, msg).unwrap();
        }
        out
    }

    #[test]
    fn reads_what_was_written_with_and_without_an_end() {
        let mut bytes = file(&[b"one", b"three"]);
        let all = |bytes: &[u8]| Messages::new(bytes).map(|m| m.unwrap().to_vec()).collect::<Vec<_>>();
        assert_eq!(all(&bytes), [&b"one"[..], b"three"]);
        write_end(&mut bytes).unwrap();
        bytes.extend_from_slice(&file(&[b"after the end"]));
        assert_eq!(all(&bytes), [&b"one"[..], b"three"]);
        let mut messages = Messages::new(&bytes);
        assert_eq!(messages.by_ref().count(), 2);
        assert_eq!(messages.offset(), 12);
        assert_eq!(messages.next(), None);
    }

    #[test]
    fn a_cut_file_says_where_once() {
        let bytes = file(&[b"one", b"three"]);
        for len in [6, 7, 11] {
            let mut messages = Messages::new(&bytes[..len]);
            assert_eq!(messages.next(), Some(Ok(&b"one"[..])));
            assert_eq!(messages.next(), Some(Err(FileError::Truncated { offset: 5 })));
            assert_eq!(messages.next(), None);
        }
        assert_eq!(Messages::new(&[]).next(), None);
        assert_eq!(
            FileError::Truncated { offset: 5 }.to_string(),
            "cut off at byte 5: the message that starts there is not complete"
        );
    }

    #[test]
    fn lengths_that_cannot_be_written_are_refused() {
        let mut out = Vec::new();
        for bad in [vec![], vec![0; 65_536]] {
            assert_eq!(write(&mut out, &bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(out.is_empty());
        let longest = vec![b'x'; 65_535];
        write(&mut out, &longest).unwrap();
        assert_eq!(Messages::new(&out).next(), Some(Ok(&longest[..])));
    }

    #[test]
    fn tells_files_by_their_content() {
        let system = [&b"S"[..], &[0; 11]].concat();
        for (head, kind) in [
            (&b"\x1F\x8B\x08\0"[..], Kind::Gzip),
            (b"\x28\xB5\x2F\xFD\0", Kind::Zstd),
            (b"\xD4\xC3\xB2\xA1", Kind::Pcap),
            (b"\x4D\x3C\xB2\xA1", Kind::Pcap),
            (b"\xA1\xB2\xC3\xD4", Kind::Pcap),
            (b"\xA1\xB2\x3C\x4D", Kind::Pcap),
            (b"\x0A\x0D\x0D\x0A", Kind::PcapNg),
            (b"", Kind::Unknown),
            (b"\0", Kind::Unknown),
            (b"\0\0", Kind::ItchBinaryFile),
            (b"{\"type\":\"S\"}", Kind::Unknown),
            (b"34200.1,1,2,3\n", Kind::Unknown),
            (&file(&[b"not ITCH"]), Kind::Unknown),
            (&file(&[&system]), Kind::ItchBinaryFile),
            (&file(&[&system, b"zNEW"]), Kind::ItchBinaryFile),
            (&file(&[&system, b"A too short"]), Kind::Unknown),
            (&file(&[&system, &system])[..20], Kind::ItchBinaryFile),
        ] {
            assert_eq!(sniff(head), kind, "{head:?}");
        }
        assert!(Kind::Gzip.to_string().contains("gunzip"));
    }
}
