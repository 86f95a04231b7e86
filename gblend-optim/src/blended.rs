//! Any optimizer, with the blend weights applied.
//!
//! Where the weights are applied decides what they mean. In the losses, as the paper has them, the gradient is
//! that of `Σ w_k L_k`. An optimizer whose update does not depend on the scale of the gradient, such as Adam,
//! takes most of that back: a modality's head has one loss and does not notice its weight at all, and its encoder
//! has two, so that their ratio is all that is left.
//!
//! [`Apply::Updates`] puts the scale back. With `s` the sum of the weights of the losses that reach a part
//! ([`Part::share`]), the part's gradient is `g = s · (g / s)`, where `g / s` is a weighted mean of the losses'
//! gradients, of the size that the optimizer would meet without blending. The optimizer `U` gets the mean, and
//! the part moves by `s · U(g / s)`. For plain gradient descent, with momentum or without, `U` is linear and this is
//! `U(g)`, what weighted losses give; for Adam, `U(g / s) = U(g)` and the step is `s` times as long. So the weights
//! mean the same under both. Weight decay acts on parameters and not on losses, and is not scaled.

use dfdx::tensor::{Merge, PutTape, SplitTape};
use gblend_core::nn::backward;
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{
    Array, Blend, BlendWeights, BlendedGradient, ContestedGradient, Error, GradientEvidence, Optimizer,
    OptimizerState, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::{Network, Part, each_param};
use crate::schedule::{RunLength, Schedule};

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
}

/// The losses of a step, one entry per head.
#[derive(Debug)]
pub enum StepLosses {
    /// From one forward pass, to be blended and differentiated in one backward pass. Those of weight 0 add
    /// nothing and may be absent, as may that of a head that sees no sample of the batch.
    Blended(Vec<Option<Loss>>),
    /// From two forward passes over the same batch, for strategies that want gradients per head
    /// ([`GradientEvidence::PerHead`]). The losses of the modalities' heads have no parameter in common, so one
    /// backward pass of their sum gives the gradient of each.
    PerHead {
        /// Those of the modalities' own heads; absent where a head sees no sample of the batch.
        own: Vec<Option<Loss>>,
        /// The joint one.
        joint: Loss,
    },
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

