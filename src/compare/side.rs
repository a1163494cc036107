//! One run for a comparison: what it heard of the market, what it decided, what became of that.
//!
//! An event of the market is known again in another run by the venue's stamp and its place among those of that stamp, whatever packets it came in.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};

use backtest::attribution::{Account, Chain, Place, Shape, Trade};
use engine::strategy::Observer;
use engine::{Engine, Outbox};
use model::{
    CommandKind, ExecutionReport, FeedId, Input, InstrumentId, MarketEvent, Nanos, OrderCommand, ReportKind,
    Token,
};

use super::{Alone, Overlap};
use crate::journal::Record;
use crate::replay::{Journal, ReplayError, Tape};

/// A new order as it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The record.
    pub index: u64,
    /// What.
    pub command: OrderCommand,
    /// The input before it.
    pub cause: Record,
    /// The event of the market that it is an answer to, where it is one of the market.
    event: Option<(FeedId, Place)>,
}

/// See the module.
pub struct Side {
    /// What it made.
    pub account: Account,
    /// One for each chain of it, in their order.
    pub decisions: Vec<Decision>,
    /// Commands of all kinds.
    pub commands: u64,
    /// By feed: what was heard, by its place, and what it was.
    heard: Vec<Vec<(Place, u64)>>,
    /// By instrument: the stamps of its events, as they rise.
    stamps: Vec<Vec<u64>>,
    /// By chain: the stamps at which the venue had it and its replaces.
    arrived: Vec<Vec<Nanos>>,
}

struct Reading {
    engine: Engine<Observer>,
    out: Outbox,
    side: Side,
    /// By feed, the event before.
    places: Vec<Place>,
    /// Feed of each instrument.
    feed_of: Vec<FeedId>,
    /// The chain of each token.
    chains: HashMap<Token, usize>,
    /// The last input, and where it was of the market its last event.
    cause: Record,
    event: Option<(FeedId, Place)>,
    now: Nanos,
}

impl Side {
    /// Reads a run to its end.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(journal: &Journal) -> Result<Side, ReplayError> {
        let engine = journal.config.engine();
        let mut r = Reading {
            feed_of: engine.instruments.iter().map(|i| i.feed).collect(),
            places: vec![Place::default(); engine.feeds],
            side: Side {
                account: Account::default(),
                decisions: Vec::new(),
                commands: 0,
                heard: vec![Vec::new(); engine.feeds],
                stamps: vec![Vec::new(); engine.instruments.len()],
                arrived: Vec::new(),
            },
            engine: Engine::new(&engine, Observer),
            out: Outbox::default(),
            chains: HashMap::new(),
            cause: Record::Timer { now: Nanos::ZERO },
            event: None,
            now: Nanos::ZERO,
        };
        let mut tape = Tape::open(journal)?;
        while let Some((index, record)) = tape.advance()? {
            r.step(index, &record, tape.events());
        }
        Ok(r.end())
    }

    /// What both heard.
    #[must_use]
    pub fn overlap(&self, other: &Side) -> Overlap {
        let mut found = Overlap::default();
        for (a, b) in self.heard.iter().zip(&other.heard) {
            let mut b = b.iter().peekable();
            for (place, what) in a {
                while b.next_if(|(there, _)| there < place).is_some() {
                    found.only_b += 1;
                }
                match b.next_if(|(there, _)| there == place) {
                    None => found.only_a += 1,
                    Some((_, there)) if there == what => found.both += 1,
                    Some(_) => found.other += 1,
                }
            }
            found.only_b += b.count() as u64;
        }
        found
    }

    /// Counts arrivals by the events that both may have heard, and marks what was caused by an event that the other has not heard.
    pub fn settle(&mut self, other: &Side) {
        for (k, chain) in self.account.chains.iter_mut().enumerate() {
            let id = chain.shape.instrument.index();
            // Both by one list, the longer one: a run that began later would count less.
            let lists = [self.stamps.get(id), other.stamps.get(id)];
            let list = lists.into_iter().flatten().max_by_key(|list| list.len());
            let place =
                |at: &Nanos| list.map_or(0, |list| list.partition_point(|stamp| *stamp <= at.0) as u64);
            chain.arrivals = self.arrived[k].iter().map(place).collect();
            chain.is_orphan =
                self.decisions[k].event.is_some_and(|(feed, place)| !other.has_heard(feed, place));
        }
    }

    fn has_heard(&self, feed: FeedId, place: Place) -> bool {
        self.heard
            .get(feed.index())
            .is_some_and(|h| h.binary_search_by_key(&place, |(there, _)| *there).is_ok())
    }

    /// The orders that are in none of these pairs.
    pub fn alone(&self, paired: impl Iterator<Item = usize>) -> Vec<Alone> {
        let paired: HashSet<usize> = paired.collect();
        let of = |k: usize, d: &Decision| Alone {
            index: d.index,
            command: d.command,
            cause: d.cause,
            is_orphan: self.account.chains[k].is_orphan,
        };
        let all = self.decisions.iter().enumerate();
        all.filter(|(k, _)| !paired.contains(k)).map(|(k, d)| of(k, d)).collect()
    }
}

