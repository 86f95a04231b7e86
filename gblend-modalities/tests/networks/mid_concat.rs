//! Mid-level concatenation: the answers of PyTorch, and what is refused.

use gblend_core::tensor::{Dims4, Plain};
use gblend_core::{
    AutoDevice, Fusion, FusionContext, FusionInputs, FusionModule, ParamMut, Pass, Result, Seed, StageShape,
};
use gblend_modalities::fusion::MidConcat;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{Answer, check, gradients};

fn build(table: &Value, stages: &[StageShape]) -> Result<Box<dyn FusionModule>> {
    let fusion: Box<dyn Fusion> = serde_json::from_value(table.clone()).unwrap();
    fusion.build(&FusionContext {
        device: &AutoDevice::default(),
        feature_dims: &vec![1; stages.len()],
        stages,
        seed: Seed::new(3),
    })
}

fn stage([channels, height, width, frames]: [usize; 4]) -> StageShape {
    StageShape {
        channels,
        height,
        width,
        frames,
    }
}

fn maps(values: Vec<f32>, stage: StageShape, batch: usize) -> Plain<Dims4> {
    Plain::new(&AutoDevice::default(), stage.of_batch(batch), values).unwrap()
}

#[derive(Deserialize)]
struct Fixture {
    batch: usize,
    cases: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    fusion: Value,
    stages: Vec<[usize; 4]>,
    maps: Vec<Vec<f32>>,
    map_gradients: Vec<Vec<f64>>,
    #[serde(flatten)]
    answer: Answer,
}

#[test]
fn mid_level_concatenation_has_the_output_and_the_gradients_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/mid_concat.json")).unwrap();
    for stored in &fixture.cases {
        let (name, answer) = (stored.fusion.to_string(), &stored.answer);
        let stages: Vec<StageShape> = stored.stages.iter().copied().map(stage).collect();
        let mut module = build(&stored.fusion, &stages).unwrap();
        answer.load_into(module.as_mut());
        let given = stages.iter().zip(&stored.maps);
        let mut given: Vec<_> = given
            .map(|(&stage, values)| maps(values.clone(), stage, fixture.batch))
            .collect();
        let taped = given.iter().map(Plain::parameter).collect();
        let inputs = FusionInputs::of_stages(taped);
        let fused = module.fuse(inputs, &Pass::train(Seed::new(0))).unwrap();
        answer.check_output(&name, &fused);
        let mut gradients = gradients(fused, answer.projection.clone());
        for (maps, expected) in given.iter_mut().zip(&stored.map_gradients) {
            let found = ParamMut::from(maps).gradient(&mut gradients).unwrap();
            check(&format!("{name} gradient of maps"), found.values(), expected);
        }
        answer.check_gradients(&name, module.as_mut(), gradients);
    }
}

#[test]
fn maps_of_another_number_shape_or_batch_are_refused() {
    let (one, other) = (stage([2, 4, 3, 2]), stage([3, 2, 2, 1]));
    let mut module = build(&json!({"kind": "mid-concat"}), &[one, other]).unwrap();
    let pass = Pass::evaluate();
    for shapes in [
        vec![],
        vec![one.of_batch(2)],
        vec![one.of_batch(2), other.of_batch(2), other.of_batch(2)],
        vec![other.of_batch(2), one.of_batch(2)],
        vec![one.of_batch(2), other.of_batch(3)],
        vec![(2, 4, 3, 3), other.of_batch(2)],
        vec![one.of_batch(0), other.of_batch(0)],
    ] {
        let given = shapes.iter().map(|&shape| {
            let zeros = Plain::filled(&AutoDevice::default(), shape, 0.0).unwrap();
            zeros.enter(pass.recorder())
        });
        let error = module
            .fuse(FusionInputs::of_stages(given.collect()), &pass)
            .unwrap_err();
        assert!(
            matches!(error, gblend_core::Error::Shape { .. }),
            "{shapes:?}: {error}"
        );
    }
}

#[test]
fn settings_out_of_range_are_refused_by_their_key() {
    for (table, key) in [
        (json!({"kind": "mid-concat", "channels": []}), "channels = []"),
        (json!({"kind": "mid-concat", "channels": [4, 0]}), "channels = 0"),
        (json!({"kind": "mid-concat", "blocks": 0}), "blocks = 0"),
    ] {
        // A module has no `Debug`, so `unwrap_err` is not at hand.
        let error = build(&table, &[stage([1, 2, 2, 1])]).err().unwrap().to_string();
        assert!(error.starts_with(key), "{table}: {error}");
    }
    assert!(build(&json!({"kind": "mid-concat"}), &[]).is_err());
}

#[test]
fn the_last_stage_but_one_is_taken_unless_another_is_asked_for() {
    let asked = |stage| MidConcat {
        stage,
        ..MidConcat::default()
    };
    let among = |stage| asked(stage).stage().unwrap().among(4);
    assert_eq!(
        [None, Some(1), Some(4), Some(5), Some(0)].map(among),
        [Some(3), Some(1), Some(4), None, None]
    );
}
