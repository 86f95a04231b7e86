//! Gated recurrent units.

use super::concat::concatenate;
use super::dropout::Dropout;
use super::fork::fork;
use super::init::{extents, lecun_uniform};
use crate::device::Chosen;
use crate::engine::{GruParams, SequenceEngine, Steps};
use crate::error::Result;
use crate::graph::{self, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims2, Features, Plain, Taped};

/// What messages call it.
const LAYER: &str = "gated recurrent unit";

/// What a [`Gru`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GruOptions {
    /// Features of a state.
    pub hidden: usize,
    /// Layers, each over the states of the one below.
    pub layers: usize,
    /// Whether each layer goes through the sequences from the end as well, with parameters of its own.
    pub bidirectional: bool,
    /// Probability of dropout between two layers.
    pub dropout: f32,
}

/// Layers of gated recurrent units (Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
/// Machine Translation", EMNLP 2014, <https://arxiv.org/abs/1406.1078>), as PyTorch has them:
///
/// ```text
/// r = σ(W_ir x + b_ir + W_hr h + b_hr)
/// z = σ(W_iz x + b_iz + W_hz h + b_hz)
/// n = tanh(W_in x + b_in + r (W_hn h + b_hn))
/// h' = (1 − z) n + z h
/// ```
///
/// The three rows of weights and biases are in this order. A state begins with zeros, and stays as it is over steps that
/// are not there.
#[derive(Clone, Debug)]
pub struct Gru {
    layers: Vec<Layer>,
    dropouts: Vec<Dropout>,
    width: usize,
}

impl Gru {
    /// Layers over steps of `inputs` features.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if an extent is 0 or the dropout is not in `0..1`,
    /// [`Error::Device`](crate::Error::Device).
    pub fn new(device: &AutoDevice, inputs: usize, options: &GruOptions, seed: Seed) -> Result<Self> {
        let [count] = extents(LAYER, [("layers", options.layers)])?;
        let [hidden, inputs] = extents(LAYER, [("hidden", options.hidden), ("inputs", inputs)])?;
        let width = if options.bidirectional { 2 * hidden } else { hidden };
        let layers = (0..count).map(|layer| {
            let inputs = if layer == 0 { inputs } else { width };
            let direction = |name: &str| {
                let seed = seed.derive(name).nth(layer as u64);
                Direction::new(device, inputs, hidden, seed)
            };
            Ok(Layer {
                onward: direction("onward")?,
                backward: options.bidirectional.then(|| direction("backward")).transpose()?,
            })
        });
        let dropouts =
            (1..count).map(|layer| Dropout::new(options.dropout, seed.derive("dropout").nth(layer as u64)));
        // Also where there is none to be built of it.
        Dropout::new(options.dropout, seed)?;
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            dropouts: dropouts.collect::<Result<_>>()?,
            width,
        })
    }

    /// Features of the states: those of both directions, if there are two.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The states of the last layer after each step, `[steps, inputs]` to `[steps, width]`; those from the end come second.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other steps or features,
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        joined(self.states(rows, steps, pass)?)
    }

    /// The states of the last layer when all of a sequence has been read, `[steps, inputs]` to `[batch, width]`; zeros of
    /// a sequence without steps.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_last(&self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        let states = self.states(rows, steps, pass)?.into_iter();
        let ends = [steps.last(), steps.first()];
        let last = states
            .zip(&ends)
            .zip([Operation::LastStep, Operation::FirstStep])
            .map(|((states, end), operation)| {
                let operands = [states.operand(), graph::operand_of_steps(steps)];
                let ends = Chosen::gather_rows(states.into_engine(), end).map(Taped::from)?;
                Ok(ends.traced(&operands, || operation))
            });
        joined(last.collect::<Result<_>>()?)
    }

    /// The states of the last layer, of each direction.
    fn states(&self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Vec<Features>> {
        let mut states = vec![rows];
        for (number, layer) in self.layers.iter().enumerate() {
            let mut rows = joined(states)?;
            if let Some(dropout) = number.checked_sub(1).and_then(|below| self.dropouts.get(below)) {
                rows = dropout.forward(rows, pass)?;
            }
            states = layer.forward(rows, steps)?;
        }
        Ok(states)
    }
}

/// Features of all directions side by side.
fn joined(mut states: Vec<Features>) -> Result<Features> {
    match states.len() {
        1 => Ok(states.remove(0)),
        _ => concatenate(states),
    }
}

impl Module for Gru {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            let path = path.join(format!("layer{number}"));
            layer.onward.visit_params(&path, visitor)?;
            if let Some(backward) = &mut layer.backward {
                backward.visit_params(&path.join("backward"), visitor)?;
            }
        }
        Ok(())
    }
}

/// A layer from the start of sequences to their end, and the other way if asked for.
#[derive(Clone, Debug)]
struct Layer {
    onward: Direction,
    backward: Option<Direction>,
}

impl Layer {
    fn forward(&self, rows: Features, steps: &Steps) -> Result<Vec<Features>> {
        let Some(backward) = &self.backward else {
            return Ok(vec![self.onward.forward(rows, steps, false)?]);
        };
        let (rows, again) = fork(rows);
        Ok(vec![
            self.onward.forward(rows, steps, false)?,
            backward.forward(again, steps, true)?,
        ])
    }
}

/// One direction of a layer.
#[derive(Clone, Debug)]
struct Direction {
    input: Plain<Dims2>,
    state: Plain<Dims2>,
    input_bias: Plain<Dims1>,
    state_bias: Plain<Dims1>,
}

impl Direction {
    fn new(device: &AutoDevice, inputs: usize, hidden: usize, seed: Seed) -> Result<Self> {
        let gates = 3 * hidden;
        Ok(Self {
            input: lecun_uniform(device, (gates, inputs), hidden, seed.derive("input"))?,
            state: lecun_uniform(device, (gates, hidden), hidden, seed.derive("state"))?,
            input_bias: lecun_uniform(device, (gates,), hidden, seed.derive("input bias"))?,
            state_bias: lecun_uniform(device, (gates,), hidden, seed.derive("state bias"))?,
        })
    }

    fn forward(&self, rows: Features, steps: &Steps, reverse: bool) -> Result<Features> {
        steps.check("gated recurrent units", *rows.shape(), self.input.shape().1)?;
        let operands = [
            rows.operand(),
            self.input.operand(),
            self.state.operand(),
            self.input_bias.operand(),
            self.state_bias.operand(),
            graph::operand_of_steps(steps),
        ];
        let params = GruParams {
            input: &self.input.0,
            state: &self.state.0,
            input_bias: &self.input_bias.0,
            state_bias: &self.state_bias.0,
        };
        let states = Chosen::gru(rows.into_engine(), &params, steps, reverse).map(Taped::from)?;
        Ok(states.traced(&operands, || Operation::Gru { reverse }))
    }
}

impl Module for Direction {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("input.weight"), (&mut self.input).into())?;
        visitor.param(&path.join("input.bias"), (&mut self.input_bias).into())?;
        visitor.param(&path.join("state.weight"), (&mut self.state).into())?;
        visitor.param(&path.join("state.bias"), (&mut self.state_bias).into())
    }
}