    /// Takes one step with the weights of `blend`, which sees the gradients first if it wants to.
    ///
    /// `network` must show the parts that the losses reach, and only those: any other would be moved by
    /// momentum and weight decay alone. Parts whose losses all have weight 0 in this step stay where they are.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one loss per weight, or all that have a weight are absent;
    /// [`Error::NonFinite`] if the gradient's norm is measured and is not finite; [`Error::Device`]; what the
    /// strategy says of the gradients.
    pub fn step(
        &mut self,
        network: &mut dyn Network,
        losses: StepLosses,
        blend: &mut dyn Blend,
    ) -> Result<StepReport> {
        let mut gradients = match losses {
            StepLosses::Blended(losses) => {
                let mut gradients = backward(sum(losses, blend.weights())?)?;
                if blend.evidence().gradients == GradientEvidence::Blended {
                    modulate(network, &mut gradients, blend)?;
                }
                gradients
            }
            StepLosses::PerHead { own, joint } => {
                if own.len() + 1 != blend.weights().len() {
                    let expected = format!("one for each of the {} blend weights", blend.weights().len());
                    return Err(Error::shape("losses", expected, [own.len() + 1]));
                }
                let own = own.into_iter().flatten().reduce(|sum, loss| sum + loss);
                let own = own.ok_or_else(|| Error::shape("losses", "at least one modality's", [0]))?;
                combine(network, backward(own)?, backward(joint)?, blend)?
            }
        };
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
        let (state, apply, weights) = (&mut self.state, self.settings.apply, blend.weights());
        each_param(network, |part, path, param| {
            let share = part.share(weights);
            if share == 0.0 {
                return Ok(());
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

/// `Σ w_k L_k` over the heads with a weight.
fn sum(losses: Vec<Option<Loss>>, weights: &BlendWeights) -> Result<Loss> {
    if losses.len() != weights.len() {
        let expected = format!("one for each of the {} blend weights", weights.len());
        return Err(Error::shape("losses", expected, [losses.len()]));
    }
    let mut sum: Option<Loss> = None;
    let mut unweighted = Vec::new();
    for (loss, &weight) in losses.into_iter().zip(weights.as_slice()) {
        if weight == 0.0 {
            unweighted.extend(loss.map(|loss| loss.split_tape().1));
            continue;
        }
        let Some(loss) = loss else { continue };
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
    sum.ok_or_else(|| Error::shape("losses", "at least one with a weight", [0]))
}

/// The gradients of one encoder, one parameter after another.
#[derive(Default)]
struct Flat {
    values: Vec<f32>,
    parameters: Vec<usize>,
}

/// The gradients of every encoder, in the order of the modalities.
fn encoders(network: &mut dyn Network, gradients: &mut Gradients) -> Result<Vec<Flat>> {
    let mut encoders: Vec<Flat> = Vec::new();
    each_param(network, |part, _, param| {
        if let Part::Encoder(modality) = part {
            if encoders.len() <= modality {
                encoders.resize_with(modality + 1, Flat::default);
            }
            let gradient = param.gradient(gradients)?;
            let flat = &mut encoders[modality];
            flat.parameters.push(gradient.len());
            flat.values.extend_from_slice(gradient.values());
        }
        Ok(())
    })?;
    Ok(encoders)
}

/// Puts changed gradients of the encoders back.
fn put_encoders(network: &mut dyn Network, gradients: &mut Gradients, values: &[Vec<f32>]) -> Result<()> {
    let mut rest: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    each_param(network, |part, path, param| {
        let Part::Encoder(modality) = part else {
            return Ok(());
        };
        let shape = param.shape();
        let count = shape.iter().product();
        let left = rest.get(modality).copied().unwrap_or_default();
        let Some((taken, left)) = left.split_at_checked(count) else {
            let expected = format!("{count} more values for {path}");
            return Err(Error::shape("a changed gradient", expected, [left.len()]));
        };
        rest[modality] = left;
        param.set_gradient(gradients, &Array::new(shape, taken.to_vec())?)
    })
}

/// Lets the strategy change each encoder's gradient of the blended loss.
fn modulate(network: &mut dyn Network, gradients: &mut Gradients, blend: &mut dyn Blend) -> Result<()> {
    let flats = encoders(network, gradients)?.into_iter();
    let mut blended: Vec<BlendedGradient> = flats
        .map(|flat| BlendedGradient {
            values: flat.values,
            parameters: flat.parameters,
        })
        .collect();
    blend.modulate(&mut blended)?;
    let values: Vec<Vec<f32>> = blended.into_iter().map(|gradient| gradient.values).collect();
    put_encoders(network, gradients, &values)
}

/// Lets the strategy look at the two gradients of each encoder, and blends them with its weights.
fn combine(
    network: &mut dyn Network,
    mut own: Gradients,
    mut joint: Gradients,
    blend: &mut dyn Blend,
) -> Result<Gradients> {
    let pairs = encoders(network, &mut own)?
        .into_iter()
        .zip(encoders(network, &mut joint)?);
    let mut contested: Vec<ContestedGradient> = pairs
        .map(|(own, joint)| ContestedGradient {
            own: own.values,
            joint: joint.values,
        })
        .collect();
    blend.combine(&mut contested)?;
    let weights = blend.weights().as_slice();
    let joint_weight = weights.last().copied().unwrap_or(0.0);
    let values: Vec<Vec<f32>> = contested
        .iter()
        .zip(weights)
        .map(|(encoder, &weight)| {
            let pairs = encoder.own.iter().zip(&encoder.joint);
            pairs
                .map(|(&own, &joint)| (weight * f64::from(own) + joint_weight * f64::from(joint)) as f32)
                .collect()
        })
        .collect();
    put_encoders(network, &mut joint, &values)?;
    each_param(network, |part, _, param| match part {
        Part::Encoder(_) => Ok(()),
        Part::Head(modality) => {
            let gradient = param.gradient(&mut own)?;
            param.set_gradient(&mut joint, &gradient)?;
            param.scale_gradient(&mut joint, weights.get(modality).copied().unwrap_or(0.0))
        }
        Part::Joint => param.scale_gradient(&mut joint, joint_weight),
    })?;
    Ok(joint)
}

/// Scales the whole gradient down to `limit` if its norm is larger, and tells the norm it had.
fn clip(network: &mut dyn Network, gradients: &mut Gradients, limit: f64) -> Result<f64> {
    let norm = squares(network, gradients)?.sqrt();
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

/// The sum of the squares of the whole gradient.
#[cfg(not(feature = "cuda"))]
fn squares(network: &mut dyn Network, gradients: &mut Gradients) -> Result<f64> {
    let mut squares = 0.0;
    each_param(network, |_, _, param| {
        let gradient = param.gradient(gradients)?;
        let values = gradient.values().iter();
        squares += values.map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
        Ok(())
    })?;
    Ok(squares)
}

/// The sum of the squares of the whole gradient, which alone leaves the device.
#[cfg(feature = "cuda")]
fn squares(network: &mut dyn Network, gradients: &mut Gradients) -> Result<f64> {
    let mut squares = gblend_core::inner_product::InnerProduct::default();
    each_param(network, |_, _, param| {
        let gradient = gblend_core::inner_product::flat_gradient(&param, gradients)?;
        squares.add(&gradient, &gradient)
    })?;
    Ok(squares.value())
}

fn without_gradient(network: &mut dyn Network, gradients: &mut Gradients) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    each_param(network, |_, path, param| {
        if param
            .gradient(gradients)?
            .values()
            .iter()
            .all(|&value| value == 0.0)
        {
            paths.push(path.to_string());
        }
        Ok(())
    })?;
    Ok(paths)
}
