//! A client's messages as requests.

use gateways::fix::framing::{Message, split};
use gateways::fix::session::Version;
use gateways::fix::value;
use model::{Px, Symbol};

use super::orders::{Orders, Stage, TEXT_MAX};
use super::words;
use crate::exchange::codec::Asked;
use crate::exchange::entry::{Cause, Enter, MARKET_PRICE, Name, Replace, Request, Tags};

/// What a request was, for its answer.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The message's number.
    pub(super) seq: u64,
    /// ClOrdID of the request.
    pub(super) id: Vec<u8>,
    /// OrigClOrdID.
    pub(super) orig: Vec<u8>,
    /// The order that the request is about.
    pub(super) about: Name,
    /// As sent, for what has to be echoed.
    pub(super) symbol: Symbol,
    /// The venue's letter.
    pub(super) side: u8,
    pub(super) shares: u32,
    pub(super) px: Px,
    pub(super) what: Wanted,
    /// Whether the floor said something to it.
    pub(super) is_answered: bool,
}

/// What was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    New,
    Replace,
    Cancel,
    /// MassCancelRequestType (530).
    MassCancel(u8),
    /// OrdStatusReqID (790).
    Status(Option<Vec<u8>>),
    /// Refused as a message: BusinessRejectReason (380), MsgType, words.
    Nothing(u64, Vec<u8>, &'static str),
    /// Its ClOrdID was used before.
    Used(Box<Wanted>),
}

/// The fields of a request.
struct Read<'a> {
    message: Message<'a>,
    version: Version,
}

impl<'a> Read<'a> {
    fn text(&self, tag: i32) -> &'a [u8] {
        self.message.get(tag).unwrap_or_default()
    }

    /// The first letter; 0 for none.
    fn letter(&self, tag: i32) -> u8 {
        self.text(tag).first().copied().unwrap_or(0)
    }

    /// Whether ExecInst (18) has a letter among its words.
    fn instructs(&self, letter: u8) -> bool {
        self.text(18).split(|b| *b == b' ').any(|word| word == [letter])
    }

    /// Shares; `None` where it is no number of whole shares.
    fn shares(&self, tag: i32) -> Option<u32> {
        value::qty(self.text(tag)).map(|qty| qty.0)
    }

    /// A ticker that is too long is nobody's.
    fn symbol(&self) -> Symbol {
        str::from_utf8(self.text(55)).ok().and_then(Symbol::new).unwrap_or(Symbol::BLANK)
    }

    /// The limit as the venue has it: beyond all prices for an order without, 0 for one that no price can be.
    fn price(&self) -> u64 {
        match self.letter(40) {
            b'1' => MARKET_PRICE,
            _ => value::px(self.text(44)).filter(|px| px.is_orderable()).map_or(0, |px| px.0.unsigned_abs()),
        }
    }

    /// Time in force and cross: the venue's letters, with what the tags say of them.
    fn terms(&self, now_unix: u64, quantity: u32) -> (u8, u8, Tags) {
        let mut tags = Tags {
            min_quantity: self.shares(110).filter(|n| *n > 0),
            max_floor: self.shares(111).filter(|n| *n > 0),
            post_only: self.instructs(b'6').then_some(b'P'),
            // Shares are located where that is not to be done any more.
            located: (self.text(114) == b"N").then_some(b'Y'),
            ..Tags::default()
        };
        if !matches!(self.letter(40), b'1' | b'2') {
            tags.refusal = Some(Cause::Other);
        }
        let (tif, cross) = match self.letter(59) {
            0 | b'0' => (b'0', b'N'),
            b'2' => (b'0', b'O'),
            b'7' if self.version == Version::Fix44 => (b'0', b'C'),
            b'3' => (b'3', b'N'),
            b'4' => {
                tags.min_quantity = Some(quantity);
                (b'3', b'N')
            }
            b'6' => {
                let until = value::utc(self.text(126)).map_or(0, |at| at.0);
                let seconds = until.saturating_sub(now_unix) / 1_000_000_000;
                tags.expire_s = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
                (b'6', b'N')
            }
            _ => {
                tags.refusal = Some(Cause::Other);
                (b'0', b'N')
            }
        };
        (tif, cross, tags)
    }

    fn capacity(&self) -> u8 {
        let (tag, principal) = if self.version == Version::Fix42 { (47, b'P') } else { (528, b'P') };
        match self.letter(tag) {
            b'A' => b'A',
            b'R' => b'R',
            _ => principal,
        }
    }
}

