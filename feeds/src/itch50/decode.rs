//! A message to a [`MarketEvent`].

use model::{CrossKind, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, TradingState, VenueRef};

use super::wire::{
    AddOrder, AddOrderMpid, AuctionCollar, BrokenTrade, CrossTrade, DirectListing, Imbalance, IpoQuoting,
    MwcbDecline, MwcbStatus, OperationalHalt, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, ParticipantPosition, RegShoRestriction, RetailInterest,
    StockDirectory, SystemEvent, Trade, TradingAction,
};
use crate::protocol::Refusal;

/// Why bytes are not a message that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No type has this letter: a newer feed, or not ITCH. To be counted and skipped.
    #[error("unknown ITCH 5.0 message type 0x{0:02x}")]
    Unknown(u8),
    /// Fewer bytes than the type has.
    #[error("ITCH 5.0 message '{}' of {len} bytes is too short: it has {need}", *.kind as char)]
    Short {
        /// The type's letter.
        kind: u8,
        /// Bytes there are.
        len: usize,
        /// Bytes the type has.
        need: usize,
    },
    /// A field holds a letter that the type does not allow and the book cannot do without.
    #[error("ITCH 5.0 message '{}': field {field} cannot be 0x{value:02x}", *.kind as char)]
    Field {
        /// The type's letter.
        kind: u8,
        /// The field's name in the specification.
        field: &'static str,
        /// What it holds.
        value: u8,
    },
    /// No bytes at all.
    #[error("empty message")]
    Empty,
}

impl DecodeError {
    /// Whether an order book or a trading state may hang on what could not be decoded, so that what is believed of its instruments
    /// may be wrong from here on. A type that is not known is none of these: it is skipped by its length.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        match self {
            DecodeError::Short { kind, .. } | DecodeError::Field { kind, .. } => {
                matches!(
                    kind,
                    b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U' | b'R' | b'H' | b'h' | b'Y' | b'W' | b'S'
                )
            }
            DecodeError::Unknown(_) | DecodeError::Empty => false,
        }
    }

    /// What the core makes of it.
    #[cold]
    pub(super) const fn refusal(self) -> Refusal {
        match self {
            DecodeError::Unknown(_) | DecodeError::Empty => Refusal::Unknown,
            _ if self.is_loss() => Refusal::Lost,
            DecodeError::Short { .. } | DecodeError::Field { .. } => Refusal::Malformed,
        }
    }

    #[cold]
    pub(super) const fn short(kind: u8, len: usize, need: usize) -> DecodeError {
        DecodeError::Short { kind, len, need }
    }

    #[cold]
    const fn field(kind: u8, field: &'static str, value: u8) -> DecodeError {
        DecodeError::Field { kind, field, value }
    }
}

/// The stock locate of a message, for filtering before decoding; `None` when it is too short to have one. Whether the
/// type is known is not looked at.
#[inline]
#[must_use]
pub fn locate(msg: &[u8]) -> Option<u16> {
    match msg {
        [_, hi, lo, ..] => Some(u16::from_be_bytes([*hi, *lo])),
        _ => None,
    }
}

/// One message as an event; its instrument is the message's stock locate.
///
/// Bytes beyond the type's length are ignored. A trading state whose letter is not known becomes
/// [`TradingState::Unknown`], so that a stock never keeps trading on a word that was not understood. An execution whose
/// printable letter is not known still takes its shares from the book, and is not printable ([`is_odd_execution`]).
/// No allocation; about 10 ns.
///
/// # Errors
/// [`DecodeError`]; nothing of the message may be used then.
#[inline]
pub fn decode(msg: &[u8]) -> Result<MarketEvent, DecodeError> {
    decode_with(msg, |event| event)
}

