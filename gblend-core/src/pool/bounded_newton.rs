//! The minimum of a convex function of few variables in a box.

use nalgebra::{DMatrix, DVector};

/// A function with what Newton's method wants to know of it at a point.
pub(super) struct Curvature {
    pub(super) value: f64,
    pub(super) gradient: DVector<f64>,
    pub(super) hessian: DMatrix<f64>,
}

/// Steps after which it gives up; a strongly convex function of a dozen variables takes about ten.
const MOST_STEPS: usize = 200;

/// Minimizes a strongly convex function over `[low, high]` in every variable, from `start`: Newton's method on the
/// variables that no bound holds (Bertsekas, "Projected Newton Methods for Optimization Problems with Simple
/// Constraints", SIAM J. Control and Optimization 20(2), 1982).
pub(super) fn minimize_in_box(
    start: &[f64],
    low: f64,
    high: f64,
    value: impl Fn(&[f64]) -> f64,
    curvature: impl Fn(&[f64]) -> Curvature,
) -> Vec<f64> {
    let mut at: Vec<f64> = start.iter().map(|x| x.clamp(low, high)).collect();
    for _ in 0..MOST_STEPS {
        let here = curvature(&at);
        let moved = |x: f64, gradient: f64| (x - gradient).clamp(low, high) - x;
        let distance = at
            .iter()
            .zip(here.gradient.iter())
            .map(|(&x, &gradient)| moved(x, gradient).abs())
            .fold(0.0, f64::max);
        if distance < 1e-13 {
            break;
        }
        let near = distance.min(1e-6);
        let free: Vec<usize> = (0..at.len())
            .filter(|&k| {
                let held_low = at[k] <= low + near && here.gradient[k] > 0.0;
                let held_high = at[k] >= high - near && here.gradient[k] < 0.0;
                !held_low && !held_high
            })
            .collect();
        let mut direction = -&here.gradient;
        let inner = DMatrix::from_fn(free.len(), free.len(), |j, k| here.hessian[(free[j], free[k])]);
        let slope = DVector::from_fn(free.len(), |k, _| here.gradient[free[k]]);
        // A strongly convex function's matrix is positive definite; where rounding makes it otherwise, the gradient is
        // a direction of descent as well.
        if let Some(cholesky) = inner.cholesky() {
            let step = cholesky.solve(&slope);
            for (position, &k) in free.iter().enumerate() {
                direction[k] = -step[position];
            }
        }
        let Some(next) = descend(&at, &direction, &here, low, high, &value) else {
            break;
        };
        at = next;
    }
    at
}

/// The first of ever shorter steps that lowers the function as much as its slope promises (Armijo's rule).
fn descend(
    at: &[f64],
    direction: &DVector<f64>,
    here: &Curvature,
    low: f64,
    high: f64,
    value: &impl Fn(&[f64]) -> f64,
) -> Option<Vec<f64>> {
    let mut length = 1.0;
    for _ in 0..60 {
        let steps = at.iter().zip(direction.iter());
        let next: Vec<f64> = steps
            .map(|(x, step)| (x + length * step).clamp(low, high))
            .collect();
        let promised: f64 = next
            .iter()
            .zip(at)
            .zip(here.gradient.iter())
            .map(|((next, x), gradient)| (next - x) * gradient)
            .sum();
        // Near the minimum the function changes by less than its own rounding, which must not stop the last steps.
        let rounding = 8.0 * f64::EPSILON * here.value.abs();
        if promised < 0.0 && value(&next) <= here.value + 1e-4 * promised + rounding {
            return Some(next);
        }
        length *= 0.5;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_has_its_minimum_where_the_box_lets_it() {
        let center = [0.5, -3.0, 9.0];
        let value = |x: &[f64]| x.iter().zip(center).map(|(x, c)| (x - c).powi(2)).sum::<f64>();
        let curvature = |x: &[f64]| Curvature {
            value: value(x),
            gradient: DVector::from_fn(3, |k, _| 2.0 * (x[k] - center[k])),
            hessian: DMatrix::from_diagonal_element(3, 3, 2.0),
        };
        let found = minimize_in_box(&[1.0; 3], 0.0, 4.0, value, curvature);
        assert_eq!(found, [0.5, 0.0, 4.0]);
    }
}
