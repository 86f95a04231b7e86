//! The table: rows of text with named columns, from CSV, JSON Lines or Parquet.

mod builder;
mod cells;
#[cfg(test)]
mod csv_against_python;
mod numbers;
mod parquet;
mod places;
mod texts;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use bytes::Bytes;
use gblend_core::registry::nearest;
use gblend_core::{Error, Result};
use serde_json::Value;

use super::compressed;
use super::spread::Spread;
pub(super) use builder::TableBuilder;
use cells::{Cells, CellsBuilder};
use numbers::{Item, Lists};
use places::Places;

use crate::texts::{CsvRecords, ReadFault, TextFault, json_object, text};

/// What is wrong with a cell that is no text.
pub(super) const NESTED: &str = "is a list or an object, expected text, a number or a truth value";

/// What stands between the values of a list in a cell.
pub(super) const LIST: &str = "\u{1f}";

/// Columns whose cells may be more than text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nested<'a> {
    /// The column whose cells may be lists of text.
    pub(super) labels: Option<&'a str>,
    /// Columns whose cells may be lists of numbers.
    pub(super) numbers: &'a [&'a str],
    /// Columns whose cells may be the bytes of files.
    pub(super) files: &'a [&'a str],
}

impl Nested<'_> {
    fn has_labels(&self, column: &str) -> bool {
        self.labels == Some(column)
    }

    fn has_numbers(&self, column: &str) -> bool {
        self.numbers.contains(&column)
    }

    fn has_files(&self, column: &str) -> bool {
        self.files.contains(&column)
    }
}

/// A table in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    name: String,
    columns: Vec<String>,
    /// Of each column; without white space around them, and empty where there is none.
    cells: Vec<Cells>,
    rows: usize,
    places: Places,
    /// Columns that cannot become text, with what to say when one is asked for.
    refused: BTreeMap<usize, (String, String)>,
    /// Columns that have lists of numbers.
    lists: BTreeMap<usize, Lists>,
    /// Columns that have the bytes of files, by row; those of the last rows may lack.
    files: BTreeMap<usize, Vec<Option<Bytes>>>,
}

impl Table {
    /// Reads a file in the format that its extension says. Only in `nested` columns may cells be lists.
    ///
    /// # Errors
    /// [`Error::Data`] with the line at fault.
    pub(super) fn read(path: &Path, nested: Nested<'_>) -> Result<Self> {
        let name = path.display().to_string();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let failed = |error: std::io::Error| refused(&name, ReadFault::File(error));
        let mut file = File::open(path).map_err(failed)?;
        let head = compressed::head(&mut file).map_err(failed)?;
        if let Some(problem) = compressed::told(&name, &head) {
            return Err(Error::data(name, problem));
        }
        let separated = |file, head, separator| {
            Self::bracketed(&name, Cursor::new(head).chain(file), separator, nested.numbers)
        };
        let whole =
            |mut file: File, mut head: Vec<u8>| file.read_to_end(&mut head).map(|_| head).map_err(failed);
        let table = match extension.as_str() {
            "csv" => separated(file, head, b',')?,
            "tsv" => separated(file, head, b'\t')?,
            "jsonl" | "ndjson" => Self::json_lines(&name, &whole(file, head)?, nested)?,
            "parquet" => Self::parquet(&name, whole(file, head)?, nested)?,
            _ => {
                let problem = "found another extension, expected a table in .csv, .tsv, .jsonl, .ndjson or .parquet; \
                               other formats have to be converted";
                return Err(Error::data(name, problem));
            }
        };
        if table.rows == 0 {
            return Err(Error::data(name, "found no row, expected at least one"));
        }
        Ok(table)
    }

    /// A table with a header line (RFC 4180).
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn csv(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::separated(name, bytes, b',')
    }

    /// The same of a file with any separator, where cells of columns `numbers` may be lists.
    pub(super) fn bracketed(name: &str, file: impl Read, separator: u8, numbers: &[&str]) -> Result<Self> {
        Self::separated(name, file, separator).map(|table| table.with_bracketed(numbers))
    }

