//! Blend weights: one per head, a point of the simplex, checked when made.

use serde::{Deserialize, Serialize};

/// Why a list of numbers is no point of the simplex.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// There is no weight.
    #[error("blend weights: found none, expected one for each head")]
    Empty,
    /// A weight is not a number, infinite or negative.
    #[error("blend weight {index} is {value}: expected a finite number that is not negative")]
    Invalid {
        /// Position in the list.
        index: usize,
        /// The weight that was found.
        value: f64,
    },
    /// The weights do not add up to 1.
    #[error("the blend weights add up to {sum}, expected 1")]
    Sum {
        /// What they add up to.
        sum: f64,
    },
    /// Every weight is 0, so that they cannot be scaled to add up to 1.
    #[error("every blend weight is 0: expected at least one above")]
    AllZero,
}

/// Weights of the K+1 losses, in the order of the heads with the joint head last: finite, not negative,
/// adding up to 1.
///
/// The blended loss is `Σ w_k L_k` (Wang et al., CVPR 2020, section 3.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct BlendWeights(Vec<f64>);

impl BlendWeights {
    /// How far from 1 the sum of given weights may be: a few digits less than `f64` has, so that weights
    /// survive being written as decimals.
    pub const SUM_TOLERANCE: f64 = 1e-9;

    /// Takes weights that already add up to 1.
    ///
    /// # Errors
    /// [`WeightsError`] if they are no point of the simplex.
    pub fn new(weights: impl Into<Vec<f64>>) -> Result<Self, WeightsError> {
        let weights = Self::check_terms(weights.into())?;
        let sum: f64 = weights.iter().sum();
        if (sum - 1.0).abs() <= Self::SUM_TOLERANCE {
            Ok(Self(weights))
        } else {
            Err(WeightsError::Sum { sum })
        }
    }

    /// Scales weights so that they add up to 1.
    ///
    /// # Errors
    /// [`WeightsError`] if one is not finite or negative, or none is above 0.
    pub fn normalized(weights: impl Into<Vec<f64>>) -> Result<Self, WeightsError> {
        let mut weights = Self::check_terms(weights.into())?;
        // Dividing by the largest first keeps the sum of huge or tiny weights within range.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(WeightsError::AllZero);
        }
        weights.iter_mut().for_each(|weight| *weight /= largest);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(Self(weights))
    }

    /// The same weight for each of `heads` heads.
    ///
    /// # Errors
    /// [`WeightsError::Empty`] if there is no head.
    pub fn equal(heads: usize) -> Result<Self, WeightsError> {
        Self::normalized(vec![1.0; heads])
    }

    /// All the weight on one of `heads` heads.
    ///
    /// # Errors
    /// [`WeightsError::AllZero`] if there is no such head, [`WeightsError::Empty`] if there is none at all.
    pub fn single(heads: usize, head: usize) -> Result<Self, WeightsError> {
        Self::normalized(
            (0..heads)
                .map(|k| if k == head { 1.0 } else { 0.0 })
                .collect::<Vec<_>>(),
        )
    }

    /// The weights, the joint head's last.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// The number of heads.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no head; never true.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn check_terms(weights: Vec<f64>) -> Result<Vec<f64>, WeightsError> {
        if weights.is_empty() {
            return Err(WeightsError::Empty);
        }
        match weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            None => Ok(weights),
            Some(index) => Err(WeightsError::Invalid {
                index,
                value: weights[index],
            }),
        }
    }
}

impl TryFrom<Vec<f64>> for BlendWeights {
    type Error = WeightsError;

    fn try_from(weights: Vec<f64>) -> Result<Self, WeightsError> {
        Self::new(weights)
    }
}

impl From<BlendWeights> for Vec<f64> {
    fn from(weights: BlendWeights) -> Self {
        weights.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn normalized_weights_are_a_point_of_the_simplex(
            weights in proptest::collection::vec(prop_oneof![Just(0.0), 1e-300_f64..1e300, 0.0_f64..1.0], 1..9)
        ) {
            prop_assume!(weights.iter().any(|&w| w > 0.0));
            let normalized = BlendWeights::normalized(weights).unwrap();
            prop_assert!(BlendWeights::new(normalized.as_slice()).is_ok());
        }

        #[test]
        fn scaling_all_weights_changes_nothing(
            weights in proptest::collection::vec(0.01_f64..1.0, 1..9), scale in 1e-6_f64..1e6
        ) {
            let scaled: Vec<f64> = weights.iter().map(|w| w * scale).collect();
            let (a, b) = (BlendWeights::normalized(weights).unwrap(), BlendWeights::normalized(scaled).unwrap());
            for (a, b) in a.as_slice().iter().zip(b.as_slice()) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }

        #[test]
        fn weights_survive_json(weights in proptest::collection::vec(0.01_f64..1.0, 1..9)) {
            let weights = BlendWeights::normalized(weights).unwrap();
            let json = serde_json::to_string(&weights).unwrap();
            prop_assert_eq!(serde_json::from_str::<BlendWeights>(&json).unwrap(), weights);
        }
    }

    #[test]
    fn what_is_no_point_of_the_simplex_is_refused() {
        assert_eq!(BlendWeights::new(vec![]), Err(WeightsError::Empty));
        assert_eq!(BlendWeights::new([0.5, 0.6]), Err(WeightsError::Sum { sum: 1.1 }));
        assert!(matches!(
            BlendWeights::new([1.5, -0.5]),
            Err(WeightsError::Invalid { index: 1, .. })
        ));
        assert!(matches!(
            BlendWeights::normalized([f64::NAN]),
            Err(WeightsError::Invalid { .. })
        ));
        assert_eq!(BlendWeights::normalized([0.0, 0.0]), Err(WeightsError::AllZero));
        assert!(serde_json::from_str::<BlendWeights>("[0.7, 0.7]").is_err());
    }
}
