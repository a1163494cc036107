//! What a feed says, decoded: one type for every venue.
//!
//! [`MarketEvent`] is `Copy` and at most 56 bytes, so that a ring slot that adds a tag is one cache line. Rare administrative messages keep
//! their prices as raw 32-bit values with four implied decimals (`*_e4`) to stay inside it.

use crate::{InstrumentId, Nanos, Px, Qty, Side, Symbol, TradingState, VenueRef};

/// One message of a market data feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketEvent {
    /// The venue's stamp, ns since its midnight.
    pub ts_event: Nanos,
    /// What it concerns; [`MarketBody::concerns_all`] tells where that has no meaning.
    pub instrument: InstrumentId,
    /// What happened.
    pub body: MarketBody,
}

const _: () = assert!(size_of::<MarketEvent>() <= 56);

/// Which auction a cross or an imbalance belongs to (ITCH cross type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrossKind {
    /// `O`.
    Opening,
    /// `C`.
    Closing,
    /// `H`: IPO, halted or paused security.
    Halt,
    /// `A`: extended trading close.
    ExtendedClose,
    /// `I`: intraday and post-close, and any letter added later.
    Other(u8),
}

/// The kinds of market event. The letter after each is the ITCH 5.0 message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketBody {
    /// `A`, `F`: an order joins the back of its level.
    Add {
        /// The venue's number for it.
        order: VenueRef,
        /// Where it rests.
        px: Px,
        /// Shares displayed.
        qty: Qty,
        /// Its side.
        side: Side,
        /// The participant, blanks for `A`.
        mpid: [u8; 4],
    },
    /// `E`: shares of a resting order traded at its own price.
    Execute {
        /// The resting order.
        order: VenueRef,
        /// Shares traded.
        qty: Qty,
        /// The trade's number.
        match_number: u64,
    },
    /// `C`: shares of a resting order traded at another price than it rests at.
    ExecuteAt {
        /// The resting order.
        order: VenueRef,
        /// Shares traded; they leave the level where the order rests.
        qty: Qty,
        /// The trade's number.
        match_number: u64,
        /// The trade's price, which is not where the order rests.
        px: Px,
        /// Whether it counts in volume (`N`: it comes again in the bulk `Q`).
        printable: bool,
    },
    /// `X`: part of a resting order is canceled.
    Reduce {
        /// The resting order.
        order: VenueRef,
        /// Shares taken off it.
        qty: Qty,
    },
    /// `D`: a resting order is gone.
    Delete {
        /// The resting order.
        order: VenueRef,
    },
    /// `U`: a resting order becomes another one at the back of its level; side and instrument stay.
    Replace {
        /// The order that goes.
        old: VenueRef,
        /// The order that comes.
        new: VenueRef,
        /// Its shares, a total.
        qty: Qty,
        /// Where it rests.
        px: Px,
    },
    /// `P`: a trade against a hidden order; the book is untouched.
    Trade {
        /// The trade's price.
        px: Px,
        /// Shares traded.
        qty: Qty,
        /// The trade's number.
        match_number: u64,
        /// Side of the hidden order (always `B` since 2014-07).
        side: Side,
    },
    /// `Q`: an auction's result.
    Cross {
        /// Shares matched; may be 0.
        qty: u64,
        /// The trade's number.
        match_number: u64,
        /// The auction's price.
        px: Px,
        /// Which auction.
        cross: CrossKind,
    },
    /// `B`: a trade is void.
    BrokenTrade {
        /// The trade's number.
        match_number: u64,
    },
    /// Every order of every book of the feed is gone at once (Cboe PITCH Unit Clear; ITCH has no such message).
    Clear,
    /// `S`: O, S, Q, M, E, C in this order over the day.
    System {
        /// The event's letter.
        code: u8,
    },
    /// `R`: the day's directory entry.
    Directory {
        /// The ticker.
        symbol: Symbol,
        /// Shares in a round lot.
        round_lot: u32,
        /// Market category.
        market_category: u8,
        /// Financial status.
        financial_status: u8,
        /// `Y`: only round lots.
        round_lots_only: u8,
        /// Issue classification.
        classification: u8,
        /// Issue sub-type.
        subtype: [u8; 2],
        /// `P` production, `T` test.
        authenticity: u8,
        /// Short-sale threshold flag.
        short_sale_threshold: u8,
        /// IPO flag.
        ipo: u8,
        /// LULD tier.
        luld_tier: u8,
        /// ETP flag.
        etp: u8,
        /// ETP leverage factor.
        etp_leverage: u32,
        /// Inverse ETP.
        inverse: u8,
    },
    /// `H`.
    TradingAction {
        /// The ticker (a mid-day start may see this before any directory).
        symbol: Symbol,
        /// The state from now on.
        state: TradingState,
        /// The reason's four letters.
        reason: [u8; 4],
    },
    /// `Y`.
    ShortSaleRestriction {
        /// The ticker.
        symbol: Symbol,
        /// `0` none, `1` in effect from an intraday drop, `2` remains in effect.
        action: u8,
    },
    /// `L`.
    ParticipantPosition {
        /// The participant.
        mpid: [u8; 4],
        /// The ticker.
        symbol: Symbol,
        /// Primary market maker.
        primary: u8,
        /// Market maker mode.
        mode: u8,
        /// Participant state.
        state: u8,
    },
    /// `V`: market-wide circuit breaker levels, with eight implied decimals.
    CircuitBreakerLevels {
        /// Level 1, 1e-8 USD.
        level1_e8: u64,
        /// Level 2, 1e-8 USD.
        level2_e8: u64,
        /// Level 3, 1e-8 USD.
        level3_e8: u64,
    },
    /// `W`: a market-wide circuit breaker level was breached.
    CircuitBreaker {
        /// `1`, `2` or `3`.
        level: u8,
    },
    /// `K`.
    IpoQuoting {
        /// The ticker.
        symbol: Symbol,
        /// Release time, SECONDS since midnight; 0 when canceled.
        release_s: u32,
        /// `A` anticipated, `C` canceled or postponed.
        qualifier: u8,
        /// The IPO price, 1e-4 USD.
        px_e4: u32,
    },
    /// `J`: limit-up limit-down auction collar.
    AuctionCollar {
        /// The ticker.
        symbol: Symbol,
        /// Reference price, 1e-4 USD.
        reference_e4: u32,
        /// Upper collar, 1e-4 USD.
        upper_e4: u32,
        /// Lower collar, 1e-4 USD.
        lower_e4: u32,
        /// Extensions so far.
        extension: u32,
    },
    /// `h`: one market's operational halt.
    OperationalHalt {
        /// The ticker.
        symbol: Symbol,
        /// `Q`, `B` or `X`: which market.
        market: u8,
        /// `H` halted, `T` resumed.
        action: u8,
    },
    /// `I`: net order imbalance.
    Imbalance {
        /// Shares matched at the reference price.
        paired: u64,
        /// Shares not matched.
        imbalance: u64,
        /// Far price, 1e-4 USD.
        far_e4: u32,
        /// Near price, 1e-4 USD.
        near_e4: u32,
        /// Reference price, 1e-4 USD.
        reference_e4: u32,
        /// `B`, `S`, `N`, `O` or `P`.
        direction: u8,
        /// Which auction.
        cross: CrossKind,
        /// Deviation bucket of the near price.
        variation: u8,
    },
    /// `N`: retail interest.
    RetailInterest {
        /// The ticker.
        symbol: Symbol,
        /// `B`, `S`, `A` or `N`.
        flag: u8,
    },
    /// `O`: direct listing with capital raise.
    DirectListing {
        /// Eligible to be released.
        open_eligibility: u8,
        /// Minimum allowable price, 1e-4 USD.
        min_e4: u32,
        /// Maximum allowable price, 1e-4 USD.
        max_e4: u32,
        /// Near execution price, 1e-4 USD.
        near_e4: u32,
        /// When the near price was computed, ns since midnight.
        near_time: Nanos,
        /// Lower price collar, 1e-4 USD.
        lower_e4: u32,
        /// Upper price collar, 1e-4 USD.
        upper_e4: u32,
    },
}

impl MarketBody {
    /// Whether the event concerns the whole market (its locate is 0 on the wire) and goes to every instrument.
    #[inline]
    #[must_use]
    pub const fn concerns_all(&self) -> bool {
        matches!(
            self,
            MarketBody::Clear
                | MarketBody::System { .. }
                | MarketBody::CircuitBreakerLevels { .. }
                | MarketBody::CircuitBreaker { .. }
        )
    }

    /// Whether the event changes resting orders.
    #[inline]
    #[must_use]
    pub const fn touches_book(&self) -> bool {
        matches!(
            self,
            MarketBody::Add { .. }
                | MarketBody::Execute { .. }
                | MarketBody::ExecuteAt { .. }
                | MarketBody::Reduce { .. }
                | MarketBody::Delete { .. }
                | MarketBody::Replace { .. }
        )
    }
}
