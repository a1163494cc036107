//! Whether the agents of a core beat: a state machine over what shared memory shows.
//!
//! Time is what the watchdog itself has lived through, in steps that are cut to [`STEP_MAX`]: a host that was suspended, or a watchdog that did not run, makes nobody late.

use model::Nanos;

/// The longest time between two looks that counts as seen.
const STEP_MAX: Nanos = Nanos::from_millis(250);

/// What the agent is called that writes to the disk.
const COLD: &str = "cold";

/// When an agent is late, and when that is the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without a beat for so long: a warning.
    pub late: Nanos,
    /// Without a beat for so long: the core is cut off.
    pub cut_off: Nanos,
    /// The same of the thread that writes to the disk: one that stands still holds it up, and nothing of it is lost meanwhile.
    pub cold_cut_off: Nanos,
    /// After the core has taken a kill by its socket, how long it has to become flat by itself.
    pub grace: Nanos,
}

/// An agent as shared memory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its name.
    pub name: String,
    /// Its duty cycles.
    pub cycles: u64,
    /// 0 starting, 1 running, 2 ended in order, 3 ended by a panic.
    pub phase: u64,
}

impl Beat {
    const RUNNING: u64 = 1;
    const ENDED: u64 = 2;

    /// Whether it is to beat.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.phase == Beat::RUNNING
    }
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All beat, or what does not was said.
    Fine,
    /// These have become late, and since when.
    Late(Vec<(String, Nanos)>),
    /// These beat again.
    Back(Vec<String>),
    /// This one has not beaten for longer than the limit.
    Stopped(String, Nanos),
    /// All agents ended in order.
    Ended,
}

struct Seen {
    cycles: u64,
    quiet: Nanos,
    is_late: bool,
}

/// See the module.
pub struct Watch {
    limits: Limits,
    seen: Vec<Seen>,
    first_late: Nanos,
}

impl Watch {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(limits: Limits) -> Watch {
        Watch { limits, seen: Vec::new(), first_late: Nanos::ZERO }
    }

    /// How long the first of those that are late now had been quiet when it was noticed.
    #[must_use]
    pub fn noticed_after(&self) -> Nanos {
        self.first_late
    }

