//! What a page of the docs asks its reader to do.
//!
//! ```text
//!   ```sh ... ```                                        run it, it ends with 0
//!   <!-- ends with 4 -->  before it                      ... or with this
//!   <!-- in terminal VENUE until "order entry on" -->    ... in another terminal, and go on when it has said so
//!   <!-- stop VENUE: 130 -->                             Ctrl-C there; it ends with this
//!   <!-- wait for VENUE: 0 -->                           it ends by itself
//!   ```text ... ```                                      lines that the last command said, in this order; `...` stands for anything
//! ```

/// One thing that the reader does.
#[derive(Debug, PartialEq)]
pub enum Step {
    Run { script: String, code: i32 },
    Begin { terminal: String, script: String, until: String },
    Stop { terminal: String, code: i32 },
    Wait { terminal: String, code: i32 },
    Expect(Expected),
}

/// What the last command is to have said.
#[derive(Debug, PartialEq)]
pub struct Expected {
    pub lines: Vec<String>,
    /// The block's line on the page.
    pub at: usize,
}

/// The steps of a page, in order. A remark or a block of shell that is not understood ends the test: it would be one that nobody runs.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut remark: Option<&str> = None;
    let mut lines = (1..).zip(page.lines());
    while let Some((at, line)) = lines.next() {
        if let Some(said) = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->")) {
            assert!(remark.is_none(), "line {at}: the remark before belongs to no block");
            match said.split_once(' ') {
                Some(("stop", rest)) => {
                    let (terminal, code) = terminal_and_code(rest, at);
                    steps.push(Step::Stop { terminal, code });
                }
                Some(("wait", rest)) => {
                    let (terminal, code) = terminal_and_code(rest.trim_start_matches("for "), at);
                    steps.push(Step::Wait { terminal, code });
                }
                _ => remark = Some(said),
            }
        } else if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().map(|l| l.1).take_while(|l| *l != "```").collect();
            match kind {
                "sh" => steps.push(shell(&block.join("\n"), remark.take(), at)),
                "text" => steps.push(Step::Expect(Expected {
                    lines: block.iter().map(|l| (*l).to_owned()).filter(|l| !l.trim().is_empty()).collect(),
                    at,
                })),
                _ => {}
            }
        }
    }
    assert!(remark.is_none(), "the last remark belongs to no block");
    steps
}

fn shell(script: &str, remark: Option<&str>, at: usize) -> Step {
    let script = script.to_owned();
    let Some(remark) = remark else { return Step::Run { script, code: 0 } };
    if let Some(code) = remark.strip_prefix("ends with ") {
        return Step::Run { script, code: code.parse().unwrap_or_else(|_| panic!("line {at}: {remark:?}")) };
    }
    let other = remark.strip_prefix("in terminal ").and_then(|r| r.split_once(" until \""));
    let (terminal, until) = other.unwrap_or_else(|| panic!("line {at}: {remark:?} is not understood"));
    assert!(!script.contains('\n'), "line {at}: one command a terminal");
    Step::Begin { terminal: terminal.into(), script, until: until.trim_end_matches('"').into() }
}

fn terminal_and_code(rest: &str, at: usize) -> (String, i32) {
    let parsed = rest.split_once(": ").and_then(|(t, c)| Some((t.to_owned(), c.parse().ok()?)));
    parsed.unwrap_or_else(|| panic!("line {at}: {rest:?} is no terminal and exit code"))
}

/// What of `said` stands behind the first line that is like `line`, in which `...` stands for anything.
pub fn behind<'a>(said: &'a str, line: &str) -> Option<&'a str> {
    let mut rest = said;
    while !rest.is_empty() {
        let (first, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        if is_like(first.trim(), line.trim()) {
            return Some(behind);
        }
        rest = behind;
    }
    None
}

fn is_like(line: &str, like: &str) -> bool {
    let parts: Vec<&str> = like.split("...").collect();
    let [first, .., last] = parts.as_slice() else { return line == like };
    let Some(mut rest) = line.strip_prefix(first).and_then(|l| l.strip_suffix(last)) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_a_reader_reads_it() {
        let page = "# T\n```sh\na\nb\n```\n```text\nx\n\n  y ... z\n```\n<!-- ends with 4 -->\n```sh\nc\n```\n\
                    <!-- in terminal V until \"on it\" -->\n```sh\nd\n```\n```toml\nno = 1\n```\n<!-- stop V: 130 -->\n<!-- wait for W: 0 -->\n";
        let run = |script: &str, code| Step::Run { script: script.into(), code };
        let expected = [
            run("a\nb", 0),
            Step::Expect(Expected { lines: vec!["x".into(), "  y ... z".into()], at: 6 }),
            run("c", 4),
            Step::Begin { terminal: "V".into(), script: "d".into(), until: "on it".into() },
            Step::Stop { terminal: "V".into(), code: 130 },
            Step::Wait { terminal: "W".into(), code: 0 },
        ];
        assert_eq!(steps(page), expected);
    }

    #[test]
    fn lines_are_looked_for_in_order() {
        let said = "one\n  two 22 things\nthree";
        assert_eq!(behind(said, "two ... things"), Some("three"));
        assert_eq!(behind(said, "...22..."), Some("three"));
        assert_eq!(behind(said, "one two"), None);
        assert_eq!(behind("three", "one"), None);
        assert!(!is_like("ab", "a...b...c") && is_like("a b c", "a...b...c") && !is_like("a", "a...a"));
    }

    #[test]
    #[should_panic(expected = "is not understood")]
    fn a_remark_that_is_not_understood_is_none() {
        steps("<!-- runs sometimes -->\n```sh\na\n```\n");
    }
}
