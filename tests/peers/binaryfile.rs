//! BinaryFILE by hand: each message behind its length.

/// Frames messages.
pub fn framed<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for m in messages {
        bytes.extend_from_slice(&u16::try_from(m.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(m);
    }
    bytes
}

/// The messages of a file; its end has to be the end of one.
pub fn messages(file: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut out) = (file, Vec::new());
    while let [a, b, tail @ ..] = rest {
        let (message, tail) = tail.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        out.push(message);
        rest = tail;
    }
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    out
}

fn number(m: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(m[at..at + 8].try_into().unwrap())
}

/// Where a message names orders.
fn references(kind: u8) -> &'static [usize] {
    match kind {
        b'A' | b'F' | b'E' | b'C' | b'X' | b'D' => &[11],
        b'U' => &[11, 19],
        _ => &[],
    }
}

/// The same day with its orders numbered from 1 as they are first named. A reference is a name, so the books are the same.
pub fn renumbered(file: &[u8]) -> Vec<u8> {
    let mut numbers = std::collections::HashMap::new();
    let mut out = Vec::new();
    for m in messages(file) {
        let mut m = m.to_vec();
        for &at in references(m[0]) {
            let next = numbers.len() as u64 + 1;
            let n = *numbers.entry(number(&m, at)).or_insert(next);
            m[at..at + 8].copy_from_slice(&n.to_be_bytes());
        }
        out.push(m);
    }
    framed(out.iter().map(Vec::as_slice))
}

/// New orders whose reference is 0 or needs more than 32 bits.
pub fn odd_references(file: &[u8]) -> u64 {
    let odd = |m: &&[u8]| {
        matches!(m[0], b'A' | b'F') && {
            let n = number(m, 11);
            n == 0 || n > u64::from(u32::MAX)
        }
    };
    messages(file).iter().filter(|m| odd(m)).count() as u64
}
