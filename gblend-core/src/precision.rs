//! How numbers are kept.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How numbers are kept that are computed with in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they are, in 32 bits.
    #[default]
    F32,
    /// Rounded to 8 bits of precision, at any magnitude (bfloat16).
    Bf16,
    /// Rounded to 11 bits of precision between 0.00006 and 65504, to fewer below; larger numbers there are none (IEEE 754 binary16).
    F16,
}

impl Precision {
    /// As it is written in a configuration.
    pub fn text(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Whether every number is kept to the bit.
    pub fn is_exact(&self) -> bool {
        *self == Self::F32
    }

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::Bf16 | Self::F16 => size_of::<u16>(),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
