//! The estimators on a network without batch statistics, where Proposition 1 can be checked to first order, and the
//! traps that an estimator can fall into.
#![allow(clippy::unwrap_used, missing_docs)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use gblend_cli::config::Config;
use gblend_cli::data::{Evaluable, Splits};
use gblend_cli::evaluation::evaluate;
use gblend_cli::network::ActiveHeads;
use gblend_cli::progress::Reporter;
use gblend_cli::training::probe::{StartingPoint, estimate};
use gblend_cli::training::session::Session;
use gblend_core::nn::{Linear, tanh};
use gblend_core::ogr::Movements;
use gblend_core::params::{Module, ParamPath, ParamVisitor, state_of};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::Features;
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, EstimateRequest, Estimator, Media, MediaKind, Modality, Pass,
    ProbeLength, Result, typetag,
};

/// The first values of a sound through one smooth layer: no batch statistics, no kinks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
struct Smooth {}

#[typetag::serde(name = "smooth")]
impl Modality for Smooth {
    fn media(&self) -> MediaKind {
        MediaKind::Waveform
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        match media {
            Media::Waveform(sound) => {
                Array::new([24], sound.samples.iter().take(24).map(|s| 4.0 * s).collect())
            }
            other => Err(Error::data("smooth", other.kind())),
        }
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(SmoothEncoder(Linear::new(cx.device, 24, 8, cx.seed)?)))
    }
}

gblend_core::register!(Modality, "smooth" => Smooth);

struct SmoothEncoder(Linear);

impl Encoder for SmoothEncoder {
    fn feature_dim(&self) -> usize {
        8
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        tanh(self.0.forward(batch.rows(pass.recorder())?)?)
    }
}

impl Module for SmoothEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.0.visit_params(&path.join("linear"), visitor)
    }
}

/// One full-batch step of plain gradient descent per epoch.
fn smooth(learning_rate: f64, modalities: [&str; 2], batch_size: usize) -> Config {
    let text = smooth_text(learning_rate, modalities, batch_size);
    Config::parse("smooth", &text, PathBuf::from("."), &[]).unwrap()
}

fn smooth_text(learning_rate: f64, modalities: [&str; 2], batch_size: usize) -> String {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("estimators-{}", std::process::id()));
    let [first, second] = modalities;
    format!(
        r#"
        [run]
        epochs = 3
        batch_size = {batch_size}
        validation = 0
        cache = "{}"
        [data]
        kind = "scene"
        train_samples = 120
        test_samples = 8
        frames = 1
        size = 8
        seconds = 0.02
        [modality.{first}]
        kind = "smooth"
        source = "microphone"
        [modality.{second}]
        kind = "smooth"
        source = "microphone"
        [fusion]
        kind = "concat"
        head = {{ hidden = [] }}
        [blend]
        kind = "ogr"
        [optimizer]
        kind = "sgd"
        momentum = 0
        learning_rate = {learning_rate}
        "#,
        cache.display()
    )
}

