//! The background of the simulated exchange and its market data channel, in virtual time: accounts' orders among historical and generated
//! ones, the stream against a naive replay of its file, faults, re-requests.

mod exchange_support;

use std::collections::BTreeMap;

use colo::exchange::VenueConfig;
use colo::exchange::faults::LineFaults;
use colo::exchange::flow::Flow;
use colo::exchange::flow::file::{FileFlow, Speed};
use colo::exchange::flow::generated::{GeneratedFlow, Recipe};
use colo::exchange::flow::reader::BinaryFile;
use exchange_support::client::{cancel, enter, modify, order, replace};
use exchange_support::{Bench, MS, SECOND, SESSION, config, file_flow, itch, px, qty, shared, symbol};
use model::{Px, Qty, Side, Symbol};

/// A venue whose file plays `messages`, each at its millisecond.
fn day(messages: &[(u64, Vec<u8>)]) -> Bench {
    Bench::new(VenueConfig { flow: file_flow(messages), ..config() })
}

const TEN: u32 = 100_000;

#[test]
fn an_order_waits_behind_what_was_there_before() {
    let mut b = day(&[
        (0, itch::add(1, b'B', 100, TEN)),
        (20, itch::add(2, b'B', 100, TEN)),
        (30, itch::exec(1, 60)),
        (40, itch::exec(1, 40)),
        (50, itch::exec(2, 80)),
    ]);
    let mut c = b.client(0);
    b.run(10);
    b.ask(&mut c, &enter(1, b'B', 50, TEN.into()));
    b.run(20);
    assert_eq!(b.queue(Side::Buy), [(100_000, 40, false), (100_000, 50, true), (100_000, 100, false)]);
    assert_eq!(b.position("user01"), 0, "the first in the queue trades first");
    b.run(10);
    assert_eq!(b.position("user01"), 0);
    // An aggressor of 80 shares: ours of 50 is first now, the file's order gets the rest.
    b.run(10);
    assert_eq!(b.position("user01"), 50);
    assert_eq!(b.queue(Side::Buy), [(100_000, 70, false)]);
    assert_eq!(b.tape.trades[2..], [('E', 50, 100_000), ('E', 30, 100_000)]);
    assert_eq!(b.venue.counts().flow.clipped, 0);
}

#[test]
fn a_better_price_is_first_and_an_order_behind_is_not_reached() {
    let mut b = day(&[(0, itch::add(1, b'S', 100, TEN)), (20, itch::exec(1, 100))]);
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.run(10);
    b.ask(&mut c, &enter(1, b'S', 30, u64::from(TEN) - 100));
    b.ask(&mut other, &enter(1, b'S', 30, TEN.into()));
    b.run(10);
    assert_eq!(b.tape.trades, [('E', 30, 99_900), ('E', 70, 100_000)]);
    assert_eq!((b.position("user01"), b.position("user02")), (-30, 0));
    // The file saw its order fully executed: what ours left of it is taken off, or it would rest there for ever.
    assert_eq!(b.queue(Side::Sell), [(100_000, 30, true)]);
    assert_eq!(b.venue.counts().flow.residues, 1);
}

#[test]
fn an_arrival_trades_with_ours_but_not_with_the_file_s() {
    let mut b = day(&[
        (0, itch::add(1, b'B', 100, TEN)),
        (20, itch::add(2, b'S', 80, TEN - 100)),
        (30, itch::replace(2, 3, 100, TEN - 200)),
    ]);
    let mut c = b.client(0);
    b.run(10);
    b.ask(&mut c, &enter(1, b'B', 50, TEN.into()));
    b.run(10);
    assert_eq!(b.position("user01"), 50);
    assert_eq!(b.tape.trades, [('E', 50, 100_000)]);
    assert_eq!(b.queue(Side::Buy), [(100_000, 100, false)], "the file's book was crossed then, and is");
    assert_eq!(b.queue(Side::Sell), [(99_900, 30, false)]);
    // Of the 80 shares 50 traded, so 50 of the 100 it is replaced by are gone; nothing of ours is in the way, so it is one `U`.
    b.run(10);
    assert_eq!(b.queue(Side::Sell), [(99_800, 50, false)]);
    assert_eq!((b.tape.types[&'U'], b.venue.counts().flow.clipped), (1, 1));
}

