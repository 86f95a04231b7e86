//! A pass through a network, as its operations note it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::operation::Operation;
use crate::array::Array;
use crate::engine::Steps;
use crate::error::Result;

thread_local! {
    /// Whether this thread traces. Every operation asks.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static STATE: RefCell<State> = RefCell::default();
}

/// The position of a node among those of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// Where the values of a tensor come from, as far as a trace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They were put there: a parameter, or data.
    Given,
    /// An operation that is not traced.
    Unknown,
    /// A node, of the trace of this number.
    Node(NodeId, u64),
}

/// What an operation is done to; nothing while nothing is traced.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operand(Option<NodeId>);

/// An operation as it was noted.
#[derive(Clone, Debug)]
pub(super) struct TracedNode {
    pub(super) operation: Operation,
    pub(super) operands: Vec<NodeId>,
    pub(super) shape: Vec<usize>,
    pub(super) within: String,
}

/// What a pass through a network did, with one number of samples.
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) nodes: Vec<TracedNode>,
    pub(super) outputs: Vec<NodeId>,
    pub(super) samples: usize,
    pub(super) problem: Option<String>,
}

impl Trace {
    /// Of each node, whether an output needs it.
    pub(super) fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for output in &self.outputs {
            needed[output.0] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for operand in &self.nodes[index].operands {
                    needed[operand.0] = true;
                }
            }
        }
        needed
    }
}

#[derive(Default)]
struct State {
    /// Of this trace, which no other has.
    number: u64,
    nodes: Vec<TracedNode>,
    /// Parameters by their tensors.
    parameters: HashMap<u64, (String, Array)>,
    /// Inputs by the tensors of their batches.
    inputs: HashMap<u64, String>,
    /// Nodes of given tensors, parameters and others.
    given: HashMap<u64, NodeId>,
    /// The mask of steps. Steps are kept, so that no others can come to lie in their place.
    masks: Vec<(Steps, NodeId)>,
    problem: Option<String>,
    within: Vec<String>,
}

impl State {
    fn push(&mut self, operation: Operation, operands: Vec<NodeId>, shape: Vec<usize>) -> NodeId {
        let id = NodeId(self.nodes.len());
        let within = self.within();
        self.nodes.push(TracedNode {
            operation,
            operands,
            shape,
            within,
        });
        id
    }

    fn within(&self) -> String {
        let innermost = self.within.last();
        innermost.cloned().unwrap_or_else(|| "the network".to_owned())
    }

    fn problem(&mut self, problem: &str) {
        let within = self.within();
        self.problem.get_or_insert_with(|| format!("{within} {problem}"));
    }
}

/// A trace in the making, from when it is begun until it is [finished](Self::finish) or dropped.
#[derive(Debug)]
pub(crate) struct Tracing {
    samples: usize,
}

impl Tracing {
    /// Begins to trace what this thread computes. `parameters` are paths and values of the network's, by tensor; `inputs` the
    /// names of batches of so many samples, by tensor. A trace that was in the making is dropped.
    pub(crate) fn begin(
        parameters: HashMap<u64, (String, Array)>,
        inputs: HashMap<u64, String>,
        samples: usize,
    ) -> Self {
        STATE.with_borrow_mut(|state| {
            let number = state.number + 1;
            *state = State {
                number,
                parameters,
                inputs,
                ..State::default()
            };
        });
        ACTIVE.set(true);
        Self { samples }
    }

    /// What was traced, of which these values are wanted.
    pub(crate) fn finish(self, outputs: Vec<Operand>) -> Trace {
        STATE.with_borrow_mut(|state| Trace {
            nodes: std::mem::take(&mut state.nodes),
            outputs: outputs.into_iter().filter_map(|output| output.0).collect(),
            samples: self.samples,
            problem: state.problem.take(),
        })
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        ACTIVE.set(false);
        STATE.with_borrow_mut(|state| {
            *state = State {
                number: state.number,
                ..State::default()
            };
        });
    }
}

/// Whether this thread traces.
#[inline]
pub fn is_tracing() -> bool {
    ACTIVE.get()
}

/// Notes an operation on these operands that made something of this shape.
pub(crate) fn note(operation: Operation, operands: &[Operand], shape: Vec<usize>) -> Origin {
    STATE.with_borrow_mut(|state| {
        let operands = operands.iter().filter_map(|operand| operand.0).collect();
        let id = state.push(operation, operands, shape);
        Origin::Node(id, state.number)
    })
}

