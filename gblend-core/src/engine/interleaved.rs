//! Sequences of one length whose rows lie between each other's.

use std::ops::Range;

use super::row_sources::RowSources;

/// Rows `[groups × length × apart]`, of which those of a sequence are `apart` rows from each other: with 1, sequences one after
/// another; with the places of a frame, the frames of each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaved {
    /// Rows of a sequence, at least one.
    pub length: usize,
    /// From one to the next, at least one; so many sequences are in a group.
    pub apart: usize,
}

impl Interleaved {
    /// The rows of each group, of so many rows.
    pub(super) fn groups(self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let group = (self.length * self.apart).max(1);
        (0..rows / group).map(move |number| number * group..(number + 1) * group)
    }

    /// The rows with those of each sequence one after another.
    pub(super) fn gathered(self, rows: usize) -> RowSources {
        let of_group = move |group: Range<usize>| {
            let sequence = move |first: usize| group.clone().skip(first).step_by(self.apart);
            (0..self.apart).flat_map(sequence)
        };
        RowSources::counted(self.groups(rows).flat_map(of_group).map(Some), rows)
    }

    /// As [`gathered`](Self::gathered), back.
    pub(super) fn scattered(self, rows: usize) -> RowSources {
        let back = Self {
            length: self.apart,
            apart: self.length,
        };
        back.gathered(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_sequence_are_brought_together_and_back() {
        let sequences = Interleaved { length: 2, apart: 3 };
        let order = |sources: RowSources| sources.sources().flatten().collect::<Vec<_>>();
        let gathered = order(sequences.gathered(12));
        assert_eq!(gathered[..6], [0, 3, 1, 4, 2, 5]);
        let back = order(sequences.scattered(12));
        let again: Vec<usize> = back.iter().map(|&place| gathered[place]).collect();
        assert_eq!(again, (0..12).collect::<Vec<_>>());
    }
}
