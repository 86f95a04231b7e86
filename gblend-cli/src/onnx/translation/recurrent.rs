//! Gated recurrent units.
//!
//! ONNX's read the first steps of sequences, and gblend's those that are there, wherever they are. So steps are brought to the
//! beginning of their sequence before, and back to their places after.

use gblend_core::Array;
use gblend_core::graph::NodeId;

use super::super::proto::{Attribute, Element, int};
use super::{Translation, not_whole, operands_of};
use crate::error::Result;

/// How steps come to the beginning of their sequences.
#[derive(Clone)]
pub(super) struct LeftPacked {
    /// The place that each step comes to, `[batch, time, 1]`: a permutation of each sequence.
    places: String,
    /// The step that comes to each place.
    sources: String,
    /// Steps of each sequence, and 1 of one without any, `[batch]`.
    lengths: String,
}

impl Translation<'_> {
    fn left_packed(&mut self, mask: NodeId) -> Result<LeftPacked> {
        if let Some(known) = self.packed.get(&mask) {
            return Ok(known.clone());
        }
        let time = self.fixed(mask, 1)?;
        let of_mask = self.own(mask)?;
        let there = self.cast(&of_mask, Element::Int64);
        let counts = self.summed(&there, &[1], true);
        let builder = &mut *self.builder;
        let (one, axis) = (builder.int(1), builder.int(1));
        let missing = builder.node("Sub", &[&one, &there], []);
        let mut before = |steps: &str| {
            let exclusive = Attribute::int("exclusive", 1);
            builder.node("CumSum", &[steps, &axis], [exclusive])
        };
        let (there_before, missing_before) = (before(&there), before(&missing));
        let behind = builder.node("Add", &[&counts, &missing_before], []);
        let places = builder.node("Where", &[&of_mask, &there_before, &behind], []);
        let times: Vec<i64> = (0..time).map(int).collect();
        let times = builder.ints(&times);
        // Zeros of the mask's shape, so that times are those of every sequence.
        let zeros = builder.node("Sub", &[&there, &there], []);
        let times = builder.node("Add", &[&zeros, &times], []);
        let along = Attribute::int("axis", 1);
        let sources = builder.node("ScatterElements", &[&zeros, &places, &times], [along]);
        let lengths = builder.node("Max", &[&counts, &one], []);
        let (places, sources) = (self.unsqueezed(&places, &[2]), self.unsqueezed(&sources, &[2]));
        let lengths = self.reshaped(&lengths, &[-1]);
        let packed = LeftPacked {
            places,
            sources,
            lengths: self.cast(&lengths, Element::Int32),
        };
        self.packed.insert(mask, packed.clone());
        Ok(packed)
    }

    pub(super) fn gru(&mut self, operands: &[NodeId], reverse: bool) -> Result<String> {
        let [rows, input, state, input_bias, state_bias, mask] = operands_of(operands)?;
        let packed = self.left_packed(mask)?;
        let (steps, ..) = self.by_sequence(rows, mask)?;
        let steps = self.gathered(&steps, &packed.sources);
        let steps = self.transpose(&steps, &[1, 0, 2]);
        let (input, input_path) = self.array(input)?;
        let (state, state_path) = self.array(state)?;
        let (input_bias, bias_path) = self.array(input_bias)?;
        let (state_bias, _) = self.array(state_bias)?;
        let hidden = state.shape().get(1).copied().ok_or_else(not_whole)?;
        let input = self.builder.parameter(input_path, &gates(input, hidden)?);
        let state = self.builder.parameter(state_path, &gates(state, hidden)?);
        let biases = [gates(input_bias, hidden)?, gates(state_bias, hidden)?];
        let biases = biases.into_iter().flat_map(Array::into_values).collect();
        let biases = Array::new([1, 6 * hidden], biases)?;
        let biases = self.builder.parameter(bias_path, &biases);
        let direction = if reverse { "reverse" } else { "forward" };
        let states = self.builder.node(
            "GRU",
            &[&steps, &input, &state, &biases, &packed.lengths],
            [
                Attribute::int("hidden_size", int(hidden)),
                Attribute::int("linear_before_reset", 1),
                Attribute::text("direction", direction),
            ],
        );
        let axis = self.builder.ints(&[1]);
        let states = self.builder.node("Squeeze", &[&states, &axis], []);
        let states = self.transpose(&states, &[1, 0, 2]);
        let states = self.gathered(&states, &packed.places);
        Ok(self.reshaped(&states, &[-1, int(hidden)]))
    }
}

/// Weights or biases of one direction, `[1, 3 × hidden, …]`: gblend has the reset gate before the update gate, ONNX behind.
fn gates(weights: &Array, hidden: usize) -> Result<Array> {
    let each = weights.len() / 3;
    let values = weights.values();
    let (Some(reset), Some(update), Some(candidate)) = (
        values.get(..each),
        values.get(each..2 * each),
        values.get(2 * each..),
    ) else {
        return Err(not_whole());
    };
    let shape = [&[1, 3 * hidden], weights.shape().get(1..).unwrap_or_default()].concat();
    Ok(Array::new(shape, [update, reset, candidate].concat())?)
}
