//! From rows to samples, and what is wrong with those that make none.

use std::collections::{BTreeSet, HashMap};

use gblend_core::registry::nearest;
use gblend_core::{Error, Label, Partition, Result};

use super::order::natural;
use super::table::{LIST, Table};
use super::{LabelColumn, Manifest, Split};

/// What a row says of its sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Position in the table.
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) label: Label,
    pub(super) group: Option<String>,
    pub(super) partition: Partition,
}

/// Positions of the columns that settings name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    id: Option<usize>,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    /// # Errors
    /// [`Error::Setting`] with the columns that there are, if one of them is not.
    pub(super) fn find(settings: &Manifest, table: &Table, from_shards: bool) -> Result<Self> {
        let optional =
            |name: &Option<String>, key: &str| name.as_ref().map(|name| table.column(name, key)).transpose();
        Ok(Self {
            // The first column of the shards' own table is the key.
            id: optional(&settings.id, "id")?.or(from_shards.then_some(0)),
            label: table.column(&settings.label, "label")?,
            split: match &settings.split {
                Split::Column(name) => Some(table.column(name, "split")?),
                Split::Shares(_) => None,
            },
            group: optional(&settings.group, "group")?,
        })
    }
}

impl Columns {
    /// Those that say something else of a sample than its media do.
    pub(super) fn taken(&self) -> BTreeSet<usize> {
        let others = [self.id, self.split, self.group].into_iter().flatten();
        others.chain([self.label]).collect()
    }
}

/// The names of the classes: those of the settings, or those that occur; none where labels are numbers.
pub(super) fn classes(settings: &Manifest, table: &Table, columns: &Columns) -> Vec<String> {
    if settings.label_kind == LabelColumn::Number {
        return Vec::new();
    }
    if let Some(classes) = &settings.classes {
        return classes.clone();
    }
    let found: BTreeSet<&str> = (0..table.len())
        .flat_map(|row| labels(settings, table.value(row, columns.label)))
        .collect();
    let mut found: Vec<String> = found
        .into_iter()
        .filter(|label| !label.is_empty())
        .map(str::to_owned)
        .collect();
    found.sort_by(|a, b| natural(a, b));
    found
}

/// The split that a value names.
pub(super) fn partition(value: &str) -> Option<Partition> {
    match value.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Partition::Train),
        "validation" | "val" | "valid" | "dev" => Some(Partition::Validation),
        "test" | "testing" => Some(Partition::Test),
        _ => None,
    }
}

/// The labels in a cell: one, or as many as there are between separators.
fn labels<'a>(settings: &Manifest, cell: &'a str) -> Vec<&'a str> {
    let Some(separator) = &settings.label_separator else {
        return vec![cell];
    };
    // A list needs no separator.
    let separator = if cell.contains(LIST) { LIST } else { separator };
    let labels = cell.split(separator).map(str::trim);
    labels.filter(|label| !label.is_empty()).collect()
}

/// The samples of a table; every row that makes none goes to `problems`.
pub(super) fn read(
    settings: &Manifest,
    table: &Table,
    columns: &Columns,
    classes: &[String],
    problems: &mut Vec<Error>,
) -> Vec<Row> {
    let positions: HashMap<&str, usize> = classes
        .iter()
        .enumerate()
        .map(|(i, class)| (class.as_str(), i))
        .collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rows = Vec::new();
    for index in 0..table.len() {
        match row(settings, table, columns, &positions, index) {
            Ok(row) => match places.get(&row.id) {
                Some(&first) => {
                    let problem = format!(
                        "another sample has this id, at {}; expected one each",
                        table.place(first)
                    );
                    problems.push(problem_of(table, index, &row.id, &problem));
                }
                None => {
                    places.insert(row.id.clone(), index);
                    rows.push(row);
                }
            },
            Err((id, problem)) => problems.push(problem_of(table, index, &id, &problem)),
        }
    }
    rows
}

fn problem_of(table: &Table, index: usize, id: &str, problem: &str) -> Error {
    Error::data(format!("{}: sample {id}", table.place(index)), problem)
}

fn row(
    settings: &Manifest,
    table: &Table,
    columns: &Columns,
    classes: &HashMap<&str, usize>,
    index: usize,
) -> Result<Row, (String, String)> {
    let column = |column: usize| format!("column `{}`", table.columns()[column]);
    let number = (index + 1).to_string();
    let id = match columns.id {
        None => number,
        Some(id) => match table.value(index, id) {
            "" => return Err((number, format!("{} is empty, expected an id", column(id)))),
            id => id.to_owned(),
        },
    };
    let class = |label: &str| {
        classes.get(label).copied().ok_or_else(|| {
            let mut known: Vec<&str> = classes.keys().copied().collect();
            known.sort_by(|a, b| natural(a, b));
            let near = nearest(label, known.iter().copied()).into_iter().next();
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!(
                "unknown label `{label}`, expected one of: {}{hint}",
                known.join(", ")
            )
        })
    };
    let cell = table.value(index, columns.label);
    let number = || {
        let number = cell.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{} is `{cell}`, expected a number", column(columns.label)))
    };
    let label = match (settings.label_kind, &settings.label_separator) {
        (_, None) if cell.is_empty() => Ok(Label::Missing),
        (LabelColumn::Number, _) => number().map(Label::Number),
        (LabelColumn::Class, None) => class(cell).map(Label::Class),
        (LabelColumn::Class, Some(_)) => labels(settings, cell)
            .into_iter()
            .map(class)
            .collect::<Result<BTreeSet<usize>, String>>()
            .map(|classes| Label::Classes(classes.into_iter().collect())),
    };
    let label = match label {
        Ok(label) => label,
        Err(problem) => return Err((id, problem)),
    };
    let partition = match columns.split.map(|split| (split, table.value(index, split))) {
        None => Partition::Train,
        Some((split, value)) => match partition(value) {
            Some(partition) => partition,
            None => {
                let problem = format!(
                    "{} is `{value}`, expected train, validation or test",
                    column(split)
                );
                return Err((id, problem));
            }
        },
    };
    let group = match columns.group.map(|group| (group, table.value(index, group))) {
        None => None,
        Some((group, "")) => return Err((id, format!("{} is empty, expected a group", column(group)))),
        Some((_, value)) => Some(value.to_owned()),
    };
    Ok(Row {
        index,
        id,
        label,
        group,
        partition,
    })
}
