//! What is known of each instrument beside its book: may its book be trusted, does the venue let it trade, and at what price would one
//! value it.

use model::{FeedId, FeedStatus, Instrument, InstrumentId, MarketBody, Nanos, Px, TradingState, Validity};

use crate::book::Top;
use crate::hash::StateHash;

/// The state of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentState {
    /// What it is.
    pub instrument: Instrument,
    /// Whether its book equals the venue's.
    pub validity: Validity,
    /// Whether the venue lets it trade: its last trading action, or `Halted` while an operational halt stands.
    pub trading: TradingState,
    /// The last trading action, or `Halted` since a market-wide breach.
    pub action: TradingState,
    /// Which markets' operational halts stand: bit 0 `Q`, bit 1 `B`, bit 2 `X`, bit 3 any other.
    pub operational_halts: u8,
    /// ITCH Reg SHO action letter, `0` for none. Any other letter restricts.
    pub short_sale_restriction: u8,
    /// The middle of the book while that is a price to go by: the book valid, two-sided, uncrossed, and its best prices inside the price collar around their
    /// own middle. [`Px::ZERO`] where it is not.
    pub reference: Px,
    /// When the reference was last confirmed.
    pub reference_at: Nanos,
    /// The last price traded.
    pub last: Px,
    /// Messages that its book needs are gone for good: nothing but a new session or a snapshot makes it valid again.
    pub lost: bool,
}

impl InstrumentState {
    /// Whether a strategy may add risk as far as the market is concerned.
    #[inline]
    #[must_use]
    pub fn is_tradable(&self) -> bool {
        self.validity == Validity::Valid && self.trading == TradingState::Trading
    }

    fn set_trading(&mut self, action: TradingState, operational_halts: u8) -> Option<InstrumentChange> {
        self.action = action;
        self.operational_halts = operational_halts;
        let trading = if operational_halts == 0 { action } else { TradingState::Halted };
        set(&mut self.trading, trading, InstrumentChange::Trading)
    }
}

/// What of an instrument's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentChange {
    /// Its validity.
    Validity(Validity),
    /// The venue's word on trading.
    Trading(TradingState),
    /// The short-sale restriction.
    ShortSale(u8),
    /// Its gateway's session began or ceased to take orders; every order in it is settled or unknown.
    Session {
        /// Takes orders.
        ready: bool,
    },
    /// Trading was halted or resumed as a whole.
    Halt {
        /// Halted.
        halted: bool,
    },
}

impl InstrumentChange {
    pub(crate) fn absorb(self, h: &mut StateHash) {
        h.word(match self {
            InstrumentChange::Validity(v) => 0x100 | v as u64,
            InstrumentChange::Trading(t) => 0x200 | t as u64,
            InstrumentChange::ShortSale(action) => 0x300 | u64::from(action),
            InstrumentChange::Session { ready } => 0x400 | u64::from(ready),
            InstrumentChange::Halt { halted } => 0x500 | u64::from(halted),
        });
    }
}

/// All instruments of the configuration and the feeds they hang on.
pub struct Instruments {
    each: Vec<InstrumentState>,
    feed_heard: Vec<Nanos>,
}

impl Instruments {
    pub(crate) fn new(instruments: &[Instrument], feeds: usize) -> Instruments {
        let each = instruments
            .iter()
            .map(|i| InstrumentState {
                instrument: *i,
                validity: Validity::Recovering,
                trading: TradingState::Unknown,
                action: TradingState::Unknown,
                operational_halts: 0,
                short_sale_restriction: b'0',
                reference: Px::ZERO,
                reference_at: Nanos::ZERO,
                last: Px::ZERO,
                lost: false,
            })
            .collect();
        Instruments { each, feed_heard: vec![Nanos::ZERO; feeds] }
    }

    /// One instrument.
    #[inline]
    #[must_use]
    pub fn of(&self, id: InstrumentId) -> &InstrumentState {
        &self.each[id.index()]
    }

    /// All, by number.
    #[must_use]
    pub fn all(&self) -> &[InstrumentState] {
        &self.each
    }

    /// When the newest packet of this instrument's feed was received, a heartbeat included.
    #[inline]
    #[must_use]
    pub fn heard(&self, id: InstrumentId) -> Nanos {
        self.feed_heard[self.of(id).instrument.feed.index()]
    }

    #[inline]
    pub(crate) fn on_heard(&mut self, feed: FeedId, received: Nanos) {
        let heard = &mut self.feed_heard[feed.index()];
        *heard = received.max(*heard);
    }

