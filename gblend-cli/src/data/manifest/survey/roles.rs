//! Which columns say what of a sample: its id, its label, its split, its group.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::{Error, Partition, Result};

use super::profile::{Cells, Profile, is_unique};
use super::{Guess, list};
use crate::data::manifest::rows::partition;
use crate::data::manifest::table::{LIST, Table};

/// What people call the columns.
const LABELS: [&str; 28] = [
    "label",
    "labels",
    "class",
    "classes",
    "target",
    "targets",
    "y",
    "cls",
    "category",
    "categories",
    "tags",
    "tag",
    "genres",
    "genre",
    "emotion",
    "sentiment",
    "activity",
    "species",
    "diagnosis",
    "outcome",
    "topic",
    "topics",
    "action",
    "gesture",
    "digit",
    "kind",
    "rating",
    "score",
];
const IDS: [&str; 14] = [
    "id", "__key__", "key", "uid", "uuid", "sample", "name", "clip", "item", "record", "file", "filename",
    "image", "path",
];
const GROUPS: [&str; 19] = [
    "group",
    "subject",
    "subjects",
    "speaker",
    "patient",
    "user",
    "session",
    "participant",
    "person",
    "actor",
    "author",
    "rater",
    "singer",
    "talker",
    "recording",
    "household",
    "writer",
    "client",
    "customer",
];

/// Groups that there have to be, so that each of four splits can have one.
const LEAST_GROUPS: usize = 5;

/// Whether a column is called like a label.
pub(super) fn is_label(name: &str) -> bool {
    super::profile::rank(name, &LABELS).is_some()
}

/// Columns that say something of a sample, by their positions in the table.
#[derive(Debug)]
pub(super) struct Roles {
    pub(super) id: Option<usize>,
    pub(super) label: usize,
    pub(super) labels: Labels,
    pub(super) split: Option<usize>,
    pub(super) group: Option<usize>,
    /// Columns that are no media and no role: other labels, and the numbers of rows.
    pub(super) unused: BTreeMap<usize, String>,
    pub(super) guesses: Vec<Guess>,
}

/// What a label is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    Class,
    Several { separator: String },
    Number,
}

/// Looks for them. `asked` is the label's column, if the user says which it is.
///
/// # Errors
/// [`Error::Data`] if no column can be the label.
pub(super) fn find(table: &Table, place: &str, profiles: &[Profile], asked: Option<&str>) -> Result<Roles> {
    let mut guesses = Vec::new();
    let mut unused = BTreeMap::new();
    for profile in profiles.iter().filter(|profile| counts_rows(table, profile)) {
        unused.insert(profile.column, "numbers the rows".to_owned());
    }
    let id = profiles
        .iter()
        .filter(|profile| !unused.contains_key(&profile.column) || profile.is_called(&["id"]))
        .filter(|profile| profile.cells != Cells::Numbers && is_unique(table, profile.column))
        .filter_map(|profile| Some((profile.rank(&IDS)?, profile)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, profile)| profile);
    guesses.push(match id {
        Some(id) => Guess::new("id", Some(&id.name), "named so, and every value is another"),
        None => Guess::new(
            "id",
            None,
            "the number of the row: no column is named so and has another value in each",
        ),
    });
    let split = profiles.iter().find(|profile| is_split(profile, table));
    guesses.push(match split {
        Some(split) => Guess::new(
            "split",
            Some(&split.name),
            &format!("its values are {}", values(split)),
        ),
        None => Guess::new(
            "split",
            None,
            "drawn, a fifth for the test: no column says train and test",
        ),
    });
    let taken: BTreeSet<usize> = [id, split]
        .into_iter()
        .flatten()
        .map(|profile| profile.column)
        .collect();
    let open: Vec<&Profile> = profiles
        .iter()
        .filter(|profile| !taken.contains(&profile.column) && !unused.contains_key(&profile.column))
        .collect();
    let found = label(table, place, &open, split, asked)?;
    guesses.push(Guess::new(
        "label",
        Some(&table.columns()[found.column]),
        &found.why,
    ));
    for other in found.others {
        unused.insert(other, "could be a label as well".to_owned());
    }
    let rest = open.into_iter().filter(|profile| profile.column != found.column);
    let group = rest
        .filter_map(|profile| Some((profile.rank(&GROUPS)?, profile)))
        .filter(|(_, profile)| {
            let several = profile
                .distinct()
                .is_some_and(|distinct| distinct >= 2 && 2 * distinct <= profile.filled);
            several && profile.filled == table.len() && profile.cells != Cells::Numbers
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, profile)| profile);
    let whole = group.map(|group| (group, keeps_whole(table, group, split)));
    guesses.push(match &whole {
        None => Guess::new(
            "group",
            None,
            "no column is named like a subject, speaker or session and has values again and again",
        ),
        Some((group, Ok(()))) => {
            let count = group.distinct().unwrap_or_default();
            Guess::new(
                "group",
                Some(&group.name),
                &format!("named so, {count} values: each stays in one split"),
            )
        }
        Some((group, Err(why))) => Guess::new(
            "group",
            None,
            &format!("`{}` cannot be kept whole: {why}", group.name),
        ),
    });
    if let Some((group, Err(why))) = &whole {
        unused.insert(group.column, format!("named like a group, and {why}"));
    }
    Ok(Roles {
        id: id.map(|profile| profile.column),
        label: found.column,
        labels: found.labels,
        split: split.map(|profile| profile.column),
        group: whole.and_then(|(group, whole)| whole.is_ok().then_some(group.column)),
        unused,
        guesses,
    })
}

