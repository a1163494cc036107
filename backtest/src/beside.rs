//! Simulated matching beside a market that is followed as it goes: the venue of a day that is not over.
//!
//! ```text
//!   packets of a feed, by receipt --> Venue of that feed --report leg--> reports, by gateway
//!   requests, as they leave --order leg, feed leg--^
//! ```
//!
//! # Time
//!
//! All times are those of receipt. A message that is received now is as old at the venue as the feed leg is long; a request that arrives there now meets messages that will be
//! received so much later. So a request is worked off `order + feed` after it left, behind every message received until then and before every later one, and its report is due
//! `order + report` after it left. That is in the past where the report leg is shorter than the feed leg: then at once, for nothing can be known before its cause.
//!
//! # What is not known
//!
//! | the feed | resting orders | new orders, replaces | cancels |
//! |---|---|---|---|
//! | is whole | trade | are taken | are taken |
//! | waits for messages, or is silent | stand still: nothing comes that could fill them, and what was missed comes when the gap is filled | are rejected | are taken |
//! | has lost messages, or is made anew | are canceled by the venue (`venue::BY_THE_SYSTEM`) | are rejected until the books are whole again | find nothing |
//!
//! A request that no venue would take is refused as one would: no shares or no price is a reject, a token that is not above all before it (OUCH 5.0, 2.1) is ignored.
//!
//! There is one [`Venue`] for each feed, for references of one say nothing of another's. Reports are numbered for each gateway, whichever feed they came of.

use std::collections::VecDeque;

use model::{
    CommandKind, ExecutionReport, FeedId, FeedStatus, Instrument, MarketEvent, Nanos, OrderCommand,
    ReportKind, Token,
};

use engine::book::BookCapacity;

use crate::latency::{Latency, LatencyError, Way};
use crate::venue::queue::Queue;
use crate::venue::{Rules, Said, Venue, VenueCounts};

/// The largest order (OUCH 5.0, 2.1: fewer than a million shares).
const SHARES_MAX: u32 = 999_999;
/// OUCH 5.0's reasons of a reject: nothing can be done now, shares and price.
const PROCESSING_ERROR: u16 = 0x0a;
const QUANTITY: u16 = 0x13;
const PRICE: u16 = 0x1d;

/// What it is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By id.
    pub instruments: Vec<Instrument>,
    /// By id: whether the feed tells levels, not orders.
    pub feeds: Vec<bool>,
    /// How many gateways.
    pub gateways: usize,
    /// Of the books of each feed.
    pub book: BookCapacity,
    /// The venue's. What it refuses is looked at, and of a feed of levels what is believed of queues ([`Queue::Back`] where that is [`Queue::Orders`]); nothing else:
    /// the strategy hears the market itself, as it is.
    pub rules: Rules,
    /// The legs.
    pub latency: Latency,
}

impl Settings {
    /// Of a feed's books. A level has one order in them, which says nothing of whom ours stand behind once it grows: without a belief the most careful one.
    fn rules_of(&self, of_levels: bool) -> Rules {
        let queue = match (of_levels, self.rules.queue) {
            (false, _) => Queue::Orders,
            (true, Queue::Orders) => Queue::Back,
            (true, belief) => belief,
        };
        Rules { admission: self.rules.admission, queue, ..Rules::default() }
    }
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// When the market data of its moment has been received.
    due: Nanos,
    /// When it is at the venue.
    at: Nanos,
    command: OrderCommand,
}

struct Listed {
    venue: Venue,
    requests: VecDeque<Request>,
    /// Every message so far was delivered.
    is_synced: bool,
    /// Nothing was heard for too long.
    is_silent: bool,
    /// Messages are lost: the books are not the venue's until a session or a snapshot makes them anew.
    is_void: bool,
    /// The venue's stamp of its last message.
    stamp: Nanos,
}

impl Listed {
    fn is_whole(&self) -> bool {
        self.is_synced && !self.is_silent && !self.is_void
    }
}

