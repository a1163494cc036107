//! Asking for what is missing: one gap at a time, one request at a time.
//!
//! ```text
//!            gap seen              gap_wait over            poll: request handed out
//!   Idle ---------------> Waiting ---------------> Due ------------------------------> Asked
//!     ^                      | no server            ^                                    |
//!     | gap closed           v                      | answer brought part of it          |
//!     |                  give up                    | no answer: next server, twice the  |
//!     +--- from any state                           | patience                           |
//!                                                   +------------------------------------+
//!                                                                        tries used up: give up
//! ```
//!
//! Never a storm: a request follows either an answer that brought something, or a timeout that doubles. Progress by the
//! lines alone does not send a request, it only spares the server a failed try. Servers that let all tries of a gap pass are taken
//! for dead: until one answers again, a gap gets one try.

use model::Nanos;

use super::ChannelConfig;
use crate::moldudp64::{END_OF_SESSION, HEADER, Request, Session};

/// A request to be sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which server, from 0.
    pub server: usize,
    /// The datagram.
    pub bytes: [u8; HEADER],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Waiting { until: Nanos },
    Due,
    Asked { from: u64, until: Nanos },
}

/// What the passing of time means for the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nothing yet, or a request is due.
    Left,
    /// A server did not answer; another is asked.
    TimedOut,
    /// What is missing will not come.
    UsedUp,
}

/// Doublings of the timeout at most.
const BACK_OFF_MAX: u32 = 6;

#[derive(Debug)]
pub(super) struct Recovery {
    gap_wait: Nanos,
    timeout: Nanos,
    retries: u32,
    messages_max: u16,
    servers: usize,
    /// Whose turn it is.
    server: usize,
    /// Tries without an answer in a row.
    failed: u32,
    /// All tries of a gap failed and nothing was answered since.
    dead: bool,
    phase: Phase,
}

impl Recovery {
    pub(super) fn new(config: &ChannelConfig) -> Recovery {
        Recovery {
            gap_wait: config.gap_wait,
            timeout: Nanos(config.request_timeout.0.max(1)),
            retries: config.request_retries,
            messages_max: config.request_max_messages.clamp(1, END_OF_SESSION - 1),
            servers: config.servers,
            server: 0,
            failed: 0,
            dead: false,
            phase: Phase::Idle,
        }
    }

    /// A gap was revealed at `seen`.
    pub(super) fn begin(&mut self, seen: Nanos) {
        self.failed = 0;
        self.phase = Phase::Waiting { until: seen.after(self.gap_wait) };
    }

    /// The gap is closed.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Servers that were taken for dead are believed again.
    pub(super) fn revive(&mut self) {
        self.end();
        (self.dead, self.failed) = (false, 0);
    }

    pub(super) fn has_servers(&self) -> bool {
        self.servers != 0
    }

    /// Whether a server may still bring what is not held now.
    pub(super) fn is_hopeful(&self) -> bool {
        self.servers != 0 && !self.dead
    }

