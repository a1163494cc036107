//! Japannext PTS ITCH for equities, 1.6 (specification "Japannext PTS ITCH Market Data Specification for Equities", version 1.6): the proprietary trading
//! system for Japanese shares, over [`crate::moldudp64`].
//!
//! Every message starts with its letter, and all but `T` go on with four bytes of time; integers are big-endian, text is ASCII padded with blanks on the
//! right, prices are 32 bits with one implied decimal:
//!
//! ```text
//!  0      1                             5
//!  +------+-----------------------------+------- ..
//!  | type | ns within the second of `T` | by type
//!  +------+-----------------------------+------- ..
//! ```
//!
//! * [`wire`]: a view for each of the 11 types, and the table of lengths (section "Outbound Sequenced Messages");
//! * [`decode`]: a message as a [`Message`], its fields in the core's units;
//! * [`Group`]: the markets that an order book may belong to;
//! * [`Subscription`]: the same for a configured set of instruments as [`model::MarketEvent`]s.
//!
//! A message longer than its type's length is a future extension and decodes; a shorter one is refused; a type that is not known is skipped.
//!
//! # What the core has no other word for
//!
//! | here | in the core |
//! |---|---|
//! | prices of 1e-1 JPY | [`model::Px`] of 1e-4 of the instrument's currency, 1,000 for each |
//! | an order book is a number and a group | a ticker: the code in the daytime market (`9656`), with `.X`, `.U` or `.N` behind it in the others |
//! | an order's changes name its number and no book | [`Subscription`] remembers which live orders are of wanted books |
//! | each group has its day | the feed is in market hours when all groups that it has instruments of are: a feed each for day and night |
//! | Trading State `V` (suspended) | `Halted` |
//! | the round lot is the trading unit | a `Directory` of round lots only |
//! | order type `Q` (a liquidity provider's) | none: its attribution is the participant |
//! | tick sizes, the day's price limits | none: they are decoded and not handed on |
//!
//! A price above 429,496.7 JPY is more than the book's 32-bit keys hold, and the book refuses the order.
//!
//! # What is not here
//!
//! Its re-request and snapshot servers: what no line brings is lost, and said so.

mod decode;
mod group;
mod subscription;
pub mod wire;

pub use crate::misread::DecodeError;
pub use decode::{BookId, Decoded, Message, decode};
pub use group::Group;
pub use subscription::Subscription;
