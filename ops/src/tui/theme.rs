//! Colours, or none: whoever sets NO_COLOR (no-color.org) or cannot tell red from green reads the same words.

use ratatui::style::{Color, Modifier, Style};

/// Which styles are used.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    has_colours: bool,
}

impl Theme {
    /// With colours or without.
    #[must_use]
    pub const fn new(has_colours: bool) -> Theme {
        Theme { has_colours }
    }

    /// Without where NO_COLOR is set to anything.
    #[must_use]
    pub fn from_environment() -> Theme {
        Theme::new(std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()))
    }

    fn of(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// What is well.
    #[must_use]
    pub fn good(self) -> Style {
        self.of(Color::Green)
    }

    /// What wants a look.
    #[must_use]
    pub fn warn(self) -> Style {
        self.of(Color::Yellow)
    }

    /// What wants a hand.
    #[must_use]
    pub fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Titles.
    #[must_use]
    pub fn title(self) -> Style {
        self.of(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What is chosen.
    #[must_use]
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A gain or a loss.
    #[must_use]
    pub fn sign(self, v: f64) -> Style {
        if v < 0.0 {
            self.bad()
        } else if v > 0.0 {
            self.good()
        } else {
            Style::new()
        }
    }

    /// A share of a limit.
    #[must_use]
    pub fn share(self, share: f64) -> Style {
        if share >= 0.9 {
            self.bad()
        } else if share >= 0.75 {
            self.warn()
        } else {
            self.good()
        }
    }
}
