//! Operations, and the layers that are one operation each, at several windows.

use gblend_core::nn::{self, BatchNorm, Conv2d, ConvNorm, ResidualBlock, RowIndex, Window};
use gblend_core::params::{Module, ParamMut, ParamPath, ParamVisitor, State};
use gblend_core::tensor::{Dims2, Dims3, Dims4, Features, Maps, Shape, Taped};
use gblend_core::{Array, AutoDevice, Pass, Result, Seed};

use crate::Case;
use crate::outcome::{Outcome, draw, tensor};

/// `[channels, height, width, columns]`.
const MAPS: Dims4 = (5, 9, 8, 12);
const CUBE: Dims3 = (4, 6, 5);
const ROWS: Dims2 = (12, 9);
const OUT: usize = 7;
const SEED: Seed = Seed::new(13);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = at_windows();
    cases.extend(of_maps());
    cases.extend(of_each_element());
    cases.extend(of_axes());
    cases.extend(of_pairs());
    cases
}

fn at_windows() -> Vec<Case> {
    let windows = [
        ("1x1", Window::square(1, 1, 0)),
        ("3x3", Window::square(3, 1, 1)),
        ("3x3 stride 2", Window::square(3, 2, 1)),
        (
            "2x3",
            Window {
                kernel: (2, 3),
                stride: (2, 1),
                padding: (0, 1),
            },
        ),
    ];
    let mut cases = Vec::new();
    for (name, window) in windows {
        cases.push(Case::new(format!("conv {name}"), move |device| {
            let layer = Conv2d::new(device, MAPS.0, OUT, window, SEED)?;
            layered(device, layer, |layer, maps| layer.forward(maps))
        }));
        for (relu, fixed) in [(false, false), (true, true)] {
            let name = format!("conv_norm {name}, fixed {fixed}");
            cases.push(Case::new(name, move |device| {
                let layer = ConvNorm::new(device, MAPS.0, OUT, window, relu, SEED)?;
                layered(device, layer, |layer, maps| layer.forward(maps, &pass(fixed)))
            }));
        }
        cases.push(Case::new(format!("max_pool {name}"), move |device| {
            of_one(device, MAPS, |maps| nn::max_pool(maps, window))
        }));
        for padding in [false, true] {
            let name = format!("average_pool {name}, padding {padding}");
            cases.push(Case::new(name, move |device| {
                of_one(device, MAPS, |maps| nn::average_pool(maps, window, padding))
            }));
        }
    }
    cases
}

fn of_maps() -> Vec<Case> {
    let mut cases = Vec::new();
    for (relu, fixed) in [(false, false), (true, false), (true, true)] {
        let name = format!("batch_norm, relu {relu}, fixed {fixed}");
        cases.push(Case::new(name, move |device| {
            let layer = BatchNorm::new(device, MAPS.0, relu)?;
            layered(device, layer, |layer, maps| layer.forward(maps, &pass(fixed)))
        }));
    }
    cases.push(Case::new("residual without a shortcut", |device| {
        let layer = ResidualBlock::new(device, MAPS.0, MAPS.0, 1, SEED)?;
        layered(device, layer, |layer, maps| layer.forward(maps, &pass(false)))
    }));
    cases.push(Case::new("concat_channels", |device| {
        let narrow = (3, MAPS.1, MAPS.2, MAPS.3);
        of_two(device, MAPS, narrow, |left, right| {
            nn::concat_channels(vec![left, right])
        })
    }));
    cases
}

fn of_each_element() -> Vec<Case> {
    type Unary = fn(Features) -> Result<Features>;
    let operations: [(&str, Unary); 9] = [
        ("relu", nn::relu),
        ("sigmoid", nn::sigmoid),
        ("tanh", nn::tanh),
        ("exp", nn::exp),
        ("abs", nn::abs),
        ("square", nn::square),
        ("powi", |x| nn::powi(x, 3)),
        ("scale", |x| nn::scale(x, -0.7)),
        ("offset", |x| nn::offset(x, 0.7)),
    ];
    let mut cases: Vec<Case> = operations
        .into_iter()
        .map(|(name, operation)| Case::new(name, move |device| of_one(device, ROWS, operation)))
        .collect();
    // Of what is not negative.
    cases.push(Case::new("ln", |device| {
        of_one(device, ROWS, |x| nn::ln(nn::exp(x)?))
    }));
    cases.push(Case::new("sqrt", |device| {
        of_one(device, ROWS, |x| nn::sqrt(nn::exp(x)?))
    }));
    cases
}

