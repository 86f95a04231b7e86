//! What the samples of a batch are found among where there are keys.

use gblend_core::nn::Negatives;
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Features, Loss, Plain};
use gblend_core::{Array, Error, Keys, Result, Sameness, Targets};

use super::super::contrast::{Contrast, Directions, surprise};
use super::pairs::Pair;

/// The keys of a batch and of earlier ones, with what makes two of them the same.
pub(super) struct Among<'k> {
    keys: &'k Keys,
    width: usize,
    numbers: Option<&'k [u64]>,
}

/// The keys of one modality, first those of the samples of a pair.
pub(super) struct KeyCandidates {
    directions: Directions,
    width: usize,
    negatives: Negatives,
    rights: Vec<usize>,
}

impl<'k> Among<'k> {
    /// Keys for an output of this length, of projections of this width.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another length, or not one for each sample.
    pub(super) fn of(
        keys: &'k Keys,
        length: usize,
        width: usize,
        targets: &'k Targets,
        same: &Sameness,
    ) -> Result<Self> {
        let fits = |found: &Array, count: usize| match found.shape() == [count, length] {
            true => Ok(()),
            false => {
                let expected = format!("[{count}, {length}]");
                Err(Error::shape("keys to match", expected, found.shape()))
            }
        };
        fits(&keys.batch, targets.len())?;
        fits(&keys.earlier, keys.numbers.len())?;
        Ok(Self {
            keys,
            width,
            numbers: targets.numbers(same),
        })
    }

    /// Those of a modality. A key of zeros stands for a modality that an earlier sample lacked.
    pub(super) fn candidates(&self, pair: &Pair, modality: usize) -> KeyCandidates {
        let from = modality * self.width;
        let length = self.keys.earlier.shape().last().copied().unwrap_or(0).max(1);
        let rows = self.keys.earlier.values().chunks_exact(length).enumerate();
        let there = rows.filter(|(_, row)| row[from..from + self.width].iter().any(|&value| value != 0.0));
        let there: Vec<usize> = there.map(|(place, _)| place).collect();
        let of_batch = Directions::of(&self.keys.batch, &pair.samples, from, self.width);
        let numbers = self.numbers.map(|numbers| {
            let of_batch = pair.samples.iter().map(|&sample| numbers[sample]);
            let earlier = there.iter().map(|&place| self.keys.numbers[place]);
            of_batch.chain(earlier).collect()
        });
        KeyCandidates {
            directions: of_batch.and(&Directions::of(&self.keys.earlier, &there, from, self.width)),
            width: self.width,
            negatives: Negatives::of_pairs(numbers),
            rights: (0..pair.samples.len()).collect(),
        }
    }
}

impl KeyCandidates {
    /// The loss of the samples of the pair, whose rows in the other modality are divided by the temperature.
    ///
    /// # Errors
    /// As [`Contrast::loss`].
    pub(super) fn loss(&self, rows: Features, weights: &[f32]) -> Result<Loss> {
        let shape = (self.directions.len(), self.width);
        let keys = Plain::new(&rows.device(), shape, self.directions.to_single())?;
        let contrast = Contrast {
            rights: &self.rights,
            negatives: &self.negatives,
            weights,
        };
        contrast.loss(rows, keys.enter(Recorder::for_data()))
    }

    /// How surprising it is that each finds its own, on the host.
    pub(super) fn surprises(&self, rows: &Directions, temperature: f64) -> Vec<f64> {
        rows.compared(&self.directions, |place, cosines| {
            surprise(cosines, temperature, place, place, &self.negatives)
        })
    }
}