/// As [`decode`], and does with the event what `to` does, without moving it: what is done with each kind of message is compiled for that kind.
///
/// # Errors
/// [`DecodeError`]; `to` was not called then.
#[inline(always)]
pub fn decode_with<R>(msg: &[u8], to: impl FnOnce(MarketEvent) -> R) -> Result<R, DecodeError> {
    // Too short for a locate is too short for any type, so this 0 is never seen.
    decode_to(InstrumentId(locate(msg).unwrap_or(0)), msg, to)
}

/// Whether a message is a `C` whose printable letter is neither `Y` nor `N`.
#[must_use]
pub fn is_odd_execution(msg: &[u8]) -> bool {
    OrderExecutedWithPrice::new(msg).is_ok_and(|m| !matches!(m.printable(), b'Y' | b'N'))
}

/// One message as an event of an instrument that is known otherwise.
#[inline]
pub(super) fn decode_as(instrument: InstrumentId, msg: &[u8]) -> Result<MarketEvent, DecodeError> {
    decode_to(instrument, msg, |event| event)
}

/// The event of a view, its body as the macro's user writes it.
macro_rules! event {
    ($msg:ident, $instrument:ident, $view:ident, $m:ident => $body:expr) => {{
        let $m = $view::of_kind($msg)?;
        let body = $body;
        MarketEvent { ts_event: $m.timestamp(), instrument: $instrument, body }
    }};
}

/// One message as an event, handed to `to`, which is once in each arm of the messages that come by the million: the event is then written where it is wanted,
/// field by field and once. Returned, it would be moved from result to result; a move reads in wide words what was stored in narrow ones, and waits for the store buffer.
#[inline(always)]
pub(super) fn decode_to<R>(
    instrument: InstrumentId,
    msg: &[u8],
    to: impl FnOnce(MarketEvent) -> R,
) -> Result<R, DecodeError> {
    let Some(&kind) = msg.first() else { return Err(DecodeError::Empty) };
    Ok(match kind {
        b'A' => to(event!(msg, instrument, AddOrder, m => MarketBody::Add {
            order: VenueRef(m.order_ref()),
            px: Px::from_wire(m.price()),
            qty: Qty(m.shares()),
            side: side(kind, m.side())?,
            mpid: *b"    ",
        })),
        b'D' => to(
            event!(msg, instrument, OrderDelete, m => MarketBody::Delete { order: VenueRef(m.order_ref()) }),
        ),
        b'U' => to(event!(msg, instrument, OrderReplace, m => MarketBody::Replace {
            old: VenueRef(m.orig_order_ref()),
            new: VenueRef(m.new_order_ref()),
            qty: Qty(m.shares()),
            px: Px::from_wire(m.price()),
        })),
        b'E' => to(event!(msg, instrument, OrderExecuted, m => MarketBody::Execute {
            order: VenueRef(m.order_ref()),
            qty: Qty(m.executed_shares()),
            match_number: m.match_number(),
        })),
        b'X' => to(event!(msg, instrument, OrderCancel, m => MarketBody::Reduce {
            order: VenueRef(m.order_ref()),
            qty: Qty(m.cancelled_shares()),
        })),
        b'F' => to(event!(msg, instrument, AddOrderMpid, m => MarketBody::Add {
            order: VenueRef(m.order_ref()),
            px: Px::from_wire(m.price()),
            qty: Qty(m.shares()),
            side: side(kind, m.side())?,
            mpid: m.attribution(),
        })),
        b'C' => to(event!(msg, instrument, OrderExecutedWithPrice, m => MarketBody::ExecuteAt {
            order: VenueRef(m.order_ref()),
            qty: Qty(m.executed_shares()),
            match_number: m.match_number(),
            px: Px::from_wire(m.execution_price()),
            printable: m.printable() == b'Y',
        })),
        b'P' => to(event!(msg, instrument, Trade, m => MarketBody::Trade {
            px: Px::from_wire(m.price()),
            qty: Qty(m.shares()),
            match_number: m.match_number(),
            side: side(kind, m.side())?,
        })),
        _ => to(decode_seldom(kind, instrument, msg)?),
    })
}

