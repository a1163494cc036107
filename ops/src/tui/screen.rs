//! The whole screen: a head with the core and how trading stands, the views' titles, the view, and a foot with the keys.

use model::Nanos;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::app::{App, View};
use super::theme::Theme;
use super::{latency, lists, overview};
use crate::view::{span, state_words, time_of_day, usd};
use crate::watch::{Live, Watched};

const HELP: [&str; 10] = [
    "1..6, Tab   views",
    "n N < >     next core, the one before",
    "a           attach to every living core",
    "d           detach from this one",
    "/           filter rows, Esc drops it",
    "p, space    pause",
    "j k, arrows scroll, Home to the top",
    "?           these keys",
    "q, Ctrl-C   quit",
    "Nothing here tells a core anything.",
];

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme) {
    let [head, titles, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, app, theme);
    draw_titles(frame, titles, app, theme);
    match app.core().map(|w| (w, &w.last.found)) {
        None => told(
            frame,
            body,
            "No core is attached: press a, or start colo-monitor with --name.",
            Style::new(),
        ),
        Some((w, Err(down))) => told(frame, body, &down.sentence(&w.name), theme.bad()),
        Some((w, Ok(live))) => match app.view {
            View::Overview => overview::draw(frame, body, w, live, theme),
            View::Agents => lists::agents(frame, body, app, w, live, theme),
            View::Latency => latency::draw(frame, body, app, w, live, theme),
            View::Books => lists::books(frame, body, app, live, theme),
            View::Orders => lists::orders(frame, body, app, w, live, theme),
            View::Events => lists::events(frame, body, app, w, theme),
        },
    }
    draw_foot(frame, foot, app, theme);
    if app.has_help {
        draw_help(frame, body, theme);
    }
}

/// One sentence in place of a view.
fn told(frame: &mut Frame<'_>, area: Rect, sentence: &str, style: Style) {
    let [_, area] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(sentence).style(style).wrap(Wrap { trim: true }), area);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let Some(w) = app.core() else { return };
    let clock = time_of_day(w.last.at);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(13)]).areas(area);
    let name = Span::styled(format!("colo {}", w.name), theme.title());
    let line = match &w.last.found {
        Ok(live) => fitting(name, trading(w, live, theme), left.width),
        Err(down) => Line::from(vec![name, Span::styled(format!("  DOWN ({})", down.word()), theme.bad())]),
    };
    frame.render_widget(line, left);
    frame.render_widget(Line::from(clock).right_aligned(), right);
}

