//! One side of `cargo xtask bench`: training steps of a network, on data without meaning.
//!
//! With a folder, writes what it is, its initial parameters and its batch into it, for another framework to start from. Else
//! takes commands, a line each: `steps N` takes N steps and answers with their losses and times, `memory` answers with
//! the largest resident size in kB, in which nothing of what was written has a share.
#![allow(clippy::print_stdout)]

mod nets;
mod samples;

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use gblend_cli::config::{Config, Objectives};
use gblend_cli::network::{ActiveHeads, Inputs, LabelContext, Multimodal};
use gblend_core::nn::cross_entropy;
use gblend_core::params::{State, state_of};
use gblend_core::{
    Array, AutoDevice, Batch, Blend, BlendStrategy, Fitted, LabelKind, Labels, Pass, Precision, Seed,
};
use gblend_optim::blend::Equal;
use gblend_optim::schedule::RunLength;
use gblend_optim::{Apply, BlendedOptimizer, BlendedSettings, Scale, StepLosses};
use safetensors::tensor::{Dtype, TensorView};

use nets::{Net, Sizes, Stream};

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, value_enum, default_value = "reference")]
    net: Net,
    /// Samples of a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Frames of a clip.
    #[arg(long, default_value_t = 8)]
    frames: usize,
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Modalities of the network that may have any number of them.
    #[arg(long, default_value_t = 3)]
    modalities: usize,
    /// Computing threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Whether the backward pass runs stages of encoders again.
    #[arg(long)]
    recompute: bool,
    /// How maps are kept for the backward pass: f32, bf16 or f16.
    #[arg(long, default_value = "f32")]
    activations_as: String,
    /// Where the parameters and the batch are written.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn configuration(streams: &[Stream], activations_as: &str) -> String {
    let mut text = format!("[run]\nactivations_as = \"{activations_as}\"\n[data]\nkind = \"scene\"\n");
    for Stream { name, table, .. } in streams {
        text.push_str(&format!("[modality.{name}]\n{table}\n"));
    }
    text.push_str("[fusion]\nkind = \"concat\"\nhead = { hidden = [128] }\n");
    text.push_str("[optimizer]\nkind = \"sgd\"\nlearning_rate = 0.01\nmomentum = 0.9\n");
    text
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build()?;
    pool.install(|| serve(&arguments).map_err(|error| error.to_string()))
        .map_err(Into::into)
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut training = Training::new(arguments)?;
    if arguments.folder.is_some() {
        return Ok(());
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "memory" {
            let status = std::fs::read_to_string("/proc/self/status")?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
            println!("{}", kilobytes.map_or("0", str::trim));
            continue;
        }
        let steps: usize = line.trim_start_matches("steps ").parse()?;
        let (mut losses, mut seconds) = (Vec::new(), Vec::new());
        for _ in 0..steps {
            let started = Instant::now();
            losses.push(training.step()?);
            seconds.push(started.elapsed().as_secs_f64());
        }
        println!("{}", serde_json::json!({ "losses": losses, "seconds": seconds }));
    }
    Ok(())
}

/// A network in training, again and again on one batch.
struct Training {
    model: Multimodal,
    active: ActiveHeads,
    inputs: Inputs,
    labels: Vec<usize>,
    optimizer: BlendedOptimizer,
    blend: Box<dyn Blend>,
    recomputes: bool,
    activations_as: Precision,
}

