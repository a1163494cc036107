//! A short day of each protocol.

use super::Day;

/// A message of zeros with these fields at their offsets.
fn message(len: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut m = vec![0; len];
    for (at, bytes) in fields {
        m[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    m
}

pub fn itch50() -> Day {
    // Locate 7 is AAPL, 8 somebody else.
    let of = |kind: u8, locate: u8, len: usize, fields: &[(usize, &[u8])]| {
        message(len, &[&[(0, &[kind][..]), (2, &[locate]), (10, &[9])][..], fields].concat())
    };
    let (aapl, other) = (b"AAPL    ", b"ZVZZT   ");
    let order = |n: u8| [0, 0, 0, 0, 0, 0, 0, n];
    let shares = [0, 0, 0, 100];
    let messages = vec![
        of(b'S', 0, 12, &[(11, b"O")]),
        of(b'R', 7, 39, &[(11, aapl)]),
        of(b'R', 8, 39, &[(11, other)]),
        of(b'H', 7, 25, &[(11, aapl), (19, b"T")]),
        of(b'A', 7, 36, &[(11, &order(1)), (19, b"B"), (20, &shares), (24, aapl), (34, &[1, 0])]),
        of(b'F', 7, 40, &[(11, &order(2)), (19, b"S"), (20, &shares), (24, aapl), (34, &[2, 0])]),
        of(b'A', 8, 36, &[(11, &order(3)), (19, b"B"), (20, &shares), (24, other), (34, &[1, 0])]),
        of(b'E', 7, 31, &[(11, &order(1)), (22, &[10])]),
        of(b'C', 7, 36, &[(11, &order(2)), (22, &[10]), (31, b"Y")]),
        of(b'X', 7, 23, &[(11, &order(1)), (22, &[10])]),
        of(b'U', 7, 35, &[(11, &order(1)), (19, &order(4)), (27, &shares), (33, &[1, 0])]),
        of(b'D', 7, 19, &[(11, &order(4))]),
        of(b'D', 8, 19, &[(11, &order(3))]),
        of(b'P', 7, 44, &[(19, b"B"), (20, &shares), (24, aapl)]),
        of(b'h', 7, 21, &[(11, aapl), (19, b"Q"), (20, b"H")]),
    ];
    Day { messages, unknown: of(b'z', 7, 40, &[]) }
}
