//! A client of order entry: SoupBinTCP packets and OUCH 5.0 messages by hand.

/// One report, with the fields the tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub kind: char,
    pub number: u32,
    pub quantity: u32,
    pub px: u64,
    /// Reason of `C`, `J`, liquidity of `E`, state of `A` and `U`, code of `S`.
    pub code: u16,
    pub raw: Vec<u8>,
}

impl Report {
    /// `(type, number, quantity, price, code)`.
    pub fn brief(&self) -> (char, u32, u32, u64, u16) {
        (self.kind, self.number, self.quantity, self.px, self.code)
    }
}

fn int(m: &[u8], at: usize, n: usize) -> u64 {
    m[at..at + n].iter().fold(0, |v, b| v << 8 | u64::from(*b))
}

pub fn report(m: &[u8]) -> Report {
    let kind = m[0] as char;
    let u32_at = |at| int(m, at, 4) as u32;
    let byte = |at: usize| u16::from(m[at]);
    let (least, number, quantity, px, code) = match kind {
        'S' => (10, 0, 0, 0, byte(9)),
        'A' => (64, u32_at(9), u32_at(14), int(m, 26, 8), byte(47)),
        'U' => (68, u32_at(13), u32_at(18), int(m, 30, 8), byte(51)),
        'C' => (18, u32_at(9), u32_at(13), 0, byte(17)),
        'D' => (32, u32_at(9), u32_at(13), int(m, 22, 8), byte(17)),
        'E' => (36, u32_at(9), u32_at(13), int(m, 17, 8), byte(25)),
        'J' => (29, u32_at(9), 0, 0, int(m, 13, 2) as u16),
        'M' => (18, u32_at(9), u32_at(14), 0, byte(13)),
        'B' => (36, u32_at(9), 0, 0, byte(21)),
        'T' => (30, u32_at(9), 0, int(m, 13, 8), byte(21)),
        // Shares shown now, of the appendage.
        'R' => (32, u32_at(9), int(m, 28, 4) as u32, 0, byte(13)),
        'P' | 'I' | 'Q' => (13, u32_at(9), 0, 0, 0),
        'X' => (27, u32_at(9), 0, 0, 0),
        'G' | 'K' => (19, u32_at(9), 0, 0, 0),
        other => panic!("unknown report {other}"),
    };
    assert!(m.len() >= least, "{kind}");
    Report { kind, number, quantity, px, code, raw: m.to_vec() }
}

#[derive(Default)]
pub struct Client {
    pub id: u64,
    bytes: Vec<u8>,
    pub logged_in: bool,
    /// Code of a refused login.
    pub refused: Option<u8>,
    /// The next sequence number of the stream.
    pub next: u64,
    pub session: String,
    pub reports: Vec<Report>,
    pub heartbeats: u32,
    pub ended: bool,
}

impl Client {
    pub fn new(id: u64) -> Client {
        Client { id, ..Client::default() }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while self.bytes.len() >= 2 {
            let n = usize::from(u16::from_be_bytes([self.bytes[0], self.bytes[1]]));
            assert!(n > 0);
            if self.bytes.len() < 2 + n {
                break;
            }
            let packet: Vec<u8> = self.bytes.drain(..2 + n).skip(2).collect();
            assert!(!self.ended, "nothing follows the end");
            match packet[0] {
                b'A' => {
                    assert_eq!(packet.len(), 31);
                    let text = String::from_utf8(packet[1..].to_vec()).unwrap();
                    self.session = text[..10].trim_start().to_owned();
                    self.next = text[10..].trim_start().parse().unwrap();
                    self.logged_in = true;
                }
                b'J' => self.refused = Some(packet[1]),
                b'S' => {
                    self.next += 1;
                    self.reports.push(report(&packet[1..]));
                }
                b'H' => self.heartbeats += 1,
                b'Z' => self.ended = true,
                other => panic!("packet {other}"),
            }
        }
    }
}

pub fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16 + 1).to_be_bytes()[..], &[kind], payload].concat()
}

pub fn login(user: &str, password: &str, session: &str, sequence: &str) -> Vec<u8> {
    packet(b'L', format!("{user:<6}{password:<10}{session:>10}{sequence:>20}").as_bytes())
}

/// An order for AAPL; `tags` is the appendage.
pub struct Enter {
    pub number: u32,
    pub side: u8,
    pub quantity: u32,
    pub symbol: &'static str,
    pub px: u64,
    pub tif: u8,
    pub display: u8,
    pub iso: u8,
    pub cross: u8,
    pub tags: &'static [u8],
}

pub fn order(number: u32, side: u8, quantity: u32, px: u64) -> Enter {
    Enter {
        number,
        side,
        quantity,
        px,
        symbol: "AAPL",
        tif: b'0',
        display: b'Y',
        iso: b'N',
        cross: b'N',
        tags: &[],
    }
}

impl Enter {
    pub fn bytes(&self) -> Vec<u8> {
        let mut m = vec![b'O'];
        m.extend_from_slice(&self.number.to_be_bytes());
        m.push(self.side);
        m.extend_from_slice(&self.quantity.to_be_bytes());
        m.extend_from_slice(format!("{:<8}", self.symbol).as_bytes());
        m.extend_from_slice(&self.px.to_be_bytes());
        m.extend_from_slice(&[self.tif, self.display, b'A', self.iso, self.cross]);
        m.extend_from_slice(b"text          ");
        m.extend_from_slice(&(self.tags.len() as u16).to_be_bytes());
        m.extend_from_slice(self.tags);
        m
    }
}

pub fn enter(number: u32, side: u8, quantity: u32, px: u64) -> Vec<u8> {
    order(number, side, quantity, px).bytes()
}

pub fn replace(old: u32, number: u32, quantity: u32, px: u64) -> Vec<u8> {
    let mut m = vec![b'U'];
    m.extend_from_slice(&old.to_be_bytes());
    m.extend_from_slice(&number.to_be_bytes());
    m.extend_from_slice(&quantity.to_be_bytes());
    m.extend_from_slice(&px.to_be_bytes());
    m.extend_from_slice(b"0YN");
    m.extend_from_slice(b"text          \0\0");
    m
}

pub fn cancel(number: u32, quantity: u32) -> Vec<u8> {
    [&b"X"[..], &number.to_be_bytes(), &quantity.to_be_bytes()].concat()
}

pub fn modify(number: u32, side: u8, quantity: u32) -> Vec<u8> {
    [&b"M"[..], &number.to_be_bytes(), &[side], &quantity.to_be_bytes()].concat()
}

pub fn mass_cancel(number: u32, firm: &[u8; 4], symbol: &str, tags: &[u8]) -> Vec<u8> {
    let symbol = format!("{symbol:<8}");
    let length = (tags.len() as u16).to_be_bytes();
    [&b"C"[..], &number.to_be_bytes(), firm, symbol.as_bytes(), &length, tags].concat()
}

pub fn switch(enable: bool, number: u32, firm: &[u8; 4]) -> Vec<u8> {
    let kind = if enable { b"E" } else { b"D" };
    [&kind[..], &number.to_be_bytes(), firm, &[0, 0]].concat()
}
