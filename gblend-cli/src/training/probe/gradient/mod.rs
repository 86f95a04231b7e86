//! The gradient estimator: inner products of gradients at the live parameters, without any training.

mod size;

use gblend_core::gradient_products::{self, BatchGradients, GradientSums, HeadGradient};
use gblend_core::nn::{add, backward};
use gblend_core::ogr::InnerProducts;
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, load_state};
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{GradientSamples, ParamMut, Pass, Seed};
use gblend_optim::network::{Network, Part};

use crate::data::{Evaluable, LoadedBatch, Plan, SampleIndex, Sampler, Splits};
use crate::error::Result;
use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::training::probe::held_out_groups::MeasuredGroups;
use crate::training::probe::starting_point::StartingPoint;
use crate::training::session::Session;
use size::GradientSize;

/// What the estimator found, and on what.
pub(super) struct Measured {
    pub(super) products: InnerProducts,
    pub(super) of: GradientSamples,
    pub(super) groups: MeasuredGroups,
}

/// Proposition 1 evaluated at the live parameters: the inner products of each head's training gradients with the
/// gradients of its own losses on training and on held-out samples.
///
/// # Errors
/// What a sample or the device complains about.
pub(super) fn inner_products(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    batches: Option<usize>,
    live: StartingPoint,
) -> Result<Measured> {
    let seed = live.seed(session);
    let mut model = session.build_model()?;
    load_state(&mut model, state)?;
    // What is frozen does not move.
    model.begin_epoch(live.epoch + 1)?;
    let step = session.batch_size();
    let train_count = splits.train.samples().len();
    // A loss that compares samples is another one among fewer.
    let block = model.criteria().block();
    let step = block.unwrap_or(step);
    let size = match (batches, block) {
        (None, None) => GradientSize::beside_an_epoch(train_count, step),
        (batches, _) => GradientSize {
            batches: batches.unwrap_or(GradientSize::beside_an_epoch(train_count, step).batches),
            samples: step,
        },
    };
    let held_out = splits.held_out.samples();
    let (train, held_out) = match session.sampler() {
        Sampler::Shuffled => (
            splits
                .train
                .subset(size.total(), seed.derive("train"))
                .samples()
                .to_vec(),
            // Their order is random already within a class, but not between classes.
            draw(held_out, size.total(), seed.derive("held-out")),
        ),
        // The gradients are those of the losses that training makes small: of samples as it draws them.
        sampler @ Sampler::Balanced(_) => {
            let drawn = |samples: &[SampleIndex], label: &str| {
                let count = size.total().min(samples.len());
                sampler.draw(samples, count, seed.derive(label)).samples
            };
            (
                drawn(splits.train.samples(), "train"),
                drawn(held_out, "held-out"),
            )
        }
    };
    let mut on_train = Vec::with_capacity(size.batches.min(train_count));
    let train = shuffled(&train, seed);
    gradients(
        session,
        &mut model,
        &Plan::evaluation(&train, size.samples),
        |batch| {
            on_train.push(batch);
            Ok(())
        },
    )?;
    // Only their mean counts, so they are few large batches.
    let mut on_held_out = GradientSums::default();
    gradients(session, &mut model, &Plan::evaluation(&held_out, step), |batch| {
        Ok(on_held_out.add(&batch)?)
    })?;
    let epoch = train_count.div_ceil(size.samples.get()).max(1);
    let products = gradient_products::inner_products(&on_train, &on_held_out, epoch)?;
    let of = GradientSamples {
        batches: on_train.len(),
        train: train.len(),
        held_out: held_out.len(),
    };
    Ok(Measured {
        products,
        of,
        groups: MeasuredGroups::new(session, &train, &held_out),
    })
}

fn shuffled(samples: &[SampleIndex], seed: Seed) -> Vec<SampleIndex> {
    draw(samples, samples.len(), seed.derive("order"))
}

fn draw(samples: &[SampleIndex], count: usize, seed: Seed) -> Vec<SampleIndex> {
    use rand::seq::SliceRandom;
    let mut drawn = samples.to_vec();
    drawn.shuffle(&mut seed.rng());
    drawn.truncate(count);
    drawn
}

/// Hands the gradients of each head's loss on each batch, in evaluation mode, to `take`.
fn gradients(
    session: &Session<'_>,
    model: &mut Multimodal,
    plan: &Plan<'_>,
    mut take: impl FnMut(BatchGradients) -> Result<()>,
) -> Result<()> {
    let heads = session.heads.len();
    let loader = session.loader_for(model, &ActiveHeads::all(heads))?;
    loader.for_each(plan, |_, batch| -> Result<()> {
        let LoadedBatch {
            samples,
            targets,
            inputs,
            ..
        } = batch;
        let inputs = Inputs::new(&session.device, samples.len(), inputs)?;
        let counted = model.criteria().counted(|head| inputs.targets_of(head, &targets));
        let mut collected: Vec<HeadGradient> = (0..heads).map(|_| HeadGradient::default()).collect();
        // The modalities' own losses share no parameter, so one backward pass gives the gradient of each.
        for active in [ActiveHeads::unimodal(heads), ActiveHeads::only(heads, heads - 1)] {
            let active = active
                .with_loss(&counted, |head| inputs.seen(head))
                .retaining(|head| !session.share_is_given(head));
            let pass = Pass::differentiate()
                .recomputing(session.recomputes)
                .keeping(session.config.run.activations_as);
            let outputs = model.forward(&inputs, &pass, &active)?;
            let mut sum: Option<Loss> = None;
            for (head, output) in outputs.into_iter().enumerate() {
                let Some(output) = output else { continue };
                let loss = model.loss(head, output, &inputs.targets_of(head, &targets), None)?;
                sum = Some(match sum {
                    None => loss,
                    Some(sum) => add(sum, loss)?,
                });
            }
            let Some(loss) = sum else {
                continue;
            };
            collect(model, &active, &mut backward(loss)?, &mut collected)?;
        }
        take(BatchGradients {
            samples: counted,
            heads: collected,
        })
    })?;
    Ok(())
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
