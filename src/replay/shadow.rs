//! A run made again step by step for who reads its journal, whatever strategy it ran: the books, orders, positions and marks that the core had.
//!
//! [`replay`](super::replay) proves a journal with the strategy that made it. A reader that only wants to know what the core knew has no strategy: it gives the inputs to an engine
//! that trades nothing and tells it what was sent ([`Engine::follow`]). Books and marks come from the captures beside the journal; where a capture is not there the
//! orders and positions are made all the same, and [`Shadow::is_blind`] says why the marks are not.

use engine::strategy::Observer;
use engine::{Engine, Outbox, Turn};
use model::{FeedId, FeedStatus, Input, MarketEvent, Nanos};

use super::market::{Batch, FeedMarket};
use super::{Journal, ReplayError, feeds};
use crate::journal::{OrderLives, Record};

/// See the module. Holds the memory that a core's books take.
pub struct Shadow {
    engine: Engine<Observer>,
    lives: OrderLives,
    outbox: Outbox,
    feeds: Vec<FeedMarket>,
    events: Vec<MarketEvent>,
    now: Nanos,
    blind: Option<ReplayError>,
}

impl Shadow {
    /// Before the first record of a journal.
    ///
    /// # Errors
    /// A capture is there and cannot be opened.
    pub fn new(journal: &Journal) -> Result<Shadow, ReplayError> {
        Ok(Shadow {
            engine: Engine::new(&journal.config.engine(), Observer),
            lives: OrderLives::default(),
            outbox: Outbox::default(),
            feeds: feeds(journal)?,
            events: Vec::new(),
            now: Nanos::ZERO,
            blind: None,
        })
    }

    /// The engine as it stands behind the last record.
    #[must_use]
    pub fn engine(&self) -> &Engine<Observer> {
        &self.engine
    }

    /// The time of the last input: what came of it has no other.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Why the books are not those of the core any more, where they are not: market data that the journal names could not be had. From then on no book is touched.
    #[must_use]
    pub fn is_blind(&self) -> Option<&ReplayError> {
        self.blind.as_ref()
    }

    /// Takes the next record. Returns the orders that it moved.
    pub fn step(&mut self, index: u64, record: &Record) -> &[Turn] {
        if let Some(now) = record.now() {
            self.now = now;
        }
        match *record {
            Record::Market { now, feed, count, first } | Record::Snapshot { now, feed, count, first } => {
                let is_snapshot = matches!(record, Record::Snapshot { .. });
                self.market(index, feed, Batch { received: now, is_snapshot, first, count });
            }
            Record::Feed { now, feed, status } => {
                if let Some(market) = self.feeds.get_mut(feed.index()) {
                    match status {
                        FeedStatus::NewSession => market.new_session(),
                        FeedStatus::Lost { from, to } => market.lose(from, to),
                        _ => {}
                    }
                }
                self.apply(now, &Input::Feed(feed, status));
            }
            Record::Report { now, report } => self.apply(now, &Input::Report(report)),
            Record::Session { now, gateway, event } => self.apply(now, &Input::Session(gateway, event)),
            Record::Control { now, control } => self.apply(now, &Input::Control(control)),
            Record::Timer { now } => self.apply(now, &Input::Timer),
            Record::Command(c) => self.engine.follow(self.now, &c),
            Record::Start { .. }
            | Record::Refusal(_)
            | Record::Receipt(_)
            | Record::Validity(_)
            | Record::Dropped(_)
            | Record::Alarm(_)
            | Record::Hash { .. }
            | Record::End { .. }
            | Record::Operator { .. } => {}
        }
        self.lives.on_record(record)
    }

    fn market(&mut self, index: u64, feed: FeedId, batch: Batch) {
        if self.blind.is_some() {
            return;
        }
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let loaded = match self.feeds.get_mut(feed.index()) {
            Some(market) => market.load(index, batch, &mut events),
            None => Ok(()),
        };
        match loaded {
            Ok(()) => events.iter().for_each(|e| self.apply(batch.received, &Input::Market(feed, *e))),
            // Half of a batch makes no book.
            Err(why) => self.blind = Some(why),
        }
        self.events = events;
    }

    fn apply(&mut self, now: Nanos, input: &Input) {
        self.engine.apply(now, input, &mut self.outbox);
        // What the journal's engine said of it is in the journal.
        self.outbox.clear();
    }
}
