//! Positions of samples in a dataset.

use gblend_core::{Error, Result};

/// The position of a sample in the dataset. A run keeps several of each sample, in splits and in the order of an epoch, so
/// they have 32 bits.
pub type SampleIndex = u32;

/// The number of samples of a dataset.
///
/// # Errors
/// [`Error::Data`] if positions have too few bits for it.
pub(super) fn sample_count(samples: usize) -> Result<SampleIndex> {
    SampleIndex::try_from(samples).map_err(|_| {
        let problem = format!("{samples} samples, expected at most {}", SampleIndex::MAX);
        Error::data("the dataset", problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_samples_than_there_are_positions_are_refused() {
        assert!(sample_count(SampleIndex::MAX as usize).is_ok());
        let error = sample_count(SampleIndex::MAX as usize + 1)
            .err()
            .map(|e| e.to_string());
        assert!(error.is_some_and(|error| error.contains("4294967296 samples, expected at most 4294967295")));
    }
}
