//! Cboe PITCH in a packet capture, made into ITCH 5.0 ([`super::made`]): units arbitrated each for itself, every ticker wanted.
//!
//! A ticker gets the next locate when it is first named, behind a directory message. Left out for want of an ITCH word or of a use: participants, auction updates,
//! retail interest, Reg SHO. Match numbers are made up. A price beyond 32 bits cannot be said: its order is left out, and counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use feeds::channel::{Channel, ChannelConfig, ChannelStats, Sink, Taken};
use feeds::framing::Packet as _;
use feeds::pitch::unit::{HEADER, Packet};
use feeds::pitch::{Decoded, Message, Subscription, decode, wire};
use feeds::protocol::{Decode, Refusal, Wanted};
use model::{CrossKind, FeedStatus, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Symbol, TradingState};

use super::made::{Made, STAMP_MAX, Stamp};

/// Units that are read. No venue has more, and a file of noise is not to take memory for each number that a byte can be.
const UNITS_MAX: usize = 64;
/// Messages of one unit that may be held ahead of a hole, 360 kB. The lines of one capture differ by far less.
const REORDER_WINDOW: usize = 1 << 12;
/// Room for a unit's orders at first. It grows with what rests.
const LIVE_ORDERS_FIRST: usize = 1 << 8;
/// Orders of one unit that may rest at once, 12 MiB. One beyond that cannot be kept, and is said to be missing.
const LIVE_ORDERS: usize = 1 << 18;
/// Locates that a stream has.
const LOCATES_MAX: u16 = u16::MAX - 2;

/// One unit.
struct Unit {
    channel: Channel,
    subscription: Subscription,
}

/// All units of a capture that said something.
#[derive(Default)]
pub(super) struct Units {
    units: BTreeMap<u8, Unit>,
    /// Whether there was any packet.
    heard: bool,
    /// Packets of units beyond [`UNITS_MAX`].
    beyond: u64,
    said: Said,
}

/// What is made of the messages of all units.
#[derive(Default)]
struct Said {
    made: Made,
    /// By locate, from 1.
    tickers: Vec<Symbol>,
    unsayable: u64,
}

/// A unit's channel speaks to this.
struct Reader<'a> {
    subscription: &'a mut Subscription,
    said: &'a mut Said,
}

impl Sink for Reader<'_> {
    fn message(&mut self, _seq: u64, msg: &[u8]) -> Taken {
        if let Ok(decoded) = decode(msg)
            && let Some(symbol) = decoded.message.symbol()
            && !self.subscription.wants(symbol)
            && let Some(locate) = self.said.introduce(symbol)
        {
            self.subscription.want(symbol, InstrumentId(locate));
        }
        // ITCH has no word for it.
        if matches!(decode(msg), Ok(Decoded { message: Message::UnitClear, .. })) {
            for (instrument, order) in self.subscription.resting() {
                let body = MarketBody::Delete { order };
                self.said.say(&MarketEvent { ts_event: Nanos::ZERO, instrument, body });
            }
        }
        loop {
            return match self.subscription.decode(msg, |event| self.said.say(&event)) {
                Err(Refusal::Lost) if self.subscription.grow(LIVE_ORDERS) => continue,
                Err(Refusal::Lost) => Taken::Undecodable,
                Ok(()) | Err(Refusal::Malformed | Refusal::Unknown) => Taken::Whole,
            };
        }
    }

    fn status(&mut self, _status: FeedStatus) {}
}

impl Said {
    /// The locate of a ticker that is named for the first time, by any unit; `None` when there is none left.
    fn introduce(&mut self, symbol: Symbol) -> Option<u16> {
        let locate = u16::try_from(self.tickers.len() + 1).ok().filter(|l| *l <= LOCATES_MAX)?;
        self.tickers.push(symbol);
        self.made.directory(Stamp { locate, ns: 0 }, symbol);
        Some(locate)
    }

