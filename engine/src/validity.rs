//! Why an instrument may be traded or not: the grounds, the word that is derived from them, and the count of each change.
//!
//! ```text
//!   feed status ----> Soundness --+
//!   S ---------------> Phase -----+--> derive --> (Validity, Reason) --> Transition: counted, logged, told
//!   H, h, W --------> trading ----+
//!   the best prices -> Sanity ----+
//! ```
//!
//! [`derive`] is the only place that a [`Validity`] comes from; `model::Validity` has the order in which grounds count. What is over is over whatever
//! was lost, so the end of the market's hours comes before all; what has not begun may have begun unseen, so a book that is not sound comes before that.
//!
//! A [`Reason`] beside any word but `Valid` is the ground that stands. Beside `Valid` it is the ground that stood last: what is over. So each ground is
//! counted twice, once as it comes and once as it goes.

use model::{Canary, FeedId, InstrumentId, TradingState, Validity};

use crate::book::Effect;

/// Whether the messages that an instrument's book is made of are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Soundness {
    /// Not known yet, or messages are missing that may still come.
    #[default]
    Recovering = 0,
    /// All were applied: the book is the venue's.
    Sound = 1,
    /// Some are lost or did not fit, or the feed is silent.
    Stale = 2,
    /// The venue's session is over.
    Ended = 3,
}

/// Where in its day a market is, by the last system event (ITCH `S`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Phase {
    /// None was seen: a start in mid-day, which counts as open.
    #[default]
    Unknown = 0,
    /// `O`: the day's messages begin.
    Messages = 1,
    /// `S`: the system takes orders, before market hours.
    SystemHours = 2,
    /// `Q`: market hours.
    MarketHours = 3,
    /// `M`: market hours are over.
    MarketOver = 4,
    /// `E`: the system takes no orders any more; deletes and broken trades may still come.
    SystemOver = 5,
    /// `C`: the day's last message.
    MessagesOver = 6,
}

impl Phase {
    /// Of a system event's letter; `None` of one that is not known, which changes nothing.
    #[must_use]
    pub const fn of(letter: u8) -> Option<Phase> {
        Some(match letter {
            b'O' => Phase::Messages,
            b'S' => Phase::SystemHours,
            b'Q' => Phase::MarketHours,
            b'M' => Phase::MarketOver,
            b'E' => Phase::SystemOver,
            b'C' => Phase::MessagesOver,
            _ => return None,
        })
    }

    /// Whether orders of market hours may trade: this program sends no others.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Phase::Unknown | Phase::MarketHours)
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $id:ident = $code:literal $word:literal,)*) => {
        /// Why an instrument's validity is what it is. The codes are stable: journals, logs and shared memory carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $id = $code,)* }

        impl Reason {
            /// How many there are.
            pub const COUNT: usize = Reason::ALL.len();
            /// Every one, by code.
            pub const ALL: [Reason; [$($code),*].len()] = [$(Reason::$id),*];

            /// It in one word, as logs and `status` have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Reason::$id => $word,)* }
            }
        }
    };
}

