//! Two runs over one day: which orders are the same in both, and where the difference in money comes from.
//!
//! ```text
//!   money A - money B  =  data + latency + queue + fees + rest          exactly, in 1e-6 USD
//! ```
//!
//! | part | is what was made by |
//! |---|---|
//! | data | the prices that positions are valued at, where one of both heard the market further; and orders that only one of both sent, where what caused them is missing in the other |
//! | latency | orders that both sent, and that came to their venue among other events of their instrument, or at another time by their own strategy |
//! | queue | orders that both sent and that came to the same place: other fills |
//! | fees | what the venue took |
//! | rest | orders that only one of both sent on the same data (mostly: because its fills were others before), orders that one venue refused, and trades that were taken back |
//!
//! An order is a chain: a new order with all its replaces. It is worth what its trades made up to the end of the day, at one price for both.
//!
//! Each order of A is paired with at most one of B: with one of the same instrument, side, shares and price that was decided at the same event of the market; failing that, with the nearest that was
//! decided within [`NEAR`] of it.

use std::collections::BTreeMap;

use model::{InstrumentId, Nanos, Px, Side};

/// How far apart two runs may decide the same, in time of the venue.
pub const NEAR: Nanos = Nanos::from_millis(1_000);

/// What a run knew when it decided: the last event of the market before it, by the venue's stamp, and which of those with that stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// ns since the venue's midnight.
    pub stamp: u64,
    /// Counted from 1; 0 before the first.
    pub nth: u32,
}

/// How an order begins: what two runs must have alike for it to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Of what.
    pub instrument: InstrumentId,
    /// Its side, `false` buys.
    pub sells: bool,
    /// Shares.
    pub qty: u32,
    /// Limit, 1e-4 USD.
    pub px: i64,
}

/// One trade of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The venue's number.
    pub match_number: u64,
    /// Shares.
    pub qty: u32,
    /// The price.
    pub px: Px,
}

/// A chain of orders as one run has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How it begins.
    pub shape: Shape,
    /// When it was decided.
    pub decided: Place,
    /// Where it came to its venue, and each replace of it: how many events of its instrument had been by then.
    pub arrivals: Vec<u64>,
    /// The venue refused it.
    pub is_refused: bool,
    /// What caused it is not in the other run's data.
    pub is_orphan: bool,
    /// What it traded, in order.
    pub trades: Vec<Trade>,
}

impl Chain {
    /// What its trades are worth, a share at `mark`: 1e-6 USD.
    #[must_use]
    pub fn worth(&self, mark: Px) -> i128 {
        let side = if self.shape.sells { Side::Sell } else { Side::Buy };
        let made = |t: &Trade| i128::from(mark.0 - t.px.0) * i128::from(t.qty) * i128::from(side.sign());
        self.trades.iter().map(made).sum::<i128>() * 100
    }
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// In the order in which they were decided.
    pub chains: Vec<Chain>,
    /// By instrument: shares at the end, and what one is worth.
    pub held: BTreeMap<InstrumentId, (i64, Px)>,
    /// Profit before fees at the run's own marks, 1e-4 USD.
    pub gross: i64,
    /// Fees, 1e-6 USD.
    pub fees: i64,
}

impl Account {
    /// Profit after fees, 1e-6 USD.
    #[must_use]
    pub fn net(&self) -> i128 {
        i128::from(self.gross) * 100 - i128::from(self.fees)
    }
}

/// How an order of A stands to one of B, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// In A.
    pub a: usize,
    /// In B.
    pub b: usize,
    /// At the same event of the market.
    pub is_exact: bool,
}

/// Pairs of the same orders, by A's number. O(n log n).
#[must_use]
pub fn pairs(a: &[Chain], b: &[Chain]) -> Vec<Pair> {
    let mut found = Vec::new();
    let mut free: BTreeMap<Shape, BTreeMap<(Place, usize), ()>> = BTreeMap::new();
    for (k, chain) in b.iter().enumerate() {
        free.entry(chain.shape).or_default().insert((chain.decided, k), ());
    }
    let mut left = Vec::new();
    for (k, chain) in a.iter().enumerate() {
        let of = free.get_mut(&chain.shape);
        let exact = of.as_ref().and_then(|of| {
            of.range((chain.decided, 0)..=(chain.decided, usize::MAX)).next().map(|(key, ())| *key)
        });
        match (of, exact) {
            (Some(of), Some(key)) => {
                of.remove(&key);
                found.push(Pair { a: k, b: key.1, is_exact: true });
            }
            _ => left.push(k),
        }
    }
    for k in left {
        let at = a[k].decided;
        let Some(of) = free.get_mut(&a[k].shape) else { continue };
        let distance = |key: &(Place, usize)| key.0.stamp.abs_diff(at.stamp);
        let before = of.range(..(at, 0)).next_back().map(|(key, ())| *key);
        let after = of.range((at, 0)..).next().map(|(key, ())| *key);
        let near = before.into_iter().chain(after).min_by_key(distance).filter(|key| distance(key) <= NEAR.0);
        if let Some(key) = near {
            of.remove(&key);
            found.push(Pair { a: k, b: key.1, is_exact: false });
        }
    }
    found.sort_unstable_by_key(|p| p.a);
    found
}

