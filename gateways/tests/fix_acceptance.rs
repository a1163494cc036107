//! The public acceptance definitions for FIX 4.4 (those of QuickFIX, licence beside them), against our session in both roles, in virtual time.
//!
//! A definition is a script of a connection: `I` a message to the acceptor, `E` one expected from it, `iCONNECT` and `eDISCONNECT`. The application behind the
//! session echoes orders, as the definitions assume. Against the **initiator** the same scripts run mirrored: it connects and sends its Logon, which must be the
//! one that the definition expects, and takes the definition's Logon for the answer.

#[path = "support/material.rs"]
#[allow(dead_code)] // the captures are for other tests
mod material;

use std::collections::HashSet;
use std::path::Path;

use gateways::fix::compose::{Fields, finish};
use gateways::fix::dictionary::Strictness;
use gateways::fix::framing::{Caller, Framed, Framer, Message, split};
use gateways::fix::session::{Event, Replay, Resend, Role, Session, SessionConfig, Version};
use gateways::fix::store::MemoryStore;
use gateways::fix::value;
use model::Nanos;

const SECOND: u64 = 1_000_000_000;
/// 2024-01-02 12:00:00.250.
const START: Nanos = Nanos(1_704_196_800 * SECOND + SECOND / 4);
/// The longest that a definition waits for anything.
const WAIT: u64 = 60 * SECOND;

/// Definitions that do not apply to the initiator, and why.
const NOT_INITIATOR: &[(&str, &str)] = &[
    ("1b_DuplicateIdentity", "two callers with one identity are a matter of who accepts connections"),
    ("AlreadyLoggedOn", "two callers with one identity are a matter of who accepts connections"),
    (
        "1d_InvalidLogonLengthInvalid",
        "a garbled answer is ignored, and the logon times out: see the unit test of the session",
    ),
    (
        "SessionReset",
        "the initiator never takes a reset that it did not ask for: its orders' reports would be lost",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'a> {
    letter: u8,
    connection: u32,
    text: &'a str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let line = |line: &'_ str| -> Option<(u8, u32, usize)> {
        let letter = *line.as_bytes().first().filter(|b| b"IEie".contains(b))?;
        match line[1..].split_once(',') {
            Some((n, _)) if n.len() == 1 && n.as_bytes()[0].is_ascii_digit() => {
                Some((letter, n.parse().ok()?, 3))
            }
            _ => Some((letter, 1, 1)),
        }
    };
    text.lines()
        .map(|l| l.trim_end_matches('\r'))
        .filter_map(|l| {
            line(l).map(|(letter, connection, skip)| Line { letter, connection, text: &l[skip..] })
        })
        .collect()
}

/// `<TIME>`, `<TIME-121>`.
fn timed(text: &str, now: Nanos) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<TIME") {
        let (shift, after) = after.split_once('>').expect("a time's end");
        let shift: i64 = if shift.is_empty() { 0 } else { shift.parse().expect("seconds") };
        let at = Nanos(now.0.saturating_add_signed(shift * SECOND as i64));
        out.push_str(before);
        out.push_str(std::str::from_utf8(&value::utc_text(at)[..17]).unwrap());
        rest = after;
    }
    out + rest
}

fn fields_of(text: &str) -> Vec<(i64, &str)> {
    let field =
        |field: &'_ str| field.split_once('=').map(|(tag, _)| (tag.parse().unwrap_or(-999), tag.len() + 1));
    text.split('\x01')
        .filter(|f| !f.is_empty())
        .filter_map(|f| field(f).map(|(tag, at)| (tag, &f[at..])))
        .collect()
}

/// A definition's message with the length and sum that it leaves out.
fn completed(text: &str, now: Nanos) -> Vec<u8> {
    let text = timed(text, now);
    let has = |tag: &str| text.starts_with(tag) || text.contains(&format!("\x01{tag}"));
    let (with_length, with_sum) = (has("9="), has("10="));
    if !with_length && !with_sum {
        let (begin, body) = text.split_once('\x01').expect("a begin string");
        let mut out = Fields::new(4096);
        assert!(finish(&mut out, begin.trim_start_matches("8=").as_bytes(), body.as_bytes()));
        return out.finished().unwrap().to_vec();
    }
    let mut text = text;
    if !with_length {
        let (begin, body) = text.split_once('\x01').expect("a begin string");
        let length = body.find("\x0110=").map_or(body.len(), |at| at + 1);
        text = format!("{begin}\x019={length}\x01{body}");
    }
    if !with_sum {
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        text = format!("{text}10={sum:03}\x01");
    }
    text.into_bytes()
}

struct Bench {
    role: Role,
    heartbeat_s: u32,
    now: Nanos,
    session: Option<(u32, Session<MemoryStore>)>,
    /// Connections that the port has not given to a session, and those it has dropped.
    callers: Vec<u32>,
    dropped: Vec<u32>,
    /// What came out.
    sent: Framer,
    seen: HashSet<Vec<u8>>,
}

