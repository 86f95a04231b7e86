//! Batch normalization with an optional ReLU over channels that are contiguous runs of memory.

use std::borrow::Cow;
use std::rc::Rc;

use rayon::prelude::*;

use super::raw::map_runs;
use crate::batch_parts::BatchParts;

/// Lanes of a partial sum: a few vectors of the widest instruction set.
const LANES: usize = 64;

/// Elements that are summed in `f32` before the sum goes on in `f64`.
const BLOCK: usize = 4096;

/// Mean, biased variance and reciprocal deviation of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Moments {
    pub(in crate::engine) mean: f32,
    pub(in crate::engine) variance: f32,
    pub(in crate::engine) inverse_deviation: f32,
}

impl Moments {
    pub(in crate::engine) fn new(mean: f32, variance: f32, epsilon: f32) -> Self {
        Self {
            mean,
            variance,
            inverse_deviation: 1.0 / (variance + epsilon).sqrt(),
        }
    }
}

/// What the moments of a normalization are of.
#[derive(Clone)]
pub(in crate::engine) enum Source {
    /// Other values: no gradient flows through them.
    Elsewhere,
    /// The values that are normalized.
    Batch,
    /// These and those of the other parts, so many of each channel in all.
    Parts(Rc<dyn BatchParts>, f64),
}

impl Source {
    /// Whether the values that are normalized have a share in them.
    pub(in crate::engine) fn is_batch(&self) -> bool {
        !matches!(self, Self::Elsewhere)
    }

    /// Adds up pairs of sums over all parts, and tells how many values they are over, of which this part has `count`.
    pub(in crate::engine) fn of_all(&self, sums: &mut [(f64, f64)], count: usize) -> f64 {
        let Self::Parts(parts, all) = self else {
            return count as f64;
        };
        let mut flat: Vec<f64> = sums.iter().flat_map(|&(first, second)| [first, second]).collect();
        parts.add_up(&mut flat);
        for (sums, flat) in sums.iter_mut().zip(flat.chunks_exact(2)) {
            *sums = (flat[0], flat[1]);
        }
        *all
    }
}

/// The moments of channels over all parts of a batch, of which this one has `count` values of each channel, with Σ x and
/// Σ x² in `sums`.
pub(in crate::engine) fn moments_of_parts(
    parts: Rc<dyn BatchParts>,
    sums: &[(f64, f64)],
    count: usize,
    epsilon: f32,
) -> (Vec<Moments>, Source) {
    let mut flat: Vec<f64> = sums.iter().flat_map(|&(sum, squares)| [sum, squares]).collect();
    flat.push(count as f64);
    parts.add_up(&mut flat);
    let all = flat.pop().unwrap_or(0.0).max(1.0);
    let moments = flat.chunks_exact(2).map(|sums| {
        let mean = sums[0] / all;
        // In float64 the difference keeps more digits than the values have.
        let variance = (sums[1] / all - mean * mean).max(0.0);
        Moments::new(mean as f32, variance as f32, epsilon)
    });
    (moments.collect(), Source::Parts(parts, all))
}

/// Sums `term` over the elements: 64 lanes of `f32` inside a block, `f64` from block to block, so that the
/// error does not grow with the number of elements.
#[inline(always)]
fn blocked_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    for block in values.chunks(BLOCK) {
        let mut lanes = [0.0_f32; LANES];
        let rows = block.chunks_exact(LANES);
        for &value in rows.remainder() {
            total += f64::from(term(value));
        }
        for row in rows {
            for (lane, &value) in lanes.iter_mut().zip(row) {
                *lane += term(value);
            }
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    total
}

vectorized! {
    /// The moments of one channel.
    pub(in crate::engine) fn moments<'a>(values: &'a [f32], epsilon: f32) -> Moments {
        let count = values.len() as f64;
        let mean = (blocked_sum(values, |value| value) / count) as f32;
        let squares = blocked_sum(values, |value| (value - mean) * (value - mean));
        Moments::new(mean, (squares / count) as f32, epsilon)
    }
}

/// Σ x and Σ x² of every channel.
pub(in crate::engine) fn power_sums(values: &[f32], channels: usize) -> Vec<(f64, f64)> {
    let channel = values.len() / channels.max(1);
    if channel == 0 {
        return vec![(0.0, 0.0); channels];
    }
    values.par_chunks_exact(channel).map(power_sums_of).collect()
}

vectorized! {
    /// Of one channel.
    fn power_sums_of<'a>(values: &'a [f32]) -> (f64, f64) {
        let sum = blocked_sum(values, |value| value);
        // About the mean, where sums of squares lose least in float32, and moved from there in float64.
        let mean = (sum / values.len() as f64) as f32;
        let squares = blocked_sum(values, |value| (value - mean) * (value - mean));
        let mean = f64::from(mean);
        (sum, squares + mean * (2.0 * sum - values.len() as f64 * mean))
    }
}

