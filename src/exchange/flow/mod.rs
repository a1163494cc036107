//! The background flow: the rest of the market, from a historical file or generated from a seed.
//!
//! Its orders rest in the same books as the accounts' orders, so an account's order queues behind what was there before it, and trades with
//! what comes to it. A flow is a schedule: it says when its next message is due and plays it on the floor, one at a time.

pub mod file;
pub mod generated;
pub mod reader;

use model::{Px, Qty};

use super::floor::{Aggressor, Floor};
use super::itch::Mpid;
use super::matching::{Resting, Verdict};
use file::FileFlow;
use generated::GeneratedFlow;

/// Where the background comes from.
#[derive(Debug)]
pub enum Flow {
    /// Nowhere: only accounts trade.
    Silent,
    /// A historical ITCH file.
    File(Box<FileFlow>),
    /// A seed.
    Generated(Box<GeneratedFlow>),
}

impl Flow {
    /// Lists the symbols that the flow knows it will trade.
    pub fn list(&mut self, floor: &mut Floor) {
        if let Flow::File(flow) = self {
            flow.list(floor);
        }
    }

    /// Begins at `floor.now` with whatever a market opens with.
    pub fn start(&mut self, floor: &mut Floor) {
        match self {
            Flow::Silent => {}
            Flow::File(flow) => flow.start(floor.now),
            Flow::Generated(flow) => flow.start(floor),
        }
    }

    /// When the next message is due; `None` when there is none, or before [`Self::start`].
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        match self {
            Flow::Silent => None,
            Flow::File(flow) => flow.next_due(),
            Flow::Generated(flow) => flow.next_due(),
        }
    }

    /// Plays the next message.
    pub fn play(&mut self, floor: &mut Floor) {
        match self {
            Flow::Silent => {}
            Flow::File(flow) => flow.play(floor),
            Flow::Generated(flow) => flow.play(floor),
        }
    }

    /// Whether the flow began and has no more messages. A silent flow never ends.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Flow::Silent => false,
            Flow::File(flow) => flow.is_over(),
            Flow::Generated(flow) => flow.is_over(),
        }
    }

    /// What became of the messages.
    #[must_use]
    pub fn counts(&self) -> FlowCounts {
        match self {
            Flow::Silent => FlowCounts::default(),
            Flow::File(flow) => flow.counts(),
            Flow::Generated(flow) => flow.counts(),
        }
    }
}

/// What became of the flow's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Messages played.
    pub played: u64,
    /// Messages about an order of which an account had taken shares before: what is gone cannot go again.
    pub clipped: u64,
    /// Orders that the file sees fully executed but which had shares left, as an account's order was ahead: taken off.
    pub residues: u64,
    /// Messages about an order that was never added (a file that starts mid-day).
    pub unknown: u64,
    /// Messages that touch no book here or cannot be right: other symbols, unknown types, no shares, too short.
    pub skipped: u64,
}

/// Brings a background order to the market: it trades with whom `verdict` says, and rests with what it has left.
fn arrive(
    floor: &mut Floor,
    listing: usize,
    order: Resting,
    mpid: Option<Mpid>,
    verdict: impl FnMut(&Resting) -> Verdict,
) {
    let Resting { side, px, shares, .. } = order;
    let aggressor = Aggressor { side, limit: px, shares, taker: None };
    let left = floor.aggress(listing, aggressor, None, verdict);
    if !left.is_zero() {
        floor.rest(listing, Resting { shares: left, ..order }, mpid);
    }
}

/// Moves a background order that rests: as one message where it only moves, as a removal and an arrival where it trades.
fn relocate(
    floor: &mut Floor,
    listing: usize,
    old: &Resting,
    new: Resting,
    verdict: impl Fn(&Resting) -> Verdict,
) {
    if floor.would_hit(listing, new.side, new.px, &verdict) {
        floor.delete(listing, old.id);
        arrive(floor, listing, new, None, verdict);
    } else {
        floor.replace(listing, old.id, new);
    }
}

/// Whether a background order may have this price and size.
fn is_sane(px: Px, shares: Qty) -> bool {
    (1..=2_000_000_000).contains(&px.0) && !shares.is_zero()
}
