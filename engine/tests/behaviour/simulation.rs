//! Random strategies against the tiny venue: what must hold at every step holds, and a second engine does the same.
//!
//! After every step:
//!
//! * each side's exposure is the sum over its orders, recomputed from nothing;
//! * what the engine has traded and reserved covers what the venue has traded and may trade, whatever is in flight or unknown;
//! * a step takes the worst-case position beyond the limit only where the venue broke a trade;
//! * tokens of new orders and replaces strictly increase, and nothing is sent while the session is down;
//! * no contradiction was found, for the venue keeps the rules, but for a new session of the venue, which halts where orders are open;
//! * the order states that a reader makes of the journal are the engine's, and so are the orders, positions and marks of an engine that follows it without the strategy;
//! * a second engine fed the same inputs sent the same commands and has the same hash.
//!
//! At rest (nothing in transit, all delivered): open orders, positions and cash are the venue's.
//!
//! `SEED=n` runs one seed; a failure names its own. The canaries at the bottom prove that the checks can fail.

use engine::strategy::{Intent, Observer};
use engine::{Lives, Order, OrderState, RiskLimits};
use model::{
    CommandKind, Control, ExecutionReport, FeedStatus, HaltReason, Input, InstrumentId, Nanos, OrderCommand,
    PortRequest, Px, Qty, ReportKind, SessionEvent, Side, Tif, Token,
};

use crate::kit::*;
use crate::venue::Venue;

const STEPS: u32 = 3_000;
const MAX_POSITION: i64 = 500;

/// What to do wrong on purpose.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The first fill after this many is never delivered.
    LoseFill(u32),
    /// The same, of cancellations that end an order (a part's may be made good by the next replace, which names what is open).
    LoseCancel(u32),
    /// Who follows the journal is not told what was sent.
    ShadowMissesCommands,
    /// The second engine misses one timer.
    TwinMissesAnInput,
    /// The venue fills the last order once more than it was.
    TwiceInTheAccount,
}

struct World {
    rng: Rng,
    kit: Kit<Hand>,
    twin: Kit<Hand>,
    /// What a reader of the journal would know.
    lives: Lives,
    shadow: Kit<Observer>,
    venue: Venue,
    delivered: usize,
    connected: bool,
    last_token: u32,
    quotes: Vec<(InstrumentId, model::VenueRef)>,
    fault: Fault,
    /// The highest report delivered: losing one that was seen before would lose nothing.
    seen: u64,
    lost: Option<u64>,
    broke: bool,
    sent: u64,
    rests: u64,
    /// Sessions that the venue began while orders were open.
    rolled: u64,
}

type Check = Result<(), String>;

macro_rules! check {
    ($holds:expr, $($say:tt)+) => {
        if !$holds {
            return Err(format!($($say)+));
        }
    };
}

impl World {
    fn new(seed: u64, fault: Fault) -> World {
        let limits = RiskLimits {
            max_position: MAX_POSITION,
            max_open_orders: 24,
            duplicate_window: Nanos(1_000),
            ..wide()
        };
        let mut w = World {
            rng: Rng::new(seed),
            kit: Kit::ready(limits),
            twin: Kit::ready(limits),
            lives: Lives::new(256, 3),
            shadow: Kit::over(limits, Observer),
            venue: Venue::default(),
            delivered: 0,
            connected: true,
            last_token: 0,
            quotes: Vec::new(),
            fault,
            seen: 0,
            lost: None,
            broke: false,
            sent: 0,
            rests: 0,
            rolled: 0,
        };
        w.kit.tokens(10_000, 100_000);
        w.twin.tokens(10_000, 100_000);
        w.shadow.start();
        w.shadow.tokens(10_000, 100_000);
        w.shadow.quote(B, Side::Buy, 1_000, MID - 100);
        w.shadow.quote(B, Side::Sell, 1_000, MID + 100);
        for kit in [&mut w.kit, &mut w.twin] {
            kit.quote(B, Side::Buy, 1_000, MID - 100);
            kit.quote(B, Side::Sell, 1_000, MID + 100);
        }
        w
    }

