//! Views: the bytes of one message, read field by field where they lie.
//!
//! Accessors are named as in the specification and give the wire's values: prices as `u32` with four implied decimals, letters as `u8`.

use model::{Nanos, Symbol};

use super::DecodeError;
use crate::views::{Field, views};

/// What every message begins with.
macro_rules! header {
    (accessors $kind:literal $len:literal) => {
        /// The view of a message of this type; bytes beyond [`Self::LEN`] are ignored.
        ///
        /// # Errors
        /// [`DecodeError::Empty`], [`DecodeError::Unknown`] when it is of another type, [`DecodeError::Short`].
        #[inline]
        pub fn new(msg: &'a [u8]) -> Result<Self, DecodeError> {
            match msg.first() {
                None => Err(DecodeError::Empty),
                Some(&$kind) => Self::of_kind(msg),
                Some(&other) => Err(DecodeError::Unknown(other)),
            }
        }

        /// The day's number of the instrument; 0 for the whole market.
        #[inline(always)]
        #[must_use]
        pub fn stock_locate(&self) -> u16 {
            u16::be::<1, $len>(self.0)
        }

        /// The venue's internal number.
        #[inline(always)]
        #[must_use]
        pub fn tracking_number(&self) -> u16 {
            u16::be::<3, $len>(self.0)
        }

        /// When the venue made the message, ns since its midnight (48 bits).
        #[inline(always)]
        #[must_use]
        pub fn timestamp(&self) -> Nanos {
            // One load of eight bytes from the tracking number on, masked, is cheaper than a load of six.
            Nanos(u64::be::<3, $len>(self.0) & 0xFFFF_FFFF_FFFF)
        }
    };
    (debug $view:tt $out:ident) => {
        $out.field("stock_locate", &$view.stock_locate())
            .field("tracking_number", &$view.tracking_number())
            .field("timestamp", &$view.timestamp());
    };
}

