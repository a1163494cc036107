//! Requests from the engine's decision to the venue, and the most that could come of them.
//!
//! ```text
//!   decided ---- in flight ----> at the venue --> its ledger: open shares, positions
//!      |  token above all before       |  decided, for this connection, once
//!      +------- dropped with the connection that it was decided for
//! ```

use std::collections::{BTreeMap, VecDeque};

use model::{Side, Symbol};

use super::ask::Ask;
use super::{Check, Invariant, violated};
use crate::exchange::AccountView;

/// What no symbol and no account may pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Shares held either way with everything open and in flight filled.
    pub(crate) position: i64,
    /// Shares of an order.
    pub(crate) quantity: u32,
    /// Orders open.
    pub(crate) orders: usize,
}

/// A decision that has not reached the venue.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    ask: Ask,
    /// Connections that had ended when it was decided.
    epoch: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Requests {
    bounds: Bounds,
    in_flight: VecDeque<InFlight>,
    /// What broken trades gave back, shares bought and sold: so far beyond the bound nobody has decided to go.
    given_back: BTreeMap<Symbol, [i64; 2]>,
    /// Shares of broken trades of which the core may not have heard.
    unheard: BTreeMap<Symbol, i64>,
    /// Of all processes that there were.
    highest_decided: u32,
    highest_heard: u32,
    /// New orders, replaces and cancels decided.
    pub(crate) decided: u64,
    /// The process cancels all by itself: a request of its gateway's own.
    pub(crate) is_sweeping: bool,
}

impl Requests {
    pub(crate) fn new(bounds: Bounds) -> Requests {
        Requests {
            bounds,
            in_flight: VecDeque::new(),
            given_back: BTreeMap::new(),
            unheard: BTreeMap::new(),
            highest_decided: 0,
            highest_heard: 0,
            decided: 0,
            is_sweeping: false,
        }
    }

    /// Whether nothing of the connection with this count is in flight.
    pub(crate) fn is_quiet(&self, epoch: u32) -> bool {
        self.in_flight.iter().all(|f| f.epoch < epoch)
    }

    /// The engine has decided it.
    pub(crate) fn decided(&mut self, ask: Ask, epoch: u32) -> Check {
        self.decided += 1;
        if ask.introduces() {
            if ask.token <= self.highest_decided {
                let highest = self.highest_decided;
                let found = format!("{ask:?} is decided, and tokens up to {highest} were used");
                return Err(violated(Invariant::Token, found));
            }
            self.highest_decided = ask.token;
        }
        if ask.letter == b'O' && ask.qty > self.bounds.quantity {
            let found = format!("{ask:?} is larger than {} shares", self.bounds.quantity);
            return Err(violated(Invariant::Exposure, found));
        }
        self.in_flight.push_back(InFlight { ask, epoch });
        Ok(())
    }

    /// It has reached the venue, over a connection before which so many had ended.
    pub(crate) fn heard(&mut self, ask: Ask, epoch: u32) -> Check {
        if ask.introduces() {
            if ask.token <= self.highest_heard {
                let highest = self.highest_heard;
                let found = format!("{ask:?} reaches the venue behind token {highest}");
                return Err(violated(Invariant::Token, found));
            }
            self.highest_heard = ask.token;
        }
        if self.is_sweeping && ask.letter == b'C' {
            self.highest_decided = self.highest_decided.max(ask.token);
            return Ok(());
        }
        let found = self.in_flight.iter().position(|f| f.ask == ask && f.epoch == epoch);
        let Some(found) = found else {
            let last: Vec<_> = self.in_flight.iter().rev().take(3).collect();
            let found = format!(
                "{ask:?} reaches the venue on connection {epoch}, for which it was not decided; decided last: {last:?}"
            );
            return Err(violated(Invariant::Decided, found));
        };
        // What was decided before and has not come was dropped, and may not come any more.
        self.in_flight.drain(..=found);
        Ok(())
    }

    /// Connections with a lesser count than this are over, on both sides: what was decided for them never comes any more.
    pub(crate) fn over(&mut self, epoch: u32) {
        self.in_flight.retain(|f| f.epoch >= epoch);
    }

    /// The process is gone, and all that it had said has arrived or is lost.
    pub(crate) fn clear(&mut self) {
        self.in_flight.clear();
        self.is_sweeping = false;
    }

    /// The venue has broken a trade of so many shares.
    pub(crate) fn broken(&mut self, symbol: Symbol, shares: i64) {
        let side = if shares < 0 { Side::Buy } else { Side::Sell };
        self.given_back.entry(symbol).or_default()[side as usize] += shares.abs();
        *self.unheard.entry(symbol).or_default() += shares.abs();
    }

