//! Tasks that know nothing of each other, done by whichever rank is free.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Kind, Ranks, Reader, Writer};
use crate::error::{Error, Result};

/// What went wrong with a task on another rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What that rank said of it.
    pub problem: String,
    /// The exit code that goes with it.
    pub code: u8,
}

impl Failed {
    fn on(self, rank: String) -> Error {
        Error::Rank {
            rank,
            problem: self.problem,
            code: self.code,
        }
    }
}

impl Ranks {
    /// Asks another rank, which [serves](Self::serve), to do something, and waits for its answer: what came of it, or what went
    /// wrong with it.
    ///
    /// # Errors
    /// [`Error::Rank`] if it is gone.
    pub fn ask(&self, rank: usize, task: &[u8]) -> Result<Result<Vec<u8>, Failed>> {
        self.send(rank, Kind::Task, task)?;
        read_outcome(&self.receive(rank, Kind::Answer)?)
    }

    /// Tells a rank that there is no more to do.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn dismiss(&self, rank: usize) -> Result<()> {
        self.send(rank, Kind::NoMore, &[])
    }

    /// Does what rank 0 asks for, until there is no more to do. What goes wrong with a task is rank 0's to know.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn serve(&self, mut work: impl FnMut(&[u8]) -> Result<Vec<u8>>) -> Result<()> {
        loop {
            match self.receive_any(0)? {
                (kind, task) if kind == Kind::Task as u8 => {
                    let answer = write_outcome(&work(&task));
                    self.send(0, Kind::Answer, &answer)?;
                }
                (kind, _) if kind == Kind::NoMore as u8 => return Ok(()),
                _ => return Err(self.astray(0)),
            }
        }
    }

    /// Does so many tasks, each on the first rank that is free, and gives their results to all ranks, in the order of the tasks.
    ///
    /// # Errors
    /// That of the first task that failed, told to all; [`Error::Rank`].
    pub fn spread(&self, tasks: usize, work: impl Fn(usize) -> Result<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        if !self.is_first() {
            self.serve(|task| work(Reader::new(task).number()?))?;
            let outcome = self.receive(0, Kind::Broadcast)?;
            let all = read_outcome(&outcome)?.map_err(|failed| failed.on(self.name(0)))?;
            let mut all = Reader::new(&all);
            return (0..tasks).map(|_| Ok(all.bytes()?.to_vec())).collect();
        }
        let next = AtomicUsize::new(0);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&task| task < tasks);
        let results: Mutex<Vec<Option<Result<Vec<u8>>>>> = Mutex::new((0..tasks).map(|_| None).collect());
        let keep = |task: usize, result: Result<Vec<u8>>| {
            if result.is_err() {
                // Nobody begins another one.
                next.store(tasks, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[task] = Some(result);
        };
        std::thread::scope(|scope| {
            let (take, keep) = (&take, &keep);
            let asking = self.others().map(|rank| {
                let ask = move || -> Result<()> {
                    while let Some(task) = take() {
                        let mut number = Writer::default();
                        number.number(task);
                        let outcome = self.ask(rank, &number.finish())?;
                        keep(task, outcome.map_err(|failed| failed.on(self.name(rank))));
                    }
                    self.dismiss(rank)
                };
                std::thread::Builder::new().spawn_scoped(scope, ask)
            });
            let asking: Vec<_> = asking.collect();
            while let Some(task) = take() {
                keep(task, work(task));
            }
            for thread in asking {
                let thread = thread.map_err(|error| {
                    gblend_core::Error::NoRoom(format!("a thread that asks another rank ({error})"))
                })?;
                let asked = thread.join();
                asked.unwrap_or_else(|_| {
                    Err(Error::Internal("a thread that asks another rank panicked".into()))
                })?;
            }
            Ok::<(), Error>(())
        })?;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut failed = None;
        let mut all = Vec::with_capacity(tasks);
        for result in results {
            match result {
                Some(Ok(result)) => all.push(result),
                Some(Err(error)) => {
                    failed = Some(error);
                    break;
                }
                // Not begun, for one before it or after it has failed.
                None => {}
            }
        }
        let outcome = match failed {
            Some(error) => Err(error),
            None => {
                let mut message = Writer::default();
                all.iter().for_each(|result| message.bytes(result));
                Ok(message.finish())
            }
        };
        let told = write_outcome(&outcome);
        for rank in self.others() {
            self.send(rank, Kind::Broadcast, &told)?;
        }
        outcome.map(|_| all)
    }
}

/// What came of a task, as a message.
fn write_outcome(outcome: &Result<Vec<u8>>) -> Vec<u8> {
    let mut message = Writer::default();
    match outcome {
        Ok(result) => {
            message.number(0);
            message.bytes(result);
        }
        Err(error) => {
            message.number(usize::from(error.exit_code()));
            message.bytes(error.to_string().as_bytes());
        }
    }
    message.finish()
}

/// What such a message says.
fn read_outcome(message: &[u8]) -> Result<Result<Vec<u8>, Failed>> {
    let mut message = Reader::new(message);
    let code = message.number()?;
    let content = message.bytes()?;
    if code == 0 {
        return Ok(Ok(content.to_vec()));
    }
    Ok(Err(Failed {
        problem: String::from_utf8_lossy(content).into_owned(),
        code: u8::try_from(code).unwrap_or(1),
    }))
}
