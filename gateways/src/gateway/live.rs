//! What may be open at a venue that has no mass cancel: to cancel everything is then to cancel each of these.
//!
//! ```text
//!   written                     answered                       gone
//!   New 7        ------------>  Accepted 7       ----------->  Executed, Canceled, Rejected to nothing: 7, and what waits behind it
//!   Replace 7->9 (9 behind 7)   Replaced 7->9: 9 alone         Rejected 9: 9 alone; 7 stays
//! ```
//!
//! Invariants: whatever may rest at the venue under a token of ours is here, or [`LiveOrders::is_known_flat`] stays false for good (more at once than there is
//! room for). A replace waits *behind* its order and dies with it, since the venue ignores one for an order that is gone without a word; and a
//! replace of an order that is not here is not taken up, since that order's end has been heard.
//!
//! An order that was written on a connection now gone, and never answered, either never arrived or will be answered before any later one: the first answer to
//! a request of the new connection ends it.
//!
//! Costs: a few slots of a flat table for each command and report, no allocation after [`LiveOrders::new`].

use model::{CommandKind, ExecutionReport, OrderCommand, ReportKind, Token};

/// One token; 0 is none, here and in the links.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    token: u32,
    open: u32,
    /// The order that this replace is for, or the replace before it.
    ahead: u32,
    /// The replace that waits behind this.
    behind: u32,
    answered: bool,
    /// Its cancel was written on this connection.
    asked: bool,
}

/// See the module.
#[derive(Debug)]
pub struct LiveOrders {
    /// A power of two, at most half in use: open addressing by the token's low bits, which spreads a row of tokens evenly.
    slots: Box<[Slot]>,
    len: usize,
    overflowed: bool,
    /// The highest token written.
    written: u32,
    /// What is unanswered up to here was written on a connection that is gone; 0 for nothing.
    stale: u32,
}

impl LiveOrders {
    /// Room for `orders` tokens at once; 24 bytes of memory for each, and as many again to keep it fast.
    #[must_use]
    pub fn new(orders: usize) -> LiveOrders {
        let slots = vec![Slot::default(); (2 * orders.max(1)).next_power_of_two()];
        LiveOrders { slots: slots.into_boxed_slice(), len: 0, overflowed: false, written: 0, stale: 0 }
    }

    /// Whether nothing can be open.
    #[must_use]
    pub fn is_known_flat(&self) -> bool {
        self.len == 0 && !self.overflowed
    }

