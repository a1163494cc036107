//! What is made of a message received.

use model::Nanos;

use super::super::dictionary::{Fault, RejectReason, Strictness};
use super::super::framing::Message;
use super::super::store::{Past, Store};
use super::super::tags::{self, admin};
use super::super::value;
use super::config::HEARTBEAT_MAX_S;
use super::{Core, End, Gap, Replay, Role, Signal, State, Uncounted};

/// Numbers of the counterparty's own messages that are remembered ahead of a gap.
pub(super) const KNOWN_MAX: usize = 256;

/// SessionStatus (1409) as later versions have it; venues say it in 4.4 too.
const SESSION_STATUS: i32 = 1409;

/// Why a Logout answers our Logon: by the status where one is said, by its words otherwise, for 4.2 and 4.4 have nothing else. What is neither our name nor our number
/// may be over the next time.
fn refusal(m: &Message<'_>) -> End {
    match m.uint(SESSION_STATUS) {
        // A new password that is no good, an unknown user or a wrong password, a locked account, an old password.
        Some(3 | 5 | 6 | 8) => return End::NotAuthorised,
        Some(9) => return End::OutOfStep,
        _ => {}
    }
    let words = m.get(tags::TEXT).unwrap_or_default().to_ascii_lowercase();
    let says = |word: &&str| words.windows(word.len()).any(|part| part == word.as_bytes());
    if ["msgseqnum too", "sequence number too", "seqnum too"].iter().any(&says) {
        End::OutOfStep
    } else if ["authori", "authenticat", "credential", "password", "username", "signature", "locked"]
        .iter()
        .any(says)
    {
        End::NotAuthorised
    } else {
        End::Refused
    }
}

/// What is to be done with a message.
pub(super) enum Verdict {
    /// It was acted upon, or is not to be.
    Done,
    /// It is ahead of a gap.
    Hold(u64),
    /// It is the application's.
    Deliver(u64),
}

