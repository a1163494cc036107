//! Nasdaq OUCH 4.2, the client's side.
//!
//! All numbers are big-endian, text is padded on the right with spaces, prices are u32 with four implied decimals, stamps are ns since the
//! venue's midnight. **A type letter means different things in the two directions** (`U`, `M`, `N`), so there is one table for each:
//!
//! | to the venue | bytes | from the venue | bytes | becomes |
//! |---|---|---|---|---|
//! | `O` Enter | 49 | `A` Accepted | 66 | [`model::ReportKind::Accepted`] |
//! | `U` Replace | 47 | `U` Replaced | 80 | `Replaced` |
//! | `X` Cancel | 19 | `C` Canceled | 28 | `Canceled` |
//! | `M` Modify | 20 | `D` AIQ Canceled | 37 | `Canceled`, reason `Q` |
//! | `N` Trade Now | 15 | `E` Executed | 40 | `Executed` |
//! | | | `G` Executed with Reference Price | 45 | `Executed` |
//! | | | `B` Broken Trade | 32 | `Broken` |
//! | | | `F` Trade Correction | 41 | `Corrected` |
//! | | | `J` Rejected | 24 | `Rejected`, the letter as the code |
//! | | | `P` `I` Cancel Pending, Reject | 23 | `CancelPending`, `CancelRejected` |
//! | | | `M` Modified | 28 | `Modified` |
//! | | | `T` Priority Update | 36 | `Reprioritised` |
//! | | | `N` Trade Now | 23 | `Restated`, reason `N` |
//! | | | `S` System Event | 10 | `System` |
//!
//! An order is named by 14 characters that are unique over the account's day: four of the configuration, then our token in ten digits ([`name`]). Tokens
//! are never used twice, so neither are names. A name that is not ours is another's order ([`crate::codec::Message::Foreign`]), whatever its digits.
//!
//! There is no Account Query: that a replay has ended is told by the line being quiet alone ([`crate::gateway::Barrier::None`]), which is evidence and no
//! proof, and no message tells which names the venue has processed. There is no Mass Cancel either: the gateway cancels each order that may be
//! open ([`crate::gateway::LiveOrders`]).

mod decode;
mod encode;
pub mod name;
mod port;
pub mod wire;

pub use decode::Decoder;
pub use encode::Encoder;
pub use port::Ouch42;
