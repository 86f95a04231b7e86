//! What the feature spaces of towers tell.

use serde::{Deserialize, Serialize};

/// How the feature spaces of a model lie, and what can be read out of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpace {
    /// Samples that were looked at.
    pub samples: usize,
    /// How many nearest neighbors are asked.
    pub neighbors: usize,
    /// Each modality's features.
    pub towers: Vec<TowerSpace>,
    /// Every two modalities' projections, where the joint head matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PairSpace>,
}

/// The features of one modality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerSpace {
    /// The modality.
    pub name: String,
    /// Samples that have it.
    pub samples: usize,
    /// What can be read of each label.
    pub labels: Vec<LabelReading>,
    /// The share of the nearest neighbors of a sample that were so in another state, in the mean.
    pub overlap: Against,
    /// Linear centered kernel alignment with another state: told beside the others alone, since it can move without any change of
    /// what the features tell.
    pub kernel_alignment: Against,
    /// The logarithm of the mean of `exp(−2 d²)` over every two directions.
    pub uniformity: States,
}

/// What can be read of a label out of a modality's features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelReading {
    /// The label.
    pub label: String,
    /// Its classes among the samples.
    pub classes: usize,
    /// Samples that have it.
    pub samples: usize,
    /// Share of samples whose class is that of most of their nearest neighbors.
    pub knn: States,
    /// Share of samples whose class a linear probe tells.
    pub probe: States,
    /// The mean average precision with which samples of one class find each other.
    pub retrieval: States,
}

/// A figure of a modality's features in each state of its encoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct States {
    /// As trained.
    pub trained: f64,
    /// As training began.
    pub initial: f64,
    /// As trained alone, if there is a run of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<f64>,
}

/// A figure of the trained features beside those of another state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// Beside those that training began with.
    pub initial: f64,
    /// Beside those of the tower trained alone, if there is a run of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<f64>,
}

/// The projections of two modalities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSpace {
    /// The modality that is asked with.
    pub from: String,
    /// The modality that is looked for.
    pub to: String,
    /// Samples that have both.
    pub samples: usize,
    /// Share of samples of which a match is found among the nearest 1, 5 and 10.
    pub recall: [f64; 3],
    /// The same the other way round.
    pub recall_back: [f64; 3],
    /// The distance between the means of their directions.
    pub gap: f64,
    /// The mean squared distance between what belongs together.
    pub alignment: f64,
}