    fn give(&mut self, input: Input) -> Check {
        let commands = self.kit.give(input);
        self.follow(&input, &commands)?;
        if self.fault == Fault::TwinMissesAnInput && self.kit.engine.stats().inputs == 1_000 {
            return self.route(commands);
        }
        let twins = self.twin.give(input);
        check!(commands == twins, "the twin sent {twins:?}, not {commands:?}");
        self.route(commands)
    }

    /// The journal's input and what came of it tell each order's state.
    fn follow(&mut self, input: &Input, commands: &[OrderCommand]) -> Check {
        let now = self.kit.now;
        match input {
            Input::Report(r) => self.lives.on_report(now, r),
            Input::Session(gateway, event) => self.lives.on_session(*gateway, *event),
            Input::Control(control) => self.lives.on_control(*control),
            Input::Market(..) | Input::Feed(..) | Input::Timer => &[],
        };
        self.shadow.now = now;
        self.shadow.give(*input);
        for c in commands {
            self.lives.on_command(now, c);
            if self.fault != Fault::ShadowMissesCommands {
                self.shadow.engine.follow(now, c);
            }
        }
        let of = |o: &Order| (o.id, o.token, o.state(), o.open, o.executed, o.px);
        let mut told: Vec<_> = self.lives.open().map(of).collect();
        let mut are: Vec<_> = self.kit.engine.orders().iter().map(of).collect();
        told.sort_by_key(|o| o.0);
        are.sort_by_key(|o| o.0);
        check!(told == are, "the journal tells {told:?}, and it is {are:?}");
        let shadow = &self.shadow.engine;
        let mut followed: Vec<_> = shadow.orders().iter().map(of).collect();
        followed.sort_by_key(|o| o.0);
        check!(followed == are, "who follows has {followed:?}, and it is {are:?}");
        let (p, q) = (shadow.positions(), self.kit.engine.positions());
        check!(
            p.all() == q.all() && p.pnl() == q.pnl(),
            "who follows has {:?}, it is {:?}",
            p.all(),
            q.all()
        );
        let tops = ([A, B].map(|id| shadow.top(id)), [A, B].map(|id| self.kit.engine.top(id)));
        check!(tops.0 == tops.1, "who follows has the best prices {:?}, they are {:?}", tops.0, tops.1);
        Ok(())
    }

    fn route(&mut self, commands: Vec<OrderCommand>) -> Check {
        for c in commands {
            check!(self.connected, "sent while disconnected: {c:?}");
            if !matches!(c.kind, CommandKind::Cancel { .. }) {
                check!(c.token().0 > self.last_token, "token {} after {}", c.token(), self.last_token);
                self.last_token = c.token().0;
            }
            self.sent += 1;
            self.venue.in_transit.push_back(c);
        }
        Ok(())
    }

    fn intent(&mut self) -> Intent {
        let open: Vec<Order> = self.kit.engine.orders().iter().copied().collect();
        let id = if self.rng.one_in(3) { B } else { A };
        let (qty, off) = (1 + self.rng.below(150) as u32, 100 + self.rng.below(20) as i64 * 100);
        let (side, px) = if self.rng.one_in(2) { (Side::Buy, MID - off) } else { (Side::Sell, MID + off) };
        let tif = if self.rng.one_in(8) { Tif::Ioc } else { Tif::Day };
        let new = Intent::New { instrument: id, side, qty: Qty(qty), px: Px(px), tif };
        if open.is_empty() || self.rng.one_in(3) {
            return new;
        }
        let o = open[self.rng.below(open.len() as u64) as usize];
        match self.rng.below(4) {
            0 => Intent::Cancel { order: o.id },
            1 => Intent::Reduce { order: o.id, qty: Qty(self.rng.below(u64::from(o.open.0) + 1) as u32) },
            _ => Intent::Replace { order: o.id, qty: Qty(qty), px: Px(MID - o.side.sign() * off) },
        }
    }

