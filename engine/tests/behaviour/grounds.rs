//! Random admin and book messages, feed troubles and time, against a model of a page: is A valid, and was anything sent while it was not?
//!
//! The model shares nothing with the engine: it keeps what was said as it was said, looks for the best prices in a list, and measures time anew at each
//! question. After every input the engine's word is the model's, and no new order and no replace passes while that is not `Valid`; cancels pass always.
//!
//! `SEED=n` runs one seed; a failure names its own. The canary proves that the checks can fail.

use std::collections::BTreeSet;

use engine::{Reason, RiskReject};
use model::{
    CommandKind, CrossKind, FeedStatus, Input, MarketBody, Px, Qty, Side, Symbol, TradingState, Validity,
    VenueRef,
};

use crate::kit::*;

const MS: u64 = 1_000_000;
/// The limits of `BookSanity::default`.
const CROSSED: u64 = 100 * MS;
const LOCKED: u64 = 1_000 * MS;
const REST: u64 = 1_000 * MS;
const JUMP_PERCENT: i64 = 5;
/// `wide`'s collar: a spread wider than this either way gives no reference.
const COLLAR_PERCENT: i64 = 5;

#[derive(Default)]
struct Page {
    phase: Option<u8>,
    action: Option<TradingState>,
    halts: BTreeSet<u8>,
    whole: bool,
    lost: bool,
    ended: bool,
    book: Vec<(u64, Side, i64)>,
    locked_since: Option<u64>,
    crossed_since: Option<u64>,
    jumped: Option<u64>,
    last: Option<i64>,
}

impl Page {
    fn trades(&self) -> bool {
        let sound = self.whole && !self.lost && !self.ended;
        let open = matches!(self.phase, None | Some(b'Q'));
        sound && open && self.action == Some(TradingState::Trading) && self.halts.is_empty()
    }

    fn is_valid(&self, now: u64) -> bool {
        let long = |since: Option<u64>, max| since.is_some_and(|at| now - at >= max);
        let resting = self.jumped.is_some_and(|at| now - at < REST);
        self.trades() && !long(self.crossed_since, CROSSED) && !long(self.locked_since, LOCKED) && !resting
    }

    fn best(&self, side: Side) -> Option<i64> {
        let all = self.book.iter().filter(|o| o.1 == side).map(|o| o.2);
        if side == Side::Buy { all.max() } else { all.min() }
    }

    /// What the book shows after an input.
    fn look(&mut self, now: u64) {
        if !self.trades() {
            (self.locked_since, self.crossed_since, self.jumped, self.last) = (None, None, None, None);
            return;
        }
        let (bid, ask) = (self.best(Side::Buy), self.best(Side::Sell));
        let both = bid.zip(ask);
        let since = |holds: bool, since: Option<u64>| holds.then(|| since.unwrap_or(now));
        self.crossed_since = since(both.is_some_and(|(b, a)| b > a), self.crossed_since);
        self.locked_since = since(both.is_some_and(|(b, a)| b >= a), self.locked_since);
        let middle = both.filter(|(b, a)| b < a).map(|(b, a)| ((b + a) / 2, a));
        if let Some((middle, ask)) = middle
            && (ask - middle) <= middle * COLLAR_PERCENT / 100
        {
            let jumped = self.last.is_some_and(|l| (middle - l).abs() * 100 > l * JUMP_PERCENT);
            self.jumped = if jumped { Some(now) } else { self.jumped };
            self.last = Some(middle);
        }
    }

    fn void(&mut self) {
        self.book.clear();
        (self.action, self.whole, self.lost, self.ended) = (None, false, false, false);
        self.halts.clear();
    }
}

