//! The FIX gateway against a venue that is scripted message by message, over an acceptor session, in virtual time.

mod days;
#[path = "../fix_support/mod.rs"]
mod fix_support;
mod pending;
mod sessions;
mod skipped;
#[path = "../support/mod.rs"]
mod support;

use fix_support::{SECOND, START, acceptor, body, initiator, session, shown};
use gateways::fix::session::{Event, Session, SessionConfig, Version};
use gateways::fix::store::{MemoryStore, Store};
use gateways::fix::{FixConfig, FixGateway};
use gateways::gateway::{Barrier, Notice, OrderGateway, SINK_BURST};
use gateways::order::EncodeError;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token, VenueRef,
};
use support::{GATEWAY, Sink};

const BOTH: [Version; 2] = [Version::Fix42, Version::Fix44];

fn instruments() -> Vec<Instrument> {
    let of = |id, symbol, gateway| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).unwrap(),
        feed: FeedId(0),
        gateway,
    };
    vec![of(0, "AAPL", GATEWAY), of(1, "MSFT", GATEWAY), of(2, "OTHER", GatewayId(9))]
}

fn gateway_of(
    version: Version,
    store: MemoryStore,
    change: impl Fn(&mut FixConfig),
) -> FixGateway<MemoryStore> {
    let mut config = FixConfig::new(GATEWAY, initiator(version), "CO1");
    change(&mut config);
    FixGateway::new(config, store, &instruments()).unwrap()
}

struct Bench {
    version: Version,
    now: Nanos,
    gateway: FixGateway<MemoryStore>,
    venue: Session<MemoryStore>,
    sink: Sink,
    /// Whether the venue answers questions by itself.
    answers: bool,
    /// What the venue's application was sent.
    asked: Vec<String>,
    executions: u64,
}

impl Bench {
    fn new(version: Version) -> Bench {
        Bench::with(version, |_| {})
    }

    fn with(version: Version, change: impl Fn(&mut FixConfig)) -> Bench {
        Bench {
            version,
            now: START,
            gateway: gateway_of(version, MemoryStore::new(1 << 20), change),
            venue: session(acceptor(version)),
            sink: Sink::default(),
            answers: true,
            asked: Vec::new(),
            executions: 0,
        }
    }

    fn ready(version: Version) -> Bench {
        let mut b = Bench::new(version);
        b.connect();
        assert!(b.gateway.is_ready());
        b.sink.all.clear();
        b
    }

    fn connect(&mut self) {
        self.now = self.now.after(Nanos(SECOND));
        self.gateway.on_disconnected(self.now, &mut self.sink);
        self.venue.on_disconnected();
        self.venue.on_connected(self.now);
        self.gateway.on_connected(self.now);
        self.turn();
    }

    fn turn(&mut self) {
        self.try_turn().unwrap();
    }

    /// Bytes go to and fro until nothing does.
    fn try_turn(&mut self) -> Result<(), gateways::fix::gateway::ProtocolError> {
        for _ in 0..1_000 {
            self.gateway.resume(self.now, &mut self.sink)?;
            let up = self.gateway.transmit().to_vec();
            self.gateway.transmitted(up.len());
            self.venue.recv_space()[..up.len()].copy_from_slice(&up);
            self.venue.on_received(self.now, up.len());
            self.venue_application();
            let down = self.venue.transmit().to_vec();
            self.venue.transmitted(down.len());
            if up.is_empty() && down.is_empty() {
                return Ok(());
            }
            self.gateway.recv_space()[..down.len()].copy_from_slice(&down);
            self.gateway.on_received(self.now, down.len(), &mut self.sink)?;
        }
        panic!("the two talk for ever");
    }

    fn venue_application(&mut self) {
        let mut questions = Vec::new();
        while let Some(event) = self.venue.poll(self.now) {
            if let Event::Message { message, .. } = event {
                if message.kind() == b"H" {
                    questions.push(String::from_utf8(message.get(11).unwrap().to_vec()).unwrap());
                } else {
                    self.asked.extend(shown(message.bytes()));
                }
            }
        }
        if self.answers {
            questions.iter().for_each(|name| self.status(name));
        }
    }

    fn status(&mut self, name: &str) {
        self.execution(name, "I", "39=8|14=0|151=0|");
    }

