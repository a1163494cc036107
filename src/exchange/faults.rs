//! What a network does to the datagrams of one line: loses, doubles, delays and reorders them, and falls silent, by seed.
//!
//! ```text
//! send --silent? lost? lost on every line?--> duplicate? --> reorder? --yes--> held until k later datagrams passed, or 5 ms
//!                                                               |no                       |
//!                                                               v                         v
//!                                                          queue, due at now + skew  <----+   --> poll
//! ```
//!
//! Lines fail apart, each by its own chance, and together: what [`LineFaults::shared_loss`] takes is gone on every line that has it, however each of
//! them packs it.
//!
//! Invariants: with no faults, what goes in comes out at once and in order; the same seed and the same calls give the same output; nothing
//! is held for longer than `skew + 5 ms`, so a line always runs dry.

use std::collections::VecDeque;
use std::ops::Range;

use serde::Deserialize;

use super::rng::Rng;

/// How long a reordered datagram waits at most for others to pass it.
const HOLD_NS: u64 = 5_000_000;
/// Messages that [`LineFaults::shared_loss`] takes at once.
const SHARED_STRETCH: u64 = 16;

/// The faults of one line. Probabilities are per datagram, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineFaults {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a stretch of 16 messages is lost, with every datagram that has one of them; the same stretches on all lines of a seed.
    pub shared_loss: f64,
    /// Probability that a datagram comes twice.
    pub duplicate: f64,
    /// Probability that a datagram is overtaken by later ones.
    pub reorder: f64,
    /// By how many datagrams at most it is overtaken.
    pub reorder_distance: u32,
    /// Delay of the whole line, microseconds.
    pub skew_us: u64,
    /// For how long the line falls silent: not even a heartbeat comes, milliseconds.
    pub silence_ms: u64,
    /// Mean time from the end of a silence to the next one, milliseconds; 0 for no silence.
    pub silence_every_ms: u64,
    /// Largest UDP payload of this line, bytes: lines that differ in it differ in how they pack the same messages.
    pub datagram_bytes: usize,
}

impl Default for LineFaults {
    fn default() -> LineFaults {
        LineFaults {
            loss: 0.0,
            shared_loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_distance: 4,
            skew_us: 0,
            silence_ms: 1_000,
            silence_every_ms: 0,
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
    seed: u64,
    rng: Rng,
    silences: Rng,
    /// The silence that runs or comes next; `None` before the first datagram.
    silence: Option<Range<u64>>,
    held: Vec<Held>,
    queue: VecDeque<(u64, Vec<u8>)>,
    lost: u64,
}

impl FaultyLine {
    /// A line with its own chance, number `line` of `seed`.
    #[must_use]
    pub fn new(faults: LineFaults, seed: u64, line: u64) -> FaultyLine {
        FaultyLine {
            faults,
            seed,
            rng: Rng::new(seed, 0x11E + line),
            silences: Rng::new(seed, 0x51E + line),
            silence: None,
            held: Vec::new(),
            queue: VecDeque::new(),
            lost: 0,
        }
    }

    /// Puts a datagram with these messages of the stream on the line at `now` (ns).
    pub fn send(&mut self, now: u64, messages: Range<u64>, bytes: Vec<u8>) {
        self.release(now, 0);
        // Every datagram draws the same numbers whatever becomes of it, so that one probability can be changed alone.
        let lost = self.rng.chance(self.faults.loss) | self.is_silent(now) | self.is_lost_on_all(messages);
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

    fn is_silent(&mut self, now: u64) -> bool {
        const MS: u64 = 1_000_000;
        let every = self.faults.silence_every_ms.saturating_mul(MS);
        if every == 0 {
            return false;
        }
        let mut silence = self.silence.take().unwrap_or(now..now);
        while silence.end <= now {
            let start = silence.end.saturating_add(1 + self.silences.below(every.saturating_mul(2)));
            silence = start..start.saturating_add(self.faults.silence_ms.saturating_mul(MS));
        }
        let is_silent = silence.start <= now;
        self.silence = Some(silence);
        is_silent
    }

    /// Follows from the seed and the messages alone: every line finds the same.
    fn is_lost_on_all(&self, messages: Range<u64>) -> bool {
        let mut stretches = messages.start / SHARED_STRETCH..messages.end.div_ceil(SHARED_STRETCH);
        let is_lost = |n: u64| Rng::new(self.seed, 0x5A11 + n).chance(self.faults.shared_loss);
        self.faults.shared_loss > 0.0 && !messages.is_empty() && stretches.any(is_lost)
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
            line.send(now, u64::from(i)..u64::from(i) + 1, i.to_be_bytes().to_vec());
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
        line.send(1_000, 1..2, vec![1]);
        assert_eq!((line.poll(50_999), line.next_due()), (None, Some(51_000)));
        assert_eq!(line.poll(51_000), Some(vec![1]));

        let mut line = FaultyLine::new(LineFaults { reorder: 1.0, ..LineFaults::default() }, 1, 0);
        line.send(0, 1..2, vec![1]);
        assert_eq!(line.poll(0), None);
        assert_eq!(line.poll(HOLD_NS), Some(vec![1]));
    }

    #[test]
    fn what_is_lost_on_all_lines_is_the_same_for_each_and_no_more() {
        let faults = LineFaults { shared_loss: 0.1, ..LineFaults::default() };
        let heard = |line: u64, packed: u64| {
            let mut line = FaultyLine::new(faults.clone(), 5, line);
            let mut heard = Vec::new();
            for first in (0..16_000).step_by(packed as usize) {
                line.send(0, first..first + packed, first.to_be_bytes().to_vec());
                while let Some(b) = line.poll(0) {
                    let first = u64::from_be_bytes(b.try_into().unwrap());
                    heard.extend((first..first + packed).map(|n| n / 16));
                }
            }
            heard.dedup();
            heard
        };
        let (alone, by_eight) = (heard(0, 1), heard(1, 8));
        assert_eq!(alone, by_eight);
        assert!((870..930).contains(&alone.len()), "{} of 1,000 stretches", alone.len());
        assert!(heard(0, 40).iter().all(|s| alone.contains(s)), "a datagram goes with any of its messages");
        let mut line = FaultyLine::new(LineFaults { shared_loss: 1.0, ..faults.clone() }, 5, 0);
        line.send(0, 7..7, vec![1]);
        assert_eq!(line.poll(0), Some(vec![1]), "a heartbeat has no message that could be lost");
    }

    #[test]
    fn a_silent_line_says_nothing_for_as_long_as_it_is_told() {
        let faults = LineFaults { silence_ms: 300, silence_every_ms: 500, ..LineFaults::default() };
        let mut line = FaultyLine::new(faults, 9, 0);
        let mut gaps = Vec::new();
        let mut last = 0u64;
        for ms in 0..100_000u64 {
            line.send(ms * 1_000_000, ms..ms + 1, vec![1]);
            if line.poll(ms * 1_000_000).is_some() {
                if ms > last + 1 {
                    gaps.push(ms - last - 1);
                }
                last = ms;
            }
        }
        assert!((90..160).contains(&gaps.len()), "{} silences in 100 s", gaps.len());
        assert!(gaps.iter().all(|g| (299..=301).contains(g)), "{gaps:?}");
    }
}
