//! The health of a feed's lines, between the feed's thread, which hears them, and the cold one, which may make calls and write.
//!
//! ```text
//!   FeedAgent -- silent? --> LineState (atomics) --> LineWatch, on the cold thread --> log
//!             <-- drops ---                      <--           '-- asks the kernel, by a descriptor of its own
//! ```
//!
//! A line that is silent while others are heard costs nothing yet, and everything when the others fail: so it is said. Where all lines are silent
//! the feed itself is, and the journal says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::Nanos;
use net::udp::DropCount;
use serde_json::json;

use crate::logs::LogWriter;

/// How often the cold thread looks.
const LOOK: Nanos = Nanos::from_millis(100);

/// What the two threads tell each other of a line.
#[derive(Debug, Default)]
pub(super) struct LineState {
    /// By the feed's thread.
    pub silent: AtomicBool,
    /// By the cold thread.
    pub kernel_drops: AtomicU64,
}

/// One line.
pub(super) struct Watched {
    pub address: SocketAddr,
    pub drops: DropCount,
    pub state: Arc<LineState>,
    /// It was said that it is silent.
    pub told: bool,
}

/// The cold thread's eye on one feed's lines.
pub struct LineWatch {
    feed: String,
    lines: Vec<Watched>,
    looked: Nanos,
}

impl LineWatch {
    pub(super) fn new(feed: String, lines: Vec<Watched>) -> LineWatch {
        LineWatch { feed, lines, looked: Nanos::ZERO }
    }

    /// Asks the kernel for what it dropped and says which line fell silent or is back. A system call a line, some times a second.
    pub fn tend(&mut self, now: Nanos, log: &mut LogWriter) {
        if now.since(self.looked).0 < LOOK.0 {
            return;
        }
        self.looked = now;
        let is_silent: Vec<bool> =
            self.lines.iter().map(|l| l.state.silent.load(Ordering::Relaxed)).collect();
        let is_any_heard = is_silent.contains(&false);
        for (k, (line, is_silent)) in self.lines.iter_mut().zip(is_silent).enumerate() {
            // A kernel that has no such count says so each time; then there is none.
            if let Ok(drops) = line.drops.read() {
                line.state.kernel_drops.store(drops.into(), Ordering::Relaxed);
            }
            let (level, message) = match (line.told, is_silent) {
                (false, true) if is_any_heard => ("warn", "feed line silent"),
                (true, false) => ("info", "feed line heard again"),
                _ => continue,
            };
            line.told = is_silent;
            let address = line.address.to_string();
            log.say(now, level, message, json!({"colo.feed": self.feed, "line": k, "address": address}));
        }
    }
}
