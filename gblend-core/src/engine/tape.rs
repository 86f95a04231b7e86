//! The tape that every gblend network records on.
//!
//! dfdx decides by type whether a network is differentiated: `OwnedTape` records, `NoneTape` does not,
//! and a boxed encoder would need a method for each. [`RecorderOn`] decides at run time instead, so one
//! `encode` serves training and evaluation:
//!
//! - it *records* or not, and a network's output records only if its input did;
//! - it *requires a gradient* or not: an operation whose inputs are all data needs no backward step, so
//!   no gradient is ever computed for a network's input.
//!
//! Parameters enter an operation with a recorder for parameters, a default one (`retaped`) or none (`NoneTape`); all count
//! as requiring a gradient.
//!
//! A recorder also carries the [`Handoff`] of the operation that made its tensor, and keeps watch for operations of
//! dfdx, whose contributions come another way: one that records on this recorder or merges it, and any that a tensor
//! entered with a recorder of its own or with none, since that tensor may be any.

use std::any::Any;
use std::rc::Rc;

use dfdx::shapes::Shape;
use dfdx::tensor::{Gradients, Merge, NoneTape, OwnedTape, PutTape, SplitTape, Storage, Tape, Tensor};

use super::handoff::Handoff;
use crate::precision::Precision;

/// A run-time switchable tape; see the module's text.
#[derive(Debug)]
pub struct RecorderOn<D: Storage<f32>> {
    tape: Option<OwnedTape<f32, D>>,
    requires_grad: bool,
    /// That of the tensor that carries this recorder; `None` if an operation of dfdx made it.
    handoff: Option<Carried>,
    /// Those of all operations on the tape.
    handoffs: Vec<Handoff>,
    /// Whether a tensor entered an operation with a recorder of its own, or with none.
    entered: bool,
    /// How operations keep what they make.
    keeps: Precision,
}

/// The handoff of a tensor, and the tensor: while a recorder goes on, no other tensor can come to lie in its place.
#[derive(Clone, Debug)]
struct Carried {
    handoff: Handoff,
    _tensor: Rc<dyn Any>,
}

impl<D: Storage<f32>> RecorderOn<D> {
    /// For data in a pass that will be differentiated.
    pub fn for_data() -> Self {
        Self {
            tape: Some(OwnedTape::default()),
            ..Self::off()
        }
    }

    /// For a parameter, which no operation of the pass made: as [`default`](Self::default), which is for any tensor, but
    /// gradients keep their shortest way.
    pub fn for_parameter() -> Self {
        Self {
            entered: false,
            ..Self::default()
        }
    }

    /// For a pass that will not be differentiated.
    pub fn off() -> Self {
        Self {
            tape: None,
            requires_grad: false,
            handoff: None,
            handoffs: Vec::new(),
            entered: false,
            keeps: Precision::F32,
        }
    }

    /// The same, whose operations keep what they make as `precision` has it.
    #[must_use]
    pub fn keeping(self, precision: Precision) -> Self {
        Self {
            keeps: precision,
            ..self
        }
    }

    /// How operations keep what they make.
    pub fn keeps(&self) -> Precision {
        self.keeps
    }

    /// For a tensor that starts a second branch from here: the same switches, an empty tape.
    ///
    /// A feature that two heads read keeps its tape on one of them and enters the other with this.
    #[must_use]
    pub fn branch(&self) -> Self {
        Self {
            tape: self.tape.as_ref().map(|_| OwnedTape::default()),
            requires_grad: self.requires_grad,
            handoff: self.handoff.clone(),
            keeps: self.keeps,
            ..Self::off()
        }
    }

    /// Whether operations are being recorded at all.
    pub fn is_recording(&self) -> bool {
        self.tape.is_some()
    }

    /// Whether the tensor that carries this recorder needs a gradient.
    pub fn requires_grad(&self) -> bool {
        self.tape.is_some() && self.requires_grad
    }

    /// From here on a gradient is needed: an operation with parameters calls this before it records.
    pub fn require_grad(&mut self) {
        self.requires_grad = true;
    }

    /// dfdx's own tape, to go on with or to run the backward pass on; `None` if nothing was recorded.
    pub fn into_tape(mut self) -> Option<OwnedTape<f32, D>> {
        // What is recorded on it from here on is out of sight.
        self.entered = true;
        self.into_finished_tape()
    }

    /// dfdx's own tape, of which nothing but the backward pass will be asked.
    pub(crate) fn into_finished_tape(mut self) -> Option<OwnedTape<f32, D>> {
        self.leave_to_store();
        self.handoffs.iter().for_each(Handoff::open);
        if self.entered {
            self.handoffs.iter().for_each(Handoff::share);
        }
        self.tape
    }

    /// The handoff of the tensor that carries this recorder, if these are its elements.
    pub(crate) fn handoff_of(&self, tensor: &[f32]) -> Option<&Handoff> {
        let handoff = self.handoff.as_ref().map(|carried| &carried.handoff);
        handoff.filter(|handoff| handoff.is_of(tensor))
    }

    /// Where an operation of gblend leaves its contribution to the gradient of the tensor that carries this recorder.
    /// `None` if that is the store.
    pub(crate) fn take_handoff(&mut self, tensor: &[f32]) -> Option<Handoff> {
        let handoff = self.handoff_of(tensor).cloned();
        if handoff.is_none() {
            // Another tensor, or this one after somebody wrote into it.
            self.leave_to_store();
        }
        self.handoff = None;
        handoff
    }

