//! Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011, "Algorithms for hyper-parameter optimization", section 4).
//!
//! What was tried is parted into the good, the best 15 % (the paper's γ), and the rest. Each part has a density over each parameter; of values drawn from that of the good, the one is proposed
//! that is likelier among the good than among the rest, by the largest quotient. Parameters are taken one by one, as the paper does.
//!
//! A density over a line is a mixture of normal distributions cut to the line's ends: one at each value that was tried, as wide as the farther of its two neighbours is away, and one in the middle
//! as wide as the line, which is what is believed before anything was tried. Over a list each value has the count of how often it was tried, and one more.

use statrs::distribution::{ContinuousCDF, Normal};

use super::Chance;
use super::space::{Dimension, Line, Point};

/// The part that is good.
const GOOD: f64 = 0.15;
/// Draws of which one is proposed, as the paper's authors do.
const CANDIDATES: usize = 24;

/// The best of what was tried, and the rest: of values of which more is better. What has no value is the worst.
pub(super) fn part(history: &[(Point, Option<f64>)]) -> (Vec<&Point>, Vec<&Point>) {
    let mut order: Vec<usize> = (0..history.len()).collect();
    let value = |k: usize| history[k].1.unwrap_or(f64::NEG_INFINITY);
    // Stable: of two that are equal the earlier is the better one.
    order.sort_by(|a, b| value(*b).total_cmp(&value(*a)));
    let good = ((history.len() as f64 * GOOD).ceil() as usize).max(1);
    let of = |order: &[usize]| order.iter().map(|k| &history[*k].0).collect();
    (of(&order[..good]), of(&order[good..]))
}

/// A value of parameter `k`, of which `good` and `rest` are what was tried.
pub(super) fn value(
    dimension: &Dimension,
    k: usize,
    good: &[&Point],
    rest: &[&Point],
    chance: &mut Chance,
) -> u32 {
    let of = |part: &[&Point]| -> Vec<u32> { part.iter().map(|p| p[k]).collect() };
    let (good, rest) = (Density::new(dimension, &of(good)), Density::new(dimension, &of(rest)));
    let mut best = (f64::NEG_INFINITY, 0);
    for _ in 0..CANDIDATES {
        let at = good.draw(chance);
        let worth = good.of(at).ln() - rest.of(at).ln();
        // Where neither knows anything of it the first draw stands.
        if worth > best.0 || best.0 == f64::NEG_INFINITY {
            best = (worth, at);
        }
    }
    best.1
}

/// How likely each value is.
enum Density {
    Line(Line, Vec<Bump>),
    List(Vec<f64>),
}

/// A normal distribution cut to the line's ends, with the part of it that is left there.
struct Bump {
    shape: Normal,
    /// Of the whole below the lower end, and below the upper.
    ends: (f64, f64),
}

impl Bump {
    fn new(mean: f64, width: f64, ends: (f64, f64)) -> Option<Bump> {
        let shape = Normal::new(mean, width).ok()?;
        let ends = (shape.cdf(ends.0), shape.cdf(ends.1));
        (ends.1 > ends.0).then_some(Bump { shape, ends })
    }
}

impl Density {
    fn new(dimension: &Dimension, tried: &[u32]) -> Density {
        let Some(line) = dimension.line() else {
            let mut counts = vec![1.0; dimension.count() as usize];
            tried.iter().for_each(|at| counts[*at as usize] += 1.0);
            let all: f64 = counts.iter().sum();
            return Density::List(counts.into_iter().map(|n| n / all).collect());
        };
        let (low, high) = line.ends();
        let range = high - low;
        let mut means: Vec<f64> = tried.iter().filter_map(|at| dimension.place(*at)).collect();
        means.push(f64::midpoint(low, high));
        let middle = means.len() - 1;
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
        // As narrow as a hundredth, and wider while little was tried: a value that was tried twice is no certainty.
        let narrowest = range / (means.len() as f64).min(100.0);
        let bumps = order.iter().enumerate().filter_map(|(n, k)| {
            let mean = means[*k];
            let below = n.checked_sub(1).map_or(low, |n| means[order[n]]);
            let above = order.get(n + 1).map_or(high, |k| means[*k]);
            let width = (mean - below).max(above - mean).clamp(narrowest, range);
            Bump::new(mean, if *k == middle { range } else { width }, (low, high))
        });
        Density::Line(line, bumps.collect())
    }

    fn draw(&self, chance: &mut Chance) -> u32 {
        match self {
            Density::Line(line, bumps) => {
                let bump = &bumps[chance.below(bumps.len() as u32) as usize];
                let (low, high) = bump.ends;
                line.nearest(bump.shape.inverse_cdf(low + (high - low) * chance.unit()))
            }
            Density::List(parts) => {
                let mut left = chance.unit();
                let at = parts.iter().position(|part| {
                    left -= part;
                    left < 0.0
                });
                at.unwrap_or(parts.len() - 1) as u32
            }
        }
    }

    fn of(&self, at: u32) -> f64 {
        match self {
            Density::Line(line, bumps) => {
                let (low, high) = line.cell(at);
                let each =
                    bumps.iter().map(|b| (b.shape.cdf(high) - b.shape.cdf(low)) / (b.ends.1 - b.ends.0));
                // Of nothing at all no logarithm can be taken.
                (each.sum::<f64>() / bumps.len() as f64).max(f64::MIN_POSITIVE)
            }
            Density::List(parts) => parts[at as usize],
        }
    }
}
