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

use std::ops::ControlFlow;

use engine::book::AHEAD;
use engine::strategy::Strategy;
use model::{Input, MarketEvent, Nanos};

use super::{Day, FEED, Hall, NEVER, Watch};

/// History, read in pieces: what the books will touch next is then known before it is touched ([`engine::Engine::anticipate`]), and a message is read where it lies.
struct Ahead<I> {
    history: I,
    midnight: Nanos,
    read: Vec<MarketEvent>,
    /// The first of them that has not been run.
    next: usize,
    /// Of the last message that was read.
    latest: Nanos,
    has_ended: bool,
}

impl<I: Iterator<Item = MarketEvent>> Ahead<I> {
    fn new(history: I, midnight: Nanos) -> Ahead<I> {
        let read = Vec::with_capacity(2 * AHEAD);
        Ahead { history, midnight, read, next: 0, latest: midnight, has_ended: false }
    }

    /// Reads the next piece; returns whether there was one.
    fn more(&mut self) -> bool {
        // Each is moved once at most for each that was run.
        if self.next * 2 >= self.read.len() {
            self.read.drain(..self.next);
            self.next = 0;
        }
        let from = self.read.len();
        if !self.has_ended {
            let read = &mut self.read;
            // Not one by one: a message that is handed on as an option is taken apart and put together.
            self.has_ended = self
                .history
                .try_for_each(|ev| {
                    read.push(ev);
                    if read.len() - from < AHEAD { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
                .is_continue();
        }
        let piece = &self.read[from..];
        self.latest = piece.iter().fold(self.latest, |at, ev| at.max(self.midnight.after(ev.ts_event)));
        !piece.is_empty()
    }

    /// Whether there is a message behind `now`.
    fn goes_on_behind(&mut self, now: Nanos) -> bool {
        while self.latest <= now {
            if !self.more() {
                return false;
            }
        }
        true
    }
}

impl<S: Strategy, W: Watch<S>> Day<S, W> {
    /// Through a venue that is `lag` behind history.
    pub(super) fn run_shared(&mut self, history: impl Iterator<Item = MarketEvent>, lag: Nanos) {
        let mut history = Ahead::new(history, self.midnight);
        history.more();
        let mut at = history.read.first().map_or(self.midnight, |ev| self.midnight.after(ev.ts_event));
        self.begin(at);
        let mut anticipated = 0;
        loop {
            if anticipated == 0 {
                if history.next == history.read.len() && !history.more() {
                    break;
                }
                let piece = history.read[history.next..].iter().take(AHEAD);
                anticipated = piece.len();
                self.engine.anticipate(FEED, piece);
            }
            anticipated -= 1;
            at = at.max(self.midnight.after(history.read[history.next].ts_event));
            let now = at.after(lag);
            if self.is_due_shared(now, lag) {
                self.work_off_shared(now, lag, &mut history);
            }
            self.messages += 1;
            self.watch.before_market(now, &self.engine);
            self.market(now, &history.read[history.next]);
            self.carry(at);
            self.send_shared(now, &mut history);
            self.watch.on_market(now, &history.read[history.next], &self.engine);
            history.next += 1;
        }
        self.is_over = true;
        if self.messages == 0 {
            return;
        }
        // Nothing is sent any more, so the venue has nothing to wait for.
        let mut end = at.after(lag);
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

    #[inline]
    fn is_due_shared(&self, now: Nanos, lag: Nanos) -> bool {
        self.requests.front().is_some_and(|r| r.0.after(lag) < now)
            || self.reports.front().is_some_and(|r| r.0 < now)
            || self.engine.next_timer().is_some_and(|t| t < now)
    }

    /// As [`Day::work_off`].
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
