//! Filters that are evenly spaced on the mel scale, in the two conventions in use.
//!
//! "Slaney" is the scale of the Auditory Toolbox (linear up to 1 kHz, logarithmic above) with filters of
//! equal area, librosa's default. "HTK" is `2595 log₁₀(1 + f/700)` with filters of equal height, the
//! convention of HTK and torchaudio.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which mel scale, and which height of the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MelConvention {
    /// The Auditory Toolbox's scale, filters of equal area: librosa's default.
    #[default]
    Slaney,
    /// HTK's scale, filters of equal height: torchaudio's default.
    Htk,
}

/// Where the Auditory Toolbox's scale turns logarithmic, in Hz and in mel, and how steep it is from there.
const BREAK_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const LOG_STEP: f64 = 0.068_751_777_420_949_12; // ln(6.4) / 27

impl MelConvention {
    /// Hertz to mel.
    pub fn mel(self, hertz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
            Self::Slaney if hertz < BREAK_HZ => hertz / HZ_PER_MEL,
            Self::Slaney => BREAK_HZ / HZ_PER_MEL + (hertz / BREAK_HZ).ln() / LOG_STEP,
        }
    }

    /// Mel to hertz.
    pub fn hertz(self, mel: f64) -> f64 {
        let break_mel = BREAK_HZ / HZ_PER_MEL;
        match self {
            Self::Htk => 700.0 * (10_f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < break_mel => mel * HZ_PER_MEL,
            Self::Slaney => BREAK_HZ * ((mel - break_mel) * LOG_STEP).exp(),
        }
    }
}

/// The filters as a row-major matrix, `[filters, bins]`, over the `bins` frequencies from 0 to half the
/// sample rate.
pub fn filters(
    convention: MelConvention,
    filters: usize,
    bins: usize,
    sample_rate: f64,
    range: (f64, f64),
) -> Vec<f64> {
    let (low, high) = (convention.mel(range.0), convention.mel(range.1));
    let edge = |index: usize| convention.hertz(low + (high - low) * index as f64 / (filters + 1) as f64);
    let mut matrix = Vec::with_capacity(filters * bins);
    for filter in 0..filters {
        let (left, center, right) = (edge(filter), edge(filter + 1), edge(filter + 2));
        let height = match convention {
            MelConvention::Slaney => 2.0 / (right - left),
            MelConvention::Htk => 1.0,
        };
        for bin in 0..bins {
            let frequency = bin as f64 * sample_rate / 2.0 / (bins - 1).max(1) as f64;
            let rising = (frequency - left) / (center - left);
            let falling = (right - frequency) / (right - center);
            matrix.push(height * rising.min(falling).max(0.0));
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn mel_and_hertz_are_inverse(hertz in 0.0_f64..20_000.0, slaney: bool) {
            let convention = if slaney { MelConvention::Slaney } else { MelConvention::Htk };
            prop_assert!((convention.hertz(convention.mel(hertz)) - hertz).abs() < 1e-6);
        }
    }

    #[test]
    fn the_scales_go_through_their_published_points() {
        // Auditory Toolbox: 1 kHz is 15 mel, 27 steps on is 6.4 times as high. HTK: 1 kHz is 1000 mel.
        assert!((MelConvention::Slaney.mel(1000.0) - 15.0).abs() < 1e-12);
        assert!((MelConvention::Slaney.mel(6400.0) - 42.0).abs() < 1e-9);
        assert!((MelConvention::Htk.mel(1000.0) - 1000.0).abs() < 0.02);
    }
}
