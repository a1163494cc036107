//! `colo journal standing`: what stood when a run ended, as the next start takes it over: what restrained trading, orders that may be open, positions.

use std::path::Path;

use serde_json::json;

use crate::cli::out::{Out, Stop};
use crate::cli::{Exit, Failure};
use crate::journal::RunDir;
use crate::journal::standing::{Before, StandingError, of_run};
use crate::logs::timestamp;
use model::Nanos;
use ringbuf::log::LogError;

pub(super) fn standing(dir: &Path, as_json: bool, out: &mut Out) -> Result<Exit, Stop> {
    let run = RunDir::find(dir);
    let name = run.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let Some(number) = name.strip_prefix("run-").and_then(|n| n.parse().ok()) else {
        return Err(Failure::new(format!("{}: no run of a core", dir.display())).into());
    };
    let failed = |e: StandingError| {
        let exit = match &e {
            StandingError::Log { source: LogError::Corrupt { .. } | LogError::Header { .. }, .. } => {
                Exit::Difference
            }
            _ => Exit::Failure,
        };
        Failure::with(exit, e.to_string())
    };
    let Before { standing: s, records_read, unfit, took, .. } = of_run(&run, number).map_err(failed)?;
    let symbols = super::names(&super::first_log(&run)).instruments;
    let symbol =
        |id: u16| symbols.get(usize::from(id)).map_or_else(|| id.to_string(), |i| i.symbol.to_string());
    let unfit = unfit.map(|e| e.to_string());
    if as_json {
        let orders = s.orders.iter().map(|((gateway, token), o)| {
            json!({"gateway": gateway, "token": token, "symbol": symbol(o.instrument), "side": if o.is_sell { "S" } else { "B" }, "px_e4": o.px, "shares": o.shares, "known": o.is_known})
        });
        let held = s.held.iter().map(|(id, h)| {
            json!({"symbol": symbol(*id), "shares": h.shares, "cash_e4": h.cash, "trades": h.trades})
        });
        let value = json!({
            "run": number, "at": timestamp(Nanos(s.now_ns)), "ended_in_order": s.ended, "records": s.records, "records_read": records_read,
            "took_us": took.as_micros() as u64, "unfit": unfit, "restrained": s.restraint.words(), "best_pnl_e4": s.best, "tokens_end": s.tokens_end, "token_sent": s.token_sent,
            "orders": orders.collect::<Vec<_>>(), "held": held.collect::<Vec<_>>(),
        });
        out.write(format_args!("{value}\n"))?;
    } else {
        let end = if s.ended { "ended in order" } else { "did not end in order" };
        out.write(format_args!(
            "run {number} {end}; last input {}; {} records, {records_read} read in {:.1} ms\n",
            timestamp(Nanos(s.now_ns)),
            s.records,
            took.as_secs_f64() * 1e3
        ))?;
        if let Some(why) = unfit {
            out.write(format_args!("its standing is of no use ({why}): the whole journal was read\n"))?;
        }
        let words = s.restraint.words();
        let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        out.write(format_args!("restrained: {words}\n"))?;
        if let Some(best) = s.best {
            out.write(format_args!("best P&L: {}\n", model::Usd(best)))?;
        }
        for (id, h) in &s.held {
            out.write(format_args!("{:<8} {:>9} shares by {} trades\n", symbol(*id), h.shares, h.trades))?;
        }
        for ((_, token), o) in &s.orders {
            let side = if o.is_sell { "sells" } else { "buys" };
            let px = model::Px(o.px);
            out.write(format_args!("order {token} {side} {} {} at {px}\n", o.shares, symbol(o.instrument)))?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}
