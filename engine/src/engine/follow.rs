//! Following a journal: an engine over [`Observer`] that is given another engine's inputs, and is told what that one sent.
//!
//! A reader of a journal has the inputs and the commands, and need not have the strategy. Given both, in the journal's order, such an engine has the same books, orders, positions
//! and marks as the one that traded (`engine/tests/behaviour/simulation.rs` holds the two together). What it has not is the risk gate's account of what was asked: nothing may be
//! sent by it, and only an engine that trades nothing can follow.

use model::{CommandKind, Nanos, OrderCommand, Token};

use super::Engine;
use crate::orders::{Order, PendingReplace};
use crate::strategy::Observer;

impl Engine<Observer> {
    /// Takes note of a command that the engine of the journal sent at `now`. A command that cannot be (a journal may be anything) moves nothing.
    pub fn follow(&mut self, now: Nanos, c: &OrderCommand) {
        match c.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                let is_possible = token != Token(0)
                    && c.instrument.index() < self.untold.len()
                    && c.gateway.index() < self.sessions.len()
                    && self.orders.by_token(token).is_none()
                    && self.orders.has_room();
                if is_possible {
                    let mut order = Order::new(token, c.instrument, c.gateway, side, tif, px, qty, now);
                    order.short = short;
                    self.orders.insert(order);
                }
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                let is_free = token != Token(0) && self.orders.by_token(token).is_none();
                if is_free {
                    self.orders.change(old, |o| {
                        o.on_sent_replace(PendingReplace { token, total: qty, px, tif });
                    });
                }
            }
            // A sweep is this engine's too: it has canceled what is canceled again here.
            CommandKind::Cancel { token, qty } if qty.is_zero() => {
                self.orders.change(token, Order::on_sent_cancel);
            }
            // A part of it goes when the venue says so; what a port does to its orders the venue says of each.
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => {}
        }
    }
}
