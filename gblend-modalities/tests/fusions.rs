//! Fusions: the answers of PyTorch, what is refused, and what must stay as it was.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use gblend_core::nn::{backward, fork, multiply, sum};
use gblend_core::params::{State, load_state};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Dims2, Features, Gradients, Plain};
use gblend_core::{
    Array, AutoDevice, Fusion, FusionContext, FusionInputs, FusionModule, ParamMut, ParamPath, ParamVisitor,
    Pass, Result, Seed,
};
use gblend_modalities as _;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// Every fusion with small settings.
fn all() -> Vec<Value> {
    vec![
        json!({"kind": "concat"}),
        json!({"kind": "sum", "width": 5}),
        json!({"kind": "gated", "width": 5}),
        json!({"kind": "gated", "width": 5, "gates": "competing"}),
        json!({"kind": "film", "width": 5}),
        json!({"kind": "lmf", "width": 5, "rank": 2}),
        json!({"kind": "se", "reduction": 2}),
        json!({"kind": "attention", "width": 6, "heads": 2}),
    ]
}

fn build(table: &Value, feature_dims: &[usize]) -> Result<Box<dyn FusionModule>> {
    let fusion: Box<dyn Fusion> = serde_json::from_value(table.clone()).unwrap();
    fusion.build(&FusionContext {
        device: &AutoDevice::default(),
        feature_dims,
        stages: &[],
        seed: Seed::new(3),
    })
}

fn matrix(values: Vec<f32>, rows: usize) -> Plain<Dims2> {
    let columns = values.len() / rows;
    Plain::new(&AutoDevice::default(), (rows, columns), values).unwrap()
}

/// The gradients of `Σ fused · projection`.
fn gradients(fused: Features, projection: &Plain<Dims2>) -> Gradients {
    let product = multiply(fused, projection.enter(Recorder::for_data())).unwrap();
    backward(sum(product).unwrap()).unwrap()
}

fn relative_l2(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(&a, b)| f64::from(a) - b);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut differences.into_iter()) / norm(&mut expected.iter().copied()).max(1e-12)
}

#[derive(Deserialize)]
struct Fixture {
    batch: usize,
    cases: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    fusion: Value,
    lengths: Vec<usize>,
    features: Vec<Vec<f32>>,
    parameters: BTreeMap<String, StoredParameter>,
    projection: Vec<f32>,
    output: Vec<f64>,
    feature_gradients: Vec<Vec<f64>>,
    parameter_gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct StoredParameter {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Holds every parameter's gradient against PyTorch's.
struct Compare<'a> {
    stored: &'a Stored,
    gradients: Gradients,
    worst: f64,
}

impl ParamVisitor for Compare<'_> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let found = param.gradient(&mut self.gradients)?;
        let error = relative_l2(found.values(), &self.stored.parameter_gradients[path.as_str()]);
        assert!(
            error < 1e-5,
            "{} gradient of {path}: {error:e}",
            self.stored.fusion
        );
        self.worst = self.worst.max(error);
        Ok(())
    }
}

#[test]
fn every_fusion_has_the_output_and_the_gradients_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/fusions.json")).unwrap();
    for kind in all() {
        let kinds = fixture.cases.iter().map(|stored| &stored.fusion["kind"]);
        assert!(kinds.into_iter().any(|stored| *stored == kind["kind"]), "{kind}");
    }
    for stored in &fixture.cases {
        let mut module = build(&stored.fusion, &stored.lengths).unwrap();
        let state: State = stored
            .parameters
            .iter()
            .map(|(path, parameter)| {
                let array = Array::new(parameter.shape.as_slice(), parameter.values.clone());
                (path.clone(), array.unwrap())
            })
            .collect();
        load_state(module.as_mut(), &state).unwrap();
        let mut features: Vec<_> = stored
            .features
            .iter()
            .map(|values| matrix(values.clone(), fixture.batch))
            .collect();
        let taped = features.iter().map(Plain::parameter).collect();
        let fused = module
            .fuse(FusionInputs::of_features(taped), &Pass::train(Seed::new(0)))
            .unwrap();
        let mut worst = relative_l2(&fused.to_vec(), &stored.output);
        assert!(worst < 1e-5, "{} output: {worst:e}", stored.fusion);
        let projection = matrix(stored.projection.clone(), fixture.batch);
        let mut gradients = gradients(fused, &projection);
        for (features, expected) in features.iter_mut().zip(&stored.feature_gradients) {
            let found = ParamMut::from(features).gradient(&mut gradients).unwrap();
            let error = relative_l2(found.values(), expected);
            assert!(error < 1e-5, "{} gradient of features: {error:e}", stored.fusion);
            worst = worst.max(error);
        }
        let mut compare = Compare {
            stored,
            gradients,
            worst,
        };
        module.visit_params(&ParamPath::root(), &mut compare).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Large values, and zeros as a missing modality has them.
    #[test]
    fn outputs_and_gradients_are_finite_for_any_features(
        values in proptest::collection::vec(prop_oneof![Just(0.0), -1.0..1.0_f32, -1e4..1e4_f32], 2 * 9)
    ) {
        for table in all() {
            let mut module = build(&table, &[4, 2, 3]).unwrap();
            let mut features = [(0, 8), (8, 12), (12, 18)].map(|(from, to)| matrix(values[from..to].to_vec(), 2));
            let taped = features.iter().map(Plain::parameter).collect();
            let fused = module.fuse(FusionInputs::of_features(taped), &Pass::train(Seed::new(0))).unwrap();
            let width = module.fused_dim();
            prop_assert!(fused.to_vec().iter().all(|value| value.is_finite()), "{table}");
            let mut gradients = gradients(fused, &matrix(vec![1.0; 2 * width], 2));
            for features in &mut features {
                let gradient = ParamMut::from(features).gradient(&mut gradients).unwrap();
                prop_assert!(gradient.values().iter().all(|value| value.is_finite()), "{table}");
            }
        }
    }
}

