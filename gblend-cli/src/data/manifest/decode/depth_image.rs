//! Depth pictures of 16 bits, in the conventions of the usual datasets.
//!
//! A depth map in a file is a gray picture of 16 bits, PNG or PGM; what its values mean is a matter of the dataset.
//! 0 means nothing was measured in all of them.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{Fault, Picture, too_large};

/// What the values of a depth picture mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum DepthConvention {
    /// Multiples of a length, of which this many make a meter: 1000 for millimeters.
    Scaled(f64),
    /// The TUM RGB-D benchmark (Sturm et al., IROS 2012): 5000 to a meter.
    Tum,
    /// SUN RGB-D (Song et al., CVPR 2015): millimeters, their 16 bits rotated left by 3.
    Sun,
    /// The raw frames of NYU Depth v2 (Silberman et al., ECCV 2012): disparities of the Kinect, 11 bits, whose two
    /// bytes stand in the PGM file in the wrong order. The toolbox's `351.3 / (1092.5 − disparity)` meters; as there,
    /// what is beyond 10 meters becomes 10, and a disparity without a distance becomes 0.
    Nyu,
}

/// The values of a PNG or PGM file of 16-bit gray, `[height, width, 1]`; they may take `limit` bytes.
///
/// Nothing is reserved for pixels before the header was held against the length of the file.
fn gray16(bytes: &[u8], limit: usize) -> Result<Picture<u16>, Fault> {
    const FORMAT: &str = "not a PNG or PGM file, expected a gray picture of 16 bits in either";
    let format = image::guess_format(bytes).map_err(|_| FORMAT)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Pnm) {
        return Err(FORMAT.into());
    }
    let damaged = |error: ImageError| Fault::Media(format!("cannot be decoded: {error}"));
    let bytes = match format {
        ImageFormat::Pnm => unstretched(bytes).map_err(damaged)?,
        _ => Cow::Borrowed(bytes),
    };
    let decoder = ImageReader::with_format(Cursor::new(bytes.as_ref()), format)
        .into_decoder()
        .map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    /// Bytes that one byte of a deflate stream can become at most; in a PGM file it is one.
    const MOST_EXPANSION: u64 = 1032;
    let needed = u128::from(width) * u128::from(height) * 2;
    if needed > u128::from(MOST_EXPANSION) * bytes.len() as u128 {
        let length = bytes.len();
        return Err(Fault::Media(format!(
            "{width} × {height} pixels cannot be in a file of {length} bytes, expected a whole file"
        )));
    }
    if needed > limit as u128 {
        return Err(Fault::Media(too_large(limit)));
    }
    let refuse = |found: ColorType| {
        Fault::Media(format!(
            "pixels are {found:?}, expected gray of 16 bits (L16): depth of 8 bits or in color was made for looking at, and \
             has lost its unit"
        ))
    };
    let found = decoder.color_type();
    if found != ColorType::L16 {
        return Err(refuse(found));
    }
    match DynamicImage::from_decoder(decoder).map_err(damaged)? {
        DynamicImage::ImageLuma16(picture) => Ok(Picture {
            height: height as usize,
            width: width as usize,
            channels: 1,
            values: picture.into_raw(),
        }),
        other => Err(refuse(other.color())),
    }
}

