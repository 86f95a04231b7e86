//! Texts.

mod augment;
mod bert;
mod bpe;
mod figures;
mod packed;

use std::path::PathBuf;

use gblend_core::nn::{Embedding, Steps};
use gblend_core::tensor::Features;
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, FitContext, Fitted, Media, MediaKind, Modality, Module,
    ParamPath, ParamVisitor, Pass, Result, SampleRng, StepValues,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::steps::{StepArchitecture, StepEncoder, StepEncoderSettings, StepInputs};
use crate::range::{WIDTH, within};
use crate::rgb::wrong_media;
pub use augment::TextAugment;
use bert::BertEncoder;
use figures::Figures;

/// A text in any language, as tokens with a learned vector each.
///
/// Texts are brought to Unicode's normalization form C. Tokens are pieces of their bytes (byte-pair encoding) that are
/// learned from the training samples, so that no language, script or alphabet is foreign and no spaces are needed; or those
/// of a `tokenizer.json`. Either is kept with the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Text {
    /// Bytes that are kept of a text, from its beginning; what is cut off is no part of the prepared sample.
    pub bytes: usize,
    /// Tokens that are kept of a text, from its beginning.
    pub length: usize,
    /// A `tokenizer.json`, as Hugging Face's libraries write it. Relative paths start from the configuration's folder. Default:
    /// tokens are learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<PathBuf>,
    /// Tokens that are learned at most, the 256 bytes among them.
    pub vocabulary: usize,
    /// Whether capital letters count as small ones, where tokens are learned.
    pub lowercase: bool,
    /// Training samples that have to have a token; those of fewer, and those of none, share one vector.
    pub min_samples: usize,
    /// Length of a token's vector.
    pub width: usize,
    /// Random changes in training.
    pub augment: TextAugment,
    /// The network.
    pub encoder: StepEncoderSettings,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: 2048,
            length: 128,
            tokenizer: None,
            vocabulary: 4096,
            lowercase: true,
            min_samples: 2,
            width: 64,
            augment: TextAugment::default(),
            encoder: StepEncoderSettings::default(),
        }
    }
}

impl Text {
    /// Whether the network has a vector of every token that the tokenizer knows, whatever the training samples have.
    fn takes_whole_vocabulary(&self) -> bool {
        self.encoder.architecture == Some(StepArchitecture::Bert)
    }
}

#[typetag::serde(name = "text")]
impl Modality for Text {
    fn media(&self) -> MediaKind {
        MediaKind::Text
    }

    /// The bytes of the text, packed, see [`packed`].
    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Text(text) = media else {
            return Err(wrong_media("text", MediaKind::Text, media));
        };
        within("bytes", self.bytes, 1..=1 << 20)?;
        within("length", self.length, 1..=1 << 16)?;
        within("vocabulary", self.vocabulary, 256..=1 << 20)?;
        within("min_samples", self.min_samples, 1..=usize::MAX)?;
        self.augment.check()?;
        packed::pack(text, self.bytes)
    }

    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        let figures = Figures::fit(self, cx)?;
        Ok(Fitted::new(&figures)?.with_summary(figures.summary(self)))
    }

    /// `[length]`: numbers of tokens from 1, then zeros.
    fn apply(&self, sample: Array, fitted: &Fitted) -> Result<Array> {
        fitted.get::<Figures>()?.apply(self, &sample)
    }

    fn unfamiliar(&self, sample: &Array, fitted: &Fitted) -> Result<Vec<usize>> {
        let says_nothing = fitted.get::<Figures>()?.knows_nothing_of(self, sample)?;
        Ok(says_nothing.then_some(0).into_iter().collect())
    }

    fn augment(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        // A model that was trained elsewhere expects its marks around a text.
        let marks = usize::from(self.takes_whole_vocabulary());
        self.augment.apply(sample, marks, rng)
    }

    fn augments(&self) -> bool {
        self.augment.changes()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        let &[length] = cx.sample_shape else {
            return Err(Error::shape(
                "a text",
                "samples of shape [tokens]",
                cx.sample_shape,
            ));
        };
        if self.takes_whole_vocabulary() {
            let vocabulary = cx.fitted.get::<Figures>()?.vocabulary();
            return Ok(Box::new(BertEncoder::new(&self.encoder, vocabulary, length, cx)?));
        }
        let width = within("width", self.width, WIDTH)?;
        let count = cx.fitted.get::<Figures>()?.numbers();
        let inputs = StepInputs::Learned(width);
        Ok(Box::new(TextEncoder {
            length,
            embedding: Embedding::new(cx.device, count, width, Some(0), cx.seed.derive("embedding"))?,
            steps: StepEncoder::new(&self.encoder, StepArchitecture::Bag, inputs, cx)?,
        }))
    }
}

gblend_core::register!(Modality, "text" => Text);

#[derive(Debug)]
struct TextEncoder {
    length: usize,
    embedding: Embedding,
    steps: StepEncoder,
}

impl Encoder for TextEncoder {
    fn feature_dim(&self) -> usize {
        self.steps.feature_dim()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != [self.length] {
            let expected = format!("samples of shape [{}]", self.length);
            return Err(Error::shape("a text", expected, batch.sample_shape()));
        }
        let (rows, steps): (Features, Steps) = self.embedding.forward_batch(batch, pass)?;
        self.steps.forward(rows, &steps, pass)
    }

    fn step_values(&self, sample: &Array, recomputes: bool) -> StepValues {
        let tokens = sample.values().iter().filter(|&&token| token != 0.0);
        self.steps.step_values(tokens.count(), recomputes)
    }
}

impl Module for TextEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.embedding.visit_params(&path.join("embedding"), visitor)?;
        self.steps.visit_params(path, visitor)
    }
}
