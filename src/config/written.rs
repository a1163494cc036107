//! The configuration as written: TOML, every key known, nothing checked beyond its type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::control::Control;
pub use super::host::Host;
pub use super::options::OrderOptions;
pub use super::risk::{Risk, Rule};
pub use super::start_of_day::StartOfDay;
pub use super::throttle::{Bucket, Throttle, Weighed, Window};
pub use super::watchdog::Watchdog;

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Names the shared-memory region, the journal folder and the control socket.
    pub name: String,
    /// Where journals go, relative to the file.
    #[serde(default = "journal_dir")]
    pub journal_dir: String,
    /// `pipelined` or `inline`.
    #[serde(default = "pipelined")]
    pub topology: String,
    /// `spin`, `yield` or `park`.
    #[serde(default = "yielding")]
    pub idle: String,
    /// Where agents run.
    #[serde(default)]
    pub cores: Cores,
    /// Market data.
    #[serde(default)]
    pub feeds: Vec<Feed>,
    /// Order entry.
    #[serde(default)]
    pub gateways: Vec<Gateway>,
    /// What is traded.
    #[serde(default)]
    pub instruments: Vec<Instrument>,
    /// Which strategy.
    pub strategy: Strategy,
    /// Limits.
    #[serde(default)]
    pub risk: Risk,
    /// What is held as the day begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_of_day: Option<StartOfDay>,
    /// What a book may show.
    #[serde(default)]
    pub sanity: Sanity,
    /// Who may ask what of the running core.
    #[serde(default)]
    pub control: Control,
    /// What it asks of its host.
    #[serde(default)]
    pub host: Host,
    /// What says that it may run live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<super::release::Written>,
    /// When a watchdog cuts it off.
    #[serde(default)]
    pub watchdog: Watchdog,
    /// Journal policy.
    #[serde(default)]
    pub journal: Journal,
    /// What history is like as a venue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtest: Option<super::backtest::Backtest>,
    /// What is expected of the strategy while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<super::expectation::Expectation>,
    /// Sizes.
    #[serde(default)]
    pub capacity: Capacity,
    /// Measuring.
    #[serde(default)]
    pub telemetry: Telemetry,
}

fn journal_dir() -> String {
    "journal".into()
}
fn pipelined() -> String {
    "pipelined".into()
}
fn yielding() -> String {
    "yield".into()
}

/// Core numbers; an agent without one is not pinned.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cores {
    /// One for each feed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<usize>,
    /// The strategy thread (of `inline`: the one hot thread).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<usize>,
    /// One for each gateway, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<usize>,
    /// The cold thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<usize>,
    /// SCHED_FIFO priority of the hot threads, 1 to 99; 0 leaves the ordinary scheduler.
    #[serde(default)]
    pub realtime_priority: u8,
    /// Keep all memory in RAM (mlockall).
    #[serde(default)]
    pub lock_memory: bool,
}

/// One feed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Its name.
    pub id: String,
    /// What it speaks: a word of [`crate::protocol::FeedProtocol`].
    pub protocol: String,
    /// A and B. Needed but where `depth` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// The venue, with `protocol = "depth"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<DepthVenue>,
    /// Which unit it is, 1 to 255; only where the protocol has units, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<i64>,
    /// With multicast: the one source of each line, by its address (source-specific multicast); none: whoever sends to the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The local interface's address for multicast.
    #[serde(default = "loopback")]
    pub interface: String,
    /// Re-request servers, asked in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rerequest: Vec<String>,
    /// The snapshot server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glimpse: Option<Glimpse>,
    /// A gap of more messages than this is not re-requested: a snapshot is taken.
    #[serde(default = "snapshot_after_messages")]
    pub snapshot_after_messages: u64,
    /// Wait this long for another line before asking for a gap.
    #[serde(default = "gap_wait_us")]
    pub gap_wait_us: u64,
    /// Silence of all lines that makes the market data stale.
    #[serde(default = "silence_ms")]
    pub silence_ms: u64,
    /// Messages held back behind a gap.
    #[serde(default = "reorder_window")]
    pub reorder_window: usize,
    /// Socket receive buffer.
    #[serde(default = "receive_buffer")]
    pub receive_buffer_bytes: usize,
    /// Whether what lines bring twice is compared: a difference makes the books stale.
    #[serde(default = "yes")]
    pub compare_lines: bool,
    /// SO_BUSY_POLL, microseconds; 0 off.
    #[serde(default)]
    pub busy_poll_us: u32,
    /// SO_INCOMING_CPU: the core whose packets its sockets are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incoming_cpu: Option<u32>,
    /// `off`, `software` or `hardware`: who says when a datagram came. It makes the latency from there on a histogram, `wire`, and costs some ns a datagram.
    #[serde(default = "off")]
    pub timestamps: String,
    /// The way of each line; all by the kernel where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<super::transport::LineWay>,
}

/// A venue of the web, for its depth stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DepthVenue {
    /// `spot` or `perpetual`.
    pub market: String,
    /// Where snapshots are: `https://host:port`.
    pub base_url: String,
    /// Where the stream is: `wss://host:port`; the same place where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_url: Option<String>,
    /// Certificates of the authorities believed, PEM; those of the public web where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// What the venue lets an address weigh in a minute.
    #[serde(default = "weight_per_minute")]
    pub weight_per_minute: u32,
}