struct Run {
    rng: Rng,
    kit: Kit<Hand>,
    page: Page,
    next: u64,
    base: i64,
    resting: Vec<u32>,
    /// Keeps such a message from the engine, once, while it trades.
    swallow: Option<fn(&MarketBody) -> bool>,
    sent: u64,
    refused: u64,
    valid: u64,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut kit = Kit::new(wide());
        kit.tokens(1, 1_000_000);
        for g in 0..2 {
            kit.session(g, model::SessionEvent::Ready { next_token: model::Token(0), proven: true });
        }
        Run {
            rng: Rng::new(seed),
            kit,
            page: Page::default(),
            next: 1,
            base: MID,
            resting: Vec::new(),
            swallow: None,
            sent: 0,
            refused: 0,
            valid: 0,
        }
    }

    fn say(&mut self, body: MarketBody) {
        let valid = self.kit.engine.instruments().of(A).validity == Validity::Valid;
        if self.swallow.take_if(|which| valid && which(&body)).is_none() {
            self.kit.market(A, body);
        }
        self.page.look(self.kit.now.0);
    }

    fn status(&mut self, status: FeedStatus) {
        self.kit.give(Input::Feed(FEED, status));
        match status {
            FeedStatus::NewSession => {
                self.page.void();
                self.page.phase = None;
            }
            FeedStatus::SnapshotBegin => self.page.void(),
            FeedStatus::Synced { .. } => (self.page.whole, self.page.ended) = (true, false),
            FeedStatus::Lost { .. } | FeedStatus::Disputed { .. } => {
                (self.page.lost, self.page.ended) = (true, false)
            }
            FeedStatus::EndOfSession => self.page.ended = true,
            _ => (self.page.whole, self.page.ended) = (false, false),
        }
        self.page.look(self.kit.now.0);
    }

    fn admin(&mut self) {
        let states = [
            TradingState::Trading,
            TradingState::Trading,
            TradingState::Trading,
            TradingState::Halted,
            TradingState::Paused,
            TradingState::QuotationOnly,
            TradingState::Unknown,
        ];
        let symbol = Symbol::BLANK;
        match self.rng.below(12) {
            0..6 => {
                let state = states[self.rng.below(7) as usize];
                self.page.action = Some(state);
                self.say(MarketBody::TradingAction { symbol, state, reason: *b"    " });
            }
            6 | 7 => {
                let market = b"QBXZ"[self.rng.below(4) as usize];
                let action = if self.rng.one_in(3) { b'H' } else { b'T' };
                if action == b'H' {
                    self.page.halts.insert(market);
                } else {
                    self.page.halts.remove(&market);
                }
                self.say(MarketBody::OperationalHalt { symbol, market, action });
            }
            8 => {
                let code = b"OSQQQQQMEC?"[self.rng.below(11) as usize];
                self.page.phase = if code == b'?' { self.page.phase } else { Some(code) };
                self.say(MarketBody::System { code });
            }
            9 if self.rng.one_in(4) => {
                self.page.action = Some(TradingState::Halted);
                self.say(MarketBody::CircuitBreaker { level: b'1' });
            }
            10 => {
                let match_number = self.rng.below(4);
                self.say(MarketBody::BrokenTrade { match_number });
            }
            _ => {
                let cross = CrossKind::Halt;
                self.say(MarketBody::Cross { qty: 1, match_number: 1, px: Px(MID), cross });
            }
        }
    }

    fn trouble(&mut self) {
        let next = self.next;
        match self.rng.below(14) {
            0 => self.status(FeedStatus::Silent),
            1 if next.is_multiple_of(4) => self.status(FeedStatus::Doubted),
            1 => self.status(FeedStatus::Recovering { from: 1, to: 2 }),
            2 if self.rng.one_in(4) => self.status(FeedStatus::EndOfSession),
            3 if self.rng.one_in(3) => self.status(FeedStatus::NewSession),
            4 if self.rng.one_in(2) => self.status(FeedStatus::SnapshotBegin),
            5 if self.rng.one_in(4) => match next % 2 {
                0 => self.status(FeedStatus::Disputed { sequence: 1 }),
                _ => self.status(FeedStatus::Lost { from: 1, to: 2 }),
            },
            6 if self.rng.one_in(4) => {
                // Of an order that nobody knows.
                self.page.lost |= true;
                self.say(MarketBody::Delete { order: VenueRef(u64::MAX) });
            }
            _ => self.status(FeedStatus::Synced { next }),
        }
    }

    fn quote(&mut self) {
        if !self.page.book.is_empty() && (self.page.book.len() > 6 || self.rng.one_in(2)) {
            let k = self.rng.below(self.page.book.len() as u64) as usize;
            let (order, ..) = self.page.book.swap_remove(k);
            return self.say(MarketBody::Delete { order: VenueRef(order) });
        }
        if self.rng.one_in(15) {
            return self.move_away();
        }
        let side = if self.rng.one_in(2) { Side::Buy } else { Side::Sell };
        // Now and then a price that crosses, or that is far away.
        let off = match self.rng.below(12) {
            0 => -100,
            1 => 0,
            2 => 100_000,
            n => n as i64 * 100,
        };
        self.rest(side, off);
    }

    /// The whole book goes, and comes back 8 percent off, or not.
    fn move_away(&mut self) {
        while let Some((order, ..)) = self.page.book.pop() {
            self.say(MarketBody::Delete { order: VenueRef(order) });
        }
        self.base = if self.rng.one_in(2) { MID } else { MID + 80_000 };
        self.rest(Side::Buy, 100);
        self.rest(Side::Sell, 100);
    }

    fn rest(&mut self, side: Side, off: i64) {
        let at = if side == Side::Buy { self.base - off } else { self.base + off };
        let order = self.next;
        self.next += 1;
        self.page.book.push((order, side, at));
        let (px, qty, mpid) = (Px(at), Qty(100), *b"    ");
        self.say(MarketBody::Add { order: VenueRef(order), px, qty, side, mpid });
    }

    fn step(&mut self) -> Result<(), String> {
        self.kit.now.0 += [0, MS, 60 * MS, 400 * MS][self.rng.below(4) as usize];
        self.kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
        match self.rng.below(10) {
            0 | 1 => self.admin(),
            2 => self.trouble(),
            _ => self.quote(),
        }
        self.ask(self.kit.now.0)
    }

    fn ask(&mut self, now: u64) -> Result<(), String> {
        let valid = self.page.is_valid(now);
        let i = *self.kit.engine.instruments().of(A);
        if (i.validity == Validity::Valid) != valid {
            return Err(format!("the engine says {:?} {:?}, the page {valid}", i.validity, i.reason));
        }
        self.valid += u64::from(valid);
        let mut asked = vec![buy(A, 1 + self.rng.below(500) as u32, MID - 10_000)];
        asked.extend(self.resting.last().map(|t| replace(*t, 7, MID - 10_100)));
        // Not of the one to be replaced: of that the cancel would wait for the answer.
        let doomed = if self.rng.one_in(4) && self.resting.len() > 1 { Some(self.resting[0]) } else { None };
        asked.extend(doomed.map(cancel));
        let sent = self.kit.ask_all(&asked);
        for command in &sent {
            match command.kind {
                CommandKind::Cancel { .. } => {}
                _ if !valid => return Err(format!("{command:?} while {:?}", i.reason)),
                _ => self.sent += 1,
            }
        }
        self.refused += self.kit.out.refusals().len() as u64;
        let why: BTreeSet<_> = self.kit.out.refusals().iter().map(|r| r.why as u8).collect();
        if valid && why.iter().any(|w| SHUT.iter().any(|s| *s as u8 == *w)) {
            return Err(format!("refused for {why:?} though valid"));
        }
        let cancels = sent.iter().filter(|c| matches!(c.kind, CommandKind::Cancel { .. })).count();
        if cancels != usize::from(doomed.is_some()) {
            return Err(format!("{cancels} cancels of {doomed:?}"));
        }
        self.settle(&sent);
        Ok(())
    }

    /// The venue answers at once: accepts what is new, refuses replaces, cancels.
    fn settle(&mut self, sent: &[model::OrderCommand]) {
        for command in sent {
            match command.kind {
                CommandKind::New { token, .. } => {
                    self.kit.accept(token.0);
                    self.resting.push(token.0);
                }
                CommandKind::Replace { token, .. } => drop(self.kit.report(token.0, rejected())),
                CommandKind::Cancel { token, .. } => {
                    let open = self.kit.order(token.0).open.0;
                    self.kit.report(token.0, canceled(open));
                    self.resting.retain(|t| *t != token.0);
                }
                CommandKind::Port { .. } => unreachable!("nobody asks for it"),
            }
        }
        if self.resting.len() > 20 {
            let token = self.resting.remove(0);
            let open = self.kit.order(token).open.0;
            self.kit.report(token, canceled(open));
        }
    }
}