/// A PGM file of 16 bits whose header says that its values may be as large as 16 bits can be. The decoder stretches smaller
/// ranges to these, as is right for brightness: a distance it would multiply, and round.
fn unstretched(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ImageError> {
    let (reader, header) = PnmDecoder::new(Cursor::new(bytes))?.into_inner();
    let magic = match header.subtype() {
        PnmSubtype::Graymap(SampleEncoding::Binary) => "P5",
        PnmSubtype::Graymap(SampleEncoding::Ascii) => "P2",
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    let sixteen = u32::from(u8::MAX) + 1..u32::from(u16::MAX);
    if !sixteen.contains(&header.maximal_sample()) {
        return Ok(Cow::Borrowed(bytes));
    }
    let start = usize::try_from(reader.position()).unwrap_or(usize::MAX);
    let values = bytes.get(start..).unwrap_or_default();
    let whole = format!("{magic}\n{} {}\n{}\n", header.width(), header.height(), u16::MAX);
    Ok(Cow::Owned([whole.as_bytes(), values].concat()))
}

impl DepthConvention {
    /// A map `[height, width, 1]` in meters, from the bytes of a file; 0 where nothing was measured. The values in the file
    /// may take `limit` bytes.
    pub(super) fn decode(self, bytes: &[u8], limit: usize) -> Result<Picture<f32>, Fault> {
        let picture = gray16(bytes, limit)?;
        Ok(Picture {
            height: picture.height,
            width: picture.width,
            channels: 1,
            values: self.meters(&picture.values)?,
        })
    }

    fn meters(self, values: &[u16]) -> Result<Vec<f32>, Fault> {
        let scaled = |values: &mut dyn Iterator<Item = u16>, per_meter: f64| {
            values
                .map(|value| (f64::from(value) / per_meter) as f32)
                .collect()
        };
        let mut raw = values.iter().copied();
        Ok(match self {
            Self::Scaled(per_meter) if per_meter.is_finite() && per_meter > 0.0 => {
                scaled(&mut raw, per_meter)
            }
            Self::Scaled(per_meter) => {
                return Err(Fault::Media(format!(
                    "{per_meter} units to a meter, expected a number above 0"
                )));
            }
            Self::Tum => scaled(&mut raw, 5000.0),
            Self::Sun => scaled(&mut raw.map(|value| value.rotate_right(3)), 1000.0),
            Self::Nyu => raw.map(|value| kinect_meters(u16::swap_bytes(value))).collect(),
        })
    }
}

/// Distance of a disparity of the Kinect, with the constants of the NYU Depth v2 toolbox.
fn kinect_meters(disparity: u16) -> f32 {
    const FARTHEST: f64 = 10.0;
    let meters = 351.3 / (1092.5 - f64::from(disparity));
    // 2047 stands for no measurement, and what is beyond the pole is none either. 0 would be 32 cm.
    if disparity > 0 && meters > 0.0 {
        meters.min(FARTHEST) as f32
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::{ImageBuffer, Luma, Rgb};
    use proptest::prelude::*;

    fn png<P: image::Pixel + image::PixelWithColorType>(pixel: P) -> Vec<u8>
    where
        [P::Subpixel]: image::EncodableLayout,
    {
        let mut bytes = Vec::new();
        ImageBuffer::from_pixel(3, 2, pixel)
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .unwrap();
        bytes
    }

    /// Why a file is refused.
    fn problem(bytes: &[u8], limit: usize) -> String {
        match gray16(bytes, limit) {
            Err(Fault::Media(problem)) => problem,
            other => unreachable!("{other:?}"),
        }
    }

    const CONVENTIONS: [DepthConvention; 4] = [
        DepthConvention::Scaled(1000.0),
        DepthConvention::Tum,
        DepthConvention::Sun,
        DepthConvention::Nyu,
    ];

    proptest! {
        #[test]
        fn any_bytes_are_a_picture_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for convention in CONVENTIONS {
                let _ = convention.decode(&bytes, usize::MAX);
            }
        }

        #[test]
        fn a_damaged_png_is_a_picture_or_an_error(at in 0_usize..70, value: u8) {
            let mut bytes = png(Luma([1234_u16]));
            let length = bytes.len();
            bytes[at % length] = value;
            let _ = DepthConvention::Tum.decode(&bytes, usize::MAX);
        }

        #[test]
        fn any_header_of_a_pgm_is_held_against_its_length(width: u32, height: u32, most: u16) {
            let bytes = format!("P5 {width} {height} {most}\n  ").into_bytes();
            prop_assert!(gray16(&bytes, usize::MAX).is_err());
        }

        #[test]
        fn the_largest_header_of_a_pgm_is_held_against_its_length(width in u32::MAX - 9.., height in u32::MAX - 9..) {
            let bytes = format!("P5 {width} {height} 65535\n  ").into_bytes();
            prop_assert!(gray16(&bytes, usize::MAX).is_err());
        }

        #[test]
        fn any_value_is_a_distance(value: u16) {
            for convention in CONVENTIONS {
                let meters = convention.meters(&[value]).unwrap()[0];
                prop_assert!(meters.is_finite() && meters >= 0.0);
            }
        }

        #[test]
        fn sun_is_millimeters_with_rotated_bits(millimeters: u16) {
            let found = DepthConvention::Sun.meters(&[millimeters.rotate_left(3)]).unwrap();
            prop_assert_eq!(found, DepthConvention::Scaled(1000.0).meters(&[millimeters]).unwrap());
        }
    }

    #[test]
    fn a_gray_png_of_16_bits_has_its_unit() {
        let map = DepthConvention::Tum
            .decode(&png(Luma([12_500_u16])), usize::MAX)
            .unwrap();
        assert_eq!((map.height, map.width, map.channels), (2, 3, 1));
        assert_eq!(map.values, [2.5; 6]);
    }

    proptest! {
        // OpenCV's `imread(…, IMREAD_UNCHANGED)` and Pillow give the values of a PGM as they stand in the file.
        #[test]
        fn values_of_a_pgm_are_those_in_the_file_whatever_the_largest_may_be(
            largest in prop_oneof![256_u16.., 65_200_u16..], values in proptest::collection::vec(any::<u16>(), 1..9),
        ) {
            let values: Vec<u16> = values.into_iter().map(|value| value.min(largest)).collect();
            let mut bytes = format!("P5\n# a comment\n{} 1\n{largest}\n", values.len()).into_bytes();
            bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            prop_assert_eq!(gray16(&bytes, usize::MAX).unwrap().values, values.clone());
            let text: Vec<String> = values.iter().map(u16::to_string).collect();
            let plain = format!("P2\n{} 1\n{largest}\n{}\n", values.len(), text.join(" "));
            prop_assert_eq!(gray16(plain.as_bytes(), usize::MAX).unwrap().values, values);
        }
    }

    #[test]
    fn pictures_of_8_bits_or_in_color_are_refused_by_what_they_are() {
        for (bytes, name) in [
            (png(Luma([7_u8])), "L8"),
            (png(Rgb([7_u8; 3])), "Rgb8"),
            (png(Rgb([7_u16; 3])), "Rgb16"),
        ] {
            let problem = problem(&bytes, usize::MAX);
            assert!(
                problem.contains(&format!("pixels are {name}, expected gray of 16 bits")),
                "{problem}"
            );
        }
        let pgm = problem(b"P5 2 1 255\nab", usize::MAX);
        assert!(pgm.contains("pixels are L8"), "{pgm}");
    }

    #[test]
    fn a_picture_of_more_than_is_allowed_is_refused() {
        let bytes = png(Luma([7_u16]));
        assert!(gray16(&bytes, 12).is_ok());
        assert_eq!(problem(&bytes, 11), too_large(11));
    }

    #[test]
    fn what_is_no_picture_or_no_unit_is_refused() {
        let whole = png(Luma([1_u16]));
        for (bytes, part) in [
            (&b"GIF89a"[..], "not a PNG or PGM file"),
            (b"", "not a PNG or PGM file"),
            (&whole[..whole.len() / 2], "cannot be decoded"),
        ] {
            let problem = problem(bytes, usize::MAX);
            assert!(problem.contains(part), "{problem}");
        }
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(DepthConvention::Scaled(scale).meters(&[1]).is_err());
        }
    }
}
