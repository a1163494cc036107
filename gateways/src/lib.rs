//! Order entry protocols as state machines without I/O.
//!
//! Nothing here knows a socket, a clock or a thread: bytes and `now` go in, values come out.
//!
//! ```text
//!            socket reads into recv_space()                                transmit() is written to the socket
//!                        |                                                              ^
//!                        v                                                              |
//!   soupbintcp::Deframer -> ClientSession -> ouch50::Decoder -> ReportSink     soupbintcp::Transmit
//!                                |                                                ^           ^
//!                                +---- login, heartbeats, logout -----------------+           |
//!                                                          OrderCommand -> ouch50::Encoder ---+
//! ```
//!
//! A gateway agent drives a [`gateway::OrderGateway`]. [`gateway::SoupGateway`] is one, of any protocol that SoupBinTCP carries
//! ([`codec::SoupProtocol`]); [`soupbintcp`] and [`ouch50`] are usable by themselves.
//! After construction nothing allocates, and no input, however hostile, panics or makes a buffer grow.
//!
//! [`apikey`] is a world of its own: REST requests and a stream of JSON, on an agent of their own. It allocates.
#![forbid(unsafe_code)]

pub mod apikey;
pub mod codec;
mod fields;
pub mod fix;
pub mod gateway;
pub mod order;
pub mod ouch42;
pub mod ouch50;
pub mod soupbintcp;
pub mod symbols;
