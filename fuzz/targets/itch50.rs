//! ITCH 5.0: any message gives an event or a typed error; bytes after its type's length change nothing; and a subscription
//! says of a message what the decoder says of it, and learns nothing of one that cannot be decoded.
#![no_main]

use feeds::binaryfile::Messages;
use feeds::itch50::{Subscription, decode, locate, wire};
use libfuzzer_sys::fuzz_target;
use model::{FeedId, GatewayId, Instrument, InstrumentId, Symbol};

fn instrument(id: u16, symbol: &str) -> Instrument {
    let symbol = Symbol::new(symbol).expect("a ticker");
    Instrument { id: InstrumentId(id), symbol, feed: FeedId(0), gateway: GatewayId(0) }
}

// The input is a BinaryFILE, so that a subscription can learn a locate and then use it.
fuzz_target!(|bytes: &[u8]| {
    let mut subscription = Subscription::new(&[instrument(0, "AAPL"), instrument(1, "MSFT")]);
    let mut messages = 0;
    for message in Messages::new(bytes).map_while(Result::ok) {
        messages += 1;
        let decoded = decode(message);
        if decoded.is_ok() {
            let length = wire::length(message[0]).expect("what decodes is of a known type");
            assert!(message.len() >= length);
            assert_eq!(decode(&message[..length]), decoded, "a longer message means the same");
            if length > 0 {
                assert!(decode(&message[..length - 1]).is_err(), "a shorter one means nothing");
            }
        }
        let wanted = locate(message).and_then(|locate| subscription.instrument(locate));
        let event = subscription.event(message);
        if let (Err(error), Some(at)) = (event, locate(message)) {
            assert_eq!(subscription.instrument(at), wanted, "nothing is learned of what cannot be decoded");
            assert!(
                !error.is_loss() || wire::length(message[0]).is_some(),
                "a type that is not known is no loss"
            );
        }
        if let (Some(id), Ok(Some(event)), Ok(decoded)) = (wanted, event, decoded)
            && !matches!(message[0], b'S' | b'V' | b'W' | b'R' | b'H' | b'K')
        {
            assert_eq!(event.instrument, id);
            assert_eq!((event.ts_event, event.body), (decoded.ts_event, decoded.body));
        }
    }
    assert_eq!(subscription.tally().total(), messages);
});
