//! Market data as state machines without I/O: bytes and `now` go in, values come out.
//!
//! ```text
//!  datagrams of lines A, B ..    snapshot session    historical file
//!          |                            |                   |
//!     [`channel`]  in order, once   [`glimpse`]        [`binaryfile`]
//!          | packets: [`framing`]       |                   |
//!          +------------+---------------+-------------------+
//!                       v  one message
//!                 [`protocol`]  filter, decode
//!                       v
//!               `model::MarketEvent`
//! ```
//!
//! Three venues: [`itch50`] and [`jnx`] over [`moldudp64`], and [`pitch`].
//!
//! Nothing here opens a socket, reads a clock or uses `unsafe`. Every byte is hostile: a bad one gives a typed error or a
//! counted rejection, never a panic. After construction nothing allocates.
#![forbid(unsafe_code)]

pub mod binaryfile;
pub mod channel;
pub mod depth;
pub mod framing;
pub mod glimpse;
pub mod itch50;
pub mod jnx;
mod misread;
pub mod moldudp64;
mod orders;
pub mod pitch;
pub mod protocol;
mod views;
