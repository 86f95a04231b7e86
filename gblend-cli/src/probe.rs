//! Estimates: how each head overfits and generalizes from where the live network stands.
//!
//! Both estimators work on copies that are built anew and loaded with the live parameters and running statistics,
//! with optimizers and random streams of their own. The live network is only read.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use gblend_core::nn::backward;
use gblend_core::ogr::{InnerProducts, LossChanges, Movements};
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, load_state};
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{
    Blend, BlendStrategy, Estimate, EstimateRequest, Estimator, JOINT, ParamMut, Pass, SampleRng, Seed,
};
use gblend_optim::blend::{Joint, Unimodal};
use gblend_optim::network::{Network, Part};
use gblend_optim::schedule::RunLength;

use crate::data::loader::{LoadedBatch, Plan};
use crate::data::split::{Evaluable, Splits, TrainSubset};
use crate::error::{Error, Result};
use crate::eval::evaluate;
use crate::gradient_products::{BatchGradients, Collected, HeadGradient, products};
use crate::inputs::Inputs;
use crate::model::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::scores::Scores;
use crate::session::Session;
use crate::step::{Place, step};

/// Where the live run stands.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Epochs trained.
    pub epoch: usize,
    /// Where in the learning rate's schedule it is: probes go on from there.
    pub schedule_step: u64,
}

