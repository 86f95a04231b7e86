//! Which samples of a batch have which modality.

use crate::array::Array;
use crate::presence::PresenceMask;

/// For each modality which samples have it. The default is that all have all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence(Vec<Vec<bool>>);

impl Presence {
    /// Of the first samples one has all modalities, one lacks the first of them, one the last, and one has none.
    pub(super) fn mixed(modalities: usize, samples: usize) -> Self {
        let has = |modality: usize, sample: usize| match sample % 4 {
            0 => true,
            1 => modality != 0,
            2 => modality + 1 != modalities,
            _ => false,
        };
        let of = |modality| (0..samples).map(|sample| has(modality, sample)).collect();
        Self((0..modalities).map(of).collect())
    }

    /// No sample has this modality.
    pub(super) fn without(modality: usize, modalities: usize, samples: usize) -> Self {
        let others = 0..modalities;
        Self(others.map(|other| vec![other != modality; samples]).collect())
    }

    /// No sample has any modality, as in [`Evidence::coalitions`](crate::Evidence::coalitions).
    pub(super) fn nobody(modalities: usize, samples: usize) -> Self {
        Self(vec![vec![false; samples]; modalities])
    }

    /// `[samples, elements]` of each modality, with zeros for who lacks it.
    pub(super) fn applied(&self, arrays: &[Array]) -> Vec<Array> {
        let mut arrays = arrays.to_vec();
        for (array, present) in arrays.iter_mut().zip(&self.0) {
            let elements = array.len() / present.len().max(1);
            let rows = array.values_mut().chunks_exact_mut(elements.max(1));
            for (row, _) in rows.zip(present).filter(|(_, present)| !**present) {
                row.fill(0.0);
            }
        }
        arrays
    }

    /// What a fusion is told of a batch of these samples: of a modality that all have nothing.
    pub(super) fn told(&self, samples: &[usize]) -> Vec<Option<PresenceMask>> {
        let of = |present: &Vec<bool>| -> Option<PresenceMask> {
            let mask: Vec<bool> = samples.iter().map(|&sample| present[sample]).collect();
            mask.contains(&false).then(|| PresenceMask::new(mask))
        };
        self.0.iter().map(of).collect()
    }

    /// In words, for messages.
    pub(super) fn described(&self) -> String {
        let samples = self.0.first().map_or(0, Vec::len);
        let of = |sample: usize| -> Vec<usize> {
            let modalities = self.0.iter().enumerate();
            let there = modalities.filter(|(_, present)| present[sample]);
            there.map(|(modality, _)| modality).collect()
        };
        match samples {
            0 => "all modalities".to_owned(),
            _ => {
                let each: Vec<Vec<usize>> = (0..samples).map(of).collect();
                format!("samples that have the modalities {each:?}")
            }
        }
    }
}
