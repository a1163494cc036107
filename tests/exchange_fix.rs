//! FIX at the simulated venue, in virtual time, spoken by hand: every request and what is said of it, in both versions; numbers and gaps over connections; and what
//! the script does.
//!
//! | what | shown by |
//! |---|---|
//! | logons: password, signature, names, version, twice, on the other port | [`who_may_log_on`] |
//! | D, G, F, q, H and 8, 9, r | [`an_order_is_told_of_from_its_acceptance_to_its_end`], [`requests_are_refused_by_what_is_wrong`] |
//! | 4.2 says the same in its own fields | [`the_older_version_has_its_own_fields`] |
//! | a corrected trade | [`a_trade_that_is_corrected_has_another_price`] |
//! | j and 3 | [`messages_that_are_none_are_refused_as_such`] |
//! | resend with PossDup, numbers over connections | [`what_was_missed_comes_again_and_numbers_go_on`] |
//! | cancel on disconnect, rates | [`orders_go_with_their_connection`], [`a_rate_is_kept_here_too`] |
//! | drop copies of accounts that speak OUCH and FIX | [`a_drop_copy_is_told_what_others_are`] |
//! | drop, disconnect, cut, repeat, silence, garbage, reject, late_fill, break | [`what_the_script_does_reaches_fix_too`] |

mod exchange_support;

use colo::exchange::VenueConfig;
use colo::exchange::codec::Protocol;
use colo::exchange::entry::Cause;
use colo::exchange::fix::FixRules;
use colo::exchange::latency::Excess;
use colo::exchange::script::{Action, Step, Trigger};
use exchange_support::client::{enter, packet};
use exchange_support::{Bench, MORNING, MS, SECOND, config};
use gateways::fix::logon::Credentials;
use gateways::fix::session::Version;

/// Some day.
const MIDNIGHT: u64 = 1_704_153_600 * SECOND;
/// Its morning, as a message says it.
const DAY: &str = "20240102-";

/// A venue whose first account speaks FIX.
fn venue(version: Version) -> VenueConfig {
    let mut config = config();
    let rules = &mut config.accounts[0].rules;
    rules.protocol = if version == Version::Fix42 { Protocol::Fix42 } else { Protocol::Fix44 };
    rules.fix = Some(rules_of(version, "CLIENT", "user01", Vec::new()));
    config
}

fn rules_of(version: Version, client: &str, user: &str, drop_copy_of: Vec<u16>) -> FixRules {
    FixRules {
        version,
        client: client.into(),
        venue: "VENUE".into(),
        credentials: Credentials::Password { user: user.into(), password: "pass".into() },
        midnight: MIDNIGHT,
        drop_copy_of,
    }
}

fn step(trigger: Trigger, action: Action) -> Step {
    Step { trigger, account: Some(0), symbol: None, action }
}

/// A client that knows how a message is framed, and no more.
struct Client {
    id: u64,
    begin: &'static str,
    comp_id: &'static str,
    user: &'static str,
    next: u64,
    bytes: Vec<u8>,
    heard: Vec<String>,
}

impl Client {
    fn new(b: &mut Bench, version: Version) -> Client {
        let begin = if version == Version::Fix42 { "FIX.4.2" } else { "FIX.4.4" };
        let id = b.venue.connect_fix(b.now);
        let (comp_id, user) = ("CLIENT", "user01");
        Client { id, begin, comp_id, user, next: 1, bytes: Vec::new(), heard: Vec::new() }
    }

