//! A hostile FIX counterparty, of our gateway or (with `a` in the first line) of our acceptor. The input is a story of one line an event:
//!
//! ```text
//!   c  connected          r BYTES   bytes as they are            o N  an order with token N       p MS  time passes
//!   d  disconnected       m TYPE SHIFT FIELDS  a sound message   x N  its cancel                  t N   N bytes leave
//!   l  logout             of number expected + SHIFT             k    everything is canceled      s N   room in the sink
//! ```
//!
//! Held to: no panic; never a call to a sink without room; buffers that do not grow; and the same messages from a stream however TCP cuts it.
#![no_main]

use gateways::fix::compose::{Fields, finish};
use gateways::fix::framing::{Framed, Framer, split};
use gateways::fix::session::{Role, Session, SessionConfig, Version};
use gateways::fix::store::MemoryStore;
use gateways::fix::{FixConfig, FixGateway};
use gateways::gateway::{Notice, OrderGateway, ReportSink, SINK_BURST};
use libfuzzer_sys::fuzz_target;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    SessionEvent, Side, Symbol, Tif, Token,
};

const CAPACITY: usize = 4096;
/// 2024-01-02 12:00:00.
const START: Nanos = Nanos(1_704_196_800_000_000_000);

struct Sink {
    room: usize,
}

impl Sink {
    fn take(&mut self) {
        self.room = self.room.checked_sub(1).expect("called without room");
    }
}

impl ReportSink for Sink {
    fn report(&mut self, _: ExecutionReport) {
        self.take();
    }
    fn session(&mut self, event: SessionEvent) {
        // The one call that is made without asking.
        if event != SessionEvent::Disconnected {
            self.take();
        }
    }
    fn notice(&mut self, _: Notice) {
        self.take();
    }
    fn has_room(&self) -> bool {
        self.room >= SINK_BURST
    }
}

/// Either of ours.
enum End {
    Gateway(Box<FixGateway<MemoryStore>>, Sink),
    Acceptor(Box<Session<MemoryStore>>),
}

fn config(role: Role) -> SessionConfig {
    SessionConfig {
        receive_capacity: CAPACITY,
        transmit_capacity: CAPACITY,
        held_capacity: CAPACITY,
        ..SessionConfig::new(role, Version::Fix44, "US", "THEM")
    }
}

fn number(text: &[u8]) -> i64 {
    core::str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

impl End {
    fn expected(&self) -> u64 {
        match self {
            End::Gateway(g, _) => g.session().next_in(),
            End::Acceptor(s) => s.next_in(),
        }
    }

    fn receive(&mut self, now: Nanos, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = match self {
                End::Gateway(g, _) => g.recv_space(),
                End::Acceptor(s) => s.recv_space(),
            };
            let n = bytes.len().min(space.len());
            if n == 0 {
                // The sink has no room and the buffer is full: the socket waits.
                return;
            }
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            match self {
                End::Gateway(g, sink) => drop(g.on_received(now, n, sink)),
                End::Acceptor(s) => {
                    s.on_received(now, n);
                    while s.poll(now).is_some() {}
                }
            }
        }
    }

    fn pass(&mut self, now: Nanos) {
        match self {
            End::Gateway(g, sink) => {
                let _ = g.on_timeout(now, sink);
                let _ = g.resume(now, sink);
            }
            End::Acceptor(s) => {
                s.on_timeout(now, false);
                while s.poll(now).is_some() {}
            }
        }
    }

    fn transmit(&self) -> &[u8] {
        match self {
            End::Gateway(g, _) => g.transmit(),
            End::Acceptor(s) => s.transmit(),
        }
    }
}

fn command(kind: CommandKind) -> OrderCommand {
    OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind }
}

/// The messages in a stream that comes in pieces.
fn messages(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(CAPACITY);
    let mut found = Vec::new();
    for mut part in stream.chunks(piece) {
        while !part.is_empty() {
            let space = framer.space();
            let n = part.len().min(space.len());
            assert!(n > 0, "a buffer without a message in it has room");
            space[..n].copy_from_slice(&part[..n]);
            framer.commit(n);
            part = &part[n..];
            while let Some(framed) = framer.next_frame() {
                if let Framed::Message(at) = framed {
                    let mut fields = Vec::with_capacity(CAPACITY / 4);
                    let _ = split(framer.bytes(at.clone()), &mut fields);
                    found.push(framer.bytes(at).to_vec());
                }
            }
        }
    }
    found
}

