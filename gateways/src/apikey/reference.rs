//! What the venue says of its instruments: tick, lot, least order, state; and how its decimals become [`Px`] and [`Qty`] ([`Unit`]).
//!
//! What an order has beyond that is rounded or refused: a price off the tick goes to the passive side, a quantity off the lot is refused, and so is what is too small.
//!
//! The answer is kept for [`Reference::is_due`] and then asked for again; when it is older than twice that, no new order is made by it.

use model::{Decimal, Nanos, Px, Qty, Side, Symbol, Unit};

use super::wire::{Filter, Info};

/// Why an order cannot be made: told as a reject of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The instrument does not trade now.
    State,
    /// The quantity is no multiple of the lot, or out of bounds.
    Quantity,
    /// The price is none.
    Price,
    /// Price times quantity is too small.
    Notional,
}

/// An instrument's rules, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    unit: Unit,
    tick: u64,
    lot: u64,
    quantity: (u64, u64),
    /// 1e-4 USD.
    notional_min: u64,
    trading: bool,
}

impl Rules {
    /// From the filters; `None` where one is missing, or they cannot be said in whole numbers.
    fn new(filters: &[Filter], trading: bool) -> Option<Rules> {
        let (mut tick, mut lot, mut notional) = (None, None, None);
        for filter in filters {
            match filter {
                Filter::Price { tick_size } => tick = Some(tick_size.parse::<Decimal>().ok()?),
                Filter::Lot { step_size, min_qty, max_qty } => {
                    let of = |text: &String| text.parse::<Decimal>().ok();
                    lot = Some((of(step_size)?, of(min_qty)?, of(max_qty)?));
                }
                Filter::Notional { min_notional } => notional = Some(min_notional.parse::<Decimal>().ok()?),
                Filter::Other => {}
            }
        }
        let (tick, (step, least, most)) = (tick?, lot?);
        let unit = Unit::of(tick, step);
        let ceiled = |d: Decimal| unit.count(d).or_else(|| Some(unit.whole(d)? + 1));
        let rules = Rules {
            unit,
            tick: unit.e4(tick)?,
            lot: ceiled(step)?,
            quantity: (ceiled(least)?.max(1), unit.whole(most)?.min(Qty::MAX_ORDER.0.into())),
            notional_min: notional
                .map_or(Some(0), |n| Some(n.floored(4)?.saturating_add(u64::from(n.scaled(4).is_none()))))?,
            trading,
        };
        (rules.tick > 0 && rules.lot > 0).then_some(rules)
    }

    /// What its quantities count.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The price that an order of this one can have: on the tick, and never nearer to a trade than asked for.
    ///
    /// # Errors
    /// [`Unfit`]: the venue would refuse it.
    pub fn fit(&self, side: Side, px: Px, qty: Qty) -> Result<Px, Unfit> {
        if !self.trading {
            return Err(Unfit::State);
        }
        let units = u64::from(qty.0);
        if !units.is_multiple_of(self.lot) || units < self.quantity.0 || units > self.quantity.1 {
            return Err(Unfit::Quantity);
        }
        if !px.is_orderable() {
            return Err(Unfit::Price);
        }
        let e4 = px.0.unsigned_abs();
        let ticks = match side {
            Side::Buy => e4 / self.tick,
            Side::Sell => e4.div_ceil(self.tick),
        };
        let px = ticks.checked_mul(self.tick).and_then(|e4| i64::try_from(e4).ok()).map(Px);
        let px = px.filter(|px| px.is_orderable()).ok_or(Unfit::Price)?;
        let notional = px.notional(qty).map_or(0, |n| n.0.unsigned_abs());
        if notional < self.notional_min { Err(Unfit::Notional) } else { Ok(px) }
    }
}

/// One of our instruments.
#[derive(Clone, Debug)]
struct Listed {
    symbol: Symbol,
    /// What quantities that are held count: that of the first rules, for good.
    unit: Option<Unit>,
    rules: Option<Rules>,
}

/// The rules of our instruments, and how old they are.
#[derive(Clone, Debug)]
pub struct Reference {
    life: Nanos,
    symbols: Vec<Listed>,
    read: Option<Nanos>,
}

impl Reference {
    /// Of these symbols, with nothing known; what is read is good for `life`.
    #[must_use]
    pub fn new(symbols: Vec<Symbol>, life: Nanos) -> Reference {
        let listed = |symbol| Listed { symbol, unit: None, rules: None };
        Reference { life, symbols: symbols.into_iter().map(listed).collect(), read: None }
    }

    /// Whether it is to be read.
    #[must_use]
    pub fn is_due(&self, now: Nanos) -> bool {
        self.due().is_none_or(|at| now >= at)
    }

    /// When it is to be read again; `None`: it was not.
    #[must_use]
    pub fn due(&self) -> Option<Nanos> {
        self.read.map(|read| read.after(self.life))
    }

