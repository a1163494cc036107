//! What a run leaves behind, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use engine::Position;
use model::Usd;
use serde_json::{Value, json};

use super::Failure;
use crate::control;
use crate::core::RunReport;
use crate::reconcile::Verdict;
use crate::telemetry::stages::Percentiles;

/// The stages in the order a packet passes them.
const STAGES: [&str; 8] =
    ["wire", "decode", "feed_ring", "book", "strategy_risk", "order_ring", "encode", "tick_to_order"];

/// A figure of the accounts, summed, USD.
fn dollars(r: &RunReport, of: impl Fn(&Position) -> Usd) -> f64 {
    r.positions.values().map(|p| i128::from(of(p).0)).sum::<i128>() as f64 / 10_000.0
}

/// Fees paid less rebates received, USD.
fn fees(r: &RunReport) -> f64 {
    r.positions.values().map(|p| i128::from(p.fees)).sum::<i128>() as f64 / 1_000_000.0
}

/// The report as JSON.
#[must_use]
pub fn to_json(r: &RunReport, verdict: &Verdict) -> Value {
    let of = |m: &BTreeMap<&'static str, u64>, k: &str| m.get(k).copied().unwrap_or(0);
    let positions: BTreeMap<_, _> = r.positions.iter().map(|(s, p)| (s.clone(), p.shares)).collect();
    let measured: BTreeMap<_, _> = r.latency_ns.iter().filter(|(_, p)| p.n > 0).collect();
    let params: BTreeMap<_, _> = r.params.iter().map(|(name, v)| (*name, control::to_json(v))).collect();
    json!({
        "messages": of(&r.feeds, "messages"),
        "gaps": of(&r.feeds, "gaps"),
        "gaps_open": of(&r.feeds, "gaps_open"),
        "orders_sent": r.stats.new_orders,
        "replaces_sent": r.stats.replaces,
        "cancels_sent": r.stats.cancels,
        "accepted": r.stats.accepted,
        "rejected": r.stats.rejected,
        "refused_by_risk": r.stats.refusals,
        "fills": r.stats.fills,
        "shares": r.stats.shares,
        "open_orders": r.open_orders,
        "positions": positions,
        "pnl": r.pnl.0 as f64 / 10_000.0,
        "realised": dollars(r, Position::realised),
        "unrealised": dollars(r, Position::unrealised),
        "fees": fees(r),
        "halted": r.halt_word(),
        "reconciled": verdict.is_equal(),
        "differences": verdict.differences(),
        "journal": r.journal.display().to_string(),
        "state_hash": format!("{:016x}", r.state_hash),
        "settings_change": r.change,
        "params_at_end": params,
        "latency_ns": measured,
        "feed": r.feeds,
        "gateway": r.gateways,
        "failures": r.failures,
    })
}

/// The report for a terminal.
#[must_use]
pub fn to_text(r: &RunReport, verdict: &Verdict) -> String {
    let of = |m: &BTreeMap<&'static str, u64>, k: &str| grouped(m.get(k).copied().unwrap_or(0));
    let mut t = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(t, "  {name:<16}{value}");
    };
    line("messages", of(&r.feeds, "messages"));
    line(
        "gaps",
        format!(
            "{} ({} filled, {} lost, {} open)",
            of(&r.feeds, "gaps"),
            of(&r.feeds, "gaps_filled"),
            of(&r.feeds, "gaps_lost"),
            of(&r.feeds, "gaps_open")
        ),
    );
    let s = &r.stats;
    line(
        "orders",
        format!(
            "{} new, {} replaces, {} cancels; {} accepted, {} rejected, {} refused by risk",
            grouped(s.new_orders),
            grouped(s.replaces),
            grouped(s.cancels),
            grouped(s.accepted),
            grouped(s.rejected),
            grouped(s.refusals)
        ),
    );
    line("fills", format!("{} ({} shares)", grouped(s.fills), grouped(s.shares)));
    for (symbol, p) in &r.positions {
        if p.fills > 0 {
            line("position", format!("{symbol:<8} {:>9} shares at mark {}", p.shares, p.mark));
        }
    }
    let (realised, unrealised) = (dollars(r, Position::realised), dollars(r, Position::unrealised));
    let parts = format!("{realised:.2} realised, {unrealised:.2} unrealised, {:.2} fees", fees(r));
    line("P&L", format!("{} USD ({parts})", r.pnl));
    if let Some(why) = r.halt_word() {
        line("halted", why.to_string());
    }
    let _ = writeln!(
        t,
        "\n  latency, ns     {:>10} {:>10} {:>10} {:>10} {:>9}",
        "p50", "p99", "p99.9", "max", "n"
    );
    for stage in STAGES {
        if let Some(Percentiles { p50, p99, p999, max, n }) = r.latency_ns.get(stage).filter(|p| p.n > 0) {
            let cells = [p50, p99, p999, max].map(|v| format!("{:>10}", grouped(*v))).join(" ");
            let _ = writeln!(t, "  {stage:<16}{cells} {:>9}", grouped(*n));
        }
    }
    let _ = writeln!(t, "\n  reconciliation  {verdict}");
    let _ = writeln!(t, "  state hash      {:016x}", r.state_hash);
    let _ = writeln!(t, "  journal         {}", r.journal.display());
    for f in &r.failures {
        let _ = writeln!(t, "  failure         {f}");
    }
    t
}

/// 1234567 as 1,234,567.
#[must_use]
pub fn grouped(v: u64) -> String {
    let digits = v.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Checks that a report can be written to this file: before the run, for a report that cannot be written after it is lost.
///
/// # Errors
/// One sentence with the file.
pub fn check_folder(to: &Path) -> Result<(), Failure> {
    let folder = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if to == Path::new("-") || (folder.is_dir() && !to.is_dir()) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: no report can be written there: not a file in a folder that exists",
        to.display()
    )))
}

/// Writes a value to a file, or with `-` to stdout.
///
/// # Errors
/// One sentence with the file.
pub fn write_json(value: &Value, to: &Path) -> Result<(), Failure> {
    let mut text = serde_json::to_string(value).map_err(Failure::new)?;
    text.push('\n');
    write_text(&text, to)
}

/// The same for what is JSON already.
///
/// # Errors
/// One sentence with the file.
pub fn write_text(text: &str, to: &Path) -> Result<(), Failure> {
    if to == Path::new("-") {
        super::print(text);
        return Ok(());
    }
    std::fs::write(to, text).map_err(|e| Failure::new(format!("{}: {e}", to.display())))
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        for (v, s) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(v), s);
        }
    }
}
