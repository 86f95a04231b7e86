//! Dropout.

use rand::RngExt;

use crate::device::Chosen;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{Shape, Taped};

/// 2^-24: what a random number of 24 bits counts in.
const UNIT: f32 = 1.0 / (1 << 24) as f32;

/// Sets values to 0 with a probability in training, and scales the others so that the mean stays
/// (Srivastava et al., JMLR 2014).
#[derive(Clone, Debug)]
pub struct Dropout {
    probability: f32,
    label: String,
}

impl Dropout {
    /// Dropout with this probability. `seed` is the layer's own: it tells its masks from those of others.
    ///
    /// # Errors
    /// [`Error::Argument`] if the probability is not in `0..1`.
    pub fn new(probability: f32, seed: Seed) -> Result<Self> {
        if !(0.0..1.0).contains(&probability) {
            let expected = "at least 0 and below 1";
            return Err(Error::argument(
                "dropout layer",
                "probability",
                probability,
                expected,
            ));
        }
        Ok(Self {
            probability,
            label: format!("dropout {:016x}", seed.value()),
        })
    }

    /// Drops values of the input in a training pass, and does nothing in others. The mask depends on the
    /// pass's seed and the layer's alone.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn forward<S: Shape>(&self, input: Taped<S>, pass: &Pass) -> Result<Taped<S>> {
        if !pass.is_training() || self.probability == 0.0 {
            return Ok(input);
        }
        let mut words = vec![0_u32; input.shape().elements()];
        pass.seed_of(&self.label).rng().fill(&mut words[..]);
        let kept = 1.0 / (1.0 - self.probability);
        let dropped = |word: u32| (word >> 8) as f32 * UNIT < self.probability;
        let factors = words
            .into_iter()
            .map(|word| if dropped(word) { 0.0 } else { kept });
        let operand = input.operand();
        graph::not_traceable("drops values in a training pass");
        let result = Chosen::scale_each(input.into_engine(), factors.collect()).map(Taped::from)?;
        Ok(result.traced(&[operand], || Operation::Multiply))
    }
}
