//! The inner products that the gradient estimator is made of: of each batch's gradient with the mean of others.
//!
//! On the CPU they are added up in float64; on a GPU where the gradients are, in float32, and only the sums are read.

#[cfg(any(feature = "cuda", test))]
mod device;
#[cfg(any(not(feature = "cuda"), test))]
mod host;

use gblend_core::ParamMut;
use gblend_core::tensor::Gradients;

#[cfg(feature = "cuda")]
pub(crate) use device::{OnDevice as HeadGradient, products};
#[cfg(not(feature = "cuda"))]
pub(crate) use host::{OnHost as HeadGradient, products};

use crate::error::Result;

/// The gradient of one head's loss, parameter after parameter.
pub(crate) trait Collected: Default {
    /// A sum of such gradients; empty if nothing was added.
    type Sum: Default;

    /// Appends the gradient of the next parameter.
    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()>;

    /// Adds it `samples` times.
    fn add_to(&self, sum: &mut Self::Sum, samples: usize) -> Result<()>;
}

/// One batch's gradient of each head's loss.
pub(crate) struct BatchGradients<G> {
    /// The samples that each head sees.
    pub(crate) samples: Vec<usize>,
    pub(crate) heads: Vec<G>,
}

/// The sum of each head's gradient over batches, each times the samples that the head sees.
pub(crate) struct Sums<G: Collected> {
    /// How many those are.
    pub(crate) samples: Vec<usize>,
    pub(crate) heads: Vec<G::Sum>,
}

impl<G: Collected> Default for Sums<G> {
    fn default() -> Self {
        Self {
            samples: Vec::new(),
            heads: Vec::new(),
        }
    }
}

impl<G: Collected> Sums<G> {
    /// Over these batches.
    pub(crate) fn of(batches: &[BatchGradients<G>]) -> Result<Self> {
        let mut sums = Self::default();
        for batch in batches {
            sums.add(batch)?;
        }
        Ok(sums)
    }

    /// Adds a batch.
    pub(crate) fn add(&mut self, batch: &BatchGradients<G>) -> Result<()> {
        self.samples.resize(batch.samples.len(), 0);
        self.heads.resize_with(batch.heads.len(), G::Sum::default);
        for (head, gradient) in batch.heads.iter().enumerate() {
            let seen = batch.samples[head];
            self.samples[head] += seen;
            gradient.add_to(&mut self.heads[head], seen)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gblend_core::AutoDevice;
    use gblend_core::dfdx::tensor::TensorFromVec;
    use gblend_core::ogr::InnerProducts;
    use proptest::prelude::*;

    use super::device::{self, OnDevice};
    use super::host::{self, OnHost};
    use super::{BatchGradients, Sums};

    /// Batches of two heads; the first may see nothing.
    fn batches(
        count: std::ops::Range<usize>,
        elements: usize,
    ) -> impl Strategy<Value = Vec<(Vec<usize>, Vec<Vec<f32>>)>> {
        let gradient = prop::collection::vec(-1.0_f32..1.0, elements);
        let batch = ((0_usize..4, 1_usize..4), prop::collection::vec(gradient, 2));
        let batch = batch.prop_map(|((first, second), heads)| (vec![first, second], heads));
        prop::collection::vec(batch, count)
    }

    fn on_host(batches: &[(Vec<usize>, Vec<Vec<f32>>)]) -> Vec<BatchGradients<OnHost>> {
        let batches = batches.iter().map(|(samples, heads)| BatchGradients {
            samples: samples.clone(),
            heads: heads.iter().map(|values| OnHost(values.clone())).collect(),
        });
        batches.collect()
    }

    /// Each gradient as that of two parameters.
    fn on_device(batches: &[(Vec<usize>, Vec<Vec<f32>>)]) -> Vec<BatchGradients<OnDevice>> {
        let device = AutoDevice::default();
        let tensor = |values: &[f32]| device.tensor_from_vec(values.to_vec(), (values.len(),));
        let batches = batches.iter().map(|(samples, heads)| {
            let heads = heads.iter().map(|values| {
                let (first, second) = values.split_at(values.len() / 2);
                OnDevice(vec![tensor(first), tensor(second)])
            });
            BatchGradients {
                samples: samples.clone(),
                heads: heads.collect(),
            }
        });
        batches.collect()
    }

    /// `o` and `b` of the second head, which sees every batch, each mean added up from nothing.
    fn defined(
        train: &[(Vec<usize>, Vec<Vec<f32>>)],
        held_out: &[(Vec<usize>, Vec<Vec<f32>>)],
        epoch: usize,
    ) -> (f64, f64) {
        let mean = |batches: &[&(Vec<usize>, Vec<Vec<f32>>)], element: usize| -> f64 {
            let samples: usize = batches.iter().map(|(samples, _)| samples[1]).sum();
            let terms = batches
                .iter()
                .map(|(samples, heads)| samples[1] as f64 * f64::from(heads[1][element]));
            terms.sum::<f64>() / samples.max(1) as f64
        };
        let held_out: Vec<_> = held_out.iter().collect();
        let (mut overfitting, mut gain) = (0.0, 0.0);
        for (position, batch) in train.iter().enumerate() {
            let others = train.iter().enumerate().filter(|(other, _)| *other != position);
            let others: Vec<_> = others.map(|(_, batch)| batch).collect();
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            for (element, &step) in batch.1[1].iter().enumerate() {
                let step = f64::from(step);
                let on_train = share * step + (1.0 - share) * mean(&others, element);
                let on_held_out = mean(&held_out, element);
                overfitting += (on_train - on_held_out) * step / train.len() as f64;
                gain += on_held_out * step / train.len() as f64;
            }
        }
        (overfitting, gain)
    }

    proptest! {
        #[test]
        fn the_host_finds_what_the_definition_says(
            train in batches(1..9, 21),
            held_out in batches(1..4, 21),
            epoch in 1_usize..9,
        ) {
            let sums = Sums::of(&on_host(&held_out)).unwrap();
            if let Ok(products) = host::products(&on_host(&train), &sums, epoch) {
                let (overfitting, gain) = defined(&train, &held_out, epoch);
                let moved = products.movements();
                prop_assert!((moved.delta_o[1] - overfitting).abs() < 1e-12);
                prop_assert!((moved.delta_g[1] - gain).abs() < 1e-12);
            }
        }

        #[test]
        fn the_device_finds_what_the_host_finds(
            train in batches(1..6, 8),
            held_out in batches(1..4, 8),
            epoch in 1_usize..9,
        ) {
            let host = host::products(&on_host(&train), &Sums::of(&on_host(&held_out)).unwrap(), epoch);
            let device = device::products(&on_device(&train), &Sums::of(&on_device(&held_out)).unwrap(), epoch);
            match (host, device) {
                (Ok(host), Ok(device)) => {
                    let values = |products: &InnerProducts| {
                        let movements = products.movements();
                        let mut values = [movements.delta_o, movements.delta_g].concat();
                        values.extend([(0, 0), (0, 1), (1, 1)].map(|(j, k)| movements.covariance.get(j, k)));
                        values
                    };
                    let (host, device) = (values(&host), values(&device));
                    for (a, b) in host.iter().zip(&device) {
                        prop_assert!((a - b).abs() < 1e-4, "{} {}", a, b);
                    }
                }
                (host, device) => prop_assert_eq!(host.is_err(), device.is_err()),
            }
        }
    }
}
