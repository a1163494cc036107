//! The few socket calls that neither `std` nor `socket2` offers safely. All `unsafe` of the crate is here and in `xdp`, where it is
//! maps and mappings.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Sets an integer option of level `SOL_SOCKET`.
pub(crate) fn set_socket_option(fd: impl AsFd, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: `value` is a live `c_int` and the length given is its size; the descriptor is open, for it is borrowed.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped at this socket since it was opened (receive buffer full, bad checksum):
/// `SK_MEMINFO_DROPS` of `SO_MEMINFO`, Linux 4.12 and later.
pub(crate) fn socket_drops(fd: impl AsFd) -> io::Result<u32> {
    // `SO_MEMINFO` fills SK_MEMINFO_VARS (9) words; room for more lets a later kernel add some.
    let mut words = [0u32; 16];
    let mut length = size_of_val(&words) as libc::socklen_t;
    // SAFETY: `words` and `length` are live and writable, and `length` says how many bytes `words` holds; the kernel writes
    // no more than that. The descriptor is open, for it is borrowed.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < (libc::SK_MEMINFO_DROPS as usize + 1) * size_of::<u32>() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "SO_MEMINFO has no drop count on this kernel",
        ));
    }
    Ok(words[libc::SK_MEMINFO_DROPS as usize])
}

/// Receives one datagram without blocking and returns its length **on the wire**, which is more than `buf.len()`
/// when it was cut.
#[inline]
pub(crate) fn recv_datagram(fd: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: `buf` is writable for `buf.len()` bytes and the kernel writes at most that many; the descriptor is open, for it
    // is borrowed.
    let n = unsafe { libc::recv(fd.as_fd().as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) };
    if n >= 0 { Ok(n as usize) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel look at the fill ring of an AF_XDP socket, and poll the device where busy polling is on.
#[inline]
pub(crate) fn wake_receiver(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no buffer is given, and its length is zero; the descriptor is open, for it is borrowed.
    let rc = unsafe { libc::recv(fd.as_raw_fd(), std::ptr::null_mut(), 0, libc::MSG_DONTWAIT) };
    if rc >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel send what is in the tx ring of an AF_XDP socket.
#[inline]
pub(crate) fn wake_sender(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: as in `wake_receiver`.
    let rc = unsafe { libc::send(fd.as_raw_fd(), std::ptr::null(), 0, libc::MSG_DONTWAIT) };
    if rc >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
