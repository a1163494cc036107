//! What is counted of a stream of ITCH 5.0 messages. Nothing is kept of a message, so memory is flat: a count for each type and each instrument's number.
//!
//! Seconds and milliseconds are those of the venue's clock, beginning at whole ones. A stamp that goes back counts to the busiest stretch it comes in,
//! and as one that goes back.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use feeds::itch50::wire::LENGTHS;
use feeds::itch50::{DecodeError, decode};
use model::InstrumentId;
use serde::Serialize;

use crate::cli::book::{Symbols, type_name};

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// Numbers that an instrument may have.
const LOCATES: usize = 1 << 16;

/// Messages and their bytes, lengths before them not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Volume {
    pub messages: u64,
    pub bytes: u64,
}

/// A stretch of time and the messages in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Stretch {
    /// Where it begins, ns since midnight.
    pub at_ns: u64,
    pub messages: u64,
}

/// An instrument and its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Busy {
    pub symbol: String,
    pub locate: u16,
    pub messages: u64,
}

/// The fullest of all stretches of one width.
struct Fullest {
    width: u64,
    now: Stretch,
    most: Stretch,
}

impl Fullest {
    fn new(width: u64) -> Fullest {
        Fullest { width, now: Stretch::default(), most: Stretch::default() }
    }

    #[inline]
    fn count(&mut self, ns: u64) {
        if ns >= self.now.at_ns + self.width {
            self.now = Stretch { at_ns: ns - ns % self.width, messages: 0 };
        }
        self.now.messages += 1;
        if self.now.messages > self.most.messages {
            self.most = self.now;
        }
    }
}

/// See the module.
pub(super) struct Counts {
    by_type: [Volume; 256],
    by_locate: Vec<u64>,
    symbols: Symbols,
    malformed: u64,
    first: Option<u64>,
    last: u64,
    went_back: u64,
    second: Fullest,
    millisecond: Fullest,
}

/// What was counted, as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub messages: u64,
    pub bytes: u64,
    pub by_type: BTreeMap<String, Volume>,
    pub first_ns: Option<u64>,
    pub last_ns: Option<u64>,
    pub mean_per_second: Option<f64>,
    pub busiest_second: Option<Stretch>,
    pub worst_millisecond: Option<Stretch>,
    pub symbols: Vec<Busy>,
    pub unknown_types: u64,
    pub malformed: u64,
    pub stamps_back: u64,
}

impl Counts {
    pub(super) fn new() -> Counts {
        Counts {
            by_type: [Volume::default(); 256],
            by_locate: vec![0; LOCATES],
            symbols: Symbols::new(),
            malformed: 0,
            first: None,
            last: 0,
            went_back: 0,
            second: Fullest::new(SECOND),
            millisecond: Fullest::new(MILLISECOND),
        }
    }

