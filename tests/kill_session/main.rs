//! `kill -9` between any two system calls of an order entry session: the real core against the real venue, two processes. The core's gateway thread is followed
//! from call to call, and the process is killed when it has come to the n-th: before the kernel has done what was asked, or after, when the process does not know
//! yet. What it has said is written down by a wire of the test's own.
//!
//! ```text
//!   colo run ==TCP==> wire ==TCP==> colo exchange
//!      ^                |
//!      | ptrace         +--> every request, of every process
//!     test
//! ```
//!
//! The next process has to take over what lives, become ready, trade on, and end with nothing open; positions, cash and fills are the venue's (`colo run` reads
//! the venue's stream again and compares; the venue's own report does at the end), and no token was used twice by any of them.
//!
//! `COLO_KILLS=1000` is how many; `scripts/drill-kill` runs them.

#[path = "../program/mod.rs"]
mod program;
mod tracer;
mod wire;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use program::desk::Desk;
use program::{Program, skipped, until};
use serde_json::Value;
use tracer::{Stop, Tracer};
use wire::Wire;

/// Kills of a test that has no time for more.
const KILLS: usize = 10;
/// Stops that are of interest, of one session: a login, its replay, and some hundred orders.
const STOPS: usize = 160;

fn kills() -> usize {
    std::env::var("COLO_KILLS").map_or(KILLS, |n| n.parse().expect("COLO_KILLS: a number"))
}

/// Which stops to kill at: few, the first ones of a session, which differ most, and others further and further on; or many, all in turn.
fn points(kills: usize) -> Vec<usize> {
    let last = kills.saturating_sub(1).max(1);
    let further = |k: usize| (k + 1).max(1 + (STOPS - 1) * k * k / (last * last));
    (0..kills).map(|k| if kills < STOPS { further(k) } else { 1 + k % STOPS }).collect()
}

/// Whether something has happened in the world, or is about to: not a look at the socket in vain.
fn is_event(stop: Stop) -> bool {
    let idle = [libc::SYS_sched_yield, libc::SYS_clock_gettime, libc::SYS_futex, libc::SYS_clock_nanosleep];
    match stop {
        Stop::Before(call) => call.0 != libc::SYS_recvfrom && !idle.contains(&call.0),
        Stop::After(call, value) => !idle.contains(&call.0) && (call.0 != libc::SYS_recvfrom || value >= 0),
    }
}

/// The thread of the gateway.
fn gateway_thread(core: &Program) -> Option<libc::pid_t> {
    let tasks = fs::read_dir(format!("/proc/{}/task", core.pid())).ok()?;
    tasks.flatten().find_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        (name.trim() == "gateway-g1").then(|| task.file_name().to_str()?.parse().ok())?
    })
}

struct Bench {
    desk: Desk,
    venue: Option<Program>,
    venue_at: SocketAddr,
    /// Tokens that any process has used, in the order in which they went over the wire.
    tokens: Vec<u32>,
    adopted: u64,
}

impl Bench {
    fn new(cancel_on_disconnect: bool) -> Bench {
        let desk = Desk::new();
        let venue_at = TcpListener::bind((*desk.ouch.ip(), 0)).and_then(|l| l.local_addr()).expect("a port");
        let there = desk.venue().replace(&desk.ouch.to_string(), &venue_at.to_string());
        let config = format!("cancel_on_disconnect = {cancel_on_disconnect}\n{there}");
        let venue = Some(desk.start_venue(&config));
        Bench { desk, venue, venue_at, tokens: Vec::new(), adopted: 0 }
    }

    fn wire(&self) -> Wire {
        Wire::listen(self.desk.ouch.into(), self.venue_at)
    }

    /// A process that lives until the n-th stop of its session; `None` where the host does not let a process be followed.
    fn killed_at(&mut self, n: usize) -> Option<Stop> {
        let mut core = self.desk.start_core(&self.desk.core(), &[]);
        let thread = until("the gateway's thread", || {
            assert!(core.runs(), "the core ended: {}", core.stderr());
            gateway_thread(&core)
        });
        let mut tracer = match Tracer::seize(thread) {
            Ok(tracer) => tracer,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return None,
            Err(e) => panic!("thread {thread}: {e}"),
        };
        // Nobody was there until now, so the session begins before our eyes.
        let wire = self.wire();
        let (mut seen, mut began) = (0, false);
        let stop = loop {
            let stop = tracer
                .next()
                .expect("a thread that is followed")
                .unwrap_or_else(|| panic!("the gateway's thread ended at stop {seen}: {}", core.stderr()));
            began |= matches!(stop, Stop::Before(call) if call.0 == libc::SYS_connect);
            seen += usize::from(began && is_event(stop));
            if seen == n {
                break stop;
            }
        };
        core.signal("KILL");
        tracer.bury();
        assert_eq!(core.end().code, None, "it was killed");
        note(&mut self.tokens, wire.end());
        Some(stop)
    }

