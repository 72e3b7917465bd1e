//! The lines at the bottom of a terminal that change in place, with everything that has ended above them.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All lines together: the screens lay them out, the library draws and redraws them.
pub(super) struct Block {
    bar: ProgressBar,
}

impl Block {
    pub(super) fn new() -> Self {
        // Faster than the screens draw, so that no frame is skipped.
        let target = ProgressDrawTarget::stderr_with_hz(30);
        let bar = ProgressBar::with_draw_target(None, target);
        // Without a template, there is only the message.
        bar.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or(ProgressStyle::default_spinner()),
        );
        Self { bar }
    }

    /// Replaces the current lines with these.
    pub(super) fn draw(&self, lines: &[String]) {
        self.bar.set_message(lines.join("\n"));
        self.bar.tick();
        home();
    }

    /// Writes a line above the block.
    pub(super) fn print(&self, line: &str) {
        self.print_clean(&crate::out::clean(line));
    }

    /// The same for a line that is clean, and may be coloured.
    pub(super) fn print_clean(&self, line: &str) {
        self.bar.println(line);
        home();
    }

    /// Removes the block.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// The library leaves the cursor at the right edge. There, the `^C` that a terminal echoes would wrap to a
/// new line, and the next frame would leave the topmost line of this one behind.
fn home() {
    let _ = write!(io::stderr(), "\r");
}

/// Columns and rows; asked again each time, since the window may be resized.
pub(super) fn terminal_size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}
