//! Views: the bytes of one message, read field by field where they lie.
//!
//! Accessors are named as in the specification and give the wire's values.

use model::Symbol;

use super::DecodeError;
use crate::views::{Field, no_header, views};

/// A ticker of six characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortSymbol(pub [u8; 6]);

impl Field for ShortSymbol {
    #[inline(always)]
    fn be<const OFFSET: usize, const N: usize>(msg: &[u8; N]) -> Self {
        ShortSymbol(<[u8; 6]>::be::<OFFSET, N>(msg))
    }
}

impl From<ShortSymbol> for Symbol {
    #[inline(always)]
    fn from(s: ShortSymbol) -> Symbol {
        let [a, b, c, d, e, f] = s.0;
        Symbol([a, b, c, d, e, f, b' ', b' '])
    }
}

views! { le no_header
    /// Time: the second that the offsets of the unit's messages count from.
    Time = 0x20, 6 bytes {
        time: u32 = 2, "Seconds since midnight, US Eastern.";
    }

    /// Unit Clear: the unit's book is empty.
    UnitClear = 0x97, 6 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
    }

    /// Add Order, long form.
    AddOrderLong = 0x21, 34 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The order's number of the day.";
        side_indicator: u8 = 14, "`B` or `S`.";
        quantity: u32 = 15, "Shares displayed.";
        symbol: ShortSymbol = 19, "The ticker.";
        price: u64 = 25, "Where it rests, 1e-4 USD.";
        add_flags: u8 = 33, "Reserved for equities.";
    }

    /// Add Order, short form.
    AddOrderShort = 0x22, 26 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The order's number of the day.";
        side_indicator: u8 = 14, "`B` or `S`.";
        quantity: u16 = 15, "Shares displayed.";
        symbol: ShortSymbol = 17, "The ticker.";
        price: u16 = 23, "Where it rests, 1e-2 USD.";
        add_flags: u8 = 25, "Reserved for equities.";
    }

    /// Add Order, expanded form. The customer indicator that newer versions put behind it is of options.
    AddOrderExpanded = 0x2F, 40 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The order's number of the day.";
        side_indicator: u8 = 14, "`B` or `S`.";
        quantity: u32 = 15, "Shares displayed.";
        symbol: Symbol = 19, "The ticker.";
        price: u64 = 27, "Where it rests, 1e-4 USD.";
        add_flags: u8 = 35, "Reserved for equities.";
        participant_id: [u8; 4] = 36, "The participant, `RTAL` for retail, or blanks.";
    }

    /// Order Executed, at the order's own price.
    OrderExecuted = 0x23, 26 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        executed_quantity: u32 = 14, "Shares traded.";
        execution_id: u64 = 18, "The trade's number.";
    }

    /// Order Executed at Price/Size: at another price than the order's.
    OrderExecutedAtPriceSize = 0x24, 38 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        executed_quantity: u32 = 14, "Shares traded.";
        remaining_quantity: u32 = 18, "Shares that rest from now on; 0: the order is gone.";
        execution_id: u64 = 22, "The trade's number.";
        price: u64 = 30, "The trade's price, 1e-4 USD.";
    }

    /// Reduce Size, long form.
    ReduceSizeLong = 0x25, 18 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        canceled_quantity: u32 = 14, "Shares taken off it.";
    }

    /// Reduce Size, short form.
    ReduceSizeShort = 0x26, 16 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        canceled_quantity: u16 = 14, "Shares taken off it.";
    }

    /// Modify Order, long form.
    ModifyOrderLong = 0x27, 27 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        quantity: u32 = 14, "Its shares from now on.";
        price: u64 = 18, "Where it rests from now on, 1e-4 USD.";
        modify_flags: u8 = 26, "Bit 1: it keeps its priority.";
    }

    /// Modify Order, short form.
    ModifyOrderShort = 0x28, 19 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The resting order.";
        quantity: u16 = 14, "Its shares from now on.";
        price: u16 = 16, "Where it rests from now on, 1e-2 USD.";
        modify_flags: u8 = 18, "Bit 1: it keeps its priority.";
    }

    /// Delete Order. Its id may come again in an Add Order.
    DeleteOrder = 0x29, 14 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The order that is gone.";
    }

    /// Trade against an order that is not displayed, or routed away; long form.
    TradeLong = 0x2A, 41 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The hidden order.";
        side_indicator: u8 = 14, "Its side, `B` or `S`.";
        quantity: u32 = 15, "Shares traded.";
        symbol: ShortSymbol = 19, "The ticker.";
        price: u64 = 25, "The trade's price, 1e-4 USD.";
        execution_id: u64 = 33, "The trade's number.";
    }

    /// Trade, short form.
    TradeShort = 0x2B, 33 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The hidden order.";
        side_indicator: u8 = 14, "Its side, `B` or `S`.";
        quantity: u16 = 15, "Shares traded.";
        symbol: ShortSymbol = 17, "The ticker.";
        price: u16 = 23, "The trade's price, 1e-2 USD.";
        execution_id: u64 = 25, "The trade's number.";
    }

    /// Trade, expanded form.
    TradeExpanded = 0x30, 43 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        order_id: u64 = 6, "The hidden order.";
        side_indicator: u8 = 14, "Its side, `B` or `S`.";
        quantity: u32 = 15, "Shares traded.";
        symbol: Symbol = 19, "The ticker.";
        price: u64 = 27, "The trade's price, 1e-4 USD.";
        execution_id: u64 = 35, "The trade's number.";
    }

    /// Trade Break.
    TradeBreak = 0x2C, 14 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        execution_id: u64 = 6, "The trade that is void.";
    }

    /// End of Session: the unit sends nothing more but heartbeats.
    EndOfSession = 0x2D, 6 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
    }

    /// Symbol Mapping, of options.
    SymbolMapping = 0x2E, 38 bytes {
        feed_symbol: ShortSymbol = 2, "The name on the feed.";
        osi_symbol: [u8; 21] = 8, "The series.";
        symbol_condition: u8 = 29, "`N` or `C`.";
        underlying: Symbol = 30, "What it is on.";
    }

    /// Trading Status.
    TradingStatus = 0x31, 18 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        symbol: Symbol = 6, "The ticker.";
        trading_status: u8 = 14, "`A` queuing, `H` halted, `Q` quotes only, `S` suspended, `T` trading.";
        reg_sho_action: u8 = 15, "`0` no price test, `1` one in effect.";
        reserved: [u8; 2] = 16, "Reserved.";
    }

    /// Auction Update.
    AuctionUpdate = 0x95, 47 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        stock_symbol: Symbol = 6, "The ticker.";
        auction_type: u8 = 14, "`O`, `C`, `H`, `I`, `M`, `P`, `V`.";
        reference_price: u64 = 15, "1e-4 USD.";
        buy_shares: u32 = 23, "Shares to buy at the reference price.";
        sell_shares: u32 = 27, "Shares to sell at the reference price.";
        indicative_price: u64 = 31, "Where auction and continuous book would match together, 1e-4 USD.";
        auction_only_price: u64 = 39, "Where the auction's orders alone would, 1e-4 USD.";
    }

    /// Auction Summary.
    AuctionSummary = 0x96, 27 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        stock_symbol: Symbol = 6, "The ticker.";
        auction_type: u8 = 14, "`O`, `C`, `H`, `I`, `M`, `P`, `V`.";
        price: u64 = 15, "The auction's price, 1e-4 USD.";
        shares: u32 = 23, "Shares matched.";
    }

    /// Retail Price Improvement.
    RetailPriceImprovement = 0x98, 15 bytes {
        time_offset: u32 = 2, "ns within the unit's second.";
        symbol: Symbol = 6, "The ticker.";
        retail_price_improvement: u8 = 14, "`B`, `S`, `A` or `N`.";
    }
}
