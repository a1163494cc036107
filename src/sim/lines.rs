//! The network of the market data: lines, and the re-request servers' answers.
//!
//! ```text
//!   Venue --+-- line A --- FaultyLine ---> socket buffer --+
//!           +-- line B --- FaultyLine ---> socket buffer --+--> feed agent
//!           +<- requests, answers -------> socket buffer --+
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex};

use super::faults::{Answers, Fault, FaultCounts, MS, Storm};
use super::link::{Buffer, SimLine, SimServer, lock, range};
use crate::exchange::Venue;
use crate::exchange::faults::{FaultyLine, LineFaults};
use crate::exchange::rng::Rng;

/// How long an answer takes.
const ANSWER: u64 = 50_000;
/// And at most, from a server that is late.
const ANSWER_LATE: u64 = 60 * MS;
/// Answers of all sizes fit.
const ANSWERS_BYTES: usize = 1 << 20;

type Asked = Arc<Mutex<VecDeque<Vec<u8>>>>;
/// An answer on its way: when due, in which order asked for, from which server.
type Answer = (u64, u64, usize, Vec<u8>);

/// See the module.
pub(super) struct Lines {
    lines: [FaultyLine; 2],
    buffers: [Arc<Mutex<Buffer>>; 2],
    buffer_bytes: usize,
    servers: [(Asked, Arc<Mutex<Buffer>>); 2],
    answers: BinaryHeap<Reverse<Answer>>,
    asked: u64,
}

impl Lines {
    pub(super) fn new(buffer_bytes: usize) -> Lines {
        Lines {
            lines: [0, 1].map(|n| FaultyLine::new(LineFaults::default(), 0, n)),
            buffers: Default::default(),
            buffer_bytes,
            servers: Default::default(),
            answers: BinaryHeap::new(),
            asked: 0,
        }
    }

    /// The ends of a process that opens its sockets. What an earlier one had is gone with it.
    pub(super) fn open(&mut self) -> (Vec<SimLine>, Vec<SimServer>) {
        self.buffers = Default::default();
        self.servers = Default::default();
        self.answers.clear();
        let lines = self.buffers.iter().map(|b| SimLine(Arc::clone(b))).collect();
        let servers = self.servers.iter();
        let servers =
            servers.map(|(asked, answers)| SimServer { asked: asked.clone(), answers: answers.clone() });
        (lines, servers.collect())
    }

    /// Another storm begins.
    pub(super) fn change(&mut self, storm: &Storm, seed: u64) {
        for (n, line) in (0..).zip(&mut self.lines) {
            *line = FaultyLine::new(storm.lines[n as usize].clone(), seed, n);
        }
    }

    /// Whether the agent has read all that has arrived.
    pub(super) fn are_read(&self) -> bool {
        self.buffers.iter().all(|b| lock(b).is_empty())
            && self.servers.iter().all(|(_, a)| lock(a).is_empty())
    }

    /// Behind the last message that the agent has read of.
    pub(super) fn shown(&self) -> u64 {
        let servers = self.servers.iter().map(|(_, a)| a);
        self.buffers.iter().chain(servers).map(|b| lock(b).shown).max().unwrap_or(0)
    }

    /// Moves what the venue has put on the lines, as far as it is due.
    pub(super) fn carry(&mut self, now: u64, venue: &mut Venue, is_dark: bool, counts: &mut FaultCounts) {
        while let Some((line, bytes)) = venue.poll_datagram() {
            if !is_dark {
                let (first, end) = range(&bytes);
                self.lines[line].send(now, first..end, bytes);
            }
        }
        for (line, buffer) in self.lines.iter_mut().zip(&self.buffers) {
            while let Some(bytes) = line.poll(now) {
                if !lock(buffer).arrive(bytes, self.buffer_bytes) {
                    counts.add(Fault::Overrun);
                }
            }
        }
        while self.answers.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, server, bytes))) = self.answers.pop() else { break };
            lock(&self.servers[server].1).arrive(bytes, ANSWERS_BYTES);
        }
    }

    /// Has the servers answer what they were asked.
    pub(super) fn serve(&mut self, now: u64, venue: &mut Venue, answers: Answers, rng: &mut Rng) {
        for k in 0..self.servers.len() {
            while let Some(request) = { lock(&self.servers[k].0).pop_front() } {
                self.asked += 1;
                let delay = match answers {
                    Answers::Dead => continue,
                    Answers::Seldom if rng.below(10) < 7 => continue,
                    Answers::Late => rng.below(ANSWER_LATE),
                    Answers::Prompt | Answers::Seldom => ANSWER,
                };
                if let Some(answer) = venue.on_request(&request) {
                    self.answers.push(Reverse((now + delay, self.asked, k, answer)));
                }
            }
        }
    }
}
