//! Every reason for advice, alone: made-up results, each of which calls for another sentence.

use gblend_core::{Finding, MetricKind, WeightSource};
use gblend_optim::blend::ogr::Policy;
use gblend_optim::blend::{Dwa, Equal, Unimodal};

use super::*;
use crate::records::{ClassWeight, Comparison, Difference, Row, Simplex, SimplexPoint, TestedOn, difference};
use crate::report::advice::{of_comparison, of_run};
use crate::report::reading::{Cell, Compared};

static ACCURACY: MetricKind = MetricKind::share("accuracy", "accuracy");

/// Advice about the run, changed; the unchanged one has none.
fn advice(change: impl FnOnce(&mut Run)) -> Vec<String> {
    let mut run = run();
    assert_eq!(of_run(&run), Vec::<String>::new());
    change(&mut run);
    of_run(&run)
}

fn only(advice: &[String], parts: &[&str]) {
    let [one] = advice else {
        panic!("expected one, found {advice:?}");
    };
    for part in parts {
        assert!(one.contains(part), "`{part}` is not in: {one}");
    }
}

/// Training losses of a head, epoch by epoch, and validation losses a little above.
fn losses(run: &mut Run, head: usize, losses: [f64; 4]) {
    for (epoch, loss) in run.epochs.iter_mut().zip(losses) {
        epoch.heads[head].train.as_mut().unwrap().loss = loss;
        epoch.heads[head].validation.as_mut().unwrap().loss = 1.05 * loss;
    }
}

/// What heads, and every way of predicting, reach on the test samples.
fn reach(run: &mut Run, accuracies: [f64; 3]) {
    for (head, accuracy) in run.summary.heads.iter_mut().zip(accuracies) {
        head.test_accuracy = Some(accuracy);
    }
    for rule in &mut run.summary.predictions {
        rule.test_accuracy = Some(accuracies[2]);
    }
}

#[test]
fn a_weight_that_starved_or_took_all_is_told_with_its_size() {
    let found = advice(|run| run.summary.heads[0].weight = 0.013);
    only(&found, &["camera 0.013", "blend.smoothing"]);
    let found = advice(|run| run.summary.heads[2].weight = 0.001);
    only(&found, &["joint 0.001", "blend.joint_floor", "blend.predict"]);
    let found = advice(|run| run.summary.heads[1].weight = 0.95);
    only(&found, &["sound 0.950", "blend.cap"]);
}

#[test]
fn a_policy_that_is_on_is_not_advised() {
    let dominant = |run: &mut Run| run.summary.heads[1].weight = 0.95;
    let found = advice(dominant);
    assert!(!found[0].contains("robust"), "{found:?}");
    let found = advice(|run| {
        dominant(run);
        let policy = Policy::Paper;
        run.advice = advice_of(&Ogr {
            policy,
            ..Ogr::default()
        });
    });
    only(&found, &["blend.policy = \"robust\""]);
}

#[test]
fn a_rule_of_predicting_that_is_on_is_not_advised() {
    let found = advice(|run| {
        run.summary.predict = PredictionRule::Blend;
        run.summary.heads[2].weight = 0.001;
    });
    assert!(!found[0].contains("blend.predict"), "{found:?}");
}

#[test]
fn a_strategy_answers_a_finding_with_settings_of_its_own() {
    let found = advice(|run| {
        run.summary.heads[0].weight = 0.013;
        run.advice = advice_of(&Dwa { temperature: 3.0 });
    });
    only(&found, &["camera 0.013", "blend.temperature above 3"]);
}

#[test]
fn a_strategy_that_has_no_answer_is_spoken_for() {
    for finding in Finding::ALL {
        let found = advice(|run| {
            run.advice = Advice::of(WeightSource::Adapted);
            match finding {
                Finding::StarvedHead => run.summary.heads[0].weight = 0.013,
                Finding::StarvedJoint => run.summary.heads[2].weight = 0.001,
                Finding::DominantHead => run.summary.heads[1].weight = 0.95,
                Finding::NoGain => {
                    let heads = run.summary.blends[0].heads.iter_mut();
                    heads.for_each(|head| head.delta_g = 0.0);
                }
                Finding::HeadsWithoutGain => {
                    let head = &mut run.summary.blends[0].heads[0];
                    (head.delta_g, head.delta_g_interval) = (-0.1, None);
                }
                Finding::WideInterval => run.summary.blends[0].heads[1].weight_high = Some(0.91),
                Finding::JointBelowSingle => reach(run, [0.5, 0.9, 0.7]),
                // Of comparisons.
                _ => run.advice.remarks.push("Of comparisons.".into()),
            }
        });
        let [one] = found.as_slice() else {
            panic!("{finding:?}: expected one, found {found:?}");
        };
        assert!(one.ends_with('.') && !one.contains("  "), "{one}");
    }
}

