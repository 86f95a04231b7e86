//! Pictures: png and jpeg, in color or gray.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::content::animated_frames;
use super::{Fault, Picture};

/// A picture with one channel if it is gray, with three if not. What is transparent lies over black, which most programs store
/// where nothing is to be seen; samples of 16 bits become 8. It stands upright, as its EXIF
/// orientation says: a camera that was held on end stores what its sensor saw, and whoever shows it turns it.
pub(super) fn decode(bytes: &[u8], limit: usize) -> Result<Picture<u8>, Fault> {
    let image = open(bytes, limit)?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let color = image.color();
    let (channels, values) = match (color.has_color(), color.has_alpha()) {
        (true, false) => (3, image.into_rgb8().into_raw()),
        (true, true) => (3, over_black::<3, 4>(image.into_rgba8().as_raw())),
        (false, false) => (1, image.into_luma8().into_raw()),
        (false, true) => (1, over_black::<1, 2>(image.into_luma_alpha8().as_raw())),
    };
    Ok(Picture {
        height,
        width,
        channels,
        values,
    })
}

/// Pixels of `C` values and their opacity, as they look on black.
pub(super) fn over_black<const C: usize, const WITH_ALPHA: usize>(pixels: &[u8]) -> Vec<u8> {
    let pixels = pixels.as_chunks::<WITH_ALPHA>().0.iter();
    let values = pixels.flat_map(|pixel| {
        let alpha = u16::from(pixel[C]);
        // The nearest of 255ths: at most 255.
        pixel[..C]
            .iter()
            .map(move |&value| ((u16::from(value) * alpha + 127) / 255) as u8)
    });
    values.collect()
}

/// Pixels that a byte of a file can stand for at most. In a png these are of one bit, and one byte of a deflate stream
/// becomes 1032 at most. A jpeg has at least one bit for a block of 8x8, which covers 32x32 pixels where a component is
/// sampled as coarsely as can be: a little less.
const MOST_PIXELS: u128 = 8 * 1032;

