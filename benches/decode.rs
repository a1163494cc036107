//! ITCH 5.0 bytes to market events.
//!
//! | | each message |
//! |---|---|
//! | floor, walk | its length and its type are read |
//! | ours, decode | to a `MarketEvent`, the locate as its instrument |
//! | ours, subscription | the same with count, filter and the configuration's instrument: what a feed does |
//! | peer, itch5 | framed and cast by the crate `itch5`, then its accessors read to the same `MarketEvent` |

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

    let mut stage = Stage::new(criterion, "decode message");
    stage.time(Role::Floor, "walk", MESSAGES, &mut (), |()| {}, |()| walk(black_box(day)));
    let decode_all = |(): &mut ()| {
        for message in Messages::new(black_box(day)).flatten() {
            black_box(&itch50::decode(message));
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
                black_box(&subscription.event(message));
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
