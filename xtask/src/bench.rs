//! `cargo xtask bench`: training steps of the reference network, beside PyTorch's.
//!
//! Both sides start from the same parameters and the same batch and stay alive; rounds of steps alternate
//! between them, so that whatever else the machine does hits both alike. Only ratios are to be trusted.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::Result;
use crate::process::{cargo, succeed, workspace};
use crate::python::environment;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Whose steps to time beside gblend's.
    #[arg(long, value_enum)]
    peer: Peer,
    /// A Python that has PyTorch and NumPy. Default: a virtual environment under target/peers, which is
    /// made if it is not there.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Rounds of each side.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Steps of a round.
    #[arg(long, default_value_t = 15)]
    steps: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// PyTorch on the processor.
    Torch,
}

/// Steps whose losses are compared before anything is timed.
const COMPARED: usize = 5;

/// How far two losses of the first steps may be apart, relative to their size.
const TOLERANCE: f64 = 2e-3;

impl Bench {
    pub(crate) fn run(&self) -> Result {
        let Peer::Torch = self.peer;
        let python = match &self.python {
            Some(python) => python.clone(),
            None => environment("venv", &["torch", "numpy"])?,
        };
        let example = [
            "build",
            "--release",
            "--package",
            "gblend-cli",
            "--example",
            "reference_step",
        ];
        succeed(cargo().args(example))?;
        let folder = workspace().join("target/bench");
        std::fs::create_dir_all(&folder)?;
        println!("| threads | gblend ms | PyTorch ms | ratio | gblend peak MB | PyTorch peak MB | ratio |");
        println!("|---|---|---|---|---|---|---|");
        for threads in [1, 2] {
            self.compare(&python, &folder, threads)?;
        }
        Ok(())
    }

    fn compare(&self, python: &Path, folder: &Path, threads: usize) -> Result {
        let count = threads.to_string();
        let own = workspace().join("target/release/examples/reference_step");
        // gblend's side writes the parameters that the other one reads, so it starts first.
        let mut own = Side::start(Command::new(own).arg(folder).arg(&count))?;
        let script = workspace().join("xtask/peers/reference_step.py");
        let mut torch = Side::start(Command::new(python).arg(script).arg(folder).arg(&count))?;
        let (first, second) = (own.steps(COMPARED)?, torch.steps(COMPARED)?);
        for (step, (a, b)) in first.losses.iter().zip(&second.losses).enumerate() {
            for (head, (a, b)) in a.iter().zip(b).enumerate() {
                if (a - b).abs() > TOLERANCE * b.abs() {
                    return Err(format!("step {step}, head {head}: loss {a} against PyTorch's {b}").into());
                }
            }
        }
        let (mut own_rounds, mut torch_rounds) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            own_rounds.push(median(own.steps(self.steps)?.seconds));
            torch_rounds.push(median(torch.steps(self.steps)?.seconds));
        }
        let ratios = own_rounds
            .iter()
            .zip(&torch_rounds)
            .map(|(own, torch)| own / torch)
            .collect();
        let (own_memory, torch_memory) = (own.memory()?, torch.memory()?);
        println!(
            "| {threads} | {:.1} | {:.1} | {:.2} | {:.0} | {:.0} | 1/{:.1} |",
            1e3 * median(own_rounds),
            1e3 * median(torch_rounds),
            median(ratios),
            own_memory,
            torch_memory,
            torch_memory / own_memory,
        );
        Ok(())
    }
}

/// One of the two processes.
struct Side {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Steps {
    losses: Vec<Vec<f64>>,
    seconds: Vec<f64>,
}

impl Side {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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
            other => Err(format!("expected `ready`, found `{other}`").into()),
        }
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a side of the bench ended early; its message is above".into());
        }
        Ok(line.trim().to_owned())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        self.answer()
    }

    fn steps(&mut self, steps: usize) -> Result<Steps> {
        Ok(serde_json::from_str(&self.ask(&format!("steps {steps}"))?)?)
    }

    /// The largest resident size in megabytes.
    fn memory(&mut self) -> Result<f64> {
        Ok(self.ask("memory")?.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middle_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
