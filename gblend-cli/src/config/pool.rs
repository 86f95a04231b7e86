//! `blend.pool`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which samples the pool of the heads is fitted on. The heads were not trained on them, and none is of the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolSamples {
    /// The validation samples, if there are 30 or more.
    #[default]
    Validation,
    /// All samples but those of the test: they are dealt to five folds, groups whole, and for each a further network is trained
    /// on the others, to the epoch that was found and with the weights that were estimated. For few validation samples. Takes
    /// about four times as long as training to that epoch.
    Cross,
}

impl PoolSamples {
    /// The folds of a pool that is fitted across them, where there are as many groups.
    pub const FOLDS: usize = 5;
}
