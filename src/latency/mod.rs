//! `colo latency`: what this host makes of the core, stage by stage, each beside a floor that does no work.
//!
//! ```text
//!   schedule   due: t0      t0 + e    t0 + 2e    ...        an operation is begun when it is due, or as soon as the one before it has ended
//!              |------------|---------|-------->
//!   measured        end - due                               so what waits behind a slow one is late as well: no coordinated omission
//! ```
//!
//! Timing a loop that sends the next when the last has come back forgives every stall: what would have come meanwhile is never sent. Here the times are set
//! beforehand ([`open_loop`]), and each figure is from the time that was meant. It includes one look at the clock; the floor does too.
//!
//! | module | row | floor |
//! |---|---|---|
//! | [`stages`] | decode, book, risk, journal, encode, packet to order | the same bytes walked; nothing; a copy of 64 bytes |
//! | [`rings`] | one value from a thread to another | one cache line between the same two threads |
//! | [`wire`] | UDP in, TCP out through the real core over loopback, inline and pipelined | a thread that answers each datagram with as many bytes |
//!
//! [`desk`], [`tape`], [`decision`], [`path`] and [`scratch`] are what they run on, and the benchmarks too.

pub mod decision;
pub mod desk;
pub mod open_loop;
pub mod path;
pub mod rings;
pub mod scratch;
pub mod stages;
pub mod tape;
pub mod wire;

use serde::Serialize;

use open_loop::Timed;

/// One figure beside its floor.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// Of every figure but `n` and `ratio_p50`.
    pub unit: &'static str,
    /// Half were done by then.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// All.
    pub max: u64,
    /// Half of the floor's.
    pub floor_p50: u64,
    /// `p50 / floor_p50`.
    pub ratio_p50: f64,
    /// How many.
    pub n: u64,
}

impl Row {
    /// `ours` beside `floor`, both in ns.
    #[must_use]
    pub fn new(name: &str, ours: &Timed, floor: &Timed) -> Row {
        let (p50, floor_p50) = (ours.quantile(0.5), floor.quantile(0.5));
        Row {
            name: name.to_owned(),
            unit: "ns",
            p50,
            p99: ours.quantile(0.99),
            p999: ours.quantile(0.999),
            max: ours.quantile(1.0),
            floor_p50,
            ratio_p50: (p50 as f64 / floor_p50.max(1) as f64 * 1_000.0).round() / 1_000.0,
            n: ours.len(),
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Operations of a stage, and values through a ring.
    pub operations: usize,
    /// Datagrams through the wire, each way of it.
    pub datagrams: usize,
}

/// Measures everything, a table's rows in order. `say` hears what is measured now.
///
/// # Errors
/// What could not be set up, as a sentence: no room for the journal, no socket.
pub fn run(effort: Effort, mut say: impl FnMut(&str)) -> Result<Vec<Row>, String> {
    say("stages");
    let mut rows = stages::run(effort.operations)?;
    say("rings");
    rows.extend(rings::run(effort.operations));
    say("wire");
    rows.extend(wire::run(effort.datagrams)?);
    Ok(rows)
}
