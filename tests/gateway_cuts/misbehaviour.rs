//! A venue that does what its script says (`docs/exchange.md`), drawn by seed.
//!
//! | steps | what is asked of the core |
//! |---|---|
//! | `drop`, `disconnect`, `cut`, `silence`, `deaf`, `reject`, `refuse_login` | all that is asked of it anywhere, at every step and at rest |
//! | `break` | the same at rest; before it has heard, it cannot cover what the venue has undone |
//! | `late_fill` | it halts, or it was no fill of its own; when a person has it resume, its live orders are the venue's. The shares are for the person to book |
//! | `break` and `end_session` | the report of the break may be among what nobody hears, and nothing is open that would show it: the position is a drop copy's to find |
//! | `end_session` | all that is asked anywhere, or it halts, with what was open reserved |
//! | `repeat`, `rewind`, `ahead`, `garbage` | SoupBinTCP's messages have no numbers of their own, so a venue that says one twice misleads whoever counts: a message may be missed and nothing shows it. Nothing is sent that was not decided, no token comes twice; and another process, which hears the stream from its start, comes to what the venue has |

use colo::exchange::entry::Cause;
use colo::exchange::rng::Rng;
use colo::exchange::script::{Action, Step, Trigger};

use crate::exchange_support::MS;

/// What one session's script may lead to.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub steps: Vec<Step>,
    /// The core may have to halt.
    pub may_halt: bool,
    /// The venue's book changes before anybody could know.
    pub surprises: bool,
    /// Some of that are fills of orders that were gone, or trades undone in a session that nobody hears to its end.
    pub fills_late: bool,
    /// The stream is not what its numbers say.
    pub misleads: bool,
    /// The stream of the account is ended: a process that starts behind that hears only what comes later.
    pub ends_session: bool,
    /// A login is refused, and a core that was refused does not try again.
    pub refuses: bool,
}

/// At most this long does anything last that is not a silence.
pub const LASTS: u64 = 300 * MS;

impl Script {
    /// Up to three steps; in half of all sessions none.
    pub fn draw(rng: &mut Rng) -> Script {
        let mut script = Script::default();
        if rng.below(2) == 0 {
            for _ in 0..1 + rng.below(3) {
                let (trigger, action) = draw(rng);
                // Who is refused behind the end of a session starts anew, and can know nothing of what was before.
                if script.ends_session && action == Action::RefuseLogin {
                    continue;
                }
                match action {
                    Action::EndSession if script.refuses => continue,
                    Action::EndSession => (script.ends_session, script.may_halt) = (true, true),
                    Action::LateFill => {
                        (script.surprises, script.fills_late, script.may_halt) = (true, true, true);
                    }
                    Action::Break => script.surprises = true,
                    Action::RefuseLogin => script.refuses = true,
                    Action::Repeat | Action::Rewind(_) | Action::Ahead(_) | Action::Garbage(_) => {
                        script.misleads = true;
                    }
                    _ => {}
                }
                // Nor is the position then what the venue has.
                script.fills_late |= script.ends_session && script.surprises;
                script.steps.push(Step { trigger, account: Some(0), symbol: None, action });
            }
        }
        script
    }
}

impl Script {
    pub fn actions(&self) -> Vec<(Trigger, Action)> {
        self.steps.iter().map(|s| (s.trigger, s.action)).collect()
    }
}

fn draw(rng: &mut Rng) -> (Trigger, Action) {
    let request = Trigger::Request(1 + rng.below(12), None);
    let report = Trigger::Report(1 + rng.below(20), None);
    // The first login finds nothing to go back to.
    let login = Trigger::Login(2 + rng.below(3));
    let some = [request, report, Trigger::At(rng.below(20) * 100 * MS)][rng.below(3) as usize];
    match rng.below(14) {
        0 => (request, Action::Drop),
        1 => (some, Action::Disconnect),
        2 => (report, Action::Cut(rng.below(60) as usize)),
        // Behind an order: what a first login takes for the end of a replay is a quiet line, and this one is quiet for another reason.
        3 => (Trigger::Request(1 + rng.below(4), Some(b'O')), Action::Silence(rng.below(20_000) * MS)),
        4 => (some, Action::Deaf(rng.below(LASTS))),
        5 => (some, Action::Garbage(1 + rng.below(40) as usize)),
        6 => (report, Action::Repeat),
        7 => (login, Action::Rewind(1 + rng.below(4))),
        8 => (login, Action::Ahead(1 + rng.below(4))),
        9 => (some, Action::LateFill),
        10 => (some, Action::Break),
        11 => (some, Action::EndSession),
        12 => (some, Action::Reject(Cause::Other, rng.below(LASTS))),
        _ => (login, Action::RefuseLogin),
    }
}
