//! Samples that a dataset did not have when a model was trained on it: those that are to be predicted.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};

use super::Source;

/// Further samples, with the streams of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct Further<'a> {
    /// Where they are.
    pub place: FurtherPlace<'a>,
    /// Whether their labels are wanted. If not, no label is looked at, and none has to be there.
    pub labeled: bool,
    /// The names of the classes that the model knows, in order; none where labels are numbers.
    pub classes: &'a [String],
    /// By stream, the columns that its arrays were made of in training, as [`Source::columns`] told them.
    pub columns: &'a BTreeMap<String, Vec<String>>,
}

/// Where further samples are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FurtherPlace<'a> {
    /// In files like those of the dataset.
    Files {
        /// The table; without one, that which the shards are themselves.
        table: Option<&'a Path>,
        /// The folder that paths in the table start from. Default: the table's.
        root: Option<&'a Path>,
        /// Archives in which paths are looked up in place of a folder.
        shards: &'a [PathBuf],
    },
    /// One sample: by stream, the path of its file, or the text itself where the stream is one of texts.
    One(&'a BTreeMap<String, String>),
}

/// Further samples as opened.
pub struct FurtherSource {
    /// The samples, each with every stream of the dataset; those that the files have nothing of lack in every sample.
    pub source: Box<dyn Source>,
    /// What someone should know who reads the predictions, such as a stream that lacks in every sample.
    pub notes: Vec<String>,
}

impl Debug for FurtherSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("FurtherSource")
            .field("samples", &self.source.len())
            .field("notes", &self.notes)
            .finish()
    }
}
