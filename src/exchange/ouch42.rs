//! OUCH 4.2 as the venue reads and writes it. Bytes are taken apart and laid down here by hand and nowhere else in the venue: the oracle must not
//! share the gateway's tables.
//!
//! Orders have names of 14 characters here and numbers in the venue: each new name gets the next number. A name is used up by an Enter that was read, or by
//! a replace that was answered; an Enter under a used name is a repetition, and the venue is silent about it because its number is not new.
//!
//! | in | bytes | out | bytes |
//! |---|---|---|---|
//! | `O` Enter | 49 | `S` System Event | 10 |
//! | `U` Replace | 47 | `A` Accepted, `U` Replaced | 66, 80 |
//! | `X` Cancel | 19 | `C` Canceled, `D` AIQ Canceled | 28, 37 |
//! | `M` Modify | 20 | `E` Executed, `B` Broken, `F` Corrected | 40, 32, 41 |
//! | `N` Trade Now | 15 | `N` Trade Now | 23 |
//! | | | `J` Rejected, `P` Cancel Pending, `I` Cancel Reject | 24, 23, 23 |
//! | | | `M` Modified, `T` Priority Update | 28, 36 |
//!
//! No order is held back from trading here, so Trade Now is acknowledged and never has anything to do. Not simulated: executions at a reference price (`G`), for
//! there is none here.

use std::collections::BTreeMap;

use model::Symbol;

use super::entry::{Cause, Enter, Name, Reason, Replace, Report, Request, Tags, Terms};
use super::out::Out;

const LEN: usize = 14;
type Text = [u8; LEN];

/// Time in force in seconds: none, until the market closes, until the system closes.
const IMMEDIATE: u32 = 0;
const MARKET_HOURS: u32 = 99_998;
const SYSTEM_HOURS: u32 = 99_999;

/// The names of one account's day.
#[derive(Debug, Default)]
pub struct Names {
    numbers: BTreeMap<Text, Entry>,
    /// By number, from 1.
    names: Vec<Text>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    used: bool,
}

impl Names {
    /// The number of an order that is known by this name; 0, which no order has, where there is none.
    fn known(&self, name: Text) -> u32 {
        self.numbers.get(&name).map_or(0, |e| e.number)
    }

    /// The number under which a request with this name goes to the venue.
    fn asked(&mut self, name: Text, used: bool) -> u32 {
        if let Some(entry) = self.numbers.get(&name).filter(|e| e.used) {
            return entry.number;
        }
        self.names.push(name);
        let number = self.names.len() as u32;
        self.numbers.insert(name, Entry { number, used });
        number
    }

    /// The name behind a number; blanks for a number that was given to none.
    pub(super) fn of(&self, name: Name) -> Text {
        let index = usize::try_from(name.number).ok().and_then(|n| n.checked_sub(1));
        index.and_then(|i| self.names.get(i)).copied().unwrap_or([b' '; LEN])
    }

    fn use_up(&mut self, name: Name) {
        let text = self.of(name);
        if let Some(entry) = self.numbers.get_mut(&text) {
            entry.used = true;
        }
    }

