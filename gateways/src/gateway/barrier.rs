//! When has the replay ended?
//!
//! After a login the server repeats what was missed and goes on with what is new, in one stream. **No packet tells where the one ends**: the
//! login answer carries the number of the *next* message, which is the first repeated one, not the last. (Only a login with sequence 0 is
//! answered with the end, and that login gets no replay.) Nor is a quiet moment a proof. What is knowable is this:
//!
//! * An Account Query's answer is itself a sequenced message. The answer to a query *of this connection* stands behind everything that the
//!   venue generated before it read the query: whoever has it has seen all that came before. That is a proof.
//! * But answers to *earlier* queries are repeated like all else, and an answer does not say which query it belongs to. If at most `s` of
//!   ours can still be unanswered, then of `s + 1` answers one is new. So `s + 1` queries are sent, and the last answer counts.
//! * `s` is known only while this object has watched the session without a hole: same session, resumed exactly where it stopped, an
//!   earlier replay seen to its end. At a process's first login it is not (a restarted process does not know what its predecessor asked),
//!   and then the answer is only taken once the line has been quiet for a while behind it, with no part of a message waiting. That is
//!   evidence, and its assumption is stated: the server writes a replay without pauses of that length.
//! * A venue that does not answer queries leaves the quiet alone as evidence: so it is with [`Barrier::None`], and after `patience`.
//!
//! [`SessionEvent::Ready`](model::SessionEvent::Ready) says which of the two it was: what ended by evidence is not `proven`, and the engine does not take a
//! request that is unanswered then for one that was never processed.
//!
//! ```text
//!              login, same session, exact          the (s + 1)th answer
//!   Down ----------------------------------> Proof -------------------------> Passed
//!     |                                        | patience                       ^
//!     | any other login                        v                                |
//!     +-------------------------------------> Evidence -- [answer], quiet ------+
//! ```

use model::{Nanos, Token};

/// How the end of the replay is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// An Account Query is sent right after the login; its answer stands behind all that is repeated, and names the next token.
    AccountQuery,
    /// Nothing is asked: the line being quiet is taken for the end, and no token is known.
    None,
}

/// Above so many possibly unanswered queries the proof costs more than it is worth.
const PROOF_QUERIES_MAX: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Proof { answers_missing: u32, since: Nanos },
    Evidence { answer: Option<Token>, since: Nanos },
    Passed,
}

#[derive(Debug)]
pub(super) struct ReplayBarrier {
    policy: Barrier,
    quiet: Nanos,
    patience: Nanos,
    /// Upper bound of the answers to earlier queries that a replay may hold; `None` from a login that was not watched until its replay
    /// has ended, since answers to a predecessor's queries cannot be told from ours.
    unanswered: Option<u32>,
    phase: Phase,
}

impl ReplayBarrier {
    pub(super) fn new(policy: Barrier, quiet: Nanos, patience: Nanos) -> ReplayBarrier {
        ReplayBarrier { policy, quiet, patience, unanswered: None, phase: Phase::Down }
    }

    /// Whether orders may be sent.
    #[inline]
    pub(super) fn is_passed(&self) -> bool {
        self.phase == Phase::Passed
    }

    /// Logged in; `watched` if in the session and at the message where this object stopped. Returns how many queries to send now.
    pub(super) fn on_login(&mut self, now: Nanos, watched: bool) -> u32 {
        let old = self.unanswered.filter(|old| watched && *old < PROOF_QUERIES_MAX);
        match (self.policy, old) {
            (Barrier::None, _) => {
                self.phase = Phase::Evidence { answer: None, since: now };
                0
            }
            (Barrier::AccountQuery, None) => {
                self.unanswered = None;
                self.phase = Phase::Evidence { answer: None, since: now };
                1
            }
            (Barrier::AccountQuery, Some(old)) => {
                let queries = old + 1;
                self.unanswered = Some(old + queries);
                self.phase = Phase::Proof { answers_missing: queries, since: now };
                queries
            }
        }
    }

    /// A query was answered. Returns the next token if that ended the replay, and proves its end.
    pub(super) fn on_answer(&mut self, next: Token) -> Option<Token> {
        self.unanswered = self.unanswered.map(|n| n.saturating_sub(1));
        match &mut self.phase {
            Phase::Down | Phase::Passed => None,
            Phase::Evidence { answer, .. } => {
                *answer = Some(next);
                None
            }
            Phase::Proof { answers_missing: missing @ 2.., .. } => {
                *missing -= 1;
                None
            }
            Phase::Proof { .. } => {
                self.phase = Phase::Passed;
                Some(next)
            }
        }
    }

    /// The connection is gone, and `unsent` queries never left.
    pub(super) fn on_disconnected(&mut self, unsent: u32) {
        self.unanswered = self.unanswered.map(|n| n.saturating_sub(unsent));
        self.phase = Phase::Down;
    }

    /// When [`ReplayBarrier::on_timeout`] will end the replay if nothing comes before; the last byte came at `last_heard`.
    pub(super) fn next_timeout(&self, last_heard: Nanos) -> Option<Nanos> {
        let quiet = last_heard.after(self.quiet);
        match self.phase {
            Phase::Down | Phase::Passed => None,
            Phase::Proof { since, .. } => Some(quiet.max(since.after(self.patience))),
            Phase::Evidence { answer: None, since } if self.policy == Barrier::AccountQuery => {
                Some(quiet.max(since.after(self.patience)))
            }
            Phase::Evidence { .. } => Some(quiet),
        }
    }

