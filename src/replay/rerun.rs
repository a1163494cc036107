//! A journal's inputs through an engine anew, as history: with the reports that were recorded, or those of a simulated venue.
//!
//! ```text
//!   records: market, feed status, control, tokens ----------> Engine<S> --> commands
//!      |     reports, sessions, timers -- Recorded -------------^              |
//!      +----------------------> Beside (the venue of paper) -- Simulated ------+
//! ```
//!
//! Market data comes at the times at which the run received it, from the capture beside its journal. With [`Reports::Recorded`] every input is as the run had it, its time included; the
//! configuration may be another, and where strategy, parameters and limits are the run's, so is every command. With [`Reports::Simulated`] the venue is the one that trades on paper, the
//! engine is asked for its own timers, and sessions stand from when they first stood.
//!
//! Unlike a replay it compares nothing and needs no agreement: what it makes can be kept as a journal of its own, and `colo compare` explains the two.

use super::kept::{Kept, KeptError};
use super::{Journal, ReplayError, Tape};
use crate::config::Config;
use crate::core::beside;
use crate::journal::Record;
use backtest::beside::Beside;
use backtest::day::{Ran, Watch};
use backtest::latency::{Latency, LatencyError};
use engine::strategy::Strategy;
use engine::{Engine, Outbox};
use model::{Control, ExecutionReport, FeedId, GatewayId, Input, MarketEvent, Nanos, SessionEvent, Token};

/// Where reports come from.
#[derive(Clone, Debug)]
pub enum Reports {
    /// From the journal, at their times.
    Recorded,
    /// From a simulated venue so far away.
    Simulated(Latency),
}

