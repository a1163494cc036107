//! A core's shared memory as metrics for Prometheus.
//!
//! Names begin with `colo_`, units are base units (seconds, bytes, USD), counts end in `_total`. Every series has the label `core`; what other labels there are
//! is bounded by the core's configuration: feeds, lines, gateways, agents, instruments, and words of fixed lists. A core that is down has `colo_up` 0 and the
//! reason, and nothing else: what it last said is not shown as if it were now.
//!
//! * [`exposition`]: families of samples, and the two text formats.
//! * `tables`: every counter of shared memory, by its entry.
//! * [`core`]: the rest: trading, instruments, latencies, threads, disk.

pub mod core;
pub mod exposition;
mod tables;

use crate::watch::Reading;
use exposition::{Exposition, Kind};

/// All metrics of these cores.
#[must_use]
pub fn of(readings: &[&Reading]) -> Exposition {
    let mut e = Exposition::default();
    let up = e.family(
        "colo_up",
        Kind::Gauge,
        "",
        "1 while the core lives: its process is there and each agent beats",
    );
    for r in readings {
        e.add(up, &[("core", &r.name)], if r.live().is_some() { 1.0 } else { 0.0 });
    }
    let down = e.family("colo_down", Kind::Gauge, "", "1 for the reason why a core cannot be read");
    for r in readings {
        if let Err(d) = &r.found {
            e.add(down, &[("core", &r.name), ("reason", d.word())], 1.0);
        }
    }
    for r in readings {
        if let Some(live) = r.live() {
            tables::add(&mut e, &r.name, &live.snapshot);
            core::add(&mut e, &r.name, r.at, live);
        }
    }
    e
}
