//! One linear layer per modality, to a length that all have in common.

use gblend_core::nn::{Linear, mask_rows};
use gblend_core::tensor::Features;
use gblend_core::{FusionContext, Module, ParamPath, ParamVisitor, PresenceMask, Result, Seed};

/// `W_k f_k + b_k` for each modality k.
#[derive(Debug)]
pub(super) struct Projections(Vec<Linear>);

impl Projections {
    /// From each modality's features to `width` values.
    pub(super) fn new(cx: &FusionContext<'_>, width: usize, seed: Seed) -> Result<Self> {
        let layers = cx.feature_dims.iter().enumerate().map(|(modality, &length)| {
            let seed = seed.nth(modality as u64);
            Linear::new(cx.device, length, width, seed)
        });
        Ok(Self(layers.collect::<Result<_>>()?))
    }

    /// One `[batch, feature_dim]` per modality to one `[batch, width]` each. `present` is that of
    /// [`FusionInputs`](gblend_core::FusionInputs): for a sample that lacks a modality the values are zeros, because
    /// `b_k` says nothing of what is not there.
    pub(super) fn forward(
        &self,
        features: Vec<Features>,
        present: &[Option<PresenceMask>],
    ) -> Result<Vec<Features>> {
        let features = features.into_iter().take(self.0.len()).enumerate();
        features
            .map(|(modality, features)| self.forward_one(modality, features, present))
            .collect()
    }

    /// `[batch, feature_dim]` of modality `modality` to `[batch, width]`.
    pub(super) fn forward_one(
        &self,
        modality: usize,
        features: Features,
        present: &[Option<PresenceMask>],
    ) -> Result<Features> {
        let projected = self.0[modality].forward(features)?;
        match present.get(modality) {
            Some(Some(present)) => mask_rows(projected, present),
            _ => Ok(projected),
        }
    }
}

impl Module for Projections {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (modality, layer) in self.0.iter_mut().enumerate() {
            layer.visit_params(&path.join(modality), visitor)?;
        }
        Ok(())
    }
}
