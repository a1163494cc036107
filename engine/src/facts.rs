//! What a venue says of an instrument and of its market beside orders and trades: the administrative messages, kept as they were last told.
//!
//! | kept | of | ITCH | until |
//! |---|---|---|---|
//! | [`Directory`] | instrument | `R` | told anew, a snapshot or a new session |
//! | trading action's reason | instrument | `H` | the same |
//! | [`AuctionCollar`] | instrument | `J` | the instrument trades again, a snapshot or a new session |
//! | [`Imbalance`] | instrument | `I` | the cross that it is of, a snapshot or a new session |
//! | [`IpoQuoting`], [`DirectListing`], retail interest | instrument | `K` `O` `N` | told anew, a snapshot or a new session |
//! | [`Participants`] | instrument | `L` | the same |
//! | [`Cross`], the last of each kind | instrument | `Q` | a new session |
//! | [`MarketFacts`] | feed | `S` `V` `W` | a new session |
//!
//! The trading state, operational halts and the short sale restriction, on which every order hangs, are in
//! [`InstrumentState`](crate::InstrumentState). A snapshot (GLIMPSE) tells directory, trading action, restriction and operational halts anew; what it does
//! not tell and what may have changed in the gap is forgotten, what cannot change (a result, the day's levels) is kept.
//!
//! Nothing here allocates, and nothing is on the path of a book message.

use core::hash::{Hash, Hasher};

use model::{CrossKind, MarketBody, Nanos, Px, TradingState};

use crate::hash::StateHash;
use crate::validity::Phase;

/// Primary market makers kept of an instrument; more are counted.
pub const PRIMARIES_MAX: usize = 8;

/// The day's directory entry. Letters are ITCH 5.0's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Directory {
    /// Shares in a round lot.
    pub round_lot: u32,
    /// Whether nothing but round lots is taken.
    pub round_lots_only: bool,
    /// `T`: a symbol for tests; `P` production.
    pub authenticity: u8,
    /// Market category.
    pub market_category: u8,
    /// Financial status.
    pub financial_status: u8,
    /// Issue classification.
    pub classification: u8,
    /// Issue sub-type.
    pub subtype: [u8; 2],
    /// Short-sale threshold flag.
    pub short_sale_threshold: u8,
    /// IPO flag.
    pub ipo: u8,
    /// LULD tier.
    pub luld_tier: u8,
    /// ETP flag.
    pub etp: u8,
    /// ETP leverage factor.
    pub etp_leverage: u32,
    /// Inverse ETP.
    pub inverse: u8,
}

/// The limits that an auction after a limit-up limit-down pause may be priced within. They bound the auction's price, not that of an order in it: the venue
/// takes orders beyond them, and a wider collar follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuctionCollar {
    /// What the collar is around.
    pub reference: Px,
    /// Highest price.
    pub upper: Px,
    /// Lowest price.
    pub lower: Px,
    /// Extensions so far.
    pub extension: u32,
}

/// An auction's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cross {
    /// The price.
    pub px: Px,
    /// Shares; may be 0.
    pub qty: u64,
    /// The trade's number.
    pub match_number: u64,
    /// The venue's stamp.
    pub at: Nanos,
}

/// Net order imbalance before an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Imbalance {
    /// Which auction.
    pub cross: CrossKind,
    /// `B`, `S`, `N` none, `O` too few orders, `P` paused.
    pub direction: u8,
    /// Shares that match at the reference price.
    pub paired: u64,
    /// Shares that do not.
    pub imbalance: u64,
    /// Where the orders on close alone would cross.
    pub far: Px,
    /// Where all orders would cross.
    pub near: Px,
    /// The reference price.
    pub reference: Px,
    /// Deviation bucket of the near price.
    pub variation: u8,
    /// The venue's stamp.
    pub at: Nanos,
}

/// The quoting period before an IPO's first trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpoQuoting {
    /// When quoting is released, since midnight; zero when canceled.
    pub release: Nanos,
    /// `A` anticipated, `C` canceled or postponed.
    pub qualifier: u8,
    /// The IPO's price.
    pub px: Px,
}

/// A direct listing with capital raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirectListing {
    /// `Y` eligible to be released.
    pub open_eligibility: u8,
    /// Minimum allowable price.
    pub min: Px,
    /// Maximum allowable price.
    pub max: Px,
    /// Near execution price.
    pub near: Px,
    /// When that was computed, since midnight.
    pub near_time: Nanos,
    /// Lower price collar.
    pub lower: Px,
    /// Upper price collar.
    pub upper: Px,
}

