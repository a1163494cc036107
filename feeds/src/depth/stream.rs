//! Which text is next: each book's differences in sequence behind a snapshot, each once; see the module above for the rule and the states.

use model::{FeedStatus, Nanos, Symbol};

use super::Market;
use super::held::{Held, Ids};
use super::text::{self, Kind};
use super::wire::{self, Head, Info, Misread, SnapshotHead};
use crate::channel::{Sink, Taken};

/// A snapshot is not asked for before an event was heard that it has to fit, or this has passed: a book in which nothing happens has none.
const QUIET: Nanos = Nanos::from_millis(1_000);
/// Events in a row that are older than what is known. Some may be: a copy, or what a snapshot holds. So many are a venue that counts anew.
const OLD_MAX: u32 = 256;

/// What a stream is told once.
#[derive(Clone, Debug)]
pub struct DepthConfig {
    /// Which rule.
    pub market: Market,
    /// Whose books; they are meant by their places.
    pub symbols: Vec<Symbol>,
    /// Events of a book that are held for its snapshot, and their bytes.
    pub held: (usize, usize),
    /// Between two snapshots of a book; doubled with each that follows soon.
    pub spacing: Nanos,
    /// The longest that it is doubled to. After so long without one the doubling starts again.
    pub spacing_max: Nanos,
    /// For how long the list of instruments is good.
    pub info_life: Nanos,
}

impl DepthConfig {
    /// Of these books: 4,096 events or 8 MiB held for each, 1 to 30 s between two snapshots, the list of instruments every 10 minutes.
    #[must_use]
    pub fn new(market: Market, symbols: Vec<Symbol>) -> DepthConfig {
        DepthConfig {
            market,
            symbols,
            held: (4_096, 8 << 20),
            spacing: Nanos::from_millis(1_000),
            spacing_max: Nanos::from_millis(30_000),
            info_life: Nanos::from_millis(600_000),
        }
    }
}

/// What is to be asked for by REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The list of instruments.
    Info,
    /// A snapshot of the book at this place.
    Snapshot(usize),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepthStats {
    /// Messages that went to the sink.
    pub delivered: u64,
    /// Differences older than what was known.
    pub old: u64,
    /// Gaps, of any book.
    pub gaps: u64,
    /// Gaps behind which the book is in sequence again.
    pub gaps_filled: u64,
    /// Snapshots that a book began from.
    pub snapshots: u64,
    /// Snapshots that did not come, could not be read, or were too old for what is held.
    pub snapshots_failed: u64,
    /// Texts that could not be read.
    pub malformed: u64,
    /// Differences and snapshots that the sink could not decode.
    pub undecodable: u64,
    /// Held events that had no room.
    pub let_go: u64,
    /// Texts of other books, or about other things.
    pub other: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no stream.
    Off,
    /// A snapshot is to be asked for.
    Wanted { since: Nanos },
    /// It was.
    Asked,
    /// It holds the updates up to `last`; no event has shown yet that the stream goes on there.
    Ahead { last: u64 },
    /// In sequence.
    Live { last: u64 },
}

/// One book.
#[derive(Debug)]
struct Track {
    symbol: Symbol,
    state: State,
    held: Held,
    /// When a snapshot was last asked for.
    asked: Option<Nanos>,
    /// How many followed the one before soon.
    doublings: u32,
    /// Not before this.
    not_before: Nanos,
    /// A gap was told of it, and it is not `Live` since.
    has_gap: bool,
    /// Events in a row that were old.
    old: u32,
}

impl Track {
    fn want(&mut self, now: Nanos, config: &DepthConfig) {
        let (not_before, doublings) = match self.asked {
            None => (now, 0),
            Some(asked) if asked.after(config.spacing_max) <= now => (now, 0),
            Some(asked) => {
                let wait = config.spacing.0.saturating_mul(1 << self.doublings.min(20));
                (asked.after(Nanos(wait.min(config.spacing_max.0))), self.doublings + 1)
            }
        };
        (self.not_before, self.doublings, self.state) = (not_before, doublings, State::Wanted { since: now });
    }
}