    fn time(b: &Bench) -> String {
        let ms = b.now / MS;
        let (s, ms) = (ms / 1_000, ms % 1_000);
        format!("{DAY}{:02}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
    }

    /// A message with the next number, as bytes; `body` with `|` for the separator.
    fn message(&mut self, b: &Bench, kind: &str, body: &str) -> Vec<u8> {
        let (seq, time) = (self.next, Client::time(b));
        self.next += 1;
        let body = format!("35={kind}|34={seq}|49={}|52={time}|56=VENUE|{body}", self.comp_id);
        framed(self.begin, &body)
    }

    fn send(&mut self, b: &mut Bench, kind: &str, body: &str) -> Vec<String> {
        let bytes = self.message(b, kind, body);
        self.write(b, &bytes)
    }

    fn write(&mut self, b: &mut Bench, bytes: &[u8]) -> Vec<String> {
        b.venue.on_client_bytes(b.now, self.id, bytes);
        self.read(b)
    }

    /// What came, each message with `|` for the separator and its checksum looked at.
    fn read(&mut self, b: &mut Bench) -> Vec<String> {
        loop {
            let output = b.venue.output(self.id).to_vec();
            if output.is_empty() {
                break;
            }
            b.venue.written(self.id, output.len());
            self.bytes.extend(output);
        }
        b.listen();
        let mut heard = Vec::new();
        while let Some(end) = whole(&self.bytes) {
            let text = String::from_utf8(self.bytes.drain(..end).collect()).unwrap();
            heard.push(text.replace('\x01', "|"));
        }
        self.heard.extend(heard.iter().cloned());
        heard
    }

    fn log_on(&mut self, b: &mut Bench) -> Vec<String> {
        let logon = format!("98=0|108=30|553={}|554=pass|", self.user);
        self.send(b, "A", &logon)
    }
}

fn framed(begin: &str, body: &str) -> Vec<u8> {
    let text = format!("8={begin}|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

/// The length of the message at the front, whose length and sum are right.
fn whole(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("\x019=")?;
    let (length, _) = rest.split_once('\x01')?;
    let body = text.len() - rest.len() + length.len() + 1;
    let end = body + length.parse::<usize>().unwrap();
    let trailer = bytes.get(end..end + 7)?;
    let sum = bytes[..end].iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    assert_eq!(trailer, format!("10={sum:03}\x01").as_bytes(), "{text}");
    Some(end + 7)
}

/// The value of a field; nothing where it is absent.
fn field(message: &str, tag: u32) -> &str {
    let prefix = format!("{tag}=");
    message.split('|').find_map(|f| f.strip_prefix(&prefix)).unwrap_or("")
}

/// The values of these fields of each message.
fn fields<'m>(messages: &'m [String], tags: &[u32]) -> Vec<Vec<&'m str>> {
    messages.iter().map(|m| tags.iter().map(|tag| field(m, *tag)).collect()).collect()
}

/// A bench with a client that is logged on.
fn bench(config: VenueConfig) -> (Bench, Client) {
    let version = config.accounts[0].rules.fix.as_ref().unwrap().version;
    let mut b = Bench::new(config);
    let mut c = Client::new(&mut b, version);
    assert_eq!(fields(&c.log_on(&mut b), &[35, 34, 49, 56]), [["A", "1", "VENUE", "CLIENT"]]);
    (b, c)
}

const T: &str = "60=20240102-09:00:00|";

fn new_order(id: &str, side: u8, shares: u32, px: &str) -> String {
    format!("11={id}|21=1|38={shares}|40=2|44={px}|54={side}|55=AAPL|59=0|{T}")
}

/// Kind, ExecType, OrdStatus, ClOrdID, OrigClOrdID, shares open, executed.
const STORY: [u32; 7] = [35, 150, 39, 11, 41, 151, 14];

#[test]
fn an_order_is_told_of_from_its_acceptance_to_its_end() {
    let (mut b, mut c) = bench(venue(Version::Fix44));
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    assert_eq!(fields(&told, &STORY), [["8", "0", "0", "a", "", "100", "0"]]);
    assert_eq!(
        fields(&told, &[38, 40, 44, 54, 55, 59, 6]),
        [["100", "2", "10.50", "1", "AAPL", "0", "0.00"]]
    );
    let order: u64 = field(&told[0], 37).parse().unwrap();
    assert_eq!(b.venue.account("user01").unwrap().live_orders[0].order_ref, order, "as the tape says it");

    // Somebody sells 40, at the price of the order.
    let mut other = b.client(1);
    b.ask(&mut other, &enter(1, b'S', 40, 105_000));
    let told = c.read(&mut b);
    assert_eq!(fields(&told, &STORY), [["8", "F", "1", "a", "", "60", "40"]]);
    assert_eq!(fields(&told, &[32, 31, 6, 851]), [["40", "10.50", "10.50", "1"]]);

    // The total counts what traded.
    let replace = format!("11=b|41=a|38=120|40=2|44=10.6|54=1|55=AAPL|59=0|{T}");
    let told = c.send(&mut b, "G", &replace);
    assert_eq!(fields(&told, &STORY), [["8", "5", "1", "b", "a", "80", "40"]]);
    assert_eq!(fields(&told, &[38, 44]), [["120", "10.60"]]);
    b.ask(&mut other, &enter(2, b'S', 30, 106_000));
    let told = c.read(&mut b);
    assert_eq!(fields(&told, &STORY), [["8", "F", "1", "b", "", "50", "70"]]);
    assert_eq!(fields(&told, &[6]), [["10.5429"]]);
    // A question.
    let told = c.send(&mut b, "H", "11=b|54=1|55=AAPL|790=why|");
    assert_eq!(fields(&told, &STORY), [["8", "I", "1", "b", "", "50", "70"]]);
    assert_eq!(field(&told[0], 790), "why");
    let told = c.send(&mut b, "F", &format!("11=c|41=b|54=1|55=AAPL|{T}"));
    assert_eq!(fields(&told, &STORY), [["8", "4", "4", "c", "b", "0", "70"]]);
    assert_eq!(field(&told[0], 38), "120");

    // All at once, of one symbol and of all.
    for (id, symbol) in [("d", "AAPL"), ("e", "MSFT"), ("f", "AAPL")] {
        c.send(&mut b, "D", &new_order(id, 2, 10, "12").replace("AAPL", symbol));
    }
    let told = c.send(&mut b, "q", &format!("11=g|530=1|55=AAPL|{T}"));
    assert_eq!(fields(&told[..1], &[35, 11, 530, 531, 533]), [["r", "g", "1", "1", "2"]]);
    assert_eq!(
        fields(&told[1..], &STORY),
        [["8", "4", "4", "d", "", "0", "0"], ["8", "4", "4", "f", "", "0", "0"]]
    );
    let told = c.send(&mut b, "q", &format!("11=h|530=7|{T}"));
    assert_eq!(fields(&told, &[35, 11, 531]), [["r", "h", "7"], ["8", "e", ""]]);
    // Immediate or cancel, and without a limit.
    b.ask(&mut other, &enter(3, b'S', 40, 105_000));
    let told = c.send(&mut b, "D", &format!("11=i|21=1|38=50|40=1|54=1|55=AAPL|59=3|{T}"));
    assert_eq!(
        fields(&told, &[150, 39, 151, 14, 851]),
        [["0", "0", "50", "0", ""], ["F", "1", "10", "40", "2"], ["4", "4", "0", "40", ""]]
    );
    assert_eq!(b.venue.account("user01").unwrap().live_orders, []);
}

#[test]
fn requests_are_refused_by_what_is_wrong() {
    let (mut b, mut c) = bench(venue(Version::Fix44));
    c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    // Kind, ExecType, OrdStatus, name, OrdRejReason, CxlRejReason, CxlRejResponseTo.
    let story = [35, 150, 39, 11, 103, 102, 434];
    let orders = [
        (new_order("b", 1, 100, "10.5").replace("AAPL", "NONE"), "1"),
        (new_order("c", 1, 0, "10.5"), "13"),
        (new_order("d", 1, 100, "10.505"), "99"),
        (new_order("e", 1, 100, "10.5").replace("40=2", "40=3|99=11"), "99"),
        (new_order("a", 1, 100, "10.5"), "6"),
    ];
    for (order, reason) in &orders {
        let told = c.send(&mut b, "D", order);
        assert_eq!(fields(&told, &story), [["8", "8", "8", field(order, 11), reason, "", ""]], "{order}");
        assert_eq!(fields(&told, &[151, 14]), [["0", "0"]]);
    }
    // One that may have been sent before, and says so, is told of as it stands.
    let again = format!("97=Y|{}", new_order("a", 1, 100, "10.5"));
    assert_eq!(fields(&c.send(&mut b, "D", &again), &STORY[..4]), [["8", "I", "0", "a"]]);
    assert_eq!(b.venue.account("user01").unwrap().live_orders.len(), 1);
    let cancel = |id: &str, orig: &str| format!("11={id}|41={orig}|54=1|55=AAPL|{T}");
    let replace = |id: &str, orig: &str| format!("{}40=2|44=10|38=50|59=0|", cancel(id, orig));
    for (kind, request, status, reason) in [
        ("F", cancel("f", "nobody"), "8", "1"),
        ("G", replace("g", "nobody"), "8", "1"),
        ("F", cancel("a", "a"), "0", "6"),
        ("G", replace("f", "a"), "0", "6"),
    ] {
        let told = c.send(&mut b, kind, &request);
        let answers = if kind == "F" { "1" } else { "2" };
        assert_eq!(fields(&told, &story), [["9", "", status, field(&request, 11), "", reason, answers]]);
    }
    c.send(&mut b, "F", &cancel("h", "a"));
    for (kind, request) in [("F", cancel("i", "a")), ("G", replace("j", "a"))] {
        let told = c.send(&mut b, kind, &request);
        assert_eq!(fields(&told, &[35, 39, 102]), [["9", "4", "0"]], "it is gone");
    }
    // Not of a symbol and not of all.
    let told = c.send(&mut b, "q", &format!("11=k|530=3|{T}"));
    assert_eq!(fields(&told, &[35, 531]), [["r", "0"]]);
    let told = c.send(&mut b, "H", "11=nobody|54=1|55=AAPL|");
    assert_eq!(fields(&told, &[35, 150, 39, 103, 37]), [["8", "I", "8", "5", "NONE"]]);
    // A replace that is no order ends the one that there was, as on the other ports; both are said.
    c.send(&mut b, "D", &new_order("l", 1, 100, "10.5"));
    let told = c.send(&mut b, "G", &replace("m", "l").replace("44=10|", "44=10.001|"));
    assert_eq!(fields(&told, &[35, 150, 39, 11, 102]), [["8", "4", "4", "l", ""], ["9", "", "4", "m", "0"]]);
}

#[test]
fn the_older_version_has_its_own_fields() {
    let (mut b, mut c) = bench(venue(Version::Fix42));
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    // ExecTransType beside the others.
    let story = [35, 20, 150, 39, 11, 41, 151, 14];
    assert_eq!(fields(&told, &story), [["8", "0", "0", "0", "a", "", "100", "0"]]);
    let mut other = b.client(1);
    b.ask(&mut other, &enter(1, b'S', 40, 105_000));
    assert_eq!(fields(&c.read(&mut b), &story), [["8", "0", "1", "1", "a", "", "60", "40"]]);
    let told = c.send(&mut b, "G", &format!("11=b|41=a|21=1|38=120|40=2|44=10.6|54=1|55=AAPL|59=0|{T}"));
    assert_eq!(fields(&told, &story), [["8", "0", "5", "5", "b", "a", "80", "40"]]);
    let told = c.send(&mut b, "H", "11=b|54=1|55=AAPL|");
    assert_eq!(fields(&told, &story), [["8", "3", "1", "1", "b", "", "80", "40"]]);
    let told = c.send(&mut b, "D", &new_order("c", 1, 0, "10.5"));
    assert_eq!(fields(&told, &[150, 103]), [["8", "0"]], "the reason has no number here");
    let told = c.send(&mut b, "q", &format!("11=g|530=7|{T}"));
    assert_eq!(fields(&told, &[35, 372]), [["3", "q"]], "nor has the message");
}

#[test]
fn a_trade_that_is_corrected_has_another_price() {
    for (version, kind) in [(Version::Fix44, ["G", ""]), (Version::Fix42, ["2", "2"])] {
        let (mut b, mut c) = bench(venue(version));
        c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
        let mut seller = b.client(1);
        b.venue.on_client_bytes(b.now, seller.id, &packet(b'U', &enter(1, b'S', 100, 104_000)));
        let fill = c.read(&mut b).pop().unwrap();
        let correct = format!(r#"{{"command":"correct","match":{},"price":"10.25"}}"#, field(&fill, 17));
        let why = b.venue.on_control(b.now, correct.as_bytes());
        assert!(why["error"].as_str().unwrap().contains("user02"), "the other side cannot be told: {why}");
        b.read(&mut seller);

        let mut config = venue(version);
        config.accounts[1].rules.protocol = Protocol::Ouch42;
        let (mut b, mut c) = bench(config);
        c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
        let seller = b.login("user02", "pass", "", "0").id;
        let order = b"OSELL          S\0\0\0\x64AAPL    \0\x01\x96\x40\0\x01\x86\x9eABCDYPN\0\0\0\0NN";
        b.venue.on_client_bytes(b.now, seller, &packet(b'U', order));
        let fill = c.read(&mut b).pop().unwrap();
        assert_eq!(b.venue.on_control(b.now, correct.as_bytes())["ok"], true);
        let told = c.read(&mut b);
        let number = field(&fill, 17);
        let story = fields(&told, &[150, 20, 11, 19, 32, 31, 14, 6]);
        assert_eq!(story, [[kind[0], kind[1], "a", number, "100", "10.25", "100", "10.25"]]);
        assert_eq!(b.venue.account("user01").unwrap().cash_e4, -10_250_000);
    }
}

#[test]
fn messages_that_are_none_are_refused_as_such() {
    let (mut b, mut c) = bench(venue(Version::Fix44));
    // A field is missing, one is no number; the numbers go on.
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5").replace("54=1|", ""));
    assert_eq!(fields(&told, &[35, 45, 371, 373]), [["3", "2", "54", "1"]]);
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "ten"));
    assert_eq!(fields(&told, &[35, 45, 371, 373]), [["3", "3", "44", "6"]]);
    let told = c.send(&mut b, "V", "262=x|263=0|264=1|267=1|269=0|146=1|55=AAPL|");
    assert_eq!(fields(&told, &[35, 45, 372, 380]), [["j", "4", "V", "3"]]);
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5").replace("44=10.5|", ""));
    assert_eq!(fields(&told, &[35, 45, 372, 379, 380]), [["j", "5", "D", "a", "5"]]);
    let told = c.send(&mut b, "D", &new_order(&"a".repeat(65), 1, 100, "10.5"));
    assert_eq!(fields(&told, &[35, 372, 380]), [["j", "D", "0"]]);
    let told = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    assert_eq!(fields(&told, &STORY[..4]), [["8", "0", "0", "a"]], "the name was free");
    assert_eq!(field(&told[0], 34), "7", "every answer has a number");
}

