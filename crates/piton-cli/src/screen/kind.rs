//! The kind of screen to show, for a few downloads or a list.

use std::io::{self, IsTerminal};

use crate::args::OutputOptions;
use crate::environment::Environment;

/// The kinds of screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For programs.
    Json,
    /// Failures only.
    Quiet,
    /// On a terminal that can be drawn on.
    Bars { colours: bool },
    /// Lines, if no one is watching.
    Plain,
}

impl Kind {
    /// From the options and the terminal.
    pub(super) fn of(output: OutputOptions, environment: &Environment) -> Self {
        if output.json {
            Self::Json
        } else if output.quiet {
            Self::Quiet
        } else if io::stderr().is_terminal() && environment.can_draw() {
            Self::Bars { colours: environment.colours() }
        } else {
            Self::Plain
        }
    }
}
