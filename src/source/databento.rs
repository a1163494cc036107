//! Databento DBN, schema MBO (market by order), made into ITCH 5.0.
//!
//! ```text
//!   ["DBN" | version u8 | length u32 | metadata: schema, symbols by instrument and day]      little-endian throughout
//!   [length u8, of 4 bytes | type u8 | publisher u16 | instrument u32 | ts_event u64         one record after another
//!    | order u64 | price i64, 1e-9 | size u32 | flags u8 | channel u8 | action | side | ts_recv u64 | i32 | sequence u32]
//! ```
//!
//! Versions 1 to 3; their MBO records are the same 56 bytes. The crate `dbn` reads the metadata and names the fields; records are taken here, from the window, because
//! a reference into the file's bytes must not hang on lengths that the file itself says.
//!
//! | action | effect on the book | becomes |
//! |---|---|---|
//! | `A` add | the order comes | `A` |
//! | `C` cancel | `size` goes, in part or all, also after a trade | what of it was filled `E` (`C` where it was not at the order's price), the rest `X`, or `D` where it is all |
//! | `M` modify | price and size are these now | what was filled `E`; then `X` where the price stays and the size is less (the place in the queue is kept), otherwise `U` to the same reference (`A` where the fill took all) |
//! | `R` clear | the instrument's book is empty | a `D` of each order that rests, lowest reference first |
//! | `F` fill | none: its shares go with the `C` or `M` behind it | nothing by itself: these become an execution |
//! | `T` trade | none | what no fill of its event is of an order that rests here: `P` with the side that rested, the other one than the aggressor's, `B` where that is not said |
//! | `N` none | none | nothing |
//!
//! A trade comes as `T` of the aggressor, `F` of each order it met, and what takes their shares off, at one `ts_event`, the last of them flagged so. A share is said once: as an execution of its order, so that who
//! stands in a queue sees it trade, or as a trade of nobody's order (hidden, implied, of before the file). Shares leave with the `C` or `M` and never with the `F`, so a book is right whether or not fills are told.
//!
//! Made up: locates, from 1 in the order in which instruments come; an `R` with each one's ticker (`#` and the instrument's number where the metadata has none
//! of at most eight characters, its eight hexadecimal digits where the number is long); match numbers from 1. Lost: which order a trade was against where no fill says it, the attribution, the venue's sequence, receive
//! stamps. Stamps are `ts_event` since the midnight, UTC, before the first record; an order of an earlier day has stamp 0.
//!
//! Refused, because a book would be wrong without it: an order's price that is no multiple of 1e-4 or not within 32 bits of them, an order without a side, records of a second
//! publisher (order numbers are a venue's own). Left out and told by [`Databento::remarks`]: trades at such prices, orders without a price (they rest nowhere).
//! An order number that rests under two instruments at once is taken as it is: the book counts the second as a duplicate.
//! Orders of before the file are unknown references, which the books count. Memory follows the orders that rest, as a book's does: `M` and `R` need them.

use std::collections::HashMap;
use std::io::Read;
use std::mem::offset_of;

use dbn::decode::dbn::fsm::{DbnFsm, ProcessResult};
use dbn::{MboMsg, Schema, UNDEF_PRICE, UNDEF_TIMESTAMP};
use model::{Side, Symbol};
use net::pcap::window::Window;

use super::made::{Made, STAMP_MAX, Stamp};
use super::{Fault, Message, cut_short};

/// What a file begins with.
pub(super) const MAGIC: &[u8] = b"DBN";
/// The version byte and the length of the metadata follow.
const PRELUDE: usize = 8;
/// Most bytes of metadata; those of a whole options market's names are fewer.
const METADATA_MAX: usize = 256 << 20;
/// Bytes of a record of this schema, before what may be appended.
const MBO: usize = size_of::<MboMsg>();
/// Units of a DBN price in one of ITCH.
const UNITS: i64 = 100_000;
const DAY: u64 = 86_400_000_000_000;

/// One record, out of its bytes.
struct Mbo {
    publisher: u16,
    instrument: u32,
    ts_event: u64,
    order: u64,
    price: i64,
    size: u32,
    flags: u8,
    action: u8,
    side: u8,
    ts_recv: u64,
}