    /// Records an operation of gblend, which looks for the gradient of `output` in `handoff` first.
    pub(crate) fn record<S: Shape, F>(&mut self, handoff: Handoff, output: &Tensor<S, f32, D>, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<f32, D>) -> Result<(), D::Err>,
    {
        self.add_backward_op(operation);
        self.handoffs.push(handoff.clone());
        self.handoff = Some(Carried {
            handoff,
            _tensor: Rc::new(output.clone()),
        });
    }

    /// An operation of dfdx is about to contribute to the gradient of the tensor that carries this recorder.
    fn leave_to_store(&mut self) {
        if let Some(carried) = self.handoff.take() {
            carried.handoff.share();
        }
    }
}

/// Runs operations of dfdx that read nothing of the pass but `tensor`: what they enter with recorders of their own they
/// have made themselves.
pub(crate) fn enclosed<S: Shape, T: Shape, D: Storage<f32>, E>(
    tensor: Tensor<S, f32, D, RecorderOn<D>>,
    operations: impl FnOnce(Tensor<S, f32, D, RecorderOn<D>>) -> Result<Tensor<T, f32, D, RecorderOn<D>>, E>,
) -> Result<Tensor<T, f32, D, RecorderOn<D>>, E> {
    let (tensor, mut recorder) = tensor.split_tape();
    let entered = recorder.entered;
    recorder.leave_to_store();
    let (output, recorder) = operations(tensor.put_tape(recorder))?.split_tape();
    Ok(output.put_tape(RecorderOn { entered, ..recorder }))
}

impl<D: Storage<f32>> Default for RecorderOn<D> {
    /// For a parameter, or any tensor: records, and requires a gradient.
    fn default() -> Self {
        Self {
            tape: Some(OwnedTape::default()),
            requires_grad: true,
            entered: true,
            ..Self::off()
        }
    }
}

impl<D: Storage<f32>> Merge<NoneTape> for RecorderOn<D> {
    /// A tensor without a tape may be a parameter, so its gradient is wanted.
    fn merge(mut self, _: NoneTape) -> Self {
        self.requires_grad = true;
        self.entered = true;
        self.leave_to_store();
        self
    }
}

impl<D: Storage<f32>> Merge<Self> for RecorderOn<D> {
    /// Records only if both sides do: an evaluated input switches its parameters' recorders off.
    fn merge(mut self, mut other: Self) -> Self {
        self.leave_to_store();
        other.leave_to_store();
        self.handoffs.append(&mut other.handoffs);
        let tape = match (self.tape, other.tape) {
            (Some(left), Some(right)) => Some(left.merge(right)),
            _ => None,
        };
        Self {
            tape,
            requires_grad: self.requires_grad || other.requires_grad,
            handoff: None,
            handoffs: self.handoffs,
            entered: self.entered || other.entered,
            // That of a parameter says nothing.
            keeps: if self.keeps.is_exact() {
                other.keeps
            } else {
                self.keeps
            },
        }
    }
}

impl<D: Storage<f32>> Tape<f32, D> for RecorderOn<D> {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<f32, D>) -> Result<(), D::Err>,
    {
        self.leave_to_store();
        if !self.requires_grad {
            return;
        }
        if let Some(tape) = &mut self.tape {
            tape.add_backward_op(operation);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dfdx::prelude::*;

    type Vector<T = NoneTape> = Tensor<(usize,), f32, Cpu, T>;

    fn vector(values: &[f32]) -> Vector {
        Cpu::default().tensor_from_vec(values.to_vec(), (values.len(),))
    }

    fn gradient(loss: Tensor<Rank0, f32, Cpu, RecorderOn<Cpu>>) -> Gradients<f32, Cpu> {
        let (loss, recorder) = loss.split_tape();
        loss.put_tape(recorder.into_finished_tape().unwrap()).backward()
    }

    #[test]
    fn a_parameter_that_multiplies_data_gets_the_data_as_its_gradient() {
        let (data, weight) = (vector(&[1.0, 2.0, 3.0]), vector(&[4.0, 5.0, 6.0]));
        let product = data.put_tape(RecorderOn::for_data()) * weight.clone();
        assert_eq!(gradient(product.sum()).get(&weight).as_vec(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn operations_on_data_alone_are_not_recorded() {
        let data = vector(&[1.0, 2.0]).put_tape(RecorderOn::<Cpu>::for_data());
        let (_, recorder) = data.square().exp().split_tape();
        assert!(recorder.is_recording());
        assert!(!recorder.requires_grad());
        assert_eq!(
            format!("{:?}", recorder.into_tape().unwrap())
                .matches("num_operations: 0")
                .count(),
            1
        );
    }

    #[test]
    fn a_switched_off_input_switches_its_parameters_off() {
        let (data, weight) = (vector(&[1.0, 2.0]), vector(&[3.0, 4.0]));
        let product = data.put_tape(RecorderOn::<Cpu>::off()) * weight.retaped::<RecorderOn<Cpu>>();
        let (_, recorder) = product.split_tape();
        assert!(!recorder.is_recording());
        assert!(recorder.into_tape().is_none());
    }

    #[test]
    fn two_branches_of_one_feature_add_their_gradients() {
        let weight = vector(&[2.0]);
        let feature = vector(&[3.0]).put_tape(RecorderOn::for_data()) * weight.clone();
        let (feature, recorder) = feature.split_tape();
        let own_head = feature.clone().put_tape(recorder.branch()) * 5.0;
        let joint_head = feature.put_tape(recorder) * 7.0;
        let gradients = gradient((own_head + joint_head).sum());
        assert_eq!(gradients.get(&weight).as_vec(), [36.0]);
    }
}
