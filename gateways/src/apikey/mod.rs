//! A venue with API keys and rate limits: REST for requests, a WebSocket stream for what becomes of our orders, in the style of the large crypto venues.
//!
//! ```text
//!                    +------------------------------ Session ------------------------------+
//!  OrderCommand ---->| orders: what each token is, and what is not known of it             |--> Request (for a connection of the agent)
//!  Response -------->| limits: the venue's windows   auth: key and signature, or a token   |
//!  stream text ----->| reference: tick, lot, minimum   clock: the venue's time             |--> ReportSink
//!                    +---------------------------------------------------------------------+
//! ```
//!
//! Nothing here knows a socket or a clock, or how a request travels. The rules it keeps:
//!
//! * **A request without an answer is not repeated.** What it was about is unknown until the venue was asked by the order's client id; and "there is no
//!   such order" counts only when the request is out of its time window, for before that it may still be on its way.
//! * **A fill is a trade with a number**, from the stream or from the list of trades, and counts once by it. An order's end is
//!   reported when all its trades were.
//! * **No limit is exceeded** (see [`limits`]), and a part of each is kept for cancels.
//! * **A day is accounted for once.** What was executed of an order before the day began is of the days before, and the order is adopted with the rest (see `carried`).
//! * After the stream was away, everything is read again by REST before the session is `Ready`.
//!
//! Quantities are in units of 10^-u coins and prices in 1e-4 USD a unit, with u chosen for each instrument so that both are exact: see [`model::Unit`].

pub mod auth;
mod carried;
mod config;
pub mod limits;
mod missed;
mod orders;
pub mod reference;
mod requests;
mod session;
mod settle;
mod silence;
mod sweep;
pub mod venue_clock;
mod wire;

pub use auth::Credentials;
pub use config::{SessionConfig, own};
pub use session::{Lane, Request, Response, Session, Stage};
pub use silence::silence;
