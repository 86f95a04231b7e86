//! Which places of a row of similarities are candidates, and which of them is right.

use std::sync::Arc;

/// The candidates of each row of a matrix.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// Of each row, the place that is right.
    rights: Arc<[usize]>,
    /// Numbers of rows and places that those share which are the same, of which none is a wrong candidate for another: that of
    /// a row is the one of its number.
    identities: Option<Arc<[u64]>>,
    /// Whether the place of a row's own number is none of its candidates.
    without_itself: bool,
}

impl Candidates {
    /// All places, of which these are right.
    pub fn new(rights: &[usize]) -> Self {
        Self {
            rights: rights.into(),
            identities: None,
            without_itself: false,
        }
    }

    /// The same without the places of which something is the same as a row.
    #[must_use]
    pub fn without_same(self, identities: Option<&[u64]>) -> Self {
        Self {
            identities: identities.map(Into::into),
            ..self
        }
    }

    /// The same without each row's own place, if so.
    #[must_use]
    pub fn without_itself(self, without: bool) -> Self {
        Self {
            without_itself: without,
            ..self
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rights.len()
    }

    /// The place that is right in a row; beyond the last row, one that there is not.
    pub fn right(&self, row: usize) -> usize {
        self.rights.get(row).copied().unwrap_or(usize::MAX)
    }

    /// The largest place that is right.
    pub fn last_right(&self) -> Option<usize> {
        self.rights.iter().copied().max()
    }

    /// Shows every place below `width` of a row that is no candidate.
    pub fn each_left_out(&self, row: usize, width: usize, mut show: impl FnMut(usize)) {
        let right = self.right(row);
        if self.without_itself && row < width && row != right {
            show(row);
        }
        let Some((identities, own)) = self
            .identities
            .as_ref()
            .and_then(|all| Some((all, all.get(row)?)))
        else {
            return;
        };
        for (place, identity) in identities.iter().take(width).enumerate() {
            if identity == own && place != right {
                show(place);
            }
        }
    }
}
