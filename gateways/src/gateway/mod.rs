//! An OUCH 5.0 port over SoupBinTCP: what a gateway agent drives.
//!
//! ```text
//!   connect  -> on_connected      read -> recv_space, on_received      write -> transmit, transmitted
//!   lost     -> on_disconnected   time -> next_timeout, on_timeout     order -> encode
//! ```
//!
//! The agent owns the socket and the clock; this owns the buffers. An error of [`OuchGateway::on_received`], [`OuchGateway::resume`] or
//! [`OuchGateway::on_timeout`] means: drop the socket and call [`OuchGateway::on_disconnected`]. When [`OuchGateway::is_over`] is true the
//! socket has no further use either.
//!
//! Nothing is sent twice: what is unsent when the connection is lost stays unsent ([`OuchGateway::unsent`]), and what was sent but not
//! answered is for the caller to settle from the replay. The session is ready for orders when the [`Barrier`] has been passed.

mod barrier;
mod config;
mod ouch;
mod sink;

pub use barrier::Barrier;
pub use config::{ConfigError, GatewayConfig};
pub use ouch::{Counters, OuchGateway, ProtocolError, Unsent};
pub use sink::{Notice, ReportSink, SINK_BURST};
