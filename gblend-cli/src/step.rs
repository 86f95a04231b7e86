//! One training step: forward, what the strategy wants to know, backward, and the parameters' move.

use gblend_core::nn::cross_entropy;
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::Loss;
use gblend_core::{
    Array, Batch, Blend, Evidence, GradientEvidence, Logits, Observation, ParamMut, Pass, StepStart,
};
use gblend_optim::network::{Network, Part};
use gblend_optim::{BlendedOptimizer, StepLosses, StepReport};

use crate::data::loader::LoadedBatch;
use crate::error::{Error, Result};
use crate::eval::{Score, score, to_device};
use crate::model::{ActiveHeads, Multimodal, to_host};
use crate::session::Session;

/// What a step showed.
pub struct StepOutcome {
    /// Accuracy and loss of each head on the batch, in training mode; `None` for heads that were not computed.
    pub scores: Vec<Option<Score>>,
    /// The number of samples.
    pub samples: usize,
    /// The weights that the step used.
    pub weights: Vec<f64>,
    /// What the optimizer says.
    pub report: StepReport,
}

/// The heads that a strategy needs: those with a weight, or all if it wants evidence.
pub fn active_heads(blend: &dyn Blend) -> ActiveHeads {
    if blend.evidence().any() {
        ActiveHeads::all(blend.weights().len())
    } else {
        ActiveHeads::weighted(blend.weights())
    }
}

/// Takes a step. `place` names its random streams: probes draw others than the live run.
///
/// # Errors
/// [`Error::Diverged`] if a loss or gradient is not finite, before any parameter moves; what the batch, the
/// strategy or the device complain about.
pub fn step(
    session: &Session<'_>,
    model: &mut Multimodal,
    optimizer: &mut BlendedOptimizer,
    blend: &mut dyn Blend,
    batch: LoadedBatch,
    place: Place<'_>,
) -> Result<StepOutcome> {
    let LoadedBatch { labels, inputs, .. } = batch;
    let inputs = to_device(&session.device, inputs)?;
    let step = optimizer.steps();
    let seed = session.seed(place.label).nth(step);
    let pass = Pass::train(seed);
    blend.begin_step(StepStart {
        step,
        seed: seed.derive("blend"),
    })?;
    let evidence = blend.evidence();
    let active = active_heads(blend);
    let diverged = |what: String, value: f64| Error::Diverged {
        what,
        value,
        step: step + 1,
        epoch: place.epoch,
    };
    let mut features = Vec::new();
    let logits = forward(model, &inputs, &pass, &active, evidence, &mut features)?;
    let rows = on_host(&logits)?;
    let mut scores = Vec::with_capacity(rows.len());
    for (head, rows) in rows.iter().enumerate() {
        let score = rows.as_ref().map(|rows| score(rows, &labels)).transpose()?;
        if let Some(score) = score
            && !score.loss.is_finite()
        {
            let name = &session.heads.names()[head];
            return Err(diverged(
                format!("{}the loss of head `{name}`", place.prefix),
                score.loss,
            ));
        }
        scores.push(score);
    }
    if evidence.losses || evidence.scores || evidence.coalitions {
        blend.observe(&observation(
            session, model, evidence, &rows, &scores, &labels, &features,
        )?)?;
    }
    let mut losses: Vec<Option<Loss>> = Vec::with_capacity(logits.len());
    for logits in logits {
        losses.push(logits.map(|logits| cross_entropy(logits, &labels)).transpose()?);
    }
    let losses = if evidence.gradients == GradientEvidence::PerHead {
        let joint = losses.pop().flatten();
        let joint = joint.ok_or_else(|| Error::Internal("a step without the joint loss".into()))?;
        StepLosses::PerHead {
            own: losses.into_iter().flatten().collect(),
            joint,
        }
    } else {
        StepLosses::Blended(losses)
    };
    let report = optimizer
        .step(&mut model.active(&active), losses, blend)
        .map_err(|error| match error {
            gblend_core::Error::NonFinite { location, value } => {
                diverged(format!("{}{location}", place.prefix), value)
            }
            other => other.into(),
        })?;
    let weights = blend.weights().as_slice().to_vec();
    if evidence.losses_after {
        let logits = keeping_buffers(model, |_| true, |model| model.forward(&inputs, &pass, &active))?;
        let losses = on_host(&logits)?.into_iter().flatten();
        let losses: Vec<f64> = losses
            .map(|rows| Ok(score(&rows, &labels)?.loss))
            .collect::<Result<_>>()?;
        blend.observe_after(&losses)?;
    }
    Ok(StepOutcome {
        scores,
        samples: labels.len(),
        weights,
        report,
    })
}

