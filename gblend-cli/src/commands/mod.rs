//! The commands. Results go to stdout, everything else to stderr.

mod check;
mod compare;
mod completions;
pub mod curves;
mod data;
mod device;
mod distributed;
mod dry_run;
mod estimate;
mod evaluate;
mod export;
mod feature_space;
mod further;
mod init;
mod inspected;
mod plugins;
mod predict;
mod report;
mod runs;
mod schema;
mod train;
mod train_further;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

/// Trains multimodal classifiers with one head per modality and blends their losses.
#[derive(Debug, Parser)]
#[command(name = "gblend", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model; without a configuration, on the built-in scene.
    Train(train::Train),
    /// Compare ways of training over several seeds.
    Compare(compare::Compare),
    /// Estimate blend weights, from a network or from loss curves of any framework.
    Estimate(estimate::Estimate),
    /// Evaluate a trained model on a split of its dataset.
    Evaluate(evaluate::Evaluate),
    /// Predict samples of new files, or of the dataset.
    Predict(predict::Predict),
    /// Write a trained model for other programs, as one ONNX graph.
    Export(export::Export),
    /// Write a page about runs, or about a comparison.
    Report(report::Report),
    /// List runs: when they were begun, what came of them, how they differ.
    Runs(runs::Runs),
    /// Check a configuration, its files and every sample without training.
    Check(check::Check),
    /// Write a dataset as ordinary files.
    Data(data::Data),
    /// List the plugins of this binary.
    Plugins(plugins::Plugins),
    /// Write a configuration to start from.
    Init(init::Init),
    /// Print the completions of a shell.
    Completions(completions::Completions),
    /// Write manual pages.
    Manual(completions::Manual),
    /// Print the JSON schema of configurations.
    #[command(hide = true)]
    Schema(schema::PrintSchema),
}

/// Runs the command line of the process and returns its exit code: 0 done, 2 the input is at fault, 1 gblend
/// or the machine is, 130 interrupted.
pub fn main() -> ExitCode {
    // Before there is a second thread.
    #[cfg(not(feature = "fuzzing"))]
    crate::allocator::share_small_blocks();
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Train(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Estimate(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Plugins(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Manual(command) => command.run(),
        Command::Schema(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // It was said before MPI ended.
        Err(error @ Error::ToldElsewhere { .. }) => ExitCode::from(error.exit_code()),
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Writes a result to stdout. A reader that has gone away is no error: `gblend plugins | head -1`.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Write {
            path: "stdout".into(),
            source: error,
        }),
        _ => Ok(()),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    print(&json)
}
