//! A trained model with the data that it was trained on.

use super::evaluated::evaluate_together;
use super::session::Session;
use crate::data::Evaluable;
use crate::error::Result;
use crate::evaluation::{Ensemble, Evaluation, score_subsets};
use crate::network::{ActiveHeads, Multimodal};
use crate::records::{FittedPool, SubsetScore};

/// A trained model with the data that it was trained on.
pub struct TrainedModel<'a> {
    /// The data.
    pub session: Session<'a>,
    /// The model.
    pub model: Multimodal,
    /// The weights of the heads' losses; a head of weight 0 was not trained.
    pub weights: Vec<f64>,
    /// The pool of the heads, if one was fitted.
    pub pool: Option<FittedPool>,
    /// Whether it was trained on validation samples, too.
    pub refitted: bool,
}

impl TrainedModel<'_> {
    /// What predicts.
    pub fn ensemble(&self) -> Ensemble<'_> {
        Ensemble {
            criteria: self.model.criteria(),
            weights: &self.weights,
            pool: self.pool.as_ref(),
        }
    }

    /// Whether the joint head was trained.
    pub fn has_joint_head(&self) -> bool {
        self.weights.last().is_some_and(|&weight| weight > 0.0)
    }

    /// The names of the modalities.
    pub fn modalities(&self) -> &[String] {
        let heads = &self.session.heads;
        &heads.names()[..heads.joint()]
    }

    /// Every head on some samples.
    ///
    /// # Errors
    /// The first sample that cannot be loaded, or a failure of the device.
    pub fn evaluate(&mut self, samples: &dyn Evaluable) -> Result<Evaluation> {
        let active = ActiveHeads::all(self.session.heads.len());
        evaluate_together(&self.session, &mut self.model, samples, &active)
    }

    /// The joint head with every subset of the modalities.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn score_subsets(&mut self, samples: &dyn Evaluable) -> Result<Vec<SubsetScore>> {
        let names = &self.session.heads.names()[..self.session.heads.joint()];
        let loader = self
            .session
            .loader_for(&mut self.model, vec![true; names.len()])?;
        let (batch_size, device) = (self.session.batch_size(), &self.session.device);
        score_subsets(&mut self.model, &loader, samples, batch_size, device, names)
    }
}
