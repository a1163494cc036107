//! What is known of each instrument beside its book: may its book be trusted, does the venue let it trade, and at what price would one
//! value it. [`crate::facts`] has what else the venue says of it.

use model::{
    BreakerLevel, FeedId, FeedStatus, Instrument, InstrumentId, MarketBody, Nanos, Px, TradingState, Validity,
};

use crate::book::Top;
use crate::facts::{Fact, Facts, MarketFacts};
use crate::hash::StateHash;
use crate::sanity::{BookSanity, Watch};
use crate::validity::{Grounds, Reason, Soundness, Transitions, derive};

/// The state of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentState {
    /// What it is.
    pub instrument: Instrument,
    /// Whether it may be traded on what is known of it: the one word for all that follows.
    pub validity: Validity,
    /// Why not; of a valid one, what is over.
    pub reason: Reason,
    /// When one of the two last changed.
    pub since: Nanos,
    /// Whether its book equals the venue's.
    pub soundness: Soundness,
    /// Why its book is not sound, or last was not: the end of a session is not among it.
    unsound: Reason,
    /// Whether the venue lets it trade: its last trading action, or `Halted` while an operational halt stands.
    pub trading: TradingState,
    /// The last trading action, or `Halted` since a market-wide breach.
    pub action: TradingState,
    /// Whether `action` is a market-wide breach and not a trading action.
    is_breached: bool,
    /// Which markets' operational halts stand: bit 0 `Q`, bit 1 `B`, bit 2 `X`, bit 3 any other.
    pub operational_halts: u8,
    /// ITCH Reg SHO action letter, `0` for none. Any other letter restricts.
    pub short_sale_restriction: u8,
    /// The middle of the book while that is a price to go by: the book sound, two-sided, uncrossed, and its best prices inside the price collar around their
    /// own middle. [`Px::ZERO`] where it is not. Of a book that is not sound it is the last one, which nothing goes by.
    pub reference: Px,
    /// When the reference was last confirmed.
    pub reference_at: Nanos,
    /// The last price traded, of trades that were not broken; [`Px::ZERO`] where there was none, or more than one was broken.
    pub last: Px,
    last_match: u64,
    /// The trade before the last: its price is the last one when the last is broken.
    prior: (Px, u64),
    watch: Watch,
    /// Messages that its book needs are gone for good: nothing but a new session or a snapshot makes it valid again.
    pub lost: bool,
}

impl InstrumentState {
    /// Whether a strategy may add risk as far as the market is concerned.
    #[inline]
    #[must_use]
    pub fn is_tradable(&self) -> bool {
        self.validity == Validity::Valid
    }

    fn set_soundness(&mut self, soundness: Soundness, why: Reason) {
        self.soundness = soundness;
        if soundness != Soundness::Sound {
            self.unsound = why;
        }
    }

    fn grounds(&self, phase: crate::validity::Phase, is_deaf: bool) -> Grounds {
        Grounds {
            soundness: self.soundness,
            unsound: self.unsound,
            phase,
            action: self.action,
            is_breached: self.is_breached,
            is_halted_operationally: self.operational_halts != 0,
            sanity: self.watch.verdict(),
            is_deaf,
        }
    }

    fn set_trading(&mut self, action: TradingState, operational_halts: u8, is_breached: bool) {
        self.action = action;
        self.is_breached = is_breached;
        self.operational_halts = operational_halts;
        self.trading = if operational_halts == 0 { action } else { TradingState::Halted };
    }

    /// A trade is void: a price that only it had is none.
    fn on_broken(&mut self, match_number: u64) {
        if match_number == self.last_match {
            (self.last, self.last_match) = self.prior;
            self.prior = (Px::ZERO, 0);
        } else if match_number == self.prior.1 {
            self.prior = (Px::ZERO, 0);
        }
    }
}

/// What of an instrument changed.
///
/// [`InstrumentChange::Fact`] is told with the message that brought it, each one. The others are states: of several that change before the strategy can be
/// told, the last is told, and the [`View`](crate::strategy::View) has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentChange {
    /// Its validity, or the reason of it.
    Validity {
        /// What it is now.
        to: Validity,
        /// Why; where it is valid, what is over.
        reason: Reason,
    },
    /// The venue's word on trading, or its reason, and the validity did not follow it.
    Trading(TradingState),
    /// The short-sale restriction.
    ShortSale(u8),
    /// Its market's phase or circuit breakers, and the validity did not follow it.
    Market,
    /// The venue took all orders off its book at once.
    Cleared,
    /// Something else that the venue said of it.
    Fact(Fact),
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
    /// Trading is restrained as a whole.
    Breaker {
        /// How far.
        level: BreakerLevel,
    },
    /// Parameters of the strategy, or limits, are others now: what stands by the old ones is to be looked at anew.
    Settings,
    /// A person took the strategy off trading, or let it in again.
    Clutch {
        /// Whether it may trade.
        engaged: bool,
    },
}

