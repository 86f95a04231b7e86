//! The table: rows of text with named columns, from CSV, JSON Lines or Parquet.

mod parquet;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use gblend_core::registry::nearest;
use gblend_core::{Error, Result};
use serde_json::Value;

/// What is wrong with a cell that is no text.
pub(super) const NESTED: &str = "is a list or an object, expected text, a number or a truth value";

/// What stands between the values of a list in a cell.
pub(super) const LIST: &str = "\u{1f}";

/// A table in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    name: String,
    columns: Vec<String>,
    /// As many values as columns; empty where there is none.
    rows: Vec<Vec<String>>,
    /// Where each row begins, for messages.
    places: Vec<String>,
    /// Columns that cannot become text, with what to say when one is asked for.
    refused: BTreeMap<usize, (String, String)>,
}

impl Table {
    /// Reads a file in the format that its extension says. Only in the column `lists` may cells be lists.
    ///
    /// # Errors
    /// [`Error::Data`] with the line at fault.
    pub(super) fn read(path: &Path, lists: Option<&str>) -> Result<Self> {
        let name = path.display().to_string();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let parse = |name: &str, bytes: Vec<u8>| match extension.as_str() {
            "csv" => Self::csv(name, &bytes),
            "jsonl" | "ndjson" => Self::json_lines(name, &bytes, lists),
            "parquet" => parquet::read(name, bytes, lists),
            _ => {
                let problem = "found another extension, expected a table in .csv, .jsonl, .ndjson or .parquet; \
                               other formats have to be converted";
                Err(Error::data(name, problem))
            }
        };
        let bytes =
            std::fs::read(path).map_err(|error| Error::data(&name, format!("cannot be read: {error}")))?;
        let table = parse(&name, bytes)?;
        if table.rows.is_empty() {
            return Err(Error::data(name, "found no row, expected at least one"));
        }
        Ok(table)
    }

    /// A table with a header line (RFC 4180).
    pub(super) fn csv(name: &str, bytes: &[u8]) -> Result<Self> {
        // Spreadsheets put a byte order mark in front.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let broken = |error: csv::Error| Error::data(name, error);
        let columns: Vec<String> = reader
            .headers()
            .map_err(broken)?
            .iter()
            .map(str::to_owned)
            .collect();
        let mut table = Self::new(name, columns)?;
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = record.iter().map(str::to_owned).collect();
            table.push(row, format!("{name}:{line}"));
        }
        Ok(table)
    }

    /// A table of one JSON object per line; its columns are all keys that occur.
    pub(super) fn json_lines(name: &str, bytes: &[u8], lists: Option<&str>) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::data(name, error))?;
        let mut columns = Vec::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut rows = Vec::new();
        for (line, text) in text
            .lines()
            .enumerate()
            .filter(|(_, text)| !text.trim().is_empty())
        {
            let place = format!("{name}:{}", line + 1);
            let object: serde_json::Map<String, Value> = serde_json::from_str(text)
                .map_err(|error| Error::data(&place, format!("no JSON object: {error}")))?;
            let mut row = Vec::new();
            for (key, value) in object {
                let list = (lists == Some(key.as_str())).then(|| list(&value)).flatten();
                let Some(value) = list.or_else(|| plain(&value)) else {
                    return Err(Error::data(place, format!("`{key}` {NESTED}")));
                };
                let column = *positions.entry(key).or_insert_with_key(|key| {
                    columns.push(key.clone());
                    columns.len() - 1
                });
                row.push((column, value));
            }
            rows.push((row, place));
        }
        check_cells(name, rows.len(), columns.len(), bytes.len() as u64)?;
        let mut table = Self::new(name, columns)?;
        for (values, place) in rows {
            let mut row = vec![String::new(); table.columns.len()];
            for (column, value) in values {
                row[column] = value;
            }
            table.push(row, place);
        }
        Ok(table)
    }

    /// A table without rows.
    ///
    /// # Errors
    /// [`Error::Data`] if two columns have one name.
    pub(super) fn new(name: &str, columns: Vec<String>) -> Result<Self> {
        let mut known = HashSet::new();
        for column in &columns {
            if !known.insert(column) {
                return Err(Error::data(
                    name,
                    format!("found two columns called `{column}`, expected one"),
                ));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            columns,
            ..Self::default()
        })
    }

    /// Adds a row with a value for each column.
    pub(super) fn push(&mut self, row: Vec<String>, place: String) {
        self.rows.push(row);
        self.places.push(place);
    }

    /// Makes a column one that is there and cannot be used.
    pub(super) fn refuse(&mut self, column: usize, place: String, problem: String) {
        self.refused.insert(column, (place, problem));
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// File and line of a row.
    pub(super) fn place(&self, row: usize) -> &str {
        &self.places[row]
    }

    /// A value; empty where there is none.
    pub(super) fn value(&self, row: usize, column: usize) -> &str {
        self.rows[row].get(column).map_or("", |value| value.trim())
    }

    /// The position of a column that setting `key` names.
    ///
    /// # Errors
    /// [`Error::Setting`] with the columns that there are; [`Error::Data`] if this one cannot become text.
    pub(super) fn column(&self, name: &str, key: &str) -> Result<usize> {
        let position = self.columns.iter().position(|column| column == name);
        if let Some((place, problem)) = position.and_then(|position| self.refused.get(&position)) {
            return Err(Error::data(place, format!("`{name}` {problem}")));
        }
        position.ok_or_else(|| {
            let near = nearest(name, self.columns.iter().map(String::as_str))
                .into_iter()
                .next();
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let expected = format!("a column of {}: {}{hint}", self.name, self.columns.join(", "));
            Error::setting(key, format!("\"{name}\""), expected)
        })
    }
}

