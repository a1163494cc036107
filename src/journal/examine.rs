//! Verifying a log whose writer may still run.

use std::path::Path;

use ringbuf::log::{self, CorruptFault, LogError, Verified};

/// Reads a whole log and judges its end; `None` where it is being written and sound so far.
///
/// Behind the place that a running writer has just not reached its next records may already stand, which looks like a hole. A running writer fills it: what
/// is still a hole at the same record the second time is one.
///
/// # Errors
/// As [`ringbuf::log::verify`].
pub fn examine(dir: &Path) -> Result<Option<Verified>, LogError> {
    let mut before = None;
    loop {
        match log::verify(dir) {
            Ok(verified) => return Ok(Some(verified)),
            Err(LogError::WriterActive) => return Ok(None),
            Err(LogError::Corrupt { fault: CorruptFault::Hole, index, .. }) if before != Some(index) => {
                before = Some(index);
            }
            Err(e) => return Err(e),
        }
    }
}
