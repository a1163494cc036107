//! One day: history and engine in the order of time.
//!
//! What is due at one time comes in this order: history at the venue, our requests at the venue, then at the strategy the feed, reports, and a timer. So a run hangs on
//! nothing but its settings and history.
//!
//! Where the feed shows history as it was, always as late, and no report comes sooner, venue and strategy share one book: see `shared`. What comes of a day is the same.

mod shared;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use engine::strategy::Strategy;
use engine::{Engine, EngineConfig, Outbox};
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, MarketEvent, Nanos,
    OrderCommand, SessionEvent, Token,
};

use crate::latency::{Latency, Way};
use crate::venue::{Floor, Impact, Rules, Said, Venue, VenueCounts};

/// What a day is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The engine's: one feed, for there is one history.
    pub engine: EngineConfig,
    /// The venue's.
    pub rules: Rules,
    /// The legs.
    pub latency: Latency,
    /// The venue's midnight, ns since the Unix epoch: its stamps count from there.
    pub midnight: Nanos,
}

/// Settings that no day can be run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// History is one stream.
    #[error("{0} feeds: a day has one history")]
    Feeds(usize),
    /// A leg.
    #[error("{0} leg: {1}")]
    Leg(&'static str, crate::latency::LatencyError),
}

impl Settings {
    /// Whether a day can be run with them.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.engine.feeds != 1 {
            return Err(SettingsError::Feeds(self.engine.feeds));
        }
        let legs =
            [("feed", &self.latency.feed), ("order", &self.latency.order), ("report", &self.latency.report)];
        legs.into_iter().try_for_each(|(name, leg)| leg.check().map_err(|e| SettingsError::Leg(name, e)))
    }
}

/// Looks on while a day runs.
pub trait Watch<S: Strategy> {
    /// The engine sent this at `now`.
    fn on_command(&mut self, _now: Nanos, _command: &OrderCommand, _engine: &Engine<S>) {}

    /// The engine has taken a report in.
    fn on_report(&mut self, _now: Nanos, _report: &ExecutionReport, _engine: &Engine<S>) {}

    /// A market event is about to be taken in at `now`: until then the book was as the engine has it.
    #[inline]
    fn before_market(&mut self, _now: Nanos, _engine: &Engine<S>) {}

    /// The engine has taken a market event in.
    #[inline]
    fn on_market(&mut self, _now: Nanos, _event: &MarketEvent, _engine: &Engine<S>) {}
}

/// Nobody looks on.
pub struct Nobody;

impl<S: Strategy> Watch<S> for Nobody {}

const FEED: FeedId = FeedId(0);
/// At no time.
const NEVER: Nanos = Nanos(u64::MAX);

/// What a day came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Messages of history.
    pub messages: u64,
    /// Inputs of the engine.
    pub inputs: u64,
    /// Commands that it sent.
    pub commands: u64,
    /// At the venue.
    pub venue: VenueCounts,
    /// The engine's at the end.
    pub state_hash: u64,
    /// Over every command and its time: equal where two runs decided the same.
    pub commands_hash: u64,
}

/// The venue, and whose books it looks at.
enum Hall {
    /// Its own: the strategy's are behind them by what the feed leg takes of each message.
    Own(Box<Venue>),
    /// The engine's: it is as far behind history as the strategy is, by so much.
    Shared(Box<Floor>, Nanos),
}

impl Hall {
    fn floor(&self) -> &Floor {
        match self {
            Hall::Own(venue) => venue.floor(),
            Hall::Shared(floor, _) => floor,
        }
    }
}

/// A day under way.
pub struct Day<S, W> {
    engine: Engine<S>,
    hall: Hall,
    watch: W,
    out: Outbox,
    said: Said,
    feed: Way,
    order: Way,
    report: Way,
    midnight: Nanos,
    /// On its way to the strategy, by arrival.
    shown: VecDeque<(Nanos, MarketEvent)>,
    /// On its way to the venue, by arrival; and to the strategy.
    requests: VecDeque<(Nanos, OrderCommand)>,
    reports: VecDeque<(Nanos, ExecutionReport)>,
    messages: u64,
    commands: u64,
    commands_hash: u64,
    /// History is over: what the strategy asks for now reaches nobody.
    is_over: bool,
}