/// See the module.
pub struct Beside {
    feed_of: Vec<FeedId>,
    feeds: Vec<Listed>,
    order: Way,
    feed: Way,
    /// How old what is received is: the feed leg once more, with draws of its own.
    age: Way,
    report: Way,
    reports: VecDeque<(Nanos, ExecutionReport)>,
    said: Said,
    /// By gateway.
    seqs: Vec<u64>,
    last_tokens: Vec<Token>,
    /// When the packet that is taken left the venue.
    left: Nanos,
    ignored: u64,
    refused: u64,
}

impl Beside {
    /// Empty books.
    ///
    /// # Errors
    /// A leg that cannot be drawn from.
    pub fn new(s: &Settings) -> Result<Beside, LatencyError> {
        let Latency { feed, order, report, seed } = &s.latency;
        [feed, order, report].into_iter().try_for_each(crate::latency::Leg::check)?;
        let way = |leg, number| Way::new(leg, *seed, number);
        let listed = |of_levels: &bool| Listed {
            venue: Venue::new(s.rules_of(*of_levels), &s.book, s.gateways),
            requests: VecDeque::new(),
            is_synced: false,
            is_silent: false,
            is_void: false,
            stamp: Nanos::ZERO,
        };
        Ok(Beside {
            feed_of: s.instruments.iter().map(|i| i.feed).collect(),
            feeds: s.feeds.iter().map(listed).collect(),
            order: way(order, 2),
            feed: way(feed, 1),
            age: way(feed, 4),
            report: way(report, 3),
            reports: VecDeque::new(),
            said: Said::default(),
            seqs: vec![0; s.gateways],
            last_tokens: vec![Token(0); s.gateways],
            left: Nanos::ZERO,
            ignored: 0,
            refused: 0,
        })
    }

    /// A packet of a feed was received at `received`; its events follow. What arrived at the venue before it is worked off.
    #[inline]
    pub fn on_packet(&mut self, feed: FeedId, received: Nanos) {
        let Some(listed) = self.feeds.get_mut(feed.index()) else { return };
        listed.is_silent = false;
        if listed.requests.front().is_some_and(|r| r.due < received) {
            self.work_off(feed, Nanos(received.0 - 1));
        }
        let takes = self.age.arrival(received).since(received);
        self.left = self.left.max(Nanos(received.0.saturating_sub(takes.0)));
    }

    /// An event of that packet.
    #[inline]
    pub fn on_event(&mut self, feed: FeedId, event: &MarketEvent) {
        let Some(listed) = self.feeds.get_mut(feed.index()) else { return };
        listed.stamp = event.ts_event;
        listed.venue.on_market(event, &mut self.said);
        if !self.said.reports.is_empty() {
            self.carry(self.left);
        }
    }

    /// What became of a feed.
    pub fn on_status(&mut self, feed: FeedId, now: Nanos, status: FeedStatus) {
        let Some(listed) = self.feeds.get_mut(feed.index()) else { return };
        listed.is_silent = matches!(status, FeedStatus::Silent);
        match status {
            FeedStatus::Synced { .. } => listed.is_synced = true,
            FeedStatus::Recovering { .. } | FeedStatus::EndOfSession => listed.is_synced = false,
            FeedStatus::Silent | FeedStatus::Heartbeat => {}
            FeedStatus::Lost { .. }
            | FeedStatus::Disputed { .. }
            | FeedStatus::Doubted
            | FeedStatus::SnapshotBegin
            | FeedStatus::NewSession => {
                listed.is_void = !matches!(status, FeedStatus::NewSession);
                listed.venue.void(&mut self.said);
                self.carry(now);
            }
            FeedStatus::SnapshotEnd { .. } => listed.is_void = false,
        }
    }

    /// A request leaves at `sent`. What is asked of a port goes to every feed's venue.
    pub fn on_request(&mut self, sent: Nanos, command: &OrderCommand) {
        let at = self.order.arrival(sent);
        let request = Request { due: self.feed.arrival(at), at, command: *command };
        if matches!(command.kind, CommandKind::Port { .. }) {
            self.feeds.iter_mut().for_each(|f| f.requests.push_back(request));
        } else if let Some(f) = self.feed_of.get(command.instrument.index()) {
            self.feeds[f.index()].requests.push_back(request);
        }
    }

