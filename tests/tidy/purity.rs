//! Rules that keep the four deterministic crates what they say they are, and `unsafe` where it is looked for.

use crate::checkout::{Checkout, File, Finding};
use crate::lexer::{is_word, words_of};

/// The simulated venue.
const VENUE: &[&str] = &["src/exchange/"];

/// The crates that a core is judged by the venue with, so that the venue takes nothing from them.
const JUDGED: &[&str] = &["feeds", "engine", "gateways"];

/// What the venue may take all the same: `(path, why)`. The session layer of FIX, with what makes fields of bytes, has judges from outside in both roles: the
/// public acceptance definitions and QuickFIX. What its messages mean is not among it.
const LENT: &[(&str, &str)] = &[
    ("gateways::fix::compose", "fields to bytes"),
    ("gateways::fix::framing", "bytes to fields"),
    ("gateways::fix::logon", "who may log on"),
    ("gateways::fix::session", "numbers, gaps, heartbeats"),
    ("gateways::fix::store", "what may have to be sent again"),
    ("gateways::fix::value", "numbers and times as text"),
];

/// The crates whose output is a function of their input.
const DETERMINISTIC: &[&str] = &["model/", "feeds/", "gateways/", "engine/", "backtest/"];

/// Their sources, without tests and benches.
const DETERMINISTIC_SRC: &[&str] =
    &["model/src/", "feeds/src/", "gateways/src/", "engine/src/", "backtest/src/"];

/// Shapes of latency, figures of series of returns, which parameters to try next, and what is believed of a queue: statistics, which no core decides by.
const STATISTICS: &[&str] = &[
    "backtest/src/latency/quantiles.rs",
    "backtest/src/metrics.rs",
    "backtest/src/search/",
    "backtest/src/venue/queue.rs",
];

/// Where `unsafe` is at home.
const UNSAFE_HOMES: &[&str] = &["prefetch/src/", "ringbuf/src/", "net/src/", "src/host.rs", "src/host/"];

/// Tests and benches with `unsafe` of their own: `(file, why)`. A global allocator, a signal or a tracer is a reason.
const UNSAFE_EXCEPTIONS: &[(&str, &str)] = &[
    ("engine/tests/allocation.rs", "a global allocator that counts"),
    ("net/examples/wire.rs", "a core for each end, where a mean over both would say nothing"),
    ("net/tests/netns/mod.rs", "network namespaces: setns and unshare"),
    ("tests/hot_alloc.rs", "a global allocator that counts"),
    ("tests/kill_session/tracer.rs", "ptrace"),
    ("tests/source_memory.rs", "a global allocator that counts"),
];

/// Files of the engine with a table that hashes in a random order: `(file, why that order is never seen)`.
const HASH_EXCEPTIONS: &[(&str, &str)] = &[
    ("engine/src/book/naive.rs", "orders are looked up in it; what is walked is a BTreeMap"),
    ("engine/src/book/flat/refs.rs", "references too far for the direct table are looked up, never walked"),
];

/// Files of the deterministic crates that reach out of them: `(file, why)`.
const IO_EXCEPTIONS: &[(&str, &str)] =
    &[("model/src/canary.rs", "which fault is planted, in a build that has faults to plant")];

/// The findings of exceptions that nothing needs any more: an exception is used by its file or goes.
fn stale(checkout: &Checkout, exceptions: &[(&str, &str)], words: &[&str]) -> Vec<Finding> {
    let used = |path: &str| {
        let source = checkout.file(path).and_then(|file| file.source.as_ref());
        source.is_some_and(|source| source.words().any(|(_, word)| words.contains(&word)))
    };
    let unused = exceptions.iter().filter(|(path, _)| !used(path));
    unused
        .map(|(path, _)| Finding {
            path: (*path).to_owned(),
            line: 0,
            what: "tidy's exception is not needed".into(),
        })
        .collect()
}

fn excepted(file: &File, exceptions: &[(&str, &str)]) -> bool {
    exceptions.iter().any(|(path, _)| *path == file.path)
}

/// `unsafe` only in `prefetch`, `ringbuf`, `net`, the host module and the listed exceptions.
pub fn unsafe_homes(checkout: &Checkout) -> Vec<Finding> {
    unsafe_homes_but(checkout, UNSAFE_EXCEPTIONS)
}

fn unsafe_homes_but(checkout: &Checkout, exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = stale(checkout, exceptions, &["unsafe"]);
    for (file, source) in checkout.sources() {
        if file.under(UNSAFE_HOMES) || excepted(file, exceptions) {
            continue;
        }
        for (line, _) in source.words().filter(|(_, word)| *word == "unsafe") {
            findings.push(file.finding(line, "`unsafe` outside its homes"));
        }
    }
    findings
}

