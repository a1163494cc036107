//! Records that the hot thread writes for nearly every packet and order: each with a way of its own into the log, so that its length is known where it is
//! compiled and its fields stay in registers until they are there. The general way takes twice as many instructions.

use model::{CommandKind, FeedId, GatewayId, InstrumentId, Nanos, OrderCommand, Px, Qty, Side, Tif, Token};
use ringbuf::log::{AppendError, Writer};

use super::super::bytes::Put;
use super::{Receipt, Record, put_side};

/// Appends it where it is one of them; `None` where not.
#[inline(always)]
pub(super) fn append(record: &Record, log: &mut Writer) -> Option<Result<u64, AppendError>> {
    let mut p = Put::new();
    // An arm each, without a common end: behind it the length would be known no more.
    match *record {
        Record::Market { now, feed, count, first } => {
            let (words, len) = put_market(&mut p, now, feed, count, first).done();
            Some(log.append_words(2, words, len))
        }
        Record::Command(OrderCommand {
            gateway,
            instrument,
            kind: CommandKind::New { token, side, short, qty, px, tif },
        }) => {
            let new = put_new(&mut p, (gateway, instrument), token, (side, short), qty, px, tif);
            let (words, len) = new.done();
            Some(log.append_words(16, words, len))
        }
        Record::Receipt(r) => {
            let (words, len) = put_receipt(&mut p, &r).done();
            Some(log.append_words(18, words, len))
        }
        _ => None,
    }
}

#[inline(always)]
pub(super) fn put_market(p: &mut Put, now: Nanos, feed: FeedId, count: u32, first: u64) -> &mut Put {
    p.u64(now.0).u8(feed.0).u32(count).u64(first)
}

/// Where a command goes and what it is about.
#[inline(always)]
pub(super) fn put_way(p: &mut Put, (gateway, instrument): (GatewayId, InstrumentId)) -> &mut Put {
    p.u8(gateway.0).u16(instrument.0)
}

#[inline(always)]
pub(super) fn put_new(
    p: &mut Put,
    way: (GatewayId, InstrumentId),
    token: Token,
    (side, short): (Side, bool),
    qty: Qty,
    px: Px,
    tif: Tif,
) -> &mut Put {
    put_way(p, way).u8(1).u32(token.0);
    put_side(p, side).u8(short.into()).u32(qty.0).i64(px.0).u8(tif as u8)
}

#[inline(always)]
pub(super) fn put_receipt<'a>(p: &'a mut Put, r: &Receipt) -> &'a mut Put {
    p.u32(r.token.0).u8(r.gateway.0);
    p.u64(r.received.0).u64(r.decoded.0).u64(r.decided.0).u64(r.sent.0)
}

pub(super) fn put_command(p: &mut Put, c: &OrderCommand) {
    let of = (c.gateway, c.instrument);
    match c.kind {
        CommandKind::New { token, side, short, qty, px, tif } => {
            put_new(p, of, token, (side, short), qty, px, tif)
        }
        CommandKind::Replace { old, token, qty, px, tif } => {
            put_way(p, of).u8(2).u32(old.0).u32(token.0).u32(qty.0).i64(px.0).u8(tif as u8)
        }
        CommandKind::Cancel { token, qty } => put_way(p, of).u8(3).u32(token.0).u32(qty.0),
        CommandKind::Port { token, request } => put_way(p, of).u8(4).u32(token.0).u8(request as u8),
    };
}
