//! Both routes against central differences of the definitions in `f64`.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::operation::{Case, Route, any_case};
use crate::reference::evaluate;

/// The bound for gradients of single operations.
const TOLERANCE: f64 = 1e-5;

fn projected(case: &Case, arguments: &[Vec<f64>]) -> f64 {
    let output = evaluate(case, arguments).output;
    output
        .iter()
        .zip(&case.projection)
        .map(|(y, &r)| y * f64::from(r))
        .sum()
}

fn numeric_gradients(case: &Case, arguments: &[Vec<f64>]) -> Vec<Vec<f64>> {
    const STEP: f64 = 1e-5;
    let mut moved = arguments.to_vec();
    let mut derivative = |argument: usize, index: usize| {
        let mut at = |step: f64| {
            moved[argument][index] = arguments[argument][index] + step;
            let value = projected(case, &moved);
            moved[argument][index] = arguments[argument][index];
            value
        };
        // Four points: the error falls with the fourth power of the step.
        (8.0 * (at(STEP) - at(-STEP)) - (at(2.0 * STEP) - at(-2.0 * STEP))) / (12.0 * STEP)
    };
    (0..arguments.len())
        .map(|argument| {
            (0..arguments[argument].len())
                .map(|index| derivative(argument, index))
                .collect()
        })
        .collect()
}

proptest! {
    // The same cases every time: what rounding does to one in ten thousand says nothing about a change of the code.
    #![proptest_config(ProptestConfig {
        cases: 150,
        max_global_rejects: 20_000,
        rng_seed: RngSeed::Fixed(0),
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_routes_have_the_value_and_the_gradients_of_the_definition(case in any_case()) {
        let arguments: Vec<Vec<f64>> =
            case.arguments.iter().map(|values| values.iter().map(|&v| f64::from(v)).collect()).collect();
        let reference = evaluate(&case, &arguments);
        prop_assume!(!reference.near_kink);
        let expected = numeric_gradients(&case, &arguments);
        for route in [Route::Fast, Route::Composed] {
            let outcome = case.run(route);
            let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
            let difference: Vec<f64> = outcome
                .output
                .iter()
                .zip(&reference.output)
                .map(|(&found, expected)| f64::from(found) - expected)
                .collect();
            // A mean may cancel to nearly nothing, and no sum of f32 is exact to a part of what is left. It is then
            // held to the scale of its inputs.
            let scale = norm(&arguments[0]) / (arguments[0].len() as f64).sqrt();
            let least = 0.05 * scale * (reference.output.len() as f64).sqrt();
            let error = norm(&difference) / norm(&reference.output).max(least);
            prop_assert!(error < TOLERANCE, "{route:?} output: {error:e}");
            // A gradient may cancel to nearly nothing: that of a weight ahead of a normalization has no
            // component along the weight. It is then held to the scale of the products that it is the sum of: arguments
            // are about 1, so these are of the size of the projection and of the case's largest gradient, and those of
            // a weight that much larger that the normalization has made up for a small weight.
            let projection: Vec<f64> = case.projection.iter().map(|&r| f64::from(r)).collect();
            let largest = expected.iter().map(|values| norm(values)).fold(norm(&projection), f64::max);
            let products = case.least_channel().map(|weight| norm(&expected[0]) * norm(&arguments[0]) / weight);
            for (argument, (found, expected)) in outcome.gradients.iter().zip(&expected).enumerate() {
                let difference: Vec<f64> =
                    found.iter().zip(expected).map(|(&found, expected)| f64::from(found) - expected).collect();
                let scale = if argument == 1 { products.unwrap_or(0.0).max(largest) } else { largest };
                let scale = scale * case.amplification();
                let error = norm(&difference) / norm(expected).max(0.05 * scale).max(1e-12);
                prop_assert!(error < TOLERANCE, "{route:?} gradient of argument {argument}: {error:e}");
            }
        }
    }
}
