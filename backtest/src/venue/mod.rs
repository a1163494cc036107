//! The venue as history had it, with our orders in it.
//!
//! ```text
//!   level of history:   [ 7: 300 ][ 9: 200 ] ours [ 12: 100 ]       ahead of ours: 7 and 9, by reference
//!   7 is deleted         ahead = 200                                 12 is deleted: nothing changes for us
//!   100 of 9 trade       ahead = 100, nothing for us                 100 of 12 trade: we stood before it, so we trade
//! ```
//!
//! # What fills an order of ours
//!
//! | it | with | because |
//! |---|---|---|
//! | comes in and crosses | the orders of history that rest there, best price and oldest first; a share once | they were there |
//! | rests | a trade of history at its price with an order behind it | it stood before that order |
//! | rests | a trade of history at a worse price, hidden orders included | who traded there would have come past it |
//! | rests | an order of history that comes in across it; a share once | that order would not have rested |
//! | rests | a cross at a better price than its own | an auction takes the best first; at its very price nobody knows |
//!
//! An event of history fills at most as many shares of ours as it was of: [`Venue`]'s tests hold every fill to the event that made it. Orders of ours never
//! trade with each other, nor with shares that we took before.
//!
//! # What history makes of it
//!
//! With [`Impact::None`] history goes on as it was, and the strategy sees it so: its own orders are in no book. With [`Impact::Displayed`] the feed shows what a venue would
//! have shown: our orders, our trades, and orders of history without the shares that we took; what history says of these later is cut to what is left of them. Nobody
//! reacts to us either way.
//!
//! Of history that has levels alone see `levels` and [`queue`]; which orders are refused see [`Admission`].
//!
//! What no record tells and nobody can know: hidden orders that did not trade, what others would have done, and where the order of two messages of one nanosecond came from.

mod levels;
mod missing;
mod own;
pub mod queue;
mod rules;
mod shown;
#[cfg(test)]
mod tests;
mod void;

use std::collections::HashMap;

use engine::book::{BookCapacity, BookChange, Books, FlatBooks};
use model::{
    CommandKind, ExecutionReport, GatewayId, InstrumentId, MarketBody, MarketEvent, Nanos, OrderCommand,
    PortRequest, Px, Qty, ReportKind, Side, Tif, Token, TradingState, VenueRef,
};

use missing::Missing;
use own::{Own, better, crosses};
use queue::Place;
use rules::Rate;
pub use rules::{Admission, Impact, Rules};
pub use void::BY_THE_SYSTEM;

/// The venue's own numbers of our orders begin here: above any that a venue gives.
pub const OWN_REFS: u64 = 1 << 62;

/// What came of one call.
#[derive(Debug, Default)]
pub struct Said {
    /// To us, in order.
    pub reports: Vec<ExecutionReport>,
    /// On the feed, in order.
    pub events: Vec<MarketEvent>,
}

impl Said {
    /// Empties it.
    pub fn clear(&mut self) {
        self.reports.clear();
        self.events.clear();
    }
}

/// What happened, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VenueCounts {
    /// Shares of ours that traded as they came in.
    pub taken: u64,
    /// Shares of ours that traded while they rested.
    pub made: u64,
    /// Shares of ours that traded in a cross.
    pub crossed: u64,
    /// Requests about orders that were gone, to which a venue says nothing.
    pub ignored: u64,
    /// Requests that were refused.
    pub rejected: u64,
}

impl VenueCounts {
    /// Adds another day's.
    pub fn add(&mut self, other: &VenueCounts) {
        self.taken += other.taken;
        self.made += other.made;
        self.crossed += other.crossed;
        self.ignored += other.ignored;
        self.rejected += other.rejected;
    }
}

#[derive(Default)]
struct Listing {
    trading: bool,
    /// In priority: bids and offers each best first, oldest first at a price.
    own: Vec<Own>,
    /// Requests of it.
    rate: Rate,
}

