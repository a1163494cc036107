//! Our orders: a table of slots taken before anything is sent, found by token or by instrument.
//!
//! A slot is reserved when the risk gate approves a new order and freed when the order ends, so no report can outrun its state. Orders of one
//! instrument hang on a list through the slots (oldest first); exposure per instrument and side is kept as orders change.

mod index;
mod lives;
mod order;
mod settle;

use index::TokenIndex;
pub use lives::{Lives, Turn};
use model::{InstrumentId, Qty, Side, Token};
pub(crate) use order::Contradiction;
pub use order::{Order, OrderId, OrderState, PendingReplace};

use crate::hash::StateHash;

const NONE: u32 = u32::MAX;

/// Shares that may still trade on each side of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Shares of buys that may still trade.
    pub buy: u64,
    /// Shares of sells that may still trade.
    pub sell: u64,
    /// Orders open.
    pub orders: u32,
}

#[derive(Clone, Copy)]
struct Links {
    next: u32,
    prev: u32,
}

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// The open orders.
pub struct Orders {
    slots: Vec<Option<Order>>,
    links: Vec<Links>,
    free: Vec<u32>,
    lists: Vec<List>,
    exposure: Vec<Exposure>,
    by_token: TokenIndex,
    /// By slot, for statistics alone: the order's token and that of its last replace, each with twice the middle of the book that it was asked for at; 0 where there was none.
    decided: Vec<[(Token, i64); 2]>,
    open: usize,
    /// Instruments whose exposure changed, or of which something else did that limits look at; each once.
    touched: Vec<InstrumentId>,
    is_touched: Vec<bool>,
}

impl Orders {
    /// Room for `capacity` open orders over `instruments`.
    pub(crate) fn new(capacity: usize, instruments: usize) -> Orders {
        Orders {
            slots: vec![None; capacity],
            links: vec![Links { next: NONE, prev: NONE }; capacity],
            free: (0..capacity as u32).rev().collect(),
            lists: vec![List { head: NONE, tail: NONE }; instruments],
            exposure: vec![Exposure::default(); instruments],
            // An order is known by up to three tokens: its first, its current, and that of a replace in flight.
            by_token: TokenIndex::new(capacity * 3),
            decided: vec![[(Token(0), 0); 2]; capacity],
            open: 0,
            touched: Vec::with_capacity(instruments),
            is_touched: vec![false; instruments],
        }
    }

    /// Notes that limits have to be looked at again of an instrument.
    #[inline]
    pub(crate) fn touch(&mut self, id: InstrumentId) {
        if !core::mem::replace(&mut self.is_touched[id.index()], true) {
            self.touched.push(id);
        }
    }

    /// Whether there is one.
    #[inline]
    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// One of them, and it is none any more.
    #[inline]
    pub(crate) fn take_touched(&mut self) -> Option<InstrumentId> {
        let id = self.touched.pop()?;
        self.is_touched[id.index()] = false;
        Some(id)
    }

    /// How many are open.
    #[inline]
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    /// How many of them are ours: not those that a drop copy tells of. Cost: a pass over what is open.
    #[must_use]
    pub fn ours_open(&self) -> usize {
        self.iter().filter(|order| !order.foreign).count()
    }

    /// Whether another one fits.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// The order with this name.
    #[inline]
    #[must_use]
    pub fn get(&self, id: OrderId) -> Option<&Order> {
        let order = self.slots[self.by_token.get(id.0)?].as_ref()?;
        (order.id == id).then_some(order)
    }

    /// The order that a venue knows by this token (current, first, or of the replace in flight).
    #[inline]
    #[must_use]
    pub fn by_token(&self, token: Token) -> Option<&Order> {
        self.slots[self.by_token.get(token)?].as_ref()
    }

    /// Notes the middle that what has this token was asked for at, doubled.
    #[inline]
    pub(crate) fn decided_at(&mut self, token: Token, mid2: i64) {
        let Some(slot) = self.by_token.get(token) else { return };
        let Some(order) = &self.slots[slot] else { return };
        let [current, replace] = &mut self.decided[slot];
        if order.token == token {
            *current = (token, mid2);
            return;
        }
        // The replace before this one has happened, or it has not and is forgotten.
        if replace.0 == order.token {
            *current = *replace;
        }
        *replace = (token, mid2);
    }

    /// Twice the middle that what has this token was asked for at; 0 where nobody knows. Until a replace has happened, fills are of the order as it was asked for before.
    #[inline]
    pub(crate) fn decided_mid2(&self, token: Token) -> i64 {
        let decided = self.by_token.get(token).map(|slot| self.decided[slot]).unwrap_or_default();
        decided.iter().find(|(of, _)| *of == token).map_or(0, |(_, mid2)| *mid2)
    }

