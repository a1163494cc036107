//! The trading floor: where books, the tape and the accounts meet.
//!
//! ```text
//!  order entry ---+                    +--> ITCH message on the tape (every change of a book, before anything else sees it)
//!                 +--> Floor --> Book -+
//!  flow ----------+                    +--> fill in the ledger, report in the account's stream
//! ```
//!
//! Invariants: nothing changes a book but through here, and every change is published in the order it happened, so that the tape rebuilds
//! exactly the books; order and match numbers are given once a day; a trade's two sides carry one match number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Px, Qty, Side, Symbol};

use super::accounts::{Account, Match, Order};
use super::auction;
use super::bands::BandState;
use super::entry::{Reason, Report};
use super::itch::{self, InstrumentState, Mpid, Stamp};
use super::market::{HaltedOrders, MarketRules};
use super::matching::{Book, Hit, OrderKey, Owner, Resting, Verdict};
use super::mold::Publisher;
use super::order_entry;
use super::soup::Login;

/// Why a trade is broken or corrected: a person at the venue did it.
const SUPERVISORY: u8 = Reason::Supervisory.letter();

/// Which orders cannot be canceled or replaced now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// None.
    No,
    /// Those for the cross.
    CrossOrders,
    /// All of the symbol.
    All,
}

/// A symbol that trades here.
#[derive(Debug)]
pub struct Listing {
    /// Ticker.
    pub symbol: Symbol,
    /// Its book.
    pub book: Book,
    /// ITCH trading state: `T` trades.
    pub state: u8,
    /// Why, as it was said.
    pub state_reason: [u8; 4],
    /// Reg SHO action as last said.
    pub reg_sho: u8,
    /// Operational halts as last said, by market code.
    pub operational: BTreeMap<u8, u8>,
    /// Which orders cannot be canceled now, shortly before an auction.
    pub late: Late,
    /// Its price bands.
    pub bands: BandState,
    /// The last trade's price, of those that everybody sees.
    pub last_px: Option<Px>,
}

/// An order that comes to trade.
#[derive(Clone, Copy, Debug)]
pub struct Aggressor {
    /// Its side.
    pub side: Side,
    /// The worst price it takes.
    pub limit: Px,
    /// Its shares.
    pub shares: Qty,
    /// Whose it is, where it is an account's.
    pub taker: Option<OrderKey>,
}

/// One resting order that trades away from its price.
#[derive(Clone, Copy, Debug)]
pub struct AtPrice {
    /// The resting order's number.
    pub id: u64,
    /// The trade's price.
    pub px: Px,
    /// Whether the trade counts in volume.
    pub printable: bool,
}

/// A trade, as everybody may know it.
#[derive(Clone, Copy, Debug)]
pub struct Print {
    /// Where.
    pub listing: usize,
    /// At what price.
    pub px: Px,
    /// How much.
    pub shares: Qty,
    /// Its number.
    pub number: u64,
    /// The side of the order that was at rest.
    pub maker: Side,
}

/// Books, tape, accounts.
#[derive(Debug)]
pub struct Floor {
    /// Time of what happens now, ns since midnight.
    pub now: u64,
    /// The market data channel.
    pub tape: Publisher,
    /// Symbols, in the order of their locates (from 1).
    pub listings: Vec<Listing>,
    /// Accounts, in the order of the configuration.
    pub accounts: Vec<Account>,
    /// What holds for the market.
    pub rules: MarketRules,
    /// Whether the day has begun and is not over.
    pub is_open: bool,
    /// When it began.
    pub opened_at: u64,
    /// Whether it is within market hours.
    pub is_market_open: bool,
    /// When imbalances are said next.
    pub next_imbalance: u64,
    /// Orders that live until a time; some are dead already, which is seen when it comes.
    pub expiries: BTreeSet<(u64, OrderKey)>,
    /// The last system event that was said.
    pub phase: Option<u8>,
    /// Whose name the orders bear that were added with one, also of those that are gone: a day's worth of them is not much.
    attributions: HashMap<u64, Mpid>,
    by_symbol: HashMap<Symbol, usize>,
    /// Trades since somebody last took them; `None`: nobody does.
    prints: Option<Vec<Print>>,
    next_id: u64,
    next_match: u64,
}

impl Floor {
    /// A floor without listings.
    #[must_use]
    pub fn new(tape: Publisher, accounts: Vec<Account>, rules: MarketRules) -> Floor {
        Floor {
            now: 0,
            tape,
            listings: Vec::new(),
            accounts,
            rules,
            is_open: false,
            opened_at: 0,
            is_market_open: false,
            next_imbalance: 0,
            expiries: BTreeSet::new(),
            phase: None,
            attributions: HashMap::new(),
            by_symbol: HashMap::new(),
            prints: None,
            next_id: 1,
            next_match: 1,
        }
    }

