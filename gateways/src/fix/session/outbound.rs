//! What the session says by itself, and how a message gets its header.

use model::Nanos;

use super::super::compose::{Fields, decimal};
use super::super::dictionary::{Fault, RejectReason};
use super::super::framing::Message;
use super::super::store::{Past, Store};
use super::super::tags::{self, admin, app};
use super::{ADMIN_RESERVE, Core, End, Gap, Resend, Role, SendError, State};

/// How often what is missing is asked for.
const GAP_ATTEMPTS: u32 = 3;

/// How an answer is routed back: its field, and the field of the message that the value is taken from.
const REVERSE: [(i32, i32); 6] = [
    (tags::ON_BEHALF_OF_COMP_ID, tags::DELIVER_TO_COMP_ID),
    (tags::ON_BEHALF_OF_SUB_ID, tags::DELIVER_TO_SUB_ID),
    (tags::DELIVER_TO_COMP_ID, tags::ON_BEHALF_OF_COMP_ID),
    (tags::DELIVER_TO_SUB_ID, tags::ON_BEHALF_OF_SUB_ID),
    (tags::ON_BEHALF_OF_LOCATION_ID, tags::DELIVER_TO_LOCATION_ID),
    (tags::DELIVER_TO_LOCATION_ID, tags::ON_BEHALF_OF_LOCATION_ID),
];

impl<S: Store> Core<S> {
    pub(super) fn on_connected(&mut self, now: Nanos) {
        self.out.clear();
        self.held.clear();
        self.signals.clear();
        (self.end, self.gap, self.catch_up, self.resend, self.uncounted) = (None, None, None, None, None);
        (self.last_sent, self.last_heard, self.tested, self.heard_all) = (now, now, false, false);
        self.deadline = Some(now.after(self.config.patience));
        if !self.rest() {
            return;
        }
        match self.config.role {
            Role::Acceptor => self.state = State::AwaitingLogon,
            Role::Initiator => {
                self.state = State::LogonSent;
                let reset = self.config.reset.is_due(now, self.store.numbers().began);
                self.asked_reset = reset;
                if reset && !self.reset(now) {
                    return;
                }
                self.say_logon(now, u64::from(self.config.heartbeat_s), reset);
            }
        }
    }

    /// Nothing is being said.
    fn rest(&mut self) -> bool {
        let done = self.store.rest().is_ok();
        if !done {
            self.finish(End::Store);
        }
        done
    }

    /// Both sequences begin at 1.
    pub(super) fn reset(&mut self, now: Nanos) -> bool {
        self.next_in = 1;
        self.history = None;
        self.held.clear();
        self.known.clear();
        (self.gap, self.catch_up, self.resend, self.uncounted) = (None, None, None, None);
        let done = self.store.reset(now).is_ok();
        if !done {
            self.finish(End::Store);
        }
        done
    }

    /// Nothing more is read, and nothing more is sent than what is in the buffer.
    pub(super) fn finish(&mut self, end: End) {
        if self.state != State::Over {
            self.state = State::Over;
            self.end = Some(end);
            self.deadline = Some(self.last_heard.max(self.last_sent).after(self.config.patience));
            (self.gap, self.resend) = (None, None);
        }
    }

    /// Writes a message with number `seq` to the buffer, and returns its length. `duplicate` is the time at which it was sent first.
    pub(super) fn write(
        &mut self,
        now: Nanos,
        kind: &[u8],
        seq: u64,
        duplicate: Option<Nanos>,
        header: &[u8],
        body: &[u8],
    ) -> Option<usize> {
        let frame = &mut self.frame;
        frame.clear();
        frame.text(tags::MSG_TYPE, kind).uint(tags::MSG_SEQ_NUM, seq);
        if duplicate.is_some() {
            frame.text(tags::POSS_DUP_FLAG, b"Y");
        }
        frame.text(tags::SENDER_COMP_ID, self.config.sender.as_bytes()).utc(tags::SENDING_TIME, now);
        frame.text(tags::TARGET_COMP_ID, self.config.target.as_bytes()).raw(header);
        if let Some(first) = duplicate {
            frame.utc(tags::ORIG_SENDING_TIME, first);
        }
        frame.raw(body);
        self.last_sent = now;
        self.out.push(self.config.version.begin(), frame.finished()?).map(<[u8]>::len)
    }

