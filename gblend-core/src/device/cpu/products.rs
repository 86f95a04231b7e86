//! Inner products of gradients in the host's memory, in float64.

use dfdx::tensor::Cpu;
use rayon::prelude::*;

use crate::device::Store;
use crate::device::products::{Batch, Collected, Products};
use crate::engine::ParamOn;
use crate::error::{Error, Result};
use crate::shape::Shape;

/// Sums side by side in an inner product.
const LANES: usize = 8;

/// A gradient in the host's memory.
#[derive(Debug, Default)]
pub(crate) struct OnHost(pub(crate) Vec<f32>);

impl Collected for OnHost {
    type Sum = Vec<f64>;
    type Product = f64;

    fn append<S: Shape>(&mut self, tensor: &ParamOn<S, Cpu>, store: &mut Store) -> Result<()> {
        let gradient = store.get_or_alloc_mut(tensor).map_err(Error::device)?;
        self.0.extend_from_slice(gradient);
        Ok(())
    }

    fn add_to(&self, sum: &mut Self::Sum, samples: usize) -> Result<()> {
        sum.resize(self.0.len(), 0.0);
        for (sum, &value) in sum.iter_mut().zip(&self.0) {
            *sum += samples as f64 * f64::from(value);
        }
        Ok(())
    }

    fn products(
        batches: &[Batch<'_, Self>],
        on_train: &Self::Sum,
        on_held_out: &Self::Sum,
    ) -> Result<Vec<Products<f64>>> {
        // Each batch's sums are its own, whatever thread adds them up.
        let products = batches.par_iter().map(|batch| {
            let gradient = &batch.gradient.0;
            Products {
                own: along(gradient, gradient),
                on_train: along(on_train, gradient),
                on_held_out: along(on_held_out, gradient),
            }
        });
        Ok(products.collect())
    }

    fn read(product: &f64) -> f64 {
        *product
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dfdx::tensor::{Cpu, TensorFromVec};
    use proptest::prelude::*;

    use super::OnHost;
    use crate::device::composed::products::OnDevice;
    use crate::device::products::{Batch, Collected, Sum, of_head};

    /// The samples and the gradient of each batch.
    type Batches = Vec<(usize, Vec<f32>)>;

    fn batches(
        count: std::ops::Range<usize>,
        samples: std::ops::Range<usize>,
        elements: usize,
    ) -> impl Strategy<Value = Batches> {
        let gradient = prop::collection::vec(-1.0_f32..1.0, elements);
        prop::collection::vec((samples, gradient), count)
    }

    fn on_host(values: &[f32]) -> OnHost {
        OnHost(values.to_vec())
    }

    /// As that of two parameters.
    fn on_device(values: &[f32]) -> OnDevice {
        let (first, second) = values.split_at(values.len() / 2);
        let tensor = |values: &[f32]| Cpu::default().tensor_from_vec(values.to_vec(), (values.len(),));
        OnDevice(vec![tensor(first), tensor(second)])
    }

    /// `o` and `b` of each batch.
    fn found<G: Collected>(
        make: fn(&[f32]) -> G,
        train: &Batches,
        held_out: &Batches,
        epoch: usize,
    ) -> Vec<(Option<f64>, Option<f64>)> {
        let gradients: Vec<G> = train.iter().map(|(_, values)| make(values)).collect();
        let train: Vec<Batch<'_, G>> = train
            .iter()
            .zip(&gradients)
            .map(|(&(samples, _), gradient)| Batch { samples, gradient })
            .collect();
        let mut sum = Sum::default();
        for (samples, values) in held_out {
            sum.add(*samples, &make(values)).unwrap();
        }
        of_head(&train, &sum, epoch).unwrap()
    }

    /// The same, each mean added up from nothing.
    fn defined(train: &Batches, held_out: &Batches, epoch: usize) -> Vec<(f64, f64)> {
        let mean = |batches: &[&(usize, Vec<f32>)], element: usize| -> f64 {
            let samples: usize = batches.iter().map(|(samples, _)| samples).sum();
            let terms = batches
                .iter()
                .map(|(samples, values)| *samples as f64 * f64::from(values[element]));
            terms.sum::<f64>() / samples.max(1) as f64
        };
        let held_out: Vec<_> = held_out.iter().collect();
        let batch = |(position, (_, values)): (usize, &(usize, Vec<f32>))| {
            let others = train.iter().enumerate().filter(|(other, _)| *other != position);
            let others: Vec<_> = others.map(|(_, batch)| batch).collect();
            let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
            let (mut overfitting, mut gain) = (0.0, 0.0);
            for (element, &step) in values.iter().enumerate() {
                let step = f64::from(step);
                let on_train = share * step + (1.0 - share) * mean(&others, element);
                let on_held_out = mean(&held_out, element);
                overfitting += (on_train - on_held_out) * step;
                gain += on_held_out * step;
            }
            (overfitting, gain)
        };
        train.iter().enumerate().map(batch).collect()
    }

    proptest! {
        #[test]
        fn the_host_finds_what_the_definition_says(
            train in batches(1..9, 1..4, 21),
            held_out in batches(1..4, 0..4, 21),
            epoch in 1_usize..9,
        ) {
            let expected = defined(&train, &held_out, epoch);
            for ((o, b), expected) in found(on_host, &train, &held_out, epoch).into_iter().zip(expected) {
                prop_assert!((o.unwrap() - expected.0).abs() < 1e-12);
                prop_assert!((b.unwrap() - expected.1).abs() < 1e-12);
            }
        }

        #[test]
        fn the_device_finds_what_the_host_finds(
            train in batches(1..6, 0..4, 8),
            held_out in batches(1..4, 0..4, 8),
            epoch in 1_usize..9,
        ) {
            let host = found(on_host, &train, &held_out, epoch);
            let device = found(on_device, &train, &held_out, epoch);
            for (batch, (host, device)) in host.iter().zip(&device).enumerate() {
                prop_assert_eq!(host.0.is_none(), train[batch].0 == 0);
                for (host, device) in [(host.0, device.0), (host.1, device.1)] {
                    let difference = host.zip(device).map_or(0.0, |(a, b)| (a - b).abs());
                    prop_assert!(host.is_some() == device.is_some() && difference < 1e-4, "{host:?} {device:?}");
                }
            }
        }
    }
}
