//! What is done to the steps of sequences: rows `[batch × time, features]`, of which a mask `[batch, time]` says whether they
//! are there.

use gblend_core::Array;
use gblend_core::graph::{Extent, Node, NodeId};

use super::super::proto::{Attribute, Element, int};
use super::{Translation, not_whole, operands_of};
use crate::error::Result;

impl Translation<'_> {
    /// The steps of an input, zeros in the padding.
    pub(super) fn steps_of_input(&mut self, input: &str, node: &Node) -> Result<String> {
        let entered = self.input(input)?;
        let mask = entered.mask.as_ref().ok_or_else(not_whole)?;
        let there = self.masked(&entered.values, mask, 0.0);
        let features = match node.shape.as_slice() {
            [_, Extent::Fixed(features)] => int(*features),
            _ => return Err(not_whole()),
        };
        Ok(self.reshaped(&there, &[-1, features]))
    }

    pub(super) fn step_mask(&mut self, input: &str) -> Result<String> {
        self.input(input)?.mask.clone().ok_or_else(not_whole)
    }

    pub(super) fn tokens(&mut self, input: &str) -> Result<String> {
        let values = self.input(input)?.values.clone();
        Ok(self.reshaped(&values, &[-1]))
    }

    pub(super) fn token_mask(&mut self, input: &str, padding: Option<usize>) -> Result<String> {
        let values = self.input(input)?.values.clone();
        let Some(padding) = padding else {
            return Ok(self.builder.node("Equal", &[&values, &values], []));
        };
        let padding = self.builder.int(int(padding));
        let is_padding = self.builder.node("Equal", &[&values, &padding], []);
        Ok(self.builder.node("Not", &[&is_padding], []))
    }

    /// Steps `[batch, time, features]` with this value where there are none.
    fn masked(&mut self, steps: &str, mask: &str, otherwise: f32) -> String {
        let mask = self.unsqueezed(mask, &[2]);
        let otherwise = self.builder.float(otherwise);
        self.builder.node("Where", &[&mask, steps, &otherwise], [])
    }

    /// Rows as `[batch, time, features]`, and the extents of the last two.
    pub(super) fn by_sequence(&mut self, rows: NodeId, mask: NodeId) -> Result<(String, usize, usize)> {
        let (time, features) = (self.fixed(mask, 1)?, self.fixed(rows, 1)?);
        let rows = self.own(rows)?;
        let steps = self.reshaped(&rows, &[-1, int(time), int(features)]);
        Ok((steps, time, features))
    }

    pub(super) fn strided_mask(&mut self, operands: &[NodeId], stride: usize) -> Result<String> {
        let [mask] = operands_of(operands)?;
        let mask = self.own(mask)?;
        if stride == 1 {
            return Ok(mask);
        }
        let [from, to, axis, stride] =
            [0, i64::MAX, 1, int(stride)].map(|number| self.builder.ints(&[number]));
        Ok(self
            .builder
            .node("Slice", &[&mask, &from, &to, &axis, &stride], []))
    }

    /// The number of steps of each sequence, `[batch, 1]`.
    fn counts(&mut self, mask: NodeId) -> Result<String> {
        let mask = self.own(mask)?;
        let numbers = self.cast(&mask, Element::Float);
        Ok(self.summed(&numbers, &[1], true))
    }

    /// `[batch, features]`, zeros of a sequence without steps.
    fn unless_empty(&mut self, value: &str, mask: NodeId) -> Result<String> {
        let counts = self.counts(mask)?;
        let zero = self.builder.float(0.0);
        let any = self.builder.node("Greater", &[&counts, &zero], []);
        Ok(self.builder.node("Where", &[&any, value, &zero], []))
    }

    pub(super) fn step_mean(&mut self, operands: &[NodeId]) -> Result<String> {
        let [rows, mask] = operands_of(operands)?;
        let (steps, ..) = self.by_sequence(rows, mask)?;
        let of_mask = self.own(mask)?;
        let there = self.masked(&steps, &of_mask, 0.0);
        let sums = self.summed(&there, &[1], false);
        let (counts, one) = (self.counts(mask)?, self.builder.float(1.0));
        let counts = self.builder.node("Max", &[&counts, &one], []);
        Ok(self.builder.node("Div", &[&sums, &counts], []))
    }

    pub(super) fn step_max(&mut self, operands: &[NodeId]) -> Result<String> {
        let [rows, mask] = operands_of(operands)?;
        let (steps, ..) = self.by_sequence(rows, mask)?;
        let of_mask = self.own(mask)?;
        let there = self.masked(&steps, &of_mask, f32::MIN);
        let attributes = [Attribute::ints("axes", [1]), Attribute::int("keepdims", 0)];
        let largest = self.builder.node("ReduceMax", &[&there], attributes);
        self.unless_empty(&largest, mask)
    }

    /// The last or the first step that is there.
    pub(super) fn step_at(&mut self, operands: &[NodeId], last: bool) -> Result<String> {
        let [rows, mask] = operands_of(operands)?;
        let (steps, time, _) = self.by_sequence(rows, mask)?;
        let of_mask = self.own(mask)?;
        let times: Vec<i64> = (0..time).map(int).collect();
        let times = self.builder.ints(&times);
        let (operator, otherwise) = match last {
            true => ("ReduceMax", 0),
            false => ("ReduceMin", int(time.saturating_sub(1))),
        };
        let otherwise = self.builder.int(otherwise);
        let there = self.builder.node("Where", &[&of_mask, &times, &otherwise], []);
        let attributes = [Attribute::ints("axes", [1]), Attribute::int("keepdims", 1)];
        let at = self.builder.node(operator, &[&there], attributes);
        let found = self.gathered(&steps, &at);
        self.unless_empty(&found, mask)
    }

    /// Of `[batch, time, features]` those at the times `[batch, …, 1]` of each sequence.
    pub(super) fn gathered(&mut self, steps: &str, at: &str) -> String {
        self.builder
            .node("GatherND", &[steps, at], [Attribute::int("batch_dims", 1)])
    }

    pub(super) fn add_times(&mut self, operands: &[NodeId]) -> Result<String> {
        let [rows, table, mask] = operands_of(operands)?;
        let (steps, time, features) = self.by_sequence(rows, mask)?;
        let mut of_times = self.own(table)?;
        if self.fixed(table, 0)? != time {
            let [from, to] = [0, int(time)].map(|at| self.builder.ints(&[at]));
            of_times = self.builder.node("Slice", &[&of_times, &from, &to], []);
        }
        let sums = self.builder.node("Add", &[&steps, &of_times], []);
        Ok(self.reshaped(&sums, &[-1, int(features)]))
    }

    pub(super) fn step_convolution(
        &mut self,
        operands: &[NodeId],
        dilation: usize,
        stride: usize,
    ) -> Result<String> {
        let &[rows, weight, mask, ref bias @ ..] = operands else {
            return Err(not_whole());
        };
        let (steps, ..) = self.by_sequence(rows, mask)?;
        let of_mask = self.own(mask)?;
        let there = self.masked(&steps, &of_mask, 0.0);
        let channels_first = self.transpose(&there, &[0, 2, 1]);
        let (values, path) = self.array(weight)?;
        let &[outputs, kernel, _] = values.shape() else {
            return Err(not_whole());
        };
        let weight = kernel_last(values)?;
        let mut names = vec![channels_first, self.builder.parameter(path, &weight)];
        for &bias in bias {
            names.push(self.own(bias)?);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let padding = int(kernel / 2 * dilation);
        let attributes = [
            Attribute::ints("kernel_shape", [int(kernel)]),
            Attribute::ints("dilations", [int(dilation)]),
            Attribute::ints("strides", [int(stride)]),
            Attribute::ints("pads", [padding, padding]),
        ];
        let maps = self.builder.node("Conv", &names, attributes);
        let steps = self.transpose(&maps, &[0, 2, 1]);
        Ok(self.reshaped(&steps, &[-1, int(outputs)]))
    }

    pub(super) fn step_attention(&mut self, operands: &[NodeId], heads: usize) -> Result<String> {
        let [query, key, value, mask] = operands_of(operands)?;
        let (time, width) = (self.fixed(mask, 1)?, self.fixed(query, 1)?);
        let share = width / heads.max(1);
        let by_head = [-1, int(time), int(heads), int(share)];
        let mut of_heads = |rows: NodeId, order: [usize; 4]| {
            let rows = self.own(rows)?;
            let rows = self.reshaped(&rows, &by_head);
            Ok(self.transpose(&rows, &order))
        };
        let query: Result<String> = of_heads(query, [0, 2, 1, 3]);
        let key: Result<String> = of_heads(key, [0, 2, 3, 1]);
        let value: Result<String> = of_heads(value, [0, 2, 1, 3]);
        let (query, key, value) = (query?, key?, value?);
        let scores = self.builder.node("MatMul", &[&query, &key], []);
        let scale = self.builder.float(1.0 / (share as f32).sqrt());
        let scores = self.builder.node("Mul", &[&scores, &scale], []);
        let mask = self.own(mask)?;
        let mask = self.unsqueezed(&mask, &[1, 2]);
        let least = self.builder.float(f32::MIN);
        let scores = self.builder.node("Where", &[&mask, &scores, &least], []);
        let shares = self
            .builder
            .node("Softmax", &[&scores], [Attribute::int("axis", -1)]);
        let attended = self.builder.node("MatMul", &[&shares, &value], []);
        let rows = self.transpose(&attended, &[0, 2, 1, 3]);
        Ok(self.reshaped(&rows, &[-1, int(width)]))
    }
}

/// `[outputs, kernel, inputs]` as `[outputs, inputs, kernel]`.
fn kernel_last(weight: &Array) -> Result<Array> {
    let &[outputs, kernel, inputs] = weight.shape() else {
        return Err(not_whole());
    };
    let values = weight.values();
    let mut moved = Vec::with_capacity(values.len());
    for output in 0..outputs {
        for input in 0..inputs {
            moved.extend((0..kernel).map(|tap| values[(output * kernel + tap) * inputs + input]));
        }
    }
    Ok(Array::new([outputs, inputs, kernel], moved)?)
}