/// The messages that do not come by the million.
#[inline(never)]
fn decode_seldom(kind: u8, instrument: InstrumentId, msg: &[u8]) -> Result<MarketEvent, DecodeError> {
    Ok(match kind {
        b'Q' => event!(msg, instrument, CrossTrade, m => MarketBody::Cross {
            qty: m.shares(),
            match_number: m.match_number(),
            px: Px::from_wire(m.cross_price()),
            cross: cross(m.cross_type()),
        }),
        b'B' => {
            event!(msg, instrument, BrokenTrade, m => MarketBody::BrokenTrade { match_number: m.match_number() })
        }
        b'I' => event!(msg, instrument, Imbalance, m => MarketBody::Imbalance {
            paired: m.paired_shares(),
            imbalance: m.imbalance_shares(),
            far_e4: m.far_price(),
            near_e4: m.near_price(),
            reference_e4: m.ref_price(),
            direction: m.imbalance_direction(),
            cross: cross(m.cross_type()),
            variation: m.price_variation(),
        }),
        b'S' => event!(msg, instrument, SystemEvent, m => MarketBody::System { code: m.event_code() }),
        b'R' => event!(msg, instrument, StockDirectory, m => MarketBody::Directory {
            symbol: m.stock(),
            round_lot: m.round_lot_size(),
            market_category: m.market_category(),
            financial_status: m.financial_status(),
            round_lots_only: m.round_lots_only(),
            classification: m.issue_classification(),
            subtype: m.issue_subtype(),
            authenticity: m.authenticity(),
            short_sale_threshold: m.short_sale_threshold(),
            ipo: m.ipo_flag(),
            luld_tier: m.luld_tier(),
            etp: m.etp_flag(),
            etp_leverage: m.etp_leverage(),
            inverse: m.inverse(),
        }),
        b'H' => event!(msg, instrument, TradingAction, m => MarketBody::TradingAction {
            symbol: m.stock(),
            state: trading_state(m.trading_state()),
            reason: m.reason(),
        }),
        b'Y' => event!(msg, instrument, RegShoRestriction, m => MarketBody::ShortSaleRestriction {
            symbol: m.stock(),
            action: m.reg_sho_action(),
        }),
        b'L' => event!(msg, instrument, ParticipantPosition, m => MarketBody::ParticipantPosition {
            mpid: m.mpid(),
            symbol: m.stock(),
            primary: m.primary_mm(),
            mode: m.mm_mode(),
            state: m.mp_state(),
        }),
        b'V' => event!(msg, instrument, MwcbDecline, m => MarketBody::CircuitBreakerLevels {
            level1_e8: m.level1(),
            level2_e8: m.level2(),
            level3_e8: m.level3(),
        }),
        b'W' => {
            event!(msg, instrument, MwcbStatus, m => MarketBody::CircuitBreaker { level: m.breached_level() })
        }
        b'K' => event!(msg, instrument, IpoQuoting, m => MarketBody::IpoQuoting {
            symbol: m.stock(),
            release_s: m.ipo_release_time_s(),
            qualifier: m.ipo_qualifier(),
            px_e4: m.ipo_price(),
        }),
        b'J' => event!(msg, instrument, AuctionCollar, m => MarketBody::AuctionCollar {
            symbol: m.stock(),
            reference_e4: m.ref_price(),
            upper_e4: m.upper_price(),
            lower_e4: m.lower_price(),
            extension: m.extension(),
        }),
        b'h' => event!(msg, instrument, OperationalHalt, m => MarketBody::OperationalHalt {
            symbol: m.stock(),
            market: m.market_code(),
            action: m.action(),
        }),
        b'N' => event!(msg, instrument, RetailInterest, m => MarketBody::RetailInterest {
            symbol: m.stock(),
            flag: m.interest_flag(),
        }),
        b'O' => event!(msg, instrument, DirectListing, m => MarketBody::DirectListing {
            open_eligibility: m.open_eligibility(),
            min_e4: m.min_price(),
            max_e4: m.max_price(),
            near_e4: m.near_price(),
            near_time: Nanos(m.near_time()),
            lower_e4: m.lower_collar(),
            upper_e4: m.upper_collar(),
        }),
        other => return Err(DecodeError::Unknown(other)),
    })
}

