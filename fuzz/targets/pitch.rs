//! PITCH: any message gives events or a typed refusal; bytes after its type's length change nothing; and what is said of an order is said while it rests:
//! a subscription never changes an order that it did not add, nor keeps one that is gone.
#![no_main]

use std::collections::BTreeMap;

use feeds::channel::{Channel, ChannelConfig, Sink, Taken};
use feeds::framing::Packet as _;
use feeds::pitch::unit::Packet;
use feeds::pitch::{Subscription, decode, wire};
use feeds::protocol::{Decode, Refusal, Wanted};
use libfuzzer_sys::fuzz_target;
use model::{
    FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Symbol,
};

/// Few, so that there is often no room.
const LIVE_ORDERS: usize = 8;

/// The orders that the events describe.
#[derive(Default)]
struct Orders(BTreeMap<u64, u32>);

impl Orders {
    fn take(&mut self, id: u64, qty: u32) {
        let rests = self.0.get_mut(&id).expect("what is changed rests");
        *rests = rests.saturating_sub(qty);
        if *rests == 0 {
            self.0.remove(&id);
        }
    }

    fn apply(&mut self, event: &MarketEvent) {
        match event.body {
            MarketBody::Add { order, qty, .. } => {
                if qty.0 > 0 {
                    self.0.entry(order.0).or_insert(qty.0);
                }
            }
            MarketBody::Execute { order, qty, .. }
            | MarketBody::ExecuteAt { order, qty, .. }
            | MarketBody::Reduce { order, qty } => self.take(order.0, qty.0),
            MarketBody::Delete { order } => {
                assert!(self.0.remove(&order.0).is_some(), "what is deleted rests")
            }
            MarketBody::Replace { old, new, qty, .. } => {
                assert!(self.0.remove(&old.0).is_some(), "what is replaced rests");
                self.0.insert(new.0, qty.0);
            }
            MarketBody::Clear => self.0.clear(),
            _ => {}
        }
    }
}

struct Feed {
    subscription: Subscription,
    orders: Orders,
    next: u64,
}

impl Sink for Feed {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        assert!(seq >= self.next, "in order");
        self.next = seq + 1;
        let decoded = decode(msg);
        if decoded.is_ok() {
            let (_, length) = wire::TYPES.iter().find(|(kind, _)| *kind == msg[1]).expect("of a known type");
            assert_eq!(decode(&msg[..*length]), decoded, "a longer message means the same");
            assert!(decode(&msg[..length - 1]).is_err(), "a shorter one means nothing");
        }
        let mut events = 0;
        let said = self.subscription.decode(msg, |event| {
            events += 1;
            self.orders.apply(&event);
        });
        assert!(events <= self.subscription.events_max().max(2));
        assert!(self.orders.0.len() <= LIVE_ORDERS);
        match said {
            Ok(()) => assert!(decoded.is_ok()),
            Err(refusal) => {
                assert_eq!(events, 0, "of what is refused nothing is said");
                assert!(decoded.is_err() || (refusal == Refusal::Lost && self.orders.0.len() == LIVE_ORDERS));
            }
        }
        if decoded.is_ok_and(|_| msg[1] == wire::UnitClear::KIND) {
            assert!(self.orders.0.is_empty(), "nothing rests in a unit that was cleared");
        }
        Taken::Whole
    }

    fn status(&mut self, status: FeedStatus) {
        if let FeedStatus::Lost { to, .. } = status {
            self.next = self.next.max(to);
        }
        assert!(status != FeedStatus::NewSession, "a unit is heard for as long as anything is");
    }
}

// The input is a line's datagrams, each with its length in its header, and where that is none as messages of one packet.
fuzz_target!(|bytes: &[u8]| {
    let instruments = [("AAPL", 0), ("MSFT", 1)].map(|(symbol, id)| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).expect("a ticker"),
        feed: FeedId(0),
        gateway: GatewayId(0),
    });
    let wanted = Wanted { instruments: &instruments, live_orders: LIVE_ORDERS };
    let mut feed = Feed { subscription: Decode::new(wanted), orders: Orders::default(), next: 0 };
    let mut channel = Channel::new(ChannelConfig { reorder_window: 8, ..ChannelConfig::default() });
    let mut rest = bytes;
    while let Some([a, b]) = rest.first_chunk() {
        let length = usize::from(u16::from_le_bytes([*a, *b])).clamp(2, rest.len());
        let (datagram, behind) = rest.split_at(length);
        channel.on_framed::<Packet<'_>, _>(Nanos(1), (length % 2) as u8, datagram, &mut feed);
        if let Ok(packet) = Packet::parse(datagram) {
            assert!(packet.blocks().count() <= packet.messages().into());
        }
        rest = behind;
    }
});
