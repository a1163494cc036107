//! The command line. A binary of a user's own, with a strategy of a user's own, is one line:
//!
//! ```text
//! # use engine::strategy::Observer as Mine;
//! fn main() -> std::process::ExitCode {
//!     colo::cli::main(&[colo::cli::strategy::<Mine>()])
//! }
//! ```
//!
//! Data goes to stdout, progress and errors to stderr. Exit codes: [`Exit`].

pub mod book;
pub mod journal;
mod out;
pub mod replay;
mod strategies;

pub use strategies::{Entry, Registry, strategy};

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        Failure { exit: Exit::Failure, message: message.to_string() }
    }

    /// A failure with another exit code.
    pub fn with(exit: Exit, message: impl std::fmt::Display) -> Failure {
        Failure { exit, message: message.to_string() }
    }
}

/// What every command returns.
pub type Outcome = Result<Exit, Failure>;

/// One sentence to the person at the terminal.
#[expect(clippy::print_stderr, reason = "the command line is where people are told")]
pub(crate) fn warn(sentence: &str) {
    eprintln!("colo: warning: {sentence}");
}

pub use strategies::make;