/// Why a journal could not be run again.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// The journal, or its market data.
    #[error(transparent)]
    Journal(#[from] ReplayError),
    /// The configuration is of other feeds, gateways or instruments.
    #[error("the configuration's {0} are not those of the run, so its numbers mean other things")]
    Others(&'static str),
    /// The strategy's parameters.
    #[error(transparent)]
    Params(#[from] engine::strategy::ParamError),
    /// The legs.
    #[error("`backtest`: {0}")]
    Latency(#[from] LatencyError),
    /// What is kept of it.
    #[error(transparent)]
    Kept(#[from] KeptError),
}

struct Rerun<S, W> {
    engine: Engine<S>,
    out: Outbox,
    watch: W,
    venue: Option<Beside>,
    feeds: usize,
    kept: Option<Kept>,
    /// Gateways whose session stood once.
    opened: Vec<bool>,
    hash: u64,
    ran: Ran,
}

/// Runs a tape again under `config`. Returns what it came to, the engine, what looked on, and the folder of what was kept, where something was.
///
/// # Errors
/// [`RerunError`].
pub fn rerun<S: Strategy, W: Watch<S>>(
    mut tape: Tape,
    config: &Config,
    reports: &Reports,
    strategy: S,
    (watch, kept): (W, Option<Kept>),
) -> Result<(Ran, Engine<S>, W, Option<std::path::PathBuf>), RerunError> {
    let engine = config.engine();
    let venue = match reports {
        Reports::Recorded => None,
        Reports::Simulated(latency) => Some(Beside::new(&beside(config, latency))?),
    };
    let mut run = Rerun {
        venue,
        feeds: engine.feeds,
        opened: vec![false; engine.gateways],
        engine: Engine::new(&engine, strategy).with_params(config.params.read_by::<S>()?),
        out: Outbox::default(),
        watch,
        kept,
        hash: 0,
        ran: Ran {
            messages: 0,
            inputs: 0,
            commands: 0,
            venue: backtest::venue::VenueCounts::default(),
            state_hash: 0,
            commands_hash: 0,
        },
    };
    while let Some((_, record)) = tape.advance()? {
        if record.is_input() {
            run.step(&record, tape.events())?;
        }
    }
    run.end()
}

/// Whether a journal's numbers of feeds, gateways and instruments are those of a configuration.
///
/// # Errors
/// [`RerunError::Others`].
pub fn fits(journal: &Journal, config: &Config) -> Result<(), RerunError> {
    let ran = &journal.config;
    if ran.instruments != config.instruments {
        return Err(RerunError::Others("instruments"));
    }
    if !ran.feeds.iter().map(|f| &f.id).eq(config.feeds.iter().map(|f| &f.id)) {
        return Err(RerunError::Others("feeds"));
    }
    if !ran.gateways.iter().map(|g| &g.id).eq(config.gateways.iter().map(|g| &g.id)) {
        return Err(RerunError::Others("gateways"));
    }
    Ok(())
}

impl<S: Strategy, W: Watch<S>> Rerun<S, W> {
    fn step(&mut self, record: &Record, events: &[MarketEvent]) -> Result<(), RerunError> {
        if let Some(now) = record.now() {
            self.work_off(now)?;
        }
        match *record {
            Record::Market { now, feed, count, .. } | Record::Snapshot { now, feed, count, .. } => {
                self.keep(record)?;
                self.ran.messages += u64::from(count);
                if let Some(venue) = &mut self.venue {
                    venue.on_packet(feed, now);
                    events.iter().for_each(|e| venue.on_event(feed, e));
                }
                for event in events {
                    self.watch.before_market(now, &self.engine);
                    self.apply(now, &Input::Market(feed, *event))?;
                    self.watch.on_market(now, event, &self.engine);
                }
                Ok(())
            }
            Record::Feed { now, feed, status } => {
                if let Some(venue) = &mut self.venue {
                    venue.on_status(feed, now, status);
                }
                self.input(now, record, &Input::Feed(feed, status))
            }
            Record::Report { now, report } if self.venue.is_none() => self.report(now, &report),
            Record::Session { now, gateway, event } if self.venue.is_none() => {
                self.input(now, record, &Input::Session(gateway, event))
            }
            Record::Session { now, gateway, event: SessionEvent::Ready { .. } } => self.open(now, gateway),
            Record::Timer { now } if self.venue.is_none() => self.input(now, record, &Input::Timer),
            // A simulated venue has no kill switch in front of it that holds anything back.
            Record::Control { control: Control::NeverSent { .. }, .. } if self.venue.is_some() => Ok(()),
            Record::Control { now, control } => self.input(now, record, &Input::Control(control)),
            _ => Ok(()),
        }
    }

    /// A session of the simulated venue stands from now on.
    fn open(&mut self, now: Nanos, gateway: GatewayId) -> Result<(), RerunError> {
        if self.opened.get_mut(gateway.index()).is_none_or(|was| std::mem::replace(was, true)) {
            return Ok(());
        }
        for event in [SessionEvent::LoggedIn, SessionEvent::Ready { next_token: Token(0), proven: true }] {
            self.input(now, &Record::Session { now, gateway, event }, &Input::Session(gateway, event))?;
        }
        Ok(())
    }

    /// All that is due before `until`, where there is a simulated venue: its requests, its reports, the engine's timers.
    fn work_off(&mut self, until: Nanos) -> Result<(), RerunError> {
        loop {
            let Some(venue) = &mut self.venue else { return Ok(()) };
            let timer = self.engine.next_timer().unwrap_or(Nanos(u64::MAX));
            let report = venue.next_report().unwrap_or(Nanos(u64::MAX));
            let feed = |k: usize| FeedId(k as u8);
            let request = (0..self.feeds).filter_map(|k| Some((venue.next_request(feed(k))?, k))).min();
            let (request, of) = request.unwrap_or((Nanos(u64::MAX), 0));
            let next = request.min(report).min(timer);
            if next >= until {
                return Ok(());
            }
            let now = next.max(self.engine.now());
            if request == next {
                venue.work_off(feed(of), next);
            } else if report == next {
                if let Some((_, report)) = venue.report_by(next) {
                    self.report(now, &report)?;
                }
            } else {
                self.input(now, &Record::Timer { now }, &Input::Timer)?;
            }
        }
    }

    fn report(&mut self, now: Nanos, report: &ExecutionReport) -> Result<(), RerunError> {
        self.input(now, &Record::Report { now, report: *report }, &Input::Report(*report))?;
        self.watch.on_report(now, report, &self.engine);
        Ok(())
    }

    fn keep(&mut self, record: &Record) -> Result<(), RerunError> {
        match &mut self.kept {
            Some(kept) => Ok(kept.write(record)?),
            None => Ok(()),
        }
    }

    fn input(&mut self, now: Nanos, record: &Record, input: &Input) -> Result<(), RerunError> {
        self.keep(record)?;
        self.apply(now, input)
    }

    fn apply(&mut self, now: Nanos, input: &Input) -> Result<(), RerunError> {
        self.engine.apply(now, input, &mut self.out);
        if self.out.is_empty() {
            return Ok(());
        }
        if let Some(kept) = &mut self.kept {
            let out = &self.out;
            let transitions = out.transitions().iter().map(|t| Record::Validity(*t));
            let commands = out.commands().iter().map(|a| Record::Command(*a.command()));
            let refusals = out.refusals().iter().map(|r| Record::Refusal(*r));
            let dropped = out.dropped().iter().map(|d| Record::Dropped(*d));
            let alarms = out.alarms().iter().map(|a| Record::Alarm(*a));
            for record in transitions.chain(commands).chain(refusals).chain(dropped).chain(alarms) {
                kept.write(&record)?;
            }
        }
        for k in 0..self.out.commands().len() {
            let command = *self.out.commands()[k].command();
            self.ran.commands += 1;
            self.hash = command_hash(self.hash, &command);
            self.watch.on_command(now, &command, &self.engine);
            if let Some(venue) = &mut self.venue {
                venue.on_request(now, &command);
            }
        }
        self.out.clear();
        Ok(())
    }

    fn end(mut self) -> Result<(Ran, Engine<S>, W, Option<std::path::PathBuf>), RerunError> {
        // What is under way arrives; what is asked for then does too, until nothing is.
        while let Some(until) = self.venue.as_ref().filter(|v| !v.is_quiet()).and_then(|v| {
            let requests = (0..self.feeds).filter_map(|k| v.next_request(FeedId(k as u8)));
            requests.chain(v.next_report()).min()
        }) {
            self.work_off(until.after(Nanos(1)))?;
        }
        self.ran.inputs = self.engine.stats().inputs;
        self.ran.state_hash = self.engine.state_hash();
        self.ran.commands_hash = self.hash;
        if let Some(venue) = &self.venue {
            self.ran.venue = venue.counts();
        }
        let (inputs, hash) = (self.ran.inputs, self.ran.state_hash);
        self.keep(&Record::Hash { inputs, hash })?;
        let kept = self.kept.take().map(|kept| kept.finish(hash)).transpose()?;
        Ok((self.ran, self.engine, self.watch, kept))
    }
}

/// Over the bytes of a command as a journal has them.
fn command_hash(hash: u64, command: &model::OrderCommand) -> u64 {
    let (_, bytes) = Record::Command(*command).to_bytes();
    bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3).rotate_left(7))
}
