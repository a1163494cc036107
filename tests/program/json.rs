//! Reports as JSON, looked at with a message that shows the whole report where a value is not as it should be.

use std::path::Path;

use serde_json::Value;

use super::Ended;

/// A report.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

impl Report {
    /// From a file that `--json` names.
    #[track_caller]
    pub fn read(file: &Path) -> Report {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Report(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}: {text}", file.display())))
    }

    /// From stdout, which has nothing else.
    #[track_caller]
    pub fn of(ended: &Ended) -> Report {
        Report(serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:#?}")))
    }

    /// The value at a JSON pointer, such as `/accounts/0/fills`.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing: {:#}", self.0))
    }

    /// A count at a JSON pointer.
    #[track_caller]
    pub fn count(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_else(|| panic!("{pointer} is no count: {:#}", self.0))
    }

    /// Checks a value.
    #[track_caller]
    pub fn is(&self, pointer: &str, value: impl Into<Value>) -> &Report {
        assert_eq!(self.at(pointer), &value.into(), "{pointer}: {:#}", self.0);
        self
    }

    /// Checks that something was counted.
    #[track_caller]
    pub fn some(&self, pointer: &str) -> &Report {
        assert!(self.count(pointer) > 0, "{pointer} is 0: {:#}", self.0);
        self
    }
}
