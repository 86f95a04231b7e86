//! Sums over the axis in the middle of `[outer, count, inner]`.

use rayon::prelude::*;

use super::lanes;

/// Elements that are worth a task of their own.
const TASK: usize = 16_384;

/// `[outer, inner]`. Sums are taken in `f64`, but for those of values that lie side by side.
pub(in crate::engine) fn sum([outer, count, inner]: [usize; 3], values: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; outer * inner];
    let tasks = sums.par_chunks_exact_mut(inner.max(1));
    let tasks = tasks.zip(values.par_chunks_exact((count * inner).max(1)));
    let together = TASK.div_ceil((count * inner).max(1));
    tasks.with_min_len(together).for_each(|(sums, values)| {
        if let [sum] = sums {
            *sum = lanes::sum(values.len(), |i| values[i]);
            return;
        }
        let mut wide = vec![0.0_f64; inner];
        for row in values.chunks_exact(inner.max(1)) {
            let pairs = wide.iter_mut().zip(row);
            pairs.for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sums.iter_mut()
            .zip(wide)
            .for_each(|(sum, wide)| *sum = wide as f32);
    });
    sums
}

/// The gradient of [`sum`]: that of each sum, for all that it is the sum of.
pub(in crate::engine) fn spread([outer, count, inner]: [usize; 3], gradient: &[f32]) -> Vec<f32> {
    let mut spread = vec![0.0; outer * count * inner];
    let tasks = spread.par_chunks_exact_mut((count * inner).max(1));
    let tasks = tasks.zip(gradient.par_chunks_exact(inner.max(1)));
    let together = TASK.div_ceil((count * inner).max(1));
    tasks.with_min_len(together).for_each(|(target, gradient)| {
        for row in target.chunks_exact_mut(inner.max(1)) {
            row.copy_from_slice(gradient);
        }
    });
    spread
}
