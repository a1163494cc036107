//! `colo`: a low-latency colocated execution core.
//!
//! Everything between a packet and an order is a pure state machine in `feeds`, `engine` and `gateways`; sockets, clocks, threads and files meet it only
//! here. README.md is the way in, ARCHITECTURE.md the map.

pub mod agent;
pub mod agents;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod config;
pub mod control;
pub mod core;
pub mod doctor;
pub mod exchange;
mod fix_link;
pub mod fix_store;
pub mod host;
pub mod journal;
pub mod latch;
pub mod latency;
pub mod logs;
pub mod manifest;
mod order_link;
pub mod order_protocol;
pub mod protocol;
pub mod reconcile;
pub mod record;
pub mod release;
pub mod replay;
pub mod research;
mod session_file;
pub mod sim;
pub mod source;
pub mod telemetry;
pub mod watchdog;
pub mod web;

pub use {engine, feeds, model};

/// What a strategy's file needs: `use colo::prelude::*;`.
pub mod prelude {
    pub use engine::book::{BookChange, Books, Level, Top};
    pub use engine::facts::Fact;
    pub use engine::strategy::{Fill, Intent, Intents, ParamError, Params, Strategy, TradePrint, View};
    pub use engine::{InstrumentChange, Order, OrderId, OrderState, Reason, RiskReject};
    pub use model::{InstrumentId, Nanos, Px, Qty, ReportKind, Side, Tif, Usd, Validity};
}