#[test]
fn a_replaced_order_that_meets_ours_trades() {
    let mut b = day(&[(0, itch::add(1, b'S', 80, TEN + 100)), (20, itch::replace(1, 2, 80, TEN))]);
    let mut c = b.client(0);
    b.run(10);
    b.ask(&mut c, &enter(1, b'B', 50, TEN.into()));
    b.run(10);
    assert_eq!(b.position("user01"), 50);
    assert_eq!(b.queue(Side::Sell), [(100_000, 30, false)]);
    assert_eq!((b.tape.types.get(&'U'), b.tape.types[&'D'], b.tape.types[&'A']), (None, 1, 3));
}

#[test]
fn what_an_account_took_cannot_go_again() {
    let mut b = day(&[
        (0, itch::add(1, b'S', 100, TEN)),
        (0, itch::add(2, b'S', 100, TEN)),
        (0, itch::add(3, b'S', 100, TEN)),
        (20, itch::exec(1, 60)),
        (21, itch::reduce(1, 40)),
        (22, itch::exec(2, 100)),
        (23, itch::reduce(3, 10)),
        (24, itch::delete(3)),
        (25, itch::delete(3)),
    ]);
    let mut c = b.client(0);
    b.run(10);
    let got = b.ask(&mut c, &enter(1, b'B', 150, TEN.into()));
    assert_eq!(got.len(), 3, "accepted, and two fills");
    assert_eq!(b.queue(Side::Sell), [(100_000, 50, false), (100_000, 100, false)]);
    b.run(12);
    // The first was gone: its `E` and `X` do nothing. Of the second half was left.
    assert_eq!(b.tape.trades[2..], [('E', 50, 100_000)]);
    assert_eq!(b.queue(Side::Sell), [(100_000, 100, false)]);
    b.run(3);
    assert_eq!(b.queue(Side::Sell), []);
    let flow = b.venue.counts().flow;
    assert_eq!((flow.clipped, flow.unknown, flow.played), (3, 1, 9));
}

#[test]
fn shares_that_an_account_took_are_not_made_up_for_behind_them() {
    let mut b = day(&[(0, itch::add(1, b'S', 100, TEN)), (20, itch::exec(1, 100))]);
    let (mut c, mut other) = (b.client(0), b.client(1));
    b.run(10);
    b.ask(&mut other, &enter(1, b'S', 100, TEN.into()));
    b.ask(&mut c, &enter(1, b'B', 60, TEN.into()));
    b.run(10);
    assert_eq!(b.tape.trades, [('E', 60, 100_000), ('E', 40, 100_000)]);
    assert_eq!(b.queue(Side::Sell), [(100_000, 100, true)], "the file's aggressor wanted its own order");
    assert_eq!((b.position("user02"), b.venue.counts().flow.clipped), (0, 1));
}

#[test]
fn trades_away_from_the_price_hidden_trades_and_halts_come_through() {
    let mut b = day(&[
        (0, itch::add(1, b'S', 100, TEN)),
        (10, itch::exec_at(1, 40, b'N', TEN - 50)),
        (20, itch::action(b'H')),
        (30, itch::action(b'T')),
    ]);
    let mut c = b.client(0);
    b.run(10);
    assert_eq!(b.tape.trades, [('C', 40, 99_950)]);
    b.run(10);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 50_000))[0].code, 0x07);
    b.run(10);
    assert_eq!(b.ask(&mut c, &enter(2, b'B', 1, 50_000))[0].kind, 'A');
    assert_eq!(b.tape.actions, *b"TTHT", "AAPL and MSFT at the start");
}

