//! A strategy's parameters: integers, booleans and words. No floats: a parameter with a unit is an integer of that unit.
//!
//! As configured they are names and values. What a strategy has read ([`Params::read_by`]) knows every name that the strategy takes, with what it may be, and takes other values
//! without asking for memory: that is what a running engine changes.

use std::collections::BTreeMap;

use super::Strategy;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamValue {
    /// A number.
    Int(i64),
    /// A switch.
    Bool(bool),
    /// A word.
    Text(String),
}

impl core::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ParamValue::Int(v) => v.fmt(f),
            ParamValue::Bool(v) => v.fmt(f),
            ParamValue::Text(v) => write!(f, "{v:?}"),
        }
    }
}

/// A parameter that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strategy parameter `{name}` is {found}; allowed: {allowed}")]
pub struct ParamError {
    /// Its name.
    pub name: String,
    /// What was there.
    pub found: String,
    /// What may be there.
    pub allowed: String,
}

impl ParamError {
    /// A strategy that takes no parameters while it runs.
    #[cold]
    pub(super) fn fixed(strategy: &str) -> ParamError {
        ParamError {
            name: "*".into(),
            found: "changed while it runs".into(),
            allowed: format!("a restart: {strategy:?} takes its parameters as it starts"),
        }
    }
}

/// What a strategy asks for: a name, and what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A number of `min..=max`.
    Int {
        /// Where it is not given.
        default: i64,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A switch.
    Bool {
        /// Where it is not given.
        default: bool,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    /// `None`: not given.
    value: Option<ParamValue>,
    taken: bool,
}

/// The parameters of one strategy. Each is taken once; what is left over is unknown to the strategy.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// By name.
    entries: Vec<Entry>,
    known: Vec<(&'static str, Allowed)>,
}

impl Params {
    /// From names and values.
    #[must_use]
    pub fn new(values: BTreeMap<String, ParamValue>) -> Params {
        let entry = |(name, value)| Entry { name, value: Some(value), taken: false };
        Params { entries: values.into_iter().map(entry).collect(), known: Vec::new() }
    }

    /// Takes the value of a name. No allocation where the name was asked for before.
    fn take(&mut self, name: &'static str, allowed: Allowed) -> Option<&ParamValue> {
        self.known.push((name, allowed));
        let entry = self.entries.iter_mut().find(|e| e.name == name && !e.taken)?;
        entry.taken = true;
        entry.value.as_ref()
    }

    /// Names and values that were not taken yet, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        let left = self.entries.iter().filter(|e| !e.taken);
        left.filter_map(|e| Some((e.name.as_str(), e.value.as_ref()?)))
    }

    /// Takes an integer of `min..=max`, or `default` where it is not given.
    ///
    /// # Errors
    /// [`ParamError`] where it is no integer or out of range.
    pub fn int(&mut self, name: &'static str, default: i64, min: i64, max: i64) -> Result<i64, ParamError> {
        match self.take(name, Allowed::Int { default, min, max }) {
            None => Ok(default),
            Some(ParamValue::Int(v)) if (min..=max).contains(v) => Ok(*v),
            Some(v) => Err(ParamError {
                name: name.into(),
                found: v.to_string(),
                allowed: format!("an integer from {min} to {max}"),
            }),
        }
    }

    /// Takes a switch, or `default` where it is not given.
    ///
    /// # Errors
    /// [`ParamError`] where it is no boolean.
    pub fn bool(&mut self, name: &'static str, default: bool) -> Result<bool, ParamError> {
        match self.take(name, Allowed::Bool { default }) {
            None => Ok(default),
            Some(ParamValue::Bool(v)) => Ok(*v),
            Some(v) => {
                Err(ParamError { name: name.into(), found: v.to_string(), allowed: "true or false".into() })
            }
        }
    }

    /// Refuses what the strategy did not take.
    ///
    /// # Errors
    /// [`ParamError`] for the first parameter left.
    pub fn finish(&self) -> Result<(), ParamError> {
        let left = self.entries.iter().find_map(|e| Some((e, e.value.as_ref()?)).filter(|_| !e.taken));
        match left {
            None => Ok(()),
            Some((Entry { name, .. }, v)) => Err(ParamError {
                name: name.clone(),
                found: v.to_string(),
                allowed: match self.known.as_slice() {
                    [] => "this strategy takes no parameters".into(),
                    known => {
                        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
                        format!("the parameters {}", names.join(", "))
                    }
                },
            }),
        }
    }

    /// As `S` reads them: with every name that it takes.
    ///
    /// # Errors
    /// The first that it refuses or does not know.
    pub fn read_by<S: Strategy>(&self) -> Result<Params, ParamError> {
        let mut read = self.clone();
        read.rewind();
        S::new(&mut read)?;
        read.finish()?;
        for k in 0..read.known.len() {
            let name = read.known[k].0;
            if !read.entries.iter().any(|e| e.name == name) {
                read.entries.push(Entry { name: name.into(), value: None, taken: false });
            }
        }
        read.entries.iter_mut().for_each(|e| e.taken = false);
        Ok(read)
    }

    /// As if nothing had been taken. Keeps its memory.
    pub fn rewind(&mut self) {
        self.entries.iter_mut().for_each(|e| e.taken = false);
        self.known.clear();
    }

    /// Gives a name another value (`None`: not given), and returns the one it had; refuses a name that is not in it. No allocation.
    ///
    /// # Errors
    /// The value, where there is no such name.
    pub fn change(
        &mut self,
        name: &str,
        value: Option<ParamValue>,
    ) -> Result<Option<ParamValue>, Option<ParamValue>> {
        match self.entries.iter_mut().find(|e| e.name == name) {
            Some(entry) => Ok(core::mem::replace(&mut entry.value, value)),
            None => Err(value),
        }
    }

    /// The value of a name, as given.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&ParamValue> {
        self.entries.iter().find(|e| e.name == name).and_then(|e| e.value.as_ref())
    }

    /// What the strategy asked for since the last [`Params::rewind`], in its order: the name, what it may be, and the value that it has, given or not.
    pub fn known(&self) -> impl Iterator<Item = (&'static str, Allowed, ParamValue)> + '_ {
        self.known.iter().map(|(name, allowed)| {
            let default = match allowed {
                Allowed::Int { default, .. } => ParamValue::Int(*default),
                Allowed::Bool { default } => ParamValue::Bool(*default),
            };
            (*name, *allowed, self.given(name).cloned().unwrap_or(default))
        })
    }
}

