//! What becomes of the power of a spectrogram.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which logarithm, and what keeps it finite in silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Logarithm {
    /// `ln(power + 10⁻⁶)`.
    #[default]
    Natural,
    /// `10 log₁₀ max(power, 10⁻¹⁰)`, as `power_to_db` of librosa and torchlibrosa without a limit below the loudest value.
    Decibels,
}

/// Added to the power before the natural logarithm.
pub const OFFSET: f64 = 1e-6;

/// The least power that decibels tell from less.
const LEAST: f64 = 1e-10;

impl Logarithm {
    /// The logarithm of a power.
    pub fn of(self, power: f64) -> f64 {
        match self {
            Self::Natural => (power + OFFSET).ln(),
            Self::Decibels => 10.0 * power.max(LEAST).log10(),
        }
    }

    /// The power whose logarithm this is; 0 where it is that of silence.
    pub fn power(self, logarithm: f32) -> f64 {
        match self {
            Self::Natural => (f64::from(logarithm).exp() - OFFSET).max(0.0),
            Self::Decibels if logarithm <= self.of(0.0) as f32 => 0.0,
            Self::Decibels => 10_f64.powf(f64::from(logarithm) / 10.0),
        }
    }

    /// How far a power that is a decibel larger is above another one.
    pub fn decibel(self) -> f64 {
        match self {
            Self::Natural => std::f64::consts::LN_10 / 10.0,
            Self::Decibels => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_power_is_found_again_and_a_decibel_is_one_wherever_sounds_are_loud(exponent in -3.0_f64..6.0, decibels: bool) {
            let logarithm = if decibels { Logarithm::Decibels } else { Logarithm::Natural };
            let power = 10_f64.powf(exponent);
            prop_assert!((logarithm.power(logarithm.of(power) as f32) / power - 1.0).abs() < 1e-3);
            let louder = logarithm.of(power * 10_f64.powf(0.1)) - logarithm.of(power);
            prop_assert!((louder / logarithm.decibel() - 1.0).abs() < 2e-3);
        }
    }

    #[test]
    fn silence_is_as_low_as_the_smallest_number_that_counts() {
        assert!((Logarithm::Decibels.of(0.0) + 100.0).abs() < 1e-12);
        assert!((Logarithm::Natural.of(0.0) - OFFSET.ln()).abs() < 1e-12);
        for logarithm in [Logarithm::Natural, Logarithm::Decibels] {
            assert!(logarithm.power(logarithm.of(0.0) as f32) < 1e-12, "{logarithm:?}");
        }
    }
}
