//! A decoder of the venue's ITCH stream that believes nothing: lengths, locates, order numbers and shares must be right.

use std::collections::{BTreeMap, HashMap};

use model::{Px, Qty, Side, Symbol};

#[derive(Clone, Copy, Debug)]
struct Order {
    locate: u16,
    side: Side,
    px: Px,
    shares: u32,
    arrival: u64,
}

impl Order {
    /// Small where it is good.
    fn key(&self) -> i64 {
        if self.side == Side::Buy { -self.px.0 } else { self.px.0 }
    }
}

/// One price of a side: its shares, and its orders by arrival.
#[derive(Default)]
struct Level {
    shares: u64,
    queue: BTreeMap<u64, u64>,
}

#[derive(Default)]
pub struct Tape {
    orders: HashMap<u64, Order>,
    /// By locate and side; the best price has the smallest key.
    sides: HashMap<(u16, Side), BTreeMap<i64, Level>>,
    /// Live orders by locate.
    live: HashMap<u16, usize>,
    pub locates: BTreeMap<Symbol, u16>,
    arrivals: u64,
    last_stamp: u64,
    last_match: u64,
    /// Messages by type.
    pub types: BTreeMap<char, u64>,
    /// Codes of `S` in order.
    pub events: String,
    /// Trades as (type, shares, price).
    pub trades: Vec<(char, u32, i64)>,
    pub mpids: Vec<[u8; 4]>,
    pub actions: Vec<u8>,
    /// Crosses as (type, shares, price).
    pub crosses: Vec<(char, u64, i64)>,
    /// Match numbers of trades that were undone.
    pub broken: Vec<u64>,
    pub imbalances: Vec<Said>,
}

/// A net order imbalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub paired: u64,
    pub left: u64,
    pub direction: char,
    pub far: i64,
    pub near: i64,
    pub reference: i64,
    pub cross: char,
}

fn int(m: &[u8], at: usize, n: usize) -> u64 {
    m[at..at + n].iter().fold(0, |v, b| v << 8 | u64::from(*b))
}

impl Tape {
    pub fn apply(&mut self, m: &[u8]) {
        let kind = m[0] as char;
        let want = match kind {
            'S' | 'W' => 12,
            'R' => 39,
            'Q' => 40,
            'H' => 25,
            'Y' | 'N' => 20,
            'L' => 26,
            'A' | 'C' => 36,
            'F' => 40,
            'E' => 31,
            'X' => 23,
            'D' | 'B' => 19,
            'U' | 'V' | 'J' => 35,
            'P' => 44,
            'I' => 50,
            'K' => 28,
            'h' => 21,
            other => panic!("unknown type {other}"),
        };
        assert_eq!(m.len(), want, "{kind}");
        *self.types.entry(kind).or_default() += 1;
        let locate = int(m, 1, 2) as u16;
        let stamp = int(m, 5, 6);
        assert!(stamp >= self.last_stamp, "stamps run forward");
        self.last_stamp = stamp;
        assert!(matches!(kind, 'R' | 'S' | 'V' | 'W') || self.locates.values().any(|l| *l == locate));
        let id = || int(m, 11, 8);
        match kind {
            'S' => self.events.push(m[11] as char),
            'R' => {
                let before = self.locates.insert(Symbol(m[11..19].try_into().unwrap()), locate);
                assert!(before.is_none() && locate > 0);
            }
            'H' => self.actions.push(m[19]),
            'A' | 'F' => {
                self.arrivals += 1;
                let order = Order {
                    locate,
                    side: if m[19] == b'B' { Side::Buy } else { Side::Sell },
                    shares: int(m, 20, 4) as u32,
                    px: Px(int(m, 32, 4) as i64),
                    arrival: self.arrivals,
                };
                assert!(order.shares > 0 && order.px.0 > 0);
                assert_eq!(self.locates[&Symbol(m[24..32].try_into().unwrap())], locate);
                self.put(id(), order);
                if kind == 'F' {
                    self.mpids.push(m[36..40].try_into().unwrap());
                }
            }
            'E' | 'C' => {
                let shares = int(m, 19, 4) as u32;
                self.number(int(m, 23, 8));
                let px = self.take(id(), shares, locate);
                let px = if kind == 'C' { int(m, 32, 4) as i64 } else { px.0 };
                self.trades.push((kind, shares, px));
            }
            'X' => {
                let shares = int(m, 19, 4) as u32;
                assert!(self.orders[&id()].shares > shares, "an X leaves something");
                self.take(id(), shares, locate);
            }
            'D' => {
                let order = self.remove(id());
                assert_eq!(order.locate, locate);
            }
            'U' => {
                let old = self.remove(id());
                self.arrivals += 1;
                let new = Order {
                    shares: int(m, 27, 4) as u32,
                    px: Px(int(m, 31, 4) as i64),
                    arrival: self.arrivals,
                    ..old
                };
                assert!(new.shares > 0 && old.locate == locate);
                self.put(int(m, 19, 8), new);
            }
            'P' => {
                assert_eq!((int(m, 11, 8), m[19]), (0, b'B'));
                self.number(int(m, 36, 8));
            }
            'Q' => {
                self.number(int(m, 31, 8));
                self.crosses.push((m[39] as char, int(m, 11, 8), int(m, 27, 4) as i64));
            }
            'B' => {
                assert!(int(m, 11, 8) <= self.last_match, "only a trade is broken");
                self.broken.push(int(m, 11, 8));
            }
            'I' => self.imbalances.push(Said {
                paired: int(m, 11, 8),
                left: int(m, 19, 8),
                direction: m[27] as char,
                far: int(m, 36, 4) as i64,
                near: int(m, 40, 4) as i64,
                reference: int(m, 44, 4) as i64,
                cross: m[48] as char,
            }),
            _ => {}
        }
    }

