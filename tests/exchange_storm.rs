//! Storms of random requests at venues of random rules, by seed (`SEED=n` for one alone). After every request:
//!
//! * the tape rebuilds the venue's books (`Bench::listen`);
//! * what each account was told, added up by a client that knows nothing else, is the venue's truth: live orders with their open shares, position,
//!   cash;
//! * nobody but the accounts trades, so their positions and cash sum to nothing.

mod exchange_support;

use std::collections::BTreeMap;

use colo::exchange::VenueConfig;
use colo::exchange::accounts::SelfMatch;
use colo::exchange::latency::Latency;
use colo::exchange::market::{Bands, BeyondBands, HaltedOrders, Hours, MarketRules, PostOnly};
use colo::exchange::rng::Rng;
use colo::exchange::script::{Action, MarketAction, Step, Trigger};
use exchange_support::client::{
    Client, Enter, Report, cancel, mass_cancel, modify, order, packet, replace, switch,
};
use exchange_support::{Bench, FIRM, MS, config, symbol};

/// One account's day as its reports tell it.
#[derive(Default)]
struct Told {
    /// Open shares and whether it buys, by number.
    live: BTreeMap<u32, (u32, bool)>,
    /// Sides of all orders, for fills that come late.
    buys: BTreeMap<u32, bool>,
    fills: BTreeMap<(u64, u32), (i64, i128)>,
    position: i64,
    cash: i128,
}

impl Told {
    fn hear(&mut self, r: &Report) {
        let u64_at = |at: usize| u64::from_be_bytes(r.raw[at..at + 8].try_into().unwrap());
        match r.kind {
            'A' | 'U' => {
                if r.kind == 'U' {
                    let old = u32::from_be_bytes(r.raw[9..13].try_into().unwrap());
                    assert!(self.live.remove(&old).is_some(), "{old} lived");
                }
                let buys = r.raw[if r.kind == 'A' { 13 } else { 17 }] == b'B';
                self.buys.insert(r.number, buys);
                if r.code == u16::from(b'L') {
                    assert!(self.live.insert(r.number, (r.quantity, buys)).is_none(), "{} is new", r.number);
                }
            }
            'E' => {
                self.take(r.number, r.quantity);
                let signed = if self.buys[&r.number] { 1 } else { -1 } * i64::from(r.quantity);
                let cash = -i128::from(signed) * i128::from(r.px);
                let before = self.fills.insert((u64_at(26), r.number), (signed, cash));
                assert!(before.is_none(), "a match number is told once of an order");
                self.position += signed;
                self.cash += cash;
            }
            'B' => {
                let (signed, cash) = self.fills.remove(&(u64_at(13), r.number)).expect("it was told");
                self.position -= signed;
                self.cash -= cash;
            }
            'C' | 'D' => self.take(r.number, r.quantity),
            'M' => self.live.get_mut(&r.number).expect("it lives").0 = r.quantity,
            'P' | 'I' | 'T' | 'R' => assert!(self.live.contains_key(&r.number)),
            _ => {}
        }
    }

    fn take(&mut self, number: u32, shares: u32) {
        let open = &mut self.live.get_mut(&number).expect("it lives").0;
        *open = open.checked_sub(shares).expect("no more goes than is open");
        if *open == 0 {
            self.live.remove(&number);
        }
    }
}

fn among<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.below(all.len() as u64) as usize]
}

fn rules(rng: &mut Rng) -> MarketRules {
    let hours = Hours { open_ns: 20 * MS, close_ns: Some(400 * MS), late_ns: among(rng, &[0, 10 * MS]) };
    let bands = Bands {
        width_bp: 200,
        beyond: among(rng, &[BeyondBands::Reject, BeyondBands::Slide]),
        limit_state_ns: 10 * MS,
        pause_ns: 20 * MS,
    };
    MarketRules {
        self_match: among(
            rng,
            &[SelfMatch::Allow, SelfMatch::Oldest, SelfMatch::Newest, SelfMatch::Both, SelfMatch::Decrement],
        ),
        post_only: among(rng, &[PostOnly::Cancel, PostOnly::Dead, PostOnly::Slide]),
        halted: among(rng, &[HaltedOrders::Hold, HaltedOrders::Cancel]),
        hours: rng.chance(0.5).then_some(hours),
        bands: rng.chance(0.5).then_some(bands),
        imbalance_every_ns: among(rng, &[0, 5 * MS]),
    }
}

