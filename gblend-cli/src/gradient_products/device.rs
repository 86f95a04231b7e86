//! On the device that computed the gradients.

use gblend_core::dfdx::prelude::{TryAdd, TryMul};
use gblend_core::inner_product::{InnerProduct, flat_gradient};
use gblend_core::ogr::InnerProducts;
use gblend_core::tensor::{Dims1, Gradients, Plain};
use gblend_core::{Error, ParamMut};

use super::{BatchGradients, Collected};
use crate::error::Result;

/// A gradient on the device, a vector for each parameter.
#[derive(Default)]
pub(crate) struct OnDevice(pub(crate) Vec<Plain<Dims1>>);

impl Collected for OnDevice {
    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()> {
        self.0.push(flat_gradient(param, gradients)?);
        Ok(())
    }
}

/// The sums of one batch, which nobody has read yet.
struct Sums {
    seen: usize,
    /// With itself.
    own: InnerProduct,
    /// With the sum over all training batches, each times its samples.
    with_train: InnerProduct,
    /// With the same over the held-out batches.
    with_held_out: InnerProduct,
}

/// As on the host. The mean over the other batches is that over all without the batch's own part.
pub(crate) fn products(
    train: &[BatchGradients<OnDevice>],
    held_out: &[BatchGradients<OnDevice>],
    epoch: usize,
) -> Result<InnerProducts> {
    let heads = train.first().map_or(0, |batch| batch.heads.len());
    let (mut overfitting, mut gain) = (vec![Vec::new(); heads], vec![Vec::new(); heads]);
    for head in 0..heads {
        let (on_train, train_samples) = sum(train, head)?;
        let (on_held_out, held_out_samples) = sum(held_out, head)?;
        let mut sums = Vec::with_capacity(train.len());
        for batch in train {
            let gradient = &batch.heads[head].0;
            sums.push(Sums {
                seen: batch.samples[head],
                own: along(gradient, gradient)?,
                with_train: along(gradient, &on_train)?,
                with_held_out: along(gradient, &on_held_out)?,
            });
        }
        for batch in sums {
            if batch.seen == 0 {
                gain[head].push(None);
                overfitting[head].push(None);
                continue;
            }
            let own = batch.own.value();
            let rest = train_samples - batch.seen;
            let others = match rest {
                0 => 0.0,
                rest => (batch.with_train.value() - batch.seen as f64 * own) / rest as f64,
            };
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            let on_train = share * own + (1.0 - share) * others;
            let gained = batch.with_held_out.value() / held_out_samples.max(1) as f64;
            gain[head].push(Some(gained));
            overfitting[head].push(Some(on_train - gained));
        }
    }
    Ok(InnerProducts::with_gaps(overfitting, gain)?)
}

/// The sum of a head's gradient over all batches, each times the samples that the head sees, and how many those are.
fn sum(batches: &[BatchGradients<OnDevice>], head: usize) -> Result<(Vec<Plain<Dims1>>, usize)> {
    let mut sum: Vec<Plain<Dims1>> = Vec::new();
    let mut samples = 0;
    for batch in batches {
        let seen = batch.samples[head];
        samples += seen;
        for (position, gradient) in batch.heads[head].0.iter().enumerate() {
            let term = gradient.clone().try_mul(seen as f32).map_err(Error::device)?;
            match sum.get_mut(position) {
                None => sum.push(term),
                Some(sum) => *sum = sum.clone().try_add(term).map_err(Error::device)?,
            }
        }
    }
    Ok((sum, samples))
}

fn along(left: &[Plain<Dims1>], right: &[Plain<Dims1>]) -> Result<InnerProduct> {
    let mut product = InnerProduct::default();
    for (left, right) in left.iter().zip(right) {
        product.add(left, right)?;
    }
    Ok(product)
}