    /// Counts one message. No allocation.
    pub(super) fn count(&mut self, msg: &[u8]) {
        let Some(&kind) = msg.first() else {
            self.malformed += 1;
            return;
        };
        let volume = &mut self.by_type[usize::from(kind)];
        volume.messages += 1;
        volume.bytes += msg.len() as u64;
        let event = match decode(msg) {
            Ok(event) => event,
            Err(DecodeError::Unknown(_)) => return,
            Err(_) => {
                self.malformed += 1;
                return;
            }
        };
        self.symbols.learn(msg);
        self.by_locate[event.instrument.index()] += 1;
        let ns = event.ts_event.0;
        self.first = self.first.or(Some(ns));
        self.went_back += u64::from(ns < self.last);
        self.last = self.last.max(ns);
        self.second.count(ns);
        self.millisecond.count(ns);
    }

    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.by_type.iter().map(|v| v.messages).sum()
    }

    /// What was counted, with the `top` busiest instruments.
    pub(super) fn summary(&self, top: usize) -> Summary {
        let of = |kind: usize| (type_name(kind as u8), self.by_type[kind]);
        let seen = |kind: &usize| self.by_type[*kind].messages > 0;
        let unknown = |kind: &usize| LENGTHS[*kind] == 0;
        let stamped: u64 = self.by_locate.iter().sum();
        let span = self.first.map_or(0, |first| self.last.saturating_sub(first));
        // Number 0 is the market as a whole.
        let mut busy: Vec<usize> = (1..LOCATES).filter(|k| self.by_locate[*k] > 0).collect();
        busy.sort_by_key(|k| (Reverse(self.by_locate[*k]), *k));
        busy.truncate(top);
        let symbols = busy.into_iter().map(|k| Busy {
            symbol: self.symbols.of(InstrumentId(k as u16)).to_string(),
            locate: k as u16,
            messages: self.by_locate[k],
        });
        let any = |stretch: Stretch| self.first.map(|_| stretch);
        Summary {
            messages: self.messages(),
            bytes: self.by_type.iter().map(|v| v.bytes).sum(),
            by_type: (0..256).filter(seen).map(of).collect(),
            first_ns: self.first,
            last_ns: self.first.map(|_| self.last),
            mean_per_second: (span > 0).then(|| stamped as f64 * SECOND as f64 / span as f64),
            busiest_second: any(self.second.most),
            worst_millisecond: any(self.millisecond.most),
            symbols: symbols.collect(),
            unknown_types: (0..256).filter(unknown).map(|kind| self.by_type[kind].messages).sum(),
            malformed: self.malformed,
            stamps_back: self.went_back,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(locate: u16, ns: u64) -> Vec<u8> {
        let mut m = vec![b'D', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        m[1..3].copy_from_slice(&locate.to_be_bytes());
        m[5..11].copy_from_slice(&ns.to_be_bytes()[2..]);
        m
    }

    #[test]
    fn stretches_begin_at_whole_ones_and_the_fullest_stays() {
        let mut counts = Counts::new();
        for ns in [999_999, 1_000_000, 1_999_999, 2_000_000, SECOND, SECOND + 1, SECOND + 2] {
            counts.count(&delete(7, ns));
        }
        let s = counts.summary(3);
        assert_eq!(s.worst_millisecond, Some(Stretch { at_ns: SECOND, messages: 3 }));
        assert_eq!(s.busiest_second, Some(Stretch { at_ns: 0, messages: 4 }));
        assert_eq!((s.first_ns, s.last_ns), (Some(999_999), Some(SECOND + 2)));
        let mean = s.mean_per_second.unwrap();
        assert!((mean - 7.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn a_stamp_that_goes_back_is_told_and_opens_no_stretch() {
        let mut counts = Counts::new();
        for ns in [5 * SECOND, 4 * SECOND, 5 * SECOND] {
            counts.count(&delete(7, ns));
        }
        let s = counts.summary(3);
        assert_eq!((s.stamps_back, s.last_ns), (1, Some(5 * SECOND)));
        assert_eq!(s.busiest_second, Some(Stretch { at_ns: 5 * SECOND, messages: 3 }));
    }

    #[test]
    fn what_is_not_understood_has_no_part_in_rates() {
        let mut counts = Counts::new();
        counts.count(b"");
        counts.count(b"zNEW");
        counts.count(b"A too short");
        counts.count(&[1, 2]);
        let s = counts.summary(3);
        assert_eq!((s.messages, s.unknown_types, s.malformed), (3, 2, 2));
        assert_eq!(s.by_type["0x01"], Volume { messages: 1, bytes: 2 });
        assert_eq!((s.first_ns, s.worst_millisecond, s.mean_per_second), (None, None, None));
        assert!(s.symbols.is_empty());
    }

    #[test]
    fn the_busiest_come_first_and_equals_by_number() {
        let mut counts = Counts::new();
        for locate in [3, 9, 9, 0, 0, 0, 2, 5] {
            counts.count(&delete(locate, 1));
        }
        let of: Vec<_> = counts.summary(3).symbols.iter().map(|b| (b.locate, b.messages)).collect();
        assert_eq!(of, [(9, 2), (2, 1), (3, 1)]);
    }
}
