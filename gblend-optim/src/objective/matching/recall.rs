//! How often what belongs together is found.

use gblend_core::{Array, Result};

use super::super::contrast::Directions;
use super::pairs::Pairs;

/// Of each sample, among all, the mean over every two modalities, both ways, of whether a hit is among the first so many;
/// `None` of one that has fewer than two modalities. A hit is the sample itself or one that is the same, and what is as near
/// as a hit without being one stands before it.
pub(super) fn found_among<const N: usize>(
    output: &Array,
    width: usize,
    identities: Option<&[u64]>,
    first: [usize; N],
) -> Result<Vec<Option<[f64; N]>>> {
    let pairs = Pairs::of(output, width)?;
    let mut sums = vec![[0.0; N]; pairs.samples];
    for pair in &pairs.pairs {
        let directions = pair
            .modalities
            .map(|modality| Directions::of(output, &pair.samples, modality * width, width));
        let [one, other] = &directions;
        for (queries, candidates) in [(one, other), (other, one)] {
            let ranks = queries.compared(candidates, |place, cosines| {
                let same = |candidate: usize| {
                    let [a, b] = [pair.samples[place], pair.samples[candidate]];
                    a == b || identities.is_some_and(|numbers| numbers.get(a) == numbers.get(b))
                };
                rank(cosines, same)
            });
            for (&sample, rank) in pair.samples.iter().zip(ranks) {
                for (sum, first) in sums[sample].iter_mut().zip(first) {
                    *sum += f64::from(u8::from(rank < first));
                }
            }
        }
    }
    let counted = sums.into_iter().zip(&pairs.of_sample);
    Ok(counted
        .map(|(sums, &pairs)| (pairs > 0).then(|| sums.map(|sum| sum / (2 * pairs) as f64)))
        .collect())
}

/// How many candidates that are no hit are at least as near as the nearest hit.
fn rank(cosines: &[f64], hit: impl Fn(usize) -> bool) -> usize {
    let (mut nearest, mut others) = (f64::NEG_INFINITY, Vec::new());
    for (candidate, &cosine) in cosines.iter().enumerate() {
        if hit(candidate) {
            nearest = nearest.max(cosine);
        } else {
            others.push(cosine);
        }
    }
    // What is not a number is near to nothing.
    others
        .into_iter()
        .filter(|&cosine| cosine.is_nan() || cosine >= nearest)
        .count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two modalities of width 2: directions of the second turn away from those of the first, sample by sample.
    fn output() -> Array {
        let angles: [f32; 4] = [0.0, 0.5, 1.0, 1.5];
        let turned: [f32; 4] = [0.1, 0.4, 1.3, 1.1];
        let rows = angles.iter().zip(turned);
        let values = rows.flat_map(|(&a, b)| [a.cos(), a.sin(), 2.0 * b.cos(), 2.0 * b.sin()]);
        Array::new([4, 4], values.collect()).unwrap()
    }

    #[test]
    fn a_sample_is_found_where_it_is_nearer_than_all_others() {
        // Of the first to the second the nearest are 0, 1, 3, 2, of the second to the first 0, 1, 3, 2.
        let found = found_among(&output(), 2, None, [1, 2]).unwrap();
        let expected = [[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]].map(Some);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_the_same_is_a_hit() {
        let found = found_among(&output(), 2, Some(&[0, 1, 2, 2]), [1]).unwrap();
        assert_eq!(found, [Some([1.0]); 4]);
    }

    #[test]
    fn what_is_as_near_as_a_hit_stands_before_it() {
        let output = Array::new([2, 4], [[1.0, 0.0]; 4].concat()).unwrap();
        assert_eq!(
            found_among(&output, 2, None, [1, 2]).unwrap(),
            [Some([0.0, 1.0]); 2]
        );
    }

    #[test]
    fn a_sample_with_one_modality_is_not_looked_for() {
        let output = Array::new([2, 4], vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(found_among(&output, 2, None, [1]).unwrap(), [Some([1.0]), None]);
    }
}
