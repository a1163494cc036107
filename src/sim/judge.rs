//! What is looked at after every step: books, decisions, exposure, and where nothing is in flight, orders and ledger.

use engine::book::Books;
use engine::{InstrumentState, OrderState, Soundness};
use model::{
    BreakerLevel, CommandKind, HaltReason, InstrumentId, OrderCommand, Px, Qty, Side, Symbol, VenueRef,
};

use super::lines::Lines;
use super::oracle::ask::Ask;
use super::oracle::requests::Requests;
use super::oracle::tape::Tape;
use super::oracle::{Check, Invariant, Violation, violated};
use super::process::{GATEWAY, Process};
use super::streams::Streams;
use crate::exchange::{AccountView, Venue};

/// Comparisons after which whole books are compared.
const WHOLE_EVERY: u64 = 16_384;
/// How far marks move within a packet, in thousandths.
const MARKS_MOVE: i128 = 5;
/// ITCH: the symbol trades.
const TRADES: u8 = b'T';

/// See the module.
pub(super) struct Judge {
    symbols: Vec<Symbol>,
    tape: Tape,
    /// A side of a book, in queue order; kept for its room.
    queue: Vec<(u64, Px, Qty)>,
    /// The next message that the core has not heard of, as far as it is known; and as the feed last said.
    next: u64,
    told: u64,
    /// The strategy has taken all that has passed to it.
    is_whole: bool,
    is_latched: bool,
    was_sound: Vec<bool>,
    /// The word on trading of each symbol before the packet that the strategy takes.
    traded: Vec<u8>,
    /// How far trading was restrained before the strategy's cycle: as it was told to, and as it says itself.
    was_told: BreakerLevel,
    restrained: BreakerLevel,
    /// The venue's ledger, as it was when the account had been told so much.
    account: Option<(u64, AccountView)>,
    decided: u64,
    /// Nothing was in flight at the end of the last step, and all was well.
    pub(super) is_at_rest: bool,
    rested: (u64, u64),
    /// Comparisons of best prices, and of whole books.
    pub(super) compared: u64,
    pub(super) whole: u64,
    /// Orders that were sent while only such were allowed as take a position down.
    pub(super) reducing: u64,
    /// Orders measured by limits of money, and times at rest at which too much was lost.
    pub(super) measured: u64,
    pub(super) stopped: u64,
    /// What the core valued each symbol at before the strategy's cycle.
    marks: Vec<Px>,
    /// What the day may lose, 1e-4 USD.
    loss: Option<i128>,
}

/// An order as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Living {
    token: u32,
    symbol: Symbol,
    buys: bool,
    px: i64,
    open: u32,
    spent: u32,
}

impl Judge {
    pub(super) fn new(symbols: Vec<Symbol>, loss: Option<i64>) -> Judge {
        let n = symbols.len();
        Judge {
            symbols,
            tape: Tape::new(),
            queue: Vec::new(),
            next: 1,
            told: u64::MAX,
            is_whole: true,
            is_latched: false,
            was_sound: vec![false; n],
            traded: vec![0; n],
            was_told: BreakerLevel::Normal,
            restrained: BreakerLevel::Normal,
            reducing: 0,
            measured: 0,
            stopped: 0,
            marks: vec![Px::ZERO; n],
            loss: loss.map(|dollars| i128::from(dollars) * 10_000),
            account: None,
            decided: 0,
            is_at_rest: false,
            rested: (u64::MAX, u64::MAX),
            compared: 0,
            whole: 0,
        }
    }

    /// Another process has no book.
    pub(super) fn forget(&mut self) {
        self.was_sound.fill(false);
        self.told = u64::MAX;
        self.is_latched = false;
        self.is_at_rest = false;
        self.rested = (u64::MAX, u64::MAX);
    }

    /// The strategy is about to take what has passed to it.
    pub(super) fn before(&mut self, p: &Process) {
        self.was_told = p.told;
        for (mark, position) in self.marks.iter_mut().zip(p.engine().positions().all()) {
            *mark = position.mark;
        }
        // What a person's word may take back in this cycle is not held against it.
        self.restrained = if p.resumes { BreakerLevel::Normal } else { p.engine().level() };
        for (word, symbol) in self.traded.iter_mut().zip(&self.symbols) {
            *word = self.tape.listing(*symbol).map_or(0, |l| l.trading);
        }
    }

