//! Sequences of measurements: inertial sensors, physiological signals, series of features.

mod augment;
mod figures;
mod resize;

use gblend_core::nn::steps_of;
use gblend_core::tensor::Features;
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, FitContext, Fitted, Media, MediaKind, Modality, Module,
    ParamPath, ParamVisitor, Pass, Result, SampleRng, StepValues,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::steps::{StepArchitecture, StepEncoder, StepEncoderSettings, StepInputs};
use crate::frontend::moments::{cell, refused};
use crate::range::within;
use crate::rgb::wrong_media;
use figures::Figures;

pub use augment::SequenceAugment;

/// More steps than any sequence should be brought to; a slip of the finger should not fill the memory.
const LONGEST: usize = 1 << 20;

/// A sequence of measurements, so many features at each step: inertial sensors, physiological signals, series of features.
///
/// Features are brought to mean 0 and deviation 1 by the figures of the training samples, which are kept with the model. A
/// cell that is missing, NaN in the array, becomes the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sequence {
    /// Whether arrays are `[features, steps]` in place of `[steps, features]`. An array of one axis has one feature.
    pub transposed: bool,
    /// Steps that sequences are brought to. Default: as they are, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// How.
    pub resize: Resize,
    /// Whether features are standardized.
    pub standardize: bool,
    /// Deviations from the mean beyond which a standardized value is clipped, above 0.
    pub clip: f64,
    /// Random changes in training. Default: none.
    pub augment: SequenceAugment,
    /// The network.
    pub encoder: StepEncoderSettings,
}

/// How sequences are brought to a length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Of longer ones the middle is taken, and shorter ones are padded. Padding is masked: no layer sees it.
    #[default]
    Pad,
    /// Time is stretched or compressed, by interpolation and by means.
    Resample,
}

impl Default for Sequence {
    fn default() -> Self {
        Self {
            transposed: false,
            length: None,
            resize: Resize::default(),
            standardize: true,
            clip: 5.0,
            augment: SequenceAugment::default(),
            encoder: StepEncoderSettings::default(),
        }
    }
}

#[typetag::serde(name = "sequence")]
impl Modality for Sequence {
    fn media(&self) -> MediaKind {
        MediaKind::Array
    }

    /// `[features + 1, steps]`, the last row 1 where a step is there and 0 in the padding.
    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Array(array) = media else {
            return Err(wrong_media("sequence", MediaKind::Array, media));
        };
        if !(self.clip > 0.0 && self.clip.is_finite()) {
            return Err(Error::setting("clip", self.clip, "a number above 0"));
        }
        let (steps, features) = match (array.shape(), self.transposed) {
            (&[steps], _) => (steps, 1),
            (&[steps, features], false) | (&[features, steps], true) => (steps, features),
            (other, transposed) => {
                let expected = if transposed {
                    "[features, steps]"
                } else {
                    "[steps, features]"
                };
                return Err(Error::shape("a sequence", expected, other));
            }
        };
        if features == 0 {
            let expected = "at least one feature";
            return Err(Error::shape("a sequence", expected, array.shape()));
        }
        let length = within("length", self.length.unwrap_or(steps), 1..=LONGEST)?;
        let mut values = Vec::with_capacity((features + 1) * length);
        for feature in 0..features {
            let at = |step: usize| match self.transposed {
                true => feature * steps + step,
                false => step * features + feature,
            };
            let series = (0..steps).map(|step| {
                cell(array.values()[at(step)])
                    .map_err(|value| Error::data(format!("step {step}, feature {feature}"), refused(value)))
            });
            let series: Vec<f32> = series.collect::<Result<_>>()?;
            resize::append(&mut values, &series, length, self.resize);
        }
        let there = match self.resize {
            Resize::Pad => steps.min(length),
            Resize::Resample if steps == 0 => 0,
            Resize::Resample => length,
        };
        values.extend((0..length).map(|step| f32::from(step < there)));
        Array::new([features + 1, length], values)
    }

    /// Steps that are resampled take longer.
    fn prepares_directly(&self) -> bool {
        self.resize == Resize::Pad
    }

    fn prepares_quantities(&self) -> bool {
        true
    }

    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        let figures = Figures::fit(cx)?;
        let mut fitted = Fitted::new(&figures)?;
        for line in figures.summary(self) {
            fitted = fitted.with_summary(line);
        }
        Ok(fitted)
    }

    fn apply(&self, sample: Array, fitted: &Fitted) -> Result<Array> {
        fitted.get::<Figures>()?.apply(self, sample)
    }

    fn augment(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        self.augment.apply(sample, rng)
    }

    fn augments(&self) -> bool {
        self.augment.changes()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let &[rows, length] = cx.sample_shape else {
            let expected = "samples of shape [features + 1, steps]";
            return Err(Error::shape("a sequence", expected, cx.sample_shape));
        };
        let inputs = StepInputs::Measured(rows.saturating_sub(1));
        Ok(Box::new(SequenceEncoder {
            sample_shape: [rows, length],
            steps: StepEncoder::new(&self.encoder, StepArchitecture::Convolution, inputs, cx)?,
        }))
    }
}

gblend_core::register!(Modality, "sequence" => Sequence);

#[derive(Debug)]
struct SequenceEncoder {
    sample_shape: [usize; 2],
    steps: StepEncoder,
}

impl Encoder for SequenceEncoder {
    fn feature_dim(&self) -> usize {
        self.steps.feature_dim()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            let expected = format!("samples of shape {:?}", self.sample_shape);
            return Err(Error::shape("a sequence", expected, batch.sample_shape()));
        }
        let (rows, steps) = steps_of(batch, pass)?;
        self.steps.forward(rows, &steps, pass)
    }

    fn step_values(&self, sample: &Array, recomputes: bool) -> StepValues {
        let [_, length] = self.sample_shape;
        let mask = sample.len().saturating_sub(length);
        let there = sample.values().iter().skip(mask).filter(|&&step| step != 0.0);
        self.steps.step_values(there.count(), recomputes)
    }
}

impl Module for SequenceEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.steps.visit_params(path, visitor)
    }
}
