//! History as a venue: what a strategy would have made of days that are over.
//!
//! ```text
//!  history --> Venue --feed leg--> Engine<S> --order leg--> Venue --report leg--> Engine<S>
//!              |  the books of others, our orders beside them, each behind those that stood before it
//! ```
//!
//! The engine is the one that trades: the same strategy, risk and order state, one input at a time. Nothing here knows a socket or a clock: a run is a function of its
//! settings and the history, to the bit.
//!
//! | module | story |
//! |---|---|
//! | [`venue`] | our orders among those of history: who stands before them, and what they trade with |
//! | [`latency`] | the three ways: market data to the strategy, orders to the venue, reports back |
//! | [`attribution`] | two runs over one day: why one made more than the other |
//! | [`beside`] | the same venue beside a market that goes on now: paper trading, and a journal run again |
//! | [`day`] | one day: history and engine in the order of time |
//! | [`drift`] | whether what runs is what was tested |
//! | [`record`] | what a run leaves behind: equity, fills, round trips, markouts |
//! | [`metrics`] | what a series of returns was worth |
//! | [`spread`] | how long things took, counted |
//! | [`search`] | parameters: a space of them, proposals from it, and which days they are chosen and judged on |
//! | [`rehearsal`] | a market that a test plays by hand |

#![forbid(unsafe_code)]

pub mod attribution;
pub mod beside;
pub mod day;
pub mod drift;
pub mod latency;
pub mod metrics;
pub mod record;
pub mod rehearsal;
pub mod search;
pub mod spread;
pub mod venue;
