//! From the operations of gblend's networks to operators of ONNX.
//!
//! gblend has the batch innermost in maps, ONNX outermost in pictures. A value that is maps has two forms, and each operation
//! asks for the one that it needs; a transposition is written where it has none yet, so that convolutions one after another
//! have none between them.

mod elements;
mod maps;
mod recurrent;
mod shapes;
mod steps;

use std::collections::{BTreeMap, HashMap};

use gblend_core::Array;
use gblend_core::graph::{Extent, Graph, Node, NodeId, Operation};

use super::builder::Builder;
use super::inputs::Entered;
use super::proto::{Attribute, Element, int};
use crate::error::{Error, Result};
use recurrent::LeftPacked;

/// How the axes of a value are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// As gblend has them.
    Own,
    /// Of `[channels, height, width, n]` as `[n, channels, height, width]`.
    SamplesFirst,
}

/// The names of a value, in either layout.
#[derive(Default)]
struct Names {
    own: Option<String>,
    samples_first: Option<String>,
}

/// A graph on its way.
pub(super) struct Translation<'a> {
    builder: &'a mut Builder,
    graph: &'a Graph,
    inputs: &'a BTreeMap<String, Entered>,
    names: HashMap<NodeId, Names>,
    /// Of masks, what is made of them more than once.
    packed: HashMap<NodeId, LeftPacked>,
    batch_size: Option<String>,
}

impl<'a> Translation<'a> {
    /// Writes every operation of `graph`, and returns the names of its outputs.
    ///
    /// # Errors
    /// [`Error::NotExported`] if there is none for an operation, [`Error::Internal`] if the graph is not whole.
    pub(super) fn of(
        graph: &'a Graph,
        inputs: &'a BTreeMap<String, Entered>,
        builder: &'a mut Builder,
    ) -> Result<Vec<String>> {
        let mut translation = Self {
            builder,
            graph,
            inputs,
            names: HashMap::new(),
            packed: HashMap::new(),
            batch_size: None,
        };
        for (id, node) in graph.nodes() {
            translation.translate(id, node)?;
        }
        let outputs = graph.outputs().iter();
        outputs.map(|&output| translation.own(output)).collect()
    }

