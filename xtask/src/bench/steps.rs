//! Training steps of one network beside PyTorch's, from the same parameters and on the same batch.

use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::code_path::CodePath;
use super::side::{Side, Steps};
use super::statistics::{median, quantile, ratios};
use super::{Bench, binaries, record, table};
use crate::Result;
use crate::process::workspace;

/// Networks that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Net {
    /// Clips, flow and spectrograms, four plain convolutions each.
    Reference,
    /// Clips through eight (2+1)D blocks.
    Video,
    /// Clips through four residual blocks of two (2+1)D convolutions each.
    R2plus1d,
    /// Clips through eight residual blocks on each frame.
    Residual,
    /// Pictures of 112 × 112 through a ResNet of 18 layers.
    Resnet18,
    /// Spectrograms of 64 × 256 through four plain convolutions.
    Spectrogram,
    /// Vectors of 512 numbers through fully connected layers of 512, 256 and 128.
    Vectors,
    /// Sequences of 256 steps of 128 features through residual blocks of convolutions over time.
    Sequence,
    /// Sequences of 128 steps of 32 features through gated recurrent units.
    Gru,
    /// Sequences of 256 steps of 32 features through a transformer.
    SequenceTransformer,
    /// Clips through a transformer with attention over time, then over places.
    VideoTransformer,
    /// Texts of 64 tokens through a transformer.
    TextTransformer,
}

impl Net {
    /// As it is called on both sides.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Steps whose losses are compared before anything is timed.
const COMPARED: usize = 5;

/// How far two losses of the first steps may be apart, relative to their size.
const TOLERANCE: f64 = 2e-3;

/// How long a round of one side is to be, in seconds.
const ROUND: f64 = 0.4;

/// What a step comes to at least.
#[derive(Clone, Copy, Deserialize)]
struct Floor {
    flops: f64,
    bytes: f64,
}

/// What the machine does in a second.
#[derive(Clone, Copy, Deserialize)]
struct Rates {
    gemm: f64,
    copy: f64,
}

/// What one side did in all rounds.
struct Total {
    steps: usize,
    processor_seconds: f64,
    fastest: f64,
}

impl Default for Total {
    fn default() -> Self {
        Self {
            steps: 0,
            processor_seconds: 0.0,
            fastest: f64::INFINITY,
        }
    }
}

impl Total {
    fn add(&mut self, taken: &Steps) {
        self.steps += taken.seconds.len();
        self.processor_seconds += taken.processor_seconds;
        self.fastest = taken.seconds.iter().copied().fold(self.fastest, f64::min);
    }

