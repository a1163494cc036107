//! ITCH 5.0 bytes to market events.
//!
//! | | each message |
//! |---|---|
//! | floor, walk | its length and its type are read |
//! | ours, decode | to a `MarketEvent`, the locate as its instrument |
//! | ours, subscription | the same with count, filter and the configuration's instrument: what a feed does |
//! | peer, itch5 | framed and cast by the crate `itch5`, then its accessors read to the same `MarketEvent` |
//! | peer, itchy | read from memory and parsed by the crate `itchy`, then its fields to the same `MarketEvent` |

use std::hint::black_box;
use std::ops::ControlFlow;

use colo::latency::tape::Tape;
use criterion::Criterion;
use feeds::binaryfile::Messages;
use feeds::itch50;
use itch5::messages::{
    AddOrderNoMPIDAttribution, AddOrderWithMPIDAttribution, BuySellIndicator, OrderCancel, OrderDelete,
    OrderExecuted, OrderExecutedWithPrice, OrderReplace, Printable, Trade,
};
use itch5::{MessageHandler, Parser};
use itchy::{Body, MessageStream};
use measure::{Role, Stage};
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

const MESSAGES: usize = 65_536;

fn main() {
    measure::run(&[decode]);
}

fn decode(criterion: &mut Criterion) {
    let tape = Tape::new(1, 20_000, MESSAGES);
    let day = &tape.day[..];
    assert_eq!(theirs(day), ours(day), "both decode to the same events");
    let mut digest = 0;
    parsed(day, |event| digest = fold(digest, &event));
    assert_eq!(digest, ours(day), "and so does the third");

    let mut stage = Stage::new(criterion, "decode message");
    stage.time(Role::Floor, "walk", MESSAGES, &mut (), |()| {}, |()| walk(black_box(day)));
    let decode_all = |(): &mut ()| {
        for message in Messages::new(black_box(day)).flatten() {
            let _ = black_box(itch50::decode_with(message, |event| {
                black_box(&event);
            }));
        }
    };
    stage.time(Role::Ours, "decode", MESSAGES, &mut (), |()| {}, decode_all);
    let (mut subscription, _) = tape.subscribe();
    stage.time(
        Role::Ours,
        "subscription",
        MESSAGES,
        &mut subscription,
        |_| {},
        |subscription| {
            for message in Messages::new(black_box(day)).flatten() {
                let _ = black_box(subscription.event_to(message, |event| {
                    black_box(&event);
                }));
            }
        },
    );
    let rebuild = |(): &mut ()| {
        let mut rebuild = Rebuild(|event| {
            black_box(&event);
        });
        black_box(Parser::new(black_box(day)).parse_stream(&mut rebuild).is_ok());
    };
    stage.time(Role::Peer, "itch5", MESSAGES, &mut (), |()| {}, rebuild);
    let parse = |(): &mut ()| {
        parsed(black_box(day), |event| {
            black_box(&event);
        });
    };
    stage.time(Role::Peer, "itchy", MESSAGES, &mut (), |()| {}, parse);
}

fn walk(day: &[u8]) {
    for message in Messages::new(day).flatten() {
        black_box(message.len() + usize::from(message[0]));
    }
}

