//! A graph for any number of samples, from two traces.

use super::operation::Operation;
use super::trace::{NodeId, Trace};
use crate::error::{Error, Result};

/// How many values there are along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Fixed(usize),
    /// So many for each sample of the batch.
    PerSample(usize),
}

/// An operation, what it is done to, and the shape of what it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub operation: Operation,
    /// To what.
    pub operands: Vec<NodeId>,
    /// The extents of the result.
    pub shape: Vec<Extent>,
    /// The part of the network that it belongs to.
    pub within: String,
}

/// What a network computes of a batch of any number of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Option<Node>>,
    outputs: Vec<NodeId>,
}

/// What messages call it.
const WHERE: &str = "the graph of the network";

impl Graph {
    /// The graph of a network that was traced with two batches of different numbers of samples, as far as its outputs need it.
    ///
    /// # Errors
    /// [`Error::Data`] saying which part of the network does something that a graph cannot say: it depends on the number of
    /// samples in more than extents, on values that were read on the host, or on the result of an operation that is not traced.
    pub fn of(first: Trace, second: Trace) -> Result<Self> {
        let samples = (first.samples, second.samples);
        for trace in [&first, &second] {
            if let Some(problem) = &trace.problem {
                return Err(Error::data(WHERE, problem));
            }
        }
        let needed = first.needed();
        if first.outputs != second.outputs || needed != second.needed() {
            return Err(Error::data(
                WHERE,
                format!(
                    "the network does other things with {} samples than with {}",
                    samples.0, samples.1
                ),
            ));
        }
        let pairs = first.nodes.into_iter().zip(second.nodes).zip(needed);
        let nodes = pairs.map(|((first, second), needed)| {
            if !needed {
                return Ok(None);
            }
            let within = &first.within;
            if first.operation == Operation::Unknown {
                let problem = format!(
                    "{within} uses the result of an operation that has no counterpart in a graph, such as a loss"
                );
                return Err(Error::data(WHERE, problem));
            }
            if (&first.operation, &first.operands) != (&second.operation, &second.operands) {
                let name = first.operation.name();
                let problem = format!(
                    "{within} does something else with {} samples than with {}, at an operation {name}: a constant, say, that \
                     depends on the number of samples",
                    samples.0, samples.1
                );
                return Err(Error::data(WHERE, problem));
            }
            let extents = first.shape.iter().zip(&second.shape);
            let shape = extents.map(|(&one, &other)| extent((one, other), samples));
            let shape: Option<Vec<Extent>> = shape.collect();
            let Some(shape) = shape.filter(|_| first.shape.len() == second.shape.len()) else {
                let problem = format!(
                    "{within} makes values of shape {:?} of {} samples and {:?} of {}, at an operation {}: no extent but a multiple \
                     of the number of samples can depend on it",
                    first.shape,
                    samples.0,
                    second.shape,
                    samples.1,
                    first.operation.name()
                );
                return Err(Error::data(WHERE, problem));
            };
            Ok(Some(Node {
                operation: first.operation,
                operands: first.operands,
                shape,
                within: first.within,
            }))
        });
        Ok(Self {
            nodes: nodes.collect::<Result<_>>()?,
            outputs: first.outputs,
        })
    }

    /// The nodes, each after its operands.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| Some((NodeId(index), node.as_ref()?)))
    }

    /// The nodes that make the outputs, in the order in which they were told.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// A node that is needed.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)?.as_ref()
    }
}

/// The extent that is so large for these numbers of samples.
fn extent((one, other): (usize, usize), samples: (usize, usize)) -> Option<Extent> {
    if one == other {
        return Some(Extent::Fixed(one));
    }
    let each = one.checked_div(samples.0)?;
    let is_multiple = one == each * samples.0 && other == each * samples.1;
    is_multiple.then_some(Extent::PerSample(each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_extent_is_what_grows_with_the_samples_or_does_not(each in 1_usize..50, samples in 1_usize..9, more in 1_usize..9) {
            let samples = (samples, samples + more);
            let grown = extent((each * samples.0, each * samples.1), samples);
            prop_assert_eq!(grown, Some(Extent::PerSample(each)));
            prop_assert_eq!(extent((each, each), samples), Some(Extent::Fixed(each)));
            prop_assert_eq!(extent((each * samples.0 + 1, each * samples.1 + 1), samples), None);
        }
    }
}
