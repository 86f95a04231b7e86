//! On the device that computed the gradients.

use gblend_core::dfdx::prelude::{TryAdd, TryMul};
use gblend_core::inner_product::{InnerProduct, flat_gradient};
use gblend_core::ogr::InnerProducts;
use gblend_core::tensor::{Dims1, Gradients, Plain};
use gblend_core::{Error, ParamMut};

use super::{BatchGradients, Collected, Sums};
use crate::error::Result;

/// A gradient on the device, a vector for each parameter.
#[derive(Default)]
pub(crate) struct OnDevice(pub(crate) Vec<Plain<Dims1>>);

impl Collected for OnDevice {
    type Sum = Vec<Plain<Dims1>>;

    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()> {
        self.0.push(flat_gradient(param, gradients)?);
        Ok(())
    }

    fn add_to(&self, sum: &mut Self::Sum, samples: usize) -> Result<()> {
        for (position, gradient) in self.0.iter().enumerate() {
            let term = gradient.clone().try_mul(samples as f32).map_err(Error::device)?;
            match sum.get_mut(position) {
                None => sum.push(term),
                Some(sum) => *sum = sum.clone().try_add(term).map_err(Error::device)?,
            }
        }
        Ok(())
    }
}

/// The inner products of one batch, which nobody has read yet.
struct Unread {
    seen: usize,
    /// With itself.
    own: InnerProduct,
    /// With the sum over all training batches, each times its samples.
    with_train: InnerProduct,
    /// With the same over the held-out batches.
    with_held_out: InnerProduct,
}

/// As on the host.
pub(crate) fn products(
    train: &[BatchGradients<OnDevice>],
    held_out: &Sums<OnDevice>,
    epoch: usize,
) -> Result<InnerProducts> {
    let on_train = Sums::of(train)?;
    let heads = on_train.heads.len();
    let (mut overfitting, mut gain) = (vec![Vec::new(); heads], vec![Vec::new(); heads]);
    for head in 0..heads {
        let mut unread = Vec::with_capacity(train.len());
        for batch in train {
            let gradient = &batch.heads[head].0;
            unread.push(Unread {
                seen: batch.samples[head],
                own: along(gradient, gradient)?,
                with_train: along(gradient, &on_train.heads[head])?,
                with_held_out: along(gradient, &held_out.heads[head])?,
            });
        }
        for batch in unread {
            if batch.seen == 0 {
                gain[head].push(None);
                overfitting[head].push(None);
                continue;
            }
            let own = batch.own.value();
            let rest = on_train.samples[head] - batch.seen;
            let others = match rest {
                0 => 0.0,
                rest => (batch.with_train.value() - batch.seen as f64 * own) / rest as f64,
            };
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            let on_train = share * own + (1.0 - share) * others;
            let gained = batch.with_held_out.value() / held_out.samples[head].max(1) as f64;
            gain[head].push(Some(gained));
            overfitting[head].push(Some(on_train - gained));
        }
    }
    Ok(InnerProducts::with_gaps(overfitting, gain)?)
}

fn along(left: &[Plain<Dims1>], right: &[Plain<Dims1>]) -> Result<InnerProduct> {
    let mut product = InnerProduct::default();
    for (left, right) in left.iter().zip(right) {
        product.add(left, right)?;
    }
    Ok(product)
}
