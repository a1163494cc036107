//! What is asked of the venue, and what it weighs.

use model::Symbol;

/// Which of a venue's two markets: they differ in where things are, what they weigh, and in the rule of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Spot.
    Spot,
    /// Perpetual futures.
    Perpetual,
}

/// Levels of a side in a snapshot.
const LEVELS: u32 = 1_000;

impl Market {
    /// Target and weight of the list of instruments.
    #[must_use]
    pub fn info(self, symbols: &[Symbol]) -> (String, u32) {
        match self {
            Market::Spot => {
                let named: Vec<_> = symbols.iter().map(|s| format!("%22{s}%22")).collect();
                (format!("/api/v3/exchangeInfo?symbols=%5B{}%5D", named.join(",")), 20)
            }
            Market::Perpetual => ("/fapi/v1/exchangeInfo".into(), 1),
        }
    }

    /// Target and weight of a snapshot.
    #[must_use]
    pub fn snapshot(self, symbol: Symbol) -> (String, u32) {
        match self {
            Market::Spot => (format!("/api/v3/depth?symbol={symbol}&limit={LEVELS}"), 50),
            Market::Perpetual => (format!("/fapi/v1/depth?symbol={symbol}&limit={LEVELS}"), 20),
        }
    }

    /// Where the differences and trades of all these are one stream.
    #[must_use]
    pub fn stream(self, symbols: &[Symbol]) -> String {
        let trades = match self {
            Market::Spot => "trade",
            Market::Perpetual => "aggTrade",
        };
        let of = |s: &Symbol| {
            let name = s.to_string().to_ascii_lowercase();
            format!("{name}@depth@100ms/{name}@{trades}")
        };
        format!("/stream?streams={}", symbols.iter().map(of).collect::<Vec<_>>().join("/"))
    }
}
