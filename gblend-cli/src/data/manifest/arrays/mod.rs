//! Arrays that have no file of their own: numbers in columns of the table, lists in its cells, rows of one large array.

mod categories;
mod column_names;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod row_file;

use gblend_core::{Array, Error, Result as Checked, category};

use super::decode::Fault;
use super::label_names::is_nan;
use super::spread::{Spread, first_lost, problem};
use super::table::Table;

pub(super) use categories::{Column, columns};
pub(super) use column_names::{ColumnNames, fits};
pub(super) use row_file::RowFile;

/// Where the array of a sample is.
#[derive(Debug)]
pub(super) enum ArrayCells {
    /// A number, or the name of a category, in each of these columns: `[columns]`.
    Columns(Vec<Column>),
    /// A list of numbers in this column: `[values]`, or of lists that are equally long: `[lists, values]`.
    List(usize),
    /// A row of a file, which this column has the number of, from 0; by default the row's own.
    Row { file: RowFile, index: Option<usize> },
}

impl ArrayCells {
    /// Whether a row of the table has anything there.
    pub(super) fn is_filled(&self, table: &Table, row: usize) -> bool {
        match self {
            Self::Columns(columns) => columns
                .iter()
                .any(|column| !table.value(row, column.position).is_empty()),
            Self::List(column) => table.has_list(row, *column),
            Self::Row { index, .. } => index.is_none_or(|index| !table.value(row, index).is_empty()),
        }
    }

    /// The names of the columns, where it is made of columns.
    pub(super) fn columns(&self, table: &Table) -> Option<Vec<String>> {
        let Self::Columns(columns) = self else { return None };
        let names = columns
            .iter()
            .map(|column| table.columns()[column.position].clone());
        Some(names.collect())
    }

    /// Refuses numbers of stream `name` that would be one in 32 bits.
    ///
    /// # Errors
    /// [`Error::Data`] with what the numbers are, what is left of them, and what to do.
    pub(super) fn check_spread(&self, table: &Table, name: &str) -> Checked<()> {
        let of_column = |row: usize, column: usize, problem: String| {
            let column = &table.columns()[column];
            Err(Error::data(
                table.place(row),
                format!("column `{column}` {problem}"),
            ))
        };
        match self {
            Self::Columns(columns) => {
                for column in columns.iter().filter(|column| !column.is_category) {
                    let mut spread = Spread::default();
                    for row in 0..table.len() {
                        if let Ok(number) = table.value(row, column.position).parse() {
                            spread.add(row, number);
                        }
                    }
                    if let Some(row) = spread.lost() {
                        let told = spread.told();
                        let problem =
                            format!("has {told}; subtract the least of them, or leave the column out");
                        return of_column(row, column.position, problem);
                    }
                }
                Ok(())
            }
            Self::List(column) => match first_lost(table.list_spreads(*column), Spread::lost) {
                Some(found) => {
                    let row = found.1.lost().unwrap_or_default();
                    of_column(row, *column, format!("has lists in which {}", problem(found)))
                }
                None => Ok(()),
            },
            Self::Row { file, .. } => match file.lost() {
                Some(problem) => Err(Error::data(
                    format!("stream {name}"),
                    format!("{}: {problem}", file.name()),
                )),
                None => Ok(()),
            },
        }
    }

    /// The array of a row of the table. A cell without a number is NaN, which stands for what is missing.
    pub(super) fn read(&self, table: &Table, row: usize) -> Result<Array, Fault> {
        match self {
            Self::Columns(columns) => {
                let values = columns.iter().map(|column| {
                    let cell = table.value(row, column.position);
                    let value = if column.is_category {
                        Ok(category(match column.nan_is_missing && is_nan(cell) {
                            true => "",
                            false => cell,
                        }))
                    } else {
                        measured(cell)
                    };
                    value
                        .map_err(|problem| format!("column `{}` {problem}", table.columns()[column.position]))
                });
                array([columns.len()], values.collect::<Result<_, _>>()?)
            }
            Self::List(column) => {
                let name = &table.columns()[*column];
                let list = table.list(row, *column);
                let (shape, values) = list.map_err(|problem| format!("column `{name}` {problem}"))?;
                array(shape, values)
            }
            Self::Row { file, index: None } => file.row(row),
            Self::Row {
                file,
                index: Some(index),
            } => {
                let cell = table.value(row, *index);
                let position = cell.parse().map_err(|_| {
                    let name = &table.columns()[*index];
                    format!("column `{name}` is `{cell}`, expected the number of a row, from 0")
                })?;
                file.row(position)
            }
        }
    }
}

fn array(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Array, Fault> {
    Array::new(shape, values).map_err(|error| Fault::Media(error.to_string()))
}

/// The code of a category; nothing is missing.
fn category(cell: &str) -> f32 {
    if cell.is_empty() {
        f32::NAN
    } else {
        category::code(cell)
    }
}

/// A number that is no code of a category.
fn measured(cell: &str) -> Result<f32, String> {
    match number(cell)? {
        value if category::is_code(value) => Err(format!(
            "is `{cell}`, expected a number below 2^112: larger ones stand for categories"
        )),
        value => Ok(value),
    }
}

/// What people write where there is no number.
const STANDS_FOR_NONE: [&str; 8] = ["na", "n/a", "null", "none", "missing", "-", "?", "."];

/// What a cell says: a number or a truth value; nothing, or what is not a number, is missing.
pub(super) fn number(cell: &str) -> Result<f32, String> {
    let number = match cell {
        "" => f32::NAN,
        "true" | "True" | "TRUE" => 1.0,
        "false" | "False" | "FALSE" => 0.0,
        cell => match cell.parse::<f64>() {
            Ok(number) if number.is_nan() => f32::NAN,
            Ok(number) if (number as f32).is_finite() => number as f32,
            Ok(_) => return Err(format!("is `{cell}`, expected a number that 32 bits can hold")),
            Err(_) if STANDS_FOR_NONE.contains(&cell.to_lowercase().as_str()) => {
                return Err(format!(
                    "is `{cell}`, expected a number, or an empty cell where there is none"
                ));
            }
            Err(_) => return Err(format!("is `{cell}`, expected a number")),
        },
    };
    Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_that_was_written_is_read_to_the_bit(value in any::<f32>()) {
            let read = number(&value.to_string());
            if value.is_infinite() {
                prop_assert!(read.is_err());
            } else {
                let read = read.unwrap();
                prop_assert!(read.to_bits() == value.to_bits() || value.is_nan() && read.is_nan());
            }
        }
    }

    #[test]
    fn what_is_no_number_is_missing_or_named() {
        assert!(
            number("").unwrap().is_nan()
                && number("NaN").unwrap().is_nan()
                && number("nan").unwrap().is_nan()
        );
        assert_eq!(
            (number("true").unwrap(), number("-1.5e2").unwrap()),
            (1.0, -150.0)
        );
        assert!(number("NA").unwrap_err().contains("an empty cell"));
        for cell in ["1e39", "inf", "-Infinity", "1,5", "0x1", "abc"] {
            assert!(number(cell).unwrap_err().contains(cell), "{cell}");
        }
    }
}