    /// The core has heard all: beyond the bound is what is there, and from now on no more.
    pub(crate) fn settled(&mut self, venue: &AccountView) {
        self.unheard.clear();
        let mut given_back = std::mem::take(&mut self.given_back);
        for (symbol, sides) in &mut given_back {
            let [up, down] = self.worst(venue, *symbol);
            sides[Side::Buy as usize] = sides[Side::Buy as usize].min((up - self.bounds.position).max(0));
            sides[Side::Sell as usize] = sides[Side::Sell as usize].min((down - self.bounds.position).max(0));
        }
        given_back.retain(|_, sides| *sides != [0, 0]);
        self.given_back = given_back;
    }

    /// Whether a new order or a replace, with all else of its side filled, brings what is held towards nothing and not beyond it.
    pub(crate) fn reduces(&self, ask: &Ask, venue: &AccountView, symbol: Symbol) -> Check {
        let replaced = venue.live_orders.iter().find(|o| ask.letter == b'U' && o.number == ask.old);
        let (side, own, qty) = match (ask.letter, replaced) {
            (b'O', _) => {
                let side = if ask.side == b'B' { Side::Buy } else { Side::Sell };
                (side, 0, i64::from(ask.qty))
            }
            (_, Some(o)) => (o.side, i64::from(o.open.0), i64::from(ask.qty) - i64::from(o.spent.0)),
            // It has ended, and nothing comes of this.
            (_, None) => return Ok(()),
        };
        let held = venue.positions.get(&symbol).copied().unwrap_or(0);
        let unheard = self.unheard.get(&symbol).copied().unwrap_or(0);
        let others = self.open(venue, symbol, side) - own;
        if qty + others <= (-side.sign() * held).max(0) + unheard {
            return Ok(());
        }
        let found = format!(
            "{ask:?} is sent beside {others} shares of its side, {held} are held, and it may only reduce"
        );
        Err(violated(Invariant::Restrained, found))
    }

    /// Whether a broken trade may not have been heard of.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.unheard.is_empty()
    }

    /// The side on which a request makes more of an order than there is at the venue; `None` where it does not.
    pub(crate) fn raises(&self, ask: &Ask, venue: &AccountView) -> Option<(Symbol, Side)> {
        let side = if ask.side == b'B' { Side::Buy } else { Side::Sell };
        if let Some(symbol) = ask.symbol {
            return Some((symbol, side));
        }
        let replaced = venue.live_orders.iter().find(|o| o.number == ask.old)?;
        (ask.qty > replaced.spent.0 + replaced.open.0).then_some((replaced.symbol, replaced.side))
    }

    /// Shares that may come to be held, and to be sold short.
    pub(crate) fn worst(&self, venue: &AccountView, symbol: Symbol) -> [i64; 2] {
        let held = venue.positions.get(&symbol).copied().unwrap_or(0);
        [held + self.open(venue, symbol, Side::Buy), self.open(venue, symbol, Side::Sell) - held]
    }

    /// Whether the worst that can come of what the venue holds and what is on its way keeps within the bounds.
    pub(crate) fn bounded(&self, venue: &AccountView, symbols: &[Symbol]) -> Check {
        let new = self.in_flight.iter().filter(|f| f.ask.letter == b'O').count();
        if venue.live_orders.len() + new > self.bounds.orders {
            let found = format!("{} orders are open, and {new} in flight", venue.live_orders.len());
            return Err(violated(Invariant::Exposure, found));
        }
        for symbol in symbols {
            let [up, down] = self.worst(venue, *symbol);
            let bound = self.bounds.position;
            let beyond = self.given_back.get(symbol).copied().unwrap_or_default();
            if up > bound + beyond[Side::Buy as usize] || down > bound + beyond[Side::Sell as usize] {
                let found = format!(
                    "{symbol}: from {} to {up} shares may be held, and the limit is {bound}, with {beyond:?} given back",
                    -down
                );
                return Err(violated(Invariant::Exposure, found));
            }
        }
        Ok(())
    }

    /// Shares of a side that may yet trade.
    fn open(&self, venue: &AccountView, symbol: Symbol, side: Side) -> i64 {
        let resting = venue.live_orders.iter().filter(|o| o.symbol == symbol && o.side == side);
        let mut open = 0;
        for order in resting {
            // A replace in flight may win or lose against a fill: the worse of both.
            let replaces =
                self.in_flight.iter().filter(|f| f.ask.letter == b'U' && f.ask.old == order.number);
            let after = replaces.map(|f| i64::from(f.ask.qty) - i64::from(order.spent.0)).max().unwrap_or(0);
            open += after.max(i64::from(order.open.0));
        }
        let is_new = |f: &&InFlight| f.ask.letter == b'O' && f.ask.symbol == Some(symbol);
        let is_side = |f: &&InFlight| (f.ask.side == b'B') == (side == Side::Buy);
        let new = self.in_flight.iter().filter(is_new).filter(is_side);
        open + new.map(|f| i64::from(f.ask.qty)).sum::<i64>()
    }
}
