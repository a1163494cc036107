//! Strategies over history: the composition around [`backtest`], which knows no files.
//!
//! ```text
//!   files, one a day --> Source --> Subscription --> Day (engine + venue) --> Recorder --> figures
//!                        days over all cores; a result hangs on the configuration, the parameters and the files alone
//! ```

mod figures;
mod files;
pub mod grid;

pub use figures::{DayFigures, Summary};
pub use files::{Job, Made, Trouble, over};
