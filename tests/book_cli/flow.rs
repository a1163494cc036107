//! A small seeded order flow as a BinaryFILE, hostile in the ways that a late joiner's file is.

/// Xorshift64*.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

const SYMBOLS: [(u16, &[u8; 8]); 4] =
    [(7, b"AAPL    "), (1, b"ZVZZT   "), (9_999, b"MSFT    "), (12, b"BRK.B   ")];

fn message(kind: u8, len: usize, locate: u16, ts: u64) -> Vec<u8> {
    let mut m = vec![0; len];
    m[0] = kind;
    m[1..3].copy_from_slice(&locate.to_be_bytes());
    m[5..11].copy_from_slice(&ts.to_be_bytes()[2..]);
    m
}

struct Live {
    key: u64,
    symbol: usize,
    shares: u32,
}

/// The messages of a flow: `n` of them and the day's head.
pub fn messages(seed: u64, n: usize) -> Vec<Vec<u8>> {
    let mut rng = Rng(seed);
    let mut ts = 34_200_000_000_000;
    let mut out = vec![message(b'S', 12, 0, ts)];
    for (locate, symbol) in SYMBOLS {
        let mut m = message(b'R', 39, locate, ts);
        m[11..19].copy_from_slice(symbol);
        out.push(m);
    }
    let mut live: Vec<Live> = Vec::new();
    let mut next_key = 1_000;
    let mut mid = 1_000_000;
    for _ in 0..n {
        ts += rng.below(5_000);
        // The market wanders, through its own resting orders too: locked and crossed books are legal.
        mid = mid + 100 * rng.below(3) as u32 - 100;
        let pick = if live.is_empty() { 0 } else { rng.below(100) };
        let at = rng.below(live.len().max(1) as u64) as usize;
        // Now and then an order that nobody knows, and one whose reference is far beyond the others.
        let unknown = pick > 0 && rng.below(200) == 0;
        next_key += 1 + rng.below(3) + if rng.below(500) == 0 { 1 << 40 } else { 0 };
        let key = if unknown { 5 } else { live.get(at).map_or(0, |o| o.key) };
        let symbol = match pick {
            0..45 => rng.below(4) as usize,
            _ => live[at].symbol,
        };
        let (locate, name) = SYMBOLS[symbol];
        let price = |rng: &mut Rng, buy: bool| {
            let most = if rng.below(50) == 0 { 5_000 } else { 12 };
            let away = 100 * rng.below(most) as u32;
            if buy { mid - away } else { mid + 100 + away }
        };
        let mut m = match pick {
            0..45 => {
                let with_mpid = rng.below(10) == 0;
                let mut m =
                    message(if with_mpid { b'F' } else { b'A' }, if with_mpid { 40 } else { 36 }, locate, ts);
                let (buy, shares) = (rng.below(2) == 0, 1 + rng.below(900) as u32);
                m[11..19].copy_from_slice(&next_key.to_be_bytes());
                m[19] = if buy { b'B' } else { b'S' };
                m[20..24].copy_from_slice(&shares.to_be_bytes());
                m[24..32].copy_from_slice(name);
                m[32..36].copy_from_slice(&price(&mut rng, buy).to_be_bytes());
                live.push(Live { key: next_key, symbol, shares });
                out.push(m);
                continue;
            }
            45..83 => {
                if !unknown {
                    live.swap_remove(at);
                }
                message(b'D', 19, locate, ts)
            }
            83..92 => {
                let (kind, len) = [(b'E', 31), (b'C', 36), (b'X', 23)][rng.below(3) as usize];
                let mut m = message(kind, len, locate, ts);
                let has = live[at].shares;
                // Sometimes more than the order has: the order is gone, no more.
                let shares = 1 + rng.below(u64::from(has) + 50) as u32;
                m[19..23].copy_from_slice(&shares.to_be_bytes());
                if kind == b'C' {
                    m[31] = b'Y';
                    m[32..36].copy_from_slice(&77u32.to_be_bytes());
                }
                if !unknown {
                    live[at].shares = has.saturating_sub(shares);
                    if live[at].shares == 0 {
                        live.swap_remove(at);
                    }
                }
                m
            }
            92..97 => {
                let mut m = message(b'U', 35, locate, ts);
                let shares = 1 + rng.below(900) as u32;
                let (buy, key) = (rng.below(2) == 0, next_key);
                m[19..27].copy_from_slice(&key.to_be_bytes());
                m[27..31].copy_from_slice(&shares.to_be_bytes());
                m[31..35].copy_from_slice(&price(&mut rng, buy).to_be_bytes());
                if !unknown {
                    live[at] = Live { key, symbol, shares };
                }
                m
            }
            97 => {
                let mut m = message(b'P', 44, locate, ts);
                m[19] = b'B';
                m[24..32].copy_from_slice(name);
                m
            }
            // A type that a later version of the feed may have, with a letter and without.
            98 => message(b'z', 23, locate, ts),
            _ => message(0x01, 19, locate, ts),
        };
        if matches!(m[0], b'D' | b'E' | b'C' | b'X' | b'U') {
            m[11..19].copy_from_slice(&key.to_be_bytes());
        }
        out.push(m);
    }
    out
}

/// In BinaryFILE framing.
pub fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
}
