//! A MoldUDP64 channel on two bad lines and a re-request server: packets of a known stream in any order, raw bytes, and time.
//!
//! Held to: every message once and in order, jumping only over what was said to be lost; each as it was published (while no raw
//! bytes came, which may claim to be any message); and an end to what one turn of its agent does.
#![no_main]

use feeds::channel::{Channel, ChannelConfig, REREQUEST, Sink, Taken, Transmit};
use feeds::moldudp64::{Packet, Request, Session};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::{FeedStatus, Nanos};

const SESSIONS: [Session; 2] = [*b"SESSION001", *b"SESSION002"];
/// What one turn may take at most: far above what any needs.
const TURNS_MAX: usize = 1_000;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Packet { line: u8, second: bool, sequence: u8, messages: u8 },
    EndOfSession { line: u8, second: bool, next: u8 },
    Raw { line: u8, bytes: &'a [u8] },
    Answer,
    Pass { us: u16 },
}

/// What was published as message `sequence` of a session.
fn published(session: &Session, sequence: u64) -> [u8; 9] {
    let mut message = [session[9]; 9];
    message[1..].copy_from_slice(&sequence.to_be_bytes());
    message
}

fn packet(session: &Session, sequence: u64, count: u16, messages: u64) -> Vec<u8> {
    let mut bytes = session.to_vec();
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    for message in (sequence..sequence.saturating_add(messages)).map(|sequence| published(session, sequence))
    {
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    bytes
}

/// Some messages are taken for undecodable.
fn is_undecodable(seq: u64) -> bool {
    seq % 37 == 36
}

/// Compares what is delivered with what was published.
struct Checker {
    next: u64,
    session: Option<u8>,
    /// Raw bytes came: a message may be anything, its number may not.
    raw: bool,
    /// A loss was told in this session.
    lossy: bool,
}

impl Sink for Checker {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        assert_eq!(seq, self.next, "in order, once");
        self.next += 1;
        if !self.raw {
            let session = *self.session.get_or_insert(msg[0]);
            assert_eq!(msg[0], session, "of the session");
            assert_eq!(msg[1..], seq.to_be_bytes(), "as published");
        }
        if is_undecodable(seq) { Taken::Undecodable } else { Taken::Whole }
    }

    fn status(&mut self, status: FeedStatus) {
        match status {
            FeedStatus::Synced { next } => assert!(next == self.next && !self.lossy),
            FeedStatus::Recovering { from, to } => assert!(from == self.next && from < to),
            // A message that could not be decoded, once in a session, right behind it.
            FeedStatus::Lost { from, to } if to == self.next => {
                assert!(from + 1 == to && is_undecodable(from) && !self.lossy);
                self.lossy = true;
            }
            FeedStatus::Lost { from, to } => {
                assert!(from == self.next && from < to);
                self.next = to;
                self.lossy = true;
            }
            // Whoever sends bytes of his own may send others under the same number.
            FeedStatus::Disputed { sequence } => {
                assert!(self.raw && sequence < self.next && !self.lossy);
                self.lossy = true;
            }
            FeedStatus::NewSession => {
                self.next = 1;
                self.lossy = false;
                self.session = None;
            }
            FeedStatus::Doubted | FeedStatus::SnapshotBegin | FeedStatus::SnapshotEnd { .. } => {
                panic!("there is no snapshot server")
            }
            FeedStatus::Silent | FeedStatus::Heartbeat | FeedStatus::EndOfSession => {}
        }
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let config = ChannelConfig {
        reorder_window: 16,
        message_bytes: 16,
        request_max_messages: 8,
        servers: 1,
        ..ChannelConfig::default()
    };
    let mut channel = Channel::new(config);
    let mut checker = Checker { next: 1, session: None, raw: false, lossy: false };
    let mut now = Nanos(0);
    let mut asked: Option<Transmit> = None;

    for step in steps {
        match step {
            Step::Packet { line, second, sequence, messages } => {
                let session = &SESSIONS[usize::from(second)];
                let messages = u64::from(messages % 8);
                let bytes = packet(session, u64::from(sequence), messages as u16, messages);
                channel.on_datagram(now, line % 2, &bytes, &mut checker);
            }
            Step::EndOfSession { line, second, next } => {
                let bytes = packet(&SESSIONS[usize::from(second)], u64::from(next), u16::MAX, 0);
                channel.on_datagram(now, line % 2, &bytes, &mut checker);
            }
            Step::Raw { line, bytes } => {
                checker.raw = true;
                let _ = Packet::parse(bytes).map(|packet| packet.blocks().count());
                channel.on_datagram(now, line, bytes, &mut checker);
            }
            Step::Answer => {
                if let Some(transmit) = asked.take() {
                    let request = Request::parse(&transmit.bytes).expect("our own request");
                    let count = request.count.min(4);
                    let bytes = packet(&request.session, request.sequence, count, u64::from(count));
                    channel.on_datagram(now, REREQUEST, &bytes, &mut checker);
                }
            }
            Step::Pass { us } => now = Nanos(now.0 + u64::from(us) * 10_000),
        }

        let mut turns = 0;
        while channel.next_timeout().is_some_and(|due| due <= now) {
            channel.on_timeout(now, &mut checker);
            while let Some(transmit) = channel.poll_transmit(now) {
                asked = Some(transmit);
                turns += 1;
                assert!(turns < TURNS_MAX, "requests without an end");
            }
            turns += 1;
            assert!(turns < TURNS_MAX, "timeouts without an end");
        }
        while let Some(transmit) = channel.poll_transmit(now) {
            asked = Some(transmit);
            turns += 1;
            assert!(turns < TURNS_MAX, "requests without an end");
        }
        assert_eq!(channel.expected(), checker.next);
    }
});
