//! The venue's JSON: what we read of it. Text is borrowed from what came; a name in it that needs unescaping is none of ours.

use serde::Deserialize;

/// Why a text is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// Not JSON, or not of the shape that it says.
    #[error("not a text of this venue")]
    Json,
    /// Update ids that contradict each other.
    #[error("update ids that contradict each other")]
    Ids,
    /// Longer than [`super::TEXT_MAX`].
    #[error("a text that is too long")]
    TooLong,
}

/// What a text that came through a stream of several streams begins with.
const COMBINED: &[u8] = b"{\"stream\":";

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

/// Reads a text of the stream, with or without the name of its stream around it.
pub(super) fn event<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Misread> {
    if text.starts_with(COMBINED) {
        return answer::<Combined<T>>(text).map(|c| c.data);
    }
    answer(text)
}

/// Reads a REST answer.
pub(super) fn answer<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Misread> {
    serde_json::from_slice(text).map_err(|_| Misread::Json)
}

/// What an event is and where it belongs, without what it says.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(default)]
    pub(super) e: &'a str,
    #[serde(default)]
    pub(super) s: &'a str,
    #[serde(default, rename = "U")]
    pub(super) first: Option<u64>,
    #[serde(default, rename = "u")]
    pub(super) last: Option<u64>,
    /// `u` of the event before; perpetuals only.
    #[serde(default, rename = "pu")]
    pub(super) before: Option<u64>,
}

/// Price and quantity, as decimals.
pub(super) type Level<'a> = (&'a str, &'a str);

/// `depthUpdate`.
#[derive(Deserialize)]
pub(super) struct Diff<'a> {
    pub(super) s: &'a str,
    /// When it happened, ms since the Unix epoch; 0 where only `said` says it.
    #[serde(default, rename = "T")]
    pub(super) happened: u64,
    #[serde(default, rename = "E")]
    pub(super) said: u64,
    #[serde(borrow, rename = "b")]
    pub(super) bids: Vec<Level<'a>>,
    #[serde(borrow, rename = "a")]
    pub(super) asks: Vec<Level<'a>>,
}

/// `trade`, `aggTrade`.
#[derive(Deserialize)]
pub(super) struct Trade<'a> {
    pub(super) s: &'a str,
    #[serde(default, rename = "T")]
    pub(super) happened: u64,
    /// A trade's own number ...
    #[serde(default)]
    pub(super) t: Option<u64>,
    /// ... or that of several at one price.
    #[serde(default)]
    pub(super) a: Option<u64>,
    pub(super) p: &'a str,
    pub(super) q: &'a str,
    /// Whether the buyer's order was at rest.
    pub(super) m: bool,
}

/// `GET depth`, of which the levels are read when it is its turn.
#[derive(Deserialize)]
pub(super) struct SnapshotHead {
    #[serde(rename = "lastUpdateId")]
    pub(super) last: u64,
}

/// `GET depth`.
#[derive(Deserialize)]
pub(super) struct Snapshot<'a> {
    #[serde(default, rename = "T")]
    pub(super) happened: u64,
    #[serde(borrow)]
    pub(super) bids: Vec<Level<'a>>,
    #[serde(borrow)]
    pub(super) asks: Vec<Level<'a>>,
}

/// `GET exchangeInfo`.
#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) symbols: Vec<SymbolInfo>,
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
    },
    #[serde(other)]
    Other,
}
