//! Lists: agents and rings, feeds, sessions, books, orders with the tape, events.

use std::collections::{BTreeMap, VecDeque};

use colo::telemetry::snapshot::{Instrument, OpenOrder};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Sparkline, Table};

use super::app::App;
use super::theme::Theme;
use crate::events::{Event, Kind};
use crate::serve::session_word;
use crate::view::{short, side, span, usd, validity};
use crate::watch::{Live, Watched};
use crate::{life, threads};
use model::Nanos;

const fn columns<const N: usize>(widths: [u16; N]) -> [Constraint; N] {
    let mut all = [Constraint::Length(0); N];
    let mut k = 0;
    while k < N {
        all[k] = Constraint::Length(widths[k]);
        k += 1;
    }
    all
}

fn right<const N: usize>(first: String, rest: [(String, usize); N]) -> Vec<String> {
    std::iter::once(first).chain(rest.map(|(text, width)| format!("{text:>width$}"))).collect()
}

fn rate(r: Option<f64>) -> String {
    r.map_or_else(|| "-".into(), |r| short(r as u64))
}

/// Agents above, rings below.
pub fn agents(frame: &mut Frame<'_>, area: Rect, app: &App, w: &Watched, live: &Live, theme: Theme) {
    let s = &live.snapshot;
    let rows: Vec<_> = s
        .agents
        .iter()
        .enumerate()
        .filter(|(_, a)| app.admits(&a.name))
        .map(|(k, a)| {
            let grown =
                |counter: &'static str| rate(w.rate(|s| s.agents.get(k)?.counters.get(counter).copied()));
            let thread = threads::of_agent(&live.threads, &a.name);
            let of = |n: Option<u64>| n.map_or_else(|| "-".into(), short);
            let (beat, style) = match a.counters["phase"] {
                2 => ("ended".into(), theme.warn()),
                3 => ("FAILED".into(), theme.bad()),
                _ => (span(life::age(w.last.at, s, a)), ratatui::style::Style::new()),
            };
            let core = a.counters["core"].checked_sub(1);
            let cells = [
                (of(core), 4),
                (of(thread.map(|t| t.processor)), 3),
                (beat, 8),
                (grown("cycles"), 7),
                (grown("work"), 7),
                (of(thread.map(|t| t.minor_faults)), 7),
                (of(Some(a.counters["allocations"]).filter(|n| *n > 0)), 6),
                (of(thread.map(|t| t.preempted)), 8),
            ];
            Row::new(right(a.name.clone(), cells)).style(style)
        })
        .collect();
    let titles = [
        ("CORE", 4),
        ("ON", 3),
        ("BEAT", 8),
        ("CYC/S", 7),
        ("WORK/S", 7),
        ("FAULTS", 7),
        ("ALLOCS", 6),
        ("PREEMPT", 8),
    ];
    let header = right(format!("AGENTS {}", rows.len()), titles.map(|(t, n)| (t.to_owned(), n)));
    let widths = columns([18, 4, 3, 8, 7, 7, 7, 6, 8]);
    let below = (s.feeds.len() + 2 * s.gateways.len() + 4).min(usize::from(area.height / 2));
    let [above, below] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(below as u16)]).areas(area);
    let shown = rows.into_iter().skip(app.scroll);
    frame.render_widget(Table::new(shown, widths).header(Row::new(header).style(theme.title())), above);
    draw_rings(frame, below, live, theme);
}

fn draw_rings(frame: &mut Frame<'_>, area: Rect, live: &Live, theme: Theme) {
    const BAR: usize = 30;
    let s = &live.snapshot;
    let line = |name: String, ring: &BTreeMap<&str, u64>| {
        let (fill, capacity) = (ring["fill"], ring["capacity"]);
        let share = if capacity == 0 { 0.0 } else { (fill as f64 / capacity as f64).min(1.0) };
        let filled = (share * BAR as f64).ceil() as usize;
        Line::from(vec![
            Span::raw(format!("{name:<24.24} [")),
            Span::styled("#".repeat(filled), theme.share(share)),
            Span::raw(format!("{}] {} of {}", ".".repeat(BAR - filled), short(fill), short(capacity))),
        ])
    };
    let mut lines = vec![Line::default(), Line::styled("RINGS", theme.title())];
    lines.extend(s.feeds.iter().map(|f| line(format!("feed {} > strategy", f.id), &f.ring)));
    for g in &s.gateways {
        lines.push(line(format!("strategy > {}", g.id), &g.order_ring));
        lines.push(line(format!("{} > strategy", g.id), &g.report_ring));
    }
    let lag = s.engine["journal_records"].saturating_sub(s.cold["records_followed"]);
    let free = live.disk.map_or_else(|| "-".into(), |d| format!("{} MiB", d.free_bytes >> 20));
    lines.push(Line::from(format!(
        "JOURNAL  log {lag} behind, {} bytes not on disk, {free} free   CLOCK off {}",
        short(s.cold["unsynced_bytes"]),
        span(Nanos(s.cold["clock_offset_ns"]))
    )));
    frame.render_widget(Paragraph::new(lines), area);
}

