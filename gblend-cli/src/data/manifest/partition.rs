//! Which split a row is in: as drawn, and as checked.

use std::collections::BTreeMap;

use gblend_core::label_objective::default_objective;
use gblend_core::{Error, LabelKind, Labels, Partition, Result, Seed};

use super::DrawnSplit;
use super::rows::Row;
use crate::data::position::{SampleIndex, sample_count};
use crate::data::split::take_groups;
use crate::data::stratify::take_stratified;

/// Draws test and validation rows: stratum by stratum as the objective for such labels has it, or whole groups where rows
/// have them.
///
/// # Errors
/// [`Error::Data`] if there are more rows than a dataset may have.
pub(super) fn draw(rows: &mut [Row], kind: LabelKind, shares: DrawnSplit, seed: Seed) -> Result<()> {
    let labels = Labels::of(kind, rows.iter().map(|row| &row.label))?;
    let strata = default_objective(kind)?.strata(&labels);
    let mut pool: Vec<SampleIndex> = (0..sample_count(rows.len())?).collect();
    let groups: BTreeMap<SampleIndex, String> = pool
        .iter()
        .zip(rows.iter())
        .filter_map(|(&index, row)| Some((index, row.group.clone()?)))
        .collect();
    let mut take = |share: f64, label: &str, partition: Partition| {
        let seed = seed.derive(label);
        let taken = if groups.is_empty() {
            take_stratified(&mut pool, &strata, share, seed)
        } else {
            take_groups(&mut pool, &groups, share, seed)
        };
        for index in taken {
            rows[index as usize].partition = partition;
        }
    };
    take(shares.test, "test", Partition::Test);
    if shares.validation > 0.0 {
        take(shares.validation, "validation", Partition::Validation);
    }
    Ok(())
}

/// Checks that no group is divided.
///
/// # Errors
/// [`Error::Data`] naming a sample whose group is in another split too.
pub(super) fn check_groups(rows: &[Row]) -> Result<()> {
    let mut first: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in rows {
        let Some(group) = &row.group else { continue };
        let earlier = *first.entry(group).or_insert(row);
        if earlier.partition != row.partition {
            let problem = format!(
                "its group `{group}` is in two splits, {:?} and, with sample {}, {:?}; expected one split for a \
                 group: change the column that says the split, or leave out `data.group`",
                row.partition, earlier.id, earlier.partition
            );
            return Err(Error::data(format!("sample {}", row.id), problem));
        }
    }
    Ok(())
}

/// Keeps the first `most` rows of each class in each split. A row with several classes stays as long as one of them
/// wants it; rows without a class count as a class of their own.
pub(super) fn limit(rows: &mut Vec<Row>, most: usize) {
    let mut counts: BTreeMap<(Partition, Option<usize>), usize> = BTreeMap::new();
    rows.retain(|row| {
        let classes = row.label.classes();
        let none = classes.is_empty().then_some(None);
        let keys = classes
            .iter()
            .copied()
            .map(Some)
            .chain(none)
            .map(|class| (row.partition, class));
        let keys: Vec<_> = keys.collect();
        let wanted = keys
            .iter()
            .any(|key| counts.get(key).is_none_or(|&count| count < most));
        if wanted {
            keys.into_iter()
                .for_each(|key| *counts.entry(key).or_default() += 1);
        }
        wanted
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn rows(count: usize, groups: usize) -> Vec<Row> {
        let row = |index: usize| Row {
            index,
            id: index.to_string(),
            label: (index % 3).into(),
            group: (groups > 0).then(|| format!("g{}", index % groups)),
            partition: Partition::Train,
        };
        (0..count).map(row).collect()
    }

    proptest! {
        #[test]
        fn drawn_splits_keep_groups_whole_and_depend_on_the_seed_alone(
            groups in prop_oneof![Just(0_usize), 3..9_usize], test in 0.1..0.5, validation in 0.0..0.4, seed: u64,
        ) {
            let drawn = |seed| {
                let mut rows = rows(60, groups);
                let shares = DrawnSplit { test, validation };
                draw(&mut rows, LabelKind::Class, shares, Seed::new(seed)).unwrap();
                rows
            };
            let first = drawn(seed);
            prop_assert!(check_groups(&first).is_ok());
            prop_assert!(first.iter().any(|row| row.partition == Partition::Test));
            prop_assert!(first.iter().any(|row| row.partition == Partition::Train));
            prop_assert_eq!(first, drawn(seed));
        }
    }

    #[test]
    fn a_divided_group_is_named() {
        let mut rows = rows(6, 3);
        rows[4].partition = Partition::Test;
        let error = check_groups(&rows).unwrap_err().to_string();
        assert!(error.contains("sample 4") && error.contains("`g1`"), "{error}");
    }

    #[test]
    fn a_limit_counts_each_class_of_each_split() {
        let mut rows = rows(10, 0);
        rows[8].partition = Partition::Test;
        limit(&mut rows, 1);
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["0", "1", "2", "8"]);
    }
}
