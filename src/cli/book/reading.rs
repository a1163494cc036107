//! How far a long file is read: a bar on stderr, on a terminal only, gone when reading ends.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::Source;

/// The bar; dropped, it is cleared.
pub(in crate::cli) struct Reading(Option<ProgressBar>);

impl Reading {
    /// None where stderr is no terminal or the file has no size.
    pub(in crate::cli) fn new(source: &Source) -> Reading {
        let size = source.size().filter(|_| stderr().is_terminal());
        Reading(size.map(|size| {
            let bar = ProgressBar::new(size);
            let template = "{bar:30} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {eta} left";
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        }))
    }

    /// Shows where the source is. Cheap where there is no bar.
    pub(in crate::cli) fn show(&self, source: &Source) {
        if let Some(bar) = &self.0 {
            bar.set_position(source.bytes_read());
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
