//! Nasdaq TotalView-ITCH 5.0 (specification of 2023-04-28): 23 message types of fixed length.
//!
//! Every message starts with the same eleven bytes, all integers are big-endian, text is ASCII padded with
//! blanks on the right, prices carry four implied decimals (`V` alone: eight):
//!
//! ```text
//!  0      1              3                 5                     11
//!  +------+--------------+-----------------+---------------------+------- ..
//!  | type | stock locate | tracking number | ns since midnight   | by type
//!  +------+--------------+-----------------+---------------------+------- ..
//! ```
//!
//! * [`wire`]: a view for each type over `&[u8; N]`, one accessor a field, and the table of lengths;
//! * [`decode`]: a message to a [`model::MarketEvent`], the locate as its instrument (offline tools);
//! * [`Subscription`]: the same for a configured set of instruments, everything else filtered out before decoding;
//! * [`Tally`]: messages counted by type.
//!
//! A message longer than its type's length is a future extension and decodes; a shorter one is refused; a type that
//! is not known is [`DecodeError::Unknown`], which the caller counts and skips. [`DecodeError::is_loss`] tells the two apart.

mod decode;
mod subscription;
mod tally;
pub mod wire;

pub use decode::{DecodeError, decode, decode_with, is_odd_execution, locate};
pub use subscription::Subscription;
pub use tally::Tally;