impl Bench {
    fn new(role: Role, heartbeat_s: u32) -> Bench {
        Bench {
            role,
            heartbeat_s,
            now: START,
            session: None,
            callers: Vec::new(),
            dropped: Vec::new(),
            sent: Framer::new(1 << 20),
            seen: HashSet::new(),
        }
    }

    /// Each connection begins a new session, as the definitions assume.
    fn connect(&mut self, connection: u32) {
        if self.session.is_some() {
            return self.callers.push(connection);
        }
        let config = SessionConfig {
            heartbeat_s: self.heartbeat_s,
            replay: Replay::Missed,
            resend: Resend::Application,
            strictness: Strictness::Full,
            patience: Nanos::from_millis(5_000),
            ..SessionConfig::new(self.role, Version::Fix44, "ISLD", "TW44")
        };
        let mut session = Session::new(config, MemoryStore::new(1 << 20)).unwrap();
        session.on_connected(self.now);
        self.session = Some((connection, session));
        self.sent.clear();
        self.seen.clear();
        self.turn();
    }

    fn receive(&mut self, connection: u32, bytes: &[u8]) {
        if self.callers.contains(&connection) {
            // The port: who calls? The session that is named here is in use.
            match Caller::of(bytes) {
                Caller::Logon { sender: b"TW44", target: b"ISLD" } => self.dropped.push(connection),
                caller => panic!("{caller:?}"),
            }
            return;
        }
        let (_, session) = self.session.as_mut().expect("a connection");
        session.recv_space()[..bytes.len()].copy_from_slice(bytes);
        session.on_received(self.now, bytes.len());
        self.turn();
    }

    /// What the agent does: events to the application, bytes to the wire.
    fn turn(&mut self) {
        let Some((_, session)) = &mut self.session else { return };
        loop {
            let answer = match session.poll(self.now) {
                None => break,
                Some(Event::Message { seq, message }) => answer(seq, &message, &mut self.seen),
                Some(_) => None,
            };
            if let Some((kind, header, body)) = answer {
                session.send_routed(self.now, &kind, &header, &body).expect("the answer fits");
            }
        }
        let out = session.transmit().to_vec();
        session.transmitted(out.len());
        self.sent.space()[..out.len()].copy_from_slice(&out);
        self.sent.commit(out.len());
    }

    /// Lets time pass until something is sent; `None` when the connection is over or nothing comes.
    fn expect(&mut self) -> Option<Vec<u8>> {
        let until = self.now.after(Nanos(WAIT));
        loop {
            match self.sent.next_frame() {
                Some(Framed::Message(at)) => return Some(self.sent.bytes(at).to_vec()),
                Some(Framed::Garbled) => panic!("we sent garbage"),
                None => {}
            }
            let (_, session) = self.session.as_mut()?;
            let due = session.next_timeout(false).filter(|at| *at <= until && !session.is_over())?;
            self.now = self.now.max(due);
            session.on_timeout(self.now, false);
            self.turn();
        }
    }

    fn ends(&mut self, connection: u32) -> Result<(), String> {
        if self.dropped.contains(&connection) {
            return Ok(());
        }
        if let Some(bytes) = self.expect() {
            return Err(format!("expected the end, got {}", show(&bytes)));
        }
        match self.session.take() {
            Some((_, session)) if session.is_over() => Ok(()),
            Some((_, session)) => Err(format!("expected the end in {:?}", session.state())),
            None => Err("no connection".into()),
        }
    }

