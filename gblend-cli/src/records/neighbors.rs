//! `neighbors.json`: what is near to some test samples in the feature space of each tower.

use serde::{Deserialize, Serialize};

/// The format of the file; another format gets another number.
const FORMAT: &str = "gblend-neighbors-1";

/// The nearest neighbors of some test samples, as training began and as it ended, with what there is to see of all of them. It has a
/// file of its own, which the report alone reads and whoever does not want pictures of test samples in a run folder removes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbors {
    /// The format of the file.
    pub format: String,
    /// How many samples they were looked for among.
    pub among: usize,
    /// The names of the labels that are told of samples.
    pub labels: Vec<String>,
    /// The samples that are told of.
    pub samples: Vec<NeighborSample>,
    /// Of each modality, what is near in its features.
    pub towers: Vec<TowerNeighbors>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighborSample {
    /// Its name in the dataset.
    pub id: String,
    /// Its class by each label, if it has one.
    pub labels: Vec<Option<String>>,
    /// By modality, what there is to see of it; nothing where no neighbor of that modality is told of.
    pub shown: Vec<Option<Shown>>,
}

/// What there is to see of a sample in one modality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// A PNG in base64.
    Picture(String),
    /// A text, or the beginning of one.
    Text(String),
}

/// What is near in the features of one modality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerNeighbors {
    /// The modality.
    pub name: String,
    /// Of some samples, which are nearest.
    pub queries: Vec<Neighborhood>,
}

/// The nearest neighbors of one sample, nearest first, as positions among the samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighborhood {
    /// The sample.
    pub sample: usize,
    /// As training began.
    pub initial: Vec<usize>,
    /// As trained.
    pub trained: Vec<usize>,
}

impl Neighbors {
    /// The name of the file.
    pub const FILE: &str = "neighbors.json";

    /// Of these samples.
    pub fn new(
        among: usize,
        labels: Vec<String>,
        samples: Vec<NeighborSample>,
        towers: Vec<TowerNeighbors>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            among,
            labels,
            samples,
            towers,
        }
    }

    /// Checks that it is of this format, and that every sample that is told of is there, whole.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let file = Self::FILE;
        if self.format != FORMAT {
            let found = &self.format;
            return Err(format!(
                "{file} has the format `{found}`, this gblend reads `{FORMAT}`"
            ));
        }
        let (labels, towers) = (self.labels.len(), self.towers.len());
        let whole = |sample: &&NeighborSample| sample.labels.len() == labels && sample.shown.len() == towers;
        if let Some(sample) = self.samples.iter().find(|sample| !whole(sample)) {
            return Err(format!(
                "{file}: sample `{}` has {} labels and is shown in {} modalities, expected {labels} and {towers}",
                sample.id,
                sample.labels.len(),
                sample.shown.len()
            ));
        }
        let queries = self.towers.iter().flat_map(|tower| &tower.queries);
        let mut all = queries.flat_map(|query| {
            let nearest = query.initial.iter().chain(&query.trained);
            nearest.chain([&query.sample])
        });
        match all.find(|&&position| position >= self.samples.len()) {
            None => Ok(()),
            Some(position) => Err(format!(
                "{file} names sample {position} of {}, counted from 0",
                self.samples.len()
            )),
        }
    }
}
