//! OUCH 5.0, from the venue: any message gives a report or a typed error, whatever its appendage says of itself.
#![no_main]

use gateways::ouch50::{Decoder, Outbound};
use libfuzzer_sys::fuzz_target;
use model::{FeedId, GatewayId, Instrument, InstrumentId, Symbol};

const GATEWAY: GatewayId = GatewayId(3);

fuzz_target!(|bytes: &[u8]| {
    let symbol = Symbol::new("AAPL").expect("a ticker");
    let instrument = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GATEWAY };
    let decoder = Decoder::new(GATEWAY, &[instrument]).expect("one ticker, once");
    let Ok(decoded) = decoder.decode(7, bytes) else { return };
    if let Outbound::Report(report) = decoded.body {
        assert_eq!((report.seq, report.gateway), (7, GATEWAY));
    }
    assert_eq!(decoder.decode(7, bytes), Ok(decoded), "it keeps nothing");
});