    /// Queues an ExecutionReport; `kind` in the letters of 4.4.
    fn execution(&mut self, name: &str, kind: &str, rest: &str) -> u64 {
        self.executions += 1;
        let trans = match kind {
            "I" => "3",
            "G" => "2",
            "H" => "1",
            _ => "0",
        };
        let kind = match (self.version, kind) {
            (Version::Fix42, "F") => "1",
            (Version::Fix42, "I" | "G" | "H") => "0",
            (_, kind) => kind,
        };
        let trans = if self.version == Version::Fix42 { format!("20={trans}|") } else { String::new() };
        let text = format!(
            "6=0|11={name}|17={}|{trans}37=77|54=1|55=AAPL|60=20240102-12:00:01|150={kind}|{rest}",
            self.executions
        );
        self.venue.send(self.now, b"8", &body(&text)).unwrap();
        self.executions
    }

    fn say(&mut self, kind: &[u8], text: &str) {
        self.venue.send(self.now, kind, &body(text)).unwrap();
        self.turn();
    }

    fn command(&self, kind: CommandKind) -> OrderCommand {
        OrderCommand { gateway: GATEWAY, instrument: InstrumentId(0), kind }
    }

    fn send(&mut self, kind: CommandKind) -> Result<(), EncodeError> {
        let command = self.command(kind);
        self.gateway.encode(self.now, &command)?;
        self.turn();
        Ok(())
    }

    fn order(&mut self, token: u32) {
        self.send(buy(token)).unwrap();
    }

    /// An order of 100 that the venue has taken.
    fn live(&mut self, token: u32) {
        self.order(token);
        self.execution(&name(token), "0", "14=0|38=100|39=0|44=10.5|151=100|");
        self.turn();
    }

    /// What came last, and its number.
    fn last(&self) -> ExecutionReport {
        *self.sink.reports().last().expect("a report")
    }
}

fn buy(token: u32) -> CommandKind {
    CommandKind::New {
        token: Token(token),
        side: Side::Buy,
        short: false,
        qty: Qty(100),
        px: Px(105_000),
        tif: Tif::Day,
    }
}

fn cancel(token: u32, qty: u32) -> CommandKind {
    CommandKind::Cancel { token: Token(token), qty: Qty(qty) }
}

fn replace(old: u32, token: u32, qty: u32) -> CommandKind {
    CommandKind::Replace {
        old: Token(old),
        token: Token(token),
        qty: Qty(qty),
        px: Px(110_001),
        tif: Tif::Day,
    }
}

fn name(token: u32) -> String {
    format!("CO1{token:010}")
}

#[test]
fn the_life_of_an_order() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(7);
        let taken = b.last();
        assert_eq!((taken.token, taken.ts_event), (Token(7), Nanos(43_201 * SECOND)));
        assert_eq!(
            taken.kind,
            ReportKind::Accepted {
                order: VenueRef(77),
                px: Px(105_000),
                qty: Qty(100),
                side: Side::Buy,
                short: false,
                instrument: Some(InstrumentId(0)),
                dead: false,
            }
        );
        let added = if v == Version::Fix44 { "851=2|" } else { "" };
        let id = b.execution(&name(7), "F", &format!("14=30|31=10.49|32=30|39=1|151=70|{added}"));
        b.turn();
        let liquidity = if v == Version::Fix44 { b'R' } else { 0 };
        assert_eq!(
            b.last().kind,
            ReportKind::Executed { qty: Qty(30), px: Px(104_900), match_number: id, liquidity }
        );
        b.send(replace(7, 8, 150)).unwrap();
        b.execution(&name(8), "5", &format!("14=30|38=150|39=1|41={}|44=11.0001|151=120|", name(7)));
        b.turn();
        let (old, order, px) = (Token(7), VenueRef(77), Px(110_001));
        assert_eq!(b.last().kind, ReportKind::Replaced { old, order, px, qty: Qty(120), dead: false });
        assert_eq!(b.last().token, Token(8));
        b.send(cancel(8, 0)).unwrap();
        let request = b.asked.last().unwrap().clone();
        let by = request.split("11=").nth(1).unwrap().split('|').next().unwrap().to_owned();
        b.execution(&by, "6", &format!("14=30|39=6|41={}|151=120|", name(8)));
        b.turn();
        assert_eq!((b.last().token, b.last().kind), (Token(8), ReportKind::CancelPending));
        b.execution(&by, "4", &format!("14=30|38=150|39=4|41={}|151=0|", name(8)));
        b.turn();
        assert_eq!(
            (b.last().token, b.last().kind),
            (Token(8), ReportKind::Canceled { qty: Qty(120), reason: b'U' })
        );
        let numbers: Vec<u64> = b.sink.reports().iter().map(|r| r.seq).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(
            b.asked,
            [
                format!("35=D|34=3|11={}|21=1|38=100|40=2|44=10.50|54=1|55=AAPL|59=0|", name(7)),
                format!(
                    "35=G|34=4|11={}|21=1|38=150|40=2|41={}|44=11.0001|54=1|55=AAPL|59=0|",
                    name(8),
                    name(7)
                ),
                format!("35=F|34=5|11={}X5|38=150|41={}|54=1|55=AAPL|", name(8), name(8)),
            ]
        );
        assert_eq!(
            b.gateway.encode(b.now, &b.command(cancel(8, 0))),
            Err(EncodeError::BadToken(Token(8))),
            "it is gone"
        );
    }
}

