//! How a feed's datagrams are cut into messages, whatever the venue: what [`crate::channel`] needs to know of a packet.
//!
//! ```text
//!   bytes --parse--> session | sequence of the first message | how many | the messages
//! ```
//!
//! A stream is known by its [`Session`] and numbered from 1 inside it. What a venue calls that, and where it writes it, is its own affair:
//! MoldUDP64 names a session in each packet; Cboe numbers each unit's messages of a day.

/// A stream's name: ten ASCII characters.
pub type Session = [u8; 10];

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// Messages.
    Data,
    /// Nothing to say; its sequence is the next one.
    Heartbeat,
    /// The session is over; its sequence is the next one.
    EndOfSession,
    /// Outside of the stream: its sequence means nothing.
    Unsequenced,
}

/// Why a datagram is not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPacket {
    /// Fewer bytes than a header has.
    Short,
    /// A sequence that no stream reaches.
    Overflow,
}

/// A datagram whose header was read.
pub trait Packet<'a>: Sized {
    /// Its messages, in sequence.
    type Blocks: Iterator<Item = &'a [u8]>;

    /// Reads a header.
    ///
    /// # Errors
    /// [`NoPacket`].
    fn parse(bytes: &'a [u8]) -> Result<Self, NoPacket>;

    /// The stream that it belongs to.
    fn session(&self) -> Session;

    /// Sequence of the first message; of the next one in a packet that carries none.
    fn sequence(&self) -> u64;

    /// What it is.
    fn kind(&self) -> PacketKind;

    /// How many messages it says it carries.
    fn messages(&self) -> u16;

    /// The sequence after the last message that it says it carries; `parse` has refused what overflows.
    #[inline]
    fn end(&self) -> u64 {
        self.sequence().saturating_add(u64::from(self.messages()))
    }

    /// The messages that are there. Ends early where the datagram was cut: the cut message and all after it are missing, as if lost.
    fn blocks(&self) -> Self::Blocks;
}
