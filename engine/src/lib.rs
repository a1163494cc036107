//! The deterministic core: books, orders, positions, risk, strategies, and the [`Engine`] that puts them together.
//!
//! Nothing in this crate can reach a socket, a file or a clock: its manifest offers none. See [`engine`] for the contract.
#![forbid(unsafe_code)]

pub mod book;
mod breaker;
pub mod dropcopy;
pub mod engine;
pub mod facts;
mod hash;
mod instruments;
pub mod limits;
mod orders;
mod position;
mod risk;
mod sanity;
pub mod strategy;
mod validity;

pub use breaker::{Alarm, BreakerError, BreakerRule, Breakers, LossLimits, Measure, RATIO_FROM, Trigger};
pub use engine::{Engine, EngineConfig, EngineStats, KillState, Outbox, Refusal};
pub use hash::StateHash;
pub use instruments::{InstrumentChange, InstrumentState, Instruments};
pub use orders::{Exposure, Lives, Order, OrderId, OrderState, Orders, PendingReplace, Turn};
pub use position::{FEE_MAX, Fees, Opening, Overflow, Position, Positions};
pub use risk::{
    AdvLimits, Approved, BackOff, BucketLimit, DriftLimit, DropReason, Dropped, LimitsError, Pace,
    QueueLimit, RepeatLimit, RiskLimits, RiskReject, ScopeLimits, Scopes, ScopesError, SymbolLimits,
    Throttle, ThrottleError, Weights, WindowLimit,
};
pub use sanity::{BookSanity, SanityError};
pub use validity::{Phase, Reason, Scope, Soundness, Transition, Transitions};
