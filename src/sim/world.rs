//! Core, venue, network, disk and clocks of one seed, and the step in which each of them moves once.

use std::path::Path;
use std::sync::Arc;

use model::{BreakerLevel, Control, HaltReason, Symbol};

use super::canary::Canary;
use super::clocks::Decisions;
use super::crash;
use super::faults::{LINES, MS, Plan, Storm};
use super::figures::Figures;
use super::judge::Judge;
use super::lines::Lines;
use super::oracle::levels::Levels;
use super::oracle::pace::Pace;
use super::oracle::requests::{Bounds, Requests};
use super::oracle::{Check, Invariant, Violation, violated};
use super::process::{Disk, DiskState, HostError, Process, configure};
use super::rules::Rules;
use super::streams::{Around, Streams};
use super::trace::Trace;
use crate::agent::Agent;
use crate::agents::Farewell;
use crate::config::Config;
use crate::exchange::accounts::Credentials;
use crate::exchange::faults::LineFaults;
use crate::exchange::flow::Flow;
use crate::exchange::flow::generated::{GeneratedFlow, Recipe};
use crate::exchange::glimpse::SnapshotFaults;
use crate::exchange::market::MarketRules;
use crate::exchange::rng::Rng;
use crate::exchange::{Venue, VenueConfig};

/// The venue's time at the start: some hours after its midnight.
const MORNING: u64 = 9 * 3_600_000_000_000;
/// That midnight, ns since the Unix epoch.
const MIDNIGHT: u64 = 20_700 * 86_400_000_000_000;
/// Duty cycles of the core in a step at most: what is left then waits for the next one.
const ROUNDS: usize = 64;
/// With nothing in its way the core comes to rest within this, ns: the longest wait before a connection or a snapshot is tried again, several times over.
const REST_WITHIN: u64 = 150_000 * MS;

/// What a seed is run with.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) rules: Rules,
    pub(super) canary: Option<Canary>,
}

/// Why a seed does not go on.
pub(super) enum Stop {
    /// An invariant does not hold.
    Violated(Violation),
    /// The host refuses something that the simulator stands on.
    Host(HostError),
}

impl From<Violation> for Stop {
    fn from(v: Violation) -> Stop {
        Stop::Violated(v)
    }
}

impl From<HostError> for Stop {
    fn from(e: HostError) -> Stop {
        Stop::Host(e)
    }
}

pub(super) type Outcome<T = ()> = Result<T, Stop>;

/// See the module.
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) rng: Rng,
    pub(super) venue: Venue,
    pub(super) lines: Lines,
    pub(super) streams: Streams,
    pub(super) process: Option<Process>,
    pub(super) judge: Judge,
    pub(super) requests: Requests,
    pub(super) pace: Pace,
    pub(super) levels: Levels,
    pub(super) trace: Trace,
    pub(super) decisions: Decisions,
    pub(super) disk: DiskState,
    pub(super) figures: Figures,
    pub(super) storm: Storm,
    storm_began: u64,
    counter: quanta::Clock,
    hands: Arc<quanta::Mock>,
    /// The true time; the venue's is the same.
    pub(super) now: u64,
    /// The wall clock minus the true time, ns.
    pub(super) wall_error: i64,
    pub(super) step: u64,
    /// Feed, strategy, gateway: stand still until that step.
    pub(super) stalled: [u64; 3],
    /// When the disk is well again, where it is only full.
    pub(super) disk_until: u64,
    core_now: u64,
}

impl World {
    /// A venue that is open, and a core that has not started.
    pub(super) fn new(folder: &Path, name: &str, seed: u64, canary: Option<Canary>) -> Outcome<World> {
        let mut rng = Rng::new(seed, 0x51A);
        let plan = Plan::draw(&mut rng);
        let rules = Rules::draw(seed);
        let config = configure(folder, name, seed, plan.trades_every, |written| rules.write(written))?;
        Ok(World::of(Setup { config, plan, rules, canary }, seed, rng))
    }

