//! The gradient of a convolution's weights, from the maps as they are.
//!
//! Weights under one tap read samples of pixels that are the tap's distance from those of the gradient. Some pixels at a time are
//! turned, so that channels of the gradient fill vectors; taps that read the same of them, as all do away from the edges,
//! are computed together.

use std::ops::Range;

use rayon::prelude::*;

use super::conv::ConvSize;
use super::outer::{CHANNELS, OuterProduct, OuterRow, Run, padded_columns};
use super::transpose::transpose;

/// Samples that are turned at once, about: with as many channels as a tile has columns, half of a first-level cache.
const SAMPLES: usize = 128;

/// Parts of the pixels, about, whose sums are computed each for itself. Fixed, so that they are the same at any number of threads.
const PARTS: usize = 8;

/// Rows of sums that are turned back at once.
const ROWS: usize = 16;

/// `gradient[o, c, t] += Σ output_gradient[o, p, n] · input[c, source(p, t), n]`.
pub(in crate::engine) fn weight_gradient(
    size: &ConvSize,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let (depth, out_pixels) = (size.depth(), size.plan.out_pixels());
    let out_map = out_pixels * size.batch;
    if depth * out_map * size.out_channels == 0 {
        return;
    }
    // Each group of output channels has sums of its own, for some parts of the pixels.
    let groups = size.out_channels.div_ceil(CHANNELS);
    let pixels = out_pixels.div_ceil(PARTS.div_ceil(groups));
    let parts = out_pixels.div_ceil(pixels);
    let sums: Vec<Vec<f32>> = (0..groups * parts)
        .into_par_iter()
        .map(|task| {
            let (group, part) = (task / parts, task % parts);
            let channels = group * CHANNELS..size.out_channels.min((group + 1) * CHANNELS);
            let columns = padded_columns(channels.len());
            let mut sums = vec![0.0; depth * columns];
            let mut turned = vec![0.0; SAMPLES * columns];
            let (mut taps, mut rows) = (AlikeTaps::default(), Vec::new());
            for piece in pieces(size, part * pixels..out_pixels.min((part + 1) * pixels)) {
                let first = piece.pixels.start * size.batch + piece.samples.start;
                let samples = piece.pixels.len() * piece.samples.len();
                let lines: Vec<&[f32]> = channels
                    .clone()
                    .map(|o| &output_gradient[o * out_map + first..][..samples])
                    .collect();
                let turned = &mut turned[..samples * columns];
                transpose(&lines, columns, turned);
                for group in taps.find(size, &piece) {
                    group.rows(size, &piece, &mut rows);
                    let product = OuterProduct {
                        input,
                        rows: &rows,
                        runs: &group.runs,
                        gradient: turned,
                        columns,
                        sums: &mut sums,
                    };
                    product.run();
                }
            }
            sums
        })
        .collect();
    let targets = gradient
        .par_chunks_mut(CHANNELS * depth)
        .zip(sums.par_chunks(parts));
    targets.for_each(|(gradient, sums)| {
        let columns = padded_columns(gradient.len() / depth);
        sums.iter()
            .for_each(|sums| add_turned(sums, columns, depth, gradient));
    });
}

/// `gradient[o, k] += sums[k, o]`, of matrices with so many columns.
fn add_turned(sums: &[f32], columns: usize, depth: usize, gradient: &mut [f32]) {
    let mut turned = vec![0.0; columns * ROWS];
    for (block, sums) in sums.chunks(ROWS * columns).enumerate() {
        let lines: Vec<&[f32]> = sums.chunks_exact(columns).collect();
        transpose(&lines, ROWS, &mut turned);
        for (gradient, sums) in gradient.chunks_exact_mut(depth).zip(turned.chunks_exact(ROWS)) {
            let gradient = gradient[block * ROWS..].iter_mut();
            gradient
                .zip(&sums[..lines.len()])
                .for_each(|(gradient, sum)| *gradient += sum);
        }
    }
}

/// What is turned at once: all samples of some pixels, or some of one.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    pixels: Range<usize>,
    samples: Range<usize>,
}

/// Divides output pixels into pieces of about [`SAMPLES`] samples: rows of pixels, or equal parts of a row.
fn pieces(size: &ConvSize, pixels: Range<usize>) -> impl Iterator<Item = Piece> {
    let (batch, width) = (size.batch, size.plan.out_width);
    let most = (SAMPLES / batch).max(1);
    let together = if most < width {
        width.div_ceil(width.div_ceil(most))
    } else {
        most / width * width
    };
    let starts = pixels.clone().step_by(together);
    starts.flat_map(move |start| {
        let end = pixels.end.min(start + together);
        let samples = (0..batch).step_by(SAMPLES);
        // One piece has all samples of several pixels, as they are so few.
        samples.map(move |sample| Piece {
            pixels: start..end,
            samples: sample..batch.min(sample + SAMPLES),
        })
    })
}

