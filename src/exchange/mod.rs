//! The simulated exchange: a real venue in miniature, for demos, drills and as the oracle of whole-program tests.
//!
//! ```text
//!                     +--------------------------- Venue (virtual time, no I/O) ---------------------------+
//!  ITCH file, seed -->| flow/ --> floor (books, ledger, tape) <-- order_entry <-- codec <-- soup           |<-- TCP
//!                     |             |                                                                       |--> TCP
//!                     |             +--> itch --> mold --> faults (per line)                                |--> UDP line A, B
//!                     |             +--> glimpse --> soup                                                     |--> TCP
//!                     +-------------------------------------------------------------------------------------+<-> UDP re-request
//!                                                    server (sockets, clock, thread)
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`matching`] | price-time book |
//! | [`itch`], [`mold`], [`faults`], [`message_log`] | market data out |
//! | [`glimpse`] | snapshots of all books, one a login |
//! | [`entry`] | what can be asked and told, in the venue's words |
//! | [`codec`], [`ouch`], [`ouch42`] | the same as bytes of a protocol |
//! | [`fix`] | FIX: sessions, requests, reports |
//! | [`soup`], [`connection`], [`desk`], [`latency`] | sessions; what is on its way in and out, and how much may be |
//! | [`order_entry`], [`admission`], [`accounts`] | the life of an order, what is refused, the ledger |
//! | [`market`], [`auction`], [`bands`] | hours, crosses, halts, limits of price |
//! | [`script`] | what goes wrong, and when |
//! | [`flow`] | the rest of the market |
//! | [`floor`], [`venue`] | composition |
//! | [`venue::operator`] | what a person does to it while it runs |
//! | [`rest`] | REST and WebSocket with API keys, beside order entry |
//! | [`config`], [`server`] | TOML, sockets |
//!
//! It shares no decoder, encoder or book with `feeds`, `gateways` and `engine`, only the vocabulary of `model` (prices, quantities, sides,
//! symbols): where both sides of a test come from one hand, a misreading of the specification would cancel out. The one exception is FIX's session layer, which
//! has judges from outside ([`fix`] says which).
//!
//! Not simulated: pegged and discretionary orders, routing, retail programs.

pub mod accounts;
pub mod admission;
pub mod auction;
pub mod bands;
pub mod codec;
pub mod config;
pub mod connection;
pub mod desk;
pub mod entry;
pub mod faults;
pub mod fix;
pub mod floor;
pub mod flow;
pub mod glimpse;
pub mod itch;
pub mod latency;
pub mod market;
pub mod matching;
pub mod message_log;
pub mod mold;
pub mod order_entry;
pub mod ouch;
pub mod ouch42;
mod out;
pub mod rest;
pub mod rng;
pub mod script;
pub mod server;
pub mod soup;
pub mod venue;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use accounts::{AccountView, LiveOrder};
pub use config::{AccountConfig, ExchangeConfig, FaultsConfig, FlowConfig, SpeedConfig};
pub use server::{Outcome, Progress, Running, spawn};
pub use venue::{BookSnapshot, Venue, VenueConfig};

/// Why a venue cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The configuration is not TOML of the right shape.
    #[error("exchange configuration: {message}")]
    Toml {
        /// What and where, as the TOML reader says it.
        message: String,
    },
    /// A value is not allowed.
    #[error("exchange configuration: {key} = {value} is not allowed; allowed: {allowed}")]
    Invalid {
        /// Which key.
        key: String,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A password file cannot be read.
    #[error("password file {path} cannot be read: {source}")]
    PasswordFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The flow's file cannot be played.
    #[error(transparent)]
    Flow(#[from] flow::reader::FileError),
    /// A socket cannot be had.
    #[error("{what} cannot use {address}: {source}")]
    Socket {
        /// What it is for.
        what: &'static str,
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control socket cannot be had.
    #[error("the control socket (control) cannot be at {path}: {source}")]
    Control {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system refuses something else.
    #[error("the exchange cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The venue's thread ended by a panic.
    #[error("the exchange's thread panicked")]
    Panicked,
}
