//! One run of a network over a batch: for training, for evaluation, or for gradients alone.

use crate::engine::RecorderOn;
use crate::precision::Precision;
use crate::recorder::Recorder;
use crate::seed::Seed;

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, running statistics updated, dropout on, recorded.
    Train,
    /// Running statistics, dropout off, not recorded.
    Evaluate,
    /// As `Evaluate`, but recorded: gradients of the network as it would predict.
    Differentiate,
}

/// The mode of a forward pass and its randomness.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    mode: Mode,
    seed: Seed,
    recomputes: bool,
    keeps: Precision,
}

impl Pass {
    /// A training step; `seed` is the step's own, and decides its dropout masks.
    pub fn train(seed: Seed) -> Self {
        Self {
            mode: Mode::Train,
            recomputes: false,
            keeps: Precision::F32,
            seed,
        }
    }

    /// An evaluation.
    pub fn evaluate() -> Self {
        Self {
            mode: Mode::Evaluate,
            recomputes: false,
            keeps: Precision::F32,
            seed: Seed::new(0),
        }
    }

    /// Gradients in evaluation mode.
    pub fn differentiate() -> Self {
        Self {
            mode: Mode::Differentiate,
            recomputes: false,
            keeps: Precision::F32,
            seed: Seed::new(0),
        }
    }

    /// The same with the outputs of stages alone kept for the backward pass, which computes the rest again, or with
    /// everything; see [`recompute`](crate::nn::recompute()).
    #[must_use]
    pub fn recomputing(self, recomputes: bool) -> Self {
        Self { recomputes, ..self }
    }

    /// The same with the maps of normalized convolutions rounded to what `precision` has, in which they are kept for the backward pass;
    /// see [`ConvNorm`](crate::nn::ConvNorm). A pass that is not recorded keeps nothing, and rounds nothing.
    #[must_use]
    pub fn keeping(self, precision: Precision) -> Self {
        Self {
            keeps: precision,
            ..self
        }
    }

    /// Whether the backward pass computes stages again.
    pub fn recomputes(&self) -> bool {
        self.recomputes
    }

    /// What the pass is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether normalization uses (and updates) the statistics of the batch, and dropout drops.
    pub fn is_training(&self) -> bool {
        self.mode == Mode::Train
    }

    /// The random stream of the part called `label` in this pass.
    pub fn seed_of(&self, label: &str) -> Seed {
        self.seed.derive(label)
    }

    /// The recorder that data enters the network with.
    pub fn recorder(&self) -> Recorder {
        match self.mode {
            Mode::Train | Mode::Differentiate => Recorder(RecorderOn::for_data().keeping(self.keeps)),
            Mode::Evaluate => Recorder::off(),
        }
    }
}
