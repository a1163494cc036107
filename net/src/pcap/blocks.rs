//! A capture's frames, one after the other: pcap or pcapng, of any byte order and resolution, through a [`Window`].
//!
//! ```text
//! pcap    [magic u32 | version 2 x u16 | 8 bytes | snap length u32 | link u32]   then per frame
//!         [seconds u32 | fraction u32 | captured u32 | original u32 | bytes]
//!
//! pcapng  [type u32 | length u32 | body, padded to 4 | length u32]               one block after another
//!         0x0A0D0D0A section: byte order     1 interface: link type, time resolution
//!         2, 3, 6 frames                     others are skipped
//! ```
//!
//! Specifications: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

use std::io;

use super::frame::Link;
use super::window::{WINDOW, Window};

/// Largest frame or block that is looked at; a longer one is damage. (tcpdump's own limit is 262,144.)
const RECORD_MAX: usize = 1 << 19;
const _: () = assert!(RECORD_MAX <= WINDOW);

/// Interfaces of one section.
const INTERFACES_MAX: usize = 1 << 12;

/// Why a capture's next frame cannot be had.
#[derive(Debug)]
pub enum CaptureError {
    /// The stream's own.
    Io(io::Error),
    /// It ends inside the packet that begins at this byte. A file that is being written may go on there: the next call looks again.
    Cut(u64),
    /// Its structure does not hold at this byte.
    Damaged(u64, &'static str),
    /// Frames of a link layer that is not read here: Ethernet, Linux cooked and raw IP are.
    Link,
}

impl From<io::Error> for CaptureError {
    fn from(e: io::Error) -> CaptureError {
        CaptureError::Io(e)
    }
}

/// A frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When, ns since the Unix epoch; `None` where the capture does not say.
    pub captured: Option<u64>,
    /// How it begins.
    pub link: Link,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// How the file counts time and orders bytes.
enum Format {
    Pcap { link: Link, tick: Tick },
    PcapNg { interfaces: Vec<(Link, Tick)> },
}

/// The unit of time stamps.
#[derive(Clone, Copy)]
enum Tick {
    /// 10^-n s.
    Decimal(u8),
    /// 2^-n s.
    Binary(u8),
}

impl Tick {
    fn nanos(self, ticks: u64) -> u64 {
        let wide = u128::from(ticks) * 1_000_000_000;
        let ns = match self {
            Tick::Decimal(n) => wide / 10u128.checked_pow(u32::from(n)).unwrap_or(u128::MAX),
            Tick::Binary(n) => wide >> n.min(127),
        };
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

/// Where a frame lies in what was passed last.
struct Place {
    captured: Option<u64>,
    link: Link,
    from: usize,
    to: usize,
}

/// A capture being read. No allocation after the start but for a pcapng's interfaces.
pub struct Frames {
    window: Window,
    swapped: bool,
    format: Format,
    /// What is left to be passed of a block that is of no interest.
    to_skip: u64,
}

impl Frames {
    /// Reads the file's head.
    ///
    /// # Errors
    /// [`CaptureError`]; `Cut(0)` for what is too short to be a capture.
    pub fn open(mut window: Window) -> Result<Frames, CaptureError> {
        let head = window.want(24)?;
        let little = u32::from_le_bytes(array(head, 0).ok_or(CaptureError::Cut(0))?);
        let (swapped, format) = match little {
            0x0A0D_0D0A => (false, Format::PcapNg { interfaces: Vec::new() }),
            magic => {
                let swapped = magic & 0xFF == 0xA1;
                let tick = match if swapped { magic.swap_bytes() } else { magic } {
                    0xA1B2_3C4D => Tick::Decimal(9),
                    0xA1B2_C3D4 => Tick::Decimal(6),
                    _ => return Err(CaptureError::Damaged(0, "neither pcap nor pcapng begins so")),
                };
                let link = u32_at(head, 20, swapped).ok_or(CaptureError::Cut(0))? & 0xFFFF;
                window.pass(24);
                (swapped, Format::Pcap { link: known(Link::of(link as u16))?, tick })
            }
        };
        Ok(Frames { window, swapped, format, to_skip: 0 })
    }

    /// Bytes of the stream passed so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The next frame; `None` at the end, which a file that is being written may have only for now.
    ///
    /// # Errors
    /// [`CaptureError`].
    #[expect(clippy::should_implement_trait, reason = "lends from its window, which Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let place = loop {
            self.skip()?;
            if self.window.want(1)?.is_empty() {
                return Ok(None);
            }
            let place = match self.format {
                Format::Pcap { link, tick } => Some(self.record(link, tick)?),
                Format::PcapNg { .. } => self.block()?,
            };
            if let Some(place) = place {
                break place;
            }
        };
        let bytes = &self.window.passed()[place.from..place.to];
        Ok(Some(Frame { captured: place.captured, link: place.link, bytes }))
    }

    fn skip(&mut self) -> Result<(), CaptureError> {
        if self.to_skip > 0 {
            let offset = self.window.offset();
            self.to_skip = self.window.skip(self.to_skip)?;
            if self.to_skip > 0 {
                return Err(CaptureError::Cut(offset));
            }
        }
        Ok(())
    }

    /// `n` bytes, all of them.
    fn want(&mut self, n: usize) -> Result<&[u8], CaptureError> {
        let cut = CaptureError::Cut(self.window.offset());
        self.window.want(n)?.get(..n).ok_or(cut)
    }

