//! A configuration file: any text gives a configuration or named problems; and a configuration, written out and read again, is
//! the same.
#![no_main]

use std::path::Path;

use colo::config::{Config, ConfigError, Secrets, Written, parse_toml};
use libfuzzer_sys::fuzz_target;

fn read(text: &str) -> Result<Config, ConfigError> {
    let file = Path::new("fuzz.toml");
    // Passwords are not read: the text could name any file of this machine.
    Config::resolve(parse_toml::<Written>(text, file)?, file, Secrets::Skip)
}

fuzz_target!(|text: &str| {
    match read(text) {
        Ok(config) => {
            let shown = config.to_toml();
            let again = read(&shown).expect("what is shown can be read");
            assert_eq!(again.to_toml(), shown);
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            assert!(error.problems.iter().all(|problem| !problem.key.is_empty()), "{error}");
        }
    }
});
