//! The core's side behind the channel: subscription, engine, judge; and what a broken channel would say to them.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use colo::exchange::Venue;
use engine::book::BookCapacity;

use engine::{BookSanity, Breakers, Engine, EngineConfig, Outbox, RiskLimits, Scopes, Soundness};
use feeds::channel::{Sink, Taken};
use feeds::itch50::Subscription;
use model::{FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId, Nanos};

use crate::exchange_support::symbol;
use crate::judge::{Judge, Truth};

/// What the core trades. The venue lists one more.
pub const SYMBOLS: [&str; 5] = ["AAPL", "MSFT", "AMZN", "NVDA", "META"];
const FEED: FeedId = FeedId(0);

/// A channel that is broken in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It goes on behind a gap as if nothing had been there.
    SkipsGap,
    /// Of a packet that is partly old it drops the first message that is new.
    DropsOfOverlap,
    /// It says that all is well while a gap is open.
    SyncsInGap,
    /// It says that all is well while a snapshot is coming in.
    SyncsInSnapshot,
}

pub struct Core {
    pub engine: Engine<Judge>,
    pub truth: Arc<Mutex<Truth>>,
    subscription: Subscription,
    outbox: Outbox,
    now: Nanos,
    lie: Option<Lie>,
    /// Messages that the lie swallows.
    swallowed: Range<u64>,
    in_snapshot: u64,
    /// Of statuses.
    pub begun: u64,
    pub lost: u64,
}

impl Core {
    pub fn new(direct_refs: u64, lie: Option<Lie>) -> Core {
        let instruments: Vec<Instrument> = (0..)
            .zip(SYMBOLS)
            .map(|(k, name)| Instrument {
                id: InstrumentId(k),
                symbol: symbol(name),
                feed: FEED,
                gateway: GatewayId(0),
            })
            .collect();
        let truth = Arc::new(Mutex::new(Truth::new(instruments.len())));
        let config = EngineConfig {
            feeds: 1,
            gateways: 1,
            limits: RiskLimits::default(),
            scopes: Scopes::default(),
            breakers: Breakers::default(),
            drop_copies: Vec::new(),
            throttles: Vec::new(),
            fees: Vec::new(),
            openings: Vec::new(),
            sanity: BookSanity::default(),
            book: BookCapacity {
                instruments: instruments.len(),
                live_orders: 50_000,
                levels: 20_000,
                direct_refs,
            },
            instruments: instruments.clone(),
        };
        Core {
            engine: Engine::new(&config, Judge(Arc::clone(&truth))),
            truth,
            subscription: Subscription::new(&instruments),
            outbox: Outbox::default(),
            now: Nanos::ZERO,
            lie,
            swallowed: 0..0,
            in_snapshot: 0,
            begun: 0,
            lost: 0,
        }
    }

    pub fn any_valid(&self) -> bool {
        self.engine.instruments().all().iter().any(|i| i.soundness == Soundness::Sound)
    }

    pub fn all_valid(&self) -> bool {
        self.engine.instruments().all().iter().all(|i| i.soundness == Soundness::Sound)
    }

    /// The next message of the stream as the core has it.
    pub fn next(&self) -> u64 {
        self.truth.lock().expect("one thread").next
    }

    /// A datagram with messages `first..end` is on its way to a channel that expects `expected`.
    pub fn before_datagram(&mut self, first: u64, end: u64, expected: u64) {
        if self.lie == Some(Lie::DropsOfOverlap) && first < expected && expected < end {
            self.swallowed = expected..expected + 1;
        }
    }

    fn apply(&mut self, input: &Input) {
        self.engine.apply(self.now, input, &mut self.outbox);
        self.outbox.clear();
    }

    fn take(&mut self, message: &[u8]) -> Taken {
        match self.subscription.event(message) {
            Ok(Some(event)) => self.apply(&Input::Market(FEED, event)),
            Ok(None) => {}
            Err(e) => panic!("{e}: {message:?}"),
        }
        Taken::Whole
    }

    fn tell(&mut self, status: FeedStatus) {
        self.apply(&Input::Feed(FEED, status));
        self.apply(&Input::Timer);
    }
}

/// Core and venue together: who hears a message knows what the venue's book is then.
pub struct Ears<'a> {
    core: &'a mut Core,
    venue: &'a Venue,
}

impl<'a> Ears<'a> {
    pub fn new(now: u64, core: &'a mut Core, venue: &'a Venue) -> Ears<'a> {
        core.now = Nanos(now);
        Ears { core, venue }
    }

    fn advance(&self, next: u64) {
        self.core.truth.lock().expect("one thread").advance(self.venue, next);
    }
}

impl Sink for Ears<'_> {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        if !self.core.swallowed.contains(&seq) {
            let _ = self.core.take(msg);
        }
        self.advance(seq + 1);
        self.core.apply(&Input::Timer);
        Taken::Whole
    }

    fn snapshot(&mut self, msg: &[u8]) -> Taken {
        let taken = self.core.take(msg);
        self.core.in_snapshot += 1;
        if self.core.lie == Some(Lie::SyncsInSnapshot) && self.core.in_snapshot == 150 {
            let next = self.core.next();
            self.core.tell(FeedStatus::Synced { next });
        }
        self.core.apply(&Input::Timer);
        taken
    }

    fn status(&mut self, status: FeedStatus) {
        match (self.core.lie, status) {
            (Some(Lie::SkipsGap), FeedStatus::Recovering { from, to }) if self.core.all_valid() => {
                self.core.swallowed = from..to;
                return;
            }
            (Some(Lie::SyncsInGap), FeedStatus::Recovering { from, .. }) if self.core.all_valid() => {
                self.core.tell(status);
                return self.core.tell(FeedStatus::Synced { next: from });
            }
            _ => {}
        }
        match status {
            FeedStatus::SnapshotBegin => {
                self.core.begun += 1;
                self.core.in_snapshot = 0;
            }
            FeedStatus::SnapshotEnd { next } => self.advance(next),
            FeedStatus::Lost { to, .. } => {
                self.core.lost += 1;
                self.advance(to);
            }
            _ => {}
        }
        self.core.tell(status);
    }
}
