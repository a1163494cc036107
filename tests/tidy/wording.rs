//! Rules about words: names that say nothing, and what was left over.

use crate::checkout::{Checkout, Finding};
use crate::lexer::{is_word, words_of};

/// A name with one of these among its words says what its author did not decide.
const EMPTY: &[&str] =
    &["manager", "handler", "processor", "util", "utils", "helper", "helpers", "misc", "common"];

/// The same, where it is the whole name.
const EMPTY_ALONE: &[&str] = &["data"];

/// The empty word in a name of file, folder, module or type, whichever way it is written.
fn empty_word(name: &str) -> Option<String> {
    let words = split_name(name);
    if let [word] = words.as_slice()
        && EMPTY_ALONE.contains(&word.as_str())
    {
        return Some(word.clone());
    }
    words.into_iter().find(|word| EMPTY.contains(&word.as_str()))
}

/// The words of `snake_case`, `kebab-case` and `CamelCase`, in lower case.
fn split_name(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        if !open || (after_lower && c.is_uppercase()) {
            words.push(String::new());
            open = true;
        }
        after_lower = c.is_lowercase();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// No file, folder, module or type has a name that says nothing.
pub fn names(checkout: &Checkout) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in checkout.sources() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if let Some(word) = empty_word(part) {
                findings.push(file.finding(0, format!("`{word}` in the name of a file or folder")));
            }
        }
        let mut before = "";
        for (line, word) in source.words() {
            let declares = matches!(before, "mod" | "struct" | "enum" | "union" | "trait" | "type");
            if declares && let Some(empty) = empty_word(word) {
                findings.push(file.finding(line, format!("`{before} {word}`: `{empty}` says nothing")));
            }
            before = word;
        }
    }
    findings
}

/// No work left for later, no print of a debugging session, no test that is not run.
pub fn leftovers(checkout: &Checkout) -> Vec<Finding> {
    // In pieces, so that this file does not find itself.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = ["todo", "unimplemented", "dbg"];
    let mut findings = Vec::new();
    for (file, source) in checkout.sources() {
        for (line, code) in source.lines() {
            for name in macros.iter().filter(|name| calls(code, name)) {
                findings.push(file.finding(line, format!("`{name}!`")));
            }
            if code.replace(' ', "").contains("#[ignore") {
                findings.push(file.finding(line, "a test that is not run"));
            }
        }
        for (line, comment) in (1..).zip(source.comments.lines()) {
            if let Some(note) = words_of(comment).find(|word| notes.contains(word)) {
                findings.push(file.finding(line, format!("`{note}`: do it or file it")));
            }
        }
    }
    for (file, text) in
        checkout.texts().filter(|(file, _)| file.source.is_none() && !file.path.ends_with(".md"))
    {
        for (line, content) in (1..).zip(text.lines()) {
            if let Some(note) = words_of(content).find(|word| notes.contains(word)) {
                findings.push(file.finding(line, format!("`{note}`: do it or file it")));
            }
        }
    }
    findings
}

/// Does the code call this macro, by this whole name?
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        !code[..at].ends_with(is_word) && code[at + name.len()..].trim_start().starts_with('!')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(split_name("OrderIdMap2x"), ["order", "id", "map2x"]);
        assert_eq!(split_name("a_b-c"), ["a", "b", "c"]);
        assert_eq!(split_name("ITCHFeed"), ["itchfeed"]);
    }

    #[test]
    fn an_empty_name_is_found() {
        let files = [
            ("engine/src/order_utils.rs", "//! Doc.\n"),
            ("tests/common/mod.rs", "//! Doc.\n"),
            ("src/data.rs", "//! Doc.\n"),
            ("src/a.rs", "struct FeedHandler;\nenum Misc {}\nmod helpers;\ntype Data = u8;\n"),
            ("src/uncommon.rs", "// struct Manager\nstruct MarketData;\nlet manager = 1;\nfn handler() {}\n"),
        ];
        assert_eq!(
            places(&names(&Checkout::of(&files))),
            [
                "engine/src/order_utils.rs:0",
                "tests/common/mod.rs:0",
                "src/data.rs:0",
                "src/a.rs:1",
                "src/a.rs:2",
                "src/a.rs:3",
                "src/a.rs:4"
            ]
        );
    }

    #[test]
    fn what_is_left_over_is_found() {
        let note = format!("// {}: later\n", concat!("FIX", "ME"));
        let files = [
            ("src/a.rs", "todo!()\nunimplemented! ()\nx(dbg!(y))\n#[ignore]\n#[ ignore = \"slow\"]\n"),
            ("src/b.rs", &*note),
            ("scripts/c", "# XX"),
            ("scripts/d", concat!("# TO", "DO\n")),
            ("src/e.rs", "// todo!() in a comment\nlet todo = \"dbg!\";\nmy_todo!();\n"),
        ];
        assert_eq!(
            places(&leftovers(&Checkout::of(&files))),
            [
                "src/a.rs:1",
                "src/a.rs:2",
                "src/a.rs:3",
                "src/a.rs:4",
                "src/a.rs:5",
                "src/b.rs:1",
                "scripts/d:1"
            ]
        );
    }
}
