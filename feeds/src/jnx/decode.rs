//! A message by itself: its fields in the core's units.

use model::{Px, Qty, Side, TradingState};

use super::wire;
use crate::misread::{DecodeError, side};

/// A message and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// ns within the second that the last [`Message::Seconds`] told; 0 in that.
    pub offset_ns: u32,
    /// What it says.
    pub message: Message,
}

/// An order book: its number of the day, and its group as the wire writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BookId {
    /// The number.
    pub number: u32,
    /// The group.
    pub group: [u8; 4],
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `wire`, in the core's units")]
pub enum Message {
    /// The second that offsets count from.
    Seconds { second: u32 },
    /// Where in its day a group is.
    System { group: [u8; 4], code: u8 },
    /// One line of a tick table.
    TickSize { table: u32, tick: Px, from: Px },
    /// An order book's entry of the day.
    Directory {
        book: BookId,
        code: [u8; 12],
        round_lot: u32,
        tick_table: u32,
        decimals: u32,
        upper: Px,
        lower: Px,
    },
    /// What may be done in an order book.
    State { book: BookId, state: TradingState },
    /// Whether short sales are restricted: `0` or `1`.
    ShortSelling { book: BookId, restriction: u8 },
    /// An order joins the back of its level; what `F` says beyond `A` is blank in `A`.
    Add { number: u64, side: Side, qty: Qty, book: BookId, px: Px, attribution: [u8; 4], order_type: u8 },
    /// An order traded at its own price.
    Executed { number: u64, qty: Qty, match_number: u64 },
    /// An order is gone.
    Deleted { number: u64 },
    /// An order gives its place to another one.
    Replaced { old: u64, new: u64, qty: Qty, px: Px },
}

/// Whether a book or a trading state hangs on a type: on all but the time and the tick tables, and on one that is not known to be either.
pub(super) const fn is_loss(kind: u8) -> bool {
    !matches!(kind, b'T' | b'L')
}

/// One message. Bytes beyond the type's length are ignored. No allocation.
///
/// # Errors
/// [`DecodeError`]; nothing of the message may be used then.
#[inline]
pub fn decode(msg: &[u8]) -> Result<Decoded, DecodeError> {
    let [kind, ..] = *msg else { return Err(DecodeError::Empty) };
    macro_rules! message {
        ($view:ident, $m:ident => $message:expr) => {{
            let $m = wire::$view::of_kind(msg)?;
            Ok(Decoded { offset_ns: $m.nanoseconds(), message: $message })
        }};
    }
    macro_rules! book {
        ($m:ident) => {
            BookId { number: $m.orderbook_id(), group: $m.group() }
        };
    }
    macro_rules! add {
        ($view:ident, $m:ident => $attribution:expr, $order_type:expr) => {
            message!($view, $m => Message::Add {
                number: $m.order_number(),
                side: side(kind, $m.buy_sell_indicator())?,
                qty: Qty($m.quantity()),
                book: book!($m),
                px: px($m.price()),
                attribution: $attribution,
                order_type: $order_type,
            })
        };
    }
    match kind {
        wire::OrderAdded::KIND => add!(OrderAdded, m => *b"    ", b' '),
        wire::OrderDeleted::KIND => {
            message!(OrderDeleted, m => Message::Deleted { number: m.order_number() })
        }
        wire::OrderReplaced::KIND => message!(OrderReplaced, m => Message::Replaced {
            old: m.original_order_number(),
            new: m.new_order_number(),
            qty: Qty(m.quantity()),
            px: px(m.price()),
        }),
        wire::OrderExecuted::KIND => message!(OrderExecuted, m => Message::Executed {
            number: m.order_number(),
            qty: Qty(m.executed_quantity()),
            match_number: m.match_number(),
        }),
        wire::OrderAddedWithAttributes::KIND => {
            add!(OrderAddedWithAttributes, m => m.attribution(), m.order_type())
        }
        wire::TimestampSeconds::KIND => {
            let m = wire::TimestampSeconds::of_kind(msg)?;
            Ok(Decoded { offset_ns: 0, message: Message::Seconds { second: m.seconds() } })
        }
        wire::TradingState::KIND => message!(TradingState, m => Message::State {
            book: book!(m),
            state: trading_state(m.trading_state()),
        }),
        wire::ShortSellingPriceRestrictionState::KIND => {
            message!(ShortSellingPriceRestrictionState, m => Message::ShortSelling {
                book: book!(m),
                restriction: m.short_selling_state(),
            })
        }
        wire::SystemEvent::KIND => {
            message!(SystemEvent, m => Message::System { group: m.group(), code: m.system_event() })
        }
        wire::OrderbookDirectory::KIND => message!(OrderbookDirectory, m => Message::Directory {
            book: book!(m),
            code: m.orderbook_code(),
            round_lot: m.round_lot_size(),
            tick_table: m.price_tick_size_table_id(),
            decimals: m.price_decimals(),
            upper: px(m.upper_price_limit()),
            lower: px(m.lower_price_limit()),
        }),
        wire::PriceTickSize::KIND => message!(PriceTickSize, m => Message::TickSize {
            table: m.price_tick_size_table_id(),
            tick: px(m.price_tick_size()),
            from: px(m.price_start()),
        }),
        other => Err(DecodeError::Unknown(other)),
    }
}

/// One implied decimal to four: 1e-1 JPY to 1e-4 JPY.
#[inline(always)]
const fn px(price: u32) -> Px {
    Px(price as i64 * 1_000)
}

const fn trading_state(letter: u8) -> TradingState {
    match letter {
        b'T' => TradingState::Trading,
        b'V' => TradingState::Halted,
        _ => TradingState::Unknown,
    }
}
