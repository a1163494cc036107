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

/// Room for the control messages that [`recv_stamped`] takes: one of three times, and its header.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// As [`recv_datagram`], with the time that the kernel or the device gave it (`SO_TIMESTAMPING`), ns since the Unix epoch and whether it is the device's;
/// `None` where it has none.
#[inline]
pub(crate) fn recv_stamped(fd: impl AsFd, buf: &mut [u8]) -> io::Result<(usize, Option<(u64, bool)>)> {
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let mut control = Control([0; 128]);
    // SAFETY: zeros are a valid `msghdr`: null pointers and lengths of zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: `message` leads to `part` and `control`, which are live; the lengths beside the pointers are those of what they lead to. The descriptor is open,
    // for it is borrowed.
    let n = unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &raw mut message, flags) };
    if n < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((n as usize, stamp_of(&control.0[..message.msg_controllen.min(size_of::<Control>())])))
}

/// The time among control messages: each is a header of length (word), level and type (`int`), then its content, padded to a word.
fn stamp_of(mut control: &[u8]) -> Option<(u64, bool)> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const TIME: usize = size_of::<libc::timespec>();
    let number = |bytes: &[u8], at: usize| bytes.get(at..)?.first_chunk().map(|b| i32::from_ne_bytes(*b));
    while control.len() >= HEADER {
        let length = usize::from_ne_bytes(*control.first_chunk()?);
        let content = control.get(HEADER..length)?;
        if number(control, 8)? == libc::SOL_SOCKET && number(control, 12)? == libc::SCM_TIMESTAMPING {
            // Three of them: the kernel's, one that is not used any more, the device's.
            let time = |k: usize| {
                let words = content.get(k * TIME..(k + 1) * TIME)?.as_chunks::<8>().0;
                let [seconds, nanos] = [words.first()?, words.get(1)?].map(|w| u64::from_ne_bytes(*w));
                Some(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?).filter(|ns| *ns != 0)
            };
            return time(2).map(|ns| (ns, true)).or_else(|| time(0).map(|ns| (ns, false)));
        }
        control = control.get(length.next_multiple_of(size_of::<usize>())..)?;
    }
    None
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