/// The parts of the head, by how much they are missed.
type Parts = [(u8, Vec<Span<'static>>); 4];

/// As many parts as fit, the least missed left out first: half a number would be another number.
fn fitting(name: Span<'static>, mut parts: Parts, width: u16) -> Line<'static> {
    for least in 1..=u8::MAX {
        let line: Line<'static> =
            std::iter::once(name.clone()).chain(parts.iter().flat_map(|(_, p)| p.iter().cloned())).collect();
        if line.width() <= usize::from(width) || parts.iter().all(|(_, p)| p.is_empty()) {
            return line;
        }
        parts.iter_mut().filter(|(missed, _)| *missed == least).for_each(|(_, p)| p.clear());
    }
    Line::from(name)
}

fn trading(w: &Watched, live: &Live, theme: Theme) -> Parts {
    let s = &live.snapshot;
    let up = span(w.last.at.since(Nanos(s.started_ns)));
    let since =
        [(1, vec![Span::raw(format!("  pid {}", s.pid))]), (2, vec![Span::raw(format!("  up {up}"))])];
    let [pid, up] = since;
    let Some(r) = &s.risk else {
        return [pid, up, (4, vec![Span::raw("  being written, look again")]), (3, Vec::new())];
    };
    let words = state_words(s).unwrap_or_default();
    let style = if words == "trading enabled" { theme.good() } else { theme.bad() };
    let pnl = Span::styled(format!("{} USD", usd(r.pnl)), theme.sign(r.pnl));
    let paper = Span::raw(if s.mode == "paper" { "  ON PAPER" } else { "" });
    [
        pid,
        up,
        (4, vec![paper, Span::raw("  "), Span::styled(words, style)]),
        (3, vec![Span::raw("  P&L "), pnl]),
    ]
}

fn draw_titles(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let mut spans = Vec::new();
    for (k, view) in View::ALL.iter().enumerate() {
        let style = if *view == app.view { theme.chosen() } else { Style::new() };
        spans.push(Span::styled(format!(" {} {} ", k + 1, view.title()), style));
    }
    if let (place, all @ 2..) = app.place() {
        spans.push(Span::raw(format!("  core {place}/{all}")));
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let line = if app.is_typing {
        Line::from(format!("filter: {}_  Enter keeps it, Esc drops it", app.filter))
    } else if app.is_paused {
        let since = app.core().map_or_else(String::new, |w| format!(" since {}", time_of_day(w.last.at)));
        Line::styled(format!("PAUSED{since}: what is shown is not now. p goes on"), theme.warn())
    } else if app.filter.is_empty() {
        Line::from("q quit  1-6 view  n core  / filter  p pause  a attach  d detach  ? keys")
    } else {
        Line::styled(format!("filtered by {:?}  Esc shows all", app.filter), theme.warn())
    };
    frame.render_widget(line, area);
}

fn draw_help(frame: &mut Frame<'_>, body: Rect, theme: Theme) {
    let (width, height) = (44.min(body.width), (HELP.len() as u16 + 2).min(body.height));
    let area = Rect::new(body.x + (body.width - width) / 2, body.y, width, height);
    frame.render_widget(Clear, area);
    let block = Block::bordered().title("Keys").title_style(theme.title());
    frame.render_widget(Paragraph::new(HELP.map(Line::from).to_vec()).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;
    use crate::life::Down;
    use crate::specimen;
    use crate::watch::Reading;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};
    use std::io::Write;

    /// A core that was looked at twice a second apart, with something on its tape.
    fn watched() -> Watched {
        let mut before = specimen::reading(specimen::trading());
        let live = before.found.as_mut().unwrap();
        for a in &mut live.snapshot.agents {
            *a.counters.get_mut("cycles").unwrap() -= 50_000;
        }
        *live.snapshot.feeds[0].counters.get_mut("messages").unwrap() -= 4_000;
        before.at = Nanos(before.at.0 - 1_000_000_000);
        let mut w = Watched::of(before);
        w.take(specimen::reading(specimen::trading()));
        let run = tempfile::tempdir().unwrap();
        let mut log = std::fs::File::create(run.path().join("log.jsonl")).unwrap();
        for (at, level, message, rest) in [
            ("59.100", "info", "session ready", r#""colo.gateway":"g1""#),
            ("59.200", "warn", "feed gap", r#""colo.feed":"f1","from":7,"to":9"#),
            (
                "59.300",
                "debug",
                "order sent",
                r#""kind":"new","symbol":"AAPL","side":"B","qty":100,"px":"99.9800""#,
            ),
            ("59.400", "info", "fill", r#""qty":100,"px":"99.9800""#),
        ] {
            writeln!(
                log,
                r#"{{"@timestamp":"2026-01-01T08:59:{at}000000Z","log.level":"{level}","message":"{message}",{rest}}}"#
            )
            .unwrap();
        }
        w.events = Events::default();
        w.events.look(run.path());
        w
    }

    fn shown(app: &App, width: u16, height: u16, theme: Theme) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app, theme)).unwrap();
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(width));
        rows.map(|row| row.iter().map(|c| c.symbol()).collect::<String>().trim_end().to_owned() + "\n")
            .collect()
    }

    #[test]
    fn every_view_at_80_by_24_and_at_120_by_40() {
        for (width, height) in [(80, 24), (120, 40)] {
            for (k, view) in View::ALL.iter().enumerate() {
                let mut app = App::of(vec![watched()]);
                app.receipts =
                    crate::receipts::tests::of((0..200).map(|k| 2_000 + k * 37 % 900 + k / 50 * 400));
                app.key(KeyEvent::from(KeyCode::Char(char::from(b'1' + k as u8))));
                let text = shown(&app, width, height, Theme::new(true));
                insta::assert_snapshot!(format!("{}_{width}x{height}", view.title().to_lowercase()), text);
            }
        }
    }

    #[test]
    fn no_number_of_the_head_is_cut() {
        for pnl in [2.5, -9_520.88, -123_456_789.0] {
            let mut s = specimen::trading();
            s.name = "n".repeat(32);
            (s.pid, s.risk.as_mut().unwrap().pnl) = (4_194_304, pnl);
            let app = App::of(vec![Watched::of(specimen::reading(s))]);
            for width in 40..=120 {
                let head = shown(&app, width, 24, Theme::new(true)).lines().next().unwrap().to_owned();
                assert!(!head.contains("P&L") || head.contains(&format!("{} USD", usd(pnl))), "{head}");
                assert!(!head.contains("pid") || head.contains("pid 4194304  up"), "{head}");
                assert!(width < 70 || head.contains("trading enabled"), "{head}");
            }
        }
    }

    #[test]
    fn what_is_not_now_is_said_so() {
        let mut app = App::of(vec![watched()]);
        app.key(KeyEvent::from(KeyCode::Char('p')));
        assert!(
            shown(&app, 80, 24, Theme::new(true))
                .contains("PAUSED since 09:00:00 UTC: what is shown is not now")
        );
        type Told = (fn() -> Down, &'static str);
        let downs: [Told; 4] = [
            (|| Down::Absent, "is not running"),
            (|| Down::OtherLayout { found: 3, expected: 4 }, "was built with layout 3"),
            (|| Down::Ended { pid: 9, age: Nanos(5) }, "its process 9 is gone"),
            (
                || Down::Silent { agents: vec![("strategy".into(), Nanos(7_000_000_000))] },
                "no heartbeat of strategy",
            ),
        ];
        for (down, words) in downs {
            let mut w = watched();
            w.take(Reading { name: "desk1".into(), at: specimen::NOW, found: Err(down()) });
            let mut app = App::of(vec![w]);
            for view in '1'..='6' {
                app.key(KeyEvent::from(KeyCode::Char(view)));
                let text = shown(&app, 80, 24, Theme::new(false));
                assert!(text.contains(words) && text.contains("DOWN"), "{text}");
                assert!(!text.contains("AAPL") && !text.contains("P&L"), "nothing stale: {text}");
            }
        }
    }

    #[test]
    fn without_colours_there_are_none() {
        let mut s = specimen::trading();
        s.risk.as_mut().unwrap().pnl = -950.0;
        let app = App::of(vec![Watched::of(specimen::reading(s))]);
        let colours = |theme| {
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
            terminal.draw(|frame| draw(frame, &app, theme)).unwrap();
            let reset = ratatui::style::Color::Reset;
            terminal.backend().buffer().content().iter().filter(|c| c.fg != reset || c.bg != reset).count()
        };
        assert_eq!(colours(Theme::new(false)), 0);
        assert!(colours(Theme::new(true)) > 0);
    }

    #[test]
    fn it_fits_whatever_there_is_and_whatever_the_terminal() {
        for number in [0, 1, i64::MAX as u64, u64::MAX] {
            for many in [0, 1, 16, 300] {
                let mut app = App::of(vec![Watched::of(specimen::reading(specimen::core(many, number)))]);
                for view in '1'..='6' {
                    app.key(KeyEvent::from(KeyCode::Char(view)));
                    app.scroll = many;
                    for (width, height) in [(1, 1), (20, 5), (80, 24), (200, 60)] {
                        shown(&app, width, height, Theme::new(true));
                    }
                }
            }
        }
    }

    #[test]
    fn a_filter_leaves_rows_out_and_says_so() {
        let mut app = App::of(vec![watched()]);
        for key in "4/msf".chars() {
            app.key(KeyEvent::from(KeyCode::Char(key)));
        }
        app.key(KeyEvent::from(KeyCode::Enter));
        let text = shown(&app, 80, 24, Theme::new(true));
        assert!(
            text.contains("MSFT") && !text.contains("AAPL") && text.contains("filtered by \"msf\""),
            "{text}"
        );
        app.key(KeyEvent::from(KeyCode::Char('?')));
        assert!(shown(&app, 80, 24, Theme::new(true)).contains("Keys"));
    }
}
