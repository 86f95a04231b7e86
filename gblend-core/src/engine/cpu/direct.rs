//! Convolution straight from the maps, without a matrix of row copies.
//!
//! With the batch innermost, a pixel of a channel is a row of samples, which is all that a tile of sums in
//! vector registers needs. Windows skip the padding, which in small maps is every third of their pixels.

use pulp::{Arch, Simd, WithSimd};

use super::packed_pixels::PackedPixels;
use super::packed_weights::{FEW_ROWS, PackedWeights, ROWS};
use super::raw::NewBlock;

/// Vectors in a row of a tile: with 32 registers a tile leaves room for its operands.
const VECTORS: usize = 2;

/// Elements that [`VECTORS`] vectors of the widest instruction set have; those of all others divide it.
pub(super) const GRAIN: usize = 32;

/// At most so many samples go through all rows of a product before the next, in multiples of [`GRAIN`]:
/// what they read stays in the second-level cache.
pub(super) const SAMPLES: usize = 128;

/// One pixel of a window: the tap that it is under, and which pixel it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) tap: usize,
    pub(super) source: usize,
}

/// Samples of a block: some that divide the batch, whole vectors if there are such.
pub(super) fn sample_block(batch: usize) -> usize {
    let divides = |width: &usize| batch.is_multiple_of(*width);
    let vectors = (GRAIN..=SAMPLES).rev().step_by(GRAIN).find(divides);
    let any = || (GRAIN..=2 * SAMPLES).rev().find(divides);
    vectors.or_else(any).unwrap_or(batch)
}

/// `output[r, n] = Σ weight[r, tap, c] · input[c, source, n]` over the channels c and the links.
#[derive(Debug)]
pub(super) struct Product<'a, 'b> {
    /// `[channels, pixels, batch]`.
    pub(super) input: &'a [f32],
    pub(super) batch: usize,
    pub(super) weights: &'a PackedWeights,
    /// The row of the weights that is the output's first, a multiple of the rows of all tiles.
    pub(super) row: usize,
    pub(super) links: &'a [Link],
    /// How far the window of each pixel, of which there is one, is from the links, in pixels.
    pub(super) shifts: &'a [usize],
    /// The first sample.
    pub(super) first: usize,
    /// Some samples of one pixel, or all of several.
    pub(super) columns: usize,
    pub(super) output: &'a mut NewBlock<'b>,
    /// Keeps its memory, and perhaps pixels, from one product to the next.
    pub(super) packed: &'a mut PackedPixels,
}

