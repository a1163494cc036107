//! What is wrong with the cores, as incidents that begin and end.
//!
//! | kind | begins | ends |
//! |---|---|---|
//! | `killed` | the kill switch is set, of everything or of one instrument | it is released |
//! | `dead` | a core that lived does not: its process is gone without an end in order, or agents of it stand still | a core of that name lives again, or ended in order |
//!
//! A core is dead after two looks that say so, half a second apart, so that a restart that is under way is no incident by itself. An incident that is open while this process restarts
//! is taken over: its trigger is not told again, its end is.

use std::collections::BTreeSet;

use colo::telemetry::snapshot::Viewer;
use model::Nanos;
use serde::{Deserialize, Serialize};

use crate::life::{self, Down};

/// Whether an incident begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It begins.
    Trigger,
    /// It ends.
    Resolve,
}

impl Action {
    /// The word of PagerDuty.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Action::Trigger => "trigger",
            Action::Resolve => "resolve",
        }
    }
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Whether it begins or ends.
    pub action: Action,
    /// The incident's name: the same for its beginning and its end.
    pub dedup_key: String,
    /// The core.
    pub core: String,
    /// `killed`, `dead` or `test`.
    pub kind: String,
    /// In one sentence.
    pub summary: String,
    /// When it was seen, ns since the Unix epoch.
    pub at_ns: u64,
}

impl Notice {
    /// Of a core's incident.
    #[must_use]
    pub fn new(action: Action, core: &str, kind: &str, summary: String, at: Nanos) -> Notice {
        let dedup_key = format!("colo/{core}/{kind}");
        Notice { action, dedup_key, core: core.into(), kind: kind.into(), summary, at_ns: at.0 }
    }
}

/// What one look at a core gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// It lives; as [`colo::telemetry::counters::engine::kill`].
    Alive {
        /// The kill switch.
        kill: u64,
    },
    /// It is not there, and that is in order: it ended so, or never was.
    Away,
    /// It died or stands still, with the sentence. One that was dead before this process began is told of too: it was named, and nobody may know.
    Dead(String),
    /// What is there cannot be read, with the sentence: after a core that lived it is a death; before, what another build left.
    Strange(String),
}

/// Looks at a core.
#[must_use]
pub fn see(name: &str) -> Seen {
    match life::open(name) {
        Ok((s, _)) => Seen::Alive { kill: s.engine["kill"] },
        Err(Down::Absent) => Seen::Away,
        Err(Down::Ended { .. }) if ended_in_order(name) => Seen::Away,
        Err(down @ (Down::Ended { .. } | Down::Silent { .. })) => Seen::Dead(down.sentence(name)),
        Err(down) => Seen::Strange(down.sentence(name)),
    }
}

/// Each agent has said that it ended.
fn ended_in_order(name: &str) -> bool {
    Viewer::open(name).is_ok_and(|v| v.beats().iter().all(|b| b.phase == 2))
}

/// One core's part.
#[derive(Debug)]
struct Watch {
    name: String,
    /// Looks in a row that found it dead.
    dead: u32,
    /// It was seen alive.
    has_lived: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Incidents {
    cores: Vec<Watch>,
    /// Names of those that are open.
    open: BTreeSet<String>,
}

impl Incidents {
    /// Of these cores, with what was open before.
    #[must_use]
    pub fn new(cores: Vec<String>, open: BTreeSet<String>) -> Incidents {
        let cores = cores.into_iter().map(|name| Watch { name, dead: 0, has_lived: false }).collect();
        Incidents { cores, open }
    }

    /// Looks at every core; what is to be told since the last time.
    pub fn look(&mut self, now: Nanos) -> Vec<Notice> {
        let names: Vec<String> = self.cores.iter().map(|w| w.name.clone()).collect();
        names.iter().flat_map(|name| self.judge(name, see(name), now)).collect()
    }

