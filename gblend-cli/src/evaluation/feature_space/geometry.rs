//! How spaces lie: to each other, and within themselves.

use super::vectors::Vectors;

/// The distance between the means of the directions of two modalities (Liang et al., "Mind the Gap", NeurIPS 2022).
pub(super) fn gap(one: &Vectors, other: &Vectors) -> f64 {
    let (one, other) = (one.directions().mean(), other.directions().mean());
    let squares = one.iter().zip(&other).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The mean squared distance between the directions of what belongs together (Wang, Isola, ICML 2020, equation 1).
pub(super) fn alignment(one: &Vectors, other: &Vectors) -> f64 {
    let (one, other) = (one.directions(), other.directions());
    let distances = one.rows().zip(other.rows()).map(|(a, b)| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>()
    });
    distances.sum::<f64>() / one.len().max(1) as f64
}

/// The logarithm of the mean of `exp(−2 d²)` over every two directions (Wang, Isola, ICML 2020, equation 2): the lower, the more
/// evenly they are spread.
pub(super) fn uniformity(vectors: &Vectors) -> f64 {
    let directions = vectors.directions();
    let sums = directions.compared(&directions, |one, cosines| {
        let others = cosines.iter().enumerate().filter(|&(other, _)| other != one);
        // Of directions, d² = 2 − 2 cos.
        others
            .map(|(_, cosine)| (-2.0 * (2.0 - 2.0 * cosine)).exp())
            .sum::<f64>()
    });
    let pairs = (vectors.len() * vectors.len().saturating_sub(1)).max(1);
    (sums.iter().sum::<f64>() / pairs as f64).ln()
}

/// Linear centered kernel alignment (Kornblith et al., ICML 2019, equation 4): 1 where one space is the other, turned and scaled.
pub(super) fn kernel_alignment(one: &Vectors, other: &Vectors) -> f64 {
    let cross = products(one, other);
    let (own, others) = (products(one, one), products(other, other));
    cross / (own.sqrt() * others.sqrt())
}

/// `‖XᵀY‖²` of centered vectors.
fn products(one: &Vectors, other: &Vectors) -> f64 {
    let (mean, other_mean) = (one.mean(), other.mean());
    let mut sums = vec![vec![0.0; other.width()]; one.width()];
    for (row, other) in one.rows().zip(other.rows()) {
        for ((line, value), mean) in sums.iter_mut().zip(row).zip(&mean) {
            let centered = value - mean;
            for ((sum, value), mean) in line.iter_mut().zip(other).zip(&other_mean) {
                *sum += centered * (value - mean);
            }
        }
    }
    sums.iter().flatten().map(|sum| sum * sum).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors(count: usize) -> impl Strategy<Value = Vectors> {
        proptest::collection::vec(-4.0_f32..4.0, 3 * count).prop_map(|values| Vectors::new(&values, 3))
    }

    proptest! {
        #[test]
        fn turning_and_scaling_a_space_changes_no_kernel_alignment(space in vectors(8), angle in 0.0_f64..6.0, times in 0.1_f64..9.0) {
            let turned: Vec<f32> = space.rows().flat_map(|row| {
                let (sine, cosine) = angle.sin_cos();
                [cosine * row[0] - sine * row[1], sine * row[0] + cosine * row[1], row[2]].map(|v| (times * v) as f32)
            }).collect();
            let alignment = kernel_alignment(&space, &Vectors::new(&turned, 3));
            prop_assert!((alignment - 1.0).abs() < 1e-5, "{alignment}");
        }

        #[test]
        fn a_space_has_no_gap_to_itself_and_is_aligned(space in vectors(5), other in vectors(5)) {
            prop_assert!(gap(&space, &space) < 1e-12 && alignment(&space, &space) < 1e-12);
            prop_assert!(gap(&space, &other) <= 2.0 && alignment(&space, &other) <= 4.0 + 1e-9);
            prop_assert!(uniformity(&space) <= 1e-9);
        }
    }
}
