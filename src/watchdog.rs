//! The watchdog: a process beside a core that sees in shared memory whether each agent beats, and cuts the core off when one has stopped.
//!
//! ```text
//!   Watching ── an agent is late ──► a warning
//!      │  ▲────── it beats again ───────┘
//!      │
//!      ├── the process ended in order, with nothing open ──► done
//!      │
//!      └── late beyond the limit, or gone otherwise ──► latch ──► `kill` by the socket ──► SIGKILL ──► rescue ──► zero live: done
//! ```
//!
//! `watch` judges beats; it has no clock and no I/O. `cut_off` does what follows. `rescue` is a core of its own that trades nothing, hears no market and
//! starts with the latch: it joins the same sessions with the same tokens, so what the venue replays is known, canceled and confirmed by the code that always does that.

mod cut_off;
mod rescue;
mod watch;

pub use self::cut_off::{CutOff, Figures, cut_off};
pub use self::watch::{Beat, Limits, Verdict, Watch};
