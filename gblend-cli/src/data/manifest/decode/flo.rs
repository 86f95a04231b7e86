//! `.flo`: optical flow in the format of the Middlebury benchmark (Baker et al., IJCV 92, 2011).

use super::{Fault, Picture};

/// The first four bytes, which are also the number 202021.25.
const MAGIC: &[u8; 4] = b"PIEH";
const HEADER: usize = 12;
/// The benchmark marks unknown displacements by values above this.
const UNKNOWN: f32 = 1e9;

/// A field `[height, width, 2]`, x then y; unknown displacements become 0.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture<f32>, Fault> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        return Err(Fault::Media(format!(
            "cut short: found {} bytes, expected a header of {HEADER}",
            bytes.len()
        )));
    };
    if &header[..4] != MAGIC {
        return Err(Fault::Media(format!(
            "not a .flo file: it begins with {:?}, expected \"PIEH\"",
            String::from_utf8_lossy(&header[..4])
        )));
    }
    let side = |at: usize| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (width, height) = (side(4), side(8));
    let (Ok(w), Ok(h)) = (usize::try_from(width), usize::try_from(height)) else {
        return Err(Fault::Media(format!(
            "found a size of {width}x{height}, expected at least 1x1"
        )));
    };
    let expected = w.checked_mul(h).and_then(|pixels| pixels.checked_mul(8));
    if expected != Some(body.len()) || body.is_empty() {
        return Err(Fault::Media(format!(
            "found {} bytes of vectors, expected 8 for each pixel of the {width}x{height} that its header says",
            body.len()
        )));
    }
    let values = body
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(Picture {
        height: h,
        width: w,
        channels: 2,
        values: values
            .map(|value| if value.abs() > UNKNOWN { 0.0 } else { value })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn encode(width: i32, height: i32, values: &[f32]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    #[test]
    fn the_magic_is_the_number_of_the_format() {
        assert_eq!(f32::from_le_bytes(*MAGIC), 202_021.25);
    }

    #[test]
    fn a_field_is_read_row_by_row_and_unknown_vectors_are_zero() {
        let field = decode(&encode(2, 1, &[1.5, -2.0, 1.6e9, 3.0])).unwrap();
        assert_eq!((field.height, field.width, field.channels), (1, 2, 2));
        assert_eq!(field.values, [1.5, -2.0, 0.0, 3.0]);
    }

    #[test]
    fn sizes_that_the_file_does_not_have_are_refused() {
        for (width, height) in [(3, 1), (-2, -1), (0, 0), (i32::MAX, i32::MAX)] {
            assert!(decode(&encode(width, height, &[0.0; 4])).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, size: [i32; 2]) {
            let _ = decode(&bytes);
            let mut framed = encode(size[0], size[1], &[]);
            framed.extend(bytes);
            let _ = decode(&framed);
        }
    }
}
