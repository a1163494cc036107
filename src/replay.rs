//! Replay: a journal's inputs through the same engine, each command compared with the one that was sent.
//!
//! The first difference ends it, by record. A journal whose run was killed may end in the middle of an input: then what the journal holds has to be a prefix of
//! what the engine says. Market data comes from the captures beside the journal.

use std::path::{Path, PathBuf};

use engine::strategy::Strategy;
use engine::{Engine, EngineStats, Outbox};
use feeds::binaryfile::Messages;
use feeds::itch50::Subscription;
use model::{FeedId, FeedStatus, Input, Nanos};
use ringbuf::log::{LogError, Reader};

use crate::config::{Config, ConfigError, Secrets};
use crate::journal::{CaptureError, CaptureReader, Record, RecordError, RunDir};

/// A journal to be replayed.
pub struct Journal {
    /// The run's folder.
    pub run: PathBuf,
    /// Its configuration.
    pub config: Config,
}

/// What a replay found equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Records read.
    pub records: u64,
    /// Inputs applied.
    pub inputs: u64,
    /// Commands compared.
    pub commands: u64,
    /// Hashes compared.
    pub hashes: u64,
    /// The hash at the end.
    pub state_hash: u64,
    /// Whether the run had ended in order.
    pub ended: bool,
    /// The engine's counts.
    pub stats: EngineStats,
}

/// Why a replay did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration beside the journal.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot be read; damage is named by record.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is not one of ours.
    #[error("record {index}: {source}")]
    Record {
        /// Which.
        index: u64,
        /// Why.
        source: RecordError,
    },
    /// The market data.
    #[error("record {index}: {source}")]
    Capture {
        /// The record that names it.
        index: u64,
        /// Why.
        source: CaptureError,
    },
    /// The strategy's parameters.
    #[error(transparent)]
    Params(#[from] engine::strategy::ParamError),
    /// The engine says something else than the journal.
    #[error("record {index}: the journal has {journal}, the engine has {engine}")]
    Difference {
        /// The record.
        index: u64,
        /// What is written.
        journal: String,
        /// What the engine made of the same inputs.
        engine: String,
    },
    /// It does not begin as a journal does.
    #[error("not a journal: {0}")]
    NotAJournal(String),
}

impl ReplayError {
    /// Whether journal and engine disagree, or the journal was changed: exit code 5.
    #[must_use]
    pub fn is_difference(&self) -> bool {
        matches!(
            self,
            ReplayError::Difference { .. }
                | ReplayError::Record { .. }
                | ReplayError::Capture { .. }
                | ReplayError::Log(LogError::Corrupt { .. } | LogError::Header { .. })
        )
    }
}

impl Journal {
    /// Opens a run, or the last run of a core's journal folder.
    ///
    /// # Errors
    /// No configuration is beside it.
    pub fn open(given: &Path) -> Result<Journal, ReplayError> {
        let run = RunDir::find(given);
        let config = Config::load(&run.join("config.toml"), Secrets::Skip)?;
        Ok(Journal { run, config })
    }
}

/// Replays `journal`.
///
/// # Errors
/// The first difference, or why it cannot be read.
pub fn replay<S: Strategy>(journal: &Journal) -> Result<Replayed, ReplayError> {
    let strategy: S = crate::cli::make(&journal.config)?;
    let mut player = Player {
        engine: Engine::new(&journal.config.engine(), strategy),
        outbox: Outbox::default(),
        expected: Vec::new(),
        taken: 0,
        feeds: feeds(journal)?,
        events: Vec::new(),
    };
    let mut log = Reader::open(RunDir::core(&journal.run))?;
    let mut found = Replayed {
        records: 0,
        inputs: 0,
        commands: 0,
        hashes: 0,
        state_hash: 0,
        ended: false,
        stats: EngineStats::default(),
    };
    while let Some(r) = log.next()? {
        let index = r.index;
        let record =
            Record::decode(r.kind, r.payload).map_err(|source| ReplayError::Record { index, source })?;
        if found.records == 0 && !matches!(record, Record::Start { .. }) {
            return Err(ReplayError::NotAJournal(format!("record {index} is not the start of a run")));
        }
        found.records += 1;
        player.step(index, &record, &mut found)?;
    }
    found.state_hash = player.engine.state_hash();
    found.stats = player.engine.stats();
    Ok(found)
}

/// One feed's market data.
struct FeedData {
    id: FeedId,
    capture: Option<CaptureReader>,
    subscription: Subscription,
}

