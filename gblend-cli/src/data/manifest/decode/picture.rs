//! Pictures: png, jpeg, webp, tiff and bmp, in color or gray.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::content::animated_frames;
use super::tiff::Tiff;
use super::{Fault, Picture};

/// A picture with one channel if it is gray, with three if not. What is transparent lies over black, which most programs store
/// where nothing is to be seen; samples of 16 bits become 8. It stands upright, as its EXIF
/// orientation says: a camera that was held on end stores what its sensor saw, and whoever shows it turns it.
pub(super) fn decode(bytes: &[u8], limit: usize) -> Result<Picture<u8>, Fault> {
    let (image, is_over_black) = open(bytes, limit)?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let color = image.color();
    let (channels, values) = match (color.has_color(), color.has_alpha()) {
        (true, false) => (3, image.into_rgb8().into_raw()),
        (true, true) if is_over_black => (3, without_opacity::<3, 4>(image.into_rgba8().as_raw())),
        (false, true) if is_over_black => (1, without_opacity::<1, 2>(image.into_luma_alpha8().as_raw())),
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

/// Pixels of `C` values and their opacity, which the values were multiplied by.
fn without_opacity<const C: usize, const WITH_ALPHA: usize>(pixels: &[u8]) -> Vec<u8> {
    let pixels = pixels.as_chunks::<WITH_ALPHA>().0.iter();
    pixels.flat_map(|pixel| pixel[..C].iter().copied()).collect()
}

/// Pixels that a byte of a file can stand for at most. In a png these are of one bit, and one byte of a deflate stream
/// becomes 1032 at most. A jpeg has at least one bit for a block of 8x8, which covers 32x32 pixels where a component is
/// sampled as coarsely as can be: a little less. A webp of one color takes as many bytes whatever its size: there the limit of
/// memory alone holds.
const MOST_PIXELS: u128 = 8 * 1032;

/// The formats that are read.
const FORMATS: [ImageFormat; 5] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
];

/// A picture, turned as it is to be seen, and whether what is transparent in it lies over black already.
fn open(bytes: &[u8], limit: usize) -> Result<(DynamicImage, bool), Fault> {
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
    let format = reader.format().filter(|format| FORMATS.contains(format));
    let Some(format) = format else {
        return Err("found none of: png, jpeg, webp, tiff, bmp".into());
    };
    let tiff = Tiff::of(bytes).filter(|_| format == ImageFormat::Tiff);
    if format == ImageFormat::Tiff && tiff.is_none() {
        return Err("not a whole picture: its directories lead out of the file".into());
    }
    check_single(format, bytes, tiff)?;
    reader.limits(limits.clone());
    let broken = |error: ImageError| match error {
        ImageError::Unsupported(kind) => Fault::Media(format!(
            "is a picture of a kind that is not read: {kind}; convert it, to png to keep its pixels"
        )),
        error => Fault::Media(format!("not a whole picture: {error}")),
    };
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let most = MOST_PIXELS * bytes.len() as u128;
    if tiff.is_some_and(|tiff| tiff.tile > most) {
        return Err(
            "not a whole picture: it is divided into tiles of more pixels than can be in the file".into(),
        );
    }
    if format != ImageFormat::WebP && u128::from(width) * u128::from(height) > most {
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
    if format == ImageFormat::Bmp && bmp_is_gray(bytes) {
        image = DynamicImage::ImageLuma8(image.into_luma8());
    }
    image.apply_orientation(orientation);
    Ok((image, tiff.is_some_and(|tiff| tiff.is_premultiplied)))
}

/// Refuses a file that has more than one picture, of which a decoder would take the first, or a camera's raw ones.
fn check_single(format: ImageFormat, bytes: &[u8], tiff: Option<Tiff>) -> Result<(), Fault> {
    /// What a webp says of itself in the byte after `VP8X` and a size: that it moves.
    const ANIMATION: u8 = 2;
    match (format, tiff) {
        (ImageFormat::WebP, _) => {
            let said = bytes.get(4..8).and_then(|size| size.first_chunk::<4>());
            let said = said.map_or(0, |size| 8 + u64::from(u32::from_le_bytes(*size)));
            if said > bytes.len() as u64 {
                let found = bytes.len();
                return Err(Fault::Media(format!(
                    "cut short: found {found} bytes, expected the {said} that its head says"
                )));
            }
            if bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & ANIMATION != 0)
            {
                return Err("is a webp that moves, expected a single picture; convert it to a video, or to a folder of frames".into());
            }
            Ok(())
        }
        (_, Some(tiff)) if tiff.is_raw => {
            Err("is what a camera's sensor measured, with or without a preview; convert it to png".into())
        }
        (_, Some(tiff)) if tiff.pages > 1 => Err(Fault::Media(format!(
            "is a tiff of {} pages, expected a single picture; split it into a folder of frames",
            tiff.pages
        ))),
        _ => Ok(()),
    }
}

/// Whether the colors of a bmp with a table of colors are the shades of gray in their order, or black and white, as programs write
/// gray pictures that know no other way.
fn bmp_is_gray(bytes: &[u8]) -> bool {
    let number = |at: usize| {
        let number = bytes.get(at..at + 4)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*number) as usize)
    };
    let shades = || {
        let (header, bits) = (number(14)?, number(28)? & 0xFFFF);
        let colors = match number(46)? {
            0 => 1_usize.checked_shl(u32::try_from(bits).ok()?)?,
            colors => colors,
        };
        let table = bytes.get(14_usize.checked_add(header)?..)?;
        let table = table.as_chunks::<4>().0.get(..colors)?;
        let is_shade = |(shade, color): (usize, &[u8; 4])| {
            let shade = if colors == 2 { 255 * shade } else { shade };
            color[..3].iter().all(|&value| usize::from(value) == shade)
        };
        Some(bits <= 8 && header >= 40 && colors > 1 && table.iter().enumerate().all(is_shade))
    };
    shades().unwrap_or(false)
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
        for format in FORMATS {
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
        let image: DynamicImage = RgbImage::new(2000, 2000).into();
        for format in FORMATS {
            let bytes = encoded(&image, format);
            assert!(decode(&bytes, 1 << 20).is_err(), "{format:?}");
            assert!(decode(&bytes, 1 << 26).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn several_pictures_in_one_file_are_no_picture() {
        let mut moving = encoded(&RgbImage::new(3, 2).into(), ImageFormat::WebP);
        let extended = [
            b"VP8X\x0A\0\0\0\x02\0\0\0\x02\0\0\x01\0\0".as_slice(),
            &moving[12..],
        ]
        .concat();
        moving.truncate(12);
        moving.extend(extended);
        let size = (moving.len() - 8) as u32;
        moving[4..8].copy_from_slice(&size.to_le_bytes());
        let tiff = encoded(&RgbImage::new(3, 2).into(), ImageFormat::Tiff);
        let at = u32::from_le_bytes([tiff[4], tiff[5], tiff[6], tiff[7]]) as usize;
        let end = at + 2 + 12 * usize::from(u16::from_le_bytes([tiff[at], tiff[at + 1]]));
        // Its page again.
        let mut pages = tiff.clone();
        pages[end..end + 4].copy_from_slice(&(at as u32).to_le_bytes());
        for (bytes, part) in [(moving, "moves"), (pages, "pages")] {
            let Err(Fault::Media(problem)) = decode(&bytes, 1 << 20) else {
                unreachable!("{part}")
            };
            assert!(problem.contains(part), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_search_for_the_end(bytes: Vec<u8>) {
            let _ = jpeg_ends(&[&[0xFF, 0xD8][..], &bytes].concat());
        }
    }
}
