//! Lists of symbols that may not be traded, or not be sold short, and that change while a core runs: looked at by the cold thread, in force by control inputs, so that a
//! replay has each change where it was.
//!
//! ```text
//!                                   +-- names more ----------> in force at once
//!   the file is another than it was-+-- names fewer ---------> in force when it has stood still from one look to the next
//!                                   +-- gone, damaged -------> every instrument is on the list, until a whole one has stood still
//! ```
//!
//! A list that nobody can read says nothing of what is not on it (15c3-5(c)(2)(i)): it fails closed. Whoever replaces a list in place rather than by a rename is seen half-way, and
//! a half of it names fewer, hence the second look.
//! A look reads the whole file: some KiB, twice a second, on the thread that waits for the disk anyway.
//!
//! The file: a symbol a line, of one to eight characters, each once; what follows a `#` is for people.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use model::{Control, Instrument, InstrumentId, Nanos, Symbol};
use serde_json::{Value, json};

/// Between two looks.
const EVERY: Nanos = Nanos::from_millis(500);
/// A list of every symbol that there is is shorter.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a list.
///
/// # Errors
/// Why it says nothing, in words.
pub fn read(file: &Path) -> Result<BTreeSet<Symbol>, String> {
    let open = std::fs::File::open(file).map_err(|e| format!("unreadable ({e})"))?;
    let mut text = String::new();
    open.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|e| format!("unreadable ({e})"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err("over a MiB".into());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("without an end of its last line: it may be a part of itself".into());
    }
    let mut symbols = BTreeSet::new();
    for (line, words) in (1..).zip(text.lines()) {
        let name = words.split('#').next().unwrap_or("").trim();
        if name.is_empty() {
            continue;
        }
        let symbol = Symbol::new(name).ok_or_else(|| format!("line {line}: {name:?} is no symbol"))?;
        if !symbols.insert(symbol) {
            return Err(format!("line {line}: {name:?}, named before"));
        }
    }
    Ok(symbols)
}

/// A list as the core starts with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Where it is.
    pub file: PathBuf,
    /// It names what may not be sold short, not what may not be traded.
    pub shorts: bool,
    /// What it named.
    pub named: BTreeSet<Symbol>,
}

/// One list.
struct List {
    file: PathBuf,
    shorts: bool,
    /// What is in force; `None`: everything.
    named: Option<BTreeSet<Symbol>>,
    /// What it named at the last look, where it could be read.
    last: Option<BTreeSet<Symbol>>,
}

/// A list has changed.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) level: &'static str,
    pub(super) message: &'static str,
    pub(super) fields: Value,
    pub(super) controls: Vec<Control>,
}

/// See the module.
pub(super) struct Lists {
    lists: Vec<List>,
    instruments: Vec<(InstrumentId, Symbol)>,
    looked: Nanos,
}

impl Lists {
    pub(super) fn new(watched: Vec<Watched>, instruments: Vec<Instrument>) -> Lists {
        let list = |w: Watched| List { file: w.file, shorts: w.shorts, named: Some(w.named), last: None };
        Lists {
            lists: watched.into_iter().map(list).collect(),
            instruments: instruments.iter().map(|i| (i.id, i.symbol)).collect(),
            looked: Nanos::ZERO,
        }
    }

    /// Looks, where it is time to: what has changed.
    pub(super) fn look(&mut self, now: Nanos) -> Vec<Turn> {
        if self.lists.is_empty() || now.since(self.looked).0 < EVERY.0 {
            return Vec::new();
        }
        self.looked = now;
        self.lists.iter_mut().filter_map(|list| list.look(&self.instruments)).collect()
    }
}

impl List {
    fn look(&mut self, instruments: &[(InstrumentId, Symbol)]) -> Option<Turn> {
        // By what it says, not by when it was written: clocks of file systems are coarse.
        let found = read(&self.file);
        let last = std::mem::replace(&mut self.last, found.as_ref().ok().cloned());
        match found {
            Err(why) => self.close(&why),
            Ok(named) => {
                let fewer = self.named.as_ref().is_none_or(|was| !was.is_subset(&named));
                if fewer && last.as_ref() != Some(&named) {
                    // What it names beside is in force at once.
                    let beside = self.named.as_ref()?.union(&named).copied().collect();
                    return self.turn(beside, instruments);
                }
                self.turn(named, instruments)
            }
        }
    }

    /// Nobody knows what is on it: everything.
    fn close(&mut self, why: &str) -> Option<Turn> {
        self.named.take()?;
        let fields = json!({"list": self.file.display().to_string(), "why": why, "of": self.of()});
        let control = Control::Restrict { instrument: None, shorts: self.shorts, on: true };
        Some(Turn {
            level: "error",
            message: "a list of restricted symbols cannot be read: every symbol is restricted",
            fields,
            controls: vec![control],
        })
    }