/// Our orders, and what becomes of them: all of a [`Venue`] but the books of history, which each call is shown.
pub(crate) struct Floor {
    rules: Rules,
    listings: Vec<Listing>,
    /// Which instrument an order of ours is of, by its current token.
    of: HashMap<Token, InstrumentId>,
    missing: Missing,
    /// By port: order entry is switched off, requests of the last second, reports.
    refused: Vec<bool>,
    rates: Vec<Rate>,
    seqs: Vec<u64>,
    now: Nanos,
    next_ref: u64,
    next_match: u64,
    counts: VenueCounts,
    /// Orders of history that one of ours meets: taken anew each time.
    met: Vec<(VenueRef, Px, u32)>,
    /// What the books of history lose by us, with [`Impact::Displayed`]: whoever has them applies it behind the call.
    lost: Vec<MarketEvent>,
}

/// See the module.
pub struct Venue {
    history: FlatBooks,
    floor: Floor,
}

impl Venue {
    /// Empty books; every instrument waits for its trading action.
    #[must_use]
    pub fn new(rules: Rules, capacity: &BookCapacity, gateways: usize) -> Venue {
        Venue { history: FlatBooks::new(capacity), floor: Floor::new(rules, capacity.instruments, gateways) }
    }

    /// The books of history; with [`Impact::Displayed`] without what we took.
    #[must_use]
    pub fn history(&self) -> &FlatBooks {
        &self.history
    }

    /// Our orders there.
    pub(crate) fn floor(&self) -> &Floor {
        &self.floor
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> VenueCounts {
        self.floor.counts
    }

    /// Orders of ours that rest.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.floor.of.len()
    }

    /// Shares that stand before an order of ours, or `None` where it does not rest.
    #[must_use]
    pub fn ahead(&self, token: Token) -> Option<u64> {
        let floor = &self.floor;
        let listing = &floor.listings[floor.of.get(&token)?.index()];
        let own = listing.own.iter().find(|o| o.token == token)?;
        Some(if floor.rules.queue.is_of_levels() { own.place.shares() } else { own.ahead.shares() })
    }

    /// A message of history. Returns whether the feed shows it as it was, and then what is in `said.events`; else it shows these alone, which may be none.
    #[inline]
    pub fn on_market(&mut self, ev: &MarketEvent, said: &mut Said) -> bool {
        if !ev.body.touches_book() {
            if matches!(ev.body, MarketBody::Clear) {
                self.history.clear();
            }
            self.floor.on_off_book(ev, said);
            return true;
        }
        if self.floor.lacks() {
            return self.on_market_less(ev, said);
        }
        let change = self.history.apply(ev);
        let as_is = self.floor.on_book(&self.history, ev, &change, said);
        self.lose();
        as_is
    }

    /// History goes on with books that lack what we took.
    #[cold]
    fn on_market_less(&mut self, ev: &MarketEvent, said: &mut Said) -> bool {
        self.floor.now = ev.ts_event;
        let history = &self.history;
        let cut = self.floor.missing.cut(ev, |r| history.order(r).map_or(0, |o| o.qty.0));
        let Some(cut) = cut else { return false };
        let change = self.history.apply(&cut);
        let as_is = self.floor.on_book(&self.history, &cut, &change, said);
        self.lose();
        if as_is && cut != *ev {
            said.events.push(cut);
            return false;
        }
        as_is
    }

    /// The books lose what went by us.
    fn lose(&mut self) {
        for ev in self.floor.lost.drain(..) {
            self.history.apply(&ev);
        }
    }

    /// A request of ours arrives at `now` (ns since the venue's midnight).
    pub fn on_command(&mut self, now: Nanos, c: &OrderCommand, said: &mut Said) {
        self.floor.on_command(&self.history, now, c, said);
        self.lose();
    }
}

