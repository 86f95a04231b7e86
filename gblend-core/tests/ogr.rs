//! The mathematics of the blend: properties, the paper's laws, and each trap that others fell into.
#![allow(clippy::unwrap_used)]

use gblend_core::ogr::{
    BlendError, InnerProducts, Interval, LossChanges, Losses, Movements, Symmetric, blend_diagonal,
    blend_full, blend_non_negative, ogr, ogr_of_blend,
};
use gblend_core::{BlendWeights, Seed};
use proptest::prelude::*;

fn diagonal(squares: &[f64]) -> Symmetric {
    Symmetric::from_fn(squares.len(), |j, k| if j == k { squares[j] } else { 0.0 })
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?}, expected {expected:?}");
    }
}

/// Gains of either sign, at least one above 0.
fn gains(heads: usize) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(prop_oneof![0.001..3.0_f64, -2.0..2.0_f64], heads)
        .prop_filter("a gain", |gains| gains.iter().any(|&gain| gain > 1e-3))
}

fn problem() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (2_usize..7).prop_flat_map(|heads| (gains(heads), proptest::collection::vec(0.01..4.0_f64, heads)))
}

/// A positive definite matrix: that of random vectors, and a little on the diagonal.
fn correlated() -> impl Strategy<Value = (Vec<f64>, Symmetric)> {
    (2_usize..6).prop_flat_map(|heads| {
        let vectors = proptest::collection::vec(proptest::collection::vec(-1.0..1.0_f64, heads), heads);
        (gains(heads), vectors).prop_map(|(gains, vectors)| {
            let matrix = Symmetric::from_fn(gains.len(), |j, k| {
                let product: f64 = vectors[j].iter().zip(&vectors[k]).map(|(a, b)| a * b).sum();
                product + if j == k { 0.05 } else { 0.0 }
            });
            (gains, matrix)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn weights_are_finite_not_negative_add_up_to_one_and_descend((gains, matrix) in correlated()) {
        let weights = blend_non_negative(&gains, &matrix).unwrap();
        prop_assert!(BlendWeights::new(weights.clone()).is_ok(), "{weights:?}");
        prop_assert!(weights.iter().zip(&gains).map(|(w, b)| w * b).sum::<f64>() > 0.0);
    }

    #[test]
    fn diagonal_weights_are_the_clipped_gains_over_the_squares((gains, squares) in problem()) {
        let weights = blend_non_negative(&gains, &diagonal(&squares)).unwrap();
        let expected: Vec<f64> = gains.iter().zip(&squares).map(|(b, s)| b.max(0.0) / s).collect();
        let sum: f64 = expected.iter().sum();
        for (weight, expected) in weights.iter().zip(expected) {
            prop_assert!((weight - expected / sum).abs() < 1e-9);
        }
    }

    #[test]
    fn permuting_heads_permutes_weights((gains, matrix) in correlated(), shift in 1_usize..5) {
        let size = gains.len();
        let at = |k: usize| (k + shift) % size;
        let weights = blend_non_negative(&gains, &matrix).unwrap();
        let moved: Vec<f64> = (0..size).map(|k| gains[at(k)]).collect();
        let moved = blend_non_negative(&moved, &Symmetric::from_fn(size, |j, k| matrix.get(at(j), at(k)))).unwrap();
        for k in 0..size {
            prop_assert!((moved[k] - weights[at(k)]).abs() < 1e-7, "{moved:?} {weights:?}");
        }
    }

    #[test]
    fn scaling_one_loss_divides_its_raw_weight(
        (gains, matrix) in correlated(), head in 0_usize..2, scale in prop_oneof![Just(1e-6), Just(1e6), 0.1..10.0_f64]
    ) {
        // Both ΔG and ΔO of that head are measured in the scaled loss.
        let weights = blend_non_negative(&gains, &matrix).unwrap();
        let factor = |k: usize| if k == head { scale } else { 1.0 };
        let scaled: Vec<f64> = gains.iter().enumerate().map(|(k, b)| b * factor(k)).collect();
        let scaled_matrix = Symmetric::from_fn(gains.len(), |j, k| matrix.get(j, k) * factor(j) * factor(k));
        let scaled = blend_non_negative(&scaled, &scaled_matrix).unwrap();
        let expected: Vec<f64> = weights.iter().enumerate().map(|(k, w)| w / factor(k)).collect();
        let sum: f64 = expected.iter().sum();
        for (found, expected) in scaled.iter().zip(expected) {
            prop_assert!((found - expected / sum).abs() < 1e-7);
        }
    }

    #[test]
    fn scaling_all_losses_changes_nothing((gains, matrix) in correlated(), scale in 1e-6..1e6_f64) {
        let weights = blend_non_negative(&gains, &matrix).unwrap();
        let scaled: Vec<f64> = gains.iter().map(|b| b * scale).collect();
        let scaled_matrix = Symmetric::from_fn(gains.len(), |j, k| matrix.get(j, k) * scale * scale);
        let scaled = blend_non_negative(&scaled, &scaled_matrix).unwrap();
        for (a, b) in weights.iter().zip(&scaled) {
            prop_assert!((a - b).abs() < 1e-7);
        }
    }

    #[test]
    fn the_inverse_squares_of_the_ratios_add_up(
        (gains, squares) in (2_usize..7).prop_flat_map(|n| (
            proptest::collection::vec(0.01..3.0_f64, n), proptest::collection::vec(0.01..4.0_f64, n)))
    ) {
        let weights = blend_diagonal(&gains, &squares).unwrap();
        let blend = ogr_of_blend(&weights, &gains, &diagonal(&squares)).unwrap();
        let sum: f64 = gains.iter().zip(&squares).map(|(b, s)| ogr(s.sqrt(), *b).powi(-2)).sum();
        prop_assert!((blend.powi(-2) / sum - 1.0).abs() < 1e-9);
        let best = gains.iter().zip(&squares).map(|(b, s)| ogr(s.sqrt(), *b)).fold(f64::INFINITY, f64::min);
        prop_assert!(blend <= best * (1.0 + 1e-9), "never worse than its best part");
    }

    #[test]
    fn the_closed_form_beats_any_other_point_of_the_simplex(
        (gains, matrix) in correlated(), other in proptest::collection::vec(0.0..1.0_f64, 6)
    ) {
        let weights = blend_non_negative(&gains, &matrix).unwrap();
        let best = ogr_of_blend(&weights, &gains, &matrix).unwrap();
        let other = &other[..gains.len()];
        let sum: f64 = other.iter().sum();
        prop_assume!(sum > 0.0);
        let other: Vec<f64> = other.iter().map(|w| w / sum).collect();
        prop_assume!(other.iter().zip(&gains).map(|(w, b)| w * b).sum::<f64>() > 1e-9);
        prop_assert!(best <= ogr_of_blend(&other, &gains, &matrix).unwrap() * (1.0 + 1e-6));
    }

    #[test]
    fn the_unconstrained_closed_form_beats_any_other_sum_of_one(
        (gains, matrix) in correlated(), step in proptest::collection::vec(-0.3..0.3_f64, 6)
    ) {
        let Ok(weights) = blend_full(&gains, &matrix) else { return Ok(()); };
        let best = ogr_of_blend(&weights, &gains, &matrix).unwrap();
        let other: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w + s).collect();
        let sum: f64 = other.iter().sum();
        prop_assume!(sum.abs() > 1e-3);
        let other: Vec<f64> = other.iter().map(|w| w / sum).collect();
        prop_assert!(best <= ogr_of_blend(&other, &gains, &matrix).unwrap() * (1.0 + 1e-6));
    }
}

#[test]
fn the_worked_case_comes_out_to_six_digits() {
    let at = |train, held_out| Losses { train, held_out };
    let before = [at(2.30, 2.31), at(2.30, 2.32), at(2.30, 2.30)];
    let after = [at(1.20, 1.60), at(1.60, 1.80), at(0.60, 1.55)];
    let moved = Movements::between(&before, &after);
    let weights = blend_non_negative(&moved.delta_g, &moved.second_moments(0.0, true)).unwrap();
    // Only one head's: its second moments are correlated, and the paper takes the diagonal.
    let diagonal = diagonal(&moved.second_moments(0.0, true).diagonal());
    let paper = blend_non_negative(&moved.delta_g, &diagonal).unwrap();
    assert_close(&paper, &[0.216628, 0.744807, 0.038566], 5e-7);
    assert_eq!(weights.len(), 3);
}

#[test]
fn correlation_can_make_a_weight_negative_although_every_head_gains() {
    let matrix = Symmetric::from_fn(2, |j, k| match (j, k) {
        (0, 0) => 0.25,
        (1, 1) => 1.44,
        _ => 0.6 * 0.5 * 1.2,
    });
    let weights = blend_full(&[1.0, 0.7], &matrix).unwrap();
    assert_close(&weights, &[1.184, -0.184], 5e-4);
    assert_close(
        &blend_non_negative(&[1.0, 0.7], &matrix).unwrap(),
        &[1.0, 0.0],
        1e-12,
    );
}

#[test]
fn normalizing_by_a_negative_sum_would_climb_the_loss() {
    let error = blend_diagonal(&[1.0, -2.0], &[1.0, 1.0]).unwrap_err();
    assert!(matches!(error, BlendError::NoGain { .. }), "{error}");
    assert_close(
        &blend_non_negative(&[1.0, -2.0], &diagonal(&[1.0, 1.0])).unwrap(),
        &[1.0, 0.0],
        1e-12,
    );
}

#[test]
fn the_absolute_value_of_a_gain_rewards_a_head_that_got_worse() {
    let weights = blend_non_negative(&[1.0, -1.0], &diagonal(&[1.0, 1.0])).unwrap();
    assert_close(&weights, &[1.0, 0.0], 1e-12);
    assert!(
        ogr_of_blend(&[0.5, 0.5], &[1.0, -1.0], &diagonal(&[1.0, 1.0]))
            .unwrap()
            .is_infinite()
    );
}

#[test]
fn weights_are_normalized_and_not_a_softmax() {
    // A softmax of (4, 1) would be (.953, .047).
    assert_close(
        &blend_non_negative(&[4.0, 1.0], &diagonal(&[1.0, 1.0])).unwrap(),
        &[0.8, 0.2],
        1e-12,
    );
}

#[test]
fn the_ratio_is_not_inverted() {
    // The head that overfits more gets less.
    let weights = blend_non_negative(&[1.0, 1.0], &diagonal(&[1.0, 4.0])).unwrap();
    assert_close(&weights, &[0.8, 0.2], 1e-12);
    assert_eq!(ogr(2.0, 4.0), 0.5);
}

#[test]
fn half_in_the_normalization_would_double_the_sum() {
    let weights = blend_diagonal(&[1.0, 2.0, 0.5], &[0.3, 0.7, 1.1]).unwrap();
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn a_head_that_has_hardly_moved_does_not_explode() {
    let moved = Movements {
        delta_o: vec![1e-6, 0.4, 0.3],
        delta_g: vec![0.01, 0.5, 0.5],
        covariance: Symmetric::zeros(3),
    };
    let blend = |floor| {
        let squares = moved.second_moments(floor, true).diagonal();
        blend_non_negative(&moved.delta_g, &diagonal(&squares)).unwrap()
    };
    assert!(blend(0.0)[0] > 0.999);
    assert!(blend(0.25)[0] < 0.2);
}

#[test]
fn no_solution_exactly_if_no_head_gains() {
    for gains in [[0.0, 0.0], [-1.0, 0.0], [-1.0, -2.0]] {
        let error = blend_non_negative(&gains, &diagonal(&[1.0, 1.0])).unwrap_err();
        assert!(error.to_string().contains("no head gains"), "{error}");
    }
}

#[test]
fn heads_that_gain_without_overfitting_share_all_the_weight() {
    let weights = blend_non_negative(&[1.0, 3.0, 9.0], &diagonal(&[0.0, 0.0, 1.0])).unwrap();
    assert_close(&weights, &[0.25, 0.75, 0.0], 1e-12);
    assert_eq!(
        blend_diagonal(&[1.0, 3.0], &[0.0, 1.0]),
        Err(BlendError::Singular)
    );
}

#[test]
fn numbers_that_are_none_are_named() {
    let error = blend_non_negative(&[1.0, f64::NAN], &diagonal(&[1.0, 1.0])).unwrap_err();
    assert!(error.to_string().contains("gain of head 1 is NaN"), "{error}");
    let error = blend_non_negative(&[1.0], &diagonal(&[1.0, 1.0])).unwrap_err();
    assert!(matches!(error, BlendError::Sizes { gains: 1, rows: 2 }));
}

#[test]
fn the_error_of_delta_o_is_that_of_two_independent_means() {
    // Changes 0 and 2: variance 1 about the mean, 1/(2-1) of the mean of two.
    let changes = LossChanges::new(vec![vec![0.0, 2.0]], vec![vec![0.0, 4.0]]).unwrap();
    let moved = changes.movements();
    assert_eq!((moved.delta_o[0], moved.delta_g[0]), (1.0, -2.0));
    assert_eq!(moved.covariance.get(0, 0), 1.0 + 4.0);
}

#[test]
fn the_second_moment_of_inner_products_is_their_mean_square() {
    let products = InnerProducts::new(vec![vec![1.0, 3.0]], vec![vec![2.0, 4.0]]).unwrap();
    let moved = products.movements();
    assert_eq!((moved.delta_o[0], moved.delta_g[0]), (2.0, 3.0));
    assert_eq!(moved.second_moments(0.0, true).get(0, 0), 5.0);
}

#[test]
fn the_bootstrap_covers_the_sampling_error_of_a_mean() {
    // The standard error of the mean of 400 values of deviation 1 is 0.05; 95 % are within ±0.098.
    let values: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let changes = LossChanges::new(vec![vec![0.0; 10]], vec![values]).unwrap();
    let mut rng = Seed::new(1).rng();
    let draws: Vec<f64> = (0..2000)
        .map(|_| changes.resampled(&mut rng).delta_g[0])
        .collect();
    let interval = Interval::of(draws).unwrap();
    assert!(
        (interval.high - 0.098).abs() < 0.01 && (interval.low + 0.098).abs() < 0.01,
        "{interval:?}"
    );
}

#[test]
fn the_error_of_a_mean_over_groups_is_that_of_statsmodels() {
    // OLS on a constant with cov_type="cluster", statsmodels 0.15.0: 0.88888889.
    let values = vec![1.0, 2.0, 4.0, 8.0, 3.0, -1.0, 0.5, 2.5, 7.0];
    let changes = LossChanges::new(vec![vec![0.0, 0.0]], vec![values]).unwrap();
    let changes = changes.in_groups(&[0, 1], &[0, 0, 1, 1, 1, 2, 3, 3, 2]).unwrap();
    assert_close(&[changes.movements().covariance.get(0, 0)], &[8.0 / 9.0], 1e-12);
}

proptest! {
    #[test]
    fn samples_that_repeat_within_their_group_tell_no_more_than_one_of_them(
        values in proptest::collection::vec(-3.0..3.0_f64, 3..20), copies in 2_usize..5, seed in 0_u64..100,
    ) {
        let train = || vec![vec![0.5; 4]];
        let once = LossChanges::new(train(), vec![values.clone()]).unwrap();
        let repeated: Vec<f64> = values.iter().flat_map(|&value| std::iter::repeat_n(value, copies)).collect();
        let groups: Vec<usize> = (0..repeated.len()).map(|at| at / copies).collect();
        let repeated = LossChanges::new(train(), vec![repeated]).unwrap();
        let grouped = repeated.clone().in_groups(&[0, 1, 2, 3], &groups).unwrap();
        let error = |changes: &LossChanges| changes.movements().covariance.get(0, 0);
        assert_close(&[error(&grouped)], &[error(&once)], 1e-9);
        prop_assume!(error(&once) > 1e-6);
        prop_assert!(error(&repeated) < 0.7 * error(&once));
        let [mut one, mut other] = [seed, seed].map(|seed| Seed::new(seed).rng());
        assert_close(&grouped.resampled(&mut one).delta_g, &once.resampled(&mut other).delta_g, 1e-9);
    }

    #[test]
    fn groups_of_one_sample_each_are_no_groups(values in proptest::collection::vec(-3.0..3.0_f64, 3..20)) {
        let numbers: Vec<usize> = (0..values.len()).collect();
        let alone = LossChanges::new(vec![vec![0.5; 4]], vec![values]).unwrap();
        prop_assert_eq!(alone.clone().in_groups(&[0, 1, 2, 3], &numbers).unwrap(), alone);
    }
}

#[test]
fn groups_of_another_number_of_samples_are_refused() {
    let changes = LossChanges::new(vec![vec![0.0; 3]], vec![vec![0.0; 2]]).unwrap();
    assert!(changes.clone().in_groups(&[0; 3], &[0; 3]).is_err());
    assert!(changes.clone().in_groups(&[0; 2], &[0; 2]).is_err());
    assert!(changes.in_groups(&[0; 3], &[0; 2]).is_ok());
}

#[test]
fn changes_that_do_not_belong_together_are_refused() {
    assert!(LossChanges::new(vec![vec![0.0]], vec![]).is_err());
    assert!(LossChanges::new(vec![vec![0.0], vec![0.0, 1.0]], vec![vec![0.0], vec![0.0]]).is_err());
    assert!(LossChanges::new(vec![vec![]], vec![vec![]]).is_err());
    assert!(LossChanges::new(vec![vec![f64::NAN]], vec![vec![0.0]]).is_err());
    assert!(InnerProducts::new(vec![vec![0.0]], vec![vec![0.0, 1.0]]).is_err());
}
