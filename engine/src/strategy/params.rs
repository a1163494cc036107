//! A strategy's parameters as configured: integers, booleans and words. No floats: a parameter with a unit is an integer of that unit.

use std::collections::BTreeMap;

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

/// The parameters of one strategy. Each is taken once; what is left over is unknown to the strategy.
#[derive(Clone, Debug, Default)]
pub struct Params {
    values: BTreeMap<String, ParamValue>,
    known: Vec<&'static str>,
}

impl Params {
    /// From names and values.
    #[must_use]
    pub fn new(values: BTreeMap<String, ParamValue>) -> Params {
        Params { values, known: Vec::new() }
    }

    /// Names and values that were not taken yet, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        self.values.iter().map(|(name, value)| (&**name, value))
    }

    /// Takes an integer of `min..=max`, or `default` where it is not given.
    ///
    /// # Errors
    /// [`ParamError`] where it is no integer or out of range.
    pub fn int(&mut self, name: &'static str, default: i64, min: i64, max: i64) -> Result<i64, ParamError> {
        self.known.push(name);
        match self.values.remove(name) {
            None => Ok(default),
            Some(ParamValue::Int(v)) if (min..=max).contains(&v) => Ok(v),
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
        self.known.push(name);
        match self.values.remove(name) {
            None => Ok(default),
            Some(ParamValue::Bool(v)) => Ok(v),
            Some(v) => {
                Err(ParamError { name: name.into(), found: v.to_string(), allowed: "true or false".into() })
            }
        }
    }

    /// Refuses what the strategy did not take.
    ///
    /// # Errors
    /// [`ParamError`] for the first parameter left.
    pub fn finish(self) -> Result<(), ParamError> {
        match self.values.into_iter().next() {
            None => Ok(()),
            Some((name, v)) => Err(ParamError {
                name,
                found: v.to_string(),
                allowed: match self.known.as_slice() {
                    [] => "this strategy takes no parameters".into(),
                    known => format!("the parameters {}", known.join(", ")),
                },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_ranged_and_unknown_ones_refused() {
        let values = [("quantity", 100), ("spread", 7)].map(|(k, v)| (k.to_string(), ParamValue::Int(v)));
        let mut p = Params::new(values.into_iter().collect());
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
}