impl<S: Strategy, W: Watch<S>> Day<S, W> {
    /// A day before its first message.
    ///
    /// # Errors
    /// [`SettingsError`].
    ///
    /// # Panics
    /// Where the engine's configuration contradicts itself ([`Engine::new`]).
    pub fn new(settings: &Settings, strategy: S, watch: W) -> Result<Day<S, W>, SettingsError> {
        settings.check()?;
        let (config, latency) = (&settings.engine, &settings.latency);
        let way = |leg, number| Way::new(leg, latency.seed, number);
        let (rules, book, gateways) = (settings.rules, &config.book, config.gateways);
        let hall = match latency.lag().filter(|_| rules.impact == Impact::None) {
            Some(lag) => Hall::Shared(Box::new(Floor::new(rules, book.instruments, gateways)), lag),
            None => Hall::Own(Box::new(Venue::new(rules, book, gateways))),
        };
        Ok(Day {
            engine: Engine::new(config, strategy),
            hall,
            watch,
            out: Outbox::default(),
            said: Said::default(),
            feed: way(&latency.feed, 1),
            order: way(&latency.order, 2),
            report: way(&latency.report, 3),
            midnight: settings.midnight,
            shown: VecDeque::new(),
            requests: VecDeque::new(),
            reports: VecDeque::new(),
            messages: 0,
            commands: 0,
            commands_hash: 0,
            is_over: false,
        })
    }

    /// Runs history through it, whose stamps do not fall: one that does counts as the one before it. What is under way at the end arrives; what is asked for then is not
    /// sent any more.
    pub fn run(mut self, history: impl IntoIterator<Item = MarketEvent>) -> (Ran, Engine<S>, W) {
        match self.hall {
            Hall::Own(_) => self.run_apart(history.into_iter()),
            Hall::Shared(_, lag) => self.run_shared(history.into_iter(), lag),
        }
        let ran = Ran {
            messages: self.messages,
            inputs: self.engine.stats().inputs,
            commands: self.commands,
            venue: self.hall.floor().counts(),
            state_hash: self.engine.state_hash(),
            commands_hash: self.commands_hash,
        };
        (ran, self.engine, self.watch)
    }

    /// Through a venue with books of its own.
    fn run_apart(&mut self, history: impl Iterator<Item = MarketEvent>) {
        let mut history = history.peekable();
        let mut at = self.midnight.after(history.peek().map_or(Nanos::ZERO, |ev| ev.ts_event));
        self.begin(at);
        for ev in history {
            at = at.max(self.midnight.after(ev.ts_event));
            if self.is_due_before(at) {
                self.work_off(at);
            }
            self.messages += 1;
            let Hall::Own(venue) = &mut self.hall else { unreachable!("run says which") };
            if venue.on_market(&ev, &mut self.said) {
                let arrival = self.feed.arrival(at);
                self.shown.push_back((arrival, ev));
            }
            self.carry(at);
        }
        self.is_over = true;
        while !(self.shown.is_empty() && self.requests.is_empty() && self.reports.is_empty()) {
            let latest = [
                self.shown.back().map(|s| s.0),
                self.requests.back().map(|r| r.0),
                self.reports.back().map(|r| r.0),
            ];
            let latest = latest.into_iter().flatten().max().unwrap_or(at);
            self.work_off(latest.after(Nanos(1)));
        }
    }

