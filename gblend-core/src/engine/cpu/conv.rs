//! Convolution of maps `[channels, height, width, batch]`.
//!
//! Unless the batch is too small to fill vectors, the kernels of [`direct`](super::direct) read the maps as they are, and those
//! of [`weight_gradient`](super::weight_gradient) always do. Small batches go through matrix products over row
//! copies: the matrix of a chunk of output pixels is made of whole rows of the input, one copy (or zero
//! fill) per weight column and pixel, and chunks are sized so that their columns stay in the second-level
//! cache.

use rayon::prelude::*;

use super::direct::Link;
use super::packed_weights::PackedWeights;
use super::products::{Order, products};
use super::raw::{Matrix, MatrixMut, column_blocks};
use crate::engine::window::WindowPlan;

/// The smallest batch for the direct kernels: half a vector of the widest instruction set.
const DIRECT: usize = 8;

/// Elements of a chunk's columns: half a megabyte.
const CHUNK: usize = 131_072;

/// Tasks that an input's gradient by matrix products is divided into.
const TASKS: usize = 4;

/// A convolution of `batch` maps.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct ConvSize {
    pub(in crate::engine) plan: WindowPlan,
    pub(in crate::engine) in_channels: usize,
    pub(in crate::engine) out_channels: usize,
    pub(in crate::engine) batch: usize,
}

impl ConvSize {
    /// Columns of the weight matrix.
    pub(super) fn depth(&self) -> usize {
        self.in_channels * self.plan.taps()
    }

    /// Appends the input pixels in the window of output pixel `pixel`.
    fn window(&self, pixel: usize, links: &mut Vec<Link>) {
        let link = |tap| {
            let source = self.plan.source(pixel, tap)?;
            Some(Link { tap, source })
        };
        links.extend((0..self.plan.taps()).filter_map(link));
    }

