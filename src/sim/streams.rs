//! The network of the connections: the order session, and those with the snapshot server. Bytes take their time each way, come in parts, stand still, and are
//! lost with a connection that is cut, or arrive before it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::canary::Canary;
use super::faults::{Fate, Fault, FaultCounts, Storm};
use super::link::{State, Wire, lock, next_call};
use super::oracle::Violation;
use super::oracle::ask::Heard;
use super::oracle::requests::Requests;
use super::trace::Trace;
use crate::exchange::Venue;
use crate::exchange::rng::Rng;

/// The port of the snapshot server, in `core.toml`.
const SNAPSHOTS: u16 = 5;

/// One connection that was taken.
struct Stream {
    wire: Arc<Mutex<Wire>>,
    /// The venue's number for it.
    id: u64,
    /// Of the order session: connections that had ended before. `None`: a snapshot's.
    epoch: Option<u32>,
    fate: Fate,
    heard: Heard,
    /// On their way, with when they arrive.
    up: VecDeque<(u64, Vec<u8>)>,
    down: VecDeque<(u64, Vec<u8>)>,
    /// The venue has said its last word.
    is_over: bool,
}

/// See the module.
pub(super) struct Streams {
    open: Vec<Stream>,
    delay: [u64; 2],
    /// Bytes of the order session stand still until then.
    pub(super) frozen_until: u64,
    /// Nobody takes a call until then.
    pub(super) unreachable_until: u64,
    /// Connections that are gone, of which the venue hears later.
    unnoticed: Vec<(u64, u64)>,
    /// What is wrong with the way to the venue, on purpose.
    pub(super) canary: Option<Canary>,
    /// New orders that have left.
    left: u32,
}

/// What a step of the network is about.
pub(super) struct Around<'a> {
    pub(super) now: u64,
    pub(super) venue: &'a mut Venue,
    pub(super) storm: &'a Storm,
    pub(super) rng: &'a mut Rng,
    pub(super) requests: &'a mut Requests,
    pub(super) counts: &'a mut FaultCounts,
    pub(super) trace: &'a mut Trace,
}

impl Streams {
    pub(super) fn new(delay: [u64; 2]) -> Streams {
        while next_call().is_some() {}
        Streams {
            open: Vec::new(),
            delay,
            frozen_until: 0,
            unreachable_until: 0,
            unnoticed: Vec::new(),
            canary: None,
            left: 0,
        }
    }

    /// Whether no byte of the order session waits anywhere.
    pub(super) fn are_quiet(&self, venue: &Venue) -> bool {
        self.open.iter().filter(|s| s.epoch.is_some()).all(|s| {
            let w = lock(&s.wire);
            let nothing_moves = s.up.is_empty() && s.down.is_empty() && w.up.is_empty() && w.down.is_empty();
            nothing_moves && w.left_over == 0 && venue.output(s.id).is_empty()
        })
    }

    /// Whether the core has a connection for orders.
    pub(super) fn has_session(&self) -> bool {
        self.open.iter().any(|s| s.epoch.is_some())
    }

    /// Takes the calls of the core's agents, before which so many order sessions had ended.
    fn answer_calls(&mut self, a: &mut Around<'_>, epoch: u32) {
        while let Some(wire) = next_call() {
            let mut w = lock(&wire);
            if w.is_dropped {
                continue;
            }
            let is_snapshot = w.to.port() == SNAPSHOTS;
            let fate = if is_snapshot { a.storm.fate(a.rng, a.counts) } else { Fate::Prompt };
            if fate == Fate::Refused || a.now < self.unreachable_until {
                w.state = State::Refused;
                continue;
            }
            w.state = State::Up;
            drop(w);
            let id = if is_snapshot { a.venue.connect_glimpse(a.now) } else { a.venue.connect(a.now) };
            self.open.push(Stream {
                wire,
                id,
                epoch: (!is_snapshot).then_some(epoch),
                fate,
                heard: Heard::default(),
                up: VecDeque::new(),
                down: VecDeque::new(),
                is_over: false,
            });
        }
    }

    /// Moves bytes both ways, as far as they are due, and takes calls, before which so many order sessions had ended; none where that is not known yet.
    pub(super) fn carry(&mut self, a: &mut Around<'_>, epoch: Option<u32>) -> Result<(), Violation> {
        if let Some(epoch) = epoch {
            self.answer_calls(a, epoch);
        }
        self.unnoticed.retain(|(due, id)| {
            let is_due = *due <= a.now;
            if is_due {
                a.venue.disconnect(a.now, *id);
            }
            !is_due
        });
        let frozen = a.now < self.frozen_until;
        let mut k = 0;
        while k < self.open.len() {
            let stream = &mut self.open[k];
            stream.leave(a, self.delay[0], self.canary, &mut self.left);
            if lock(&stream.wire).is_dropped {
                // What the host had taken of the process arrives, or the host is gone with it.
                self.hang_up(k, a)?;
                continue;
            }
            if !(frozen && stream.epoch.is_some()) {
                stream.reach(a, false)?;
                stream.come_back(a, self.delay[1]);
            }
            if matches!(stream.fate, Fate::CutAfter(0)) {
                self.cut(k, a)?;
                continue;
            }
            k += 1;
        }
        Ok(())
    }