/// The simulated venue is the oracle of the core: it takes no decoder, encoder, book or order of it.
pub fn oracle(checkout: &Checkout) -> Vec<Finding> {
    oracle_but(checkout, LENT)
}

fn oracle_but(checkout: &Checkout, lent: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; lent.len()];
    for (file, source) in checkout.sources().filter(|(file, _)| file.under(VENUE)) {
        for krate in JUDGED {
            let path = format!("{krate}::");
            for (at, _) in source.code.match_indices(&path) {
                if source.code[..at].ends_with(is_word) {
                    continue;
                }
                let named = &source.code[at..];
                let is_it =
                    |path: &str| named.strip_prefix(path).is_some_and(|rest| !rest.starts_with(is_word));
                if let Some(k) = lent.iter().position(|(path, _)| is_it(path)) {
                    needed[k] = true;
                    continue;
                }
                let line = 1 + source.code[..at].matches('\n').count();
                findings.push(file.finding(line, format!("the venue takes nothing from `{krate}`")));
            }
        }
    }
    for ((path, _), _) in lent.iter().zip(needed).filter(|(_, needed)| !needed) {
        findings.push(Finding {
            path: (*path).to_owned(),
            line: 0,
            what: "nothing at the venue needs it".into(),
        });
    }
    findings
}

/// The deterministic crates say so to the compiler too.
pub fn forbid_unsafe(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in DETERMINISTIC {
        let path = format!("{folder}src/lib.rs");
        let source = checkout.file(&path).and_then(|file| file.source.as_ref());
        let forbids =
            source.is_some_and(|source| source.code.lines().any(|line| line == "#![forbid(unsafe_code)]"));
        if !forbids {
            findings.push(Finding { path, line: 0, what: "`#![forbid(unsafe_code)]` is missing".into() });
        }
    }
    findings
}

/// No clock is read in the deterministic crates, tests included: `now` is passed in. What measures them may.
pub fn clocks(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in checkout.sources().filter(|(file, _)| file.under(DETERMINISTIC)) {
        if file.path.contains("/benches/") || file.path.contains("/examples/") {
            continue;
        }
        for (line, word) in source.words() {
            if matches!(word, "Instant" | "SystemTime" | "UNIX_EPOCH" | "quanta" | "sleep") {
                findings.push(file.finding(line, format!("`{word}`: time is passed in as `now`")));
            }
        }
    }
    findings
}

/// No file, socket, thread or environment in the deterministic crates. Their tests may: in `tests/`, and in files of their
/// own beside the sources (`#[cfg(test)] mod name;`).
pub fn io(checkout: &Checkout) -> Vec<Finding> {
    io_but(checkout, IO_EXCEPTIONS)
}

fn io_but(checkout: &Checkout, exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = stale(checkout, exceptions, &["env"]);
    let tests = test_modules(checkout);
    for (file, source) in checkout.sources().filter(|(file, _)| file.under(DETERMINISTIC_SRC)) {
        if excepted(file, exceptions) || tests.iter().any(|module| file.path.starts_with(module)) {
            continue;
        }
        for (at, _) in source.code.match_indices("std::") {
            if source.code[..at].ends_with(is_word) {
                continue;
            }
            let rest = &source.code[at + "std::".len()..];
            let named: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => words_of(&group[..group.find(';').unwrap_or(group.len())]).collect(),
                None => words_of(rest).take(1).collect(),
            };
            let line = 1 + source.code[..at].matches('\n').count();
            for word in named {
                if matches!(word, "fs" | "net" | "thread" | "env" | "process" | "os") {
                    findings.push(file.finding(line, format!("`std::{word}` in a crate without I/O")));
                }
            }
        }
    }
    findings
}

/// The files that are compiled into tests only, as beginnings of paths: `a/name.rs` and `a/name/`.
fn test_modules(checkout: &Checkout) -> Vec<String> {
    let mut modules = Vec::new();
    for (file, source) in checkout.sources() {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let folder = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        for (at, attribute) in source.code.match_indices("#[cfg(test)]") {
            let item =
                source.code[at + attribute.len()..].split_inclusive(['{', ';']).next().unwrap_or_default();
            if let Some(module) = item.trim().strip_prefix("mod ").and_then(|item| item.strip_suffix(';')) {
                modules.push(format!("{folder}/{module}.rs"));
                modules.push(format!("{folder}/{module}/"));
            }
        }
    }
    modules
}

