//! `colo feed stat`: what it says of files whose content is known, of a live feed that the test sends, and of what is wrong.

#[allow(dead_code, reason = "of a test crate beside this one")]
#[path = "book_cli/flow.rs"]
mod flow;
mod program;
#[allow(dead_code, reason = "of a test crate beside this one")]
#[path = "book_cli/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use program::desk::Desk;
use program::{Ended, Program, colo, until};
use serde_json::Value;

const SEED: u64 = 0x5EED_FEED;

fn stat(file: &Path) -> Ended {
    colo(["feed".as_ref(), "stat".as_ref(), "--json".as_ref(), file.as_os_str()])
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:#?}"))
}

/// The counts of `messages` by a plain walk over them.
fn expected(messages: &[Vec<u8>]) -> BTreeMap<String, (u64, u64)> {
    let mut by_type = BTreeMap::new();
    for m in messages {
        let name =
            if m[0].is_ascii_graphic() { char::from(m[0]).to_string() } else { format!("0x{:02X}", m[0]) };
        let (count, bytes) = by_type.entry(name).or_insert((0, 0));
        *count += 1;
        *bytes += m.len() as u64;
    }
    by_type
}

fn check(j: &Value, messages: &[Vec<u8>]) {
    let want = expected(messages);
    assert_eq!(j["messages"], messages.len());
    assert_eq!(j["bytes"], messages.iter().map(Vec::len).sum::<usize>());
    assert_eq!(j["by_type"].as_object().unwrap().len(), want.len());
    for (name, (count, bytes)) in want {
        assert_eq!(j["by_type"][&name]["messages"], count, "{name}");
        assert_eq!(j["by_type"][&name]["bytes"], bytes, "{name}");
    }
}

/// The fullest stretch of `width` ns by a plain count of all, and how full.
fn fullest(messages: &[Vec<u8>], width: u64) -> u64 {
    let mut slots: BTreeMap<u64, u64> = BTreeMap::new();
    for event in messages.iter().filter_map(|m| feeds::itch50::decode(m).ok()) {
        *slots.entry(event.ts_event.0 / width).or_default() += 1;
    }
    slots.into_values().max().unwrap()
}

#[test]
fn a_file_s_counts_are_those_of_a_plain_walk() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED, 20_000);
    let path = dir.path().join("flow.itch.zst");
    fs::write(&path, zstd::encode_all(&flow::framed(&messages)[..], 1).unwrap()).unwrap();
    let j = json(&stat(&path).exits(0));
    check(&j, &messages);
    let decoded: Vec<_> = messages.iter().filter_map(|m| feeds::itch50::decode(m).ok()).collect();
    assert_eq!(j["first_ns"], decoded[0].ts_event.0);
    assert_eq!(j["last_ns"], decoded.iter().map(|e| e.ts_event.0).max().unwrap());
    if j["stamps_back"] == 0 {
        assert_eq!(j["busiest_second"]["messages"], fullest(&messages, 1_000_000_000));
        assert_eq!(j["worst_millisecond"]["messages"], fullest(&messages, 1_000_000));
    }
    let unknown = messages.iter().filter(|m| matches!(m[0], 1 | b'z')).count();
    assert_eq!(j["unknown_types"], unknown);
    let mut by_locate: BTreeMap<u16, u64> = BTreeMap::new();
    decoded.iter().for_each(|e| *by_locate.entry(e.instrument.0).or_default() += 1);
    let symbols = j["symbols"].as_array().unwrap();
    assert!(symbols.len() >= 3 && symbols.iter().any(|s| s["symbol"] == "AAPL"));
    for s in symbols {
        assert_eq!(by_locate[&(s["locate"].as_u64().unwrap() as u16)], s["messages"].as_u64().unwrap());
    }
    assert!(symbols.is_sorted_by_key(|s| std::cmp::Reverse(s["messages"].as_u64())));
    assert_eq!(j["packets"], Value::Null);
    let text = colo(["feed".as_ref(), "stat".as_ref(), path.as_os_str()]).exits(0).stdout;
    assert!(text.contains(": 20,005 messages, ") && text.contains("worst millisecond"), "{text}");
}

#[test]
fn a_capture_s_gaps_and_duplicates_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED + 1, 60);
    let packet = |from: usize, to: usize| {
        wire::frame(None, &wire::mold(Some(from as u64), &messages[from - 1..to - 1]))
    };
    // Messages 11 to 14 are in no packet; 1 to 10 come twice.
    let frames = [packet(1, 11), packet(1, 11), packet(15, 41)];
    let path = dir.path().join("gap.pcap");
    fs::write(&path, wire::pcap(&frames, false, true)).unwrap();
    let ended = stat(&path).exits(0);
    let j = json(&ended);
    let there = [&messages[..10], &messages[14..40]].concat();
    check(&j, &there);
    let p = &j["packets"];
    for (key, want) in
        [("gaps", 1), ("gaps_lost", 1), ("gaps_open", 0), ("messages_lost", 4), ("duplicates", 10)]
    {
        assert_eq!(p[key], want, "{key}: {p}");
    }
    assert_eq!(p["lines"][0]["packets"], 3);
    assert!(ended.stderr.contains("4 message(s) of the session are not in the capture"), "{ended:#?}");
}

