//! Words that only a file or the environment may hold: a command line is seen by every user of the host, and so is what is logged.

use std::fs;
use std::path::Path;

use super::StoreError;

/// Longest text taken, bytes.
const LONGEST: u64 = 64 * 1024;

/// The text of `file`, or else of the environment's `name`; without blanks at its ends. `None` where there is neither.
///
/// # Errors
/// The file cannot be read, is too long, or may be read by everybody. What it holds is in no message.
pub fn read(file: Option<&Path>, name: &str) -> Result<Option<String>, StoreError> {
    let Some(file) = file else {
        return Ok(std::env::var(name).ok().map(|text| text.trim().to_owned()));
    };
    let at = |e: &dyn std::fmt::Display| StoreError::Refused(format!("{}: {e}", file.display()));
    let found = fs::metadata(file).map_err(|e| at(&e))?;
    if found.len() > LONGEST {
        return Err(at(&"is too long for a secret"));
    }
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o007 != 0 {
        return Err(at(&"may be read by everybody: chmod 600"));
    }
    fs::read_to_string(file).map(|text| Some(text.trim().to_owned())).map_err(|e| at(&e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_for_everybody_is_refused_and_its_text_is_in_no_message() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, " hunter2\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read(Some(&file), "COLO_NO_SUCH").unwrap_err().to_string();
        assert!(refused.contains("chmod 600") && !refused.contains("hunter2"), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(Some(&file), "COLO_NO_SUCH").unwrap().as_deref(), Some("hunter2"));
        assert_eq!(read(None, "COLO_NO_SUCH").unwrap(), None);
        fs::write(&file, "x".repeat(LONGEST as usize + 1)).unwrap();
        assert!(read(Some(&file), "COLO_NO_SUCH").is_err());
        assert!(read(Some(&dir.path().join("absent")), "COLO_NO_SUCH").is_err());
    }
}
