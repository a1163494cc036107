//! Outbound messages: bytes to what they mean.
//!
//! One `match` on the letter, one length check a message (`first_chunk`), fields at constant offsets: no panic path, no allocation. A
//! message that is too short, unknown or inconsistent is an error value, never a guess: a wrong report is worse than a missing one.

use model::{
    ExecutionReport, GatewayId, Instrument, InstrumentId, Nanos, Px, Qty, ReportKind, Symbol, Token, VenueRef,
};

use super::appendage::Elements;
use crate::codec::DecodeError;
use crate::fields::{at, dead, side, split, u32_at, u64_at};
use crate::symbols::SymbolTable;

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

#[inline(always)]
fn px_at(m: &[u8], i: usize) -> Result<Px, DecodeError> {
    i64::try_from(u64_at(m, i)).map(Px).map_err(|_| DecodeError::Price)
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
                if u32_at(m, 9) == u32_at(m, 13) {
                    return Err(DecodeError::Replaced);
                }
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
