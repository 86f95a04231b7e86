//! The pool of a model's heads, as `model.json` has it.

use gblend_core::{EffectiveGroups, HeadPool};
use serde::{Deserialize, Serialize};

/// How the heads of a model are pooled, as it was fitted on samples that they were not trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedPool {
    /// One for each set of heads that saw enough samples: a sample that lacks a modality has fewer heads. Other samples are
    /// predicted by the mean of the heads that see them.
    pub pools: Vec<SubsetPool>,
    /// The folds whose left-out samples it was fitted on; absent if those were validation samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
}

/// The pool of those heads that see a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetPool {
    /// Positions of the heads, in ascending order; the joint one's is the last of the model's.
    pub heads: Vec<usize>,
    /// The number of samples that it was fitted on.
    pub samples: usize,
    /// The number of groups that they are of; absent if they are of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<EffectiveGroups>,
    /// What was fitted.
    pub pool: HeadPool,
}

impl FittedPool {
    /// The fewest samples that a pool is fitted on; with fewer, what is fitted says more about them than about the heads.
    pub const LEAST_SAMPLES: usize = 30;

    /// The pool of samples that these heads see, and no others.
    pub fn of(&self, heads: &[usize]) -> Option<&HeadPool> {
        let found = self.pools.iter().find(|subset| subset.heads == heads);
        found.map(|subset| &subset.pool)
    }
}
