//! The venue's limits, counted so that they cannot be exceeded, with a part of each kept for what must not wait.
//!
//! ```text
//!             |<------- span ------->|
//!   ----x--x--|--x----x-x---x--x-----|> now        a request counts from when it is sent ...
//!                                                  ... until `span` after its answer came
//! ```
//!
//! The venue counts a request when it arrives, at a time that we do not know: somewhere between sending it and hearing the answer. So whatever the delays, any window of
//! the venue's lies within what is counted here. (A venue that counts by fixed minutes counts no more than one whose window rolls.) A request without an answer counts from when it was given up.
//!
//! | rank | may use |
//! |---|---|
//! | [`Rank::Cancel`] | all |
//! | [`Rank::Truth`] | all but the reserve: what became of an order, the session's own needs |
//! | [`Rank::Order`] | all but twice the reserve |
//!
//! What the venue says it has counted (a header of each answer) is believed where it is more: somebody else uses the same address.

use std::collections::VecDeque;

use model::Nanos;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// New risk.
    Order,
    /// To learn what is.
    Truth,
    /// Less risk.
    Cancel,
}

/// One limit of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Over so long.
    pub span: Nanos,
    /// No more than this.
    pub most: u32,
    /// Kept for cancels; as much again is kept from new orders for [`Rank::Truth`].
    pub reserve: u32,
}

/// One request that counts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    weight: u64,
    /// Until when; `None` while there is no answer.
    until: Option<Nanos>,
}

/// A limit and what counts towards it. Memory: one entry a request, at most `most` of them.
#[derive(Clone, Debug)]
pub struct Window {
    limit: Limit,
    entries: VecDeque<Entry>,
    /// Their sum, which is more than 32 bits where the venue says it has counted as many.
    used: u64,
}

impl Window {
    /// With nothing used.
    #[must_use]
    pub fn new(limit: Limit) -> Window {
        Window { limit, entries: VecDeque::new(), used: 0 }
    }

    /// Lets go what counts no more.
    pub fn expire(&mut self, now: Nanos) {
        let used = &mut self.used;
        let over = |e: &Entry| e.until.is_some_and(|until| until <= now);
        // Answers come out of turn, so one that is over may stand behind one that is not; it counts a little longer.
        while let Some(e) = self.entries.front().filter(|e| over(e)) {
            *used -= e.weight;
            self.entries.pop_front();
        }
    }

    /// Whether a request of `weight` may be sent.
    #[must_use]
    pub fn has_room(&self, weight: u32, rank: Rank) -> bool {
        let kept = match rank {
            Rank::Cancel => 0,
            Rank::Truth => self.limit.reserve,
            Rank::Order => self.limit.reserve.saturating_mul(2),
        };
        self.used + u64::from(weight) <= self.limit.most.saturating_sub(kept).into()
    }

    /// A request is sent.
    pub fn take(&mut self, id: u64, weight: u32) {
        if weight > 0 {
            let weight = u64::from(weight);
            self.used += weight;
            self.entries.push_back(Entry { id, weight, until: None });
        }
    }

    /// A request was answered, or given up.
    pub fn answered(&mut self, now: Nanos, id: u64) {
        let until = Some(now.after(self.limit.span));
        if let Some(e) = self.entries.iter_mut().rev().find(|e| e.id == id) {
            e.until = until;
        }
    }

    /// The venue says that it counts `used`. What is beyond ours counts for a whole span.
    pub fn told(&mut self, now: Nanos, used: u32) {
        let unseen = u64::from(used).saturating_sub(self.used);
        if unseen > 0 {
            self.used += unseen;
            self.entries.push_back(Entry { id: 0, weight: unseen, until: Some(now.after(self.limit.span)) });
        }
    }
}

/// All limits of a venue, and its word that we are to be silent.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Weight of requests, by address.
    weight: Window,
    /// New orders, by account: over the short and the long span.
    orders: [Window; 2],
    /// Until when nothing may be sent at all (429 and 418 with `Retry-After`).
    silent_until: Nanos,
}

impl Limits {
    /// With nothing used. `orders`: over the short and the long span.
    #[must_use]
    pub fn new(weight: Limit, orders: [Limit; 2]) -> Limits {
        Limits { weight: Window::new(weight), orders: orders.map(Window::new), silent_until: Nanos::ZERO }
    }

    /// The venue's own limits; what counts already goes on counting.
    pub fn resize(&mut self, weight: Limit, orders: [Limit; 2]) {
        self.weight.limit = weight;
        for (window, limit) in self.orders.iter_mut().zip(orders) {
            window.limit = limit;
        }
    }

    /// Whether a request of `weight`, which makes `orders` new orders, may be sent now.
    pub fn may_send(&mut self, now: Nanos, weight: u32, orders: u32, rank: Rank) -> bool {
        self.weight.expire(now);
        self.orders.iter_mut().for_each(|w| w.expire(now));
        !self.is_silent(now)
            && self.weight.has_room(weight, rank)
            && (orders == 0 || self.orders.iter().all(|w| w.has_room(orders, rank)))
    }

