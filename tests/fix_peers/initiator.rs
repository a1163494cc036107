//! Our gateway, with its store on a real file, against QuickFIX as the venue.

use std::path::Path;

use colo::fix_store::{FileStore, Sync};
use gateways::fix::session::{Role, SessionConfig, Version};
use gateways::fix::{FixConfig, FixGateway};
use gateways::gateway::{Notice, OrderGateway, ReportSink};
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token,
};
use net::tcp::TcpLink;
use net::{ByteStream, Received};

use crate::authority::Authority;
use crate::peer::{Line, Peer, Setup, field, free_port, now, python, until};

#[derive(Default)]
struct Sink {
    reports: Vec<ExecutionReport>,
    events: Vec<SessionEvent>,
    notices: Vec<Notice>,
}

impl ReportSink for Sink {
    fn report(&mut self, report: ExecutionReport) {
        self.reports.push(report);
    }
    fn session(&mut self, event: SessionEvent) {
        self.events.push(event);
    }
    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
    fn has_room(&self) -> bool {
        true
    }
}

/// Our end of the line.
struct Desk {
    version: Version,
    gateway: FixGateway<FileStore>,
    line: Option<Line>,
    sink: Sink,
}

impl Desk {
    fn new(version: Version, store: &Path) -> Desk {
        let session = SessionConfig::new(Role::Initiator, version, "CLIENT", "VENUE");
        let instrument = Instrument {
            id: InstrumentId(0),
            symbol: Symbol::new("AAPL").unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(0),
        };
        let store = FileStore::open(store, Sync::Off).unwrap();
        let gateway =
            FixGateway::new(FixConfig::new(GatewayId(0), session, "CO1"), store, &[instrument]).unwrap();
        Desk { version, gateway, line: None, sink: Sink::default() }
    }

    fn connect(&mut self, setup: &Setup<'_>) {
        let mut line = until("the connection", || {
            let link = TcpLink::start(([127, 0, 0, 1], setup.port).into()).ok()?;
            let mut line = match setup.tls {
                false => Line::Plain(link),
                true => Line::Tls(Box::new(setup.authority.client().connect(link, "127.0.0.1").unwrap())),
            };
            (0..2_000).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                line.connected().then_some(())
            })?;
            Some(line)
        });
        assert!(line.connected());
        self.gateway.on_connected(now());
        self.line = Some(line);
    }

    /// The connection is cut, and what was on its way to us is lost.
    fn cut(&mut self) {
        self.line = None;
        self.gateway.on_disconnected(now(), &mut self.sink);
    }

    fn turn(&mut self) {
        let Some(line) = &mut self.line else { return };
        let sent = line.send(self.gateway.transmit()).unwrap();
        self.gateway.transmitted(sent);
        match line.recv(self.gateway.recv_space()) {
            Ok(Received::Data(n)) => self.gateway.on_received(now(), n, &mut self.sink).unwrap(),
            Ok(Received::Nothing) => self.gateway.resume(now(), &mut self.sink).unwrap(),
            Ok(Received::Closed) | Err(_) => {
                self.line = None;
                self.gateway.on_disconnected(now(), &mut self.sink);
            }
        }
    }

    fn send(&mut self, kind: CommandKind) {
        let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
        self.gateway.encode(now(), &command).unwrap();
    }

    /// Turns until so many reports have come, and gives the last.
    fn reports(&mut self, n: usize) -> ExecutionReport {
        until(&format!("report {n}"), || {
            self.turn();
            (self.sink.reports.len() >= n).then_some(())
        });
        assert_eq!(self.sink.reports.len(), n, "{:?}", self.sink.reports);
        self.sink.reports[n - 1]
    }

    /// Logs on, with the venue's application answering the question that ends the replay.
    fn ready(&mut self, setup: &Setup<'_>, peer: &mut Peer) {
        self.connect(setup);
        peer.says("logon", || self.turn());
        let question = peer.says("app", || self.turn());
        assert_eq!(field(&question, 35), "H");
        let trans = if self.version == Version::Fix42 { "20=3|" } else { "" };
        let what = if self.version == Version::Fix42 { "8" } else { "I" };
        peer.tell(&format!(
            "send 8 6=0|11={}|14=0|17=Q|{trans}37=NONE|39=8|54=1|55=AAPL|150={what}|151=0",
            field(&question, 11)
        ));
        until("ready", || {
            self.turn();
            self.gateway.is_ready().then_some(())
        });
        let proven = |e: &SessionEvent| matches!(e, SessionEvent::Ready { proven: true, .. });
        assert!(self.sink.events.last().is_some_and(proven), "{:?}", self.sink.events);
    }
}

fn buy(token: u32, qty: u32) -> CommandKind {
    let (token, qty) = (Token(token), Qty(qty));
    CommandKind::New { token, side: Side::Buy, short: false, qty, px: Px(1_234_500), tif: Tif::Day }
}

/// An ExecutionReport of the venue; `kind` in the letters of 4.4.
fn execution(version: Version, name: &str, id: u32, kind: &str, rest: &str) -> String {
    let fix42 = version == Version::Fix42;
    let kind = if fix42 && kind == "F" { "1" } else { kind };
    let trans = if fix42 { "20=0|" } else { "" };
    format!("send 8 6=0|11={name}|17={id}|{trans}37=77|54=1|55=AAPL|150={kind}|{rest}")
}

