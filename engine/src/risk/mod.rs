//! Pre-trade risk: the last thing between an intent and the wire.
//!
//! [`Gate`] is the only maker of [`Approved`], and only an `Approved` can be given to a gateway, so an order that was not checked does not
//! compile. Checks are integer compares with checked arithmetic; each names the rule that asks for it. A refusal is a value with a stable
//! code. Cancels pass always: nothing here may keep risk from being taken off (MiFID II RTS 6 art. 12; FIA "cancel always").

mod approved;
mod gate;
mod limits;
mod pace;
mod rate;
mod recent;
mod reject;
mod repeat;
mod scopes;
mod throttle;
mod waiting;
mod worth;

pub use approved::Approved;
pub(crate) use gate::{Gate, NewOrder, World};
pub use limits::{LimitsError, RiskLimits};
pub use reject::RiskReject;
pub use scopes::{AdvLimits, DriftLimit, RepeatLimit, ScopeLimits, Scopes, ScopesError, SymbolLimits};
pub use throttle::{BackOff, BucketLimit, Pace, Throttle, ThrottleError, Weights, WindowLimit};
pub use waiting::{DropReason, Dropped, QueueLimit};
pub(crate) use waiting::{Entry, Flush, Want};
