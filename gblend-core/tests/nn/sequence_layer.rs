//! One layer of vectors or sequences, as it is described, on rows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use gblend_core::nn::{
    Activation, Gru, GruOptions, Normalization, PositionKind, ResidualMlpBlock, ResidualMlpOptions,
    StepResidualBlock, StepResidualOptions, StepWindow, Steps, TransformerEncoder, TransformerOptions,
    backward, last_step, multiply, step_max, step_mean, sum,
};
use gblend_core::params::{Module, ParamPath};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{AutoDevice, Dims2, Features, Gradients, Plain};
use gblend_core::{ParamMut, ParamVisitor, Pass, Result, Seed};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Description {
    Pool {
        function: Function,
    },
    EmbeddingMean {
        count: usize,
        width: usize,
        padding: usize,
        ids: Vec<Vec<usize>>,
    },
    Residual {
        outputs: usize,
        kernel: usize,
        dilation: usize,
        stride: usize,
        normalization: Normalization,
        activation: Activation,
    },
    Gru {
        hidden: usize,
        layers: usize,
        bidirectional: bool,
        last: bool,
    },
    Transformer {
        depth: usize,
        heads: usize,
        hidden: usize,
        positions: Positions,
    },
    ResidualMlp {
        outputs: usize,
        normalization: Normalization,
        activation: Activation,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    Mean,
    Max,
    Last,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Positions {
    None,
    Sinusoidal,
    Learned,
}

/// A layer that was built.
pub(crate) enum Layer {
    Pool(Function),
    Residual(Box<StepResidualBlock>),
    Gru(Gru, bool),
    Transformer(Box<TransformerEncoder>),
    ResidualMlp(Box<ResidualMlpBlock>),
}

impl Layer {
    /// For rows of `width` features and sequences of at most `time` steps.
    pub(crate) fn build(
        description: &Description,
        width: usize,
        time: usize,
        dropout: f32,
        seed: u64,
    ) -> Result<Self> {
        let (device, seed) = (AutoDevice::default(), Seed::new(seed));
        Ok(match *description {
            Description::Pool { function } => Self::Pool(function),
            Description::EmbeddingMean { .. } => panic!("an embedding has no rows"),
            Description::Residual {
                outputs,
                kernel,
                dilation,
                stride,
                normalization,
                activation,
            } => {
                let options = StepResidualOptions {
                    window: StepWindow {
                        kernel,
                        dilation,
                        stride,
                    },
                    normalization,
                    activation,
                    dropout,
                };
                Self::Residual(Box::new(StepResidualBlock::new(
                    &device, width, outputs, &options, seed,
                )?))
            }
            Description::Gru {
                hidden,
                layers,
                bidirectional,
                last,
            } => {
                let options = GruOptions {
                    hidden,
                    layers,
                    bidirectional,
                    dropout,
                };
                Self::Gru(Gru::new(&device, width, &options, seed)?, last)
            }
            Description::Transformer {
                depth,
                heads,
                hidden,
                positions,
            } => {
                let options = TransformerOptions {
                    width,
                    depth,
                    heads,
                    hidden,
                    dropout,
                    positions: match positions {
                        Positions::None => PositionKind::None,
                        Positions::Sinusoidal => PositionKind::Sinusoidal,
                        Positions::Learned => PositionKind::Learned(NonZeroUsize::new(time + 1).unwrap()),
                    },
                };
                Self::Transformer(Box::new(TransformerEncoder::new(&device, &options, seed)?))
            }
            Description::ResidualMlp {
                outputs,
                normalization,
                activation,
            } => {
                let options = ResidualMlpOptions {
                    normalization,
                    activation,
                    dropout,
                };
                Self::ResidualMlp(Box::new(ResidualMlpBlock::new(
                    &device, width, outputs, &options, seed,
                )?))
            }
        })
    }

    /// Rows of steps, or of sequences.
    pub(crate) fn forward(&mut self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        match self {
            Self::Pool(Function::Mean) => step_mean(rows, steps),
            Self::Pool(Function::Max) => step_max(rows, steps),
            Self::Pool(Function::Last) => last_step(rows, steps),
            Self::Residual(block) => Ok(block.forward(rows, steps, pass)?.0),
            Self::Gru(gru, false) => gru.forward(rows, steps, pass),
            Self::Gru(gru, true) => gru.forward_last(rows, steps, pass),
            Self::Transformer(encoder) => encoder.forward(rows, steps, pass),
            Self::ResidualMlp(block) => block.forward(rows, pass),
        }
    }
}

impl Module for Layer {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::Pool(_) => Ok(()),
            Self::Residual(block) => block.visit_params(path, visitor),
            Self::Gru(gru, _) => gru.visit_params(path, visitor),
            Self::Transformer(encoder) => encoder.visit_params(path, visitor),
            Self::ResidualMlp(block) => block.visit_params(path, visitor),
        }
    }
}

