//! What a recorded depth stream costs, ns a text, beside the floor of only walking: `cargo run --release -p feeds --example depth_cost -- FILE.jsonl`
//!
//! Each line of the file is a stamp, a blank and a text of a perpetual's combined stream, or its snapshot; BTCUSDT. The best and the median of 9 rounds.
#![expect(clippy::disallowed_methods, reason = "an example measures; the crate itself is told the time")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use feeds::channel::{Sink, Taken};
use feeds::depth::{DepthConfig, DepthStream, Market, Subscription};
use feeds::protocol::{Decode, Wanted};
use model::{FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, Nanos, Symbol};

const INFO: &[u8] = br#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.10"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}"#;

struct Books {
    subscription: Subscription,
    events: u64,
}

impl Sink for Books {
    fn message(&mut self, _: u64, msg: &[u8]) -> Taken {
        let events = &mut self.events;
        match self.subscription.decode(msg, |event| {
            black_box(event);
            *events += 1;
        }) {
            Ok(()) => Taken::Whole,
            Err(_) => Taken::Undecodable,
        }
    }
    fn status(&mut self, _: FeedStatus) {}
}

fn books(texts: &[&str]) -> u64 {
    let symbol = Symbol::new("BTCUSDT").expect("a ticker");
    let btc = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GatewayId(0) };
    let subscription = Subscription::new(Wanted { instruments: &[btc], live_orders: 65_536 });
    let mut books = Books { subscription, events: 0 };
    let mut stream = DepthStream::new(DepthConfig::new(Market::Perpetual, vec![symbol]));
    let now = Nanos::from_millis(1);
    let answer = |stream: &mut DepthStream, books: &mut Books, body: &[u8]| {
        if let Some(want) = stream.poll(now) {
            // One that cannot be read shows as a stream that is never whole.
            let _ = stream.on_answer(now, want, body, books);
        }
    };
    answer(&mut stream, &mut books, INFO);
    stream.on_open(now);
    for text in texts {
        if text.starts_with("{\"lastUpdateId\"") {
            answer(&mut stream, &mut books, text.as_bytes());
        } else {
            let _ = stream.on_text(now, black_box(text.as_bytes()), &mut books);
        }
    }
    assert!(stream.is_synced(), "{:?}", stream.stats());
    books.events
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: depth_cost FILE.jsonl")?;
    let file = std::fs::read_to_string(path)?;
    let all: Vec<&str> = file.lines().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    let ours = |text: &&&str| !text.contains("\"bookTicker\"");
    let texts: Vec<&str> = all.iter().filter(ours).copied().collect();
    let bytes: usize = texts.iter().map(|t| t.len()).sum();
    let mut rounds = [Vec::new(), Vec::new()];
    let mut events = 0;
    for _ in 0..9 {
        let start = Instant::now();
        let walked: usize = texts.iter().map(|t| black_box(t.bytes().filter(|b| *b == b'"').count())).sum();
        black_box(walked);
        rounds[0].push(start.elapsed().as_nanos() as f64 / texts.len() as f64);
        let start = Instant::now();
        events = books(&texts);
        rounds[1].push(start.elapsed().as_nanos() as f64 / texts.len() as f64);
    }
    println!("{} texts of {bytes} bytes, {events} events, ns a text: best / median", texts.len());
    for (name, times) in ["walk: count the quotes (floor)", "stream and subscription"].iter().zip(&mut rounds)
    {
        times.sort_by(f64::total_cmp);
        println!("{:8.0} /{:8.0}  {name}", times[0], times[times.len() / 2]);
    }
    Ok(())
}