/// A png or jpeg, turned as it is to be seen.
fn open(bytes: &[u8], limit: usize) -> Result<DynamicImage, Fault> {
    if bytes.is_empty() {
        return Err("found an empty file, expected a picture".into());
    }
    if let Some(frames) = animated_frames(bytes).filter(|frames| *frames > 1) {
        return Err(Fault::Media(format!(
            "is an animation of {frames} frames, expected a single picture; a stream takes it as a clip where it is the sample's only file"
        )));
    }
    if bytes.starts_with(&[0xFF, 0xD8]) && !jpeg_ends(bytes) {
        return Err("cut short: the jpeg has no end-of-image marker".into());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(limit as u64);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("found neither a png nor a jpeg".into());
    }
    reader.limits(limits.clone());
    let broken = |error: ImageError| Fault::Media(format!("not a whole picture: {error}"));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u128::from(width) * u128::from(height) > MOST_PIXELS * bytes.len() as u128 {
        return Err(Fault::Media(format!(
            "not a whole picture: {width}x{height} pixels, as its header says, cannot be in a file of {} bytes",
            bytes.len()
        )));
    }
    limits.reserve(decoder.total_bytes()).map_err(broken)?;
    decoder.set_limits(limits).map_err(broken)?;
    // What cannot be understood of it turns nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a jpeg's coded pixels end in an end-of-image marker: decoders fill up what is missing without a
/// word. Inside the coded pixels the marker cannot occur by chance, but a thumbnail before them has its own.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let mut rest = &bytes[2..];
    loop {
        let Some((&[lead, marker, high, low], _)) = rest.split_first_chunk::<4>() else {
            return false;
        };
        if lead != 0xFF {
            // Nothing that a marker could be found in; the decoder will say what is wrong.
            return true;
        }
        if marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == [0xFF, 0xD9]);
        }
        if marker == 0xFF {
            // Padding before a marker.
            rest = &rest[1..];
            continue;
        }
        let length = 2 + usize::from(u16::from_be_bytes([high, low]));
        match rest.get(length..) {
            Some(after) => rest = after,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::{GrayImage, ImageFormat, RgbImage};
    use proptest::prelude::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_size_that_the_file_cannot_have_is_refused_before_anything_is_reserved() {
        let picture = |width, height| encoded(&GrayImage::new(width, height).into(), ImageFormat::Png);
        // Nothing but zeros is as small as a picture gets.
        assert!(decode(&picture(3000, 3000), 1 << 30).is_ok());
        let mut bytes = picture(3, 3);
        bytes[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
        let Err(Fault::Media(problem)) = decode(&bytes, usize::MAX) else {
            unreachable!()
        };
        assert!(
            problem.contains("16384x16384") && problem.contains("bytes"),
            "{problem}"
        );
    }

    #[test]
    fn gray_stays_gray_and_color_has_three_channels() {
        let color = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let picture = decode(&encoded(&color.clone().into(), ImageFormat::Png), 1 << 20).unwrap();
        assert_eq!((picture.height, picture.width, picture.channels), (2, 3, 3));
        assert_eq!(picture.values, color.into_raw());
        let gray = GrayImage::from_fn(3, 2, |x, _| image::Luma([x as u8]));
        let picture = decode(&encoded(&gray.into(), ImageFormat::Png), 1 << 20).unwrap();
        assert_eq!(picture.channels, 1);
    }

    #[test]
    fn what_is_transparent_lies_over_black() {
        // Pillow 12: `Image.alpha_composite` over (0, 0, 0, 255).
        let color = image::RgbaImage::from_raw(
            2,
            2,
            vec![200, 100, 50, 255, 200, 100, 50, 128, 255, 255, 255, 0, 9, 8, 7, 1],
        );
        let picture = decode(&encoded(&color.unwrap().into(), ImageFormat::Png), 1 << 20).unwrap();
        assert_eq!(picture.values, [200, 100, 50, 100, 50, 25, 0, 0, 0, 0, 0, 0]);
        let gray = image::GrayAlphaImage::from_raw(2, 1, vec![200, 128, 77, 0]).unwrap();
        let picture = decode(&encoded(&gray.into(), ImageFormat::Png), 1 << 20).unwrap();
        assert_eq!((picture.channels, picture.values), (1, vec![100, 0]));
    }

    /// A jpeg with this EXIF orientation in front of what it had.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = (exif.len() + 2) as u16;
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
        bytes.extend(length.to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[test]
    fn a_picture_is_turned_as_its_exif_orientation_says() {
        // White in its upper left quarter as it is stored. Pillow 12's `ImageOps.exif_transpose` puts that quarter at these
        // places of pictures of these sizes.
        let image = GrayImage::from_fn(48, 32, |x, y| {
            image::Luma([if x < 24 && y < 16 { 255 } else { 0 }])
        });
        let jpeg = encoded(&image.into(), ImageFormat::Jpeg);
        for (orientation, size, corner) in [
            (1, (48, 32), (0, 0)),
            (2, (48, 32), (1, 0)),
            (3, (48, 32), (1, 1)),
            (4, (48, 32), (0, 1)),
            (5, (32, 48), (0, 0)),
            (6, (32, 48), (1, 0)),
            (7, (32, 48), (1, 1)),
            (8, (32, 48), (0, 1)),
        ] {
            let picture = decode(&with_orientation(&jpeg, orientation), 1 << 20).unwrap();
            assert_eq!((picture.width, picture.height), size, "{orientation}");
            let at = |right: usize, below: usize| {
                let (x, y) = (
                    picture.width * (1 + 2 * right) / 4,
                    picture.height * (1 + 2 * below) / 4,
                );
                picture.values[y * picture.width + x] > 127
            };
            let white: Vec<(usize, usize)> = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .into_iter()
                .filter(|&(right, below)| at(right, below))
                .collect();
            assert_eq!(white, [corner], "{orientation}");
        }
    }

    #[test]
    fn a_picture_cut_short_anywhere_is_refused() {
        let image: DynamicImage =
            RgbImage::from_fn(40, 40, |x, y| image::Rgb([(x * y) as u8, y as u8, 7])).into();
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let bytes = encoded(&image, format);
            assert!(decode(&bytes, 1 << 20).is_ok());
            // The last chunk of a png has nothing that is needed.
            let last = if format == ImageFormat::Png {
                bytes.len() - 20
            } else {
                bytes.len()
            };
            for length in 0..last {
                assert!(decode(&bytes[..length], 1 << 20).is_err(), "{format:?} {length}");
            }
        }
    }

    #[test]
    fn a_size_that_would_fill_the_memory_is_refused() {
        let image: DynamicImage = GrayImage::new(4000, 4000).into();
        assert!(decode(&encoded(&image, ImageFormat::Png), 1 << 20).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_search_for_the_end(bytes: Vec<u8>) {
            let _ = jpeg_ends(&[&[0xFF, 0xD8][..], &bytes].concat());
        }
    }
}
