//! The network of vectors.

use gblend_core::nn::{
    Activation, Dropout, Embedding, Ids, Linear, Normalization, ResidualMlpBlock, ResidualMlpOptions,
    RowNorm, concatenate,
};
use gblend_core::tensor::Features;
use gblend_core::{Batch, BuildContext, Encoder, Error, Module, ParamPath, ParamVisitor, Pass, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Vector;
use super::figures::Figures;
use crate::range::{self, DEPTH, WIDTH, within};

/// The network between a vector and its features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorEncoderSettings {
    /// What the network is made of.
    pub architecture: VectorArchitecture,
    /// Units of each layer or block. The last number is the length of the feature vector; `linear` has this one alone.
    pub widths: Vec<usize>,
    /// What follows a layer, `linear` excepted.
    pub normalization: Normalization,
    /// What follows the normalization.
    pub activation: Activation,
    /// Share of a layer's units dropped in training, 0 to below 1.
    pub dropout: f32,
}

/// What a network of vectors is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VectorArchitecture {
    /// One linear map.
    Linear,
    /// Fully connected layers.
    #[default]
    Mlp,
    /// Fully connected layers, each with a way around it.
    Residual,
}

impl Default for VectorEncoderSettings {
    fn default() -> Self {
        Self {
            architecture: VectorArchitecture::default(),
            widths: vec![64],
            normalization: Normalization::Layer,
            activation: Activation::Relu,
            dropout: 0.25,
        }
    }
}

/// The network of vectors as built.
#[derive(Debug)]
pub(super) struct VectorNetwork {
    /// Values of a sample, the numbers of categories among them.
    values: usize,
    embeddings: Vec<Embedding>,
    layers: Vec<Layer>,
    features: usize,
}

#[derive(Debug)]
enum Layer {
    Linear(Linear, Dropout),
    Full(Box<FullLayer>),
    Residual(Box<ResidualMlpBlock>),
}

#[derive(Debug)]
struct FullLayer {
    linear: Linear,
    norm: RowNorm,
    activation: Activation,
    dropout: Dropout,
}

impl VectorNetwork {
    pub(super) fn new(settings: &Vector, figures: &Figures, cx: &BuildContext<'_>) -> Result<Self> {
        let encoder = &settings.encoder;
        let dense = figures.dense(settings);
        let embeddings = settings.category_width.map(|width| {
            within("category_width", width, WIDTH)?;
            let embedding = |(index, count)| {
                let seed = cx.seed.derive("embedding").nth(index as u64);
                // The first is what no training sample has: zeros, and they stay so.
                Embedding::new(cx.device, count + 1, width, Some(0), seed)
            };
            figures.counts().enumerate().map(embedding).collect()
        });
        let embeddings: Vec<Embedding> = embeddings.transpose()?.unwrap_or_default();
        let values = dense + embeddings.len();
        if cx.sample_shape != [values] {
            let expected = format!("samples of shape [{values}], as fitted");
            return Err(Error::shape("a vector", expected, cx.sample_shape));
        }
        within("encoder.widths", encoder.widths.len(), DEPTH)?;
        for &width in &encoder.widths {
            within("encoder.widths", width, WIDTH)?;
        }
        let dropout = range::dropout("encoder.dropout", encoder.dropout)?;
        if encoder.architecture == VectorArchitecture::Linear && encoder.widths.len() != 1 {
            let value = format!("{:?}", encoder.widths);
            return Err(Error::setting(
                "encoder.widths",
                value,
                "one number for a linear map",
            ));
        }
        let mut inputs = dense + embeddings.iter().map(Embedding::width).sum::<usize>();
        let mut layers = Vec::with_capacity(encoder.widths.len());
        for (index, &width) in encoder.widths.iter().enumerate() {
            let seed = cx.seed.derive("layer").nth(index as u64);
            let dropped = || Dropout::new(dropout, seed.derive("dropout"));
            let linear = || Linear::new(cx.device, inputs, width, seed.derive("linear"));
            layers.push(match encoder.architecture {
                VectorArchitecture::Linear => Layer::Linear(linear()?, dropped()?),
                VectorArchitecture::Mlp => Layer::Full(Box::new(FullLayer {
                    linear: match encoder.normalization {
                        // A bias would do nothing.
                        Normalization::Batch => {
                            Linear::without_bias(cx.device, inputs, width, seed.derive("linear"))?
                        }
                        Normalization::Layer | Normalization::None => linear()?,
                    },
                    norm: RowNorm::new(cx.device, encoder.normalization, width)?,
                    activation: encoder.activation,
                    dropout: dropped()?,
                })),
                VectorArchitecture::Residual => {
                    let options = ResidualMlpOptions {
                        normalization: encoder.normalization,
                        activation: encoder.activation,
                        dropout,
                    };
                    let block = ResidualMlpBlock::new(cx.device, inputs, width, &options, seed)?;
                    Layer::Residual(Box::new(block))
                }
            });
            inputs = width;
        }
        Ok(Self {
            values,
            embeddings,
            layers,
            features: inputs,
        })
    }

    /// The numbers of a batch, and the vectors of its categories beside them.
    fn enter(&self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if self.embeddings.is_empty() {
            return batch.rows(pass.recorder());
        }
        let dense = self.values - self.embeddings.len();
        let mut parts = Vec::with_capacity(1 + self.embeddings.len());
        if dense > 0 {
            parts.push(batch.columns(0..dense, pass.recorder())?);
        }
        let ids = Ids::of_columns(batch, dense..self.values)?;
        for (embedding, ids) in self.embeddings.iter().zip(&ids) {
            parts.push(embedding.forward_ids(ids, pass)?);
        }
        concatenate(parts)
    }
}

impl Encoder for VectorNetwork {
    fn feature_dim(&self) -> usize {
        self.features
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != [self.values] {
            let expected = format!("samples of shape [{}]", self.values);
            return Err(Error::shape("a vector", expected, batch.sample_shape()));
        }
        let mut rows = self.enter(batch, pass)?;
        for layer in &mut self.layers {
            rows = match layer {
                Layer::Linear(linear, dropout) => dropout.forward(linear.forward(rows)?, pass)?,
                Layer::Full(layer) => {
                    let inner = layer.norm.forward(layer.linear.forward(rows)?, pass)?;
                    layer.dropout.forward(layer.activation.forward(inner)?, pass)?
                }
                Layer::Residual(block) => block.forward(rows, pass)?,
            };
        }
        Ok(rows)
    }
}

impl Module for VectorNetwork {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (index, embedding) in self.embeddings.iter_mut().enumerate() {
            embedding.visit_params(&path.join(format!("embedding{index}")), visitor)?;
        }
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let path = path.join(format!("layer{index}"));
            match layer {
                Layer::Linear(linear, _) => linear.visit_params(&path.join("linear"), visitor)?,
                Layer::Full(layer) => {
                    layer.linear.visit_params(&path.join("linear"), visitor)?;
                    layer.norm.visit_params(&path.join("norm"), visitor)?;
                }
                Layer::Residual(block) => block.visit_params(&path, visitor)?,
            }
        }
        Ok(())
    }
}
