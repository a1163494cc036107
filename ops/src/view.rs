//! One reading of a core as plain text that fits a terminal of 80 by 24.
//!
//! ```text
//!   1        name, pid, time since the start, time of the reading
//!   2..3     state, P&L, limits used
//!   4..11    agents with the age of their heartbeats      |  latency by stage
//!   12..23   feeds, sessions, instruments (top of book, position), open orders; a title says how many of how many are shown
//! ```
//!
//! 23 lines and not 24, so that the line feed after the last one does not scroll the first away. Rows are dealt to the four lists in turn until none is
//! left: a host with one feed has room for more orders. Whatever the numbers are, no line is longer than 80 columns and all of it is ASCII.

use std::collections::BTreeMap;
use std::fmt::Write;

use colo::telemetry::snapshot::{Feed, Instrument, OpenOrder, Port, Snapshot};
use colo::telemetry::stages::Percentiles;
use model::Nanos;

use crate::life;

/// Columns of the view.
pub const COLUMNS: usize = 80;
/// Lines of the view.
pub const LINES: usize = 23;
/// Columns of the agents' half.
const LEFT: usize = 32;
/// Stages in the order an event passes them.
pub(crate) const STAGES: [&str; 7] =
    ["decode", "feed_ring", "book", "strategy_risk", "order_ring", "encode", "tick_to_order"];

/// A length of time in the unit that suits it: `850 ns`, `12.3 us`, `4.56 s`, `1h02m`.
#[must_use]
pub fn span(t: Nanos) -> String {
    let n = t.0 as f64;
    match t.0 {
        0..1_000 => format!("{} ns", t.0),
        1_000..1_000_000 => format!("{:.1} us", n / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", n / 1e6),
        1_000_000_000..60_000_000_000 => format!("{:.1} s", n / 1e9),
        _ => {
            let minutes = t.0 / 60_000_000_000;
            match minutes / 60 {
                0 => format!("{minutes}m{:02}s", t.0 / 1_000_000_000 % 60),
                h @ 1..48 => format!("{h}h{:02}m", minutes % 60),
                h => format!("{}d{:02}h", h / 24, h % 24),
            }
        }
    }
}

/// A count that fits 6 columns: `99999`, `1234k`, `56M`.
#[must_use]
pub fn short(n: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let (mut n, mut unit) = (n, "");
    for next in UNITS {
        if n < 100_000 {
            break;
        }
        (n, unit) = (n / 1_000, next);
    }
    format!("{n}{unit}")
}

/// A price or an amount with cents where that is all there is, else with its four decimals.
#[must_use]
pub fn usd(v: f64) -> String {
    let cents = format!("{v:.2}");
    let whole = cents.parse::<f64>().is_ok_and(|c| (c - v).abs() < 0.00005);
    if whole { cents } else { format!("{v:.4}") }
}

/// A side of the book, or a dash where it is empty.
#[must_use]
pub fn side(px: f64, qty: u64) -> String {
    if qty == 0 { "-".into() } else { format!("{}x{}", short(qty), usd(px)) }
}

/// The time of day in UTC.
#[must_use]
pub fn time_of_day(t: Nanos) -> String {
    let s = t.0 / 1_000_000_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", s / 3_600, s / 60 % 60, s % 60)
}

/// The lines of the view, none longer than [`COLUMNS`], at most [`LINES`] of them.
#[must_use]
pub fn lines(s: &Snapshot, now: Nanos) -> Vec<String> {
    let mut out = vec![head(s, now)];
    out.extend(risk(s));
    out.extend(agents(s, now).iter().zip(latency(&s.latency_ns)).map(|(a, l)| format!("{a:<LEFT$}{l}")));
    let lists = [feeds(&s.feeds), sessions(&s.gateways), instruments(&s.instruments), orders(s)];
    let titles = lists.len();
    let rows = deal(LINES - out.len() - titles, &lists.each_ref().map(|l| l.rows.len()));
    for (list, shown) in lists.iter().zip(rows) {
        out.extend(list.shown(shown));
    }
    out.iter().map(|line| clip(line)).collect()
}

/// A line in the columns there are. One that is cut ends in `>`: half a number would be another number.
fn clip(line: &str) -> String {
    let mut line: String = line.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    line.truncate(line.trim_end().len());
    if line.len() > COLUMNS {
        line.truncate(COLUMNS - 1);
        line.push('>');
    }
    line
}

/// Deals `rows` to lists that want so many each: one each in turn, as long as there are any.
fn deal<const N: usize>(mut rows: usize, wanted: &[usize; N]) -> [usize; N] {
    let mut dealt = [0; N];
    while rows > 0 && dealt != *wanted {
        for (has, wants) in dealt.iter_mut().zip(wanted) {
            if *has < *wants && rows > 0 {
                *has += 1;
                rows -= 1;
            }
        }
    }
    dealt
}

/// A titled list.
struct List {
    /// What it is called in front of the count.
    name: &'static str,
    /// How many there are, shown or not.
    all: usize,
    columns: String,
    rows: Vec<String>,
}

impl List {
    fn shown(&self, rows: usize) -> impl Iterator<Item = String> + '_ {
        let count = match (rows, self.all) {
            (_, 0) => " (none)".into(),
            (r, a) if r < a => format!(" {r}/{a}"),
            _ => String::new(),
        };
        // An empty list has no columns.
        let columns = if self.all == 0 { "" } else { &self.columns };
        let title = format!("{:<16}{columns}", format!("{}{count}", self.name));
        std::iter::once(title).chain(self.rows.iter().take(rows).cloned())
    }
}

