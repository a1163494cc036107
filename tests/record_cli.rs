//! `colo record` on real sockets: against a venue whose lines lose, double and reorder, and against packets laid down by hand. What it wrote is compared
//! with what the venue published, which its re-request server tells.

mod exchange_support;
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use colo::exchange::config::ExchangeConfig;
use colo::exchange::{Running, spawn};
use colo::record::index::{Index, Seek};
use colo::source::Source;
use exchange_support::client::login;
use exchange_support::heard::Heard;
use program::desk::Desk;
use program::json::Report;
use program::{Program, colo, until};

const SESSION: &str = "SESSION001";

/// No more than a feed: neither name nor gateways, instruments or strategy.
fn feed(desk: &Desk, more: &str) -> String {
    let [a, b] = &desk.lines;
    format!("[[feeds]]\nid = \"f1\"\nprotocol = \"itch50\"\nlines = [\"{a}\", \"{b}\"]\n{more}\n")
}

fn rerequest(desk: &Desk) -> String {
    format!("rerequest = [\"{}\"]", desk.rerequest)
}

/// Starts a recording into `day.itch`, and waits until it listens.
fn record(desk: &Desk, config: &str, more: &[&str]) -> Program {
    let config = desk.write("feed.toml", config);
    let [out, json] = ["day.itch", "record.json"].map(|f| desk.file(f).into_os_string());
    let mut arguments: Vec<_> = ["record", "--config"].map(Into::into).to_vec();
    arguments.extend([config.into_os_string(), "--out".into(), out, "--json".into(), json]);
    arguments.extend(more.iter().map(Into::into));
    let mut recorder = Program::colo(arguments);
    until("the recorder to listen", || {
        assert!(recorder.runs(), "it ended: {}", recorder.stderr());
        recorder.stderr().contains("record: feed f1 on").then_some(())
    });
    recorder
}

fn report(desk: &Desk) -> Report {
    Report::read(&desk.file("record.json"))
}

/// A venue on the desk's ports, in this process, so that it can be asked when its day is over.
fn venue(desk: &Desk, more: &str) -> Running {
    let Desk { lines: [a, b], rerequest, .. } = desk;
    let text = format!(
        "symbols = [\"AAPL\", \"MSFT\"]\nsession = \"{SESSION}\"\nlines = [\"{a}\", \"{b}\"]\nrerequest = \"{rerequest}\"\nouch = \"127.0.0.1:0\"\n{more}"
    );
    let config = ExchangeConfig::from_toml(&text, desk.folder.path()).expect("a venue's configuration");
    spawn(config).expect("a venue")
}

/// What the venue published up to message `last`, out of its own memory: by its re-request server.
fn published(desk: &Desk, last: u64) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(desk.rerequest).expect("the server");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut all = Vec::new();
    let mut buffer = [0; 65_536];
    while (all.len() as u64) < last {
        let next = all.len() as u64 + 1;
        let wanted = (last - all.len() as u64).min(500) as u16;
        socket.send(&header(SESSION, next, wanted)).expect("sent");
        let answer = until("an answer", || match socket.recv(&mut buffer) {
            Ok(len) => Some(blocks(&buffer[..len])),
            Err(_) => {
                socket.send(&header(SESSION, next, wanted)).expect("sent");
                None
            }
        });
        // One that was asked for twice may come twice.
        if answer.0 == next {
            all.extend(answer.1);
        }
    }
    all
}

fn header(session: &str, sequence: u64, count: u16) -> Vec<u8> {
    [session.as_bytes(), &sequence.to_be_bytes(), &count.to_be_bytes()].concat()
}

fn packet(session: &str, sequence: u64, messages: &[&[u8]]) -> Vec<u8> {
    let mut bytes = header(session, sequence, messages.len() as u16);
    bytes.extend(framed(messages));
    bytes
}

fn end_of_session(sequence: u64) -> Vec<u8> {
    header(SESSION, sequence, u16::MAX)
}

fn framed<M: AsRef<[u8]>>(messages: &[M]) -> Vec<u8> {
    let frame = |m: &M| [&(m.as_ref().len() as u16).to_be_bytes()[..], m.as_ref()].concat();
    messages.iter().flat_map(frame).collect()
}

