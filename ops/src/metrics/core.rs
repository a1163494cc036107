//! What of a core is no counter: how trading stands, instruments, latencies, threads, disk.

use colo::telemetry::snapshot::{Instrument, Risk, Snapshot};
use model::{BreakerLevel, Nanos, Validity};
use ringbuf::histogram::Snapshot as Counts;

use super::exposition::{Exposition, Kind};
use crate::life;
use crate::limits;
use crate::watch::Live;

/// Adds them.
pub fn add(e: &mut Exposition, core: &str, now: Nanos, live: &Live) {
    let s = &live.snapshot;
    gauge(
        e,
        "colo_start_timestamp_seconds",
        "seconds",
        "When the core started",
        &[("core", core)],
        s.started_ns as f64 / 1e9,
    );
    for a in &s.agents {
        let age = life::age(now, s, a).0 as f64 / 1e9;
        let labels = [("core", core), ("agent", &*a.name)];
        gauge(
            e,
            "colo_agent_heartbeat_age_seconds",
            "seconds",
            "Time since the last duty cycle",
            &labels,
            age,
        );
    }
    if let Some(r) = &s.risk {
        trading(e, core, r);
    }
    for l in limits::of(live) {
        let labels = [("core", core), ("limit", &*l.name)];
        gauge(e, "colo_limit_used_ratio", "ratio", "What is used of a limit", &labels, l.share());
    }
    s.instruments.iter().for_each(|i| instrument(e, core, i));
    transitions(e, core, s);
    for (stage, counts) in &live.stages {
        latency(e, core, stage, counts);
    }
    let lag = s.engine["journal_records"].saturating_sub(s.cold["records_followed"]);
    let help = "Records of the journal that the log and the chain of seals do not have yet";
    gauge(e, "colo_journal_lag_records", "records", help, &[("core", core)], lag as f64);
    if let Some(d) = live.disk {
        let free = "Bytes free where the journal is";
        gauge(e, "colo_journal_disk_free_bytes", "bytes", free, &[("core", core)], d.free_bytes as f64);
        let size = "Size of the file system that the journal is on";
        gauge(e, "colo_journal_disk_size_bytes", "bytes", size, &[("core", core)], d.size_bytes as f64);
    }
    threads(e, core, live);
}

fn gauge(
    e: &mut Exposition,
    name: &str,
    unit: &'static str,
    help: &str,
    labels: &[(&str, &str)],
    value: f64,
) {
    let family = e.family(name, Kind::Gauge, unit, help);
    e.add(family, labels, value);
}

fn count(e: &mut Exposition, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
    let family = e.family(name, Kind::Counter, "", help);
    e.add(family, labels, value as f64);
}

/// One series for each word, of which the one that holds is 1.
fn state_set(
    e: &mut Exposition,
    name: &str,
    help: &str,
    labels: &[(&str, &str)],
    set: (&str, &[&str], &str),
) {
    let (label, words, now) = set;
    for word in words {
        let mut labels = labels.to_vec();
        labels.push((label, word));
        gauge(e, name, "", help, &labels, f64::from(*word == now));
    }
}

