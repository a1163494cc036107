//! The rule of the sequence, the parts of a text, and what is hostile.

use model::{
    FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Symbol,
};
use proptest::prelude::*;

use super::text::{Joined, Kind, NotJoined, cut};
use super::*;
use crate::channel::{Sink, Taken};
use crate::protocol::{Decode, Refusal, Wanted};

const INFO: &str = r#"{"timezone":"UTC","symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.10"},{"filterType":"LOT_SIZE","stepSize":"0.001","minQty":"0.001","maxQty":"9"},{"filterType":"ICEBERG_PARTS","limit":9}]}]}"#;

fn symbol() -> Symbol {
    Symbol::new("BTCUSDT").unwrap()
}

fn subscription(levels: usize) -> Subscription {
    let btc = Instrument { id: InstrumentId(3), symbol: symbol(), feed: FeedId(0), gateway: GatewayId(0) };
    Subscription::new(Wanted { instruments: &[btc], live_orders: levels })
}

/// A decoder behind a stream, and what both said.
struct Core {
    subscription: Subscription,
    events: Vec<MarketEvent>,
    status: Vec<FeedStatus>,
    refused: Vec<Refusal>,
}

impl Core {
    fn new() -> Core {
        Core { subscription: subscription(64), events: Vec::new(), status: Vec::new(), refused: Vec::new() }
    }
}

impl Sink for Core {
    fn message(&mut self, _: u64, msg: &[u8]) -> Taken {
        let events = &mut self.events;
        match self.subscription.decode(msg, |e| events.push(e)) {
            Ok(()) => Taken::Whole,
            Err(refusal) => {
                self.refused.push(refusal);
                if refusal == Refusal::Lost { Taken::Undecodable } else { Taken::Whole }
            }
        }
    }
    fn status(&mut self, status: FeedStatus) {
        self.status.push(status);
    }
}