/// The engine has no table whose order differs from run to run, but where the order is never seen.
pub fn hash_order(checkout: &Checkout) -> Vec<Finding> {
    hash_order_but(checkout, HASH_EXCEPTIONS)
}

fn hash_order_but(checkout: &Checkout, exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let tables = ["HashMap", "HashSet", "RandomState"];
    let mut findings = stale(checkout, exceptions, &tables);
    for (file, source) in checkout.sources().filter(|(file, _)| file.under(&["engine/src/"])) {
        if excepted(file, exceptions) {
            continue;
        }
        for (line, word) in source.words().filter(|(_, word)| tables.contains(word)) {
            findings.push(file.finding(line, format!("`{word}` has another order in every run")));
        }
    }
    findings
}

/// No float between wire and order: neither the types nor a literal such as `0.5`.
pub fn floats(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    let judged = checkout.sources().filter(|(file, _)| file.under(DETERMINISTIC_SRC));
    for (file, source) in judged.filter(|(file, _)| !file.under(STATISTICS)) {
        for (line, code) in source.lines() {
            let types = words_of(code).any(|word| word.ends_with("f32") || word.ends_with("f64"));
            if types || has_float_literal(code) {
                findings.push(file.finding(line, "a float: prices and money are integers"));
            }
        }
    }
    findings
}