    /// As [`World::new`], of a plan and a configuration that are not drawn.
    pub(super) fn of(setup: Setup, seed: u64, rng: Rng) -> World {
        let Setup { config, plan, rules, canary } = &setup;
        let symbols: Vec<Symbol> = config.instruments.iter().map(|i| i.symbol).collect();
        let mut listed = symbols.clone();
        // One that the core does not trade, and the least active.
        listed.push(Symbol(*b"TSLA    "));
        let venue = Venue::new(venue(plan, listed, seed), MORNING);
        let limits = config.limits;
        let bounds = Bounds {
            position: limits.max_position,
            quantity: limits.max_order_quantity.0,
            orders: limits.max_open_orders as usize,
        };
        let (counter, hands) = quanta::Clock::mock();
        let mut streams = Streams::new(plan.delay);
        streams.canary = *canary;
        World {
            lines: Lines::new(plan.buffer_bytes),
            streams,
            process: None,
            judge: Judge::new(symbols, rules.loss),
            requests: Requests::new(bounds),
            pace: Pace::new(rules.throttle.clone()),
            levels: Levels::new(rules.by_fills()),
            trace: Trace::new(),
            disk: DiskState::default(),
            figures: Figures::default(),
            storm: Storm::calm(),
            storm_began: MORNING,
            counter,
            hands,
            now: MORNING,
            wall_error: 0,
            step: 0,
            stalled: [0; 3],
            disk_until: 0,
            core_now: 0,
            decisions: Decisions::default(),
            setup,
            rng,
            venue,
        }
    }

    /// What the wall clock says.
    pub(super) fn wall(&self) -> u64 {
        (MIDNIGHT + self.now).saturating_add_signed(self.wall_error)
    }

    /// Inputs that engines have taken.
    pub(super) fn events(&self) -> u64 {
        self.figures.events + self.process.as_ref().map_or(0, |p| p.engine().stats().inputs)
    }

    /// Starts the core where it is not running.
    pub(super) fn start(&mut self) -> Outcome {
        if self.process.is_none() {
            let times = (self.now, self.wall());
            let p = Process::start(&self.setup, &mut self.lines, &self.disk, &self.counter, times)?;
            self.core_now = p.now().0;
            self.judge.forget();
            self.pace.forget();
            self.levels.forget();
            self.process = Some(p);
        }
        Ok(())
    }

    fn around(&mut self) -> (&mut Streams, Around<'_>) {
        let around = Around {
            now: self.now,
            venue: &mut self.venue,
            storm: &self.storm,
            rng: &mut self.rng,
            requests: &mut self.requests,
            counts: &mut self.figures.faults,
            trace: &mut self.trace,
        };
        (&mut self.streams, around)
    }

    /// Another stretch of time begins.
    pub(super) fn change_weather(&mut self, storm: Storm) {
        self.storm = storm;
        self.storm_began = self.now;
        let seed = self.rng.word();
        self.lines.change(&self.storm, seed);
    }

    /// The order session is cut, where there is one.
    pub(super) fn cut_session(&mut self) -> Outcome {
        let (streams, mut around) = self.around();
        streams.cut_session(&mut around)?;
        Ok(())
    }

    /// The network notices that a process, or the whole machine, is gone.
    pub(super) fn notice_death(&mut self, power: bool) -> Outcome {
        let (streams, mut around) = self.around();
        match power {
            true => streams.power_off(&mut around)?,
            false => streams.carry(&mut around, Some(0))?,
        }
        self.requests.clear();
        Ok(())
    }

    /// Time moves on by a tick, and everything that is due happens.
    pub(super) fn turn(&mut self) -> Outcome {
        self.step += 1;
        self.figures.steps += 1;
        self.now += self.setup.plan.tick;
        self.hands.increment(self.setup.plan.tick);
        let now = self.now;
        self.venue.step(now);
        let since = now - self.storm_began;
        let (from, until) = self.storm.dark;
        let is_dark = self.setup.plan.has[LINES] && (from..until).contains(&since);
        self.lines.carry(now, &mut self.venue, is_dark, &mut self.figures.faults);
        let epoch = self.process.as_ref().map_or(0, |p| p.reports.epoch);
        // What the gateway says of its last session may still wait for a strategy that stands still: until it has passed, the next one is not begun.
        let is_told = self.process.as_ref().is_none_or(|p| p.reports.from.is_empty());
        let (streams, mut around) = self.around();
        streams.carry(&mut around, is_told.then_some(epoch))?;
        self.requests.over(epoch);
        self.judge.orders(&self.venue, &self.requests)?;
        for _ in 0..ROUNDS {
            if self.round()? == 0 {
                break;
            }
        }
        self.judge.orders(&self.venue, &self.requests)?;
        self.keep_time()?;
        if let Some(p) = &self.process {
            let rests = self.judge.rest(p, &self.venue, &self.streams, &mut self.requests)?;
            self.figures.barriers += u64::from(rests);
            self.trace.word(p.engine().stats().inputs);
        }
        Ok(())
    }

