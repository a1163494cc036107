//! What people see on stderr while a core runs: one line that keeps still on a terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::report::grouped;
use crate::telemetry::snapshot::Snapshot;

/// Says a sentence on stderr.
#[expect(clippy::print_stderr, reason = "the command line is where people are told")]
pub fn say(sentence: &str) {
    eprintln!("{sentence}");
}

/// How often a line is written where there is no terminal.
const PLAIN: Duration = Duration::from_secs(5);

/// Live progress.
pub struct Progress {
    bar: Option<ProgressBar>,
    next_plain: Duration,
}

impl Progress {
    /// Over a span that is known; zero where it is not.
    #[must_use]
    pub fn new(span: Duration) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(span.as_millis() as u64);
            let template =
                if span.is_zero() { "{elapsed_precise} {msg}" } else { "{bar:20} {elapsed_precise} {msg}" };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Progress { bar, next_plain: PLAIN }
    }

    /// Shows where things stand.
    pub fn show(&mut self, s: &Snapshot, elapsed: Duration) {
        if self.bar.is_none() && elapsed < self.next_plain {
            return;
        }
        let line = line(s);
        match &self.bar {
            Some(bar) => {
                bar.set_position(elapsed.as_millis() as u64);
                bar.set_message(line);
            }
            None => {
                self.next_plain = elapsed + PLAIN;
                say(&format!("{:>6.1} s  {line}", elapsed.as_secs_f64()));
            }
        }
    }

    /// Clears the line.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn line(s: &Snapshot) -> String {
    let messages: u64 = s.feeds.iter().filter_map(|f| f.counters.get("messages")).sum();
    let of = |k: &str| s.engine.get(k).copied().unwrap_or(0);
    let sessions = s.gateways.iter().filter(|g| g.counters.get("state") == Some(&3)).count();
    let p50 = s.latency_ns.get("tick_to_order").map_or(0, |p| p.p50);
    let (pnl, open, halted) = s.risk.as_ref().map_or((0.0, 0, None), |r| (r.pnl, r.open_orders, r.halted));
    let halted = halted.map(|h| format!("  HALTED ({h})")).unwrap_or_default();
    format!(
        "messages {}  orders {}  fills {}  open {open}  P&L {pnl:.2}  tick-to-order p50 {} us  sessions {sessions}/{}{halted}",
        grouped(messages),
        grouped(of("new_orders") + of("replaces")),
        grouped(of("fills")),
        p50 / 1_000,
        s.gateways.len()
    )
}