fn with_session<T>(config: &Config, work: impl FnOnce(&Session<'_>, &Splits) -> T) -> T {
    let (session, splits) = Session::open(config, &Reporter::new(true)).unwrap();
    work(&session, &splits)
}

fn movements(config: &Config, estimator: Estimator) -> Movements {
    with_session(config, |session, splits| {
        let state = state_of(&mut session.build_model().unwrap()).unwrap();
        let request = EstimateRequest {
            estimator,
            resamples: 0,
        };
        let live = StartingPoint {
            epoch: 0,
            schedule_step: 0,
        };
        let reporter = Reporter::new(true);
        let estimate = estimate(session, splits, &state, &request, live, None, &reporter)
            .unwrap()
            .estimate;
        estimate.movements
    })
}

fn probe(epochs: usize) -> Estimator {
    Estimator::Probe {
        epochs: vec![epochs],
        length: ProbeLength::Joint,
    }
}

#[test]
fn a_small_full_batch_step_moves_by_the_inner_products_to_first_order() {
    let products = movements(
        &smooth(1.0, ["a", "b"], 1000),
        Estimator::Gradient { batches: Some(1) },
    );
    let errors = |rate: f64| -> Vec<f64> {
        let moved = movements(&smooth(rate, ["a", "b"], 1000), probe(1));
        let ratio = |measured: &[f64], expected: &[f64]| -> Vec<f64> {
            let pairs = measured.iter().zip(expected);
            pairs.map(|(m, e)| m / (rate * e) - 1.0).collect()
        };
        let gains = ratio(&moved.delta_g, &products.delta_g);
        gains
            .into_iter()
            .chain(ratio(&moved.delta_o, &products.delta_o))
            .collect()
    };
    let (coarse, fine, finest) = (errors(2.0), errors(1.0), errors(0.1));
    for ((coarse, fine), finest) in coarse.iter().zip(&fine).zip(&finest) {
        // First order: half the step, half the error; a tenth, a tenth. The rest is of second order.
        assert!(
            (fine - coarse / 2.0).abs() < 0.1 * coarse.abs() + 0.005,
            "{coarse} {fine}"
        );
        assert!(
            (finest - fine / 10.0).abs() < 0.1 * fine.abs() + 0.001,
            "{fine} {finest}"
        );
        assert!(finest.abs() < 0.02, "{finest}");
    }
    let largest = coarse.iter().fold(0.0_f64, |most, error| most.max(error.abs()));
    assert!(
        largest > 0.01,
        "the large step has no error to speak of: {coarse:?}"
    );
}

#[test]
fn the_baseline_is_taken_before_the_first_epoch() {
    // Had it been taken after, a probe of one epoch would not move.
    let moved = movements(&smooth(0.2, ["a", "b"], 16), probe(1));
    assert!(moved.delta_g.iter().all(|&gain| gain.abs() > 1e-4), "{moved:?}");
}

#[test]
fn of_several_lengths_all_heads_have_the_joint_one_s_or_each_the_one_that_generalizes_best() {
    // With steps so large, probes turn; after how many epochs, the last digits of sums may decide, which differ by processor. So
    // there are several rates.
    let turns = [4.0, 8.0, 12.0, 16.0, 20.0].map(chosen_lengths);
    assert!(
        turns.iter().flatten().any(|&length| length != turns[0][0]),
        "all heads turn at once, at any rate: {turns:?}"
    );
    assert!(
        turns
            .iter()
            .any(|heads| heads.iter().any(|length| *length != heads[2])),
        "the heads of a network turn at once: {turns:?}"
    );
}

/// Of the lengths 1, 2 and 4, the position of the one after which each head has gained most, at a learning rate; and that estimates
/// of several lengths are those of these.
fn chosen_lengths(rate: f64) -> [usize; 3] {
    let lengths = [1, 2, 4];
    let config = smooth(rate, ["a", "b"], 16);
    let fixed = lengths.map(|length| movements(&config, probe(length)));
    let of = |length| {
        movements(
            &config,
            Estimator::Probe {
                epochs: lengths.to_vec(),
                length,
            },
        )
    };
    let best = |head: usize| {
        let gains = fixed.iter().enumerate();
        gains
            .max_by(|(_, a), (_, b)| a.delta_g[head].total_cmp(&b.delta_g[head]))
            .unwrap()
            .0
    };
    let (joint, each) = (of(ProbeLength::Joint), of(ProbeLength::Each));
    assert_eq!(joint, fixed[best(2)], "rate {rate}");
    for head in 0..3 {
        let own = &fixed[best(head)];
        assert_eq!(
            (each.delta_g[head], each.delta_o[head]),
            (own.delta_g[head], own.delta_o[head]),
            "rate {rate}, head {head}"
        );
    }
    [0, 1, 2].map(best)
}

#[test]
fn nothing_is_carried_over_from_one_head_to_the_next() {
    let one = movements(&smooth(0.2, ["a", "b"], 16), probe(2));
    let other = movements(&smooth(0.2, ["b", "a"], 16), probe(2));
    assert_eq!(
        (one.delta_g[0], one.delta_o[0]),
        (other.delta_g[1], other.delta_o[1])
    );
    assert_eq!(
        (one.delta_g[1], one.delta_o[1]),
        (other.delta_g[0], other.delta_o[0])
    );
    assert_ne!(one.delta_g[0], one.delta_g[1]);
}

#[test]
fn the_evaluation_batch_size_does_not_matter() {
    let config = smooth(0.2, ["a", "b"], 16);
    with_session(&config, |session, splits| {
        let mut model = session.build_model().unwrap();
        let active = ActiveHeads::all(3);
        let loader = session.loader(active.encoders());
        let mut losses = |size: usize| {
            let size = NonZeroUsize::new(size).unwrap();
            let held_out: &dyn Evaluable = &splits.held_out;
            let evaluation = evaluate(&mut model, &loader, held_out, size, &session.device, &active).unwrap();
            evaluation
                .metrics(model.criteria())
                .unwrap()
                .into_iter()
                .map(|score| score.unwrap().loss)
                .collect::<Vec<_>>()
        };
        let (whole, small) = (losses(1000), losses(7));
        for (whole, small) in whole.iter().zip(small) {
            assert!((whole - small).abs() < 1e-6 * whole, "{whole} {small}");
        }
    });
}

#[test]
fn evaluation_moves_no_parameter_and_no_running_statistic() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("estimators-{}", std::process::id()));
    let set = format!("run.cache={}", cache.display()).parse().unwrap();
    let config = Config::parse("tiny", gblend_tests::TINY, std::env::temp_dir(), &[set]).unwrap();
    with_session(&config, |session, splits| {
        let mut model = session.build_model().unwrap();
        let before = state_of(&mut model).unwrap();
        let active = ActiveHeads::all(4);
        let loader = session.loader(active.encoders());
        evaluate(
            &mut model,
            &loader,
            &splits.train,
            session.batch_size(),
            &session.device,
            &active,
        )
        .unwrap();
        assert_eq!(state_of(&mut model).unwrap(), before);
    });
}

#[test]
fn a_fusion_of_maps_refuses_an_encoder_without_stages_by_its_modality() {
    let text = smooth_text(0.2, ["a", "b"], 16).replace("\"concat\"", "\"mid-concat\"");
    let config = Config::parse("smooth", &text, PathBuf::from("."), &[]).unwrap();
    with_session(&config, |session, _| {
        let error = session.build_model().err().unwrap().to_string();
        for part in [
            "fusion.kind = \"mid-concat\"",
            "modality `a` (kind `smooth`)",
            "\"concat\"",
        ] {
            assert!(error.contains(part), "{error}");
        }
    });
}

#[test]
fn held_out_validation_and_test_samples_are_never_in_the_training_subset() {
    let config = smooth(0.2, ["a", "b"], 16);
    with_session(&config, |session, splits| {
        let subset = splits.train.subset(1000, session.seed("any"));
        assert_eq!(subset.samples(), splits.train.samples());
        assert!(
            splits
                .held_out
                .samples()
                .iter()
                .all(|sample| !subset.samples().contains(sample))
        );
        assert_eq!(splits.held_out.samples().len(), 24);
    });
}