    /// Time passed, and no part of a message waits. Returns the next token (0 for unknown) if that is evidence enough for the end of the replay.
    pub(super) fn on_timeout(&mut self, now: Nanos, last_heard: Nanos) -> Option<Token> {
        if now < self.next_timeout(last_heard)? {
            return None;
        }
        let next = match self.phase {
            Phase::Evidence { answer: Some(next), .. } => {
                self.unanswered = Some(0);
                next
            }
            Phase::Evidence { answer: None, .. } => {
                self.unanswered = Some(1);
                Token(0)
            }
            Phase::Proof { .. } | Phase::Down | Phase::Passed => Token(0),
        };
        self.phase = Phase::Passed;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Nanos = Nanos(100);
    const PATIENCE: Nanos = Nanos(1_000);

    fn barrier(policy: Barrier) -> ReplayBarrier {
        ReplayBarrier::new(policy, QUIET, PATIENCE)
    }

    #[test]
    fn the_first_login_takes_the_last_answer_before_a_quiet_spell() {
        let mut b = barrier(Barrier::AccountQuery);
        assert_eq!(b.on_login(Nanos(0), false), 1);
        assert_eq!(b.on_answer(Token(5)), None, "it may be an old answer");
        assert_eq!(b.on_timeout(Nanos(139), Nanos(40)), None);
        assert_eq!(b.on_answer(Token(9)), None);
        assert_eq!(b.next_timeout(Nanos(50)), Some(Nanos(150)));
        assert_eq!(b.on_timeout(Nanos(149), Nanos(50)), None);
        assert_eq!(b.on_timeout(Nanos(150), Nanos(50)), Some(Token(9)));
        assert!(b.is_passed());
        assert_eq!(b.next_timeout(Nanos(50)), None);
    }

    /// A barrier whose first replay was seen to its end, disconnected.
    fn watched() -> ReplayBarrier {
        let mut b = barrier(Barrier::AccountQuery);
        b.on_login(Nanos(0), false);
        b.on_answer(Token(2));
        assert_eq!(b.on_timeout(Nanos(100), Nanos(0)), Some(Token(2)));
        b.on_disconnected(0);
        b
    }

    #[test]
    fn a_watched_session_is_proven_by_one_answer_more_than_may_be_old() {
        let mut b = watched();
        assert_eq!(b.on_login(Nanos(0), true), 1);
        b.on_disconnected(0);
        assert_eq!(
            b.on_login(Nanos(0), true),
            2,
            "the first query's answer may be among the repeated messages"
        );
        assert_eq!(b.on_answer(Token(5)), None);
        assert_eq!(b.on_answer(Token(6)), Some(Token(6)));
        b.on_disconnected(0);
        assert_eq!(b.on_login(Nanos(0), true), 2, "one of the three was never answered");
        b.on_disconnected(2);
        assert_eq!(b.on_login(Nanos(0), true), 2, "those two never left");
        assert_eq!(b.on_answer(Token(6)), None);
        assert_eq!(b.on_answer(Token(6)), Some(Token(6)));
        assert_eq!(b.on_answer(Token(6)), None, "ready comes once");
        b.on_disconnected(0);
        assert_eq!(b.on_login(Nanos(0), true), 1);
        assert_eq!(b.on_answer(Token(7)), Some(Token(7)));
    }

    #[test]
    fn a_first_replay_cut_short_leaves_old_answers_of_unknown_number() {
        let mut b = barrier(Barrier::AccountQuery);
        assert_eq!(b.on_login(Nanos(0), false), 1);
        assert_eq!(b.on_answer(Token(2)), None, "a predecessor's");
        b.on_disconnected(0);
        assert_eq!(b.on_login(Nanos(0), true), 1);
        assert_eq!(b.on_answer(Token(3)), None, "another predecessor's: no proof");
        assert_eq!(b.on_answer(Token(8)), None);
        assert_eq!(b.on_timeout(Nanos(100), Nanos(0)), Some(Token(8)));
    }

    #[test]
    fn another_session_or_a_hole_ends_the_watch() {
        let mut b = watched();
        assert_eq!(b.on_login(Nanos(0), false), 1);
        assert_eq!(b.on_answer(Token(3)), None);
    }

    #[test]
    fn queries_do_not_grow_without_bound() {
        let mut b = watched();
        let mut most = 0;
        for _ in 0..100 {
            most = most.max(b.on_login(Nanos(0), true));
            b.on_disconnected(0);
        }
        assert!((2..=PROOF_QUERIES_MAX).contains(&most), "{most}");
        b.on_login(Nanos(0), true);
        assert_eq!(b.on_answer(Token(3)), None);
        assert_eq!(b.on_timeout(Nanos(100), Nanos(0)), Some(Token(3)), "evidence instead");
    }

    #[test]
    fn without_answers_patience_ends_in_a_quiet_spell() {
        for (mut b, is_watched) in [(barrier(Barrier::AccountQuery), false), (watched(), true)] {
            b.on_login(Nanos(0), is_watched);
            assert_eq!(b.on_timeout(Nanos(999), Nanos(0)), None);
            assert_eq!(b.on_timeout(Nanos(1_000), Nanos(950)), None, "not while messages come");
            assert_eq!(b.on_timeout(Nanos(1_050), Nanos(950)), Some(Token(0)));
        }
    }

    #[test]
    fn no_barrier_waits_for_quiet_alone() {
        let mut b = barrier(Barrier::None);
        assert_eq!(b.on_login(Nanos(0), false), 0);
        assert_eq!(b.on_timeout(Nanos(149), Nanos(50)), None);
        assert_eq!(b.on_timeout(Nanos(150), Nanos(50)), Some(Token(0)));
    }
}
