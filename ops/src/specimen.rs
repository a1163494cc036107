//! Cores for tests: as large as asked for, or small and at peace.

use std::collections::BTreeMap;

use colo::telemetry::counters;
use colo::telemetry::snapshot::{Agent, Feed, Instrument, OpenOrder, Port, Risk, Snapshot};
use colo::telemetry::stages::Percentiles;
use model::Nanos;
use ringbuf::histogram::{Histogram, WORDS};
use ringbuf::words::Words;

use crate::history::STAGES;
use crate::threads::Thread;
use crate::watch::{Disk, Live, Reading};

pub fn table(entries: &[counters::Entry], value: u64) -> BTreeMap<&'static str, u64> {
    entries.iter().map(|e| (e.name, value)).collect()
}

/// A core with so many of everything, each number this.
pub fn core(many: usize, number: u64) -> Snapshot {
    let money = number as f64 / 10_000.0;
    let id = |what: &str, k: usize| format!("{what}-with-a-long-name-of-32-{k}");
    Snapshot {
        name: "n".repeat(32),
        pid: number,
        mode: "test",
        alive: true,
        started_ns: 0,
        run: None,
        agents: (0..many)
            .map(|k| Agent { name: id("agent", k), counters: table(&counters::agent::TABLE, number) })
            .collect(),
        feeds: (0..many)
            .map(|k| Feed {
                id: id("feed", k),
                counters: table(&counters::feed::TABLE, number),
                ring: table(&counters::ring::TABLE, number),
                lines: vec![table(&counters::line::TABLE, number); many.min(4)],
            })
            .collect(),
        gateways: (0..many)
            .map(|k| Port {
                id: id("g", k),
                throttle: None,
                report_ring: table(&counters::ring::TABLE, number),
                order_ring: table(&counters::ring::TABLE, number),
                counters: table(&counters::gateway::TABLE, number),
            })
            .collect(),
        cold: table(&counters::cold::TABLE, number),
        control: table(&counters::control::TABLE, number),
        transitions: BTreeMap::new(),
        engine: table(&counters::engine::TABLE, number),
        risk: Some(Risk {
            now_ns: number,
            halted: Some("reconciliation"),
            level: "halted",
            restrained_by: None,
            clutch: "in",
            open_orders: number,
            max_open_orders: number,
            pnl: -money,
            max_daily_loss: money,
            max_position: number.cast_signed(),
            tokens_left: number,
            tradable: number,
            slippage: -money,
            slippage_of: money,
        }),
        instruments: (0..many)
            .map(|k| Instrument {
                symbol: format!("SYM{k}"),
                validity: "recovering",
                reason: "duplicate_order",
                since_ns: number,
                trading: "quotation_only",
                bid: money,
                bid_qty: number,
                ask: money,
                ask_qty: number,
                last: money,
                position: number.cast_signed(),
                cash: money,
                mark: money,
                fills: number,
                bought: number,
                sold: number,
                opening: number.cast_signed(),
                realised: money,
                realised_fifo: money,
                unrealised: money,
                fees: money,
                pnl: money,
            })
            .collect(),
        orders: (0..many)
            .map(|_| OpenOrder {
                token: number as u32,
                id: number as u32,
                symbol: "ABCDEFGH".into(),
                side: 'S',
                state: "pending_replace".into(),
                px: money,
                open: number as u32,
                executed: number as u32,
            })
            .collect(),
        latency_ns: STAGES
            .map(|s| (s, Percentiles { p50: number, p99: number, p999: number, max: number, n: number }))
            .into(),
    }
}

