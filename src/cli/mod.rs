//! The command line. A binary of a user's own, with a strategy of a user's own, is one line:
//!
//! ```no_run
//! # use engine::strategy::Observer as Mine;
//! fn main() -> std::process::ExitCode {
//!     colo::cli::main(&[colo::cli::strategy::<Mine>()])
//! }
//! ```
//!
//! Data goes to stdout, progress and errors to stderr. Exit codes: [`Exit`].

mod alarms;
mod backtest;
pub mod book;
mod compare;
mod config;
mod ctl;
mod demo;
mod doctor;
mod dropcopy;
mod exchange;
mod extent;
mod feed;
mod fleet;
pub mod journal;
mod latency;
mod live;
mod new;
mod out;
mod paper;
mod promote;
mod recalibrate;
mod record;
mod release;
pub mod replay;
mod report;
mod run;
mod search;
mod session;
mod signals;
mod sim;
mod strategies;
mod watchdog;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use strategies::{Entry, Registry, make, strategy};

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All well.
    Ok = 0,
    /// Something failed; stderr says what.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is invalid.
    Config = 3,
    /// A gate was not met.
    Gate = 4,
    /// Reconciliation or replay found a difference.
    Difference = 5,
    /// Interrupted.
    Interrupted = 130,
}

/// A command that did not end well: its exit code and the sentence for the person.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl std::fmt::Display) -> Failure {
        Failure::with(Exit::Failure, message)
    }

    /// A failure with another exit code.
    pub fn with(exit: Exit, message: impl std::fmt::Display) -> Failure {
        Failure { exit, message: message.to_string() }
    }
}

/// What every command returns.
pub type Outcome = Result<Exit, Failure>;

/// A build that can be told to do wrong says so wherever it is asked what it is.
const VERSION: &str = match model::canary::IN_THIS_BUILD {
    true => {
        concat!(env!("CARGO_PKG_VERSION"), " with planted faults (feature `canaries`): not for production")
    }
    false => env!("CARGO_PKG_VERSION"),
};

/// A low-latency colocated execution core: feed packets in, risk-checked orders out.
#[derive(Parser)]
#[command(name = "colo", version = VERSION, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    New(new::Args),
    Run(run::Args),
    Exchange(exchange::Args),
    Record(record::Args),
    Book(book::Args),
    Feed(feed::Args),
    Backtest(backtest::Args),
    Search(search::Args),
    Recalibrate(recalibrate::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Journal(journal::Args),
    Dropcopy(dropcopy::Args),
    Ctl(ctl::Args),
    Watchdog(watchdog::Args),
    Config(config::Args),
    Latency(latency::Args),
    Sim(sim::Args),
    Doctor(doctor::Args),
    Promote(promote::Args),
    Release(release::Args),
    Fleet(fleet::Args),
}

/// Runs the command line with `own` strategies beside those that come with `colo`.
#[must_use]
pub fn main(own: &[Entry]) -> ExitCode {
    main_from(own, std::env::args_os())
}

/// The same for a command line of the caller's, program name first: for a program that is `colo` among other things.
#[must_use]
pub fn main_from(own: &[Entry], arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // clap prints help, version and usage errors itself, and exits with 0 or 2.
    let cli = Cli::parse_from(arguments);
    let registry = Registry::new(own);
    let outcome = match &cli.command {
        Command::Demo(a) => demo::run(a, &registry),
        Command::New(a) => new::run(a, &registry),
        Command::Run(a) => run::run(a, &registry),
        Command::Exchange(a) => exchange::run(a),
        Command::Record(a) => record::run(a),
        Command::Book(a) => book::run(a),
        Command::Feed(a) => feed::run(a, &registry),
        Command::Backtest(a) => backtest::run(a, &registry),
        Command::Search(a) => search::run(a, &registry),
        Command::Recalibrate(a) => recalibrate::run(a, &registry),
        Command::Replay(a) => replay::run(a, &registry),
        Command::Compare(a) => compare::run(a),
        Command::Journal(a) => journal::run(a),
        Command::Dropcopy(a) => dropcopy::run(a),
        Command::Ctl(a) => ctl::run(a),
        Command::Watchdog(a) => watchdog::run(a),
        Command::Config(a) => config::run(a, &registry),
        Command::Latency(a) => latency::run(a),
        Command::Sim(a) => sim::run(a),
        Command::Doctor(a) => doctor::run(a),
        Command::Promote(a) => promote::run(a, &registry),
        Command::Release(a) => release::run(a),
        Command::Fleet(a) => fleet::run(a),
    };
    let exit = outcome.unwrap_or_else(|failure| {
        live::say(&format!("colo: {}", failure.message));
        failure.exit
    });
    ExitCode::from(exit as u8)
}

/// One sentence to the person at the terminal.
pub(crate) fn warn(sentence: &str) {
    live::say(&format!("colo: warning: {sentence}"));
}

/// Data, to stdout. A reader that has gone away ends nothing: there is nobody left to tell.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
