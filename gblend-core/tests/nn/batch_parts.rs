//! A batch in parts is normalized as a whole, and the gradients of the parts add up to the whole one's.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};

use gblend_core::batch_parts::{BatchParts, within};
use gblend_core::gradients::GradientMut;
use gblend_core::nn::{BatchNorm, ConvNorm, Linear, RowBatchNorm, Window, backward, multiply, sum};
use gblend_core::params::{Module, ParamPath, ParamVisitor, state_of};
use gblend_core::tensor::{Dims2, Dims4, Gradients, Plain};
use gblend_core::{AutoDevice, ParamMut, Pass, Result, Seed};
use proptest::prelude::*;

/// The other part, in another thread.
#[derive(Debug)]
struct Other {
    to: Sender<Vec<f64>>,
    from: Receiver<Vec<f64>>,
}

impl BatchParts for Other {
    fn add_up(&self, sums: &mut [f64]) {
        self.to.send(sums.to_vec()).unwrap();
        let other = self.from.recv().unwrap();
        assert_eq!(sums.len(), other.len());
        for (sum, other) in sums.iter_mut().zip(other) {
            // A sum of two is the same in either order.
            *sum += other;
        }
    }
}

/// What a pass leaves: outputs, sample by sample, gradients of all parameters, and running statistics.
#[derive(Debug)]
struct Left {
    outputs: Vec<Vec<f32>>,
    gradients: Vec<f32>,
    state: Vec<f32>,
}

struct Collect<'a>(&'a mut Gradients, Vec<f32>);

impl ParamVisitor for Collect<'_> {
    fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let Self(gradients, values) = self;
        GradientMut::new(param, gradients).read(|read| values.extend_from_slice(read))
    }
}

/// Gradients and running statistics of some layers.
fn left(outputs: Vec<Vec<f32>>, mut gradients: Gradients, layers: &mut [&mut dyn Module]) -> Left {
    let mut collect = Collect(&mut gradients, Vec::new());
    let mut state = Vec::new();
    for layer in layers {
        layer.visit_params(&ParamPath::root(), &mut collect).unwrap();
        let of_layer = state_of(*layer).unwrap();
        state.extend(of_layer.into_values().flat_map(|array| array.into_values()));
    }
    Left {
        outputs,
        gradients: collect.1,
        state,
    }
}

fn value(at: usize, seed: u64) -> f32 {
    let bits = (at as u64 + 1)
        .wrapping_mul(seed | 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 40;
    bits as f32 / (1 << 23) as f32 - 1.0
}

/// Maps of samples, the batch innermost, through a convolution and two normalizations.
fn maps(samples: &[usize], seed: u64) -> Left {
    let device = AutoDevice::default();
    let pass = Pass::train(Seed::new(1));
    let (batch, pixels) = (samples.len(), 2 * 4 * 3);
    // What a value is depends on its sample and place alone.
    let of = |count: usize, seed: u64| -> Vec<f32> {
        (0..count)
            .flat_map(|pixel| {
                samples
                    .iter()
                    .map(move |&sample| value(sample * 1000 + pixel, seed))
            })
            .collect()
    };
    let input = Plain::<Dims4>::new(&device, (2, 4, 3, batch), of(pixels, seed)).unwrap();
    let mut conv = ConvNorm::new(&device, 2, 3, Window::square(3, 1, 1), true, Seed::new(2)).unwrap();
    let mut norm = BatchNorm::new(&device, 3, false).unwrap();
    let output = conv.forward(input.enter(pass.recorder()), &pass).unwrap();
    let output = norm.forward(output, &pass).unwrap();
    let values = output.to_vec();
    let outputs = (0..batch)
        .map(|sample| values.iter().skip(sample).step_by(batch).copied().collect())
        .collect();
    let weights = Plain::<Dims4>::new(&device, (3, 4, 3, batch), of(36, seed + 1)).unwrap();
    let loss = sum(multiply(output, weights.enter(pass.recorder())).unwrap()).unwrap();
    left(outputs, backward(loss).unwrap(), &mut [&mut conv, &mut norm])
}

/// Rows of samples through a linear layer and a normalization.
fn rows(samples: &[usize], seed: u64) -> Left {
    let device = AutoDevice::default();
    let pass = Pass::train(Seed::new(1));
    let of = |width: usize, seed: u64| -> Vec<f32> {
        samples
            .iter()
            .flat_map(|&sample| (0..width).map(move |column| value(sample * 1000 + column, seed)))
            .collect()
    };
    let input = Plain::<Dims2>::new(&device, (samples.len(), 5), of(5, seed)).unwrap();
    let mut linear = Linear::new(&device, 5, 4, Seed::new(2)).unwrap();
    let mut norm = RowBatchNorm::new(&device, 4).unwrap();
    let output = linear.forward(input.enter(pass.recorder())).unwrap();
    let output = norm.forward(output, &pass).unwrap();
    let outputs = output.to_vec().chunks(4).map(<[f32]>::to_vec).collect();
    let weights = Plain::<Dims2>::new(&device, (samples.len(), 4), of(4, seed + 1)).unwrap();
    let loss = sum(multiply(output, weights.enter(pass.recorder())).unwrap()).unwrap();
    left(outputs, backward(loss).unwrap(), &mut [&mut linear, &mut norm])
}

/// What each of two parts of a batch, the first of which is 0, makes; both at a time, in threads.
pub(crate) fn both<T: Send>(part: impl Fn(usize) -> T + Sync) -> [T; 2] {
    let (to_second, from_first) = channel();
    let (to_first, from_second) = channel();
    let run = |number, to, from| within(Some(Rc::new(Other { to, from })), || part(number));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| run(1, to_first, from_first));
        let first = run(0, to_second, from_second);
        [first, second.join().unwrap()]
    })
}

fn in_parts(samples: &[usize], first: usize, seed: u64, of: fn(&[usize], u64) -> Left) -> [Left; 2] {
    let (one, two) = samples.split_at(first);
    both(|part| of([one, two][part], seed))
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() <= 2e-4 * a.abs().max(b.abs()).max(1.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn two_parts_normalize_as_one_batch(count in 3_usize..9, at in 1_usize..8, seed in 1_u64..1000, of_rows: bool) {
        let of = if of_rows { rows } else { maps };
        let samples: Vec<usize> = (0..count).collect();
        let whole = of(&samples, seed);
        let [first, second] = in_parts(&samples, at.min(count - 1), seed, of);
        let outputs = [first.outputs, second.outputs].concat();
        prop_assert_eq!(outputs.len(), whole.outputs.len());
        for (part, whole) in outputs.iter().zip(&whole.outputs) {
            prop_assert!(close(part, whole), "{part:?} {whole:?}");
        }
        let pairs = first.gradients.iter().zip(&second.gradients);
        let gradients: Vec<f32> = pairs.map(|(first, second)| first + second).collect();
        prop_assert!(close(&gradients, &whole.gradients), "{gradients:?} {:?}", whole.gradients);
        prop_assert!(close(&first.state, &whole.state) && first.state == second.state);
    }
}

#[test]
fn what_is_at_hand_ends_with_the_pass() {
    let samples = [0, 1, 2, 3];
    let before = rows(&samples, 7);
    in_parts(&samples, 2, 7, rows);
    assert_eq!(rows(&samples, 7).outputs, before.outputs);
}
