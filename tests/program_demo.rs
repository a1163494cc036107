//! `colo demo`, as a whole: it needs nothing, trades over real sockets, and ends with our state equal to the venue's.

mod program;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use program::desk::{clear_shared_memory, in_shared_memory};
use program::json::Report;
use program::{Ended, colo, shared};
use ringbuf::log::{self, End};

/// A demo in a folder of its own.
struct Demo {
    name: String,
    folder: tempfile::TempDir,
    arguments: Vec<OsString>,
}

impl Demo {
    fn new(label: &str, arguments: &[&str]) -> Demo {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = format!("t{}-{label}", std::process::id());
        let mut all: Vec<OsString> = ["demo", "--name", &name, "--journal"].map(Into::into).to_vec();
        all.push(folder.path().join("journal").into());
        all.extend(["--json".into(), folder.path().join("demo.json").into()]);
        all.extend(arguments.iter().map(Into::into));
        Demo { name, folder, arguments: all }
    }

    fn with(mut self, argument: impl Into<OsString>) -> Demo {
        self.arguments.push(argument.into());
        self
    }

    fn run(&self) -> Ended {
        colo(&self.arguments)
    }

    fn report(&self) -> Report {
        Report::read(&self.folder.path().join("demo.json"))
    }

    fn wrote_a_journal(&self) -> bool {
        self.folder.path().join("journal").exists()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        clear_shared_memory(&self.name);
    }
}

/// What every demo that came to its end has to show.
#[track_caller]
fn is_whole(demo: &Demo, ended: Ended) -> Report {
    let ended = ended.exits(0);
    assert!(ended.stdout.contains("reconciliation  ok"), "the text is for people: {ended:#?}");
    let report = demo.report();
    for key in ["messages", "orders_sent", "accepted", "rejected", "fills", "gaps", "gaps_open"] {
        report.count(&format!("/{key}"));
    }
    report.is("/reconciled", true).is("/gaps_open", 0).is("/open_orders", 0).some("/messages");
    assert!(report.at("/pnl").is_number() && report.at("/positions").is_object(), "{report:?}");
    let hash = report.at("/state_hash").as_str().expect("a hash");
    assert!(hash.len() == 16 && u64::from_str_radix(hash, 16).is_ok(), "{hash}");
    let journal = PathBuf::from(report.at("/journal").as_str().expect("a folder"));
    assert!(journal.starts_with(demo.folder.path()) && journal.join("config.toml").exists(), "{journal:?}");
    is_clean(&journal.join("core"));
    is_clean(&journal.join("feed-itch"));
    assert_eq!(in_shared_memory(&demo.name), [""; 0], "a demo leaves nothing in shared memory");
    report
}

#[track_caller]
fn is_clean(log: &Path) {
    let verified = log::verify(log).unwrap_or_else(|e| panic!("{}: {e}", log.display()));
    assert!(verified.end == End::Clean && verified.records > 0, "{}: {verified:?}", log.display());
}

#[track_caller]
fn has_stages(report: &Report, stages: &[&str]) {
    for stage in stages {
        let of = |q: &str| report.count(&format!("/latency_ns/{stage}/{q}"));
        let (p50, p99, p999, max) = (of("p50"), of("p99"), of("p999"), of("max"));
        assert!(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= max, "{stage}: {report:?}");
    }
}

#[test]
fn inline_trades_and_reconciles() {
    let demo = Demo::new("inline", &["--seconds", "2", "--topology", "inline"]);
    let report = is_whole(&demo, demo.run());
    report.some("/orders_sent").some("/fills").is("/gaps", 0);
    has_stages(&report, &["decode", "book", "strategy_risk", "encode", "tick_to_order"]);
}

#[test]
fn pipelined_trades_and_reconciles_and_times_its_rings() {
    let demo = Demo::new("pipelined", &["--seconds", "2", "--topology", "pipelined"]);
    let report = is_whole(&demo, demo.run());
    report.some("/orders_sent").some("/fills").is("/gaps", 0);
    let rings = ["feed_ring", "order_ring"];
    has_stages(&report, &["decode", "book", "strategy_risk", "encode", "tick_to_order"]);
    has_stages(&report, &rings);
}

#[test]
fn lost_datagrams_are_asked_for_again() {
    let demo = Demo::new("loss", &["--seconds", "2", "--loss", "5"]);
    let report = is_whole(&demo, demo.run());
    report.some("/gaps").some("/fills").some("/venue/datagrams_lost").some("/feed/rerequests");
    report.is("/feed/gaps_lost", 0).is("/feed/synced", 1);
}

