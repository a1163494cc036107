//! Background flow from a historical ITCH file.
//!
//! The file tells what happened to its orders without ours. Ours change that, so each of the file's orders has two lives: what the file
//! *believes* is left of it, and what *rests* here. The rules, where X is one of the file's orders:
//!
//! | file | here |
//! |---|---|
//! | `A`, `F` | trades with accounts' orders that it crosses (never with other background orders: the file would have said so), rests with what it has left |
//! | `E`, `C` of q shares of X | an aggressor of q shares from the other side at X's price: accounts' orders with a better price, or before X in its queue, fill first, X the rest |
//! | `X`, `D` | X loses what it still has of that |
//! | `U` | X moves; shares that an account took from it stay gone; like an `A` where it crosses accounts' orders |
//! | `P` | published; it touches no book |
//! | `H` | the symbol's trading state |
//!
//! Where an account took shares of X, later messages about those shares do nothing and are counted as clipped. Where an account's order filled
//! in X's place, X has shares left when the file sees it fully executed; those are taken off (a residue), or the book would fill with orders
//! whose owner's further intentions nobody knows. So without orders of accounts the books are exactly the file's.
//!
//! Stamps are the venue's, not the file's: the file's times only say how far messages lie apart.

use std::collections::{HashMap, VecDeque};

use model::{Px, Qty, Side, Symbol};

use super::reader::{self, BinaryFile, Message};
use super::{FlowCounts, arrive, is_sane, relocate};
use crate::exchange::floor::{Aggressor, AtPrice, Floor};
use crate::exchange::matching::{Owner, Resting, Verdict};

/// Longest stretch of a file's head that is looked through for the directory, messages.
const HEAD_LIMIT: usize = 100_000;
/// A message longer than this is none: the longest known has 50 bytes, later revisions may add some.
const LONGEST: usize = 256;

/// How fast the file goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As it was, times this factor.
    Scaled(f64),
    /// This many messages a second, whatever their times.
    PerSecond(u64),
}

/// One of the file's orders.
#[derive(Clone, Copy, Debug)]
struct Mirror {
    listing: usize,
    id: u64,
    side: Side,
    believed: Qty,
}

/// A historical file being played.
#[derive(Debug)]
pub struct FileFlow {
    file: BinaryFile,
    speed: Speed,
    /// Symbols to play; empty for all.
    filter: Vec<Symbol>,
    /// Messages read ahead while looking for the directory.
    head: VecDeque<Vec<u8>>,
    pending: Option<Vec<u8>>,
    mirrors: HashMap<u64, Mirror>,
    started: Option<u64>,
    origin: u64,
    counts: FlowCounts,
}

impl FileFlow {
    /// A flow from `file` for the symbols of `filter` (all where it is empty). Reads the file's head.
    #[must_use]
    pub fn new(mut file: BinaryFile, speed: Speed, filter: Vec<Symbol>) -> FileFlow {
        let mut head = VecDeque::new();
        while head.len() < HEAD_LIMIT
            && let Some(message) = file.next_message()
        {
            let body = reader::read(&message);
            head.push_back(message);
            if matches!(body, Some(Message::Add { .. } | Message::HiddenTrade { .. })) {
                break;
            }
        }
        // The clock of the file starts with its first order: the directory may lie hours before it.
        let origin = head.back().and_then(|m| reader::timestamp(m)).unwrap_or(0);
        FileFlow {
            file,
            speed,
            filter,
            head,
            pending: None,
            mirrors: HashMap::new(),
            started: None,
            origin,
            counts: FlowCounts::default(),
        }
    }

    /// Lists the symbols of the filter, or of the file's directory.
    pub fn list(&mut self, floor: &mut Floor) {
        let symbols: Vec<Symbol> = if self.filter.is_empty() {
            let directory = self.head.iter().filter_map(|m| match reader::read(m) {
                Some(Message::Directory { symbol }) => Some(symbol),
                _ => None,
            });
            directory.collect()
        } else {
            self.filter.clone()
        };
        for symbol in symbols {
            if floor.find(symbol).is_none() {
                floor.list(symbol);
            }
        }
    }

    /// Starts the clock.
    pub fn start(&mut self, now: u64) {
        self.started = Some(now);
        self.advance();
    }

