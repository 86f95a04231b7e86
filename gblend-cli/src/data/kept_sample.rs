//! Prepared samples in 16 bits.
//!
//! A sample is rounded once, when it is prepared; how it is kept afterwards loses nothing. So it is the same wherever it comes from.

use gblend_core::{Array, Error, Precision, Result};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

use crate::config::ModalityConfig;

/// No quantity is as large: numbers from here on are codes of categories, and marks. See [`gblend_core::category`].
const LARGEST_QUANTITY: f32 = (1_u128 << 112) as f32;

/// A mark that samples have for what is missing; in 16 bits it is not a number.
const MISSING: f32 = f32::MAX;

/// A sample of a modality as a run that keeps samples as `asked` has it.
///
/// # Errors
/// As [`rounded`].
pub fn as_kept(sample: Array, modality: &ModalityConfig, asked: Precision) -> Result<Array> {
    rounded(sample, precision_of(modality, asked))
}

/// How the samples of a modality are kept in a run that asks for `asked`.
pub(super) fn precision_of(modality: &ModalityConfig, asked: Precision) -> Precision {
    match modality.plugin.prepares_quantities() {
        true => asked,
        false => Precision::F32,
    }
}

/// A sample whose quantities are rounded to what `precision` has, ties to even.
///
/// # Errors
/// [`Error::Setting`] for a quantity beyond the largest that there is.
pub(super) fn rounded(mut sample: Array, precision: Precision) -> Result<Array> {
    let round: fn(f32) -> f32 = match precision {
        Precision::F32 => return Ok(sample),
        Precision::Bf16 => |value| bf16::from_f32(value).to_f32(),
        Precision::F16 => |value| f16::from_f32(value).to_f32(),
    };
    for (position, value) in sample.values_mut().iter_mut().enumerate() {
        if !value.is_finite() || value.abs() >= LARGEST_QUANTITY {
            continue;
        }
        let rounded = round(*value);
        if !rounded.is_finite() {
            let expected = format!(
                "\"bf16\" or \"f32\", where there is {value} (value {position} of the prepared sample): the largest number in f16 is {}",
                f16::MAX
            );
            return Err(Error::setting("run.samples_as", precision, expected));
        }
        *value = rounded;
    }
    Ok(sample)
}

/// Values in 16 bits, if each of them is there to the bit.
pub(super) fn narrowed(values: &[f32], precision: Precision) -> Option<Vec<u16>> {
    let mut narrow = vec![0; values.len()];
    let nan = match precision {
        Precision::F32 => return None,
        Precision::Bf16 => {
            narrow
                .reinterpret_cast_mut::<bf16>()
                .convert_from_f32_slice(values);
            bf16::NAN.to_bits()
        }
        Precision::F16 => {
            narrow
                .reinterpret_cast_mut::<f16>()
                .convert_from_f32_slice(values);
            f16::NAN.to_bits()
        }
    };
    let marked = narrow.iter_mut().zip(values);
    marked
        .filter(|(_, value)| **value == MISSING)
        .for_each(|(narrow, _)| *narrow = nan);
    // Not a number is no value that a sample may have.
    let kept = widened(&narrow, precision);
    let alike = kept
        .iter()
        .zip(values)
        .all(|(kept, value)| kept.to_bits() == value.to_bits());
    alike.then_some(narrow)
}

/// What [`narrowed`] made 16 bits of.
pub(super) fn widened(narrow: &[u16], precision: Precision) -> Vec<f32> {
    let mut values = vec![0.0; narrow.len()];
    match precision {
        Precision::F16 => narrow.reinterpret_cast::<f16>().convert_to_f32_slice(&mut values),
        Precision::F32 | Precision::Bf16 => {
            narrow
                .reinterpret_cast::<bf16>()
                .convert_to_f32_slice(&mut values);
        }
    }
    values
        .iter_mut()
        .filter(|value| value.is_nan())
        .for_each(|value| *value = MISSING);
    values
}

/// A sample in memory.
#[derive(Debug)]
pub(super) enum KeptSample {
    /// As it is.
    Whole(Array),
    /// In 16 bits.
    Narrow {
        shape: Vec<usize>,
        values: Vec<u16>,
        precision: Precision,
    },
}

impl KeptSample {
    /// A sample in as few bytes as `precision` takes, if it has all of its values.
    pub(super) fn of(sample: Array, precision: Precision) -> Self {
        match narrowed(sample.values(), precision) {
            Some(values) => Self::Narrow {
                shape: sample.shape().to_vec(),
                values,
                precision,
            },
            None => Self::Whole(sample),
        }
    }