    /// Appends the output pixels in whose windows input pixel `pixel` is.
    fn readers(&self, pixel: usize, links: &mut Vec<Link>) {
        let link = |tap| {
            let source = self.plan.reader(pixel, tap)?;
            Some(Link { tap, source })
        };
        links.extend((0..self.plan.taps()).filter_map(link));
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
    pub(super) fn for_each_run(
        &self,
        tap: usize,
        pixels: std::ops::Range<usize>,
        mut visit: impl FnMut(Run),
    ) {
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
pub(super) struct Run {
    /// The first output pixel.
    pub(super) pixel: usize,
    pub(super) length: usize,
    /// The input pixel of the first; `None` if all lie in the padding.
    pub(super) source: Option<usize>,
    /// Input pixels from one to the next.
    pub(super) step: usize,
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
pub(in crate::engine) fn forward(size: &ConvSize, input: &[f32], weight: &[f32]) -> Vec<f32> {
    let (batch, depth, taps) = (size.batch, size.depth(), size.plan.taps());
    let (rows, columns) = (size.out_channels, size.plan.out_pixels() * batch);
    if batch >= DIRECT {
        let weights = PackedWeights::new([rows, taps, size.in_channels], weight, [depth, taps]);
        let window = |pixel, links: &mut Vec<Link>| size.window(pixel, links);
        let order = size.order_of_windows();
        return products(input, batch, &weights, [rows, columns], order, window);
    }
    let pixels = size.chunk_pixels(depth);
    let weight = Matrix::rows(weight, rows, depth, depth);
    column_blocks(
        rows,
        columns,
        pixels * batch,
        Vec::new,
        |gathered, chunk, mut block| {
            let (first, width) = (chunk * pixels, block.columns());
            let right = size.columns_of(input, first..first + width / batch, gathered);
            block.product(weight, right, false);
        },
    )
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

/// `Σ weight[o, c, t] · output_gradient[o, p, n]` over all (p, t) with source q, at `[c, q, n]`.
pub(in crate::engine) fn input_gradient(
    size: &ConvSize,
    output_gradient: &[f32],
    weight: &[f32],
) -> Vec<f32> {
    let (batch, depth, taps) = (size.batch, size.depth(), size.plan.taps());
    let out_pixels = size.plan.out_pixels();
    let stride = out_pixels * batch;
    let map = size.plan.in_pixels() * batch;
    if batch >= DIRECT {
        let (rows, channels) = (size.in_channels, size.out_channels);
        let weights = PackedWeights::new([rows, taps, channels], weight, [taps, depth]);
        let readers = |pixel, links: &mut Vec<Link>| size.readers(pixel, links);
        let order = size.order_of_readers();
        return products(output_gradient, batch, &weights, [rows, map], order, readers);
    }
    let mut gradient = vec![0.0; size.in_channels * map];
    if map == 0 || stride == 0 {
        return gradient;
    }
    // Each task owns some channels of the gradient.
    let channels = size.in_channels.div_ceil(TASKS).max(1);
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
    gradient
}

impl ConvSize {
    /// The windows of output pixels.
    fn order_of_windows(&self) -> Order {
        let plan = self.plan;
        self.order(plan.out_width, plan.window.kernel.0, plan.width)
    }

    /// The output pixels that read an input pixel, as its window.
    fn order_of_readers(&self) -> Order {
        let plan = self.plan;
        let rows = plan.window.kernel.0.div_ceil(plan.window.stride.0);
        self.order(plan.width, rows, plan.out_width)
    }

    /// So many windows beside each other, each of pixels in so many rows of this width.
    fn order(&self, width: usize, rows: usize, row: usize) -> Order {
        let is_pixel = self.plan.taps() == 1;
        Order {
            width,
            reach: if is_pixel { 0 } else { rows * row },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::weight_gradient::weight_gradient;
    use super::super::whole_numbers::values;
    use super::*;
    use crate::engine::window::Window;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_passes_are_sums_over_windows(
            height in 1_usize..6, width in 1_usize..6, kernel in 1_usize..4, stride in 1_usize..3,
            padding in 0_usize..3, in_channels in prop_oneof![4 => 1_usize..11, 1 => Just(145_usize)],
            out_channels in prop_oneof![4 => 1_usize..50, 1 => Just(150_usize)],
            batch in prop_oneof![Just(32_usize), Just(64), Just(160), Just(256), 1_usize..40],
        ) {
            let Ok(plan) = Window::square(kernel, stride, padding).over(height, width) else { return Ok(()) };
            let size = ConvSize { plan, in_channels, out_channels, batch };
            let (in_map, out_map) = (plan.in_pixels() * batch, plan.out_pixels() * batch);
            let (input, weight) = (values(in_channels * in_map, 1), values(out_channels * size.depth(), 2));
            let gradient = values(out_channels * out_map, 3);
            let mut output = vec![0.0; out_channels * out_map];
            let mut weights = values(weight.len(), 4);
            let mut inputs = vec![0.0; input.len()];
            let mut added_weights = weights.clone();
            for o in 0..out_channels {
                for (c, tap) in (0..in_channels).flat_map(|c| (0..plan.taps()).map(move |tap| (c, tap))) {
                    let w = o * size.depth() + c * plan.taps() + tap;
                    for pixel in 0..plan.out_pixels() {
                        let Some(source) = plan.source(pixel, tap) else { continue };
                        for n in 0..batch {
                            let (x, y) = (c * in_map + source * batch + n, o * out_map + pixel * batch + n);
                            output[y] += weight[w] * input[x];
                            weights[w] += gradient[y] * input[x];
                            inputs[x] += gradient[y] * weight[w];
                        }
                    }
                }
            }
            prop_assert_eq!(forward(&size, &input, &weight), output);
            weight_gradient(&size, &gradient, &input, &mut added_weights);
            prop_assert_eq!(added_weights, weights);
            prop_assert_eq!(input_gradient(&size, &gradient, &weight), inputs);
        }
    }
}
