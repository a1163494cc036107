//! A change of parameters and limits while the engine runs: staged value by value, put in force as a whole, or not at all.
//!
//! The strategy is not replaced by one that was made elsewhere: its values go in as inputs, and the strategy that is there takes them ([`Strategy::reconfigure`]) at one place in the order of
//! inputs. So what it has learnt and what it knows of its orders stays, nothing crosses threads but numbers, and a journal that has the inputs gives the same orders again.
//!
//! A limit only becomes tighter. What is open or held beyond it stays: it is no ground to trade at any price, and nothing that adds to it passes the gate any more.

use model::{Limit, ParamName, Qty, SETTINGS_MAX, Setting, Usd};

use super::Engine;
use crate::hash::StateHash;
use crate::instruments::InstrumentChange;
use crate::risk::RiskLimits;
use crate::strategy::{ParamValue, Params, Strategy};

/// What is staged, and what came of the changes before.
pub(super) struct Settings {
    /// As the strategy has read them; `None` where they are not known, and only limits can be changed.
    params: Option<Params>,
    staged: Vec<Setting>,
    /// What parameters had before a change that is being tried.
    before: Vec<(ParamName, Option<ParamValue>)>,
    /// More were staged than a change may have.
    spilled: bool,
    /// Number of the last change in force.
    change: u32,
    /// Number of the last change that was refused.
    refused: u32,
    /// Over every setting that was put in force: with the configuration it says what is in force now.
    digest: StateHash,
}

impl Settings {
    pub(super) fn new() -> Settings {
        Settings {
            params: None,
            staged: Vec::with_capacity(SETTINGS_MAX),
            before: Vec::with_capacity(SETTINGS_MAX),
            spilled: false,
            change: 0,
            refused: 0,
            digest: StateHash::default(),
        }
    }

    fn stage(&mut self, setting: Setting) {
        if self.staged.len() == SETTINGS_MAX {
            self.spilled = true;
        } else {
            self.staged.push(setting);
        }
    }

    /// Gives each staged parameter its value. `false`: there is one that the strategy does not have.
    fn give(&mut self) -> bool {
        let Some(params) = &mut self.params else { return true };
        for setting in &self.staged {
            let (name, value) = match *setting {
                Setting::Number(name, v) => (name, ParamValue::Int(v)),
                Setting::Switch(name, v) => (name, ParamValue::Bool(v)),
                Setting::Limit(..) => continue,
            };
            match params.change(name.as_str(), Some(value)) {
                Ok(before) => self.before.push((name, before)),
                Err(_) => return false,
            }
        }
        true
    }

    /// Gives them the values that they had.
    fn take_back(&mut self) {
        let Some(params) = &mut self.params else { return };
        while let Some((name, value)) = self.before.pop() {
            // It was there a moment ago.
            let _ = params.change(name.as_str(), value);
        }
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        // Nothing of it in an engine whose settings nobody touched.
        if self.change != 0 {
            h.word(u64::from(self.change));
            h.word(self.digest.finish());
        }
        if !self.staged.is_empty() {
            let mut staged = StateHash::default();
            self.staged.iter().for_each(|s| word(s, &mut staged));
            h.word(staged.finish() ^ u64::from(self.spilled));
        }
    }
}

fn word(setting: &Setting, h: &mut StateHash) {
    let mut text = |name: &str| {
        h.word(name.len() as u64);
        name.bytes().for_each(|b| h.word(b.into()));
    };
    match setting {
        Setting::Number(name, v) => {
            text(name.as_str());
            h.signed(*v);
        }
        Setting::Switch(name, v) => {
            text(name.as_str());
            h.word(1 << 32 | u64::from(*v));
        }
        Setting::Limit(limit, v) => {
            h.word(*limit as u64);
            h.signed(*v);
        }
    }
}

fn tightened(mut l: RiskLimits, limit: Limit, value: i64) -> Option<RiskLimits> {
    let usd = |most: Usd| value.checked_mul(10_000).map(Usd).filter(|v| v.0 >= 0 && v.0 <= most.0);
    let count = |most: u32| u32::try_from(value).ok().filter(|v| *v <= most);
    let signed = |most: i64| Some(value).filter(|v| *v >= 0 && *v <= most);
    match limit {
        Limit::OrderQuantity => l.max_order_quantity = Qty(count(l.max_order_quantity.0)?),
        Limit::OrderNotional => l.max_order_notional = usd(l.max_order_notional)?,
        Limit::Position => l.max_position = signed(l.max_position)?,
        Limit::OpenOrders => l.max_open_orders = count(l.max_open_orders)?,
        Limit::MessagesPerSecond => l.max_messages_per_second = count(l.max_messages_per_second)?,
        Limit::PriceCollar => l.price_collar_bps = signed(l.price_collar_bps)?,
        Limit::DailyLoss => l.max_daily_loss = usd(l.max_daily_loss)?,
    }
    Some(l)
}

