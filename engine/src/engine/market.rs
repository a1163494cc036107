//! Market data: events to books, prices and facts, a feed's status to the soundness of its books, and the validity that follows.
//!
//! Whatever may change an instrument's validity ends in `settle`, which derives it, counts and notes the change, and tells the strategy.

use model::{FeedId, FeedStatus, HaltReason, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Validity};

use super::{Engine, Outbox};
use crate::book::{Book, BookChange, Books, Effect};
use crate::breaker::Trigger;
use crate::instruments::InstrumentChange;
use crate::position::Overflow;
use crate::strategy::{Strategy, TradePrint};
use crate::validity::Reason;

impl<S: Strategy> Engine<S> {
    /// Says which messages of a feed come next, at most [`crate::book::AHEAD`]: the books may bring near what these will touch. Changes nothing, so it is no input.
    pub fn anticipate<'a>(&self, feed: FeedId, events: impl Iterator<Item = &'a MarketEvent>) {
        if let Some(books) = self.books.get(feed.index()) {
            books.anticipate(events);
        }
    }

    #[inline]
    pub(super) fn on_market(
        &mut self,
        feed: FeedId,
        event: &MarketEvent,
        out: &mut Outbox,
        seen: impl FnOnce(&Book, &BookChange),
    ) {
        if feed.index() >= self.books.len() {
            return self.unroutable();
        }
        self.stats.market_events += 1;
        self.instruments.on_heard(feed, self.stamp);
        if event.body.concerns_all() {
            return self.on_market_wide(feed, event.ts_event, &event.body, out);
        }
        let id = event.instrument;
        // A feed passes its own configured instruments only; a forged journal may hold others, and one feed's book says nothing of another's.
        if id.index() >= self.untold.len() || self.instruments.of(id).instrument.feed != feed {
            return self.unroutable();
        }
        if !event.body.touches_book() {
            self.on_off_book(id, event.ts_event, &event.body, out);
            return;
        }
        let book = &mut self.books[feed.index()];
        let change = book.apply(event);
        seen(book, &change);
        if !change.effect.is_sound() {
            self.on_unsound(change.instrument, change.effect, out);
        }
        // What the book refused whole is counted there and is no change; a refused replace took its old order away.
        if change.qty.is_zero() && change.replaced_qty.is_zero() {
            return;
        }
        let id = change.instrument;
        if change.top_changed {
            self.refer(id, out);
        }
        if let Some(traded) = change.traded.filter(|t| t.printable) {
            let (px, match_number) = (traded.px, match_number(&event.body));
            self.instruments.on_trade(id, px, match_number);
            let qty = u64::from(change.qty.0);
            let trade = TradePrint { instrument: id, px, qty, match_number, resting: Some(change.side) };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        self.call(out, |s, view, intents| s.on_book(view, &change, intents));
    }

    /// A message that does not fit the book: the book is not the venue's any more, and nothing but a new start makes it so.
    #[cold]
    fn on_unsound(&mut self, id: InstrumentId, effect: Effect, out: &mut Outbox) {
        if let Some(why) = Reason::of_effect(effect)
            && id.index() < self.untold.len()
        {
            self.instruments.on_book_lost(id, why);
            self.settle(id, None, None, out);
        }
    }

    /// A message about the market as a whole goes to every instrument of the feed.
    #[cold]
    fn on_market_wide(&mut self, feed: FeedId, at: Nanos, body: &MarketBody, out: &mut Outbox) {
        let is_clear = matches!(body, MarketBody::Clear);
        let changed = match is_clear {
            true => Some(InstrumentChange::Cleared),
            false => self.instruments.on_market_wide(feed, body).then_some(InstrumentChange::Market),
        };
        if is_clear {
            self.books[feed.index()].clear();
        }
        for k in 0..self.untold.len() {
            let Some(id) = self.id_of(k, feed) else { continue };
            if is_clear {
                self.refer(id, out);
            }
            let change = self.instruments.on_market(id, at, body).or(changed);
            self.settle(id, Some(feed), change, out);
        }
        self.look_for_close(feed.index());
    }

    fn on_off_book(&mut self, id: InstrumentId, at: Nanos, body: &MarketBody, out: &mut Outbox) {
        let print = match *body {
            // The message's side says nothing: it is `B` for every hidden order since 2014.
            MarketBody::Trade { px, qty, match_number, .. } => Some((px, u64::from(qty.0), match_number)),
            MarketBody::Cross { px, qty, match_number, .. } if qty != 0 => Some((px, qty, match_number)),
            _ => None,
        };
        if let Some((px, qty, match_number)) = print {
            self.instruments.on_trade(id, px, match_number);
            let trade = TradePrint { instrument: id, px, qty, match_number, resting: None };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        self.stats.broken_prints += u64::from(matches!(body, MarketBody::BrokenTrade { .. }));
        match self.instruments.on_market(id, at, body) {
            // With the message itself: two callbacks at most, as of a message of the book.
            Some(fact @ InstrumentChange::Fact(_)) => {
                self.call(out, |s, view, intents| s.on_instrument(view, id, fact, intents));
            }
            change => self.settle(id, None, change, out),
        }
    }

    #[cold]
    pub(super) fn unroutable(&mut self) {
        self.stats.unroutable += 1;
    }

    pub(super) fn on_feed(&mut self, feed: FeedId, status: FeedStatus, out: &mut Outbox) {
        if feed.index() >= self.books.len() {
            return self.unroutable();
        }
        if !matches!(status, FeedStatus::Silent) {
            self.instruments.on_heard(feed, self.stamp);
        }
        if matches!(status, FeedStatus::Heartbeat) {
            return;
        }
        if matches!(status, FeedStatus::NewSession | FeedStatus::SnapshotBegin) {
            self.books[feed.index()].clear();
        }
        if matches!(status, FeedStatus::Recovering { .. }) {
            self.trigger(Trigger::Gaps);
        }
        self.instruments.on_feed(feed, status);
        for k in 0..self.untold.len() {
            let Some(id) = self.id_of(k, feed) else { continue };
            self.instruments.on_status(id, status);
            self.settle(id, Some(feed), None, out);
            if matches!(status, FeedStatus::Synced { .. }) {
                // What moved the book while it could not be trusted was no reference then.
                self.refer(id, out);
            }
        }
        self.look_for_close(feed.index());
    }

    /// The journal takes no more, and with it goes the market data: what the books show from here on is old, however valid it was.
    #[cold]
    pub(super) fn on_deaf(&mut self, out: &mut Outbox) {
        self.instruments.on_deaf();
        for feed in (0..self.books.len()).map(|k| FeedId(k as u8)) {
            for k in 0..self.untold.len() {
                let Some(id) = self.id_of(k, feed) else { continue };
                self.settle(id, Some(feed), None, out);
            }
        }
    }

    /// The time has come at which a book may have been locked or crossed for too long, or has not jumped for long enough.
    #[cold]
    pub(super) fn on_due(&mut self, out: &mut Outbox) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if self.instruments.on_time(id, self.now) {
                self.settle(id, None, None, out);
            }
        }
        self.instruments.find_due();
        if self.close.due() <= self.now {
            self.on_close_due(out);
        }
        self.instruments.look_by(self.close.due());
    }

    /// Instrument `k`, where it is one of `feed`.
    fn id_of(&self, k: usize, feed: FeedId) -> Option<InstrumentId> {
        let id = InstrumentId(k as u16);
        (self.instruments.of(id).instrument.feed == feed).then_some(id)
    }

    /// Derives an instrument's validity; `change` is what is told where it stays as it is. `shared` is the feed whose instruments change together.
    fn settle(
        &mut self,
        id: InstrumentId,
        shared: Option<FeedId>,
        change: Option<InstrumentChange>,
        out: &mut Outbox,
    ) {
        let Some((to, reason)) = self.instruments.settle(id, self.now) else {
            return self.tell(id, change);
        };
        match shared {
            Some(feed) => out.turn_with(feed, to, reason),
            None => out.turn(id, to, reason),
        }
        self.tell(id, Some(InstrumentChange::Validity { to, reason }));
        // A core that hears nothing more is halted for good already: that is no storm of the market's.
        if to == Validity::Stale && reason != Reason::Journal {
            self.trigger(Trigger::Market);
        }
        if to != Validity::Valid && self.pull_quotes {
            self.pull(id);
        }
        if to == Validity::Valid {
            // A book that is crossed as it begins to trade is watched from here on.
            self.refer(id, out);
        }
    }

    /// Looks at an instrument's best prices again.
    #[inline]
    fn refer(&mut self, id: InstrumentId, out: &mut Outbox) {
        let top = self.top(id);
        let collar = self.gate.limits().price_collar_bps;
        let looked = self.instruments.on_top(id, &top, collar, self.now);
        if let Some(reference) = looked.reference {
            self.mark(id, reference);
        }
        if looked.unsettled {
            self.settle(id, None, None, out);
        }
    }

    fn is_exposed(&self, id: InstrumentId) -> bool {
        self.positions.of(id).shares != 0 || self.orders.exposure(id).orders != 0
    }

    #[inline]
    pub(super) fn mark(&mut self, id: InstrumentId, px: Px) {
        match self.positions.on_mark(id, px) {
            Ok(changed) => {
                if self.gate.measures_money() && self.is_exposed(id) {
                    self.orders.touch(id);
                }
                if changed {
                    self.check_loss();
                }
            }
            Err(Overflow) => self.halt(HaltReason::Overflow),
        }
    }
}

/// The number of the trade that a message of the book tells.
#[inline]
const fn match_number(body: &MarketBody) -> u64 {
    match body {
        MarketBody::Execute { match_number, .. } | MarketBody::ExecuteAt { match_number, .. } => {
            *match_number
        }
        _ => 0,
    }
}
