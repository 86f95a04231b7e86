//! What the command line says when it cannot go on, and the exit code that goes with it.

mod kinds;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, DeviceChoice};
use crate::records::LeftOut;
pub(crate) use kinds::lines_by_kind;

/// The exit code of a command that was interrupted: that of a shell for a command that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A plugin, a layer or a sample failed.
    #[error(transparent)]
    Core(#[from] gblend_core::Error),
    /// A file that the user named cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the run folder or the cache cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Samples cannot be used; told kind by kind.
    #[error("{}", Problems(.0, false))]
    Samples(Vec<gblend_core::Error>),
    /// The same, each told for itself.
    #[error("{}", Problems(.0, true))]
    EverySample(Vec<gblend_core::Error>),
    /// A loss or gradient stopped being a number.
    #[error(
        "{what} is {value} in step {step} (epoch {epoch}): training stopped, and no model was written. \
         A smaller optimizer.learning_rate, or optimizer.clip_norm, usually helps; `gblend check` finds \
         samples with broken values"
    )]
    Diverged {
        /// The head or parameter.
        what: String,
        /// The value that was found.
        value: f64,
        /// The step, counted from 1 over the whole run.
        step: u64,
        /// The epoch, counted from 1.
        epoch: usize,
    },
    /// Whoever runs it wanted it to end.
    #[error("{}", Stopped(*.epoch, .folder.as_deref()))]
    Interrupted {
        /// The last epoch that was trained to its end, counted from 1; 0 if there is none.
        epoch: usize,
        /// The run folder, if there is one.
        folder: Option<PathBuf>,
    },
    /// Whoever compares wanted it to end.
    #[error(
        "stopped; {done} of {runs} runs are done and in {}, and the same command goes on from there",
        folder.display()
    )]
    ComparisonInterrupted {
        /// Runs that are done.
        done: usize,
        /// All runs.
        runs: usize,
        /// The comparison's folder.
        folder: PathBuf,
    },
    /// Loss curves cannot be used.
    #[error("{}:{line}: {problem}", path.display())]
    Curves {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What was expected and what was found.
        problem: String,
    },
    /// A run folder is not what the command needs.
    #[error("{}: {problem}", folder.display())]
    Run {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Some runs of a comparison ended without a result.
    #[error("{}", Unfinished(.0))]
    LeftOut(Vec<LeftOut>),
    /// The device that was asked for is not there, or does not work.
    #[error("device `{asked}` was asked for: {problem}; {advice}")]
    Device {
        /// What was asked for.
        asked: DeviceChoice,
        /// What was found.
        problem: String,
        /// What to do about it.
        advice: String,
    },
    /// Another process of the job cannot go on, or is gone.
    #[error("{rank}: {problem}")]
    Rank {
        /// Which one, as messages call it.
        rank: String,
        /// What is wrong, and what to do.
        problem: String,
        /// Its exit code.
        code: u8,
    },
    /// The job ends for a reason that one of its ranks has told the user.
    #[error("the job has ended, and one of its ranks has told why")]
    ToldElsewhere {
        /// The exit code.
        code: u8,
    },
    /// A model cannot be written for other programs.
    #[error("the model cannot be exported: {0}")]
    NotExported(String),
    /// Arguments that do not go together, or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Something that no input should be able to cause.
    #[error("internal error: {0}; please report it with the command and the configuration")]
    Internal(String),
}

impl Error {
    /// 2 if the user's input is at fault, 1 if gblend or the machine is, 130 if it was interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Core(
                gblend_core::Error::Device(_)
                | gblend_core::Error::NoRoom(_)
                | gblend_core::Error::EmptyRegistry,
            )
            | Self::Device { .. }
            | Self::Write { .. }
            | Self::Internal(_) => 1,
            Self::Interrupted { .. } | Self::ComparisonInterrupted { .. } => INTERRUPTED,
            Self::Rank { code, .. } | Self::ToldElsewhere { code } => *code,
            _ => 2,
        }
    }

    /// For `map_err` on what a configuration decides: says in which line a setting stands that a plugin refuses.
    pub(crate) fn located(config: &Config) -> impl FnOnce(Self) -> Self + '_ {
        move |error| match error {
            Self::Core(refused @ gblend_core::Error::Setting { .. }) => config.located(refused).into(),
            other => other,
        }
    }

    /// For `map_err` on what works in a run folder.
    pub(crate) fn in_run(path: &Path) -> impl FnOnce(Self) -> Self + '_ {
        move |error| match error {
            Self::Interrupted { epoch, .. } => Self::Interrupted {
                epoch,
                folder: Some(path.to_owned()),
            },
            other => other,
        }
    }

    /// For `map_err` on reading `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on writing `path`.
    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Every run that has no result, and why.
struct Unfinished<'a>(&'a [LeftOut]);

impl fmt::Display for Unfinished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs are left out; the same command tries them again:",
            self.0.len()
        )?;
        self.0
            .iter()
            .try_for_each(|run| write!(f, "\n  {}, seed {}: {}", run.method, run.seed, run.problem))
    }
}

/// How far a run came that was interrupted.
struct Stopped<'a>(usize, Option<&'a Path>);

impl fmt::Display for Stopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (0, None) => write!(f, "stopped before training began"),
            (0, Some(folder)) => write!(
                f,
                "stopped in the first epoch; `gblend train --resume {}` goes on from there",
                folder.display()
            ),
            (epoch, None) => write!(f, "stopped after epoch {epoch}"),
            (epoch, Some(folder)) => write!(
                f,
                "stopped after epoch {epoch}; `gblend train --resume {}` goes on from there",
                folder.display()
            ),
        }
    }
}

/// A line for each kind of problem, or for each problem.
struct Problems<'a>(&'a [gblend_core::Error], bool);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |problems| match self.1 {
            true => self.0.iter().map(ToString::to_string).collect(),
            false => lines_by_kind(problems),
        };
        match self.0 {
            [only] => write!(f, "{only}"),
            problems => {
                write!(f, "{} problems with the data:", problems.len())?;
                lines(problems)
                    .iter()
                    .try_for_each(|line| write!(f, "\n  {line}"))
            }
        }
    }
}