impl RiskLimits {
    /// These limits with one of them tighter, in the unit of [`Limit::key`]; `None` where it would not be tighter (or the same), which wants a restart and whoever approves limits.
    #[must_use]
    pub fn tightened(&self, limit: Limit, value: i64) -> Option<RiskLimits> {
        tightened(*self, limit, value)
    }

    /// One of them, in the unit of [`Limit::key`].
    #[must_use]
    pub const fn of(&self, limit: Limit) -> i64 {
        match limit {
            Limit::OrderQuantity => self.max_order_quantity.0 as i64,
            Limit::OrderNotional => self.max_order_notional.0 / 10_000,
            Limit::Position => self.max_position,
            Limit::OpenOrders => self.max_open_orders as i64,
            Limit::MessagesPerSecond => self.max_messages_per_second as i64,
            Limit::PriceCollar => self.price_collar_bps,
            Limit::DailyLoss => self.max_daily_loss.0 / 10_000,
        }
    }
}

impl<S: Strategy> Engine<S> {
    /// Has its strategy's parameters changed by [`Control::Enact`](model::Control::Enact) from now on: `params` are those that it was made with, as it has read them
    /// ([`Params::read_by`]). An engine without them puts only the limits of a change in force; so does one that follows another's journal and has not its strategy.
    #[must_use]
    pub fn with_params(mut self, params: Params) -> Engine<S> {
        self.settings.params = Some(params);
        self
    }

    /// Number of the last change of parameters and limits that was put in force; 0 where there was none.
    #[must_use]
    pub fn last_change(&self) -> u32 {
        self.settings.change
    }

    /// Number of the last change that was refused; 0 where none was.
    #[must_use]
    pub fn last_change_refused(&self) -> u32 {
        self.settings.refused
    }

    /// The strategy's parameters as they are in force; `None` where they are not known here.
    #[must_use]
    pub fn params(&self) -> Option<&Params> {
        self.settings.params.as_ref()
    }

    #[cold]
    pub(super) fn stage(&mut self, setting: Setting) {
        self.settings.stage(setting);
    }

    #[cold]
    pub(super) fn enact(&mut self, change: u32, count: u8) {
        let s = &self.settings;
        let is_whole = !s.spilled && s.staged.len() == usize::from(count) && change > s.change;
        if is_whole && self.put_in_force() {
            let s = &mut self.settings;
            s.change = change;
            for k in 0..s.staged.len() {
                word(&s.staged[k], &mut s.digest);
            }
            self.tell_all(None, InstrumentChange::Settings);
            self.check_loss();
        } else {
            self.stats.controls_refused += 1;
            self.settings.refused = change;
        }
        self.settings.staged.clear();
        self.settings.spilled = false;
    }

    /// All that is staged, or nothing of it.
    fn put_in_force(&mut self) -> bool {
        let mut limits = *self.gate.limits();
        for s in &self.settings.staged {
            if let Setting::Limit(limit, value) = s {
                match limits.tightened(*limit, *value) {
                    Some(tighter) => limits = tighter,
                    None => return false,
                }
            }
        }
        let has_params = self.settings.staged.iter().any(|s| !matches!(s, Setting::Limit(..)));
        if has_params && !self.reconfigure() {
            return false;
        }
        self.gate.tighten(limits);
        self.loss.tighten(limits.max_daily_loss);
        true
    }

    /// Gives the strategy the staged parameters; where it refuses them all are as they were.
    fn reconfigure(&mut self) -> bool {
        let Engine { settings, strategy, .. } = self;
        let taken = settings.give()
            && settings.params.as_mut().is_none_or(|params| {
                params.rewind();
                strategy.reconfigure(params).is_ok() && params.finish().is_ok()
            });
        if !taken {
            settings.take_back();
        }
        settings.before.clear();
        taken
    }
}
