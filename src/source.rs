//! Historical market data: one stream of messages out of whatever kind of file holds it.
//!
//! ```text
//!   file --+---------------------> Window --+-- BinaryFILE ----------------------------------> messages
//!          +-- gzip, zstd: unpacked once --^  +-- pcap, pcapng --> frame --> MoldUDP64 channel --^   (PITCH: a channel a unit, made into ITCH 5.0)
//!                                             +-- LOBSTER messages, DBN --> made into ITCH 5.0 -^
//! ```
//!
//! The kind is told from the first bytes ([`feeds::binaryfile::sniff`]), of a packed file from the first bytes inside. Everything is read once, front
//! to back, through a window of fixed size ([`WINDOW`]), so that a pipe will do and memory stays flat whatever the file's size. Nothing is
//! mapped: a file that shrinks while it is mapped ends the process by a signal, one that shrinks while it is read is a sentence.
//!
//! What a capture holds goes through the same arbitration as a live feed ([`feeds::channel`]): lines A and B in one capture give each message once and
//! in sequence. Packets whose header was wiped (session NUL or sequence 0), as in published samples, are taken in file order.
//!
//! Other formats of orders and trades are made into the ITCH 5.0 messages that say the same (`lobster`, `databento`, `pitch`), so that whatever
//! reads a stream reads them by the one path. What had to be made up and what is lost stands there.

mod capture;
mod databento;
mod lobster;
mod lobster_book;
mod made;
mod pitch;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use feeds::binaryfile::{Kind, Messages, sniff};
use feeds::channel::ChannelStats;
use flate2::read::MultiGzDecoder;

use capture::Capture;
use databento::Databento;
use lobster::Lobster;
use lobster_book::Book;
use net::pcap::window::Window;

pub use net::pcap::window::WINDOW;

/// Bytes looked at to tell a file's kind.
const HEAD: usize = 512;

/// Why a file's messages cannot be had, in one sentence with the path.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be opened.
    #[error("{}: cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading stopped.
    #[error("{}: cannot be read after byte {offset}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// How far it was read; of a packed file, in what it unpacks to.
        offset: u64,
        /// What the system or the unpacking said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {found}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// It ends inside a message or a packet.
    #[error("{}: cut off at byte {offset}{}: the {what} that starts there is not complete", path.display(), of_what(*unpacked))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where what is incomplete begins.
        offset: u64,
        /// What is incomplete.
        what: &'static str,
        /// Whether the offset is one of the unpacked bytes.
        unpacked: bool,
    },
    /// A row or record says what cannot be.
    #[error("{}: {kind} {number}: {what}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What the file counts: lines or records.
        kind: &'static str,
        /// Which one, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The capture's own structure does not hold.
    #[error("{}: damaged at byte {offset}{}: {what}", path.display(), of_what(*unpacked))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
        /// Whether the offset is one of the unpacked bytes.
        unpacked: bool,
    },
}

fn of_what(unpacked: bool) -> &'static str {
    if unpacked { " of what it unpacks to" } else { "" }
}

/// Why reading does not go on, without the path.
enum Fault {
    Io(io::Error),
    Truncated { offset: u64, what: &'static str },
    Malformed { offset: u64, what: &'static str },
    Entry { what: String, kind: &'static str, number: u64 },
    Other(String),
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Fault {
        Fault::Io(e)
    }
}

/// A message and its place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its sequence: MoldUDP64's where packets carry one, otherwise its place in the file, from 1.
    pub sequence: u64,
    /// Its bytes, at least one.
    pub bytes: &'a [u8],
}

/// A file being read.
pub struct Source {
    path: PathBuf,
    unpacked: bool,
    stream: Stream,
    /// Bytes of the file read so far, packed as they are.
    read: Arc<AtomicU64>,
    size: Option<u64>,
}

/// Counts what is read through it.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

enum Stream {
    BinaryFile { window: Window, taken: u64, ended: bool },
    Capture(Box<Capture>),
    Lobster(Box<Lobster>),
    Databento(Box<Databento>),
}

impl Source {
    /// Opens a file and tells what it holds. Allocates the window; a few reads.
    ///
    /// # Errors
    /// [`SourceError::Open`], [`SourceError::Read`], and [`SourceError::Kind`] for what is none of the kinds.
    pub fn open(path: &Path) -> Result<Source, SourceError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (about, file) =
            opened.map_err(|source| SourceError::Open { path: path.to_path_buf(), source })?;
        if about.is_dir() {
            let found = "a folder, where a file of market data is wanted".into();
            return Err(SourceError::Kind { path: path.to_path_buf(), found });
        }
        let mut source = Source::read(path, file)?;
        // A pipe or a device has no size.
        source.size = about.is_file().then_some(about.len());
        Ok(source)
    }

    /// As [`Source::open`], with one order a level in place of orders: of a LOBSTER message file with its order book file beside it, plain text both.
    ///
    /// # Errors
    /// As [`Source::open`]; [`SourceError::Kind`] for any other file, for it holds orders.
    pub fn open_levels(path: &Path) -> Result<Source, SourceError> {
        let mut source = Source::open(path)?;
        let kind = |found: &str| SourceError::Kind { path: path.to_path_buf(), found: found.into() };
        let Stream::Lobster(rows) = &mut source.stream else {
            return Err(kind(
                "it holds orders, and levels are wanted: leave `backtest.queue` out, or give a LOBSTER message file with its order book file beside it",
            ));
        };
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let book = path.with_file_name(name.replacen("_message_", "_orderbook_", 1));
        if source.unpacked || book == path {
            return Err(kind("levels want ..._message_N.csv and ..._orderbook_N.csv, not packed"));
        }
        let file = File::open(&book).map_err(|source| SourceError::Open { path: book, source })?;
        rows.by_levels(Book::new(Box::new(io::BufReader::new(file))));
        Ok(source)
    }

    /// As [`Source::open`], of anything that can be read; `path` names it in errors.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn read(path: &Path, input: impl Read + Send + 'static) -> Result<Source, SourceError> {
        let read = Arc::new(AtomicU64::new(0));
        let window = Window::new(Counted { input, read: Arc::clone(&read) });
        let mut source = Source {
            path: path.to_path_buf(),
            unpacked: false,
            stream: Stream::BinaryFile { window, taken: 0, ended: false },
            read,
            size: None,
        };
        source.settle_kind().map_err(|fault| source.error(fault))?;
        Ok(source)
    }

