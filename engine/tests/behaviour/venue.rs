//! A tiny venue that keeps OUCH's rules and none of its manners: it delays, fills in parts, refuses at random, goes on while nobody listens.
//!
//! ```text
//!   engine --commands--> [ in transit ] --> orders, accounts --> [ stream: every report, numbered ] --delivered--> engine
//! ```
//!
//! A disconnect loses the tail of what is in transit. The stream is never lost: a login replays it.

use std::collections::{BTreeMap, VecDeque};

use model::{
    CommandKind, ExecutionReport, InstrumentId, Nanos, OrderCommand, PortRequest, Px, Qty, ReportKind, Side,
    Tif, Token, VenueRef,
};

use crate::kit::{GATEWAY, Rng, executed};

/// An order as the venue has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    pub instrument: InstrumentId,
    pub side: Side,
    short: bool,
    pub px: Px,
    pub open: u32,
    /// Executed and prevented shares over the chain.
    gone: u32,
    refused_a_cancel: bool,
}

/// One instrument's account at the venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub bought: u64,
    pub sold: u64,
    pub cash: i64,
}

#[derive(Clone, Copy)]
struct Trade {
    token: u32,
    instrument: InstrumentId,
    side: Side,
    qty: u32,
    px: i64,
    match_number: u64,
}

#[derive(Default)]
pub struct Venue {
    pub live: BTreeMap<u32, Resting>,
    pub accounts: BTreeMap<u16, Account>,
    pub in_transit: VecDeque<OrderCommand>,
    /// Every report; the first has number 1.
    pub stream: Vec<ExecutionReport>,
    /// The highest token processed.
    pub last_token: u32,
    trades: Vec<Trade>,
    next_ref: u64,
    next_match: u64,
}

impl Venue {
    fn say(&mut self, token: u32, kind: ReportKind) {
        let seq = self.stream.len() as u64 + 1;
        let token = Token(token);
        self.stream.push(ExecutionReport { ts_event: Nanos(seq), seq, token, gateway: GATEWAY, kind });
    }

    fn reference(&mut self) -> VenueRef {
        self.next_ref += 1;
        VenueRef(1 << 32 | self.next_ref)
    }

    fn cancel(&mut self, token: u32, qty: u32, reason: u8) {
        let Some(o) = self.live.get_mut(&token) else { return };
        let qty = qty.min(o.open);
        o.open -= qty;
        if reason == b'Q' {
            o.gone += qty;
        }
        if o.open == 0 {
            self.live.remove(&token);
        }
        self.say(token, ReportKind::Canceled { qty: Qty(qty), reason });
    }

    fn fill(&mut self, token: u32, qty: u32) {
        let Some(o) = self.live.get_mut(&token) else { return };
        let qty = qty.clamp(1, o.open);
        o.open -= qty;
        o.gone += qty;
        let Resting { instrument, side, px: Px(px), open, .. } = *o;
        if open == 0 {
            self.live.remove(&token);
        }
        self.next_match += 1;
        let trade = Trade { token, instrument, side, qty, px, match_number: self.next_match };
        self.book(trade, 1);
        self.trades.push(trade);
        self.say(token, executed(qty, px, trade.match_number));
    }

    fn book(&mut self, t: Trade, times: i64) {
        let a = self.accounts.entry(t.instrument.0).or_default();
        let side = match t.side {
            Side::Buy => &mut a.bought,
            Side::Sell => &mut a.sold,
        };
        *side = side.checked_add_signed(times * i64::from(t.qty)).expect("broken once");
        a.cash -= times * t.side.sign() * i64::from(t.qty) * t.px;
    }

