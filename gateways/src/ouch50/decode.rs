//! Outbound messages: bytes to what they mean.
//!
//! One `match` on the letter, one length check a message (`first_chunk`), fields at constant offsets: no panic path, no allocation. A
//! message that is too short, unknown or inconsistent is an error value, never a guess: a wrong report is worse than a missing one.

use model::{
    ExecutionReport, GatewayId, Instrument, InstrumentId, Nanos, Px, Qty, ReportKind, Side, Symbol, Token,
    VenueRef,
};
use thiserror::Error;

use super::appendage::Elements;
use super::symbols::SymbolTable;

/// Why a message of the sequenced stream is not understood. What it said about an order is then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A sequenced packet without a message.
    #[error("empty message")]
    Empty,
    /// A letter that revision 1.04 does not have.
    #[error("unknown message type 0x{0:02x}")]
    UnknownType(u8),
    /// Fewer bytes than the letter's fixed part.
    #[error("message '{}' has {len} bytes, its fixed part {least}", *kind as char)]
    Short {
        /// The letter.
        kind: u8,
        /// Bytes there.
        len: usize,
        /// Bytes needed.
        least: usize,
    },
    /// The appendage is missing or its sizes do not add up.
    #[error("malformed appendage")]
    Appendage,
    /// A side letter other than B, S, T, E.
    #[error("unknown side 0x{0:02x}")]
    Side(u8),
    /// An order state other than L, D.
    #[error("unknown order state 0x{0:02x}")]
    OrderState(u8),
    /// A price beyond 63 bits.
    #[error("price beyond 63 bits")]
    Price,
}

/// A decoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// UserRefIdx of the order; 0 is the sequence of tokens that this crate uses. Tokens of other channels are not ours, whatever their
    /// number.
    pub channel: u8,
    /// What it says.
    pub body: Outbound,
}

/// The kinds of outbound message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// About an order, or the day (`S`).
    Report(ExecutionReport),
    /// `X`: a mass cancel was taken. That each order's own Canceled follows is inferred, the specification does not say so.
    MassCanceled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Whose orders.
        firm: [u8; 4],
        /// Of which symbol, blank for all.
        symbol: Symbol,
    },
    /// `G`: a firm's order entry was disabled.
    EntryDisabled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Whose.
        firm: [u8; 4],
    },
    /// `K`: a firm's order entry was enabled.
    EntryEnabled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Whose.
        firm: [u8; 4],
    },
    /// `Q`: the answer to an Account Query.
    NextToken {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The lowest number that was not processed.
        next: Token,
    },
}

/// Decodes for one gateway.
#[derive(Debug)]
pub struct Decoder {
    gateway: GatewayId,
    symbols: SymbolTable,
}

/// The `N` bytes at `at`; both are constants where this is called, so no check is left in the code.
#[inline(always)]
fn at<const N: usize>(m: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&m[at..at + N]);
    out
}

#[inline(always)]
fn u32_at(m: &[u8], i: usize) -> u32 {
    u32::from_be_bytes(at(m, i))
}

#[inline(always)]
fn u64_at(m: &[u8], i: usize) -> u64 {
    u64::from_be_bytes(at(m, i))
}

#[inline(always)]
fn px_at(m: &[u8], i: usize) -> Result<Px, DecodeError> {
    i64::try_from(u64_at(m, i)).map(Px).map_err(|_| DecodeError::Price)
}

/// The side, and whether a sale is marked short.
#[inline(always)]
fn side(letter: u8) -> Result<(Side, bool), DecodeError> {
    match letter {
        b'B' => Ok((Side::Buy, false)),
        b'S' => Ok((Side::Sell, false)),
        b'T' | b'E' => Ok((Side::Sell, true)),
        other => Err(DecodeError::Side(other)),
    }
}

#[inline(always)]
fn dead(state: u8) -> Result<bool, DecodeError> {
    match state {
        b'L' => Ok(false),
        b'D' => Ok(true),
        other => Err(DecodeError::OrderState(other)),
    }
}

/// The fixed part of `N` bytes and what follows it.
#[inline(always)]
fn split<const N: usize>(msg: &[u8]) -> Result<(&[u8; N], &[u8]), DecodeError> {
    match msg.split_first_chunk::<N>() {
        Some(parts) => Ok(parts),
        None => Err(short(msg, N)),
    }
}

#[cold]
fn short(msg: &[u8], least: usize) -> DecodeError {
    DecodeError::Short { kind: msg.first().copied().unwrap_or_default(), len: msg.len(), least }
}

/// Every message begins with its letter and a stamp, and all but `S` and `Q` go on with the token.
const TOKEN: usize = 9;

impl Decoder {
    /// For the instruments of `instruments` that trade through `gateway`.
    ///
    /// # Errors
    /// The ticker that two of them have.
    pub fn new(gateway: GatewayId, instruments: &[Instrument]) -> Result<Decoder, Symbol> {
        let symbols = SymbolTable::new(instruments.iter().filter(|i| i.gateway == gateway))?;
        Ok(Decoder { gateway, symbols })
    }

