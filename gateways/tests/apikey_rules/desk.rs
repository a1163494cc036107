//! A session and the time; answers are given by hand.

use gateways::apikey::{Credentials, Lane, Request, Response, Session, SessionConfig, Stage};
use gateways::gateway::{Notice, ReportSink};
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token,
};

#[derive(Default)]
pub struct Heard(pub Vec<ReportKind>, pub Vec<SessionEvent>, pub Vec<Token>);

impl ReportSink for Heard {
    fn report(&mut self, report: ExecutionReport) {
        self.0.push(report.kind);
        self.2.push(report.token);
    }
    fn session(&mut self, event: SessionEvent) {
        self.1.push(event);
    }
    fn notice(&mut self, _: Notice) {}
    fn has_room(&self) -> bool {
        true
    }
}

/// A session and the time; answers are given by hand.
pub struct Desk {
    pub session: Session,
    pub now: Nanos,
    pub heard: Heard,
    /// What the venue says of its instruments.
    pub info: String,
}

pub fn answer(status: u16, body: &str) -> Response<'_> {
    Response { status, retry_after_s: None, used_weight: None, order_count: None, body: body.as_bytes() }
}

pub const INFO: &str = r#"{"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":20}],
"symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.10"},
{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"}]}]}"#;

impl Desk {
    pub fn new() -> Desk {
        let instrument = Instrument {
            id: InstrumentId(3),
            symbol: Symbol::new("BTCUSDT").unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(0),
        };
        let credentials = Credentials::Key { key: "k".into(), secret: "s".into() };
        let config = SessionConfig::new(GatewayId(0), credentials);
        let session = Session::new(config, &[instrument]);
        let now = Nanos::from_millis(1_700_000_000_000);
        Desk { session, now, heard: Heard::default(), info: INFO.into() }
    }

    /// One that is ready, having read an account where nothing happened.
    pub fn ready() -> Desk {
        let mut desk = Desk::new();
        desk.log_in("[]", "[]");
        assert_eq!(desk.session.stage(), Stage::Ready);
        desk
    }

    pub fn log_in(&mut self, orders: &str, trades: &str) {
        self.log_in_by(|path, _| match path {
            "allOrders" => (200, orders.into()),
            "openOrders" => (200, open_of(orders)),
            "myTrades" => (200, trades.into()),
            other => panic!("{other}"),
        });
    }

    /// Answers what is asked of orders and trades by path and query, until nothing is asked; all that was, without what signs it.
    pub fn log_in_by(&mut self, mut says: impl FnMut(&str, &str) -> (u16, String)) -> Vec<String> {
        let mut asked = Vec::new();
        self.wait(20_000);
        for _ in 0..100 {
            if let Some(path) = self.session.wants_stream() {
                assert_eq!(path, "/ws/abc");
                self.session.on_stream_open();
            }
            let Some(request) = self.next(Lane::Questions) else { return asked };
            let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            let (status, body) = match path.strip_prefix("/api/v3/").unwrap() {
                "time" => (200, format!(r#"{{"serverTime":{}}}"#, self.now.0 / 1_000_000)),
                "exchangeInfo" => (200, self.info.clone()),
                "userDataStream" => (200, r#"{"listenKey":"abc"}"#.into()),
                path => {
                    let query = query.split("&recvWindow").next().unwrap();
                    asked.push(format!("{path}?{query}"));
                    says(path, query)
                }
            };
            self.answer(&request, status, &body);
        }
        panic!("it asks for ever: {asked:?}");
    }

    pub fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Nanos::from_millis(ms));
        self.session.on_time(self.now);
        self.pump();
    }

    pub fn pump(&mut self) {
        self.session.pump(&mut self.heard);
    }

    pub fn next(&mut self, lane: Lane) -> Option<Request> {
        self.session.next_request(self.now, lane)
    }

    pub fn must(&mut self, lane: Lane, part: &str) -> Request {
        let request = self.next(lane).unwrap_or_else(|| panic!("no {part}"));
        let line = format!("{} {}", request.method, request.target);
        assert!(line.starts_with(part), "{line}, wanted {part}");
        request
    }

    pub fn answer(&mut self, request: &Request, status: u16, body: &str) {
        self.session.on_response(self.now, request.id, &answer(status, body));
        self.pump();
    }

    pub fn refuse(&mut self, request: &Request, status: u16, retry_after_s: Option<u32>) {
        let body = r#"{"code":-1003,"msg":"Too many requests."}"#;
        let refused = Response { retry_after_s, ..answer(status, body) };
        self.session.on_response(self.now, request.id, &refused);
        self.pump();
    }

    pub fn lost(&mut self, request: &Request) {
        self.session.on_no_answer(self.now, request.id);
        self.pump();
    }

    pub fn submit(&mut self, kind: CommandKind) -> bool {
        let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(3), kind };
        let taken = self.session.submit(self.now, &command);
        self.pump();
        taken
    }

    pub fn buy(&mut self, token: u32, qty: u32) {
        assert!(self.submit(CommandKind::New {
            token: Token(token),
            side: Side::Buy,
            short: false,
            qty: Qty(qty),
            px: Px(618_002),
            tif: Tif::Day,
        }));
    }

    pub fn cancel(&mut self, token: u32) {
        assert!(self.submit(CommandKind::Cancel { token: Token(token), qty: Qty::ZERO }));
    }

    /// An order that the venue has under number 70 + its token.
    pub fn live(&mut self, token: u32, qty: u32) {
        self.buy(token, qty);
        let request = self.must(Lane::Orders, "POST /api/v3/order?");
        self.answer(&request, 200, &ack(token));
        assert!(matches!(self.heard.0.pop(), Some(ReportKind::Accepted { .. })));
        self.heard.0.clear();
    }

    pub fn stream(&mut self, token: u32, kind: &str, status: &str, last: &str, executed: &str, trade: i64) {
        let text = format!(
            r#"{{"e":"executionReport","E":5,"s":"BTCUSDT","c":"colo-{token}","C":"","x":"{kind}","X":"{status}",
            "i":{},"l":"{last}","z":"{executed}","L":"61800.20","t":{trade},"m":true,"T":5}}"#,
            70 + token
        );
        self.session.on_stream_text(self.now, &text);
        self.pump();
    }

    pub fn kinds(&mut self) -> Vec<ReportKind> {
        std::mem::take(&mut self.heard.0)
    }
}

pub fn order(token: u32, status: &str, executed: &str) -> String {
    format!(
        r#"{{"symbol":"BTCUSDT","orderId":{},"clientOrderId":"colo-{token}","price":"61800.20","origQty":"0.010","executedQty":"{executed}","status":"{status}","side":"BUY","time":1700000000000,"updateTime":2}}"#,
        70 + token
    )
}

pub fn fill(qty: u32, trade: u64) -> ReportKind {
    ReportKind::Executed { qty: Qty(qty), px: Px(618_002), match_number: trade, liquidity: b'A' }
}

/// Those of a list that live.
fn open_of(orders: &str) -> String {
    let mut orders: Vec<serde_json::Value> = serde_json::from_str(orders).unwrap();
    orders.retain(|o| ["NEW", "PARTIALLY_FILLED"].iter().any(|s| o["status"] == *s));
    serde_json::Value::from(orders).to_string()
}

pub fn ack(token: u32) -> String {
    format!(r#"{{"orderId":{},"clientOrderId":"colo-{token}","transactTime":4}}"#, 70 + token)
}
