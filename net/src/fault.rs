//! Seeded faults between a transport and its user: what networks do, on purpose and reproducibly.
//!
//! * [`Faulty`] over [`Datagrams`]: loses, duplicates and reorders.
//! * [`Choppy`] over [`ByteStream`]: splits reads and writes at any byte and pretends now and then that there is nothing, or no
//!   room; never loses or alters a byte, as TCP does not.
//!
//! The faults are a function of the seed and of the sequence of calls and answers, so one seed reproduces a failure as long as
//! the inner transport is itself deterministic (`mem` is).
//!
//! Reordering is bounded: a held datagram is overtaken by at most `reorder_depth` later ones, and is let go after
//! `hold_polls` polls that found nothing, so that the last datagram of a test arrives too.
//!
//! ```text
//!  inner ──► lost? ──► held back? ──► duplicated? ──► out
//!                        │   ▲ let go: overtaken often enough, or nothing else came
//!                        └───┘
//! ```

use std::collections::VecDeque;
use std::io;

use crate::{ByteStream, Datagrams, Received, empty_buffer};

/// A million: probabilities here are whole parts of it, so that a configuration is exact and compares equal.
pub const MILLION: u32 = 1_000_000;

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded by any value, good enough to choose faults by.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform enough in `0..n` for small `n`; 0 if `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.roll() % n as u64) as usize }
    }

    fn happens(&mut self, per_million: u32) -> bool {
        self.roll() % u64::from(MILLION) < u64::from(per_million)
    }
}

/// What a [`Faulty`] line does. All zero: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultConfig {
    /// Chooses the faults.
    pub seed: u64,
    /// Datagrams lost, in parts of a [`MILLION`].
    pub loss: u32,
    /// Datagrams delivered twice, in parts of a [`MILLION`].
    pub duplicate: u32,
    /// Datagrams held back to be overtaken, in parts of a [`MILLION`].
    pub reorder: u32,
    /// By how many later datagrams one may be overtaken at most. 0: no reordering.
    pub reorder_depth: usize,
    /// For how many polls in a row that find nothing a held datagram is still kept.
    pub hold_polls: u32,
}

/// What a [`Faulty`] line has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Datagrams that came from the inner transport.
    pub seen: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Held back.
    pub held: u64,
}

/// A held datagram.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    /// Deliveries after which it is let go.
    overtakes_left: usize,
}

/// Datagrams with seeded loss, duplication and bounded reordering.
#[derive(Debug)]
pub struct Faulty<D> {
    inner: D,
    config: FaultConfig,
    dice: Dice,
    counts: FaultCounts,
    held: VecDeque<Held>,
    /// A copy to deliver next.
    copy: Option<Vec<u8>>,
    idle_polls: u32,
}

impl<D: Datagrams> Faulty<D> {
    /// `inner`, disturbed as `config` says.
    #[must_use]
    pub fn new(inner: D, config: FaultConfig) -> Faulty<D> {
        let dice = Dice(config.seed);
        Faulty {
            inner,
            config,
            dice,
            counts: FaultCounts::default(),
            held: VecDeque::new(),
            copy: None,
            idle_polls: 0,
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// The transport below.
    pub fn inner(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Delivers what is at the front of `buf`, perhaps with a copy to follow.
    fn deliver(&mut self, buf: &[u8]) {
        for held in &mut self.held {
            // Several may be due at once; they then leave oldest first, one a call.
            held.overtakes_left = held.overtakes_left.saturating_sub(1);
        }
        if self.dice.happens(self.config.duplicate) {
            self.counts.duplicated += 1;
            self.copy = Some(buf.to_vec());
        }
    }

    /// Lets go the oldest held datagram that is due, or the oldest at all when `idle`.
    fn let_go(&mut self, idle: bool) -> Option<Vec<u8>> {
        let at = if idle && !self.held.is_empty() {
            0
        } else {
            self.held.iter().position(|held| held.overtakes_left == 0)?
        };
        self.held.remove(at).map(|held| held.bytes)
    }
}

/// Puts `bytes` at the front of `buf`; `None` when they do not fit, as the contract has it.
fn put(bytes: &[u8], buf: &mut [u8]) -> Option<usize> {
    buf.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

impl<D: Datagrams> Datagrams for Faulty<D> {
    /// Allocates for each datagram that is held or copied: this is for tests.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(bytes) = self.copy.take() {
            return Ok(put(&bytes, buf));
        }
        // First: a held one that has been overtaken often enough must not be overtaken again.
        if let Some(bytes) = self.let_go(false) {
            let n = put(&bytes, buf);
            self.deliver(&bytes);
            return Ok(n);
        }
        while let Some(n) = self.inner.recv(buf)? {
            self.counts.seen += 1;
            self.idle_polls = 0;
            if self.dice.happens(self.config.loss) {
                self.counts.lost += 1;
            } else if self.config.reorder_depth > 0 && self.dice.happens(self.config.reorder) {
                self.counts.held += 1;
                let overtakes_left = 1 + self.dice.below(self.config.reorder_depth);
                self.held.push_back(Held { bytes: buf[..n].to_vec(), overtakes_left });
            } else {
                self.deliver(&buf[..n]);
                return Ok(Some(n));
            }
        }
        self.idle_polls = self.idle_polls.saturating_add(1);
        if self.idle_polls > self.config.hold_polls
            && let Some(bytes) = self.let_go(true)
        {
            let n = put(&bytes, buf);
            self.deliver(&bytes);
            return Ok(n);
        }
        Ok(None)
    }
}

/// A byte stream whose reads and writes are cut short, by a seed.
#[derive(Debug)]
pub struct Choppy<S> {
    inner: S,
    dice: Dice,
    chunk_max: usize,
    pause: u32,
}

impl<S: ByteStream> Choppy<S> {
    /// `inner`, moving 1 to `chunk_max` bytes a call, and nothing at all in `pause` parts of a [`MILLION`] calls.
    ///
    /// # Panics
    /// If `chunk_max` is 0 or `pause` a [`MILLION`] or more: nothing would ever flow.
    #[must_use]
    pub fn new(inner: S, seed: u64, chunk_max: usize, pause: u32) -> Choppy<S> {
        assert!(chunk_max > 0 && pause < MILLION, "a choppy stream must let something through");
        Choppy { inner, dice: Dice(seed), chunk_max, pause }
    }

    /// The transport below.
    pub fn inner(&mut self) -> &mut S {
        &mut self.inner
    }

    fn chunk(&mut self, len: usize) -> usize {
        len.min(1 + self.dice.below(self.chunk_max))
    }
}

impl<S: ByteStream> ByteStream for Choppy<S> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if buf.is_empty() {
            return Err(empty_buffer());
        }
        if self.dice.happens(self.pause) {
            return Ok(Received::Nothing);
        }
        let n = self.chunk(buf.len());
        self.inner.recv(&mut buf[..n])
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.dice.happens(self.pause) {
            return Ok(0);
        }
        let n = self.chunk(bytes.len());
        self.inner.send(&bytes[..n])
    }

    fn flush(&mut self) -> io::Result<bool> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DatagramSend, mem};

    const SENT: u32 = 2_000;

    /// What arrives of `0..SENT` through a line with these faults.
    fn arrivals(config: FaultConfig) -> (Vec<u32>, FaultCounts) {
        let (mut tx, rx) = mem::datagrams(SENT as usize, 4 * SENT as usize);
        for i in 0..SENT {
            tx.send(&i.to_be_bytes()).unwrap();
        }
        let mut line = Faulty::new(rx, config);
        let (mut got, mut buf, mut idle) = (Vec::new(), [0; 4], 0);
        while idle <= config.hold_polls {
            match line.recv(&mut buf).unwrap() {
                Some(n) => {
                    assert_eq!(n, 4);
                    got.push(u32::from_be_bytes(buf));
                    idle = 0;
                }
                None => idle += 1,
            }
        }
        (got, line.counts())
    }

    #[test]
    fn no_faults_is_transparent() {
        let (got, counts) = arrivals(FaultConfig { seed: 1, ..FaultConfig::default() });
        assert_eq!(got, (0..SENT).collect::<Vec<_>>());
        assert_eq!(counts, FaultCounts { seen: u64::from(SENT), ..FaultCounts::default() });
    }

    #[test]
    fn every_datagram_is_accounted_for_and_the_seed_decides() {
        for seed in 0..20 {
            let config = FaultConfig {
                seed,
                loss: 50_000,
                duplicate: 30_000,
                reorder: 100_000,
                reorder_depth: 5,
                hold_polls: 3,
            };
            let (got, counts) = arrivals(config);
            assert_eq!(got.len() as u64, counts.seen - counts.lost + counts.duplicated, "seed {seed}");
            assert!(counts.lost > 0 && counts.duplicated > 0 && counts.held > 0, "seed {seed}: {counts:?}");
            let distinct: std::collections::BTreeSet<_> = got.iter().collect();
            assert_eq!(distinct.len() as u64, counts.seen - counts.lost, "seed {seed}");
            assert_eq!(got, arrivals(config).0, "seed {seed} does not reproduce");
        }
        let with = |seed| arrivals(FaultConfig { seed, loss: 50_000, ..FaultConfig::default() }).0;
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn nobody_is_overtaken_by_more_than_the_depth() {
        for seed in 0..20 {
            let config = FaultConfig { seed, reorder: 300_000, reorder_depth: 4, ..FaultConfig::default() };
            let (got, _) = arrivals(config);
            assert_eq!(got.len(), SENT as usize, "seed {seed}");
            let mut moved = 0;
            for (at, &value) in got.iter().enumerate() {
                let overtakers = got[..at].iter().filter(|&&earlier| earlier > value).count();
                assert!(overtakers <= 4, "seed {seed}: {value} was overtaken {overtakers} times");
                moved += usize::from(overtakers > 0);
            }
            assert!(moved > 0, "seed {seed} reordered nothing");
        }
    }

    #[test]
    fn a_choppy_stream_alters_no_byte() {
        let sent: Vec<u8> = (0..5_000u32).map(|i| i as u8).collect();
        for seed in 0..10 {
            let (a, b) = mem::streams(64);
            let (mut a, mut b) = (Choppy::new(a, seed, 7, 300_000), Choppy::new(b, seed + 100, 5, 300_000));
            let (mut at, mut got, mut buf) = (0, Vec::new(), [0; 32]);
            while got.len() < sent.len() {
                at += a.send(&sent[at..]).unwrap();
                if let Received::Data(n) = b.recv(&mut buf).unwrap() {
                    assert!(n <= 5, "seed {seed}");
                    got.extend_from_slice(&buf[..n]);
                }
            }
            assert_eq!(got, sent, "seed {seed}");
        }
    }
}
