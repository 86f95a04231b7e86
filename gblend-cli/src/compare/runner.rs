//! Runs the cells of a comparison, side by side, and goes on where an earlier run stopped.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use gblend_core::AutoDevice;
use gblend_core::device::DeviceKind;
use serde::{Deserialize, Serialize};

use super::draws::{Draw, draws};
use super::folder::Folder;
use super::measured::Done;
use super::plan::{Cell, Choice, Choices, Entry, Plan, Scope, entries};
use super::same_data::check_same_data;
use super::tabulate::tabulate;
use super::tuning::{Outcome, Stage, Tuning};
use crate::config::{Config, Override, TestFold};
use crate::error::{Error, INTERRUPTED, Result};
use crate::process::Interrupt;
use crate::progress::{Board, Reporter};
use crate::ranks::Ranks;
use crate::records::{Comparison, Figure, FittedModalities, LeftOut, Summary};
use crate::run_folder::Destination;
use crate::training::pipeline::{ProcessUse, Start};
use crate::training::session::{check_division, threads_of_rank, with_threads};
use crate::training::{open_together, pipeline};

/// Who runs the cells of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Workers<'a> {
    /// How many run at a time.
    pub jobs: Option<usize>,
    /// The ranks that they run on.
    pub ranks: &'a Ranks,
}

/// Compares methods on the task of a configuration, in this folder.
///
/// As many cells run at a time as `workers` says, by default one on every core: a small network does not keep two cores
/// busy, two networks do. A cell that failed is left out of the table, and tried again the next time. With `tuning`, every
/// method is tuned for itself first.
///
/// Of several ranks the first one does this and hands cells to the others, which [`serve`] it: one to each at a time.
///
/// # Errors
/// What is wrong with the configuration, the folder or the data; not what is wrong with a single cell.
/// [`Error::ComparisonInterrupted`].
pub fn compare(
    base: &Config,
    folder: &Path,
    scope: &Scope,
    tuning: Option<&Tuning>,
    workers: Workers<'_>,
    interrupt: &Interrupt,
    board: &Board,
) -> Result<Comparison> {
    if !base.is_tested() {
        return Err(Error::Usage(
            "methods are compared on test samples, and the configuration goes without (run.test, or the shares of the dataset): \
             name some, or test all samples with --folds; `gblend train` trains without"
                .into(),
        ));
    }
    let entries = entries(base, scope)?;
    if scope.folds.is_some() {
        with_a_fold_that_can_be_tested(base)?;
    }
    let folder = Folder::open(folder, base)?;
    let ranks = workers.ranks;
    let mut crew = Crew {
        base,
        folder: &folder,
        jobs: workers.jobs,
        ranks,
        interrupt,
        board,
        opened: false,
        checked: false,
    };
    let compared = crew.compare(entries, scope, tuning);
    if compared.is_ok() {
        if !crew.opened {
            whether_samples_are_needed(ranks, false)?;
        }
        (1..ranks.size()).try_for_each(|rank| ranks.dismiss(rank))?;
    }
    if compared.is_err() {
        folder.discard_unused();
    }
    compared
}

/// What the first rank says of whether there are samples to prepare; the others wait for it before anything else.
fn whether_samples_are_needed(ranks: &Ranks, needed: bool) -> Result<bool> {
    ranks.broadcast_json(|| Ok(needed))
}

/// Has all ranks prepare the samples, of which each takes its share where all see the same cache.
fn prepare(base: &Config, ranks: &Ranks, reporter: &Reporter) -> Result<()> {
    let other = with_a_fold_that_can_be_tested(base)?;
    let base = other.as_ref().unwrap_or(base);
    with_threads(threads_of_rank(base.run.threads, ranks), || {
        open_together(base, &FittedModalities::default(), ranks, reporter).map(|_| ())
    })
}

/// The configuration with the first fold that leaves something to train on, where it tests one and that is another; a fold may have all
/// samples of a class.
///
/// # Errors
/// What is wrong with the first fold, if there is no such one.
fn with_a_fold_that_can_be_tested(base: &Config) -> Result<Option<Config>> {
    let Some(first) = base.run.fold else {
        return Ok(None);
    };
    let refused = match check_division(base) {
        Ok(()) => return Ok(None),
        Err(refused) => refused,
    };
    let text = base.to_toml()?;
    for number in 1..=first.of() {
        let Some(fold) = TestFold::new(number, first.of()).filter(|&fold| fold != first) else {
            continue;
        };
        let change = Override::new(&["run", "fold"], fold.to_string());
        let other = Config::parse("the comparison", &text, base.base.clone(), &[change])?;
        if check_division(&other).is_ok() {
            return Ok(Some(other));
        }
    }
    Err(refused)
}

