//! Convolution of maps `[channels, height, width, batch]` by matrix products over row copies.
//!
//! With the batch innermost, the matrix of a chunk of output pixels is made of whole rows of the input:
//! one copy (or zero fill) per weight column and pixel. Each pass is then one matrix product per chunk,
//! and chunks are sized so that their columns stay in the second-level cache.

use rayon::prelude::*;

use super::raw::{Matrix, MatrixMut};
use crate::nn::window::WindowPlan;

/// Elements of a chunk's columns: half a megabyte.
const CHUNK: usize = 131_072;

/// Partial sums of a weight gradient. Fixed, so that the sum is the same at any number of threads.
const PARTS: usize = 4;

/// A convolution of `batch` maps.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct ConvSize {
    pub(in crate::nn) plan: WindowPlan,
    pub(in crate::nn) in_channels: usize,
    pub(in crate::nn) out_channels: usize,
    pub(in crate::nn) batch: usize,
}

impl ConvSize {
    /// Columns of the weight matrix.
    fn depth(&self) -> usize {
        self.in_channels * self.plan.taps()
    }

    /// Output pixels of one chunk, given the rows of its matrix.
    fn chunk_pixels(&self, rows: usize) -> usize {
        (CHUNK / (rows * self.batch).max(1)).clamp(1, self.plan.out_pixels().max(1))
    }

    /// Copies the input rows under `channels` and the windows at `pixels` into `columns`, which becomes
    /// `[channels · taps, pixels · batch]`.
    fn gather(
        &self,
        input: &[f32],
        channels: std::ops::Range<usize>,
        pixels: std::ops::Range<usize>,
        columns: &mut [f32],
    ) {
        let (plan, batch) = (self.plan, self.batch);
        let (taps, width) = (plan.taps(), pixels.len() * batch);
        let rows = channels.flat_map(|channel| (0..taps).map(move |tap| (channel, tap)));
        for ((channel, tap), row) in rows.zip(columns.chunks_exact_mut(width)) {
            let map = &input[channel * plan.in_pixels() * batch..][..plan.in_pixels() * batch];
            self.for_each_run(tap, pixels.clone(), |run| {
                let target = &mut row[(run.pixel - pixels.start) * batch..][..run.length * batch];
                match run.source {
                    None => target.fill(0.0),
                    Some(source) if run.step == 1 => {
                        target.copy_from_slice(&map[source * batch..][..run.length * batch]);
                    }
                    Some(source) => {
                        let sources = map[source * batch..].chunks(run.step * batch);
                        for (target, source) in target.chunks_exact_mut(batch).zip(sources) {
                            target.copy_from_slice(&source[..batch]);
                        }
                    }
                }
            });
        }
    }

    /// Adds the rows of `columns`, `[taps of one channel, pixels · batch]`, to the input rows that
    /// [`gather`](Self::gather) would have copied them from.
    fn scatter(&self, columns: &[f32], pixels: std::ops::Range<usize>, map: &mut [f32]) {
        let batch = self.batch;
        let width = pixels.len() * batch;
        for (tap, row) in columns.chunks_exact(width).enumerate() {
            self.for_each_run(tap, pixels.clone(), |run| {
                let Some(source) = run.source else { return };
                let values = &row[(run.pixel - pixels.start) * batch..][..run.length * batch];
                if run.step == 1 {
                    add(&mut map[source * batch..][..run.length * batch], values);
                } else {
                    let targets = map[source * batch..].chunks_mut(run.step * batch);
                    for (target, value) in targets.zip(values.chunks_exact(batch)) {
                        add(&mut target[..batch], value);
                    }
                }
            });
        }
    }

    /// Divides `pixels` into runs along one output row that lie wholly in the picture or in the padding.
    fn for_each_run(&self, tap: usize, pixels: std::ops::Range<usize>, mut visit: impl FnMut(Run)) {
        let plan = self.plan;
        let tap_column = tap % plan.window.kernel.1;
        let inner = plan.inner_columns(tap_column);
        let step = plan.window.stride.1;
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (row, column) = (pixel / plan.out_width, pixel % plan.out_width);
            let end = pixels.end.min((row + 1) * plan.out_width);
            let end_column = column + (end - pixel);
            let mut emit = |from: usize, to: usize, inside: bool| {
                if from < to {
                    let first = pixel + (from - column);
                    let source = if inside { plan.source(first, tap) } else { None };
                    visit(Run {
                        pixel: first,
                        length: to - from,
                        source,
                        step,
                    });
                }
            };
            let (left, right) = (
                inner.start.clamp(column, end_column),
                inner.end.clamp(column, end_column),
            );
            emit(column, left, false);
            emit(left, right, true);
            emit(right.max(left), end_column, false);
            pixel = end;
        }
    }
}

/// Neighboring output pixels of one output row whose tap is in the same state.
struct Run {
    /// The first output pixel.
    pixel: usize,
    length: usize,
    /// The input pixel of the first; `None` if all lie in the padding.
    source: Option<usize>,
    /// Input pixels from one to the next.
    step: usize,
}

/// Copies columns `start..start + width` of a matrix with rows of `stride` elements, so that its rows follow
/// each other. Rows whose distance is a power of two would fight for the same few lines of the cache; the
/// copy costs far less than that.
fn pack(matrix: &[f32], stride: usize, start: usize, width: usize, packed: &mut Vec<f32>) {
    packed.clear();
    for row in matrix.chunks_exact(stride) {
        packed.extend_from_slice(&row[start..start + width]);
    }
}

