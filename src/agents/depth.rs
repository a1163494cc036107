//! The agent of a depth feed: a WebSocket for differences and trades, a connection for snapshots and the list of instruments, and the stream that makes books of
//! both.
//!
//! ```text
//!   stream (WebSocket) --texts--> DepthStream --messages--> Outlet --FeedItem--> strategy
//!                                   |    ^                    '--> capture, as the venue sent it
//!   line (HTTP) <--requests, weighed + --answers
//! ```
//!
//! Like the gateway of such a venue it allocates, is slower than what reads datagrams, and has a thread of its own (a configuration with one thread for all is
//! refused). It asks for no more than `weight_per_minute` less a fifth, which is left to whoever trades from the same address; what the venue says it has counted
//! counts. A text is stamped when it was read. Where the ring to the strategy is full, texts wait in the socket.

use std::sync::Arc;

use feeds::depth::{DepthConfig, DepthStream, Market, Subscription, Want};
use feeds::protocol::{Decode, Wanted};
use gateways::apikey::limits::{Limit, Rank, Window};
use gateways::apikey::{Lane, Request, Response, silence};
use model::{FeedStatus, Nanos, Symbol};

use super::batch::Outlet;
use super::feed::{FeedParts, LIVENESS, PUBLISH};
use super::wires::{Asker, Line, Listener, Stream, endpoints};
use super::words::Voice;
use super::{FeedItem, LineWatch};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::control::{FeedDemands, FeedDoor};
use crate::telemetry::counters::feed as counter;
use crate::telemetry::publish::FeedPublisher;

const MINUTE: Nanos = Nanos::from_millis(60_000);
/// Messages that one turn brings, by which rooms are measured; more of them make them grow.
const MESSAGES: usize = 4_096;

/// What the wires ask and tell.
struct Side {
    market: Market,
    symbols: Vec<Symbol>,
    stream: DepthStream,
    outlet: Outlet<Subscription>,
    publisher: FeedPublisher,
    clock: Clock,
    sample_every: u32,
    until_sample: u32,
    weight: Window,
    silent_until: Nanos,
    /// What is wanted and has no room in the limit yet.
    waiting: Option<Want>,
    /// What was asked, by the number of the request.
    asked: Option<(u64, Want)>,
    requests: u64,
    texts: u64,
}

impl Side {
    /// Gives the stream something, stamped now, and passes on what comes of it.
    fn take(&mut self, then: impl FnOnce(&mut DepthStream, &mut Outlet<Subscription>)) {
        let received = self.clock.now();
        self.outlet.batch.begin(received);
        then(&mut self.stream, &mut self.outlet);
        self.outlet.batch.close();
        if self.sample_every != 0 && !self.outlet.is_clear() {
            self.until_sample -= 1;
            if self.until_sample == 0 {
                self.until_sample = self.sample_every;
                let decoded = self.clock.now();
                self.publisher.decode.record(decoded.since(received).0);
                self.outlet.batch.stamp(decoded);
            }
        }
        if self.outlet.is_clear() && received.since(self.outlet.last_push()) > LIVENESS {
            self.outlet.batch.items.push(FeedItem::Status { received, status: FeedStatus::Heartbeat });
        }
        self.outlet.pass_on(received, &mut self.publisher.counters);
    }

    fn weighed(&self, want: Want) -> (String, u32) {
        match want {
            Want::Info => self.market.info(&self.symbols),
            Want::Snapshot(k) => self.market.snapshot(self.symbols[k]),
        }
    }
}

impl Asker for Side {
    fn next_request(&mut self, now: Nanos, _: Lane) -> Option<Request> {
        if now < self.silent_until || !self.outlet.is_clear() {
            return None;
        }
        let want = self.waiting.take().or_else(|| self.stream.poll(now))?;
        let (target, weight) = self.weighed(want);
        self.weight.expire(now);
        if !self.weight.has_room(weight, Rank::Order) {
            self.waiting = Some(want);
            return None;
        }
        self.requests += 1;
        let id = self.requests;
        self.weight.take(id, weight);
        self.asked = Some((id, want));
        Some(Request { id, method: "GET", target, headers: Vec::new(), body: String::new(), token: None })
    }

    fn on_response(&mut self, now: Nanos, id: u64, response: &Response<'_>) {
        self.weight.answered(now, id);
        if let Some(used) = response.used_weight {
            self.weight.told(now, used);
        }
        let Some((_, want)) = self.asked.take_if(|(asked, _)| *asked == id) else { return };
        if matches!(response.status, 429 | 418) {
            self.silent_until = now.after(silence(response.retry_after_s));
        }
        if response.status != 200 {
            return self.stream.on_no_answer(now, want);
        }
        self.take(|stream, outlet| {
            // What cannot be read is counted, and asked for again.
            let _ = stream.on_answer(now, want, response.body, &mut outlet.batch);
        });
    }

    fn on_no_answer(&mut self, now: Nanos, id: u64) {
        self.weight.answered(now, id);
        if let Some((_, want)) = self.asked.take_if(|(asked, _)| *asked == id) {
            self.stream.on_no_answer(now, want);
        }
    }
}

impl Listener for Side {
    fn wants_stream(&self) -> Option<String> {
        self.stream.wants_stream().then(|| self.market.stream(&self.symbols))
    }

    fn has_room(&self) -> bool {
        self.outlet.is_clear()
    }

    fn on_stream_open(&mut self, now: Nanos) {
        self.stream.on_open(now);
    }

    fn on_stream_refused(&mut self) {}

