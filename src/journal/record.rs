//! The records of the core journal. Little-endian fields without padding; the kind is in the log's record header.
//!
//! | kind | record | fields |
//! |---|---|---|
//! | 1 | Start | format u32, run u32, config hash u64, now u64 |
//! | 2 | Market | now u64, feed u8, count u32, first u64 |
//! | 3 | Feed | now u64, feed u8, status |
//! | 4 | Report | now u64, report |
//! | 5 | Session | now u64, gateway u8, event |
//! | 6 | Control | now u64, control |
//! | 7 | Timer | now u64 |
//! | 8 | Snapshot | now u64, feed u8, count u32, first u64 |
//! | 16 | Command | command |
//! | 17 | Refusal | why u8, intent |
//! | 18 | Receipt | token u32, gateway u8, received u64, decoded u64, decided u64, sent u64 |
//! | 19 | Hash | inputs u64, hash u64 |
//! | 20 | End | hash u64 |
//! | 21 | Validity | scope, to u8, reason u8 |
//! | 22 | Dropped | order u32, why u8, refusal u8, intent |
//! | 23 | Alarm | 1, level u8, cause u8; or 2, instrument u16, cause u8; or 3, measure u8, instrument u16 (65,535: none), percent u8, value i64, limit i64; or 4, instrument u16, shares i64, orders u32; or 8, figure u8, beyond u8, value i64, bound i64 |
//! | 32 | Operator | now u64, uid u32, pid u32, then command, operator and reason: each a length u8 and its bytes |
//!
//! Kinds below 16 are inputs, in the order the engine saw them; 16 and above are what came of them.

mod alarm;
mod control;
mod hot;

use engine::strategy::Intent;
use engine::{Alarm, DropReason, Dropped, OrderId, Reason, Refusal, RiskReject, Scope, Transition};
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, InstrumentId, Nanos, OrderCommand,
    PortRequest, Px, Qty, ReportKind, SessionEvent, Side, Tif, Token, Validity, VenueRef,
};

use ringbuf::log::{AppendError, Writer};

use super::by::By;
use super::bytes::{Malformed, Put, Take};

/// Version of the record layouts.
pub const FORMAT: u32 = 4;

/// When an order was where. All ns since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Receipt {
    /// The order's token (of a replace: the new one).
    #[serde(serialize_with = "token_number")]
    pub token: Token,
    /// Where it was sent.
    #[serde(skip)]
    pub gateway: GatewayId,
    /// The packet (or report) that caused it was received.
    #[serde(serialize_with = "ns")]
    pub received: Nanos,
    /// It was decoded, and the strategy thread had it.
    #[serde(serialize_with = "ns")]
    pub decoded: Nanos,
    /// The strategy had decided and risk had approved.
    #[serde(serialize_with = "ns")]
    pub decided: Nanos,
    /// The socket had taken the bytes.
    #[serde(serialize_with = "ns")]
    pub sent: Nanos,
}

fn ns<S: serde::Serializer>(n: &Nanos, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(n.0)
}

