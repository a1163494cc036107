//! What the conformance suite needs of a protocol: a venue's side of it in a few lines that share no code with the crate.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use gateways::codec::SoupProtocol;
use gateways::ouch50::Ouch50;

use super::packet;
use super::venue::login_accepted;

/// A request, as the venue reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Enter { token: u32, qty: u32 },
    Replace { old: u32, token: u32, qty: u32 },
    Cancel { token: u32 },
    Query,
    CancelAll { token: u32 },
}

/// A venue's side of a protocol.
pub trait Spoken: SoupProtocol {
    /// Every letter that the venue may send.
    const LETTERS: &[u8];
    fn read(message: &[u8]) -> Asked;
    fn accepted(token: u32, qty: u32) -> Vec<u8>;
    fn replaced(old: u32, token: u32, qty: u32) -> Vec<u8>;
    fn canceled(token: u32, qty: u32) -> Vec<u8>;
    fn executed(token: u32, qty: u32) -> Vec<u8>;
    fn rejected(token: u32) -> Vec<u8>;
    /// An order that another client of the account has entered.
    fn foreign() -> Vec<u8>;
    /// The answer to a query, where there is one.
    fn next_token(token: u32) -> Option<Vec<u8>>;
    /// The answer to a request that cancels everything, where there is one.
    fn mass_canceled(token: u32) -> Option<Vec<u8>>;
}

pub fn stamped(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut m = vec![letter];
    m.extend(7u64.to_be_bytes());
    parts.iter().for_each(|p| m.extend_from_slice(p));
    m
}

pub fn number(m: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(m[at..at + 4].try_into().unwrap())
}

impl Spoken for Ouch50 {
    const LETTERS: &[u8] = b"SAUCDEBJPITMRXGKQ";

    fn read(m: &[u8]) -> Asked {
        match (m[0], m.len()) {
            (b'O', 47) => Asked::Enter { token: number(m, 1), qty: number(m, 6) },
            (b'U', 40) => Asked::Replace { old: number(m, 1), token: number(m, 5), qty: number(m, 9) },
            (b'X', 9) => Asked::Cancel { token: number(m, 1) },
            (b'Q', 1) => Asked::Query,
            (b'C', 19) => Asked::CancelAll { token: number(m, 1) },
            other => panic!("unexpected {other:?}"),
        }
    }

    fn accepted(token: u32, qty: u32) -> Vec<u8> {
        let (token, qty) = (token.to_be_bytes(), qty.to_be_bytes());
        let px = 1_500_000u64.to_be_bytes();
        let rest = b"PNNL              \0\0";
        stamped(b'A', &[&token, b"B", &qty, b"AAPL    ", &px, b"0Y", &[1; 8], rest])
    }

    fn replaced(old: u32, token: u32, qty: u32) -> Vec<u8> {
        let (old, token, qty) = (old.to_be_bytes(), token.to_be_bytes(), qty.to_be_bytes());
        let px = 1_500_000u64.to_be_bytes();
        let rest = b"PNNL              \0\0";
        stamped(b'U', &[&old, &token, b"B", &qty, b"AAPL    ", &px, b"0Y", &[1; 8], rest])
    }

    fn canceled(token: u32, qty: u32) -> Vec<u8> {
        stamped(b'C', &[&token.to_be_bytes(), &qty.to_be_bytes(), b"U"])
    }

    fn executed(token: u32, qty: u32) -> Vec<u8> {
        let px = 1_500_000u64.to_be_bytes();
        stamped(b'E', &[&token.to_be_bytes(), &qty.to_be_bytes(), &px, b"A", &[2; 8], &[0; 2]])
    }

    fn rejected(token: u32) -> Vec<u8> {
        stamped(b'J', &[&token.to_be_bytes(), &[0, 0x17], &[b' '; 14]])
    }

