//! A day as one file of HTML: no script, no request, readable on a phone and in the dark. A policy in its head forbids both, whatever a name in the store holds.

use std::fmt::Write as _;

use super::chart::{Curve, Scale, escaped, lines};
use super::figures::Figures;
use super::text::{clock, grouped, slippage_bps, usd, usd_e6, used};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1c1f;--soft:#667;--line:#ddd;--back:#fff;--card:#f6f7f9;--c0:#1f6feb;--c1:#d9480f;--c2:#2b8a3e;--c3:#862e9c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#99a;--line:#333;--back:#121417;--card:#1b1e23;--c0:#6ea8fe;--c1:#ff922b;--c2:#69db7c;--c3:#da77f2}}
body{margin:0 auto;max-width:60rem;padding:1rem;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back)}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1rem 0}
.figures div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}.figures b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}
.figures small,.soft{color:var(--soft)}.loss{color:var(--c1)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}th:first-child,td:first-child,td.t{text-align:left}th{color:var(--soft);font-weight:500}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}svg text.y{text-anchor:end}.grid{stroke:var(--line)}
polyline{fill:none;stroke-width:1.5;stroke-linejoin:round}polyline.c0{stroke:var(--c0)}polyline.c1{stroke:var(--c1)}polyline.c2{stroke:var(--c2)}polyline.c3{stroke:var(--c3)}
circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}circle.c2{fill:var(--c2)}circle.c3{fill:var(--c3)}
.key span::before{content:'';display:inline-block;width:.7rem;height:.7rem;border-radius:.2rem;margin-right:.3rem;background:currentColor}
.key .c0{color:var(--c0)}.key .c1{color:var(--c1)}.key .c2{color:var(--c2)}.key .c3{color:var(--c3)}.key{font-size:.85rem;margin:.2rem 0}";

/// Colours of curves, in turn.
const CLASSES: [&str; 4] = ["c0", "c1", "c2", "c3"];

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<div class=\"wide\"><table><thead><tr>");
    heads.iter().for_each(|h| out.push_str(&format!("<th>{}</th>", escaped(h))));
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escaped(cell))));
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

/// The page.
pub(super) fn of(f: &Figures) -> String {
    let title = format!("{}, {}", f.day, f.core.as_deref().unwrap_or("all cores"));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{0}</title><style>{STYLE}</style></head>\
         <body><h1>{0}</h1><p class=\"soft\">Times are UTC, money is USD.</p>",
        escaped(&title)
    );
    figures(f, &mut out);
    curves(f, &mut out);
    out.push_str("<h2>Accounts</h2>");
    table(
        &mut out,
        &["Symbol", "Core", "Shares", "Mark", "Realised", "Unrealised", "Fees", "Fills"],
        f.accounts.iter().map(|a| {
            vec![
                a.symbol.clone(),
                a.core.clone(),
                grouped(a.shares),
                usd(a.mark_usd_e4),
                usd(a.realised_usd_e4),
                usd(a.unrealised_usd_e4),
                usd_e6(a.fees_usd_e6),
                grouped(a.fills),
            ]
        }),
    );
    out.push_str("<h2>Trades and slippage</h2><p class=\"soft\">Slippage is against the middle of the best prices when the order was last asked for; less than nothing is a gain.</p>");
    table(
        &mut out,
        &["Symbol", "Side", "Fills", "Shares", "USD", "Slippage", "bps"],
        f.trades.iter().map(|t| {
            vec![
                t.symbol.clone(),
                t.side.clone(),
                grouped(t.fills),
                grouped(t.shares),
                usd(t.notional_usd_e4),
                usd(t.slippage_usd_e4),
                slippage_bps(t),
            ]
        }),
    );
    out.push_str("<h2>Latency of orders, ns</h2>");
    let steps = ["decode", "decide", "send", "total"];
    table(
        &mut out,
        &["Step", "p50", "p99", "p99.9", "max", "n"],
        steps.iter().filter_map(|step| {
            let p = f.latency_ns.get(step)?;
            Some(vec![
                (*step).into(),
                grouped(p.p50),
                grouped(p.p99),
                grouped(p.p999),
                grouped(p.max),
                grouped(p.n as i64),
            ])
        }),
    );
    out.push_str("<h2>Limits of which half or more was used</h2>");
    table(
        &mut out,
        &["Limit", "Core", "Symbol", "Used", "Of", "Passed"],
        f.limits.iter().map(|l| {
            let (value, limit) = used(l);
            vec![
                l.limit.clone(),
                l.core.clone(),
                l.symbol.clone().unwrap_or_default(),
                value,
                limit,
                format!("{} %", l.percent),
            ]
        }),
    );
    out.push_str("<h2>Orders</h2>");
    table(&mut out, &["Event", "Count"], f.events.iter().map(|(k, n)| vec![k.clone(), grouped(*n)]));
    if !f.refusals.is_empty() {
        table(
            &mut out,
            &["Refused by risk", "Count"],
            f.refusals.iter().map(|(k, n)| vec![k.clone(), grouped(*n)]),
        );
    }
    let _ = write!(out, "<h2>Alerts ({})</h2>", grouped(f.alerts_count));
    table(
        &mut out,
        &["Time", "Core", "What"],
        f.alerts.iter().map(|a| vec![clock(a.time_ns), a.core.clone(), a.what.clone()]),
    );
    out.push_str("<h2>Runs</h2>");
    table(
        &mut out,
        &["Run", "From", "To", "Ended", "Strategy", "P&L", "Low", "High", "Records", "Lost", "Config"],
        f.runs.iter().map(|r| {
            let name = format!("{} {}{}", r.core, r.run, if r.carried { " (in a later run)" } else { "" });
            vec![
                name,
                clock(r.started_ns),
                clock(r.last_ns),
                r.ended.into(),
                r.strategy.clone(),
                usd(r.pnl_usd_e4),
                usd(r.low_usd_e4),
                usd(r.high_usd_e4),
                grouped(r.records),
                grouped(r.lost_records),
                r.config_hash.clone(),
            ]
        }),
    );
    out.push_str("</body></html>\n");
    out
}

