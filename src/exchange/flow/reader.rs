//! Historical ITCH 5.0 in BinaryFILE framing: `length(2) message`, big-endian, ended by a zero length or by the file's end. Gzip is unpacked.
//!
//! [`BinaryFile`] gives raw messages; [`read`] takes apart those that change a book. A file is hostile: nothing in it panics.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use model::{Px, Qty, Side, Symbol};

use crate::exchange::itch::Mpid;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("flow file {path} cannot be read: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("flow file {path} is not ITCH 5.0 in BinaryFILE framing: {why}")]
    NotItch {
        /// Which file.
        path: PathBuf,
        /// What gave it away.
        why: &'static str,
    },
}

/// Messages of a file in order.
pub struct BinaryFile {
    input: Box<dyn BufRead + Send>,
    truncated: bool,
}

impl std::fmt::Debug for BinaryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BinaryFile").field("truncated", &self.truncated).finish_non_exhaustive()
    }
}

impl BinaryFile {
    /// Opens a file, gzipped or not, and looks at its first message.
    ///
    /// # Errors
    /// [`FileError`] where it cannot be read or does not begin with a message of a known type and that type's length.
    pub fn open(path: &Path) -> Result<BinaryFile, FileError> {
        let read = |source| FileError::Read { path: path.to_owned(), source };
        let not = |why| FileError::NotItch { path: path.to_owned(), why };
        let mut plain = BufReader::with_capacity(1 << 16, File::open(path).map_err(read)?);
        let gzipped = plain.fill_buf().map_err(read)?.starts_with(&[0x1F, 0x8B]);
        let mut input: Box<dyn BufRead + Send> = if gzipped {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        let head = input.fill_buf().map_err(read)?;
        match head {
            [] => return Err(not("it is empty")),
            [a, b, kind, ..] => {
                let length = usize::from(u16::from_be_bytes([*a, *b]));
                match length_of(*kind) {
                    None => return Err(not("its first message has an unknown type")),
                    Some(want) if want != length => {
                        return Err(not("its first message has a wrong length"));
                    }
                    Some(_) => {}
                }
            }
            _ => return Err(not("it is too short")),
        }
        Ok(BinaryFile { input, truncated: false })
    }

    /// Messages from bytes in memory.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> BinaryFile {
        BinaryFile { input: Box::new(io::Cursor::new(bytes)), truncated: false }
    }

    /// The next message, or `None` at the end. A file that breaks off inside a message, or can no longer be read, ends there.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        match self.input.read(&mut length[..1]) {
            Ok(1) => {}
            Ok(_) => return None,
            Err(_) => return self.broke_off(),
        }
        if self.input.read_exact(&mut length[1..]).is_err() {
            return self.broke_off();
        }
        let length = usize::from(u16::from_be_bytes(length));
        if length == 0 {
            return None;
        }
        let mut message = vec![0; length];
        if self.input.read_exact(&mut message).is_err() {
            return self.broke_off();
        }
        Some(message)
    }

    /// Whether the file broke off inside a message.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn broke_off(&mut self) -> Option<Vec<u8>> {
        self.truncated = true;
        None
    }
}

/// The length of a message type, bytes.
#[must_use]
pub fn length_of(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' | b'W' => 12,
        b'R' => 39,
        b'H' => 25,
        b'Y' | b'N' => 20,
        b'L' => 26,
        b'V' | b'J' | b'U' => 35,
        b'K' => 28,
        b'h' => 21,
        b'A' | b'C' => 36,
        b'F' | b'Q' => 40,
        b'E' => 31,
        b'X' => 23,
        b'D' | b'B' => 19,
        b'P' => 44,
        b'I' => 50,
        b'O' => 48,
        _ => return None,
    })
}

/// A message of the file, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// `A`, `F`.
    Add {
        /// The file's number for the order.
        key: u64,
        /// Ticker.
        symbol: Symbol,
        /// Side.
        side: Side,
        /// Shares.
        shares: Qty,
        /// Price.
        px: Px,
        /// Attribution.
        mpid: Option<Mpid>,
    },
    /// `E`, and `C` with the price and whether it is printable.
    Execute {
        /// Which order.
        key: u64,
        /// Shares.
        shares: Qty,
        /// `C` only.
        at: Option<(Px, bool)>,
    },
    /// `X`.
    Reduce {
        /// Which order.
        key: u64,
        /// Shares.
        shares: Qty,
    },
    /// `D`.
    Delete {
        /// Which order.
        key: u64,
    },
    /// `U`.
    Replace {
        /// Which order.
        old: u64,
        /// Its new number.
        new: u64,
        /// Its new total.
        shares: Qty,
        /// Its new price.
        px: Px,
    },
    /// `P`.
    HiddenTrade {
        /// Ticker.
        symbol: Symbol,
        /// Shares.
        shares: Qty,
        /// Price.
        px: Px,
    },
    /// `H`.
    TradingAction {
        /// Ticker.
        symbol: Symbol,
        /// `T`, `H`, `P` or `Q`.
        state: u8,
        /// Reason.
        reason: [u8; 4],
    },
    /// `R`: the symbol is in the day's directory.
    Directory {
        /// Ticker.
        symbol: Symbol,
    },
    /// About a symbol, without effect on its book: said again as it is.
    News {
        /// Ticker.
        symbol: Symbol,
    },
    /// About the market, without effect on any book: said again as it is.
    MarketNews,
    /// Not for this venue: system events (it makes its own), crosses and broken trades (whose numbers are the other venue's).
    Foreign,
}

