//! Columns whose names begin alike, such as `acc_x` and `acc_y`.

use std::collections::BTreeMap;

/// Groups of columns that make a stream each; of more, the smaller ones are one.
const MOST_GROUPS: usize = 8;
/// Separators of a name that are looked at.
const DEEPEST: usize = 3;

/// Columns that belong together, as positions in what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What their names begin with; none of those that are alike in nothing.
    pub(super) prefix: Option<String>,
    pub(super) members: Vec<usize>,
}

/// Divides columns by what their names begin with, up to a separator or a number; one group if that divides nothing.
pub(super) fn groups(names: &[&str]) -> Vec<Group> {
    let mut found = Vec::new();
    for depth in 1..=DEEPEST {
        found = at_depth(names, depth);
        if found.len() > 1 {
            break;
        }
    }
    if found.len() > MOST_GROUPS {
        found.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
        let mut rest: Vec<usize> = found
            .split_off(MOST_GROUPS - 1)
            .into_iter()
            .flat_map(|group| group.members)
            .collect();
        rest.extend(
            found
                .extract_if(.., |group| group.prefix.is_none())
                .flat_map(|group| group.members),
        );
        rest.sort_unstable();
        found.push(Group {
            prefix: None,
            members: rest,
        });
        found.sort_by_key(|group| group.members[0]);
    }
    found
}

fn at_depth(names: &[&str], depth: usize) -> Vec<Group> {
    let mut by_prefix: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut rest = Vec::new();
    for (position, name) in names.iter().enumerate() {
        match prefix(name, depth) {
            Some(prefix) => by_prefix.entry(prefix).or_default().push(position),
            None => rest.push(position),
        }
    }
    let mut groups = Vec::new();
    for (prefix, members) in by_prefix {
        match &members[..] {
            [single] => rest.push(*single),
            _ => groups.push(Group {
                prefix: Some(prefix.to_owned()),
                members,
            }),
        }
    }
    if !rest.is_empty() {
        rest.sort_unstable();
        groups.push(Group {
            prefix: None,
            members: rest,
        });
    }
    groups.sort_by_key(|group| group.members[0]);
    groups
}

/// The beginning of a name up to its `depth`-th separator, or to its number at the end.
fn prefix(name: &str, depth: usize) -> Option<&str> {
    let separator = |letter: char| "_-.:/ ".contains(letter);
    let mut ends = name
        .char_indices()
        .filter(|(at, letter)| *at > 0 && separator(*letter));
    if let Some((at, letter)) = ends.nth(depth - 1) {
        return Some(&name[..at + letter.len_utf8()]);
    }
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    (stem.len() < name.len() && !stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(names: &[&str]) -> Vec<(Option<String>, Vec<usize>)> {
        groups(names)
            .into_iter()
            .map(|group| (group.prefix, group.members))
            .collect()
    }

    #[test]
    fn names_that_begin_alike_belong_together() {
        assert_eq!(
            found(&["v1_a", "v1_b", "v2_a", "v2_b"]),
            [(Some("v1_".into()), vec![0, 1]), (Some("v2_".into()), vec![2, 3])]
        );
        assert_eq!(
            found(&["age", "s1", "s2", "bmi"]),
            [(None, vec![0, 3]), (Some("s".into()), vec![1, 2])]
        );
        // All begin alike: what comes next divides them.
        assert_eq!(
            found(&["phone_acc_x", "phone_acc_y", "phone_gyr_x", "phone_gyr_y"]),
            [
                (Some("phone_acc_".into()), vec![0, 1]),
                (Some("phone_gyr_".into()), vec![2, 3])
            ]
        );
        assert_eq!(found(&["a", "b", "c"]), [(None, vec![0, 1, 2])]);
        assert_eq!(found(&["p0", "p1", "p2"]), [(Some("p".into()), vec![0, 1, 2])]);
    }

    proptest! {
        #[test]
        fn every_column_is_in_one_group(names in prop::collection::btree_set("[ab_1é]{0,5}", 0..60)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let groups = groups(&names);
            prop_assert!(groups.len() <= MOST_GROUPS);
            let mut members: Vec<usize> = groups.into_iter().flat_map(|group| group.members).collect();
            members.sort_unstable();
            prop_assert_eq!(members, (0..names.len()).collect::<Vec<_>>());
        }
    }
}