fn diff(ids: (u64, u64), before: Option<u64>, bids: &str, asks: &str) -> String {
    let before = before.map_or(String::new(), |b| format!(r#","pu":{b}"#));
    let (first, last) = ids;
    format!(
        r#"{{"e":"depthUpdate","E":86400001,"s":"BTCUSDT","U":{first},"u":{last}{before},"b":[{bids}],"a":[{asks}]}}"#
    )
}

/// A book that is in sequence at 100, with one level a side.
fn live(market: Market) -> (DepthStream, Core, Nanos) {
    let mut stream = DepthStream::new(DepthConfig::new(market, vec![symbol()]));
    let (mut core, now) = (Core::new(), Nanos::from_millis(5_000));
    assert_eq!(stream.poll(now), Some(Want::Info));
    stream.on_answer(now, Want::Info, INFO.as_bytes(), &mut core).unwrap();
    stream.on_open(now);
    assert_eq!(stream.poll(now), None, "nothing was heard yet");
    let first = diff((95, 100), Some(94), "", r#"["61800.30","2"]"#);
    stream.on_text(now, first.as_bytes(), &mut core).unwrap();
    assert_eq!(stream.poll(now), Some(Want::Snapshot(0)));
    let snapshot = r#"{"lastUpdateId":97,"bids":[["61800.20","1.5"]],"asks":[["61800.30","7"]]}"#;
    stream.on_answer(now, Want::Snapshot(0), snapshot.as_bytes(), &mut core).unwrap();
    assert!(stream.is_synced() && core.refused.is_empty());
    (stream, core, now)
}

#[test]
fn a_book_begins_from_a_snapshot_and_what_was_held() {
    for market in [Market::Spot, Market::Perpetual] {
        let (_, core, _) = live(market);
        let words: Vec<String> = core.events.iter().map(|e| format!("{:?}", e.body)).collect();
        assert!(words[0].starts_with("TradingAction") && words[0].contains("Trading"), "{words:?}");
        // 61,800.20 a coin is 61.8002 for each of 1,500 units of 0.001.
        assert!(words[1].contains("px: 61.8002") && words[1].contains("1500"), "{words:?}");
        assert!(words[2].starts_with("Add") && words[2].contains("7000"), "{words:?}");
        assert!(words[3].starts_with("Reduce") && words[3].contains("5000"), "{words:?}");
        assert_eq!(words.len(), 4);
        assert_eq!(core.status, [FeedStatus::Synced { next: 4 }]);
        assert_eq!((core.events[3].ts_event, core.events[3].instrument), (Nanos(1_000_000), InstrumentId(3)));
    }
}

#[test]
fn the_rule_of_the_sequence() {
    let of = |market, first, last, before: u64| {
        let (mut stream, mut core, now) = live(market);
        let seen = core.events.len();
        let before = (market == Market::Perpetual).then_some(before);
        let text = diff((first, last), before, r#"["61800.10","1"]"#, "");
        stream.on_text(now, text.as_bytes(), &mut core).unwrap();
        (core.events.len() - seen, stream.is_synced(), stream.stats().old)
    };
    let (next, old, gap) = ((1, true, 0), (0, true, 1), (0, false, 0));
    // Behind 100.
    for (first, last, want) in
        [(101, 105, next), (101, 101, next), (90, 100, old), (102, 105, gap), (99, 105, gap)]
    {
        assert_eq!(of(Market::Spot, first, last, 0), want, "spot {first}..={last}");
    }
    for (first, last, before, want) in [
        (107, 109, 100, next),
        (101, 105, 99, gap),
        (101, 105, 101, gap),
        (90, 100, 89, old),
        (90, 99, 89, old),
    ] {
        assert_eq!(
            of(Market::Perpetual, first, last, before),
            want,
            "perpetual {first}..={last} behind {before}"
        );
    }
}

#[test]
fn a_snapshot_that_is_too_old_is_not_taken_and_the_next_one_waits() {
    let (mut stream, mut core, mut now) = live(Market::Spot);
    let gap = diff((200, 210), None, "", "");
    stream.on_text(now, gap.as_bytes(), &mut core).unwrap();
    assert_eq!(core.status[1..], [FeedStatus::Recovering { from: 101, to: 200 }]);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let since = now;
        while stream.poll(now).is_none() {
            now = now.after(Nanos::from_millis(100));
        }
        waits.push(now.since(since).0 / 1_000_000_000);
        let old = r#"{"lastUpdateId":198,"bids":[],"asks":[]}"#;
        stream.on_answer(now, Want::Snapshot(0), old.as_bytes(), &mut core).unwrap();
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    now = now.after(Nanos::from_millis(30_000));
    assert_eq!(stream.poll(now), Some(Want::Snapshot(0)));
    let fits = r#"{"lastUpdateId":199,"bids":[["61800.20","1.5"]],"asks":[]}"#;
    stream.on_answer(now, Want::Snapshot(0), fits.as_bytes(), &mut core).unwrap();
    // What the snapshot does not hold is gone.
    assert!(matches!(core.events.last().unwrap().body, MarketBody::Delete { .. }));
    assert!(stream.is_synced());
    let stats = stream.stats();
    assert_eq!((stats.gaps, stats.gaps_filled, stats.snapshots, stats.snapshots_failed), (1, 1, 2, 7));
}

#[test]
fn what_the_venue_counts_anew_is_not_old_for_ever() {
    let (mut stream, mut core, now) = live(Market::Spot);
    for n in 0..300 {
        let text = diff((1 + n % 90, 1 + n % 90), None, "", "");
        stream.on_text(now, text.as_bytes(), &mut core).unwrap();
    }
    assert!(!stream.is_synced() && stream.gaps_open() == 1);
}

#[test]
fn a_stream_that_is_gone_or_doubted_makes_books_that_are_not_sound() {
    let (mut stream, mut core, now) = live(Market::Spot);
    stream.on_closed(&mut core);
    assert_eq!(core.status[1..], [FeedStatus::Recovering { from: 101, to: 101 }]);
    assert_eq!(
        stream.poll(now.after(Nanos::from_millis(60_000))),
        None,
        "nothing fits a stream that is not there"
    );

    let (mut stream, mut core, now) = live(Market::Spot);
    stream.on_silent(&mut core);
    assert_eq!(core.status[1..], [FeedStatus::Silent]);
    stream.on_open(now);
    assert!(stream.poll(now.after(Nanos::from_millis(2_000))).is_some(), "a quiet book has a snapshot too");

    let (mut stream, mut core, now) = live(Market::Spot);
    stream.resync(now, &mut core);
    assert_eq!(core.status[1..], [FeedStatus::Doubted]);
    assert_eq!(core.events.last().unwrap().body, MarketBody::Clear);
    let text = diff((101, 101), None, r#"["61800.10","1"]"#, "");
    stream.on_text(now, text.as_bytes(), &mut core).unwrap();
    assert_eq!(stream.poll(now), Some(Want::Snapshot(0)), "a person waits for nothing");
}

#[test]
fn a_text_that_cannot_be_decoded_ends_the_sequence_and_changes_nothing() {
    for (bids, asks) in [
        (r#"["61800.25","1"]"#, ""),
        (r#"["61800.10","-1"]"#, ""),
        (r#"["0.00","1"]"#, ""),
        (r#"["99999999999.10","1"]"#, ""),
        (r#"["61800.10","1"],["x","1"]"#, ""),
        ("", r#"["61800.30"]"#),
        ("", "7"),
    ] {
        let (mut stream, mut core, now) = live(Market::Spot);
        let seen = core.events.len();
        let text = diff((101, 101), None, bids, asks);
        let read = stream.on_text(now, text.as_bytes(), &mut core);
        assert!(read.is_ok() && !stream.is_synced() && core.refused == [Refusal::Lost], "{bids} {asks}");
        assert_eq!((core.events.len(), stream.stats().undecodable), (seen, 1));
    }
}

#[test]
fn of_two_words_on_a_level_the_last_counts_and_what_takes_away_comes_first() {
    let (mut stream, mut core, now) = live(Market::Spot);
    let seen = core.events.len();
    // The market moves up: in the venue's order the bid would cross the offer for a moment.
    let text = diff(
        (101, 109),
        None,
        r#"["61800.40","1"],["61800.20","9"],["61800.20","1"],["61800.10","4"],["61800.10","0"]"#,
        r#"["61800.50","1"],["61800.30","0.000"]"#,
    );
    stream.on_text(now, text.as_bytes(), &mut core).unwrap();
    let words: Vec<String> = core.events[seen..].iter().map(|e| format!("{:?}", e.body)).collect();
    let kinds: Vec<&str> = words.iter().map(|w| w.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["Reduce", "Delete", "Add", "Add"], "{words:?}");
}

#[test]
fn there_is_room_for_so_many_levels() {
    let mut s = subscription(2);
    let mut decode = |text: &str| {
        let mut events = Vec::new();
        s.decode(text.as_bytes(), |e| events.push(e)).map(|()| events.len())
    };
    assert_eq!(decode(&format!("I{INFO}")), Ok(1));
    let two = diff((1, 1), None, r#"["1.0","1"],["2.0","1"]"#, "");
    assert_eq!(decode(&format!("D{two}")), Ok(2));
    let third = diff((1, 1), None, r#"["3.0","1"]"#, "");
    assert_eq!(decode(&format!("D{third}")), Err(Refusal::Lost));
    let instead = diff((1, 1), None, r#"["3.0","1"],["2.0","0"]"#, "");
    assert_eq!(decode(&format!("D{instead}")), Ok(2));
    let all_new = r#"SBTCUSDT {"lastUpdateId":7,"bids":[["4.0","1"]],"asks":[["5.0","1"]]}"#;
    assert_eq!(decode(all_new), Ok(4));
}

#[test]
fn an_instrument_that_is_not_listed_or_changes_its_units_does_not_trade() {
    let mut s = subscription(8);
    let mut decode = |text: &str| {
        let mut said = Vec::new();
        s.decode(text.as_bytes(), |e| said.push(format!("{:?}", e.body))).map(|()| said)
    };
    let trade = r#"T{"e":"trade","T":1,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","m":false}"#;
    assert_eq!(decode(trade), Err(Refusal::Malformed), "it has no units yet");
    assert!(decode(r#"I{"symbols":[]}"#).unwrap()[0].contains("Halted"));
    assert!(decode(&format!("I{INFO}")).unwrap()[0].contains("state: Trading"));
    assert_eq!(decode(&format!("I{INFO}")).unwrap(), [""; 0]);
    let said = decode(trade).unwrap();
    assert!(said[0].contains("px: 61.8003, qty: Qty(6), match_number: 5, side: Sell"), "{said:?}");
    assert!(
        decode(&format!("I{}", INFO.replace("0.001\",\"minQty", "1\",\"minQty"))).unwrap()[0]
            .contains("Halted")
    );
    assert!(decode(&format!("I{INFO}")).unwrap()[0].contains("state: Trading"));
    assert!(decode(&format!("I{}", INFO.replace("TRADING", "BREAK"))).unwrap()[0].contains("Halted"));
}

#[test]
fn a_long_text_comes_in_parts_and_is_whole_again() {
    let text: Vec<u8> = (0..3 * PART + 7).map(|n| n as u8).collect();
    for kind in [Kind::Diff, Kind::Snapshot(symbol()), Kind::Info, Kind::Trade] {
        for len in [0, 1, PART, PART + 1, 2 * PART, text.len()] {
            let (mut joined, mut parts, mut whole) = (Joined::default(), 0, None);
            let taken = cut(kind, &text[..len], &mut Vec::new(), |message| {
                parts += 1;
                assert!(message.len() <= PART + 9);
                whole = joined.join(message).unwrap().map(|(kind, text)| (kind, text.to_vec()));
                Taken::Whole
            });
            assert_eq!(taken, Ok(Taken::Whole));
            assert_eq!((parts, whole), (len.div_ceil(PART).max(1), Some((kind, text[..len].to_vec()))));
        }
    }
    let mut joined = Joined::default();
    assert_eq!(joined.join(b"dab"), Ok(None));
    assert_eq!(joined.join(b"Tcd"), Err(NotJoined::Torn(Kind::Diff)));
    assert_eq!(joined.join(b"Tcd"), Ok(Some((Kind::Trade, &b"cd"[..]))));
    assert_eq!(joined.join(b"Sshort"), Err(NotJoined::Unknown));
    let long = vec![b'd'; TEXT_MAX + 1];
    assert_eq!(cut(Kind::Diff, &long, &mut Vec::new(), |_| Taken::Whole), Err(Misread::TooLong));
    for _ in 0..TEXT_MAX / PART {
        let _ = joined.join(&long[..PART + 1]);
    }
    assert_eq!(joined.join(&long[..PART + 1]), Err(NotJoined::Torn(Kind::Diff)), "memory has an end");
}

proptest! {
    /// Bytes changed, cut and doubled at random: nothing panics, and a decoder that heard them is as one that heard none when all begins anew.
    #[test]
    fn hostile_texts_do_no_harm(changes in prop::collection::vec(any::<(u16, u8, u8)>(), 0..12), cuts in any::<(u16, u16)>()) {
        let (mut stream, mut core, mut now) = live(Market::Spot);
        let seed = [
            diff((101, 102), None, r#"["61800.10","1"]"#, r#"["61800.50","0"]"#),
            format!(r#"{{"stream":"btcusdt@depth","data":{}}}"#, diff((103, 103), None, "", "")),
            r#"{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","m":false}"#.into(),
            r#"{"lastUpdateId":101,"bids":[["61800.20","1.5"]],"asks":[]}"#.into(),
            INFO.into(),
        ];
        for (k, text) in seed.iter().enumerate() {
            let mut bytes = text.clone().into_bytes();
            for (at, with, how) in &changes {
                let at = usize::from(*at) % bytes.len();
                if how % 3 == 0 { bytes[at] = *with } else { bytes[at] = b"0123456789.\"[]{}:,-e"[usize::from(*with) % 20] }
            }
            if k == usize::from(cuts.0) % 8 {
                bytes.truncate(usize::from(cuts.1) % bytes.len());
            }
            let _ = stream.on_text(now, &bytes, &mut core);
            for want in [Want::Info, Want::Snapshot(0)] {
                let _ = stream.on_answer(now, want, &bytes, &mut core);
            }
            for letter in b"DTSICdtsic" {
                let mut message = vec![*letter];
                message.extend_from_slice(&bytes);
                let _ = core.message(0, &message);
            }
            now = now.after(Nanos::from_millis(700));
            let _ = stream.poll(now);
        }
        core.subscription.reset();
        core.events.clear();
        let _ = core.message(1, format!("I{INFO}").as_bytes());
        let text = diff((1, 2), None, r#"["61800.10","1"]"#, "");
        prop_assert_eq!(core.message(2, format!("D{text}").as_bytes()), Taken::Whole);
        prop_assert_eq!(core.events.len(), 2);
    }
}
