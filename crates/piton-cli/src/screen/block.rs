//! The lines at the foot of a terminal that change in place, with everything that is over above them.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All lines together: the screens lay them out, the library draws and redraws them.
pub(super) struct Block {
    bar: ProgressBar,
}

impl Block {
    pub(super) fn new() -> Self {
        // Faster than the screens draw, so that none of their frames is left out.
        let target = ProgressDrawTarget::stderr_with_hz(30);
        let bar = ProgressBar::with_draw_target(None, target);
        // Without a template there is only the message.
        bar.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or(ProgressStyle::default_spinner()),
        );
        Self { bar }
    }

    /// Puts these lines in the place of those before.
    pub(super) fn draw(&self, lines: &[String]) {
        self.bar.set_message(lines.join("\n"));
        self.bar.tick();
        home();
    }

    /// Writes a line above the block.
    pub(super) fn print(&self, line: &str) {
        self.bar.println(crate::out::clean(line));
        home();
    }

    /// Takes the block away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// The library leaves the cursor at the right edge, where the `^C` that a terminal echoes would go
/// to a line of its own, and the next frame would miss the topmost line of this one.
fn home() {
    let _ = write!(io::stderr(), "\r");
}

/// Columns and rows; asked again each time, since the window may change.
pub(super) fn terminal_size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}
