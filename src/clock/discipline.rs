//! Steering the clock by the wall clock, without ever making it jump.
//!
//! The wall clock itself is kept by chrony or PTP; this makes ours follow it. Each [`Discipline::adjust`] takes one reading of
//! both and bends the line from the present point on:
//!
//! ```text
//!   rate = (rate measured since the first reading) * (1 + offset / horizon),   at most ±500 ppm from the calibration
//! ```
//!
//! The horizon is [`HORIZON_NS`] or the time since the last adjustment, whichever is longer, so that a correction never
//! overshoots however seldom it is called. Once a second from the cold agent is a good rhythm. A wall clock that was *stepped*
//! shows as a measured rate beyond any counter's error: then the measurement starts anew, the old rate stays, and the offset
//! is worked off at the same bounded slope; [`Adjustment::offset_ns`] says how much there is to go.

use model::{Canary, Nanos};

use super::{Clock, Line, RATE_SHIFT, Sample, difference, sample};

/// An offset is worked off over this long.
const HORIZON_NS: u64 = 8_000_000_000;
/// Shorter spans say nothing about the rate.
const RATE_SPAN_NS_MIN: u64 = 1_000_000_000;
/// Largest bend, in parts of a billion: what ntpd and chrony allow themselves for a counter, too.
const BEND_PPB_MAX: i64 = 500_000;

/// What one adjustment found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// The wall clock minus ours, in ns, before the correction takes effect.
    pub offset_ns: i64,
    /// The uncertainty of that reading in ns.
    pub uncertainty_ns: u64,
    /// The rate now in force against the start-up calibration, in parts of a billion.
    pub bend_ppb: i64,
    /// Whether the wall clock was stepped since the first reading.
    pub stepped: bool,
}

/// The right to steer a [`Clock`]. There is one for all handles of it.
#[derive(Debug)]
pub struct Discipline {
    clock: Clock,
    servo: Servo,
}

impl Discipline {
    pub(super) fn new(clock: Clock) -> Discipline {
        let servo = Servo::new(clock.line());
        Discipline { clock, servo }
    }

    /// Reads both clocks and bends ours towards the wall clock, for all handles at once.
    ///
    /// Cost: some dozen counter and wall clock reads; for the cold agent.
    pub fn adjust(&mut self) -> Adjustment {
        self.bend(sample(&self.clock.counter))
    }

    /// As [`Discipline::adjust`], towards a wall clock that says this now.
    pub(crate) fn follow(&mut self, wall: Nanos) -> Adjustment {
        self.bend(Sample { ticks: self.clock.counter.raw(), wall_ns: wall.0, width_ticks: 0 })
    }

    fn bend(&mut self, sample: Sample) -> Adjustment {
        let adjustment = self.servo.step(sample);
        self.clock.shared.write(self.servo.line);
        adjustment
    }
}

/// The arithmetic, apart from the clocks it is about.
#[derive(Clone, Copy, Debug)]
struct Servo {
    line: Line,
    /// The rate of the calibration at start-up.
    calibrated: u64,
    /// The best rate known: calibrated, then measured.
    measured: u64,
    /// Where the measurement of the rate began.
    origin: (u64, u64),
    last_wall_ns: u64,
}

impl Servo {
    fn new(line: Line) -> Servo {
        Servo {
            line,
            calibrated: line.rate,
            measured: line.rate,
            origin: (line.anchor, line.unix_ns),
            last_wall_ns: line.unix_ns,
        }
    }

    fn step(&mut self, sample: Sample) -> Adjustment {
        let (ticks, wall) = self.origin;
        let (run, span) = (sample.ticks.saturating_sub(ticks), sample.wall_ns.saturating_sub(wall));
        let mut stepped = sample.wall_ns < wall;
        if run > 0 && span >= RATE_SPAN_NS_MIN {
            let rate = u64::try_from((u128::from(span) << RATE_SHIFT) / u128::from(run)).unwrap_or(u64::MAX);
            stepped = ppb(rate, self.calibrated).abs() > BEND_PPB_MAX;
            if !stepped {
                self.measured = rate;
            }
        }
        if stepped {
            self.origin = (sample.ticks, sample.wall_ns);
        }

        let here = self.line.at(sample.ticks);
        let offset_ns = difference(sample.wall_ns, here);
        let horizon = HORIZON_NS.max(sample.wall_ns.saturating_sub(self.last_wall_ns));
        let pull = i128::from(offset_ns) * 1_000_000_000 / i128::from(horizon);
        let wanted = i128::from(ppb(self.measured, self.calibrated)) + pull;
        let bend_ppb = wanted.clamp(i128::from(-BEND_PPB_MAX), i128::from(BEND_PPB_MAX)) as i64;
        let rate = i128::from(self.calibrated) * (1_000_000_000 + i128::from(bend_ppb)) / 1_000_000_000;

        self.line = Line {
            anchor: sample.ticks,
            unix_ns: if Canary::WallClock.sings() { sample.wall_ns } else { here },
            rate: u64::try_from(rate).unwrap_or(self.calibrated),
        };
        self.last_wall_ns = sample.wall_ns;
        let uncertainty_ns = Line { anchor: 0, unix_ns: 0, rate: self.calibrated }.at(sample.width_ticks);
        Adjustment { offset_ns, uncertainty_ns, bend_ppb, stepped }
    }
}

