//! One training step: forward, what the strategy wants to know, backward, and the parameters' move.

mod chunked;
mod context;
mod scores;
mod together;

use std::sync::Arc;

use gblend_core::objective::mean_of;
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::Loss;
use gblend_core::{
    Array, AutoDevice, Blend, Evidence, GradientEvidence, Logits, Observation, ParamMut, Pass, StepStart,
};
use gblend_optim::network::{Network, Part};
use gblend_optim::{LossWeights, StepLosses, StepReport, gradients};

use crate::data::{LoadedBatch, WholeBatch};
use crate::error::{Error, Result};
use crate::network::{ActiveHeads, Fused, Inputs, Multimodal};
use crate::records::Score;
use crate::training::learner::Learner;

use chunked::CachedFeatures;
pub use context::StepContext;
pub(crate) use scores::MOST_UNREAD;
pub use scores::{Scores, Unread};
use together::Together;

/// What a step showed.
pub struct StepOutcome {
    /// How good each head is on the samples of the batch that it sees, in training mode.
    pub scores: Scores,
    /// The number of samples that each head learns from: those that it sees, and that have a label if it needs one.
    pub samples: Vec<usize>,
    /// The weights that the step used.
    pub weights: Vec<f64>,
    /// What the optimizer says.
    pub report: StepReport,
}

/// The heads that a strategy needs: those with a weight, or, if it wants evidence, all but those that never have one.
pub fn active_heads(blend: &dyn Blend) -> ActiveHeads {
    let heads = if blend.evidence().any() {
        let given = blend.fixed_shares();
        ActiveHeads::all(blend.weights().len()).retaining(|head| given.get(head) != Some(&Some(0.0)))
    } else {
        ActiveHeads::weighted(blend.weights())
    };
    heads.reaching(blend.joint_reach())
}

