//! Just enough ITCH 5.0 to run a historical file through the books: the six messages that touch them and `P`, from a BinaryFILE
//! (u16 big-endian length, message). The real decoder lives in `feeds`, which this crate cannot reach.

use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Every message of a file, those that this does not read as `System`. Ends at the end, a zero length or a torn message.
pub fn events(file: &[u8]) -> Vec<MarketEvent> {
    let mut out = Vec::new();
    let mut rest = file;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        if len < 11 || after.len() < len {
            break;
        }
        out.push(event(&after[..len]));
        rest = &after[len..];
    }
    out
}

fn event(m: &[u8]) -> MarketEvent {
    let order = || VenueRef(be(&m[11..19]));
    let side = || if m[19] == b'B' { Side::Buy } else { Side::Sell };
    let qty = |at: usize| Qty(be(&m[at..at + 4]) as u32);
    let px = |at: usize| Px::from_wire(be(&m[at..at + 4]) as u32);
    let body = match m[0] {
        b'A' | b'F' => {
            MarketBody::Add { order: order(), px: px(32), qty: qty(20), side: side(), mpid: *b"    " }
        }
        b'E' => MarketBody::Execute { order: order(), qty: qty(19), match_number: be(&m[23..31]) },
        b'C' => MarketBody::ExecuteAt {
            order: order(),
            qty: qty(19),
            match_number: be(&m[23..31]),
            px: px(32),
            printable: m[31] == b'Y',
        },
        b'X' => MarketBody::Reduce { order: order(), qty: qty(19) },
        b'D' => MarketBody::Delete { order: order() },
        b'U' => MarketBody::Replace { old: order(), new: VenueRef(be(&m[19..27])), qty: qty(27), px: px(31) },
        b'P' => MarketBody::Trade { px: px(32), qty: qty(20), match_number: be(&m[36..44]), side: side() },
        code => MarketBody::System { code },
    };
    MarketEvent { ts_event: Nanos(be(&m[5..11])), instrument: InstrumentId(be(&m[1..3]) as u16), body }
}