/// Levels of a naive replay: `(price, arrival) -> (number, shares)`, each side best last or first as its sign has it.
#[derive(Default)]
struct Naive {
    orders: BTreeMap<u64, (Symbol, u8, i64, u64, u32)>,
    arrivals: u64,
}

impl Naive {
    fn play(bytes: &[u8]) -> Naive {
        let int =
            |m: &[u8], at: usize, n: usize| m[at..at + n].iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
        let mut n = Naive::default();
        let mut rest = bytes;
        while let [a, b, tail @ ..] = rest {
            let (m, tail) = tail.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            rest = tail;
            let id = if m.len() >= 19 { int(m, 11, 8) } else { 0 };
            n.arrivals += 1;
            match m[0] {
                b'A' | b'F' => {
                    let symbol = Symbol(m[24..32].try_into().unwrap());
                    let (shares, price) = (int(m, 20, 4) as u32, int(m, 32, 4) as i64);
                    n.orders.insert(id, (symbol, m[19], price, n.arrivals, shares));
                }
                b'E' | b'C' | b'X' => {
                    if let Some(o) = n.orders.get_mut(&id) {
                        o.4 = o.4.saturating_sub(int(m, 19, 4) as u32);
                        if o.4 == 0 {
                            n.orders.remove(&id);
                        }
                    }
                }
                b'D' => drop(n.orders.remove(&id)),
                b'U' => {
                    if let Some(o) = n.orders.remove(&id) {
                        let (shares, price) = (int(m, 27, 4) as u32, int(m, 31, 4) as i64);
                        n.orders.insert(int(m, 19, 8), (o.0, o.1, price, n.arrivals, shares));
                    }
                }
                _ => {}
            }
        }
        n
    }

    fn queue(&self, symbol: Symbol, side: Side) -> Vec<(Px, Qty)> {
        let letter = if side == Side::Buy { b'B' } else { b'S' };
        let sign = -side.sign();
        let mut orders: Vec<_> = self.orders.values().filter(|o| o.0 == symbol && o.1 == letter).collect();
        orders.sort_by_key(|o| (sign * o.2, o.3));
        orders.iter().map(|o| (px(o.2), qty(o.4))).collect()
    }
}

fn max_speed(bytes: Vec<u8>) -> Flow {
    let file = BinaryFile::from_bytes(bytes);
    Flow::File(Box::new(FileFlow::new(file, Speed::PerSecond(1_000_000), Vec::new())))
}

#[test]
fn without_accounts_the_books_are_the_file_s() {
    for (name, played) in
        [("itch50/aapl_20120621_0930.itch", 46_000), ("itch50/three_symbols_20101224.itch", 12_012)]
    {
        let Some(path) = shared(name) else { continue };
        let bytes = std::fs::read(path).unwrap();
        let naive = Naive::play(&bytes);
        let mut b = Bench::new(VenueConfig {
            symbols: Vec::new(),
            flow: max_speed(bytes),
            close_with_flow: true,
            ..config()
        });
        while !b.venue.is_closed() {
            b.now += MS;
            b.turn();
        }
        b.run(500);
        assert!(b.venue.is_finished());
        assert_eq!(b.tape.events, "OSQMEC");
        let counts = b.venue.counts();
        assert_eq!((counts.flow.played, counts.flow.clipped, counts.flow.residues), (played, 0, 0), "{name}");
        let symbols = b.venue.symbols();
        assert_eq!(symbols.len(), if played == 46_000 { 1 } else { 3 });
        let mut resting = 0;
        for symbol in symbols {
            let book = b.venue.book_snapshot(symbol).unwrap();
            for (side, orders) in [(Side::Buy, book.bids), (Side::Sell, book.asks)] {
                let venue: Vec<_> = orders.iter().map(|o| (o.px, o.shares)).collect();
                assert_eq!(venue, naive.queue(symbol, side), "{name} {symbol} {side:?}");
                resting += venue.len();
            }
        }
        assert_eq!(resting, naive.orders.len());
    }
}