    /// Where a symbol is listed.
    #[must_use]
    pub fn find(&self, symbol: Symbol) -> Option<usize> {
        self.by_symbol.get(&symbol).copied()
    }

    /// Lists a symbol and says so. `None` when the 16-bit locates are used up.
    pub fn list(&mut self, symbol: Symbol) -> Option<usize> {
        let listing = self.listings.len();
        if listing >= usize::from(u16::MAX) {
            return None;
        }
        self.by_symbol.insert(symbol, listing);
        self.listings.push(Listing {
            symbol,
            book: Book::default(),
            state: b'T',
            state_reason: *b"    ",
            reg_sho: b'0',
            operational: BTreeMap::new(),
            late: Late::No,
            bands: BandState::default(),
            last_px: None,
        });
        self.publish(&itch::directory(self.stamp(listing), symbol));
        self.publish(&itch::trading_action(self.stamp(listing), symbol, b'T', *b"    "));
        self.publish(&itch::reg_sho(self.stamp(listing), symbol, b'0'));
        Some(listing)
    }

    /// Changes a symbol's trading state (`T`, `H`, `P`, `Q`) and says so.
    pub fn set_state(&mut self, listing: usize, state: u8, reason: [u8; 4]) {
        let symbol = self.listings[listing].symbol;
        self.listings[listing].state = state;
        self.listings[listing].state_reason = reason;
        self.publish(&itch::trading_action(self.stamp(listing), symbol, state, reason));
    }

    /// Stops trading in a symbol (`H` halted, `P` paused); its orders wait or are canceled.
    pub fn halt(&mut self, listing: usize, state: u8, reason: [u8; 4]) {
        self.set_state(listing, state, reason);
        if self.rules.halted == HaltedOrders::Cancel {
            order_entry::cancel_of_all(self, Reason::Halted, |o| o.listing == listing);
        }
    }

    /// Lets a symbol trade again, by a cross where orders were collected for one.
    pub fn resume(&mut self, listing: usize) {
        let is_for_it = |o: &Order| o.listing == listing && o.cross_type == b'H';
        let is_collected = self.accounts.iter().any(|a| a.orders.values().any(is_for_it));
        if self.listings[listing].state != b'T' && is_collected {
            auction::cross(self, listing, b'H');
        }
        self.set_state(listing, b'T', *b"    ");
    }

    /// The worst price at which an order trades now: its limit or, where it has none, the bands'.
    #[must_use]
    pub fn market_limit(&self, order: &Order) -> Px {
        let bands = self.limits(order.listing).filter(|_| order.is_market());
        match (bands, order.side) {
            (None, _) => order.limit(),
            (Some((_, upper)), Side::Buy) => upper,
            (Some((lower, _)), Side::Sell) => lower,
        }
    }

    /// Says something about the market as a whole.
    pub fn system_event(&mut self, code: u8) {
        self.phase = Some(code);
        self.publish(&itch::system_event(self.now, code));
    }

    /// Says what another venue said, under this venue's locate and time.
    pub fn relay(&mut self, listing: Option<usize>, message: &[u8]) {
        let stamp = listing.map_or(Stamp { locate: 0, now: self.now }, |l| self.stamp(l));
        if let Some(listing) = listing {
            let listing = &mut self.listings[listing];
            match itch::instrument_state(message) {
                Some(InstrumentState::RegSho(action)) => listing.reg_sho = action,
                Some(InstrumentState::Operational { market, action }) => {
                    listing.operational.insert(market, action);
                }
                None => {}
            }
        }
        self.publish(&itch::restamped(stamp, message));
    }

    /// A trade with hidden liquidity; no book changes.
    pub fn hidden_trade(&mut self, listing: usize, shares: Qty, px: Px) {
        let number = self.take_match_number();
        let symbol = self.listings[listing].symbol;
        self.publish(&itch::trade(self.stamp(listing), symbol, shares, px, number));
        self.print(Print { listing, px, shares, number, maker: Side::Buy });
    }

    /// Trades are kept from now on; who asks for that takes them.
    pub fn listen_to_trades(&mut self) {
        self.prints.get_or_insert_default();
    }

