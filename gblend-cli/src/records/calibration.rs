//! How far probabilities can be taken at their word.

use serde::{Deserialize, Serialize};

/// Probabilities beside how often what they are of was so: of 100 samples of which 80 % are said, 80 should be right.
///
/// Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017. Of one label for each sample it is
/// the largest probability that counts, and whether its class is the right one; of several labels every probability does, and
/// whether the sample has the class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The rule of prediction.
    pub name: String,
    /// The expected calibration error: the mean over probabilities of how far those of their bin are from how often they came
    /// true, from 0 to 1.
    pub error: f64,
    /// The bins that have any, from the lowest on.
    pub bins: Vec<CalibrationBin>,
}

/// The probabilities of one of [`Calibration::BINS`] parts of the way from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// How many they are.
    pub count: u64,
    /// Their mean.
    pub probability: f64,
    /// How often what they are of was so.
    pub share: f64,
}

impl Calibration {
    /// Bins of equal width, each with its upper end, as the paper has them.
    pub const BINS: usize = 15;
}