    /// A table of Apache Parquet.
    pub(super) fn parquet(name: &str, bytes: Vec<u8>, nested: Nested<'_>) -> Result<Self> {
        parquet::read(name, bytes, nested)
    }

    /// A table with a header line, whose file is read piece by piece.
    fn separated(name: &str, file: impl Read, separator: u8) -> Result<Self> {
        let at = |fault| refused(name, fault);
        let (mut records, header) = CsvRecords::new(file, separator).map_err(at)?;
        let table = TableBuilder::new(name, header.iter().map(str::to_owned).collect());
        if table.is_err() {
            records.check_rest().map_err(at)?;
        }
        let mut table = table?;
        let mut record = csv::StringRecord::new();
        while let Some(line) = records.read(&mut record).map_err(at)? {
            for (column, cell) in record.iter().enumerate() {
                table.set(column, cell);
            }
            table.end_row(line);
        }
        Ok(table.finish())
    }

    /// A table of one JSON object per line; its columns are all keys that occur.
    pub(super) fn json_lines(name: &str, bytes: &[u8], nested: Nested<'_>) -> Result<Self> {
        let text = text(bytes).map_err(|fault| refused(name, fault.into()))?;
        let mut table = TableBuilder::new(name, Vec::new())?;
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut lists: BTreeMap<usize, Lists> = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for (line, text) in text
            .lines()
            .enumerate()
            .filter(|(_, text)| !text.trim().is_empty())
        {
            let place = || format!("{name}:{}", line + 1);
            let object = json_object(text).map_err(|error| Error::data(place(), no_object(text, &error)))?;
            for member in object {
                let list = nested.has_labels(&member.key).then(|| member.items()).flatten();
                let text = list.map(|items| joined(&items)).or_else(|| member.plain());
                let (key, value) = (member.key, member.value);
                let numbers = value.as_array().filter(|_| nested.has_numbers(&key));
                let column = *positions
                    .entry(key)
                    .or_insert_with_key(|key| table.add_column(key.clone()));
                if text.is_none() && numbers.is_none() {
                    // It is no fault of a table to say more than is asked for.
                    refused
                        .entry(column)
                        .or_insert_with(|| (place(), NESTED.to_owned()));
                }
                if let Some(numbers) = numbers {
                    lists
                        .entry(column)
                        .or_default()
                        .push(table.len(), numbers, &json_item);
                }
                // What is refused in the end is counted on, and not kept.
                if is_filled(table.len() + 1, positions.len(), bytes.len() as u64) {
                    table.set(column, &text.unwrap_or_default());
                }
            }
            table.end_row(line as u64 + 1);
        }
        check_cells(name, table.len(), positions.len(), bytes.len() as u64)?;
        let mut table = table.finish();
        table.refused = refused;
        for (column, lists) in lists {
            table.set_lists(column, lists);
        }
        Ok(table)
    }

    /// The lists of numbers in a column. A cell of it that is text has no list.
    fn set_lists(&mut self, column: usize, mut lists: Lists) {
        if lists.is_empty() {
            return;
        }
        for row in 0..self.len() {
            let text = self.value(row, column);
            if !text.is_empty() {
                lists.refuse(
                    row,
                    format!("is `{text}`, expected a list of numbers as in other rows"),
                );
            }
        }
        lists.shrink();
        self.lists.insert(column, lists);
    }

    /// The same, with lists where the cells of one of these columns are lists as JSON and Python write them: `[1, 2.5]`.
    fn with_bracketed(mut self, names: &[&str]) -> Self {
        for name in names {
            let Some(column) = self.columns.iter().position(|column| column == name) else {
                continue;
            };
            let mut lists = Lists::default();
            let mut others = CellsBuilder::default();
            for row in 0..self.len() {
                let text = self.value(row, column);
                if !text.starts_with('[') {
                    others.set(row, text);
                    continue;
                }
                match serde_json::from_str::<Vec<Value>>(text) {
                    Ok(list) => lists.push(row, &list, &json_item),
                    Err(error) => lists.refuse(row, format!("is no list of numbers: {error}")),
                }
            }
            self.cells[column] = others.finish();
            self.set_lists(column, lists);
        }
        self
    }