    /// The strategy has taken it: books that are said to be sound are the venue's, and not behind what the lines have told of.
    pub(super) fn books(&mut self, p: &Process, venue: &Venue, lines: &Lines) -> Check {
        self.is_whole = p.market.to.free() == p.market.to.capacity();
        // A core that its journal has halted for good takes no more market data, and ends.
        self.is_latched |= p.engine().halted() == Some(HaltReason::Journal) || p.strategy.failure().is_some();
        if !self.is_whole || self.is_latched {
            return Ok(());
        }
        if let Some(next) = p.market.next {
            // Behind what was told before: a process that has just begun, or a stream that is read again.
            self.next = if next < self.told { next } else { self.next.max(next) };
            self.told = next;
        }
        let is_sound = |i: &InstrumentState| i.soundness == Soundness::Sound;
        if p.market.from.is_empty() && lines.are_read() && p.engine().instruments().all().iter().any(is_sound)
        {
            self.next = self.next.max(lines.shown());
        }
        if self.next != self.tape.next {
            self.tape.advance(venue, self.next);
        }
        self.compare(p)
    }

    fn compare(&mut self, p: &Process) -> Check {
        let engine = p.engine();
        let mut touched = std::mem::take(&mut self.tape.touched);
        let is_touched = !touched.is_empty();
        let mut any_sound = false;
        for k in 0..self.symbols.len() {
            let id = InstrumentId(k as u16);
            let is_sound = engine.instruments().of(id).soundness == Soundness::Sound;
            let is_new = is_sound && !self.was_sound[k];
            self.was_sound[k] = is_sound;
            any_sound |= is_sound;
            if !is_sound || !(is_touched || is_new) {
                continue;
            }
            self.compared += 1;
            let top = engine.top(id);
            let best = |side| self.tape.listing(self.symbols[k]).map_or((Px::ZERO, 0), |l| l.best(side));
            let venue = [best(Side::Buy), best(Side::Sell)];
            if [(top.bid_px, top.bid_qty), (top.ask_px, top.ask_qty)] != venue {
                return Err(self.differs(k, format!("{top:?} where the venue's best are {venue:?}")));
            }
            if is_new || self.compared.is_multiple_of(WHOLE_EVERY) {
                self.compare_whole(p, k)?;
            }
        }
        if any_sound {
            for reference in &touched {
                self.compare_order(p, *reference)?;
            }
        }
        // Its room is kept.
        touched.clear();
        self.tape.touched = touched;
        Ok(())
    }

    fn compare_order(&self, p: &Process, reference: u64) -> Check {
        let ours = p.engine().book(InstrumentId(0)).order(VenueRef(reference));
        let venue = self.tape.order(reference);
        let of = |locate| self.symbols.iter().position(|s| self.tape.locate(*s) == Some(locate));
        let k = match (venue, ours) {
            (Some(o), _) => of(o.locate),
            (None, Some(o)) => Some(o.instrument.index()),
            (None, None) => None,
        };
        let Some(k) = k.filter(|k| self.was_sound[*k]) else { return Ok(()) };
        let ours = ours.map(|o| (o.instrument.index(), o.side, o.px, o.qty));
        let venue = venue.map(|o| (k, o.side, Px(o.px), Qty(o.shares)));
        if ours == venue {
            return Ok(());
        }
        Err(self.differs(k, format!("order {reference} is {ours:?} and {venue:?} at the venue")))
    }

    fn compare_whole(&mut self, p: &Process, k: usize) -> Check {
        self.whole += 1;
        let id = InstrumentId(k as u16);
        let mut ours = std::mem::take(&mut self.queue);
        for side in [Side::Buy, Side::Sell] {
            ours.clear();
            p.engine().book(id).for_each_order(id, side, |r, px, qty| ours.push((r.0, px, qty)));
            self.holds(k, side, &ours)?;
        }
        self.queue = ours;
        Ok(())
    }

    fn holds(&self, k: usize, side: Side, told: &[(u64, Px, Qty)]) -> Check {
        self.tape.holds(self.symbols[k], side, told).map_err(|(at, venue)| {
            let (ours, n) = (told.get(at), told.len());
            self.differs(k, format!("{side:?}, order {at} of {n}: {ours:?}, the venue's {venue:?}"))
        })
    }

    #[cold]
    fn differs(&self, k: usize, what: String) -> Violation {
        let (symbol, next) = (self.symbols[k], self.tape.next);
        violated(Invariant::Book, format!("{symbol} is marked sound before message {next}: {what}"))
    }

