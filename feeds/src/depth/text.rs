//! Texts as messages that any capture takes: a letter, and no more than [`PART`] bytes.

use model::Symbol;

use super::wire::Misread;
use crate::channel::Taken;

/// Longest part of a text, bytes.
pub const PART: usize = 48 * 1024;
/// Longest text, bytes: a large venue's list of instruments.
pub const TEXT_MAX: usize = 16 << 20;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `depthUpdate`.
    Diff,
    /// `trade`, `aggTrade`.
    Trade,
    /// `GET depth` of a symbol, which it does not name.
    Snapshot(Symbol),
    /// `GET exchangeInfo`.
    Info,
    /// No text: books are to be made anew.
    Clear,
}

impl Kind {
    const fn letter(self) -> u8 {
        match self {
            Kind::Diff => b'D',
            Kind::Trade => b'T',
            Kind::Snapshot(_) => b'S',
            Kind::Info => b'I',
            Kind::Clear => b'C',
        }
    }
}

/// Hands out a text as messages made in `room`; ends early where one cannot be decoded.
pub(super) fn cut(
    kind: Kind,
    text: &[u8],
    room: &mut Vec<u8>,
    mut message: impl FnMut(&[u8]) -> Taken,
) -> Result<Taken, Misread> {
    if text.len() > TEXT_MAX {
        return Err(Misread::TooLong);
    }
    let mut rest = text;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART));
        let letter = kind.letter();
        room.clear();
        room.push(if after.is_empty() { letter } else { letter.to_ascii_lowercase() });
        if let Kind::Snapshot(symbol) = kind {
            room.extend_from_slice(&symbol.0);
        }
        room.extend_from_slice(part);
        let taken = message(room);
        if after.is_empty() || taken == Taken::Undecodable {
            return Ok(taken);
        }
        rest = after;
    }
}

/// Why a message does not join what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotJoined {
    /// No letter that is known.
    Unknown,
    /// The parts are not of one text, or too many.
    Torn(Kind),
}

/// Parts, put together again.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    /// Of what text.
    of: Option<Kind>,
    text: Vec<u8>,
}

impl Joined {
    /// A message: a whole text with it, or `None` where more follows. A text in one part is not copied.
    pub(super) fn join<'a>(&'a mut self, message: &'a [u8]) -> Result<Option<(Kind, &'a [u8])>, NotJoined> {
        let (kind, is_last, part) = read(message).ok_or(NotJoined::Unknown)?;
        let open = self.of.take();
        if open.is_none() && is_last {
            return Ok(Some((kind, part)));
        }
        if open.is_none() {
            self.text.clear();
        }
        if open.is_some_and(|open| open != kind) || self.text.len() + part.len() > TEXT_MAX {
            return Err(NotJoined::Torn(open.unwrap_or(kind)));
        }
        self.text.extend_from_slice(part);
        if is_last {
            return Ok(Some((kind, &self.text)));
        }
        self.of = Some(kind);
        Ok(None)
    }

    /// Forgets what is open.
    pub(super) fn clear(&mut self) {
        self.of = None;
    }
}

fn read(message: &[u8]) -> Option<(Kind, bool, &[u8])> {
    let (&letter, rest) = message.split_first()?;
    let is_last = letter.is_ascii_uppercase();
    Some(match letter.to_ascii_uppercase() {
        b'D' => (Kind::Diff, is_last, rest),
        b'T' => (Kind::Trade, is_last, rest),
        b'I' => (Kind::Info, is_last, rest),
        b'S' => {
            let (symbol, text) = rest.split_first_chunk::<8>()?;
            (Kind::Snapshot(Symbol(*symbol)), is_last, text)
        }
        b'C' if is_last => (Kind::Clear, true, rest),
        _ => return None,
    })
}