    /// A command was written.
    #[inline]
    pub fn on_written(&mut self, command: &OrderCommand) {
        match command.kind {
            CommandKind::New { token, qty, .. } => {
                self.written = self.written.max(token.0);
                self.put(Slot { token: token.0, open: qty.0, ..Slot::default() });
            }
            CommandKind::Replace { old, token, qty, .. } => {
                self.written = self.written.max(token.0);
                let Some(mut ahead) = self.find(old.0) else { return };
                while let Some(next) = self.find(self.slots[ahead].behind) {
                    ahead = next;
                }
                let last = self.slots[ahead].token;
                if self.put(Slot { token: token.0, open: qty.0, ahead: last, ..Slot::default() })
                    && let Some(ahead) = self.find(last)
                {
                    self.slots[ahead].behind = token.0;
                }
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => {}
        }
    }

    /// A new order or a replace never left.
    pub fn on_unsent(&mut self, token: Token) {
        self.unlink(token.0);
    }

    /// A new connection: cancels are to be asked for anew, and what is unanswered may never have arrived.
    pub fn on_connected(&mut self) {
        self.stale = self.written;
        for slot in &mut self.slots {
            slot.asked = false;
        }
    }

    /// The venue has reported.
    #[inline]
    pub fn on_report(&mut self, report: &ExecutionReport) {
        let token = report.token.0;
        match report.kind {
            ReportKind::Accepted { qty, dead, .. } => {
                self.answered(token);
                if dead { self.end(token) } else { self.live(token, qty.0) }
            }
            ReportKind::Replaced { old, qty, dead, .. } => {
                self.answered(token);
                let mut passed = old.0;
                while passed != token
                    && let Some(gone) = self.remove(passed)
                {
                    passed = gone.behind;
                }
                if dead { self.end(token) } else { self.live(token, qty.0) }
            }
            ReportKind::Executed { qty, .. } | ReportKind::Canceled { qty, .. } => {
                let Some(at) = self.find(token) else { return };
                let open = &mut self.slots[at].open;
                *open = open.saturating_sub(qty.0);
                if *open == 0 {
                    self.end(token);
                }
            }
            ReportKind::Modified { qty, .. } => {
                if let Some(at) = self.find(token) {
                    self.slots[at].open = qty.0;
                }
            }
            ReportKind::Rejected { .. } => {
                self.answered(token);
                match self.find(token).map(|at| self.slots[at].ahead) {
                    Some(0) => self.end(token),
                    Some(_) => self.unlink(token),
                    None => {}
                }
            }
            ReportKind::Broken { .. }
            | ReportKind::Corrected { .. }
            | ReportKind::CancelPending
            | ReportKind::CancelRejected
            | ReportKind::Reprioritised { .. }
            | ReportKind::Restated { .. }
            | ReportKind::System { .. } => {}
        }
    }

    /// Gives each token whose cancel was not asked for on this connection to `ask`, until that fails.
    ///
    /// # Errors
    /// What `ask` says; the next call goes on where it failed.
    pub fn ask_each<E>(&mut self, mut ask: impl FnMut(Token) -> Result<(), E>) -> Result<(), E> {
        for slot in self.slots.iter_mut().filter(|s| s.token != 0 && !s.asked) {
            ask(Token(slot.token))?;
            slot.asked = true;
        }
        Ok(())
    }

    /// `token` is open with `open` shares, and waits behind nothing.
    fn live(&mut self, token: u32, open: u32) {
        let (behind, asked) = match self.find(token) {
            Some(at) => (self.slots[at].behind, self.slots[at].asked),
            None => (0, false),
        };
        self.put(Slot { token, open, ahead: 0, behind, answered: true, asked });
    }

    /// The first answer to a request of this connection.
    #[inline]
    fn answered(&mut self, token: u32) {
        if self.stale != 0 && token > self.stale {
            self.end_stale();
        }
    }

    #[cold]
    fn end_stale(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        let mut at = 0;
        while at < self.slots.len() {
            let slot = self.slots[at];
            if slot.token != 0 && !slot.answered && slot.token <= stale {
                // Another may have moved to this place.
                self.unlink(slot.token);
            } else {
                at += 1;
            }
        }
    }

    /// `token` is gone, and with it what waits behind it.
    fn end(&mut self, token: u32) {
        let mut next = token;
        while let Some(gone) = self.remove(next) {
            next = gone.behind;
        }
    }

    /// `token` is gone, but not what it waits behind nor what waits behind it.
    fn unlink(&mut self, token: u32) {
        let Some(gone) = self.remove(token) else { return };
        if let Some(ahead) = self.find(gone.ahead) {
            self.slots[ahead].behind = gone.behind;
        }
        if let Some(behind) = self.find(gone.behind) {
            self.slots[behind].ahead = gone.ahead;
        }
    }

    fn home(&self, token: u32) -> usize {
        token as usize & (self.slots.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    #[inline]
    fn find(&self, token: u32) -> Option<usize> {
        if token == 0 {
            return None;
        }
        let mut at = self.home(token);
        // At most half of the slots are in use, so there is a free one.
        while self.slots[at].token != token {
            if self.slots[at].token == 0 {
                return None;
            }
            at = self.after(at);
        }
        Some(at)
    }

    /// Whether there was room.
    fn put(&mut self, slot: Slot) -> bool {
        if slot.token == 0 {
            return false;
        }
        let mut at = self.home(slot.token);
        while self.slots[at].token != 0 && self.slots[at].token != slot.token {
            at = self.after(at);
        }
        if self.slots[at].token == 0 {
            if 2 * self.len >= self.slots.len() {
                self.overflowed = true;
                return false;
            }
            self.len += 1;
        }
        self.slots[at] = slot;
        true
    }

    fn remove(&mut self, token: u32) -> Option<Slot> {
        let mut hole = self.find(token)?;
        let gone = self.slots[hole];
        self.slots[hole] = Slot::default();
        self.len -= 1;
        // Those that came to lie behind it because it was in the way move up.
        let mut at = self.after(hole);
        while self.slots[at].token != 0 {
            let mask = self.slots.len() - 1;
            let home = self.home(self.slots[at].token);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = std::mem::take(&mut self.slots[at]);
                hole = at;
            }
            at = self.after(at);
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GatewayId, InstrumentId, Nanos, Px, Qty, Side, Tif, VenueRef};
    use std::collections::BTreeSet;

    fn command(kind: CommandKind) -> OrderCommand {
        OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind }
    }

    fn new(token: u32) -> OrderCommand {
        let (token, px) = (Token(token), Px(1));
        command(CommandKind::New { token, side: Side::Buy, short: false, qty: Qty(100), px, tif: Tif::Day })
    }

    fn replace(old: u32, token: u32) -> OrderCommand {
        let (old, token, px) = (Token(old), Token(token), Px(1));
        command(CommandKind::Replace { old, token, qty: Qty(100), px, tif: Tif::Day })
    }

    fn report(token: u32, kind: ReportKind) -> ExecutionReport {
        ExecutionReport { ts_event: Nanos(0), seq: 0, token: Token(token), gateway: GatewayId(0), kind }
    }

    fn accepted(token: u32, dead: bool) -> ExecutionReport {
        let (order, px, qty, side) = (VenueRef(1), Px(1), Qty(100), Side::Buy);
        report(token, ReportKind::Accepted { order, px, qty, side, short: false, instrument: None, dead })
    }

    fn replaced(old: u32, token: u32, qty: u32) -> ExecutionReport {
        let (old, order, px, qty) = (Token(old), VenueRef(1), Px(1), Qty(qty));
        report(token, ReportKind::Replaced { old, order, px, qty, dead: false })
    }

    fn canceled(token: u32, qty: u32) -> ExecutionReport {
        report(token, ReportKind::Canceled { qty: Qty(qty), reason: b'U' })
    }

    fn executed(token: u32, qty: u32) -> ExecutionReport {
        let (qty, px) = (Qty(qty), Px(1));
        report(token, ReportKind::Executed { qty, px, match_number: 1, liquidity: b'A' })
    }

    const REJECTED: ReportKind = ReportKind::Rejected { reason: 1 };

    fn tokens(live: &LiveOrders) -> BTreeSet<u32> {
        live.slots.iter().map(|s| s.token).filter(|t| *t != 0).collect()
    }

    #[track_caller]
    fn holds(live: &LiveOrders, want: &[u32]) {
        assert_eq!(tokens(live), want.iter().copied().collect());
        assert_eq!(live.len, want.len());
        assert_eq!(live.is_known_flat(), want.is_empty());
    }

    #[test]
    fn an_order_is_live_from_being_written_to_its_last_share() {
        let mut l = LiveOrders::new(8);
        l.on_written(&new(1));
        holds(&l, &[1]);
        l.on_report(&accepted(1, false));
        l.on_report(&executed(1, 60));
        l.on_report(&canceled(1, 30));
        holds(&l, &[1]);
        l.on_report(&executed(1, 10));
        holds(&l, &[]);
        for (token, end) in [(2, report(2, REJECTED)), (3, accepted(3, true))] {
            l.on_written(&new(token));
            l.on_report(&end);
            holds(&l, &[]);
        }
        l.on_report(&accepted(9, false));
        holds(&l, &[9]);
        l.on_report(&report(9, ReportKind::Modified { qty: Qty(5), side: Side::Buy, short: false }));
        l.on_report(&executed(9, 5));
        holds(&l, &[]);
    }

    #[test]
    fn the_four_outcomes_of_a_replace() {
        let start = || {
            let mut l = LiveOrders::new(8);
            l.on_written(&new(1));
            l.on_report(&accepted(1, false));
            l.on_written(&replace(1, 2));
            holds(&l, &[1, 2]);
            l
        };
        // Silence, as the order was gone first; whatever waits behind goes with it.
        let mut l = start();
        l.on_written(&replace(2, 3));
        l.on_report(&executed(1, 100));
        holds(&l, &[]);
        // Invalid: the old order is canceled.
        let mut l = start();
        l.on_report(&canceled(1, 100));
        holds(&l, &[]);
        // Rejected: the old order is as it was.
        let mut l = start();
        l.on_written(&replace(2, 3));
        l.on_report(&report(2, REJECTED));
        holds(&l, &[1, 3]);
        l.on_report(&canceled(1, 100));
        holds(&l, &[]);
        // Replaced, after a fill on the old reference.
        let mut l = start();
        l.on_report(&executed(1, 40));
        l.on_report(&replaced(1, 2, 60));
        holds(&l, &[2]);
        l.on_report(&canceled(2, 60));
        holds(&l, &[]);
        // Its order's end was heard before it was written: it will never be answered.
        l.on_written(&replace(2, 4));
        holds(&l, &[]);
        // A later replace was taken and an earlier one passed over in silence.
        let mut l = start();
        l.on_written(&replace(1, 3));
        l.on_report(&replaced(1, 3, 100));
        holds(&l, &[3]);
    }

    #[test]
    fn each_is_asked_for_once_a_connection_and_from_where_it_failed() {
        let mut l = LiveOrders::new(8);
        (1..=5).for_each(|t| l.on_written(&new(t)));
        let (mut asked, mut room) = (Vec::new(), 2);
        let mut ask = |l: &mut LiveOrders, more: usize| {
            room += more;
            l.ask_each(|t| {
                room = room.checked_sub(1).ok_or(())?;
                asked.push(t.0);
                Ok(())
            })
        };
        assert_eq!((ask(&mut l, 0), ask(&mut l, 2), ask(&mut l, 2)), (Err(()), Err(()), Ok(())));
        l.on_connected();
        assert_eq!(ask(&mut l, 9), Ok(()));
        asked.sort_unstable();
        assert_eq!(asked, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }

    #[test]
    fn what_was_lost_on_the_way_ends_with_the_first_answer_to_a_later_request() {
        let mut l = LiveOrders::new(8);
        (1..=3).for_each(|t| l.on_written(&new(t)));
        l.on_report(&accepted(1, false));
        l.on_unsent(Token(3));
        l.on_connected();
        holds(&l, &[1, 2]);
        l.on_written(&new(4));
        l.on_report(&executed(1, 10));
        holds(&l, &[1, 2, 4]);
        l.on_report(&accepted(4, false));
        holds(&l, &[1, 4]);
    }

    #[test]
    fn more_than_there_is_room_for_is_never_called_flat() {
        let mut l = LiveOrders::new(4);
        (1..=5).for_each(|t| l.on_written(&new(t)));
        assert_eq!(tokens(&l).len(), 4);
        (1..=5).for_each(|t| l.on_report(&canceled(t, 100)));
        assert!(l.len == 0 && !l.is_known_flat());
    }

    /// Against a map, over tokens that collide and wrap.
    #[test]
    fn the_table_is_a_map() {
        let mut l = LiveOrders::new(16);
        let mut map = std::collections::BTreeMap::new();
        let mut n = 1u32;
        for step in 0..100_000 {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let token = 1 + 32 * ((n >> 9) % 7) + ((n >> 20) % 5) * 8;
            if n >> 31 == 0 && map.len() < 16 {
                l.put(Slot { token, open: n, ..Slot::default() });
                map.insert(token, n);
            } else {
                assert_eq!(l.remove(token).map(|s| s.open), map.remove(&token), "step {step}");
            }
            assert_eq!(l.len, map.len());
            for (token, open) in &map {
                assert_eq!(l.find(*token).map(|at| l.slots[at].open), Some(*open), "step {step}");
            }
        }
    }
}
