//! Modalities: how one kind of media becomes a feature vector.

use std::fmt::Debug;
use std::num::NonZeroUsize;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::fit::{FitContext, Fitted};
use crate::media::{Media, MediaKind};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::{SampleRng, Seed};
use crate::stage::{EncoderHalf, StageShape};
use crate::tensor::{AutoDevice, Batch, Features, Maps};

/// A modality as configured: plain data, read from a `[modality.NAME]` table.
///
/// A plugin implements it for a `serde` struct, marks the impl with `#[typetag::serde(name = "…")]` and
/// announces the kind with [`register!`](crate::register).
#[typetag::serde(tag = "kind")]
pub trait Modality: Debug + Send + Sync {
    /// The kind of media that [`prepare`](Self::prepare) takes.
    fn media(&self) -> MediaKind;

    /// The front end: turns decoded media into the array that the encoder reads, the same array every
    /// time. Runs on loader threads; the result is cached on disk.
    ///
    /// # Errors
    /// Whatever makes the media unusable: it is told with the sample's name, and the dataset's `on_bad_sample` says
    /// whether the run goes on without the sample. [`Error::Data`] and [`Error::Shape`] say what is wrong with media,
    /// [`Error::Setting`] which setting does not fit. [`Error::Device`] and [`Error::NoRoom`] are the machine's fault, and
    /// end the run.
    fn prepare(&self, media: &Media) -> Result<Array>;

    /// Whether [`prepare`](Self::prepare) takes no longer than a prepared sample does to be read from disk. See
    /// [`Source::is_direct`](crate::Source::is_direct).
    fn prepares_directly(&self) -> bool {
        false
    }

    /// Whether all that [`prepare`](Self::prepare) makes are quantities, which mean the same when they are rounded to the 8 bits of
    /// bfloat16: a run may then keep them so (`run.samples_as`). Bytes, numbers of tokens and of categories are none. A number of
    /// 2¹¹² and more, such as [a code](crate::category) or the mark of what is missing, is kept as it is. Default: no, and samples
    /// are kept to the bit whatever a run asks for.
    fn prepares_quantities(&self) -> bool {
        false
    }

    /// A prepared sample in another shape, that of other samples of the dataset, if it loses nothing by it and means the
    /// same: a gray picture among color ones becomes one with three equal channels. Default: never, and a sample of
    /// another shape than most is told as such.
    fn in_shape(&self, sample: &Array, shape: &[usize]) -> Option<Array> {
        let _ = (sample, shape);
        None
    }

    /// What has to be known of the training samples before the encoder is built: means and deviations, the words of a text.
    /// Held-out, validation and test samples are never shown, nor any that the split leaves out. What is returned is kept
    /// with the model and handed to [`apply`](Self::apply) and [`build`](Self::build), also by those who evaluate the model
    /// later. Default: nothing, and no sample is looked at.
    ///
    /// The same samples must give the same figures, to the bit. It runs on one thread, after the cache: what is fitted is
    /// no part of a prepared sample.
    ///
    /// # Errors
    /// Those of the samples, and [`Error::Setting`] or [`Error::Data`] if nothing can be fitted to them.
    fn fit(&self, cx: &FitContext<'_>) -> Result<Fitted> {
        let _ = cx;
        Ok(Fitted::default())
    }

    /// A prepared sample with what was [fitted](Self::fit) applied, ahead of [`view`](Self::view) and
    /// [`augment`](Self::augment). Runs on loader threads, every time that a sample is used. All results have one shape,
    /// which depends on the shape of the sample and not on its values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sample is not one that [`prepare`](Self::prepare) made.
    fn apply(&self, sample: Array, fitted: &Fitted) -> Result<Array> {
        let _ = fitted;
        Ok(sample)
    }