/// Where money went, 1e-6 USD: what A made more than B.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// See the module, as of all.
    pub data: i128,
    /// Came elsewhere.
    pub latency: i128,
    /// Came to the same place.
    pub queue: i128,
    /// Fees.
    pub fees: i128,
    /// What is left.
    pub rest: i128,
}

impl Parts {
    /// All together.
    #[must_use]
    pub fn sum(&self) -> i128 {
        self.data + self.latency + self.queue + self.fees + self.rest
    }
}

/// Explains `a.net() - b.net()`; the parts add up to it.
#[must_use]
pub fn explain(a: &Account, b: &Account, pairs: &[Pair]) -> Parts {
    let none = (0, Px(0));
    let at = |of: &Account, id| of.held.get(&id).copied().unwrap_or(none);
    // One price for both: A's, or B's where A has none.
    let mark = |id| match (at(a, id).1, at(b, id).1) {
        (Px(0), mark) | (mark, _) => mark,
    };
    let valued = |of: &Account| {
        let beyond = |(id, (shares, px)): (&InstrumentId, &(i64, Px))| {
            i128::from(*shares) * i128::from(px.0 - mark(*id).0)
        };
        of.held.iter().map(beyond).sum::<i128>() * 100
    };
    let mut parts = Parts {
        data: valued(a) - valued(b),
        fees: i128::from(b.fees) - i128::from(a.fees),
        ..Parts::default()
    };
    let (mut of_a, mut of_b) = (vec![true; a.chains.len()], vec![true; b.chains.len()]);
    for pair in pairs {
        let (ours, theirs) = (&a.chains[pair.a], &b.chains[pair.b]);
        (of_a[pair.a], of_b[pair.b]) = (false, false);
        let px = mark(ours.shape.instrument);
        let more = ours.worth(px) - theirs.worth(px);
        if ours.is_refused != theirs.is_refused {
            parts.rest += more;
        } else if pair.is_exact && ours.arrivals == theirs.arrivals {
            parts.queue += more;
        } else {
            parts.latency += more;
        }
    }
    for (account, alone, sign) in [(a, &of_a, 1), (b, &of_b, -1)] {
        for (chain, _) in account.chains.iter().zip(alone).filter(|(c, alone)| **alone && c.is_orphan) {
            parts.data += sign * chain.worth(mark(chain.shape.instrument));
        }
    }
    // Orders of one side alone on the same data, and whatever no order accounts for.
    parts.rest += (a.net() - b.net()) - parts.sum();
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: InstrumentId = InstrumentId(0);

    fn chain(sells: bool, px: i64, stamp: u64, arrival: u64, trades: &[(u32, i64)]) -> Chain {
        Chain {
            shape: Shape { instrument: ID, sells, qty: 100, px },
            decided: Place { stamp, nth: 1 },
            arrivals: vec![arrival],
            is_refused: false,
            is_orphan: false,
            trades: trades
                .iter()
                .map(|(qty, px)| Trade { match_number: 1, qty: *qty, px: Px(*px) })
                .collect(),
        }
    }

    /// An account whose money is that of its chains.
    fn account(chains: Vec<Chain>, mark: i64, fees: i64) -> Account {
        let shares: i64 = chains
            .iter()
            .flat_map(|c| c.trades.iter().map(|t| i64::from(t.qty) * if c.shape.sells { -1 } else { 1 }))
            .sum();
        let gross: i128 = chains.iter().map(|c| c.worth(Px(mark)) / 100).sum();
        Account {
            chains,
            held: [(ID, (shares, Px(mark)))].into(),
            gross: i64::try_from(gross).unwrap(),
            fees,
        }
    }

    fn parts(a: &Account, b: &Account) -> Parts {
        let p = explain(a, b, &pairs(&a.chains, &b.chains));
        assert_eq!(p.sum(), a.net() - b.net(), "{p:?}");
        p
    }

    #[test]
    fn each_difference_goes_where_it_comes_from() {
        let base = || vec![chain(false, 1_000, 50, 7, &[(100, 1_000)])];
        let a = account(base(), 1_010, 0);
        assert_eq!(parts(&a, &a), Parts::default());

        // The same order at the same place: only the queue can have made it trade less.
        let less = account(vec![chain(false, 1_000, 50, 7, &[(40, 1_000)])], 1_010, 0);
        assert_eq!(parts(&a, &less), Parts { queue: 60 * 10 * 100, ..Parts::default() });

        // The same decision, behind two more events of its book: another price.
        let late = account(vec![chain(false, 1_000, 50, 9, &[(100, 1_003)])], 1_010, 0);
        assert_eq!(parts(&a, &late), Parts { latency: 100 * 3 * 100, ..Parts::default() });

        // Decided a moment later, with the same arrival: by its own strategy's time.
        let moved = account(vec![chain(false, 1_000, 90, 7, &[(100, 1_003)])], 1_010, 0);
        assert_eq!(parts(&a, &moved), Parts { latency: 100 * 3 * 100, ..Parts::default() });

        // Two days later it is not the same decision.
        let other = account(vec![chain(false, 1_000, 50 + 2 * NEAR.0, 7, &[(100, 1_003)])], 1_010, 0);
        assert_eq!(parts(&a, &other), Parts { rest: 100 * 3 * 100, ..Parts::default() });

        let dear = account(base(), 1_010, 250);
        assert_eq!(parts(&a, &dear), Parts { fees: 250, ..Parts::default() });

        // B heard the market further: it values the same shares otherwise.
        let further = account(base(), 1_020, 0);
        assert_eq!(parts(&a, &further), Parts { data: -100 * 10 * 100, ..Parts::default() });

        // What caused an order is not in the other's data.
        let mut orphan = chain(true, 1_020, 70, 8, &[(100, 1_020)]);
        orphan.is_orphan = true;
        let more = account([base(), vec![orphan.clone()]].concat(), 1_010, 0);
        assert_eq!(parts(&more, &a), Parts { data: 100 * 10 * 100, ..Parts::default() });
        orphan.is_orphan = false;
        let more = account([base(), vec![orphan]].concat(), 1_010, 0);
        assert_eq!(parts(&more, &a), Parts { rest: 100 * 10 * 100, ..Parts::default() });

        let mut refused = chain(false, 1_000, 50, 7, &[]);
        refused.is_refused = true;
        let refused = account(vec![refused], 1_010, 0);
        assert_eq!(parts(&a, &refused), Parts { rest: 100 * 10 * 100, ..Parts::default() });
    }

    #[test]
    fn the_nearest_of_the_same_orders_is_its_pair_and_each_has_one() {
        let c = |stamp| chain(false, 1_000, stamp, 1, &[]);
        let (a, b) = (vec![c(100), c(200), c(300)], vec![c(190), c(200), c(5_000_000_000)]);
        let of = |a, b, is_exact| Pair { a, b, is_exact };
        assert_eq!(pairs(&a, &b), [of(0, 0, false), of(1, 1, true)]);
        assert!(pairs(&a, &[chain(true, 1_000, 100, 1, &[])]).is_empty(), "the other side");
    }

    fn any_chain() -> impl Strategy<Value = Chain> {
        let trades = proptest::collection::vec((1u32..50, 990i64..1_010), 0..4);
        (any::<bool>(), 995i64..1_005, 0u64..40, 0u64..4, trades, any::<bool>(), any::<bool>()).prop_map(
            |(sells, px, stamp, arrival, trades, is_orphan, is_refused)| Chain {
                is_orphan,
                is_refused,
                ..chain(sells, px, stamp * 100_000_000, arrival, &trades)
            },
        )
    }

    proptest! {
        #[test]
        fn parts_add_up_and_the_other_way_round_they_turn(
            a in proptest::collection::vec(any_chain(), 0..30),
            b in proptest::collection::vec(any_chain(), 0..30),
            marks in (990i64..1_010, 990i64..1_010),
            fees in (-500i64..500, -500i64..500),
        ) {
            let (a, b) = (account(a, marks.0, fees.0), account(b, marks.1, fees.1));
            let there = parts(&a, &b);
            let same = parts(&a, &a);
            prop_assert_eq!(same, Parts::default());
            prop_assert_eq!(there.fees, i128::from(fees.1 - fees.0));
            for p in pairs(&a.chains, &b.chains) {
                prop_assert_eq!(a.chains[p.a].shape, b.chains[p.b].shape);
            }
        }
    }
}