impl Mbo {
    fn of(record: &[u8; MBO]) -> Mbo {
        const { assert!(offset_of!(MboMsg, ts_recv) == 40 && offset_of!(MboMsg, side) == 39) };
        const { assert!(offset_of!(MboMsg, flags) == 36) };
        const { assert!(offset_of!(MboMsg, action) == 38 && offset_of!(MboMsg, size) == 32) };
        const { assert!(offset_of!(MboMsg, price) == 24 && offset_of!(MboMsg, order_id) == 16) };
        fn at<const N: usize>(record: &[u8; MBO], from: usize) -> [u8; N] {
            let mut bytes = [0; N];
            bytes.copy_from_slice(&record[from..from + N]);
            bytes
        }
        Mbo {
            publisher: u16::from_le_bytes(at(record, 2)),
            instrument: u32::from_le_bytes(at(record, 4)),
            ts_event: u64::from_le_bytes(at(record, 8)),
            order: u64::from_le_bytes(at(record, 16)),
            price: i64::from_le_bytes(at(record, 24)),
            size: u32::from_le_bytes(at(record, 32)),
            flags: record[36],
            action: record[38],
            side: record[39],
            ts_recv: u64::from_le_bytes(at(record, 40)),
        }
    }

    /// The price in 1e-4, where ITCH can say it.
    fn wire_price(&self) -> Option<u32> {
        (self.price % UNITS == 0).then(|| u32::try_from(self.price / UNITS).ok())?
    }

    fn price_for_book(&self) -> Result<u32, String> {
        self.wire_price().ok_or_else(|| {
            format!(
                "the price {} (of 1e-9) is no multiple of 1e-4 within 32 bits: ITCH 5.0 cannot say it",
                self.price
            )
        })
    }
}

/// An order that rests.
struct Resting {
    side: Side,
    price: u32,
    size: u32,
    /// Shares that have traded and have not been taken off yet, and at what.
    filled: u32,
    filled_at: u32,
}

impl Resting {
    /// Up to `most` shares that have traded leave it, each as an execution. Returns how many.
    fn execute(&mut self, stamp: Stamp, order: u64, most: u32, made: &mut Made) -> u32 {
        let shares = self.filled.min(self.size).min(most);
        self.filled = 0;
        if shares != 0 {
            self.size -= shares;
            match self.filled_at == self.price {
                true => made.execute(stamp, order, shares),
                false => made.execute_at(stamp, order, shares, self.filled_at),
            }
        }
        shares
    }
}

/// A trade of which it is not known yet whose orders it met.
struct Trade {
    stamp: Stamp,
    event: u64,
    instrument: u32,
    symbol: Symbol,
    rested: Side,
    /// 1e-9.
    price: i64,
    wire_price: Option<u32>,
    left: u32,
}

/// Trades of one event; an event of more is let go early, so that no file makes it grow.
const TRADES_MAX: usize = 256;

struct Instrument {
    symbol: Symbol,
    live: HashMap<u64, Resting>,
}

/// What was left out.
#[derive(Default)]
struct Left {
    odd_trades: u64,
    unpriced: u64,
    other: u64,
}

/// A DBN file being read.
pub(super) struct Databento {
    window: Window,
    names: HashMap<u32, String>,
    locates: HashMap<u32, u16>,
    instruments: Vec<Instrument>,
    publisher: Option<u16>,
    midnight: Option<u64>,
    record: u64,
    left: Left,
    /// Of the event that is being read, oldest first.
    trades: Vec<Trade>,
    made: Made,
}

