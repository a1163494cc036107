//! A venue of a few lines that shares no code with the crate: it keeps one session's sequenced messages, repeats them from where a login
//! asks, and answers orders.

use super::packet;

#[derive(Clone, Debug)]
pub struct Venue {
    pub session: &'static str,
    pub log: Vec<Vec<u8>>,
    pub last_token: u32,
    pub answers_queries: bool,
    /// Tokens of `O` packets that arrived whole, processed or not.
    pub arrived: Vec<u32>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

pub fn accepted(token: u32) -> Vec<u8> {
    let mut m = b"A".to_vec();
    m.extend_from_slice(&7u64.to_be_bytes());
    m.extend_from_slice(&token.to_be_bytes());
    m.extend_from_slice(b"B\0\0\0\x64AAPL    ");
    m.extend_from_slice(&1_500_000u64.to_be_bytes());
    m.extend_from_slice(b"0Y");
    m.extend_from_slice(&(u64::from(token) + 1000).to_be_bytes());
    m.extend_from_slice(b"PNNL              \0\0");
    m
}

pub fn canceled(token: u32) -> Vec<u8> {
    let mut m = b"C".to_vec();
    m.extend_from_slice(&8u64.to_be_bytes());
    m.extend_from_slice(&token.to_be_bytes());
    m.extend_from_slice(b"\0\0\0\x64U");
    m
}

pub fn next_token(token: u32) -> Vec<u8> {
    let mut m = b"Q".to_vec();
    m.extend_from_slice(&9u64.to_be_bytes());
    m.extend_from_slice(&token.to_be_bytes());
    m
}

pub fn login_accepted(session: &str, next: u64) -> Vec<u8> {
    packet(b'A', format!("{session:>10}{next:>20}").as_bytes())
}

impl Venue {
    pub fn new(session: &'static str) -> Venue {
        Venue {
            session,
            log: Vec::new(),
            last_token: 0,
            answers_queries: true,
            arrived: Vec::new(),
            buffer: Vec::new(),
            out: Vec::new(),
        }
    }

    /// A message is generated; whoever is connected gets it with the next [`Venue::on_bytes`].
    pub fn generate(&mut self, message: Vec<u8>) {
        self.out.extend(packet(b'S', &message));
        self.log.push(message);
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
            self.on_packet(p[2], &p[3..]);
        }
        std::mem::take(&mut self.out)
    }

    fn on_packet(&mut self, kind: u8, m: &[u8]) {
        let number = |at: usize| u32::from_be_bytes(m[at..at + 4].try_into().unwrap());
        match kind {
            b'L' => self.login(m),
            b'R' => {}
            b'U' => match m[0] {
                b'O' => {
                    assert_eq!(m.len(), 47);
                    self.arrived.push(number(1));
                    if number(1) > self.last_token {
                        self.last_token = number(1);
                        self.generate(accepted(number(1)));
                    }
                }
                b'X' => self.generate(canceled(number(1))),
                b'Q' if self.answers_queries => self.generate(next_token(self.last_token + 1)),
                b'Q' => {}
                other => panic!("unexpected {other}"),
            },
            other => panic!("unexpected packet {other}"),
        }
    }

    fn login(&mut self, m: &[u8]) {
        assert_eq!(m.len(), 46);
        assert_eq!(&m[..16], b"user01secret    ");
        let text = |r: std::ops::Range<usize>| std::str::from_utf8(&m[r]).unwrap().trim_start();
        let (session, asked) = (text(16..26), text(26..46).parse::<usize>().unwrap());
        if !session.is_empty() && session != self.session {
            return self.out.extend(packet(b'J', b"S"));
        }
        let from = match asked {
            0 => self.log.len().max(1),
            n => n.min(self.log.len() + 1),
        };
        self.out.clear();
        self.out.extend(login_accepted(self.session, from as u64));
        for message in &self.log[from - 1..] {
            self.out.extend(packet(b'S', message));
        }
    }
}
