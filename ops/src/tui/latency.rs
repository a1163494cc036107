//! Percentiles and a curve of each stage, and the equity curve.
//!
//! Percentiles are of everything since the start; a curve has the 99th percentile of each second, the newest on the right.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

use super::app::App;
use super::theme::Theme;
use crate::history::{Point, STAGES};
use crate::view::{short, span, usd};
use crate::watch::{Live, Watched};
use model::Nanos;

/// Columns of a stage's numbers.
const NUMBERS: u16 = 56;

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, w: &Watched, live: &Live, theme: Theme) {
    let shown: Vec<usize> = (0..STAGES.len()).filter(|k| app.admits(STAGES[*k])).collect();
    // Two rows each where there is room: a curve of two rows has sixteen steps.
    let rows = if usize::from(area.height) >= 2 * shown.len() + 5 { 2 } else { 1 };
    let stages = Constraint::Length(rows * shown.len() as u16);
    let [header, stages, _, equity] =
        Layout::vertical([Constraint::Length(1), stages, Constraint::Length(1), Constraint::Fill(1)])
            .areas(area);
    let titles = format!(
        "{:<14}{:>9}{:>9}{:>9}{:>9}{:>6}  p99, each second",
        "LATENCY", "p50", "p99", "p99.9", "max", "n"
    );
    frame.render_widget(Line::styled(titles, theme.title()), header);
    let places = Layout::vertical(shown.iter().map(|_| Constraint::Length(rows))).split(stages);
    for (k, place) in shown.into_iter().zip(places.iter()) {
        let [numbers, curve] =
            Layout::horizontal([Constraint::Length(NUMBERS + 1), Constraint::Fill(1)]).areas(*place);
        let p = live.snapshot.latency_ns.get(STAGES[k]).copied().unwrap_or_default();
        let cell = |ns: u64| if p.n == 0 { "-".into() } else { span(Nanos(ns)) };
        let [p50, p99, p999, max] = [p.p50, p.p99, p.p999, p.max].map(cell);
        let line = format!("{:<14}{p50:>9}{p99:>9}{p999:>9}{max:>9}{:>6}", STAGES[k], short(p.n));
        frame.render_widget(Line::from(line), numbers);
        let points = newest(w, curve.width, |p| p.stages[k].p99);
        frame.render_widget(Sparkline::default().data(points).style(theme.good()), curve);
    }
    draw_equity(frame, equity, w, theme);
}

fn newest(w: &Watched, width: u16, of: impl Fn(&Point) -> u64) -> Vec<u64> {
    let points = w.history.recent();
    points.iter().skip(points.len().saturating_sub(usize::from(width))).map(of).collect()
}

/// Profit and loss over the last minutes, from the lowest that is shown.
fn draw_equity(frame: &mut Frame<'_>, area: Rect, w: &Watched, theme: Theme) {
    if area.height < 2 {
        return;
    }
    let all = w.history.recent();
    let skipped = all.len().saturating_sub(usize::from(area.width));
    let values: Vec<f64> = all.iter().skip(skipped).filter_map(|p| p.pnl).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let told = match values.last() {
        Some(now) => format!("EQUITY  {} USD, from {} to {}", usd(*now), usd(low), usd(high)),
        None => "EQUITY  nothing yet".into(),
    };
    let [title, curve] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(Line::styled(told, theme.title())), title);
    // In cents above the lowest; one more, so that the lowest is seen.
    let points: Vec<u64> = values.iter().map(|v| ((v - low) * 100.0) as u64 + 1).collect();
    frame.render_widget(Sparkline::default().data(points).style(theme.good()), curve);
}
