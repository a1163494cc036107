//! The terminal monitor: what `colo-monitor` shows where stdout is a terminal.
//!
//! ```text
//!   keys --> app: which core, which view, filter, pause --draw--> screen (ratatui), 80 x 24 and up
//!   cores, once a second (watch) --/
//! ```
//!
//! * [`app`]: the state and what keys do to it; no terminal in it.
//! * `screen`: head, foot and the view that is chosen; `overview`, `lists`, `latency` are the views.
//! * [`theme`]: colours, or none (NO_COLOR).
//!
//! It is read-only like all of this crate: there is no key that tells a core anything.

pub mod app;
mod latency;
mod lists;
mod overview;
pub mod screen;
pub mod theme;

use std::io;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};

use app::App;
use theme::Theme;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// Shows these cores until somebody quits. The terminal is put back however this ends.
///
/// # Errors
/// The terminal's.
pub fn run(names: Vec<String>) -> io::Result<()> {
    let theme = Theme::from_environment();
    let mut app = App::new(names);
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, &mut app, theme);
    ratatui::restore();
    shown
}

fn show(terminal: &mut ratatui::DefaultTerminal, app: &mut App, theme: Theme) -> io::Result<()> {
    let mut looked = Instant::now();
    app.look();
    loop {
        terminal.draw(|frame| screen::draw(frame, app, theme))?;
        if event::poll(EVERY.saturating_sub(looked.elapsed()))? {
            if let Event::Key(key) = event::read()? {
                app.key(key);
            }
        } else {
            looked = Instant::now();
            app.look();
        }
        if app.is_done() {
            return Ok(());
        }
        // Keys held down do not stop the looks.
        if looked.elapsed() >= EVERY {
            looked = Instant::now();
            app.look();
        }
    }
}
