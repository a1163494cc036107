//! The session, the venue's desk, and a network between them that is late and loses, in virtual time.

use std::collections::BTreeMap;

use colo::exchange::accounts::Credentials as Login;
use colo::exchange::faults::LineFaults;
use colo::exchange::flow::Flow;
use colo::exchange::glimpse::SnapshotFaults;
use colo::exchange::market::MarketRules;
use colo::exchange::rest::{Answer, Ask, ClientConfig, Desk, RestConfig, UserStream};
use colo::exchange::{Venue, VenueConfig};
use gateways::apikey::{Credentials, Lane, Request, Response, Session, SessionConfig, Stage};
use gateways::gateway::{Notice, ReportSink};
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token,
};

pub const MS: u64 = 1_000_000;
/// 2024-08-08 09:00 UTC: the venue's clock at the start, ms; its midnight is nine hours before.
pub const START_MS: u64 = 1_723_107_600_000;
pub const MIDNIGHT_MS: u64 = START_MS - 9 * 3_600_000;
/// Our address.
pub const US: u64 = 1;
/// After so long an answer is given up, as the agent does.
pub const PATIENCE_MS: u64 = 5_000;

pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A request on its way.
pub struct Flight {
    pub request: Request,
    pub made: u64,
    /// When it comes there; `None`: it was lost, or it is there.
    pub arrives: Option<u64>,
    pub answer: Option<(u64, Answer)>,
}

/// What we were told of one order.
#[derive(Default)]
pub struct Told {
    pub side: i64,
    pub open: i64,
    pub over: bool,
    /// When its cancel was asked for, and whether anything on the way was lost since.
    pub cancel: Option<(u64, bool)>,
}

#[derive(Default)]
pub struct Heard {
    pub orders: BTreeMap<Token, Told>,
    pub fills: u64,
    pub position: i64,
    pub events: Vec<SessionEvent>,
    pub slowest_cancel_ms: [u64; 2],
    pub now: u64,
}

impl Heard {
    fn finish(&mut self, token: Token) {
        let now = self.now;
        let told = self.orders.get_mut(&token).expect("an order of ours");
        assert!(!told.over, "{token} ended twice");
        told.over = true;
        if let Some((asked, lost)) = told.cancel {
            let slowest = &mut self.slowest_cancel_ms[usize::from(lost)];
            *slowest = (*slowest).max(now - asked);
        }
    }
}

impl ReportSink for Heard {
    fn report(&mut self, r: ExecutionReport) {
        match r.kind {
            ReportKind::Accepted { qty, .. } => {
                self.orders.get_mut(&r.token).expect("an order of ours").open = qty.0.into();
            }
            ReportKind::Replaced { old, qty, .. } => {
                self.finish(old);
                self.orders.get_mut(&r.token).expect("an order of ours").open = qty.0.into();
            }
            ReportKind::Executed { qty, .. } => {
                self.fills += 1;
                let told = self.orders.get_mut(&r.token).expect("an order of ours");
                assert!(!told.over, "a fill of {} after its end", r.token);
                told.open -= i64::from(qty.0);
                self.position += told.side * i64::from(qty.0);
                assert!(told.open >= 0, "{}: more than there was", r.token);
                if told.open == 0 {
                    self.finish(r.token);
                }
            }
            ReportKind::Canceled { qty, .. } => {
                let told = &self.orders[&r.token];
                assert_eq!(told.open, i64::from(qty.0), "{}", r.token);
                self.finish(r.token);
            }
            ReportKind::Rejected { .. } => self.finish(r.token),
            other => panic!("{other:?}"),
        }
    }
    fn session(&mut self, event: SessionEvent) {
        self.events.push(event);
    }
    fn notice(&mut self, _: Notice) {}
    fn has_room(&self) -> bool {
        true
    }
}

/// How bad it is.
pub struct Weather {
    pub seed: u64,
    /// Longest way of a message, ms.
    pub late_ms: u64,
    /// Requests lost on the way there, and answers lost on the way back, of 1,000.
    pub lost: [u64; 2],
    /// Our clock less the venue's, ms.
    pub skew_ms: i64,
}

pub struct World {
    pub venue: Venue,
    pub desk: Desk,
    pub session: Session,
    pub lanes: [Option<Flight>; 3],
    /// Messages of the stream on their way, and whose stream it is.
    pub stream: Option<(UserStream, Vec<(u64, String)>)>,
    pub stream_back: u64,
    /// Nobody answers until then.
    pub down_until: u64,
    pub heard: Heard,
    pub weather: Weather,
    pub dice: Dice,
    pub ms: u64,
    pub next_token: u32,
}

pub fn calm(change: impl FnOnce(&mut RestConfig)) -> World {
    let weather = Weather { seed: 1, late_ms: 1, lost: [0, 0], skew_ms: 0 };
    World::new(weather, key(), |rest, _| change(rest))
}

pub fn key() -> Credentials {
    Credentials::Key { key: "key".into(), secret: "secret".into() }
}

pub fn client() -> Credentials {
    Credentials::Client { id: "id".into(), secret: "pass".into() }
}

