//! The vocabulary that every crate of `colo` shares, and nothing else.
//!
//! Plain values: prices and quantities as integers with their unit in the type, the
//! events a feed decodes to, the commands a gateway encodes, the reports it decodes. No crate depends on
//! less: this one has no dependencies, no I/O, no clock and no `unsafe`. ([`canary`] reads one variable of the environment, in a build that nobody trades with.)
//!
//! Everything that crosses a ring is `Copy`, at most 64 bytes (asserted at compile time) and free of
//! pointers, so that a message can be copied between threads, journaled and replayed as it is.
#![forbid(unsafe_code)]

mod breaker;
pub mod canary;
mod decimal;
mod drift;
mod ids;
mod input;
mod instrument;
mod market;
mod order;
mod setting;
mod units;

pub use breaker::{BreakerCause, BreakerLevel};
pub use canary::Canary;
pub use decimal::{Decimal, ParseDecimalError, Unit};
pub use drift::{Drift, DriftFigure};
pub use ids::{FeedId, GatewayId, InstrumentId, Symbol, Token, VenueRef};
pub use input::{Control, FeedStatus, HaltReason, Input, SessionEvent};
pub use instrument::{Instrument, TradingState, Validity};
pub use market::{CrossKind, MarketBody, MarketEvent};
pub use order::{CommandKind, ExecutionReport, OrderCommand, PortRequest, ReportKind, Tif};
pub use setting::{Limit, ParamName, SETTINGS_MAX, Setting};
pub use units::{Nanos, ParsePxError, Px, Qty, Side, Usd};