/// How much faster `rate` is than `than`, in parts of a billion, saturating.
fn ppb(rate: u64, than: u64) -> i64 {
    let by = (i128::from(rate) - i128::from(than)) * 1_000_000_000 / i128::from(than.max(1));
    i64::try_from(by).unwrap_or(if by > 0 { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host in arithmetic: a counter of 2.5 GHz whose calibration is wrong by `error_ppb`.
    struct Host {
        ns: u64,
        step_ns: i64,
    }

    impl Host {
        fn sample(&self) -> Sample {
            let wall_ns = (1_000_000_000_000 + self.ns).saturating_add_signed(self.step_ns);
            Sample { ticks: self.ns / 2 * 5, wall_ns, width_ticks: 100 }
        }
    }

    fn servo(error_ppb: i64) -> Servo {
        let exact = (2u64 << RATE_SHIFT) / 5;
        let rate = (i128::from(exact) * (1_000_000_000 + i128::from(error_ppb)) / 1_000_000_000) as u64;
        Servo::new(Line { anchor: 0, unix_ns: 1_000_000_000_000, rate })
    }

    /// Adjusts every `every_ns` for `rounds` and returns the offsets, checking that the clock never jumps.
    fn run(servo: &mut Servo, host: &mut Host, every_ns: u64, rounds: usize) -> Vec<i64> {
        let mut offsets = Vec::new();
        for _ in 0..rounds {
            host.ns += every_ns;
            let sample = host.sample();
            let before = servo.line.at(sample.ticks);
            offsets.push(servo.step(sample).offset_ns);
            assert_eq!(servo.line.at(sample.ticks), before, "the line is continuous where it bends");
            assert!(servo.line.at(sample.ticks + 5) > before, "and goes on");
        }
        offsets
    }

    #[test]
    fn a_calibration_error_is_worked_off_at_any_rhythm() {
        for every_ms in [100, 1_000, 10_000, 60_000] {
            for error_ppb in [-30_000, 10_000, 200_000] {
                let mut servo = servo(error_ppb);
                let offsets = run(&mut servo, &mut Host { ns: 0, step_ns: 0 }, every_ms * 1_000_000, 2_000);
                let worst = offsets[1_500..].iter().map(|o| o.abs()).max().unwrap();
                assert!(worst < 200, "{error_ppb} ppb every {every_ms} ms: {worst} ns off at the end");
                let peak = offsets.iter().map(|o| o.abs()).max().unwrap();
                let first = (error_ppb.unsigned_abs() * every_ms.max(1_000) / 1_000) as i64;
                assert!(
                    peak <= 2 * first + 200,
                    "{error_ppb} ppb every {every_ms} ms: overshoots to {peak} ns"
                );
            }
        }
    }

    #[test]
    fn a_stepped_wall_clock_is_reported_and_approached_at_the_bound() {
        for step_ns in [40_000_000, -40_000_000] {
            let (mut servo, mut host) = (servo(0), Host { ns: 0, step_ns: 0 });
            run(&mut servo, &mut host, 1_000_000_000, 20);
            host.step_ns = step_ns;
            host.ns += 1_000_000_000;
            let adjustment = servo.step(host.sample());
            assert!(adjustment.stepped, "{adjustment:?}");
            assert_eq!(adjustment.bend_ppb.abs(), BEND_PPB_MAX);
            let offsets = run(&mut servo, &mut host, 1_000_000_000, 300);
            assert!(offsets[0].abs() < 40_000_000 && offsets[0].abs() > 39_000_000);
            assert!(offsets[299].abs() < 200, "{} ns off at the end", offsets[299]);
        }
    }

    #[test]
    fn absurd_readings_bend_within_bounds() {
        let mut servo = servo(0);
        for (ticks, wall_ns) in [(0, 0), (u64::MAX, 1), (5, u64::MAX), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            let adjustment = servo.step(Sample { ticks, wall_ns, width_ticks: u64::MAX });
            assert!(adjustment.bend_ppb.abs() <= BEND_PPB_MAX, "{adjustment:?}");
        }
    }

    #[test]
    fn an_adjusted_clock_goes_on() {
        let clock = Clock::new();
        let mut discipline = clock.discipline().unwrap();
        let before = clock.now();
        let adjustment = discipline.adjust();
        assert!(adjustment.bend_ppb.abs() <= BEND_PPB_MAX);
        assert!(clock.now() >= before);
    }
}
