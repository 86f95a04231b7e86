//! A layer of gated recurrent units in one direction, over the steps of sequences.
//!
//! Some sequences at a time are one task, which goes through their steps on its own. A sequence that has ended takes no
//! part in later steps; what is saved for the backward pass is three gates and what the state adds to the candidate.

use std::ops::Range;

use rayon::prelude::*;

use super::activation::{sigmoid, tanh};
use super::dense::{self, DenseSize};
use super::raw::{Matrix, MatrixMut};
use super::transpose::transposed;

/// Sequences of one task.
const GROUP: usize = 32;

/// Divides rows into those of each sequence, of which some may have none.
fn split<'a>(sequences: &[Range<usize>], mut rows: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
    let parts = sequences.iter().map(|sequence| {
        let (part, rest) = std::mem::take(&mut rows).split_at_mut(sequence.len() * width);
        rows = rest;
        part
    });
    parts.collect()
}

/// A layer from `inputs` to `hidden` features, which goes through sequences from the end if `reverse`.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct GruSize {
    pub(in crate::engine) inputs: usize,
    pub(in crate::engine) hidden: usize,
    pub(in crate::engine) reverse: bool,
}

/// `[3 × hidden, inputs]`, `[3 × hidden, hidden]` and two biases; reset, update and candidate one after another.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct GruWeights<'a> {
    pub(in crate::engine) input: &'a [f32],
    pub(in crate::engine) state: &'a [f32],
    pub(in crate::engine) input_bias: &'a [f32],
    pub(in crate::engine) state_bias: &'a [f32],
}

/// What the backward pass needs of the forward one, beside the states.
#[derive(Debug)]
pub(in crate::engine) struct GruGates {
    /// Reset, update and candidate, `[steps, 3 × hidden]`.
    gates: Vec<f32>,
    /// What the state adds to the candidate before the reset gate, `[steps, hidden]`.
    added: Vec<f32>,
}

/// Gradients of the rows and of the gates before their functions: as the input, and as the state sees them.
#[derive(Debug)]
pub(in crate::engine) struct GruGradients {
    of_input: Vec<f32>,
    of_state: Vec<f32>,
}

impl GruSize {
    fn gates(&self) -> usize {
        3 * self.hidden
    }

    /// The product of the rows with their weights.
    fn of_input(&self, rows: usize) -> DenseSize {
        DenseSize {
            batch: rows,
            inputs: self.inputs,
            outputs: self.gates(),
        }
    }

    /// The product of the states with theirs.
    fn of_state(&self, rows: usize) -> DenseSize {
        DenseSize {
            batch: rows,
            inputs: self.hidden,
            outputs: self.gates(),
        }
    }

    /// The row of a sequence that is `step` steps from where it begins, and the one before it.
    fn rows(&self, sequence: &Range<usize>, step: usize) -> Option<(usize, Option<usize>)> {
        if step >= sequence.len() {
            return None;
        }
        Some(if self.reverse {
            let row = sequence.end - 1 - step;
            (row, (step > 0).then_some(row + 1))
        } else {
            let row = sequence.start + step;
            (row, (step > 0).then(|| row - 1))
        })
    }
}

/// The rows of each task.
fn groups(sequences: &[Range<usize>]) -> Vec<Range<usize>> {
    let bounds = |group: &[Range<usize>]| Some(group.first()?.start..group.last()?.end);
    sequences.chunks(GROUP).filter_map(bounds).collect()
}

/// Which rows a task is at: of each sequence that goes on, its place in the group, its row, and the one before it.
fn active(
    size: &GruSize,
    group: &[Range<usize>],
    step: usize,
    rows: &mut Vec<(usize, usize, Option<usize>)>,
) {
    rows.clear();
    let there = group.iter().enumerate().filter_map(|(place, sequence)| {
        let (row, before) = size.rows(sequence, step)?;
        Some((place, row, before))
    });
    rows.extend(there);
}

fn longest(group: &[Range<usize>]) -> usize {
    group.iter().map(|rows| rows.len()).max().unwrap_or(0)
}