fn of_axes() -> Vec<Case> {
    let mut cases = vec![
        Case::new("sum", |device| of_one(device, CUBE, nn::sum)),
        Case::new("mean", |device| of_one(device, CUBE, nn::mean)),
        Case::new("transpose", |device| of_one(device, ROWS, nn::transpose)),
        Case::new("permute", |device| {
            of_one(device, CUBE, |x| nn::permute(x, [2, 0, 1]))
        }),
        Case::new("take_rows", |device| {
            let index = RowIndex::new(device, vec![3, 0, 3, 11])?;
            of_one(device, ROWS, |x| nn::take_rows(x, &index))
        }),
    ];
    for axis in 0..3 {
        cases.push(Case::new(format!("sum_axis {axis}"), move |device| {
            of_one(device, CUBE, |x| nn::sum_axis(x, axis))
        }));
        cases.push(Case::new(format!("mean_axis {axis}"), move |device| {
            of_one(device, CUBE, |x| nn::mean_axis(x, axis))
        }));
        cases.push(Case::new(format!("softmax {axis}"), move |device| {
            of_one(device, CUBE, |x| nn::softmax(x, axis))
        }));
        cases.push(Case::new(format!("log_softmax {axis}"), move |device| {
            of_one(device, CUBE, |x| nn::log_softmax(x, axis))
        }));
        cases.push(Case::new(format!("repeat {axis}"), move |device| {
            of_one(device, ROWS, |x| nn::repeat(x, axis, 3))
        }));
    }
    cases
}

fn of_pairs() -> Vec<Case> {
    type Binary = fn(Features, Features) -> Result<Features>;
    let operations: [(&str, Binary); 5] = [
        ("add", nn::add),
        ("subtract", nn::subtract),
        ("multiply", nn::multiply),
        ("divide", |x, y| nn::divide(x, nn::exp(y)?)),
        ("inner_products", nn::inner_products),
    ];
    let mut cases: Vec<Case> = operations
        .into_iter()
        .map(|(name, operation)| Case::new(name, move |device| of_two(device, ROWS, ROWS, operation)))
        .collect();
    cases.push(Case::new("matmul", |device| {
        of_two(device, ROWS, (ROWS.1, OUT), nn::matmul)
    }));
    cases.push(Case::new("matmul_of_each", |device| {
        of_two(device, CUBE, (CUBE.0, CUBE.2, OUT), nn::matmul_of_each)
    }));
    cases.push(Case::new("concatenate", |device| {
        of_two(device, ROWS, (ROWS.0, OUT), |x, y| nn::concatenate(vec![x, y]))
    }));
    cases.push(Case::new("a product with a detached factor", |device| {
        of_one(device, ROWS, |x| nn::multiply(nn::detach(&x)?, nn::tanh(x)?))
    }));
    cases
}

/// With running statistics, or those of the batch.
fn pass(fixed: bool) -> Pass {
    if fixed {
        Pass::differentiate()
    } else {
        Pass::train(SEED)
    }
}

fn of_one<S: Shape, T: Shape>(
    device: &AutoDevice,
    shape: S,
    operation: impl FnOnce(Taped<S>) -> Result<Taped<T>>,
) -> Result<State> {
    let input = tensor(device, "input", shape, (-1.0, 1.0))?;
    let outcome = Outcome::of(operation(input.parameter())?)?;
    Ok(outcome.gradient("input", &input)?.state())
}

fn of_two<S: Shape, R: Shape, T: Shape>(
    device: &AutoDevice,
    left: S,
    right: R,
    operation: impl FnOnce(Taped<S>, Taped<R>) -> Result<Taped<T>>,
) -> Result<State> {
    let left = tensor(device, "left", left, (-1.0, 1.0))?;
    let right = tensor(device, "right", right, (-1.0, 1.0))?;
    let outcome = Outcome::of(operation(left.parameter(), right.parameter())?)?;
    Ok(outcome
        .gradient("left", &left)?
        .gradient("right", &right)?
        .state())
}

/// A layer whose parameters and running statistics are random, on maps.
fn layered<M: Module>(
    device: &AutoDevice,
    mut layer: M,
    forward: impl FnOnce(&mut M, Maps) -> Result<Maps>,
) -> Result<State> {
    layer.visit_params(&ParamPath::root(), &mut Random)?;
    let input = tensor(device, "input", MAPS, (-1.0, 2.0))?;
    let outcome = Outcome::of(forward(&mut layer, input.parameter())?)?;
    Ok(outcome.gradient("input", &input)?.module(&mut layer)?.state())
}

/// Draws parameters, and running statistics that may be variances.
struct Random;

impl ParamVisitor for Random {
    fn param(&mut self, path: &ParamPath, mut param: ParamMut<'_>) -> Result<()> {
        let shape = param.shape();
        let values = draw(path.as_str(), shape.iter().product(), -1.0, 1.0);
        param.set(&Array::new(shape, values)?)
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        let values = draw(path.as_str(), buffer.len(), 0.5, 1.5);
        *buffer = Array::new(buffer.shape(), values)?;
        Ok(())
    }
}
