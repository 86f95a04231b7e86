//! What the seeds of a comparison are tested on.

use super::VarianceParts;

/// What the seeds of a comparison are tested on, which says what more seeds would bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestedOn {
    /// The same test samples, or others that every seed brings with it.
    ItsOwn,
    /// One of so many folds each: of all samples that there are, more seeds test none for the first time.
    Folds(usize),
}

impl TestedOn {
    /// The parts of a variance as they are if more seeds come.
    ///
    /// Where each sample was tested by one seed alone, nothing tells what it has in common with itself under other seeds, and the
    /// part of seeds has all that samples vary by. So that seeds are not promised to settle what only other samples can, all of that counts as
    /// theirs.
    pub(super) fn for_more_seeds(self, parts: &VarianceParts) -> VarianceParts {
        match (self, parts.of_seeds) {
            (Self::Folds(_), Some(of_seeds)) => VarianceParts {
                of_seeds: Some((of_seeds - parts.of_these_seeds).max(0.0)),
                of_samples: parts.of_samples.max(parts.of_these_seeds),
                ..parts.clone()
            },
            _ => parts.clone(),
        }
    }

    /// How much a seed that was tested on so many samples counts.
    pub fn weight(self, samples: usize) -> f64 {
        match self {
            Self::ItsOwn => 1.0,
            Self::Folds(_) => samples as f64,
        }
    }

    /// The next number of seeds that there can be.
    pub fn round_up(self, seeds: usize) -> usize {
        match self {
            Self::ItsOwn => seeds,
            Self::Folds(folds) => seeds.next_multiple_of(folds.max(1)),
        }
    }
}
