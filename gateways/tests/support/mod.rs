//! What several test files share: a recording sink, a scripted venue, and the material beside the repository.
#![allow(dead_code)]

pub mod material;
pub mod ouch42;
pub mod spoken;
pub mod venue;

use gateways::gateway::{
    GatewayConfig, Notice, OrderGateway, OuchGateway, ProtocolError, ReportSink, SINK_BURST,
};
use gateways::soupbintcp::ClientConfig;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    SessionEvent, Side, Symbol, Tif, Token,
};

pub const GATEWAY: GatewayId = GatewayId(3);
pub const MS: u64 = 1_000_000;

/// Records everything, in order of arrival, up to a room that a test may shrink.
#[derive(Debug)]
pub struct Sink {
    pub all: Vec<Seen>,
    pub room: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    Report(ExecutionReport),
    Session(SessionEvent),
    Notice(Notice),
}

impl Default for Sink {
    fn default() -> Sink {
        Sink { all: Vec::new(), room: usize::MAX }
    }
}

impl Sink {
    pub fn reports(&self) -> Vec<ExecutionReport> {
        self.all.iter().filter_map(|s| if let Seen::Report(r) = s { Some(*r) } else { None }).collect()
    }

    pub fn events(&self) -> Vec<SessionEvent> {
        self.all.iter().filter_map(|s| if let Seen::Session(e) = s { Some(*e) } else { None }).collect()
    }

    pub fn notices(&self) -> Vec<Notice> {
        self.all.iter().filter_map(|s| if let Seen::Notice(n) = s { Some(*n) } else { None }).collect()
    }

    pub fn ready(&self) -> Option<Token> {
        self.events().iter().rev().find_map(|e| match e {
            SessionEvent::Ready { next_token, .. } => Some(*next_token),
            _ => None,
        })
    }

    fn take(&mut self, seen: Seen) {
        self.room = self.room.checked_sub(1).expect("the gateway called a sink that has no room");
        self.all.push(seen);
    }
}

impl ReportSink for Sink {
    fn report(&mut self, report: ExecutionReport) {
        self.take(Seen::Report(report));
    }
    fn session(&mut self, event: SessionEvent) {
        self.take(Seen::Session(event));
    }
    fn notice(&mut self, notice: Notice) {
        self.take(Seen::Notice(notice));
    }
    fn has_room(&self) -> bool {
        self.room >= SINK_BURST
    }
}

pub fn instruments() -> [Instrument; 2] {
    let instrument = |id, symbol| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).unwrap(),
        feed: FeedId(0),
        gateway: GATEWAY,
    };
    [instrument(0, "AAPL"), instrument(1, "MSFT")]
}

pub fn config() -> GatewayConfig {
    GatewayConfig::new(GATEWAY, *b"FIRM", ClientConfig::new("user01", "secret"))
}

pub fn gateway(change: impl FnOnce(&mut GatewayConfig)) -> OuchGateway {
    let mut c = config();
    change(&mut c);
    OuchGateway::new(c, &instruments()).unwrap()
}

/// Gives `bytes` to the gateway as reads of at most `chunk` bytes.
pub fn receive(
    g: &mut impl OrderGateway<Error = ProtocolError>,
    now: Nanos,
    bytes: &[u8],
    chunk: usize,
    sink: &mut Sink,
) -> Result<(), ProtocolError> {
    for part in bytes.chunks(chunk) {
        let mut part = part;
        while !part.is_empty() {
            let space = g.recv_space();
            let n = part.len().min(space.len());
            assert!(n > 0, "no space");
            space[..n].copy_from_slice(&part[..n]);
            part = &part[n..];
            g.on_received(now, n, sink)?;
        }
    }
    Ok(())
}

/// Everything to be sent, as sent.
pub fn flush(g: &mut impl OrderGateway) -> Vec<u8> {
    let bytes = g.transmit().to_vec();
    g.transmitted(bytes.len());
    bytes
}

pub fn buy(token: u32) -> OrderCommand {
    command(CommandKind::New {
        token: Token(token),
        side: Side::Buy,
        short: false,
        qty: Qty(100),
        px: Px(1_500_000),
        tif: Tif::Day,
    })
}

pub fn cancel(token: u32) -> OrderCommand {
    command(CommandKind::Cancel { token: Token(token), qty: Qty(0) })
}

pub fn command(kind: CommandKind) -> OrderCommand {
    OrderCommand { gateway: GATEWAY, instrument: InstrumentId(0), kind }
}

pub fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut p = (payload.len() as u16 + 1).to_be_bytes().to_vec();
    p.push(kind);
    p.extend_from_slice(payload);
    p
}
