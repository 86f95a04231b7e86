//! Both routes of the operations that training spends its time in, forward and backward, on layers of the
//! reference network.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dfdx::prelude::{Cpu, SumTo, Tensor, TensorFromVec};
use gblend_core::nn::{Engine, NormOptions, NormStatistics, Window, backward, composed};
use gblend_core::tensor::{Dims1, Dims4};

fn tensor(shape: Dims4) -> Tensor<Dims4, f32, Cpu> {
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values = (0..count)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0)
        .collect();
    Cpu::default().tensor_from_vec(values, shape)
}

fn ones(channels: usize) -> Tensor<Dims1, f32, Cpu> {
    Cpu::default().tensor_from_vec(vec![1.0; channels], (channels,))
}

fn conv_norm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv_norm forward and backward");
    for (inputs, outputs, side) in [(3, 16, 32), (16, 32, 16), (64, 128, 4)] {
        let plan = Window::square(3, 2, 1).over(side, side).unwrap();
        let (input, weight) = (tensor((inputs, side, side, 256)), tensor((outputs, inputs, 3, 3)));
        let (gamma, beta) = (ones(outputs), ones(outputs));
        let options = NormOptions {
            statistics: NormStatistics::Batch,
            epsilon: 1e-5,
            relu: true,
        };
        let name = format!("{inputs}x{side}x{side} to {outputs}");
        group.bench_function(BenchmarkId::new("fast", &name), |bencher| {
            bencher.iter(|| {
                let (output, _) =
                    Cpu::conv_norm(input.retaped(), &weight, &gamma, &beta, &plan, options).unwrap();
                backward(output.try_sum().unwrap()).unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("composed", &name), |bencher| {
            bencher.iter(|| {
                let maps = composed::conv(input.retaped(), &weight, None, &plan).unwrap();
                let (output, _) = composed::batch_norm(maps, &gamma, &beta, options).unwrap();
                backward(output.try_sum().unwrap()).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = conv_norm
}
criterion_main!(benches);
