//! Which columns an array is made of.

use std::collections::BTreeSet;

use gblend_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::table::Table;

/// Columns of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a pattern such as \"v1_*\", or a list of names and patterns"
)]
pub enum ColumnNames {
    /// Those whose names fit a pattern, in which `*` stands for any text, in the order of the table.
    Pattern(String),
    /// Those with these names, in this order; a pattern among them stands for all that fit.
    List(Vec<String>),
    /// Those with these names, in this order, whatever is in the names: what a model was trained on.
    #[serde(skip)]
    Exactly(Vec<String>),
}

impl ColumnNames {
    /// Their positions in the table. A pattern leaves out `taken` columns, which say something else of a sample, such as its
    /// label.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such column, one is taken, or two names stand for the same.
    pub(in super::super) fn find(
        &self,
        table: &Table,
        taken: &BTreeSet<usize>,
        key: &str,
    ) -> Result<Vec<usize>> {
        let patterns = match self {
            Self::Pattern(pattern) => std::slice::from_ref(pattern),
            Self::List(names) => names,
            Self::Exactly(names) => {
                let columns = names.iter().map(|name| table.column(name, key));
                return columns.collect();
            }
        };
        let mut found = Vec::new();
        for pattern in patterns {
            if !pattern.contains('*') {
                let column = table.column(pattern, key)?;
                if taken.contains(&column) {
                    let expected = "columns of numbers that are neither the label nor the id, split or group of a sample";
                    return Err(Error::setting(key, format!("\"{pattern}\""), expected));
                }
                found.push(column);
                continue;
            }
            let names = table.columns().iter().enumerate();
            let fitting = names.filter(|(column, name)| !taken.contains(column) && fits(pattern, name));
            let before = found.len();
            for (_, name) in fitting {
                found.push(table.column(name, key)?);
            }
            if found.len() == before {
                let expected = format!(
                    "a pattern of columns that there are: {}",
                    table.columns().join(", ")
                );
                return Err(Error::setting(key, format!("\"{pattern}\""), expected));
            }
        }
        let mut known = BTreeSet::new();
        if let Some(&twice) = found.iter().find(|column| !known.insert(**column)) {
            let name = format!("\"{}\"", table.columns()[twice]);
            return Err(Error::setting(key, name, "each column once"));
        }
        if found.is_empty() {
            return Err(Error::setting(key, "[]", "at least one column"));
        }
        Ok(found)
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub(in super::super) fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        // The last has to be at the end, all before it where they first are.
        let found = match pieces.peek() {
            None => rest.ends_with(piece).then_some(rest.len()),
            Some(_) => rest.find(piece).map(|at| at + piece.len()),
        };
        let Some(end) = found else { return false };
        rest = &rest[end..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("v1_*", "v1_mfcc", true),
            ("v1_*", "v10", false),
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "aXbXb", true),
            ("a*b", "aXbX", false),
            ("a*a", "a", false),
            ("*x*", "axb", true),
            ("x", "x", true),
            ("x", "xy", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn what_a_star_stands_for_may_be_anything(before in "[ab]{0,3}", any in "[ab*]{0,4}", after in "[ab]{0,3}") {
            let whole = format!("{before}{any}{after}");
            let pattern = format!("{before}*{after}");
            prop_assert!(fits(&pattern, &whole));
        }
    }

    #[test]
    fn the_label_is_in_no_array() {
        let table = Table::csv("t.csv", b"label,v1,v2,w\nx,1,2,3\n").unwrap();
        let taken = BTreeSet::from([0]);
        let find = |names: &str| {
            let names: ColumnNames = serde_json::from_str(names).unwrap();
            names.find(&table, &taken, "columns")
        };
        assert_eq!(find("\"*\"").unwrap(), [1, 2, 3]);
        assert_eq!(find("[\"w\", \"v*\"]").unwrap(), [3, 1, 2]);
        for (names, part) in [
            ("[\"label\"]", "neither the label"),
            ("\"x*\"", "label, v1, v2, w"),
            ("[\"v1\", \"v*\"]", "each column once"),
            ("[]", "at least one"),
            ("\"v3\"", "v3"),
        ] {
            let error = find(names).unwrap_err().to_string();
            assert!(error.contains(part), "{names}: {error}");
        }
    }
}
