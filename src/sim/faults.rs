//! What goes wrong, drawn from a seed: a plan for the whole of it, and a storm for a stretch of it. Each fault is there or not, so that they also come alone.

use std::fmt;

use crate::exchange::faults::LineFaults;
use crate::exchange::rng::Rng;

/// ns in a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// The kinds of fault, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Fault {
    /// A line lost datagrams for a while.
    Loss,
    /// A line doubled them.
    Duplication,
    /// A line reordered them.
    Reordering,
    /// A line came later than the other.
    Skew,
    /// No line was heard for a while.
    Partition,
    /// The re-request servers were gone, late, or answered in part.
    Rerequest,
    /// A snapshot was refused, slow, broken off, or never came.
    Snapshot,
    /// A socket's buffer was full, and a datagram lost.
    Overrun,
    /// The order session was cut.
    Cut,
    /// Bytes of the order session stood still for a while.
    Freeze,
    /// Nobody took the core's calls.
    Unreachable,
    /// An agent did not run for a while, and what was for it piled up.
    Stall,
    /// The process was killed.
    Crash,
    /// And its journal's last pages were lost.
    TornTail,
    /// The wall clock was stepped.
    ClockStep,
    /// The disk was full.
    DiskFull,
    /// The disk failed.
    DiskError,
    /// The venue halted or paused a symbol.
    VenueHalt,
    /// The venue broke a trade.
    Bust,
    /// What is outside of the engine restrained it.
    Trip,
    /// A person halted trading, or had everything canceled.
    Operator,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 21] = {
        use Fault::*;
        [
            Loss,
            Duplication,
            Reordering,
            Skew,
            Partition,
            Rerequest,
            Snapshot,
            Overrun,
            Cut,
            Freeze,
            Unreachable,
            Stall,
            Crash,
            TornTail,
            ClockStep,
            DiskFull,
            DiskError,
            VenueHalt,
            Bust,
            Trip,
            Operator,
        ]
    };

    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

/// How often each fault came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// Once more.
    pub(super) fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// So many more.
    pub(super) fn merge(&mut self, other: &FaultCounts) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }

    /// How often it came.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }
}

impl fmt::Display for FaultCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        for fault in Fault::ALL {
            write!(f, "{sep}{}={}", fault.name(), self.of(fault))?;
            sep = " ";
        }
        Ok(())
    }
}

/// What a re-request server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Answers at once.
    Prompt,
    /// Answers, sometimes after the core's patience.
    Late,
    /// Answers now and then.
    Seldom,
    /// Is gone.
    Dead,
}

/// What becomes of a session with the snapshot server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes as fast as the network.
    Prompt,
    /// It comes so many bytes at a time.
    Slow(usize),
    /// The connection is refused.
    Refused,
    /// It breaks off after so many bytes.
    CutAfter(usize),
}

/// What a seed is about as a whole.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Messages of the market in a second.
    pub(super) rate: u64,
    /// Virtual time of a step, ns.
    pub(super) tick: u64,
    /// One change of a book in so many makes the strategy act.
    pub(super) trades_every: u64,
    pub(super) cancel_on_disconnect: bool,
    /// Of the order session, ns: each way.
    pub(super) delay: [u64; 2],
    /// What a line's datagram holds, bytes.
    pub(super) datagram_bytes: [usize; 2],
    /// Bytes of a socket's receive buffer.
    pub(super) buffer_bytes: usize,
    /// Which faults come: those of lines, of the order session, of agents, of the process, of the disk, of clocks, of people and the venue.
    pub(super) has: [bool; 7],
    /// Steps from one fault of the order session to the next, on the mean; those of the process and the disk are eight times as seldom.
    pub(super) spacing: u64,
}

/// Indices of [`Plan::has`].
pub(super) const LINES: usize = 0;
pub(super) const SESSION: usize = 1;
pub(super) const AGENTS: usize = 2;
pub(super) const PROCESS: usize = 3;
pub(super) const DISK: usize = 4;
pub(super) const CLOCKS: usize = 5;
pub(super) const PEOPLE: usize = 6;

