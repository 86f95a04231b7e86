//! Modalities: how one kind of media becomes a feature vector.

use std::fmt::Debug;
use std::num::NonZeroUsize;

use crate::array::Array;
use crate::error::Result;
use crate::media::{Media, MediaKind};
use crate::params::Module;
use crate::pass::Pass;
use crate::seed::{SampleRng, Seed};
use crate::tensor::{AutoDevice, Batch, Features};

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
    /// [`Error::Data`](crate::Error::Data) or [`Error::Shape`](crate::Error::Shape) if the media cannot be used.
    fn prepare(&self, media: &Media) -> Result<Array>;

    /// How many views of a prepared sample there are, such as clips of a video. Training sees one that is drawn anew in
    /// each epoch; evaluation sees all, and takes the mean of their class probabilities. Modalities with equally many
    /// views are shown the same one of a sample.
    fn views(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    /// One view of a prepared sample, `view` below [`views`](Self::views); all views have one shape.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the sample is not one that [`prepare`](Self::prepare) made.
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

    /// Builds the encoder for samples of the shape that [`prepare`](Self::prepare) made, or [`view`](Self::view).
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) or [`Error::Shape`](crate::Error::Shape) if the configuration does
    /// not fit the samples.
    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>>;
}

/// What an encoder is built for.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The device that parameters live on.
    pub device: &'a AutoDevice,
    /// The shape of one prepared sample, or of one view of it.
    pub sample_shape: &'a [usize],
    /// The random stream of this encoder's initial parameters.
    pub seed: Seed,
}

/// A modality as built: owns parameters.
pub trait Encoder: Module {
    /// Length of the feature vector.
    fn feature_dim(&self) -> usize;

    /// Encodes a batch: `[batch, feature_dim]`.
    ///
    /// Data enters the network with `pass.recorder()`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the batch is not of the shape that the encoder was built for.
    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features>;
}
