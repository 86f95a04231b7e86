//! Takes a strategy through a run, in the order that the pipeline keeps.

use super::arbitrary::{Epoch, Step};
use super::difference::{all_finite, same_text};
use super::evidence_kind::EvidenceKind;
use super::{Rule, Violation};
use crate::advice::Advice;
use crate::estimate::{BlendReport, Estimate, EstimateRequest, Estimator, GradientSamples};
use crate::evidence::{BlendedGradient, Evidence, GradientEvidence, Observation, StepStart};
use crate::role::Role;
use crate::seed::Seed;
use crate::strategy::{Blend, BlendStrategy, Heads, JointReach};
use crate::weights::BlendWeights;

/// The strategy at the beginning of a run.
pub(super) fn start(strategy: &dyn BlendStrategy, heads: &Heads) -> Result<Box<dyn Blend>, Violation> {
    Rule::Starts.works("the start", started(strategy, heads))
}

/// The same, or its error as a run tells it.
pub(super) fn started(strategy: &dyn BlendStrategy, heads: &Heads) -> crate::Result<Box<dyn Blend>> {
    let started = strategy.start(heads);
    started.map_err(|error| error.of_plugin(strategy, Role::Blend.name()))
}

/// A strategy at work, and what it did so far.
pub(super) struct Player<'a> {
    pub(super) blend: Box<dyn Blend>,
    heads: &'a Heads,
    seed: Seed,
    /// Epochs of the run.
    epochs: usize,
    epoch: usize,
    step: u64,
    /// The run ended with an error that it may end with.
    over: bool,
    /// Told whether or not it is asked for.
    told: Option<EvidenceKind>,
    /// Of each kind whether it was asked for at any time.
    asked: [bool; EvidenceKind::ALL.len()],
    /// A gradient is not what it was given.
    changed: bool,
    /// As it started.
    sharing: Sharing,
    /// All weights and gradients.
    trace: Vec<Act>,
}

/// What a strategy did at one point of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Said whether held-out samples may be trained on.
    Released(bool),
    /// Weighed the heads.
    Weighed(Vec<f64>),
    /// Left these of the gradients of each encoder.
    Moved(Vec<Vec<f32>>),
}

impl Act {
    /// Whether it is the other one to the bit.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Weighed(a), Self::Weighed(b)) => {
                let bits =
                    |weights: &[f64]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
                bits(a) == bits(b)
            }
            (Self::Moved(a), Self::Moved(b)) => {
                let bits = |encoders: &[Vec<f32>]| {
                    let values = encoders.iter().flatten();
                    values.map(|value| value.to_bits()).collect::<Vec<_>>()
                };
                bits(a) == bits(b)
            }
            (a, b) => a == b,
        }
    }
}

impl<'a> Player<'a> {
    /// At the beginning of a run.
    pub(super) fn new(
        blend: Box<dyn Blend>,
        heads: &'a Heads,
        seed: Seed,
        epochs: usize,
    ) -> Result<Self, Violation> {
        check_weights(blend.as_ref(), heads, "as it starts")?;
        Ok(Self {
            sharing: Sharing::checked(blend.as_ref(), heads)?,
            blend,
            heads,
            seed,
            epochs,
            epoch: 0,
            step: 0,
            over: false,
            told: None,
            asked: [false; EvidenceKind::ALL.len()],
            changed: false,
            trace: Vec::new(),
        })
    }

    /// Tells it this too, as no run does unless it asks; of gradients in place of those that it asks for.
    pub(super) fn telling(mut self, kind: Option<EvidenceKind>) -> Self {
        self.told = kind;
        self
    }

    /// The kinds of evidence that it asked for so far.
    pub(super) fn asked(&self) -> impl Iterator<Item = EvidenceKind> {
        EvidenceKind::ALL
            .into_iter()
            .zip(self.asked)
            .filter_map(|(kind, asked)| asked.then_some(kind))
    }

    /// Whether it changed any gradient so far.
    pub(super) fn changed_gradients(&self) -> bool {
        self.changed
    }

    /// Where this one is, with another blend.
    pub(super) fn resumed(&self, blend: Box<dyn Blend>) -> Self {
        Self {
            blend,
            trace: Vec::new(),
            ..*self
        }
    }

    /// What it says of the run so far, which is to be kept with it.
    pub(super) fn advice(&self) -> Result<Advice, Violation> {
        let (rule, advice) = (Rule::AdviceIsSound, self.blend.advice());
        let text = rule.works("writing the advice", serde_json::to_string(&advice))?;
        let read = rule.works("reading the advice's text", serde_json::from_str(&text))?;
        if advice != read {
            same_text(rule, "the advice", &format!("{advice:?}"), &format!("{read:?}"))?;
        }
        let numbers = [self.heads.len(), self.heads.joint()];
        for figures in &advice.figures {
            let expected = format!("figures of {} heads or {} modalities", numbers[0], numbers[1]);
            rule.holds(numbers.contains(&figures.values.len()), expected, figures)?;
        }
        Ok(advice)
    }