    /// Looks at all agents, `step` after the last look.
    pub fn look(&mut self, step: Nanos, beats: &[Beat]) -> Verdict {
        let step = step.min(STEP_MAX);
        if self.seen.len() != beats.len() {
            let seen = |b: &Beat| Seen { cycles: b.cycles, quiet: Nanos::ZERO, is_late: false };
            self.seen = beats.iter().map(seen).collect();
            return Verdict::Fine;
        }
        if !beats.is_empty() && beats.iter().all(|b| b.phase == Beat::ENDED) {
            return Verdict::Ended;
        }
        let (mut late, mut back, mut stopped) = (Vec::new(), Vec::new(), None);
        for (seen, beat) in self.seen.iter_mut().zip(beats) {
            if beat.cycles != seen.cycles || beat.phase == Beat::ENDED {
                (seen.cycles, seen.quiet) = (beat.cycles, Nanos::ZERO);
                if std::mem::take(&mut seen.is_late) {
                    back.push(beat.name.clone());
                }
                continue;
            }
            seen.quiet = seen.quiet.after(step);
            // One that has panicked waits for no disk.
            let waits = beat.name == COLD && beat.is_running();
            let cut_off = if waits { self.limits.cold_cut_off } else { self.limits.cut_off };
            if seen.quiet >= cut_off {
                stopped.get_or_insert((beat.name.clone(), seen.quiet));
            } else if seen.quiet >= self.limits.late && !seen.is_late {
                late.push((beat.name.clone(), seen.quiet));
            }
            if seen.quiet >= self.limits.late && !std::mem::replace(&mut seen.is_late, true) {
                self.first_late = seen.quiet;
            }
        }
        match (stopped, late.is_empty(), back.is_empty()) {
            (Some((name, quiet)), ..) => Verdict::Stopped(name, quiet),
            (None, false, _) => Verdict::Late(late),
            (None, true, false) => Verdict::Back(back),
            (None, true, true) => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Nanos {
        Nanos::from_millis(n)
    }

    fn beat(name: &str, cycles: u64, phase: u64) -> Beat {
        Beat { name: name.into(), cycles, phase }
    }

    fn watch() -> Watch {
        Watch::new(Limits { late: ms(300), cut_off: ms(1_000), cold_cut_off: ms(2_000), grace: ms(100) })
    }

    #[test]
    fn one_that_stops_is_warned_of_and_then_it_is_the_end() {
        let mut w = watch();
        let at = |n: u64| [beat("strategy", 7, 1), beat("cold", n, 1)];
        assert_eq!(w.look(ms(100), &at(1)), Verdict::Fine);
        assert_eq!(w.look(ms(100), &at(2)), Verdict::Fine);
        assert_eq!(w.look(ms(100), &at(3)), Verdict::Fine);
        assert_eq!(w.look(ms(100), &at(4)), Verdict::Late(vec![("strategy".into(), ms(300))]));
        assert_eq!(w.look(ms(100), &at(5)), Verdict::Fine, "said once");
        for n in 6..11 {
            assert_eq!(w.look(ms(100), &at(n)), Verdict::Fine);
        }
        assert_eq!(w.look(ms(100), &at(11)), Verdict::Stopped("strategy".into(), ms(1_000)));
        assert_eq!(w.noticed_after(), ms(300));
    }

    #[test]
    fn the_thread_that_waits_for_a_disk_has_longer_and_not_where_it_has_panicked() {
        for (phase, after) in [(1, 2_000), (3, 1_000)] {
            let mut w = watch();
            let at = |n: u64| [beat("strategy", n, 1), beat(COLD, 7, phase)];
            let mut quiet = 0;
            let stopped = (0..).find_map(|n| match w.look(ms(100), &at(n)) {
                Verdict::Stopped(name, quiet) => Some((name, quiet)),
                Verdict::Late(late) => {
                    quiet = late[0].1.0;
                    None
                }
                _ => None,
            });
            assert_eq!((stopped, quiet), (Some((COLD.into(), ms(after))), ms(300).0), "{phase}");
        }
    }

    #[test]
    fn one_that_comes_back_begins_anew() {
        let mut w = watch();
        w.look(ms(200), &[beat("a", 1, 1)]);
        w.look(ms(200), &[beat("a", 1, 1)]);
        assert!(matches!(w.look(ms(200), &[beat("a", 1, 1)]), Verdict::Late(_)));
        assert_eq!(w.look(ms(200), &[beat("a", 2, 1)]), Verdict::Back(vec!["a".into()]));
        for _ in 0..1 {
            assert_eq!(w.look(ms(200), &[beat("a", 2, 1)]), Verdict::Fine);
        }
        assert!(matches!(w.look(ms(200), &[beat("a", 2, 1)]), Verdict::Late(_)));
    }

    #[test]
    fn time_that_was_not_seen_makes_nobody_late() {
        let mut w = watch();
        w.look(ms(10), &[beat("a", 1, 1)]);
        assert_eq!(w.look(ms(3_600_000), &[beat("a", 1, 1)]), Verdict::Fine);
        assert!(matches!(w.look(ms(3_600_000), &[beat("a", 1, 1)]), Verdict::Late(_)));
    }

    #[test]
    fn an_end_in_order_is_none_of_its_business_and_a_panic_is() {
        let mut w = watch();
        let ended = [beat("a", 1, 2), beat("b", 9, 1)];
        w.look(ms(250), &ended);
        for n in 10..30 {
            assert_eq!(w.look(ms(250), &[beat("a", 1, 2), beat("b", n, 1)]), Verdict::Fine);
        }
        assert_eq!(w.look(ms(250), &[beat("a", 1, 2), beat("b", 30, 2)]), Verdict::Ended);
        let mut w = watch();
        let panicked = [beat("a", 1, 3)];
        w.look(ms(250), &panicked);
        let verdicts: Vec<_> = (0..4).map(|_| w.look(ms(250), &panicked)).collect();
        assert!(matches!(verdicts[3], Verdict::Stopped(..)), "{verdicts:?}");
    }
}
