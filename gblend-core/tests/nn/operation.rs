//! One operation on one set of arguments, run through either route.

use dfdx::prelude::{Cpu, PutTape, Shape, SumTo, Tensor, TensorFromVec, TryMul};
use gblend_core::engine::composed;
use gblend_core::engine::{Engine, NormOptions, NormStatistics, RecorderOn, TapedOn, backward};
use gblend_core::nn::{Window, WindowPlan};
use gblend_core::tensor::{Dims1, Dims2, Dims3, Dims4};
use gblend_core::{Result, Seed};
use rand::RngExt;

/// What is computed, and on which sizes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Operation {
    Conv {
        out_channels: usize,
        bias: bool,
    },
    BatchNorm {
        relu: bool,
        fixed: bool,
    },
    ConvNorm {
        out_channels: usize,
        relu: bool,
        fixed: bool,
    },
    Linear {
        outputs: usize,
    },
    MaxPool,
    AveragePool {
        count_padding: bool,
    },
    GlobalMean {
        frames: usize,
    },
    /// Pixels as rows.
    PixelRows {
        frames: usize,
    },
    /// Sums over the pixels of each channel.
    SumMiddle,
    Add,
    ReluAdd,
    Relu,
    ScaleEach,
    Concat,
    ConcatChannels,
}

/// An operation with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub operation: Operation,
    /// `[channels, height, width, columns]`; rows `[columns, channels]` for operations on vectors.
    pub input: [usize; 4],
    pub window: Window,
    /// The input, then further tensors in the order of the operation's signature.
    pub arguments: Vec<Vec<f32>>,
    /// The loss is the sum of the output times these.
    pub projection: Vec<f32>,
}

/// Output and gradient of each argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub output: Vec<f32>,
    pub gradients: Vec<Vec<f32>>,
}

/// Which implementation runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Route {
    Fast,
    Composed,
}

pub(crate) const EPSILON: f32 = 1e-5;