fn trading(e: &mut Exposition, core: &str, r: &Risk) {
    let labels = [("core", core)];
    let values = [
        ("colo_risk_pnl_usd", "usd", "Profit and loss of the day", r.pnl),
        ("colo_risk_loss_limit_usd", "usd", "The loss of the day that halts", r.max_daily_loss),
        ("colo_risk_open_orders", "orders", "Orders open", r.open_orders as f64),
        ("colo_risk_open_orders_limit", "", "The limit on them", r.max_open_orders as f64),
        ("colo_risk_position_limit_shares", "shares", "The limit on each position", r.max_position as f64),
        ("colo_risk_tokens_left", "", "Order tokens left to the engine", r.tokens_left as f64),
        (
            "colo_risk_tradable_instruments",
            "instruments",
            "Instruments that can be traded now",
            r.tradable as f64,
        ),
        ("colo_risk_halted", "", "1 while trading is halted", f64::from(r.halted.is_some())),
        (
            "colo_risk_clutch_out",
            "",
            "1 while a person has the strategy off trading",
            f64::from(r.clutch == "out"),
        ),
    ];
    for (name, unit, help, value) in values {
        // The unit of OpenMetrics is the end of the name.
        let unit = if name.ends_with(&format!("_{unit}")) { unit } else { "" };
        gauge(e, name, unit, help, &labels, value);
    }
    let words = BreakerLevel::ALL.map(|l| l.word());
    state_set(e, "colo_risk_level", "How far trading is restrained", &labels, ("level", &words, r.level));
    if let Some(reason) = r.halted {
        let help = "1 for the reason why trading is halted";
        gauge(e, "colo_risk_halt_reason", "", help, &[("core", core), ("reason", reason)], 1.0);
    }
    if let Some(cause) = r.restrained_by {
        let help = "1 for what restrains trading";
        gauge(e, "colo_risk_restrained_by", "", help, &[("core", core), ("cause", cause)], 1.0);
    }
}

fn instrument(e: &mut Exposition, core: &str, i: &Instrument) {
    let labels = [("core", core), ("symbol", &*i.symbol)];
    gauge(e, "colo_instrument_position_shares", "shares", "Shares held", &labels, i.position as f64);
    gauge(e, "colo_instrument_pnl_usd", "usd", "Profit and loss after fees", &labels, i.pnl);
    gauge(e, "colo_instrument_fees_usd", "usd", "Fees paid less rebates received", &labels, i.fees);
    // No price is no zero.
    if i.bid_qty > 0 {
        gauge(e, "colo_instrument_bid_usd", "usd", "Best bid", &labels, i.bid);
    }
    if i.ask_qty > 0 {
        gauge(e, "colo_instrument_ask_usd", "usd", "Best offer", &labels, i.ask);
    }
    count(e, "colo_instrument_fills", "Fills", &labels, i.fills);
    count(e, "colo_instrument_bought_shares", "Shares bought", &labels, i.bought);
    count(e, "colo_instrument_sold_shares", "Shares sold", &labels, i.sold);
    let words = Validity::ALL.map(colo::telemetry::snapshot::validity_word);
    let help = "Whether it may be traded";
    state_set(e, "colo_instrument_validity", help, &labels, ("validity", &words, i.validity));
}

fn transitions(e: &mut Exposition, core: &str, s: &Snapshot) {
    for (to, counts) in &s.transitions {
        for (reason, n) in counts {
            let labels = [("core", core), ("validity", *to), ("reason", *reason)];
            count(e, "colo_validity_changes", "Changes of validity of instruments", &labels, *n);
        }
    }
}

/// Bounds of the buckets, ns: two to the octave from 64 ns to 17 s. Each is a bound of the shared histogram's, so no count is guessed.
fn bounds() -> impl Iterator<Item = u64> {
    (6..34u32).flat_map(|k| [1 << k, (1 << k) + (1 << (k - 1))]).chain([1 << 34])
}

fn latency(e: &mut Exposition, core: &str, stage: &str, all: &[Counts]) {
    let mut counts: Vec<(u64, u64)> = all.iter().flat_map(Counts::buckets).collect();
    counts.sort_unstable();
    let (mut seen, mut next) = (0u64, counts.iter().peekable());
    let mut buckets = Vec::new();
    for bound in bounds() {
        // Values below the bound: whole nanoseconds, so at most the one before it.
        while let Some((_, n)) = next.next_if(|(upper, _)| *upper < bound) {
            seen = seen.saturating_add(*n);
        }
        buckets.push((bound as f64 / 1e9, seen));
    }
    let total = next.fold(seen, |sum, (_, n)| sum.saturating_add(*n));
    let sum = all.iter().fold(0.0, |sum, c| sum + c.sum() as f64 / 1e9);
    let help =
        "Latency by stage; tick_to_order is from a packet's receipt to its order's bytes in the socket";
    let family = e.family("colo_latency_seconds", Kind::Histogram, "seconds", help);
    e.add_histogram(family, &[("core", core), ("stage", stage)], &buckets, total, sum);
}

