//! Media as the files that the dataset `manifest` reads. Nothing is rounded but depth.

use std::io::Cursor;

use gblend_core::media::{DepthMaps, FlowFields, Frames, Waveform};
use gblend_core::{Array, Media};
use hound::{SampleFormat, WavSpec, WavWriter};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbImage};

/// The files of one stream of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoded {
    /// One file.
    File { extension: &'static str, bytes: Vec<u8> },
    /// A folder of files in time order.
    Sequence {
        extension: &'static str,
        files: Vec<Vec<u8>>,
    },
}

/// Encodes; `units` is the number of units per meter of a depth picture.
///
/// # Errors
/// What a value or size cannot be written as.
pub(super) fn encode(media: &Media, units: u32) -> Result<Encoded, String> {
    Ok(match media {
        Media::Frames(frames) => sequence("png", pngs(frames)?),
        Media::Flow(fields) => sequence("flo", flos(fields)?),
        Media::Depth(maps) => sequence("png", depth_pngs(maps, units)?),
        Media::Waveform(sound) => file("wav", wav(sound)?),
        Media::Array(array) => file("npy", npy(array)),
        Media::Text(text) => file("txt", text.clone().into_bytes()),
    })
}

fn sequence(extension: &'static str, files: Vec<Vec<u8>>) -> Encoded {
    Encoded::Sequence { extension, files }
}

fn file(extension: &'static str, bytes: Vec<u8>) -> Encoded {
    Encoded::File { extension, bytes }
}

/// The finest of the usual units per meter in which a depth of `largest` meters fits 16 bits.
///
/// # Errors
/// If even whole meters do not fit.
pub(super) fn depth_units(largest: f32) -> Result<u32, String> {
    const UNITS: [u32; 13] = [10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1];
    let fits = |units: &u32| (f64::from(largest) * f64::from(*units)).round() <= f64::from(u16::MAX);
    UNITS.into_iter().find(fits).ok_or_else(|| {
        format!(
            "found a depth of {largest} m, expected at most {}, as 16 bits hold",
            u16::MAX
        )
    })
}

/// Pictures of 8 bits, in gray if they have one channel.
fn pngs(frames: &Frames) -> Result<Vec<Vec<u8>>, String> {
    let shape = frames.shape();
    let (width, height) = (side(shape.width)?, side(shape.height)?);
    let pictures = frames
        .pixels()
        .chunks_exact(shape.height * shape.width * shape.channels);
    let encode = |pixels: &[u8]| {
        let pixels = pixels.to_vec();
        let picture = if shape.channels == 1 {
            GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
        } else {
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
        };
        png(picture)
    };
    pictures.map(encode).collect()
}

/// Pictures of 16 bits. A measured depth never becomes 0, which stands for none.
fn depth_pngs(maps: &DepthMaps, units: u32) -> Result<Vec<Vec<u8>>, String> {
    let shape = maps.shape();
    let (width, height) = (side(shape.width)?, side(shape.height)?);
    let unit = |&meters: &f32| {
        let units = (f64::from(meters) * f64::from(units)).round();
        match meters {
            0.0 => Ok(0),
            _ if meters > 0.0 && units <= f64::from(u16::MAX) => Ok((units as u16).max(1)),
            _ => Err(format!(
                "found a depth of {meters} m, which a picture cannot hold"
            )),
        }
    };
    let encode = |meters: &[f32]| {
        let pixels = meters.iter().map(unit).collect::<Result<Vec<u16>, _>>()?;
        png(ImageBuffer::<Luma<u16>, _>::from_raw(width, height, pixels).map(DynamicImage::from))
    };
    maps.meters()
        .chunks_exact(shape.height * shape.width)
        .map(encode)
        .collect()
}

pub(super) fn png(picture: Option<DynamicImage>) -> Result<Vec<u8>, String> {
    let picture = picture.ok_or("the picture is not as large as it says")?;
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

/// Fields in the format of the Middlebury benchmark.
fn flos(fields: &FlowFields) -> Result<Vec<Vec<u8>>, String> {
    /// Greater numbers are read as unknown displacements.
    const MOST: f32 = 1e9;
    let shape = fields.shape();
    let size = |extent: usize| {
        i32::try_from(extent).map_err(|_| format!("found {extent} pixels, expected fewer in a .flo file"))
    };
    let (width, height) = (size(shape.width)?, size(shape.height)?);
    if let Some(vector) = fields
        .vectors()
        .iter()
        .find(|value| value.is_nan() || value.abs() > MOST)
    {
        return Err(format!(
            "found a displacement of {vector}, expected at most {MOST} in a .flo file"
        ));
    }
    let encode = |vectors: &[f32]| {
        let mut bytes = b"PIEH".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend(vectors.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    };
    let fields = fields.vectors().chunks_exact(shape.height * shape.width * 2);
    Ok(fields.map(encode).collect())
}

/// A wav file of 32-bit floats.
fn wav(sound: &Waveform) -> Result<Vec<u8>, String> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: sound.sample_rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut write = || -> hound::Result<()> {
        let mut writer = WavWriter::new(&mut bytes, spec)?;
        for &sample in &sound.samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    };
    write().map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

/// Version 1.0 of NumPy's format, 32-bit floats in row-major order.
fn npy(array: &Array) -> Vec<u8> {
    const PREFIX: usize = 10;
    let extents: String = array.shape().iter().map(|extent| format!("{extent},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({extents}), }}");
    // The values begin at a multiple of 64 bytes, behind a line break.
    let padding = 63 - (PREFIX + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(array.values().iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn side(extent: usize) -> Result<u32, String> {
    u32::try_from(extent).map_err(|_| format!("found {extent} pixels, expected fewer in a png"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::media::SequenceShape;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn units_are_the_finest_in_which_the_largest_depth_fits(largest in 0.0_f32..65_535.0) {
            let units = depth_units(largest).unwrap();
            let most = f64::from(largest) * f64::from(units);
            prop_assert!(most.round() <= 65_535.0);
            // No usual unit is coarser than the next by more than 2.5.
            prop_assert!(units == 10_000 || most * 2.5 > 65_535.0, "{} units", units);
        }
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused_and_not_clipped() {
        assert!(depth_units(65_536.0).is_err() && depth_units(f32::INFINITY).is_err());
        let shape = |channels| SequenceShape {
            frames: 1,
            height: 1,
            width: 1,
            channels,
        };
        for meters in [-1.0, f32::NAN, 7.0] {
            let maps = DepthMaps::new(shape(1), vec![meters]).unwrap();
            assert!(encode(&Media::Depth(maps), 10_000).is_err(), "{meters}");
        }
        for vector in [2e9, f32::NAN] {
            let field = FlowFields::new(shape(2), vec![0.0, vector]).unwrap();
            assert!(encode(&Media::Flow(field), 1).is_err(), "{vector}");
        }
    }
}