/// A cell on its way to another rank.
#[derive(Serialize, Deserialize)]
struct CellTask {
    name: String,
    config: String,
    folder: PathBuf,
    threads: usize,
    memory: u64,
}

impl CellTask {
    /// Runs it.
    fn run(&self, base: &Config, interrupt: &Interrupt, reporter: &Reporter) -> Result<(Summary, PathBuf)> {
        let start = Start::New(Destination::Folder(self.folder.clone()));
        let mut config = Config::parse(&self.name, &self.config, base.base.clone(), &[])?;
        config.run.threads = self.threads;
        config.run.memory = self.memory;
        // Cells have nothing to do with each other, whoever runs them.
        let alone = Ranks::alone();
        with_threads(self.threads, || {
            pipeline::run(&config, &start, ProcessUse::Shared, &alone, interrupt, reporter)
        })
    }
}

/// Prepares samples with the others if any are needed, then runs the cells that the first rank hands to this one, until there are no more.
///
/// # Errors
/// What is wrong with the data; [`Error::Rank`]; not what is wrong with a cell.
pub fn serve(base: &Config, ranks: &Ranks, interrupt: &Interrupt) -> Result<()> {
    interrupt.watch()?;
    let reporter = Reporter::new(true).muted();
    if whether_samples_are_needed(ranks, false)? {
        prepare(base, ranks, &reporter)?;
    }
    ranks.serve(|task| {
        let task: CellTask =
            serde_json::from_slice(task).map_err(|error| Error::Internal(error.to_string()))?;
        task.run(base, interrupt, &reporter)?;
        Ok(Vec::new())
    })
}

/// Who runs cells.
struct Crew<'a> {
    base: &'a Config,
    folder: &'a Folder,
    jobs: Option<usize>,
    ranks: &'a Ranks,
    interrupt: &'a Interrupt,
    board: &'a Board,
    /// Whether the data was looked at.
    opened: bool,
    /// Whether what is there already was looked at.
    checked: bool,
}