    /// The cold side of the core, and the bounds of its clock.
    fn keep_time(&mut self) -> Check {
        let (now, wall, tick) = (self.now, self.wall(), self.setup.plan.tick);
        let Some(p) = &mut self.process else { return Ok(()) };
        let moved = p.now().0.wrapping_sub(self.core_now);
        // 500 ppm either way is what a discipline may bend it by, and the tick is rounded.
        let slack = tick / 1_900 + 2;
        if moved < tick - slack || moved > tick + slack {
            let found = format!("{tick} ns are {moved} ns to the core");
            return Err(violated(Invariant::Clock, found));
        }
        self.core_now = p.now().0;
        p.tend(now, wall);
        Ok(())
    }

    /// A duty cycle of each agent of the core; how much it was.
    fn round(&mut self) -> Outcome<usize> {
        let step = self.step;
        let runs = |k: usize| self.stalled[k] < step;
        let (feed_runs, strategy_runs, gateway_runs) = (runs(0), runs(1), runs(2));
        let Some(p) = &mut self.process else { return Ok(0) };
        let is_deciding = !p.strategy.is_done();
        let mut work = 0;
        if feed_runs && is_deciding {
            work += p.feed.do_work(p.now());
            self.lines.serve(self.now, &mut self.venue, self.storm.answers, &mut self.rng);
        }
        if strategy_runs && is_deciding {
            self.judge.before(p);
            work += p.market.pass();
            work += p.strategy.do_work(p.now());
            // A long packet is taken in parts.
            while p.market.to.free() < p.market.to.capacity() && p.strategy.do_work(p.now()) > 0 {}
            self.judge.books(p, &self.venue, &self.lines)?;
            let resumes = p.resumes;
            p.hear();
            if p.reports.to.free() == p.reports.to.capacity() {
                let restraint = (p.engine().level(), p.engine().restrained_by());
                let fills = std::mem::take(&mut p.reports.fills);
                self.levels.look(p.now().0, fills, restraint, resumes)?;
            }
        }
        while let Some(item) = p.orders.next() {
            work += 1;
            let command = item.approved.command();
            let symbol = self.setup.config.instruments[command.instrument.index()].symbol;
            let ask = super::oracle::ask::Ask::of(command, symbol);
            self.judge.decision(p, command, &ask, symbol, &self.requests)?;
            self.decisions.note(step, command);
            self.pace.decided(&ask, p.now().0)?;
            self.requests.decided(ask, item.epoch)?;
            if let (b'O' | b'U', Some(limits)) = (ask.letter, self.setup.rules.money) {
                // An order is decided for a session that is ready: of the ones before all has come that will.
                self.requests.over(item.epoch);
                self.judge.money(p, &ask, &self.requests, limits)?;
            }
            p.orders.pass(item);
        }
        // A strategy whose journal takes nothing more asks in vain.
        if p.orders.from.is_empty() && p.strategy.failure().is_none() {
            self.pace.cancels(p.engine().strategy().canceled())?;
        }
        self.requests.is_sweeping = p.ending.farewell() == Farewell::Sweep;
        if gateway_runs {
            work += p.gateway.do_work(p.now());
            work += p.reports.pass();
        }
        Ok(work)
    }

    /// Nothing is in the core's way any more; it comes to rest, and is all that it should be.
    pub(super) fn calm(&mut self) -> Outcome {
        self.clear_up();
        let late = self.now + REST_WITHIN;
        loop {
            self.start()?;
            self.turn()?;
            let Some(p) = &mut self.process else { continue };
            if p.strategy.is_done() || p.engine().halted() == Some(HaltReason::Journal) {
                self.end_process()?;
                continue;
            }
            match p.engine().halted() {
                // Nobody resumes from the day's loss.
                Some(HaltReason::Loss) if self.setup.rules.loss.is_some() => {}
                None if p.engine().level() == BreakerLevel::Normal => {}
                None | Some(HaltReason::Operator | HaltReason::Breaker) if p.has_heard() => {
                    p.tell(Control::Resume);
                }
                None | Some(HaltReason::Operator | HaltReason::Breaker) => {}
                Some(why) => {
                    let found = format!("trading is halted ({why:?}), and nothing was wrong at the venue");
                    return Err(violated(Invariant::Rest, found).into());
                }
            }
            if self.judge.is_level(p, &self.venue) && self.judge.is_at_rest {
                break;
            }
            if self.now > late {
                let found = self.judge.describe(p, &self.venue, &self.streams);
                return Err(violated(Invariant::Rest, found).into());
            }
        }
        self.judge.floor(&self.venue)?;
        self.figures.calms += 1;
        Ok(())
    }

