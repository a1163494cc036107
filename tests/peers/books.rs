//! `colo book` and the peers that decode ITCH and keep books, over the same files.
//!
//! Who was right where they differ, by the protocol notes:
//!
//! * **References.** `itch-book` 0.2.1 keeps its orders in pages of a directory, and refuses a new order whose reference is 0 or beyond what
//!   the directory may span (89 of the 46,000 messages of `aapl_20120621_0930.itch`, 19 of the other hour, one of the three symbols). A
//!   reference is any 64-bit number, unique in its day and no more: `colo`, `itchfeed` and `itchcpp` take these orders. So its refusals are counted
//!   over the file as it is, and its books compared over the same day with the orders numbered from 1.
//! * **Rows.** `itch-book` writes a row of the best prices when only the number of orders there has changed; those are left out.
//! * **End of the day.** `itchfeed` and `itchcpp` stop reading after `S` with `C`. It is the last message of a day, so nothing is missed.
//!
//! In all else they agree to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binaryfile;
use crate::flow;
use crate::program::{self, Ended, Program, json::Report, skipped};

/// The interpreter that has the peers. Without one the test is skipped, and says so.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("COLO_PEERS_PYTHON").map(PathBuf::from);
    if python.is_none() {
        skipped("the peers from PyPI: COLO_PEERS_PYTHON is not set (scripts/test sets it)");
    }
    python
}

fn script(python: &Path, name: &str, arguments: &[&str]) -> Ended {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name);
    // Bytecode beside the scripts would be a change of the checkout.
    Program::start(Command::new(python).arg("-B").arg(script).args(arguments)).end().exits(0)
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Compares tables by rows, so that a difference is one row and not a file.
#[track_caller]
fn same_rows(what: &str, want: &str, got: &str) {
    let differs = want.lines().zip(got.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert_eq!(differs, None, "{what}: first row that differs (colo, the peer)");
    assert_eq!(want.lines().count(), got.lines().count(), "{what}: rows (colo, the peer)");
}

/// What `colo book` made of a file.
pub struct Built {
    pub bbo: String,
    pub last: String,
    pub counts: Report,
}

pub fn build(data: &Path) -> Built {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).into_os_string();
    let options = ["--bbo", "--final", "--json"].into_iter().zip(["bbo.csv", "final.csv", "counts.json"]);
    let mut arguments = vec!["book".into(), "--data".into(), data.as_os_str().to_owned()];
    options.for_each(|(option, name)| arguments.extend([option.into(), at(name)]));
    program::colo(arguments).exits(0);
    Built {
        bbo: text(folder.path(), "bbo.csv"),
        last: text(folder.path(), "final.csv"),
        counts: Report::read(&folder.path().join("counts.json")),
    }
}

/// The column `symbol` taken out: the fourth of the best prices, the second of what is left.
fn nameless(table: &str, column: usize) -> String {
    let row = |line: &str| {
        let fields = line.split(',').enumerate().filter(|(i, _)| *i != column).map(|(_, f)| f);
        fields.collect::<Vec<_>>().join(",") + "\n"
    };
    table.lines().map(row).collect()
}

/// At most `depth` rows of each side of each instrument; they are best first.
fn best(last: &str, depth: usize) -> String {
    let mut seen = BTreeMap::new();
    let mut out = String::new();
    for line in last.lines() {
        let side: Vec<_> = line.split(',').take(2).collect();
        let n = seen.entry(side).or_insert(0);
        *n += 1;
        if *n <= depth {
            out += line;
            out += "\n";
        }
    }
    out
}

/// Both decoders, and the reference books over what they decoded.
pub fn decoders_agree(python: &Path, data: &Path, built: &Built) {
    let bytes = fs::read(data).unwrap();
    for peer in ["itchfeed", "itchcpp"] {
        let what = format!("{peer} on {}", data.display());
        let folder = tempfile::tempdir().unwrap();
        let arguments = [peer, data.to_str().unwrap(), folder.path().to_str().unwrap()];
        script(python, "parsed.py", &arguments);
        let counts = Report::read(&folder.path().join("counts.json"));
        for pointer in ["/messages", "/by_type", "/live_orders"] {
            assert_eq!(counts.at(pointer), built.counts.at(pointer), "{what}: {pointer}");
        }
        for (kind, n) in built.counts.at("/unknown_refs").as_object().unwrap() {
            let peers = counts.at("/unknown_refs").get(kind).cloned().unwrap_or(Value::from(0));
            assert_eq!(peers, *n, "{what}: unknown references of {kind}");
        }
        assert!(fs::read(folder.path().join("encoded.itch")).unwrap() == bytes, "{what}: encoded again");
        same_rows(&format!("{what}, --bbo"), &built.bbo, &text(folder.path(), "bbo.csv"));
        same_rows(&format!("{what}, --final"), &built.last, &text(folder.path(), "final.csv"));
    }
}