impl Crew<'_> {
    /// Tunes, runs and tabulates.
    fn compare(&mut self, entries: Vec<Entry>, scope: &Scope, tuning: Option<&Tuning>) -> Result<Comparison> {
        let (base, folder) = (self.base, self.folder);
        let choices = match (tuning, scope.folds) {
            (None, _) => Choices::OfAll(entries.iter().map(|_| Choice::Own).collect()),
            (Some(tuning), None) => {
                Choices::OfAll(self.tune(&entries, tuning, &Draw::of_seed(base.run.seed))?)
            }
            (Some(tuning), folds) => {
                let draws = draws(base, scope.seeds, folds)?;
                let choices = draws.iter().map(|draw| self.tune(&entries, tuning, draw));
                Choices::OfEach(choices.collect::<Result<_>>()?)
            }
        };
        let plan = Plan::new(base, folder.path(), scope, entries, &choices)?;
        let comparison = |states: &[CellProgress]| tabulated(base, &plan, states);
        let states = self.run(&plan, &|states| folder.write(&comparison(states)))?;
        let comparison = comparison(&states);
        folder.write(&comparison)?;
        self.check_all_ended(&states)?;
        Ok(comparison)
    }

    /// Runs what is not done of a plan, and tells `after` of every cell that has ended.
    fn run(
        &mut self,
        plan: &Plan,
        after: &(dyn Fn(&[CellProgress]) -> Result<()> + Sync),
    ) -> Result<Vec<CellProgress>> {
        let (base, board) = (self.base, self.board);
        let mut done: Vec<CellProgress> = Vec::with_capacity(plan.cells.len());
        for cell in &plan.cells {
            let state = self
                .folder
                .finished(cell)
                .map(|found| CellProgress::done(found, &done));
            done.push(state.unwrap_or(CellProgress::Waiting));
        }
        let pending = done
            .iter()
            .filter(|state| matches!(state, CellProgress::Waiting))
            .count();
        let cores = match threads_of_rank(base.run.threads, self.ranks) {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let most = match AutoDevice::KIND {
            DeviceKind::Cpu => cores,
            // A GPU works for one at a time.
            _ => 1,
        };
        let (jobs, threads) = match self.ranks.size() {
            1 => {
                let jobs = self.jobs.unwrap_or(most).clamp(1, pending.max(1));
                (jobs, (cores / jobs).max(1))
            }
            // Every rank runs one cell at a time, on all that it has.
            ranks => (self.jobs.unwrap_or(ranks).clamp(1, ranks), cores),
        };
        // Whoever computes on the machine of a cell beside it.
        let beside = match self.ranks.size() {
            1 => jobs,
            _ => self.ranks.on_machine().0,
        };
        board.line(&format!(
            "{}: {} methods, {} seeds, {} runs, {} of them done; {jobs} at a time",
            self.folder.path().display(),
            plan.entries.len(),
            plan.seeds.len(),
            plan.cells.len(),
            plan.cells.len() - pending,
        ));
        if pending > 0 && jobs > 1 && !self.opened {
            // Once, on all threads, rather than by every first cell beside the others; and what is wrong with the data is
            // said before anything is trained.
            whether_samples_are_needed(self.ranks, true)?;
            self.opened = true;
            prepare(base, self.ranks, &board.cell("all"))?;
        }
        self.check_finished(plan, &done, pending > 0)?;
        board.overall(plan.cells.len() - pending, plan.cells.len());
        self.interrupt.watch()?;
        let shared = Shared {
            base,
            folder: self.folder,
            plan,
            threads,
            memory: base.run.memory / beside as u64,
            ranks: self.ranks,
            board,
            interrupt: self.interrupt,
            after,
            states: Mutex::new(done),
            changed: Condvar::new(),
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs)
                .map(|job| {
                    let shared = &shared;
                    // Of several ranks, each job is one.
                    let rank = if shared.ranks.is_many() { job } else { 0 };
                    std::thread::Builder::new().spawn_scoped(scope, move || shared.work(rank))
                })
                .collect();
            let outcomes = workers.into_iter().map(|worker| {
                worker
                    .map_err(|error| gblend_core::Error::NoRoom(format!("a comparing thread ({error})")))?
                    .join()
                    .unwrap_or_else(|_| Err(Error::Internal("a comparing thread panicked".into())))
            });
            outcomes.collect::<Vec<_>>().into_iter().collect::<Result<()>>()
        })?;
        Ok(shared.states.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Refuses to put runs of another dataset beside those that are to come, and tells of those of another version. Once: the first runs
    /// that are found speak for the others.
    fn check_finished(&mut self, plan: &Plan, states: &[CellProgress], to_run: bool) -> Result<()> {
        let finished = plan.cells.iter().zip(states);
        let finished = finished.filter(|(_, state)| matches!(state, CellProgress::Done(_)));
        let finished: Vec<&Cell> = finished.map(|(cell, _)| cell).collect();
        // One with every modality knows most of the samples.
        let modalities = |cell: &Cell| plan.entries[cell.entry].modalities.len();
        let Some(cell) = finished.iter().rev().max_by_key(|cell| modalities(cell)) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.checked, true) {
            return Ok(());
        }
        if !to_run && !self.base.run.cache.is_dir() {
            // To prepare all samples anew is too much for printing a table again.
            self.board
                .line("all runs were there, and nothing looked whether the dataset is still what they were made of: the cache is gone");
        } else {
            self.check_data(cell, to_run)?;
        }
        let own = env!("CARGO_PKG_VERSION");
        let versions = finished.iter().filter_map(|cell| self.folder.version_of(cell));
        let others: Vec<String> = versions.filter(|version| version != own).collect();
        if let Some(other) = others.first() {
            self.board.warn(&format!(
                "{} of {} runs that are there already are of another version of gblend, such as {other}, and this is {own}: what changed in between \
                 is in their figures, too",
                others.len(),
                finished.len()
            ));
        }
        Ok(())
    }

    /// Refuses another dataset than that of a finished run.
    fn check_data(&self, cell: &Cell, to_run: bool) -> Result<()> {
        let threads = threads_of_rank(self.base.run.threads, self.ranks);
        let reporter = self.board.cell(&cell.label).muted();
        match check_same_data(self.folder.path(), cell, self.base, threads, &reporter) {
            Ok(()) => Ok(()),
            Err(error @ Error::Run { .. }) => Err(error),
            Err(error) if to_run => Err(error),
            // Tables are printed again where the data are not.
            Err(error) => {
                self.board.warn(&format!(
                    "nothing tells whether the dataset is still what these runs were made of, as it cannot be opened: {error}"
                ));
                Ok(())
            }
        }
    }

    /// Chooses the settings of each entry by validation, for the test of this draw.
    fn tune(&mut self, entries: &[Entry], tuning: &Tuning, draw: &Draw) -> Result<Vec<Choice>> {
        let mut stage = Stage::begin(self.base, self.folder.path(), entries, tuning, draw)?;
        while let Some(round) = stage.round()? {
            let states = self.run(&round.plan, &|_| Ok(()))?;
            self.check_all_ended(&states)?;
            let outcomes: Result<Vec<Outcome>> = states.iter().map(CellProgress::validated).collect();
            stage.learn(&round, outcomes?);
        }
        Ok(stage.choices())
    }

    /// Whether no cell waits to be run another time.
    fn check_all_ended(&self, states: &[CellProgress]) -> Result<()> {
        let open = states
            .iter()
            .filter(|state| matches!(state, CellProgress::Waiting | CellProgress::Running))
            .count();
        if open == 0 {
            return Ok(());
        }
        Err(Error::ComparisonInterrupted {
            done: states.len() - open,
            runs: states.len(),
            folder: self.folder.path().to_owned(),
        })
    }
}

