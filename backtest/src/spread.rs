//! How long things took, counted: a histogram whose parts are a sixteenth of a power of two wide, so that a quantile is at most 6.25 % above what was measured.
//!
//! ```text
//!   0 1 2 ... 15 | 16 17 ... 31 | 32 34 ... 62 | 64 68 ...      one part each below 16 ns, then 16 parts a power of two
//! ```

use model::Nanos;

/// Parts a power of two.
const PARTS: u64 = 16;

/// Durations, counted. Takes at most 8 KiB, whatever it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// By part; grows to the longest that was seen.
    counts: Vec<u64>,
    n: u64,
    most: u64,
}

fn part(ns: u64) -> usize {
    if ns < PARTS {
        return ns as usize;
    }
    let power = u64::from(ns.ilog2());
    ((power - 3) * PARTS + (ns >> (power - 4)) - PARTS) as usize
}

/// The first duration of a part.
fn begins(part: usize) -> u64 {
    let part = part as u64;
    if part < PARTS {
        return part;
    }
    let (power, at) = (part / PARTS + 3, part % PARTS);
    (PARTS + at) << (power - 4)
}

impl Spread {
    /// Counts one.
    #[inline]
    pub fn note(&mut self, took: Nanos) {
        let at = part(took.0);
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.n += 1;
        self.most = self.most.max(took.0);
    }

    /// Counts all that another counted.
    pub fn add(&mut self, other: &Spread) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
        self.n += other.n;
        self.most = self.most.max(other.most);
    }

    /// How many.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The longest.
    #[must_use]
    pub fn most(&self) -> Nanos {
        Nanos(self.most)
    }

    /// The least at or below which so many of 1,000 lie (nearest rank), rounded up to the end of its part; `None` of nothing.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<Nanos> {
        let rank = (self.n * per_mille).div_ceil(1_000).max(1);
        let mut below = 0;
        let at = self.counts.iter().position(|n| {
            below += n;
            below >= rank
        })?;
        Some(Nanos((begins(at + 1) - 1).min(self.most)))
    }

    /// The parts that hold any: where each begins, and how many.
    pub fn parts(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        let held = self.counts.iter().enumerate().filter(|(_, n)| **n != 0);
        held.map(|(at, n)| (Nanos(begins(at)), *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_its_part() {
        let near = (0..64).flat_map(|p| [1u64 << p, (1 << p) + 1, (1u64 << p).wrapping_sub(1)]);
        for ns in (0..5_000).chain(near).chain([u64::MAX]) {
            let at = part(ns);
            let first = begins(at);
            assert!(first <= ns, "{ns} is in part {at}, which begins at {first}");
            assert_eq!(part(first), at);
            if at < part(u64::MAX) {
                let next = begins(at + 1);
                assert!(ns < next && (next - first) * PARTS <= first.max(PARTS), "{ns}: {first} to {next}");
            }
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut s = Spread::default();
        assert_eq!(s.quantile(500), None);
        (1..=1_000).for_each(|k| s.note(Nanos(k * 1_000)));
        for (per_mille, exact) in [(500, 500_000), (990, 990_000), (1_000, 1_000_000)] {
            let Nanos(got) = s.quantile(per_mille).unwrap();
            assert!((exact..=exact + exact / 16).contains(&got), "{per_mille}: {got}");
        }
        assert_eq!((s.n(), s.most(), s.parts().map(|p| p.1).sum()), (1_000, Nanos(1_000_000), 1_000));
        let mut twice = s.clone();
        twice.add(&s);
        assert_eq!((twice.n(), twice.quantile(500)), (2_000, s.quantile(500)));
    }
}
