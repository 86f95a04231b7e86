//! Mid-level concatenation: the answers of PyTorch, and what is refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::params::{load_state, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Dims4, Gradients, Plain};
use gblend_core::{
    Array, AutoDevice, Fusion, FusionContext, FusionInputs, FusionModule, ParamMut, ParamPath, ParamVisitor,
    Pass, Result, Seed, StageShape,
};
use gblend_modalities::fusion::MidConcat;
use serde::Deserialize;
use serde_json::{Value, json};

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
    stages: Vec<[usize; 4]>,
    maps: Vec<Vec<f32>>,
    parameters: BTreeMap<String, StoredParameter>,
    projection: Vec<f32>,
    output: Vec<f64>,
    map_gradients: Vec<Vec<f64>>,
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
    compared: usize,
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
        self.compared += 1;
        Ok(())
    }
}

#[test]
fn mid_level_concatenation_has_the_output_and_the_gradients_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/mid_concat.json")).unwrap();
    for stored in &fixture.cases {
        let stages: Vec<StageShape> = stored.stages.iter().copied().map(stage).collect();
        let mut module = build(&stored.fusion, &stages).unwrap();
        // Running statistics, which training does not read, stay as they are.
        let mut state = state_of(module.as_mut()).unwrap();
        for (path, parameter) in &stored.parameters {
            let array = Array::new(parameter.shape.as_slice(), parameter.values.clone());
            assert!(state.insert(path.clone(), array.unwrap()).is_some(), "{path}");
        }
        load_state(module.as_mut(), &state).unwrap();
        let given = stages.iter().zip(&stored.maps);
        let mut given: Vec<_> = given
            .map(|(&stage, values)| maps(values.clone(), stage, fixture.batch))
            .collect();
        let taped = given.iter().map(Plain::parameter).collect();
        let inputs = FusionInputs::of_stages(taped);
        let fused = module.fuse(inputs, &Pass::train(Seed::new(0))).unwrap();
        let error = relative_l2(&fused.to_vec(), &stored.output);
        assert!(error < 1e-5, "{} output: {error:e}", stored.fusion);
        let shape = (fixture.batch, module.fused_dim());
        let projection = Plain::new(&AutoDevice::default(), shape, stored.projection.clone()).unwrap();
        let product = multiply(fused, projection.enter(Recorder::for_data())).unwrap();
        let mut gradients = backward(sum(product).unwrap()).unwrap();
        for (maps, expected) in given.iter_mut().zip(&stored.map_gradients) {
            let found = ParamMut::from(maps).gradient(&mut gradients).unwrap();
            let error = relative_l2(found.values(), expected);
            assert!(error < 1e-5, "{} gradient of maps: {error:e}", stored.fusion);
        }
        let mut compare = Compare {
            stored,
            gradients,
            compared: 0,
        };
        module.visit_params(&ParamPath::root(), &mut compare).unwrap();
        assert_eq!(compare.compared, stored.parameters.len(), "{}", stored.fusion);
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
