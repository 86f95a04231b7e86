//! What a terminal shows: a bar, and rows of text under it that belong to one owner or to several.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use console::{Term, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::Screen;
use super::to_stderr;

/// Times that the terminal is written to in a second, at most.
const HERTZ: u8 = 10;

/// Terminals narrower than this get no bar, which would break over two lines.
const BAR_FROM: usize = 72;

/// One drawing of all of it, so that rows never wait for each other's turn to be drawn.
#[derive(Debug)]
pub(super) struct View {
    pub(super) bar: ProgressBar,
    width: fn() -> usize,
    rows: Mutex<BTreeMap<u64, Vec<String>>>,
    owners: AtomicU64,
}

impl View {
    /// Draws on stderr.
    pub(super) fn on_terminal() -> Self {
        let screen = Box::new(Screen::stderr());
        Self::on(ProgressDrawTarget::term_like_with_hz(screen, HERTZ), columns)
    }

    /// `width` says how many columns the target has now.
    pub(super) fn on(target: ProgressDrawTarget, width: fn() -> usize) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        let template = if width() < BAR_FROM {
            "{prefix} {pos}/{len}\n{msg}"
        } else {
            "{prefix} {bar:24} {pos}/{len} {eta_precise} left\n{msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::of(bar, width)
    }

    /// Draws nothing.
    pub(super) fn hidden() -> Self {
        Self::of(ProgressBar::hidden(), columns)
    }

    fn of(bar: ProgressBar, width: fn() -> usize) -> Self {
        Self {
            bar,
            width,
            rows: Mutex::new(BTreeMap::new()),
            owners: AtomicU64::new(0),
        }
    }

    /// Something long begins. From now on what an update left undrawn, because it came too early, is drawn soon after.
    pub(super) fn begin(&self, prefix: String, done: usize, total: usize) {
        self.bar.reset();
        self.bar.set_prefix(prefix);
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if !self.bar.is_hidden() {
            self.bar
                .enable_steady_tick(Duration::from_millis(1000 / u64::from(HERTZ)));
        }
    }

    /// Clears what is drawn.
    pub(super) fn finish(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    /// Prints a text above what is drawn.
    pub(super) fn println(&self, text: &str) {
        // A bar of no length was never drawn, and should not be for this.
        if self.bar.is_finished() || self.bar.length().is_none() {
            to_stderr(text);
        } else {
            self.bar.println(text);
        }
    }

    /// A place for rows, below those that are there.
    pub(super) fn new_owner(&self) -> u64 {
        self.owners.fetch_add(1, Ordering::Relaxed)
    }

    /// Puts these rows in the place of the owner's former ones. What is longer than the terminal is wide is cut.
    pub(super) fn show(&self, owner: u64, rows: Vec<String>) {
        let mut all = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if rows.is_empty() {
            all.remove(&owner)
        } else {
            all.insert(owner, rows)
        };
        if before.as_ref() != all.get(&owner) {
            let width = (self.width)();
            let cut = all.values().flatten().map(|row| truncate_str(row, width, "…"));
            self.bar.set_message(cut.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Columns of the terminal that stderr is.
fn columns() -> usize {
    usize::from(Term::stderr().size().1)
}