    fn turn(&mut self, named: BTreeSet<Symbol>, instruments: &[(InstrumentId, Symbol)]) -> Option<Turn> {
        if self.named.as_ref() == Some(&named) {
            return None;
        }
        let was = self.named.replace(named);
        let is_on = |of: &Option<BTreeSet<Symbol>>, s| of.as_ref().is_none_or(|list| list.contains(s));
        let turned = instruments.iter().filter(|(_, s)| is_on(&was, s) != is_on(&self.named, s));
        let turned: Vec<_> = turned.map(|(id, s)| (*id, *s, is_on(&self.named, s))).collect();
        let list = |on: bool| -> Vec<String> {
            turned.iter().filter(|t| t.2 == on).map(|t| t.1.to_string()).collect()
        };
        let fields = json!({
            "list": self.file.display().to_string(), "of": self.of(), "symbols": self.named.as_ref().map_or(0, BTreeSet::len),
            "on": list(true), "off": list(false)});
        let shorts = self.shorts;
        let control = |(id, _, on): &(InstrumentId, Symbol, bool)| Control::Restrict {
            instrument: Some(*id),
            shorts,
            on: *on,
        };
        let controls = turned.iter().map(control).collect();
        Some(Turn { level: "warn", message: "a list of restricted symbols has changed", fields, controls })
    }

    fn of(&self) -> &'static str {
        if self.shorts { "short_sales" } else { "trading" }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::{FeedId, GatewayId};

    use super::*;

    struct Bench {
        lists: Lists,
        file: PathBuf,
        now: u64,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(text: &str) -> Bench {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("list.txt");
            fs::write(&file, text).unwrap();
            let named = read(&file).unwrap();
            let instrument = |(k, s): (u16, &str)| Instrument {
                id: InstrumentId(k),
                symbol: Symbol::new(s).unwrap(),
                feed: FeedId(0),
                gateway: GatewayId(0),
            };
            let instruments = (0..).zip(["AAPL", "MSFT", "AMZN"]).map(instrument).collect();
            let watched = Watched { file: file.clone(), shorts: false, named };
            Bench { lists: Lists::new(vec![watched], instruments), file, now: 0, _folder: folder }
        }

        /// The instruments that a look puts on the list, and those that it takes off; `None` is every one.
        fn look(&mut self) -> (Vec<Option<u16>>, Vec<Option<u16>>) {
            self.now += EVERY.0;
            let controls = self.lists.look(Nanos(self.now)).into_iter().flat_map(|t| t.controls);
            let (mut on, mut off) = (Vec::new(), Vec::new());
            for control in controls {
                let Control::Restrict { instrument, shorts: false, on: is_on } = control else {
                    panic!("{control:?}")
                };
                if is_on { &mut on } else { &mut off }.push(instrument.map(|id| id.0));
            }
            (on, off)
        }
    }

    const NOTHING: (Vec<Option<u16>>, Vec<Option<u16>>) = (Vec::new(), Vec::new());

    #[test]
    fn what_it_names_more_holds_at_once_and_what_fewer_when_it_stands_still() {
        let mut b = Bench::new("# of today\nAAPL # a tender\n");
        assert_eq!((b.look(), b.look()), (NOTHING, NOTHING));
        // A rename, as it should be done.
        let new = b.file.with_extension("new");
        fs::write(&new, "AAPL\nMSFT\nZZZZ\n").unwrap();
        fs::rename(&new, &b.file).unwrap();
        assert_eq!(b.look(), (vec![Some(1)], vec![]));
        assert_eq!(b.look(), NOTHING);
        fs::write(&b.file, "AMZN\n").unwrap();
        assert_eq!(b.look(), (vec![Some(2)], vec![]), "nothing is let go at first sight");
        assert_eq!(b.look(), (vec![], vec![Some(0), Some(1)]));
        assert_eq!(b.look(), NOTHING);
    }

    #[test]
    fn what_cannot_be_read_restricts_everything_until_a_whole_one_stands_still() {
        for damage in ["AAPL\nAAPL\n", "AAPL", "far too long for one\n", "\u{fffd}\u{fffd}\u{fffd}\n"] {
            let mut b = Bench::new("AAPL\n");
            assert_eq!(b.look(), NOTHING);
            fs::write(&b.file, damage).unwrap();
            assert_eq!(b.look(), (vec![None], vec![]), "{damage:?}");
            assert_eq!((b.look(), b.look()), (NOTHING, NOTHING), "once");
            fs::write(&b.file, "MSFT\n").unwrap();
            assert_eq!(b.look(), NOTHING);
            assert_eq!(b.look(), (vec![], vec![Some(0), Some(2)]));
        }
        let mut b = Bench::new("");
        fs::remove_file(&b.file).unwrap();
        assert_eq!(b.look(), (vec![None], vec![]), "gone");
        assert_eq!(b.look(), NOTHING);
        fs::write(&b.file, vec![b'A'; 2 << 20]).unwrap();
        assert_eq!((b.look(), b.look()), (NOTHING, NOTHING), "as bad");
        fs::write(&b.file, [0xff, 0xfe, b'\n']).unwrap();
        assert_eq!((b.look(), b.look()), (NOTHING, NOTHING), "no text");
        fs::write(&b.file, "").unwrap();
        assert_eq!(b.look(), NOTHING);
        assert_eq!(b.look(), (vec![], vec![Some(0), Some(1), Some(2)]));
    }

    #[test]
    fn it_is_looked_at_when_it_is_time_to() {
        let mut b = Bench::new("");
        b.look();
        fs::remove_file(&b.file).unwrap();
        assert!(b.lists.look(Nanos(b.now + EVERY.0 - 1)).is_empty());
        assert_eq!(b.lists.look(Nanos(b.now + EVERY.0)).len(), 1);
    }
}