    /// Takes everything out of the core's way.
    fn clear_up(&mut self) {
        self.change_weather(Storm::calm());
        self.streams.frozen_until = 0;
        self.streams.unreachable_until = 0;
        self.stalled = [0; 3];
        self.disk.set(Disk::Well);
        for k in 0..self.setup.config.instruments.len() {
            let symbol = self.setup.config.instruments[k].symbol;
            self.venue.set_trading_state(self.now, symbol, b'T');
        }
    }

    /// The process ends in order, with nothing in its way, and its journal is replayed.
    pub(super) fn end_process(&mut self) -> Outcome {
        self.clear_up();
        let Some(p) = &self.process else { return Ok(()) };
        p.ending.ask();
        let late = self.now + REST_WITHIN;
        while let Some(p) = &self.process
            && !(p.strategy.is_done() && p.gateway.is_done())
        {
            if self.now > late {
                return Err(violated(Invariant::Ends, "the process does not end").into());
            }
            self.turn()?;
        }
        let Some(mut p) = self.process.take() else { return Ok(()) };
        p.end_agents();
        let live = self.venue.account("user01").map_or(0, |a| a.live_orders.len());
        if live > 0 {
            return Err(
                violated(Invariant::Ends, format!("{live} orders live on behind an end in order")).into()
            );
        }
        if let Some(why) = p.gateway.failure() {
            return Err(violated(Invariant::Ends, why).into());
        }
        let ended = crash::Ended::of(&p, true);
        let is_blind = p.strategy.failure().is_some();
        if p.engine().orders().ours_open() > 0 && !is_blind {
            return Err(violated(Invariant::Ends, "the core still has open orders").into());
        }
        p.close();
        self.notice_death(false)?;
        self.account_for(&ended);
        ended.replayed(self.setup.canary)?;
        self.figures.replays += 1;
        Ok(())
    }

    /// Adds up what a process did.
    pub(super) fn account_for(&mut self, ended: &crash::Ended) {
        self.figures.events += ended.stats.inputs;
        self.figures.orders += ended.stats.new_orders;
        self.figures.replaces += ended.stats.replaces;
        self.figures.cancels += ended.stats.cancels;
        self.trace.word(ended.hash);
        self.judge.is_at_rest = false;
    }

    /// Ends the seed: what it did.
    pub(super) fn finish(&mut self) -> Outcome<Figures> {
        self.calm()?;
        self.end_process()?;
        self.figures.seeds = 1;
        self.figures.fills = self.venue.account("user01").map_or(0, |a| a.counts.fills);
        self.figures.compared = self.judge.compared;
        self.figures.whole = self.judge.whole;
        self.figures.full = self.pace.full;
        self.figures.passed = self.pace.passed;
        self.figures.reducing = self.judge.reducing;
        self.figures.measured = self.judge.measured;
        self.figures.stopped = self.judge.stopped;
        self.trace.word(self.figures.events);
        self.figures.trace = self.trace.value();
        Ok(self.figures)
    }
}

fn venue(plan: &Plan, symbols: Vec<Symbol>, seed: u64) -> VenueConfig {
    let line = |datagram_bytes| LineFaults { datagram_bytes, ..LineFaults::default() };
    let recipe = Recipe { seed, messages_per_second: plan.rate, messages: None };
    VenueConfig {
        session: *b"SESSION001",
        symbols,
        lines: plan.datagram_bytes.map(line).to_vec(),
        rerequest_loss: 0.0,
        snapshot_faults: SnapshotFaults::default(),
        accounts: vec![
            Credentials { username: "user01".into(), password: "pass".into(), firm: *b"ABCD" }.into(),
        ],
        flow: Flow::Generated(Box::new(GeneratedFlow::new(recipe))),
        seed,
        cancel_on_disconnect: plan.cancel_on_disconnect,
        self_match_prevention: false,
        wait_for_login: false,
        close_with_flow: false,
        end_of_session_ns: 200 * MS,
        market: MarketRules::default(),
        script: Vec::new(),
    }
}