fuzz_target!(|story: &[u8]| {
    let mut lines = story.split(|b| *b == b'\n').peekable();
    let mut end = if lines.next_if(|line| *line == b"a").is_some() {
        End::Acceptor(Box::new(
            Session::new(config(Role::Acceptor), MemoryStore::new(CAPACITY)).expect("a session"),
        ))
    } else {
        let symbol = Symbol::new("AAPL").expect("a ticker");
        let instrument = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GatewayId(0) };
        let config =
            FixConfig { orders_max: 16, ..FixConfig::new(GatewayId(0), config(Role::Initiator), "CO1") };
        let gateway = FixGateway::new(config, MemoryStore::new(CAPACITY), &[instrument]).expect("a gateway");
        End::Gateway(Box::new(gateway), Sink { room: 1_000 })
    };
    let mut now = START;
    let mut stream = Vec::new();
    for line in lines {
        let Some((letter, rest)) = line.split_first() else { continue };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        match (letter, &mut end) {
            (b'c', End::Gateway(g, sink)) => {
                g.on_disconnected(now, sink);
                g.on_connected(now);
            }
            (b'c', End::Acceptor(s)) => s.on_connected(now),
            (b'd', End::Gateway(g, sink)) => g.on_disconnected(now, sink),
            (b'd', End::Acceptor(s)) => s.on_disconnected(),
            (b'l', End::Gateway(g, _)) => g.logout(now),
            (b'l', End::Acceptor(s)) => s.logout(now, "bye"),
            (b's', End::Gateway(_, sink)) => sink.room = number(rest).clamp(0, 1_000) as usize,
            (b'o', End::Gateway(g, _)) => {
                let (token, qty) = (Token(number(rest) as u32), Qty(100));
                let kind = CommandKind::New {
                    token,
                    side: Side::Buy,
                    short: false,
                    qty,
                    px: Px(10_000),
                    tif: Tif::Day,
                };
                let _ = g.encode(now, &command(kind));
            }
            (b'x', End::Gateway(g, _)) => {
                let token = Token(number(rest) as u32);
                let _ =
                    g.encode(now, &command(CommandKind::Cancel { token, qty: Qty(number(rest) as u32 % 3) }));
            }
            (b'k', End::Gateway(g, _)) => drop(g.cancel_all(now, Token(number(rest) as u32))),
            (b'o' | b'x' | b'k', End::Acceptor(s)) => {
                let _ = s.send(now, b"8", b"37=1\x01");
            }
            (b'r', end) => {
                stream.extend_from_slice(rest);
                end.receive(now, rest);
            }
            (b'm', end) => {
                let mut words = rest.splitn(3, |b| *b == b' ');
                let (kind, shift) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let seq = end.expected().saturating_add_signed(number(shift));
                let mut body = Fields::new(CAPACITY);
                body.text(35, kind).uint(34, seq).text(49, b"THEM").utc(52, now).text(56, b"US");
                let fields: Vec<u8> = words
                    .next()
                    .unwrap_or_default()
                    .iter()
                    .map(|b| if *b == b'|' { 1 } else { *b })
                    .collect();
                body.raw(&fields);
                let mut message = Fields::new(CAPACITY);
                if let Some(body) = body.finished().filter(|body| finish(&mut message, b"FIX.4.4", body)) {
                    assert!(!body.is_empty());
                    let bytes = message.finished().expect("it was finished");
                    stream.extend_from_slice(bytes);
                    end.receive(now, bytes);
                }
            }
            (b'p', end) => {
                now = now.after(Nanos::from_millis(number(rest).clamp(0, 100_000) as u64));
                end.pass(now);
            }
            (b't', end) => {
                let n = (number(rest).clamp(0, 100_000) as usize).min(end.transmit().len());
                match end {
                    End::Gateway(g, _) => g.transmitted(n),
                    End::Acceptor(s) => s.transmitted(n),
                }
            }
            _ => {}
        }
        assert!(end.transmit().len() <= CAPACITY, "the transmit buffer grew");
    }
    let whole = messages(&stream, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(messages(&stream, piece), whole, "in pieces of {piece}");
    }
});
