//! One account's way in and out.

use std::collections::{BTreeMap, VecDeque};

use crate::exchange::accounts::AccountRules;
use crate::exchange::codec::Asked;
use crate::exchange::fix::connection::Seat;
use crate::exchange::latency::{Excess, Latency, RateWindow};

/// What the script does to one message of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum PacketFault {
    Cut(usize),
    Garbage(usize),
    Repeat,
    Withhold,
}

#[derive(Debug)]
pub(super) enum Arrival {
    Request(Asked),
    OverRate(Asked),
    Left,
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) session: [u8; 10],
    pub(super) sessions: u8,
    pub(super) arrivals: VecDeque<(u64, Arrival)>,
    pub(super) last_arrival: u64,
    /// When a message of the stream may be written: `(due, sequence)`.
    pub(super) releases: VecDeque<(u64, u64)>,
    pub(super) last_release: u64,
    /// The last message of the stream that may be written.
    pub(super) released: u64,
    /// The last message of the stream that was looked at.
    pub(super) observed: u64,
    pub(super) window: RateWindow,
    pub(super) faults: BTreeMap<u64, PacketFault>,
    pub(super) inbound: Latency,
    pub(super) outbound: Latency,
    pub(super) rate: Option<(u32, Excess)>,
    /// Its FIX session, while no connection has it.
    pub(super) seat: Option<Box<Seat>>,
}

impl Port {
    pub(super) fn new(session: [u8; 10], rules: &AccountRules) -> Port {
        Port {
            session,
            sessions: 1,
            arrivals: VecDeque::new(),
            last_arrival: 0,
            releases: VecDeque::new(),
            last_release: 0,
            released: 0,
            observed: 0,
            window: RateWindow::default(),
            faults: BTreeMap::new(),
            inbound: rules.inbound_latency.clone(),
            outbound: rules.outbound_latency.clone(),
            rate: rules.rate,
            // The configuration has been checked.
            seat: rules.fix.as_ref().and_then(|rules| Seat::new(rules).ok()).map(Box::new),
        }
    }

    /// Lets go what is due.
    pub(super) fn release(&mut self, now: u64) {
        while let Some(&(due, sequence)) = self.releases.front()
            && due <= now
        {
            self.releases.pop_front();
            self.released = sequence;
        }
    }
}