/// `0.5` and `1e9`, but not `x.0.1`, `0..5`, `0x1e9` or `1.max(2)`.
fn has_float_literal(code: &str) -> bool {
    let mut before = ' ';
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            before = c;
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        let number = c.is_ascii_digit() && before != '.';
        let decimal = !word.starts_with("0x") && !word.starts_with("0b") && !word.starts_with("0o");
        let fraction =
            after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
        let exponent = word.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
            let digits =
                |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '_');
            digits(mantissa) && (digits(exponent) || exponent.is_empty() && after.starts_with(['-', '+']))
        });
        if number && decimal && (fraction || exponent) {
            return true;
        }
        before = 'a';
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn unsafe_away_from_home_is_found() {
        let files = [
            ("engine/src/a.rs", "// unsafe\nfn f() { unsafe { g() } }\n"),
            ("ringbuf/src/a.rs", "unsafe impl Send for A {}\n"),
            ("ringbuf/tests/a.rs", "unsafe impl Send for A {}\n"),
            ("src/host.rs", "unsafe { libc::mlockall(1) };\n"),
            ("tests/alloc.rs", "unsafe impl GlobalAlloc for A {}\n"),
            ("tests/text.rs", "let s = \"unsafe\"; #![forbid(unsafe_code)]\n"),
        ];
        let found = unsafe_homes_but(&Checkout::of(&files), &[("tests/alloc.rs", "counts allocations")]);
        assert_eq!(lines(&found), ["engine/src/a.rs:2", "ringbuf/tests/a.rs:1"]);
    }

    #[test]
    fn a_venue_that_borrows_is_found() {
        let files = [
            ("src/exchange/mod.rs", "use model::Px;\nuse feeds::itch50::wire;\n"),
            ("src/exchange/a.rs", "fn f(engine: u8) { my_engine::g(); engine::book::f() }\n// feeds::x\n"),
            ("src/agents/a.rs", "use engine::Engine;\n"),
        ];
        let found = oracle_but(&Checkout::of(&files), &[]);
        assert_eq!(lines(&found), ["src/exchange/mod.rs:2", "src/exchange/a.rs:1"]);
    }

    #[test]
    fn what_is_lent_to_the_venue_is_that_and_no_more() {
        let files = [(
            "src/exchange/fix/a.rs",
            "use gateways::fix::session::Role;\nuse gateways::fix::sessions;\nuse gateways::fix::order::read;\n\
             use gateways::fix::{session, order};\n",
        )];
        let lent = [("gateways::fix::session", "why"), ("gateways::fix::store", "why")];
        let found = oracle_but(&Checkout::of(&files), &lent);
        let places = ["src/exchange/fix/a.rs:2", "src/exchange/fix/a.rs:3", "src/exchange/fix/a.rs:4"];
        assert_eq!(lines(&found)[..3], places);
        assert_eq!(lines(&found)[3..], ["gateways::fix::store:0"]);
    }

    #[test]
    fn a_stale_exception_is_found() {
        let files = Checkout::of(&[("tests/a.rs", "fn safe() {}\n")]);
        let exceptions = [("tests/a.rs", "was needed"), ("tests/gone.rs", "was there")];
        assert_eq!(lines(&unsafe_homes_but(&files, &exceptions)), ["tests/a.rs:0", "tests/gone.rs:0"]);
        assert_eq!(hash_order_but(&files, &exceptions).len(), 2);
    }

    #[test]
    fn a_crate_that_does_not_forbid_unsafe_is_found() {
        let files = [
            ("model/src/lib.rs", "//! Doc.\n#![forbid(unsafe_code)]\n"),
            ("feeds/src/lib.rs", "//! Doc.\n// #![forbid(unsafe_code)]\n"),
            ("gateways/src/lib.rs", "#![deny(unsafe_code)]\n"),
        ];
        let found = forbid_unsafe(&Checkout::of(&files));
        let missing =
            ["feeds", "gateways", "engine", "backtest"].map(|krate| format!("{krate}/src/lib.rs:0"));
        assert_eq!(lines(&found), missing);
    }

    #[test]
    fn a_clock_is_found() {
        let files = [
            ("feeds/src/a.rs", "use std::time::Instant as I;\nlet t = SystemTime::now();\n"),
            ("engine/tests/a.rs", "// Instant\nstd::thread::sleep(d);\n"),
            ("engine/benches/a.rs", "Instant::now();\n"),
            ("feeds/examples/a.rs", "Instant::now();\n"),
            ("src/clock.rs", "quanta::Clock::new();\n"),
        ];
        let found = clocks(&Checkout::of(&files));
        assert_eq!(lines(&found), ["feeds/src/a.rs:1", "feeds/src/a.rs:2", "engine/tests/a.rs:2"]);
    }

    #[test]
    fn a_file_or_socket_is_found() {
        let files = [
            ("engine/src/a.rs", "use std::io::Write;\nuse std::fs::File;\nuse std::{fmt, net::UdpSocket};\n"),
            ("engine/src/b.rs", "fn f() { my_std::fs::g(); net::h(); }\n"),
            (
                "engine/src/c/mod.rs",
                "#[cfg(test)]\nmod seeds;\n#[cfg(test)]\nmod tests { fn f() { std::env::args(); } }\n",
            ),
            ("engine/src/c/seeds.rs", "std::env::var(SEED);\n"),
            ("engine/src/d.rs", "#[cfg(test)]\nmod seeds;\nmod e;\n"),
            ("engine/src/d/e.rs", "std::env::var(SEED);\n"),
            ("engine/src/d/seeds.rs", "std::env::var(SEED);\n"),
            ("engine/tests/a.rs", "std::fs::read(p);\n"),
        ];
        let found = io_but(&Checkout::of(&files), &[]);
        assert_eq!(
            lines(&found),
            ["engine/src/a.rs:2", "engine/src/a.rs:3", "engine/src/c/mod.rs:4", "engine/src/d/e.rs:1"]
        );
    }

    #[test]
    fn a_random_order_is_found() {
        let files = [
            ("engine/src/a.rs", "let m: HashMap<u8, u8>;\n"),
            ("engine/src/b.rs", "let s: BTreeSet<u8>; let t: HashSet<u8>;\n"),
            ("engine/src/c.rs", "let m: HashMap<u8, u8>;\n"),
            ("feeds/src/a.rs", "let m: HashMap<u8, u8>;\n"),
        ];
        let found = hash_order_but(&Checkout::of(&files), &[("engine/src/c.rs", "looked up, never walked")]);
        assert_eq!(lines(&found), ["engine/src/a.rs:1", "engine/src/b.rs:1"]);
    }

    #[test]
    fn a_float_is_found() {
        let files = [
            ("engine/src/a.rs", "let x: f64;\nlet y = 1_f32;\nlet z = 0.5;\n"),
            ("gateways/src/a.rs", "// 0.5\nlet s = \"0.5\";\n"),
            ("src/a.rs", "let x: f64 = 0.5;\n"),
        ];
        let found = floats(&Checkout::of(&files));
        assert_eq!(lines(&found), ["engine/src/a.rs:1", "engine/src/a.rs:2", "engine/src/a.rs:3"]);
        for float in ["0.5", "(1e9)", "2.5e3", "1_000.25", "1e-9", "a + 3.0"] {
            assert!(has_float_literal(float), "{float}");
        }
        for other in ["x.0.1", "0..5", "0x1e9", "1.max(2)", "a.1e", "v1.2", "1u64", "0b1", "e5", "1usize..2"]
        {
            assert!(!has_float_literal(other), "{other}");
        }
    }
}