impl Reading {
    fn step(&mut self, index: u64, record: &Record, events: &[MarketEvent]) {
        if let Some(now) = record.now() {
            self.now = now;
        }
        if record.is_input() {
            (self.cause, self.event) = (*record, None);
        }
        match *record {
            Record::Market { now, feed, .. } | Record::Snapshot { now, feed, .. } => {
                let is_snapshot = matches!(record, Record::Snapshot { .. });
                for event in events {
                    self.apply(now, &Input::Market(feed, *event));
                    // A snapshot says what is, not what happened.
                    if !is_snapshot {
                        self.hear(feed, event);
                    }
                }
            }
            Record::Feed { now, feed, status } => self.apply(now, &Input::Feed(feed, status)),
            Record::Report { now, report } => {
                self.apply(now, &Input::Report(report));
                self.report(&report);
            }
            Record::Session { now, gateway, event } => self.apply(now, &Input::Session(gateway, event)),
            Record::Control { now, control } => self.apply(now, &Input::Control(control)),
            Record::Timer { now } => self.apply(now, &Input::Timer),
            Record::Command(c) => {
                self.engine.follow(self.now, &c);
                self.decide(index, &c);
            }
            _ => {}
        }
    }

    fn apply(&mut self, now: Nanos, input: &Input) {
        self.engine.apply(now, input, &mut self.out);
        self.out.clear();
    }

    fn hear(&mut self, feed: FeedId, event: &MarketEvent) {
        let Some(place) = self.places.get_mut(feed.index()) else { return };
        let stamp = event.ts_event.0;
        *place = match place.stamp == stamp {
            true => Place { stamp, nth: place.nth + 1 },
            false => Place { stamp, nth: 1 },
        };
        let mut what = Digest(0xcbf2_9ce4_8422_2325);
        // A digest takes everything.
        let _ = write!(what, "{} {:?}", event.instrument.0, event.body);
        self.side.heard[feed.index()].push((*place, what.0));
        self.event = Some((feed, *place));
        if let Some(stamps) = self.side.stamps.get_mut(event.instrument.index()) {
            stamps.push(stamp.max(stamps.last().copied().unwrap_or(0)));
        }
    }

    fn decide(&mut self, index: u64, c: &OrderCommand) {
        self.side.commands += 1;
        match c.kind {
            CommandKind::New { token, side, qty, px, .. } => {
                let feed = self.feed_of.get(c.instrument.index()).copied().unwrap_or(FeedId(0));
                let sells = matches!(side, model::Side::Sell);
                self.chains.insert(token, self.side.account.chains.len());
                self.side.account.chains.push(Chain {
                    shape: Shape { instrument: c.instrument, sells, qty: qty.0, px: px.0 },
                    decided: self.places.get(feed.index()).copied().unwrap_or_default(),
                    arrivals: Vec::new(),
                    is_refused: false,
                    is_orphan: false,
                    trades: Vec::new(),
                });
                self.side.arrived.push(Vec::new());
                let (command, cause, event) = (*c, self.cause, self.event);
                self.side.decisions.push(Decision { index, command, cause, event });
            }
            CommandKind::Replace { old, token, .. } => {
                if let Some(chain) = self.chains.get(&old).copied() {
                    self.chains.insert(token, chain);
                }
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => {}
        }
    }

    fn report(&mut self, r: &ExecutionReport) {
        let Some(at) = self.chains.get(&r.token).copied() else { return };
        let chain = &mut self.side.account.chains[at];
        match r.kind {
            ReportKind::Accepted { .. } | ReportKind::Replaced { .. } => {
                self.side.arrived[at].push(r.ts_event)
            }
            ReportKind::Rejected { .. } => chain.is_refused |= self.side.arrived[at].is_empty(),
            ReportKind::Executed { qty, px, match_number, .. } => {
                chain.trades.push(Trade { match_number, qty: qty.0, px });
            }
            ReportKind::Broken { match_number, .. } => {
                chain.trades.retain(|t| t.match_number != match_number)
            }
            ReportKind::Corrected { match_number, qty, px, .. } => {
                let of = chain.trades.iter_mut().filter(|t| t.match_number == match_number);
                of.for_each(|t| (t.qty, t.px) = (qty.0, px));
            }
            _ => {}
        }
    }

    fn end(mut self) -> Side {
        // A venue's stamps rise; where they do not, places still are looked for by their order.
        self.side.heard.iter_mut().for_each(|heard| heard.sort_unstable_by_key(|(place, _)| *place));
        let positions = self.engine.positions();
        let account = &mut self.side.account;
        account.gross = positions.all().iter().map(|p| p.realised().0 + p.unrealised().0).sum();
        account.fees = positions.fees();
        let held = positions.all().iter().enumerate();
        account.held = held
            .filter(|(_, p)| p.fills > 0)
            .map(|(k, p)| (InstrumentId(k as u16), (p.shares - p.opening_shares, p.mark)))
            .collect();
        self.side
    }
}

/// FNV-1a over what is written.
struct Digest(u64);

impl Write for Digest {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0 = s.bytes().fold(self.0, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Ok(())
    }
}
