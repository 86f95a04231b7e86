//! One route against the other, on sizes too large for finite differences.

use crate::operation::{Case, Operation, Route, relative_l2};
use dfdx::prelude::{Cpu, SumTo, TensorFromVec};
use gblend_core::Seed;
use gblend_core::engine::composed;
use gblend_core::engine::{Engine, NormOptions, NormStatistics, ParamOn, TapedOn, backward};
use gblend_core::nn::{Window, WindowPlan};
use gblend_core::tensor::{Dims1, Dims4};
use rand::RngExt;

fn compare(operation: Operation, input: [usize; 4], window: Window) {
    let case = Case::random(operation, input, window, 11);
    let (fast, composed) = (case.run(Route::Fast), case.run(Route::Composed));
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let error = relative_l2(&fast.output, &wide(&composed.output));
    assert!(error < 1e-5, "{operation:?} output: {error:e}");
    for (argument, (fast, composed)) in fast.gradients.iter().zip(&composed.gradients).enumerate() {
        let error = relative_l2(fast, &wide(composed));
        assert!(error < 1e-5, "{operation:?} gradient {argument}: {error:e}");
    }
}

#[test]
fn the_routes_agree_on_a_convolution_of_several_chunks() {
    let operation = Operation::Conv {
        out_channels: 12,
        bias: true,
    };
    compare(operation, [5, 17, 19, 48], Window::square(3, 1, 1));
    compare(operation, [5, 17, 19, 48], Window::square(5, 2, 2));
    compare(operation, [5, 17, 19, 48], Window::square(1, 1, 0));
}

#[test]
fn the_routes_agree_on_a_convolution_at_any_batch() {
    // 72 channels are enough for a copy of what is read, 5 are not.
    for (in_channels, out_channels) in [(5, 12), (5, 72), (72, 5)] {
        for batch in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 96, 100, 131, 257, 320] {
            let operation = Operation::Conv {
                out_channels,
                bias: false,
            };
            compare(operation, [in_channels, 5, 4, batch], Window::square(3, 2, 1));
        }
    }
}

#[test]
fn the_routes_agree_on_a_linear_layer_of_any_number_of_rows() {
    // Whole vectors of inputs and not, in one block of outputs and in several.
    for inputs in [48, 37] {
        for outputs in [5, 33, 100] {
            for rows in [1, 7, 20, 32, 33, 300, 1100] {
                compare(
                    Operation::Linear { outputs },
                    [inputs, 3, 3, rows],
                    Window::square(3, 2, 1),
                );
            }
        }
    }
}

#[test]
fn the_routes_agree_on_a_normalized_convolution() {
    // Without the ReLU: a sign that flips between the routes is no error of either.
    let operation = Operation::ConvNorm {
        out_channels: 12,
        relu: false,
        fixed: false,
    };
    compare(operation, [5, 17, 19, 48], Window::square(3, 2, 1));
}

#[test]
fn the_routes_agree_on_pooling() {
    compare(
        Operation::AveragePool { count_padding: true },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
    compare(
        Operation::AveragePool { count_padding: false },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
    compare(Operation::MaxPool, [3, 16, 16, 40], Window::square(3, 2, 1));
    compare(
        Operation::GlobalMean { frames: 8 },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
}

/// A normalized convolution by one route.
type ConvNorm = fn(
    TapedOn<Dims4, Cpu>,
    &ParamOn<Dims4, Cpu>,
    [&ParamOn<Dims1, Cpu>; 2],
    &WindowPlan,
    NormOptions<'_>,
) -> TapedOn<Dims4, Cpu>;

/// Output and gradients of normalized convolutions in a row.
fn in_a_row(conv_norm: ConvNorm) -> Vec<Vec<f32>> {
    let (channels, height, width, batch) = (4, 6, 5, 9);
    let plan = Window::square(3, 1, 1).over(height, width).unwrap();
    let options = NormOptions {
        statistics: NormStatistics::Batch,
        epsilon: 1e-5,
        relu: true,
    };
    let (device, mut rng) = (Cpu::default(), Seed::new(5).rng());
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let input = draw(channels * height * width * batch);
    let input: ParamOn<Dims4, Cpu> = device.tensor_from_vec(input, (channels, height, width, batch));
    let mut layers = Vec::new();
    for _ in 0..3 {
        let weight = draw(channels * channels * plan.taps());
        let weight: ParamOn<Dims4, Cpu> = device.tensor_from_vec(weight, (channels, channels, 3, 3));
        let affine: [ParamOn<Dims1, Cpu>; 2] =
            std::array::from_fn(|_| device.tensor_from_vec(draw(channels), (channels,)));
        layers.push((weight, affine));
    }
    let mut maps: TapedOn<Dims4, Cpu> = input.retaped();
    for (weight, [gamma, beta]) in &layers {
        maps = conv_norm(maps, weight, [gamma, beta], &plan, options);
    }
    let mut all = vec![maps.as_vec()];
    let mut gradients = backward(maps.square().sum()).unwrap();
    all.push(gradients.get_or_alloc_mut(&input).unwrap().to_vec());
    for (weight, affine) in &layers {
        all.push(gradients.get_or_alloc_mut(weight).unwrap().to_vec());
        all.extend(
            affine
                .iter()
                .map(|vector| gradients.get_or_alloc_mut(vector).unwrap().to_vec()),
        );
    }
    all
}

#[test]
fn the_routes_agree_on_normalized_convolutions_that_read_what_is_made_again() {
    let fast = in_a_row(|input, weight, [gamma, beta], plan, options| {
        Cpu::conv_norm(input, weight, gamma, beta, plan, options)
            .unwrap()
            .0
    });
    let composed = in_a_row(|input, weight, [gamma, beta], plan, options| {
        let maps = composed::conv(input, weight, None, plan).unwrap();
        composed::batch_norm(maps, gamma, beta, options).unwrap().0
    });
    for (tensor, (fast, composed)) in fast.iter().zip(&composed).enumerate() {
        let composed: Vec<f64> = composed.iter().map(|&value| f64::from(value)).collect();
        let error = relative_l2(fast, &composed);
        assert!(error < 1e-4, "tensor {tensor}: {error:e}");
    }
}
