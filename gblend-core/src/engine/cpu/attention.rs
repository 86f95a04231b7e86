//! Attention between the rows of each sequence.
//!
//! The scores of a head are computed for some queries and keys at a time, and again in the backward pass: of all, they would
//! be the largest thing in memory. Softmax is exact all the same: a query's sums are scaled when a larger score turns up, and
//! what has become of them is kept, two numbers for each query.

use std::ops::Range;

use rayon::prelude::*;

use super::activation::exp;
use super::lanes::{self, LANES};
use super::raw::{Matrix, MatrixMut};
use super::short_attention::{self, LONGEST};
use super::softmax::{Peak, exp_of_differences, shares_backward};
use super::tiles::{self, Left, Whole};
use super::transpose::columns_as_rows;

/// Queries whose scores are computed at a time.
const QUERIES: usize = 64;

/// Keys that they are computed of.
const KEYS: usize = 1024;

/// Queries of a piece of a sequence, where sequences are divided.
const PIECE: usize = 256;

/// Heads of sequences that are enough for all threads, so that none is divided.
const ENOUGH: usize = 16;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 18;

/// Rows of `width` features in heads of equal size.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct AttentionSize {
    pub(in crate::engine) width: usize,
    pub(in crate::engine) heads: usize,
}

/// Sequences of equal length, one step of all of them after the other.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Bundle {
    pub(in crate::engine) rows: Range<usize>,
    /// How many sequences they are.
    pub(in crate::engine) sequences: usize,
}

/// One head of one sequence: some columns of the rows of a bundle, seen as a row for each step.
#[derive(Clone, Copy, Debug)]
struct Track {
    /// The first element and one more than the last, of all rows.
    elements: [usize; 2],
    length: usize,
    /// Features of the head.
    share: usize,
    /// From one step to the next.
    stride: usize,
}

impl AttentionSize {
    /// Features of a head.
    fn share(&self) -> usize {
        self.width / self.heads
    }

    /// By how much a head's scores are divided, so that they do not grow with its features.
    fn scale(&self) -> f32 {
        1.0 / (self.share() as f32).sqrt()
    }

    /// The heads of all sequences, in the order in which [`Self::blocks`] has them.
    fn tracks(&self, bundles: &[Bundle]) -> Vec<Track> {
        let of_bundle = |bundle: &Bundle| {
            let stride = bundle.sequences * self.width;
            let (start, end) = (bundle.rows.start * self.width, bundle.rows.end * self.width);
            let share = self.share();
            let length = bundle.length();
            (0..stride)
                .step_by(share)
                .filter(move |_| length > 0)
                .map(move |column| Track {
                    elements: [start + column, end],
                    length,
                    share,
                    stride,
                })
        };
        bundles.iter().flat_map(of_bundle).collect()
    }

    /// The rows of each head of each sequence, to be written.
    fn blocks<'a>(&self, bundles: &[Bundle], mut rows: &'a mut [f32]) -> Vec<MatrixMut<'a>> {
        let mut blocks = Vec::new();
        for bundle in bundles.iter().filter(|bundle| bundle.length() > 0) {
            let (part, rest) = std::mem::take(&mut rows).split_at_mut(bundle.rows.len() * self.width);
            rows = rest;
            let whole = MatrixMut::new(part, bundle.length(), bundle.sequences * self.width);
            blocks.extend(whole.split_columns(self.share()));
        }
        blocks
    }
}

impl Bundle {
    /// Sequences one after another, of which some may have no rows.
    pub(in crate::engine) fn of_sequences(sequences: impl Iterator<Item = Range<usize>>) -> Vec<Self> {
        let bundle = |rows| Self { rows, sequences: 1 };
        sequences.map(bundle).collect()
    }

    /// Steps of a sequence.
    fn length(&self) -> usize {
        self.rows.len() / self.sequences.max(1)
    }
}

impl Track {
    fn of<'a>(&self, values: &'a [f32]) -> Matrix<'a> {
        let [start, end] = self.elements;
        Matrix::rows(&values[start..end], self.length, self.share, self.stride)
    }

    /// In how many pieces its queries are divided, where there are so many tracks.
    fn pieces(&self, tracks: usize) -> usize {
        let wanted = ENOUGH.div_ceil(tracks.max(1));
        wanted.min(self.length.div_ceil(PIECE))
    }

    /// The queries of each piece.
    fn divided(&self, tracks: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let length = self.length;
        let piece = length.div_ceil(self.pieces(tracks)).next_multiple_of(QUERIES);
        (0..length)
            .step_by(piece)
            .map(move |first| first..length.min(first + piece))
    }
}

