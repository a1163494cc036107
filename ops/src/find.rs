//! Which cores there are on this host: files of shared memory with a core's name.
//!
//! A core's name is 1 to 32 letters, digits, `-` or `_` (the configuration sees to that), so a control socket (`colo-NAME.sock`) or a region in the
//! making (`colo-NAME.new.PID`) is never taken for one. Whether a file is a region, and of a core that lives, is for [`crate::life`] to say.

use std::io;
use std::path::Path;

use colo::telemetry::PREFIX;

/// Cores looked at; a host with more has a folder full of something else.
pub const CORES_MAX: usize = 64;

/// Whether a core can have this name.
#[must_use]
pub fn is_name(s: &str) -> bool {
    (1..=32).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A name on a command line.
///
/// # Errors
/// What a name is.
pub fn parse_name(s: &str) -> Result<String, &'static str> {
    if is_name(s) { Ok(s.into()) } else { Err("a name is 1 to 32 letters, digits, `-` or `_`") }
}

/// The names of the cores that have or had a region in `folder`, sorted, at most [`CORES_MAX`].
///
/// # Errors
/// The folder cannot be read.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        // A file that goes while the folder is read is no error.
        let Ok(entry) = entry else { continue };
        let file = entry.file_name();
        let name = file.to_str().and_then(|f| f.strip_prefix(PREFIX)).filter(|n| is_name(n));
        if let Some(name) = name
            && entry.file_type().is_ok_and(|t| t.is_file())
            && found.len() < CORES_MAX
        {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_found_and_their_neighbours_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let none: [&str; 0] = [];
        assert_eq!(names(folder.path()).unwrap(), none);
        let files =
            ["colo-b", "colo-a_1", "colo-a.sock", "colo-a.new.17", "colo-", "sem.x", "colo-\u{1b}[2J"];
        for file in files {
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        std::fs::write(folder.path().join(format!("colo-{}", "n".repeat(33))), b"").unwrap();
        std::fs::create_dir(folder.path().join("colo-folder")).unwrap();
        assert_eq!(names(folder.path()).unwrap(), ["a_1", "b"]);
        assert!(names(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_full_folder_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..CORES_MAX + 10 {
            std::fs::write(folder.path().join(format!("colo-{n}")), b"").unwrap();
        }
        assert_eq!(names(folder.path()).unwrap().len(), CORES_MAX);
    }
}