impl Floor {
    /// Every instrument waits for its trading action.
    pub(crate) fn new(rules: Rules, instruments: usize, gateways: usize) -> Floor {
        Floor {
            rules,
            listings: (0..instruments).map(|_| Listing::default()).collect(),
            of: HashMap::new(),
            missing: Missing::default(),
            refused: vec![false; gateways],
            rates: vec![Rate::default(); gateways],
            seqs: vec![0; gateways],
            now: Nanos::ZERO,
            next_ref: OWN_REFS,
            next_match: OWN_REFS,
            counts: VenueCounts::default(),
            met: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// How many order entry sessions it has.
    pub(crate) fn gateways(&self) -> usize {
        self.seqs.len()
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> VenueCounts {
        self.counts
    }

    /// Whether the books lack shares that history still counts.
    fn lacks(&self) -> bool {
        self.rules.impact == Impact::Displayed && !self.missing.is_empty()
    }

    /// A message of history's book, `change` what came of it in `books`. Returns as [`Venue::on_market`].
    #[inline]
    pub(crate) fn on_book(
        &mut self,
        books: &FlatBooks,
        ev: &MarketEvent,
        change: &BookChange,
        said: &mut Said,
    ) -> bool {
        self.now = ev.ts_event;
        if !self.missing.is_empty() && self.rules.impact == Impact::None {
            self.missing.follow(ev, |r| books.order(r).map_or(0, |o| o.qty.0));
        }
        match self.listings.get(change.instrument.index()) {
            Some(listing) if listing.own.iter().fold(false, |any, own| any | own.is_concerned(change)) => {
                self.on_change(books, ev, change, said)
            }
            _ => true,
        }
    }

    /// A message of the book that concerns an order of ours.
    fn on_change(
        &mut self,
        books: &FlatBooks,
        ev: &MarketEvent,
        change: &BookChange,
        said: &mut Said,
    ) -> bool {
        let id = change.instrument;
        if self.rules.queue.is_of_levels() {
            self.on_level(books, ev, change, said);
            return true;
        }
        let mut filled = 0;
        match ev.body {
            MarketBody::Add { order, .. } => filled = self.meet(id, order, change, change.qty.0, said),
            MarketBody::Replace { old, new, .. } => {
                self.leave(change, old, change.replaced_px, change.replaced_qty);
                filled = self.meet(id, new, change, change.qty.0, said);
            }
            MarketBody::Delete { order } | MarketBody::Reduce { order, .. } => {
                self.leave(change, order, change.px, change.qty);
            }
            // Of a cross each order says what it traded, and the cross itself what that was in all.
            MarketBody::ExecuteAt { order, printable: false, .. } => {
                self.leave(change, order, change.px, change.qty);
            }
            MarketBody::Execute { order, .. } | MarketBody::ExecuteAt { order, .. } => {
                filled = self.trade_before(id, order, change, said);
            }
            _ => {}
        }
        if self.rules.impact == Impact::None || filled == 0 {
            return true;
        }
        self.show_less(ev, change, filled, said);
        false
    }

    /// Shares of history left their order, which rested at `px`: who stands before ours is at its price, so no other has to be asked.
    fn leave(&mut self, change: &BookChange, order: VenueRef, px: Px, qty: Qty) {
        for own in &mut self.listings[change.instrument.index()].own {
            if own.px == px && own.side == change.side {
                own.ahead.leave(order, qty.0);
            }
        }
    }

    /// History traded with `order`: what of it is ours, because we stood before that order. Returns the shares of ours.
    fn trade_before(
        &mut self,
        id: InstrumentId,
        order: VenueRef,
        change: &BookChange,
        said: &mut Said,
    ) -> u32 {
        let (side, px) = (change.side, change.px);
        self.make(id, change.qty.0, said, |own| {
            if own.side != side {
                return 0;
            }
            let is_before = own.px == px && !own.ahead.leave(order, change.qty.0);
            if better(side, own.px, px) || is_before { u32::MAX } else { 0 }
        })
    }

    /// `more` shares of `order` of history came to rest; what of ours they cross trades with them. Returns the shares.
    fn meet(
        &mut self,
        id: InstrumentId,
        order: VenueRef,
        change: &BookChange,
        more: u32,
        said: &mut Said,
    ) -> u32 {
        if more == 0 || !self.listings[id.index()].trading {
            return 0;
        }
        let (side, px) = (change.side, change.px);
        let stays = self.rules.impact == Impact::None;
        // Of an order that was replaced some shares may be ours already: they do not come again.
        let ours = if stays { self.missing.of(order) } else { 0 };
        let most = more.min(change.qty.0.saturating_sub(ours));
        let filled = self.make(id, most, said, |own| {
            if own.side != side && crosses(own.side, own.px, px) { u32::MAX } else { 0 }
        });
        // History goes on with them: nobody of ours may take them again.
        if stays && filled != 0 {
            self.missing.add(order, filled);
        }
        filled
    }

    /// At most `most` shares of ours that rest trade, of each order at most what `turn` says, best and oldest first. It is asked of every order of the instrument. Returns the shares.
    fn make(
        &mut self,
        id: InstrumentId,
        most: u32,
        said: &mut Said,
        mut turn: impl FnMut(&mut Own) -> u32,
    ) -> u32 {
        let (mut left, mut at) = (most, 0);
        while let Some(own) = self.listings[id.index()].own.get_mut(at) {
            let qty = turn(own).min(own.open).min(left);
            if qty == 0 {
                at += 1;
                continue;
            }
            left -= qty;
            self.counts.made += u64::from(qty);
            at += usize::from(!self.fill(id, at, qty, None, b'A', said));
        }
        most - left
    }

    /// A message of history that is of no order in its book.
    pub(crate) fn on_off_book(&mut self, ev: &MarketEvent, said: &mut Said) {
        self.now = ev.ts_event;
        let id = ev.instrument;
        match ev.body {
            MarketBody::TradingAction { state, .. } => {
                if let Some(listing) = self.listings.get_mut(id.index()) {
                    listing.trading = state == TradingState::Trading;
                }
            }
            // Against an order that nobody saw, at a price that ours is better than: it would have come to ours first.
            MarketBody::Trade { px, qty, side, .. }
                if self.rules.queue.is_of_levels() && id.index() < self.listings.len() =>
            {
                self.trade_at(id, side, px, qty.0, said);
            }
            MarketBody::Trade { px, qty, .. } => self.trade_through(id, px, u64::from(qty.0), false, said),
            MarketBody::Cross { px, qty, .. } if qty != 0 => self.trade_through(id, px, qty, true, said),
            MarketBody::Clear => {
                self.missing.clear();
                for own in self.listings.iter_mut().flat_map(|l| &mut l.own) {
                    own.ahead.clear();
                    own.place = Place::default();
                }
            }
            // The end of market hours: what was for the day is over.
            MarketBody::System { code: b'M' } => self.expire(said),
            _ => {}
        }
    }

    fn trade_through(&mut self, id: InstrumentId, px: Px, qty: u64, is_cross: bool, said: &mut Said) {
        let mut left = [qty; 2];
        let mut at = 0;
        while let Some(own) = self.listings.get(id.index()).and_then(|l| l.own.get(at)) {
            let side = own.side;
            // A trade is between two: as many shares were bought as were sold, and ours are one of both.
            let room = if is_cross { left[side as usize] } else { left[0].min(left[1]) };
            if !better(side, own.px, px) || room == 0 {
                at += 1;
                continue;
            }
            let fill = own.open.min(u32::try_from(room).unwrap_or(u32::MAX));
            left[side as usize] -= u64::from(fill);
            if !is_cross {
                left[1 - side as usize] = left[side as usize];
            }
            let (count, at_px, flag) = match is_cross {
                true => (&mut self.counts.crossed, Some(px), b'O'),
                false => (&mut self.counts.made, None, b'A'),
            };
            *count += u64::from(fill);
            at += usize::from(!self.fill(id, at, fill, at_px, flag, said));
        }
    }

    /// Trades `qty` shares of the order of ours that is number `at`, at its own price unless said otherwise; returns whether it is gone with it.
    fn fill(
        &mut self,
        id: InstrumentId,
        at: usize,
        qty: u32,
        px: Option<Px>,
        liquidity: u8,
        said: &mut Said,
    ) -> bool {
        let match_number = self.next_match;
        self.next_match += 1;
        let own = &mut self.listings[id.index()].own[at];
        own.open -= qty;
        own.spent += qty;
        let (own, qty) = (own.clone(), Qty(qty));
        let px = px.unwrap_or(own.px);
        self.report(own.gateway, own.token, ReportKind::Executed { qty, px, match_number, liquidity }, said);
        self.show(id, MarketBody::Execute { order: own.order, qty, match_number }, said);
        if own.open == 0 {
            self.listings[id.index()].own.remove(at);
            self.of.remove(&own.token);
        }
        own.open == 0
    }

    /// Shows something of ours, where the feed does.
    fn show(&self, instrument: InstrumentId, body: MarketBody, said: &mut Said) {
        if self.rules.impact == Impact::Displayed {
            said.events.push(MarketEvent { ts_event: self.now, instrument, body });
        }
    }

    fn report(&mut self, gateway: GatewayId, token: Token, kind: ReportKind, said: &mut Said) {
        let seq = &mut self.seqs[gateway.index()];
        *seq += 1;
        said.reports.push(ExecutionReport { ts_event: self.now, seq: *seq, token, gateway, kind });
    }

    fn take_ref(&mut self) -> VenueRef {
        self.next_ref += 1;
        VenueRef(self.next_ref - 1)
    }

    /// A request of ours arrives at `now`, where history has come to `books`.
    pub(crate) fn on_command(&mut self, books: &FlatBooks, now: Nanos, c: &OrderCommand, said: &mut Said) {
        self.now = self.now.max(now);
        if let Some((token, reason)) = self.refuses(c) {
            self.counts.rejected += 1;
            return self.report(c.gateway, token, ReportKind::Rejected { reason }, said);
        }
        match c.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                let order = self.take_ref();
                let instrument = Some(c.instrument);
                let kind = ReportKind::Accepted { order, px, qty, side, short, instrument, dead: false };
                self.report(c.gateway, token, kind, said);
                let own = Own::new(c.gateway, token, order, side, px, qty.0);
                self.work(books, c.instrument, own, tif, said);
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                self.replace(books, old, (token, qty, px, tif), said);
            }
            CommandKind::Cancel { token, qty } => self.cancel(token, qty, said),
            CommandKind::Port { request, .. } => match request {
                PortRequest::MassCancel => self.cancel_where(b'U', |own| own.gateway == c.gateway, said),
                PortRequest::EntryOff => self.refused[c.gateway.index()] = true,
                PortRequest::EntryOn => self.refused[c.gateway.index()] = false,
            },
        }
    }

    fn place(&self, token: Token) -> Option<(InstrumentId, usize)> {
        let id = *self.of.get(&token)?;
        Some((id, self.listings[id.index()].own.iter().position(|o| o.token == token)?))
    }

    fn remove(&mut self, id: InstrumentId, at: usize) -> Own {
        let own = self.listings[id.index()].own.remove(at);
        self.of.remove(&own.token);
        own
    }

    fn replace(
        &mut self,
        books: &FlatBooks,
        old: Token,
        (token, total, px, tif): (Token, Qty, Px, Tif),
        said: &mut Said,
    ) {
        let Some((id, at)) = self.place(old) else {
            self.counts.ignored += 1;
            return;
        };
        let was = self.remove(id, at);
        let Some(open) = total.0.checked_sub(was.spent).filter(|open| *open != 0) else {
            // Nothing is left that could rest: as a cancel.
            self.show(id, MarketBody::Delete { order: was.order }, said);
            let kind = ReportKind::Canceled { qty: Qty(was.open), reason: b'U' };
            return self.report(was.gateway, old, kind, said);
        };
        let order = self.take_ref();
        let kind = ReportKind::Replaced { old, order, px, qty: Qty(open), dead: false };
        self.report(was.gateway, token, kind, said);
        self.show(id, MarketBody::Delete { order: was.order }, said);
        let mut own = Own::new(was.gateway, token, order, was.side, px, open);
        own.spent = was.spent;
        self.work(books, id, own, tif, said);
    }

    fn cancel(&mut self, token: Token, total: Qty, said: &mut Said) {
        let Some((id, at)) = self.place(token) else {
            self.counts.ignored += 1;
            return;
        };
        let own = &mut self.listings[id.index()].own[at];
        let gone = own.open.saturating_sub(total.0.saturating_sub(own.spent));
        if gone == 0 {
            self.counts.ignored += 1;
            return;
        }
        own.open -= gone;
        let (own, qty) = (own.clone(), Qty(gone));
        if own.open == 0 {
            self.remove(id, at);
            self.show(id, MarketBody::Delete { order: own.order }, said);
        } else {
            self.show(id, MarketBody::Reduce { order: own.order, qty }, said);
        }
        self.report(own.gateway, token, ReportKind::Canceled { qty, reason: b'U' }, said);
    }

    fn cancel_where(&mut self, reason: u8, which: impl Fn(&Own) -> bool, said: &mut Said) {
        for k in 0..self.listings.len() {
            let id = InstrumentId(k as u16);
            while let Some(at) = self.listings[k].own.iter().position(&which) {
                let own = self.remove(id, at);
                self.show(id, MarketBody::Delete { order: own.order }, said);
                self.report(
                    own.gateway,
                    own.token,
                    ReportKind::Canceled { qty: Qty(own.open), reason },
                    said,
                );
            }
        }
    }

    fn expire(&mut self, said: &mut Said) {
        self.cancel_where(b'E', |_| true, said);
    }

    /// An order of ours takes what it crosses, and rests or ends with what is left.
    fn work(&mut self, books: &FlatBooks, id: InstrumentId, mut own: Own, tif: Tif, said: &mut Said) {
        if self.listings[id.index()].trading {
            self.take(books, id, &mut own, said);
        }
        if own.open == 0 {
            return;
        }
        if tif == Tif::Ioc {
            let kind = ReportKind::Canceled { qty: Qty(own.open), reason: b'I' };
            return self.report(own.gateway, own.token, kind, said);
        }
        let (side, px) = (own.side, own.px);
        books.walk_level(id, side, px, |r, qty| own.ahead.join(r, qty.0));
        if self.rules.queue.is_of_levels() {
            own.place = Place::behind(own.ahead.shares());
            own.ahead.clear();
        }
        own.ahead.seal();
        let (order, qty) = (own.order, Qty(own.open));
        self.show(id, MarketBody::Add { order, px, qty, side, mpid: *b"    " }, said);
        self.of.insert(own.token, id);
        let listing = &mut self.listings[id.index()].own;
        let behind = |o: &Own| o.side == side && better(side, px, o.px);
        let at = listing.iter().position(behind).unwrap_or(listing.len());
        listing.insert(at, own);
    }

    fn take(&mut self, books: &FlatBooks, id: InstrumentId, own: &mut Own, said: &mut Said) {
        let (side, limit) = (own.side, own.px);
        // Known without a look at who stands there, where those who left may have to be stepped over.
        let top = books.top(id);
        let (best, shares) = match side {
            Side::Buy => (top.ask_px, top.ask_qty),
            Side::Sell => (top.bid_px, top.bid_qty),
        };
        if shares == 0 || !crosses(side, limit, best) {
            return;
        }
        let mut met = std::mem::take(&mut self.met);
        met.clear();
        let mut left = own.open;
        let hidden = |r: VenueRef| if self.rules.impact == Impact::None { self.missing.of(r) } else { 0 };
        books.walk(id, side.opposite(), |r, px, qty| {
            if !crosses(side, limit, px) || left == 0 {
                return false;
            }
            let qty = qty.0.saturating_sub(hidden(r)).min(left);
            if qty != 0 {
                met.push((r, px, qty));
                left -= qty;
            }
            left != 0
        });
        for (r, px, qty) in met.drain(..) {
            let match_number = self.next_match;
            self.next_match += 1;
            own.open -= qty;
            own.spent += qty;
            self.counts.taken += u64::from(qty);
            let kind = ReportKind::Executed { qty: Qty(qty), px, match_number, liquidity: b'R' };
            self.report(own.gateway, own.token, kind, said);
            self.missing.add(r, qty);
            if self.rules.impact == Impact::Displayed {
                let body = MarketBody::Execute { order: r, qty: Qty(qty), match_number };
                let event = MarketEvent { ts_event: self.now, instrument: id, body };
                self.lost.push(event);
                said.events.push(event);
            }
        }
        self.met = met;
    }
}
