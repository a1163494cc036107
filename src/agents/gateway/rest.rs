//! The agent of a venue with API keys: three connections for requests and one WebSocket, and a session that says what goes by them.
//!
//! ```text
//!                    +-- cancels ----> line --+
//!   OrderItem ring --+-- orders -----> line --+--> the venue (HTTP/1.1 over TCP or TLS, one request at a time on each)
//!    |               +-- questions --> line --+
//!    +<-- GatewayItem ring <-- session <-- user stream (WebSocket)
//! ```
//!
//! It is slower than the binary gateways, allocates, and has a thread of its own, so that nothing of theirs waits for it (a configuration with one thread for all is refused).
//! What it keeps of them: an order approved for a session that is gone is never sent on the next one; receipts; and at an end in disorder everything of ours is canceled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use gateways::apikey::{Lane, Request, Response, Session, SessionConfig, Stage};
use gateways::gateway::ReportSink;
use model::{CommandKind, GatewayId, Instrument, Nanos, Token};
use ringbuf::spsc::Consumer;

use super::sweep::{QUIET, SWEEP};
use super::upward::Upward;
use super::{BATCH, GatewayParts, LOGOUT, PUBLISH, unconfirmed_sweep};
use crate::agent::Agent;
use crate::agents::ending::{Ending, Farewell};
use crate::agents::wires::{Asker, Line, Listener, Stream, endpoints};
use crate::agents::words::{Voice, Word};
use crate::agents::{GatewayItem, OrderItem};
use crate::clock::Clock;
use crate::config::RestVenue;
use crate::telemetry::counters::gateway as counter;
use crate::telemetry::publish::GatewayPublisher;

/// Orders whose request has not left; more than the session lets wait.
const UNSENT_MAX: usize = 4_096;

const DAY: Nanos = Nanos::from_millis(86_400_000);
/// Silence after which the user stream is gone.
const SILENCE: Nanos = Nanos::from_millis(30_000);

impl Asker for Session {
    fn next_request(&mut self, now: Nanos, lane: Lane) -> Option<Request> {
        Session::next_request(self, now, lane)
    }
    fn on_response(&mut self, now: Nanos, id: u64, response: &Response<'_>) {
        Session::on_response(self, now, id, response);
    }
    fn on_no_answer(&mut self, now: Nanos, id: u64) {
        Session::on_no_answer(self, now, id);
    }
}

impl Listener for Session {
    fn wants_stream(&self) -> Option<String> {
        Session::wants_stream(self)
    }
    fn has_room(&self) -> bool {
        true
    }
    fn on_stream_open(&mut self, _: Nanos) {
        Session::on_stream_open(self);
    }
    /// The venue may not know the key any more.
    fn on_stream_refused(&mut self) {
        self.forget_listen_key();
    }
    fn on_stream_text(&mut self, now: Nanos, text: &str) {
        Session::on_stream_text(self, now, text);
    }
    fn on_stream_alive(&mut self) {}
    fn on_stream_closed(&mut self, now: Nanos, _: bool) {
        Session::on_stream_closed(self, now);
    }
}

enum Parting {
    Staying,
    Leaving {
        by: Nanos,
    },
    Sweeping {
        since: Nanos,
        confirmed: Option<Nanos>,
    },
    /// `Some(false)`: a sweep that the venue did not confirm.
    Over {
        swept: Option<bool>,
    },
}

/// A session and what it goes by.
fn wires(
    id: GatewayId,
    venue: &RestVenue,
    instruments: &[Instrument],
    day_ms: Option<u64>,
    (name, words): (&str, &SyncSender<Word>),
) -> Result<(Session, [Line; 3], Stream), String> {
    let [base, stream] = endpoints(venue.ca.as_deref(), &venue.base_url, &venue.stream_url)
        .map_err(|wrong| format!("rest.{wrong}"))?;
    let config = SessionConfig { day_ms, ..SessionConfig::new(id, venue.credentials.clone()) };
    let voice = |of: &str| Voice::new(format!("{name} {of}"), words.clone());
    let lines = [(Lane::Cancels, "cancels"), (Lane::Orders, "orders"), (Lane::Questions, "questions")];
    let lines = lines.map(|(lane, of)| Line::new(lane, base.clone(), voice(of)));
    let stream = Stream::new(stream, SILENCE, voice("stream"));
    Ok((Session::new(config, instruments), lines, stream))
}

/// Reads a venue's day: a session that orders nothing.
pub(crate) struct RestReader {
    session: Session,
    lines: [Line; 3],
    stream: Stream,
}