fn figures(f: &Figures, out: &mut String) {
    let (fills, shares) =
        f.trades.iter().fold((0, 0i64), |(n, s), t| (n + t.fills, s.saturating_add(t.shares)));
    let total = f.latency_ns.get("total").copied().unwrap_or_default();
    let event = |kind: &str| f.events.get(kind).copied().unwrap_or(0);
    let class = if f.pnl_usd_e4 < 0 { " class=\"loss\"" } else { "" };
    let _ = write!(
        out,
        "<div class=\"figures\"><div><small>P&amp;L after fees</small><b{class}>{}</b></div>",
        usd(f.pnl_usd_e4)
    );
    for (name, value) in [
        ("Realised", usd(f.realised_usd_e4)),
        ("Unrealised", usd(f.unrealised_usd_e4)),
        ("Fees", usd_e6(f.fees_usd_e6)),
        ("Fills", grouped(fills)),
        ("Shares", grouped(shares)),
        ("New orders", grouped(event("new"))),
        (
            "Rejected / refused",
            format!("{} / {}", grouped(event("rejected")), grouped(f.refusals.values().sum())),
        ),
        ("Latency p50 / p99, us", format!("{} / {}", total.p50 / 1_000, total.p99 / 1_000)),
        ("Alerts", grouped(f.alerts_count)),
    ] {
        let _ = write!(out, "<div><small>{name}</small><b>{}</b></div>", escaped(&value));
    }
    out.push_str("</div>");
    for r in f.runs.iter().filter(|r| r.lost_records > 0) {
        let _ = write!(
            out,
            "<p class=\"loss\">{} run {}: {} records were gone before they were read; its accounts are not known.</p>",
            escaped(&r.core),
            r.run,
            grouped(r.lost_records)
        );
    }
}

fn curves(f: &Figures, out: &mut String) {
    let clock = |ns: i64| clock(ns).chars().take(8).collect::<String>();
    let pnl: Vec<Curve> = f
        .pnl_curves
        .iter()
        .zip(CLASSES.iter().cycle())
        .map(|((name, points), class)| Curve {
            name: name.clone(),
            class,
            points: points.iter().map(|p| (p.time_ns, p.value)).collect(),
        })
        .collect();
    out.push_str("<h2>P&amp;L, USD</h2>");
    out.push_str(&lines("P&L over the day", &pnl, Scale::Even, usd, clock));
    let of = |name: &str, class, of: &dyn Fn(&super::figures::Span) -> i64| Curve {
        name: name.into(),
        class,
        points: f.latency_spans.iter().map(|s| (s.time_ns, of(s))).collect(),
    };
    let latency = [of("p50", CLASSES[0], &|s| s.p50), of("p99", CLASSES[1], &|s| s.p99)];
    out.push_str("<h2>Latency from packet to socket, ns</h2>");
    out.push_str(&lines("Latency over the day", &latency, Scale::Log, grouped, clock));
}
