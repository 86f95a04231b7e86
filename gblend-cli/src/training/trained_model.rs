//! A trained model with the data that it was trained on.

use gblend_core::params::{load_state, state_of};

use super::evaluated::evaluate_together;
use super::feature_space::{LookedAt, SpaceModels};
use super::session::Session;
use crate::data::Evaluable;
use crate::error::{Error, Result};
use crate::evaluation::{Ensemble, Evaluation, score_subsets};
use crate::network::{ActiveHeads, Multimodal};
use crate::records::{FittedPool, SubsetScore};
use crate::run_folder::TrainedRun;

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

impl<'a> TrainedModel<'a> {
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

    /// The features of samples, beside those that training began with and, of each modality whose head was trained in one of the
    /// runs `alone`, those of that. `labels` are names of further labels, or none for all.
    ///
    /// # Errors
    /// As [`LookedAt::compute`]; [`Error::Run`] if a run has no encoder that fits.
    pub fn look_at(
        &mut self,
        samples: &dyn Evaluable,
        labels: &[String],
        alone: &[TrainedRun],
    ) -> Result<LookedAt<'_, 'a>> {
        let mut initial = self.session.initial_model()?;
        let names = self.modalities().to_vec();
        let mut others: Vec<Option<Multimodal>> = Vec::new();
        for name in &names {
            let trained = alone.iter().find(|run| {
                let heads = &run.summary.heads;
                heads.iter().any(|head| head.name == *name && head.weight > 0.0)
            });
            others.push(trained.map(|run| self.with_encoder_of(run, name)).transpose()?);
        }
        let mut models = SpaceModels {
            trained: &mut self.model,
            initial: &mut initial,
            alone: others.iter_mut().map(Option::as_mut).collect(),
            joint_is_trained: self.weights.last().is_some_and(|&weight| weight > 0.0),
        };
        LookedAt::compute(&self.session, &mut models, samples.samples(), labels)
    }

    /// A network whose encoder of this modality is that of another run.
    fn with_encoder_of(&self, run: &TrainedRun, name: &str) -> Result<Multimodal> {
        let mut model = self.session.build_model()?;
        let mut state = state_of(&mut model)?;
        let prefix = format!("{name}.encoder.");
        for (path, array) in state.iter_mut().filter(|(path, _)| path.starts_with(&prefix)) {
            match run.state.get(path) {
                Some(found) if found.shape() == array.shape() => array.clone_from(found),
                _ => {
                    return Err(Error::Run {
                        folder: run.path.clone(),
                        problem: format!(
                            "parameter `{path}` of shape {:?} is not there; name a run with the same encoder of `{name}`",
                            array.shape()
                        ),
                    });
                }
            }
        }
        load_state(&mut model, &state)?;
        Ok(model)
    }

    /// The joint head with every subset of the modalities.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn score_subsets(&mut self, samples: &dyn Evaluable) -> Result<Vec<SubsetScore>> {
        let names = &self.session.heads.names()[..self.session.heads.joint()];
        let active = ActiveHeads::only(names.len() + 1, names.len());
        let loader = self.session.loader_for(&mut self.model, &active)?;
        let (batch_size, device) = (self.session.batch_size(), &self.session.device);
        score_subsets(&mut self.model, &loader, samples, batch_size, device, names)
    }
}