/// A state that the strategy has still to be told of.
pub(crate) fn absorb(change: InstrumentChange, h: &mut StateHash) {
    h.word(match change {
        InstrumentChange::Validity { to, reason } => 0x1_0000 | (to as u64) << 8 | reason as u64,
        InstrumentChange::Trading(t) => 0x200 | t as u64,
        InstrumentChange::ShortSale(action) => 0x300 | u64::from(action),
        InstrumentChange::Session { ready } => 0x400 | u64::from(ready),
        InstrumentChange::Halt { halted } => 0x500 | u64::from(halted),
        InstrumentChange::Market => 0x600,
        InstrumentChange::Cleared => 0x700,
        InstrumentChange::Breaker { level } => 0x800 | level as u64,
        InstrumentChange::Clutch { engaged } => 0x900 | u64::from(engaged),
        InstrumentChange::Settings => 0xa00,
        InstrumentChange::Fact(_) => unreachable!("a fact is told as it comes"),
    });
}

/// All instruments of the configuration and the feeds they hang on.
pub struct Instruments {
    each: Vec<InstrumentState>,
    facts: Vec<Facts>,
    markets: Vec<MarketFacts>,
    feed_heard: Vec<Nanos>,
    sanity: BookSanity,
    /// No book has to be looked at for the time alone before this; follows from their watches.
    due: Nanos,
    transitions: Transitions,
    /// No market data is taken any more.
    is_deaf: bool,
}