    /// The bytes of the file in a cell.
    pub(super) fn file(&self, row: usize, column: usize) -> Option<Bytes> {
        self.files.get(&column)?.get(row)?.clone()
    }

    /// Whether a column has the bytes of files.
    pub(super) fn has_files(&self, column: usize) -> bool {
        self.files.contains_key(&column)
    }

    /// Whether a column has lists of numbers.
    pub(super) fn has_lists(&self, column: usize) -> bool {
        self.lists.contains_key(&column)
    }

    /// Whether a row has a list of numbers in a column, or something else where one should be.
    pub(super) fn has_list(&self, row: usize, column: usize) -> bool {
        self.lists.get(&column).is_some_and(|lists| lists.has(row))
    }

    /// Shape and values of the list of numbers in a cell; what is missing in it is NaN.
    ///
    /// # Errors
    /// What is wrong with the cell.
    pub(super) fn list(&self, row: usize, column: usize) -> Result<(Vec<usize>, Vec<f32>), String> {
        let lists = self.lists.get(&column).ok_or("has no list of numbers")?;
        lists.get(row)
    }

    /// What the numbers of each column of the arrays in a column's lists span.
    pub(super) fn list_spreads(&self, column: usize) -> &[Spread] {
        self.lists.get(&column).map_or(&[], Lists::spreads)
    }

    /// The columns that cannot become text, or whose texts look like lists.
    pub(super) fn nested_columns(&self) -> Vec<String> {
        let bracketed = |column: &usize| {
            let mut cells = (0..self.len()).map(|row| self.value(row, *column));
            cells
                .find(|cell| !cell.is_empty())
                .is_some_and(|cell| cell.starts_with('['))
        };
        let columns = 0..self.columns.len();
        let columns = columns.filter(|column| self.is_refused(*column) || bracketed(column));
        columns.map(|column| self.columns[column].clone()).collect()
    }

    /// Whether a column cannot become text.
    pub(super) fn is_refused(&self, column: usize) -> bool {
        self.refused.contains_key(&column)
    }

    /// Whether a column has at least one list that is of numbers.
    pub(super) fn has_number_lists(&self, name: &str) -> bool {
        let column = self.columns.iter().position(|column| column == name);
        column
            .and_then(|column| self.lists.get(&column))
            .is_some_and(Lists::has_any)
    }

    /// Whether there is a column with this name.
    pub(super) fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// File and line of a row.
    pub(super) fn place(&self, row: usize) -> String {
        self.places.of(&self.name, row, self.value(row, 0))
    }

    /// A value; empty where there is none.
    pub(super) fn value(&self, row: usize, column: usize) -> &str {
        self.cells.get(column).map_or("", |cells| cells.get(row))
    }

