//! Batches of which only some samples are there.

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, TensorFromVec};
use dfdx::tensor_ops::{TryMatMul, TryMul};

use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::tensor::{Features, Maps, reshape};

/// Puts `[rows, features]` at these places of `[batch, features]`; the other rows are zeros.
///
/// A product with a matrix of zeros and ones, which runs on any device and moves every value unchanged.
///
/// # Errors
/// [`Error::Shape`] if there is not one place below `batch` for each row, [`Error::Device`].
pub fn scatter_rows(features: Features, places: &[usize], batch: usize) -> Result<Features> {
    let &(rows, _) = features.shape();
    check(places, rows, batch)?;
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

/// Puts the samples of `[channels, height, width, frames × rows]` at these places of `[channels, height, width, frames ×
/// batch]`, the batch innermost in both; the other samples are zeros.
///
/// # Errors
/// As [`scatter_rows`].
pub fn scatter_maps(maps: Maps, places: &[usize], batch: usize) -> Result<Maps> {
    let &(channels, height, width, columns) = maps.shape();
    let rows = places.len();
    if rows == 0 || !columns.is_multiple_of(rows) {
        let expected = format!("frames of {rows} samples");
        return Err(Error::shape("maps", expected, [channels, height, width, columns]));
    }
    check(places, rows, batch)?;
    let frames = columns / rows;
    let mut selection = vec![0.0; rows * batch];
    for (row, &place) in places.iter().enumerate() {
        selection[row * batch + place] = 1.0;
    }
    let selection = maps
        .device()
        .try_tensor_from_vec(selection, (rows, batch))
        .map_err(Error::device)?
        .put_tape(Recorder::for_data());
    let scattered = reshape(maps, (channels * height * width * frames, rows))?
        .try_matmul(selection)
        .map_err(Error::device)?;
    reshape(scattered, (channels, height, width, frames * batch))
}

/// Keeps the rows of `[batch, features]` that are present; the others become zeros, and no gradient goes through them.
///
/// # Errors
/// [`Error::Shape`] if there is not one answer for each row, [`Error::Device`].
pub fn mask_rows(features: Features, present: &[bool]) -> Result<Features> {
    let &(batch, width) = features.shape();
    if present.len() != batch {
        let expected = format!("one answer for each of {batch} rows");
        return Err(Error::shape("a mask of rows", expected, [present.len()]));
    }
    let mask = present.iter().map(|&present| f32::from(u8::from(present)));
    let mask = mask.flat_map(|value| std::iter::repeat_n(value, width)).collect();
    features
        .device()
        .try_tensor_from_vec(mask, (batch, width))
        .map(|mask| mask.put_tape(Recorder::for_data()))
        .and_then(|mask| features.try_mul(mask))
        .map_err(Error::device)
}

fn check(places: &[usize], rows: usize, batch: usize) -> Result<()> {
    if places.len() == rows && places.iter().all(|&place| place < batch) {
        return Ok(());
    }
    let expected = format!("one below {batch} for each of {rows} rows");
    Err(Error::shape("places of rows", expected, places))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::backward;
    use crate::tensor::AutoDevice;
    use dfdx::tensor_ops::SumTo;
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

    proptest! {
        #[test]
        fn the_frames_of_a_sample_come_to_its_place(
            places in proptest::sample::subsequence((0..5_usize).collect::<Vec<_>>(), 1..5), frames in 1_usize..4,
        ) {
            let rows = places.len();
            let values: Vec<f32> = (0..2 * 3 * frames * rows).map(|i| 1.0 + i as f32).collect();
            let maps = AutoDevice::default().tensor_from_vec(values.clone(), (2, 3, 1, frames * rows));
            let scattered = scatter_maps(maps.put_tape(Recorder::off()), &places, 5).unwrap().as_vec();
            for (line, scattered) in scattered.chunks_exact(5).enumerate() {
                for (place, &found) in scattered.iter().enumerate() {
                    let row = places.iter().position(|&known| known == place);
                    prop_assert_eq!(found, row.map_or(0.0, |row| values[line * rows + row]));
                }
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