/// How far a cell is.
#[derive(Clone, Debug)]
enum CellProgress {
    Waiting,
    Running,
    Done(Box<Done>),
    Failed(String),
}

impl CellProgress {
    /// Of a run beside others.
    fn done(mut found: Done, others: &[Self]) -> Self {
        let first = others.iter().find_map(|other| match other {
            Self::Done(done) => Some(done),
            _ => None,
        });
        if let Some(first) = first {
            found.share_samples(first);
        }
        Self::Done(Box::new(found))
    }

    /// What validation samples said of a cell that has ended, or why it failed.
    fn validated(&self) -> Result<Outcome> {
        match self {
            Self::Done(done) => match &done.selection {
                Some(selection) => Ok(Ok(selection.figures)),
                None => Err(Error::Usage(
                    "--tune: there are no validation samples to choose by; run.validation sets some aside"
                        .into(),
                )),
            },
            Self::Failed(problem) => Ok(Err(problem.clone())),
            Self::Waiting | Self::Running => Err(Error::Internal("a cell has not ended".into())),
        }
    }
}

/// The table of what is done.
fn tabulated(base: &Config, plan: &Plan, states: &[CellProgress]) -> Comparison {
    let results: Vec<Option<Done>> = states
        .iter()
        .map(|state| match state {
            CellProgress::Done(done) => Some(done.as_ref().clone()),
            _ => None,
        })
        .collect();
    let cells = plan.cells.iter().zip(states);
    let failed = cells.filter_map(|(cell, state)| match state {
        CellProgress::Failed(problem) => Some(LeftOut {
            method: plan.entries[cell.entry].label(base),
            seed: cell.seed,
            problem: problem.clone(),
        }),
        _ => None,
    });
    let left_out = plan.left_out.iter().cloned().chain(failed).collect();
    tabulate(base, plan, &results, left_out)
}

/// Why a cell has no result.
enum Unmeasured {
    Interrupted,
    Failed(String),
}

/// What the workers share.
struct Shared<'a> {
    base: &'a Config,
    folder: &'a Folder,
    plan: &'a Plan,
    threads: usize,
    memory: u64,
    ranks: &'a Ranks,
    board: &'a Board,
    interrupt: &'a Interrupt,
    /// Told of the states after each change.
    after: &'a (dyn Fn(&[CellProgress]) -> Result<()> + Sync),
    states: Mutex<Vec<CellProgress>>,
    changed: Condvar,
}

