//! Strategies over history: the composition around [`backtest`], which knows no files.
//!
//! ```text
//!   files, one a day --> Source --> Subscription --> Day (engine + venue) --> Recorder --> figures
//!                        days over all cores; a result hangs on the configuration, the parameters and the files alone
//! ```

mod benchmark;
mod figures;
mod files;
mod histogram;
pub mod market;
mod measured;
mod recorded;
mod report;
mod sampled;
pub mod search;

pub use benchmark::Benchmark;
pub use figures::{DayFigures, Summary};
pub use files::{Job, Made, Trouble, over};
pub use measured::latency;
pub use report::page;
pub use sampled::expectation;