/// A primary market maker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Primary {
    /// The participant.
    pub mpid: [u8; 4],
    /// Its mode: `N` normal, `P` passive, `S` syndicate, `R` pre-syndicate, `L` penalty.
    pub mode: u8,
    /// Its state: `A` active, `E` excused, `W` withdrawn, `S` suspended, `D` deleted.
    pub state: u8,
}

/// The primary market makers of an instrument, as many as there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Participants {
    primaries: [Primary; PRIMARIES_MAX],
    len: u8,
    /// Messages about any participant.
    pub told: u32,
    /// Primary market makers that found no room.
    pub untracked: u32,
}

impl Participants {
    /// The primary market makers.
    #[must_use]
    pub fn primaries(&self) -> &[Primary] {
        &self.primaries[..usize::from(self.len)]
    }

    fn on_position(&mut self, p: Primary, is_primary: bool) {
        self.told = self.told.saturating_add(1);
        let len = usize::from(self.len);
        match (self.primaries().iter().position(|known| known.mpid == p.mpid), is_primary) {
            (Some(k), true) => self.primaries[k] = p,
            (Some(k), false) => {
                self.primaries[k] = self.primaries[len - 1];
                self.primaries[len - 1] = Primary::default();
                self.len -= 1;
            }
            (None, true) if len < PRIMARIES_MAX => {
                self.primaries[len] = p;
                self.len += 1;
            }
            (None, true) => self.untracked = self.untracked.saturating_add(1),
            (None, false) => {}
        }
    }
}

/// Which of an instrument's facts was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `R`.
    Directory,
    /// `J`.
    AuctionCollar,
    /// `Q`, also one of no shares. One that traded was told as a trade before.
    Cross(CrossKind),
    /// `I`.
    Imbalance,
    /// `N`.
    RetailInterest,
    /// `K`.
    IpoQuoting,
    /// `O`.
    DirectListing,
    /// `L`.
    Participant,
    /// `B`: a trade of the market is void. Those of ours are told by the order entry session.
    BrokenTrade {
        /// The trade's number.
        match_number: u64,
    },
}

/// An instrument's facts; see the module for how long each stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Its directory entry.
    pub directory: Option<Directory>,
    /// The reason of its last trading action, four letters; zeros before the first.
    pub action_reason: [u8; 4],
    /// Its auction collar.
    pub collar: Option<AuctionCollar>,
    /// The imbalance last told.
    pub imbalance: Option<Imbalance>,
    /// Retail interest: `B`, `S`, `A` both, `N` none; 0 where nothing was told.
    pub retail: u8,
    /// Its IPO.
    pub ipo: Option<IpoQuoting>,
    /// Its direct listing.
    pub listing: Option<DirectListing>,
    /// Its market makers.
    pub participants: Participants,
    crosses: [Option<Cross>; 5],
    digest: u64,
}

const fn place(kind: CrossKind) -> usize {
    match kind {
        CrossKind::Opening => 0,
        CrossKind::Closing => 1,
        CrossKind::Halt => 2,
        CrossKind::ExtendedClose => 3,
        CrossKind::Other(_) => 4,
    }
}

const fn e4(raw: u32) -> Px {
    Px(raw as i64)
}

impl Facts {
    /// The last result of an auction of this kind; those of kinds without a name share one place.
    #[must_use]
    pub fn cross(&self, kind: CrossKind) -> Option<Cross> {
        self.crosses[place(kind)]
    }

    /// Whether an order of so many shares is refused by the venue for being no round lot.
    #[inline]
    #[must_use]
    pub fn is_odd(&self, shares: u32) -> bool {
        self.directory
            .is_some_and(|d| d.round_lots_only && d.round_lot != 0 && !shares.is_multiple_of(d.round_lot))
    }

    /// Takes a message in; tells which fact it was, `None` where it is none of these.
    pub(crate) fn on_market(&mut self, at: Nanos, body: &MarketBody) -> Option<Fact> {
        let fact = self.take(at, body);
        if fact.is_some() {
            self.digest();
        }
        fact
    }

