//! `kill -9` between any two system calls of an order entry session: the real core against the real venue, two processes. A thread of the core is followed from
//! call to call, and the process is killed when it has come to the n-th: before the kernel has done what was asked, or after, when the process does not know
//! yet. What it has said is written down by a wire of the test's own.
//!
//! | followed | stops that count |
//! |---|---|
//! | the gateway's thread | what does something in the world: connect, send, a receive that brought something |
//! | the one thread of an `inline` core, which is strategy, gateway and feed | the same, market data among it |
//! | the strategy's thread, which asks the kernel for nothing but its turn | each: any place in its work |
//! | the cold thread, which makes tokens durable before anybody has them, and keeps logs and segments | each but for reads, advice, looks at the clock and waits |
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
//! `COLO_KILLS=1000` is how many; `COLO_KILLS=all` is every stop of a session, on all processors, and goes on where the last run was ended
//! (`COLO_KILLS_DONE` is the folder that remembers); `scripts/drill-kill` runs them.

#[path = "../program/mod.rs"]
mod program;
mod tracer;
mod wire;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
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
/// Stops of the strategy's thread, and how far apart they are: it comes to one with each look into its rings.
const STRATEGY_STOPS: (usize, usize) = (100, 401);
/// Stops of the cold thread, and how far apart: it begins with the process, long before a session stands.
const COLD_STOPS: (usize, usize) = (100, 1);

/// `None`: all there are.
fn kills() -> Option<usize> {
    match std::env::var("COLO_KILLS").as_deref() {
        Err(_) => Some(KILLS),
        Ok("all") => None,
        Ok(n) => Some(n.parse().expect("COLO_KILLS: a number, or all")),
    }
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

/// Which thread of a core is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Followed {
    Gateway,
    Inline,
    Strategy,
    Cold,
}

impl Followed {
    const fn thread(self) -> &'static str {
        match self {
            Followed::Gateway => "gateway-g1",
            Followed::Inline => "inline",
            Followed::Strategy => "strategy",
            Followed::Cold => "cold",
        }
    }

    fn counts(self, stop: Stop) -> bool {
        match self {
            Followed::Strategy => true,
            Followed::Cold => {
                is_event(stop) && ![libc::SYS_pread64, libc::SYS_madvise].contains(&stop.call().0)
            }
            Followed::Gateway | Followed::Inline => is_event(stop),
        }
    }

    /// A core that lets go of the processor when it has nothing to do: what is followed makes the same calls, and does not wait for the other threads' turns.
    fn configured(self, core: String) -> String {
        let core = core.replace(r#"idle = "yield""#, r#"idle = "park""#);
        match self {
            Followed::Inline => core.replace("pipelined", "inline"),
            Followed::Gateway | Followed::Strategy | Followed::Cold => core,
        }
    }

    /// Its number in a process.
    fn find(self, core: &Program) -> Option<libc::pid_t> {
        let tasks = fs::read_dir(format!("/proc/{}/task", core.pid())).ok()?;
        tasks.flatten().find_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            (name.trim() == self.thread()).then(|| task.file_name().to_str()?.parse().ok())?
        })
    }
}

struct Bench {
    desk: Desk,
    followed: Followed,
    venue: Option<Program>,
    venue_at: SocketAddr,
    /// Tokens that any process has used, in the order in which they went over the wire.
    tokens: Vec<u32>,
    adopted: u64,
}

impl Bench {
    fn new(followed: Followed, cancel_on_disconnect: bool) -> Bench {
        let desk = Desk::new();
        let venue_at = TcpListener::bind((*desk.ouch.ip(), 0)).and_then(|l| l.local_addr()).expect("a port");
        let there = desk.venue().replace(&desk.ouch.to_string(), &venue_at.to_string());
        let config = format!("cancel_on_disconnect = {cancel_on_disconnect}\n{there}");
        let venue = Some(desk.start_venue(&config));
        Bench { desk, followed, venue, venue_at, tokens: Vec::new(), adopted: 0 }
    }

    fn wire(&self) -> Wire {
        Wire::listen(self.desk.ouch.into(), self.venue_at)
    }

