//! Counting messages: an exact rolling window, and a token bucket.
//!
//! Both count *units*, for venues weigh kinds of request differently; both are only ever asked and told, and count what was sent without asking (a cancel) too.

use model::Nanos;

use crate::hash::StateHash;

/// At most `limit` units in any span: the time of each of the last `limit` units is kept, and as many may go as the oldest of them are a full span old. Exact,
/// unlike a counter reset on the second.
///
/// ```text
///   sent:  | 7 | 8 | 9 | 3 | 4 | 5 | 6 |     limit 7, times in ns, next = 3: two units may go when the unit at 4 is a span old
///                        ^ next, the oldest
/// ```
///
/// Memory: 8 bytes a unit of the limit. Cost: to ask, one look; to count, one store a unit.
pub(super) struct RollingWindow {
    span: Nanos,
    sent: Vec<Nanos>,
    next: usize,
    filled: bool,
    /// Over every time counted, so that hashing does not walk the window.
    digest: StateHash,
}

impl RollingWindow {
    pub(super) fn new(limit: u32, span: Nanos) -> RollingWindow {
        RollingWindow {
            span,
            sent: vec![Nanos::ZERO; limit as usize],
            next: 0,
            filled: false,
            digest: StateHash::default(),
        }
    }

    /// When `units` may go, if nothing else does before: [`Nanos::ZERO`] for at once, [`NEVER`] for more than the limit.
    #[inline(always)]
    pub(super) fn room_at(&self, units: usize) -> Nanos {
        if units == 0 {
            return Nanos::ZERO;
        }
        if units > self.sent.len() {
            return NEVER;
        }
        // Of the units to take the place of, the last.
        let at = self.next + units - 1;
        let last = match at.checked_sub(self.sent.len()) {
            Some(around) => self.sent[around],
            None if self.filled => self.sent[at],
            None => return Nanos::ZERO,
        };
        last.after(self.span)
    }

    /// Counts what goes, whether or not it was asked for room.
    #[inline(always)]
    pub(super) fn count(&mut self, now: Nanos, units: usize) {
        if units == 0 {
            return;
        }
        // More than the limit at once are as good as the limit: no other fits beside them.
        for _ in 0..units.min(self.sent.len()) {
            self.sent[self.next] = now;
            self.next += 1;
            if self.next == self.sent.len() {
                self.next = 0;
                self.filled = true;
            }
        }
        self.digest.word(now.0.wrapping_add((units as u64).rotate_right(16)));
    }

    /// Lets fewer units go in a span from now on; what went counts. Memory is neither taken nor given back.
    pub(super) fn tighten(&mut self, limit: usize) {
        if limit >= self.sent.len() {
            return;
        }
        let counted = if self.filled { self.sent.len() } else { self.next };
        if self.filled {
            // The oldest first.
            self.sent.rotate_left(self.next);
        }
        // Of what went the newest.
        self.sent.copy_within(counted - limit.min(counted)..counted, 0);
        self.sent.truncate(limit);
        self.filled = counted >= limit;
        self.next = if self.filled { 0 } else { counted };
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}

/// At no time.
pub(super) const NEVER: Nanos = Nanos(u64::MAX);

const SECOND: i64 = 1_000_000_000;

/// Fills with `rate` units a second up to `burst`. What goes without asking takes the level below zero, and is waited for like the rest.
///
/// The level is kept in 1e-9 units, so that a nanosecond adds exactly `rate` of them and nothing is ever rounded.
pub(super) struct TokenBucket {
    rate: i64,
    full: i64,
    level: i64,
    at: Nanos,
}

impl TokenBucket {
    /// Full at first. Both at most [`UNITS_MAX`](crate::limits::UNITS_MAX), and a rate of at least 1.
    pub(super) fn new(rate: u32, burst: u32) -> TokenBucket {
        let full = i64::from(burst) * SECOND;
        TokenBucket { rate: i64::from(rate), full, level: full, at: Nanos::ZERO }
    }

    /// When `units` may go, if nothing else does before: [`Nanos::ZERO`] for at once, [`NEVER`] for more than the burst.
    #[inline]
    pub(super) fn room_at(&self, units: usize) -> Nanos {
        let need = units as i64 * SECOND;
        if need > self.full {
            return NEVER;
        }
        let missing = need.saturating_sub(self.level);
        if missing <= 0 {
            Nanos::ZERO
        } else {
            self.at.after(Nanos((missing as u64).div_ceil(self.rate as u64)))
        }
    }