fn threads(e: &mut Exposition, core: &str, live: &Live) {
    for a in &live.snapshot.agents {
        let Some(t) = crate::threads::of_agent(&live.threads, &a.name) else { continue };
        let labels = [("core", core), ("agent", &*a.name)];
        count(e, "colo_thread_minor_faults", "Memory touched for the first time", &labels, t.minor_faults);
        count(e, "colo_thread_major_faults", "Faults that waited for a disk", &labels, t.major_faults);
        count(e, "colo_thread_preempted", "Times that the kernel took it off its core", &labels, t.preempted);
        let help = "The processor that it last ran on";
        gauge(e, "colo_thread_processor", "", help, &labels, t.processor as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Down;
    use crate::metrics::exposition::Format;
    use crate::specimen;
    use crate::watch::Reading;

    fn text(readings: &[&Reading]) -> String {
        crate::metrics::of(readings).text(Format::OpenMetrics)
    }

    #[test]
    fn a_core_that_is_down_has_nothing_but_its_reason() {
        let live = specimen::reading(specimen::trading());
        let down = Reading { name: "gone".into(), at: specimen::NOW, found: Err(Down::Absent) };
        let text = text(&[&live, &down]);
        let of_gone: Vec<_> = text.lines().filter(|l| l.contains("\"gone\"")).collect();
        assert_eq!(of_gone, ["colo_up{core=\"gone\"} 0", "colo_down{core=\"gone\",reason=\"absent\"} 1"]);
        assert!(
            text.contains("colo_up{core=\"desk1\"} 1\n")
                && text.contains("colo_risk_pnl_usd{core=\"desk1\"} 12.5\n")
        );
    }

    #[test]
    fn a_bucket_counts_what_is_at_or_below_its_bound() {
        let all: Vec<u64> = bounds().collect();
        assert!(all.is_sorted() && all.len() == 57 && all[..4] == [64, 96, 128, 192], "{all:?}");
        let text = text(&[&specimen::reading(specimen::trading())]);
        let of = |bound: &str| {
            let series =
                format!("colo_latency_seconds_bucket{{core=\"desk1\",stage=\"book\",le=\"{bound}\"}} ");
            text.lines()
                .find_map(|l| l.strip_prefix(&series))
                .unwrap_or_else(|| panic!("{series}"))
                .to_owned()
        };
        // 2,000 to 2,990 ns in steps of 10: five are below 2,048.
        assert_eq!(
            [of("0.000001536"), of("0.000002048"), of("0.000003072"), of("+Inf")],
            ["0", "5", "100", "100"]
        );
    }

    #[test]
    fn one_word_of_a_set_holds_and_an_empty_side_has_no_price() {
        let mut s = specimen::trading();
        s.instruments[0].bid_qty = 0;
        let text = text(&[&specimen::reading(s)]);
        let levels: Vec<_> = text.lines().filter(|l| l.starts_with("colo_risk_level{")).collect();
        assert_eq!(levels.iter().filter(|l| l.ends_with(" 1")).count(), 1, "{levels:?}");
        assert!(!text.contains("colo_instrument_bid_usd{core=\"desk1\",symbol=\"AAPL\"}"));
        assert!(text.contains("colo_instrument_ask_usd{core=\"desk1\",symbol=\"AAPL\"} 100.02\n"));
    }

    #[test]
    fn a_core_of_any_size_and_any_numbers_is_written() {
        for number in [0, 1, u64::MAX] {
            let text = text(&[&specimen::reading(specimen::core(40, number))]);
            assert!(text.ends_with("# EOF\n"));
        }
    }
}