    /// Turns the stream into that of the kind that the first bytes tell, unpacking once.
    fn settle_kind(&mut self) -> Result<(), Fault> {
        let Stream::BinaryFile { window, .. } = &mut self.stream else { return Ok(()) };
        let head = window.want(HEAD)?;
        if head.is_empty() {
            return Err(Fault::Other("it is empty".into()));
        }
        if head.starts_with(databento::MAGIC) {
            let window = std::mem::replace(window, Window::new(io::empty()));
            self.stream = Stream::Databento(Box::new(Databento::open(window)?));
            return Ok(());
        }
        match sniff(head) {
            Kind::ItchBinaryFile => Ok(()),
            kind @ (Kind::Gzip | Kind::Zstd) if self.unpacked => Err(Fault::Other(format!(
                "a {} file inside a packed file: unpack it once",
                if kind == Kind::Gzip { "gzip" } else { "zstd" }
            ))),
            kind @ (Kind::Gzip | Kind::Zstd) => {
                let packed = std::mem::replace(window, Window::new(io::empty()));
                *window = match kind {
                    Kind::Gzip => Window::new(MultiGzDecoder::new(packed)),
                    _ => Window::new(zstd::Decoder::new(packed)?),
                };
                self.unpacked = true;
                self.settle_kind()
            }
            Kind::Pcap | Kind::PcapNg => {
                let window = std::mem::replace(window, Window::new(io::empty()));
                self.stream = Stream::Capture(Box::new(Capture::open(window)?));
                Ok(())
            }
            Kind::Unknown => self.settle_text(),
        }
    }

    /// Rows of LOBSTER messages are told by the first of them, or by the file's name: one with a bad first row is then named by its line.
    fn settle_text(&mut self) -> Result<(), Fault> {
        let Stream::BinaryFile { window, .. } = &mut self.stream else { return Ok(()) };
        let is_rows = lobster::sniff(window.want(HEAD)?);
        let symbol = match lobster::ticker(&self.path) {
            Some(symbol) => symbol,
            None if is_rows => {
                return Err(Fault::Other(
                    "rows as of a LOBSTER message file, whose name says the ticker: TICKER_YYYY-MM-DD_.._message_N.csv"
                        .into(),
                ));
            }
            None => return Err(Fault::Other(format!("{}, LOBSTER messages or DBN", Kind::Unknown))),
        };
        let window = std::mem::replace(window, Window::new(io::empty()));
        self.stream = Stream::Lobster(Box::new(Lobster::new(window, symbol)));
        Ok(())
    }

