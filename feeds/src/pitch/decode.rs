//! A message by itself: its fields in the core's units, the same for a type's long, short and expanded form.

use model::{CrossKind, Px, Qty, Side, Symbol, TradingState};

use super::wire::{
    AddOrderExpanded, AddOrderLong, AddOrderShort, AuctionSummary, AuctionUpdate, DeleteOrder, EndOfSession,
    ModifyOrderLong, ModifyOrderShort, OrderExecuted, OrderExecutedAtPriceSize, ReduceSizeLong,
    ReduceSizeShort, RetailPriceImprovement, SymbolMapping, Time, TradeBreak, TradeExpanded, TradeLong,
    TradeShort, TradingStatus, UnitClear,
};
use crate::misread::{DecodeError, side};

/// A message and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// ns within the unit's second; 0 where the message has none.
    pub offset_ns: u32,
    /// What it says.
    pub message: Message,
}

/// What a message says, whatever its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `wire`, in the core's units")]
pub enum Message {
    /// The second that offsets count from.
    Time { second: u32 },
    /// The unit's book is empty.
    UnitClear,
    /// An order joins the back of its level.
    Add { id: u64, side: Side, qty: Qty, symbol: Symbol, px: Px, participant: [u8; 4] },
    /// An order traded at its own price.
    Executed { id: u64, qty: Qty, execution: u64 },
    /// An order traded at another price, and `remaining` of it rests.
    ExecutedAt { id: u64, qty: Qty, remaining: Qty, execution: u64, px: Px },
    /// Part of an order is canceled.
    Reduced { id: u64, qty: Qty },
    /// An order is changed in place.
    Modified { id: u64, qty: Qty, px: Px, keeps_priority: bool },
    /// An order is gone.
    Deleted { id: u64 },
    /// A trade that no displayed order had a part in.
    Traded { side: Side, qty: Qty, symbol: Symbol, px: Px, execution: u64 },
    /// A trade is void.
    Broken { execution: u64 },
    /// The unit sends nothing more.
    EndOfSession,
    /// Of options: nothing.
    SymbolMapping,
    /// What may be done in an instrument, and whether short sales are restricted.
    Status { symbol: Symbol, state: TradingState, reg_sho: u8 },
    /// What an auction would give.
    AuctionUpdate {
        symbol: Symbol,
        cross: CrossKind,
        reference: Px,
        buy: u32,
        sell: u32,
        indicative: Px,
        auction_only: Px,
    },
    /// What an auction gave.
    AuctionSummary { symbol: Symbol, cross: CrossKind, px: Px, qty: u32 },
    /// Whether there is retail interest: `B`, `S`, `A` or `N`.
    Retail { symbol: Symbol, flag: u8 },
}

impl Message {
    /// The ticker that it names.
    #[must_use]
    pub const fn symbol(&self) -> Option<Symbol> {
        match *self {
            Message::Add { symbol, .. }
            | Message::Traded { symbol, .. }
            | Message::Status { symbol, .. }
            | Message::AuctionUpdate { symbol, .. }
            | Message::AuctionSummary { symbol, .. }
            | Message::Retail { symbol, .. } => Some(symbol),
            _ => None,
        }
    }
}

/// Bit 1 of the modify flags.
const KEEPS_PRIORITY: u8 = 2;
const BLANK: [u8; 4] = *b"    ";

/// Whether a book or a trading state hangs on a type.
pub(super) const fn is_loss(kind: u8) -> bool {
    matches!(kind, 0x21..=0x29 | 0x2F | 0x31 | 0x97)
}

