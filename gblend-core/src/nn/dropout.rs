//! Dropout.

use rand::RngExt;

use super::arithmetic::multiply;
use crate::error::{Error, Result};
use crate::pass::Pass;
use crate::recorder::Recorder;
use crate::seed::Seed;
use crate::tensor::{Plain, Shape, Taped};

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
        let mut rng = pass.seed_of(&self.label).rng();
        let kept = 1.0 / (1.0 - self.probability);
        let mask = (0..input.shape().elements())
            .map(|_| {
                if rng.random::<f32>() < self.probability {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        let mask = Plain::new(&input.device(), *input.shape(), mask)?;
        multiply(input, mask.enter(Recorder::for_data()))
    }
}
