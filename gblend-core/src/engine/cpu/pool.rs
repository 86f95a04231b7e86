//! Pooling of maps `[channels, height, width, batch]`.

use rayon::prelude::*;

use super::raw::{MatrixMut, column_blocks};
use crate::engine::window::WindowPlan;

/// New maps of `map` elements, which `fill` adds to.
fn maps(channels: usize, map: usize, fill: impl Fn(usize, &mut [f32]) + Send + Sync) -> Vec<f32> {
    let compute = |(): &mut (), channel, mut block: MatrixMut<'_>| fill(channel, block.row(0));
    column_blocks(1, channels * map, map, || (), compute)
}

/// Maximum under each window, and which tap it was under.
pub(in crate::engine) fn max(plan: &WindowPlan, batch: usize, input: &[f32], output: &mut [f32]) -> Vec<u32> {
    let (in_map, out_map) = (plan.in_pixels() * batch, plan.out_pixels() * batch);
    let mut taps = vec![0_u32; output.len()];
    let maps = input
        .par_chunks_exact(in_map.max(1))
        .zip(output.par_chunks_exact_mut(out_map.max(1)))
        .zip(taps.par_chunks_exact_mut(out_map.max(1)));
    maps.for_each(|((input, output), taps)| max_of_map(plan, batch, input, output, taps));
    taps
}

vectorized! {
    /// Of one channel.
    fn max_of_map<'a>(
        plan: &'a WindowPlan,
        batch: usize,
        input: &'a [f32],
        output: &'a mut [f32],
        taps: &'a mut [u32],
    ) {
        let rows = output.chunks_exact_mut(batch).zip(taps.chunks_exact_mut(batch));
        for (pixel, (best, at)) in rows.enumerate() {
            best.fill(f32::NEG_INFINITY);
            for tap in 0..plan.taps() {
                let Some(source) = plan.source(pixel, tap) else {
                    continue;
                };
                let values = &input[source * batch..][..batch];
                for ((best, at), &value) in best.iter_mut().zip(at.iter_mut()).zip(values) {
                    // A NaN wins and stays, so that it is seen where it comes from. Without a branch, for vectors have none.
                    let wins = (value > *best) | value.is_nan();
                    *best = if wins { value } else { *best };
                    *at = if wins { tap as u32 } else { *at };
                }
            }
        }
    }
}

/// The gradient of each maximum, at the input it came from.
pub(in crate::engine) fn max_backward(
    plan: &WindowPlan,
    batch: usize,
    output_gradient: &[f32],
    taps: &[u32],
    channels: usize,
) -> Vec<f32> {
    let out_map = plan.out_pixels() * batch;
    maps(channels, plan.in_pixels() * batch, |channel, gradient| {
        let of_channel = channel * out_map..(channel + 1) * out_map;
        let values = output_gradient[of_channel.clone()].chunks_exact(batch.max(1));
        let taps = taps[of_channel].chunks_exact(batch.max(1));
        let mut sources = Vec::new();
        for (pixel, (values, taps)) in values.zip(taps).enumerate() {
            sources.clear();
            sources.extend((0..plan.taps()).map(|tap| plan.source(pixel, tap)));
            for (sample, (&value, &tap)) in values.iter().zip(taps).enumerate() {
                if let Some(&Some(source)) = sources.get(tap as usize) {
                    gradient[source * batch + sample] += value;
                }
            }
        }
    })
}

/// Reciprocal of the number of pixels that each window averages.
pub(in crate::engine) fn average_weights(plan: &WindowPlan, count_padding: bool) -> Vec<f32> {
    (0..plan.out_pixels())
        .map(|pixel| {
            let inside = (0..plan.taps())
                .filter(|&tap| plan.source(pixel, tap).is_some())
                .count();
            let counted = if count_padding { plan.taps() } else { inside };
            1.0 / counted.max(1) as f32
        })
        .collect()
}

/// Average under each window, with the weights of [`average_weights`].
pub(in crate::engine) fn average(
    plan: &WindowPlan,
    batch: usize,
    weights: &[f32],
    input: &[f32],
    output: &mut [f32],
) {
    let (in_map, out_map) = (plan.in_pixels() * batch, plan.out_pixels() * batch);
    let maps = input
        .par_chunks_exact(in_map.max(1))
        .zip(output.par_chunks_exact_mut(out_map.max(1)));
    maps.for_each(|(input, output)| {
        for (pixel, sum) in output.chunks_exact_mut(batch).enumerate() {
            sum.fill(0.0);
            for source in (0..plan.taps()).filter_map(|tap| plan.source(pixel, tap)) {
                for (sum, &value) in sum.iter_mut().zip(&input[source * batch..][..batch]) {
                    *sum += value;
                }
            }
            sum.iter_mut().for_each(|sum| *sum *= weights[pixel]);
        }
    });
}

/// The gradient of each average, shared out to the inputs that it was taken of.
pub(in crate::engine) fn average_backward(
    plan: &WindowPlan,
    batch: usize,
    weights: &[f32],
    output_gradient: &[f32],
    channels: usize,
) -> Vec<f32> {
    let out_map = plan.out_pixels() * batch;
    maps(channels, plan.in_pixels() * batch, |channel, gradient| {
        let averages = output_gradient[channel * out_map..][..out_map].chunks_exact(batch);
        for (pixel, values) in averages.enumerate() {
            for source in (0..plan.taps()).filter_map(|tap| plan.source(pixel, tap)) {
                for (target, &value) in gradient[source * batch..][..batch].iter_mut().zip(values) {
                    *target += value * weights[pixel];
                }
            }
        }
    })
}

/// Mean over the `pixels` of each map and over `frames`: maps `[channels, pixels, frames, batch]` to
/// vectors `[batch, channels]`.
pub(in crate::engine) fn global_mean(
    channels: usize,
    pixels: usize,
    frames: usize,
    batch: usize,
    input: &[f32],
) -> Vec<f32> {
    let share = 1.0 / (pixels * frames).max(1) as f32;
    let map = (pixels * frames * batch).max(1);
    let sums: Vec<Vec<f32>> = input
        .par_chunks_exact(map)
        .map(|map| {
            let mut sums = vec![0.0_f64; batch];
            for row in map.chunks_exact(batch) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(value);
                }
            }
            sums.into_iter().map(|sum| sum as f32 * share).collect()
        })
        .collect();
    let mut output = vec![0.0; batch * channels];
    for (channel, sums) in sums.iter().enumerate() {
        for (sample, &sum) in sums.iter().enumerate() {
            output[sample * channels + channel] = sum;
        }
    }
    output
}

/// The gradient of [`global_mean`], spread over the maps.
pub(in crate::engine) fn global_mean_backward(
    channels: usize,
    pixels: usize,
    frames: usize,
    batch: usize,
    output_gradient: &[f32],
) -> Vec<f32> {
    let share = 1.0 / (pixels * frames).max(1) as f32;
    maps(channels, pixels * frames * batch, |channel, map| {
        let row: Vec<f32> = (0..batch)
            .map(|sample| output_gradient[sample * channels + channel] * share)
            .collect();
        map.chunks_exact_mut(batch.max(1))
            .for_each(|target| target.copy_from_slice(&row));
    })
}
