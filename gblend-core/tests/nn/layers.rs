//! Layers: what their operations do not show.

use gblend_core::nn::{
    BatchNorm, ConvNorm, Dropout, FactorizedBlock, FactorizedResidualBlock, FactorizedStrides, LayerNorm,
    Linear, Mlp, ResidualBlock, Window, add, backward, cross_entropy, fork, global_average_pool, scale,
};
use gblend_core::params::{Module, ParamPath, load_state, parameter_count, state_of};
use gblend_core::tensor::{AutoDevice, Batch, Dims2, Features, Plain};
use gblend_core::{Array, Pass, Seed};
use proptest::prelude::*;
use rand::RngExt;

fn batch(shape: [usize; 4], samples: usize, seed: u64) -> Batch {
    let mut rng = Seed::new(seed).rng();
    let elements = shape.iter().product();
    let arrays: Vec<Array> = (0..samples)
        .map(|_| {
            let values = (0..elements).map(|_| rng.random_range(-1.0..1.0)).collect();
            Array::new(shape, values).unwrap()
        })
        .collect();
    Batch::stack(&AutoDevice::default(), &arrays.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn running_statistics_move_in_training_only_and_towards_the_batch() {
    let device = AutoDevice::default();
    let mut norm = BatchNorm::new(&device, 2, false).unwrap();
    let data = batch([2, 5, 5, 1], 8, 3);
    let before = state_of(&mut norm).unwrap();
    norm.forward(data.maps(Pass::evaluate().recorder()).unwrap(), &Pass::evaluate())
        .unwrap();
    norm.forward(
        data.maps(Pass::differentiate().recorder()).unwrap(),
        &Pass::differentiate(),
    )
    .unwrap();
    assert_eq!(state_of(&mut norm).unwrap(), before);
    for step in 0..200 {
        let pass = Pass::train(Seed::new(step));
        norm.forward(data.maps(pass.recorder()).unwrap(), &pass).unwrap();
    }
    // After many steps on one batch, evaluation normalizes that batch to zero mean and unit variance.
    let output = norm
        .forward(data.maps(Pass::evaluate().recorder()).unwrap(), &Pass::evaluate())
        .unwrap();
    let values = output.to_vec();
    for channel in values.chunks(values.len() / 2) {
        let mean = channel.iter().sum::<f32>() / channel.len() as f32;
        let square = channel.iter().map(|v| v * v).sum::<f32>() / channel.len() as f32;
        assert!(
            mean.abs() < 1e-3 && (square - 1.0).abs() < 1e-2,
            "{mean} {square}"
        );
    }
}

#[test]
fn a_linear_layer_without_bias_has_a_weight_alone_and_leaves_zeros() {
    let device = AutoDevice::default();
    let mut layer = Linear::without_bias(&device, 3, 2, Seed::new(1)).unwrap();
    let paths: Vec<String> = state_of(&mut layer).unwrap().into_keys().collect();
    assert_eq!(paths, ["weight"]);
    let zeros = Plain::filled(&device, (2, 3), 0.0).unwrap();
    assert_eq!(layer.forward(zeros.parameter()).unwrap().to_vec(), [0.0; 4]);
    let with = state_of(&mut Linear::new(&device, 3, 2, Seed::new(1)).unwrap()).unwrap();
    assert_eq!(state_of(&mut layer).unwrap()["weight"], with["weight"]);
}

#[test]
fn a_factorized_block_has_about_the_parameters_of_a_full_one() {
    let strides = FactorizedStrides {
        spatial: 1,
        temporal: 1,
    };
    let mut block = FactorizedBlock::new(&AutoDevice::default(), 16, 32, strides, Seed::new(1)).unwrap();
    let full = 27_usize * 16 * 32;
    let count = parameter_count(&mut block).unwrap();
    assert!(
        (0.95..1.05).contains(&(count as f64 / full as f64)),
        "{count} against {full}"
    );
}

#[test]
fn a_temporal_convolution_mixes_frames_of_one_sample_alone() {
    let strides = FactorizedStrides {
        spatial: 1,
        temporal: 2,
    };
    let pass = Pass::evaluate();
    let mut block = FactorizedBlock::new(&AutoDevice::default(), 1, 4, strides, Seed::new(1)).unwrap();
    let mut run = |data: &Batch| {
        let (maps, frames) = block
            .forward(data.maps(pass.recorder()).unwrap(), 5, &pass)
            .unwrap();
        assert_eq!((frames, *maps.shape()), (3, (4, 3, 3, 3 * data.len())));
        global_average_pool(maps, frames).unwrap().to_vec()
    };
    let (both, first) = (batch([1, 3, 3, 5], 2, 5), batch([1, 3, 3, 5], 1, 5));
    let (both, first) = (run(&both), run(&first));
    for (a, b) in both[..4].iter().zip(&first) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn a_residual_block_adds_its_input_where_the_sizes_allow() {
    let device = AutoDevice::default();
    let mut same = ResidualBlock::new(&device, 3, 3, 1, Seed::new(1)).unwrap();
    let mut smaller = ResidualBlock::new(&device, 3, 6, 2, Seed::new(1)).unwrap();
    assert!(
        !state_of(&mut same)
            .unwrap()
            .keys()
            .any(|path| path.starts_with("shortcut"))
    );
    assert!(
        state_of(&mut smaller)
            .unwrap()
            .keys()
            .any(|path| path.starts_with("shortcut"))
    );
    let pass = Pass::evaluate();
    // With γ = 0 at the end, only the way around is left.
    let mut state = state_of(&mut same).unwrap();
    state.get_mut("second.gamma").unwrap().values_mut().fill(0.0);
    load_state(&mut same, &state).unwrap();
    let data = batch([3, 4, 4, 1], 2, 9);
    let input = data.maps(pass.recorder()).unwrap().to_vec();
    let output = same
        .forward(data.maps(pass.recorder()).unwrap(), &pass)
        .unwrap()
        .to_vec();
    assert_eq!(output, input.into_iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
}

#[test]
fn the_way_around_an_r2plus1d_block_is_every_second_frame_and_pixel_in_new_channels() {
    let device = AutoDevice::default();
    let strides = FactorizedStrides {
        spatial: 2,
        temporal: 2,
    };
    let pass = Pass::evaluate();
    let mut block = FactorizedResidualBlock::new(&device, 2, 3, strides, Seed::new(1)).unwrap();
    // With γ = 0 at the end, only the way around is left.
    let mut state = state_of(&mut block).unwrap();
    let last = "second.temporal.gamma";
    state.get_mut(last).unwrap().values_mut().fill(0.0);
    load_state(&mut block, &state).unwrap();
    let (frames, samples) = (5, 2);
    let data = batch([2, 4, 4, frames], samples, 9);
    let maps = data.maps(pass.recorder()).unwrap();
    let input = maps.to_vec();
    let (output, left) = block.forward(maps, frames, &pass).unwrap();
    assert_eq!((left, *output.shape()), (3, (3, 2, 2, 3 * samples)));
    let output = output.to_vec();
    let (kernel, columns) = (state["shortcut.weight"].values(), frames * samples);
    for (place, &found) in output.iter().enumerate() {
        let (sample, frame) = (place % samples, place / samples % left);
        let (x, y, channel) = (
            place / (samples * left) % 2,
            place / (samples * left * 2) % 2,
            place / (samples * left * 4),
        );
        let at = |c: usize| ((c * 4 + 2 * y) * 4 + 2 * x) * columns + 2 * frame * samples + sample;
        let sum = kernel[2 * channel] * input[at(0)] + kernel[2 * channel + 1] * input[at(1)];
        // Running statistics are those of a new network, mean 0 and variance 1.
        let expected = (sum / 1.00001_f32.sqrt()).max(0.0);
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn an_r2plus1d_block_that_keeps_size_and_channels_has_nothing_on_the_way_around() {
    let device = AutoDevice::default();
    let mut block =
        FactorizedResidualBlock::new(&device, 3, 3, FactorizedStrides::NONE, Seed::new(1)).unwrap();
    let state = state_of(&mut block).unwrap();
    assert!(!state.keys().any(|path| path.starts_with("shortcut")));
}

#[test]
fn layer_norm_matches_finite_differences_in_f64() {
    let device = AutoDevice::default();
    let mut norm = LayerNorm::new(&device, 5).unwrap();
    let mut state = state_of(&mut norm).unwrap();
    state
        .get_mut("gamma")
        .unwrap()
        .values_mut()
        .copy_from_slice(&[0.5, 1.0, 1.5, 0.7, 1.2]);
    state
        .get_mut("beta")
        .unwrap()
        .values_mut()
        .copy_from_slice(&[0.1, -0.2, 0.3, 0.0, 0.5]);
    load_state(&mut norm, &state).unwrap();
    let values: Vec<f32> = (0..15).map(|i| ((i * 7 % 11) as f32 - 4.0) / 3.0).collect();
    let labels = [0_usize, 3, 4];
    let loss_at = |x: &[f64]| -> f64 {
        let rows = x.chunks(5).zip(labels).map(|(row, label)| {
            let mean = row.iter().sum::<f64>() / 5.0;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0;
            let at = |array: &str, i: usize| f64::from(state[array].values()[i]);
            let y: Vec<f64> = (0..5)
                .map(|i| at("gamma", i) * (row[i] - mean) / (variance + 1e-5).sqrt() + at("beta", i))
                .collect();
            y.iter().map(|v| v.exp()).sum::<f64>().ln() - y[label]
        });
        rows.sum::<f64>() / 3.0
    };
    let tensor = Plain::new(&device, (3, 5), values.clone()).unwrap();
    let output: Features = norm.forward(tensor.parameter()).unwrap();
    let found = backward(cross_entropy(output, &labels).unwrap())
        .unwrap()
        .get(&tensor)
        .unwrap()
        .into_values();
    let mut x: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    let mut expected = Vec::new();
    for i in 0..x.len() {
        let at = x[i];
        x[i] = at + 1e-5;
        let above = loss_at(&x);
        x[i] = at - 1e-5;
        expected.push((above - loss_at(&x)) / 2e-5);
        x[i] = at;
    }
    let error = crate::operation::relative_l2(&found, &expected);
    assert!(error < 1e-5, "{error:e}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn dropout_keeps_the_mean_and_drops_the_asked_share(probability in 0.05_f32..0.95, seed: u64) {
        let ones = Plain::filled(&AutoDevice::default(), (100, 200), 1.0).unwrap();
        let dropout = Dropout::new(probability, Seed::new(seed)).unwrap();
        let pass = Pass::train(Seed::new(seed ^ 1));
        let output = dropout.forward::<Dims2>(ones.parameter(), &pass).unwrap().to_vec();
        let dropped = output.iter().filter(|&&v| v == 0.0).count() as f32 / 20_000.0;
        let deviation = (probability * (1.0 - probability) / 20_000.0).sqrt();
        prop_assert!((dropped - probability).abs() < 6.0 * deviation);
        let again = dropout.forward::<Dims2>(ones.parameter(), &pass).unwrap().to_vec();
        prop_assert_eq!(&output, &again);
        let evaluated = dropout.forward::<Dims2>(ones.parameter(), &Pass::evaluate()).unwrap().to_vec();
        prop_assert!(evaluated.iter().all(|&v| v == 1.0));
    }
}

#[test]
fn two_dropouts_of_one_network_drop_different_values() {
    let ones = Plain::filled(&AutoDevice::default(), (8, 8), 1.0).unwrap();
    let pass = Pass::train(Seed::new(1));
    let run = |seed| {
        Dropout::new(0.5, Seed::new(seed))
            .unwrap()
            .forward::<Dims2>(ones.parameter(), &pass)
            .unwrap()
            .to_vec()
    };
    assert_ne!(run(1), run(2));
}

#[test]
fn a_feature_of_two_heads_collects_both_gradients() {
    let device = AutoDevice::default();
    let mut mlp = Mlp::new(&device, &[4, 8, 6, 3], 0.0, Seed::new(1)).unwrap();
    let data = batch([4, 1, 1, 1], 5, 2);
    let pass = Pass::train(Seed::new(3));
    let labels = [0, 1, 2, 0, 1];
    let gradient_of = |weights: [f64; 2], mlp: &mut Mlp| {
        let features = mlp.forward(data.rows(pass.recorder()).unwrap(), &pass).unwrap();
        let (first, second) = fork(features);
        let first = scale(cross_entropy(first, &labels).unwrap(), weights[0] as f32).unwrap();
        let second = cross_entropy(scale(second, 2.0).unwrap(), &labels).unwrap();
        let loss = add(first, scale(second, weights[1] as f32).unwrap()).unwrap();
        let mut gradients = backward(loss).unwrap();
        gradient_state(mlp, &mut gradients)
    };
    let (first, second) = (
        gradient_of([1.0, 0.0], &mut mlp),
        gradient_of([0.0, 1.0], &mut mlp),
    );
    let both = gradient_of([1.0, 1.0], &mut mlp);
    for ((a, b), sum) in first.iter().zip(&second).zip(&both) {
        assert!((a + b - sum).abs() < 1e-6, "{a} + {b} = {sum}");
    }
}

fn gradient_state(module: &mut dyn Module, gradients: &mut gblend_core::tensor::Gradients) -> Vec<f32> {
    struct Collect<'a>(Vec<f32>, &'a mut gblend_core::tensor::Gradients);
    impl gblend_core::ParamVisitor for Collect<'_> {
        fn param(&mut self, _: &ParamPath, param: gblend_core::ParamMut<'_>) -> gblend_core::Result<()> {
            self.0.extend_from_slice(param.gradient(self.1)?.values());
            Ok(())
        }
    }
    let mut collect = Collect(Vec::new(), gradients);
    module.visit_params(&ParamPath::root(), &mut collect).unwrap();
    collect.0
}

#[test]
fn wrong_channels_and_features_are_typed_errors_that_name_both_shapes() {
    let device = AutoDevice::default();
    let pass = Pass::evaluate();
    let maps = || batch([2, 4, 4, 1], 1, 1).maps(pass.recorder()).unwrap();
    let mut conv = ConvNorm::new(&device, 3, 4, Window::square(3, 1, 1), true, Seed::new(1)).unwrap();
    let error = conv.forward(maps(), &pass).unwrap_err().to_string();
    assert!(
        error.contains("[3, height") && error.contains("[2, 4, 4, 1]"),
        "{error}"
    );
    assert!(global_average_pool(maps(), 3).is_err());
    assert!(Mlp::new(&device, &[3], 0.0, Seed::new(1)).is_err());
    assert!(Mlp::new(&device, &[3, 0, 1], 0.0, Seed::new(1)).is_err());
    assert!(Dropout::new(1.0, Seed::new(1)).is_err());
}