fn token_number<S: serde::Serializer>(t: &Token, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u32(t.0)
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A run begins.
    Start {
        /// [`FORMAT`].
        format: u32,
        /// The run's number.
        run: u32,
        /// Of `config.toml`.
        config_hash: u64,
        /// When.
        now: Nanos,
    },
    /// Messages `[first, first + count)` of a feed reached the engine.
    Market {
        /// The engine's time.
        now: Nanos,
        /// The feed.
        feed: FeedId,
        /// How many messages.
        count: u32,
        /// The first one's sequence.
        first: u64,
    },
    /// Messages `[first, first + count)` of a snapshot reached the engine, counted from 0 since the status that began it.
    Snapshot {
        /// The engine's time.
        now: Nanos,
        /// The feed.
        feed: FeedId,
        /// How many messages.
        count: u32,
        /// The first one's place in the snapshot.
        first: u64,
    },
    /// A feed's status reached the engine.
    Feed {
        /// The engine's time.
        now: Nanos,
        /// The feed.
        feed: FeedId,
        /// Its status.
        status: FeedStatus,
    },
    /// A venue's report reached the engine.
    Report {
        /// The engine's time.
        now: Nanos,
        /// The report.
        report: ExecutionReport,
    },
    /// A session's event reached the engine.
    Session {
        /// The engine's time.
        now: Nanos,
        /// The gateway.
        gateway: GatewayId,
        /// The event.
        event: SessionEvent,
    },
    /// A control input reached the engine.
    Control {
        /// The engine's time.
        now: Nanos,
        /// What.
        control: Control,
    },
    /// Time reached the engine.
    Timer {
        /// The engine's time.
        now: Nanos,
    },
    /// The engine wants this sent.
    Command(OrderCommand),
    /// Risk refused an intent.
    Refusal(Refusal),
    /// An order left.
    Receipt(Receipt),
    /// The engine's hash after so many inputs.
    Hash {
        /// Inputs applied.
        inputs: u64,
        /// [`engine::Engine::state_hash`].
        hash: u64,
    },
    /// The validity of one or more instruments changed.
    Validity(Transition),
    /// A request waited for room in its venue's rate and will not be sent.
    Dropped(Dropped),
    /// A breaker tripped or was taken back, an instrument was disabled, or a limit is nearly used.
    Alarm(Alarm),
    /// The run ended in order.
    End {
        /// The last hash.
        hash: u64,
    },
    /// Somebody asked for something over the control plane; where it is an input, that follows.
    Operator {
        /// When it reached the strategy thread.
        now: Nanos,
        /// Who, what and why.
        by: By,
    },
}

/// A payload that is no record of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The kind is not one of this format.
    #[error("record kind {0} is not known to this version")]
    UnknownKind(u16),
    /// The fields do not fit the kind.
    #[error("record of kind {0} is malformed")]
    Malformed(u16),
}