#[test]
fn imbalance_trades_too() {
    let demo = Demo::new("imbalance", &["--seconds", "2", "--strategy", "imbalance"]);
    is_whole(&demo, demo.run()).some("/orders_sent").some("/fills");
}

#[test]
fn another_order_protocol_trades_too() {
    for protocol in ["ouch42", "fix44", "fix42"] {
        let demo = Demo::new(protocol, &["--seconds", "2", "--protocol", protocol]);
        is_whole(&demo, demo.run()).some("/orders_sent").some("/fills");
    }
}

#[test]
fn the_observer_sends_nothing() {
    let demo = Demo::new("observer", &["--seconds", "1", "--strategy", "observer"]);
    let report = is_whole(&demo, demo.run());
    report.is("/orders_sent", 0).is("/fills", 0).is("/venue/accepted", 0);
    has_stages(&report, &["decode", "book"]);
}

#[test]
fn a_recorded_day_is_played_in_the_time_there_is() {
    let Some(file) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let demo = Demo::new("recorded", &["--seconds", "3", "--data"]).with(file);
    let report = is_whole(&demo, demo.run());
    report.some("/orders_sent").some("/fills").at("/positions/AAPL");
    assert!(report.count("/messages") >= 20_000, "most of the file: {report:?}");
}

#[test]
fn an_unknown_strategy_is_a_wrong_configuration() {
    let demo = Demo::new("unknown", &["--seconds", "1", "--strategy", "no-such"]);
    demo.run().exits(3).says(&["no-such", "quoter", "imbalance", "observer"]);
    assert!(!demo.wrote_a_journal());
}

#[test]
fn data_that_is_no_market_data_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("a file");
        file
    };
    let message = system_event();
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&message);
    let whole = framed.repeat(3);
    let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0; 64]].concat();
    let bad = [
        ("missing", folder.path().join("missing.itch")),
        ("folder", folder.path().to_path_buf()),
        ("empty", write("empty.itch", b"")),
        ("truncated", write("truncated.itch", &whole[..whole.len() - 3])),
        ("text", write("text.itch", b"time,price,size\n09:30:00,585.10,100\n")),
        ("zipped-text", write("text.itch.gz", &gzip(b"time,price,size\n09:30:00,585.10,100\n"))),
        ("cut-gzip", write("cut.itch.gz", &gzip(&whole)[..20])),
        ("png", write("picture.png", &png)),
        ("zeros", write("zeros.itch", &[0; 4096])),
        ("no-orders", write("no-orders.itch", &whole)),
    ];
    for (label, file) in bad {
        let demo = Demo::new(label, &["--seconds", "1", "--data"]).with(&file);
        let ended = demo.run();
        assert!(!demo.wrote_a_journal(), "{label}: {ended:#?}");
        ended.exits(1).says(&[&file.display().to_string()]);
    }
}

/// A whole ITCH message that is about no instrument.
fn system_event() -> Vec<u8> {
    [b"S\0\0\0\0".as_slice(), &[0; 6], b"O"].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(bytes).and_then(|()| zip.finish()).expect("memory takes bytes")
}

#[test]
fn arguments_that_cannot_be_are_refused_before_anything_starts() {
    for (label, arguments) in [
        ("loss", ["--loss", "51"]),
        ("lossnan", ["--loss", "nan"]),
        ("seconds", ["--seconds", "0"]),
        ("rate", ["--rate", "0"]),
        ("topology", ["--topology", "sideways"]),
    ] {
        let demo = Demo::new(label, &arguments);
        let ended = demo.run().exits(2);
        assert!(ended.stderr.contains(arguments[0]) && ended.stderr.contains(arguments[1]), "{ended:#?}");
        assert!(!demo.wrote_a_journal());
    }
}

#[test]
fn a_report_that_cannot_be_written_is_noticed_before_the_run() {
    let demo = Demo::new("json", &["--seconds", "1"]);
    let nowhere = demo.folder.path().join("no-such-folder").join("demo.json");
    let ended = colo([
        "demo".as_ref(),
        "--name".as_ref(),
        demo.name.as_ref(),
        "--seconds".as_ref(),
        "1".as_ref(),
        "--journal".as_ref(),
        demo.folder.path().join("journal").as_os_str(),
        "--json".as_ref(),
        nowhere.as_os_str(),
    ]);
    ended.exits(1).says(&[&nowhere.display().to_string()]);
    assert!(!demo.wrote_a_journal());
}
