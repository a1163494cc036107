//! A venue's feed protocol, as the rest of the core sees it: how its datagrams are cut, and what its messages say of the instruments that are wanted.
//!
//! ```text
//!   datagram --Protocol::Packet--> channel (arbitration, gaps) --message--> Decode::decode --> MarketEvent ..
//! ```
//!
//! Implemented by each venue's `Subscription`. Everything that uses one is generic over it, so that no call on the way of a message is indirect.
//! A venue whose messages do not come as datagrams ([`crate::depth`]) has the second half alone.
//!
//! Invariant: what a message means depends on the messages decoded since the last [`Decode::reset`] and on nothing else, and a message that is
//! refused teaches nothing. A replay reads the same messages and gets the same events.

use model::{Instrument, MarketEvent};

use crate::framing::{Packet, Session};

/// What is wanted of a feed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its instruments; their numbers are dense.
    pub instruments: &'a [Instrument],
    /// How many of their orders may rest at once, for a protocol that has to remember them.
    pub live_orders: usize,
}

/// Why a message is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Of a type that is not known, or empty: to be counted and skipped.
    Unknown,
    /// It cannot be decoded, but no order book or trading state hangs on it.
    Malformed,
    /// It cannot be decoded or kept, and what is believed of its instruments may be wrong from here on.
    Lost,
}

/// Filter and decoder for the wanted instruments of one feed, however its messages come.
pub trait Decode: Sized {
    /// For these instruments. Allocates all that is ever needed.
    fn new(wanted: Wanted<'_>) -> Self;

    /// A new session: what was learned of the last one is forgotten. Counts go on.
    fn reset(&mut self);

    /// Hands each event that the message says of a wanted instrument, or of the whole market, to `event`, in order: mostly one or none. No allocation.
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the message was handed out then.
    fn decode(&mut self, msg: &[u8], event: impl FnMut(MarketEvent)) -> Result<(), Refusal>;

    /// How many events one message may give at most.
    fn events_max(&self) -> usize;

    /// Executions that were applied to the book, though a letter in them was not understood.
    fn odd_executions(&self) -> u64;
}

/// A feed of datagrams.
pub trait Protocol: Decode {
    /// How its datagrams are cut.
    type Packet<'a>: Packet<'a>;

    /// Whether what is missing can be asked for by MoldUDP64 requests and a GLIMPSE snapshot.
    const HAS_SERVERS: bool;

    /// The stream of a unit, where a line may carry several and a feed is of one. `None`: there are no units.
    #[must_use]
    fn stream_of_unit(_unit: u8) -> Option<Session> {
        None
    }
}