/// The state after each step, `[steps, hidden]`.
pub(in crate::engine) fn forward(
    size: &GruSize,
    sequences: &[Range<usize>],
    rows: &[f32],
    weights: &GruWeights<'_>,
) -> (Vec<f32>, GruGates) {
    let (hidden, steps) = (size.hidden, rows.len() / size.inputs);
    let mut gates = dense::forward(
        &size.of_input(steps),
        rows,
        weights.input,
        Some(weights.input_bias),
    );
    // Of a row that is of no sequence nothing is left.
    let end = sequences.last().map_or(0, |rows| rows.end);
    gates[end * size.gates()..].fill(0.0);
    let (mut states, mut added) = (vec![0.0; steps * hidden], vec![0.0; steps * hidden]);
    let turned = transposed(weights.state, size.gates(), hidden);
    let bounds = groups(sequences);
    let tasks = split(&bounds, &mut gates, size.gates()).into_par_iter();
    let tasks = tasks.zip(split(&bounds, &mut states, hidden));
    let tasks = tasks.zip(split(&bounds, &mut added, hidden));
    let tasks = tasks.zip(sequences.par_chunks(GROUP)).zip(&bounds);
    tasks.for_each(|((((gates, states), added), group), bounds)| {
        let (mut rows, mut before, mut products) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..longest(group) {
            active(size, group, step, &mut rows);
            products.clear();
            rows.iter()
                .for_each(|_| products.extend_from_slice(weights.state_bias));
            if step > 0 {
                before.clear();
                for &(_, _, row) in &rows {
                    let row = row.map_or(0, |row| row - bounds.start);
                    before.extend_from_slice(&states[row * hidden..][..hidden]);
                }
                let left = Matrix::rows(&before, rows.len(), hidden, hidden);
                let right = Matrix::rows(&turned, hidden, size.gates(), size.gates());
                MatrixMut::new(&mut products, rows.len(), size.gates()).product(left, right, true);
            }
            for ((place, &(_, row, _)), product) in
                rows.iter().enumerate().zip(products.chunks_exact(size.gates()))
            {
                let row = row - bounds.start;
                advance(
                    &mut gates[row * size.gates()..][..size.gates()],
                    product,
                    before.get(place * hidden..(place + 1) * hidden),
                    &mut states[row * hidden..][..hidden],
                    &mut added[row * hidden..][..hidden],
                );
            }
        }
    });
    (states, GruGates { gates, added })
}

vectorized! {
    /// One step of one sequence: `gates` has what the input adds to them, and gets their values.
    fn advance<'a>(
        gates: &'a mut [f32],
        product: &'a [f32],
        before: Option<&'a [f32]>,
        state: &'a mut [f32],
        added: &'a mut [f32],
    ) {
        let hidden = state.len();
        let (reset, rest) = gates.split_at_mut(hidden);
        let (update, candidate) = rest.split_at_mut(hidden);
        let (to_reset, rest) = product.split_at(hidden);
        let (to_update, to_candidate) = rest.split_at(hidden);
        added.copy_from_slice(&to_candidate[..hidden]);
        // A loop for each row that is written: of several at once the compiler does not know that they are apart.
        for (reset, to_reset) in reset.iter_mut().zip(to_reset) {
            *reset = sigmoid(*reset + to_reset);
        }
        for (update, to_update) in update.iter_mut().zip(to_update) {
            *update = sigmoid(*update + to_update);
        }
        for (candidate, (reset, to_candidate)) in candidate.iter_mut().zip(reset.iter().zip(to_candidate)) {
            *candidate = tanh(*candidate + reset * to_candidate);
        }
        let sources = candidate.iter().zip(update.iter());
        match before {
            Some(before) => {
                for (state, ((candidate, update), before)) in state.iter_mut().zip(sources.zip(before)) {
                    *state = candidate + update * (before - candidate);
                }
            }
            None => {
                for (state, (candidate, update)) in state.iter_mut().zip(sources) {
                    *state = candidate - update * candidate;
                }
            }
        }
    }
}

/// Goes through the steps from the last to the first, with the gradient of each state.
pub(in crate::engine) fn backward(
    size: &GruSize,
    sequences: &[Range<usize>],
    states: &[f32],
    GruGates { mut gates, added }: GruGates,
    weight: &[f32],
    gradient: &[f32],
) -> GruGradients {
    let hidden = size.hidden;
    let mut of_state = vec![0.0; gates.len()];
    let bounds = groups(sequences);
    let tasks = split(&bounds, &mut gates, size.gates()).into_par_iter();
    let tasks = tasks.zip(split(&bounds, &mut of_state, size.gates()));
    let tasks = tasks.zip(sequences.par_chunks(GROUP)).zip(&bounds);
    tasks.for_each(|(((gates, of_state), group), bounds)| {
        let (mut rows, mut steps, mut products) = (Vec::new(), Vec::new(), Vec::new());
        let mut carried = vec![0.0; group.len() * hidden];
        for step in (0..longest(group)).rev() {
            active(size, group, step, &mut rows);
            steps.clear();
            for &(place, row, before) in &rows {
                let own = (row - bounds.start) * size.gates();
                retreat(
                    &mut gates[own..own + size.gates()],
                    &mut of_state[own..own + size.gates()],
                    &added[row * hidden..][..hidden],
                    before.map(|row| &states[row * hidden..][..hidden]),
                    &gradient[row * hidden..][..hidden],
                    &mut carried[place * hidden..][..hidden],
                );
                steps.extend_from_slice(&of_state[own..own + size.gates()]);
            }
            if step == 0 {
                break;
            }
            products.resize(rows.len() * hidden, 0.0);
            let left = Matrix::rows(&steps, rows.len(), size.gates(), size.gates());
            let right = Matrix::rows(weight, size.gates(), hidden, hidden);
            MatrixMut::new(&mut products, rows.len(), hidden).product(left, right, false);
            for (&(place, ..), product) in rows.iter().zip(products.chunks_exact(hidden)) {
                let carried = carried[place * hidden..][..hidden].iter_mut();
                carried
                    .zip(product)
                    .for_each(|(carried, value)| *carried += value);
            }
        }
    });
    GruGradients {
        of_input: gates,
        of_state,
    }
}

