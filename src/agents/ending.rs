//! How a core ends: what the threads of one core tell each other about it without a ring, so that no ring and no thread can be in the way.
//!
//! ```text
//!   a signal, `ctl shutdown`, a dead cold thread ── ask ──► StrategyAgent: no new orders, cancel all, wait for the venue
//!                                                                │
//!         Stay ────── all is flat ──────► LogOut                 │ raise
//!          │                                                     ▼
//!          └── not flat in time, or blind ──► Sweep ──► GatewayAgent: [mass cancel, its answer,] log out
//! ```
//!
//! Invariant: `ask` and `raise` only ever go up. Cost of looking: one load of a cache line that is written at the end of a core's life.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::kill::KillSwitch;

/// What a gateway is to do about its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Farewell {
    /// Keep it.
    Stay = 0,
    /// Nothing is open and nothing new comes: pass on what is in the ring, and log out.
    LogOut = 1,
    /// Something may be open and nobody decides about it any more: cancel all, then log out.
    Sweep = 2,
}

/// Shared by the threads of one core.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Ending {
    asked: AtomicBool,
    farewell: AtomicU8,
    kill: KillSwitch,
}

impl Ending {
    /// Asks for an end in order. Never refused, never waits.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Whether an end was asked for. Nothing else is published by it, so the load is relaxed.
    #[inline]
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Tells the gateways what to do; a lesser word than one said before changes nothing. What the caller pushed before is in their rings.
    pub fn raise(&self, farewell: Farewell) {
        self.farewell.fetch_max(farewell as u8, Ordering::Release);
    }

    /// The kill switch: it stands beside all rings as this does, and unlike it can be taken back.
    #[inline]
    #[must_use]
    pub fn kill(&self) -> &KillSwitch {
        &self.kill
    }

    /// What gateways are to do.
    #[inline]
    #[must_use]
    pub fn farewell(&self) -> Farewell {
        match self.farewell.load(Ordering::Acquire) {
            0 => Farewell::Stay,
            1 => Farewell::LogOut,
            _ => Farewell::Sweep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_not_taken_back() {
        let ending = Ending::default();
        assert_eq!((ending.is_asked(), ending.farewell()), (false, Farewell::Stay));
        ending.ask();
        assert!(ending.is_asked());
        for (said, holds) in [
            (Farewell::LogOut, Farewell::LogOut),
            (Farewell::Sweep, Farewell::Sweep),
            (Farewell::LogOut, Farewell::Sweep),
            (Farewell::Stay, Farewell::Sweep),
        ] {
            ending.raise(said);
            assert_eq!(ending.farewell(), holds);
        }
    }
}