    /// The sample, to the bit.
    ///
    /// # Errors
    /// Never: the shape is that of an array of as many values.
    pub(super) fn array(&self) -> Result<Array> {
        match self {
            Self::Whole(sample) => Ok(sample.clone()),
            Self::Narrow {
                shape,
                values,
                precision,
            } => Array::new(shape.as_slice(), widened(values, *precision)),
        }
    }

    /// Bytes of its values.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Whole(sample) => size_of::<f32>() * sample.len(),
            Self::Narrow { values, .. } => size_of::<u16>() * values.len(),
        };
        bytes as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::F16];

    /// What `half` makes of a value.
    fn by_half(value: f32, precision: Precision) -> f32 {
        match precision {
            Precision::F32 => value,
            Precision::Bf16 => bf16::from_f32(value).to_f32(),
            Precision::F16 => f16::from_f32(value).to_f32(),
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn what_is_kept_and_read_back_is_each_value_rounded_by_half(
            values in proptest::collection::vec(prop_oneof![
                -65519.0_f32..65519.0,
                -1e-4_f32..1e-4,
                -1e-7_f32..1e-7,
                proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
            ], 1..40),
        ) {
            for precision in ALL {
                let expected: Vec<f32> = values.iter().map(|&value| by_half(value, precision)).collect();
                let sample = Array::new([values.len()], values.clone()).unwrap();
                let sample = rounded(sample, precision).unwrap();
                prop_assert_eq!(bits(sample.values()), bits(&expected));
                let kept = KeptSample::of(sample.clone(), precision);
                prop_assert_eq!(kept.bytes() as usize, precision.bytes() * values.len());
                prop_assert_eq!(bits(kept.array().unwrap().values()), bits(&expected));
                // Once is enough.
                prop_assert_eq!(bits(rounded(sample, precision).unwrap().values()), bits(&expected));
            }
        }

        #[test]
        fn whatever_a_sample_has_is_kept_to_the_bit_once_it_is_rounded(
            values in proptest::collection::vec(proptest::num::f32::ANY, 1..40),
        ) {
            for precision in ALL {
                let sample = Array::new([values.len()], values.clone()).unwrap();
                if let Ok(sample) = rounded(sample, precision) {
                    let back = KeptSample::of(sample.clone(), precision).array().unwrap();
                    prop_assert_eq!(bits(back.values()), bits(sample.values()));
                }
            }
        }
    }

    #[test]
    fn categories_and_missing_cells_are_exact_in_every_precision() {
        let marks = [gblend_core::category::code("north"), MISSING, 1.0, 0.0];
        for precision in ALL {
            let sample = rounded(Array::new([4], marks.to_vec()).unwrap(), precision).unwrap();
            assert_eq!(bits(sample.values()), bits(&marks));
            let kept = KeptSample::of(sample, precision);
            assert_eq!(bits(kept.array().unwrap().values()), bits(&marks));
        }
        // The mark costs no sample its 16 bits.
        let missing = Array::new([2], vec![MISSING, -2.5]).unwrap();
        assert_eq!(KeptSample::of(missing, Precision::F16).bytes(), 4);
    }

    #[test]
    fn a_quantity_beyond_f16_is_an_error_that_says_what_to_do_and_bf16_has_it() {
        for value in [65520.0, -1e9, 1e33] {
            let sample = Array::new([2], vec![1.0, value]).unwrap();
            let error = rounded(sample.clone(), Precision::F16).unwrap_err();
            assert!(matches!(&error, Error::Setting { key, .. } if key == "run.samples_as"));
            let told = error.to_string();
            for part in ["f16", "bf16", "f32", "value 1", &value.to_string(), "65504"] {
                assert!(told.contains(part), "{told}");
            }
            assert!(rounded(sample, Precision::Bf16).unwrap().values()[1].is_finite());
        }
        // What rounds to the largest number is no overflow.
        let largest = Array::new([1], vec![65519.0]).unwrap();
        assert_eq!(rounded(largest, Precision::F16).unwrap().values(), [65504.0]);
    }

    #[test]
    fn ties_go_to_even_and_small_numbers_of_f16_stay() {
        let of = |value, precision| {
            let sample = Array::new([1], vec![value]).unwrap();
            rounded(sample, precision).unwrap().values()[0]
        };
        assert_eq!(of(257.0, Precision::Bf16), 256.0);
        assert_eq!(of(259.0, Precision::Bf16), 260.0);
        assert_eq!(of(2049.0, Precision::F16), 2048.0);
        assert_eq!(of(2051.0, Precision::F16), 2052.0);
        let smallest = f16::from_bits(1).to_f32();
        assert_eq!(of(smallest, Precision::F16), smallest);
    }
}
