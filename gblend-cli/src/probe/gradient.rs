//! The gradient estimator: inner products of gradients at the live parameters, without any training.

use std::num::NonZeroUsize;

use gblend_core::nn::backward;
use gblend_core::ogr::InnerProducts;
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, load_state};
use gblend_core::tensor::{Gradients, Loss};
use gblend_core::{ParamMut, Pass, Seed};
use gblend_optim::network::{Network, Part};

use crate::data::loader::{LoadedBatch, Plan};
use crate::data::position::SampleIndex;
use crate::data::split::{Evaluable, Splits};
use crate::error::Result;
use crate::gradient_products::{BatchGradients, Collected, HeadGradient, products};
use crate::inputs::Inputs;
use crate::model::{ActiveHeads, Multimodal};
use crate::session::Session;

/// Proposition 1 evaluated at the live parameters: the inner products of each head's training gradients with the
/// gradients of its own losses on training and on held-out samples.
///
/// # Errors
/// What a sample or the device complains about.
pub(super) fn inner_products(
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

/// Gradients of each head's loss on each batch, in evaluation mode.
fn gradients(
    session: &Session<'_>,
    model: &mut Multimodal,
    samples: &[SampleIndex],
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