    /// Trades since they were last taken.
    pub fn take_trades(&mut self) -> Vec<Print> {
        self.prints.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn print(&mut self, print: Print) {
        if let Some(prints) = &mut self.prints {
            prints.push(print);
        }
    }

    /// A new order reference number.
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// The orders at rest that an aggressor's limit reaches, best first.
    pub fn reached(&self, listing: usize, side: Side, limit: Px) -> impl Iterator<Item = &Resting> {
        self.listings[listing].book.queue(side.opposite()).take_while(move |o| match side {
            Side::Buy => o.px <= limit,
            Side::Sell => o.px >= limit,
        })
    }

    /// Whether an aggressor would change the book.
    #[must_use]
    pub fn would_hit(
        &self,
        listing: usize,
        side: Side,
        limit: Px,
        verdict: impl Fn(&Resting) -> Verdict,
    ) -> bool {
        self.reached(listing, side, limit).any(|o| verdict(o) != Verdict::Pass)
    }

    /// Sends an aggressor through the book; publishes, books and reports every trade. Returns the shares it has left.
    pub fn aggress(
        &mut self,
        listing: usize,
        aggressor: Aggressor,
        at: Option<AtPrice>,
        mut verdict: impl FnMut(&Resting) -> Verdict,
    ) -> Qty {
        let Aggressor { side, limit, shares, .. } = aggressor;
        let mut left = shares;
        loop {
            let hits = self.listings[listing].book.aggress(side, limit, left, &mut verdict);
            let mut refreshed = false;
            for hit in hits {
                left = Qty(left.0 - hit.shares.0);
                refreshed |= self.trade(listing, &aggressor, at, &hit);
            }
            // What a reserve order shows anew is behind all that was there, and still in reach.
            if !refreshed || left.is_zero() {
                return left;
            }
        }
    }

    /// One trade. Returns whether a reserve order shows more shares because of it.
    fn trade(&mut self, listing: usize, aggressor: &Aggressor, at: Option<AtPrice>, hit: &Hit) -> bool {
        let (stamp, maker, shares) = (self.stamp(listing), hit.maker, hit.shares);
        let number = self.take_match_number();
        let at = at.filter(|at| at.id == maker.id);
        let px = at.map_or(maker.px, |at| at.px);
        let message = match at {
            _ if !maker.is_shown => itch::trade(stamp, self.listings[listing].symbol, shares, px, number),
            Some(at) => itch::executed_at(stamp, maker.id, shares, number, at.printable, px),
            None => itch::executed(stamp, maker.id, shares, number),
        };
        self.publish(&message);
        self.print(Print { listing, px, shares, number, maker: maker.side });
        self.listings[listing].last_px = Some(px);
        let removed = Match { number, trade: number, px, liquidity: b'R' };
        let mut refreshed = false;
        if let Owner::Account(key) = maker.owner {
            let account = &mut self.accounts[usize::from(key.account)];
            let open = account.fill(self.now, key, shares, &Match { liquidity: b'A', ..removed });
            if !open.is_zero() && self.listings[listing].book.get(maker.id).is_none() {
                self.refresh(key);
                refreshed = true;
            }
        }
        if let Some(key) = aggressor.taker {
            self.accounts[usize::from(key.account)].fill(self.now, key, shares, &removed);
        }
        refreshed
    }

    /// Shows more of a reserve order, behind all others at its price, under another number.
    pub fn refresh(&mut self, key: OrderKey) {
        let order_ref = self.take_id();
        let account = &mut self.accounts[usize::from(key.account)];
        let Some(order) = account.orders.get_mut(&key.name()) else { return };
        order.id = order_ref;
        let (order, shown) = (*order, order.shown());
        account.tell(self.now, &Report::Refreshed { name: key.name(), shown, order_ref });
        self.rest(order.listing, order.resting(key), order.mpid());
    }

    /// Undoes the last trade of an account that stands.
    pub fn break_last_trade_of(&mut self, account: u16) {
        if let Some(trade) = self.accounts[usize::from(account)].last_trade() {
            self.break_trade(trade);
        }
    }

    /// Undoes a trade: in the ledger, for all its sides, on the tape. Returns the numbers of its matches.
    pub fn break_trade(&mut self, trade: u64) -> BTreeSet<u64> {
        let mut broken = BTreeSet::new();
        for account in &mut self.accounts {
            broken.extend(account.break_fills(self.now, trade, SUPERVISORY));
        }
        for (match_number, listing) in &broken {
            self.publish(&itch::broken_trade(self.stamp(*listing), *match_number));
        }
        broken.into_iter().map(|(match_number, _)| match_number).collect()
    }

    /// Gives a match another price, in the ledger and for all its sides. The tape has no word for it.
    pub fn correct_match(&mut self, match_number: u64, px: Px) {
        for account in &mut self.accounts {
            account.correct_fills(self.now, match_number, px, SUPERVISORY);
        }
    }

    /// Trades what an account's last cancel took off, after all. The other side is nobody's here.
    pub fn late_fill(&mut self, account: u16) {
        let Some((name, order)) = self.accounts[usize::from(account)].last_canceled.take() else { return };
        if order.is_market() {
            return;
        }
        let number = self.take_match_number();
        self.publish(&itch::trade(self.stamp(order.listing), order.symbol, order.open, order.px, number));
        let m = Match { number, trade: number, px: order.px, liquidity: b'A' };
        self.accounts[usize::from(account)].fill_late(self.now, name, &order, &m);
    }

    /// Rests an order and publishes it, attributed where `mpid` is given.
    pub fn rest(&mut self, listing: usize, order: Resting, mpid: Option<Mpid>) {
        let symbol = self.listings[listing].symbol;
        self.listings[listing].book.rest(order);
        if !order.is_shown {
            return;
        }
        if let Some(mpid) = mpid {
            self.attributions.insert(order.id, mpid);
        }
        let Resting { id, side, px, shares, .. } = order;
        self.publish(&itch::add(self.stamp(listing), symbol, id, side, shares, px, mpid));
    }

    /// Takes at most `shares` off an order at rest and publishes it. Returns the shares that went.
    pub fn reduce(&mut self, listing: usize, id: u64, shares: Qty) -> Qty {
        let stamp = self.stamp(listing);
        let is_shown = self.listings[listing].book.get(id).is_some_and(|o| o.is_shown);
        let gone = self.listings[listing].book.reduce(id, shares);
        if !gone.is_zero() && is_shown {
            let message = match self.listings[listing].book.get(id) {
                Some(_) => itch::reduced(stamp, id, gone),
                None => itch::deleted(stamp, id),
            };
            self.publish(&message);
        }
        gone
    }

    /// Takes an order at rest off the book and publishes it.
    pub fn delete(&mut self, listing: usize, id: u64) -> Qty {
        self.reduce(listing, id, Qty(u32::MAX))
    }

    /// Moves an order at rest to the back of the queue at another price, under another number and size, and publishes it as one message.
    /// The caller has made sure that it trades with nobody there.
    ///
    /// # Panics
    /// If the order does not rest.
    pub fn replace(&mut self, listing: usize, old: u64, new: Resting) {
        self.listings[listing].book.remove(old).expect("an order that is replaced rests");
        self.listings[listing].book.rest(new);
        // A replace keeps the name.
        if let Some(mpid) = self.attributions.remove(&old) {
            self.attributions.insert(new.id, mpid);
        }
        self.publish(&itch::replaced(self.stamp(listing), old, new.id, new.shares, new.px));
    }

    /// The account that a login's name and password are for.
    #[must_use]
    pub fn account_of(&self, login: &Login) -> Option<u16> {
        let is_it = |a: &&Account| {
            a.credentials.username.eq_ignore_ascii_case(&login.username)
                && a.credentials.password.eq_ignore_ascii_case(&login.password)
        };
        self.accounts.iter().find(is_it).map(|a| a.index)
    }

    /// Says something to every account.
    pub fn tell_all(&mut self, report: &Report) {
        self.accounts.iter_mut().for_each(|a| a.tell(self.now, report));
    }

    /// Tells those that are told copies what accounts were told.
    pub fn tell_copies(&mut self) {
        for source in 0..self.accounts.len() {
            for told in self.accounts[source].take_copies() {
                for k in 0..self.accounts[source].copied_to.len() {
                    let to = usize::from(self.accounts[source].copied_to[k]);
                    self.accounts[to].tell_copy(source as u16, &told);
                }
            }
        }
    }

    /// Whose name an order bears.
    #[must_use]
    pub fn attribution(&self, id: u64) -> Option<Mpid> {
        self.attributions.get(&id).copied()
    }

    /// A new match number.
    pub fn take_match_number(&mut self) -> u64 {
        self.next_match += 1;
        self.next_match - 1
    }

    /// Of a message about a listing, now.
    #[must_use]
    pub fn stamp(&self, listing: usize) -> Stamp {
        // `list` never makes more than 65,535 of them.
        Stamp { locate: listing as u16 + 1, now: self.now }
    }

    /// Puts a message on the tape.
    pub fn publish(&mut self, message: &[u8]) {
        self.tape.publish(message);
    }
}
