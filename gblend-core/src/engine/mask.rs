//! Which steps of the sequences of a batch are there.

use crate::error::{Error, Result};

/// Which steps of each sequence of a batch are there, and which are padding: `[time × batch]`, the batch innermost as in a
/// [`Batch`](crate::tensor::Batch). Steps may be missing anywhere, not only at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    present: Vec<bool>,
    batch: usize,
}

impl Mask {
    /// A mask from its answers, `[time × batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no sample, or the answers do not divide by their number.
    pub fn new(present: Vec<bool>, batch: usize) -> Result<Self> {
        if batch == 0 || !present.len().is_multiple_of(batch) {
            let expected = format!("[time x {batch}], of at least one sample");
            return Err(Error::shape("a mask of steps", expected, [present.len()]));
        }
        Ok(Self { present, batch })
    }

    /// Sequences of these lengths, padded at the end to `time` steps.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no sample, or one is longer than that.
    pub fn of_lengths(lengths: &[usize], time: usize) -> Result<Self> {
        if lengths.iter().any(|&length| length > time) {
            let expected = format!("lengths of at most {time}");
            return Err(Error::shape("a mask of steps", expected, lengths));
        }
        let present = (0..time).flat_map(|at| lengths.iter().map(move |&length| at < length));
        Self::new(present.collect(), lengths.len())
    }

    /// A mask as samples carry it, `[time × batch]`: 1 where a step is there, 0 where it is not.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Data`] if there is another value.
    pub fn of_values(values: &[f32], batch: usize) -> Result<Self> {
        let answer = |(at, &value): (usize, &f32)| match value {
            0.0 => Ok(false),
            1.0 => Ok(true),
            _ => {
                let location = format!("mask of step {}", at / batch.max(1));
                Err(Error::data(location, format!("expected 0 or 1, found {value}")))
            }
        };
        let present = values.iter().enumerate().map(answer);
        Self::new(present.collect::<Result<_>>()?, batch)
    }

    /// The number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The number of steps, padding included.
    pub fn time(&self) -> usize {
        self.present.len() / self.batch
    }

    /// Whether step `time` of sample `sample` is there; no step beyond the mask is.
    pub fn is_present(&self, time: usize, sample: usize) -> bool {
        sample < self.batch && self.present.get(time * self.batch + sample).copied() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_many_steps_are_there_as_a_sequence_is_long(
            lengths in proptest::collection::vec(0_usize..6, 1..6), more in 0_usize..4,
        ) {
            let time = lengths.iter().max().unwrap() + more;
            let mask = Mask::of_lengths(&lengths, time).unwrap();
            for (sample, &length) in lengths.iter().enumerate() {
                for at in 0..time + 2 {
                    prop_assert_eq!(mask.is_present(at, sample), at < length);
                }
            }
            prop_assert!(!mask.is_present(0, lengths.len()));
            prop_assert_eq!((mask.time(), mask.batch()), (time, lengths.len()));
        }
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        assert!(Mask::new(vec![true; 5], 2).is_err());
        assert!(Mask::new(vec![], 0).is_err());
        assert!(Mask::of_lengths(&[1, 4], 3).is_err());
        assert!(Mask::of_lengths(&[], 3).is_err());
        let error = Mask::of_values(&[1.0, 0.0, 0.5, 1.0], 2).unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("0.5"), "{error}");
        assert!(Mask::of_values(&[f32::NAN], 1).is_err());
    }
}