/// Whether `S` takes `to` while it runs with `from`: what [`Strategy::reconfigure`] says of it, on a strategy that has just started. Returns `to` as it reads them. Allocates.
///
/// # Errors
/// What it refuses.
pub fn try_out<S: Strategy>(from: &Params, to: &Params) -> Result<Params, ParamError> {
    let (mut from, mut given) = (from.clone(), to.clone());
    from.rewind();
    given.rewind();
    S::new(&mut from)?.reconfigure(&mut given)?;
    given.finish()?;
    to.read_by::<S>()
}

#[cfg(test)]
mod tests {
    use super::super::{Imbalance, Observer, Quoter};
    use super::*;

    fn numbers(values: &[(&str, i64)]) -> Params {
        Params::new(values.iter().map(|(k, v)| ((*k).to_owned(), ParamValue::Int(*v))).collect())
    }

    #[test]
    fn parameters_are_ranged_and_unknown_ones_refused() {
        let mut p = numbers(&[("quantity", 100), ("spread", 7)]);
        assert_eq!(p.int("quantity", 1, 1, 1_000), Ok(100));
        assert_eq!(p.int("absent", 5, 1, 9), Ok(5));
        let e = p.clone().int("spread", 1, 1, 5).unwrap_err();
        assert_eq!(e.to_string(), "strategy parameter `spread` is 7; allowed: an integer from 1 to 5");
        let e = p.finish().unwrap_err();
        assert_eq!(
            e.to_string(),
            "strategy parameter `spread` is 7; allowed: the parameters quantity, absent"
        );
    }

    #[test]
    fn what_was_read_takes_other_values_by_name() {
        let mut read = numbers(&[("quantity", 200)]).read_by::<Quoter>().unwrap();
        let of = |p: &Params, name: &str| p.known().find(|k| k.0 == name).map(|k| k.2);
        assert_eq!(of(&read, "quantity"), Some(ParamValue::Int(200)));
        assert_eq!(of(&read, "max_inventory"), Some(ParamValue::Int(1_000)), "it follows from the quantity");
        assert_eq!(read.change("edge_ticks", Some(ParamValue::Int(3))), Ok(None));
        assert_eq!(read.change("edge", Some(ParamValue::Int(3))), Err(Some(ParamValue::Int(3))));
        let read = read.read_by::<Quoter>().unwrap();
        assert_eq!(of(&read, "edge_ticks"), Some(ParamValue::Int(3)));
    }

    #[test]
    fn a_strategy_says_what_it_takes_while_it_runs() {
        let from = numbers(&[]).read_by::<Quoter>().unwrap();
        let mut to = from.clone();
        to.change("edge_ticks", Some(ParamValue::Int(2))).unwrap();
        let taken = try_out::<Quoter>(&from, &to).unwrap();
        assert_eq!(taken.given("edge_ticks"), Some(&ParamValue::Int(2)));
        to.change("edge_ticks", Some(ParamValue::Int(-1))).unwrap();
        assert!(try_out::<Quoter>(&from, &to).unwrap_err().to_string().contains("edge_ticks"));
        let none = numbers(&[]);
        assert!(try_out::<Imbalance>(&none, &numbers(&[("quantity", 7)])).is_ok());
        assert!(try_out::<Imbalance>(&none, &numbers(&[("edge_ticks", 7)])).is_err());
        assert!(try_out::<Observer>(&none, &none).is_ok());
        assert!(try_out::<Observer>(&none, &numbers(&[("x", 1)])).is_err());
    }
}
