//! Outbound messages: bytes to what they mean.
//!
//! One `match` on the letter, one length check a message (`first_chunk`), fields at constant offsets: no panic path, no allocation. A
//! message that is too short, unknown or inconsistent is an error value, never a guess: a wrong report is worse than a missing one. Bytes behind
//! the fixed part are a later revision's and ignored.

use model::{ExecutionReport, GatewayId, Instrument, Nanos, Px, Qty, ReportKind, Symbol, Token, VenueRef};

use super::name::Tag;
use crate::codec::{DecodeError, Message};
use crate::fields::{at, dead, side, split, u32_at, u64_at};
use crate::order::ClOrdId;
use crate::symbols::SymbolTable;

/// Decodes for one gateway.
#[derive(Debug)]
pub struct Decoder {
    gateway: GatewayId,
    tag: Tag,
    symbols: SymbolTable,
}

/// Every message but `S` goes on with a name behind its letter and stamp.
const NAME: usize = 9;

#[inline(always)]
fn px_at(m: &[u8], i: usize) -> Px {
    Px(u32_at(m, i).into())
}

impl Decoder {
    /// For the instruments of `instruments` that trade through `gateway`, and orders named under `text`.
    ///
    /// # Errors
    /// The ticker that two of them have.
    pub fn new(gateway: GatewayId, text: ClOrdId, instruments: &[Instrument]) -> Result<Decoder, Symbol> {
        let symbols = SymbolTable::new(instruments.iter().filter(|i| i.gateway == gateway))?;
        Ok(Decoder { gateway, tag: Tag::new(text), symbols })
    }

    /// Decodes one message whose number in the stream is `seq`.
    ///
    /// # Errors
    /// [`DecodeError`]; the message's meaning is then unknown.
    #[inline]
    pub fn decode(&self, seq: u64, msg: &[u8]) -> Result<Message, DecodeError> {
        let (m, kind): (&[u8], _) = match *msg.first().ok_or(DecodeError::Empty)? {
            b'E' => {
                let (m, _) = split::<40>(msg)?;
                (m, executed(m))
            }
            b'A' => {
                let (m, _) = split::<66>(msg)?;
                let (side, short) = side(m[23])?;
                let kind = ReportKind::Accepted {
                    order: VenueRef(u64_at(m, 49)),
                    px: px_at(m, 36),
                    qty: Qty(u32_at(m, 24)),
                    side,
                    short,
                    instrument: self.symbols.find(Symbol(at(m, 28))),
                    dead: dead(m[64])?,
                };
                (m, kind)
            }
            b'C' => {
                let (m, _) = split::<28>(msg)?;
                (m, ReportKind::Canceled { qty: Qty(u32_at(m, 23)), reason: m[27] })
            }
            b'U' => return self.replaced(seq, msg),
            b'G' => {
                let (m, _) = split::<45>(msg)?;
                (m, executed(m))
            }
            b'D' => {
                // The specification knows one reason, whatever the byte says: shares left by self-match prevention.
                let (m, _) = split::<37>(msg)?;
                (m, ReportKind::Canceled { qty: Qty(u32_at(m, 23)), reason: b'Q' })
            }
            b'J' => {
                let (m, _) = split::<24>(msg)?;
                (m, ReportKind::Rejected { reason: m[23].into() })
            }
            b'B' => {
                let (m, _) = split::<32>(msg)?;
                (m, ReportKind::Broken { match_number: u64_at(m, 23), reason: m[31] })
            }
            b'F' => {
                let (m, _) = split::<41>(msg)?;
                let kind = ReportKind::Corrected {
                    match_number: u64_at(m, 32),
                    qty: Qty(u32_at(m, 23)),
                    px: px_at(m, 27),
                    liquidity: m[31],
                    reason: m[40],
                };
                (m, kind)
            }
            b'P' => (split::<23>(msg)?.0, ReportKind::CancelPending),
            b'I' => (split::<23>(msg)?.0, ReportKind::CancelRejected),
            b'T' => {
                let (m, _) = split::<36>(msg)?;
                (m, ReportKind::Reprioritised { order: VenueRef(u64_at(m, 28)), px: px_at(m, 23) })
            }
            b'M' => {
                let (m, _) = split::<28>(msg)?;
                let (side, short) = side(m[23])?;
                (m, ReportKind::Modified { qty: Qty(u32_at(m, 24)), side, short })
            }
            b'N' => (split::<23>(msg)?.0, ReportKind::Restated { reason: b'N' }),
            b'S' => {
                let (m, _) = split::<10>(msg)?;
                return Ok(self.report(seq, m, Token(0), ReportKind::System { code: m[9] }));
            }
            other => return Err(DecodeError::UnknownType(other)),
        };
        Ok(match self.tag.token(at(m, NAME)) {
            Some(token) => self.report(seq, m, token, kind),
            None => Message::Foreign,
        })
    }

    /// The two names of a replaced order differ, and both are ours or neither is: else an order of ours went to, or came from, someone else.
    fn replaced(&self, seq: u64, msg: &[u8]) -> Result<Message, DecodeError> {
        let (m, _) = split::<80>(msg)?;
        side(m[23])?;
        match (self.tag.token(at(m, NAME)), self.tag.token(at(m, 65))) {
            (Some(token), Some(old)) if token != old => {
                let kind = ReportKind::Replaced {
                    old,
                    order: VenueRef(u64_at(m, 49)),
                    px: px_at(m, 36),
                    qty: Qty(u32_at(m, 24)),
                    dead: dead(m[64])?,
                };
                Ok(self.report(seq, m, token, kind))
            }
            (None, None) => Ok(Message::Foreign),
            (Some(_), _) | (_, Some(_)) => Err(DecodeError::Replaced),
        }
    }

    #[inline(always)]
    fn report(&self, seq: u64, m: &[u8], token: Token, kind: ReportKind) -> Message {
        Message::Report(ExecutionReport {
            ts_event: Nanos(u64_at(m, 1)),
            seq,
            token,
            gateway: self.gateway,
            kind,
        })
    }
}

/// `E` and `G` are alike up to the reference price.
#[inline(always)]
fn executed(m: &[u8]) -> ReportKind {
    ReportKind::Executed {
        qty: Qty(u32_at(m, 23)),
        px: px_at(m, 27),
        match_number: u64_at(m, 32),
        liquidity: m[31],
    }
}