    fn number(&mut self, number: u64) {
        assert!(number > self.last_match, "match numbers are used once");
        self.last_match = number;
    }

    fn take(&mut self, id: u64, shares: u32, locate: u16) -> Px {
        let order = self.orders.get_mut(&id).expect("a known order");
        assert_eq!(order.locate, locate);
        assert!(shares > 0 && shares <= order.shares, "no more shares go than are there");
        order.shares -= shares;
        let order = *order;
        let level = self.sides.get_mut(&(locate, order.side)).and_then(|s| s.get_mut(&order.key()));
        level.expect("a level").shares -= u64::from(shares);
        if order.shares == 0 {
            self.remove(id);
        }
        order.px
    }

    fn put(&mut self, id: u64, order: Order) {
        assert!(self.orders.insert(id, order).is_none(), "order numbers are used once");
        let side = self.sides.entry((order.locate, order.side)).or_default();
        let level = side.entry(order.key()).or_default();
        *self.live.entry(order.locate).or_default() += 1;
        level.shares += u64::from(order.shares);
        level.queue.insert(order.arrival, id);
    }

    fn remove(&mut self, id: u64) -> Order {
        let order = self.orders.remove(&id).expect("a known order");
        let side = self.sides.get_mut(&(order.locate, order.side)).expect("a side");
        let level = side.get_mut(&order.key()).expect("a level");
        *self.live.get_mut(&order.locate).expect("it was put") -= 1;
        level.shares -= u64::from(order.shares);
        level.queue.remove(&order.arrival);
        if level.queue.is_empty() {
            side.remove(&order.key());
        }
        order
    }

    /// `(number, price, shares)` of a side in queue order.
    pub fn queue(&self, symbol: Symbol, side: Side) -> Vec<(u64, Px, Qty)> {
        let levels = self.sides.get(&(self.locates[&symbol], side)).into_iter().flat_map(BTreeMap::values);
        let ids = levels.flat_map(|level| level.queue.values());
        ids.map(|id| (*id, self.orders[id].px, Qty(self.orders[id].shares))).collect()
    }

    /// The best price of a side and the shares there; price and shares 0 where it is empty.
    pub fn best(&self, symbol: Symbol, side: Side) -> (Px, u64) {
        let best = self.locates.get(&symbol).and_then(|l| self.sides.get(&(*l, side))?.first_key_value());
        best.map_or((Px::ZERO, 0), |(key, level)| (Px(key.abs()), level.shares))
    }

    /// A live order: whose, which side, where, how many shares.
    pub fn order(&self, id: u64) -> Option<(Symbol, Side, Px, Qty)> {
        let o = self.orders.get(&id)?;
        let (symbol, _) = self.locates.iter().find(|(_, locate)| **locate == o.locate)?;
        Some((*symbol, o.side, o.px, Qty(o.shares)))
    }

    /// Live orders of a symbol.
    pub fn live(&self, symbol: Symbol) -> usize {
        self.locates.get(&symbol).and_then(|l| self.live.get(l)).copied().unwrap_or(0)
    }
}
