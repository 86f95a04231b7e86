//! Where each row of a table begins, for messages.

/// How the places of rows are told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Places {
    /// By the line of the file: rows from which on each is a line below the one before it, and the first line.
    Lines(Vec<(usize, u64)>),
    /// By the number of the row.
    Rows,
    /// By its first cell, which is the key of a sample.
    Keys,
}

impl Default for Places {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

impl Places {
    /// Notes the line of a row beyond all that there are.
    pub(super) fn note(&mut self, row: usize, line: u64) {
        let Self::Lines(runs) = self else { return };
        let follows = runs
            .last()
            .is_some_and(|&(first, from)| from + (row - first) as u64 == line);
        if !follows {
            runs.push((row, line));
        }
    }

    /// File and place of a row, whose first cell is `key`.
    pub(super) fn of(&self, name: &str, row: usize, key: &str) -> String {
        match self {
            Self::Lines(runs) => {
                let at = runs.partition_point(|&(first, _)| first <= row);
                let run = at.checked_sub(1).and_then(|at| runs.get(at));
                let line = run.map_or(0, |&(first, from)| from + (row - first) as u64);
                format!("{name}:{line}")
            }
            Self::Rows => format!("{name}: row {}", row + 1),
            Self::Keys => format!("key {key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_has_its_line(gaps in proptest::collection::vec(1_u64..4, 0..40)) {
            let mut places = Places::default();
            let mut line = 1;
            for (row, gap) in gaps.iter().enumerate() {
                line += gap;
                places.note(row, line);
            }
            let mut line = 1;
            for (row, gap) in gaps.iter().enumerate() {
                line += gap;
                prop_assert_eq!(places.of("t", row, ""), format!("t:{line}"));
            }
            let Places::Lines(runs) = places else { unreachable!() };
            prop_assert!(gaps.is_empty() || runs.len() <= 1 + gaps[1..].iter().filter(|gap| **gap > 1).count());
        }
    }
}