impl World {
    pub fn new(
        weather: Weather,
        credentials: Credentials,
        change: impl FnOnce(&mut RestConfig, &mut SessionConfig),
    ) -> World {
        let symbol = Symbol::new("AAPL").unwrap();
        let login = Login { username: "user01".into(), password: "pass".into(), firm: *b"ABCD" };
        let config = VenueConfig {
            session: *b"SESSION001",
            symbols: vec![symbol],
            lines: vec![LineFaults::default()],
            rerequest_loss: 0.0,
            snapshot_faults: SnapshotFaults::default(),
            accounts: vec![login.into()],
            flow: Flow::Silent,
            market: MarketRules::default(),
            script: Vec::new(),
            seed: 1,
            cancel_on_disconnect: false,
            self_match_prevention: false,
            wait_for_login: false,
            close_with_flow: false,
            end_of_session_ns: 0,
        };
        let start = (START_MS - MIDNIGHT_MS) * MS;
        let mut venue = Venue::new(config, start);
        let mut rest = RestConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ca_file: None,
            clients: vec![ClientConfig {
                account: "user01".into(),
                api_key: "key".into(),
                secret: "secret".into(),
                client_id: "id".into(),
                client_secret: "pass".into(),
            }],
            market_data: Default::default(),
            weight_per_minute: 1_200,
            orders_per_10_s: 50,
            orders_per_day: 160_000,
            patience: 3,
            ban_ms: 60_000,
            token_life_s: 60,
            listen_key_life_ms: 3_600_000,
        };
        let mut session = SessionConfig::new(GatewayId(0), credentials);
        change(&mut rest, &mut session);
        let clients = rest.clients(&["user01"]).unwrap();
        let desk = venue.at_floor(start, |floor| Desk::new(&rest, clients, MIDNIGHT_MS, floor));
        let instrument = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GatewayId(0) };
        World {
            venue,
            desk,
            session: Session::new(session, &[instrument]),
            lanes: [None, None, None],
            stream: None,
            stream_back: 0,
            down_until: 0,
            heard: Heard::default(),
            dice: Dice(weather.seed),
            weather,
            ms: 0,
            next_token: 1,
        }
    }

    /// Our clock.
    pub fn now(&self) -> Nanos {
        Nanos::from_millis((START_MS + self.ms).checked_add_signed(self.weather.skew_ms).unwrap())
    }

    fn venue_ns(&self) -> u64 {
        (START_MS + self.ms - MIDNIGHT_MS) * MS
    }

    fn way(&mut self) -> u64 {
        self.ms + 1 + self.dice.below(self.weather.late_ms)
    }

    /// One millisecond.
    pub fn tick(&mut self) {
        self.ms += 1;
        self.heard.now = self.ms;
        let (now, venue_ns) = (self.now(), self.venue_ns());
        let desk = &mut self.desk;
        self.venue.at_floor(venue_ns, |floor| desk.tick(floor));
        for (k, lane) in [Lane::Cancels, Lane::Orders, Lane::Questions].into_iter().enumerate() {
            self.turn_lane(now, k, lane);
        }
        self.turn_stream(now);
        self.session.on_time(now);
        self.session.pump(&mut self.heard);
    }

    fn turn_lane(&mut self, now: Nanos, k: usize, lane: Lane) {
        let Some(mut flight) = self.lanes[k].take() else {
            if self.ms < self.down_until {
                return;
            }
            if let Some(request) = self.session.next_request(now, lane) {
                let lost = self.dice.below(1_000) < self.weather.lost[0];
                let arrives = self.way();
                let arrives = (!lost).then_some(arrives);
                self.lanes[k] = Some(Flight { request, made: self.ms, arrives, answer: None });
            }
            return;
        };
        if self.ms >= flight.made + PATIENCE_MS {
            self.something_was_lost();
            return self.session.on_no_answer(now, flight.request.id);
        }
        if flight.arrives.is_some_and(|at| at <= self.ms) {
            flight.arrives = None;
            let answer = self.visit(&flight.request);
            let lost = self.dice.below(1_000) < self.weather.lost[1];
            let back = self.way();
            flight.answer = (!lost).then_some((back, answer));
        }
        match flight.answer {
            Some((at, answer)) if at <= self.ms => {
                let number = |name: &str| {
                    let found = answer.headers.iter().find(|(n, _)| *n == name);
                    found.map(|(_, v)| v.parse().unwrap())
                };
                let response = Response {
                    status: answer.status,
                    retry_after_s: number("Retry-After"),
                    used_weight: number("X-MBX-USED-WEIGHT-1M"),
                    order_count: number("X-MBX-ORDER-COUNT-10S"),
                    body: answer.body.as_bytes(),
                };
                self.session.on_response(now, flight.request.id, &response);
            }
            _ => self.lanes[k] = Some(flight),
        }
    }

    /// A request at the venue's desk.
    pub fn visit(&mut self, r: &Request) -> Answer {
        let (path, query) = r.target.split_once('?').unwrap_or((&r.target, ""));
        let header = |name: &str| r.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        let (key, bearer) = (header("X-MBX-APIKEY"), header("Authorization"));
        let ask = Ask { from: US, method: r.method, path, query, key, bearer, body: &r.body };
        let (desk, venue_ns) = (&mut self.desk, (START_MS + self.ms - MIDNIGHT_MS) * MS);
        self.venue.at_floor(venue_ns, |floor| desk.answer(floor, &ask))
    }

    fn turn_stream(&mut self, now: Nanos) {
        let wanted = self.session.wants_stream();
        match (&mut self.stream, wanted) {
            (None, Some(path)) if self.ms >= self.stream_back && self.ms >= self.down_until => {
                self.stream_back = self.ms + 100;
                match self.desk.open_stream(&path) {
                    Some(client) => {
                        self.stream = Some((client, Vec::new()));
                        self.session.on_stream_open();
                    }
                    None => self.session.forget_listen_key(),
                }
            }
            (Some((client, flying)), Some(_)) => {
                let client = *client;
                let last = flying.last().map_or(0, |(at, _)| *at);
                let mut at = (self.ms + 1 + self.dice.below(self.weather.late_ms)).max(last);
                while let Some(text) = self.desk.poll_stream(client) {
                    at += self.dice.below(2);
                    flying.push((at, text));
                }
                let due = flying.iter().take_while(|(at, _)| *at <= self.ms).count();
                let due: Vec<_> = flying.drain(..due).collect();
                for (_, text) in due {
                    self.session.on_stream_text(now, &text);
                }
                if !self.desk.is_streaming(client) {
                    self.lose_stream(now);
                }
            }
            (Some(_), None) => self.lose_stream(now),
            (None, _) => {}
        }
    }

    pub fn lose_stream(&mut self, now: Nanos) {
        if let Some((client, _)) = self.stream.take() {
            self.desk.close_stream(client);
            self.something_was_lost();
            self.session.on_stream_closed(now);
        }
    }

    /// Cancels under way now have another bound.
    fn something_was_lost(&mut self) {
        for told in self.heard.orders.values_mut().filter(|t| !t.over) {
            if let Some((_, lost)) = &mut told.cancel {
                *lost = true;
            }
        }
    }

    /// The venue's front is gone for a while: what is in flight never comes, there or back.
    pub fn outage(&mut self, ms: u64) {
        let now = self.now();
        self.down_until = self.ms + ms;
        self.lose_stream(now);
        for k in 0..3 {
            if let Some(flight) = self.lanes[k].take() {
                self.session.on_no_answer(now, flight.request.id);
            }
        }
        self.something_was_lost();
    }

    pub fn submit(&mut self, kind: CommandKind) -> bool {
        let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
        let taken = self.session.submit(self.now(), &command);
        self.session.pump(&mut self.heard);
        taken
    }

    pub fn new_order(&mut self, side: Side, px: i64) -> Option<Token> {
        if self.session.stage() != Stage::Ready {
            return None;
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        self.heard.orders.insert(token, Told { side: side.sign(), ..Told::default() });
        let qty = Qty(1 + self.dice.below(300) as u32);
        // In calm weather each order is to rest.
        let ioc = self.weather.late_ms > 1 && self.dice.below(8) == 0;
        let tif = if ioc { Tif::Ioc } else { Tif::Day };
        assert!(self.submit(CommandKind::New { token, side, short: false, qty, px: Px(px), tif }));
        Some(token)
    }

    pub fn cancel(&mut self, token: Token) {
        let told = self.heard.orders.get_mut(&token).unwrap();
        if told.over || told.cancel.is_some() || self.session.stage() != Stage::Ready {
            return;
        }
        told.cancel = Some((self.ms, false));
        self.submit(CommandKind::Cancel { token, qty: Qty::ZERO });
    }

    pub fn until(&mut self, what: &str, most_ms: u64, mut is: impl FnMut(&World) -> bool) {
        for _ in 0..most_ms {
            if is(self) {
                return;
            }
            self.tick();
        }
        panic!("{what}: not in {most_ms} ms; {:?}", self.session.stage());
    }

    pub fn until_ready(&mut self) {
        self.until("ready", 120_000, |w| w.session.stage() == Stage::Ready);
    }

    /// Everything is canceled; what we were told is what the venue's own ledger says.
    pub fn end(mut self) -> World {
        for _ in 0..600 {
            self.until_ready();
            let open: Vec<Token> =
                self.heard.orders.iter().filter(|(_, t)| !t.over).map(|(t, _)| *t).collect();
            if open.is_empty() {
                break;
            }
            open.into_iter().for_each(|t| self.cancel(t));
            (0..1_000).for_each(|_| self.tick());
        }
        (0..1_000).for_each(|_| self.tick());
        let open: Vec<_> = self.heard.orders.iter().filter(|(_, t)| !t.over).map(|(t, _)| *t).collect();
        assert!(open.is_empty(), "nobody said what became of {open:?}");
        let truth = self.venue.account("user01").unwrap();
        assert_eq!(truth.live_orders, []);
        assert_eq!(truth.counts.fills, self.heard.fills, "fills");
        let position: i64 = truth.positions.values().sum();
        assert_eq!(position, self.heard.position, "position");
        self
    }
}
