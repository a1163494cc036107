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
//! | [`day`] | one day: history and engine in the order of time |
//! | [`record`] | what a run leaves behind: equity, fills, round trips, markouts |
//! | [`metrics`] | what a series of returns was worth |
//! | [`rehearsal`] | a market that a test plays by hand

#![forbid(unsafe_code)]

pub mod day;
pub mod latency;
pub mod metrics;
pub mod record;
pub mod rehearsal;
pub mod venue;
