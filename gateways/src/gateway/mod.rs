//! Order entry sessions as a gateway agent drives them: [`OrderGateway`] is the contract, [`SoupGateway`] keeps it for every protocol that SoupBinTCP
//! carries.
//!
//! The agent owns the socket and the clock; this owns the buffers. A session is ready for orders when the [`Barrier`] has been passed.

mod barrier;
mod config;
mod contract;
mod live;
mod memory;
mod sink;
mod soup;

pub use barrier::Barrier;
pub use config::{ConfigError, GatewayConfig};
pub use contract::OrderGateway;
pub use live::LiveOrders;
pub use memory::SessionMemory;
pub use sink::{Notice, ReportSink, SINK_BURST};
pub use soup::{Counters, ProtocolError, SoupGateway, Unsent};

/// An OUCH 5.0 port.
pub type OuchGateway = SoupGateway<crate::ouch50::Ouch50>;
