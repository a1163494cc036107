//! The venue wants to hear nothing for a while (429 and 418), and the session says so: it is not `Ready` meanwhile, for nothing that it took could be sent.
//!
//! The stream stays open and what it says is applied, so nothing is missed and nothing has to be read again. Orders that had not left are refused; cancels that were
//! taken are kept, and go first when the silence is over.

use model::{Nanos, SessionEvent};

use super::config::own;
use super::missed::Replay;
use super::session::{Out, Session, Stage};

/// What an answer 429 or 418 without `Retry-After` means.
const UNSAID: Nanos = Nanos::from_millis(60_000);
/// The longest ban that a large venue documents (Binance: "scaling in duration from 2 minutes to 3 days"). Whatever asks for more is no venue, and a person who puts
/// it right should not have to start us again.
const LONGEST: Nanos = Nanos::from_millis(3 * 86_400_000);

/// For how long nothing is to be sent after an answer 429 or 418 with this `Retry-After`, in seconds.
#[must_use]
pub fn silence(retry_after_s: Option<u32>) -> Nanos {
    retry_after_s.map_or(UNSAID, |s| Nanos::from_millis(u64::from(s) * 1_000)).min(LONGEST)
}

impl Session {
    pub(super) fn be_silent(&mut self, now: Nanos, retry_after_s: Option<u32>) {
        self.limits.silence(now, silence(retry_after_s));
        if self.stage == Stage::Ready {
            self.stage = Stage::Silent;
            self.drop_all_unsent(now);
            self.out.push_back(Out::Session(SessionEvent::Disconnected));
        }
    }

    /// Refuses every new order and replace whose request has not left.
    pub fn drop_all_unsent(&mut self, now: Nanos) {
        while let Some(&token) = self.fresh.front() {
            self.drop_unsent(now, token, own::UNSENT);
        }
    }

    /// The silence may be over: what is unknown of orders is asked, and then the session is ready.
    pub(super) fn end_silence(&mut self, now: Nanos) {
        if self.stage == Stage::Silent && !self.limits.is_silent(now) {
            self.stage = Stage::Replaying;
            // The stream was open all the time: there is no list to be read.
            self.replay = Replay { symbol: self.frontiers.len(), ..Replay::default() };
            self.out.push_back(Out::Session(SessionEvent::LoggedIn));
        }
        if self.stage == Stage::Replaying {
            self.check_ready(now);
        }
    }
}
