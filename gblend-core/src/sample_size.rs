//! How many samples something is fitted to, and of how many groups they are.
//!
//! Two thousand words of one speaker tell nearly as much about words as those of many, and next to nothing about how
//! speakers differ. So what is fitted counts samples where it is about samples, and groups where it is about whom to
//! believe.

/// The fewest groups that are counted as independent in place of their samples: with fewer, what is found says as much about
/// which groups there happened to be as about anything else.
pub const LEAST_GROUPS: usize = 10;

/// The size of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSize {
    samples: usize,
    groups: usize,
}

impl SampleSize {
    /// Samples that are independent of each other.
    pub fn independent(samples: usize) -> Self {
        Self::in_groups(samples, samples)
    }

    /// Samples of so many groups, those of one being alike: of one speaker, one patient. A sample that is in no group is one of
    /// its own. Groups that have no sample do not count.
    pub fn in_groups(samples: usize, groups: usize) -> Self {
        Self {
            samples,
            groups: groups.min(samples),
        }
    }

    /// How many samples there are.
    pub fn samples(self) -> usize {
        self.samples
    }

    /// How many of them are independent: the number of their groups.
    pub fn groups(self) -> usize {
        self.groups
    }
}
