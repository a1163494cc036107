//! A day with one book: the venue looks at the strategy's.
//!
//! The strategy's book is history as it was `lag` ago. So is the venue's, where it is run `lag` behind: a message of history is applied once, when it is at the strategy, and
//! what the venue does at `t` is done at `t + lag`, behind it.
//!
//! ```text
//!   time of the venue      m1 -------- r ---- m2                   m a message, r a request
//!   time of the strategy        m1 ------- r' --- m2 ---- c        r' the venue takes r, in the book that m1 left; c its report, which is as long on its way as it was
//! ```
//!
//! Nothing is late by that: what the venue says of anything is on its way for `lag` at least ([`crate::latency::Latency::lag`]), and what the strategy hears by then does not hang on it.
//! Whether history goes on behind a decision, for else it is not sent, is known by looking ahead: only where there is something to send.

use std::collections::VecDeque;

use engine::strategy::Strategy;
use model::{Input, MarketEvent, Nanos};

use super::{Day, FEED, Hall, NEVER, Watch};

/// History, and what was read of it before its time.
struct Ahead<I> {
    history: I,
    midnight: Nanos,
    /// Of the last message that was read.
    at: Nanos,
    read: VecDeque<(Nanos, MarketEvent)>,
    has_ended: bool,
}

impl<I: Iterator<Item = MarketEvent>> Ahead<I> {
    #[inline]
    fn read(&mut self) -> Option<(Nanos, MarketEvent)> {
        if self.has_ended {
            return None;
        }
        let Some(ev) = self.history.next() else {
            self.has_ended = true;
            return None;
        };
        self.at = self.at.max(self.midnight.after(ev.ts_event));
        Some((self.at, ev))
    }

    #[inline]
    fn next(&mut self) -> Option<(Nanos, MarketEvent)> {
        match self.read.pop_front() {
            None => self.read(),
            next => next,
        }
    }

    /// Whether there is a message behind `now`.
    fn goes_on_behind(&mut self, now: Nanos) -> bool {
        while self.at <= now {
            let Some(next) = self.read() else { return false };
            self.read.push_back(next);
        }
        true
    }
}

impl<S: Strategy, W: Watch<S>> Day<S, W> {
    /// Through a venue that is `lag` behind history.
    pub(super) fn run_shared(&mut self, history: impl Iterator<Item = MarketEvent>, lag: Nanos) {
        let (midnight, read) = (self.midnight, VecDeque::new());
        let mut history = Ahead { history, midnight, at: midnight, read, has_ended: false };
        let first = history.read();
        history.read.extend(first);
        self.begin(history.at);
        let mut end = None;
        while let Some((at, ev)) = history.next() {
            let now = at.after(lag);
            self.work_off_shared(now, lag, &mut history);
            self.messages += 1;
            self.market(now, &ev);
            self.carry(at);
            self.send_shared(now, &mut history);
            self.watch.on_market(now, &ev, &self.engine);
            end = Some(now);
        }
        self.is_over = true;
        let Some(mut end) = end else { return };
        // Nothing is sent any more, so the venue has nothing to wait for.
        while let Some((at, _)) = self.requests.front() {
            end = end.max(*at);
            self.ask();
        }
        end = self.reports.back().map_or(end, |last| end.max(last.0));
        self.work_off_shared(end.after(Nanos(1)), lag, &mut history);
    }

    /// A message of history is at the strategy, and at the venue.
    #[inline]
    fn market(&mut self, now: Nanos, ev: &MarketEvent) {
        let Hall::Shared(floor, _) = &mut self.hall else { unreachable!("run says which") };
        let said = &mut self.said;
        if !ev.body.touches_book() {
            floor.on_off_book(ev, said);
        }
        self.engine.decide_market_seen(now, FEED, ev, &mut self.out, |books, change| {
            floor.on_book(books, ev, change, said);
        });
        self.engine.account(&mut self.out);
    }

    /// As [`Day::work_off`].
    #[inline]
    fn work_off_shared<I>(&mut self, until: Nanos, lag: Nanos, history: &mut Ahead<I>)
    where
        I: Iterator<Item = MarketEvent>,
    {
        loop {
            let request = self.requests.front().map_or(NEVER, |r| r.0.after(lag));
            let report = self.reports.front().map_or(NEVER, |r| r.0);
            let timer = self.engine.next_timer().unwrap_or(NEVER);
            let next = request.min(report).min(timer);
            if next >= until {
                return;
            }
            if request == next {
                self.ask();
            } else if report == next {
                if let Some((at, report)) = self.reports.pop_front() {
                    self.engine.apply(at, &Input::Report(report), &mut self.out);
                    self.send_shared(at, history);
                    self.watch.on_report(at, &report, &self.engine);
                }
            } else {
                let now = timer.max(self.engine.now());
                self.engine.apply(now, &Input::Timer, &mut self.out);
                self.send_shared(now, history);
            }
        }
    }

    /// As [`Day::send`], where it is not known yet whether history goes on.
    #[inline]
    fn send_shared<I>(&mut self, now: Nanos, history: &mut Ahead<I>)
    where
        I: Iterator<Item = MarketEvent>,
    {
        if !self.out.is_empty() {
            self.is_over = self.is_over || !history.goes_on_behind(now);
            self.send_all(now);
        }
    }
}
