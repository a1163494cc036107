//! `recvmmsg` into slots that are laid out once.
//!
//! ```text
//!  headers  [ mmsghdr 0 | mmsghdr 1 | ... ]      each points at its iovec
//!  iovecs   [ iovec 0   | iovec 1   | ... ]      each points at its slot
//!  slots    [ slot_bytes | slot_bytes | ... ]    the datagrams
//! ```
//!
//! One system call brings up to `len` datagrams, so a burst of the feed costs one kernel entry and not one a packet. The
//! pointers are set at construction and never change; the kernel writes only `msg_len` and `msg_flags` of a header
//! and the bytes of a slot.

use std::ffi::c_uint;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};

/// Receive slots and the headers that point at them.
///
/// Invariants: the three pointers come from `Box<[_]>` of `len`, `len` and `len * slot_bytes` elements, are owned by this value
/// alone and freed only in `drop`; `headers[i]` points at `iovecs[i]`, which points at `slot_bytes` bytes from
/// `slots + i * slot_bytes`.
pub(super) struct Burst {
    headers: NonNull<libc::mmsghdr>,
    iovecs: NonNull<libc::iovec>,
    slots: NonNull<u8>,
    len: usize,
    slot_bytes: usize,
}

// SAFETY: the pointers lead only to heap memory owned by this value (see the invariants), which no thread but the one that
// holds the value touches.
unsafe impl Send for Burst {}

/// Gives up a boxed slice for a pointer to its first element; [`reclaim`] takes it back.
fn release<T>(boxed: Box<[T]>) -> NonNull<T> {
    NonNull::from(Box::leak(boxed)).cast()
}

/// # Safety
/// `first` and `len` are those of a slice given to [`release`], not yet reclaimed.
unsafe fn reclaim<T>(first: NonNull<T>, len: usize) {
    // SAFETY: by the contract above this is the very allocation that `release` leaked.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(first.as_ptr(), len)) });
}

impl Burst {
    /// `len` slots of `slot_bytes` each; at least one of each, and at most 1,024 slots (`UIO_MAXIOV`, the kernel's own limit).
    pub(super) fn new(len: usize, slot_bytes: usize) -> Burst {
        let len = len.clamp(1, 1024);
        let slot_bytes = slot_bytes.max(1);
        // SAFETY: `mmsghdr` is a C struct of integers and pointers, for which all-zero is a valid value.
        let header = || unsafe { std::mem::zeroed::<libc::mmsghdr>() };
        let burst = Burst {
            headers: release((0..len).map(|_| header()).collect()),
            iovecs: release(
                (0..len).map(|_| libc::iovec { iov_base: ptr::null_mut(), iov_len: slot_bytes }).collect(),
            ),
            slots: release(vec![0u8; len * slot_bytes].into_boxed_slice()),
            len,
            slot_bytes,
        };
        for i in 0..len {
            // SAFETY: `i < len`, so each pointer stays inside its allocation (invariants of `Burst`), and nothing else refers
            // to this memory yet.
            unsafe {
                let iovec = burst.iovecs.add(i).as_ptr();
                (*iovec).iov_base = burst.slots.add(i * slot_bytes).as_ptr().cast();
                let header = burst.headers.add(i).as_ptr();
                (*header).msg_hdr.msg_iov = iovec;
                (*header).msg_hdr.msg_iovlen = 1;
            }
        }
        burst
    }

    /// Fills slots from the socket without blocking; returns how many. 0 is a real answer only where the kernel
    /// gives it: "nothing there" is the `WouldBlock` error, as of the call itself.
    #[inline]
    pub(super) fn fill(&mut self, fd: impl AsFd) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: `headers` holds `len` initialised headers whose iovecs and slots are live and writable (invariants), and
        // `&mut self` excludes every other access. No timeout is given. The descriptor is open, for it is borrowed.
        let n = unsafe {
            libc::recvmmsg(
                fd.as_fd().as_raw_fd(),
                self.headers.as_ptr(),
                self.len as c_uint,
                flags as _,
                ptr::null_mut(),
            )
        };
        if n >= 0 { Ok((n as usize).min(self.len)) } else { Err(io::Error::last_os_error()) }
    }

    /// The datagram in slot `i` after a [`Burst::fill`] that returned more than `i`; `None` if it was longer than the slot.
    ///
    /// # Panics
    /// If `i` is not a slot.
    #[inline]
    pub(super) fn datagram(&self, i: usize) -> Option<&[u8]> {
        assert!(i < self.len, "slot {i} of {}", self.len);
        // SAFETY: `i < len`, so the header is inside its allocation and initialised; the kernel writes to it only in
        // `fill`, which takes `&mut self`.
        let header = unsafe { self.headers.add(i).as_ref() };
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let n = (header.msg_len as usize).min(self.slot_bytes);
        // SAFETY: the slot's `slot_bytes >= n` bytes are inside the allocation and initialised (zeroed at construction), and
        // are written only in `fill`, which takes `&mut self`.
        Some(unsafe { std::slice::from_raw_parts(self.slots.add(i * self.slot_bytes).as_ptr(), n) })
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        // SAFETY: the pointers and lengths are those of construction (invariants) and are not used again.
        unsafe {
            reclaim(self.headers, self.len);
            reclaim(self.iovecs, self.len);
            reclaim(self.slots, self.len * self.slot_bytes);
        }
    }
}
