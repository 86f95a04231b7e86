//! Any optimizer, with the blend weights applied.
//!
//! Where the weights are applied decides what they mean. In the losses, as the paper has them, the gradient is
//! that of `Σ w_k L_k`. An optimizer whose update does not depend on the scale of the gradient, such as Adam,
//! takes most of that back: a modality's head has one loss and does not notice its weight at all, and its encoder
//! has two, so that their ratio is all that is left.
//!
//! [`Apply::Updates`] puts the scale back. With `s` the sum of the weights of the losses that reach a part
//! ([`Part::share`](crate::Part::share)), the part's gradient is `g = s · (g / s)`, where `g / s` is a weighted mean of the losses'
//! gradients, of the size that the optimizer would meet without blending. The optimizer `U` gets the mean, and
//! the part moves by `s · U(g / s)`. For plain gradient descent, with momentum or without, `U` is linear and this is
//! `U(g)`, what weighted losses give; for Adam, `U(g / s) = U(g)` and the step is `s` times as long. So the weights
//! mean the same under both. Weight decay acts on parameters and not on losses, and is not scaled.

mod gradients;

use gblend_core::gradients::SquareSum;
use gblend_core::tensor::Gradients;
use gblend_core::{Blend, Error, Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::{Network, each_param};
use crate::range::positive;
use crate::scale::{LossWeights, Scale};
use crate::schedule::{RunLength, Schedule};

pub use gradients::{AddUp, StepLosses, each_gradient, gradients, gradients_of_parts};

/// What the blend weights are applied to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Apply {
    /// The losses, as in the paper.
    Losses,
    /// The updates of the parts that the losses reach, so that weights mean the same under any optimizer.
    #[default]
    Updates,
}

/// What a [`BlendedOptimizer`] does besides following the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlendedSettings {
    /// The learning rate's course.
    pub schedule: Schedule,
    /// The largest norm of the whole gradient; longer ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// What the weights are applied to.
    pub apply: Apply,
    /// What the blend's shares are multiplied by to become weights.
    pub scale: Scale,
    /// The length of the run, which some schedules need.
    pub run: RunLength,
    /// Where in the schedule the first step is: a probe starts where the live run stands.
    pub first_step: u64,
}

/// Takes the K+1 losses of a step and moves the parameters against the gradient of their blend,
/// `Σ w_k L_k` (Wang et al., CVPR 2020, section 3.2).
#[derive(Debug)]
pub struct BlendedOptimizer {
    state: Box<dyn OptimizerState>,
    learning_rate: f64,
    settings: BlendedSettings,
    rate_scales: Vec<(String, f64)>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The learning rate that the step took.
    pub learning_rate: f64,
    /// The norm of the whole gradient before clipping; measured only if there is a limit.
    pub gradient_norm: Option<f64>,
    /// In the first step: parameters whose gradient was exactly zero. They are not connected to any loss,
    /// or behind something that never lets a gradient through.
    pub without_gradient: Vec<String>,
}

impl BlendedOptimizer {
    /// Wraps an optimizer.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting of the optimizer or the schedule is out of its range.
    pub fn new(optimizer: &dyn Optimizer, settings: BlendedSettings) -> Result<Self> {
        settings.schedule.check()?;
        if let Some(limit) = settings.clip_norm {
            positive("clip_norm", limit)?;
        }
        Ok(Self {
            state: optimizer.start()?,
            learning_rate: optimizer.learning_rate(),
            settings,
            rate_scales: Vec::new(),
        })
    }

    /// The same with multiples of the learning rate, by what the paths of the parameters begin with that they are for: the
    /// first that fits counts, and a parameter that none fits has the rate itself. Weight decay that goes by the learning rate
    /// goes by the multiple.
    #[must_use]
    pub fn with_rate_scales(self, rate_scales: Vec<(String, f64)>) -> Self {
        Self { rate_scales, ..self }
    }

    /// The number of steps taken.
    pub fn steps(&self) -> u64 {
        self.state.steps()
    }

    /// Where in the schedule the next step is.
    pub fn schedule_step(&self) -> u64 {
        self.settings.first_step + self.state.steps()
    }

    /// Changes the length of the run, where samples are added to it.
    pub fn set_run(&mut self, run: RunLength) {
        self.settings.run = run;
    }

    /// The wrapped optimizer's state, for a checkpoint.
    pub fn state(&mut self) -> &mut dyn OptimizerState {
        self.state.as_mut()
    }

