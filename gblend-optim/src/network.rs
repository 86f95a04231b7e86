//! The parts of a network with a head per modality and a joint one, told apart by the losses that reach them.

use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::{JointReach, ParamMut, Result};

use crate::scale::LossWeights;

/// A part of the network. Modalities are counted in the order of their heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A modality's encoder, or what of it the fusion reads: its own head's loss and the joint loss reach it, unless that one
    /// is stopped ([`JointReach::JointHead`]).
    Encoder(usize),
    /// A modality's head, and what of its encoder the fusion does not read: its own loss alone.
    Head(usize),
    /// The fusion and the joint head: the joint loss alone.
    Joint,
}

impl Part {
    /// The sum of the weights of the losses that reach it.
    pub fn share(self, weights: &LossWeights) -> f64 {
        let joint_reach = weights.joint_reach();
        let weights = weights.as_slice();
        let own = |modality: usize| weights.get(modality).copied().unwrap_or(0.0);
        let joint = weights.last().copied().unwrap_or(0.0);
        match self {
            Self::Encoder(modality) => match joint_reach {
                JointReach::Encoders => own(modality) + joint,
                JointReach::JointHead => own(modality),
            },
            Self::Head(modality) => own(modality),
            Self::Joint => joint,
        }
    }
}

/// A network that says which part each of its parameters belongs to.
pub trait Network {
    /// Shows every part to `visit`, always in the same order, with its path.
    ///
    /// # Errors
    /// The visitor's.
    fn visit_parts(
        &mut self,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()>;
}

/// Calls `each` for every parameter with its part.
///
/// # Errors
/// Those of `each`.
pub(crate) fn each_param(
    network: &mut dyn Network,
    mut each: impl FnMut(Part, &ParamPath, ParamMut<'_>) -> Result<()>,
) -> Result<()> {
    struct Each<'a>(
        Part,
        &'a mut dyn FnMut(Part, &ParamPath, ParamMut<'_>) -> Result<()>,
    );
    impl ParamVisitor for Each<'_> {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            (self.1)(self.0, path, param)
        }
    }
    network.visit_parts(&mut |part, path, module| module.visit_params(path, &mut Each(part, &mut each)))
}