#[test]
fn the_features_that_a_modalitys_own_head_reads_stay_as_they_were() {
    for table in all() {
        let mut module = build(&table, &[3, 4]).unwrap();
        let encoded = [
            matrix(vec![0.5, -1.0, 2.0, 0.25, -0.5, 1.5], 2),
            matrix(vec![1.0, -2.0, 0.0, 3.0, 0.5, -0.5, 1.5, 2.5], 2),
        ];
        let before = encoded.each_ref().map(Plain::to_vec);
        // As encoders give them: a gradient is wanted.
        let (to_joint, to_own): (Vec<_>, Vec<_>) =
            encoded.iter().map(|features| fork(features.parameter())).unzip();
        let fused = module
            .fuse(FusionInputs::of_features(to_joint), &Pass::train(Seed::new(1)))
            .unwrap();
        let width = module.fused_dim();
        gradients(fused, &matrix(vec![1.0; 2 * width], 2));
        for (own, before) in to_own.iter().zip(&before) {
            assert_eq!(own.to_vec(), *before, "{table}");
        }
    }
}

#[test]
fn features_of_another_number_length_or_batch_are_refused() {
    let pass = Pass::evaluate();
    for table in all() {
        let mut module = build(&table, &[2, 3]).unwrap();
        for shapes in [
            vec![],
            vec![(2, 2)],
            vec![(2, 2), (2, 3), (2, 1)],
            vec![(2, 3), (2, 2)],
            vec![(2, 2), (2, 4)],
            vec![(2, 2), (3, 3)],
        ] {
            let features = shapes.iter().map(|&(rows, columns)| {
                let plain = matrix(vec![1.0; rows * columns], rows);
                plain.enter(pass.recorder())
            });
            let error = module
                .fuse(FusionInputs::of_features(features.collect()), &pass)
                .unwrap_err();
            assert!(
                matches!(error, gblend_core::Error::Shape { .. }),
                "{table} {shapes:?}: {error}"
            );
        }
    }
}

#[test]
fn settings_out_of_range_are_refused_by_their_key() {
    let lengths: &[usize] = &[4, 4];
    for (table, lengths, key) in [
        (json!({"kind": "sum", "width": 0}), lengths, "width = 0"),
        (json!({"kind": "gated", "width": 0}), lengths, "width = 0"),
        (
            json!({"kind": "gated", "gates": "competing"}),
            &[4],
            "gates = \"competing\"",
        ),
        (json!({"kind": "film", "width": 0}), lengths, "width = 0"),
        (json!({"kind": "film"}), &[4], "kind = \"film\""),
        (json!({"kind": "lmf", "width": 0}), lengths, "width = 0"),
        (json!({"kind": "lmf", "rank": 0}), lengths, "rank = 0"),
        (json!({"kind": "se", "reduction": 0}), lengths, "reduction = 0"),
        (json!({"kind": "attention", "width": 0}), lengths, "width = 0"),
        (json!({"kind": "attention", "heads": 0}), lengths, "heads = 0"),
        (
            json!({"kind": "attention", "width": 10, "heads": 4}),
            lengths,
            "width = 10",
        ),
        (json!({"kind": "attention"}), &[4], "kind = \"attention\""),
    ] {
        // A module has no `Debug`, so `unwrap_err` is not at hand.
        let error = build(&table, lengths)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.starts_with(key), "{table}: {error}");
    }
}
