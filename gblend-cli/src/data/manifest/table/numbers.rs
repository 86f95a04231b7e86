//! Lists of numbers in the cells of a column.

use std::collections::BTreeMap;

use super::super::spread::Spread;

/// An item of a list, whatever the format of the table.
pub(super) enum Item<'a, T> {
    Number(f64),
    /// Null, or what is not a number.
    Missing,
    List(&'a [T]),
    /// What else it is, in words.
    Other(String),
}

/// The lists of one column, in `f32`. What is missing in a list is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lists {
    values: Vec<f32>,
    /// Of each row; the last rows may have none.
    kinds: Vec<Kind>,
    /// Where the values of each of these rows end.
    ends: Vec<usize>,
    /// What is wrong with the cells of these rows.
    problems: BTreeMap<usize, String>,
    /// What the numbers span that have the same place in their lists, and in lists of lists in the inner ones.
    spreads: Vec<Spread>,
}

/// What a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    List,
    /// Lists of this length, which no list of values in memory exceeds.
    Lists(u32),
}

impl Lists {
    /// What the numbers of each column of the arrays span.
    pub(super) fn spreads(&self) -> &[Spread] {
        &self.spreads
    }

    /// Whether no row has a list.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether at least one row has a list of numbers.
    pub(super) fn has_any(&self) -> bool {
        self.kinds.iter().any(|kind| *kind != Kind::Nothing)
    }

    /// Whether a row has a list, or something else where one should be.
    pub(super) fn has(&self, row: usize) -> bool {
        self.problems.contains_key(&row) || self.kind(row) != Kind::Nothing
    }

    /// The shape and the values of a row: `[values]`, or of a list of lists `[lists, values]`.
    pub(super) fn get(&self, row: usize) -> Result<(Vec<usize>, Vec<f32>), String> {
        if let Some(problem) = self.problems.get(&row) {
            return Err(problem.clone());
        }
        let kind = self.kind(row);
        if kind == Kind::Nothing {
            return Err("is empty, expected a list of numbers".to_owned());
        }
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        let values = self.values[start..self.ends[row]].to_vec();
        let shape = match kind {
            Kind::Nothing | Kind::List => vec![values.len()],
            // No list is empty.
            Kind::Lists(inner) => vec![values.len() / (inner as usize).max(1), inner as usize],
        };
        Ok((shape, values))
    }

    fn kind(&self, row: usize) -> Kind {
        self.kinds.get(row).copied().unwrap_or(Kind::Nothing)
    }

    /// Makes the rows before this one empty that have nothing yet.
    fn skip_to(&mut self, row: usize) {
        self.ends.resize(row, self.values.len());
        self.kinds.resize(row, Kind::Nothing);
    }

    /// Says what is wrong with a row.
    pub(super) fn refuse(&mut self, row: usize, problem: String) {
        self.problems.insert(row, problem);
    }

    /// Adds the list of a row beyond all that there are.
    pub(super) fn push<T>(&mut self, row: usize, list: &[T], item: &impl Fn(&T) -> Item<'_, T>) {
        let start = self.values.len();
        self.skip_to(row);
        let kind = self.extend(list, item).and_then(|inner| match inner {
            None => Ok(Kind::List),
            Some(inner) => u32::try_from(inner)
                .map(Kind::Lists)
                .map_err(|_| format!("has lists of {inner} values, expected fewer than 2^32")),
        });
        match kind {
            Ok(kind) => {
                self.kinds.push(kind);
                self.ends.push(self.values.len());
            }
            Err(problem) => {
                self.values.truncate(start);
                self.skip_to(row + 1);
                self.problems.insert(row, problem);
            }
        }
    }

    /// Takes a number of the row that is being added.
    fn span(&mut self, position: usize, number: f64) {
        if self.spreads.len() <= position {
            self.spreads.resize_with(position + 1, Spread::default);
        }
        self.spreads[position].add(self.kinds.len(), number);
    }