    /// The open orders of an instrument, oldest first.
    pub fn of(&self, id: InstrumentId) -> impl Iterator<Item = &Order> + '_ {
        let head = self.lists.get(id.index()).map_or(NONE, |l| l.head);
        core::iter::successors(Some(head).filter(|s| *s != NONE), |s| {
            Some(self.links[*s as usize].next).filter(|s| *s != NONE)
        })
        .filter_map(|s| self.slots[s as usize].as_ref())
    }

    /// All open orders, by instrument and age.
    pub fn iter(&self) -> impl Iterator<Item = &Order> + '_ {
        (0..self.lists.len()).flat_map(|i| self.of(InstrumentId(i as u16)))
    }

    /// What may still trade of an instrument.
    #[inline]
    #[must_use]
    pub fn exposure(&self, id: InstrumentId) -> Exposure {
        self.exposure[id.index()]
    }

    /// Takes a slot. The caller has asked [`Orders::has_room`].
    pub(crate) fn insert(&mut self, order: Order) {
        let slot = self.free.pop().expect("the risk gate asked for room");
        let i = order.instrument.index();
        let tail = self.lists[i].tail;
        self.links[slot as usize] = Links { next: NONE, prev: tail };
        match tail {
            NONE => self.lists[i].head = slot,
            t => self.links[t as usize].next = slot,
        }
        self.lists[i].tail = slot;
        self.by_token.insert(order.token, slot as usize);
        self.open += 1;
        self.exposure[i].orders += 1;
        add(&mut self.exposure[i], order.side, i64::from(order.reserved().0));
        self.touch(order.instrument);
        self.slots[slot as usize] = Some(order);
    }

    /// Changes the order that `token` names and returns it as it then is; exposure and tokens follow, and an order that ended
    /// gives its slot back.
    pub(crate) fn change<R>(&mut self, token: Token, f: impl FnOnce(&mut Order) -> R) -> Option<(Order, R)> {
        let slot = self.by_token.get(token)?;
        let order = self.slots[slot].as_mut()?;
        let before = *order;
        let r = f(order);
        let after = *order;
        let e = &mut self.exposure[after.instrument.index()];
        add(e, before.side, -i64::from(before.reserved().0));
        add(e, after.side, i64::from(after.reserved().0));
        self.touch(after.instrument);
        let tokens = |o: &Order| [o.id.0, o.token, o.replace.map_or(Token(0), |r| r.token)];
        let (old, new) = (tokens(&before), tokens(&after));
        if old != new {
            old.into_iter().filter(|t| !new.contains(t)).for_each(|t| self.by_token.remove(t));
            new.into_iter().filter(|t| t.0 != 0).for_each(|t| self.by_token.insert(t, slot));
        }
        if after.state().is_final() {
            self.release(slot, &after, new);
        }
        Some((after, r))
    }

    fn release(&mut self, slot: usize, order: &Order, tokens: [Token; 3]) {
        let Links { next, prev } = self.links[slot];
        let list = &mut self.lists[order.instrument.index()];
        match prev {
            NONE => list.head = next,
            p => self.links[p as usize].next = next,
        }
        match next {
            NONE => list.tail = prev,
            n => self.links[n as usize].prev = prev,
        }
        tokens.into_iter().for_each(|t| self.by_token.remove(t));
        self.slots[slot] = None;
        self.decided[slot] = Default::default();
        self.free.push(slot as u32);
        self.open -= 1;
        self.exposure[order.instrument.index()].orders -= 1;
    }

    /// The name of the order after `after` (in slot order) for which `f` holds: lets a caller change orders while going through them.
    pub(crate) fn next_where(&self, from: usize, f: impl Fn(&Order) -> bool) -> Option<(usize, Order)> {
        (from..self.slots.len()).find_map(|s| self.slots[s].filter(|o| f(o)).map(|o| (s, o)))
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(self.open as u64);
        // By slot: which slot an order has decides when a sweep comes to it.
        for (slot, o) in self.slots.iter().enumerate().filter_map(|(k, o)| Some((k, o.as_ref()?))) {
            h.word(slot as u64);
            o.absorb(h);
        }
    }
}

fn add(e: &mut Exposure, side: Side, delta: i64) {
    let v = match side {
        Side::Buy => &mut e.buy,
        Side::Sell => &mut e.sell,
    };
    *v = v.checked_add_signed(delta).expect("exposure is the sum of open orders");
}

/// Shares of `qty` as a signed change of position.
#[inline]
pub(crate) fn signed(side: Side, qty: Qty) -> i64 {
    side.sign() * i64::from(qty.0)
}
