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

pub fn pitch() -> Day {
    let of = |kind: u8, len: usize, fields: &[(usize, &[u8])]| {
        message(len, &[&[(0, &[len as u8][..]), (1, &[kind]), (2, &[9])][..], fields].concat())
    };
    let (aapl, other) = (b"AAPL    ", b"ZVZZT   ");
    let messages = vec![
        of(0x20, 6, &[(2, &[0xE0, 0x99, 0, 0])]),
        of(0x97, 6, &[]),
        of(0x31, 18, &[(6, aapl), (14, b"T0")]),
        of(0x22, 26, &[(6, &[1]), (14, b"B"), (15, &[100, 0]), (17, &aapl[..6]), (23, &[1, 39])]),
        of(0x21, 34, &[(6, &[2]), (14, b"S"), (15, &[100]), (19, &aapl[..6]), (25, &[1, 0, 16])]),
        of(0x2F, 40, &[(6, &[3]), (14, b"S"), (15, &[100]), (19, aapl), (27, &[1, 0, 16]), (36, b"RTAL")]),
        of(0x22, 26, &[(6, &[4]), (14, b"B"), (15, &[100, 0]), (17, &other[..6]), (23, &[1, 39])]),
        of(0x23, 26, &[(6, &[1]), (14, &[10])]),
        of(0x24, 38, &[(6, &[2]), (14, &[10]), (18, &[50]), (30, &[1, 0, 16])]),
        of(0x26, 16, &[(6, &[1]), (14, &[10])]),
        of(0x25, 18, &[(6, &[3]), (14, &[10])]),
        of(0x28, 19, &[(6, &[1]), (14, &[70]), (16, &[1, 39]), (18, &[3])]),
        of(0x27, 27, &[(6, &[2]), (14, &[200]), (18, &[1, 0, 17])]),
        of(0x29, 14, &[(6, &[3])]),
        of(0x29, 14, &[(6, &[4])]),
        of(0x2B, 33, &[(14, b"B"), (15, &[5]), (17, &aapl[..6])]),
        of(0x2A, 41, &[(14, b"B"), (15, &[5]), (19, &aapl[..6])]),
        of(0x30, 43, &[(14, b"S"), (15, &[5]), (19, aapl)]),
        of(0x2C, 14, &[(6, &[1])]),
        of(0x95, 47, &[(6, aapl), (14, b"O"), (23, &[7]), (27, &[5])]),
        of(0x96, 27, &[(6, aapl), (14, b"C"), (23, &[7])]),
        of(0x98, 15, &[(6, aapl), (14, b"A")]),
        of(0x2E, 38, &[]),
        of(0x97, 6, &[]),
        of(0x2D, 6, &[]),
    ];
    Day { messages, unknown: of(0xE3, 40, &[]) }
}

pub fn jnx() -> Day {
    let of = |kind: u8, len: usize, fields: &[(usize, &[u8])]| {
        message(len, &[&[(0, &[kind][..]), (4, &[9])][..], fields].concat())
    };
    // Book 7 of the daytime market is AAPL, 8 somebody else.
    let (day, hundred, price) = (b"DAY ", &[0, 0, 0, 100], &[0, 0, 39, 16]);
    let book = |at: usize, n: u8| [(at + 3, vec![n]), (at + 4, day.to_vec())];
    let of_book = |kind: u8, len: usize, at: usize, n: u8, fields: &[(usize, &[u8])]| {
        let book = book(at, n);
        of(kind, len, &[&[(book[0].0, &book[0].1[..]), (book[1].0, &book[1].1)][..], fields].concat())
    };
    let messages = vec![
        of(b'T', 5, &[(1, &[0, 0, 0x80, 0])]),
        of(b'S', 10, &[(5, day), (9, b"O")]),
        of(b'L', 17, &[(8, &[1]), (12, &[1])]),
        of(b'R', 45, &[(8, &[7]), (9, b"AAPL        DAY "), (25, hundred)]),
        of(b'R', 45, &[(8, &[8]), (9, b"ZVZZT       DAY "), (25, hundred)]),
        of_book(b'H', 14, 5, 7, &[(13, b"T")]),
        of_book(b'Y', 14, 5, 7, &[(13, b"1")]),
        of_book(b'A', 30, 18, 7, &[(12, &[1]), (13, b"B"), (14, hundred), (26, price)]),
        of_book(b'F', 35, 18, 7, &[(12, &[2]), (13, b"S"), (14, hundred), (26, price), (30, b"ABCDQ")]),
        of_book(b'A', 30, 18, 8, &[(12, &[3]), (13, b"B"), (14, hundred), (26, price)]),
        of(b'S', 10, &[(5, day), (9, b"Q")]),
        of(b'E', 25, &[(12, &[1]), (16, &[40])]),
        of(b'E', 25, &[(12, &[3]), (16, &[40])]),
        of(b'U', 29, &[(12, &[1]), (20, &[4]), (21, hundred), (25, price)]),
        of(b'D', 13, &[(12, &[4])]),
        of(b'D', 13, &[(12, &[3])]),
        of(b'E', 25, &[(12, &[2]), (16, &[100])]),
        of(b'S', 10, &[(5, day), (9, b"M")]),
    ];
    Day { messages, unknown: of(b'z', 40, &[]) }
}
