//! A space of parameters as written: a TOML file, or words of a command line.
//!
//! ```toml
//! [quantity]                   # from 100 to 1000, a step apart
//! low = 100
//! high = 1000
//! step = 100                   # 1 where absent
//! log = true                   # what matters is the quotient, not the difference; false where absent
//!
//! [post_only]
//! choice = [true, false]       # these, of one kind or several
//! ```
//!
//! On a command line: `quantity=100:1000:100`, `post_only=true,false`.

use std::collections::BTreeMap;
use std::path::Path;

use backtest::search::space::{Dimension, Space, SpaceError, Values};
use engine::strategy::ParamValue;
use serde::Deserialize;

use crate::config::{ConfigError, read_toml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    low: Option<i64>,
    high: Option<i64>,
    step: Option<i64>,
    log: Option<bool>,
    choice: Option<Vec<toml::Value>>,
}

/// A space that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpaceTrouble {
    /// The file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// What it says.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A parameter.
    #[error("{0}: allowed: {1}")]
    Parameter(String, &'static str),
}

const WRITTEN: &str =
    "low, high, step and log, all integers but log; or choice alone, a list of integers, switches and words";
const WORDS: &str = "NAME=LOW:HIGH[:STEP] of integers, or NAME=VALUE,VALUE,...";

/// From a file.
///
/// # Errors
/// [`SpaceTrouble`].
pub fn from_file(path: &Path) -> Result<Space, SpaceTrouble> {
    let written: BTreeMap<String, Written> = read_toml(path)?;
    let each = written.into_iter().map(|(name, w)| {
        let wrong = || SpaceTrouble::Parameter(name.clone(), WRITTEN);
        let values = match w {
            Written { low: Some(low), high: Some(high), step, log, choice: None } => {
                Values::Steps { low, high, step: step.unwrap_or(1), log: log.unwrap_or(false) }
            }
            Written { low: None, high: None, step: None, log: None, choice: Some(all) } => {
                Values::Choice(all.into_iter().map(value).collect::<Option<_>>().ok_or_else(wrong)?)
            }
            _ => return Err(wrong()),
        };
        Ok(Dimension { name, values })
    });
    Ok(Space::new(each.collect::<Result<_, _>>()?)?)
}

/// From words.
///
/// # Errors
/// [`SpaceTrouble`].
pub fn from_words(words: &[String]) -> Result<Space, SpaceTrouble> {
    let each = words.iter().map(|word| {
        let wrong = || SpaceTrouble::Parameter(word.clone(), WORDS);
        let (name, values) = word.split_once('=').ok_or_else(wrong)?;
        if name.trim().is_empty() || values.trim().is_empty() {
            return Err(wrong());
        }
        let numbers: Option<Vec<i64>> = values.split(':').map(|n| number(n.trim())).collect();
        let values = match numbers.as_deref() {
            Some([low, high]) => Values::Steps { low: *low, high: *high, step: 1, log: false },
            Some([low, high, step]) => Values::Steps { low: *low, high: *high, step: *step, log: false },
            _ if values.contains(':') => return Err(wrong()),
            _ => Values::Choice(values.split(',').map(|v| word_value(v.trim())).collect()),
        };
        Ok(Dimension { name: name.trim().to_owned(), values })
    });
    Ok(Space::new(each.collect::<Result<_, _>>()?)?)
}

/// A parameter's value as a configuration has it; `None` of what no parameter can be.
#[must_use]
pub fn value(v: toml::Value) -> Option<ParamValue> {
    match v {
        toml::Value::Integer(n) => Some(ParamValue::Int(n)),
        toml::Value::Boolean(b) => Some(ParamValue::Bool(b)),
        toml::Value::String(s) => Some(ParamValue::Text(s)),
        _ => None,
    }
}

/// As TOML has integers.
fn number(word: &str) -> Option<i64> {
    word.replace('_', "").parse().ok()
}

/// An integer, a switch, or what is neither, a word.
fn word_value(word: &str) -> ParamValue {
    let switch = || word.parse().map(ParamValue::Bool).ok();
    number(word).map(ParamValue::Int).or_else(switch).unwrap_or_else(|| ParamValue::Text(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_words_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("space.toml");
        std::fs::write(&path, "[b]\nchoice = [true, 3, \"x\"]\n[a]\nlow = 1\nhigh = 9\nstep = 4\n").unwrap();
        let words = ["a=1:0_9:4".to_owned(), "b=true,3,x".to_owned()];
        let (file, words) = (from_file(&path).unwrap(), from_words(&words).unwrap());
        assert_eq!(file, words);
        assert_eq!(file.size(), Some(9));
    }

    #[test]
    fn what_is_no_space_is_refused_by_name() {
        for word in ["a", "a=", "=1:2", "a=1:2:3:4", "a=x:y", "a=2:1", "a=1:2:0", "a=1:x"] {
            let e = from_words(&[word.to_owned()]).expect_err(word).to_string();
            assert!(e.contains('a') || e.contains('='), "{word}: {e}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("space.toml");
        for bad in [
            "[a]\nlow = 1\n",
            "[a]\nchoice = [1.5]\n",
            "[a]\nlow = 1\nhigh = 2\nchoice = [1]\n",
            "[a]\nx = 1\n",
            "a = 1\n",
            "[",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(from_file(&path).is_err(), "{bad:?}");
        }
    }
}
