//! Inner products of gradients on the device that computed them, in float32; only the sums are read.

use dfdx::shapes::{HasShape, Rank0};
use dfdx::tensor_ops::{Device, SumTo, TryAdd, TryMul};

use super::flat_gradient;
use crate::device::products::{Batch, Collected, Products};
use crate::device::{Chosen, Store};
use crate::engine::ParamOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Shape};

/// A gradient on the device, a vector for each parameter.
#[derive(Debug, Default)]
pub(crate) struct OnDevice(pub(crate) Vec<ParamOn<Dims1, Chosen>>);

impl Collected for OnDevice {
    type Sum = Vec<ParamOn<Dims1, Chosen>>;
    type Product = InnerProduct<Chosen>;

    fn append<S: Shape>(&mut self, tensor: &ParamOn<S, Chosen>, store: &mut Store) -> Result<()> {
        self.0.push(flat_gradient(tensor, store)?);
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

    fn products(
        batches: &[Batch<'_, Self>],
        on_train: &Self::Sum,
        on_held_out: &Self::Sum,
    ) -> Result<Vec<Products<Self::Product>>> {
        let products = batches.iter().map(|batch| {
            let gradient = &batch.gradient.0;
            Ok(Products {
                own: along(gradient, gradient)?,
                on_train: along(gradient, on_train)?,
                on_held_out: along(gradient, on_held_out)?,
            })
        });
        products.collect()
    }

    fn read(product: &Self::Product) -> f64 {
        product.value()
    }
}

fn along<D: Device<f32>>(left: &[ParamOn<Dims1, D>], right: &[ParamOn<Dims1, D>]) -> Result<InnerProduct<D>> {
    let mut product = InnerProduct::default();
    for (left, right) in left.iter().zip(right) {
        product.add(left, right)?;
    }
    Ok(product)
}

/// A sum of inner products, added up on the device and read once.
#[derive(Debug)]
pub(crate) struct InnerProduct<D: Device<f32>> {
    sum: Option<ParamOn<Rank0, D>>,
}

impl<D: Device<f32>> Default for InnerProduct<D> {
    fn default() -> Self {
        Self { sum: None }
    }
}

impl<D: Device<f32>> InnerProduct<D> {
    /// Adds that of two vectors.
    ///
    /// # Errors
    /// [`Error::Shape`] if they differ in length, [`Error::Device`].
    pub(crate) fn add(&mut self, left: &ParamOn<Dims1, D>, right: &ParamOn<Dims1, D>) -> Result<()> {
        if left.shape() != right.shape() {
            let expected = format!("two vectors of {} elements", left.shape().0);
            return Err(Error::shape("an inner product", expected, [right.shape().0]));
        }
        let product = left.clone().try_mul(right.clone());
        let product: ParamOn<Rank0, D> = product.and_then(SumTo::try_sum).map_err(Error::device)?;
        self.sum = Some(match self.sum.take() {
            None => product,
            Some(sum) => sum.try_add(product).map_err(Error::device)?,
        });
        Ok(())
    }

    /// Reads it, for which the host waits for the device. 0 if nothing was added.
    pub(crate) fn value(&self) -> f64 {
        let value = self.sum.as_ref().and_then(|sum| sum.as_vec().first().copied());
        value.map_or(0.0, f64::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dfdx::tensor::{Cpu, TensorFromVec};
    use proptest::prelude::*;

    fn vector(values: &[f32]) -> ParamOn<Dims1, Cpu> {
        Cpu::default().tensor_from_vec(values.to_vec(), (values.len(),))
    }

    proptest! {
        #[test]
        fn inner_products_add_up(
            pairs in proptest::collection::vec((-2.0_f32..2.0, -2.0_f32..2.0), 2..40),
            split in 1_usize..39,
        ) {
            let (left, right): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let split = split.min(left.len() - 1);
            let mut sum = InnerProduct::default();
            sum.add(&vector(&left[..split]), &vector(&right[..split])).unwrap();
            sum.add(&vector(&left[split..]), &vector(&right[split..])).unwrap();
            let terms = left.iter().zip(&right).map(|(&a, &b)| f64::from(a) * f64::from(b));
            prop_assert!((sum.value() - terms.sum::<f64>()).abs() < 1e-4);
        }
    }

    #[test]
    fn vectors_of_two_lengths_have_no_inner_product() {
        let (one, two) = (vector(&[1.0]), vector(&[1.0, 2.0]));
        assert!(InnerProduct::default().add(&one, &two).is_err());
        assert_eq!(InnerProduct::<Cpu>::default().value(), 0.0);
    }
}
