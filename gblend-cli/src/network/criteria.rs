//! What each head is asked.

use std::num::NonZeroUsize;

use gblend_core::params::{Module, ParamPath, ParamVisitor, parameter_count};
use gblend_core::tensor::Loss;
use gblend_core::{
    AutoDevice, Criterion, JOINT, Labels, Logits, ObjectiveContext, Result, Role, Seed, Targets,
};

use super::inputs::Inputs;
use crate::config::{Config, Objectives};
use crate::records::ObjectiveDescription;

/// What objectives are started with, whatever the head.
#[derive(Clone, Copy, Debug)]
pub struct LabelContext<'a> {
    /// The names of the classes.
    pub classes: &'a [String],
    /// The labels of the training split alone.
    pub labels: &'a Labels,
}

/// The criterion of each head, the joint one's last.
pub struct Criteria(Vec<HeadCriterion>);

/// The criterion of one head.
pub struct HeadCriterion {
    kind: &'static str,
    needs_label: bool,
    criterion: Box<dyn Criterion>,
}

impl Criteria {
    /// Starts the objective of every head.
    ///
    /// # Errors
    /// What an objective refuses, with the modality it is about.
    pub fn start(
        config: &Config,
        objectives: &Objectives<'_>,
        of: LabelContext<'_>,
        device: &AutoDevice,
        seed: Seed,
    ) -> Result<Self> {
        let names = config.modalities.iter().map(|modality| modality.name.as_str());
        let heads = names.chain([JOINT]).enumerate().map(|(head, name)| {
            let objective = objectives.of_head(head);
            let started = objective.start(&ObjectiveContext {
                head: name,
                classes: of.classes,
                labels: of.labels,
                device,
                seed: seed.derive(name).derive("objective"),
            });
            let table = match objectives.own(head) {
                Some(_) => format!("modality.{name}.objective"),
                None => Role::Objective.to_string(),
            };
            let criterion = started.map_err(|error| error.of_settings(objective).in_table(&table))?;
            Ok(HeadCriterion {
                kind: objective.typetag_name(),
                needs_label: objective.needs_label(),
                criterion,
            })
        });
        Ok(Self(heads.collect::<Result<_>>()?))
    }

    /// Heads that are all asked the same.
    #[cfg(test)]
    pub(crate) fn alike(heads: usize, criterion: impl Fn() -> Box<dyn Criterion>) -> Self {
        let head = |_| HeadCriterion {
            kind: "alike",
            needs_label: true,
            criterion: criterion(),
        };
        Self((0..heads).map(head).collect())
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.0.len()
    }

    /// That of a head.
    pub fn of(&self, head: usize) -> &HeadCriterion {
        &self.0[head]
    }

    /// That of the joint head.
    pub fn joint(&self) -> &HeadCriterion {
        &self.0[self.0.len() - 1]
    }

    /// That of predictions, from the weights of the heads: the joint head's, or without a trained joint head that of the
    /// first trained one.
    pub fn of_predictions(&self, weights: &[f64]) -> &HeadCriterion {
        let joint = self.0.len() - 1;
        let trained = |head: &usize| weights.get(*head).is_some_and(|&weight| weight > 0.0);
        let lead = Some(joint).filter(trained).or_else(|| (0..joint).find(trained));
        self.of(lead.unwrap_or(joint))
    }

    pub(super) fn of_mut(&mut self, head: usize) -> &mut HeadCriterion {
        &mut self.0[head]
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HeadCriterion> {
        self.0.iter_mut()
    }

    /// How many samples of a batch have a loss, of each head.
    pub fn counted(&self, inputs: &Inputs, targets: &Targets) -> Vec<usize> {
        let heads = self.0.iter().enumerate();
        let counted = heads.map(|(head, criterion)| criterion.counted(&inputs.targets_of(head, targets)));
        counted.collect()
    }

    /// The most samples among which one is measured, if an objective compares samples.
    pub fn block(&self) -> Option<NonZeroUsize> {
        self.0.iter().filter_map(|head| head.criterion.block()).max()
    }

    /// Whether a loss has parameters.
    ///
    /// # Errors
    /// Those of the visit.
    pub fn learn(&mut self) -> Result<bool> {
        let mut learned = 0;
        for head in &mut self.0 {
            learned += parameter_count(head)?;
        }
        Ok(learned > 0)
    }
}

impl HeadCriterion {
    /// The kind of the objective.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether a sample without a label tells the head nothing.
    pub fn needs_label(&self) -> bool {
        self.needs_label
    }

    /// What the head's output means.
    pub fn get(&self) -> &dyn Criterion {
        self.criterion.as_ref()
    }

    /// The objective as records tell it.
    pub fn description(&self) -> ObjectiveDescription {
        ObjectiveDescription {
            kind: self.kind.to_owned(),
            metrics: self.criterion.metric_kinds().to_vec(),
            axes: self.criterion.axes(),
        }
    }

    /// The mean loss on the tape.
    ///
    /// # Errors
    /// As [`Criterion::loss`].
    pub fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        self.criterion.loss(output, targets)
    }

    /// The number of samples that have a loss.
    pub fn counted(&self, targets: &Targets) -> usize {
        match targets.labeled() {
            Some(labeled) if self.needs_label => labeled.len(),
            _ => targets.len(),
        }
    }
}

impl Module for HeadCriterion {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        Criterion::visit_params(self.criterion.as_mut(), path, visitor)
    }
}
