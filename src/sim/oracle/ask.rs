//! A request as the wire says it, read by hand (SoupBinTCP, OUCH 5.0), and as a decision of the engine has to look on the wire.

use model::{CommandKind, OrderCommand, PortRequest, Side, Symbol, Tif};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) letter: u8,
    pub(crate) token: u32,
    /// Of a replace: the order until now.
    pub(crate) old: u32,
    pub(crate) qty: u32,
    pub(crate) px: u64,
    /// `B`, `S` or `T`; 0 where it says none.
    pub(crate) side: u8,
    pub(crate) tif: u8,
    /// Of a new order alone.
    pub(crate) symbol: Option<Symbol>,
}

fn int(m: &[u8], at: usize, n: usize) -> u64 {
    m[at..at + n].iter().fold(0u64, |v, b| v << 8 | u64::from(*b))
}

impl Ask {
    /// Reads a whole message. `None` of an Account Query, which names no order and may be asked at any time, and of what is no request.
    pub(crate) fn read(m: &[u8]) -> Option<Ask> {
        let u32_at = |at| int(m, at, 4) as u32;
        let least = match m.first()? {
            b'O' => 27,
            b'U' => 22,
            b'X' | b'M' => 9,
            b'C' | b'D' | b'E' => 5,
            _ => return None,
        };
        if m.len() < least {
            return None;
        }
        let ask =
            Ask { letter: m[0], token: u32_at(1), old: 0, qty: 0, px: 0, side: 0, tif: 0, symbol: None };
        Some(match m[0] {
            b'O' => {
                let mut symbol = [0; 8];
                symbol.copy_from_slice(&m[10..18]);
                let symbol = Some(Symbol(symbol));
                Ask { side: m[5], qty: u32_at(6), symbol, px: int(m, 18, 8), tif: m[26], ..ask }
            }
            b'U' => {
                let (old, token) = (u32_at(1), u32_at(5));
                Ask { old, token, qty: u32_at(9), px: int(m, 13, 8), tif: m[21], ..ask }
            }
            b'X' => Ask { qty: u32_at(5), ..ask },
            b'M' => Ask { side: m[5], qty: u32_at(6), ..ask },
            _ => ask,
        })
    }

    /// What a decision has to look like.
    pub(crate) fn of(command: &OrderCommand, symbol: Symbol) -> Ask {
        let token = command.token().0;
        let ask = Ask { letter: b'X', token, old: 0, qty: 0, px: 0, side: 0, tif: 0, symbol: None };
        let lasts = |tif| if tif == Tif::Ioc { b'3' } else { b'0' };
        match command.kind {
            CommandKind::New { side, short, qty, px, tif, .. } => {
                let side = match (side, short) {
                    (Side::Buy, _) => b'B',
                    (Side::Sell, false) => b'S',
                    (Side::Sell, true) => b'T',
                };
                let (qty, px, tif) = (qty.0, px.0 as u64, lasts(tif));
                Ask { letter: b'O', side, qty, px, tif, symbol: Some(symbol), ..ask }
            }
            CommandKind::Replace { old, qty, px, tif, .. } => {
                Ask { letter: b'U', old: old.0, qty: qty.0, px: px.0 as u64, tif: lasts(tif), ..ask }
            }
            CommandKind::Cancel { qty, .. } => Ask { qty: qty.0, ..ask },
            CommandKind::Port { request, .. } => Ask {
                letter: match request {
                    PortRequest::MassCancel => b'C',
                    PortRequest::EntryOff => b'D',
                    PortRequest::EntryOn => b'E',
                },
                ..ask
            },
        }
    }

    /// Whether it uses a token up.
    pub(crate) fn introduces(&self) -> bool {
        !matches!(self.letter, b'X' | b'M')
    }
}

/// The venue's end of a connection, cut into messages.
#[derive(Debug, Default)]
pub(crate) struct Heard(Vec<u8>);

impl Heard {
    /// Bytes have arrived; the requests that are whole with them go to `each`.
    pub(crate) fn hear(&mut self, bytes: &[u8], mut each: impl FnMut(Ask)) {
        self.0.extend_from_slice(bytes);
        let mut at = 0;
        while let [a, b, ..] = self.0[at..] {
            let end = at + 2 + usize::from(u16::from_be_bytes([a, b]));
            let Some(packet) = self.0.get(at + 2..end) else { break };
            if let [b'U', message @ ..] = packet
                && let Some(ask) = Ask::read(message)
            {
                each(ask);
            }
            at = end;
        }
        self.0.drain(..at);
    }
}