    /// When the next message is due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let (start, message) = (self.started?, self.pending.as_ref()?);
        let after = match self.speed {
            Speed::Scaled(factor) => {
                let span = reader::timestamp(message).unwrap_or(0).saturating_sub(self.origin);
                // A float only spaces messages out; the cast saturates.
                (span as f64 / factor) as u64
            }
            Speed::PerSecond(rate) => {
                let n = u128::from(self.counts.played) * 1_000_000_000 / u128::from(rate.max(1));
                u64::try_from(n).unwrap_or(u64::MAX)
            }
        };
        Some(start.saturating_add(after))
    }

    /// Whether the file is played out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.started.is_some() && self.pending.is_none()
    }

    /// What became of its messages.
    #[must_use]
    pub fn counts(&self) -> FlowCounts {
        self.counts
    }

    /// Plays the next message.
    pub fn play(&mut self, floor: &mut Floor) {
        if let Some(message) = self.pending.take() {
            self.counts.played += 1;
            match reader::read(&message) {
                Some(body) if message.len() <= LONGEST => self.apply(floor, &message, body),
                _ => self.counts.skipped += 1,
            }
            self.advance();
        }
    }

    fn advance(&mut self) {
        self.pending = self.head.pop_front().or_else(|| self.file.next_message());
    }

    fn apply(&mut self, floor: &mut Floor, message: &[u8], body: Message) {
        match body {
            Message::Add { key, symbol, side, shares, px, mpid } => {
                let listing = self.listing(floor, symbol);
                let (Some(listing), true) =
                    (listing, is_sane(px, shares) && !self.mirrors.contains_key(&key))
                else {
                    self.counts.skipped += 1;
                    return;
                };
                let id = floor.take_id();
                self.mirrors.insert(key, Mirror { listing, id, side, believed: shares });
                let order = Resting { id, side, px, shares, owner: Owner::Background(key), is_shown: true };
                arrive(floor, listing, order, mpid, only_accounts);
            }
            Message::Execute { key, shares, at } => self.execute(floor, key, shares, at),
            Message::Reduce { key, shares } => self.reduce(floor, key, shares),
            Message::Delete { key } => self.reduce(floor, key, Qty(u32::MAX)),
            Message::Replace { old, new, shares, px } => self.replace(floor, old, new, shares, px),
            Message::HiddenTrade { symbol, shares, px } => {
                match self.listing(floor, symbol).filter(|_| is_sane(px, shares)) {
                    Some(listing) => floor.hidden_trade(listing, shares, px),
                    None => self.counts.skipped += 1,
                }
            }
            Message::TradingAction { symbol, state, reason } => match self.listing(floor, symbol) {
                Some(listing) => floor.set_state(listing, state, reason),
                None => self.counts.skipped += 1,
            },
            Message::News { symbol } => match self.listing(floor, symbol) {
                Some(listing) => floor.relay(Some(listing), message),
                None => self.counts.skipped += 1,
            },
            Message::MarketNews => floor.relay(None, message),
            // Listed at the start, or with the symbol's first message.
            Message::Directory { .. } | Message::Foreign => self.counts.skipped += 1,
        }
    }

    /// Where a symbol is listed; a file without a directory lists as it goes.
    fn listing(&mut self, floor: &mut Floor, symbol: Symbol) -> Option<usize> {
        if !self.filter.is_empty() && !self.filter.contains(&symbol) {
            return None;
        }
        floor.find(symbol).or_else(|| floor.list(symbol))
    }

    fn execute(&mut self, floor: &mut Floor, key: u64, shares: Qty, at: Option<(Px, bool)>) {
        let Some(mirror) = self.mirrors.get_mut(&key) else {
            self.counts.unknown += 1;
            return;
        };
        mirror.believed = mirror.believed.saturating_sub(shares);
        let Mirror { listing, id, side, believed } = *mirror;
        let left = match floor.listings[listing].book.get(id) {
            None => shares,
            Some(x) => {
                let aggressor = Aggressor { side: side.opposite(), limit: x.px, shares, taker: None };
                let at = at.map(|(px, printable)| AtPrice { id, px, printable });
                let mut reached = false;
                floor.aggress(listing, aggressor, at, |o| {
                    if o.id == id {
                        reached = true;
                        Verdict::Trade
                    } else if reached {
                        Verdict::Pass
                    } else {
                        only_accounts(o)
                    }
                })
            }
        };
        if !left.is_zero() {
            self.counts.clipped += 1;
        }
        if believed.is_zero() {
            self.mirrors.remove(&key);
            if !floor.delete(listing, id).is_zero() {
                self.counts.residues += 1;
            }
        }
    }

    /// `X`, and `D` as an `X` of everything.
    fn reduce(&mut self, floor: &mut Floor, key: u64, shares: Qty) {
        let Some(mirror) = self.mirrors.get_mut(&key) else {
            self.counts.unknown += 1;
            return;
        };
        let asked = mirror.believed.min(shares);
        mirror.believed = Qty(mirror.believed.0 - asked.0);
        let Mirror { listing, id, believed, .. } = *mirror;
        let all = believed.is_zero();
        let gone = if all { floor.delete(listing, id) } else { floor.reduce(listing, id, asked) };
        if gone < asked {
            self.counts.clipped += 1;
        }
        if all {
            self.mirrors.remove(&key);
        }
    }

    fn replace(&mut self, floor: &mut Floor, old: u64, new: u64, shares: Qty, px: Px) {
        if !is_sane(px, shares) || (new != old && self.mirrors.contains_key(&new)) {
            self.counts.skipped += 1;
            return;
        }
        let Some(mirror) = self.mirrors.remove(&old) else {
            self.counts.unknown += 1;
            return;
        };
        let Mirror { listing, id, side, believed } = mirror;
        let resting = floor.listings[listing].book.get(id);
        let gone = believed.saturating_sub(resting.map_or(Qty::ZERO, |x| x.shares));
        let left = shares.saturating_sub(gone);
        if !gone.is_zero() {
            self.counts.clipped += 1;
        }
        let mut moved = Mirror { believed: shares, ..mirror };
        match resting {
            Some(x) if !left.is_zero() => {
                moved.id = floor.take_id();
                let order = Resting {
                    id: moved.id,
                    side,
                    px,
                    shares: left,
                    owner: Owner::Background(new),
                    is_shown: true,
                };
                relocate(floor, listing, &x, order, only_accounts);
            }
            // Nothing is left of it here: what the file says of it from now on is clipped.
            Some(_) | None => {
                floor.delete(listing, id);
            }
        }
        self.mirrors.insert(new, moved);
    }
}

fn only_accounts(o: &Resting) -> Verdict {
    if o.owner.is_account() { Verdict::Trade } else { Verdict::Pass }
}
