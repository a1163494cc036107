//! What a run's report says of the run itself: in which mode, of what, when, and what alarmed meanwhile. A gate between stages reads it.

use std::collections::BTreeMap;

use engine::Alarm;
use model::BreakerCause;
use ringbuf::log::Reader;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::core::{Plan, RunReport};
use crate::journal::{Record, RunDir};
use crate::logs::timestamp;
use crate::manifest::Pair;

/// Alarms told one by one; of more there is the count.
const TOLD: usize = 1_000;

/// Adds it to a report.
///
/// | key | is |
/// |---|---|
/// | `mode` | `test`, `paper` or `live` |
/// | `binary_sha256`, `config_sha256` | as in the run's `manifest.toml` |
/// | `strategy`, `params` | the strategy, and its parameters as the configuration has them |
/// | `started`, `ended`, `started_ns`, `ended_ns` | UTC, and ns since the Unix epoch |
/// | `alarms`, `alarm_list` | how many there were, the end's own restraint left out; and breakers that tripped, instruments disabled, drift, what was not flat, in order: at most a thousand |
/// | `limits_touched` | by limit, the most of it that was used and said to be, percent |
/// | `journal_read` | `false`: the journal could not be read to its end, so alarms may be missing here |
pub fn add(value: &mut Value, (config, plan): (&Config, &Plan), pair: &Pair, run: &RunReport) {
    let mut alarms = Vec::new();
    let (mut count, mut limits) = (0_u64, BTreeMap::new());
    let is_read = each_alarm(run, |alarm| {
        // Every end in order restrains trading, and every day has a best; that alarms nobody.
        if matches!(alarm, Alarm::Breaker { cause: BreakerCause::Shutdown, .. } | Alarm::Best { .. }) {
            return;
        }
        count += 1;
        if let Alarm::Warning { measure, percent, .. } = alarm {
            let most = limits.entry(measure.word()).or_insert(0);
            *most = percent.max(*most);
            return;
        }
        if alarms.len() < TOLD {
            alarms.push(told(&alarm, config));
        }
    });
    let params: BTreeMap<_, _> = config.written.strategy.params.iter().collect();
    let session = json!({
        "mode": plan.stage.word(),
        "binary_sha256": pair.binary_sha256,
        "config_sha256": pair.config_sha256,
        "strategy": config.strategy,
        "params": params,
        "started": timestamp(run.began),
        "ended": timestamp(run.ended),
        "started_ns": run.began.0,
        "ended_ns": run.ended.0,
        "alarms": count,
        "alarm_list": alarms,
        "limits_touched": limits,
        "journal_read": is_read,
    });
    if let (Value::Object(all), Value::Object(more)) = (value, session) {
        all.extend::<Map<String, Value>>(more);
    }
}

fn told(alarm: &Alarm, config: &Config) -> Value {
    let symbol = |id: model::InstrumentId| config.instruments.get(id.index()).map(|i| i.symbol.to_string());
    match *alarm {
        Alarm::Breaker { level, cause } => {
            json!({"kind": "breaker", "level": level.word(), "cause": cause.word()})
        }
        Alarm::Disabled { instrument, cause } => {
            json!({"kind": "disabled", "symbol": symbol(instrument), "cause": cause.word()})
        }
        Alarm::NotFlat { instrument, shares, orders } => {
            json!({"kind": "not_flat", "symbol": symbol(instrument), "shares": shares, "orders": orders})
        }
        Alarm::Drift(d) => {
            json!({"kind": "drift", "figure": d.figure.word(), "value": d.value, "bound": d.bound, "beyond": d.is_beyond})
        }
        Alarm::Best { pnl } => json!({"kind": "best", "pnl": pnl.to_string()}),
        Alarm::Warning { measure, percent, .. } => {
            json!({"kind": "warning", "limit": measure.word(), "percent": percent})
        }
    }
}

/// Gives each alarm of the run's journal; whether it could be read to its end.
fn each_alarm(run: &RunReport, mut f: impl FnMut(Alarm)) -> bool {
    let Ok(mut reader) = Reader::open(RunDir::core(&run.journal)) else { return false };
    loop {
        match reader.next() {
            Ok(Some(r)) => {
                if let Ok(Record::Alarm(alarm)) = Record::decode(r.kind, r.payload) {
                    f(alarm);
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
