//! What a network does to the datagrams of one line: loses, doubles, delays and reorders them, by seed.
//!
//! ```text
//! send --loss?--> duplicate? --> reorder? --yes--> held until k later datagrams passed, or 5 ms
//!                                   |no                       |
//!                                   v                         v
//!                              queue, due at now + skew  <----+   --> poll
//! ```
//!
//! Invariants: with no faults, what goes in comes out at once and in order; the same seed and the same calls give the same output; nothing
//! is held for longer than `skew + 5 ms`, so a line always runs dry.

use std::collections::VecDeque;

use serde::Deserialize;

use super::rng::Rng;

/// How long a reordered datagram waits at most for others to pass it.
const HOLD_NS: u64 = 5_000_000;

/// The faults of one line. Probabilities are per datagram, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineFaults {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram comes twice.
    pub duplicate: f64,
    /// Probability that a datagram is overtaken by later ones.
    pub reorder: f64,
    /// By how many datagrams at most it is overtaken.
    pub reorder_distance: u32,
    /// Delay of the whole line, microseconds.
    pub skew_us: u64,
    /// Largest UDP payload of this line, bytes: lines that differ in it differ in how they pack the same messages.
    pub datagram_bytes: usize,
}

impl Default for LineFaults {
    fn default() -> LineFaults {
        LineFaults {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_distance: 4,
            skew_us: 0,
            datagram_bytes: 1400,
        }
    }
}

#[derive(Debug)]
struct Held {
    passes: u64,
    until: u64,
    bytes: Vec<u8>,
}

/// One line's network.
#[derive(Debug)]
pub struct FaultyLine {
    faults: LineFaults,
    rng: Rng,
    held: Vec<Held>,
    queue: VecDeque<(u64, Vec<u8>)>,
    lost: u64,
}

impl FaultyLine {
    /// A line with its own chance, number `line` of `seed`.
    #[must_use]
    pub fn new(faults: LineFaults, seed: u64, line: u64) -> FaultyLine {
        let rng = Rng::new(seed, 0x11E + line);
        FaultyLine { faults, rng, held: Vec::new(), queue: VecDeque::new(), lost: 0 }
    }

    /// Puts a datagram on the line at `now` (ns).
    pub fn send(&mut self, now: u64, bytes: Vec<u8>) {
        self.release(now, 0);
        // Every datagram draws the same numbers whatever becomes of it, so that one probability can be changed alone.
        let lost = self.rng.chance(self.faults.loss);
        let twice = self.rng.chance(self.faults.duplicate);
        let late = self.rng.chance(self.faults.reorder);
        let passes = 1 + self.rng.below(u64::from(self.faults.reorder_distance));
        if lost {
            self.lost += 1;
        } else {
            let copy = twice.then(|| bytes.clone());
            if late {
                self.held.push(Held { passes, until: now.saturating_add(HOLD_NS), bytes });
            } else {
                self.enqueue(now, bytes);
                self.release(now, 1);
            }
            if let Some(copy) = copy {
                self.enqueue(now, copy);
            }
        }
    }

    /// The next datagram that has reached the far end by `now`.
    pub fn poll(&mut self, now: u64) -> Option<Vec<u8>> {
        self.release(now, 0);
        if self.queue.front()?.0 > now {
            return None;
        }
        self.queue.pop_front().map(|(_, bytes)| bytes)
    }

    /// When [`Self::poll`] has something next.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let held = self.held.iter().map(|h| h.until).min();
        let queued = self.queue.front().map(|(due, _)| *due);
        [held, queued].into_iter().flatten().min()
    }

    /// Datagrams that the line lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn enqueue(&mut self, now: u64, bytes: Vec<u8>) {
        let due = now.saturating_add(self.faults.skew_us.saturating_mul(1_000));
        self.queue.push_back((due, bytes));
    }

    /// Lets `passed` datagrams overtake those held, and the ones that waited enough go.
    fn release(&mut self, now: u64, passed: u64) {
        let mut i = 0;
        while i < self.held.len() {
            let held = &mut self.held[i];
            held.passes = held.passes.saturating_sub(passed);
            if held.passes == 0 || held.until <= now {
                let held = self.held.remove(i);
                self.enqueue(now, held.bytes);
            } else {
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of the datagrams as they come out when 0..n go in, one each microsecond.
    fn run(faults: LineFaults, seed: u64, n: u32) -> Vec<u32> {
        let mut line = FaultyLine::new(faults, seed, 0);
        let mut out = Vec::new();
        for i in 0..n {
            let now = u64::from(i) * 1_000;
            line.send(now, i.to_be_bytes().to_vec());
            while let Some(b) = line.poll(now) {
                out.push(u32::from_be_bytes(b.try_into().unwrap()));
            }
        }
        while let Some(due) = line.next_due() {
            while let Some(b) = line.poll(due) {
                out.push(u32::from_be_bytes(b.try_into().unwrap()));
            }
        }
        out
    }

    #[test]
    fn no_faults_change_nothing() {
        assert_eq!(run(LineFaults::default(), 1, 1000), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_decides() {
        let f = LineFaults { loss: 0.1, duplicate: 0.1, reorder: 0.2, skew_us: 30, ..LineFaults::default() };
        let one = run(f.clone(), 42, 2000);
        assert_eq!(one, run(f.clone(), 42, 2000));
        assert_ne!(one, run(f, 43, 2000));
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let d = LineFaults::default;
        let n = 10_000u32;
        let lost = run(LineFaults { loss: 0.1, ..d() }, 5, n);
        assert!((8_700..9_300).contains(&lost.len()), "{}", lost.len());
        assert!(lost.is_sorted());

        let twice = run(LineFaults { duplicate: 0.1, ..d() }, 5, n);
        assert!((10_700..11_300).contains(&twice.len()), "{}", twice.len());

        let mixed = run(LineFaults { reorder: 0.1, reorder_distance: 3, ..d() }, 5, n);
        assert!(!mixed.is_sorted());
        // A datagram held while others are held too may be overtaken by those as well; nothing moves far.
        for (place, number) in mixed.iter().enumerate() {
            assert!(place.abs_diff(*number as usize) <= 8, "{number} came at {place}");
        }
        let mut sorted = mixed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "reordering loses nothing");
    }

    #[test]
    fn skew_delays_and_a_held_datagram_goes_alone() {
        let mut line = FaultyLine::new(LineFaults { skew_us: 50, ..LineFaults::default() }, 1, 0);
        line.send(1_000, vec![1]);
        assert_eq!((line.poll(50_999), line.next_due()), (None, Some(51_000)));
        assert_eq!(line.poll(51_000), Some(vec![1]));

        let mut line = FaultyLine::new(LineFaults { reorder: 1.0, ..LineFaults::default() }, 1, 0);
        line.send(0, vec![1]);
        assert_eq!(line.poll(0), None);
        assert_eq!(line.poll(HOLD_NS), Some(vec![1]));
    }
}