/// The first sequence and the messages of a packet.
fn blocks(packet: &[u8]) -> (u64, Vec<Vec<u8>>) {
    let sequence = u64::from_be_bytes(packet[10..18].try_into().expect("eight bytes"));
    let (mut messages, mut rest) = (Vec::new(), &packet[20..]);
    while let [high, low, tail @ ..] = rest {
        let (message, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        messages.push(message.to_vec());
        rest = tail;
    }
    (sequence, messages)
}

/// Waits until a venue's day is over and said; how many messages it published.
fn day_of(venue: &Running) -> u64 {
    use std::sync::atomic::Ordering::Relaxed;
    until("the end of the day", || venue.progress().finished.load(Relaxed).then_some(()));
    venue.progress().messages.load(Relaxed)
}

/// The enhanced packets of a pcapng: interface, time, UDP payload.
fn datagrams(file: &Path) -> Vec<(u32, u64, Vec<u8>)> {
    let bytes = fs::read(file).expect("a capture");
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut all) = (0, Vec::new());
    while at + 12 <= bytes.len() {
        let length = u32_at(at + 4) as usize;
        // It is still being written.
        if at + length > bytes.len() {
            break;
        }
        assert_eq!(u32_at(at + length - 4) as usize, length, "at {at}");
        if u32_at(at) == 6 {
            let time = u64::from(u32_at(at + 12)) << 32 | u64::from(u32_at(at + 16));
            let captured = u32_at(at + 20) as usize;
            all.push((u32_at(at + 8), time, bytes[at + 28 + 28..at + 28 + captured].to_vec()));
        }
        at += length;
    }
    all
}

#[test]
fn what_lossy_lines_bring_is_what_the_venue_published() {
    let desk = Desk::new();
    let raw = desk.file("day.pcapng");
    let recorder = record(&desk, &feed(&desk, &rerequest(&desk)), &["--raw", raw.to_str().expect("a name")]);
    let line = "loss = 0.1\nshared_loss = 0.005\nduplicate = 0.2\nreorder = 0.2\nreorder_distance = 64\nsilence_every_ms = 1000\ndatagram_bytes";
    let venue = venue(
        &desk,
        &format!(
            "end_of_session_ms = 3000\n[flow]\nkind = \"generated\"\nseed = 3\nmessages_per_second = 15000\nmessages = 45000\n\
             [faults]\nseed = 5\nrerequest_loss = 0.1\n[faults.line_a]\n{line} = 200\n[faults.line_b]\n{line} = 300\nskew_us = 300\n"
        ),
    );
    let ended = recorder.end().exits(0);
    assert!(!ended.stderr.contains("lost "), "{ended:#?}");
    let messages = day_of(&venue);
    let truth = published(&desk, messages);
    let bytes = fs::read(desk.file("day.itch")).expect("a recording");
    assert!(bytes == [framed(&truth), vec![0, 0]].concat(), "the recording differs from what was published");

    let report = report(&desk);
    report.is("/end", "end_of_session").is("/session", SESSION).is("/lost", 0).is("/gaps_open", 0);
    report.is("/messages", messages).is("/first", 1).is("/next", messages + 1).is("/raw/dropped", 0);
    report.some("/gaps_filled").some("/rerequests").some("/answers/messages_first");
    report.some("/lines/0/duplicates").some("/lines/1/messages_first");

    // The same books come out of it.
    let oracle = desk.write("venue.itch", [framed(&truth), vec![0, 0]].concat());
    let mut books = Vec::new();
    for data in [desk.file("day.itch"), oracle] {
        let [bbo, last] = ["bbo.csv", "final.csv"].map(|f| desk.file(f));
        let flags = ["book", "--data", "--bbo", "--final"].map(AsRef::as_ref);
        let [book, d, b, f] = flags;
        colo([book, d, data.as_os_str(), b, bbo.as_os_str(), f, last.as_os_str()]).exits(0);
        books.push([bbo, last].map(|f| fs::read_to_string(f).expect("a table")));
    }
    assert_eq!(books[0], books[1]);
    assert!(books[0].iter().all(|t| t.lines().count() > 10), "{books:?}");

    // The index finds every message.
    let index = Index::of(&desk.file("day.itch")).expect("an index");
    assert_eq!(index.marks().len() as u64, messages.div_ceil(1_024));
    for s in [1, 1_024, 1_025, messages / 2, messages] {
        let mark = index.find(Seek::Sequence(s)).expect("a mark");
        let mut from = feeds::binaryfile::Messages::new(&bytes[mark.offset as usize..]);
        let found = from.nth((s - mark.sequence) as usize).expect("a message").expect("whole");
        assert_eq!(found, truth[s as usize - 1], "{s}");
    }

    // The raw capture has every datagram: lines A and B, and the answers.
    let datagrams = datagrams(&raw);
    assert_eq!(datagrams.len() as u64, report.count("/datagrams"));
    assert_eq!(datagrams.len() as u64, report.count("/raw/datagrams"));
    assert!(datagrams.is_sorted_by_key(|(_, time, _)| *time));
    let mut heard = BTreeMap::new();
    for (interface, _, payload) in &datagrams {
        assert!(*interface < 3);
        let (first, messages) = blocks(payload);
        (first..).zip(messages).for_each(|(s, m)| drop(heard.insert(s, m)));
    }
    assert!(heard.into_values().eq(truth.iter().cloned()), "the raw capture lacks something");
    for interface in 0..3 {
        assert!(datagrams.iter().any(|(i, _, _)| *i == interface), "nothing came on interface {interface}");
    }
    // And is read as any other capture.
    let (mut source, mut read) = (Source::open(&raw).expect("a capture"), 0);
    while let Some(m) = source.next_message().expect("whole") {
        assert_eq!(m.bytes, truth[m.sequence as usize - 1], "{}", m.sequence);
        read += 1;
    }
    assert!(read > messages / 2, "{read} of {messages}");
    drop(venue);
}

