//! `colo book` against an oracle of its own: byte by byte the same CSV files, whatever kind of file the messages come in, and one sentence for what is
//! no such file.

mod flow;
mod oracle;
mod wire;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use colo::cli::{Exit, book};
use colo::source::{self, Source, SourceError};
use oracle::Oracle;
use serde_json::Value;
use tempfile::TempDir;

const SEED: u64 = 0x5EED_B00C;

struct Ran {
    bbo: String,
    last: String,
    json: Value,
}

fn args(data: &Path, dir: &TempDir, symbols: &[&str]) -> book::Args {
    let at = |name: &str| Some(dir.path().join(name));
    book::Args {
        data: data.into(),
        symbol: symbols.iter().map(|s| model::Symbol::new(s).unwrap()).collect(),
        bbo: at("bbo.csv"),
        last: at("final.csv"),
        json: at("book.json"),
        check: false,
    }
}

fn run(data: &Path, symbols: &[&str], check: bool) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let args = book::Args { check, ..args(data, &dir, symbols) };
    let exit = book::run(&args).unwrap_or_else(|f| panic!("{}: {}", data.display(), f.message));
    assert_eq!(exit, Exit::Ok);
    let text = |p: &Option<PathBuf>| fs::read_to_string(p.as_ref().unwrap()).unwrap();
    Ran {
        bbo: text(&args.bbo),
        last: text(&args.last),
        json: serde_json::from_str(&text(&args.json)).unwrap(),
    }
}

/// Runs over `data`, which holds the messages of `binary_file`, and compares everything.
fn same_as_oracle(data: &Path, binary_file: &[u8], symbols: &[&str], check: bool) -> Ran {
    let want = Oracle::over(binary_file, symbols);
    let got = run(data, symbols, check);
    let differs = want.bbo.lines().zip(got.bbo.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None, "{}: first differing row of --bbo", data.display());
    assert!(want.bbo == got.bbo, "{}: --bbo has {} bytes more or less", data.display(), got.bbo.len());
    assert_eq!(want.last(), got.last, "{}: --final", data.display());
    let j = &got.json;
    assert_eq!(j["messages"], want.messages);
    assert_eq!(j["live_orders"], want.live());
    for kind in ['E', 'C', 'X', 'D', 'U'] {
        let n = want.unknown.get(&kind).copied().unwrap_or(0);
        assert_eq!(j["unknown_refs"][kind.to_string()], n, "{kind}");
    }
    for (kind, n) in &want.by_type {
        let name =
            if kind.is_ascii_graphic() { char::from(*kind).to_string() } else { format!("0x{kind:02X}") };
        assert_eq!(j["by_type"][&name], *n, "{name}");
    }
    assert_eq!(j["by_type"].as_object().unwrap().len(), want.by_type.len());
    assert!(check || j["ns_per_message"].as_f64().unwrap() > 0.0);
    got
}

fn file(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// What is in a folder of the material beside the repository, of these only. Where there is nothing the test says that it is skipped, or fails
/// with `COLO_REQUIRE_SHARED=1`.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn shared(folder: &str, is: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    let entries = fs::read_dir(&dir).into_iter().flatten().map(|e| e.unwrap().path());
    let found: Vec<_> = entries.filter(|path| is(path)).collect();
    if found.is_empty() {
        let why = format!("what it reads of {} is absent", dir.display());
        assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "{why}");
        eprintln!("skipped: {why}");
    }
    found
}

/// By both: the oracle here, which knows nothing of `colo`, and the naive books that `--check` puts beside the fast ones.
#[test]
fn every_historical_file_as_the_oracles_have_it() {
    for path in shared("itch50", |_| true) {
        let bytes = fs::read(&path).unwrap();
        let got = same_as_oracle(&path, &bytes, &[], true);
        assert_eq!(got.json["checked"], true, "{}", path.display());
    }
}

#[test]
fn every_real_capture_is_read() {
    for folder in shared("pcap", |p| p.to_string_lossy().contains("TotalView")) {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            let framed = source::read_all(&path).unwrap_or_else(|e| panic!("{e}"));
            assert!(framed.messages >= 1, "{}", path.display());
            assert!(framed.iter().all(|m| m[0] == framed.bytes[2]), "{}: one type a file", path.display());
        }
    }
    for path in shared("synthetic", |p| p.ends_with("itch50_mold.pcap")) {
        let lines = fs::read_to_string(path.with_extension("jsonl")).unwrap();
        let want: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let want: Vec<_> = want.iter().filter(|v| v["proto"] == "itch50").collect();
        let mut source = Source::open(&path).unwrap();
        for v in &want {
            let m = source.next_message().unwrap().expect("as many messages as expected");
            assert_eq!(v["seq"], m.sequence);
            assert_eq!(v["len"], m.bytes.len());
            assert_eq!(v["type"], char::from(m.bytes[0]).to_string());
        }
        assert!(source.next().unwrap().is_none() && want.len() > 20);
        run(&path, &[], true);
    }
}

