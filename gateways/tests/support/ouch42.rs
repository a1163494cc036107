//! The venue's side of OUCH 4.2, with names under the tag `0000`.

use gateways::ouch42::Ouch42;

use super::spoken::{Asked, Spoken, number, stamped};

fn name(token: u32) -> Vec<u8> {
    format!("{token:014}").into_bytes()
}

fn named(m: &[u8], at: usize) -> u32 {
    std::str::from_utf8(&m[at..at + 14]).unwrap().parse().unwrap()
}

fn terms(qty: u32) -> Vec<u8> {
    let (qty, px, tif) = (qty.to_be_bytes(), 1_500_000u32.to_be_bytes(), 99_998u32.to_be_bytes());
    [&b"B"[..], &qty, b"AAPL    ", &px, &tif, b"FIRMY", &[1; 8], b"PN", &[0; 4], b"NL"].concat()
}

impl Spoken for Ouch42 {
    const LETTERS: &[u8] = b"SAUCDEGBFJPITMN";

    fn read(m: &[u8]) -> Asked {
        match (m[0], m.len()) {
            (b'O', 49) => Asked::Enter { token: named(m, 1), qty: number(m, 16) },
            (b'U', 47) => Asked::Replace { old: named(m, 1), token: named(m, 15), qty: number(m, 29) },
            (b'X', 19) => Asked::Cancel { token: named(m, 1) },
            other => panic!("unexpected {other:?}"),
        }
    }

    fn accepted(token: u32, qty: u32) -> Vec<u8> {
        stamped(b'A', &[&name(token), &terms(qty), b" "])
    }

    fn replaced(old: u32, token: u32, qty: u32) -> Vec<u8> {
        stamped(b'U', &[&name(token), &terms(qty), &name(old), b" "])
    }

    fn canceled(token: u32, qty: u32) -> Vec<u8> {
        stamped(b'C', &[&name(token), &qty.to_be_bytes(), b"U"])
    }

    fn executed(token: u32, qty: u32) -> Vec<u8> {
        let px = 1_500_000u32.to_be_bytes();
        stamped(b'E', &[&name(token), &qty.to_be_bytes(), &px, b"A", &[2; 8]])
    }

    fn rejected(token: u32) -> Vec<u8> {
        stamped(b'J', &[&name(token), b"S"])
    }

    fn foreign() -> Vec<u8> {
        stamped(b'A', &[b"OTHR0000000009", &terms(100), b" "])
    }

    fn next_token(_: u32) -> Option<Vec<u8>> {
        None
    }

    fn mass_canceled(_: u32) -> Option<Vec<u8>> {
        None
    }
}