impl RestReader {
    /// Of the day in which `began` is. The first connection is tried in the first turn.
    ///
    /// # Errors
    /// As [`RestAgent::open`].
    pub(crate) fn open(
        id: GatewayId,
        venue: &RestVenue,
        instruments: &[Instrument],
        began: Nanos,
    ) -> Result<RestReader, String> {
        let day_ms = began.0 / DAY.0 * (DAY.0 / 1_000_000);
        // It keeps no log: whoever waits for the day says what did not come.
        let (words, _) = sync_channel(0);
        let (session, lines, stream) = wires(id, venue, instruments, Some(day_ms), ("reader", &words))?;
        Ok(RestReader { session, lines, stream })
    }

    /// Does what there is to do.
    pub(crate) fn turn(&mut self, now: Nanos, sink: &mut impl ReportSink) {
        for line in &mut self.lines {
            line.turn(now, &mut self.session);
        }
        self.stream.turn(now, &mut self.session);
        self.session.on_time(now);
        self.session.pump(sink);
    }
}

/// See the module.
pub struct RestAgent {
    id: GatewayId,
    name: String,
    session: Session,
    lines: [Line; 3],
    stream: Stream,
    orders: Consumer<OrderItem>,
    /// By token, and whether it is a cancel.
    unsent: BTreeMap<(Token, bool), OrderItem>,
    up: Upward,
    publisher: GatewayPublisher,
    clock: Clock,
    ending: Arc<Ending>,
    /// When the kill came that was acted on.
    kill_seen: Nanos,
    parting: Parting,
    published: Nanos,
}

impl RestAgent {
    /// Puts it together; the venue's name is looked up, and the first connection tried in the first duty cycle.
    ///
    /// # Errors
    /// An address that is none, or certificates that are none, in words for a person.
    pub fn open(p: GatewayParts, venue: &RestVenue, instruments: &[Instrument]) -> Result<RestAgent, String> {
        let name = format!("gateway-{}", p.config.id);
        let (session, lines, stream) = wires(p.id, venue, instruments, None, (&name, &p.words))?;
        Ok(RestAgent {
            id: p.id,
            name,
            session,
            lines,
            stream,
            up: Upward::new(p.out, p.orders.capacity()),
            orders: p.orders,
            unsent: BTreeMap::new(),
            publisher: p.publisher,
            clock: p.clock,
            ending: p.ending,
            kill_seen: Nanos::ZERO,
            parting: Parting::Staying,
            published: Nanos::ZERO,
        })
    }

