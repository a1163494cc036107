//! The file in which a SoupBinTCP port keeps the sessions that it was in, so that a process knows of another one of its day ([`SessionMemory`]).
//!
//! A line a session: the UTC date and the name, `2026-11-22 SESSION001`. Only lines of the newest day count, and older ones go when a session is noted.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use gateways::gateway::SessionMemory;
use gateways::soupbintcp::SessionName;
use model::Nanos;

use crate::logs::timestamp;

/// More than a port joins in a day; a file that has more is cut to the newest.
const SESSIONS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    /// Day and name, oldest first.
    joined: Vec<(String, String)>,
}

impl SessionFile {
    /// Reads what there is.
    ///
    /// # Errors
    /// It cannot be read, or is not such a file.
    pub fn open(path: &Path) -> io::Result<SessionFile> {
        let text = match fs::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let line = |line: &str| {
            let (day, name) = line.split_once(' ')?;
            (day.len() == 10 && !name.is_empty()).then(|| (day.to_owned(), name.to_owned()))
        };
        // It is renamed into its place whole, so no line of it can be torn.
        let joined: Option<Vec<_>> = text.lines().map(line).collect();
        let joined = joined.ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidData, "lines are no date and session, as 2026-11-22 SESSION001")
        })?;
        Ok(SessionFile { path: path.to_owned(), joined })
    }

    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        for (day, name) in &self.joined {
            writeln!(file, "{day} {name}")?;
        }
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl SessionMemory for SessionFile {
    fn join(&mut self, now: Nanos, session: SessionName) -> bool {
        let day = timestamp(now)[..10].to_owned();
        let name = String::from_utf8_lossy(session.as_bytes()).trim().to_owned();
        self.joined.retain(|(d, _)| *d == day);
        let another = self.joined.iter().any(|(_, n)| *n != name);
        let known = self.joined.iter().any(|(_, n)| *n == name);
        if !known {
            self.joined.drain(..self.joined.len().saturating_sub(SESSIONS_MAX - 1));
            self.joined.push((day, name));
            // What is not kept, the next process does not know: then neither does this one say that it knows.
            return self.write().is_err() || another;
        }
        another
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000_000;
    const NOON: Nanos = Nanos(20_000 * DAY + DAY / 2);

    fn name(text: &str) -> SessionName {
        SessionName::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn another_session_of_the_day_is_remembered_over_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions-g1");
        let open = || SessionFile::open(&path).unwrap();
        assert!(!open().join(NOON, name("ONE")), "the first of all");
        assert!(!open().join(NOON, name("ONE")), "it is replayed");
        assert!(open().join(NOON, name("TWO")));
        // And by those after, until the day is over: nobody else knows what was in the first.
        assert!(open().join(NOON, name("TWO")));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2024-10-04 ONE\n2024-10-04 TWO\n");
        assert!(!open().join(NOON.after(Nanos(DAY)), name("THREE")));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2024-10-05 THREE\n");
    }

    #[test]
    fn what_cannot_be_kept_or_read_is_not_taken_for_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone").join("sessions");
        assert!(SessionFile::open(&path).unwrap().join(NOON, name("ONE")));
        for bad in ["x", "2024-10-04", "2024-10-04 \n", "\0\n"] {
            let path = folder.path().join("bad");
            fs::write(&path, bad).unwrap();
            assert_eq!(SessionFile::open(&path).unwrap_err().kind(), ErrorKind::InvalidData, "{bad:?}");
        }
    }
}