    fn take(&mut self, at: Nanos, body: &MarketBody) -> Option<Fact> {
        Some(match *body {
            MarketBody::Directory {
                symbol: _,
                round_lot,
                market_category,
                financial_status,
                round_lots_only,
                classification,
                subtype,
                authenticity,
                short_sale_threshold,
                ipo,
                luld_tier,
                etp,
                etp_leverage,
                inverse,
            } => {
                self.directory = Some(Directory {
                    round_lot,
                    round_lots_only: round_lots_only == b'Y',
                    authenticity,
                    market_category,
                    financial_status,
                    classification,
                    subtype,
                    short_sale_threshold,
                    ipo,
                    luld_tier,
                    etp,
                    etp_leverage,
                    inverse,
                });
                Fact::Directory
            }
            MarketBody::AuctionCollar { symbol: _, reference_e4, upper_e4, lower_e4, extension } => {
                let (reference, upper, lower) = (e4(reference_e4), e4(upper_e4), e4(lower_e4));
                self.collar = Some(AuctionCollar { reference, upper, lower, extension });
                Fact::AuctionCollar
            }
            MarketBody::Cross { qty, match_number, px, cross } => {
                self.crosses[place(cross)] = Some(Cross { px, qty, match_number, at });
                if self.imbalance.is_some_and(|i| i.cross == cross) {
                    self.imbalance = None;
                }
                Fact::Cross(cross)
            }
            MarketBody::Imbalance {
                paired,
                imbalance,
                far_e4,
                near_e4,
                reference_e4,
                direction,
                cross,
                variation,
            } => {
                let (far, near, reference) = (e4(far_e4), e4(near_e4), e4(reference_e4));
                self.imbalance = Some(Imbalance {
                    cross,
                    direction,
                    paired,
                    imbalance,
                    far,
                    near,
                    reference,
                    variation,
                    at,
                });
                Fact::Imbalance
            }
            MarketBody::RetailInterest { symbol: _, flag } => {
                self.retail = flag;
                Fact::RetailInterest
            }
            MarketBody::IpoQuoting { symbol: _, release_s, qualifier, px_e4 } => {
                let release = Nanos(u64::from(release_s) * 1_000_000_000);
                self.ipo = Some(IpoQuoting { release, qualifier, px: e4(px_e4) });
                Fact::IpoQuoting
            }
            MarketBody::DirectListing {
                open_eligibility,
                min_e4,
                max_e4,
                near_e4,
                near_time,
                lower_e4,
                upper_e4,
            } => {
                self.listing = Some(DirectListing {
                    open_eligibility,
                    min: e4(min_e4),
                    max: e4(max_e4),
                    near: e4(near_e4),
                    near_time,
                    lower: e4(lower_e4),
                    upper: e4(upper_e4),
                });
                Fact::DirectListing
            }
            MarketBody::ParticipantPosition { mpid, symbol: _, primary, mode, state } => {
                self.participants.on_position(Primary { mpid, mode, state }, primary == b'Y');
                Fact::Participant
            }
            MarketBody::BrokenTrade { match_number } => Fact::BrokenTrade { match_number },
            MarketBody::Add { .. }
            | MarketBody::Execute { .. }
            | MarketBody::ExecuteAt { .. }
            | MarketBody::Reduce { .. }
            | MarketBody::Delete { .. }
            | MarketBody::Replace { .. }
            | MarketBody::Trade { .. }
            | MarketBody::Clear
            | MarketBody::System { .. }
            | MarketBody::TradingAction { .. }
            | MarketBody::ShortSaleRestriction { .. }
            | MarketBody::CircuitBreakerLevels { .. }
            | MarketBody::CircuitBreaker { .. }
            | MarketBody::OperationalHalt { .. } => return None,
        })
    }

    /// A trading action came; returns whether its reason is another than before.
    pub(crate) fn on_action(&mut self, state: TradingState, reason: [u8; 4]) -> bool {
        let changed = core::mem::replace(&mut self.action_reason, reason) != reason;
        if state == TradingState::Trading {
            self.collar = None;
        }
        self.digest();
        changed
    }

    /// The venue's new session: nothing is known.
    pub(crate) fn clear(&mut self) {
        *self = Facts::default();
    }

    /// A snapshot begins: what it tells, and what may have changed unseen, is not known.
    pub(crate) fn on_snapshot(&mut self) {
        *self = Facts { crosses: self.crosses, ..Facts::default() };
        self.digest();
    }

    fn digest(&mut self) {
        let mut h = Words(StateHash::default());
        self.digest = 0;
        self.hash(&mut h);
        self.digest = h.finish();
    }

    /// All of it in one word, computed when it changed: hashing the engine reads no more.
    pub(crate) fn word(&self) -> u64 {
        self.digest
    }
}

/// A feed's market as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MarketFacts {
    /// Where in its day it is.
    pub phase: Phase,
    /// The declines of the index that halt all trading, levels 1 to 3, 1e-8 USD; zeros before they are told.
    pub breaker_levels_e8: [u64; 3],
    /// The highest level breached today, `1` to `3`; 0 none.
    pub breached: u8,
}

