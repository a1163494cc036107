//! The feed agent of whatever protocol its configuration names. Which one it is is asked once in a duty cycle, not on the way of a message.

use std::net::SocketAddr;

use model::Nanos;
use net::udp::UdpLine;

use super::LineWatch;
use super::feed::{FeedOf, FeedParts};
use crate::agent::Agent;
use crate::control::FeedDoor;
use crate::protocol::{FeedProtocol, each_protocol};

macro_rules! feed_agent {
    ($($name:ident $word:literal $decoder:ty;)*) => {
        /// Polls the lines of one feed, arbitrates, decodes, captures, passes on.
        pub enum FeedAgent {
            $(#[doc = concat!("Of a feed that speaks `", $word, "`.")] $name(Box<FeedOf<$decoder>>),)*
        }

        /// The same expression of whichever agent it is.
        macro_rules! each {
            ($agent:expr, $a:ident => $then:expr) => {
                match $agent {
                    $(FeedAgent::$name($a) => $then,)*
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
        each!(self, a => a.lines()).iter().map(UdpLine::local_addr)
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