#[test]
fn a_file_that_is_cut_is_counted_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED + 2, 50);
    let bytes = flow::framed(&messages);
    let path = dir.path().join("cut.itch");
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let ended = stat(&path).exits(1).says(&["cut.itch", "cut off at byte"]);
    check(&json(&ended), &messages[..messages.len() - 1]);
    stat(&dir.path().join("missing")).exits(1).says(&["missing", "cannot be opened"]);
}

#[test]
fn what_does_not_go_together_is_usage_and_a_wrong_configuration_is_said() {
    for arguments in [
        &["stat"][..],
        &["stat", "--live"],
        &["stat", "x", "--live", "--config", "y"],
        &["stat", "x", "--seconds", "1"],
    ] {
        colo([&["feed"], arguments].concat()).exits(2);
    }
    colo(["feed", "stat", "--live", "--config", "no-such-file.toml"]).exits(3);
    let help = colo(["feed", "stat", "--help"]).exits(0).stdout;
    assert!(help.contains("Example") && help.contains("--live"), "{help}");
}

#[test]
fn a_live_feed_of_another_protocol_is_not_counted_as_if_it_were_itch() {
    let desk = Desk::new();
    let rerequest = format!("rerequest = [\"{}\"]\n", desk.rerequest);
    for word in ["cboe_pitch\"\nunit = 1", "jnx_itch16\""] {
        let core = desk.core().replace("itch50\"", word).replace(&rerequest, "");
        let config = desk.write("colo.toml", core);
        let config = config.to_str().unwrap();
        let ended = colo(["feed", "stat", "--live", "--config", config]);
        ended.exits(1).says(&["feed f1", &word[..10], "itch50"]);
    }

    // Beside one that is, it is left out.
    let other = "[[feeds]]\nid = \"f2\"\nprotocol = \"cboe_pitch\"\nunit = 1\nlines = [\"127.0.0.1:9\"]\n[[gateways]]";
    let config = desk.write("both.toml", desk.core().replace("[[gateways]]", other));
    let config = config.to_str().unwrap();
    let ended = colo(["feed", "stat", "--live", "--config", config, "--seconds", "1", "--json"]).exits(0);
    assert!(["feed f2", "cboe_pitch", "itch50"].iter().all(|w| ended.stderr.contains(w)), "{ended:?}");
    assert!(ended.stdout.contains("\"f1\"") && !ended.stdout.contains("\"f2\""), "{ended:?}");
}

#[test]
fn a_live_feed_is_counted_line_by_line() {
    let desk = Desk::new();
    let messages = flow::messages(SEED + 3, 40);
    let config = desk.write("colo.toml", desk.core());
    let mut listening = Program::colo([
        "feed".as_ref(),
        "stat".as_ref(),
        "--live".as_ref(),
        "--json".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ]);
    let socket = UdpSocket::bind((*desk.lines[0].ip(), 0)).unwrap();
    for line in desk.lines {
        until("the line to be open", || {
            assert!(listening.runs(), "{}", listening.stderr());
            queued(line.port(), *line.ip()).map(drop)
        });
    }
    // Messages 11 to 14 come on line B only, 1 to 10 on both, 41 to 44 on none.
    let send = |line: usize, from: usize, to: usize| {
        let packet = wire::mold(Some(from as u64), &messages[from - 1..to - 1]);
        socket.send_to(&packet, desk.lines[line]).unwrap();
    };
    send(0, 1, 11);
    send(1, 1, 15);
    send(0, 15, 41);
    // What is sent lies in the sockets' buffers until it is read; the lines are empty when the kernel has nothing of theirs.
    until("the lines to be read", || {
        std::thread::sleep(Duration::from_millis(5));
        desk.lines.iter().all(|line| queued(line.port(), *line.ip()) == Some(0)).then_some(())
    });
    listening.signal("INT");
    let ended = listening.end().exits(130);
    let j = &json(&ended)["feeds"][0];
    assert_eq!(j["source"], "f1");
    check(j, &messages[..40]);
    let p = &j["packets"];
    assert_eq!((&p["duplicates"], &p["messages_lost"]), (&10.into(), &0.into()), "{p}");
    assert_eq!((&p["lines"][0]["packets"], &p["lines"][1]["packets"]), (&2.into(), &1.into()), "{p}");
    assert_eq!(p["lines"][0]["kernel_drops"], 0);
}

/// Bytes that wait in the receive buffer of the UDP socket bound here, as `/proc/net/udp` has them.
fn queued(port: u16, ip: std::net::Ipv4Addr) -> Option<u64> {
    let local = format!("{:08X}:{port:04X}", u32::from_le_bytes(ip.octets()));
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    let row = table.lines().find(|l| l.split_whitespace().nth(1) == Some(&local))?;
    let (_, waiting) = row.split_whitespace().nth(4)?.split_once(':')?;
    u64::from_str_radix(waiting, 16).ok()
}