#[test]
fn every_refusal_reaches_the_request_that_it_is_of() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        let refused =
            |b: &Bench, token, kind| assert_eq!((b.last().token, b.last().kind), (Token(token), kind));
        b.order(1);
        b.execution(&name(1), "8", "14=0|39=8|103=99|151=0|");
        b.turn();
        refused(&b, 1, ReportKind::Rejected { reason: 99 });
        b.live(2);
        b.send(replace(2, 3, 50)).unwrap();
        b.say(b"9", &format!("11={}|37=77|39=0|41={}|102=1|434=2|", name(3), name(2)));
        refused(&b, 3, ReportKind::Rejected { reason: 1 });
        b.send(cancel(2, 0)).unwrap();
        let seq = b.asked.last().unwrap().split("34=").nth(1).unwrap().split('|').next().unwrap().to_owned();
        b.say(b"9", &format!("11={}X{seq}|37=77|39=0|41={}|102=0|434=1|", name(2), name(2)));
        refused(&b, 2, ReportKind::CancelRejected);
        // By the application: with the name, and with the message's number alone.
        b.order(4);
        b.say(b"j", &format!("372=D|379={}|380=5|", name(4)));
        refused(&b, 4, ReportKind::Rejected { reason: 5 });
        b.order(5);
        let seq = b.gateway.session().next_out() - 1;
        b.say(b"j", &format!("45={seq}|372=D|380=4|"));
        refused(&b, 5, ReportKind::Rejected { reason: 4 });
        b.send(cancel(2, 0)).unwrap();
        let seq = b.gateway.session().next_out() - 1;
        b.say(b"j", &format!("45={seq}|372=F|380=3|"));
        refused(&b, 2, ReportKind::CancelRejected);
        // By the session.
        b.order(6);
        let seq = b.gateway.session().next_out() - 1;
        b.say(b"3", &format!("45={seq}|371=55|372=D|373=5|"));
        refused(&b, 6, ReportKind::Rejected { reason: 5 });
        let before = b.sink.all.len();
        b.say(b"3", "45=1|372=A|");
        assert_eq!(b.sink.all.len(), before, "of a message that is no request");
        b.say(b"j", "45=999|372=D|380=0|");
        assert!(
            matches!(b.sink.notices().last(), Some(Notice::Undecodable { .. })),
            "of an order that nobody knows"
        );
    }
}

#[test]
fn a_part_is_canceled_by_a_replace_that_renames_the_order() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(7);
        b.send(cancel(7, 60)).unwrap();
        let renamed = format!("{}R4", name(7));
        assert_eq!(
            b.asked.last().unwrap(),
            &format!("35=G|34=4|11={renamed}|21=1|38=60|40=2|41={}|44=10.50|54=1|55=AAPL|59=0|", name(7))
        );
        b.execution(&renamed, "5", &format!("14=0|38=60|39=5|41={}|44=10.5|151=60|", name(7)));
        b.turn();
        assert_eq!(
            (b.last().token, b.last().kind),
            (Token(7), ReportKind::Canceled { qty: Qty(40), reason: b'U' })
        );
        b.execution(&renamed, "F", "14=10|31=10.5|32=10|39=1|151=50|");
        b.turn();
        assert_eq!(b.last().token, Token(7));
        b.send(cancel(7, 0)).unwrap();
        assert!(b.asked.last().unwrap().contains(&format!("38=60|41={renamed}|")), "{:?}", b.asked.last());
        b.execution(&format!("{}X5", name(7)), "4", &format!("14=10|39=4|41={renamed}|151=0|"));
        b.turn();
        assert_eq!(b.last().kind, ReportKind::Canceled { qty: Qty(50), reason: b'U' });
    }
}

