//! Which places of a row of similarities are candidates, and which of them is right.

use std::sync::Arc;

/// Which of others one may be taken for wrongly.
#[derive(Clone, Debug)]
pub struct Negatives {
    /// Numbers that those share which are the same; none if each is itself alone.
    identities: Option<Arc<[u64]>>,
    /// Whether each is among the others itself, where it is a candidate for nothing.
    among_others: bool,
}

impl Negatives {
    /// Of pairs of which those are the same that share a number.
    pub fn of_pairs(identities: Option<Vec<u64>>) -> Self {
        Self {
            identities: identities.map(Into::into),
            among_others: false,
        }
    }

    /// Of vectors that are compared with each other, themselves among them.
    pub fn of_each_other(identities: Option<Vec<u64>>) -> Self {
        Self {
            identities: identities.map(Into::into),
            among_others: true,
        }
    }

    /// Whether `other` is left out where `right` is looked for in the place of `one`.
    pub fn leave_out(&self, one: usize, right: usize, other: usize) -> bool {
        if other == right {
            return false;
        }
        let same = |identities: &Arc<[u64]>| identities.get(one) == identities.get(other);
        (self.among_others && one == other) || self.identities.as_ref().is_some_and(same)
    }

    /// Whether anything is left out.
    fn any(&self) -> bool {
        self.among_others || self.identities.is_some()
    }
}

/// The candidates of each row of a matrix.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// Of each row, the place that is right.
    rights: Arc<[usize]>,
    negatives: Negatives,
}

impl Candidates {
    /// Places of which these are right, and others wrong but for those that are left out.
    pub fn new(rights: &[usize], negatives: Negatives) -> Self {
        Self {
            rights: rights.into(),
            negatives,
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
    pub fn each_left_out(&self, row: usize, width: usize, show: impl FnMut(usize)) {
        if !self.negatives.any() {
            return;
        }
        let right = self.right(row);
        let left_out = |place: &usize| self.negatives.leave_out(row, right, *place);
        (0..width).filter(left_out).for_each(show);
    }
}