    /// What it did since the last call.
    pub(super) fn take_trace(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.trace)
    }

    /// Takes an epoch, with the estimate before it if that is asked for.
    pub(super) fn play(&mut self, epoch: &Epoch) -> Result<(), Violation> {
        if let Some(request) = self.blend.estimate_due(self.epoch, self.epochs) {
            check_request(&request)?;
            self.take_estimate(&as_asked(&epoch.estimate, &request))?;
        }
        if self.over {
            return Ok(());
        }
        self.trace.push(Act::Released(self.blend.releases_held_out()));
        let mut sums = vec![0.0; self.heads.len()];
        for step in &epoch.steps {
            if self.take_step(step)?.losses {
                for (sum, loss) in sums.iter_mut().zip(&step.observation.losses) {
                    *sum += loss / epoch.steps.len() as f64;
                }
            }
        }
        let losses = kept(self.wanted().losses, &sums);
        Rule::CopesWithEvidence.works("the end of an epoch", self.blend.end_epoch(&losses))?;
        self.epoch += 1;
        self.record_weights("after an epoch")
    }

    fn record_weights(&mut self, when: &str) -> Result<(), Violation> {
        check_weights(self.blend.as_ref(), self.heads, when)?;
        let (before, now) = (self.sharing, Sharing::of(self.blend.as_ref()));
        Rule::SharingIsFixed.holds(before == now, format!("{before:?} {when}, as it started"), now)?;
        let weights = self.blend.weights().as_slice();
        self.trace.push(Act::Weighed(weights.to_vec()));
        Ok(())
    }

    /// The evidence that it is told.
    fn wanted(&mut self) -> Evidence {
        let wanted = self.blend.evidence();
        for (asked, kind) in self.asked.iter_mut().zip(EvidenceKind::ALL) {
            *asked |= kind.is_in(wanted);
        }
        self.told.map_or(wanted, |kind| kind.added_to(wanted))
    }

    /// Takes a step, and tells what evidence was wanted.
    fn take_step(&mut self, step: &Step) -> Result<Evidence, Violation> {
        let rule = Rule::CopesWithEvidence;
        let start = StepStart {
            step: self.step,
            seed: self.seed.nth(self.step),
        };
        rule.works("the beginning of a step", self.blend.begin_step(start))?;
        check_weights(self.blend.as_ref(), self.heads, "as a step begins")?;
        let wanted = self.wanted();
        if wanted.losses || wanted.scores || wanted.coalitions {
            let observation = Observation {
                losses: kept(wanted.losses, &step.observation.losses),
                scores: kept(wanted.scores, &step.observation.scores),
                coalitions: kept(wanted.coalitions, &step.observation.coalitions),
            };
            rule.works("observing a step", self.blend.observe(&observation))?;
        }
        match wanted.gradients {
            GradientEvidence::None => {}
            GradientEvidence::Blended => self.modulate(step)?,
            GradientEvidence::PerHead => self.combine(step)?,
        }
        self.record_weights("in a step")?;
        if wanted.losses_after {
            let after = self.blend.observe_after(&step.losses_after);
            rule.works("observing the losses after a step", after)?;
            check_weights(self.blend.as_ref(), self.heads, "after a step")?;
        }
        self.step += 1;
        Ok(wanted)
    }

    fn modulate(&mut self, step: &Step) -> Result<(), Violation> {
        let given: Vec<BlendedGradient> = step
            .encoders
            .iter()
            .map(|encoder| {
                let values = encoder.own.clone();
                // Two parameters where there are values for two.
                let first = values.len() / 2;
                let parameters = [first, values.len() - first];
                BlendedGradient {
                    parameters: parameters.into_iter().filter(|&length| length > 0).collect(),
                    values,
                }
            })
            .collect();
        let mut changed = given.clone();
        Rule::CopesWithEvidence.works("modulating gradients", self.blend.modulate(&mut changed))?;
        for (given, changed) in given.iter().zip(&changed) {
            check_gradient(&given.values, &changed.values)?;
            Rule::GradientsKeepLength.holds(
                given.parameters == changed.parameters,
                format!("parameters of lengths {:?}", given.parameters),
                &changed.parameters,
            )?;
        }
        self.changed |= given != changed;
        let gradients = changed.into_iter().map(|encoder| encoder.values);
        self.trace.push(Act::Moved(gradients.collect()));
        Ok(())
    }

    fn combine(&mut self, step: &Step) -> Result<(), Violation> {
        let mut changed = step.encoders.clone();
        Rule::CopesWithEvidence.works("combining gradients", self.blend.combine(&mut changed))?;
        for (given, changed) in step.encoders.iter().zip(&changed) {
            check_gradient(&given.own, &changed.own)?;
            check_gradient(&given.joint, &changed.joint)?;
        }
        self.changed |= step.encoders != changed;
        let gradients = changed
            .into_iter()
            .map(|encoder| [encoder.own, encoder.joint].concat());
        self.trace.push(Act::Moved(gradients.collect()));
        Ok(())
    }

    fn take_estimate(&mut self, estimate: &Estimate) -> Result<(), Violation> {
        match self.blend.take_estimate(self.epoch, estimate) {
            Ok(report) => {
                self.record_weights("after an estimate")?;
                self.check_report(&report)
            }
            Err(error) => {
                let gains = estimate.movements.delta_g.iter().any(|&gain| gain > 0.0);
                if gains {
                    Rule::EstimateTaken.works("taking an estimate", Err(error))
                } else {
                    self.over = true;
                    self.record_weights("after an estimate that it refused")
                }
            }
        }
    }

    fn check_report(&self, report: &BlendReport) -> Result<(), Violation> {
        let rule = Rule::ReportTellsWeights;
        rule.holds(
            report.epoch == self.epoch,
            format!("the report of epoch {}", self.epoch),
            report.epoch,
        )?;
        let names: Vec<&str> = report.heads.iter().map(|head| head.name.as_str()).collect();
        rule.holds(
            names == self.heads.names(),
            format!("heads {:?}", self.heads.names()),
            &names,
        )?;
        let told: Vec<f64> = report.heads.iter().map(|head| head.weight).collect();
        let weights = self.blend.weights().as_slice();
        rule.holds(told == weights, format!("the weights {weights:?}"), &told)
    }
}