reasons! {
    /// The process has started; the feed has not said anything of it yet.
    #[default]
    Start = 0 "start",
    /// Messages are missing and asked for.
    Gap = 1 "gap",
    /// Nothing is heard on any line.
    Silence = 2 "silence",
    /// Messages will not come, or cannot be decoded.
    Lost = 3 "lost",
    /// The venue's session is over.
    EndOfSession = 4 "end_of_session",
    /// The venue has started a new session.
    NewSession = 5 "new_session",
    /// A snapshot is being taken.
    Snapshot = 6 "snapshot",
    /// A message took more shares than its order had.
    OverReduced = 7 "over_reduced",
    /// A message named an order that the book does not hold.
    UnknownOrder = 8 "unknown_order",
    /// A message added an order that the book holds.
    DuplicateOrder = 9 "duplicate_order",
    /// A message had a price that no order can have.
    BadPrice = 10 "bad_price",
    /// The book had no room for an order.
    BookFull = 11 "book_full",
    /// Best bid and best offer were equal, or crossed, for longer than allowed.
    Locked = 12 "locked",
    /// The best bid was above the best offer for longer than allowed.
    Crossed = 13 "crossed",
    /// The best prices jumped further than allowed.
    PriceBand = 14 "price_band",
    /// No trading action has named it.
    NotNamed = 15 "not_named",
    /// Its trading action is a halt.
    Halted = 16 "halted",
    /// Its trading action is a pause.
    Paused = 17 "paused",
    /// Its trading action lets it be quoted only.
    QuotationOnly = 18 "quotation_only",
    /// A market's operational halt stands.
    OperationalHalt = 19 "operational_halt",
    /// A market-wide circuit breaker was breached, and no trading action has come since.
    CircuitBreaker = 20 "circuit_breaker",
    /// Market hours have not begun.
    BeforeOpen = 21 "before_open",
    /// Market hours are over.
    AfterClose = 22 "after_close",
    /// Two lines brought different messages under one number.
    Disputed = 23 "disputed",
    /// A person does not believe the book.
    Operator = 24 "operator",
    /// The journal takes no more, so no market data is taken: the book is as it was then.
    Journal = 25 "journal",
}

impl Reason {
    /// Of a message that did not fit a book; `None` of one that leaves the book what it is.
    pub(crate) const fn of_effect(effect: Effect) -> Option<Reason> {
        match effect {
            Effect::NotBook | Effect::Applied | Effect::UnknownInstrument | Effect::ZeroQty => None,
            Effect::OverReduced => Some(Reason::OverReduced),
            Effect::UnknownRef => Some(Reason::UnknownOrder),
            Effect::DuplicateRef => Some(Reason::DuplicateOrder),
            Effect::BadPrice => Some(Reason::BadPrice),
            Effect::Capacity => Some(Reason::BookFull),
        }
    }
}

/// What a validity is derived from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds {
    pub(crate) soundness: Soundness,
    /// Why it is not sound, where it is not.
    pub(crate) unsound: Reason,
    pub(crate) phase: Phase,
    /// The last trading action.
    pub(crate) action: TradingState,
    /// Whether `action` is a market-wide breach.
    pub(crate) is_breached: bool,
    /// Whether an operational halt stands.
    pub(crate) is_halted_operationally: bool,
    /// What is wrong with the best prices.
    pub(crate) sanity: Option<Reason>,
    /// Whether market data is still taken. Where it is not, the book grows old for good, whatever its feed last said.
    pub(crate) is_deaf: bool,
}

/// The word and the ground that stands; of `Valid` there is none.
pub(crate) fn derive(g: &Grounds) -> (Validity, Option<Reason>) {
    if Canary::DeafToHalts.sings() && g.soundness == Soundness::Sound {
        return (Validity::Valid, None);
    }
    let (word, why) = match (g.soundness, g.phase) {
        (Soundness::Ended, _) => (Validity::Closed, Reason::EndOfSession),
        (_, Phase::MarketOver | Phase::SystemOver | Phase::MessagesOver) => {
            (Validity::Closed, Reason::AfterClose)
        }
        _ if g.is_deaf => (Validity::Stale, Reason::Journal),
        (Soundness::Recovering, _) => (Validity::Recovering, g.unsound),
        (Soundness::Stale, _) => (Validity::Stale, g.unsound),
        (Soundness::Sound, Phase::Messages | Phase::SystemHours) => (Validity::Closed, Reason::BeforeOpen),
        (Soundness::Sound, Phase::Unknown | Phase::MarketHours) => match (g.action, g.sanity) {
            (TradingState::Halted, _) if g.is_breached => (Validity::Halted, Reason::CircuitBreaker),
            (TradingState::Halted, _) => (Validity::Halted, Reason::Halted),
            (TradingState::Paused, _) => (Validity::Halted, Reason::Paused),
            (TradingState::QuotationOnly, _) => (Validity::Halted, Reason::QuotationOnly),
            (TradingState::Unknown, _) => (Validity::Halted, Reason::NotNamed),
            (TradingState::Trading, _) if g.is_halted_operationally => {
                (Validity::Halted, Reason::OperationalHalt)
            }
            (TradingState::Trading, Some(why)) => (Validity::Stale, why),
            (TradingState::Trading, None) => return (Validity::Valid, None),
        },
    };
    (word, Some(why))
}

