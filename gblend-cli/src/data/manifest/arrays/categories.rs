//! Columns of an array, some of which have names of categories.

use std::collections::{BTreeSet, HashMap};

use gblend_core::{Error, Result, category};

use super::super::label_names::{are_numbers, check_one_way};
use super::super::table::Table;
use super::ColumnNames;

/// A column of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Column {
    /// In the table.
    pub(super) position: usize,
    /// Whether its cells are names of categories, and no numbers.
    pub(super) is_category: bool,
    /// Whether NaN is no name of a category, as the others are numbers.
    pub(super) nan_is_missing: bool,
}

/// The columns of stream `name`, of which `categories` have names.
///
/// # Errors
/// [`Error::Setting`] if a column of categories is none of the stream's; [`Error::Data`] if two names of a column have one
/// code, or are one number written in two ways.
pub(in super::super) fn columns(
    table: &Table,
    positions: &[usize],
    categories: Option<&ColumnNames>,
    name: &str,
) -> Result<Vec<Column>> {
    let key = format!("streams.{name}.categories");
    let of_names = match categories {
        // A pattern means those of the stream alone.
        Some(ColumnNames::Pattern(pattern)) if pattern.contains('*') => {
            let others = (0..table.columns().len()).filter(|column| !positions.contains(column));
            ColumnNames::Pattern(pattern.clone()).find(table, &others.collect::<BTreeSet<_>>(), &key)?
        }
        Some(names) => names.find(table, &BTreeSet::new(), &key)?,
        None => Vec::new(),
    };
    if let Some(&other) = of_names.iter().find(|column| !positions.contains(column)) {
        let value = format!("\"{}\"", table.columns()[other]);
        return Err(Error::setting(
            key,
            value,
            "columns that are in the stream's `columns`",
        ));
    }
    for &column in &of_names {
        check_one_way(table, column, |cell| vec![cell], "")?;
        check_codes(table, column)?;
    }
    let columns = positions.iter().map(|&position| Column {
        position,
        is_category: of_names.contains(&position),
        nan_is_missing: of_names.contains(&position) && are_numbers(table, position),
    });
    Ok(columns.collect())
}

/// Looks for two names with one code.
fn check_codes(table: &Table, column: usize) -> Result<()> {
    let mut known: HashMap<u32, &str> = HashMap::new();
    for row in 0..table.len() {
        let cell = table.value(row, column);
        if cell.is_empty() {
            continue;
        }
        let first = known.entry(category::code(cell).to_bits()).or_insert(cell);
        if *first != cell {
            let problem = format!(
                "column `{}` has `{first}` and `{cell}`, two categories of one code, which happens once in some hundred \
                 thousand columns; expected another name for one of them",
                table.columns()[column]
            );
            return Err(Error::data(table.place(row), problem));
        }
    }
    Ok(())
}
