//! What the cells of a column are.

use std::collections::{BTreeMap, HashSet};

use super::super::arrays::number;
use super::super::table::Table;

/// Different values that are told apart; a column with more of them has no classes.
const MOST_DISTINCT: usize = 5000;

/// What the cells of a column are, in all rows.
#[derive(Debug)]
pub(super) struct Profile {
    /// Position in the table.
    pub(super) column: usize,
    pub(super) name: String,
    pub(super) cells: Cells,
    /// Rows in which it is not empty.
    pub(super) filled: usize,
    /// How often each value occurs; none if there are too many to tell.
    pub(super) counts: Option<BTreeMap<String, usize>>,
    /// Means over the cells that are not empty.
    pub(super) words: f64,
    pub(super) characters: f64,
}

/// What all cells of a column are that are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cells {
    /// There is none.
    Empty,
    /// Numbers without a point.
    Whole,
    /// Numbers and truth values.
    Numbers,
    Text,
}

impl Profile {
    pub(super) fn of(table: &Table, column: usize) -> Self {
        let mut counts: Option<BTreeMap<String, usize>> = Some(BTreeMap::new());
        let mut cells = Cells::Empty;
        let (mut filled, mut words, mut characters) = (0_usize, 0_usize, 0_usize);
        for row in 0..table.len() {
            let cell = table.value(row, column);
            if cell.is_empty() {
                continue;
            }
            filled += 1;
            if cells != Cells::Text {
                let whole = cell.parse::<i64>().is_ok();
                cells = match (number(cell), whole, cells) {
                    (Err(_), ..) => Cells::Text,
                    (Ok(_), true, Cells::Empty | Cells::Whole) => Cells::Whole,
                    (Ok(_), ..) => Cells::Numbers,
                };
            }
            words += cell.split_whitespace().count();
            characters += cell.chars().count();
            if let Some(known) = &mut counts {
                match known.get_mut(cell) {
                    Some(count) => *count += 1,
                    None => {
                        known.insert(cell.to_owned(), 1);
                    }
                }
                if known.len() > MOST_DISTINCT {
                    counts = None;
                }
            }
        }
        let mean = |sum: usize| sum as f64 / filled.max(1) as f64;
        Self {
            column,
            name: table.columns()[column].clone(),
            cells,
            filled,
            counts,
            words: mean(words),
            characters: mean(characters),
        }
    }

    /// The number of different values, if they could be told apart.
    pub(super) fn distinct(&self) -> Option<usize> {
        self.counts.as_ref().map(BTreeMap::len)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.cells, Cells::Whole | Cells::Numbers)
    }

    /// Whether it is called by one of these words, alone or among others, as in `subject_id`.
    pub(super) fn is_called(&self, words: &[&str]) -> bool {
        self.rank(words).is_some()
    }

    /// The first of these words that it is called by: the whole name counts before a part of it.
    pub(super) fn rank(&self, words: &[&str]) -> Option<usize> {
        rank(&self.name, words)
    }
}

/// The first of some words that a name is, or that is a part of it.
pub(super) fn rank(name: &str, words: &[&str]) -> Option<usize> {
    let name = name.to_lowercase();
    let parts: Vec<&str> = name.split(|letter: char| !letter.is_alphanumeric()).collect();
    let whole = words.iter().position(|word| *word == name.trim());
    // A letter alone is an axis as often as anything else: `gyro_y`.
    let part = words
        .iter()
        .position(|word| word.len() > 1 && parts.contains(word));
    whole.or(part.map(|part| part + words.len()))
}

/// Whether every row has another value in a column, and none is empty.
pub(super) fn is_unique(table: &Table, column: usize) -> bool {
    let mut known = HashSet::new();
    (0..table.len()).all(|row| {
        let cell = table.value(row, column);
        !cell.is_empty() && known.insert(cell)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cells_are_what_all_of_them_are() {
        let table = Table::csv("t", b"a,b,c,d,e\n1,1,x,true,\n2,2.5,1,NaN,\n,3,2,0,\n").unwrap();
        let cells: Vec<Cells> = (0..5).map(|column| Profile::of(&table, column).cells).collect();
        assert_eq!(
            cells,
            [
                Cells::Whole,
                Cells::Numbers,
                Cells::Text,
                Cells::Numbers,
                Cells::Empty
            ]
        );
        assert_eq!(Profile::of(&table, 0).filled, 2);
        assert!(is_unique(&table, 1) && !is_unique(&table, 0));
    }

    #[test]
    fn a_name_is_whole_before_it_is_a_part() {
        let called = |name: &str| {
            let table = Table::csv("t", format!("{name}\nx\n").as_bytes()).unwrap();
            Profile::of(&table, 0).rank(&["label", "class"])
        };
        assert_eq!(called("Class"), Some(1));
        assert_eq!(called("label_name"), Some(2));
        assert_eq!(called("classic"), None);
        assert_eq!((rank("y", &["y"]), rank("gyro_y", &["y"])), (Some(0), None));
    }
}
