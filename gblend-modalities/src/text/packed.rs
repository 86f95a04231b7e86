//! Texts as prepared samples: arrays of one shape, whatever their lengths.
//!
//! `[1 + bytes / 3, rounded up]`: the number of bytes, and then three bytes of UTF-8 in each value. A `f32` has every whole
//! number below 2^24.

use gblend_core::{Array, Error, Result};
use tokenizers::NormalizedString;

/// Bytes in a value.
const PER_VALUE: usize = 3;

/// The beginning of a text in normalization form C, at most `limit` bytes of it.
pub(super) fn pack(text: &str, limit: usize) -> Result<Array> {
    // Composed characters have up to as many bytes when they are taken apart; of a long text no more is looked at.
    let mut normalized = NormalizedString::from(beginning(text, limit.saturating_mul(8)));
    normalized.nfc();
    let text = beginning(normalized.get(), limit);
    let values = limit.div_ceil(PER_VALUE);
    let mut packed = Vec::with_capacity(1 + values);
    packed.push(text.len() as f32);
    packed.extend(text.as_bytes().chunks(PER_VALUE).map(|bytes| {
        let number = bytes
            .iter()
            .rev()
            .fold(0_u32, |number, &byte| number << 8 | u32::from(byte));
        number as f32
    }));
    packed.resize(1 + values, 0.0);
    Array::new([packed.len()], packed)
}

/// What [`pack`] packed.
///
/// # Errors
/// [`Error::Data`] if it is no text, [`Error::Shape`].
pub(super) fn unpack(sample: &Array) -> Result<String> {
    let broken = || Error::data("a prepared text", "is none: its bytes are no UTF-8");
    let (&[_], Some((&length, packed))) = (sample.shape(), sample.values().split_first()) else {
        return Err(Error::shape("a text", "[1 + packed bytes]", sample.shape()));
    };
    let whole = |value: f32, below: f32| (0.0..below).contains(&value) && value.fract() == 0.0;
    if !whole(length, 16_777_216.0) || length as usize > packed.len() * PER_VALUE {
        return Err(broken());
    }
    let mut bytes = Vec::with_capacity(length as usize + PER_VALUE);
    for &value in packed.iter().take((length as usize).div_ceil(PER_VALUE)) {
        if !whole(value, 16_777_216.0) {
            return Err(broken());
        }
        bytes.extend(&(value as u32).to_le_bytes()[..PER_VALUE]);
    }
    bytes.truncate(length as usize);
    String::from_utf8(bytes).map_err(|_| broken())
}

/// At most so many bytes of a text, none of them part of a character that is not whole.
fn beginning(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_the_beginning_of_the_text_in_form_c(text in "\\PC{0,60}", limit in 1_usize..200) {
            let packed = pack(&text, limit).unwrap();
            prop_assert_eq!(packed.shape(), [1 + limit.div_ceil(3)]);
            let back = unpack(&packed).unwrap();
            prop_assert!(back.len() <= limit);
            let mut whole = NormalizedString::from(text.as_str());
            whole.nfc();
            prop_assert!(whole.get().starts_with(&back));
            // Nothing is lost but what does not fit.
            let left = whole.get()[back.len()..].chars().next();
            prop_assert!(left.is_none_or(|next| back.len() + next.len_utf8() > limit));
        }

        #[test]
        fn no_values_panic(values in proptest::collection::vec(proptest::num::f32::ANY, 1..9)) {
            let _ = unpack(&Array::new([values.len()], values).unwrap());
        }
    }

    #[test]
    fn characters_in_one_piece_and_in_two_are_the_same_text() {
        assert_eq!(pack("e\u{301}", 9).unwrap(), pack("\u{e9}", 9).unwrap());
        assert_ne!(pack("e", 9).unwrap(), pack("\u{e9}", 9).unwrap());
        assert_eq!(unpack(&pack("日本語", 7).unwrap()).unwrap(), "日本");
        assert_eq!(unpack(&pack("", 7).unwrap()).unwrap(), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        for values in [
            vec![1.0, 255.0],
            vec![4.0, 65.0],
            vec![-1.0, 0.0],
            vec![0.5, 0.0],
            vec![1.0, 2e7],
        ] {
            assert!(unpack(&Array::new([2], values).unwrap()).is_err());
        }
    }
}
