//! The two CSV files of `colo book`, made the slow and obvious way from the specification: ordered maps, no code of the product.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

struct Order {
    locate: u16,
    side: char,
    price: u32,
    shares: u32,
}

type Best = Option<(u32, u64)>;

#[derive(Default)]
pub struct Oracle {
    orders: HashMap<u64, Order>,
    /// By locate and side; price to shares and orders.
    levels: BTreeMap<(u16, char), BTreeMap<u32, (u64, u32)>>,
    symbols: HashMap<u16, String>,
    pub unknown: BTreeMap<char, u64>,
    pub by_type: BTreeMap<u8, u64>,
    pub messages: u64,
    pub bbo: String,
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

impl Oracle {
    /// Over a BinaryFILE; `only` these tickers where there are any.
    pub fn over(file: &[u8], only: &[&str]) -> Oracle {
        let mut o = Oracle::default();
        o.bbo.push_str("msg_index,timestamp,locate,symbol,bid_px,bid_sz,ask_px,ask_sz\n");
        let mut at = 0;
        while at < file.len() {
            let len = be(&file[at..at + 2]) as usize;
            if len == 0 {
                break;
            }
            o.message(&file[at + 2..at + 2 + len], only);
            at += 2 + len;
        }
        o
    }

    pub fn live(&self) -> usize {
        self.orders.len()
    }

    fn message(&mut self, m: &[u8], only: &[&str]) {
        self.messages += 1;
        *self.by_type.entry(m[0]).or_default() += 1;
        let locate = be(&m[1..3]) as u16;
        let named = match m[0] {
            b'R' | b'H' | b'Y' => Some(11),
            b'A' | b'F' | b'P' => Some(24),
            _ => None,
        };
        if let Some(at) = named {
            let text = String::from_utf8_lossy(&m[at..at + 8]).trim_end().to_string();
            self.symbols.entry(locate).or_insert(text);
        }
        if !only.is_empty() && !self.symbols.get(&locate).is_some_and(|s| only.contains(&s.as_str())) {
            return;
        }
        if !b"AFECXDU".contains(&m[0]) {
            return;
        }
        let key = be(&m[11..19]);
        // Whose book it is, a replace and a delete take from the order.
        let whose = self.orders.get(&key).map_or(locate, |o| o.locate);
        let before = self.top(whose);
        match m[0] {
            b'A' | b'F' => {
                let order = Order {
                    locate,
                    side: char::from(m[19]),
                    price: be(&m[32..36]) as u32,
                    shares: be(&m[20..24]) as u32,
                };
                self.add(key, order);
            }
            b'E' | b'C' | b'X' => self.take(m[0], key, be(&m[19..23]) as u32),
            b'D' => self.take(m[0], key, u32::MAX),
            _ => match self.orders.get(&key).map(|o| (o.locate, o.side)) {
                Some((locate, side)) => {
                    self.take(b'U', key, u32::MAX);
                    let (shares, price) = (be(&m[27..31]) as u32, be(&m[31..35]) as u32);
                    self.add(be(&m[19..27]), Order { locate, side, price, shares });
                }
                None => *self.unknown.entry('U').or_default() += 1,
            },
        }
        let after = self.top(whose);
        if after != before {
            let side = |b: Best| b.map_or(",0".into(), |(price, shares)| format!("{price},{shares}"));
            let (n, ts, symbol) = (self.messages, be(&m[5..11]), &self.symbols[&whose]);
            writeln!(self.bbo, "{n},{ts},{whose},{symbol},{},{}", side(after.0), side(after.1)).unwrap();
        }
    }

    fn add(&mut self, key: u64, order: Order) {
        if order.shares == 0 || self.orders.contains_key(&key) {
            return;
        }
        let level =
            self.levels.entry((order.locate, order.side)).or_default().entry(order.price).or_default();
        level.0 += u64::from(order.shares);
        level.1 += 1;
        self.orders.insert(key, order);
    }

    fn take(&mut self, kind: u8, key: u64, shares: u32) {
        let Some(order) = self.orders.get_mut(&key) else {
            *self.unknown.entry(char::from(kind)).or_default() += 1;
            return;
        };
        let taken = shares.min(order.shares);
        order.shares -= taken;
        let side = self.levels.get_mut(&(order.locate, order.side)).unwrap();
        let level = side.get_mut(&order.price).unwrap();
        level.0 -= u64::from(taken);
        if order.shares == 0 {
            level.1 -= 1;
            if level.1 == 0 {
                side.remove(&order.price);
            }
            self.orders.remove(&key);
        }
    }

    fn top(&self, locate: u16) -> (Best, Best) {
        let of = |side| self.levels.get(&(locate, side));
        let bid = of('B').and_then(|l| l.last_key_value());
        let ask = of('S').and_then(|l| l.first_key_value());
        (bid.map(|(p, l)| (*p, l.0)), ask.map(|(p, l)| (*p, l.0)))
    }

    pub fn last(&self) -> String {
        let mut out = String::from("locate,symbol,side,price,shares,orders\n");
        for ((locate, side), levels) in &self.levels {
            let mut best_first: Vec<_> = levels.iter().collect();
            if *side == 'B' {
                best_first.reverse();
            }
            for (price, (shares, orders)) in best_first {
                let symbol = &self.symbols[locate];
                writeln!(out, "{locate},{symbol},{side},{price},{shares},{orders}").unwrap();
            }
        }
        out
    }
}
