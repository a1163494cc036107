//! A hostile venue of the web. The input's first line says of which kind:
//!
//! * `h`: what follows is HTTP, as a client and as a server hear it: the same messages however TCP cuts it, and a buffer that ends.
//! * `w`: what follows are WebSocket frames that a server hears.
//! * otherwise a story of one line an event, to a session with its orders:
//!
//! ```text
//!   r STATUS BODY   the oldest question of a lane is answered     o   the stream opens, if one is wanted     n N  an order with token N
//!   x               it is not                                     c   it is closed                           k N  its cancel
//!   p MS            time passes                                   t TEXT   a text of the stream              z    everything is canceled
//! ```
//!
//! Held to: no panic, no hang, no report without room, no order made twice.
#![no_main]

use std::collections::BTreeSet;
use std::io;

use colo::web::http::{self, HttpError};
use colo::web::socket::{Heard, Socket};
use gateways::apikey::{Credentials, Lane, Request, Response, Session, SessionConfig};
use gateways::gateway::{Notice, ReportSink};
use libfuzzer_sys::fuzz_target;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    SessionEvent, Side, Symbol, Tif, Token,
};
use net::{ByteStream, Received};

const BODY_MAX: usize = 4_096;
/// 2024-01-02 12:00:00.
const START: Nanos = Nanos(1_704_196_800_000_000_000);

/// Everything that one taker finds, in pieces of so many bytes.
fn taken<T: std::fmt::Debug>(
    bytes: &[u8],
    piece: usize,
    take: fn(&mut Vec<u8>, usize) -> Result<Option<T>, HttpError>,
) -> String {
    let (mut buffer, mut said) = (Vec::new(), String::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match take(&mut buffer, BODY_MAX) {
                Ok(Some(message)) => said.push_str(&format!("{message:?}\n")),
                Ok(None) => break,
                Err(_) => return said + "error",
            }
        }
    }
    said
}

/// What a peer sends, and a peer that takes what it is told.
struct Peer<'a>(&'a [u8]);

impl ByteStream for Peer<'_> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        let n = self.0.len().min(buf.len());
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(if n == 0 { Received::Nothing } else { Received::Data(n) })
    }
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

fn frames(bytes: &[u8]) {
    let mut asked =
        b"GET /ws/k HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n".to_vec();
    let request = http::take_request(&mut asked, 0).unwrap().unwrap();
    let mut socket = Socket::accepted(Peer(bytes), &request, Vec::new()).unwrap();
    // No frame is shorter than two bytes.
    for _ in 0..=bytes.len() / 2 + 1 {
        match socket.poll() {
            Ok(Heard::Text(text)) => assert!(text.len() <= bytes.len()),
            Ok(Heard::Life) => {}
            Ok(Heard::Nothing | Heard::Closed) | Err(_) => return,
        }
    }
    panic!("more frames than bytes");
}

#[derive(Default)]
struct Orders {
    accepted: BTreeSet<Token>,
}

impl ReportSink for Orders {
    fn report(&mut self, r: ExecutionReport) {
        self.accepted.insert(r.token);
    }
    fn session(&mut self, _: SessionEvent) {}
    fn notice(&mut self, _: Notice) {}
    fn has_room(&self) -> bool {
        true
    }
}

fn number(text: &[u8]) -> u32 {
    core::str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

fn story(lines: &[u8]) {
    let symbol = Symbol::new("BTCUSDT").unwrap();
    let btc = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GatewayId(0) };
    let key = Credentials::Key { key: "k".into(), secret: "s".into() };
    let mut session = Session::new(SessionConfig::new(GatewayId(0), key), &[btc]);
    let (mut sink, mut now, mut is_open) = (Orders::default(), START, false);
    let mut asked: Vec<Request> = Vec::new();
    let mut made = BTreeSet::new();
    for line in lines.split(|b| *b == b'\n') {
        let (what, rest) = line
            .split_first()
            .map_or((b' ', line), |(w, rest)| (*w, rest.strip_prefix(b" ").unwrap_or(rest)));
        for lane in [Lane::Cancels, Lane::Orders, Lane::Questions] {
            if asked.len() < 3
                && let Some(request) = session.next_request(now, lane)
            {
                let name = request.target.split('&').find(|p| p.contains("newClientOrderId="));
                if let Some(name) = name.filter(|_| request.method == "POST") {
                    assert!(made.insert(name.to_owned()), "made twice: {name}");
                }
                asked.push(request);
            }
        }
        let command = |now, session: &mut Session, kind| {
            let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
            session.submit(now, &command);
        };
        match what {
            b'r' if !asked.is_empty() => {
                let (status, body) = rest.split_at(rest.len().min(3));
                let used = Some(u32::from(body.first().copied().unwrap_or(0)));
                let answer = Response {
                    status: number(status) as u16,
                    retry_after_s: Some(number(status) % 7),
                    used_weight: used,
                    order_count: used,
                    body,
                };
                session.on_response(now, asked.remove(0).id, &answer);
            }
            b'x' if !asked.is_empty() => session.on_no_answer(now, asked.remove(0).id),
            b'o' if !is_open && session.wants_stream().is_some() => {
                is_open = true;
                session.on_stream_open();
            }
            b'c' if is_open => {
                is_open = false;
                session.on_stream_closed(now);
            }
            b't' if is_open => {
                if let Ok(text) = core::str::from_utf8(rest) {
                    session.on_stream_text(now, text);
                }
            }
            b'p' => now = now.after(Nanos::from_millis(number(rest).min(86_400_000).into())),
            b'n' => {
                let (side, px, qty) = (Side::Buy, Px(618_000), Qty(5));
                let new = CommandKind::New {
                    token: Token(number(rest)),
                    side,
                    short: false,
                    px,
                    qty,
                    tif: Tif::Day,
                };
                command(now, &mut session, new);
            }
            b'k' => {
                let cancel = CommandKind::Cancel { token: Token(number(rest)), qty: Qty::ZERO };
                command(now, &mut session, cancel);
            }
            b'z' => session.begin_sweep(),
            _ => {}
        }
        if is_open && session.wants_stream().is_none() {
            is_open = false;
            session.on_stream_closed(now);
        }
        session.on_time(now);
        session.pump(&mut sink);
    }
}

fuzz_target!(|bytes: &[u8]| {
    match bytes.split_first() {
        Some((b'h', rest)) => {
            for piece in [1, 7] {
                let whole = rest.len().max(1);
                assert_eq!(taken(rest, whole, http::take_response), taken(rest, piece, http::take_response));
                assert_eq!(taken(rest, whole, http::take_request), taken(rest, piece, http::take_request));
            }
        }
        Some((b'w', rest)) => frames(rest),
        _ => story(bytes),
    }
});
