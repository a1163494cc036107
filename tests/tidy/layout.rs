//! Rules about files as files: how long, how they open, their white space, and what they may point at.

use crate::checkout::{Checkout, Finding, READ_MAX_BYTES};
use crate::lexer::is_word;

/// Above this a source is printed as one to split.
const LINES_WARN: usize = 600;
/// Above this a source fails.
const LINES_MAX: usize = 700;

/// Seeds of the fuzzers: bytes, whatever they look like.
const BYTES: &[&str] = &["fuzz/seeds/"];

/// A source has one story, and few stories need more than 600 lines.
pub fn length(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, _) in checkout.sources() {
        let lines = file.text.as_deref().map_or(0, |text| text.lines().count());
        if lines > LINES_MAX {
            findings.push(file.finding(0, format!("{lines} lines, over {LINES_MAX}")));
        } else if lines > LINES_WARN {
            warn(&format!("{}: {lines} lines, over {LINES_WARN}: split it by story", file.path));
        }
    }
    findings
}

#[allow(clippy::print_stderr, reason = "a warning of a test goes where its output goes")]
fn warn(what: &str) {
    eprintln!("warning: {what}");
}

/// A file says first what it is.
pub fn module_docs(checkout: &Checkout) -> Vec<Finding> {
    let opens = |text: &str| {
        text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("//!"))
    };
    let sources = checkout.texts().filter(|(file, _)| file.source.is_some());
    sources
        .filter(|(_, text)| !opens(text))
        .map(|(file, _)| file.finding(1, "does not open with a `//!` doc"))
        .collect()
}

/// No white space at a line's end, no CR, and a line feed at the end of the file.
pub fn white_space(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in checkout.texts().filter(|(file, _)| !file.under(BYTES)) {
        for (line, content) in (1..).zip(text.split('\n')) {
            if content.ends_with('\r') {
                findings.push(file.finding(line, "CRLF"));
            } else if content.ends_with([' ', '\t']) {
                findings.push(file.finding(line, "white space at the end of the line"));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            findings.push(file.finding(0, "no line feed at the end of the file"));
        }
    }
    findings
}

/// Nothing over 1 MiB: recordings are made or fetched, not committed.
pub fn size(checkout: &Checkout) -> Vec<Finding> {
    let large = checkout.files.iter().filter(|file| file.bytes > READ_MAX_BYTES);
    large.map(|file| file.finding(0, format!("{} bytes, over {READ_MAX_BYTES}", file.bytes))).collect()
}

/// The material beside the repository is read by tests and CI: a user has none.
pub fn shared_material(checkout: &Checkout) -> Vec<Finding> {
    let beside = concat!("../", "shared");
    let joined = concat!("join(\"sha", "red\")");
    let mut findings = Vec::new();
    for (file, text) in checkout.texts().filter(|(file, _)| !file.is_test() && !file.under(&[".ci/"])) {
        for (line, content) in (1..).zip(text.lines()) {
            if content.contains(beside) || content.contains(joined) {
                findings.push(file.finding(line, "what is beside the repository is for tests and .ci only"));
            }
        }
    }
    findings
}

/// No path of the machine that something was written on.
pub fn machine_paths(checkout: &Checkout) -> Vec<Finding> {
    // In pieces, so that this file does not find itself.
    let folders = ["work", "tmp", "root", "home"].map(|folder| format!("/{folder}"));
    let mut findings = Vec::new();
    for (file, text) in checkout.texts().filter(|(file, _)| !file.under(BYTES)) {
        for (line, content) in (1..).zip(text.lines()) {
            if let Some(folder) = folders.iter().find(|folder| starts_a_path(content, folder)) {
                findings.push(file.finding(line, format!("`{folder}` is a folder of one machine")));
            }
        }
    }
    findings
}

/// Is there an absolute path in this line that begins with this folder?
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let begins =
            before.is_none_or(|c| !is_word(c) && !matches!(c, '.' | '/' | '-' | '}' | ')' | '*' | '~'));
        begins && after.is_none_or(|c| !is_word(c) && c != '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::File;

    fn places(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        let (long, longer) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        let found = length(&Checkout::of(&[("a.rs", &long), ("b.rs", &longer), ("c.md", &longer)]));
        assert_eq!(places(&found), ["b.rs:0"]);
    }

    #[test]
    fn a_file_without_its_doc_is_found() {
        let files = [
            ("a.rs", "//! What it is.\nfn f() {}\n"),
            ("b.rs", "// Not a doc.\nfn f() {}\n"),
            ("c.rs", "use a::b;\n//! Late.\n"),
            ("d.rs", ""),
            ("e.md", "text\n"),
        ];
        assert_eq!(places(&module_docs(&Checkout::of(&files))), ["b.rs:1", "c.rs:1", "d.rs:1"]);
    }

    #[test]
    fn white_space_at_the_end_is_found() {
        let files = [
            ("a.rs", "fine\nnot \n\tfine\n"),
            ("b.md", "one\r\ntwo\r\n"),
            ("c.toml", "tab\t\n"),
            ("d.sh", "unended"),
            ("fuzz/seeds/x", "bytes \r\n"),
        ];
        assert_eq!(
            places(&white_space(&Checkout::of(&files))),
            ["a.rs:2", "b.md:1", "b.md:2", "c.toml:1", "d.sh:0"]
        );
    }

    #[test]
    fn a_large_file_is_found() {
        let mut checkout = Checkout::of(&[("small", "x")]);
        let bytes = READ_MAX_BYTES + 1;
        checkout.files.push(File { path: "large".into(), bytes, text: None, source: None });
        assert_eq!(places(&size(&checkout)), ["large:0"]);
    }

    #[test]
    fn shared_material_outside_tests_is_found() {
        let text = concat!("open(\"../", "shared/x\")\n");
        let joined = concat!("p.join(\"sha", "red\")\n");
        let files = [
            ("src/a.rs", text),
            ("src/b.rs", joined),
            ("README.md", text),
            ("feeds/tests/a.rs", text),
            ("tests/a.rs", joined),
            (".ci/run", text),
        ];
        assert_eq!(
            places(&shared_material(&Checkout::of(&files))),
            ["src/a.rs:1", "src/b.rs:1", "README.md:1"]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let bad = concat!("first\nlet p = \"/tm", "p/x\";\ncd /wor", "k\n`/roo", "t/.cargo`\n");
        let good = "tests/tmp/x\n~/work/x\nhttps://a.b/work/c\n/workspace\n$DIR/tmp\n./home\n/dev/shm/x\n";
        let found = machine_paths(&Checkout::of(&[("a.sh", bad), ("b.sh", good)]));
        assert_eq!(places(&found), ["a.sh:2", "a.sh:3", "a.sh:4"]);
    }
}