fn feeds(journal: &Journal) -> Result<Vec<FeedData>, ReplayError> {
    let mut out = Vec::new();
    for (k, f) in journal.config.feeds.iter().enumerate() {
        let id = FeedId(k as u8);
        let mine: Vec<_> = journal.config.instruments.iter().filter(|i| i.feed == id).copied().collect();
        let dir = RunDir::capture(&journal.run, &f.id);
        let capture = if dir.exists() { Some(CaptureReader::open(&dir, id)?) } else { None };
        out.push(FeedData { id, capture, subscription: Subscription::new(&mine) });
    }
    Ok(out)
}

struct Player<S> {
    engine: Engine<S>,
    outbox: Outbox,
    /// What the engine said since the last input, as records.
    expected: Vec<Record>,
    taken: usize,
    feeds: Vec<FeedData>,
    events: Vec<model::MarketEvent>,
}

impl<S: Strategy> Player<S> {
    fn step(&mut self, index: u64, record: &Record, found: &mut Replayed) -> Result<(), ReplayError> {
        if record.is_input() && self.taken < self.expected.len() {
            // The engine had more to say about the input before.
            let engine = format!("{:?}", self.expected[self.taken]);
            return Err(ReplayError::Difference { index, journal: format!("{record:?}"), engine });
        }
        match *record {
            Record::Start { .. } | Record::Receipt(_) => {}
            Record::Market { now, feed, count, first } => {
                self.load(index, feed, first, count)?;
                let events = std::mem::take(&mut self.events);
                self.begin();
                for event in &events {
                    self.apply(now, &Input::Market(feed, *event), found);
                }
                self.events = events;
            }
            Record::Feed { now, feed, status } => {
                if status == FeedStatus::NewSession
                    && let Some(f) = self.feeds.get_mut(feed.index())
                {
                    f.subscription.reset();
                }
                self.one(now, &Input::Feed(self.known(index, feed)?, status), found);
            }
            Record::Report { now, report } => self.one(now, &Input::Report(report), found),
            Record::Session { now, gateway, event } => self.one(now, &Input::Session(gateway, event), found),
            Record::Control { now, control } => self.one(now, &Input::Control(control), found),
            Record::Timer { now } => self.one(now, &Input::Timer, found),
            Record::Command(_) | Record::Refusal(_) => {
                let engine = self.expected.get(self.taken);
                if engine != Some(record) {
                    let engine = engine.map_or("nothing more".into(), |e| format!("{e:?}"));
                    return Err(ReplayError::Difference { index, journal: format!("{record:?}"), engine });
                }
                self.taken += 1;
                found.commands += u64::from(matches!(record, Record::Command(_)));
            }
            Record::Hash { hash, .. } | Record::End { hash } => {
                let engine = self.engine.state_hash();
                if engine != hash {
                    let (journal, engine) = (format!("state hash {hash:016x}"), format!("{engine:016x}"));
                    return Err(ReplayError::Difference { index, journal, engine });
                }
                found.hashes += 1;
                found.ended |= matches!(record, Record::End { .. });
            }
        }
        Ok(())
    }

    fn known(&self, index: u64, feed: FeedId) -> Result<FeedId, ReplayError> {
        if feed.index() < self.feeds.len() {
            return Ok(feed);
        }
        Err(ReplayError::Record { index, source: RecordError::Malformed(3) })
    }

    /// Decodes the batch that a Market record names. Batches before it held nothing that was subscribed; they go through the subscription all the same, so
    /// that it learns what the feed's own did.
    fn load(&mut self, index: u64, feed: FeedId, first: u64, count: u32) -> Result<(), ReplayError> {
        let at = |source| ReplayError::Capture { index, source };
        let feed = self.known(index, feed)?;
        let f = &mut self.feeds[feed.index()];
        let missing = CaptureError::Missing { feed: f.id, first, count };
        let Some(capture) = &mut f.capture else { return Err(at(missing)) };
        loop {
            self.events.clear();
            let Some(batch) = capture.next_batch().map_err(at)? else { return Err(at(missing)) };
            for message in Messages::new(batch.framed).flatten() {
                if let Ok(Some(event)) = f.subscription.event(message) {
                    self.events.push(event);
                }
            }
            if batch.first == first && batch.count == count {
                return Ok(());
            }
        }
    }

    fn begin(&mut self) {
        self.expected.clear();
        self.taken = 0;
    }

    fn one(&mut self, now: Nanos, input: &Input, found: &mut Replayed) {
        self.begin();
        self.apply(now, input, found);
    }

    fn apply(&mut self, now: Nanos, input: &Input, found: &mut Replayed) {
        found.inputs += 1;
        self.engine.apply(now, input, &mut self.outbox);
        self.expected.extend(self.outbox.commands().iter().map(|a| Record::Command(*a.command())));
        self.expected.extend(self.outbox.refusals().iter().map(|r| Record::Refusal(*r)));
        self.outbox.clear();
    }
}
