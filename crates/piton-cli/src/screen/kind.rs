//! Which kind of screen is wanted, for a few downloads as for a list.

use std::io::{self, IsTerminal};

use crate::args::OutputOptions;
use crate::environment::Environment;

/// What there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For programs.
    Json,
    /// Failures only.
    Quiet,
    /// On a terminal that can be drawn on.
    Bars { colours: bool },
    /// Lines, where nobody watches.
    Plain,
}

impl Kind {
    /// After the options and the terminal.
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
