//! What a person does to the simulated venue while it runs, as lines of its control socket, in virtual time; and OUCH 4.2's messages that answer to it.

mod exchange_support;

use colo::exchange::codec::Protocol;
use exchange_support::client::{cancel, enter, login, packet};
use exchange_support::{Bench, config, symbol};
use serde_json::Value;

/// A client of OUCH 4.2 that knows SoupBinTCP's frame, and no more.
struct Named {
    id: u64,
    bytes: Vec<u8>,
    ended: bool,
}

impl Named {
    fn new(b: &mut Bench, user: &str) -> Named {
        let id = b.venue.connect(b.now);
        let mut c = Named { id, bytes: Vec::new(), ended: false };
        b.venue.on_client_bytes(b.now, id, &login(user, "pass", "", "0"));
        assert_eq!(c.read(b), [[0u8; 0]; 0]);
        c
    }

    /// The messages of the stream that came.
    fn read(&mut self, b: &mut Bench) -> Vec<Vec<u8>> {
        loop {
            let output = b.venue.output(self.id).to_vec();
            if output.is_empty() {
                break;
            }
            b.venue.written(self.id, output.len());
            self.bytes.extend(output);
        }
        b.listen();
        let mut told = Vec::new();
        while let Some((length, rest)) = self.bytes.split_first_chunk::<2>() {
            let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
            match packet[0] {
                b'S' => told.push(packet[1..].to_vec()),
                kind => self.ended |= kind == b'Z',
            }
            self.bytes = rest.to_vec();
        }
        told
    }

    fn ask(&mut self, b: &mut Bench, message: &[u8]) -> Vec<Vec<u8>> {
        b.venue.on_client_bytes(b.now, self.id, &packet(b'U', message));
        self.read(b)
    }

    fn enter(&mut self, b: &mut Bench, name: &[u8; 14], side: u8, shares: u32, px: u32) -> Vec<Vec<u8>> {
        let (shares, px, day) = (shares.to_be_bytes(), px.to_be_bytes(), 99_998u32.to_be_bytes());
        let order =
            [b"O", &name[..], &[side], &shares, b"AAPL    ", &px, &day, b"ABCDYPN\0\0\0\0NN"].concat();
        self.ask(b, &order)
    }
}

/// Both accounts speak OUCH 4.2, or only the first.
fn named(both: bool) -> Bench {
    let mut config = config();
    config.accounts[0].rules.protocol = Protocol::Ouch42;
    if both {
        config.accounts[1].rules.protocol = Protocol::Ouch42;
    }
    Bench::new(config)
}

/// Sends a line; what was done.
#[track_caller]
fn command(b: &mut Bench, line: &str) -> Value {
    let answer = b.venue.on_control(b.now, line.as_bytes());
    assert_eq!(answer["ok"], true, "{answer}");
    answer
}

/// Sends a line that is refused; why.
#[track_caller]
fn refusal(b: &mut Bench, line: &str) -> String {
    let answer = b.venue.on_control(b.now, line.as_bytes());
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

#[test]
fn trade_now_is_acknowledged_for_a_live_order_and_changes_nothing() {
    let mut b = named(true);
    let mut c = Named::new(&mut b, "user01");
    c.enter(&mut b, b"FIRST         ", b'B', 100, 1_000_000);
    let (book, account) = (b.venue.book_snapshot(symbol("AAPL")), b.venue.account("user01").unwrap());
    let told = c.ask(&mut b, b"NFIRST         ");
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].len(), told[0][0], &told[0][9..]), (23, b'N', &b"FIRST         "[..]));
    let after = b.venue.account("user01").unwrap();
    assert_eq!(b.venue.book_snapshot(symbol("AAPL")), book);
    assert_eq!((after.live_orders, after.positions), (account.live_orders, account.positions));
    for silent in [&b"NOTHER         "[..], b"XFIRST         \0\0\0\0", b"NFIRST         "] {
        let told = c.ask(&mut b, silent);
        assert!(told.iter().all(|m| m[0] == b'C'), "{told:?}");
    }
    assert_eq!((b.venue.account("user01").unwrap().counts.ignored, b.venue.counts().malformed), (2, 0));
    c.ask(&mut b, b"NFIRST        ");
    assert_eq!(b.venue.counts().malformed, 1, "a byte short");
}

