//! What the venue's end of a connection hears, read by hand.

use model::{CommandKind, OrderCommand, PortRequest};

/// What the port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Ouch50,
    Ouch42,
}

pub const SPOKEN: [Spoken; 2] = [Spoken::Ouch50, Spoken::Ouch42];

/// One connection, as the venue has it.
pub struct Line {
    /// The venue's number for the connection.
    pub id: u64,
    /// Which connection this is: orders decided for another have no business on it.
    pub number: u32,
    /// The venue has said its last word, and hears nothing.
    pub is_over: bool,
    spoken: Spoken,
    heard: Vec<u8>,
}

impl Line {
    pub fn new(spoken: Spoken, id: u64, number: u32) -> Line {
        Line { id, number, is_over: false, spoken, heard: Vec::new() }
    }

    /// Bytes that reach the venue; the requests that are whole with them.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Ask> {
        self.heard.extend_from_slice(bytes);
        let mut asks = Vec::new();
        while let [a, b, ..] = self.heard[..] {
            let end = 2 + usize::from(u16::from_be_bytes([a, b]));
            if self.heard.len() < end {
                break;
            }
            let packet: Vec<u8> = self.heard.drain(..end).skip(2).collect();
            if let [b'U', message @ ..] = &packet[..] {
                asks.extend(match self.spoken {
                    Spoken::Ouch50 => Ask::read(message),
                    Spoken::Ouch42 => Some(Ask::read_named(message)),
                });
            }
        }
        asks
    }
}

/// The number in the name of an order, 0 for a name that is none of ours.
pub fn number_of(name: &[u8]) -> u32 {
    let digits = name.strip_prefix(b"0000").and_then(|rest| std::str::from_utf8(rest).ok());
    digits.and_then(|d| d.parse().ok()).unwrap_or(0)
}

/// A request as the wire says it, read by hand: nothing of it comes from the core's own encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub letter: u8,
    pub token: u32,
    pub old: u32,
    pub qty: u32,
    pub px: u64,
    pub side: u8,
    pub tif: u8,
}

fn int(m: &[u8], at: usize, n: usize) -> u64 {
    m[at..at + n].iter().fold(0u64, |v, b| v << 8 | u64::from(*b))
}

impl Ask {
    /// OUCH 5.0. `None` of an Account Query, which names no order and may be asked at any time.
    fn read(m: &[u8]) -> Option<Ask> {
        let int = |at, n| int(m, at, n);
        let u32_at = |at| int(at, 4) as u32;
        let ask = Ask { letter: m[0], token: u32_at_or_0(m), old: 0, qty: 0, px: 0, side: 0, tif: 0 };
        match m[0] {
            b'O' => Some(Ask { side: m[5], qty: u32_at(6), px: int(18, 8), tif: m[26], ..ask }),
            b'U' => Some(Ask {
                old: u32_at(1),
                token: u32_at(5),
                qty: u32_at(9),
                px: int(13, 8),
                tif: m[21],
                ..ask
            }),
            b'X' => Some(Ask { qty: u32_at(5), ..ask }),
            b'M' => Some(Ask { side: m[5], qty: u32_at(6), ..ask }),
            b'C' | b'D' | b'E' => Some(ask),
            b'Q' => None,
            other => panic!("request {}", other as char),
        }
    }

    /// OUCH 4.2, with the letters of 5.0 for how long it lasts.
    fn read_named(m: &[u8]) -> Ask {
        let u32_at = |at| int(m, at, 4) as u32;
        let lasts = |at| if u32_at(at) == 0 { b'3' } else { b'0' };
        let ask = Ask { letter: m[0], token: number_of(&m[1..15]), old: 0, qty: 0, px: 0, side: 0, tif: 0 };
        match m[0] {
            b'O' => Ask { side: m[15], qty: u32_at(16), px: int(m, 28, 4), tif: lasts(32), ..ask },
            b'U' => Ask {
                old: ask.token,
                token: number_of(&m[15..29]),
                qty: u32_at(29),
                px: int(m, 33, 4),
                tif: lasts(37),
                ..ask
            },
            b'X' => Ask { qty: u32_at(15), ..ask },
            other => panic!("request {}", other as char),
        }
    }

    /// What a decision of the engine has to look like.
    pub fn of(command: &OrderCommand) -> Ask {
        let ask = Ask { letter: b'X', token: command.token().0, old: 0, qty: 0, px: 0, side: 0, tif: 0 };
        let letter = |tif| if tif == model::Tif::Ioc { b'3' } else { b'0' };
        match command.kind {
            CommandKind::New { side, short, qty, px, tif, .. } => {
                let side = match (side, short) {
                    (model::Side::Buy, _) => b'B',
                    (model::Side::Sell, false) => b'S',
                    (model::Side::Sell, true) => b'T',
                };
                Ask { letter: b'O', side, qty: qty.0, px: px.0 as u64, tif: letter(tif), ..ask }
            }
            CommandKind::Replace { old, qty, px, tif, .. } => {
                Ask { letter: b'U', old: old.0, qty: qty.0, px: px.0 as u64, tif: letter(tif), ..ask }
            }
            CommandKind::Cancel { qty, .. } => Ask { qty: qty.0, ..ask },
            CommandKind::Port { request: PortRequest::MassCancel, .. } => Ask { letter: b'C', ..ask },
            CommandKind::Port { request: PortRequest::EntryOff, .. } => Ask { letter: b'D', ..ask },
            CommandKind::Port { request: PortRequest::EntryOn, .. } => Ask { letter: b'E', ..ask },
        }
    }

    /// Whether it uses a token up.
    pub fn introduces(&self) -> bool {
        !matches!(self.letter, b'X' | b'M')
    }
}

fn u32_at_or_0(m: &[u8]) -> u32 {
    m.get(1..5).map_or(0, |b| b.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
}