/// One of each layer, with everything that it can have.
pub(crate) fn layers() -> Vec<Description> {
    let residual = |outputs, stride, dilation, normalization, activation| Description::Residual {
        outputs,
        kernel: 3,
        dilation,
        stride,
        normalization,
        activation,
    };
    let transformer = |positions| Description::Transformer {
        depth: 2,
        heads: 2,
        hidden: 9,
        positions,
    };
    let gru = |last| Description::Gru {
        hidden: 5,
        layers: 2,
        bidirectional: true,
        last,
    };
    vec![
        Description::Pool {
            function: Function::Mean,
        },
        Description::Pool {
            function: Function::Max,
        },
        Description::Pool {
            function: Function::Last,
        },
        residual(6, 1, 2, Normalization::Batch, Activation::Relu),
        residual(4, 1, 3, Normalization::None, Activation::Gelu),
        residual(7, 2, 1, Normalization::Layer, Activation::Gelu),
        gru(false),
        gru(true),
        transformer(Positions::Learned),
        transformer(Positions::Sinusoidal),
        transformer(Positions::None),
        Description::ResidualMlp {
            outputs: 4,
            normalization: Normalization::Batch,
            activation: Activation::Relu,
        },
        Description::ResidualMlp {
            outputs: 5,
            normalization: Normalization::Layer,
            activation: Activation::Gelu,
        },
    ]
}

/// The width that [`layers`] are for.
pub(crate) const WIDTH: usize = 4;

/// Whether a layer gives a row for each sequence, and not for each step.
pub(crate) fn is_of_sequences(description: &Description) -> bool {
    matches!(
        description,
        Description::Pool { .. } | Description::Gru { last: true, .. }
    )
}

pub(crate) fn rows(values: Vec<f32>, width: usize) -> Plain<Dims2> {
    let shape = (values.len() / width, width);
    Plain::new(&AutoDevice::default(), shape, values).unwrap()
}

/// Output, and gradients of `Σ output · projection`: that of the rows under an empty path.
pub(crate) fn output_and_gradients(
    module: &mut dyn Module,
    output: Features,
    projection: impl FnOnce(usize) -> Vec<f32>,
    rows: &mut Plain<Dims2>,
) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let (values, shape) = (output.to_vec(), *output.shape());
    let projection = Plain::new(&AutoDevice::default(), shape, projection(values.len())).unwrap();
    let product = multiply(output, projection.enter(Recorder::for_data())).unwrap();
    let mut gradients = backward(sum(product).unwrap()).unwrap();
    let of_rows = ParamMut::from(rows).gradient(&mut gradients).unwrap();
    let mut all = all_gradients(module, gradients);
    all.insert(String::new(), of_rows.into_values());
    (values, all)
}

fn all_gradients(module: &mut dyn Module, gradients: Gradients) -> BTreeMap<String, Vec<f32>> {
    struct Collect(BTreeMap<String, Vec<f32>>, Gradients);
    impl ParamVisitor for Collect {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            let gradient = param.gradient(&mut self.1)?;
            self.0.insert(path.to_string(), gradient.into_values());
            Ok(())
        }
    }
    let mut collect = Collect(BTreeMap::new(), gradients);
    module.visit_params(&ParamPath::root(), &mut collect).unwrap();
    collect.0
}
