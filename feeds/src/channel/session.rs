//! From one session of the venue to the next.

use model::{FeedStatus, Nanos};

use super::{Channel, NUL, Sink};
use crate::framing::Session;

impl Channel {
    /// Goes over to another session when the one that is followed has announced its end, or was silent: while it is heard, a packet
    /// of another session is a stray one (a line that is bound to another channel, a venue's test, a late copy of yesterday). What
    /// the old one still misses is lost.
    ///
    /// A session that was left is believed again only when the one it was left for has been silent, for its own late packets follow
    /// its end; and it is believed then, so that a stray packet does not shut out the real stream for good.
    ///
    /// Where only one session is followed ([`super::ChannelConfig::only`]) another is a stray one whatever is heard.
    #[cold]
    pub(super) fn adopt<S: Sink>(&mut self, now: Nanos, session: Session, sink: &mut S) -> bool {
        if self.only.is_some_and(|only| only != session) {
            return false;
        }
        if self.session == NUL {
            self.session = session;
            return true;
        }
        let is_silent = self.heard.is_none_or(|heard| heard.after(self.silence) <= now);
        let is_ended = self.end.is_some() && !self.retired.contains(&session);
        if !is_ended && !is_silent {
            return false;
        }
        if self.snapshots.is_holding() {
            self.store.drop_below(u64::MAX);
        }
        self.snapshots.end();
        while self.expected < self.seen_end {
            self.track_gap(now, sink);
            self.lose(now, self.hole_end(), sink);
        }
        self.track_gap(now, sink);
        self.retired.rotate_right(1);
        self.retired[0] = self.session;
        (self.session, self.expected, self.seen_end) = (session, 1, 1);
        self.forget_prints();
        (self.steady, self.synced, self.intact) = (false, false, true);
        (self.end, self.over, self.behind) = (None, false, None);
        self.stats.new_sessions += 1;
        sink.status(FeedStatus::NewSession);
        true
    }
}