#[test]
fn who_may_log_on() {
    let mut b = Bench::new(venue(Version::Fix44));
    let logon = |b: &mut Bench, change: &dyn Fn(String) -> String| {
        let mut c = Client::new(b, Version::Fix44);
        let time = Client::time(b);
        let body = format!("35=A|34=1|49=CLIENT|52={time}|56=VENUE|98=0|108=30|553=user01|554=pass|");
        let told = c.write(b, &framed("FIX.4.4", &change(body)));
        let over = b.venue.is_over(c.id);
        if over {
            b.venue.disconnect(b.now, c.id);
        }
        (told, over, c)
    };
    let (told, over, _) = logon(&mut b, &|body| body.replace("554=pass", "554=past"));
    assert_eq!((fields(&told, &[35, 58]), over), (vec![vec!["5", "not authorised"]], true));
    for (from, to) in [("49=CLIENT", "49=OTHER"), ("56=VENUE", "56=OTHER"), ("35=A", "35=0")] {
        let (told, over, _) = logon(&mut b, &|body| body.replace(from, to));
        assert_eq!((told.len(), over), (0, true), "nothing is said to a stranger: {to}");
    }
    let (told, over, first) = logon(&mut b, &|body| body);
    assert_eq!((fields(&told, &[35, 34]), over), (vec![vec!["A", "2"]], false), "1 was the goodbye");
    // A stranger with the name does not drive it out; the client itself takes its place from a line that died.
    let (told, over, _) = logon(&mut b, &|body| body.replace("554=pass", "554=past"));
    assert_eq!((told.len(), over, b.venue.is_over(first.id)), (0, true, false));
    let (told, over, _) = logon(&mut b, &|body| body.replace("34=1", "34=2"));
    assert_eq!((fields(&told, &[35, 34]), over), (vec![vec!["A", "3"]], false));
    assert!(b.venue.is_over(first.id));
    // Its name and password are no good on the other port, and noise in place of a logon ends the connection.
    assert!(!b.login("user01", "pass", "", "1").logged_in);
    let mut c = Client::new(&mut b, Version::Fix44);
    c.write(&mut b, b"GET / HTTP/1.1\r\n\r\n");
    assert!(b.venue.is_over(c.id));
    let c = Client::new(&mut b, Version::Fix44);
    b.run(15_000);
    assert!(b.venue.is_over(c.id), "who never says who it is is not waited for");
    let counts = b.venue.counts();
    assert_eq!((counts.logins, counts.refused_logins), (2, 6));
}