    /// A decision has passed: it may be one that is allowed.
    pub(super) fn decision(
        &mut self,
        p: &Process,
        command: &OrderCommand,
        ask: &Ask,
        symbol: Symbol,
        requests: &Requests,
    ) -> Check {
        if !matches!(command.kind, CommandKind::New { .. } | CommandKind::Replace { .. }) {
            return Ok(());
        }
        let level = self.was_told.min(p.told).max(self.restrained.min(p.engine().level()));
        match level {
            BreakerLevel::Normal => {}
            BreakerLevel::ReduceOnly => {
                self.reducing += 1;
                if let Some((_, account)) = &self.account {
                    requests.reduces(ask, account, symbol)?;
                }
            }
            BreakerLevel::CancelOnly => {
                let found = format!("{command:?} is sent while only cancels may be");
                return Err(violated(Invariant::Restrained, found));
            }
            BreakerLevel::Halted => {
                let found = format!("{command:?} is sent while trading is halted");
                return Err(violated(Invariant::Halted, found));
            }
        }
        let before = self.traded[command.instrument.index()];
        let after = self.tape.listing(symbol).map_or(0, |l| l.trading);
        // In the middle of a packet it is not known how far the strategy is.
        if self.is_whole && before != TRADES && after != TRADES {
            let (word, next) = (char::from(after), self.tape.next);
            let believed = p.engine().instruments().of(command.instrument);
            let (validity, state) = (believed.validity, believed.trading);
            let found = format!(
                "{command:?} is sent into {symbol}, which is {word:?} before message {next}; the core has {validity:?}, {state:?}"
            );
            return Err(violated(Invariant::Trading, found));
        }
        Ok(())
    }

    /// A decision is in flight: all positions together may not come to more money with it than they may. What is held and open is the venue's; the marks are the
    /// core's, the lower of those before and behind the packet, for which one looked at in between may stand (see `ledger`).
    pub(super) fn money(
        &mut self,
        p: &Process,
        ask: &Ask,
        requests: &Requests,
        [gross, net]: [i64; 2],
    ) -> Check {
        let Some((_, account)) = &self.account else { return Ok(()) };
        let Some((symbol, side)) = requests.raises(ask, account).filter(|_| !requests.is_in_doubt()) else {
            return Ok(());
        };
        self.measured += 1;
        let (mut all, mut way, mut is_more) = (0, 0, false);
        for (k, s) in self.symbols.iter().enumerate() {
            let mark = p.engine().positions().of(InstrumentId(k as u16)).mark.min(self.marks[k]).0;
            let worst = requests.worst(account, *s);
            let [up, down] = worst;
            all += i128::from(up.max(down)) * i128::from(mark);
            way += i128::from(worst[side as usize]) * i128::from(mark);
            // One that takes a position down makes the sum no larger.
            is_more |= *s == symbol && worst[side as usize] == up.max(down);
        }
        let most = |dollars: i64| i128::from(dollars) * 10_000 * (1_000 + MARKS_MOVE) / 1_000;
        if (is_more && all > most(gross)) || way > most(net) {
            let found = format!(
                "{ask:?} is sent, with which all may come to {all} in 1e-4 USD, {way} one way; the limits are {gross} and {net} USD"
            );
            return Err(violated(Invariant::Money, found));
        }
        Ok(())
    }

    /// The worst that can come of what is open and in flight.
    pub(super) fn orders(&mut self, venue: &Venue, requests: &Requests) -> Check {
        let told = venue.told(0);
        if self.account.as_ref().is_none_or(|(at, _)| *at != told) {
            self.account = venue.account("user01").map(|view| (told, view));
        } else if self.decided == requests.decided {
            return Ok(());
        }
        self.decided = requests.decided;
        match &self.account {
            Some((_, view)) => requests.bounded(view, &self.symbols),
            None => Ok(()),
        }
    }

    /// Whether nothing is in flight; then live orders, positions and cash are the venue's. Looked at when something has changed.
    pub(super) fn rest(
        &mut self,
        p: &Process,
        venue: &Venue,
        streams: &Streams,
        requests: &mut Requests,
    ) -> Result<bool, Violation> {
        let engine = p.engine();
        let nothing_waits = p.is_idle()
            && p.orders.to.free() == p.orders.to.capacity()
            && p.reports.to.free() == p.reports.to.capacity();
        // What waits for room in the throttle is on its way too.
        let all_left = engine.pace(GATEWAY).is_none_or(|pace| pace.waiting == 0);
        let rests = engine.is_ready(GATEWAY)
            && nothing_waits
            && all_left
            && streams.has_session()
            && requests.is_quiet(p.reports.epoch)
            && streams.are_quiet(venue);
        self.is_at_rest = rests;
        let seen = (venue.told(0), requests.decided);
        if !rests || seen == self.rested {
            return Ok(false);
        }
        self.rested = seen;
        let Some((_, account)) = &self.account else { return Ok(false) };
        self.live_set(p, account)?;
        let pnl = self.ledger(p, account)?;
        self.stopped += u64::from(self.is_stopped(p, account, pnl)?);
        requests.settled(account);
        Ok(true)
    }