/// A record's fields, encoded.
enum Payload<'a> {
    /// In whole words, the last filled up with zeros, and how many bytes they are.
    Words(&'a [u64], usize),
    /// As they are: a person's text.
    Bytes(&'a [u8]),
}

impl Record {
    /// Whether it moved the engine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Record::Market { .. }
                | Record::Snapshot { .. }
                | Record::Feed { .. }
                | Record::Report { .. }
                | Record::Session { .. }
                | Record::Control { .. }
                | Record::Timer { .. }
        )
    }

    /// Its time, where it has one: of an input the engine's, of the others that of the input before.
    #[must_use]
    pub const fn now(&self) -> Option<Nanos> {
        match self {
            Record::Start { now, .. }
            | Record::Market { now, .. }
            | Record::Snapshot { now, .. }
            | Record::Feed { now, .. }
            | Record::Report { now, .. }
            | Record::Session { now, .. }
            | Record::Control { now, .. }
            | Record::Timer { now }
            | Record::Operator { now, .. } => Some(*now),
            Record::Command(_)
            | Record::Refusal(_)
            | Record::Dropped(_)
            | Record::Receipt(_)
            | Record::Validity(_)
            | Record::Alarm(_)
            | Record::Hash { .. }
            | Record::End { .. } => None,
        }
    }

    /// Appends it to a log. No allocation.
    ///
    /// # Errors
    /// [`AppendError`]; nothing is written then.
    #[inline(always)]
    pub fn append(&self, log: &mut Writer) -> Result<u64, AppendError> {
        match hot::append(self, log) {
            Some(appended) => appended,
            None => self.append_seldom(log),
        }
    }

    #[inline(never)]
    fn append_seldom(&self, log: &mut Writer) -> Result<u64, AppendError> {
        self.encode(|kind, payload| match payload {
            Payload::Words(words, len) => log.append_words(kind, words, len),
            Payload::Bytes(bytes) => log.append(kind, bytes),
        })
    }

    /// Its kind and payload.
    #[must_use]
    pub fn to_bytes(&self) -> (u16, Vec<u8>) {
        self.encode(|kind, payload| match payload {
            Payload::Words(words, len) => {
                let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                bytes.truncate(len);
                (kind, bytes)
            }
            Payload::Bytes(bytes) => (kind, bytes.to_vec()),
        })
    }

    /// Gives kind and payload to `f`. No allocation.
    #[inline]
    fn encode<R>(&self, f: impl FnOnce(u16, Payload<'_>) -> R) -> R {
        let mut p = Put::new();
        let kind = match self {
            Record::Operator { now, by } => return by.encode(now.0, |bytes| f(32, Payload::Bytes(bytes))),
            Record::Start { format, run, config_hash, now } => {
                p.u32(*format).u32(*run).u64(*config_hash).u64(now.0);
                1
            }
            Record::Market { now, feed, count, first } => {
                hot::put_market(&mut p, *now, *feed, *count, *first);
                2
            }
            Record::Feed { now, feed, status } => {
                p.u64(now.0).u8(feed.0);
                put_status(&mut p, *status);
                3
            }
            Record::Report { now, report } => {
                p.u64(now.0);
                put_report(&mut p, report);
                4
            }
            Record::Session { now, gateway, event } => {
                p.u64(now.0).u8(gateway.0);
                put_session(&mut p, *event);
                5
            }
            Record::Control { now, control } => {
                p.u64(now.0);
                control::put(&mut p, *control);
                6
            }
            Record::Timer { now } => {
                p.u64(now.0);
                7
            }
            Record::Snapshot { now, feed, count, first } => {
                hot::put_market(&mut p, *now, *feed, *count, *first);
                8
            }
            Record::Command(c) => {
                hot::put_command(&mut p, c);
                16
            }
            Record::Refusal(r) => {
                p.u8(r.why as u8);
                put_intent(&mut p, &r.intent);
                17
            }
            Record::Receipt(r) => {
                hot::put_receipt(&mut p, r);
                18
            }
            Record::Hash { inputs, hash } => {
                p.u64(*inputs).u64(*hash);
                19
            }
            Record::End { hash } => {
                p.u64(*hash);
                20
            }
            Record::Validity(t) => {
                match t.scope {
                    Scope::Instrument(id) => p.u8(1).u16(id.0),
                    Scope::Feed { feed, instruments } => p.u8(2).u8(feed.0).u16(instruments),
                };
                p.u8(t.to as u8).u8(t.reason as u8);
                21
            }
            Record::Dropped(d) => {
                let (why, refusal) = d.why.code();
                put_intent(p.u32(d.order.0.0).u8(why).u8(refusal), &d.intent);
                22
            }
            Record::Alarm(a) => {
                alarm::put(&mut p, a);
                23
            }
        };
        let (words, len) = p.done();
        f(kind, Payload::Words(words, len))
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`RecordError`] for a kind or fields that this version does not write.
    pub fn decode(kind: u16, payload: &[u8]) -> Result<Record, RecordError> {
        if !matches!(kind, 1..=8 | 16..=23 | 32) {
            return Err(RecordError::UnknownKind(kind));
        }
        let mut t = Take(payload);
        let record = decode(kind, &mut t).and_then(|r| t.end().map(|()| r));
        record.map_err(|Malformed| RecordError::Malformed(kind))
    }
}

