//! Depth streams: a book by level, kept by differences over a WebSocket and begun from a snapshot by REST, in the style of the large crypto venues.
//!
//! ```text
//!   stream text --> [`DepthStream`]: in order, or held, or a gap --> message --> [`Subscription`]: levels --> `model::MarketEvent`
//!   REST answer ------^   |                                           |
//!                         +--> FeedStatus                             +--> captured as it is; a replay begins here
//! ```
//!
//! # The rule of the sequence
//!
//! A difference names the update ids `U..=u` that it sums up; a snapshot the last one that it holds, `L`. Quantities are totals, not changes.
//!
//! | | spot | perpetual |
//! |---|---|---|
//! | old | `u <= L` | `u < L` |
//! | first behind a snapshot | `U <= L + 1 <= u` | `U <= L <= u`, or `pu == L` |
//! | each one behind that | `U == u` of the last, plus 1 | `pu == u` of the last |
//!
//! ```text
//!           stream open          asked for          its first event follows
//!   Off ----------------> Wanted ---------> Asked ---------> Ahead ------------------> Live
//!    ^                      ^  ^              |   snapshot     |                         |
//!    | stream closed        |  +--- failed, --+                +--- gap, or a text ------+
//!    |                      |       too old                    |    that cannot be read
//!    +----------------------+----------------------------------+
//! ```
//!
//! While a snapshot is awaited events are held, the newest of them where there is no room for all. The books of a feed are sound when every one of them is `Live`:
//! a gap in one makes all of them `Recovering`, for the core knows no smaller word. The numbers of [`model::FeedStatus::Recovering`] are update ids of the book that
//! has the gap; those of `Synced` count this feed's messages.
//!
//! # Levels as orders
//!
//! The core's books hold orders, and here is one of each level: its reference is made of instrument, side and price, so it is the same for as long as the level is.
//!
//! | level | event |
//! |---|---|
//! | comes | `Add` |
//! | has less | `Reduce`, whether it traded or was canceled: the venue does not say |
//! | has more | `Replace` by itself, so that no book is ever seen without it |
//! | goes | `Delete` |
//!
//! Of one text what takes away comes first, then what adds. Before and after a text the venue's book is not crossed, so it is not in between: what is left after the
//! first half is part of the book before, and all that is added is part of the book after. A snapshot is told as what differs from what was believed. Where a
//! level has a part of a unit beyond whole ones ([`model::Unit`]) it shows the whole ones. What is further away than a snapshot reaches is not known until it changes.
//!
//! A queue has one order, so `queue_position` says how much rests at a price and nothing of priority. Trades are `Trade`: the levels say by themselves what they took.
//!
//! # Messages
//!
//! A message is a letter and a text as the venue sent it; longer ones come in parts of [`PART`] bytes, so that any capture takes them.
//!
//! ```text
//!  letter  `D` difference, `T` trade, `S` snapshot (its ticker behind it, 8 bytes), `I` the venue's list of instruments; in small letters: more of it follows
//!          `C` all books are to be made anew
//! ```
//!
//! The list of instruments is part of the stream, for without tick and lot nothing after it has a meaning; its word on trading becomes a `TradingAction`.

mod held;
mod requests;
mod stream;
mod subscription;
mod text;
mod wire;

#[cfg(test)]
mod tests;

pub use requests::Market;
pub use stream::{DepthConfig, DepthStats, DepthStream, Want};
pub use subscription::Subscription;
pub use text::{PART, TEXT_MAX};
pub use wire::Misread;
