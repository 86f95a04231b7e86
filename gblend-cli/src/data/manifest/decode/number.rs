//! Types of the numbers in array files, and what of them a 32-bit float can hold.

use half::{bf16, f16};

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum NumberType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    BF16,
    F32,
    F64,
}

/// Every type with NumPy's code for it and safetensors' name; NumPy has no `bfloat16`.
const TYPES: [(NumberType, &str, &str); 13] = [
    (NumberType::Bool, "b1", "BOOL"),
    (NumberType::I8, "i1", "I8"),
    (NumberType::U8, "u1", "U8"),
    (NumberType::I16, "i2", "I16"),
    (NumberType::U16, "u2", "U16"),
    (NumberType::I32, "i4", "I32"),
    (NumberType::U32, "u4", "U32"),
    (NumberType::I64, "i8", "I64"),
    (NumberType::U64, "u8", "U64"),
    (NumberType::F16, "f2", "F16"),
    (NumberType::BF16, "", "BF16"),
    (NumberType::F32, "f4", "F32"),
    (NumberType::F64, "f8", "F64"),
];

/// What [`TYPES`] are, in words.
pub(in super::super) const TYPES_EXPECTED: &str = "bool, integers of 1 to 8 bytes, or floats of 2, 4 or 8";

/// What is made of each number of a type in some bytes.
macro_rules! numbers {
    ($body:expr, $big_endian:expr, $type:ty, $number:ident => $value:expr) => {
        $body
            .chunks_exact(size_of::<$type>())
            .map(|chunk| {
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(chunk);
                let $number = if $big_endian {
                    <$type>::from_be_bytes(bytes)
                } else {
                    <$type>::from_le_bytes(bytes)
                };
                $value
            })
            .collect()
    };
}

impl NumberType {
    /// By NumPy's code without the order of bytes, as in `f4`.
    pub(in super::super) fn of_numpy(code: &str) -> Option<Self> {
        let mut types = TYPES.iter().filter(|(_, numpy, _)| !numpy.is_empty());
        types.find(|(_, numpy, _)| *numpy == code).map(|found| found.0)
    }

    /// By the name that safetensors has for it, as in `F32`.
    pub(in super::super) fn of_safetensors(name: &str) -> Option<Self> {
        TYPES
            .iter()
            .find(|(.., other)| *other == name)
            .map(|found| found.0)
    }

    /// Bytes of a number.
    pub(in super::super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Whether 32-bit floats round some of its numbers.
    pub(in super::super) fn is_rounded(self) -> bool {
        matches!(self, Self::I32 | Self::U32 | Self::I64 | Self::U64 | Self::F64)
    }

    /// The numbers as 64-bit floats, where 32-bit ones would round them.
    #[allow(clippy::cast_lossless)] // One macro for all widths.
    pub(in super::super) fn wide(self, body: &[u8], big_endian: bool) -> Vec<f64> {
        match self {
            Self::I32 => numbers!(body, big_endian, i32, number => number as f64),
            Self::U32 => numbers!(body, big_endian, u32, number => number as f64),
            Self::I64 => numbers!(body, big_endian, i64, number => number as f64),
            Self::U64 => numbers!(body, big_endian, u64, number => number as f64),
            Self::F64 => numbers!(body, big_endian, f64, number => number),
            _ => self.values(body, big_endian).into_iter().map(f64::from).collect(),
        }
    }

    /// The numbers as 32-bit floats; one that is too large for that is infinite.
    #[allow(clippy::cast_lossless)] // As above.
    pub(in super::super) fn values(self, body: &[u8], big_endian: bool) -> Vec<f32> {
        macro_rules! read {
            ($type:ty) => {
                numbers!(body, big_endian, $type, number => number as f32)
            };
        }
        match self {
            Self::Bool => numbers!(body, big_endian, u8, byte => if byte == 0 { 0.0 } else { 1.0 }),
            Self::I8 => read!(i8),
            Self::U8 => read!(u8),
            Self::I16 => read!(i16),
            Self::U16 => read!(u16),
            Self::I32 => read!(i32),
            Self::U32 => read!(u32),
            Self::I64 => read!(i64),
            Self::U64 => read!(u64),
            Self::F16 => numbers!(body, big_endian, f16, number => number.to_f32()),
            Self::BF16 => numbers!(body, big_endian, bf16, number => number.to_f32()),
            Self::F32 => read!(f32),
            Self::F64 => read!(f64),
        }
    }
}

/// The first of some values that is no finite number, with its position.
pub(in super::super) fn not_finite(values: &[f32]) -> Option<(usize, f32)> {
    let mut all = values.iter().copied().enumerate();
    all.find(|(_, value)| !value.is_finite())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn half_floats_are_those_of_numpy() {
        // np.array([1.5, -2, 65504, 6e-8], "<f2").tobytes().hex()
        let bytes = [0x00, 0x3e, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00];
        let values = NumberType::of_numpy("f2").unwrap().values(&bytes, false);
        assert_eq!(values, [1.5, -2.0, 65504.0, 5.960_464_5e-8]);
        let swapped: Vec<u8> = bytes.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        assert_eq!(NumberType::F16.values(&swapped, true), values);
        // torch.tensor([1.5, -2], dtype=torch.bfloat16)
        let bytes = [0xc0, 0x3f, 0x00, 0xc0];
        assert_eq!(
            NumberType::of_safetensors("BF16").unwrap().values(&bytes, false),
            [1.5, -2.0]
        );
        assert_eq!(NumberType::of_numpy(""), None);
    }

    #[test]
    fn wide_numbers_keep_what_32_bits_round() {
        let (large, body) = (16_777_217, 16_777_217_i64.to_be_bytes());
        assert_eq!(NumberType::I64.wide(&body, true), [f64::from(large)]);
        assert_eq!(NumberType::I64.values(&body, true), [16_777_216.0]);
        assert_eq!(NumberType::F64.wide(&0.1_f64.to_le_bytes(), false), [0.1]);
        assert_eq!(NumberType::U8.wide(&[3], false), [3.0]);
        for (kind, ..) in TYPES {
            assert_eq!(
                kind.is_rounded(),
                kind.size() > 3 && kind != NumberType::F32,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_found() {
        let values = NumberType::F64.values(&1e300_f64.to_le_bytes(), false);
        assert_eq!(not_finite(&values), Some((0, f32::INFINITY)));
        assert_eq!(not_finite(&[1.0, f32::MAX]), None);
    }
}
