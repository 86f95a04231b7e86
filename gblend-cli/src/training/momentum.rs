//! What follows a network slowly, and the keys that it made.
//!
//! It is no part of the network, which is trained, evaluated and stored without it: a training begins with copies of its own, and a
//! checkpoint has them.

use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::update::follow;
use gblend_core::{Array, Error, KeyQueue, KeyRing, Keys, ParamMut, Pass, Result, Sameness, Targets};
use gblend_optim::network::Network;

use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::run_folder::checkpoint::OF_KEYS;

/// Copies of encoders and joint head that follow those of a network, and the keys of earlier batches.
pub struct Momentum {
    copy: Multimodal,
    /// The joint head alone, with all encoders.
    active: ActiveHeads,
    momentum: f64,
    ring: KeyRing,
    sameness: Sameness,
}

impl Momentum {
    /// With copies that begin as they are in `copy`, and an empty queue; `sameness` is what makes keys the same.
    ///
    /// # Errors
    /// [`Error::Setting`] if nothing in the network makes keys.
    pub fn new(copy: Multimodal, queue: &KeyQueue, sameness: Sameness) -> Result<Self> {
        let Some(width) = copy.own_joint_width() else {
            let expected = "none: the objective has no joint head of its own that could make keys";
            return Err(Error::setting("objective.queue", "{}", expected));
        };
        Ok(Self {
            active: ActiveHeads::only(copy.heads(), copy.heads() - 1),
            copy,
            momentum: queue.momentum,
            ring: KeyRing::new(queue.size, width),
            sameness,
        })
    }

    /// Freezes what is frozen in an epoch, as in the network that is followed.
    ///
    /// # Errors
    /// As [`Multimodal::begin_epoch`].
    pub fn begin_epoch(&mut self, epoch: usize) -> Result<()> {
        self.copy.begin_epoch(epoch)
    }

    /// The keys `[samples, width]` of the samples of a pass, made as the pass makes its queries: with the statistics of the batch,
    /// and dropping the same.
    ///
    /// # Errors
    /// As [`Multimodal::forward`].
    pub fn keys(&mut self, inputs: &Inputs, pass: &Pass) -> Result<Option<Array>> {
        let mut heads = self.copy.forward(inputs, pass, &self.active)?;
        heads.pop().flatten().map(|keys| keys.to_array()).transpose()
    }

    /// Those of a batch beside those of earlier ones.
    pub fn beside(&self, batch: Array) -> Keys {
        self.ring.beside(batch)
    }

    /// What follows, whose running statistics ranks share.
    pub fn network(&mut self) -> &mut Multimodal {
        &mut self.copy
    }

    /// Follows the network, which took a step, and keeps the keys of the step's batch.
    ///
    /// # Errors
    /// [`Error::Data`] if nobody knows which samples those are.
    pub fn step(&mut self, model: &mut Multimodal, keys: &Keys, targets: &Targets) -> Result<()> {
        let mut leads = Values::default();
        visit_trained(model, &self.active, &mut leads)?;
        leads.values.reverse();
        let mut follower = Follower {
            leads,
            momentum: self.momentum,
        };
        visit_trained(&mut self.copy, &self.active, &mut follower)?;
        let numbers = targets.numbers(&self.sameness).ok_or_else(|| {
            let problem = "no numbers to know their samples again by";
            Error::data("keys of a batch", problem)
        })?;
        self.ring.push(&keys.batch, numbers)
    }
}

/// Shows what is trained of a network.
fn visit_trained(model: &mut Multimodal, active: &ActiveHeads, visitor: &mut dyn ParamVisitor) -> Result<()> {
    model
        .active(active)
        .visit_parts(&mut |_, path, module| module.visit_params(path, visitor))
}

/// Copies of parameters on the host, in their order.
#[derive(Default)]
struct Values {
    values: Vec<Array>,
}

impl ParamVisitor for Values {
    fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.values.push(param.to_array());
        Ok(())
    }
}

/// Moves parameters towards others, of which the last comes first.
struct Follower {
    leads: Values,
    momentum: f64,
}

impl ParamVisitor for Follower {
    fn param(&mut self, path: &ParamPath, mut param: ParamMut<'_>) -> Result<()> {
        let lead = self.leads.values.pop().ok_or_else(|| Error::Parameter {
            path: path.to_string(),
            problem: "the network that is followed has no such parameter".into(),
        })?;
        follow(&mut param, &lead, self.momentum)
    }
}

impl Module for Momentum {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let path = path.join(OF_KEYS);
        self.copy
            .changing_of(&self.active)
            .visit_params(&path, &mut AsBuffers(visitor))?;
        self.ring.visit_params(&path.join("queue"), visitor)
    }
}

/// Shows parameters as buffers: no optimizer keeps moments of what it does not move.
struct AsBuffers<'a>(&'a mut dyn ParamVisitor);

impl ParamVisitor for AsBuffers<'_> {
    fn param(&mut self, path: &ParamPath, mut param: ParamMut<'_>) -> Result<()> {
        let before = param.to_array();
        let mut array = before.clone();
        self.0.buffer(path, &mut array)?;
        match array == before {
            true => Ok(()),
            false => param.set(&array),
        }
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        self.0.buffer(path, buffer)
    }
}