/// Whose validity changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One instrument's.
    Instrument(InstrumentId),
    /// That of several of a feed's, by one status or system event.
    Feed {
        /// The feed.
        feed: FeedId,
        /// How many instruments.
        instruments: u16,
    },
}

/// A change of validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub scope: Scope,
    /// What it is now.
    pub to: Validity,
    /// Why; where it is valid, what is over.
    pub reason: Reason,
}

/// How often each change of validity came, by what it led to and why, an instrument at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transitions([[u64; Reason::COUNT]; Validity::ALL.len()]);

impl Default for Transitions {
    fn default() -> Self {
        Transitions([[0; Reason::COUNT]; Validity::ALL.len()])
    }
}

impl Transitions {
    pub(crate) fn count(&mut self, to: Validity, reason: Reason) {
        self.0[to as usize][reason as usize] += 1;
    }

    /// Those to `to` for `reason`.
    #[must_use]
    pub const fn of(&self, to: Validity, reason: Reason) -> u64 {
        self.0[to as usize][reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Grounds = Grounds {
        soundness: Soundness::Sound,
        unsound: Reason::Gap,
        phase: Phase::MarketHours,
        action: TradingState::Trading,
        is_breached: false,
        is_halted_operationally: false,
        sanity: None,
        is_deaf: false,
    };

    #[test]
    fn codes_are_dense_and_words_their_own() {
        for (k, r) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(r as usize, k);
            assert!(r.word().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert_eq!(Reason::ALL.iter().filter(|o| o.word() == r.word()).count(), 1);
        }
        for (k, v) in Validity::ALL.into_iter().enumerate() {
            assert_eq!(v as usize, k);
        }
    }

    #[test]
    fn the_first_ground_that_holds_is_the_word() {
        assert_eq!(derive(&OPEN), (Validity::Valid, None));
        // Each is worse than all above it.
        let mut g = OPEN;
        let mut then = |change: &dyn Fn(&mut Grounds), word, why| {
            change(&mut g);
            assert_eq!(derive(&g), (word, Some(why)));
        };
        then(&|g| g.sanity = Some(Reason::Crossed), Validity::Stale, Reason::Crossed);
        then(&|g| g.is_halted_operationally = true, Validity::Halted, Reason::OperationalHalt);
        then(&|g| g.action = TradingState::Halted, Validity::Halted, Reason::Halted);
        then(&|g| g.is_breached = true, Validity::Halted, Reason::CircuitBreaker);
        then(&|g| g.phase = Phase::SystemHours, Validity::Closed, Reason::BeforeOpen);
        then(&|g| g.soundness = Soundness::Stale, Validity::Stale, Reason::Gap);
        then(&|g| g.soundness = Soundness::Recovering, Validity::Recovering, Reason::Gap);
        then(&|g| g.is_deaf = true, Validity::Stale, Reason::Journal);
        then(&|g| g.phase = Phase::MarketOver, Validity::Closed, Reason::AfterClose);
        then(&|g| g.soundness = Soundness::Ended, Validity::Closed, Reason::EndOfSession);
    }

    #[test]
    fn nothing_but_market_hours_or_no_word_of_them_is_open() {
        for letter in 0..=u8::MAX {
            let Some(phase) = Phase::of(letter) else { continue };
            let valid = derive(&Grounds { phase, ..OPEN }).0 == Validity::Valid;
            assert_eq!((valid, phase.is_open()), (letter == b'Q', letter == b'Q'));
        }
        assert!(Phase::Unknown.is_open());
    }
}
