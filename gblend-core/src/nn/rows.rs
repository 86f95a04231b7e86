//! Rows of a batch of which only some are there.

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, TensorFromVec};
use dfdx::tensor_ops::TryMatMul;

use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::tensor::Features;

/// Puts `[rows, features]` at these places of `[batch, features]`; the other rows are zeros.
///
/// A product with a matrix of zeros and ones, which runs on any device and moves every value unchanged.
///
/// # Errors
/// [`Error::Shape`] if there is not one place below `batch` for each row, [`Error::Device`].
pub fn scatter_rows(features: Features, places: &[usize], batch: usize) -> Result<Features> {
    let &(rows, _) = features.shape();
    if places.len() != rows || places.iter().any(|&place| place >= batch) {
        let expected = format!("one below {batch} for each of {rows} rows");
        return Err(Error::shape("places of rows", expected, places));
    }
    let mut selection = vec![0.0; batch * rows];
    for (row, &place) in places.iter().enumerate() {
        selection[place * rows + row] = 1.0;
    }
    features
        .device()
        .try_tensor_from_vec(selection, (batch, rows))
        .map(|selection| selection.put_tape(Recorder::for_data()))
        .and_then(|selection| selection.try_matmul(features))
        .map_err(Error::device)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::backward;
    use crate::tensor::AutoDevice;
    use dfdx::tensor_ops::{SumTo, TryMul};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_to_their_places_and_so_do_their_gradients(
            values in proptest::collection::vec(-9.0_f32..9.0, 6),
            places in proptest::sample::subsequence((0..5_usize).collect::<Vec<_>>(), 3),
        ) {
            let device = AutoDevice::default();
            let tensor = device.tensor_from_vec(values.clone(), (3, 2));
            let scattered = scatter_rows(tensor.retaped(), &places, 5).unwrap();
            let mut expected = vec![0.0; 10];
            for (row, place) in places.iter().enumerate() {
                expected[2 * place..2 * place + 2].copy_from_slice(&values[2 * row..2 * row + 2]);
            }
            prop_assert_eq!(scattered.as_vec(), expected);
            let weights: Vec<f32> = (0..10).map(|i| i as f32).collect();
            let weighted = device.tensor_from_vec(weights.clone(), (5, 2)).put_tape(Recorder::for_data());
            let gradients = backward(scattered.try_mul(weighted).unwrap().sum()).unwrap();
            let gradient = gradients.get(&tensor).as_vec();
            for (row, place) in places.iter().enumerate() {
                prop_assert_eq!(&gradient[2 * row..2 * row + 2], &weights[2 * place..2 * place + 2]);
            }
        }
    }

    #[test]
    fn places_that_do_not_fit_are_refused() {
        let features = || {
            AutoDevice::default()
                .tensor_from_vec(vec![1.0, 2.0], (2, 1))
                .put_tape(Recorder::off())
        };
        assert!(scatter_rows(features(), &[0], 3).is_err());
        assert!(scatter_rows(features(), &[0, 3], 3).is_err());
    }
}
