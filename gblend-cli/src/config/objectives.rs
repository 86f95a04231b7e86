//! Which objective each head has.

use gblend_core::label_objective::default_objective;
use gblend_core::{LabelKind, Objective, Result};

use super::Config;

/// The objective of every head: the one that its modality names, else that of the joint head, which follows from the
/// labels where the configuration names none.
#[derive(Debug)]
pub struct Objectives<'a> {
    config: &'a Config,
    joint: JointObjective<'a>,
}

#[derive(Debug)]
enum JointObjective<'a> {
    Named(&'a dyn Objective),
    Implied(Box<dyn Objective>),
}

impl<'a> Objectives<'a> {
    /// Those of a configuration, for a dataset with such labels.
    ///
    /// # Errors
    /// [`Error::UnknownKind`](gblend_core::Error::UnknownKind) if the binary was linked without the one that follows from
    /// the labels.
    pub fn of(config: &'a Config, labels: LabelKind) -> Result<Self> {
        let joint = match config.objective.as_deref() {
            Some(named) => JointObjective::Named(named),
            None => JointObjective::Implied(default_objective(labels)?),
        };
        Ok(Self { config, joint })
    }

    /// That of a head, the joint one last.
    pub fn of_head(&self, head: usize) -> &dyn Objective {
        self.own(head).unwrap_or_else(|| self.joint())
    }

    /// That which a modality names for its own head.
    pub fn own(&self, head: usize) -> Option<&dyn Objective> {
        self.config.modalities.get(head)?.objective.as_deref()
    }

    /// That of the joint head.
    pub fn joint(&self) -> &dyn Objective {
        match &self.joint {
            JointObjective::Named(named) => *named,
            JointObjective::Implied(implied) => implied.as_ref(),
        }
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.config.modalities.len() + 1
    }
}
