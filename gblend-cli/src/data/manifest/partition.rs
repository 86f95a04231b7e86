//! Which split a row is in: as drawn, and as checked.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::label_objective::default_objective;
use gblend_core::{Error, Partition, Result, Seed};

use super::DrawnSplit;
use super::rows::Rows;
use super::table::Table;
use crate::data::groups::Groups;
use crate::data::position::{SampleIndex, sample_count};
use crate::data::split::take_groups;
use crate::data::stratify::take_stratified;

/// Draws test and validation rows: stratum by stratum as the objective for such labels has it, or whole groups where rows
/// have them.
///
/// # Errors
/// [`Error::Data`] if there are more rows than a dataset may have.
pub(super) fn draw(rows: &mut Rows, table: &Table, shares: DrawnSplit, seed: Seed) -> Result<()> {
    let strata = default_objective(rows.labels().kind())?.strata(rows.labels());
    let mut pool: Vec<SampleIndex> = (0..sample_count(rows.len())?).collect();
    let mut groups = Groups::default();
    for &index in &pool {
        if let Some(group) = rows.group(table, index as usize) {
            groups.insert(index, group);
        }
    }
    let mut take = |share: f64, label: &str, partition: Partition| {
        let seed = seed.derive(label);
        let taken = if groups.is_empty() {
            take_stratified(&mut pool, &strata, share, seed)
        } else {
            take_groups(&mut pool, &groups, share, seed)
        };
        for index in taken {
            rows.set_partition(index as usize, partition);
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
pub(super) fn check_groups(rows: &Rows, table: &Table) -> Result<()> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut divided: BTreeSet<&str> = BTreeSet::new();
    let mut example = None;
    for sample in 0..rows.len() {
        let Some(group) = rows.group(table, sample) else {
            break;
        };
        let earlier = *first.entry(group).or_insert(sample);
        if rows.partition(earlier) != rows.partition(sample) {
            divided.insert(group);
            example.get_or_insert((group, earlier, sample));
        }
    }
    let Some((group, earlier, sample)) = example else {
        return Ok(());
    };
    let others = match divided.len() - 1 {
        0 => String::new(),
        1 => ", as 1 other group is".to_owned(),
        others => format!(", as {others} other groups are"),
    };
    let problem = format!(
        "its group `{group}` is in two splits, {:?} and, with sample {}, {:?}{others}; expected one split for a group: \
         change the column that says the split, or leave out `data.group`",
        rows.partition(sample),
        rows.id(table, earlier),
        rows.partition(earlier)
    );
    Err(Error::data(format!("sample {}", rows.id(table, sample)), problem))
}

/// The first `most` rows of each class in each split. A row with several classes stays as long as one of them
/// wants it; rows without a class count as a class of their own.
///
/// # Errors
/// [`Error::Data`] if there are more rows than a dataset may have.
pub(super) fn limit(rows: &Rows, most: usize) -> Result<Rows> {
    let mut counts: BTreeMap<(Partition, Option<usize>), usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for sample in 0..sample_count(rows.len())? {
        let (label, partition) = (
            rows.labels().get(sample as usize),
            rows.partition(sample as usize),
        );
        let classes = label.classes();
        let none = classes.is_empty().then_some(None);
        let keys = classes
            .iter()
            .copied()
            .map(Some)
            .chain(none)
            .map(|class| (partition, class));
        let keys: Vec<_> = keys.collect();
        let wanted = keys
            .iter()
            .any(|key| counts.get(key).is_none_or(|&count| count < most));
        if wanted {
            keys.into_iter()
                .for_each(|key| *counts.entry(key).or_default() += 1);
            kept.push(sample);
        }
    }
    Ok(rows.select(&kept))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    use crate::data::manifest::{Manifest, rows};

    /// A table and its rows, all for training but those that are said to be for the test.
    fn read(count: usize, groups: usize, test: &[usize]) -> (Table, Rows) {
        let mut text = "id,label,split,group\n".to_owned();
        for index in 0..count {
            let split = if test.contains(&index) { "test" } else { "train" };
            let group = index % groups.max(1);
            text.push_str(&format!("{index},{},{split},g{group}\n", index % 3));
        }
        let table = Table::csv("t.csv", text.as_bytes()).unwrap();
        let mut settings = Manifest::empty();
        (settings.id, settings.label) = (Some("id".to_owned()), Some("label".to_owned()));
        settings.split = crate::data::manifest::Split::Column("split".to_owned());
        settings.group = (groups > 0).then(|| "group".to_owned());
        let columns = rows::Columns::find(&settings, &table, false).unwrap();
        let classes = rows::classes(&settings, &table, &columns);
        let rows = rows::read(&settings, &table, &columns, &classes, &mut Vec::new()).unwrap();
        (table, rows)
    }

    proptest! {
        #[test]
        fn drawn_splits_keep_groups_whole_and_depend_on_the_seed_alone(
            groups in prop_oneof![Just(0_usize), 3..9_usize], test in 0.1..0.5, validation in 0.0..0.4, seed: u64,
        ) {
            let drawn = |seed| {
                let (table, mut rows) = read(60, groups, &[]);
                let shares = DrawnSplit { test, validation };
                draw(&mut rows, &table, shares, Seed::new(seed)).unwrap();
                (table, rows)
            };
            let (table, first) = drawn(seed);
            prop_assert!(check_groups(&first, &table).is_ok());
            for partition in [Partition::Test, Partition::Train] {
                prop_assert!((0..first.len()).any(|sample| first.partition(sample) == partition));
            }
            prop_assert_eq!(first, drawn(seed).1);
        }
    }

    #[test]
    fn a_divided_group_is_named() {
        let (table, rows) = read(6, 3, &[4]);
        let error = check_groups(&rows, &table).unwrap_err().to_string();
        assert!(error.contains("sample 4") && error.contains("`g1`"), "{error}");
        assert!(!error.contains("other groups"), "{error}");
        let (table, rows) = read(6, 3, &[3, 4, 5]);
        let error = check_groups(&rows, &table).unwrap_err().to_string();
        assert!(
            error.contains("sample 3") && error.contains("as 2 other groups are"),
            "{error}"
        );
    }

    #[test]
    fn a_limit_counts_each_class_of_each_split() {
        let (table, rows) = read(10, 0, &[8]);
        let limited = limit(&rows, 1).unwrap();
        let ids: Vec<String> = (0..limited.len())
            .map(|sample| limited.id(&table, sample))
            .collect();
        assert_eq!(ids, ["0", "1", "2", "8"]);
    }
}
