//! What tshark reads in the datagrams of the simulated exchange, and what everyone else makes of the same capture.
//!
//! Wireshark notes "Number of Requested Messages" on a packet that has a count and no blocks. That is what a request is, and it is also the shape
//! of the end of a session (count 0xFFFF), which the protocol tells by where a packet came from; so the note stands at both and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use feeds::moldudp64::{END_OF_SESSION, HEADER};

use crate::binaryfile;
use crate::books;
use crate::program::{Program, skipped};
use crate::venue::{self, DATAGRAM, Datagram, Day, NARROW, SESSION};

/// The note at a count without blocks.
const ASKS: &str = "Number of Requested Messages";

/// One frame as tshark has it.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    ports: (u16, u16),
    session: String,
    sequence: u64,
    count: u16,
    /// Number, length and bytes in hexadecimal of each message.
    blocks: Vec<(u64, usize, String)>,
    /// What the dissector finds wrong or worth a note, of any layer.
    notes: String,
}

/// `None` where there is no tshark; then the test says that it is skipped.
fn frames(capture: &Path, ports: &[u16]) -> Option<Vec<Frame>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("tshark is not installed (scripts/test installs it)");
        return None;
    }
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(capture).args(["-o", "ip.check_checksum:TRUE"]);
    for port in ports {
        tshark.arg("-d").arg(format!("udp.port=={port},moldudp64"));
    }
    tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"]);
    let mold = ["session", "sequence", "count", "msgseq", "msglen", "msgdata"];
    let fields = ["udp.srcport", "udp.dstport"].into_iter().map(String::from);
    let fields = fields.chain(mold.iter().map(|f| format!("moldudp64.{f}")));
    for field in fields.chain(["_ws.malformed", "_ws.expert.message"].map(String::from)) {
        tshark.arg("-e").arg(field);
    }
    let ended = Program::start(&mut tshark).end().exits(0);
    Some(ended.stdout.lines().map(frame).collect())
}

fn frame(line: &str) -> Frame {
    let fields: Vec<_> = line.split('\t').collect();
    let [from, to, session, sequence, count, numbers, lengths, bytes, malformed, notes] = fields[..] else {
        panic!("{} fields: {line}", fields.len())
    };
    let list = |field: &str| -> Vec<String> {
        field.split(',').filter(|f| !f.is_empty()).map(String::from).collect()
    };
    let (numbers, lengths, bytes) = (list(numbers), list(lengths), list(bytes));
    assert!(numbers.len() == lengths.len() && lengths.len() == bytes.len(), "{line}");
    let blocks = numbers.iter().zip(lengths).zip(bytes);
    let blocks = blocks.map(|((n, len), bytes)| (n.parse().unwrap(), len.parse().unwrap(), bytes)).collect();
    Frame {
        ports: (from.parse().unwrap(), to.parse().unwrap()),
        session: session.into(),
        sequence: sequence.parse().unwrap_or_else(|e| panic!("{e}: {line}")),
        count: count.parse().unwrap(),
        blocks,
        notes: format!("{malformed}{notes}"),
    }
}

