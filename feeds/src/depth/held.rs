//! Events that wait for a snapshot: the newest, within a number and a number of bytes.

use std::collections::VecDeque;

/// Which updates an event sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) first: u64,
    pub(super) last: u64,
    /// `last` of the event before it, where events say so.
    pub(super) before: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    events: VecDeque<(Ids, Vec<u8>)>,
    bytes: usize,
}

impl Held {
    /// Keeps an event, letting go of the oldest beyond `most` events or bytes; returns how many went.
    pub(super) fn keep(&mut self, ids: Ids, text: &[u8], most: (usize, usize)) -> u64 {
        self.bytes += text.len();
        self.events.push_back((ids, text.to_vec()));
        let mut gone = 0;
        while self.events.len() > most.0 || self.bytes > most.1 {
            gone += u64::from(self.pop().is_some());
        }
        gone
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<Ids> {
        self.events.front().map(|(ids, _)| *ids)
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<(Ids, Vec<u8>)> {
        let event = self.events.pop_front()?;
        self.bytes -= event.1.len();
        Some(event)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}