    fn step(&mut self) -> Check {
        let past = self.rng.below(1_000_000);
        self.kit.now.0 += past;
        self.twin.now = self.kit.now;
        let worst = self.worst();
        self.broke = false;
        match self.rng.below(100) {
            0..=29 => {
                let n = 1 + self.rng.below(4);
                let intents: Vec<Intent> = (0..n).map(|_| self.intent()).collect();
                self.kit.hand().next.extend_from_slice(&intents);
                self.twin.hand().next.extend_from_slice(&intents);
                self.give(Input::Timer)?;
            }
            30..=49 => self.venue.process(&mut self.rng),
            50..=59 => self.venue.act(&mut self.rng),
            60..=84 => self.deliver()?,
            85..=89 => self.give(Input::Feed(FEED, FeedStatus::Heartbeat))?,
            90..=92 => self.move_book()?,
            93 => self.venue.break_trade(&mut self.rng),
            94 if self.rng.one_in(2) => {
                let request = PortRequest::MassCancel;
                self.give(Input::Control(Control::Port { gateway: GATEWAY, request }))?;
            }
            94 => self.give(Input::Control(Control::CancelAll))?,
            95 => self.give(Input::Control(Control::Halt(HaltReason::Operator)))?,
            96 => self.give(Input::Control(Control::Resume))?,
            97 if self.rng.one_in(8) => self.roll_over()?,
            97 => self.disconnect()?,
            98 if !self.connected => self.connect(true)?,
            _ => self.settle()?,
        }
        if self.kit.engine.halted().is_some() && self.rng.one_in(4) {
            self.give(Input::Control(Control::Resume))?;
        }
        self.holds(worst)
    }

    fn move_book(&mut self) -> Check {
        if self.quotes.len() > 6 || (!self.quotes.is_empty() && self.rng.one_in(2)) {
            let (id, order) = self.quotes.swap_remove(0);
            let body = model::MarketBody::Delete { order };
            return self.give(market(id, body));
        }
        let id = if self.rng.one_in(2) { A } else { B };
        let (side, px) = if self.rng.one_in(2) { (Side::Buy, MID - 50) } else { (Side::Sell, MID + 50) };
        let order = model::VenueRef(500 + self.kit.engine.stats().inputs);
        self.quotes.push((id, order));
        let body = model::MarketBody::Add { order, px: Px(px), qty: Qty(100), side, mpid: *b"    " };
        self.give(market(id, body))
    }

    fn deliver(&mut self) -> Check {
        if !self.connected || self.delivered == self.venue.stream.len() {
            return Ok(());
        }
        let report = self.venue.stream[self.delivered];
        self.delivered += 1;
        let first_time = report.seq > self.seen;
        self.seen = self.seen.max(report.seq);
        let lose = first_time
            && match (&mut self.fault, report.kind) {
                (Fault::LoseFill(n), ReportKind::Executed { .. })
                | (Fault::LoseCancel(n), ReportKind::Canceled { reason: b'U', .. }) => {
                    *n = n.wrapping_sub(1);
                    *n == 0
                }
                _ => false,
            };
        if lose {
            self.lost = Some(report.seq);
        }
        if self.lost == Some(report.seq) {
            return Ok(()); // nor by any replay
        }
        self.broke |= matches!(report.kind, ReportKind::Broken { .. });
        self.give(Input::Report(report))
    }

    fn disconnect(&mut self) -> Check {
        if !self.connected {
            return Ok(());
        }
        self.connected = false;
        // Some of what is in transit arrives, the rest never does.
        for _ in 0..self.rng.below(self.venue.in_transit.len() as u64 + 1) {
            self.venue.process(&mut self.rng);
        }
        self.venue.in_transit.clear();
        self.give(Input::Session(GATEWAY, SessionEvent::Disconnected))
    }

