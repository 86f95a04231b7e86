//! On the host, in float64.

use gblend_core::ParamMut;
use gblend_core::ogr::InnerProducts;
use gblend_core::tensor::Gradients;

use super::{BatchGradients, Collected};
use crate::error::Result;

/// A gradient in the host's memory.
#[derive(Default)]
pub(crate) struct OnHost(pub(crate) Vec<f32>);

impl Collected for OnHost {
    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()> {
        self.0.extend_from_slice(param.gradient(gradients)?.values());
        Ok(())
    }
}

/// `o_k` and `b_k` of each batch. The training gradient is that of a whole epoch of `epoch` batches: the batch itself,
/// which the step follows, counts as one of them, and the mean of the others stands for the rest.
pub(crate) fn products(
    train: &[BatchGradients<OnHost>],
    held_out: &[BatchGradients<OnHost>],
    epoch: usize,
) -> Result<InnerProducts> {
    let heads = train.first().map_or(0, |batch| batch.heads.len());
    let (mut overfitting, mut gain) = (vec![Vec::new(); heads], vec![Vec::new(); heads]);
    for head in 0..heads {
        let on_held_out = mean_gradient(held_out, head, None);
        for (position, batch) in train.iter().enumerate() {
            if batch.samples[head] == 0 {
                gain[head].push(None);
                overfitting[head].push(None);
                continue;
            }
            let direction = &batch.heads[head].0;
            let along = |gradient: &[f64]| -> f64 {
                gradient
                    .iter()
                    .zip(direction)
                    .map(|(a, &b)| a * f64::from(b))
                    .sum()
            };
            let own: f64 = direction.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            let others = along(&mean_gradient(train, head, Some(position)));
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            let on_train = share * own + (1.0 - share) * others;
            let gained = along(&on_held_out);
            gain[head].push(Some(gained));
            overfitting[head].push(Some(on_train - gained));
        }
    }
    Ok(InnerProducts::with_gaps(overfitting, gain)?)
}

/// The mean over samples of a head's gradient, over all batches but one.
fn mean_gradient(batches: &[BatchGradients<OnHost>], head: usize, without: Option<usize>) -> Vec<f64> {
    let length = batches.first().map_or(0, |batch| batch.heads[head].0.len());
    let mut sum = vec![0.0; length];
    let mut samples = 0;
    for (position, batch) in batches.iter().enumerate() {
        if Some(position) == without {
            continue;
        }
        let seen = batch.samples[head];
        samples += seen;
        for (sum, &value) in sum.iter_mut().zip(&batch.heads[head].0) {
            *sum += seen as f64 * f64::from(value);
        }
    }
    let samples = samples.max(1) as f64;
    sum.iter_mut().for_each(|value| *value /= samples);
    sum
}
