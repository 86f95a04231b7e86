//! The steps of sequences as rows.
//!
//! A batch of sequences of different lengths is padded to be stacked. No layer computes anything of padding: the steps
//! that are there are the rows of a matrix, `[steps, features]`, those of a sequence one after another, and [`Steps`]
//! says which are whose. What is not there cannot leak into a statistic, a sum or a random stream, so that padding changes
//! no bit of a result.

use std::ops::Range;
use std::sync::Arc;

use super::mask::Mask;
use super::row_sources::RowSources;
use crate::error::{Error, Result};
use crate::shape::Dims2;

/// What messages call it.
const WINDOWS: &str = "window over steps";

/// Which sequence and which time each row of `[steps, features]` is of.
///
/// No tensor is without elements, so a batch without a single step has one row all the same, which is of no
/// sequence: it enters no statistic, and nothing is read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first row of each sequence, and the number of rows.
    starts: Arc<[usize]>,
    /// The time of each row, from 0, rising within a sequence.
    times: Arc<[usize]>,
}

impl Steps {
    /// The steps that a mask leaves.
    pub fn new(mask: &Mask) -> Self {
        let sequences = (0..mask.batch()).map(|sample| {
            let times = (0..mask.time()).filter(move |&time| mask.is_present(time, sample));
            times.collect()
        });
        Self::of_times(sequences)
    }

    /// Complete sequences of these lengths.
    pub fn of_lengths(lengths: &[usize]) -> Self {
        Self::of_times(lengths.iter().map(|&length| (0..length).collect()))
    }

    fn of_times(sequences: impl Iterator<Item = Vec<usize>>) -> Self {
        let (mut starts, mut times) = (vec![0], Vec::new());
        for sequence in sequences {
            times.extend(sequence);
            starts.push(times.len());
        }
        if times.is_empty() {
            times.push(0);
        }
        Self {
            starts: starts.into(),
            times: times.into(),
        }
    }

