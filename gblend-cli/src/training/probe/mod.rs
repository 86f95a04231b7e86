//! Estimates: how each head overfits and generalizes from where the live network stands.
//!
//! Both estimators work on copies that are built anew and loaded with the live parameters and running statistics,
//! with optimizers and random streams of their own. The live network is only read.

mod gradient;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use gblend_core::ogr::{LossChanges, Movements};
use gblend_core::params::{State, load_state};
use gblend_core::{Blend, BlendStrategy, Estimate, EstimateRequest, Estimator, JOINT, SampleRng, Seed};
use gblend_optim::BlendedOptimizer;
use gblend_optim::blend::{Joint, Unimodal};
use gblend_optim::schedule::RunLength;

use crate::data::{Evaluable, LoadedBatch, Plan, Splits, TrainSubset};
use crate::error::{Error, Result};
use crate::evaluation::evaluate;
use crate::files::to_safetensors;
use crate::network::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::records::{ProbeLosses, SampleLosses};
use crate::run_folder::checkpoint::{Position, ProbeName, ProbeProgress, ProbeStore, capture, restore};
use crate::training::session::Session;
use crate::training::step::{Scores, StepContext, step};

/// Where the live run stands.
#[derive(Clone, Copy, Debug)]
pub struct StartingPoint {
    /// Epochs trained.
    pub epoch: usize,
    /// Where in the learning rate's schedule it is: probes go on from there.
    pub schedule_step: u64,
}

/// Makes an estimate from the live parameters and running statistics in `state`. Probes keep how far they are in
/// `keeping`, and go on from there if they were stopped.
///
/// # Errors
/// [`Error::Diverged`] if a probe's loss stops being a number, [`Error::Interrupted`], [`Error::Write`], what a sample or
/// the device complains about.
pub fn estimate(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    request: &EstimateRequest,
    live: StartingPoint,
    keeping: Option<&ProbeStore>,
    reporter: &Reporter,
) -> Result<Estimate> {
    let seed = session.seed("estimate").nth(live.epoch as u64);
    let mut rng = seed.derive("resample").rng();
    match &request.estimator {
        Estimator::Probe { epochs } => {
            reporter.line(&format!(
                "epoch {}: probing {} heads",
                live.epoch,
                session.heads.len()
            ));
            let probes = Probes {
                session,
                splits,
                // Fixed over the run, so that estimates compare.
                subset: splits
                    .train
                    .subset(subset_size(splits), session.seed("estimate.subset")),
                state,
                live,
                seed,
                keeping,
                origin: match keeping {
                    Some(_) => origin(session, splits, state, live)?,
                    None => String::new(),
                },
                reporter,
                done: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
            };
            let ran = probes.run(epochs);
            reporter.probed();
            let (changes, length) = ran?;
            let resample = |rng: &mut SampleRng| changes.resampled(rng);
            Ok(Estimate {
                estimator: request.estimator.measurement(),
                probe_epochs: Some(length),
                gradients: None,
                movements: changes.movements(),
                resampled: resampled(request.resamples, &mut rng, resample),
            })
        }
        Estimator::Gradient { batches } => {
            let (products, of) = gradient::inner_products(session, splits, state, *batches, seed)?;
            let resample = |rng: &mut SampleRng| products.resampled(rng);
            Ok(Estimate {
                estimator: request.estimator.measurement(),
                probe_epochs: None,
                gradients: Some(of),
                movements: products.movements(),
                resampled: resampled(request.resamples, &mut rng, resample),
            })
        }
    }
}

fn resampled(
    count: usize,
    rng: &mut SampleRng,
    resample: impl Fn(&mut SampleRng) -> Movements,
) -> Vec<Movements> {
    (0..count).map(|_| resample(rng)).collect()
}

/// Training samples on which the training loss is measured: enough that the held-out ones, which are fewer, decide
/// how sure the estimate is.
fn subset_size(splits: &Splits) -> usize {
    (2 * splits.held_out.samples().len()).max(500)
}

/// The paper's GB_Estimate (Wang et al., CVPR 2020, algorithm 1).
struct Probes<'a> {
    session: &'a Session<'a>,
    splits: &'a Splits,
    subset: TrainSubset,
    state: &'a State,
    live: StartingPoint,
    seed: Seed,
    keeping: Option<&'a ProbeStore>,
    /// Hash of what every probe begins from.
    origin: String,
    reporter: &'a Reporter,
    /// Epochs that probes have trained.
    done: AtomicUsize,
    /// Epochs that they are going to train at most.
    most: AtomicUsize,
}