    /// Logs in. Where it may be a quiet spell that ends the replay, that comes in the middle of it.
    fn connect(&mut self, quiet_may_end_it: bool) -> Check {
        self.give(Input::Session(GATEWAY, SessionEvent::LoggedIn))?;
        self.connected = true;
        // A replay from an earlier point than need be: what was seen must not count again.
        self.delivered -= self.rng.below(self.delivered.min(5) as u64 + 1) as usize;
        let proven = !(quiet_may_end_it && self.rng.one_in(2));
        let all = self.venue.stream.len();
        let upto = if proven {
            all
        } else {
            self.delivered + self.rng.below((all - self.delivered) as u64 + 1) as usize
        };
        while self.delivered < upto {
            self.deliver()?;
        }
        // The answer to a query, if there is one, knows of what was said before it.
        let used = |r: &ExecutionReport| match r.kind {
            ReportKind::Accepted { .. } | ReportKind::Replaced { .. } | ReportKind::Rejected { .. } => {
                r.token.0
            }
            _ => 0,
        };
        let highest = self.venue.stream[..upto].iter().map(used).max().unwrap_or(0);
        let next_token = if self.rng.one_in(2) { Token(highest + 1) } else { Token(0) };
        self.give(Input::Session(GATEWAY, SessionEvent::Ready { next_token, proven }))
    }

    /// The venue begins another session, of which nothing is missed but what became of requests.
    fn roll_over(&mut self) -> Check {
        self.disconnect()?;
        let told_later = |r: &ExecutionReport| {
            matches!(
                r.kind,
                ReportKind::Executed { .. } | ReportKind::Broken { .. } | ReportKind::Modified { .. }
            )
        };
        if self.venue.stream[self.delivered.min(self.seen as usize)..].iter().any(told_later) {
            return Ok(());
        }
        self.venue.roll_over();
        (self.delivered, self.seen) = (0, 0);
        self.rolled += u64::from(self.kit.engine.orders().open() > 0);
        self.give(Input::Session(GATEWAY, SessionEvent::NewSession))?;
        self.connect(false)
    }

    fn is_at_rest(&self) -> bool {
        self.venue.in_transit.is_empty()
            && self.delivered == self.venue.stream.len()
            && !self.kit.has_backlog()
    }

    /// Lets everything in flight arrive, then compares with the venue.
    fn settle(&mut self) -> Check {
        if !self.connected {
            self.connect(false)?;
        }
        loop {
            while !self.is_at_rest() {
                self.venue.process(&mut self.rng);
                self.deliver()?;
                if self.kit.has_backlog() {
                    self.give(Input::Timer)?;
                }
            }
            let Some(order) = self.kit.engine.orders().iter().find(|o| o.is_unsettled()).copied() else {
                break;
            };
            let names = [Some(order.token), order.replace.map(|r| r.token)];
            let lives = names.into_iter().flatten().any(|t| self.venue.live.contains_key(&t.0));
            match (order.is_orphaned(), lives) {
                (true, true) => self.give(Input::Control(Control::CancelAll))?,
                (true, false) => self.give(Input::Control(Control::WriteOff { token: order.token }))?,
                (false, _) => {
                    self.disconnect()?;
                    self.connect(false)?;
                }
            }
        }
        while self.kit.engine.halted().is_some() {
            self.give(Input::Control(Control::Resume))?;
        }
        self.rests += 1;
        let engine = &self.kit.engine;
        let ours: Vec<_> = engine.orders().iter().collect();
        check!(ours.len() == self.venue.live.len(), "open {ours:?}, at the venue {:?}", self.venue.live);
        for o in ours {
            let Some(v) = self.venue.live.get(&o.token.0) else { return Err(format!("not there: {o:?}")) };
            let same = (o.instrument, o.side, o.px, o.open.0) == (v.instrument, v.side, v.px, v.open);
            check!(same && o.state() == OrderState::Live && o.reserved() == o.open, "{o:?} is {v:?}");
        }
        for id in [A, B] {
            let (p, a) =
                (engine.positions().of(id), self.venue.accounts.get(&id.0).copied().unwrap_or_default());
            let same = (p.bought, p.sold, p.cash.0) == (a.bought, a.sold, a.cash);
            check!(same && p.shares == a.bought as i64 - a.sold as i64, "{p:?} is {a:?}");
        }
        Ok(())
    }

    /// The furthest position either way, were every order of that side to fill.
    fn worst(&self) -> [i64; 4] {
        let of = |id, side| {
            let e = self.kit.engine.orders().exposure(id);
            let shares = self.kit.engine.positions().of(id).shares;
            match side {
                Side::Buy => shares + e.buy as i64,
                Side::Sell => e.sell as i64 - shares,
            }
        };
        [of(A, Side::Buy), of(A, Side::Sell), of(B, Side::Buy), of(B, Side::Sell)]
    }