/// Buys and sells come as they like: that a letter is one of the two may be a branch, which of the two may not.
#[inline(always)]
const fn side(kind: u8, letter: u8) -> Result<Side, DecodeError> {
    let (buy, sell) = (letter == b'B', letter == b'S');
    if !(buy | sell) {
        return Err(DecodeError::field(kind, "side", letter));
    }
    Ok(if sell { Side::Sell } else { Side::Buy })
}

const fn cross(letter: u8) -> CrossKind {
    match letter {
        b'O' => CrossKind::Opening,
        b'C' => CrossKind::Closing,
        b'H' => CrossKind::Halt,
        b'A' => CrossKind::ExtendedClose,
        other => CrossKind::Other(other),
    }
}

const fn trading_state(letter: u8) -> TradingState {
    match letter {
        b'T' => TradingState::Trading,
        b'H' => TradingState::Halted,
        b'P' => TradingState::Paused,
        b'Q' => TradingState::QuotationOnly,
        _ => TradingState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wire::{LENGTHS, TYPES};
    use super::*;

    /// A message of `kind` whose letters are all allowed.
    fn valid(kind: u8) -> Vec<u8> {
        let mut msg = vec![0; usize::from(LENGTHS[usize::from(kind)])];
        msg[0] = kind;
        match kind {
            b'A' | b'F' | b'P' => msg[19] = b'B',
            b'C' => msg[31] = b'Y',
            _ => {}
        }
        msg
    }

    #[test]
    fn longer_is_tolerated_and_shorter_refused_for_every_type() {
        for (kind, need) in TYPES {
            let msg = valid(kind);
            let event = decode(&msg).unwrap();
            let mut longer = msg.clone();
            longer.extend_from_slice(b"future extension");
            assert_eq!(decode(&longer), Ok(event), "{}", kind as char);
            for len in 1..need {
                assert_eq!(decode(&msg[..len]), Err(DecodeError::Short { kind, len, need }));
            }
        }
        assert_eq!(decode(&[]), Err(DecodeError::Empty));
    }

    #[test]
    fn an_unknown_type_is_a_value_to_be_counted() {
        for kind in 0..=255u8 {
            let known = LENGTHS[usize::from(kind)] != 0;
            let mut msg = [b'B'; 64];
            msg[0] = kind;
            msg[31] = b'Y';
            assert_eq!(decode(&msg) == Err(DecodeError::Unknown(kind)), !known);
        }
    }

    #[test]
    fn letters_the_book_cannot_do_without_are_refused() {
        for (kind, at, field) in [(b'A', 19, "side"), (b'F', 19, "side"), (b'P', 19, "side")] {
            let mut msg = valid(kind);
            for value in [b' ', 0, b'b', 0xFF] {
                msg[at] = value;
                assert_eq!(decode(&msg), Err(DecodeError::Field { kind, field, value }));
            }
        }
    }

    #[test]
    fn an_execution_price_is_not_where_the_order_rests_and_n_is_not_printable() {
        let mut msg = valid(b'C');
        msg[31] = b'N';
        msg[32..36].copy_from_slice(&0x7735_9400u32.to_be_bytes());
        let MarketBody::ExecuteAt { px, printable, .. } = decode(&msg).unwrap().body else { panic!() };
        assert_eq!((px, printable), (Px(2_000_000_000), false));
    }

    /// The reference is 0 since 2010 and the side `B` since 2014; older days have others.
    #[test]
    fn a_hidden_trade_is_one_whatever_its_reference_and_side() {
        let mut msg = valid(b'P');
        for (reference, letter, side) in [(0u64, b'B', Side::Buy), (77, b'S', Side::Sell)] {
            msg[11..19].copy_from_slice(&reference.to_be_bytes());
            msg[19] = letter;
            let body = decode(&msg).unwrap().body;
            assert!(matches!(body, MarketBody::Trade { side: got, .. } if got == side), "{body:?}");
            assert!(!body.touches_book());
        }
    }

    #[test]
    fn an_execution_of_an_odd_letter_takes_its_shares_and_is_not_printed() {
        let mut msg = valid(b'C');
        msg[19..23].copy_from_slice(&70u32.to_be_bytes());
        for (letter, odd) in [(b'Y', false), (b'N', false), (b' ', true), (0, true), (b'y', true)] {
            msg[31] = letter;
            let MarketBody::ExecuteAt { qty, printable, .. } = decode(&msg).unwrap().body else { panic!() };
            assert_eq!((qty, printable), (Qty(70), letter == b'Y'));
            assert_eq!(is_odd_execution(&msg), odd);
        }
        assert!(!is_odd_execution(&msg[..35]) && !is_odd_execution(&valid(b'E')));
    }

    #[test]
    fn what_no_book_hangs_on_is_no_loss() {
        let losses: Vec<u8> = TYPES
            .iter()
            .filter(|(kind, need)| decode(&valid(*kind)[..need - 1]).unwrap_err().is_loss())
            .map(|(kind, _)| *kind)
            .collect();
        for kind in 0..=255u8 {
            assert_eq!(losses.contains(&kind), b"AFECXDURHhYWS".contains(&kind), "{}", kind as char);
        }
        assert!(!DecodeError::Unknown(b'z').is_loss() && !DecodeError::Empty.is_loss());
        assert!(DecodeError::field(b'A', "side", b'?').is_loss());
    }

    #[test]
    fn a_state_that_is_not_understood_is_not_trading() {
        let mut msg = valid(b'H');
        for (letter, state) in [
            (b'T', TradingState::Trading),
            (b'H', TradingState::Halted),
            (b'P', TradingState::Paused),
            (b'Q', TradingState::QuotationOnly),
            (b'V', TradingState::Unknown),
        ] {
            msg[19] = letter;
            let MarketBody::TradingAction { state: got, .. } = decode(&msg).unwrap().body else { panic!() };
            assert_eq!(got, state);
        }
    }

    #[test]
    fn cross_types_of_2022_and_later_decode() {
        let mut msg = valid(b'Q');
        for (letter, kind) in [
            (b'O', CrossKind::Opening),
            (b'C', CrossKind::Closing),
            (b'H', CrossKind::Halt),
            (b'A', CrossKind::ExtendedClose),
            (b'I', CrossKind::Other(b'I')),
        ] {
            msg[39] = letter;
            let MarketBody::Cross { cross, qty, .. } = decode(&msg).unwrap().body else { panic!() };
            assert_eq!((cross, qty), (kind, 0));
        }
    }

    #[test]
    fn errors_read_as_sentences() {
        assert_eq!(
            DecodeError::short(b'A', 3, 36).to_string(),
            "ITCH 5.0 message 'A' of 3 bytes is too short: it has 36"
        );
        assert_eq!(
            DecodeError::field(b'A', "side", b'?').to_string(),
            "ITCH 5.0 message 'A': field side cannot be 0x3f"
        );
        assert_eq!(DecodeError::Unknown(0).to_string(), "unknown ITCH 5.0 message type 0x00");
    }

    #[test]
    fn the_locate_needs_three_bytes() {
        assert_eq!(locate(b"A\x12\x34"), Some(0x1234));
        assert_eq!(locate(b"A\x12"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut msg in proptest::collection::vec(any::<u8>(), 0..80), kind in 0usize..23) {
            let _ = decode(&msg);
            if let Some(first) = msg.first_mut() {
                *first = TYPES[kind].0;
            }
            if let Ok(event) = decode(&msg) {
                prop_assert_eq!(Some(event.instrument.0), locate(&msg));
                prop_assert!(event.ts_event.0 < 1 << 48);
            }
        }
    }
}