    /// Works off the requests of a feed that are due by `now`. All that was received of the feed until then has to have been given before.
    #[inline]
    pub fn work_off(&mut self, feed: FeedId, now: Nanos) -> usize {
        let mut work = 0;
        while let Some(r) =
            self.feeds.get_mut(feed.index()).and_then(|f| f.requests.pop_front_if(|r| r.due <= now))
        {
            self.take(feed, &r.command);
            self.carry(r.at);
            work += 1;
        }
        work
    }

    /// A request is at the venue.
    fn take(&mut self, feed: FeedId, command: &OrderCommand) {
        let Beside { feeds, said, last_tokens, ignored, refused, .. } = self;
        let listed = &mut feeds[feed.index()];
        let gateway = command.gateway;
        let (token, qty, px) = match command.kind {
            CommandKind::New { token, qty, px, .. } | CommandKind::Replace { token, qty, px, .. } => {
                (token, qty, px)
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => {
                return listed.venue.on_command(Nanos::ZERO, command, said);
            }
        };
        let Some(last) = last_tokens.get_mut(gateway.index()).filter(|last| **last < token) else {
            *ignored += 1;
            return;
        };
        *last = token;
        let reason = if !listed.is_whole() {
            PROCESSING_ERROR
        } else if !(1..=SHARES_MAX).contains(&qty.0) {
            QUANTITY
        } else if px.0 <= 0 {
            PRICE
        } else {
            return listed.venue.on_command(Nanos::ZERO, command, said);
        };
        *refused += 1;
        let kind = ReportKind::Rejected { reason };
        said.reports.push(ExecutionReport { ts_event: listed.stamp, seq: 0, token, gateway, kind });
    }

    /// Sends what a venue said, as it was `at` there, on its way.
    fn carry(&mut self, at: Nanos) {
        for mut report in self.said.reports.drain(..) {
            if let Some(seq) = self.seqs.get_mut(report.gateway.index()) {
                *seq += 1;
                report.seq = *seq;
                self.reports.push_back((self.report.arrival(at), report));
            }
        }
        self.said.events.clear();
    }

    /// The next report that is due by `now`, and when it was due.
    #[inline]
    pub fn report_by(&mut self, now: Nanos) -> Option<(Nanos, ExecutionReport)> {
        self.reports.pop_front_if(|(due, _)| *due <= now)
    }

    /// When the next report is due.
    #[must_use]
    pub fn next_report(&self) -> Option<Nanos> {
        self.reports.front().map(|(due, _)| *due)
    }

    /// When the next request of a feed is due.
    #[must_use]
    pub fn next_request(&self, feed: FeedId) -> Option<Nanos> {
        self.feeds.get(feed.index())?.requests.front().map(|r| r.due)
    }

    /// Nobody is left to decide: all that is under way is dropped, all that rests is canceled, and each report is due at once.
    pub fn cancel_all(&mut self, now: Nanos) {
        for listed in &mut self.feeds {
            listed.requests.clear();
            listed.venue.cancel_all(&mut self.said);
        }
        self.carry(now);
        self.reports.iter_mut().for_each(|(due, _)| *due = (*due).min(now));
    }

    /// Whether nothing is under way, either way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.reports.is_empty() && self.feeds.iter().all(|f| f.requests.is_empty())
    }

    /// Orders that rest.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.feeds.iter().map(|f| f.venue.resting()).sum()
    }

    /// What happened so far, over all feeds; what was refused or ignored before it came to a venue among it.
    #[must_use]
    pub fn counts(&self) -> VenueCounts {
        let before = VenueCounts { ignored: self.ignored, rejected: self.refused, ..VenueCounts::default() };
        self.feeds.iter().fold(before, |mut all, f| {
            all.add(&f.venue.counts());
            all
        })
    }
}

#[cfg(test)]
mod tests;