fn script(rng: &mut Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, action) in [
        (60, MarketAction::Halt),
        (75, MarketAction::Quote),
        (85, MarketAction::Resume),
        (120, MarketAction::Late),
        (130, MarketAction::NotLate),
        (200, MarketAction::Pause),
        (220, MarketAction::Resume),
    ] {
        let (trigger, action) = (Trigger::At(at * MS), Action::Market(action));
        steps.push(Step { trigger, account: None, symbol: Some(symbol("AAPL")), action });
    }
    for _ in 0..5 {
        let trigger = Trigger::At(rng.below(400) * MS);
        steps.push(Step { trigger, account: Some(rng.below(2) as u16), symbol: None, action: Action::Break });
    }
    steps
}

fn a_request(rng: &mut Rng, next: &mut u32) -> Vec<u8> {
    const TAGS: &[&[u8]] = &[
        b"",
        b"",
        b"",
        b"\x02\x0CP",
        b"\x05\x05\0\0\0\x64",
        b"\x05\x05\0\0\0\xC8\x05\x0D\0\0\0\x64",
        b"\x05\x03\0\0\0\x32",
        b"\x02\x1DD",
        b"\x03\x1EAA",
        b"\x03\x18\0\x07",
        b"\x05\x0F\0\0\0\x01",
    ];
    // One of the last, which most likely still lives.
    let known = *next - rng.below(u64::from((*next).min(20))) as u32;
    let side = among(rng, b"BBBSST");
    let quantity = among(rng, &[1, 50, 100, 300, 999]);
    let px =
        among(rng, &[990_000, 995_000, 999_900, 1_000_000, 1_000_100, 1_005_000, 1_010_000, 0x7FFF_FFFF]);
    match rng.below(20) {
        0..10 => {
            *next += 1;
            let tags = among(rng, TAGS);
            let tif = match tags.get(1) {
                Some(15) => b'6',
                Some(3) => b'3',
                _ => among(rng, b"00003"),
            };
            let display = among(rng, b"YYYANZ");
            let cross = among(rng, b"NNNNNNOCH");
            Enter { tif, display, cross, tags, ..order(*next, side, quantity, px) }.bytes()
        }
        10..13 => {
            *next += 1;
            replace(known, *next, quantity, px)
        }
        13..16 => cancel(known, among(rng, &[0, 0, 10, 60, 200])),
        16 => modify(known, among(rng, b"BSTE"), quantity / 2),
        17 => {
            *next += 1;
            mass_cancel(
                *next,
                &FIRM,
                among(rng, &["", "AAPL", "MSFT"]),
                among(rng, &[&b""[..], b"\x02\x1BB"]),
            )
        }
        18 => {
            *next += 2;
            // Off and on again: what is in between is refused.
            let enter = Enter { ..order(*next, side, quantity, px) }.bytes();
            let on = switch(true, *next + 1, &FIRM);
            let off = switch(false, *next - 1, &FIRM);
            *next += 1;
            return [packet(b'U', &off), packet(b'U', &enter), packet(b'U', &on)].concat();
        }
        _ => {
            // Any bytes at all behind a type.
            let n = rng.below(80) as usize;
            let mut m: Vec<u8> = (0..n).map(|_| among(rng, &[0, 0, 1, 2, 28, b'B', b'Y', 255])).collect();
            m.insert(0, among(rng, b"OUXMCDEQZ"));
            // A number that is used: one far ahead would make all that follows known.
            if let Some(number) = m.get_mut(1..5) {
                number.copy_from_slice(&known.to_be_bytes());
            }
            if let Some(number) = (m[0] == b'U').then(|| m.get_mut(5..9)).flatten() {
                number.copy_from_slice(&known.to_be_bytes());
            }
            m
        }
    }
}

