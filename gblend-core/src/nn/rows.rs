//! Batches of which only some samples are there.

use super::arithmetic::multiply;
use super::matmul::matmul;
use super::permute::transpose;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::presence::PresenceMask;
use crate::recorder::Recorder;
use crate::tensor::{Features, Maps, Plain, reshape};

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
    let selection = Plain::new(&features.device(), (batch, rows), selection)?;
    matmul(selection.enter(Recorder::for_data()), features)
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
    let selection = Plain::new(&maps.device(), (rows, batch), selection)?;
    let samples = reshape(maps, (channels * height * width * frames, rows))?;
    let scattered = matmul(samples, selection.enter(Recorder::for_data()))?;
    reshape(scattered, (channels, height, width, frames * batch))
}

/// Keeps the rows of `[batch, features]` that are present; the others become zeros, and no gradient goes through them.
///
/// # Errors
/// [`Error::Shape`] if there is not one answer for each row, [`Error::Device`].
pub fn mask_rows(features: Features, present: &PresenceMask) -> Result<Features> {
    let &(batch, width) = features.shape();
    let operands = [features.operand(), present.operand()];
    let present = present.answers();
    if present.len() != batch {
        let expected = format!("one answer for each of {batch} rows");
        return Err(Error::shape("a mask of rows", expected, [present.len()]));
    }
    let mask = present.iter().map(|&present| f32::from(u8::from(present)));
    let mask = mask.flat_map(|value| std::iter::repeat_n(value, width)).collect();
    let mask = Plain::new(&features.device(), (batch, width), mask)?;
    let masked = multiply(features, mask.enter(Recorder::for_data()))?;
    Ok(masked.traced(&operands, || Operation::MaskRows))
}

/// As [`mask_rows`], of the samples of `[channels, height, width, frames × batch]`, the batch innermost.
///
/// # Errors
/// [`Error::Shape`] if there is not one answer for each sample, [`Error::Device`].
pub fn mask_maps(maps: Maps, present: &PresenceMask) -> Result<Maps> {
    let &shape = maps.shape();
    let (channels, height, width, columns) = shape;
    let samples = present.len();
    if samples == 0 || !columns.is_multiple_of(samples) {
        let expected = format!("frames of {samples} samples");
        return Err(Error::shape("maps", expected, [channels, height, width, columns]));
    }
    let frames = columns / samples;
    let rows = transpose(reshape(maps, (channels * height * width * frames, samples))?)?;
    reshape(transpose(mask_rows(rows, present)?)?, shape)
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
    use crate::nn::{backward, sum};
    use crate::tensor::AutoDevice;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_to_their_places_and_so_do_their_gradients(
            values in proptest::collection::vec(-9.0_f32..9.0, 6),
            places in proptest::sample::subsequence((0..5_usize).collect::<Vec<_>>(), 3),
        ) {
            let device = AutoDevice::default();
            let tensor = Plain::new(&device, (3, 2), values.clone()).unwrap();
            let scattered = scatter_rows(tensor.parameter(), &places, 5).unwrap();
            let mut expected = vec![0.0; 10];
            for (row, place) in places.iter().enumerate() {
                expected[2 * place..2 * place + 2].copy_from_slice(&values[2 * row..2 * row + 2]);
            }
            prop_assert_eq!(scattered.to_vec(), expected);
            let weights: Vec<f32> = (0..10).map(|i| i as f32).collect();
            let weighted = Plain::new(&device, (5, 2), weights.clone()).unwrap().enter(Recorder::for_data());
            let mut gradients = backward(sum(multiply(scattered, weighted).unwrap()).unwrap()).unwrap();
            let gradient = gradients.get(&tensor).unwrap().into_values();
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
            let maps = Plain::new(&AutoDevice::default(), (2, 3, 1, frames * rows), values.clone()).unwrap();
            let scattered = scatter_maps(maps.enter(Recorder::off()), &places, 5).unwrap().to_vec();
            for (line, scattered) in scattered.chunks_exact(5).enumerate() {
                for (place, &found) in scattered.iter().enumerate() {
                    let row = places.iter().position(|&known| known == place);
                    prop_assert_eq!(found, row.map_or(0.0, |row| values[line * rows + row]));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_mask_keeps_what_is_there_to_the_bit_and_leaves_zeros_in_every_frame(
            present in proptest::collection::vec(any::<bool>(), 1..6), frames in 1_usize..4,
        ) {
            let samples = present.len();
            let mask = PresenceMask::new(present.clone());
            let values: Vec<f32> = (0..6 * frames * samples).map(|i| 1.0 + i as f32).collect();
            let maps = Plain::new(&AutoDevice::default(), (2, 3, 1, frames * samples), values.clone()).unwrap();
            let masked = mask_maps(maps.enter(Recorder::off()), &mask).unwrap().to_vec();
            for (at, (masked, value)) in masked.into_iter().zip(values).enumerate() {
                prop_assert_eq!(masked, if present[at % samples] { value } else { 0.0 });
            }
            let one_more = Plain::new(&AutoDevice::default(), (1, 1, 1, samples + 1), vec![1.0; samples + 1]).unwrap();
            prop_assert_eq!(mask_maps(one_more.enter(Recorder::off()), &mask).is_err(), samples > 1);
        }
    }

    #[test]
    fn places_that_do_not_fit_are_refused() {
        let features = || {
            Plain::new(&AutoDevice::default(), (2, 1), vec![1.0, 2.0])
                .unwrap()
                .enter(Recorder::off())
        };
        assert!(scatter_rows(features(), &[0], 3).is_err());
        assert!(scatter_rows(features(), &[0, 3], 3).is_err());
    }
}
