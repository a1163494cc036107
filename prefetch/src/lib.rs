//! Asks the processor for memory before it is needed: one function, and a crate of its own because it is the one thing with `unsafe` that the engine needs.
//!
//! A load that misses the caches keeps its place in the processor's queue until its word has come, so of a loop of loads only as many are
//! under way as the queue has room for. A prefetch gives its place back at once. What is asked for is believed by nobody: it changes neither memory
//! nor results, and a line that comes too late or is not used costs time alone.

/// Asks for the cache line that `at` begins in, to be read or written soon. One instruction on x86_64 and aarch64; nothing elsewhere.
#[inline(always)]
pub fn line<T>(at: &T) {
    let at: *const T = at;
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86_64, and a prefetch faults at no address; this one is a reference's.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: `prfm` is a hint: it faults at no address and changes neither memory, registers nor flags.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    #[test]
    fn asking_changes_nothing() {
        let lines = [[7u64; 8]; 64];
        for at in &lines {
            super::line(at);
        }
        super::line(&());
        assert_eq!(lines, [[7; 8]; 64]);
    }
}
