//! Messages of a venue about orders, as they are in either version.
//!
//! | ExecType | 4.4 | 4.2 |
//! |---|---|---|
//! | a fill | `F` (`1`, `2` of older venues too) | `1`, `2` with ExecTransType `0` |
//! | a fill is void | `H` | any with ExecTransType `1` |
//! | a fill is corrected | `G` | any with ExecTransType `2` |
//! | where an order stands, asked for | `I` | any with ExecTransType `3` |
//! | the rest | the same letters | the same letters |

use model::{Nanos, Px, Qty, Side, Symbol, Tif, VenueRef};
use thiserror::Error;

use super::super::framing::Message;
use super::super::session::Version;
use super::super::{tags, value};

/// A field that a report needs is absent, or not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("field {0} is missing or not understood")]
pub struct FieldError(pub i32);

/// What an ExecutionReport reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The order was taken.
    New,
    /// It has arrived, and is neither taken nor refused.
    PendingNew,
    /// A cancel has arrived.
    PendingCancel,
    /// A replace has arrived.
    PendingReplace,
    /// It took on the values of a replace.
    Replaced,
    /// It was canceled.
    Canceled,
    /// It has lived its time.
    Expired,
    /// Nothing more will happen to it today.
    DoneForDay,
    /// It was refused.
    Rejected,
    /// Shares traded.
    Trade,
    /// A trade is void.
    TradeCancel,
    /// A trade is other than reported.
    TradeCorrect,
    /// Where it stands, because that was asked.
    Status,
    /// It was changed by the venue.
    Restated,
    /// Stopped, suspended, calculated: nothing that changes what is open.
    Other,
}

/// An ExecutionReport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution<'a> {
    /// What it reports.
    pub what: What,
    /// The venue's name of the order.
    pub order_id: &'a [u8],
    /// The venue's name of this report.
    pub exec_id: &'a [u8],
    /// The report that a void or corrected trade was in.
    pub exec_ref: Option<&'a [u8]>,
    /// The order's, or the request's, name; absent for orders that came another way.
    pub cl_ord_id: Option<&'a [u8]>,
    /// The order's name before the request.
    pub orig: Option<&'a [u8]>,
    /// Ticker, blank where it has none of at most eight characters.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Whether a sell is short.
    pub short: bool,
    /// Shares ordered.
    pub qty: Option<Qty>,
    /// Limit.
    pub px: Option<Px>,
    /// How long it lives.
    pub tif: Tif,
    /// Shares open.
    pub leaves: Qty,
    /// Shares executed.
    pub cum: Qty,
    /// Shares and price of the trade.
    pub last: Option<(Qty, Px)>,
    /// LastLiquidityInd as a letter: `A` added, `R` removed, `X` routed away, 0 not said.
    pub liquidity: u8,
    /// OrdRejReason, or ExecRestatementReason of what was restated.
    pub reason: u16,
    /// ns since midnight UTC.
    pub ts_event: Nanos,
    /// The same since the Unix epoch; `None` where it comes again and does not say of when it is.
    pub at: Option<Nanos>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// Something of an order.
    Execution(Execution<'a>),
    /// A cancel or replace was refused.
    CancelRejected {
        /// The request.
        cl_ord_id: &'a [u8],
        /// The order.
        orig: &'a [u8],
        /// Whether the request was a replace.
        replace: bool,
        /// CxlRejReason.
        reason: u16,
        /// ns since midnight UTC.
        ts_event: Nanos,
    },
    /// A mass cancel was answered.
    MassCancel {
        /// The request.
        cl_ord_id: Option<&'a [u8]>,
        /// Whether it was taken.
        taken: bool,
        /// ns since midnight UTC.
        ts_event: Nanos,
    },
    /// A message of ours was refused, by the application or by the session.
    Refused {
        /// Its number.
        ref_seq: Option<u64>,
        /// The name in it.
        name: Option<&'a [u8]>,
        /// Its type.
        kind: &'a [u8],
        /// Why: BusinessRejectReason or SessionRejectReason.
        reason: u16,
        /// Whether the session refused it, so that no application saw it.
        by_session: bool,
    },
    /// Something that this does not speak of.
    Nothing,
}