impl Case {
    /// Random arguments of the sizes that the operation needs.
    pub(crate) fn random(operation: Operation, input: [usize; 4], window: Window, seed: u64) -> Self {
        let mut rng = Seed::new(seed).rng();
        let mut draw = |count: usize, low: f32, high: f32| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(low..high)).collect()
        };
        let [channels, height, width, columns] = input;
        let maps = channels * height * width * columns;
        let plan = window.over(height, width).unwrap();
        let kernel = |out: usize| out * channels * plan.taps();
        let out_map = plan.out_pixels() * columns;
        let (arguments, output) = match operation {
            Operation::Conv { out_channels, .. } => (
                vec![
                    draw(maps, -1.0, 1.0),
                    draw(kernel(out_channels), -1.0, 1.0),
                    draw(out_channels, -1.0, 1.0),
                ],
                out_channels * out_map,
            ),
            Operation::BatchNorm { .. } => (
                vec![
                    draw(maps, -1.0, 3.0),
                    draw(channels, 0.5, 1.5),
                    draw(channels, -0.5, 0.5),
                ],
                maps,
            ),
            Operation::ConvNorm { out_channels, .. } => (
                vec![
                    draw(maps, -1.0, 1.0),
                    draw(kernel(out_channels), -1.0, 1.0),
                    draw(out_channels, 0.5, 1.5),
                    draw(out_channels, -0.5, 0.5),
                ],
                out_channels * out_map,
            ),
            Operation::Linear { outputs } => (
                vec![
                    draw(columns * channels, -1.0, 1.0),
                    draw(outputs * channels, -1.0, 1.0),
                    draw(outputs, -1.0, 1.0),
                ],
                columns * outputs,
            ),
            Operation::MaxPool | Operation::AveragePool { .. } => {
                (vec![draw(maps, -1.0, 1.0)], channels * out_map)
            }
            Operation::GlobalMean { frames } => (vec![draw(maps, -1.0, 1.0)], channels * columns / frames),
            Operation::PixelRows { .. } => (vec![draw(maps, -1.0, 1.0)], maps),
            Operation::SumMiddle => (vec![draw(maps, -1.0, 1.0)], channels * columns),
            Operation::Add | Operation::ReluAdd => (vec![draw(maps, -1.0, 1.0), draw(maps, -1.0, 1.0)], maps),
            Operation::Relu => (vec![draw(maps, -1.0, 1.0)], maps),
            Operation::ScaleEach => (vec![draw(maps, -1.0, 1.0), draw(maps, -2.0, 2.0)], maps),
            Operation::Concat => {
                let rows = channels * columns;
                (vec![draw(rows, -1.0, 1.0), draw(2 * rows, -1.0, 1.0)], 3 * rows)
            }
            Operation::ConcatChannels => (vec![draw(maps, -1.0, 1.0), draw(2 * maps, -1.0, 1.0)], 3 * maps),
        };
        Self {
            operation,
            input,
            window,
            arguments,
            projection: draw(output, -1.0, 1.0),
        }
    }

    pub(crate) fn plan(&self) -> WindowPlan {
        self.window.over(self.input[1], self.input[2]).unwrap()
    }

    /// Means and variances for operations with fixed statistics.
    pub(crate) fn statistics(channels: usize) -> (Vec<f32>, Vec<f32>) {
        let steps = (0..channels).map(|channel| channel as f32);
        (
            steps.clone().map(|step| 0.1 * step - 0.2).collect(),
            steps.map(|step| 0.5 + 0.3 * step).collect(),
        )
    }

    /// Runs the operation forward and backward.
    pub(crate) fn run(&self, route: Route) -> Outcome {
        let device = Cpu::default();
        let [channels, height, width, columns] = self.input;
        let maps = (channels, height, width, columns);
        let plan = self.plan();
        let (kernel_height, kernel_width) = self.window.kernel;
        let argument = |index: usize| self.arguments[index].clone();
        let vector = |index: usize| -> Tensor<Dims1, f32, Cpu> {
            let values = argument(index);
            let length = values.len();
            device.tensor_from_vec(values, (length,))
        };
        let tensor4 = |index, shape: Dims4| device.tensor_from_vec(argument(index), shape);
        let rows = |index, shape: Dims2| device.tensor_from_vec(argument(index), shape);
        let fast = route == Route::Fast;
        match self.operation {
            Operation::Conv { out_channels, bias } => {
                let shape = (out_channels, channels, kernel_height, kernel_width);
                let (x, w, b) = (tensor4(0, maps), tensor4(1, shape), vector(2));
                let bias = bias.then_some(&b);
                let output = if fast {
                    Cpu::conv(x.retaped(), &w, bias, &plan)
                } else {
                    composed::conv(x.retaped(), &w, bias, &plan)
                };
                self.finish(output, |grads| {
                    vec![grads.take(&x), grads.take(&w), grads.take(&b)]
                })
            }
            Operation::BatchNorm { relu, fixed } => {
                let (mean, variance) = Self::statistics(channels);
                let options = options(relu, fixed, &mean, &variance);
                let (x, gamma, beta) = (tensor4(0, maps), vector(1), vector(2));
                let output = if fast {
                    Cpu::batch_norm(x.retaped(), &gamma, &beta, options)
                } else {
                    composed::batch_norm(x.retaped(), &gamma, &beta, options)
                };
                self.finish(output.map(|(output, _)| output), |grads| {
                    vec![grads.take(&x), grads.take(&gamma), grads.take(&beta)]
                })
            }
            Operation::ConvNorm {
                out_channels,
                relu,
                fixed,
            } => {
                let (mean, variance) = Self::statistics(out_channels);
                let options = options(relu, fixed, &mean, &variance);
                let shape = (out_channels, channels, kernel_height, kernel_width);
                let (x, w) = (tensor4(0, maps), tensor4(1, shape));
                let (gamma, beta) = (vector(2), vector(3));
                let output = if fast {
                    Cpu::conv_norm(x.retaped(), &w, &gamma, &beta, &plan, options)
                } else {
                    composed::conv(x.retaped(), &w, None, &plan)
                        .and_then(|maps| composed::batch_norm(maps, &gamma, &beta, options))
                };
                self.finish(output.map(|(output, _)| output), |grads| {
                    vec![
                        grads.take(&x),
                        grads.take(&w),
                        grads.take(&gamma),
                        grads.take(&beta),
                    ]
                })
            }
            Operation::Linear { outputs } => {
                let (x, w) = (rows(0, (columns, channels)), rows(1, (outputs, channels)));
                let b = vector(2);
                let output = if fast {
                    Cpu::linear(x.retaped(), &w, Some(&b))
                } else {
                    composed::linear(x.retaped(), &w, Some(&b))
                };
                self.finish(output, |grads| {
                    vec![grads.take(&x), grads.take(&w), grads.take(&b)]
                })
            }
            Operation::MaxPool => self.unary(maps, |x| match route {
                Route::Fast => Cpu::max_pool(x, &plan),
                Route::Composed => composed::max_pool(x, &plan),
            }),
            Operation::AveragePool { count_padding } => self.unary(maps, |x| match route {
                Route::Fast => Cpu::average_pool(x, &plan, count_padding),
                Route::Composed => composed::average_pool(x, &plan, count_padding),
            }),
            Operation::GlobalMean { frames } => self.unary(maps, |x| match route {
                Route::Fast => Cpu::global_mean(x, frames),
                Route::Composed => composed::global_mean(x, frames),
            }),
            Operation::Relu => self.unary(maps, |x| match route {
                Route::Fast => Cpu::relu(x),
                Route::Composed => composed::relu(x),
            }),
            Operation::ScaleEach => self.unary(maps, |x| match route {
                Route::Fast => Cpu::scale_each(x, argument(1)),
                Route::Composed => composed::scale_each(x, argument(1)),
            }),
            Operation::PixelRows { frames } => self.unary(maps, |x| match route {
                Route::Fast => Cpu::pixel_rows(x, frames),
                Route::Composed => composed::pixel_rows(x, frames),
            }),
            Operation::SumMiddle => {
                let x: Tensor<Dims3, f32, Cpu> =
                    device.tensor_from_vec(argument(0), (channels, height * width, columns));
                let output = if fast {
                    Cpu::sum_middle(x.retaped())
                } else {
                    composed::sum_middle(x.retaped())
                };
                self.finish(output, |grads| vec![grads.take(&x)])
            }
            Operation::Add => {
                let (left, right) = (tensor4(0, maps), tensor4(1, maps));
                let output = if fast {
                    Cpu::add(left.retaped::<RecorderOn<Cpu>>(), right.retaped())
                } else {
                    composed::add(left.retaped::<RecorderOn<Cpu>>(), right.retaped())
                };
                self.finish(output, |grads| vec![grads.take(&left), grads.take(&right)])
            }
            Operation::ReluAdd => {
                let (left, right) = (tensor4(0, maps), tensor4(1, maps));
                let output = if fast {
                    Cpu::relu_add(left.retaped(), right.retaped())
                } else {
                    composed::relu_add(left.retaped(), right.retaped())
                };
                self.finish(output, |grads| vec![grads.take(&left), grads.take(&right)])
            }
            Operation::Concat => {
                let left = rows(0, (columns, channels));
                let right = rows(1, (columns, 2 * channels));
                let parts = vec![left.retaped(), right.retaped()];
                let output = if fast {
                    Cpu::concat(parts)
                } else {
                    composed::concat(parts)
                };
                self.finish(output, |grads| vec![grads.take(&left), grads.take(&right)])
            }
            Operation::ConcatChannels => {
                let left = tensor4(0, maps);
                let right = tensor4(1, (2 * channels, height, width, columns));
                let parts = vec![left.retaped(), right.retaped()];
                let output = if fast {
                    Cpu::concat_channels(parts)
                } else {
                    composed::concat_channels(parts)
                };
                self.finish(output, |grads| vec![grads.take(&left), grads.take(&right)])
            }
        }
    }

    fn unary<S: Shape>(
        &self,
        shape: Dims4,
        operation: impl FnOnce(TapedOn<Dims4, Cpu>) -> Result<TapedOn<S, Cpu>>,
    ) -> Outcome {
        let x = Cpu::default().tensor_from_vec(self.arguments[0].clone(), shape);
        let output = operation(x.retaped());
        self.finish(output, |grads| vec![grads.take(&x)])
    }

    fn finish<S: Shape>(
        &self,
        output: Result<TapedOn<S, Cpu>>,
        collect: impl FnOnce(&mut Grads) -> Vec<Vec<f32>>,
    ) -> Outcome {
        use dfdx::prelude::SplitTape;
        let (output, recorder) = output.unwrap().split_tape();
        let values = output.as_vec();
        assert_eq!(values.len(), self.projection.len(), "size of the output");
        let shape = *dfdx::prelude::HasShape::shape(&output);
        let projection = Cpu::default().tensor_from_vec(self.projection.clone(), shape);
        let projection = projection.put_tape(RecorderOn::for_data());
        let loss = output
            .put_tape(recorder)
            .try_mul(projection)
            .and_then(SumTo::try_sum)
            .unwrap();
        Outcome {
            output: values,
            gradients: collect(&mut Grads(backward(loss).unwrap())),
        }
    }
}

