//! A table that is being read, row by row.

use std::collections::HashSet;

use gblend_core::{Error, Result};

use super::Table;
use super::cells::CellsBuilder;
use super::places::Places;

/// A table that rows are added to.
#[derive(Debug, Default)]
pub(in super::super) struct TableBuilder {
    table: Table,
    cells: Vec<CellsBuilder>,
    bytes: usize,
}

impl TableBuilder {
    /// A table without rows; a row is told by its line.
    ///
    /// # Errors
    /// [`Error::Data`] if two columns have one name; those without any are nobody's.
    pub(in super::super) fn new(name: &str, columns: Vec<String>) -> Result<Self> {
        let mut known = HashSet::new();
        for column in &columns {
            // Spreadsheets leave columns without a name behind the last one.
            if !column.is_empty() && !known.insert(column) {
                return Err(Error::data(
                    name,
                    format!("found two columns called `{column}`, expected one"),
                ));
            }
        }
        Ok(Self {
            cells: columns.iter().map(|_| CellsBuilder::default()).collect(),
            table: Table {
                name: name.to_owned(),
                columns,
                ..Table::default()
            },
            bytes: 0,
        })
    }

    /// The same, where a row is told by its number.
    pub(super) fn with_numbered_rows(mut self) -> Self {
        self.table.places = Places::Rows;
        self
    }

    /// The same, where a row is told by its first cell.
    pub(in super::super) fn with_keyed_rows(mut self) -> Self {
        self.table.places = Places::Keys;
        self
    }

    /// Adds a column whose name is new, and returns its position. Rows that there are have nothing in it.
    pub(super) fn add_column(&mut self, name: String) -> usize {
        self.table.columns.push(name);
        self.cells.push(CellsBuilder::after(self.table.rows));
        self.cells.len() - 1
    }

    /// Makes a column one that is there and cannot be used.
    pub(super) fn refuse(&mut self, column: usize, place: String, problem: String) {
        self.table.refused.insert(column, (place, problem));
    }

    /// Sets a cell of the row at hand, which has none in this column.
    pub(in super::super) fn set(&mut self, column: usize, cell: &str) {
        if let Some(cells) = self.cells.get_mut(column) {
            self.bytes += cells.set(self.table.rows, cell.trim());
        }
    }

    /// Ends the row at hand, which begins at this line.
    pub(in super::super) fn end_row(&mut self, line: u64) {
        self.table.places.note(self.table.rows, line);
        self.table.rows += 1;
    }

    /// The number of rows that have ended.
    pub(super) fn len(&self) -> usize {
        self.table.rows
    }

    /// Bytes that the cells take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The table, without room for more.
    pub(in super::super) fn finish(self) -> Table {
        Table {
            cells: self.cells.into_iter().map(CellsBuilder::finish).collect(),
            ..self.table
        }
    }
}
