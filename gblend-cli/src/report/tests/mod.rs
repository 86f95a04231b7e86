//! Pages about folders that are written here, through the types that runs and comparisons write.
#![allow(clippy::unwrap_used, clippy::panic)]

mod advice;
mod damage;
mod feature_space;
mod page;

use std::collections::BTreeMap;
use std::path::Path;

use gblend_core::ogr::Interval;
use gblend_core::{Advice, BlendReport, BlendStrategy, HeadReport, Heads, Measurement};
use gblend_optim::blend::Ogr;
use serde::Serialize;

use super::reading::Run;
use crate::records::{
    Calibration, CalibrationBin, ClassCounts, Confusion, Counts, EpochMetrics, HeadMetrics, HeadSummary,
    Metrics, Neighbors, PredictionRule, PredictionSummary, Score, Seconds, StrategyAdvice, SubsetScore,
    Summary, TestDetails,
};

const HEADS: [&str; 3] = ["camera", "sound", "joint"];

/// What a strategy says of a run.
fn advice_of(strategy: &dyn BlendStrategy) -> Advice {
    let heads = Heads::new(HEADS[..2].iter().map(|&name| name.to_owned())).unwrap();
    strategy.start(&heads).unwrap().advice()
}

/// A run with nothing to say about: its losses have come to rest well below those of guessing, 0.69.
fn run() -> Run {
    let accuracies = [0.5, 0.6, 0.8];
    let weights = [0.3, 0.4, 0.3];
    let heads = HEADS.iter().enumerate().map(|(head, name)| HeadSummary {
        name: (*name).to_owned(),
        kind: "rgb".into(),
        test_samples: 100,
        objective: None,
        test_accuracy: Some(accuracies[head]),
        test_macro_f1: Some(accuracies[head]),
        test_metrics: BTreeMap::new(),
        test_mean_average_precision: None,
        test_loss: Some(1.0),
        weight: weights[head],
    });
    let predictions = PredictionRule::ALL.map(|rule| PredictionSummary {
        rule,
        test_accuracy: Some(0.8),
        test_macro_f1: Some(0.8),
        test_metrics: BTreeMap::new(),
        test_mean_average_precision: None,
        test_loss: 1.0,
    });
    let matrix = |right: u64| Counts::Matrix(vec![vec![right, 50 - right], vec![50 - right, right]]);
    let confusion = |name: &str, right: u64| Confusion {
        name: name.into(),
        samples: 100,
        counts: matrix(right),
    };
    let losses = [0.6, 0.4, 0.31, 0.3];
    let epochs = losses.iter().zip(1..).map(|(loss, epoch)| EpochMetrics {
        epoch,
        refit: false,
        step: epoch as u64,
        learning_rate: 0.1,
        largest_gradient_norm: None,
        selection: None,
        heads: HEADS
            .iter()
            .zip(weights)
            .map(|(name, weight)| HeadMetrics {
                name: (*name).to_owned(),
                weight,
                train: Some(Score {
                    accuracy: Some(0.5),
                    loss: *loss,
                }),
                validation: Some(Metrics {
                    accuracy: Some(0.5),
                    loss: 1.05 * loss,
                    macro_f1: Some(0.5),
                    ..Metrics::default()
                }),
            })
            .collect(),
        seconds: 1.0,
        waited_seconds: 0.0,
    });
    Run {
        name: "run".into(),
        begun: None,
        stopped: None,
        config: "[run]\nseed = 0\n\n[blend]\nkind = \"ogr\"\n".into(),
        epochs: epochs.collect(),
        summary: Summary {
            seed: 0,
            device: "cpu".into(),
            threads: 2,
            strategy: "ogr".into(),
            contest: None,
            objective: None,
            class_weights: Vec::new(),
            samples_skipped: 0,
            samples_unlabeled: 0,
            epochs: 4,
            ended_before: Vec::new(),
            selected_epoch: 4,
            selection: None,
            refitted: false,
            heads: heads.collect(),
            predict: PredictionRule::Joint,
            predictions: predictions.to_vec(),
            pool: None,
            blends: vec![estimate(0)],
            feature_space: None,
            seconds: Seconds {
                prepare: 1.0,
                train: 10.0,
                waiting: 0.5,
                recompute: 0.0,
                refit: 0.0,
                estimate: 5.0,
                folds: 0.0,
                evaluate: 1.0,
                total: 18.0,
            },
            samples_per_second: 100.0,
            peak_rss_bytes: Some(200 << 20),
        },
        test: Some(TestDetails {
            classes: vec!["ball".into(), "bell".into()],
            prediction: confusion("joint", 40),
            heads: vec![
                confusion("camera", 25),
                confusion("sound", 30),
                confusion("joint", 40),
            ],
            calibration: vec![Calibration {
                name: "joint".into(),
                error: 0.0625,
                bins: vec![
                    CalibrationBin {
                        count: 20,
                        probability: 0.6,
                        share: 0.55,
                    },
                    CalibrationBin {
                        count: 40,
                        probability: 0.9,
                        share: 0.825,
                    },
                ],
            }],
            subsets: vec![SubsetScore {
                modalities: vec!["camera".into()],
                accuracy: Some(0.4),
                metrics: BTreeMap::new(),
                loss: 1.0,
            }],
        }),
        neighbors: None,
        advice: advice_of(&Ogr::default()),
    }
}