pub(super) fn among<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.below(all.len() as u64) as usize]
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Plan {
        let rate = among(rng, &[5_000, 20_000, 80_000]);
        let messages = among(rng, &[4, 16, 48]);
        let delay = [(); 2].map(|()| among(rng, &[0, 50_000, MS, 20 * MS]));
        Plan {
            rate,
            tick: messages * 1_000_000_000 / rate,
            trades_every: among(rng, &[10, 40, 150]),
            cancel_on_disconnect: rng.below(2) == 0,
            delay,
            datagram_bytes: [among(rng, &[200, 500, 1_400]), among(rng, &[128, 300, 1_400])],
            buffer_bytes: among(rng, &[16_384, 131_072, 1 << 20]),
            has: [(); 7].map(|()| rng.below(3) > 0),
            spacing: among(rng, &[60, 250, 1_000]),
        }
    }
}

/// A stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Storm {
    pub(super) lines: [LineFaults; 2],
    pub(super) answers: Answers,
    /// Snapshots that come to something bad, of 100.
    pub(super) bad_snapshots: u64,
    /// No line is heard from the first to the second, ns after the storm's beginning.
    pub(super) dark: (u64, u64),
    /// Steps.
    pub(super) lasts: u64,
}

impl Storm {
    /// Nothing is lost, late or refused.
    pub(super) fn calm() -> Storm {
        Storm {
            lines: [LineFaults::default(), LineFaults::default()],
            answers: Answers::Prompt,
            bad_snapshots: 0,
            dark: (0, 0),
            lasts: 0,
        }
    }

    /// Draws one; what it has is counted.
    pub(super) fn draw(rng: &mut Rng, plan: &Plan, counts: &mut FaultCounts) -> Storm {
        let lasts = 200 + rng.below(3_000);
        if !plan.has[LINES] {
            return Storm { lasts, ..Storm::calm() };
        }
        let mut of = |percent: u64, most: u64, scale: f64| match rng.below(100) < percent {
            true => (1 + rng.below(most)) as f64 / scale,
            false => 0.0,
        };
        let shared_loss = of(30, 10, 1_000.0);
        let lines = [(), ()].map(|()| LineFaults {
            loss: of(50, 100, 1_000.0),
            shared_loss,
            duplicate: of(50, 50, 100.0),
            reorder: of(30, 30, 100.0),
            reorder_distance: 64,
            skew_us: of(30, 3_000, 1.0) as u64,
            silence_ms: 300,
            silence_every_ms: of(20, 3_000, 1.0) as u64,
            ..LineFaults::default()
        });
        for line in &lines {
            let seen = [
                (line.loss > 0.0 || line.shared_loss > 0.0, Fault::Loss),
                (line.duplicate > 0.0, Fault::Duplication),
                (line.reorder > 0.0, Fault::Reordering),
                (line.skew_us > 0, Fault::Skew),
            ];
            seen.into_iter().filter(|(is_there, _)| *is_there).for_each(|(_, fault)| counts.add(fault));
        }
        let answers = among(rng, &[Answers::Prompt, Answers::Late, Answers::Seldom, Answers::Dead]);
        if answers != Answers::Prompt {
            counts.add(Fault::Rerequest);
        }
        let dark = match rng.below(4) {
            0 => {
                counts.add(Fault::Partition);
                let from = rng.below(300 * MS);
                (from, from + among(rng, &[50, 400, 2_500, 6_000]) * MS)
            }
            _ => (0, 0),
        };
        let bad_snapshots = rng.below(2) * rng.below(80);
        Storm { lines, answers, bad_snapshots, dark, lasts }
    }

    /// What becomes of the next snapshot.
    pub(super) fn fate(&self, rng: &mut Rng, counts: &mut FaultCounts) -> Fate {
        if rng.below(100) >= self.bad_snapshots {
            return Fate::Prompt;
        }
        counts.add(Fault::Snapshot);
        match rng.below(3) {
            0 => Fate::Refused,
            1 => Fate::CutAfter(rng.below(40_000) as usize),
            _ => Fate::Slow(200 + rng.below(4_000) as usize),
        }
    }
}
