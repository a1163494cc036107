//! OUCH 4.2, from the venue: any message gives a report, another's or a typed error, and no name but ours makes a report.
#![no_main]

use gateways::codec::Message;
use gateways::order::ClOrdId;
use gateways::ouch42::Decoder;
use gateways::ouch42::name::Tag;
use libfuzzer_sys::fuzz_target;
use model::{FeedId, GatewayId, Instrument, InstrumentId, Symbol, Token};

const GATEWAY: GatewayId = GatewayId(3);
const TEXT: ClOrdId = ClOrdId::Tagged(*b"COLO");

fuzz_target!(|bytes: &[u8]| {
    let symbol = Symbol::new("AAPL").expect("a ticker");
    let instrument = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GATEWAY };
    let decoder = Decoder::new(GATEWAY, TEXT, &[instrument]).expect("one ticker, once");
    // As it is, and with names of ours where a name may stand.
    let mut ours = bytes.to_vec();
    for (at, token) in [(9, 8), (65, 7)] {
        if let Some(name) = ours.get_mut(at..at + 14) {
            name.copy_from_slice(&Tag::new(TEXT).name(Token(token)));
        }
    }
    for message in [bytes, &ours] {
        let Ok(decoded) = decoder.decode(7, message) else { continue };
        if let Message::Report(report) = decoded {
            assert_eq!((report.seq, report.gateway), (7, GATEWAY));
            assert!(message[0] == b'S' || message[9..].starts_with(b"COLO"), "a report of another's order");
        }
        assert_eq!(decoder.decode(7, message), Ok(decoded), "it keeps nothing");
    }
});
