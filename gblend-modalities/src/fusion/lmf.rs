//! Low-rank multimodal fusion.

use gblend_core::nn::{multiply, sum_axis};
use gblend_core::tensor::{Features, reshape};
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::projections::Projections;
use crate::range::{WIDTH, within};

/// Low-rank multimodal fusion: every product of one feature per modality, weighted by a tensor of low rank.
///
/// `h = Σ_r ⊙_k W_k^r [f_k; 1]`: the sum over r of the product over modalities. The 1 beside the features lets
/// products leave modalities out, so sums and products of fewer modalities are among what `h` can be. The tensor of
/// all products is never made. Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors", ACL
/// 2018, <https://arxiv.org/abs/1806.00064>, equation 7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LowRank {
    /// Length of the fused vector, at least 1.
    pub width: usize,
    /// Rank of the weight tensor, at least 1; parameters and time grow with it.
    pub rank: usize,
}

impl Default for LowRank {
    fn default() -> Self {
        Self { width: 128, rank: 4 }
    }
}

#[typetag::serde(name = "lmf")]
impl Fusion for LowRank {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let width = within("width", self.width, WIDTH)?;
        let rank = within("rank", self.rank, WIDTH)?;
        Ok(Box::new(LowRankProduct {
            inputs: Inputs::new("low-rank fusion", cx),
            factors: Projections::new(cx, rank * width, cx.seed.derive("factor"))?,
            width,
            rank,
        }))
    }
}

gblend_core::register!(Fusion, "lmf" => LowRank);

#[derive(Debug)]
struct LowRankProduct {
    inputs: Inputs,
    /// `W_k^1`, then `W_k^2`, …; the bias is what the 1 beside the features is multiplied with.
    factors: Projections,
    width: usize,
    rank: usize,
}

impl FusionModule for LowRankProduct {
    fn fused_dim(&self) -> usize {
        self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let features = inputs.features;
        let batch = self.inputs.check(&features)?;
        // Without features a factor is its bias, which tells that the modality is not there and keeps the product alive.
        let factors = self.factors.forward(features, &[])?.into_iter().map(Ok);
        let product = factors.reduce(|product, next| multiply(product?, next?));
        let product =
            product.unwrap_or_else(|| Err(Error::shape("low-rank fusion", "at least one modality", [0])))?;
        sum_axis(reshape(product, (batch, self.rank, self.width))?, 1)
    }
}

impl Module for LowRankProduct {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.factors.visit_params(&path.join("factor"), visitor)
    }
}