#[test]
fn a_generated_flow_as_the_oracle_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = flow::framed(&flow::messages(SEED, 20_000));
    let path = file(&dir, "flow.itch", &bytes);
    let got = same_as_oracle(&path, &bytes, &[], false);
    let (rows, levels) = (got.bbo.lines().count(), got.last.lines().count());
    assert!(rows > 500 && levels > 20, "the flow moves books: {rows} rows, {levels} levels");
    assert!(got.json["unknown_refs"]["D"].as_u64().unwrap() > 0 && got.json["by_type"]["0x01"] != 0);
    same_as_oracle(&path, &bytes, &[], true);
    same_as_oracle(&path, &bytes, &["MSFT"], true);
    same_as_oracle(&path, &bytes, &["BRK.B", "AAPL"], false);
}

#[test]
fn every_kind_of_file_gives_the_same_books() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED + 1, 3_000);
    let bytes = flow::framed(&messages);
    let mut with_end = bytes.clone();
    with_end.extend_from_slice(b"\0\0and what is behind the end");
    let packets = |wiped: bool| {
        let mut sequence = 1;
        let mut out = Vec::new();
        for chunk in messages.chunks(7) {
            out.push(wire::mold((!wiped).then_some(sequence), chunk));
            sequence += chunk.len() as u64;
        }
        out
    };
    let plain: Vec<_> = packets(true).iter().map(|p| wire::frame(None, p)).collect();
    // Line A loses every fifth packet and swaps some; line B brings all of them, a little later, with other traffic between.
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let all = packets(false);
    for (k, p) in all.iter().enumerate() {
        if k % 5 != 3 {
            lines.push(wire::frame(Some(142), p));
        }
        if k % 9 == 0 && k > 0 {
            let n = lines.len();
            lines.swap(n - 1, n - 2);
        }
        if k >= 3 {
            lines.push(wire::frame(None, &all[k - 3]));
        }
        lines.push(wire::frame(None, b"a datagram that is no MoldUDP64"));
    }
    lines.extend(all[all.len() - 3..].iter().map(|p| wire::frame(None, p)));
    for (name, content) in [
        ("plain", bytes.clone()),
        ("ended", with_end),
        ("packed", gzip(&bytes)),
        ("packed in two", [gzip(&bytes[..999]), gzip(&bytes[999..])].concat()),
        ("wiped headers", wire::pcap(&plain, false, true)),
        ("two lines", wire::pcap(&lines, false, false)),
        ("two lines, big-endian", wire::pcap(&lines, true, true)),
        ("pcapng", wire::pcapng(&lines, false)),
        ("pcapng, big-endian", wire::pcapng(&lines, true)),
        ("packed pcap", gzip(&wire::pcap(&lines, false, true))),
        ("zstd", zstd(&bytes)),
        ("zstd in two", [zstd(&bytes[..999]), zstd(&bytes[999..])].concat()),
        ("zstd pcapng", zstd(&wire::pcapng(&lines, false))),
    ] {
        let path = file(&dir, name, &content);
        same_as_oracle(&path, &bytes, &[], false);
        assert_eq!(source::read_all(&path).unwrap().bytes, bytes, "{name}");
        assert_eq!(Source::open(&path).unwrap().remarks(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_a_capture_lacks_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED + 2, 60);
    let packets: Vec<_> = [(1, 0..10), (15, 14..40)].map(|(s, r)| wire::mold(Some(s), &messages[r])).into();
    let mut frames: Vec<_> = packets.iter().map(|p| wire::frame(None, p)).collect();
    let cut = frames[0].len() - 1;
    frames.push(frames[0][..cut].to_vec());
    let path = file(&dir, "gap.pcap", &wire::pcap(&frames, false, false));
    let mut source = Source::open(&path).unwrap();
    let mut sequences = Vec::new();
    while let Some(m) = source.next_message().unwrap() {
        sequences.push(m.sequence);
    }
    assert_eq!(sequences, (1..=10).chain(15..=40).collect::<Vec<_>>());
    let remarks = source.remarks().join("\n");
    assert!(
        remarks.contains("4 message(s) of the session") && remarks.contains("1 UDP datagram"),
        "{remarks}"
    );
}

#[test]
fn a_file_that_is_none_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let messages = flow::messages(SEED + 3, 50);
    let bytes = flow::framed(&messages);
    let frames: Vec<_> = messages.chunks(5).map(|c| wire::frame(None, &wire::mold(None, c))).collect();
    let pcap = wire::pcap(&frames, false, false);
    let cut = bytes.len() - 4;
    let last = bytes.len() - messages.last().unwrap().len() - 2;
    let packed = gzip(&bytes);
    let squeezed = zstd(&bytes);
    let tcp: Vec<_> = frames.iter().map(|f| [&f[..23], &[6], &f[24..]].concat()).collect();
    for (name, content, says) in [
        ("cut", bytes[..cut].to_vec(), format!("cut off at byte {last}: the message that starts there")),
        ("cut gz", packed[..packed.len() / 2].to_vec(), "of what it unpacks to".into()),
        ("cut pcap", pcap[..pcap.len() - 1].to_vec(), "the packet that starts there".into()),
        ("cut pcapng", wire::pcapng(&frames, false)[..300].to_vec(), "the packet that starts there".into()),
        ("text", b"symbol,price\nAAPL,100\n".to_vec(), "not an ITCH 5.0 BinaryFILE".into()),
        ("empty", Vec::new(), "it is empty".into()),
        ("no zstd", b"\x28\xB5\x2F\xFD rest".to_vec(), "cannot be read after byte 0".into()),
        ("cut zst", squeezed[..squeezed.len() / 2].to_vec(), "cannot be read after byte 0".into()),
        ("zst of gz", zstd(&packed), "a gzip file inside a packed file".into()),
        ("gz of zst", gzip(&squeezed), "a zstd file inside a packed file".into()),
        ("gz of text", gzip(b"hello"), "not an ITCH 5.0 BinaryFILE".into()),
        ("gz of gz", gzip(&packed), "a gzip file inside a packed file".into()),
        ("no mold", wire::pcap(&tcp, false, false), "without any MoldUDP64 or PITCH packet".into()),
    ] {
        let path = file(&dir, name, &content);
        let failure = book::run(&args(&path, &dir, &[])).expect_err(name);
        assert_eq!(failure.exit, Exit::Failure);
        let m = &failure.message;
        assert!(m.starts_with(&path.display().to_string()) && m.contains(&says), "{name}: {m}");
        assert!(!m.contains('\n'), "{m}");
    }
    let missing = dir.path().join("missing");
    assert!(matches!(Source::open(&missing), Err(SourceError::Open { .. })));
    assert!(matches!(Source::open(dir.path()), Err(SourceError::Kind { .. })));
}

