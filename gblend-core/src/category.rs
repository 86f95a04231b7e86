//! Names of categories as numbers, so that an array can have them beside other numbers.
//!
//! The code of a name follows from the name alone: it is the same in every split, every table and every run, whatever other
//! names there are. What a code means is for a modality to find out from its training samples, in
//! [`Modality::fit`](crate::Modality::fit).

/// Exponent bits of the smallest code, 2^112, and of the number above all codes, 2^127: no measurement is as large.
const EXPONENTS: std::ops::Range<u32> = 127 + 112..127 + 127;
/// Bits of a float below its exponent.
const FRACTION: u32 = 23;
/// Codes that there are, on both sides of zero.
const CODES: u64 = ((EXPONENTS.end - EXPONENTS.start) as u64) << (FRACTION + 1);

/// The number that stands for a name: one of 251,658,240, by a hash. Whoever makes arrays has to look for two names with one
/// code.
pub fn code(name: &str) -> f32 {
    let hash = blake3::hash(name.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&hash.as_bytes()[..8]);
    // Less than CODES, and so than 32 bits.
    let code = (u64::from_le_bytes(head) % CODES) as u32;
    let sign = code & 1;
    f32::from_bits((sign << 31) | ((EXPONENTS.start << FRACTION) + (code >> 1)))
}

/// Whether a number of an array is the code of a category.
pub fn is_code(value: f32) -> bool {
    let bits = value.abs().to_bits();
    (EXPONENTS.start << FRACTION..EXPONENTS.end << FRACTION).contains(&bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_has_a_code_and_the_same_one_again(name in "\\PC{0,9}") {
            let found = code(&name);
            prop_assert!(is_code(found) && found.is_finite());
            prop_assert_eq!(found.to_bits(), code(&name).to_bits());
        }
    }

    #[test]
    fn no_other_number_is_a_code() {
        for value in [
            0.0,
            -0.0,
            1.0,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NAN,
            5e33,
            2f32.powi(127),
        ] {
            assert!(!is_code(value), "{value}");
        }
        assert!(is_code(2f32.powi(112)) && is_code(-1.7e38));
    }

    #[test]
    fn a_code_does_not_change_from_release_to_release() {
        // Models that were kept know categories by their codes.
        assert_eq!(code("cat").to_bits(), CAT);
    }

    /// By the blake3 of Python.
    const CAT: u32 = 0x783b_8d74;
}
