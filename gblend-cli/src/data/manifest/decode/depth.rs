//! Depth as 16-bit png: a whole number of units per pixel, 0 where nothing was measured.

use image::DynamicImage;

use super::{Fault, Picture, picture};

/// A map `[height, width, 1]` in meters, from a picture with `scale` units per meter.
pub(super) fn decode(bytes: &[u8], scale: f64, limit: usize) -> Result<Picture<f32>, Fault> {
    let image = picture::open(bytes, limit)?;
    let DynamicImage::ImageLuma16(image) = image else {
        return Err(Fault::Media(format!(
            "found a picture of {:?}, expected gray of 16 bits as depth",
            image.color()
        )));
    };
    let (height, width) = (image.height() as usize, image.width() as usize);
    let units = image.into_raw();
    Ok(Picture {
        height,
        width,
        channels: 1,
        values: units
            .into_iter()
            .map(|unit| (f64::from(unit) / scale) as f32)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::{ImageBuffer, ImageFormat, Luma};

    fn png(image: &DynamicImage) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn units_become_meters() {
        let image = ImageBuffer::<Luma<u16>, _>::from_raw(3, 1, vec![0, 1500, 65535]).unwrap();
        let map = decode(&png(&image.into()), 1000.0, 1 << 20).unwrap();
        assert_eq!((map.height, map.width, map.channels), (1, 3, 1));
        assert_eq!(map.values, [0.0, 1.5, 65.535]);
    }

    #[test]
    fn eight_bits_are_no_depth() {
        let image = DynamicImage::ImageLuma8(image::GrayImage::new(2, 2));
        let Err(Fault::Media(problem)) = decode(&png(&image), 1000.0, 1 << 20) else {
            unreachable!()
        };
        assert!(problem.contains("L8") && problem.contains("16 bits"), "{problem}");
    }
}