    fn on_stream_text(&mut self, now: Nanos, text: &str) {
        self.texts += 1;
        self.take(|stream, outlet| {
            // What cannot be read is counted; what it may have said is missed by what follows.
            let _ = stream.on_text(now, text.as_bytes(), &mut outlet.batch);
        });
    }

    fn on_stream_alive(&mut self) {
        self.take(|_, _| {});
    }

    fn on_stream_closed(&mut self, _: Nanos, silent: bool) {
        // What was to be asked for was to fit this stream.
        self.waiting = self.waiting.filter(|want| *want == Want::Info);
        self.take(|stream, outlet| match silent {
            true => stream.on_silent(&mut outlet.batch),
            false => stream.on_closed(&mut outlet.batch),
        });
    }
}

/// See the module.
pub struct DepthAgent {
    name: String,
    id: String,
    side: Side,
    line: Line,
    wire: Stream,
    demands: Arc<FeedDemands>,
    published: Nanos,
}

impl DepthAgent {
    /// Puts it together; the venue's name is looked up, and the first connection tried in the first duty cycle.
    ///
    /// # Errors
    /// An address that is none, or certificates that are none.
    pub(super) fn open(p: FeedParts) -> std::io::Result<DepthAgent> {
        let venue = p.config.depth.as_ref().ok_or_else(|| std::io::Error::other("no `depth`"))?;
        let [base, stream_at] = endpoints(venue.ca.as_deref(), &venue.base_url, &venue.stream_url)
            .map_err(|wrong| std::io::Error::other(format!("depth.{wrong}")))?;
        let symbols: Vec<Symbol> = p.instruments.iter().map(|i| i.symbol).collect();
        let wanted = Wanted { instruments: &p.instruments, live_orders: p.config.live_orders };
        let most = venue.weight_per_minute;
        let voice = |of: &str| Voice::new(format!("feed-{} {of}", p.config.id), p.words.clone());
        let weight = Limit { span: MINUTE, most, reserve: most / 10 };
        Ok(DepthAgent {
            name: format!("feed-{}", p.config.id),
            side: Side {
                market: venue.market,
                stream: DepthStream::new(DepthConfig::new(venue.market, symbols.clone())),
                symbols,
                outlet: Outlet::new(wanted, MESSAGES, p.capture, p.out),
                publisher: p.publisher,
                clock: p.clock,
                sample_every: p.sample_every,
                until_sample: p.sample_every,
                weight: Window::new(weight),
                silent_until: Nanos::ZERO,
                waiting: None,
                asked: None,
                requests: 0,
                texts: 0,
            },
            line: Line::new(Lane::Questions, base, voice("questions")),
            wire: Stream::new(stream_at, p.config.silence, voice("stream")),
            demands: Arc::default(),
            published: Nanos::ZERO,
            id: p.config.id,
        })
    }

    /// It has no lines that a host could refuse anything to ...
    pub(super) fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// ... nor any at all.
    pub(super) fn lines(&self) -> &[net::line::Line] {
        &[]
    }

    /// The cold thread's part of it, which looks at lines.
    ///
    /// # Errors
    /// None.
    pub(super) fn watch(&self) -> std::io::Result<LineWatch> {
        Ok(LineWatch::new(self.id.clone(), Vec::new()))
    }

    /// The control thread's part of it.
    ///
    /// # Errors
    /// None.
    pub(super) fn door(&self) -> std::io::Result<FeedDoor> {
        let demands = Arc::clone(&self.demands);
        Ok(FeedDoor { id: self.id.clone(), can_resync: true, demands, memberships: Vec::new() })
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        let side = &mut self.side;
        let (s, c) = (*side.stream.stats(), &mut side.publisher.counters);
        let batch = &side.outlet.batch;
        c.set(counter::datagrams, side.texts);
        c.set(counter::messages, s.delivered);
        c.set(counter::events, batch.events);
        c.set(counter::duplicates, s.old);
        c.set(counter::gaps, s.gaps);
        c.set(counter::gaps_filled, s.gaps_filled);
        c.set(counter::gaps_open, side.stream.gaps_open());
        c.set(counter::rerequests, side.requests);
        c.set(counter::malformed, s.malformed + batch.malformed);
        c.set(counter::undecodable, s.undecodable);
        c.set(counter::unknown_types, s.other + batch.unknown_types);
        c.set(counter::expected, side.stream.expected());
        c.set(counter::synced, side.stream.is_synced().into());
        c.set(counter::odd_executions, batch.decoder.odd_executions());
        c.set(counter::snapshots, s.snapshots);
        c.set(counter::snapshots_failed, s.snapshots_failed);
    }

    /// Does what a person asked for.
    fn heed(&mut self, now: Nanos) {
        if self.demands.take_reconnect() {
            self.wire.reconnect(now, &mut self.side);
        }
        if self.demands.take_resync() {
            self.side.take(|stream, outlet| stream.resync(now, &mut outlet.batch));
            self.side.publisher.counters.add(counter::resyncs, 1);
        }
    }
}

impl Agent for DepthAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        if !self.side.outlet.is_clear() {
            work += self.side.outlet.pass_on(now, &mut self.side.publisher.counters);
            if !self.side.outlet.is_clear() {
                return work;
            }
        }
        work += self.line.turn(now, &mut self.side).work;
        work += self.wire.turn(now, &mut self.side);
        if now.since(self.published) >= PUBLISH {
            self.publish(now);
            if self.side.outlet.is_clear() {
                self.heed(now);
            }
        }
        work
    }

    fn on_close(&mut self) {
        let now = self.side.clock.now();
        self.publish(now);
        self.side.outlet.finish();
    }
}
