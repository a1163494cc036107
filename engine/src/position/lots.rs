//! What is held as lots, oldest first: for realised P&L by "first in, first out".
//!
//! A lot is shares and the money they cost, not a price, so that taking a part of one loses nothing: the part's money is rounded towards zero to 1e-4 USD and the rest
//! stays in the lot. Fills of the same price that follow each other are one lot.
//!
//! There is room for [`LOTS_MAX`] lots. One more is put into the newest, whose shares then leave together at their average, and that is counted: the oldest, which leave
//! first, stay exact.

/// Lots of one instrument.
pub const LOTS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lot {
    /// Shares, whichever way they are held.
    shares: u64,
    /// Money paid for them, 1e-4 USD: negative for what was sold short.
    cost: i64,
}

/// See the module. All lots are held the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lots {
    ring: [Lot; LOTS_MAX],
    head: usize,
    len: usize,
    /// Fills that found no room for a lot of their own.
    pub(super) merged: u64,
}

impl Lots {
    pub(super) const EMPTY: Lots =
        Lots { ring: [Lot { shares: 0, cost: 0 }; LOTS_MAX], head: 0, len: 0, merged: 0 };

    /// Adds shares that cost so much. The caller has checked that the money of all lots together stays within 64 bits.
    pub(super) fn push(&mut self, shares: u64, cost: i64) {
        if shares == 0 {
            return;
        }
        if self.len > 0 {
            let newest = &mut self.ring[(self.head + self.len - 1) % LOTS_MAX];
            let same =
                i128::from(newest.cost) * i128::from(shares) == i128::from(cost) * i128::from(newest.shares);
            if same || self.len == LOTS_MAX {
                newest.shares += shares;
                newest.cost += cost;
                self.merged += u64::from(!same);
                return;
            }
        }
        self.ring[(self.head + self.len) % LOTS_MAX] = Lot { shares, cost };
        self.len += 1;
    }

    /// Takes out the oldest `shares`, and returns what they cost. The caller holds so many.
    pub(super) fn take(&mut self, mut shares: u64) -> i64 {
        let mut cost = 0;
        while shares > 0 && self.len > 0 {
            let oldest = &mut self.ring[self.head];
            let part = shares.min(oldest.shares);
            let money = part_of(oldest.cost, part, oldest.shares);
            oldest.shares -= part;
            oldest.cost -= money;
            cost += money;
            shares -= part;
            if oldest.shares == 0 {
                self.head = (self.head + 1) % LOTS_MAX;
                self.len -= 1;
            }
        }
        cost
    }
}

/// What `part` of `whole` shares cost that cost `cost` together, rounded towards zero.
pub(super) fn part_of(cost: i64, part: u64, whole: u64) -> i64 {
    let money = i128::from(cost) * i128::from(part) / i128::from(whole.max(1));
    i64::try_from(money).expect("a part is not more than the whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leave_first_and_no_money_is_lost() {
        let mut l = Lots::EMPTY;
        l.push(3, 100);
        l.push(3, 200);
        assert_eq!(l.take(1), 33);
        assert_eq!(l.take(1), 33, "of 67 that are left for two");
        assert_eq!(l.take(2), 34 + 66);
        assert_eq!((l.take(2), l.len), (134, 0));
        l.push(2, 20);
        l.push(3, 30);
        assert_eq!((l.len, l.merged), (1, 0), "of one price they are one lot");
    }

    #[test]
    fn one_lot_too_many_joins_the_newest() {
        let mut l = Lots::EMPTY;
        for k in 0..LOTS_MAX as i64 {
            l.push(1, k);
        }
        l.push(1, 1_000);
        assert_eq!((l.len, l.merged), (LOTS_MAX, 1));
        for k in 0..LOTS_MAX as i64 - 1 {
            assert_eq!(l.take(1), k, "the oldest are exact");
        }
        assert_eq!(l.take(2), 63 + 1_000);
        assert_eq!(l.len, 0);
    }
}