    /// Whether they are the same ones, and not only alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.starts, &other.starts)
    }

    /// The number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Whether no sequence has a step.
    pub fn is_empty(&self) -> bool {
        self.starts.last() == Some(&0)
    }

    /// The number of sequences.
    pub fn batch(&self) -> usize {
        self.starts.len() - 1
    }

    /// The time of each row.
    pub fn times(&self) -> &[usize] {
        &self.times
    }

    /// The rows of each sequence, some of which may have none.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The number of steps of the longest sequence.
    pub fn longest(&self) -> usize {
        self.sequences().map(|rows| rows.len()).max().unwrap_or(0)
    }

    /// The last row of each sequence.
    pub fn last(&self) -> RowSources {
        let rows = self.sequences().map(|rows| rows.last());
        RowSources::counted(rows, self.rows())
    }

    /// The first row of each sequence.
    pub fn first(&self) -> RowSources {
        let rows = self.sequences().map(|mut rows| rows.next());
        RowSources::counted(rows, self.rows())
    }

    /// The steps whose time `stride` divides, as steps of a clock that is slower by that much, and their rows here.
    ///
    /// # Errors
    /// [`Error::Argument`] if the stride is 0.
    pub fn strided(&self, stride: usize) -> Result<(Self, RowSources)> {
        if stride == 0 {
            return Err(Error::argument(WINDOWS, "stride", stride, "at least 1"));
        }
        let kept = |row: &usize| self.times[*row].is_multiple_of(stride);
        let sequences = self.sequences().map(|rows| {
            let times = rows.filter(kept).map(|row| self.times[row] / stride);
            times.collect()
        });
        let slower = Self::of_times(sequences);
        let rows = self.sequences().flatten().filter(kept).map(Some);
        let none = slower.is_empty().then_some(None);
        let rows = RowSources::counted(rows.chain(none), self.rows());
        Ok((slower, rows))
    }

    /// The rows under a window of `kernel` steps, `dilation` apart, around each of the steps that `stride` leaves,
    /// `[steps × kernel]`; steps that are not there are taken from nowhere.
    ///
    /// # Errors
    /// [`Error::Argument`] if an extent is 0 or the kernel is even.
    pub fn windows(&self, kernel: usize, dilation: usize, stride: usize) -> Result<(Self, RowSources)> {
        if dilation == 0 {
            return Err(Error::argument(WINDOWS, "dilation", dilation, "at least 1"));
        }
        if kernel.is_multiple_of(2) {
            return Err(Error::argument(
                WINDOWS,
                "kernel",
                kernel,
                "an odd number of steps",
            ));
        }
        let (kept, _) = self.strided(stride)?;
        let reach = (kernel / 2).saturating_mul(dilation);
        let mut sources = Vec::with_capacity(kept.rows() * kernel);
        for (rows, centers) in self.sequences().zip(kept.sequences()) {
            for center in centers {
                let center = kept.times[center] * stride;
                for tap in 0..kernel {
                    let time = center.saturating_add(tap.saturating_mul(dilation));
                    let time = time.checked_sub(reach);
                    sources.push(time.and_then(|time| self.row_at(&rows, time)));
                }
            }
        }
        sources.resize(kept.rows() * kernel, None);
        Ok((kept, RowSources::counted(sources, self.rows())))
    }

    /// The row of `rows`, those of one sequence, that is of this time.
    fn row_at(&self, rows: &Range<usize>, time: usize) -> Option<usize> {
        // Where nothing is missing before it.
        let row = rows.start.saturating_add(time);
        if row < rows.end && self.times[row] == time {
            return Some(row);
        }
        let place = self.times[rows.clone()].binary_search(&time).ok()?;
        Some(rows.start + place)
    }

    /// The rows as sequences of equal length, `[batch × longest]`.
    pub(super) fn padded(&self) -> RowSources {
        let longest = self.longest();
        let sequences = self.sequences().flat_map(|rows| {
            (0..longest).map(move |step| Some(rows.start + step).filter(|row| *row < rows.end))
        });
        RowSources::counted(sequences, self.rows())
    }

    /// Where [`padded`](Self::padded) has put each row.
    pub(super) fn unpadded(&self) -> RowSources {
        let longest = self.longest();
        let sequences = self.sequences().enumerate();
        let rows =
            sequences.flat_map(|(sample, rows)| (0..rows.len()).map(move |step| sample * longest + step));
        RowSources::counted(rows.map(Some), self.batch() * longest)
    }

    /// Checks the shape of what `operation` is given.
    pub(crate) fn check(&self, operation: &str, shape: Dims2, width: usize) -> Result<()> {
        if shape == (self.rows(), width) {
            return Ok(());
        }
        let expected = format!("[{} steps, {width}]", self.rows());
        Err(Error::shape(operation, expected, [shape.0, shape.1]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Masks of any pattern, with holes.
    fn mask() -> impl Strategy<Value = Mask> {
        (0_usize..9, 1_usize..5)
            .prop_flat_map(|(time, batch)| {
                let present = proptest::collection::vec(any::<bool>(), time * batch);
                (present, Just(batch))
            })
            .prop_map(|(present, batch)| Mask::new(present, batch).unwrap())
    }

    fn sources(index: &RowSources) -> Vec<Option<usize>> {
        index.sources().collect()
    }

    proptest! {
        #[test]
        fn every_step_that_is_there_has_a_row_and_no_other(mask in mask()) {
            let steps = Steps::new(&mask);
            let mut found = vec![];
            for (sample, rows) in steps.sequences().enumerate() {
                found.extend(rows.map(|row| (sample, steps.times()[row])));
            }
            let expected: Vec<_> = (0..mask.batch())
                .flat_map(|sample| (0..mask.time()).map(move |time| (sample, time)))
                .filter(|&(sample, time)| mask.is_present(time, sample))
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_window_reads_the_steps_around_its_own_time(
            mask in mask(), half in 0_usize..4, dilation in 1_usize..4, stride in 1_usize..4,
        ) {
            let steps = Steps::new(&mask);
            let kernel = 2 * half + 1;
            let (kept, windows) = steps.windows(kernel, dilation, stride).unwrap();
            prop_assert_eq!(windows.len(), kept.rows() * kernel);
            let windows = sources(&windows);
            let rows_of: Vec<_> = steps.sequences().collect();
            for (sample, rows) in kept.sequences().enumerate() {
                for row in rows {
                    let center = (kept.times()[row] * stride) as isize;
                    for tap in 0..kernel {
                        let time = center + (tap as isize - half as isize) * dilation as isize;
                        let there = usize::try_from(time).ok().filter(|&time| mask.is_present(time, sample));
                        let found = windows[row * kernel + tap];
                        prop_assert_eq!(found.map(|row| steps.times()[row]), there);
                        prop_assert!(found.is_none_or(|row| rows_of[sample].contains(&row)));
                    }
                }
            }
        }

        #[test]
        fn padding_and_taking_it_away_again_is_nothing(mask in mask()) {
            let steps = Steps::new(&mask);
            prop_assume!(!steps.is_empty());
            let padded = sources(&steps.padded());
            prop_assert_eq!(padded.len(), steps.batch() * steps.longest());
            let back: Vec<_> = steps.unpadded().sources().map(|place| padded[place.unwrap()]).collect();
            prop_assert_eq!(back, (0..steps.rows()).map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn a_slower_clock_keeps_the_steps_that_it_divides(mask in mask(), stride in 1_usize..4) {
            let steps = Steps::new(&mask);
            let (kept, rows) = steps.strided(stride).unwrap();
            let times: Vec<_> = rows.sources().map(|row| row.map_or(0, |row| steps.times()[row] / stride)).collect();
            prop_assert_eq!(times, kept.times());
            let slower = (0..mask.time()).step_by(stride).flat_map(|time| {
                (0..mask.batch()).map(move |sample| (time, sample))
            });
            let present = slower.map(|(time, sample)| mask.is_present(time, sample)).collect();
            prop_assert_eq!(kept, Steps::new(&Mask::new(present, mask.batch()).unwrap()));
        }
    }

    #[test]
    fn padding_at_the_end_is_not_seen_at_all() {
        let steps = Steps::of_lengths(&[3, 0, 1]);
        for time in 3..7 {
            assert_eq!(Steps::new(&Mask::of_lengths(&[3, 0, 1], time).unwrap()), steps);
        }
        assert_eq!(sources(&steps.last()), [Some(2), None, Some(3)]);
        assert_eq!(sources(&steps.first()), [Some(0), None, Some(3)]);
        assert_eq!((steps.rows(), steps.batch(), steps.longest()), (4, 3, 3));
    }

    #[test]
    fn a_batch_without_a_step_has_one_row_that_is_nobodys() {
        let odd = Mask::new(vec![false, true], 1).unwrap();
        let (slower, rows) = Steps::new(&odd).strided(2).unwrap();
        assert_eq!(sources(&rows), [None]);
        for steps in [slower, Steps::of_lengths(&[0])] {
            assert!(steps.is_empty());
            assert_eq!((steps.rows(), steps.batch(), steps.longest()), (1, 1, 0));
            assert_eq!(
                (sources(&steps.first()), sources(&steps.last())),
                (vec![None], vec![None])
            );
            assert_eq!(sources(&steps.windows(3, 1, 1).unwrap().1), [None; 3]);
        }
    }

    #[test]
    fn windows_without_a_middle_or_a_step_are_refused() {
        let steps = Steps::of_lengths(&[3]);
        for (kernel, dilation, stride) in [(2, 1, 1), (0, 1, 1), (3, 0, 1), (3, 1, 0)] {
            assert!(steps.windows(kernel, dilation, stride).is_err());
        }
        assert!(steps.windows(3, usize::MAX, 1).is_ok());
    }
}
