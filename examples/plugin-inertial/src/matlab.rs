//! Numeric arrays of MATLAB's level-5 files, compressed or not.
//!
//! From "MAT-File Format" (The MathWorks). Of what the format can hold this reads real numeric arrays in little-endian
//! files. The bytes may be anything: no size that they state is believed before there is as much data.

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use gblend_core::{Error, Result};

/// The most that a compressed variable may unfold to: a few bytes can stand for gigabytes.
const MOST_INFLATED: u64 = 1 << 28;

const HEADER: usize = 128;

// Types of elements.
const INT8: u32 = 1;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// A numeric array.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Its extents. The first one is the innermost in memory, other than in [`Array`](gblend_core::Array).
    pub shape: Vec<usize>,
    /// Its values, column-major.
    pub values: Vec<f32>,
}

/// Reads the numeric array that a file calls `variable`.
///
/// # Errors
/// [`Error::Data`] if the file cannot be read, is not of level 5, or has no such array.
pub fn read(path: &Path, variable: &str) -> Result<Matrix> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::data(path.display(), format!("cannot be read: {error}")))?;
    parse(&bytes, variable).map_err(|problem| Error::data(path.display(), problem))
}

/// The numeric array that the bytes of a file call `variable`.
///
/// # Errors
/// What was expected and what was found.
pub fn parse(bytes: &[u8], variable: &str) -> Result<Matrix, String> {
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER) else {
        return Err(format!("{} bytes, expected a header of {HEADER}", bytes.len()));
    };
    // The text of the header is padded with blanks; level 4 files have no header, but zeros at its place.
    if header[124..] != *b"\x00\x01IM" {
        return Err("no little-endian MATLAB file of level 5 (version 7 or older)".to_owned());
    }
    let mut others = Vec::new();
    while !rest.is_empty() {
        let element = Element::take(&mut rest)?;
        let inflated;
        let matrix = match element.kind {
            COMPRESSED => {
                inflated = inflate(element.data)?;
                Element::take(&mut inflated.as_slice())?
            }
            _ => element,
        };
        if matrix.kind != MATRIX {
            continue;
        }
        let (head, name) = MatrixHead::take(matrix.data)?;
        if name == variable.as_bytes() {
            return head.values();
        }
        others.push(String::from_utf8_lossy(name).into_owned());
    }
    Err(format!("no variable `{variable}`, only [{}]", others.join(", ")))
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut inflated = Vec::new();
    let mut decoder = ZlibDecoder::new(bytes).take(MOST_INFLATED + 1);
    decoder
        .read_to_end(&mut inflated)
        .map_err(|error| format!("a compressed variable does not unfold: {error}"))?;
    if inflated.len() as u64 > MOST_INFLATED {
        return Err(format!(
            "a compressed variable of more than {MOST_INFLATED} bytes"
        ));
    }
    Ok(inflated)
}

/// A type, a size and the data.
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
}

impl<'a> Element<'a> {
    /// Takes an element off the front, with the padding that follows it.
    fn take(bytes: &mut &'a [u8]) -> Result<Self, String> {
        let cut = || "the file is cut off inside a variable".to_owned();
        let (&tag, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let tag = u32::from_le_bytes(tag);
        // Up to four bytes of data are put beside a tag of half the size.
        if tag >> 16 != 0 {
            let (data, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let size = (tag >> 16) as usize;
            let data = data
                .get(..size)
                .ok_or_else(|| format!("{size} bytes in an element of up to 4"))?;
            *bytes = rest;
            return Ok(Self {
                kind: tag & 0xffff,
                data,
            });
        }
        let (&size, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let size = u32::from_le_bytes(size) as usize;
        let (data, rest) = rest.split_at_checked(size).ok_or_else(cut)?;
        // Elements start at multiples of 8 bytes, except behind a compressed one.
        let padding = if tag == COMPRESSED {
            0
        } else {
            size.wrapping_neg() % 8
        };
        *bytes = rest.get(padding..).unwrap_or_default();
        Ok(Self { kind: tag, data })
    }

    fn expect(self, kind: u32, what: &str) -> Result<&'a [u8], String> {
        if self.kind == kind {
            Ok(self.data)
        } else {
            Err(format!("{what} of the type {}, expected {kind}", self.kind))
        }
    }
}

/// An array whose values are not yet decoded.
struct MatrixHead<'a> {
    flags: u32,
    shape: &'a [u8],
    rest: &'a [u8],
}

impl<'a> MatrixHead<'a> {
    fn take(mut bytes: &'a [u8]) -> Result<(Self, &'a [u8]), String> {
        let flags = Element::take(&mut bytes)?.expect(UINT32, "an array's flags")?;
        let (&flags, _) = flags.split_first_chunk::<4>().ok_or("an array without flags")?;
        let shape = Element::take(&mut bytes)?.expect(INT32, "an array's extents")?;
        let name = Element::take(&mut bytes)?.expect(INT8, "an array's name")?;
        let head = Self {
            flags: u32::from_le_bytes(flags),
            shape,
            rest: bytes,
        };
        Ok((head, name))
    }