views! { be header
    /// `S` System Event.
    SystemEvent = b'S', 12 bytes {
        event_code: u8 = 11, "`O` `S` `Q` `M` `E` `C`, in this order over the day.";
    }

    /// `R` Stock Directory.
    StockDirectory = b'R', 39 bytes {
        stock: Symbol = 11, "The ticker.";
        market_category: u8 = 19, "Listing market and tier.";
        financial_status: u8 = 20, "Financial status indicator.";
        round_lot_size: u32 = 21, "Shares in a round lot.";
        round_lots_only: u8 = 25, "`Y`: only round lots are taken.";
        issue_classification: u8 = 26, "Class of the security.";
        issue_subtype: [u8; 2] = 27, "Sub-type of the security.";
        authenticity: u8 = 29, "`P` production, `T` test.";
        short_sale_threshold: u8 = 30, "`Y` restricted, `N` not, blank unknown.";
        ipo_flag: u8 = 31, "`Y`: set up for an IPO.";
        luld_tier: u8 = 32, "`1`, `2` or blank.";
        etp_flag: u8 = 33, "`Y`: an exchange traded product.";
        etp_leverage: u32 = 34, "Leverage of an exchange traded product.";
        inverse: u8 = 38, "`Y`: an inverse exchange traded product.";
    }

    /// `H` Stock Trading Action.
    TradingAction = b'H', 25 bytes {
        stock: Symbol = 11, "The ticker.";
        trading_state: u8 = 19, "`H` halted, `P` paused, `Q` quotation only, `T` trading.";
        reserved: u8 = 20, "Reserved.";
        reason: [u8; 4] = 21, "Why.";
    }

    /// `Y` Reg SHO Short Sale Price Test Restriction.
    RegShoRestriction = b'Y', 20 bytes {
        stock: Symbol = 11, "The ticker.";
        reg_sho_action: u8 = 19, "`0` none, `1` from an intraday drop, `2` remains.";
    }

    /// `L` Market Participant Position.
    ParticipantPosition = b'L', 26 bytes {
        mpid: [u8; 4] = 11, "The participant.";
        stock: Symbol = 15, "The ticker.";
        primary_mm: u8 = 23, "`Y`: primary market maker.";
        mm_mode: u8 = 24, "Mode of the market maker.";
        mp_state: u8 = 25, "State of the participant.";
    }

    /// `V` Market-Wide Circuit Breaker Decline Level.
    MwcbDecline = b'V', 35 bytes {
        level1: u64 = 11, "Level 1, 1e-8 USD.";
        level2: u64 = 19, "Level 2, 1e-8 USD.";
        level3: u64 = 27, "Level 3, 1e-8 USD.";
    }

    /// `W` Market-Wide Circuit Breaker Status.
    MwcbStatus = b'W', 12 bytes {
        breached_level: u8 = 11, "`1`, `2` or `3`.";
    }

    /// `K` IPO Quoting Period Update.
    IpoQuoting = b'K', 28 bytes {
        stock: Symbol = 11, "The ticker.";
        ipo_release_time_s: u32 = 19, "Release time in SECONDS since midnight; 0 when canceled.";
        ipo_qualifier: u8 = 23, "`A` anticipated, `C` canceled or postponed.";
        ipo_price: u32 = 24, "The IPO price, 1e-4 USD.";
    }

    /// `J` Limit Up - Limit Down Auction Collar (since 2017-09).
    AuctionCollar = b'J', 35 bytes {
        stock: Symbol = 11, "The ticker.";
        ref_price: u32 = 19, "Reference price, 1e-4 USD.";
        upper_price: u32 = 23, "Upper collar, 1e-4 USD.";
        lower_price: u32 = 27, "Lower collar, 1e-4 USD.";
        extension: u32 = 31, "Extensions so far.";
    }

    /// `h` Operational Halt (since 2018-03).
    OperationalHalt = b'h', 21 bytes {
        stock: Symbol = 11, "The ticker.";
        market_code: u8 = 19, "`Q`, `B` or `X`: the one market concerned.";
        action: u8 = 20, "`H` halted, `T` lifted.";
    }

    /// `A` Add Order without attribution.
    AddOrder = b'A', 36 bytes {
        order_ref: u64 = 11, "The order's number of the day.";
        side: u8 = 19, "`B` or `S`.";
        shares: u32 = 20, "Shares displayed.";
        stock: Symbol = 24, "The ticker.";
        price: u32 = 32, "Where it rests, 1e-4 USD.";
    }

    /// `F` Add Order with attribution.
    AddOrderMpid = b'F', 40 bytes {
        order_ref: u64 = 11, "The order's number of the day.";
        side: u8 = 19, "`B` or `S`.";
        shares: u32 = 20, "Shares displayed.";
        stock: Symbol = 24, "The ticker.";
        price: u32 = 32, "Where it rests, 1e-4 USD.";
        attribution: [u8; 4] = 36, "The participant.";
    }

    /// `E` Order Executed at its own price.
    OrderExecuted = b'E', 31 bytes {
        order_ref: u64 = 11, "The resting order.";
        executed_shares: u32 = 19, "Shares traded.";
        match_number: u64 = 23, "The trade's number.";
    }

    /// `C` Order Executed With Price: the trade's price differs from where the order rests.
    OrderExecutedWithPrice = b'C', 36 bytes {
        order_ref: u64 = 11, "The resting order.";
        executed_shares: u32 = 19, "Shares traded.";
        match_number: u64 = 23, "The trade's number.";
        printable: u8 = 31, "`Y`, or `N`: comes again in a bulk `Q`.";
        execution_price: u32 = 32, "The trade's price, 1e-4 USD.";
    }

    /// `X` Order Cancel, in part.
    OrderCancel = b'X', 23 bytes {
        order_ref: u64 = 11, "The resting order.";
        cancelled_shares: u32 = 19, "Shares taken off it.";
    }

    /// `D` Order Delete.
    OrderDelete = b'D', 19 bytes {
        order_ref: u64 = 11, "The order that is gone.";
    }

    /// `U` Order Replace; side, ticker and attribution are the original's.
    OrderReplace = b'U', 35 bytes {
        orig_order_ref: u64 = 11, "The order that goes.";
        new_order_ref: u64 = 19, "The order that comes.";
        shares: u32 = 27, "Its shares, a total.";
        price: u32 = 31, "Where it rests, 1e-4 USD.";
    }

    /// `P` Trade against a hidden order.
    Trade = b'P', 44 bytes {
        order_ref: u64 = 11, "0 since 2010-12.";
        side: u8 = 19, "`B` since 2014-07.";
        shares: u32 = 20, "Shares traded.";
        stock: Symbol = 24, "The ticker.";
        price: u32 = 32, "The trade's price, 1e-4 USD.";
        match_number: u64 = 36, "The trade's number.";
    }

    /// `Q` Cross Trade.
    CrossTrade = b'Q', 40 bytes {
        shares: u64 = 11, "Shares matched; may be 0.";
        stock: Symbol = 19, "The ticker.";
        cross_price: u32 = 27, "The auction's price, 1e-4 USD.";
        match_number: u64 = 31, "The trade's number.";
        cross_type: u8 = 39, "`O`, `C`, `H`, `I`, `A`.";
    }

    /// `B` Broken Trade.
    BrokenTrade = b'B', 19 bytes {
        match_number: u64 = 11, "The trade that is void.";
    }

    /// `I` Net Order Imbalance Indicator.
    Imbalance = b'I', 50 bytes {
        paired_shares: u64 = 11, "Shares matched at the reference price.";
        imbalance_shares: u64 = 19, "Shares not matched.";
        imbalance_direction: u8 = 27, "`B`, `S`, `N`, `O` or `P`.";
        stock: Symbol = 28, "The ticker.";
        far_price: u32 = 36, "Far price, 1e-4 USD.";
        near_price: u32 = 40, "Near price, 1e-4 USD.";
        ref_price: u32 = 44, "Reference price, 1e-4 USD.";
        cross_type: u8 = 48, "`O`, `C`, `H`, `A`.";
        price_variation: u8 = 49, "Deviation bucket: `L`, `1` to `9`, `A`, `B`, `C` or blank.";
    }

    /// `N` Retail Price Improvement Indicator.
    RetailInterest = b'N', 20 bytes {
        stock: Symbol = 11, "The ticker.";
        interest_flag: u8 = 19, "`B`, `S`, `A` or `N`.";
    }

    /// `O` Direct Listing with Capital Raise (since 2023-04).
    DirectListing = b'O', 48 bytes {
        stock: Symbol = 11, "The ticker.";
        open_eligibility: u8 = 19, "`Y`: may be released.";
        min_price: u32 = 20, "Minimum allowable price, 1e-4 USD.";
        max_price: u32 = 24, "Maximum allowable price, 1e-4 USD.";
        near_price: u32 = 28, "Near execution price, 1e-4 USD.";
        near_time: u64 = 32, "When the near price was computed, ns since midnight (EIGHT bytes).";
        lower_collar: u32 = 40, "Lower price collar, 1e-4 USD.";
        upper_collar: u32 = 44, "Upper price collar, 1e-4 USD.";
    }
}

