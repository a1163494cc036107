//! Replay: a journal's inputs through the same engine, each command compared with the one that was sent.
//!
//! The first difference ends it, by record. A journal whose run was killed may end in the middle of an input: then what the journal holds has to be a prefix of
//! what the engine says. Market data comes from the captures beside the journal, or from files that hold the same sessions.

mod filed;
mod kept;
mod market;
mod rerun;
mod shadow;
mod tape;

use std::path::{Path, PathBuf};

use engine::strategy::Strategy;
use engine::{Engine, EngineStats, Outbox};
use model::{FeedId, FeedStatus, Input, MarketEvent, Nanos};
use ringbuf::log::{LogError, Reader};

pub use self::kept::{Kept, KeptError};
use self::market::{Batch, FeedMarket};
pub use self::rerun::{Reports, RerunError, fits, rerun};
pub use self::shadow::Shadow;
pub use self::tape::Tape;
use crate::config::{Config, ConfigError, Secrets};
use crate::journal::{CaptureError, Record, RecordError, RunDir, examine, record};
use crate::source::SourceError;

/// A journal to be replayed.
pub struct Journal {
    /// The run's folder.
    pub run: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// Of the configuration's text, as the journal's first record has it.
    config_hash: u64,
    /// Market data from files instead of captures, by feed.
    data: Vec<PathBuf>,
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
    /// A file of market data.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// More files than feeds.
    #[error("{files} files of market data for a run of {feeds} feed(s)")]
    TooManyFiles {
        /// Files given.
        files: usize,
        /// Feeds of the run.
        feeds: usize,
    },
    /// The run has no capture of a feed and no file was given for it.
    #[error("record {index}: the run did not capture feed {feed}: give its market data as a file (--data)")]
    NoMarketData {
        /// The record that needs it.
        index: u64,
        /// The feed's name.
        feed: String,
    },
    /// A file has the stream, and no snapshots.
    #[error(
        "record {index}: feed {feed} took a snapshot, which only the run's own capture holds: leave its file (--data) out"
    )]
    SnapshotNotInFile {
        /// The record that begins it.
        index: u64,
        /// The feed's name.
        feed: String,
    },
    /// A file that begins in mid-day does not say whether its instruments trade, and a journal cannot say it for it.
    #[error(
        "message {message} is of an instrument of which the file does not say whether it trades: no journal can be made of it"
    )]
    Untold {
        /// Its number.
        message: u64,
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
    /// A record stands where none of its kind can.
    #[error("record {index}: {what}")]
    OutOfPlace {
        /// The record.
        index: u64,
        /// Why not here.
        what: &'static str,
    },
    /// The journal is of a version that is not read here.
    #[error("the journal's format is {found}; this version reads {}", record::FORMAT)]
    Format {
        /// What the journal says.
        found: u32,
    },
    /// The configuration is not the one that the run had.
    #[error("{}: is not the configuration that the run was started with", .0.display())]
    ConfigChanged(PathBuf),
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
                | ReplayError::OutOfPlace { .. }
                | ReplayError::ConfigChanged(_)
                | ReplayError::Log(LogError::Corrupt { .. } | LogError::Header { .. })
        )
    }

    /// The record at which it was found, where it was at one.
    #[must_use]
    pub fn record(&self) -> Option<u64> {
        match self {
            ReplayError::Record { index, .. }
            | ReplayError::Capture { index, .. }
            | ReplayError::NoMarketData { index, .. }
            | ReplayError::SnapshotNotInFile { index, .. }
            | ReplayError::Difference { index, .. }
            | ReplayError::OutOfPlace { index, .. }
            | ReplayError::Log(LogError::Corrupt { index, .. }) => Some(*index),
            ReplayError::ConfigChanged(_) | ReplayError::Format { .. } => Some(0),
            ReplayError::Config(_)
            | ReplayError::Log(_)
            | ReplayError::Source(_)
            | ReplayError::TooManyFiles { .. }
            | ReplayError::Untold { .. }
            | ReplayError::Params(_) => None,
        }
    }
}

impl Journal {
    /// Opens a run, or the last run of a core's journal folder.
    ///
    /// # Errors
    /// No configuration is beside it.
    pub fn open(given: &Path) -> Result<Journal, ReplayError> {
        let run = RunDir::find(given);
        let file = run.join("config.toml");
        let config = Config::load(&file, Secrets::Skip)?;
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Ok(Journal { run, config, config_hash: crate::core::config_hash(&text), data: Vec::new() })
    }

    /// Takes market data from files, one for each feed in the configuration's order; feeds beyond the last file from their captures. A file holds the session that the
    /// run saw, from its first message on: its message k has sequence k (a capture of packets has sequences of its own).
    ///
    /// # Errors
    /// More files than feeds.
    pub fn with_data(mut self, files: &[PathBuf]) -> Result<Journal, ReplayError> {
        let feeds = self.config.feeds.len();
        if files.len() > feeds {
            return Err(ReplayError::TooManyFiles { files: files.len(), feeds });
        }
        self.data = files.to_vec();
        Ok(self)
    }
}

