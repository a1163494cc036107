//! The feed and gateway agents of whatever protocol their configuration names. Which one it is is asked once in a duty cycle, not on the way of a message
//! or an order.

use std::net::SocketAddr;

use model::{Instrument, Nanos};
use net::line::Line;

use super::LineWatch;
use super::depth::DepthAgent;
use super::feed::{FeedOf, FeedParts};
use super::gateway::paper::PaperAgent;
use super::gateway::rest::RestAgent;
use super::gateway::{GatewayOf, GatewayParts};
use crate::agent::Agent;
use crate::control::FeedDoor;
use crate::order_protocol::{Configured, OrderProtocol, SetupError, each_order_protocol};
use crate::protocol::{FeedProtocol, each_protocol};
use crate::reconcile::Figures;

macro_rules! feed_agent {
    ($($name:ident $word:literal $decoder:ty;)*) => {
        /// Polls the lines of one feed, arbitrates, decodes, captures, passes on.
        pub enum FeedAgent {
            $(#[doc = concat!("Of a feed that speaks `", $word, "`.")] $name(Box<FeedOf<$decoder>>),)*
            /// Of a feed that speaks `depth`.
            Depth(Box<DepthAgent>),
        }

        /// The same expression of whichever agent it is.
        macro_rules! each {
            ($agent:expr, $a:ident => $then:expr) => {
                match $agent {
                    $(FeedAgent::$name($a) => $then,)*
                    FeedAgent::Depth($a) => $then,
                }
            };
        }

        impl FeedAgent {
            /// Opens the sockets.
            ///
            /// # Errors
            /// The socket's, with the address in it.
            pub fn open(parts: FeedParts) -> std::io::Result<FeedAgent> {
                Ok(match parts.config.protocol {
                    $(FeedProtocol::$name => FeedAgent::$name(Box::new(FeedOf::open(parts)?)),)*
                    FeedProtocol::Depth => FeedAgent::Depth(Box::new(DepthAgent::open(parts)?)),
                })
            }
        }
    };
}
each_protocol! { feed_agent }

impl FeedAgent {
    /// What the host refused to its lines, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        each!(self, a => a.warnings())
    }

    /// The cold thread's part of it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn watch(&self) -> std::io::Result<LineWatch> {
        each!(self, a => a.watch())
    }

    /// The control thread's part of it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn door(&self) -> std::io::Result<FeedDoor> {
        each!(self, a => a.door())
    }

    /// The addresses that the lines are bound to.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        each!(self, a => a.lines()).iter().map(Line::local_addr)
    }
}

impl Agent for FeedAgent {
    fn name(&self) -> &str {
        each!(self, a => a.name())
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        each!(self, a => a.do_work(now))
    }

    fn on_close(&mut self) {
        each!(self, a => a.on_close());
    }
}

/// Why a gateway's agent cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What the configuration asks for and the protocol cannot say.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Where the venue is or whom to believe, in words for a person.
    #[error("{0}")]
    Venue(String),
}

macro_rules! gateway_agent {
    ($($name:ident $word:literal $gateway:ty, $link:ty;)*) => {
        /// Keeps one order entry session alive and moves bytes.
        pub enum GatewayAgent {
            $(#[doc = concat!("Of a gateway that speaks `", $word, "`.")] $name(Box<GatewayOf<$gateway, $link>>),)*
            /// Of a gateway that speaks `rest_ws`.
            RestWs(Box<RestAgent>),
            /// Of all gateways of a core that trades on paper.
            Paper(Box<PaperAgent>),
        }

        /// The same expression of whichever agent it is.
        macro_rules! each_gateway {
            ($agent:expr, $a:ident => $then:expr) => {
                match $agent {
                    $(GatewayAgent::$name($a) => $then,)*
                    GatewayAgent::RestWs($a) => $then,
                    GatewayAgent::Paper($a) => $then,
                }
            };
        }

        impl GatewayAgent {
            /// Puts it together; the first connection is tried in the first duty cycle.
            ///
            /// # Errors
            /// What the configuration asks for and the protocol cannot say.
            ///
            /// What the host refuses goes to `warnings`, one sentence each.
            pub fn open(parts: GatewayParts, instruments: &[Instrument], warnings: &mut Vec<String>) -> Result<GatewayAgent, OpenError> {
                Ok(match parts.config.protocol {
                    $(OrderProtocol::$name => {
                        let gateway = <$gateway>::configured(&parts.config, parts.id, instruments)?;
                        GatewayAgent::$name(Box::new(GatewayOf::new(parts, gateway, warnings)))
                    })*
                    OrderProtocol::RestWs => {
                        let venue = parts.config.rest.clone().ok_or_else(|| OpenError::Venue("no `rest`".into()))?;
                        let agent = RestAgent::open(parts, &venue, instruments).map_err(OpenError::Venue)?;
                        GatewayAgent::RestWs(Box::new(agent))
                    }
                })
            }
        }
    };
}
each_order_protocol! { gateway_agent }

impl GatewayAgent {
    /// What the person is to know when it has ended.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        each_gateway!(self, a => a.failure())
    }

    /// What its venue says was done, where that is simulated in this process.
    #[must_use]
    pub fn on_paper(&self) -> Option<Figures> {
        match self {
            GatewayAgent::Paper(agent) => Some(agent.figures()),
            _ => None,
        }
    }
}

impl Agent for GatewayAgent {
    fn name(&self) -> &str {
        each_gateway!(self, a => a.name())
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        each_gateway!(self, a => a.do_work(now))
    }

    fn is_done(&self) -> bool {
        each_gateway!(self, a => a.is_done())
    }

    fn on_stop(&mut self, now: Nanos) -> bool {
        each_gateway!(self, a => a.on_stop(now))
    }

    fn on_close(&mut self) {
        each_gateway!(self, a => a.on_close());
    }
}