fn decode(kind: u16, t: &mut Take<'_>) -> Result<Record, Malformed> {
    let now = |t: &mut Take<'_>| t.u64().map(Nanos);
    Ok(match kind {
        1 => Record::Start { format: t.u32()?, run: t.u32()?, config_hash: t.u64()?, now: now(t)? },
        2 => Record::Market { now: now(t)?, feed: FeedId(t.u8()?), count: t.u32()?, first: t.u64()? },
        3 => Record::Feed { now: now(t)?, feed: FeedId(t.u8()?), status: status(t)? },
        4 => Record::Report { now: now(t)?, report: report(t)? },
        5 => Record::Session { now: now(t)?, gateway: GatewayId(t.u8()?), event: session(t)? },
        6 => Record::Control { now: now(t)?, control: control::take(t)? },
        7 => Record::Timer { now: now(t)? },
        8 => Record::Snapshot { now: now(t)?, feed: FeedId(t.u8()?), count: t.u32()?, first: t.u64()? },
        16 => Record::Command(command(t)?),
        17 => {
            let why = reject(t.u8()?)?;
            Record::Refusal(Refusal { why, intent: intent(t)? })
        }
        18 => Record::Receipt(Receipt {
            token: Token(t.u32()?),
            gateway: GatewayId(t.u8()?),
            received: now(t)?,
            decoded: now(t)?,
            decided: now(t)?,
            sent: now(t)?,
        }),
        19 => Record::Hash { inputs: t.u64()?, hash: t.u64()? },
        20 => Record::End { hash: t.u64()? },
        21 => Record::Validity(transition(t)?),
        23 => Record::Alarm(alarm::take(t)?),
        32 => Record::Operator { now: now(t)?, by: By::take(t)? },
        _ => {
            let (order, code) = (OrderId(Token(t.u32()?)), (t.u8()?, t.u8()?));
            let why = DropReason::of_code(code).ok_or(Malformed)?;
            Record::Dropped(Dropped { order, why, intent: intent(t)? })
        }
    })
}

fn transition(t: &mut Take<'_>) -> Result<Transition, Malformed> {
    let scope = match t.u8()? {
        1 => Scope::Instrument(InstrumentId(t.u16()?)),
        2 => Scope::Feed { feed: FeedId(t.u8()?), instruments: t.u16()? },
        _ => return Err(Malformed),
    };
    let to = *Validity::ALL.get(usize::from(t.u8()?)).ok_or(Malformed)?;
    let reason = *Reason::ALL.get(usize::from(t.u8()?)).ok_or(Malformed)?;
    Ok(Transition { scope, to, reason })
}

#[inline(always)]
fn put_side(p: &mut Put, s: Side) -> &mut Put {
    p.u8(s as u8)
}

fn side(t: &mut Take<'_>) -> Result<Side, Malformed> {
    Ok(if t.bool()? { Side::Sell } else { Side::Buy })
}

fn tif(t: &mut Take<'_>) -> Result<Tif, Malformed> {
    Ok(if t.bool()? { Tif::Ioc } else { Tif::Day })
}

fn put_status(p: &mut Put, s: FeedStatus) {
    match s {
        FeedStatus::Synced { next } => p.u8(1).u64(next),
        FeedStatus::Recovering { from, to } => p.u8(2).u64(from).u64(to),
        FeedStatus::Lost { from, to } => p.u8(3).u64(from).u64(to),
        FeedStatus::Silent => p.u8(4),
        FeedStatus::Heartbeat => p.u8(5),
        FeedStatus::NewSession => p.u8(6),
        FeedStatus::EndOfSession => p.u8(7),
        FeedStatus::SnapshotBegin => p.u8(8),
        FeedStatus::SnapshotEnd { next } => p.u8(9).u64(next),
        FeedStatus::Disputed { sequence } => p.u8(10).u64(sequence),
        FeedStatus::Doubted => p.u8(11),
    };
}

fn status(t: &mut Take<'_>) -> Result<FeedStatus, Malformed> {
    Ok(match t.u8()? {
        1 => FeedStatus::Synced { next: t.u64()? },
        2 => FeedStatus::Recovering { from: t.u64()?, to: t.u64()? },
        3 => FeedStatus::Lost { from: t.u64()?, to: t.u64()? },
        4 => FeedStatus::Silent,
        5 => FeedStatus::Heartbeat,
        6 => FeedStatus::NewSession,
        7 => FeedStatus::EndOfSession,
        8 => FeedStatus::SnapshotBegin,
        9 => FeedStatus::SnapshotEnd { next: t.u64()? },
        10 => FeedStatus::Disputed { sequence: t.u64()? },
        11 => FeedStatus::Doubted,
        _ => return Err(Malformed),
    })
}