/// How many of these tracks are one task.
fn grain(tracks: &[Track]) -> usize {
    let costs = tracks
        .iter()
        .map(|track| track.length * track.length * track.share);
    let mean = costs.sum::<usize>() / tracks.len().max(1);
    TASK.div_ceil(mean.max(1))
}

/// What a task computes in, which keeps its memory from one to the next.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    of_scores: Vec<f32>,
    /// Keys and values, with a row for each feature.
    turned: [Vec<f32>; 2],
    /// Of each query.
    means: Vec<f32>,
    short: short_attention::Scratch,
}

/// From one row of scores to the next: they begin at whole vectors.
fn padded(keys: usize) -> usize {
    keys.next_multiple_of(LANES)
}

/// A row for each feature of some keys, at most [`KEYS`], of whole vectors. A general product would turn them value by value, for every
/// few queries anew.
fn turn<'a>(keys: Matrix<'_>, turned: &'a mut Vec<f32>) -> Matrix<'a> {
    let stride = columns_as_rows::<KEYS>(keys, turned);
    Matrix::rows(turned, keys.width(), keys.height(), stride)
}

/// `query · key` in rows of [`padded`] places, of which those beyond the keys are −∞.
fn scores(query: Matrix<'_>, turned_key: Matrix<'_>, scores: &mut Vec<f32>) {
    let (queries, keys) = (query.height(), turned_key.width());
    let row = padded(keys);
    scores.resize(queries * row, 0.0);
    let mut target = MatrixMut::strided(scores, queries, keys, row);
    target.product(query, turned_key, false);
    for row in scores.chunks_exact_mut(row) {
        row[keys..].fill(f32::NEG_INFINITY);
    }
}

/// `target = shares · rows`, or `target += shares · rows`. Rows of a head are as narrow as one tile, which reads them as they lie; a general
/// product copies the shares first.
fn weighted(shares: Matrix<'_>, rows: Matrix<'_>, accumulate: bool, target: &mut MatrixMut<'_>) {
    let Some((values, stride)) = rows.whole_rows(LANES) else {
        return target.product(shares, rows, accumulate);
    };
    let depth = (shares.width(), accumulate);
    tiles::dispatched(Left::Rows(shares), Whole { values, stride }, depth, target);
}

/// `softmax(Q Kᵀ / √share) V` of each head, between the rows of each sequence, and the peaks of each head's queries.
pub(in crate::engine) fn forward(
    size: &AttentionSize,
    bundles: &[Bundle],
    [query, key, value]: [&[f32]; 3],
) -> (Vec<f32>, Vec<Peak>) {
    let tracks = size.tracks(bundles);
    let mut output = vec![0.0; query.len()];
    let mut peaks = vec![[0.0; 2]; tracks.iter().map(|track| track.length).sum()];
    let mut rest = peaks.as_mut_slice();
    let mut tasks = Vec::with_capacity(tracks.len());
    for (track, block) in tracks.iter().zip(size.blocks(bundles, &mut output)) {
        let mut block = Some(block);
        for queries in track.divided(tracks.len()) {
            let (of_piece, others) = std::mem::take(&mut rest).split_at_mut(queries.len());
            rest = others;
            let Some((target, below)) = block.take().map(|block| block.split_rows(queries.len())) else {
                break;
            };
            block = Some(below);
            tasks.push((track, queries, target, of_piece));
        }
    }
    let tasks = tasks.into_par_iter().with_min_len(grain(&tracks));
    tasks.for_each_init(
        Scratch::default,
        |scratch, (track, queries, mut target, peaks)| {
            let (key, value) = (track.of(key), track.of(value));
            if track.length <= LONGEST {
                let inputs = [track.of(query), key, value];
                return short_attention::forward(size.scale(), inputs, target, peaks, &mut scratch.short);
            }
            let query = track.of(query).part(queries);
            attend(size.scale(), [query, key, value], &mut target, peaks, scratch);
        },
    );
    (output, peaks)
}