/// Whether a column is what pandas writes in front of a table, or like it.
fn counts_rows(table: &Table, profile: &Profile) -> bool {
    let counts_from = |first: usize| {
        (0..table.len()).all(|row| table.value(row, profile.column).parse() == Ok(row + first))
    };
    profile.cells == Cells::Whole && table.len() > 2 && (counts_from(0) || counts_from(1))
}

/// Whether every value names a split, training and test among them.
fn is_split(profile: &Profile, table: &Table) -> bool {
    let Some(counts) = &profile.counts else {
        return false;
    };
    let splits: Option<BTreeSet<_>> = counts
        .keys()
        .map(|value| partition(value).map(|partition| partition as usize))
        .collect();
    profile.filled == table.len()
        && splits.is_some_and(|splits| {
            splits.contains(&(Partition::Train as usize)) && splits.contains(&(Partition::Test as usize))
        })
}

/// Why a group cannot stay in one split.
fn keeps_whole(table: &Table, group: &Profile, split: Option<&Profile>) -> Result<(), String> {
    let Some(split) = split else {
        let count = group.distinct().unwrap_or_default();
        return if count < LEAST_GROUPS {
            Err(format!("{count} values are too few to be divided into splits"))
        } else {
            Ok(())
        };
    };
    let mut first: BTreeMap<&str, Option<Partition>> = BTreeMap::new();
    for row in 0..table.len() {
        let part = partition(table.value(row, split.column));
        let value = table.value(row, group.column);
        if *first.entry(value).or_insert(part) != part {
            return Err(format!("`{}` has `{value}` in several splits", split.name));
        }
    }
    Ok(())
}

struct FoundLabel {
    column: usize,
    labels: Labels,
    why: String,
    others: Vec<usize>,
}

fn label(
    table: &Table,
    place: &str,
    open: &[&Profile],
    split: Option<&Profile>,
    asked: Option<&str>,
) -> Result<FoundLabel> {
    if let Some(asked) = asked {
        table.column(asked, "--label")?;
        let profile = open.iter().find(|profile| profile.name == asked).ok_or_else(|| {
            Error::data(
                place,
                format!("column `{asked}` says the id or the split, and cannot be the label"),
            )
        })?;
        let (labels, what) = judge(table, profile, split)
            .map_err(|why| Error::data(place, format!("column `{asked}` cannot be the label: {why}")))?;
        return Ok(FoundLabel {
            column: profile.column,
            labels,
            why: format!("asked for; {what}"),
            others: Vec::new(),
        });
    }
    let mut named: Vec<(usize, &Profile)> = open
        .iter()
        .filter_map(|profile| Some((profile.rank(&LABELS)?, *profile)))
        .collect();
    named.sort_by_key(|(rank, _)| *rank);
    let mut refused = Vec::new();
    let mut good = Vec::new();
    for (_, profile) in named {
        match judge(table, profile, split) {
            Ok((labels, what)) => good.push((profile, labels, format!("named so, {what}"))),
            Err(why) => refused.push(format!("`{}` {why}", profile.name)),
        }
    }
    if good.is_empty() && refused.is_empty() {
        good.extend(open.iter().filter_map(|profile| unnamed(table, profile, split)));
    }
    let others: Vec<usize> = good.iter().skip(1).map(|(profile, ..)| profile.column).collect();
    match good.into_iter().next() {
        Some((profile, labels, mut why)) => {
            if !others.is_empty() {
                let names = others.iter().map(|&other| table.columns()[other].as_str());
                why.push_str(&format!("; it could be {} as well", list(names)));
            }
            Ok(FoundLabel {
                column: profile.column,
                labels,
                why,
                others,
            })
        }
        None => {
            let why = match &refused[..] {
                [] => "no column has a few texts again and again, or is called `label`, `class` or `target`"
                    .to_owned(),
                refused => refused.join("; "),
            };
            let columns = list(table.columns().iter().map(String::as_str));
            let problem = format!(
                "found no column with the label: {why}. The columns are {columns}; `--label COLUMN` says which it is. Pairs that are \
                 matched need none: examples/towers-fashion.toml is such a configuration"
            );
            Err(Error::data(place, problem))
        }
    }
}