impl Probes<'_> {
    /// Every head's changes of loss, and the length of the probes in epochs.
    fn run(&self, lengths: &[usize]) -> Result<(LossChanges, usize)> {
        let joint = self.session.heads.joint();
        let (Some(&last), fixed) = (lengths.last(), lengths.len() == 1) else {
            return Err(Error::Internal("a probe of no length was asked for".into()));
        };
        self.at_most((joint + 1).saturating_mul(last));
        let mut losses: Vec<ProbeLosses>;
        let length = if fixed {
            // Nothing to choose, so the joint probe runs beside the others, first because it takes longest.
            let mut order: Vec<usize> = (0..=joint).collect();
            order.rotate_right(1);
            losses = self.side_by_side(&order, &[last])?;
            losses.rotate_left(1);
            last
        } else {
            let joint_losses = self.probe(joint, lengths)?;
            let best = joint_losses
                .after
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| a.held_out_mean().total_cmp(&b.held_out_mean()));
            let best = best.map_or(0, |(position, _)| position);
            let length = lengths[best];
            self.at_most(self.done.load(Ordering::Relaxed) + joint.saturating_mul(length));
            losses = self.side_by_side(&(0..joint).collect::<Vec<_>>(), &[length])?;
            losses.push(ProbeLosses {
                before: joint_losses.before,
                after: joint_losses.after.into_iter().skip(best).take(1).collect(),
            });
            length
        };
        let changes = |of: fn(&SampleLosses) -> &Vec<Option<f64>>| -> Vec<Vec<Option<f64>>> {
            let losses = losses.iter();
            losses
                .map(|losses| {
                    let after = losses.after.first().map_or(&losses.before, |after| after);
                    let pairs = of(after).iter().zip(of(&losses.before));
                    pairs
                        .map(|(after, before)| Some((*after)? - (*before)?))
                        .collect()
                })
                .collect()
        };
        let changes = LossChanges::with_gaps(changes(|at| &at.train), changes(|at| &at.held_out))?;
        Ok((changes, length))
    }

    fn at_most(&self, epochs: usize) {
        self.most.store(epochs, Ordering::Relaxed);
        self.reporter.probing(self.done.load(Ordering::Relaxed), epochs);
    }

    /// The losses of these heads, in order. A GPU works on one probe at a time, and dfdx's handle of it belongs to
    /// one thread.
    #[cfg(feature = "cuda")]
    fn side_by_side(&self, heads: &[usize], lengths: &[usize]) -> Result<Vec<ProbeLosses>> {
        heads.iter().map(|&head| self.probe(head, lengths)).collect()
    }

    /// The losses of these heads, in order, whatever order the threads take them in.
    #[cfg(not(feature = "cuda"))]
    fn side_by_side(&self, heads: &[usize], lengths: &[usize]) -> Result<Vec<ProbeLosses>> {
        use rayon::prelude::*;
        heads.par_iter().map(|&head| self.probe(head, lengths)).collect()
    }

    /// Trains one head alone, with its encoder or with all for the joint one, for the last of `lengths` epochs. With
    /// several lengths it ends early once two in a row were worse than the best before them.
    fn probe(&self, head: usize, lengths: &[usize]) -> Result<ProbeLosses> {
        let session = self.session;
        let name = &session.heads.names()[head];
        let file = self.file(head, lengths);
        let kept = file.as_ref().and_then(ProbeFile::read);
        if let Some(kept) = &kept
            && kept.arrays.is_none()
        {
            self.reporter
                .line(&format!("the probe of `{name}` was over before the run stopped"));
            self.trained(kept.position.epoch);
            return Ok(kept.losses.clone());
        }
        let seed = self.seed.derive(name);
        let mut model = session.build_model()?;
        load_state(&mut model, self.state)?;
        let mut blend = self.alone(head)?;
        let active = ActiveHeads::only(session.heads.len(), head);
        let samples = &session.seen(self.splits.train.samples(), &active.encoders());
        let run = RunLength {
            steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
            epochs: session.config.run.epochs as u64,
        };
        let mut optimizer = session.optimizer(run, self.live.schedule_step)?;
        let label = format!("estimate.{}.{name}", self.live.epoch);
        let prefix = format!("in a probe of `{name}`, ");
        let (start, mut losses) = match kept {
            Some(kept) => {
                let start = kept.position;
                if let Some(arrays) = &kept.arrays {
                    restore(arrays, start.step, &mut model, optimizer.state())?;
                }
                self.reporter.line(&format!(
                    "the probe of `{name}` goes on in its epoch {}",
                    start.epoch
                ));
                self.trained(start.epoch.saturating_sub(1));
                (start, kept.losses)
            }
            None => {
                let losses = ProbeLosses {
                    before: self.losses(&mut model, head, &active)?,
                    after: Vec::new(),
                };
                (Position::BEGIN, losses)
            }
        };
        let mut last_kept = Instant::now();
        for epoch in start.epoch..=lengths.last().copied().unwrap_or(0) {
            let mut position = Position {
                epoch,
                batches: if epoch == start.epoch { start.batches } else { 0 },
                step: optimizer.steps(),
            };
            let plan = Plan::training(samples, session.batch_size(), seed.nth(epoch as u64));
            let plan = plan.skip(position.batches);
            let loader = session.loader(active.encoders());
            let context = StepContext {
                label: &label,
                prefix: &prefix,
                epoch,
            };
            let mut unread = Vec::new();
            loader.for_each(&plan, |_, batch: LoadedBatch| {
                session.interrupt.announce(self.reporter);
                let outcome = step(
                    session,
                    &mut model,
                    &mut optimizer,
                    blend.as_mut(),
                    batch,
                    context,
                )?;
                if let Scores::Unread(scores) = outcome.scores {
                    unread.push(scores);
                }
                position.batches += 1;
                position.step = optimizer.steps();
                match &file {
                    Some(file) if session.config.checkpoint.is_due(position.step, last_kept) => {
                        last_kept = Instant::now();
                        file.write(position, &losses, &mut model, &mut optimizer)
                    }
                    _ => Ok(()),
                }
            })?;
            for scores in unread {
                scores.read(session.heads.names())?;
            }
            let interrupted = session.interrupt.check(self.live.epoch);
            if let (Err(_), Some(file)) = (&interrupted, &file) {
                file.write(position, &losses, &mut model, &mut optimizer)?;
            }
            interrupted?;
            self.trained(1);
            if lengths.contains(&epoch) {
                losses.after.push(self.losses(&mut model, head, &active)?);
            }
            if losses.is_over(lengths.len()) {
                if let Some(file) = &file {
                    file.end(position, &losses)?;
                }
                break;
            }
        }
        Ok(losses)
    }

    /// Probes have trained so many epochs more.
    fn trained(&self, epochs: usize) {
        let done = self.done.fetch_add(epochs, Ordering::Relaxed) + epochs;
        self.reporter.probing(done, self.most.load(Ordering::Relaxed));
    }

    /// Where the probe of a head over these lengths keeps how far it is.
    fn file(&self, head: usize, lengths: &[usize]) -> Option<ProbeFile<'_>> {
        Some(ProbeFile {
            store: self.keeping?,
            name: ProbeName {
                epoch: self.live.epoch,
                head,
            },
            origin: format!("{} {lengths:?}", self.origin),
        })
    }

    fn alone(&self, head: usize) -> Result<Box<dyn Blend>> {
        let heads = &self.session.heads;
        let name = &heads.names()[head];
        Ok(if name == JOINT {
            Joint {}.start(heads)?
        } else {
            Unimodal { head: name.clone() }.start(heads)?
        })
    }

    fn losses(&self, model: &mut Multimodal, head: usize, active: &ActiveHeads) -> Result<SampleLosses> {
        Ok(SampleLosses {
            train: self.losses_of(model, &self.subset, head, active)?,
            held_out: self.losses_of(model, &self.splits.held_out, head, active)?,
        })
    }

    /// The loss of each sample, in evaluation mode.
    fn losses_of(
        &self,
        model: &mut Multimodal,
        split: &dyn Evaluable,
        head: usize,
        active: &ActiveHeads,
    ) -> Result<Vec<Option<f64>>> {
        let session = self.session;
        let loader = session.loader(active.encoders());
        let evaluation = evaluate(
            model,
            &loader,
            split,
            session.batch_size(),
            &session.device,
            active,
        )?;
        let losses = evaluation.losses(head)?;
        match losses.iter().flatten().find(|loss| !loss.is_finite()) {
            None => Ok(losses),
            Some(&value) => Err(Error::Diverged {
                what: format!("in a probe, the loss of head `{}`", session.heads.names()[head]),
                value,
                step: self.live.schedule_step + 1,
                epoch: self.live.epoch + 1,
            }),
        }
    }
}