/// The best prices at the end, from the books that `itchcpp` keeps itself.
fn tops_agree(python: &Path, data: &Path, built: &Built) {
    let mut tops = BTreeMap::new();
    for row in built.bbo.lines().skip(1) {
        let fields: Vec<_> = row.split(',').collect();
        tops.insert(fields[3], fields[3..].join(","));
    }
    if tops.is_empty() {
        return;
    }
    let mut arguments = vec![data.to_str().unwrap()];
    arguments.extend(tops.keys());
    let got = script(python, "itchcpp_tops.py", &arguments).stdout;
    let want: String = tops.values().map(|top| format!("{top}\n")).collect();
    same_rows(&format!("itchcpp's books of {}", data.display()), &want, &got);
}

/// The rows and the last books of `itch-book`. See the module for the references.
fn tables_agree(python: &Path, data: &Path, built: &Built) {
    let what = format!("itch-book on {}", data.display());
    let folder = tempfile::tempdir().unwrap();
    let run = |data: &Path| {
        script(python, "itch_book_tables.py", &[data.to_str().unwrap(), folder.path().to_str().unwrap()]);
        Report::read(&folder.path().join("stats.json"))
    };
    let bytes = fs::read(data).unwrap();
    run(data).is("/rejected", binaryfile::odd_references(&bytes));

    let numbered = folder.path().join("numbered.itch");
    fs::write(&numbered, binaryfile::renumbered(&bytes)).unwrap();
    let stats = run(&numbered);
    let unknown = built.counts.at("/unknown_refs").as_object().unwrap();
    let unknown: u64 = unknown.values().map(|n| n.as_u64().unwrap()).sum();
    for counter in ["unknown", "malformed", "pending_bytes", "rejected", "dup_ref"] {
        stats.is(&format!("/{counter}"), 0);
    }
    stats.is("/messages", built.counts.count("/messages"));
    stats.is("/live_orders", built.counts.count("/live_orders"));
    stats.is("/missing_ref", unknown);
    stats.is("/clamped", built.counts.count("/over_reductions"));
    let last = nameless(&built.last, 1);
    same_rows(&format!("{what}, --bbo"), &nameless(&built.bbo, 3), &text(folder.path(), "bbo.csv"));
    same_rows(&format!("{what}, --final"), &last, &text(folder.path(), "final.csv"));
    same_rows(&format!("{what}, 50 levels"), &best(&last, 50), &text(folder.path(), "depth.csv"));
}

/// Everything that the peers can say of a file.
pub fn peers_agree(python: &Path, data: &Path) {
    let built = build(data);
    decoders_agree(python, data, &built);
    tops_agree(python, data, &built);
    tables_agree(python, data, &built);
}

#[test]
fn every_historical_file_as_the_peers_have_it() {
    let Some(folder) = program::shared("data/itch50") else { return };
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() >= 5, "{files:?}");
    let Some(python) = python() else { return };
    for file in files {
        peers_agree(&python, &file);
    }
}

/// What the historical files lack: executions away from the order's price, reductions of more than is left, crossed books, references
/// beyond 2^40, instruments out of order. Types of a later version are left out: `itchfeed` and `itchcpp` end at the first.
#[test]
fn a_hostile_flow_as_the_peers_have_it() {
    let Some(python) = python() else { return };
    let flow = flow::messages(0x5EED, 10_000);
    let known = flow.iter().map(Vec::as_slice).filter(|m| !matches!(m[0], b'z' | 1));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flow.itch");
    fs::write(&file, binaryfile::framed(known)).unwrap();
    let built = build(&file);
    built.counts.some("/by_type/C").some("/over_reductions").some("/unknown_refs/C").some("/unknown_refs/U");
    peers_agree(&python, &file);
}

#[test]
fn renumbering_keeps_who_is_who() {
    let order = |kind: u8, refs: &[u64]| {
        let mut m = vec![0; 36];
        m[0] = kind;
        for (n, r) in refs.iter().enumerate() {
            m[11 + 8 * n..19 + 8 * n].copy_from_slice(&r.to_be_bytes());
        }
        m
    };
    let day = |refs: [u64; 4]| {
        let [a, b, c, none] = refs;
        let day = [
            order(b'A', &[a]),
            order(b'A', &[b]),
            order(b'U', &[a, c]),
            order(b'P', &[none]),
            order(b'D', &[b]),
        ];
        binaryfile::framed(day.iter().map(Vec::as_slice))
    };
    let file = day([u64::MAX, 0, 7, 5]);
    assert_eq!(binaryfile::renumbered(&file), day([1, 2, 3, 5]));
    assert_eq!((binaryfile::odd_references(&file), binaryfile::odd_references(&day([1, 2, 3, 0]))), (2, 0));
}