    /// Processes the oldest command in transit.
    pub fn process(&mut self, rng: &mut Rng) {
        let Some(command) = self.in_transit.pop_front() else { return };
        match command.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                if token.0 <= self.last_token {
                    return; // taken as a retransmission
                }
                self.last_token = token.0;
                if rng.one_in(12) {
                    return self.say(token.0, ReportKind::Rejected { reason: 6 });
                }
                let (order, dead, instrument) = (self.reference(), rng.one_in(15), command.instrument);
                let kind =
                    ReportKind::Accepted { order, px, qty, side, short, instrument: Some(instrument), dead };
                self.say(token.0, kind);
                if dead {
                    return;
                }
                let o =
                    Resting { instrument, side, short, px, open: qty.0, gone: 0, refused_a_cancel: false };
                self.live.insert(token.0, o);
                if tif == Tif::Ioc {
                    if rng.one_in(2) {
                        self.fill(token.0, 1 + rng.below(u64::from(qty.0)) as u32);
                    }
                    self.cancel(token.0, u32::MAX, b'I');
                }
            }
            CommandKind::Replace { old, token, qty, px, .. } => {
                let Some(o) = self.live.get(&old.0).copied() else { return }; // silence, the number is not used up
                if token.0 <= self.last_token {
                    return;
                }
                let open = qty.0.saturating_sub(o.gone);
                if rng.one_in(12) || open == 0 {
                    return self.cancel(old.0, u32::MAX, b'U'); // not valid: the old order goes
                }
                self.last_token = token.0;
                if rng.one_in(12) {
                    return self.say(token.0, ReportKind::Rejected { reason: 0x0b });
                }
                let (order, dead) = (self.reference(), rng.one_in(20));
                self.live.remove(&old.0);
                if !dead {
                    self.live.insert(token.0, Resting { px, open, ..o });
                }
                self.say(token.0, ReportKind::Replaced { old, order, px, qty: Qty(open), dead });
            }
            CommandKind::Cancel { token, qty } => {
                let Some(o) = self.live.get_mut(&token.0) else { return }; // superfluous: silence
                let off = o.open.saturating_sub(qty.0.saturating_sub(o.gone));
                if off == 0 {
                    return; // fewer are open than are to stay
                }
                if rng.one_in(10) && !o.refused_a_cancel {
                    o.refused_a_cancel = true;
                    return self.say(token.0, ReportKind::CancelRejected);
                }
                self.cancel(token.0, off, b'U');
            }
            CommandKind::Port { token, request } => {
                if token.0 <= self.last_token {
                    return;
                }
                self.last_token = token.0;
                if request == PortRequest::MassCancel {
                    let live: Vec<u32> = self.live.keys().copied().collect();
                    live.into_iter().for_each(|t| self.cancel(t, u32::MAX, b'U'));
                }
            }
        }
    }

    /// Something happens that nobody asked for.
    pub fn act(&mut self, rng: &mut Rng) {
        let n = self.live.len() as u64;
        if n == 0 {
            return;
        }
        let (token, o) =
            self.live.iter().nth(rng.below(n) as usize).map(|(t, o)| (*t, *o)).expect("one of n");
        let part = 1 + rng.below(u64::from(o.open)) as u32;
        match rng.below(20) {
            0 => self.cancel(token, part, b'S'),
            1 => self.cancel(token, part, b'Q'),
            2 => {
                let order = self.reference();
                self.say(token, ReportKind::Reprioritised { order, px: o.px });
            }
            3 => {
                let kind = ReportKind::Modified { qty: Qty(o.open - part / 2), side: o.side, short: o.short };
                if let Some(o) = self.live.get_mut(&token) {
                    o.open -= part / 2;
                }
                if o.open == part / 2 {
                    self.live.remove(&token);
                }
                self.say(token, kind);
            }
            4 => self.say(token, ReportKind::CancelPending),
            _ => self.fill(token, part),
        }
    }

    /// Begins another session: what was said in the last one is never said again, and what is open lives on. Its trades are not broken any more.
    pub fn roll_over(&mut self) {
        self.stream.clear();
        self.trades.clear();
        self.last_token = 0;
    }

    /// Breaks an earlier trade, if there is one.
    pub fn break_trade(&mut self, rng: &mut Rng) {
        if self.trades.is_empty() {
            return;
        }
        let t = self.trades.swap_remove(rng.below(self.trades.len() as u64) as usize);
        self.book(t, -1);
        self.say(t.token, ReportKind::Broken { match_number: t.match_number, reason: b'E' });
    }

    /// Shares of a side that the venue has traded or may yet trade.
    pub fn committed(&self, id: InstrumentId, side: Side) -> u64 {
        let a = self.accounts.get(&id.0).copied().unwrap_or_default();
        let open = |o: &Resting| {
            if o.instrument == id && o.side == side { u64::from(o.open) } else { 0 }
        };
        let done = match side {
            Side::Buy => a.bought,
            Side::Sell => a.sold,
        };
        done + self.live.values().map(open).sum::<u64>()
    }
}
