//! Layers that the backward pass runs again leave what layers leave that are kept, to the bit.

use std::cell::Cell;
use std::rc::Rc;

use dfdx::prelude::{Cpu, PutTape, SplitTape, SumTo, TensorFromVec, TryMul};
use dfdx::tensor::HasErr;
use gblend_core::engine::{self, Engine, ExchangeGradients, ParamOn, RecorderOn, TapedOn, composed};
use gblend_core::gradients::GradientMut;
use gblend_core::nn::{
    Dropout, FactorizedResidualBlock, FactorizedStrides, Linear, ResidualBlock, add, backward, fork,
    multiply, recompute, relu, sum, time_recomputing,
};
use gblend_core::params::{Module, ParamPath, ParamVisitor, state_of};
use gblend_core::tensor::{Dims2, Dims4, Gradients, Maps, Plain};
use gblend_core::{AutoDevice, Error, ParamMut, Pass, Precision, Result, Seed};
use proptest::prelude::*;

use crate::batch_parts::both;

const FRAMES: usize = 2;

/// Layers of several kinds on maps.
#[derive(Clone)]
enum Layer {
    Frames(Box<ResidualBlock>, Dropout),
    Video(Box<FactorizedResidualBlock>),
}

impl Layer {
    fn forward(&mut self, maps: Maps, pass: &Pass) -> Result<Maps> {
        match self {
            Self::Frames(block, dropout) => dropout.forward(block.forward(maps, pass)?, pass),
            Self::Video(block) => Ok(block.forward(maps, FRAMES, pass)?.0),
        }
    }
}

impl Module for Layer {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::Frames(block, _) => block.visit_params(path, visitor),
            Self::Video(block) => block.visit_params(path, visitor),
        }
    }
}

fn layers(kinds: &[bool]) -> Vec<Layer> {
    let device = AutoDevice::default();
    let layer = |(index, &video): (usize, &bool)| {
        let seed = Seed::new(5).nth(index as u64);
        match video {
            true => Layer::Video(Box::new(
                FactorizedResidualBlock::new(&device, 3, 3, FactorizedStrides::NONE, seed).unwrap(),
            )),
            false => Layer::Frames(
                Box::new(ResidualBlock::new(&device, 3, 3, 1, seed).unwrap()),
                Dropout::new(0.3, seed).unwrap(),
            ),
        }
    };
    kinds.iter().enumerate().map(layer).collect()
}

fn run(layers: &mut [Layer], mut maps: Maps, pass: &Pass) -> Result<(Maps, usize)> {
    let count = layers.len();
    for layer in layers {
        maps = layer.forward(maps, pass)?;
    }
    Ok((maps, count))
}

struct Collect<'a>(&'a mut Gradients, Vec<u32>);

impl ParamVisitor for Collect<'_> {
    fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let Self(gradients, bits) = self;
        GradientMut::new(param, gradients).read(|read| bits.extend(read.iter().map(|value| value.to_bits())))
    }
}

/// Output, gradients of the parameters and of what entered, and running statistics, as bits.
#[derive(Debug, PartialEq)]
struct Left {
    output: Vec<u32>,
    gradients: Vec<u32>,
    of_input: Vec<u32>,
    state: Vec<u32>,
}

fn bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// What a step uses besides the layers.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    kinds: &'a [bool],
    /// Layers before each of these are divided from those after it.
    cut: usize,
    /// Whether what enters is a parameter, so that it has a gradient.
    learned: bool,
    /// Whether the input goes around the layers, too.
    around: bool,
    /// Whether all layers are passed twice.
    twice: bool,
    /// Whether the pass is to train, or to differentiate what the network would predict.
    trains: bool,
    samples: usize,
    first: usize,
    keeps: Precision,
}

fn value(at: usize) -> f32 {
    let bits = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    bits as f32 / (1 << 23) as f32 - 1.0
}

/// Maps of samples, the batch innermost.
fn entering(step: Step<'_>, seed: usize) -> Plain<Dims4> {
    let shape = (3, 3, 4, FRAMES * step.samples);
    let columns = (0..FRAMES)
        .flat_map(|frame| (0..step.samples).map(move |sample| (step.first + sample) * FRAMES + frame));
    let columns: Vec<usize> = columns.collect();
    let values = (0..36).flat_map(|pixel| {
        columns
            .iter()
            .map(move |column| value(seed + column * 1000 + pixel))
    });
    Plain::new(&AutoDevice::default(), shape, values.collect()).unwrap()
}