    fn translate(&mut self, id: NodeId, node: &Node) -> Result<()> {
        let operands = node.operands.as_slice();
        let (layout, name) = match &node.operation {
            Operation::Maps(input) => (Layout::SamplesFirst, self.maps_of_input(input, node)?),
            Operation::Columns { input, columns } => (Layout::Own, self.columns(input, columns)?),
            Operation::Ids { input, column } => (Layout::Own, self.ids(input, *column)?),
            Operation::Steps(input) => (Layout::Own, self.steps_of_input(input, node)?),
            Operation::StepMask(input) => (Layout::Own, self.step_mask(input)?),
            Operation::Tokens(input) => (Layout::Own, self.tokens(input)?),
            Operation::TokenMask { input, padding } => (Layout::Own, self.token_mask(input, *padding)?),
            Operation::Presence(input) => (Layout::Own, self.presence(input)?),
            // Written when they are asked for: some operators have them in another order.
            Operation::Parameter { .. } | Operation::Constant(_) => return Ok(()),
            Operation::Add
            | Operation::Subtract
            | Operation::Multiply
            | Operation::Divide
            | Operation::Scale(_)
            | Operation::Offset(_)
            | Operation::Relu
            | Operation::Gelu
            | Operation::GeluErf
            | Operation::Sigmoid
            | Operation::Tanh
            | Operation::Exp
            | Operation::Ln
            | Operation::Sqrt
            | Operation::Abs
            | Operation::Square
            | Operation::Power(_)
            | Operation::AddRelu => self.element_by_element(&node.operation, operands)?,
            Operation::Reshape => (Layout::Own, self.reshape(operands, node)?),
            Operation::Permute(order) => (Layout::Own, self.permute(operands, order)?),
            Operation::Repeat { axis } => (Layout::Own, self.repeat(operands, *axis, node)?),
            Operation::Concatenate { axis } => self.concatenate(operands, *axis, node)?,
            Operation::MaskRows => (Layout::Own, self.mask_rows(operands)?),
            Operation::TakeRows(rows) => (Layout::Own, self.take_rows(operands, rows)?),
            Operation::Sum { axis } => (Layout::Own, self.sum(operands, &[*axis])?),
            Operation::SumOfAll => {
                let rank = self.shape(first(operands)?)?.len();
                let axes: Vec<usize> = (0..rank).collect();
                (Layout::Own, self.sum(operands, &axes)?)
            }
            Operation::WeightedSum(weights) => (Layout::Own, self.weighted_sum(operands, weights)?),
            Operation::Softmax { axis } => (Layout::Own, self.softmax("Softmax", operands, *axis)?),
            Operation::LogSoftmax { axis } => (Layout::Own, self.softmax("LogSoftmax", operands, *axis)?),
            Operation::MatrixProduct => (Layout::Own, self.matrix_product(operands)?),
            Operation::Linear => (Layout::Own, self.linear(operands)?),
            Operation::Convolution(window) => (Layout::SamplesFirst, self.convolution(operands, window)?),
            Operation::NormalizedConvolution { window, norm } => (
                Layout::SamplesFirst,
                self.normalized_convolution(operands, window, norm)?,
            ),
            Operation::ChannelNorm(norm) => (Layout::SamplesFirst, self.channel_norm(operands, norm)?),
            Operation::FeatureNorm(norm) => (Layout::Own, self.feature_norm(operands, norm)?),
            Operation::LayerNorm { epsilon } => (Layout::Own, self.layer_norm(operands, *epsilon)?),
            Operation::MaxPool(window) => (Layout::SamplesFirst, self.max_pool(operands, window)?),
            Operation::AveragePool {
                window,
                count_padding,
            } => (
                Layout::SamplesFirst,
                self.average_pool(operands, window, *count_padding)?,
            ),
            Operation::GlobalMean { frames } => (Layout::Own, self.global_mean(operands, *frames, node)?),
            Operation::Attention { scale } => (Layout::Own, self.attention(operands, *scale)?),
            Operation::Embedding { padding, first } => {
                (Layout::Own, self.embedding(operands, *padding, *first)?)
            }
            Operation::StridedMask { stride } => (Layout::Own, self.strided_mask(operands, *stride)?),
            Operation::StepMean => (Layout::Own, self.step_mean(operands)?),
            Operation::StepMax => (Layout::Own, self.step_max(operands)?),
            Operation::LastStep => (Layout::Own, self.step_at(operands, true)?),
            Operation::FirstStep => (Layout::Own, self.step_at(operands, false)?),
            Operation::AddTimes => (Layout::Own, self.add_times(operands)?),
            Operation::StepConvolution { dilation, stride } => {
                (Layout::Own, self.step_convolution(operands, *dilation, *stride)?)
            }
            Operation::StepAttention { heads } => (Layout::Own, self.step_attention(operands, *heads)?),
            Operation::Gru { reverse } => (Layout::Own, self.gru(operands, *reverse)?),
            other => {
                let name = other.name();
                return Err(Error::NotExported(format!(
                    "{} uses an operation {name}, which has no counterpart there",
                    node.within
                )));
            }
        };
        let names = self.names.entry(id).or_default();
        match layout {
            Layout::Own => names.own = Some(name),
            Layout::SamplesFirst => names.samples_first = Some(name),
        }
        Ok(())
    }

    /// The name of a value as gblend has it.
    fn own(&mut self, id: NodeId) -> Result<String> {
        let names = self.names.get(&id);
        if let Some(known) = names.and_then(|names| names.own.as_ref()) {
            return Ok(known.clone());
        }
        let samples_first = names.and_then(|names| names.samples_first.clone());
        let node = self.graph.node(id).ok_or_else(not_whole)?;
        let name = match (samples_first, &node.operation) {
            (Some(samples_first), _) => self.transpose(&samples_first, &[1, 2, 3, 0]),
            (None, Operation::Parameter { path, values }) => self.builder.parameter(path, values),
            (None, Operation::Constant(values)) => self.builder.floats(values.shape(), values.values()),
            _ => return Err(not_whole()),
        };
        self.names.entry(id).or_default().own = Some(name.clone());
        Ok(name)
    }