impl MarketFacts {
    /// Takes a message in; returns whether anything changed.
    pub(crate) fn on_market(&mut self, body: &MarketBody) -> bool {
        let was = *self;
        match *body {
            MarketBody::System { code } => self.phase = Phase::of(code).unwrap_or(self.phase),
            MarketBody::CircuitBreakerLevels { level1_e8, level2_e8, level3_e8 } => {
                self.breaker_levels_e8 = [level1_e8, level2_e8, level3_e8];
            }
            MarketBody::CircuitBreaker { level } => self.breached = self.breached.max(level),
            _ => {}
        }
        *self != was
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        self.breaker_levels_e8.iter().for_each(|l| h.word(*l));
        h.word((self.phase as u64) << 8 | u64::from(self.breached));
    }
}

/// Lets what derives [`Hash`] be absorbed; the same on every little-endian machine of 64 bits, for one version of the compiler: a journal is replayed by the program that wrote it.
struct Words(StateHash);

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.word(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(mpid: &[u8; 4], state: u8) -> Primary {
        Primary { mpid: *mpid, mode: b'N', state }
    }

    #[test]
    fn primary_makers_are_kept_as_last_told_and_bounded() {
        let mut p = Participants::default();
        p.on_position(position(b"AAAA", b'A'), true);
        p.on_position(position(b"BBBB", b'A'), true);
        p.on_position(position(b"CCCC", b'A'), false);
        p.on_position(position(b"AAAA", b'W'), true);
        assert_eq!(p.primaries(), [position(b"AAAA", b'W'), position(b"BBBB", b'A')]);
        p.on_position(position(b"AAAA", b'W'), false);
        assert_eq!((p.primaries(), p.told), (&[position(b"BBBB", b'A')][..], 5));
        for k in 0..=PRIMARIES_MAX as u8 {
            p.on_position(position(&[b'X', b'X', b'X', k], b'A'), true);
        }
        assert_eq!((p.primaries().len(), p.untracked), (PRIMARIES_MAX, 2));
    }

    #[test]
    fn every_fact_is_in_the_word() {
        let symbol = model::Symbol::BLANK;
        let at = Nanos(1);
        let mut words = std::collections::BTreeSet::new();
        let mut f = Facts::default();
        let mut told = |f: &Facts| assert!(words.insert(f.word()), "{f:?}");
        told(&f);
        f.on_action(TradingState::Paused, *b"LUDP");
        told(&f);
        let (cross, px) = (CrossKind::Halt, Px(5));
        let bodies = [
            MarketBody::AuctionCollar { symbol, reference_e4: 1, upper_e4: 2, lower_e4: 3, extension: 4 },
            MarketBody::RetailInterest { symbol, flag: b'B' },
            MarketBody::IpoQuoting { symbol, release_s: 9, qualifier: b'A', px_e4: 1 },
            MarketBody::ParticipantPosition {
                mpid: *b"AAAA",
                symbol,
                primary: b'Y',
                mode: b'N',
                state: b'A',
            },
            MarketBody::Cross { qty: 0, match_number: 1, px, cross },
            MarketBody::Cross { qty: 0, match_number: 1, px, cross: CrossKind::Opening },
        ];
        for body in bodies {
            assert!(f.on_market(at, &body).is_some());
            told(&f);
        }
        f.on_snapshot();
        assert!(f.cross(cross).is_some() && f.collar.is_none() && f.ipo.is_none());
        told(&f);
        f.clear();
        assert_eq!(f, Facts::default());
    }

    #[test]
    fn a_collar_and_an_imbalance_end_with_their_auction() {
        let symbol = model::Symbol::BLANK;
        let mut f = Facts::default();
        f.on_market(
            Nanos(1),
            &MarketBody::AuctionCollar { symbol, reference_e4: 1, upper_e4: 2, lower_e4: 3, extension: 4 },
        );
        let imbalance = MarketBody::Imbalance {
            paired: 1,
            imbalance: 2,
            far_e4: 3,
            near_e4: 4,
            reference_e4: 5,
            direction: b'B',
            cross: CrossKind::Halt,
            variation: b'L',
        };
        f.on_market(Nanos(2), &imbalance);
        let cross = |cross| MarketBody::Cross { qty: 1, match_number: 1, px: Px(5), cross };
        f.on_market(Nanos(3), &cross(CrossKind::Closing));
        assert_eq!(f.imbalance.map(|i| (i.near, i.at)), Some((Px(4), Nanos(2))), "another auction's");
        f.on_market(Nanos(3), &cross(CrossKind::Halt));
        assert_eq!(f.imbalance, None);
        f.on_action(TradingState::QuotationOnly, *b"LUDP");
        assert!(f.collar.is_some());
        f.on_action(TradingState::Trading, *b"LUDP");
        assert_eq!(f.collar, None);
    }
}
