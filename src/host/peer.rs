//! Who is at the other end of a Unix socket, by the kernel's word (`SO_PEERCRED`, unix(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The process that connected, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its id. It may have ended since.
    pub pid: u32,
}

/// Asks for the peer of a connected Unix socket. One system call.
///
/// # Errors
/// The kernel's: it is no such socket.
pub fn peer_of(socket: &impl AsFd) -> io::Result<Peer> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `found` is live and writable for the `len` bytes that the kernel is told of; it writes no more.
    let rc = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut found).cast(), &raw mut len)
    };
    super::checked(rc)?;
    Ok(Peer { uid: found.uid, pid: found.pid.cast_unsigned() })
}

/// The user that this process acts as.
#[must_use]
pub fn own_uid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_pair_is_of_this_process_and_a_file_has_no_peer() {
        let (a, _b) = UnixStream::pair().unwrap();
        assert_eq!(peer_of(&a).unwrap(), Peer { uid: own_uid(), pid: std::process::id() });
        assert!(peer_of(&tempfile::tempfile().unwrap()).is_err());
    }
}
