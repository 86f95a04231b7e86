//! From rows to samples, and what is wrong with those that make none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use gblend_core::registry::nearest;
use gblend_core::{Error, Label, Labels, Partition, Result};

use super::label_names::{are_numbers, check_one_way, is_nan};
use super::order::natural;
use super::table::{LIST, Table};
use super::{DrawnSplit, LabelColumn, Manifest, Split};
use crate::data::position::{SampleIndex, sample_count};
use crate::data::repeated::repeated;

/// The rows that make samples, and what else each says of its sample; ids and groups stay in the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    /// Positions in the table, in ascending order; every row's if there are none.
    positions: Option<Vec<SampleIndex>>,
    labels: Labels,
    partitions: Vec<Partition>,
    columns: Columns,
}

impl Rows {
    /// The number of samples.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether no row makes a sample.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The position in the table.
    pub(super) fn position(&self, sample: usize) -> usize {
        match &self.positions {
            None => sample,
            Some(positions) => positions[sample] as usize,
        }
    }

    /// The sample's name.
    pub(super) fn id(&self, table: &Table, sample: usize) -> String {
        self.columns.id_of(table, self.position(sample))
    }

    /// What must not be divided, if the settings name its column.
    pub(super) fn group<'t>(&self, table: &'t Table, sample: usize) -> Option<&'t str> {
        let column = self.columns.group?;
        Some(table.value(self.position(sample), column))
    }

    /// The labels of all of them.
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Where a sample belongs.
    pub(super) fn partition(&self, sample: usize) -> Partition {
        self.partitions[sample]
    }

    /// Says where a sample belongs.
    pub(super) fn set_partition(&mut self, sample: usize, partition: Partition) {
        self.partitions[sample] = partition;
    }

    /// Those of some samples, in ascending order.
    pub(super) fn select(&self, samples: &[SampleIndex]) -> Self {
        let samples = || samples.iter().map(|&sample| sample as usize);
        Self {
            positions: Some(
                samples()
                    .map(|sample| self.position(sample) as SampleIndex)
                    .collect(),
            ),
            labels: self.labels.select(samples()),
            partitions: samples().map(|sample| self.partition(sample)).collect(),
            columns: self.columns,
        }
    }
}

/// Positions of the columns that settings name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    id: Option<usize>,
    /// None of samples that have no labels, or whose labels are not looked at.
    label: Option<usize>,
    split: Option<usize>,
    group: Option<usize>,
    /// Whether each sample has a name of its own; that of a sample to predict may be another's, or lack.
    named: bool,
    /// Whether a label that says NaN is a missing one, as those of Parquet are, and a group that does.
    nan_is_missing: bool,
    nan_is_no_group: bool,
}

impl Columns {
    /// # Errors
    /// [`Error::Setting`] with the columns that there are, if one of them is not; [`Error::Data`] if a label or group is one
    /// number written in two ways.
    pub(super) fn find(settings: &Manifest, table: &Table, from_shards: bool) -> Result<Self> {
        let optional =
            |name: &Option<String>, key: &str| name.as_ref().map(|name| table.column(name, key)).transpose();
        let label = optional(&settings.label, "label")?;
        let named = settings.classes.is_some();
        let nan_is_missing = match (settings.label_kind, &settings.label_separator) {
            (LabelColumn::Number, _) => true,
            (LabelColumn::Class, None) => !named && label.is_some_and(|label| are_numbers(table, label)),
            (LabelColumn::Class, Some(_)) => false,
        };
        if let (LabelColumn::Class, false, Some(label)) = (settings.label_kind, named, label) {
            let advice = ", or name the classes in `data.classes`";
            check_one_way(table, label, |cell| labels(settings, cell), advice)?;
        }
        let group = optional(&settings.group, "group")?;
        if let Some(group) = group {
            check_one_way(table, group, |cell| vec![cell], "")?;
        }
        Ok(Self {
            // The first column of the shards' own table is the key.
            id: optional(&settings.id, "id")?.or(from_shards.then_some(0)),
            label,
            named: true,
            nan_is_missing,
            nan_is_no_group: group.is_some_and(|group| are_numbers(table, group)),
            split: match &settings.split {
                Split::Column(name) => Some(table.column(name, "split")?),
                Split::Shares(_) => None,
            },
            group,
        })
    }
}