/// Length in bytes by type letter, 0 where no type has that letter.
pub const LENGTHS: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < TYPES.len() {
        let (kind, len) = TYPES[i];
        assert!(table[kind as usize] == 0 && len < 256, "letters differ");
        table[kind as usize] = len as u8;
        i += 1;
    }
    table
};

/// Length in bytes of a type, `None` where no type has that letter. One table look-up.
#[inline]
#[must_use]
pub const fn length(kind: u8) -> Option<usize> {
    match LENGTHS[kind as usize] {
        0 => None,
        len => Some(len as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_specification_s() {
        let want = [
            (b'S', 12),
            (b'R', 39),
            (b'H', 25),
            (b'Y', 20),
            (b'L', 26),
            (b'V', 35),
            (b'W', 12),
            (b'K', 28),
            (b'J', 35),
            (b'h', 21),
            (b'A', 36),
            (b'F', 40),
            (b'E', 31),
            (b'C', 36),
            (b'X', 23),
            (b'D', 19),
            (b'U', 35),
            (b'P', 44),
            (b'Q', 40),
            (b'B', 19),
            (b'I', 50),
            (b'N', 20),
            (b'O', 48),
        ];
        assert_eq!(TYPES, want);
        assert_eq!(LENGTHS.iter().filter(|l| **l != 0).count(), 23);
        assert_eq!(length(b'h'), Some(21));
        assert_eq!(length(b'z'), None);
    }

    #[test]
    fn the_timestamp_is_48_bits_and_does_not_take_in_the_tracking_number() {
        let mut msg = [0u8; 19];
        msg[0] = b'D';
        msg[3..5].copy_from_slice(&[0xFF, 0xFF]);
        msg[5..11].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let view = OrderDelete::new(&msg).unwrap();
        assert_eq!(view.timestamp(), Nanos(0x0102_0304_0506));
        assert_eq!(view.tracking_number(), 0xFFFF);
    }

    #[test]
    fn a_view_refuses_other_types_and_short_messages() {
        assert_eq!(OrderDelete::new(&[]), Err(DecodeError::Empty));
        assert_eq!(OrderDelete::new(b"X"), Err(DecodeError::Unknown(b'X')));
        assert_eq!(OrderDelete::new(b"D"), Err(DecodeError::Short { kind: b'D', len: 1, need: 19 }));
    }

    #[test]
    fn a_view_prints_its_fields() {
        let mut msg = *b"W\0\x07\0\x01\0\0\0\0\0\x093";
        assert_eq!(
            format!("{:?}", MwcbStatus::new(&msg).unwrap()),
            "MwcbStatus { stock_locate: 7, tracking_number: 1, timestamp: Nanos(9), breached_level: 51 }"
        );
        msg[0] = b'S';
        assert!(MwcbStatus::new(&msg).is_err());
    }
}