    fn foreign() -> Vec<u8> {
        let mut m = Self::accepted(9, 100);
        m.truncate(62);
        m.extend(*b"\0\x03\x02\x1c\x05");
        m
    }

    fn next_token(token: u32) -> Option<Vec<u8>> {
        Some(stamped(b'Q', &[&token.to_be_bytes()]))
    }

    fn mass_canceled(token: u32) -> Option<Vec<u8>> {
        Some(stamped(b'X', &[&token.to_be_bytes(), b"FIRM        \0\0"]))
    }
}

/// Keeps one session's sequenced messages, repeats them from where a login asks, and answers requests.
pub struct Venue<P> {
    pub log: Vec<Vec<u8>>,
    /// Open shares by token.
    pub live: BTreeMap<u32, u32>,
    /// Requests that arrived whole, queries not counted.
    pub asked: Vec<Asked>,
    last_token: u32,
    buffer: Vec<u8>,
    out: Vec<u8>,
    protocol: PhantomData<P>,
}

impl<P: Spoken> Venue<P> {
    pub fn new() -> Venue<P> {
        Venue {
            log: Vec::new(),
            live: BTreeMap::new(),
            asked: Vec::new(),
            last_token: 0,
            buffer: Vec::new(),
            out: Vec::new(),
            protocol: PhantomData,
        }
    }

    /// A message is generated; whoever is connected gets it with the next [`Venue::on_bytes`].
    pub fn generate(&mut self, message: Vec<u8>) {
        self.out.extend(packet(b'S', &message));
        self.log.push(message);
    }

    /// Fills an order whole.
    pub fn fill(&mut self, token: u32) {
        if let Some(open) = self.live.remove(&token) {
            self.generate(P::executed(token, open));
        }
    }

    pub fn disconnect(&mut self) {
        self.buffer.clear();
        self.out.clear();
    }

    /// Takes what the client sent and returns what the venue sends.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= 2 {
            let end = 2 + usize::from(u16::from_be_bytes([self.buffer[0], self.buffer[1]]));
            if self.buffer.len() < end {
                break;
            }
            let p: Vec<u8> = self.buffer.drain(..end).collect();
            match p[2] {
                b'L' => self.login(&p[3..]),
                b'U' => self.request(P::read(&p[3..])),
                b'R' => {}
                other => panic!("unexpected packet {other}"),
            }
        }
        std::mem::take(&mut self.out)
    }

    fn request(&mut self, asked: Asked) {
        match asked {
            Asked::Query => return self.generate(P::next_token(self.last_token + 1).expect("a query")),
            Asked::Enter { token, .. } | Asked::Replace { token, .. } if token <= self.last_token => {}
            Asked::Enter { token, qty } => {
                self.last_token = token;
                self.live.insert(token, qty);
                self.generate(P::accepted(token, qty));
            }
            Asked::Replace { old, token, qty } => {
                if self.live.remove(&old).is_some() {
                    self.last_token = token;
                    self.live.insert(token, qty);
                    self.generate(P::replaced(old, token, qty));
                }
            }
            Asked::Cancel { token } => self.cancel(token),
            Asked::CancelAll { token } => {
                self.last_token = token;
                self.generate(P::mass_canceled(token).expect("a mass cancel"));
                let all: Vec<_> = self.live.keys().copied().collect();
                all.into_iter().for_each(|token| self.cancel(token));
            }
        }
        self.asked.push(asked);
    }

    fn cancel(&mut self, token: u32) {
        if let Some(open) = self.live.remove(&token) {
            self.generate(P::canceled(token, open));
        }
    }

    fn login(&mut self, m: &[u8]) {
        let asked: usize = std::str::from_utf8(&m[26..46]).unwrap().trim_start().parse().unwrap();
        let from = asked.min(self.log.len() + 1);
        self.out.clear();
        self.out.extend(login_accepted("S1", from as u64));
        for message in &self.log[from - 1..] {
            self.out.extend(packet(b'S', message));
        }
    }
}
