//! `colo exchange ctl`: what a person at the venue can do to it while a core trades there, and what a client of its socket that means no good cannot.

mod program;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use program::desk::Desk;
use program::{Ended, colo};
use serde_json::{Value, json};

/// Far longer than any answer takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn venue(desk: &Desk) -> String {
    let account = "firm = \"ABCD\"\nprotocol = \"ouch42\"\n";
    format!("control = \"venue.sock\"\n{}", desk.venue().replace("firm = \"ABCD\"\n", account))
}

fn socket(desk: &Desk) -> PathBuf {
    desk.file("venue.sock")
}

fn ctl(desk: &Desk, words: &[&str]) -> Ended {
    let socket = socket(desk);
    let fixed = ["exchange".as_ref(), "ctl".as_ref(), "--socket".as_ref(), socket.as_os_str()];
    colo(fixed.into_iter().chain(words.iter().map(AsRef::as_ref)))
}

/// A client of the socket that sends lines and reads answers.
struct Line(BufReader<UnixStream>);

impl Line {
    fn new(desk: &Desk) -> Line {
        let stream = UnixStream::connect(socket(desk)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Line(BufReader::new(stream))
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.0.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{line}: {answer:?}: {e}"))
    }
}

#[test]
fn trades_are_broken_and_corrected_and_a_symbol_halted_under_a_running_core() {
    let desk = Desk::new();
    let venue = desk.start_venue(&venue(&desk));
    let mode = std::fs::metadata(socket(&desk)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut core = desk.start_core(&desk.core().replace("\"ouch50\"", "\"ouch42\""), &[]);
    desk.until_status("two fills", &mut core, |s| s.count("/engine/fills") >= 2);

    // Most trades are the flow's own; the core's first two are among the first.
    let mut line = Line::new(&desk);
    let mut ours = Vec::new();
    for number in 1.. {
        let answer = line.ask(&json!({"command": "correct", "match": number, "price": "90.5"}).to_string());
        if answer["ok"] == true {
            ours.push(number.to_string());
        } else {
            assert!(answer["error"].as_str().unwrap().contains("no account has a trade"), "{answer}");
        }
        if ours.len() == 2 {
            break;
        }
    }
    ctl(&desk, &["break", &ours[0]]).exits(0).shows(&["ok", &ours[0]]);
    ctl(&desk, &["break", &ours[0]]).exits(1).says(&["broken already"]);
    ctl(&desk, &["correct", &ours[1], "91.25"]).exits(0).shows(&["ok", "91.2500"]);
    ctl(&desk, &["correct", &ours[1], "much"]).exits(1).says(&["a price is digits"]);
    ctl(&desk, &["halt", "MSFT"]).exits(1).says(&["not listed"]);
    ctl(&desk, &["halt", "AAPL"]).exits(0).shows(&["\"state\":\"H\""]);
    let state = |s: &program::json::Report| s.at("/instruments/0/trading").as_str().unwrap().to_owned();
    let trading = "trading";
    desk.until_status("the halt", &mut core, |s| state(s) != trading);
    ctl(&desk, &["resume", "AAPL"]).exits(0).shows(&["\"state\":\"T\""]);
    desk.until_status("the end of the halt", &mut core, |s| state(s) == trading);

    core.signal("TERM");
    core.end().exits(130);
    // Positions and cash, the broken fill and the corrected one among them, are what the venue's own stream says.
    desk.report().is("/reconciled", true).is("/open_orders", 0).is("/failures", Vec::<String>::new());
    let truth = desk.end_venue(venue);
    truth.is("/accounts/0/broken", 1).is("/accounts/0/live_orders", 0);

    assert!(!socket(&desk).exists(), "it goes with its process");
    ctl(&desk, &["halt", "AAPL"]).exits(1).says(&["no exchange listens here"]);
}

/// A core that is restarted behind the end of a session hears nothing of it: it does not trade on positions that it does not know.
#[test]
fn a_core_restarted_behind_the_end_of_a_session_asks_for_a_person() {
    let desk = Desk::new();
    let venue = desk.start_venue(&venue(&desk));
    let config = desk.core().replace("\"ouch50\"", "\"ouch42\"");
    let mut core = desk.start_core(&config, &[]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    // The same session again: it tells all, and trading goes on.
    let mut core = desk.start_core(&config, &[]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    ctl(&desk, &["end-session", "user01"]).exits(0).shows(&["user01"]);
    let mut core = desk.start_core(&config, &[]);
    let halted = |s: &program::json::Report| {
        s.0.pointer("/risk/halted").and_then(Value::as_str) == Some("reconciliation")
    };
    desk.until_status("a halt", &mut core, halted);
    desk.ctl("resume").exits(0);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end();
    desk.end_venue(venue);
}

#[test]
fn clients_of_the_socket_that_mean_no_good_are_bounded() {
    let desk = Desk::new();
    let config = venue(&desk)
        .replace("kind = \"generated\"\nseed = 1\nmessages_per_second = 2000", "kind = \"silent\"");
    let mut venue = desk.start_venue(&config);
    // More than are served at once, all silent: each further one is served all the same.
    let silent: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(socket(&desk)).unwrap()).collect();
    let mut line = Line::new(&desk);
    for garbage in ["", "\u{0}\u{1}\u{2}", "{", "[1,2]", "{\"command\":\"halt\"}", "\u{fffd}\u{fffd}"] {
        let answer = line.ask(garbage);
        assert!(answer["error"].as_str().unwrap().contains("not a command"), "{answer}");
    }
    // A line without an end is not kept.
    let mut endless = UnixStream::connect(socket(&desk)).unwrap();
    endless.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = endless.write_all(&[b'x'; 8_192]);
    let is_gone = |e: &std::io::Error| matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    assert!(sent.as_ref().err().is_none_or(is_gone), "{sent:?}");
    let end = endless.read(&mut [0; 64]);
    assert!(matches!(&end, Ok(0)) || end.as_ref().is_err_and(is_gone), "{end:?}");
    assert_eq!(line.ask(r#"{"command":"halt","symbol":"AAPL"}"#)["ok"], true);
    drop(silent);

    // Nobody takes the socket of a living venue, nor a file that is none; that of a dead one is taken.
    let second = desk.write("second.toml", config.replace(&desk.ouch.to_string(), "127.0.0.1:0"));
    let second = || {
        colo([
            "exchange".as_ref(),
            "--seconds".as_ref(),
            "0".as_ref(),
            "--config".as_ref(),
            second.as_os_str(),
        ])
    };
    let free = config
        .replace(&desk.rerequest.to_string(), "127.0.0.1:0")
        .replace(&desk.ouch.to_string(), "127.0.0.1:0");
    desk.write("second.toml", &free);
    second().exits(1).says(&["control", "another process listens"]);
    assert!(venue.runs());
    venue.kill();
    assert!(socket(&desk).exists());
    second().exits(0);
    std::fs::write(socket(&desk), "precious").unwrap();
    second().exits(1).says(&["control", "no socket"]);
    assert_eq!(std::fs::read_to_string(socket(&desk)).unwrap(), "precious");
}
