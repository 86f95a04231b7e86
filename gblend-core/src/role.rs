//! What a plugin is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A [`Dataset`](crate::Dataset), configured under `[data]`.
    Data,
    /// A [`Modality`](crate::Modality), configured under `[modality.NAME]`.
    Modality,
    /// A [`Fusion`](crate::Fusion), configured under `[fusion]`.
    Fusion,
    /// An [`Objective`](crate::Objective), configured under `[objective]` or `[modality.NAME.objective]`.
    Objective,
    /// A [`BlendStrategy`](crate::BlendStrategy), configured under `[blend]`.
    Blend,
    /// An [`Optimizer`](crate::Optimizer), configured under `[optimizer]`.
    Optimizer,
}

impl Role {
    /// Every role, in the order of a configuration file.
    pub const ALL: [Self; 6] = [
        Self::Data,
        Self::Modality,
        Self::Fusion,
        Self::Objective,
        Self::Blend,
        Self::Optimizer,
    ];

    /// The name of the configuration table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Modality => "modality",
            Self::Fusion => "fusion",
            Self::Objective => "objective",
            Self::Blend => "blend",
            Self::Optimizer => "optimizer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
