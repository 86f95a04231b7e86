//! One picture that stands for media.

use gblend_core::{Array, Media};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage};

use super::encode::{Encoded, encode, png};

/// A PNG of the middle frame of pictures or depth; `None` of media that are none.
pub fn picture(media: &Media) -> Option<Vec<u8>> {
    /// Of depth, which a page shows as it is.
    const UNITS: u32 = 1000;
    match encode(media, UNITS).ok()? {
        Encoded::Sequence {
            extension: "png",
            mut files,
        } => {
            let middle = files.len() / 2;
            (!files.is_empty()).then(|| files.swap_remove(middle))
        }
        _ => None,
    }
}

/// As [`picture`], in 8 bits and with no side longer than `most` pixels.
pub fn small_picture(media: &Media, most: u32) -> Option<Vec<u8>> {
    let picture = image::load_from_memory(&picture(media)?).ok()?;
    let picture = match picture.color().has_color() {
        true => DynamicImage::from(picture.to_rgb8()),
        false => DynamicImage::from(stretched(&picture)),
    };
    png(Some(within(picture, most))).ok()
}

/// A PNG of an array of two axes beside such of length 1, as of a spectrogram: the first goes up, the largest value is white. `None`
/// of other arrays.
pub fn small_picture_of_values(array: &Array, most: u32) -> Option<Vec<u8>> {
    let shape: Vec<usize> = array
        .shape()
        .iter()
        .copied()
        .filter(|&extent| extent > 1)
        .collect();
    let &[rows, columns] = shape.as_slice() else {
        return None;
    };
    let values = array.values();
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    let scale = match high - low {
        range if range > 0.0 && range.is_finite() => 255.0 / range,
        _ => 0.0,
    };
    // As rounding has it, not a number is black.
    let gray = |value: &f32| ((value - low) * scale).round() as u8;
    let upwards = values.chunks_exact(columns).rev().flatten();
    let size = (u32::try_from(columns).ok()?, u32::try_from(rows).ok()?);
    let picture = GrayImage::from_raw(size.0, size.1, upwards.map(gray).collect())?;
    png(Some(within(picture.into(), most))).ok()
}

/// A gray picture in 8 bits; one of 16, which is of depth, from its least to its largest value.
fn stretched(picture: &DynamicImage) -> GrayImage {
    let DynamicImage::ImageLuma16(deep) = picture else {
        return picture.to_luma8();
    };
    let values = || deep.pixels().map(|pixel| u32::from(pixel.0[0]));
    let low = values().min().unwrap_or(0);
    let range = (values().max().unwrap_or(0) - low).max(1);
    let gray = values().map(|value| ((value - low) * 255 / range) as u8);
    GrayImage::from_raw(deep.width(), deep.height(), gray.collect()).unwrap_or_default()
}

/// The picture with no side longer than `most`.
fn within(picture: DynamicImage, most: u32) -> DynamicImage {
    match picture.width().max(picture.height()) > most {
        true => picture.resize(most, most, FilterType::Triangle),
        false => picture,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::media::{DepthMaps, Frames, SequenceShape};

    fn of(frames: usize, height: usize, width: usize, channels: usize) -> SequenceShape {
        SequenceShape {
            frames,
            height,
            width,
            channels,
        }
    }

    fn read(png: &[u8]) -> DynamicImage {
        image::load_from_memory(png).unwrap()
    }

    #[test]
    fn a_small_picture_keeps_its_proportions_and_what_is_small_its_pixels() {
        let frames = |height: usize, width: usize| {
            let pixels = (0..2 * height * width * 3)
                .map(|index| (index % 251) as u8)
                .collect();
            Media::Frames(Frames::new(of(2, height, width, 3), pixels).unwrap())
        };
        let large = read(&small_picture(&frames(40, 200), 50).unwrap());
        assert_eq!((large.width(), large.height()), (50, 10));
        let media = frames(7, 5);
        let small = read(&small_picture(&media, 50).unwrap());
        assert_eq!(small.to_rgb8(), read(&picture(&media).unwrap()).to_rgb8());
    }

    #[test]
    fn depth_is_gray_from_its_least_to_its_largest_value() {
        let maps = DepthMaps::new(of(1, 1, 3, 1), vec![1.0, 2.0, 3.0]).unwrap();
        let seen = read(&small_picture(&Media::Depth(maps), 50).unwrap());
        assert_eq!(seen.to_luma8().into_raw(), [0, 127, 255]);
    }

    #[test]
    fn an_array_of_two_axes_is_gray_with_its_first_axis_upwards() {
        let array = Array::new([1, 2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let seen = read(&small_picture_of_values(&array, 50).unwrap()).to_luma8();
        assert_eq!(seen.into_raw(), [153, 204, 255, 0, 51, 102]);
        for shape in [vec![6], vec![2, 2, 2]] {
            assert!(small_picture_of_values(&Array::zeros(shape), 50).is_none());
        }
        let flat = read(&small_picture_of_values(&Array::zeros([2, 2]), 50).unwrap());
        assert_eq!(flat.to_luma8().into_raw(), [0; 4]);
    }

    #[test]
    fn what_is_no_picture_has_none() {
        assert!(small_picture(&Media::Text("a cat".to_owned()), 50).is_none());
    }
}
