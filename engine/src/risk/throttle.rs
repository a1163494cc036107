//! What a gateway's venue lets pass, and how much of it is used.
//!
//! A venue counts messages in one or more rolling windows (so many in any second *and* so many in any minute), or by a token bucket, and may weigh kinds of
//! request differently. A request that is not a cancel goes only where every one of them has room for it *beside the reserve*, which is for cancels. Cancels never ask:
//! nothing may keep risk from being taken off. They are counted as the venue counts them, so a burst of them makes the others wait.
//!
//! After the venue has refused a request for its own rate, all that is not a cancel stays back for a time that doubles with each such refusal. Refusals of any kind that
//! come too fast halt trading: something sends what the venue does not take.

use model::Nanos;
use thiserror::Error;

use super::RiskReject;
use super::rate::{RollingWindow, TokenBucket};
use super::waiting::{QueueLimit, Waiting, Want};
use crate::hash::StateHash;
use crate::limits::{UNITS_MAX, WAITING_MAX, WINDOWS_MAX};

/// At most so much in any span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimit {
    /// Units.
    pub limit: u32,
    /// The span. A venue measures between arrivals: what the way there may compress belongs on top.
    pub span: Nanos,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketLimit {
    /// Units that come in each second.
    pub per_second: u32,
    /// Units that it holds; it is full at first.
    pub burst: u32,
}

/// What a request of each kind counts, units; 0 is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A new order.
    pub new: u32,
    /// A replace.
    pub replace: u32,
    /// A cancel.
    pub cancel: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { new: 1, replace: 1, cancel: 1 }
    }
}

/// Limits of one gateway, as its venue counts them. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Rolling windows, all of which hold; at most [`WINDOWS_MAX`].
    pub windows: Vec<WindowLimit>,
    /// A token bucket, which holds beside them.
    pub bucket: Option<BucketLimit>,
    /// What each kind of request counts.
    pub weights: Weights,
    /// Units of each window and of the bucket that nothing but cancels may use.
    pub cancel_reserve: u32,
    /// What is to become of what has no room: it waits; or it is refused where this is none.
    pub queue: Option<QueueLimit>,
    /// How new orders stay back after the venue refused one for its own rate.
    pub back_off: Option<BackOff>,
    /// So many refusals of the venue, of whatever kind, halt trading.
    pub breaker: Option<WindowLimit>,
}

/// How new orders and replaces stay back after the venue has refused one for its own message rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The venue's codes that say so.
    pub codes: Vec<u16>,
    /// How long after the first refusal.
    pub first: Nanos,
    /// Each refusal after a wait doubles the next wait up to this; an acceptance ends it.
    pub longest: Nanos,
}

/// A throttle that no engine can keep, or that lets nothing pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ThrottleError {
    /// More windows than there is room for.
    #[error("windows: {0} are more than {WINDOWS_MAX}")]
    Windows(usize),
    /// More units than can be counted.
    #[error("a limit of {0} units is above {UNITS_MAX}")]
    Units(u32),
    /// A window of no span, or a bucket that is never filled.
    #[error("a window of no span, or a bucket that nothing fills, is no limit")]
    NoTime,
    /// A queue that cannot be kept, or in which nothing waits.
    #[error("queue: 1 to {WAITING_MAX} requests wait, and for some time")]
    Queue,
    /// Waits that do not grow.
    #[error("back_off: the first wait is longer than 0, and the longest at least as long")]
    BackOff,
    /// A breaker that trips without a refusal.
    #[error("breaker: at least 1 refusal")]
    Breaker,
    /// A request that would wait for ever.
    #[error(
        "a limit of {limit} units has never room for a request of {weight} beside a cancel_reserve of {reserve}"
    )]
    NoRoom {
        /// The window's or the bucket's.
        limit: u32,
        /// The heaviest request's.
        weight: u32,
        /// The reserve.
        reserve: u32,
    },
}

