//! What decoding costs, ns a message, beside the floor of only walking: `cargo run --release -p feeds --example decode_cost -- FILE.itch`
//!
//! Five ways over the same file, interleaved; the best and the median of 41 rounds of each.
#![expect(clippy::disallowed_methods, reason = "an example measures; the crate itself is told the time")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeSet;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use feeds::binaryfile::Messages;
use feeds::channel::{Channel, ChannelConfig, Sink, Taken};
use feeds::itch50::{self, Subscription, wire};
use model::{FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, Nanos};

/// Takes the stream and looks at its first byte.
struct Taste(u64);

impl Sink for Taste {
    fn message(&mut self, _: u64, msg: &[u8]) -> Taken {
        self.0 += msg.first().map_or(0, |b| u64::from(*b));
        Taken::Whole
    }
    fn status(&mut self, _: FeedStatus) {}
}

/// The stream as MoldUDP64 packets of `per` messages.
fn packets(messages: &[&[u8]], per: usize) -> Vec<Vec<u8>> {
    let mut seq = 1u64;
    let mut out = Vec::new();
    for chunk in messages.chunks(per) {
        let mut bytes = b"0000000001".to_vec();
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&(chunk.len() as u16).to_be_bytes());
        for msg in chunk {
            bytes.extend_from_slice(&(msg.len() as u16).to_be_bytes());
            bytes.extend_from_slice(msg);
        }
        seq += chunk.len() as u64;
        out.push(bytes);
    }
    out
}

fn through_channel(packets: &[Vec<u8>], lines: u8) -> u64 {
    let mut channel = Channel::new(ChannelConfig { reorder_window: 64, ..ChannelConfig::default() });
    let mut sink = Taste(0);
    for bytes in packets {
        for line in 0..lines {
            channel.on_datagram(Nanos(1), line, black_box(bytes), &mut sink);
        }
    }
    assert!(channel.is_synced());
    sink.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: decode_cost FILE.itch")?;
    let bytes = std::fs::read(path)?;
    let messages = Messages::new(&bytes).collect::<Result<Vec<_>, _>>()?;
    let symbols: BTreeSet<_> =
        messages.iter().filter_map(|m| wire::AddOrder::new(m).ok().map(|a| a.stock())).collect();
    let instruments: Vec<Instrument> = (0u16..)
        .zip(symbols)
        .map(|(id, symbol)| Instrument {
            id: InstrumentId(id),
            symbol,
            feed: FeedId(0),
            gateway: GatewayId(0),
        })
        .collect();
    let mut subscription = Subscription::new(&instruments);
    let packets: Vec<_> = [1, 8].iter().map(|per| packets(&messages, *per)).collect();

    type Way<'a> = (&'a str, Box<dyn FnMut() -> u64 + 'a>);
    let mut ways: Vec<Way<'_>> = vec![
        (
            "walk: length and type only (floor)",
            Box::new(|| Messages::new(&bytes).flatten().map(|m| u64::from(m[0])).sum()),
        ),
        (
            "walk + decode",
            Box::new(|| {
                let decoded = Messages::new(&bytes).flatten().map(|m| black_box(itch50::decode(m)).is_ok());
                decoded.map(u64::from).sum()
            }),
        ),
        (
            "walk + subscription (filter, decode, remap, count)",
            Box::new(|| {
                let events = Messages::new(&bytes).flatten();
                events.map(|m| u64::from(black_box(subscription.event(m)).is_ok())).sum()
            }),
        ),
        ("channel, 1 message a packet, one line", Box::new(|| through_channel(&packets[0], 1))),
        ("channel, 1 message a packet, two lines", Box::new(|| through_channel(&packets[0], 2))),
        ("channel, 8 messages a packet, two lines", Box::new(|| through_channel(&packets[1], 2))),
    ];
    let mut rounds = vec![Vec::new(); ways.len()];
    for _ in 0..41 {
        for ((_, way), times) in ways.iter_mut().zip(&mut rounds) {
            let start = Instant::now();
            black_box(way());
            times.push(start.elapsed().as_nanos() as f64 / messages.len() as f64);
        }
    }
    println!("{} messages, ns a message: best / median", messages.len());
    for ((name, _), times) in ways.iter().zip(&mut rounds) {
        times.sort_by(f64::total_cmp);
        println!("{:6.1} /{:6.1}  {name}", times[0], times[times.len() / 2]);
    }
    Ok(())
}