/// How an event stands to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Old,
    Next,
    Beyond,
}

/// The rule: behind a snapshot that ends with `last`, or behind an event that does.
fn place(market: Market, behind_snapshot: bool, last: u64, ids: Ids) -> Place {
    let is_next = match (market, behind_snapshot) {
        (Market::Spot, true) => ids.first <= last.saturating_add(1) && last < ids.last,
        (Market::Spot, false) => last.checked_add(1) == Some(ids.first),
        (Market::Perpetual, true) => (ids.first <= last && last <= ids.last) || ids.before == Some(last),
        (Market::Perpetual, false) => ids.before == Some(last),
    };
    let is_old = ids.last < last || (ids.last == last && !is_next);
    match (is_next, is_old) {
        (true, _) => Place::Next,
        (false, true) => Place::Old,
        (false, false) => Place::Beyond,
    }
}

/// See the module.
#[derive(Debug)]
pub struct DepthStream {
    config: DepthConfig,
    tracks: Vec<Track>,
    /// The number of the next message.
    next: u64,
    synced: bool,
    /// When the list of instruments is to be asked for; `None` while it is awaited.
    info_due: Option<Nanos>,
    is_informed: bool,
    stats: DepthStats,
    /// A message being made.
    room: Vec<u8>,
}

impl DepthStream {
    /// Nothing is known and no stream open.
    #[must_use]
    pub fn new(config: DepthConfig) -> DepthStream {
        let track = |symbol: &Symbol| Track {
            symbol: *symbol,
            state: State::Off,
            held: Held::default(),
            asked: None,
            doublings: 0,
            not_before: Nanos::ZERO,
            has_gap: false,
            old: 0,
        };
        DepthStream {
            tracks: config.symbols.iter().map(track).collect(),
            config,
            next: 1,
            synced: false,
            info_due: Some(Nanos::ZERO),
            is_informed: false,
            stats: DepthStats::default(),
            room: Vec::new(),
        }
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &DepthStats {
        &self.stats
    }

    /// Whether every book is in sequence.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// How many books have a gap.
    #[must_use]
    pub fn gaps_open(&self) -> u64 {
        self.tracks.iter().filter(|t| t.has_gap).count() as u64
    }

    /// The number of the next message.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.next
    }

