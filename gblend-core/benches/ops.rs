//! Both routes of every operation, forward and backward, on sizes of the reference network.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dfdx::prelude::{Cpu, Shape, SumTo, Tensor, TensorFromVec};
use gblend_core::engine::composed;
use gblend_core::engine::{Engine, NormOptions, NormStatistics, TapedOn, backward};
use gblend_core::nn::Window;
use gblend_core::tensor::{Dims1, Dims2, Dims4};

fn values(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0)
        .collect()
}

fn tensor(shape: Dims4) -> Tensor<Dims4, f32, Cpu> {
    Cpu::default().tensor_from_vec(values(shape.0 * shape.1 * shape.2 * shape.3), shape)
}

fn rows(shape: Dims2) -> Tensor<Dims2, f32, Cpu> {
    Cpu::default().tensor_from_vec(values(shape.0 * shape.1), shape)
}

fn ones(channels: usize) -> Tensor<Dims1, f32, Cpu> {
    Cpu::default().tensor_from_vec(vec![1.0; channels], (channels,))
}

/// Through an operation and back.
fn there_and_back<S: Shape>(output: TapedOn<S, Cpu>) {
    backward(output.try_sum().unwrap()).unwrap();
}

const NORM: NormOptions<'_> = NormOptions {
    statistics: NormStatistics::Batch,
    epsilon: 1e-5,
    relu: true,
};

fn conv_norm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv_norm forward and backward");
    for (inputs, outputs, side) in [(3, 16, 32), (16, 32, 16), (32, 64, 8), (64, 128, 4)] {
        let plan = Window::square(3, 2, 1).over(side, side).unwrap();
        let (input, weight) = (tensor((inputs, side, side, 256)), tensor((outputs, inputs, 3, 3)));
        let (gamma, beta) = (ones(outputs), ones(outputs));
        let name = format!("{inputs}x{side}x{side} to {outputs}");
        group.bench_function(BenchmarkId::new("fast", &name), |bencher| {
            bencher.iter(|| {
                there_and_back(
                    Cpu::conv_norm(input.retaped(), &weight, &gamma, &beta, &plan, NORM)
                        .unwrap()
                        .0,
                );
            });
        });
        group.bench_function(BenchmarkId::new("composed", &name), |bencher| {
            bencher.iter(|| {
                let maps = composed::conv(input.retaped(), &weight, None, &plan).unwrap();
                there_and_back(composed::batch_norm(maps, &gamma, &beta, NORM).unwrap().0);
            });
        });
    }
    group.finish();
}

/// A convolution alone: of a frame, and over time, where rows are frames.
fn conv(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv forward and backward");
    let over_time = Window {
        kernel: (1, 3),
        stride: (1, 1),
        padding: (0, 1),
    };
    let cases = [
        ("3x3", Window::square(3, 1, 1), (32, 8, 8, 256)),
        ("1x1", Window::square(1, 2, 0), (32, 8, 8, 256)),
        ("over time", over_time, (32, 64, 8, 32)),
    ];
    for (name, window, shape) in cases {
        let plan = window.over(shape.1, shape.2).unwrap();
        let input = tensor(shape);
        let weight = tensor((32, 32, window.kernel.0, window.kernel.1));
        group.bench_function(BenchmarkId::new("fast", name), |bencher| {
            bencher.iter(|| there_and_back(Cpu::conv(input.retaped(), &weight, None, &plan).unwrap()));
        });
        group.bench_function(BenchmarkId::new("composed", name), |bencher| {
            bencher.iter(|| there_and_back(composed::conv(input.retaped(), &weight, None, &plan).unwrap()));
        });
    }
    group.finish();
}

/// Times both routes of an operation that takes and returns one tensor.
macro_rules! both {
    ($group:expr, $name:expr, |$input:ident| $fast:expr, $composed:expr, $tensor:expr) => {
        let tensor = $tensor;
        $group.bench_function(BenchmarkId::new("fast", $name), |bencher| {
            bencher.iter(|| {
                let $input = tensor.retaped();
                there_and_back($fast.unwrap());
            });
        });
        $group.bench_function(BenchmarkId::new("composed", $name), |bencher| {
            bencher.iter(|| {
                let $input = tensor.retaped();
                there_and_back($composed.unwrap());
            });
        });
    };
}

fn maps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("maps forward and backward");
    let shape = (32, 16, 16, 256);
    let plan = Window::square(2, 2, 0).over(16, 16).unwrap();
    let (gamma, beta) = (ones(32), ones(32));
    both!(
        group,
        "batch_norm",
        |input| Cpu::batch_norm(input, &gamma, &beta, NORM).map(|(output, _)| output),
        composed::batch_norm(input, &gamma, &beta, NORM).map(|(output, _)| output),
        tensor(shape)
    );
    both!(
        group,
        "max_pool",
        |input| Cpu::max_pool(input, &plan),
        composed::max_pool(input, &plan),
        tensor(shape)
    );
    both!(
        group,
        "average_pool",
        |input| Cpu::average_pool(input, &plan, true),
        composed::average_pool(input, &plan, true),
        tensor(shape)
    );
    both!(
        group,
        "global_mean",
        |input| Cpu::global_mean(input, 8),
        composed::global_mean(input, 8),
        tensor(shape)
    );
    both!(
        group,
        "relu",
        |input| Cpu::relu(input),
        composed::relu(input),
        tensor(shape)
    );
    let other = tensor(shape);
    both!(
        group,
        "relu_add",
        |input| Cpu::relu_add(input, other.retaped()),
        composed::relu_add(input, other.retaped()),
        tensor(shape)
    );
    both!(
        group,
        "concat_channels",
        |input| Cpu::concat_channels(vec![input, other.retaped()]),
        composed::concat_channels(vec![input, other.retaped()]),
        tensor(shape)
    );
    group.finish();
}

fn features(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows forward and backward");
    let (weight, bias) = (rows((128, 384)), ones(128));
    both!(
        group,
        "linear 384 to 128",
        |input| Cpu::linear(input, &weight, Some(&bias)),
        composed::linear(input, &weight, Some(&bias)),
        rows((32, 384))
    );
    let other = rows((32, 128));
    both!(
        group,
        "concat",
        |input| Cpu::concat(vec![input, other.retaped(), other.retaped()]),
        composed::concat(vec![input, other.retaped(), other.retaped()]),
        rows((32, 128))
    );
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = conv_norm, conv, maps, features
}
criterion_main!(benches);