    fn run(&mut self, script: &[Line<'_>]) -> Result<(), String> {
        for line in script {
            match (line.letter, line.text) {
                (b'i', "CONNECT") => self.connect(line.connection),
                (b'i', _) => self.session = None,
                (b'e', _) => self.ends(line.connection)?,
                (b'I', text) => self.receive(line.connection, &completed(text, self.now)),
                (_, text) => {
                    let sent = self
                        .expect()
                        .ok_or_else(|| format!("expected {}, nothing came", text.replace('\x01', "|")))?;
                    same(text, &sent)?;
                }
            }
        }
        match self.sent.next_frame() {
            Some(left) => Err(format!("left over: {left:?}")),
            None => Ok(()),
        }
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\x01', "|")
}

type Answer = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Echoes orders and definitions, once each; anything else is not supported.
fn answer(seq: u64, m: &Message<'_>, seen: &mut HashSet<Vec<u8>>) -> Option<Answer> {
    let kind = m.kind().to_vec();
    let (mut header, mut body) = (Fields::new(4096), Fields::new(4096));
    match m.kind() {
        b"3" => return None,
        b"D" | b"d" => {
            let again = m.get(11).is_some_and(|id| !seen.insert(id.to_vec()));
            if m.flag(97) && again {
                return None;
            }
            if m.flag(97) {
                header.text(97, b"Y");
            }
            let mut fields: Vec<_> = m
                .fields()
                .filter(|(tag, _)| ![8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122].contains(tag))
                .collect();
            fields.sort_by_key(|(tag, _)| *tag);
            for (tag, text) in fields {
                body.text(tag, text);
            }
        }
        _ => {
            body.uint(45, seq).text(58, b"Unsupported Message Type").text(372, &kind).uint(380, 3);
            return Some((b"j".to_vec(), Vec::new(), body.finished().unwrap().to_vec()));
        }
    }
    Some((kind, header.finished().unwrap().to_vec(), body.finished().unwrap().to_vec()))
}

/// Field by field, in order. Times may be any; checksum and, where the definition's own time is of another length, body length are not compared.
fn same(expected: &str, sent: &[u8]) -> Result<(), String> {
    let mut split_fields = Vec::with_capacity(256);
    split(sent, &mut split_fields).ok_or("we sent what cannot be split")?;
    let ours: Vec<(i64, String)> = Message::new(sent, &split_fields)
        .fields()
        .map(|(tag, text)| (i64::from(tag), String::from_utf8_lossy(text).into_owned()))
        .collect();
    let theirs = fields_of(expected);
    let length_holds = theirs.iter().any(|(tag, text)| *tag == 52 && text.len() == 21);
    let compared =
        |tag: i64| tag != 10 && (tag != 9 || length_holds && theirs.iter().any(|(tag, _)| *tag == 9));
    let is_time = |tag: i64| matches!(tag, 52 | 60 | 122);
    let (a, b): (Vec<_>, Vec<_>) = (
        theirs
            .iter()
            .filter(|(tag, _)| compared(*tag))
            .map(|(tag, text)| (*tag, if is_time(*tag) { "" } else { text }))
            .collect(),
        ours.iter()
            .filter(|(tag, _)| compared(*tag))
            .map(|(tag, text)| (*tag, if is_time(*tag) { "" } else { text.as_str() }))
            .collect(),
    );
    let times =
        ours.iter().filter(|(tag, _)| is_time(*tag)).all(|(_, text)| value::utc(text.as_bytes()).is_some());
    if a == b && times {
        Ok(())
    } else {
        Err(format!("expected {}, got {}", expected.replace('\x01', "|"), show(sent)))
    }
}

/// The same script for an initiator: its Logon comes first, without what only an answer has.
fn mirrored<'a>(script: &[Line<'a>]) -> Vec<Line<'a>> {
    let mut out = Vec::new();
    let mut script = script.iter().copied().peekable();
    while let Some(line) = script.next() {
        out.push(line);
        if line.letter == b'i' && line.text == "CONNECT" {
            let call = script.next().expect("a first message");
            let answer =
                script.next_if(|answer| answer.letter == b'E' && answer.text.contains("\x0135=A\x01"));
            out.push(answer.unwrap_or(Line { letter: b'E', text: OUR_LOGON, ..call }));
            out.push(call);
        }
    }
    out
}

const OUR_LOGON: &str =
    "8=FIX.4.4\x0135=A\x0134=1\x0149=ISLD\x0152=00000000-00:00:00.000\x0156=TW44\x0198=0\x01108=30\x01";

fn heartbeat_of(script: &[Line<'_>]) -> u32 {
    let logon = script.iter().filter(|line| line.letter == b'I').find_map(|line| {
        fields_of(line.text).iter().find_map(|(tag, text)| (*tag == 108).then(|| text.parse().unwrap()))
    });
    logon.unwrap_or(30)
}

#[allow(clippy::print_stdout)] // the table of what passes
fn run_all(folder: &Path, role: Role) {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    let (mut passed, mut exempt, mut failed) = (0, 0, Vec::new());
    for path in names.iter().filter(|path| path.extension().is_some_and(|e| e == "def")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let not_ours = NOT_INITIATOR.iter().find(|(n, _)| role == Role::Initiator && *n == name);
        if let Some((_, why)) = not_ours {
            println!("{role:?} {name:<45} does not apply: {why}");
            exempt += 1;
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let script = lines(&text);
        let heartbeat = heartbeat_of(&script);
        let script = if role == Role::Initiator { mirrored(&script) } else { script };
        match Bench::new(role, heartbeat).run(&script) {
            Ok(()) => {
                println!("{role:?} {name:<45} pass");
                passed += 1;
            }
            Err(why) => {
                println!("{role:?} {name:<45} FAIL {why}");
                failed.push(name);
            }
        }
    }
    println!("{role:?}: {passed} pass, {exempt} do not apply, {} fail", failed.len());
    assert!(passed > 50 && failed.is_empty(), "{failed:?}");
}

#[test]
fn the_acceptor_passes_the_definitions() {
    let Some(folder) = material::find("fix/fix44") else { return };
    run_all(&folder, Role::Acceptor);
}

#[test]
fn the_initiator_passes_the_definitions_mirrored() {
    let Some(folder) = material::find("fix/fix44") else { return };
    run_all(&folder, Role::Initiator);
}