/// A row a feed.
pub fn feeds(frame: &mut Frame<'_>, area: Rect, w: &Watched, live: &Live, theme: Theme) {
    let rows = live.snapshot.feeds.iter().enumerate().map(|(k, f)| {
        let c = |name: &str| f.counters[name];
        let heard = f.lines.iter().map(|l| l["last_heard_ns"]).max().filter(|at| *at > 0);
        let age = heard.map_or_else(|| "never".into(), |at| span(w.last.at.since(Nanos(at))));
        let letters = |(l, letter): (&BTreeMap<_, u64>, char)| if l["silent"] == 0 { letter } else { '-' };
        let lines: String = f.lines.iter().zip('A'..='Z').map(letters).collect();
        let cells = [
            (if c("synced") == 1 { "yes" } else { "NO" }.to_owned(), 6),
            (lines, 5),
            (age, 8),
            (rate(w.rate(|s| Some(s.feeds.get(k)?.counters["messages"]))), 7),
            (short(c("gaps")), 6),
            (short(c("gaps_open")), 6),
            (short(c("gaps_filled")), 6),
            (short(c("messages_lost")), 6),
        ];
        let well = c("synced") == 1 && c("gaps_open") == 0;
        let style = if well { ratatui::style::Style::new() } else { theme.bad() };
        Row::new(right(f.id.clone(), cells)).style(style)
    });
    let titles = [
        ("SYNCED", 6),
        ("LINES", 5),
        ("HEARD", 8),
        ("MSG/S", 7),
        ("GAPS", 6),
        ("OPEN", 6),
        ("FILLED", 6),
        ("LOST", 6),
    ];
    let header =
        right(format!("FEEDS {}", live.snapshot.feeds.len()), titles.map(|(t, n)| (t.to_owned(), n)));
    let widths = columns([16, 6, 5, 8, 7, 6, 6, 6, 6]);
    frame.render_widget(Table::new(rows, widths).header(Row::new(header).style(theme.title())), area);
}

/// A row a session.
pub fn sessions(frame: &mut Frame<'_>, area: Rect, live: &Live, theme: Theme) {
    let rows = live.snapshot.gateways.iter().map(|g| {
        let c = |name: &str| g.counters[name];
        let cells = [
            (session_word(c("state")).to_owned(), 12),
            (short(c("sent")), 7),
            (short(c("reports")), 7),
            (short(c("unsent")), 7),
            (short(c("held_back")), 6),
            (short(c("connects")), 8),
            (short(c("protocol_errors")), 6),
        ];
        let style = if c("state") == 3 { ratatui::style::Style::new() } else { theme.bad() };
        Row::new(right(g.id.clone(), cells)).style(style)
    });
    let titles = [
        ("STATE", 12),
        ("SENT", 7),
        ("REPORTS", 7),
        ("UNSENT", 7),
        ("HELD", 6),
        ("CONNECTS", 8),
        ("ERRORS", 6),
    ];
    let header =
        right(format!("SESSIONS {}", live.snapshot.gateways.len()), titles.map(|(t, n)| (t.to_owned(), n)));
    let widths = columns([16, 12, 7, 7, 7, 6, 8, 6]);
    frame.render_widget(Table::new(rows, widths).header(Row::new(header).style(theme.title())), area);
}

/// Widths of a book's row.
pub const BOOK_WIDTHS: [Constraint; 7] = columns([8, 16, 14, 14, 8, 5, 9]);

/// The titles of books.
#[must_use]
pub fn book_header(name: &str, all: usize, theme: Theme) -> Row<'static> {
    let titles = [("BID", 14), ("ASK", 14), ("POSITION", 8), ("FILLS", 5), ("P&L", 9)];
    let titles = titles.map(|(t, n)| format!("{t:>n$}"));
    Row::new([format!("{name} {all}"), "STATE".into()].into_iter().chain(titles)).style(theme.title())
}

/// One book with what is held in it.
#[must_use]
pub fn book_row(i: &Instrument, theme: Theme) -> Row<'static> {
    let style = if i.validity == "valid" { theme.good() } else { theme.warn() };
    let cell = |text: String, width: usize| Line::from(format!("{text:>width$}"));
    Row::new([
        Line::from(i.symbol.clone()),
        Line::styled(validity(i), style),
        cell(side(i.bid, i.bid_qty), 14),
        cell(side(i.ask, i.ask_qty), 14),
        cell(i.position.to_string(), 8),
        cell(short(i.fills), 5),
        Line::styled(format!("{:>9}", usd(i.pnl)), theme.sign(i.pnl)),
    ])
}