    /// Reads a client's message; `None` for an unknown type or one shorter than its layout.
    pub fn parse(&mut self, message: &[u8]) -> Option<Request> {
        let mut f = Fields(message);
        Some(match f.u8()? {
            b'O' => {
                let (name, side, quantity) = (f.array()?, f.u8()?, f.u32()?);
                let (symbol, price, seconds) = (Symbol(f.array()?), f.u32()?, f.u32()?);
                let (firm, display, capacity, iso) = (f.array()?, f.u8()?, f.u8()?, f.u8()?);
                let (min_quantity, cross_type, customer) = (f.u32()?, f.u8()?, f.u8()?);
                let (tif, expire_s) = tif_of(seconds);
                let tags = Tags {
                    firm: (firm != *b"    ").then_some(firm),
                    min_quantity: (min_quantity != 0).then_some(min_quantity),
                    customer: (customer != b' ').then_some(customer),
                    expire_s,
                    ..Tags::default()
                };
                Request::Enter(Enter {
                    number: self.asked(name, true),
                    side,
                    quantity,
                    symbol,
                    price: price.into(),
                    tif,
                    display,
                    capacity,
                    iso,
                    cross_type,
                    clordid: name,
                    tags,
                })
            }
            b'U' => {
                let (old, name, quantity): (Text, Text, _) = (f.array()?, f.array()?, f.u32()?);
                let (price, seconds, display, iso) = (f.u32()?, f.u32()?, f.u8()?, f.u8()?);
                let min_quantity = f.u32()?;
                let (tif, expire_s) = tif_of(seconds);
                let min_quantity = (min_quantity != 0).then_some(min_quantity);
                let tags = Tags { min_quantity, expire_s, ..Tags::default() };
                Request::Replace(Replace {
                    old: self.known(old),
                    number: self.asked(name, false),
                    quantity,
                    price: price.into(),
                    tif,
                    display,
                    iso,
                    clordid: name,
                    tags,
                })
            }
            b'X' => {
                let (number, quantity) = (self.known(f.array()?), f.u32()?);
                Request::Cancel { number, quantity, tags: Tags::default() }
            }
            b'M' => {
                let (number, side, quantity) = (self.known(f.array()?), f.u8()?, f.u32()?);
                Request::Modify { number, side, quantity, tags: Tags::default() }
            }
            b'N' => Request::TradeNow { number: self.known(f.array()?) },
            _ => return None,
        })
    }

    /// A message to the client, made at `now` (ns since midnight); `None` where the protocol has no word for it.
    pub fn encode(&mut self, now: u64, report: &Report) -> Option<Vec<u8>> {
        let out = |kind| Out::new(kind).u64(now);
        Some(match *report {
            Report::SystemEvent(code) => out(b'S').bytes(&[code]).0,
            Report::Accepted { name, terms } => {
                self.use_up(name);
                out(b'A').bytes(&self.of(name)).terms42(&terms).bytes(b" ").0
            }
            Report::Replaced { old, name, terms } => {
                self.use_up(name);
                let old = self.of(Name { number: old, ..name });
                out(b'U').bytes(&self.of(name)).terms42(&terms).bytes(&old).bytes(b" ").0
            }
            Report::Canceled { name, quantity, reason, .. } => {
                out(b'C').bytes(&self.of(name)).qty(quantity).bytes(&[letter(reason)]).0
            }
            Report::SelfMatch { name, decrement, prevented, px, liquidity, .. } => {
                let out = out(b'D').bytes(&self.of(name)).qty(decrement).bytes(b"Q");
                out.qty(prevented).px32(px).bytes(&[liquidity]).0
            }
            Report::Executed { name, quantity, px, liquidity, match_number, .. } => {
                let out = out(b'E').bytes(&self.of(name)).qty(quantity).px32(px).bytes(&[liquidity]);
                out.u64(match_number).0
            }
            Report::Broken { name, match_number, reason, .. } => {
                out(b'B').bytes(&self.of(name)).u64(match_number).bytes(&[reason]).0
            }
            Report::Corrected { name, quantity, px, liquidity, match_number, reason } => {
                let out = out(b'F').bytes(&self.of(name)).qty(quantity).px32(px).bytes(&[liquidity]);
                out.u64(match_number).bytes(&[reason]).0
            }
            Report::TradingNow { name } => out(b'N').bytes(&self.of(name)).0,
            Report::Rejected { name, cause, .. } => {
                self.use_up(name);
                out(b'J').bytes(&self.of(name)).bytes(&[refusal(cause)]).0
            }
            Report::CancelPending { name } => out(b'P').bytes(&self.of(name)).0,
            Report::CancelRejected { name } => out(b'I').bytes(&self.of(name)).0,
            Report::Modified { name, side, open } => {
                out(b'M').bytes(&self.of(name)).bytes(&[side]).qty(open).0
            }
            Report::Priority { name, px, display, order_ref } => {
                out(b'T').bytes(&self.of(name)).px32(px).bytes(&[display]).u64(order_ref).0
            }
            Report::Refreshed { .. }
            | Report::MassCanceled { .. }
            | Report::EntrySwitched { .. }
            | Report::NextNumber { .. } => return None,
        })
    }
}