/// Records a day on which no re-request is answered: both lines lose what `faults` says. What is missing then, as `[from, to)`.
fn day_with_snapshots(faults: &str) -> (u64, Vec<[u64; 2]>) {
    let desk = Desk::new();
    desk.write("pw", "pass");
    let glimpse = format!(
        "[feeds.glimpse]\naddress = \"{}\"\nusername = \"user01\"\npassword_file = \"pw\"",
        desk.ouch
    );
    let recorder = record(&desk, &feed(&desk, &format!("{}\n{glimpse}", rerequest(&desk))), &[]);
    let venue = venue(
        &desk,
        &format!(
            "glimpse = \"{}\"\nend_of_session_ms = 30000\n[[accounts]]\nusername = \"user01\"\npassword = \"pass\"\nfirm = \"ABCD\"\n\
             [flow]\nkind = \"generated\"\nseed = 3\nmessages_per_second = 10000\nmessages = 40000\n\
             [faults]\nrerequest_loss = 1.0\nglimpse_refused = 0.2\nglimpse_cut = 0.2\n{faults}",
            desk.ouch
        ),
    );
    let ended = recorder.end().exits(5).says(&["snapshots beside it stand for them"]);
    assert!(!ended.stderr.contains("lost "), "{ended:#?}");
    let messages = venue.progress().messages.load(std::sync::atomic::Ordering::Relaxed);
    let report = report(&desk);
    report.is("/end", "end_of_session").is("/lost", 0).is("/next", messages + 1);
    let bridged: Vec<[u64; 2]> =
        serde_json::from_value(report.at("/bridged_ranges").clone()).expect("ranges");
    let missing: u64 = bridged.iter().map(|[from, to]| to - from).sum();
    report.is("/bridged", missing).is("/messages", messages - missing);
    let stream = fs::read(desk.file("day.itch")).expect("a recording");
    let written = feeds::binaryfile::Messages::new(&stream).map_while(Result::ok).count() as u64;
    assert_eq!(written, messages - missing);

    // The last snapshot, with the stream behind it, is the day from there: its books are the venue's.
    let whole = report.at("/snapshots").as_array().expect("files").last().expect("one");
    let [_, next] = *bridged.last().expect("a stretch");
    let whole = Path::new(whole.as_str().expect("a name"));
    assert_eq!(whole, desk.file(&format!("day.snapshot-{next}.itch")));
    let index = Index::of(&desk.file("day.itch")).expect("an index");
    let mark = index.find(Seek::Sequence(next)).filter(|mark| mark.sequence == next);
    assert_eq!(mark.is_some(), next <= messages, "a mark where the stream goes on, if it does");
    let rest = mark.map_or(stream.len() - 2, |mark| mark.offset as usize);
    let snapshot = fs::read(whole).expect("a snapshot");
    let state = snapshot.strip_suffix(&[0, 0]).expect("a zero length");
    let joined = desk.write("joined.itch", [state, &stream[rest..]].concat());
    let oracle = desk.write("oracle.itch", venue_books(desk.ouch));
    let [ours, venues] = [joined, oracle].map(|file| {
        let last = desk.file("final.csv");
        let [book, data, flag] = ["book", "--data", "--final"].map(AsRef::as_ref);
        colo([book, data, file.as_os_str(), flag, last.as_os_str()]).exits(0);
        fs::read_to_string(last).expect("a table")
    });
    assert_eq!(ours, venues);
    assert!(ours.lines().count() > 20, "{ours}");
    (messages, bridged)
}