/// What an operation makes of operands on the way to something else, which no tensor holds.
pub(crate) fn between(operation: Operation, operands: &[Operand], shape: &[usize]) -> Operand {
    if !is_tracing() {
        return Operand::default();
    }
    let operands = operands.iter().filter_map(|operand| operand.0).collect();
    STATE.with_borrow_mut(|state| Operand(Some(state.push(operation, operands, shape.to_vec()))))
}

/// The operand that a tensor of this origin is. One that was given is a parameter, or else a constant of these values.
pub(crate) fn operand_of(
    origin: Origin,
    identity: u64,
    shape: impl FnOnce() -> Vec<usize>,
    values: impl FnOnce() -> Result<Array>,
) -> Operand {
    if !is_tracing() {
        return Operand::default();
    }
    STATE.with_borrow_mut(|state| {
        match origin {
            Origin::Given => {}
            Origin::Node(id, number) if number == state.number => return Operand(Some(id)),
            // Made before, of whatever.
            Origin::Unknown | Origin::Node(..) => {
                return Operand(Some(state.push(Operation::Unknown, Vec::new(), shape())));
            }
        }
        if let Some(&known) = state.given.get(&identity) {
            return Operand(Some(known));
        }
        let operation = match state.parameters.get(&identity) {
            Some((path, values)) => Operation::Parameter {
                path: path.clone(),
                values: values.clone(),
            },
            None => match values() {
                Ok(values) => Operation::Constant(values),
                Err(error) => {
                    state.problem(&format!("has a tensor that cannot be read: {error}"));
                    Operation::Constant(Array::zeros([0]))
                }
            },
        };
        let id = state.push(operation, Vec::new(), shape());
        state.given.insert(identity, id);
        Operand(Some(id))
    })
}

/// The origin of a tensor whose values are those of an operand.
pub(crate) fn origin_of(operand: Operand) -> Option<Origin> {
    let id = operand.0?;
    Some(STATE.with_borrow(|state| Origin::Node(id, state.number)))
}

/// Says that something cannot be traced; `problem` follows the name of the part of the network.
pub(crate) fn not_traceable(problem: &str) {
    if is_tracing() {
        STATE.with_borrow_mut(|state| state.problem(problem));
    }
}

/// The operand that something of an input is.
pub(crate) fn operand_of_input(shape: &[usize], operation: impl FnOnce() -> Operation) -> Operand {
    if !is_tracing() {
        return Operand::default();
    }
    let operation = operation();
    STATE.with_borrow_mut(|state| Operand(Some(state.push(operation, Vec::new(), shape.to_vec()))))
}

/// The name of the input whose batch has this tensor.
pub(crate) fn input_name(identity: u64) -> String {
    STATE.with_borrow_mut(|state| {
        state.inputs.get(&identity).cloned().unwrap_or_else(|| {
            state.problem("reads a batch that is none of the inputs");
            String::new()
        })
    })
}

/// Complete sequences of `time` steps, and the node that says which of them are there.
pub(crate) fn complete_steps(mask: Operation, time: usize, samples: usize) -> Steps {
    let steps = Steps::of_lengths(&vec![time; samples]);
    STATE.with_borrow_mut(|state| {
        let id = state.push(mask, Vec::new(), vec![samples, time]);
        state.masks.push((steps.clone(), id));
    });
    steps
}

/// Notes that `steps` are made of others by an operation on their mask.
pub(crate) fn note_steps(operation: Operation, of: Operand, steps: &Steps) {
    if !is_tracing() {
        return;
    }
    let (samples, time) = (steps.batch(), steps.longest());
    STATE.with_borrow_mut(|state| {
        let id = state.push(operation, of.0.into_iter().collect(), vec![samples, time]);
        state.masks.push((steps.clone(), id));
    });
}

/// The mask of these steps.
pub(crate) fn operand_of_steps(steps: &Steps) -> Operand {
    if !is_tracing() {
        return Operand::default();
    }
    STATE.with_borrow_mut(|state| {
        let known = state.masks.iter().find(|(known, _)| known.is_same(steps));
        let known = known.map(|(_, id)| *id);
        if known.is_none() {
            state.problem("has steps that no operation of its inputs made");
        }
        Operand(known)
    })
}

/// Runs a part of a network, which messages call by this name.
pub fn within<T>(part: impl FnOnce() -> String, run: impl FnOnce() -> T) -> T {
    if !is_tracing() {
        return run();
    }
    STATE.with_borrow_mut(|state| state.within.push(part()));
    let result = run();
    STATE.with_borrow_mut(|state| state.within.pop());
    result
}