    fn values(mut self) -> Result<Matrix, String> {
        // From doubles to unsigned 64-bit integers; below are texts, cells, structures and sparse arrays.
        let class = self.flags & 0xff;
        if !(6..=15).contains(&class) {
            return Err(format!(
                "an array of the class {class}, expected numbers (6 to 15)"
            ));
        }
        if self.flags & 0x0800 != 0 {
            return Err("an array of complex numbers, expected real ones".to_owned());
        }
        let shape = self.shape.as_chunks::<4>().0.iter();
        let shape: Vec<usize> = shape
            .map(|&extent| usize::try_from(i32::from_le_bytes(extent)))
            .collect::<Result<_, _>>()
            .map_err(|_| "an array with a negative extent")?;
        // Values are stored in the smallest type that has them all, whatever the array's class is.
        let element = Element::take(&mut self.rest)?;
        let values = numbers(&element)?;
        let count = shape
            .iter()
            .try_fold(1_usize, |product, &extent| product.checked_mul(extent));
        if count != Some(values.len()) {
            return Err(format!("{} values for an array of {shape:?}", values.len()));
        }
        Ok(Matrix { shape, values })
    }
}

/// The values of an element, which take at most four times its memory.
fn numbers(element: &Element<'_>) -> Result<Vec<f32>, String> {
    macro_rules! decode {
        ($type:ty) => {{
            let (values, rest) = element.data.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(format!(
                    "{} bytes of values of {} each",
                    element.data.len(),
                    size_of::<$type>()
                ));
            }
            values
                .iter()
                .map(|&value| <$type>::from_le_bytes(value) as f32)
                .collect()
        }};
    }
    Ok(match element.kind {
        1 => decode!(i8),
        2 => decode!(u8),
        3 => decode!(i16),
        4 => decode!(u16),
        5 => decode!(i32),
        6 => decode!(u32),
        7 => decode!(f32),
        9 => decode!(f64),
        12 => decode!(i64),
        13 => decode!(u64),
        other => return Err(format!("values of the type {other}, expected numbers")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend(data);
        if kind != COMPRESSED {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn matrix(class: u8, extents: &[i32], name: &str, values: Vec<u8>) -> Vec<u8> {
        let extents: Vec<u8> = extents.iter().flat_map(|extent| extent.to_le_bytes()).collect();
        let parts = [
            element(UINT32, &[class, 0, 0, 0, 0, 0, 0, 0]),
            element(INT32, &extents),
            element(INT8, name.as_bytes()),
            values,
        ];
        element(MATRIX, &parts.concat())
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        element(COMPRESSED, &encoder.finish().unwrap())
    }

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![b' '; HEADER];
        bytes[124..].copy_from_slice(b"\x00\x01IM");
        bytes.extend(elements.concat());
        bytes
    }

    /// A double array of 2 × 3 that is stored as bytes, as MATLAB does.
    fn small() -> Vec<u8> {
        matrix(6, &[2, 3], "small", element(2, &[1, 2, 3, 4, 5, 6]))
    }

    #[test]
    fn an_array_is_found_by_its_name_compressed_or_not() {
        let other = matrix(7, &[1, 1], "other", element(7, &1.5_f32.to_le_bytes()));
        for bytes in [
            file(&[other.clone(), small()]),
            file(&[compressed(&other), compressed(&small())]),
        ] {
            let found = parse(&bytes, "small").unwrap();
            assert_eq!(found.shape, [2, 3]);
            assert_eq!(found.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            assert_eq!(parse(&bytes, "other").unwrap().values, [1.5]);
            assert!(parse(&bytes, "none").unwrap_err().contains("[other, small]"));
        }
    }

    #[test]
    fn few_values_may_be_beside_their_tag() {
        let values = [
            3_u16.to_le_bytes().to_vec(),
            2_u16.to_le_bytes().to_vec(),
            vec![0xff, 0xff, 0, 0],
        ];
        let bytes = file(&[matrix(10, &[1, 1], "x", values.concat())]);
        // Type 3 is int16: two bytes of data that say −1.
        assert_eq!(parse(&bytes, "x").unwrap().values, [-1.0]);
    }

    #[test]
    fn stated_sizes_are_not_believed() {
        let values = || element(2, &[0; 8]);
        for extents in [&[i32::MAX, i32::MAX, i32::MAX][..], &[-1, -8], &[3, 3]] {
            let error = parse(&file(&[matrix(6, extents, "x", values())]), "x").unwrap_err();
            assert!(error.contains("values") || error.contains("negative"), "{error}");
        }
        let mut bytes = file(&[small()]);
        bytes[HEADER + 4..HEADER + 8].fill(0xff);
        assert!(parse(&bytes, "small").unwrap_err().contains("cut off"));
    }

    #[test]
    fn a_variable_that_unfolds_without_end_is_refused() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..=MOST_INFLATED >> 20 {
            encoder.write_all(&zeros).unwrap();
        }
        let bytes = file(&[element(COMPRESSED, &encoder.finish().unwrap())]);
        assert!(parse(&bytes, "x").unwrap_err().contains("more than"));
    }

    #[test]
    fn what_is_no_file_of_level_5_is_refused() {
        assert!(parse(b"", "x").is_err());
        assert!(parse(&[0; 500], "x").unwrap_err().contains("level 5"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes, "small");
            let _ = parse(&file(std::slice::from_ref(&bytes)), "small");
            let _ = parse(&file(&[compressed(&bytes)]), "small");
        }

        #[test]
        fn any_damage_is_survived(at in 0_usize..200, byte: u8, folded: bool) {
            let mut matrix = small();
            let at = at % matrix.len();
            matrix[at] = byte;
            let _ = parse(&file(&[if folded { compressed(&matrix) } else { matrix }]), "small");
        }

        #[test]
        fn a_file_cut_off_anywhere_is_refused(length in 0_usize..1000) {
            let bytes = file(&[small()]);
            prop_assert!(parse(&bytes[..length % bytes.len()], "small").is_err());
        }
    }
}