/// MsgType.
fn kind_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Vec::with_capacity(bytes.len());
    split(bytes, &mut fields)?;
    Some(Message::new(bytes, &fields).kind().into())
}

impl Orders {
    /// A client's application message; `None` for one that nothing is to be done about.
    pub fn parse(&mut self, now: u64, bytes: &[u8]) -> Option<Asked> {
        let mut fields = Vec::with_capacity(bytes.len());
        split(bytes, &mut fields)?;
        let message = Message::new(bytes, &fields);
        let read = Read { message, version: self.version };
        let (id, orig) = (read.text(11), read.text(41));
        let mut ticket = Box::new(Ticket {
            seq: message.uint(34).unwrap_or(0),
            id: id.into(),
            orig: orig.into(),
            about: Name { idx: 0, number: 0 },
            symbol: read.symbol(),
            side: words::side_letter(read.text(54)),
            shares: read.shares(38).unwrap_or(0),
            px: Px(read.price() as i64),
            what: Wanted::New,
            is_answered: false,
        });
        let kind = message.kind();
        // A reject of one of ours: there is nothing to be done about it.
        if kind == b"3" || kind == b"j" {
            return None;
        }
        if id.len() > TEXT_MAX || orig.len() > TEXT_MAX || read.text(790).len() > TEXT_MAX {
            (ticket.id, ticket.orig) = (Vec::new(), Vec::new());
            ticket.what = Wanted::Nothing(0, kind.into(), "a name has at most 64 characters");
            return Some(Asked::answered(b'Q', ticket));
        }
        let asked = match kind {
            b"D" => self.new_order(now, &read, ticket),
            b"G" => self.replace(now, &read, ticket),
            b"F" => self.cancel(ticket),
            b"q" => self.mass_cancel(&read, ticket),
            b"H" => {
                ticket.about = self.named(id);
                ticket.what = Wanted::Status(message.get(790).map(Into::into));
                Asked::answered(b'Q', ticket)
            }
            _ => {
                ticket.what = Wanted::Nothing(3, kind.into(), "no such message is taken here");
                Asked::answered(b'Q', ticket)
            }
        };
        Some(asked)
    }

    /// The same on a session that nothing may be asked on.
    pub(super) fn refuse_all(&mut self, bytes: &[u8]) -> Option<Asked> {
        let reason = if self.version == Version::Fix42 { 4 } else { 6 };
        let mut asked = self.parse(0, bytes)?;
        if let (Some(ticket), Some(kind)) = (&mut asked.ticket, kind_of(bytes)) {
            ticket.what = Wanted::Nothing(reason, kind, "this session only listens");
        }
        Some(Asked { request: None, ..asked })
    }

    /// The order of a ClOrdID, under the name that it has by now; number 0 for none.
    fn named(&self, id: &[u8]) -> Name {
        self.current(Name { idx: 0, number: self.ids.get(id).copied().unwrap_or(0) })
    }

    /// Uses a ClOrdID up for `number`. False where that was done before.
    fn use_up(&mut self, ticket: &mut Ticket, what: Wanted, number: u32) -> bool {
        let is_new = !self.ids.contains_key(&ticket.id);
        if is_new {
            self.ids.insert(ticket.id.clone(), number);
            ticket.what = what;
        } else {
            ticket.what = Wanted::Used(Box::new(what));
        }
        is_new
    }

    fn new_order(&mut self, now: u64, read: &Read<'_>, mut ticket: Box<Ticket>) -> Asked {
        if read.letter(40) == b'2' && read.message.get(44).is_none() {
            ticket.what = Wanted::Nothing(5, b"D".into(), "a limit order has a Price");
            return Asked::answered(b'O', ticket);
        }
        if self.ids.contains_key(&ticket.id) && read.message.flag(97) {
            // It says itself that it may have been sent before: then that is where it stands.
            ticket.about = self.named(&ticket.id);
            ticket.what = Wanted::Status(None);
            return Asked::answered(b'O', ticket);
        }
        let number = self.take_number();
        if !self.use_up(&mut ticket, Wanted::New, number) {
            return Asked::answered(b'O', ticket);
        }
        ticket.about.number = number;
        let (tif, cross_type, tags) = read.terms(self.at(now).0, ticket.shares);
        let enter = Enter {
            number,
            side: ticket.side,
            quantity: ticket.shares,
            symbol: ticket.symbol,
            price: read.price(),
            tif,
            display: b'Y',
            capacity: read.capacity(),
            iso: if read.instructs(b'f') { b'Y' } else { b'N' },
            cross_type,
            clordid: [b' '; 14],
            tags,
        };
        Asked { letter: b'O', request: Some(Request::Enter(enter)), ticket: Some(ticket) }
    }

