//! What the crate `xdp` does not show of a socket: whether the kernel wants to be called for a ring, whether nothing is copied, and what was dropped.

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// One of the two rings that we fill.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ring {
    Fill,
    Tx,
}

/// The word of a ring in which the kernel asks to be called.
#[derive(Debug)]
pub(super) struct Flag {
    base: NonNull<libc::c_void>,
    length: usize,
    /// Within the mapping: `length` reaches to its end.
    word: NonNull<AtomicU32>,
}

// SAFETY: the mapping belongs to this value alone, and the word is an atomic.
unsafe impl Send for Flag {}

impl Flag {
    /// Maps the head of a ring that `socket` has.
    pub(super) fn of(socket: &impl AsRawFd, ring: Ring) -> io::Result<Flag> {
        // SAFETY: zeros are a valid value of it: numbers.
        let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
        read(socket, libc::XDP_MMAP_OFFSETS, &mut offsets)?;
        let (at, page) = match ring {
            Ring::Fill => (offsets.fr.flags, libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t),
            Ring::Tx => (offsets.tx.flags, libc::XDP_PGOFF_TX_RING),
        };
        let at = at as usize;
        let length = at + size_of::<u32>();
        let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, socket.as_raw_fd(), page) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base).ok_or_else(|| io::Error::other("a ring at address zero"))?;
        // SAFETY: `at` and four bytes lie in the mapping, for its length says so.
        let word = unsafe { base.byte_add(at).cast() };
        Ok(Flag { base, length, word })
    }

    /// Whether the kernel is to be called.
    #[inline]
    pub(super) fn is_up(&self) -> bool {
        // SAFETY: the mapping lives as long as `self`, and the kernel writes this word atomically.
        let word = unsafe { self.word.as_ref() };
        // Relaxed: nothing is read behind it that the call itself would not order.
        word.load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        // SAFETY: it is the mapping made in `of`, and `word` goes with it.
        unsafe { libc::munmap(self.base.as_ptr(), self.length) };
    }
}

/// An option of level `SOL_XDP` that is a structure of numbers.
fn read<T>(socket: &impl AsRawFd, option: c_int, to: &mut T) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `to` and `length` are live and writable, and `length` says how many bytes `to` has; any bytes are valid in it.
    let rc = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            option,
            std::ptr::from_mut(to).cast(),
            &raw mut length,
        )
    };
    match rc {
        0 if length as usize == size_of::<T>() => Ok(()),
        0 => Err(io::Error::new(io::ErrorKind::Unsupported, "an older kernel's AF_XDP")),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the device writes to the socket's memory itself.
pub(super) fn is_zero_copy(socket: &impl AsRawFd) -> io::Result<bool> {
    let mut options = libc::xdp_options { flags: 0 };
    read(socket, libc::XDP_OPTIONS, &mut options)?;
    Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Frames that the kernel dropped at the socket since it was bound: the rx ring was full, or no frame was to be had. (Its third count, of how often the fill
/// ring was found empty, is of the same frames in copy mode and of none in particular in zero-copy mode.)
pub(crate) fn drops(socket: &impl AsRawFd) -> io::Result<u64> {
    // SAFETY: zeros are a valid value of it: numbers.
    let mut s: libc::xdp_statistics = unsafe { std::mem::zeroed() };
    read(socket, libc::XDP_STATISTICS, &mut s)?;
    Ok(s.rx_dropped + s.rx_ring_full)
}
