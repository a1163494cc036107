//! The venue's second face: REST and WebSocket with API keys and rate limits, in the style of the large crypto venues, on the same floor.
//!
//! ```text
//!   TCP or TLS --> doors (HTTP, WebSocket) --> desk (endpoints, histories) --> order entry, floor
//!                                                |   ^
//!                                                |   +-- what accounts are told --> histories, user streams
//!                                                +-- quota (weights, orders, bans)   access (keys, signatures, tokens)
//!                                                +-- depth (books by level, trades: for everybody)
//! ```
//!
//! Like the rest of the venue it shares no line with the client that it judges: signatures, windows and decimals are done anew here.
//!
//! | endpoint | weight |
//! |---|---|
//! | `GET /api/v3/ping`, `time` | 1 |
//! | `GET /api/v3/exchangeInfo`, `allOrders`, `myTrades` | 20 |
//! | `POST`, `PUT`, `DELETE /api/v3/userDataStream` | 2 |
//! | `POST /api/v3/order`, `order/cancelReplace` (one order each) | 1 |
//! | `DELETE /api/v3/order`, `openOrders` | 1 |
//! | `GET /api/v3/order` | 4 |
//! | `GET /api/v3/openOrders` | 6 of a symbol, 80 of all |
//! | `POST /oauth/token` | 1 |
//! | `GET /api/v3/depth` | 5, 25, 50, 250 for up to 100, 500, 1,000, 5,000 levels |
//! | `GET /ws/<listenKey>` | the user stream, a WebSocket |
//! | `GET /ws/<symbol>@<stream>`, `GET /stream?streams=..` | `depth`, `trade`, `bookTicker`, a WebSocket |
//!
//! `allOrders` begins at `orderId`, or at `startTime` by when an order was made; `myTrades` at `fromId`, at `startTime`, or with all of one `orderId`. A list by time is of a day at most, so `endTime`
//! is no more than that behind `startTime`, and with neither number nor time it begins with the first there is.
//!
//! Over the limit is 429 with `Retry-After`; who goes on is banned with 418. Both windows roll.

mod access;
pub mod config;
pub mod depth;
pub mod desk;
pub mod doors;
mod endpoints;
mod history;
pub mod quota;
#[cfg(test)]
mod tests;
mod user_stream;

pub use config::{ClientConfig, RestConfig};
pub use desk::{Answer, Ask, Desk};
pub use user_stream::UserStream;
