//! On the host, in float64.

use gblend_core::ParamMut;
use gblend_core::ogr::InnerProducts;
use gblend_core::tensor::Gradients;
use rayon::prelude::*;

use super::{BatchGradients, Collected, Sums};
use crate::error::Result;

/// Sums side by side in an inner product.
const LANES: usize = 8;

/// A gradient in the host's memory.
#[derive(Default)]
pub(crate) struct OnHost(pub(crate) Vec<f32>);

impl Collected for OnHost {
    type Sum = Vec<f64>;

    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()> {
        self.0.extend_from_slice(param.gradient(gradients)?.values());
        Ok(())
    }

    fn add_to(&self, sum: &mut Self::Sum, samples: usize) -> Result<()> {
        sum.resize(self.0.len(), 0.0);
        for (sum, &value) in sum.iter_mut().zip(&self.0) {
            *sum += samples as f64 * f64::from(value);
        }
        Ok(())
    }
}

/// `o_k` and `b_k` of each batch. The training gradient is that of a whole epoch of `epoch` batches: the batch itself,
/// which the step follows, counts as one of them, and the mean of the others stands for the rest.
pub(crate) fn products(
    train: &[BatchGradients<OnHost>],
    held_out: &Sums<OnHost>,
    epoch: usize,
) -> Result<InnerProducts> {
    let on_train = Sums::of(train)?;
    let heads = on_train.heads.len();
    let (mut overfitting, mut gain) = (vec![Vec::new(); heads], vec![Vec::new(); heads]);
    for head in 0..heads {
        // Each batch's sums are its own, whatever thread adds them up.
        let products = train.par_iter().map(|batch| {
            let seen = batch.samples[head];
            if seen == 0 {
                return None;
            }
            let direction = &batch.heads[head].0;
            let own = along(direction, direction);
            let others = match on_train.samples[head] - seen {
                0 => 0.0,
                rest => (along(&on_train.heads[head], direction) - seen as f64 * own) / rest as f64,
            };
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            let on_train = share * own + (1.0 - share) * others;
            let gained = along(&held_out.heads[head], direction) / held_out.samples[head].max(1) as f64;
            Some((on_train - gained, gained))
        });
        let products: Vec<Option<(f64, f64)>> = products.collect();
        (overfitting[head], gain[head]) = products
            .into_iter()
            .map(|products| (products.map(|(o, _)| o), products.map(|(_, b)| b)))
            .unzip();
    }
    Ok(InnerProducts::with_gaps(overfitting, gain)?)
}

/// The inner product of two vectors of one length.
fn along<T: Copy + Into<f64>>(gradient: &[T], direction: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (left, left_rest) = gradient.as_chunks::<LANES>();
    let (right, right_rest) = direction.as_chunks::<LANES>();
    for (left, right) in left.iter().zip(right) {
        for ((sum, &left), &right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left.into() * f64::from(right);
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    let rest: f64 = rest.map(|(&left, &right)| left.into() * f64::from(right)).sum();
    sums.iter().sum::<f64>() + rest
}