/// The venue's letter, and the seconds to live where they are not in it.
fn tif_of(seconds: u32) -> (u8, Option<u32>) {
    match seconds {
        IMMEDIATE => (b'3', None),
        MARKET_HOURS => (b'0', None),
        SYSTEM_HOURS => (b'5', None),
        seconds => (b'6', Some(seconds)),
    }
}

fn seconds_of(terms: &Terms) -> u32 {
    match (terms.tif, terms.tags.expire_s) {
        (b'3', _) => IMMEDIATE,
        (b'6', Some(seconds)) => seconds,
        (b'0', _) => MARKET_HOURS,
        _ => SYSTEM_HOURS,
    }
}

/// There is no letter for post-only here.
fn letter(reason: Reason) -> u8 {
    match reason {
        Reason::PostOnly => Reason::System.letter(),
        reason => reason.letter(),
    }
}

/// The letter of a refusal.
fn refusal(cause: Cause) -> u8 {
    match cause {
        Cause::Test => b'T',
        Cause::Halted => b'H',
        Cause::SharesThreshold | Cause::Quantity => b'Z',
        Cause::Symbol => b'S',
        Cause::Display => b'D',
        Cause::DestinationClosed => b'C',
        Cause::FirmNotAuthorized => b'L',
        Cause::CrossOrder => b'R',
        Cause::Price | Cause::FatFinger | Cause::LateLocTooAggressive => b'X',
        Cause::MinQuantity => b'N',
        Cause::MidpointPostOnlyPrice => b'W',
        _ => b'O',
    }
}

/// Takes fields off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

impl Out {
    /// From side to order state.
    fn terms42(self, t: &Terms) -> Out {
        self.bytes(&[t.side])
            .qty(t.quantity)
            .bytes(&t.symbol.0)
            .px32(t.price)
            .bytes(&seconds_of(t).to_be_bytes())
            .bytes(&t.tags.firm.unwrap_or([b' '; 4]))
            .bytes(&[t.display])
            .u64(t.order_ref)
            .bytes(&[t.capacity, t.iso])
            .bytes(&t.tags.min_quantity.unwrap_or(0).to_be_bytes())
            .bytes(&[t.cross_type, if t.is_dead { b'D' } else { b'L' }])
    }
}

#[cfg(test)]
mod tests {
    use model::{Px, Qty};

    use super::*;

    const ENTER: &[u8; 49] =
        b"OCOLO0000000007B\0\0\0\x64AAPL    \0\x16\xe3\x60\0\x01\x86\x9eABCDYPN\0\0\0\0NN";
    const REPLACE: &[u8; 47] = b"UCOLO0000000007COLO0000000009\0\0\0\x32\0\x16\xe3\x60\0\0\0\x3cYN\0\0\0\x05";

    fn terms(e: &Enter) -> Terms {
        Terms {
            side: e.side,
            quantity: Qty(e.quantity),
            symbol: e.symbol,
            price: Px(e.price as i64),
            tif: e.tif,
            display: e.display,
            order_ref: 0x0102,
            capacity: e.capacity,
            iso: e.iso,
            cross_type: e.cross_type,
            is_dead: false,
            clordid: e.clordid,
            tags: e.tags,
        }
    }

    fn enter(names: &mut Names) -> Enter {
        let Some(Request::Enter(e)) = names.parse(ENTER) else { panic!("an enter") };
        e
    }

    #[test]
    fn an_order_is_read_and_repeated() {
        let mut names = Names::default();
        let e = enter(&mut names);
        assert_eq!((e.number, e.side, e.quantity, e.price), (1, b'B', 100, 1_500_000));
        assert_eq!((e.tif, e.display, e.capacity, e.iso, e.cross_type), (b'0', b'Y', b'P', b'N', b'N'));
        assert_eq!((e.tags.firm, e.tags.customer, e.tags.min_quantity), (Some(*b"ABCD"), Some(b'N'), None));
        let name = Name { idx: 0, number: 1 };
        let accepted = names.encode(0x0506, &Report::Accepted { name, terms: terms(&e) }).unwrap();
        assert_eq!(
            accepted,
            b"A\0\0\0\0\0\0\x05\x06COLO0000000007B\0\0\0\x64AAPL    \0\x16\xe3\x60\0\x01\x86\x9eABCDY\0\0\0\0\0\0\x01\x02PN\0\0\0\0NL "
        );
        for n in 0..ENTER.len() {
            assert_eq!(names.parse(&ENTER[..n]), None, "{n}");
        }
    }

