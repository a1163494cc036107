//! Packet captures: frames out of pcap or pcapng, and out of their UDP datagrams the messages of MoldUDP64 packets.
//!
//! The file's own structure is read by [`net::pcap`]. A datagram counts as MoldUDP64 when its session is printable and its blocks fill it exactly
//! ([`mold`]): a capture may hold re-requests and other traffic too.

use feeds::channel::{Channel, ChannelConfig, ChannelStats, Sink, Taken};
use feeds::moldudp64::{HEADER, Packet, PacketKind};
use model::{FeedStatus, Nanos};

use net::pcap::blocks::{CaptureError, Frames};
use net::pcap::frame::{Carried, carried};
use net::pcap::window::Window;

use super::pitch::Units;
use super::{Fault, Message, cut_short};

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
    frames: Frames,
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
    pub(super) fn open(window: Window) -> Result<Capture, Fault> {
        // The lines of one capture differ by far less than this; a hole that stays for so long is one of the capture.
        let channel = Channel::new(ChannelConfig {
            lines: 1,
            reorder_window: 1 << 16,
            gap_wait: Nanos::from_millis(100),
            servers: 0,
            ..ChannelConfig::default()
        });
        Ok(Capture {
            frames: Frames::open(window).map_err(|e| fault(e, 0))?,
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
        self.frames.offset()
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
            if !self.frame()? {
                self.finish()?;
            }
        }
        Ok(true)
    }

    /// The next frame; `false` at the end.
    fn frame(&mut self) -> Result<bool, Fault> {
        let offset = self.frames.offset();
        let Some(frame) = self.frames.next().map_err(|e| fault(e, offset))? else { return Ok(false) };
        self.now = self.now.max(frame.captured.map_or(self.now, Nanos));
        let payload = match carried(frame.link, frame.bytes) {
            Carried::Udp { payload, .. } => payload,
            Carried::Cut => {
                self.cut += 1;
                return Ok(true);
            }
            Carried::Fragment => {
                self.fragments += 1;
                return Ok(true);
            }
            Carried::Other => {
                self.other += 1;
                return Ok(true);
            }
        };
        let Some(packet) = mold(payload) else {
            self.other += u64::from(!self.pitch.take(self.now, payload));
            self.queue_pitch();
            return Ok(true);
        };
        self.mold += 1;
        if packet.sequence == 0 || packet.session == [0; 10] {
            for msg in packet.blocks() {
                let _ = self.queue.message(self.queue.count + 1, msg);
            }
            return Ok(true);
        }
        while self.channel.next_timeout().is_some_and(|at| at <= self.now) {
            self.channel.on_timeout(self.now, &mut self.queue);
        }
        self.channel.on_datagram(self.now, 0, payload, &mut self.queue);
        Ok(true)
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

/// What is wrong with the capture from `offset` on.
#[cold]
fn fault(e: CaptureError, offset: u64) -> Fault {
    let cut = |offset| Fault::Truncated { offset, what: "packet" };
    match e {
        CaptureError::Io(e) => cut_short(e, cut(offset)),
        CaptureError::Cut(offset) => cut(offset),
        CaptureError::Damaged(offset, what) => Fault::Malformed { offset, what },
        CaptureError::Link => Fault::Other(
            "a packet capture of a kind of link that is not read here (Ethernet, Linux cooked and raw IP are)".into(),
        ),
    }
}