    fn live_set(&self, p: &Process, account: &AccountView) -> Check {
        let orders = p.engine().orders();
        if let Some(o) = orders.iter().find(|o| o.state() != OrderState::Live) {
            let found = format!("nothing is in flight, and order {} is {:?}", o.token, o.state());
            return Err(violated(Invariant::LiveSet, found));
        }
        let mut ours: Vec<Living> = orders
            .iter()
            .map(|o| Living {
                token: o.token.0,
                symbol: self.symbols[o.instrument.index()],
                buys: o.side == Side::Buy,
                px: o.px.0,
                open: o.open.0,
                spent: o.executed.0 + o.prevented.0,
            })
            .collect();
        ours.sort_unstable();
        let theirs = account.live_orders.iter().map(|o| Living {
            token: o.number,
            symbol: o.symbol,
            buys: o.side == Side::Buy,
            px: o.px.0,
            open: o.open.0,
            spent: o.spent.0,
        });
        let mut theirs: Vec<Living> = theirs.collect();
        theirs.sort_unstable();
        if ours == theirs {
            return Ok(());
        }
        let only = |a: &[Living], b: &[Living]| a.iter().copied().find(|o| !b.contains(o));
        let found =
            format!("ours alone {:?}, the venue's alone {:?}", only(&ours, &theirs), only(&theirs, &ours));
        Err(violated(Invariant::LiveSet, found))
    }

    fn ledger(&self, p: &Process, account: &AccountView) -> Result<i128, Violation> {
        let (mut cash, mut held) = (0, 0);
        for (k, symbol) in (0..).zip(&self.symbols) {
            let position = p.engine().positions().of(InstrumentId(k));
            cash += i128::from(position.cash.0);
            let theirs = account.positions.get(symbol).copied().unwrap_or(0);
            held += i128::from(theirs) * i128::from(position.mark.0);
            if position.shares != theirs {
                let found = format!("{symbol}: position {}, the venue's {theirs}", position.shares);
                return Err(violated(Invariant::Ledger, found));
            }
        }
        if cash != account.cash_e4 {
            let found = format!("cash {cash}, the venue's {}, in 1e-4 USD", account.cash_e4);
            return Err(violated(Invariant::Ledger, found));
        }
        // Nothing was held in the morning, and there are no fees.
        let pnl = i128::from(p.engine().pnl().0);
        if pnl != account.cash_e4 + held {
            let found = format!("P&L {pnl}, by the venue's ledger {}, in 1e-4 USD", account.cash_e4 + held);
            return Err(violated(Invariant::Ledger, found));
        }
        Ok(pnl)
    }

    /// Whether more is lost than may be; then trading is halted, and nothing lives at the venue.
    fn is_stopped(&self, p: &Process, account: &AccountView, pnl: i128) -> Result<bool, Violation> {
        let is_beyond = self.loss.is_some_and(|most| pnl <= -most);
        let is_halted = p.engine().halted().is_some_and(|why| why != HaltReason::Operator);
        if is_beyond && !(is_halted && account.live_orders.is_empty()) {
            let (halted, live) = (p.engine().halted(), account.live_orders.len());
            let found = format!("P&L {pnl} in 1e-4 USD, halted {halted:?}, {live} orders live");
            return Err(violated(Invariant::StopLoss, found));
        }
        Ok(is_beyond)
    }

    /// Whether every book is sound and where the venue is.
    pub(super) fn is_level(&self, p: &Process, venue: &Venue) -> bool {
        self.tape.next == venue.counts().messages + 1
            && p.engine().instruments().all().iter().all(|i| i.soundness == Soundness::Sound)
    }

    /// What the venue published is its own floor's book: else nothing above has meant anything.
    pub(super) fn floor(&self, venue: &Venue) -> Check {
        for (k, symbol) in self.symbols.iter().enumerate() {
            let Some(book) = venue.book_snapshot(*symbol) else { continue };
            for (side, orders) in [(Side::Buy, book.bids), (Side::Sell, book.asks)] {
                let own: Vec<_> = orders.iter().map(|o| (o.order_ref, o.px, o.shares)).collect();
                self.holds(k, side, &own)?;
            }
        }
        Ok(())
    }

    /// Where the core stands, for a person.
    pub(super) fn describe(&self, p: &Process, venue: &Venue, streams: &Streams) -> String {
        let engine = p.engine();
        let sound = engine.instruments().all().iter().filter(|i| i.soundness == Soundness::Sound).count();
        format!(
            "not at rest with nothing in the way: {sound} books sound at message {} of {}, session ready {}, bytes under way {}, {} orders open",
            self.tape.next,
            venue.counts().messages,
            engine.is_ready(GATEWAY),
            !streams.are_quiet(venue),
            engine.orders().open(),
        )
    }
}
