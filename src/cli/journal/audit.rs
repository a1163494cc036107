//! `colo journal audit`: what a compliance desk is handed. Every event of an order, every word of a person and every alarm of a run, in order, each with the link of the chain
//! behind it; and whether the chain is that of the run's seals.
//!
//! Columns: `index,time,event,gateway,symbol,order,token,side,qty,px,detail,chain`. Times are UTC; a record that has none is given that of the input before it, whose
//! consequence it is. What has no column of its own is in `detail` as `name=value`, separated by `;`.

use std::path::Path;

use model::Nanos;
use ringbuf::log::Reader;
use serde_json::{Map, Value, json};

use super::line::{Kind, of_record};
use super::{Log, first_log, names};
use crate::cli::out::{Out, Stop};
use crate::cli::{Exit, Failure};
use crate::journal::{Chain, OrderLives, Record, Sealed, chain};
use crate::logs::timestamp;

/// What has a column of its own.
const COLUMNS: [&str; 7] = ["gateway", "symbol", "order", "token", "side", "qty", "px"];

/// Whether a kind of record is an event of the trail. Market data, time and hashes are not.
const fn is_event(kind: Kind) -> bool {
    match kind {
        Kind::Start
        | Kind::Report
        | Kind::Session
        | Kind::Control
        | Kind::Operator
        | Kind::Command
        | Kind::Refusal
        | Kind::Dropped
        | Kind::Receipt
        | Kind::Alarm
        | Kind::End => true,
        Kind::Market | Kind::Snapshot | Kind::Feed | Kind::Timer | Kind::Validity | Kind::Hash => false,
    }
}

/// The chain held to the seals.
struct Check {
    sealed: Sealed,
    next: usize,
    /// The seal that differs, by the records it is over.
    differs: Option<u64>,
}

impl Check {
    /// Another record was added.
    fn look(&mut self, chain: &Chain) {
        while let Some(seal) = self.sealed.seals.get(self.next).filter(|s| s.records <= chain.records()) {
            let same = seal.records == chain.records() && seal.chain == chain.link().to_string();
            if !same && self.differs.is_none() {
                self.differs = Some(seal.records);
            }
            self.next += 1;
        }
    }

    /// What is wrong, or `None`.
    fn verdict(&self, records: u64) -> Option<String> {
        if let Some(at) = self.differs {
            let from =
                self.sealed.seals.iter().map(|s| s.records).take_while(|n| *n < at).last().unwrap_or(0);
            return Some(format!("records {from} to {at} are not those that were sealed"));
        }
        if let Some(seal) = self.sealed.seals.get(self.next) {
            return Some(format!("{} records were sealed, and {records} are there", seal.records));
        }
        match (&self.sealed.before, &self.sealed.before_now) {
            (Some(before), Some(now)) if before != now => {
                Some("the run before does not end with the seal that this one began with".into())
            }
            _ => None,
        }
    }
}

/// Exports the trail of the core journal that `dir` means.
pub(super) fn audit(dir: &Path, json: bool, out: &mut Out) -> Result<Exit, Stop> {
    let log = first_log(dir);
    if log.is_capture {
        return Err(Failure::with(Exit::Usage, "a capture of market data has no orders").into());
    }
    let run = log.dir.parent().unwrap_or(Path::new(".")).to_path_buf();
    let config = std::fs::read(run.join("config.toml"))
        .map_err(|e| Failure::new(format!("{}: {e}", run.join("config.toml").display())))?;
    let sealed = chain::read(&run).map_err(Failure::new)?;
    let mut chain = Chain::begin(&config, sealed.before.as_deref());
    let mut check = Check { sealed, next: 0, differs: None };
    let events = export(&log, json, out, |r| {
        chain.add(r.index, r.kind, r.payload);
        check.look(&chain);
        chain
    });
    out.flush()?;
    let events = events?;
    let wrong = check.verdict(chain.records());
    let sealed = check.sealed.seals.last().map_or(0, |s| s.records);
    let open = chain.records().saturating_sub(sealed);
    let said = match &wrong {
        None => format!("the chain is that of {} seals", check.sealed.seals.len()),
        Some(why) => format!("TAMPERED OR DAMAGED: {why}"),
    };
    let behind = if open == 0 { String::new() } else { format!(", {open} records behind the last seal") };
    crate::cli::live::say(&format!(
        "audit: {} records, {events} events; {said}{behind}; last link {}",
        chain.records(),
        chain.link()
    ));
    Ok(if wrong.is_some() { Exit::Difference } else { Exit::Ok })
}

fn export(
    log: &Log,
    json: bool,
    out: &mut Out,
    mut link: impl FnMut(&ringbuf::log::Record<'_>) -> Chain,
) -> Result<u64, Stop> {
    let names = names(log);
    let mut reader = Reader::open(&log.dir).map_err(|e| log.failure(&e))?;
    let mut lives = OrderLives::default();
    let (mut now, mut events) = (Nanos::ZERO, 0);
    if !json {
        out.write(format_args!("index,time,event,{},detail,chain\n", COLUMNS.join(",")))?;
    }
    while let Some(r) = reader.next().map_err(|e| log.failure(&e))? {
        let chain = link(&r);
        let record = Record::decode(r.kind, r.payload).map_err(|e| log.malformed(r.index, &e))?;
        now = record.now().unwrap_or(now);
        let turns = lives.on_record(&record).to_vec();
        let kind = Kind::of(&record);
        if !is_event(kind) {
            continue;
        }
        events += 1;
        let fields = of_record(r.index, &record, &names).moving(&turns).fields();
        let line = match json {
            true => as_json(r.index, now, kind, fields, &chain),
            false => as_csv(r.index, now, kind, &fields, &chain),
        };
        out.write(format_args!("{line}\n"))?;
    }
    Ok(events)
}

fn as_json(index: u64, now: Nanos, kind: Kind, fields: Map<String, Value>, chain: &Chain) -> String {
    let mut all = Map::new();
    all.insert("index".into(), index.into());
    all.insert("time".into(), timestamp(now).into());
    all.insert("time_ns".into(), now.0.into());
    all.insert("event".into(), kind.word().into());
    all.extend(fields.into_iter().filter(|(name, _)| name != "now"));
    all.insert("chain".into(), json!(chain.link().to_string()));
    Value::Object(all).to_string()
}

fn as_csv(index: u64, now: Nanos, kind: Kind, fields: &Map<String, Value>, chain: &Chain) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut cells = vec![index.to_string(), timestamp(now), kind.word().to_owned()];
    cells.extend(COLUMNS.iter().map(|name| fields.get(*name).map(text).unwrap_or_default()));
    let rest = fields.iter().filter(|(name, _)| *name != "now" && !COLUMNS.contains(&name.as_str()));
    cells.push(rest.map(|(name, v)| format!("{name}={}", text(v))).collect::<Vec<_>>().join(";"));
    cells.push(chain.link().to_string());
    cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")
}

/// A cell by RFC 4180. One that a spreadsheet would take for a formula is given an apostrophe.
fn quoted(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    let is_formula = !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_no_two_cells() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("-12.5"), "-12.5");
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(quoted("-x"), "'-x");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
