//! Counters of what a stream got wrong, or what the book had no room for.

use model::MarketBody;

use super::Effect;

/// Messages that named an order that is not live, by ITCH type. After a late join without a snapshot these are normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UnknownRefs {
    /// `E`.
    pub execute: u64,
    /// `C`.
    pub execute_at: u64,
    /// `X`.
    pub reduce: u64,
    /// `D`.
    pub delete: u64,
    /// `U`.
    pub replace: u64,
}

impl UnknownRefs {
    /// The counts with their ITCH letters.
    #[must_use]
    pub const fn by_letter(&self) -> [(char, u64); 5] {
        [
            ('E', self.execute),
            ('C', self.execute_at),
            ('X', self.reduce),
            ('D', self.delete),
            ('U', self.replace),
        ]
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.execute + self.execute_at + self.reduce + self.delete + self.replace
    }
}

/// Counters of messages that were not simply applied, since the start or the last `clear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BookStats {
    /// The order named is not live.
    pub unknown_refs: UnknownRefs,
    /// Adds and replaces whose new reference was live.
    pub duplicate_refs: u64,
    /// Executions and cancels of more shares than remained.
    pub over_reductions: u64,
    /// Adds for an instrument out of range.
    pub unknown_instruments: u64,
    /// Prices outside `0..=u32::MAX`.
    pub bad_prices: u64,
    /// Messages without shares.
    pub zero_quantities: u64,
    /// Adds and replaces for which there was no room.
    pub capacity_refusals: u64,
    /// Messages whose instrument is not their order's. They were applied to the order.
    pub instrument_mismatches: u64,
}

impl BookStats {
    /// Counts the outcome of a message; sound ones cost nothing.
    #[inline]
    pub(super) fn count(&mut self, body: &MarketBody, effect: Effect) {
        if !effect.is_sound() {
            self.count_unsound(body, effect);
        }
    }

    #[cold]
    fn count_unsound(&mut self, body: &MarketBody, effect: Effect) {
        let counter = match effect {
            Effect::NotBook | Effect::Applied => return,
            Effect::OverReduced => &mut self.over_reductions,
            Effect::DuplicateRef => &mut self.duplicate_refs,
            Effect::UnknownInstrument => &mut self.unknown_instruments,
            Effect::BadPrice => &mut self.bad_prices,
            Effect::ZeroQty => &mut self.zero_quantities,
            Effect::Capacity => &mut self.capacity_refusals,
            Effect::UnknownRef => match body {
                MarketBody::Execute { .. } => &mut self.unknown_refs.execute,
                MarketBody::ExecuteAt { .. } => &mut self.unknown_refs.execute_at,
                MarketBody::Reduce { .. } => &mut self.unknown_refs.reduce,
                MarketBody::Delete { .. } => &mut self.unknown_refs.delete,
                MarketBody::Replace { .. } => &mut self.unknown_refs.replace,
                _ => return,
            },
        };
        *counter += 1;
    }
}
