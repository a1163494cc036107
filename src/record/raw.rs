//! The writer of the raw capture: every datagram as it was received, as pcapng (draft-ietf-opsawg-pcapng) with an interface for each line and each
//! re-request server.
//!
//! ```text
//!   section header | interface A | interface B | re-request ..      at the start of each file
//!   enhanced packet: interface, time in ns, [IPv4 | UDP | payload]  one for each datagram; link type RAW (101)
//! ```
//!
//! The headers are made up, for a socket does not give them: to the line's address, from nobody (0.0.0.0:0), and of a server from its address. The UDP
//! checksum is 0, which says that there is none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use model::Nanos;

use super::ring::{Entry, Files, Taker};
use super::series::Series;
use super::{RecordError, Written};

/// `LINKTYPE_RAW`: a packet begins with its IP header.
const LINK_RAW: u16 = 101;
/// Bytes of both headers.
const HEADERS: usize = 28;
/// Bytes written at a time, where there are so many.
const BLOCK: usize = 256 * 1024;

/// Where datagrams come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// What a person calls it.
    pub name: String,
    /// Where its datagrams come from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
}

/// The capture's files.
pub(super) struct RawFiles {
    files: Series,
    interfaces: Vec<Interface>,
    block: Vec<u8>,
    held: u64,
    written: Written,
}

impl RawFiles {
    pub(super) fn create(
        name: &Path,
        interfaces: Vec<Interface>,
        rotate: Option<u64>,
        overwrite: bool,
    ) -> Result<RawFiles, RecordError> {
        let files = Series::create(name, rotate, overwrite)?;
        let written = Written { files: vec![files.path().to_path_buf()], ..Written::default() };
        let mut raw = RawFiles { files, interfaces, block: Vec::with_capacity(2 * BLOCK), held: 0, written };
        raw.head()?;
        Ok(raw)
    }

    /// Writes what comes until nothing can come any more, or writing fails.
    pub(super) fn run(mut self, mut taker: Taker) -> (Written, Option<RecordError>) {
        let done = taker.empty_into(&mut self);
        (self.written, done.err())
    }

    /// A file begins with a section of its own, so that each can be read alone.
    fn head(&mut self) -> Result<(), RecordError> {
        let mut head = Vec::new();
        section(&mut head);
        self.interfaces.iter().for_each(|i| interface(&mut head, &i.name));
        self.files.write(&head)?;
        self.written.bytes += head.len() as u64;
        Ok(())
    }
}

impl Files for RawFiles {
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), RecordError> {
        let Some(at) = self.interfaces.get(entry.number as usize) else { return Ok(()) };
        let before = self.block.len();
        packet(&mut self.block, entry.number as u32, entry.received, (at.from, at.to), entry.bytes);
        let more = self.block.len() - before;
        self.held += 1;
        if self.files.is_full(before, more) {
            let last = self.block.split_off(before);
            self.held -= 1;
            self.flush()?;
            self.files.rotate()?;
            self.written.files.push(self.files.path().to_path_buf());
            self.head()?;
            self.block = last;
            self.held = 1;
        }
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.files.write(&self.block)?;
        self.written.records += self.held;
        self.written.bytes += self.block.len() as u64;
        self.held = 0;
        self.block.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        self.files.finish()
    }
}

