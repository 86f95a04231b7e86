//! A run on many small samples, of which none stays in memory, for `cargo xtask bench --growth`.
//!
//! Trains for one epoch and prints the summary as JSON.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use gblend_cli::config::Config;
use gblend_cli::process::Interrupt;
use gblend_cli::progress::Reporter;
use gblend_cli::ranks::Ranks;
use gblend_cli::run_folder::Destination;
use gblend_cli::training::pipeline::{ProcessUse, Start, run};
use gblend_cli::training::session::with_threads;
use gblend_core::media::{Frames, SequenceShape};
use gblend_core::{Dataset, Media, MediaKind, OpenContext, Partition, Result, Sample, Seed, Source, Stream};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const CONFIG: &str = r#"
[run]
epochs = 1
batch_size = 64
validation = 0
memory = 0
[data]
kind = "noise"
samples = 1000
[modality.picture]
kind = "rgb"
encoder.channels = [8]
[fusion]
kind = "concat"
[blend]
kind = "equal"
[optimizer]
kind = "sgd"
learning_rate = 0.05
"#;

const CLASSES: usize = 10;
const SIDE: usize = 8;
const TEST_SAMPLES: usize = 200;

#[derive(Debug, Parser)]
struct Arguments {
    /// Samples to train on.
    #[arg(long)]
    samples: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where the prepared samples and the run go; must not be there.
    #[arg(long)]
    folder: PathBuf,
}

/// Small pictures of noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Noise {
    /// Samples to train on.
    samples: usize,
}

#[typetag::serde(name = "noise")]
impl Dataset for Noise {
    fn open(&self, cx: &OpenContext<'_>) -> Result<Box<dyn Source>> {
        Ok(Box::new(Opened {
            samples: self.samples,
            seed: cx.seed,
            classes: (0..CLASSES).map(|class| class.to_string()).collect(),
            streams: vec![Stream {
                name: "picture".to_owned(),
                media: MediaKind::Frames,
            }],
        }))
    }
}

gblend_core::register!(Data, "noise" => Noise);

struct Opened {
    samples: usize,
    seed: Seed,
    classes: Vec<String>,
    streams: Vec<Stream>,
}

impl Source for Opened {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn len(&self) -> usize {
        self.samples + TEST_SAMPLES
    }

    fn sample(&self, index: usize) -> Sample {
        Sample {
            id: index.to_string(),
            label: (index % CLASSES).into(),
            group: None,
            partition: if index < self.samples {
                Partition::Train
            } else {
                Partition::Test
            },
        }
    }

    fn read(&self, index: usize, _: usize) -> Result<Media> {
        let mut rng = self.seed.nth(index as u64).rng();
        let shape = SequenceShape {
            frames: 1,
            height: SIDE,
            width: SIDE,
            channels: 1,
        };
        let brightness = (index % CLASSES * 20) as u8;
        let pixels = (0..SIDE * SIDE).map(|_| brightness + rng.random_range(0..56));
        Frames::new(shape, pixels.collect()).map(Media::Frames)
    }

    fn fingerprint(&self, index: usize, _: usize) -> Result<String> {
        Ok(index.to_string())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let text = CONFIG.replace("samples = 1000", &format!("samples = {}", arguments.samples));
    let mut config = Config::parse("streamed", &text, PathBuf::from("."), &[])?;
    config.run.cache = arguments.folder.join("cache");
    let start = Start::New(Destination::Folder(arguments.folder.join("run")));
    let (summary, _) = with_threads(arguments.threads, || {
        run(
            &config,
            &start,
            ProcessUse::Exclusive,
            &Ranks::alone(),
            &Interrupt::never(),
            &Reporter::new(true),
        )
    })?;
    println!("{}", serde_json::to_string(&summary)?);
    Ok(())
}