    /// Positions of the values of a prepared sample that are unlike any that was [fitted](Self::fit) to, so that the encoder
    /// knows nothing of them: a category that no training sample had, a number far beyond theirs; of a text that has no known word,
    /// the first. Whoever predicts samples of
    /// other files is told how many have such. Default: there are none.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn unfamiliar(&self, sample: &Array, fitted: &Fitted) -> Result<Vec<usize>> {
        let _ = (sample, fitted);
        Ok(Vec::new())
    }

    /// How many views of a prepared sample there are, such as clips of a video. Training sees one that is drawn anew in
    /// each epoch; evaluation sees all, and takes the mean of their class probabilities. Modalities with equally many
    /// views are shown the same one of a sample.
    fn views(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    /// One view of a prepared sample, `view` below [`views`](Self::views); all views have one shape.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sample is not one that [`prepare`](Self::prepare) made.
    fn view(&self, sample: Array, view: usize) -> Result<Array> {
        let _ = view;
        Ok(sample)
    }

    /// Random changes to a view of a sample, drawn anew in each epoch. Training only, after the cache.
    ///
    /// # Errors
    /// Whatever makes the sample unusable.
    fn augment(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        let _ = rng;
        Ok(sample)
    }

    /// Whether [`augment`](Self::augment) may change samples, as it is configured. Where it does not, and there is one
    /// [view](Self::views) of a sample, what a frozen encoder makes of the sample is computed once and kept. Default: yes, which
    /// is never wrong.
    fn augments(&self) -> bool {
        true
    }

    /// Builds the encoder for samples of the shape that [`prepare`](Self::prepare) made, [`apply`](Self::apply), or
    /// [`view`](Self::view).
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Shape`] if the configuration does not fit the samples. What a layer refuses may be
    /// passed on: [`Error::Argument`] is told as the setting that has the value.
    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>>;
}

/// What an encoder is built for.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The device that parameters live on.
    pub device: &'a AutoDevice,
    /// The shape of one prepared sample, or of one view of it.
    pub sample_shape: &'a [usize],
    /// What the modality has fitted to the training samples.
    pub fitted: &'a Fitted,
    /// The random stream of this encoder's initial parameters.
    pub seed: Seed,
}

/// What a training step takes for a sample beside parameters, in values of 32 bits, as arithmetic has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepValues {
    /// What is kept of the sample until its gradient is there.
    pub kept: u64,
    /// What a thread takes while it computes the sample, and gives back.
    pub passing: u64,
}

/// A modality as built: owns parameters.
pub trait Encoder: Module {
    /// Length of the feature vector.
    fn feature_dim(&self) -> usize;

    /// Encodes a batch: `[batch, feature_dim]`.
    ///
    /// Data enters the network with `pass.recorder()`. Layers that keep much until the backward pass are given to
    /// [`recompute`](crate::nn::recompute()), which runs them again where `run.recompute` asks for it.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch is not of the shape that the encoder was built for.
    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features>;

    /// What a training step takes for a sample such as this one, as [`encode`](Self::encode) gets it, in a pass that
    /// [recomputes](Pass::recomputes) or in one that does not. Default: what the [`stages`](Self::stages) leave. What cannot fit is
    /// refused by it before anything is computed, and what takes much is recomputed.
    fn step_values(&self, sample: &Array, recomputes: bool) -> StepValues {
        let _ = (sample, recomputes);
        let extents = self.stages().iter();
        let extents = extents.map(|stage| [stage.channels, stage.height, stage.width, stage.frames]);
        let values = extents.map(|extents| {
            let extents = extents.into_iter().map(|extent| extent as u64);
            extents.fold(1, u64::saturating_mul)
        });
        StepValues {
            kept: values.fold(0, u64::saturating_add),
            passing: 0,
        }
    }

    /// What each stage leaves of a sample, the first stage first. Default: there are none, and a fusion of maps
    /// cannot be used with the encoder.
    ///
    /// An encoder that has stages implements the three methods below, for each of them.
    fn stages(&self) -> &[StageShape] {
        &[]
    }

    /// The first half of [`encode`](Self::encode): the maps that stage `stage`, counted from 1, leaves of a batch,
    /// `[channels, height, width, frames × batch]`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), and [`Error::Setting`] if there is no such stage.
    fn encode_up_to(&mut self, stage: usize, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let _ = (batch, pass);
        Err(no_such_stage(stage, self.stages().len()))
    }

    /// The second half of [`encode`](Self::encode): `[batch, feature_dim]` from the maps that stage `stage` left,
    /// the same features to the bit that the whole gives.
    ///
    /// # Errors
    /// [`Error::Shape`] if the maps are not such a stage's, and [`Error::Setting`] if there is no such stage.
    fn encode_after(&mut self, stage: usize, maps: Maps, pass: &Pass) -> Result<Features> {
        let _ = (maps, pass);
        Err(no_such_stage(stage, self.stages().len()))
    }

    /// Shows the parameters and buffers of one half, under the paths that [`Module::visit_params`] has for them. The
    /// two halves at a stage have all that there are, each once.
    ///
    /// # Errors
    /// The visitor's, and [`Error::Setting`] if there is no such stage.
    fn visit_half(
        &mut self,
        half: EncoderHalf,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        let _ = (path, visitor);
        let (EncoderHalf::UpTo(stage) | EncoderHalf::After(stage)) = half;
        Err(no_such_stage(stage, self.stages().len()))
    }
}

/// The error of an encoder that is asked for a stage that it has not.
pub fn no_such_stage(stage: usize, stages: usize) -> Error {
    let expected = match stages {
        0 => "an encoder with stages; this one gives its feature vector alone".to_owned(),
        _ => format!("a stage from 1 to {stages}"),
    };
    Error::setting("stage", stage, expected)
}
