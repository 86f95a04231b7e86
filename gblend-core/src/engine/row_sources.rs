//! Which row of a matrix each row of another one is taken from.

use std::sync::Arc;

use crate::error::{Error, Result};

/// The row that each row of a gathered matrix is taken from; some are taken from nowhere, and become zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSources {
    /// [`NOWHERE`](Self::NOWHERE), or a row below `rows`.
    sources: Arc<[usize]>,
    rows: usize,
}

impl RowSources {
    const NOWHERE: usize = usize::MAX;

    /// Rows from these of a matrix of `rows` rows.
    ///
    /// # Errors
    /// [`Error::Shape`] if the matrix has no such row.
    pub fn new(sources: impl IntoIterator<Item = Option<usize>>, rows: usize) -> Result<Self> {
        let sources = sources.into_iter().map(|source| match source {
            None => Ok(Self::NOWHERE),
            Some(row) if row < rows => Ok(row),
            Some(row) => Err(Error::shape("a row", format!("one below {rows}"), [row])),
        });
        let sources = sources.collect::<Result<Vec<_>>>()?;
        Ok(Self {
            sources: sources.into(),
            rows,
        })
    }

    /// As [`new`](Self::new), where whoever calls has counted the rows.
    pub(crate) fn counted(sources: impl IntoIterator<Item = Option<usize>>, rows: usize) -> Self {
        let within = |source: Option<usize>| source.filter(|&row| row < rows).unwrap_or(Self::NOWHERE);
        Self {
            sources: sources.into_iter().map(within).collect(),
            rows,
        }
    }

    /// The number of gathered rows.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether no row is gathered.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The number of rows that are gathered from.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Where each row is taken from.
    pub fn sources(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        self.slice(0..self.len())
    }

    /// Where the rows of `range` are taken from.
    pub(super) fn slice(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Option<usize>> + '_ {
        let sources = self.sources[range].iter();
        sources.map(|&row| (row != Self::NOWHERE).then_some(row))
    }

    /// Whether some row is taken from nowhere.
    pub(super) fn has_gaps(&self) -> bool {
        self.sources.contains(&Self::NOWHERE)
    }
}