#[test]
fn what_was_missed_comes_again_and_numbers_go_on() {
    let (mut b, mut c) = bench(venue(Version::Fix44));
    c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    // The line dies with a report on it, and another comes about while nobody is there.
    let order = c.message(&b, "D", &new_order("b", 1, 50, "10.4"));
    b.venue.on_client_bytes(b.now, c.id, &order);
    b.venue.disconnect(b.now, c.id);
    let mut other = b.client(1);
    b.ask(&mut other, &enter(1, b'S', 40, 105_000));

    let mut again = Client::new(&mut b, Version::Fix44);
    again.next = c.next;
    let told = again.log_on(&mut b);
    assert_eq!(fields(&told, &[35, 34, 43]), [["A", "4", ""], ["8", "5", ""]], "3 has not come");
    assert_eq!(fields(&told[1..], &STORY[..4]), [["8", "F", "1", "a"]]);
    let told = again.send(&mut b, "2", "7=3|16=0|");
    assert_eq!(
        fields(&told, &[35, 34, 43, 11, 123, 36]),
        [["8", "3", "Y", "b", "", ""], ["4", "4", "Y", "", "Y", "5"], ["8", "5", "Y", "a", "", ""]],
        "the logon is not said again"
    );
    assert!(!field(&told[0], 122).is_empty(), "with the time at which it was sent first");
    // Both sides begin at 1 again where the client wants it; what is open stays open.
    b.venue.disconnect(b.now, again.id);
    let mut fresh = Client::new(&mut b, Version::Fix44);
    let told = fresh.send(&mut b, "A", "98=0|108=30|141=Y|553=user01|554=pass|");
    assert_eq!(fields(&told, &[35, 34, 141]), [["A", "1", "Y"]]);
    let told = fresh.send(&mut b, "F", &format!("11=c|41=b|54=1|55=AAPL|{T}"));
    assert_eq!(fields(&told, &[34, 150, 11, 41]), [["2", "4", "c", "b"]]);
    // A number too low.
    b.venue.disconnect(b.now, fresh.id);
    let mut low = Client::new(&mut b, Version::Fix44);
    let told = low.log_on(&mut b);
    assert_eq!(field(&told[0], 58), "MsgSeqNum too low, expecting 3 but received 1");
    // The day ends with a goodbye.
    let mut last = Client::new(&mut b, Version::Fix44);
    last.next = 3;
    last.log_on(&mut b);
    b.venue.close(b.now);
    let told = last.read(&mut b);
    assert_eq!(fields(&told, &[35, 150, 11]), [["8", "C", "a"], ["5", "", ""]]);
    last.send(&mut b, "5", "");
    assert!(b.venue.is_over(last.id));
}

