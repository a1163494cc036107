//! FIX 4.4 and 4.2 at the venue: order entry in a client's own words, and drop copies.
//!
//! ```text
//!  bytes --> connection: gateways::fix::session --> requests --> entry::Request --> order_entry
//!  bytes <-- connection <-- the account's stream <-- reports <-- entry::Report <--+
//!                                                   ^
//!                                     orders: what each of them is called, and where it stands
//! ```
//!
//! The session layer (numbers, gaps, heartbeats, logons) is the acceptor side of `gateways::fix::session`: it has judges of its own, the public acceptance
//! definitions and QuickFIX in both roles, so a misreading of it would not cancel out here. What a message **means** is not taken from there: which fields make an
//! order, and what is said of it in which fields, is read and written in this folder alone.
//!
//! Where OUCH is silent (a cancel of an order that is gone, a replace that comes too late), FIX answers: each request is carried out with a [`Ticket`], and one that
//! the floor said nothing about is answered by [`Orders::finish`].
//!
//! A **drop copy** (`copies`) is told what other accounts are told, whatever those speak, and is asked nothing.
//!
//! Not simulated: orders with stops, pegs or routes; lists; allocations; messages of market data.

pub mod connection;
mod copies;
pub mod doors;
mod orders;
mod reports;
mod requests;
mod words;

pub use copies::Copies;
pub use orders::Orders;
pub use requests::Ticket;

use gateways::fix::logon::Credentials;
use gateways::fix::session::Version;

/// How an account's FIX session is set up.
#[derive(Clone, Debug)]
pub struct FixRules {
    /// 4.2 or 4.4.
    pub version: Version,
    /// The client's CompID.
    pub client: String,
    /// The venue's CompID.
    pub venue: String,
    /// What a logon must show.
    pub credentials: Credentials,
    /// ns of the Unix epoch at the midnight that the venue counts from.
    pub midnight: u64,
    /// The accounts whose reports it is told, where it is a drop copy.
    pub drop_copy_of: Vec<u16>,
}