/// A column that may be the label although it is called like none: texts that occur again and again.
fn unnamed<'p>(
    table: &Table,
    profile: &'p Profile,
    split: Option<&Profile>,
) -> Option<(&'p Profile, Labels, String)> {
    const MOST: usize = 100;
    const EACH: usize = 5;
    let distinct = profile.distinct()?;
    let few = (2..=MOST).contains(&distinct) && distinct * EACH <= profile.filled;
    if profile.cells != Cells::Text || !few || profile.is_called(&GROUPS) {
        return None;
    }
    match judge(table, profile, split) {
        Ok((Labels::Class, what)) => Some((
            profile,
            Labels::Class,
            format!("the first with few texts, {what}"),
        )),
        _ => None,
    }
}

/// What the labels of a column would be, and in words.
///
/// # Errors
/// Why it cannot be the label.
fn judge(table: &Table, profile: &Profile, split: Option<&Profile>) -> Result<(Labels, String), String> {
    if profile.cells == Cells::Empty {
        return Err("is empty".to_owned());
    }
    if profile.is_number()
        && let Some(what) = numbers(profile)
    {
        return Ok((Labels::Number, what));
    }
    if let Some(several) = several(profile) {
        return Ok(several);
    }
    let Some(counts) = &profile.counts else {
        return Err("has too many different values for classes".to_owned());
    };
    if let [only] = &counts.keys().collect::<Vec<_>>()[..] {
        return Err(format!("has one class, `{only}`, expected at least two"));
    }
    if 2 * counts.len() > profile.filled {
        let (classes, filled) = (counts.len(), profile.filled);
        return Err(format!(
            "has {classes} different values in {filled} rows, expected classes that occur again"
        ));
    }
    if let Some(split) = split {
        let trained: BTreeSet<&str> = (0..table.len())
            .filter(|&row| partition(table.value(row, split.column)) == Some(Partition::Train))
            .map(|row| table.value(row, profile.column))
            .collect();
        if let Some(class) = counts.keys().find(|class| !trained.contains(class.as_str())) {
            let split = &split.name;
            return Err(format!(
                "has no training sample of class `{class}`, as `{split}` divides them"
            ));
        }
    }
    let (least, most) = (
        counts.values().min().unwrap_or(&0),
        counts.values().max().unwrap_or(&0),
    );
    let each = if least == most {
        format!("{least}")
    } else {
        format!("{least} to {most}")
    };
    Ok((
        Labels::Class,
        format!("{} classes of {each} samples", counts.len()),
    ))
}

/// What the numbers of a label are, if they are no names of classes.
fn numbers(profile: &Profile) -> Option<String> {
    const MOST_CLASSES: usize = 100;
    const EACH: usize = 10;
    const ALWAYS: usize = 20;
    let what = |distinct: String| format!("{distinct} different numbers: a quantity, for regression");
    let Some(distinct) = profile.distinct() else {
        return Some(what("many".to_owned()));
    };
    let whole = profile.counts.iter().flat_map(BTreeMap::keys).all(|value| {
        // 1.0 is the name of a class as often as 1.
        value.parse::<f64>().map_or(true, |number| number.fract() == 0.0)
    });
    let few = distinct <= ALWAYS || distinct <= MOST_CLASSES && distinct * EACH <= profile.filled;
    let classes = distinct <= 2 || whole && few;
    (!classes).then(|| what(distinct.to_string()))
}