#[test]
fn a_silent_client_is_tested_and_dropped() {
    let (mut b, mut c) = bench(venue(Version::Fix44));
    b.run(35_999);
    let told = c.read(&mut b);
    assert_eq!(fields(&told, &[35]), [["0"]]);
    b.run(1);
    assert_eq!(fields(&c.read(&mut b), &[35]), [["1"]]);
    b.run(23_999);
    assert!(!b.venue.is_over(c.id));
    b.run(1);
    assert!(b.venue.is_over(c.id));
}

#[test]
fn orders_go_with_their_connection() {
    let mut config = venue(Version::Fix44);
    config.accounts[0].rules.cancel_on_disconnect = Some(true);
    let (mut b, mut c) = bench(config);
    c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    b.venue.disconnect(b.now, c.id);
    assert_eq!(b.venue.account("user01").unwrap().live_orders, []);
    let mut again = Client::new(&mut b, Version::Fix44);
    again.next = c.next;
    let told = again.log_on(&mut b);
    assert_eq!(fields(&told[1..], &STORY[..4]), [["8", "4", "4", "a"]]);
    again.send(&mut b, "D", &new_order("b", 1, 100, "10.5"));
    // So does a goodbye.
    assert_eq!(fields(&again.send(&mut b, "5", ""), &[35]), [["5"]]);
    assert_eq!(b.venue.account("user01").unwrap().live_orders, []);
    // And a Logon that drives out the connection and is refused itself.
    let mut third = Client::new(&mut b, Version::Fix44);
    third.next = again.next;
    third.log_on(&mut b);
    third.send(&mut b, "D", &new_order("c", 1, 100, "10.5"));
    assert_eq!(b.venue.account("user01").unwrap().live_orders.len(), 1);
    let mut low = Client::new(&mut b, Version::Fix44);
    assert!(field(&low.log_on(&mut b)[0], 58).starts_with("MsgSeqNum too low"));
    assert_eq!(b.venue.account("user01").unwrap().live_orders, []);
}