    /// The core has let go of a connection.
    fn hang_up(&mut self, k: usize, a: &mut Around<'_>) -> Result<(), Violation> {
        let mut stream = self.open.remove(k);
        if a.rng.below(3) > 0 {
            stream.reach(a, true)?;
        }
        if stream.epoch.is_some() && a.rng.below(3) == 0 {
            self.unnoticed.push((a.now + a.rng.below(200) * super::faults::MS, stream.id));
        } else {
            a.venue.disconnect(a.now, stream.id);
        }
        Ok(())
    }

    fn cut(&mut self, k: usize, a: &mut Around<'_>) -> Result<(), Violation> {
        lock(&self.open[k].wire).state = State::Cut;
        self.hang_up(k, a)
    }

    /// The order session is cut, where there is one: with what is on its way, or behind some of it.
    pub(super) fn cut_session(&mut self, a: &mut Around<'_>) -> Result<bool, Violation> {
        let Some(k) = self.open.iter().position(|s| s.epoch.is_some()) else { return Ok(false) };
        a.counts.add(Fault::Cut);
        self.cut(k, a)?;
        Ok(true)
    }

    /// The machine is gone: no connection of it is left.
    pub(super) fn power_off(&mut self, a: &mut Around<'_>) -> Result<(), Violation> {
        while next_call().is_some() {}
        while !self.open.is_empty() {
            self.open[0].leave(a, 0, None, &mut self.left);
            self.cut(0, a)?;
        }
        Ok(())
    }
}

impl Stream {
    /// What the agent has handed over is on its way.
    fn leave(&mut self, a: &mut Around<'_>, delay: u64, canary: Option<Canary>, left: &mut u32) {
        let mut w = lock(&self.wire);
        if w.up.is_empty() {
            return;
        }
        let mut bytes: Vec<u8> = w.up.drain(..).collect();
        drop(w);
        if let Some(canary) = canary
            && self.epoch.is_some()
        {
            plant(canary, &mut bytes, left);
        }
        self.up.push_back((a.now + delay, bytes));
    }

    /// What is due arrives at the venue; all of it, where the connection ends behind it.
    fn reach(&mut self, a: &mut Around<'_>, all: bool) -> Result<(), Violation> {
        while self.up.front().is_some_and(|(due, _)| all || *due <= a.now) {
            let Some((due, mut bytes)) = self.up.pop_front() else { break };
            // In parts, as a stream may.
            if !all && bytes.len() > 1 && a.rng.below(8) == 0 {
                let rest = bytes.split_off(1 + a.rng.below(bytes.len() as u64 - 1) as usize);
                self.up.push_front((due.max(a.now + 1), rest));
            }
            if self.is_over {
                continue;
            }
            if let Some(epoch) = self.epoch {
                a.trace.bytes(&bytes);
                let (requests, mut outcome) = (&mut *a.requests, Ok(()));
                self.heard.hear(&bytes, |ask| {
                    if outcome.is_ok() {
                        outcome = requests.heard(ask, epoch);
                    }
                });
                outcome?;
            }
            a.venue.on_client_bytes(a.now, self.id, &bytes);
        }
        Ok(())
    }

    /// What the venue says is on its way, and arrives.
    fn come_back(&mut self, a: &mut Around<'_>, delay: u64) {
        let said = a.venue.output(self.id);
        if !said.is_empty() {
            let most = match self.fate {
                Fate::Slow(n) | Fate::CutAfter(n) => n,
                Fate::Prompt | Fate::Refused => usize::MAX,
            };
            let n = said.len().min(most);
            if self.epoch.is_some() {
                a.trace.bytes(&said[..n]);
            }
            self.down.push_back((a.now + delay, said[..n].to_vec()));
            a.venue.written(self.id, n);
            if let Fate::CutAfter(left) = &mut self.fate {
                *left -= n;
            }
        }
        while self.down.front().is_some_and(|(due, _)| *due <= a.now) {
            let Some((_, bytes)) = self.down.pop_front() else { break };
            lock(&self.wire).down.extend(bytes);
        }
        self.is_over |= a.venue.is_over(self.id) && a.venue.output(self.id).is_empty();
        if self.is_over && self.down.is_empty() {
            lock(&self.wire).state = State::Ended;
        }
    }
}

/// Loses, doubles or changes the first message of some bytes, where that is the tenth new order.
fn plant(canary: Canary, bytes: &mut Vec<u8>, left: &mut u32) {
    if !bytes.get(2..).is_some_and(|rest| rest.starts_with(b"UO")) {
        return;
    }
    *left += 1;
    let end = (2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))).min(bytes.len());
    match canary {
        Canary::LosesRequest if *left == 10 => drop(bytes.drain(..end)),
        // Behind the packet's length and type and the message's.
        Canary::ReusesTokens if *left == 10 && end >= 8 => bytes[4..8].copy_from_slice(&1u32.to_be_bytes()),
        // The last byte of its quantity.
        Canary::AltersOrder if *left == 10 && end >= 13 => bytes[12] ^= 1,
        Canary::SendsAgain if *left == 10 => {
            let again = bytes[..end].to_vec();
            bytes.extend_from_slice(&again);
        }
        _ => {}
    }
}
