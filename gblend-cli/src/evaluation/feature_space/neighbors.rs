//! What is near to what: nearest neighbors, and what is found by them. Near is what has a large cosine.

use super::vectors::Vectors;

/// The nearest `count` of each vector of `queries` among `others`, nearest first, of equally near ones the first; `skip` says
/// which is none of them.
pub(super) fn nearest(
    queries: &Vectors,
    others: &Vectors,
    count: usize,
    skip: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Vec<usize>> {
    let (queries, others) = (queries.directions(), others.directions());
    queries.compared(&others, |query, cosines| {
        let mut candidates: Vec<usize> = (0..cosines.len()).filter(|&other| !skip(query, other)).collect();
        let order = |a: &usize, b: &usize| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b));
        if count < candidates.len() && count > 0 {
            candidates.select_nth_unstable_by(count - 1, order);
            candidates.truncate(count);
        }
        candidates.sort_unstable_by(order);
        candidates
    })
}

/// The class that most of the nearest have; of several the first.
fn vote(nearest: &[usize], classes: &[u32]) -> Option<u32> {
    let mut votes: Vec<u32> = nearest.iter().map(|&sample| classes[sample]).collect();
    votes.sort_unstable();
    let count = |class: u32| votes.iter().filter(|&&vote| vote == class).count();
    votes.iter().copied().rev().max_by_key(|&class| count(class))
}

/// Whether the vote of the nearest `count` of `known` is the class of each of `judged`.
pub(super) fn knn_right(known: (&Vectors, &[u32]), judged: (&Vectors, &[u32]), count: usize) -> Vec<bool> {
    let nearest = nearest(judged.0, known.0, count, |_, _| false);
    let votes = nearest.iter().map(|nearest| vote(nearest, known.1));
    votes
        .zip(judged.1)
        .map(|(vote, &class)| vote == Some(class))
        .collect()
}

/// The mean over samples of the average precision with which others of their class come first; `None` where no two are of one.
pub(super) fn mean_average_precision(vectors: &Vectors, classes: &[u32]) -> Option<f64> {
    let directions = vectors.directions();
    let each = directions.compared(&directions, |query, cosines| {
        let mut others: Vec<usize> = (0..cosines.len()).filter(|&other| other != query).collect();
        others.sort_unstable_by(|&a, &b| cosines[b].total_cmp(&cosines[a]).then(a.cmp(&b)));
        let (mut found, mut sum) = (0.0, 0.0);
        for (rank, other) in others.into_iter().enumerate() {
            if classes[other] == classes[query] {
                found += 1.0;
                sum += found / (rank + 1) as f64;
            }
        }
        (found > 0.0).then(|| sum / found)
    });
    let known: Vec<f64> = each.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// The share of the nearest `count` of each sample that are among its nearest in another space, in the mean.
pub(super) fn overlap(one: &Vectors, other: &Vectors, count: usize) -> f64 {
    let itself = |query: usize, candidate: usize| query == candidate;
    let pairs = nearest(one, one, count, itself)
        .into_iter()
        .zip(nearest(other, other, count, itself));
    let shares = pairs.map(|(one, other)| {
        let shared = one.iter().filter(|sample| other.contains(sample)).count();
        shared as f64 / one.len().max(1) as f64
    });
    shares.sum::<f64>() / one.len().max(1) as f64
}

/// The share of queries of which a hit is among the first so many candidates. What has the query's number is a hit, and what is as
/// near as the nearest hit without being one stands before it.
pub(super) fn recall<const N: usize>(
    queries: &Vectors,
    candidates: &Vectors,
    numbers: &[u64],
    first: [usize; N],
) -> [f64; N] {
    let (queries, candidates) = (queries.directions(), candidates.directions());
    let ranks = queries.compared(&candidates, |query, cosines| {
        let (hits, others): (Vec<usize>, Vec<usize>) =
            (0..cosines.len()).partition(|&candidate| numbers[candidate] == numbers[query]);
        let nearest = hits
            .into_iter()
            .map(|hit| cosines[hit])
            .fold(f64::NEG_INFINITY, f64::max);
        others
            .into_iter()
            .filter(|&other| cosines[other] >= nearest)
            .count()
    });
    let count = ranks.len().max(1) as f64;
    first.map(|first| ranks.iter().filter(|&&rank| rank < first).count() as f64 / count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Directions at these angles.
    fn at(angles: &[f32]) -> Vectors {
        let values: Vec<f32> = angles
            .iter()
            .flat_map(|angle| [angle.cos(), angle.sin()])
            .collect();
        Vectors::new(&values, 2)
    }

    #[test]
    fn a_vote_goes_to_the_class_of_most_and_of_several_to_the_first() {
        assert_eq!(vote(&[0, 1, 2], &[2, 1, 2]), Some(2));
        assert_eq!(vote(&[0, 1], &[2, 1]), Some(1));
        assert_eq!(vote(&[], &[]), None);
    }

    #[test]
    fn samples_that_stand_with_their_class_are_found_first() {
        let classes = [0, 0, 1, 1];
        assert_eq!(
            mean_average_precision(&at(&[0.0, 0.1, 2.0, 2.1]), &classes),
            Some(1.0)
        );
        let mixed = mean_average_precision(&at(&[0.0, 2.0, 0.1, 2.1]), &classes).unwrap();
        assert!((mixed - 0.5).abs() < 0.17, "{mixed}");
        assert_eq!(mean_average_precision(&at(&[0.0, 1.0]), &[0, 1]), None);
    }

    #[test]
    fn a_space_overlaps_with_itself_whole_and_with_another_in_part() {
        let space = at(&[0.0, 0.1, 0.3, 2.0, 2.1]);
        assert_eq!(overlap(&space, &space, 2), 1.0);
        assert!(overlap(&space, &at(&[0.0, 2.0, 0.1, 2.1, 0.3]), 2) < 1.0);
    }

    #[test]
    fn equal_numbers_are_hits() {
        let (queries, candidates) = (at(&[0.0, 0.5, 1.0]), at(&[0.1, 1.1, 0.6]));
        assert_eq!(
            recall(&queries, &candidates, &[0, 1, 2], [1, 2]),
            [1.0 / 3.0, 2.0 / 3.0]
        );
        assert_eq!(recall(&queries, &candidates, &[0, 1, 1], [1]), [1.0]);
    }
}
