//! FIX 4.4 and 4.2: orders and drop copies as text.
//!
//! ```text
//!   bytes -> framing -> session -> order::Report -> model::ExecutionReport
//!                         |  ^
//!              dictionary +  +-- store: sequence numbers, messages to be sent again
//!                            +-- logon: password or signature
//!   bytes <- compose <- session <- order::Request <- model::OrderCommand
//! ```
//!
//! [`Session`] is one machine in both roles, without socket, clock or file. Specification: FIX 4.4 volumes 1 and 2 (session, messages), FIX 4.2; what a session
//! does is checked against the public acceptance definitions (`gateways/tests/fix_acceptance.rs`).

pub mod compose;
pub mod dictionary;
pub mod framing;
pub mod gateway;
pub mod logon;
pub mod order;
mod orders;
pub mod session;
pub mod store;
pub mod tags;
pub mod value;

pub use gateway::{FixConfig, FixConfigError, FixGateway};
pub use session::Session;
