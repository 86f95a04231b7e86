//! Paths made from the columns of a row: `s1/{clip}.mpg`.

use bytes::Bytes;
use gblend_core::{Error, Result};

use super::table::Table;

/// A text with the values of columns in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A position in the table's columns.
    Column(usize),
}

impl Template {
    /// The value of one column.
    pub(super) fn column(column: usize) -> Self {
        Self(vec![Piece::Column(column)])
    }

    /// Reads a template, the value of setting `key`; `{{` and `}}` are the braces themselves.
    ///
    /// # Errors
    /// [`Error::Setting`] if a brace is left open or alone, or a column is none of the table's.
    pub(super) fn parse(text: &str, table: &Table, key: &str) -> Result<Self> {
        let broken = || {
            Error::setting(
                key,
                text,
                "a path with names of columns in braces, as in `clips/{id}.mp4`",
            )
        };
        let pieces = parts(text).ok_or_else(broken)?.into_iter();
        let pieces = pieces.map(|part| {
            Ok(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Column(name) => Piece::Column(table.column(name, key)?),
            })
        });
        pieces.collect::<Result<_>>().map(Self)
    }

    /// The columns that a template names; none if it is broken.
    pub(super) fn names(text: &str) -> Vec<&str> {
        let parts = parts(text).unwrap_or_default().into_iter();
        let names = parts.filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Column(name) => Some(name),
        });
        names.collect()
    }

    /// Whether no column that it names is empty in a row.
    pub(super) fn is_filled(&self, table: &Table, row: usize) -> bool {
        self.embedded(table, row).is_some()
            || self.0.iter().all(|piece| match piece {
                Piece::Text(_) => true,
                Piece::Column(column) => !table.value(row, *column).is_empty(),
            })
    }

    /// Name and bytes of the file that the table itself has in place of a path, if that is one column's.
    pub(super) fn embedded(&self, table: &Table, row: usize) -> Option<(String, Bytes)> {
        let [Piece::Column(column)] = self.0[..] else {
            return None;
        };
        let bytes = table.file(row, column)?;
        let name = match table.value(row, column) {
            "" => table.columns()[column].clone(),
            name => name.to_owned(),
        };
        Some((name, bytes))
    }

    /// The path of a row.
    ///
    /// # Errors
    /// The name of a column that is empty there.
    pub(super) fn fill(&self, table: &Table, row: usize) -> Result<String, String> {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Column(column) => match table.value(row, *column) {
                    "" => {
                        return Err(format!(
                            "column `{}` is empty, expected a path",
                            table.columns()[*column]
                        ));
                    }
                    value => path.push_str(value),
                },
            }
        }
        Ok(path)
    }
}

/// A piece before the table is known.
enum Part<'a> {
    Text(String),
    /// Its name.
    Column(&'a str),
}

/// Nothing if a brace is left open, or closed alone.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            plain.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return None;
        }
        let (name, after) = after.split_once('}')?;
        parts.push(Part::Text(std::mem::take(&mut plain)));
        parts.push(Part::Column(name));
        rest = after;
    }
    plain.push_str(rest);
    parts.push(Part::Text(plain));
    Some(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn table() -> Table {
        Table::csv("t.csv", b"clip,part\na7,x\n,y\n").unwrap()
    }

    #[test]
    fn columns_are_filled_in() {
        let fill = |text: &str, row| Template::parse(text, &table(), "k").unwrap().fill(&table(), row);
        assert_eq!(fill("s1/{clip}.mpg", 0).unwrap(), "s1/a7.mpg");
        assert_eq!(fill("{part}/{clip}{{1}}", 0).unwrap(), "x/a7{1}");
        assert!(fill("{clip}", 1).unwrap_err().contains("clip"));
    }

    #[test]
    fn open_braces_and_unknown_columns_are_refused() {
        for text in ["{clip", "clip}", "{", "{clop}.mpg"] {
            assert!(Template::parse(text, &table(), "k").is_err(), "{text}");
        }
        let error = Template::parse("{clop}", &table(), "k").unwrap_err().to_string();
        assert!(error.contains("did you mean `clip`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}a\u{e4} ]{0,12}") {
            let _ = Template::parse(&text, &table(), "k");
        }
    }
}
