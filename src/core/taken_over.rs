//! What a start takes over from the run before it: what restrained trading and was not resumed, and the day's best, which a drawdown is counted from. Of another day (UTC) nothing is, unless that run was at work within [`NIGHT`]: midnight resumes nothing.
//!
//! Where it cannot be told what that was, trading begins halted: a person looks, and resumes.

use std::path::Path;

use model::{Control, HaltReason, Nanos, Usd};
use serde_json::{Value, json};

use crate::journal::standing::{self, Before};
use crate::logs::timestamp;

/// Shorter than what lies between two days of a market.
const NIGHT: Nanos = Nanos::from_millis(6 * 3_600_000);

/// See the module.
#[derive(Default)]
pub(super) struct TakenOver {
    /// The first inputs.
    pub(super) controls: Vec<Control>,
    /// For the person who starts it.
    pub(super) warnings: Vec<String>,
    /// For the log: level, message, fields.
    pub(super) said: Vec<(&'static str, &'static str, Value)>,
}

impl TakenOver {
    /// Of the journals in `folder`, for the run `number` that starts at `now`.
    pub(super) fn of(folder: &Path, number: u32, now: Nanos) -> TakenOver {
        let mut taken = TakenOver::default();
        match standing::before(folder, number) {
            Ok(None) => {}
            Ok(Some(before)) => taken.take(&before, now),
            Err(e) => {
                let why = format!(
                    "what restrained the run before cannot be told ({e}): trading is halted until `colo ctl resume`"
                );
                taken.said.push((
                    "error",
                    "the run before cannot be taken over",
                    json!({"error.message": e.to_string()}),
                ));
                taken.warnings.push(why);
                taken.controls.push(Control::Halt(HaltReason::Reconciliation));
            }
        }
        taken
    }

    fn take(&mut self, before: &Before, now: Nanos) {
        let Before { run, standing, records_read, unfit, took } = before;
        if let Some(e) = unfit {
            let fields = json!({"colo.run": run, "error.message": e.to_string()});
            self.said.push(("warn", "a standing is of no use, so the whole journal was read", fields));
            self.warnings.push(format!("run {run}: {e}; its whole journal was read instead"));
        }
        let day = |at: Nanos| timestamp(at)[..10].to_owned();
        let counts = day(standing.now()) == day(now) || now.since(standing.now()) < NIGHT;
        let words = standing.restraint.words();
        let fields = json!({
            "colo.run": run, "ended_in_order": standing.ended, "records": standing.records, "records_read": records_read,
            "took_us": took.as_micros() as u64, "open_orders": standing.orders.len(), "restrained": words, "best_pnl": standing.best.map(|pnl| Usd(pnl).to_string()), "counts": counts,
        });
        self.said.push(("info", "the run before", fields));
        if counts {
            self.controls.extend(standing.best.map(|pnl| Control::Best { pnl: Usd(pnl) }));
        }
        if counts && !standing.restraint.is_none() {
            self.controls.extend(standing.restraint.controls());
            let words = words.join(", ");
            self.warnings.push(format!("run {run} left trading restrained: {words}; so it is until `colo ctl resume` (or `clutch-in`)"));
        }
    }
}
