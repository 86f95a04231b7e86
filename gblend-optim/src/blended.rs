//! Any optimizer, with the blend weights applied.

use dfdx::tensor::{Merge, PutTape, SplitTape};
use gblend_core::nn::backward;
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{Array, BlendWeights, Error, Optimizer, OptimizerState, ParamMut, Result};

use crate::schedule::{RunLength, Schedule};

/// What a [`BlendedOptimizer`] does besides following the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlendedSettings {
    /// The learning rate's course.
    pub schedule: Schedule,
    /// The largest norm of the whole gradient; longer ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// The length of the run, which some schedules need.
    pub run: RunLength,
}

/// Takes the K+1 losses of a step and moves the parameters against the gradient of their blend,
/// `Σ w_k L_k` (Wang et al., CVPR 2020, equation 4), in one backward pass.
#[derive(Debug)]
pub struct BlendedOptimizer {
    state: Box<dyn OptimizerState>,
    learning_rate: f64,
    settings: BlendedSettings,
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
        if let Some(limit) = settings.clip_norm
            && !(limit.is_finite() && limit > 0.0)
        {
            return Err(Error::setting("optimizer.clip_norm", limit, "a number above 0"));
        }
        Ok(Self {
            state: optimizer.start()?,
            learning_rate: optimizer.learning_rate(),
            settings,
        })
    }

    /// The number of steps taken.
    pub fn steps(&self) -> u64 {
        self.state.steps()
    }

    /// The wrapped optimizer's state, for a checkpoint.
    pub fn state(&mut self) -> &mut dyn OptimizerState {
        self.state.as_mut()
    }

    /// Takes one step. `losses` has one entry per head; those of weight 0 add nothing and may be
    /// absent. `trained` must show the parameters that the weighted losses reach, and only those: any
    /// other would be moved by momentum and weight decay alone.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one entry per weight, or a weighted loss is absent;
    /// [`Error::NonFinite`] if the gradient's norm is measured and is not finite; [`Error::Device`].
    pub fn step(
        &mut self,
        trained: &mut dyn Module,
        losses: Vec<Option<Loss>>,
        weights: &BlendWeights,
    ) -> Result<StepReport> {
        let mut gradients = backward(blend(losses, weights)?)?;
        let gradient_norm = match self.settings.clip_norm {
            Some(limit) => Some(clip(trained, &mut gradients, limit)?),
            None => None,
        };
        let without_gradient = if self.state.steps() == 0 {
            without_gradient(trained, &mut gradients)?
        } else {
            Vec::new()
        };
        let share = self
            .settings
            .schedule
            .share(self.state.steps(), self.settings.run);
        let learning_rate = self.learning_rate * share;
        self.state.begin_step(learning_rate);
        let mut follow = Follow {
            state: self.state.as_mut(),
            gradients: &mut gradients,
        };
        trained.visit_params(&ParamPath::root(), &mut follow)?;
        Ok(StepReport {
            learning_rate,
            gradient_norm,
            without_gradient,
        })
    }
}

/// `Σ w_k L_k` over the heads with a weight.
fn blend(losses: Vec<Option<Loss>>, weights: &BlendWeights) -> Result<Loss> {
    if losses.len() != weights.len() {
        let expected = format!("one for each of the {} blend weights", weights.len());
        return Err(Error::shape("losses", expected, [losses.len()]));
    }
    let mut sum: Option<Loss> = None;
    let mut unweighted = Vec::new();
    for (head, (loss, &weight)) in losses.into_iter().zip(weights.as_slice()).enumerate() {
        if weight == 0.0 {
            unweighted.extend(loss.map(|loss| loss.split_tape().1));
            continue;
        }
        let loss = loss.ok_or_else(|| {
            Error::shape(
                "losses",
                format!("one for head {head}, whose weight is {weight}"),
                [0],
            )
        })?;
        let term = loss * weight as f32;
        sum = Some(match sum {
            None => term,
            Some(sum) => sum + term,
        });
    }
    // A feature's history stands on one of the branches that read it, which may be one without a weight.
    let sum = sum.map(|sum| {
        let (sum, recorder) = sum.split_tape();
        sum.put_tape(unweighted.into_iter().fold(recorder, Merge::merge))
    });
    // Weights add up to 1, so one of them is above 0.
    sum.ok_or_else(|| Error::shape("losses", "at least one with a weight", [0]))
}

struct Follow<'a> {
    state: &'a mut dyn OptimizerState,
    gradients: &'a mut Gradients,
}

impl ParamVisitor for Follow<'_> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.state.update(path, param, self.gradients)
    }
}

/// Runs a closure on the host copy of every gradient; what it returns, if anything, takes its place.
struct EachGradient<'a, F> {
    gradients: &'a mut Gradients,
    visit: F,
}

impl<F: FnMut(&ParamPath, Array) -> Option<Array>> ParamVisitor for EachGradient<'_, F> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let gradient = param.gradient(self.gradients)?;
        match (self.visit)(path, gradient) {
            Some(changed) => param.set_gradient(self.gradients, &changed),
            None => Ok(()),
        }
    }
}

fn each_gradient(
    trained: &mut dyn Module,
    gradients: &mut Gradients,
    visit: impl FnMut(&ParamPath, Array) -> Option<Array>,
) -> Result<()> {
    trained.visit_params(&ParamPath::root(), &mut EachGradient { gradients, visit })
}

/// Scales the whole gradient down to `limit` if its norm is larger, and tells the norm it had.
fn clip(trained: &mut dyn Module, gradients: &mut Gradients, limit: f64) -> Result<f64> {
    let mut squares = 0.0;
    each_gradient(trained, gradients, |_, gradient| {
        squares += gradient
            .values()
            .iter()
            .map(|&g| f64::from(g) * f64::from(g))
            .sum::<f64>();
        None
    })?;
    let norm = squares.sqrt();
    if !norm.is_finite() {
        return Err(Error::NonFinite {
            location: "the norm of the gradient".into(),
            value: norm,
        });
    }
    if norm > limit {
        let scale = (limit / norm) as f32;
        each_gradient(trained, gradients, |_, mut gradient| {
            gradient.values_mut().iter_mut().for_each(|value| *value *= scale);
            Some(gradient)
        })?;
    }
    Ok(norm)
}

fn without_gradient(trained: &mut dyn Module, gradients: &mut Gradients) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    each_gradient(trained, gradients, |path, gradient| {
        if gradient.values().iter().all(|&value| value == 0.0) {
            paths.push(path.to_string());
        }
        None
    })?;
    Ok(paths)
}