    #[test]
    fn a_name_is_used_up_by_an_order_and_by_an_answered_replace() {
        let mut names = Names::default();
        let e = enter(&mut names);
        assert_eq!(enter(&mut names).number, 1, "the venue has seen that number");
        let replace = |names: &mut Names| {
            let Some(Request::Replace(r)) = names.parse(REPLACE) else { panic!("a replace") };
            assert_eq!((r.old, r.quantity, r.tif), (1, 50, b'6'));
            assert_eq!((r.tags.expire_s, r.tags.min_quantity), (Some(60), Some(5)));
            r.number
        };
        assert_eq!((replace(&mut names), replace(&mut names)), (2, 3), "the first was not answered");
        let name = Name { idx: 0, number: 3 };
        let replaced = names.encode(1, &Report::Replaced { old: 1, name, terms: terms(&e) }).unwrap();
        assert_eq!((&replaced[9..23], &replaced[65..79]), (&b"COLO0000000009"[..], &b"COLO0000000007"[..]));
        assert_eq!(replace(&mut names), 3);
        let cancel = names.parse(b"XCOLO0000000009\0\0\0\0");
        assert_eq!(cancel, Some(Request::Cancel { number: 3, quantity: 0, tags: Tags::default() }));
        let cancel = names.parse(b"XOTHR0000000009\0\0\0\0");
        assert_eq!(cancel, Some(Request::Cancel { number: 0, quantity: 0, tags: Tags::default() }));
        let modify = names.parse(b"MCOLO0000000009T\0\0\0\x05");
        let want = Request::Modify { number: 3, side: b'T', quantity: 5, tags: Tags::default() };
        assert_eq!(modify, Some(want));
        assert_eq!(names.parse(b"NCOLO0000000009"), Some(Request::TradeNow { number: 3 }));
        for none in [&b""[..], b"Z", b"Q", b"NCOLO000000009"] {
            assert_eq!(names.parse(none), None);
        }
    }

    #[test]
    fn every_report_has_its_length() {
        let mut names = Names::default();
        let terms = terms(&enter(&mut names));
        let name = Name { idx: 0, number: 1 };
        let (quantity, open, px) = (Qty(5), Qty(95), Px(10));
        let reports = [
            (Report::SystemEvent(b'S'), b'S', 10),
            (Report::Accepted { name, terms }, b'A', 66),
            (Report::Replaced { old: 1, name, terms }, b'U', 80),
            (Report::Canceled { name, quantity, open, reason: Reason::PostOnly }, b'C', 28),
            (
                Report::SelfMatch {
                    name,
                    decrement: quantity,
                    open,
                    prevented: quantity,
                    px,
                    liquidity: b'A',
                    strategy: b'O',
                },
                b'D',
                37,
            ),
            (Report::Executed { name, quantity, open, px, liquidity: b'R', match_number: 9 }, b'E', 40),
            (Report::Broken { name, match_number: 9, reason: b'E', clordid: terms.clordid }, b'B', 32),
            (
                Report::Corrected { name, quantity, px, liquidity: b'R', match_number: 9, reason: b'S' },
                b'F',
                41,
            ),
            (Report::TradingNow { name }, b'N', 23),
            (Report::Rejected { name, cause: Cause::Symbol, clordid: terms.clordid }, b'J', 24),
            (Report::CancelPending { name }, b'P', 23),
            (Report::CancelRejected { name }, b'I', 23),
            (Report::Modified { name, side: b'T', open }, b'M', 28),
            (Report::Priority { name, px, display: b'Y', order_ref: 8 }, b'T', 36),
        ];
        for (report, letter, len) in reports {
            let bytes = names.encode(1, &report).unwrap();
            assert_eq!((bytes[0], bytes.len()), (letter, len), "{report:?}");
            assert!(letter == b'S' || &bytes[9..23] == b"COLO0000000007", "{report:?}");
        }
        let none = Report::NextNumber { next: name };
        assert_eq!(names.encode(1, &none), None, "there is no query");
    }
}
