//! Maps until the backward pass comes back to them, in 32 bits or in 16.
//!
//! Maps in 16 bits are rounded before anything is made of them, so that the backward pass meets the values of the forward pass, and one
//! that runs layers again meets them, too.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use crate::precision::Precision;

/// Values that one task converts.
const RUN: usize = 16_384;

/// The values of maps.
pub(in crate::engine) enum KeptMaps {
    Whole(Vec<f32>),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
}

/// Rounds maps to what `precision` has, and keeps them so. Those with a number that becomes infinite are left and kept as they are.
pub(in crate::engine) fn rounded(maps: &mut [f32], precision: Precision) -> Option<KeptMaps> {
    match precision {
        Precision::F32 => None,
        Precision::Bf16 => round(maps, bf16::ZERO, bf16::is_infinite).map(KeptMaps::Bf16),
        Precision::F16 => round(maps, f16::ZERO, f16::is_infinite).map(KeptMaps::F16),
    }
}

fn round<T>(maps: &mut [f32], zero: T, is_infinite: fn(T) -> bool) -> Option<Vec<T>>
where
    T: Copy + Send + Sync,
    [T]: HalfFloatSliceExt,
{
    let mut narrow = vec![zero; maps.len()];
    let runs = narrow.par_chunks_mut(RUN).zip(maps.par_chunks(RUN));
    let fits = runs.map(|(narrow, maps)| {
        narrow.convert_from_f32_slice(maps);
        !narrow.iter().any(|&value| is_infinite(value))
    });
    // All of them are converted, whatever the first says.
    if !fits.reduce(|| true, |a, b| a && b) {
        return None;
    }
    let runs = maps.par_chunks_mut(RUN).zip(narrow.par_chunks(RUN));
    runs.for_each(|(maps, narrow)| narrow.convert_to_f32_slice(maps));
    Some(narrow)
}

impl KeptMaps {
    /// All values.
    pub(in crate::engine) fn to_vec(&self) -> Vec<f32> {
        match self {
            Self::Whole(maps) => maps.clone(),
            Self::Bf16(maps) => widened(maps),
            Self::F16(maps) => widened(maps),
        }
    }

    /// The values of channel `c`, where each has `channel` of them.
    pub(in crate::engine) fn channel(&self, c: usize, channel: usize) -> Cow<'_, [f32]> {
        let range = c * channel..(c + 1) * channel;
        match self {
            Self::Whole(maps) => Cow::Borrowed(&maps[range]),
            Self::Bf16(maps) => Cow::Owned(of_channel(&maps[range])),
            Self::F16(maps) => Cow::Owned(of_channel(&maps[range])),
        }
    }
}

fn widened<T: Sync>(narrow: &[T]) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
{
    let mut values = vec![0.0; narrow.len()];
    let runs = values.par_chunks_mut(RUN).zip(narrow.par_chunks(RUN));
    runs.for_each(|(values, narrow)| narrow.convert_to_f32_slice(values));
    values
}

fn of_channel<T>(narrow: &[T]) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
{
    let mut values = vec![0.0; narrow.len()];
    narrow.convert_to_f32_slice(&mut values);
    values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn maps_are_what_they_are_kept_as_and_each_value_is_rounded_by_half(
            values in proptest::collection::vec(-6e4_f32..6e4, 1..50),
        ) {
            for precision in [Precision::Bf16, Precision::F16] {
                let mut maps = values.clone();
                let kept = rounded(&mut maps, precision).unwrap();
                let by_half = |&value: &f32| match precision {
                    Precision::F16 => f16::from_f32(value).to_f32(),
                    _ => bf16::from_f32(value).to_f32(),
                };
                prop_assert_eq!(&maps, &values.iter().map(by_half).collect::<Vec<_>>());
                prop_assert_eq!(&kept.to_vec(), &maps);
                prop_assert_eq!(kept.channel(0, maps.len()).to_vec(), maps);
            }
        }
    }

    #[test]
    fn maps_with_a_number_too_large_for_f16_stay_as_they_are() {
        let values = [1.000_1, 70_000.0, f32::NAN];
        let mut maps = values;
        assert!(rounded(&mut maps, Precision::F16).is_none());
        assert_eq!(maps.map(f32::to_bits), values.map(f32::to_bits));
        assert!(rounded(&mut maps, Precision::Bf16).is_some());
        assert!(maps[0] == 1.0 && maps[1] == 70_144.0 && maps[2].is_nan());
    }

    #[test]
    fn a_channel_is_its_part_of_the_maps() {
        let mut maps: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let kept = rounded(&mut maps, Precision::F16).unwrap();
        assert_eq!(kept.channel(2, 4).as_ref(), [8.0, 9.0, 10.0, 11.0]);
        assert_eq!(KeptMaps::Whole(maps).channel(1, 4).as_ref(), [4.0, 5.0, 6.0, 7.0]);
    }
}