#[test]
fn what_no_line_and_no_server_brings_a_snapshot_stands_for() {
    // With this seed messages 5216 to 5231 and 13616 to 13631 are lost on both lines, and no others.
    let (messages, bridged) = day_with_snapshots(
        "seed = 44\n[faults.line_a]\nloss = 0.1\nshared_loss = 0.002\n[faults.line_b]\nshared_loss = 0.002\n",
    );
    assert!(bridged[0][0] > 1 && bridged[0][0] <= 5_216 && bridged[0][1] > 5_231, "{bridged:?}");
    assert!(bridged.iter().all(|[_, to]| *to <= messages), "the stream goes on behind each: {bridged:?}");
}

#[test]
fn where_both_lines_are_bad_the_books_are_the_venues_at_the_end() {
    let line = "loss = 0.1\nduplicate = 0.2\nreorder = 0.2\nreorder_distance = 64\nsilence_every_ms = 3000\n";
    let (_, bridged) =
        day_with_snapshots(&format!("seed = 5\n[faults.line_a]\n{line}\n[faults.line_b]\n{line}"));
    assert!(!bridged.is_empty());
}

/// The venue's books now, as a BinaryFILE of one of its own snapshots.
fn venue_books(glimpse: std::net::SocketAddrV4) -> Vec<u8> {
    until("a snapshot that is neither refused nor cut", || {
        let mut stream = TcpStream::connect(glimpse).expect("the snapshot server");
        stream.write_all(&login("user01", "pass", "", "1")).expect("sent");
        let (mut bytes, mut heard) = (Vec::new(), Heard::default());
        stream.read_to_end(&mut bytes).expect("read");
        heard.receive(&bytes);
        heard.next()?;
        heard.messages.pop();
        Some(framed(&heard.messages))
    })
}

#[test]
fn a_late_recording_has_the_day_from_its_start_and_rotated_files_join_to_it() {
    use std::sync::atomic::Ordering::Relaxed;
    let desk = Desk::new();
    let flow = "kind = \"generated\"\nmessages_per_second = 20000\nmessages = 50000";
    let venue = venue(&desk, &format!("end_of_session_ms = 3000\n[flow]\n{flow}\n"));
    until("a morning that nobody hears", || (venue.progress().messages.load(Relaxed) > 3_000).then_some(()));
    let recorder = record(&desk, &feed(&desk, &rerequest(&desk)), &["--rotate-mib", "1"]);
    recorder.end().exits(0);
    let truth = published(&desk, day_of(&venue));
    let report = report(&desk);
    report.is("/first", 1).is("/lost", 0).is("/messages", truth.len());
    assert!(report.count("/answers/messages_first") > 2_900, "{report:?}");
    let files: Vec<_> = report.at("/files").as_array().expect("files").iter().collect();
    assert!(files.len() > 1, "{files:?}");
    let mut joined = Vec::new();
    for (k, file) in files.iter().enumerate() {
        let file = Path::new(file.as_str().expect("a name"));
        assert!(file.ends_with(format!("day.{:06}.itch", k + 1)), "{file:?}");
        assert!(!Index::of(file).expect("an index").marks().is_empty());
        let bytes = fs::read(file).expect("a file");
        assert!(bytes.len() <= (1 << 20) + 2, "{file:?}: {}", bytes.len());
        joined.extend(bytes);
    }
    assert!(joined == [framed(&truth), vec![0, 0]].concat());
    drop(venue);
}

