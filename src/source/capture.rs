//! Packet captures: frames out of pcap or pcapng, and out of their UDP datagrams the messages of MoldUDP64 packets.
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
//! Specifications: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. A datagram counts as MoldUDP64 when its session is printable and its blocks fill it exactly
//! ([`mold`]): a capture may hold re-requests and other traffic too.

use feeds::channel::{Channel, ChannelConfig, ChannelStats, Sink, Taken};
use feeds::moldudp64::{HEADER, Packet, PacketKind};
use model::{FeedStatus, Nanos};

use super::frame::{Carried, Link, carried};
use super::pitch::Units;
use super::window::{WINDOW, Window};
use super::{Fault, Message, cut_short};

/// Largest frame or block that is looked at; a longer one is damage. (tcpdump's own limit is 262,144.)
const RECORD_MAX: usize = 1 << 19;
const _: () = assert!(RECORD_MAX <= WINDOW);

/// Interfaces of one section.
const INTERFACES_MAX: usize = 1 << 12;

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
    fn nanos(self, ticks: u64) -> Nanos {
        let wide = u128::from(ticks) * 1_000_000_000;
        let ns = match self {
            Tick::Decimal(n) => wide / 10u128.checked_pow(u32::from(n)).unwrap_or(u128::MAX),
            Tick::Binary(n) => wide >> n.min(127),
        };
        Nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// Messages on their way out, and how many came before.
#[derive(Default)]
struct Queue {
    /// Sequence u64, length u16, both native, and the bytes, one message after another.
    bytes: Vec<u8>,
    from: usize,
    /// Sequence and place of the message that is out.
    out: (u64, usize, usize),
    count: u64,
    empty: u64,
}

impl Sink for Queue {
    fn message(&mut self, sequence: u64, msg: &[u8]) -> Taken {
        if msg.is_empty() {
            // In BinaryFILE framing it would be the end of the stream.
            self.empty += 1;
            return Taken::Whole;
        }
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&(msg.len() as u16).to_ne_bytes());
        self.bytes.extend_from_slice(msg);
        self.count += 1;
        Taken::Whole
    }

    fn status(&mut self, _status: FeedStatus) {}
}

impl Queue {
    fn advance(&mut self) -> bool {
        let Some((head, rest)) = self.bytes[self.from..].split_first_chunk::<10>() else {
            self.bytes.clear();
            self.from = 0;
            return false;
        };
        let [s @ .., l0, l1] = *head;
        let len = usize::from(u16::from_ne_bytes([l0, l1])).min(rest.len());
        let start = self.from + 10;
        self.out = (u64::from_ne_bytes(s), start, start + len);
        self.from = start + len;
        true
    }
}

/// A capture being read.
pub(super) struct Capture {
    window: Window,
    swapped: bool,
    format: Format,
    channel: Channel,
    queue: Queue,
    now: Nanos,
    ended: bool,
    mold: u64,
    /// Of another venue.
    pitch: Units,
    other: u64,
    cut: u64,
    fragments: u64,
}

