//! The seal of the risk gate.

use model::OrderCommand;

/// A request that passed the risk gate. There is no public constructor:
///
/// ```compile_fail
/// use model::{CommandKind, GatewayId, InstrumentId, OrderCommand, Qty, Token};
/// let kind = CommandKind::Cancel { token: Token(1), qty: Qty(0) };
/// let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
/// let forged = engine::Approved { command }; // private field: does not compile
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an approved order that is not sent leaves its reservation behind"]
pub struct Approved {
    command: OrderCommand,
}

impl Approved {
    #[inline]
    pub(super) fn seal(command: OrderCommand) -> Approved {
        Approved { command }
    }

    /// What may be sent.
    #[inline]
    #[must_use]
    pub fn command(&self) -> &OrderCommand {
        &self.command
    }
}
