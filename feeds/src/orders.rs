//! The live orders of wanted instruments by id, for a venue whose later messages name an order's id alone: a hash table with linear probing, of fixed size
//! unless told to grow.
//!
//! ```text
//! home = top bits of id * odd constant      each entry lies at its home or behind it, with no hole between
//! +------+------+------+------+------+
//! |      |  a   |  b   |  c   |      |      qty = 0: free
//! +------+------+------+------+------+
//! ```
//!
//! Twice as many slots as orders, so that a look-up touches little more than one cache line. An entry that leaves is filled by those behind it, so
//! nothing has to be cleaned up over a day. Whoever chose all ids could make a look-up walk far, but never further than the table.

use model::{InstrumentId, Px, Qty};

/// What is remembered of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub id: u64,
    pub px: Px,
    /// Shares that rest; 0 in a free slot only.
    pub qty: Qty,
    pub instrument: InstrumentId,
}

const FREE: Order = Order { id: 0, px: Px::ZERO, qty: Qty(0), instrument: InstrumentId(0) };

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    slots: Box<[Order]>,
    shift: u32,
    live: usize,
    most: usize,
}

impl Orders {
    /// Room for so many; takes 48 to 96 bytes for each.
    pub(crate) fn new(most: usize) -> Orders {
        let most = most.clamp(1, 1 << 30);
        let slots = (most * 2).next_power_of_two();
        Orders { slots: vec![FREE; slots].into(), shift: 64 - slots.ilog2(), live: 0, most }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn is_full(&self) -> bool {
        self.live == self.most
    }

    /// Room for so many, and for no fewer than before. Allocates.
    pub(crate) fn grow(&mut self, most: usize) {
        let mut larger = Orders::new(most.max(self.most));
        for order in self.slots.iter().filter(|o| o.qty.0 != 0) {
            larger.insert(*order);
        }
        *self = larger;
    }

    fn home(&self, id: u64) -> usize {
        (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Where an order is, or the free slot where it would be. There is always a free one.
    #[inline]
    fn slot(&self, id: u64) -> usize {
        let mut slot = self.home(id);
        while self.slots[slot].qty.0 != 0 && self.slots[slot].id != id {
            slot = self.after(slot);
        }
        slot
    }

    /// The order of an id.
    #[inline]
    pub(crate) fn get(&mut self, id: u64) -> Option<&mut Order> {
        let slot = self.slot(id);
        Some(&mut self.slots[slot]).filter(|o| o.qty.0 != 0)
    }

    /// Remembers an order with shares; `false` when there is no room. One whose id is live stays as it is.
    pub(crate) fn insert(&mut self, order: Order) -> bool {
        let slot = self.slot(order.id);
        if self.slots[slot].qty.0 != 0 || order.qty.0 == 0 {
            return true;
        }
        if self.is_full() {
            return false;
        }
        self.slots[slot] = order;
        self.live += 1;
        true
    }

    /// Forgets an order, filling its slot from behind.
    pub(crate) fn remove(&mut self, id: u64) {
        let mut hole = self.slot(id);
        if self.slots[hole].qty.0 == 0 {
            return;
        }
        self.live -= 1;
        let mut slot = hole;
        loop {
            slot = self.after(slot);
            let order = self.slots[slot];
            if order.qty.0 == 0 {
                break;
            }
            // It may move to the hole when its home is not behind it, seen from where it lies.
            let mask = self.slots.len() - 1;
            if slot.wrapping_sub(self.home(order.id)) & mask >= slot.wrapping_sub(hole) & mask {
                self.slots[hole] = order;
                hole = slot;
            }
        }
        self.slots[hole] = FREE;
    }

    /// Takes shares off an order; at 0, and below, it is gone.
    #[inline]
    pub(crate) fn reduce(&mut self, id: u64, by: Qty) {
        let Some(order) = self.get(id) else { return };
        if order.qty.0 > by.0 {
            order.qty.0 -= by.0;
        } else {
            self.remove(id);
        }
    }

    /// The orders, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().filter(|o| o.qty.0 != 0)
    }

    /// Forgets all orders. A walk over all slots, where there are any orders.
    pub(crate) fn clear(&mut self) {
        if self.live != 0 {
            self.slots.fill(FREE);
            self.live = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn order(id: u64, qty: u32) -> Order {
        Order { id, px: Px(5), qty: Qty(qty), instrument: InstrumentId(1) }
    }

    #[test]
    fn what_has_no_room_is_said_and_changes_nothing() {
        let mut o = Orders::new(2);
        assert!(o.insert(order(1, 1)) && o.insert(order(2, 1)));
        assert!(!o.insert(order(3, 1)));
        assert!(o.insert(order(2, 9)), "one that is known needs none");
        assert_eq!((o.get(2).copied(), o.get(3).copied()), (Some(order(2, 1)), None));
        o.remove(1);
        assert!(o.insert(order(3, 1)));
    }

    #[test]
    fn what_is_there_stays_when_it_grows() {
        let mut o = Orders::new(3);
        assert!((1..=3).all(|id| o.insert(order(id, id as u32))) && o.is_full());
        o.grow(1);
        assert!(o.is_full(), "it does not shrink");
        o.grow(40);
        assert!((4..=40).all(|id| !o.is_full() && o.insert(order(id, id as u32))) && o.is_full());
        assert!((1..=40).all(|id| o.get(id).copied() == Some(order(id, id as u32))));
    }

    proptest! {
        /// Against an ordered map. Few ids over few slots, so that runs of neighbours form and break up all the time.
        #[test]
        fn is_a_map(steps in prop::collection::vec((0u8..5, 0u64..24, 1u32..4), 0..400)) {
            let mut o = Orders::new(16);
            let mut map: BTreeMap<u64, u32> = BTreeMap::new();
            for (what, id, n) in steps {
                match what {
                    0 | 1 => {
                        let room = map.contains_key(&id) || map.len() < 16;
                        prop_assert_eq!(o.insert(order(id, n)), room);
                        if room {
                            map.entry(id).or_insert(n);
                        }
                    }
                    2 => {
                        o.remove(id);
                        map.remove(&id);
                    }
                    3 => {
                        o.reduce(id, Qty(n));
                        let left = map.get(&id).map_or(0, |have| have.saturating_sub(n));
                        map.remove(&id);
                        if left > 0 {
                            map.insert(id, left);
                        }
                    }
                    _ if n == 1 && id == 0 => {
                        let all: BTreeMap<_, _> = o.iter().map(|o| (o.id, o.qty.0)).collect();
                        prop_assert_eq!(&all, &map);
                        o.clear();
                        map.clear();
                    }
                    _ => {}
                }
                for id in 0..24 {
                    prop_assert_eq!(o.get(id).map(|o| o.qty.0), map.get(&id).copied(), "id {}", id);
                }
                prop_assert_eq!(o.live, map.len());
            }
        }
    }
}
