//! The files that the rules look at: what is in the checkout and not named by `.gitignore`.
//!
//! A [`Checkout`] is plain values, so that a test makes one of two lines.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::lexer::Source;

/// A file over this many bytes is not read, only measured.
pub const READ_MAX_BYTES: u64 = 1 << 20;

/// What a rule objects to.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// Counted from 1; 0 is the file as a whole.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// One file.
pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub bytes: u64,
    /// `None` where it is not UTF-8 or too long to be a source.
    pub text: Option<String>,
    /// Of a `.rs` file.
    pub source: Option<Source>,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            bytes: text.len() as u64,
            text: Some(text.to_owned()),
            source: path.ends_with(".rs").then(|| Source::new(text)),
        }
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// Is it under one of these folders? They end with `/`.
    pub fn under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Is one of its folders called `tests`?
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/")
    }
}

/// All files, in the order of their paths.
pub struct Checkout {
    pub files: Vec<File>,
}

impl Checkout {
    /// A checkout of these files, for the tests of the rules.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(path, text)).collect() }
    }

    /// The checkout this test was built from.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ignored =
            Ignored::new(&fs::read_to_string(root.join(".gitignore")).expect("the root's .gitignore"));
        let mut files = Vec::new();
        walk(root, "", &ignored, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// The Rust sources, each with what the lexer made of it.
    pub fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }

    /// The files that are text, whatever is in them.
    pub fn texts(&self) -> impl Iterator<Item = (&File, &str)> {
        self.files.iter().filter_map(|file| Some((file, file.text.as_deref()?)))
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn walk(root: &Path, folder: &str, ignored: &Ignored, files: &mut Vec<File>) {
    let entries = fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("reading {folder}: {error}"));
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a file name in UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if name == ".git" || ignored.has(&path) {
            continue;
        }
        let kind = entry.file_type().expect("the type of an entry");
        if kind.is_dir() {
            walk(root, &path, ignored, files);
        } else if kind.is_file() {
            let bytes = entry.metadata().expect("the size of a file").len();
            let text = if bytes <= READ_MAX_BYTES {
                String::from_utf8(fs::read(entry.path()).expect("a readable file")).ok()
            } else {
                None
            };
            let read = text.as_deref().map(|text| File::new(&path, text));
            files.push(read.unwrap_or(File { path, bytes, text: None, source: None }));
        }
    }
}

/// The two forms that the root's `.gitignore` keeps to: `/folder` and `*.ending`.
struct Ignored {
    folders: Vec<String>,
    endings: Vec<String>,
}

impl Ignored {
    fn new(gitignore: &str) -> Self {
        let mut ignored = Self { folders: Vec::new(), endings: Vec::new() };
        for line in gitignore.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some(folder) = line.strip_prefix('/') {
                ignored.folders.push(folder.trim_end_matches('/').to_owned());
            } else if let Some(ending) = line.strip_prefix("*.") {
                ignored.endings.push(format!(".{ending}"));
            } else {
                panic!(
                    ".gitignore: `{line}` is neither `/folder` nor `*.ending`, which is all that tidy reads"
                );
            }
        }
        ignored
    }

    fn has(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| folder == path) || self.endings.iter().any(|end| path.ends_with(end))
    }
}

#[test]
fn ignored_paths_are_the_ones_of_gitignore() {
    let ignored = Ignored::new("# output\n/target\n/fuzz/target/\n\n*.profraw\n");
    for path in ["target", "fuzz/target", "x.profraw", "engine/y.profraw"] {
        assert!(ignored.has(path), "{path}");
    }
    for path in ["targets", "engine/target", "fuzz", "profraw"] {
        assert!(!ignored.has(path), "{path}");
    }
}

#[test]
#[should_panic(expected = "neither")]
fn an_unknown_form_of_gitignore_is_refused() {
    Ignored::new("build/**/x\n");
}

#[test]
fn a_finding_names_its_place() {
    let file = File::new("a/b.rs", "");
    assert_eq!(file.finding(3, "bad").to_string(), "a/b.rs:3: bad");
    assert_eq!(file.finding(0, "bad").to_string(), "a/b.rs: bad");
}