    /// What follows from a look.
    pub fn judge(&mut self, name: &str, seen: Seen, now: Nanos) -> Vec<Notice> {
        let Some(w) = self.cores.iter_mut().find(|w| w.name == name) else { return Vec::new() };
        let mut told = Vec::new();
        match seen {
            Seen::Alive { kill } => {
                (w.dead, w.has_lived) = (0, true);
                self.turn(&mut told, name, "dead", None, format!("core {name} lives again"), now);
                let began = (kill > 0).then(|| {
                    let rest = if kill == 2 {
                        "the venue has confirmed that nothing lives"
                    } else {
                        "it is not flat yet"
                    };
                    format!("kill switch of core {name} is set; {rest}")
                });
                let ended = format!("the kill switch of core {name} is released");
                self.turn(&mut told, name, "killed", began, ended, now);
            }
            // A kill is latched on the disk: whether it stands, a core that is away does not say.
            Seen::Away => {
                w.dead = 0;
                self.turn(&mut told, name, "dead", None, format!("core {name} has ended in order"), now);
            }
            Seen::Strange(_) if !w.has_lived => {}
            Seen::Dead(sentence) | Seen::Strange(sentence) => {
                w.dead += 1;
                if w.dead >= 2 {
                    self.turn(&mut told, name, "dead", Some(sentence), String::new(), now);
                }
            }
        }
        told
    }

    /// Opens or closes an incident, where that is a change.
    fn turn(
        &mut self,
        told: &mut Vec<Notice>,
        core: &str,
        kind: &str,
        began: Option<String>,
        ended: String,
        now: Nanos,
    ) {
        let (action, summary) = match began {
            Some(summary) => (Action::Trigger, summary),
            None => (Action::Resolve, ended),
        };
        let notice = Notice::new(action, core, kind, summary, now);
        let changed = match action {
            Action::Trigger => self.open.insert(notice.dedup_key.clone()),
            Action::Resolve => self.open.remove(&notice.dedup_key),
        };
        if changed {
            told.push(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(7);

    fn words(told: &[Notice]) -> Vec<String> {
        told.iter().map(|n| format!("{} {}", n.action.word(), n.dedup_key)).collect()
    }

    fn incidents() -> Incidents {
        Incidents::new(vec!["a".into(), "b".into()], BTreeSet::new())
    }

    #[test]
    fn a_kill_is_told_once_and_taken_back_once() {
        let mut i = incidents();
        let mut told = Vec::new();
        for kill in [0, 1, 1, 2, 2, 0, 0, 2] {
            told.extend(i.judge("a", Seen::Alive { kill }, NOW));
        }
        assert_eq!(words(&told), ["trigger colo/a/killed", "resolve colo/a/killed", "trigger colo/a/killed"]);
    }

    #[test]
    fn a_core_that_dies_is_told_of_at_the_second_look() {
        let mut i = incidents();
        let dead = || Seen::Dead("it is gone".into());
        let strange = || Seen::Strange("another layout".into());
        assert!((0..3).all(|_| i.judge("b", strange(), NOW).is_empty()), "what another build left");
        assert!(i.judge("b", Seen::Alive { kill: 0 }, NOW).is_empty());
        assert!(i.judge("b", dead(), NOW).is_empty());
        let told = i.judge("b", dead(), NOW);
        assert_eq!((words(&told), &*told[0].summary), (vec!["trigger colo/b/dead".to_owned()], "it is gone"));
        assert!(i.judge("b", dead(), NOW).is_empty());
        assert_eq!(words(&i.judge("b", Seen::Alive { kill: 0 }, NOW)), ["resolve colo/b/dead"]);
    }

    #[test]
    fn a_core_that_was_dead_before_is_told_of_too() {
        let mut i = incidents();
        let dead = || Seen::Dead("it is gone".into());
        assert!(i.judge("a", dead(), NOW).is_empty());
        assert_eq!(words(&i.judge("a", dead(), NOW)), ["trigger colo/a/dead"]);
    }

    #[test]
    fn an_end_in_order_is_no_incident() {
        let mut i = incidents();
        let all = [Seen::Alive { kill: 0 }, Seen::Away, Seen::Away, Seen::Alive { kill: 0 }];
        assert!(all.into_iter().all(|seen| i.judge("a", seen, NOW).is_empty()));
    }

    #[test]
    fn what_was_open_before_is_taken_over() {
        let mut i = Incidents::new(vec!["a".into()], BTreeSet::from(["colo/a/killed".to_owned()]));
        assert!(i.judge("a", Seen::Alive { kill: 1 }, NOW).is_empty(), "it was told of");
        assert_eq!(words(&i.judge("a", Seen::Alive { kill: 0 }, NOW)), ["resolve colo/a/killed"]);
    }

    #[test]
    fn a_kill_stands_while_its_core_is_away() {
        let mut i = incidents();
        i.judge("a", Seen::Alive { kill: 2 }, NOW);
        assert!(i.judge("a", Seen::Away, NOW).is_empty());
        assert!(i.judge("a", Seen::Alive { kill: 2 }, NOW).is_empty());
    }
}