    /// What the person is to know when it has ended.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let unconfirmed =
            matches!(self.parting, Parting::Sweeping { .. } | Parting::Over { swept: Some(false) });
        unconfirmed.then(|| unconfirmed_sweep(&self.name))
    }

    /// Whether the user stream is there, so that a session stands by it.
    fn is_standing(&self) -> bool {
        matches!(self.session.stage(), Stage::Replaying | Stage::Ready | Stage::Silent)
    }

    /// Hands the session what the strategy sent. Orders approved for a session that is gone are dropped.
    fn take_orders(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        // With something on its way up, the strategy and we may not mean the same session.
        while work < BATCH && !self.session.is_blocked() {
            let Some(item) = self.orders.pop() else { break };
            work += 1;
            let command = item.approved.command();
            let cancel = matches!(command.kind, CommandKind::Cancel { .. });
            let wanted = cancel || matches!(self.parting, Parting::Staying | Parting::Leaving { .. });
            if item.epoch == self.up.epoch && self.ending.kill().blocks(command) {
                self.publisher.counters.add(counter::held_back, 1);
                self.up.push_never_sent(now, command.token());
                continue;
            }
            if item.epoch != self.up.epoch || !wanted || !self.session.submit(now, command) {
                self.publisher.counters.add(counter::unsent, 1);
                continue;
            }
            if self.unsent.len() >= UNSENT_MAX {
                self.unsent.pop_first();
            }
            self.unsent.insert((command.token(), cancel), item);
        }
        work
    }

    /// The request about `token` has left.
    fn on_sent(&mut self, token: Token, cancel: bool) {
        let Some(item) = self.unsent.remove(&(token, cancel)) else { return };
        let receipt = item.receipt(self.id, self.clock.now());
        self.publisher.counters.add(counter::sent, 1);
        if !cancel {
            self.publisher.counters.set(counter::last_order_ns, receipt.sent.0);
        }
        self.publisher.tick_to_order.record(receipt.sent.since(receipt.received).0);
        self.up.push_receipt(GatewayItem::Sent(receipt));
    }

    fn turn_lines(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for k in 0..self.lines.len() {
            let outcome = self.lines[k].turn(now, &mut self.session);
            work += outcome.work;
            let c = &mut self.publisher.counters;
            c.add(counter::connects, outcome.connected.into());
            c.add(counter::disconnects, outcome.lost.into());
            if let Some((token, cancel)) = outcome.sent {
                self.on_sent(token, cancel);
            }
        }
        work
    }

    /// Passes up what the session has learnt.
    fn pump(&mut self, now: Nanos) {
        if self.session.is_blocked() {
            self.up.received = now;
            if self.up.flush() && self.up.has_room() {
                self.session.pump(&mut self.up);
            } else {
                self.publisher.counters.add(counter::ring_full, 1);
            }
        } else {
            self.up.flush();
        }
    }

    fn part(&mut self, now: Nanos) {
        match (self.ending.farewell(), &self.parting) {
            (Farewell::LogOut, Parting::Staying) => self.parting = Parting::Leaving { by: now.after(LOGOUT) },
            (Farewell::Sweep, Parting::Staying | Parting::Leaving { .. }) => self.begin_sweep(now),
            _ => {}
        }
        match &mut self.parting {
            Parting::Staying | Parting::Over { .. } => {}
            Parting::Leaving { by } => {
                let idle = self.lines.iter().all(Line::is_idle) && self.session.cancels_waiting() == 0;
                if (self.orders.is_empty() && idle) || *by <= now {
                    self.parting = Parting::Over { swept: None };
                }
            }
            Parting::Sweeping { since, confirmed } => {
                if confirmed.is_none() && self.session.is_swept() {
                    *confirmed = Some(now);
                    self.publisher.counters.add(counter::mass_canceled, 1);
                }
                let said = confirmed.is_some_and(|at| now.since(at.max(self.up.last_report)).0 >= QUIET.0);
                if said || now.since(*since).0 >= SWEEP.0 || self.session.stage() == Stage::Refused {
                    self.parting = Parting::Over { swept: Some(confirmed.is_some()) };
                }
            }
        }
    }

    fn begin_sweep(&mut self, now: Nanos) {
        if matches!(self.parting, Parting::Staying | Parting::Leaving { .. }) {
            self.session.begin_sweep();
            self.publisher.counters.add(counter::mass_cancels, 1);
            self.parting = Parting::Sweeping { since: now, confirmed: None };
        }
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        let state = match self.session.stage() {
            Stage::Refused => 0,
            Stage::Starting => 1,
            Stage::Replaying | Stage::Silent => 2,
            Stage::Ready => 3,
        };
        let c = &mut self.publisher.counters;
        c.set(counter::state, state);
        c.set(counter::reports, self.up.reports);
        c.set(counter::login_rejects, self.up.login_rejects);
        c.set(counter::last_sequence, self.up.last_sequence);
        c.set(counter::spilled, self.up.spilled);
        c.set(counter::receipts_lost, self.up.receipts_lost);
        c.set(counter::given_up, (self.session.stage() == Stage::Refused).into());
    }
}

impl Agent for RestAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let killed = self.ending.kill().at();
        if killed != self.kill_seen {
            self.kill_seen = killed;
            if killed != Nanos::ZERO {
                self.session.drop_all_unsent(now);
            }
        }
        // What waits for room in the venue's limits does not go any more, nor does what the venue asks to have said again.
        if self.ending.kill().holds_all() {
            self.session.drop_all_unsent(now);
        }
        self.pump(now);
        let mut work = self.take_orders(now);
        self.part(now);
        work += self.turn_lines(now);
        let stood = self.is_standing();
        work += self.stream.turn(now, &mut self.session);
        self.publisher.counters.add(counter::disconnects, (stood && !self.is_standing()).into());
        self.session.on_time(now);
        self.pump(now);
        if now.since(self.published).0 >= PUBLISH.0 {
            self.publish(now);
        }
        work
    }

    fn is_done(&self) -> bool {
        matches!(self.parting, Parting::Over { .. })
    }

    /// An agent has panicked: what is open at the venue does not end with it.
    fn on_stop(&mut self, now: Nanos) -> bool {
        self.begin_sweep(now);
        true
    }

    fn on_close(&mut self) {
        let now = self.clock.now();
        self.publish(now);
        self.publisher.counters.set(counter::state, 0);
    }
}
