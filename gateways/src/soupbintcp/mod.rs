//! SoupBinTCP 3.00 and 4.00, the client's side: framing, login, heartbeats, and the count of sequenced messages.
//!
//! ```text
//!   0        2      3
//!   +--------+------+------------------+
//!   | length | type | payload          |     length: u16 big-endian, type and payload included, never 0
//!   +--------+------+------------------+
//! ```
//!
//! | type | direction | packet | bytes after the length |
//! |---|---|---|---|
//! | `+` | both | debug, at any time | var |
//! | `L` | to server | login request | 47 |
//! | `A` | to client | login accepted: session, number of the next sequenced message | 31 |
//! | `J` | to client | login rejected: `A` not authorised, `S` session not available | 2 |
//! | `S` | to client | sequenced data, counted by both ends | var |
//! | `U` | both (to client since 4.00) | unsequenced data, never counted | var |
//! | `H` / `R` | to client / to server | heartbeat after a second without sending | 1 |
//! | `Z` | to client | end of session: it cannot be joined again | 1 |
//! | `O` | to server | logout request | 1 |
//!
//! 3.00 and 4.00 have the same bytes; 4.00 adds `U` from the server, which is best effort.

mod frame;
mod login;
mod session;
mod transmit;

pub use frame::{Deframer, FrameError, Packet};
pub use login::{LOGIN_REQUEST_LEN, LoginAccepted, LoginRequest, SessionName};
pub use session::{ClientConfig, ClientSession, ConfigError, Event, SessionError, State};
pub use transmit::{Transmit, UnsentPackets};

/// The packet type bytes.
pub mod packet_type {
    /// Debug text, both ways, at any time.
    pub const DEBUG: u8 = b'+';
    /// Login request.
    pub const LOGIN_REQUEST: u8 = b'L';
    /// Login accepted.
    pub const LOGIN_ACCEPTED: u8 = b'A';
    /// Login rejected.
    pub const LOGIN_REJECTED: u8 = b'J';
    /// Sequenced data.
    pub const SEQUENCED: u8 = b'S';
    /// Unsequenced data.
    pub const UNSEQUENCED: u8 = b'U';
    /// The server's heartbeat.
    pub const SERVER_HEARTBEAT: u8 = b'H';
    /// The client's heartbeat.
    pub const CLIENT_HEARTBEAT: u8 = b'R';
    /// End of session.
    pub const END_OF_SESSION: u8 = b'Z';
    /// Logout request.
    pub const LOGOUT_REQUEST: u8 = b'O';
}

/// Bytes before a packet's payload: the length and the type.
pub const HEADER_LEN: usize = 3;
