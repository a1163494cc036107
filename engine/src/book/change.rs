//! What the book says: views of its state and the outcome of one message.

use model::{InstrumentId, Px, Qty, Side};

/// Best prices of one instrument. An absent side has quantity 0 and price [`Px::ZERO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Top {
    /// Highest bid.
    pub bid_px: Px,
    /// Shares displayed at it.
    pub bid_qty: u64,
    /// Lowest offer.
    pub ask_px: Px,
    /// Shares displayed at it.
    pub ask_qty: u64,
}

impl Top {
    /// Twice the middle, so that it is whole; 0 where a side is empty.
    #[inline]
    #[must_use]
    pub const fn mid2(&self) -> i64 {
        if self.bid_qty == 0 || self.ask_qty == 0 { 0 } else { self.bid_px.0 + self.ask_px.0 }
    }
}

/// One price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Level {
    /// Its price.
    pub px: Px,
    /// Shares displayed.
    pub qty: u64,
    /// Orders resting.
    pub orders: u32,
}

/// A live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingOrder {
    /// Whose book it rests in.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Where it rests.
    pub px: Px,
    /// Shares that remain.
    pub qty: Qty,
}

/// What stands before an order in its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePosition {
    /// Orders that trade before it.
    pub orders_ahead: u32,
    /// Their shares.
    pub qty_ahead: u64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Effect {
    /// It is not about resting orders.
    NotBook,
    /// Done as asked.
    Applied,
    /// It took more shares than the order had: the order is gone, what it had is what was removed.
    OverReduced,
    /// The order it names is not live: nothing happened.
    UnknownRef,
    /// The reference it adds is live already; of a replace, the old order was removed.
    DuplicateRef,
    /// The instrument of an add is out of range.
    UnknownInstrument,
    /// The price is not in `0..=u32::MAX`; of a replace, the old order was removed.
    BadPrice,
    /// It names no shares; of a replace, the old order was removed.
    ZeroQty,
    /// The book is full; of a replace, the old order was removed. The book lacks an order from now on.
    Capacity,
}

impl Effect {
    /// Whether the book now is what the venue's is, as far as this message can tell.
    #[inline]
    #[must_use]
    pub const fn is_sound(self) -> bool {
        matches!(self, Effect::NotBook | Effect::Applied)
    }
}

/// The trade of an `E` or a `C`; its shares are [`BookChange::qty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traded {
    /// The trade's price: where the order rests for `E`, the message's own for `C`.
    pub px: Px,
    /// Whether it counts in volume.
    pub printable: bool,
}

/// The outcome of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookChange {
    /// Where the order joined (`A`, `U`) or rests (`E`, `C`, `X`, `D`). Zero where nothing did.
    pub px: Px,
    /// Where the order that a `U` removed was resting.
    pub replaced_px: Px,
    /// The trade, of `E` and `C` only.
    pub traded: Option<Traded>,
    /// Shares added (`A`, `U`) or removed (`E`, `C`, `X`, `D`).
    pub qty: Qty,
    /// Shares that a `U` removed with the old order; 0 for every other message.
    pub replaced_qty: Qty,
    /// Whose book it is: the resting order's, or the message's where there is none.
    pub instrument: InstrumentId,
    /// What became of the message.
    pub effect: Effect,
    /// Which side was touched; meaningless where `qty` and `replaced_qty` are 0.
    pub side: Side,
    /// Whether a best price or the total there differs from before the message.
    pub top_changed: bool,
}

const _: () = assert!(size_of::<BookChange>() <= 48);

impl BookChange {
    /// Nothing moved.
    #[inline]
    #[must_use]
    pub const fn nothing(instrument: InstrumentId, effect: Effect) -> BookChange {
        BookChange {
            px: Px::ZERO,
            replaced_px: Px::ZERO,
            traded: None,
            qty: Qty::ZERO,
            replaced_qty: Qty::ZERO,
            instrument,
            effect,
            side: Side::Buy,
            top_changed: false,
        }
    }

    /// The trade of an `E`: at the price where the order rests, none where no share left.
    #[inline]
    pub(super) fn executed(self) -> BookChange {
        let px = self.px;
        self.executed_at(px, true)
    }

    /// The trade of a `C`.
    #[inline]
    pub(super) fn executed_at(mut self, px: Px, printable: bool) -> BookChange {
        if !self.qty.is_zero() {
            self.traded = Some(Traded { px, printable });
        }
        self
    }
}