impl Throttle {
    /// Whether an engine can keep it. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ThrottleError> {
        if self.windows.len() > WINDOWS_MAX {
            return Err(ThrottleError::Windows(self.windows.len()));
        }
        if self.windows.iter().chain(&self.breaker).any(|w| w.span == Nanos::ZERO)
            || self.bucket.is_some_and(|b| b.per_second == 0)
        {
            return Err(ThrottleError::NoTime);
        }
        let rate = self.bucket.map(|b| b.per_second);
        let limits = self.windows.iter().map(|w| w.limit).chain(self.bucket.map(|b| b.burst));
        if let Some(units) =
            limits.clone().chain(rate).chain(self.breaker.map(|b| b.limit)).find(|units| *units > UNITS_MAX)
        {
            return Err(ThrottleError::Units(units));
        }
        if self.queue.is_some_and(|q| !(1..=WAITING_MAX).contains(&q.slots) || q.patience == Nanos::ZERO) {
            return Err(ThrottleError::Queue);
        }
        if self.back_off.as_ref().is_some_and(|b| b.first == Nanos::ZERO || b.longest < b.first) {
            return Err(ThrottleError::BackOff);
        }
        if self.breaker.is_some_and(|b| b.limit == 0) {
            return Err(ThrottleError::Breaker);
        }
        let (weight, reserve) = (self.weights.new.max(self.weights.replace), self.cancel_reserve);
        let none = |limit: &u32| weight.checked_add(reserve).is_none_or(|need| need > *limit);
        match limits.clone().find(none) {
            Some(limit) => Err(ThrottleError::NoRoom { limit, weight, reserve }),
            None => Ok(()),
        }
    }
}

/// Where a gateway's throttle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests that wait for room.
    pub waiting: usize,
    /// When a new order has room, if nothing goes before; in the past where it has.
    pub room_at: Nanos,
    /// Until then new orders stay back, for the venue has refused one for its rate; in the past where they do not.
    pub back_off_until: Nanos,
}

/// A kind of request, as a venue weighs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    New,
    Replace,
    Cancel,
}

impl Request {
    pub(super) fn of(want: Want) -> Request {
        match want {
            Want::New => Request::New,
            Want::Replace { .. } => Request::Replace,
        }
    }
}

/// How much of a gateway's throttle is used, and what waits for room.
pub(super) struct Meter {
    windows: Vec<RollingWindow>,
    bucket: Option<TokenBucket>,
    weights: Weights,
    reserve: usize,
    pub(super) waiting: Option<Waiting>,
    back_off: Option<BackOff>,
    /// Nothing but cancels goes before this.
    held_until: Nanos,
    /// How long new orders stayed back last; zero when the venue has accepted one since.
    wait: Nanos,
    rejects: Option<RollingWindow>,
}

impl Meter {
    /// Allocates the windows.
    ///
    /// # Panics
    /// Where the throttle cannot be kept.
    pub(super) fn new(t: &Throttle) -> Meter {
        if let Err(why) = t.check() {
            panic!("whoever reads a configuration checks its throttles: {why}");
        }
        Meter {
            windows: t.windows.iter().map(|w| RollingWindow::new(w.limit, w.span)).collect(),
            bucket: t.bucket.map(|b| TokenBucket::new(b.per_second, b.burst)),
            weights: t.weights,
            reserve: t.cancel_reserve as usize,
            waiting: t.queue.map(Waiting::new),
            back_off: t.back_off.clone(),
            held_until: Nanos::ZERO,
            wait: Nanos::ZERO,
            rejects: t.breaker.map(|b| RollingWindow::new(b.limit, b.span)),
        }
    }

    /// Whether such a request may go now, and nothing waits that was asked for before it. Not asked for a cancel.
    #[inline]
    pub(super) fn room(&self, now: Nanos, what: Request) -> Result<(), RiskReject> {
        if self.held_until > now {
            return Err(RiskReject::BackOff);
        }
        let others_wait = self.waiting.as_ref().is_some_and(|w| !w.is_empty());
        if others_wait || self.room_at(what) > now { Err(RiskReject::MessageRate) } else { Ok(()) }
    }

    /// What there is to say of it; `None` where it limits nothing. `rate`: when the common rate has room for one.
    pub(super) fn pace(&self, rate: Nanos) -> Option<Pace> {
        let limits = !self.windows.is_empty() || self.bucket.is_some() || self.back_off.is_some();
        limits.then(|| Pace {
            waiting: self.waiting.as_ref().map_or(0, |w| w.iter().count()),
            room_at: self.room_at(Request::New).max(rate),
            back_off_until: self.held_until,
        })
    }

    /// When something that waits may go, with room for one in the common rate at `rate`, or may not wait any longer.
    pub(super) fn due(&self, rate: Nanos) -> Option<Nanos> {
        let waiting = self.waiting.as_ref()?;
        let room = waiting.front().map(|first| self.room_at(Request::of(first.want)).max(rate));
        room.into_iter().chain(waiting.due()).min()
    }

