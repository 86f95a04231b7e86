//! One linear layer per modality, to a length that all have in common.

use gblend_core::nn::Linear;
use gblend_core::tensor::Features;
use gblend_core::{FusionContext, Module, ParamPath, ParamVisitor, Result, Seed};

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

    /// One `[batch, feature_dim]` per modality to one `[batch, width]` each.
    pub(super) fn forward(&self, features: Vec<Features>) -> Result<Vec<Features>> {
        let pairs = self.0.iter().zip(features);
        pairs.map(|(layer, features)| layer.forward(features)).collect()
    }

    /// `[batch, feature_dim]` of modality `modality` to `[batch, width]`.
    pub(super) fn forward_one(&self, modality: usize, features: Features) -> Result<Features> {
        self.0[modality].forward(features)
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
