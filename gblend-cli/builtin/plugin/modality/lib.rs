//! The modality kind `my-plugin` for gblend.

use gblend_core::nn::{Linear, relu};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, Features, Media, MediaKind, Modality, Module,
    ParamPath, ParamVisitor, Pass, Result, typetag,
};

/// How loud a sound is over time: this first sentence is what `gblend plugins` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct MyPluginModality {
    /// Parts that each sound is divided into; `gblend plugins` shows this too.
    pub parts: usize,
    /// Length of the feature vector.
    pub features: usize,
}

impl Default for MyPluginModality {
    fn default() -> Self {
        Self {
            parts: 16,
            features: 32,
        }
    }
}

#[typetag::serde(name = "my-plugin")]
impl Modality for MyPluginModality {
    fn media(&self) -> MediaKind {
        MediaKind::Waveform
    }

    // The front end, on loader threads; what it makes of a sample is cached on disk.
    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Waveform(sound) = media else {
            let problem = format!("found {}, expected {}", media.kind(), MediaKind::Waveform);
            return Err(Error::data("modality kind my-plugin", problem));
        };
        // Which setting is at fault, by its key; or what is wrong with this sample.
        if self.parts == 0 {
            return Err(Error::setting("parts", 0, "at least 1"));
        }
        if sound.samples.len() < self.parts {
            let problem = format!("{} samples, expected at least {}", sound.samples.len(), self.parts);
            return Err(Error::data("the sound", problem));
        }
        let part = |index: usize| index * sound.samples.len() / self.parts;
        let loudness = |index: usize| {
            let samples = &sound.samples[part(index)..part(index + 1)];
            let power =
                samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
            // Silence has a logarithm too; loud sound comes out near 1.
            1.0 + (power + 1e-6).log10() / 3.0
        };
        Array::new([self.parts], (0..self.parts).map(loudness).collect())
    }

    // Training sees samples as they are: there is no `augment`. So what a frozen encoder makes of them is computed once.
    fn augments(&self) -> bool {
        false
    }

    // The network, for samples of the shape that `prepare` made. `gblend_core::nn` has convolutions too.
    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let inputs = cx.sample_shape.iter().product();
        if self.features == 0 {
            return Err(Error::setting("features", 0, "at least 1"));
        }
        Ok(Box::new(MyPluginEncoder {
            sample_shape: cx.sample_shape.to_vec(),
            feature_dim: self.features,
            linear: Linear::new(cx.device, inputs, self.features, cx.seed.derive("linear"))?,
        }))
    }
}

gblend_core::register!(Modality, "my-plugin" => MyPluginModality);

/// One fully connected layer.
#[derive(Debug)]
struct MyPluginEncoder {
    sample_shape: Vec<usize>,
    feature_dim: usize,
    linear: Linear,
}

impl Encoder for MyPluginEncoder {
    fn feature_dim(&self) -> usize {
        self.feature_dim
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            let expected = format!("samples of shape {:?}", self.sample_shape);
            return Err(Error::shape("my-plugin", expected, batch.sample_shape()));
        }
        relu(self.linear.forward(batch.rows(pass.recorder())?)?)
    }
}

// Whatever learns or is checkpointed has to be shown here, under a path of its own.
impl Module for MyPluginEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)
    }
}