    fn say(&mut self, event: &MarketEvent) {
        let locate = event.instrument.0;
        let Some(&symbol) = self.tickers.get(usize::from(locate).wrapping_sub(1)) else { return };
        let stamp = Stamp { locate, ns: event.ts_event.0.min(STAMP_MAX) };
        let mut price = |px: Px| {
            let raw = u32::try_from(px.0).ok();
            self.unsayable += u64::from(raw.is_none());
            raw
        };
        match event.body {
            MarketBody::Add { order, px, qty, side, .. } => {
                let Some(px) = price(px) else { return };
                self.made.add(stamp, symbol, order.0, side, qty.0, px);
            }
            MarketBody::Execute { order, qty, .. } => self.made.execute(stamp, order.0, qty.0),
            MarketBody::ExecuteAt { order, qty, px, .. } => {
                // The shares are gone at whatever price.
                let px = price(px).unwrap_or(u32::MAX);
                self.made.execute_at(stamp, order.0, qty.0, px);
            }
            MarketBody::Reduce { order, qty } => self.made.cancel(stamp, order.0, qty.0),
            MarketBody::Delete { order } => self.made.delete(stamp, order.0),
            MarketBody::Replace { new, qty, px, .. } => match price(px) {
                Some(px) => self.made.replace(stamp, new.0, qty.0, px),
                None => self.made.delete(stamp, new.0),
            },
            MarketBody::Trade { px, qty, side, .. } => {
                let Some(px) = price(px) else { return };
                self.made.trade(stamp, symbol, side, qty.0, px);
            }
            MarketBody::Cross { qty, px, cross, .. } => {
                let (Some(px), Ok(qty)) = (price(px), u32::try_from(qty)) else { return };
                let letter = match cross {
                    CrossKind::Opening => b'O',
                    CrossKind::Closing => b'C',
                    CrossKind::Halt => b'H',
                    CrossKind::ExtendedClose => b'A',
                    CrossKind::Other(letter) => letter,
                };
                self.made.cross(stamp, symbol, qty, px, letter);
            }
            MarketBody::TradingAction { state, .. } => {
                let letter = match state {
                    TradingState::Trading => b'T',
                    TradingState::Halted => b'H',
                    TradingState::Paused => b'P',
                    TradingState::QuotationOnly => b'Q',
                    TradingState::Unknown => b' ',
                };
                self.made.trading_action(stamp, symbol, letter);
            }
            _ => {}
        }
    }
}

impl Units {
    /// A datagram; `false` where it is no PITCH.
    pub(super) fn take(&mut self, now: Nanos, datagram: &[u8]) -> bool {
        let Some(packet) = pitch(datagram) else { return false };
        self.heard |= packet.sequence != 0;
        let Units { units, said, beyond, .. } = self;
        let known = units.len();
        let unit = match units.entry(packet.unit) {
            _ if packet.sequence == 0 => return true,
            Entry::Occupied(unit) => unit.into_mut(),
            // A unit that only says that it lives has no book.
            Entry::Vacant(_) if packet.count == 0 => return true,
            Entry::Vacant(_) if known == UNITS_MAX => {
                *beyond += 1;
                return true;
            }
            Entry::Vacant(place) => place.insert(Unit::new()),
        };
        unit.pass(now, said);
        let mut reader = Reader { subscription: &mut unit.subscription, said };
        unit.channel.on_framed::<Packet<'_>, _>(now, 0, datagram, &mut reader);
        true
    }

    /// The end of the capture: what is held behind a hole comes out.
    pub(super) fn finish(&mut self) {
        for unit in self.units.values_mut() {
            while let Some(at) = unit.channel.next_timeout() {
                unit.pass(at, &mut self.said);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.heard
    }

    /// The next message made.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        match self.said.made.advance() {
            true => Some(self.said.made.message().bytes),
            false => None,
        }
    }

    /// What the channel of the busiest unit counted.
    pub(super) fn busiest(&self) -> Option<&ChannelStats> {
        self.units.values().map(|u| u.channel.stats()).max_by_key(|s| s.delivered)
    }

    pub(super) fn lost(&self) -> u64 {
        self.units.values().map(|u| u.channel.stats().messages_lost).sum()
    }

    /// Messages that could not be decoded, or kept.
    pub(super) fn undecodable(&self) -> u64 {
        self.units.values().map(|u| u.channel.stats().undecodable).sum()
    }

    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }

    pub(super) fn unsayable(&self) -> u64 {
        self.said.unsayable
    }
}

impl Unit {
    fn new() -> Unit {
        let config = ChannelConfig {
            lines: 1,
            reorder_window: REORDER_WINDOW,
            gap_wait: Nanos::from_millis(100),
            ..ChannelConfig::default()
        };
        let wanted = Wanted { instruments: &[], live_orders: LIVE_ORDERS_FIRST };
        Unit { channel: Channel::new(config), subscription: Decode::new(wanted) }
    }

    fn pass(&mut self, now: Nanos, said: &mut Said) {
        while self.channel.next_timeout().is_some_and(|at| at <= now) {
            let mut reader = Reader { subscription: &mut self.subscription, said };
            self.channel.on_timeout(now, &mut reader);
        }
    }
}

/// The datagram as a packet: its length is the header's, and known messages fill it exactly.
fn pitch(datagram: &[u8]) -> Option<Packet<'_>> {
    let packet = Packet::parse(datagram).ok()?;
    let length = u16::from_le_bytes(*datagram.first_chunk()?);
    let is_known = |b: &[u8]| wire::TYPES.iter().any(|(k, len)| b.get(1) == Some(k) && b.len() >= *len);
    let (count, bytes) = packet.blocks().fold((0, HEADER), |(n, sum), b| (n + 1, sum + b.len()));
    let whole = usize::from(length) == datagram.len() && count == packet.count && bytes == datagram.len();
    let is_pitch = packet.count == 0 || packet.blocks().any(is_known);
    (whole && is_pitch).then_some(packet)
}
