//! The monitor's state: which cores are attached, which is shown, by which view, and what keys do.
//!
//! | key | does |
//! |---|---|
//! | `1` to `6`, Tab | the view |
//! | `n`, `N`, arrows left and right | the next core, the one before |
//! | `a` | attaches to every core of this host that lives |
//! | `d` | detaches from the core that is shown |
//! | `/` | a filter: rows that hold the text; Enter keeps it, Esc drops it |
//! | `p`, space | pauses: the screen stands, and says so |
//! | arrows up and down, `j`, `k`, page keys | scroll |
//! | `?` | the keys |
//! | `q`, Ctrl-C | quits |

use std::path::Path;

use colo::telemetry::FOLDER;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::find::{self, CORES_MAX};
use crate::receipts::Receipts;
use crate::watch::{Watched, read};

/// Letters of a filter.
const FILTER_MAX: usize = 40;
/// Rows that a page key moves by.
const PAGE: usize = 10;

/// What is shown of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Something of everything.
    Overview,
    /// Agents and rings.
    Agents,
    /// Percentiles and curves, stage by stage.
    Latency,
    /// Tops of the books, positions, P&L.
    Books,
    /// Open orders and the tape.
    Orders,
    /// What happened.
    Events,
}

impl View {
    /// All, in the order of their keys.
    pub const ALL: [View; 6] =
        [View::Overview, View::Agents, View::Latency, View::Books, View::Orders, View::Events];

    /// Its title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            View::Overview => "Overview",
            View::Agents => "Agents",
            View::Latency => "Latency",
            View::Books => "Books",
            View::Orders => "Orders",
            View::Events => "Events",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct App {
    cores: Vec<Watched>,
    chosen: usize,
    /// What is shown of it.
    pub view: View,
    /// Rows without it are left out, whatever the case.
    pub filter: String,
    /// Keys go to the filter.
    pub is_typing: bool,
    /// Nothing is looked at.
    pub is_paused: bool,
    /// The keys are shown.
    pub has_help: bool,
    /// Rows scrolled by.
    pub scroll: usize,
    /// What the last orders of the core that is shown took, where they are shown.
    pub receipts: Receipts,
    done: bool,
}

impl App {
    /// Attached to these.
    #[must_use]
    pub fn new(names: Vec<String>) -> App {
        App::of(names.iter().map(|name| Watched::of(read(name))).collect())
    }

    /// Attached to what was read elsewhere.
    #[must_use]
    pub fn of(cores: Vec<Watched>) -> App {
        App {
            cores,
            chosen: 0,
            view: View::Overview,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            has_help: false,
            scroll: 0,
            receipts: Receipts::default(),
            done: false,
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The core that is shown; none where all are detached.
    #[must_use]
    pub fn core(&self) -> Option<&Watched> {
        self.cores.get(self.chosen)
    }

    /// Which of how many, from 1.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        (self.chosen + usize::from(!self.cores.is_empty()), self.cores.len())
    }

    /// Looks at every core, those that are not shown too: their curves go on.
    pub fn look(&mut self) {
        if !self.is_paused {
            self.cores.iter_mut().for_each(Watched::look);
            self.look_at_orders();
        }
    }

    /// Reads the journal on, where what it says of single orders is shown.
    fn look_at_orders(&mut self) {
        let live = self.cores.get(self.chosen).and_then(|w| w.last.live());
        if self.view == View::Orders
            && let Some(run) = live.and_then(|l| l.snapshot.run.as_deref())
        {
            self.receipts.look(run);
        }
    }

    /// Whether a row is to be shown.
    #[must_use]
    pub fn admits(&self, row: &str) -> bool {
        self.filter.is_empty() || row.to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.done |= key.code == KeyCode::Char('c');
            return;
        }
        if self.is_typing {
            return self.type_filter(key.code);
        }
        match key.code {
            KeyCode::Char('q') => self.done = true,
            KeyCode::Char('?') => self.has_help = !self.has_help,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => {
                self.filter.clear();
                self.has_help = false;
            }
            KeyCode::Char(c @ '1'..='6') => self.show(View::ALL[c as usize - '1' as usize]),
            KeyCode::Tab => self.turn_view(1),
            KeyCode::BackTab => self.turn_view(View::ALL.len() - 1),
            KeyCode::Char('n') | KeyCode::Right => self.turn_core(1),
            KeyCode::Char('N') | KeyCode::Left => self.turn_core(self.cores.len().saturating_sub(1)),
            KeyCode::Char('a') => self.attach(),
            KeyCode::Char('d') => self.detach(),
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER_MAX => self.filter.push(c),
            _ => {}
        }
        self.scroll = 0;
    }

