//! The plain formats in which `ffmpeg` hands over what it has decoded: they say their own sizes, so that
//! nothing else has to be asked for them.

use gblend_core::media::Waveform;

use super::{Fault, Picture};

/// Portable pixmaps (`P6`), one after the other.
pub(super) fn pixmaps(mut bytes: &[u8]) -> Result<Vec<Picture<u8>>, Fault> {
    let mut pictures = Vec::new();
    while !bytes.is_empty() {
        let broken = || Fault::Media("the frames from ffmpeg are not portable pixmaps".into());
        let rest = bytes.strip_prefix(b"P6").ok_or_else(broken)?;
        let (width, rest) = number(rest).ok_or_else(broken)?;
        let (height, rest) = number(rest).ok_or_else(broken)?;
        let (largest, rest) = number(rest).ok_or_else(broken)?;
        let size = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        let (Some(size @ 1..), 255) = (size, largest) else {
            return Err(broken());
        };
        // One byte of white space ends the header.
        let pixels = rest
            .get(1..=size)
            .ok_or("the last frame from ffmpeg is cut short")?;
        pictures.push(Picture {
            height,
            width,
            channels: 3,
            values: pixels.to_vec(),
        });
        bytes = &rest[1 + size..];
    }
    Ok(pictures)
}

/// Portable arbitrary maps (`P7`) of color and opacity, one after the other: four channels.
pub(super) fn maps_with_alpha(mut bytes: &[u8]) -> Result<Vec<Picture<u8>>, Fault> {
    let mut pictures = Vec::new();
    while !bytes.is_empty() {
        let broken = || Fault::Media("the frames from ffmpeg are not portable maps with opacity".into());
        let rest = bytes.strip_prefix(b"P7\nWIDTH").ok_or_else(broken)?;
        let (width, rest) = number(rest).ok_or_else(broken)?;
        let rest = rest.strip_prefix(b"\nHEIGHT").ok_or_else(broken)?;
        let (height, rest) = number(rest).ok_or_else(broken)?;
        let rest = rest.strip_prefix(b"\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n");
        let rest = rest.ok_or_else(broken)?;
        let size = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(4));
        let size = size.filter(|size| *size > 0).ok_or_else(broken)?;
        let (pixels, rest) = rest
            .split_at_checked(size)
            .ok_or("the last frame from ffmpeg is cut short")?;
        pictures.push(Picture {
            height,
            width,
            channels: 4,
            values: pixels.to_vec(),
        });
        bytes = rest;
    }
    Ok(pictures)
}

/// A number after white space, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// A NeXT/Sun audio file of 32-bit floats; several channels are averaged. Its size is not said, because it
/// was written to a pipe.
pub(super) fn au(bytes: &[u8]) -> Result<Waveform, Fault> {
    const FLOAT: u32 = 6;
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    };
    let header = (|| Some((word(4)? as usize, word(12)?, word(16)?, word(20)? as usize)))();
    let (offset, encoding, sample_rate, channels) = match header {
        Some(header) if bytes.starts_with(b".snd") => header,
        _ => return Err("the sound from ffmpeg has no header".into()),
    };
    let body = bytes
        .get(offset..)
        .filter(|_| encoding == FLOAT && sample_rate > 0 && channels > 0);
    let body = body.ok_or("the sound from ffmpeg has a header that cannot be")?;
    let values = body
        .chunks_exact(4)
        .map(|b| f32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    Ok(Waveform::mixed(sample_rate, channels, &values.collect::<Vec<_>>()).map_err(|e| e.to_string())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pixmaps_follow_each_other() {
        let bytes = b"P6\n2 1\n255\nabcdefP6\n1 1\n255\nxyz";
        let pictures = pixmaps(bytes).unwrap();
        assert_eq!(pictures.len(), 2);
        assert_eq!(pictures[0].values, b"abcdef");
        assert_eq!((pictures[1].height, pictures[1].width), (1, 1));
        assert!(pixmaps(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn maps_with_opacity_follow_each_other() {
        // As ffmpeg 5.1 writes them.
        let head = "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n";
        let bytes = format!("{head}abcdefgh{head}12345678").into_bytes();
        let pictures = maps_with_alpha(&bytes).unwrap();
        assert_eq!(pictures.len(), 2);
        let second = &pictures[1];
        assert_eq!((second.height, second.width, second.channels), (1, 2, 4));
        assert_eq!(second.values, b"12345678");
        assert!(maps_with_alpha(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn channels_of_a_sound_are_averaged() {
        let mut bytes = b".snd".to_vec();
        bytes.extend(
            [24_u32, u32::MAX, 6, 8000, 2]
                .iter()
                .flat_map(|word| word.to_be_bytes()),
        );
        bytes.extend(
            [1.0_f32, 0.0, -1.0, 0.5]
                .iter()
                .flat_map(|value| value.to_be_bytes()),
        );
        let sound = au(&bytes).unwrap();
        assert_eq!((sound.sample_rate, &sound.samples[..]), (8000, &[0.5, -0.25][..]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, header in "[0-9 \n]{0,60}") {
            let _ = pixmaps(&bytes);
            let _ = pixmaps(&[b"P6".as_slice(), header.as_bytes(), &bytes].concat());
            let _ = maps_with_alpha(&[b"P7\nWIDTH".as_slice(), header.as_bytes(), &bytes].concat());
            let _ = au(&bytes);
            let _ = au(&[b".snd".as_slice(), &bytes].concat());
        }
    }
}
