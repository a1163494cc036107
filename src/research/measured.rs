//! Latency out of a journal: what the orders of a core that traded, live or on paper, took.
//!
//! ```text
//!   packet --received--> decoded --decided--> sent  ~~~~ wire ~~~~> venue ~~~~ wire ~~~~> the engine has the venue's first word on it
//!          |---- feed ----|------- order: to sent -------|------------------ there and back -----------------|
//!                                                        |-- half: order ---|--- half: report ---|
//! ```
//!
//! The stamps are of one clock, the core's own. What lies before the packet's receipt is not in them, nor how the way there and back is parted: half of it is counted for each, and `fixed_us` adds what is
//! known beside. A leg may be drawn from a histogram too (`histogram.rs`).

use std::collections::HashMap;
use std::path::Path;

use backtest::latency::{Latency, Leg};
use model::{Nanos, Token};
use ringbuf::log::Reader;

use super::files::Trouble;
use super::histogram;
use crate::config::Config;
use crate::config::backtest::{LegFrom, Measure};
use crate::journal::{Record, RunDir};

/// The three legs of a configuration, those of journals and histograms read.
///
/// # Errors
/// A journal or a histogram that cannot be read.
pub fn latency(config: &Config) -> Result<Latency, Trouble> {
    let h = &config.history;
    Ok(Latency { feed: leg(&h.feed)?, order: leg(&h.order)?, report: leg(&h.report)?, seed: h.seed })
}

fn leg(from: &LegFrom) -> Result<Leg, Trouble> {
    let (journal, measure, beside) = match from {
        LegFrom::Leg(leg) => return Ok(leg.clone()),
        LegFrom::Journal(journal, measure, beside) => (journal, *measure, *beside),
        LegFrom::Histogram(file, tag, beside) => {
            let read = histogram::counts(file, tag.as_deref());
            let leg = read.and_then(|n| Leg::counted(&n, *beside).map_err(|e| e.to_string()));
            return leg.map_err(|what| Trouble::Journal { journal: file.clone(), what });
        }
    };
    let trouble = |what: String| Trouble::Journal { journal: journal.clone(), what };
    let all = orders(journal).map_err(trouble)?;
    let took = all.iter().filter_map(|o| {
        let half = o.answered.map(|at| Nanos(at.since(o.sent).0 / 2));
        let took = match measure {
            Measure::Feed => o.decoded.since(o.received),
            Measure::Order => o.sent.since(o.decoded).after(half?),
            Measure::Report => half?,
        };
        Some(u32::try_from(took.after(beside).0).unwrap_or(u32::MAX))
    });
    let took: Vec<u32> = took.collect();
    if took.is_empty() {
        return Err(trouble(
            "holds no receipt of an order with the venue's word on it: nothing is measured there".into(),
        ));
    }
    Ok(Leg::Measured(took.into()))
}

/// An order's way.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    received: Nanos,
    decoded: Nanos,
    sent: Nanos,
    /// When the engine had the venue's first word on it.
    answered: Option<Nanos>,
}

/// Every order of which there is a receipt, in the order of these. A receipt may come behind the word on its order.
fn orders(journal: &Path) -> Result<Vec<Way>, String> {
    let run = RunDir::find(journal);
    let mut reader = Reader::open(RunDir::core(&run)).map_err(|e| e.to_string())?;
    let mut ways: Vec<Way> = Vec::new();
    let (mut receipts, mut words): (HashMap<Token, usize>, HashMap<Token, Nanos>) = Default::default();
    while let Some(record) = reader.next().map_err(|e| e.to_string())? {
        match Record::decode(record.kind, record.payload) {
            Ok(Record::Receipt(r)) => {
                let answered = words.remove(&r.token);
                let way = Way { received: r.received, decoded: r.decoded, sent: r.sent, answered };
                receipts.insert(r.token, ways.len());
                ways.push(way);
            }
            Ok(Record::Report { now, report }) => match receipts.get(&report.token) {
                Some(k) => drop(ways[*k].answered.get_or_insert(now)),
                None => drop(words.entry(report.token).or_insert(now)),
            },
            _ => {}
        }
    }
    Ok(ways)
}
