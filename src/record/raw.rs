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

use std::net::SocketAddr;
use std::path::Path;

use net::pcap::write::{interface, packet, section};

use super::ring::{Entry, Files, Taker};
use super::series::Series;
use super::{RecordError, Written};

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
        section(&mut head, concat!("colo ", env!("CARGO_PKG_VERSION")));
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
        packet(&mut self.block, entry.number as u32, entry.received.0, (at.from, at.to), entry.bytes);
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

#[cfg(test)]
mod tests {
    use model::Nanos;

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
}