#[test]
fn what_the_venue_does_by_itself() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(1);
        b.execution(&name(1), "D", "14=0|38=80|39=0|151=80|378=5|");
        b.turn();
        assert_eq!(b.last().kind, ReportKind::Canceled { qty: Qty(20), reason: b'S' });
        let fill = b.execution(&name(1), "F", "14=50|31=10|32=50|39=1|151=30|");
        b.execution(&name(1), "G", &format!("14=40|19={fill}|31=9.99|32=40|39=1|151=40|"));
        b.turn();
        let (match_number, px) = (fill, Px(99_900));
        assert_eq!(
            b.last().kind,
            ReportKind::Corrected { match_number, qty: Qty(40), px, liquidity: 0, reason: 0 }
        );
        b.execution(&name(1), "H", &format!("14=0|19={fill}|39=0|151=30|"));
        b.execution(&name(1), "C", "14=50|38=80|39=C|151=0|");
        b.turn();
        let kinds: Vec<_> = b.sink.reports().iter().map(|r| r.kind).collect();
        assert!(kinds.ends_with(&[
            ReportKind::Broken { match_number, reason: 0 },
            ReportKind::Canceled { qty: Qty(30), reason: b'T' }
        ]));
        // Of another's order, as a drop copy has it.
        b.execution("SOMEBODY", "F", "14=50|31=10|32=50|39=2|151=0|");
        b.turn();
        assert!(matches!(b.sink.notices().last(), Some(Notice::Foreign { .. })));
        // A fill without a price may not be guessed.
        b.live(2);
        b.execution(&name(2), "F", "14=50|32=50|39=2|151=0|");
        b.turn();
        assert!(matches!(b.sink.notices().last(), Some(Notice::Undecodable { .. })));
    }
}

#[test]
fn a_report_that_may_have_been_sent_before_is_taken_once() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    let (id, order) = (b.executions, name(1));
    let taken = format!("6=0|11={order}|14=0|17={id}|37=77|38=100|39=0|44=10.5|54=1|55=AAPL|150=0|151=100|");
    let before = b.sink.reports().len();
    b.venue.send_routed(b.now, b"8", b"97=Y\x01", &body(&taken)).unwrap();
    b.turn();
    assert_eq!(b.sink.reports().len(), before);
    let fill = b.execution(&name(1), "F", "14=50|31=10|32=50|39=1|151=50|");
    b.turn();
    let before = b.sink.reports().len();
    for (id, news) in [(fill, 0), (fill + 1, 1)] {
        let text =
            format!("6=0|11={}|14=50|17={id}|31=10|32=50|37=77|39=1|54=1|55=AAPL|150=F|151=50|", name(1));
        b.venue.send_routed(b.now, b"8", b"97=Y\x01", &body(&text)).unwrap();
        b.turn();
        assert_eq!(b.sink.reports().len(), before + news, "{id}");
    }
}

#[test]
fn orders_wait_for_the_answer_that_ends_the_replay() {
    for v in BOTH {
        let mut b = Bench::new(v);
        b.answers = false;
        b.connect();
        assert_eq!(b.sink.events(), [SessionEvent::LoggedIn]);
        assert!(matches!(b.sink.notices()[..], [Notice::Session { continued: false, asked: 1, next: 1 }]));
        assert_eq!(b.send(buy(1)), Err(EncodeError::NotReady));
        b.status("CO10000000000S1");
        b.turn();
        assert!(!b.gateway.is_ready(), "the answer to another question");
        b.status("CO10000000000S2");
        b.turn();
        assert_eq!(b.sink.events()[1..], [SessionEvent::Ready { next_token: Token(1), proven: true }]);
        // A venue that has no answer, and one that refuses the question.
        b.connect();
        assert!(!b.gateway.is_ready());
        b.now = b.gateway.next_timeout().unwrap();
        b.gateway.on_timeout(b.now, &mut b.sink).unwrap();
        assert_eq!(
            b.sink.events().last(),
            Some(&SessionEvent::Ready { next_token: Token(0), proven: false })
        );
        for (kind, proven) in [(&b"j"[..], true), (b"3", false)] {
            b.connect();
            let asked = b.gateway.session().next_out() - 1;
            b.say(kind, &format!("45={asked}|372=H|{}", if kind == b"j" { "380=3|" } else { "373=11|" }));
            assert!(
                matches!(b.sink.events().last(), Some(SessionEvent::Ready { proven: p, .. }) if *p == proven)
            );
        }
    }
    let mut b = Bench::with(Version::Fix44, |c| c.barrier = Barrier::None);
    b.connect();
    assert_eq!(b.sink.events().last(), Some(&SessionEvent::Ready { next_token: Token(0), proven: false }));
}

