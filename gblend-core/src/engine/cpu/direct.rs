//! Convolution straight from the maps, without a matrix of row copies.
//!
//! With the batch innermost, a pixel of a channel is a row of samples, which is all that a tile of sums in
//! vector registers needs. Windows skip the padding, which in small maps is every third of their pixels.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::packed_pixels::PackedPixels;
use super::raw::NewBlock;
use super::transpose::transpose;

/// Rows of a tile of sums where there are 32 registers.
const ROWS: usize = 8;

/// Rows of a tile where there are 16: with [`VECTORS`] vectors each, their operands are in the registers, too, and sums enough
/// are under way that none waits for the one before.
const FEW_ROWS: usize = 6;

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

/// Weights `[rows, taps, channels]` in the order in which the tiles of a [`Product`] read them.
#[derive(Debug)]
pub(super) struct PackedWeights {
    values: Vec<f32>,
    /// Rows of a panel, which are those of a tile.
    panel: usize,
    taps: usize,
    channels: usize,
}

impl PackedWeights {
    /// Reads every weight once, by row, tap and channel.
    pub(super) fn new(
        [rows, taps, channels]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let panel = Arch::new().dispatch(TileRows);
        let mut values = vec![0.0; rows.next_multiple_of(panel) * taps * channels];
        let mut targets = values.chunks_exact_mut(panel);
        for tile in (0..rows).step_by(panel) {
            let indices = (0..taps).flat_map(|tap| (0..channels).map(move |channel| (tap, channel)));
            for ((tap, channel), target) in indices.zip(&mut targets) {
                for (row, target) in (tile..rows).zip(target) {
                    *target = weight(row, tap, channel);
                }
            }
        }
        Self {
            values,
            panel,
            taps,
            channels,
        }
    }

