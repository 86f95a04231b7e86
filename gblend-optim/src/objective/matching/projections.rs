//! A projection of each modality's feature vector, side by side.

use gblend_core::nn::{Mlp, concatenate, mask_rows};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::Features;
use gblend_core::{FusionContext, FusionInputs, FusionModule, Pass, Result};

/// `[batch, modalities × width]`; of a sample that lacks a modality, zeros stand in its place.
pub(super) struct Projections {
    layers: Vec<Mlp>,
    lengths: Vec<usize>,
    width: usize,
}

impl Projections {
    /// Layers with `hidden` widths between feature vector and projection.
    ///
    /// # Errors
    /// [`Error::Argument`](gblend_core::Error::Argument) if a width is 0, [`Error::Device`](gblend_core::Error::Device).
    pub(super) fn new(cx: &FusionContext<'_>, hidden: &[usize], width: usize) -> Result<Self> {
        let layers = cx.feature_dims.iter().enumerate().map(|(modality, &length)| {
            let sizes = [&[length], hidden, &[width]].concat();
            let seed = cx.seed.derive("projection").nth(modality as u64);
            Mlp::new(cx.device, &sizes, 0.0, seed)
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            lengths: cx.feature_dims.to_vec(),
            width,
        })
    }
}

impl FusionModule for Projections {
    fn fused_dim(&self) -> usize {
        self.layers.len() * self.width
    }

    fn fuse(&mut self, mut inputs: FusionInputs, pass: &Pass) -> Result<Features> {
        let present = std::mem::take(&mut inputs.present);
        let features = inputs.features_of("projections to match", &self.lengths)?;
        let parts = self.layers.iter().zip(features).enumerate();
        let parts = parts.map(|(modality, (layer, features))| {
            let projection = layer.forward(features, pass)?;
            match present.get(modality).and_then(Option::as_ref) {
                Some(present) => mask_rows(projection, present),
                None => Ok(projection),
            }
        });
        concatenate(parts.collect::<Result<_>>()?)
    }
}

impl Module for Projections {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let mut layers = self.layers.iter_mut().enumerate();
        layers.try_for_each(|(modality, layer)| layer.visit_params(&path.join(modality), visitor))
    }
}
