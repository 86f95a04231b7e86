//! Gradients beside finite differences: an operation that a gradient does not get through, or only half of it, leaves a
//! network that learns something, only not what it is asked to.
//!
//! A network computes in `f32`, and has kinks wherever it has a ReLU or a maximum. So one array at a time is moved as a
//! whole, in a direction of random signs: what comes of it stands far above the rounding. A direction counts if the
//! slopes ahead and behind are the same, over two lengths of step, and no direction decides alone.

use std::collections::BTreeMap;

use rand::RngExt;

use super::tensors::weighted_sum;
use super::{Rule, Violation};
use crate::array::Array;
use crate::seed::Seed;

/// The longer of the two steps, as a share of what values an array has.
const STEP: f64 = 0.005;
/// How far slopes may be apart for a direction to count, as a share of the gradient's length.
const SMOOTH: f64 = 0.02;
/// How far a gradient may be from a slope, as a share of its length.
const TOLERANCE: f64 = 0.05;
/// What an output is off by rounding, as a share of its length.
const ROUNDING: f64 = 1e-6;
/// How far a gradient has to stand above the rounding to be told.
const TOLD: f64 = 30.0;
/// Directions that are tried.
const DIRECTIONS: u64 = 12;
/// Directions that decide.
const ENOUGH: usize = 2;

/// Arrays by name.
pub(super) type Arrays = BTreeMap<String, Array>;

/// Holds `gradients`, those of [`weighted_sum`] at `point`, to what becomes of the output around it.
pub(super) fn check(
    point: &Arrays,
    gradients: &Arrays,
    output: &mut dyn FnMut(&Arrays) -> Result<Array, Violation>,
) -> Result<(), Violation> {
    for (name, gradient) in gradients {
        check_one(point, name, gradient, output)?;
    }
    Ok(())
}

fn check_one(
    point: &Arrays,
    name: &str,
    gradient: &Array,
    output: &mut dyn FnMut(&Arrays) -> Result<Array, Violation>,
) -> Result<(), Violation> {
    let Some(array) = point.get(name) else {
        return Ok(());
    };
    let length = norm(gradient);
    let values = norm(array) / (array.len().max(1) as f64).sqrt();
    let step = STEP * if values > 0.0 { values } else { 1.0 };
    let mut at = |direction: &[f64], step: f64| -> Result<(f64, f64), Violation> {
        let mut moved = point.clone();
        moved.insert(name.to_owned(), along(array, direction, step));
        let output = output(&moved)?;
        Ok((weighted_sum(output.values()), norm(&output)))
    };
    let (here, size) = at(&vec![0.0; array.len()], 0.0)?;
    // Of a slope over half a step.
    let noise = 4.0 * ROUNDING * size / step;
    let (mut agree, mut differ) = (0, 0);
    for attempt in 0..DIRECTIONS {
        let direction = signs(array.len(), Seed::new(attempt).derive(name));
        let mut slopes = [step, -step, step / 2.0, -step / 2.0];
        for slope in &mut slopes {
            *slope = (at(&direction, *slope)?.0 - here) / *slope;
        }
        let [_, _, ahead, behind] = slopes;
        let near = (ahead + behind) / 2.0;
        let (least, most) = slopes.iter().fold((near, near), |(least, most), &slope| {
            (slope.min(least), slope.max(most))
        });
        let scale = length.max(near.abs());
        if scale < TOLD * noise || most - least > SMOOTH * scale + noise {
            continue;
        }
        let told: f64 = gradient
            .values()
            .iter()
            .zip(&direction)
            .map(|(&gradient, &sign)| f64::from(gradient) * sign)
            .sum();
        if (told - near).abs() <= TOLERANCE * scale + noise {
            agree += 1;
        } else {
            differ += 1;
        }
        if differ == ENOUGH {
            let expected = format!("a derivative of {near:.4e} along a direction of `{name}`");
            return Err(Rule::GradientsAreDerivatives.broken(
                expected,
                format!("{told:.4e} from its gradient, which is {length:.4e} long"),
            ));
        }
        if agree == ENOUGH {
            return Ok(());
        }
    }
    Ok(())
}

fn norm(array: &Array) -> f64 {
    let squares = array.values().iter().map(|&value| f64::from(value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// `±1` for each value.
fn signs(count: usize, seed: Seed) -> Vec<f64> {
    let mut rng = seed.rng();
    (0..count)
        .map(|_| if rng.random() { 1.0 } else { -1.0 })
        .collect()
}

fn along(array: &Array, direction: &[f64], step: f64) -> Array {
    let mut moved = array.clone();
    for (value, sign) in moved.values_mut().iter_mut().zip(direction) {
        *value = (f64::from(*value) + step * sign) as f32;
    }
    moved
}