/// Where one probe keeps how far it is.
struct ProbeFile<'a> {
    store: &'a ProbeStore,
    name: ProbeName,
    origin: String,
}

impl ProbeFile<'_> {
    fn read(&self) -> Option<ProbeProgress> {
        self.store.read(self.name, &self.origin)
    }

    fn write(
        &self,
        position: Position,
        losses: &ProbeLosses,
        model: &mut Multimodal,
        optimizer: &mut BlendedOptimizer,
    ) -> Result<()> {
        let progress = ProbeProgress {
            position,
            losses: losses.clone(),
            arrays: Some(capture(model, optimizer.state())?),
        };
        self.store.write(self.name, &self.origin, progress)
    }

    fn end(&self, position: Position, losses: &ProbeLosses) -> Result<()> {
        let progress = ProbeProgress {
            position,
            losses: losses.clone(),
            arrays: None,
        };
        self.store.write(self.name, &self.origin, progress)
    }
}

/// Hash of all that decides what a probe shows, but for the configuration, which a resumed run shares.
fn origin(session: &Session<'_>, splits: &Splits, state: &State, live: StartingPoint) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(splits.fingerprint(session.source.as_ref()).as_bytes());
    hasher.update(&live.schedule_step.to_le_bytes());
    hasher.update(&to_safetensors(state)?);
    Ok(hasher.finalize().to_hex().to_string())
}
