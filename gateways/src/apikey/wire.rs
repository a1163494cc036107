//! The venue's JSON: what we read of it. Unknown fields are the venue's to add; a field that is missing is an error.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads a body or a message.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// The token's endpoint.
#[derive(Deserialize)]
pub(super) struct Granted {
    pub(super) access_token: String,
    /// Seconds.
    pub(super) expires_in: u64,
}

/// `GET /api/v3/time`.
#[derive(Deserialize)]
pub(super) struct Time {
    #[serde(rename = "serverTime")]
    pub(super) server_time: u64,
}

/// `GET /api/v3/exchangeInfo`.
#[derive(Deserialize)]
pub(super) struct Info {
    #[serde(default, rename = "rateLimits")]
    pub(super) rate_limits: Vec<RateLimit>,
    pub(super) symbols: Vec<SymbolInfo>,
}

#[derive(Deserialize)]
pub(super) struct RateLimit {
    #[serde(rename = "rateLimitType")]
    pub(super) kind: String,
    pub(super) interval: String,
    #[serde(rename = "intervalNum")]
    pub(super) count: u64,
    pub(super) limit: u32,
}

#[derive(Deserialize)]
pub(super) struct SymbolInfo {
    pub(super) symbol: String,
    pub(super) status: String,
    pub(super) filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(tag = "filterType")]
pub(super) enum Filter {
    #[serde(rename = "PRICE_FILTER")]
    Price {
        #[serde(rename = "tickSize")]
        tick_size: String,
    },
    #[serde(rename = "LOT_SIZE")]
    Lot {
        #[serde(rename = "stepSize")]
        step_size: String,
        #[serde(rename = "minQty")]
        min_qty: String,
        #[serde(rename = "maxQty")]
        max_qty: String,
    },
    #[serde(rename = "NOTIONAL", alias = "MIN_NOTIONAL")]
    Notional {
        #[serde(rename = "minNotional")]
        min_notional: String,
    },
    #[serde(other)]
    Other,
}

/// `POST /api/v3/userDataStream`.
#[derive(Deserialize)]
pub(super) struct ListenKey {
    #[serde(rename = "listenKey")]
    pub(super) listen_key: String,
}

/// The answer to a new order.
#[derive(Deserialize)]
pub(super) struct Ack {
    #[serde(rename = "orderId")]
    pub(super) order_id: u64,
    #[serde(rename = "clientOrderId")]
    pub(super) client_id: String,
    #[serde(rename = "transactTime")]
    pub(super) time: u64,
}

/// The answer to a cancel-replace that did both.
#[derive(Deserialize)]
pub(super) struct Replaced {
    #[serde(rename = "newOrderResponse")]
    pub(super) new: Ack,
}

/// What becomes of an order, as queries, lists and answers to cancels say it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct OrderSaid {
    #[serde(rename = "orderId")]
    pub(super) order_id: u64,
    #[serde(rename = "clientOrderId")]
    pub(super) client_id: String,
    pub(super) price: String,
    #[serde(rename = "origQty")]
    pub(super) quantity: String,
    #[serde(rename = "executedQty")]
    pub(super) executed: String,
    pub(super) status: String,
    pub(super) side: String,
    /// When it was made; 0 where that is not said.
    #[serde(rename = "time", default)]
    pub(super) created: u64,
    #[serde(rename = "updateTime", default)]
    pub(super) time: u64,
}

/// The answer to a cancel: as [`OrderSaid`], with the order's own id beside the cancel's.
#[derive(Deserialize)]
pub(super) struct CancelSaid {
    #[serde(rename = "orderId")]
    pub(super) order_id: u64,
    #[serde(rename = "executedQty")]
    pub(super) executed: String,
    pub(super) status: String,
    #[serde(rename = "transactTime", default)]
    pub(super) time: u64,
}

/// `GET /api/v3/myTrades`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TradeSaid {
    pub(super) id: u64,
    #[serde(rename = "orderId")]
    pub(super) order_id: u64,
    pub(super) price: String,
    pub(super) qty: String,
    pub(super) time: u64,
    #[serde(rename = "isMaker")]
    pub(super) is_maker: bool,
}

/// A refusal.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) msg: String,
}

/// A message of the stream.
#[derive(Deserialize)]
#[serde(tag = "e")]
pub(super) enum StreamSaid {
    #[serde(rename = "executionReport")]
    Execution(Box<ExecutionSaid>),
    #[serde(rename = "listenKeyExpired")]
    Expired,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct ExecutionSaid {
    #[serde(rename = "c")]
    pub(super) client_id: String,
    /// Of a cancel: the order's own id.
    #[serde(default, rename = "C")]
    pub(super) original_id: String,
    #[serde(rename = "x")]
    pub(super) kind: String,
    #[serde(rename = "X")]
    pub(super) status: String,
    #[serde(rename = "i")]
    pub(super) order_id: u64,
    #[serde(rename = "l")]
    pub(super) last_quantity: String,
    #[serde(rename = "z")]
    pub(super) executed: String,
    #[serde(rename = "L")]
    pub(super) last_price: String,
    /// -1 where there is no trade.
    #[serde(rename = "t")]
    pub(super) trade_id: i64,
    #[serde(rename = "m")]
    pub(super) is_maker: bool,
    #[serde(rename = "T")]
    pub(super) time: u64,
}