/// The classes of cells that have several.
fn several(profile: &Profile) -> Option<(Labels, String)> {
    let counts = profile.counts.as_ref()?;
    for separator in [LIST, ";", "|", ","] {
        let with = |value: &&String| value.contains(separator);
        let cells: usize = counts
            .iter()
            .filter(|(value, _)| with(value))
            .map(|(_, count)| count)
            .sum();
        if cells * 20 < profile.filled || separator != LIST && profile.cells != Cells::Text {
            continue;
        }
        let pieces: BTreeSet<&str> = counts
            .keys()
            .flat_map(|value| value.split(separator).map(str::trim))
            .filter(|piece| !piece.is_empty())
            .collect();
        // Sentences have commas as well.
        let few = pieces.len() >= 2 && 5 * pieces.len() <= profile.filled.max(10);
        let short = pieces.iter().all(|piece| piece.split_whitespace().count() <= 4);
        if few && short && (separator == LIST || pieces.len() < counts.len()) {
            let (shown, separator) = match separator {
                LIST => ("lists".to_owned(), ";"),
                other => (format!("`{other}` between them"), other),
            };
            let what = format!("several classes in one cell, {shown}: {} in all", pieces.len());
            return Some((
                Labels::Several {
                    separator: separator.to_owned(),
                },
                what,
            ));
        }
    }
    None
}

/// The values of a column with how often they occur.
fn values(profile: &Profile) -> String {
    let counts = profile.counts.iter().flatten();
    let all: Vec<String> = counts
        .map(|(value, count)| format!("{value} ({count})"))
        .collect();
    list(all.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn roles(csv: &str) -> Result<Roles> {
        let table = Table::csv("t", csv.as_bytes()).unwrap();
        let profiles: Vec<Profile> = (0..table.columns().len())
            .map(|c| Profile::of(&table, c))
            .collect();
        find(&table, "t", &profiles, None)
    }

    fn rows(header: &str, row: impl Fn(usize) -> String) -> String {
        let rows: Vec<String> = (0..60).map(row).collect();
        format!("{header}\n{}\n", rows.join("\n"))
    }

    #[test]
    fn roles_are_found_by_names_and_values() {
        let csv = rows("subject,clip,part,class,x", |i| {
            let part = if i % 6 < 4 { "train" } else { "test" };
            format!("s{},c{i},{part},{},{}.5", i % 6, ["a", "b"][i % 5 % 2], i * i)
        });
        let roles = roles(&csv).unwrap();
        assert_eq!(
            (roles.id, roles.split, roles.label, roles.group),
            (Some(1), Some(2), 3, Some(0))
        );
        assert_eq!(roles.labels, Labels::Class);
    }

    #[test]
    fn a_divided_group_is_none() {
        let csv = rows("user,part,class", |i| {
            format!("u{},{},{}", i % 6, ["train", "test"][i % 5 / 4], i % 3)
        });
        let roles = roles(&csv).unwrap();
        assert_eq!(roles.group, None);
        assert!(roles.unused.contains_key(&0));
    }

    #[test]
    fn numbers_are_classes_or_a_quantity() {
        let labels = |value: fn(usize) -> String| {
            roles(&rows("x,target", |i| format!("{}.5,{}", i * 7, value(i))))
                .unwrap()
                .labels
        };
        assert_eq!(labels(|i| (i % 3).to_string()), Labels::Class);
        assert_eq!(labels(|i| format!("{}.0", i % 3)), Labels::Class);
        assert_eq!(labels(|i| (i * 3).to_string()), Labels::Number);
        assert_eq!(labels(|i| format!("0.{}", i % 7)), Labels::Number);
        let several = labels(|i| ["a;b", "b", "c;a", "c"][i % 4].to_owned());
        assert_eq!(
            several,
            Labels::Several {
                separator: ";".to_owned()
            }
        );
    }

    #[test]
    fn what_is_no_label_is_told() {
        for (csv, part) in [
            (rows("id,label", |i| format!("i{i},same")), "one class, `same`"),
            (rows("id,label", |i| format!("i{i},l{i}")), "60 different values"),
            (rows("id", |i| format!("i{i}")), "`--label COLUMN`"),
            (
                rows("split,label", |i| {
                    format!("{},{}", ["train", "test"][i % 2], ["a", "b"][i % 2])
                }),
                "`split` divides",
            ),
        ] {
            let error = roles(&csv).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
