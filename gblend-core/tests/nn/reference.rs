//! The operations written down as their definitions, in `f64`.

use crate::operation::{Case, EPSILON, Operation};

/// The output, and whether the case is near a point where the operation has no derivative.
pub(crate) struct Reference {
    pub output: Vec<f64>,
    pub near_kink: bool,
}

/// Values nearer to a kink than this could fall on its other side in `f32`.
const MARGIN: f64 = 1e-3;

/// Evaluates the operation on `arguments` in place of the case's own.
pub(crate) fn evaluate(case: &Case, arguments: &[Vec<f64>]) -> Reference {
    let [channels, height, width, columns] = case.input;
    let plan = case.plan();
    let pixels = height * width;
    let x = &arguments[0];
    match case.operation {
        Operation::Conv { out_channels, bias } => {
            let bias = if bias {
                arguments[2].clone()
            } else {
                vec![0.0; out_channels]
            };
            smooth(conv(case, x, &arguments[1], &bias))
        }
        Operation::BatchNorm { relu, fixed } => norm(x, channels, &arguments[1], &arguments[2], relu, fixed),
        Operation::ConvNorm {
            out_channels,
            relu,
            fixed,
        } => {
            let maps = conv(case, x, &arguments[1], &vec![0.0; out_channels]);
            norm(&maps, out_channels, &arguments[2], &arguments[3], relu, fixed)
        }
        Operation::Linear { outputs } => {
            let row = |n: usize, o: usize| {
                let products = (0..channels).map(|i| x[n * channels + i] * arguments[1][o * channels + i]);
                arguments[2][o] + products.sum::<f64>()
            };
            smooth(
                (0..columns)
                    .flat_map(|n| (0..outputs).map(move |o| row(n, o)))
                    .collect(),
            )
        }
        Operation::MaxPool => {
            let mut near_kink = false;
            let output = each_window(
                case,
                |values| {
                    let mut sorted = values.to_vec();
                    sorted.sort_by(f64::total_cmp);
                    let count = sorted.len();
                    near_kink |= count > 1 && sorted[count - 1] - sorted[count - 2] < MARGIN;
                    sorted[count - 1]
                },
                x,
            );
            Reference { output, near_kink }
        }
        Operation::AveragePool { count_padding } => smooth(each_window(
            case,
            |values| {
                let count = if count_padding { plan.taps() } else { values.len() };
                values.iter().sum::<f64>() / count.max(1) as f64
            },
            x,
        )),
        Operation::GlobalMean { frames } => {
            let batch = columns / frames;
            let mut output = vec![0.0; batch * channels];
            for (index, value) in x.iter().enumerate() {
                let (channel, sample) = (index / (pixels * columns), index % batch);
                output[sample * channels + channel] += value / (pixels * frames) as f64;
            }
            smooth(output)
        }
        Operation::PixelRows { frames } => {
            let batch = columns / frames;
            let row = |row: usize| {
                let (pixel, frame, sample) = (row % pixels, row / pixels % frames, row / pixels / frames);
                (0..channels)
                    .map(move |channel| x[((channel * pixels + pixel) * frames + frame) * batch + sample])
            };
            smooth((0..pixels * columns).flat_map(row).collect())
        }
        Operation::SumMiddle => {
            let mut output = vec![0.0; channels * columns];
            for (index, value) in x.iter().enumerate() {
                let (channel, column) = (index / (pixels * columns), index % columns);
                output[channel * columns + column] += value;
            }
            smooth(output)
        }
        Operation::Add => smooth(
            x.iter()
                .zip(&arguments[1])
                .map(|(left, right)| left + right)
                .collect(),
        ),
        Operation::ReluAdd => rectified(
            x.iter()
                .zip(&arguments[1])
                .map(|(left, right)| left + right)
                .collect(),
        ),
        Operation::Relu => rectified(x.clone()),
        Operation::ScaleEach => smooth(
            x.iter()
                .zip(&arguments[1])
                .map(|(x, factor)| x * factor)
                .collect(),
        ),
        Operation::ConcatChannels => smooth(x.iter().chain(&arguments[1]).copied().collect()),
        Operation::Concat => smooth(
            (0..columns)
                .flat_map(|n| {
                    let left = &x[n * channels..][..channels];
                    let right = &arguments[1][2 * n * channels..][..2 * channels];
                    left.iter().chain(right).copied()
                })
                .collect(),
        ),
    }
}

fn smooth(output: Vec<f64>) -> Reference {
    Reference {
        output,
        near_kink: false,
    }
}

fn rectified(values: Vec<f64>) -> Reference {
    Reference {
        near_kink: values.iter().any(|value| value.abs() < MARGIN),
        output: values.into_iter().map(|value| value.max(0.0)).collect(),
    }
}

fn conv(case: &Case, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let [channels, _, _, columns] = case.input;
    let plan = case.plan();
    let mut output = Vec::new();
    for (o, &bias) in bias.iter().enumerate() {
        for pixel in 0..plan.out_pixels() {
            for n in 0..columns {
                let mut sum = bias;
                for c in 0..channels {
                    for tap in 0..plan.taps() {
                        if let Some(source) = plan.source(pixel, tap) {
                            sum += weight[(o * channels + c) * plan.taps() + tap]
                                * x[(c * plan.in_pixels() + source) * columns + n];
                        }
                    }
                }
                output.push(sum);
            }
        }
    }
    output
}

fn norm(x: &[f64], channels: usize, gamma: &[f64], beta: &[f64], relu: bool, fixed: bool) -> Reference {
    let (means, variances) = Case::statistics(channels);
    let count = x.len() / channels;
    let mut output = Vec::new();
    for (c, values) in x.chunks(count).enumerate() {
        let (mean, variance) = if fixed {
            (f64::from(means[c]), f64::from(variances[c]))
        } else {
            let mean = values.iter().sum::<f64>() / count as f64;
            (
                mean,
                values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64,
            )
        };
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        output.extend(
            values
                .iter()
                .map(|value| gamma[c] * (value - mean) / deviation + beta[c]),
        );
    }
    if relu { rectified(output) } else { smooth(output) }
}

fn each_window(case: &Case, mut reduce: impl FnMut(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let [channels, _, _, columns] = case.input;
    let plan = case.plan();
    let mut output = Vec::new();
    for c in 0..channels {
        for pixel in 0..plan.out_pixels() {
            for n in 0..columns {
                let sources = (0..plan.taps()).filter_map(|tap| plan.source(pixel, tap));
                let at = |source| x[(c * plan.in_pixels() + source) * columns + n];
                output.push(reduce(&sources.map(at).collect::<Vec<_>>()));
            }
        }
    }
    output
}
