//! A small grid of parameters over some days, and whether any of it is worth a proposal.
//!
//! Whoever tries many sets finds one that did well by chance. So the best is chosen by the days before, and has to be better on days that it was not chosen by; on more days than not; and by more than a margin.
//! That is a filter for proposals that a person looks at, and no statistics: `colo backtest --json` has the figures.

use std::collections::BTreeMap;

/// Sets of one grid at most.
pub const POINTS_MAX: usize = 1_024;

/// Parameters by name.
pub type Set = BTreeMap<String, toml::Value>;

/// One axis: `quantity=50,100,200`.
///
/// # Errors
/// In words: it is no such list of integers or switches.
pub fn axis(given: &str) -> Result<(String, Vec<toml::Value>), String> {
    let wrong = || format!("{given:?} is no axis; allowed: NAME=VALUE,VALUE.. with integers, true or false");
    let (name, values) = given.split_once('=').ok_or_else(wrong)?;
    let one = |text: &str| match text.trim() {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        number => number.replace('_', "").parse::<i64>().map(toml::Value::Integer).map_err(|_| wrong()),
    };
    let values = values.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
    if name.trim().is_empty() { Err(wrong()) } else { Ok((name.trim().to_owned(), values)) }
}

/// Every set of the axes' values, over `base`.
///
/// # Errors
/// In words: an axis comes twice, or there are too many sets.
pub fn points(base: &Set, axes: &[(String, Vec<toml::Value>)]) -> Result<Vec<Set>, String> {
    let mut sets = vec![base.clone()];
    for (k, (name, values)) in axes.iter().enumerate() {
        if axes[..k].iter().any(|(other, _)| other == name) {
            return Err(format!("axis {name:?} comes twice"));
        }
        if sets.len().saturating_mul(values.len()) > POINTS_MAX {
            return Err(format!("more than {POINTS_MAX} sets: make the grid smaller"));
        }
        let with = |set: &Set, value: &toml::Value| {
            let mut set = set.clone();
            set.insert(name.clone(), value.clone());
            set
        };
        sets = sets.iter().flat_map(|set| values.iter().map(|v| with(set, v)).collect::<Vec<_>>()).collect();
    }
    sets.retain(|set| set != base);
    sets.dedup();
    Ok(sets)
}

/// A set and what it made of each day, 1e-4 USD, after fees.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The parameters.
    pub set: Set,
    /// By day.
    pub pnl: Vec<i64>,
}

/// How much better is better.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The last so many days choose nothing: what was chosen has to hold on them.
    pub held_out: usize,
    /// Percent of what the parameters in force made, or lost, in all.
    pub margin_percent: u32,
}

/// The trial that is worth a proposal.
///
/// # Errors
/// In words: why none is.
pub fn worth_proposing<'a>(in_force: &Trial, trials: &'a [Trial], bar: Bar) -> Result<&'a Trial, String> {
    let days = in_force.pnl.len();
    let chosen_by = days.saturating_sub(bar.held_out).max(1);
    let sum = |days: &[i64]| days.iter().map(|p| i128::from(*p)).sum::<i128>();
    let best = trials.iter().max_by_key(|t| sum(&t.pnl[..chosen_by]));
    let best = best.ok_or("the grid has no set but the one in force")?;
    let usd = |sum: i128| format!("{:.2} USD", sum as f64 / 10_000.0);
    let (new, old) = (sum(&best.pnl), sum(&in_force.pnl));
    let margin = old.abs() * i128::from(bar.margin_percent) / 100;
    if new <= old + margin {
        let (new, old) = (usd(new), usd(old));
        return Err(format!(
            "the best of the grid made {new}, what is in force {old}: not {} % better",
            bar.margin_percent
        ));
    }
    let better = best.pnl.iter().zip(&in_force.pnl).filter(|(new, old)| new > old).count();
    if 2 * better <= days {
        return Err(format!("the best of the grid is better on {better} of {days} days only"));
    }
    let (new, old) = (sum(&best.pnl[chosen_by..]), sum(&in_force.pnl[chosen_by..]));
    if chosen_by < days && new <= old {
        let (new, old) = (usd(new), usd(old));
        return Err(format!(
            "the best of the first {chosen_by} days made {new} on the days that it was not chosen by, what is in force {old}"
        ));
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lot: i64) -> Set {
        [("lot".to_owned(), toml::Value::Integer(lot))].into()
    }

    fn trial(lot: i64, pnl: &[i64]) -> Trial {
        Trial { set: set(lot), pnl: pnl.to_vec() }
    }

    #[test]
    fn a_grid_is_every_set_but_the_one_in_force() {
        let axes = [axis("lot=50,100").unwrap(), axis(" on = true,false").unwrap()];
        let sets = points(&set(100), &axes).unwrap();
        assert_eq!(sets.len(), 4, "the one in force says nothing of `on`");
        assert_eq!(points(&set(100), &axes[..1]).unwrap(), [set(50)]);
        assert!(points(&set(1), &[axes[0].clone(), axes[0].clone()]).unwrap_err().contains("twice"));
        let wide = axis(&format!("a={}1", "1,".repeat(2_000))).unwrap();
        assert!(points(&set(1), &[wide]).unwrap_err().contains("1024"));
        for bad in ["lot", "=1", "lot=", "lot=1.5", "lot=1,,2", "lot=x"] {
            assert!(axis(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_did_well_by_chance_is_not_proposed() {
        let bar = Bar { held_out: 1, margin_percent: 10 };
        let old = trial(100, &[100, 100, 100]);
        let verdict =
            |pnl: &[i64]| worth_proposing(&old, &[trial(50, &[0, 0, 0]), trial(200, pnl)], bar).cloned();
        assert_eq!(verdict(&[150, 120, 110]).map(|t| t.set), Ok(set(200)));
        for (pnl, why) in [
            ([110, 110, 110], "not 10 % better"),
            ([900, 90, 90], "better on 1 of 3 days only"),
            ([300, 300, 100], "not chosen by"),
            ([300, 300, 99], "not chosen by"),
        ] {
            assert!(verdict(&pnl).unwrap_err().contains(why), "{pnl:?}");
        }
        // The best of the first days is the one that is judged, whatever another did later.
        let late = [trial(50, &[0, 0, 900]), trial(200, &[200, 200, 0])];
        assert!(worth_proposing(&old, &late, bar).is_err());
        assert!(worth_proposing(&old, &[], bar).unwrap_err().contains("no set"));
        let lossy = trial(100, &[-100]);
        let one = [trial(50, &[-95])];
        assert!(worth_proposing(&lossy, &one, bar).is_err(), "less of a loss, and not by the margin");
    }
}