impl Training {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let streams = arguments.net.streams(Sizes {
            frames: arguments.frames,
            modalities: arguments.modalities,
        });
        let config = Config::parse(
            "bench",
            &configuration(&streams, &arguments.activations_as),
            PathBuf::from("."),
            &[],
        )?;
        let device = AutoDevice::open(0)?;
        let (batches, fitted) = batches(arguments, &streams, &config, &device)?;
        let shapes: Vec<Vec<usize>> = batches
            .iter()
            .map(|batch| batch.sample_shape().to_vec())
            .collect();
        let inputs = Inputs::whole(arguments.batch, batches);
        let classes: Vec<String> = (0..arguments.classes).map(|class| class.to_string()).collect();
        let labels = LabelContext {
            classes: &classes,
            labels: &Labels::none(LabelKind::Class),
        };
        let objectives = Objectives::of(&config, LabelKind::Class)?;
        let mut model = Multimodal::build(
            &config,
            &objectives,
            &shapes,
            &fitted,
            labels,
            &device,
            Seed::new(1),
        )?;
        if let Some(folder) = &arguments.folder {
            write(&folder.join("weights.safetensors"), &state_of(&mut model)?)?;
            let modalities = streams
                .iter()
                .map(|stream| serde_json::json!({ "name": stream.name, "encoder": stream.encoder }));
            let description = serde_json::json!({
                "modalities": modalities.collect::<Vec<_>>(), "classes": arguments.classes,
            });
            std::fs::write(folder.join("net.json"), description.to_string())?;
        }
        let heads = config.heads()?;
        Ok(Self {
            model,
            active: ActiveHeads::all(heads.len()),
            inputs,
            labels: (0..arguments.batch)
                .map(|index| index % arguments.classes)
                .collect(),
            optimizer: BlendedOptimizer::new(
                config.optimizer.plugin.as_ref(),
                BlendedSettings {
                    schedule: config.optimizer.pipeline.schedule,
                    clip_norm: None,
                    apply: Apply::default(),
                    scale: Scale::Sum,
                    first_step: 0,
                    run: RunLength {
                        steps_per_epoch: 1,
                        epochs: 1,
                    },
                },
            )?,
            blend: Equal {}.start(&heads)?,
            recomputes: arguments.recompute,
            activations_as: config.run.activations_as,
        })
    }

    /// Takes one step and returns the loss of each head before it.
    fn step(&mut self) -> Result<Vec<f32>, Box<dyn Error>> {
        let pass = Pass::train(Seed::new(0))
            .recomputing(self.recomputes)
            .keeping(self.activations_as);
        let logits = self.model.forward(&self.inputs, &pass, &self.active)?;
        let losses: Vec<_> = logits
            .into_iter()
            .flatten()
            .map(|logits| cross_entropy(logits, &self.labels).map(Some))
            .collect::<Result<_, _>>()?;
        let values = losses.iter().flatten().map(|loss| loss.value()).collect();
        self.optimizer.step(
            &mut self.model.active(&self.active),
            StepLosses::Blended(losses),
            self.blend.as_mut(),
        )?;
        Ok(values)
    }
}

/// A batch of each modality, which is written down where there is a folder, and what was fitted to its samples.
fn batches(
    arguments: &Arguments,
    streams: &[Stream],
    config: &Config,
    device: &AutoDevice,
) -> Result<(Vec<Batch>, Vec<Fitted>), Box<dyn Error>> {
    let mut rng = Seed::new(2).rng();
    let mut written = State::new();
    let (mut batches, mut all_fitted) = (Vec::new(), Vec::new());
    for (stream, modality) in streams.iter().zip(&config.modalities) {
        let plugin = modality.plugin.as_ref();
        let (samples, fitted) = samples::draw(stream.samples, plugin, arguments.batch, &mut rng)?;
        let batch = Batch::stack(device, &samples.iter().collect::<Vec<_>>())?;
        if arguments.folder.is_some() {
            let values = samples.iter().flat_map(|sample| sample.values().iter().copied());
            let shape = [&[arguments.batch], batch.sample_shape()].concat();
            written.insert(stream.name.clone(), Array::new(shape, values.collect())?);
        }
        batches.push(batch);
        all_fitted.push(fitted);
    }
    if let Some(folder) = &arguments.folder {
        write(&folder.join("batch.safetensors"), &written)?;
    }
    Ok((batches, all_fitted))
}

fn write(path: &Path, state: &State) -> Result<(), Box<dyn Error>> {
    let bytes: Vec<Vec<u8>> = state
        .values()
        .map(|array| {
            let values = array.values().iter();
            values.flat_map(|value| value.to_le_bytes()).collect()
        })
        .collect();
    let views = state.iter().zip(&bytes).map(|((name, array), bytes)| {
        let view = TensorView::new(Dtype::F32, array.shape().to_vec(), bytes)?;
        Ok::<_, safetensors::SafeTensorError>((name.as_str(), view))
    });
    let file = safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None)?;
    Ok(std::fs::write(path, file)?)
}