/// `γ (x − μ) / σ + β`, then `max(…, 0)` if `relu`, and the moments that `moments` gave of each channel. A channel is
/// normalized while it is still in the cache from its moments.
pub(in crate::engine) fn normalize(
    values: &[f32],
    moments: impl Fn(usize, &[f32]) -> Moments + Send + Sync,
    (gamma, beta): (&[f32], &[f32]),
    relu: bool,
) -> (Vec<f32>, Vec<Moments>) {
    map_runs(values, values.len() / gamma.len().max(1), |c, channel| {
        let moments = moments(c, channel);
        (moments, normalized(&moments, gamma[c], beta[c], relu))
    })
}

/// As [`normalize`], where the values are.
pub(in crate::engine) fn normalize_in_place(
    values: &mut [f32],
    moments: impl Fn(usize, &[f32]) -> Moments + Send + Sync,
    (gamma, beta): (&[f32], &[f32]),
    relu: bool,
) -> Vec<Moments> {
    let channel = (values.len() / gamma.len().max(1)).max(1);
    let channels = values.par_chunks_mut(channel).enumerate();
    let moments = channels.map(|(c, channel)| {
        let moments = moments(c, channel);
        normalize_channel(channel, &moments, [gamma[c], beta[c]], relu);
        moments
    });
    moments.collect()
}

vectorized! {
    fn normalize_channel<'a>(channel: &'a mut [f32], moments: &'a Moments, affine: [f32; 2], relu: bool) {
        let [gamma, beta] = affine;
        let function = normalized(moments, gamma, beta, relu);
        for value in channel {
            *value = function(*value);
        }
    }
}

/// What becomes of a value of a channel.
#[inline(always)]
fn normalized(moments: &Moments, gamma: f32, beta: f32, relu: bool) -> impl Fn(f32) -> f32 + use<> {
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    let (scale, shift) = affine(moments, gamma, beta);
    move |value| {
        let normalized = value * scale + shift;
        // Written so that a NaN stays one: `f32::max` would hide it.
        if normalized < least { least } else { normalized }
    }
}

/// Normalization as one multiplication and one addition.
#[inline(always)]
fn affine(moments: &Moments, gamma: f32, beta: f32) -> (f32, f32) {
    let scale = gamma * moments.inverse_deviation;
    (scale, beta - moments.mean * scale)
}

/// Gradients of one channel's γ and β.
pub(in crate::engine) type AffineGradient = (f32, f32);

/// Turns the gradient of the output into that of the input in place; the mask of the ReLU is recomputed. What the moments are
/// of says whether the gradient flows through them, too. Those of γ and β are this part's share. `values` gives those of a channel, and is
/// told how many they are.
pub(in crate::engine) fn backward<'v>(
    gradient: &mut [f32],
    values: impl Fn(usize, usize) -> Cow<'v, [f32]> + Send + Sync,
    moments: &[Moments],
    gamma: &[f32],
    beta: &[f32],
    relu: bool,
    source: &Source,
) -> Vec<AffineGradient> {
    let channel = (gradient.len() / moments.len().max(1)).max(1);
    if let Source::Parts(..) = source {
        return backward_of_parts(gradient, values, moments, gamma, beta, relu, source);
    }
    let from_batch = source.is_batch();
    gradient
        .par_chunks_exact_mut(channel)
        .enumerate()
        .map(|(c, gradient)| {
            let values = values(c, channel);
            channel_backward(
                gradient,
                &values,
                &moments[c],
                [gamma[c], beta[c]],
                (relu, from_batch),
            )
        })
        .collect()
}

/// As [`backward`], of one of several parts: every channel has its sums before those of all parts are known.
fn backward_of_parts<'v>(
    gradient: &mut [f32],
    values: impl Fn(usize, usize) -> Cow<'v, [f32]> + Send + Sync,
    moments: &[Moments],
    gamma: &[f32],
    beta: &[f32],
    relu: bool,
    source: &Source,
) -> Vec<AffineGradient> {
    let channel = (gradient.len() / moments.len().max(1)).max(1);
    let affine_of = |c: usize| ([gamma[c], beta[c]], relu);
    let own: Vec<(f64, f64)> = gradient
        .par_chunks_exact(channel)
        .enumerate()
        .map(|(c, gradient)| {
            let values = values(c, channel);
            masked_sums(gradient, &values, &moments[c], affine_of(c))
        })
        .collect();
    let mut all = own.clone();
    let count = source.of_all(&mut all, channel);
    let channels = gradient.par_chunks_exact_mut(channel).enumerate();
    channels.for_each(|(c, gradient)| {
        let values = values(c, channel);
        let inverse = f64::from(moments[c].inverse_deviation);
        let offset = (all[c].0 / count) as f32;
        let slope = (all[c].1 * inverse * inverse / count) as f32;
        through_moments(gradient, &values, &moments[c], affine_of(c), [offset, slope]);
    });
    let pairs = own.iter().zip(moments);
    pairs
        .map(|(&(sum, product), moments)| (product as f32 * moments.inverse_deviation, sum as f32))
        .collect()
}