fn weight_per_minute() -> u32 {
    1_200
}

/// A GLIMPSE snapshot server, over SoupBinTCP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Glimpse {
    /// The venue.
    pub address: String,
    /// The account.
    pub username: String,
    /// A file that holds the password, relative to the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// An environment variable that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
}

fn off() -> String {
    "off".into()
}
fn tcp() -> String {
    "tcp".into()
}
fn yes() -> bool {
    true
}
fn loopback() -> String {
    "127.0.0.1".into()
}
fn gap_wait_us() -> u64 {
    1_000
}
fn silence_ms() -> u64 {
    3_000
}
fn snapshot_after_messages() -> u64 {
    100_000
}
fn reorder_window() -> usize {
    16_384
}
fn receive_buffer() -> usize {
    8 << 20
}

/// One gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its name.
    pub id: String,
    /// What is spoken: a word of [`crate::order_protocol`].
    pub protocol: String,
    /// `test` or `production`; must be said, for a default would send orders somewhere by omission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The venue. Like all up to `firm`, needed but where `rest` is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// A file that holds the password, relative to the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// An environment variable that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Four letters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firm: String,
    /// The venue, with `protocol = "rest_ws"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestVenue>,
    /// Four letters or digits that begin the text by which orders are known at the venue; the token follows in ten digits. Two cores on one account differ in it.
    /// Where absent, an OUCH 5.0 order has no text, and in the name of an OUCH 4.2 order the four are zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_tag: Option<String>,
    /// What every order says beside its values; OUCH 5.0 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OrderOptions>,
    /// `account_query` or `none`: how the gateway knows that the venue's replay is complete. A query where the protocol has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barrier: Option<String>,
    /// What the venue takes for each share, 1e-6 USD (a rebate is negative), by liquidity flag; `other` for those not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fees_micro_usd: BTreeMap<String, i64>,
    /// What the venue lets pass.
    #[serde(default)]
    pub throttle: Throttle,
    /// What FIX needs; there only, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<super::fix::Written>,
    /// `tcp` or `xdp`: by the kernel or past it.
    #[serde(default = "tcp")]
    pub transport: String,
    /// With `xdp`, and needed there: by which interface, and as who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xdp: Option<super::transport::HostWay>,
}

/// A venue with API keys. Every secret is in a file of its own, relative to the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RestVenue {
    /// Where requests go: `https://host:port`.
    pub base_url: String,
    /// Where the user stream is: `wss://host:port`; the same place where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_url: Option<String>,
    /// Certificates of the authorities believed, PEM; those of the public web where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<String>,
    /// The secret that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// The OAuth 2 client's id, instead of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id_file: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<String>,
}

/// One instrument.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Its ticker.
    pub symbol: String,
    /// Its feed.
    pub feed: String,
    /// Its gateway.
    pub gateway: String,
}

/// The strategy.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// Its name.
    pub name: String,
    /// Its parameters.
    #[serde(default)]
    pub params: BTreeMap<String, toml::Value>,
}

/// What a book may show while its instrument trades; 0 switches a check off.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sanity {
    /// A book crossed for this long is stale, milliseconds.
    pub max_crossed_ms: Option<i64>,
    /// A book locked or crossed for this long is stale, milliseconds.
    pub max_locked_ms: Option<i64>,
    /// Furthest step of the middle, 1/100 of a percent.
    pub max_jump_bps: Option<i64>,
    /// How long no such step must have come for the book to be trusted again, milliseconds.
    pub jump_rest_ms: Option<i64>,
}

/// Journal policy.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Size of a segment file.
    pub segment_mib: usize,
    /// `off`, `interval` or `segment`.
    pub sync: String,
    /// With `interval`.
    pub sync_interval_ms: u64,
    /// Raw capture of the market data beside the journal: replay needs it, or the data from elsewhere.
    pub capture: bool,
    /// `off` or `zstd`: what becomes of segments that are written no more.
    pub compress: String,
    /// Runs whose last change is longer ago are removed; 0: none for its age.
    pub keep_days: i64,
    /// The oldest runs are removed while all together take more; 0: none for its size.
    pub keep_gib: i64,
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            segment_mib: 32,
            sync: "interval".into(),
            sync_interval_ms: 1_000,
            capture: true,
            compress: "off".into(),
            keep_days: 0,
            keep_gib: 0,
        }
    }
}

/// Sizes. Memory is taken at the start.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capacity {
    /// Resting orders in the books of one feed.
    pub live_orders: usize,
    /// Price levels in the books of one feed.
    pub levels: usize,
    /// Venue references below this are indexed directly.
    pub direct_refs: u64,
    /// Slots of a feed's ring.
    pub feed_ring: usize,
    /// Slots of a gateway's rings.
    pub gateway_ring: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity {
            live_orders: 1 << 18,
            levels: 1 << 16,
            direct_refs: 1 << 28,
            feed_ring: 1 << 14,
            gateway_ring: 1 << 12,
        }
    }
}

/// Measuring.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// One packet in this many is timed stage by stage; 0 times none.
    pub sample_every: u32,
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { sample_every: 16 }
    }
}
