//! A setting that may differ from channel to channel.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One number for all channels, or one for each of three.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or three: of red, green and blue")]
pub enum PerChannel {
    /// The same for every channel.
    All(f32),
    /// Of red, green and blue.
    Each([f32; 3]),
}

impl PerChannel {
    /// That of red, green and blue.
    pub fn of_each(self) -> [f32; 3] {
        match self {
            Self::All(value) => [value; 3],
            Self::Each(values) => values,
        }
    }

    /// Whether channels may differ.
    pub fn is_each(self) -> bool {
        matches!(self, Self::Each(_))
    }
}

impl fmt::Display for PerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(value) => write!(f, "{value}"),
            Self::Each(values) => write!(f, "{values:?}"),
        }
    }
}