    /// A process that takes over, becomes ready, sends an order of its own, and ends in order.
    fn lives(&mut self) {
        let wire = self.wire();
        let mut core = self.desk.start_core(&self.desk.core(), &[]);
        let status = self.desk.until_status("a session that trades", &mut core, |s| {
            s.0.pointer("/gateways/0/state").and_then(Value::as_u64) == Some(3)
                && s.count("/engine/new_orders") > 0
        });
        self.adopted += status.count("/engine/adopted");
        core.signal("TERM");
        core.end().exits(130);
        note(&mut self.tokens, wire.end());
        let report = self.desk.report();
        report.is("/reconciled", true).is("/open_orders", 0).is("/halted", ());
        report.is("/failures", Vec::<String>::new()).is("/differences", Vec::<String>::new());
    }
}

/// Reads what was said, and checks that no token was used before.
fn note(tokens: &mut Vec<u32>, connections: Vec<Vec<u8>>) {
    for said in connections {
        let mut rest = &said[..];
        // The last packet may be cut.
        while let [a, b, tail @ ..] = rest
            && let Some((packet, more)) = tail.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])))
        {
            rest = more;
            let at = match packet {
                [b'U', b'O' | b'C' | b'D' | b'E', ..] => 2,
                [b'U', b'U', ..] => 6,
                _ => continue,
            };
            let token = u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"));
            let highest = tokens.last().copied().unwrap_or(0);
            assert!(token > highest, "token {token} after {highest}");
            tokens.push(token);
        }
    }
}

/// Kills at all of `points`; after each `every`-th a process lives. What became of it in words; `None` where the host does not let a process be followed.
fn kill(cancel_on_disconnect: bool, points: &[usize], every: usize) -> Option<String> {
    let began = Instant::now();
    let mut bench = Bench::new(cancel_on_disconnect);
    let mut stops = Vec::new();
    for (k, n) in points.iter().enumerate() {
        let Some(stop) = bench.killed_at(*n) else {
            skipped("this host lets nobody follow a process (ptrace)");
            return None;
        };
        stops.push(format!("{n} {stop:?}"));
        if (k + 1) % every == 0 || k + 1 == points.len() {
            bench.lives();
        }
    }
    let venue = bench.venue.take().expect("a venue");
    let truth = bench.desk.end_venue(venue);
    truth.is("/accounts/0/live_orders", 0);
    let shares = truth.0.pointer("/accounts/0/positions/AAPL").and_then(Value::as_i64).unwrap_or(0);
    bench.desk.report().is("/positions/AAPL", shares);
    let (tokens, adopted) = (bench.tokens.len(), bench.adopted);
    assert!(tokens > 0 && (cancel_on_disconnect || adopted > 0), "nothing was at stake: {tokens} {adopted}");
    let (kills, took) = (points.len(), began.elapsed());
    Some(format!("{kills} kills in {took:.1?}, {tokens} tokens, {adopted} orders taken over: {stops:?}"))
}

#[test]
fn a_core_killed_between_two_calls_is_taken_over() {
    if let Some(said) = kill(false, &points(kills()), 2) {
        println!("{said}");
    }
}

#[test]
fn so_it_is_where_the_venue_cancels_on_disconnect() {
    if let Some(said) = kill(true, &points(kills().div_ceil(2)), 2) {
        println!("{said}");
    }
}

#[test]
fn kills_are_spread_over_a_session() {
    assert_eq!(points(5), [1, 10, 40, 90, 160]);
    let few = points(14);
    assert!(few.is_sorted_by(|a, b| a < b) && few[..4] == [1, 2, 4, 9] && few[13] == STOPS, "{few:?}");
    let many = points(1_000);
    assert!((1..=STOPS).all(|n| many.contains(&n)));
}

#[test]
#[should_panic(expected = "token 7 after 7")]
fn a_token_that_comes_twice_is_seen() {
    let enter = |token: u8| [&[0, 48, b'U', b'O', 0, 0, 0, token][..], &[b' '; 42]].concat();
    let replace = |token: u8| [&[0, 41, b'U', b'U', 0, 0, 0, 1, 0, 0, 0, token][..], &[b' '; 31]].concat();
    let mut tokens = Vec::new();
    note(&mut tokens, vec![[enter(5), replace(6)].concat(), [enter(7), enter(8)[..20].to_vec()].concat()]);
    assert_eq!(tokens, [5, 6, 7]);
    note(&mut tokens, vec![replace(7)]);
}
