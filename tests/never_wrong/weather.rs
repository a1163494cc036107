//! What goes wrong between the venue and the core, drawn from a seed.

use colo::exchange::faults::LineFaults;

use crate::exchange_support::MS;

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    pub fn among<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What a re-request server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Answers at once.
    Prompt,
    /// Answers, sometimes after the core's patience.
    Late,
    /// Answers with the first of the messages only.
    InPart,
    /// Answers now and then.
    Seldom,
    /// Is gone.
    Dead,
}

/// What becomes of a session with the snapshot server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes at once.
    Prompt,
    /// It comes so many bytes at a time.
    Slow(usize),
    /// The connection is refused.
    Refused,
    /// It breaks off after so many bytes.
    Cut(usize),
    /// It says nothing.
    Hangs,
}

/// A stretch of the day.
#[derive(Clone, Debug)]
pub struct Storm {
    pub lines: [LineFaults; 2],
    pub answers: Answers,
    /// Percent of the snapshots that come to something bad.
    pub bad_snapshots: u64,
    /// No line is heard from then on, for so long, ns after the storm's beginning.
    pub dark: (u64, u64),
    pub lasts: u64,
}

impl Storm {
    /// Nothing is lost, late or refused.
    pub fn calm() -> Storm {
        Storm {
            lines: [LineFaults::default(), LineFaults::default()],
            answers: Answers::Prompt,
            bad_snapshots: 0,
            dark: (u64::MAX, 0),
            lasts: u64::MAX,
        }
    }

    pub fn draw(rng: &mut Rng) -> Storm {
        // Each fault is there or not, so that they also come alone; where all are, a book is hardly ever valid.
        let mut of = |chance: u64, most: u64, scale: u64| match rng.chance(chance) {
            true => (1 + rng.below(most)) as f64 / scale as f64,
            false => 0.0,
        };
        let shared_loss = of(30, 10, 1_000);
        let lines = [(), ()].map(|()| LineFaults {
            loss: of(50, 100, 1_000),
            shared_loss,
            duplicate: of(50, 50, 100),
            reorder: of(30, 30, 100),
            reorder_distance: 64,
            skew_us: of(30, 1_000, 1) as u64,
            silence_ms: 1_000,
            silence_every_ms: of(30, 2_000, 1) as u64,
            ..LineFaults::default()
        });
        let dark = match rng.chance(20) {
            true => (rng.below(500 * MS), rng.among(&[200, 1_000, 2_500]) * MS),
            false => (u64::MAX, 0),
        };
        Storm {
            lines,
            answers: rng.among(&[
                Answers::Prompt,
                Answers::Late,
                Answers::InPart,
                Answers::Seldom,
                Answers::Dead,
            ]),
            bad_snapshots: rng.below(80),
            dark,
            lasts: (300 + rng.below(2_000)) * MS,
        }
    }

    pub fn fate(&self, rng: &mut Rng) -> Fate {
        if !rng.chance(self.bad_snapshots) {
            return if self.bad_snapshots > 0 && rng.chance(50) {
                Fate::Slow(1_000 + rng.below(20_000) as usize)
            } else {
                Fate::Prompt
            };
        }
        match rng.below(3) {
            0 => Fate::Refused,
            1 => Fate::Cut(rng.below(40_000) as usize),
            _ => Fate::Hangs,
        }
    }
}
