//! One view for several runs beside each other.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::view::View;
use super::{Reporter, Style, to_stderr};

/// Tells the user how far several runs are: a bar over all of them, and a row for each that is under way. Elsewhere than
/// on a terminal, a line for each that is done.
#[derive(Debug)]
pub struct Board {
    style: Style,
    view: Arc<View>,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Board {
    /// A view if stderr is a terminal, lines if not, warnings alone if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let style = Style::of(quiet, std::io::stderr().is_terminal());
        Self::with(style, style.view())
    }

    pub(super) fn with(style: Style, view: View) -> Self {
        Self {
            style,
            view: Arc::new(view),
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
        }
    }

    /// There are so many runs, of which so many are done already.
    pub fn overall(&self, done: usize, total: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        if self.style == Style::Bar {
            self.view.begin("runs".into(), done, total);
        }
    }

    /// The reporter of a run that begins: a row on a terminal, until the reporter finishes or is dropped. Elsewhere it
    /// says nothing but warnings, which name the run.
    pub fn cell(&self, label: &str) -> Reporter {
        let style = match self.style {
            Style::Bar => Style::Row,
            Style::Row | Style::Lines | Style::Quiet => Style::Quiet,
        };
        Reporter::with(style, Arc::clone(&self.view), Some(label.to_owned()))
    }

    /// A run is done, or will never be: `result` says how.
    pub fn cell_done(&self, label: &str, result: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match self.style {
            Style::Bar => self.view.bar.inc(1),
            Style::Lines => {
                let total = self.total.load(Ordering::Relaxed);
                to_stderr(&format!("{done}/{total} {label}: {result}"));
            }
            Style::Row | Style::Quiet => {}
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match self.style {
            Style::Bar => self.view.println(text),
            Style::Lines => to_stderr(text),
            Style::Row | Style::Quiet => {}
        }
    }

    /// Something that did no harm, but that the user should know.
    pub fn warn(&self, text: &str) {
        self.notice(&format!("warning: {text}"));
    }

    /// Something that the user must know, however quiet.
    pub fn notice(&self, text: &str) {
        match self.style {
            Style::Bar => self.view.println(text),
            Style::Row | Style::Lines | Style::Quiet => to_stderr(text),
        }
    }

    /// Nothing is in progress any more.
    pub fn finish(&self) {
        self.view.finish();
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.finish();
    }
}
