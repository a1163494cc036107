//! What watching costs: the time from packet to order of one core and one flow, with its watchers and without them in turns.
//!
//! On a host with fewer cores than threads that time is the scheduler's. Two figures are less so: the medians of what the code itself took ([`WORK`], between two reads of the counter,
//! where most have no preemption in between), which is where lines of the cache that a reader took away would show; and the processor time of the hot threads for a message, which has
//! their idling in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use colo::telemetry::region_path;
use colo::telemetry::snapshot::Viewer;
use colo::telemetry::stages::Percentiles;
use ops::store::Cell;
use ops::store::ask::Ask;
use ops::store::postgres::Postgres;
use ops::store::tls::Reach;
use ringbuf::histogram::Snapshot as Counts;

use crate::desk::notifier::Surroundings;
use crate::desk::venue::Venue;
use crate::desk::{MONITOR, Process, Server, say, until};

/// Records that a shipper may be behind and be said to keep up.
const BEHIND: u64 = 20_000;
/// Looks a second of all that is attached: the monitor's and the server's one each as they come, the notifier's two.
const LOOKS_PER_S: u64 = 4;

/// Stages in which a hot thread works and waits for nobody.
const WORK: [&str; 4] = ["decode", "book", "strategy_risk", "encode"];

/// The watchers that are attached: ended with this.
pub struct Attached {
    /// The server.
    pub server: Server,
    _others: [Process; 3],
}

/// Attaches the monitor, the server, the shipper and the notifier, as they come.
pub fn attach(venue: &Venue, notifier: &Surroundings, database: &Path, nats: &str) -> Attached {
    let quiet = |command: &mut Command| {
        Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let server = Server::each(1_000, &["--name", &venue.name]);
    let monitor = quiet(Command::new(MONITOR).args(["--name", &venue.name, "--json"]));
    let shipper = quiet(
        Command::new(MONITOR)
            .args(["ship", "--nats", nats, "--journal"])
            .arg(&venue.journal)
            .arg("--postgres-file")
            .arg(database),
    );
    Attached { server, _others: [monitor, shipper, notifier.start()] }
}

/// Counts at a moment.
struct Mark {
    orders: Vec<Counts>,
    /// By [`WORK`].
    work: Vec<Vec<Counts>>,
    packets: u64,
    /// ns on a processor, by hot thread.
    busy: BTreeMap<String, u64>,
}

fn mark(viewer: &Viewer, pid: u32) -> Mark {
    let stages = viewer.stages();
    let of = |stage: &str| stages.iter().find(|(name, _)| *name == stage).unwrap().1.clone();
    let (orders, work) = (of("tick_to_order"), WORK.map(of).into());
    let packets = viewer.read().feeds.iter().map(|f| f.counters["messages"]).sum();
    let mut busy = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let name = read("comm").trim().to_owned();
        if ["inline", "feed-", "strategy", "gateway-"].iter().any(|hot| name.starts_with(hot)) {
            // The first number: time on a processor. A kernel without it says nothing.
            let ran = read("schedstat").split_whitespace().next().and_then(|n| n.parse().ok());
            busy.insert(name, ran.unwrap_or(0));
        }
    }
    Mark { orders, work, packets, busy }
}

/// What a turn gave.
struct Turn {
    orders: Percentiles,
    /// Medians of [`WORK`] together, ns.
    work: u64,
    /// ns of the hot threads together for each message.
    busy: f64,
    each: BTreeMap<String, f64>,
}

fn count(orders: &[Counts]) -> u64 {
    orders.iter().map(Counts::count).sum()
}

