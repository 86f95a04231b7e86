//! The batch that a rank has a part of.

use std::borrow::Cow;

use gblend_core::Targets;

/// What every rank knows of a whole batch of which it loads a part: who has which samples, and what the heads should say of them.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeBatch {
    /// What the heads should say of every sample.
    pub targets: Targets,
    /// Positions of the samples that have each modality; `None` if all do, or it is not loaded.
    rows: Vec<Option<Vec<usize>>>,
    /// Where the part of each rank begins, and the end of the last.
    bounds: Vec<usize>,
    /// Which part is this rank's.
    part: usize,
}

impl WholeBatch {
    /// A batch in parts with these bounds, of which this rank has the one at `part`.
    pub(super) fn new(
        targets: Targets,
        rows: Vec<Option<Vec<usize>>>,
        bounds: Vec<usize>,
        part: usize,
    ) -> Self {
        Self {
            targets,
            rows,
            bounds,
            part,
        }
    }

    /// A batch that is all there, with the positions of the samples that have each modality, `None` where all have it.
    pub fn undivided(targets: Targets, rows: Vec<Option<Vec<usize>>>) -> Self {
        let bounds = vec![0, targets.len()];
        Self::new(targets, rows, bounds, 0)
    }

    /// Positions of the samples that a head sees: of those that have its modality, or of all for the joint one. `None` if that is
    /// all of them.
    fn rows(&self, head: usize) -> Option<&[usize]> {
        self.rows.get(head)?.as_deref()
    }

    /// The number of samples that a head sees.
    pub fn seen(&self, head: usize) -> usize {
        self.rows(head).map_or(self.targets.len(), <[usize]>::len)
    }

    /// What the head should say of them.
    pub fn targets_of(&self, head: usize) -> Cow<'_, Targets> {
        match self.rows(head) {
            None => Cow::Borrowed(&self.targets),
            Some(rows) => Cow::Owned(self.targets.select(rows)),
        }
    }

    /// Samples of the largest part.
    pub fn largest_part(&self) -> usize {
        let parts = self.bounds.windows(2).map(|part| part[1] - part[0]);
        parts.max().unwrap_or(0)
    }

    /// How many of the samples that a head sees are before the part of a rank.
    fn before(&self, head: usize, part: usize) -> usize {
        let bound = self.bounds.get(part).copied().unwrap_or(0);
        self.rows(head)
            .map_or(bound, |rows| rows.partition_point(|&row| row < bound))
    }

    /// The places, among the samples that a head sees, of those of this rank.
    pub fn own_places(&self, head: usize) -> Vec<usize> {
        (self.before(head, self.part)..self.before(head, self.part + 1)).collect()
    }

    /// The ranks with a sample that a head sees.
    pub fn members(&self, head: usize) -> Vec<usize> {
        let parts = 0..self.bounds.len().saturating_sub(1);
        parts
            .filter(|&part| self.before(head, part) < self.before(head, part + 1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gblend_core::Label;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_places_of_all_ranks_are_those_of_the_whole_batch(
            has in proptest::collection::vec(any::<bool>(), 1..30), ranks in 1_usize..5,
        ) {
            let samples = has.len();
            let rows: Vec<usize> = (0..samples).filter(|&row| has[row]).collect();
            let targets = Targets::new((0..samples).map(Label::Class).collect());
            let bounds: Vec<usize> = (0..=ranks).map(|rank| rank * samples / ranks).collect();
            let of = |part| WholeBatch::new(targets.clone(), vec![Some(rows.clone())], bounds.clone(), part);
            let places: Vec<usize> = (0..ranks).flat_map(|part| of(part).own_places(0)).collect();
            prop_assert_eq!(places, (0..rows.len()).collect::<Vec<_>>());
            let joint: Vec<usize> = (0..ranks).flat_map(|part| of(part).own_places(1)).collect();
            prop_assert_eq!(joint, (0..samples).collect::<Vec<_>>());
            for rank in 0..ranks {
                let own = rows.iter().any(|row| (bounds[rank]..bounds[rank + 1]).contains(row));
                prop_assert_eq!(of(0).members(0).contains(&rank), own);
                prop_assert_eq!(own, !of(rank).own_places(0).is_empty());
            }
            prop_assert_eq!(of(0).seen(0), rows.len());
            prop_assert_eq!(of(0).targets_of(0).len(), rows.len());
        }
    }
}