impl Product<'_, '_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// Whether what tiles read is copied first. A copy also brings pixels together that are apart.
    fn packs(&self) -> bool {
        !self.is_together()
            || self
                .weights
                .is_worth_a_copy(self.output.rows(), self.packed.keeps())
    }

    /// Whether the samples of all pixels follow each other in the input.
    fn is_together(&self) -> bool {
        let mut pairs = self.shifts.iter().zip(self.shifts.iter().skip(1));
        pairs.all(|(shift, next)| shift + 1 == *next)
    }

    /// Copies what tiles read, `[columns / width, channels, width]` of each pixel of the window.
    #[inline(always)]
    fn pack<S: Simd>(&mut self) {
        let (width, columns) = (VECTORS * S::F32_LANES, self.columns);
        let channels = self.weights.channels();
        let map = self.input.len() / channels.max(1);
        let (input, batch, first) = (self.input, self.batch, self.first);
        // Together, pixels are copied as one.
        let (shifts, length): (&[usize], _) = if self.is_together() {
            (&self.shifts[..1], columns)
        } else {
            (self.shifts, batch)
        };
        let size = channels * columns.next_multiple_of(width);
        let pixels = self.links.iter().map(|link| link.source);
        self.packed.window(size, pixels, |pixel, packed| {
            let mut column = 0;
            for shift in shifts {
                let mut from = (pixel + shift) * batch + first;
                let end = column + length;
                while column < end {
                    let (block, within) = (column / width, column % width);
                    let now = (width - within).min(end - column);
                    let target = &mut packed[block * channels * width + within..];
                    copy_rows(&input[from..], map, target, width, [channels, now]);
                    column += now;
                    from += now;
                }
            }
        });
    }

    /// At most `R` rows from `row` on, in panels of `P`, and columns `start..start + length` of its own, one tile of `V` vectors.
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        (row, start, length): (usize, usize, usize),
        packed: bool,
    ) {
        let channels = self.weights.channels();
        let weights = self.weights.panel_at(self.row + row);
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        let whole = V * S::F32_LANES;
        if packed {
            let width = VECTORS * S::F32_LANES;
            for (link, copy) in self.links.iter().zip(self.packed.copies()) {
                let weights = &weights[link.tap * channels * P..][..channels * P];
                let values = copy[start * channels..][..channels * width].chunks_exact(width);
                for (weights, values) in weights.as_chunks::<P>().0.iter().zip(values) {
                    let values = whole_vectors::<S, V>(simd, values);
                    add(simd, &mut sums, &weights[..R], values);
                }
            }
        } else {
            let map = self.input.len() / channels.max(1);
            for link in self.links {
                let weights = &weights[link.tap * channels * P..][..channels * P];
                let mut at = (link.source + self.shifts[0]) * self.batch + self.first + start;
                for weights in weights.as_chunks::<P>().0 {
                    let values = &self.input[at..at + length];
                    let values = if length == whole {
                        whole_vectors::<S, V>(simd, values)
                    } else {
                        part_vectors::<S, V>(simd, values)
                    };
                    add(simd, &mut sums, &weights[..R], values);
                    at += map;
                }
            }
        }
        for (row, sums) in (row..self.output.rows()).zip(sums) {
            self.output.push(simd, (row, start, length), sums);
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(&mut self, simd: S, start: usize, length: usize, packed: bool) {
        let rows = self.output.rows();
        for row in (0..rows).step_by(self.weights.panel()) {
            let place = (row, start, length);
            if self.weights.panel() == ROWS {
                self.tile::<S, ROWS, ROWS, V>(simd, place, packed);
            } else {
                match rows - row {
                    1 | 2 => self.tile::<S, FEW_ROWS, 2, V>(simd, place, packed),
                    3 | 4 => self.tile::<S, FEW_ROWS, 4, V>(simd, place, packed),
                    _ => self.tile::<S, FEW_ROWS, FEW_ROWS, V>(simd, place, packed),
                }
            }
        }
    }
}

// What a tile does with vectors is in functions that are always inlined. A closure is when the compiler sees fit; where it is
// not, it is compiled without the instructions that the vectors are made for, and takes seven times as long.

/// Adds to the sums of each row its weight times the values.
#[inline(always)]
fn add<S: Simd, const R: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; R],
    weights: &[f32],
    values: [S::f32s; V],
) {
    for (sums, &weight) in sums.iter_mut().zip(weights) {
        let weight = simd.splat_f32s(weight);
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = simd.mul_add_e_f32s(weight, value, *sum);
        }
    }
}

/// The first `V` vectors of at least so many.
#[inline(always)]
fn whole_vectors<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    let mut vectors = [simd.splat_f32s(0.0); V];
    let (values, _) = S::as_simd_f32s(values);
    for (vector, &value) in vectors.iter_mut().zip(values) {
        *vector = value;
    }
    vectors
}

/// Copies the first columns of some rows, `[rows, columns]`, with so many elements from a row to the next in both. Without a call
/// for each where they are eights, of which a row of a tile has up to four.
#[inline(always)]
fn copy_rows(
    input: &[f32],
    step: usize,
    target: &mut [f32],
    target_step: usize,
    [rows, columns]: [usize; 2],
) {
    let pairs = input
        .chunks(step.max(1))
        .zip(target.chunks_mut(target_step))
        .take(rows);
    match columns {
        32 => pairs.for_each(|(from, to)| copy::<32>(from, to)),
        24 => pairs.for_each(|(from, to)| copy::<24>(from, to)),
        16 => pairs.for_each(|(from, to)| copy::<16>(from, to)),
        8 => pairs.for_each(|(from, to)| copy::<8>(from, to)),
        _ => pairs.for_each(|(from, to)| to[..columns].copy_from_slice(&from[..columns])),
    }
}

