//! Optical flow in Middlebury's file format, `.flo`.
//!
//! Baker, Scharstein, Lewis, Roth, Black and Szeliski, "A database and evaluation methodology for optical
//! flow", IJCV 2011. All little-endian: the `f32` 202021.25 (in ASCII "PIEH"), the width and the height as
//! `i32`, and for each pixel, row by row, the displacement to the right and down as two `f32` in pixels. A
//! displacement with a component beyond 10⁹ is unknown.

use super::{Fault, Picture};

/// The first four bytes: 202021.25.
const MAGIC: [u8; 4] = *b"PIEH";

/// Magic, width, height.
const HEADER: usize = 12;

/// Bytes of a pixel.
const PIXEL: u64 = 8;

/// Components beyond this are unknown.
const UNKNOWN: f32 = 1e9;

/// A field `[height, width, 2]`; no displacement where it is unknown, as networks must be given something and rest is
/// what most of a picture does.
///
/// The sizes in the file are compared with its length before anything is set aside for them.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture<f32>, Fault> {
    let refuse = |problem: String| Err(Fault::Media(problem));
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        let found = bytes.len();
        return refuse(format!(
            "found {found} bytes, expected the {HEADER} of a .flo header at least"
        ));
    };
    let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    if word(0) != MAGIC {
        let found = f32::from_le_bytes(word(0));
        return refuse(format!(
            "begins with {found}, expected 202021.25 (\"PIEH\") as in .flo files"
        ));
    }
    let (width, height) = (i32::from_le_bytes(word(4)), i32::from_le_bytes(word(8)));
    let (Ok(columns @ 1..), Ok(rows @ 1..)) = (u32::try_from(width), u32::try_from(height)) else {
        return refuse(format!(
            "found width {width} and height {height}, expected at least 1 each"
        ));
    };
    // Each is below 2³¹, so their product is below 2⁶² and so is eight times it below 2⁶⁵: not in 64 bits.
    let expected = (u64::from(columns) * u64::from(rows)).checked_mul(PIXEL);
    if expected != Some(body.len() as u64) {
        let expected = expected.map_or("more than there can be".to_owned(), |bytes| bytes.to_string());
        let found = body.len();
        return refuse(format!(
            "found {found} bytes after the header, expected {expected} for {width}x{height} pixels"
        ));
    }
    let (height, width) = (rows as usize, columns as usize);
    let mut vectors = Vec::with_capacity(2 * height * width);
    for (at, pixel) in body.chunks_exact(PIXEL as usize).enumerate() {
        let x = f32::from_le_bytes([pixel[0], pixel[1], pixel[2], pixel[3]]);
        let y = f32::from_le_bytes([pixel[4], pixel[5], pixel[6], pixel[7]]);
        if x.is_nan() || y.is_nan() {
            let (row, column) = (at / width, at % width);
            return refuse(format!(
                "found ({x}, {y}) in row {row}, column {column}, expected a displacement in pixels"
            ));
        }
        let known = x.abs() <= UNKNOWN && y.abs() <= UNKNOWN;
        vectors.extend(if known { [x, y] } else { [0.0, 0.0] });
    }
    Ok(Picture {
        height,
        width,
        channels: 2,
        values: vectors,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn file(magic: f32, width: i32, height: i32, components: &[f32]) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend(components.iter().flat_map(|component| component.to_le_bytes()));
        bytes
    }

    fn message(bytes: &[u8]) -> String {
        match decode(bytes) {
            Err(Fault::Media(problem)) => problem,
            other => unreachable!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn any_sizes_and_components_are_read_or_refused(
            width: i32, height: i32, small in 0_i32..4, bits: Vec<u32>,
        ) {
            let components: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            for (width, height) in [(width, height), (small, components.len() as i32 / 2), (small, small)] {
                if let Ok(flow) = decode(&file(202_021.25, width, height, &components)) {
                    prop_assert_eq!(flow.values.len(), components.len());
                    prop_assert!(flow.values.iter().all(|value| value.abs() <= UNKNOWN));
                }
            }
        }

        #[test]
        fn what_is_known_is_read_as_it_was_written(
            width in 1_usize..5, components in proptest::collection::vec(-1e9_f32..1e9, 2..40),
        ) {
            let height = components.len() / 2 / width;
            let components = &components[..2 * width * height];
            let bytes = file(202_021.25, width as i32, height as i32, components);
            match decode(&bytes) {
                Ok(flow) => {
                    prop_assert_eq!(flow.values, components);
                    prop_assert_eq!([flow.height, flow.width, flow.channels], [height, width, 2]);
                }
                Err(_) => prop_assert_eq!(height, 0),
            }
        }
    }

    #[test]
    fn an_unknown_displacement_is_none() {
        let bytes = file(
            202_021.25,
            2,
            2,
            &[1.5, -2.0, 1e10, 1e10, 3.0, -1.7e9, f32::INFINITY, 0.0],
        );
        let flow = decode(&bytes).unwrap();
        assert_eq!(flow.values, [1.5, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_no_flow_file_is_refused_with_what_was_expected_and_found() {
        let good = file(202_021.25, 2, 1, &[0.0; 4]);
        for (bytes, parts) in [
            (&good[..7], ["found 7 bytes", "12"]),
            (&file(1.0, 2, 1, &[0.0; 4]), ["begins with 1,", "202021.25"]),
            (&good[..20], ["found 8 bytes", "expected 16"]),
            (&[&good[..], &[0]].concat(), ["found 17 bytes", "expected 16"]),
            (&file(202_021.25, 0, 1, &[]), ["width 0", "at least 1"]),
            (&file(202_021.25, 2, -3, &[0.0; 4]), ["height -3", "at least 1"]),
            (
                &file(202_021.25, i32::MAX, i32::MAX, &[]),
                ["found 0 bytes", "more than there can be"],
            ),
            (
                &file(202_021.25, 2, 1, &[0.0, 0.0, 0.0, f32::NAN]),
                ["NaN", "row 0, column 1"],
            ),
        ] {
            let message = message(bytes);
            for part in parts {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