    /// Whether the stream is of use: what it says means nothing before the list of instruments is there.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        self.is_informed
    }

    /// The stream is open: what it brings is held until there are snapshots.
    pub fn on_open(&mut self, now: Nanos) {
        for track in &mut self.tracks {
            track.held.clear();
            track.want(now, &self.config);
        }
    }

    /// The stream is gone. What it would have brought is missing, of every book.
    pub fn on_closed<S: Sink>(&mut self, sink: &mut S) {
        if self.synced {
            let from = self.tracks.first().map_or(0, |t| t.last().saturating_add(1));
            self.break_off(sink, FeedStatus::Recovering { from, to: from });
        }
        for track in &mut self.tracks {
            track.state = State::Off;
            track.held.clear();
        }
    }

    /// There was no sign of life for too long; the stream is given up.
    pub fn on_silent<S: Sink>(&mut self, sink: &mut S) {
        self.break_off(sink, FeedStatus::Silent);
        self.on_closed(sink);
    }

    /// A person does not believe the books: they begin anew.
    pub fn resync<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        self.break_off(sink, FeedStatus::Doubted);
        // It has no text that could not be read.
        let _ = self.deliver(Kind::Clear, b"", sink);
        for track in self.tracks.iter_mut().filter(|t| t.state != State::Off) {
            track.asked = None;
            track.want(now, &self.config);
        }
    }

    /// What is to be asked for now, if anything; said once. Its answer, or that there is none, is awaited then.
    #[must_use]
    pub fn poll(&mut self, now: Nanos) -> Option<Want> {
        if self.info_due.is_some_and(|at| at <= now) {
            self.info_due = None;
            return Some(Want::Info);
        }
        let is_due = |t: &Track| match t.state {
            State::Wanted { since } => {
                t.not_before <= now && (!t.held.is_empty() || since.after(QUIET) <= now)
            }
            State::Off | State::Asked | State::Ahead { .. } | State::Live { .. } => false,
        };
        let k = self.tracks.iter().position(is_due)?;
        self.tracks[k].state = State::Asked;
        self.tracks[k].asked = Some(now);
        Some(Want::Snapshot(k))
    }

    /// An answer to what was asked for.
    ///
    /// # Errors
    /// [`Misread`]; it is asked for again, later.
    pub fn on_answer<S: Sink>(
        &mut self,
        now: Nanos,
        want: Want,
        body: &[u8],
        sink: &mut S,
    ) -> Result<(), Misread> {
        let read = match want {
            Want::Info => self.on_info(now, body, sink),
            Want::Snapshot(k) if self.tracks[k].state == State::Asked => self.on_snapshot(now, k, body, sink),
            // Of a stream that is gone.
            Want::Snapshot(_) => Ok(()),
        };
        if read.is_err() {
            self.stats.malformed += 1;
            self.on_no_answer(now, want);
        }
        read
    }

    /// There is none: refused, or broken off.
    pub fn on_no_answer(&mut self, now: Nanos, want: Want) {
        match want {
            Want::Info => self.info_due = Some(now.after(self.config.spacing)),
            Want::Snapshot(k) => {
                if self.tracks[k].state == State::Asked {
                    self.stats.snapshots_failed += 1;
                    self.tracks[k].want(now, &self.config);
                }
            }
        }
    }

    fn on_info<S: Sink>(&mut self, now: Nanos, body: &[u8], sink: &mut S) -> Result<(), Misread> {
        wire::answer::<Info>(body)?;
        // What of it is not understood is an instrument that does not trade.
        let _ = self.put(Kind::Info, body, sink)?;
        self.is_informed = true;
        self.info_due = Some(now.after(self.config.info_life));
        Ok(())
    }

    /// A snapshot that was asked for. One that is older than what the stream has brought is of no use.
    fn on_snapshot<S: Sink>(
        &mut self,
        now: Nanos,
        k: usize,
        body: &[u8],
        sink: &mut S,
    ) -> Result<(), Misread> {
        let SnapshotHead { last } = wire::answer(body)?;
        let market = self.config.market;
        let track = &mut self.tracks[k];
        let symbol = track.symbol;
        while track.held.first().is_some_and(|ids| place(market, true, last, ids) == Place::Old) {
            track.held.pop();
            self.stats.old += 1;
        }
        if track.held.first().is_some_and(|ids| place(market, true, last, ids) == Place::Beyond) {
            self.on_no_answer(now, Want::Snapshot(k));
            return Ok(());
        }
        if self.put(Kind::Snapshot(symbol), body, sink)? == Taken::Undecodable {
            self.stats.undecodable += 1;
            self.on_no_answer(now, Want::Snapshot(k));
            return Ok(());
        }
        self.stats.snapshots += 1;
        self.tracks[k].state = State::Ahead { last };
        let mut held = std::mem::take(&mut self.tracks[k].held);
        while let Some((ids, text)) = held.pop() {
            self.on_diff(now, k, ids, &text, sink);
        }
        Ok(())
    }

    /// A text of the stream.
    ///
    /// # Errors
    /// [`Misread`]: it is passed over. What it may have said is missed by what follows it.
    pub fn on_text<S: Sink>(&mut self, now: Nanos, text: &[u8], sink: &mut S) -> Result<(), Misread> {
        let taken = self.take(now, text, sink);
        self.stats.malformed += u64::from(taken.is_err());
        taken
    }

    fn take<S: Sink>(&mut self, now: Nanos, text: &[u8], sink: &mut S) -> Result<(), Misread> {
        if text.len() > text::TEXT_MAX {
            return Err(Misread::TooLong);
        }
        let head: Head<'_> = wire::event(text)?;
        let symbol = Symbol::new(head.s);
        let k = self.tracks.iter().position(|t| Some(t.symbol) == symbol);
        match (head.e, k) {
            ("depthUpdate", Some(k)) => {
                let (Some(first), Some(last)) = (head.first, head.last) else { return Err(Misread::Ids) };
                let ids = Ids { first, last, before: head.before };
                if first > last || ids.before.is_some_and(|before| before > last) {
                    return Err(Misread::Ids);
                }
                self.on_diff(now, k, ids, text, sink);
            }
            ("trade" | "aggTrade", Some(_)) => {
                // No book hangs on it.
                let _ = self.deliver(Kind::Trade, text, sink);
            }
            _ => self.stats.other += 1,
        }
        Ok(())
    }

    fn on_diff<S: Sink>(&mut self, now: Nanos, k: usize, ids: Ids, text: &[u8], sink: &mut S) {
        let track = &mut self.tracks[k];
        let (behind_snapshot, last) = match track.state {
            State::Off => return,
            State::Wanted { .. } | State::Asked => {
                self.stats.let_go += track.held.keep(ids, text, self.config.held);
                return;
            }
            State::Ahead { last } => (true, last),
            State::Live { last } => (false, last),
        };
        match place(self.config.market, behind_snapshot, last, ids) {
            Place::Old => {
                self.stats.old += 1;
                track.old += 1;
                if track.old > OLD_MAX {
                    self.miss(now, k, ids, sink);
                }
            }
            Place::Beyond => {
                self.miss(now, k, ids, sink);
                self.stats.let_go += self.tracks[k].held.keep(ids, text, self.config.held);
            }
            Place::Next => {
                if self.deliver(Kind::Diff, text, sink) == Taken::Undecodable {
                    self.stats.undecodable += 1;
                    return self.miss(now, k, ids, sink);
                }
                let track = &mut self.tracks[k];
                (track.state, track.old) = (State::Live { last: ids.last }, 0);
                self.stats.gaps_filled += u64::from(std::mem::take(&mut track.has_gap));
                self.settle(sink);
            }
        }
    }

    /// Something of a book is missing: a snapshot is wanted.
    #[cold]
    fn miss<S: Sink>(&mut self, now: Nanos, k: usize, ids: Ids, sink: &mut S) {
        let track = &mut self.tracks[k];
        let from = track.last().saturating_add(1);
        track.old = 0;
        track.held.clear();
        track.want(now, &self.config);
        if !std::mem::replace(&mut track.has_gap, true) {
            self.stats.gaps += 1;
        }
        if self.synced {
            self.break_off(sink, FeedStatus::Recovering { from, to: ids.first.max(from) });
        }
    }

    fn break_off<S: Sink>(&mut self, sink: &mut S, status: FeedStatus) {
        self.synced = false;
        sink.status(status);
    }

    fn settle<S: Sink>(&mut self, sink: &mut S) {
        if !self.synced && self.tracks.iter().all(|t| matches!(t.state, State::Live { .. })) {
            self.synced = true;
            sink.status(FeedStatus::Synced { next: self.next });
        }
    }

    /// As [`DepthStream::put`], of what is known not to be too long.
    fn deliver<S: Sink>(&mut self, kind: Kind, text: &[u8], sink: &mut S) -> Taken {
        self.put(kind, text, sink).unwrap_or(Taken::Undecodable)
    }

    fn put<S: Sink>(&mut self, kind: Kind, text: &[u8], sink: &mut S) -> Result<Taken, Misread> {
        let (next, stats) = (&mut self.next, &mut self.stats);
        text::cut(kind, text, &mut self.room, |message| {
            let seq = *next;
            *next += 1;
            stats.delivered += 1;
            sink.message(seq, message)
        })
    }
}

impl Track {
    /// The last update that is known.
    fn last(&self) -> u64 {
        match self.state {
            State::Ahead { last } | State::Live { last } => last,
            State::Off | State::Wanted { .. } | State::Asked => 0,
        }
    }
}
