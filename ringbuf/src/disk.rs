//! The few file operations that regions and log segments share: reserve, open, map.
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Creates a file of mode 0600 whose `bytes` are allocated, not sparse: a full disk is an error here and
/// not a SIGBUS at some later store. A file of that name is replaced. All zero.
pub(crate) fn reserve(path: &Path, bytes: u64) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let length = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: a plain system call on a descriptor that `file` keeps open.
    let errno = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) };
    if errno == 0 {
        return Ok(file);
    }
    // Best effort: the first error is the one worth telling.
    let _ = std::fs::remove_file(path);
    Err(io::Error::from_raw_os_error(errno))
}

/// Creates a file of mode 0600 that was not there.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a regular file for reading. Does not follow a link at the end of `path` and does not wait, whatever
/// the path turns out to name (a pipe, a device).
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Maps `bytes` of a file this process has reserved, shared and writable.
pub(crate) fn map_writable(file: &File, bytes: usize) -> io::Result<MmapRaw> {
    MmapOptions::new().len(bytes).map_raw(file)
}

/// Maps `bytes` of a file, shared and read-only.
pub(crate) fn map_read_only(file: &File, bytes: usize) -> io::Result<MmapRaw> {
    MmapOptions::new().len(bytes).map_raw_read_only(file)
}

/// Whether the error says that there is no space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}
