//! Convolutions over time.

use gblend_core::nn::{ConvNorm, Dropout, Window, global_average_pool};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::Features;
use gblend_core::{Batch, BuildContext, Encoder, Error, Module, ParamPath, ParamVisitor, Pass, Result};

/// Convolutions over time, each of which halves it; their last maps are averaged over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct EncoderSettings {
    /// Channels of each convolution; the last number is the length of the feature vector.
    pub channels: Vec<usize>,
    /// Steps that a convolution sees at once, an odd number.
    pub kernel: usize,
    /// Share of features dropped in training, 0 to below 1.
    pub dropout: f32,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 128],
            kernel: 5,
            dropout: 0.0,
        }
    }
}

/// [`EncoderSettings`] as built, for samples `[channels, steps, 1, 1]`.
#[derive(Debug)]
pub struct TimeEncoder {
    sample_shape: Vec<usize>,
    convolutions: Vec<ConvNorm>,
    dropout: Dropout,
    feature_dim: usize,
}

impl TimeEncoder {
    /// Builds the encoder.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are not `[channels, steps, 1, 1]`; [`Error::Setting`] if there is no convolution,
    /// one without channels, an even kernel, or a dropout that is no share.
    pub fn new(settings: &EncoderSettings, cx: &BuildContext<'_>) -> Result<Self> {
        let &[channels, _, 1, 1] = cx.sample_shape else {
            let expected = "samples of shape [channels, steps, 1, 1]";
            return Err(Error::shape("an encoder over time", expected, cx.sample_shape));
        };
        let Some(&feature_dim) = settings.channels.last() else {
            return Err(Error::setting(
                "encoder.channels",
                "[]",
                "at least one convolution",
            ));
        };
        if settings.kernel.is_multiple_of(2) {
            return Err(Error::setting("encoder.kernel", settings.kernel, "an odd number"));
        }
        let window = Window {
            kernel: (settings.kernel, 1),
            stride: (2, 1),
            padding: (settings.kernel / 2, 0),
        };
        let mut convolutions = Vec::with_capacity(settings.channels.len());
        let mut inputs = channels;
        for (index, &outputs) in settings.channels.iter().enumerate() {
            let seed = cx.seed.derive("convolution").nth(index as u64);
            convolutions.push(ConvNorm::new(cx.device, inputs, outputs, window, true, seed)?);
            inputs = outputs;
        }
        Ok(Self {
            sample_shape: cx.sample_shape.to_vec(),
            convolutions,
            dropout: Dropout::new(settings.dropout, cx.seed.derive("dropout"))?,
            feature_dim,
        })
    }
}

impl Encoder for TimeEncoder {
    fn feature_dim(&self) -> usize {
        self.feature_dim
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            let expected = format!("samples of shape {:?}", self.sample_shape);
            return Err(Error::shape(
                "an encoder over time",
                expected,
                batch.sample_shape(),
            ));
        }
        let mut maps = batch.maps(pass.recorder())?;
        for convolution in &mut self.convolutions {
            maps = convolution.forward(maps, pass)?;
        }
        self.dropout.forward(global_average_pool(maps, 1)?, pass)
    }
}

impl Module for TimeEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (index, convolution) in self.convolutions.iter_mut().enumerate() {
            convolution.visit_params(&path.join(format!("convolution{index}")), visitor)?;
        }
        Ok(())
    }
}