#[test]
fn a_recording_that_is_stopped_or_killed_is_a_prefix_of_the_day() {
    for signal in ["TERM", "INT", "KILL"] {
        let desk = Desk::new();
        let mut recorder = record(&desk, &feed(&desk, &rerequest(&desk)), &[]);
        let venue = venue(&desk, "[flow]\nkind = \"generated\"\nmessages_per_second = 5000\n");
        until("messages in the file", || {
            assert!(recorder.runs(), "{}", recorder.stderr());
            fs::metadata(desk.file("day.itch")).is_ok_and(|m| m.len() > 20_000).then_some(())
        });
        recorder.signal(signal);
        let ended = recorder.end();
        let bytes = fs::read(desk.file("day.itch")).expect("a recording");
        let whole = feeds::binaryfile::Messages::new(&bytes).map_while(Result::ok).count() as u64;
        // The one behind too, for a process that is killed may have been in the middle of it.
        let truth = framed(&published(&desk, whole + 1));
        assert!(truth.starts_with(&bytes), "{signal}: not what the venue published");
        if signal != "KILL" {
            ended.exits(130);
            let report = report(&desk);
            report.is("/end", "stopped").is("/lost", 0).is("/messages", whole).is("/bytes", bytes.len());
            colo(["book".as_ref(), "--data".as_ref(), desk.file("day.itch").as_os_str()]).exits(0);
        }
        drop(venue);
    }
}

#[test]
fn what_is_lost_for_good_is_said_and_left_out() {
    let desk = Desk::new();
    let recorder = record(&desk, &feed(&desk, ""), &[]);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let send = |line: usize, bytes: &[u8]| sender.send_to(bytes, desk.lines[line]).expect("sent");
    send(0, &packet(SESSION, 1, &[b"S-one", b"S-two", b"S-three"]));
    send(1, &packet(SESSION, 6, &[b"S-six", b"", b"S-eight"]));
    send(0, &end_of_session(9));
    let ended = recorder.end().exits(5).says(&["2 messages are not in the file", "messages 4 to 5 are lost"]);
    assert!(ended.stderr.contains("colo: warning: feed f1: messages 4 to 5 are lost (2)"), "{ended:#?}");
    assert!(ended.stderr.contains("1 messages without any byte"), "{ended:#?}");
    let expected = [framed(&["S-one", "S-two", "S-three", "S-six", "S-eight"]), vec![0, 0]].concat();
    assert_eq!(fs::read(desk.file("day.itch")).expect("a recording"), expected);
    let report = report(&desk);
    report.is("/lost", 2).is("/messages", 5).is("/empty", 1).is("/end", "end_of_session");
    report.is("/lost_ranges", serde_json::json!([[4, 6]])).is("/next", 9);
    let index = Index::of(&desk.file("day.itch")).expect("an index");
    let sequences: Vec<_> = index.marks().iter().map(|m| m.sequence).collect();
    assert_eq!(sequences, [1, 6, 8], "a mark behind each jump");
}

#[test]
fn another_session_is_another_recording() {
    let desk = Desk::new();
    let recorder = record(&desk, &feed(&desk, "silence_ms = 50"), &[]);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.send_to(&packet(SESSION, 1, &[b"S-one", b"S-two"]), desk.lines[0]).expect("sent");
    // The venue is gone, and comes back as another session.
    until("silence", || recorder.stderr().contains("nothing is heard").then_some(()));
    sender.send_to(&packet("SESSION002", 1, &[b"X-one"]), desk.lines[0]).expect("sent");
    recorder.end().exits(5).says(&["another session after message 2"]);
    assert_eq!(fs::read(desk.file("day.itch")).expect("a recording"), framed(&["S-one", "S-two"]));
    report(&desk).is("/end", "other_session").is("/session", SESSION).is("/lost", 0);
}

