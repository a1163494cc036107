//! A day of the simulated exchange as `colo record` wrote it, over lines that lose: the peers read the file as they read the historical ones.

use std::path::Path;

use colo::exchange::config::ExchangeConfig;
use colo::exchange::spawn;

use crate::books::{peers_agree, python};
use crate::program::desk::Desk;
use crate::program::json::Report;
use crate::program::{Program, until};

#[test]
fn a_recording_of_the_exchange_as_the_peers_have_it() {
    let Some(python) = python() else { return };
    let desk = Desk::new();
    let [a, b] = desk.lines;
    let feed = format!(
        "[[feeds]]\nid = \"f1\"\nprotocol = \"itch50\"\nlines = [\"{a}\", \"{b}\"]\nrerequest = [\"{}\"]\n",
        desk.rerequest
    );
    let [day, json] = ["day.itch", "record.json"].map(|f| desk.file(f));
    let mut arguments: Vec<std::ffi::OsString> = ["record", "--config"].map(Into::into).to_vec();
    arguments.push(desk.write("feed.toml", feed).into());
    arguments.extend(["--out".into(), day.clone().into(), "--json".into(), json.clone().into()]);
    let recorder = Program::colo(arguments);
    until("the recorder to listen", || recorder.stderr().contains("record: feed f1 on").then_some(()));
    let venue = format!(
        "symbols = [\"AAPL\", \"MSFT\", \"AMZN\"]\nlines = [\"{a}\", \"{b}\"]\nrerequest = \"{}\"\nouch = \"127.0.0.1:0\"\nend_of_session_ms = 3000\n\
         [flow]\nkind = \"generated\"\nseed = 7\nmessages_per_second = 10000\nmessages = 12000\n\
         [faults]\nline_a = {{ loss = 0.02, shared_loss = 0.002 }}\nline_b = {{ loss = 0.02, shared_loss = 0.002 }}\n",
        desk.rerequest
    );
    let venue = spawn(ExchangeConfig::from_toml(&venue, Path::new(".")).unwrap()).unwrap();
    recorder.end().exits(0);
    let report = Report::read(&json);
    report.is("/end", "end_of_session").is("/lost", 0).some("/gaps_filled");
    assert!(report.count("/messages") > 12_000);
    // `itchfeed` takes the zero length at the end of the session for a message of an unknown type.
    let bytes = std::fs::read(&day).unwrap();
    let messages = desk.write("messages.itch", bytes.strip_suffix(&[0, 0]).expect("the session's end"));
    peers_agree(&python, &messages);
    drop(venue);
}