/// The gradient where the ReLU, if there is one, lets a value through, and 0 elsewhere.
#[inline(always)]
fn masked(moments: &Moments, (affine, relu): ([f32; 2], bool)) -> impl Fn(f32, f32) -> f32 + use<> {
    let [gamma, beta] = affine;
    let (scale, shift) = self::affine(moments, gamma, beta);
    move |gradient, value| {
        if !relu || value * scale + shift > 0.0 {
            gradient
        } else {
            0.0
        }
    }
}

vectorized! {
    /// Σ g and Σ g (x − μ) of one channel's masked gradient g.
    fn masked_sums<'a>(
        gradient: &'a [f32],
        values: &'a [f32],
        moments: &'a Moments,
        affine: ([f32; 2], bool),
    ) -> (f64, f64) {
        sums(gradient, values, moments.mean, masked(moments, affine))
    }
}

vectorized! {
    /// The gradient of one channel's values, which flows through the moments, too.
    fn through_moments<'a>(
        gradient: &'a mut [f32],
        values: &'a [f32],
        moments: &'a Moments,
        affine: ([f32; 2], bool),
        offset_and_slope: [f32; 2],
    ) {
        flow_through_moments(gradient, values, moments, affine, offset_and_slope);
    }
}

#[inline(always)]
fn flow_through_moments(
    gradient: &mut [f32],
    values: &[f32],
    moments: &Moments,
    affine: ([f32; 2], bool),
    [offset, slope]: [f32; 2],
) {
    let (masked, mean) = (masked(moments, affine), moments.mean);
    let ([gamma, beta], _) = affine;
    let (scale, _) = self::affine(moments, gamma, beta);
    for (gradient, &value) in gradient.iter_mut().zip(values) {
        *gradient = scale * (masked(*gradient, value) - offset - (value - mean) * slope);
    }
}

vectorized! {
    /// One channel: the gradient of its values, in place, and its share in those of γ and β. `affine` has γ and β; `how`, whether there is a ReLU, and
    /// whether the moments are of these values, so that the gradient flows through them, too.
    fn channel_backward<'a>(
        gradient: &'a mut [f32],
        values: &'a [f32],
        moments: &'a Moments,
        affine: [f32; 2],
        how: (bool, bool),
    ) -> AffineGradient {
        let (relu, from_batch) = how;
        // Of each a loop of its own, so that what is known before it is not asked in it.
        if relu {
            channel_backward_in(gradient, values, moments, (affine, true), from_batch)
        } else {
            channel_backward_in(gradient, values, moments, (affine, false), from_batch)
        }
    }
}

#[inline(always)]
fn channel_backward_in(
    gradient: &mut [f32],
    values: &[f32],
    moments: &Moments,
    affine: ([f32; 2], bool),
    from_batch: bool,
) -> AffineGradient {
    let inverse = moments.inverse_deviation;
    let (sum, product) = sums(gradient, values, moments.mean, masked(moments, affine));
    // The mask is cheaper to compute again than to write in between.
    if from_batch {
        let count = values.len() as f32;
        let offset = sum as f32 / count;
        let slope = product as f32 * inverse * inverse / count;
        flow_through_moments(gradient, values, moments, affine, [offset, slope]);
    } else {
        let masked = masked(moments, affine);
        let ([gamma, beta], _) = affine;
        let (scale, _) = self::affine(moments, gamma, beta);
        for (gradient, &value) in gradient.iter_mut().zip(values) {
            *gradient = scale * masked(*gradient, value);
        }
    }
    (product as f32 * inverse, sum as f32)
}

/// Σ g and Σ g (x − μ) of the masked gradient g, blocked as in [`blocked_sum`].
#[inline(always)]
fn sums(gradient: &[f32], values: &[f32], mean: f32, masked: impl Fn(f32, f32) -> f32) -> (f64, f64) {
    let (mut sum, mut product) = (0.0, 0.0);
    for (gradient, values) in gradient.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let (mut lanes, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (gradient, gradient_rest) = gradient.as_chunks::<LANES>();
        let (values, values_rest) = values.as_chunks::<LANES>();
        for (gradient, values) in gradient.iter().zip(values) {
            for lane in 0..LANES {
                let gradient = masked(gradient[lane], values[lane]);
                lanes[lane] += gradient;
                products[lane] += gradient * (values[lane] - mean);
            }
        }
        for (&gradient, &value) in gradient_rest.iter().zip(values_rest) {
            let gradient = masked(gradient, value);
            sum += f64::from(gradient);
            product += f64::from(gradient * (value - mean));
        }
        sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        product += products.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    (sum, product)
}
