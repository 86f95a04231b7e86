#![allow(clippy::unwrap_used)]
use super::*;
use gblend_core::LEAST_GROUPS;
use proptest::prelude::*;
use serde::Deserialize;

static ACCURACY: MetricKind = MetricKind::share("accuracy", "accuracy");
static MAE: MetricKind = MetricKind::number("mae", "MAE", gblend_core::Better::Lower);

/// Figures of samples, each of one or two bits, and their groups.
fn figures(values: &[f64], group: impl Fn(usize) -> Option<String>) -> SampleFigures {
    named(values, |sample| sample.to_string(), group)
}

fn named(
    values: &[f64],
    name: impl Fn(usize) -> String,
    group: impl Fn(usize) -> Option<String>,
) -> SampleFigures {
    let names: Vec<(String, Option<String>)> = (0..values.len()).map(|at| (name(at), group(at))).collect();
    let samples = names.iter().zip(values);
    let samples = samples.map(|((name, group), value)| (name.as_str(), group.as_deref(), *value));
    SampleFigures::new(samples).unwrap()
}

fn no_group(_: usize) -> Option<String> {
    None
}

/// The interval of a mean, with figures that are those of the samples.
fn of(runs: &[SampleFigures], kind: &MetricKind) -> Estimate {
    let runs: Vec<Measured<'_>> = runs.iter().map(Measured::of).collect();
    estimate(&runs, kind)
}

fn between(runs: &[(SampleFigures, SampleFigures)], kind: &MetricKind) -> Difference {
    difference(
        "b",
        runs.iter().map(|(a, b)| (Measured::of(a), Measured::of(b))),
        kind,
        TestedOn::ItsOwn,
    )
    .unwrap()
}

fn parts_of(runs: &[SampleFigures]) -> VarianceParts {
    of(runs, &MAE).parts.unwrap()
}

