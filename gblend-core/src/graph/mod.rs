//! What a network computes, as a list of operations that other programs can be told.
//!
//! A network is code: an encoder, a fusion and a head are run on tensors, and nothing says beforehand what they will do. To
//! write a trained one down, it is run in evaluation mode and traced: every operation of [`nn`](crate::nn) and
//! [`tensor`](crate::tensor) notes what it does to which values. So encoders and fusions of plugins are written down like those
//! of gblend, and their authors do nothing for it. [`trace`](crate::trace::trace) runs a network so.
//!
//! - **A trace belongs to a thread.** Operations are functions of tensors, a [`Pass`](crate::Pass) is a few numbers, and
//!   parameters carry nothing at all: there is no one thing that every operation is handed. While nothing is traced, an
//!   operation asks one flag of its thread, and tensors carry two numbers more.
//! - **The number of samples is found, not told.** What a network does to a batch of two and to one of three samples differs in
//!   extents alone, and those that grow with the batch are multiples of it ([`Graph::of`]). Whatever else differs, a constant
//!   say, cannot be written down for any number of samples, and is refused.
//! - **What is decided on the host is refused.** A network that reads its batch or a tensor back decides something by values,
//!   which no list of operations has; one that uses the result of an operation that is not traced, such as a loss, has
//!   nothing to be told for it. Either is an error that says which part of the network does it.
//! - **A sample may lack an input** where the pass was run with a [`PresenceMask`](crate::PresenceMask) of it: operations that mask
//!   by it have it as an operand, and whoever reads it on the host is refused.
//! - **Padding is a row here.** Layers see the steps that are there, one after another, and how many rows that makes depends on
//!   values. A traced network gets sequences that are all complete, so that steps are `[batch × time, features]`, and operations
//!   that look at other steps than their own have the mask of the steps as an operand: whoever carries them out takes nothing of
//!   a step that it leaves out. What others compute of padding is looked at by none.

mod extent;
mod operation;
mod trace;

pub use extent::{Extent, Graph, Node};
pub use operation::{ColumnNorm, Operation};
pub use trace::{NodeId, Trace};
pub(crate) use trace::{
    Operand, Origin, Tracing, between, complete_steps, input_name, not_traceable, note, note_steps,
    operand_of, operand_of_input, operand_of_steps, origin_of,
};
pub use trace::{is_tracing, within};
