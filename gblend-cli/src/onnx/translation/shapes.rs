//! Shapes, sums, and what is done to rows.

use std::ops::Range;

use gblend_core::Array;
use gblend_core::graph::{ColumnNorm, Extent, Node, NodeId};

use super::super::proto::{Attribute, Element, int};
use super::{Layout, Translation, first, not_whole, operands_of};
use crate::error::{Error, Result};

/// Of maps, the axis of channels.
const CHANNELS: usize = 0;

impl Translation<'_> {
    /// The extents as a reshape has them: the one that depends on the batch is what is left.
    fn target(shape: &[Extent]) -> Result<Vec<i64>> {
        let per_sample = shape
            .iter()
            .filter(|extent| matches!(extent, Extent::PerSample(_)));
        if per_sample.count() > 1 {
            let problem = "a shape has two extents that depend on the number of samples".to_owned();
            return Err(Error::NotExported(problem));
        }
        let extents = shape.iter().map(|extent| match extent {
            Extent::Fixed(extent) => int(*extent),
            Extent::PerSample(_) => -1,
        });
        Ok(extents.collect())
    }

    pub(super) fn reshape(&mut self, operands: &[NodeId], node: &Node) -> Result<String> {
        let value = self.own(first(operands)?)?;
        let target = Self::target(&node.shape)?;
        Ok(self.reshaped(&value, &target))
    }

    pub(super) fn permute(&mut self, operands: &[NodeId], order: &[usize]) -> Result<String> {
        let value = self.own(first(operands)?)?;
        Ok(self.transpose(&value, order))
    }

    pub(super) fn repeat(&mut self, operands: &[NodeId], axis: usize, node: &Node) -> Result<String> {
        let value = self.own(first(operands)?)?;
        let value = self.unsqueezed(&value, &[int(axis)]);
        let count = match node.shape.get(axis) {
            Some(Extent::Fixed(count)) => self.builder.ints(&[int(*count)]),
            Some(Extent::PerSample(each)) => {
                let (samples, each) = (self.batch_size()?, self.builder.ints(&[int(*each)]));
                self.builder.node("Mul", &[&samples, &each], [])
            }
            None => return Err(not_whole()),
        };
        // An extent of 1 leaves an axis as it is.
        let ones = |count: usize| vec![1; count];
        let before = self.builder.ints(&ones(axis));
        let after = self.builder.ints(&ones(node.shape.len() - axis - 1));
        let along = Attribute::int("axis", 0);
        let shape = self.builder.node("Concat", &[&before, &count, &after], [along]);
        Ok(self.builder.node("Expand", &[&value, &shape], []))
    }

    pub(super) fn concatenate(
        &mut self,
        operands: &[NodeId],
        axis: usize,
        node: &Node,
    ) -> Result<(Layout, String)> {
        let (layout, names) = if node.shape.len() == 4 && axis == CHANNELS {
            self.alike(operands)?
        } else {
            let names = operands.iter().map(|&id| self.own(id));
            (Layout::Own, names.collect::<Result<_>>()?)
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let axis = match layout {
            Layout::Own => axis,
            Layout::SamplesFirst => CHANNELS + 1,
        };
        let along = Attribute::int("axis", int(axis));
        Ok((layout, self.builder.node("Concat", &names, [along])))
    }

    pub(super) fn take_rows(&mut self, operands: &[NodeId], rows: &[usize]) -> Result<String> {
        let value = self.own(first(operands)?)?;
        let rows: Vec<i64> = rows.iter().copied().map(int).collect();
        let rows = self.builder.ints(&rows);
        Ok(self
            .builder
            .node("Gather", &[&value, &rows], [Attribute::int("axis", 0)]))
    }

    /// Which samples have an input.
    pub(super) fn presence(&self, input: &str) -> Result<String> {
        let present = self.input(input)?.present.as_ref();
        Ok(present.ok_or_else(not_whole)?.views.clone())
    }

    /// Zeros in the place of rows that are not there, whatever stands in them.
    pub(super) fn mask_rows(&mut self, operands: &[NodeId]) -> Result<String> {
        let [rows, present] = operands_of(operands)?;
        let (rows, present) = (self.own(rows)?, self.own(present)?);
        let present = self.unsqueezed(&present, &[1]);
        let zero = self.builder.float(0.0);
        Ok(self.builder.node("Where", &[&present, &rows, &zero], []))
    }

    /// The sum over these axes, which are gone.
    pub(super) fn sum(&mut self, operands: &[NodeId], axes: &[usize]) -> Result<String> {
        let value = self.own(first(operands)?)?;
        Ok(self.summed(&value, axes, false))
    }

    pub(super) fn summed(&mut self, value: &str, axes: &[usize], kept: bool) -> String {
        let axes: Vec<i64> = axes.iter().copied().map(int).collect();
        let axes = self.builder.ints(&axes);
        let kept = Attribute::int("keepdims", i64::from(kept));
        self.builder.node("ReduceSum", &[value, &axes], [kept])
    }

    /// `[channels, taps, points, batch]` by `[taps, points]`.
    pub(super) fn weighted_sum(&mut self, operands: &[NodeId], weights: &Array) -> Result<String> {
        let value = self.own(first(operands)?)?;
        let &[taps, points] = weights.shape() else {
            return Err(not_whole());
        };
        let weights = self.builder.floats(&[1, taps, points, 1], weights.values());
        let weighted = self.builder.node("Mul", &[&value, &weights], []);
        Ok(self.summed(&weighted, &[1], false))
    }

    pub(super) fn softmax(&mut self, operator: &str, operands: &[NodeId], axis: usize) -> Result<String> {
        let value = self.own(first(operands)?)?;
        Ok(self
            .builder
            .node(operator, &[&value], [Attribute::int("axis", int(axis))]))
    }

    pub(super) fn matrix_product(&mut self, operands: &[NodeId]) -> Result<String> {
        let [left, right] = operands_of(operands)?;
        let (left, right) = (self.own(left)?, self.own(right)?);
        Ok(self.builder.node("MatMul", &[&left, &right], []))
    }

    pub(super) fn linear(&mut self, operands: &[NodeId]) -> Result<String> {
        let names = operands
            .iter()
            .map(|&id| self.own(id))
            .collect::<Result<Vec<_>>>()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(self.builder.node("Gemm", &names, [Attribute::int("transB", 1)]))
    }

    pub(super) fn feature_norm(&mut self, operands: &[NodeId], norm: &ColumnNorm) -> Result<String> {
        let [rows, gamma, beta] = operands_of(operands)?;
        let (rows, gamma, beta) = (self.own(rows)?, self.own(gamma)?, self.own(beta)?);
        Ok(self.normalized(&rows, &gamma, &beta, norm))
    }

    /// Normalization of axis 1.
    pub(super) fn normalized(&mut self, value: &str, gamma: &str, beta: &str, norm: &ColumnNorm) -> String {
        let mean = self.builder.floats(&[norm.mean.len()], &norm.mean);
        let variance = self.builder.floats(&[norm.variance.len()], &norm.variance);
        let epsilon = Attribute::float("epsilon", norm.epsilon);
        let inputs = [value, gamma, beta, &mean, &variance];
        let normalized = self.builder.node("BatchNormalization", &inputs, [epsilon]);
        match norm.relu {
            true => self.builder.node("Relu", &[&normalized], []),
            false => normalized,
        }
    }

    pub(super) fn layer_norm(&mut self, operands: &[NodeId], epsilon: f32) -> Result<String> {
        let [rows, gamma, beta] = operands_of(operands)?;
        let (rows, gamma, beta) = (self.own(rows)?, self.own(gamma)?, self.own(beta)?);
        let attributes = [Attribute::int("axis", -1), Attribute::float("epsilon", epsilon)];
        Ok(self
            .builder
            .node("LayerNormalization", &[&rows, &gamma, &beta], attributes))
    }

    /// Of queries, keys that are transposed, and values of each head.
    pub(super) fn attention(&mut self, operands: &[NodeId], scale: f32) -> Result<String> {
        let [query, key, value] = operands_of(operands)?;
        let (query, key, value) = (self.own(query)?, self.own(key)?, self.own(value)?);
        let scores = self.builder.node("MatMul", &[&query, &key], []);
        let scale = self.builder.float(scale);
        let scores = self.builder.node("Mul", &[&scores, &scale], []);
        let shares = self
            .builder
            .node("Softmax", &[&scores], [Attribute::int("axis", -1)]);
        let heads = self.builder.node("MatMul", &[&shares, &value], []);
        Ok(self.transpose(&heads, &[0, 2, 1, 3]))
    }

    /// Rows of a table, in which that of padding is zeros.
    pub(super) fn embedding(
        &mut self,
        operands: &[NodeId],
        padding: Option<usize>,
        first: usize,
    ) -> Result<String> {
        let [table, ids] = operands_of(operands)?;
        let ids = self.own(ids)?;
        let (values, path) = self.array(table)?;
        let width = values.shape().get(1).copied().unwrap_or(0);
        // What is counted from a number on has no row before it in the network, and zeros here.
        let rows = values.shape().first().copied().unwrap_or(0);
        let before = vec![0.0; first * width];
        let values = before.into_iter().chain(values.values().iter().copied());
        let mut values = Array::new([first + rows, width], values.collect())?;
        let row = padding.and_then(|padding| values.values_mut().chunks_exact_mut(width.max(1)).nth(padding));
        if let Some(row) = row {
            row.fill(0.0);
        }
        let table = self.builder.parameter(path, &values);
        Ok(self
            .builder
            .node("Gather", &[&table, &ids], [Attribute::int("axis", 0)]))
    }

    /// Some of the values of each sample.
    pub(super) fn columns(&mut self, input: &str, columns: &Range<usize>) -> Result<String> {
        let values = self.input(input)?.values.clone();
        let rows = self
            .builder
            .node("Flatten", &[&values], [Attribute::int("axis", 1)]);
        let [from, to, axis] = [columns.start, columns.end, 1].map(|at| self.builder.ints(&[int(at)]));
        Ok(self.builder.node("Slice", &[&rows, &from, &to, &axis], []))
    }

    /// One value of each sample as a whole number.
    pub(super) fn ids(&mut self, input: &str, column: usize) -> Result<String> {
        let column = self.columns(input, &(column..column + 1))?;
        let flat = self.reshaped(&column, &[-1]);
        Ok(self.cast(&flat, Element::Int64))
    }
}
