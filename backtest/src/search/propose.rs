//! The next point to try: by a grid, by chance, or by what was good so far.

use std::collections::HashSet;

use super::space::{Point, Space};
use super::{Chance, tpe};

/// How points are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every point, in the order of their numbers.
    Grid,
    /// Each as likely as another (Bergstra and Bengio 2012).
    Random,
    /// Tree-structured Parzen estimator (Bergstra et al. 2011).
    Tpe,
}

/// Points by chance before anything is believed.
const AT_FIRST: usize = 10;
/// Draws for a point that was not tried yet.
const DRAWS: u64 = 64;

impl Method {
    /// The next `n` points behind a history of points and their values, of which more is better; fewer where no more are left that were not tried. Every point of a call knows the same history, so
    /// they can be run beside each other.
    #[must_use]
    pub fn propose(self, space: &Space, seed: u64, history: &[(Point, Option<f64>)], n: usize) -> Vec<Point> {
        let size = space.size().unwrap_or(u64::MAX);
        let mut tried: HashSet<Point> = history.iter().map(|(point, _)| point.clone()).collect();
        let mut proposed = Vec::new();
        while proposed.len() < n && (tried.len() as u64) < size {
            let number = history.len() as u64 + proposed.len() as u64;
            let mut draw = |k: u64| match self {
                Method::Grid => space.point((number + k) % size),
                Method::Random => by_chance(space, &mut Chance::new(seed, number * DRAWS + k)),
                Method::Tpe if history.len() < AT_FIRST => {
                    by_chance(space, &mut Chance::new(seed, number * DRAWS + k))
                }
                Method::Tpe => {
                    let mut chance = Chance::new(seed, number * DRAWS + k);
                    let (good, rest) = tpe::part(history);
                    let dimensions = space.dimensions().iter().enumerate();
                    dimensions.map(|(at, d)| tpe::value(d, at, &good, &rest, &mut chance)).collect()
                }
            };
            // What chance does not find in so many draws is the next that nobody has tried.
            let fresh = (0..DRAWS).map(&mut draw).find(|point| !tried.contains(point));
            let fresh = fresh
                .or_else(|| (0..size).map(|k| space.point((number + k) % size)).find(|p| !tried.contains(p)));
            let Some(point) = fresh else { break };
            tried.insert(point.clone());
            proposed.push(point);
        }
        proposed
    }
}

fn by_chance(space: &Space, chance: &mut Chance) -> Point {
    space.dimensions().iter().map(|d| chance.below(d.count())).collect()
}