/// What some queries get of all keys.
fn attend(
    scale: f32,
    [query, key, value]: [Matrix<'_>; 3],
    target: &mut MatrixMut<'_>,
    peaks: &mut [Peak],
    scratch: &mut Scratch,
) {
    peaks.fill([f32::NEG_INFINITY, 0.0]);
    for first in (0..key.height()).step_by(KEYS) {
        let keys = first..key.height().min(first + KEYS);
        let row = padded(keys.len());
        let Scratch { scores, turned, .. } = scratch;
        let turned_key = turn(key.part(keys.clone()), &mut turned[0]);
        let value = value.part(keys.clone());
        for (start, peaks) in (0..).step_by(QUERIES).zip(peaks.chunks_mut(QUERIES)) {
            let queries = start..start + peaks.len();
            let mut target = target.part(queries.clone());
            self::scores(query.part(queries), turned_key, scores);
            exponentials(scale, row, scores, peaks, (first > 0).then_some(&mut target));
            let shares = Matrix::rows(scores, peaks.len(), keys.len(), row);
            weighted(shares, value, first > 0, &mut target);
        }
    }
    for (row, peak) in peaks.iter_mut().enumerate() {
        peak[1] = 1.0 / peak[1];
        target.row(row).iter_mut().for_each(|value| *value *= peak[1]);
    }
}

vectorized! {
    /// Makes the exponentials of each row's scores, by which the row's share of each key is, up to a factor. `peaks` has the
    /// largest score so far and the sum of the exponentials; they and `sums` are scaled when a larger score turns up.
    fn exponentials<'a, 'b>(
        scale: f32,
        length: usize,
        scores: &'a mut [f32],
        peaks: &'a mut [Peak],
        sums: Option<&'a mut MatrixMut<'b>>,
    ) {
        let mut sums = sums;
        for (number, (row, peak)) in scores.chunks_exact_mut(length).zip(peaks).enumerate() {
            let largest = lanes::max(row).max(peak[0]);
            exp_of_differences(row, largest, scale);
            let sum = lanes::total(row);
            if let Some(sums) = &mut sums {
                let factor = exp((peak[0] - largest) * scale);
                peak[1] *= factor;
                sums.row(number).iter_mut().for_each(|value| *value *= factor);
            }
            *peak = [largest, peak[1] + sum];
        }
    }
}

/// The gradients of query, key and value from that of the output.
pub(in crate::engine) fn backward(
    size: &AttentionSize,
    bundles: &[Bundle],
    [query, key, value]: [&[f32]; 3],
    (output, peaks): (&[f32], &[Peak]),
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let tracks = size.tracks(bundles);
    let mut gradients: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; query.len()]);
    let [of_query, of_key, of_value] = gradients.each_mut().map(|rows| size.blocks(bundles, rows));
    let targets = of_query.into_iter().zip(of_key).zip(of_value);
    let (mut tasks, mut first) = (Vec::with_capacity(tracks.len()), 0);
    for ((number, track), ((of_query, of_key), of_value)) in tracks.iter().enumerate().zip(targets) {
        let peaks = &peaks[first..first + track.length];
        first += track.length;
        let (mut below, mut of_keys) = (Some(of_query), Some([of_key, of_value]));
        for queries in track.divided(tracks.len()) {
            let Some((of_query, rest)) = below.take().map(|block| block.split_rows(queries.len())) else {
                break;
            };
            below = Some(rest);
            let peaks = &peaks[queries.clone()];
            tasks.push((number, queries, peaks, of_query, of_keys.take()));
        }
    }
    let tasks = tasks.into_par_iter().with_min_len(grain(&tracks));
    let apart = tasks.map_init(
        Scratch::default,
        |scratch, (number, queries, peaks, mut of_query, of_keys)| {
            let track = &tracks[number];
            let inputs = [query, key, value, output, gradient].map(|values| track.of(values));
            let mut piece = |of_query: &mut MatrixMut<'_>, of_keys: [MatrixMut<'_>; 2]| {
                if track.length <= LONGEST {
                    let [of_key, of_value] = of_keys;
                    let targets = [of_query.part(0..queries.len()), of_key, of_value];
                    return short_attention::backward(
                        size.scale(),
                        inputs,
                        peaks,
                        targets,
                        &mut scratch.short,
                    );
                }
                attend_backward(
                    size.scale(),
                    inputs,
                    queries.clone(),
                    peaks,
                    (of_query, of_keys),
                    scratch,
                );
            };
            match of_keys {
                Some(of_keys) => {
                    piece(&mut of_query, of_keys);
                    None
                }
                None => {
                    let mut apart = [(); 2].map(|()| vec![0.0; track.length * track.share]);
                    let of_keys = apart.each_mut();
                    piece(
                        &mut of_query,
                        of_keys.map(|rows| MatrixMut::new(rows, track.length, track.share)),
                    );
                    Some((number, apart))
                }
            }
        },
    );
    let apart: Vec<_> = apart.collect();
    add_pieces(size, bundles, apart.into_iter().flatten(), &mut gradients);
    gradients
}