fn put_session(p: &mut Put, e: SessionEvent) {
    match e {
        SessionEvent::LoggedIn => p.u8(1),
        SessionEvent::Ready { next_token, proven } => p.u8(2).u32(next_token.0).u8(proven.into()),
        SessionEvent::Disconnected => p.u8(3),
        SessionEvent::LoginRejected { code } => p.u8(4).u8(code),
        SessionEvent::EndOfSession => p.u8(5),
        SessionEvent::NewSession => p.u8(6),
        SessionEvent::Doubt => p.u8(7),
    };
}

fn session(t: &mut Take<'_>) -> Result<SessionEvent, Malformed> {
    Ok(match t.u8()? {
        1 => SessionEvent::LoggedIn,
        2 => SessionEvent::Ready { next_token: Token(t.u32()?), proven: t.bool()? },
        3 => SessionEvent::Disconnected,
        4 => SessionEvent::LoginRejected { code: t.u8()? },
        5 => SessionEvent::EndOfSession,
        6 => SessionEvent::NewSession,
        7 => SessionEvent::Doubt,
        _ => return Err(Malformed),
    })
}

fn port_request(t: &mut Take<'_>) -> Result<PortRequest, Malformed> {
    Ok(match t.u8()? {
        1 => PortRequest::MassCancel,
        2 => PortRequest::EntryOff,
        3 => PortRequest::EntryOn,
        _ => return Err(Malformed),
    })
}

fn command(t: &mut Take<'_>) -> Result<OrderCommand, Malformed> {
    let gateway = GatewayId(t.u8()?);
    let instrument = InstrumentId(t.u16()?);
    let kind = match t.u8()? {
        1 => CommandKind::New {
            token: Token(t.u32()?),
            side: side(t)?,
            short: t.bool()?,
            qty: Qty(t.u32()?),
            px: Px(t.i64()?),
            tif: tif(t)?,
        },
        2 => CommandKind::Replace {
            old: Token(t.u32()?),
            token: Token(t.u32()?),
            qty: Qty(t.u32()?),
            px: Px(t.i64()?),
            tif: tif(t)?,
        },
        3 => CommandKind::Cancel { token: Token(t.u32()?), qty: Qty(t.u32()?) },
        4 => CommandKind::Port { token: Token(t.u32()?), request: port_request(t)? },
        _ => return Err(Malformed),
    };
    Ok(OrderCommand { gateway, instrument, kind })
}

fn put_intent(p: &mut Put, i: &Intent) {
    match *i {
        Intent::New { instrument, side, qty, px, tif } => {
            p.u8(1).u16(instrument.0);
            put_side(p, side).u32(qty.0).i64(px.0).u8(tif as u8)
        }
        Intent::Replace { order, qty, px } => p.u8(2).u32(order.0.0).u32(qty.0).i64(px.0),
        Intent::Cancel { order } => p.u8(3).u32(order.0.0),
        Intent::Reduce { order, qty } => p.u8(4).u32(order.0.0).u32(qty.0),
    };
}

fn intent(t: &mut Take<'_>) -> Result<Intent, Malformed> {
    Ok(match t.u8()? {
        1 => Intent::New {
            instrument: InstrumentId(t.u16()?),
            side: side(t)?,
            qty: Qty(t.u32()?),
            px: Px(t.i64()?),
            tif: tif(t)?,
        },
        2 => Intent::Replace { order: OrderId(Token(t.u32()?)), qty: Qty(t.u32()?), px: Px(t.i64()?) },
        3 => Intent::Cancel { order: OrderId(Token(t.u32()?)) },
        4 => Intent::Reduce { order: OrderId(Token(t.u32()?)), qty: Qty(t.u32()?) },
        _ => return Err(Malformed),
    })
}

fn reject(code: u8) -> Result<RiskReject, Malformed> {
    RiskReject::ALL.into_iter().find(|r| *r as u8 == code).ok_or(Malformed)
}