    /// The instrument of a ticker.
    #[inline]
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        self.symbols.find(symbol)
    }

    /// Decodes one message whose number in the stream is `seq`.
    ///
    /// # Errors
    /// [`DecodeError`]; the message's meaning is then unknown.
    #[inline]
    pub fn decode(&self, seq: u64, msg: &[u8]) -> Result<Decoded, DecodeError> {
        let &letter = msg.first().ok_or(DecodeError::Empty)?;
        let report = |m: &[u8], after, required, kind| {
            let channel = Elements::new(after, required)?.channel()?;
            let report = ExecutionReport {
                ts_event: Nanos(u64_at(m, 1)),
                seq,
                token: Token(u32_at(m, TOKEN)),
                gateway: self.gateway,
                kind,
            };
            Ok(Decoded { channel, body: Outbound::Report(report) })
        };
        match letter {
            b'E' => {
                let (m, after) = split::<34>(msg)?;
                let kind = ReportKind::Executed {
                    qty: Qty(u32_at(m, 13)),
                    px: px_at(m, 17)?,
                    match_number: u64_at(m, 26),
                    liquidity: m[25],
                };
                report(m, after, true, kind)
            }
            b'A' => {
                let (m, after) = split::<62>(msg)?;
                let (side, short) = side(m[13])?;
                let kind = ReportKind::Accepted {
                    order: VenueRef(u64_at(m, 36)),
                    px: px_at(m, 26)?,
                    qty: Qty(u32_at(m, 14)),
                    side,
                    short,
                    instrument: self.symbols.find(Symbol(at(m, 18))),
                    dead: dead(m[47])?,
                };
                report(m, after, true, kind)
            }
            b'C' => {
                let (m, after) = split::<18>(msg)?;
                report(m, after, false, ReportKind::Canceled { qty: Qty(u32_at(m, 13)), reason: m[17] })
            }
            b'U' => {
                let (m, after) = split::<66>(msg)?;
                let channel = Elements::new(after, true)?.channel()?;
                side(m[17])?;
                let report = ExecutionReport {
                    ts_event: Nanos(u64_at(m, 1)),
                    seq,
                    token: Token(u32_at(m, 13)),
                    gateway: self.gateway,
                    kind: ReportKind::Replaced {
                        old: Token(u32_at(m, 9)),
                        order: VenueRef(u64_at(m, 40)),
                        px: px_at(m, 30)?,
                        qty: Qty(u32_at(m, 18)),
                        dead: dead(m[51])?,
                    },
                };
                Ok(Decoded { channel, body: Outbound::Report(report) })
            }
            b'D' => {
                // The specification knows one reason, whatever the byte says: shares left by self-match prevention.
                let (m, after) = split::<32>(msg)?;
                report(m, after, false, ReportKind::Canceled { qty: Qty(u32_at(m, 13)), reason: b'Q' })
            }
            b'J' => {
                let (m, after) = split::<29>(msg)?;
                report(m, after, false, ReportKind::Rejected { reason: u16::from_be_bytes(at(m, 13)) })
            }
            b'B' => {
                let (m, after) = split::<36>(msg)?;
                report(m, after, false, ReportKind::Broken { match_number: u64_at(m, 13), reason: m[21] })
            }
            b'P' => {
                let (m, after) = split::<13>(msg)?;
                report(m, after, false, ReportKind::CancelPending)
            }
            b'I' => {
                let (m, after) = split::<13>(msg)?;
                report(m, after, false, ReportKind::CancelRejected)
            }
            b'T' => {
                let (m, after) = split::<30>(msg)?;
                let kind = ReportKind::Reprioritised { order: VenueRef(u64_at(m, 22)), px: px_at(m, 13)? };
                report(m, after, false, kind)
            }
            b'M' => {
                let (m, after) = split::<18>(msg)?;
                let (side, short) = side(m[13])?;
                let kind = ReportKind::Modified { qty: Qty(u32_at(m, 14)), side, short };
                report(m, after, false, kind)
            }
            b'R' => {
                let (m, after) = split::<14>(msg)?;
                report(m, after, true, ReportKind::Restated { reason: m[13] })
            }
            _ => self.about_the_account(seq, letter, msg),
        }
    }

    /// The messages that are about no order.
    #[cold]
    fn about_the_account(&self, seq: u64, letter: u8, msg: &[u8]) -> Result<Decoded, DecodeError> {
        let (channel, body) = match letter {
            b'S' => {
                let (m, _) = split::<10>(msg)?;
                let report = ExecutionReport {
                    ts_event: Nanos(u64_at(m, 1)),
                    seq,
                    token: Token(0),
                    gateway: self.gateway,
                    kind: ReportKind::System { code: m[9] },
                };
                (0, Outbound::Report(report))
            }
            b'X' => {
                let (m, after) = split::<25>(msg)?;
                let body = Outbound::MassCanceled {
                    ts_event: Nanos(u64_at(m, 1)),
                    token: Token(u32_at(m, TOKEN)),
                    firm: at(m, 13),
                    symbol: Symbol(at(m, 17)),
                };
                (Elements::new(after, true)?.channel()?, body)
            }
            b'G' | b'K' => {
                let (m, after) = split::<17>(msg)?;
                let (ts_event, token, firm) = (Nanos(u64_at(m, 1)), Token(u32_at(m, TOKEN)), at(m, 13));
                let body = if letter == b'G' {
                    Outbound::EntryDisabled { ts_event, token, firm }
                } else {
                    Outbound::EntryEnabled { ts_event, token, firm }
                };
                (Elements::new(after, true)?.channel()?, body)
            }
            b'Q' => {
                let (m, after) = split::<13>(msg)?;
                let body =
                    Outbound::NextToken { ts_event: Nanos(u64_at(m, 1)), next: Token(u32_at(m, TOKEN)) };
                (Elements::new(after, false)?.channel()?, body)
            }
            other => return Err(DecodeError::UnknownType(other)),
        };
        Ok(Decoded { channel, body })
    }
}
