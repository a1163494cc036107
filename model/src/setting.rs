//! What of a core can be changed between two inputs while it runs: its strategy's parameters, and limits.
//!
//! A change is several [`Setting`]s, each an input of its own ([`Control::Stage`](crate::Control::Stage)), and one that puts them in force together
//! ([`Control::Enact`](crate::Control::Enact)). So an input stays small and `Copy`, and whoever has the inputs has the whole change, names included.

use core::fmt;

/// Bytes of a name at most.
const NAME_MAX: usize = 32;

/// A parameter's name: 1 to 32 visible ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamName {
    bytes: [u8; NAME_MAX],
    len: u8,
}

impl ParamName {
    /// From text; `None` where it is no name.
    #[must_use]
    pub fn new(text: &str) -> Option<ParamName> {
        let given = text.as_bytes();
        if given.is_empty() || given.len() > NAME_MAX || !given.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; NAME_MAX];
        bytes[..given.len()].copy_from_slice(given);
        Some(ParamName { bytes, len: given.len() as u8 })
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("?")
    }
}

impl fmt::Debug for ParamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ParamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit that may be made tighter while a core runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Limit {
    /// Largest order, shares.
    OrderQuantity = 1,
    /// Largest order, USD at its limit price.
    OrderNotional = 2,
    /// Largest position either way, shares an instrument.
    Position = 3,
    /// Orders open at once.
    OpenOrders = 4,
    /// New orders and replaces in any second.
    MessagesPerSecond = 5,
    /// Furthest limit price from the reference, 1/100 of a percent.
    PriceCollar = 6,
    /// Loss at which trading halts, USD.
    DailyLoss = 7,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 7] = [
        Limit::OrderQuantity,
        Limit::OrderNotional,
        Limit::Position,
        Limit::OpenOrders,
        Limit::MessagesPerSecond,
        Limit::PriceCollar,
        Limit::DailyLoss,
    ];

    /// Its key under `[risk]`, which names its unit.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Limit::OrderQuantity => "max_order_quantity",
            Limit::OrderNotional => "max_order_notional_usd",
            Limit::Position => "max_position",
            Limit::OpenOrders => "max_open_orders",
            Limit::MessagesPerSecond => "max_messages_per_second",
            Limit::PriceCollar => "price_collar_bps",
            Limit::DailyLoss => "max_daily_loss_usd",
        }
    }

    /// The limit of a key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|l| l.key() == key)
    }
}

/// One value of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A parameter that is a number.
    Number(ParamName, i64),
    /// A parameter that is a switch.
    Switch(ParamName, bool),
    /// A limit, in the unit of its key.
    Limit(Limit, i64),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Number(name, value) => write!(f, "{name}={value}"),
            Setting::Switch(name, value) => write!(f, "{name}={value}"),
            Setting::Limit(limit, value) => write!(f, "{}={value}", limit.key()),
        }
    }
}

/// Settings of one change at most.
pub const SETTINGS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_visible() {
        for bad in ["", "a b", "a\n", "\u{e9}", &"x".repeat(33)] {
            assert_eq!(ParamName::new(bad), None, "{bad:?}");
        }
        let longest = "x".repeat(32);
        assert_eq!(ParamName::new(&longest).unwrap().as_str(), longest);
        assert_eq!(Setting::Number(ParamName::new("edge_ticks").unwrap(), -3).to_string(), "edge_ticks=-3");
    }

    #[test]
    fn a_key_finds_its_limit() {
        for limit in Limit::ALL {
            assert_eq!(Limit::of_key(limit.key()), Some(limit));
        }
        assert_eq!(Limit::of_key("max_gross_notional_usd"), None);
    }
}