    /// A new message, with the next number. It is in the store before anybody can send it.
    fn emit(&mut self, now: Nanos, kind: &[u8], header: &[u8], body: &[u8]) -> Result<u64, SendError> {
        let seq = self.store.numbers().next_out;
        let again = match self.config.resend {
            Resend::Application => kind == admin::REJECT || !is_admin(kind),
            Resend::NoRequests => kind == admin::REJECT,
        };
        let Some(length) = self.write(now, kind, seq, None, header, body) else {
            return Err(SendError::Full);
        };
        // An order that goes out: whatever was before, somebody lets it trade.
        let opens = matches!(kind, app::NEW_ORDER_SINGLE | app::ORDER_CANCEL_REPLACE_REQUEST);
        let past = Past { settled: None, forgotten: false };
        let noted = !opens || self.store.numbers().past == past || self.store.note(past).is_ok();
        let pending = self.out.pending();
        let kept = again.then(|| &pending[pending.len() - length..]);
        if !noted || self.store.sent(seq, kept).is_err() {
            self.out.clear();
            self.finish(End::Store);
            return Err(SendError::Store);
        }
        Ok(seq)
    }

    pub(super) fn send(
        &mut self,
        now: Nanos,
        kind: &[u8],
        header: &[u8],
        body: &[u8],
    ) -> Result<u64, SendError> {
        if self.state != State::Active {
            return Err(SendError::NotActive);
        }
        // A new message among those sent again would be another gap to the counterparty.
        if self.resend.is_some() || self.out.room() < header.len() + body.len() + 2 * ADMIN_RESERVE {
            return Err(SendError::Full);
        }
        self.emit(now, kind, header, body)
    }

    /// A message of the session's own, which the counterparty must get.
    fn say(&mut self, now: Nanos, kind: &[u8], header: &[u8], fill: impl FnOnce(&mut Fields)) {
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        fill(&mut body);
        self.say_body(now, kind, header, body);
    }

    /// As [`Core::say`], with the body taken from `self.body`.
    fn say_body(&mut self, now: Nanos, kind: &[u8], header: &[u8], body: Fields) {
        let sent = match body.finished() {
            Some(bytes) => self.emit(now, kind, header, bytes),
            None => Err(SendError::Full),
        };
        self.body = body;
        if sent == Err(SendError::Full) {
            self.finish(End::Stalled);
        }
    }

    pub(super) fn say_logon(&mut self, now: Nanos, heartbeat: u64, reset: bool) {
        let seq = self.store.numbers().next_out;
        let config = &self.config;
        let ours = config.role == Role::Initiator;
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        if ours {
            config.credentials.sign(now, seq, &config.sender, &config.target, &mut body);
        }
        body.uint(tags::ENCRYPT_METHOD, 0).uint(tags::HEART_BT_INT, heartbeat);
        if reset {
            body.text(tags::RESET_SEQ_NUM_FLAG, b"Y");
        }
        if ours {
            config.credentials.name(&mut body);
        }
        self.say_body(now, admin::LOGON, &[], body);
    }

    pub(super) fn say_heartbeat(&mut self, now: Nanos, answer: Option<&[u8]>) {
        self.say(now, admin::HEARTBEAT, &[], |body| {
            if let Some(id) = answer {
                body.text(tags::TEST_REQ_ID, id);
            }
        });
    }

    /// Says goodbye and waits for the answer.
    pub(super) fn say_logout(&mut self, now: Nanos, text: &str) {
        self.say(now, admin::LOGOUT, &[], |body| {
            if !text.is_empty() {
                body.text(tags::TEXT, text.as_bytes());
            }
        });
        if self.state != State::Over {
            self.state = State::LogoutSent;
            self.deadline = Some(now.after(self.config.patience));
        }
    }

    /// Says goodbye and why, and waits for nothing.
    #[cold]
    pub(super) fn part(&mut self, now: Nanos, text: &str, end: End) {
        self.say_logout(now, text);
        self.finish(end);
    }

    /// Rejects a message and counts it, if it is the one expected.
    pub(super) fn reject(&mut self, now: Nanos, m: &Message<'_>, seq: u64, fault: Fault) {
        self.say_reject(now, m, seq, fault);
        self.count(seq);
    }

    #[cold]
    pub(super) fn say_reject(&mut self, now: Nanos, m: &Message<'_>, seq: u64, fault: Fault) {
        let reasons = self.config.version.reject_reasons();
        let mut route = Fields::new(512);
        for (back, field) in REVERSE {
            if let Some(text) = m.get(field).filter(|text| !text.is_empty()) {
                route.text(back, text);
            }
        }
        self.say(now, admin::REJECT, route.finished().unwrap_or_default(), |body| {
            body.uint(tags::REF_SEQ_NUM, seq).text(tags::TEXT, fault.reason.text().as_bytes());
            if let Some(tag) = fault.tag {
                let sign: &[u8] = if tag < 0 { b"371=-" } else { b"371=" };
                let mut digits = [0; 20];
                body.raw(sign).raw(decimal(tag.unsigned_abs().into(), &mut digits)).raw(&[tags::SOH]);
            }
            body.text(tags::REF_MSG_TYPE, m.kind());
            if fault.reason as u8 <= reasons {
                body.uint(tags::SESSION_REJECT_REASON, fault.reason as u64);
            }
        });
    }

