//! Maps that are kept in 16 bits for the backward pass.

use gblend_core::gradients::GradientMut;
use gblend_core::nn::{ConvNorm, Window, backward, multiply, sum};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Dims4, Gradients, Plain};
use gblend_core::{AutoDevice, ParamMut, Pass, Precision, Result, Seed};
use proptest::prelude::*;

struct Collect<'a>(&'a mut Gradients, Vec<f32>);

impl ParamVisitor for Collect<'_> {
    fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let Self(gradients, values) = self;
        GradientMut::new(param, gradients).read(|read| values.extend_from_slice(read))
    }
}

/// What goes into three layers, and what is asked of what comes out.
#[derive(Clone, Copy, Debug)]
struct Step {
    samples: usize,
    seed: u64,
    relu: bool,
    /// What samples are multiplied by.
    scale: f32,
}

/// Numbers between -1 and 1.
fn numbers(shape: Dims4, seed: u64, scale: f32) -> Plain<Dims4> {
    let count = (shape.0 * shape.1 * shape.2 * shape.3) as u64;
    let numbers = (0..count).map(|at| {
        let bits = (at + 1 + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        scale * (bits as f32 / (1 << 23) as f32 - 1.0)
    });
    Plain::new(&AutoDevice::default(), shape, numbers.collect()).unwrap()
}

/// The output of the layers, and the gradients of their parameters.
fn made(step: Step, keeps: Precision) -> (Vec<f32>, Vec<f32>) {
    let device = AutoDevice::default();
    let pass = Pass::train(Seed::new(1)).keeping(keeps);
    let layer = |index, inputs, outputs| {
        let seed = Seed::new(step.seed).nth(index);
        ConvNorm::new(&device, inputs, outputs, Window::square(3, 1, 1), step.relu, seed).unwrap()
    };
    let mut layers = [layer(0, 2, 4), layer(1, 4, 5), layer(2, 5, 3)];
    let mut maps = numbers((2, 6, 5, step.samples), step.seed, step.scale).enter(pass.recorder());
    for layer in &mut layers {
        maps = layer.forward(maps, &pass).unwrap();
    }
    let output = maps.to_vec();
    let slopes = numbers((3, 6, 5, step.samples), step.seed + 9, 1.0).enter(pass.recorder());
    let mut gradients = backward(sum(multiply(maps, slopes).unwrap()).unwrap()).unwrap();
    let mut collect = Collect(&mut gradients, Vec::new());
    for layer in &mut layers {
        layer.visit_params(&ParamPath::root(), &mut collect).unwrap();
    }
    (output, collect.1)
}

/// The length of the difference by the length of what is expected.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let length =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let pairs = found.iter().zip(expected);
    let difference = length(&mut pairs.map(|(&a, &b)| f64::from(a) - f64::from(b)));
    difference / length(&mut expected.iter().map(|&value| f64::from(value)))
}

/// The largest relative error of a rounded number.
fn roundoff(keeps: Precision) -> f64 {
    match keeps {
        Precision::F32 => f64::from(f32::EPSILON) / 2.0,
        Precision::Bf16 => 2.0_f64.powi(-8),
        Precision::F16 => 2.0_f64.powi(-11),
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gradients_of_rounded_maps_are_as_near_to_those_of_exact_ones_as_the_rounding(
        samples in 24_usize..40, seed in 0_u64..1000, relu in any::<bool>(),
    ) {
        let step = Step { samples, seed, relu, scale: 1.0 };
        let (output, gradients) = made(step, Precision::F32);
        for keeps in [Precision::Bf16, Precision::F16] {
            let (rounded, approximate) = made(step, keeps);
            let roundoff = roundoff(keeps);
            prop_assert!(distance(&rounded, &output) < 8.0 * roundoff);
            // Where a rectifier lets through what it did not, or the other way round, a gradient is another one: the share of such
            // values goes with the error, and the length of what they are wrong by with its root. Of few samples one such value is a
            // large share: of four to twelve the distance was up to six times the root, of these at most 0.84 in 800 cases.
            let allowed = if relu { 2.0 * roundoff.sqrt() } else { 16.0 * roundoff };
            let distance = distance(&approximate, &gradients);
            prop_assert!(0.0 < distance && distance < allowed, "{keeps}: {distance} of {allowed}");
        }
    }
}

#[test]
fn gradients_of_rounded_maps_are_the_same_to_the_bit_at_any_number_of_threads() {
    let step = Step {
        samples: 70,
        seed: 3,
        relu: true,
        scale: 1.0,
    };
    for keeps in [Precision::Bf16, Precision::F16] {
        let of_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let (output, gradients) = pool.install(|| made(step, keeps));
            [bits(&output), bits(&gradients)]
        };
        let one = of_threads(1);
        assert!(one == of_threads(2) && one == of_threads(4), "{keeps}");
    }
}

#[test]
fn maps_that_f16_cannot_have_are_kept_as_they_are() {
    let step = Step {
        samples: 6,
        seed: 5,
        relu: true,
        scale: 1e6,
    };
    let (output, gradients) = made(step, Precision::F16);
    assert!(output.iter().chain(&gradients).all(|value| value.is_finite()));
    // The first layer's are; what it normalized is rounded as ever.
    let (exact, _) = made(step, Precision::F32);
    assert!(distance(&output, &exact) < 8.0 * roundoff(Precision::F16));
}
