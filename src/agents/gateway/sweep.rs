//! The last act of a session whose core ends in disorder: a Mass Cancel, its answer, and a moment for the reports that follow it.
//!
//! ```text
//!   Wanted ──ready (or logged in for long)──► Asked ──answer──► Confirmed ──quiet──► over
//!     ▲                                         │                                     ▲
//!     └──────────────── disconnected ───────────┘          any of them ──SWEEP────────┘
//! ```
//!
//! OUCH 5.0: a Mass Cancel with a blank symbol cancels all of the firm's orders on the port. Its `UserRefNum` comes from the same strictly increasing row as
//! those of orders, and a venue that has processed a number as high ignores it in silence. So each attempt takes the number above all that this session has
//! sent and the venue is known to have processed, which is complete only when its replay has ended (`ready`); the cold side keeps
//! [`SWEEP_TOKENS`] of each durable block from the engine, so that no later run uses such a number again.
//!
//! Where a protocol has no such request (OUCH 4.2), its gateway cancels each order that may be open and gives the answer itself once none can be; all here is
//! the same.

use model::{Nanos, Token};

/// Tokens of each durable block that are left to sweeps.
pub const SWEEP_TOKENS: u32 = 16;

/// How long a sweep may take in all.
pub(super) const SWEEP: Nanos = Nanos::from_millis(3_000);
/// A replay that takes longer than this is not waited for: the number may be too low then, but nothing is lost by asking.
const PATIENCE: Nanos = Nanos::from_millis(1_500);
/// A line, or a stream, without a report for so long after the answer has said all that it has to say.
pub(super) const QUIET: Nanos = Nanos::from_millis(50);

/// See the module.
pub(super) struct Sweep {
    since: Nanos,
    /// The first number asked with, and how many times.
    first: Option<Token>,
    attempts: u32,
    /// Asked on this connection, and whether that was when the replay had ended.
    asked: Option<bool>,
    confirmed: Option<Nanos>,
}

impl Sweep {
    pub(super) fn new(now: Nanos) -> Sweep {
        Sweep { since: now, first: None, attempts: 0, asked: None, confirmed: None }
    }

    /// Whether a Mass Cancel is to be sent now to a session that is logged in.
    pub(super) fn is_due(&self, now: Nanos, ready: bool) -> bool {
        let waited = now.since(self.since).0 >= PATIENCE.0;
        self.confirmed.is_none()
            && self.attempts < SWEEP_TOKENS
            && match self.asked {
                None => ready || waited,
                // What was asked too early may have been ignored.
                Some(complete) => ready && !complete,
            }
    }

    pub(super) fn on_asked(&mut self, token: Token, ready: bool) {
        self.first.get_or_insert(token);
        self.attempts += 1;
        self.asked = Some(ready);
    }

    /// The venue has answered a Mass Cancel.
    pub(super) fn on_answer(&mut self, now: Nanos, token: Token) {
        if self.first.is_some_and(|first| token >= first) && self.confirmed.is_none() {
            self.confirmed = Some(now);
        }
    }

    pub(super) fn on_disconnected(&mut self) {
        self.asked = None;
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Whether there is nothing more to wait for; the last report came at `heard`.
    pub(super) fn is_over(&self, now: Nanos, heard: Nanos) -> bool {
        let said = self.confirmed.is_some_and(|at| now.since(at.max(heard)).0 >= QUIET.0);
        said || now.since(self.since).0 >= SWEEP.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Nanos {
        Nanos::from_millis(1_000 + ms)
    }

    #[test]
    fn it_asks_once_waits_for_the_answer_and_for_quiet() {
        let mut s = Sweep::new(at(0));
        assert!(!s.is_due(at(0), false), "the venue's highest number is not known before");
        assert!(s.is_due(at(1), true));
        s.on_asked(Token(8), true);
        assert!(!s.is_due(at(2), true) && !s.is_over(at(2_999), at(0)));
        s.on_answer(at(3), Token(7));
        assert!(!s.is_confirmed(), "an earlier run's");
        s.on_answer(at(4), Token(8));
        assert!(s.is_confirmed() && !s.is_over(at(53), at(0)));
        assert!(!s.is_over(at(60), at(20)), "reports follow the answer");
        assert!(s.is_over(at(70), at(20)));
    }

    #[test]
    fn it_asks_again_on_a_new_connection_and_after_a_replay() {
        let mut s = Sweep::new(at(0));
        s.on_asked(Token(8), true);
        s.on_disconnected();
        assert!(!s.is_due(at(100), false) && s.is_due(at(100), true));
        assert!(s.is_due(at(1_500), false), "a long replay is not waited for");
        s.on_asked(Token(9), false);
        assert!(!s.is_due(at(1_600), false) && s.is_due(at(1_600), true));
        s.on_asked(Token(20), true);
        s.on_answer(at(1_700), Token(8));
        assert!(s.is_confirmed(), "the answer to the first, replayed");
    }

    #[test]
    fn it_is_bounded() {
        let mut s = Sweep::new(at(0));
        assert!(!s.is_over(at(2_999), at(0)) && s.is_over(at(3_000), at(2_999)));
        for k in 0..SWEEP_TOKENS {
            assert!(s.is_due(at(1), true));
            s.on_asked(Token(k + 1), true);
            s.on_disconnected();
        }
        assert!(!s.is_due(at(1), true), "no more numbers than were left to it");
    }
}