    /// Whether a gap is still left to the other lines.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Idle | Phase::Due => None,
            Phase::Waiting { until } | Phase::Asked { until, .. } => Some(until),
        }
    }

    /// Time passed; `expected` is the first message missing.
    pub(super) fn on_timeout(&mut self, now: Nanos, expected: u64) -> Patience {
        match self.phase {
            Phase::Waiting { until } if until <= now => {
                if self.servers == 0 {
                    return Patience::UsedUp;
                }
                self.phase = Phase::Due;
                Patience::Left
            }
            Phase::Asked { from, until } if until <= now => {
                self.phase = Phase::Due;
                if expected > from {
                    self.failed = 0;
                    return Patience::Left;
                }
                self.failed += 1;
                self.server = (self.server + 1) % self.servers;
                let tries = if self.dead { 1 } else { self.retries.saturating_add(1) };
                if self.failed < tries {
                    return Patience::TimedOut;
                }
                self.dead = true;
                self.failed = 0;
                Patience::UsedUp
            }
            _ => Patience::Left,
        }
    }

    /// A server's answer brought something new; `expected` is the first message missing now.
    pub(super) fn on_answer(&mut self, expected: u64) {
        self.dead = false;
        self.failed = 0;
        if let Phase::Asked { from, .. } = self.phase
            && expected > from
        {
            self.phase = Phase::Due;
        }
    }

    /// The request that is due for `[from, to)`, clamped to what one request may ask for.
    pub(super) fn poll(&mut self, now: Nanos, session: Session, from: u64, to: u64) -> Option<Transmit> {
        if self.phase != Phase::Due {
            return None;
        }
        let patience = self.timeout.0.saturating_mul(1 << self.failed.min(BACK_OFF_MAX));
        self.phase = Phase::Asked { from, until: now.after(Nanos(patience)) };
        let to = to.min(from.saturating_add(u64::from(self.messages_max)));
        Some(Transmit { server: self.server, bytes: Request::range(session, from, to).encode() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moldudp64::testing::SESSION;

    fn recovery(servers: usize) -> Recovery {
        Recovery::new(&ChannelConfig {
            gap_wait: Nanos(10),
            request_timeout: Nanos(100),
            request_retries: 2,
            request_max_messages: 50,
            servers,
            ..ChannelConfig::default()
        })
    }

    fn ask(r: &mut Recovery, now: u64) -> (usize, u64, u16) {
        let t = r.poll(Nanos(now), SESSION, 5, 500).unwrap();
        assert_eq!(r.poll(Nanos(now), SESSION, 5, 500), None, "one request at a time");
        let request = Request::parse(&t.bytes).unwrap();
        (t.server, request.sequence, request.count)
    }

    #[test]
    fn waits_for_the_lines_then_asks_each_server_with_growing_patience_then_gives_up() {
        let mut r = recovery(2);
        r.begin(Nanos(1_000));
        assert_eq!(r.deadline(), Some(Nanos(1_010)));
        assert_eq!(r.on_timeout(Nanos(1_009), 5), Patience::Left);
        assert_eq!(r.poll(Nanos(1_009), SESSION, 5, 500), None);
        assert_eq!(r.on_timeout(Nanos(1_010), 5), Patience::Left);
        assert_eq!(ask(&mut r, 1_010), (0, 5, 50));
        assert_eq!(r.deadline(), Some(Nanos(1_110)));
        assert_eq!(r.on_timeout(Nanos(1_110), 5), Patience::TimedOut);
        assert_eq!(ask(&mut r, 1_110), (1, 5, 50));
        assert_eq!(r.deadline(), Some(Nanos(1_310)));
        assert_eq!(r.on_timeout(Nanos(1_310), 5), Patience::TimedOut);
        assert_eq!(ask(&mut r, 1_310), (0, 5, 50));
        assert!(r.is_hopeful());
        assert_eq!(r.on_timeout(Nanos(1_710), 5), Patience::UsedUp);
        assert!(!r.is_hopeful());

        r.begin(Nanos(2_000));
        assert_eq!(r.on_timeout(Nanos(2_010), 5), Patience::Left);
        assert_eq!(ask(&mut r, 2_010).0, 1, "the turn goes on");
        assert_eq!(r.on_timeout(Nanos(2_110), 5), Patience::UsedUp, "the dead get one try");

        r.begin(Nanos(3_000));
        r.on_timeout(Nanos(3_010), 5);
        ask(&mut r, 3_010);
        r.on_answer(40);
        assert!(r.is_hopeful());
        assert_eq!(
            ask(&mut r, 3_020),
            (0, 5, 50),
            "an answer asks for the rest at once, from the same server"
        );
    }

    #[test]
    fn progress_by_the_lines_neither_fails_a_try_nor_sends_a_request() {
        let mut r = recovery(1);
        r.begin(Nanos(0));
        for round in 0..20u64 {
            assert_eq!(r.on_timeout(Nanos(10 + round * 100), 5 + round), Patience::Left);
            assert!(r.poll(Nanos(10 + round * 100), SESSION, 5 + round, 500).is_some());
            assert_eq!(r.poll(Nanos(11 + round * 100), SESSION, 6 + round, 500), None);
        }
    }

    #[test]
    fn an_answer_that_brought_nothing_in_front_does_not_ask_again() {
        let mut r = recovery(1);
        r.begin(Nanos(0));
        r.on_timeout(Nanos(10), 5);
        ask(&mut r, 10);
        r.on_answer(5);
        assert_eq!(r.poll(Nanos(11), SESSION, 5, 500), None);
    }

    #[test]
    fn without_a_server_the_wait_is_all_there_is() {
        let mut r = recovery(0);
        r.begin(Nanos(0));
        assert!(!r.is_hopeful());
        assert_eq!(r.on_timeout(Nanos(10), 5), Patience::UsedUp);
    }

    #[test]
    fn extreme_times_and_counts_do_not_overflow() {
        let mut r = Recovery::new(&ChannelConfig {
            request_timeout: Nanos(u64::MAX),
            request_retries: u32::MAX,
            request_max_messages: 0,
            servers: 1,
            ..ChannelConfig::default()
        });
        r.begin(Nanos(u64::MAX));
        assert_eq!(r.on_timeout(Nanos(u64::MAX), 5), Patience::Left);
        let t = r.poll(Nanos(u64::MAX), SESSION, u64::MAX - 1, u64::MAX).unwrap();
        assert_eq!(Request::parse(&t.bytes).unwrap().count, 1);
        assert_eq!(r.on_timeout(Nanos(u64::MAX), u64::MAX - 1), Patience::TimedOut);
    }
}
