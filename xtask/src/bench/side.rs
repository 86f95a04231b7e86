//! A process that works when it is told to, and tells how long it took.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::usage;
use crate::Result;

/// One of the processes that take turns.
pub(super) struct Side {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Losses of each head and seconds of each step.
#[derive(Deserialize)]
pub(super) struct Steps {
    pub(super) losses: Vec<Vec<f64>>,
    pub(super) seconds: Vec<f64>,
    /// Of all threads, for all steps together; not a number where the system does not tell.
    #[serde(skip)]
    pub(super) processor_seconds: f64,
}

impl Side {
    /// Starts the process and waits until it is ready.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let line = format!("{command:?}");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{line}: {error}"))?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a process without pipes".into());
        };
        let mut side = Self {
            child,
            commands,
            answers: BufReader::new(answers),
        };
        match side.answer()?.as_str() {
            "ready" => Ok(side),
            other => Err(format!("{line}: expected `ready`, found `{other}`").into()),
        }
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a side of the bench ended early; its message is above".into());
        }
        Ok(line.trim().to_owned())
    }

    /// Its answer to a command.
    pub(super) fn ask<T: DeserializeOwned>(&mut self, command: &str) -> Result<T> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        Ok(serde_json::from_str(&self.answer()?)?)
    }

    pub(super) fn steps(&mut self, steps: usize) -> Result<Steps> {
        let id = self.child.id();
        let before = usage::of_process(id);
        let mut taken: Steps = self.ask(&format!("steps {steps}"))?;
        taken.processor_seconds = match (before, usage::of_process(id)) {
            (Some(before), Some(after)) => after - before,
            _ => f64::NAN,
        };
        Ok(taken)
    }

    /// The largest resident size in megabytes.
    pub(super) fn memory(&mut self) -> Result<f64> {
        Ok(self.ask::<f64>("memory")? / 1024.0)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
