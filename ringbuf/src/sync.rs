//! The one place atomics come from, so that `loom` can stand in for them.
//!
//! [`std::sync::Arc`] is deliberately not switched: it only keeps memory alive, no protocol rests on it.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, fence};

pub(crate) use std::sync::atomic::Ordering;