/// Where a step stands, for its random stream and for messages.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The name of the random stream.
    pub label: &'a str,
    /// What stands before the name of a value that is not finite.
    pub prefix: &'a str,
    /// Counted from 1.
    pub epoch: usize,
}

/// Class scores of the active heads; from two passes if each head's gradient is wanted.
fn forward(
    model: &mut Multimodal,
    inputs: &[Option<Batch>],
    pass: &Pass,
    active: &ActiveHeads,
    evidence: Evidence,
    features: &mut Vec<gblend_core::Result<Array>>,
) -> Result<Vec<Option<Logits>>> {
    if evidence.gradients != GradientEvidence::PerHead {
        let keep = evidence.coalitions;
        return Ok(model.forward_seeing(inputs, pass, active, |seen| {
            if keep {
                features.push(seen.to_host());
            }
        })?);
    }
    let heads = model.heads();
    // The second pass sees the same batch with the same dropout, and must not count a second time in the encoders'
    // running statistics. Those of the fusion are the first pass's alone.
    let of_encoders = |part| !matches!(part, Part::Joint);
    let mut joint = keeping_buffers(model, of_encoders, |model| {
        model.forward(inputs, pass, &ActiveHeads::only(heads, heads - 1))
    })?;
    let mut logits = model.forward(inputs, pass, &ActiveHeads::unimodal(heads))?;
    if let (Some(slot), Some(joint)) = (logits.last_mut(), joint.pop()) {
        *slot = joint;
    }
    Ok(logits)
}

fn on_host(logits: &[Option<Logits>]) -> Result<Vec<Option<Array>>> {
    let rows = logits
        .iter()
        .map(|logits| logits.as_ref().map(to_host).transpose());
    Ok(rows.collect::<gblend_core::Result<_>>()?)
}

fn observation(
    session: &Session<'_>,
    model: &mut Multimodal,
    evidence: Evidence,
    rows: &[Option<Array>],
    scores: &[Option<Score>],
    labels: &[usize],
    features: &[gblend_core::Result<Array>],
) -> Result<Observation> {
    let mut observation = Observation::default();
    if evidence.losses {
        observation.losses = scores.iter().flatten().map(|score| score.loss).collect();
    }
    if evidence.scores {
        for rows in rows.iter().flatten() {
            let right = gblend_core::nn::softmax_of_each(rows)?;
            let sum: f64 = right.iter().zip(labels).map(|(row, &label)| row[label]).sum();
            observation.scores.push(sum / labels.len().max(1) as f64);
        }
    }
    if evidence.coalitions {
        let features: Vec<Array> = features
            .iter()
            .map(|array| {
                array
                    .as_ref()
                    .cloned()
                    .map_err(|error| Error::Internal(error.to_string()))
            })
            .collect::<Result<_>>()?;
        let modalities = features.len();
        for subset in 0..1_usize << modalities {
            let present: Vec<bool> = (0..modalities).map(|k| subset >> k & 1 == 1).collect();
            let rows = model.joint_from(&features, &present, &session.device)?;
            observation.coalitions.push(-score(&rows, labels)?.loss);
        }
    }
    Ok(observation)
}

/// Runs `work`, and puts the running statistics of the parts that are `kept` back as they were.
fn keeping_buffers<T>(
    model: &mut Multimodal,
    kept: impl Fn(Part) -> bool,
    work: impl FnOnce(&mut Multimodal) -> gblend_core::Result<T>,
) -> Result<T> {
    let all = ActiveHeads::all(model.heads());
    let mut buffers = Buffers::default();
    let visit = |model: &mut Multimodal, buffers: &mut Buffers| {
        model.active(&all).visit_parts(&mut |part, path, module| {
            if kept(part) {
                module.visit_params(path, buffers)
            } else {
                Ok(())
            }
        })
    };
    visit(model, &mut buffers)?;
    let result = work(model)?;
    buffers.restoring = true;
    buffers.values.reverse();
    visit(model, &mut buffers)?;
    Ok(result)
}

/// The running statistics of a network, in the order of its parameters.
#[derive(Default)]
struct Buffers {
    values: Vec<Array>,
    restoring: bool,
}

impl ParamVisitor for Buffers {
    fn param(&mut self, _: &ParamPath, _: ParamMut<'_>) -> gblend_core::Result<()> {
        Ok(())
    }

    fn buffer(&mut self, _: &ParamPath, buffer: &mut Array) -> gblend_core::Result<()> {
        if !self.restoring {
            self.values.push(buffer.clone());
        } else if let Some(value) = self.values.pop() {
            *buffer = value;
        }
        Ok(())
    }
}
