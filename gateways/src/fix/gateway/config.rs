//! How a gateway names its orders, and what it asks.

use model::{GatewayId, Nanos, Symbol};
use thiserror::Error;

use super::super::session::{ConfigError, SessionConfig};
use crate::gateway::Barrier;

/// How a gateway behaves.
#[derive(Clone, Debug)]
pub struct FixConfig {
    /// Whose instruments these are.
    pub id: GatewayId,
    /// The session.
    pub session: SessionConfig,
    /// How the names of our orders begin: 1 to 8 letters or digits, different for each session on an account.
    pub prefix: String,
    /// Account (1) of each order.
    pub account: Option<String>,
    /// Whether a question ends the replay.
    pub barrier: Barrier,
    /// Whether this is a drop copy: it tells of the orders of other sessions, and nothing is ever sent on it.
    pub drop_copy: bool,
    /// How long its answer may take.
    pub patience: Nanos,
    /// Orders and unanswered replaces at a time.
    pub orders_max: usize,
}

impl FixConfig {
    /// With a question, 2 s for its answer, and 8,192 orders.
    #[must_use]
    pub fn new(id: GatewayId, session: SessionConfig, prefix: &str) -> FixConfig {
        FixConfig {
            id,
            session,
            prefix: prefix.into(),
            account: None,
            barrier: Barrier::AccountQuery,
            drop_copy: false,
            patience: Nanos::from_millis(2_000),
            orders_max: 8_192,
        }
    }
}

/// Why a gateway cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FixConfigError {
    /// The session's part.
    #[error(transparent)]
    Session(#[from] ConfigError),
    /// The prefix of order names.
    #[error("prefix: 1 to 8 letters or digits")]
    Prefix,
    /// The account.
    #[error("account: 1 to 64 printable ASCII characters")]
    Account,
    /// A ticker that two instruments of this gateway have.
    #[error("symbol {0} occurs twice on one gateway")]
    DuplicateSymbol(Symbol),
    /// Nothing trades here, so that there is nothing to ask about.
    #[error("no instrument trades through this gateway")]
    NoInstrument,
}