    /// The venue took a request.
    pub(super) fn on_accepted(&mut self, now: Nanos) {
        if self.held_until <= now {
            self.wait = Nanos::ZERO;
        }
    }

    /// The venue refused a request. Returns whether it has done so too often.
    pub(super) fn on_rejected(&mut self, now: Nanos, code: u16) -> bool {
        // What was on its way when the wait began says nothing of the wait.
        if let Some(b) = self.back_off.as_ref().filter(|b| self.held_until <= now && b.codes.contains(&code))
        {
            self.wait = Nanos(self.wait.0.saturating_mul(2)).max(b.first).min(b.longest);
            self.held_until = now.after(self.wait);
        }
        self.rejects.as_mut().is_some_and(|w| {
            w.count(now, 1);
            w.room_at(1) > now
        })
    }

    #[inline]
    fn weight(&self, what: Request) -> usize {
        let weight = match what {
            Request::New => self.weights.new,
            Request::Replace => self.weights.replace,
            Request::Cancel => self.weights.cancel,
        };
        weight as usize
    }

    /// When such a request may go, if nothing else does before. Not asked for a cancel.
    #[inline]
    pub(super) fn room_at(&self, what: Request) -> Nanos {
        let need = match self.weight(what) {
            0 => return self.held_until,
            units => units + self.reserve,
        };
        let windows = self.windows.iter().map(|w| w.room_at(need));
        windows.chain(self.bucket.as_ref().map(|b| b.room_at(need))).fold(self.held_until, Nanos::max)
    }

