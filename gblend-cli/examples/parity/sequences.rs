//! Layers of vectors, sequences and texts.

use std::num::NonZeroUsize;

use gblend_core::nn::{
    Activation, Embedding, Gru, GruOptions, Mask, Normalization, PositionKind, ResidualMlpBlock,
    ResidualMlpOptions, RowBatchNorm, StepConv, StepResidualBlock, StepResidualOptions, StepWindow, Steps,
    TransformerEncoder, TransformerOptions, last_step, step_max, step_mean,
};
use gblend_core::params::{Module, ParamPath, ParamVisitor, State};
use gblend_core::tensor::Features;
use gblend_core::{AutoDevice, Pass, Result, Seed};

use crate::Case;
use crate::outcome::{Outcome, tensor};

const WIDTH: usize = 8;
const SEED: Seed = Seed::new(9);

/// Sequences of different lengths, one without a step and one with a hole.
fn steps() -> Result<Steps> {
    let lengths = [5, 0, 7, 3, 6];
    let present = (0..7).flat_map(|time| lengths.map(|length| time < length && (time, length) != (1, 6)));
    Ok(Steps::new(&Mask::new(present.collect(), lengths.len())?))
}

pub(crate) fn cases() -> Vec<Case> {
    let train = || Pass::train(SEED);
    let window = |stride, dilation| StepWindow {
        kernel: 3,
        dilation,
        stride,
    };
    vec![
        Case::new("step_mean", |device| {
            rows(device, Nothing, |_, rows, steps| step_mean(rows, steps))
        }),
        Case::new("step_max", |device| {
            rows(device, Nothing, |_, rows, steps| step_max(rows, steps))
        }),
        Case::new("last_step", |device| {
            rows(device, Nothing, |_, rows, steps| last_step(rows, steps))
        }),
        Case::new("RowBatchNorm", move |device| {
            let layer = RowBatchNorm::new(device, WIDTH)?;
            rows(device, layer, |layer, rows, _| layer.forward(rows, &train()))
        }),
        Case::new("StepConv", move |device| {
            let layer = StepConv::new(device, WIDTH, 5, window(2, 1), SEED)?;
            rows(device, layer, |layer, rows, steps| {
                Ok(layer.forward(rows, steps)?.0)
            })
        }),
        Case::new("StepResidualBlock", move |device| {
            let options = StepResidualOptions {
                window: window(1, 2),
                normalization: Normalization::Batch,
                activation: Activation::Gelu,
                dropout: 0.1,
            };
            let layer = StepResidualBlock::new(device, WIDTH, 6, &options, SEED)?;
            rows(device, layer, |layer, rows, steps| {
                Ok(layer.forward(rows, steps, &train())?.0)
            })
        }),
        Case::new("Gru", move |device| {
            let options = GruOptions {
                hidden: 5,
                layers: 2,
                bidirectional: true,
                dropout: 0.1,
            };
            let layer = Gru::new(device, WIDTH, &options, SEED)?;
            rows(device, layer, |layer, rows, steps| {
                layer.forward(rows, steps, &train())
            })
        }),
        Case::new("TransformerEncoder", move |device| {
            let options = TransformerOptions {
                width: WIDTH,
                depth: 2,
                heads: 2,
                hidden: 12,
                dropout: 0.1,
                positions: NonZeroUsize::new(7).map_or(PositionKind::None, PositionKind::Learned),
            };
            let layer = TransformerEncoder::new(device, &options, SEED)?;
            rows(device, layer, |layer, rows, steps| {
                layer.forward(rows, steps, &train())
            })
        }),
        Case::new("ResidualMlpBlock", move |device| {
            let options = ResidualMlpOptions {
                normalization: Normalization::Layer,
                activation: Activation::Gelu,
                dropout: 0.1,
            };
            let layer = ResidualMlpBlock::new(device, WIDTH, 5, &options, SEED)?;
            rows(device, layer, |layer, rows, _| layer.forward(rows, &train()))
        }),
        Case::new("Embedding", move |device| {
            let mut layer = Embedding::new(device, 7, WIDTH, Some(0), SEED)?;
            let output = layer.forward(&[3, 0, 6, 3, 1], &train())?;
            Ok(Outcome::of(output)?.module(&mut layer)?.state())
        }),
    ]
}

/// A module without a parameter, for functions.
struct Nothing;

impl Module for Nothing {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}

/// Runs a module on the rows of [`steps`], and collects every gradient.
fn rows<M: Module>(
    device: &AutoDevice,
    mut module: M,
    run: impl FnOnce(&mut M, Features, &Steps) -> Result<Features>,
) -> Result<State> {
    let steps = steps()?;
    let input = tensor(device, "steps", (steps.rows(), WIDTH), (-1.0, 2.0))?;
    let output = run(&mut module, input.parameter(), &steps)?;
    let outcome = Outcome::of(output)?.gradient("input", &input)?;
    Ok(outcome.module(&mut module)?.state())
}