#[test]
fn hostile_files_never_panic_nor_hang() {
    let messages = flow::messages(SEED + 4, 40);
    let frames: Vec<_> = messages.chunks(5).map(|c| wire::frame(Some(3), &wire::mold(Some(1), c))).collect();
    let bytes = flow::framed(&messages);
    let mut rng = flow::Rng(SEED);
    for whole in [
        wire::pcap(&frames, false, false),
        wire::pcapng(&frames, true),
        wire::pcapng(&frames, false),
        gzip(&bytes),
        zstd(&bytes),
        bytes,
    ] {
        for round in 0..600 {
            let mut bad = whole.clone();
            bad.truncate(rng.below(bad.len() as u64 + 1) as usize);
            for _ in 0..rng.below(6) * u64::from(round % 2 == 0 && !bad.is_empty()) {
                let at = rng.below(bad.len() as u64) as usize;
                bad[at] = [0, 0xFF, rng.next() as u8][rng.below(3) as usize];
            }
            let Ok(mut source) = Source::read(Path::new("hostile"), std::io::Cursor::new(bad)) else {
                continue;
            };
            let mut count = 0;
            while let Ok(Some(_)) = source.next() {
                count += 1;
                assert!(count <= whole.len(), "seed {SEED}, round {round}: more messages than bytes");
            }
        }
    }
}

#[test]
fn an_output_that_cannot_be_written_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "flow.itch", &flow::framed(&flow::messages(SEED, 2_000)));
    let full = PathBuf::from("/dev/full");
    for spoil in [
        |a: &mut book::Args, p: PathBuf| a.bbo = Some(p),
        |a: &mut book::Args, p: PathBuf| a.last = Some(p),
        |a: &mut book::Args, p: PathBuf| a.json = Some(p),
    ] {
        let mut a = args(&path, &dir, &[]);
        spoil(&mut a, full.clone());
        let failure = book::run(&a).expect_err("the device is full");
        assert_eq!(failure.exit, Exit::Failure);
        assert!(failure.message.starts_with("/dev/full: cannot be written: "), "{}", failure.message);
        spoil(&mut a, path.clone());
        let failure = book::run(&a).expect_err("the input would be lost");
        assert_eq!(failure.exit, Exit::Usage);
    }
    assert!(fs::metadata(&path).unwrap().len() > 10_000, "the input is untouched");
    let mut a = args(&path, &dir, &["AAPL", "NONE"]);
    let failure = book::run(&a).expect_err("no such symbol");
    assert!(failure.message.contains("NONE") && failure.exit == Exit::Failure);
    (a.bbo, a.json) = (Some("-".into()), Some("-".into()));
    assert_eq!(book::run(&a).expect_err("two on stdout").exit, Exit::Usage);
}