    /// One frame of a pcap.
    fn record(&mut self, link: Link, tick: Tick) -> Result<Place, CaptureError> {
        let (offset, swapped) = (self.window.offset(), self.swapped);
        let head = self.want(16)?;
        let field = |at| u32_at(head, at, swapped).ok_or(CaptureError::Cut(offset));
        let (seconds, fraction, captured) = (field(0)?, field(4)?, field(8)? as usize);
        if captured > RECORD_MAX - 16 {
            return Err(CaptureError::Damaged(offset, "a frame's length is beyond what any capture holds"));
        }
        let whole = 16 + captured;
        self.want(whole)?;
        self.window.pass(whole);
        let per_second = if matches!(tick, Tick::Decimal(9)) { 1_000_000_000 } else { 1_000_000 };
        let captured = Some(tick.nanos(u64::from(seconds) * per_second + u64::from(fraction)));
        Ok(Place { captured, link, from: 16, to: whole })
    }

    /// One block of a pcapng; `None` where it is no frame.
    fn block(&mut self) -> Result<Option<Place>, CaptureError> {
        let offset = self.window.offset();
        let cut = || CaptureError::Cut(offset);
        let damaged = |what| CaptureError::Damaged(offset, what);
        let mut swapped = self.swapped;
        let head = self.want(12)?;
        let section = array(head, 0) == Some([0x0A, 0x0D, 0x0D, 0x0A]);
        if section {
            swapped = match array(head, 8).ok_or_else(cut)? {
                [0x4D, 0x3C, 0x2B, 0x1A] => false,
                [0x1A, 0x2B, 0x3C, 0x4D] => true,
                _ => return Err(damaged("a section without its byte order")),
            };
        }
        let field = |at| u32_at(head, at, swapped).ok_or_else(cut);
        let (kind, length) = (field(0)?, field(4)? as usize);
        if length < 12 || !length.is_multiple_of(4) {
            return Err(damaged("a block's length is impossible"));
        }
        if !section && !matches!(kind, 1 | 2 | 3 | 6) {
            self.to_skip = length as u64;
            return Ok(None);
        }
        if length > RECORD_MAX {
            return Err(damaged("a block's length is beyond what any capture holds"));
        }
        self.want(length)?;
        self.window.pass(length);
        self.swapped = swapped;
        let block = self.window.passed();
        if u32_at(block, length - 4, swapped) != Some(length as u32) {
            return Err(damaged("a block's two lengths differ"));
        }
        if section {
            self.format = Format::PcapNg { interfaces: Vec::new() };
            return Ok(None);
        }
        self.known_block(kind, length).ok_or_else(|| damaged("a block's fields do not fit into it"))?
    }

    /// An interface or a frame; `None` where its fields do not fit.
    fn known_block(&mut self, kind: u32, length: usize) -> Option<Result<Option<Place>, CaptureError>> {
        let Format::PcapNg { interfaces } = &mut self.format else { return None };
        let body = self.window.passed().get(8..length - 4)?;
        let swapped = self.swapped;
        if kind == 1 {
            let link = Link::of(u16_at(body, 0, swapped)?);
            if interfaces.len() == INTERFACES_MAX {
                return None;
            }
            interfaces.push((link, resolution(body.get(8..)?, swapped)));
            return Some(Ok(None));
        }
        let (interface, ticks, from, len) = match kind {
            // A simple packet has neither time nor a captured length of its own.
            3 => (0, None, 4usize, (u32_at(body, 0, swapped)? as usize).min(body.len() - 4)),
            _ => {
                let interface = match kind {
                    2 => usize::from(u16_at(body, 0, swapped)?),
                    _ => u32_at(body, 0, swapped)? as usize,
                };
                let ticks = u64::from(u32_at(body, 4, swapped)?) << 32 | u64::from(u32_at(body, 8, swapped)?);
                (interface, Some(ticks), 20, u32_at(body, 12, swapped)? as usize)
            }
        };
        let (link, tick) = *interfaces.get(interface)?;
        body.get(from..from.checked_add(len)?)?;
        if let Err(error) = known(link) {
            return Some(Err(error));
        }
        let captured = ticks.map(|t| tick.nanos(t));
        Some(Ok(Some(Place { captured, link, from: 8 + from, to: 8 + from + len })))
    }
}

fn known(link: Link) -> Result<Link, CaptureError> {
    if link == Link::Unknown { Err(CaptureError::Link) } else { Ok(link) }
}

/// `if_tsresol` of an interface's options; microseconds where there is none.
fn resolution(mut options: &[u8], swapped: bool) -> Tick {
    while let (Some(code), Some(len)) = (u16_at(options, 0, swapped), u16_at(options, 2, swapped)) {
        if code == 0 {
            break;
        }
        if code == 9 && len == 1 {
            match options.get(4) {
                Some(n) if n & 0x80 != 0 => return Tick::Binary(n & 0x7F),
                Some(n) => return Tick::Decimal(*n),
                None => break,
            }
        }
        let Some(rest) = options.get(4 + usize::from(len).next_multiple_of(4)..) else { break };
        options = rest;
    }
    Tick::Decimal(6)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize, swapped: bool) -> Option<u32> {
    let bytes = array(bytes, at)?;
    Some(if swapped { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

fn u16_at(bytes: &[u8], at: usize, swapped: bool) -> Option<u16> {
    let bytes = array(bytes, at)?;
    Some(if swapped { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}