    /// Processor time of a step.
    fn mean(&self) -> f64 {
        self.processor_seconds / self.steps as f64
    }
}

/// One line of the table. Times are in milliseconds, memory in megabytes.
#[derive(Serialize)]
struct Row {
    net: String,
    path: &'static str,
    batch: usize,
    threads: usize,
    gblend: f64,
    torch: f64,
    ratio: f64,
    /// The quartiles of the ratio over rounds.
    ratio_quartiles: [f64; 2],
    /// Of what all threads computed in all rounds; a thread that waits in a loop computes too.
    ratio_of_processor_time: f64,
    /// The fastest step of each side.
    fastest: [f64; 2],
    gblend_memory: f64,
    torch_memory: f64,
    gigaflops: f64,
    megabytes: f64,
    gemm_gigaflops_per_second: f64,
    copy_gigabytes_per_second: f64,
    floor_of_products: f64,
    floor_of_copies: f64,
    /// Medians of the rounds of both sides.
    rounds: Vec<[f64; 2]>,
}

struct Programs {
    python: PathBuf,
    training_step: PathBuf,
    machine_rates: PathBuf,
    folder: PathBuf,
    path: CodePath,
    recompute: bool,
}

pub(super) fn run(bench: &Bench) -> Result {
    let python = bench.python(&["torch", "numpy"])?;
    let built = binaries::examples(&["training_step", "machine_rates"], bench.path)?;
    let folder = workspace().join("target/bench/step");
    std::fs::create_dir_all(&folder)?;
    let programs = Programs {
        python,
        training_step: built[0].clone(),
        machine_rates: built[1].clone(),
        folder,
        path: bench.path,
        recompute: bench.recompute,
    };
    table::head(&[
        "net",
        "path",
        "batch",
        "threads",
        "gblend ms",
        "PyTorch ms",
        "ratio",
        "quartiles",
        "ratio of the fastest steps",
        "ratio of processor time",
        "floor ms: products",
        "copies",
        "gblend peak MB",
        "PyTorch peak MB",
        "ratio",
    ]);
    let mut rows = Vec::new();
    for &net in &bench.net {
        for &batch in &bench.batch {
            for &threads in &bench.threads {
                let row = programs.compare(net, batch, threads, bench.rounds.unwrap_or(9))?;
                row.print();
                rows.push(row);
            }
        }
    }
    let nets: Vec<String> = bench.net.iter().map(|net| net.name()).collect();
    record::write(
        &bench.path.record(&format!("steps-{}", nets.join("-"))),
        Some(&programs.python),
        &serde_json::to_value(rows)?,
    )
}

impl Programs {
    fn compare(&self, net: Net, batch: usize, threads: usize, rounds: usize) -> Result<Row> {
        let (count, size) = (threads.to_string(), batch.to_string());
        let step = || {
            let mut step = Command::new(&self.training_step);
            step.args(["--net", &net.name(), "--batch", &size, "--threads", &count]);
            step
        };
        // The parameters and the batch that the other side reads are written by a process of its own, whose memory is not a step's.
        let written = step().arg("--folder").arg(&self.folder).status()?;
        if !written.success() {
            return Err(format!(
                "the parameters and the batch of {} were not written: {written}",
                net.name()
            )
            .into());
        }
        let mut own = step();
        if self.recompute {
            own.arg("--recompute");
        }
        let mut own = Side::start(&mut own)?;
        let mut torch = Side::start(&mut self.torch(&count))?;
        let mut rates = Side::start(Command::new(&self.machine_rates).arg(&count))?;
        let (first, second) = (own.steps(COMPARED)?, torch.steps(COMPARED)?);
        agree(&first.losses, &second.losses)?;
        let steps = |seconds: &[f64]| ((ROUND / median(seconds)) as usize).clamp(3, 60);
        let (own_steps, torch_steps) = (steps(&first.seconds), steps(&second.seconds));
        let (mut own_rounds, mut torch_rounds) = (Vec::new(), Vec::new());
        let (mut own_total, mut torch_total) = (Total::default(), Total::default());
        let (mut gemm, mut copy) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (side, count, rounds, total) in [
                (&mut own, own_steps, &mut own_rounds, &mut own_total),
                (&mut torch, torch_steps, &mut torch_rounds, &mut torch_total),
            ] {
                let taken = side.steps(count)?;
                rounds.push(1e3 * median(&taken.seconds));
                total.add(&taken);
            }
            let measured: Rates = rates.ask("measure")?;
            gemm.push(measured.gemm);
            copy.push(measured.copy);
        }
        let (gblend_memory, torch_memory) = (own.memory()?, torch.memory()?);
        // Counting takes memory, so it comes last.
        let floor: Floor = torch.ask("floor")?;
        // The best of the rounds: the floor is what the machine can do undisturbed.
        let (gemm, copy) = (quantile(&gemm, 1.0), quantile(&copy, 1.0));
        let ratios = ratios(&own_rounds, &torch_rounds);
        Ok(Row {
            net: net.name(),
            path: self.path.name(),
            batch,
            threads,
            gblend: median(&own_rounds),
            torch: median(&torch_rounds),
            ratio: median(&ratios),
            ratio_quartiles: [quantile(&ratios, 0.25), quantile(&ratios, 0.75)],
            ratio_of_processor_time: own_total.mean() / torch_total.mean(),
            fastest: [1e3 * own_total.fastest, 1e3 * torch_total.fastest],
            gblend_memory,
            torch_memory,
            gigaflops: 1e-9 * floor.flops,
            megabytes: 1e-6 * floor.bytes,
            gemm_gigaflops_per_second: 1e-9 * gemm,
            copy_gigabytes_per_second: 1e-9 * copy,
            floor_of_products: 1e3 * floor.flops / gemm,
            floor_of_copies: 1e3 * floor.bytes / copy,
            rounds: own_rounds
                .iter()
                .zip(&torch_rounds)
                .map(|(a, b)| [*a, *b])
                .collect(),
        })
    }

    fn torch(&self, threads: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(workspace().join("xtask/peers/training_step.py"));
        command.arg(&self.folder).arg(threads);
        self.path.hold(&mut command);
        command
    }
}

impl Row {
    fn print(&self) {
        table::row(&[
            self.net.to_owned(),
            self.path.to_owned(),
            self.batch.to_string(),
            self.threads.to_string(),
            format!("{:.1}", self.gblend),
            format!("{:.1}", self.torch),
            format!("{:.2}", self.ratio),
            format!("{:.2} to {:.2}", self.ratio_quartiles[0], self.ratio_quartiles[1]),
            format!("{:.2}", self.fastest[0] / self.fastest[1]),
            format!("{:.2}", self.ratio_of_processor_time),
            format!("{:.1}", self.floor_of_products),
            format!("{:.1}", self.floor_of_copies),
            format!("{:.0}", self.gblend_memory),
            format!("{:.0}", self.torch_memory),
            format!("1/{:.1}", self.torch_memory / self.gblend_memory),
        ]);
    }
}

/// Both sides compute the same, or the comparison means nothing.
fn agree(own: &[Vec<f64>], torch: &[Vec<f64>]) -> Result {
    for (step, (a, b)) in own.iter().zip(torch).enumerate() {
        if a.len() != b.len() {
            return Err(format!("{} heads against PyTorch's {}", a.len(), b.len()).into());
        }
        for (head, (a, b)) in a.iter().zip(b).enumerate() {
            if (a - b).abs() > TOLERANCE * b.abs() {
                return Err(format!("step {step}, head {head}: loss {a} against PyTorch's {b}").into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_differ_by_more_than_rounding_are_found() {
        let losses = [vec![2.3, 2.2], vec![2.1, 2.0]];
        assert!(agree(&losses, &losses).is_ok());
        let mut off = losses.clone();
        off[1][0] *= 1.01;
        assert!(agree(&losses, &off).is_err());
        assert!(agree(&losses, &[vec![2.3]]).is_err());
    }
}
