//! Two sessions and a wire between them, in virtual time.
#![allow(dead_code)]

use gateways::fix::compose::Fields;
use gateways::fix::framing::{Framed, Framer, Message, split};
use gateways::fix::session::{Event, Role, Session, SessionConfig, Version};
use gateways::fix::store::MemoryStore;
use model::Nanos;

pub const SECOND: u64 = 1_000_000_000;
/// 2024-01-02 12:00:00.250.
pub const START: Nanos = Nanos(1_704_196_800 * SECOND + SECOND / 4);

pub fn initiator(version: Version) -> SessionConfig {
    SessionConfig::new(Role::Initiator, version, "CLIENT", "VENUE")
}

pub fn acceptor(version: Version) -> SessionConfig {
    SessionConfig::new(Role::Acceptor, version, "VENUE", "CLIENT")
}

pub fn session(config: SessionConfig) -> Session<MemoryStore> {
    Session::new(config, MemoryStore::new(1 << 20)).unwrap()
}

/// `11=a|55=B|` as bytes.
pub fn body(text: &str) -> Vec<u8> {
    text.replace('|', "\x01").into_bytes()
}

/// A message of the other side's hand: header and body in one.
pub fn raw(version: Version, text: &str) -> Vec<u8> {
    let mut out = Fields::new(4096);
    assert!(gateways::fix::compose::finish(&mut out, version.begin(), &body(text)));
    out.finished().unwrap().to_vec()
}

pub fn give(to: &mut Session<MemoryStore>, now: Nanos, bytes: &[u8]) {
    for part in bytes.chunks(1024) {
        to.recv_space()[..part.len()].copy_from_slice(part);
        to.on_received(now, part.len());
        let _ = poll(to, now);
    }
}

/// What a session told its application: type, number and body, or another event's name.
pub fn poll(of: &mut Session<MemoryStore>, now: Nanos) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(event) = of.poll(now) {
        out.push(match event {
            Event::Message { seq, message } => {
                let fields =
                    message.fields().filter(|(tag, _)| ![8, 9, 10, 34, 35, 49, 52, 56, 122].contains(tag));
                let text: Vec<_> =
                    fields.map(|(tag, text)| format!("{tag}={}", String::from_utf8_lossy(text))).collect();
                format!("{} {seq} {}", String::from_utf8_lossy(message.kind()), text.join("|"))
            }
            other => format!("{other:?}"),
        });
    }
    out
}

/// Everything in the transmit buffer, taken out.
pub fn taken(from: &mut Session<MemoryStore>) -> Vec<u8> {
    let bytes = from.transmit().to_vec();
    from.transmitted(bytes.len());
    bytes
}

/// The messages in some bytes, without begin, length, times and sum.
pub fn shown(bytes: &[u8]) -> Vec<String> {
    let mut framer = Framer::new(1 << 20);
    framer.space()[..bytes.len()].copy_from_slice(bytes);
    framer.commit(bytes.len());
    let mut out = Vec::new();
    while let Some(Framed::Message(at)) = framer.next_frame() {
        let bytes = framer.bytes(at);
        let mut fields = Vec::with_capacity(256);
        split(bytes, &mut fields).unwrap();
        let fields = Message::new(bytes, &fields)
            .fields()
            .filter(|(tag, _)| ![8, 9, 10, 49, 52, 56, 60, 122].contains(tag));
        out.push(fields.map(|(tag, text)| format!("{tag}={}|", String::from_utf8_lossy(text))).collect());
    }
    out
}

/// Bytes go to and fro until nothing does; what each side's application was told.
pub fn settle(
    now: Nanos,
    a: &mut Session<MemoryStore>,
    b: &mut Session<MemoryStore>,
) -> (Vec<String>, Vec<String>) {
    let (mut told_a, mut told_b) = (poll(a, now), poll(b, now));
    for _ in 0..10_000 {
        let (to_b, to_a) = (chunk(a), chunk(b));
        if to_a.is_empty() && to_b.is_empty() {
            return (told_a, told_b);
        }
        for (to, bytes, told) in [(&mut *a, to_a, &mut told_a), (&mut *b, to_b, &mut told_b)] {
            to.recv_space()[..bytes.len()].copy_from_slice(&bytes);
            to.on_received(now, bytes.len());
            told.extend(poll(to, now));
        }
    }
    panic!("the two talk for ever");
}

fn chunk(from: &mut Session<MemoryStore>) -> Vec<u8> {
    let bytes = from.transmit();
    let bytes = bytes[..bytes.len().min(1500)].to_vec();
    from.transmitted(bytes.len());
    bytes
}

pub fn connect(
    now: Nanos,
    a: &mut Session<MemoryStore>,
    b: &mut Session<MemoryStore>,
) -> (Vec<String>, Vec<String>) {
    a.on_disconnected();
    b.on_disconnected();
    b.on_connected(now);
    a.on_connected(now);
    settle(now, a, b)
}