    /// Whether orders may be made by it.
    #[must_use]
    pub fn is_usable(&self, now: Nanos) -> bool {
        self.read.is_some_and(|read| now < read.after(self.life).after(self.life))
    }

    /// Takes what was read. An instrument that the venue does not name, or not in a way that is understood, has no rules and does not trade.
    pub(super) fn take(&mut self, now: Nanos, info: &Info) {
        for listed in &mut self.symbols {
            let text = listed.symbol.to_string();
            let said = info.symbols.iter().find(|s| s.symbol == text);
            let new = said.and_then(|s| Rules::new(&s.filters, s.status == "TRADING"));
            // Of another unit, quantities that are held would mean something else: then and however often it is read again.
            listed.rules = new.filter(|new| *listed.unit.get_or_insert(new.unit) == new.unit);
        }
        self.read = Some(now);
    }

    /// Of the symbol at this place.
    #[must_use]
    pub fn rules(&self, symbol: usize) -> Option<&Rules> {
        self.symbols.get(symbol)?.rules.as_ref()
    }

    /// The symbols, in their places.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.symbols.iter().map(|l| l.symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(tick: &str, step: &str, least: &str, notional: &str) -> Rules {
        let filters = [
            Filter::Price { tick_size: tick.into() },
            Filter::Lot { step_size: step.into(), min_qty: least.into(), max_qty: "9000".into() },
            Filter::Notional { min_notional: notional.into() },
            Filter::Other,
        ];
        Rules::new(&filters, true).unwrap()
    }

    #[test]
    fn prices_go_to_the_passive_side_and_the_rest_is_refused() {
        // A tick is 5 times 1e-4 USD here, a lot 2 units.
        let r = rules("0.5", "0.002", "0.004", "0.30");
        assert_eq!(r.fit(Side::Buy, Px(1_009), Qty(4)), Ok(Px(1_005)));
        assert_eq!(r.fit(Side::Sell, Px(1_001), Qty(4)), Ok(Px(1_005)));
        assert_eq!(r.fit(Side::Sell, Px(1_005), Qty(4)), Ok(Px(1_005)));
        assert_eq!(r.fit(Side::Buy, Px(1_005), Qty(5)), Err(Unfit::Quantity));
        assert_eq!(r.fit(Side::Buy, Px(1_005), Qty(2)), Err(Unfit::Quantity), "below the least");
        assert_eq!(r.fit(Side::Buy, Px(1_005), Qty(2_000_000)), Err(Unfit::Quantity));
        assert_eq!(r.fit(Side::Buy, Px(700), Qty(4)), Err(Unfit::Notional));
        assert_eq!(r.fit(Side::Buy, Px(4), Qty(4)), Err(Unfit::Price), "nothing is left of it");
        assert_eq!(Rules { trading: false, ..r }.fit(Side::Buy, Px(1_005), Qty(4)), Err(Unfit::State));
    }

    fn info(text: &str) -> Info {
        super::super::wire::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn it_is_read_again_and_not_used_for_ever() {
        let mut r =
            Reference::new(vec![Symbol::new("AAPL").unwrap(), Symbol::new("GONE").unwrap()], Nanos(100));
        assert!(r.is_due(Nanos(0)) && !r.is_usable(Nanos(0)));
        let read = |tick: &str, status: &str| {
            info(&format!(
                r#"{{"symbols":[{{"symbol":"AAPL","status":"{status}","extra":1,"filters":[
                {{"filterType":"PRICE_FILTER","tickSize":"{tick}"}},{{"filterType":"X","a":[1]}},
                {{"filterType":"LOT_SIZE","stepSize":"1","minQty":"1","maxQty":"1000"}}]}}]}}"#
            ))
        };
        r.take(Nanos(10), &read("0.01", "TRADING"));
        assert!(r.rules(0).is_some() && r.rules(1).is_none() && r.rules(2).is_none());
        assert!(!r.is_due(Nanos(109)) && r.is_due(Nanos(110)));
        assert!(r.is_usable(Nanos(209)) && !r.is_usable(Nanos(210)));
        r.take(Nanos(110), &read("0.05", "BREAK"));
        assert_eq!(r.rules(0).unwrap().fit(Side::Buy, Px(10_000), Qty(1)), Err(Unfit::State));
        r.take(Nanos(120), &read("0.00001", "TRADING"));
        assert!(r.rules(0).is_none(), "another unit: nothing that is held would mean the same");
        r.take(Nanos(130), &read("0.00001", "TRADING"));
        assert!(r.rules(0).is_none(), "nor when it is said again");
        r.take(Nanos(140), &read("zero", "TRADING"));
        assert!(r.rules(0).is_none());
        r.take(Nanos(150), &read("0.00001", "TRADING"));
        assert!(r.rules(0).is_none(), "nor behind what is not understood");
        r.take(Nanos(160), &read("0.01", "TRADING"));
        assert!(r.rules(0).is_some(), "the unit that is held");
    }
}