#[inline(always)]
fn copy<const N: usize>(from: &[f32], to: &mut [f32]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
}

/// `V` vectors of elements that are fewer, with zeros after the last.
#[inline(always)]
fn part_vectors<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    let mut vectors = [simd.splat_f32s(0.0); V];
    for (position, vector) in vectors.iter_mut().enumerate() {
        *vector = simd.partial_load_f32s(lanes::<S>(values, position));
    }
    vectors
}

/// The elements of a vector, which may be fewer than it has lanes.
#[inline(always)]
fn lanes<S: Simd>(values: &[f32], vector: usize) -> &[f32] {
    let first = (vector * S::F32_LANES).min(values.len());
    &values[first..values.len().min(first + S::F32_LANES)]
}

impl WithSimd for Product<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (width, columns) = (VECTORS * S::F32_LANES, self.columns);
        let packed = self.packs();
        if packed {
            self.pack::<S>();
        }
        // All rows of a few samples before the next: what they read is still in the cache.
        for start in (0..columns).step_by(width) {
            match columns - start {
                length if length > S::F32_LANES => {
                    self.tiles::<S, VECTORS>(simd, start, length.min(width), packed);
                }
                length => self.tiles::<S, 1>(simd, start, length, packed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::{Blocks, new_blocks};
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;
    use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

    /// The product of `[rows, channels]` with maps `[channels, pixels, batch]`.
    fn inner<S: Simd>(simd: S, input: &[f32], weight: &[f32], [rows, pixels, batch]: [usize; 3]) -> Vec<f32> {
        let (columns, channels) = (pixels * batch, weight.len() / rows);
        let weights = PackedWeights::new([rows, 1, channels], weight, [channels, 1]);
        // The last pixel first, so that they are apart.
        let places: Vec<usize> = (0..pixels).map(|at| (at + pixels - 1) % pixels).collect();
        let compute = |packed: &mut PackedPixels, _, output: &mut NewBlock<'_>| {
            output.begin(&places);
            let product = Product {
                input,
                batch,
                weights: &weights,
                row: 0,
                links: &[Link { tap: 0, source: 0 }],
                shifts: &places,
                first: 0,
                columns,
                output,
                packed,
            };
            simd.vectorize(product);
        };
        let blocks = Blocks {
            width: columns,
            height: rows,
            pixel: batch,
        };
        new_blocks(
            [rows, columns],
            blocks,
            |block| block,
            PackedPixels::default,
            compute,
        )
    }

    // A processor has one width of vectors. The others are computed without instructions of their own.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_are_sums_over_channels_whatever_the_width_of_vectors(
            rows in prop_oneof![1_usize..20, Just(64)], channels in 1_usize..9, pixels in 1_usize..4,
            batch in prop_oneof![Just(32_usize), 1_usize..40],
        ) {
            let map = pixels * batch;
            let (input, weight) = (values(channels * map, 1), values(rows * channels, 2));
            let expected: Vec<f32> = weight
                .chunks_exact(channels)
                .flat_map(|row| (0..map).map(|n| {
                    row.iter().zip(input[n..].iter().step_by(map)).map(|(a, b)| a * b).sum()
                }))
                .collect();
            let size = [rows, pixels, batch];
            prop_assert_eq!(&inner(Scalar, &input, &weight, size), &expected);
            prop_assert_eq!(&inner(Scalar128b, &input, &weight, size), &expected);
            prop_assert_eq!(&inner(Scalar256b, &input, &weight, size), &expected);
            prop_assert_eq!(&inner(Scalar512b, &input, &weight, size), &expected);
        }
    }
}