fn storm(seed: u64) -> [u64; 4] {
    let mut rng = Rng::new(seed, 0x570);
    let mut settings = VenueConfig { market: rules(&mut rng), script: script(&mut rng), ..config() };
    if rng.chance(0.3) {
        settings.accounts[1].rules.inbound_latency = Latency::Uniform(0, 3 * MS);
        settings.accounts[1].rules.outbound_latency = Latency::Uniform(0, 3 * MS);
    }
    let has_latency = settings.accounts[1].rules.inbound_latency != Latency::default();
    let mut b = Bench::new(settings);
    let mut clients: Vec<Client> = ["user01", "user02"].map(|u| b.login(u, "pass", "", "1")).into();
    let mut told = [Told::default(), Told::default()];
    let mut next = [0, 0];
    for _ in 0..1_500 {
        let who = rng.below(2) as usize;
        let request = a_request(&mut rng, &mut next[who]);
        let is_packet = request.first() == Some(&0);
        let bytes = if is_packet { request } else { packet(b'U', &request) };
        b.bytes(&mut clients[who], &bytes);
        if rng.chance(0.3) {
            b.run(1);
        }
        for (i, client) in clients.iter_mut().enumerate() {
            b.read(client);
            client.reports.drain(..).for_each(|r| told[i].hear(&r));
        }
        if !has_latency {
            compare(&b, &told);
        }
    }
    b.venue.close(b.now);
    for (i, client) in clients.iter_mut().enumerate() {
        b.run(10);
        b.read(client);
        client.reports.drain(..).for_each(|r| told[i].hear(&r));
    }
    compare(&b, &told);
    assert!(told.iter().all(|t| t.live.is_empty()), "nothing outlives the day");
    let views = b.venue.accounts();
    assert_eq!(views.iter().map(|v| v.cash_e4).sum::<i128>(), 0);
    let sum = |f: fn(&colo::exchange::AccountView) -> u64| views.iter().map(f).sum::<u64>();
    [
        sum(|v| v.counts.fills),
        sum(|v| v.counts.replaced),
        sum(|v| v.counts.broken),
        b.tape.crosses.iter().filter(|c| c.1 > 0).count() as u64,
    ]
}

fn compare(b: &Bench, told: &[Told; 2]) {
    for (view, told) in b.venue.accounts().iter().zip(told) {
        let live: BTreeMap<u32, u32> = view.live_orders.iter().map(|o| (o.number, o.open.0)).collect();
        let ours: BTreeMap<u32, u32> = told.live.iter().map(|(n, o)| (*n, o.0)).collect();
        assert_eq!(ours, live, "{}", view.username);
        assert_eq!(told.position, view.positions.values().sum::<i64>(), "{}", view.username);
        assert_eq!(told.cash, view.cash_e4, "{}", view.username);
    }
}

#[test]
fn what_the_venue_tells_is_what_it_knows() {
    let one = std::env::var("SEED").ok().map(|s| s.parse().expect("a number"));
    let seeds = one.map_or(0..40, |seed: u64| seed..seed + 1);
    let mut totals = [0; 4];
    for seed in seeds {
        let result = std::panic::catch_unwind(|| storm(seed));
        let counts = result.unwrap_or_else(|_| panic!("SEED={seed}"));
        totals.iter_mut().zip(counts).for_each(|(t, n)| *t += n);
    }
    if one.is_none() {
        let [fills, replaced, broken, crosses] = totals;
        assert!(fills > 1_000 && replaced > 100 && broken > 20 && crosses > 20, "{totals:?}");
    }
}