/// One feed, one gateway and two instruments, all well: long 100 AAPL, a gain of 12.50.
pub fn trading() -> Snapshot {
    let mut s = core(0, 0);
    let of = |entries: &[counters::Entry], set: &[(&'static str, u64)]| {
        let mut t = table(entries, 0);
        t.extend(set.iter().copied());
        t
    };
    (s.name, s.pid, s.started_ns) = ("desk1".into(), 4_711, NOW.0 - 3_600_000_000_000);
    s.agents = ["gateway-g1", "strategy", "feed-f1", "cold", "control"]
        .into_iter()
        .zip(1..)
        .map(|(name, k)| {
            let set =
                [("heartbeat_ns", NOW.0 - k * 1_000), ("cycles", k * 1_000_000), ("phase", 1), ("core", k)];
            Agent { name: name.into(), counters: of(&counters::agent::TABLE, &set) }
        })
        .collect();
    let heard = [("won", 500), ("last_heard_ns", NOW.0 - 2_000_000)];
    s.feeds = vec![Feed {
        id: "f1".into(),
        counters: of(
            &counters::feed::TABLE,
            &[("synced", 1), ("messages", 123_456), ("gaps", 2), ("gaps_filled", 2), ("line_count", 2)],
        ),
        ring: of(&counters::ring::TABLE, &[("fill", 1_024), ("capacity", 4_096)]),
        lines: vec![of(&counters::line::TABLE, &heard), of(&counters::line::TABLE, &heard)],
    }];
    s.gateways = vec![Port {
        id: "g1".into(),
        throttle: None,
        report_ring: of(&counters::ring::TABLE, &[("capacity", 1_024)]),
        order_ring: of(&counters::ring::TABLE, &[("capacity", 1_024)]),
        counters: of(
            &counters::gateway::TABLE,
            &[
                ("state", 3),
                ("sent", 321),
                ("reports", 640),
                ("connects", 1),
                ("last_order_ns", NOW.0 - 5_000_000),
            ],
        ),
    }];
    s.engine = of(
        &counters::engine::TABLE,
        &[
            ("new_orders", 300),
            ("replaces", 21),
            ("fills", 42),
            ("rejected", 1),
            ("refusals", 7),
            ("journal_records", 999),
        ],
    );
    s.cold = of(
        &counters::cold::TABLE,
        &[("records_followed", 990), ("clock_offset_ns", 1_500), ("clock_kept", 1)],
    );
    s.risk = Some(Risk {
        now_ns: NOW.0,
        halted: None,
        open_orders: 2,
        max_open_orders: 50,
        pnl: 12.5,
        max_daily_loss: 1_000.0,
        max_position: 1_000,
        tokens_left: 60_000,
        tradable: 2,
        slippage: -0.25,
        slippage_of: 10_000.0,
        level: "normal",
        restrained_by: None,
        clutch: "in",
    });
    s.instruments = core(2, 0).instruments;
    for (i, (symbol, shares)) in s.instruments.iter_mut().zip([("AAPL", 100), ("MSFT", 0)]) {
        (i.symbol, i.validity, i.reason, i.trading) = (symbol.into(), "valid", "none", "trading");
        (i.bid, i.bid_qty, i.ask, i.ask_qty, i.last) = (99.98, 300, 100.02, 200, 100.0);
        (i.position, i.mark, i.pnl) = (shares, 100.0, if shares == 0 { 0.0 } else { 12.5 });
    }
    s.orders = core(2, 0).orders;
    for (o, (side, px)) in s.orders.iter_mut().zip([('B', 99.98), ('S', 100.02)]) {
        (o.token, o.symbol, o.side, o.state) = (17, "AAPL".into(), side, "live".into());
        (o.px, o.open, o.executed) = (px, 100, 0);
    }
    s.latency_ns
        .insert("tick_to_order", Percentiles { p50: 2_100, p99: 9_800, p999: 25_000, max: 140_000, n: 321 });
    s
}

/// When specimens are read.
pub const NOW: Nanos = Nanos(1_767_258_000_000_000_000);

/// As it is looked at: 100 orders of 2 us behind it, 10 GB of disk with 4 free.
pub fn live(snapshot: Snapshot) -> Live {
    let mut h = Histogram::over(Words::zeroed(WORDS)).expect("enough words");
    (0..100).for_each(|k| h.record(2_000 + k * 10));
    let name = "strategy".to_owned();
    Live {
        snapshot,
        stages: STAGES.map(|stage| (stage, vec![h.reader().snapshot()])),
        threads: vec![Thread {
            name,
            minor_faults: 12,
            major_faults: 0,
            preempted: 3,
            ticks: 100,
            processor: 2,
        }],
        disk: Some(Disk { free_bytes: 4_000_000_000, size_bytes: 10_000_000_000 }),
        configured: None,
        best_pnl: None,
        messages_per_s: None,
    }
}

/// The same as a reading.
pub fn reading(snapshot: Snapshot) -> Reading {
    Reading { name: snapshot.name.clone(), at: NOW, found: Ok(live(snapshot)) }
}