#[test]
fn a_directory_is_listed_whole_or_as_the_filter_says() {
    let Some(path) = shared("itch50/head_of_day.itch") else { return };
    let bytes = std::fs::read(path).unwrap();
    let b = Bench::new(VenueConfig { symbols: Vec::new(), flow: max_speed(bytes), ..config() });
    assert_eq!((b.venue.symbols().len(), b.tape.types[&'R']), (993, 993));

    let Some(path) = shared("itch50/three_symbols_20101224.itch") else { return };
    let file = BinaryFile::open(&path).unwrap();
    let only = symbol("BOB");
    let flow = Flow::File(Box::new(FileFlow::new(file, Speed::PerSecond(1_000_000), vec![only])));
    let mut b = Bench::new(VenueConfig { symbols: vec![only], flow, ..config() });
    b.run(100);
    assert_eq!(b.venue.symbols(), [only]);
    assert!(b.tape.types[&'A'] > 100 && b.venue.counts().flow.skipped > 100);
}

#[test]
fn speed_scales_the_file_s_own_time() {
    let messages: Vec<_> = (0..10).map(|i| (i * 1_000, itch::add(i + 1, b'B', 1, TEN))).collect();
    let mut b = day(&messages);
    for i in 0..10 {
        assert_eq!(b.queue(Side::Buy).len(), i + 1);
        b.run(999);
        assert_eq!(b.queue(Side::Buy).len(), i + 1);
        b.run(1);
    }
}

fn generated(seed: u64, rate: u64) -> Flow {
    let recipe = Recipe { seed, messages_per_second: rate, messages: None };
    Flow::Generated(Box::new(GeneratedFlow::new(recipe)))
}

#[test]
fn a_generated_market_has_the_mix_and_stays_sane() {
    let mut b = Bench::new(VenueConfig { flow: generated(5, 10_000), ..config() });
    let opening = b.tape.types.clone();
    let mut spreads = Vec::new();
    for _ in 0..50 {
        b.run(200);
        let (bids, asks) = (b.queue(Side::Buy), b.queue(Side::Sell));
        spreads.push(asks[0].0 - bids[0].0);
        assert!(asks[0].0 > bids[0].0, "the background does not cross itself");
    }
    let total: u64 = b.tape.types.iter().map(|(t, n)| n - opening.get(t).unwrap_or(&0)).sum();
    let played = b.venue.counts().flow.played;
    assert!((95_000..105_000).contains(&played), "{played}");
    for (types, percent) in [("AF", 46), ("D", 39), ("U", 8), ("EC", 4), ("X", 2), ("P", 1)] {
        let n: u64 = types.chars().map(|t| b.tape.types[&t] - opening.get(&t).unwrap_or(&0)).sum();
        let got = n as f64 * 100.0 / total as f64;
        let tolerance = 1.0 + percent as f64 * 0.15;
        assert!((got - percent as f64).abs() < tolerance, "{types}: {got:.1} %, wanted {percent}");
    }
    assert!(b.tape.types[&'F'] > 0 && b.tape.types[&'C'] > 0);
    spreads.sort_unstable();
    assert!(spreads[25] <= 500, "the median spread is {} ten-thousandths", spreads[25]);
    let aapl = b.venue.book_snapshot(symbol("AAPL")).unwrap();
    assert!(aapl.bids.len() < 5_000 && aapl.asks.len() > 10);
}

#[test]
fn quotes_near_the_touch_are_filled() {
    let mut b = Bench::new(VenueConfig { flow: generated(6, 2_000), ..config() });
    let mut c = b.client(0);
    let (mut number, mut live) = (0, [0, 0]);
    for _ in 0..200 {
        let touch = [b.queue(Side::Buy)[0].0, b.queue(Side::Sell)[0].0];
        for (i, side) in [b'B', b'S'].into_iter().enumerate() {
            number += 1;
            if live[i] == 0 || b.ask(&mut c, &replace(live[i], number, 100, touch[i] as u64)).is_empty() {
                b.ask(&mut c, &enter(number, side, 100, touch[i] as u64));
            }
            live[i] = number;
        }
        b.wait(&mut c, 50);
    }
    let view = b.venue.account("user01").unwrap();
    assert!(view.counts.fills >= 10, "{:?}", view.counts);
}

