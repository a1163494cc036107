//! The kill switch as the threads of a core see it beside all rings: set by the control thread the moment a command has come, looked at by each gateway before a
//! request is encoded. So it works where the strategy thread does not.
//!
//! Invariant: what is tripped here is latched on disk, or about to be; what is cleared here is off the disk. Cost of looking: one load of a cache line that is written
//! when somebody kills.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use engine::limits::INSTRUMENTS_MAX;
use model::{CommandKind, InstrumentId, Nanos, OrderCommand};

const WORDS: usize = INSTRUMENTS_MAX / 64;
const _: () = assert!(INSTRUMENTS_MAX.is_multiple_of(64));

/// See the module.
#[derive(Debug)]
#[repr(align(128))]
pub struct KillSwitch {
    /// Something is killed.
    any: AtomicBool,
    all: AtomicBool,
    at: AtomicU64,
    instruments: [AtomicU64; WORDS],
}

impl Default for KillSwitch {
    fn default() -> KillSwitch {
        KillSwitch {
            any: AtomicBool::new(false),
            all: AtomicBool::new(false),
            at: AtomicU64::new(0),
            instruments: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

fn place(id: InstrumentId) -> (usize, u64) {
    (id.index() / 64 % WORDS, 1 << (id.index() % 64))
}

impl KillSwitch {
    /// Kills one instrument, or all. `at`: when the command came. Never waits.
    pub fn trip(&self, instrument: Option<InstrumentId>, at: Nanos) {
        match instrument {
            None => self.all.store(true, Ordering::Relaxed),
            Some(id) => {
                let (word, bit) = place(id);
                self.instruments[word].fetch_or(bit, Ordering::Relaxed);
            }
        }
        self.at.store(at.0, Ordering::Relaxed);
        // Publishes what is above to whoever sees it.
        self.any.store(true, Ordering::Release);
    }

    /// Ends a kill of this scope.
    pub fn clear(&self, instrument: Option<InstrumentId>) {
        match instrument {
            None => self.all.store(false, Ordering::Relaxed),
            Some(id) => {
                let (word, bit) = place(id);
                self.instruments[word].fetch_and(!bit, Ordering::Relaxed);
            }
        }
        let left = self.all.load(Ordering::Relaxed)
            || self.instruments.iter().any(|w| w.load(Ordering::Relaxed) != 0);
        self.any.store(left, Ordering::Release);
    }

    /// When the last kill came; zero where none did.
    #[inline]
    #[must_use]
    pub fn at(&self) -> Nanos {
        match self.any.load(Ordering::Acquire) {
            true => Nanos(self.at.load(Ordering::Relaxed)),
            false => Nanos::ZERO,
        }
    }

    /// Whether this scope is killed by itself.
    #[must_use]
    pub fn holds(&self, instrument: Option<InstrumentId>) -> bool {
        match instrument {
            None => self.holds_all(),
            Some(id) => {
                let (word, bit) = place(id);
                self.instruments[word].load(Ordering::Relaxed) & bit != 0
            }
        }
    }

    /// Whether everything is killed.
    #[inline]
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.any.load(Ordering::Acquire) && self.all.load(Ordering::Relaxed)
    }

    /// Whether this must not leave: it would add risk to what is killed. Cancels and what is asked of a port pass.
    #[inline]
    #[must_use]
    pub fn blocks(&self, command: &OrderCommand) -> bool {
        self.any.load(Ordering::Acquire) && self.blocks_killed(command)
    }

    #[cold]
    fn blocks_killed(&self, command: &OrderCommand) -> bool {
        match command.kind {
            CommandKind::New { .. } | CommandKind::Replace { .. } => {
                let (word, bit) = place(command.instrument);
                self.all.load(Ordering::Relaxed) || self.instruments[word].load(Ordering::Relaxed) & bit != 0
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GatewayId, PortRequest, Px, Qty, Side, Tif, Token};

    fn command(instrument: u16, kind: CommandKind) -> OrderCommand {
        OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(instrument), kind }
    }

    fn new(instrument: u16) -> OrderCommand {
        let (token, side, short, tif) = (Token(1), Side::Buy, false, Tif::Day);
        command(instrument, CommandKind::New { token, side, short, qty: Qty(1), px: Px(1), tif })
    }

    #[test]
    fn only_what_adds_risk_within_the_scope_is_blocked() {
        let kill = KillSwitch::default();
        assert!(!kill.blocks(&new(5)) && kill.at() == Nanos::ZERO);
        kill.trip(Some(InstrumentId(5)), Nanos(7));
        assert!(kill.blocks(&new(5)) && !kill.blocks(&new(69)) && !kill.blocks(&new(4)));
        kill.trip(None, Nanos(8));
        let cancel = CommandKind::Cancel { token: Token(1), qty: Qty::ZERO };
        let port = CommandKind::Port { token: Token(1), request: PortRequest::MassCancel };
        assert!(kill.blocks(&new(4095)) && kill.at() == Nanos(8));
        assert!(!kill.blocks(&command(5, cancel)) && !kill.blocks(&command(5, port)));
        assert!(kill.holds(None) && kill.holds(Some(InstrumentId(5))) && !kill.holds(Some(InstrumentId(6))));
        kill.clear(None);
        assert!(kill.blocks(&new(5)) && !kill.blocks(&new(4)));
        kill.clear(Some(InstrumentId(5)));
        assert!(!kill.blocks(&new(5)) && kill.at() == Nanos::ZERO);
    }
}
