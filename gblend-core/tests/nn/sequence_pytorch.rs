//! Layers of vectors, sequences and texts against float64 answers of PyTorch, stored by `xtask/peers/sequences.py`.

use std::collections::BTreeMap;

use gblend_core::nn::{Embedding, Mask, Steps};
use gblend_core::params::{Module, load_state, state_of};
use gblend_core::tensor::{AutoDevice, Batch};
use gblend_core::{Array, Pass, Seed};
use serde::Deserialize;

use crate::operation::relative_l2;
use crate::sequence_layer::{Description, Layer, output_and_gradients, rows};

#[derive(Deserialize)]
struct Stored {
    layer: Description,
    mask: Vec<u8>,
    batch: usize,
    width: usize,
    rows: Vec<f32>,
    parameters: BTreeMap<String, Parameter>,
    projection: Vec<f32>,
    output: Vec<f64>,
    of_rows: Vec<f64>,
    gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Parameter {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Gives a module the parameters of PyTorch's, all of them and no other.
fn load(module: &mut impl Module, parameters: &BTreeMap<String, Parameter>) {
    let mut state = state_of(module).unwrap();
    state.retain(|path, _| path.contains("running"));
    for (path, parameter) in parameters {
        let array = Array::new(parameter.shape.clone(), parameter.values.clone()).unwrap();
        state.insert(path.clone(), array);
    }
    load_state(module, &state).unwrap();
}

#[test]
fn layers_of_rows_have_the_outputs_and_gradients_of_pytorch() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../fixtures/sequences.json")).unwrap();
    assert!(stored.len() >= 20);
    for stored in stored {
        let name = format!("{:?}", stored.layer);
        let pass = Pass::train(Seed::new(1));
        let (found, gradients, of_rows) = if let Description::EmbeddingMean {
            count,
            width,
            padding,
            ids,
        } = &stored.layer
        {
            let device = AutoDevice::default();
            let mut layer = Embedding::new(&device, *count, *width, Some(*padding), Seed::new(1)).unwrap();
            load(&mut layer, &stored.parameters);
            let sample = |sample: usize| {
                Array::new([ids.len()], ids.iter().map(|row| row[sample] as f32).collect()).unwrap()
            };
            let samples: Vec<Array> = (0..ids[0].len()).map(sample).collect();
            let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
            let output = layer.forward_mean(&batch, &pass).unwrap();
            let mut none = rows(vec![0.0], 1);
            let (found, mut gradients) =
                output_and_gradients(&mut layer, output, |_| stored.projection, &mut none);
            gradients.remove("");
            (found, gradients, vec![])
        } else {
            let time = stored.mask.len() / stored.batch;
            let mask = Mask::new(
                stored.mask.iter().map(|&there| there == 1).collect(),
                stored.batch,
            )
            .unwrap();
            let steps = Steps::new(&mask);
            let mut layer = Layer::build(&stored.layer, stored.width, time, 0.0, 1).unwrap();
            load(&mut layer, &stored.parameters);
            let mut input = rows(stored.rows, stored.width);
            let output = layer.forward(input.parameter(), &steps, &pass).unwrap();
            let (found, mut gradients) =
                output_and_gradients(&mut layer, output, |_| stored.projection, &mut input);
            let of_rows = gradients.remove("").unwrap();
            (found, gradients, of_rows)
        };
        let check = |what: &str, found: &[f32], expected: &[f64]| {
            let error = relative_l2(found, expected);
            assert!(error < 1e-5, "{name} {what}: {error:e}");
        };
        check("output", &found, &stored.output);
        check("gradient of the rows", &of_rows, &stored.of_rows);
        assert_eq!(gradients.len(), stored.gradients.len(), "{name}");
        for (path, expected) in &stored.gradients {
            check(path, &gradients[path], expected);
        }
    }
}