#[test]
fn one_seed_is_one_day() {
    let run = |seed| {
        let lines = vec![LineFaults { loss: 0.1, duplicate: 0.1, reorder: 0.1, ..LineFaults::default() }; 2];
        let mut b = Bench::new(VenueConfig { flow: generated(seed, 5_000), lines, ..config() });
        let mut c = b.client(0);
        for n in 1..50 {
            let touch = b.queue(Side::Sell)[0].0 as u64;
            b.ask(&mut c, &enter(n, b'B', 100, touch));
            b.wait(&mut c, 5);
        }
        (b.datagrams, b.venue.account("user01").unwrap())
    };
    let (one, again, other) = (run(11), run(11), run(12));
    assert!(one == again);
    assert!(one.0 != other.0);
    assert!(one.1.counts.fills > 0);
}

/// Messages of a datagram with their numbers.
fn open(datagram: &[u8]) -> (u64, u16, Vec<Vec<u8>>) {
    assert_eq!(datagram[..10], SESSION);
    let sequence = u64::from_be_bytes(datagram[10..18].try_into().unwrap());
    let count = u16::from_be_bytes(datagram[18..20].try_into().unwrap());
    let (mut rest, mut messages) = (&datagram[20..], Vec::new());
    while let [a, b, tail @ ..] = rest {
        let (m, tail) = tail.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        messages.push(m.to_vec());
        rest = tail;
    }
    assert_eq!(messages.len(), if count == 0xFFFF { 0 } else { usize::from(count) });
    (sequence, count, messages)
}

#[test]
fn two_lossy_lines_and_the_re_request_server_give_the_whole_stream() {
    let bad = LineFaults {
        loss: 0.2,
        duplicate: 0.05,
        reorder: 0.1,
        skew_us: 3_000,
        datagram_bytes: 500,
        ..LineFaults::default()
    };
    let good = LineFaults { loss: 0.05, ..LineFaults::default() };
    let mut b = Bench::new(VenueConfig {
        flow: generated(3, 20_000),
        lines: vec![good, bad],
        rerequest_loss: 0.5,
        ..config()
    });
    b.run(1_000);
    b.venue.close(b.now);
    b.run(500);
    let mut got = BTreeMap::new();
    let mut ends = [0, 0];
    let mut counts = [0, 0];
    for (_, line, datagram) in &b.datagrams {
        let (sequence, count, messages) = open(datagram);
        ends[*line] += u32::from(count == 0xFFFF);
        counts[*line] += messages.len();
        for (message, n) in messages.into_iter().zip(sequence..) {
            let before = got.insert(n, message.clone());
            assert!(before.is_none_or(|m| m == message), "both lines say the same under one number");
        }
    }
    let total = b.venue.counts().messages;
    assert!(ends[0] > 0 && counts[1] < counts[0]);
    let missing: Vec<u64> = (1..=total).filter(|n| !got.contains_key(n)).collect();
    assert!(!missing.is_empty(), "both lines lost something");
    for n in missing {
        let request = [&SESSION[..], &n.to_be_bytes(), &1u16.to_be_bytes()].concat();
        let answer = std::iter::repeat_with(|| b.venue.on_request(&request)).take(100).flatten().next();
        let (sequence, count, mut messages) = open(&answer.expect("half of the answers come"));
        assert_eq!((sequence, count), (n, 1));
        got.insert(n, messages.remove(0));
    }
    for n in 1..=total {
        assert_eq!(got[&n], b.venue.published(n).unwrap());
    }
}