    /// It is sent.
    pub fn take(&mut self, id: u64, weight: u32, orders: u32) {
        self.weight.take(id, weight);
        self.orders.iter_mut().for_each(|w| w.take(id, orders));
    }

    /// It was answered, or given up.
    pub fn answered(&mut self, now: Nanos, id: u64) {
        self.weight.answered(now, id);
        self.orders.iter_mut().for_each(|w| w.answered(now, id));
    }

    /// The venue's own count of weight.
    pub fn told_weight(&mut self, now: Nanos, used: u32) {
        self.weight.told(now, used);
    }

    /// The venue's own count of orders over the short span.
    pub fn told_orders(&mut self, now: Nanos, used: u32) {
        self.orders[0].told(now, used);
    }

    /// The venue wants silence for `span`.
    pub fn silence(&mut self, now: Nanos, span: Nanos) {
        self.silent_until = self.silent_until.max(now.after(span));
    }

    /// Whether that lasts.
    #[must_use]
    pub fn is_silent(&self, now: Nanos) -> bool {
        now < self.silent_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = Nanos::from_millis(1_000);

    fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn a_request_counts_from_sending_to_a_span_after_its_answer() {
        let mut w = Window::new(Limit { span: SECOND, most: 10, reserve: 0 });
        w.take(1, 4);
        w.expire(at(50_000));
        assert_eq!(w.used, 4, "there is no answer");
        w.answered(at(50_000), 1);
        w.expire(at(50_999));
        assert_eq!(w.used, 4);
        w.expire(at(51_000));
        assert_eq!(w.used, 0);
    }

    #[test]
    fn the_reserve_is_for_who_must_not_wait() {
        let mut w = Window::new(Limit { span: SECOND, most: 10, reserve: 2 });
        w.take(1, 6);
        assert!(!w.has_room(1, Rank::Order) && w.has_room(2, Rank::Truth) && w.has_room(4, Rank::Cancel));
        w.take(2, 2);
        assert!(!w.has_room(1, Rank::Truth) && w.has_room(2, Rank::Cancel) && !w.has_room(3, Rank::Cancel));
    }

    #[test]
    fn what_others_use_is_believed() {
        let mut w = Window::new(Limit { span: SECOND, most: 10, reserve: 0 });
        w.take(1, 3);
        w.told(at(0), 2);
        assert_eq!(w.used, 3, "ours may not have come there yet");
        w.told(at(0), 8);
        assert_eq!(w.used, 8);
        w.answered(at(10), 1);
        w.expire(at(1_010));
        assert_eq!(w.used, 0);
    }

    #[test]
    fn no_count_is_too_high_to_be_counted() {
        let mut w = Window::new(Limit { span: SECOND, most: u32::MAX, reserve: 0 });
        w.told(at(0), u32::MAX);
        assert!(!w.has_room(1, Rank::Cancel));
        w.take(1, 5);
        w.answered(at(0), 1);
        w.expire(at(1_000));
        assert_eq!(w.used, 0);
        assert!(w.has_room(u32::MAX, Rank::Cancel));
    }

    #[test]
    fn the_venue_s_word_silences_everybody() {
        let limit = Limit { span: SECOND, most: 10, reserve: 1 };
        let mut limits = Limits::new(limit, [limit, limit]);
        assert!(limits.may_send(at(0), 1, 1, Rank::Order));
        limits.silence(at(0), SECOND);
        limits.silence(at(1), Nanos(1));
        assert!(!limits.may_send(at(999), 1, 0, Rank::Cancel));
        assert!(limits.is_silent(at(999)) && !limits.is_silent(at(1_000)));
        assert!(limits.may_send(at(1_000), 1, 0, Rank::Cancel));
    }

    /// Whatever the delays, the venue counts no window above its limit.
    #[test]
    fn no_window_of_the_venue_is_ever_exceeded() {
        for seed in 1..=20_u64 {
            let mut x = seed;
            let mut roll = move |below: u64| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (x >> 33) % below
            };
            let limit = Limit { span: SECOND, most: 50, reserve: 5 };
            let mut w = Window::new(limit);
            let (mut arrivals, mut flying, mut id) = (Vec::new(), Vec::new(), 0);
            for now in 0..20_000_u64 {
                w.expire(at(now));
                flying.retain(|&(id, answer)| {
                    if answer <= now {
                        w.answered(at(now), id);
                    }
                    answer > now
                });
                while roll(3) == 0 && w.has_room(2, Rank::Order) {
                    id += 1;
                    w.take(id, 2);
                    let there = now + roll(700);
                    arrivals.push(there);
                    flying.push((id, there + roll(700)));
                }
            }
            arrivals.sort_unstable();
            let mut most = 0;
            for (k, from) in arrivals.iter().enumerate() {
                let within = arrivals[k..].iter().take_while(|a| **a < from + 1_000).count() as u32 * 2;
                assert!(within <= limit.most, "seed {seed}: {within} from {from}");
                most = most.max(within);
            }
            assert!(most >= 20 && arrivals.len() > 150, "seed {seed}: the limit was never near: {most}");
        }
    }
}