/// Folds an event into a digest of its day.
fn fold(digest: u64, event: &MarketEvent) -> u64 {
    let text = format!("{event:?}");
    text.bytes().fold(digest, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn ours(day: &[u8]) -> u64 {
    let decoded = Messages::new(day).map(|message| itch50::decode(message.expect("whole")).expect("sound"));
    decoded.fold(0, |digest, event| fold(digest, &event))
}

fn theirs(day: &[u8]) -> u64 {
    let mut digest = 0;
    let mut rebuild = Rebuild(|event| digest = fold(digest, &event));
    Parser::new(day).parse_stream(&mut rebuild).expect("well-formed");
    digest
}

/// Every field that `itch50::decode` reads, of what `itchy` has parsed, given on as our event.
fn parsed(day: &[u8], mut give: impl FnMut(MarketEvent)) {
    let of = |buy| if buy { Side::Buy } else { Side::Sell };
    for message in MessageStream::from_reader(day) {
        let m = message.expect("well-formed");
        let body = match m.body {
            Body::AddOrder(a) => MarketBody::Add {
                order: VenueRef(a.reference),
                px: Px(a.price.raw().into()),
                qty: Qty(a.shares),
                side: of(a.side == itchy::Side::Buy),
                mpid: a.mpid.map_or(*b"    ", |mpid| mpid.as_bytes().try_into().expect("four letters")),
            },
            Body::OrderExecuted { reference, executed, match_number } => {
                MarketBody::Execute { order: VenueRef(reference), qty: Qty(executed), match_number }
            }
            Body::OrderExecutedWithPrice { reference, executed, match_number, printable, price } => {
                MarketBody::ExecuteAt {
                    order: VenueRef(reference),
                    qty: Qty(executed),
                    match_number,
                    px: Px(price.raw().into()),
                    printable,
                }
            }
            Body::OrderCancelled { reference, cancelled } => {
                MarketBody::Reduce { order: VenueRef(reference), qty: Qty(cancelled) }
            }
            Body::DeleteOrder { reference } => MarketBody::Delete { order: VenueRef(reference) },
            Body::ReplaceOrder(r) => MarketBody::Replace {
                old: VenueRef(r.old_reference),
                new: VenueRef(r.new_reference),
                qty: Qty(r.shares),
                px: Px(r.price.raw().into()),
            },
            Body::NonCrossTrade(t) => MarketBody::Trade {
                px: Px(t.price.raw().into()),
                qty: Qty(t.shares),
                match_number: t.match_number,
                side: of(t.side == itchy::Side::Buy),
            },
            other => panic!("no message of a day in small: {other:?}"),
        };
        give(event(m.stock_locate, m.timestamp, body));
    }
}

/// The peer's callbacks: every field that `itch50::decode` reads, by the peer's accessors, given on as our event.
struct Rebuild<F>(F);

impl<F: FnMut(MarketEvent)> MessageHandler for Rebuild<F> {
    fn on_add_order_no_mpid_attribution(&mut self, m: &AddOrderNoMPIDAttribution) -> ControlFlow<()> {
        let body = MarketBody::Add {
            order: VenueRef(m.order_reference_number()),
            px: Px(m.price().into_i64()),
            qty: Qty(m.shares()),
            side: side(m.buy_sell_indicator())?,
            mpid: *b"    ",
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_add_order_with_mpid_attribution(&mut self, m: &AddOrderWithMPIDAttribution) -> ControlFlow<()> {
        let Ok(mpid) = m.attribution().try_into() else { return ControlFlow::Break(()) };
        let body = MarketBody::Add {
            order: VenueRef(m.order_reference_number()),
            px: Px(m.price().into_i64()),
            qty: Qty(m.shares()),
            side: side(m.buy_sell_indicator())?,
            mpid,
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_order_executed(&mut self, m: &OrderExecuted) -> ControlFlow<()> {
        let body = MarketBody::Execute {
            order: VenueRef(m.order_reference_number()),
            qty: Qty(m.executed_shares()),
            match_number: m.match_number(),
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_order_executed_with_price(&mut self, m: &OrderExecutedWithPrice) -> ControlFlow<()> {
        let printable = match m.printable() {
            Printable::Printable => true,
            Printable::NonPrintable => false,
            Printable::Unknown(_) => return ControlFlow::Break(()),
        };
        let body = MarketBody::ExecuteAt {
            order: VenueRef(m.order_reference_number()),
            qty: Qty(m.executed_shares()),
            match_number: m.match_number(),
            px: Px(m.execution_price().into_i64()),
            printable,
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_order_cancel(&mut self, m: &OrderCancel) -> ControlFlow<()> {
        let order = VenueRef(m.order_reference_number());
        let body = MarketBody::Reduce { order, qty: Qty(m.cancelled_shares()) };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_order_delete(&mut self, m: &OrderDelete) -> ControlFlow<()> {
        let body = MarketBody::Delete { order: VenueRef(m.order_reference_number()) };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_order_replace(&mut self, m: &OrderReplace) -> ControlFlow<()> {
        let body = MarketBody::Replace {
            old: VenueRef(m.original_order_reference_number()),
            new: VenueRef(m.new_order_reference_number()),
            qty: Qty(m.shares()),
            px: Px(m.price().into_i64()),
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
    fn on_trade(&mut self, m: &Trade) -> ControlFlow<()> {
        let body = MarketBody::Trade {
            px: Px(m.price().into_i64()),
            qty: Qty(m.shares()),
            match_number: m.match_number(),
            side: side(m.buy_sell_indicator())?,
        };
        (self.0)(event(m.stock_locate(), m.timestamp().to_u64(), body));
        ControlFlow::Continue(())
    }
}

#[inline]
fn event(locate: u16, ts_event: u64, body: MarketBody) -> MarketEvent {
    MarketEvent { ts_event: Nanos(ts_event), instrument: InstrumentId(locate), body }
}

#[inline]
fn side(letter: BuySellIndicator) -> ControlFlow<(), Side> {
    match letter {
        BuySellIndicator::Buy => ControlFlow::Continue(Side::Buy),
        BuySellIndicator::Sell => ControlFlow::Continue(Side::Sell),
        BuySellIndicator::Unknown(_) => ControlFlow::Break(()),
    }
}
