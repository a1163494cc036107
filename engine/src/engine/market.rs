//! Market data: events to books and prices, a feed's status to the validity of its instruments.

use model::{FeedId, FeedStatus, HaltReason, InstrumentId, MarketBody, MarketEvent, Px};

use super::{Engine, Outbox};
use crate::book::{Books, Effect};
use crate::instruments::{InstrumentChange, Instruments};
use crate::position::Overflow;
use crate::strategy::{Strategy, TradePrint};

impl<S: Strategy> Engine<S> {
    #[inline]
    pub(super) fn on_market(&mut self, feed: FeedId, event: &MarketEvent, out: &mut Outbox) {
        if feed.index() >= self.books.len() {
            return self.unroutable();
        }
        self.stats.market_events += 1;
        self.instruments.on_heard(feed, self.stamp);
        if event.body.concerns_all() {
            self.each_of_feed(feed, |i, id| i.on_market(id, &event.body));
            return;
        }
        let id = event.instrument;
        // A feed passes its own configured instruments only; a forged journal may hold others, and one feed's book says nothing of another's.
        if id.index() >= self.untold.len() || self.instruments.of(id).instrument.feed != feed {
            return self.unroutable();
        }
        if !event.body.touches_book() {
            self.on_off_book(id, &event.body, out);
            return;
        }
        let change = self.books[feed.index()].apply(event);
        if !change.effect.is_sound() {
            self.on_unsound(change.instrument, change.effect);
        }
        // What the book refused whole is counted there and is no change; a refused replace took its old order away.
        if change.qty.is_zero() && change.replaced_qty.is_zero() {
            return;
        }
        let id = change.instrument;
        if change.top_changed {
            self.refer(id);
        }
        if let Some(traded) = change.traded.filter(|t| t.printable) {
            self.instruments.on_trade(id, traded.px);
            let qty = u64::from(change.qty.0);
            let trade = TradePrint { instrument: id, px: traded.px, qty, resting: Some(change.side) };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        self.call(out, |s, view, intents| s.on_book(view, &change, intents));
    }

    /// A message that does not fit the book: the book is not the venue's any more, and nothing but a new start makes it so.
    #[cold]
    pub(super) fn on_unsound(&mut self, id: InstrumentId, effect: Effect) {
        let differs = match effect {
            Effect::NotBook | Effect::Applied | Effect::UnknownInstrument | Effect::ZeroQty => false,
            Effect::OverReduced
            | Effect::UnknownRef
            | Effect::DuplicateRef
            | Effect::BadPrice
            | Effect::Capacity => true,
        };
        if differs && id.index() < self.untold.len() {
            let lost = self.instruments.on_book_lost(id);
            self.tell(id, lost);
        }
    }

    pub(super) fn on_off_book(&mut self, id: InstrumentId, body: &MarketBody, out: &mut Outbox) {
        let print = match *body {
            // The message's side says nothing: it is `B` for every hidden order since 2014.
            MarketBody::Trade { px, qty, .. } => Some((px, u64::from(qty.0))),
            MarketBody::Cross { px, qty, .. } if qty != 0 => Some((px, qty)),
            _ => None,
        };
        if let Some((px, qty)) = print {
            self.instruments.on_trade(id, px);
            let trade = TradePrint { instrument: id, px, qty, resting: None };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        let change = self.instruments.on_market(id, body);
        self.tell(id, change);
    }

    #[cold]
    pub(super) fn unroutable(&mut self) {
        self.stats.unroutable += 1;
    }

    pub(super) fn on_feed(&mut self, feed: FeedId, status: FeedStatus) {
        if feed.index() >= self.books.len() {
            return self.unroutable();
        }
        if !matches!(status, FeedStatus::Silent) {
            self.instruments.on_heard(feed, self.stamp);
        }
        if matches!(status, FeedStatus::NewSession | FeedStatus::SnapshotBegin) {
            self.books[feed.index()].clear();
        }
        self.each_of_feed(feed, |i, id| i.on_feed(id, status));
        if matches!(status, FeedStatus::Synced { .. }) {
            // What moved the book while it could not be trusted was no reference then.
            for k in 0..self.untold.len() {
                let id = InstrumentId(k as u16);
                if self.instruments.of(id).instrument.feed == feed {
                    self.refer(id);
                }
            }
        }
    }

    pub(super) fn each_of_feed(
        &mut self,
        feed: FeedId,
        f: impl Fn(&mut Instruments, InstrumentId) -> Option<InstrumentChange>,
    ) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if self.instruments.of(id).instrument.feed == feed {
                let change = f(&mut self.instruments, id);
                self.tell(id, change);
            }
        }
    }

    /// Looks at an instrument's best prices again.
    #[inline]
    pub(super) fn refer(&mut self, id: InstrumentId) {
        let top = self.top(id);
        let collar = self.gate.limits().price_collar_bps;
        if let Some(reference) = self.instruments.on_top(id, &top, collar, self.now) {
            self.mark(id, reference);
        }
    }

    #[inline]
    pub(super) fn mark(&mut self, id: InstrumentId, px: Px) {
        match self.positions.on_mark(id, px) {
            Ok(()) => self.check_loss(),
            Err(Overflow) => self.halt(HaltReason::Overflow),
        }
    }
}
