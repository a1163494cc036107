//! Views: the bytes of one message, read field by field where they lie.
//!
//! Accessors are named as in the specification and give the wire's values: prices as `u32` with one implied decimal.

use super::DecodeError;
use crate::views::{no_header, views};

views! { be no_header
    /// Seconds: what the nanoseconds of the messages behind it count from.
    TimestampSeconds = b'T', 5 bytes {
        seconds: u32 = 1, "Seconds since midnight, Japan.";
    }

    /// System Event of a group.
    SystemEvent = b'S', 10 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        group: [u8; 4] = 5, "The group, or blanks.";
        system_event: u8 = 9, "`O`, `S`, `Q`, `M`, `E`, `C`.";
    }

    /// Price Tick Size: one line of a tick table.
    PriceTickSize = b'L', 17 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        price_tick_size_table_id: u32 = 5, "The table.";
        price_tick_size: u32 = 9, "The tick, 1e-1 JPY.";
        price_start: u32 = 13, "From this price on, 1e-1 JPY.";
    }

    /// Orderbook Directory: an order book's number of the day.
    OrderbookDirectory = b'R', 45 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        orderbook_id: u32 = 5, "The number.";
        orderbook_code: [u8; 12] = 9, "The security's code.";
        group: [u8; 4] = 21, "The market that it is traded in.";
        round_lot_size: u32 = 25, "Shares in a round lot.";
        price_tick_size_table_id: u32 = 29, "Its table of ticks.";
        price_decimals: u32 = 33, "Decimals of its prices; on the wire they have one all the same.";
        upper_price_limit: u32 = 37, "The day's highest price, 1e-1 JPY.";
        lower_price_limit: u32 = 41, "The day's lowest price, 1e-1 JPY.";
    }

    /// Trading State of an order book.
    TradingState = b'H', 14 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        orderbook_id: u32 = 5, "The order book.";
        group: [u8; 4] = 9, "Its market.";
        trading_state: u8 = 13, "`T` trading, `V` suspended.";
    }

    /// Short Selling Price Restriction State of an order book.
    ShortSellingPriceRestrictionState = b'Y', 14 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        orderbook_id: u32 = 5, "The order book.";
        group: [u8; 4] = 9, "Its market.";
        short_selling_state: u8 = 13, "`0` no restriction, `1` one in effect.";
    }

    /// Order Added, without attributes.
    OrderAdded = b'A', 30 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        order_number: u64 = 5, "The order's number of the day.";
        buy_sell_indicator: u8 = 13, "`B` or `S`.";
        quantity: u32 = 14, "Shares displayed.";
        orderbook_id: u32 = 18, "The order book.";
        group: [u8; 4] = 22, "Its market.";
        price: u32 = 26, "Where it rests, 1e-1 JPY.";
    }

    /// Order Added, with attributes.
    OrderAddedWithAttributes = b'F', 35 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        order_number: u64 = 5, "The order's number of the day.";
        buy_sell_indicator: u8 = 13, "`B` or `S`.";
        quantity: u32 = 14, "Shares displayed.";
        orderbook_id: u32 = 18, "The order book.";
        group: [u8; 4] = 22, "Its market.";
        price: u32 = 26, "Where it rests, 1e-1 JPY.";
        attribution: [u8; 4] = 30, "The participant.";
        order_type: u8 = 34, "`Q`: of a liquidity provider.";
    }

    /// Order Executed, at the order's own price.
    OrderExecuted = b'E', 25 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        order_number: u64 = 5, "The resting order.";
        executed_quantity: u32 = 13, "Shares traded.";
        match_number: u64 = 17, "The trade's number.";
    }

    /// Order Deleted.
    OrderDeleted = b'D', 13 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        order_number: u64 = 5, "The order that is gone.";
    }

    /// Order Replaced: another order in its place, at the back of its level.
    OrderReplaced = b'U', 29 bytes {
        nanoseconds: u32 = 1, "ns within the second.";
        original_order_number: u64 = 5, "The order that goes.";
        new_order_number: u64 = 13, "The order that comes.";
        quantity: u32 = 21, "Its shares, a total.";
        price: u32 = 25, "Where it rests, 1e-1 JPY.";
    }
}