impl Instruments {
    pub(crate) fn new(instruments: &[Instrument], feeds: usize, sanity: BookSanity) -> Instruments {
        let each: Vec<_> = instruments
            .iter()
            .map(|i| InstrumentState {
                instrument: *i,
                validity: Validity::Recovering,
                reason: Reason::Start,
                since: Nanos::ZERO,
                soundness: Soundness::Recovering,
                unsound: Reason::Start,
                is_breached: false,
                trading: TradingState::Unknown,
                action: TradingState::Unknown,
                operational_halts: 0,
                short_sale_restriction: b'0',
                reference: Px::ZERO,
                reference_at: Nanos::ZERO,
                last: Px::ZERO,
                last_match: 0,
                prior: (Px::ZERO, 0),
                watch: Watch::OFF,
                lost: false,
            })
            .collect();
        Instruments {
            facts: vec![Facts::default(); each.len()],
            each,
            markets: vec![MarketFacts::default(); feeds],
            feed_heard: vec![Nanos::ZERO; feeds],
            sanity,
            due: Nanos(u64::MAX),
            transitions: Transitions::default(),
            is_deaf: false,
        }
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

    /// What the venue said of one instrument.
    #[inline]
    #[must_use]
    pub fn facts(&self, id: InstrumentId) -> &Facts {
        &self.facts[id.index()]
    }

    /// What an instrument's feed said of its market as a whole.
    #[must_use]
    pub fn market(&self, id: InstrumentId) -> &MarketFacts {
        &self.markets[self.of(id).instrument.feed.index()]
    }

    /// How often each change of validity came.
    #[must_use]
    pub fn transitions(&self) -> &Transitions {
        &self.transitions
    }

    /// When the time alone may next change an instrument's validity.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.due
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

    /// Applies a feed's status to what is known of its market; its instruments follow one by one.
    pub(crate) fn on_feed(&mut self, feed: FeedId, status: FeedStatus) {
        if status == FeedStatus::NewSession {
            self.markets[feed.index()] = MarketFacts::default();
        }
    }

    /// Applies a feed's status to one of its instruments. A book that lost messages stays stale whatever is said later, until the venue
    /// starts a new session or a snapshot begins: the messages after a loss cannot bring back those lost.
    pub(crate) fn on_status(&mut self, id: InstrumentId, status: FeedStatus) {
        let (i, facts) = (&mut self.each[id.index()], &mut self.facts[id.index()]);
        match status {
            FeedStatus::NewSession => {
                (i.last, i.last_match, i.prior) = (Px::ZERO, 0, (Px::ZERO, 0));
                facts.clear();
            }
            FeedStatus::SnapshotBegin => facts.on_snapshot(),
            _ => {}
        }
        if matches!(status, FeedStatus::NewSession | FeedStatus::SnapshotBegin) {
            i.lost = false;
            i.reference = Px::ZERO;
            i.set_trading(TradingState::Unknown, 0, false);
        }
        let was_lost = i.lost;
        i.lost |= matches!(status, FeedStatus::Lost { .. } | FeedStatus::Disputed { .. });
        match status {
            FeedStatus::Heartbeat => {}
            FeedStatus::EndOfSession => i.soundness = Soundness::Ended,
            FeedStatus::Lost { .. } if !was_lost => i.set_soundness(Soundness::Stale, Reason::Lost),
            FeedStatus::Disputed { .. } if !was_lost => i.set_soundness(Soundness::Stale, Reason::Disputed),
            // It stays what it is; only the end of a session is above it, and may be taken back.
            _ if i.lost => i.soundness = Soundness::Stale,
            FeedStatus::Synced { .. } | FeedStatus::Lost { .. } | FeedStatus::Disputed { .. } => {
                i.set_soundness(Soundness::Sound, i.unsound)
            }
            FeedStatus::Recovering { .. } => i.set_soundness(Soundness::Recovering, Reason::Gap),
            FeedStatus::Doubted => i.set_soundness(Soundness::Recovering, Reason::Operator),
            FeedStatus::NewSession => i.set_soundness(Soundness::Recovering, Reason::NewSession),
            FeedStatus::SnapshotBegin | FeedStatus::SnapshotEnd { .. } => {
                i.set_soundness(Soundness::Recovering, Reason::Snapshot);
            }
            FeedStatus::Silent => i.set_soundness(Soundness::Stale, Reason::Silence),
        }
    }

    /// No market data is taken from here on; instruments follow one by one.
    pub(crate) fn on_deaf(&mut self) {
        self.is_deaf = true;
    }

    /// Marks one instrument's book as lost: it had no room for a message, or a message did not fit it.
    pub(crate) fn on_book_lost(&mut self, id: InstrumentId, why: Reason) {
        let i = &mut self.each[id.index()];
        if !core::mem::replace(&mut i.lost, true) {
            i.set_soundness(Soundness::Stale, why);
        }
    }

    /// Applies a message about a feed's whole market to what is known of the market; returns whether anything changed.
    pub(crate) fn on_market_wide(&mut self, feed: FeedId, body: &MarketBody) -> bool {
        self.markets[feed.index()].on_market(body)
    }

    /// Applies the administrative part of a market event to one instrument.
    #[inline]
    pub(crate) fn on_market(
        &mut self,
        id: InstrumentId,
        at: Nanos,
        body: &MarketBody,
    ) -> Option<InstrumentChange> {
        let (i, facts) = (&mut self.each[id.index()], &mut self.facts[id.index()]);
        let before = i.trading;
        let mut changed = false;
        match *body {
            MarketBody::TradingAction { state, reason, .. } => {
                changed = facts.on_action(state, reason);
                i.set_trading(state, i.operational_halts, false);
            }
            MarketBody::OperationalHalt { market, action, .. } => {
                let bit = match market {
                    b'Q' => 1,
                    b'B' => 2,
                    b'X' => 4,
                    _ => 8,
                };
                let halts = match action {
                    b'T' => i.operational_halts & !bit,
                    _ => i.operational_halts | bit,
                };
                i.set_trading(i.action, halts, i.is_breached);
            }
            // A market-wide breach halts all trading (Rule 7.12 of the exchanges); resumption comes as trading actions.
            MarketBody::CircuitBreaker { .. } => {
                i.set_trading(TradingState::Halted, i.operational_halts, true)
            }
            MarketBody::ShortSaleRestriction { action, .. } => {
                let was = core::mem::replace(&mut i.short_sale_restriction, action);
                return (was != action).then_some(InstrumentChange::ShortSale(action));
            }
            MarketBody::BrokenTrade { match_number } => i.on_broken(match_number),
            _ => {}
        }
        if changed || i.trading != before {
            return Some(InstrumentChange::Trading(i.trading));
        }
        facts.on_market(at, body).map(InstrumentChange::Fact)
    }

    /// Derives an instrument's validity from its grounds, after any of them may have changed, and counts what came of it.
    pub(crate) fn settle(&mut self, id: InstrumentId, now: Nanos) -> Option<(Validity, Reason)> {
        let i = &mut self.each[id.index()];
        let phase = self.markets[i.instrument.feed.index()].phase;
        let trades = i.soundness == Soundness::Sound && i.trading == TradingState::Trading && phase.is_open();
        i.watch.set_continuous(trades);
        let (to, why) = derive(&i.grounds(phase, self.is_deaf));
        let reason = why.unwrap_or(i.reason);
        if (to, reason) == (i.validity, i.reason) {
            return None;
        }
        (i.validity, i.reason, i.since) = (to, reason, now);
        self.transitions.count(to, reason);
        Some((to, reason))
    }

    /// The time has come that [`Instruments::due`] names: returns whether there is anything to settle of this instrument.
    pub(crate) fn on_time(&mut self, id: InstrumentId, now: Nanos) -> bool {
        self.each[id.index()].watch.on_time(now)
    }

    /// Something else is due at the latest then: one time is looked at for each input, not two.
    pub(crate) fn look_by(&mut self, at: Nanos) {
        self.due = self.due.min(at);
    }

    /// Finds the time at which a book has to be looked at next.
    pub(crate) fn find_due(&mut self) {
        self.due = self.each.iter().map(|i| i.watch.due()).min().unwrap_or(Nanos(u64::MAX));
    }

    #[inline]
    pub(crate) fn on_trade(&mut self, id: InstrumentId, px: Px, match_number: u64) {
        let i = &mut self.each[id.index()];
        i.prior = (i.last, i.last_match);
        (i.last, i.last_match) = (px, match_number);
    }

    /// Takes the middle of `top` as the reference where it is one, and none where not. A spread wider than the collar either way is none: the
    /// middle between a real bid and a stub offer would let anything pass.
    #[inline]
    pub(crate) fn on_top(&mut self, id: InstrumentId, top: &Top, collar_bps: i64, now: Nanos) -> Looked {
        let i = &mut self.each[id.index()];
        if i.soundness != Soundness::Sound {
            return Looked { reference: None, unsettled: false }; // looked at again when it is
        }
        let middle = Px((top.bid_px.0 + top.ask_px.0) / 2);
        let two_sided = top.bid_qty != 0 && top.ask_qty != 0 && top.bid_px < top.ask_px;
        // Multiplied out: a division of 128 bits costs more than all the rest of this.
        let half = i128::from((top.ask_px - middle).0) * 10_000;
        let is_narrow = half <= i128::from(middle.0) * i128::from(collar_bps);
        let reference = (two_sided && is_narrow).then_some(middle);
        i.reference = reference.unwrap_or(Px::ZERO);
        if reference.is_some() {
            i.reference_at = now;
        }
        let unsettled = i.watch.look(&self.sanity, top, reference, now);
        if unsettled {
            self.due = self.due.min(i.watch.due());
        }
        Looked { reference, unsettled }
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        for (i, facts) in self.each.iter().zip(&self.facts) {
            h.word(i.validity as u64 | (i.trading as u64) << 8 | u64::from(i.short_sale_restriction) << 16);
            h.word(i.soundness as u64 | (i.reason as u64) << 8 | (i.unsound as u64) << 16);
            h.word(i.since.0);
            h.signed(i.reference.0);
            h.word(i.reference_at.0);
            h.signed(i.last.0);
            h.word(i.last_match);
            h.signed(i.prior.0.0);
            h.word(i.prior.1);
            let flags = u64::from(i.is_breached) << 1 | u64::from(i.lost);
            h.word((i.action as u64) << 16 | u64::from(i.operational_halts) << 8 | flags);
            i.watch.words().into_iter().for_each(|w| h.word(w));
            h.word(facts.word());
        }
        self.markets.iter().for_each(|m| m.absorb(h));
        self.feed_heard.iter().for_each(|at| h.word(at.0));
        if self.is_deaf {
            h.word(1);
        }
        // A time that is too early makes a look, and a timer that the engine asks for.
        h.word(self.due.0);
    }
}

/// What a look at the best prices gave.
pub(crate) struct Looked {
    /// The new reference.
    pub(crate) reference: Option<Px>,
    /// Whether the validity may follow.
    pub(crate) unsettled: bool,
}