    fn replace(&mut self, now: u64, read: &Read<'_>, mut ticket: Box<Ticket>) -> Asked {
        if read.letter(40) == b'2' && read.message.get(44).is_none() {
            ticket.what = Wanted::Nothing(5, b"G".into(), "a limit order has a Price");
            return Asked::answered(b'U', ticket);
        }
        let old = self.ids.get(&ticket.orig).copied().unwrap_or(0);
        ticket.about.number = old;
        let number = self.take_number();
        if !self.use_up(&mut ticket, Wanted::Replace, number) {
            return Asked::answered(b'U', ticket);
        }
        let (tif, _, tags) = read.terms(self.at(now).0, ticket.shares);
        let replace = Replace {
            old,
            number,
            quantity: ticket.shares,
            price: read.price(),
            tif,
            display: b'Y',
            iso: if read.instructs(b'f') { b'Y' } else { b'N' },
            clordid: [b' '; 14],
            tags: Tags { side: (ticket.side != 0).then_some(ticket.side), ..tags },
        };
        Asked { letter: b'U', request: Some(Request::Replace(replace)), ticket: Some(ticket) }
    }

    fn cancel(&mut self, mut ticket: Box<Ticket>) -> Asked {
        let number = self.ids.get(&ticket.orig).copied().unwrap_or(0);
        ticket.about.number = number;
        if !self.use_up(&mut ticket, Wanted::Cancel, 0) {
            return Asked::answered(b'X', ticket);
        }
        let request = Request::Cancel { number, quantity: 0, tags: Tags::default() };
        Asked { letter: b'X', request: Some(request), ticket: Some(ticket) }
    }

    fn mass_cancel(&mut self, read: &Read<'_>, mut ticket: Box<Ticket>) -> Asked {
        let kind = read.letter(530);
        let number = self.take_number();
        if !self.use_up(&mut ticket, Wanted::MassCancel(kind), 0) {
            return Asked::answered(b'C', ticket);
        }
        ticket.about.number = number;
        let symbol = match kind {
            b'7' => Symbol::BLANK,
            b'1' if ticket.symbol != Symbol::BLANK => ticket.symbol,
            // Other kinds of many are not known here.
            _ => return Asked::answered(b'C', ticket),
        };
        let side = (ticket.side != 0).then_some(ticket.side);
        let tags = Tags { side, ..Tags::default() };
        let request = Request::MassCancel { number, firm: self.firm, symbol, tags };
        Asked { letter: b'C', request: Some(request), ticket: Some(ticket) }
    }

    /// What a mass cancel cancels.
    pub(super) fn affected(&self, ticket: &Ticket, by_symbol: bool) -> u64 {
        let is_meant = |symbol, side| {
            (!by_symbol || ticket.symbol == symbol) && (ticket.side == 0 || ticket.side == side)
        };
        let open = self.known.values().filter(|o| o.stage == Stage::Live && !o.leaves.is_zero());
        open.filter(|o| is_meant(o.symbol, o.side)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_price_and_never_the_want_of_one() {
        for (kind, text, price) in [
            ("2", "5.00", 50_000),
            ("2", "199999.99", 1_999_999_900),
            ("2", "200000", 0),
            ("2", "214748.3647", 0),
            ("2", "-5.00", 0),
            ("2", "0", 0),
            ("2", "x", 0),
            ("1", "5.00", MARKET_PRICE),
        ] {
            let bytes =
                format!("8=FIX.4.2\x019=5\x0135=D\x0140={kind}\x0144={text}\x0110=000\x01").into_bytes();
            let mut fields = Vec::with_capacity(bytes.len());
            split(&bytes, &mut fields).unwrap();
            let read = Read { message: Message::new(&bytes, &fields), version: Version::Fix42 };
            assert_eq!(read.price(), price, "40={kind} 44={text}");
        }
    }
}
