//! How far two devices may be apart.

use gblend_core::Array;
use gblend_core::params::State;
use serde_json::json;

/// The largest distance of two tensors, `‖found − expected‖ / ‖expected‖`. Sums in `f32` that are taken in another order
/// differ by 1e-6 to 1e-5 here.
const TOLERANCE: f64 = 1e-4;

/// What a comparison found.
pub(crate) struct Verdict {
    pub(crate) alike: bool,
    /// The tensor that is farthest from what was expected, and how far it is.
    worst: Option<(String, f64)>,
    problem: Option<String>,
}

impl Verdict {
    /// Of a case that could not be computed.
    pub(crate) fn failed(problem: String) -> Self {
        Self {
            alike: false,
            worst: None,
            problem: Some(problem),
        }
    }

    /// One line of JSON.
    pub(crate) fn line(&self, case: &str) -> String {
        let (tensor, distance) = self.worst.clone().unzip();
        json!({
            "case": case,
            "alike": self.alike,
            "tensor": tensor,
            "distance": distance,
            "problem": self.problem,
        })
        .to_string()
    }
}

/// Compares every tensor of a case.
pub(crate) fn compare(expected: &State, found: &State) -> Verdict {
    if expected.is_empty() || !expected.keys().eq(found.keys()) {
        let names = |state: &State| state.keys().cloned().collect::<Vec<_>>().join(", ");
        let (expected, found) = (names(expected), names(found));
        return Verdict::failed(format!("expected the tensors {expected}, found {found}"));
    }
    let mut worst: Option<(String, f64)> = None;
    for ((name, expected), found) in expected.iter().zip(found.values()) {
        if expected.shape() != found.shape() {
            let (expected, found) = (expected.shape(), found.shape());
            return Verdict::failed(format!(
                "{name}: expected the shape {expected:?}, found {found:?}"
            ));
        }
        let distance = distance(expected, found);
        if distance.is_nan() || worst.as_ref().is_none_or(|&(_, so_far)| distance > so_far) {
            worst = Some((name.clone(), distance));
        }
        if distance.is_nan() {
            break;
        }
    }
    Verdict {
        alike: worst.as_ref().is_some_and(|&(_, distance)| distance <= TOLERANCE),
        worst,
        problem: None,
    }
}

/// `‖found − expected‖ / ‖expected‖`, or the plain norm where nothing is expected.
fn distance(expected: &Array, found: &Array) -> f64 {
    let pairs = expected.values().iter().zip(found.values());
    let squares: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let norm: f64 = expected.values().iter().map(|&v| f64::from(v).powi(2)).sum();
    (squares / if norm > 0.0 { norm } else { 1.0 }).sqrt()
}