/// A JSON list of values as text.
fn list(value: &Value) -> Option<String> {
    value
        .as_array()?
        .iter()
        .map(plain)
        .collect::<Option<Vec<_>>>()
        .map(|values| joined(&values))
}

/// The values of a list as one cell.
pub(super) fn joined(values: &[String]) -> String {
    // A single value with a separator in it is one label, too.
    values.iter().map(|value| format!("{value}{LIST}")).collect()
}

/// Refuses tables that are almost empty, which would take far more memory than what they are made of: as many rows
/// as columns make a number of cells that is the square of either.
///
/// # Errors
/// [`Error::Data`] if there are many more cells than `bytes`.
pub(super) fn check_cells(name: &str, rows: usize, columns: usize, bytes: u64) -> Result<()> {
    /// A small table may be as empty as it likes.
    const ALWAYS: u64 = 4096;
    const PER_BYTE: u64 = 64;
    let cells = (rows as u64).saturating_mul(columns as u64);
    if cells <= bytes.saturating_mul(PER_BYTE).saturating_add(ALWAYS) {
        return Ok(());
    }
    Err(Error::data(
        name,
        format!(
            "found {columns} keys in {rows} rows of {bytes} bytes in all, expected keys that most rows have"
        ),
    ))
}

/// A JSON value as text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_formats_give_the_same_values() {
        let csv = Table::csv("t", b"id,label\na, 3\nb,\n").unwrap();
        let json =
            Table::json_lines("t", b"{\"id\": \"a\", \"label\": 3}\n\n{\"id\": \"b\"}\n", None).unwrap();
        for table in [csv, json] {
            assert_eq!(table.columns(), ["id", "label"]);
            assert_eq!(
                (table.value(0, 1), table.value(1, 0), table.value(1, 1)),
                ("3", "b", "")
            );
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = Table::csv("t", b"a,b\n1,2\n3\n").unwrap_err().to_string();
        assert!(error.contains("line: 3"), "{error}");
        let error = Table::json_lines("t", b"{}\n{\"a\": [1]}\n", None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("t:2") && error.contains("`a`"), "{error}");
        assert!(Table::csv("t", b"a,a\n").is_err());
    }

    #[test]
    fn a_table_with_a_key_of_its_own_in_each_row_is_refused() {
        let lines = |count: usize, key: fn(usize) -> usize| -> String {
            (0..count)
                .map(|row| format!("{{\"k{}\": 1}}\n", key(row)))
                .collect()
        };
        let read = |text: String| Table::json_lines("t", text.as_bytes(), None);
        let error = read(lines(4000, |row| row)).unwrap_err().to_string();
        assert!(error.contains("4000 keys in 4000 rows"), "{error}");
        assert_eq!(read(lines(4000, |row| row % 9)).unwrap().columns().len(), 9);
        assert_eq!(read(lines(60, |row| row)).unwrap().columns().len(), 60);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[{}\":,a1\n]{0,30}") {
            let _ = Table::csv("t", &bytes);
            let _ = Table::json_lines("t", &bytes, None);
            let _ = Table::json_lines("t", text.as_bytes(), None);
        }
    }
}
