//! Fusions: how the modalities' feature vectors, or the maps inside their encoders, become the joint head's input.

use std::fmt::Debug;

use crate::error::{Error, Result};
use crate::params::Module;
use crate::pass::Pass;
use crate::presence::PresenceMask;
use crate::seed::Seed;
use crate::stage::{StageRequest, StageShape};
use crate::tensor::{AutoDevice, Features, Maps};

/// A fusion as configured: plain data, read from the `[fusion]` table.
#[typetag::serde(tag = "kind")]
pub trait Fusion: Debug + Send + Sync {
    /// The stage whose maps it takes from every encoder, in place of feature vectors. Default: it takes feature
    /// vectors.
    ///
    /// What of an encoder comes after that stage then serves the modality's own head alone. A fusion that lets the
    /// user choose reads the key `stage`.
    fn stage(&self) -> Option<StageRequest> {
        None
    }

    /// Builds the fusion for encoders with these feature lengths.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Shape`] if the configuration does not fit them. What a layer refuses may be passed
    /// on: [`Error::Argument`] is told as the setting that has the value.
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>>;
}

/// What a fusion is built for.
#[derive(Clone, Copy, Debug)]
pub struct FusionContext<'a> {
    /// The device that parameters live on.
    pub device: &'a AutoDevice,
    /// Length of each modality's feature vector, in the order in which they are fused.
    pub feature_dims: &'a [usize],
    /// What the stage that the fusion asks for leaves in each encoder, in the same order; empty if it asks for none.
    pub stages: &'a [StageShape],
    /// The random stream of the fusion's initial parameters.
    pub seed: Seed,
}

/// What a fusion is given of a batch.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FusionInputs {
    /// One `[batch, feature_dim]` per modality; empty for a fusion that asks for a stage.
    pub features: Vec<Features>,
    /// One `[channels, height, width, frames × batch]` per modality; empty unless the fusion asks for a stage.
    pub stages: Vec<Maps>,
    /// For each modality, which samples of the batch have it; `None`, or no entry, if all do. What stands above for one
    /// that lacks it is zeros. Samples of one batch may lack different modalities, all may lack the same one, and where a strategy
    /// asks for coalitions they may lack all.
    ///
    /// A fusion that leaves it aside reads those zeros, and what it adds to features, such as the bias of a layer for that
    /// modality alone, it adds where there is nothing. One for which that matters masks such values:
    /// [`mask_rows`](crate::nn::mask_rows). Each sample is fused by what it has itself, and no mask, or one that says `true`
    /// throughout, are the same.
    pub present: Vec<Option<PresenceMask>>,
}

impl FusionInputs {
    /// Feature vectors, for a fusion that asks for no stage.
    pub fn of_features(features: Vec<Features>) -> Self {
        Self {
            features,
            ..Self::default()
        }
    }

    /// The feature vectors, one `[batch, length]` for each of `lengths`; `fusion` is what messages call who asks.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more or fewer, or of another length, or of different batches.
    pub fn features_of(self, fusion: &str, lengths: &[usize]) -> Result<Vec<Features>> {
        let (batches, found): (Vec<usize>, Vec<usize>) =
            self.features.iter().map(|features| *features.shape()).unzip();
        if found != lengths {
            let expected = format!("features of lengths {lengths:?}");
            return Err(Error::shape(fusion, expected, found));
        }
        if batches.is_empty() || batches.iter().any(|batch| *batch != batches[0]) {
            return Err(Error::shape(fusion, "one batch size for all modalities", batches));
        }
        Ok(self.features)
    }

    /// Maps, for a fusion that asks for a stage.
    pub fn of_stages(stages: Vec<Maps>) -> Self {
        Self {
            stages,
            ..Self::default()
        }
    }
}

/// A fusion as built: owns parameters.
pub trait FusionModule: Module {
    /// Length of the fused vector.
    fn fused_dim(&self) -> usize;

    /// Fuses what all modalities give into `[batch, fused_dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the features or maps are not those that the fusion was built for.
    fn fuse(&mut self, inputs: FusionInputs, pass: &Pass) -> Result<Features>;
}
