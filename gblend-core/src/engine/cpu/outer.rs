//! Sums over samples, for the gradient of weights.
//!
//! The tiles go along the output's channels, so that the only values to rearrange are those of the gradient. They stay in the
//! registers over all samples of some pixels, of which one alone may have few.

use pulp::{Arch, Simd, WithSimd};

/// Rows of a tile where there are 32 registers; half of them where there are 16.
const ROWS: usize = 8;

/// Vectors in a row of a tile: with 32 registers a tile leaves room for its operands.
const VECTORS: usize = 2;

/// Channels of a product, at most: elements that [`VECTORS`] vectors of the widest instruction set have; those of all others divide it.
pub(super) const CHANNELS: usize = 32;

/// A row of an [`OuterProduct`]'s sums, and where its samples begin in the input.
pub(super) type OuterRow = (usize, usize);

/// Samples that follow each other in the gradient and in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// The first one in the gradient.
    pub(super) sample: usize,
    /// How far it is in the input from where a row's samples begin.
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// `sums[k, o] += Σ input[begin of row k + offset + n] · gradient[sample + n, o]` over the samples of all runs.
#[derive(Debug)]
pub(super) struct OuterProduct<'a> {
    pub(super) input: &'a [f32],
    pub(super) rows: &'a [OuterRow],
    pub(super) runs: &'a [Run],
    /// `[samples, columns]`, [`padded_columns`] of the channels.
    pub(super) gradient: &'a [f32],
    pub(super) columns: usize,
    /// Rows of so many columns.
    pub(super) sums: &'a mut [f32],
}

/// Columns of the sums for so many channels: whole vectors.
pub(super) fn padded_columns(channels: usize) -> usize {
    channels.next_multiple_of(CHANNELS / VECTORS)
}

impl OuterProduct<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// Adds to `V` vectors of columns of all rows, `R` rows at a time.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize, const R: usize>(&mut self, simd: S, first: usize) {
        let (width, columns) = (V * S::F32_LANES, self.columns);
        for rows in self.rows.chunks(R) {
            let mut sums = [[simd.splat_f32s(0.0); V]; R];
            for run in self.runs {
                // The last rows may be fewer; the tile then computes one of them several times.
                let values: [&[f32]; R] = std::array::from_fn(|row| {
                    let (_, start) = rows[row.min(rows.len() - 1)];
                    &self.input[start + run.offset..][..run.length]
                });
                let gradient = self.gradient[run.sample * columns..].chunks_exact(columns);
                for (n, gradient) in (0..run.length).zip(gradient) {
                    let (gradient, _) = S::as_simd_f32s(&gradient[first..first + width]);
                    for (sums, values) in sums.iter_mut().zip(&values) {
                        let value = simd.splat_f32s(values[n]);
                        for (sum, &gradient) in sums.iter_mut().zip(gradient) {
                            *sum = simd.mul_add_e_f32s(value, gradient, *sum);
                        }
                    }
                }
            }
            for (&(row, _), sums) in rows.iter().zip(sums) {
                let (target, _) = S::as_mut_simd_f32s(&mut self.sums[row * columns + first..][..width]);
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
        let lanes = S::F32_LANES;
        let mut first = 0;
        while first < self.columns {
            let pair = first + VECTORS * lanes <= self.columns;
            match (pair, S::REGISTER_COUNT > 16) {
                (true, true) => self.tiles::<S, VECTORS, ROWS>(simd, first),
                (true, false) => self.tiles::<S, VECTORS, { ROWS / 2 }>(simd, first),
                (false, _) => self.tiles::<S, 1, ROWS>(simd, first),
            }
            first += if pair { VECTORS * lanes } else { lanes };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transpose::transpose;
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;
    use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

    /// The sums of each row, of `channels`, over runs of samples; the input is as far from the gradient as `shift`.
    fn outer<S: Simd>(
        simd: S,
        [input, gradient]: [&[f32]; 2],
        [channels, samples, shift]: [usize; 3],
        runs: &[Run],
    ) -> Vec<f32> {
        let map = samples + shift;
        let rows: Vec<OuterRow> = (0..input.len() / map).map(|row| (row, row * map)).collect();
        let columns = padded_columns(channels);
        let lines: Vec<&[f32]> = gradient.chunks_exact(samples).collect();
        let mut turned = vec![0.0; samples * columns];
        transpose(&lines, columns, &mut turned);
        let mut sums = vec![1.0; rows.len() * columns];
        let product = OuterProduct {
            input,
            rows: &rows,
            runs,
            gradient: &turned,
            columns,
            sums: &mut sums,
        };
        simd.vectorize(product);
        let sums = sums.chunks_exact(columns).flat_map(|sums| &sums[..channels]);
        sums.copied().collect()
    }

    // A processor has one width of vectors. The others are computed without instructions of their own.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn outer_products_are_sums_over_the_samples_of_all_runs_whatever_the_width_of_vectors(
            rows in 1_usize..12, channels in 1..=CHANNELS, lengths in prop::collection::vec(1_usize..40, 1..4),
            shift in 0_usize..3,
        ) {
            // Between runs a sample is left out.
            let samples = lengths.iter().sum::<usize>() + lengths.len() - 1;
            let mut runs = Vec::new();
            for &length in &lengths {
                let sample = runs.last().map_or(0, |run: &Run| run.sample + run.length + 1);
                runs.push(Run { sample, offset: sample + shift, length });
            }
            let (input, gradient) = (values(rows * (samples + shift), 1), values(channels * samples, 2));
            let expected: Vec<f32> = input
                .chunks_exact(samples + shift)
                .flat_map(|row| gradient.chunks_exact(samples).map(|channel| {
                    let places = runs.iter().flat_map(|run| run.sample..run.sample + run.length);
                    1.0 + places.map(|n| row[n + shift] * channel[n]).sum::<f32>()
                }))
                .collect();
            let (operands, size) = ([&input[..], &gradient[..]], [channels, samples, shift]);
            prop_assert_eq!(&outer(Scalar, operands, size, &runs), &expected);
            prop_assert_eq!(&outer(Scalar128b, operands, size, &runs), &expected);
            prop_assert_eq!(&outer(Scalar256b, operands, size, &runs), &expected);
            prop_assert_eq!(&outer(Scalar512b, operands, size, &runs), &expected);
        }
    }
}
