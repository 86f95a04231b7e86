//! Normalization of rows of features: vectors, or the steps of sequences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch_norm::RunningStatistics;
use super::init::extents;
use super::layer_norm::LayerNorm;
use crate::batch_parts;
use crate::device::Chosen;
use crate::engine::{SequenceEngine, Steps};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::tensor::{AutoDevice, Dims1, Features, Plain, Taped};

/// How rows of features are normalized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RowNormalization")]
pub enum Normalization {
    /// Not at all.
    None,
    /// Each feature over the rows, by the batch in training and by running statistics otherwise.
    #[default]
    Batch,
    /// Each row over its features.
    Layer,
}

/// Normalization of each feature over the rows of a batch (Ioffe and Szegedy, ICML 2015): as
/// [`BatchNorm`](super::BatchNorm), of vectors. Padding is no row, and enters no statistic.
#[derive(Clone, Debug)]
pub struct RowBatchNorm {
    gamma: Plain<Dims1>,
    beta: Plain<Dims1>,
    running: RunningStatistics,
}

impl RowBatchNorm {
    /// Normalization of `features` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature, [`Error::Device`].
    pub fn new(device: &AutoDevice, features: usize) -> Result<Self> {
        let [features] = extents("batch normalization", [("features", features)])?;
        Ok(Self {
            gamma: Plain::filled(device, (features,), 1.0)?,
            beta: Plain::filled(device, (features,), 0.0)?,
            running: RunningStatistics::new(features),
        })
    }

    /// Normalizes `[rows, features]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other features, [`Error::Device`].
    pub fn forward(&mut self, input: Features, pass: &Pass) -> Result<Features> {
        let &(rows, features) = input.shape();
        if features != self.gamma.shape().0 {
            let expected = format!("[rows, {}]", self.gamma.shape().0);
            return Err(Error::shape("batch normalization", expected, [rows, features]));
        }
        let operands = [input.operand(), self.gamma.operand(), self.beta.operand()];
        let options = self.running.options(pass, false);
        let (output, moments) =
            Chosen::batch_norm_rows(input.into_engine(), &self.gamma.0, &self.beta.0, options)?;
        if pass.is_training() {
            self.running.update(&moments, rows)?;
        }
        let norm = || self.running.column_norm(pass, false);
        Ok(Taped::from(output).traced(&operands, || Operation::FeatureNorm(norm())))
    }
}

impl Module for RowBatchNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())?;
        self.running.visit(path, visitor)
    }
}

/// One of the ways of [`Normalization`].
#[derive(Clone, Debug)]
pub enum RowNorm {
    /// Nothing.
    None,
    /// Over rows.
    Batch(RowBatchNorm),
    /// Over features.
    Layer(LayerNorm),
}

impl RowNorm {
    /// Normalization of `features` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature, [`Error::Device`].
    pub fn new(device: &AutoDevice, normalization: Normalization, features: usize) -> Result<Self> {
        Ok(match normalization {
            Normalization::None => Self::None,
            Normalization::Batch => Self::Batch(RowBatchNorm::new(device, features)?),
            Normalization::Layer => Self::Layer(LayerNorm::new(device, features)?),
        })
    }

    /// Normalizes `[rows, features]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other features, [`Error::Device`].
    pub fn forward(&mut self, input: Features, pass: &Pass) -> Result<Features> {
        match self {
            Self::None => Ok(input),
            Self::Batch(norm) => norm.forward(input, pass),
            Self::Layer(norm) => norm.forward(input),
        }
    }

    /// Normalizes the steps of sequences, `[steps, features]`. A batch without a step stays as it is, and so do running
    /// statistics.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other steps or features, [`Error::Device`].
    pub fn forward_steps(&mut self, input: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        steps.check("normalization of steps", *input.shape(), input.shape().1)?;
        // A part of a batch without a step still meets the sums of the others.
        if steps.is_empty() && !(pass.is_training() && batch_parts::at_hand().is_some()) {
            return Ok(input);
        }
        self.forward(input, pass)
    }
}

impl Module for RowNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Batch(norm) => norm.visit_params(path, visitor),
            Self::Layer(norm) => norm.visit_params(path, visitor),
        }
    }
}