/// What two methods get right, seed by seed and sample by sample.
fn right(
    seeds: std::ops::Range<usize>,
    samples: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<[Vec<f64>; 2]>> {
    (seeds, samples).prop_flat_map(|(seeds, samples)| {
        let bit = || prop::collection::vec((0_u8..2).prop_map(f64::from), samples);
        prop::collection::vec((bit(), bit()).prop_map(|(a, b)| [a, b]), seeds)
    })
}

fn pairs(
    seeds: &[[Vec<f64>; 2]],
    group: impl Fn(usize) -> Option<String> + Copy,
) -> Vec<(SampleFigures, SampleFigures)> {
    seeds
        .iter()
        .map(|[a, b]| (figures(a, group), figures(b, group)))
        .collect()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
}

#[derive(Deserialize)]
struct Reference {
    table: Vec<Vec<f64>>,
    mean: f64,
    of_seeds: f64,
    of_samples: f64,
    of_these_seeds: f64,
    half: f64,
}

#[test]
fn the_parts_are_those_of_statsmodels_analysis_of_variance() {
    // xtask/peers/intervals.py
    let text = include_str!("../../../tests/fixtures/intervals.json");
    let references: Vec<Reference> = serde_json::from_str(text).unwrap();
    assert_eq!(references.len(), 5);
    for expected in references {
        let runs: Vec<SampleFigures> = expected
            .table
            .iter()
            .map(|seed| figures(seed, no_group))
            .collect();
        let Estimate { mean, ci95, parts } = of(&runs, &MAE);
        let parts = parts.unwrap();
        assert!(
            near(mean, expected.mean) && near(ci95.unwrap(), expected.half),
            "{mean} {ci95:?}"
        );
        assert!(near(parts.of_seeds.unwrap(), expected.of_seeds), "{parts:?}");
        assert!(
            near(parts.of_samples, expected.of_samples),
            "{parts:?} {}",
            expected.of_samples
        );
        assert!(near(parts.of_these_seeds, expected.of_these_seeds), "{parts:?}");
    }
}

#[test]
fn the_interval_is_scipys() {
    // scipy.stats.t.ppf(0.975, 4) is 2.7764451051977987; the values' variance is 0.000139.
    let (mean, ci95) = mean_and_ci95(&[0.716, 0.73, 0.698, 0.72, 0.711]);
    assert!((mean - 0.715).abs() < 1e-12, "{mean}");
    assert!(
        (ci95.unwrap() - 2.7764451051977987 * (0.000139_f64 / 5.0).sqrt()).abs() < 1e-9,
        "{ci95:?}"
    );
}

#[test]
fn the_p_value_is_scipys_where_seeds_alone_are_known() {
    // scipy.stats.ttest_1samp(values, 0).pvalue
    let references: [(&[f64], f64); 2] = [
        (&[0.01, 0.02, 0.03, 0.04, 0.05], 0.013_235_599_563_682_69),
        (&[0.01, -0.02, 0.03, 0.005], 0.586_225_119_355_021_5),
    ];
    for (values, expected) in references {
        let found = difference(
            "b",
            values.iter().map(|&value| (value, 0.0)),
            &MAE,
            TestedOn::ItsOwn,
        )
        .unwrap();
        assert!((found.p.unwrap() - expected).abs() < 1e-6, "{found:?}");
    }
    let sure = difference(
        "b",
        (0..8).map(|seed| (0.5 + 1e-4 * f64::from(seed), 0.0)),
        &MAE,
        TestedOn::ItsOwn,
    )
    .unwrap();
    assert_eq!(sure.p, Some(1e-6));
    assert_eq!(
        difference("b", [(0.9, 0.1)], &MAE, TestedOn::ItsOwn).unwrap().p,
        None
    );
}

proptest! {
    #[test]
    fn a_p_value_is_below_a_twentieth_where_the_interval_leaves_out_0(seeds in right(3..6, 5..30)) {
        let found = between(&pairs(&seeds, no_group), &MAE);
        if let Some(p) = found.p {
            prop_assert!((0.0..=1.0).contains(&p));
            // To the bisection's last digits.
            prop_assert!(found.significant == (p < 0.05) || (p - 0.05).abs() < 1e-6, "{p} {found:?}");
        }
    }
}

#[test]
fn one_seed_has_no_interval_without_samples_and_two_mark_nothing() {
    let only = difference("equal", [(0.9, 0.1)], &ACCURACY, TestedOn::ItsOwn).unwrap();
    assert_eq!((only.ci95, only.significant, only.settles), (None, false, None));
    assert_eq!(difference::<f64>("equal", [], &ACCURACY, TestedOn::ItsOwn), None);
    let two = difference("equal", [(0.9, 0.1), (0.9, 0.1)], &ACCURACY, TestedOn::ItsOwn).unwrap();
    assert_eq!((two.ci95, two.significant), (Some(0.0), false));
}

#[test]
fn two_seeds_that_agree_leave_what_forty_samples_leave() {
    // One sample more in both seeds, but each time eight others that they differ by: ± 0.0 over seeds alone.
    let seed = |first: usize| {
        let of = |from: usize, to: usize| -> Vec<f64> {
            (0..40)
                .map(|at| f64::from(u8::from(at < 20 || (from..to).contains(&at))))
                .collect()
        };
        (
            figures(&of(first, first + 5), no_group),
            figures(&of(first + 5, first + 9), no_group),
        )
    };
    let found = between(&[seed(20), seed(30)], &ACCURACY);
    assert!((found.mean - 0.025).abs() < 1e-12);
    assert!(found.ci95.unwrap() > 0.1 && !found.significant, "{found:?}");
}

#[test]
fn methods_that_say_the_same_are_told_apart_by_three_of_all_samples() {
    for samples in [40, 400, 4000] {
        let values: Vec<f64> = (0..samples).map(|at| f64::from(u8::from(at % 3 > 0))).collect();
        for seeds in [1, 3, 8] {
            let same = vec![(figures(&values, no_group), figures(&values, no_group)); seeds];
            let found = between(&same, &ACCURACY);
            let of_three = found.ci95.unwrap() * samples as f64 / 3.0;
            assert!(
                (0.6..1.2).contains(&of_three) && !found.significant,
                "{samples} {seeds} {found:?}"
            );
            // Of what is no share, by three times what a sample usually has.
            assert!(between(&same, &MAE).ci95.unwrap() > 0.0);
        }
        // Right of all of them, three may still be wrong of as many others.
        let all = vec![figures(&vec![1.0; samples], no_group); 3];
        assert!(of(&all, &ACCURACY).ci95.unwrap() * samples as f64 > 1.0);
    }
}

#[test]
fn of_one_sample_an_interval_says_nothing() {
    for seeds in [1, 3] {
        let one = vec![(figures(&[1.0], no_group), figures(&[0.0], no_group)); seeds];
        let found = between(&one, &ACCURACY);
        assert_eq!(
            (found.mean, found.ci95, found.significant),
            (1.0, Some(1.0), false)
        );
        let number = vec![(figures(&[2.5], no_group), figures(&[0.5], no_group)); seeds];
        assert!(between(&number, &MAE).ci95.unwrap() > 2.0);
    }
}

#[test]
fn one_seed_has_the_interval_of_its_samples_and_marks_nothing() {
    // By scipy.stats: t.ppf(0.975, 39) · sqrt(0.9 · 0.1 / 39), of 36 and 0 of 40.
    let a: Vec<f64> = (0..40).map(|at| f64::from(u8::from(at < 36))).collect();
    let found = between(
        &[(figures(&a, no_group), figures(&[0.0; 40], no_group))],
        &ACCURACY,
    );
    assert!(
        (found.ci95.unwrap() - 2.022690901 * (0.09_f64 / 39.0).sqrt()).abs() < 1e-7,
        "{found:?}"
    );
    assert_eq!((found.significant, found.settles), (false, None));
    assert_eq!(found.parts.unwrap().of_seeds, None);
}

#[test]
fn test_samples_of_their_own_leave_seeds_with_students_t() {
    // Nothing is common to seeds, so their means are independent, and have the samples' part in them.
    let seeds = [
        [1.0, 2.0, 4.0, 3.0],
        [2.0, 2.0, 5.0, 6.0],
        [1.0, 1.0, 2.0, 7.0],
        [3.0, 4.0, 4.0, 3.0],
    ];
    let runs: Vec<SampleFigures> = seeds
        .iter()
        .enumerate()
        .map(|(seed, values)| named(values, |at| format!("{seed}-{at}"), no_group))
        .collect();
    let Estimate { ci95, parts, .. } = of(&runs, &MAE);
    let means: Vec<f64> = runs.iter().map(SampleFigures::mean).collect();
    let parts = parts.unwrap();
    assert!(parts.of_samples < 1e-12 && parts.samples == 16, "{parts:?}");
    assert!(parts.of_these_seeds > parts.of_seeds.unwrap(), "{parts:?}");
    let alone = mean_and_ci95(&means).1.unwrap();
    assert!(ci95.unwrap() >= alone / 2.0, "{ci95:?} {alone}");
    // Where seeds differ more than their samples explain, it is the interval of their means.
    let apart: Vec<SampleFigures> = seeds
        .iter()
        .enumerate()
        .map(|(seed, values)| {
            let far: Vec<f64> = values.iter().map(|value| value + 10.0 * seed as f64).collect();
            named(&far, |at| format!("{seed}-{at}"), no_group)
        })
        .collect();
    let means: Vec<f64> = apart.iter().map(SampleFigures::mean).collect();
    assert!(near(
        of(&apart, &MAE).ci95.unwrap(),
        mean_and_ci95(&means).1.unwrap()
    ));
}

#[test]
fn runs_on_other_samples_do_not_cancel() {
    let values: Vec<f64> = (0..40).map(|at| f64::from(u8::from(at % 4 > 0))).collect();
    let seeds = |name: &'static str| {
        let of = || {
            (
                figures(&values, no_group),
                named(&values, |at| format!("{name}{at}"), no_group),
            )
        };
        (0..3).map(|_| of()).collect::<Vec<_>>()
    };
    let (same, others) = (
        between(&seeds(""), &ACCURACY),
        between(&seeds("other "), &ACCURACY),
    );
    assert!(others.ci95.unwrap() > same.ci95.unwrap(), "{same:?} {others:?}");
    assert_eq!(
        (same.parts.unwrap().samples, others.parts.unwrap().samples),
        (40, 80)
    );
}