/// The same, read by hand.
fn expected(datagram: &Datagram) -> Frame {
    let bytes = &datagram.bytes;
    let sequence = u64::from_be_bytes(bytes[10..18].try_into().unwrap());
    let messages = binaryfile::messages(&bytes[HEADER..]);
    let blocks = (sequence..).zip(&messages).map(|(n, m)| (n, m.len(), hex(m)));
    Frame {
        ports: (datagram.from.port(), datagram.to.port()),
        session: String::from_utf8(bytes[..10].to_vec()).unwrap(),
        sequence,
        count: datagram.count(),
        blocks: blocks.collect(),
        notes: if datagram.count() > 0 && messages.is_empty() { ASKS.into() } else { String::new() },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// What one line carried by number, with how often it was silent and how often it ended.
fn line(frames: &[Frame], port: u16) -> (BTreeMap<u64, Vec<u8>>, usize, usize) {
    let (mut stream, mut heartbeats, mut ends) = (BTreeMap::new(), 0, 0);
    for frame in frames.iter().filter(|f| f.ports.1 == port) {
        let next = stream.len() as u64 + 1;
        assert_eq!(frame.sequence, next, "nothing is lost, doubled or out of order: {frame:?}");
        match frame.count {
            0 => heartbeats += 1,
            END_OF_SESSION => ends += 1,
            count => {
                assert_eq!(usize::from(count), frame.blocks.len(), "{frame:?}");
                assert_eq!(ends, 0, "{frame:?} after the end");
                stream.extend(frame.blocks.iter().map(|(n, _, hex)| (*n, bytes(hex))));
                assert_eq!(stream.len() as u64, next + u64::from(count) - 1, "{frame:?}");
            }
        }
    }
    (stream, heartbeats, ends)
}

/// Each request and its answer, as tshark has them.
fn answered(frames: &[Frame], day: &Day, stream: &BTreeMap<u64, Vec<u8>>) {
    let (server, asker) = (day.server.port(), day.asker.port());
    let talk: Vec<_> = frames.iter().filter(|f| f.ports.0 == asker || f.ports.1 == asker).collect();
    assert_eq!(talk.len(), 8, "each request has one answer");
    let mut clamped = 0;
    for pair in talk.chunks(2) {
        let (request, answer) = (pair[0], pair[1]);
        assert_eq!((request.ports, answer.ports), ((asker, server), (server, asker)));
        assert_eq!((request.blocks.len(), request.notes.as_str()), (0, ASKS), "{request:?}");
        assert_eq!(answer.sequence, request.sequence);
        assert!((1..=request.count).contains(&answer.count), "{request:?} {answer:?}");
        let size = |n: u64| stream.get(&n).map_or(0, |m| 2 + m.len());
        let end = answer.sequence + u64::from(answer.count);
        let carried = HEADER + (answer.sequence..end).map(size).sum::<usize>();
        assert!(carried <= DATAGRAM);
        if answer.count < request.count {
            assert!(carried + size(end) > DATAGRAM, "the next one fits too: {answer:?}");
            clamped += 1;
        }
        for (n, _, hex) in &answer.blocks {
            assert_eq!(bytes(hex), stream[n], "message {n} of an answer");
        }
    }
    assert!(clamped > 0, "one request asks for more than fits");
}

#[test]
fn tshark_reads_what_the_exchange_sends() {
    let day = venue::day();
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("day.pcap");
    fs::write(&capture, venue::pcap(&day.datagrams)).unwrap();
    let [a, b] = day.lines.map(|l| l.port());
    let Some(frames) = frames(&capture, &[a, b, day.server.port(), day.asker.port()]) else { return };

    assert_eq!(frames.len(), day.datagrams.len());
    for (n, (frame, datagram)) in frames.iter().zip(&day.datagrams).enumerate() {
        assert_eq!(*frame, expected(datagram), "frame {}", n + 1);
        assert_eq!(frame.session, SESSION);
    }
    let (stream, heartbeats, ends) = line(&frames, a);
    assert!(heartbeats > 0 && ends > 0, "{heartbeats} heartbeats, {ends} ends");
    let (other, heartbeats, ends) = line(&frames, b);
    assert!(heartbeats > 0 && ends > 0, "{heartbeats} heartbeats, {ends} ends");
    assert_eq!(stream.len() as u64, day.messages);
    assert!(stream == other, "both lines carry the same, packed differently");
    for (to, limit) in day.lines.iter().zip([DATAGRAM, NARROW]) {
        let largest = day.datagrams.iter().filter(|d| d.to == *to).map(|d| d.bytes.len()).max();
        assert!(largest.is_some_and(|n| n <= limit), "{largest:?} of {limit}");
    }
    answered(&frames, &day, &stream);
}

#[test]
fn the_peers_read_what_the_exchange_publishes() {
    let day = venue::day();
    let folder = tempfile::tempdir().unwrap();
    let carried = day.datagrams.iter().filter(|d| d.to == day.lines[0] && d.count() != END_OF_SESSION);
    let stream: Vec<_> = carried.flat_map(|d| binaryfile::messages(&d.bytes[HEADER..])).collect();
    assert_eq!(stream.len() as u64, day.messages);
    let file = folder.path().join("day.itch");
    fs::write(&file, binaryfile::framed(stream)).unwrap();

    // Both lines, the requests and the answers in one capture are the same stream, once.
    let capture = folder.path().join("day.pcap");
    fs::write(&capture, venue::pcap(&day.datagrams)).unwrap();
    let (of_file, of_capture) = (books::build(&file), books::build(&capture));
    assert_eq!(of_file.bbo, of_capture.bbo);
    assert_eq!(of_file.last, of_capture.last);
    assert_eq!(of_file.counts.at("/by_type"), of_capture.counts.at("/by_type"));
    of_file.counts.some("/by_type/A").some("/by_type/E").some("/by_type/U").some("/by_type/D");
    if let Some(python) = books::python() {
        books::peers_agree(&python, &file);
    }
}