    /// Says what is odd about a table before anything is looked for in it.
    ///
    /// # Errors
    /// [`Error::Data`] if its cells are divided by something else than a table of its name is.
    pub(super) fn check_shape(&self) -> Result<()> {
        let [only] = self.columns() else { return Ok(()) };
        let separator = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
        match separator.iter().find(|(separator, _)| only.contains(*separator)) {
            Some((_, what)) => Err(Error::data(
                &self.name,
                format!(
                    "found one column, `{only}`, whose name has {what}; expected commas between columns, or tabs in a .tsv"
                ),
            )),
            None => Ok(()),
        }
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
        if position.is_none() {
            self.check_shape()?;
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

/// What is wrong with the file of a table.
fn refused(name: &str, fault: ReadFault) -> Error {
    match fault {
        ReadFault::Text(TextFault { line, problem }) => Error::data(format!("{name}:{line}"), problem),
        file @ ReadFault::File(_) => Error::data(name, file),
    }
}

/// What is wrong with a text that is no JSON object.
pub(super) fn no_object(text: &str, error: &serde_json::Error) -> String {
    // As Python's `json` writes what it is told to, and JSON has not.
    let foreign = ["NaN", "Infinity"].into_iter().find(|word| {
        let mut between = text.split('"').step_by(2);
        between.any(|plain| plain.contains(word))
    });
    let hint = match foreign {
        Some(word) => format!("; JSON has no {word}: write null for what is missing"),
        None if text.trim_start().starts_with('[') => {
            "; the objects of a list stand in lines of their own in JSON Lines, without brackets and commas between them".to_owned()
        }
        None => String::new(),
    };
    format!("no JSON object: {error}{hint}")
}

/// An item of a JSON list.
fn json_item(value: &Value) -> Item<'_, Value> {
    match value {
        Value::Null => Item::Missing,
        Value::Bool(value) => Item::Number(f64::from(u8::from(*value))),
        Value::Number(number) => Item::Number(number.as_f64().unwrap_or(f64::INFINITY)),
        Value::String(text) => Item::Other(format!("text `{text}`")),
        Value::Array(list) => Item::List(list),
        Value::Object(_) => Item::Other("an object".to_owned()),
    }
}

/// The values of a list as one cell.
pub(super) fn joined(values: &[String]) -> String {
    // A single value with a separator in it is one label, too.
    values.iter().map(|value| format!("{value}{LIST}")).collect()
}

/// Whether there are not many more cells than `bytes`.
fn is_filled(rows: usize, columns: usize, bytes: u64) -> bool {
    /// A small table may be as empty as it likes.
    const ALWAYS: u64 = 4096;
    const PER_BYTE: u64 = 64;
    let cells = (rows as u64).saturating_mul(columns as u64);
    cells <= bytes.saturating_mul(PER_BYTE).saturating_add(ALWAYS)
}

/// Refuses tables that are almost empty, which would take far more memory than what they are made of: as many rows
/// as columns make a number of cells that is the square of either.
///
/// # Errors
/// [`Error::Data`] if there are many more cells than `bytes`.
pub(super) fn check_cells(name: &str, rows: usize, columns: usize, bytes: u64) -> Result<()> {
    if is_filled(rows, columns, bytes) {
        return Ok(());
    }
    Err(Error::data(
        name,
        format!(
            "found {columns} keys in {rows} rows of {bytes} bytes in all, expected keys that most rows have"
        ),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_formats_give_the_same_values() {
        let csv = Table::csv("t", b"id,label\na, 3\nb,\n").unwrap();
        let json = Table::json_lines(
            "t",
            b"{\"id\": \"a\", \"label\": 3}\n\n{\"id\": \"b\"}\n",
            Nested::default(),
        )
        .unwrap();
        for table in [csv, json] {
            assert_eq!(table.columns(), ["id", "label"]);
            assert_eq!(
                (table.value(0, 1), table.value(1, 0), table.value(1, 1)),
                ("3", "b", "")
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_in_no_name_whatever_the_format() {
        let csv = Table::csv("t", b"\xEF\xBB\xBFid,label\na,3\n").unwrap();
        let json = b"\xEF\xBB\xBF{\"id\": \"a\", \"label\": 3}\n";
        let json = Table::json_lines("t", json, Nested::default()).unwrap();
        for table in [csv, json] {
            assert_eq!(table.columns(), ["id", "label"]);
            assert_eq!((table.value(0, 0), table.value(0, 1)), ("a", "3"));
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = Table::csv("t", b"a,b\n1,2\n3\n").unwrap_err().to_string();
        assert!(error.contains("t:3: found 1 cells"), "{error}");
        let error = Table::json_lines("t", b"{\"a\": 1}\n{\"a\": NaN}\n", Nested::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("t:2") && error.contains("write null"), "{error}");
        let table = Table::json_lines("t", b"{}\n{\"a\": [1], \"b\": 1}\n", Nested::default()).unwrap();
        let error = table.column("a", "id").unwrap_err().to_string();
        assert!(error.contains("t:2") && error.contains("`a`"), "{error}");
        assert!(table.column("b", "id").is_ok());
        assert!(Table::csv("t", b"a,a\n").is_err());
        let table = Table::csv("t", b",a,,\n0,1,,\n").unwrap();
        assert_eq!(table.value(0, table.column("a", "id").unwrap()), "1");
    }

    #[test]
    fn a_table_with_a_key_of_its_own_in_each_row_is_refused() {
        let lines = |count: usize, key: fn(usize) -> usize| -> String {
            (0..count)
                .map(|row| format!("{{\"k{}\": 1}}\n", key(row)))
                .collect()
        };
        let read = |text: String| Table::json_lines("t", text.as_bytes(), Nested::default());
        let error = read(lines(4000, |row| row)).unwrap_err().to_string();
        assert!(error.contains("4000 keys in 4000 rows"), "{error}");
        assert_eq!(read(lines(4000, |row| row % 9)).unwrap().columns().len(), 9);
        assert_eq!(read(lines(60, |row| row)).unwrap().columns().len(), 60);
    }

    /// What reading a file of these bytes gives, whose name is to be `t`.
    fn read_file(folder: &Path, extension: &str, bytes: &[u8]) -> Result<Table, String> {
        let path = folder.join(format!("t.{extension}"));
        std::fs::write(&path, bytes).unwrap();
        let name = path.display().to_string();
        let table = Table::read(&path, Nested::default());
        table
            .map_err(|error| error.to_string().replace(&name, "t"))
            .map(|table| Table {
                name: "t".to_owned(),
                ..table
            })
    }

    #[test]
    fn a_file_longer_than_any_piece_gives_what_its_bytes_give() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |count: usize| -> String {
            (0..count)
                .map(|row| {
                    format!(
                        "n{row},\"{}\r\n\u{65E5}\",{}\r\n",
                        "\u{FC}".repeat(row % 50),
                        row % 7
                    )
                })
                .collect()
        };
        let whole = "\u{FEFF}id,text,class\r\n".to_owned() + &rows(3000);
        let with = |more: &[u8]| [whole.as_bytes(), more, rows(2000).as_bytes()].concat();
        for (bytes, problem) in [
            (with(b""), None),
            (with(b"a,b\n"), Some("t:6002: found 2 cells")),
            (with(b"a,\"b,c\nd\n"), Some("t:6002: found")),
            (with(b"a,b\xFC,c\n"), Some("t:6002: is no UTF-8")),
            (with(b"a,b\n\xFC\n"), Some("t:6003: is no UTF-8")),
            (with(b"a,b\n\xFC\n\0"), Some("t:6004: has a byte of zero")),
            (
                [with(b""), b"a,b,\"c\r\n".to_vec()].concat(),
                Some("t:10002: a quote begins here"),
            ),
            (
                [with(b""), b"a,b,\xE6\x97".to_vec()].concat(),
                Some("t:10002: is no UTF-8"),
            ),
        ] {
            let expected = Table::csv("t", &bytes).map_err(|error| error.to_string());
            assert_eq!(read_file(folder.path(), "csv", &bytes), expected);
            match problem {
                Some(problem) => assert!(
                    expected.as_ref().is_err_and(|error| error.contains(problem)),
                    "{expected:?}"
                ),
                None => assert_eq!(expected.unwrap().len(), 5000),
            }
        }
    }

    #[test]
    fn another_encoding_is_told_ahead_of_columns_of_one_name() {
        let error = |bytes: &[u8]| Table::csv("t", bytes).unwrap_err().to_string();
        assert!(error(b"a,a\n1,2\n").contains("two columns called `a`"));
        assert!(error(b"a,a\n1,2\n\xFC\n").contains("t:3: is no UTF-8"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_without_a_line() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is gone"))
            }
        }
        // Whatever else is wrong ahead of it.
        for text in ["id,label\na,1\n", "id,id\n", "id,label\na\n", "id,label\n\"a\n"] {
            let error = Table::separated("t", text.as_bytes().chain(Broken), b',').unwrap_err();
            let error = error.to_string();
            assert!(error.contains("t: cannot be read: the disk is gone"), "{error}");
        }
        let folder = tempfile::Builder::new().suffix(".csv").tempdir().unwrap();
        let error = Table::read(folder.path(), Nested::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(".csv: cannot be read: "), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[{}\":,a1\n]{0,30}") {
            let _ = Table::csv("t", &bytes);
            let _ = Table::json_lines("t", &bytes, Nested::default());
            let _ = Table::json_lines("t", text.as_bytes(), Nested::default());
        }
    }
}