#[test]
fn heartbeats_fill_the_silence() {
    let mut b = Bench::new(config());
    b.datagrams.clear();
    b.run(3_500);
    let next = b.venue.counts().messages + 1;
    assert_eq!(b.datagrams.len(), 6);
    for (when, _, datagram) in &b.datagrams {
        assert_eq!(open(datagram), (next, 0, vec![]));
        assert_eq!((when - exchange_support::MORNING) % SECOND, 0);
    }
}

/// Requests, sane and not, thrown at a busy market: the tape must rebuild the books, the ledger must follow from the reports, and two
/// accounts that trade with each other and the background must never make shares out of nothing.
#[test]
fn a_storm_of_requests_leaves_books_tape_and_ledger_in_agreement() {
    for seed in 0..6u64 {
        let mut rng = colo::exchange::rng::Rng::new(seed, 99);
        let mut b = Bench::new(VenueConfig {
            flow: generated(seed, 3_000),
            self_match_prevention: seed % 2 == 1,
            ..config()
        });
        let mut clients = [b.client(0), b.client(1)];
        let mut reports = [Vec::new(), Vec::new()];
        let mut next = [1u32, 1];
        for _ in 0..1_500 {
            let who = rng.below(2) as usize;
            let touch = b.queue(Side::Buy).first().map_or(1_000_000, |o| o.0) as u64;
            let price = touch + 100 * rng.below(12) - 400;
            let (old, new) = (next[who].saturating_sub(1 + rng.below(8) as u32), next[who]);
            let shares = 1 + rng.below(400) as u32;
            let side = if rng.below(2) == 0 { b'B' } else { b'S' };
            let message = match rng.below(20) {
                0..9 => {
                    next[who] += 1 + rng.below(3) as u32;
                    let mut o = order(new, side, shares, price);
                    o.tif = if rng.below(4) == 0 { b'3' } else { b'0' };
                    o.display = if rng.below(4) == 0 { b'A' } else { b'Y' };
                    o.bytes()
                }
                9..13 => {
                    next[who] += 1;
                    replace(old, new, shares, price)
                }
                13..16 => cancel(old, rng.below(300) as u32),
                16..18 => modify(old, side, shares),
                18 => (0..rng.below(60)).map(|_| rng.word() as u8).collect(),
                _ => {
                    let mut m = replace(old, new, shares, price);
                    m[rng.below(40) as usize] ^= 1 << rng.below(8);
                    next[who] = next[who].max(new + 1);
                    m
                }
            };
            let got = b.ask(&mut clients[who], &message);
            reports[who].extend(got);
            b.run(rng.below(2));
        }
        b.venue.close(b.now);
        b.run(1);
        for (who, user) in ["user01", "user02"].into_iter().enumerate() {
            let got = b.wait(&mut clients[who], 0);
            reports[who].extend(got);
            let view = b.venue.account(user).unwrap();
            assert!(view.live_orders.is_empty());
            // The ledger again, from what the client was told alone.
            let mut sides = BTreeMap::new();
            let (mut positions, mut cash, mut fills) = (BTreeMap::<Symbol, i64>::new(), 0i128, 0);
            for r in &reports[who] {
                match r.kind {
                    'A' => {
                        let terms = (r.raw[13], Symbol(r.raw[18..26].try_into().unwrap()));
                        sides.insert(r.number, terms);
                    }
                    'U' => {
                        let terms = (r.raw[17], Symbol(r.raw[22..30].try_into().unwrap()));
                        sides.insert(r.number, terms);
                    }
                    'E' => {
                        let (side, symbol) = sides[&r.number];
                        let sign = if side == b'B' { 1 } else { -1 };
                        *positions.entry(symbol).or_default() += sign * i64::from(r.quantity);
                        cash -= i128::from(sign) * i128::from(r.px) * i128::from(r.quantity);
                        fills += 1;
                    }
                    _ => {}
                }
            }
            assert_eq!(
                (view.positions, view.cash_e4, view.counts.fills),
                (positions, cash, fills),
                "seed {seed}"
            );
            assert!(fills > 20, "seed {seed}: {fills} fills");
        }
    }
}
