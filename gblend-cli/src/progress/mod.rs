//! Progress on stderr: a bar and rows of text on a terminal, plain lines elsewhere.

mod board;
mod log;
mod rows;
mod screen;
mod view;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::HumanDuration;

use crate::error::Result;
pub use board::Board;
use log::Log;
pub use rows::HeadProgress;
use view::View;

/// Milliseconds between two updates of the rows.
const BETWEEN_UPDATES: u64 = 100;

/// Tells the user how far a command is.
#[derive(Debug)]
pub struct Reporter {
    style: Style,
    view: Arc<View>,
    /// Which of the view's rows are its own.
    owner: u64,
    /// Of a run beside others.
    label: Option<String>,
    rows: Mutex<Rows>,
    started: Instant,
    last_tenth: AtomicUsize,
    /// Whether the bar is that of training, whatever estimates interrupt it.
    is_training: AtomicBool,
    /// How it shows what the user must know.
    notices: Style,
    /// Whether it shows what the user should know.
    warns: bool,
    /// Milliseconds from `started` to the next update of the rows.
    next_update: AtomicU64,
    /// What is said, shown or not.
    log: Arc<Log>,
    /// Whether it has a say there beside what the user must know.
    logs: bool,
}

/// What the rows were made of last.
#[derive(Debug, Default)]
struct Rows {
    epoch: String,
    heads: Vec<HeadProgress>,
    /// What interrupts training, and how far it is.
    aside: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A bar, and rows under it.
    Bar,
    /// One row under the bar of a board.
    Row,
    /// Lines.
    Lines,
    /// Warnings alone.
    Quiet,
}

impl Style {
    fn of(quiet: bool, terminal: bool) -> Self {
        match (quiet, terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }

    fn view(self) -> View {
        match self {
            Self::Bar | Self::Row => View::on_terminal(),
            Self::Lines | Self::Quiet => View::hidden(),
        }
    }
}

impl Reporter {
    /// A bar and rows if stderr is a terminal, lines if not, warnings alone if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let style = Style::of(quiet, std::io::stderr().is_terminal());
        Self::with(style, Arc::new(style.view()), None)
    }

    /// Shows nothing but what the user must know: for a part of the work that this reporter tells of itself.
    pub fn muted(&self) -> Self {
        let mut muted = Self::with(Style::Quiet, Arc::clone(&self.view), None);
        muted.notices = self.notices;
        muted.warns = false;
        muted.log = Arc::clone(&self.log);
        muted.logs = false;
        muted
    }

    fn with(style: Style, view: Arc<View>, label: Option<String>) -> Self {
        Self {
            style,
            owner: view.new_owner(),
            view,
            label,
            rows: Mutex::default(),
            started: Instant::now(),
            last_tenth: AtomicUsize::new(0),
            is_training: AtomicBool::new(false),
            notices: style,
            warns: true,
            next_update: AtomicU64::new(0),
            log: Arc::default(),
            logs: true,
        }
    }

    /// Keeps what is said from now on, and what was said before, in a file, whether it is shown or not, each with date and time.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write).
    pub fn log_to(&self, path: &Path) -> Result<()> {
        self.log.open(path)
    }