/// What refuses in an instrument that is not valid, and only there.
const SHUT: [RiskReject; 4] =
    [RiskReject::NotTrading, RiskReject::MarketClosed, RiskReject::StaleMarket, RiskReject::BookSanity];

fn run(seed: u64, swallow: Option<fn(&MarketBody) -> bool>) -> Result<Run, String> {
    let mut run = Run::new(seed);
    run.swallow = swallow;
    for step in 0..1_500 {
        run.step().map_err(|why| format!("SEED={seed} step {step}: {why}"))?;
    }
    Ok(run)
}

#[test]
fn nothing_is_sent_while_it_is_not_valid() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..60,
    };
    let (mut sent, mut refused, mut valid) = (0, 0, 0);
    let mut seen = [0; Reason::COUNT];
    for seed in seeds {
        let run = run(seed, None).unwrap_or_else(|why| panic!("{why}"));
        (sent, refused, valid) = (sent + run.sent, refused + run.refused, valid + run.valid);
        let count = |why| run.kit.engine.instruments().transitions().of(Validity::Valid, why);
        Reason::ALL.into_iter().for_each(|why| seen[why as usize] += count(why));
    }
    assert!(sent > 1_000 && refused > 1_000 && valid > 1_000, "{sent} {refused} {valid}");
    // What the walk meets is come back from: but for what a new session or a snapshot stands behind, and what ends a day.
    for why in Reason::ALL {
        let behind = matches!(
            why,
            Reason::Start
                | Reason::Lost
                | Reason::Disputed
                | Reason::EndOfSession
                | Reason::NewSession
                | Reason::Snapshot
                | Reason::OverReduced
                | Reason::UnknownOrder
                | Reason::DuplicateOrder
                | Reason::BadPrice
                | Reason::BookFull
                | Reason::Journal
        );
        assert!(behind || seen[why as usize] > 0, "{why:?}: {}", seen[why as usize]);
    }
}

#[test]
fn the_canary_an_engine_that_misses_a_message_is_caught() {
    let halt: fn(&MarketBody) -> bool =
        |b| matches!(b, MarketBody::TradingAction { state: TradingState::Halted, .. });
    let quote: fn(&MarketBody) -> bool = |b| matches!(b, MarketBody::Delete { .. });
    let phase: fn(&MarketBody) -> bool = |b| matches!(b, MarketBody::System { code: b'M' });
    for (what, swallow) in [("halt", halt), ("delete", quote), ("close", phase)] {
        let caught = (0..20).filter(|seed| run(*seed, Some(swallow)).is_err()).count();
        assert!(caught > 0, "{what}");
    }
}
