//! What a gateway is told once.

use model::{GatewayId, Nanos, Symbol};
use thiserror::Error;

use super::Barrier;
use crate::order::{CANCELS_RESERVED, ClOrdId, OrderDefaults};
use crate::soupbintcp::{self, ClientConfig};

/// The configuration of one port.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Which gateway this is; only its instruments and commands are taken.
    pub id: GatewayId,
    /// The firm, for mass cancels and, if `orders.send_firm`, in each order. Left-justified, printable ASCII.
    pub firm: [u8; 4],
    /// How the end of a replay is recognised.
    pub barrier: Barrier,
    /// The line must be silent for this span before silence is taken for the end of a replay; see [`Barrier`].
    pub quiet: Nanos,
    /// An Account Query that is unanswered for this span is given up; see [`Barrier`].
    pub patience: Nanos,
    /// The session.
    pub session: ClientConfig,
    /// What all orders have in common.
    pub orders: OrderDefaults,
    /// Bytes of the receive buffer; 65,537 take any packet. A packet longer than this is an error.
    pub receive_capacity: usize,
    /// Bytes of the transmit buffer; an order takes up to 56, and some are kept for cancels.
    pub transmit_capacity: usize,
    /// Orders that may be open at once, replaces in flight counted; kept only where a protocol has no mass cancel.
    pub live_orders: usize,
}

/// Smallest buffer of either kind.
pub(super) const CAPACITY_MIN: usize = 4096;

/// No cancel is longer.
const CANCEL_MAX: usize = 24;

const _: () = assert!(CANCELS_RESERVED * CANCEL_MAX * 2 < CAPACITY_MIN);

impl GatewayConfig {
    /// With a barrier by Account Query, 100 ms of quiet, 2 s of patience, plain orders, buffers of 128 KiB and 64 KiB, and 16,384 live orders.
    #[must_use]
    pub fn new(id: GatewayId, firm: [u8; 4], session: ClientConfig) -> GatewayConfig {
        GatewayConfig {
            id,
            firm,
            barrier: Barrier::AccountQuery,
            quiet: Nanos::from_millis(100),
            patience: Nanos::from_millis(2_000),
            session,
            orders: OrderDefaults::default(),
            receive_capacity: 128 * 1024,
            transmit_capacity: 64 * 1024,
            live_orders: 16_384,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let text = |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
        if !text(&self.firm) || (self.orders.send_firm && self.firm[0] == b' ') {
            return Err(ConfigError::Firm);
        }
        let l = self.orders.letters;
        if !text(&[l.display, l.capacity, l.iso, l.cross]) {
            return Err(ConfigError::Letters);
        }
        if let ClOrdId::Tagged(tag) = self.orders.clordid
            && !text(&tag)
        {
            return Err(ConfigError::ClOrdId);
        }
        if self.receive_capacity < CAPACITY_MIN || self.transmit_capacity < CAPACITY_MIN {
            return Err(ConfigError::Capacity);
        }
        Ok(())
    }
}

/// Why a gateway cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The session's part.
    #[error(transparent)]
    Session(#[from] soupbintcp::ConfigError),
    /// The firm is not text, or blank where orders have to name it.
    #[error("firm: 1 to 4 printable ASCII characters")]
    Firm,
    /// A letter that is no text.
    #[error("orders: display, capacity, iso and cross are printable ASCII characters")]
    Letters,
    /// A strategy tag that is no text.
    #[error("orders: a ClOrdID tag is 4 printable ASCII characters")]
    ClOrdId,
    /// A buffer too small to work with.
    #[error("receive_capacity and transmit_capacity: at least {CAPACITY_MIN} bytes")]
    Capacity,
    /// A ticker that two instruments of this gateway have.
    #[error("symbol {0} occurs twice on one gateway")]
    DuplicateSymbol(Symbol),
}