    /// Takes one step with the weights of `blend`, which sees the gradients first if it wants to: [`gradients()`], and
    /// [`apply`](Self::apply) right after it.
    ///
    /// `network` must show the parts that the losses reach, and only those: any other would be moved by
    /// momentum and weight decay alone. Parts whose losses all have weight 0 in this step stay where they are.
    ///
    /// # Errors
    /// Those of the two.
    pub fn step(
        &mut self,
        network: &mut dyn Network,
        losses: StepLosses,
        blend: &mut dyn Blend,
    ) -> Result<StepReport> {
        self.step_of_parts(network, losses, blend, &mut |_, _| Ok(()))
    }

    /// As [`step`](Self::step), where the losses are those of a part of the batch: [`gradients_of_parts`], and
    /// [`apply`](Self::apply) right after it.
    ///
    /// # Errors
    /// Those of the two.
    pub fn step_of_parts(
        &mut self,
        network: &mut dyn Network,
        losses: StepLosses,
        blend: &mut dyn Blend,
        add_up: &mut AddUp<'_>,
    ) -> Result<StepReport> {
        let scale = self.settings.scale;
        let gradients = gradients_of_parts(network, losses, blend, scale, add_up)?;
        self.apply(network, gradients, &LossWeights::of(blend, scale))
    }

    /// The second half of a step: clips the gradient, and moves every parameter against it.
    ///
    /// `weights` are those that the gradients were blended with; `network` is as for [`step`](Self::step).
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the gradient's norm is measured and is not finite, before any parameter moves;
    /// [`Error::Device`].
    pub fn apply(
        &mut self,
        network: &mut dyn Network,
        mut gradients: Gradients,
        weights: &LossWeights,
    ) -> Result<StepReport> {
        let gradient_norm = match self.settings.clip_norm {
            Some(limit) => Some(clip(network, &mut gradients, limit)?),
            None => None,
        };
        let without_gradient = if self.state.steps() == 0 {
            without_gradient(network, &mut gradients)?
        } else {
            Vec::new()
        };
        let share = self
            .settings
            .schedule
            .share(self.schedule_step(), self.settings.run);
        let learning_rate = self.learning_rate * share;
        self.state.begin_step(learning_rate);
        let (state, apply) = (&mut self.state, self.settings.apply);
        let (rate_scales, mut rate) = (&self.rate_scales, learning_rate);
        each_param(network, |part, path, param| {
            let share = part.share(weights);
            if share == 0.0 {
                return Ok(());
            }
            let scale = rate_scales
                .iter()
                .find(|(prefix, _)| path.as_str().starts_with(prefix));
            let scaled = learning_rate * scale.map_or(1.0, |&(_, scale)| scale);
            if scaled != rate {
                state.set_learning_rate(scaled)?;
                rate = scaled;
            }
            match apply {
                Apply::Losses => state.update(path, param, &mut gradients, 1.0),
                Apply::Updates => {
                    // At 1, as for a single head, both ways are the same to the bit.
                    if share != 1.0 {
                        param.scale_gradient(&mut gradients, 1.0 / share)?;
                    }
                    state.update(path, param, &mut gradients, share)
                }
            }
        })?;
        Ok(StepReport {
            learning_rate,
            gradient_norm,
            without_gradient,
        })
    }
}

/// Scales the whole gradient down to `limit` if its norm is larger, and tells the norm it had.
fn clip(network: &mut dyn Network, gradients: &mut Gradients, limit: f64) -> Result<f64> {
    let mut squares = SquareSum::default();
    each_param(network, |_, _, param| squares.add(&param, gradients))?;
    let norm = squares.value().sqrt();
    if !norm.is_finite() {
        return Err(Error::NonFinite {
            location: "the norm of the gradient".into(),
            value: norm,
        });
    }
    if norm > limit {
        each_param(network, |_, _, param| {
            param.scale_gradient(gradients, limit / norm)
        })?;
    }
    Ok(norm)
}

/// The parameters whose gradient is zeros.
fn without_gradient(network: &mut dyn Network, gradients: &mut Gradients) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    each_gradient(network, gradients, |_, path, mut gradient| {
        gradient.read(|values| {
            if values.iter().all(|&value| value == 0.0) {
                paths.push(path.to_string());
            }
        })
    })?;
    Ok(paths)
}
