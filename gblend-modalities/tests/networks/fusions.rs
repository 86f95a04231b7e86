//! Fusions: the answers of PyTorch, what is refused, and what must stay as it was.

use gblend_core::nn::fork;
use gblend_core::tensor::{Dims2, Plain};
use gblend_core::{
    AutoDevice, Fusion, FusionContext, FusionInputs, FusionModule, ParamMut, Pass, Result, Seed,
};
use gblend_modalities as _;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{Answer, check, gradients};

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
    feature_gradients: Vec<Vec<f64>>,
    #[serde(flatten)]
    answer: Answer,
}

#[test]
fn every_fusion_has_the_output_and_the_gradients_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/fusions.json")).unwrap();
    for kind in all() {
        let kinds = fixture.cases.iter().map(|stored| &stored.fusion["kind"]);
        assert!(kinds.into_iter().any(|stored| *stored == kind["kind"]), "{kind}");
    }
    for stored in &fixture.cases {
        let (name, answer) = (stored.fusion.to_string(), &stored.answer);
        let mut module = build(&stored.fusion, &stored.lengths).unwrap();
        answer.load_into(module.as_mut());
        let features = stored.features.iter();
        let mut features: Vec<_> = features
            .map(|values| matrix(values.clone(), fixture.batch))
            .collect();
        let taped = features.iter().map(Plain::parameter).collect();
        let fused = module
            .fuse(FusionInputs::of_features(taped), &Pass::train(Seed::new(0)))
            .unwrap();
        answer.check_output(&name, &fused);
        let mut gradients = gradients(fused, answer.projection.clone());
        for (features, expected) in features.iter_mut().zip(&stored.feature_gradients) {
            let found = ParamMut::from(features).gradient(&mut gradients).unwrap();
            check(&format!("{name} gradient of features"), found.values(), expected);
        }
        answer.check_gradients(&name, module.as_mut(), gradients);
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
            let mut gradients = gradients(fused, vec![1.0; 2 * width]);
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
        gradients(fused, vec![1.0; 2 * width]);
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
