//! Random sessions by seed: what the strategy wants, what others do, how far bytes come and where lines are cut, all at once; commands and reports wait in the
//! core's rings meanwhile.

use colo::exchange::rng::Rng;
use engine::strategy::Intent;
use model::{Control, HaltReason, InstrumentId, Px, Qty, Side, Tif};

use crate::core::{Lie, MID};
use crate::exchange_support::{MS, symbol};
use crate::line::Spoken;
use crate::misbehaviour::{LASTS, Script};
use crate::world::{Bytes, Check, PORTS, World};

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    pub cuts: u64,
    pub restarts: u64,
    /// Cuts with requests or reports under way.
    pub torn: u64,
    pub requests: u64,
    pub fills: u64,
    /// Requests that waited for room in the venue's rate.
    pub waited: u64,
    /// Steps of the venue's script.
    pub steps: u64,
    /// Cores that halted for what it did ...
    pub halted: u64,
    /// ... and cores that it misled without their knowing.
    pub misled: u64,
}

impl Ran {
    pub fn add(&mut self, other: Ran) {
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.torn += other.torn;
        self.requests += other.requests;
        self.fills += other.fills;
        self.waited += other.waited;
        self.steps += other.steps;
        self.halted += other.halted;
        self.misled += other.misled;
    }
}

struct Session {
    w: World,
    script: Script,
    rng: Rng,
    ran: Ran,
}

/// One life of a session: some cuts, and rest.
pub fn run(spoken: Spoken, seed: u64, lie: Option<Lie>) -> Result<Ran, String> {
    let mut rng = Rng::new(seed, 0xC07);
    let port = PORTS[rng.below(3) as usize];
    let slow = rng.below(2) == 0;
    let script = Script::draw(&mut rng);
    let w = World::new(spoken, port, lie, slow, script.clone());
    let mut s = Session { w, script, rng, ran: Ran::default() };
    s.live().map_err(|why| format!("{spoken:?}, {:?}: {why}", s.script.actions()))?;
    s.ran.steps = s.w.venue.counts().script_steps;
    s.ran.fills = s.w.venue.account("user01").map_or(0, |a| a.counts.fills);
    s.ran.waited += s.w.core.engine.stats().held;
    Ok(s.ran)
}

impl Session {
    fn intent(&mut self) -> Intent {
        let ours: Vec<_> = self.w.core.engine.orders().iter().map(|o| (o.id, o.side, o.open)).collect();
        let qty = Qty(1 + self.rng.below(200) as u32);
        let off = 100 * self.rng.below(6) as i64;
        let side = if self.rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        // Some touch the other side's; now and then one that the venue refuses.
        let px = |side: Side, odd: i64| Px(MID + side.sign() * (300 - 2 * off) + odd);
        let odd = if self.rng.below(20) == 0 { 50 } else { 0 };
        let pick = self.rng.below(ours.len().max(1) as u64) as usize;
        match (self.rng.below(7), ours.get(pick)) {
            (0 | 1, Some((order, side, _))) => Intent::Replace { order: *order, qty, px: px(*side, odd) },
            (2 | 3, Some((order, ..))) => Intent::Cancel { order: *order },
            (4, Some((order, _, open))) => {
                Intent::Reduce { order: *order, qty: Qty(1 + self.rng.below(open.0.max(1).into()) as u32) }
            }
            _ => {
                let instrument = InstrumentId(self.rng.below(2) as u16);
                let tif = if self.rng.below(5) == 0 { Tif::Ioc } else { Tif::Day };
                Intent::New { instrument, side, qty, px: px(side, odd), tif }
            }
        }
    }

    fn live(&mut self) -> Check {
        for _ in 0..100 + self.rng.below(200) {
            self.step()?;
        }
        self.end()
    }

