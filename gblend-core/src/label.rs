//! What a dataset says of a sample: its class, its classes, a number, or nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the labels of a dataset are. Samples may lack theirs, whatever the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LabelKind {
    /// Exactly one class.
    #[default]
    Class,
    /// Any number of classes, none included.
    Classes,
    /// A number.
    Number,
}

impl LabelKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Class, Self::Classes, Self::Number];

    /// The kind of the [`Objective`](crate::Objective) that a configuration without one gets.
    pub fn objective(self) -> &'static str {
        match self {
            Self::Class => "single-label",
            Self::Classes => "multi-label",
            Self::Number => "regression",
        }
    }
}

impl fmt::Display for LabelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Class => "one class",
            Self::Classes => "a set of classes",
            Self::Number => "a number",
        })
    }
}

/// What is known of one sample. Classes are indices into [`Source::classes`](crate::Source::classes).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Label {
    /// Nothing.
    #[default]
    Missing,
    /// Its one class.
    Class(usize),
    /// Its classes, in ascending order and each once.
    Classes(Vec<usize>),
    /// Its number, in the unit of the dataset; finite.
    Number(f64),
}

impl Label {
    /// The kind of label that it is; `None` if it is missing.
    pub fn kind(&self) -> Option<LabelKind> {
        match self {
            Self::Missing => None,
            Self::Class(_) => Some(LabelKind::Class),
            Self::Classes(_) => Some(LabelKind::Classes),
            Self::Number(_) => Some(LabelKind::Number),
        }
    }

    /// Whether nothing is known.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Every class that it names.
    pub fn classes(&self) -> &[usize] {
        match self {
            Self::Class(class) => std::slice::from_ref(class),
            Self::Classes(classes) => classes,
            Self::Missing | Self::Number(_) => &[],
        }
    }
}

impl From<usize> for Label {
    fn from(class: usize) -> Self {
        Self::Class(class)
    }
}

/// A number that a label may be.
///
/// # Errors
/// [`Error::NonFinite`] if it is none.
pub(crate) fn finite(number: f64) -> Result<f64> {
    if number.is_finite() {
        return Ok(number);
    }
    Err(Error::NonFinite {
        location: "a label".to_owned(),
        value: number,
    })
}

/// The error of a label of another kind than was expected.
pub(crate) fn other_kind(expected: LabelKind, found: &Label) -> Error {
    let found = found
        .kind()
        .map_or_else(|| "none".to_owned(), |kind| kind.to_string());
    Error::data("a label", format!("found {found}, expected {expected}"))
}
