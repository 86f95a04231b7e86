//! A terminal in memory.
#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::TermLike;

/// Columns.
pub(super) const WIDTH: usize = 80;

/// What a terminal shows, without colors and without an end below.
#[derive(Clone, Debug, Default)]
pub(super) struct Terminal(Arc<Mutex<Cells>>);

#[derive(Debug, Default)]
struct Cells {
    rows: Vec<Vec<char>>,
    row: usize,
    /// Behind the last column after a character there: the next one goes into the next row, unless the cursor is moved.
    column: usize,
}

impl Terminal {
    /// The rows without what is blank at their ends, up to the last that shows something.
    pub(super) fn contents(&self) -> String {
        let text: Vec<String> = self.cells().rows.iter().map(|row| row.iter().collect()).collect();
        let rows: Vec<&str> = text.iter().map(|row| row.trim_end()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.0.lock().unwrap()
    }
}

impl Cells {
    fn row(&mut self) -> &mut Vec<char> {
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, vec![' '; WIDTH]);
        }
        &mut self.rows[self.row]
    }

    fn put(&mut self, character: char) {
        match character {
            '\r' => self.column = 0,
            '\n' => (self.row, self.column) = (self.row + 1, 0),
            _ => {
                if self.column == WIDTH {
                    self.put('\n');
                }
                let column = self.column;
                self.row()[column] = character;
                self.column += 1;
            }
        }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        WIDTH as u16
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        let mut cells = self.cells();
        cells.row = cells.row.saturating_sub(rows);
        Ok(())
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        self.cells().row += rows;
        Ok(())
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        let mut cells = self.cells();
        cells.column = (cells.column + columns).min(WIDTH - 1);
        Ok(())
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        let mut cells = self.cells();
        cells.column = cells.column.saturating_sub(columns);
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str("\r\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut cells = self.cells();
        console::strip_ansi_codes(text).chars().for_each(|character| cells.put(character));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut cells = self.cells();
        cells.column = 0;
        cells.row().fill(' ');
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_row_that_is_full_goes_on_in_the_next_unless_the_cursor_returns() {
    let terminal = Terminal::default();
    let full = "x".repeat(WIDTH);
    terminal.write_str(&full).unwrap();
    terminal.write_str("\ryy").unwrap();
    assert_eq!(terminal.contents(), format!("yy{}", &full[2..]));
    terminal.write_line(&full[2..]).unwrap();
    terminal.write_str("\u{1b}[31mz\u{1b}[0m").unwrap();
    terminal.move_cursor_up(1).unwrap();
    terminal.clear_line().unwrap();
    assert_eq!(terminal.contents(), "\nz");
}
