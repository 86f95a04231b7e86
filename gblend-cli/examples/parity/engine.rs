//! The operations behind the layers.

use gblend_core::nn::{BatchMoments, Engine, NormOptions, NormStatistics, Window};
use gblend_core::params::State;
use gblend_core::tensor::{Dims4, Maps, Plain};
use gblend_core::{Array, AutoDevice, Result};

use crate::Case;
use crate::outcome::{Outcome, taped, tensor};

/// `[channels, height, width, columns]`.
const MAPS: Dims4 = (5, 9, 8, 12);
const FRAMES: usize = 3;
const OUT: usize = 7;

pub(crate) fn cases() -> Vec<Case> {
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
        for bias in [false, true] {
            cases.push(Case::new(format!("conv {name}, bias {bias}"), move |device| {
                conv(device, window, bias)
            }));
        }
        for (relu, fixed) in [(false, false), (true, true)] {
            let name = format!("conv_norm {name}, fixed {fixed}");
            cases.push(Case::new(name, move |device| {
                conv_norm(device, window, relu, fixed)
            }));
        }
        cases.push(Case::new(format!("max_pool {name}"), move |device| {
            let plan = window.over(MAPS.1, MAPS.2)?;
            unary(device, |maps| Outcome::of(AutoDevice::max_pool(maps, &plan)?))
        }));
        for padding in [false, true] {
            let name = format!("average_pool {name}, padding {padding}");
            cases.push(Case::new(name, move |device| {
                let plan = window.over(MAPS.1, MAPS.2)?;
                unary(device, |maps| {
                    Outcome::of(AutoDevice::average_pool(maps, &plan, padding)?)
                })
            }));
        }
    }
    for (relu, fixed) in [(false, false), (true, false), (true, true)] {
        let name = format!("batch_norm, relu {relu}, fixed {fixed}");
        cases.push(Case::new(name, move |device| batch_norm(device, relu, fixed)));
    }
    cases.push(Case::new("global_mean", |device| {
        unary(device, |maps| Outcome::of(AutoDevice::global_mean(maps, FRAMES)?))
    }));
    cases.push(Case::new("relu", |device| {
        unary(device, |maps| Outcome::of(AutoDevice::relu(maps)?))
    }));
    cases.push(Case::new("relu_add", relu_add));
    cases.push(Case::new("linear", linear));
    cases.push(Case::new("concat", concat));
    cases.push(Case::new("concat_channels", concat_channels));
    cases
}

fn maps(device: &AutoDevice, name: &str) -> Result<Plain<Dims4>> {
    tensor(device, name, MAPS, (-1.0, 1.0))
}

fn unary(device: &AutoDevice, run: impl FnOnce(Maps) -> Result<Outcome>) -> Result<State> {
    let mut input = maps(device, "input")?;
    Ok(run(taped(&input))?.gradient("input", &mut input)?.state())
}

fn kernel(device: &AutoDevice, window: Window) -> Result<Plain<Dims4>> {
    let (height, width) = window.kernel;
    tensor(device, "weight", (OUT, MAPS.0, height, width), (-1.0, 1.0))
}

fn conv(device: &AutoDevice, window: Window, with_bias: bool) -> Result<State> {
    let plan = window.over(MAPS.1, MAPS.2)?;
    let (mut input, mut weight) = (maps(device, "input")?, kernel(device, window)?);
    let mut bias = tensor(device, "bias", (OUT,), (-1.0, 1.0))?;
    let output = AutoDevice::conv(taped(&input), &weight, with_bias.then_some(&bias), &plan)?;
    let outcome = Outcome::of(output)?.gradient("input", &mut input)?;
    Ok(outcome
        .gradient("weight", &mut weight)?
        .gradient("bias", &mut bias)?
        .state())
}

/// Means and variances of channels.
fn statistics(channels: usize) -> (Vec<f32>, Vec<f32>) {
    let steps = (0..channels).map(|channel| channel as f32);
    (
        steps.clone().map(|step| 0.1 * step - 0.2).collect(),
        steps.map(|step| 0.5 + 0.3 * step).collect(),
    )
}

fn norm_options<'a>(relu: bool, fixed: bool, (mean, variance): &'a (Vec<f32>, Vec<f32>)) -> NormOptions<'a> {
    NormOptions {
        statistics: match fixed {
            true => NormStatistics::Fixed { mean, variance },
            false => NormStatistics::Batch,
        },
        epsilon: 1e-5,
        relu,
    }
}

