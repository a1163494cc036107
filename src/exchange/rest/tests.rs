//! The desk by itself, in virtual time.

use std::path::Path;

use serde_json::Value;

use super::{Answer, Ask, Desk};
use crate::exchange::{ExchangeConfig, Venue};

const VENUE: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [[accounts]]
    username = "user01"
    password = "pass"
    firm = "ABCD"
    [rest]
    listen = "127.0.0.1:0"
    [[rest.clients]]
    account = "user01"
    client_id = "me"
    client_secret = "secret"
"#;
/// 2024-08-08, ms of the Unix epoch, and the venue's clock at the start, ns.
pub(super) const MIDNIGHT_MS: u64 = 1_723_075_200_000;
pub(super) const START: u64 = 9 * 3_600_000_000_000;

struct World {
    venue: Venue,
    desk: Desk,
    bearer: String,
}

pub(super) fn venue() -> (ExchangeConfig, Venue) {
    let config = ExchangeConfig::from_toml(VENUE, Path::new(".")).unwrap();
    let venue = Venue::new(config.clone().resolve(0).unwrap(), START);
    (config, venue)
}

impl World {
    fn new() -> World {
        let (config, mut venue) = venue();
        let rest = config.rest.unwrap();
        let clients = rest.clients(&["user01"]).unwrap();
        let desk = venue.at_floor(START, |floor| Desk::new(&rest, clients, MIDNIGHT_MS, floor));
        let mut world = World { venue, desk, bearer: String::new() };
        let form = "grant_type=client_credentials&client_id=me&client_secret=secret";
        let granted = world.ask("POST", "/oauth/token", "", form);
        let granted: Value = serde_json::from_str(&granted.body).unwrap();
        world.bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
        world
    }

    fn ask(&mut self, method: &str, path: &str, query: &str, body: &str) -> Answer {
        let bearer = (!self.bearer.is_empty()).then_some(&*self.bearer);
        let ask = Ask { from: 1, method, path, query, key: None, bearer, body };
        let desk = &mut self.desk;
        self.venue.at_floor(START, |floor| desk.answer(floor, &ask))
    }

    fn buy(&mut self, id: &str, price: &str) -> (u16, Value) {
        let stamp = MIDNIGHT_MS + START / 1_000_000;
        let query = format!(
            "symbol=AAPL&side=BUY&type=LIMIT&timeInForce=GTC&quantity=10&price={price}&newClientOrderId={id}&timestamp={stamp}"
        );
        let answer = self.ask("POST", "/api/v3/order", &query, "");
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

#[test]
fn a_limit_is_a_price_and_never_the_want_of_one() {
    let mut w = World::new();
    for (n, price) in ["-5.00", "0", "200000", "214748.3647", "999999999", "x"].into_iter().enumerate() {
        let (status, body) = w.buy(&format!("bad{n}"), price);
        assert_eq!((status, body["code"].as_i64()), (400, Some(-1013)), "{price}: {body}");
    }
    for (n, price) in ["5.00", "199999.99"].into_iter().enumerate() {
        assert_eq!(w.buy(&format!("good{n}"), price).0, 200, "{price}");
    }
}

#[test]
fn a_stream_that_is_opened_again_takes_the_place_of_the_one_before() {
    let mut w = World::new();
    let key: Value = serde_json::from_str(&w.ask("POST", "/api/v3/userDataStream", "", "").body).unwrap();
    let path = format!("/ws/{}", key["listenKey"].as_str().unwrap());
    assert!(w.desk.open_stream("/ws/").is_none() && w.desk.open_stream("/ws/abc").is_none());
    let old = w.desk.open_stream(&path).unwrap();
    assert!(w.desk.is_streaming(old));
    let new = w.desk.open_stream(&path).unwrap();
    assert!(w.desk.is_streaming(new) && !w.desk.is_streaming(old));
    w.buy("a", "5.00");
    assert_eq!(w.desk.poll_stream(old), None, "it may be dead");
    assert!(w.desk.poll_stream(new).unwrap().contains(r#""c":"a""#));
    // When that one is found to be gone, it is nobody else's end.
    w.desk.close_stream(old);
    assert!(w.desk.is_streaming(new));
    w.buy("b", "5.00");
    assert!(w.desk.poll_stream(new).is_some());
    w.desk.close_stream(new);
    assert!(!w.desk.is_streaming(new));
}