#[test]
fn groups_count_from_ten_on_and_samples_without_one_for_themselves() {
    let values: Vec<f64> = (0..36)
        .map(|at| f64::from(at / 4) + f64::from(at % 4) / 10.0)
        .collect();
    let by = |groups: usize| move |at: usize| Some((at % groups).to_string());
    let few = parts_of(&[figures(&values, by(9))]);
    assert_eq!((few.groups, few.few_groups), (None, Some(9)));
    assert_eq!(
        VarianceParts {
            few_groups: None,
            ..few
        },
        parts_of(&[figures(&values, no_group)])
    );
    let enough = parts_of(&[figures(&values, by(10))]);
    assert_eq!((enough.groups, enough.few_groups), (Some(10), None));
    let some = parts_of(&[figures(&values, |at| (at < 27).then(|| (at / 9).to_string()))]);
    assert_eq!((some.groups, some.few_groups), (Some(3), None));
    // Neighbors are alike, so their groups vary more than samples that are mixed.
    let alike = parts_of(&[figures(&values, |at| Some((at / 3).to_string()))]);
    assert!(
        alike.of_these_seeds > 2.0 * enough.of_these_seeds,
        "{alike:?} {enough:?}"
    );
}

#[test]
fn what_would_settle_a_difference_is_said_of_seeds_first_and_of_samples_where_no_seed_helps() {
    let parts = |of_seeds: f64, of_samples: f64| VarianceParts {
        seeds: 3,
        samples: 400,
        groups: None,
        few_groups: None,
        of_seeds: Some(of_seeds),
        seed_freedom: None,
        of_samples,
        of_these_seeds: of_samples,
        sample_freedom: 399.0,
    };
    let settled = |mean: f64, parts: &VarianceParts| {
        settles::settles(mean, 0.002, parts, TestedOn::ItsOwn, VarianceParts::half_width).unwrap()
    };
    assert_eq!(settled(0.001, &parts(1e-4, 0.0)), Settles::TooClose);
    // By scipy.stats, the fewest S with 0.02 > t.ppf(0.975, S − 1) · sqrt(3e-4 / S).
    assert_eq!(settled(0.02, &parts(1e-4, 0.0)), Settles::Seeds(6));
    let Settles::Samples {
        samples,
        seeds,
        groups,
    } = settled(0.02, &parts(1e-6, 4e-4))
    else {
        unreachable!("more samples")
    };
    // (1.96 / 0.02)² · 4e-4 times 400, and a little for the seeds.
    assert!(
        (1537..1800).contains(&samples) && seeds == 3 && groups.is_none(),
        "{samples} {seeds}"
    );
    assert_eq!(settled(-0.002, &parts(0.1, 0.1)), Settles::OutOfReach);
    let grouped = VarianceParts {
        groups: Some(20),
        ..parts(1e-6, 4e-4)
    };
    assert!(matches!(
        settled(0.02, &grouped),
        Settles::Samples {
            groups: Some(77..=90),
            ..
        }
    ));
}