fn needed<'a>(m: &Message<'a>, tag: i32) -> Result<&'a [u8], FieldError> {
    m.get(tag).filter(|text| !text.is_empty()).ok_or(FieldError(tag))
}

/// A value that is either absent or well formed.
fn optional<T>(
    m: &Message<'_>,
    tag: i32,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    m.get(tag).map(|text| read(text).ok_or(FieldError(tag))).transpose()
}

fn small(m: &Message<'_>, tag: i32) -> u16 {
    m.uint(tag).and_then(|n| u16::try_from(n).ok()).unwrap_or_default()
}

/// The moment that a message tells of: when it comes again it is the same.
fn moment(m: &Message<'_>) -> Option<Nanos> {
    let first = [tags::TRANSACT_TIME, tags::ORIG_SENDING_TIME].into_iter().find_map(|tag| m.get(tag));
    let sent = || m.get(tags::SENDING_TIME).filter(|_| !m.flag(tags::POSS_DUP_FLAG));
    first.or_else(sent).and_then(value::utc)
}

fn ts_event(m: &Message<'_>) -> Nanos {
    let said = moment(m).or_else(|| m.get(tags::SENDING_TIME).and_then(value::utc));
    value::since_midnight(said.unwrap_or_default())
}

/// Reads a message of the application, or a Reject.
///
/// # Errors
/// [`FieldError`]: what it says of an order is not known.
pub fn read<'a>(m: &Message<'a>, version: Version) -> Result<Said<'a>, FieldError> {
    let refused = |name, reason, by_session| Said::Refused {
        ref_seq: m.uint(tags::REF_SEQ_NUM),
        name: m.get(name).filter(|text| !text.is_empty()),
        kind: m.get(tags::REF_MSG_TYPE).unwrap_or_default(),
        reason: small(m, reason),
        by_session,
    };
    Ok(match m.kind() {
        b"8" => Said::Execution(execution(m, version)?),
        b"9" => Said::CancelRejected {
            cl_ord_id: needed(m, tags::CL_ORD_ID)?,
            orig: needed(m, tags::ORIG_CL_ORD_ID)?,
            replace: match needed(m, tags::CXL_REJ_RESPONSE_TO)? {
                b"1" => false,
                b"2" => true,
                _ => return Err(FieldError(tags::CXL_REJ_RESPONSE_TO)),
            },
            reason: small(m, tags::CXL_REJ_REASON),
            ts_event: ts_event(m),
        },
        b"r" => Said::MassCancel {
            cl_ord_id: m.get(tags::CL_ORD_ID),
            taken: needed(m, tags::MASS_CANCEL_RESPONSE)? != b"0",
            ts_event: ts_event(m),
        },
        b"j" => refused(tags::BUSINESS_REJECT_REF_ID, tags::BUSINESS_REJECT_REASON, false),
        b"3" => refused(0, tags::SESSION_REJECT_REASON, true),
        _ => Said::Nothing,
    })
}

fn what(m: &Message<'_>, version: Version) -> Result<What, FieldError> {
    if version == Version::Fix42 {
        match needed(m, tags::EXEC_TRANS_TYPE)? {
            b"0" => {}
            b"1" => return Ok(What::TradeCancel),
            b"2" => return Ok(What::TradeCorrect),
            b"3" => return Ok(What::Status),
            _ => return Err(FieldError(tags::EXEC_TRANS_TYPE)),
        }
    }
    Ok(match needed(m, tags::EXEC_TYPE)? {
        b"0" => What::New,
        b"1" | b"2" | b"F" => What::Trade,
        b"3" => What::DoneForDay,
        b"4" => What::Canceled,
        b"5" => What::Replaced,
        b"6" => What::PendingCancel,
        b"7" | b"9" | b"B" => What::Other,
        b"8" => What::Rejected,
        b"A" => What::PendingNew,
        b"C" => What::Expired,
        b"D" => What::Restated,
        b"E" => What::PendingReplace,
        b"G" => What::TradeCorrect,
        b"H" => What::TradeCancel,
        b"I" => What::Status,
        _ => return Err(FieldError(tags::EXEC_TYPE)),
    })
}

