//! The inner products that the gradient estimator is made of: of each batch's gradient with the mean of others.
//!
//! On the processor they are added up in float64; on a GPU where the gradients are, in float32, and only the sums are read.

use crate::device::chosen;
use crate::device::products::{Batch, Collected, Sum, of_head};
use crate::error::Result;
use crate::ogr::InnerProducts;
use crate::params::{ParamMut, with_param};
use crate::tensor::Gradients;

/// The gradient of one head's loss, parameter after parameter.
#[derive(Debug, Default)]
pub struct HeadGradient(chosen::HeadGradient);

impl HeadGradient {
    /// Appends the gradient of the next parameter.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> Result<()> {
        with_param!(&param.0, tensor => self.0.append(&tensor.0, &mut gradients.0))
    }
}

/// One batch's gradient of each head's loss.
#[derive(Debug)]
pub struct BatchGradients {
    /// The samples that each head sees.
    pub samples: Vec<usize>,
    /// The gradient of each head.
    pub heads: Vec<HeadGradient>,
}

/// The sum of each head's gradient over batches, each times the samples that the head sees.
#[derive(Debug, Default)]
pub struct GradientSums(Vec<Sum<chosen::HeadGradient>>);

impl GradientSums {
    /// Adds a batch.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn add(&mut self, batch: &BatchGradients) -> Result<()> {
        self.0.resize_with(batch.heads.len(), Sum::default);
        let heads = self.0.iter_mut().zip(&batch.samples).zip(&batch.heads);
        for ((sum, &samples), gradient) in heads {
            sum.add(samples, &gradient.0)?;
        }
        Ok(())
    }
}

/// `o_k` and `b_k` of each training batch and head. The training gradient is that of a whole epoch of `epoch` batches: the
/// batch itself, which the step follows, counts as one of them, and the mean of the others stands for the rest. The
/// held-out gradient is the mean over all of `held_out`.
///
/// # Errors
/// [`Error::Blend`](crate::Error::Blend) if a head sees no sample, [`Error::Device`](crate::Error::Device).
pub fn inner_products(
    train: &[BatchGradients],
    held_out: &GradientSums,
    epoch: usize,
) -> Result<InnerProducts> {
    let (mut overfitting, mut gain) = (Vec::new(), Vec::new());
    for (head, held_out) in held_out.0.iter().enumerate() {
        let batches: Vec<Batch<'_, _>> = train
            .iter()
            .map(|batch| Batch {
                samples: batch.samples[head],
                gradient: &batch.heads[head].0,
            })
            .collect();
        let (o, b) = of_head(&batches, held_out, epoch)?.into_iter().unzip();
        overfitting.push(o);
        gain.push(b);
    }
    InnerProducts::with_gaps(overfitting, gain)
}