#[test]
fn of_folds_no_seeds_are_promised_to_settle_what_only_other_samples_can() {
    // Five folds of 80 samples each, of which every one says the same under any seed: more seeds bring nothing.
    let fold = |fold: usize| {
        let values: Vec<f64> = (0..80)
            .map(|at| f64::from(u8::from((fold + at).is_multiple_of(9))))
            .collect();
        let other = named(&[0.0; 80], |at| (80 * fold + at).to_string(), no_group);
        (named(&values, |at| (80 * fold + at).to_string(), no_group), other)
    };
    let found = between(&[0, 1, 2, 3, 4].map(fold), &ACCURACY);
    let parts = found.parts.unwrap();
    let settled = |mean: f64, tested_on: TestedOn| {
        settles::settles(mean, 0.002, &parts, tested_on, VarianceParts::half_width).unwrap()
    };
    let mean = 0.5 * parts.of_these_seeds.sqrt();
    assert!(matches!(settled(mean, TestedOn::ItsOwn), Settles::Seeds(_)));
    let Settles::Samples { samples, seeds, .. } = settled(mean, TestedOn::Folds(5)) else {
        unreachable!("more samples")
    };
    // (1.96 / 0.5)² times 400, and what few folds add.
    assert!((6147..9000).contains(&samples) && seeds == 5, "{samples} {seeds}");
    // Where seeds help, as many as make every sample tested equally often.
    let noisy = VarianceParts {
        of_seeds: Some(100.0 * parts.of_these_seeds),
        seed_freedom: None,
        ..parts.clone()
    };
    let half = noisy.half_width().unwrap();
    let Settles::Seeds(seeds) = settles::settles(
        0.6 * half,
        0.002,
        &noisy,
        TestedOn::Folds(5),
        VarianceParts::half_width,
    )
    .unwrap() else {
        unreachable!("more seeds")
    };
    assert!(seeds > 5 && seeds.is_multiple_of(5), "{seeds}");
}

