//! Flow between two frames of the sizes that networks take.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use gblend_core::Array;
use gblend_modalities::frontend::optical_flow::between;

fn texture(side: usize, moved: f32) -> Array {
    let value = |at: usize| {
        let (x, y) = ((at % side) as f32 - moved, (at / side) as f32);
        128.0 + 40.0 * (0.3 * x + 0.15 * y).sin() + 40.0 * (0.2 * x - 0.4 * y).sin()
    };
    Array::new([side, side], (0..side * side).map(value).collect()).unwrap()
}

fn optical_flow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optical flow");
    for side in [32, 64, 112, 224] {
        let (first, second) = (texture(side, 0.0), texture(side, 1.5));
        group.bench_function(format!("{side}x{side}"), |bencher| {
            bencher.iter(|| between(&first, &second).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, optical_flow);
criterion_main!(benches);