    /// The name of maps with the samples first.
    fn samples_first(&mut self, id: NodeId) -> Result<String> {
        let names = self.names.get(&id);
        if let Some(known) = names.and_then(|names| names.samples_first.as_ref()) {
            return Ok(known.clone());
        }
        let own = self.own(id)?;
        let name = self.transpose(&own, &[3, 0, 1, 2]);
        self.names.entry(id).or_default().samples_first = Some(name.clone());
        Ok(name)
    }

    /// The names of values of one shape in one layout, that with the fewest transpositions.
    fn alike(&mut self, ids: &[NodeId]) -> Result<(Layout, Vec<String>)> {
        let is_first = |id: &NodeId| {
            let names = self.names.get(id);
            names.is_some_and(|names| names.samples_first.is_some())
        };
        if ids.iter().any(is_first) {
            let names = ids.iter().map(|&id| self.samples_first(id));
            return Ok((Layout::SamplesFirst, names.collect::<Result<_>>()?));
        }
        let names = ids.iter().map(|&id| self.own(id));
        Ok((Layout::Own, names.collect::<Result<_>>()?))
    }

    fn transpose(&mut self, value: &str, order: &[usize]) -> String {
        let order = Attribute::ints("perm", order.iter().copied().map(int));
        self.builder.node("Transpose", &[value], [order])
    }

    /// The same elements under another shape, of which one extent may be -1.
    fn reshaped(&mut self, value: &str, shape: &[i64]) -> String {
        let shape = self.builder.ints(shape);
        self.builder.node("Reshape", &[value, &shape], [])
    }

    fn unsqueezed(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.builder.ints(axes);
        self.builder.node("Unsqueeze", &[value, &axes], [])
    }

    fn cast(&mut self, value: &str, to: Element) -> String {
        let to = Attribute::int("to", i64::from(to.number()));
        self.builder.node("Cast", &[value], [to])
    }

    fn shape(&self, id: NodeId) -> Result<&'a [Extent]> {
        let node = self.graph.node(id).ok_or_else(not_whole)?;
        Ok(&node.shape)
    }

    /// An extent of a value that does not depend on the batch.
    fn fixed(&self, id: NodeId, axis: usize) -> Result<usize> {
        match self.shape(id)?.get(axis) {
            Some(&Extent::Fixed(extent)) => Ok(extent),
            _ => Err(not_whole()),
        }
    }

    /// The values of a parameter or constant, and its path if it has one.
    fn array(&self, id: NodeId) -> Result<(&'a Array, &'a str)> {
        let node = self.graph.node(id).ok_or_else(not_whole)?;
        match &node.operation {
            Operation::Parameter { path, values } => Ok((values, path)),
            Operation::Constant(values) => Ok((values, "constant")),
            other => Err(Error::NotExported(format!(
                "{} uses weights that are computed by an operation {}",
                node.within,
                other.name()
            ))),
        }
    }

    fn input(&self, name: &str) -> Result<&'a Entered> {
        self.inputs.get(name).ok_or_else(not_whole)
    }

    /// The number of samples, a list of one number.
    fn batch_size(&mut self) -> Result<String> {
        if let Some(known) = &self.batch_size {
            return Ok(known.clone());
        }
        let input = self.inputs.values().next().ok_or_else(not_whole)?;
        let shape = self.builder.node("Shape", &[&input.values], []);
        let [zero, one] = [self.builder.ints(&[0]), self.builder.ints(&[1])];
        let size = self.builder.node("Slice", &[&shape, &zero, &one], []);
        self.batch_size = Some(size.clone());
        Ok(size)
    }
}

/// The error of a graph that lacks something that it should have.
fn not_whole() -> Error {
    Error::Internal("the graph of the network is not whole".to_owned())
}

/// One operand.
fn first(operands: &[NodeId]) -> Result<NodeId> {
    operands.first().copied().ok_or_else(not_whole)
}

/// So many operands.
fn operands_of<const N: usize>(operands: &[NodeId]) -> Result<[NodeId; N]> {
    operands.first_chunk().copied().ok_or_else(not_whole)
}