impl Columns {
    /// Those of samples that are to be predicted, for which the table may lack any column: without a label unless labels are
    /// wanted, in no split and no group.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(super) fn of_further(
        settings: &Manifest,
        table: &Table,
        from_shards: bool,
        labeled: bool,
    ) -> Result<Self> {
        if labeled {
            let own = Manifest {
                id: settings.id.clone().filter(|id| table.has_column(id)),
                split: Split::Shares(DrawnSplit::NONE),
                group: None,
                ..settings.clone()
            };
            return Self::find(&own, table, from_shards);
        }
        let id = settings.id.as_ref().filter(|id| table.has_column(id));
        let id = id.map(|id| table.column(id, "id")).transpose()?;
        Ok(Self {
            id: id.or(from_shards.then_some(0)),
            label: None,
            split: None,
            group: None,
            named: false,
            nan_is_missing: false,
            nan_is_no_group: false,
        })
    }

    /// Whether a column has names of samples.
    pub(super) fn has_ids(&self) -> bool {
        self.id.is_some()
    }

    /// Those that say something else of a sample than its media do.
    pub(super) fn taken(&self) -> BTreeSet<usize> {
        let columns = [self.id, self.split, self.group, self.label];
        columns.into_iter().flatten().collect()
    }

    /// The label's cell of a row; empty where the label is missing.
    fn label_of<'t>(&self, table: &'t Table, row: usize) -> &'t str {
        let cell = self.label.map_or("", |label| table.value(row, label));
        match self.nan_is_missing && is_nan(cell) {
            true => "",
            false => cell,
        }
    }

    /// The name of a row's sample.
    fn id_of(&self, table: &Table, row: usize) -> String {
        match self.id.map(|id| table.value(row, id)) {
            None => (row + 1).to_string(),
            Some("") if !self.named => (row + 1).to_string(),
            Some(id) => id.to_owned(),
        }
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
        .flat_map(|row| labels(settings, columns.label_of(table, row)))
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
///
/// # Errors
/// [`Error::Data`] if there are more rows than a dataset may have.
pub(super) fn read(
    settings: &Manifest,
    table: &Table,
    columns: &Columns,
    classes: &[String],
    problems: &mut Vec<Error>,
) -> Result<Rows> {
    let known: HashMap<&str, usize> = classes
        .iter()
        .enumerate()
        .map(|(i, class)| (class.as_str(), i))
        .collect();
    let count = sample_count(table.len())?;
    let mut faults: BTreeMap<usize, Error> = BTreeMap::new();
    let mut positions = Vec::with_capacity(table.len());
    let mut labels = Labels::with_capacity(settings.labels(), table.len());
    let mut partitions = Vec::with_capacity(table.len());
    for position in 0..count {
        let row = position as usize;
        match sample(settings, table, columns, &known, row) {
            Ok((label, partition)) => {
                labels.push(&label)?;
                positions.push(position);
                partitions.push(partition);
            }
            Err((id, problem)) => drop(faults.insert(row, problem_of(table, row, &id, &problem))),
        }
    }
    let mut rows = Rows {
        positions: Some(positions).filter(|positions| positions.len() < table.len()),
        labels,
        partitions,
        columns: *columns,
    };
    let twice = twice(&rows, table)?;
    if !twice.is_empty() {
        let once = |sample: &SampleIndex| !twice.contains_key(&(*sample as usize));
        let kept: Vec<SampleIndex> = (0..sample_count(rows.len())?).filter(once).collect();
        for (&sample, &first) in &twice {
            let row = rows.position(sample);
            let problem = format!(
                "another sample has this id, at {}; expected one each",
                table.place(rows.position(first))
            );
            faults.insert(row, problem_of(table, row, &rows.id(table, sample), &problem));
        }
        rows = rows.select(&kept);
    }
    problems.extend(faults.into_values());
    Ok(rows)
}

/// The samples whose id an earlier one has, and the first that has it.
fn twice(rows: &Rows, table: &Table) -> Result<BTreeMap<usize, usize>> {
    let mut twice = BTreeMap::new();
    // Numbers of rows differ.
    let Some(column) = rows.columns.id.filter(|_| rows.columns.named) else {
        return Ok(twice);
    };
    let id = |sample: SampleIndex| table.value(rows.position(sample as usize), column);
    let state = RandomState::new();
    let hash = |sample: SampleIndex| state.hash_one(id(sample));
    let samples = 0..sample_count(rows.len())?;
    let repeated = repeated(samples.clone().map(hash), rows.len());
    if repeated.is_empty() {
        return Ok(twice);
    }
    let mut first: BTreeMap<&str, SampleIndex> = BTreeMap::new();
    for sample in samples.filter(|&sample| repeated.binary_search(&hash(sample)).is_ok()) {
        let earlier = *first.entry(id(sample)).or_insert(sample);
        if earlier != sample {
            twice.insert(sample as usize, earlier as usize);
        }
    }
    Ok(twice)
}

fn problem_of(table: &Table, row: usize, id: &str, problem: &str) -> Error {
    Error::data(format!("{}: sample {id}", table.place(row)), problem)
}

/// Label and split of a row's sample, or its name and what is wrong with it.
fn sample(
    settings: &Manifest,
    table: &Table,
    columns: &Columns,
    classes: &HashMap<&str, usize>,
    index: usize,
) -> Result<(Label, Partition), (String, String)> {
    let column = |column: usize| format!("column `{}`", table.columns()[column]);
    if let Some(id) = columns.id
        && columns.named
        && table.value(index, id).is_empty()
    {
        let number = (index + 1).to_string();
        return Err((number, format!("{} is empty, expected an id", column(id))));
    }
    let fault = |problem: String| (columns.id_of(table, index), problem);
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
    let cell = columns.label_of(table, index);
    let number = || {
        let number = cell.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let name = columns.label.map_or_else(String::new, column);
            format!("{name} is `{cell}`, expected a number")
        })
    };
    let label = match (settings.label_kind, &settings.label_separator) {
        _ if columns.label.is_none() => Ok(Label::Missing),
        (_, None) if cell.is_empty() => Ok(Label::Missing),
        (LabelColumn::Number, _) => number().map(Label::Number),
        (LabelColumn::Class, None) => class(cell).map(Label::Class),
        (LabelColumn::Class, Some(_)) => labels(settings, cell)
            .into_iter()
            .map(class)
            .collect::<Result<BTreeSet<usize>, String>>()
            .map(|classes| Label::Classes(classes.into_iter().collect())),
    };
    let label = label.map_err(fault)?;
    let partition = match columns.split.map(|split| (split, table.value(index, split))) {
        None => Partition::Train,
        Some((split, value)) => match partition(value) {
            Some(partition) => partition,
            None => {
                let problem = format!(
                    "{} is `{value}`, expected train, validation or test",
                    column(split)
                );
                return Err(fault(problem));
            }
        },
    };
    if let Some(group) = columns.group
        && let cell = table.value(index, group)
        && (cell.is_empty() || columns.nan_is_no_group && is_nan(cell))
    {
        return Err(fault(format!("{} is empty, expected a group", column(group))));
    }
    Ok((label, partition))
}