impl Capture {
    /// Reads the file's head.
    pub(super) fn open(mut window: Window) -> Result<Capture, Fault> {
        let head = window.want(24).map_err(|e| cut_short(e, cut(0)))?;
        let little = u32::from_le_bytes(array(head, 0).ok_or(cut(0))?);
        let (swapped, format) = match little {
            0x0A0D_0D0A => (false, Format::PcapNg { interfaces: Vec::new() }),
            magic => {
                let swapped = magic & 0xFF == 0xA1;
                let tick = match if swapped { magic.swap_bytes() } else { magic } {
                    0xA1B2_3C4D => Tick::Decimal(9),
                    _ => Tick::Decimal(6),
                };
                let link = u32_at(head, 20, swapped).ok_or(cut(0))? & 0xFFFF;
                window.pass(24);
                let link = known(Link::of(link as u16))?;
                (swapped, Format::Pcap { link, tick })
            }
        };
        // The lines of one capture differ by far less than this; a hole that stays for so long is one of the capture.
        let channel = Channel::new(ChannelConfig {
            lines: 1,
            reorder_window: 1 << 16,
            gap_wait: Nanos::from_millis(100),
            servers: 0,
            ..ChannelConfig::default()
        });
        Ok(Capture {
            window,
            swapped,
            format,
            channel,
            queue: Queue::default(),
            now: Nanos::ZERO,
            ended: false,
            mold: 0,
            pitch: Units::default(),
            other: 0,
            cut: 0,
            fragments: 0,
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The message that [`Capture::advance`] went to.
    pub(super) fn message(&self) -> Message<'_> {
        let (sequence, from, to) = self.queue.out;
        Message { sequence, bytes: &self.queue.bytes[from..to] }
    }

    /// Goes to the next message; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Fault> {
        while !self.queue.advance() {
            if self.ended {
                return Ok(false);
            }
            let more = match self.format {
                Format::Pcap { link, tick } => self.pcap_frame(link, tick)?,
                Format::PcapNg { .. } => self.block()?,
            };
            if !more {
                self.finish()?;
            }
        }
        Ok(true)
    }

    /// One frame of a pcap; `false` at the end.
    fn pcap_frame(&mut self, link: Link, tick: Tick) -> Result<bool, Fault> {
        let offset = self.window.offset();
        let head = self.window.want(16).map_err(|e| cut_short(e, cut(offset)))?;
        if head.is_empty() {
            return Ok(false);
        }
        let field = |at| u32_at(head, at, self.swapped).ok_or(cut(offset));
        let (seconds, fraction, captured) = (field(0)?, field(4)?, field(8)? as usize);
        if captured > RECORD_MAX {
            return Err(damage(offset, "a frame's length is beyond what any capture holds"));
        }
        let whole = 16 + captured;
        if self.window.want(whole).map_err(|e| cut_short(e, cut(offset)))?.len() < whole {
            return Err(cut(offset));
        }
        self.window.pass(whole);
        let per_second = if matches!(tick, Tick::Decimal(9)) { 1_000_000_000 } else { 1_000_000 };
        let now = tick.nanos(u64::from(seconds) * per_second + u64::from(fraction));
        self.frame(now, link, 16, whole);
        Ok(true)
    }

    /// One block of a pcapng; `false` at the end.
    fn block(&mut self) -> Result<bool, Fault> {
        let offset = self.window.offset();
        let at_cut = |e| cut_short(e, cut(offset));
        let head = self.window.want(12).map_err(at_cut)?;
        if head.is_empty() {
            return Ok(false);
        }
        let section = array(head, 0) == Some([0x0A, 0x0D, 0x0D, 0x0A]);
        if section {
            self.swapped = match array(head, 8).ok_or(cut(offset))? {
                [0x4D, 0x3C, 0x2B, 0x1A] => false,
                [0x1A, 0x2B, 0x3C, 0x4D] => true,
                _ => return Err(damage(offset, "a section without its byte order")),
            };
        }
        let field = |at| u32_at(head, at, self.swapped).ok_or(cut(offset));
        let (kind, length) = (field(0)?, field(4)? as usize);
        if length < 12 || !length.is_multiple_of(4) {
            return Err(damage(offset, "a block's length is impossible"));
        }
        if !section && !matches!(kind, 1 | 2 | 3 | 6) {
            return match self.window.skip(length as u64).map_err(at_cut)? {
                true => Ok(true),
                false => Err(cut(offset)),
            };
        }
        if length > RECORD_MAX {
            return Err(damage(offset, "a block's length is beyond what any capture holds"));
        }
        if self.window.want(length).map_err(at_cut)?.len() < length {
            return Err(cut(offset));
        }
        self.window.pass(length);
        let block = self.window.passed();
        if u32_at(block, length - 4, self.swapped) != Some(length as u32) {
            return Err(damage(offset, "a block's two lengths differ"));
        }
        if section {
            self.format = Format::PcapNg { interfaces: Vec::new() };
            return Ok(true);
        }
        self.known_block(kind, length).ok_or(damage(offset, "a block's fields do not fit into it"))??;
        Ok(true)
    }

    /// An interface or a frame; `None` where its fields do not fit.
    fn known_block(&mut self, kind: u32, length: usize) -> Option<Result<(), Fault>> {
        let Format::PcapNg { interfaces } = &mut self.format else { return None };
        let block = self.window.passed();
        let body = block.get(8..length - 4)?;
        let swapped = self.swapped;
        if kind == 1 {
            let link = Link::of(u16_at(body, 0, swapped)?);
            if interfaces.len() == INTERFACES_MAX {
                return None;
            }
            interfaces.push((link, resolution(body.get(8..)?, swapped)));
            return Some(Ok(()));
        }
        let (interface, ticks, from, captured) = match kind {
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
        body.get(from..from.checked_add(captured)?)?;
        if let Err(fault) = known(link) {
            return Some(Err(fault));
        }
        let now = ticks.map_or(self.now, |t| tick.nanos(t));
        self.frame(now, link, 8 + from, 8 + from + captured);
        Some(Ok(()))
    }

    /// A frame, at a place of what was just passed.
    fn frame(&mut self, now: Nanos, link: Link, from: usize, to: usize) {
        self.now = self.now.max(now);
        let payload = match carried(link, &self.window.passed()[from..to]) {
            Carried::Udp(payload) => payload,
            Carried::Cut => return self.cut += 1,
            Carried::Fragment => return self.fragments += 1,
            Carried::Other => return self.other += 1,
        };
        let Some(packet) = mold(payload) else {
            self.other += u64::from(!self.pitch.take(self.now, payload));
            return self.queue_pitch();
        };
        self.mold += 1;
        if packet.sequence == 0 || packet.session == [0; 10] {
            for msg in packet.blocks() {
                let _ = self.queue.message(self.queue.count + 1, msg);
            }
            return;
        }
        while self.channel.next_timeout().is_some_and(|at| at <= self.now) {
            self.channel.on_timeout(self.now, &mut self.queue);
        }
        self.channel.on_datagram(self.now, 0, payload, &mut self.queue);
    }

    /// What was made of other venues' messages is numbered as it comes.
    fn queue_pitch(&mut self) {
        while let Some(msg) = self.pitch.next() {
            let _ = self.queue.message(self.queue.count + 1, msg);
        }
    }

    /// The end: what is held behind a hole comes out.
    fn finish(&mut self) -> Result<(), Fault> {
        self.ended = true;
        self.pitch.finish();
        self.queue_pitch();
        while let Some(at) = self.channel.next_timeout() {
            self.now = self.now.max(at);
            self.channel.on_timeout(self.now, &mut self.queue);
        }
        if self.mold == 0 && self.pitch.is_empty() {
            return Err(Fault::Other("a packet capture without any MoldUDP64 or PITCH packet".into()));
        }
        Ok(())
    }

    /// What the channel counted.
    pub(super) fn arbitration(&self) -> &ChannelStats {
        self.pitch.busiest().filter(|_| self.mold == 0).unwrap_or(self.channel.stats())
    }

    /// What the capture lacks.
    pub(super) fn remarks(&self) -> Vec<String> {
        let lost = self.channel.stats().messages_lost + self.pitch.lost();
        let all = [
            (lost, "message(s) of the session are not in the capture"),
            (self.cut, "UDP datagram(s) were captured only in part (capture whole frames: tcpdump -s 0)"),
            (self.fragments, "IP fragment(s) were left out"),
            (self.queue.empty, "message(s) without any byte were left out"),
            (self.pitch.undecodable(), "message(s) could not be decoded or kept: the books may be wrong"),
            (self.pitch.beyond(), "packet(s) of more units than a venue has were left out"),
            (self.pitch.unsayable(), "price(s) beyond 32 bits of 1e-4 USD were left out"),
        ];
        all.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect()
    }
}

/// The datagram as a MoldUDP64 packet: its session is printable or wiped, and its blocks fill it exactly.
fn mold(datagram: &[u8]) -> Option<Packet<'_>> {
    let packet = Packet::parse(datagram).ok()?;
    let printable = packet.session.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if !printable && packet.session != [0; 10] {
        return None;
    }
    let (count, bytes) = packet.blocks().fold((0u16, HEADER), |(n, sum), b| (n + 1, sum + 2 + b.len()));
    let whole = count == packet.messages() && bytes == datagram.len();
    (whole && (packet.kind() != PacketKind::Heartbeat || packet.sequence != 0)).then_some(packet)
}

fn known(link: Link) -> Result<Link, Fault> {
    if link == Link::Unknown {
        return Err(Fault::Other(
            "a packet capture of a kind of link that is not read here (Ethernet, Linux cooked and raw IP are)".into(),
        ));
    }
    Ok(link)
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

fn cut(offset: u64) -> Fault {
    Fault::Truncated { offset, what: "packet" }
}

fn damage(offset: u64, what: &'static str) -> Fault {
    Fault::Malformed { offset, what }
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
