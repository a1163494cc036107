//! A Rust source as two texts of the same lines: its code and its comments.
//!
//! What is inside string, byte and character literals is blank in both, so that a word in a message is not taken for
//! code. It is a lexer of what the rules need (comments that nest, raw strings, lifetimes against
//! characters), not of the language; on a source that does not compile it yields nonsense, never a panic.

/// One source, split.
pub struct Source {
    /// Code with comments and the contents of literals blanked.
    pub code: String,
    /// Comments alone.
    pub comments: String,
}

impl Source {
    pub fn new(text: &str) -> Self {
        let mut split =
            Splitter { chars: text.chars().collect(), at: 0, code: String::new(), comments: String::new() };
        while split.at < split.chars.len() {
            split.step();
        }
        Self { code: split.code, comments: split.comments }
    }

    /// The words of the code (identifiers, keywords, numbers), each with its line from 1.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().zip(1..).flat_map(|(line, number)| words_of(line).map(move |word| (number, word)))
    }

    /// The lines of the code, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }
}

/// The words of a text: runs of letters, digits and `_`.
pub fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Splitter {
    chars: Vec<char>,
    at: usize,
    code: String,
    comments: String,
}

impl Splitter {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Takes `count` characters as code, comment or neither; a line's end always goes to both.
    fn take(&mut self, count: usize, kind: Kind) {
        for _ in 0..count {
            let Some(&c) = self.chars.get(self.at) else { return };
            self.at += 1;
            if c == '\n' {
                self.code.push(c);
                self.comments.push(c);
                continue;
            }
            self.code.push(if kind == Kind::Code { c } else { ' ' });
            self.comments.push(if kind == Kind::Comment { c } else { ' ' });
        }
    }

    fn step(&mut self) {
        match self.peek(0) {
            '/' if self.peek(1) == '/' => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    self.take(1, Kind::Comment);
                }
            }
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            c if is_word(c) => self.word(),
            _ => self.take(1, Kind::Code),
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.take(1, Kind::Comment);
                    continue;
                }
            }
            self.take(2, Kind::Comment);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(1, Kind::Code);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.take(2, Kind::Literal),
                '"' => return self.take(1, Kind::Code),
                _ => self.take(1, Kind::Literal),
            }
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) != '\\' && self.peek(2) != '\'' {
            return self.take(1, Kind::Code);
        }
        self.take(1, Kind::Code);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.take(2, Kind::Literal),
                '\'' => return self.take(1, Kind::Code),
                _ => self.take(1, Kind::Literal),
            }
        }
    }

    /// A word, and the raw string that it may be the prefix of.
    fn word(&mut self) {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.take(1, Kind::Code);
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if !matches!(word.as_str(), "r" | "br" | "cr") {
            return;
        }
        let hashes = self.chars[self.at..].iter().take_while(|&&c| c == '#').count();
        if self.peek(hashes) != '"' {
            return;
        }
        self.take(hashes + 1, Kind::Code);
        while self.at < self.chars.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if closes {
                return self.take(hashes + 1, Kind::Code);
            }
            self.take(1, Kind::Literal);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        Source::new(text).words().map(|(line, word)| format!("{line}:{word}")).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g\n"), ["1:a", "2:c", "2:g"]);
        assert_eq!(code(r#"a "b \" c" d"#), ["1:a", "1:d"]);
        assert_eq!(code("a r#\"b \" c\"# d br\"e\\\" f"), ["1:a", "1:r", "1:d", "1:br", "1:f"]);
        assert_eq!(code("'b' '\\'' '\\u{61}' c"), ["1:c"]);
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("&'a str 'b' &'static r#type"), ["1:a", "1:str", "1:static", "1:r", "1:type"]);
    }

    #[test]
    fn comments_are_kept_apart_and_lines_kept() {
        let source = Source::new("a // b\n\"c\n\" /* d\ne */ f\n");
        assert_eq!(source.comments.split_whitespace().collect::<Vec<_>>(), ["//", "b", "/*", "d", "e", "*/"]);
        assert_eq!(source.code.lines().count(), 4);
        assert_eq!(source.comments.lines().count(), 4);
        assert_eq!(source.words().last(), Some((4, "f")));
    }

    #[test]
    fn a_source_cut_anywhere_is_split_all_the_same() {
        let text = "fn f<'a>() { r##\"x\"##; /* y /* z */ */ 'c'; \"s\\n\"; b'\\''; } // end";
        for end in 0..=text.len() {
            let source = Source::new(&text[..end]);
            assert_eq!(source.code.len(), source.comments.len());
        }
    }
}
