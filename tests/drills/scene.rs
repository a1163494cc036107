//! A core in a market that a story writes by hand: the feed is the story's own, the venue that its orders go to is the real one and silent, and its ledger is the judge.

use std::path::Path;
use std::process::Command;

use colo::exchange::itch::{self, Stamp};
use colo::journal::Record;
use model::{Px, Qty, Side, Symbol};

use crate::ledger::{self, Ledger};
use crate::program::desk::Desk;
use crate::program::json::Report;
use crate::program::{Program, colo, until};
use crate::publisher::Publisher;
use crate::{reckless, settled, start};

pub const AAPL: Symbol = Symbol(*b"AAPL    ");
const LOCATE: u16 = 7;
/// 1e-4 USD.
pub const BID: i64 = 1_000_000;
pub const CENT: i64 = 100;
/// Orders that come before it is clear that the core does not hear: four seconds of them.
const UNHEARD: u64 = 2_000;
/// Refused intents that show that the strategy goes on asking.
const ASKED: u64 = 300;

pub fn stamp() -> Stamp {
    Stamp { locate: LOCATE, now: 36_000_000_000_000 }
}

pub fn with(kind: u8, body: &[u8]) -> Vec<u8> {
    itch::restamped(stamp(), &[&[kind][..], &[0; 10], body].concat())
}

/// `W`: a market-wide breach of a level.
pub fn breach(level: u8) -> Vec<u8> {
    with(b'W', &[level])
}

/// `V`: the levels of the day, eight decimals.
pub fn levels() -> Vec<u8> {
    let body: Vec<u8> = [93_u64, 87, 80].iter().flat_map(|p| (p * 100_000_000).to_be_bytes()).collect();
    with(b'V', &body)
}

/// `K`: when an IPO will be quoted.
pub fn ipo() -> Vec<u8> {
    let mut body = AAPL.0.to_vec();
    body.extend(36_100_u32.to_be_bytes());
    body.push(b'A');
    body.extend(1_000_000_u32.to_be_bytes());
    with(b'K', &body)
}

pub fn action(state: u8, reason: &[u8; 4]) -> Vec<u8> {
    itch::trading_action(stamp(), AAPL, state, *reason)
}

pub fn add(id: u64, side: Side, px: i64) -> Vec<u8> {
    itch::add(stamp(), AAPL, id, side, Qty(500), Px(px), None)
}

/// A core with the strategy that stops for nothing, a venue that is silent, and the feed in this story's hands.
pub struct Scene {
    pub desk: Desk,
    exchange: Program,
    pub core: Program,
    pub feed: Publisher,
    /// The next order's number.
    next: u64,
    sessions: u32,
}

impl Scene {
    /// A core whose strategy has `params`, with `risk` beside what every scene has.
    pub fn new(params: &str, risk: &str) -> Scene {
        Scene::over(Desk::new(), params, risk)
    }

    /// As [`Scene::new`], at a desk that is laid.
    pub fn over(desk: Desk, params: &str, risk: &str) -> Scene {
        // Its own lines lead nowhere: what it says of its market nobody hears.
        let nowhere = desk.lines.map(|l| std::net::SocketAddrV4::new(*l.ip(), l.port() ^ 1));
        let venue = desk.venue();
        let venue =
            desk.lines.iter().zip(nowhere).fold(venue, |v, (l, n)| v.replace(&l.to_string(), &n.to_string()));
        let (venue, _) = venue.split_once("[flow]").expect("a flow");
        let venue = format!(
            "control = \"venue.sock\"\ncancel_on_disconnect = false\n{venue}[flow]\nkind = \"silent\"\n"
        );
        let exchange = desk.start_venue(&venue);
        let config = desk
            .core()
            .replace(
                "name = \"quoter\"\nparams = { quantity = 100 }",
                &format!("name = \"reckless\"\nparams = {{ {params} }}"),
            )
            .replace(
                "max_position = 5000",
                &format!(
                    "max_position = 100000000\nflat_after_close_ms = 200\nduplicate_window_ms = 0\n{risk}"
                ),
            );
        // What nobody repeats is not asked for.
        let config = config.lines().filter(|l| !l.starts_with("rerequest")).collect::<Vec<_>>().join("\n");
        let config = format!("{config}\n\n[sanity]\nmax_crossed_ms = 50\nmax_locked_ms = 100\n");
        let mut core = start(&desk, reckless(), &config);
        desk.until_status("a session", &mut core, |s| s.count("/gateways/0/state") == 3);
        let feed = Publisher::new(desk.lines, *b"DRILL00000");
        let mut scene = Scene { desk, exchange, core, feed, next: 1, sessions: 0 };
        scene.open();
        scene
    }

    pub fn say(&self, messages: &[Vec<u8>]) {
        messages.iter().for_each(|m| self.feed.say(m));
    }

    pub fn system(&self, code: u8) {
        self.feed.say(&itch::system_event(stamp().now, code));
    }

