//! The user stream of one client: its listen key, and what waits for its connection.
//!
//! A client has one connection that hears. One that is opened by the same key takes the place of the one before, which may be half open and never end: what it was told
//! is gone, it hears no more, and its end says nothing of its successor.

use std::collections::VecDeque;

/// Messages that wait for the connection; one that is further behind is closed.
const EVENTS_MAX: usize = 10_000;

/// An opened stream: whose, and which of all that the client has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStream {
    pub(super) client: usize,
    pub(super) opening: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Listen {
    /// Empty: none.
    pub(super) key: String,
    /// ms of the Unix epoch.
    pub(super) expires: u64,
    openings: u64,
    is_open: bool,
    events: VecDeque<String>,
}

impl Listen {
    /// A connection is there: its number.
    pub(super) fn open(&mut self) -> u64 {
        self.openings += 1;
        self.is_open = true;
        self.events.clear();
        self.openings
    }

    /// The connection of this number is gone.
    pub(super) fn close(&mut self, opening: u64) {
        if opening == self.openings {
            self.is_open = false;
        }
    }

    /// Whether the connection of this number is to stay.
    pub(super) fn is_streaming(&self, opening: u64) -> bool {
        self.is_open && opening == self.openings
    }

    /// The next message for the connection of this number.
    pub(super) fn poll(&mut self, opening: u64) -> Option<String> {
        if opening == self.openings { self.events.pop_front() } else { None }
    }

    /// Says something to whoever listens.
    pub(super) fn tell(&mut self, message: impl FnOnce() -> String) {
        if self.is_open {
            self.events.push_back(message());
            self.is_open = self.events.len() <= EVENTS_MAX;
        }
    }
}
