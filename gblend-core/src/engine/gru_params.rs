//! What the operation of gated recurrent units takes beside its rows.

use dfdx::tensor_ops::Device;

use super::operand::ParamOn;
use crate::shape::{Dims1, Dims2};

/// The parameters of one direction of a layer of gated recurrent units; see [`SequenceEngine::gru`](super::SequenceEngine::gru).
#[derive(Debug)]
pub struct GruParams<'a, D: Device<f32>> {
    /// Weights of the input, `[3 × hidden, inputs]`.
    pub input: &'a ParamOn<Dims2, D>,
    /// Weights of the state, `[3 × hidden, hidden]`.
    pub state: &'a ParamOn<Dims2, D>,
    /// What is added to the first product, `[3 × hidden]`.
    pub input_bias: &'a ParamOn<Dims1, D>,
    /// What is added to the second, `[3 × hidden]`.
    pub state_bias: &'a ParamOn<Dims1, D>,
}