fn left(step: Step<'_>, recomputes: bool) -> Left {
    let pass = match step.trains {
        true => Pass::train(Seed::new(1)),
        false => Pass::differentiate(),
    };
    let pass = pass.recomputing(recomputes).keeping(step.keeps);
    let mut layers = layers(step.kinds);
    let input = entering(step, 0);
    let taped = match step.learned {
        true => input.parameter(),
        false => input.enter(pass.recorder()),
    };
    let (maps, around) = match step.around {
        true => {
            let (maps, around) = fork(taped);
            (maps, Some(around))
        }
        false => (taped, None),
    };
    let mut maps = maps;
    for _ in 0..if step.twice { 2 } else { 1 } {
        let (before, after) = layers.split_at_mut(step.cut.min(step.kinds.len()));
        for layers in [before, after] {
            let (made, count) = recompute(layers, maps, &pass, run).unwrap();
            assert_eq!(count, layers.len());
            maps = made;
        }
    }
    if let Some(around) = around {
        maps = add(maps, around).unwrap();
    }
    let output = bits(maps.to_vec());
    let slopes = entering(step, 77).enter(pass.recorder());
    let mut gradients = backward(sum(multiply(maps, slopes).unwrap()).unwrap()).unwrap();
    let mut collect = Collect(&mut gradients, Vec::new());
    let mut state = Vec::new();
    for layer in &mut layers {
        layer.visit_params(&ParamPath::root(), &mut collect).unwrap();
        state.extend(
            state_of(layer)
                .unwrap()
                .into_values()
                .flat_map(|array| array.into_values()),
        );
    }
    let parameters = collect.1;
    assert!(parameters.iter().any(|&bits| f32::from_bits(bits) != 0.0));
    Left {
        output,
        gradients: parameters,
        of_input: bits(gradients.get(&input).unwrap().into_values()),
        state: bits(state),
    }
}