/// Takes a step; of a batch of which each rank has a part, together with all of them.
///
/// # Errors
/// [`Error::Diverged`] if a loss or gradient is not finite, before any parameter moves; what the batch, the
/// strategy or the device complain about.
pub fn step(learner: &mut Learner<'_>, batch: LoadedBatch, context: StepContext<'_>) -> Result<StepOutcome> {
    let Learner {
        model,
        optimizer,
        blend,
        momentum,
    } = learner;
    let LoadedBatch {
        samples,
        targets,
        inputs,
        whole,
    } = batch;
    let whole = whole.unwrap_or_else(|| {
        let rows = inputs.iter().map(|input| input.as_ref()?.rows.clone());
        WholeBatch::undivided(targets, rows.collect())
    });
    let together = Together::new(context);
    let inputs = Inputs::new(context.device, samples.len(), inputs)?;
    let inputs = together.in_parts(inputs, &whole, context.heads.len());
    let step = optimizer.steps();
    let seed = context.seed.nth(step);
    let pass = Pass::train(together.seed(seed))
        .recomputing(context.recomputes)
        .keeping(context.activations_as);
    blend.begin_step(StepStart {
        step,
        seed: seed.derive("blend"),
    })?;
    let evidence = blend.evidence();
    let counted = model.criteria().counted(|head| whole.targets_of(head));
    let active = active_heads(*blend).with_loss(&counted, |head| whole.seen(head));
    let given = blend.fixed_shares().to_vec();
    let is_given = |head: usize| given.get(head).copied().flatten().is_some();
    let diverged = |what: String, value: f64| Error::Diverged {
        what,
        value,
        step: step + 1,
        epoch: context.epoch,
    };
    let mut features = Vec::new();
    // All ranks know whether anybody has more than a chunk, and do alike.
    let chunk = context.chunk.filter(|chunk| chunk.get() < whole.largest_part());
    let cached = match chunk {
        // What encoders learn of a batch as it passes they learn when it passes again.
        Some(chunk) => Some(keeping_buffers(
            model,
            |part| matches!(part, Part::Encoder(_)),
            |model| CachedFeatures::of(model, &inputs, &active, context, chunk, together.seed(seed)),
        )?),
        None => None,
    };
    let logits = match &cached {
        Some(cached) => {
            let given = cached.given(context.heads.joint());
            let mut keep = |seen: Fused<'_>| features.push(seen.to_host());
            let see: Option<&mut dyn FnMut(Fused<'_>)> = match evidence.coalitions {
                true => Some(&mut keep),
                false => None,
            };
            model.forward_from(given, &inputs, &pass, &active, see)?
        }
        None => forward(model, &inputs, &pass, &active, evidence, &mut features)?,
    };
    let logits = together.join(logits, &whole, context.device, &pass)?;
    let joint = context.heads.joint();
    let keys = match momentum.as_mut().filter(|_| active.joint()) {
        Some(momentum) => {
            let all = together.gather(vec![momentum.keys(&inputs, &pass)?])?;
            all.into_iter()
                .flatten()
                .next()
                .map(|all| Arc::new(momentum.beside(all)))
        }
        None => None,
    };
    let keys_of = |head: usize| keys.as_deref().filter(|_| head == joint);
    // A strategy compares heads, so it is told of steps in which every one of them saw something.
    let observed = logits
        .iter()
        .enumerate()
        .all(|(head, logits)| logits.is_some() || is_given(head));
    let observes = observed && (evidence.losses || evidence.scores || evidence.coalitions);
    let unread = Unread::new(&logits, &whole, keys.clone(), step + 1, context);
    let scores = if AutoDevice::READING_WAITS && !observes && !model.learns_losses()? {
        Scores::Unread(unread)
    } else {
        let rows = unread.rows()?;
        let scores = unread.scores_of(&rows, model.criteria(), context.heads.names())?;
        if observes {
            let shown = ForwardEvidence {
                inputs: &inputs,
                whole: &whole,
                together: &together,
                rows: &rows,
                scores: &scores,
                features,
            };
            blend.observe(&shown.observation(model, evidence)?)?;
        }
        Scores::Read(scores)
    };
    let mut losses: Vec<Option<Loss>> = Vec::with_capacity(logits.len());
    for (head, logits) in logits.into_iter().enumerate() {
        let targets = whole.targets_of(head);
        losses.push(
            logits
                .map(|logits| model.loss(head, logits, &targets, keys_of(head)))
                .transpose()?,
        );
    }
    let losses = if evidence.gradients == GradientEvidence::PerHead {
        let joint = losses.pop().flatten();
        StepLosses::PerHead { own: losses, joint }
    } else {
        StepLosses::Blended(losses)
    };
    let stepped: Result<StepReport> = match &cached {
        None => optimizer
            .step_of_parts(
                &mut model.active(&active),
                losses,
                *blend,
                &mut |network, gradients| together.add_up(network, gradients),
            )
            .map_err(Error::from),
        Some(cached) => {
            let mut found = gradients(&mut model.active(&active), losses, *blend, context.scale)?;
            cached.follow(model, &inputs, &active, context.device, &mut found)?;
            together.add_up(&mut model.active(&active), &mut found)?;
            let weights = LossWeights::of(*blend, context.scale);
            let applied = optimizer.apply(&mut model.active(&active), found, &weights);
            applied.map_err(Error::from)
        }
    };
    // What the ranks could not tell each other comes before what that led to.
    together.check()?;
    let mut report = stepped.map_err(|error| match error {
        Error::Core(gblend_core::Error::NonFinite { location, value }) => {
            diverged(format!("{}{location}", context.prefix), value)
        }
        other => other,
    })?;
    together.share_statistics(model, &whole, cached.is_some())?;
    let weights = blend.weights().as_slice().to_vec();
    // A parameter behind a modality that the batch lacks has no gradient yet.
    report.without_gradient.retain(|parameter| {
        let absent = |head: usize| {
            let name = &context.heads.names()[head];
            counted[head] == 0
                && parameter
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        !(0..context.heads.joint()).any(absent)
    });
    if observed && evidence.losses_after {
        let logits = keeping_buffers(model, |_| true, |model| model.forward(&inputs, &pass, &active))?;
        let rows = together.gather(on_host(&logits)?)?.into_iter().enumerate();
        let losses = rows.map(|(head, rows)| {
            let Some(rows) = rows else { return Ok(0.0) };
            let criterion = model.criteria().of(head);
            let targets = whole.targets_of(head);
            let score = Score::among(criterion.get(), &rows, &targets, keys_of(head))?;
            Ok(criterion.in_training_unit(score.loss))
        });
        let losses: Vec<f64> = losses.collect::<Result<_>>()?;
        blend.observe_after(&losses)?;
    }
    if let (Some(momentum), Some(keys)) = (momentum, &keys) {
        together.check()?;
        together.share_statistics(momentum.network(), &whole, false)?;
        momentum.step(model, keys, &whole.targets_of(joint))?;
    }
    Ok(StepOutcome {
        scores,
        samples: counted,
        weights,
        report,
    })
}

/// Outputs of the active heads; from two passes if each head's gradient is wanted.
fn forward(
    model: &mut Multimodal,
    inputs: &Inputs,
    pass: &Pass,
    active: &ActiveHeads,
    evidence: Evidence,
    features: &mut Vec<gblend_core::Result<Array>>,
) -> Result<Vec<Option<Logits>>> {
    if evidence.gradients != GradientEvidence::PerHead {
        let mut keep = |seen: Fused<'_>| features.push(seen.to_host());
        let see: Option<&mut dyn FnMut(Fused<'_>)> = if evidence.coalitions {
            Some(&mut keep)
        } else {
            None
        };
        return Ok(model.forward_seeing(inputs, pass, active, see)?);
    }
    let heads = model.heads();
    // The second pass sees the same batch with the same dropout, and must not count a second time in the encoders'
    // running statistics. Those of the fusion are the first pass's alone.
    let of_encoders = |part| !matches!(part, Part::Joint);
    let of_joint = active.retaining(|head| head + 1 == heads);
    let mut joint = keeping_buffers(model, of_encoders, |model| model.forward(inputs, pass, &of_joint))?;
    let own = active.retaining(|head| head + 1 < heads);
    let mut logits = model.forward(inputs, pass, &own)?;
    if let (Some(slot), Some(joint)) = (logits.last_mut(), joint.pop()) {
        *slot = joint;
    }
    Ok(logits)
}

/// Outputs on the host.
fn on_host(logits: &[Option<Logits>]) -> Result<Vec<Option<Array>>> {
    let rows = logits
        .iter()
        .map(|logits| logits.as_ref().map(Logits::to_array).transpose());
    Ok(rows.collect::<gblend_core::Result<_>>()?)
}

/// What a step's forward pass showed.
struct ForwardEvidence<'a> {
    inputs: &'a Inputs,
    whole: &'a WholeBatch,
    together: &'a Together<'a>,
    rows: &'a [Option<Array>],
    scores: &'a [Option<Score>],
    features: Vec<gblend_core::Result<Array>>,
}