    /// Channels that each tap reads.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Whether a copy of what tiles read pays for so many rows: once there are some tiles to read it, fewer of the small tiles of
    /// narrow vectors, which read a single line of the cache at a time, and fewer where the copy is kept.
    pub(super) fn is_worth_a_copy(&self, rows: usize, kept: bool) -> bool {
        let least = match (self.panel == ROWS, kept) {
            (true, false) => 64,
            (true, true) => 32,
            (false, false) => 16,
            (false, true) => 8,
        };
        rows >= least
    }
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
        let channels = self.weights.channels;
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
            for channel in 0..channels {
                let mut column = 0;
                for shift in shifts {
                    let from = channel * map + (pixel + shift) * batch + first;
                    let mut values = &input[from..][..length];
                    while !values.is_empty() {
                        let (block, within) = (column / width, column % width);
                        let (now, later) = values.split_at(values.len().min(width - within));
                        let at = (block * channels + channel) * width + within;
                        copy(now, &mut packed[at..][..now.len()]);
                        column += now.len();
                        values = later;
                    }
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
        let channels = self.weights.channels;
        let depth = P * self.weights.taps * channels;
        let weights = &self.weights.values[(self.row + row) / P * depth..][..depth];
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
        for row in (0..rows).step_by(self.weights.panel) {
            let place = (row, start, length);
            if self.weights.panel == ROWS {
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

/// Asks for the rows of a tile.
struct TileRows;

impl WithSimd for TileRows {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        if S::REGISTER_COUNT > 16 { ROWS } else { FEW_ROWS }
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

/// A copy of few values, without a call where they are whole vectors of eight.
#[inline(always)]
fn copy(values: &[f32], target: &mut [f32]) {
    let ((eights, rest), (targets, _)) = (values.as_chunks::<8>(), target.as_chunks_mut::<8>());
    if rest.is_empty() {
        targets
            .iter_mut()
            .zip(eights)
            .for_each(|(target, eight)| *target = *eight);
    } else {
        target.copy_from_slice(values);
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

/// A row of an [`OuterProduct`]'s sums, and where its samples begin in the input.
pub(super) type OuterRow = (usize, usize);

/// `sums[k, o] += Σ input[row k, p, n] · gradient[o, p, n]` over some pixels and the samples of each.
///
/// The tiles go along the output's channels, so that the only values to rearrange are those of the gradient. They stay in
/// the registers over several pixels, of which one alone may have few samples.
#[derive(Debug)]
pub(super) struct OuterProduct<'a> {
    pub(super) input: &'a [f32],
    pub(super) rows: &'a [OuterRow],
    /// Samples of a pixel.
    pub(super) batch: usize,
    /// From the samples of a pixel to those of the next, in the input.
    pub(super) step: usize,
    /// The samples of all pixels, of each channel; at most [`GRAIN`] channels.
    pub(super) gradient: &'a [&'a [f32]],
    /// Keeps its memory from one product to the next.
    pub(super) transposed: &'a mut Vec<f32>,
    /// Rows of [`padded_columns`] of the channels.
    pub(super) sums: &'a mut [f32],
}

/// Columns of the sums for so many channels: whole vectors.
pub(super) fn padded_columns(channels: usize) -> usize {
    channels.next_multiple_of(GRAIN / VECTORS)
}

impl OuterProduct<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// Makes `transposed` the gradient as `[samples, columns]`.
    #[inline(always)]
    fn transpose(&mut self, columns: Range<usize>, samples: Range<usize>) {
        let last = self.gradient.len() - 1;
        let (from, to) = (columns.start.min(last), columns.end.min(last + 1));
        let rows = self.gradient[from..to].iter().map(|row| &row[samples.clone()]);
        self.transposed.resize(columns.len() * samples.len(), 0.0);
        let rows: Vec<&[f32]> = rows.collect();
        transpose(&rows, columns.len(), self.transposed);
    }

    /// The samples of `pixels` that `samples` names, of all if there are several.
    fn piece(&self, pixels: Range<usize>, samples: Range<usize>) -> Range<usize> {
        let first = pixels.start * self.batch + samples.start;
        first..first + pixels.len() * samples.len()
    }

    /// Adds to `V` vectors of columns of all rows.
    #[inline(always)]
    fn columns<S: Simd, const V: usize, const R: usize>(&mut self, simd: S, first: usize) {
        let pixels = self.gradient[0].len() / self.batch;
        let together = (SAMPLES / self.batch).max(1);
        for pixel in (0..pixels).step_by(together) {
            for sample in (0..self.batch).step_by(SAMPLES) {
                let pixels = pixel..pixels.min(pixel + together);
                let samples = sample..self.batch.min(sample + SAMPLES);
                self.tiles::<S, V, R>(simd, first, pixels, samples);
            }
        }
    }

    /// One piece, `R` rows at a time.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        first: usize,
        pixels: Range<usize>,
        samples: Range<usize>,
    ) {
        let (width, all) = (V * S::F32_LANES, padded_columns(self.gradient.len()));
        self.transpose(first..first + width, self.piece(pixels.clone(), samples.clone()));
        let length = samples.len();
        for rows in self.rows.chunks(R) {
            let mut sums = [[simd.splat_f32s(0.0); V]; R];
            for (pixel, gradient) in pixels.clone().zip(self.transposed.chunks_exact(length * width)) {
                // The last rows may be fewer; the tile then computes one of them several times.
                let values: [&[f32]; R] = std::array::from_fn(|row| {
                    let (_, start) = rows[row.min(rows.len() - 1)];
                    &self.input[start + pixel * self.step + samples.start..][..length]
                });
                for (n, gradient) in (0..length).zip(gradient.chunks_exact(width)) {
                    let (gradient, _) = S::as_simd_f32s(gradient);
                    for (sums, values) in sums.iter_mut().zip(&values) {
                        let value = simd.splat_f32s(values[n]);
                        for (sum, &gradient) in sums.iter_mut().zip(gradient) {
                            *sum = simd.mul_add_e_f32s(value, gradient, *sum);
                        }
                    }
                }
            }
            for (&(row, _), sums) in rows.iter().zip(sums) {
                let (target, _) = S::as_mut_simd_f32s(&mut self.sums[row * all + first..][..width]);
                for (target, sum) in target.iter_mut().zip(sums) {
                    *target = simd.add_f32s(*target, sum);
                }
            }
        }
    }
}

impl WithSimd for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (columns, lanes) = (padded_columns(self.gradient.len()), S::F32_LANES);
        let mut first = 0;
        while first < columns {
            let pair = first + VECTORS * lanes <= columns;
            match (pair, S::REGISTER_COUNT > 16) {
                (true, true) => self.columns::<S, VECTORS, ROWS>(simd, first),
                (true, false) => self.columns::<S, VECTORS, { ROWS / 2 }>(simd, first),
                (false, _) => self.columns::<S, 1, ROWS>(simd, first),
            }
            first += if pair { VECTORS * lanes } else { lanes };
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

    /// The sums of each row, of `channels`, from maps `[rows, pixels, batch]` and `[channels, pixels, batch]`.
    fn outer<S: Simd>(
        simd: S,
        input: &[f32],
        gradient: &[f32],
        [channels, pixels, batch]: [usize; 3],
    ) -> Vec<f32> {
        let map = pixels * batch;
        let rows: Vec<OuterRow> = (0..input.len() / map).map(|row| (row, row * map)).collect();
        let gradient: Vec<&[f32]> = gradient.chunks_exact(map).collect();
        let columns = padded_columns(channels);
        let mut sums = vec![0.0; rows.len() * columns];
        let product = OuterProduct {
            input,
            rows: &rows,
            batch,
            step: batch,
            gradient: &gradient,
            transposed: &mut Vec::new(),
            sums: &mut sums,
        };
        simd.vectorize(product);
        let sums = sums.chunks_exact(columns).flat_map(|sums| &sums[..channels]);
        sums.copied().collect()
    }

    /// The product of `[rows, channels]` with maps `[channels, pixels, batch]`.
    fn inner<S: Simd>(simd: S, input: &[f32], weight: &[f32], [rows, pixels, batch]: [usize; 3]) -> Vec<f32> {
        let (columns, channels) = (pixels * batch, weight.len() / rows);
        let weights = PackedWeights::new([rows, 1, channels], |row, _, channel| {
            weight[row * channels + channel]
        });
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
        fn outer_products_are_sums_over_samples_whatever_the_width_of_vectors(
            rows in 1_usize..12, channels in 1..=GRAIN, pixels in 1_usize..4,
            batch in prop_oneof![Just(32_usize), Just(160), 1_usize..40],
        ) {
            let map = pixels * batch;
            let (input, gradient) = (values(rows * map, 1), values(channels * map, 2));
            let expected: Vec<f32> = input
                .chunks_exact(map)
                .flat_map(|row| gradient.chunks_exact(map).map(move |channel| {
                    row.iter().zip(channel).map(|(a, b)| a * b).sum()
                }))
                .collect();
            let size = [channels, pixels, batch];
            prop_assert_eq!(&outer(Scalar, &input, &gradient, size), &expected);
            prop_assert_eq!(&outer(Scalar128b, &input, &gradient, size), &expected);
            prop_assert_eq!(&outer(Scalar256b, &input, &gradient, size), &expected);
            prop_assert_eq!(&outer(Scalar512b, &input, &gradient, size), &expected);
        }

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