fn in_parts(step: Step<'_>, recompute: [bool; 2]) -> [Left; 2] {
    let half = step.samples / 2;
    both(|part| {
        let (samples, first) = [(half, 0), (step.samples - half, half)][part];
        let step = Step {
            samples,
            first,
            ..step
        };
        left(step, recompute[part])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn layers_that_run_again_leave_the_bits_of_layers_that_are_kept(
        kinds in proptest::collection::vec(any::<bool>(), 1..4),
        cut in 0_usize..4,
        (learned, around, twice, trains) in any::<(bool, bool, bool, bool)>(),
        samples in 1_usize..6,
        keeps in prop_oneof![Just(Precision::F32), Just(Precision::Bf16), Just(Precision::F16)],
    ) {
        let step = Step { kinds: &kinds, cut, learned, around, twice, trains, samples, first: 0, keeps };
        prop_assert_eq!(left(step, true), left(step, false));
    }

    #[test]
    fn a_part_of_a_batch_may_run_layers_again_where_the_other_does_not(
        kinds in proptest::collection::vec(any::<bool>(), 1..3),
        cut in 0_usize..3,
        samples in 2_usize..6,
        recomputes in any::<[bool; 2]>(),
    ) {
        let step = Step { kinds: &kinds, cut, learned: false, around: false, twice: false, trains: true, samples, first: 0, keeps: Precision::F32 };
        prop_assert_eq!(in_parts(step, recomputes), in_parts(step, [false; 2]));
    }
}

#[test]
fn layers_run_again_once_for_each_backward_pass_and_the_time_is_told() {
    let runs = Rc::new(Cell::new(0));
    let step = |pass: &Pass| {
        let count = Rc::clone(&runs);
        let mut layers = layers(&[false]);
        let input = Plain::<Dims4>::filled(&AutoDevice::default(), (3, 4, 4, 2), 0.5).unwrap();
        let maps = recompute(
            &mut layers,
            input.enter(pass.recorder()),
            pass,
            move |layers, maps, pass| {
                count.set(count.get() + 1);
                run(layers, maps, pass)
            },
        );
        maps.unwrap().0
    };
    let pass = Pass::train(Seed::new(1)).recomputing(true);
    let (_, spent) = time_recomputing(|| backward(sum(step(&pass)).unwrap()).unwrap());
    assert_eq!(runs.replace(0), 2);
    assert!(!spent.is_zero());
    let (_, spent) = time_recomputing(|| {
        step(&pass);
        backward(sum(step(&pass.recomputing(false))).unwrap()).unwrap();
        step(&Pass::evaluate().recomputing(true));
    });
    // Nothing was followed back, kept, or not recorded.
    assert_eq!(runs.get(), 3);
    assert!(spent.is_zero());
}

#[test]
fn a_second_run_that_fails_is_an_error_of_the_backward_pass_and_of_no_other() {
    let pass = Pass::train(Seed::new(1)).recomputing(true);
    let input = Plain::<Dims4>::filled(&AutoDevice::default(), (3, 4, 4, 2), 0.5).unwrap();
    let first = Cell::new(true);
    let failing = move |layers: &mut [Layer], maps: Maps, pass: &Pass| match first.replace(false) {
        true => run(layers, maps, pass),
        false => Err(Error::Device("gone".into())),
    };
    let (maps, _) = recompute(
        &mut layers(&[false]),
        input.enter(pass.recorder()),
        &pass,
        failing,
    )
    .unwrap();
    let error = backward(sum(maps).unwrap()).unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    let (maps, _) = recompute(&mut layers(&[true]), input.enter(pass.recorder()), &pass, run).unwrap();
    assert!(backward(sum(maps).unwrap()).is_ok());
}

#[derive(Clone)]
struct Halves(Linear);

impl Module for Halves {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.0.visit_params(path, visitor)
    }
}

#[test]
fn rows_and_layers_without_a_gradient_from_below_run_again_as_well() {
    let step = |recomputes| {
        let pass = Pass::train(Seed::new(1)).recomputing(recomputes);
        let device = AutoDevice::default();
        let input = Plain::<Dims2>::new(&device, (4, 3), (0..12).map(value).collect()).unwrap();
        let mut layers = [Halves(Linear::new(&device, 3, 3, Seed::new(3)).unwrap())];
        let rows = recompute(
            &mut layers,
            input.enter(pass.recorder()),
            &pass,
            |layers, rows, _| Ok((relu(layers[0].0.forward(rows)?)?, ())),
        );
        let mut gradients = backward(sum(rows.unwrap().0).unwrap()).unwrap();
        let mut collect = Collect(&mut gradients, Vec::new());
        layers[0].visit_params(&ParamPath::root(), &mut collect).unwrap();
        collect.1
    };
    assert_eq!(step(true), step(false));
}

type Vector<T> = ParamOn<T, Cpu>;

/// `Σ (relu(x · wᵀ) · slopes) + Σ x · around`, and its gradients by x and w, on one of the routes.
fn of_route(composed_route: bool, twice: bool) -> [Vec<f32>; 2] {
    let device = Cpu::default();
    let matrix = |rows: usize, columns: usize, from: usize| -> Vector<Dims2> {
        let values = (0..rows * columns).map(|at| value(from + at)).collect();
        device.tensor_from_vec(values, (rows, columns))
    };
    let (input, weight, slopes, around) = (
        matrix(4, 3, 0),
        matrix(3, 3, 50),
        matrix(4, 3, 90),
        matrix(4, 3, 120),
    );
    let of = weight.clone();
    let exchange: ExchangeGradients<Cpu> = Rc::new(
        move |one, other| -> std::result::Result<(), <Cpu as HasErr>::Err> {
            std::mem::swap(one.get_or_alloc_mut(&of)?, other.get_or_alloc_mut(&of)?);
            Ok(())
        },
    );
    let layer = |weight: Vector<Dims2>| {
        move |rows: TapedOn<Dims2, Cpu>| match composed_route {
            true => composed::relu(composed::linear(rows, &weight, None)?),
            false => Cpu::relu(Cpu::linear(rows, &weight, None)?),
        }
    };
    let again = |rows: TapedOn<Dims2, Cpu>| {
        let (rows, recorder) = rows.split_tape();
        let output = layer(weight.clone())(rows.clone().put_tape(RecorderOn::off())).unwrap();
        let (output, _) = output.split_tape();
        let rows = rows.put_tape(recorder);
        let again = Box::new(layer(weight.clone()));
        match composed_route {
            true => composed::recomputed(rows, output, again, Rc::clone(&exchange)),
            false => Cpu::recomputed(rows, output, again, Rc::clone(&exchange)),
        }
    };
    let (rows, recorder) = input.clone().put_tape(RecorderOn::for_parameter()).split_tape();
    let beside = rows.clone().put_tape(recorder.branch());
    let mut rows = again(rows.put_tape(recorder));
    if twice {
        rows = again(rows);
    }
    let main = rows.try_mul(slopes.put_tape(RecorderOn::for_data())).unwrap();
    let beside = beside.try_mul(around.put_tape(RecorderOn::for_data())).unwrap();
    let loss = composed::add(main, beside).unwrap().sum();
    let mut gradients = engine::backward(loss).unwrap();
    let mut of = |tensor: &Vector<Dims2>| gradients.get_or_alloc_mut(tensor).unwrap().to_vec();
    [of(&input), of(&weight)]
}

#[test]
fn the_routes_agree_on_layers_that_run_again() {
    for twice in [false, true] {
        let pairs = of_route(true, twice).into_iter().zip(of_route(false, twice));
        for (composed, fast) in pairs {
            assert!(composed.iter().any(|&value| value != 0.0));
            for (composed, fast) in composed.iter().zip(&fast) {
                assert!((composed - fast).abs() < 1e-5, "{composed} {fast}");
            }
        }
    }
}
