//! What the targets of historical files share: a file is read to its end twice, whole and in small pieces, and gives the same both times.

use std::io::{self, Read};
use std::path::Path;

use colo::source::Source;

/// Gives at most so many bytes at a time.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(self.most).min(self.bytes.len() - self.at);
        out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

type Messages = Vec<(u64, Vec<u8>)>;

fn messages(name: &str, bytes: &[u8], most: usize) -> (Messages, Option<String>) {
    let mut all = Vec::new();
    let input = Pieces { bytes: bytes.to_vec(), at: 0, most };
    let mut source = match Source::read(Path::new(name), input) {
        Ok(source) => source,
        Err(e) => return (all, Some(e.to_string())),
    };
    let error = loop {
        match source.next_message() {
            Ok(Some(m)) => all.push((m.sequence, m.bytes.to_vec())),
            Ok(None) => break None,
            Err(e) => break Some(e.to_string()),
        }
        assert!(all.len() <= bytes.len(), "more messages than bytes");
    };
    assert!(source.remarks().iter().all(|r| !r.contains('\n')), "remarks are one line each");
    (all, error)
}

/// The messages of a file of this name, with their sequences.
pub fn read(name: &str, bytes: &[u8]) -> Messages {
    let (all, error) = messages(name, bytes, usize::MAX);
    if let Some(sentence) = &error {
        assert!(
            sentence.starts_with(name) && !sentence.contains('\n'),
            "one sentence with the file: {sentence}"
        );
    }
    assert_eq!((all.clone(), error), messages(name, bytes, 7), "however it comes");
    all
}