#[test]
fn a_gap_that_is_open_at_the_end_is_told() {
    let desk = Desk::new();
    let raw = desk.file("day.pcapng");
    let more = ["--raw", raw.to_str().expect("a name")];
    let recorder = record(&desk, &feed(&desk, "gap_wait_us = 10000000"), &more);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.send_to(&packet(SESSION, 1, &[b"S-one"]), desk.lines[0]).expect("sent");
    sender.send_to(&packet(SESSION, 3, &[b"S-three"]), desk.lines[0]).expect("sent");
    until("both packets", || (datagrams(&raw).len() == 2).then_some(()));
    recorder.signal("TERM");
    let ended = recorder.end().exits(130);
    assert!(ended.stderr.contains("message 2 was still missing at the end"), "{ended:#?}");
    report(&desk).is("/gaps_open", 1).is("/lost", 0).is("/messages", 1);
    assert_eq!(fs::read(desk.file("day.itch")).expect("a recording"), framed(&["S-one"]));
}

#[test]
fn what_cannot_be_recorded_is_one_sentence() {
    let desk = Desk::new();
    let config = desk.write("feed.toml", feed(&desk, ""));
    let two = desk.write("two.toml", feed(&desk, "") + &feed(&desk, "").replace("f1", "f2"));
    let none = desk.write("none.toml", "[strategy]\nname = \"quoter\"\n");
    let wrong = desk.write("wrong.toml", feed(&desk, "linse = 3"));
    let there = desk.write("there.itch", "a day's data");
    let full = desk.file("full.itch");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let out = desk.file("day.itch");
    let run = |config: &Path, out: &Path, more: &[&str]| {
        let mut a: Vec<_> = ["record", "--seconds", "1", "--config"].map(Into::into).to_vec();
        a.extend([config.as_os_str().to_os_string(), "--out".into(), out.as_os_str().to_os_string()]);
        a.extend(more.iter().map(Into::into));
        colo(a)
    };
    run(&config, &desk.file("none/day.itch"), &[]).exits(1).says(&["none/day.itch", "No such file"]);
    run(&config, &there, &[]).exits(1).says(&["there.itch", "not written over", "--overwrite"]);
    assert_eq!(fs::read(&there).expect("still there"), b"a day's data");
    run(&config, &there, &["--overwrite"]).exits(0);
    assert_eq!(fs::read(&there).expect("replaced"), b"");
    let same = desk.file("./day.itch");
    run(&config, &out, &["--raw", same.to_str().expect("a name")]).exits(2).says(&["named twice"]);
    run(&config, Path::new("-"), &[]).exits(2).says(&["goes to files"]);
    run(&config, &out, &["--feed", "f9"]).exits(2).says(&["no feed \"f9\"", "f1"]);
    run(&two, &out, &[]).exits(2).says(&["2 feeds", "--feed", "f1, f2"]);
    run(&none, &out, &[]).exits(3).says(&["`feeds` is 0 entries"]);
    run(&wrong, &out, &[]).exits(3).says(&["linse"]);
    let [a, _] = desk.lines;
    let taken = UdpSocket::bind(a).expect("the port");
    run(&config, &out, &[]).exits(1).says(&["f1", &a.to_string(), "in use"]);
    assert!(!out.exists(), "nothing is left of a recording that could not begin");
    drop(taken);

    // A disk that is full: what is not written is not counted.
    let mut arguments: Vec<std::ffi::OsString> = ["record", "--config"].map(Into::into).to_vec();
    let json = desk.file("record.json");
    arguments.extend([config.into(), "--out".into(), full.into(), "--json".into(), json.into()]);
    let mut recorder = Program::colo(arguments);
    until("the recorder", || recorder.stderr().contains("record: feed").then_some(()));
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.send_to(&packet(SESSION, 1, &[b"S-one"]), desk.lines[0]).expect("sent");
    until("its end", || (!recorder.runs()).then_some(()));
    recorder.end().exits(1).says(&["full.itch", "No space left", "0 messages are recorded"]);
    report(&desk).is("/end", "failed").is("/messages", 0);
}

#[test]
fn a_feed_that_is_no_itch_is_refused_before_there_is_a_file() {
    let desk = Desk::new();
    let feed = feed(&desk, "unit = 1").replace("itch50", "cboe_pitch");
    let config = desk.write("feed.toml", feed);
    let out = desk.file("day.itch");
    let arguments =
        ["record".as_ref(), "--config".as_ref(), config.as_os_str(), "--out".as_ref(), out.as_os_str()];
    colo(arguments).exits(3).says(&["feed f1", "cboe_pitch", "itch50"]);
    assert!(!out.exists());
}