fn a_day(version: Version, tls: bool) {
    let Some(python) = python() else { return };
    let authority = Authority::new();
    let port = free_port();
    let setup = Setup { role: "acceptor", version, port, tls, authority: &authority, credentials: None };
    let mut peer = Peer::start(&python, &setup);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("session.store");
    let mut desk = Desk::new(version, &store);
    desk.ready(&setup, &mut peer);

    // An order, taken, filled in part, replaced.
    desk.send(buy(1, 300));
    let order = peer.says("app", || desk.turn());
    assert_eq!(
        ["35", "38", "44", "54", "55"].map(|t| field(&order, t.parse().unwrap())),
        ["D", "300", "123.45", "1", "AAPL"]
    );
    let one = field(&order, 11);
    peer.tell(&execution(version, &one, 1, "0", "14=0|38=300|39=0|44=123.45|151=300"));
    assert!(matches!(desk.reports(1).kind, ReportKind::Accepted { qty: Qty(300), dead: false, .. }));
    peer.tell(&execution(version, &one, 2, "F", "14=100|31=123.40|32=100|38=300|39=1|151=200"));
    let (qty, px) = (Qty(100), Px(1_234_000));
    assert_eq!(desk.reports(2).kind, ReportKind::Executed { qty, px, match_number: 2, liquidity: 0 });
    desk.send(CommandKind::Replace {
        old: Token(1),
        token: Token(2),
        qty: Qty(250),
        px: Px(1_234_600),
        tif: Tif::Day,
    });
    let replace = peer.says("app", || desk.turn());
    assert_eq!((field(&replace, 35), field(&replace, 41)), ("G".into(), one.clone()));
    let two = field(&replace, 11);
    peer.tell(&execution(version, &two, 3, "5", &format!("14=100|38=250|39=1|41={one}|44=123.46|151=150")));
    assert!(matches!(
        desk.reports(3).kind,
        ReportKind::Replaced { old: Token(1), qty: Qty(150), dead: false, .. }
    ));

    // An order refused, and a cancel refused.
    desk.send(buy(3, 100));
    let three = field(&peer.says("app", || desk.turn()), 11);
    peer.tell(&execution(version, &three, 4, "8", "14=0|38=100|39=8|103=0|151=0"));
    assert_eq!(desk.reports(4).kind, ReportKind::Rejected { reason: 0 });
    desk.send(CommandKind::Cancel { token: Token(2), qty: Qty(0) });
    let cancel = peer.says("app", || desk.turn());
    assert_eq!((field(&cancel, 35), field(&cancel, 41)), ("F".into(), two.clone()));
    peer.tell(&format!("send 9 11={}|37=77|39=1|41={two}|102=3|434=1", field(&cancel, 11)));
    assert_eq!(desk.reports(5).kind, ReportKind::CancelRejected);

    // The connection is cut with fills on their way: they come again, once, before the session is ready.
    peer.tell(&execution(version, &two, 5, "F", "14=110|31=123.40|32=10|38=250|39=1|151=140"));
    peer.tell(&execution(version, &two, 6, "F", "14=120|31=123.40|32=10|38=250|39=1|151=130"));
    peer.tell("skip 0");
    desk.cut();
    peer.says("logout", || {});
    peer.tell(&execution(version, &two, 7, "F", "14=130|31=123.40|32=10|38=250|39=1|151=120"));
    desk.ready(&setup, &mut peer);
    let last = desk.reports(8);
    assert_eq!(last.kind, ReportKind::Executed { qty: Qty(10), px, match_number: 7, liquidity: 0 });

    // Numbers that are never used: the gap is asked for and filled.
    peer.tell("skip 5");
    peer.tell(&execution(version, &two, 8, "F", "14=140|31=123.40|32=10|38=250|39=1|151=110"));
    assert!(desk.reports(9).seq > last.seq + 5);

    // A new process with the same store: everything comes again under the same numbers.
    desk.cut();
    peer.says("logout", || {});
    let before = std::mem::take(&mut desk.sink.reports);
    drop(desk);
    let mut desk = Desk::new(version, &store);
    desk.ready(&setup, &mut peer);
    assert_eq!(desk.sink.reports, before);

    // Everything is canceled: at once where the version can say that.
    desk.gateway.cancel_all(now(), Token(9)).unwrap();
    let all = peer.says("app", || desk.turn());
    if version == Version::Fix44 {
        assert_eq!((field(&all, 35), field(&all, 530)), ("q".into(), "7".into()));
        peer.tell(&format!("send r 11={}|37=78|530=7|531=7", field(&all, 11)));
    } else {
        assert_eq!((field(&all, 35), field(&all, 41)), ("F".into(), two.clone()));
    }
    peer.tell(&execution(version, &two, 9, "4", "14=140|38=250|39=4|151=0"));
    assert!(matches!(desk.reports(before.len() + 1).kind, ReportKind::Canceled { qty: Qty(110), .. }));
    until("the mass cancel's answer", || {
        desk.turn();
        desk.sink
            .notices
            .iter()
            .any(|n| matches!(n, Notice::MassCanceled { token: Token(9), .. }))
            .then_some(())
    });

    desk.gateway.logout(now());
    peer.says("logout", || desk.turn());
    peer.nothing_was_refused();
}

#[test]
fn fix_44_over_tcp() {
    a_day(Version::Fix44, false);
}

#[test]
fn fix_44_over_tls() {
    a_day(Version::Fix44, true);
}

#[test]
fn fix_42_over_tcp() {
    a_day(Version::Fix42, false);
}