    /// Something that stands in the log alone, because someone else says it.
    pub fn log(&self, text: &str) {
        if self.logs {
            self.log.take(text);
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        self.log(text);
        match self.style {
            Style::Bar => self.view.println(text),
            Style::Lines => to_stderr(text),
            Style::Row | Style::Quiet => {}
        }
    }

    /// Something that did no harm, but that the user should know.
    pub fn warn(&self, text: &str) {
        if !self.warns {
            return;
        }
        match &self.label {
            Some(label) => self.notice(&format!("warning: {label}: {text}")),
            None => self.notice(&format!("warning: {text}")),
        }
    }

    /// Something that the user must know, however quiet.
    pub fn notice(&self, text: &str) {
        self.log.take(text);
        match self.notices {
            Style::Bar | Style::Row => self.view.println(text),
            Style::Lines | Style::Quiet => to_stderr(text),
        }
    }

    /// So many samples of so many are prepared.
    pub fn prepared(&self, done: usize, total: usize) {
        self.went(("preparing", "prepared"), done, total);
    }

    /// The features of so many samples of so many are computed.
    pub fn encoded(&self, done: usize, total: usize) {
        self.went(("encoding", "encoded"), done, total);
    }

    /// So many samples of so many are predicted.
    pub fn predicted(&self, done: usize, total: usize) {
        self.went(("predicting", "predicted"), done, total);
    }

    fn went(&self, (doing, did): (&'static str, &str), done: usize, total: usize) {
        match self.style {
            Style::Bar => {
                self.view.bar.set_prefix(doing);
                self.view.bar.set_length(total as u64);
                self.view.bar.set_position(done as u64);
            }
            Style::Row => {
                if self.update_is_due() {
                    self.update(|rows| rows.epoch = format!("{doing} {done}/{total}"));
                }
            }
            // Lines for what takes long only.
            Style::Lines if self.started.elapsed() > Duration::from_secs(5) => {
                let tenth = 10 * done / total.max(1);
                if self.last_tenth.fetch_max(tenth, Ordering::Relaxed) < tenth {
                    to_stderr(&format!("{did} {done} of {total} samples"));
                }
            }
            Style::Lines | Style::Quiet => {}
        }
    }

    /// All samples are prepared.
    pub fn preparation_done(&self) {
        if self.style == Style::Bar {
            self.view.finish();
        }
    }

    /// Training begins, or goes on with epochs of another length.
    pub fn training(&self, done: usize, epochs: usize, steps: usize) {
        if self.style == Style::Bar {
            self.is_training.store(true, Ordering::Relaxed);
            let (done_steps, all_steps) = (done.saturating_mul(steps), epochs.saturating_mul(steps));
            self.view
                .begin(format!("epoch {done}/{epochs}"), done_steps, all_steps);
        }
    }

    /// A step is done.
    pub fn step(&self, epoch: usize, epochs: usize, heads: impl FnOnce() -> Vec<HeadProgress>) {
        if self.style == Style::Bar {
            self.view.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            self.view.bar.inc(1);
        }
        if self.update_is_due() {
            self.update(|rows| {
                rows.epoch = format!("epoch {epoch}/{epochs}");
                rows.heads = heads();
            });
        }
    }

    /// Probes have trained for so many epochs of at most so many.
    pub fn probing(&self, done: usize, most: usize) {
        self.aside("probing", done, most);
    }

    /// The networks of a pool's folds have trained for so many epochs of so many.
    pub fn cross_fitting(&self, done: usize, all: usize) {
        self.aside("folds", done, all);
    }

    fn aside(&self, what: &'static str, done: usize, most: usize) {
        if self.style == Style::Bar && !self.is_training.load(Ordering::Relaxed) {
            match done {
                0 => self.view.begin(what.into(), 0, most),
                _ => {
                    self.view.bar.set_length(most as u64);
                    self.view.bar.set_position(done as u64);
                }
            }
            return;
        }
        // The first one and the last one, and no more than can be read between them.
        if done == 0 || done == most || self.update_is_due() {
            self.update(|rows| rows.aside = Some(format!("{what} {done}/{most}")));
        }
    }

    /// The probes, or the folds, are done.
    pub fn aside_is_over(&self) {
        self.update(|rows| rows.aside = None);
    }

    /// An epoch is done.
    pub fn epoch(&self, epoch: usize, epochs: usize, elapsed: Duration, text: &str) {
        let left = HumanDuration(elapsed.mul_f64((epochs - epoch) as f64 / epoch.max(1) as f64));
        let line = format!("epoch {epoch}/{epochs}: {text}; {left} left");
        self.log(&line);
        if self.style == Style::Lines {
            to_stderr(&line);
        }
    }

    /// Nothing is in progress any more.
    pub fn finish(&self) {
        match self.style {
            Style::Bar => self.view.finish(),
            Style::Row => self.view.show(self.owner, Vec::new()),
            Style::Lines | Style::Quiet => {}
        }
    }

    fn update_is_due(&self) -> bool {
        if !matches!(self.style, Style::Bar | Style::Row) {
            return false;
        }
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.next_update.load(Ordering::Relaxed);
        // Of several threads, one takes it.
        let next = now.saturating_add(BETWEEN_UPDATES);
        now >= due
            && self
                .next_update
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn update(&self, change: impl FnOnce(&mut Rows)) {
        let shown = match self.style {
            Style::Lines | Style::Quiet => return,
            Style::Bar => {
                let mut rows = self.rows();
                change(&mut rows);
                let mut shown = rows::table(&rows.heads);
                shown.extend(rows.aside.iter().map(|text| format!("  {text} epochs")));
                shown
            }
            Style::Row => {
                let mut rows = self.rows();
                change(&mut rows);
                let label = self.label.as_deref().unwrap_or_default();
                let now = rows.aside.as_ref().unwrap_or(&rows.epoch);
                vec![format!("  {label}  {now}  {}", rows::short(&rows.heads))]
            }
        };
        self.view.show(self.owner, shown);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is drawn is cleared however a command ends.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.finish();
    }
}

fn to_stderr(text: &str) {
    use std::io::Write;
    // A closed stderr must not end a training.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests;