    /// Counts what goes, whether or not it was asked for room.
    #[inline]
    pub(super) fn count(&mut self, now: Nanos, units: usize) {
        let filled = i64::try_from(now.since(self.at).0).unwrap_or(i64::MAX).saturating_mul(self.rate);
        self.at = self.at.max(now);
        let level = self.level.saturating_add(filled).min(self.full);
        self.level = level.saturating_sub(units as i64 * SECOND);
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.signed(self.level);
        h.word(self.at.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    #[test]
    fn what_went_and_when_is_of_the_state() {
        let of = |now, units| {
            let (mut window, mut bucket) = (RollingWindow::new(5, Nanos(100)), TokenBucket::new(1, 5));
            window.count(Nanos(now), units);
            bucket.count(Nanos(now), units);
            (window, bucket)
        };
        let states = [of(0, 0), of(7, 1), of(8, 1), of(7, 2)];
        all_differ(&states, |(window, _), h| window.absorb(h));
        all_differ(&states, |(_, bucket), h| bucket.absorb(h));
        let mut nothing = of(0, 0);
        nothing.0.count(Nanos(9), 0);
        let hash = |w: &RollingWindow| {
            let mut h = StateHash::default();
            w.absorb(&mut h);
            h.finish()
        };
        assert_eq!(hash(&nothing.0), hash(&of(0, 0).0), "what counts nothing is not counted");
    }

    struct Draw(u64);

    impl Draw {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % n
        }
    }

    /// Against a list of everything sent, over limits, spans and weights, with messages that do not ask.
    #[test]
    fn no_span_holds_more_than_the_limit() {
        for (limit, span, heaviest) in [(3, 1_000, 1), (50, 700, 7), (10, 60_000, 10), (7, 1, 3)] {
            let mut w = RollingWindow::new(limit, Nanos(span));
            let mut sent: Vec<(u64, u64)> = Vec::new();
            let (mut draw, mut now, mut asked) = (Draw(7), 0, 0);
            for _ in 0..20_000 {
                now += draw.below(span / 2 + 2) * draw.below(2);
                let units = 1 + draw.below(heaviest);
                let within: u64 = sent.iter().rev().take_while(|(t, _)| now - t < span).map(|(_, u)| u).sum();
                let fits = within + units <= u64::from(limit);
                let at = w.room_at(units as usize);
                assert_eq!(at <= Nanos(now), fits, "limit {limit}, span {span}, {units} units at {now}");
                asked += u32::from(!fits);
                // What does not ask is counted like the rest.
                if fits || draw.below(40) == 0 {
                    w.count(Nanos(now), units as usize);
                    sent.push((now, units));
                }
            }
            assert!(
                sent.len() > 300 && asked > 300,
                "limit {limit}: {} sent, {asked} did not fit",
                sent.len()
            );
        }
        assert_eq!(RollingWindow::new(0, Nanos(5)).room_at(1), NEVER);
        assert_eq!(RollingWindow::new(4, Nanos(5)).room_at(5), NEVER);
    }

    /// However it came to its lower limit, no span holds more than that from then on.
    #[test]
    fn a_window_made_tighter_knows_what_went() {
        for (before, after, sent) in
            [(10, 4, 3), (10, 4, 4), (10, 4, 7), (10, 4, 10), (10, 4, 25), (5, 5, 9), (3, 0, 2)]
        {
            let mut w = RollingWindow::new(before, Nanos(100));
            (0..sent).for_each(|k| w.count(Nanos(1_000 + k), 1));
            w.tighten(after);
            for units in 1..=after {
                // As many may go as of the last `after` messages are a span old.
                let of_last = sent.saturating_sub(after as u64) + units as u64 - 1;
                let is_free = sent + (units as u64) <= after as u64;
                let at = if is_free {
                    Nanos::ZERO
                } else {
                    Nanos(1_000 + of_last + 100 - (after as u64).saturating_sub(sent))
                };
                assert_eq!(w.room_at(units), at, "{before} to {after}, {sent} sent, {units} units");
            }
            assert_eq!(w.room_at(after + 1), NEVER);
        }
    }

    /// Against the definition: of each span between two messages, what went is at most what the bucket held plus what came in.
    #[test]
    fn a_bucket_never_gives_more_than_burst_and_rate() {
        for (rate, burst) in [(10, 1), (1_000, 20), (3, 7)] {
            let mut b = TokenBucket::new(rate, burst);
            let mut sent: Vec<(u64, u64)> = Vec::new();
            let (mut draw, mut now) = (Draw(11), 1_000_000_000u64);
            let apart = 3_000_000_000 / u64::from(rate);
            for _ in 0..3_000 {
                now += draw.below(apart) * draw.below(2);
                let units = 1 + draw.below(u64::from(burst));
                if b.room_at(units as usize) <= Nanos(now) {
                    b.count(Nanos(now), units as usize);
                    sent.push((now, units));
                }
            }
            assert!(sent.len() > 100, "{rate} {burst}: {}", sent.len());
            for from in 0..sent.len() {
                let mut units = 0;
                for (t, u) in &sent[from..] {
                    units += u;
                    let came = u128::from(t - sent[from].0) * u128::from(rate);
                    let most = u128::from(burst) * 1_000_000_000 + came;
                    assert!(u128::from(units) * 1_000_000_000 <= most, "rate {rate}, burst {burst}");
                }
            }
        }
    }

    #[test]
    fn a_bucket_says_to_the_nanosecond_when_there_is_room() {
        let mut b = TokenBucket::new(3, 2);
        b.count(Nanos(10), 2);
        let at = b.room_at(1);
        assert_eq!(at, Nanos(10 + 333_333_334), "a third of a second, and not a nanosecond before");
        // A cancel does not ask, and is waited for.
        b.count(Nanos(10), 1);
        assert_eq!(b.room_at(1), Nanos(10 + 666_666_667));
        b.count(Nanos(10 + 60 * 1_000_000_000), 0);
        assert!(b.room_at(2) == Nanos::ZERO && b.room_at(3) == NEVER);
    }
}