/// Taps that read the same of a piece's pixels, each as far from those of the first.
#[derive(Debug, Default)]
struct TapGroup {
    /// Each tap, and where in a map of the input its samples begin.
    taps: Vec<(usize, usize)>,
    runs: Vec<Run>,
}

impl TapGroup {
    /// The rows of the sums for all channels, and where they begin in the input.
    fn rows(&self, size: &ConvSize, piece: &Piece, rows: &mut Vec<OuterRow>) {
        let map = size.plan.in_pixels() * size.batch;
        rows.clear();
        for &(tap, start) in &self.taps {
            let row = |channel: usize| {
                (
                    channel * size.plan.taps() + tap,
                    channel * map + start + piece.samples.start,
                )
            };
            rows.extend((0..size.in_channels).map(row));
        }
    }
}

/// The groups of all taps that read anything.
#[derive(Debug, Default)]
struct AlikeTaps {
    /// Those at hand, and behind them others whose memory is kept.
    groups: Vec<TapGroup>,
    runs: Vec<Run>,
}

impl AlikeTaps {
    fn find(&mut self, size: &ConvSize, piece: &Piece) -> &[TapGroup] {
        let mut used = 0;
        for tap in 0..size.plan.taps() {
            let Some(start) = self.runs_under(size, piece, tap) else {
                continue;
            };
            let alike = self.groups[..used]
                .iter()
                .position(|group| group.runs == self.runs);
            let at = alike.unwrap_or_else(|| {
                if used == self.groups.len() {
                    self.groups.push(TapGroup::default());
                }
                let group = &mut self.groups[used];
                group.runs.clone_from(&self.runs);
                group.taps.clear();
                used += 1;
                used - 1
            });
            self.groups[at].taps.push((tap, start));
        }
        &self.groups[..used]
    }

    /// What a tap reads, from where on in a map of the input; nothing if all lies in the padding.
    fn runs_under(&mut self, size: &ConvSize, piece: &Piece, tap: usize) -> Option<usize> {
        let (batch, samples) = (size.batch, piece.samples.len());
        let (runs, mut start) = (&mut self.runs, None);
        runs.clear();
        size.for_each_run(tap, piece.pixels.clone(), |run| {
            let Some(source) = run.source else { return };
            let start = *start.get_or_insert(source * batch);
            let sample = (run.pixel - piece.pixels.start) * samples;
            let offset = source * batch - start;
            // Pixels that follow each other have all samples: there is more than one.
            if run.step == 1 || run.length == 1 {
                runs.push(Run {
                    sample,
                    offset,
                    length: run.length * samples,
                });
            } else {
                runs.extend((0..run.length).map(|pixel| Run {
                    sample: sample + pixel * samples,
                    offset: offset + pixel * run.step * batch,
                    length: samples,
                }));
            }
        });
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::window::Window;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_of_every_pixel_is_in_one_piece_and_every_tap_that_reads_it_in_one_group(
            height in 1_usize..7, width in 1_usize..20, kernel in 1_usize..4, stride in 1_usize..3, padding in 0_usize..3,
            batch in prop_oneof![1_usize..40, Just(128), Just(160), Just(300)],
        ) {
            let Ok(plan) = Window::square(kernel, stride, padding).over(height, width) else { return Ok(()) };
            let size = ConvSize { plan, in_channels: 2, out_channels: 1, batch };
            let mut seen = vec![0; plan.taps() * plan.out_pixels() * batch];
            let mut taps = AlikeTaps::default();
            for piece in pieces(&size, 0..plan.out_pixels()) {
                prop_assert!(piece.pixels.len() * piece.samples.len() <= SAMPLES);
                prop_assert!(piece.pixels.len() == 1 || piece.samples == (0..batch));
                let groups = taps.find(&size, &piece);
                for (at, group) in groups.iter().enumerate() {
                    prop_assert!(groups[..at].iter().all(|other| other.runs != group.runs));
                    for (&(tap, start), run) in group.taps.iter().flat_map(|tap| group.runs.iter().map(move |run| (tap, run))) {
                        for n in 0..run.length {
                            let (pixel, sample) = ((run.sample + n) / piece.samples.len(), (run.sample + n) % piece.samples.len());
                            let (pixel, sample) = (piece.pixels.start + pixel, piece.samples.start + sample);
                            let read = start + piece.samples.start + run.offset + n;
                            let source = plan.source(pixel, tap).map(|source| source * batch + sample);
                            prop_assert_eq!(Some(read), source);
                            seen[(tap * plan.out_pixels() + pixel) * batch + sample] += 1;
                        }
                    }
                }
            }
            for (place, &times) in seen.iter().enumerate() {
                let (tap, pixel) = (place / batch / plan.out_pixels(), place / batch % plan.out_pixels());
                prop_assert_eq!(times, usize::from(plan.source(pixel, tap).is_some()));
            }
        }
    }
}
