//! Datasets: samples with a label and one piece of media per stream.

mod further;
mod further_label;

use std::fmt::Debug;
use std::path::Path;

use crate::error::{Error, Result};
use crate::label::{Label, LabelKind};
use crate::media::{Media, MediaKind};
use crate::seed::Seed;

pub use further::{Further, FurtherPlace, FurtherSource};
pub use further_label::FurtherLabel;

/// A dataset as configured: plain data, read from the `[data]` table.
#[typetag::serde(tag = "kind")]
pub trait Dataset: Debug + Send + Sync {
    /// Opens the dataset: reads its index, not its media.
    ///
    /// # Errors
    /// [`Error::Data`] naming the file and what is wrong with it, or
    /// [`Error::Setting`].
    fn open(&self, cx: &OpenContext<'_>) -> Result<Box<dyn Source>>;

    /// Whether its settings ask for test samples. Where they do and there is none, a run ends before it begins; where they do
    /// not, it trains and nothing is tested. Default: they do.
    fn has_test(&self) -> bool {
        true
    }

    /// Opens samples that are not the dataset's own, so that a model that was trained on it can predict them. Nothing of
    /// the dataset itself is read: it may be gone. Default: there is no way to.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Data`] if the dataset has no further samples.
    fn open_further(&self, further: &Further<'_>, cx: &OpenContext<'_>) -> Result<FurtherSource> {
        let _ = (further, cx);
        let problem = format!(
            "a dataset of kind `{}` reads no samples but its own; those are predicted by their names",
            self.typetag_name()
        );
        Err(Error::data("further samples", problem))
    }
}

/// What a dataset is opened with.
#[derive(Clone, Copy, Debug)]
pub struct OpenContext<'a> {
    /// The folder that relative paths start from: that of the configuration file.
    pub base: &'a Path,
    /// The random stream of whatever the dataset draws.
    pub seed: Seed,
}

/// A stream that the samples of a dataset have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its name, which a modality may ask for with `source = "…"`.
    pub name: String,
    /// The kind of its media.
    pub media: MediaKind,
}

/// The part of a dataset that a sample is in, as far as the dataset itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// May be trained on; validation and held-out samples are taken from here where the dataset brings none.
    Train,
    /// For model selection.
    Validation,
    /// For the final evaluation only.
    Test,
}

/// What is known about a sample without its media.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// A name that is unique in the dataset and says where to find the sample.
    pub id: String,
    /// Its label, of the kind of [`Source::label_kind`], or [`Label::Missing`].
    pub label: Label,
    /// Samples of one group (a speaker, a subject) stay in one split.
    pub group: Option<String>,
    /// Where the dataset puts it.
    pub partition: Partition,
}

/// What becomes of a sample that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadSample {
    /// The run ends before it begins.
    #[default]
    Error,
    /// The run goes on without the sample, and says how many it lacks, unless these are more than half of a split.
    Skip,
}

/// A dataset as opened. Loader threads read from it side by side.
pub trait Source: Send + Sync {
    /// The names of the classes; none where labels are numbers.
    fn classes(&self) -> &[String];

    /// What the labels of its samples are. The objective of a configuration that names none follows from it.
    fn label_kind(&self) -> LabelKind {
        LabelKind::Class
    }

    /// The streams that samples have.
    fn streams(&self) -> &[Stream];

    /// The names of the columns that the arrays of a stream (a position in [`streams`](Self::streams)) are made of, in order,
    /// if they are made of columns. They are kept with the model, so that further samples are made of the same ones,
    /// wherever these stand. Default: of none.
    fn columns(&self, stream: usize) -> Option<Vec<String>> {
        let _ = stream;
        None
    }

    /// Labels beside the one that heads learn, each of all samples. Default: there are none.
    fn further_labels(&self) -> &[FurtherLabel] {
        &[]
    }

    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known about sample `index`, below [`len`](Self::len).
    fn sample(&self, index: usize) -> Sample;

    /// Whether sample `index` has this stream (a position in [`streams`](Self::streams)). One that it lacks is neither
    /// fingerprinted nor read: the head of a modality that is fed from it does not see the sample, and the fusion
    /// gets zeros in place of its features.
    fn has(&self, index: usize, stream: usize) -> bool {
        let _ = (index, stream);
        true
    }

    /// Whether samples that [`has`](Self::has) says yes of may lack this stream all the same, which
    /// [`read`](Self::read) tells with [`Error::Absent`].
    fn may_lack(&self, stream: usize) -> bool {
        let _ = stream;
        false
    }

    /// Decodes one stream (a position in [`streams`](Self::streams)) of sample `index`.
    ///
    /// # Errors
    /// [`Error::Data`] naming the file or sample and what is wrong with it. [`Error::Absent`] if the sample turns out to lack
    /// the stream: it counts as one that does not [have](Self::has) it.
    fn read(&self, index: usize, stream: usize) -> Result<Media>;

    /// Whether [`read`](Self::read) finds any sample of this stream where it lies, as fast as a prepared one would be read
    /// from a cache: a row of a file of numbers. Where [`Modality::prepares_directly`](crate::Modality::prepares_directly),
    /// too, such samples are not cached on disk, but prepared whenever they are wanted; `read` has to return the same as long
    /// as the dataset is open, or an error.
    fn is_direct(&self, stream: usize) -> bool {
        let _ = stream;
        false
    }

    /// Identifies what [`read`](Self::read) would return for this sample and stream, without decoding it:
    /// prepared samples are cached under it. Whatever changes the media must change the fingerprint.
    ///
    /// # Errors
    /// [`Error::Data`] if the file is gone.
    fn fingerprint(&self, index: usize, stream: usize) -> Result<String>;

    /// What becomes of a sample for which [`read`](Self::read) or [`fingerprint`](Self::fingerprint) returns
    /// [`Error::Data`], or from which no modality can prepare its input. Other errors always end the run.
    fn on_bad_sample(&self) -> OnBadSample {
        OnBadSample::Error
    }

    /// Samples that the index names but that are none of the [`len`](Self::len), and why: a label that is
    /// empty, an id that another sample has. Under [`OnBadSample::Error`] they end the run, all named at once;
    /// under [`OnBadSample::Skip`] they count as skipped.
    fn left_out(&self) -> &[Error] {
        &[]
    }
}