    /// Tokens, sessions that take orders, and a feed that is whole.
    fn begin(&mut self, now: Nanos) {
        self.input(now, &Input::Control(Control::Tokens { first: Token(1), end: Token(u32::MAX) }));
        let mut gateway = 0;
        while usize::from(gateway) < self.hall.floor().gateways() {
            let event = SessionEvent::Ready { next_token: Token(0), proven: true };
            self.input(now, &Input::Session(GatewayId(gateway), event));
            gateway += 1;
        }
        self.input(now, &Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
    }

    #[inline]
    fn is_due_before(&self, at: Nanos) -> bool {
        self.shown.front().is_some_and(|s| s.0 < at)
            || self.requests.front().is_some_and(|r| r.0 < at)
            || self.reports.front().is_some_and(|r| r.0 < at)
            || self.engine.next_timer().is_some_and(|t| t < at)
    }

    /// All that is due before `until`, in its order.
    fn work_off(&mut self, until: Nanos) {
        loop {
            let request = self.requests.front().map_or(NEVER, |r| r.0);
            let shown = self.shown.front().map_or(NEVER, |s| s.0);
            let report = self.reports.front().map_or(NEVER, |r| r.0);
            let timer = self.engine.next_timer().unwrap_or(NEVER);
            let next = request.min(shown).min(report).min(timer);
            if next >= until {
                return;
            }
            if request == next {
                self.ask();
            } else if shown == next {
                if let Some((at, ev)) = self.shown.pop_front() {
                    self.watch.before_market(at, &self.engine);
                    self.engine.decide_market(at, FEED, &ev, &mut self.out);
                    self.engine.account(&mut self.out);
                    self.send(at);
                    self.watch.on_market(at, &ev, &self.engine);
                }
            } else if report == next {
                self.hear();
            } else {
                self.input(timer.max(self.engine.now()), &Input::Timer);
            }
        }
    }

    /// The next request is at the venue.
    fn ask(&mut self) {
        let Some((at, command)) = self.requests.pop_front() else { return };
        let now = Nanos(at.since(self.midnight).0);
        match &mut self.hall {
            Hall::Own(venue) => venue.on_command(now, &command, &mut self.said),
            Hall::Shared(floor, _) => {
                floor.on_command(self.engine.books_of(FEED), now, &command, &mut self.said);
            }
        }
        self.carry(at);
    }

    /// The next report is at the strategy.
    fn hear(&mut self) {
        let Some((at, report)) = self.reports.pop_front() else { return };
        self.input(at, &Input::Report(report));
        self.watch.on_report(at, &report, &self.engine);
    }

    /// Sends what the venue said at `at` on its way.
    #[inline]
    fn carry(&mut self, at: Nanos) {
        if !(self.said.reports.is_empty() && self.said.events.is_empty()) {
            self.carry_all(at);
        }
    }

    fn carry_all(&mut self, at: Nanos) {
        for report in self.said.reports.drain(..) {
            self.reports.push_back((self.report.arrival(at), report));
        }
        for ev in self.said.events.drain(..) {
            self.shown.push_back((self.feed.arrival(at), ev));
        }
    }

    fn input(&mut self, now: Nanos, input: &Input) {
        self.engine.apply(now, input, &mut self.out);
        self.send(now);
    }

    /// Sends what the input at `now` caused.
    #[inline]
    fn send(&mut self, now: Nanos) {
        if !self.out.is_empty() {
            self.send_all(now);
        }
    }

    fn send_all(&mut self, now: Nanos) {
        for k in 0..self.out.commands().len() {
            if self.is_over {
                break;
            }
            let command = *self.out.commands()[k].command();
            self.commands += 1;
            self.note(now, &command);
            self.watch.on_command(now, &command, &self.engine);
            self.requests.push_back((self.order.arrival(now), command));
        }
        self.out.clear();
    }

    fn note(&mut self, now: Nanos, c: &OrderCommand) {
        let mut word = |w: u64| {
            let z = (self.commands_hash ^ w).wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            self.commands_hash = z ^ (z >> 27);
        };
        word(now.0);
        word(u64::from(c.gateway.0) << 32 | u64::from(c.instrument.0));
        match c.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                word(1 << 48 | u64::from(short) << 40 | (side as u64) << 32 | u64::from(token.0));
                word(px.0.cast_unsigned());
                word((tif as u64) << 32 | u64::from(qty.0));
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                word(2 << 48 | u64::from(token.0));
                word(px.0.cast_unsigned());
                word((tif as u64) << 32 | u64::from(qty.0));
                word(old.0.into());
            }
            CommandKind::Cancel { token, qty } => word(3 << 48 | u64::from(qty.0) << 32 ^ u64::from(token.0)),
            CommandKind::Port { token, request } => {
                word(4 << 48 | (request as u64) << 32 | u64::from(token.0))
            }
        }
    }
}