    fn step(&mut self) -> Check {
        if self.w.line.is_none() && self.rng.below(8) == 0 {
            self.w.connect()?;
        }
        let some = [1, 7, 60, 400, usize::MAX][self.rng.below(5) as usize];
        match self.rng.below(100) {
            0..=13 => {
                let intents: Vec<Intent> = (0..=self.rng.below(2)).map(|_| self.intent()).collect();
                self.ran.requests += intents.len() as u64;
                // Risk may refuse: it is not what is looked at here.
                let _ = self.w.want(&intents);
                self.w.accounted()
            }
            14..=27 => self.w.hear().map(drop),
            28..=41 => self.w.cycle(0, 0).map(drop),
            42..=53 => self.w.leave(some).map(drop),
            54..=65 => self.w.reach(some).map(drop),
            66..=71 => {
                self.w.answer();
                Ok(())
            }
            72..=83 => self.w.back(some).map(drop),
            84..=89 => {
                self.others_act();
                Ok(())
            }
            90 if self.rng.below(2) == 0 => self.w.control(Control::CancelAll),
            90..=91 => {
                let late = self.rng.below(4) == 0;
                self.w.venue.set_late_cross(self.w.now, symbol("AAPL"), late);
                Ok(())
            }
            92..=93 => self.pass(),
            94..=95 => self.cut(),
            96 => {
                self.w.notice();
                self.w.stalled = self.rng.below(2) == 0;
                Ok(())
            }
            97 if self.rng.below(2) == 0 && !self.script.ends_session => {
                self.cut()?;
                self.restart();
                Ok(())
            }
            97 if self.script.steps.is_empty() => self.w.recover(),
            97 => self.silence(),
            98 if self.rng.below(4) == 0 => {
                self.w.blink()?;
                let intents = [self.intent()];
                let _ = self.w.want(&intents);
                self.w.accounted()
            }
            98 => self.w.flow(Bytes::ALL).map(drop),
            _ => self.w.think(),
        }
    }

    fn others_act(&mut self) {
        let (qty, off) = (1 + self.rng.below(150) as u32, 100 * self.rng.below(4) as i64);
        match self.rng.below(4) {
            0 => self.w.other(Side::Buy, qty, MID - off),
            1 => self.w.other(Side::Sell, qty, MID + off),
            _ => self.w.others_take(qty),
        }
    }

    /// A line that is quiet for long with bytes on it is a dead one: what a first login takes for the end of a replay says so (`gateways::gateway`).
    fn pass(&mut self) -> Check {
        let ns = if self.w.is_quiet()? { self.rng.below(300 * MS) } else { self.rng.below(1_000) };
        self.w.pass(ns)
    }

    fn cut(&mut self) -> Check {
        if self.w.line.is_some() {
            self.ran.cuts += 1;
            self.ran.torn += u64::from(!self.w.is_quiet()?);
            return if self.rng.below(3) == 0 { self.w.cut_late() } else { self.w.cut() };
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.ran.restarts += 1;
        self.ran.waited += self.w.core.engine.stats().held;
        self.w.restart();
    }

    /// Where the venue says nothing, time passes until the gateway lets go of the line.
    fn silence(&mut self) -> Check {
        for _ in 0..17 {
            let ns = if self.w.is_quiet()? { 1_000 * MS } else { 0 };
            self.w.pass(ns)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Check {
        self.w.venue.set_late_cross(self.w.now, symbol("AAPL"), false);
        self.cut()?;
        self.w.stalled = false;
        self.w.think()?;
        if !self.script.steps.is_empty() {
            // What was to come has come then.
            self.w.pass(2_000 * MS)?;
            self.outlast()?;
        }
        loop {
            let steps = self.w.venue.counts().script_steps;
            if self.script.refuses && self.w.venue.counts().refused_logins > 0 && !self.script.ends_session {
                self.w.cut()?;
                self.restart();
            }
            let came = self.rests();
            if self.w.venue.counts().script_steps == steps {
                return came;
            }
            // It struck again meanwhile.
            self.w.cut()?;
            self.w.think()?;
            self.outlast()?;
        }
    }

    /// Waits until what lasts is over, and what that has set off.
    fn outlast(&mut self) -> Check {
        loop {
            let steps = self.w.venue.counts().script_steps;
            self.w.pass(LASTS)?;
            if self.w.venue.counts().script_steps == steps {
                return Ok(());
            }
        }
    }

    fn rests(&mut self) -> Check {
        let came = self.comes_to_rest();
        let halted = self.w.core.engine.halted() == Some(HaltReason::Reconciliation);
        if came.is_ok() || !(self.script.misleads || (self.script.may_halt && halted)) {
            return came;
        }
        (self.ran.halted, self.ran.misled) = (halted.into(), (!halted).into());
        if self.script.ends_session {
            return self.w.covers();
        }
        if self.script.misleads {
            self.w.cut()?;
            self.restart();
            self.w.recover()?;
        }
        // What halted it is in the stream, for whoever hears it. A person has looked at it now.
        self.w.control(Control::Resume)?;
        self.comes_to_rest()
    }

    fn comes_to_rest(&mut self) -> Check {
        self.w.comes_to_rest()?;
        self.w.notice();
        self.w.flow(Bytes::ALL)?;
        self.w.agrees()
    }
}
