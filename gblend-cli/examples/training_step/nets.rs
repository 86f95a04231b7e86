//! The networks that steps are taken of, and the samples that they are taken on.

use clap::ValueEnum;
use serde_json::{Value, json};

/// What is trained.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Net {
    /// Clips of 3 × 32 × 32, flow of 2 × 32 × 32 and a spectrogram of 64 × 64, four plain convolutions each.
    Reference,
    /// Clips of 3 × 32 × 32 through eight (2+1)D blocks.
    Video,
    /// Clips of 3 × 32 × 32 through four residual blocks of two (2+1)D convolutions each.
    R2plus1d,
    /// Clips of 3 × 32 × 32 through eight residual blocks on each frame.
    Residual,
    /// Flow of 2 × 32 × 32, several times.
    Flows,
    /// Pictures of 3 × 112 × 112 through a ResNet of 18 layers.
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
    /// Clips of 3 × 32 × 32 through a transformer with attention over time, then over places.
    VideoTransformer,
    /// Texts of 64 tokens through a transformer.
    TextTransformer,
}

/// How large they are, where a network leaves it open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) frames: usize,
    pub(crate) modalities: usize,
}

/// What the samples of a modality are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Samples {
    /// `[channels, height, width, frames]`.
    Pictures([usize; 4]),
    /// So many numbers.
    Vectors(usize),
    /// Steps of features, all of which are there.
    Steps { steps: usize, features: usize },
    /// At least so many tokens.
    Texts(usize),
}

/// One modality.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Its table in the configuration.
    pub(crate) table: String,
    pub(crate) samples: Samples,
    /// What the other side has to know beside the shapes of the parameters.
    pub(crate) encoder: Value,
}

/// Attention heads of all transformers here, and the width of those over steps.
const HEADS: usize = 4;
const WIDTH: usize = 128;

impl Net {
    pub(crate) fn streams(self, sizes: Sizes) -> Vec<Stream> {
        let clip = [3, 32, 32, sizes.frames];
        let flow = |name: &str| pictures(name, "kind = \"flow\"", [2, 32, 32, sizes.frames], 1);
        match self {
            Self::Reference => vec![
                pictures("camera", "kind = \"rgb\"", clip, 1),
                flow("motion"),
                pictures("microphone", "kind = \"audio\"", [1, 64, 64, 1], 1),
            ],
            Self::Video => {
                let table = "kind = \"rgb\"\nencoder = { architecture = \"factorized\", blocks = 2 }";
                vec![pictures("camera", table, clip, 2)]
            }
            Self::R2plus1d => {
                let table = "kind = \"rgb\"\nencoder = { architecture = \"r2plus1d\" }";
                vec![pictures("camera", table, clip, 1)]
            }
            Self::Residual => {
                let table = "kind = \"rgb\"\nencoder = { architecture = \"residual\", blocks = 2 }";
                vec![pictures("camera", table, clip, 2)]
            }
            Self::Flows => (1..=sizes.modalities)
                .map(|number| flow(&format!("motion{number}")))
                .collect(),
            Self::Resnet18 => vec![Stream {
                name: "camera".to_owned(),
                table: "kind = \"rgb\"\nencoder = { architecture = \"resnet18\" }".to_owned(),
                samples: Samples::Pictures([3, 112, 112, 1]),
                encoder: json!({ "kind": "resnet18" }),
            }],
            Self::Spectrogram => vec![pictures("microphone", "kind = \"audio\"", [1, 64, 256, 1], 1)],
            Self::Vectors => vec![Stream {
                name: "features".to_owned(),
                table: "kind = \"vector\"\nencoder = { widths = [512, 256, 128], dropout = 0.0 }".to_owned(),
                samples: Samples::Vectors(512),
                encoder: json!({ "kind": "mlp" }),
            }],
            Self::Sequence => vec![steps(
                "architecture = \"convolution\", channels = [128, 128]",
                [256, 128],
                json!({ "kind": "step-convolutions", "stride": 2 }),
            )],
            Self::Gru => vec![steps(
                "architecture = \"gru\", units = 128",
                [128, 32],
                json!({ "kind": "gru" }),
            )],
            Self::SequenceTransformer => vec![steps(
                &transformer_keys(&format!("width = {WIDTH}, ")),
                [256, 32],
                json!({ "kind": "step-transformer", "heads": HEADS }),
            )],
            Self::VideoTransformer => vec![Stream {
                name: "camera".to_owned(),
                table: "kind = \"rgb\"\nencoder = { architecture = \"transformer\" }".to_owned(),
                samples: Samples::Pictures(clip),
                encoder: json!({ "kind": "video-transformer", "heads": HEADS }),
            }],
            Self::TextTransformer => vec![Stream {
                name: "title".to_owned(),
                table: format!(
                    "kind = \"text\"\nwidth = {WIDTH}\nlength = 64\nmin_samples = 1\nencoder = {{ {} }}",
                    transformer_keys("")
                ),
                samples: Samples::Texts(64),
                encoder: json!({ "kind": "text-transformer", "heads": HEADS }),
            }],
        }
    }
}

fn transformer_keys(width: &str) -> String {
    let hidden = 2 * WIDTH;
    format!("architecture = \"transformer\", {width}depth = 2, heads = {HEADS}, hidden = {hidden}")
}

/// Pictures for convolutions, of which each stage has so many blocks.
fn pictures(name: &str, table: &str, shape: [usize; 4], blocks: usize) -> Stream {
    Stream {
        name: name.to_owned(),
        table: table.to_owned(),
        samples: Samples::Pictures(shape),
        encoder: json!({ "kind": "convolutions", "blocks": blocks }),
    }
}

fn steps(encoder_keys: &str, [steps, features]: [usize; 2], encoder: Value) -> Stream {
    Stream {
        name: "sensor".to_owned(),
        table: format!("kind = \"sequence\"\nencoder = {{ {encoder_keys} }}"),
        samples: Samples::Steps { steps, features },
        encoder,
    }
}
