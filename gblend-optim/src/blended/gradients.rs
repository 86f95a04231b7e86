//! The first half of a step: from the losses to the gradient that the parameters will follow.

use gblend_core::gradients::GradientMut;
use gblend_core::nn::{add, backward, scale, with_history};
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{Blend, BlendedGradient, ContestedGradient, Error, GradientEvidence, ParamPath, Result};

use crate::network::{Network, Part, each_param};
use crate::scale::{LossWeights, Scale};

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
        /// The joint one; absent where the joint head has nothing to learn from in the batch.
        joint: Option<Loss>,
    },
}

/// The gradients of the blend of these losses: one backward pass for each of their sums, and what the strategy makes of the
/// result if it wants to see it. The losses' weights are the blend's shares times what `scale` says.
///
/// Nothing has moved yet. [`BlendedOptimizer::apply`](super::BlendedOptimizer::apply) follows the gradients; in between they can be
/// looked at and changed, see [`each_gradient`]. `network` must show the parts that the losses reach.
///
/// # Errors
/// [`Error::Shape`] if there is not one loss per weight, or all that have a weight are absent; [`Error::Device`]; what
/// the strategy says of the gradients.
pub fn gradients(
    network: &mut dyn Network,
    losses: StepLosses,
    blend: &mut dyn Blend,
    scale: Scale,
) -> Result<Gradients> {
    gradients_of_parts(network, losses, blend, scale, &mut |_, _| Ok(()))
}

/// What is done with gradients before anybody looks at them: where several machines have a part of the batch each, they are
/// added up over all.
pub type AddUp<'a> = dyn FnMut(&mut dyn Network, &mut Gradients) -> Result<()> + 'a;

/// As [`gradients`], where the losses' gradients are those of a part of the batch until `add_up` has seen them. What the strategy
/// sees, and what is returned, is what `add_up` makes of them.
///
/// # Errors
/// As [`gradients`]; those of `add_up`.
pub fn gradients_of_parts(
    network: &mut dyn Network,
    losses: StepLosses,
    blend: &mut dyn Blend,
    scale: Scale,
    add_up: &mut AddUp<'_>,
) -> Result<Gradients> {
    match losses {
        StepLosses::Blended(losses) => {
            let mut gradients = backward(sum(losses, &LossWeights::of(blend, scale))?)?;
            add_up(network, &mut gradients)?;
            if blend.evidence().gradients == GradientEvidence::Blended {
                modulate(network, &mut gradients, blend)?;
            }
            Ok(gradients)
        }
        StepLosses::PerHead { own, joint } => {
            if own.len() + 1 != blend.weights().len() {
                let expected = format!("one for each of the {} blend weights", blend.weights().len());
                return Err(Error::shape("losses", expected, [own.len() + 1]));
            }
            let own = own.into_iter().flatten().map(Ok);
            let own = own.reduce(|sum, loss| add(sum?, loss?)).transpose()?;
            if own.is_none() && joint.is_none() {
                return Err(Error::shape("losses", "at least one", [0]));
            }
            let (mut own, mut joint) = (gradients_of(own)?, gradients_of(joint)?);
            add_up(network, &mut own)?;
            add_up(network, &mut joint)?;
            combine(network, own, joint, blend, scale)
        }
    }
}

/// Shows the gradient of every parameter of `network` to `each`, always in the same order, with the parameter's path: to be
/// inspected, changed, written to buckets of any size and read back, or added up over machines.
///
/// # Errors
/// Those of `each`.
pub fn each_gradient(
    network: &mut dyn Network,
    gradients: &mut Gradients,
    mut each: impl FnMut(Part, &ParamPath, GradientMut<'_>) -> Result<()>,
) -> Result<()> {
    each_param(network, |part, path, param| {
        each(part, path, GradientMut::new(param, gradients))
    })
}

/// The gradients of a loss; of none they are zeros.
fn gradients_of(loss: Option<Loss>) -> Result<Gradients> {
    loss.map_or_else(|| Ok(Gradients::default()), backward)
}

/// `Σ w_k L_k` over the heads with a weight.
fn sum(losses: Vec<Option<Loss>>, weights: &LossWeights) -> Result<Loss> {
    let weights = weights.as_slice();
    if losses.len() != weights.len() {
        let expected = format!("one for each of the {} blend weights", weights.len());
        return Err(Error::shape("losses", expected, [losses.len()]));
    }
    let mut sum: Option<Loss> = None;
    let mut unweighted = Vec::new();
    for (loss, &weight) in losses.into_iter().zip(weights) {
        if weight == 0.0 {
            unweighted.extend(loss);
            continue;
        }
        let Some(loss) = loss else { continue };
        let term = scale(loss, weight as f32)?;
        sum = Some(match sum {
            None => term,
            Some(sum) => add(sum, term)?,
        });
    }
    // A feature's history stands on one of the branches that read it, which may be one without a weight.
    let sum = sum.map(|sum| unweighted.into_iter().fold(sum, with_history));
    sum.ok_or_else(|| Error::shape("losses", "at least one with a weight", [0]))
}

/// The gradients of one encoder, one parameter after another.
#[derive(Default)]
struct Flat {
    values: Vec<f32>,
    parameters: Vec<usize>,
}

/// The gradients of the encoder of each of so many modalities, in their order; of one that the network does not show
/// there are none.
fn encoders(network: &mut dyn Network, gradients: &mut Gradients, modalities: usize) -> Result<Vec<Flat>> {
    let mut encoders: Vec<Flat> = Vec::new();
    encoders.resize_with(modalities, Flat::default);
    each_gradient(network, gradients, |part, _, mut gradient| {
        let Part::Encoder(modality) = part else {
            return Ok(());
        };
        if encoders.len() <= modality {
            encoders.resize_with(modality + 1, Flat::default);
        }
        gradient.read(|values| {
            let flat = &mut encoders[modality];
            flat.parameters.push(values.len());
            flat.values.extend_from_slice(values);
        })
    })?;
    Ok(encoders)
}

/// Puts changed gradients of the encoders back.
fn put_encoders(network: &mut dyn Network, gradients: &mut Gradients, values: &[Vec<f32>]) -> Result<()> {
    let mut rest: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    each_gradient(network, gradients, |part, path, mut gradient| {
        let Part::Encoder(modality) = part else {
            return Ok(());
        };
        let count = gradient.shape().iter().product();
        let left = rest.get(modality).copied().unwrap_or_default();
        let Some((taken, left)) = left.split_at_checked(count) else {
            let expected = format!("{count} more values for {path}");
            return Err(Error::shape("a changed gradient", expected, [left.len()]));
        };
        rest[modality] = left;
        gradient.set(taken)
    })
}

/// Lets the strategy change each encoder's gradient of the blended loss.
fn modulate(network: &mut dyn Network, gradients: &mut Gradients, blend: &mut dyn Blend) -> Result<()> {
    let modalities = blend.weights().len().saturating_sub(1);
    let flats = encoders(network, gradients, modalities)?.into_iter();
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
    scale: Scale,
) -> Result<Gradients> {
    let modalities = blend.weights().len().saturating_sub(1);
    let pairs = encoders(network, &mut own, modalities)?
        .into_iter()
        .zip(encoders(network, &mut joint, modalities)?);
    let mut contested: Vec<ContestedGradient> = pairs
        .map(|(own, joint)| ContestedGradient {
            own: own.values,
            joint: joint.values,
        })
        .collect();
    blend.combine(&mut contested)?;
    let weights = LossWeights::of(blend, scale);
    let weights = weights.as_slice();
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
