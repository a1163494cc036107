//! Nasdaq OUCH 5.0 (revision 1.04), the client's side.
//!
//! All numbers are big-endian, text is padded on the right with spaces, prices are u64 with four implied decimals, stamps are ns since the
//! venue's midnight. **A type letter means different things in the two directions** (`C` in is Mass Cancel, out is Canceled), so there is
//! one table for each:
//!
//! | to the venue | bytes | from the venue | bytes | becomes |
//! |---|---|---|---|---|
//! | `O` Enter | 47 + appendage | `A` Accepted | 64 + | [`model::ReportKind::Accepted`] |
//! | `U` Replace | 40 + appendage | `U` Replaced | 68 + | `Replaced` |
//! | `X` Cancel | 9 | `C` Canceled | 18 | `Canceled` |
//! | `M` Modify | 10 | `D` AIQ Canceled | 32 | `Canceled`, reason `Q` |
//! | `C` Mass Cancel | 19 + appendage | `E` Executed | 36 + | `Executed` |
//! | `D` Disable Order Entry | 11 + appendage | `B` Broken Trade | 36 | `Broken` |
//! | `E` Enable Order Entry | 11 + appendage | `J` Rejected | 29 | `Rejected` |
//! | `Q` Account Query | 1 | `P` `I` Cancel Pending, Reject | 13 | `CancelPending`, `CancelRejected` |
//! | | | `M` Modified | 18 | `Modified` |
//! | | | `T` Priority Update | 30 | `Reprioritised` |
//! | | | `R` Restated | 16 + | `Restated` |
//! | | | `S` System Event | 10 | `System` |
//! | | | `X` `G` `K` `Q` | 27 + 19 + 19 + 13 | [`Outbound`]'s own |
//!
//! A `+` is an appendage whose u16 length is always there. The others may end before it: see [`appendage`].
//!
//! Tokens are UserRefNum: from 1, strictly increasing over the account's day, replaces, mass cancels and entry switches included. An Enter
//! with a number not above the last one processed is silently ignored, so such a token is refused here, before it becomes an order that
//! never answers.

pub mod appendage;
mod decode;
mod encode;
mod port;
pub mod wire;

pub use decode::{Decoded, Decoder, Outbound};
pub use encode::Encoder;
pub use port::Ouch50;