/// One message. Bytes beyond the type's length are ignored. No allocation.
///
/// # Errors
/// [`DecodeError`]; nothing of the message may be used then.
#[inline]
pub fn decode(msg: &[u8]) -> Result<Decoded, DecodeError> {
    let [_, kind, ..] = *msg else { return Err(DecodeError::Empty) };
    macro_rules! message {
        ($view:ident, $m:ident => $message:expr) => {{
            let $m = $view::of_kind(msg)?;
            Ok(Decoded { offset_ns: $m.time_offset(), message: $message })
        }};
    }
    macro_rules! add {
        ($view:ident, $price:ident, $participant:expr) => {
            message!($view, m => Message::Add {
                id: m.order_id(),
                side: side(kind, m.side_indicator())?,
                qty: Qty(m.quantity().into()),
                symbol: m.symbol().into(),
                px: $price(m.price()),
                participant: $participant(m),
            })
        };
    }
    macro_rules! traded {
        ($view:ident, $price:ident) => {
            message!($view, m => Message::Traded {
                side: side(kind, m.side_indicator())?,
                qty: Qty(m.quantity().into()),
                symbol: m.symbol().into(),
                px: $price(m.price()),
                execution: m.execution_id(),
            })
        };
    }
    macro_rules! modified {
        ($view:ident, $price:ident) => {
            message!($view, m => Message::Modified {
                id: m.order_id(),
                qty: Qty(m.quantity().into()),
                px: $price(m.price()),
                keeps_priority: m.modify_flags() & KEEPS_PRIORITY != 0,
            })
        };
    }
    macro_rules! reduced {
        ($view:ident) => {
            message!($view, m => Message::Reduced { id: m.order_id(), qty: Qty(m.canceled_quantity().into()) })
        };
    }
    match kind {
        AddOrderShort::KIND => add!(AddOrderShort, short, |_| BLANK),
        DeleteOrder::KIND => message!(DeleteOrder, m => Message::Deleted { id: m.order_id() }),
        AddOrderLong::KIND => add!(AddOrderLong, long, |_| BLANK),
        AddOrderExpanded::KIND => add!(AddOrderExpanded, long, |m: AddOrderExpanded<'_>| m.participant_id()),
        OrderExecuted::KIND => message!(OrderExecuted, m => Message::Executed {
            id: m.order_id(),
            qty: Qty(m.executed_quantity()),
            execution: m.execution_id(),
        }),
        ReduceSizeShort::KIND => reduced!(ReduceSizeShort),
        ReduceSizeLong::KIND => reduced!(ReduceSizeLong),
        ModifyOrderShort::KIND => modified!(ModifyOrderShort, short),
        ModifyOrderLong::KIND => modified!(ModifyOrderLong, long),
        OrderExecutedAtPriceSize::KIND => message!(OrderExecutedAtPriceSize, m => Message::ExecutedAt {
            id: m.order_id(),
            qty: Qty(m.executed_quantity()),
            remaining: Qty(m.remaining_quantity()),
            execution: m.execution_id(),
            px: long(m.price()),
        }),
        Time::KIND => {
            let m = Time::of_kind(msg)?;
            Ok(Decoded { offset_ns: 0, message: Message::Time { second: m.time() } })
        }
        TradeShort::KIND => traded!(TradeShort, short),
        TradeLong::KIND => traded!(TradeLong, long),
        TradeExpanded::KIND => traded!(TradeExpanded, long),
        TradeBreak::KIND => message!(TradeBreak, m => Message::Broken { execution: m.execution_id() }),
        TradingStatus::KIND => message!(TradingStatus, m => Message::Status {
            symbol: m.symbol(),
            state: trading_state(m.trading_status()),
            reg_sho: m.reg_sho_action(),
        }),
        AuctionUpdate::KIND => message!(AuctionUpdate, m => Message::AuctionUpdate {
            symbol: m.stock_symbol(),
            cross: cross(m.auction_type()),
            reference: long(m.reference_price()),
            buy: m.buy_shares(),
            sell: m.sell_shares(),
            indicative: long(m.indicative_price()),
            auction_only: long(m.auction_only_price()),
        }),
        AuctionSummary::KIND => message!(AuctionSummary, m => Message::AuctionSummary {
            symbol: m.stock_symbol(),
            cross: cross(m.auction_type()),
            px: long(m.price()),
            qty: m.shares(),
        }),
        RetailPriceImprovement::KIND => message!(RetailPriceImprovement, m => Message::Retail {
            symbol: m.symbol(),
            flag: m.retail_price_improvement(),
        }),
        UnitClear::KIND => message!(UnitClear, m => Message::UnitClear),
        EndOfSession::KIND => message!(EndOfSession, m => Message::EndOfSession),
        SymbolMapping::KIND => {
            SymbolMapping::of_kind(msg)?;
            Ok(Decoded { offset_ns: 0, message: Message::SymbolMapping })
        }
        other => Err(DecodeError::Unknown(other)),
    }
}

/// Two implied decimals to four.
#[inline(always)]
const fn short(price: u16) -> Px {
    Px(price as i64 * 100)
}

/// A price that no book has, kept as the largest there is: the book refuses it.
#[inline(always)]
fn long(price: u64) -> Px {
    Px(i64::try_from(price).unwrap_or(i64::MAX))
}

const fn cross(letter: u8) -> CrossKind {
    match letter {
        b'O' => CrossKind::Opening,
        b'C' => CrossKind::Closing,
        b'H' | b'I' => CrossKind::Halt,
        other => CrossKind::Other(other),
    }
}

const fn trading_state(letter: u8) -> TradingState {
    match letter {
        b'T' => TradingState::Trading,
        b'H' | b'S' => TradingState::Halted,
        b'A' | b'Q' => TradingState::QuotationOnly,
        _ => TradingState::Unknown,
    }
}