#[test]
fn weights_that_were_given_are_not_questioned() {
    let unimodal = Unimodal { head: "sound".into() };
    let given: [&dyn BlendStrategy; 2] = [&Equal {}, &unimodal];
    for strategy in given {
        let found = advice(|run| {
            run.advice = advice_of(strategy);
            run.summary.heads[0].weight = 0.0;
            run.summary.heads[1].weight = 1.0;
        });
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn remarks_of_a_strategy_are_shown_whatever_the_run_reached() {
    let remark = "It rained on the hydrophone in 3 of 4 epochs.";
    let found = advice(|run| run.advice.remarks.push(remark.into()));
    assert_eq!(found, [remark]);
}

#[test]
fn heads_that_gain_nothing_are_named_and_all_of_them_are_another_matter() {
    let found = advice(|run| {
        let head = &mut run.summary.blends[0].heads[0];
        head.delta_g = -0.01;
        head.delta_g_interval = Some(Interval {
            low: -0.02,
            high: -0.001,
        });
    });
    only(&found, &["camera −0.010", "gain nothing"]);
    // An interval on both sides of 0 tells nothing.
    let found = advice(|run| {
        let head = &mut run.summary.blends[0].heads[0];
        head.delta_g = -0.01;
        head.delta_g_interval = Some(Interval { low: -0.2, high: 0.1 });
    });
    assert_eq!(found, Vec::<String>::new());
    let found = advice(|run| {
        run.summary.blends[0]
            .heads
            .iter_mut()
            .for_each(|head| head.delta_g = 0.0);
    });
    only(&found, &["No head gains", "blend.no_gain"]);
}

#[test]
fn the_last_estimate_counts() {
    let found = advice(|run| {
        run.summary.blends[0].heads[0].delta_g = -1.0;
        run.summary.blends.push(estimate(2));
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_wide_interval_asks_for_more_samples() {
    let found = advice(|run| run.summary.blends[0].heads[1].weight_high = Some(0.85));
    only(&found, &["sound [0.34, 0.85]", "blend.held_out (0.2)"]);
}

#[test]
fn what_weights_are_worth_is_said_where_they_are_near_equal_ones_or_far_from_them() {
    let with = |intervals: [(f64, f64); 3]| {
        advice(|run| {
            for (head, (low, high)) in run.summary.blends[0].heads.iter_mut().zip(intervals) {
                (head.weight_low, head.weight_high) = (Some(low), Some(high));
            }
        })
    };
    let found = with([(0.3, 0.4), (0.2, 0.34), (0.33, 0.5)]);
    only(&found, &["0.33, is in the interval of every weight", "\"equal\""]);
    let found = with([(0.05, 0.16), (0.4, 0.6), (0.3, 0.4)]);
    only(&found, &["camera [0.05, 0.16]", "--methods equal,ogr"]);
    // The fusion is no modality.
    assert_eq!(with([(0.4, 0.5), (0.4, 0.5), (0.05, 0.1)]), Vec::<String>::new());
    let given = advice(|run| {
        run.advice = advice_of(&Equal::default());
        run.summary.blends[0].heads.iter_mut().for_each(|head| {
            (head.weight_low, head.weight_high) = (Some(0.3), Some(0.4));
        });
    });
    assert_eq!(given, Vec::<String>::new());
}

#[test]
fn a_joint_head_below_the_best_single_one_is_told_with_both_figures_and_their_noise() {
    // 1.96 √(0.8 · 0.2 / 100 + 0.95 · 0.05 / 100) is 0.089.
    let found = advice(|run| run.summary.heads[1].test_accuracy = Some(0.95));
    only(
        &found,
        &["80.0 %", "sound alone 95.0 %", "15.0 points", "± 8.9", "(rgb)"],
    );
    let found = advice(|run| run.summary.heads[1].test_accuracy = Some(0.88));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_network_that_has_learned_nothing_is_told_to_train_and_nothing_else() {
    let found = advice(|run| {
        (0..3).for_each(|head| losses(run, head, [0.72, 0.70, 0.695, 0.69]));
        // What would call for other advice.
        reach(run, [0.52, 0.75, 0.45]);
        run.summary.heads[0].weight = 0.001;
        run.summary.blends[0]
            .heads
            .iter_mut()
            .for_each(|head| head.delta_g = -0.1);
    });
    only(
        &found,
        &["Nothing is learned yet", "joint 0.690", "(0.693)", "run.epochs"],
    );
}

#[test]
fn some_heads_that_have_learned_nothing_are_named() {
    let found = advice(|run| losses(run, 0, [0.72, 0.70, 0.695, 0.69]));
    only(&found, &["some heads (camera 0.690)", "(0.693)"]);
}

#[test]
fn a_loss_that_still_falls_asks_for_more_epochs_before_the_fusion_is_blamed() {
    let found = advice(|run| {
        losses(run, 2, [0.6, 0.5, 0.4, 0.3]);
        reach(run, [0.5, 0.95, 0.7]);
    });
    only(
        &found,
        &["still fell", "joint from 0.400 to 0.300", "run.epochs, 4 here"],
    );
    // Another head that still falls does not excuse the joint one.
    let found = advice(|run| {
        losses(run, 0, [0.6, 0.5, 0.4, 0.3]);
        reach(run, [0.5, 0.95, 0.7]);
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("camera from") && found[1].contains("sound alone"));
}

#[test]
fn a_loss_that_falls_while_validation_rises_is_no_reason_for_more_epochs() {
    let found = advice(|run| {
        losses(run, 2, [0.6, 0.5, 0.4, 0.3]);
        for (epoch, loss) in run.epochs.iter_mut().zip([0.6, 0.5, 0.6, 0.7]) {
            epoch.heads[2].validation.as_mut().unwrap().loss = loss;
        }
    });
    only(&found, &["validation loss rises", "joint after epoch 2"]);
}

#[test]
fn a_run_at_chance_that_fits_its_training_samples_is_told_so_and_its_fusion_is_left_alone() {
    let found = advice(|run| reach(run, [0.5, 0.65, 0.5]));
    only(&found, &["better than guessing", "50.0 %", "augmentation"]);
    // Beyond the interval of 100 samples there is something to judge.
    let found = advice(|run| reach(run, [0.5, 0.95, 0.7]));
    only(&found, &["sound alone 95.0 %"]);
}

#[test]
fn overfitting_is_a_validation_loss_that_rises_while_the_training_loss_falls() {
    let rise = |run: &mut Run, head: usize| {
        for (epoch, loss) in run.epochs.iter_mut().zip([1.0, 0.8, 0.9, 1.0]) {
            epoch.heads[head].validation.as_mut().unwrap().loss = loss;
        }
    };
    only(
        &advice(|run| rise(run, 2)),
        &["joint after epoch 2", "0.800", "1.00", "run.select"],
    );
    // The best epoch was taken: nobody needs to be told to.
    let found = advice(|run| {
        rise(run, 2);
        run.summary.selected_epoch = 2;
    });
    only(&found, &["joint after epoch 2", "taken already"]);
    // Training that gets no better either is no overfitting.
    let found = advice(|run| {
        rise(run, 2);
        run.epochs[3].heads[2].train.as_mut().unwrap().loss = 0.6;
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn another_way_of_predicting_has_to_be_better_by_more_than_the_noise() {
    // 1.96 √(0.8 · 0.2 / 100 + 0.95 · 0.05 / 100) is 0.089.
    let found = advice(|run| run.summary.predictions[1].test_accuracy = Some(0.95));
    only(
        &found,
        &["mean of the heads", "95.0 %", "15.0 points", "blend.predict"],
    );
    let found = advice(|run| run.summary.predictions[1].test_accuracy = Some(0.88));
    assert_eq!(found, Vec::<String>::new());
    // What the run predicts from already is no advice.
    let found = advice(|run| {
        run.summary.predictions[1].test_accuracy = Some(0.95);
        run.summary.predict = PredictionRule::Mean;
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn waiting_for_data_is_told_above_a_tenth() {
    let found = advice(|run| run.summary.seconds.waiting = 1.5);
    only(&found, &["15.0 %", "run.memory"]);
    let found = advice(|run| run.summary.seconds.train = 0.0);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_run_without_validation_samples_is_told_which_key_sets_some_aside() {
    let found = advice(|run| {
        let heads = run.epochs.iter_mut().flat_map(|epoch| &mut epoch.heads);
        heads.for_each(|head| head.validation = None);
    });
    only(&found, &["run.validation"]);
}

#[test]
fn several_labels_are_judged_by_their_mean_average_precision() {
    let mut run = several_labels();
    assert_eq!(of_run(&run), Vec::<String>::new());
    // Exactly right is not what counts.
    run.summary.heads[1].test_accuracy = Some(0.99);
    run.summary.predictions[1].test_accuracy = Some(0.99);
    assert_eq!(of_run(&run), Vec::<String>::new());
    run.summary.heads[1].test_mean_average_precision = Some(0.85);
    only(
        &of_run(&run),
        &["mean average precision of 70.0 %", "sound alone 85.0 %"],
    );
}

/// A run that finds half of a class that 80 of 1000 test samples have, and all others.
fn misses_a_rare_class(run: &mut Run) {
    for head in 0..3 {
        losses(run, head, [0.3, 0.15, 0.11, 0.1]);
    }
    let prediction = &mut run.test.as_mut().unwrap().prediction;
    prediction.samples = 1000;
    prediction.counts = Counts::Matrix(vec![vec![920, 0], vec![40, 40]]);
    for rule in &mut run.summary.predictions {
        rule.test_accuracy = Some(0.96);
        rule.test_metrics.insert("balanced_accuracy".into(), 0.75);
    }
}

#[test]
fn a_rare_class_that_is_missed_is_told_with_the_settings_that_help_unless_one_is_on() {
    let found = advice(misses_a_rare_class);
    only(
        &found,
        &[
            "96.0 %",
            "75.0 %",
            "`bell`, which 80 of the test samples have, 50.0 %",
            "class_weights = \"balanced\"",
            "run.sampler = \"balanced\"",
        ],
    );
    let found = advice(|run| {
        misses_a_rare_class(run);
        let weight = |class: &str, weight: f64| ClassWeight {
            class: class.into(),
            weight,
            without: None,
        };
        run.summary.class_weights = vec![weight("ball", 0.5435), weight("bell", 6.25)];
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_weighted_loss_is_held_against_that_of_guessing_under_the_weights() {
    // Above the loss of knowing that one in 12 has the class, 0.28, and below that of knowing nothing, 0.69.
    let weighted = |run: &mut Run| {
        misses_a_rare_class(run);
        for head in 0..3 {
            losses(run, head, [0.6, 0.4, 0.31, 0.3]);
        }
    };
    assert!(advice(weighted)[0].contains("Nothing is learned yet"));
    let found = advice(|run| {
        weighted(run);
        let weights = [("ball", 0.5435), ("bell", 6.25)].map(|(class, weight)| ClassWeight {
            class: class.into(),
            weight,
            without: None,
        });
        run.summary.class_weights = weights.to_vec();
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn an_older_run_has_the_advice_that_its_configured_strategy_gives_today() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run();
    run.summary.heads[0].weight = 0.013;
    let read = |run: &Run| {
        write(folder.path(), run);
        std::fs::remove_file(folder.path().join("advice.json")).unwrap();
        Run::read(folder.path()).unwrap().advice
    };
    assert_eq!(read(&run), advice_of(&Ogr::default()));
    run.config = run.config.replace("ogr", "equal");
    run.summary.strategy = "equal".into();
    assert_eq!(read(&run).weights, WeightSource::Given);
    // Of a strategy that this binary does not have, nobody knows more.
    run.config = run.config.replace("equal", "sonar");
    run.summary.strategy = "sonar".into();
    assert_eq!(read(&run), Advice::default());
}

/// Accuracies of the rows that a comparison has, in their order; all the same in the unchanged one.
const ROWS: [&str; 5] = ["single:camera", "single:sound", "equal", "ogr", "pretrained"];

/// A comparison whose rows have these accuracies, seed by seed, and runs whose strategies say what they do.
fn comparison(accuracies: [[f64; 3]; 5]) -> Compared {
    let mut result = page::comparison(&[0.7, 0.8, 0.9]);
    result.left_out.clear();
    let mut last = result.rows[3].clone();
    last.method = ROWS[4].into();
    result.rows.push(last);
    let to = |name: &str, own: [f64; 3], other: [f64; 3]| {
        difference(name, own.into_iter().zip(other), &ACCURACY, TestedOn::ItsOwn)
    };
    for (row, own) in result.rows.iter_mut().zip(accuracies) {
        row.mean = own.iter().sum::<f64>() / 3.0;
        row.test_accuracy = own.into();
        row.paired_difference_to_best_single = to(ROWS[1], own, accuracies[1]);
        row.paired_difference_to_equal = to(ROWS[2], own, accuracies[2]);
        row.paired_difference_to_joint = None;
    }
    let cells = |row: &Row| {
        let mut run = run();
        if row.method != "ogr" {
            run.advice = advice_of(&Equal {});
        }
        if row.method == "pretrained" {
            let pretrained = "\n[modality.camera]\npretrained = \"cells/single-camera/seed-0\"\n";
            run.config = run.config.replace("ogr", "joint") + pretrained;
        }
        vec![Cell {
            seed: 0,
            run: Some(run),
            samples: None,
        }]
    };
    Compared {
        name: "c".into(),
        config: None,
        cells: result.rows.iter().map(cells).collect(),
        result,
    }
}

/// Three seeds around a mean, far enough apart for an interval and near enough for a point to be beyond chance.
fn around(mean: f64) -> [f64; 3] {
    [mean - 0.001, mean, mean + 0.001]
}

/// As [`around`], in an order that leaves a difference of some points to chance.
fn scattered(mean: f64) -> [f64; 3] {
    [mean + 0.1, mean, mean - 0.1]
}

/// Advice about a comparison, changed; the unchanged one has none.
fn compared(change: impl FnOnce(&mut Compared)) -> Vec<String> {
    let mut compared = comparison([around(0.8); 5]);
    assert_eq!(of_comparison(&compared), Vec::<String>::new());
    change(&mut compared);
    of_comparison(&compared)
}

/// Advice about a comparison of these means.
fn means(means: [f64; 5]) -> Vec<String> {
    of_comparison(&comparison(means.map(around)))
}

#[test]
fn modalities_that_add_little_are_told_only_if_nothing_with_all_of_them_leads() {
    let found = means([0.7, 0.8, 0.7, 0.766, 0.75]);
    only(
        &found,
        &[
            "ogr is 3.4 ± 0.0 points below single:sound",
            "nothing with every modality",
            "little to add",
            "blend.joint_floor",
        ],
    );
}

#[test]
fn a_method_that_leads_with_all_modalities_shows_that_they_add_something() {
    let found = means([0.7, 0.8, 0.7, 0.766, 0.87]);
    only(
        &found,
        &[
            "ogr is 3.4 ± 0.0 points below single:sound",
            "pretrained is 7.0 ± 0.0 points above it",
            "do add to each other",
            "It has blend.kind = \"joint\", modality",
        ],
    );
    assert!(!found[0].contains("little to add"), "{found:?}");
}

#[test]
fn a_difference_that_chance_explains_asks_for_more_seeds() {
    let mut rows = [around(0.8); 5];
    rows[3] = scattered(0.766);
    let found = of_comparison(&comparison(rows));
    only(&found, &["ogr is 3.4", "chance explains", "--seeds"]);
}

#[test]
fn training_that_had_not_ended_is_told_where_modalities_seem_to_add_little() {
    let mut compared = comparison([0.7, 0.8, 0.7, 0.766, 0.75].map(around));
    let shown = compared.cells[3][0].run.as_mut().unwrap();
    losses(shown, 2, [0.6, 0.5, 0.4, 0.3]);
    only(&of_comparison(&compared), &["little to add", "longer training"]);
}

#[test]
fn a_blend_below_equal_weights_is_told_only_beyond_chance() {
    let found = means([0.7, 0.75, 0.834, 0.8, 0.8]);
    only(
        &found,
        &["3.4 ± 0.0 points below equal weights", "blend.held_out"],
    );
    let mut rows = [0.7, 0.75, 0.834, 0.8, 0.8].map(around);
    rows[2] = scattered(0.834);
    assert_eq!(of_comparison(&comparison(rows)), Vec::<String>::new());
}

#[test]
fn a_method_above_the_blend_is_told_with_what_trains_so() {
    let found = means([0.7, 0.75, 0.8, 0.8, 0.87]);
    only(
        &found,
        &[
            "pretrained is 7.0 ± 0.0 points above ogr",
            "It has blend.kind = \"joint\", modality",
        ],
    );
}

#[test]
fn weights_that_were_given_are_no_blend_to_judge() {
    let found = compared(|all| {
        for cell in all.cells.iter_mut().flatten() {
            cell.run.as_mut().unwrap().advice = advice_of(&Equal {});
        }
        all.result.rows[3].paired_difference_to_equal = Some(Difference {
            to: "equal".into(),
            mean: -0.1,
            ci95: Some(0.01),
            significant: true,
            parts: None,
            settles: None,
            p: None,
        });
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn two_seeds_mark_nothing_and_are_told() {
    let found = compared(|all| {
        for row in &mut all.result.rows {
            row.seeds.truncate(2);
            row.test_accuracy.truncate(2);
        }
        all.result.rows[3].paired_difference_to_equal = Some(Difference {
            to: "equal".into(),
            mean: -0.1,
            ci95: Some(0.01),
            significant: true,
            parts: None,
            settles: None,
            p: None,
        });
    });
    only(&found, &["as few seeds as 2"]);
}

#[test]
fn runs_without_a_result_are_told() {
    let left_out = page::comparison(&[0.5]).left_out;
    only(
        &compared(|all| all.result.left_out = left_out),
        &["without a result: 1"],
    );
}

#[test]
fn fewer_modalities_that_are_better_say_which() {
    let of = |accuracies: [f64; 3]| {
        compared(|all| {
            let mut row = all.result.rows[3].clone();
            all.result.modalities.push("depth".into());
            for row in &mut all.result.rows[2..] {
                row.modalities.push("depth".into());
            }
            row.modalities = vec!["camera".into(), "depth".into()];
            row.mean = 0.95;
            row.test_accuracy = accuracies.into();
            all.result.rows.push(row);
        })
    };
    only(
        &of(around(0.95)),
        &[
            "ogr on camera + depth reaches 95.0 %",
            "15.0 ± 0.0 points",
            "80.0 %",
        ],
    );
    assert_eq!(of([0.9, 0.6, 0.95]), Vec::<String>::new());
}

#[test]
fn better_fixed_weights_are_told_beyond_chance() {
    let of = |significant| {
        compared(|all| {
            let point = SimplexPoint {
                weights: vec![1.0],
                test_accuracy: vec![0.5; 3],
                test_metrics: BTreeMap::new(),
                mean: 0.5,
            };
            all.result.simplex = Some(Simplex {
                heads: vec!["joint".into()],
                steps: 1,
                points: Vec::new(),
                estimate: point,
                regret: Difference {
                    to: "ogr".into(),
                    mean: 0.025,
                    ci95: Some(0.01),
                    significant,
                    parts: None,
                    settles: None,
                    p: None,
                },
            });
        })
    };
    only(&of(true), &["2.5 ± 1.0 points better", "blend.kind = \"fixed\""]);
    assert_eq!(of(false), Vec::<String>::new());
}

#[test]
fn a_comparison_whose_runs_are_gone_says_what_its_table_shows() {
    let found = compared(|all| {
        all.cells.iter_mut().flatten().for_each(|cell| cell.run = None);
        all.result.rows[0].seeds.truncate(1);
    });
    only(&found, &["as few seeds as 1"]);
    let empty: Comparison = Comparison {
        rows: Vec::new(),
        ..comparison([around(0.8); 5]).result
    };
    let compared = Compared {
        name: "c".into(),
        config: None,
        cells: Vec::new(),
        result: empty,
    };
    only(&of_comparison(&compared), &["as few seeds as 0"]);
}