    /// Rejects what makes the session pointless, and says goodbye.
    #[cold]
    pub(super) fn reject_and_part(&mut self, now: Nanos, m: &Message<'_>, seq: u64, reason: RejectReason) {
        self.reject(now, m, seq, Fault { reason, tag: None });
        if self.state == State::Active {
            self.say_logout(now, "");
        }
    }

    /// `seq` shows that messages are missing: asks for everything from the one expected on, unless that is under way.
    pub(super) fn ask_for_gap(&mut self, now: Nanos, seq: u64) {
        if self.gap.is_none() {
            self.gap = Some(Gap { upto: seq, asked_at: now, attempts: 1 });
            self.say_resend_request(now);
        }
    }

    fn say_resend_request(&mut self, now: Nanos) {
        let begin = self.next_in;
        self.say(now, admin::RESEND_REQUEST, &[], |body| {
            body.uint(tags::BEGIN_SEQ_NO, begin).uint(tags::END_SEQ_NO, 0);
        });
    }

    pub(super) fn next_timeout(&self, paused: bool) -> Option<Nanos> {
        match self.state {
            State::Disconnected => None,
            State::AwaitingLogon | State::LogonSent | State::LogoutSent => self.deadline,
            State::Over => self.deadline.filter(|_| !self.out.pending().is_empty()),
            State::Active => {
                let heartbeat = (self.heartbeat.0 > 0).then(|| self.last_sent.after(self.heartbeat));
                let silence = (self.heartbeat.0 > 0 && !paused).then(|| self.silence_due());
                let scheduled = self.scheduled_end();
                let gap = self.gap.filter(|_| !paused).map(|gap| gap.asked_at.after(self.config.patience));
                [heartbeat, silence, gap, scheduled].into_iter().flatten().min()
            }
        }
    }

    /// When an initiator's session ends for the numbers to begin anew.
    fn scheduled_end(&self) -> Option<Nanos> {
        let initiator = self.config.role == Role::Initiator;
        initiator.then(|| self.config.reset.next(self.store.numbers().began))?
    }

    /// When silence is next to be judged: 1.2 heartbeats until a TestRequest, 2 until the end.
    fn silence_due(&self) -> Nanos {
        let fifths = if self.tested { 10 } else { 6 };
        self.last_heard.after(Nanos(self.heartbeat.0 / 5 * fifths))
    }

    pub(super) fn on_timeout(&mut self, now: Nanos, paused: bool) {
        if self.next_timeout(paused).is_none_or(|at| now < at) {
            return;
        }
        match self.state {
            State::Disconnected => {}
            State::AwaitingLogon | State::LogonSent => self.finish(End::LogonTimeout),
            State::LogoutSent => self.finish(End::LogoutTimeout),
            // It does not even take our goodbye.
            State::Over => self.out.clear(),
            State::Active => self.on_active_timeout(now, paused),
        }
    }

    fn on_active_timeout(&mut self, now: Nanos, paused: bool) {
        if self.scheduled_end().is_some_and(|at| now >= at) {
            return self.say_logout(now, "the numbers begin anew");
        }
        if self.heartbeat.0 > 0 {
            if !paused && now >= self.silence_due() {
                if self.tested {
                    return self.finish(End::Silent);
                }
                self.tested = true;
                self.say(now, admin::TEST_REQUEST, &[], |body| {
                    body.text(tags::TEST_REQ_ID, b"TEST");
                });
            }
            if now >= self.last_sent.after(self.heartbeat) {
                // Bytes that wait to be sent are a sign of life by themselves, and a blocked socket must not fill the buffer with heartbeats.
                if self.out.pending().is_empty() && self.resend.is_none() {
                    self.say_heartbeat(now, None);
                    self.rest();
                }
                self.last_sent = now;
            }
        }
        if let Some(gap) =
            self.gap.as_mut().filter(|gap| !paused && now >= gap.asked_at.after(self.config.patience))
        {
            if gap.attempts == GAP_ATTEMPTS {
                return self.part(now, "missing messages were not sent again", End::GapNotFilled);
            }
            (gap.asked_at, gap.attempts) = (now, gap.attempts + 1);
            self.say_resend_request(now);
        }
    }
}

/// Whether a message is the session's own.
pub(super) fn is_admin(kind: &[u8]) -> bool {
    matches!(kind, b"0" | b"1" | b"2" | b"3" | b"4" | b"5" | b"A")
}
