//! A day's script: what goes wrong at the venue, or happens to its market, and when.
//!
//! A step fires once: at a time, or at the n-th request, report or login of its account. What the venue then does to the client's connection is
//! misbehaviour on the wire only: books, ledger and the account's own stream stay true, and a test can compare with them. The exceptions are
//! real: a fill after a cancel, a broken trade, a halt have happened, and every book says so.

use super::entry::Cause;

/// What a step waits for. Numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// So many ns after the opening.
    At(u64),
    /// The account's n-th request, of one type where that is given (OUCH 5.0's letter).
    Request(u64, Option<u8>),
    /// The n-th message to the account, of one type where that is given.
    Report(u64, Option<u8>),
    /// The account's n-th login.
    Login(u64),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The request is lost before it is processed.
    Drop,
    /// The connection is closed; a request or a report that this comes with is not heard or said on it.
    Disconnect,
    /// The connection is closed after so many bytes of the report's packet.
    Cut(usize),
    /// Nothing is written for so long, not even heartbeats; requests are processed.
    Silence(u64),
    /// Nothing is read for so long, so that the window closes.
    Deaf(u64),
    /// So many random bytes are written; before the report, where this comes with one.
    Garbage(usize),
    /// The report's packet is written twice.
    Repeat,
    /// The report is never said.
    Withhold,
    /// The login's stream begins so many messages before what the answer says.
    Rewind(u64),
    /// The login's answer says so many messages more than where the stream goes on.
    Ahead(u64),
    /// The login is refused.
    RefuseLogin,
    /// New orders and replaces are refused for so long.
    Reject(Cause, u64),
    /// The order that was canceled last trades all the same.
    LateFill,
    /// The account's last trade is broken.
    Break,
    /// The account's session ends in mid-day; the next login begins another.
    EndSession,
    /// Something happens to the market.
    Market(MarketAction),
}

/// Something that happens to one symbol, or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketAction {
    /// Halted.
    Halt,
    /// Paused.
    Pause,
    /// Quotation only, before the cross that ends a halt.
    Quote,
    /// Trades again, by a cross where orders were collected for one.
    Resume,
    /// The late period before a cross begins.
    Late,
    /// It ends.
    NotLate,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub trigger: Trigger,
    /// Whose; `None` for the market.
    pub account: Option<u16>,
    /// Which symbol, by its place in the configuration; `None` for all.
    pub symbol: Option<model::Symbol>,
    /// What.
    pub action: Action,
}

/// The steps that are still to come.
#[derive(Debug)]
pub struct Script {
    steps: Vec<(Step, u64)>,
    fired: u64,
}

impl Script {
    /// A script at its beginning.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Script {
        Script { steps: steps.into_iter().map(|s| (s, 0)).collect(), fired: 0 }
    }

    /// Steps that fired.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.fired
    }

    /// What a request of an account sets off.
    pub fn on_request(&mut self, account: u16, letter: u8) -> Vec<Action> {
        self.count(account, |t| match t {
            Trigger::Request(n, of) => of.is_none_or(|of| of == letter).then_some(n),
            Trigger::At(_) | Trigger::Report(..) | Trigger::Login(_) => None,
        })
    }

    /// What a report to an account sets off.
    pub fn on_report(&mut self, account: u16, letter: u8) -> Vec<Action> {
        self.count(account, |t| match t {
            Trigger::Report(n, of) => of.is_none_or(|of| of == letter).then_some(n),
            Trigger::At(_) | Trigger::Request(..) | Trigger::Login(_) => None,
        })
    }

    /// What a login of an account sets off.
    pub fn on_login(&mut self, account: u16) -> Vec<Action> {
        self.count(account, |t| match t {
            Trigger::Login(n) => Some(n),
            Trigger::At(_) | Trigger::Request(..) | Trigger::Report(..) => None,
        })
    }

    /// The next step that is due so many ns after the opening.
    pub fn due(&mut self, elapsed: u64) -> Option<Step> {
        let is_due = |(step, _): &(Step, u64)| matches!(step.trigger, Trigger::At(at) if at <= elapsed);
        let i = self.steps.iter().position(is_due)?;
        self.fired += 1;
        Some(self.steps.remove(i).0)
    }

    /// When a step is due, in ns after the opening.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let times = self.steps.iter().filter_map(|(step, _)| match step.trigger {
            Trigger::At(at) => Some(at),
            Trigger::Request(..) | Trigger::Report(..) | Trigger::Login(_) => None,
        });
        times.min()
    }

    /// Counts what happened at every step that waits for it (`nth` says for which), and takes out those whose time has come.
    fn count(&mut self, account: u16, nth: impl Fn(Trigger) -> Option<u64>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.steps.retain_mut(|(step, seen)| {
            let Some(n) = nth(step.trigger).filter(|_| step.account == Some(account)) else { return true };
            *seen += 1;
            if *seen < n {
                return true;
            }
            actions.push(step.action);
            false
        });
        self.fired += actions.len() as u64;
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(account: u16, trigger: Trigger, action: Action) -> Step {
        Step { trigger, account: Some(account), symbol: None, action }
    }

    #[test]
    fn a_step_fires_once_at_its_own_count() {
        let mut s = Script::new(vec![
            step(0, Trigger::Request(3, None), Action::Drop),
            step(0, Trigger::Request(2, Some(b'X')), Action::Disconnect),
            step(1, Trigger::Request(1, None), Action::Repeat),
            step(0, Trigger::Report(1, None), Action::Cut(3)),
        ]);
        assert_eq!(s.on_request(0, b'O'), []);
        assert_eq!(s.on_request(0, b'X'), []);
        assert_eq!(s.on_request(0, b'X'), [Action::Drop, Action::Disconnect], "in their order");
        assert_eq!(s.on_request(0, b'X'), []);
        assert_eq!(s.on_report(0, b'A'), [Action::Cut(3)]);
        assert_eq!(s.on_login(0), []);
        assert_eq!((s.on_request(1, b'Q'), s.fired()), (vec![Action::Repeat], 4));
    }

    #[test]
    fn times_fire_in_the_order_written_when_they_are_due() {
        let mut s = Script::new(vec![
            step(0, Trigger::At(20), Action::Disconnect),
            step(0, Trigger::At(10), Action::Repeat),
            step(0, Trigger::At(30), Action::Drop),
        ]);
        assert_eq!((s.next_due(), s.due(9)), (Some(10), None));
        let fired: Vec<_> = std::iter::from_fn(|| s.due(20)).map(|s| s.action).collect();
        assert_eq!(fired, [Action::Disconnect, Action::Repeat]);
        assert_eq!(s.next_due(), Some(30));
    }
}