impl ForwardEvidence<'_> {
    fn observation(self, model: &mut Multimodal, evidence: Evidence) -> Result<Observation> {
        let mut observation = Observation::default();
        if evidence.losses {
            let scores = self.scores.iter().enumerate();
            let losses = scores.map(|(head, score)| {
                let loss = |score: &Score| model.criteria().of(head).in_training_unit(score.loss);
                // One that is not computed has a given share, and nobody is told of it.
                score.as_ref().map_or(0.0, loss)
            });
            observation.losses = losses.collect();
        }
        if evidence.scores {
            for (head, rows) in self.rows.iter().enumerate() {
                let Some(rows) = rows else {
                    observation.scores.push(0.0);
                    continue;
                };
                let criterion = model.criteria().of(head).get();
                let targets = self.whole.targets_of(head);
                let sure = criterion.confidence(&criterion.scores(rows)?, &targets)?;
                observation.scores.push(mean_of(&sure).unwrap_or(0.0));
            }
        }
        if evidence.coalitions {
            let features = self
                .features
                .into_iter()
                .collect::<gblend_core::Result<Vec<_>>>()?;
            let modalities = features.len();
            let rows = (0..1_usize << modalities).map(|subset| {
                let present: Vec<bool> = (0..modalities).map(|k| subset >> k & 1 == 1).collect();
                Ok(Some(model.joint_from(&features, &present, self.inputs)?))
            });
            let rows = self.together.gather(rows.collect::<Result<_>>()?)?;
            for rows in rows.into_iter().flatten() {
                let score = Score::of(model.criteria().joint().get(), &rows, &self.whole.targets)?;
                observation.coalitions.push(-score.loss);
            }
        }
        Ok(observation)
    }
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
