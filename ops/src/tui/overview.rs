//! Something of everything on one screen: alerts, limits, agents beside latency, feeds, sessions, what is held, what happened last.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Sparkline, Table};

use super::lists;
use super::theme::Theme;
use crate::alerts::{self, Severity};
use crate::events::Kind;
use crate::history::STAGES;
use crate::life;
use crate::limits::{self, Limit};
use crate::view::{short, span, usd};
use crate::watch::{Live, Watched};
use model::Nanos;

/// Alerts shown; the first line says how many there are.
const ALERTS_MAX: usize = 4;

/// Columns of a limit's name.
const NAME_MAX: usize = 26;
/// From so many rows on there is room for more limits ...
const LARGE: u16 = 30;
/// ... than these, the fullest of all, ...
const LIMITS_SMALL: usize = 3;
/// ... up to these.
const LIMITS_LARGE: usize = 8;

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, w: &Watched, live: &Live, theme: Theme) {
    let s = &live.snapshot;
    let alerts = alert_lines(w, theme);
    let room = if area.height < LARGE { LIMITS_SMALL } else { LIMITS_LARGE };
    let limits = limits::fullest(limits::of(live), room);
    let (feeds, ports) = (s.feeds.len().min(4), s.gateways.len().min(4));
    let [told, bars, middle, feed_rows, port_rows, rest] = Layout::vertical([
        Constraint::Length(alerts.len() as u16),
        Constraint::Length(limits.len() as u16),
        Constraint::Length(7),
        Constraint::Length(feeds as u16 + 1),
        Constraint::Length(ports as u16 + 1),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(alerts), told);
    draw_limits(frame, bars, &limits, theme);
    let [left, right] = Layout::horizontal([Constraint::Length(34), Constraint::Fill(1)]).areas(middle);
    draw_agents(frame, left, w, live, theme);
    draw_latency(frame, right, w, live, theme);
    lists::feeds(frame, feed_rows, w, live, theme);
    lists::sessions(frame, port_rows, live, theme);
    let [held, happened] = match rest.height {
        0..12 => Layout::vertical([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(rest),
        _ => Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(rest),
    };
    draw_held(frame, held, live, theme);
    draw_happened(frame, happened, w, theme);
}

fn alert_lines(w: &Watched, theme: Theme) -> Vec<Line<'static>> {
    let all = alerts::of(&w.last);
    let more = all.len().saturating_sub(ALERTS_MAX);
    let mut lines: Vec<_> = all
        .into_iter()
        .take(ALERTS_MAX)
        .map(|a| match a.severity {
            Severity::Critical => Line::styled(format!("! {}", a.summary), theme.bad()),
            Severity::Warning => Line::styled(format!("- {}", a.summary), theme.warn()),
        })
        .collect();
    if more > 0 {
        lines.push(Line::from(format!("  and {more} more")));
    }
    lines
}

/// A bar a limit, in characters that every terminal has.
fn draw_limits(frame: &mut Frame<'_>, area: Rect, limits: &[Limit], theme: Theme) {
    const BAR: usize = 30;
    let width = limits.iter().map(|l| l.name.len() + 1).max().unwrap_or(0).clamp(12, NAME_MAX);
    let line = |l: &Limit| {
        let filled = ((l.share() * BAR as f64).ceil() as usize).min(BAR);
        let number = |v: f64| if l.unit == "USD" { usd(v) } else { short(v as u64) };
        Line::from(vec![
            Span::raw(format!("{:<width$.width$}[", l.name)),
            Span::styled("#".repeat(filled), theme.share(l.share())),
            Span::raw(format!("{}] ", ".".repeat(BAR - filled))),
            Span::styled(format!("{:>3.0} %", l.share().min(9.99) * 100.0), theme.share(l.share())),
            Span::raw(format!("  {} of {} {}", number(l.used), number(l.limit), l.unit)),
        ])
    };
    frame.render_widget(Paragraph::new(limits.iter().map(line).collect::<Vec<_>>()), area);
}

fn draw_agents(frame: &mut Frame<'_>, area: Rect, w: &Watched, live: &Live, theme: Theme) {
    let s = &live.snapshot;
    let mut all: Vec<_> =
        s.agents.iter().enumerate().map(|(k, a)| (life::age(w.last.at, s, a), k, a)).collect();
    if all.len() + 1 > usize::from(area.height) {
        all.sort_by_key(|(age, _, _)| std::cmp::Reverse(*age));
    }
    let row = |(age, k, a): (Nanos, usize, &colo::telemetry::snapshot::Agent)| {
        let rate = w.rate(|s| s.agents.get(k)?.counters.get("cycles").copied());
        let rate = rate.map_or_else(|| "-".into(), |r| short(r as u64));
        let (beat, style) = match a.counters["phase"] {
            2 => ("ended".into(), theme.warn()),
            3 => ("FAILED".into(), theme.bad()),
            _ => (span(age), Style::new()),
        };
        Row::new([a.name.clone(), format!("{beat:>8}"), format!("{rate:>6}")]).style(style)
    };
    let title = format!("AGENTS {}", s.agents.len());
    let header = Row::new([title, format!("{:>8}", "BEAT"), format!("{:>6}", "CYC/S")]).style(theme.title());
    let widths = [Constraint::Length(16), Constraint::Length(8), Constraint::Length(6)];
    frame.render_widget(Table::new(all.into_iter().map(row), widths).header(header), area);
}

fn draw_latency(frame: &mut Frame<'_>, area: Rect, w: &Watched, live: &Live, theme: Theme) {
    let [numbers, curve] = Layout::vertical([Constraint::Fill(1), Constraint::Length(2)]).areas(area);
    // The parts of the way, and the whole of it last.
    let stages = ["decode", "book", "strategy_risk", "tick_to_order"];
    let rows = stages.map(|name| {
        let p = live.snapshot.latency_ns.get(name).copied().unwrap_or_default();
        let cell = |ns: u64| if p.n == 0 { "-".into() } else { span(Nanos(ns)) };
        let cells = [p.p50, p.p99, p.p999].map(|ns| format!("{:>9}", cell(ns)));
        Row::new(std::iter::once(name.to_owned()).chain(cells))
    });
    let header = Row::new([
        "LATENCY".into(),
        format!("{:>9}", "p50"),
        format!("{:>9}", "p99"),
        format!("{:>9}", "p99.9"),
    ]);
    let widths =
        [Constraint::Length(14), Constraint::Length(9), Constraint::Length(9), Constraint::Length(9)];
    frame.render_widget(Table::new(rows, widths).header(header.style(theme.title())), numbers);
    let of_orders = STAGES.len() - 1;
    let points: Vec<u64> = w.history.recent().iter().map(|p| p.stages[of_orders].p99).collect();
    let shown = points.len().saturating_sub(usize::from(curve.width.saturating_sub(14)));
    let [name, curve] = Layout::horizontal([Constraint::Length(14), Constraint::Fill(1)]).areas(curve);
    frame.render_widget(Paragraph::new("tick to order\np99, 1 s"), name);
    frame.render_widget(Sparkline::default().data(&points[shown..]).style(theme.good()), curve);
}

fn draw_held(frame: &mut Frame<'_>, area: Rect, live: &Live, theme: Theme) {
    let s = &live.snapshot;
    let mut all: Vec<_> = s.instruments.iter().collect();
    all.sort_by_key(|i| (i.position == 0, i.fills == 0));
    let rows = all.iter().map(|i| lists::book_row(i, theme));
    let table = Table::new(rows, lists::BOOK_WIDTHS).header(lists::book_header("BOOKS", all.len(), theme));
    frame.render_widget(table, area);
}

fn draw_happened(frame: &mut Frame<'_>, area: Rect, w: &Watched, theme: Theme) {
    let room = usize::from(area.height.saturating_sub(1));
    let mut lines = vec![Line::styled("EVENTS (6 shows all)", theme.title())];
    lines.extend(w.events.of(Kind::Event).rev().take(room).map(|e| lists::event_line(e, theme)));
    frame.render_widget(Paragraph::new(lines), area);
}