proptest! {
    #[test]
    fn what_both_share_cancels(
        values in proptest::collection::vec((-1.0_f64..1.0, -0.1_f64..0.1), 2..9), shift in -5.0_f64..5.0,
    ) {
        let of = |shift: f64| {
            let pairs = values.iter().map(|(common, own)| (common + own + shift, common + shift));
            difference("equal", pairs, &ACCURACY, TestedOn::ItsOwn)
        };
        let (here, there) = (of(0.0).unwrap(), of(shift).unwrap());
        prop_assert!((here.mean - there.mean).abs() < 1e-9);
        prop_assert!((here.ci95.unwrap() - there.ci95.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn what_both_share_cancels_sample_by_sample(
        seeds in prop::collection::vec(prop::collection::vec((-1.0_f64..1.0, -3.0_f64..3.0), 12), 1..6),
    ) {
        let of = |common: f64| {
            let runs: Vec<(SampleFigures, SampleFigures)> = seeds
                .iter()
                .map(|seed| {
                    let a: Vec<f64> = seed.iter().map(|(own, shared)| own + common * shared).collect();
                    let b: Vec<f64> = seed.iter().map(|(_, shared)| common * shared).collect();
                    (figures(&a, no_group), figures(&b, no_group))
                })
                .collect();
            between(&runs, &MAE)
        };
        let (here, there) = (of(1.0), of(7.0));
        prop_assert!((here.mean - there.mean).abs() < 1e-9);
        prop_assert!((here.ci95.unwrap() - there.ci95.unwrap()).abs() < 1e-7);
    }

    #[test]
    fn a_difference_is_the_other_one_turned_round(seeds in right(1..6, 1..40), grouped: bool) {
        let group = |at: usize| grouped.then(|| (at % 13).to_string());
        let here = between(&pairs(&seeds, group), &ACCURACY);
        let turned: Vec<[Vec<f64>; 2]> = seeds.iter().map(|[a, b]| [b.clone(), a.clone()]).collect();
        let there = between(&pairs(&turned, group), &ACCURACY);
        prop_assert!((here.mean + there.mean).abs() < 1e-12);
        prop_assert!((here.ci95.unwrap() - there.ci95.unwrap()).abs() < 1e-9);
        prop_assert_eq!((here.significant, here.settles), (there.significant, there.settles));
    }

    #[test]
    fn more_samples_of_the_same_kind_narrow_an_interval(seeds in right(1..6, 5..30)) {
        let more: Vec<[Vec<f64>; 2]> =
            seeds.iter().map(|seed| seed.each_ref().map(|values| values.repeat(4))).collect();
        let few = between(&pairs(&seeds, no_group), &ACCURACY);
        let many = between(&pairs(&more, no_group), &ACCURACY);
        prop_assert!((few.mean - many.mean).abs() < 1e-12);
        if seeds.len() == 1 {
            prop_assert!(many.ci95.unwrap() <= few.ci95.unwrap() + 1e-12, "{few:?} {many:?}");
        }
        let of_these_seeds = |of: &Difference| of.parts.as_ref().unwrap().of_these_seeds;
        prop_assert!(of_these_seeds(&many) < 0.5 * of_these_seeds(&few), "{few:?} {many:?}");
        // More of the same people do not.
        let group = |at: usize| Some((at % seeds[0][0].len()).to_string());
        let same = between(&pairs(&more, group), &ACCURACY);
        if seeds[0][0].len() >= LEAST_GROUPS && of_these_seeds(&few) > 0.01 {
            prop_assert!((of_these_seeds(&few) - of_these_seeds(&same)).abs() < 1e-9, "{few:?} {same:?}");
        }
    }

    #[test]
    fn an_interval_is_never_without_width_and_in_the_order_of_samples_there_is_nothing(
        seeds in right(1..6, 2..30), turn in 0_usize..30,
    ) {
        let found = between(&pairs(&seeds, no_group), &ACCURACY);
        prop_assert!(found.ci95.unwrap() > 0.0 && found.ci95.unwrap() <= 1.0);
        let count = seeds[0][0].len();
        let turn = turn % count;
        let turned: Vec<(SampleFigures, SampleFigures)> = seeds
            .iter()
            .map(|seed| {
                let [a, b] = seed.each_ref().map(|values| {
                    let mut values = values.clone();
                    values.rotate_left(turn);
                    named(&values, |at| ((at + turn) % count).to_string(), no_group)
                });
                (a, b)
            })
            .collect();
        // One run in another order than the rest, too.
        let mixed: Vec<_> = turned
            .into_iter()
            .zip(pairs(&seeds, no_group))
            .map(|((a, _), (_, b))| (a, b))
            .collect();
        let other = between(&mixed, &ACCURACY);
        prop_assert!((found.ci95.unwrap() - other.ci95.unwrap()).abs() < 1e-9, "{found:?} {other:?}");
    }

    #[test]
    fn what_settles_a_difference_leaves_out_0_and_one_seed_less_does_not(
        mean in 0.002_f64..0.2, of_seeds in 1e-7_f64..1e-2, share in 0.0_f64..1.0, of_samples in 0.0_f64..1e-3,
        seeds in prop_oneof![2_usize..9, 90_usize..400],
    ) {
        let parts = VarianceParts {
            seeds,
            samples: 300,
            groups: None,
            few_groups: None,
            of_seeds: Some(of_seeds),
            seed_freedom: None,
            of_samples,
            of_these_seeds: of_samples + share * of_seeds,
            sample_freedom: 299.0,
        };
        let half = |parts: &VarianceParts| parts.half_width().unwrap();
        let most = most_seeds(seeds);
        prop_assert!((half(&parts.expected(seeds, 1.0)) - half(&parts)).abs() < 1e-12);
        prop_assert!(half(&parts.expected(seeds + 1, 1.0)) <= half(&parts) + 1e-12);
        match settles::settles(mean, 0.002, &parts, TestedOn::ItsOwn, VarianceParts::half_width).unwrap() {
            Settles::Seeds(enough) => {
                prop_assert!(half(&parts.expected(enough, 1.0)) < mean);
                let fewest = (seeds + 1).max(LEAST_SEEDS);
                prop_assert!(enough == fewest || half(&parts.expected(enough - 1, 1.0)) >= mean);
            }
            Settles::Samples { samples, seeds, .. } => {
                prop_assert!(half(&parts.expected(most, 1.0)) >= mean);
                prop_assert!(half(&parts.expected(seeds, samples as f64 / 300.0)) < mean);
            }
            Settles::OutOfReach => prop_assert!(half(&parts.expected(most, 1000.0)) >= mean),
            Settles::TooClose => prop_assert!(false, "{mean} is not next to nothing"),
        }
    }
}