/// Replays `journal`.
///
/// # Errors
/// The first difference, or why it cannot be read.
pub fn replay<S: Strategy>(journal: &Journal) -> Result<Replayed, ReplayError> {
    let strategy: S = crate::cli::make(&journal.config)?;
    let mut player = Player {
        engine: Engine::new(&journal.config.engine(), strategy)
            .with_params(journal.config.params.read_by::<S>()?),
        outbox: Outbox::default(),
        expected: Vec::new(),
        taken: 0,
        feeds: feeds(journal)?,
        events: Vec::new(),
    };
    let core = RunDir::core(&journal.run);
    let mut log = Reader::open(&core)?;
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
        match (found.records, &record) {
            (0, Record::Start { format, .. }) if *format != record::FORMAT => {
                return Err(ReplayError::Format { found: *format });
            }
            (0, Record::Start { config_hash, .. }) if *config_hash != journal.config_hash => {
                return Err(ReplayError::ConfigChanged(journal.run.join("config.toml")));
            }
            (0, Record::Start { .. }) => {}
            (0, _) => {
                return Err(ReplayError::OutOfPlace { index, what: "a journal begins with its run's start" });
            }
            (_, Record::Start { .. }) => {
                return Err(ReplayError::OutOfPlace { index, what: "a second start of a run" });
            }
            _ if found.ended => {
                return Err(ReplayError::OutOfPlace { index, what: "a record behind the run's end" });
            }
            _ => {}
        }
        found.records += 1;
        player.step(index, &record, &mut found)?;
    }
    if !log.is_ended() {
        // Where records are missing in the middle, what was read is not all there was.
        examine(&core)?;
    }
    found.state_hash = player.engine.state_hash();
    found.stats = player.engine.stats();
    Ok(found)
}

fn feeds(journal: &Journal) -> Result<Vec<FeedMarket>, ReplayError> {
    let mut out = Vec::new();
    for (k, feed) in journal.config.feeds.iter().enumerate() {
        let id = FeedId(k as u8);
        let mine: Vec<_> = journal.config.instruments.iter().filter(|i| i.feed == id).copied().collect();
        out.push(match journal.data.get(k) {
            Some(file) => FeedMarket::from_file(id, feed, &mine, file)?,
            None => {
                let capture = RunDir::capture(&journal.run, &feed.id);
                // What a backtest over a file has kept points at the file.
                match capture.is_file() {
                    true => FeedMarket::from_file(id, feed, &mine, &capture)?,
                    false => FeedMarket::from_capture(id, feed, &mine, &capture)?,
                }
            }
        });
    }
    Ok(out)
}

struct Player<S> {
    engine: Engine<S>,
    outbox: Outbox,
    /// What the engine said since the last input, as records.
    expected: Vec<Record>,
    taken: usize,
    feeds: Vec<FeedMarket>,
    events: Vec<MarketEvent>,
}

impl<S: Strategy> Player<S> {
    fn step(&mut self, index: u64, record: &Record, found: &mut Replayed) -> Result<(), ReplayError> {
        let closes = record.is_input() || matches!(record, Record::Hash { .. } | Record::End { .. });
        if closes && self.taken < self.expected.len() {
            // The engine had more to say about the input before.
            let engine = format!("{:?}", self.expected[self.taken]);
            return Err(ReplayError::Difference { index, journal: format!("{record:?}"), engine });
        }
        match *record {
            Record::Start { .. } | Record::Receipt(_) | Record::Operator { .. } => {}
            Record::Market { now, feed, count, first } | Record::Snapshot { now, feed, count, first } => {
                let is_snapshot = matches!(record, Record::Snapshot { .. });
                let mut events = std::mem::take(&mut self.events);
                events.clear();
                let batch = Batch { received: now, is_snapshot, first, count };
                self.feed(index, 2, feed)?.load(index, batch, &mut events)?;
                self.begin();
                for event in &events {
                    self.apply(now, &Input::Market(feed, *event), found);
                }
                self.events = events;
            }
            Record::Feed { now, feed, status } => {
                let market = self.feed(index, 3, feed)?;
                match status {
                    FeedStatus::NewSession => market.new_session(),
                    FeedStatus::Lost { from, to } => market.lose(from, to),
                    FeedStatus::SnapshotBegin => market.snapshot(index)?,
                    _ => {}
                }
                self.one(now, &Input::Feed(feed, status), found);
            }
            Record::Report { now, report } => self.one(now, &Input::Report(report), found),
            Record::Session { now, gateway, event } => self.one(now, &Input::Session(gateway, event), found),
            Record::Control { now, control } => self.one(now, &Input::Control(control), found),
            Record::Timer { now } => self.one(now, &Input::Timer, found),
            Record::Command(_)
            | Record::Refusal(_)
            | Record::Validity(_)
            | Record::Dropped(_)
            | Record::Alarm(_) => {
                let engine = self.expected.get(self.taken);
                if engine != Some(record) {
                    let engine = engine.map_or("nothing more".into(), |e| format!("{e:?}"));
                    return Err(ReplayError::Difference { index, journal: format!("{record:?}"), engine });
                }
                self.taken += 1;
                found.commands += u64::from(matches!(record, Record::Command(_)));
            }
            Record::Hash { inputs, .. } if inputs != self.engine.stats().inputs => {
                let engine = format!("{}", self.engine.stats().inputs);
                return Err(ReplayError::Difference { index, journal: format!("{inputs} inputs"), engine });
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

    /// The market data of a feed that a record of this kind names.
    fn feed(&mut self, index: u64, kind: u16, feed: FeedId) -> Result<&mut FeedMarket, ReplayError> {
        let source = RecordError::Malformed(kind);
        self.feeds.get_mut(feed.index()).ok_or(ReplayError::Record { index, source })
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
        self.expected.extend(self.outbox.transitions().iter().map(|t| Record::Validity(*t)));
        self.expected.extend(self.outbox.commands().iter().map(|a| Record::Command(*a.command())));
        self.expected.extend(self.outbox.refusals().iter().map(|r| Record::Refusal(*r)));
        self.expected.extend(self.outbox.dropped().iter().map(|d| Record::Dropped(*d)));
        self.expected.extend(self.outbox.alarms().iter().map(|a| Record::Alarm(*a)));
        self.outbox.clear();
    }
}
