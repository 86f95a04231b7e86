//! Both routes of operations on rows and steps: against central differences of the definitions in `f64`, against each
//! other on larger sizes, and against themselves at other numbers of threads.

use gblend_core::Seed;
use gblend_core::nn::{Mask, Steps};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::RngExt;

use crate::operation::{Route, relative_l2};
use crate::sequence_operation::{Case, Operation};

/// The bound for values and gradients of single operations.
const TOLERANCE: f64 = 1e-5;

fn steps() -> impl Strategy<Value = Steps> {
    let mask = (0_usize..6, 1_usize..4).prop_flat_map(|(time, batch)| {
        (
            prop::collection::vec(prop::bool::weighted(0.75), time * batch),
            Just(batch),
        )
    });
    mask.prop_map(|(present, batch)| Steps::new(&Mask::new(present, batch).unwrap()))
}

fn operation() -> impl Strategy<Value = (Operation, usize)> {
    let alone = |operation| (Just(operation), 1_usize..4).boxed();
    let conv = (
        1_usize..4,
        0_usize..3,
        1_usize..3,
        1_usize..3,
        any::<bool>(),
        1_usize..4,
    )
        .prop_map(|(outputs, half, dilation, stride, bias, width)| {
            let kernel = 2 * half + 1;
            let conv = Operation::Conv {
                outputs,
                kernel,
                dilation,
                stride,
                bias,
            };
            (conv, width)
        });
    let attention =
        (1_usize..4, 1_usize..4).prop_map(|(heads, share)| (Operation::Attention { heads }, heads * share));
    let interleaved = (1_usize..4, 1_usize..4, 1_usize..4)
        .prop_map(|(heads, share, apart)| (Operation::Interleaved { heads, apart }, heads * share));
    let gru = (1_usize..4, any::<bool>(), 1_usize..4)
        .prop_map(|(hidden, reverse, width)| (Operation::Gru { hidden, reverse }, width));
    let batch_norm = (any::<bool>(), any::<bool>(), 1_usize..4)
        .prop_map(|(relu, fixed, width)| (Operation::BatchNorm { relu, fixed }, width));
    prop_oneof![
        alone(Operation::Gather),
        alone(Operation::Embedding),
        alone(Operation::Mean),
        alone(Operation::Max),
        alone(Operation::Gelu),
        alone(Operation::GeluErf),
        (Just(Operation::LayerNorm), 3_usize..20),
        batch_norm,
        conv,
        attention,
        interleaved,
        gru,
    ]
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn numeric_gradients(case: &Case, arguments: &[Vec<f64>]) -> Vec<Vec<f64>> {
    const STEP: f64 = 1e-4;
    let mut moved = arguments.to_vec();
    let mut derivative = |argument: usize, index: usize| {
        let mut at = |step: f64| {
            moved[argument][index] = arguments[argument][index] + step;
            let output = case.evaluate(&moved).output;
            moved[argument][index] = arguments[argument][index];
            output
                .iter()
                .zip(&case.projection)
                .map(|(y, &r)| y * f64::from(r))
                .sum::<f64>()
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
    // The same cases every time, as for operations on maps.
    #![proptest_config(ProptestConfig {
        cases: 300,
        max_global_rejects: 20_000,
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_routes_have_the_value_and_the_gradients_of_the_definition(
        (operation, width) in operation(), steps in steps(), seed: u64,
    ) {
        // A feature of one row has no deviation to be divided by.
        let few = steps.rows() < 3;
        prop_assume!(!(few && matches!(operation, Operation::BatchNorm { .. })));
        let case = Case::random(operation, steps, width, seed);
        let arguments: Vec<Vec<f64>> =
            case.arguments.iter().map(|values| values.iter().map(|&v| f64::from(v)).collect()).collect();
        let reference = case.evaluate(&arguments);
        prop_assume!(!reference.near_kink);
        let expected = numeric_gradients(&case, &arguments);
        let projection: Vec<f64> = case.projection.iter().map(|&r| f64::from(r)).collect();
        for route in [Route::Fast, Route::Composed] {
            let outcome = case.run(route);
            let difference = |found: &[f32], expected: &[f64]| -> f64 {
                let pairs = found.iter().zip(expected);
                norm(&pairs.map(|(&found, expected)| f64::from(found) - expected).collect::<Vec<_>>())
            };
            // Sums that cancel are held to the scale of what they are sums of, which is about 1.
            let least = 0.05 * (reference.output.len() as f64).sqrt();
            let error = difference(&outcome.output, &reference.output) / norm(&reference.output).max(least).max(1e-12);
            prop_assert!(error < TOLERANCE, "{:?} {:?} output: {:e}", route, operation, error);
            let largest = expected.iter().map(|values| norm(values)).fold(norm(&projection), f64::max);
            for (argument, (found, expected)) in outcome.gradients.iter().zip(&expected).enumerate() {
                prop_assert_eq!(found.len(), expected.len());
                let error = difference(found, expected) / norm(expected).max(0.05 * largest).max(1e-12);
                prop_assert!(error < TOLERANCE, "{:?} {:?} gradient {}: {:e}", route, operation, argument, error);
            }
        }
    }
}

/// Sequences of 0 to `longest` steps.
fn random_steps(batch: usize, longest: usize, seed: u64) -> Steps {
    let mut rng = Seed::new(seed).rng();
    let lengths: Vec<usize> = (0..batch).map(|_| rng.random_range(0..=longest)).collect();
    Steps::of_lengths(&lengths)
}

/// Of sizes that are divided into several tasks.
fn large() -> Vec<Case> {
    let conv = |stride, dilation| Operation::Conv {
        outputs: 33,
        kernel: 5,
        dilation,
        stride,
        bias: true,
    };
    let gru = |reverse| Operation::Gru { hidden: 17, reverse };
    let cases = [
        (Operation::Gather, 19),
        (Operation::Embedding, 19),
        (Operation::Mean, 19),
        (Operation::Max, 19),
        (Operation::Gelu, 19),
        (Operation::GeluErf, 19),
        (Operation::LayerNorm, 37),
        (
            Operation::BatchNorm {
                relu: false,
                fixed: false,
            },
            19,
        ),
        (
            Operation::BatchNorm {
                relu: false,
                fixed: true,
            },
            19,
        ),
        (conv(1, 3), 21),
        (conv(2, 1), 21),
        (Operation::Attention { heads: 3 }, 24),
        (Operation::Attention { heads: 2 }, 32),
        (Operation::Interleaved { heads: 3, apart: 40 }, 24),
        (gru(false), 11),
        (gru(true), 11),
    ];
    let cases = cases
        .into_iter()
        .map(|(operation, width)| Case::random(operation, random_steps(75, 48, 3), width, 7));
    // Sequences that are computed by a few queries and keys at a time, and one that is divided between threads.
    let long = [
        ([65, 0, 300, 130].as_slice(), 2, 10),
        (&[1100], 1, 8),
        (&[2500, 1], 1, 3),
    ]
    .map(|(lengths, heads, width)| {
        Case::random(
            Operation::Attention { heads },
            Steps::of_lengths(lengths),
            width,
            7,
        )
    });
    cases.chain(long).collect()
}

#[test]
fn the_routes_agree_on_sizes_of_several_tasks() {
    for case in large() {
        let (fast, composed) = (case.run(Route::Fast), case.run(Route::Composed));
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let error = relative_l2(&fast.output, &wide(&composed.output));
        assert!(error < TOLERANCE, "{:?} output: {error:e}", case.operation);
        for (argument, (fast, composed)) in fast.gradients.iter().zip(&composed.gradients).enumerate() {
            let error = relative_l2(fast, &wide(composed));
            assert!(
                error < TOLERANCE,
                "{:?} gradient {argument}: {error:e}",
                case.operation
            );
        }
    }
}

#[test]
fn operations_on_steps_give_the_same_bits_at_any_number_of_threads() {
    for case in large() {
        let at = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| case.run(Route::Fast))
        };
        let one = at(1);
        for threads in [2, 3, 4] {
            assert!(at(threads) == one, "{:?} at {threads} threads", case.operation);
        }
    }
}
