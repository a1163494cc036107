//! What an agent cannot do and a person should know why: from its thread to the log for people, which another one writes.

use std::fmt::Display;
use std::sync::mpsc::SyncSender;

use model::Nanos;

/// Words that wait for the log. One that finds no room is not said, and comes again with the next attempt.
pub const WORDS: usize = 256;

/// What is said of a connection that takes too long.
pub(in crate::agents) const TOO_LATE: &str = "it does not stand in time";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// When.
    pub now: Nanos,
    /// Whose connection.
    pub who: String,
    /// Why there is none.
    pub why: String,
}

/// Says why a connection does not come about: each reason once, until one stands. The attempts have waits between them that grow, so the words have.
pub(in crate::agents) struct Voice {
    who: String,
    words: SyncSender<Word>,
    last: String,
}

impl Voice {
    pub(in crate::agents) fn new(who: String, words: SyncSender<Word>) -> Voice {
        Voice { who, words, last: String::new() }
    }

    /// It did not. Waits for nobody. Cost: allocates.
    #[cold]
    pub(in crate::agents) fn failed(&mut self, now: Nanos, why: &dyn Display) {
        let why = why.to_string();
        if why != self.last {
            let word = Word { now, who: self.who.clone(), why: why.clone() };
            if self.words.try_send(word).is_ok() {
                self.last = why;
            }
        }
    }

    /// It stands.
    pub(in crate::agents) fn stands(&mut self) {
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_reason_is_said_once_until_a_connection_stands_and_nobody_is_waited_for() {
        let (words, said) = sync_channel(2);
        let mut voice = Voice::new("gateway-g1".into(), words);
        let reasons = || said.try_iter().map(|w| w.why).collect::<Vec<_>>();
        for why in ["a", "a", "b", "b"] {
            voice.failed(Nanos(1), &why);
        }
        // No room.
        voice.failed(Nanos(2), &"c");
        assert_eq!(reasons(), ["a", "b"]);
        voice.failed(Nanos(3), &"c");
        voice.stands();
        voice.failed(Nanos(4), &"c");
        assert_eq!(reasons(), ["c", "c"]);
        drop(said);
        voice.failed(Nanos(5), &"d");
    }
}
