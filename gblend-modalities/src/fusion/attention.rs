//! Self-attention over modalities.

use gblend_core::nn::{SelfAttention, add, concatenate, fork};
use gblend_core::tensor::{Features, reshape};
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::projections::Projections;
use crate::range::{WIDTH, within};

/// Self-attention with one token per modality: each takes from the others what it asks for.
///
/// The tokens `t_k = W_k f_k + b_k` become `t + O · [head_1, …, head_H]` with
/// `head_i = softmax(Q_i t (K_i t)ᵀ / √(width / H)) V_i t`, and the fused vector is the new tokens side by side. It
/// is a non-local block, Wang et al., "Non-local Neural Networks", CVPR 2018, <https://arxiv.org/abs/1711.07971>,
/// equation 6, whose positions are the modalities, with the scaled heads of Vaswani et al., "Attention Is All You
/// Need", NeurIPS 2017, <https://arxiv.org/abs/1706.03762>, section 3.2. `b_k` tells a token's modality. Needs at
/// least two modalities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attention {
    /// Length of a token, a multiple of `heads`; the fused vector has that many values per modality.
    pub width: usize,
    /// Number of attention heads, at least 1.
    pub heads: usize,
}

impl Default for Attention {
    fn default() -> Self {
        Self { width: 64, heads: 4 }
    }
}

#[typetag::serde(name = "attention")]
impl Fusion for Attention {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let width = within("width", self.width, WIDTH)?;
        let heads = within("heads", self.heads, WIDTH)?;
        if !width.is_multiple_of(heads) {
            let expected = format!("a multiple of heads, which is {heads}");
            return Err(Error::setting("width", width, expected));
        }
        let inputs = Inputs::of_several("attention over modalities", cx, "kind", "attention")?;
        Ok(Box::new(AttentionLayer {
            tokens: Projections::new(cx, width, cx.seed.derive("token"))?,
            attention: SelfAttention::new(cx.device, width, heads, cx.seed)?,
            inputs,
            width,
        }))
    }
}

gblend_core::register!(Fusion, "attention" => Attention);

#[derive(Debug)]
struct AttentionLayer {
    inputs: Inputs,
    tokens: Projections,
    attention: SelfAttention,
    width: usize,
}

impl FusionModule for AttentionLayer {
    fn fused_dim(&self) -> usize {
        self.inputs.len() * self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let FusionInputs {
            features, present, ..
        } = inputs;
        let batch = self.inputs.check(&features)?;
        let tokens = concatenate(self.tokens.forward(features, &present)?)?;
        let tokens = reshape(tokens, (batch * self.inputs.len(), self.width))?;
        let (tokens, around) = fork(tokens);
        let attended = self.attention.forward(tokens, self.inputs.len())?;
        reshape(add(attended, around)?, (batch, self.fused_dim()))
    }
}

impl Module for AttentionLayer {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.tokens.visit_params(&path.join("token"), visitor)?;
        self.attention.visit_params(path, visitor)
    }
}