/// Adds what pieces of sequences beyond the first contribute to the gradients of keys and values, in their order.
fn add_pieces(
    size: &AttentionSize,
    bundles: &[Bundle],
    pieces: impl Iterator<Item = (usize, [Vec<f32>; 2])>,
    [_, of_key, of_value]: &mut [Vec<f32>; 3],
) {
    let mut blocks = [of_key, of_value].map(|rows| size.blocks(bundles, rows));
    for (number, apart) in pieces {
        for (blocks, values) in blocks.iter_mut().zip(apart) {
            let block = &mut blocks[number];
            for (row, values) in values.chunks_exact(size.share()).enumerate() {
                let target = block.row(row).iter_mut();
                target.zip(values).for_each(|(target, value)| *target += value);
            }
        }
    }
}

/// The gradients of some queries, and what they contribute to those of all keys and values.
fn attend_backward(
    scale: f32,
    [query, key, value, output, gradient]: [Matrix<'_>; 5],
    queries: Range<usize>,
    peaks: &[Peak],
    (of_query, [mut of_key, mut of_value]): (&mut MatrixMut<'_>, [MatrixMut<'_>; 2]),
    scratch: &mut Scratch,
) {
    let Scratch {
        scores: shares,
        of_scores,
        turned: [turned_key, turned_value],
        means,
        ..
    } = scratch;
    let [query, output, gradient] = [query, output, gradient].map(|matrix| matrix.part(queries.clone()));
    // What the shares' gradients add up to, each times its share: the output has the sums.
    means.resize(peaks.len(), 0.0);
    inner_products(gradient, output, means);
    for first in (0..key.height()).step_by(KEYS) {
        let keys = first..key.height().min(first + KEYS);
        let row = padded(keys.len());
        let (key, value) = (key.part(keys.clone()), value.part(keys.clone()));
        let (turned_key, turned_value) = (turn(key, turned_key), turn(value, turned_value));
        let blocks = peaks.chunks(QUERIES).zip(means.chunks(QUERIES));
        for (start, (peaks, means)) in (0..).step_by(QUERIES).zip(blocks) {
            let queries = start..start + peaks.len();
            let (query, gradient) = (query.part(queries.clone()), gradient.part(queries.clone()));
            scores(query, turned_key, shares);
            scores(gradient, turned_value, of_scores);
            softmax_backward(scale, row, shares, of_scores, peaks, means);
            let matrix = |values| Matrix::rows(values, peaks.len(), keys.len(), row);
            let (shares, of_scores) = (matrix(shares), matrix(of_scores));
            let mut of_value = of_value.part(keys.clone());
            of_value.product(shares.transposed(), gradient, start > 0);
            let mut of_key = of_key.part(keys.clone());
            of_key.product(of_scores.transposed(), query, start > 0);
            weighted(of_scores, key, first > 0, &mut of_query.part(queries));
        }
    }
}

vectorized! {
    /// The inner product of each row of one matrix with that of another.
    fn inner_products<'a>(left: Matrix<'a>, right: Matrix<'a>, products: &'a mut [f32]) {
        if let (Some(left), Some(right)) = (left.as_rows(), right.as_rows()) {
            for ((left, right), product) in left.zip(right).zip(products) {
                *product = lanes::inner_product(left, right);
            }
        }
    }
}

vectorized! {
    /// Makes shares of scores, and the gradients of the scores of those of the shares.
    fn softmax_backward<'a>(
        scale: f32,
        length: usize,
        scores: &'a mut [f32],
        gradients: &'a mut [f32],
        peaks: &'a [Peak],
        means: &'a [f32],
    ) {
        let rows = scores.chunks_exact_mut(length).zip(gradients.chunks_exact_mut(length));
        for ((scores, gradients), (&peak, &mean)) in rows.zip(peaks.iter().zip(means)) {
            shares_backward(scores, gradients, peak, mean, scale);
        }
    }
}
