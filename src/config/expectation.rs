//! `[expectation]`: what is expected of the strategy while it runs, as written and resolved.

use std::path::Path;

use backtest::drift;
use model::{BreakerLevel, Instrument, InstrumentId, Usd};
use serde::{Deserialize, Serialize};

use super::resolve::Checks;

/// As written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// A file that `colo backtest --expect` wrote, relative to the configuration. It is read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The same in place of a file: what a run keeps of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<drift::Expectation>,
    /// The symbol that returns are compared with; one of `[[instruments]]`, traded or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<String>,
    /// Beside the alarm: `reduce_only`, `cancel_only` or `halted`. With `alarm`, as where it is left out, nothing is restrained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The bounds.
    pub bounds: drift::Expectation,
    /// What returns are compared with.
    pub benchmark: Option<InstrumentId>,
    /// What returns are of.
    pub capital: Usd,
    /// What trading is restrained to; [`BreakerLevel::Normal`] leaves it.
    pub level: BreakerLevel,
}

/// The largest file: some lines.
const BYTES_MAX: u64 = 64 * 1024;

/// Puts what the file says in its place.
pub(super) fn read(c: &mut Checks, e: &mut Expectation, base: &Path) {
    let key = "expectation.file";
    match (e.file.take(), &e.bounds) {
        (Some(file), None) => match text_of(&base.join(&file)) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(bounds) => e.bounds = Some(bounds),
                Err(why) => c.problem(key, format!("{file:?}: {why}"), "a file of `colo backtest --expect`"),
            },
            Err(why) => c.problem(key, format!("{file:?}, unreadable ({why})"), "a readable file"),
        },
        (None, Some(_)) => {}
        (Some(_), Some(_)) | (None, None) => {
            c.problem(key, "given twice or not at all", "one of file and bounds");
        }
    }
}

fn text_of(file: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(file)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn resolve(
    c: &mut Checks,
    e: &Expectation,
    instruments: &[Instrument],
    capital: Usd,
) -> Option<Expected> {
    let bounds = e.bounds.clone()?;
    if let Err(why) = bounds.check() {
        c.problem("expectation", why.to_string(), "bounds that something can be held to");
        return None;
    }
    let words = [
        ("alarm", BreakerLevel::Normal),
        ("reduce_only", BreakerLevel::ReduceOnly),
        ("cancel_only", BreakerLevel::CancelOnly),
        ("halted", BreakerLevel::Halted),
    ];
    let level = e.level.as_deref().map(|word| c.word("expectation.level", word, &words));
    let benchmark = e.benchmark.as_ref().and_then(|symbol| {
        let found = instruments.iter().find(|i| i.symbol.to_string() == *symbol);
        if found.is_none() {
            c.problem("expectation.benchmark", format!("{symbol:?}"), "a symbol of `instruments`");
        }
        found.map(|i| i.id)
    });
    if bounds.excess_ppm.is_some() && e.benchmark.is_none() {
        c.problem("expectation.benchmark", "not given", "a symbol: the bounds have `excess_ppm`");
    }
    Some(Expected { bounds, benchmark, capital, level: level.flatten().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Secrets};

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");

    fn resolved(more: &str, base: &std::path::Path) -> Result<Config, String> {
        let written = toml::from_str(&format!("{CORE}\n{more}")).expect("well-formed");
        Config::resolve(written, &base.join("core.toml"), Secrets::Skip).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_is_read_once_and_what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("expected.json");
        std::fs::write(&file, r#"{"window_s": 60, "orders": {"least": 1, "most": 9}}"#).unwrap();
        let config = resolved(
            "[expectation]\nfile = \"expected.json\"\nlevel = \"halted\"\nbenchmark = \"AAPL\"",
            dir.path(),
        )
        .unwrap();
        let expected = config.expectation.clone().expect("resolved");
        assert_eq!((expected.bounds.orders.map(|b| b.most), expected.level.word()), (Some(9), "halted"));
        // The run's own copy needs no file beside it.
        std::fs::remove_file(&file).unwrap();
        let again = toml::from_str(&config.to_toml()).unwrap();
        let again = Config::resolve(again, &dir.path().join("config.toml"), Secrets::Skip).unwrap();
        assert_eq!(again.expectation, config.expectation);

        std::fs::write(dir.path().join("wild.json"), "{\"window_s\": 60, \"ordres\": 1}").unwrap();
        for (text, key) in [
            ("file = \"expected.json\"", "expectation.file"),
            ("file = \"wild.json\"", "ordres"),
            ("", "expectation.file"),
            ("bounds = { window_s = 5, orders = { least = 1, most = 2 } }", "window_s"),
            ("bounds = { window_s = 60, orders = { least = 3, most = 2 } }", "orders"),
            ("bounds = { window_s = 60, excess_ppm = { least = 1, most = 2 } }", "expectation.benchmark"),
            (
                "benchmark = \"NONE\"\nbounds = { window_s = 60, orders = { least = 1, most = 2 } }",
                "\"NONE\"",
            ),
            (
                "level = \"wild\"\nbounds = { window_s = 60, orders = { least = 1, most = 2 } }",
                "expectation.level",
            ),
        ] {
            let why = resolved(&format!("[expectation]\n{text}"), dir.path()).unwrap_err();
            assert!(why.contains(key), "{text}: {why}");
        }
    }
}
