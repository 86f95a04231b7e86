//! Fusions: how the modalities' feature vectors become the joint head's input.

use std::fmt::Debug;

use crate::error::Result;
use crate::params::Module;
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// A fusion as configured: plain data, read from the `[fusion]` table.
#[typetag::serde(tag = "kind")]
pub trait Fusion: Debug + Send + Sync {
    /// Builds the fusion for encoders with these feature lengths.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) or [`Error::Shape`](crate::Error::Shape) if the configuration does
    /// not fit them.
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>>;
}

/// What a fusion is built for.
#[derive(Clone, Copy, Debug)]
pub struct FusionContext<'a> {
    /// The device that parameters live on.
    pub device: &'a AutoDevice,
    /// Length of each modality's feature vector, in the order in which they are fused.
    pub feature_dims: &'a [usize],
    /// The random stream of the fusion's initial parameters.
    pub seed: Seed,
}

/// A fusion as built: owns parameters.
pub trait FusionModule: Module {
    /// Length of the fused vector.
    fn fused_dim(&self) -> usize;

    /// Fuses one `[batch, feature_dim]` per modality into `[batch, fused_dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the features are not those that the fusion was built for.
    fn fuse(&mut self, features: Vec<Features>, pass: &Pass) -> Result<Features>;
}