    /// Gives back the room for more.
    pub(super) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.kinds.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.spreads.shrink_to_fit();
    }

    /// Adds the values of a list, and returns the length of its lists if it has some.
    fn extend<T>(&mut self, list: &[T], item: &impl Fn(&T) -> Item<'_, T>) -> Result<Option<usize>, String> {
        let mut inner = None;
        for (position, entry) in list.iter().enumerate() {
            match (item(entry), inner) {
                (Item::List(list), _) if position == 0 || inner == Some(list.len()) => {
                    inner = Some(list.len());
                    let start = self.values.len();
                    if self.extend(list, item)?.is_some() {
                        return Err(
                            "has lists of lists of lists, expected numbers or lists of them".to_owned()
                        );
                    }
                    debug_assert_eq!(self.values.len() - start, list.len());
                }
                (Item::List(list), Some(first)) => {
                    let found = list.len();
                    return Err(format!(
                        "is ragged: list {position} has {found} values, list 0 has {first}; expected equally many"
                    ));
                }
                (Item::List(_), None) | (Item::Number(_) | Item::Missing, Some(_)) => {
                    return Err(format!(
                        "has both numbers and lists, such as at position {position}"
                    ));
                }
                (Item::Number(number), None) => {
                    let value = number as f32;
                    if !value.is_finite() {
                        return Err(format!(
                            "has {number} at position {position}, expected a finite number that 32 bits can hold"
                        ));
                    }
                    self.values.push(value);
                    self.span(position, number);
                }
                (Item::Missing, None) => self.values.push(f32::NAN),
                (Item::Other(other), _) => {
                    return Err(format!("has {other} at position {position}, expected a number"));
                }
            }
        }
        match (list.is_empty(), inner) {
            (true, _) => Err("is an empty list, expected at least one number".to_owned()),
            (_, inner) => Ok(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::json_item;
    use super::*;

    fn lists(rows: &[&str]) -> Lists {
        let mut lists = Lists::default();
        for (row, text) in rows.iter().enumerate() {
            if let Value::Array(list) = serde_json::from_str(text).unwrap() {
                lists.push(row, &list, &json_item);
            }
        }
        lists
    }

    #[test]
    fn a_list_is_a_vector_and_a_list_of_lists_a_sequence() {
        let lists = lists(&["[1, 2.5, true]", "null", "[[1, 2], [3, 4], [5, 6]]"]);
        assert_eq!(lists.get(0).unwrap(), (vec![3], vec![1.0, 2.5, 1.0]));
        assert!(!lists.has(1) && lists.has(2) && !lists.has(3));
        assert!(lists.get(1).unwrap_err().contains("is empty"));
        assert_eq!(
            lists.get(2).unwrap(),
            (vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        );
    }

    #[test]
    fn what_is_wrong_is_told_where_it_is() {
        for (text, part) in [
            ("[]", "empty list"),
            ("[[], []]", "empty list"),
            ("[[1, 2], [3]]", "list 1 has 1 values, list 0 has 2"),
            ("[1, [2]]", "both numbers and lists"),
            ("[[1], 2]", "both numbers and lists"),
            ("[[[1]]]", "lists of lists of lists"),
            ("[1, 1e39]", "at position 1"),
            ("[1, \"a\"]", "text `a` at position 1"),
            ("[{}]", "an object at position 0"),
        ] {
            let lists = lists(&["[1]", text, "[2]"]);
            let problem = lists.get(1).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
            assert_eq!(
                (lists.get(0).unwrap().1, lists.get(2).unwrap().1),
                (vec![1.0], vec![2.0])
            );
        }
    }

    proptest! {
        #[test]
        fn values_come_back_to_the_bit_and_null_is_missing(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(-1e30_f32..1e30), 1..5), 1..5),
        ) {
            let text: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
            let read = lists(&text.iter().map(String::as_str).collect::<Vec<_>>());
            for (row, expected) in rows.iter().enumerate() {
                let found = read.get(row).unwrap().1;
                let same = found.iter().zip(expected).all(|(found, expected)| match expected {
                    Some(expected) => found.to_bits() == expected.to_bits(),
                    None => found.is_nan(),
                });
                prop_assert!(same && found.len() == expected.len());
            }
        }
    }
}