    /// The next message, or `None` at the end. No allocation except where a capture's packet is larger than any before.
    ///
    /// # Errors
    /// [`SourceError`]: nothing more comes then.
    #[expect(clippy::should_implement_trait, reason = "lends from its buffer, which Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, SourceError> {
        Ok(self.next_message()?.map(|m| m.bytes))
    }

    /// As [`Source::next`], with the message's sequence.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, SourceError> {
        match self.advance() {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some(match &self.stream {
                Stream::BinaryFile { window, taken, .. } => {
                    Message { sequence: *taken, bytes: &window.passed()[2..] }
                }
                Stream::Capture(capture) => capture.message(),
                Stream::Lobster(rows) => rows.message(),
                Stream::Databento(records) => records.message(),
            })),
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Goes to the next message; `false` at the end.
    fn advance(&mut self) -> Result<bool, Fault> {
        let (window, taken, ended) = match &mut self.stream {
            Stream::Capture(capture) => return capture.advance(),
            Stream::Lobster(rows) => return rows.advance(),
            Stream::Databento(records) => return records.advance(),
            Stream::BinaryFile { window, taken, ended } => (window, taken, ended),
        };
        if *ended {
            return Ok(false);
        }
        let cut = |offset| Fault::Truncated { offset, what: "message" };
        let offset = window.offset();
        let len = match *window.want(2).map_err(|e| cut_short(e, cut(offset)))? {
            [] => 0,
            [_] => return Err(cut(offset)),
            [hi, lo, ..] => usize::from(u16::from_be_bytes([hi, lo])),
        };
        if len == 0 {
            *ended = true;
            return Ok(false);
        }
        if window.want(2 + len).map_err(|e| cut_short(e, cut(offset)))?.len() < 2 + len {
            return Err(cut(offset));
        }
        window.pass(2 + len);
        *taken += 1;
        Ok(true)
    }

    /// Appends messages to `framed`, each behind its length (u16 big-endian), until it holds at least `bytes`; how many were appended, 0 at the end.
    ///
    /// # Errors
    /// As [`Source::next`]; what came before is in `framed`.
    pub fn fill(&mut self, framed: &mut Vec<u8>, bytes: usize) -> Result<u64, SourceError> {
        let mut count = 0;
        while framed.len() < bytes {
            let Some(message) = self.next()? else { break };
            framed.extend_from_slice(&(message.len() as u16).to_be_bytes());
            framed.extend_from_slice(message);
            count += 1;
        }
        Ok(count)
    }

    /// Bytes of the file read so far, packed as they are; ahead of the message that is out by at most a window and what an unpacking holds.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The file's size when it was opened; `None` where it has none.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// What the arbitration of a capture's packets counted, all of them as one line; `None` for other kinds.
    #[must_use]
    pub fn arbitration(&self) -> Option<&ChannelStats> {
        match &self.stream {
            Stream::Capture(capture) => Some(capture.arbitration()),
            _ => None,
        }
    }

    /// What a person should know of the stream that was read, one sentence each: what the file lacks, or what of it cannot be said in ITCH 5.0.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let remarks = match &self.stream {
            Stream::BinaryFile { .. } | Stream::Lobster(_) => Vec::new(),
            Stream::Capture(capture) => capture.remarks(),
            Stream::Databento(records) => records.remarks(),
        };
        remarks.into_iter().map(|r| format!("{}: {r}", self.path.display())).collect()
    }

    #[cold]
    fn error(&self, fault: Fault) -> SourceError {
        let (path, unpacked) = (self.path.clone(), self.unpacked);
        match fault {
            Fault::Io(source) => {
                let offset = match &self.stream {
                    Stream::BinaryFile { window, .. } => window.offset(),
                    Stream::Capture(capture) => capture.offset(),
                    Stream::Lobster(rows) => rows.offset(),
                    Stream::Databento(records) => records.offset(),
                };
                SourceError::Read { path, offset, source }
            }
            Fault::Truncated { offset, what } => SourceError::Truncated { path, offset, what, unpacked },
            Fault::Malformed { offset, what } => SourceError::Malformed { path, offset, what, unpacked },
            Fault::Entry { what, kind, number } => SourceError::Entry { path, kind, number, what },
            Fault::Other(found) => SourceError::Kind { path, found },
        }
    }
}

/// A packed stream that ends early is an error of the unpacking: here it is a file that was cut.
fn cut_short(e: io::Error, cut: Fault) -> Fault {
    if e.kind() == io::ErrorKind::UnexpectedEof { cut } else { Fault::Io(e) }
}

/// A whole stream in memory, in BinaryFILE framing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framed {
    /// The bytes: each message behind its length.
    pub bytes: Vec<u8>,
    /// How many messages.
    pub messages: u64,
}

impl Framed {
    /// The messages in order. No allocation.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        Messages::new(&self.bytes).map_while(Result::ok)
    }
}

/// Reads a whole file into memory, for measurements that must not read. Takes as much memory as its messages have bytes.
///
/// # Errors
/// As [`Source::open`] and [`Source::next`].
pub fn read_all(path: &Path) -> Result<Framed, SourceError> {
    let mut source = Source::open(path)?;
    let mut framed = Framed::default();
    framed.messages = source.fill(&mut framed.bytes, usize::MAX)?;
    Ok(framed)
}