    fn show(&mut self, view: View) {
        (self.view, self.scroll) = (view, 0);
        self.look_at_orders();
    }

    fn turn_view(&mut self, by: usize) {
        let at = View::ALL.iter().position(|v| *v == self.view).unwrap_or(0);
        self.show(View::ALL[(at + by) % View::ALL.len()]);
    }

    fn turn_core(&mut self, by: usize) {
        if !self.cores.is_empty() {
            (self.chosen, self.scroll) = ((self.chosen + by) % self.cores.len(), 0);
            // Nothing of the core before is shown as if it were of this one.
            self.look_at_orders();
        }
    }

    fn attach(&mut self) {
        for name in find::names(Path::new(FOLDER)).unwrap_or_default() {
            if self.cores.len() < CORES_MAX && !self.cores.iter().any(|w| w.name == name) {
                let reading = read(&name);
                if reading.live().is_some() {
                    self.cores.push(Watched::of(reading));
                }
            }
        }
    }

    fn detach(&mut self) {
        if self.chosen < self.cores.len() {
            self.cores.remove(self.chosen);
            self.chosen = self.chosen.min(self.cores.len().saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;

    fn app() -> App {
        let named = |name: &str| {
            let mut s = specimen::trading();
            s.name = name.into();
            Watched::of(specimen::reading(s))
        };
        App::of(vec![named("one"), named("two")])
    }

    fn keys(app: &mut App, keys: &str) {
        keys.chars().for_each(|c| app.key(KeyEvent::from(KeyCode::Char(c))));
    }

    #[test]
    fn keys_turn_views_and_cores() {
        let mut app = app();
        keys(&mut app, "5jj");
        assert_eq!((app.view, app.scroll), (View::Orders, 2));
        app.key(KeyEvent::from(KeyCode::Tab));
        app.key(KeyEvent::from(KeyCode::Tab));
        assert_eq!((app.view, app.scroll), (View::Overview, 0), "round and round");
        app.key(KeyEvent::from(KeyCode::BackTab));
        assert_eq!(app.view, View::Events);
        keys(&mut app, "n");
        assert_eq!((app.core().unwrap().name.as_str(), app.place()), ("two", (2, 2)));
        keys(&mut app, "nN");
        assert_eq!(app.place(), (2, 2));
    }

    #[test]
    fn the_last_core_can_be_left_too() {
        let mut app = app();
        keys(&mut app, "nd");
        assert_eq!(app.core().unwrap().name, "one");
        keys(&mut app, "dddnN");
        assert!(app.core().is_none());
        assert_eq!(app.place(), (0, 0));
    }

    #[test]
    fn a_filter_is_typed_and_quits_nothing() {
        let mut app = app();
        keys(&mut app, "/qAp");
        assert!(app.is_typing && !app.is_done() && !app.is_paused);
        assert!(app.admits("xQaPx") && !app.admits("qp"));
        app.key(KeyEvent::from(KeyCode::Enter));
        keys(&mut app, "p");
        assert!(app.is_paused && app.filter == "qAp");
        app.key(KeyEvent::from(KeyCode::Esc));
        assert!(app.admits("anything"));
        keys(&mut app, &format!("/{}", "x".repeat(100)));
        assert_eq!(app.filter.len(), FILTER_MAX);
    }

    #[test]
    fn a_pause_stands_still() {
        let mut app = app();
        keys(&mut app, " ");
        app.look();
        assert!(app.core().unwrap().last.live().is_some(), "these cores are nowhere: a look would say so");
        keys(&mut app, " ");
        app.look();
        assert!(app.core().unwrap().last.live().is_none());
    }

    #[test]
    fn it_ends_by_q_or_by_control_c() {
        for key in
            [KeyEvent::from(KeyCode::Char('q')), KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)]
        {
            let mut app = app();
            app.key(key);
            assert!(app.is_done());
        }
    }
}