/// What a run takes as given of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sharing {
    blended_heads: usize,
    joint_reach: JointReach,
}

impl Sharing {
    fn of(blend: &dyn Blend) -> Self {
        Self {
            blended_heads: blend.blended_heads(),
            joint_reach: blend.joint_reach(),
        }
    }

    fn checked(blend: &dyn Blend, heads: &Heads) -> Result<Self, Violation> {
        let sharing = Self::of(blend);
        let (most, found) = (heads.len(), sharing.blended_heads);
        Rule::SharingIsFixed.holds(
            (1..=most).contains(&found),
            format!("1 to {most} blended heads"),
            found,
        )?;
        Ok(sharing)
    }
}

/// A list that was asked for, or nothing.
fn kept(wanted: bool, values: &[f64]) -> Vec<f64> {
    if wanted { values.to_vec() } else { Vec::new() }
}

/// A gradient that was changed.
fn check_gradient(given: &[f32], changed: &[f32]) -> Result<(), Violation> {
    Rule::GradientsKeepLength.holds(
        given.len() == changed.len(),
        format!("{} values", given.len()),
        changed.len(),
    )?;
    let what = "a gradient that was finite";
    all_finite(Rule::GradientsStayFinite, what, &[changed.len()], changed)
}

/// One weight per head, on the simplex.
pub(super) fn check_weights(blend: &dyn Blend, heads: &Heads, when: &str) -> Result<(), Violation> {
    let rule = Rule::WeightsOnSimplex;
    let weights = blend.weights().as_slice();
    rule.holds(
        weights.len() == heads.len(),
        format!("{} weights {when}", heads.len()),
        weights,
    )?;
    rule.works(
        format!("the weights {weights:?} {when}"),
        BlendWeights::new(weights),
    )?;
    Ok(())
}

fn check_request(request: &EstimateRequest) -> Result<(), Violation> {
    let rule = Rule::RequestIsSound;
    match &request.estimator {
        Estimator::Probe { epochs, .. } => rule.holds(
            epochs.first().is_some_and(|&first| first > 0) && epochs.is_sorted_by(|a, b| a < b),
            "at least one probe length, of at least 1, in ascending order",
            epochs,
        ),
        Estimator::Gradient { batches } => rule.holds(*batches != Some(0), "at least 1 batch", batches),
    }
}

/// The estimate as the estimator that was asked for would tell it.
fn as_asked(estimate: &Estimate, request: &EstimateRequest) -> Estimate {
    let mut asked = estimate.clone();
    asked.estimator = request.estimator.measurement();
    asked.probe_epochs = match &request.estimator {
        Estimator::Probe { epochs, .. } => epochs.first().copied(),
        Estimator::Gradient { .. } => None,
    };
    asked.gradients = match &request.estimator {
        Estimator::Probe { .. } => None,
        Estimator::Gradient { batches } => Some(GradientSamples {
            batches: batches.unwrap_or(2),
            train: 64,
            held_out: 64,
        }),
    };
    asked.resampled.truncate(request.resamples);
    asked
}
