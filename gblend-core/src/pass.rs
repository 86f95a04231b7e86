//! One run of a network over a batch: for training, for evaluation, or for gradients alone.

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
}

impl Pass {
    /// A training step; `seed` is the step's own, and decides its dropout masks.
    pub fn train(seed: Seed) -> Self {
        Self {
            mode: Mode::Train,
            recomputes: false,
            seed,
        }
    }

    /// An evaluation.
    pub fn evaluate() -> Self {
        Self {
            mode: Mode::Evaluate,
            recomputes: false,
            seed: Seed::new(0),
        }
    }

    /// Gradients in evaluation mode.
    pub fn differentiate() -> Self {
        Self {
            mode: Mode::Differentiate,
            recomputes: false,
            seed: Seed::new(0),
        }
    }

    /// The same with the outputs of stages alone kept for the backward pass, which computes the rest again, or with
    /// everything; see [`recompute`](crate::nn::recompute()).
    #[must_use]
    pub fn recomputing(self, recomputes: bool) -> Self {
        Self { recomputes, ..self }
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
            Mode::Train | Mode::Differentiate => Recorder::for_data(),
            Mode::Evaluate => Recorder::off(),
        }
    }
}