#[test]
fn what_was_missed_comes_before_ready_and_what_never_arrived_is_void() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(1);
        b.execution(&name(1), "F", "14=50|31=10|32=50|39=1|151=50|");
        // The connection breaks: the fill is not read, and an order does not leave whole.
        b.gateway.encode(b.now, &b.command(buy(2))).unwrap();
        b.gateway.transmitted(20);
        assert_eq!(b.gateway.unsent_len(), 1);
        b.sink.all.clear();
        let asked = b.asked.len();
        b.connect();
        assert_eq!(b.asked.len(), asked, "nothing is sent again");
        assert_eq!(
            b.last().kind,
            ReportKind::Executed { qty: Qty(50), px: Px(100_000), match_number: 3, liquidity: 0 }
        );
        let ready = SessionEvent::Ready { next_token: Token(2), proven: true };
        assert_eq!(b.sink.events(), [SessionEvent::Disconnected, SessionEvent::LoggedIn, ready]);
        assert!(b.sink.notices().contains(&Notice::Session { continued: true, asked: 4, next: 4 }));
        b.order(3);
    }
}

#[test]
fn a_new_process_adopts_what_the_venue_has() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    b.live(2);
    // Without a time of its own: that of its first sending counts.
    b.say(b"8", &format!("6=0|11={}|14=0|17=t|37=77|39=0|54=1|55=AAPL|150=D|151=100|", name(1)));
    b.execution(&name(2), "F", "14=100|31=10|32=100|39=2|151=0|");
    b.turn();
    let mut store = MemoryStore::new(1 << 20);
    store.sent(b.gateway.session().next_out() - 1, None).unwrap();
    store.received(b.gateway.session().next_in(), false).unwrap();
    let first: Vec<_> = b.sink.reports();
    b.gateway = gateway_of(Version::Fix44, store, |_| {});
    b.sink = Sink::default();
    b.connect();
    assert_eq!(b.sink.reports(), first, "the same reports under the same numbers");
    assert_eq!(b.sink.ready(), Some(Token(3)));
    b.send(cancel(1, 0)).unwrap();
    assert!(b.asked.last().unwrap().contains(&format!("41={}|54=1|55=AAPL|", name(1))));
    assert_eq!(b.send(buy(2)), Err(EncodeError::TokenUsed { token: Token(2), last: Token(2) }));
}

#[test]
fn everything_is_canceled_at_once_or_one_by_one() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    b.gateway.cancel_all(b.now, Token(9)).unwrap();
    b.turn();
    assert_eq!(b.asked.last().unwrap(), &format!("35=q|34=4|11={}|530=7|", name(9)));
    b.say(b"r", &format!("11={}|37=78|530=7|531=0|532=99|", name(9)));
    assert!(b.sink.notices().is_empty(), "it was refused");
    b.say(b"r", &format!("11={}|37=78|530=7|531=7|", name(9)));
    assert!(matches!(b.sink.notices()[..], [Notice::MassCanceled { token: Token(9), .. }]));

    let mut b = Bench::ready(Version::Fix42);
    b.live(1);
    b.live(2);
    b.order(3);
    b.gateway.cancel_all(b.now, Token(9)).unwrap();
    b.turn();
    assert_eq!(b.asked.iter().filter(|m| m.starts_with("35=F")).count(), 3, "{:?}", b.asked);
    for (token, kind) in [(1, "4"), (2, "4"), (3, "8")] {
        assert!(b.sink.notices().is_empty(), "{token} is open");
        b.execution(&name(token), kind, "14=0|38=100|39=4|151=0|");
        b.turn();
    }
    assert!(matches!(b.sink.notices()[..], [Notice::MassCanceled { token: Token(9), .. }]));
}

#[test]
fn a_sink_without_room_loses_nothing() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    for k in 0..50 {
        b.execution(&name(1), "F", &format!("14={k}|31=10|32=1|39=1|151=50|"));
    }
    b.sink.room = SINK_BURST - 1;
    b.turn();
    assert_eq!(b.sink.reports().len(), 1, "a burst does not fit");
    for _ in 0..60 {
        b.sink.room = SINK_BURST;
        b.turn();
    }
    assert_eq!(b.sink.reports().len(), 51);
}