#[test]
fn a_rate_is_kept_here_too() {
    let mut config = venue(Version::Fix44);
    config.accounts[0].rules.rate = Some((2, Excess::Reject));
    let (mut b, mut c) = bench(config);
    c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    c.send(&mut b, "D", &new_order("b", 1, 100, "10.5"));
    let told = c.send(&mut b, "D", &new_order("c", 1, 100, "10.5"));
    assert_eq!(fields(&told, &[150, 103, 58]), [["8", "3", "RiskPortRate"]]);
    let told = c.send(&mut b, "G", &format!("11=d|41=a|38=50|40=2|44=10|54=1|55=AAPL|59=0|{T}"));
    assert_eq!(fields(&told, &[35, 102, 39]), [["9", "99", "0"]], "and the order lives");
    assert_eq!(field(&c.send(&mut b, "F", &format!("11=e|41=a|54=1|55=AAPL|{T}"))[0], 150), "4");
}

#[test]
fn a_drop_copy_is_told_what_others_are() {
    for version in [Version::Fix44, Version::Fix42] {
        let mut config = venue(Version::Fix44);
        let mut listener = config.accounts[0].clone();
        listener.credentials.username = "drop01".into();
        listener.rules.protocol = if version == Version::Fix42 { Protocol::Fix42 } else { Protocol::Fix44 };
        listener.rules.fix = Some(rules_of(version, "COPY", "drop01", vec![0, 1]));
        config.accounts.push(listener);
        let withhold = Step { account: Some(2), ..step(Trigger::Report(4, None), Action::Withhold) };
        config.script = vec![withhold];
        let (mut b, mut c) = bench(config);
        let mut d = Client { comp_id: "COPY", user: "drop01", ..Client::new(&mut b, version) };
        assert_eq!(fields(&d.log_on(&mut b), &[35, 49, 56]), [["A", "VENUE", "COPY"]]);
        let fill = |status| if version == Version::Fix44 { "F" } else { status };

        let own = c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
        let copied = d.read(&mut b);
        assert_eq!(fields(&copied, &STORY), [["8", "0", "0", "a", "", "100", "0"]]);
        assert_eq!(field(&copied[0], 37), field(&own[0], 37), "one order");
        assert_ne!(field(&copied[0], 17), field(&own[0], 17), "two reports");
        // Both sides of a trade are copied, each by the name that its own client knows it by.
        let mut other = b.client(1);
        b.ask(&mut other, &enter(7, b'S', 40, 105_000));
        let own = c.read(&mut b);
        let copied = d.read(&mut b);
        assert_eq!(
            fields(&copied, &STORY),
            [["8", fill("1"), "1", "a", "", "60", "40"], ["8", "0", "0", "7", "", "40", "0"]],
            "the fourth is withheld"
        );
        assert_eq!(field(&copied[0], 17), field(&own[0], 17), "one trade");
        // Refusals are the client's own affair; a cancel is told of the order, not of the request.
        c.send(&mut b, "F", &format!("11=x|41=nobody|54=1|55=AAPL|{T}"));
        c.send(&mut b, "G", &format!("11=b|41=a|38=90|40=2|44=10.4|54=1|55=AAPL|59=0|{T}"));
        c.send(&mut b, "F", &format!("11=y|41=b|54=1|55=AAPL|{T}"));
        assert_eq!(
            fields(&d.read(&mut b), &STORY),
            [
                ["8", "5", if version == Version::Fix44 { "1" } else { "5" }, "b", "a", "50", "40"],
                ["8", "4", "4", "b", "", "0", "40"]
            ]
        );
        assert_eq!(d.heard.last().map(|m| field(m, 34)), Some("6"), "what is withheld has no number");
        // It may ask nothing.
        for (kind, request) in [
            ("D", new_order("c", 1, 100, "10.5")),
            ("F", format!("11=c|41=b|54=1|55=AAPL|{T}")),
            ("H", "11=b|54=1|55=AAPL|".to_owned()),
        ] {
            let told = d.send(&mut b, kind, &request);
            let reason = if version == Version::Fix44 { "6" } else { "4" };
            assert_eq!(fields(&told, &[35, 372, 380]), [["j", kind, reason]]);
        }
        assert_eq!(b.venue.account("drop01").unwrap().counts.accepted, 0);
    }
}