struct Grads(dfdx::prelude::Gradients<f32, Cpu>);

impl Grads {
    fn take<S: Shape>(&mut self, tensor: &Tensor<S, f32, Cpu>) -> Vec<f32> {
        self.0.get_or_alloc_mut(tensor).unwrap().to_vec()
    }
}

fn options<'a>(relu: bool, fixed: bool, mean: &'a [f32], variance: &'a [f32]) -> NormOptions<'a> {
    NormOptions {
        statistics: if fixed {
            NormStatistics::Fixed { mean, variance }
        } else {
            NormStatistics::Batch
        },
        epsilon: EPSILON,
        relu,
    }
}

/// `‖found − expected‖ / ‖expected‖`, or the plain norm where nothing is expected.
pub(crate) fn relative_l2(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: f64 = found
        .iter()
        .zip(expected)
        .map(|(&found, expected)| (f64::from(found) - expected).powi(2))
        .sum();
    let norm: f64 = expected.iter().map(|value| value * value).sum();
    if norm == 0.0 {
        difference.sqrt()
    } else {
        (difference / norm).sqrt()
    }
}

impl Case {
    /// How many times larger the values of a channel are than what they deviate by, for the channel where that is most:
    /// a normalization blows up rounding errors as many times.
    pub(crate) fn amplification(&self) -> f64 {
        let Operation::BatchNorm { fixed: false, .. } = self.operation else {
            return 1.0;
        };
        let values = &self.arguments[0];
        let channels = values.chunks_exact((values.len() / self.input[0]).max(1));
        let ratio = |channel: &[f32]| {
            let mean = |of: &dyn Fn(f64) -> f64| {
                channel.iter().map(|&v| of(f64::from(v))).sum::<f64>() / channel.len() as f64
            };
            let (mean, square) = (mean(&|v| v), mean(&|v| v * v));
            (square / (square - mean * mean)).sqrt()
        };
        channels.map(ratio).fold(1.0, f64::max)
    }