/// Makes an estimate from the live parameters and running statistics in `state`.
///
/// # Errors
/// [`Error::Diverged`] if a probe's loss stops being a number, [`Error::Interrupted`], what a sample or the device complains about.
pub fn estimate(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    request: &EstimateRequest,
    live: Live,
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
                reporter,
                done: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
            };
            let ran = probes.run(epochs);
            reporter.probed();
            let (changes, length) = ran?;
            let resample = |rng: &mut SampleRng| changes.resampled(rng);
            Ok(Estimate {
                estimator: request.estimator.name(),
                probe_epochs: Some(length),
                movements: changes.movements(),
                resampled: resampled(request.resamples, &mut rng, resample),
            })
        }
        Estimator::Gradient { batches } => {
            let products = inner_products(session, splits, state, *batches, seed)?;
            let resample = |rng: &mut SampleRng| products.resampled(rng);
            Ok(Estimate {
                estimator: request.estimator.name(),
                probe_epochs: None,
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
    live: Live,
    seed: Seed,
    reporter: &'a Reporter,
    /// Epochs that probes have trained.
    done: AtomicUsize,
    /// Epochs that they are going to train at most.
    most: AtomicUsize,
}

/// The loss of each sample at one checkpoint of a probe; `None` for those that the head does not see.
struct Checkpoint {
    train: Vec<Option<f64>>,
    held_out: Vec<Option<f64>>,
}

impl Checkpoint {
    fn held_out_mean(&self) -> f64 {
        let seen = || self.held_out.iter().flatten();
        seen().sum::<f64>() / seen().count().max(1) as f64
    }
}

/// What a probe of one head showed: before, and after each length that it reached.
struct Course {
    before: Checkpoint,
    after: Vec<Checkpoint>,
}

impl Probes<'_> {
    /// Every head's changes of loss, and the length of the probes in epochs.
    fn run(&self, lengths: &[usize]) -> Result<(LossChanges, usize)> {
        let joint = self.session.heads.joint();
        let (Some(&last), fixed) = (lengths.last(), lengths.len() == 1) else {
            return Err(Error::Internal("a probe of no length was asked for".into()));
        };
        self.at_most((joint + 1).saturating_mul(last));
        let mut courses: Vec<Course>;
        let length = if fixed {
            // Nothing to choose, so the joint probe runs beside the others, first because it takes longest.
            let mut order: Vec<usize> = (0..=joint).collect();
            order.rotate_right(1);
            courses = self.side_by_side(&order, &[last])?;
            courses.rotate_left(1);
            last
        } else {
            let joint_course = self.probe(joint, lengths)?;
            let best = joint_course
                .after
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| a.held_out_mean().total_cmp(&b.held_out_mean()));
            let best = best.map_or(0, |(position, _)| position);
            let length = lengths[best];
            self.at_most(self.done.load(Ordering::Relaxed) + joint.saturating_mul(length));
            courses = self.side_by_side(&(0..joint).collect::<Vec<_>>(), &[length])?;
            courses.push(Course {
                before: joint_course.before,
                after: joint_course.after.into_iter().skip(best).take(1).collect(),
            });
            length
        };
        let changes = |of: fn(&Checkpoint) -> &Vec<Option<f64>>| -> Vec<Vec<Option<f64>>> {
            let courses = courses.iter();
            courses
                .map(|course| {
                    let after = course.after.first().map_or(&course.before, |after| after);
                    let pairs = of(after).iter().zip(of(&course.before));
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

    /// The courses of these heads, in order. A GPU works on one probe at a time, and dfdx's handle of it belongs to
    /// one thread.
    #[cfg(feature = "cuda")]
    fn side_by_side(&self, heads: &[usize], lengths: &[usize]) -> Result<Vec<Course>> {
        heads.iter().map(|&head| self.probe(head, lengths)).collect()
    }

    /// The courses of these heads, in order, whatever order the threads take them in.
    #[cfg(not(feature = "cuda"))]
    fn side_by_side(&self, heads: &[usize], lengths: &[usize]) -> Result<Vec<Course>> {
        use rayon::prelude::*;
        heads.par_iter().map(|&head| self.probe(head, lengths)).collect()
    }

    /// Trains one head alone, with its encoder or with all for the joint one, for the last of `lengths` epochs. With
    /// several lengths it ends early once two in a row were worse than the best before them.
    fn probe(&self, head: usize, lengths: &[usize]) -> Result<Course> {
        let session = self.session;
        let name = &session.heads.names()[head];
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
        let before = self.checkpoint(&mut model, head, &active)?;
        let mut course = Course {
            before,
            after: Vec::new(),
        };
        for epoch in 1..=lengths.last().copied().unwrap_or(0) {
            let plan = Plan::training(samples, session.batch_size(), seed.nth(epoch as u64));
            let loader = session.loader(active.encoders());
            let place = Place {
                label: &label,
                prefix: &prefix,
                epoch,
            };
            let mut unread = Vec::new();
            loader.for_each(&plan, |_, batch: LoadedBatch| {
                session.interrupt.announce(self.reporter);
                let outcome = step(session, &mut model, &mut optimizer, blend.as_mut(), batch, place)?;
                if let Scores::Unread(scores) = outcome.scores {
                    unread.push(scores);
                }
                Ok::<(), Error>(())
            })?;
            for scores in unread {
                scores.read(session.heads.names())?;
            }
            // What is left of the estimate is worth nothing without the rest.
            session.interrupt.check(self.live.epoch)?;
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            self.reporter.probing(done, self.most.load(Ordering::Relaxed));
            if lengths.contains(&epoch) {
                course.after.push(self.checkpoint(&mut model, head, &active)?);
                if past_the_best(&course.after) {
                    break;
                }
            }
        }
        Ok(course)
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

    fn checkpoint(&self, model: &mut Multimodal, head: usize, active: &ActiveHeads) -> Result<Checkpoint> {
        Ok(Checkpoint {
            train: self.losses(model, &self.subset, head, active)?,
            held_out: self.losses(model, &self.splits.held_out, head, active)?,
        })
    }

    /// The loss of each sample, in evaluation mode.
    fn losses(
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

/// Whether the last two checkpoints are worse on held-out samples than the best before them.
fn past_the_best(course: &[Checkpoint]) -> bool {
    let Some((earlier, [a, b])) = course.split_last_chunk::<2>() else {
        return false;
    };
    let best = earlier
        .iter()
        .map(Checkpoint::held_out_mean)
        .fold(f64::INFINITY, f64::min);
    a.held_out_mean() > best && b.held_out_mean() > best
}

/// Proposition 1 evaluated at the live parameters: the inner products of each head's training gradients with the
/// gradients of its own losses on training and on held-out samples.
///
/// # Errors
/// What a sample or the device complains about.
pub(crate) fn inner_products(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    batches: usize,
    seed: Seed,
) -> Result<InnerProducts> {
    let mut model = session.build_model()?;
    load_state(&mut model, state)?;
    let size = session.batch_size();
    let wanted = batches.saturating_mul(size.get());
    let train_count = splits.train.samples().len();
    let train = splits.train.subset(wanted, seed.derive("train"));
    let held_out = splits.held_out.samples();
    let kept = held_out.len().min(wanted);
    // Their order is random already within a class, but not between classes.
    let held_out = draw(held_out, kept, seed.derive("held-out"));
    let on_train = gradients(session, &mut model, &shuffled(train.samples(), seed), size)?;
    let on_held_out = gradients(session, &mut model, &held_out, size)?;
    let epoch = train_count.div_ceil(size.get()).max(1);
    products(&on_train, &on_held_out, epoch)
}

fn shuffled(samples: &[usize], seed: Seed) -> Vec<usize> {
    draw(samples, samples.len(), seed.derive("order"))
}

fn draw(samples: &[usize], count: usize, seed: Seed) -> Vec<usize> {
    use rand::seq::SliceRandom;
    let mut drawn = samples.to_vec();
    drawn.shuffle(&mut seed.rng());
    drawn.truncate(count);
    drawn
}

/// Gradients of each head's loss on each batch, in evaluation mode.
fn gradients(
    session: &Session<'_>,
    model: &mut Multimodal,
    samples: &[usize],
    size: NonZeroUsize,
) -> Result<Vec<BatchGradients<HeadGradient>>> {
    let heads = session.heads.len();
    let loader = session.loader(vec![true; heads - 1]);
    let plan = Plan::evaluation(samples, size);
    let mut batches = Vec::with_capacity(plan.len());
    loader.for_each(&plan, |_, batch| -> Result<()> {
        let LoadedBatch {
            samples,
            targets,
            inputs,
        } = batch;
        let inputs = Inputs::new(&session.device, samples.len(), inputs)?;
        let mut collected: Vec<HeadGradient> = (0..heads).map(|_| HeadGradient::default()).collect();
        // The modalities' own losses share no parameter, so one backward pass gives the gradient of each.
        for active in [ActiveHeads::unimodal(heads), ActiveHeads::only(heads, heads - 1)] {
            let logits = model.forward(&inputs, &Pass::differentiate(), &active)?;
            let logits = logits.into_iter().enumerate();
            let losses: Vec<Loss> = logits
                .filter_map(|(head, logits)| Some(inputs.targets_of(head, &targets).loss(logits?)))
                .collect::<gblend_core::Result<_>>()?;
            let Some(loss) = losses.into_iter().reduce(|sum, loss| sum + loss) else {
                continue;
            };
            collect(model, &active, &mut backward(loss)?, &mut collected)?;
        }
        batches.push(BatchGradients {
            samples: (0..heads).map(|head| inputs.seen(head)).collect(),
            heads: collected,
        });
        Ok(())
    })?;
    Ok(batches)
}

/// Appends the gradients of the active parts to their heads.
fn collect(
    model: &mut Multimodal,
    active: &ActiveHeads,
    gradients: &mut Gradients,
    heads: &mut [HeadGradient],
) -> Result<()> {
    struct Append<'a> {
        gradients: &'a mut Gradients,
        to: &'a mut HeadGradient,
    }
    impl ParamVisitor for Append<'_> {
        fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> gblend_core::Result<()> {
            self.to.append(&param, self.gradients)
        }
    }
    let joint = heads.len() - 1;
    let of_joint = active.contains(joint);
    model
        .active(active)
        .visit_parts(&mut |part, path, module: &mut dyn Module| {
            let head = match part {
                Part::Encoder(modality) | Part::Head(modality) if !of_joint => modality,
                _ => joint,
            };
            let to = &mut heads[head];
            module.visit_params(path, &mut Append { gradients, to })
        })?;
    Ok(())
}