fn head(s: &Snapshot, now: Nanos) -> String {
    let up = span(now.since(Nanos(s.started_ns)));
    let mode = if s.mode == "paper" { "  ON PAPER" } else { "" };
    let left = format!("colo {}{mode}  pid {}  up {up}", s.name, s.pid);
    format!("{left:<60}{:>20}", time_of_day(now))
}

/// How trading stands, in some words; none while it is being written.
#[must_use]
pub fn state_words(s: &Snapshot) -> Option<String> {
    let r = s.risk.as_ref()?;
    Some(match (r.halted, s.engine.get("kill").copied().unwrap_or(0)) {
        (Some("killed"), 2) => "KILLED, flat".into(),
        (Some("killed"), _) => "KILLED, NOT FLAT".into(),
        (Some(why), _) => format!("HALTED ({why})"),
        (None, _) if r.level != "normal" => {
            format!("{} ({})", r.level.to_uppercase(), r.restrained_by.unwrap_or("unknown"))
        }
        (None, _) if r.clutch == "out" => "CLUTCH OUT".into(),
        (None, 0) => "trading enabled".into(),
        (None, _) => "enabled, some KILLED".to_owned(),
    })
}

fn risk(s: &Snapshot) -> [String; 2] {
    let Some(r) = &s.risk else {
        return ["state: being written, look again".into(), String::new()];
    };
    let state = state_words(s).unwrap_or_default();
    let largest = s.instruments.iter().map(|i| i.position.unsigned_abs()).max().unwrap_or(0);
    [
        format!(
            "{state}   tradable {}   tokens left {}   position {largest} of {}",
            r.tradable,
            short(r.tokens_left),
            r.max_position
        ),
        format!(
            "P&L {} USD, halts at -{}   open orders {} of {}",
            usd(r.pnl),
            usd(r.max_daily_loss),
            r.open_orders,
            r.max_open_orders
        ),
    ]
}

/// As many lines as latency has.
fn agents(s: &Snapshot, now: Nanos) -> [String; STAGES.len() + 1] {
    // The oldest heartbeats first where not all fit: those are what one looks for.
    let mut all: Vec<_> = s.agents.iter().map(|a| (life::age(now, s, a), a)).collect();
    if all.len() > STAGES.len() {
        all.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    }
    let title = match all.len() {
        n if n > STAGES.len() => format!("AGENTS {}/{n}", STAGES.len()),
        _ => "AGENTS".into(),
    };
    let mut lines: [String; STAGES.len() + 1] = Default::default();
    lines[0] = format!("{title:<16}{:>8} {:>5}", "BEAT", "CORE");
    for (line, (age, a)) in lines[1..].iter_mut().zip(all) {
        let core = match a.counters["core"] {
            0 => "-".into(),
            n => (n - 1).to_string(),
        };
        // One that has ended is not merely late.
        let beat = match a.counters["phase"] {
            2 => "ended".into(),
            3 => "FAILED".into(),
            _ => span(age),
        };
        let _ = write!(line, "{:<16.16}{beat:>8} {core:>5}", a.name);
    }
    lines
}