impl Databento {
    /// Reads the metadata.
    pub(super) fn open(mut window: Window) -> Result<Databento, Fault> {
        let cut = || Fault::Truncated { offset: 0, what: "metadata" };
        let head = window.want(PRELUDE).map_err(|e| cut_short(e, cut()))?;
        let Some(&[_, _, _, version, l0, l1, l2, l3]) = head.first_chunk() else { return Err(cut()) };
        if !(1..=3).contains(&version) {
            return Err(Fault::Other(format!("a DBN file of version {version}; 1 to 3 are read here")));
        }
        let length = PRELUDE + u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > METADATA_MAX {
            return Err(Fault::Other(format!(
                "a DBN file with {length} bytes of metadata, more than any has"
            )));
        }
        let mut fsm = DbnFsm::default();
        let mut chunk = vec![0; 1 << 16];
        let mut rest = length;
        while rest > 0 {
            let most = rest.min(chunk.len());
            let n = window.read(&mut chunk[..most]).map_err(|e| cut_short(e, cut()))?;
            if n == 0 {
                return Err(cut());
            }
            fsm.write_all(&chunk[..n]);
            rest -= n;
        }
        let metadata = match fsm.process() {
            ProcessResult::Metadata(metadata) => metadata,
            ProcessResult::Err(e) => {
                let what = e.to_string();
                let what = what.lines().next().unwrap_or_default();
                return Err(Fault::Other(format!("a DBN file whose metadata cannot be read: {what}")));
            }
            ProcessResult::ReadMore(_) | ProcessResult::Record(()) => return Err(cut()),
        };
        match metadata.schema {
            Some(Schema::Mbo) => {}
            Some(other) => {
                return Err(Fault::Other(format!(
                    "a DBN file of schema {other}, which has no orders: MBO is what books are built of"
                )));
            }
            None => return Err(Fault::Other("a DBN file of several schemas: export MBO alone".into())),
        }
        let names = metadata.symbol_map_for_date(metadata.start().date());
        let names = names.map(|map| map.inner().clone()).unwrap_or_default();
        Ok(Databento {
            window,
            names,
            locates: HashMap::new(),
            instruments: Vec::new(),
            publisher: None,
            midnight: None,
            record: 0,
            left: Left::default(),
            trades: Vec::new(),
            made: Made::default(),
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The message that [`Databento::advance`] went to.
    pub(super) fn message(&self) -> Message<'_> {
        self.made.message()
    }

    /// Goes to the next message; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Fault> {
        while !self.made.advance() {
            if !self.read_record()? {
                if self.trades.is_empty() {
                    return Ok(false);
                }
                self.let_go(|_| true);
            }
        }
        Ok(true)
    }

    /// One record; `false` at the end.
    fn read_record(&mut self) -> Result<bool, Fault> {
        let offset = self.window.offset();
        let cut = || Fault::Truncated { offset, what: "record" };
        let Some(&words) = self.window.want(1).map_err(|e| cut_short(e, cut()))?.first() else {
            return Ok(false);
        };
        let len = usize::from(words) * 4;
        self.record += 1;
        if len < offset_of!(MboMsg, order_id) {
            return Err(self.bad("its length is less than a record's head".into()));
        }
        let ahead = self.window.want(len).map_err(|e| cut_short(e, cut()))?;
        if ahead.len() < len {
            return Err(cut());
        }
        let is_mbo = ahead[1] == dbn::enums::rtype::MBO;
        let record = ahead[..len].first_chunk().filter(|_| is_mbo).map(Mbo::of);
        self.window.pass(len);
        match record {
            Some(mbo) => self.make(&mbo).map_err(|what| self.bad(what))?,
            None if is_mbo => return Err(self.bad("its length is less than an MBO record's".into())),
            None => self.left.other += 1,
        }
        Ok(true)
    }

    #[cold]
    fn bad(&self, what: String) -> Fault {
        Fault::Entry { what, kind: "record", number: self.record }
    }

    fn make(&mut self, m: &Mbo) -> Result<(), String> {
        let publisher = *self.publisher.get_or_insert(m.publisher);
        if publisher != m.publisher {
            return Err(format!(
                "of publisher {} in a file of publisher {publisher}: order numbers are a venue's own, so give one venue a file",
                m.publisher
            ));
        }
        if self.trades.first().is_some_and(|t| t.event != m.ts_event) {
            self.let_go(|_| true);
        }
        let stamp = self.stamp(m)?;
        self.act(m, stamp)?;
        if m.flags & dbn::flags::LAST != 0 && !self.trades.is_empty() {
            self.let_go(|t| t.instrument == m.instrument);
        }
        Ok(())
    }

    /// What of trades no fill accounted for was of nobody's order.
    fn let_go(&mut self, which: impl Fn(&Trade) -> bool) {
        let Databento { trades, made, left, .. } = self;
        for t in trades.extract_if(.., |t| which(t)).filter(|t| t.left != 0) {
            match t.wire_price {
                Some(price) => made.trade(t.stamp, t.symbol, t.rested, t.left, price),
                None => left.odd_trades += 1,
            }
        }
    }

    /// What a record does to the book.
    fn act(&mut self, m: &Mbo, stamp: Stamp) -> Result<(), String> {
        let made = &mut self.made;
        let Instrument { symbol, live } = &mut self.instruments[usize::from(stamp.locate) - 1];
        let side = match m.side {
            b'B' => Some(Side::Buy),
            b'A' => Some(Side::Sell),
            b'N' => None,
            other => return Err(format!("0x{other:02x} is no side")),
        };
        match m.action {
            b'A' | b'M' if m.price == UNDEF_PRICE => {
                self.left.unpriced += 1;
                if m.action == b'M'
                    && let Some(mut r) = live.remove(&m.order)
                {
                    r.execute(stamp, m.order, u32::MAX, made);
                    if r.size != 0 {
                        made.delete(stamp, m.order);
                    }
                }
            }
            b'A' => {
                let price = m.price_for_book()?;
                let side = side.ok_or("an order without a side")?;
                let order = Resting { side, price, size: m.size, filled: 0, filled_at: 0 };
                live.entry(m.order).or_insert(order);
                made.add(stamp, *symbol, m.order, side, m.size, price);
            }
            b'C' => {
                let Some(r) = live.get_mut(&m.order) else {
                    made.cancel(stamp, m.order, m.size);
                    return Ok(());
                };
                let rest = m.size - r.execute(stamp, m.order, m.size, made);
                // More than there is goes on as it is, so that the book counts it.
                match r.size {
                    size if rest == size && (size != 0 || m.size == 0) => made.delete(stamp, m.order),
                    _ if rest != 0 || m.size == 0 => made.cancel(stamp, m.order, rest),
                    _ => {}
                }
                r.size = r.size.saturating_sub(rest);
                if r.size == 0 {
                    live.remove(&m.order);
                }
            }
            b'M' => {
                let price = m.price_for_book()?;
                let Some(r) = live.get_mut(&m.order) else {
                    made.replace(stamp, m.order, m.size, price);
                    return Ok(());
                };
                let had = r.size;
                let kept = if r.price == price && m.size < had { m.size } else { 0 };
                let executed = r.execute(stamp, m.order, had - kept, made);
                let (left, was) = (r.size, std::mem::replace(&mut r.price, price));
                r.size = m.size;
                if was == price && (left == m.size && executed != 0 || had == m.size && executed == 0) {
                    // The fill was all that happened, or nothing is other than it was.
                    if m.size == 0 {
                        live.remove(&m.order);
                    }
                } else if was == price && m.size > 0 && m.size < left {
                    made.cancel(stamp, m.order, left - m.size);
                } else if left == 0 && had != 0 {
                    made.add(stamp, *symbol, m.order, r.side, m.size, price);
                } else {
                    made.replace(stamp, m.order, m.size, price);
                }
            }
            b'R' => {
                let mut orders: Vec<u64> = live.drain().map(|(order, _)| order).collect();
                orders.sort_unstable();
                orders.iter().for_each(|order| made.delete(stamp, *order));
            }
            b'T' => {
                if self.trades.len() == TRADES_MAX {
                    self.let_go(|_| true);
                }
                let Instrument { symbol, .. } = &self.instruments[usize::from(stamp.locate) - 1];
                self.trades.push(Trade {
                    stamp,
                    event: m.ts_event,
                    instrument: m.instrument,
                    symbol: *symbol,
                    rested: side.map_or(Side::Buy, Side::opposite),
                    price: m.price,
                    wire_price: m.wire_price(),
                    left: m.size,
                });
            }
            b'F' => {
                let Some(r) = live.get_mut(&m.order) else { return Ok(()) };
                r.filled = r.filled.saturating_add(m.size);
                r.filled_at = m.wire_price().unwrap_or(r.price);
                let mut size = m.size;
                // Of its price first: a sweep has a trade for each.
                for of_its_price in [true, false] {
                    let is_of =
                        |t: &&mut Trade| t.instrument == m.instrument && (t.price == m.price) == of_its_price;
                    for trade in self.trades.iter_mut().filter(is_of) {
                        let met = trade.left.min(size);
                        trade.left -= met;
                        size -= met;
                    }
                }
            }
            b'N' => {}
            other => return Err(format!("0x{other:02x} is no action")),
        }
        Ok(())
    }

    /// The record's stamp; the first of an instrument names it.
    fn stamp(&mut self, m: &Mbo) -> Result<Stamp, String> {
        let received = if m.ts_recv == UNDEF_TIMESTAMP { m.ts_event } else { m.ts_recv };
        let midnight = *self.midnight.get_or_insert(received - received % DAY);
        let event = if m.ts_event == UNDEF_TIMESTAMP { received } else { m.ts_event };
        let ns = event.saturating_sub(midnight);
        if ns > STAMP_MAX {
            return Err("more than three days after the first record: an ITCH 5.0 stamp cannot say it".into());
        }
        if let Some(locate) = self.locates.get(&m.instrument) {
            return Ok(Stamp { locate: *locate, ns });
        }
        let locate = u16::try_from(self.instruments.len() + 1)
            .map_err(|_| "of the 65,536th instrument: ITCH 5.0 numbers 65,535".to_string())?;
        let named = self.names.get(&m.instrument).and_then(|name| Symbol::new(name));
        let symbol = named.or_else(|| numbered(m.instrument)).unwrap_or(Symbol::BLANK);
        self.locates.insert(m.instrument, locate);
        self.instruments.push(Instrument { symbol, live: HashMap::new() });
        let stamp = Stamp { locate, ns };
        self.made.directory(stamp, symbol);
        Ok(stamp)
    }

    /// What the stream lacks.
    pub(super) fn remarks(&self) -> Vec<String> {
        let Left { odd_trades, unpriced, other } = self.left;
        let all = [
            (odd_trades, "trade(s) without a price that ITCH 5.0 can say were left out"),
            (unpriced, "order(s) without a price were left out"),
            (other, "record(s) of other types than MBO were left out"),
        ];
        all.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect()
    }
}

/// A ticker for an instrument without one.
fn numbered(instrument: u32) -> Option<Symbol> {
    if instrument <= 9_999_999 {
        Symbol::new(&format!("#{instrument}"))
    } else {
        Symbol::new(&format!("{instrument:08X}"))
    }
}
