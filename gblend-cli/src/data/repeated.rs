//! What occurs more than once among millions of samples, found in eight bytes for each.

/// The hashes that occur more than once, each once, in ascending order, and so many that there are `count` at most.
pub(super) fn repeated(hashes: impl Iterator<Item = u64>, count: usize) -> Vec<u64> {
    // Room for all at once: what grows leaves holes in memory as large as itself.
    let mut sorted = Vec::with_capacity(count);
    sorted.extend(hashes);
    sorted.sort_unstable();
    let alike = sorted.chunk_by(|one, other| one == other);
    alike
        .filter(|alike| alike.len() > 1)
        .map(|alike| alike[0])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn what_occurs_twice_and_more_is_found_once(hashes in proptest::collection::vec(0_u64..40, 0..60)) {
            let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
            hashes.iter().for_each(|&hash| *counts.entry(hash).or_default() += 1);
            let expected: Vec<u64> = counts.into_iter().filter(|&(_, count)| count > 1).map(|(hash, _)| hash).collect();
            prop_assert_eq!(repeated(hashes.iter().copied(), hashes.len()), expected);
        }
    }
}
