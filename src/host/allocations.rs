//! How often each thread asked for memory: an allocator that counts, before the system's.
//!
//! A hot thread allocates nothing once it runs; whether that holds on the host that it trades on is seen by this count, which each agent publishes with its heartbeat. A binary says that it wants
//! to be counted (`colo` does); a library that chose the allocator would choose it for everybody who links it:
//!
//! ```
//! #[global_allocator]
//! static COUNTED: colo::host::Counted = colo::host::Counted;
//! # fn main() {
//! let before = colo::host::allocations();
//! let some = vec![1u8; 100];
//! assert!(colo::host::allocations() > before, "{}", some.len());
//! # }
//! ```
//!
//! An allocation costs one addition to a word of its thread more; reading the count costs one load.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // A constant without a destructor: it is there from the first instruction of its thread to the last, and reading it allocates nothing.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counted;

fn count() {
    TAKEN.set(TAKEN.get().wrapping_add(1));
}

/// Allocations and reallocations of the calling thread so far; 0 where [`Counted`] is not the program's allocator.
#[inline]
#[must_use]
pub fn allocations() -> u64 {
    TAKEN.get()
}

// SAFETY: every call is passed on to `System` as it came, which keeps the contract; counting touches no memory that is asked for.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is that of `System`, and `at` came from it.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is that of `System`, and `at` came from it.
        unsafe { System.realloc(at, layout, size) }
    }
}
