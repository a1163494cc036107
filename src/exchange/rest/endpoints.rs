//! Which endpoints there are, and what each weighs.

use super::access::parameter;
use super::depth::limit_of;
use super::desk::Ask;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Ping,
    Time,
    Info,
    Depth,
    Token,
    Listen,
    Keep,
    Unlisten,
    New,
    Cancel,
    CancelAll,
    CancelReplace,
    Query,
    OpenOrders,
    AllOrders,
    Trades,
}

impl Endpoint {
    /// Whether anybody may ask.
    pub(super) fn is_public(self) -> bool {
        use Endpoint::{Depth, Info, Ping, Time, Token};
        matches!(self, Ping | Time | Info | Depth | Token)
    }

    /// Streams are had by the key alone.
    pub(super) fn is_signed(self) -> bool {
        !self.is_public() && !matches!(self, Endpoint::Listen | Endpoint::Keep | Endpoint::Unlisten)
    }
}

/// The endpoint and its weight.
pub(super) fn route(ask: &Ask<'_>) -> Option<(Endpoint, u32)> {
    Some(match (ask.method, ask.path) {
        ("GET", "/api/v3/ping") => (Endpoint::Ping, 1),
        ("GET", "/api/v3/time") => (Endpoint::Time, 1),
        ("GET", "/api/v3/exchangeInfo") => (Endpoint::Info, 20),
        ("GET", "/api/v3/depth") => (Endpoint::Depth, limit_of(ask.query).1),
        ("POST", "/oauth/token") => (Endpoint::Token, 1),
        ("POST", "/api/v3/userDataStream") => (Endpoint::Listen, 2),
        ("PUT", "/api/v3/userDataStream") => (Endpoint::Keep, 2),
        ("DELETE", "/api/v3/userDataStream") => (Endpoint::Unlisten, 2),
        ("POST", "/api/v3/order") => (Endpoint::New, 1),
        ("DELETE", "/api/v3/order") => (Endpoint::Cancel, 1),
        ("GET", "/api/v3/order") => (Endpoint::Query, 4),
        ("POST", "/api/v3/order/cancelReplace") => (Endpoint::CancelReplace, 1),
        ("GET", "/api/v3/openOrders") => {
            (Endpoint::OpenOrders, if parameter(ask.query, "symbol").is_some() { 6 } else { 80 })
        }
        ("DELETE", "/api/v3/openOrders") => (Endpoint::CancelAll, 1),
        ("GET", "/api/v3/allOrders") => (Endpoint::AllOrders, 20),
        ("GET", "/api/v3/myTrades") => (Endpoint::Trades, 20),
        _ => return None,
    })
}
