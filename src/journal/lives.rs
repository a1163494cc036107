//! What each record of a core journal does to the orders, for whoever reads one.

use engine::limits::{INSTRUMENTS_MAX, OPEN_ORDERS_MAX};
use engine::{Lives, Order, OrderId, Turn};
use model::{Nanos, Token};

use super::Record;

/// Follows a core journal from its first record on.
pub struct OrderLives {
    lives: Lives,
    /// The time of the last input: a command has no other.
    now: Nanos,
}

impl Default for OrderLives {
    fn default() -> Self {
        OrderLives { lives: Lives::new(OPEN_ORDERS_MAX, INSTRUMENTS_MAX), now: Nanos::ZERO }
    }
}

impl OrderLives {
    /// The name of the open order that has, had first, or is asked to have this token. Cost: a pass over what is open.
    #[must_use]
    pub fn order_of(&self, token: Token) -> Option<OrderId> {
        let has =
            |o: &&Order| o.token == token || o.id.0 == token || o.replace.is_some_and(|r| r.token == token);
        self.lives.open().find(has).map(|o| o.id)
    }

    /// Takes the next record. Returns the orders that it moved, which it is the cause of.
    pub fn on_record(&mut self, record: &Record) -> &[Turn] {
        match *record {
            Record::Report { now, report } => {
                self.now = now;
                self.lives.on_report(now, &report)
            }
            Record::Session { now, gateway, event } => {
                self.now = now;
                self.lives.on_session(gateway, event)
            }
            Record::Control { now, control } => {
                self.now = now;
                self.lives.on_control(control)
            }
            Record::Market { now, .. }
            | Record::Snapshot { now, .. }
            | Record::Feed { now, .. }
            | Record::Timer { now }
            | Record::Start { now, .. } => {
                self.now = now;
                &[]
            }
            Record::Command(c) => self.lives.on_command(self.now, &c),
            Record::Dropped(d) => self.lives.on_dropped(&d),
            Record::Refusal(_)
            | Record::Receipt(_)
            | Record::Validity(_)
            | Record::Alarm(_)
            | Record::Operator { .. }
            | Record::Hash { .. }
            | Record::End { .. } => &[],
        }
    }
}