    fn holds(&mut self, before: [i64; 4]) -> Check {
        let engine = &self.kit.engine;
        for id in [A, B] {
            let (e, p) = (engine.orders().exposure(id), engine.positions().of(id));
            for (side, kept, done) in [(Side::Buy, e.buy, p.bought), (Side::Sell, e.sell, p.sold)] {
                let of_side = engine.orders().of(id).filter(|o| o.side == side);
                let sum: u64 = of_side.map(|o| u64::from(o.reserved().0)).sum();
                check!(kept == sum, "exposure {kept}, by the orders {sum}");
                let at_venue = self.venue.committed(id, side);
                check!(done + kept >= at_venue, "{id} {side:?}: covers {done} + {kept}, not {at_venue}");
            }
        }
        for (now, before) in self.worst().into_iter().zip(before) {
            check!(self.broke || now <= before.max(MAX_POSITION), "worst position {before} became {now}");
        }
        let (halted, bad) = (engine.halted(), engine.stats().anomalies);
        let lost = engine.orders().iter().any(Order::is_orphaned);
        check!(
            !lost || halted == Some(HaltReason::Reconciliation),
            "{halted:?} with orders of a lost session"
        );
        let ours = bad == 0 && !matches!(halted, Some(r) if r != HaltReason::Operator);
        check!(ours || self.rolled > 0, "{halted:?}, {bad}");
        let (a, b) = (engine.state_hash(), self.twin.engine.state_hash());
        check!(a == b, "hashes differ: {a:x} and {b:x}");
        Ok(())
    }
}

fn market(instrument: InstrumentId, body: model::MarketBody) -> Input {
    Input::Market(FEED, model::MarketEvent { ts_event: Nanos(1), instrument, body })
}

fn run(seed: u64, fault: Fault) -> Result<World, String> {
    let mut w = World::new(seed, fault);
    for n in 0..STEPS {
        w.step().map_err(|e| format!("SEED={seed} step {n}: {e}"))?;
    }
    if fault == Fault::TwiceInTheAccount {
        w.venue.accounts.entry(0).or_default().bought += 1;
    }
    w.settle().map_err(|e| format!("SEED={seed} at the end: {e}"))?;
    Ok(w)
}

#[test]
fn whatever_happens_the_books_balance() {
    let seeds: Vec<u64> = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (1..=100).collect(),
    };
    let (mut rolled, mut unsettled) = (0, 0);
    for seed in seeds {
        let w = run(seed, Fault::None).unwrap_or_else(|e| panic!("{e}"));
        let s = w.kit.engine.stats();
        // It did something.
        assert!(w.sent > 500 && s.fills > 50 && s.rejected > 10 && w.rests > 10, "SEED={seed}: {s:?}");
        assert!(s.replaces > 50 && s.cancels > 50 && s.duplicate_reports > 0, "SEED={seed}: {s:?}");
        (rolled, unsettled) = (rolled + w.rolled, unsettled + s.unsettled);
    }
    assert!(
        rolled > 0 && unsettled > 0,
        "{rolled} sessions begun with orders open, {unsettled} orders unsettled"
    );
}

#[test]
fn canary_a_report_dropped_is_found() {
    for seed in 1..=8 {
        for fault in [Fault::LoseFill(20), Fault::LoseCancel(20)] {
            let lost = run(seed, fault).map(|w| w.lost);
            assert!(lost.is_err(), "SEED={seed}: a lost report went unseen: {lost:?}");
        }
    }
}

#[test]
fn canary_a_twin_that_missed_an_input_is_found() {
    assert!(run(1, Fault::TwinMissesAnInput).is_err());
}

#[test]
fn canary_who_follows_and_is_not_told_what_was_sent_is_found() {
    assert!(run(1, Fault::ShadowMissesCommands).is_err());
}

#[test]
fn canary_an_account_that_differs_is_found() {
    assert!(run(1, Fault::TwiceInTheAccount).is_err());
}
