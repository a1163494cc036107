//! What every feed protocol has to keep, whatever its messages look like: one line each in [`conformance`].

use feeds::framing::Packet;
use feeds::protocol::{Decode, Protocol, Refusal, Wanted};
use model::{FeedId, GatewayId, Instrument, InstrumentId, MarketEvent, Symbol};
use proptest::prelude::*;

fn wanted() -> [Instrument; 2] {
    [("AAPL", 0), ("MSFT", 1)].map(|(symbol, id)| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).unwrap(),
        feed: FeedId(0),
        gateway: GatewayId(0),
    })
}

fn decoder<P: Decode>() -> P {
    P::new(Wanted { instruments: &wanted(), live_orders: 64 })
}

fn decode<P: Decode>(decoder: &mut P, msg: &[u8]) -> Result<Vec<MarketEvent>, Refusal> {
    let mut events = Vec::new();
    decoder.decode(msg, |e| events.push(e)).map(|()| events)
}

fn decode_all<P: Decode>(decoder: &mut P, day: &[Vec<u8>]) -> Vec<Result<Vec<MarketEvent>, Refusal>> {
    day.iter().map(|m| decode(decoder, m)).collect()
}

/// A stream of whole messages of every type, some of which are about `AAPL`; what comes later hangs on what came before.
struct Day {
    messages: Vec<Vec<u8>>,
    /// A message of a type that nobody knows.
    unknown: Vec<u8>,
}

fn longer_means_the_same_and_shorter_nothing<P: Decode>(day: &Day) {
    let whole = decode_all(&mut decoder::<P>(), &day.messages);
    assert!(whole.iter().all(Result::is_ok) && whole.iter().flatten().flatten().count() > 5, "{whole:?}");
    let longer: Vec<_> = day.messages.iter().map(|m| [m, &b"from the future"[..]].concat()).collect();
    assert_eq!(decode_all(&mut decoder::<P>(), &longer), whole);
    // Each message comes once at every shorter length before it comes whole: nothing may be learned of those.
    let mut d = decoder::<P>();
    for (k, (msg, whole)) in day.messages.iter().zip(&whole).enumerate() {
        for len in 0..msg.len() {
            let cut = decode(&mut d, &msg[..len]);
            // Of another's instrument a message need not be looked at closely.
            let is_filtered =
                whole.as_ref().is_ok_and(Vec::is_empty) && cut.as_ref().is_ok_and(Vec::is_empty);
            assert!(cut.is_err() || is_filtered, "message {k} cut to {len} bytes gives {cut:?}");
        }
        assert_eq!(&decode(&mut d, msg), whole, "message {k}");
    }
}

fn what_is_unknown_is_counted_and_no_loss<P: Decode>(day: &Day) {
    let mut d = decoder::<P>();
    assert_eq!(decode(&mut d, &day.unknown), Err(Refusal::Unknown));
    assert_eq!(decode(&mut d, &[]), Err(Refusal::Unknown));
    assert_eq!(decode_all(&mut d, &day.messages), decode_all(&mut decoder::<P>(), &day.messages));
}

fn a_reset_decoder_is_as_a_new_one<P: Decode>(day: &Day) {
    let fresh = decode_all(&mut decoder::<P>(), &day.messages);
    for len in 0..day.messages.len() {
        let mut d = decoder::<P>();
        decode_all(&mut d, &day.messages[..len]);
        d.reset();
        assert_eq!(decode_all(&mut d, &day.messages), fresh, "reset after {len} messages");
    }
}

/// The day with bytes changed, messages left out and doubled: nothing panics, and two decoders agree on it.
fn hostile_bytes_do_no_harm<P: Protocol>(day: &Day, changes: &[(usize, usize, u8)]) {
    let mut messages = day.messages.clone();
    for (which, at, byte) in changes {
        let k = which % messages.len();
        match at % 8 {
            0 => messages.push(vec![*byte; *at % 64]),
            1 => messages[k].truncate(*byte as usize),
            2 => messages.rotate_left(k),
            _ => {
                let len = messages[k].len().max(1);
                messages[k].get_mut(at % len).into_iter().for_each(|b| *b = *byte);
            }
        }
    }
    let (mut a, mut b) = (decoder::<P>(), decoder::<P>());
    assert_eq!(decode_all(&mut a, &messages), decode_all(&mut b, &messages));
    let bytes = messages.concat();
    if let Ok(packet) = P::Packet::parse(&bytes) {
        let walked = packet.blocks().map(<[u8]>::len).sum::<usize>();
        assert!(walked <= bytes.len() && packet.blocks().count() <= usize::from(packet.messages()));
        assert_eq!(packet.end(), packet.sequence() + u64::from(packet.messages()));
    }
}

macro_rules! conformance {
    ($($name:ident: $protocol:ty, $day:path;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn longer_means_the_same_and_shorter_nothing() {
                super::longer_means_the_same_and_shorter_nothing::<$protocol>(&$day());
            }

            #[test]
            fn what_is_unknown_is_counted_and_no_loss() {
                super::what_is_unknown_is_counted_and_no_loss::<$protocol>(&$day());
            }

            #[test]
            fn a_reset_decoder_is_as_a_new_one() {
                super::a_reset_decoder_is_as_a_new_one::<$protocol>(&$day());
            }

            proptest! {
                #[test]
                fn hostile_bytes_do_no_harm(changes in prop::collection::vec(any::<(usize, usize, u8)>(), 0..40)) {
                    super::hostile_bytes_do_no_harm::<$protocol>(&$day(), &changes);
                }
            }
        }
    )*};
}

conformance! {
    itch50: feeds::itch50::Subscription, days::itch50;
    pitch: feeds::pitch::Subscription, days::pitch;
    jnx: feeds::jnx::Subscription, days::jnx;
}

#[path = "protocols/days.rs"]
mod days;
