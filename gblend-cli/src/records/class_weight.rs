//! How much samples counted by their classes.

use gblend_core::ClassWeights;
use serde::{Deserialize, Serialize};

/// How much the samples of a class count in losses, the mean over the training samples being 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassWeight {
    /// The class.
    pub class: String,
    /// The weight of a sample that has it.
    pub weight: f64,
    /// With several labels, that of a sample that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<f64>,
}

impl ClassWeight {
    /// Those of all classes, in their order; none without weights.
    pub fn of_each(weights: Option<&ClassWeights>, classes: &[String]) -> Vec<Self> {
        let Some(weights) = weights else {
            return Vec::new();
        };
        let each = classes.iter().enumerate().map(|(position, class)| Self {
            class: class.clone(),
            weight: weights.of_class(position),
            without: weights
                .is_of_answers()
                .then(|| weights.of_answer(position, false)),
        });
        each.collect()
    }
}
