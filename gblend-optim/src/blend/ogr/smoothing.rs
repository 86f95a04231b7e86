//! `smoothing = 0.5` or `smoothing = "adaptive"`.

use std::fmt;

use gblend_core::{EffectiveGroups, LEAST_GROUPS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much of the equal weights is in the blend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// This share, 0 to 1.
    Share(f64),
    /// As much as the error of the estimate calls for: the expected squared error of the weights, from its resamples, over
    /// their squared distance from equal ones, at most all. Weights that may as well be equal become equal, those that
    /// are known stay.
    ///
    /// The positive part of W. James and C. Stein, "Estimation with Quadratic Loss", 4th Berkeley Symposium (1961), with equal
    /// weights as the point that is shrunk to.
    Adaptive,
}

impl Smoothing {
    /// The share where nothing was resampled, and by default.
    pub(super) const DEFAULT: f64 = 0.5;

    /// The share of equal weights, before an estimate was looked at.
    pub(super) fn share(self) -> f64 {
        match self {
            Self::Share(share) => share,
            Self::Adaptive => Self::DEFAULT,
        }
    }

    /// The least share for an estimate from samples of so few groups, nobody knowing how the next group differs from them; `None`
    /// with [`LEAST_GROUPS`], from which resamples know. Equal weights count as ten groups do, which is a half where there are ten.
    pub(super) fn least_of(groups: EffectiveGroups) -> Option<f64> {
        let prior = LEAST_GROUPS as f64;
        groups.are_few().then(|| prior / (prior + groups.get()))
    }

    /// The share for weights of which resamples differ so much; what it was for fewer than two resamples.
    pub(super) fn of(self, weights: &[f64], resampled: &[Vec<f64>]) -> Self {
        if self != Self::Adaptive || resampled.len() < 2 {
            return self;
        }
        let equal = 1.0 / weights.len().max(1) as f64;
        let distance: f64 = weights.iter().map(|weight| (weight - equal).powi(2)).sum();
        let count = resampled.len() as f64;
        let error: f64 = (0..weights.len())
            .map(|head| {
                let of_head = || resampled.iter().map(|weights| weights[head]);
                let mean = of_head().sum::<f64>() / count;
                of_head().map(|weight| (weight - mean).powi(2)).sum::<f64>() / (count - 1.0)
            })
            .sum();
        // Weights that are equal stay so with any share.
        let share = error / distance;
        Self::Share(if share.is_finite() { share.min(1.0) } else { 1.0 })
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Adaptive => f.write_str("\"adaptive\""),
        }
    }
}

impl Serialize for Smoothing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Share(share) => serializer.serialize_f64(*share),
            Self::Adaptive => serializer.serialize_str("adaptive"),
        }
    }
}

impl<'de> Deserialize<'de> for Smoothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Smoothing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share from 0 to 1, or \"adaptive\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Smoothing, E> {
                match text {
                    "adaptive" => Ok(Smoothing::Adaptive),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Smoothing, E> {
                Ok(Smoothing::Share(share))
            }

            fn visit_u64<E: de::Error>(self, share: u64) -> Result<Smoothing, E> {
                Ok(Smoothing::Share(share as f64))
            }

            fn visit_i64<E: de::Error>(self, share: i64) -> Result<Smoothing, E> {
                Ok(Smoothing::Share(share as f64))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Smoothing {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Smoothing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "const": "adaptive" }] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn share(smoothing: Smoothing) -> f64 {
        match smoothing {
            Smoothing::Share(share) => share,
            // Equal to nothing.
            Smoothing::Adaptive => f64::NAN,
        }
    }

    /// Resamples at a distance from the weights, up and down alike.
    fn spread(weights: &[f64], by: f64) -> Vec<Vec<f64>> {
        let moved = |sign: f64| {
            let signs = (0..weights.len()).map(|head| if head % 2 == 0 { sign } else { -sign });
            weights
                .iter()
                .zip(signs)
                .map(|(weight, sign)| weight + sign * by)
                .collect()
        };
        vec![moved(1.0), moved(-1.0), moved(1.0), moved(-1.0)]
    }

    proptest! {
        #[test]
        fn the_less_is_known_the_more_of_it_is_equal(own in 0.4..0.9_f64, by in 0.0..0.5_f64, more in 0.0..0.5_f64) {
            let weights = [own, 1.0 - own];
            let of = |by: f64| share(Smoothing::Adaptive.of(&weights, &spread(&weights, by)));
            prop_assert!((0.0..=1.0).contains(&of(by)));
            prop_assert!(of(by) <= of(by + more) + 1e-12);
            if own > 0.501 {
                prop_assert!(of(0.0) < 1e-9, "what is known exactly is kept");
            }
        }
    }

    #[test]
    fn the_share_is_the_error_over_the_distance() {
        let weights = [0.8, 0.2];
        // Deviations of 0.1 of two heads, twice up and twice down: 2 · (4 · 0.01 / 3) over 2 · 0.09.
        let found = share(Smoothing::Adaptive.of(&weights, &spread(&weights, 0.1)));
        assert!((found - (0.04 / 3.0) / 0.09).abs() < 1e-12, "{found}");
        assert_eq!(Smoothing::Adaptive.of(&weights, &[]), Smoothing::Adaptive);
        assert_eq!(
            Smoothing::Share(0.3).of(&weights, &spread(&weights, 0.1)),
            Smoothing::Share(0.3)
        );
    }

    #[test]
    fn the_fewer_groups_the_more_is_equal_down_to_a_half_where_they_are_enough() {
        let least: Vec<f64> = (0..LEAST_GROUPS)
            .map(|groups| Smoothing::least_of(EffectiveGroups::equal(groups)).unwrap())
            .collect();
        assert!(least.is_sorted_by(|fewer, more| fewer > more), "{least:?}");
        assert!((least[0] - 1.0).abs() < 1e-12 && (least[1] - 10.0 / 11.0).abs() < 1e-12);
        assert!(least[LEAST_GROUPS - 1] > Smoothing::DEFAULT);
        assert_eq!(Smoothing::least_of(EffectiveGroups::equal(LEAST_GROUPS)), None);
    }

    #[test]
    fn a_share_and_adaptive_are_read_and_written_back() {
        for json in ["0.25", "\"adaptive\""] {
            let read: Smoothing = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
        assert_eq!(
            serde_json::from_str::<Smoothing>("1").unwrap(),
            Smoothing::Share(1.0)
        );
        for json in ["\"much\"", "[]", "true"] {
            let error = serde_json::from_str::<Smoothing>(json).unwrap_err().to_string();
            assert!(error.contains("a share from 0 to 1, or \"adaptive\""), "{error}");
        }
    }
}
