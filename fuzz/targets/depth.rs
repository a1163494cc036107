//! A hostile depth venue. The input is a story of one line an event, and the line's rest is what the venue says:
//!
//! ```text
//!   o      the stream is open          e TEXT   a text of the stream       i TEXT  the list of instruments is answered
//!   c, q   it is closed, was silent    m BYTES  a message to a decoder     s TEXT  a snapshot is answered
//!   r      a person wants all anew     p MS     time passes                n       there is no answer
//!   u      from here on by the rule of perpetuals, all from the start
//! ```
//!
//! Held to: no panic; messages that count up; events that fit the orders before them, of our instruments; nothing told of a message that is refused; and the same
//! events from the messages alone, as a replay reads them.
#![no_main]

use std::collections::BTreeMap;

use feeds::channel::{Sink, Taken};
use feeds::depth::{DepthConfig, DepthStream, Market, PART, Subscription, Want};
use feeds::protocol::{Decode, Refusal, Wanted};
use libfuzzer_sys::fuzz_target;
use model::{
    FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Qty, Symbol,
    VenueRef,
};

const LEVELS: usize = 8;

fn instruments() -> [Instrument; 2] {
    ["BTCUSDT", "ETHUSDT"].map(|name| Instrument {
        id: InstrumentId((name == "ETHUSDT").into()),
        symbol: Symbol::new(name).unwrap(),
        feed: FeedId(0),
        gateway: GatewayId(0),
    })
}

fn subscription() -> Subscription {
    Subscription::new(Wanted { instruments: &instruments(), live_orders: LEVELS })
}

struct Core {
    subscription: Subscription,
    /// Hears the same messages, and nothing else.
    replay: Subscription,
    orders: BTreeMap<VenueRef, Qty>,
    next: u64,
    synced: bool,
}

impl Core {
    fn fit(&mut self, event: &MarketEvent) {
        let all = event.body.concerns_all();
        assert!(all || event.instrument.index() < 2);
        match event.body {
            MarketBody::Add { order, px, qty, .. } => {
                assert!(px.0 > 0 && u32::try_from(px.0).is_ok() && !qty.is_zero());
                assert!(self.orders.insert(order, qty).is_none() && self.orders.len() <= LEVELS);
            }
            MarketBody::Reduce { order, qty } => {
                let held = self.orders.get_mut(&order).expect("a level that is there");
                assert!(!qty.is_zero() && qty < *held);
                held.0 -= qty.0;
            }
            MarketBody::Replace { old, new, qty, .. } => {
                let held = self.orders.get_mut(&old).expect("a level that is there");
                assert!(old == new && qty > *held);
                *held = qty;
            }
            MarketBody::Delete { order } => assert!(self.orders.remove(&order).is_some()),
            MarketBody::Clear => self.orders.clear(),
            MarketBody::Trade { qty, .. } => assert!(!qty.is_zero()),
            MarketBody::TradingAction { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, msg: &[u8]) -> Taken {
        let (mut events, mut again) = (Vec::new(), Vec::new());
        let said = self.subscription.decode(msg, |e| events.push(e));
        assert_eq!(said, self.replay.decode(msg, |e| again.push(e)));
        assert_eq!(events, again);
        assert!(said.is_ok() || events.is_empty());
        assert!(events.len() <= self.subscription.events_max());
        events.iter().for_each(|e| self.fit(e));
        if said == Err(Refusal::Lost) { Taken::Undecodable } else { Taken::Whole }
    }
}

impl Sink for Core {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        assert!(seq == self.next && msg.len() <= PART + 9);
        self.next += 1;
        self.take(msg)
    }
    fn status(&mut self, status: FeedStatus) {
        if let FeedStatus::Recovering { from, to } = status {
            assert!(from <= to && self.synced);
        }
        self.synced = matches!(status, FeedStatus::Synced { .. });
    }
}

fn start(market: Market) -> (DepthStream, Core) {
    let symbols = instruments().map(|i| i.symbol).to_vec();
    let core = Core {
        subscription: subscription(),
        replay: subscription(),
        orders: BTreeMap::new(),
        next: 1,
        synced: false,
    };
    (DepthStream::new(DepthConfig { held: (16, 4_096), ..DepthConfig::new(market, symbols) }), core)
}

fuzz_target!(|story: &[u8]| {
    let (mut stream, mut core) = start(Market::Spot);
    let mut now = Nanos::from_millis(1_000);
    let mut asked: Option<Want> = None;
    for line in story.split(|b| *b == b'\n') {
        let (what, rest) = line
            .split_first()
            .map_or((b' ', line), |(w, rest)| (*w, rest.strip_prefix(b" ").unwrap_or(rest)));
        asked = asked.or_else(|| stream.poll(now));
        // What cannot be read is an error, and that is all.
        match what {
            b'o' => stream.on_open(now),
            b'c' => stream.on_closed(&mut core),
            b'q' => stream.on_silent(&mut core),
            b'r' => stream.resync(now, &mut core),
            b'e' => drop(stream.on_text(now, rest, &mut core)),
            b'm' => drop(core.take(rest)),
            b'i' | b's' => {
                let is_it = |want: &mut Want| (*want == Want::Info) == (what == b'i');
                if let Some(want) = asked.take_if(is_it) {
                    let _ = stream.on_answer(now, want, rest, &mut core);
                }
            }
            b'n' => {
                if let Some(want) = asked.take() {
                    stream.on_no_answer(now, want);
                }
            }
            b'p' => {
                let ms =
                    core::str::from_utf8(rest).ok().and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(0);
                now = now.after(Nanos::from_millis(ms.min(86_400_000)));
            }
            b'u' => ((stream, core), asked) = (start(Market::Perpetual), None),
            _ => {}
        }
        assert_eq!(stream.is_synced(), core.synced);
    }
});