vectorized! {
    /// One step of one sequence: turns `gates` into their gradients as the input sees them, fills in those that the state
    /// sees, and leaves in `carried` what the gates alone hand to the state before.
    fn retreat<'a>(
        gates: &'a mut [f32],
        of_state: &'a mut [f32],
        added: &'a [f32],
        before: Option<&'a [f32]>,
        gradient: &'a [f32],
        carried: &'a mut [f32],
    ) {
        let hidden = carried.len();
        let (reset, rest) = gates.split_at_mut(hidden);
        let (update, candidate) = rest.split_at_mut(hidden);
        let (of_reset, rest) = of_state.split_at_mut(hidden);
        let (of_update, of_candidate) = rest.split_at_mut(hidden);
        // As in `advance`. From here to the last loop `carried` is the gradient of the state.
        for (carried, gradient) in carried.iter_mut().zip(gradient) {
            *carried += gradient;
        }
        let distances = of_update.iter_mut().zip(candidate.iter());
        match before {
            Some(before) => {
                for ((distance, candidate), before) in distances.zip(before) {
                    *distance = before - candidate;
                }
            }
            None => {
                for (distance, candidate) in distances {
                    *distance = 0.0 - candidate;
                }
            }
        }
        for (to_update, (from, z)) in of_update.iter_mut().zip(carried.iter().zip(update.iter())) {
            *to_update = from * *to_update * z * (1.0 - z);
        }
        for (n, (from, z)) in candidate.iter_mut().zip(carried.iter().zip(update.iter())) {
            *n = from * (1.0 - z) * (1.0 - *n * *n);
        }
        for (to_reset, ((to_candidate, added), r)) in
            of_reset.iter_mut().zip(candidate.iter().zip(added).zip(reset.iter()))
        {
            *to_reset = to_candidate * added * r * (1.0 - r);
        }
        for (of_candidate, (to_candidate, r)) in of_candidate.iter_mut().zip(candidate.iter().zip(reset.iter())) {
            *of_candidate = to_candidate * r;
        }
        for (carried, z) in carried.iter_mut().zip(update.iter()) {
            *carried *= z;
        }
        reset.copy_from_slice(of_reset);
        update.copy_from_slice(of_update);
    }
}

impl GruGradients {
    /// Adds the gradients of the weights and biases, in the order of [`GruWeights`].
    pub(in crate::engine) fn add_to_weights(
        &self,
        size: &GruSize,
        sequences: &[Range<usize>],
        rows: &[f32],
        states: &[f32],
        [input, state, input_bias, state_bias]: [&mut [f32]; 4],
    ) {
        let steps = rows.len() / size.inputs;
        dense::weight_gradient(&size.of_input(steps), &self.of_input, rows, input);
        dense::bias_gradient(&size.of_input(steps), &self.of_input, input_bias);
        dense::bias_gradient(&size.of_state(steps), &self.of_state, state_bias);
        let mut before = vec![0.0; states.len()];
        for sequence in sequences {
            for (row, from) in (0..sequence.len()).filter_map(|step| size.rows(sequence, step)) {
                if let Some(from) = from {
                    let from = &states[from * size.hidden..][..size.hidden];
                    before[row * size.hidden..][..size.hidden].copy_from_slice(from);
                }
            }
        }
        dense::weight_gradient(&size.of_state(steps), &self.of_state, &before, state);
    }

    /// The gradient of the rows, `[steps, inputs]`.
    pub(in crate::engine) fn of_rows(&self, size: &GruSize, weight: &[f32]) -> Vec<f32> {
        let steps = self.of_input.len() / size.gates();
        dense::input_gradient(&size.of_input(steps), &self.of_input, weight)
    }
}
