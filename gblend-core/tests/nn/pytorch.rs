//! Both routes against float64 answers of PyTorch, stored by `xtask/peers/fixtures.py`.

use gblend_core::nn::Window;
use serde::Deserialize;

use crate::operation::{Case, Operation, Route, relative_l2};

#[derive(Deserialize)]
struct Stored {
    operation: Operation,
    input: [usize; 4],
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    arguments: Vec<Vec<f32>>,
    projection: Vec<f32>,
    output: Vec<f64>,
    gradients: Vec<Vec<f64>>,
}

#[test]
fn both_routes_have_the_outputs_and_gradients_of_pytorch() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../fixtures/layers.json")).unwrap();
    assert!(stored.len() >= 12);
    for stored in stored {
        let case = Case {
            operation: stored.operation,
            input: stored.input,
            window: Window {
                kernel: stored.kernel,
                stride: stored.stride,
                padding: stored.padding,
            },
            arguments: stored.arguments,
            projection: stored.projection,
        };
        for route in [Route::Fast, Route::Composed] {
            let outcome = case.run(route);
            let error = relative_l2(&outcome.output, &stored.output);
            assert!(error < 1e-5, "{route:?} {:?} output: {error:e}", case.operation);
            assert_eq!(outcome.gradients.len(), stored.gradients.len());
            for (argument, (found, expected)) in outcome.gradients.iter().zip(&stored.gradients).enumerate() {
                let error = relative_l2(found, expected);
                assert!(
                    error < 1e-5,
                    "{route:?} {:?} gradient {argument}: {error:e}",
                    case.operation
                );
            }
        }
    }
}
