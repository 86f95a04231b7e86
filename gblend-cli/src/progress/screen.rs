//! The terminal, with the cursor where an echoed `^C` does no harm.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Stderr, written to when a drawing is whole.
#[derive(Debug)]
pub(super) struct Screen(Term);

impl Screen {
    pub(super) fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    /// A drawing ends behind the last column of its last line. From there the two characters that a terminal shows for
    /// Ctrl-C would begin another line, and the next drawing would start one line too low; one column before, they just
    /// fit.
    fn flush(&self) -> io::Result<()> {
        self.0.move_cursor_left(1)?;
        self.0.flush()
    }
}