/// One turn of so many orders.
fn turn(viewer: &Viewer, pid: u32, orders: u64) -> Turn {
    let before = mark(viewer, pid);
    let from = count(&before.orders);
    until("orders", || (count(&viewer.ticks_to_orders()) >= from + orders).then_some(()));
    let after = mark(viewer, pid);
    let since = |after: &[Counts], before: &[Counts]| {
        let counts: Vec<Counts> = after.iter().zip(before).map(|(a, b)| a.since(b)).collect();
        Percentiles::of(&counts)
    };
    let work = after.work.iter().zip(&before.work).map(|(a, b)| since(a, b).p50).sum();
    let packets = (after.packets - before.packets) as f64;
    let of = |name: &String| (after.busy[name] - before.busy[name]) as f64 / packets;
    let each: BTreeMap<String, f64> = before.busy.keys().map(|name| (name.clone(), of(name))).collect();
    Turn { orders: since(&after.orders, &before.orders), work, busy: each.values().sum(), each }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let middle = of.len() / 2;
    if of.len().is_multiple_of(2) { (of[middle - 1] + of[middle]) / 2.0 } else { of[middle] }
}

fn wanted(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |n| n.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Until the shipper has what the core has written.
fn caught_up(viewer: &Viewer, database: &Path) {
    let mut store = Postgres::new(&std::fs::read_to_string(database).unwrap(), &Reach::default()).unwrap();
    until("a shipper that keeps up", || {
        let rows = store.rows("SELECT CAST(COALESCE(SUM(next_seq), 0) AS BIGINT) FROM runs", &[]).ok()?;
        let Cell::Int(there) = rows[0][0] else { return None };
        (viewer.read().engine["journal_records"] < there as u64 + BEHIND).then_some(())
    });
}

/// Compares, in pairs of a turn without and a turn with; every other pair the other way round. One line of figures.
pub fn compare<A>(venue: &Venue, database: &Path, attach: &dyn Fn() -> A) -> String {
    let (pairs, orders) = (wanted("COLO_WATCH_PAIRS", 1), wanted("COLO_WATCH_ORDERS", 300));
    let viewer = Viewer::open(&venue.name).unwrap();
    let pid = venue.core.0.id();
    let mut ratios: [Vec<f64>; 4] = Default::default();
    let mut p50 = Vec::new();
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let began = load();
    for pair in 0..pairs {
        let mut turns: [Option<Turn>; 2] = [None, None];
        for with in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
            let attached = (with == 1).then(attach);
            if attached.is_some() {
                caught_up(&viewer, database);
            }
            turns[with] = Some(turn(&viewer, pid, orders));
        }
        let [Some(without), Some(with)] = turns else { unreachable!("both were taken") };
        let us = |ns: u64| ns as f64 / 1e3;
        say(&format!(
            "pair {pair}: {} orders, p50 {:.1} us without and {:.1} us with, p99 {:.1} and {:.1}, its work {:.2} and {:.2}, hot threads {:.0} and {:.0} ns a message ({})",
            with.orders.n,
            us(without.orders.p50),
            us(with.orders.p50),
            us(without.orders.p99),
            us(with.orders.p99),
            us(without.work),
            us(with.work),
            without.busy,
            with.busy,
            with.each.iter().map(|(name, ns)| format!("{name} {ns:.0}")).collect::<Vec<_>>().join(", ")
        ));
        ratios[0].push(with.orders.p50 as f64 / without.orders.p50 as f64);
        ratios[1].push(with.orders.p99 as f64 / without.orders.p99 as f64);
        ratios[2].push(with.work as f64 / without.work.max(1) as f64);
        ratios[3].push(with.busy / without.busy.max(1.0));
        p50.push(us(without.orders.p50));
    }
    let lines = std::fs::metadata(region_path(&venue.name)).unwrap().len().div_ceil(64);
    let [p50_ratio, p99_ratio, work_ratio, busy_ratio] = ratios.map(median);
    format!(
        "with watchers against without, median of {pairs} pairs of {orders} orders: p50 x {p50_ratio:.3} (of {:.1} us), p99 x {p99_ratio:.3}, p50 of the work in it ({}) x {work_ratio:.3}, processor time of the hot threads for a message x {busy_ratio:.3}; \
         watchers read {lines} cache lines {LOOKS_PER_S} times a second, {:.2} for each message of {} a second; load {} to {}",
        median(p50),
        WORK.join(", "),
        (lines * LOOKS_PER_S) as f64 / f64::from(crate::FLOW),
        crate::FLOW,
        began.split(' ').next().unwrap_or("?"),
        load().split(' ').next().unwrap_or("?"),
    )
}