fn add(target: &mut [f32], values: &[f32]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += value;
    }
}

/// `output[o, p, n] = Σ weight[o, c, t] · input[c, source(p, t), n]`.
pub(in crate::nn) fn forward(size: &ConvSize, input: &[f32], weight: &[f32], output: &mut [f32]) {
    let (batch, depth) = (size.batch, size.depth());
    let pixels = size.chunk_pixels(depth);
    let weight = Matrix::rows(weight, size.out_channels, depth, depth);
    let columns = size.plan.out_pixels() * batch;
    if columns == 0 {
        return;
    }
    let chunks = MatrixMut::new(output, size.out_channels, columns).split_columns(pixels * batch);
    chunks
        .into_par_iter()
        .enumerate()
        .for_each_init(Vec::new, |gathered, (chunk, mut block)| {
            let width = block.columns();
            let first = chunk * pixels;
            let right = size.columns_of(input, first..first + width / batch, gathered);
            block.product(weight, right, false);
        });
}

impl ConvSize {
    /// The matrix of a chunk, `[depth, pixels · batch]`: the input itself where the window is a pixel.
    fn columns_of<'a>(
        &self,
        input: &'a [f32],
        pixels: std::ops::Range<usize>,
        gathered: &'a mut Vec<f32>,
    ) -> Matrix<'a> {
        let width = pixels.len() * self.batch;
        if self.plan.is_identity() {
            let start = pixels.start * self.batch;
            let stride = self.plan.in_pixels() * self.batch;
            return Matrix::rows(&input[start..], self.in_channels, width, stride);
        }
        gathered.resize(self.depth() * width, 0.0);
        self.gather(input, 0..self.in_channels, pixels, gathered);
        Matrix::rows(gathered, self.depth(), width, width)
    }
}

/// `gradient[o, c, t] += Σ output_gradient[o, p, n] · input[c, source(p, t), n]`.
pub(in crate::nn) fn weight_gradient(
    size: &ConvSize,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let (batch, depth) = (size.batch, size.depth());
    let out_pixels = size.plan.out_pixels();
    let stride = out_pixels * batch;
    let pixels = size.chunk_pixels(depth);
    let chunks: Vec<usize> = (0..out_pixels).step_by(pixels).collect();
    let parts: Vec<Vec<f32>> = chunks
        .par_chunks(chunks.len().div_ceil(PARTS).max(1))
        .map(|starts| {
            let mut sum = vec![0.0; size.out_channels * depth];
            let mut gathered = Vec::new();
            for &start in starts {
                let range = start..(start + pixels).min(out_pixels);
                let width = range.len() * batch;
                let left = Matrix::rows(
                    &output_gradient[start * batch..],
                    size.out_channels,
                    width,
                    stride,
                );
                let right = size.columns_of(input, range, &mut gathered);
                MatrixMut::new(&mut sum, depth, size.out_channels).product(right, left.transposed(), true);
            }
            sum
        })
        .collect();
    // The sums stand transposed: so the product rearranges the few rows of the output's gradient and not
    // the many of the columns.
    for part in parts {
        for (row, gradient) in gradient.chunks_exact_mut(depth.max(1)).enumerate() {
            let column = part[row..].iter().step_by(size.out_channels);
            gradient
                .iter_mut()
                .zip(column)
                .for_each(|(gradient, value)| *gradient += value);
        }
    }
}

/// `gradient[c, q, n] += Σ weight[o, c, t] · output_gradient[o, p, n]` over all (p, t) with source q.
pub(in crate::nn) fn input_gradient(
    size: &ConvSize,
    output_gradient: &[f32],
    weight: &[f32],
    gradient: &mut [f32],
) {
    let (batch, depth, taps) = (size.batch, size.depth(), size.plan.taps());
    let out_pixels = size.plan.out_pixels();
    let stride = out_pixels * batch;
    let map = size.plan.in_pixels() * batch;
    if map == 0 || stride == 0 {
        return;
    }
    // Each task owns some channels of the gradient.
    let channels = size.in_channels.div_ceil(PARTS).max(1);
    let pixels = size.chunk_pixels(channels * taps);
    gradient.par_chunks_mut(channels * map).enumerate().for_each_init(
        Default::default,
        |(columns, packed): &mut (Vec<f32>, Vec<f32>), (task, gradient)| {
            let rows = gradient.len() / map * taps;
            let left = Matrix::rows(&weight[task * channels * taps..], size.out_channels, rows, depth);
            for start in (0..out_pixels).step_by(pixels) {
                let range = start..(start + pixels).min(out_pixels);
                let width = range.len() * batch;
                pack(output_gradient, stride, start * batch, width, packed);
                let right = Matrix::rows(packed, size.out_channels, width, width);
                columns.resize(rows * width, 0.0);
                MatrixMut::new(columns, rows, width).product(left.transposed(), right, false);
                for (map, columns) in gradient
                    .chunks_exact_mut(map)
                    .zip(columns.chunks_exact(taps * width))
                {
                    size.scatter(columns, range.clone(), map);
                }
            }
        },
    );
}
