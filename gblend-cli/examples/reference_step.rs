//! One side of `cargo xtask bench --peer torch`: training steps of the reference network.
//!
//! Writes its initial parameters and its batch into a folder, for the other side to start from. Then takes
//! commands, a line each: `steps N` takes N steps and answers with their losses and times, `memory` answers
//! with the largest resident size.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gblend_cli::config::Config;
use gblend_cli::inputs::Inputs;
use gblend_cli::model::{ActiveHeads, Multimodal};
use gblend_core::nn::cross_entropy;
use gblend_core::params::{State, state_of};
use gblend_core::{Array, AutoDevice, Batch, BlendStrategy, Pass, Seed};
use gblend_optim::blend::Equal;
use gblend_optim::schedule::RunLength;
use gblend_optim::{Apply, BlendedOptimizer, BlendedSettings, StepLosses};
use rand::RngExt;
use safetensors::tensor::{Dtype, TensorView};

const CONFIG: &str = r#"
[data]
kind = "scene"
[modality.camera]
kind = "rgb"
[modality.motion]
kind = "flow"
[modality.microphone]
kind = "audio"
[fusion]
kind = "concat"
head = { hidden = [128] }
[optimizer]
kind = "sgd"
learning_rate = 0.01
momentum = 0.9
"#;

const CLASSES: usize = 10;
const BATCH: usize = 32;
/// `[channels, height, width, frames]` of each modality.
const SHAPES: [[usize; 4]; 3] = [[3, 32, 32, 8], [2, 32, 32, 8], [1, 64, 64, 1]];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(threads)) = (arguments.next(), arguments.next()) else {
        return Err("usage: reference_step FOLDER THREADS".into());
    };
    let folder = PathBuf::from(folder);
    let threads: usize = threads.parse()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| serve(&folder)).map_err(|error| error.into())
}

#[cfg(not(feature = "cuda"))]
fn open() -> Result<AutoDevice, std::convert::Infallible> {
    Ok(AutoDevice::default())
}

#[cfg(feature = "cuda")]
fn open() -> Result<AutoDevice, gblend_core::cuda::OpenError> {
    gblend_core::cuda::open(0)
}

fn serve(folder: &Path) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let config = Config::parse("reference", CONFIG, PathBuf::from("."), &[]).map_err(|e| text(&e))?;
    let device = open().map_err(|e| text(&e))?;
    let shapes: Vec<Vec<usize>> = SHAPES.iter().map(|shape| shape.to_vec()).collect();
    let mut model =
        Multimodal::build(&config, &shapes, CLASSES, &device, Seed::new(1)).map_err(|e| text(&e))?;
    let mut rng = Seed::new(2).rng();
    let samples: Vec<Vec<Array>> = SHAPES
        .iter()
        .map(|shape| {
            let elements = shape.iter().product();
            let mut sample = || (0..elements).map(|_| rng.random_range(-1.0..1.0)).collect();
            (0..BATCH)
                .map(|_| Array::new(*shape, sample()))
                .collect::<Result<_, _>>()
        })
        .collect::<Result<_, _>>()
        .map_err(|e: gblend_core::Error| text(&e))?;
    let labels: Vec<usize> = (0..BATCH).map(|index| index % CLASSES).collect();
    let mut batch = State::new();
    for (name, samples) in ["camera", "motion", "microphone"].iter().zip(&samples) {
        let values: Vec<f32> = samples
            .iter()
            .flat_map(|sample| sample.values().iter().copied())
            .collect();
        let shape = [&[BATCH], samples[0].shape()].concat();
        batch.insert(
            (*name).to_owned(),
            Array::new(shape, values).map_err(|e| text(&e))?,
        );
    }
    write(&folder.join("batch.safetensors"), &batch)?;
    write(
        &folder.join("weights.safetensors"),
        &state_of(&mut model).map_err(|e| text(&e))?,
    )?;
    let batches: Vec<Batch> = samples
        .iter()
        .map(|samples| Batch::stack(&device, &samples.iter().collect::<Vec<_>>()))
        .collect::<Result<_, _>>()
        .map_err(|e| text(&e))?;
    let inputs = Inputs::whole(BATCH, batches);
    drop(samples);
    let settings = BlendedSettings {
        schedule: config.optimizer.pipeline.schedule,
        clip_norm: None,
        apply: Apply::default(),
        first_step: 0,
        run: RunLength {
            steps_per_epoch: 1,
            epochs: 1,
        },
    };
    let mut optimizer =
        BlendedOptimizer::new(config.optimizer.plugin.as_ref(), settings).map_err(|e| text(&e))?;
    let heads = config.heads().map_err(|e| text(&e))?;
    let mut blend = Equal {}.start(&heads).map_err(|e| text(&e))?;
    let active = ActiveHeads::all(4);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| text(&e))?;
        if line == "memory" {
            let status = std::fs::read_to_string("/proc/self/status").map_err(|e| text(&e))?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
            println!("{}", kilobytes.map_or("0", str::trim));
            continue;
        }
        let steps: usize = line
            .trim_start_matches("steps ")
            .parse()
            .map_err(|_| format!("`{line}`"))?;
        let (mut losses, mut seconds) = (Vec::new(), Vec::new());
        for _ in 0..steps {
            let started = Instant::now();
            let pass = Pass::train(Seed::new(0));
            let logits = model.forward(&inputs, &pass, &active).map_err(|e| text(&e))?;
            let step: Vec<_> = logits
                .into_iter()
                .flatten()
                .map(|logits| cross_entropy(logits, &labels).map(Some))
                .collect::<Result<_, _>>()
                .map_err(|e| text(&e))?;
            let values: Vec<f32> = step.iter().flatten().map(|loss| loss.as_vec()[0]).collect();
            optimizer
                .step(
                    &mut model.active(&active),
                    StepLosses::Blended(step),
                    blend.as_mut(),
                )
                .map_err(|e| text(&e))?;
            seconds.push(started.elapsed().as_secs_f64());
            losses.push(values);
        }
        println!("{}", serde_json::json!({ "losses": losses, "seconds": seconds }));
    }
    Ok(())
}

fn write(path: &Path, state: &State) -> Result<(), String> {
    let bytes: Vec<Vec<u8>> = state
        .values()
        .map(|array| {
            array
                .values()
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = state.iter().zip(&bytes).map(|((name, array), bytes)| {
        TensorView::new(Dtype::F32, array.shape().to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let file = safetensors::serialize(views, None).map_err(|error| error.to_string())?;
    std::fs::write(path, file).map_err(|error| format!("{}: {error}", path.display()))
}
