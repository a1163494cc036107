//! A channel with a snapshot server that says anything at any time: packets of a known stream, snapshots whole, broken off and lying.
//!
//! Held to: a message only where the stream stands, or where a snapshot put it; nothing while a snapshot is being taken; `Synced` only with nothing
//! missing since the last whole snapshot; never two snapshots at once, nor sooner than their spacing.
#![no_main]

use feeds::channel::{Channel, ChannelConfig, Sink, SnapshotLimits, Taken};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::{FeedStatus, Nanos};

const SESSIONS: [[u8; 10]; 2] = [*b"SESSION001", *b"SESSION002"];
const SPACING: u64 = 1_000_000;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Packet { line: bool, second: bool, sequence: u8, messages: u8 },
    EndOfSession { second: bool, next: u8 },
    Raw { bytes: &'a [u8] },
    State { undecodable: bool },
    End { next: u8 },
    EndFarAway { next: u64 },
    Failed,
    Pass { us: u16 },
}

struct Checker {
    /// Where the stream stands; `None` while the books are worth nothing.
    next: Option<u64>,
    is_building: bool,
    /// Snapshots are never given up.
    is_patient: bool,
}

impl Sink for Checker {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        // Where they are, what is held comes though no snapshot does; nothing of that may be `Synced`.
        assert!(!self.is_building || !self.is_patient, "nothing while a snapshot is taken");
        // A snapshot of a moment that never came may be given up too: the stream goes on, behind it, for books that are no one's.
        if !self.is_patient && self.next.is_some_and(|next| next != seq) {
            self.next = None;
        }
        if let Some(next) = &mut self.next {
            assert_eq!(seq, *next);
            *next += 1;
        }
        if msg.is_empty() { Taken::Undecodable } else { Taken::Whole }
    }

    fn snapshot(&mut self, msg: &[u8]) -> Taken {
        assert!(self.is_building);
        if msg.is_empty() { Taken::Undecodable } else { Taken::Whole }
    }

    fn status(&mut self, status: FeedStatus) {
        match status {
            FeedStatus::Synced { next } => assert!(!self.is_building && self.next == Some(next)),
            FeedStatus::Lost { .. } => (self.is_building, self.next) = (false, None),
            FeedStatus::SnapshotBegin => (self.is_building, self.next) = (true, None),
            FeedStatus::SnapshotEnd { next } => {
                assert!(self.is_building, "it had begun");
                (self.is_building, self.next) = (false, Some(next));
            }
            FeedStatus::NewSession => (self.is_building, self.next) = (false, Some(1)),
            FeedStatus::Disputed { .. } => panic!("every copy of a message is the same"),
            FeedStatus::Doubted => panic!("nobody doubts anything"),
            FeedStatus::Recovering { .. }
            | FeedStatus::Silent
            | FeedStatus::Heartbeat
            | FeedStatus::EndOfSession => {}
        }
    }
}

fn packet(session: &[u8; 10], sequence: u64, count: u16, messages: u16) -> Vec<u8> {
    let mut bytes = [&session[..], &sequence.to_be_bytes(), &count.to_be_bytes()].concat();
    for k in 0..messages {
        // Now and then a message that cannot be decoded.
        match (sequence + u64::from(k)) % 29 {
            28 => bytes.extend([0, 0]),
            _ => bytes.extend([0, 1, b'x']),
        }
    }
    bytes
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (patient, steps) = input;
    let mut channel = Channel::new(ChannelConfig {
        reorder_window: 16,
        message_bytes: 16,
        servers: 1,
        request_retries: 1,
        snapshots: Some(SnapshotLimits {
            after_messages: 40,
            after: Nanos::from_millis(50),
            timeout: Nanos::from_millis(100),
            spacing: Nanos(SPACING),
            spacing_max: Nanos(16 * SPACING),
            attempts_max: if patient { u32::MAX } else { 3 },
        }),
        ..ChannelConfig::default()
    });
    let mut checker = Checker { next: Some(1), is_building: false, is_patient: patient };
    let (mut now, mut asked) = (Nanos(0), None::<Nanos>);
    for step in steps {
        match step {
            Step::Packet { line, second, sequence, messages } => {
                let messages = u16::from(messages % 8);
                let bytes = packet(&SESSIONS[usize::from(second)], sequence.into(), messages, messages);
                channel.on_datagram(now, line.into(), &bytes, &mut checker);
            }
            Step::EndOfSession { second, next } => {
                let bytes = packet(&SESSIONS[usize::from(second)], next.into(), u16::MAX, 0);
                channel.on_datagram(now, 0, &bytes, &mut checker);
            }
            Step::Raw { bytes } => channel.on_datagram(now, 1, bytes, &mut checker),
            Step::State { undecodable } => {
                let message: &[u8] = if undecodable { b"" } else { b"A" };
                channel.on_snapshot_message(now, message, &mut checker);
            }
            Step::End { next } => channel.on_snapshot_end(now, next.into(), &mut checker),
            Step::EndFarAway { next } => channel.on_snapshot_end(now, next, &mut checker),
            Step::Failed => channel.on_snapshot_failed(now),
            Step::Pass { us } => now = Nanos(now.0 + u64::from(us) * 10_000),
        }
        let mut turns = 0;
        while channel.next_timeout().is_some_and(|due| due <= now) {
            channel.on_timeout(now, &mut checker);
            while channel.poll_transmit(now).is_some() {}
            turns += 1;
            assert!(turns < 1_000, "timeouts without an end");
        }
        while channel.poll_transmit(now).is_some() {}
        if channel.poll_snapshot(now) {
            assert!(asked.is_none_or(|at| now.0 >= at.0 + SPACING), "a storm");
            assert!(channel.is_snapshot_open() && !channel.poll_snapshot(now));
            asked = Some(now);
        }
    }
});
