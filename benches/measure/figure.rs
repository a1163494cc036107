//! Figures that criterion does not have: a file beside its own.
//!
//! ```text
//!   $CRITERION_HOME/GROUP/ROLE/NAME/day      LOWEST MEDIAN HIGHEST          ns an item
//!   $CRITERION_HOME/GROUP/ROLE/NAME/tails    P50 P99 P99.9 COUNT CLOCK STEP     ns an item; CLOCK was taken off each, STEP is what the counter moves by
//! ```

use std::fs;
use std::path::PathBuf;

use crate::is_test;
use crate::tails::Tails;

/// Where a figure belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The group's name.
    pub group: &'a str,
    /// `floor`, `ours` or `peer`.
    pub role: &'a str,
    /// What was timed.
    pub name: &'a str,
}

impl Place<'_> {
    /// Whether the command line's filter names it: as a part of `group/role/name`, criterion's patterns are not understood here.
    #[must_use]
    pub fn is_wanted(self) -> bool {
        let whole = format!("{}/{}/{}", self.group, self.role, self.name);
        filter(std::env::args().skip(1)).is_none_or(|part| whole.contains(&part))
    }

    /// Prints and keeps days' figures.
    ///
    /// # Panics
    /// Without a day, or where the folder of the figures does not take a file.
    pub fn note_days(self, mut days: Vec<f64>) {
        days.sort_by(f64::total_cmp);
        let (lowest, median, highest) = (days[0], days[days.len() / 2], days[days.len() - 1]);
        self.note("day", &format!("{lowest:.2} {median:.2} {highest:.2}"));
    }

    /// Prints and keeps the tails of single items.
    ///
    /// # Panics
    /// Where the folder of the figures does not take a file.
    pub fn note_tails(self, tails: &Tails) {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| tails.quantile(q));
        let (count, clock, step) = (tails.count(), tails.clock_ns(), tails.step_ns());
        self.note("tails", &format!("{p50:.1} {p99:.1} {p999:.1} {count} {clock:.1} {step:.1}"));
    }

    fn note(self, kind: &str, figures: &str) {
        println!("{}/{}/{} {kind}: {figures}", self.group, self.role, self.name);
        // Under `cargo bench` without `scripts/bench` they are printed only.
        let (Some(home), false) = (std::env::var_os("CRITERION_HOME"), is_test()) else { return };
        let folder = PathBuf::from(home).join(self.group).join(self.role).join(self.name);
        fs::create_dir_all(&folder).expect("a folder for the figures");
        fs::write(folder.join(kind), format!("{figures}\n")).expect("room for a figure");
    }
}

/// The one argument that is neither an option nor an option's value.
fn filter(arguments: impl Iterator<Item = String>) -> Option<String> {
    const ALONE: &[&str] =
        &["--bench", "--test", "--exact", "--noplot", "--quiet", "--verbose", "--quick", "-n"];
    let mut is_value = false;
    for argument in arguments {
        if argument.starts_with('-') {
            is_value = !ALONE.contains(&argument.as_str()) && !argument.contains('=');
        } else if is_value {
            is_value = false;
        } else {
            return Some(argument);
        }
    }
    None
}
