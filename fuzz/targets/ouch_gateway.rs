//! A hostile venue: any byte stream, cut anywhere, at any pace, with a sink that fills up and orders in between.
//!
//! Held to: no panic; never a call to a sink without room; buffers that do not grow; a fault that stays; and the same packets
//! from a stream however TCP cuts it.
#![no_main]

use gateways::codec::SoupProtocol;
use gateways::gateway::{GatewayConfig, Notice, OrderGateway, ReportSink, SINK_BURST, SoupGateway};
use gateways::order::ClOrdId;
use gateways::ouch42::Ouch42;
use gateways::ouch50::Ouch50;
use gateways::soupbintcp::{ClientConfig, Deframer};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    SessionEvent, Side, Symbol, Tif, Token,
};

const GATEWAY: GatewayId = GatewayId(3);
const RECEIVE: usize = 4096;
const TRANSMIT: usize = 4096;

/// What happens to the gateway.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Connect,
    Disconnect,
    Receive(&'a [u8]),
    LoginAccepted { next: u8 },
    Sequenced(&'a [u8]),
    Order { token: u8, quantity: u16 },
    Cancel { token: u8 },
    Pass { ms: u16 },
    Transmit { bytes: u16 },
    Room(u8),
    CancelAll,
    Logout,
}

/// Counts what it takes and fails when it is called without room.
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
    fn session(&mut self, _: SessionEvent) {
        self.take();
    }
    fn notice(&mut self, _: Notice) {
        self.take();
    }
    fn has_room(&self) -> bool {
        self.room >= SINK_BURST
    }
}

fn command(kind: CommandKind) -> OrderCommand {
    OrderCommand { gateway: GATEWAY, instrument: InstrumentId(0), kind }
}

fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(1 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(payload);
    bytes
}

/// Gives the gateway what the venue sent, as far as it has space for it; `false` when the socket is to be dropped.
fn receive<P: SoupProtocol>(
    gateway: &mut SoupGateway<P>,
    now: Nanos,
    mut bytes: &[u8],
    sink: &mut Sink,
) -> bool {
    loop {
        let space = gateway.recv_space();
        let n = bytes.len().min(space.len());
        space[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        if gateway.on_received(now, n, sink).is_err() {
            return false;
        }
        // Without space the sink has no room: a real agent stops reading, and the rest stays with the peer.
        if bytes.is_empty() || n == 0 {
            return true;
        }
    }
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (is_newer, steps) = input;
    if is_newer { run::<Ouch50>(steps) } else { run::<Ouch42>(steps) }
});

fn run<P: SoupProtocol>(steps: Vec<Step>) {
    let symbol = Symbol::new("AAPL").expect("a ticker");
    let instrument = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GATEWAY };
    let mut config = GatewayConfig::new(GATEWAY, *b"ABCD", ClientConfig::new("user01", "pw"));
    config.receive_capacity = RECEIVE;
    config.transmit_capacity = TRANSMIT;
    config.orders.clordid = ClOrdId::Tagged(*b"COLO");
    config.live_orders = 16;
    let mut gateway = SoupGateway::<P>::new(config, &[instrument]).expect("a good configuration");
    let mut sink = Sink { room: 1_000 };
    let mut now = Nanos(0);
    let mut stream = Vec::new();
    let mut cuts = Vec::new();

    for step in steps {
        let mut up = true;
        match step {
            Step::Connect => gateway.on_connected(now),
            Step::Disconnect => up = false,
            Step::Receive(bytes) => {
                stream.extend_from_slice(bytes);
                up = receive(&mut gateway, now, bytes, &mut sink);
            }
            Step::LoginAccepted { next } => {
                let bytes = packet(b'A', format!("{:>10}{next:>20}", "S1").as_bytes());
                stream.extend_from_slice(&bytes);
                up = receive(&mut gateway, now, &bytes, &mut sink);
            }
            Step::Sequenced(message) => {
                let bytes = packet(b'S', message);
                stream.extend_from_slice(&bytes);
                up = receive(&mut gateway, now, &bytes, &mut sink);
            }
            Step::Order { token, quantity } => {
                let (token, qty, px) = (Token(u32::from(token)), Qty(u32::from(quantity)), Px(1_000_000));
                let kind = CommandKind::New { token, side: Side::Buy, short: false, qty, px, tif: Tif::Day };
                let _ = gateway.encode(now, &command(kind));
            }
            Step::Cancel { token } => {
                let token = Token(u32::from(token));
                let _ = gateway.encode(now, &command(CommandKind::Cancel { token, qty: Qty(0) }));
            }
            Step::Pass { ms } => {
                now = Nanos(now.0 + u64::from(ms) * 1_000_000);
                if gateway.next_timeout().is_some_and(|due| due <= now) {
                    up = gateway.on_timeout(now, &mut sink).is_ok();
                }
            }
            Step::Transmit { bytes } => {
                let n = usize::from(bytes).min(gateway.transmit().len());
                gateway.transmitted(n);
            }
            Step::Room(more) => {
                sink.room = sink.room.saturating_add(usize::from(more)).min(1_000);
                up = gateway.resume(now, &mut sink).is_ok();
            }
            Step::CancelAll => {
                let _ = gateway.cancel_all(now, Token(gateway.highest_token_seen().0.saturating_add(1)));
            }
            Step::Logout => gateway.logout(now),
        }
        if !up {
            sink.room = sink.room.max(1);
            gateway.on_disconnected(now, &mut sink);
        }
        cuts.push(stream.len());
        assert!(gateway.transmit().len() <= TRANSMIT);
        assert!(gateway.recv_space().len() <= RECEIVE);
    }

    assert_eq!(packets(&stream, &cuts), packets(&stream, &[stream.len()]), "cuts do not change a stream");
}

/// The packets of a stream that arrives in pieces ending at `cuts`, until its first error.
fn packets(stream: &[u8], cuts: &[usize]) -> Vec<(u8, Vec<u8>)> {
    let mut deframer = Deframer::new(RECEIVE);
    let mut packets = Vec::new();
    let mut at = 0;
    for &cut in cuts {
        while at < cut {
            let space = deframer.space();
            let n = space.len().min(cut - at);
            assert!(n > 0, "a buffer without a whole packet has space");
            space[..n].copy_from_slice(&stream[at..at + n]);
            deframer.commit(n);
            at += n;
            loop {
                match deframer.next_packet() {
                    Ok(Some(packet)) => packets.push((packet.kind, packet.payload.to_vec())),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(deframer.next_packet().err(), Some(error), "an error stays");
                        return packets;
                    }
                }
            }
        }
    }
    packets
}
