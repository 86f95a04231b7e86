//! Pools of heads against SciPy's solutions, and what every pool has to keep.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gblend_core::pool::{AveragePool, ExponentPool, Opinions, PoolError};
use gblend_core::{EffectiveGroups, SampleSize, Seed};
use proptest::prelude::*;
use rand::RngExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    exponents: Vec<Exponents>,
    average: Vec<Average>,
}

/// `probabilities[head][sample][answer]`.
#[derive(Deserialize)]
struct Exponents {
    probabilities: Vec<Vec<Vec<f64>>>,
    right: Vec<usize>,
    groups: usize,
    exponents: Vec<f64>,
    pooled: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Average {
    rows: Vec<Vec<f64>>,
    right: Vec<f64>,
    groups: usize,
    weights: Vec<f64>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/pools.json")).unwrap()
}

fn opinions(probabilities: &[Vec<Vec<f64>>]) -> Opinions {
    let mut opinions = Opinions::new(probabilities.len(), probabilities[0][0].len());
    for sample in 0..probabilities[0].len() {
        let heads: Vec<&[f64]> = probabilities.iter().map(|head| head[sample].as_slice()).collect();
        opinions.push(&heads).unwrap();
    }
    opinions
}

#[test]
fn exponents_are_scipys() {
    for case in fixtures().exponents {
        let opinions = opinions(&case.probabilities);
        let pool = ExponentPool::fit(
            &opinions,
            &case.right,
            SampleSize::in_groups(case.right.len(), EffectiveGroups::equal(case.groups)),
        )
        .unwrap();
        let found = pool.heads.iter().copied().chain([pool.mean]);
        for (found, expected) in found.zip(&case.exponents) {
            assert!((found - expected).abs() < 1e-6, "{pool:?} {:?}", case.exponents);
        }
        for (row, expected) in pool.probabilities(&opinions).unwrap().iter().zip(&case.pooled) {
            for (p, expected) in row.iter().zip(expected) {
                assert!((p - expected).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn weights_of_an_average_are_scipys() {
    for case in fixtures().average {
        let pool = AveragePool::fit(
            &case.rows,
            &case.right,
            SampleSize::in_groups(case.right.len(), EffectiveGroups::equal(case.groups)),
        )
        .unwrap();
        for (found, expected) in pool.weights().iter().zip(&case.weights) {
            assert!((found - expected).abs() < 1e-6, "{pool:?} {:?}", case.weights);
        }
    }
}

/// The mean negative log-likelihood of the right answers.
fn surprise(pool: &ExponentPool, opinions: &Opinions, right: &[usize]) -> f64 {
    let rows = pool.probabilities(opinions).unwrap();
    let each = rows.iter().zip(right).map(|(row, &right)| -row[right].ln());
    each.sum::<f64>() / right.len() as f64
}

/// So many samples of three answers. Each head is told the right one with its share of certainty.
fn drawn(seed: u64, samples: usize, certainty: &[f64]) -> (Vec<Vec<Vec<f64>>>, Vec<usize>) {
    let mut rng = Seed::new(seed).rng();
    let right: Vec<usize> = (0..samples).map(|_| rng.random_range(0..3)).collect();
    let heads = certainty.iter().map(|certainty| {
        let rows = right.iter().map(|&right| {
            let mut row: Vec<f64> = (0..3).map(|_| rng.random_range(0.05..1.0)).collect();
            row[right] += certainty;
            let sum: f64 = row.iter().sum();
            row.iter().map(|p| p / sum).collect()
        });
        rows.collect()
    });
    (heads.collect(), right)
}

proptest! {
    #[test]
    fn a_pool_is_never_worse_than_the_mean_on_its_fitting_samples(
        seed: u64, samples in 1_usize..60, certainty in proptest::collection::vec(0.0_f64..4.0, 1..5),
    ) {
        let (probabilities, right) = drawn(seed, samples, &certainty);
        let opinions = opinions(&probabilities);
        let pool = ExponentPool::fit(&opinions, &right, SampleSize::independent(samples)).unwrap();
        let mean = ExponentPool::mean_of(certainty.len());
        prop_assert!(surprise(&pool, &opinions, &right) <= surprise(&mean, &opinions, &right) + 1e-12);
        prop_assert!(pool.heads.iter().chain([&pool.mean]).all(|e| (0.0..=4.0).contains(e)));
    }

    #[test]
    fn permuting_heads_permutes_exponents(seed: u64, samples in 2_usize..40, certainty in proptest::array::uniform3(0.0_f64..4.0)) {
        let (mut probabilities, right) = drawn(seed, samples, &certainty);
        let pool = ExponentPool::fit(&opinions(&probabilities), &right, SampleSize::independent(samples)).unwrap();
        probabilities.rotate_left(1);
        let turned = ExponentPool::fit(&opinions(&probabilities), &right, SampleSize::independent(samples)).unwrap();
        for (k, exponent) in turned.heads.iter().enumerate() {
            prop_assert!((exponent - pool.heads[(k + 1) % 3]).abs() < 1e-9, "{:?} {:?}", pool, turned);
        }
    }

    #[test]
    fn a_weight_is_a_number_of_times(
        seed: u64, times in proptest::collection::vec(1_usize..6, 5..25), certainty in proptest::array::uniform2(0.0_f64..4.0),
    ) {
        let (probabilities, right) = drawn(seed, times.len(), &certainty);
        let (samples, all) = (times.len() as f64, times.iter().sum::<usize>());
        let weights: Vec<f64> = times.iter().map(|&times| times as f64 * samples / all as f64).collect();
        let weighted = ExponentPool::fit_weighted(&opinions(&probabilities), &right, &weights, SampleSize::independent(times.len())).unwrap();
        let repeat = |of: &dyn Fn(usize) -> Vec<f64>| -> Vec<Vec<f64>> {
            let samples = times.iter().enumerate();
            samples.flat_map(|(sample, &times)| vec![of(sample); times]).collect()
        };
        let heads: Vec<Vec<Vec<f64>>> = probabilities.iter().map(|head| repeat(&|sample| head[sample].clone())).collect();
        let rights = times.iter().zip(&right).flat_map(|(&times, &right)| vec![right; times]);
        let rights: Vec<usize> = rights.collect();
        let repeated = ExponentPool::fit(&opinions(&heads), &rights, SampleSize::independent(times.len())).unwrap();
        for (one, other) in weighted.exponents().iter().zip(repeated.exponents()) {
            prop_assert!((one - other).abs() < 1e-7, "{weighted:?} {repeated:?}");
        }
    }

    #[test]
    fn the_fewer_groups_the_more_heads_are_believed_alike(
        seed: u64, samples in 20_usize..60, certainty in proptest::array::uniform3(0.0_f64..4.0),
    ) {
        let (probabilities, right) = drawn(seed, samples, &certainty);
        let opinions = opinions(&probabilities);
        let spread = |groups: usize| {
            let pool = ExponentPool::fit(&opinions, &right, SampleSize::in_groups(samples, EffectiveGroups::equal(groups))).unwrap();
            let mean = pool.heads.iter().sum::<f64>() / 3.0;
            pool.heads.iter().map(|exponent| (exponent - mean).powi(2)).sum::<f64>()
        };
        let spreads: Vec<f64> = [1, 3, 8, samples].map(spread).to_vec();
        prop_assert!(spreads.is_sorted_by(|few, many| *few <= many + 1e-12), "{:?}", spreads);
        let independent = ExponentPool::fit(&opinions, &right, SampleSize::independent(samples)).unwrap();
        let alone = ExponentPool::fit(&opinions, &right, SampleSize::in_groups(samples, EffectiveGroups::equal(samples))).unwrap();
        prop_assert_eq!(independent, alone);
    }

    #[test]
    fn a_pool_of_few_groups_is_never_worse_than_the_mean_on_its_fitting_samples(
        seed: u64, samples in 2_usize..60, groups in 1_usize..10, certainty in proptest::collection::vec(0.0_f64..4.0, 1..5),
    ) {
        let (probabilities, right) = drawn(seed, samples, &certainty);
        let opinions = opinions(&probabilities);
        let pool = ExponentPool::fit(&opinions, &right, SampleSize::in_groups(samples, EffectiveGroups::equal(groups))).unwrap();
        let mean = ExponentPool::mean_of(certainty.len());
        prop_assert!(surprise(&pool, &opinions, &right) <= surprise(&mean, &opinions, &right) + 1e-12);
        prop_assert!(pool.heads.iter().chain([&pool.mean]).all(|e| (0.0..=4.0).contains(e)));
    }

    #[test]
    fn a_pool_gives_probabilities(seed: u64, certainty in proptest::array::uniform2(0.0_f64..4.0)) {
        let (probabilities, right) = drawn(seed, 20, &certainty);
        let opinions = opinions(&probabilities);
        let pool = ExponentPool::fit(&opinions, &right, SampleSize::independent(20)).unwrap();
        for row in pool.probabilities(&opinions).unwrap() {
            prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_average_is_never_worse_than_the_mean_on_its_fitting_samples(
        rows in proptest::collection::vec(proptest::array::uniform3(-5.0_f64..5.0), 1..30),
    ) {
        let right: Vec<f64> = rows.iter().map(|row| row[0] + 0.5 * row[2]).collect();
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
        let error = |pool: &AveragePool| -> f64 {
            rows.iter().zip(&right).map(|(row, y)| (pool.predict(row).unwrap() - y).powi(2)).sum()
        };
        let fitted = AveragePool::fit(&rows, &right, SampleSize::independent(right.len())).unwrap();
        prop_assert!(error(&fitted) <= error(&AveragePool::mean_of(3).unwrap()) + 1e-9);
    }
}

#[test]
fn the_exponent_of_a_head_of_noise_falls_to_nothing() {
    let fitted = |samples| {
        let (probabilities, right) = drawn(7, samples, &[3.0, 0.0]);
        ExponentPool::fit(
            &opinions(&probabilities),
            &right,
            SampleSize::independent(samples),
        )
        .unwrap()
    };
    let many = fitted(20_000);
    assert!(many.heads[1] < 0.02 && many.heads[0] > 1.0, "{many:?}");
}

#[test]
fn few_samples_leave_the_mean_nearly_as_it_is() {
    let (probabilities, right) = drawn(7, 2, &[3.0, 0.0]);
    let pool = ExponentPool::fit(&opinions(&probabilities), &right, SampleSize::independent(2)).unwrap();
    assert!(
        (pool.mean - 1.0).abs() < 0.2 && pool.heads.iter().all(|&e| e < 0.2),
        "{pool:?}"
    );
}

#[test]
fn what_cannot_be_pooled_is_said() {
    let mut opinions = Opinions::new(2, 2);
    assert_eq!(
        ExponentPool::fit(&opinions, &[], SampleSize::independent(0)),
        Err(PoolError::Empty)
    );
    assert!(
        opinions
            .push(&[&[0.5, 0.5]])
            .unwrap_err()
            .to_string()
            .contains("1 heads, expected 2")
    );
    assert!(
        opinions
            .push(&[&[0.5, f64::NAN], &[0.5, 0.5]])
            .unwrap_err()
            .to_string()
            .contains("NaN")
    );
    opinions.push(&[&[1.0, 0.0], &[0.5, 0.5]]).unwrap();
    assert!(
        ExponentPool::fit(&opinions, &[2], SampleSize::independent(1))
            .unwrap_err()
            .to_string()
            .contains('2')
    );
    assert!(AveragePool::fit(&[vec![1.0, f64::INFINITY]], &[0.0], SampleSize::independent(1)).is_err());
    assert_eq!(
        AveragePool::fit(&[], &[], SampleSize::independent(0)),
        Err(PoolError::Empty)
    );
}