/// Every book.
pub fn books(frame: &mut Frame<'_>, area: Rect, app: &App, live: &Live, theme: Theme) {
    let mut all: Vec<_> = live
        .snapshot
        .instruments
        .iter()
        .filter(|i| app.admits(&format!("{} {} {}", i.symbol, i.validity, i.reason)))
        .collect();
    all.sort_by_key(|i| (i.position == 0, i.fills == 0));
    let rows = all.iter().skip(app.scroll).map(|i| book_row(i, theme));
    let header = book_header("BOOKS", all.len(), theme);
    let [above, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(Table::new(rows, BOOK_WIDTHS).header(header), above);
    let sum = |of: fn(&Instrument) -> f64| all.iter().map(|i| of(i)).sum::<f64>();
    let told = format!(
        "together: realised {}  not realised {}  fees {}  P&L {} USD",
        usd(sum(|i| i.realised)),
        usd(sum(|i| i.unrealised)),
        usd(sum(|i| i.fees)),
        usd(sum(|i| i.pnl))
    );
    frame.render_widget(Line::from(told), below);
}

/// Open orders above, the tape below.
pub fn orders(frame: &mut Frame<'_>, area: Rect, app: &App, w: &Watched, live: &Live, theme: Theme) {
    let s = &live.snapshot;
    let row = |o: &OpenOrder| {
        let side = if o.side == 'B' { "buy" } else { "sell" };
        let cells = [(short(o.open.into()), 8), (usd(o.px), 12), (short(o.executed.into()), 9)];
        let [open, px, executed] = cells.map(|(text, width)| format!("{text:>width$}"));
        [o.token.to_string(), o.symbol.clone(), side.into(), open, px, executed, o.state.clone()]
    };
    let rows: Vec<_> = s.orders.iter().map(row).filter(|r| app.admits(&r.join(" "))).collect();
    let open = s.risk.as_ref().map_or(0, |r| r.open_orders);
    let titles = [
        format!("ORDERS {open}"),
        "SYMBOL".into(),
        "SIDE".into(),
        format!("{:>8}", "OPEN"),
        format!("{:>12}", "PRICE"),
        format!("{:>9}", "EXECUTED"),
        "STATE".into(),
    ];
    let widths = columns([12, 9, 5, 8, 12, 9, 15]);
    let took = app.receipts.took();
    let curve = if took.is_empty() { 0 } else { CURVE };
    let [above, times, below] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(curve), Constraint::Fill(1)]).areas(area);
    draw_times(frame, times, took, theme);
    let table = Table::new(rows.into_iter().skip(app.scroll).map(Row::new), widths);
    frame.render_widget(table.header(Row::new(titles).style(theme.title())), above);
    draw_lines(frame, below, "TAPE, the newest first", Kind::Tape, app, w, theme);
}

/// Rows of [`draw_times`]: a line of words, and two of bars.
const CURVE: u16 = 3;

/// What each of the last orders took: a bar an order, the newest at the right.
fn draw_times(frame: &mut Frame<'_>, area: Rect, took: &VecDeque<u64>, theme: Theme) {
    let shown: Vec<u64> =
        took.iter().skip(took.len().saturating_sub(usize::from(area.width))).copied().collect();
    let Some(last) = shown.last() else { return };
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    let (p50, largest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let told = format!(
        "PACKET TO SOCKET  last {}: p50 {}, largest {}, newest {}",
        shown.len(),
        span(Nanos(p50)),
        span(Nanos(largest)),
        span(Nanos(*last))
    );
    let [words, bars] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Line::styled(told, theme.title()), words);
    // One that took very long would leave nothing of the others: its bar is full all the same.
    let most = p50.saturating_mul(4).min(largest).max(1);
    frame.render_widget(Sparkline::default().data(shown).max(most).style(theme.good()), bars);
}

/// What happened.
pub fn events(frame: &mut Frame<'_>, area: Rect, app: &App, w: &Watched, theme: Theme) {
    draw_lines(frame, area, "EVENTS, the newest first", Kind::Event, app, w, theme);
}

fn draw_lines(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    kind: Kind,
    app: &App,
    w: &Watched,
    theme: Theme,
) {
    let skipped = if kind == Kind::Event { app.scroll } else { 0 };
    let room = usize::from(area.height.saturating_sub(1));
    let mut lines = vec![Line::styled(title.to_owned(), theme.title())];
    let all = w.events.of(kind).rev().filter(|e| app.admits(&format!("{} {}", e.message, e.detail)));
    lines.extend(all.skip(skipped).take(room).map(|e| event_line(e, theme)));
    frame.render_widget(Paragraph::new(lines), area);
}

/// One line of the log.
#[must_use]
pub fn event_line(e: &Event, theme: Theme) -> Line<'static> {
    let style = match &*e.level {
        "error" => theme.bad(),
        "warn" => theme.warn(),
        _ => ratatui::style::Style::new(),
    };
    Line::from(vec![
        Span::raw(format!("{} ", e.time())),
        Span::styled(e.message.clone(), style),
        Span::raw(format!("  {}", e.detail)),
    ])
}
