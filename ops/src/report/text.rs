//! A day for a terminal, 80 columns wide where names allow.

use std::fmt::Write as _;

use colo::logs::timestamp;
use model::{Nanos, Usd};

use super::figures::{Figures, Limit, Trades};

/// 1e-4 USD as dollars.
pub(super) fn usd(e4: i64) -> String {
    Usd(e4).to_string()
}

/// 1e-6 USD as dollars.
pub(super) fn usd_e6(e6: i64) -> String {
    let sign = if e6 < 0 { "-" } else { "" };
    let v = e6.unsigned_abs();
    format!("{sign}{}.{:06}", v / 1_000_000, v % 1_000_000)
}

/// Hours to milliseconds of a time.
pub(super) fn clock(ns: i64) -> String {
    timestamp(Nanos(u64::try_from(ns).unwrap_or(0))).get(11..23).unwrap_or_default().to_owned()
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(v: i64) -> String {
    let digits = v.unsigned_abs().to_string();
    let mut out = if v < 0 { "-".to_owned() } else { String::new() };
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Slippage in 1/100 basis point, as basis points.
pub(super) fn slippage_bps(t: &Trades) -> String {
    if t.slippage_of_usd_e4 == 0 {
        return "-".into();
    }
    let hundredths = i128::from(t.slippage_usd_e4) * 1_000_000 / i128::from(t.slippage_of_usd_e4);
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100)
}

/// What was used of a limit, and of how much.
pub(super) fn used(l: &Limit) -> (String, String) {
    let said = |v: i64| if l.is_money { usd(v) } else { grouped(v) };
    (said(l.value), said(l.limit_value))
}

/// The day.
pub(super) fn of(f: &Figures) -> String {
    let mut t = String::new();
    // Writing to a string does not fail.
    let mut line = |text: String| {
        let _ = writeln!(t, "{text}");
    };
    let of = f.core.as_deref().unwrap_or("all cores");
    line(format!("{} (UTC), {of}", f.day));
    line(String::new());
    line(format!("  P&L         {} USD after fees", usd(f.pnl_usd_e4)));
    line(format!(
        "              {} realised, {} unrealised, {} fees",
        usd(f.realised_usd_e4),
        usd(f.unrealised_usd_e4),
        usd_e6(f.fees_usd_e6)
    ));
    let event = |kind: &str| grouped(f.events.get(kind).copied().unwrap_or(0));
    line(format!(
        "  orders      {} new, {} replaces, {} cancels",
        event("new"),
        event("replace"),
        event("cancel")
    ));
    line(format!(
        "              {} accepted, {} rejected, {} refused by risk",
        event("accepted"),
        event("rejected"),
        grouped(f.refusals.values().sum())
    ));
    let (fills, shares) =
        f.trades.iter().fold((0, 0i64), |(n, s), t| (n + t.fills, s.saturating_add(t.shares)));
    line(format!("  fills       {} ({} shares)", grouped(fills), grouped(shares)));
    line("\nruns".into());
    for r in &f.runs {
        let carried = if r.carried { "; its trades are the later run's too" } else { "" };
        line(format!(
            "  {} run {}  {} to {}, ended {}{carried}",
            r.core,
            r.run,
            clock(r.started_ns),
            clock(r.last_ns),
            r.ended
        ));
        line(format!(
            "      {}; P&L {} (low {}, high {}); {} records; config {}",
            r.strategy,
            usd(r.pnl_usd_e4),
            usd(r.low_usd_e4),
            usd(r.high_usd_e4),
            grouped(r.records),
            r.config_hash
        ));
        if r.lost_records > 0 {
            line(format!(
                "      LOST: {} records were gone before they were read; its accounts are not known",
                grouped(r.lost_records)
            ));
        }
    }
    if !f.accounts.is_empty() {
        line(format!(
            "\n  {:<10}{:>10}{:>14}{:>16}{:>16}{:>8}",
            "account", "shares", "mark", "realised", "unrealised", "fills"
        ));
        for a in &f.accounts {
            let (mark, real, open) = (usd(a.mark_usd_e4), usd(a.realised_usd_e4), usd(a.unrealised_usd_e4));
            line(format!(
                "  {:<10}{:>10}{mark:>14}{real:>16}{open:>16}{:>8}",
                a.symbol,
                grouped(a.shares),
                a.fills
            ));
        }
    }
    if !f.trades.is_empty() {
        line(format!(
            "\n  {:<10}{:>6}{:>8}{:>12}{:>18}{:>14}{:>8}",
            "traded", "side", "fills", "shares", "USD", "slippage USD", "bps"
        ));
        for t in &f.trades {
            let (money, slip) = (usd(t.notional_usd_e4), usd(t.slippage_usd_e4));
            line(format!(
                "  {:<10}{:>6}{:>8}{:>12}{money:>18}{slip:>14}{:>8}",
                t.symbol,
                t.side,
                t.fills,
                grouped(t.shares),
                slippage_bps(t)
            ));
        }
    }
    if f.latency_ns.values().any(|p| p.n > 0) {
        line(format!("\n  {:<10}{:>12}{:>12}{:>12}{:>12}{:>10}", "ns", "p50", "p99", "p99.9", "max", "n"));
        for step in ["decode", "decide", "send", "total"] {
            let Some(p) = f.latency_ns.get(step) else { continue };
            let cells = [p.p50, p.p99, p.p999, p.max].map(|v| format!("{:>12}", grouped(v))).join("");
            line(format!("  {step:<10}{cells}{:>10}", p.n));
        }
    }
    for (reason, n) in &f.refusals {
        line(format!("  refused: {reason} {}", grouped(*n)));
    }
    line("\nlimits".into());
    for l in &f.limits {
        let (value, limit) = used(l);
        let of = l.symbol.as_deref().map_or_else(String::new, |s| format!(" of {s}"));
        line(format!(
            "  {} {}{of}: {value} of {limit} ({} % passed, said {} times)",
            l.core, l.limit, l.percent, l.warnings
        ));
    }
    if f.limits.is_empty() {
        line("  none was used by half".into());
    }
    line(format!("\nalerts ({})", grouped(f.alerts_count)));
    for a in &f.alerts {
        line(format!("  {} {} {}", clock(a.time_ns), a.core, a.what));
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_to_its_last_digit() {
        assert_eq!((usd_e6(-1_500_000), usd_e6(7)), ("-1.500000".into(), "0.000007".into()));
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        let t = Trades { slippage_usd_e4: -25, slippage_of_usd_e4: 1_000_000, ..Trades::default() };
        assert_eq!(slippage_bps(&t), "-0.25");
        assert_eq!(slippage_bps(&Trades::default()), "-");
        assert_eq!(clock(1_000_000), "00:00:00.001");
    }
}
