//! What a session is told once, and the codes of rejects that are its own.

use model::{GatewayId, Nanos};

use super::auth::Credentials;

/// Codes of rejects that are ours; the venue's are its own, without their sign.
pub mod own {
    /// The instrument has no rules that are understood, or does not trade now.
    pub const INSTRUMENT: u16 = 65_001;
    /// The quantity does not fit the lot or the bounds.
    pub const QUANTITY: u16 = 65_002;
    /// The price is none.
    pub const PRICE: u16 = 65_003;
    /// Price times quantity is too small.
    pub const NOTIONAL: u16 = 65_004;
    /// The limits left no room in time: it was never sent.
    pub const LATE: u16 = 65_005;
    /// It was canceled, or the session ended, before it was sent.
    pub const UNSENT: u16 = 65_006;
    /// The venue was asked and never had it.
    pub const NEVER_ARRIVED: u16 = 65_007;
    /// The order cannot be replaced as it is now: it has traded in part, or something else is under way.
    pub const NOT_REPLACEABLE: u16 = 65_008;
    /// Too many orders wait.
    pub const FULL: u16 = 65_009;
}

/// What a session is told once.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Which gateway this is.
    pub id: GatewayId,
    /// Who we are.
    pub credentials: Credentials,
    /// Begins our orders' client ids, so that others of the account are not taken for ours: letters, digits and `-`.
    pub prefix: String,
    /// When the day began that is read, ms of the Unix epoch by the venue's clock; `None`: at midnight UTC before that clock is first read.
    pub day_ms: Option<u64>,
    /// How long a request is good, ms.
    pub window_ms: u64,
    /// Weight in a minute, until the venue says its own.
    pub weight: u32,
    /// Orders in 10 s and in a day, until the venue says its own.
    pub orders: [u32; 2],
    /// How long what the venue says of instruments is kept.
    pub reference_life: Nanos,
    /// After how long a listen key is kept alive.
    pub listen_keep: Nanos,
    /// How long an order may wait for room before it is refused.
    pub queue_life: Nanos,
    /// How many may wait.
    pub queue_max: usize,
}

impl SessionConfig {
    /// The large venues' usual values.
    #[must_use]
    pub fn new(id: GatewayId, credentials: Credentials) -> SessionConfig {
        SessionConfig {
            id,
            credentials,
            prefix: "colo-".into(),
            day_ms: None,
            window_ms: 5_000,
            weight: 1_200,
            orders: [50, 160_000],
            reference_life: Nanos::from_millis(3_600_000),
            listen_keep: Nanos::from_millis(30 * 60_000),
            queue_life: Nanos::from_millis(1_000),
            queue_max: 1_024,
        }
    }
}
