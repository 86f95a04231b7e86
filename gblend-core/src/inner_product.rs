//! Inner products of gradients, added up on the device and read once.

use dfdx::shapes::{HasShape, Rank0, Shape};
use dfdx::tensor_ops::{ReshapeTo, SumTo, TryAdd, TryMul};

use crate::error::{Error, Result};
use crate::params::ParamMut;
use crate::tensor::{Dims1, Gradients, Plain};
use crate::with_param;

/// The gradient of one parameter on the device, its elements in one row; zeros if the backward pass left none.
///
/// # Errors
/// [`Error::Device`] if the device has no memory for it.
pub fn flat_gradient(param: &ParamMut<'_>, gradients: &mut Gradients) -> Result<Plain<Dims1>> {
    with_param!(param, tensor => {
        let tensor = &**tensor;
        gradients.try_alloc_for(tensor).map_err(Error::device)?;
        let gradient = gradients.get(tensor);
        let length = gradient.shape().num_elements();
        gradient.try_reshape_like(&(length,)).map_err(Error::device)
    })
}

/// A sum of inner products.
#[derive(Clone, Debug, Default)]
pub struct InnerProduct {
    sum: Option<Plain<Rank0>>,
}

impl InnerProduct {
    /// Adds that of two vectors.
    ///
    /// # Errors
    /// [`Error::Shape`] if they differ in length, [`Error::Device`].
    pub fn add(&mut self, left: &Plain<Dims1>, right: &Plain<Dims1>) -> Result<()> {
        if left.shape() != right.shape() {
            let expected = format!("two vectors of {} elements", left.shape().0);
            return Err(Error::shape("an inner product", expected, [right.shape().0]));
        }
        let product = left.clone().try_mul(right.clone());
        let product: Plain<Rank0> = product.and_then(SumTo::try_sum).map_err(Error::device)?;
        self.sum = Some(match self.sum.take() {
            None => product,
            Some(sum) => sum.try_add(product).map_err(Error::device)?,
        });
        Ok(())
    }

    /// Reads it, for which the host waits for the device. 0 if nothing was added.
    pub fn value(&self) -> f64 {
        let value = self.sum.as_ref().and_then(|sum| sum.as_vec().first().copied());
        value.map_or(0.0, f64::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::AutoDevice;
    use dfdx::tensor::TensorFromVec;
    use proptest::prelude::*;

    fn vector(values: &[f32]) -> Plain<Dims1> {
        AutoDevice::default().tensor_from_vec(values.to_vec(), (values.len(),))
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
        assert!(
            InnerProduct::default()
                .add(&vector(&[1.0]), &vector(&[1.0, 2.0]))
                .is_err()
        );
        assert_eq!(InnerProduct::default().value(), 0.0);
    }
}
