//! Classes that have few samples beside others.

/// A class that has so many times fewer training samples than the most frequent one is rare.
pub(super) const RARE: usize = 10;

/// Classes that are rare beside the most frequent one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RareClasses {
    /// How many are rare.
    pub count: usize,
    /// The rarest one, and its training samples.
    pub rarest: (String, usize),
    /// The most frequent one, and its training samples.
    pub most_frequent: (String, usize),
}

impl RareClasses {
    /// From each class and its training samples; `None` if none is rare. Classes without any do not count.
    pub fn of<'a>(counts: impl IntoIterator<Item = (&'a str, usize)>) -> Option<Self> {
        let present: Vec<(&str, usize)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let owned = |&(name, count): &(&str, usize)| (name.to_owned(), count);
        let most_frequent = present.iter().max_by_key(|(_, count)| *count)?;
        let rarest = present.iter().min_by_key(|(_, count)| *count)?;
        let is_rare = |count: usize| count.saturating_mul(RARE) <= most_frequent.1;
        is_rare(rarest.1).then(|| Self {
            count: present.iter().filter(|(_, count)| is_rare(*count)).count(),
            rarest: owned(rarest),
            most_frequent: owned(most_frequent),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_class_is_rare_that_has_a_tenth_of_the_samples_of_the_most_frequent_one() {
        let rare = RareClasses::of([("a", 100), ("b", 10), ("c", 11), ("d", 0), ("e", 3)]).unwrap();
        assert_eq!(rare.count, 2);
        assert_eq!(rare.rarest, ("e".to_owned(), 3));
        assert_eq!(rare.most_frequent, ("a".to_owned(), 100));
        assert_eq!(RareClasses::of([("a", 99), ("b", 10)]), None);
        assert_eq!(RareClasses::of([("a", 99)]), None);
        assert_eq!(RareClasses::of([]), None);
    }
}
