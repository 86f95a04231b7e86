//! Texts through BERT's network.

use gblend_core::tensor::Features;
use gblend_core::{
    Batch, BuildContext, Encoder, Error, Module, ParamPath, ParamVisitor, Pass, Result, StepValues,
};

use crate::encoder::bert::Bert;
use crate::encoder::features::FeatureVector;
use crate::encoder::step_values::StepCosts;
use crate::encoder::steps::{StepEncoderSettings, StepPooling};

/// Texts `[length]`, numbers of tokens from 1 and then zeros, through BERT's network to the mean of their tokens.
#[derive(Debug)]
pub(super) struct BertEncoder {
    length: usize,
    network: Bert,
    pooling: StepPooling,
    features: FeatureVector,
    costs: StepCosts,
}

impl BertEncoder {
    /// # Errors
    /// [`Error::Setting`] if a setting is out of its range or of another architecture, [`Error::Device`].
    pub(super) fn new(
        settings: &StepEncoderSettings,
        vocabulary: usize,
        length: usize,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let options = settings.bert(vocabulary)?;
        if length > options.positions.get() {
            let expected = format!("at most encoder.positions, which is {}", options.positions);
            return Err(Error::setting("length", length, expected));
        }
        let costs = StepCosts::of_inputs(options.width);
        Ok(Self {
            length,
            network: Bert::new(cx.device, &options, cx.seed.derive("bert"))?,
            pooling: settings.pooling.unwrap_or(StepPooling::Mean),
            features: FeatureVector::new(options.width, settings.features, settings.dropout, cx)?,
            costs: costs.with_transformer(options.width, options.hidden, options.depth),
        })
    }
}

impl Encoder for BertEncoder {
    fn feature_dim(&self) -> usize {
        self.features.length()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != [self.length] {
            let expected = format!("samples of shape [{}]", self.length);
            return Err(Error::shape("a text", expected, batch.sample_shape()));
        }
        let (tokens, steps) = self.network.forward(batch, pass)?;
        self.features.forward(self.pooling.forward(tokens, &steps)?, pass)
    }

    fn step_values(&self, sample: &gblend_core::Array, recomputes: bool) -> StepValues {
        let tokens = sample.values().iter().filter(|&&token| token != 0.0);
        self.costs.of(tokens.count(), recomputes)
    }
}

impl Module for BertEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.network.visit_params(path, visitor)?;
        self.features.visit_params(path, visitor)
    }
}
