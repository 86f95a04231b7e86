//! Streams that are in the table itself: lists, texts, numbers.

use std::collections::{BTreeSet, HashSet};

use super::prefixes::groups;
use super::profile::{Cells, Profile};
use super::{Candidate, Notes, list, plain_name};
use crate::data::manifest::arrays::ColumnNames;
use crate::data::manifest::table::Table;
use crate::data::manifest::{MediaName, StreamSettings};

/// The streams of columns with lists of numbers.
pub(super) fn lists(table: &Table, notes: &mut Notes) -> Vec<Candidate> {
    let columns = (0..table.columns().len()).filter(|&column| table.has_lists(column));
    let candidates = columns.filter_map(|column| {
        let name = &table.columns()[column];
        let filled: Vec<usize> = (0..table.len())
            .filter(|&row| table.has_list(row, column))
            .collect();
        let bad = filled
            .iter()
            .find_map(|&row| Some((row, table.list(row, column).err()?)));
        if let Some((row, problem)) = bad {
            notes.left_out(format!("column `{name}`: {} {problem}", table.place(row)));
            return None;
        }
        let settings = StreamSettings {
            column: Some(name.clone()),
            optional: filled.len() < table.len(),
            ..StreamSettings::of(MediaName::Array)
        };
        Some(Candidate {
            name: plain_name(name),
            settings,
            kind: None,
            why: format!("column `{name}` has lists of numbers"),
            first: None,
        })
    });
    candidates.collect()
}

/// The streams of columns with texts.
pub(super) fn texts(table: &Table, profiles: &[&Profile], notes: &mut Notes) -> Vec<Candidate> {
    let mut found = Vec::new();
    for profile in profiles
        .iter()
        .filter(|profile| profile.cells == Cells::Text && !has_categories(profile))
    {
        let name = &profile.name;
        let distinct = profile.distinct();
        // A few values again and again are no texts, whatever their length.
        let differ = distinct.is_none_or(|distinct| 3 * distinct >= profile.filled);
        let long =
            profile.words >= 2.0 || profile.characters >= 12.0 && profile.words < 1.05 && !is_plain(profile);
        if !differ || !long {
            notes.left_out(format!(
                "column `{name}`: short texts that are no categories, such as names"
            ));
            continue;
        }
        let settings = StreamSettings {
            column: Some(name.clone()),
            optional: profile.filled < table.len(),
            ..StreamSettings::of(MediaName::Text)
        };
        found.push(Candidate {
            name: plain_name(name),
            settings,
            kind: None,
            why: format!(
                "column `{name}` has texts of {:.0} words in the mean",
                profile.words
            ),
            first: None,
        });
    }
    found
}

/// Whether a column has a few short texts again and again.
fn has_categories(profile: &Profile) -> bool {
    const MOST: usize = 200;
    const EACH: usize = 4;
    const WORDS: f64 = 6.0;
    let few = profile
        .distinct()
        .is_some_and(|distinct| distinct <= MOST && EACH * distinct <= profile.filled);
    // A star in a name would be a pattern.
    let plain = !profile.name.contains('*');
    profile.cells == Cells::Text && few && plain && profile.words <= WORDS
}

/// Whether a column's words are of letters and digits that a name or a number of an item has.
fn is_plain(profile: &Profile) -> bool {
    let mut values = profile.counts.iter().flatten().map(|(value, _)| value);
    values.all(|value| value.is_ascii())
}

/// The streams of columns with a number or the name of a category each.
pub(super) fn numbers(
    table: &Table,
    profiles: &[&Profile],
    taken: &BTreeSet<usize>,
    notes: &mut Notes,
) -> Vec<Candidate> {
    let numbers: Vec<&Profile> = profiles
        .iter()
        .copied()
        .filter(|profile| profile.is_number() || has_categories(profile))
        .collect();
    let names: Vec<&str> = numbers.iter().map(|profile| profile.name.as_str()).collect();
    let mut found = Vec::new();
    for group in groups(&names) {
        let wanted: Vec<usize> = group
            .members
            .iter()
            .map(|&member| numbers[member].column)
            .collect();
        let named: Vec<String> = group
            .members
            .iter()
            .map(|&member| names[member].to_owned())
            .collect();
        let pattern = group
            .prefix
            .as_ref()
            .map(|prefix| ColumnNames::Pattern(format!("{prefix}*")));
        let (columns, how) = match pattern.filter(|pattern| stands_for(pattern, &wanted, table, taken)) {
            Some(pattern) => (
                pattern,
                format!("begin with `{}`", group.prefix.as_deref().unwrap_or_default()),
            ),
            None => {
                let list = ColumnNames::List(named.clone());
                // A star in a name is a pattern, which may stand for others.
                let columns = match stands_for(&list, &wanted, table, taken) {
                    true => list,
                    false => {
                        let (odd, plain): (Vec<String>, Vec<String>) =
                            named.iter().cloned().partition(|name| name.contains('*'));
                        for name in odd {
                            notes.left_out(format!(
                                "column `{name}`: a star in a name stands for other columns as well"
                            ));
                        }
                        if plain.is_empty() {
                            continue;
                        }
                        ColumnNames::List(plain)
                    }
                };
                (columns, format!("have a value each: {}", list_of(&named)))
            }
        };
        let categories = group.members.iter().map(|&member| numbers[member]);
        let categories = categories.filter(|profile| profile.cells == Cells::Text);
        let categories: Vec<String> = categories.map(|profile| profile.name.clone()).collect();
        let told = match categories.is_empty() {
            true => String::new(),
            false => format!("; names of categories in {}", list_of(&categories)),
        };
        let settings = StreamSettings {
            columns: Some(columns),
            categories: (!categories.is_empty()).then_some(ColumnNames::List(categories)),
            ..StreamSettings::of(MediaName::Array)
        };
        found.push(Candidate {
            name: plain_name(group.prefix.as_deref().unwrap_or("numbers")),
            settings,
            kind: None,
            why: format!("{} columns {how}{told}", named.len()),
            first: None,
        });
    }
    found
}

fn list_of(names: &[String]) -> String {
    list(names.iter().map(String::as_str))
}

/// Whether names stand for these columns alone.
fn stands_for(names: &ColumnNames, wanted: &[usize], table: &Table, taken: &BTreeSet<usize>) -> bool {
    let found = names.find(table, taken, "columns");
    let set = |columns: &[usize]| columns.iter().copied().collect::<HashSet<usize>>();
    found.is_ok_and(|found| set(&found) == set(wanted))
}
