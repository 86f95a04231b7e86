//! Progress on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tells the user how far a command is.
#[derive(Debug)]
pub struct Reporter {
    style: Style,
    bar: ProgressBar,
    started: Instant,
    last_tenth: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Quiet,
}

impl Reporter {
    /// A bar if stderr is a terminal, lines if not, warnings alone if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let style = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        let bar = ProgressBar::hidden();
        if style == Style::Bar {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        let template = "{prefix} {bar:24} {pos}/{len} {eta_precise} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            style,
            bar,
            started: Instant::now(),
            last_tenth: AtomicUsize::new(0),
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match self.style {
            Style::Bar => self.bar.println(text),
            Style::Lines => to_stderr(text),
            Style::Quiet => {}
        }
    }

    /// Something that did no harm, but that the user should know.
    pub fn warn(&self, text: &str) {
        let text = format!("warning: {text}");
        match self.style {
            Style::Bar => self.bar.println(text),
            Style::Lines | Style::Quiet => to_stderr(&text),
        }
    }

    /// So many samples of so many are prepared.
    pub fn prepared(&self, done: usize, total: usize) {
        match self.style {
            Style::Bar => {
                self.bar.set_prefix("preparing");
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            // Lines for long preparations only.
            Style::Lines if self.started.elapsed() > Duration::from_secs(5) => {
                let tenth = 10 * done / total.max(1);
                if self.last_tenth.fetch_max(tenth, Ordering::Relaxed) < tenth {
                    to_stderr(&format!("prepared {done} of {total} samples"));
                }
            }
            Style::Lines | Style::Quiet => {}
        }
    }

    /// All samples are prepared.
    pub fn preparation_done(&self) {
        if self.style == Style::Bar {
            self.bar.reset();
            self.bar.set_position(0);
        }
    }

    /// Training begins.
    pub fn training(&self, epochs: usize, steps: usize) {
        if self.style == Style::Bar {
            self.bar.reset();
            self.bar.set_length((epochs * steps) as u64);
        }
    }

    /// A step is done.
    pub fn step(&self, epoch: usize, epochs: usize, losses: impl FnOnce() -> String) {
        if self.style == Style::Bar {
            self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
            self.bar.inc(1);
            self.bar.set_message(losses());
        }
    }

    /// An epoch is done.
    pub fn epoch(&self, epoch: usize, epochs: usize, elapsed: Duration, text: &str) {
        let left = elapsed.mul_f64((epochs - epoch) as f64 / epoch.max(1) as f64);
        if self.style == Style::Lines {
            let left = HumanDuration(left);
            to_stderr(&format!("epoch {epoch}/{epochs}: {text}; {left} left"));
        }
    }

    /// Nothing is in progress any more.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn to_stderr(text: &str) {
    use std::io::Write;
    // A closed stderr must not end a training.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