impl<S: Store> Core<S> {
    /// Whether messages are taken.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.state, State::AwaitingLogon | State::LogonSent | State::Active | State::LogoutSent)
    }

    /// The message expected, if it is held: it is copied to `room`. Length 0: it only has to be counted.
    pub(super) fn take_held(&mut self, room: &mut [u8]) -> Option<usize> {
        matches!(self.state, State::Active | State::LogoutSent).then(|| self.held.take(self.next_in, room))?
    }

    /// Counts what the application was given before.
    pub(super) fn settle(&mut self) {
        if let Some(Uncounted { seq, report }) = self.uncounted.take() {
            self.count_as(seq, report);
        }
    }

    /// Message `seq` has been acted upon; nothing but where it is the one expected.
    pub(super) fn count(&mut self, seq: u64) {
        self.count_as(seq, false);
    }

    fn count_as(&mut self, seq: u64, report: bool) {
        if seq == self.next_in {
            self.expect(seq.saturating_add(1), report);
        }
    }

    /// `next` is expected from now on; `report`: the message before it told of an order.
    fn expect(&mut self, next: u64, report: bool) {
        self.next_in = next;
        // History that is replayed to a new process was counted by an earlier one.
        if next > self.store.numbers().next_in {
            let past = self.store.numbers().past;
            let noted =
                !report || past.settled.is_none() || self.store.note(Past { settled: None, ..past }).is_ok();
            if !noted || self.store.received(next, report).is_err() {
                return self.finish(End::Store);
            }
        }
        self.recall(next, report);
        // Progress: the counterparty is at it.
        let last_heard = self.last_heard;
        self.gap = self
            .gap
            .filter(|gap| gap.upto >= next)
            .map(|gap| Gap { asked_at: gap.asked_at.max(last_heard), ..gap });
        if self.catch_up.is_some_and(|to| next > to) {
            self.catch_up = None;
            self.signals.push_back(Signal::CaughtUp);
        }
    }

    /// A part of an earlier process's history has come again: with the last of it, as many reports as that one heard, or some were not sent again.
    fn recall(&mut self, next: u64, report: bool) {
        let Some(history) = &mut self.history else { return };
        if next <= history.below {
            history.reports = history.reports.saturating_sub(report.into());
        }
        if next >= history.below {
            if history.reports > 0 {
                self.signals.push_back(Signal::Skipped { from: 1, to: history.below - 1, filled: false });
            }
            self.history = None;
        }
    }

    /// Message `seq` is ahead of a gap, and says nothing of orders: when the connection ends before the gap is filled it need not be heard again.
    fn know(&mut self, seq: u64) {
        let next = self.next_in;
        self.known.retain(|known| *known >= next && *known != seq);
        if seq > next {
            if self.known.len() == KNOWN_MAX {
                self.known.pop_front();
            }
            self.known.push_back(seq);
        }
    }

    /// The messages from `from` to below `next` will not come; some may be known, as the counterparty's Logon is.
    fn skip(&mut self, from: u64, next: u64, filled: bool) {
        let known = self.known.iter().filter(|seq| (from..next).contains(*seq)).count() as u64;
        if next.saturating_sub(from) > known {
            self.signals.push_back(Signal::Skipped { from, to: next - 1, filled });
        }
    }

    pub(super) fn on_garbled(&mut self) {
        self.garbled += 1;
        if self.state == State::AwaitingLogon {
            self.finish(End::NotLogon);
        }
    }

    pub(super) fn judge(&mut self, now: Nanos, m: &Message<'_>) -> Verdict {
        let kind = m.kind();
        let strange = m.begin() != self.config.version.begin();
        match self.state {
            State::AwaitingLogon if kind != admin::LOGON || strange => self.finish(End::NotLogon),
            State::LogonSent if kind == admin::LOGOUT => self.finish(refusal(m)),
            State::LogonSent if kind != admin::LOGON || strange => self.finish(End::NotLogon),
            _ if strange => {
                if self.state == State::Active {
                    self.say_logout(now, "Incorrect BeginString");
                }
            }
            _ => match m.uint(tags::MSG_SEQ_NUM).filter(|seq| *seq > 0 || kind == admin::SEQUENCE_RESET) {
                Some(seq) if kind == admin::LOGON => self.on_logon(now, m, seq),
                Some(seq) => return self.on_numbered(now, m, seq),
                None => self.part(now, "MsgSeqNum missing", End::Malformed),
            },
        }
        Verdict::Done
    }

    /// Whether sender and target are the session's; absent or empty is another fault, found by the dictionary.
    fn names_us(&self, m: &Message<'_>) -> bool {
        let same = |tag, ours: &str| m.get(tag).is_none_or(|id| id.is_empty() || id == ours.as_bytes());
        same(tags::SENDER_COMP_ID, &self.config.target) && same(tags::TARGET_COMP_ID, &self.config.sender)
    }

    fn is_timely(&self, now: Nanos, m: &Message<'_>) -> bool {
        let Some(at) = m.get(tags::SENDING_TIME).and_then(value::utc) else { return true };
        now.since(at).max(at.since(now)) <= self.config.accuracy
    }

    fn on_numbered(&mut self, now: Nanos, m: &Message<'_>, seq: u64) -> Verdict {
        let kind = m.kind();
        if !self.names_us(m) {
            self.reject_and_part(now, m, seq, RejectReason::CompIdProblem);
            return Verdict::Done;
        }
        let duplicate = m.flag(tags::POSS_DUP_FLAG);
        if !duplicate && !self.is_timely(now, m) {
            self.reject_and_part(now, m, seq, RejectReason::SendingTimeAccuracy);
            return Verdict::Done;
        }
        let full = self.config.strictness == Strictness::Full;
        if duplicate && full && kind != admin::SEQUENCE_RESET && !self.dated(now, m, seq) {
            return Verdict::Done;
        }
        match kind {
            // A goodbye is heard whatever its number: waiting for what is missing would only end in silence.
            admin::LOGOUT => {
                self.know(seq);
                self.heard_all = seq == self.next_in;
                self.count(seq);
                self.on_logout(now);
                return Verdict::Done;
            }
            // Asked for now, or both sides might wait for each other.
            admin::RESEND_REQUEST => {
                self.know(seq);
                self.on_resend_request(now, m, seq);
                return Verdict::Done;
            }
            admin::SEQUENCE_RESET if !m.flag(tags::GAP_FILL_FLAG) => {
                self.on_reset(now, m, seq);
                return Verdict::Done;
            }
            _ => {}
        }
        if seq > self.next_in {
            if matches!(kind, admin::HEARTBEAT | admin::TEST_REQUEST) {
                self.know(seq);
            }
            self.ask_for_gap(now, seq);
            return Verdict::Hold(seq);
        }
        if seq < self.next_in {
            if !duplicate {
                self.too_low(now, self.next_in, seq);
            }
            return Verdict::Done;
        }
        if let Err(fault) = self.dictionary.check(m, self.config.strictness) {
            self.reject(now, m, seq, fault);
            return Verdict::Done;
        }
        match kind {
            admin::HEARTBEAT => self.count(seq),
            admin::TEST_REQUEST => {
                self.say_heartbeat(now, m.get(tags::TEST_REQ_ID));
                self.count(seq);
            }
            admin::SEQUENCE_RESET => match m.uint(tags::NEW_SEQ_NO).filter(|next| *next > seq) {
                Some(next) => {
                    // Not asked for, its number is its own.
                    let own = u64::from(self.gap.is_none() && self.catch_up.is_none());
                    self.skip(self.store.numbers().next_in.max(seq + own), next, true);
                    self.expect(next, false);
                }
                None => self.reject(now, m, seq, RejectReason::ValueIncorrect.of(tags::NEW_SEQ_NO)),
            },
            _ => return Verdict::Deliver(seq),
        }
        Verdict::Done
    }

    /// A duplicate says when it was sent first, and that is not after it was sent again.
    fn dated(&mut self, now: Nanos, m: &Message<'_>, seq: u64) -> bool {
        let Some(first) = m.get(tags::ORIG_SENDING_TIME) else {
            self.reject(now, m, seq, RejectReason::RequiredTagMissing.of(tags::ORIG_SENDING_TIME));
            return false;
        };
        let sent = m.get(tags::SENDING_TIME).and_then(value::utc);
        if value::utc(first).zip(sent).is_some_and(|(first, sent)| first > sent) {
            self.reject_and_part(now, m, seq, RejectReason::SendingTimeAccuracy);
            return false;
        }
        true
    }

    #[cold]
    fn too_low(&mut self, now: Nanos, expected: u64, seq: u64) {
        let text = format!("MsgSeqNum too low, expecting {expected} but received {seq}");
        self.part(now, &text, End::SequenceTooLow);
    }

    fn on_logout(&mut self, now: Nanos) {
        if self.state == State::Active {
            self.say_logout(now, "");
        }
        self.finish(End::LoggedOut);
    }

    /// SequenceReset without gap fill: the counterparty has lost what was before, or will not say it. Its own number does not count.
    fn on_reset(&mut self, now: Nanos, m: &Message<'_>, seq: u64) {
        match m.uint(tags::NEW_SEQ_NO) {
            Some(next) if next >= self.next_in => {
                self.gap = None;
                if next > self.next_in {
                    self.skip(self.next_in.max(self.store.numbers().next_in), next, false);
                    self.expect(next, false);
                }
            }
            // Not counted: its number means nothing.
            _ => self.say_reject(now, m, seq, Fault { reason: RejectReason::ValueIncorrect, tag: None }),
        }
    }

    fn on_logon(&mut self, now: Nanos, m: &Message<'_>, seq: u64) {
        let again = self.state == State::Active || self.state == State::LogoutSent;
        if again {
            return self.on_logon_again(now, m, seq);
        }
        if !self.names_us(m) {
            return self.finish(End::CompId);
        }
        if !self.is_timely(now, m) {
            return self.finish(End::SendingTime);
        }
        let heartbeat = m.uint(tags::HEART_BT_INT).filter(|s| *s <= HEARTBEAT_MAX_S.into());
        let (Ok(()), Some(heartbeat)) = (self.dictionary.check(m, self.config.strictness), heartbeat) else {
            return self.finish(End::NotLogon);
        };
        let acceptor = self.config.role == Role::Acceptor;
        if acceptor && !self.config.credentials.admit(m) {
            return self.part(now, "not authorised", End::NotAuthorised);
        }
        let reset = m.flag(tags::RESET_SEQ_NUM_FLAG);
        if reset && (seq != 1 || !acceptor && !self.asked_reset) {
            return self.part(now, "sequence numbers were reset", End::UnaskedReset);
        }
        if reset && acceptor && !self.reset(now) {
            return;
        }
        // A process that has all replayed expects 1, and yet knows how far the counterparty had come.
        let expected = match self.config.replay {
            Replay::All => self.store.numbers().next_in.max(self.next_in),
            Replay::Missed => self.next_in,
        };
        if seq < expected {
            return self.too_low(now, expected, seq);
        }
        if self.asked_reset && (reset || seq == 1) && self.store.begin(now).is_err() {
            return self.finish(End::Store);
        }
        self.state = State::Active;
        self.deadline = None;
        if acceptor {
            self.heartbeat = Nanos(heartbeat * 1_000_000_000);
            self.say_logon(now, heartbeat, reset);
        }
        self.signals.push_back(Signal::LoggedOn { reset });
        self.catch_up = Some(seq);
        self.know(seq);
        if seq > self.next_in {
            self.held.push(seq, &[]);
            self.ask_for_gap(now, seq);
        } else {
            self.count(seq);
        }
    }

    /// A Logon inside a session resets it, or is out of place.
    fn on_logon_again(&mut self, now: Nanos, m: &Message<'_>, seq: u64) {
        let acceptor = self.config.role == Role::Acceptor;
        if acceptor
            && m.flag(tags::RESET_SEQ_NUM_FLAG)
            && seq == 1
            && self.names_us(m)
            && self.config.credentials.admit(m)
        {
            if self.reset(now) {
                self.state = State::Active;
                self.say_logon(now, self.heartbeat.0 / 1_000_000_000, true);
                self.signals.push_back(Signal::LoggedOn { reset: true });
                self.catch_up = Some(seq);
                self.count(seq);
            }
        } else if m.flag(tags::POSS_DUP_FLAG) {
            self.count(seq);
        } else {
            self.part(now, "already logged on", End::Malformed);
        }
    }
}