fn latency(stages: &BTreeMap<&'static str, Percentiles>) -> [String; STAGES.len() + 1] {
    let row = |name: &str, cells: [String; 5]| {
        let [p50, p99, p999, max, n] = cells;
        format!("{name:<13} {p50:>6} {p99:>6} {p999:>6} {max:>6} {n:>6}")
    };
    let cell = |ns: u64| span(Nanos(ns)).replace(' ', "");
    let mut lines: [String; STAGES.len() + 1] = Default::default();
    lines[0] = row("LATENCY", ["p50", "p99", "p99.9", "max", "n"].map(String::from));
    for (line, name) in lines[1..].iter_mut().zip(STAGES) {
        let p = stages.get(name).copied().unwrap_or_default();
        let times =
            if p.n == 0 { ["-"; 4].map(String::from) } else { [p.p50, p.p99, p.p999, p.max].map(cell) };
        let [p50, p99, p999, max] = times.map(|t| fit(&t, 6));
        *line = row(name, [p50, p99, p999, max, short(p.n)]);
    }
    lines
}

/// `12.3us` is six columns, `123.4us` is not: its decimal goes.
fn fit(t: &str, columns: usize) -> String {
    match t.split_once('.') {
        Some((whole, rest)) if t.len() > columns => {
            format!("{whole}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => t.to_owned(),
    }
}

fn feeds(feeds: &[Feed]) -> List {
    let rows = feeds.iter().map(|f| {
        let c = |name| short(f.counters[name]);
        let synced = if f.counters["synced"] == 1 { "yes" } else { "NO" };
        // Each line by its letter, one that is silent as a dash.
        let heard = |(line, letter): (&BTreeMap<_, _>, char)| if line["silent"] == 0 { letter } else { '-' };
        let lines: String = f.lines.iter().zip('A'..='Z').map(heard).collect();
        format!(
            "{:<16.16}{synced:>6} {lines:>5} {:>9} {:>9} {:>6} {:>6} {:>6} {:>8}",
            f.id,
            c("messages"),
            c("events"),
            c("gaps"),
            c("gaps_open"),
            c("messages_lost"),
            c("ring_full")
        )
    });
    List {
        name: "FEEDS",
        all: feeds.len(),
        columns: format!(
            "{:>6} {:>5} {:>9} {:>9} {:>6} {:>6} {:>6} {:>8}",
            "SYNCED", "LINES", "MESSAGES", "EVENTS", "GAPS", "OPEN", "LOST", "RINGFULL"
        ),
        rows: rows.collect(),
    }
}

fn sessions(ports: &[Port]) -> List {
    let rows = ports.iter().map(|p| {
        let c = |name| short(p.counters[name]);
        let state = match p.counters["state"] {
            0 => "disconnected",
            1 => "connecting",
            2 => "logged in",
            3 => "ready",
            _ => "?",
        };
        format!(
            "{:<16.16}{state:<13} {:>8} {:>8} {:>7} {:>8} {:>6}",
            p.id,
            c("sent"),
            c("reports"),
            c("unsent"),
            c("connects"),
            c("protocol_errors")
        )
    });
    List {
        name: "SESSIONS",
        all: ports.len(),
        columns: format!(
            "{:<13} {:>8} {:>8} {:>7} {:>8} {:>6}",
            "STATE", "SENT", "REPORTS", "UNSENT", "CONNECTS", "ERRORS"
        ),
        rows: rows.collect(),
    }
}

/// Whether it may be traded, and why not, in 16 columns.
#[must_use]
pub fn validity(i: &Instrument) -> String {
    let reason = match i.reason {
        "end_of_session" => "ended",
        "new_session" => "session",
        "over_reduced" => "overdrawn",
        "unknown_order" => "unknown",
        "duplicate_order" => "duplicate",
        "bad_price" => "price",
        "book_full" => "full",
        "price_band" => "jumped",
        "not_named" => "unnamed",
        "quotation_only" => "quoting",
        "operational_halt" => "op",
        "circuit_breaker" => "breaker",
        "before_open" => "early",
        "after_close" => "late",
        short => short,
    };
    match i.validity {
        "valid" => "valid".into(),
        "recovering" => format!("recov. {reason:.9}"),
        "halted" if reason == "halted" => "halted".into(),
        word => format!("{word} {reason:.9}"),
    }
}

fn instruments(all: &[Instrument]) -> List {
    // Those that something is held in, or was, before those that are only watched.
    let mut order: Vec<_> = all.iter().collect();
    order.sort_by_key(|i| (i.position == 0, i.fills == 0));
    let rows = order.into_iter().map(|i| {
        let state = validity(i);
        format!(
            "{:<9}{state:<16} {:>15} {:>15} {:>9} {:>12}",
            i.symbol,
            side(i.bid, i.bid_qty),
            side(i.ask, i.ask_qty),
            i.position,
            usd(i.pnl)
        )
    });
    List {
        name: "BOOKS",
        all: all.len(),
        columns: format!("         {:>16} {:>15} {:>9} {:>12}", "BID", "ASK", "POSITION", "P&L"),
        rows: rows.collect(),
    }
}

fn orders(s: &Snapshot) -> List {
    let row = |o: &OpenOrder| {
        let side = if o.side == 'B' { "buy" } else { "sell" };
        format!(
            "{:<16}{:<9}{side:<5}{:>8} {:>12} {:>9}  {}",
            o.token,
            o.symbol,
            o.open,
            usd(o.px),
            o.executed,
            o.state
        )
    };
    let open = s.risk.as_ref().and_then(|r| usize::try_from(r.open_orders).ok()).unwrap_or(0);
    List {
        name: "ORDERS",
        all: open.max(s.orders.len()),
        columns: format!(
            "{:<9}{:<5}{:>8} {:>12} {:>9}  {}",
            "SYMBOL", "SIDE", "OPEN", "PRICE", "EXECUTED", "STATE"
        ),
        rows: s.orders.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::{core, table};
    use colo::telemetry::counters;

    #[test]
    fn an_agent_that_has_ended_is_not_merely_late() {
        let mut s = core(3, 1);
        for (agent, phase) in s.agents.iter_mut().zip([1, 2, 3]) {
            agent.counters.insert("phase", phase);
        }
        let view = lines(&s, Nanos(2_000_000));
        let beats: Vec<_> = view[4..7].iter().map(|l| l[16..24].trim().to_owned()).collect();
        assert_eq!(beats, ["2.0 ms", "ended", "FAILED"], "{view:#?}");
    }

    #[test]
    fn it_fits_whatever_there_is() {
        for many in [0, 1, 2, 3, 5, 16, 300] {
            for number in [0, 1, 3, 999_999, 1_234_567_890_123, i64::MAX as u64, u64::MAX] {
                let view = lines(&core(many, number), Nanos(number));
                assert!(view.len() <= LINES, "{many}: {} lines", view.len());
                for line in &view {
                    assert!(line.len() <= COLUMNS && line.is_ascii() && !line.ends_with(' '), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn it_shows_every_part() {
        let text = lines(&core(2, 3), Nanos(1_000_000_003)).join("\n");
        let parts = ["nnn  pid 3  up 1.0 s", "00:00:01 UTC", "HALTED (reconciliation)", "open orders 3 of 3"];
        let titles = ["AGENTS", "LATENCY", "FEEDS", "SESSIONS", "BOOKS", "ORDERS 2/3"];
        let rows =
            ["tick_to_order", "agent-with-a-lon", "g-with-a-long-na", "ready", "SYM1", "pending_replace"];
        for part in parts.into_iter().chain(titles).chain(rows) {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert_eq!(text.lines().count(), LINES, "two rows of each list fill it");
    }

    #[test]
    fn a_state_says_why_and_every_reason_fits() {
        let mut i = core(1, 0).instruments.remove(0);
        for to in model::Validity::ALL {
            for why in colo::engine::Reason::ALL {
                (i.validity, i.reason) = (colo::telemetry::snapshot::validity_word(to), why.word());
                assert!(validity(&i).len() <= 16, "{}", validity(&i));
            }
        }
        for (word, why, shown) in [
            ("valid", "gap", "valid"),
            ("stale", "crossed", "stale crossed"),
            ("halted", "halted", "halted"),
            ("halted", "circuit_breaker", "halted breaker"),
            ("recovering", "snapshot", "recov. snapshot"),
            ("closed", "after_close", "closed late"),
        ] {
            (i.validity, i.reason) = (word, why);
            assert_eq!(validity(&i), shown);
        }
    }

    #[test]
    fn a_silent_line_is_seen() {
        let mut s = core(1, 0);
        s.feeds[0].lines = [0, 1, 0].map(|silent| table(&counters::line::TABLE, silent)).into();
        let text = lines(&s, Nanos(1)).join("\n");
        assert!(text.contains("LINES") && text.contains("A-C"), "{text}");
    }

    #[test]
    fn lists_that_are_cut_say_so() {
        let text = lines(&core(16, 1), Nanos(1)).join("\n");
        for part in ["AGENTS 7/16", "FEEDS 2/16", "SESSIONS 2/16", "BOOKS 2/16"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(lines(&core(0, 0), Nanos(1)).join("\n").contains("FEEDS (none)"));
    }

    #[test]
    fn a_risk_snapshot_being_written_is_not_shown_as_zeros() {
        let mut s = core(1, 1);
        s.risk = None;
        let text = lines(&s, Nanos(1)).join("\n");
        assert!(text.contains("being written") && !text.contains("P&L 0"), "{text}");
    }

    #[test]
    fn what_is_held_comes_first() {
        let mut s = core(9, 0);
        s.instruments[7].position = -5;
        let text = lines(&s, Nanos(1)).join("\n");
        let (held, watched) = (text.find("SYM7").expect("shown"), text.find("SYM0").expect("shown"));
        assert!(held < watched, "{text}");
    }

    #[test]
    fn a_line_that_is_cut_shows_it() {
        let exact = "9".repeat(COLUMNS);
        assert_eq!(clip(&exact), exact);
        assert_eq!(clip(&format!("{exact}   ")), exact, "spaces are nothing to lose");
        assert_eq!(clip(&format!("{exact}1")), format!("{}>", "9".repeat(COLUMNS - 1)));
        assert_eq!(clip("a\u{1b}[2J"), "a [2J");
    }

    #[test]
    fn limits_stand_beside_what_is_used_of_them() {
        let mut s = core(2, 3);
        s.instruments[1].position = -70;
        let text = lines(&s, Nanos(1)).join("\n");
        assert!(text.contains("position 70 of 3") && text.contains("open orders 3 of 3"), "{text}");
        assert!(text.contains("P&L -0.0003 USD, halts at -0.0003"), "{text}");
    }

    #[test]
    fn rows_are_dealt_in_turn() {
        assert_eq!(deal(8, &[1, 1, 9, 9]), [1, 1, 3, 3]);
        assert_eq!(deal(8, &[0, 0, 0, 0]), [0; 4]);
        assert_eq!(deal(2, &[5, 5, 5, 5]), [1, 1, 0, 0]);
        assert_eq!(deal(9, &[1, 0, 0, 20]), [1, 0, 0, 8]);
    }

    #[test]
    fn times_and_counts_have_their_unit() {
        let spans = [
            (850, "850 ns"),
            (12_345, "12.3 us"),
            (4_560_000, "4.6 ms"),
            (59_000_000_000, "59.0 s"),
            (61_000_000_000, "1m01s"),
            (3_720_000_000_000, "1h02m"),
            (200 * 3_600_000_000_000, "8d08h"),
        ];
        for (ns, text) in spans {
            assert_eq!(span(Nanos(ns)), text);
        }
        let shorts = [99_999, 100_000, 1_234_567_890].map(short);
        assert_eq!(shorts, ["99999", "100k", "1234M"]);
        assert_eq!([usd(1.5), usd(-0.0001), usd(99.98)], ["1.50", "-0.0001", "99.98"]);
        assert_eq!([fit("12.3us", 6), fit("123.4us", 6)], ["12.3us", "123us"]);
    }
}