    /// The smallest norm that the weights of one channel of a normalized convolution have.
    pub(crate) fn least_channel(&self) -> Option<f64> {
        let Operation::ConvNorm { out_channels, .. } = self.operation else {
            return None;
        };
        let weights = &self.arguments[1];
        let channels = weights.chunks_exact((weights.len() / out_channels).max(1));
        let norms = channels.map(|channel| channel.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt());
        norms.reduce(f64::min)
    }
}

/// Any operation on small sizes.
pub(crate) fn any_case() -> impl proptest::strategy::Strategy<Value = Case> {
    use proptest::prelude::*;
    let operation = prop_oneof![
        (1_usize..5, any::<bool>()).prop_map(|(out_channels, bias)| Operation::Conv { out_channels, bias }),
        (any::<bool>(), any::<bool>()).prop_map(|(relu, fixed)| Operation::BatchNorm { relu, fixed }),
        (1_usize..5, any::<bool>(), any::<bool>()).prop_map(|(out_channels, relu, fixed)| {
            Operation::ConvNorm {
                out_channels,
                relu,
                fixed,
            }
        }),
        (1_usize..5).prop_map(|outputs| Operation::Linear { outputs }),
        Just(Operation::MaxPool),
        any::<bool>().prop_map(|count_padding| Operation::AveragePool { count_padding }),
        (1_usize..4).prop_map(|frames| Operation::GlobalMean { frames }),
        (1_usize..4).prop_map(|frames| Operation::PixelRows { frames }),
        Just(Operation::SumMiddle),
        Just(Operation::Add),
        Just(Operation::ReluAdd),
        Just(Operation::Relu),
        Just(Operation::ScaleEach),
        Just(Operation::Concat),
        Just(Operation::ConcatChannels),
    ];
    let extents = (1_usize..4, 3_usize..7, 3_usize..7, 1_usize..4);
    let window = (
        1_usize..4,
        1_usize..4,
        1_usize..3,
        1_usize..3,
        0_usize..3,
        0_usize..3,
    );
    (operation, extents, window, any::<u64>()).prop_map(|(operation, extents, window, seed)| {
        let (channels, height, width, batch) = extents;
        let columns = match operation {
            Operation::GlobalMean { frames } | Operation::PixelRows { frames } => frames * batch,
            // Two values have the same normalization up to the sign whatever they are.
            Operation::BatchNorm { .. } | Operation::ConvNorm { .. } => batch + 2,
            _ => batch,
        };
        let (kh, kw, sh, sw, ph, pw) = window;
        let window = Window {
            kernel: (kh, kw),
            stride: (sh, sw),
            padding: (ph.min(kh - 1), pw.min(kw - 1)),
        };
        Case::random(operation, [channels, height, width, columns], window, seed)
    })
}