fn execution<'a>(m: &Message<'a>, version: Version) -> Result<Execution<'a>, FieldError> {
    let what = what(m, version)?;
    let (side, short) = match needed(m, tags::SIDE)? {
        b"1" => (Side::Buy, false),
        b"2" => (Side::Sell, false),
        b"5" | b"6" => (Side::Sell, true),
        _ => return Err(FieldError(tags::SIDE)),
    };
    let shares = |tag| needed(m, tag).and_then(|text| value::qty(text).ok_or(FieldError(tag)));
    let last = if matches!(what, What::Trade | What::TradeCorrect) {
        let px = value::px(needed(m, tags::LAST_PX)?).ok_or(FieldError(tags::LAST_PX))?;
        Some((shares(tags::LAST_QTY)?, px))
    } else {
        None
    };
    let ticker = m.get(tags::SYMBOL).and_then(|text| core::str::from_utf8(text).ok());
    Ok(Execution {
        what,
        order_id: needed(m, tags::ORDER_ID)?,
        exec_id: needed(m, tags::EXEC_ID)?,
        exec_ref: m.get(tags::EXEC_REF_ID).filter(|text| !text.is_empty()),
        cl_ord_id: m.get(tags::CL_ORD_ID).filter(|text| !text.is_empty()),
        orig: m.get(tags::ORIG_CL_ORD_ID).filter(|text| !text.is_empty()),
        symbol: ticker.and_then(Symbol::new).unwrap_or(Symbol::BLANK),
        side,
        short,
        qty: optional(m, tags::ORDER_QTY, value::qty)?,
        px: optional(m, tags::PRICE, value::px)?,
        tif: if m.get(tags::TIME_IN_FORCE) == Some(b"3") { Tif::Ioc } else { Tif::Day },
        leaves: shares(tags::LEAVES_QTY)?,
        cum: shares(tags::CUM_QTY)?,
        last,
        liquidity: match m.uint(tags::LAST_LIQUIDITY_IND) {
            Some(1) => b'A',
            Some(2) => b'R',
            Some(3) => b'X',
            _ => 0,
        },
        reason: match what {
            What::Restated => small(m, tags::EXEC_RESTATEMENT_REASON),
            _ => small(m, tags::ORD_REJ_REASON),
        },
        ts_event: ts_event(m),
        at: moment(m),
    })
}

/// A venue's text as a number, the same whenever it is read: the number that it is, where it is one below 2^63 without leading zeros; else its FNV-1a hash
/// with the highest bit set, so that no hash is taken for a number.
fn number_of(text: &[u8]) -> u64 {
    const TOP: u64 = 1 << 63;
    let plain = text.first().is_some_and(|b| *b != b'0') || text == b"0";
    match value::uint(text).filter(|n| plain && *n < TOP) {
        Some(n) => n,
        None => {
            let step = |hash: u64, b: &u8| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
            TOP | text.iter().fold(0xcbf2_9ce4_8422_2325, step)
        }
    }
}

/// The number of the trade that a report with this ExecID tells of.
#[must_use]
pub fn match_number(exec_id: &[u8]) -> u64 {
    number_of(exec_id)
}

/// The number of the order with this OrderID. It is the one in the venue's market data where the venue writes that.
#[must_use]
pub fn venue_ref(order_id: &[u8]) -> VenueRef {
    VenueRef(number_of(order_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_number_or_never_taken_for_one() {
        assert_eq!(
            (number_of(b"0"), number_of(b"42"), number_of(b"9223372036854775807")),
            (0, 42, i64::MAX as u64)
        );
        let hashed: Vec<u64> = [&b"042"[..], b"9223372036854775808", b"E-42", b"", b"42 "]
            .iter()
            .map(|t| number_of(t))
            .collect();
        assert!(hashed.iter().all(|n| *n >> 63 == 1));
        for (k, n) in hashed.iter().enumerate() {
            assert!(!hashed[..k].contains(n));
        }
    }
}
