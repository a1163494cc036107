//! Why an order is refused, and why shares leave one: the venue's own words, with OUCH's numbers and letters.

/// Why an order or a replace is refused; the numbers are OUCH 5.0's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs)] // the names are the document's own
pub enum Cause {
    QuoteUnavailable = 0x01,
    DestinationClosed = 0x02,
    Display = 0x03,
    MaxFloor = 0x04,
    PegType = 0x05,
    FatFinger = 0x06,
    Halted = 0x07,
    IsoNotAllowed = 0x08,
    Side = 0x09,
    ProcessingError = 0x0A,
    CancelPending = 0x0B,
    FirmNotAuthorized = 0x0C,
    MinQuantity = 0x0D,
    NoClosingReferencePrice = 0x0E,
    Other = 0x0F,
    CancelNotAllowed = 0x10,
    Pegging = 0x11,
    CrossedMarket = 0x12,
    Quantity = 0x13,
    CrossOrder = 0x14,
    ReplaceNotAllowed = 0x15,
    Routing = 0x16,
    Symbol = 0x17,
    Test = 0x18,
    LateLocTooAggressive = 0x19,
    Retail = 0x1A,
    MidpointPostOnlyPrice = 0x1B,
    Destination = 0x1C,
    Price = 0x1D,
    SharesThreshold = 0x1E,
    MaxNotional = 0x1F,
    RiskAggregateExposure = 0x20,
    RiskMarketImpact = 0x21,
    RiskRestrictedStock = 0x22,
    RiskShortSellRestricted = 0x23,
    RiskIso = 0x24,
    RiskAverageDailyVolume = 0x25,
    RiskFatFinger = 0x26,
    RiskLocateRequired = 0x27,
    RiskSymbolRate = 0x28,
    RiskPortRate = 0x29,
    RiskDuplicateRate = 0x2A,
    RiskShortSell = 0x2B,
    RiskMarketOrder = 0x2C,
    RiskPreMarket = 0x2D,
    RiskPostMarket = 0x2E,
    RiskShortExempt = 0x2F,
    RiskSingleOrderNotional = 0x30,
    RiskMaxQuantity = 0x31,
    RiskRegShoStateUnavailable = 0x32,
    RiskIpoMarketBuy = 0x33,
}

impl Cause {
    const ALL: [Cause; 51] = [
        Cause::QuoteUnavailable,
        Cause::DestinationClosed,
        Cause::Display,
        Cause::MaxFloor,
        Cause::PegType,
        Cause::FatFinger,
        Cause::Halted,
        Cause::IsoNotAllowed,
        Cause::Side,
        Cause::ProcessingError,
        Cause::CancelPending,
        Cause::FirmNotAuthorized,
        Cause::MinQuantity,
        Cause::NoClosingReferencePrice,
        Cause::Other,
        Cause::CancelNotAllowed,
        Cause::Pegging,
        Cause::CrossedMarket,
        Cause::Quantity,
        Cause::CrossOrder,
        Cause::ReplaceNotAllowed,
        Cause::Routing,
        Cause::Symbol,
        Cause::Test,
        Cause::LateLocTooAggressive,
        Cause::Retail,
        Cause::MidpointPostOnlyPrice,
        Cause::Destination,
        Cause::Price,
        Cause::SharesThreshold,
        Cause::MaxNotional,
        Cause::RiskAggregateExposure,
        Cause::RiskMarketImpact,
        Cause::RiskRestrictedStock,
        Cause::RiskShortSellRestricted,
        Cause::RiskIso,
        Cause::RiskAverageDailyVolume,
        Cause::RiskFatFinger,
        Cause::RiskLocateRequired,
        Cause::RiskSymbolRate,
        Cause::RiskPortRate,
        Cause::RiskDuplicateRate,
        Cause::RiskShortSell,
        Cause::RiskMarketOrder,
        Cause::RiskPreMarket,
        Cause::RiskPostMarket,
        Cause::RiskShortExempt,
        Cause::RiskSingleOrderNotional,
        Cause::RiskMaxQuantity,
        Cause::RiskRegShoStateUnavailable,
        Cause::RiskIpoMarketBuy,
    ];

    /// OUCH 5.0's number of it.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The cause of a number.
    #[must_use]
    pub fn of_code(code: u16) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.code() == code)
    }
}

/// Why shares left an order without a trade; the letters are OUCH's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The market, or the cross it was for, is over.
    Closed = b'E',
    /// It was post-only, and would have traded.
    PostOnly = b'F',
    /// The symbol is halted.
    Halted = b'H',
    /// Immediate or cancel: nothing more to trade with.
    Ioc = b'I',
    /// The price is outside of the bands.
    Collars = b'K',
    /// Its own account's order stood against it.
    SelfMatch = b'Q',
    /// A person at the venue did it.
    Supervisory = b'S',
    /// Its time is up.
    Timeout = b'T',
    /// The client asked.
    User = b'U',
    /// The venue did it: the client's connection is gone.
    System = b'Z',
}

impl Reason {
    /// OUCH's letter for it.
    #[must_use]
    pub const fn letter(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_number() {
        let mut known: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        assert_eq!(known.first().zip(known.last()), Some((&1, &0x33)));
        assert!(known.is_sorted());
        known.dedup();
        assert_eq!(known.len(), 51);
        assert!((0..0x100).all(|n| Cause::of_code(n).map(Cause::code) == known.contains(&n).then_some(n)));
    }
}
