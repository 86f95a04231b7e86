//! The parts of a transformer: what their stored answers do not show.

use gblend_core::nn::{AttentionBranch, MlpBranch, SelfAttention, SpaceTimeEmbedding, backward, gelu, sum};
use gblend_core::params::{load_state, parameter_count, state_of};
use gblend_core::tensor::{AutoDevice, Dims2, Features, Plain};
use gblend_core::{Pass, Seed};
use proptest::prelude::*;

fn rows(values: Vec<f32>, width: usize) -> Plain<Dims2> {
    let shape = (values.len() / width, width);
    Plain::new(&AutoDevice::default(), shape, values).unwrap()
}

fn values(count: usize, seed: u64) -> Vec<f32> {
    use rand::RngExt;
    let mut rng = Seed::new(seed).rng();
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gelu_has_the_value_and_the_derivative_of_its_definition(input in prop::collection::vec(-6.0_f32..6.0, 1..40)) {
        let definition = |x: f64| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        };
        let length = input.len();
        let tensor = Plain::new(&AutoDevice::default(), (length,), input.clone()).unwrap();
        let output = gelu(tensor.parameter()).unwrap();
        let wide: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
        for (found, &x) in output.to_vec().iter().zip(&wide) {
            prop_assert!((f64::from(*found) - definition(x)).abs() < 1e-6 * (1.0 + x.abs()));
        }
        let gradient = backward(sum(output).unwrap()).unwrap().get(&tensor).unwrap().into_values();
        for (found, &x) in gradient.iter().zip(&wide) {
            let step = 1e-5;
            let expected = (definition(x + step) - definition(x - step)) / (2.0 * step);
            prop_assert!((f64::from(*found) - expected).abs() < 3e-6, "{x}: {found} against {expected}");
        }
    }

    #[test]
    fn attention_follows_an_exchange_of_tokens_and_does_not_look_into_other_sequences(
        order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(), seed: u64,
    ) {
        let attention = SelfAttention::new(&AutoDevice::default(), 6, 3, Seed::new(seed)).unwrap();
        let run = |values: Vec<f32>| -> Vec<f32> {
            attention.forward(rows(values, 6).parameter(), 5).unwrap().to_vec()
        };
        let input = values(2 * 5 * 6, seed ^ 1);
        let before = run(input.clone());
        let token = |values: &[f32], at: usize| values[at * 6..(at + 1) * 6].to_vec();
        let moved = [order.iter().flat_map(|&at| token(&input, at)).collect(), input[30..].to_vec()].concat();
        let after = run(moved);
        for (at, &from) in order.iter().enumerate() {
            for (a, b) in token(&after, at).iter().zip(token(&before, from)) {
                prop_assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
        for (a, b) in after[30..].iter().zip(&before[30..]) {
            prop_assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
fn equal_tokens_attend_evenly_so_that_each_gets_its_own_value() {
    let mut attention = SelfAttention::new(&AutoDevice::default(), 4, 2, Seed::new(1)).unwrap();
    let state = state_of(&mut attention).unwrap();
    let token = values(4, 2);
    let found = attention
        .forward(rows(token.repeat(3), 4).parameter(), 3)
        .unwrap()
        .to_vec();
    let times = |path: &str, vector: &[f32]| -> Vec<f32> {
        let weight = state[path].values().chunks(4);
        weight
            .map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
            .collect()
    };
    let expected = times("output.weight", &times("value.weight", &token)).repeat(3);
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn a_branch_adds_to_its_input_and_nothing_if_its_last_matrix_is_zero() {
    let device = AutoDevice::default();
    let input = rows(values(24, 3), 4);
    let pass = Pass::train(Seed::new(1));
    let mut attention = AttentionBranch::new(&device, 4, 2, 0.0, Seed::new(1)).unwrap();
    let mut mlp = MlpBranch::new(&device, 4, 9, 0.0, Seed::new(1)).unwrap();
    assert_eq!(parameter_count(&mut attention).unwrap(), 4 * 16 + 8);
    assert_eq!(parameter_count(&mut mlp).unwrap(), 2 * 36 + 9 + 4 + 8);
    let mut state = state_of(&mut attention).unwrap();
    state.get_mut("output.weight").unwrap().values_mut().fill(0.0);
    load_state(&mut attention, &state).unwrap();
    let mut state = state_of(&mut mlp).unwrap();
    for path in ["second.weight", "second.bias"] {
        state.get_mut(path).unwrap().values_mut().fill(0.0);
    }
    load_state(&mut mlp, &state).unwrap();
    let attended = attention.forward(input.parameter(), 3, &pass).unwrap();
    assert_eq!(attended.to_vec(), input.to_vec());
    let mapped = mlp.forward(input.parameter(), &pass).unwrap();
    assert_eq!(mapped.to_vec(), input.to_vec());
}

#[test]
fn a_tokens_embedding_is_that_of_its_place_plus_that_of_its_frame() {
    let (frames, places, width) = (2, 3, 4);
    let mut embedding =
        SpaceTimeEmbedding::new(&AutoDevice::default(), frames, places, width, Seed::new(1)).unwrap();
    let state = state_of(&mut embedding).unwrap();
    let zeros = rows(vec![0.0; 2 * frames * places * width], width);
    let found: Features = embedding.forward(zeros.parameter()).unwrap();
    for (at, value) in found.to_vec().iter().enumerate() {
        let (token, feature) = (at / width % (frames * places), at % width);
        let (frame, place) = (token / places, token % places);
        let expected = state["space"].values()[place * width + feature]
            + state["time"].values()[frame * width + feature];
        assert_eq!(*value, expected);
    }
    let mut pictures = SpaceTimeEmbedding::new(&AutoDevice::default(), 1, 3, 4, Seed::new(1)).unwrap();
    let paths: Vec<String> = state_of(&mut pictures).unwrap().into_keys().collect();
    assert_eq!(paths, ["space"]);
}

#[test]
fn sizes_that_do_not_fit_are_typed_errors() {
    let device = AutoDevice::default();
    for (width, heads, key) in [(0, 1, "width = 0"), (4, 0, "heads = 0"), (6, 4, "width = 6")] {
        let error = SelfAttention::new(&device, width, heads, Seed::new(1)).unwrap_err();
        let expected = format!("self-attention: {key}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let attention = SelfAttention::new(&device, 4, 2, Seed::new(1)).unwrap();
    for (count, width, length) in [(24, 6, 2), (24, 4, 5), (24, 4, 0)] {
        let error = attention
            .forward(rows(values(count, 1), width).parameter(), length)
            .unwrap_err();
        assert!(error.to_string().contains("self-attention"), "{error}");
    }
    let embedding = SpaceTimeEmbedding::new(&device, 2, 2, 4, Seed::new(1)).unwrap();
    for (count, width) in [(24, 6), (24, 4)] {
        let error = embedding
            .forward(rows(values(count, 1), width).parameter())
            .unwrap_err();
        assert!(error.to_string().contains("[batch x 2 x 2, 4]"), "{error}");
    }
    assert!(SpaceTimeEmbedding::new(&device, 0, 2, 4, Seed::new(1)).is_err());
}