/// Appends a block: its type, its length twice, and the body padded to four bytes.
fn block(to: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend(kind.to_le_bytes());
    to.extend([0; 4]);
    body(to);
    pad(to, start);
    let length = (to.len() - start + 4) as u32;
    to.extend(length.to_le_bytes());
    to[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

/// Blocks and options have lengths in fours; `start` is where this one begins.
fn pad(to: &mut Vec<u8>, start: usize) {
    let len = to.len() - start;
    to.resize(start + len.next_multiple_of(4), 0);
}

fn option(to: &mut Vec<u8>, code: u16, value: &[u8]) {
    let start = to.len();
    to.extend(code.to_le_bytes());
    to.extend((value.len() as u16).to_le_bytes());
    to.extend(value);
    pad(to, start);
}

/// A section header: byte order, version 1.0, length unknown, who wrote it.
fn section(to: &mut Vec<u8>) {
    block(to, 0x0A0D_0D0A, |b| {
        b.extend(0x1A2B_3C4Du32.to_le_bytes());
        b.extend(1u16.to_le_bytes());
        b.extend(0u16.to_le_bytes());
        b.extend(u64::MAX.to_le_bytes());
        option(b, 4, concat!("colo ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(b, 0, &[]);
    });
}

/// An interface: raw IP, whole packets, its name, time in nanoseconds.
fn interface(to: &mut Vec<u8>, name: &str) {
    block(to, 1, |b| {
        b.extend(LINK_RAW.to_le_bytes());
        b.extend([0; 2]);
        b.extend(0u32.to_le_bytes());
        option(b, 2, name.as_bytes());
        option(b, 9, &[9]);
        option(b, 0, &[]);
    });
}

/// A datagram as an enhanced packet.
fn packet(
    to: &mut Vec<u8>,
    interface: u32,
    received: Nanos,
    (from, dest): (SocketAddr, SocketAddr),
    payload: &[u8],
) {
    block(to, 6, |b| {
        // A UDP payload over IPv4 has at most 65,507 bytes, so the lengths fit.
        let whole = HEADERS + payload.len();
        b.extend(interface.to_le_bytes());
        b.extend(((received.0 >> 32) as u32).to_le_bytes());
        b.extend((received.0 as u32).to_le_bytes());
        b.extend((whole as u32).to_le_bytes());
        b.extend((whole as u32).to_le_bytes());
        b.extend(ipv4(whole as u16, from, dest));
        b.extend(from.port().to_be_bytes());
        b.extend(dest.port().to_be_bytes());
        b.extend(((8 + payload.len()) as u16).to_be_bytes());
        b.extend([0; 2]);
        b.extend(payload);
    });
}

/// An IPv4 header without options: do not fragment, 64 hops, UDP (RFC 791).
fn ipv4(whole: u16, from: SocketAddr, to: SocketAddr) -> [u8; 20] {
    let mut h = [0; 20];
    h[0] = 0x45;
    h[2..4].copy_from_slice(&whole.to_be_bytes());
    h[6] = 0x40;
    h[8] = 64;
    h[9] = 17;
    h[12..16].copy_from_slice(&octets(from));
    h[16..20].copy_from_slice(&octets(to));
    let sum = h.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u32>();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !((folded & 0xFFFF) + (folded >> 16)) as u16;
    h[10..12].copy_from_slice(&checksum.to_be_bytes());
    h
}

/// The configuration allows IPv4 only.
fn octets(address: SocketAddr) -> [u8; 4] {
    match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::{Kind, ring};
    use super::*;
    use crate::source::Source;

    fn line(name: &str, to: &str) -> Interface {
        let (from, to) = ("0.0.0.0:0".parse().expect("an address"), to.parse().expect("an address"));
        Interface { name: name.into(), from, to }
    }

    /// A MoldUDP64 packet of one message.
    fn mold(sequence: u64) -> Vec<u8> {
        let message = vec![b'S'; 1 + sequence as usize % 7];
        let mut p = b"SESSION001".to_vec();
        p.extend(sequence.to_be_bytes());
        p.extend(1u16.to_be_bytes());
        p.extend((message.len() as u16).to_be_bytes());
        p.extend(message);
        p
    }

    #[test]
    fn a_capture_is_read_back_whichever_line_brought_what() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("day.pcapng");
        let interfaces = vec![line("A", "239.0.0.1:26001"), line("B", "127.0.0.1:26002")];
        let raw = RawFiles::create(&name, interfaces, Some(2_000), false).expect("files");
        let (mut giver, taker) = ring(1 << 20);
        for s in 1..=100u64 {
            giver.put(Entry {
                kind: Kind::Record,
                number: s % 2,
                received: Nanos(1_700_000_000_000_000_000 + s),
                bytes: &mold(s),
            });
        }
        assert!(giver.push());
        drop(giver);
        let (written, failed) = raw.run(taker);
        assert!(failed.is_none(), "{failed:?}");
        assert_eq!(written.records, 100);
        assert!(written.files.len() > 2, "{written:?}");
        let (mut next, mut bytes) = (1, 0);
        for file in &written.files {
            let len = std::fs::metadata(file).expect("a file").len();
            assert!(len <= 2_000 && len % 4 == 0, "{len}");
            bytes += len;
            // Read alone, each file begins in the middle of a session.
            let mut source = Source::open(file).expect("a capture");
            while let Some(m) = source.next_message().expect("whole") {
                assert_eq!((m.sequence, m.bytes), (next, &mold(next)[22..]));
                next += 1;
            }
        }
        assert_eq!((next, bytes), (101, written.bytes));
    }

    #[test]
    fn the_headers_are_those_of_a_datagram() {
        let (from, to) =
            ("192.0.2.1:7".parse().expect("address"), "239.1.2.3:26001".parse().expect("address"));
        let header = ipv4(HEADERS as u16 + 4, from, to);
        let words = header.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF, "the sum over a header with its checksum");
        let mut bytes = Vec::new();
        packet(&mut bytes, 3, Nanos(0x0102_0304_0506_0708), (from, to), b"mold");
        assert_eq!(bytes.len(), 12 + 20 + HEADERS + 4);
        assert_eq!(bytes[8..28], [3, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 32, 0, 0, 0, 32, 0, 0, 0]);
        assert_eq!(bytes[40..48], [192, 0, 2, 1, 239, 1, 2, 3]);
        assert_eq!(bytes[48..60], [0, 7, 0x65, 0x91, 0, 12, 0, 0, b'm', b'o', b'l', b'd']);
    }
}