fn put_report(p: &mut Put, r: &ExecutionReport) {
    p.u64(r.ts_event.0).u64(r.seq).u32(r.token.0).u8(r.gateway.0);
    match r.kind {
        ReportKind::Accepted { order, px, qty, side, short, instrument, dead } => {
            p.u8(1).u64(order.0).i64(px.0).u32(qty.0);
            let known = u8::from(instrument.is_some());
            put_side(p, side).u8(short.into()).u8(known).u16(instrument.unwrap_or_default().0).u8(dead.into())
        }
        ReportKind::Replaced { old, order, px, qty, dead } => {
            p.u8(2).u32(old.0).u64(order.0).i64(px.0).u32(qty.0).u8(dead.into())
        }
        ReportKind::Canceled { qty, reason } => p.u8(3).u32(qty.0).u8(reason),
        ReportKind::Executed { qty, px, match_number, liquidity } => {
            p.u8(4).u32(qty.0).i64(px.0).u64(match_number).u8(liquidity)
        }
        ReportKind::Rejected { reason } => p.u8(5).u16(reason),
        ReportKind::Broken { match_number, reason } => p.u8(6).u64(match_number).u8(reason),
        ReportKind::CancelPending => p.u8(7),
        ReportKind::CancelRejected => p.u8(8),
        ReportKind::Modified { qty, side, short } => put_side(p.u8(9).u32(qty.0), side).u8(short.into()),
        ReportKind::Reprioritised { order, px } => p.u8(10).u64(order.0).i64(px.0),
        ReportKind::Restated { reason } => p.u8(11).u8(reason),
        ReportKind::System { code } => p.u8(12).u8(code),
        ReportKind::Corrected { match_number, qty, px, liquidity, reason } => {
            p.u8(13).u64(match_number).u32(qty.0).i64(px.0).u8(liquidity).u8(reason)
        }
    };
}

fn report(t: &mut Take<'_>) -> Result<ExecutionReport, Malformed> {
    let ts_event = Nanos(t.u64()?);
    let seq = t.u64()?;
    let token = Token(t.u32()?);
    let gateway = GatewayId(t.u8()?);
    let kind = match t.u8()? {
        1 => {
            let (order, px, qty) = (VenueRef(t.u64()?), Px(t.i64()?), Qty(t.u32()?));
            let (side, short, known, id) = (side(t)?, t.bool()?, t.bool()?, InstrumentId(t.u16()?));
            let instrument = known.then_some(id);
            ReportKind::Accepted { order, px, qty, side, short, instrument, dead: t.bool()? }
        }
        2 => ReportKind::Replaced {
            old: Token(t.u32()?),
            order: VenueRef(t.u64()?),
            px: Px(t.i64()?),
            qty: Qty(t.u32()?),
            dead: t.bool()?,
        },
        3 => ReportKind::Canceled { qty: Qty(t.u32()?), reason: t.u8()? },
        4 => ReportKind::Executed {
            qty: Qty(t.u32()?),
            px: Px(t.i64()?),
            match_number: t.u64()?,
            liquidity: t.u8()?,
        },
        5 => ReportKind::Rejected { reason: t.u16()? },
        6 => ReportKind::Broken { match_number: t.u64()?, reason: t.u8()? },
        7 => ReportKind::CancelPending,
        8 => ReportKind::CancelRejected,
        9 => ReportKind::Modified { qty: Qty(t.u32()?), side: side(t)?, short: t.bool()? },
        10 => ReportKind::Reprioritised { order: VenueRef(t.u64()?), px: Px(t.i64()?) },
        11 => ReportKind::Restated { reason: t.u8()? },
        12 => ReportKind::System { code: t.u8()? },
        13 => ReportKind::Corrected {
            match_number: t.u64()?,
            qty: Qty(t.u32()?),
            px: Px(t.i64()?),
            liquidity: t.u8()?,
            reason: t.u8()?,
        },
        _ => return Err(Malformed),
    };
    Ok(ExecutionReport { ts_event, seq, token, gateway, kind })
}

#[cfg(test)]
mod tests;
