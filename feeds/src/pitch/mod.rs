//! Cboe US Equities Multicast PITCH, depth of book (specification "US Equities/Options Multicast Depth of Book (PITCH)", 2.41.66 of 2026-04-01): the BZX,
//! BYX, EDGA and EDGX exchanges.
//!
//! Every message starts with the same two bytes, and all but Time go on with four more; integers are little-endian, text is ASCII padded with
//! blanks on the right, a short price has two implied decimals and a long one four:
//!
//! ```text
//!  0        1      2                               6
//!  +--------+------+-------------------------------+------- ..
//!  | length | type | ns within the unit's second   | by type
//!  +--------+------+-------------------------------+------- ..
//! ```
//!
//! * [`mod@unit`]: a datagram as a Sequenced Unit Header and its messages (section "Message Framing");
//! * [`wire`]: a view for each type, and the table of lengths (section "PITCH 2.X Messages");
//! * [`decode`]: a message as a [`Message`], long, short and expanded forms alike;
//! * [`Subscription`]: the same for a configured set of instruments as [`model::MarketEvent`]s.
//!
//! A message longer than its type's length is a future extension and decodes; a shorter one is refused; a type that is not known is skipped.
//!
//! # What the core has no other word for
//!
//! | PITCH | here |
//! |---|---|
//! | an order's changes name its id and no ticker | [`Subscription`] remembers which live orders are of wanted instruments |
//! | Unit Clear | `Clear`, one event: no book of half the orders is ever seen |
//! | Order Executed at Price/Size: what remains is said, too | an `ExecuteAt`, and where the rest differs, what makes it so |
//! | Modify Order that keeps its priority | a `Reduce` where only its size got smaller; otherwise a `Replace`, to the back of its level |
//! | Trading Status `A` (orders are queued), `S` (suspended here) | `QuotationOnly`, `Halted` |
//! | Reg SHO in Trading Status | a `ShortSaleRestriction` behind the `TradingAction` |
//! | Auction Update, Auction Summary | `Imbalance`, `Cross` |
//! | Retail Price Improvement | `RetailInterest`, whose letters are the same |
//! | End of Session | `System` with `C` |
//! | no word for market hours | none: by Trading Status alone an instrument is open or not |
//! | Trade Break names no instrument | counted as filtered: no book hangs on it |
//!
//! # What is not here
//!
//! The Gap Request Proxy and the Spin servers: what no line brings is lost, and said so. A unit numbers its messages from 1 each day and names no day, so a
//! feed follows one day of one unit.

mod decode;
mod subscription;
pub mod unit;
pub mod wire;

pub use crate::misread::DecodeError;
pub use decode::{Decoded, Message, decode};
pub use subscription::Subscription;
