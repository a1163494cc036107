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

pub use backtest::rehearsal;
pub use {engine, feeds, model};

/// What a strategy's file needs: `use colo::prelude::*;`. [`rehearsal`] is for its tests; what neither has is in [`engine`] and [`model`], which need no
/// dependency of their own either.
pub mod prelude {
    pub use engine::book::{BookChange, Books, Level, QueuePosition, Top};
    pub use engine::facts::{Fact, Facts, MarketFacts};
    pub use engine::strategy::{Fill, Intent, Intents, ParamError, Params, Strategy, TradePrint, View};
    pub use engine::{
        DropReason, Dropped, InstrumentChange, InstrumentState, Order, OrderId, OrderState, Position, Reason,
        RiskReject,
    };
    pub use model::{
        BreakerLevel, InstrumentId, Nanos, Px, Qty, ReportKind, Side, Symbol, Tif, TradingState, Usd,
        Validity, VenueRef,
    };
}