impl Shared<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<CellProgress>> {
        // What a thread that panicked left is still true: a cell's state is set in one go.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs cells on a rank as long as there are any.
    fn work(&self, rank: usize) -> Result<()> {
        while let Some(cell) = self.next() {
            let ran = match rank {
                0 => Ok(self.run(cell)),
                other => self.run_on(other, cell),
            };
            let mut states = self.lock();
            let outcome = match ran {
                Ok(outcome) => outcome,
                Err(gone) => {
                    // The others wait for nothing any more.
                    states[cell] = CellProgress::Waiting;
                    self.interrupt.request();
                    self.changed.notify_all();
                    return Err(gone);
                }
            };
            states[cell] = match outcome {
                Ok(done) => CellProgress::done(done, &states),
                // Not the cell's fault: it is there for the next time, and nobody begins another one.
                Err(Unmeasured::Interrupted) => {
                    self.interrupt.request();
                    CellProgress::Waiting
                }
                Err(Unmeasured::Failed(problem)) => CellProgress::Failed(problem),
            };
            self.tell(cell, &states);
            self.changed.notify_all();
            // Under the lock, so that an older table never replaces a newer one.
            (self.after)(&states)?;
            drop(states);
        }
        Ok(())
    }

    /// The first cell that can begin; waits for those that others need.
    fn next(&self) -> Option<usize> {
        let mut states = self.lock();
        while !self.interrupt.requested() {
            let mut waiting = false;
            for (index, cell) in self.plan.cells.iter().enumerate() {
                if !matches!(states[index], CellProgress::Waiting) {
                    continue;
                }
                waiting = true;
                let open =
                    |other: usize| matches!(states[other], CellProgress::Waiting | CellProgress::Running);
                let blocked = self.plan.cells.iter().enumerate();
                let mut blocked = blocked.filter(|(other, _)| open(*other));
                if !blocked.any(|(_, other)| self.plan.waits_for(cell, other)) {
                    states[index] = CellProgress::Running;
                    return Some(index);
                }
            }
            if !waiting {
                return None;
            }
            states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn task(&self, index: usize) -> Result<CellTask> {
        let cell = &self.plan.cells[index];
        Ok(CellTask {
            name: cell.folder.clone(),
            config: cell.config.clone(),
            folder: self.folder.clear(cell)?,
            threads: self.threads,
            memory: self.memory,
        })
    }

    /// Runs a cell here.
    fn run(&self, index: usize) -> Result<Done, Unmeasured> {
        let reporter = self.board.cell(&self.plan.cells[index].label);
        let ran = self
            .task(index)
            .and_then(|task| task.run(self.base, self.interrupt, &reporter));
        match ran {
            Ok((summary, path)) => Ok(Done::of(&summary, &path)),
            Err(Error::Interrupted { .. }) => Err(Unmeasured::Interrupted),
            Err(error) => Err(Unmeasured::Failed(error.to_string())),
        }
    }

    /// Has a cell run on another rank.
    ///
    /// # Errors
    /// [`Error::Rank`] if that is gone.
    fn run_on(&self, rank: usize, index: usize) -> Result<Result<Done, Unmeasured>> {
        let cell = &self.plan.cells[index];
        let task = match self.task(index) {
            Ok(task) => serde_json::to_vec(&task).map_err(|error| Error::Internal(error.to_string()))?,
            Err(error) => return Ok(Err(Unmeasured::Failed(error.to_string()))),
        };
        let outcome = self.ranks.ask(rank, &task)?;
        Ok(match outcome {
            Ok(_) => self.folder.finished(cell).ok_or_else(|| {
                let problem = format!(
                    "{} has run it, and its folder is not to be seen here: --out names a place that all ranks see",
                    self.ranks.name(rank)
                );
                Unmeasured::Failed(problem)
            }),
            Err(failed) if failed.code == INTERRUPTED => Err(Unmeasured::Interrupted),
            Err(failed) => Err(Unmeasured::Failed(failed.problem)),
        })
    }

    fn tell(&self, index: usize, states: &[CellProgress]) {
        let label = &self.plan.cells[index].label;
        match &states[index] {
            CellProgress::Done(done) => {
                let validated = || Some(format!("{} by validation", done.validation_figure()?.text()));
                let figure = done.figure().map(Figure::text).or_else(validated);
                let figure = figure.unwrap_or_else(|| "no figure".to_owned());
                let result = format!("{figure} in {:.1} s", done.seconds);
                self.board.cell_done(label, &result);
            }
            CellProgress::Failed(problem) => self.board.cell_done(label, &format!("left out: {problem}")),
            CellProgress::Waiting | CellProgress::Running => {}
        }
    }
}
