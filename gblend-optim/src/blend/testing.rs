//! What the tests of strategies share.
#![allow(clippy::unwrap_used)]

use gblend_core::{ContestedGradient, Heads, Observation, Seed, StepStart};

/// The heads of modalities `a`, `b`, … and the joint one.
pub(super) fn heads(modalities: u8) -> Heads {
    Heads::new((0..modalities).map(|k| char::from(b'a' + k).to_string())).unwrap()
}

/// The start of a step of a run with seed 0.
pub(super) fn step(step: u64) -> StepStart {
    StepStart {
        step,
        seed: Seed::new(0).nth(step),
    }
}

/// The losses of a step.
pub(super) fn losses(losses: &[f64]) -> Observation {
    Observation {
        losses: losses.to_vec(),
        ..Observation::default()
    }
}

/// An encoder's two gradients.
pub(super) fn contested(own: &[f32], joint: &[f32]) -> ContestedGradient {
    ContestedGradient {
        own: own.to_vec(),
        joint: joint.to_vec(),
    }
}

/// The numbers agree to 12 digits.
#[track_caller]
pub(super) fn assert_close(found: &[f64], expected: &[f64]) {
    let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "found {found:?}, expected {expected:?}"
    );
}

/// The numbers agree to the 6 digits that single precision has.
#[track_caller]
pub(super) fn assert_close_f32(found: &[f32], expected: &[f64]) {
    let close = |(&found, expected): (&f32, &f64)| {
        (f64::from(found) - expected).abs() <= 1e-6 * expected.abs().max(1.0)
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "found {found:?}, expected {expected:?}"
    );
}