    /// Applies a feed's status to one of its instruments. A book that lost messages stays `Stale` whatever is said later, until the venue
    /// starts a new session or a snapshot begins: the messages after a loss cannot bring back those lost.
    pub(crate) fn on_feed(&mut self, id: InstrumentId, status: FeedStatus) -> Option<InstrumentChange> {
        let i = &mut self.each[id.index()];
        match status {
            // A snapshot tells everything anew but what traded last.
            FeedStatus::NewSession | FeedStatus::SnapshotBegin => {
                i.lost = false;
                i.reference = Px::ZERO;
                i.last = if status == FeedStatus::NewSession { Px::ZERO } else { i.last };
                i.operational_halts = 0;
                i.action = TradingState::Unknown;
                i.trading = TradingState::Unknown;
            }
            FeedStatus::Lost { .. } => i.lost = true,
            _ => {}
        }
        let validity = match status {
            FeedStatus::Heartbeat => return None,
            _ if i.lost => Validity::Stale,
            FeedStatus::Synced { .. } => Validity::Valid,
            FeedStatus::Recovering { .. }
            | FeedStatus::NewSession
            | FeedStatus::SnapshotBegin
            | FeedStatus::SnapshotEnd { .. } => Validity::Recovering,
            FeedStatus::Lost { .. } | FeedStatus::Silent | FeedStatus::EndOfSession => Validity::Stale,
        };
        set(&mut i.validity, validity, InstrumentChange::Validity)
    }

    /// Marks one instrument's book as lost: it had no room for a message, or a message did not fit it.
    pub(crate) fn on_book_lost(&mut self, id: InstrumentId) -> Option<InstrumentChange> {
        let i = &mut self.each[id.index()];
        i.lost = true;
        set(&mut i.validity, Validity::Stale, InstrumentChange::Validity)
    }

    /// Applies the administrative part of a market event to one instrument.
    #[inline]
    pub(crate) fn on_market(&mut self, id: InstrumentId, body: &MarketBody) -> Option<InstrumentChange> {
        let i = &mut self.each[id.index()];
        match *body {
            MarketBody::TradingAction { state, .. } => i.set_trading(state, i.operational_halts),
            MarketBody::OperationalHalt { market, action, .. } => {
                let bit = match market {
                    b'Q' => 1,
                    b'B' => 2,
                    b'X' => 4,
                    _ => 8,
                };
                match action {
                    b'T' => i.set_trading(i.action, i.operational_halts & !bit),
                    _ => i.set_trading(i.action, i.operational_halts | bit),
                }
            }
            // A market-wide breach halts all trading (Rule 7.12 of the exchanges); resumption comes as trading actions.
            MarketBody::CircuitBreaker { .. } => i.set_trading(TradingState::Halted, i.operational_halts),
            MarketBody::ShortSaleRestriction { action, .. } => {
                set(&mut i.short_sale_restriction, action, InstrumentChange::ShortSale)
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn on_trade(&mut self, id: InstrumentId, px: Px) {
        self.each[id.index()].last = px;
    }

    /// Takes the middle of `top` as the reference where it is one, and none where not; returns it. A spread wider than the collar either way is none: the
    /// middle between a real bid and a stub offer would let anything pass.
    #[inline]
    pub(crate) fn on_top(&mut self, id: InstrumentId, top: &Top, collar_bps: i64, now: Nanos) -> Option<Px> {
        let i = &mut self.each[id.index()];
        if i.validity != Validity::Valid {
            return None; // looked at again when it is
        }
        let middle = Px((top.bid_px.0 + top.ask_px.0) / 2);
        let two_sided = top.bid_qty != 0 && top.ask_qty != 0 && top.bid_px < top.ask_px;
        if !two_sided || top.ask_px - middle > middle.bps(collar_bps) {
            i.reference = Px::ZERO;
            return None;
        }
        i.reference = middle;
        i.reference_at = now;
        Some(middle)
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        for i in &self.each {
            h.word(i.validity as u64 | (i.trading as u64) << 8 | u64::from(i.short_sale_restriction) << 16);
            h.signed(i.reference.0);
            h.word(i.reference_at.0);
            h.signed(i.last.0);
            h.word((i.action as u64) << 16 | u64::from(i.operational_halts) << 8 | u64::from(i.lost));
        }
        self.feed_heard.iter().for_each(|at| h.word(at.0));
    }
}

fn set<T: PartialEq + Copy>(
    field: &mut T,
    to: T,
    change: impl FnOnce(T) -> InstrumentChange,
) -> Option<InstrumentChange> {
    if *field == to {
        return None;
    }
    *field = to;
    Some(change(to))
}
