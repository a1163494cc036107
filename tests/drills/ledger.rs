//! What judges a core: the venue's own counts, asked over its own socket, and its journal added up by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use colo::journal::Record;
use model::{CommandKind, ReportKind, Side};
use ringbuf::log;

use crate::program;
use crate::program::desk::Desk;
use crate::program::json::Report;

/// What the venue's ledger says of the one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Orders alive.
    pub live: u64,
    /// New orders and replaces that came, taken or refused.
    pub came: u64,
    /// Logins since the venue began.
    pub logins: u64,
}

/// Asks the venue.
#[track_caller]
pub fn ask(desk: &Desk) -> Ledger {
    let answer = Report(desk.command_venue(&["status"]));
    let orders = program::ledger::Ledger::of(&answer);
    Ledger { live: orders.live, came: orders.came, logins: answer.count("/counts/logins") }
}

/// The records of a run's journal.
pub fn records(run: &Path) -> Vec<Record> {
    let mut reader = log::Reader::open(run.join("core")).expect("a core journal");
    let mut records = Vec::new();
    while let Some(r) = reader.next().expect("a whole journal") {
        records.push(Record::decode(r.kind, r.payload).expect("a record"));
    }
    records
}

/// The folder of the last run.
pub fn last_run(desk: &Desk) -> PathBuf {
    colo::journal::RunDir::find(&desk.journals())
}

/// One order, as commands and reports tell of it.
struct Order {
    instrument: u16,
    side: Side,
    open: i64,
}

/// What a journal adds up to.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// The worst case at any record: what is held with all that is open on one side traded, shares, by instrument.
    pub worst: BTreeMap<u16, i64>,
    /// What is held at the end.
    pub held: BTreeMap<u16, i64>,
    /// New orders.
    pub orders: u64,
    /// The most new orders and replaces within any second.
    pub busiest: usize,
}

/// Adds up new orders, cancels and what the venue said of them; replaces are not for strategies that make none.
pub fn add_up(records: &[Record]) -> Sum {
    let mut sum = Sum::default();
    let mut orders: BTreeMap<u32, Order> = BTreeMap::new();
    let (mut sent, mut now) = (Vec::new(), 0);
    for record in records {
        // The engine's time: an input that is older than the one before it takes no time back.
        now = record.now().map_or(now, |n| n.0.max(now));
        let instrument = match record {
            Record::Command(c) => match c.kind {
                CommandKind::New { token, side, qty, .. } => {
                    sum.orders += 1;
                    sent.push(now);
                    let order = Order { instrument: c.instrument.0, side, open: qty.0.into() };
                    orders.insert(token.0, order);
                    c.instrument.0
                }
                CommandKind::Replace { .. } => panic!("a replace is not added up: {c:?}"),
                CommandKind::Cancel { .. } | CommandKind::Port { .. } => continue,
            },
            Record::Report { report, .. } => {
                let Some(order) = orders.get_mut(&report.token.0) else { continue };
                match report.kind {
                    ReportKind::Executed { qty, .. } => {
                        let shares = i64::from(qty.0);
                        order.open -= shares;
                        *sum.held.entry(order.instrument).or_default() += shares * order.side.sign();
                    }
                    ReportKind::Canceled { qty, .. } => order.open -= i64::from(qty.0),
                    ReportKind::Rejected { .. } => order.open = 0,
                    _ => continue,
                }
                assert!(order.open >= 0, "more went than was open: {report:?}");
                order.instrument
            }
            _ => continue,
        };
        let open = |side: Side| -> i64 {
            let of = orders.values().filter(|o| (o.instrument, o.side) == (instrument, side));
            of.map(|o| o.open).sum()
        };
        let held = sum.held.get(&instrument).copied().unwrap_or(0);
        let worst = (held + open(Side::Buy)).max(open(Side::Sell) - held);
        let most = sum.worst.entry(instrument).or_default();
        *most = worst.max(*most);
        orders.retain(|_, o| o.open > 0);
    }
    sum.busiest = (0..sent.len())
        .map(|k| sent[k..].iter().take_while(|at| **at < sent[k] + 1_000_000_000).count())
        .max()
        .unwrap_or(0);
    sum
}