fn at<const N: usize>(m: &[u8], offset: usize) -> Option<[u8; N]> {
    m.get(offset..)?.first_chunk().copied()
}

fn u32_at(m: &[u8], offset: usize) -> Option<u32> {
    at(m, offset).map(u32::from_be_bytes)
}

fn u64_at(m: &[u8], offset: usize) -> Option<u64> {
    at(m, offset).map(u64::from_be_bytes)
}

fn qty(m: &[u8], offset: usize) -> Option<Qty> {
    u32_at(m, offset).map(Qty)
}

fn px(m: &[u8], offset: usize) -> Option<Px> {
    u32_at(m, offset).map(Px::from_wire)
}

fn symbol(m: &[u8], offset: usize) -> Option<Symbol> {
    at(m, offset).map(Symbol)
}

/// A message's stamp, ns since midnight.
#[must_use]
pub fn timestamp(m: &[u8]) -> Option<u64> {
    let b: [u8; 6] = at(m, 5)?;
    Some(u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]))
}

/// Takes a message apart. `None` for an unknown type, a message shorter than its type, or a side that is none.
#[must_use]
pub fn read(m: &[u8]) -> Option<Message> {
    let kind = *m.first()?;
    if m.len() < length_of(kind)? {
        return None;
    }
    Some(match kind {
        b'A' | b'F' => Message::Add {
            key: u64_at(m, 11)?,
            side: match m[19] {
                b'B' => Side::Buy,
                b'S' => Side::Sell,
                _ => return None,
            },
            shares: qty(m, 20)?,
            symbol: symbol(m, 24)?,
            px: px(m, 32)?,
            mpid: if kind == b'F' { at(m, 36) } else { None },
        },
        b'E' => Message::Execute { key: u64_at(m, 11)?, shares: qty(m, 19)?, at: None },
        b'C' => Message::Execute {
            key: u64_at(m, 11)?,
            shares: qty(m, 19)?,
            at: Some((px(m, 32)?, m[31] == b'Y')),
        },
        b'X' => Message::Reduce { key: u64_at(m, 11)?, shares: qty(m, 19)? },
        b'D' => Message::Delete { key: u64_at(m, 11)? },
        b'U' => {
            Message::Replace { old: u64_at(m, 11)?, new: u64_at(m, 19)?, shares: qty(m, 27)?, px: px(m, 31)? }
        }
        b'P' => Message::HiddenTrade { symbol: symbol(m, 24)?, shares: qty(m, 20)?, px: px(m, 32)? },
        b'H' => Message::TradingAction { symbol: symbol(m, 11)?, state: m[19], reason: at(m, 21)? },
        b'R' => Message::Directory { symbol: symbol(m, 11)? },
        b'L' => Message::News { symbol: symbol(m, 15)? },
        b'Y' | b'K' | b'J' | b'h' | b'N' | b'O' => Message::News { symbol: symbol(m, 11)? },
        b'I' => Message::News { symbol: symbol(m, 28)? },
        b'V' | b'W' => Message::MarketNews,
        _ => Message::Foreign,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
    }

    #[test]
    fn messages_end_at_a_zero_length_or_the_end() {
        let bytes = framed(&[b"one", b"three"]);
        for tail in [&b""[..], b"\0\0", b"\0\0more"] {
            let mut f = BinaryFile::from_bytes([&bytes, tail].concat());
            let got: Vec<_> = std::iter::from_fn(|| f.next_message()).collect();
            assert_eq!(got, [b"one".to_vec(), b"three".to_vec()]);
            assert!(!f.is_truncated());
        }
        for cut in [1, 3, 6, 8] {
            let mut f = BinaryFile::from_bytes(bytes[..cut].to_vec());
            assert!(std::iter::from_fn(|| f.next_message()).count() < 2);
            assert!(f.is_truncated(), "{cut}");
        }
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        for kind in 0..=255u8 {
            let m = [kind; 50];
            for n in 0..=50 {
                let got = read(&m[..n]);
                assert!(got.is_none() || length_of(kind).is_some_and(|want| n >= want));
            }
        }
    }

    #[test]
    fn a_file_that_is_none_says_so_in_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let case = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            BinaryFile::open(&path).unwrap_err().to_string()
        };
        assert!(case("empty", b"").ends_with("it is empty"));
        assert!(case("text", b"hello world").ends_with("unknown type"));
        assert!(case("short", b"\0").ends_with("too short"));
        assert!(case("length", b"\0\x05Aaaaa").ends_with("wrong length"));
        let missing = BinaryFile::open(&dir.path().join("missing")).unwrap_err();
        assert!(matches!(missing, FileError::Read { .. }), "{missing}");
    }

    #[test]
    fn gzip_is_unpacked() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.gz");
        let mut gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let event = crate::exchange::itch::system_event(1, b'O');
        gz.write_all(&framed(&[&event, &event])).unwrap();
        gz.finish().unwrap();
        let mut f = BinaryFile::open(&path).unwrap();
        assert_eq!(std::iter::from_fn(|| f.next_message()).collect::<Vec<_>>(), [event.clone(), event]);
    }
}