fn conv_norm(device: &AutoDevice, window: Window, relu: bool, fixed: bool) -> Result<State> {
    let plan = window.over(MAPS.1, MAPS.2)?;
    let statistics = statistics(OUT);
    let options = norm_options(relu, fixed, &statistics);
    let (mut input, mut weight) = (maps(device, "input")?, kernel(device, window)?);
    let mut gamma = tensor(device, "gamma", (OUT,), (0.5, 1.5))?;
    let mut beta = tensor(device, "beta", (OUT,), (-0.5, 0.5))?;
    let (output, _) = AutoDevice::conv_norm(taped(&input), &weight, &gamma, &beta, &plan, options)?;
    let outcome = Outcome::of(output)?.gradient("input", &mut input)?;
    let outcome = outcome.gradient("weight", &mut weight)?;
    Ok(outcome
        .gradient("gamma", &mut gamma)?
        .gradient("beta", &mut beta)?
        .state())
}

fn batch_norm(device: &AutoDevice, relu: bool, fixed: bool) -> Result<State> {
    let statistics = statistics(MAPS.0);
    let options = norm_options(relu, fixed, &statistics);
    let mut input = tensor(device, "input", MAPS, (-1.0, 3.0))?;
    let mut gamma = tensor(device, "gamma", (MAPS.0,), (0.5, 1.5))?;
    let mut beta = tensor(device, "beta", (MAPS.0,), (-0.5, 0.5))?;
    let (output, moments) = AutoDevice::batch_norm(taped(&input), &gamma, &beta, options)?;
    let outcome = Outcome::of(output)?.gradient("input", &mut input)?;
    let outcome = outcome.gradient("gamma", &mut gamma)?;
    let mut state = outcome.gradient("beta", &mut beta)?.state();
    let moments = match moments {
        BatchMoments::Unused => None,
        BatchMoments::Host { mean, variance } => Some((mean, variance)),
        BatchMoments::Device { mean, variance } => Some((mean.as_vec(), variance.as_vec())),
    };
    if let Some((mean, variance)) = moments {
        state.insert("mean".to_owned(), Array::new([MAPS.0], mean)?);
        state.insert("variance".to_owned(), Array::new([MAPS.0], variance)?);
    }
    Ok(state)
}

fn relu_add(device: &AutoDevice) -> Result<State> {
    let (mut left, mut right) = (maps(device, "left")?, maps(device, "right")?);
    let output = AutoDevice::relu_add(taped(&left), taped(&right))?;
    let outcome = Outcome::of(output)?.gradient("left", &mut left)?;
    Ok(outcome.gradient("right", &mut right)?.state())
}

fn linear(device: &AutoDevice) -> Result<State> {
    let mut input = tensor(device, "input", (12, 31), (-1.0, 1.0))?;
    let mut weight = tensor(device, "weight", (OUT, 31), (-1.0, 1.0))?;
    let mut bias = tensor(device, "bias", (OUT,), (-1.0, 1.0))?;
    let output = AutoDevice::linear(taped(&input), &weight, Some(&bias))?;
    let outcome = Outcome::of(output)?.gradient("input", &mut input)?;
    Ok(outcome
        .gradient("weight", &mut weight)?
        .gradient("bias", &mut bias)?
        .state())
}

fn concat(device: &AutoDevice) -> Result<State> {
    let mut left = tensor(device, "left", (12, 4), (-1.0, 1.0))?;
    let mut right = tensor(device, "right", (12, 9), (-1.0, 1.0))?;
    let output = AutoDevice::concat(vec![taped(&left), taped(&right)])?;
    let outcome = Outcome::of(output)?.gradient("left", &mut left)?;
    Ok(outcome.gradient("right", &mut right)?.state())
}

fn concat_channels(device: &AutoDevice) -> Result<State> {
    let mut left = maps(device, "left")?;
    let mut right = tensor(device, "right", (3, MAPS.1, MAPS.2, MAPS.3), (-1.0, 1.0))?;
    let output = AutoDevice::concat_channels(vec![taped(&left), taped(&right)])?;
    let outcome = Outcome::of(output)?.gradient("left", &mut left)?;
    Ok(outcome.gradient("right", &mut right)?.state())
}
