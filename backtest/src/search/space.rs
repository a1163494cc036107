//! What parameters may be: finite lists of values, for a strategy's parameters are integers, switches and words.

use engine::strategy::ParamValue;

/// Values of one parameter at most.
pub const VALUES_MAX: u64 = 1 << 24;

/// One parameter's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Integers from the first to at most the second, a step apart.
    Steps {
        /// The least.
        low: i64,
        /// None is above it.
        high: i64,
        /// Between two.
        step: i64,
        /// Near each other is what has a small quotient, not a small difference.
        log: bool,
    },
    /// These, of which none is nearer to another than a third.
    Choice(Vec<ParamValue>),
}

/// Values that no parameter can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// The ends.
    #[error(
        "{0}: from {1} to {2} by {3} is no list of values: the first is not above the second, the step is at least 1, at most 2^24 values"
    )]
    Steps(String, i64, i64, i64),
    /// A logarithm.
    #[error("{0}: log wants values above 0")]
    Log(String),
    /// Nothing to choose from.
    #[error("{0}: no value to choose from")]
    Empty(String),
    /// Twice.
    #[error("{0}: is there twice")]
    Twice(String),
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// Which value of each dimension, from 0.
pub type Point = Vec<u32>;

/// Parameters and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space(Vec<Dimension>);

impl Space {
    /// Of these.
    ///
    /// # Errors
    /// [`SpaceError`]: the first dimension that has no values, or has them twice.
    pub fn new(dimensions: Vec<Dimension>) -> Result<Space, SpaceError> {
        for (k, d) in dimensions.iter().enumerate() {
            let name = d.name.clone();
            if dimensions[..k].iter().any(|other| other.name == name) {
                return Err(SpaceError::Twice(name));
            }
            match &d.values {
                Values::Steps { low, high, step, log } => {
                    let count = high.checked_sub(*low).filter(|span| *span >= 0 && *step >= 1);
                    if count.is_none_or(|span| (span / step) as u64 >= VALUES_MAX) {
                        return Err(SpaceError::Steps(name, *low, *high, *step));
                    }
                    if *log && *low < 1 {
                        return Err(SpaceError::Log(name));
                    }
                }
                Values::Choice(all) if all.is_empty() => return Err(SpaceError::Empty(name)),
                Values::Choice(_) => {}
            }
        }
        Ok(Space(dimensions))
    }

    /// Its parameters.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.0
    }

    /// Its points; `None` beyond 64 bits.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.count().into()))
    }

    /// The point of a number, counted so that the last parameter changes first.
    #[must_use]
    pub fn point(&self, mut number: u64) -> Point {
        let mut point: Point = self
            .0
            .iter()
            .rev()
            .map(|d| {
                let at = number % u64::from(d.count());
                number /= u64::from(d.count());
                at as u32
            })
            .collect();
        point.reverse();
        point
    }

    /// Names and values of a point.
    pub fn values<'a>(&'a self, point: &'a [u32]) -> impl Iterator<Item = (&'a str, ParamValue)> + 'a {
        self.0.iter().zip(point).map(|(d, at)| (&*d.name, d.value(*at)))
    }
}

impl Dimension {
    /// How many values it has, at least 1.
    #[must_use]
    pub fn count(&self) -> u32 {
        match &self.values {
            Values::Steps { low, high, step, .. } => ((high - low) / step + 1) as u32,
            Values::Choice(all) => all.len() as u32,
        }
    }

    /// A value by its place.
    ///
    /// # Panics
    /// At [`Dimension::count`] and beyond.
    #[must_use]
    pub fn value(&self, at: u32) -> ParamValue {
        match &self.values {
            Values::Steps { low, step, .. } => ParamValue::Int(low + step * i64::from(at)),
            Values::Choice(all) => all[at as usize].clone(),
        }
    }

    /// Where a value lies on a line on which distance says how different two are; `None` where there is no such line.
    pub(super) fn place(&self, at: u32) -> Option<f64> {
        self.line().map(|line| line.at(f64::from(at)))
    }

    pub(super) fn line(&self) -> Option<Line> {
        match self.values {
            Values::Steps { low, step, log, .. } => {
                Some(Line { low: low as f64, step: step as f64, log, last: self.count() - 1 })
            }
            Values::Choice(_) => None,
        }
    }
}

/// See [`Dimension::place`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    low: f64,
    step: f64,
    log: bool,
    last: u32,
}

impl Line {
    /// Of a place between two values too.
    fn at(&self, place: f64) -> f64 {
        let value = self.low + self.step * place;
        // Half a step below the least may be no number that has a logarithm.
        if self.log { value.max(self.low / 2.0).ln() } else { value }
    }

    /// What belongs to a value: from half a step below it to half a step above.
    pub(super) fn cell(&self, at: u32) -> (f64, f64) {
        (self.at(f64::from(at) - 0.5), self.at(f64::from(at) + 0.5))
    }

    /// All of it.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.cell(0).0, self.cell(self.last).1)
    }

    /// The value whose cell a place is in.
    pub(super) fn nearest(&self, place: f64) -> u32 {
        let value = if self.log { place.exp() } else { place };
        let at = ((value - self.low) / self.step).round();
        (at.max(0.0) as u32).min(self.last)
    }
}