#[test]
fn what_the_script_does_reaches_fix_too() {
    let mut config = venue(Version::Fix44);
    config.script = vec![
        step(Trigger::Request(1, None), Action::Drop),
        step(Trigger::Report(2, None), Action::Repeat),
        step(Trigger::Report(3, None), Action::Cut(25)),
        step(Trigger::Report(4, None), Action::Garbage(40)),
        step(Trigger::Request(1, Some(b'X')), Action::LateFill),
        step(Trigger::Request(2, Some(b'X')), Action::Reject(Cause::Other, 5 * SECOND)),
        step(Trigger::Request(3, Some(b'X')), Action::Break),
        step(Trigger::Request(4, Some(b'X')), Action::Silence(5 * SECOND)),
        step(Trigger::Request(5, Some(b'X')), Action::Disconnect),
        step(Trigger::Login(3), Action::RefuseLogin),
    ];
    let (mut b, mut c) = bench(config);
    assert_eq!(c.send(&mut b, "D", &new_order("lost", 1, 100, "10.5")), [""; 0]);
    assert_eq!(b.venue.account("user01").unwrap().live_orders, []);
    c.send(&mut b, "D", &new_order("a", 1, 100, "10.5"));
    let told = c.send(&mut b, "D", &new_order("b", 1, 100, "10.4"));
    assert_eq!(fields(&told, &[34, 97, 11, 17]), [["3", "", "b", "E2"], ["4", "Y", "b", "E2"]]);
    assert_eq!(c.send(&mut b, "D", &new_order("c", 1, 100, "10.3")), [""; 0]);
    assert!(b.venue.is_over(c.id) && c.bytes.len() == 25);
    b.venue.disconnect(b.now, c.id);

    let mut again = Client::new(&mut b, Version::Fix44);
    again.next = c.next;
    again.log_on(&mut b);
    let told = again.send(&mut b, "2", "7=5|16=0|");
    assert_eq!(fields(&told[..1], &[35, 34, 43, 11]), [["8", "5", "Y", "c"]]);
    let order = again.message(&b, "D", &new_order("d", 1, 100, "10.2"));
    b.venue.on_client_bytes(b.now, again.id, &order);
    let output = b.venue.output(again.id).to_vec();
    assert!(output.len() > 140 && output[40..].starts_with(b"8=FIX.4.4"), "noise, then the report");
    b.venue.written(again.id, output.len());

    // What was canceled last trades, though it is dead; later the trade is undone.
    let cancel = |id: &str, orig: &str| format!("11={id}|41={orig}|54=1|55=AAPL|{T}");
    let told = again.send(&mut b, "F", &cancel("e", "d"));
    assert_eq!(fields(&told, &STORY[1..5]), [["4", "4", "e", "d"], ["F", "4", "d", ""]]);
    let trade = field(&told[1], 17).to_owned();
    again.send(&mut b, "F", &cancel("f", "c"));
    let told = again.send(&mut b, "D", &new_order("g", 1, 100, "10.2"));
    assert_eq!(fields(&told, &[150, 11, 58]), [["8", "g", "Other"]]);
    let told = again.send(&mut b, "F", &cancel("h", "b"));
    assert_eq!(fields(&told, &[150, 11, 14, 19]), [["4", "h", "0", ""], ["H", "d", "0", &trade[..]]]);
    assert_eq!(again.send(&mut b, "F", &cancel("i", "a")), [""; 0], "silent");
    b.run(5_000);
    assert_eq!(fields(&again.read(&mut b), &[150, 11]), [["4", "i"]]);
    again.send(&mut b, "F", &cancel("j", "a"));
    assert!(b.venue.is_over(again.id), "unheard, and closed");
    b.venue.disconnect(b.now, again.id);
    let mut refused = Client::new(&mut b, Version::Fix44);
    refused.next = again.next;
    assert_eq!(fields(&refused.log_on(&mut b), &[35, 58]), [["5", "refused"]]);
    assert_eq!(b.venue.counts().script_steps, 10);
    assert_eq!(b.now / SECOND, MORNING / SECOND + 5);
}
