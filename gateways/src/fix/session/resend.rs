//! Sending again what the counterparty lacks, a part at a time, and filling the rest by gap fills.

use model::Nanos;

use super::super::dictionary::RejectReason;
use super::super::framing::{Message, split};
use super::super::store::Store;
use super::super::tags::{self, admin};
use super::super::value;
use super::{ADMIN_RESERVE, Core, End, Signal, State};

/// What is still to be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The first of those that a gap fill will cover.
    gap_from: u64,
    next: u64,
    end: u64,
}

/// Numbers looked up in one go.
const STEP: u64 = 1024;

impl<S: Store> Core<S> {
    pub(super) fn on_resend_request(&mut self, now: Nanos, m: &Message<'_>, seq: u64) {
        let last = self.store.numbers().next_out - 1;
        if let Err(fault) = self.dictionary.check(m, self.config.strictness) {
            return self.reject(now, m, seq, fault);
        }
        let begin = m.uint(tags::BEGIN_SEQ_NO).filter(|begin| (1..=last).contains(begin));
        let end = m.uint(tags::END_SEQ_NO).map(|end| if end == 0 { last } else { end.min(last) });
        match (begin, end) {
            (Some(begin), Some(end)) if begin <= end => {
                // A second request replaces what is left of the first: the counterparty knows best what it lacks.
                self.resend = Some(Range { gap_from: begin, next: begin, end });
                self.signals.push_back(Signal::ResendAsked { begin, end });
                if seq > self.next_in {
                    self.held.push(seq, &[]);
                    self.ask_for_gap(now, seq);
                } else {
                    self.count(seq);
                }
            }
            _ => self.reject(now, m, seq, RejectReason::ValueIncorrect.of(tags::BEGIN_SEQ_NO)),
        }
    }

    /// Goes on with a resend as far as the transmit buffer has room.
    pub(super) fn serve_resend(&mut self, now: Nanos) {
        let Some(mut range) = self.resend.take() else { return };
        if !matches!(self.state, State::Active | State::LogoutSent) {
            return;
        }
        for _ in 0..STEP {
            if range.next > range.end {
                if self.fill(now, &range) {
                    return;
                }
                break;
            }
            let length = match self.store.load(range.next, &mut self.loaded) {
                Ok(length) => length,
                Err(_) => return self.finish(End::Store),
            };
            if let Some(length) = length {
                if !self.fill(now, &range) {
                    break;
                }
                range.gap_from = range.next;
                if !self.again(now, length) {
                    break;
                }
                range.gap_from = range.next + 1;
            }
            range.next += 1;
        }
        self.resend = Some(range);
    }

    /// Fills the numbers that are not sent again, up to where `range` has come. False where there is no room.
    fn fill(&mut self, now: Nanos, range: &Range) -> bool {
        if range.gap_from >= range.next {
            return true;
        }
        if self.out.room() < ADMIN_RESERVE {
            return false;
        }
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        body.uint(tags::NEW_SEQ_NO, range.next).text(tags::GAP_FILL_FLAG, b"Y");
        let bytes = body.finished().unwrap_or_default();
        let written = self.write(now, admin::SEQUENCE_RESET, range.gap_from, Some(now), &[], bytes).is_some();
        self.body = body;
        written
    }

    /// Sends the message in `loaded` again, marked as a possible duplicate. False where there is no room.
    fn again(&mut self, now: Nanos, length: usize) -> bool {
        let bytes = &self.loaded[..length];
        if self.out.room() < length + ADMIN_RESERVE {
            return false;
        }
        if split(bytes, &mut self.loaded_fields).is_none() {
            self.finish(End::Store);
            return true;
        }
        let m = Message::new(bytes, &self.loaded_fields);
        let sent_first = m.get(tags::SENDING_TIME).and_then(value::utc).unwrap_or(now);
        let frame = &mut self.frame;
        frame.clear();
        let mut dated = false;
        for (tag, text) in m.fields() {
            if !dated && (!self.dictionary.in_header(tag) || tag > tags::ORIG_SENDING_TIME) {
                frame.utc(tags::ORIG_SENDING_TIME, sent_first);
                dated = true;
            }
            match tag {
                8..=10 => {}
                tags::MSG_SEQ_NUM => {
                    frame.text(tag, text).text(tags::POSS_DUP_FLAG, b"Y");
                }
                tags::SENDING_TIME => {
                    frame.utc(tag, now);
                }
                _ => {
                    frame.text(tag, text);
                }
            }
        }
        self.last_sent = now;
        let Some(body) = self.frame.finished() else { return false };
        self.out.push(self.config.version.begin(), body).is_some()
    }
}
