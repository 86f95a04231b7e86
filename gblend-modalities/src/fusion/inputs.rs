//! The features that a fusion is built for, and the check that it gets those.

use gblend_core::tensor::Features;
use gblend_core::{Error, FusionContext, Result};

/// One feature length per modality.
#[derive(Debug)]
pub(super) struct Inputs {
    /// What the fusion is called in messages.
    fusion: &'static str,
    feature_dims: Vec<usize>,
}

impl Inputs {
    /// Of any number of modalities.
    pub(super) fn new(fusion: &'static str, cx: &FusionContext<'_>) -> Self {
        Self {
            fusion,
            feature_dims: cx.feature_dims.to_vec(),
        }
    }

    /// Of at least two modalities, for fusions of which parts would never learn with one: `key` and `value` are the
    /// setting that asks for such a fusion.
    pub(super) fn of_several(
        fusion: &'static str,
        cx: &FusionContext<'_>,
        key: &str,
        value: &str,
    ) -> Result<Self> {
        if cx.feature_dims.len() < 2 {
            let expected = "at least two modalities with it; with one, use \"concat\" or \"sum\"";
            return Err(Error::setting(key, format!("\"{value}\""), expected));
        }
        Ok(Self::new(fusion, cx))
    }

    /// The number of modalities.
    pub(super) fn len(&self) -> usize {
        self.feature_dims.len()
    }

    /// The length of each modality's features.
    pub(super) fn feature_dims(&self) -> &[usize] {
        &self.feature_dims
    }

    /// The length of all features side by side.
    pub(super) fn total(&self) -> usize {
        self.feature_dims.iter().sum()
    }

    /// The batch size of `features`, one `[batch, feature_dim]` per modality.
    ///
    /// # Errors
    /// [`Error::Shape`] if their number, a length, or a batch size is another.
    pub(super) fn check(&self, features: &[Features]) -> Result<usize> {
        let lengths: Vec<usize> = features.iter().map(|features| features.shape().1).collect();
        if lengths != self.feature_dims {
            let expected = format!("features of lengths {:?}", self.feature_dims);
            return Err(Error::shape(self.fusion, expected, lengths));
        }
        let batches: Vec<usize> = features.iter().map(|features| features.shape().0).collect();
        match batches.as_slice() {
            [first, rest @ ..] if rest.iter().all(|batch| batch == first) => Ok(*first),
            _ => {
                let expected = "one batch size for all modalities";
                Err(Error::shape(self.fusion, expected, batches))
            }
        }
    }
}