    /// A process that lives until the n-th stop of its session; `None` where the host does not let a process be followed.
    fn killed_at(&mut self, n: usize) -> Option<Stop> {
        let mut core = self.desk.start_core(&self.followed.configured(self.desk.core()), &[]);
        let thread = until("the thread to follow", || {
            assert!(core.runs(), "the core ended: {}", core.stderr());
            self.followed.find(&core)
        });
        let mut tracer = match Tracer::seize(thread) {
            Ok(tracer) => tracer,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return None,
            Err(e) => panic!("thread {thread}: {e}"),
        };
        // Nobody was there until now, so the session begins before our eyes.
        let wire = self.wire();
        let (mut seen, mut began) = (0, matches!(self.followed, Followed::Strategy | Followed::Cold));
        let stop = loop {
            let stop = tracer
                .next()
                .expect("a thread that is followed")
                .unwrap_or_else(|| panic!("the thread ended at stop {seen}: {}", core.stderr()));
            began |= matches!(stop, Stop::Before(call) if call.0 == libc::SYS_connect);
            seen += usize::from(began && self.followed.counts(stop));
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
        let mut core = self.desk.start_core(&self.followed.configured(self.desk.core()), &[]);
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
        self.clear_journals();
    }

    /// Journals of runs that were looked at would fill a disk: they are hundreds, and whole segments each. The newest stays, for the next to be told from it.
    fn clear_journals(&self) {
        let folders = fs::read_dir(self.desk.journals()).expect("journals").flatten().map(|e| e.path());
        let mut runs: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
        runs.sort();
        runs.pop();
        runs.iter().for_each(|run| fs::remove_dir_all(run).expect("a journal that nobody writes"));
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

/// What a run came to.
#[derive(Clone, Debug, Default)]
struct Killed {
    kills: usize,
    tokens: usize,
    adopted: u64,
    stops: Vec<String>,
}

/// Kills at all of `points`; after each `every`-th a process lives, and `done` is told of those before it. `None` where the host does not let a process be
/// followed.
fn kill(
    followed: Followed,
    cancel_on_disconnect: bool,
    points: &[usize],
    every: usize,
    done: &dyn Fn(&[usize]),
) -> Option<Killed> {
    let mut bench = Bench::new(followed, cancel_on_disconnect);
    let mut stops = Vec::new();
    for group in points.chunks(every) {
        for n in group {
            let Some(stop) = bench.killed_at(*n) else {
                skipped("this host lets nobody follow a process (ptrace)");
                return None;
            };
            stops.push(format!("{n} {stop:?}"));
        }
        bench.lives();
        done(group);
    }
    let venue = bench.venue.take().expect("a venue");
    let truth = bench.desk.end_venue(venue);
    truth.is("/accounts/0/live_orders", 0);
    let shares = truth.0.pointer("/accounts/0/positions/AAPL").and_then(Value::as_i64).unwrap_or(0);
    bench.desk.report().is("/positions/AAPL", shares);
    Some(Killed { kills: points.len(), tokens: bench.tokens.len(), adopted: bench.adopted, stops })
}

/// Some kills, and what became of it in words.
fn kill_some(followed: Followed, cancel_on_disconnect: bool, points: &[usize]) -> String {
    let began = Instant::now();
    let Some(k) = kill(followed, cancel_on_disconnect, points, 2, &|_| {}) else { return String::new() };
    let was_at_stake = k.tokens > 0 && (cancel_on_disconnect || k.adopted > 0);
    assert!(was_at_stake, "nothing was at stake: {} {}", k.tokens, k.adopted);
    let took = began.elapsed();
    format!(
        "{followed:?}: {} kills in {took:.1?}, {} tokens, {} orders taken over: {:?}",
        k.kills, k.tokens, k.adopted, k.stops
    )
}

/// Every stop, shared out among the processors; stops that an earlier run has done are left out.
fn kill_all(followed: Followed, cancel_on_disconnect: bool, points: &[usize]) -> String {
    let folder = std::env::var_os("COLO_KILLS_DONE").map(PathBuf::from);
    let file = folder.map(|f| f.join(format!("{followed:?}-{cancel_on_disconnect}")));
    let known = file.as_deref().map(read_done).unwrap_or_default();
    let left: Vec<usize> = points.iter().copied().filter(|n| !known.contains(n)).collect();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let began = Instant::now();
    let done = |group: &[usize]| {
        let lines: String = group.iter().map(|n| format!("{n}\n")).collect();
        if let Some(file) = &file {
            let opened = OpenOptions::new().create(true).append(true).open(file);
            opened.and_then(|mut f| f.write_all(lines.as_bytes())).expect("a note of what is done");
        }
        if group.iter().any(|n| n % 50 == 0) {
            let said = format!("{followed:?}: at stop {}, {:.0?}\n", group[group.len() - 1], began.elapsed());
            std::io::stderr().write_all(said.as_bytes()).expect("progress");
        }
    };
    let sum = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(left.len()))
            .map(|w| {
                let mine: Vec<usize> = left.iter().copied().skip(w).step_by(threads).collect();
                scope.spawn(move || kill(followed, cancel_on_disconnect, &mine, 2, &done))
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("a worker")).fold(Killed::default(), |a, b| Killed {
            kills: a.kills + b.kills,
            tokens: a.tokens + b.tokens,
            adopted: a.adopted + b.adopted,
            stops: Vec::new(),
        })
    });
    format!(
        "{followed:?}, cancel on disconnect {cancel_on_disconnect}: {} stops, {} of them in this run, in {:.0?}; {} tokens, {} orders taken over",
        known.len() + sum.kills,
        sum.kills,
        began.elapsed(),
        sum.tokens,
        sum.adopted
    )
}

fn read_done(file: &Path) -> BTreeSet<usize> {
    // A line that was torn off with the run is done again.
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter_map(|line| line.parse().ok()).collect()
}

fn every_stop() -> Vec<usize> {
    (1..=STOPS).collect()
}

#[test]
fn a_core_killed_between_two_calls_is_taken_over() {
    let said = match kills() {
        Some(n) => kill_some(Followed::Gateway, false, &points(n)),
        None => kill_all(Followed::Gateway, false, &every_stop()),
    };
    println!("{said}");
}

#[test]
fn so_it_is_where_the_venue_cancels_on_disconnect() {
    let said = match kills() {
        Some(n) => kill_some(Followed::Gateway, true, &points(n.div_ceil(2))),
        None => kill_all(Followed::Gateway, true, &every_stop()),
    };
    println!("{said}");
}

#[test]
fn so_is_one_that_is_a_single_thread() {
    let said = match kills() {
        Some(n) => kill_some(Followed::Inline, false, &points(n.div_ceil(4))),
        None => kill_all(Followed::Inline, false, &every_stop()),
    };
    println!("{said}");
}

/// Stops of a thread that makes many: `(how many, how far apart)`.
fn spread(followed: Followed, (most, apart): (usize, usize)) -> String {
    let at = |k: usize| 1 + k * apart;
    match kills() {
        // The last ones first: before a session stands nothing is at stake.
        Some(n) => {
            let few: Vec<_> = (0..n.div_ceil(4).min(most)).map(|k| at(most - 1 - k)).collect();
            kill_some(followed, false, &few)
        }
        None => kill_all(followed, false, &(0..most).map(at).collect::<Vec<_>>()),
    }
}

#[test]
fn so_is_one_killed_anywhere_in_the_work_of_its_strategy() {
    println!("{}", spread(Followed::Strategy, STRATEGY_STOPS));
}

#[test]
fn so_is_one_whose_cold_thread_was_in_the_middle_of_a_file() {
    println!("{}", spread(Followed::Cold, COLD_STOPS));
}

#[test]
fn what_is_done_is_remembered_but_for_a_line_that_is_torn() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("done");
    assert!(read_done(&file).is_empty());
    fs::write(&file, "1\n2\n30\n4").expect("a file");
    assert_eq!(read_done(&file), BTreeSet::from([1, 2, 30]));
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
