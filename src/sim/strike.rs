//! What befalls the world in a step, by chance: cuts, stalls, crashes, a bad disk, a stepped clock, people.

use model::{BreakerCause, BreakerLevel, Control, HaltReason};

use super::faults::{AGENTS, CLOCKS, DISK, Fault, MS, PEOPLE, PROCESS, SESSION};
use super::process::Disk;
use super::world::{Outcome, World};
use crate::agent::Agent;

/// Messages of the market that a standstill lets pass at most, so that none takes up a whole run.
const STANDSTILL_MESSAGES: u64 = 40_000;

/// Of so many trades the venue may break one.
const BUST_BACK: u64 = 40;

impl World {
    /// Draws what happens now.
    pub(super) fn strike(&mut self) -> Outcome {
        let (has, spacing) = (self.setup.plan.has, self.setup.plan.spacing);
        if has[SESSION] && self.rng.below(spacing) == 0 {
            self.strike_session()?;
        }
        if has[AGENTS] && self.rng.below(spacing) == 0 {
            let k = self.rng.below(3) as usize;
            self.stalled[k] = self.step + 1 + self.rng.below(300);
            self.figures.faults.add(Fault::Stall);
        }
        if has[CLOCKS] && self.rng.below(2 * spacing) == 0 {
            let most = [MS, 100 * MS, 4_000 * MS][self.rng.below(3) as usize];
            self.wall_error += self.rng.below(2 * most) as i64 - most as i64;
            self.figures.faults.add(Fault::ClockStep);
        }
        if has[PEOPLE] && self.rng.below(spacing) == 0 {
            self.strike_people();
        }
        if has[DISK] {
            self.strike_disk(8 * spacing);
        }
        if has[PROCESS] && self.rng.below(8 * spacing) == 0 {
            self.crash()?;
        }
        self.heed_the_core()
    }

    /// So long, or as long as the market takes for so many messages.
    fn span(&mut self, ms: &[u64]) -> u64 {
        let ms = ms[self.rng.below(ms.len() as u64) as usize];
        (ms * MS).min(STANDSTILL_MESSAGES * 1_000_000_000 / self.setup.plan.rate)
    }

    fn strike_session(&mut self) -> Outcome {
        match self.rng.below(4) {
            0 => {
                self.streams.frozen_until = self.now + self.span(&[2, 50, 1_000, 20_000]);
                self.figures.faults.add(Fault::Freeze);
            }
            1 => {
                self.streams.unreachable_until = self.now + self.span(&[100, 3_000]);
                self.figures.faults.add(Fault::Unreachable);
                self.cut_session()?;
            }
            _ => self.cut_session()?,
        }
        Ok(())
    }

    fn strike_people(&mut self) {
        let k = self.rng.below(self.setup.config.instruments.len() as u64) as usize;
        let symbol = self.setup.config.instruments[k].symbol;
        match self.rng.below(12) {
            n @ (0 | 1) => {
                self.venue.set_trading_state(self.now, symbol, [b'H', b'P'][n as usize]);
                self.figures.faults.add(Fault::VenueHalt);
            }
            2..=4 => {
                self.venue.set_trading_state(self.now, symbol, b'T');
            }
            8 | 9 => self.break_trade(),
            n => {
                let Some(p) = &mut self.process else { return };
                let (control, fault) = match n {
                    5 => (Control::Halt(HaltReason::Operator), Fault::Operator),
                    6 | 11 => (Control::Resume, Fault::Operator),
                    7 => (Control::CancelAll, Fault::Operator),
                    _ => {
                        let level = BreakerLevel::ALL[1 + self.rng.below(3) as usize];
                        (Control::Trip { level, cause: BreakerCause::Latency }, Fault::Trip)
                    }
                };
                if (fault != Fault::Trip || self.setup.rules.trips) && p.tell(control) {
                    self.figures.faults.add(fault);
                }
            }
        }
    }

    /// The venue breaks one of the last trades.
    fn break_trade(&mut self) {
        let back = self.rng.below(BUST_BACK) as usize;
        let Some((number, symbol, shares)) = self.venue.fill_before(back).filter(|_| self.setup.rules.busts)
        else {
            return;
        };
        let command = format!("{{\"command\": \"break\", \"match\": {number}}}");
        if self.venue.on_control(self.now, command.as_bytes())["ok"] == true {
            self.requests.broken(symbol, shares);
            self.figures.faults.add(Fault::Bust);
        }
    }

    fn strike_disk(&mut self, spacing: u64) {
        if self.disk_until != 0 && self.disk_until <= self.step {
            self.disk.set(Disk::Well);
            self.disk_until = 0;
        } else if self.rng.below(spacing) == 0 {
            let (disk, fault) = match self.rng.below(3) {
                0 => (Disk::Broken, Fault::DiskError),
                _ => (Disk::Full, Fault::DiskFull),
            };
            self.disk.set(disk);
            self.disk_until = self.step + 1 + self.rng.below(4_000);
            self.figures.faults.add(fault);
        }
    }

    /// A core that cannot go on is ended and started again; one that was killed is started again after a while.
    fn heed_the_core(&mut self) -> Outcome {
        match &self.process {
            None if self.rng.below(40) == 0 => {
                self.disk.set(Disk::Well);
                self.start()
            }
            Some(p) if p.strategy.is_done() || p.engine().halted() == Some(HaltReason::Journal) => {
                self.figures.restarts += 1;
                self.end_process()?;
                self.start()
            }
            _ => Ok(()),
        }
    }
}
