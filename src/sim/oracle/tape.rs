//! The venue's books as of any message, made by hand of what it published (ITCH 5.0). At rest they are held to the venue's own floor.

use std::collections::{BTreeMap, HashMap};

use model::{Px, Qty, Side, Symbol};

use crate::exchange::Venue;

/// An order at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) locate: u16,
    pub(crate) side: Side,
    pub(crate) px: i64,
    pub(crate) shares: u32,
    /// Later ones stand behind earlier ones in a level.
    arrival: u64,
}

/// One symbol.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Shares by price.
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
    /// Orders at rest: bids, offers.
    resting: [usize; 2],
    /// The last word on trading; 0 before the first.
    pub(crate) trading: u8,
}

impl Listing {
    /// Best price of a side and the shares there; zeros where it is empty.
    pub(crate) fn best(&self, side: Side) -> (Px, u64) {
        let best = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        best.map_or((Px::ZERO, 0), |(px, shares)| (Px(*px), *shares))
    }

    fn levels(&mut self, side: Side) -> &mut BTreeMap<i64, u64> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tape {
    orders: HashMap<u64, Resting>,
    listings: Vec<Listing>,
    locates: BTreeMap<Symbol, u16>,
    arrivals: u64,
    /// The next message that is not in the books.
    pub(crate) next: u64,
    /// Orders that were named since [`Tape::touched`] was last emptied.
    pub(crate) touched: Vec<u64>,
}

fn int(m: &[u8], at: usize, n: usize) -> u64 {
    m[at..at + n].iter().fold(0u64, |v, b| v << 8 | u64::from(*b))
}

impl Tape {
    pub(crate) fn new() -> Tape {
        Tape {
            orders: HashMap::new(),
            listings: Vec::new(),
            locates: BTreeMap::new(),
            arrivals: 0,
            next: 1,
            touched: Vec::new(),
        }
    }

    /// Goes to just before message `next`, which may lie behind.
    pub(crate) fn advance(&mut self, venue: &Venue, next: u64) {
        if next < self.next {
            *self = Tape::new();
        }
        while self.next < next {
            let Some(message) = venue.published(self.next) else { return };
            self.apply(message);
            self.next += 1;
        }
    }

    /// A symbol's side of it; nothing before it is listed.
    pub(crate) fn listing(&self, symbol: Symbol) -> Option<&Listing> {
        self.listings.get(usize::from(*self.locates.get(&symbol)?))
    }

    /// An order at rest.
    pub(crate) fn order(&self, reference: u64) -> Option<Resting> {
        self.orders.get(&reference).copied()
    }

    /// The number by which messages name a symbol.
    pub(crate) fn locate(&self, symbol: Symbol) -> Option<u16> {
        self.locates.get(&symbol).copied()
    }

    /// Whether a side of a symbol, told in queue order and best first, is all that rests there; else the first that is wrong. Reference, price, shares.
    pub(crate) fn holds(
        &self,
        symbol: Symbol,
        side: Side,
        told: &[(u64, Px, Qty)],
    ) -> Result<(), (usize, Option<Resting>)> {
        let Some(locate) = self.locate(symbol) else {
            return if told.is_empty() { Ok(()) } else { Err((0, None)) };
        };
        let mut before = (i64::MIN, 0);
        for (k, (reference, px, shares)) in told.iter().enumerate() {
            let found = self.order(*reference);
            let is_it = |o: &Resting| (o.locate, o.side, o.px, o.shares) == (locate, side, px.0, shares.0);
            let Some(order) = found.filter(is_it) else { return Err((k, found)) };
            let place = (-side.sign() * order.px, order.arrival);
            if place <= before {
                return Err((k, found));
            }
            before = place;
        }
        let resting = self.listing(symbol).map_or(0, |l| l.resting[side as usize]);
        if resting == told.len() { Ok(()) } else { Err((told.len(), None)) }
    }

    fn apply(&mut self, m: &[u8]) {
        let id = |at| int(m, at, 8);
        match m[0] {
            b'A' | b'F' => {
                let side = if m[19] == b'B' { Side::Buy } else { Side::Sell };
                let (shares, px) = (int(m, 20, 4) as u32, int(m, 32, 4) as i64);
                self.add(id(11), Resting { locate: int(m, 1, 2) as u16, side, px, shares, arrival: 0 });
            }
            b'E' | b'C' | b'X' => self.reduce(id(11), int(m, 19, 4) as u32),
            b'D' => self.reduce(id(11), u32::MAX),
            b'U' => {
                let old = self.orders.get(&id(11)).copied();
                self.reduce(id(11), u32::MAX);
                if let Some(old) = old {
                    let (shares, px) = (int(m, 27, 4) as u32, int(m, 31, 4) as i64);
                    self.add(id(19), Resting { px, shares, ..old });
                }
            }
            b'R' => {
                let locate = int(m, 1, 2) as u16;
                let mut symbol = [0; 8];
                symbol.copy_from_slice(&m[11..19]);
                self.locates.insert(Symbol(symbol), locate);
                let room = usize::from(locate) + 1;
                self.listings.resize_with(room.max(self.listings.len()), Listing::default);
            }
            b'H' => {
                if let Some(listing) = self.listings.get_mut(int(m, 1, 2) as usize) {
                    listing.trading = m[19];
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, reference: u64, order: Resting) {
        self.arrivals += 1;
        self.touched.push(reference);
        if let Some(listing) = self.listings.get_mut(usize::from(order.locate)) {
            *listing.levels(order.side).entry(order.px).or_default() += u64::from(order.shares);
            listing.resting[order.side as usize] += 1;
        }
        self.orders.insert(reference, Resting { arrival: self.arrivals, ..order });
    }

    fn reduce(&mut self, reference: u64, shares: u32) {
        self.touched.push(reference);
        let Some(order) = self.orders.get_mut(&reference) else { return };
        let gone = shares.min(order.shares);
        order.shares -= gone;
        let order = *order;
        if order.shares == 0 {
            self.orders.remove(&reference);
        }
        let Some(listing) = self.listings.get_mut(usize::from(order.locate)) else { return };
        listing.resting[order.side as usize] -= usize::from(order.shares == 0);
        let levels = listing.levels(order.side);
        if let Some(level) = levels.get_mut(&order.px) {
            *level -= u64::from(gone);
            if *level == 0 {
                levels.remove(&order.px);
            }
        }
    }
}
