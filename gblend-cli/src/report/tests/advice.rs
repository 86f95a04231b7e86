//! Every reason for advice, alone.

use super::*;
use crate::records::{Comparison, Difference, Simplex, SimplexPoint};
use crate::report::advice::{of_comparison, of_run};
use crate::report::reading::Compared;

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

#[test]
fn a_weight_that_collapsed_or_took_all_is_told_with_its_size() {
    let found = advice(|run| run.summary.heads[0].weight = 0.013);
    only(&found, &["camera 0.013", "blend.smoothing"]);
    let found = advice(|run| run.summary.heads[2].weight = 0.0);
    only(&found, &["joint 0.000", "blend.joint_floor"]);
    let found = advice(|run| run.summary.heads[1].weight = 0.95);
    only(&found, &["sound 0.950", "blend.cap"]);
}

#[test]
fn weights_that_were_given_are_not_questioned() {
    let found = advice(|run| {
        run.summary.strategy = "unimodal".into();
        run.summary.heads[0].weight = 0.0;
        run.summary.heads[1].weight = 1.0;
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn heads_that_gain_nothing_are_named_and_all_of_them_are_another_matter() {
    let found = advice(|run| run.summary.blends[0].heads[0].delta_g = -0.01);
    only(&found, &["camera −0.010", "gain nothing"]);
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
    let found = advice(|run| run.summary.blends[0].heads[1].weight_high = Some(0.81));
    only(&found, &["sound [0.30, 0.81]", "blend.held_out"]);
}

#[test]
fn a_joint_head_below_the_best_single_one_is_told_with_both_figures() {
    let found = advice(|run| run.summary.heads[1].test_accuracy = 0.85);
    only(&found, &["80.0 %", "sound alone 85.0 %"]);
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
        &["joint after epoch 2", "0.800", "1.00"],
    );
    // Training that gets no better either is no overfitting.
    let found = advice(|run| {
        rise(run, 2);
        run.epochs[3].heads[2].train.as_mut().unwrap().loss = 5.0;
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn another_way_of_predicting_has_to_be_better_by_more_than_the_noise() {
    // 1.96 √(0.8 · 0.2 / 100 + 0.95 · 0.05 / 100) is 0.089.
    let found = advice(|run| run.summary.predictions[1].test_accuracy = 0.95);
    only(&found, &["mean", "95.0 %", "15.0 points", "blend.predict"]);
    let found = advice(|run| run.summary.predictions[1].test_accuracy = 0.88);
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
    run.summary.heads[1].test_accuracy = 0.99;
    run.summary.predictions[1].test_accuracy = 0.99;
    assert_eq!(of_run(&run), Vec::<String>::new());
    run.summary.heads[1].test_mean_average_precision = Some(0.75);
    only(
        &of_run(&run),
        &["mean average precision of 70.0 %", "sound alone 75.0 %"],
    );
}

/// Advice about a comparison, changed; the unchanged one has none.
fn compared(change: impl FnOnce(&mut Comparison)) -> Vec<String> {
    let advice = |result: Comparison| {
        of_comparison(&Compared {
            name: "c".into(),
            config: None,
            result,
            cells: Vec::new(),
        })
    };
    let mut result = page::comparison(&[0.7, 0.8, 0.9]);
    result.left_out.clear();
    assert_eq!(advice(result.clone()), Vec::<String>::new());
    change(&mut result);
    advice(result)
}

fn worse(to: &str, significant: bool) -> Option<Difference> {
    Some(Difference {
        to: to.into(),
        mean: -0.034,
        ci95: Some(0.01),
        significant,
    })
}

#[test]
fn a_blend_below_the_best_single_modality_is_told_whether_or_not_chance_explains_it() {
    let of = |significant| {
        compared(|all| all.rows[3].paired_difference_to_best_single = worse("single:sound", significant))
    };
    only(
        &of(true),
        &["ogr is 3.4 points below single:sound", "beyond chance"],
    );
    only(
        &of(false),
        &["ogr is 3.4 points below single:sound", "chance explains"],
    );
}

#[test]
fn a_blend_below_equal_weights_is_told_only_beyond_chance() {
    let of =
        |significant| compared(|all| all.rows[3].paired_difference_to_equal = worse("equal", significant));
    only(&of(true), &["3.4 points below equal weights", "blend.held_out"]);
    assert_eq!(of(false), Vec::<String>::new());
}

#[test]
fn few_seeds_and_runs_without_a_result_are_told() {
    only(
        &compared(|all| all.rows[0].seeds.truncate(2)),
        &["as few seeds as 2"],
    );
    let left_out = page::comparison(&[0.5]).left_out;
    only(&compared(|all| all.left_out = left_out), &["without a result: 1"]);
}

#[test]
fn fewer_modalities_that_are_better_say_which() {
    let found = compared(|all| {
        let mut row = all.rows[3].clone();
        row.modalities.pop();
        all.modalities.push("depth".into());
        for row in &mut all.rows[2..] {
            row.modalities.push("depth".into());
        }
        row.modalities.push("depth".into());
        row.mean = 0.95;
        all.rows.push(row);
    });
    only(&found, &["ogr on camera + depth reaches 95.0 %", "80.0 %"]);
}

#[test]
fn better_fixed_weights_are_told_beyond_chance() {
    let of = |significant| {
        compared(|all| {
            let point = SimplexPoint {
                weights: vec![1.0],
                test_accuracy: Vec::new(),
                mean: 0.5,
            };
            all.simplex = Some(Simplex {
                heads: vec!["joint".into()],
                steps: 1,
                points: Vec::new(),
                estimate: point,
                regret: Difference {
                    to: "ogr".into(),
                    mean: 0.025,
                    ci95: Some(0.01),
                    significant,
                },
            });
        })
    };
    only(&of(true), &["2.5 points better"]);
    assert_eq!(of(false), Vec::<String>::new());
}
