//! The feed protocols that a core can be configured with: one line each in `each_protocol`, for those that come as datagrams; `depth` is the one that does not.
//!
//! A feed agent is generic over its protocol, so that nothing on the way of a message asks which it is; whoever puts agents together asks once. Where
//! nothing is hot (a replay, a recording), [`Decoder`] and [`FeedProtocol::deliver`] ask at each message.

use feeds::channel::{Channel, Sink};
use feeds::framing::Session;
use feeds::protocol::{Decode, Protocol, Refusal, Wanted};
use model::{MarketEvent, Nanos};

/// Gives the list to a macro: name, word in the configuration, filter and decoder.
macro_rules! each_protocol {
    ($then:ident) => {
        $then! {
            Itch50 "itch50" feeds::itch50::Subscription;
            CboePitch "cboe_pitch" feeds::pitch::Subscription;
            JnxItch16 "jnx_itch16" feeds::jnx::Subscription;
        }
    };
}
pub(crate) use each_protocol;

macro_rules! by_protocol {
    ($($name:ident $word:literal $decoder:ty;)*) => {
        /// The protocol that a feed speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FeedProtocol {
            $(#[doc = concat!("`", $word, "`.")] $name,)*
            /// `depth`: a stream and requests, by an agent of its own.
            Depth,
        }

        impl FeedProtocol {
            /// Every protocol by its word in a configuration.
            pub const WORDS: &[(&str, FeedProtocol)] = &[$(($word, FeedProtocol::$name),)* ("depth", FeedProtocol::Depth)];

            /// Its word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(FeedProtocol::$name => $word,)*
                    FeedProtocol::Depth => "depth",
                }
            }

            /// Whether there are re-request and snapshot servers that we can ask.
            #[must_use]
            pub const fn has_servers(self) -> bool {
                match self {
                    $(FeedProtocol::$name => <$decoder as Protocol>::HAS_SERVERS,)*
                    FeedProtocol::Depth => false,
                }
            }

            /// The stream of a unit ([`Protocol::stream_of_unit`]).
            #[must_use]
            pub fn stream_of_unit(self, unit: u8) -> Option<Session> {
                match self {
                    $(FeedProtocol::$name => <$decoder as Protocol>::stream_of_unit(unit),)*
                    FeedProtocol::Depth => None,
                }
            }

            /// One datagram of a line to a channel ([`Channel::on_framed`]); a depth feed has none.
            pub fn deliver<S: Sink>(self, channel: &mut Channel, now: Nanos, line: u8, bytes: &[u8], sink: &mut S) {
                match self {
                    $(FeedProtocol::$name => {
                        channel.on_framed::<<$decoder as Protocol>::Packet<'_>, S>(now, line, bytes, sink);
                    })*
                    FeedProtocol::Depth => {}
                }
            }
        }

        /// Filter and decoder of a protocol that is known at run time only.
        pub enum Decoder {
            $(#[doc = concat!("Of `", $word, "`.")] $name(Box<$decoder>),)*
            /// Of `depth`.
            Depth(Box<feeds::depth::Subscription>),
        }

        impl Decoder {
            /// For these instruments.
            #[must_use]
            pub fn new(protocol: FeedProtocol, wanted: Wanted<'_>) -> Decoder {
                match protocol {
                    $(FeedProtocol::$name => Decoder::$name(Box::new(Decode::new(wanted))),)*
                    FeedProtocol::Depth => Decoder::Depth(Box::new(Decode::new(wanted))),
                }
            }

            /// [`Decode::reset`].
            pub fn reset(&mut self) {
                match self {
                    $(Decoder::$name(d) => Decode::reset(&mut **d),)*
                    Decoder::Depth(d) => Decode::reset(&mut **d),
                }
            }

            /// [`Decode::decode`].
            ///
            /// # Errors
            /// Its.
            pub fn decode(&mut self, msg: &[u8], event: impl FnMut(MarketEvent)) -> Result<(), Refusal> {
                match self {
                    $(Decoder::$name(d) => Decode::decode(&mut **d, msg, event),)*
                    Decoder::Depth(d) => Decode::decode(&mut **d, msg, event),
                }
            }
        }
    };
}
each_protocol! { by_protocol }