/// An estimate in which every head gains, and is measured well.
fn estimate(epoch: usize) -> BlendReport {
    let heads = HEADS
        .iter()
        .zip([0.3, 0.4, 0.3])
        .map(|(name, weight)| HeadReport {
            name: (*name).to_owned(),
            delta_o: 0.2,
            delta_g: 0.5,
            ogr: Some(0.4),
            weight,
            delta_o_interval: Some(Interval { low: 0.1, high: 0.3 }),
            delta_g_interval: Some(Interval { low: 0.4, high: 0.6 }),
            ogr_interval: Some(Interval { low: 0.2, high: 0.7 }),
            weight_low: Some(weight - 0.06),
            weight_high: Some(weight + 0.06),
        });
    BlendReport {
        epoch,
        estimator: Measurement::Probe,
        probe_epochs: Some(2),
        gradients: None,
        heads: heads.collect(),
        ogr_blend: Some(0.3),
        ogr_blend_interval: None,
        warnings: Vec::new(),
    }
}

/// The same run with several labels for each sample.
fn several_labels() -> Run {
    let mut run = run();
    run.summary
        .heads
        .iter_mut()
        .for_each(|head| head.test_mean_average_precision = Some(0.7));
    run.summary
        .predictions
        .iter_mut()
        .for_each(|rule| rule.test_mean_average_precision = Some(0.7));
    if let Some(test) = &mut run.test {
        for confusion in test.heads.iter_mut().chain([&mut test.prediction]) {
            let counts = ClassCounts {
                true_positives: 20,
                false_positives: 5,
                false_negatives: 10,
                true_negatives: 65,
            };
            confusion.counts = Counts::PerClass(vec![counts; 2]);
        }
    }
    run
}

/// Writes a run as `gblend train` does, but for the parameters.
fn write(folder: &Path, run: &Run) {
    std::fs::create_dir_all(folder).unwrap();
    let json =
        |name: &str, value: &dyn erased::Json| std::fs::write(folder.join(name), value.json()).unwrap();
    json("summary.json", &run.summary);
    if let Some(test) = &run.test {
        json("test.json", test);
    }
    if let Some(neighbors) = &run.neighbors {
        json(Neighbors::FILE, neighbors);
    }
    let said = StrategyAdvice::new(&run.summary.strategy, run.advice.clone());
    json("advice.json", &said);
    std::fs::write(folder.join("config.toml"), &run.config).unwrap();
    let mut lines: Vec<String> = run
        .epochs
        .iter()
        .map(|epoch| serde_json::to_string(epoch).unwrap())
        .collect();
    let blend = serde_json::json!({ "blend": estimate(0), "seconds": 1.5 });
    lines.insert(0, blend.to_string());
    std::fs::write(folder.join("metrics.jsonl"), lines.join("\n") + "\n").unwrap();
}

/// `serde_json` wants to know the type.
mod erased {
    use super::Serialize;

    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}