    pub fn take_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A day begins: the book has a bid and an offer, and orders come.
    pub fn open(&mut self) {
        self.system(b'O');
        self.say(&[
            itch::directory(stamp(), AAPL),
            levels(),
            action(b'T', b"    "),
            itch::reg_sho(stamp(), AAPL, b'0'),
        ]);
        self.system(b'S');
        self.system(b'Q');
        let (bid, ask) = (self.take_id(), self.take_id());
        self.say(&[add(bid, Side::Buy, BID), add(ask, Side::Sell, BID + 10 * CENT)]);
        self.trades();
    }

    /// A session of the feed that was not before: what was wrong with the last one is over.
    pub fn next_session(&mut self) {
        self.sessions += 1;
        self.feed.end();
        self.status("the end of the session", |s| s.at("/instruments/0/reason") == "end_of_session");
        let name = format!("DRILL{:05}", self.sessions);
        self.feed.begin(name.as_bytes().try_into().expect("ten letters"));
        self.open();
    }

    pub fn status(&mut self, what: &str, is: impl Fn(&Report) -> bool) -> Report {
        self.desk.until_status(what, &mut self.core, is)
    }

    /// Orders come.
    pub fn trades(&mut self) {
        self.status("valid", |s| s.at("/instruments/0/validity") == "valid");
        let before = ledger::ask(&self.desk).came;
        until("orders at the venue", || {
            self.tick();
            (ledger::ask(&self.desk).came > before + 3).then_some(())
        });
    }

    /// The market moves where it can: an order comes and goes behind the best.
    pub fn tick(&mut self) {
        let id = self.take_id();
        self.say(&[add(id, Side::Buy, BID - 50 * CENT), itch::deleted(stamp(), id)]);
    }

    /// The market does something, `is_seen` shows that the core has heard of it, and nothing may come to the venue.
    pub fn holds(&mut self, what: &str, begins: &[Vec<u8>], is_seen: impl Fn(&Report) -> bool) -> Ledger {
        let since = ledger::ask(&self.desk).came;
        self.say(begins);
        until(what, || {
            let came = ledger::ask(&self.desk).came - since;
            assert!(came < UNHEARD, "{what}: {came} orders into an instrument that does not trade");
            assert!(self.core.runs(), "{what}: the core ended: {}", self.core.stderr());
            self.desk.status().filter(&is_seen)
        });
        let before = settled(what, || ledger::ask(&self.desk));
        let from = self.status(what, |_| true).count("/engine/refusals");
        until(what, || {
            self.tick();
            let asked = self.desk.status().map_or(0, |s| s.count("/engine/refusals"));
            (asked > from + ASKED).then_some(())
        });
        let after = ledger::ask(&self.desk);
        assert_eq!(after, before, "{what}: orders into an instrument that does not trade");
        after
    }

    /// As [`Scene::holds`]; what rests at the venue is canceled meanwhile, and when it is over orders come again.
    pub fn scenario(&mut self, what: &str, begins: &[Vec<u8>], reason: &str, ends: &[Vec<u8>]) {
        let what = &format!("{what} ({reason})");
        let before = self.holds(what, begins, |s| s.at("/instruments/0/reason") == reason);
        assert!(before.live > 0, "{what}: nothing to cancel");
        self.desk.ctl("cancel-all").exits(0);
        until(&format!("{what}: cancels"), || (ledger::ask(&self.desk).live == 0).then_some(()));
        assert_eq!(ledger::ask(&self.desk).came, before.came, "{what}: cancels bring no orders");
        self.say(ends);
        self.trades();
    }

    /// As [`Scene::holds`], of what only the venue's next session mends.
    pub fn scenario_until_next_session(&mut self, what: &str, begins: &[Vec<u8>], reason: &str) {
        self.holds(what, begins, |s| s.at("/instruments/0/reason") == reason);
        self.next_session();
    }

    /// As [`Scene::holds`], of a system event.
    pub fn holds_by_system_event(&mut self, code: u8, reason: &str) {
        let event = itch::system_event(stamp().now, code);
        self.holds(reason, &[event], |s| s.at("/instruments/0/reason") == reason);
    }

    /// The core, the venue and the desk; the feed falls silent.
    pub fn into_parts(self) -> (Program, Program, Desk) {
        (self.core, self.exchange, self.desk)
    }

    /// Ends it; its journal, which is whole.
    pub fn end(self) -> Vec<Record> {
        self.core.signal("TERM");
        self.core.end().exits(130);
        let run = ledger::last_run(&self.desk);
        replays(&run);
        let records = ledger::records(&run);
        self.desk.end_venue(self.exchange).is("/accounts/0/live_orders", 0);
        records
    }
}

/// A journal is whole, and gives the same decisions again.
pub fn replays(run: &Path) {
    colo(["journal".as_ref(), "verify".as_ref(), run.as_os_str()]).exits(0);
    let mut command = Command::new(reckless());
    Program::start(command.args(["replay", "--journal"]).arg(run)).end().exits(0);
}