#[test]
fn a_corrected_trade_is_told_to_both_sides_and_moves_cash_alone() {
    let mut b = named(true);
    let (mut one, mut two) = (Named::new(&mut b, "user01"), Named::new(&mut b, "user02"));
    one.enter(&mut b, b"SELL          ", b'S', 100, 1_000_000);
    let fill = two.enter(&mut b, b"BUY           ", b'B', 40, 1_000_000).pop().unwrap();
    assert_eq!(fill[0], b'E');
    let number = u64::from_be_bytes(fill[32..40].try_into().unwrap());
    one.read(&mut b);
    for (price, raw) in [("101.25", 1_012_500u32), ("99.5", 995_000)] {
        let done = command(&mut b, &format!(r#"{{"command":"correct","match":{number},"price":"{price}"}}"#));
        assert_eq!(done["corrected"], number);
        for (c, name, liquidity) in [(&mut one, b"SELL          ", b'A'), (&mut two, b"BUY           ", b'R')]
        {
            let told = c.read(&mut b);
            let want = [
                &name[..],
                &40u32.to_be_bytes(),
                &raw.to_be_bytes(),
                &[liquidity],
                &number.to_be_bytes(),
                b"S",
            ];
            assert_eq!((told.len(), told[0][0], &told[0][9..]), (1, b'F', &want.concat()[..]));
        }
        let cash = |user| b.venue.account(user).unwrap().cash_e4;
        assert_eq!((cash("user01"), cash("user02")), (40 * i128::from(raw), -40 * i128::from(raw)));
        assert_eq!((b.position("user01"), b.position("user02")), (-40, 40));
    }
    // Undone, it is undone at the price that it has now.
    let done = command(&mut b, &format!(r#"{{"command":"break","match":{number}}}"#));
    assert_eq!(done["broken"], serde_json::json!([number]));
    assert_eq!(one.read(&mut b)[0][0], b'B');
    assert_eq!((b.position("user01"), b.venue.account("user01").unwrap().cash_e4), (0, 0));
    assert_eq!(b.tape.broken.len(), 1);
    for again in
        [format!(r#""break","match":{number}"#), format!(r#""correct","match":{number},"price":"1""#)]
    {
        let why = refusal(&mut b, &format!(r#"{{"command":{again}}}"#));
        assert!(why.contains("broken already"), "{why}");
    }
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let mut b = named(false);
    let mut one = Named::new(&mut b, "user01");
    let mut two = b.client(1);
    one.enter(&mut b, b"SELL          ", b'S', 100, 1_000_000);
    b.ask(&mut two, &enter(1, b'B', 40, 1_000_000));
    one.read(&mut b);
    let before = b.venue.accounts();
    for (line, why) in [
        ("", "not a command"),
        ("\u{0}\u{1}garbage", "not a command"),
        (r#"{"command":"explode"}"#, "not a command"),
        (r#"{"command":"break","match":1,"more":2}"#, "not a command"),
        (r#"{"command":"break","match":-1}"#, "not a command"),
        (r#"{"command":"break","match":4711}"#, "no account has a trade"),
        (r#"{"command":"correct","match":4711,"price":"1"}"#, "no account has a trade"),
        (r#"{"command":"correct","match":1,"price":"1.23456"}"#, "a price is digits"),
        (r#"{"command":"correct","match":1,"price":"0"}"#, "is no price"),
        (r#"{"command":"correct","match":1,"price":"200000"}"#, "is no price"),
        (r#"{"command":"correct","match":1,"price":"100.5"}"#, "user02 trades by OUCH 5.0"),
        (r#"{"command":"halt","symbol":"NONE"}"#, "is not listed"),
        (r#"{"command":"halt","symbol":"MUCH TOO LONG"}"#, "is not listed"),
        (r#"{"command":"resume","symbol":"AAPL"}"#, "trades already"),
        (r#"{"command":"end-session","account":"nobody"}"#, "there is no account"),
    ] {
        let said = refusal(&mut b, line);
        assert!(said.contains(why), "{line}: {said}");
    }
    assert_eq!(b.venue.accounts(), before);
    assert_eq!(one.read(&mut b), [[0u8; 0]; 0]);
    b.venue.close(b.now);
    assert!(refusal(&mut b, r#"{"command":"halt","symbol":"AAPL"}"#).contains("is over"));
}

#[test]
fn a_symbol_is_halted_paused_quoted_and_resumed() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    for (number, verb, state) in [(1, "halt", "H"), (2, "pause", "P"), (3, "quote", "Q")] {
        let done = command(&mut b, &format!(r#"{{"command":"{verb}","symbol":"AAPL"}}"#));
        assert_eq!(done["state"], state);
        let told = b.ask(&mut c, &enter(number, b'B', 100, 1_000_000));
        assert_eq!((told[0].kind, told[0].code), ('J', 7), "{verb}");
    }
    assert_eq!(command(&mut b, r#"{"command":"resume","symbol":"AAPL"}"#)["state"], "T");
    assert_eq!(b.ask(&mut c, &enter(4, b'B', 100, 1_000_000))[0].kind, 'A');
}

#[test]
fn sessions_end_and_orders_live_on() {
    let mut b = Bench::new(config());
    let (mut one, mut two) = (b.client(0), b.client(1));
    b.ask(&mut one, &enter(1, b'B', 100, 1_000_000));
    let done = command(&mut b, r#"{"command":"end-session","account":"USER01"}"#);
    assert_eq!(done["ended"], serde_json::json!(["user01"]));
    b.read(&mut one);
    b.read(&mut two);
    assert!(one.ended && !two.ended);
    let before = one.session.clone();
    let mut again = b.client(0);
    assert_ne!(again.session, before);
    assert_eq!(b.ask(&mut again, &cancel(1, 0))[0].kind, 'C');
    assert_eq!(command(&mut b, r#"{"command":"end-session"}"#)["ended"].as_array().unwrap().len(), 2);
    b.read(&mut two);
    assert!(two.ended);
}