    /// Counts a request that goes.
    #[inline]
    pub(super) fn count(&mut self, now: Nanos, what: Request) {
        let units = self.weight(what);
        self.windows.iter_mut().for_each(|w| w.count(now, units));
        if let Some(b) = &mut self.bucket {
            b.count(now, units);
        }
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        self.windows.iter().for_each(|w| w.absorb(h));
        if let Some(b) = &self.bucket {
            b.absorb(h);
        }
        if let Some(w) = &self.waiting {
            w.absorb(h);
        }
        h.word(self.held_until.0);
        h.word(self.wait.0);
        if let Some(w) = &self.rejects {
            w.absorb(h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;
    use crate::orders::OrderId;
    use crate::risk::rate::NEVER;
    use model::Token;

    #[test]
    fn what_was_counted_what_waits_and_until_when_is_of_the_state() {
        let throttle = Throttle {
            windows: vec![window(9, 1)],
            bucket: Some(BucketLimit { per_second: 1, burst: 9 }),
            queue: Some(QueueLimit { slots: 3, patience: Nanos(100) }),
            breaker: Some(window(9, 1)),
            ..Throttle::default()
        };
        let of = |change: fn(&mut Meter)| {
            let mut m = Meter::new(&throttle);
            change(&mut m);
            m
        };
        let states = [
            of(|_| ()),
            of(|m| m.windows[0].count(Nanos(5), 1)),
            of(|m| m.bucket.as_mut().unwrap().count(Nanos(5), 1)),
            of(|m| m.waiting.as_mut().unwrap().push(OrderId(Token(1)), Token(1), Want::New, Nanos(5))),
            of(|m| m.held_until = Nanos(5)),
            of(|m| m.wait = Nanos(5)),
            of(|m| m.rejects.as_mut().unwrap().count(Nanos(6), 1)),
        ];
        all_differ(&states, Meter::absorb);
    }

    #[test]
    fn what_a_throttle_says_of_itself() {
        let limits = [
            Throttle { windows: vec![window(1, 1)], ..Throttle::default() },
            Throttle { bucket: Some(BucketLimit { per_second: 1_000, burst: 1 }), ..Throttle::default() },
        ];
        for t in limits {
            let mut m = Meter::new(&t);
            m.count(Nanos(5), Request::New);
            let pace = Pace { waiting: 0, room_at: Nanos(1_000_005), back_off_until: Nanos::ZERO };
            assert_eq!(m.pace(Nanos(7)), Some(pace));
            assert_eq!(m.pace(Nanos(1_000_006)), Some(Pace { room_at: Nanos(1_000_006), ..pace }));
            assert_eq!(m.due(Nanos(7)), None, "nothing waits, so nothing is due");
        }
        let (first, longest) = (Nanos(5), Nanos(9));
        let back_off = Some(BackOff { codes: vec![3], first, longest });
        let mut m = Meter::new(&Throttle { back_off, ..Throttle::default() });
        m.on_rejected(Nanos(10), 3);
        let held = Pace { waiting: 0, room_at: Nanos(15), back_off_until: Nanos(15) };
        assert_eq!(m.pace(Nanos(7)), Some(held));
        assert_eq!(Meter::new(&Throttle::default()).pace(Nanos(7)), None, "it limits nothing");

        let queue = Some(QueueLimit { slots: 3, patience: Nanos(10_000_000) });
        let mut m = Meter::new(&Throttle { queue, windows: vec![window(1, 1)], ..Throttle::default() });
        m.count(Nanos(5), Request::New);
        assert_eq!(m.due(Nanos(7)), None);
        m.waiting.as_mut().unwrap().push(OrderId(Token(1)), Token(1), Want::New, Nanos(6));
        assert_eq!(m.due(Nanos(7)), Some(Nanos(1_000_005)), "when there is room");
        assert_eq!(m.due(Nanos(2_000_000)), Some(Nanos(2_000_000)), "in the common rate too");
        assert_eq!(m.due(NEVER), Some(Nanos(10_000_006)), "when it may not wait any longer");
        assert_eq!(m.pace(Nanos(7)).map(|p| p.waiting), Some(1));
    }

    fn window(limit: u32, ms: u64) -> WindowLimit {
        WindowLimit { limit, span: Nanos::from_millis(ms) }
    }

    #[test]
    fn a_throttle_that_lets_nothing_pass_or_cannot_be_kept_is_refused() {
        assert_eq!(Throttle::default().check(), Ok(()));
        let of = |t: Throttle| t.check();
        let windows = |windows: &[WindowLimit]| Throttle { windows: windows.to_vec(), ..Throttle::default() };
        let bucket = |per_second, burst| Throttle {
            bucket: Some(BucketLimit { per_second, burst }),
            ..Throttle::default()
        };
        assert_eq!(of(windows(&[window(50, 1_000), window(1_000, 60_000)])), Ok(()));
        assert_eq!(of(windows(&[window(50, 1); 4])), Ok(()));
        assert_eq!(of(windows(&[window(50, 1); 5])), Err(ThrottleError::Windows(5)));
        assert_eq!(of(windows(&[window(50, 0)])), Err(ThrottleError::NoTime));
        assert_eq!(of(windows(&[window(65_536, 1)])), Ok(()));
        assert_eq!(of(windows(&[window(65_537, 1)])), Err(ThrottleError::Units(65_537)));
        assert_eq!(of(bucket(0, 1)), Err(ThrottleError::NoTime));
        assert_eq!(of(bucket(65_537, 1)), Err(ThrottleError::Units(65_537)));
        let queue = |slots, patience| Throttle {
            queue: Some(QueueLimit { slots, patience: Nanos(patience) }),
            ..Throttle::default()
        };
        assert_eq!([of(queue(1, 1)), of(queue(WAITING_MAX, 1))], [Ok(()), Ok(())]);
        for none in [queue(0, 1), queue(WAITING_MAX + 1, 1), queue(1, 0)] {
            assert_eq!(of(none), Err(ThrottleError::Queue));
        }
        let back_off = |first, longest| Throttle {
            back_off: Some(BackOff { codes: vec![1], first: Nanos(first), longest: Nanos(longest) }),
            ..Throttle::default()
        };
        assert_eq!([of(back_off(5, 5)), of(back_off(5, 6))], [Ok(()), Ok(())]);
        for none in [back_off(0, 5), back_off(5, 4)] {
            assert_eq!(of(none), Err(ThrottleError::BackOff));
        }
        let breaker = |limit| Throttle { breaker: Some(window(limit, 1)), ..Throttle::default() };
        assert_eq!(of(breaker(1)), Ok(()));
        assert_eq!(of(breaker(0)), Err(ThrottleError::Breaker));
        let none = |limit, weight, reserve| Err(ThrottleError::NoRoom { limit, weight, reserve });
        assert_eq!(of(windows(&[window(0, 1)])), none(0, 1, 0));
        assert_eq!(of(Throttle { cancel_reserve: 10, ..windows(&[window(10, 1)]) }), none(10, 1, 10));
        assert_eq!(of(Throttle { cancel_reserve: 9, ..windows(&[window(10, 1)]) }), Ok(()));
        let weights = Weights { new: 3, replace: 5, cancel: 1 };
        assert_eq!(of(Throttle { weights, ..bucket(10, 4) }), none(4, 5, 0));
        assert_eq!(of(Throttle { cancel_reserve: u32::MAX, ..bucket(10, 4) }), none(4, 1, u32::MAX));
    }
}
